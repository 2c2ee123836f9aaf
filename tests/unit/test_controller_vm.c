/* handler/controller/vm*.c with its VMI's: run strategies, requests, back-off, admission, ownership, the end. */
#include <check.h>
#include <stdlib.h>

#include "handler/controller/seen.h"
#include "tests/unit/support_controller.h"

#define VM "VirtualMachine"
#define VMI "VirtualMachineInstance"

static const char *printable(FakeCluster *cluster) { return fake_text(fake_cluster_get(cluster, VM, "a"), "status.printableStatus"); }

static void assert_condition(WryJson *object, const char *type, const char *text) {
  g_autofree char *found = fake_condition(object, type);
  ck_assert_str_eq(found, text);
}

/* A VM whose guest runs. */
static FakeCluster *running(const char *strategy) {
  FakeCluster *cluster = fake_cluster_new(NULL);
  fake_cluster_vm(cluster, strategy, NULL);
  fake_cluster_settle(cluster);
  fake_cluster_pod_runs(cluster);
  fake_cluster_settle(cluster);
  fake_cluster_phase(cluster, "Running");
  fake_cluster_patch(cluster, "Pod", NULL, "{'status': {'conditions': [{'type': 'Ready', 'status': 'True'}]}}");
  fake_cluster_settle(cluster);
  return cluster;
}

/* --- a life ------------------------------------------------------------------------------------------------------------------------------------------------------------ */
START_TEST(starts) {
  g_autoptr(FakeCluster) cluster = fake_cluster_new(NULL);
  fake_cluster_vm(cluster, "Always", NULL);
  fake_cluster_settle(cluster);
  WryJson *vm = fake_cluster_get(cluster, VM, "a"), *vmi = fake_cluster_get(cluster, VMI, "a"), *revision = fake_cluster_get(cluster, "ControllerRevision", NULL);
  ck_assert(vmi && revision && fake_cluster_count(cluster, "Pod") == 1);
  ck_assert(wry_has_finalizer(vm, WRY_VM_FINALIZER) && wry_has_finalizer(vmi, WRY_VM_FINALIZER) && wry_has_finalizer(vmi, WRY_VMI_FINALIZER));
  ck_assert(wry_is_controlled_by(vmi, vm) && wry_is_controlled_by(revision, vm));
  ck_assert(wry_json_bool(wry_controller_of(vmi), "blockOwnerDeletion", FALSE));
  g_autofree char *name = g_strdup_printf("revision-start-vm-%s-2", fake_text(vm, "metadata.uid"));
  ck_assert_str_eq(fake_text(revision, "metadata.name"), name);
  ck_assert_str_eq(fake_text(vmi, "status.virtualMachineRevisionName"), name);
  ck_assert_str_eq(fake_text(vmi, "metadata.annotations[kubevirt.io/vm-generation]"), "2");
  ck_assert_str_eq(fake_text(vmi, "metadata.labels.l"), "v");
  ck_assert_str_eq(fake_text(vm, "status.runStrategy"), "Always");
  ck_assert_str_eq(fake_text(vm, "status.created"), "true");
  ck_assert_str_eq(printable(cluster), "Starting");
  ck_assert(fake_cluster_event(cluster, "SuccessfulCreate VirtualMachine/a") && fake_cluster_event(cluster, "SuccessfulCreate VirtualMachineInstance/a"));
  ck_assert_str_ne(fake_text(vm, "spec.template.spec.domain.firmware.uuid"), "");
  ck_assert_str_eq(fake_text(vm, "spec.template.spec.domain.firmware.uuid"), fake_text(vmi, "spec.domain.firmware.uuid"));
}
END_TEST

START_TEST(runs) {
  g_autoptr(FakeCluster) cluster = running("Always");
  WryJson *vm = fake_cluster_get(cluster, VM, "a");
  ck_assert_str_eq(printable(cluster), "Running");
  ck_assert_str_eq(fake_text(vm, "status.ready"), "true");
  ck_assert_str_eq(fake_text(vm, "status.observedGeneration"), "2");
  ck_assert_str_eq(fake_text(vm, "status.desiredGeneration"), "2");
  assert_condition(vm, "Ready", "True");
  ck_assert_uint_eq(fake_cluster_settle(cluster), 0);
}
END_TEST

