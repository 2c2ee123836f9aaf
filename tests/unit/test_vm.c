/* The table of a VM's life: every cell is written, requests are never lost or obeyed in the wrong phase, and from every phase a kill leads to the end. */
#include "launcher/vm.h"
#include <check.h>
#include <stdlib.h>

static WryVmPhase next(WryVmPhase phase, WryVmEvent event) {
  return wry_vm_cell(phase, event)->next;
}

START_TEST(every_cell_is_written) {
  for (int p = 0; p < WRY_VM_PHASES; p++)
    for (int e = 0; e < WRY_VM_EVENTS; e++) {
      const WryVmCell *cell = wry_vm_cell(p, e);
      ck_assert_msg(cell->action != WRY_VM_UNWRITTEN && cell->action < WRY_VM_ACTIONS, "%s/%s", wry_vm_phase_name(p), wry_vm_event_name(e));
      ck_assert_msg(cell->next < WRY_VM_PHASES, "%s/%s", wry_vm_phase_name(p), wry_vm_event_name(e));
    }
}
END_TEST

START_TEST(what_changes_nothing_stays) {
  for (int p = 0; p < WRY_VM_PHASES; p++)
    for (int e = 0; e < WRY_VM_EVENTS; e++) {
      const WryVmCell *cell = wry_vm_cell(p, e);
      gboolean cancels = (p == WRY_VM_PREPARING || p == WRY_VM_STARTING) && (e == WRY_VM_EV_SHUTDOWN || e == WRY_VM_EV_KILL);
      if ((cell->action == WRY_VM_IMPOSSIBLE || cell->action == WRY_VM_IGNORE || cell->action == WRY_VM_REFUSE) && !cancels)
        ck_assert_msg(cell->next == p, "%s/%s", wry_vm_phase_name(p), wry_vm_event_name(e));
    }
}
END_TEST

START_TEST(requests_and_timers_are_never_impossible) {
  static const WryVmEvent outside[] = {WRY_VM_EV_BUNDLE, WRY_VM_EV_PAUSE, WRY_VM_EV_UNPAUSE, WRY_VM_EV_RESET, WRY_VM_EV_SOFTREBOOT, WRY_VM_EV_SHUTDOWN, WRY_VM_EV_KILL,
                                       WRY_VM_EV_AGAIN, WRY_VM_EV_GRACE_OVER, WRY_VM_EV_KILL_LATE, WRY_VM_EV_VERDICT, WRY_VM_EV_FINISH, WRY_VM_EV_LATE};
  for (int p = 0; p < WRY_VM_PHASES; p++)
    for (gsize i = 0; i < G_N_ELEMENTS(outside); i++)
      ck_assert_msg(wry_vm_cell(p, outside[i])->action != WRY_VM_IMPOSSIBLE, "%s/%s", wry_vm_phase_name(p), wry_vm_event_name(outside[i]));
}
END_TEST

/* QEMU can die in any phase in which it may live. */
START_TEST(death_is_seen_in_every_live_phase) {
  for (int p = 0; p < WRY_VM_PHASES; p++)
    if (wry_vm_is_live(p) || p == WRY_VM_ATTACHING || p == WRY_VM_CANCELLING) {
      ck_assert_int_eq(next(p, WRY_VM_EV_GONE), WRY_VM_ENDING);
      ck_assert_int_eq(wry_vm_cell(p, WRY_VM_EV_GONE)->action, WRY_VM_COLLECT);
    }
}
END_TEST

START_TEST(nothing_is_recorded_before_qemu_is_gone) {
  for (int p = 0; p < WRY_VM_PHASES; p++)
    for (int e = 0; e < WRY_VM_EVENTS; e++)
      if (wry_vm_cell(p, e)->action == WRY_VM_END) {
        ck_assert_msg(!wry_vm_is_live(p) && p != WRY_VM_ATTACHING, "%s/%s", wry_vm_phase_name(p), wry_vm_event_name(e));
        ck_assert_int_eq(next(p, e), WRY_VM_ENDED);
      }
  for (int p = 0; p < WRY_VM_PHASES; p++)
    for (int e = 0; e < WRY_VM_EVENTS; e++)
      if (next(p, e) == WRY_VM_OVER && p != WRY_VM_OVER)
        ck_assert_int_eq(p, WRY_VM_ENDED);
}
END_TEST

/* The guest is started once: no way leads from a later phase back to starting. */
START_TEST(a_vm_starts_once) {
  for (int p = WRY_VM_RUNNING; p < WRY_VM_PHASES; p++)
    for (int e = 0; e < WRY_VM_EVENTS; e++)
      ck_assert_msg(next(p, e) >= WRY_VM_RUNNING, "%s/%s", wry_vm_phase_name(p), wry_vm_event_name(e));
}
END_TEST

