/* A cluster in memory for tests of the controller's pure functions. */
#include "tests/unit/support_controller.h"

#include <check.h>
#include <string.h>

#include "handler/controller/replica_set.h"
#include "handler/controller/seen.h"
#include "handler/controller/vm.h"
#include "handler/controller/vmi.h"
#include "tests/unit/support_spec.h"

#define TURNS 60
static const char *const kinds[WRY_ONS] = {"VirtualMachine", "VirtualMachineInstance", "Pod", "ControllerRevision", "VirtualMachineInstanceReplicaSet", "KubeVirt", "Node"};

FakeCluster *fake_cluster_new(const char *configuration) {
  FakeCluster *cluster = g_new0(FakeCluster, 1);
  cluster->objects = g_ptr_array_new_with_free_func((GDestroyNotify)wry_json_put);
  cluster->events = g_ptr_array_new_with_free_func(g_free);
  cluster->config = support_config(configuration);
  cluster->now = 1700000000;
  cluster->again = -1;
  return cluster;
}

void fake_cluster_free(FakeCluster *cluster) {
  g_ptr_array_unref(cluster->objects);
  g_ptr_array_unref(cluster->events);
  wry_config_free(cluster->config);
  g_free(cluster);
}

static WryJson *meta(WryJson *object) { return wry_json_get(object, "metadata"); }

static gboolean is_named(WryJson *object, const char *kind, const char *name) {
  return g_strcmp0(wry_json_str(object, "kind"), kind) == 0 && (!name || g_strcmp0(wry_json_str(meta(object), "name"), name) == 0);
}

WryJson *fake_cluster_get(FakeCluster *cluster, const char *kind, const char *name) {
  for (guint i = 0; i < cluster->objects->len; i++)
    if (is_named(cluster->objects->pdata[i], kind, name)) return cluster->objects->pdata[i];
  return NULL;
}

guint fake_cluster_count(FakeCluster *cluster, const char *kind) {
  guint count = 0;
  for (guint i = 0; i < cluster->objects->len; i++) count += is_named(cluster->objects->pdata[i], kind, NULL);
  return count;
}

static void touch(FakeCluster *cluster, WryJson *object) {
  g_autofree char *version = g_strdup_printf("%u", ++cluster->versions);
  wry_put_str(meta(object), "resourceVersion", version);
}

static WryJson *store(FakeCluster *cluster, WryJson *take_object) {
  g_autofree char *uid = g_strdup_printf("uid-%u", ++cluster->uids), *now = wry_time_text(cluster->now);
  if (!wry_json_str(meta(take_object), "uid")) wry_put_str(meta(take_object), "uid", uid);
  if (!wry_json_str(meta(take_object), "namespace")) wry_put_str(meta(take_object), "namespace", "default");
  wry_put_str(meta(take_object), "creationTimestamp", now);
  wry_put_int(meta(take_object), "generation", 1);
  touch(cluster, take_object);
  g_ptr_array_add(cluster->objects, take_object);
  return take_object;
}

WryJson *fake_cluster_add(FakeCluster *cluster, const char *text) { return store(cluster, support_json(text)); }

WryJson *fake_cluster_vm(FakeCluster *cluster, const char *strategy, const char *template_members) {
  g_autofree char *text = g_strdup_printf("{'apiVersion': 'kubevirt.io/v1', 'kind': 'VirtualMachine', 'metadata': {'name': 'a'}, 'spec': {'runStrategy': '%s', 'template': {'metadata': {'labels': {'l': 'v'}}, 'spec': {%s%s"
                                          "'domain': {'devices': {}, 'memory': {'guest': '128Mi'}}}}}}", strategy, template_members ? template_members : "", template_members ? ", " : "");
  return fake_cluster_add(cluster, text);
}

static void merge(WryJson *into, WryJson *patch) {
  json_object_object_foreach(patch, key, value) {
    WryJson *inner = wry_json_get(into, key);
    if (!value)
      json_object_object_del(into, key);
    else if (json_object_is_type(value, json_type_object)) {
      if (!inner || !json_object_is_type(inner, json_type_object)) inner = wry_put_object(into, key);
      merge(inner, value);
    } else
      json_object_object_add(into, key, wry_json_copy(value));
  }
}

