/* The status of a VirtualMachine in a cluster: what status_vm.c says of it, in place of what the controller had written before; what others keep there stays.
 *
 * How it works: the members that this controller owns are a list; they are taken out of a copy of the old status and the new ones put in. A condition keeps its time while its status does not change.
 * Relies on: status.h; contract 3.6. Pure. */
#include <string.h>

#include "handler/controller/vm_parts.h"

/* Parts of the template that may change while the VMI runs: they hold for the next pod. */
static const char *const free_to_change[] = {"nodeSelector", "affinity", "tolerations"};
static const char *const owned[] = {"conditions", "created", "desiredGeneration", "observedGeneration", "printableStatus", "ready", "runStrategy", "startFailure", "stateChangeRequests"};

/* --- claims -------------------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean is_unbound(const WryVmTurn *turn, const char *claim) {
  const WryWorld *world = turn->world;
  g_autoptr(WryJson) object = world->find && claim ? world->find(world->find_data, "PersistentVolumeClaim", wry_meta_str(turn->vm, "namespace"), claim) : NULL;
  return object && g_strcmp0(wry_json_str(wry_json_get(object, "status"), "phase"), "Bound") != 0;
}

static gboolean any_unbound(const WryVmTurn *turn) {
  const GPtrArray *volumes = turn->object->spec->template_->spec->volumes;
  for (guint i = 0; volumes && i < volumes->len; i++) {
    const WryVolume *volume = volumes->pdata[i];
    if (volume->persistentVolumeClaim && is_unbound(turn, volume->persistentVolumeClaim->claimName)) return TRUE;
    if (volume->dataVolume && is_unbound(turn, volume->dataVolume->name)) return TRUE;
  }
  return FALSE;
}

/* --- the revision ---------------------------------------------------------------------------------------------------------------------------------------------------- */
WryJson *wry_vm_revision_template(const WryVmTurn *turn) {
  const WryWorld *world = turn->world;
  const char *name = turn->vmi ? wry_json_str(wry_json_get(turn->vmi, "status"), "virtualMachineRevisionName") : NULL;
  g_autoptr(WryJson) revision = world->find && name ? world->find(world->find_data, "ControllerRevision", wry_meta_str(turn->vm, "namespace"), name) : NULL;
  WryJson *template = revision && wry_is_controlled_by(revision, turn->vm) ? wry_json_path(revision, "data.spec.template") : NULL;
  return template ? json_object_get(template) : NULL;
}

static WryJson *lasting_part(WryJson *template) {
  WryJson *spec = wry_json_copy(wry_json_get(template, "spec"));
  for (gsize i = 0; spec && i < G_N_ELEMENTS(free_to_change); i++) json_object_object_del(spec, free_to_change[i]);
  return spec;
}

gboolean wry_vm_restart_required(const WryVmTurn *turn) {
  const WryInstance *instance = turn->state->vmi;
  WryPhase phase = wry_instance_phase(instance);
  if (!instance || !instance->generation.set || instance->generation.v == wry_meta_generation(turn->vm) || phase < WRY_PHASE_SCHEDULING || wry_phase_final(phase)) return FALSE;
  g_autoptr(WryJson) template = wry_vm_revision_template(turn), then = template ? lasting_part(template) : NULL, now = lasting_part(wry_json_path(turn->vm, "spec.template"));
  return then && !json_object_equal(then, now);
}

/* --- conditions -------------------------------------------------------------------------------------------------------------------------------------------------------- */
static WryJson *condition_of(WryJson *status, const char *type) {
  WryJson *list = wry_json_get(status, "conditions");
  for (gsize i = 0; i < wry_json_length(list); i++)
    if (g_strcmp0(wry_json_str(json_object_array_get_idx(list, i), "type"), type) == 0) return json_object_array_get_idx(list, i);
  return NULL;
}

/* Conditions of the VM's own; the others have their VMI's times. */
static gboolean is_own(WryJson *condition) {
  const char *type = wry_json_str(condition, "type");
  return g_strcmp0(type, "RestartRequired") == 0 || g_strcmp0(type, "Failure") == 0 || g_strcmp0(wry_json_str(condition, "reason"), "VMINotExists") == 0;
}

static void settle_times(WryJson *status, WryJson *old, const char *now) {
  WryJson *list = wry_json_get(status, "conditions");
  for (gsize i = 0; i < wry_json_length(list); i++) {
    WryJson *condition = json_object_array_get_idx(list, i);
    if (!is_own(condition)) continue;
    WryJson *before = condition_of(old, wry_json_str(condition, "type"));
    gboolean same = before && g_strcmp0(wry_json_str(before, "status"), wry_json_str(condition, "status")) == 0;
    const char *since = same ? wry_json_str(before, "lastTransitionTime") : NULL;
    wry_put_str(condition, "lastTransitionTime", since ? since : now);
  }
}

/* A VMI that has not got its Ready condition yet. */
static void put_missing_ready(WryJson *status, const char *now) {
  if (condition_of(status, "Ready")) return;
  WryJson *condition = wry_append(wry_json_get(status, "conditions"));
  wry_put_str(condition, "lastTransitionTime", now);
  wry_put_str(condition, "message", "VMI is missing the Ready condition");
  wry_put_str(condition, "reason", "VMIConditionMissing");
  wry_put_str(condition, "status", "False");
  wry_put_str(condition, "type", "Ready");
}

void wry_vm_turn_status(WryVmTurn *turn, gboolean start_expected) {
  WryVmView view = {.vm = turn->object, .state = turn->state, .strategy = turn->strategy, .removed = turn->leaving, .start_expected = start_expected && !turn->refused, .problem = turn->problem,
                    .problem_reason = turn->problem_reason, .restart_required = wry_vm_restart_required(turn), .unbound = any_unbound(turn)};
  g_autoptr(WryJson) status = wry_status_vm_status(&view), changed = wry_json_copy(turn->vm);
  g_autofree char *now = wry_time_text(turn->world->now);
  WryJson *old = wry_json_get(turn->vm, "status"), *kept = wry_child(changed, "status");
  put_missing_ready(status, now);
  settle_times(status, old, now);
  for (gsize i = 0; i < G_N_ELEMENTS(owned); i++) json_object_object_del(kept, owned[i]);
  json_object_object_foreach(status, key, value) json_object_object_add(kept, key, json_object_get(value));
  wry_act_patch(turn->actions, WRY_ACTION_STATUS, WRY_ON_VM, turn->vm, changed);
}
