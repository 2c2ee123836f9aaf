/* lib/log.c: a record is one line whatever it holds, levels hold back, JSON is JSON. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wherry/json.h"
#include "wherry/log.h"

static int reader = -1;

static void setup(void) {
  int ends[2];
  ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
  ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
  ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
  close(ends[1]);
  reader = ends[0];
}

/* Everything that was logged so far. */
static char *logged(void) {
  char text[65536];
  gssize got = read(reader, text, sizeof text);
  return g_strndup(text, (gsize)MAX(got, 0));
}

static void init(const char *level, const char *form) {
  g_unsetenv("WRY_LOG_LEVEL");
  g_unsetenv("WRY_LOG");
  if (level) g_setenv("WRY_LOG_LEVEL", level, TRUE);
  if (form) g_setenv("WRY_LOG", form, TRUE);
  wry_log_init("handler");
}

START_TEST(one_line) {
  init(NULL, NULL);
  wry_log(WRY_LOG_INFO, "started", "vm", "default/demo", "pid", "17", "empty", "", "null", NULL, NULL);
  g_autofree char *text = logged();
  ck_assert_str_eq(text, "info handler: started vm=default/demo pid=17 empty=\"\" null=\"\"\n");
}
END_TEST

static const struct {
  const char *value, *shown;
} values[] = {
    {"plain", "plain"},
    {"two words", "\"two words\""},
    {"a\nerror handler: forged", "\"a\\nerror handler: forged\""},
    {"a\rb\tc", "\"a\\rb\\tc\""},
    {"say \"hi\" \\", "\"say \\\"hi\\\" \\\\\""},
    {"a=b", "\"a=b\""},
    {"\033[2J\007", "\"\\u001b[2J\\u0007\""},
    {"\177", "\"\\u007f\""},
    {"\302\205x", "\"\\u0085x\""},
    {"\302\233x", "\"\\u009bx\""},
    {"\342\200\250", "\"\\u2028\""},
    {"\342\200\256gpj", "\"\\u202egpj\""},
    {"\342\201\246x", "\"\\u2066x\""},
    {"\303\251", "\"\303\251\""},
    {"\377\376", "\"\357\277\275\357\277\275\""},
    {"\303", "\"\357\277\275\""},
    {"%s%n", "%s%n"},
};

START_TEST(values_are_escaped) {
  init(NULL, NULL);
  wry_log(WRY_LOG_ERROR, "x", "v", values[_i].value, NULL);
  g_autofree char *text = logged(), *wanted = g_strdup_printf("error handler: x v=%s\n", values[_i].shown);
  ck_assert_str_eq(text, wanted);
}
END_TEST

START_TEST(message_is_escaped) {
  init(NULL, NULL);
  wry_log(WRY_LOG_WARNING, "cannot read \"a\nb\": \033[1m", NULL);
  g_autofree char *text = logged();
  ck_assert_str_eq(text, "warning handler: cannot read \\\"a\\nb\\\": \\u001b[1m\n");
}
END_TEST

START_TEST(json_reads_back) {
  init(NULL, "json");
  wry_log(WRY_LOG_INFO, values[_i].value, "v", values[_i].value, "w", "x", NULL);
  g_autofree char *text = logged(), *valid = g_utf8_make_valid(values[_i].value, -1);
  ck_assert(g_str_has_suffix(text, "}\n"));
  ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
  g_autoptr(WryJson) line = wry_json_parse(text, strlen(text), NULL);
  ck_assert_ptr_nonnull(line);
  ck_assert_str_eq(wry_json_str(line, "level"), "info");
  ck_assert_str_eq(wry_json_str(line, "component"), "handler");
  ck_assert_str_eq(wry_json_str(line, "message"), valid);
  ck_assert_str_eq(wry_json_str(line, "v"), valid);
  ck_assert_str_eq(wry_json_str(line, "w"), "x");
  g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(wry_json_str(line, "time"), NULL);
  ck_assert_ptr_nonnull(time);
}
END_TEST

static const struct {
  const char *wanted;
  int shown; /* levels that get through */
} thresholds[] = {{"error", 1}, {"warning", 2}, {"info", 3}, {"debug", 4}, {NULL, 3}, {"", 3}, {"verbose", 3}};

START_TEST(threshold) {
  init(thresholds[_i].wanted, NULL);
  int lines = 0;
  for (int level = WRY_LOG_ERROR; level <= WRY_LOG_DEBUG; level++) wry_log((WryLogLevel)level, "x", NULL);
  g_autofree char *text = logged();
  for (const char *c = text; *c; c++) lines += *c == '\n';
  ck_assert_int_eq(lines, thresholds[_i].shown);
}
END_TEST

START_TEST(long_texts_stop) {
  init(NULL, NULL);
  g_autofree char *large = g_strnfill(1 << 20, 'x');
  wry_log(WRY_LOG_INFO, large, "k", large, NULL);
  g_autofree char *text = logged();
  ck_assert_uint_lt(strlen(text), 5000);
  ck_assert(g_str_has_suffix(text, "x\"\n"));
}
END_TEST

/* Nobody reads: records are lost, the program goes on. */
START_TEST(full_or_closed_stderr) {
  init(NULL, NULL);
  g_autofree char *large = g_strnfill(60000, 'x');
  alarm(10);
  for (int i = 0; i < 100; i++) wry_log(WRY_LOG_INFO, large, NULL);
  close(reader);
  wry_log(WRY_LOG_INFO, "x", NULL);
  close(STDERR_FILENO);
  wry_log(WRY_LOG_INFO, "x", NULL);
  alarm(0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("log");
  TCase *tcase = tcase_create("log");
  tcase_add_checked_fixture(tcase, setup, NULL);
  tcase_add_test(tcase, one_line);
  tcase_add_loop_test(tcase, values_are_escaped, 0, G_N_ELEMENTS(values));
  tcase_add_test(tcase, message_is_escaped);
  tcase_add_loop_test(tcase, json_reads_back, 0, G_N_ELEMENTS(values));
  tcase_add_loop_test(tcase, threshold, 0, G_N_ELEMENTS(thresholds));
  tcase_add_test(tcase, long_texts_stop);
  tcase_add_test(tcase, full_or_closed_stderr);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