START_TEST(is_deleted) {
  g_autoptr(FakeCluster) cluster = running("Always");
  fake_cluster_delete(cluster, VM, "a");
  fake_cluster_settle(cluster);
  ck_assert_str_eq(printable(cluster), "Terminating");
  ck_assert_str_ne(fake_text(fake_cluster_get(cluster, "Pod", NULL), "metadata.deletionTimestamp"), "");
  fake_cluster_phase(cluster, "Succeeded");
  fake_cluster_settle(cluster);
  ck_assert(fake_cluster_get(cluster, VMI, "a") != NULL);
  fake_cluster_pod_gone(cluster);
  fake_cluster_settle(cluster);
  ck_assert(!fake_cluster_get(cluster, VMI, "a") && !fake_cluster_get(cluster, VM, "a"));
}
END_TEST

START_TEST(is_orphaned) {
  g_autoptr(FakeCluster) cluster = running("Always");
  fake_cluster_patch(cluster, VM, "a", "{'metadata': {'finalizers': ['orphan', 'kubevirt.io/virtualMachineControllerFinalize']}}");
  fake_cluster_delete(cluster, VM, "a");
  fake_cluster_settle(cluster);
  WryJson *vm = fake_cluster_get(cluster, VM, "a"), *vmi = fake_cluster_get(cluster, VMI, "a");
  ck_assert(vm && !wry_has_finalizer(vm, WRY_VM_FINALIZER)); /* "orphan" is the garbage collector's */
  ck_assert(vmi && !wry_controller_of(vmi) && !wry_has_finalizer(vmi, WRY_VM_FINALIZER));
  ck_assert_str_eq(fake_text(vmi, "metadata.deletionTimestamp"), "");
  ck_assert_str_eq(fake_text(fake_cluster_get(cluster, "Pod", NULL), "metadata.deletionTimestamp"), "");
}
END_TEST

/* --- run strategies ---------------------------------------------------------------------------------------------------------------------------------------------------- */
/* What there is of the VMI after its end, once its pod is gone too: nothing, the same, or another. */
typedef enum { NONE, SAME, NEW } After;
static const struct { const char *strategy; gboolean starts; After succeeded, failed, deleted; } strategies[] = {
    {"Always", TRUE, NEW, NEW, NEW},       {"RerunOnFailure", TRUE, NONE, NEW, NONE},   {"Once", TRUE, SAME, SAME, NONE},
    {"Manual", FALSE, NONE, NONE, NONE}, {"Halted", FALSE, NONE, NONE, NONE},
};

static void check_after(const char *strategy, const char *end, gboolean by_user, After after) {
  g_autoptr(FakeCluster) cluster = running(strategy);
  g_autofree char *uid = g_strdup(fake_text(fake_cluster_get(cluster, VMI, "a"), "metadata.uid"));
  if (by_user) fake_cluster_delete(cluster, VMI, "a");
  fake_cluster_settle(cluster);
  fake_cluster_phase(cluster, end);
  fake_cluster_settle(cluster);
  fake_cluster_pod_gone(cluster);
  fake_cluster_settle(cluster);
  WryJson *vmi = fake_cluster_get(cluster, VMI, "a");
  gboolean same = vmi && strcmp(fake_text(vmi, "metadata.uid"), uid) == 0;
  ck_assert_msg((after == NONE && !vmi) || (after == SAME && same) || (after == NEW && vmi && !same), "%s after %s%s: %s", strategy, end, by_user ? " by a user" : "",
                !vmi ? "none" : same ? "the same" : "a new one");
}

START_TEST(strategy) {
  g_autoptr(FakeCluster) cluster = fake_cluster_new(NULL);
  fake_cluster_vm(cluster, strategies[_i].strategy, NULL);
  fake_cluster_settle(cluster);
  ck_assert_uint_eq(fake_cluster_count(cluster, VMI), strategies[_i].starts);
  ck_assert_str_eq(printable(cluster), strategies[_i].starts ? "Starting" : "Stopped");
  if (!strategies[_i].starts) return;
  check_after(strategies[_i].strategy, "Succeeded", FALSE, strategies[_i].succeeded);
  check_after(strategies[_i].strategy, "Failed", FALSE, strategies[_i].failed);
  check_after(strategies[_i].strategy, "Succeeded", TRUE, strategies[_i].deleted);
}
END_TEST

