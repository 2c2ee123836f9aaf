/* Conditions of a VMI that follow from its pod (contract 3.4), and the pod's readiness gate.
 *
 * How it works: a condition is set in the changed copy; its time changes with its status alone. Ready is the pod's own as long as the guest runs.
 * Relies on: vmi_parts.h. Pure. */
#include <string.h>

#include "handler/controller/pod.h"
#include "handler/controller/vmi_parts.h"

static WryJson *conditions(WryVmiTurn *turn) {
  WryJson *status = wry_child(turn->changed, "status"), *list = wry_json_get(status, "conditions");
  return list ? list : wry_put_array(status, "conditions");
}

static void put_condition(WryVmiTurn *turn, const char *type, const char *status, const char *reason, const char *message, const char *since) {
  WryJson *condition = wry_object_condition(turn->changed, type);
  gboolean moved = !condition || g_strcmp0(wry_json_str(condition, "status"), status) != 0;
  if (!condition) condition = wry_append(conditions(turn));
  json_object_object_del(condition, "reason");
  json_object_object_del(condition, "message");
  wry_put_str(condition, "type", type);
  wry_put_str(condition, "status", status);
  wry_put_str(condition, "reason", reason);
  wry_put_str(condition, "message", message);
  if (moved) wry_put_str(condition, "lastTransitionTime", since ? since : turn->now);
}

gboolean wry_vmi_condition(WryVmiTurn *turn, const char *type, const char *status, const char *reason, const char *message) {
  WryJson *before = wry_object_condition(turn->vmi, type);
  gboolean same = before && g_strcmp0(wry_json_str(before, "status"), status) == 0 && g_strcmp0(wry_json_str(before, "reason"), reason) == 0 &&
                  g_strcmp0(wry_json_str(before, "message"), message) == 0;
  put_condition(turn, type, status, reason, message, NULL);
  return !same;
}

void wry_vmi_condition_gone(WryVmiTurn *turn, const char *type) {
  WryJson *list = wry_json_path(turn->changed, "status.conditions");
  for (gsize i = 0; i < wry_json_length(list); i++) {
    if (g_strcmp0(wry_json_str(json_object_array_get_idx(list, i), "type"), type) != 0) continue;
    json_object_array_del_idx(list, i, 1);
    return;
  }
}

/* --- Ready --------------------------------------------------------------------------------------------------------------------------------------------------------- */
static WryPhase phase_now(const WryVmiTurn *turn) { return wry_phase_parse(wry_json_str(wry_json_get(turn->changed, "status"), "phase")); }

static void put_ready(WryVmiTurn *turn) {
  WryJson *ready = turn->pod ? wry_object_condition(turn->pod, "Ready") : NULL;
  if (!turn->pod)
    put_condition(turn, "Ready", "False", "PodNotExists", "virt-launcher pod has not yet been scheduled", NULL);
  else if (wry_meta_str(turn->pod, "deletionTimestamp"))
    put_condition(turn, "Ready", "False", "PodTerminating", "virt-launcher pod is terminating", NULL);
  else if (phase_now(turn) != WRY_PHASE_RUNNING)
    put_condition(turn, "Ready", "False", "GuestNotRunning", "Guest VM is not reported as running", NULL);
  else if (ready)
    put_condition(turn, "Ready", wry_json_str(ready, "status"), wry_json_str(ready, "reason"), wry_json_str(ready, "message"), wry_json_str(ready, "lastTransitionTime"));
  else
    put_condition(turn, "Ready", "False", "PodConditionMissing", "virt-launcher pod is missing the Ready condition", NULL);
}

/* --- scheduling ------------------------------------------------------------------------------------------------------------------------------------------------------ */
/* The pod's, while it is False. */
static void put_scheduled(WryVmiTurn *turn) {
  WryJson *scheduled = wry_object_condition(turn->pod, "PodScheduled");
  if (scheduled && g_strcmp0(wry_json_str(scheduled, "status"), "False") == 0)
    put_condition(turn, "PodScheduled", "False", wry_json_str(scheduled, "reason"), wry_json_str(scheduled, "message"), wry_json_str(scheduled, "lastTransitionTime"));
  else
    wry_vmi_condition_gone(turn, "PodScheduled");
}

