/* The VirtualMachineInstance controller.
 *
 * How it works: a turn copies the VMI, lets phase, pod and time change the copy, and writes the difference, if any. Which rule holds is a table over the phase. A pod is made once: its name follows
 * from the VMI's uid. The node's handler writes Running and the end; what is here is the start, a pod that was lost, and the deletion.
 * Relies on: contract 3.2, 3.3, 4.3. Pure. */
#include "handler/controller/vmi_parts.h"

#include <string.h>

#define LOST_POD_SECONDS 15 /* a pod that ended may be ahead of its node's last word */

/* --- pods -------------------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean is_better(WryJson *pod, WryJson *than) {
  if (!than) return TRUE;
  if (wry_pod_ended(pod) != wry_pod_ended(than)) return !wry_pod_ended(pod);
  return g_strcmp0(wry_meta_str(pod, "creationTimestamp"), wry_meta_str(than, "creationTimestamp")) > 0;
}

static WryJson *choose_pod(WryJson *pods) {
  WryJson *best = NULL;
  for (gsize i = 0; i < wry_json_length(pods); i++)
    if (is_better(json_object_array_get_idx(pods, i), best)) best = json_object_array_get_idx(pods, i);
  return best;
}

static void delete_pods(WryVmiTurn *turn) {
  for (gsize i = 0; i < wry_json_length(turn->pods); i++) {
    WryJson *pod = json_object_array_get_idx(turn->pods, i);
    if (wry_meta_str(pod, "deletionTimestamp")) continue;
    wry_act_delete(turn->actions, WRY_ON_POD, pod);
    wry_act_event(turn->actions, WRY_ON_VMI, turn->vmi, FALSE, "SuccessfulDelete", "Deleted virtual machine pod %s", wry_meta_str(pod, "name"));
  }
}

/* Seconds since the last container of the pod ended; G_MAXINT64 when that is not known. */
static gint64 ended_ago(WryJson *pod, gint64 now) {
  WryJson *list = wry_json_path(pod, "status.containerStatuses");
  gint64 last = -1;
  for (gsize i = 0; i < wry_json_length(list); i++) {
    WryJson *terminated = wry_json_path(json_object_array_get_idx(list, i), "state.terminated");
    last = MAX(last, wry_time_seconds(wry_json_str(terminated, "finishedAt")));
  }
  return last < 0 ? G_MAXINT64 : now - last;
}

/* --- nodes --------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* The annotation is a JSON string: quotes included. */
static gint64 heartbeat(WryJson *node) {
  const char *text = wry_json_str(wry_json_path(node, "metadata.annotations"), "kubevirt.io/heartbeat");
  g_autofree char *plain = text ? g_strdup(text) : NULL;
  if (plain) g_strstrip(g_strdelimit(plain, "\"", ' '));
  return wry_time_seconds(plain);
}

gboolean wry_node_responsive(WryJson *node, gint64 now) {
  gint64 beat = node ? heartbeat(node) : -1;
  return beat >= 0 && now - beat <= WRY_HEARTBEAT_SECONDS;
}

GPtrArray *wry_node_reconcile(WryJson *node, const WryWorld *world) {
  GPtrArray *actions = wry_actions_new();
  gint64 beat = heartbeat(node);
  if (beat < 0) return actions;
  if (wry_node_responsive(node, world->now)) {
    wry_act_again(actions, WRY_ON_NODE, node, beat + WRY_HEARTBEAT_SECONDS + 1 - world->now);
    return actions;
  }
  if (g_strcmp0(wry_json_str(wry_json_path(node, "metadata.labels"), "kubevirt.io/schedulable"), "true") != 0) return actions;
  g_autoptr(WryJson) changed = wry_json_copy(node);
  wry_put_str(wry_child(wry_json_get(changed, "metadata"), "labels"), "kubevirt.io/schedulable", "false");
  wry_act_patch(actions, WRY_ACTION_PATCH, WRY_ON_NODE, node, changed);
  wry_act_event(actions, WRY_ON_NODE, node, TRUE, "NodeUnresponsive", "virt-handler is not responsive, marking node as unresponsive");
  return actions;
}

/* Why a VMI whose pod is gone failed: its node, when that is silent. */
static const char *lost_reason(const WryVmiTurn *turn) {
  const WryWorld *world = turn->world;
  const char *name = wry_json_str(wry_json_get(turn->vmi, "status"), "nodeName");
  if (!name || !world->find) return NULL;
  g_autoptr(WryJson) node = world->find(world->find_data, "Node", NULL, name);
  return wry_node_responsive(node, world->now) ? NULL : "NodeUnresponsive";
}

