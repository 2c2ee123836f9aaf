/* How long to wait before the next attempt.
 *
 * The delay doubles up to the trouble's limit; the upper half of it is random, so that a fleet that lost its server at one moment does not come back at one moment. What the server asks for by Retry-After is never
 * undercut, and is believed up to five minutes.
 * Relies on GLib only. */
#include "handler/kube/backoff.h"

#define MAX_RETRY_AFTER 300u /* seconds */

static const struct {
  guint first, most; /* milliseconds */
} troubles[WRY_KUBE_TROUBLES] = {
    [WRY_KUBE_UNREACHABLE] = {100, 2000},
    [WRY_KUBE_UNWILLING] = {200, 10000},
};

guint wry_kube_backoff(WryKubeTrouble trouble, guint attempt, guint retry_after, double random) {
  guint most = troubles[trouble].most;
  guint delay = attempt < 16 ? MIN(troubles[trouble].first << attempt, most) : most;
  delay = delay / 2 + (guint)(random * (delay / 2));
  guint asked = MIN(retry_after, MAX_RETRY_AFTER) * 1000;
  return asked ? MAX(delay, asked + (guint)(random * asked / 4)) : delay;
}
