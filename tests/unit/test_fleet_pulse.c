/* handler/fleet_pulse.c and the pings of handler/launchers.c: launchers that hang, are slow, or are not there. */
#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/support_fleet.h"

static const WryPulse quick = {.every = 20, .answer = 60, .slow = 400, .absent = 5000};
static const WryPulse impatient = {.every = 5000, .answer = 5000, .slow = 5000, .absent = 80};

static FakeNode *begin(const WryPulse *pulse) {
  FakeNode *node = fake_node_new();
  node->options.pulse = pulse;
  fake_node_begin(node);
  fake_write_vm(node, "a", "Always");
  return node;
}

static guint count(const FakeLauncher *launcher, const char *message) {
  guint n = 0;
  for (guint i = 0; i < launcher->received->len; i++) n += strcmp(launcher->received->pdata[i], message) == 0;
  return n;
}

static const WryCondition *degraded(FakeNode *node) { return wry_condition_find(wry_guest_vmi(fake_guest(node, "a"))->conditions, "LauncherDegraded"); }

static void end(FakeNode *node, FakeLauncher *launcher) {
  fake_launcher_free(launcher);
  fake_node_free(node);
}

START_TEST(an_answer_is_enough) {
  FakeNode *node = begin(&quick);
  FakeLauncher *launcher = fake_bring_up(node, "a");
  fake_wait(count(launcher, "ping") >= 8);
  ck_assert(!launcher->closed && node->run_kills == 0 && !degraded(node) && !fake_event(node, "LauncherUnresponsive"));
  end(node, launcher);
}
END_TEST

START_TEST(a_hung_launcher_is_killed_and_comes_back) {
  FakeNode *node = begin(&quick);
  fake_node_state(node, "1 (launcher) T 0 1\n");
  FakeLauncher *launcher = fake_bring_up(node, "a");
  launcher->hangs = TRUE;
  fake_wait(launcher->closed && node->run_kills == 1);
  ck_assert_int_eq(fake_phase(node, "a"), WRY_PHASE_RUNNING);
  ck_assert(degraded(node) && fake_event(node, "LauncherUnresponsive"));
  ck_assert_str_eq(degraded(node)->reason, "Unresponsive");
  ck_assert_str_eq(degraded(node)->status, "True");
  fake_launcher_free(launcher);
  launcher = fake_launcher_new(node, fake_vmi(node, "a"));
  fake_wait(fake_launcher_got(launcher, "sync"));
  fake_wait(count(launcher, "ping") >= 2);
  ck_assert(!degraded(node) && node->run_kills == 1 && node->starts == 1);
  end(node, launcher);
}
END_TEST

/* One that only lacks a processor, or a disk, has more time; not all the time there is. */
START_TEST(a_slow_launcher_has_longer) {
  static const char *const states[] = {"1 (launcher) R 0 1\n", "1 (a) b) D 0 1\n"};
  FakeNode *node = begin(&quick);
  fake_node_state(node, states[_i]);
  FakeLauncher *launcher = fake_bring_up(node, "a");
  launcher->hangs = TRUE;
  guint before = count(launcher, "ping");
  fake_wait(count(launcher, "ping") > before);
  gint64 asked = g_get_monotonic_time();
  fake_wait(launcher->closed);
  ck_assert_int_ge(g_get_monotonic_time() - asked, (gint64)(quick.slow - quick.answer) * 1000);
  end(node, launcher);
}
END_TEST

/* What waits for the guest holds up later requests, but is no hang. */
START_TEST(requests_that_wait_are_no_silence) {
  FakeNode *node = begin(&quick);
  FakeLauncher *launcher = fake_bring_up(node, "a");
  launcher->hold = TRUE;
  wry_guest_stop(fake_guest(node, "a"), 60);
  fake_wait(fake_launcher_got(launcher, "shutdown"));
  guint before = count(launcher, "ping");
  fake_wait(count(launcher, "ping") >= before + 8);
  ck_assert(!launcher->closed && node->run_kills == 0);
  end(node, launcher);
}
END_TEST

/* A pong out of turn is not a breach, and brings no ping sooner. */
START_TEST(pongs_that_nobody_asked_for) {
  FakeNode *node = begin(&impatient);
  FakeLauncher *launcher = fake_bring_up(node, "a");
  for (gint64 seq = -1; seq < 40; seq++) {
    WryMsgPlain pong = {{TRUE, seq}};
    ck_assert(wry_wire_send(launcher->wire, WRY_MSG_PONG, &pong, NULL, 0, NULL));
  }
  fake_settle();
  ck_assert(!launcher->closed && count(launcher, "ping") == 0);
  end(node, launcher);
}
END_TEST

/* Also one that a new handler finds, and that never connects to it. */
START_TEST(an_absent_launcher_is_killed) {
  FakeNode *node = begin(&quick);
  FakeLauncher *launcher = fake_bring_up(node, "a");
  fake_node_crash(node);
  fake_launcher_free(launcher);
  node->options.pulse = &impatient;
  fake_node_begin(node);
  fake_wait(node->run_kills >= 2);
  ck_assert(degraded(node) && fake_event(node, "LauncherNotConnected"));
  ck_assert_str_eq(degraded(node)->reason, "NotConnected");
  launcher = fake_launcher_new(node, fake_vmi(node, "a"));
  fake_wait(fake_launcher_got(launcher, "sync"));
  fake_settle();
  guint kills = node->run_kills;
  fake_settle();
  ck_assert(!degraded(node) && node->run_kills == kills && node->starts == 1);
  end(node, launcher);
}
END_TEST

START_TEST(state_of_a_process) {
  static const struct { const char *text; char state; } cases[] = {
      {"7 (launcher) S 1", 'S'}, {"7 (a) R) T 1", 'T'}, {"7 (x)", '\0'}, {"", '\0'}, {"7 (x", '\0'}, {"7 (x)R", '\0'}, {"7 (x) ", '\0'},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) ck_assert_int_eq(wry_stat_state(cases[i].text), cases[i].state);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fleet_pulse");
  TCase *all = tcase_create("all");
  g_setenv("WRY_LOG_LEVEL", "error", FALSE);
  tcase_set_timeout(all, 30);
  tcase_add_test(all, an_answer_is_enough);
  tcase_add_test(all, a_hung_launcher_is_killed_and_comes_back);
  tcase_add_loop_test(all, a_slow_launcher_has_longer, 0, 2);
  tcase_add_test(all, requests_that_wait_are_no_silence);
  tcase_add_test(all, pongs_that_nobody_asked_for);
  tcase_add_test(all, an_absent_launcher_is_killed);
  tcase_add_test(all, state_of_a_process);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
