#pragma once
/* Leader election by a coordination.k8s.io/v1 Lease, as client-go's tools/leaderelection does it, so that the two can contend for one Lease.
 *
 * Another holder is believed to be gone when its record has not changed for the lease's duration on our own monotonic clock; no two machines' clocks are compared. Writes carry the resourceVersion that was read,
 * so at most one contender wins. A leader that could not renew within `renew_seconds` stops leading before anybody else can start. */
#include "handler/kube/client.h"

typedef struct WryKubeLease WryKubeLease;

typedef struct {
  const char *namespace_, *name;
  const char *identity;    /* unique per process: "<node>_<uuid>" */
  guint duration_seconds;  /* others wait this long for a change before they take it. 0: 15 */
  guint renew_seconds;     /* a leader that fails for this long stops leading; less than duration_seconds. 0: 10 */
  guint retry_seconds;     /* between attempts, with jitter up to 1.2 times more while not leading; 2.2 times it is less than renew_seconds. 0: 2 */
} WryKubeLeaseOptions;

typedef struct {
  void (*started)(gpointer data);                       /* we lead */
  void (*stopped)(gpointer data);                       /* no longer; may start again later */
  void (*leader)(const char *identity, gpointer data);  /* another holder was seen ("" = released), ours included. May be NULL */
  void (*failed)(const WryKubeFailure *failure, gpointer data); /* one attempt failed; tried again. May be NULL */
} WryKubeLeaseCalls;

/* Strings are copied; `calls` (static), `kube` and `data` outlive it. */
WryKubeLease *wry_kube_lease_new(WryKube *kube, const WryKubeLeaseOptions *options, const WryKubeLeaseCalls *calls, gpointer data);
/* Stops without a word to the server or to `calls`. NULL is fine. */
void wry_kube_lease_free(WryKubeLease *lease);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryKubeLease, wry_kube_lease_free)
/* `stopped` is called at once when leading; then the Lease is given back (holderIdentity empty, duration 1 s) so that another need not wait. `done` is called when that was written, failed, or was not needed;
 * from then on nothing happens until it is freed. */
void wry_kube_lease_release(WryKubeLease *lease, void (*done)(gpointer data), gpointer data);
gboolean wry_kube_lease_leading(const WryKubeLease *lease);
/* Holder seen last; "" when unknown. Borrowed until the next turn of the loop. */
const char *wry_kube_lease_holder(const WryKubeLease *lease);
