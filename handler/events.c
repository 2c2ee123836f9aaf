/* Events as Kubernetes has them (core/v1 Event), in memory.
 *
 * How it works: an event that repeats one that is kept (same object, reason, message, source) counts it up and moves it to the end, as the API server's clients do; the oldest go
 * when the limit is passed. Events are for people: nothing is decided by them, so they do not outlive the handler.
 * Relies on: json-c through wherry/json.h. */
#include "handler/events.h"

#include "handler/instance.h"

struct WryEvents {
  GQueue list; /* WryJson */
  char *node;
  guint64 serial;
  void (*added)(WryJson *object, gboolean repeated, gpointer data);
  gpointer data;
};

static void put_event(gpointer data) { json_object_put(data); }

WryEvents *wry_events_new(const char *node, void (*added)(WryJson *object, gboolean repeated, gpointer data), gpointer data) {
  WryEvents *events = g_new0(WryEvents, 1);
  *events = (WryEvents){.node = g_strdup(node), .added = added, .data = data};
  g_queue_init(&events->list);
  return events;
}

void wry_events_free(WryEvents *events) {
  if (!events) return;
  g_queue_clear_full(&events->list, put_event);
  g_free(events->node);
  g_free(events);
}

static void put(WryJson *object, const char *key, const char *value) {
  if (value) json_object_object_add(object, key, json_object_new_string(value));
}

static gboolean same(WryJson *event, const WryEventTarget *target, const char *component, const char *reason, const char *message) {
  return g_strcmp0(wry_json_str(event, "reason"), reason) == 0 && g_strcmp0(wry_json_str(event, "message"), message) == 0 &&
         g_strcmp0(wry_json_str(wry_json_get(event, "involvedObject"), "uid"), target->uid) == 0 &&
         g_strcmp0(wry_json_str(wry_json_get(event, "involvedObject"), "name"), target->name) == 0 &&
         g_strcmp0(wry_json_str(wry_json_get(event, "source"), "component"), component) == 0;
}

static GList *find_same(WryEvents *events, const WryEventTarget *target, const char *component, const char *reason, const char *message) {
  for (GList *at = events->list.tail; at; at = at->prev)
    if (same(at->data, target, component, reason, message)) return at;
  return NULL;
}

static WryJson *make(WryEvents *events, const WryEventTarget *target, const char *component, gboolean warning, const char *reason, const char *message, const char *time) {
  gboolean kubevirt = g_str_has_prefix(target->kind, "VirtualMachine") || strcmp(target->kind, "KubeVirt") == 0;
  WryJson *event = json_object_new_object(), *meta = json_object_new_object(), *involved = json_object_new_object(), *source = json_object_new_object();
  g_autofree char *name = g_strdup_printf("%s.%016" G_GINT64_MODIFIER "x", target->name, ++events->serial);
  g_autofree char *uid = g_uuid_string_random();
  put(event, "apiVersion", "v1");
  put(event, "kind", "Event");
  put(meta, "name", name);
  put(meta, "namespace", target->namespace_);
  put(meta, "uid", uid);
  put(meta, "creationTimestamp", time);
  json_object_object_add(event, "metadata", meta);
  put(involved, "apiVersion", kubevirt ? "kubevirt.io/v1" : "v1");
  put(involved, "kind", target->kind);
  put(involved, "namespace", target->namespace_);
  put(involved, "name", target->name);
  put(involved, "uid", target->uid);
  json_object_object_add(event, "involvedObject", involved);
  put(event, "type", warning ? "Warning" : "Normal");
  put(event, "reason", reason);
  put(event, "message", message);
  put(source, "component", component);
  put(source, "host", events->node);
  json_object_object_add(event, "source", source);
  put(event, "firstTimestamp", time);
  return event;
}

void wry_events_add(WryEvents *events, const WryEventTarget *target, const char *component, gboolean warning, const char *reason, const char *message, gint64 now) {
  g_autofree char *time = wry_time_text(now);
  GList *known = find_same(events, target, component, reason, message);
  WryJson *event = known ? known->data : make(events, target, component, warning, reason, message, time);
  if (known) g_queue_delete_link(&events->list, known);
  json_object_object_add(event, "count", json_object_new_int64(wry_json_int(event, "count", 0) + 1));
  put(event, "lastTimestamp", time);
  g_queue_push_tail(&events->list, event);
  if (events->list.length > WRY_EVENTS_KEPT) put_event(g_queue_pop_head(&events->list));
  if (events->added) events->added(event, known != NULL, events->data);
}

const GQueue *wry_events_list(const WryEvents *events) { return &events->list; }
