/* handler/status*.c and handler/instance.c: phases from reports, verdicts, conditions, printable status, what an object looks like. */
#include <check.h>
#include <stdlib.h>

#include "handler/status.h"

#define NOW "2024-05-01T10:00:00Z"
#define LATER "2024-05-01T10:00:09Z"

static WryVmi *vmi_of(const char *volumes_json) {
  g_autofree char *text = g_strdup_printf("{\"apiVersion\":\"kubevirt.io/v1\",\"kind\":\"VirtualMachineInstance\",\"metadata\":{\"name\":\"a\",\"namespace\":\"default\",\"labels\":{\"x\":\"y\"}},"
                                          "\"spec\":{\"domain\":{\"memory\":{\"guest\":\"64Mi\"},\"cpu\":{\"cores\":2},\"devices\":{\"interfaces\":[{\"name\":\"default\",\"masquerade\":{}}]}},"
                                          "\"networks\":[{\"name\":\"default\",\"pod\":{}}],\"volumes\":%s}}", volumes_json);
  g_autoptr(WryJson) json = wry_json_parse(text, strlen(text), NULL);
  g_autoptr(WryCauses) causes = wry_causes_new();
  WryVmi *vmi = wry_decode(&wry_vmi_type, json, "", causes);
  ck_assert_uint_eq(wry_causes_count(causes), 0);
  return vmi;
}

static WryInstance *instance_in(WryPhase phase, const char *volumes) {
  WryInstance *instance = wry_instance_new(vmi_of(volumes), "0c5b5d4e-0000-4000-8000-000000000001", NOW);
  for (WryPhase step = WRY_PHASE_SCHEDULING; step <= phase && step <= WRY_PHASE_RUNNING; step++) wry_instance_enter(instance, step, NOW);
  if (phase > WRY_PHASE_RUNNING) wry_instance_enter(instance, phase, NOW);
  return instance;
}

static WryVmiReport *report(const char *state, const char *reason, const char *failure) {
  WryVmiReport *made = wry_struct_new(&wry_vmi_report_type);
  made->state = g_strdup(state);
  made->reason = g_strdup(reason);
  made->failure = g_strdup(failure);
  return made;
}

/* contract 3.2; acpi off: `no_acpi` */
static const struct { const char *state, *reason, *failure; gint64 grace; gboolean no_acpi; WryPhase phase; const char *verdict; } phases[] = {
    {"NoState", NULL, NULL, 30, FALSE, WRY_PHASE_NONE, NULL},
    {"Running", NULL, NULL, 30, FALSE, WRY_PHASE_RUNNING, NULL},
    {"Blocked", NULL, NULL, 30, FALSE, WRY_PHASE_RUNNING, NULL},
    {"Paused", "User", NULL, 30, FALSE, WRY_PHASE_RUNNING, NULL},
    {"Paused", "PostcopyFailed", NULL, 30, FALSE, WRY_PHASE_FAILED, "QEMUCrashed"},
    {"PMSuspended", NULL, NULL, 30, FALSE, WRY_PHASE_RUNNING, NULL},
    {"ShuttingDown", NULL, NULL, 30, FALSE, WRY_PHASE_RUNNING, NULL},
    {"Shutoff", "Shutdown", NULL, 30, FALSE, WRY_PHASE_SUCCEEDED, "GuestShutdown"},
    {"Shutoff", "Saved", NULL, 30, FALSE, WRY_PHASE_SUCCEEDED, "GuestShutdown"},
    {"Shutoff", "Destroyed", NULL, 30, FALSE, WRY_PHASE_FAILED, "Killed"},
    {"Shutoff", "Destroyed", NULL, 0, FALSE, WRY_PHASE_SUCCEEDED, "Killed"},
    {"Shutoff", "Destroyed", NULL, 30, TRUE, WRY_PHASE_SUCCEEDED, "Killed"},
    {"Shutoff", "Crashed", NULL, 30, FALSE, WRY_PHASE_FAILED, "QEMUCrashed"},
    {"Shutoff", "Crashed", "OOMKilled", 30, FALSE, WRY_PHASE_FAILED, "OOMKilled"},
    {"Shutoff", "Crashed", "SeccompKill", 30, FALSE, WRY_PHASE_FAILED, "SeccompKill"},
    {"Shutoff", "Crashed", "WatchdogExpired", 30, FALSE, WRY_PHASE_FAILED, "WatchdogExpired"},
    {"Shutoff", "Crashed", "QEMUKilled", 30, FALSE, WRY_PHASE_FAILED, "QEMUKilled"},
    {"Shutoff", "Failed", "StartFailed", 30, FALSE, WRY_PHASE_FAILED, "StartFailed"},
    {"Shutoff", "Panicked", NULL, 30, FALSE, WRY_PHASE_FAILED, "GuestPanicked"},
    {"Crashed", NULL, NULL, 30, FALSE, WRY_PHASE_FAILED, "QEMUCrashed"},
    {"Shutoff", "Unknown", NULL, 30, FALSE, WRY_PHASE_NONE, NULL},
    {"Shutoff", "Unknown", "QEMUExited", 30, FALSE, WRY_PHASE_FAILED, "QEMUExited"},
    {"NoState", NULL, "StartFailed", 30, FALSE, WRY_PHASE_FAILED, "StartFailed"},
};

