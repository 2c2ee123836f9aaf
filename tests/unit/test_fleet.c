/* handler/fleet*.c: manifests to running guests and back, with a root half and launchers that the test plays. */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/support_fleet.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"

START_TEST(a_vm_runs) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  FakeLauncher *launcher = fake_bring_up(node, "a");
  ck_assert_uint_eq(node->starts, 1);
  fake_settle();
  g_autofree char *printable = fake_printable(node, "a");
  ck_assert_str_eq(printable, "Running");
  ck_assert(fake_event(node, "SuccessfulCreate") && fake_event(node, "Created") && fake_event(node, "Started"));
  ck_assert_int_eq(node->last_start.n_volumes, 1);
  ck_assert_str_eq(node->last_start.volumes[0].source, "abc/disk.img");
  ck_assert_str_eq(node->last_start.setup.interfaces[0].tap, "tap0");
  ck_assert_str_eq(json_object_get_string(wry_json_path(launcher->bundle, "interfaces[0].guest4")), "10.0.2.2");
  ck_assert_str_eq(json_object_get_string(wry_json_path(launcher->bundle, "volumes[0].path")), "/run/wherry/volumes/root/disk.img");
  ck_assert_str_eq(json_object_get_string(wry_json_path(launcher->bundle, "vmi.metadata.uid")), fake_vmi(node, "a"));
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

START_TEST(removal_stops_and_forgets) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  FakeLauncher *launcher = fake_bring_up(node, "a");
  fake_node_remove(node, "a.yaml");
  fake_wait(fake_launcher_got(launcher, "shutdown"));
  ck_assert_int_eq(launcher->grace, 30);
  g_autofree char *printable = fake_printable(node, "a");
  ck_assert_str_eq(printable, "Terminating");
  fake_launcher_report(launcher, "Shutoff", "Shutdown", NULL);
  fake_wait(fake_guest(node, "a") == NULL);
  ck_assert(fake_launcher_got(launcher, "finish"));
  ck_assert_uint_eq(fake_node_alive(node), 0);
  ck_assert_uint_eq(node->removals, 1);
  g_autoptr(GPtrArray) left = wry_vlist(node->objects, NULL);
  ck_assert_uint_eq(left->len, 0);
  ck_assert(fake_event(node, "ShuttingDown") && fake_event(node, "Stopped") && fake_event(node, "Deleted"));
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

/* What a strategy does when the guest shuts down, and when it crashes. */
static const struct { const char *strategy, *reason, *failure; gboolean again; WryPhase left; const char *event; } endings[] = {
    {"Always", "Shutdown", NULL, TRUE, WRY_PHASE_NONE, "Stopped"},
    {"Always", "Crashed", "QEMUKilled", TRUE, WRY_PHASE_NONE, "QEMUKilled"},
    {"RerunOnFailure", "Shutdown", NULL, FALSE, WRY_PHASE_NONE, "Stopped"},
    {"RerunOnFailure", "Crashed", "OOMKilled", TRUE, WRY_PHASE_NONE, "OOMKilled"},
    {"Once", "Shutdown", NULL, FALSE, WRY_PHASE_SUCCEEDED, "Stopped"},
    {"Once", "Crashed", "SeccompKill", FALSE, WRY_PHASE_FAILED, "SeccompKill"},
    {"Once", "Panicked", "GuestPanicked", FALSE, WRY_PHASE_FAILED, "GuestPanicked"},
};

START_TEST(strategies) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", endings[_i].strategy);
  FakeLauncher *launcher = fake_bring_up(node, "a");
  g_autofree char *first = g_strdup(fake_vmi(node, "a"));
  fake_launcher_report(launcher, "Shutoff", endings[_i].reason, endings[_i].failure);
  if (endings[_i].again) {
    fake_wait(node->starts == 2);
    ck_assert_str_ne(first, fake_vmi(node, "a"));
  } else {
    fake_wait(node->ends >= 1);
    fake_settle();
    ck_assert_uint_eq(node->starts, 1);
    ck_assert_int_eq(fake_phase(node, "a"), endings[_i].left);
  }
  ck_assert(fake_event(node, endings[_i].event));
  ck_assert(fake_node_sandbox(node, first) == NULL);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

START_TEST(halted_and_manual_wait) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "h", "Halted");
  fake_write_vm(node, "m", "Manual");
  fake_wait(fake_guest(node, "m") != NULL);
  fake_settle();
  ck_assert_uint_eq(node->starts, 0);
  g_autofree char *printable = fake_printable(node, "h");
  ck_assert_str_eq(printable, "Stopped");
  fake_node_free(node);
}
END_TEST