/* --- phases ---------------------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean lost_guarantee(WryVmiTurn *turn) {
  WryJson *cpu = wry_json_path(turn->vmi, "spec.domain.cpu");
  const char *class = wry_json_str(wry_json_get(turn->pod, "status"), "qosClass");
  if (!cpu || !wry_json_bool(cpu, "dedicatedCpuPlacement", FALSE) || !class || strcmp(class, "Guaranteed") == 0) return FALSE;
  wry_act_event(turn->actions, WRY_ON_VMI, turn->vmi, TRUE, "FailedGuaranteeResources", "failed to guarantee pod resources: its QoS class is %s", class);
  wry_vmi_enter(turn, WRY_PHASE_FAILED, "FailedGuaranteeResources");
  return TRUE;
}

static void pending(WryVmiTurn *turn) {
  if (turn->leaving && !turn->pod)
    wry_vmi_enter(turn, WRY_PHASE_FAILED, NULL);
  else if (turn->pod)
    wry_vmi_enter(turn, WRY_PHASE_SCHEDULING, NULL);
}

static void scheduling(WryVmiTurn *turn) {
  if (!turn->pod || wry_pod_ended(turn->pod))
    wry_vmi_enter(turn, WRY_PHASE_FAILED, NULL);
  else if (!lost_guarantee(turn) && wry_pod_handed_over(turn->pod)) {
    wry_vmi_enter(turn, WRY_PHASE_SCHEDULED, NULL);
    wry_vmi_hand_over(turn);
    wry_act_event(turn->actions, WRY_ON_VMI, turn->vmi, FALSE, "SuccessfulHandOver", "Virtual machine pod %s was handed over to node %s", wry_meta_str(turn->pod, "name"),
                  wry_json_str(wry_json_get(turn->pod, "spec"), "nodeName"));
  }
}

/* A node that is there has the first word on how its guest ended. */
static void on_node(WryVmiTurn *turn) {
  if (turn->pod && !wry_pod_ended(turn->pod)) {
    wry_vmi_follow_pod(turn);
    return;
  }
  const char *reason = lost_reason(turn);
  gint64 ago = turn->pod ? ended_ago(turn->pod, turn->world->now) : G_MAXINT64;
  if (!reason && ago < LOST_POD_SECONDS)
    wry_act_again(turn->actions, WRY_ON_VMI, turn->vmi, LOST_POD_SECONDS - MAX(ago, 0));
  else
    wry_vmi_enter(turn, WRY_PHASE_FAILED, reason ? reason : "LauncherGone");
}

static void over(WryVmiTurn *turn) { (void)turn; }

static void (*const rules[WRY_PHASES])(WryVmiTurn *turn) = {
  [WRY_PHASE_NONE] = pending,       [WRY_PHASE_PENDING] = pending, [WRY_PHASE_SCHEDULING] = scheduling, [WRY_PHASE_SCHEDULED] = on_node,
  [WRY_PHASE_RUNNING] = on_node, [WRY_PHASE_SUCCEEDED] = over,  [WRY_PHASE_FAILED] = over,
};

/* --- the end --------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* Its VM takes its own finalizer away once it has the result; one that has no VM, or none any more, need not wait. */
static gboolean has_vm(const WryVmiTurn *turn) {
  const WryWorld *world = turn->world;
  WryJson *owner = wry_controller_of(turn->vmi);
  if (!owner || g_strcmp0(wry_json_str(owner, "kind"), "VirtualMachine") != 0) return FALSE;
  g_autoptr(WryJson) vm = world->find ? world->find(world->find_data, "VirtualMachine", wry_meta_str(turn->vmi, "namespace"), wry_json_str(owner, "name")) : NULL;
  return vm && g_strcmp0(wry_meta_str(vm, "uid"), wry_json_str(owner, "uid")) == 0;
}

static void let_go(WryVmiTurn *turn) {
  WryPhase phase = wry_phase_parse(wry_json_str(wry_json_get(turn->changed, "status"), "phase"));
  if (!turn->leaving || !wry_phase_final(phase) || wry_json_length(turn->pods)) return;
  wry_drop_finalizer(turn->changed, WRY_VMI_FINALIZER);
  wry_drop_finalizer(turn->changed, WRY_VMI_FINALIZER_OLD);
  if (!has_vm(turn)) wry_drop_finalizer(turn->changed, WRY_VM_FINALIZER);
}

static void run(WryVmiTurn *turn) {
  gboolean fresh = turn->phase <= WRY_PHASE_PENDING && !turn->pod && !turn->leaving;
  if (fresh && wry_vmi_turn_start(turn)) return;
  rules[turn->phase](turn);
  wry_vmi_conditions(turn);
  let_go(turn);
  wry_act_patch(turn->actions, WRY_ACTION_PATCH, WRY_ON_VMI, turn->vmi, turn->changed);
  wry_vmi_gate(turn);
  if (turn->leaving || wry_phase_final(turn->phase)) delete_pods(turn);
}

GPtrArray *wry_vmi_reconcile(WryJson *vmi, WryJson *pods, const WryWorld *world) {
  WryVmiTurn turn = {.vmi = vmi, .changed = wry_json_copy(vmi), .pods = pods, .pod = choose_pod(pods), .world = world, .actions = wry_actions_new()};
  turn.phase = wry_phase_parse(wry_json_str(wry_json_get(vmi, "status"), "phase"));
  turn.leaving = wry_meta_str(vmi, "deletionTimestamp") != NULL;
  turn.now = wry_time_text(world->now);
  run(&turn);
  g_free(turn.now);
  json_object_put(turn.changed);
  return turn.actions;
}
