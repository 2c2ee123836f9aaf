/* Plan -> patches.
 *
 * Every patch begins with a `test` of what was read, so that of two clients one is refused with 409 by the API server. Requests are a list in the VM's status
 * that the controller works off: two that are outstanding are refused, only a lone Stop may replace others (KubeVirt's protocol). */
#include "handler/api/verb_patch.h"

#include <string.h>

#include "handler/controller/seen.h"

#define UNDER_WAY "unable to complete request: stop/start already underway"

void wry_api_verb_clear(WryApiVerb *verb) {
  g_clear_pointer(&verb->message, g_free);
  g_clear_pointer(&verb->vmi_patch, wry_json_put);
  g_clear_pointer(&verb->vm_patch, wry_json_put);
  g_clear_pointer(&verb->status_patch, wry_json_put);
}

/* --- patches ---------------------------------------------------------------------------------------------------------------------------------------------- */
static void add_step(WryJson **patch, const char *op, const char *path, WryJson *take_value, gboolean valued) {
  WryJson *step = json_object_new_object();
  json_object_object_add(step, "op", json_object_new_string(op));
  json_object_object_add(step, "path", json_object_new_string(path));
  if (valued) json_object_object_add(step, "value", take_value);
  if (!*patch) *patch = json_object_new_array();
  json_object_array_add(*patch, step);
}

/* `old`: what was read, NULL: absent. */
static void change(WryJson **patch, const char *path, WryJson *old, WryJson *take_value) {
  if (old) add_step(patch, "test", path, json_object_get(old), TRUE);
  add_step(patch, old ? "replace" : "add", path, take_value, TRUE);
}

static void change_strategy(WryJson *vm, WryStrategy strategy, WryApiVerb *ret) {
  WryJson *spec = wry_json_get(vm, "spec"), *running = wry_json_get(spec, "running");
  if (running) change(&ret->vm_patch, "/spec/running", running, json_object_new_boolean(strategy != WRY_STRATEGY_HALTED));
  else change(&ret->vm_patch, "/spec/runStrategy", wry_json_get(spec, "runStrategy"), json_object_new_string(wry_strategy_name(strategy)));
}

static WryJson *request(const char *action, const char *uid, gboolean paused) {
  WryJson *object = json_object_new_object(), *data = NULL;
  json_object_object_add(object, "action", json_object_new_string(action));
  if (uid) json_object_object_add(object, "uid", json_object_new_string(uid));
  if (paused) {
    data = json_object_new_object();
    json_object_object_add(data, "paused", json_object_new_string("true"));
    json_object_object_add(object, "data", data);
  }
  return object;
}

/* The status may be missing as a whole: a path into it could not be added to. */
static void change_requests(WryJson *vm, WryJson *take_list, WryApiVerb *ret) {
  WryJson *status = wry_json_get(vm, "status");
  if (status) {
    change(&ret->status_patch, "/status/stateChangeRequests", wry_json_get(status, "stateChangeRequests"), take_list);
    return;
  }
  WryJson *fresh = json_object_new_object();
  json_object_object_add(fresh, "stateChangeRequests", take_list);
  add_step(&ret->status_patch, "add", "/status", fresh, TRUE);
}

static void refuse(WryApiVerb *ret, guint code, const char *message) {
  ret->code = code;
  ret->message = g_strdup(message);
}

static void ask(WryJson *vm, const WryInstance *vmi, const WryVerbPlan *plan, WryApiVerb *ret) {
  WryJson *list = json_object_new_array(), *old = wry_json_path(vm, "status.stateChangeRequests");
  if (plan->stop && vmi) json_object_array_add(list, request("Stop", vmi->uid, FALSE));
  if (plan->start) json_object_array_add(list, request("Start", NULL, plan->start_paused));
  gboolean lone_stop = plan->stop && !plan->start;
  if (old && json_object_array_length(old) && !lone_stop) {
    wry_json_put(list);
    refuse(ret, 500, UNDER_WAY);
    return;
  }
  change_requests(vm, list, ret);
}

/* --- what the plan says ----------------------------------------------------------------------------------------------------------------------------------- */
static void record(WryJson *vm, WryJson *vmi, const WryInstance *instance, const WryVerbPlan *plan, WryApiVerb *ret) {
  WryJson *failure = wry_json_path(vm, "status.startFailure");
  if (plan->grace.set && instance && !wry_phase_final(wry_instance_phase(instance)))
    change(&ret->vmi_patch, "/spec/terminationGracePeriodSeconds", wry_json_path(vmi, "spec.terminationGracePeriodSeconds"), json_object_new_int64(plan->grace.v));
  /* a paused start of a halted machine is a request; its strategy stays */
  if (plan->strategy != WRY_STRATEGY_NONE && !plan->start_paused) change_strategy(vm, plan->strategy, ret);
  if (plan->start || plan->stop) ask(vm, instance, plan, ret);
  if (ret->code < 300 && plan->clear_failure && failure) add_step(&ret->status_patch, "remove", "/status/startFailure", NULL, FALSE);
}

static gboolean is_dry(WryJson *body) {
  WryJson *list = wry_json_get(body, "dryRun");
  return list && json_object_is_type(list, json_type_array) && json_object_array_length(list) > 0 &&
         !g_strcmp0(json_object_get_string(json_object_array_get_idx(list, 0)), "All");
}

static WryVerbOptions options_of(WryJson *body) {
  WryVerbOptions options = {.paused = wry_json_bool(body, "paused", FALSE), .force = wry_json_bool(body, "force", FALSE)};
  static const char *const keys[] = {"gracePeriod", "gracePeriodSeconds"};
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
    if (wry_json_get(body, keys[i])) options.grace = (WryOptInt){TRUE, wry_json_int(body, keys[i], 0)};
  return options;
}

static WryStrategy strategy_of(WryJson *vm) {
  WryJson *spec = wry_json_get(vm, "spec");
  const char *name = wry_json_str(spec, "runStrategy");
  if (!vm) return WRY_STRATEGY_SINGLE;
  return name ? wry_strategy_parse(name) : wry_json_bool(spec, "running", FALSE) ? WRY_STRATEGY_ALWAYS : WRY_STRATEGY_HALTED;
}

void wry_api_verb(const char *name, WryJson *vm, WryJson *vmi, WryJson *body, WryApiVerb *ret) {
  WryInstance *instance = wry_seen_instance(vmi);
  WryVerbView view = {.name = wry_meta_str(vm ? vm : vmi, "name"), .strategy = strategy_of(vm), .vmi = instance};
  WryVerbOptions options = options_of(body);
  g_auto(WryVerbPlan) plan = {.kind = WRY_VERB_REFUSE};
  *ret = (WryApiVerb){.code = vm ? 202 : 200, .dry_run = is_dry(body)};
  if (!wry_verb_plan(name, vm != NULL, &view, &options, &plan)) {
    refuse(ret, 404, "no such verb");
  } else if (plan.kind == WRY_VERB_REFUSE) {
    refuse(ret, (guint)plan.code, plan.message);
  } else if (plan.kind == WRY_VERB_RECORD) {
    record(vm, vmi, instance, &plan, ret);
  } else {
    ret->send = TRUE;
    ret->message_type = plan.message_type;
  }
  if (instance) wry_instance_free(instance);
}