/* An object without finalizers that is being deleted is gone. */
static void after_write(FakeCluster *cluster, WryJson *object, WryJson *spec_before) {
  touch(cluster, object);
  if (!json_object_equal(spec_before, wry_json_get(object, "spec"))) wry_put_int(meta(object), "generation", wry_json_int(meta(object), "generation", 1) + 1);
  if (wry_json_str(meta(object), "deletionTimestamp") && !wry_json_length(wry_json_get(meta(object), "finalizers")) && !is_named(object, "Pod", NULL)) g_ptr_array_remove(cluster->objects, object);
}

static void patch_object(FakeCluster *cluster, WryJson *object, WryJson *patch) {
  g_autoptr(WryJson) before = wry_json_copy(wry_json_get(object, "spec"));
  merge(object, patch);
  after_write(cluster, object, before);
}

void fake_cluster_patch(FakeCluster *cluster, const char *kind, const char *name, const char *patch) {
  g_autoptr(WryJson) json = support_json(patch);
  patch_object(cluster, fake_cluster_get(cluster, kind, name), json);
}

static void delete_object(FakeCluster *cluster, WryJson *object) {
  g_autofree char *now = wry_time_text(cluster->now);
  g_autoptr(WryJson) before = wry_json_copy(wry_json_get(object, "spec"));
  if (!wry_json_str(meta(object), "deletionTimestamp")) wry_put_str(meta(object), "deletionTimestamp", now);
  after_write(cluster, object, before);
}

void fake_cluster_delete(FakeCluster *cluster, const char *kind, const char *name) { delete_object(cluster, fake_cluster_get(cluster, kind, name)); }

void fake_cluster_pod_runs(FakeCluster *cluster) {
  fake_cluster_patch(cluster, "Pod", NULL, "{'spec': {'nodeName': 'n1'}, 'status': {'phase': 'Running', 'qosClass': 'Burstable', 'conditions': [{'type': 'Ready', 'status': 'False', 'reason': 'ReadinessGatesNotReady'}],"
                                           "'containerStatuses': [{'name': 'compute', 'ready': false, 'state': {'running': {}}}]}}");
}

void fake_cluster_pod_gone(FakeCluster *cluster) { g_ptr_array_remove(cluster->objects, fake_cluster_get(cluster, "Pod", NULL)); }

void fake_cluster_phase(FakeCluster *cluster, const char *phase) {
  g_autofree char *patch = g_strdup_printf("{'status': {'phase': '%s'}}", phase);
  fake_cluster_patch(cluster, "VirtualMachineInstance", NULL, patch);
  if (strcmp(phase, "Running") != 0) return;
  WryJson *times = wry_json_path(fake_cluster_get(cluster, "VirtualMachineInstance", NULL), "status.phaseTransitionTimestamps");
  wry_put_str(wry_append(times), "phase", phase);
}

/* --- what the controllers want ------------------------------------------------------------------------------------------------------------------------------------ */
static WryJson *find(gpointer data, const char *kind, const char *ns, const char *name) {
  (void)ns;
  FakeCluster *cluster = data;
  WryJson *object = name ? fake_cluster_get(cluster, kind, name) : NULL, *all = name ? NULL : json_object_new_array();
  for (guint i = 0; all && i < cluster->objects->len; i++)
    if (is_named(cluster->objects->pdata[i], kind, NULL)) json_object_array_add(all, json_object_get(cluster->objects->pdata[i]));
  return all ? all : object ? json_object_get(object) : NULL;
}

static void merge_condition(WryJson *object, WryJson *patch) {
  WryJson *given = wry_json_path(patch, "status.conditions[0]"), *there = wry_object_condition(object, wry_json_str(given, "type"));
  if (there)
    merge(there, given);
  else
    json_object_array_add(wry_json_path(object, "status.conditions"), wry_json_copy(given));
}

static void note(FakeCluster *cluster, const WryAction *action) {
  g_ptr_array_add(cluster->events, g_strdup_printf("%s %s/%s: %s", action->reason, kinds[action->on], action->name, action->message));
}

