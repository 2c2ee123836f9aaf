/* The VirtualMachineInstanceReplicaSet controller.
 *
 * How it works: VMIs that are over or leaving do not count; what is missing is made, what is too much goes: first those that are not ready, then the youngest. A new VMI's name follows from the set's uid and
 * the first number that is free, so that a turn that sees an old copy of the world makes nothing twice.
 * Relies on: contract 1.3; apps/v1 ReplicaSet for what its users expect. Pure. */
#include "handler/controller/replica_set.h"

#include <string.h>

#include "handler/controller/seen.h"

#define BURST 250 /* made or deleted in one turn */
#define SUFFIX 5

/* --- the selector as text ---------------------------------------------------------------------------------------------------------------------------------------- */
static void add_expression(GPtrArray *parts, WryJson *expression) {
  static const struct { const char *name, *format; } forms[] = {{"In", "%s in (%s)"}, {"NotIn", "%s notin (%s)"}, {"Exists", "%s"}, {"DoesNotExist", "!%s"}};
  WryJson *values = wry_json_get(expression, "values");
  const char *key = wry_json_str(expression, "key");
  g_autoptr(GPtrArray) texts = g_ptr_array_new();
  for (gsize i = 0; i < wry_json_length(values); i++) g_ptr_array_add(texts, (gpointer)json_object_get_string(json_object_array_get_idx(values, i)));
  g_ptr_array_add(texts, NULL);
  g_autofree char *list = g_strjoinv(",", (char **)texts->pdata);
  for (gsize i = 0; key && i < G_N_ELEMENTS(forms); i++) {
    if (g_strcmp0(wry_json_str(expression, "operator"), forms[i].name) != 0) continue;
    g_auto(GStrv) halves = g_strsplit(forms[i].format, "%s", 3);
    g_ptr_array_add(parts, halves[2] ? g_strconcat(key, halves[1], list, halves[2], NULL) : g_strconcat(halves[0], key, halves[1], NULL));
  }
}

static gint by_text(gconstpointer a, gconstpointer b) { return strcmp(*(char *const *)a, *(char *const *)b); }

char *wry_selector_text(WryJson *selector) {
  g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);
  WryJson *labels = wry_json_get(selector, "matchLabels"), *expressions = wry_json_get(selector, "matchExpressions");
  if (labels) {
    json_object_object_foreach(labels, key, value) g_ptr_array_add(parts, g_strconcat(key, "=", json_object_get_string(value), NULL));
  }
  for (gsize i = 0; i < wry_json_length(expressions); i++) add_expression(parts, json_object_array_get_idx(expressions, i));
  g_ptr_array_sort(parts, by_text);
  g_ptr_array_add(parts, NULL);
  return g_strjoinv(",", (char **)parts->pdata);
}

/* --- counting ------------------------------------------------------------------------------------------------------------------------------------------------------ */
static gboolean counts(WryJson *vmi) {
  return !wry_meta_str(vmi, "deletionTimestamp") && !wry_phase_final(wry_phase_parse(wry_json_str(wry_json_get(vmi, "status"), "phase")));
}

static gboolean is_ready(WryJson *vmi) {
  WryJson *ready = wry_object_condition(vmi, "Ready");
  return ready && g_strcmp0(wry_json_str(ready, "status"), "True") == 0;
}

/* Who goes first. */
static gint by_worth(gconstpointer a, gconstpointer b) {
  WryJson *x = *(WryJson *const *)a, *y = *(WryJson *const *)b;
  if (is_ready(x) != is_ready(y)) return is_ready(x) ? 1 : -1;
  gint newer = g_strcmp0(wry_meta_str(y, "creationTimestamp"), wry_meta_str(x, "creationTimestamp"));
  return newer ? newer : g_strcmp0(wry_meta_str(x, "name"), wry_meta_str(y, "name"));
}

/* --- making ---------------------------------------------------------------------------------------------------------------------------------------------------------- */
static char *name_of(WryJson *set, guint number) {
  static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
  g_autofree char *seed = g_strdup_printf("%s/%u", wry_meta_str(set, "uid"), number), *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, seed, -1);
  char suffix[SUFFIX + 1] = "";
  for (guint i = 0; i < SUFFIX; i++) suffix[i] = alphabet[(guint)(g_ascii_xdigit_value(hash[2 * i]) * 16 + g_ascii_xdigit_value(hash[2 * i + 1])) % (sizeof alphabet - 1)];
  return g_strconcat(wry_meta_str(set, "name"), suffix, NULL);
}

