/* A local copy of a collection, kept by LIST and WATCH.
 *
 * How it works: one stream at a time. A list is asked for page by page, each page taken apart while it arrives; a page that fails is asked for again, and only the end of the last page says what is gone. Then a watch
 * from the list's resourceVersion; its end, whatever the reason, leads to the next one from where it stood, or to a new list: after 410, after any refusal that is not "too busy", when events come in the wrong order,
 * and when the server could not be reached at all, because what comes back may be an older state (etcd restored) of which a watch would never tell.
 *
 * Relies on: splitter.h for objects out of bytes, item.h for the store, client.h for streams, backoff.c for delays. */
#include "handler/kube/watch.h"

#include <string.h>

#include "handler/kube/backoff.h"
#include "handler/kube/failure.h"
#include "handler/kube/item.h"
#include "handler/kube/splitter.h"

#define LIST_IDLE_SECONDS 60u
#define WATCH_IDLE_SECONDS 150u /* a server sends a bookmark about once a minute */
#define WATCH_SPARE_SECONDS 10u /* the server has so long to end a watch whose time is over */
#define SHORT_MICROSECONDS G_USEC_PER_SEC       /* a watch that ends sooner, without an event, is a failure */
#define GOOD_MICROSECONDS (5 * G_USEC_PER_SEC)  /* what went wrong before one that lived so long is forgotten */
#define EXPIRED_LISTS 2u        /* so often a list may outlive its token before it is asked for in one piece */

struct WryKubeWatch {
  WryKube *kube;
  WryKubeWatchOptions options; /* strings are owned */
  const WryKubeWatchCalls *calls;
  gpointer data;
  WryKubeStore *store;
  char *version;               /* where the watch goes on; NULL: a list is needed */
  char *token;                 /* of the list's next page */
  guint expired;               /* lists in a row that outlived their token */
  WryKubeCall *call;
  WryKubeSplitter *splitter;
  WryKubeFailure *refusal;     /* an ERROR event, or what was wrong with the stream */
  guint timer, attempt;
  gint64 began;
  gboolean synced, live, news; /* news: this stream brought an event */
};

static void list_page(WryKubeWatch *watch);
static void watch_on(WryKubeWatch *watch);

/* --- what comes next --------------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean on_timer(gpointer data) {
  WryKubeWatch *watch = data;
  watch->timer = 0;
  if (watch->version)
    watch_on(watch);
  else
    list_page(watch);
  return G_SOURCE_REMOVE;
}

static void go_on(WryKubeWatch *watch, guint milliseconds) {
  watch->timer = g_timeout_add(milliseconds, on_timer, watch);
}

static void go_on_later(WryKubeWatch *watch, WryKubeTrouble trouble, guint retry_after) {
  go_on(watch, wry_kube_backoff(trouble, watch->attempt++, retry_after, g_random_double()));
}

static void need_list(WryKubeWatch *watch) {
  g_clear_pointer(&watch->version, g_free);
  g_clear_pointer(&watch->token, g_free);
}

static void tell_lost(const WryKubeWatch *watch, const WryKubeFailure *failure) {
  if (watch->calls->lost) watch->calls->lost(failure, watch->data);
}

static GString *query_of(const WryKubeWatch *watch) {
  GString *query = g_string_new(NULL);
  wry_kube_query_add(query, "labelSelector", watch->options.label_selector);
  wry_kube_query_add(query, "fieldSelector", watch->options.field_selector);
  return query;
}

static char *target_of(const WryKubeWatch *watch, GString *take_query) {
  g_autofree char *path = wry_kube_path(watch->options.resource, watch->options.namespace_, NULL, NULL);
  char *target = g_strconcat(path, take_query->len ? "?" : "", take_query->str, NULL);
  g_string_free(take_query, TRUE);
  return target;
}

static void open_stream(WryKubeWatch *watch, GString *take_query, WryKubeSplit split, WryKubePiece piece, guint seconds, guint idle, const WryKubeStreamCalls *calls) {
  g_autofree char *target = target_of(watch, take_query);
  wry_kube_splitter_free(watch->splitter);
  watch->splitter = wry_kube_splitter_new(split, piece, watch);
  g_clear_pointer(&watch->refusal, wry_kube_failure_free);
  watch->began = g_get_monotonic_time();
  watch->news = FALSE;
  watch->call = wry_kube_stream(watch->kube, target, seconds, idle, calls, watch);
}

/* What is wrong with the stream's contents counts more than how the stream ended because of it. */
static void note(WryKubeWatch *watch, const GError *error) {
  if (!watch->refusal) watch->refusal = wry_kube_failure_lost(watch->options.resource->plural, (WryErrorCode)error->code, error->message);
}

