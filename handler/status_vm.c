/* The status of a VirtualMachine as JSON, and its printable status (contract 3.6).
 *
 * How it works: printableStatus is a table of tests, the first that holds wins, in the contract's order; conditions are the VMI's with Ready always there. Pure.
 * Relies on: json-c through wherry/json.h. */
#include "handler/status.h"

typedef gboolean (*Test)(const WryVmView *view);

static const WryInstance *vmi_of(const WryVmView *view) { return view->state->vmi; }
static WryPhase phase_of(const WryVmView *view) { return wry_instance_phase(vmi_of(view)); }
static gboolean gone(const WryVmView *view) { return !vmi_of(view) || wry_phase_final(phase_of(view)); }

static gboolean condition_is(const WryVmView *view, const char *type, const char *status, const char *reason) {
  const WryCondition *condition = vmi_of(view) ? wry_condition_find(vmi_of(view)->conditions, type) : NULL;
  return condition && strcmp(condition->status, status) == 0 && (!reason || g_strcmp0(condition->reason, reason) == 0);
}

static gboolean stop_expected(const WryVmView *view) {
  const char *stop = view->state->stopRequested;
  return view->strategy == WRY_STRATEGY_HALTED || (stop && vmi_of(view) && g_strcmp0(stop, vmi_of(view)->uid) == 0);
}

static gboolean is_terminating(const WryVmView *view) { return view->removed; }
static gboolean is_stopping(const WryVmView *view) { return !gone(view) && (vmi_of(view)->deletionTimestamp || stop_expected(view)); }
static gboolean is_running(const WryVmView *view) { return phase_of(view) == WRY_PHASE_RUNNING; }
static gboolean is_paused(const WryVmView *view) { return is_running(view) && condition_is(view, "Paused", "True", NULL); }
static gboolean lacks_pvc(const WryVmView *view) { return condition_is(view, "Synchronized", "False", "FailedPvcNotFound"); }
static gboolean is_unschedulable(const WryVmView *view) { return condition_is(view, "PodScheduled", "False", "Unschedulable"); }
static gboolean waits_for_binding(const WryVmView *view) {
  WryPhase phase = phase_of(view);
  return view->unbound && (vmi_of(view) ? phase < WRY_PHASE_SCHEDULED : view->start_expected);
}
static gboolean lacks_image(const WryVmView *view) { return condition_is(view, "Synchronized", "False", "ErrImagePull"); }
static gboolean backs_off_pull(const WryVmView *view) { return condition_is(view, "Synchronized", "False", "ImagePullBackOff"); }

static gboolean is_looping(const WryVmView *view) {
  gboolean automatic = wry_strategy_automatic(view->strategy);
  return gone(view) && view->state->failures.set && view->state->failures.v > 0 && automatic;
}

static gboolean is_starting(const WryVmView *view) {
  return (vmi_of(view) && !gone(view)) || (!vmi_of(view) && view->start_expected && !is_looping(view));
}

static const struct { const char *status; Test test; } printable[] = {
  {"Terminating", is_terminating}, {"Stopping", is_stopping},        {"Paused", is_paused},      {"Running", is_running},
  {"ErrorPvcNotFound", lacks_pvc}, {"ErrorUnschedulable", is_unschedulable}, {"WaitingForVolumeBinding", waits_for_binding}, {"ErrImagePull", lacks_image},
  {"ImagePullBackOff", backs_off_pull}, {"Starting", is_starting},   {"CrashLoopBackOff", is_looping}, {"Stopped", gone},
};

const char *wry_status_printable(const WryVmView *view) {
  for (gsize i = 0; i < G_N_ELEMENTS(printable); i++)
    if (printable[i].test(view)) return printable[i].status;
  return "Unknown";
}

static WryJson *condition(const char *type, const char *status, const char *reason, const char *message, const char *time) {
  WryJson *entry = json_object_new_object();
  wry_status_put(entry, "lastTransitionTime", time);
  wry_status_put(entry, "message", message);
  wry_status_put(entry, "reason", reason);
  wry_status_put(entry, "status", status);
  wry_status_put(entry, "type", type);
  return entry;
}

