#pragma once
/* What went wrong with a call: meta/v1 Status decoded. Pure. */
#include "handler/kube/client.h"

/* `what`: "GET /api/v1/pods", the noun of the error. `status`: the answer's body when it was JSON, else NULL (borrowed). `retry_after`: of the header; 0: none, details.retryAfterSeconds counts. New. */
WryKubeFailure *wry_kube_failure_new(const char *what, int http, WryJson *status, guint retry_after);
/* No answer, or none that can be used. */
WryKubeFailure *wry_kube_failure_lost(const char *what, WryErrorCode code, const char *why);
void wry_kube_failure_free(WryKubeFailure *failure);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryKubeFailure, wry_kube_failure_free)
/* The server is too busy or not itself: another try may go better. */
gboolean wry_kube_failure_passes(const WryKubeFailure *failure);