typedef struct { WryVmPhase from; WryVmEvent event; WryVmPhase to; WryVmAction action; } Step;
static const Step lives[] = {
  {WRY_VM_WAITING, WRY_VM_EV_BUNDLE, WRY_VM_PREPARING, WRY_VM_PREPARE},
  {WRY_VM_PREPARING, WRY_VM_EV_PREPARED, WRY_VM_STARTING, WRY_VM_START},
  {WRY_VM_STARTING, WRY_VM_EV_RUNS, WRY_VM_RUNNING, WRY_VM_LIVE},
  {WRY_VM_RUNNING, WRY_VM_EV_PAUSE, WRY_VM_RUNNING, WRY_VM_SUSPEND},
  {WRY_VM_RUNNING, WRY_VM_EV_HALTED, WRY_VM_PAUSED, WRY_VM_LIVE},
  {WRY_VM_PAUSED, WRY_VM_EV_SOFTREBOOT, WRY_VM_PAUSED, WRY_VM_REFUSE},
  {WRY_VM_PAUSED, WRY_VM_EV_UNPAUSE, WRY_VM_PAUSED, WRY_VM_RESUME},
  {WRY_VM_RUNNING, WRY_VM_EV_SHUTDOWN, WRY_VM_STOPPING, WRY_VM_ASK},
  {WRY_VM_STOPPING, WRY_VM_EV_AGAIN, WRY_VM_STOPPING, WRY_VM_ASK},
  {WRY_VM_STOPPING, WRY_VM_EV_GRACE_OVER, WRY_VM_KILLING, WRY_VM_TERMINATE},
  {WRY_VM_KILLING, WRY_VM_EV_KILL_LATE, WRY_VM_KILLING, WRY_VM_DESTROY},
  {WRY_VM_KILLING, WRY_VM_EV_GONE, WRY_VM_ENDING, WRY_VM_COLLECT},
  {WRY_VM_ENDING, WRY_VM_EV_VERDICT, WRY_VM_ENDED, WRY_VM_END},
  {WRY_VM_ENDED, WRY_VM_EV_FINISH, WRY_VM_OVER, WRY_VM_LEAVE},
  {WRY_VM_ENDED, WRY_VM_EV_LATE, WRY_VM_OVER, WRY_VM_LEAVE},
  {WRY_VM_WAITING, WRY_VM_EV_ATTACH, WRY_VM_ATTACHING, WRY_VM_ATTACH},
  {WRY_VM_ATTACHING, WRY_VM_EV_FAILED, WRY_VM_ATTACHING, WRY_VM_RETRY},
  {WRY_VM_ATTACHING, WRY_VM_EV_SHUTDOWN, WRY_VM_ATTACHING, WRY_VM_DEFER},
  {WRY_VM_STARTING, WRY_VM_EV_KILL, WRY_VM_CANCELLING, WRY_VM_IGNORE},
  {WRY_VM_CANCELLING, WRY_VM_EV_RUNS, WRY_VM_KILLING, WRY_VM_TERMINATE},
};

START_TEST(lives_of_a_vm) {
  const Step *step = &lives[_i];
  const WryVmCell *cell = wry_vm_cell(step->from, step->event);
  ck_assert_int_eq(cell->next, step->to);
  ck_assert_int_eq(cell->action, step->action);
}
END_TEST

START_TEST(out_of_range_is_impossible) {
  ck_assert_int_eq(wry_vm_cell(WRY_VM_PHASES, 0)->action, WRY_VM_IMPOSSIBLE);
  ck_assert_int_eq(wry_vm_cell(0, WRY_VM_EVENTS)->action, WRY_VM_IMPOSSIBLE);
  ck_assert_str_eq(wry_vm_phase_name(WRY_VM_PHASES), "?");
  ck_assert_str_eq(wry_vm_event_name(WRY_VM_EVENTS), "?");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("vm");
  TCase *cells = tcase_create("table");
  tcase_add_test(cells, every_cell_is_written);
  tcase_add_test(cells, what_changes_nothing_stays);
  tcase_add_test(cells, requests_and_timers_are_never_impossible);
  tcase_add_test(cells, death_is_seen_in_every_live_phase);
  tcase_add_test(cells, nothing_is_recorded_before_qemu_is_gone);
  tcase_add_test(cells, a_vm_starts_once);
  tcase_add_loop_test(cells, lives_of_a_vm, 0, G_N_ELEMENTS(lives));
  tcase_add_test(cells, out_of_range_is_impossible);
  suite_add_tcase(suite, cells);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
