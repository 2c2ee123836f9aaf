/* handler/fleet*.c: what outlives the handler: kill -9 at any time, reboots, records, sandboxes without a VM. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "tests/unit/support_fleet.h"
#include "wherry/fd.h"
#include "wherry/record.h"
#include "wherry/vpath.h"

/* kill -9 of the handler at any time of a life: the guest is taken over, never started twice. */
START_TEST(adopted_after_crash) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  FakeLauncher *launcher = fake_bring_up(node, "a");
  g_autofree char *vmi = g_strdup(fake_vmi(node, "a"));
  fake_node_crash(node);
  fake_launcher_free(launcher);
  fake_node_begin(node);
  fake_wait(fake_life(node, "a") == WRY_LIFE_RUNNING);
  launcher = fake_launcher_new(node, vmi);
  fake_wait(fake_launcher_got(launcher, "sync"));
  ck_assert_str_eq(json_object_get_string(wry_json_path(launcher->bundle, "interfaces[0].guest4")), "10.0.2.2");
  fake_launcher_report(launcher, "Running", NULL, NULL);
  fake_settle();
  ck_assert_uint_eq(node->starts, 1);
  ck_assert_str_eq(vmi, fake_vmi(node, "a"));
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_RUNNING);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

/* The handler dies between asking for the sandbox and hearing of it: what was made is removed and made again. */
START_TEST(crash_while_starting) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  fake_wait(node->starts == 1);
  fake_node_crash(node);
  fake_node_begin(node);
  fake_wait(fake_life(node, "a") == WRY_LIFE_BOOTING);
  ck_assert_uint_eq(fake_node_alive(node), 1);
  fake_node_free(node);
}
END_TEST

/* It ended while no handler was there; its record says how. */
START_TEST(final_record_is_read) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", "Once");
  FakeLauncher *launcher = fake_bring_up(node, "a");
  g_autofree char *vmi = g_strdup(fake_vmi(node, "a")), *vm = g_strdup(wry_object_meta(fake_guest(node, "a")->object)->uid);
  fake_node_crash(node);
  fake_launcher_free(launcher);
  g_autofree char *path = g_strdup_printf("vms/%s", vm), *body = g_strdup_printf("{\"vmi\":\"%s\",\"report\":{\"state\":\"Shutoff\",\"reason\":\"Shutdown\"}}", vmi);
  wry_autofd int fd = wry_vmkdir(node->state, path, 0755, NULL);
  ck_assert(wry_record_write(fd, WRY_FINAL_RECORD, body, strlen(body), NULL));
  fake_node_kill(node, vmi);
  fake_node_begin(node);
  fake_wait(fake_life(node, "a") == WRY_LIFE_OVER);
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_SUCCEEDED);
  ck_assert_ptr_null(fake_node_sandbox(node, vmi));
  fake_node_free(node);
}
END_TEST

/* After a reboot nothing lives: Always comes back, Once has failed. */
START_TEST(reboot) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  fake_write_vm(node, "o", "Once");
  FakeLauncher *first = fake_bring_up(node, "a"), *second = fake_bring_up(node, "o");
  g_autofree char *a = g_strdup(fake_vmi(node, "a")), *o = g_strdup(fake_vmi(node, "o"));
  fake_node_crash(node);
  fake_launcher_free(first);
  fake_launcher_free(second);
  fake_node_kill(node, a);
  fake_node_kill(node, o);
  node->options.boot_id = "boot2";
  fake_node_begin(node);
  fake_wait(node->starts == 3 && fake_life(node, "o") == WRY_LIFE_OVER);
  ck_assert_str_ne(a, fake_vmi(node, "a"));
  ck_assert_int_eq(fake_phase(node, "o"), WRY_PHASE_FAILED);
  ck_assert_str_eq(wry_guest_vmi(fake_guest(node, "o"))->reason, "NodeReboot");
  ck_assert(fake_event(node, "NodeReboot"));
  fake_node_free(node);
}
END_TEST

