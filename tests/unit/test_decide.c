/* handler/decide.c and handler/verbs.c: every run strategy in every situation, back-off, and the verbs' verdicts. */
#include <check.h>
#include <stdlib.h>

#include "handler/decide.h"
#include "handler/verbs.h"

typedef enum { ABSENT, LIVE, SUCCEEDED, FAILED, LEAVING } Situation;

static WrySeen seen(WryStrategy strategy, Situation situation) {
  WrySeen now = {.strategy = strategy, .acted = strategy, .vmi = situation != ABSENT, .deleting = situation == LEAVING};
  now.phase = situation == SUCCEEDED ? WRY_PHASE_SUCCEEDED : situation == FAILED ? WRY_PHASE_FAILED : situation == ABSENT ? WRY_PHASE_NONE : WRY_PHASE_RUNNING;
  return now;
}

/* acted upon already, no request, no back-off */
static const struct { WryStrategy strategy; WryDo absent, live, succeeded, failed, leaving; } calm[] = {
    {WRY_STRATEGY_ALWAYS, WRY_DO_CREATE, WRY_DO_NOTHING, WRY_DO_DELETE, WRY_DO_DELETE, WRY_DO_NOTHING},
    {WRY_STRATEGY_RERUN, WRY_DO_NOTHING, WRY_DO_NOTHING, WRY_DO_DELETE, WRY_DO_DELETE, WRY_DO_NOTHING},
    {WRY_STRATEGY_ONCE, WRY_DO_NOTHING, WRY_DO_NOTHING, WRY_DO_NOTHING, WRY_DO_NOTHING, WRY_DO_NOTHING},
    {WRY_STRATEGY_MANUAL, WRY_DO_NOTHING, WRY_DO_NOTHING, WRY_DO_NOTHING, WRY_DO_NOTHING, WRY_DO_NOTHING},
    {WRY_STRATEGY_HALTED, WRY_DO_NOTHING, WRY_DO_DELETE, WRY_DO_DELETE, WRY_DO_DELETE, WRY_DO_NOTHING},
    {WRY_STRATEGY_SINGLE, WRY_DO_NOTHING, WRY_DO_NOTHING, WRY_DO_NOTHING, WRY_DO_NOTHING, WRY_DO_NOTHING},
    {WRY_STRATEGY_NONE, WRY_DO_NOTHING, WRY_DO_NOTHING, WRY_DO_NOTHING, WRY_DO_NOTHING, WRY_DO_NOTHING},
};

START_TEST(strategies) {
  const WryDo want[] = {calm[_i].absent, calm[_i].live, calm[_i].succeeded, calm[_i].failed, calm[_i].leaving};
  for (Situation situation = ABSENT; situation <= LEAVING; situation++) {
    WrySeen now = seen(calm[_i].strategy, situation);
    WryDecision decision = wry_decide(&now);
    ck_assert_msg(decision.act == want[situation], "strategy %d, situation %d: %d", calm[_i].strategy, situation, decision.act);
    ck_assert(decision.settle == (situation != LEAVING));
    ck_assert(decision.ask_start == (calm[_i].strategy == WRY_STRATEGY_RERUN && situation == FAILED));
  }
}
END_TEST

START_TEST(newly_set) {
  const struct { WryStrategy strategy; gboolean makes; } rows[] = {
      {WRY_STRATEGY_ALWAYS, TRUE}, {WRY_STRATEGY_RERUN, TRUE}, {WRY_STRATEGY_ONCE, TRUE}, {WRY_STRATEGY_MANUAL, FALSE}, {WRY_STRATEGY_HALTED, FALSE}, {WRY_STRATEGY_SINGLE, TRUE}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    WrySeen now = seen(rows[i].strategy, ABSENT);
    now.acted = WRY_STRATEGY_NONE;
    WryDecision decision = wry_decide(&now);
    ck_assert_int_eq(decision.act, rows[i].makes ? WRY_DO_CREATE : WRY_DO_NOTHING);
  }
}
END_TEST

