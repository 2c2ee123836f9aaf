#pragma once
/* What of the running domain only libvirt knows, out of its live XML. Pure. */
#include <glib.h>

typedef struct {
  char *machine;         /* canonical machine type: "pc-q35-7.2" */
  gboolean agent;        /* the guest agent's channel is connected */
  gint64 memory;         /* bytes, now */
  GPtrArray *macs;       /* char *, in the order of the interfaces */
} WryLive;

/* NULL with WRY_ERROR_INVALID when it is no domain XML. */
WryLive *wry_live_parse(const char *xml, GError **error);
void wry_live_free(WryLive *live);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryLive, wry_live_free)
