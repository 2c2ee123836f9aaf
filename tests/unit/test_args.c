/* wherryctl's command lines: flags by verb, kinds by every name, durations, ages. */
#include "tools/wherryctl/objects.h"
#include "tools/wherryctl/verb.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static gboolean parse(const char *line, WryArgs *args) {
  g_auto(GStrv) words = g_strsplit(line, " ", -1);
  const WryVerb *verb = wry_verb_find(words[0]);
  ck_assert_ptr_nonnull(verb);
  return wry_args_parse(verb, (int)g_strv_length(words), words, args, NULL);
}

START_TEST(lines) {
  static const struct { const char *line; gboolean ok; } rows[] = {
      {"get vm", TRUE}, {"get vm demo -n shop -o yaml", TRUE}, {"get", FALSE}, {"get vm a b", FALSE}, {"get vm --paused", FALSE}, {"start demo --paused", TRUE},
      {"stop demo --force --grace-period=0", TRUE}, {"stop", FALSE}, {"console demo --read-only", TRUE}, {"logs demo -f --previous", TRUE}, {"logs demo -w", FALSE},
      {"apply -f a -f b", TRUE}, {"apply extra", FALSE}, {"wait vm/demo --for=condition=Ready --timeout=5s", TRUE}, {"version --client", TRUE}, {"help", TRUE}, {"get --help", TRUE},
      {"delete vm a --wait=false", TRUE}, {"delete vm a --wait=maybe", FALSE}, {"start a --paused=true", TRUE}, {"get vm --paused=true", FALSE}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    WryArgs args;
    ck_assert_msg(parse(rows[i].line, &args) == rows[i].ok, "%s", rows[i].line);
    wry_args_clear(&args);
  }
  WryArgs args;
  ck_assert(parse("stop demo --force --grace-period=5 -n shop", &args));
  ck_assert(args.force && args.grace_period == 5);
  ck_assert_str_eq(args.args[0], "demo");
  ck_assert_str_eq(wry_args_namespace(&args), "shop");
  wry_args_clear(&args);
  ck_assert(parse("delete vm --wait=false -- --wait=true", &args) && !args.wait);
  ck_assert_str_eq(args.args[2], "--wait=true");
  wry_args_clear(&args);
  ck_assert(parse("delete vm a --wait=false --force=true", &args) && !args.wait && args.force);
  wry_args_clear(&args);
  ck_assert(parse("delete vm a --force=false", &args) && args.wait && !args.force);
  wry_args_clear(&args);
}
END_TEST

START_TEST(kinds) {
  static const char *const names[] = {"vm", "VMs", "virtualmachine", "virtualmachines.kubevirt.io"};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
    ck_assert_str_eq(wry_kind_find(names[i])->kind, "VirtualMachine");
  ck_assert_ptr_null(wry_kind_find("pod"));
  g_autofree char *qualified = wry_kind_qualified(wry_kind_find("vmi")), *core = wry_kind_qualified(wry_kind_find("pvc"));
  ck_assert_str_eq(qualified, "virtualmachineinstance.kubevirt.io");
  ck_assert_str_eq(core, "persistentvolumeclaim");
}
END_TEST

START_TEST(durations) {
  static const struct { const char *text; gint64 ms; } rows[] = {{"30s", 30000}, {"2m", 120000}, {"1h", 3600000}, {"250ms", 250}, {"7", 7000}, {"-1s", -1}, {"0", 0}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    gint64 ms = 12345;
    ck_assert(wry_duration_parse(rows[i].text, 1, &ms, NULL));
    ck_assert_int_eq(ms, rows[i].ms);
  }
  gint64 ms;
  ck_assert(!wry_duration_parse("", 1, &ms, NULL) && !wry_duration_parse("5x", 1, &ms, NULL) && !wry_duration_parse("s", 1, &ms, NULL) && !wry_duration_parse("1e300s", 1, &ms, NULL));
}
END_TEST

START_TEST(ages) {
  static const struct { int seconds; const char *text; } rows[] = {{5, "5s"}, {119, "119s"}, {125, "2m5s"}, {180, "3m"}, {3600, "60m"}, {4 * 3600 + 120, "4h2m"}, {50 * 3600, "2d2h"}, {9 * 86400, "9d"}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autoptr(GDateTime) then = g_date_time_add_seconds(now, -rows[i].seconds - 0.2);
    g_autofree char *stamp = g_date_time_format_iso8601(then), *age = wry_age(stamp);
    ck_assert_str_eq(age, rows[i].text);
  }
  g_autofree char *none = wry_age(NULL), *bad = wry_age("yesterday");
  ck_assert_str_eq(none, "<unknown>");
  ck_assert_str_eq(bad, "<unknown>");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("args");
  TCase *tcase = tcase_create("wherryctl");
  tcase_add_test(tcase, lines);
  tcase_add_test(tcase, kinds);
  tcase_add_test(tcase, durations);
  tcase_add_test(tcase, ages);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