START_TEST(phase_of_report) {
  WryVmi *vmi = vmi_of("[]");
  WryVmiReport *said = report(phases[_i].state, phases[_i].reason, phases[_i].failure);
  if (phases[_i].no_acpi) {
    vmi->spec->domain->features = g_new0(WryFeatures, 1);
    vmi->spec->domain->features->acpi = g_new0(WryFeatureState, 1);
    vmi->spec->domain->features->acpi->enabled = (WryOptBool){TRUE, FALSE};
  }
  ck_assert_int_eq(wry_status_phase(said, vmi->spec, phases[_i].grace), phases[_i].phase);
  WryEnding verdict = wry_status_verdict(said, vmi->spec, phases[_i].grace);
  ck_assert(g_strcmp0(verdict.reason, phases[_i].verdict) == 0);
  wry_struct_free(&wry_vmi_report_type, said);
  wry_struct_free(&wry_vmi_type, vmi);
}
END_TEST

START_TEST(no_report_says_nothing) {
  ck_assert_int_eq(wry_status_phase(NULL, NULL, 30), WRY_PHASE_NONE);
  ck_assert_int_eq(wry_status_verdict(NULL, NULL, 30).phase, WRY_PHASE_NONE);
}
END_TEST

static const char *status_of(const WryInstance *instance, const char *type) {
  const WryCondition *condition = wry_condition_find(instance->conditions, type);
  return condition ? condition->status : "absent";
}

START_TEST(conditions_of_a_life) {
  WryInstance *instance = instance_in(WRY_PHASE_PENDING, "[]");
  wry_status_conditions(instance, TRUE, NOW);
  ck_assert_str_eq(status_of(instance, "Ready"), "False");
  ck_assert_str_eq(wry_condition_find(instance->conditions, "Ready")->reason, "GuestNotRunning");
  wry_instance_enter(instance, WRY_PHASE_RUNNING, NOW);
  instance->report = report("Running", NULL, NULL);
  instance->report->agentConnected = (WryOptBool){TRUE, TRUE};
  instance->report->agentVersionSupported = (WryOptBool){TRUE, FALSE};
  instance->report->softwareEmulation = (WryOptBool){TRUE, TRUE};
  wry_status_conditions(instance, FALSE, NOW);
  ck_assert_str_eq(wry_condition_find(instance->conditions, "Ready")->reason, "ContainersNotReady");
  wry_status_conditions(instance, TRUE, LATER);
  ck_assert_str_eq(status_of(instance, "Ready"), "True");
  ck_assert_str_eq(wry_condition_find(instance->conditions, "Ready")->lastTransitionTime, LATER);
  ck_assert_str_eq(status_of(instance, "AgentConnected"), "True");
  ck_assert_str_eq(status_of(instance, "AgentVersionNotSupported"), "True");
  ck_assert_str_eq(status_of(instance, "SoftwareEmulation"), "True");
  ck_assert_str_eq(wry_condition_find(instance->conditions, "SoftwareEmulation")->lastTransitionTime, NOW);
  ck_assert_str_eq(status_of(instance, "LiveMigratable"), "False");
  instance->report->agentConnected.v = FALSE;
  g_free(instance->report->state);
  instance->report->state = g_strdup("Paused");
  instance->report->reason = g_strdup("IOError");
  wry_status_conditions(instance, TRUE, LATER);
  ck_assert_str_eq(wry_condition_find(instance->conditions, "Paused")->reason, "PausedIOError");
  ck_assert_str_eq(status_of(instance, "Ready"), "False");
  ck_assert_str_eq(status_of(instance, "AgentConnected"), "absent");
  wry_instance_free(instance);
}
END_TEST