START_TEST(start_request) {
  const struct { WryStrategy strategy; gboolean makes; } rows[] = {{WRY_STRATEGY_MANUAL, TRUE}, {WRY_STRATEGY_RERUN, TRUE}, {WRY_STRATEGY_HALTED, FALSE}, {WRY_STRATEGY_ONCE, FALSE}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    WrySeen now = seen(rows[i].strategy, ABSENT);
    now.start = TRUE;
    WryDecision decision = wry_decide(&now);
    ck_assert_int_eq(decision.act, rows[i].makes ? WRY_DO_CREATE : WRY_DO_NOTHING);
    ck_assert(!decision.pop_start);
    now = seen(rows[i].strategy, LIVE);
    now.start = TRUE;
    decision = wry_decide(&now);
    ck_assert(decision.pop_start);
  }
}
END_TEST

START_TEST(stop_request) {
  WrySeen now = seen(WRY_STRATEGY_ALWAYS, LIVE);
  now.stop = now.start = TRUE;
  WryDecision decision = wry_decide(&now);
  ck_assert_int_eq(decision.act, WRY_DO_DELETE);
  ck_assert(!decision.pop_start && !decision.pop_stop);
  now = seen(WRY_STRATEGY_MANUAL, FAILED);
  now.stop = TRUE;
  ck_assert_int_eq(wry_decide(&now).act, WRY_DO_DELETE);
  now = seen(WRY_STRATEGY_MANUAL, LEAVING);
  now.stop = TRUE;
  ck_assert_int_eq(wry_decide(&now).act, WRY_DO_NOTHING);
  now = seen(WRY_STRATEGY_MANUAL, ABSENT);
  now.stop = TRUE;
  ck_assert(wry_decide(&now).pop_stop);
}
END_TEST

START_TEST(removed) {
  const WryDo want[] = {WRY_DO_FORGET, WRY_DO_DELETE, WRY_DO_DELETE, WRY_DO_DELETE, WRY_DO_NOTHING};
  for (WryStrategy strategy = WRY_STRATEGY_NONE; strategy < WRY_STRATEGIES; strategy++)
    for (Situation situation = ABSENT; situation <= LEAVING; situation++) {
      WrySeen now = seen(strategy, situation);
      now.removed = TRUE;
      ck_assert_int_eq(wry_decide(&now).act, want[situation]);
      ck_assert(!wry_decide(&now).settle);
    }
}
END_TEST

START_TEST(back_off) {
  WrySeen now = seen(WRY_STRATEGY_ALWAYS, ABSENT);
  now.retry_seconds = 7;
  WryDecision decision = wry_decide(&now);
  ck_assert_int_eq(decision.act, WRY_DO_WAIT);
  ck_assert_int_eq(decision.wait_seconds, 7);
  ck_assert(!decision.settle);
  now = seen(WRY_STRATEGY_MANUAL, ABSENT);
  now.start = TRUE;
  now.retry_seconds = 7;
  ck_assert_int_eq(wry_decide(&now).act, WRY_DO_CREATE);
  now = seen(WRY_STRATEGY_ALWAYS, FAILED);
  now.retry_seconds = 7;
  ck_assert_int_eq(wry_decide(&now).act, WRY_DO_DELETE);
}
END_TEST

/* 10 s x count squared, plus up to half, at most 300 s */
START_TEST(back_off_seconds) {
  ck_assert_int_eq(wry_backoff_seconds(0, 1.0), 0);
  ck_assert_int_eq(wry_backoff_seconds(-3, 1.0), 0);
  ck_assert_int_eq(wry_backoff_seconds(1, 0.0), 10);
  ck_assert_int_eq(wry_backoff_seconds(1, 1.0), 15);
  ck_assert_int_eq(wry_backoff_seconds(2, 0.0), 40);
  ck_assert_int_eq(wry_backoff_seconds(5, 0.0), 250);
  ck_assert_int_eq(wry_backoff_seconds(5, 1.0), 300);
  ck_assert_int_eq(wry_backoff_seconds(6, 0.0), 300);
  ck_assert_int_eq(wry_backoff_seconds(G_MAXINT64, 1.0), 300);
}
END_TEST

