/* One name's turn: its object is looked at by the pure function of its kind, and the actions are carried out one after the other.
 *
 * How it works: a job holds the list and the place in it; each answer leads to the next action. The first failure ends the job, and the queue brings the name back later: a conflict means that a newer copy is on
 * its way. What is already there, or already gone, is as good as done.
 * Relies on: the names of what is made following from uids (vmi.h, replica_set.h). */
#include <string.h>

#include "handler/controller/build.h"
#include "handler/controller/controller_parts.h"
#include "handler/controller/kubevirt.h"
#include "handler/controller/replica_set.h"
#include "handler/controller/vm.h"
#include "handler/controller/vmi.h"
#include "wherry/log.h"

static const struct { const WryKubeResource *resource; const char *component; } writes[WRY_ONS] = {
  [WRY_ON_VM] = {&wry_kube_vms, "virtualmachine-controller"},
  [WRY_ON_VMI] = {&wry_kube_vmis, "virtualmachineinstance-controller"},
  [WRY_ON_POD] = {&wry_kube_pods, "virtualmachineinstance-controller"},
  [WRY_ON_REVISION] = {&wry_kube_revisions, "virtualmachine-controller"},
  [WRY_ON_REPLICA_SET] = {&wry_kube_replica_sets, "virtualmachinereplicaset-controller"},
  [WRY_ON_KUBEVIRT] = {&wry_kube_kubevirts, "virt-operator"},
  [WRY_ON_NODE] = {&wry_kube_nodes, "node-controller"},
};

typedef struct {
  WryController *controller;
  char *name;        /* in the queue */
  WryOn on;
  WryJson *object;   /* that is looked at; NULL: the KubeVirt object that is to be made */
  GPtrArray *actions;
  guint at;
  WryKubeCall *call;
  gboolean failed;   /* what is carried out now tells why */
} Job;

static void free_job(Job *job) {
  wry_kube_cancel(job->call);
  g_ptr_array_unref(job->actions);
  wry_json_put(job->object);
  g_free(job->name);
  g_free(job);
}

static void end_job(Job *job, gboolean failed) {
  WryController *controller = job->controller;
  g_autofree char *name = g_strdup(job->name);
  g_ptr_array_remove_fast(controller->jobs, job);
  free_job(job);
  wry_queue_done(controller->queue, name, failed);
}

/* --- events ----------------------------------------------------------------------------------------------------------------------------------------------------------- */
static void tell(Job *job, WryOn on, const char *ns, const char *name, const char *uid, gboolean warning, const char *reason, const char *message) {
  g_autofree char *version = wry_kube_api_version(writes[on].resource);
  const WryKubeEventObject about = {.api_version = version, .kind = writes[on].resource->kind, .namespace_ = ns, .name = name, .uid = uid};
  wry_kube_events_add(job->controller->events, &about, writes[job->on].component, warning, reason, message);
}

static void tell_failure(Job *job, const WryAction *action, const char *why) {
  WryJson *meta = wry_json_get(job->object, "metadata");
  if (!job->object || !action->reason) return;
  g_autofree char *message = g_strdup_printf("Error %s %s %s: %s", action->kind == WRY_ACTION_CREATE ? "creating" : "deleting", writes[action->on].resource->kind, action->name, why);
  tell(job, job->on, wry_json_str(meta, "namespace"), wry_json_str(meta, "name"), wry_json_str(meta, "uid"), TRUE, action->reason, message);
}

/* What users look at first is told too: the VMI whose pod, the VM whose VMI the API server does not take (a quota, Pod Security, ...). */
static GPtrArray *failed_create(const Job *job, const char *why) {
  static const struct { WryOn on; WryActionKind kind; const char *condition, *status; } rows[] = {{WRY_ON_VM, WRY_ACTION_STATUS, "Failure", "True"}, {WRY_ON_VMI, WRY_ACTION_PATCH, "Synchronized", "False"}};
  GPtrArray *actions = wry_actions_new();
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
    if (rows[i].on == job->on) wry_act_failed(actions, rows[i].kind, job->on, job->object, rows[i].condition, rows[i].status, why, g_get_real_time() / G_USEC_PER_SEC);
  return actions;
}

