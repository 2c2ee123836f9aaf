/* Get and Events: lists of objects and what happens to them.
 *
 * How it works: one reply an object, then BOOKMARK, then, for a watch, whatever the fleet shows; all from the main loop, so nothing is missed or told twice between list and watch.
 * Relies on: fleet.h. */
#include "handler/control.h"

static const char *or_default(const char *namespace_) { return namespace_ && *namespace_ ? namespace_ : "default"; }
static const char *or_null(const char *text) { return text && *text ? text : NULL; }

static void tell(WryClient *client, const char *type, WryJson *object, gboolean continues) {
  WryControlObject reply = {(char *)(gpointer)type, object};
  wry_client_reply(client, wry_encode(&wry_control_object_type, &reply), continues, -1);
}

void wry_control_get(WryClient *client, gconstpointer parameters) {
  const WryControlGet *get = parameters;
  WryObjectKind kind = wry_object_kind_parse(get->kind);
  const char *namespace_ = wry_opt_bool(get->allNamespaces, FALSE) ? NULL : or_default(get->namespace_), *name = or_null(get->name);
  gboolean watch = wry_opt_bool(get->watch, FALSE);
  if (kind == WRY_OBJECT_KINDS) {
    wry_client_standard(client, "InvalidParameter", "parameter", "kind");
    return;
  }
  if (!wry_client_more(client) && (!name || watch)) {
    wry_client_standard(client, "ExpectedMore", NULL, NULL);
    return;
  }
  g_autoptr(GPtrArray) list = wry_fleet_list(wry_client_fleet(client), kind, namespace_, name);
  if (!wry_client_more(client)) {
    if (list->len == 0)
      wry_client_not_found(client, kind, name);
    else
      tell(client, NULL, list->pdata[0], FALSE);
    return;
  }
  for (guint i = 0; i < list->len; i++) tell(client, "ADDED", list->pdata[i], TRUE);
  if (watch) wry_client_watch(client, kind, namespace_, name, NULL);
  tell(client, "BOOKMARK", NULL, watch);
}

gboolean wry_control_event_matches(WryJson *event, const char *namespace_, const char *kind, const char *name) {
  WryJson *involved = wry_json_get(event, "involvedObject");
  return involved && (!namespace_ || g_strcmp0(wry_json_str(involved, "namespace"), namespace_) == 0) && (!kind || g_strcmp0(wry_json_str(involved, "kind"), kind) == 0) &&
         (!name || g_strcmp0(wry_json_str(involved, "name"), name) == 0);
}

void wry_control_events(WryClient *client, gconstpointer parameters) {
  const WryControlGet *get = parameters;
  const char *namespace_ = wry_opt_bool(get->allNamespaces, FALSE) ? NULL : or_default(get->namespace_);
  const char *kind = or_null(get->kind), *name = or_null(get->name);
  gboolean watch = wry_opt_bool(get->watch, FALSE);
  if (!wry_client_more(client)) {
    wry_client_standard(client, "ExpectedMore", NULL, NULL);
    return;
  }
  for (GList *at = wry_events_list(wry_fleet_events(wry_client_fleet(client)))->head; at; at = at->next)
    if (wry_control_event_matches(at->data, namespace_, kind, name)) tell(client, "ADDED", at->data, TRUE);
  if (watch) wry_client_watch(client, WRY_OBJECT_KINDS, namespace_, name, kind);
  tell(client, "BOOKMARK", NULL, watch);
}
