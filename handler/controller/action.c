/* Actions: making them, and the merge patch between what is there and what should be.
 *
 * How it works: a reconciler copies an object, changes the copy, and asks for the difference; so nothing is written when nothing changes, and what others wrote meanwhile is never undone: the patch
 * names the version that it was made from.
 * Relies on: RFC 7386; json-c through wherry/json.h. Pure. */
#include "handler/controller/action.h"

#include "handler/controller/seen.h"

void wry_action_free(WryAction *action) {
  if (!action) return;
  wry_json_put(action->body);
  g_free(action->namespace_);
  g_free(action->name);
  g_free(action->uid);
  g_free(action->message);
  g_free(action);
}

GPtrArray *wry_actions_new(void) { return g_ptr_array_new_with_free_func((GDestroyNotify)wry_action_free); }

WryAction *wry_act(GPtrArray *actions, WryActionKind kind, WryOn on, WryJson *about) {
  WryJson *meta = wry_json_get(about, "metadata");
  WryAction *action = g_new0(WryAction, 1);
  action->kind = kind;
  action->on = on;
  action->namespace_ = g_strdup(wry_json_str(meta, "namespace"));
  action->name = g_strdup(wry_json_str(meta, "name"));
  action->uid = g_strdup(wry_json_str(meta, "uid"));
  g_ptr_array_add(actions, action);
  return action;
}

void wry_act_create(GPtrArray *actions, WryOn on, WryJson *take_object) {
  WryAction *action = wry_act(actions, WRY_ACTION_CREATE, on, take_object);
  action->body = take_object;
  action->reason = "FailedCreate";
}

void wry_act_delete(GPtrArray *actions, WryOn on, WryJson *object) { wry_act(actions, WRY_ACTION_DELETE, on, object)->reason = "FailedDelete"; }

gboolean wry_act_patch(GPtrArray *actions, WryActionKind kind, WryOn on, WryJson *object, WryJson *changed) {
  WryJson *patch = wry_merge_patch(object, changed);
  if (!patch) return FALSE;
  WryJson *meta = wry_child(patch, "metadata");
  wry_put_str(meta, "resourceVersion", wry_json_str(wry_json_get(object, "metadata"), "resourceVersion"));
  wry_act(actions, kind, on, object)->body = patch;
  return TRUE;
}

void wry_act_event(GPtrArray *actions, WryOn on, WryJson *about, gboolean warning, const char *reason, const char *format, ...) {
  WryAction *action = wry_act(actions, WRY_ACTION_EVENT, on, about);
  va_list args;
  va_start(args, format);
  action->message = g_strdup_vprintf(format, args);
  va_end(args);
  action->reason = reason;
  action->warning = warning;
}

void wry_act_again(GPtrArray *actions, WryOn on, WryJson *about, gint64 seconds) { wry_act(actions, WRY_ACTION_AGAIN, on, about)->seconds = MAX(seconds, 1); }

void wry_act_failed(GPtrArray *actions, WryActionKind kind, WryOn on, WryJson *object, const char *condition, const char *status, const char *message, gint64 now) {
  g_autoptr(WryJson) changed = wry_json_copy(object);
  g_autofree char *time = wry_time_text(now);
  WryJson *there = wry_object_condition(changed, condition), *inner = wry_child(changed, "status"), *list = wry_json_get(inner, "conditions");
  if (!there) {
    there = wry_append(list ? list : wry_put_array(inner, "conditions"));
    wry_put_str(there, "lastTransitionTime", time);
  }
  wry_put_str(there, "type", condition);
  wry_put_str(there, "status", status);
  wry_put_str(there, "reason", "FailedCreate");
  wry_put_str(there, "message", message);
  wry_act_patch(actions, kind, on, object, changed);
}

WryJson *wry_merge_patch(WryJson *from, WryJson *to) {
  if (json_object_equal(from, to)) return NULL;
  if (!from || !to || !json_object_is_type(from, json_type_object) || !json_object_is_type(to, json_type_object)) return wry_json_copy(to);
  WryJson *patch = json_object_new_object();
  json_object_object_foreach(to, key, value) {
    WryJson *before = wry_json_get(from, key);
    if (json_object_equal(before, value)) continue;
    WryJson *inner = wry_merge_patch(before, value);
    json_object_object_add(patch, key, inner);
  }
  json_object_object_foreach(from, old, gone) {
    (void)gone;
    if (!wry_json_get(to, old)) json_object_object_add(patch, old, NULL);
  }
  return patch;
}