/* --- actions --------------------------------------------------------------------------------------------------------------------------------------------------------- */
static void next(Job *job);

/* Somebody, perhaps we, did it before: it has been told already. */
static void skip_event(Job *job) {
  const WryAction *following = job->at < job->actions->len ? job->actions->pdata[job->at] : NULL;
  if (following && following->kind == WRY_ACTION_EVENT) job->at++;
}

static gboolean is_done_anyway(const WryAction *action, const WryKubeFailure *failure) {
  if (action->kind == WRY_ACTION_CREATE) return strcmp(failure->reason, "AlreadyExists") == 0;
  if (action->kind == WRY_ACTION_DELETE) return failure->http == 404 || failure->http == 409;
  return failure->http == 404;
}

static void fail(Job *job, const WryAction *action, const WryKubeFailure *failure) {
  const char *why = failure->message && *failure->message ? failure->message : failure->error->message;
  gboolean conflict = failure->http == 409;
  wry_log(conflict ? WRY_LOG_DEBUG : WRY_LOG_WARNING, "an action failed", "of", job->name, "why", failure->error->message, NULL);
  if (!conflict) tell_failure(job, action, why);
  if (job->failed || action->kind != WRY_ACTION_CREATE || !job->object) {
    end_job(job, TRUE);
    return;
  }
  GPtrArray *actions = failed_create(job, why);
  g_ptr_array_unref(job->actions);
  job->actions = actions;
  job->at = 0;
  job->failed = TRUE;
  next(job);
}

static void on_done(WryJson *object, const WryKubeFailure *failure, gpointer data) {
  Job *job = data;
  const WryAction *action = job->actions->pdata[job->at++];
  (void)object;
  job->call = NULL;
  if (failure && !is_done_anyway(action, failure)) {
    fail(job, action, failure);
    return;
  }
  if (failure) skip_event(job);
  next(job);
}

static WryKubeCall *send_delete(Job *job, const WryAction *action) {
  const WryKubeDelete options = {.uid = action->uid, .grace_seconds = -1};
  return wry_kube_delete(job->controller->kube, writes[action->on].resource, action->namespace_, action->name, &options, on_done, job);
}

static WryKubeCall *send_patch(Job *job, const WryAction *action) {
  const char *part = action->kind == WRY_ACTION_PATCH ? NULL : "status";
  WryKubeVerb verb = action->kind == WRY_ACTION_STRATEGIC ? WRY_KUBE_PATCH_STRATEGIC : WRY_KUBE_PATCH_MERGE;
  return wry_kube_patch(job->controller->kube, writes[action->on].resource, action->namespace_, action->name, part, verb, action->body, on_done, job);
}

static void carry_out(Job *job, const WryAction *action) {
  job->controller->writes++;
  if (action->kind == WRY_ACTION_CREATE)
    job->call = wry_kube_create(job->controller->kube, writes[action->on].resource, action->body, on_done, job);
  else
    job->call = action->kind == WRY_ACTION_DELETE ? send_delete(job, action) : send_patch(job, action);
}

static void next(Job *job) {
  for (; job->at < job->actions->len; job->at++) {
    const WryAction *action = job->actions->pdata[job->at];
    if (action->kind == WRY_ACTION_EVENT) {
      tell(job, action->on, action->namespace_, action->name, action->uid, action->warning, action->reason, action->message);
    } else if (action->kind == WRY_ACTION_AGAIN) {
      wry_queue_add_later(job->controller->queue, job->name, action->seconds);
    } else {
      carry_out(job, action);
      return;
    }
  }
  end_job(job, job->failed);
}

