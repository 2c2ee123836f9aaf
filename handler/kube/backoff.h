#pragma once
/* How long to wait before the next attempt. Pure. */
#include <glib.h>

typedef enum {
  WRY_KUBE_UNREACHABLE, /* no connection: trying costs nobody anything, and work should go on soon after the server is back */
  WRY_KUBE_UNWILLING,   /* it answers, but so (429, 5xx, 403, ...): it is asked less and less often */
  WRY_KUBE_TROUBLES
} WryKubeTrouble;

/* Milliseconds. `attempt`: failures before this one, in a row; `retry_after`: seconds that the server asked for, or 0; `random`: from 0 up to 1, the jitter. */
guint wry_kube_backoff(WryKubeTrouble trouble, guint attempt, guint retry_after, double random);
