/* Requests to the API server.
 *
 * How it works: a call waits in a queue, flies (a transfer of transport.h) or rests before another attempt; at most max_in_flight fly. The queue is served from an idle source, so nothing is answered from within the
 * function that asked. As long as it is not known whether the server can be reached, one call or stream flies alone: the others then share its connection
 * instead of each making one. A 401 makes the identity anew and repeats the call once. Everything about a call ends with its deadline, however often it was tried.
 * Relies on: transport.h for HTTP, config.c for the identity, failure.c for Status, backoff.c for delays. */
#include "handler/kube/client.h"

#include <string.h>

#include "handler/kube/backoff.h"
#include "handler/kube/config_internal.h"
#include "handler/kube/failure.h"
#include "handler/kube/transport.h"

#define MAX_STREAM_REFUSAL (64u << 10) /* the Status of a stream that is refused */

/* `again`: doing it twice is doing it once. */
static const struct {
  const char *method, *content_type;
  gboolean again;
} verbs[WRY_KUBE_VERBS] = {
    [WRY_KUBE_GET] = {"GET", "application/json", TRUE},
    [WRY_KUBE_POST] = {"POST", "application/json", FALSE},
    [WRY_KUBE_PUT] = {"PUT", "application/json", TRUE},
    [WRY_KUBE_DELETE] = {"DELETE", "application/json", TRUE},
    [WRY_KUBE_PATCH_JSON] = {"PATCH", "application/json-patch+json", FALSE},
    [WRY_KUBE_PATCH_MERGE] = {"PATCH", "application/merge-patch+json", TRUE},
    [WRY_KUBE_PATCH_STRATEGIC] = {"PATCH", "application/strategic-merge-patch+json", TRUE},
    [WRY_KUBE_PATCH_APPLY] = {"PATCH", "application/apply-patch+yaml", TRUE},
};

typedef enum { WAITING, FLYING, RESTING, FINISHED } Stage;

struct WryKubeCall {
  WryKube *kube;
  GList link;                       /* in kube->calls */
  Stage stage;
  WryKubeVerb verb;
  char *target, *what, *body;
  WryKubeDone done;                 /* of a call */
  const WryKubeStreamCalls *stream; /* of a stream */
  gpointer data;
  gboolean once, renewed, raw;      /* renewed: tried again after 401; raw: an answer that is no JSON is fine */
  guint timeout_seconds, idle_seconds, attempt, generation;
  gint64 deadline;                  /* monotonic microseconds */
  guint deadline_timer, rest_timer;
  WryTransfer *transfer;
  GByteArray *answer;
  gboolean too_large;
  char *last;                       /* why the last attempt failed */
};

struct WryKube {
  WryKubeConfig *config;
  WryTransport *transport;
  guint max_in_flight, timeout_seconds;
  gsize max_body;
  GQueue calls;   /* all, oldest first */
  guint flying;   /* calls, not streams */
  gboolean proven;       /* the last that was heard of the server was an answer */
  WryKubeCall *scout;    /* flies alone until it is proven */
  guint pump;     /* idle source */
};

static void pump_soon(WryKube *kube);

/* --- the end of a call ----------------------------------------------------------------------------------------------------------------------------------------------------- */
static void leave_stage(WryKubeCall *call) {
  WryKube *kube = call->kube;
  if (call->transfer) wry_transfer_drop(g_steal_pointer(&call->transfer));
  if (call->stage == FLYING && !call->stream) kube->flying--;
  if (kube->scout == call) kube->scout = NULL;
  if (call->stage == FLYING) pump_soon(kube);
  if (call->rest_timer) g_source_remove(call->rest_timer);
  call->rest_timer = 0;
}

static void call_free(WryKubeCall *call) {
  leave_stage(call);
  if (call->deadline_timer) g_source_remove(call->deadline_timer);
  if (call->stage != FINISHED) g_queue_unlink(&call->kube->calls, &call->link);
  g_free(call->target);
  g_free(call->what);
  g_free(call->body);
  g_free(call->last);
  g_byte_array_unref(call->answer);
  g_free(call);
}