static WryJson *conditions_of(const WryVmView *view) {
  WryJson *list = json_object_new_array();
  const char *since = view->vm->metadata->creationTimestamp;
  if (!vmi_of(view)) json_object_array_add(list, condition("Ready", "False", "VMINotExists", "VMI does not exist", since));
  for (guint i = 0; vmi_of(view) && vmi_of(view)->conditions && i < vmi_of(view)->conditions->len; i++) {
    const WryCondition *from = vmi_of(view)->conditions->pdata[i];
    json_object_array_add(list, condition(from->type, from->status, from->reason, from->message, from->lastTransitionTime));
  }
  if (view->restart_required) json_object_array_add(list, condition("RestartRequired", "True", NULL, "a non-live-updatable field was changed in the template spec", NULL));
  if (view->problem) json_object_array_add(list, condition("Failure", "True", view->problem_reason ? view->problem_reason : "InvalidManifest", view->problem, NULL));
  return list;
}

static void put_start_failure(WryJson *status, const WryGuestState *state) {
  if (!state->failures.set || state->failures.v <= 0) return;
  WryJson *failure = json_object_new_object();
  json_object_object_add(failure, "consecutiveFailCount", json_object_new_int64(state->failures.v));
  wry_status_put(failure, "lastFailedVMIUID", state->failedUid);
  g_autofree char *retry = state->retryAt.set ? wry_time_text(state->retryAt.v) : NULL;
  wry_status_put(failure, "retryAfterTimestamp", retry);
  json_object_object_add(status, "startFailure", failure);
}

static void put_requests(WryJson *status, const WryGuestState *state) {
  WryJson *list = json_object_new_array();
  if (state->stopRequested) {
    WryJson *stop = json_object_new_object();
    wry_status_put(stop, "action", "Stop");
    wry_status_put(stop, "uid", state->stopRequested);
    json_object_array_add(list, stop);
  }
  if (wry_opt_bool(state->startRequested, FALSE)) {
    WryJson *start = json_object_new_object();
    wry_status_put(start, "action", "Start");
    if (wry_opt_bool(state->startPaused, FALSE)) {
      WryJson *data = json_object_new_object();
      wry_status_put(data, "paused", "true");
      json_object_object_add(start, "data", data);
    }
    json_object_array_add(list, start);
  }
  if (json_object_array_length(list) > 0)
    json_object_object_add(status, "stateChangeRequests", list);
  else
    json_object_put(list);
}

WryJson *wry_status_vm_status(const WryVmView *view) {
  WryJson *status = json_object_new_object();
  json_object_object_add(status, "conditions", conditions_of(view));
  gboolean ready = condition_is(view, "Ready", "True", NULL);
  if (vmi_of(view)) json_object_object_add(status, "created", json_object_new_boolean(TRUE));
  json_object_object_add(status, "desiredGeneration", json_object_new_int64(view->vm->metadata->generation.v));
  if (vmi_of(view) && vmi_of(view)->generation.set) json_object_object_add(status, "observedGeneration", json_object_new_int64(vmi_of(view)->generation.v));
  wry_status_put(status, "printableStatus", wry_status_printable(view));
  if (ready) json_object_object_add(status, "ready", json_object_new_boolean(TRUE));
  wry_status_put(status, "runStrategy", view->state->acted);
  put_start_failure(status, view->state);
  put_requests(status, view->state);
  return status;
}

/* The spec shows the strategy in force, as KubeVirt's start and stop write it there. */
static void show_strategy(WryJson *spec, WryStrategy strategy) {
  if (wry_json_get(spec, "running"))
    json_object_object_add(spec, "running", json_object_new_boolean(strategy != WRY_STRATEGY_HALTED));
  else
    wry_status_put(spec, "runStrategy", wry_strategy_name(strategy));
}

WryJson *wry_status_vm(const WryVmView *view) {
  WryJson *object = wry_encode(&wry_vm_type, view->vm);
  json_object_object_add(object, "apiVersion", json_object_new_string("kubevirt.io/v1"));
  json_object_object_add(object, "kind", json_object_new_string("VirtualMachine"));
  show_strategy(wry_json_get(object, "spec"), view->strategy);
  json_object_object_add(object, "status", wry_status_vm_status(view));
  return object;
}