static void write_object(FakeCluster *cluster, const WryAction *action) {
  WryJson *object = fake_cluster_get(cluster, kinds[action->on], action->name);
  cluster->writes++;
  if (action->kind == WRY_ACTION_CREATE) {
    if (!object) store(cluster, wry_json_copy(action->body));
    return;
  }
  ck_assert_msg(object != NULL, "%s %s is written but not there", kinds[action->on], action->name);
  if (action->kind == WRY_ACTION_DELETE) {
    ck_assert_str_eq(action->uid, wry_json_str(meta(object), "uid"));
    delete_object(cluster, object);
  } else if (action->kind == WRY_ACTION_STRATEGIC) {
    merge_condition(object, action->body);
    touch(cluster, object);
  } else if (g_strcmp0(wry_json_str(meta(action->body), "resourceVersion"), wry_json_str(meta(object), "resourceVersion")) == 0) {
    json_object_object_del(meta(action->body), "resourceVersion");
    if (action->kind == WRY_ACTION_STATUS) json_object_object_del(action->body, "spec");
    patch_object(cluster, object, action->body);
  }
}

static void carry_out(FakeCluster *cluster, GPtrArray *actions) {
  for (guint i = 0; i < actions->len; i++) {
    const WryAction *action = actions->pdata[i];
    if (action->kind == WRY_ACTION_EVENT)
      note(cluster, action);
    else if (action->kind == WRY_ACTION_AGAIN)
      cluster->again = cluster->again < 0 ? action->seconds : MIN(cluster->again, action->seconds);
    else
      write_object(cluster, action);
  }
  g_ptr_array_unref(actions);
}

static WryJson *owned(FakeCluster *cluster, const char *kind, WryJson *owner) {
  WryJson *list = json_object_new_array();
  for (guint i = 0; i < cluster->objects->len; i++) {
    WryJson *object = cluster->objects->pdata[i];
    if (is_named(object, kind, NULL) && wry_is_controlled_by(object, owner)) json_object_array_add(list, json_object_get(object));
  }
  return list;
}

static GPtrArray *reconcile(FakeCluster *cluster, WryJson *object, const WryWorld *world) {
  if (is_named(object, "VirtualMachine", NULL)) {
    g_autoptr(WryJson) vmi = find(cluster, "VirtualMachineInstance", NULL, wry_json_str(meta(object), "name"));
    return wry_vm_reconcile(object, vmi, world);
  }
  g_autoptr(WryJson) children = owned(cluster, is_named(object, "VirtualMachineInstance", NULL) ? "Pod" : "VirtualMachineInstance", object);
  if (is_named(object, "VirtualMachineInstance", NULL)) return wry_vmi_reconcile(object, children, world);
  if (is_named(object, "VirtualMachineInstanceReplicaSet", NULL)) return wry_replica_set_reconcile(object, children, world);
  return is_named(object, "Node", NULL) ? wry_node_reconcile(object, world) : wry_actions_new();
}

guint fake_cluster_settle(FakeCluster *cluster) {
  const WryWorld world = {.config = cluster->config, .image = "localhost/wherry/launcher:1", .find = find, .find_data = cluster, .now = cluster->now};
  guint before = cluster->writes, last = G_MAXUINT;
  for (guint turn = 0; last != cluster->writes; turn++) {
    ck_assert_msg(turn < TURNS, "the controllers do not come to rest");
    last = cluster->writes;
    cluster->again = -1;
    g_autoptr(GPtrArray) seen = g_ptr_array_new_with_free_func((GDestroyNotify)wry_json_put);
    for (guint i = 0; i < cluster->objects->len; i++) g_ptr_array_add(seen, json_object_get(cluster->objects->pdata[i]));
    for (guint i = 0; i < seen->len; i++)
      if (g_ptr_array_find(cluster->objects, seen->pdata[i], NULL)) carry_out(cluster, reconcile(cluster, seen->pdata[i], &world));
  }
  return cluster->writes - before;
}

gboolean fake_cluster_event(FakeCluster *cluster, const char *reason) {
  for (guint i = 0; i < cluster->events->len; i++)
    if (g_str_has_prefix(cluster->events->pdata[i], reason)) return TRUE;
  return FALSE;
}

const char *fake_text(WryJson *object, const char *path) {
  WryJson *value = object ? wry_json_path(object, path) : NULL;
  return value ? json_object_get_string(value) : "";
}

char *fake_condition(WryJson *object, const char *type) {
  WryJson *condition = object ? wry_object_condition(object, type) : NULL;
  const char *reason = condition ? wry_json_str(condition, "reason") : NULL;
  return condition ? g_strconcat(wry_json_str(condition, "status"), reason ? " " : NULL, reason, NULL) : g_strdup("");
}
