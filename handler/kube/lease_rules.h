#pragma once
/* Leader election decided: what a Lease says and what a contender does about it. Pure. */
#include "handler/kube/lease.h"

typedef enum {
  WRY_KUBE_LEASE_WAIT,  /* another holds it */
  WRY_KUBE_LEASE_TAKE,  /* nobody does, or its holder is believed to be gone */
  WRY_KUBE_LEASE_RENEW, /* we hold it */
} WryKubeLeaseStep;

/* What was seen, and when on our own clock (microseconds) it was first seen so. */
typedef struct {
  char *text;      /* the spec as it came: any change of it is a sign of life */
  char *holder;    /* "" when nobody holds it */
  gint64 duration; /* seconds */
  gint64 since;
} WryKubeLeaseSeen;

void wry_kube_lease_seen_clear(WryKubeLeaseSeen *seen);
/* TRUE when the holder is another than before. */
gboolean wry_kube_lease_observe(WryKubeLeaseSeen *seen, WryJson *lease, gint64 now);
WryKubeLeaseStep wry_kube_lease_decide(const WryKubeLeaseSeen *seen, const char *identity, gint64 now);

/* A new Lease held by `identity`. `wall`: microseconds since 1970. New. */
WryJson *wry_kube_lease_make(const WryKubeLeaseOptions *options, gint64 wall);
/* The Lease as it is to be written back, everything else in it kept; `step` TAKE or RENEW. New. */
WryJson *wry_kube_lease_claim(WryJson *lease, const WryKubeLeaseOptions *options, WryKubeLeaseStep step, gint64 wall);
/* The Lease given back: no holder, one second. New. */
WryJson *wry_kube_lease_give(WryJson *lease, gint64 wall);
/* meta/v1 MicroTime: "2026-01-02T03:04:05.000006Z". New string. */
char *wry_kube_micro_time(gint64 wall);
