/* The verbs of KubeVirt's subresources as rules: refuse with KubeVirt's words, change what is recorded of the VM, or send a message to the launcher.
 *
 * How it works: a row per verb with the kinds that have it and its function; the run strategies' differences are in those functions. Pure.
 * Relies on: contract 7.5 and 7.6; messages as KubeVirt 1.9.0 writes them. */
#include "handler/verbs.h"

#define NOT_RUNNING_VM "VM is not running"
#define NOT_RUNNING_VMI "VMI is not running"

void wry_verb_plan_clear(WryVerbPlan *plan) { g_clear_pointer(&plan->message, g_free); }

static void refuse(WryVerbPlan *plan, int code, const char *reason, char *take_message) {
  plan->kind = WRY_VERB_REFUSE;
  plan->code = code;
  plan->reason = reason;
  plan->message = take_message;
}

static void conflict(WryVerbPlan *plan, const char *resource, const WryVerbView *view, const char *why) {
  refuse(plan, 409, "Conflict", g_strdup_printf("Operation cannot be fulfilled on %s.kubevirt.io \"%s\": %s", resource, view->name, why));
}

static void vm_conflict(WryVerbPlan *plan, const WryVerbView *view, const char *why) { conflict(plan, "virtualmachine", view, why); }
static void vmi_conflict(WryVerbPlan *plan, const WryVerbView *view, const char *why) { conflict(plan, "virtualmachineinstance", view, why); }

static void no_support(WryVerbPlan *plan, const WryVerbView *view, const char *what) {
  g_autofree char *why = g_strdup_printf("%s does not support manual %s requests", wry_strategy_name(view->strategy), what);
  vm_conflict(plan, view, why);
}

static gboolean live(const WryVerbView *view) { return view->vmi && !wry_phase_final(wry_instance_phase(view->vmi)); }
static gboolean running(const WryVerbView *view) { return wry_instance_phase(view->vmi) == WRY_PHASE_RUNNING; }
static gboolean has(const WryVerbView *view, const char *condition) { return view->vmi && wry_condition_find(view->vmi->conditions, condition); }

static void start(const WryVerbView *view, const WryVerbOptions *options, WryVerbPlan *plan) {
  if (live(view)) {
    vm_conflict(plan, view, "VM is already running");
    return;
  }
  plan->kind = WRY_VERB_RECORD;
  plan->clear_failure = TRUE;
  plan->start_paused = options->paused;
  switch (view->strategy) {
    case WRY_STRATEGY_HALTED:
      plan->strategy = WRY_STRATEGY_ALWAYS;
      plan->start = options->paused;
      break;
    case WRY_STRATEGY_RERUN:
      if (wry_instance_phase(view->vmi) == WRY_PHASE_FAILED) {
        vm_conflict(plan, view, "RerunOnFailure does not support starting VM from failed state");
        return;
      }
      plan->start = TRUE;
      plan->stop = view->vmi != NULL;
      break;
    case WRY_STRATEGY_MANUAL:
      plan->start = TRUE;
      plan->stop = view->vmi != NULL;
      break;
    case WRY_STRATEGY_ALWAYS: case WRY_STRATEGY_ONCE: case WRY_STRATEGY_NONE: case WRY_STRATEGY_SINGLE: case WRY_STRATEGIES:
      no_support(plan, view, "start");
      break;
  }
}

static gboolean shortens(const WryVerbView *view, const WryVerbOptions *options) {
  return options->grace.set && live(view) && options->grace.v < wry_instance_grace(view->vmi);
}

static void stop(const WryVerbView *view, const WryVerbOptions *options, WryVerbPlan *plan) {
  plan->kind = WRY_VERB_RECORD;
  plan->grace = options->grace;
  switch (view->strategy) {
    case WRY_STRATEGY_HALTED:
      if (!live(view)) vm_conflict(plan, view, NOT_RUNNING_VM);
      else if (!shortens(view, options)) no_support(plan, view, "stop");
      break;
    case WRY_STRATEGY_RERUN: case WRY_STRATEGY_MANUAL:
      if (!live(view)) vm_conflict(plan, view, NOT_RUNNING_VM);
      plan->stop = TRUE;
      break;
    case WRY_STRATEGY_ALWAYS: case WRY_STRATEGY_ONCE:
      plan->strategy = WRY_STRATEGY_HALTED;
      break;
    case WRY_STRATEGY_NONE: case WRY_STRATEGY_SINGLE: case WRY_STRATEGIES:
      no_support(plan, view, "stop");
      break;
  }
}