static gboolean on_bytes(const char *bytes, gsize length, gpointer data) {
  WryKubeWatch *watch = data;
  g_autoptr(GError) error = NULL;
  if (wry_kube_splitter_feed(watch->splitter, bytes, length, &error)) return TRUE;
  note(watch, error);
  return FALSE;
}

/* --- LIST ---------------------------------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean on_listed(const char *text, gsize length, gpointer data, GError **error) {
  WryKubeWatch *watch = data;
  g_autoptr(WryKubeItem) item = wry_kube_item_new(watch->options.resource, (WryKubeSpan){text, length}, error);
  if (item) wry_kube_store_put(watch->store, item);
  return item != NULL;
}

/* The page's own metadata. FALSE: it is no list. */
static gboolean read_rest(WryKubeWatch *watch, GError **error) {
  const GString *rest = wry_kube_splitter_rest(watch->splitter);
  if (!wry_kube_splitter_finish(watch->splitter, error)) return FALSE;
  g_autoptr(WryJson) list = wry_json_parse(rest->str, rest->len, error);
  if (!list) return FALSE;
  WryJson *metadata = wry_json_get(list, "metadata");
  const char *kind = wry_json_str(list, "kind"), *version = wry_json_str(metadata, "resourceVersion"), *token = wry_json_str(metadata, "continue");
  if (!kind || !g_str_has_suffix(kind, "List") || !version || !*version) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_PROTOCOL, "the answer is no list with a resourceVersion");
    return FALSE;
  }
  g_free(watch->token);
  watch->token = token && *token ? g_strdup(token) : NULL;
  if (!watch->token) watch->version = g_strdup(version);
  return TRUE;
}

static void list_failed(WryKubeWatch *watch, const WryKubeFailure *failure) {
  gboolean expired = watch->token && (failure->http == 410 || failure->http == 400);
  if (expired) {
    watch->expired++;
    need_list(watch);
  }
  tell_lost(watch, failure);
  go_on_later(watch, failure->http ? WRY_KUBE_UNWILLING : WRY_KUBE_UNREACHABLE, failure->retry_after);
}

static void list_whole(WryKubeWatch *watch) {
  watch->expired = 0;
  wry_kube_store_list_end(watch->store);
  watch->synced = TRUE;
  if (watch->calls->synced) watch->calls->synced(watch->data);
  watch_on(watch);
}

static void on_page_end(const WryKubeFailure *failure, gpointer data) {
  WryKubeWatch *watch = data;
  g_autoptr(GError) error = NULL;
  watch->call = NULL;
  if (!failure && !read_rest(watch, &error)) note(watch, error);
  if (watch->refusal || failure)
    list_failed(watch, watch->refusal ? watch->refusal : failure);
  else if (watch->token)
    list_page(watch);
  else
    list_whole(watch);
}

static void list_page(WryKubeWatch *watch) {
  static const WryKubeStreamCalls calls = {.bytes = on_bytes, .end = on_page_end};
  GString *query = query_of(watch);
  if (!watch->token) wry_kube_store_list_begin(watch->store); /* also after a first page that failed: what it had may be gone by now */
  g_autofree char *limit = watch->expired < EXPIRED_LISTS ? g_strdup_printf("%u", watch->options.page) : NULL;
  wry_kube_query_add(query, "limit", limit);
  wry_kube_query_add(query, "continue", watch->token);
  open_stream(watch, query, WRY_KUBE_SPLIT_LIST, on_listed, 0, LIST_IDLE_SECONDS, &calls);
}