START_TEST(init_dies) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", "Once");
  FakeLauncher *launcher = fake_bring_up(node, "a");
  fake_node_kill(node, fake_vmi(node, "a"));
  fake_launcher_free(launcher);
  fake_wait(fake_life(node, "a") == WRY_LIFE_OVER);
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_FAILED);
  ck_assert_str_eq(wry_guest_vmi(fake_guest(node, "a"))->reason, "LauncherGone");
  fake_node_free(node);
}
END_TEST

/* The last word counts, also when the end of init is seen before it. */
START_TEST(last_word_counts) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", "Once");
  FakeLauncher *launcher = fake_bring_up(node, "a");
  fake_launcher_report(launcher, "Shutoff", "Shutdown", NULL);
  fake_node_kill(node, fake_vmi(node, "a"));
  fake_launcher_free(launcher);
  fake_wait(fake_life(node, "a") == WRY_LIFE_OVER);
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_SUCCEEDED);
  fake_node_free(node);
}
END_TEST

START_TEST(launcher_restarts) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  FakeLauncher *launcher = fake_bring_up(node, "a");
  fake_launcher_free(launcher);
  fake_wait(fake_guest(node, "a")->launcher == NULL);
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_RUNNING);
  launcher = fake_launcher_new(node, fake_vmi(node, "a"));
  fake_wait(fake_launcher_got(launcher, "sync"));
  ck_assert_uint_eq(node->starts, 1);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

/* A peer of another sandbox, or of none, is not heard. */
START_TEST(strangers_are_refused) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  fake_wait(fake_life(node, "a") == WRY_LIFE_BOOTING);
  FakeLauncher *stranger = fake_launcher_new(node, "00000000-0000-0000-0000-000000000000");
  fake_wait(stranger->closed);
  ck_assert_int_eq(fake_life(node, "a"), WRY_LIFE_BOOTING);
  fake_launcher_free(stranger);
  fake_node_free(node);
}
END_TEST

START_TEST(missing_image_waits) {
  FakeNode *node = fake_node_new();
  node->image_there = FALSE;
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  fake_wait(fake_event(node, "ErrImagePull"));
  fake_settle();
  g_autofree char *printable = fake_printable(node, "a");
  ck_assert_str_eq(printable, "ErrImagePull");
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_PENDING);
  ck_assert_uint_eq(node->starts, 0);
  node->image_there = TRUE;
  wry_fleet_images_changed(node->fleet);
  fake_wait(node->starts == 1);
  fake_node_free(node);
}
END_TEST

START_TEST(no_kvm_is_unschedulable) {
  FakeNode *node = fake_node_new();
  node->kvm = FALSE;
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  fake_wait(fake_guest(node, "a") && wry_guest_vmi(fake_guest(node, "a")) && wry_condition_find(wry_guest_vmi(fake_guest(node, "a"))->conditions, "PodScheduled"));
  g_autofree char *printable = fake_printable(node, "a");
  ck_assert_str_eq(printable, "ErrorUnschedulable");
  fake_node_write(node, "kubevirt.yaml", "apiVersion: kubevirt.io/v1\nkind: KubeVirt\nmetadata: {name: kubevirt, namespace: kubevirt}\nspec: {configuration: {developerConfiguration: {useEmulation: true}}}\n");
  fake_wait(node->starts == 1);
  ck_assert(!node->last_start.kvm);
  fake_node_free(node);
}
END_TEST

START_TEST(refused_start_is_tried_again) {
  FakeNode *node = fake_node_new();
  node->refuse = WRY_ERROR_NO_SPACE;
  node->refusals = 1;
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  fake_wait(fake_event(node, "NoSpace"));
  fake_wait(node->starts == 1);
  ck_assert_int_eq(fake_guest(node, "a")->object->state->failures.v, 0);
  fake_node_free(node);
}
END_TEST

/* A start that fails in the launcher counts, and waits before the next. */
START_TEST(failed_start_backs_off) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  fake_wait(fake_life(node, "a") == WRY_LIFE_BOOTING);
  FakeLauncher *launcher = fake_launcher_new(node, fake_vmi(node, "a"));
  launcher->refuse = WRY_ERROR_INVALID;
  fake_wait(fake_guest(node, "a")->object->state->failures.v == 1 && !wry_guest_vmi(fake_guest(node, "a")));
  fake_settle();
  g_autofree char *printable = fake_printable(node, "a");
  ck_assert_str_eq(printable, "CrashLoopBackOff");
  ck_assert_uint_eq(node->starts, 1);
  gint64 wait = fake_guest(node, "a")->object->state->retryAt.v - wry_now_seconds();
  ck_assert(wait >= 8 && wait <= 15);
  ck_assert(fake_event(node, "StartFailed"));
  /* and its removal does not wait for that */
  fake_node_remove(node, "a.yaml");
  fake_wait(fake_guest(node, "a") == NULL);
  ck_assert_uint_eq(node->removals, 1);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