/* A sandbox that no object knows is ended, after a grace; what is new waits for that. */
START_TEST(orphans_end) {
  FakeNode *node = fake_node_new();
  g_strlcpy(node->sandboxes[0].vmi, "22222222-2222-2222-2222-222222222222", 40);
  node->sandboxes[0].alive = TRUE;
  node->sandboxes[0].death = dup(node->dirfd);
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  fake_wait(fake_guest(node, "a") != NULL && node->fleet->orphan_timer != 0);
  fake_settle();
  ck_assert_uint_eq(node->starts, 0);
  ck_assert_uint_eq(node->fleet->orphans, 1);
  fake_node_free(node);
}
END_TEST

static void on_all_stopped(gpointer data) { *(gboolean *)data = TRUE; }

/* The handler's end with its guests: each has its grace period, and comes back with the next handler where its strategy says so. */
START_TEST(stop_all) {
  FakeNode *node = fake_node_new();
  gboolean done = FALSE;
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  fake_write_vm(node, "r", "RerunOnFailure");
  fake_write_vm(node, "o", "Once");
  const char *const names[] = {"a", "r", "o"};
  FakeLauncher *launchers[3];
  for (guint i = 0; i < 3; i++) launchers[i] = fake_bring_up(node, names[i]);
  node->image_there = FALSE;
  fake_write_vm(node, "waits", "Always");
  fake_wait(fake_life(node, "waits") == WRY_LIFE_NEW);
  wry_fleet_stop_all(node->fleet, -1, on_all_stopped, &done);
  for (guint i = 0; i < 3; i++) {
    fake_wait(fake_launcher_got(launchers[i], "shutdown"));
    fake_launcher_report(launchers[i], "Shutoff", "Shutdown", NULL);
  }
  fake_wait(done);
  ck_assert_uint_eq(fake_node_alive(node), 0);
  ck_assert_uint_eq(node->starts, 3);
  for (guint i = 0; i < 3; i++) fake_launcher_free(launchers[i]);
  fake_node_crash(node);
  node->image_there = TRUE;
  fake_node_begin(node);
  fake_wait(node->starts == 6); /* a, r and the one that waited */
  fake_settle();
  ck_assert_uint_eq(node->starts, 6);
  ck_assert_str_eq(wry_guest_vmi(fake_guest(node, "o"))->reason, "NodeShutdown");
  fake_node_free(node);
}
END_TEST

/* An orderly shutdown of the node ends the guests without a handler; that is no wish of the guests. */
START_TEST(orderly_reboot) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "r", "RerunOnFailure");
  FakeLauncher *launcher = fake_bring_up(node, "r");
  g_autofree char *vmi = g_strdup(fake_vmi(node, "r")), *vm = g_strdup(wry_object_meta(fake_guest(node, "r")->object)->uid);
  fake_node_crash(node);
  fake_launcher_free(launcher);
  g_autofree char *path = g_strdup_printf("vms/%s", vm), *body = g_strdup_printf("{\"vmi\":\"%s\",\"report\":{\"state\":\"Shutoff\",\"reason\":\"Shutdown\"}}", vmi);
  wry_autofd int fd = wry_vmkdir(node->state, path, 0755, NULL);
  ck_assert(wry_record_write(fd, WRY_FINAL_RECORD, body, strlen(body), NULL));
  fake_node_kill(node, vmi);
  node->options.boot_id = "boot2";
  fake_node_begin(node);
  fake_wait(node->starts == 2);
  ck_assert(fake_event(node, "NodeReboot"));
  fake_node_free(node);
}
END_TEST

/* A record that cannot be written: nothing is started that no record tells of; it goes on by itself. */
START_TEST(no_start_without_record) {
  FakeNode *node = fake_node_new();
  wry_autofd int objects = dup(node->objects);
  fake_node_begin(node);
  wry_autofd int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  ck_assert_int_ge(dup2(null, node->objects), 0);
  fake_write_vm(node, "a", "Always");
  fake_wait(fake_guest(node, "a") && wry_guest_vmi(fake_guest(node, "a")) && wry_condition_find(wry_guest_vmi(fake_guest(node, "a"))->conditions, "Synchronized"));
  fake_settle();
  ck_assert_uint_eq(node->starts, 0);
  ck_assert_int_ge(dup2(objects, node->objects), 0);
  fake_wait(node->starts == 1);
  fake_node_free(node);
}
END_TEST