/* --- WATCH ------------------------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* TRUE when both are decimal and `a` is the lower one (KEP 5504: resource versions can be compared so). */
static gboolean is_older(const char *a, const char *b) {
  gsize length_a = strlen(a), length_b = strlen(b);
  if (strspn(a, "0123456789") != length_a || strspn(b, "0123456789") != length_b) return FALSE;
  return length_a != length_b ? length_a < length_b : strcmp(a, b) < 0;
}

static gboolean advance(WryKubeWatch *watch, const char *version, GError **error) {
  if (is_older(version, watch->version)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_PROTOCOL, "an event of version %s after version %s", version, watch->version);
    return FALSE;
  }
  if (strcmp(version, watch->version)) {
    g_free(watch->version);
    watch->version = g_strdup(version);
  }
  return TRUE;
}

static gboolean on_change(WryKubeWatch *watch, WryKubeSpan object, gboolean gone, GError **error) {
  g_autoptr(WryKubeItem) item = wry_kube_item_new(watch->options.resource, object, error);
  if (!item || !advance(watch, wry_kube_item_version(item), error)) return FALSE;
  if (gone)
    wry_kube_store_drop(watch->store, item);
  else
    wry_kube_store_put(watch->store, item);
  return TRUE;
}

static gboolean on_there(WryKubeWatch *watch, WryKubeSpan object, GError **error) {
  return on_change(watch, object, FALSE, error);
}

static gboolean on_gone(WryKubeWatch *watch, WryKubeSpan object, GError **error) {
  return on_change(watch, object, TRUE, error);
}

static gboolean on_bookmark(WryKubeWatch *watch, WryKubeSpan object, GError **error) {
  WryKubeSpan span = wry_kube_scan_string(wry_kube_scan_member(wry_kube_scan_member(object, "metadata"), "resourceVersion"));
  g_autofree char *version = g_strndup(span.text, span.length);
  return !*version || advance(watch, version, error);
}

static gboolean on_error(WryKubeWatch *watch, WryKubeSpan object, GError **error) {
  g_autoptr(WryJson) status = wry_json_parse(object.text, object.length, error);
  if (!status) return FALSE;
  watch->refusal = wry_kube_failure_new(watch->options.resource->plural, (int)CLAMP(wry_json_int(status, "code", 500), 400, 599), status, 0);
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_FAILED, "refused");
  return FALSE;
}

static const struct {
  const char *type;
  gboolean (*on)(WryKubeWatch *watch, WryKubeSpan object, GError **error);
} events[] = {{"ADDED", on_there}, {"MODIFIED", on_there}, {"DELETED", on_gone}, {"BOOKMARK", on_bookmark}, {"ERROR", on_error}};

static gboolean on_event(const char *text, gsize length, gpointer data, GError **error) {
  WryKubeWatch *watch = data;
  WryKubeSpan event = {text, length}, type = wry_kube_scan_string(wry_kube_scan_member(event, "type")), object = wry_kube_scan_member(event, "object");
  watch->news = TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS(events); i++)
    if (wry_kube_span_is(type, events[i].type)) return events[i].on(watch, object, error);
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_PROTOCOL, "an event of an unknown type");
  return FALSE;
}

static void on_live(gpointer data) {
  WryKubeWatch *watch = data;
  watch->live = TRUE;
}

/* Ended without a refusal: go on from here; not at once when it brought nothing. */
static void watch_over(WryKubeWatch *watch, gint64 lived, gboolean clean) {
  gboolean fruitful = watch->news || lived > SHORT_MICROSECONDS;
  if (fruitful) watch->attempt = 0;
  if (fruitful && clean)
    watch_on(watch);
  else
    go_on_later(watch, WRY_KUBE_UNREACHABLE, 0);
}

static void watch_refused(WryKubeWatch *watch, const WryKubeFailure *failure) {
  gboolean gone = failure->http == 410;
  if (!wry_kube_failure_passes(failure)) need_list(watch);
  if (gone && !watch->attempt) {
    watch->attempt++; /* a second 410 in a row waits */
    go_on(watch, (guint)g_random_int_range(0, 100));
  } else {
    go_on_later(watch, failure->http ? WRY_KUBE_UNWILLING : WRY_KUBE_UNREACHABLE, failure->retry_after);
  }
}