START_TEST(bad_file_touches_nothing_else) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  FakeLauncher *launcher = fake_bring_up(node, "a");
  fake_node_write(node, "bad.yaml", "kind: [\n");
  fake_wait(fake_event(node, "InvalidManifest"));
  fake_node_write(node, "a.yaml", "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: a}\nspec: {runStrategy: Sometimes, template: {spec: {domain: {devices: {}}}}}\n");
  fake_wait(fake_guest(node, "a")->object->problem != NULL);
  fake_settle();
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_RUNNING);
  ck_assert(g_str_has_prefix(fake_guest(node, "a")->object->problem, "a.yaml:4: spec.runStrategy"));
  ck_assert(!fake_launcher_got(launcher, "shutdown"));
  fake_write_vm(node, "a", "Always");
  fake_wait(fake_guest(node, "a")->object->problem == NULL);
  ck_assert_uint_eq(node->starts, 1);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

START_TEST(claims) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  g_autofree char *vm = fake_vm("a", "Always");
  g_autoptr(GString) text = g_string_new(vm);
  g_string_replace(text, "containerDisk: {image: test/disk}", "persistentVolumeClaim: {claimName: data}", 0);
  fake_node_write(node, "a.yaml", text->str);
  fake_wait(fake_event(node, "FailedPvcNotFound"));
  g_autofree char *printable = fake_printable(node, "a");
  ck_assert_str_eq(printable, "ErrorPvcNotFound");
  fake_node_write(node, "data.yaml", "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}\n");
  fake_wait(node->starts == 1);
  struct stat file;
  wry_autofd int fd = wry_vopen(node->state, "pvc/default/data/disk.img", 0, 0, WRY_WANT_FILE, NULL);
  ck_assert(fd >= 0 && fstat(fd, &file) == 0 && file.st_size == 1 << 20);
  /* the data stays as long as a VMI uses it */
  fake_node_remove(node, "data.yaml");
  fake_settle();
  ck_assert_uint_eq(node->claim_removals, 0);
  fake_node_remove(node, "a.yaml");
  fake_wait(fake_life(node, "a") == WRY_LIFE_STOPPING);
  fake_node_kill(node, fake_vmi(node, "a"));
  fake_wait(node->claim_removals == 1);
  fake_wait(!wry_vexists(node->state, "pvc/default/data"));
  fake_node_free(node);
}
END_TEST

START_TEST(single_vmi) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_node_write(node, "s.yaml", "apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\nmetadata: {name: s}\nspec: {domain: {memory: {guest: 64Mi}, devices: {autoattachPodInterface: false}}}\n");
  FakeLauncher *launcher = fake_bring_up(node, "s");
  ck_assert_str_eq(fake_vmi(node, "s"), wry_object_meta(fake_guest(node, "s")->object)->uid);
  fake_launcher_report(launcher, "Shutoff", "Shutdown", NULL);
  fake_wait(fake_life(node, "s") == WRY_LIFE_OVER);
  fake_settle();
  ck_assert_int_eq(fake_phase(node, "s"), WRY_PHASE_SUCCEEDED);
  ck_assert_uint_eq(node->starts, 1);
  fake_node_remove(node, "s.yaml");
  fake_wait(fake_guest(node, "s") == NULL);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fleet");
  TCase *tests = tcase_create("fleet");
  g_setenv("WRY_LOG_LEVEL", "error", FALSE);
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, a_vm_runs);
  tcase_add_test(tests, removal_stops_and_forgets);
  tcase_add_loop_test(tests, strategies, 0, G_N_ELEMENTS(endings));
  tcase_add_test(tests, halted_and_manual_wait);
  tcase_add_test(tests, init_dies);
  tcase_add_test(tests, last_word_counts);
  tcase_add_test(tests, launcher_restarts);
  tcase_add_test(tests, strangers_are_refused);
  tcase_add_test(tests, missing_image_waits);
  tcase_add_test(tests, no_kvm_is_unschedulable);
  tcase_add_test(tests, refused_start_is_tried_again);
  tcase_add_test(tests, failed_start_backs_off);
  tcase_add_test(tests, bad_file_touches_nothing_else);
  tcase_add_test(tests, claims);
  tcase_add_test(tests, single_vmi);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
