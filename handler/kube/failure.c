/* What went wrong with a call.
 *
 * How it works: one table joins StatusReason, HTTP status and our error code (apimachinery's meta/v1 types). A Status names its reason; an answer without one gets the first row of its HTTP status.
 * Relies on: error.h. */
#include "handler/kube/failure.h"

#include <string.h>

static const struct {
  int http;
  const char *reason;
  WryErrorCode code;
} reasons[] = {
    {400, "BadRequest", WRY_ERROR_INVALID},
    {401, "Unauthorized", WRY_ERROR_DENIED},
    {403, "Forbidden", WRY_ERROR_DENIED},
    {404, "NotFound", WRY_ERROR_NOT_FOUND},
    {405, "MethodNotAllowed", WRY_ERROR_UNSUPPORTED},
    {406, "NotAcceptable", WRY_ERROR_UNSUPPORTED},
    {409, "Conflict", WRY_ERROR_CONFLICT},
    {409, "AlreadyExists", WRY_ERROR_EXISTS},
    {410, "Expired", WRY_ERROR_CONFLICT},
    {410, "Gone", WRY_ERROR_CONFLICT},
    {413, "RequestEntityTooLarge", WRY_ERROR_TOO_LARGE},
    {415, "UnsupportedMediaType", WRY_ERROR_UNSUPPORTED},
    {422, "Invalid", WRY_ERROR_INVALID},
    {429, "TooManyRequests", WRY_ERROR_TIMEOUT},
    {500, "InternalError", WRY_ERROR_FAILED},
    {500, "ServerTimeout", WRY_ERROR_TIMEOUT},
    {503, "ServiceUnavailable", WRY_ERROR_TIMEOUT},
    {504, "Timeout", WRY_ERROR_TIMEOUT},
};

static const char *const cause_reasons[] = {WRY_CAUSE_REQUIRED, WRY_CAUSE_NOT_FOUND, WRY_CAUSE_DUPLICATE, WRY_CAUSE_NOT_SUPPORTED, WRY_CAUSE_FORBIDDEN};

typedef struct {
  WryKubeFailure seen; /* first: what others see */
  GError *error;
  char *reason, *message;
  WryCauses *causes;
} Failure;

static const char *reason_of_http(int http) {
  for (gsize i = 0; i < G_N_ELEMENTS(reasons); i++)
    if (reasons[i].http == http) return reasons[i].reason;
  return "";
}

/* Anything that the table does not know is by its HTTP status. */
static WryErrorCode code_of(const char *reason, int http) {
  for (gsize i = 0; i < G_N_ELEMENTS(reasons); i++)
    if (!strcmp(reasons[i].reason, reason)) return reasons[i].code;
  for (gsize i = 0; i < G_N_ELEMENTS(reasons); i++)
    if (reasons[i].http == http) return reasons[i].code;
  return WRY_ERROR_FAILED;
}

static WryKubeFailure *show(Failure *failure) {
  failure->seen.error = failure->error;
  failure->seen.reason = failure->reason;
  failure->seen.message = failure->message;
  failure->seen.causes = failure->causes;
  return &failure->seen;
}

static const char *cause_reason(WryJson *cause) {
  const char *reason = wry_json_str(cause, "reason");
  for (gsize i = 0; reason && i < G_N_ELEMENTS(cause_reasons); i++)
    if (!strcmp(reason, cause_reasons[i])) return cause_reasons[i];
  return WRY_CAUSE_INVALID;
}

static void read_causes(WryCauses *into, WryJson *list) {
  if (!json_object_is_type(list, json_type_array)) return;
  for (gsize i = 0; i < json_object_array_length(list); i++) {
    WryJson *cause = json_object_array_get_idx(list, i);
    const char *field = wry_json_str(cause, "field"), *message = wry_json_str(cause, "message");
    wry_causes_add(into, cause_reason(cause), field, "%s", message ? message : "");
  }
}

WryKubeFailure *wry_kube_failure_new(const char *what, int http, WryJson *status, guint retry_after) {
  Failure *failure = g_new0(Failure, 1);
  const char *kind = wry_json_str(status, "kind");
  WryJson *details = NULL;
  failure->causes = wry_causes_new();
  failure->seen.http = http;
  if (kind && !strcmp(kind, "Status")) {
    failure->reason = g_strdup(wry_json_str(status, "reason"));
    failure->message = g_strdup(wry_json_str(status, "message"));
    details = wry_json_get(status, "details");
    read_causes(failure->causes, wry_json_get(details, "causes"));
  }
  if (!failure->reason || !*failure->reason) {
    g_free(failure->reason);
    failure->reason = g_strdup(reason_of_http(http));
  }
  if (!failure->message) failure->message = g_strdup("");
  failure->seen.retry_after = retry_after ? retry_after : (guint)CLAMP(wry_json_int(details, "retryAfterSeconds", 0), 0, 86400);
  g_autofree char *number = g_strdup_printf("HTTP status %d", http);
  const char *why = *failure->message ? failure->message : *failure->reason ? failure->reason : number;
  failure->error = g_error_new(WRY_ERROR, (int)code_of(failure->reason, http), "%s: %s", what, why);
  return show(failure);
}

WryKubeFailure *wry_kube_failure_lost(const char *what, WryErrorCode code, const char *why) {
  Failure *failure = g_new0(Failure, 1);
  failure->causes = wry_causes_new();
  failure->reason = g_strdup("");
  failure->message = g_strdup("");
  failure->error = g_error_new(WRY_ERROR, (int)code, "%s: %s", what, why);
  return show(failure);
}

void wry_kube_failure_free(WryKubeFailure *seen) {
  if (!seen) return;
  Failure *failure = (Failure *)seen;
  g_error_free(failure->error);
  g_free(failure->reason);
  g_free(failure->message);
  wry_causes_free(failure->causes);
  g_free(failure);
}

gboolean wry_kube_failure_passes(const WryKubeFailure *failure) {
  return failure->http == 429 || failure->http == 503 || (failure->http >= 500 && failure->retry_after);
}
