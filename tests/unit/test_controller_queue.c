/* handler/controller/queue.c: each name once, never twice at work, again when wanted meanwhile, later after failures. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "handler/controller/queue.h"

typedef struct {
  WryQueue *queue;
  GPtrArray *worked; /* names, in order */
  gboolean hold;     /* the work is not done at once */
  guint fail;        /* so many more fail */
} Bed;

static void work(const char *name, gpointer data) {
  Bed *bed = data;
  g_autofree char *copy = g_strdup(name);
  g_ptr_array_add(bed->worked, g_strdup(name));
  if (bed->hold) return;
  gboolean fails = bed->fail > 0;
  bed->fail -= fails;
  wry_queue_done(bed->queue, copy, fails);
}

static Bed *bed_new(guint at_once) {
  Bed *bed = g_new0(Bed, 1);
  bed->worked = g_ptr_array_new_with_free_func(g_free);
  bed->queue = wry_queue_new(at_once, work, bed);
  return bed;
}

static void bed_free(Bed *bed) {
  wry_queue_free(bed->queue);
  g_ptr_array_unref(bed->worked);
  g_free(bed);
}

static void settle(void) {
  while (g_main_context_iteration(NULL, FALSE)) {}
}

START_TEST(once_each) {
  Bed *bed = bed_new(8);
  for (guint i = 0; i < 3; i++) {
    wry_queue_add(bed->queue, "a");
    wry_queue_add(bed->queue, "b");
  }
  settle();
  ck_assert_uint_eq(bed->worked->len, 2);
  ck_assert_str_eq(bed->worked->pdata[0], "a");
  ck_assert_uint_eq(wry_queue_length(bed->queue), 0);
  bed_free(bed);
}
END_TEST

START_TEST(again_when_wanted_at_work) {
  Bed *bed = bed_new(8);
  bed->hold = TRUE;
  wry_queue_add(bed->queue, "a");
  settle();
  wry_queue_add(bed->queue, "a");
  wry_queue_add(bed->queue, "a");
  settle();
  ck_assert_uint_eq(bed->worked->len, 1);
  wry_queue_done(bed->queue, "a", FALSE);
  settle();
  ck_assert_uint_eq(bed->worked->len, 2);
  wry_queue_done(bed->queue, "a", FALSE);
  settle();
  ck_assert_uint_eq(bed->worked->len, 2);
  ck_assert_uint_eq(wry_queue_length(bed->queue), 0);
  bed_free(bed);
}
END_TEST

START_TEST(so_many_at_once) {
  static const char *const names[] = {"a", "b", "c", "d"};
  Bed *bed = bed_new(2);
  bed->hold = TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) wry_queue_add(bed->queue, names[i]);
  settle();
  ck_assert_uint_eq(bed->worked->len, 2);
  wry_queue_done(bed->queue, "b", FALSE);
  settle();
  ck_assert_uint_eq(bed->worked->len, 3);
  ck_assert_str_eq(bed->worked->pdata[2], "c");
  bed_free(bed);
}
END_TEST

START_TEST(failures_wait) {
  Bed *bed = bed_new(1);
  bed->fail = 2;
  gint64 began = g_get_monotonic_time();
  wry_queue_add(bed->queue, "a");
  while (bed->worked->len < 3 && g_get_monotonic_time() - began < 5 * G_USEC_PER_SEC) g_main_context_iteration(NULL, TRUE);
  ck_assert_uint_eq(bed->worked->len, 3);
  ck_assert_int_ge(g_get_monotonic_time() - began, 600 * 1000); /* 0.2 s, then 0.4 s */
  ck_assert_uint_eq(wry_queue_length(bed->queue), 0);
  bed_free(bed);
}
END_TEST

/* The earlier of two wishes holds. */
START_TEST(later) {
  Bed *bed = bed_new(1);
  wry_queue_add_later(bed->queue, "a", 3600);
  settle();
  ck_assert_uint_eq(bed->worked->len, 0);
  wry_queue_add_later(bed->queue, "a", 0);
  gint64 began = g_get_monotonic_time();
  while (bed->worked->len < 1 && g_get_monotonic_time() - began < 5 * G_USEC_PER_SEC) g_main_context_iteration(NULL, TRUE);
  ck_assert_uint_eq(bed->worked->len, 1);
  bed_free(bed);
}
END_TEST

START_TEST(freed_with_work_waiting) {
  Bed *bed = bed_new(1);
  bed->hold = TRUE;
  wry_queue_add(bed->queue, "a");
  wry_queue_add(bed->queue, "b");
  wry_queue_add_later(bed->queue, "c", 1);
  settle();
  bed_free(bed);
  settle();
}
END_TEST

START_TEST(backoff) {
  const struct { guint failures, ms; } rows[] = {{1, 200}, {2, 400}, {5, 3200}, {9, 51200}, {10, 60000}, {1000, 60000}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) ck_assert_uint_eq(wry_queue_backoff_ms(rows[i].failures), rows[i].ms);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("controller_queue");
  TCase *tests = tcase_create("queue");
  tcase_set_timeout(tests, 20);
  tcase_add_test(tests, once_each);
  tcase_add_test(tests, again_when_wanted_at_work);
  tcase_add_test(tests, so_many_at_once);
  tcase_add_test(tests, failures_wait);
  tcase_add_test(tests, later);
  tcase_add_test(tests, freed_with_work_waiting);
  tcase_add_test(tests, backoff);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
