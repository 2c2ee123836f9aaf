/* The VirtualMachine controller.
 *
 * How it works: a turn reviews the VM (what an admission webhook would have refused or filled in, it refuses or fills in here), reads what status and VMI say into the structs of the one-box handler, lets
 * decide.c decide, and lists what follows. Each turn does one thing that changes what the next one sees; the order in it is such that a turn that breaks off loses nothing: a VMI is made before the status says
 * that the strategy was acted upon, and a failure is counted before the VMI that failed goes.
 * Relies on: decide.h, status.h; contract 3.6 to 3.8, 4. Pure. */
#include "handler/controller/vm_parts.h"

#include <string.h>

/* --- admission --------------------------------------------------------------------------------------------------------------------------------------------------- */
static void set_problem(WryVmTurn *turn, const char *reason, char *take_problem) {
  g_free(turn->problem);
  turn->problem = take_problem;
  turn->problem_reason = reason;
}

/* What the object should be after defaults; NULL: refused. New reference. A VM that is being deleted is let through as it is. */
static WryJson *admit(WryVmTurn *turn, WryVerdict *verdict) {
  const WryWorld *world = turn->world;
  const WryReview review = {.config = world->config, .rules = WRY_RULES_IN_CLUSTER, .install_namespace = world->install_namespace, .find = world->find, .find_data = world->find_data,
                            .random_uuid = world->random_uuid, .uuid_data = world->uuid_data};
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_autoptr(WryJson) request = wry_json_copy(turn->vm);
  gboolean allowed = wry_review(&review, request, causes, verdict);
  turn->object = verdict->object;
  turn->refused = !allowed && !turn->leaving;
  if (turn->refused) {
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < MIN(wry_causes_count(causes), 10); i++) {
      const WryCause *cause = wry_causes_get(causes, i);
      g_string_append_printf(text, "%s%s: %s", i ? ", " : "", cause->field, cause->message);
    }
    set_problem(turn, "Invalid", g_string_free(text, FALSE));
    return NULL;
  }
  return turn->leaving ? wry_json_copy(turn->vm) : wry_encode(verdict->type, verdict->object);
}

/* The first write on an object: its defaults, and the finalizer that lets its VMI end before it. */
static gboolean settle_object(WryVmTurn *turn, WryJson *admitted) {
  if (turn->leaving || !admitted) return FALSE;
  g_autoptr(WryJson) changed = wry_json_copy(turn->vm);
  wry_put(changed, "spec", wry_json_copy(wry_json_get(admitted, "spec")));
  wry_add_finalizer(changed, WRY_VM_FINALIZER);
  return wry_act_patch(turn->actions, WRY_ACTION_PATCH, WRY_ON_VM, turn->vm, changed);
}

/* A start request turns a halted VM into one that always runs (contract 3.7). */
static gboolean unhalt(WryVmTurn *turn) {
  if (turn->strategy != WRY_STRATEGY_HALTED || turn->vmi || turn->leaving || !wry_opt_bool(turn->state->startRequested, FALSE)) return FALSE;
  g_autoptr(WryJson) changed = wry_json_copy(turn->vm);
  WryJson *spec = wry_json_get(changed, "spec");
  if (wry_json_get(spec, "running"))
    wry_put_bool(spec, "running", TRUE);
  else
    wry_put_str(spec, "runStrategy", wry_strategy_name(WRY_STRATEGY_ALWAYS));
  return wry_act_patch(turn->actions, WRY_ACTION_PATCH, WRY_ON_VM, turn->vm, changed);
}

/* --- the VMI's metadata -------------------------------------------------------------------------------------------------------------------------------------------- */
/* A VMI of the VM's name that nobody owns becomes the VM's. */
static gboolean adopt(WryVmTurn *turn, WryJson *vmi) {
  g_autoptr(WryJson) changed = wry_json_copy(vmi);
  WryJson *meta = wry_json_get(changed, "metadata"), *owners = wry_json_get(meta, "ownerReferences");
  json_object_array_add(owners ? owners : wry_put_array(meta, "ownerReferences"), wry_owner_reference(turn->vm));
  return wry_act_patch(turn->actions, WRY_ACTION_PATCH, WRY_ON_VMI, vmi, changed);
}