static void conclude(WryKubeCall *call, WryJson *object, const WryKubeFailure *failure) {
  leave_stage(call);
  g_queue_unlink(&call->kube->calls, &call->link);
  call->stage = FINISHED; /* a cancel from within `done` does nothing */
  if (call->stream)
    call->stream->end(failure, call->data);
  else if (call->done)
    call->done(object, failure, call->data);
  call_free(call);
}

static void conclude_lost(WryKubeCall *call, WryErrorCode code, const char *why) {
  g_autoptr(WryKubeFailure) failure = wry_kube_failure_lost(call->what, code, why);
  conclude(call, NULL, failure);
}

void wry_kube_cancel(WryKubeCall *call) {
  if (call && call->stage != FINISHED) call_free(call);
}

static gboolean on_deadline(gpointer data) {
  WryKubeCall *call = data;
  call->deadline_timer = 0;
  g_autofree char *why = call->last ? g_strdup_printf("not done in %u s; the last attempt: %s", call->timeout_seconds, call->last) : g_strdup_printf("no answer in %u s", call->timeout_seconds);
  conclude_lost(call, WRY_ERROR_TIMEOUT, why);
  return G_SOURCE_REMOVE;
}

/* --- another attempt --------------------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean on_rested(gpointer data) {
  WryKubeCall *call = data;
  call->rest_timer = 0;
  call->stage = WAITING;
  pump_soon(call->kube);
  return G_SOURCE_REMOVE;
}

/* FALSE: there is no time left for another. */
static gboolean rest(WryKubeCall *call, WryKubeTrouble trouble, guint retry_after, const char *why) {
  guint delay = wry_kube_backoff(trouble, call->attempt, retry_after, g_random_double());
  if (call->once || g_get_monotonic_time() + (gint64)delay * 1000 >= call->deadline) return FALSE;
  leave_stage(call);
  call->attempt++;
  call->stage = RESTING;
  call->rest_timer = g_timeout_add(delay, on_rested, call);
  g_free(call->last);
  call->last = g_strdup(why);
  return TRUE;
}

/* --- answers -------------------------------------------------------------------------------------------------------------------------------------------------------------------- */
static WryJson *parse_answer(const WryKubeCall *call, GError **error) {
  return call->answer->len ? wry_json_parse((const char *)call->answer->data, call->answer->len, error) : NULL;
}

static void on_lost(WryKubeCall *call, const WryTransferEnd *end) {
  if (!end->stopped) call->kube->proven = FALSE;
  gboolean may = !call->stream && (verbs[call->verb].again || end->unsent);
  if (call->too_large)
    conclude_lost(call, WRY_ERROR_TOO_LARGE, "the answer is too large");
  else if (end->stopped)
    conclude_lost(call, WRY_ERROR_PROTOCOL, "the answer is not what it must be");
  else if (!may || !rest(call, WRY_KUBE_UNREACHABLE, 0, end->why))
    conclude_lost(call, end->timeout ? WRY_ERROR_TIMEOUT : WRY_ERROR_IO, end->why);
}

static void on_refused(WryKubeCall *call, const WryTransferEnd *end) {
  WryKube *kube = call->kube;
  if (end->http == 401 && !call->renewed) {
    wry_kube_config_refused(kube->config, call->generation);
    leave_stage(call);
    call->renewed = TRUE;
    call->stage = WAITING;
    pump_soon(kube);
    return;
  }
  g_autoptr(WryJson) status = end->json ? parse_answer(call, NULL) : NULL;
  g_autoptr(WryKubeFailure) failure = wry_kube_failure_new(call->what, end->http, status, end->retry_after);
  gboolean may = !call->stream && wry_kube_failure_passes(failure) && (verbs[call->verb].again || end->http == 429);
  if (!may || !rest(call, WRY_KUBE_UNWILLING, failure->retry_after, failure->error->message)) conclude(call, status, failure);
}

