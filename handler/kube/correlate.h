#pragma once
/* Which events are written, and as what: client-go's EventCorrelator (tools/record). Pure. */
#include "handler/kube/events.h"

typedef struct WryKubeCorrelator WryKubeCorrelator;

WryKubeCorrelator *wry_kube_correlator_new(const char *host);
void wry_kube_correlator_free(WryKubeCorrelator *correlator);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryKubeCorrelator, wry_kube_correlator_free)

typedef struct {
  const WryKubeEventObject *about;
  const char *component, *reason, *message;
  gboolean warning;
} WryKubeEventIn;

/* The core/v1 Event to be there afterwards; count above 1: it is there already, under this name. NULL: too many about this object. `wall`: microseconds since 1970. New. */
WryJson *wry_kube_correlate(WryKubeCorrelator *correlator, const WryKubeEventIn *in, gint64 wall);
/* The part of it that changes with a repetition: count, lastTimestamp, message. New. */
WryJson *wry_kube_correlate_patch(WryJson *event);