/* A stop holds after a crash, until the manifest says something else. */
START_TEST(stop_outlives_the_handler) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  FakeLauncher *launcher = fake_bring_up(node, "a");
  WryGuest *guest = fake_guest(node, "a");
  guest->object->state->strategy = g_strdup("Halted");
  ck_assert(wry_fleet_save(guest, NULL));
  wry_fleet_kick(guest);
  fake_wait(fake_launcher_got(launcher, "shutdown"));
  fake_node_crash(node);
  fake_launcher_free(launcher);
  fake_node_begin(node);
  fake_wait(fake_life(node, "a") == WRY_LIFE_STOPPING);
  launcher = fake_launcher_new(node, fake_vmi(node, "a"));
  fake_wait(fake_launcher_got(launcher, "shutdown")); /* told again, with what is left of the grace period */
  ck_assert_int_le(launcher->grace, 30);
  fake_launcher_report(launcher, "Shutoff", "Shutdown", NULL);
  fake_wait(!wry_guest_vmi(fake_guest(node, "a")));
  fake_settle();
  ck_assert_uint_eq(node->starts, 1);
  g_autofree char *text = fake_vm("a", "Always");
  g_autoptr(GString) changed = g_string_new(text);
  g_string_replace(changed, "128Mi", "256Mi", 0);
  fake_node_write(node, "a.yaml", changed->str);
  fake_wait(node->starts == 2);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

/* Removed while no handler was there. */
START_TEST(removed_meanwhile) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  FakeLauncher *launcher = fake_bring_up(node, "a");
  g_autofree char *vmi = g_strdup(fake_vmi(node, "a"));
  fake_node_crash(node);
  fake_launcher_free(launcher);
  fake_node_remove(node, "a.yaml");
  fake_node_begin(node);
  fake_wait(fake_life(node, "a") == WRY_LIFE_STOPPING);
  launcher = fake_launcher_new(node, vmi);
  fake_wait(fake_launcher_got(launcher, "shutdown"));
  fake_launcher_report(launcher, "Shutoff", "Shutdown", NULL);
  fake_wait(fake_guest(node, "a") == NULL);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

/* Its file is wrong when the handler starts: the last good spec is in force. */
START_TEST(bad_file_at_start) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  FakeLauncher *launcher = fake_bring_up(node, "a");
  fake_node_crash(node);
  fake_launcher_free(launcher);
  fake_node_write(node, "a.yaml", "kind: [\n");
  fake_node_begin(node);
  fake_wait(fake_life(node, "a") == WRY_LIFE_RUNNING);
  fake_settle();
  ck_assert_ptr_nonnull(fake_guest(node, "a")->object->problem);
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_RUNNING);
  fake_node_free(node);
}
END_TEST

/* The root half is gone: what was asked fails, what runs is left alone, and nothing is started. */
START_TEST(root_half_goes) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  FakeLauncher *launcher = fake_bring_up(node, "a");
  node->silent = TRUE;
  fake_write_vm(node, "b", "Always");
  fake_wait(fake_life(node, "b") == WRY_LIFE_STARTING);
  fake_settle();
  ck_assert_int_eq(shutdown(node->root_end, SHUT_RDWR), 0);
  fake_wait(fake_life(node, "b") == WRY_LIFE_ADOPTING);
  fake_settle();
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_RUNNING);
  ck_assert(!fake_launcher_got(launcher, "shutdown"));
  ck_assert_uint_eq(node->starts, 1);
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fleet_restart");
  TCase *tests = tcase_create("fleet_restart");
  g_setenv("WRY_LOG_LEVEL", "error", FALSE);
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, adopted_after_crash);
  tcase_add_test(tests, crash_while_starting);
  tcase_add_test(tests, final_record_is_read);
  tcase_add_test(tests, reboot);
  tcase_add_test(tests, orphans_end);
  tcase_add_test(tests, stop_all);
  tcase_add_test(tests, orderly_reboot);
  tcase_add_test(tests, no_start_without_record);
  tcase_add_test(tests, stop_outlives_the_handler);
  tcase_add_test(tests, removed_meanwhile);
  tcase_add_test(tests, bad_file_at_start);
  tcase_add_test(tests, root_half_goes);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