static WryJson *instance_of(WryJson *set, const char *name) {
  WryJson *vmi = json_object_new_object(), *meta = wry_put_object(vmi, "metadata"), *template = wry_json_path(set, "spec.template");
  wry_put_str(vmi, "apiVersion", "kubevirt.io/v1");
  wry_put_str(vmi, "kind", "VirtualMachineInstance");
  wry_put_str(meta, "name", name);
  wry_put_str(meta, "namespace", wry_meta_str(set, "namespace"));
  wry_put(meta, "labels", wry_json_copy(wry_json_path(template, "metadata.labels")));
  wry_put(meta, "annotations", wry_json_copy(wry_json_path(template, "metadata.annotations")));
  json_object_array_add(wry_put_array(meta, "ownerReferences"), wry_owner_reference(set));
  wry_put(vmi, "spec", wry_json_copy(wry_json_get(template, "spec")));
  return vmi;
}

static void make(GPtrArray *actions, WryJson *set, WryJson *vmis, gint64 count) {
  g_autoptr(GHashTable) taken = g_hash_table_new(g_str_hash, g_str_equal);
  for (gsize i = 0; i < wry_json_length(vmis); i++) g_hash_table_add(taken, (gpointer)wry_meta_str(json_object_array_get_idx(vmis, i), "name"));
  for (guint number = 0; count > 0; number++) {
    g_autofree char *name = name_of(set, number);
    if (g_hash_table_contains(taken, name)) continue;
    wry_act_create(actions, WRY_ON_VMI, instance_of(set, name));
    wry_act_event(actions, WRY_ON_REPLICA_SET, set, FALSE, "SuccessfulCreate", "Started the virtual machine by creating the new virtual machine instance %s", name);
    count--;
  }
}

static void drop(GPtrArray *actions, WryJson *set, WryJson *vmi) {
  wry_act_delete(actions, WRY_ON_VMI, vmi);
  wry_act_event(actions, WRY_ON_REPLICA_SET, set, FALSE, "SuccessfulDelete", "Stopped the virtual machine by deleting the virtual machine instance %s", wry_meta_str(vmi, "uid"));
}

static void put_status(GPtrArray *actions, WryJson *set, const GPtrArray *live, gboolean paused, const char *now) {
  g_autoptr(WryJson) changed = wry_json_copy(set);
  WryJson *status = wry_child(changed, "status"), *before = wry_object_condition(set, "ReplicaPaused");
  g_autofree char *selector = wry_selector_text(wry_json_path(set, "spec.selector"));
  gint64 ready = 0;
  for (guint i = 0; i < live->len; i++) ready += is_ready(live->pdata[i]);
  wry_put_int(status, "replicas", live->len);
  wry_put_int(status, "readyReplicas", ready);
  wry_put_str(status, "labelSelector", selector);
  if (paused != (before != NULL)) {
    json_object_object_del(status, "conditions");
    if (paused) {
      WryJson *condition = wry_append(wry_put_array(status, "conditions"));
      wry_put_str(condition, "lastTransitionTime", now);
      wry_put_str(condition, "message", "Controller got paused");
      wry_put_str(condition, "reason", "Paused");
      wry_put_str(condition, "status", "True");
      wry_put_str(condition, "type", "ReplicaPaused");
    }
  }
  wry_act_patch(actions, WRY_ACTION_STATUS, WRY_ON_REPLICA_SET, set, changed);
}

/* VMIs that are over make room for new ones. */
static void sweep(GPtrArray *actions, WryJson *set, WryJson *vmis) {
  for (gsize i = 0; i < wry_json_length(vmis); i++) {
    WryJson *vmi = json_object_array_get_idx(vmis, i);
    if (!counts(vmi) && !wry_meta_str(vmi, "deletionTimestamp")) drop(actions, set, vmi);
  }
}

GPtrArray *wry_replica_set_reconcile(WryJson *set, WryJson *vmis, const WryWorld *world) {
  GPtrArray *actions = wry_actions_new();
  WryJson *spec = wry_json_get(set, "spec");
  gint64 wanted = wry_json_int(spec, "replicas", 1);
  gboolean paused = wry_json_bool(spec, "paused", FALSE), leaving = wry_meta_str(set, "deletionTimestamp") != NULL;
  g_autofree char *now = wry_time_text(world->now);
  g_autoptr(GPtrArray) live = g_ptr_array_new();
  for (gsize i = 0; i < wry_json_length(vmis); i++)
    if (counts(json_object_array_get_idx(vmis, i))) g_ptr_array_add(live, json_object_array_get_idx(vmis, i));
  g_ptr_array_sort(live, by_worth);
  put_status(actions, set, live, paused, now);
  if (paused || leaving) return actions;
  sweep(actions, set, vmis);
  for (gint64 i = 0; i < MIN((gint64)live->len - wanted, BURST); i++) drop(actions, set, live->pdata[i]);
  make(actions, set, vmis, MIN(wanted - (gint64)live->len, BURST));
  return actions;
}