/* --- verbs --------------------------------------------------------------------------------------------------------------------------------------------- */
static WryInstance *instance(WryPhase phase) {
  WryVmi *vmi = wry_struct_new(&wry_vmi_type);
  vmi->spec = wry_struct_new(&wry_vmi_spec_type);
  vmi->spec->domain = wry_struct_new(&wry_domain_type);
  WryInstance *made = wry_instance_new(vmi, "11111111-1111-1111-1111-111111111111", "2024-01-01T00:00:00Z");
  wry_instance_enter(made, phase, "2024-01-01T00:00:00Z");
  return made;
}

/* phase WRY_PHASE_NONE: no VMI. message NULL: accepted. */
static const struct { const char *verb; WryStrategy strategy; WryPhase phase; int code; const char *message; } verdicts[] = {
    {"start", WRY_STRATEGY_HALTED, WRY_PHASE_NONE, 0, NULL},
    {"start", WRY_STRATEGY_MANUAL, WRY_PHASE_NONE, 0, NULL},
    {"start", WRY_STRATEGY_MANUAL, WRY_PHASE_SUCCEEDED, 0, NULL},
    {"start", WRY_STRATEGY_HALTED, WRY_PHASE_RUNNING, 409, "VM is already running"},
    {"start", WRY_STRATEGY_RERUN, WRY_PHASE_FAILED, 409, "RerunOnFailure does not support starting VM from failed state"},
    {"start", WRY_STRATEGY_ALWAYS, WRY_PHASE_NONE, 409, "Always does not support manual start requests"},
    {"start", WRY_STRATEGY_ONCE, WRY_PHASE_NONE, 409, "Once does not support manual start requests"},
    {"stop", WRY_STRATEGY_ALWAYS, WRY_PHASE_RUNNING, 0, NULL},
    {"stop", WRY_STRATEGY_ALWAYS, WRY_PHASE_NONE, 0, NULL},
    {"stop", WRY_STRATEGY_MANUAL, WRY_PHASE_RUNNING, 0, NULL},
    {"stop", WRY_STRATEGY_MANUAL, WRY_PHASE_NONE, 409, "VM is not running"},
    {"stop", WRY_STRATEGY_RERUN, WRY_PHASE_FAILED, 409, "VM is not running"},
    {"stop", WRY_STRATEGY_HALTED, WRY_PHASE_NONE, 409, "VM is not running"},
    {"stop", WRY_STRATEGY_HALTED, WRY_PHASE_RUNNING, 409, "Halted does not support manual stop requests"},
    {"restart", WRY_STRATEGY_ALWAYS, WRY_PHASE_RUNNING, 0, NULL},
    {"restart", WRY_STRATEGY_ALWAYS, WRY_PHASE_NONE, 409, "VM is not running"},
    {"restart", WRY_STRATEGY_HALTED, WRY_PHASE_NONE, 409, "Halted does not support manual restart requests"},
    {"restart", WRY_STRATEGY_ONCE, WRY_PHASE_RUNNING, 409, "Once does not support manual restart requests"},
    {"pause", WRY_STRATEGY_ALWAYS, WRY_PHASE_RUNNING, 0, NULL},
    {"pause", WRY_STRATEGY_ALWAYS, WRY_PHASE_SCHEDULED, 409, "VMI is not running"},
    {"unpause", WRY_STRATEGY_ALWAYS, WRY_PHASE_RUNNING, 409, "VMI is not paused"},
    {"softreboot", WRY_STRATEGY_ALWAYS, WRY_PHASE_RUNNING, 0, NULL},
    {"softreboot", WRY_STRATEGY_ALWAYS, WRY_PHASE_NONE, 409, "VMI is not running"},
    {"reset", WRY_STRATEGY_ALWAYS, WRY_PHASE_RUNNING, 0, NULL},
    {"reset", WRY_STRATEGY_ALWAYS, WRY_PHASE_FAILED, 409, "VMI is not running"},
};

