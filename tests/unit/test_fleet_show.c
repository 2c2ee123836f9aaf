/* handler/fleet_show.c: what a changed manifest shows of a VM that runs. */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/support_fleet.h"

/* Status of the VM's condition, or "" when it is not there. New string. */
static char *vm_condition(FakeNode *node, const char *name, const char *type) {
  g_autoptr(WryJson) vm = wry_guest_vm_json(fake_guest(node, name));
  WryJson *list = wry_json_path(vm, "status.conditions");
  for (gsize i = 0; i < json_object_array_length(list); i++) {
    WryJson *condition = json_object_array_get_idx(list, i);
    if (strcmp(wry_json_str(condition, "type"), type) == 0) return g_strdup(wry_json_str(condition, "status"));
  }
  return g_strdup("");
}

static void expect_condition(FakeNode *node, const char *type, const char *status) {
  g_autofree char *found = vm_condition(node, "a", type);
  ck_assert_str_eq(found, status);
}

/* Writes the manifest with a part of it replaced, and waits until it is known. */
static void change(FakeNode *node, const char *part, const char *by) {
  g_autofree char *text = fake_vm("a", "Always");
  g_autoptr(GString) edited = g_string_new(text);
  ck_assert_uint_gt(g_string_replace(edited, part, by, 1), 0);
  fake_node_write(node, "a.yaml", edited->str);
  gint64 before = wry_object_meta(fake_guest(node, "a")->object)->generation.v;
  fake_wait(wry_object_meta(fake_guest(node, "a")->object)->generation.v != before);
  fake_settle();
}

START_TEST(restart_required) {
  FakeNode *node = fake_node_new();
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  FakeLauncher *launcher = fake_bring_up(node, "a");
  expect_condition(node, "RestartRequired", "");
  change(node, "containerDisk: {image: test/disk}", "containerDisk: {image: test/other}");
  expect_condition(node, "RestartRequired", "True");
  ck_assert_uint_eq(node->starts, 1);
  change(node, "test/disk", "test/disk"); /* as it was */
  expect_condition(node, "RestartRequired", "");
  change(node, "runStrategy: Always", "runStrategy: RerunOnFailure");
  expect_condition(node, "RestartRequired", "");
  change(node, "test/disk", "test/other");
  fake_launcher_report(launcher, "Shutoff", "Crashed", "QEMUKilled");
  fake_wait(node->starts == 2);
  expect_condition(node, "RestartRequired", "");
  fake_launcher_free(launcher);
  fake_node_free(node);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fleet show");
  TCase *tests = tcase_create("fleet show");
  g_setenv("WRY_LOG_LEVEL", "error", FALSE);
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, restart_required);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