START_TEST(halted_while_running) {
  g_autoptr(FakeCluster) cluster = running("Always");
  fake_cluster_patch(cluster, VM, "a", "{'spec': {'runStrategy': 'Halted'}}");
  fake_cluster_settle(cluster);
  ck_assert_str_eq(printable(cluster), "Stopping");
  ck_assert_str_ne(fake_text(fake_cluster_get(cluster, VMI, "a"), "metadata.deletionTimestamp"), "");
  fake_cluster_phase(cluster, "Succeeded");
  fake_cluster_pod_gone(cluster);
  fake_cluster_settle(cluster);
  ck_assert_str_eq(printable(cluster), "Stopped");
  ck_assert(!fake_cluster_get(cluster, VMI, "a") && !fake_cluster_get(cluster, "ControllerRevision", NULL));
}
END_TEST

/* --- requests ------------------------------------------------------------------------------------------------------------------------------------------------------------ */
START_TEST(start_request) {
  const struct { const char *strategy, *after; gboolean paused; } rows[] = {{"Halted", "Always", FALSE}, {"Manual", "Manual", FALSE}, {"Manual", "Manual", TRUE}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(FakeCluster) cluster = fake_cluster_new(NULL);
    fake_cluster_vm(cluster, rows[i].strategy, NULL);
    fake_cluster_settle(cluster);
    fake_cluster_patch(cluster, VM, "a", rows[i].paused ? "{'status': {'stateChangeRequests': [{'action': 'Start', 'data': {'paused': 'true'}}]}}" : "{'status': {'stateChangeRequests': [{'action': 'Start'}]}}");
    fake_cluster_settle(cluster);
    WryJson *vm = fake_cluster_get(cluster, VM, "a");
    ck_assert_uint_eq(fake_cluster_count(cluster, VMI), 1);
    ck_assert_str_eq(fake_text(vm, "spec.runStrategy"), rows[i].after);
    ck_assert_str_eq(fake_text(vm, "status.stateChangeRequests"), "");
    ck_assert_str_eq(fake_text(fake_cluster_get(cluster, VMI, "a"), "spec.startStrategy"), rows[i].paused ? "Paused" : "");
  }
}
END_TEST

START_TEST(stop_and_start_request) {
  g_autoptr(FakeCluster) cluster = running("Always");
  g_autofree char *uid = g_strdup(fake_text(fake_cluster_get(cluster, VMI, "a"), "metadata.uid"));
  g_autofree char *patch = g_strdup_printf("{'status': {'stateChangeRequests': [{'action': 'Stop', 'uid': '%s'}, {'action': 'Start'}]}}", uid);
  fake_cluster_patch(cluster, VM, "a", patch);
  fake_cluster_settle(cluster);
  ck_assert_str_eq(printable(cluster), "Stopping");
  fake_cluster_phase(cluster, "Succeeded");
  fake_cluster_pod_gone(cluster);
  fake_cluster_settle(cluster);
  WryJson *vmi = fake_cluster_get(cluster, VMI, "a");
  ck_assert(vmi && strcmp(fake_text(vmi, "metadata.uid"), uid) != 0);
  ck_assert_str_eq(fake_text(fake_cluster_get(cluster, VM, "a"), "status.stateChangeRequests"), "");
}
END_TEST

/* --- back-off ------------------------------------------------------------------------------------------------------------------------------------------------------------ */
static void fail_start(FakeCluster *cluster) {
  fake_cluster_patch(cluster, "Pod", NULL, "{'status': {'phase': 'Failed'}}");
  fake_cluster_settle(cluster);
  fake_cluster_pod_gone(cluster);
  fake_cluster_settle(cluster);
}

START_TEST(crash_loop) {
  g_autoptr(FakeCluster) cluster = fake_cluster_new(NULL);
  fake_cluster_vm(cluster, "Always", NULL);
  fake_cluster_settle(cluster);
  fail_start(cluster);
  WryJson *vm = fake_cluster_get(cluster, VM, "a");
  ck_assert_str_eq(fake_text(vm, "status.startFailure.consecutiveFailCount"), "1");
  ck_assert_str_eq(printable(cluster), "CrashLoopBackOff");
  ck_assert_uint_eq(fake_cluster_count(cluster, VMI), 0);
  ck_assert_int_eq(cluster->again, 10);
  cluster->now += 10;
  fake_cluster_settle(cluster);
  ck_assert_uint_eq(fake_cluster_count(cluster, VMI), 1);
  fail_start(cluster);
  ck_assert_str_eq(fake_text(vm, "status.startFailure.consecutiveFailCount"), "2");
  ck_assert_int_eq(cluster->again, 40);
  cluster->now += 40;
  fake_cluster_settle(cluster);
  fake_cluster_pod_runs(cluster);
  fake_cluster_settle(cluster);
  fake_cluster_phase(cluster, "Running");
  fake_cluster_settle(cluster);
  ck_assert_str_eq(fake_text(vm, "status.startFailure"), "");
}
END_TEST

