#pragma once
/* What is wanted of a descriptor, changed as buffers fill and empty: a source of the main context that is made anew only when the wish changes. */
#include <glib-unix.h>

typedef struct { guint source; GIOCondition now; } WryFdWatch; /* begins as zeros */

/* `wanted` 0: not watched; a hang-up is not told then either. May be called from within the call itself. */
static inline void wry_fd_watch(WryFdWatch *watch, int fd, GIOCondition wanted, GUnixFDSourceFunc call, gpointer data) {
  if (watch->now == wanted) return;
  if (watch->source) g_source_remove(watch->source);
  watch->source = wanted ? g_unix_fd_add(fd, wanted, call, data) : 0;
  watch->now = wanted;
}
