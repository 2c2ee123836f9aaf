/* API objects as the handler's own structs.
 *
 * How it works: the members that the structs have are picked into one JSON object and decoded by their field tables; unknown members never disturb.
 * Relies on: instance.h. Pure. */
#include "handler/controller/seen.h"

#include <string.h>

const char *wry_meta_str(WryJson *object, const char *key) { return wry_json_str(wry_json_get(object, "metadata"), key); }
gint64 wry_meta_generation(WryJson *object) { return wry_json_int(wry_json_get(object, "metadata"), "generation", 0); }

gint64 wry_time_seconds(const char *text) {
  g_autoptr(GDateTime) time = text ? g_date_time_new_from_iso8601(text, NULL) : NULL;
  return time ? g_date_time_to_unix(time) : -1;
}

/* --- owners and finalizers --------------------------------------------------------------------------------------------------------------------------------------- */
WryJson *wry_controller_of(WryJson *object) {
  WryJson *list = wry_json_path(object, "metadata.ownerReferences");
  for (gsize i = 0; i < wry_json_length(list); i++) {
    WryJson *owner = json_object_array_get_idx(list, i);
    if (wry_json_bool(owner, "controller", FALSE)) return owner;
  }
  return NULL;
}

gboolean wry_is_controlled_by(WryJson *object, WryJson *owner) {
  WryJson *controller = wry_controller_of(object);
  return controller && g_strcmp0(wry_json_str(controller, "uid"), wry_meta_str(owner, "uid")) == 0;
}

WryJson *wry_owner_reference(WryJson *owner) {
  WryJson *reference = json_object_new_object();
  wry_put_str(reference, "apiVersion", wry_json_str(owner, "apiVersion"));
  wry_put_bool(reference, "blockOwnerDeletion", TRUE);
  wry_put_bool(reference, "controller", TRUE);
  wry_put_str(reference, "kind", wry_json_str(owner, "kind"));
  wry_put_str(reference, "name", wry_meta_str(owner, "name"));
  wry_put_str(reference, "uid", wry_meta_str(owner, "uid"));
  return reference;
}

static gssize finalizer_at(WryJson *object, const char *finalizer) {
  WryJson *list = wry_json_path(object, "metadata.finalizers");
  for (gsize i = 0; i < wry_json_length(list); i++)
    if (g_strcmp0(json_object_get_string(json_object_array_get_idx(list, i)), finalizer) == 0) return (gssize)i;
  return -1;
}

gboolean wry_has_finalizer(WryJson *object, const char *finalizer) { return finalizer_at(object, finalizer) >= 0; }

void wry_add_finalizer(WryJson *object, const char *finalizer) {
  WryJson *meta = wry_child(object, "metadata"), *list = wry_json_get(meta, "finalizers");
  if (!wry_has_finalizer(object, finalizer)) wry_append_str(list ? list : wry_put_array(meta, "finalizers"), finalizer);
}

void wry_drop_finalizer(WryJson *object, const char *finalizer) {
  gssize at = finalizer_at(object, finalizer);
  if (at >= 0) json_object_array_del_idx(wry_json_path(object, "metadata.finalizers"), (size_t)at, 1);
}

/* --- VirtualMachineInstance ---------------------------------------------------------------------------------------------------------------------------------------- */
static void pick(WryJson *into, WryJson *from, const char *const *keys) {
  for (; from && *keys; keys++)
    if (wry_json_get(from, *keys)) json_object_object_add(into, *keys, json_object_get(wry_json_get(from, *keys)));
}

static gboolean was_running(const WryInstance *instance) {
  for (guint i = 0; instance->phaseTransitionTimestamps && i < instance->phaseTransitionTimestamps->len; i++)
    if (wry_phase_parse(((const WryPhaseTime *)instance->phaseTransitionTimestamps->pdata[i])->phase) == WRY_PHASE_RUNNING) return TRUE;
  return wry_instance_phase(instance) == WRY_PHASE_RUNNING;
}

