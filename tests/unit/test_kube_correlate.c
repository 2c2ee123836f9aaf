/* handler/kube/correlate.c: counting, combining and damming of events. */
#include <check.h>
#include <stdlib.h>

#include "handler/kube/correlate.h"

#define SECOND G_USEC_PER_SEC
#define START (1000 * SECOND)

static WryJson *add(WryKubeCorrelator *c, const char *name, const char *reason, const char *message, gint64 wall) {
  const WryKubeEventObject about = {.api_version = "v1", .kind = "Pod", .namespace_ = "n", .name = name, .uid = "u"};
  const WryKubeEventIn in = {.about = &about, .component = "c", .reason = reason, .message = message};
  return wry_kube_correlate(c, &in, wall);
}

static const char *name_of(WryJson *event) {
  return wry_json_str(wry_json_get(event, "metadata"), "name");
}

START_TEST(first_and_again) {
  g_autoptr(WryKubeCorrelator) c = wry_kube_correlator_new("h");
  g_autoptr(WryJson) first = add(c, "p", "R", "m", START), again = add(c, "p", "R", "m", START + 5 * SECOND), other = add(c, "p", "R", "m2", START), pod = add(c, "q", "R", "m", START);
  ck_assert_int_eq(wry_json_int(first, "count", 0), 1);
  ck_assert_int_eq(wry_json_int(again, "count", 0), 2);
  ck_assert_str_eq(name_of(first), name_of(again));
  ck_assert_str_ne(name_of(first), name_of(other));
  ck_assert_str_ne(name_of(first), name_of(pod));
  ck_assert_str_eq(wry_json_str(again, "firstTimestamp"), "1970-01-01T00:16:40Z");
  ck_assert_str_eq(wry_json_str(again, "lastTimestamp"), "1970-01-01T00:16:45Z");
  ck_assert_str_eq(wry_json_str(wry_json_get(first, "source"), "host"), "h");
  ck_assert_str_eq(wry_json_str(first, "type"), "Normal");
  g_autoptr(WryJson) patch = wry_kube_correlate_patch(again);
  ck_assert_str_eq(json_object_to_json_string_ext(patch, JSON_C_TO_STRING_PLAIN), "{\"count\":2,\"lastTimestamp\":\"1970-01-01T00:16:45Z\",\"message\":\"m\"}");
}
END_TEST

/* The tenth message of one kind within ten minutes, and what follows it, becomes one event. */
START_TEST(similar) {
  g_autoptr(WryKubeCorrelator) c = wry_kube_correlator_new(NULL);
  for (int i = 0; i < 12; i++) {
    g_autofree char *message = g_strdup_printf("m%d", i);
    g_autoptr(WryJson) event = add(c, "p", "R", message, START + i * SECOND);
    ck_assert_int_eq(g_str_has_prefix(wry_json_str(event, "message"), "(combined from similar events): "), i >= 9);
    ck_assert_int_eq(wry_json_int(event, "count", 0), i > 9 ? i - 8 : 1);
  }
  g_autoptr(WryJson) known = add(c, "p", "R", "m3", START + 20 * SECOND), other = add(c, "p", "S", "m99", START + 20 * SECOND), later = add(c, "p", "R", "new", START + 700 * SECOND);
  ck_assert_str_eq(wry_json_str(known, "message"), "m3");
  ck_assert_str_eq(wry_json_str(other, "message"), "m99");
  ck_assert_str_eq(wry_json_str(later, "message"), "new");
}
END_TEST

/* 25 at once, then one every five minutes, for each object. */
START_TEST(dam) {
  g_autoptr(WryKubeCorrelator) c = wry_kube_correlator_new(NULL);
  for (int i = 0; i < 30; i++) {
    g_autoptr(WryJson) event = add(c, "p", "R", "m", START);
    ck_assert_int_eq(event != NULL, i < 25);
  }
  g_autoptr(WryJson) other = add(c, "q", "R", "m", START), early = add(c, "p", "R", "m", START + 299 * SECOND), late = add(c, "p", "R", "m", START + 301 * SECOND), again = add(c, "p", "R", "m", START + 302 * SECOND);
  ck_assert(other && !early && late && !again);
  ck_assert_int_eq(wry_json_int(late, "count", 0), 32);
}
END_TEST

/* Long names and messages are cut to what core/v1 takes, at a character; bad bytes never leave. */
START_TEST(lengths) {
  g_autoptr(WryKubeCorrelator) c = wry_kube_correlator_new(NULL);
  g_autofree char *name = g_strnfill(300, 'n'), *tail = g_strnfill(2000, 'x'), *message = g_strconcat("a\xff", tail, NULL);
  g_autoptr(WryJson) event = add(c, name, "R", message, START);
  ck_assert_uint_le(strlen(name_of(event)), 253);
  ck_assert_uint_eq(strlen(wry_json_str(event, "message")), 1024);
  g_autoptr(GString) euros = g_string_new(NULL);
  for (int i = 0; i < 400; i++) g_string_append(euros, "\xe2\x82\xac");
  g_autoptr(WryJson) cut = add(c, "p", "R", euros->str, START);
  ck_assert_uint_eq(strlen(wry_json_str(cut, "message")), 1023);
  ck_assert(g_utf8_validate(wry_json_str(cut, "message"), -1, NULL));
}
END_TEST

/* The tables stay bounded. */
START_TEST(many) {
  g_autoptr(WryKubeCorrelator) c = wry_kube_correlator_new(NULL);
  for (int i = 0; i < 20000; i++) {
    g_autofree char *name = g_strdup_printf("p%d", i);
    g_autoptr(WryJson) event = add(c, name, "R", "m", START + i);
    ck_assert_ptr_nonnull(event);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("kube_correlate");
  TCase *tcase = tcase_create("kube_correlate");
  tcase_add_test(tcase, first_and_again);
  tcase_add_test(tcase, similar);
  tcase_add_test(tcase, dam);
  tcase_add_test(tcase, lengths);
  tcase_add_test(tcase, many);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