/* What the VM's controller keeps on its VMI goes when the VMI is over and the result is in the VM's status. */
static void let_go(WryVmTurn *turn) {
  if (!turn->vmi || !wry_meta_str(turn->vmi, "deletionTimestamp") || !wry_phase_final(wry_instance_phase(turn->state->vmi))) return;
  const char *revision = wry_json_str(wry_json_get(turn->vmi, "status"), "virtualMachineRevisionName");
  g_autofree char *next = wry_vm_revision_name(turn->vm);
  g_autoptr(WryJson) changed = wry_json_copy(turn->vmi);
  wry_drop_finalizer(changed, WRY_VM_FINALIZER);
  if (!wry_act_patch(turn->actions, WRY_ACTION_PATCH, WRY_ON_VMI, turn->vmi, changed) || !revision || strcmp(revision, next) == 0) return;
  g_autoptr(WryJson) old = turn->world->find ? turn->world->find(turn->world->find_data, "ControllerRevision", wry_meta_str(turn->vm, "namespace"), revision) : NULL;
  if (old && wry_is_controlled_by(old, turn->vm)) wry_act_delete(turn->actions, WRY_ON_REVISION, old);
}

/* A VM that changed in nothing that its VMI was made from: the VMI is as good as of this generation. */
static void follow_generation(WryVmTurn *turn) {
  const WryInstance *instance = turn->state->vmi;
  if (!instance || turn->leaving || instance->deletionTimestamp || !instance->generation.set || instance->generation.v == wry_meta_generation(turn->vm)) return;
  g_autoptr(WryJson) then = wry_vm_revision_template(turn);
  if (!then || !json_object_equal(then, wry_json_path(turn->vm, "spec.template"))) return;
  g_autoptr(WryJson) changed = wry_json_copy(turn->vmi);
  g_autofree char *generation = g_strdup_printf("%" G_GINT64_FORMAT, wry_meta_generation(turn->vm));
  wry_put_str(wry_child(wry_json_get(changed, "metadata"), "annotations"), WRY_GENERATION, generation);
  wry_act_patch(turn->actions, WRY_ACTION_PATCH, WRY_ON_VMI, turn->vmi, changed);
}

/* kubectl delete --cascade=orphan: the VMI runs on as nobody's. */
static gboolean orphan(WryVmTurn *turn) {
  if (!turn->leaving || !wry_has_finalizer(turn->vm, "orphan")) return FALSE;
  if (turn->vmi) {
    g_autoptr(WryJson) changed = wry_json_copy(turn->vmi);
    wry_drop_finalizer(changed, WRY_VM_FINALIZER);
    json_object_object_del(wry_json_get(changed, "metadata"), "ownerReferences");
    wry_act_patch(turn->actions, WRY_ACTION_PATCH, WRY_ON_VMI, turn->vmi, changed);
  }
  return TRUE;
}

static void forget(WryVmTurn *turn) {
  g_autoptr(WryJson) changed = wry_json_copy(turn->vm);
  wry_drop_finalizer(changed, WRY_VM_FINALIZER);
  wry_act_patch(turn->actions, WRY_ACTION_PATCH, WRY_ON_VM, turn->vm, changed);
}

/* --- one turn --------------------------------------------------------------------------------------------------------------------------------------------------- */
static void weigh_failure(WryVmTurn *turn) {
  WryGuestState *state = turn->state;
  const WryInstance *instance = state->vmi;
  if (!instance) return;
  gboolean counted = g_strcmp0(state->failedUid, instance->uid) == 0;
  if (wry_instance_phase(instance) == WRY_PHASE_RUNNING) wry_start_forgiven(state);
  if (wry_phase_final(wry_instance_phase(instance)) && !counted && wry_strategy_automatic(turn->strategy)) wry_start_failed(state, instance, turn->world->now, turn->world->jitter);
}