static const char *image_trouble(WryJson *list, const char **ret_message) {
  static const char *const reasons[] = {"ErrImagePull", "ImagePullBackOff"};
  for (gsize i = 0; i < wry_json_length(list); i++) {
    WryJson *waiting = wry_json_path(json_object_array_get_idx(list, i), "state.waiting");
    for (gsize r = 0; waiting && r < G_N_ELEMENTS(reasons); r++) {
      if (g_strcmp0(wry_json_str(waiting, "reason"), reasons[r]) != 0) continue;
      *ret_message = wry_json_str(waiting, "message");
      return reasons[r];
    }
  }
  return NULL;
}

/* The kubelet tells the two in turns; only the first change is worth a write. Once a node has the VMI the condition is the node's. */
static void put_image_trouble(WryVmiTurn *turn, gboolean handed_over) {
  static const char *const lists[] = {"status.initContainerStatuses", "status.containerStatuses"};
  const char *message = NULL, *reason = NULL;
  for (gsize i = 0; !handed_over && !reason && i < G_N_ELEMENTS(lists); i++) reason = image_trouble(wry_json_path(turn->pod, lists[i]), &message);
  WryJson *before = wry_object_condition(turn->vmi, "Synchronized");
  gboolean backing_off = before && g_strcmp0(wry_json_str(before, "reason"), "ImagePullBackOff") == 0;
  if (!reason)
    wry_vmi_condition_gone(turn, "Synchronized");
  else if (!backing_off && wry_vmi_condition(turn, "Synchronized", "False", reason, message))
    wry_act_event(turn->actions, WRY_ON_VMI, turn->vmi, TRUE, reason, "%s", message ? message : reason);
}

static void put_eviction(WryVmiTurn *turn) {
  const char *node = wry_json_str(wry_json_get(turn->changed, "status"), "evacuationNodeName");
  if (node && *node)
    put_condition(turn, "EvictionRequested", "True", "EvictionRequested", "eviction of the virtual machine instance was requested", NULL);
  else
    wry_vmi_condition_gone(turn, "EvictionRequested");
}

void wry_vmi_conditions(WryVmiTurn *turn) {
  WryPhase phase = phase_now(turn);
  gboolean starting = turn->pod && (phase == WRY_PHASE_SCHEDULING || (turn->phase <= WRY_PHASE_SCHEDULING && phase == WRY_PHASE_SCHEDULED));
  if (starting) {
    put_scheduled(turn);
    put_image_trouble(turn, phase == WRY_PHASE_SCHEDULED);
  }
  put_eviction(turn);
  put_ready(turn);
}

/* --- the gate ----------------------------------------------------------------------------------------------------------------------------------------------------------- */
void wry_vmi_gate(WryVmiTurn *turn) {
  WryJson *paused = wry_object_condition(turn->vmi, "Paused");
  gboolean on_node = turn->phase == WRY_PHASE_SCHEDULED || turn->phase == WRY_PHASE_RUNNING; /* so early that Ready can follow Running at once */
  if (!turn->pod || !on_node || wry_pod_ended(turn->pod) || wry_meta_str(turn->pod, "deletionTimestamp")) return;
  gboolean halts = paused && g_strcmp0(wry_json_str(paused, "status"), "True") == 0;
  WryJson *before = wry_object_condition(turn->pod, WRY_POD_UNPAUSED);
  if (before && g_strcmp0(wry_json_str(before, "status"), halts ? "False" : "True") == 0) return;
  WryJson *patch = json_object_new_object(), *condition = wry_append(wry_put_array(wry_put_object(patch, "status"), "conditions"));
  wry_put_str(wry_put_object(patch, "metadata"), "uid", wry_meta_str(turn->pod, "uid"));
  wry_put_str(condition, "lastTransitionTime", turn->now);
  wry_put_str(condition, "message", halts ? "the virtual machine is paused" : "the virtual machine is not paused");
  wry_put_str(condition, "reason", halts ? "Paused" : "NotPaused");
  wry_put_str(condition, "status", halts ? "False" : "True");
  wry_put_str(condition, "type", WRY_POD_UNPAUSED);
  wry_act(turn->actions, WRY_ACTION_STRATEGIC, WRY_ON_POD, turn->pod)->body = patch;
}