START_TEST(migratability) {
  const struct { const char *volumes; const char *reason; } rows[] = {
      {"[{\"name\":\"d\",\"persistentVolumeClaim\":{\"claimName\":\"c\"}}]", "DisksNotLiveMigratable"},
      {"[{\"name\":\"d\",\"hostDisk\":{\"path\":\"/d\",\"type\":\"Disk\"}}]", "DisksNotLiveMigratable"},
      {"[{\"name\":\"d\",\"containerDisk\":{\"image\":\"i\"}}]", "LiveMigrationNotSupported"}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    WryInstance *instance = instance_in(WRY_PHASE_RUNNING, rows[i].volumes);
    wry_status_conditions(instance, TRUE, NOW);
    ck_assert_str_eq(wry_condition_find(instance->conditions, "LiveMigratable")->reason, rows[i].reason);
    wry_instance_free(instance);
  }
}
END_TEST

START_TEST(phases_are_recorded_once) {
  WryInstance *instance = instance_in(WRY_PHASE_RUNNING, "[]");
  ck_assert_uint_eq(instance->phaseTransitionTimestamps->len, 4);
  ck_assert(!wry_instance_enter(instance, WRY_PHASE_RUNNING, LATER));
  ck_assert(wry_opt_bool(instance->reachedRunning, FALSE));
  ck_assert(wry_instance_enter(instance, WRY_PHASE_FAILED, LATER));
  ck_assert_uint_eq(instance->phaseTransitionTimestamps->len, 5);
  for (WryPhase phase = WRY_PHASE_PENDING; phase < WRY_PHASES; phase++) ck_assert_int_eq(wry_phase_parse(wry_phase_name(phase)), phase);
  ck_assert_int_eq(wry_phase_parse("Nonsense"), WRY_PHASE_NONE);
  ck_assert_int_eq(wry_instance_phase(NULL), WRY_PHASE_NONE);
  wry_instance_free(instance);
}
END_TEST

START_TEST(vmi_object) {
  WryInstance *instance = instance_in(WRY_PHASE_RUNNING, "[{\"name\":\"zed\",\"emptyDisk\":{\"capacity\":\"1Gi\"}},{\"name\":\"abc\",\"persistentVolumeClaim\":{\"claimName\":\"c\"}}]");
  static const char interfaces[] = "[{\"name\":\"default\",\"mac\":\"02:00:00:00:00:09\",\"podIPs\":[\"10.0.0.2\",\"fd00::2\"],\"podInterface\":\"eth0\"}]";
  instance->interfaces = wry_json_parse(interfaces, strlen(interfaces), NULL);
  g_autoptr(WryJson) object = wry_status_vmi(instance, "node1");
  const struct { const char *path, *text; } want[] = {
      {"kind", "VirtualMachineInstance"}, {"metadata.uid", "0c5b5d4e-0000-4000-8000-000000000001"}, {"metadata.labels.x", "y"}, {"status.phase", "Running"},
      {"status.nodeName", "node1"}, {"status.interfaces[0].ipAddress", "10.0.0.2"}, {"status.interfaces[0].ipAddresses[1]", "fd00::2"}, {"status.interfaces[0].podInterfaceName", "eth0"},
      {"status.memory.guestAtBoot", "64Mi"}, {"status.currentCPUTopology.cores", "2"}, {"status.volumeStatus[0].name", "abc"}, {"status.volumeStatus[0].persistentVolumeClaimInfo.claimName", "c"},
      {"status.volumeStatus[1].name", "zed"}, {"status.qosClass", "Burstable"}, {"status.phaseTransitionTimestamps[3].phase", "Running"}};
  for (gsize i = 0; i < G_N_ELEMENTS(want); i++) {
    WryJson *at = wry_json_path(object, want[i].path);
    ck_assert_msg(at && strcmp(json_object_get_string(at), want[i].text) == 0, "%s: %s", want[i].path, at ? json_object_get_string(at) : "absent");
  }
  WryJson *labels = wry_json_path(object, "metadata.labels");
  ck_assert_str_eq(wry_json_str(labels, "kubevirt.io/nodeName"), "node1");
  wry_instance_free(instance);
}
END_TEST

