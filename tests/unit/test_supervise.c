/* handler/supervise.c: all cells of the life table keep its promises. */
#include <check.h>
#include <stdlib.h>

#include "handler/supervise.h"

static gboolean is_state(WryLife life) { return life < WRY_LIVES || life == WRY_LIFE_SAME || life == WRY_LIFE_RESUME; }

START_TEST(all_cells) {
  for (guint life = 0; life <= WRY_LIVES; life++)
    for (guint event = 0; event <= WRY_EVENTS; event++) {
      const WryStep *step = wry_supervise(life, event);
      ck_assert_ptr_nonnull(step);
      ck_assert(is_state(step->next));
      if (!step->possible) ck_assert(step->next == WRY_LIFE_SAME && step->actions == 0);
      if (life == WRY_LIVES || event == WRY_EVENTS) ck_assert(!step->possible);
    }
}
END_TEST

/* A sandbox is asked for only where the root half has said that nothing lives in it. */
START_TEST(made_only_from_new) {
  for (guint life = 0; life < WRY_LIVES; life++)
    for (guint event = 0; event < WRY_EVENTS; event++)
      if (wry_supervise(life, event)->actions & WRY_ACT_MAKE) ck_assert(life == WRY_LIFE_NEW && event == WRY_EVENT_START);
  for (guint life = 0; life < WRY_LIVES; life++)
    for (guint event = 0; event < WRY_EVENTS; event++)
      if (wry_supervise(life, event)->next == WRY_LIFE_NEW)
        ck_assert((life == WRY_LIFE_STARTING && event == WRY_EVENT_REFUSED) || (life == WRY_LIFE_ADOPTING && event == WRY_EVENT_UNMADE));
}
END_TEST

/* Whatever ends is judged once and its sandbox is removed; nothing leaves ENDING but over. */
START_TEST(ends_are_judged) {
  for (guint life = 0; life < WRY_LIVES; life++)
    for (guint event = 0; event < WRY_EVENTS; event++) {
      const WryStep *step = wry_supervise(life, event);
      if (step->next == WRY_LIFE_ENDING) ck_assert((step->actions & WRY_ACT_JUDGE) && (step->actions & WRY_ACT_END));
      if (life == WRY_LIFE_ENDING && step->possible) ck_assert((step->next == WRY_LIFE_SAME || step->next == WRY_LIFE_OVER) && !(step->actions & WRY_ACT_JUDGE));
      if (life == WRY_LIFE_OVER || life == WRY_LIFE_NONE) ck_assert(!step->possible);
    }
}
END_TEST

/* From every state with something alive a stop, a kill and init's end lead on. */
START_TEST(no_state_is_stuck) {
  const WryLife alive[] = {WRY_LIFE_BOOTING, WRY_LIFE_SYNCED, WRY_LIFE_RUNNING, WRY_LIFE_STOPPING};
  for (gsize i = 0; i < G_N_ELEMENTS(alive); i++) {
    ck_assert_int_eq(wry_supervise(alive[i], WRY_EVENT_GONE)->next, WRY_LIFE_ENDING);
    ck_assert_int_eq(wry_supervise(alive[i], WRY_EVENT_KILL)->next, WRY_LIFE_ENDING);
    ck_assert_int_eq(wry_supervise(alive[i], WRY_EVENT_DOWN)->next, WRY_LIFE_ENDING);
    ck_assert(wry_supervise(alive[i], WRY_EVENT_STOP)->actions & WRY_ACT_SHUTDOWN);
    ck_assert(wry_supervise(alive[i], WRY_EVENT_HELLO)->actions & (WRY_ACT_SYNC | WRY_ACT_SHUTDOWN));
  }
}
END_TEST

/* A running guest is never ended because its launcher or the root half has trouble. */
START_TEST(running_survives) {
  const WryEvent harmless[] = {WRY_EVENT_HELLO, WRY_EVENT_SYNCED, WRY_EVENT_SYNC_FAILED, WRY_EVENT_LATE, WRY_EVENT_FAILED, WRY_EVENT_REFUSED, WRY_EVENT_AGAIN, WRY_EVENT_ALIVE,
                               WRY_EVENT_MADE, WRY_EVENT_START, WRY_EVENT_ENDED, WRY_EVENT_DEAD, WRY_EVENT_UNMADE, WRY_EVENT_OCCUPIED};
  for (gsize i = 0; i < G_N_ELEMENTS(harmless); i++) ck_assert_int_eq(wry_supervise(WRY_LIFE_RUNNING, harmless[i])->next, WRY_LIFE_SAME);
}
END_TEST

START_TEST(retries) {
  const guint want[] = {1, 2, 4, 8, 16, 32, 60, 60};
  for (guint i = 0; i < G_N_ELEMENTS(want); i++) ck_assert_uint_eq(wry_retry_seconds(i), want[i]);
  ck_assert_uint_eq(wry_retry_seconds(G_MAXUINT), 60);
}
END_TEST

START_TEST(names) {
  for (guint life = 0; life < WRY_LIVES; life++) ck_assert_str_ne(wry_life_name(life), "?");
  for (guint event = 0; event < WRY_EVENTS; event++) ck_assert_str_ne(wry_event_name(event), "?");
  ck_assert_str_eq(wry_life_name(WRY_LIVES), "?");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("supervise");
  TCase *tests = tcase_create("supervise");
  tcase_add_test(tests, all_cells);
  tcase_add_test(tests, made_only_from_new);
  tcase_add_test(tests, ends_are_judged);
  tcase_add_test(tests, no_state_is_stuck);
  tcase_add_test(tests, running_survives);
  tcase_add_test(tests, retries);
  tcase_add_test(tests, names);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