/* The refusal is KubeVirt's sentence, word for word. */
static void restart(const WryVerbView *view, const WryVerbOptions *options, WryVerbPlan *plan) {
  if (options->grace.set && options->grace.v != 0) {
    refuse(plan, 400, "BadRequest", g_strdup("For force restart, only gracePeriod=0 is supported for now"));
    return;
  }
  if (view->strategy == WRY_STRATEGY_HALTED || view->strategy == WRY_STRATEGY_ONCE) {
    no_support(plan, view, "restart");
    return;
  }
  if (!view->vmi) {
    vm_conflict(plan, view, NOT_RUNNING_VM);
    return;
  }
  plan->kind = WRY_VERB_RECORD;
  plan->stop = plan->start = TRUE;
  if (options->force || options->grace.set) plan->grace = (WryOptInt){TRUE, 1};
}

static void pause_guest(const WryVerbView *view, const WryVerbOptions *options G_GNUC_UNUSED, WryVerbPlan *plan) {
  const WryProbe *liveness = view->vmi ? view->vmi->object->spec->livenessProbe : NULL;
  if (!running(view))
    vmi_conflict(plan, view, NOT_RUNNING_VMI);
  else if (liveness && !liveness->guestAgentPing)
    refuse(plan, 403, "Forbidden", g_strdup_printf("virtualmachineinstance.kubevirt.io \"%s\" is forbidden: Pausing VMIs with LivenessProbe is currently not supported", view->name));
  else if (has(view, "Paused"))
    vmi_conflict(plan, view, "VMI is already paused");
  else
    plan->message_type = WRY_MSG_PAUSE;
}

static void unpause(const WryVerbView *view, const WryVerbOptions *options G_GNUC_UNUSED, WryVerbPlan *plan) {
  if (!running(view))
    vmi_conflict(plan, view, NOT_RUNNING_VMI);
  else if (!has(view, "Paused"))
    vmi_conflict(plan, view, "VMI is not paused");
  else
    plan->message_type = WRY_MSG_UNPAUSE;
}

static gboolean has_acpi(const WryVmiSpec *spec) {
  const WryFeatures *features = spec->domain->features;
  return !features || !features->acpi || wry_opt_bool(features->acpi->enabled, TRUE);
}

static void soft_reboot(const WryVerbView *view, const WryVerbOptions *options G_GNUC_UNUSED, WryVerbPlan *plan) {
  if (!running(view))
    vmi_conflict(plan, view, NOT_RUNNING_VMI);
  else if (has(view, "Paused"))
    vmi_conflict(plan, view, "VMI is paused");
  else if (!has(view, "AgentConnected") && !has_acpi(view->vmi->object->spec))
    vmi_conflict(plan, view, "VMI neither have the agent connected nor the ACPI feature enabled");
  else
    plan->message_type = WRY_MSG_SOFTREBOOT;
}

static void reset_guest(const WryVerbView *view, const WryVerbOptions *options G_GNUC_UNUSED, WryVerbPlan *plan) {
  if (!running(view))
    vmi_conflict(plan, view, NOT_RUNNING_VMI);
  else
    plan->message_type = WRY_MSG_RESET;
}

static const struct {
  const char *verb;
  gboolean vm_only;
  void (*run)(const WryVerbView *view, const WryVerbOptions *options, WryVerbPlan *plan);
} verbs[] = {
  {"start", TRUE, start},          {"stop", TRUE, stop},          {"restart", TRUE, restart},           {"pause", FALSE, pause_guest},
  {"unpause", FALSE, unpause},     {"softreboot", FALSE, soft_reboot}, {"reset", FALSE, reset_guest},
};

gboolean wry_verb_plan(const char *verb, gboolean vm, const WryVerbView *view, const WryVerbOptions *options, WryVerbPlan *ret) {
  *ret = (WryVerbPlan){.kind = WRY_VERB_SEND};
  for (gsize i = 0; verb && i < G_N_ELEMENTS(verbs); i++) {
    if (strcmp(verb, verbs[i].verb) != 0 || (verbs[i].vm_only && !vm)) continue;
    verbs[i].run(view, options, ret);
    return TRUE;
  }
  return FALSE;
}