/* --- kinds ------------------------------------------------------------------------------------------------------------------------------------------------------------ */
static GPtrArray *look_at_vm(WryController *controller, WryJson *vm, const WryWorld *world) {
  WryJson *meta = wry_json_get(vm, "metadata");
  g_autoptr(WryJson) vmi = wry_controller_find(controller, WRY_SEE_VMI, wry_json_str(meta, "namespace"), wry_json_str(meta, "name"));
  return wry_vm_reconcile(vm, vmi, world);
}

static GPtrArray *look_at_vmi(WryController *controller, WryJson *vmi, const WryWorld *world) {
  g_autoptr(WryJson) pods = wry_controller_owned(controller, WRY_SEE_POD, vmi);
  return wry_vmi_reconcile(vmi, pods, world);
}

static GPtrArray *look_at_set(WryController *controller, WryJson *set, const WryWorld *world) {
  g_autoptr(WryJson) vmis = wry_controller_owned(controller, WRY_SEE_VMI, set);
  return wry_replica_set_reconcile(set, vmis, world);
}

static GPtrArray *look_at_node(WryController *controller, WryJson *node, const WryWorld *world) {
  (void)controller;
  return wry_node_reconcile(node, world);
}

static GPtrArray *look_at_kubevirt(WryController *controller, WryJson *kubevirt, const WryWorld *world) {
  (void)controller;
  return wry_kubevirt_reconcile(kubevirt, world, wry_controller_architecture());
}

static const struct {
  const char *kind;
  WrySee see;
  WryOn on;
  GPtrArray *(*look)(WryController *controller, WryJson *object, const WryWorld *world);
} turns[] = {
    {"vm", WRY_SEE_VM, WRY_ON_VM, look_at_vm},           {"vmi", WRY_SEE_VMI, WRY_ON_VMI, look_at_vmi},
    {"set", WRY_SEE_SET, WRY_ON_REPLICA_SET, look_at_set}, {"node", WRY_SEE_NODE, WRY_ON_NODE, look_at_node},
    {"kubevirt", WRY_SEE_KUBEVIRT, WRY_ON_KUBEVIRT, look_at_kubevirt},
};

static gboolean first(const WryKubeItem *item, gpointer data) {
  *(WryJson **)data = wry_kube_item_object(item, NULL);
  return FALSE;
}

/* There is one KubeVirt object; when there is none, the default is made. */
static WryJson *find_kubevirt(WryController *controller) {
  WryJson *object = NULL;
  wry_kube_watch_each(controller->watches[WRY_SEE_KUBEVIRT], first, &object);
  return object;
}

static void make_kubevirt(Job *job) {
  if (job->controller->default_kubevirt) wry_act_create(job->actions, WRY_ON_KUBEVIRT, wry_json_copy(job->controller->default_kubevirt));
}

void wry_controller_work(const char *name, gpointer data) {
  WryController *controller = data;
  g_auto(GStrv) parts = g_strsplit(name, "/", 3);
  guint turn = 0;
  while (turn < G_N_ELEMENTS(turns) - 1 && strcmp(turns[turn].kind, parts[0]) != 0) turn++;
  gboolean kubevirt = turns[turn].see == WRY_SEE_KUBEVIRT;
  Job *job = g_new0(Job, 1);
  *job = (Job){.controller = controller, .name = g_strdup(name), .on = turns[turn].on};
  job->object = kubevirt ? find_kubevirt(controller) : wry_controller_find(controller, turns[turn].see, parts[1], parts[2]);
  g_ptr_array_add(controller->jobs, job);
  WryWorld world = wry_controller_world(controller);
  controller->looking = job->name;
  job->actions = job->object ? turns[turn].look(controller, job->object, &world) : wry_actions_new();
  controller->looking = NULL;
  if (!job->object && kubevirt) make_kubevirt(job);
  next(job);
}

void wry_controller_drop_jobs(WryController *controller) {
  for (guint i = 0; i < controller->jobs->len; i++) free_job(controller->jobs->pdata[i]);
  g_ptr_array_set_size(controller->jobs, 0);
}