static WrySeen seen_of(const WryVmTurn *turn) {
  const WryGuestState *state = turn->state;
  const WryInstance *instance = state->vmi;
  return (WrySeen){
      .strategy = turn->strategy,
      .acted = wry_strategy_parse(state->acted),
      .removed = turn->leaving,
      .start = wry_opt_bool(state->startRequested, FALSE),
      .stop = state->stopRequested && (!instance || strcmp(state->stopRequested, instance->uid) == 0),
      .vmi = instance != NULL,
      .deleting = instance && instance->deletionTimestamp,
      .phase = wry_instance_phase(instance),
      .retry_seconds = state->retryAt.set ? CLAMP(state->retryAt.v - turn->world->now, 0, 300) : 0,
  };
}

static void stop(WryVmTurn *turn) {
  wry_act_delete(turn->actions, WRY_ON_VMI, turn->vmi);
  wry_act_event(turn->actions, WRY_ON_VM, turn->vm, FALSE, "SuccessfulDelete", "Stopped the virtual machine by deleting the virtual machine instance %s", wry_meta_str(turn->vmi, "uid"));
}

static gboolean start(WryVmTurn *turn) {
  if (turn->foreign)
    set_problem(turn, "FailedCreate", g_strdup_printf("a virtual machine instance \"%s\" that this virtual machine does not own exists already", wry_meta_str(turn->foreign, "name")));
  else if (wry_vm_turn_start(turn))
    return TRUE;
  wry_act_event(turn->actions, WRY_ON_VM, turn->vm, TRUE, "FailedCreate", "Error creating virtual machine instance: %s", turn->problem);
  return FALSE;
}

/* A start is done before the status tells of it, everything else after. */
static void decide(WryVmTurn *turn) {
  weigh_failure(turn);
  WrySeen seen = seen_of(turn);
  WryDecision decision = wry_decide(&seen);
  gboolean wants = decision.act == WRY_DO_CREATE && !turn->refused;
  gboolean started = wants && start(turn);
  wry_decision_requests(&decision, turn->state);
  if (decision.settle && decision.act != WRY_DO_CREATE) wry_decision_settle(turn->strategy, turn->state);
  wry_vm_turn_status(turn, decision.act == WRY_DO_CREATE || decision.act == WRY_DO_WAIT);
  if (decision.act == WRY_DO_DELETE) stop(turn);
  if (decision.act == WRY_DO_WAIT) wry_act_again(turn->actions, WRY_ON_VM, turn->vm, decision.wait_seconds);
  if (decision.act == WRY_DO_FORGET) forget(turn);
  if (wants && !started) wry_act_again(turn->actions, WRY_ON_VM, turn->vm, 60);
  let_go(turn);
}

static void run(WryVmTurn *turn) {
  g_auto(WryVerdict) verdict = {.stage = WRY_STAGE_ALLOWED};
  g_autoptr(WryJson) admitted = admit(turn, &verdict);
  if (!turn->object || settle_object(turn, admitted)) return;
  turn->strategy = wry_seen_strategy(turn->object->spec);
  if (unhalt(turn)) return;
  if (turn->foreign && !wry_controller_of(turn->foreign) && !turn->leaving && !wry_meta_str(turn->foreign, "deletionTimestamp")) {
    adopt(turn, turn->foreign);
    return;
  }
  if (orphan(turn)) {
    forget(turn);
    return;
  }
  if (turn->refused && wry_json_get(wry_json_get(turn->vm, "status"), "printableStatus") == NULL)
    wry_act_event(turn->actions, WRY_ON_VM, turn->vm, TRUE, "FailedCreate", "%s", turn->problem);
  follow_generation(turn);
  decide(turn);
}

GPtrArray *wry_vm_reconcile(WryJson *vm, WryJson *vmi, const WryWorld *world) {
  gboolean own = vmi && wry_is_controlled_by(vmi, vm);
  WryVmTurn turn = {.vm = vm, .vmi = own ? vmi : NULL, .foreign = own ? NULL : vmi, .world = world, .actions = wry_actions_new()};
  turn.leaving = wry_meta_str(vm, "deletionTimestamp") != NULL;
  turn.state = wry_seen_state(vm, wry_seen_instance(turn.vmi));
  run(&turn);
  wry_struct_free(&wry_guest_state_type, turn.state);
  g_free(turn.problem);
  return turn.actions;
}