/* The launcher's interfaces take the place of what set-up made. */
START_TEST(reported_interfaces_win) {
  WryInstance *instance = instance_in(WRY_PHASE_RUNNING, "[]");
  static const char text[] = "{\"state\":\"Running\",\"interfaces\":[{\"name\":\"default\",\"mac\":\"02:00:00:00:00:09\",\"ipAddress\":\"10.0.0.7\",\"infoSource\":\"domain, guest-agent\",\"interfaceName\":\"enp1s0\"}],"
                             "\"volumes\":[{\"name\":\"d\",\"target\":\"vda\"}],\"machine\":\"pc-q35-7.2\",\"memoryCurrent\":33554432}";
  g_autoptr(WryJson) json = wry_json_parse(text, strlen(text), NULL);
  g_autoptr(WryCauses) causes = wry_causes_new();
  instance->report = wry_decode(&wry_vmi_report_type, json, "", causes);
  g_autoptr(WryJson) object = wry_status_vmi(instance, "node1");
  ck_assert_str_eq(json_object_get_string(wry_json_path(object, "status.interfaces[0].ipAddress")), "10.0.0.7");
  ck_assert_str_eq(json_object_get_string(wry_json_path(object, "status.interfaces[0].interfaceName")), "enp1s0");
  ck_assert_str_eq(json_object_get_string(wry_json_path(object, "status.machine.type")), "pc-q35-7.2");
  ck_assert_str_eq(json_object_get_string(wry_json_path(object, "status.memory.guestCurrent")), "32Mi");
  wry_instance_free(instance);
}
END_TEST

static WryVm *vm(void) {
  static const char text[] = "{\"apiVersion\":\"kubevirt.io/v1\",\"kind\":\"VirtualMachine\",\"metadata\":{\"name\":\"a\",\"namespace\":\"default\",\"uid\":\"u\",\"generation\":3,\"creationTimestamp\":\"" NOW "\"},"
                             "\"spec\":{\"runStrategy\":\"Always\",\"template\":{\"spec\":{\"domain\":{\"devices\":{}}}}}}";
  g_autoptr(WryJson) json = wry_json_parse(text, strlen(text), NULL);
  g_autoptr(WryCauses) causes = wry_causes_new();
  return wry_decode(&wry_vm_type, json, "", causes);
}