static void on_success(WryKubeCall *call, const WryTransferEnd *end) {
  g_autoptr(GError) error = NULL;
  if (call->stream || call->answer->len == 0 || (call->raw && !end->json)) {
    conclude(call, NULL, NULL);
    return;
  }
  g_autoptr(WryJson) object = parse_answer(call, &error);
  if (!object)
    conclude_lost(call, WRY_ERROR_PROTOCOL, error->message);
  else
    conclude(call, json_object_is_type(object, json_type_object) ? object : NULL, NULL);
}

static void on_end(const WryTransferEnd *end, gpointer data) {
  WryKubeCall *call = data;
  call->transfer = NULL; /* it ended by itself */
  if (end->why)
    on_lost(call, end);
  else if (end->http >= 200 && end->http < 300)
    on_success(call, end);
  else
    on_refused(call, end);
}

static void on_begin(int http, gpointer data) {
  WryKubeCall *call = data;
  WryKube *kube = call->kube;
  if (!kube->proven) pump_soon(kube);
  kube->proven = TRUE;
  kube->scout = NULL;
  if (call->stream && call->stream->begin && http >= 200 && http < 300) call->stream->begin(call->data);
}

static gboolean on_bytes(int http, const char *bytes, gsize length, gpointer data) {
  WryKubeCall *call = data;
  gboolean good = http >= 200 && http < 300;
  if (call->stream && good) return call->stream->bytes(bytes, length, call->data);
  gsize most = call->stream ? MAX_STREAM_REFUSAL : call->kube->max_body;
  if (call->answer->len + length > most) {
    call->too_large = good;
    return !good && call->stream; /* a refusal that is long is a refusal all the same */
  }
  g_byte_array_append(call->answer, (const guint8 *)bytes, (guint)length);
  return TRUE;
}

/* --- flying ------------------------------------------------------------------------------------------------------------------------------------------------------------------------ */
static void fly(WryKubeCall *call) {
  static const WryTransferCalls calls = {.begin = on_begin, .bytes = on_bytes, .end = on_end};
  WryKube *kube = call->kube;
  WryTransferRequest request = {
      .method = verbs[call->verb].method, .target = call->target, .content_type = verbs[call->verb].content_type, .accept = call->raw ? "application/json, */*" : "application/json", .body = call->body,
      .body_length = call->body ? strlen(call->body) : 0, .timeout_seconds = call->stream ? call->timeout_seconds : 0, .idle_seconds = call->idle_seconds,
      .once = !verbs[call->verb].again,
  };
  call->stage = FLYING;
  if (!kube->proven) kube->scout = call;
  call->generation = kube->config->generation;
  if (!call->stream) kube->flying++;
  g_byte_array_set_size(call->answer, 0);
  call->transfer = wry_transport_start(kube->transport, &request, &calls, call);
}

/* The oldest call that may fly now. */
static WryKubeCall *next_call(WryKube *kube) {
  if (kube->scout) return NULL;
  for (GList *link = kube->calls.head; link; link = link->next) {
    WryKubeCall *call = link->data;
    if (call->stage == WAITING && (call->stream || kube->flying < kube->max_in_flight)) return call;
  }
  return NULL;
}

static gboolean pump(gpointer data) {
  WryKube *kube = data;
  WryKubeCall *call;
  kube->pump = 0;
  while ((call = next_call(kube))) {
    g_autoptr(GError) error = NULL;
    WryKubeIdentity identity = wry_kube_config_identity(kube->config, &error);
    if (identity == WRY_KUBE_PENDING) break; /* on_identity goes on */
    if (identity == WRY_KUBE_FAILED)
      conclude_lost(call, WRY_ERROR_DENIED, error->message);
    else
      fly(call);
  }
  return G_SOURCE_REMOVE;
}

