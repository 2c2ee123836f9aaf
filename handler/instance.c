/* What is kept of a VM and its VirtualMachineInstance: the field tables of the structs, phases and strategies by name, conditions.
 *
 * How it works: names are rows of tables; conditions are a list with at most one entry a type, as Kubernetes has them. Pure: times come in as text.
 * Relies on: fields.h. */
#include "handler/instance.h"

#include "handler/rows.h"
#include "wherry/limits.h"

static const char *const phase_names[WRY_PHASES] = {"", "Pending", "Scheduling", "Scheduled", "Running", "Succeeded", "Failed"};
static const char *const strategy_names[WRY_STRATEGIES] = {
  [WRY_STRATEGY_ALWAYS] = "Always", [WRY_STRATEGY_RERUN] = "RerunOnFailure", [WRY_STRATEGY_ONCE] = "Once",
  [WRY_STRATEGY_MANUAL] = "Manual", [WRY_STRATEGY_HALTED] = "Halted",
};

WRY_TYPE(condition_type, WryCondition, WRY_ROW_STR(WryCondition, lastProbeTime), WRY_ROW_STR(WryCondition, lastTransitionTime), WRY_ROW_STR(WryCondition, message),
         WRY_ROW_STR(WryCondition, reason), WRY_ROW_STR(WryCondition, status), WRY_ROW_STR(WryCondition, type));
WRY_TYPE(phase_time_type, WryPhaseTime, WRY_ROW_STR(WryPhaseTime, phase), WRY_ROW_STR(WryPhaseTime, phaseTransitionTimestamp));
WRY_TYPE(wry_instance_type, WryInstance, WRY_ROW_STR(WryInstance, uid), WRY_ROW_STR(WryInstance, creationTimestamp), WRY_ROW_STR(WryInstance, deletionTimestamp),
         WRY_ROW_INT(WryInstance, deletionGraceSeconds), WRY_ROW_INT(WryInstance, generation), WRY_ROW_STR(WryInstance, phase), WRY_ROW_STR(WryInstance, reason),
         WRY_ROW_BOOL(WryInstance, reachedRunning), WRY_ROW_LIST(WryInstance, phaseTransitionTimestamps, phase_time_type),
         WRY_ROW_LIST(WryInstance, conditions, condition_type), WRY_ROW_OBJ(WryInstance, object, wry_vmi_type),
         WRY_ROW_OBJ(WryInstance, report, wry_vmi_report_type), WRY_ROW_RAW(WryInstance, interfaces), WRY_ROW_INT(WryInstance, uidNumber),
         WRY_ROW_STR(WryInstance, bootId), WRY_ROW_STR(WryInstance, podUid));
WRY_TYPE(wry_guest_state_type, WryGuestState, WRY_ROW_INT(WryGuestState, slot), WRY_ROW_STR(WryGuestState, firmwareUuid),
         WRY_ROW_STR(WryGuestState, firmwareSerial), WRY_ROW_STR(WryGuestState, strategy), WRY_ROW_STR(WryGuestState, acted),
         WRY_ROW_BOOL(WryGuestState, startRequested), WRY_ROW_BOOL(WryGuestState, startPaused), WRY_ROW_STR(WryGuestState, stopRequested),
         WRY_ROW_INT(WryGuestState, stopGraceSeconds), WRY_ROW_INT(WryGuestState, failures), WRY_ROW_STR(WryGuestState, failedUid),
         WRY_ROW_INT(WryGuestState, retryAt), WRY_ROW_RAW(WryGuestState, claims), WRY_ROW_OBJ(WryGuestState, vmi, wry_instance_type));

const char *wry_phase_name(WryPhase phase) { return (guint)phase < WRY_PHASES ? phase_names[phase] : ""; }

WryPhase wry_phase_parse(const char *name) {
  for (guint i = 1; i < WRY_PHASES; i++)
    if (g_strcmp0(name, phase_names[i]) == 0) return i;
  return WRY_PHASE_NONE;
}

const char *wry_strategy_name(WryStrategy strategy) { return (guint)strategy < WRY_STRATEGIES ? strategy_names[strategy] : NULL; }