/* contract 3.6, in its order */
static const struct { WryStrategy strategy; WryPhase phase; gboolean removed, deleting, paused, expected; const char *condition, *reason; gint64 failures; const char *printable; } printables[] = {
    {WRY_STRATEGY_ALWAYS, WRY_PHASE_RUNNING, TRUE, FALSE, FALSE, FALSE, NULL, NULL, 0, "Terminating"},
    {WRY_STRATEGY_ALWAYS, WRY_PHASE_RUNNING, FALSE, TRUE, FALSE, FALSE, NULL, NULL, 0, "Stopping"},
    {WRY_STRATEGY_HALTED, WRY_PHASE_RUNNING, FALSE, FALSE, FALSE, FALSE, NULL, NULL, 0, "Stopping"},
    {WRY_STRATEGY_ALWAYS, WRY_PHASE_RUNNING, FALSE, FALSE, TRUE, FALSE, NULL, NULL, 0, "Paused"},
    {WRY_STRATEGY_ALWAYS, WRY_PHASE_RUNNING, FALSE, FALSE, FALSE, FALSE, NULL, NULL, 0, "Running"},
    {WRY_STRATEGY_ALWAYS, WRY_PHASE_PENDING, FALSE, FALSE, FALSE, FALSE, "Synchronized", "FailedPvcNotFound", 0, "ErrorPvcNotFound"},
    {WRY_STRATEGY_ALWAYS, WRY_PHASE_PENDING, FALSE, FALSE, FALSE, FALSE, "PodScheduled", "Unschedulable", 0, "ErrorUnschedulable"},
    {WRY_STRATEGY_ALWAYS, WRY_PHASE_PENDING, FALSE, FALSE, FALSE, FALSE, "Synchronized", "ErrImagePull", 0, "ErrImagePull"},
    {WRY_STRATEGY_ALWAYS, WRY_PHASE_PENDING, FALSE, FALSE, FALSE, FALSE, NULL, NULL, 0, "Starting"},
    {WRY_STRATEGY_ALWAYS, WRY_PHASE_SCHEDULED, FALSE, FALSE, FALSE, FALSE, NULL, NULL, 0, "Starting"},
    {WRY_STRATEGY_ALWAYS, WRY_PHASE_NONE, FALSE, FALSE, FALSE, TRUE, NULL, NULL, 0, "Starting"},
    {WRY_STRATEGY_ALWAYS, WRY_PHASE_NONE, FALSE, FALSE, FALSE, TRUE, NULL, NULL, 2, "CrashLoopBackOff"},
    {WRY_STRATEGY_MANUAL, WRY_PHASE_FAILED, FALSE, FALSE, FALSE, FALSE, NULL, NULL, 2, "Stopped"},
    {WRY_STRATEGY_ONCE, WRY_PHASE_SUCCEEDED, FALSE, FALSE, FALSE, FALSE, NULL, NULL, 0, "Stopped"},
    {WRY_STRATEGY_HALTED, WRY_PHASE_NONE, FALSE, FALSE, FALSE, FALSE, NULL, NULL, 0, "Stopped"},
};

START_TEST(printable_status) {
  WryGuestState *state = wry_struct_new(&wry_guest_state_type);
  WryVm *made = vm();
  if (printables[_i].phase != WRY_PHASE_NONE) state->vmi = instance_in(printables[_i].phase, "[]");
  if (printables[_i].deleting) state->vmi->deletionTimestamp = g_strdup(NOW);
  if (printables[_i].paused) wry_condition_set(&state->vmi->conditions, "Paused", TRUE, "PausedByUser", NULL, NOW);
  if (printables[_i].condition) wry_condition_set(&state->vmi->conditions, printables[_i].condition, FALSE, printables[_i].reason, "m", NOW);
  if (printables[_i].failures) state->failures = (WryOptInt){TRUE, printables[_i].failures};
  WryVmView view = {.vm = made, .state = state, .strategy = printables[_i].strategy, .removed = printables[_i].removed, .start_expected = printables[_i].expected};
  ck_assert_str_eq(wry_status_printable(&view), printables[_i].printable);
  wry_struct_free(&wry_vm_type, made);
  wry_struct_free(&wry_guest_state_type, state);
}
END_TEST

