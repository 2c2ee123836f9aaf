/* Kubernetes events to the API server.
 *
 * How it works: correlate.c decides what is written; writes go out one after another, so that a repetition never overtakes the event that it repeats. A repetition of an event that still waits replaces it there. One that
 * repeats an event which the server has forgotten (events live an hour) is written whole.
 * Relies on: client.h for retries; correlate.h. */
#include "handler/kube/events.h"

#include <string.h>

#include "handler/kube/correlate.h"

#define WAITING_MOST 128u

typedef struct {
  WryJson *event;
  gboolean repeat; /* the server should have it */
} Write;

struct WryKubeEvents {
  WryKube *kube;
  WryKubeCorrelator *correlator;
  GQueue writes; /* Write; the first is being written when `call` is set */
  WryKubeCall *call;
};

static void write_free(gpointer data) {
  wry_json_put(((Write *)data)->event);
  g_free(data);
}

WryKubeEvents *wry_kube_events_new(WryKube *kube, const char *host) {
  WryKubeEvents *events = g_new0(WryKubeEvents, 1);
  events->kube = kube;
  events->correlator = wry_kube_correlator_new(host);
  return events;
}

void wry_kube_events_free(WryKubeEvents *events) {
  if (!events) return;
  wry_kube_cancel(events->call);
  g_queue_clear_full(&events->writes, write_free);
  wry_kube_correlator_free(events->correlator);
  g_free(events);
}

guint wry_kube_events_waiting(const WryKubeEvents *events) {
  return events->writes.length;
}

static const char *name_of(WryJson *event) {
  return wry_json_str(wry_json_get(event, "metadata"), "name");
}

static void write_next(WryKubeEvents *events);

static void on_written(WryJson *object G_GNUC_UNUSED, const WryKubeFailure *failure, gpointer data) {
  WryKubeEvents *events = data;
  Write *first = g_queue_peek_head(&events->writes);
  events->call = NULL;
  if (failure && failure->http == 404 && first->repeat)
    first->repeat = FALSE;
  else
    write_free(g_queue_pop_head(&events->writes));
  write_next(events);
}

static void write_next(WryKubeEvents *events) {
  const Write *first = g_queue_peek_head(&events->writes);
  if (!first || events->call) return;
  if (!first->repeat) {
    events->call = wry_kube_create(events->kube, &wry_kube_events, first->event, on_written, events);
    return;
  }
  g_autoptr(WryJson) patch = wry_kube_correlate_patch(first->event);
  const char *ns = wry_json_str(wry_json_get(first->event, "metadata"), "namespace");
  events->call = wry_kube_patch(events->kube, &wry_kube_events, ns, name_of(first->event), NULL, WRY_KUBE_PATCH_STRATEGIC, patch, on_written, events);
}

/* The write of the same event that has not begun yet. */
static Write *waiting_like(WryKubeEvents *events, WryJson *event) {
  for (GList *link = events->writes.head; link; link = link->next) {
    Write *one = link->data;
    gboolean begun = events->call && link == events->writes.head;
    if (!begun && !strcmp(name_of(one->event), name_of(event))) return one;
  }
  return NULL;
}

void wry_kube_events_add(WryKubeEvents *events, const WryKubeEventObject *about, const char *component, gboolean warning, const char *reason, const char *message) {
  const WryKubeEventIn in = {.about = about, .component = component, .reason = reason, .message = message, .warning = warning};
  g_autoptr(WryJson) event = wry_kube_correlate(events->correlator, &in, g_get_real_time());
  if (!event) return;
  Write *like = waiting_like(events, event);
  if (like) {
    wry_json_put(like->event);
    like->event = g_steal_pointer(&event);
    return;
  }
  if (events->writes.length >= WAITING_MOST) return;
  Write *one = g_new0(Write, 1);
  one->repeat = wry_json_int(event, "count", 1) > 1;
  one->event = g_steal_pointer(&event);
  g_queue_push_tail(&events->writes, one);
  write_next(events);
}
