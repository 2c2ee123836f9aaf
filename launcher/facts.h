#pragma once
/* What a restarted `launcher run` must know of its predecessor's VM: a small file in the VM's private directory, written before the thing it tells of is acted upon. */
#include <glib.h>

typedef struct {
  guint runs;              /* starts of `launcher run` in this sandbox, this one included */
  gboolean live;           /* the guest ran: it is never started again in this sandbox */
  gboolean guest_shutdown; /* see WryEndFacts */
  gboolean host_signal;
  gboolean panicked;
  gboolean killed;
  gboolean watchdog;       /* the watchdog ended QEMU */
  gboolean user_paused;
  gboolean untouched;      /* started paused, and no instruction of the guest has run */
} WryFacts;

/* All zero when there is no file, or one that cannot be read. */
WryFacts wry_facts_read(int dir);
gboolean wry_facts_write(int dir, const WryFacts *facts, GError **error);
/* Pure. */
char *wry_facts_print(const WryFacts *facts);
WryFacts wry_facts_parse(const char *text);