/* Between an unschedulable pod and a missing image (contract 3.6). */
START_TEST(waits_for_binding) {
  const struct { WryPhase phase; gboolean expected; const char *condition, *reason, *printable; } rows[] = {
      {WRY_PHASE_NONE, TRUE, NULL, NULL, "WaitingForVolumeBinding"},
      {WRY_PHASE_NONE, FALSE, NULL, NULL, "Stopped"},
      {WRY_PHASE_PENDING, TRUE, NULL, NULL, "WaitingForVolumeBinding"},
      {WRY_PHASE_SCHEDULING, TRUE, "PodScheduled", "Unschedulable", "ErrorUnschedulable"},
      {WRY_PHASE_SCHEDULING, TRUE, "Synchronized", "ErrImagePull", "WaitingForVolumeBinding"},
      {WRY_PHASE_SCHEDULED, TRUE, NULL, NULL, "Starting"},
      {WRY_PHASE_RUNNING, TRUE, NULL, NULL, "Running"},
      {WRY_PHASE_SUCCEEDED, FALSE, NULL, NULL, "Stopped"},
  };
  WryVm *made = vm();
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    WryGuestState *state = wry_struct_new(&wry_guest_state_type);
    if (rows[i].phase != WRY_PHASE_NONE) state->vmi = instance_in(rows[i].phase, "[]");
    if (rows[i].condition) wry_condition_set(&state->vmi->conditions, rows[i].condition, FALSE, rows[i].reason, "m", NOW);
    WryVmView view = {.vm = made, .state = state, .strategy = WRY_STRATEGY_ALWAYS, .start_expected = rows[i].expected, .unbound = TRUE};
    ck_assert_str_eq(wry_status_printable(&view), rows[i].printable);
    wry_struct_free(&wry_guest_state_type, state);
  }
  wry_struct_free(&wry_vm_type, made);
}
END_TEST

START_TEST(vm_object) {
  WryGuestState *state = wry_struct_new(&wry_guest_state_type);
  WryVm *made = vm();
  state->vmi = instance_in(WRY_PHASE_RUNNING, "[]");
  state->vmi->generation = (WryOptInt){TRUE, 2};
  state->stopRequested = g_strdup("u1");
  state->startRequested = state->startPaused = (WryOptBool){TRUE, TRUE};
  state->failures = (WryOptInt){TRUE, 2};
  state->retryAt = (WryOptInt){TRUE, 0};
  wry_status_conditions(state->vmi, TRUE, NOW);
  WryVmView view = {.vm = made, .state = state, .strategy = WRY_STRATEGY_HALTED, .problem = "a.yaml:3: bad", .restart_required = TRUE};
  g_autoptr(WryJson) object = wry_status_vm(&view);
  const struct { const char *path, *text; } want[] = {
      {"spec.runStrategy", "Halted"}, {"status.created", "true"}, {"status.ready", "true"}, {"status.desiredGeneration", "3"}, {"status.observedGeneration", "2"},
      {"status.stateChangeRequests[0].action", "Stop"}, {"status.stateChangeRequests[0].uid", "u1"}, {"status.stateChangeRequests[1].data.paused", "true"},
      {"status.startFailure.consecutiveFailCount", "2"}, {"status.startFailure.retryAfterTimestamp", "1970-01-01T00:00:00Z"}};
  for (gsize i = 0; i < G_N_ELEMENTS(want); i++) {
    WryJson *at = wry_json_path(object, want[i].path);
    ck_assert_msg(at && strcmp(json_object_get_string(at), want[i].text) == 0, "%s: %s", want[i].path, at ? json_object_get_string(at) : "absent");
  }
  ck_assert_ptr_nonnull(strstr(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), "InvalidManifest"));
  ck_assert_ptr_nonnull(strstr(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN), "RestartRequired"));
  wry_struct_free(&wry_vm_type, made);
  wry_struct_free(&wry_guest_state_type, state);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("status");
  TCase *tests = tcase_create("status");
  tcase_add_loop_test(tests, phase_of_report, 0, G_N_ELEMENTS(phases));
  tcase_add_test(tests, no_report_says_nothing);
  tcase_add_test(tests, conditions_of_a_life);
  tcase_add_test(tests, migratability);
  tcase_add_test(tests, phases_are_recorded_once);
  tcase_add_test(tests, vmi_object);
  tcase_add_test(tests, reported_interfaces_win);
  tcase_add_loop_test(tests, printable_status, 0, G_N_ELEMENTS(printables));
  tcase_add_test(tests, waits_for_binding);
  tcase_add_test(tests, vm_object);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
