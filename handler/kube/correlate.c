/* Which events are written, and as what.
 *
 * How it works, in client-go's order: an event whose like (all but its message) came with ten other messages in ten minutes is told under one message; one that was told before raises that one's count; an object that
 * had 25 events gets one more every five minutes. Each of the three is a table with a key of its own; a table that grows too large forgets what is old.
 * Relies on: json.h. */
#include "handler/kube/correlate.h"

#include <string.h>

#define SIMILAR_MOST 10u
#define SIMILAR_SECONDS 600
#define SIMILAR_PREFIX "(combined from similar events): "
#define BURST 25.0
#define REFILL_SECONDS 300.0
#define TABLE_MOST 4096u
#define MAX_NAME 253
#define MAX_MESSAGE 1024 /* bytes; core/v1 Event validation */

typedef struct { gint64 last; GHashTable *messages; } Similar;
typedef struct { gint64 last; char *name; guint count; gint64 first; } Told;
typedef struct { gint64 last; double tokens; } Bucket;

struct WryKubeCorrelator {
  char *host;
  GHashTable *similar, *told, *buckets;
};

static void similar_free(gpointer data) {
  g_hash_table_unref(((Similar *)data)->messages);
  g_free(data);
}

static void told_free(gpointer data) {
  g_free(((Told *)data)->name);
  g_free(data);
}

WryKubeCorrelator *wry_kube_correlator_new(const char *host) {
  WryKubeCorrelator *c = g_new0(WryKubeCorrelator, 1);
  c->host = g_strdup(host);
  c->similar = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, similar_free);
  c->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, told_free);
  c->buckets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  return c;
}

void wry_kube_correlator_free(WryKubeCorrelator *c) {
  if (!c) return;
  g_hash_table_unref(c->similar);
  g_hash_table_unref(c->told);
  g_hash_table_unref(c->buckets);
  g_free(c->host);
  g_free(c);
}

/* --- tables: each record begins with the time of its last use --------------------------------------------------------------------------------------------------------------- */
static gboolean is_old(gpointer key G_GNUC_UNUSED, gpointer record, gpointer wall) {
  return *(gint64 *)record < *(gint64 *)wall - SIMILAR_SECONDS * G_USEC_PER_SEC;
}

static void make_room(GHashTable *table, gint64 wall) {
  if (g_hash_table_size(table) < TABLE_MOST) return;
  g_hash_table_foreach_remove(table, is_old, &wall);
  if (g_hash_table_size(table) >= TABLE_MOST) g_hash_table_remove_all(table);
}

static char *join(const char *a, const char *b, const char *c, const char *d, const char *e, const char *f) {
  const char *parts[] = {a, b, c, d, e, f};
  GString *key = g_string_new(NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) g_string_append_printf(key, "%s\n", parts[i] ? parts[i] : "");
  return g_string_free(key, FALSE);
}

static char *object_key(const WryKubeEventIn *in) {
  return join(in->component, in->about->api_version, in->about->kind, in->about->namespace_, in->about->name, in->about->uid);
}

/* --- the three rules ----------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* TRUE: its like came too often; it is told under one message. */
static gboolean is_similar(WryKubeCorrelator *c, const char *kind_key, const char *message, gint64 wall) {
  Similar *record = g_hash_table_lookup(c->similar, kind_key);
  if (record && wall - record->last > SIMILAR_SECONDS * G_USEC_PER_SEC) {
    g_hash_table_remove(c->similar, kind_key);
    record = NULL;
  }
  if (!record) {
    make_room(c->similar, wall);
    record = g_new0(Similar, 1);
    record->messages = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_insert(c->similar, g_strdup(kind_key), record);
  }
  record->last = wall;
  g_hash_table_add(record->messages, g_strdup(message));
  if (g_hash_table_size(record->messages) < SIMILAR_MOST) return FALSE;
  g_hash_table_remove(record->messages, message); /* the others are still told one by one */
  return TRUE;
}

/* "<object>.<time in hexadecimal>", as client-go names events. */
static char *event_name(const char *object, gint64 wall) {
  static guint64 serial; /* two events of one microsecond */
  g_autofree char *suffix = g_strdup_printf(".%" G_GINT64_MODIFIER "x", (guint64)wall * 1000 + serial++ % 1000);
  return g_strdup_printf("%.*s%s", MAX_NAME - (int)strlen(suffix), object, suffix);
}