WryStrategy wry_strategy_parse(const char *name) {
  for (guint i = 0; i < WRY_STRATEGIES; i++)
    if (name && strategy_names[i] && strcmp(name, strategy_names[i]) == 0) return i;
  return WRY_STRATEGY_NONE;
}

WryInstance *wry_instance_new(WryVmi *take_object, const char *uid, const char *now) {
  WryInstance *instance = wry_struct_new(&wry_instance_type);
  instance->object = take_object;
  instance->uid = g_strdup(uid);
  instance->creationTimestamp = g_strdup(now);
  wry_instance_enter(instance, WRY_PHASE_PENDING, now);
  return instance;
}

void wry_instance_free(WryInstance *instance) {
  if (instance) wry_struct_free(&wry_instance_type, instance);
}

WryPhase wry_instance_phase(const WryInstance *instance) { return instance ? wry_phase_parse(instance->phase) : WRY_PHASE_NONE; }

static WryPhaseTime *find_phase_time(const WryInstance *instance, const char *phase) {
  for (guint i = 0; i < instance->phaseTransitionTimestamps->len; i++) {
    WryPhaseTime *entry = instance->phaseTransitionTimestamps->pdata[i];
    if (g_strcmp0(entry->phase, phase) == 0) return entry;
  }
  return NULL;
}

gboolean wry_instance_enter(WryInstance *instance, WryPhase phase, const char *now) {
  if (wry_instance_phase(instance) == phase) return FALSE;
  g_free(instance->phase);
  instance->phase = g_strdup(wry_phase_name(phase));
  if (!instance->phaseTransitionTimestamps) instance->phaseTransitionTimestamps = g_ptr_array_new();
  WryPhaseTime *entry = find_phase_time(instance, instance->phase);
  if (!entry) {
    entry = wry_struct_new(&phase_time_type);
    entry->phase = g_strdup(instance->phase);
    g_ptr_array_add(instance->phaseTransitionTimestamps, entry);
  }
  g_free(entry->phaseTransitionTimestamp);
  entry->phaseTransitionTimestamp = g_strdup(now);
  if (phase == WRY_PHASE_RUNNING) instance->reachedRunning = (WryOptBool){TRUE, TRUE};
  return TRUE;
}

gint64 wry_instance_grace(const WryInstance *instance) {
  if (instance->deletionGraceSeconds.set) return MAX(instance->deletionGraceSeconds.v, 0);
  return instance->object && instance->object->spec ? wry_vmi_grace_seconds(instance->object->spec) : WRY_DEFAULT_GRACE_SECONDS;
}

const WryCondition *wry_condition_find(const GPtrArray *conditions, const char *type) {
  for (guint i = 0; conditions && i < conditions->len; i++) {
    const WryCondition *condition = conditions->pdata[i];
    if (strcmp(condition->type, type) == 0) return condition;
  }
  return NULL;
}

static gboolean replace_text(char **text, const char *by) {
  if (g_strcmp0(*text, by && *by ? by : NULL) == 0) return FALSE;
  g_free(*text);
  *text = by && *by ? g_strdup(by) : NULL;
  return TRUE;
}

gboolean wry_condition_set(GPtrArray **conditions, const char *type, gboolean status, const char *reason, const char *message, const char *now) {
  if (!*conditions) *conditions = g_ptr_array_new();
  WryCondition *condition = (WryCondition *)wry_condition_find(*conditions, type);
  if (!condition) {
    condition = wry_struct_new(&condition_type);
    condition->type = g_strdup(type);
    g_ptr_array_add(*conditions, condition);
  }
  gboolean moved = replace_text(&condition->status, status ? "True" : "False");
  if (moved) replace_text(&condition->lastTransitionTime, now);
  gboolean changed = replace_text(&condition->reason, reason) | replace_text(&condition->message, message);
  return moved || changed;
}

gboolean wry_condition_clear(GPtrArray *conditions, const char *type) {
  WryCondition *condition = (WryCondition *)wry_condition_find(conditions, type);
  if (!condition) return FALSE;
  g_ptr_array_remove(conditions, condition);
  wry_struct_free(&condition_type, condition);
  return TRUE;
}

char *wry_time_text(gint64 unix_seconds) {
  g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(unix_seconds);
  return time ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : NULL;
}