/* --- admission ------------------------------------------------------------------------------------------------------------------------------------------------------------ */
START_TEST(refused) {
  g_autoptr(FakeCluster) cluster = fake_cluster_new(NULL);
  fake_cluster_vm(cluster, "Always", "'volumes': [{'name': 'h', 'hostDisk': {'path': '/x', 'type': 'Disk'}}]");
  fake_cluster_settle(cluster);
  WryJson *vm = fake_cluster_get(cluster, VM, "a");
  assert_condition(vm, "Failure", "True Invalid");
  ck_assert(strstr(fake_text(wry_object_condition(vm, "Failure"), "message"), "spec.template.spec.volumes[0]"));
  ck_assert(!fake_cluster_get(cluster, VMI, "a") && fake_cluster_event(cluster, "FailedCreate VirtualMachine/a"));
  ck_assert_uint_eq(cluster->events->len, 1);
  fake_cluster_patch(cluster, VM, "a", "{'spec': {'template': {'spec': {'volumes': []}}}}");
  fake_cluster_settle(cluster);
  assert_condition(vm, "Failure", "");
  ck_assert_uint_eq(fake_cluster_count(cluster, VMI), 1);
}
END_TEST

START_TEST(live_migration_refused) {
  g_autoptr(FakeCluster) cluster = fake_cluster_new(NULL);
  fake_cluster_vm(cluster, "Always", "'evictionStrategy': 'LiveMigrate'");
  fake_cluster_settle(cluster);
  ck_assert(strstr(fake_text(wry_object_condition(fake_cluster_get(cluster, VM, "a"), "Failure"), "message"), "spec.template.spec.evictionStrategy"));
}
END_TEST

/* --- claims ---------------------------------------------------------------------------------------------------------------------------------------------------------------- */
#define CLAIM "'volumes': [{'name': 'p', 'persistentVolumeClaim': {'claimName': 'c'}}]"

START_TEST(claims) {
  g_autoptr(FakeCluster) cluster = fake_cluster_new(NULL);
  fake_cluster_vm(cluster, "Always", CLAIM);
  fake_cluster_settle(cluster);
  ck_assert_str_eq(printable(cluster), "ErrorPvcNotFound");
  ck_assert_uint_eq(fake_cluster_count(cluster, "Pod"), 0);
  assert_condition(fake_cluster_get(cluster, VMI, "a"), "Synchronized", "False FailedPvcNotFound");
  assert_condition(fake_cluster_get(cluster, VMI, "a"), "PodScheduled", "False Unschedulable");
  fake_cluster_add(cluster, "{'kind': 'PersistentVolumeClaim', 'metadata': {'name': 'c'}, 'spec': {}, 'status': {'phase': 'Pending'}}");
  fake_cluster_settle(cluster);
  ck_assert_uint_eq(fake_cluster_count(cluster, "Pod"), 1);
  ck_assert_str_eq(printable(cluster), "WaitingForVolumeBinding");
  assert_condition(fake_cluster_get(cluster, VMI, "a"), "Synchronized", "");
  fake_cluster_patch(cluster, "PersistentVolumeClaim", "c", "{'status': {'phase': 'Bound'}}");
  fake_cluster_settle(cluster);
  ck_assert_str_eq(printable(cluster), "Starting");
}
END_TEST

/* --- generations ------------------------------------------------------------------------------------------------------------------------------------------------------------ */
static const struct { const char *patch; gboolean restart; const char *observed; } changes[] = {
    {"{'spec': {'template': {'spec': {'domain': {'memory': {'guest': '256Mi'}}}}}}", TRUE, "2"},
    {"{'spec': {'template': {'spec': {'nodeSelector': {'a': 'b'}}}}}", FALSE, "2"},
    {"{'spec': {'runStrategy': 'RerunOnFailure'}}", FALSE, "3"},
};