static Told *tell(WryKubeCorrelator *c, const char *key, const char *object, gint64 wall) {
  Told *record = g_hash_table_lookup(c->told, key);
  if (!record) {
    make_room(c->told, wall);
    record = g_new0(Told, 1);
    record->name = event_name(object, wall);
    record->first = wall;
    g_hash_table_insert(c->told, g_strdup(key), record);
  }
  record->last = wall;
  record->count++;
  return record;
}

static gboolean has_token(WryKubeCorrelator *c, const char *key, gint64 wall) {
  Bucket *bucket = g_hash_table_lookup(c->buckets, key);
  if (!bucket) {
    make_room(c->buckets, wall);
    bucket = g_new0(Bucket, 1);
    *bucket = (Bucket){wall, BURST};
    g_hash_table_insert(c->buckets, g_strdup(key), bucket);
  }
  double refill = (double)(wall - bucket->last) / G_USEC_PER_SEC / REFILL_SECONDS;
  bucket->tokens = MIN(BURST, bucket->tokens + MAX(refill, 0));
  bucket->last = wall;
  if (bucket->tokens < 1) return FALSE;
  bucket->tokens -= 1;
  return TRUE;
}

/* --- the object --------------------------------------------------------------------------------------------------------------------------------------------------------------------- */
static void set_string(WryJson *object, const char *key, const char *value) {
  if (value && *value) json_object_object_add(object, key, json_object_new_string(value));
}

static void set_time(WryJson *object, const char *key, gint64 wall) {
  g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(wall / G_USEC_PER_SEC);
  g_autofree char *text = g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ");
  set_string(object, key, text);
}

static WryJson *involved(const WryKubeEventObject *about) {
  WryJson *object = json_object_new_object();
  set_string(object, "apiVersion", about->api_version);
  set_string(object, "kind", about->kind);
  set_string(object, "namespace", about->namespace_);
  set_string(object, "name", about->name);
  set_string(object, "uid", about->uid);
  set_string(object, "resourceVersion", about->resource_version);
  return object;
}

static WryJson *make_event(const WryKubeCorrelator *c, const WryKubeEventIn *in, const Told *told, const char *message) {
  WryJson *event = json_object_new_object(), *metadata = json_object_new_object(), *source = json_object_new_object();
  const char *ns = in->about->namespace_;
  set_string(event, "apiVersion", "v1");
  set_string(event, "kind", "Event");
  set_string(metadata, "namespace", ns && *ns ? ns : "default");
  set_string(metadata, "name", told->name);
  json_object_object_add(event, "metadata", metadata);
  json_object_object_add(event, "involvedObject", involved(in->about));
  set_string(event, "reason", in->reason);
  set_string(event, "message", message);
  set_string(event, "type", in->warning ? "Warning" : "Normal");
  set_string(source, "component", in->component);
  set_string(source, "host", c->host);
  json_object_object_add(event, "source", source);
  set_string(event, "reportingComponent", in->component);
  set_string(event, "reportingInstance", c->host);
  set_time(event, "firstTimestamp", told->first);
  set_time(event, "lastTimestamp", told->last);
  json_object_object_add(event, "count", json_object_new_int64(told->count));
  return event;
}

/* At most MAX_MESSAGE bytes, whole characters. New. */
static char *short_message(const char *prefix, const char *message) {
  g_autofree char *whole = g_strconcat(prefix, message, NULL), *valid = g_utf8_make_valid(whole, -1);
  gsize length = strlen(valid);
  if (length > MAX_MESSAGE) length = (gsize)(g_utf8_find_prev_char(valid, valid + MAX_MESSAGE + 1) - valid);
  return g_strndup(valid, length);
}

WryJson *wry_kube_correlate(WryKubeCorrelator *c, const WryKubeEventIn *in, gint64 wall) {
  g_autofree char *spam_key = object_key(in), *kind_key = join(spam_key, in->warning ? "w" : "n", in->reason, NULL, NULL, NULL);
  gboolean similar = is_similar(c, kind_key, in->message, wall);
  g_autofree char *message = short_message(similar ? SIMILAR_PREFIX : "", in->message), *full_key = join(kind_key, message, NULL, NULL, NULL, NULL);
  const Told *told = tell(c, similar ? kind_key : full_key, in->about->name ? in->about->name : "event", wall);
  return has_token(c, spam_key, wall) ? make_event(c, in, told, message) : NULL;
}

WryJson *wry_kube_correlate_patch(WryJson *event) {
  static const char *const keys[] = {"count", "lastTimestamp", "message"};
  WryJson *patch = json_object_new_object();
  for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) json_object_object_add(patch, keys[i], json_object_get(wry_json_get(event, keys[i])));
  return patch;
}