static void pump_soon(WryKube *kube) {
  if (!kube->pump) kube->pump = g_idle_add_full(G_PRIORITY_DEFAULT, pump, kube, NULL);
}

static void on_identity(gpointer data) {
  pump_soon(data);
}

/* --- starting ------------------------------------------------------------------------------------------------------------------------------------------------------------------------ */
static WryKubeCall *call_new(WryKube *kube, WryKubeVerb verb, char *take_target, gpointer data) {
  WryKubeCall *call = g_new0(WryKubeCall, 1);
  *call = (WryKubeCall){.kube = kube, .verb = verb, .target = take_target, .data = data, .answer = g_byte_array_new()};
  call->what = g_strdup_printf("%s %.*s", verbs[verb].method, (int)strcspn(take_target, "?"), take_target);
  call->link.data = call;
  g_queue_push_tail_link(&kube->calls, &call->link);
  pump_soon(kube);
  return call;
}

WryKubeCall *wry_kube_call(WryKube *kube, const WryKubeRequest *request, WryKubeDone done, gpointer data) {
  g_autofree char *path = request->path ? g_strdup(request->path) : wry_kube_path(request->resource, request->namespace_, request->name, request->subresource);
  gboolean query = request->query && *request->query;
  WryKubeCall *call = call_new(kube, request->verb, g_strconcat(path, query ? "?" : "", query ? request->query : "", NULL), data);
  call->done = done;
  call->once = request->once;
  call->raw = request->path != NULL;
  call->body = request->body ? g_strdup(json_object_to_json_string_ext(request->body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)) : NULL;
  call->timeout_seconds = request->timeout_seconds ? request->timeout_seconds : kube->timeout_seconds;
  call->deadline = g_get_monotonic_time() + (gint64)call->timeout_seconds * G_USEC_PER_SEC;
  call->deadline_timer = g_timeout_add_seconds(call->timeout_seconds, on_deadline, call);
  return call;
}

WryKubeCall *wry_kube_stream(WryKube *kube, const char *path_and_query, guint timeout_seconds, guint idle_seconds, const WryKubeStreamCalls *calls, gpointer data) {
  WryKubeCall *call = call_new(kube, WRY_KUBE_GET, g_strdup(path_and_query), data);
  call->stream = calls;
  call->timeout_seconds = timeout_seconds;
  call->idle_seconds = idle_seconds;
  return call;
}

/* --- the client --------------------------------------------------------------------------------------------------------------------------------------------------------------------------- */
WryKube *wry_kube_new(WryKubeConfig *take_config, const WryKubeOptions *options, GError **error) {
  static const WryKubeOptions defaults = {0};
  if (!options) options = &defaults;
  WryTransport *transport = wry_transport_new(take_config, options->http1, options->user_agent ? options->user_agent : "wherry/" WRY_VERSION, error);
  if (!transport) {
    wry_kube_config_free(take_config);
    return NULL;
  }
  WryKube *kube = g_new0(WryKube, 1);
  *kube = (WryKube){
      .config = take_config, .transport = transport, .max_in_flight = options->max_in_flight ? options->max_in_flight : WRY_KUBE_IN_FLIGHT,
      .timeout_seconds = options->timeout_seconds ? options->timeout_seconds : WRY_KUBE_TIMEOUT_SECONDS, .max_body = options->max_body ? options->max_body : WRY_KUBE_MAX_BODY,
  };
  take_config->ready = on_identity;
  take_config->ready_data = kube;
  return kube;
}

void wry_kube_free(WryKube *kube) {
  if (!kube) return;
  while (kube->calls.head) call_free(kube->calls.head->data);
  if (kube->pump) g_source_remove(kube->pump);
  wry_transport_free(kube->transport);
  wry_kube_config_free(kube->config);
  g_free(kube);
}

WryKubeConfig *wry_kube_config(WryKube *kube) {
  return kube->config;
}