WryInstance *wry_seen_instance(WryJson *vmi) {
  static const char *const metadata[] = {"uid", "creationTimestamp", "deletionTimestamp", NULL}, *const status[] = {"phase", "reason", "phaseTransitionTimestamps", "conditions", NULL};
  if (!vmi) return NULL;
  g_autoptr(WryJson) picked = json_object_new_object();
  g_autoptr(WryCauses) ignored = wry_causes_new();
  pick(picked, wry_json_get(vmi, "metadata"), metadata);
  pick(picked, wry_json_get(vmi, "status"), status);
  WryInstance *instance = wry_decode(&wry_instance_type, picked, "", ignored);
  const char *generation = wry_json_str(wry_json_path(vmi, "metadata.annotations"), WRY_GENERATION);
  if (generation) instance->generation = (WryOptInt){TRUE, g_ascii_strtoll(generation, NULL, 10)};
  instance->reachedRunning = (WryOptBool){TRUE, was_running(instance)};
  instance->object = wry_decode(&wry_vmi_type, vmi, "", ignored);
  return instance;
}

/* --- VirtualMachine ------------------------------------------------------------------------------------------------------------------------------------------------ */
static void read_requests(WryGuestState *state, WryJson *list) {
  for (gsize i = 0; i < wry_json_length(list); i++) {
    WryJson *request = json_object_array_get_idx(list, i);
    if (g_strcmp0(wry_json_str(request, "action"), "Stop") == 0 && !state->stopRequested) state->stopRequested = g_strdup(wry_json_str(request, "uid"));
    if (g_strcmp0(wry_json_str(request, "action"), "Start") != 0) continue;
    state->startRequested = (WryOptBool){TRUE, TRUE};
    const char *paused = wry_json_str(wry_json_get(request, "data"), "paused");
    if (g_strcmp0(paused, "true") == 0) state->startPaused = (WryOptBool){TRUE, TRUE};
  }
}

WryGuestState *wry_seen_state(WryJson *vm, WryInstance *take_vmi) {
  WryGuestState *state = wry_struct_new(&wry_guest_state_type);
  WryJson *status = wry_json_get(vm, "status"), *failure = wry_json_get(status, "startFailure");
  state->acted = g_strdup(wry_json_str(status, "runStrategy"));
  read_requests(state, wry_json_get(status, "stateChangeRequests"));
  gint64 count = wry_json_int(failure, "consecutiveFailCount", 0), retry = wry_time_seconds(wry_json_str(failure, "retryAfterTimestamp"));
  if (count > 0) state->failures = (WryOptInt){TRUE, count};
  if (retry >= 0) state->retryAt = (WryOptInt){TRUE, retry};
  state->failedUid = g_strdup(wry_json_str(failure, "lastFailedVMIUID"));
  state->vmi = take_vmi;
  return state;
}

WryStrategy wry_seen_strategy(const WryVmSpec *spec) {
  if (spec->runStrategy) return wry_strategy_parse(spec->runStrategy);
  return wry_opt_bool(spec->running, FALSE) ? WRY_STRATEGY_ALWAYS : WRY_STRATEGY_HALTED;
}

/* --- pods ------------------------------------------------------------------------------------------------------------------------------------------------------------ */
const char *wry_pod_phase(WryJson *pod) {
  const char *phase = wry_json_str(wry_json_get(pod, "status"), "phase");
  return phase ? phase : "";
}

WryJson *wry_object_condition(WryJson *object, const char *type) {
  WryJson *list = wry_json_path(object, "status.conditions");
  for (gsize i = 0; i < wry_json_length(list); i++) {
    WryJson *condition = json_object_array_get_idx(list, i);
    if (g_strcmp0(wry_json_str(condition, "type"), type) == 0) return condition;
  }
  return NULL;
}

gboolean wry_pod_handed_over(WryJson *pod) {
  WryJson *list = wry_json_path(pod, "status.containerStatuses");
  gboolean compute = FALSE;
  if (wry_meta_str(pod, "deletionTimestamp") || g_strcmp0(wry_pod_phase(pod), "Running") != 0) return FALSE;
  for (gsize i = 0; i < wry_json_length(list); i++) {
    WryJson *status = json_object_array_get_idx(list, i);
    gboolean own = g_strcmp0(wry_json_str(status, "name"), "compute") == 0;
    if (own) compute = wry_json_path(status, "state.running") != NULL;
    if (!own && !wry_json_bool(status, "ready", FALSE)) return FALSE;
  }
  return compute;
}