START_TEST(restart_required) {
  g_autoptr(FakeCluster) cluster = running("Always");
  fake_cluster_patch(cluster, VM, "a", changes[_i].patch);
  fake_cluster_settle(cluster);
  WryJson *vm = fake_cluster_get(cluster, VM, "a");
  assert_condition(vm, "RestartRequired", changes[_i].restart ? "True" : "");
  ck_assert_str_eq(fake_text(vm, "status.desiredGeneration"), "3");
  ck_assert_str_eq(fake_text(vm, "status.observedGeneration"), changes[_i].observed);
}
END_TEST

/* --- ownership ----------------------------------------------------------------------------------------------------------------------------------------------------------------- */
#define OTHER "{'apiVersion': 'kubevirt.io/v1', 'kind': 'VirtualMachineInstance', 'metadata': {'name': 'a'%s}, 'spec': {'domain': {'devices': {}, 'memory': {'guest': '128Mi'}}}}"

START_TEST(adopts) {
  g_autoptr(FakeCluster) cluster = fake_cluster_new(NULL);
  g_autofree char *nobodys = g_strdup_printf(OTHER, "");
  fake_cluster_add(cluster, nobodys);
  fake_cluster_vm(cluster, "Always", NULL);
  fake_cluster_settle(cluster);
  ck_assert_uint_eq(fake_cluster_count(cluster, VMI), 1);
  ck_assert(wry_is_controlled_by(fake_cluster_get(cluster, VMI, "a"), fake_cluster_get(cluster, VM, "a")));
}
END_TEST

START_TEST(leaves_what_is_anothers) {
  g_autoptr(FakeCluster) cluster = fake_cluster_new(NULL);
  g_autofree char *anothers = g_strdup_printf(OTHER, ", 'ownerReferences': [{'apiVersion': 'x/v1', 'kind': 'X', 'name': 'x', 'uid': 'x', 'controller': true}]");
  fake_cluster_add(cluster, anothers);
  fake_cluster_vm(cluster, "Always", NULL);
  fake_cluster_settle(cluster);
  ck_assert(!wry_is_controlled_by(fake_cluster_get(cluster, VMI, "a"), fake_cluster_get(cluster, VM, "a")));
  assert_condition(fake_cluster_get(cluster, VM, "a"), "Failure", "True FailedCreate");
}
END_TEST

/* --- what it costs --------------------------------------------------------------------------------------------------------------------------------------------------------------- */
START_TEST(writes) {
  g_autoptr(FakeCluster) cluster = fake_cluster_new(NULL);
  fake_cluster_vm(cluster, "Always", NULL);
  ck_assert_uint_le(fake_cluster_settle(cluster), 8); /* VM: defaults, status twice; revision, VMI, pod; VMI: Scheduling */
  fake_cluster_pod_runs(cluster);
  ck_assert_uint_le(fake_cluster_settle(cluster), 2); /* VMI: Scheduled; the pod's gate */
  fake_cluster_patch(cluster, "Pod", NULL, "{'status': {'conditions': [{'type': 'Ready', 'status': 'True'}, {'type': 'kubevirt.io/virtual-machine-unpaused', 'status': 'True'}]}}");
  ck_assert_uint_eq(fake_cluster_settle(cluster), 0);
  fake_cluster_phase(cluster, "Running");
  ck_assert_uint_le(fake_cluster_settle(cluster), 3); /* VMI: Ready; VM: Running, Ready */
}
END_TEST

int main(void) {
  Suite *suite = suite_create("controller_vm");
  TCase *tests = tcase_create("vm");
  tcase_add_test(tests, starts);
  tcase_add_test(tests, runs);
  tcase_add_test(tests, is_deleted);
  tcase_add_test(tests, is_orphaned);
  tcase_add_loop_test(tests, strategy, 0, G_N_ELEMENTS(strategies));
  tcase_add_test(tests, halted_while_running);
  tcase_add_test(tests, start_request);
  tcase_add_test(tests, stop_and_start_request);
  tcase_add_test(tests, crash_loop);
  tcase_add_test(tests, refused);
  tcase_add_test(tests, live_migration_refused);
  tcase_add_test(tests, claims);
  tcase_add_loop_test(tests, restart_required, 0, G_N_ELEMENTS(changes));
  tcase_add_test(tests, adopts);
  tcase_add_test(tests, leaves_what_is_anothers);
  tcase_add_test(tests, writes);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