static void on_watch_end(const WryKubeFailure *failure, gpointer data) {
  WryKubeWatch *watch = data;
  gboolean was_live = watch->live;
  gint64 lived = was_live ? g_get_monotonic_time() - watch->began : 0;
  if (lived > GOOD_MICROSECONDS) watch->attempt = 0;
  if (watch->refusal) failure = watch->refusal;
  watch->call = NULL;
  watch->live = FALSE;
  if (failure) tell_lost(watch, failure);
  if (!failure)
    watch_over(watch, lived, wry_kube_splitter_finish(watch->splitter, NULL));
  else if (failure->http || watch->refusal || !was_live)
    watch_refused(watch, failure);
  else
    watch_over(watch, lived, FALSE);
}

static void watch_on(WryKubeWatch *watch) {
  static const WryKubeStreamCalls calls = {.begin = on_live, .bytes = on_bytes, .end = on_watch_end};
  guint seconds = watch->options.watch_seconds + (guint)g_random_int_range(0, (gint32)watch->options.watch_seconds);
  g_autofree char *timeout = g_strdup_printf("%u", seconds);
  GString *query = query_of(watch);
  wry_kube_query_add(query, "watch", "true");
  wry_kube_query_add(query, "allowWatchBookmarks", "true");
  wry_kube_query_add(query, "resourceVersion", watch->version);
  wry_kube_query_add(query, "timeoutSeconds", timeout);
  open_stream(watch, query, WRY_KUBE_SPLIT_VALUES, on_event, seconds + WATCH_SPARE_SECONDS, WATCH_IDLE_SECONDS, &calls);
}

/* --- outside --------------------------------------------------------------------------------------------------------------------------------------------------------------------------- */
static void on_changed(WryKubeChange change, const WryKubeItem *item, gpointer data) {
  const WryKubeWatch *watch = data;
  watch->calls->changed(change, item, watch->data);
}

WryKubeWatch *wry_kube_watch_new(WryKube *kube, const WryKubeWatchOptions *options, const WryKubeWatchCalls *calls, gpointer data) {
  WryKubeWatch *watch = g_new0(WryKubeWatch, 1);
  *watch = (WryKubeWatch){.kube = kube, .options = *options, .calls = calls, .data = data};
  watch->options.namespace_ = g_strdup(options->namespace_);
  watch->options.label_selector = g_strdup(options->label_selector);
  watch->options.field_selector = g_strdup(options->field_selector);
  if (!watch->options.page) watch->options.page = WRY_KUBE_PAGE;
  if (!watch->options.watch_seconds) watch->options.watch_seconds = WRY_KUBE_WATCH_SECONDS;
  watch->store = wry_kube_store_new(options->keep, on_changed, watch);
  need_list(watch);
  go_on(watch, 0);
  return watch;
}

void wry_kube_watch_free(WryKubeWatch *watch) {
  if (!watch) return;
  wry_kube_cancel(watch->call);
  if (watch->timer) g_source_remove(watch->timer);
  wry_kube_splitter_free(watch->splitter);
  wry_kube_store_free(watch->store);
  wry_kube_failure_free(watch->refusal);
  g_free((char *)watch->options.namespace_);
  g_free((char *)watch->options.label_selector);
  g_free((char *)watch->options.field_selector);
  g_free(watch->version);
  g_free(watch->token);
  g_free(watch);
}

gboolean wry_kube_watch_synced(const WryKubeWatch *watch) {
  return watch->synced;
}

gboolean wry_kube_watch_live(const WryKubeWatch *watch) {
  return watch->live;
}

guint wry_kube_watch_count(const WryKubeWatch *watch) {
  return wry_kube_store_count(watch->store);
}

const WryKubeItem *wry_kube_watch_find(const WryKubeWatch *watch, const char *ns, const char *name) {
  return wry_kube_store_find(watch->store, ns, name);
}

void wry_kube_watch_each(const WryKubeWatch *watch, WryKubeEach each, gpointer data) {
  wry_kube_store_each(watch->store, each, data);
}