START_TEST(verbs) {
  WryInstance *vmi = verdicts[_i].phase == WRY_PHASE_NONE ? NULL : instance(verdicts[_i].phase);
  WryVerbView view = {"vm1", verdicts[_i].strategy, vmi};
  WryVerbOptions options = {0};
  g_auto(WryVerbPlan) plan = {0};
  ck_assert(wry_verb_plan(verdicts[_i].verb, TRUE, &view, &options, &plan));
  ck_assert_int_eq(plan.code, verdicts[_i].code);
  if (verdicts[_i].message) {
    ck_assert_ptr_nonnull(strstr(plan.message, verdicts[_i].message));
    ck_assert_ptr_nonnull(strstr(plan.message, "Operation cannot be fulfilled on virtualmachine"));
  }
  wry_instance_free(vmi);
}
END_TEST

START_TEST(verb_effects) {
  WryInstance *vmi = instance(WRY_PHASE_RUNNING);
  WryVerbView view = {"vm1", WRY_STRATEGY_ALWAYS, vmi};
  WryVerbOptions options = {0};
  g_auto(WryVerbPlan) plan = {0};
  wry_verb_plan("stop", TRUE, &view, &options, &plan);
  ck_assert(plan.kind == WRY_VERB_RECORD && plan.strategy == WRY_STRATEGY_HALTED && !plan.stop);
  wry_verb_plan("restart", TRUE, &view, &options, &plan);
  ck_assert(plan.stop && plan.start && plan.strategy == WRY_STRATEGY_NONE && !plan.grace.set);
  options.force = TRUE;
  options.grace = (WryOptInt){TRUE, 0};
  wry_verb_plan("restart", TRUE, &view, &options, &plan);
  ck_assert(plan.grace.set && plan.grace.v == 1);
  options.grace.v = 5;
  wry_verb_plan("restart", TRUE, &view, &options, &plan);
  ck_assert_int_eq(plan.code, 400);
  wry_verb_plan_clear(&plan);
  WryVerbView halted = {"vm1", WRY_STRATEGY_HALTED, NULL};
  options = (WryVerbOptions){.paused = TRUE};
  wry_verb_plan("start", TRUE, &halted, &options, &plan);
  ck_assert(plan.strategy == WRY_STRATEGY_ALWAYS && plan.start && plan.start_paused && plan.clear_failure);
  /* a shorter grace than the present one is a reason to stop a halted VM again */
  WryVerbView stopping = {"vm1", WRY_STRATEGY_HALTED, vmi};
  options = (WryVerbOptions){.grace = {TRUE, 1}};
  wry_verb_plan("stop", TRUE, &stopping, &options, &plan);
  ck_assert_int_eq(plan.kind, WRY_VERB_RECORD);
  ck_assert(!wry_verb_plan("start", FALSE, &view, &options, &plan));
  ck_assert(!wry_verb_plan("fly", TRUE, &view, &options, &plan));
  ck_assert(!wry_verb_plan(NULL, TRUE, &view, &options, &plan));
  wry_instance_free(vmi);
}
END_TEST

START_TEST(pause_refused_with_liveness) {
  WryInstance *vmi = instance(WRY_PHASE_RUNNING);
  vmi->object->spec->livenessProbe = g_new0(WryProbe, 1);
  vmi->object->spec->livenessProbe->tcpSocket = json_object_new_object();
  WryVerbView view = {"vm1", WRY_STRATEGY_ALWAYS, vmi};
  WryVerbOptions options = {0};
  g_auto(WryVerbPlan) plan = {0};
  wry_verb_plan("pause", FALSE, &view, &options, &plan);
  ck_assert_int_eq(plan.code, 403);
  wry_instance_free(vmi);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("decide");
  TCase *tests = tcase_create("decide");
  tcase_add_loop_test(tests, strategies, 0, G_N_ELEMENTS(calm));
  tcase_add_test(tests, newly_set);
  tcase_add_test(tests, start_request);
  tcase_add_test(tests, stop_request);
  tcase_add_test(tests, removed);
  tcase_add_test(tests, back_off);
  tcase_add_test(tests, back_off_seconds);
  tcase_add_loop_test(tests, verbs, 0, G_N_ELEMENTS(verdicts));
  tcase_add_test(tests, verb_effects);
  tcase_add_test(tests, pause_refused_with_liveness);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
