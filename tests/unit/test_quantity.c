/* lib/quantity.c: quantities as Kubernetes reads, rounds and prints them. The tables were compared with k8s.io/apimachinery. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "wherry/fields.h"

#define NONE G_MININT64

static const struct {
  const char *text, *canonical;
  gint64 value, milli; /* NONE: beyond int64 */
} good[] = {
    {"0", "0", 0, 0},
    {"00", "0", 0, 0},
    {"-0", "0", 0, 0},
    {"0.0", "0", 0, 0},
    {"0Ki", "0", 0, 0},
    {"0E", "0", 0, 0},
    {"1", "1", 1, 1000},
    {"+1", "+1", 1, 1000},
    {"-1", "-1", -1, -1000},
    {"01", "01", 1, 1000},
    {"1.", "1.", 1, 1000},
    {".5", "500m", 1, 500},
    {"1.5", "1500m", 2, 1500},
    {"1.500", "1.500", 2, 1500},
    {"1500m", "1500m", 2, 1500},
    {"1000m", "1", 1, 1000},
    {"100m", "100m", 1, 100},
    {"1m", "1m", 1, 1},
    {"1u", "1u", 1, 1},
    {"1n", "1n", 1, 1},
    {"0.1n", "1n", 1, 1},
    {"1000000n", "1m", 1, 1},
    {"1.1n", "2n", 1, 1},
    {"-1500m", "-1500m", -2, -1500},
    {"1k", "1k", 1000, 1000000},
    {"1000k", "1M", 1000000, 1000000000},
    {"1000", "1k", 1000, 1000000},
    {"100000", "100k", 100000, 100000000},
    {"1234", "1234", 1234, 1234000},
    {"128M", "128M", 128000000, 128000000000},
    {"0.001k", "1", 1, 1000},
    {"2.5M", "2500k", 2500000, 2500000000},
    {"1.23456789k", "1234567890u", 1235, 1234568},
    {"1e3", "1e3", 1000, 1000000},
    {"1E3", "1E3", 1000, 1000000},
    {"12e6", "12e6", 12000000, 12000000000},
    {"1e1", "10", 10, 10000},
    {"1e+3", "1e+3", 1000, 1000000},
    {"1e-3", "1e-3", 1, 1},
    {"1e-9", "1e-9", 1, 1},
    {"1e-12", "1e-9", 1, 1},
    {"1.5e3", "1500", 1500, 1500000},
    {"10e3", "10e3", 10000, 10000000},
    {"1000e3", "1e6", 1000000, 1000000000},
    {"1e18", "1e18", 1000000000000000000, NONE},
    {"1e19", "10e18", NONE, NONE},
    {"9E", "9E", 9000000000000000000, NONE},
    {"10E", "10E", NONE, NONE},
    {"1Ki", "1Ki", 1024, 1024000},
    {"1024", "1024", 1024, 1024000},
    {"1023Ki", "1023Ki", 1047552, 1047552000},
    {"1024Ki", "1Mi", 1048576, 1048576000},
    {"1024Mi", "1Gi", 1073741824, 1073741824000},
    {"1025Ki", "1025Ki", 1049600, 1049600000},
    {"0.5Gi", "512Mi", 536870912, 536870912000},
    {"0.5Ki", "512", 512, 512000},
    {"1.5Ki", "1536", 1536, 1536000},
    {"1.5Gi", "1536Mi", 1610612736, 1610612736000},
    {"1.1Gi", "1181116006400m", 1181116007, 1181116006400},
    {"0.1Ki", "102400m", 103, 102400},
    {"-1024Mi", "-1Gi", -1073741824, -1073741824000},
    {"4096Pi", "4Ei", 4611686018427387904, NONE},
    {"7Ei", "7Ei", 8070450532247928832, NONE},
    {"8Ei", "9223372036854775807", 9223372036854775807, NONE},
    {"7.9999999999999999999Ei", "9223372036854775807", 9223372036854775807, NONE},
    {"100Ei", "9223372036854775807", 9223372036854775807, NONE},
    {"9223372036854775807", "9223372036854775807", 9223372036854775807, NONE},
    {"9223372036854775808", "9223372036854775808", NONE, NONE},
    {"12345678901234567890123", "12345678901234567890123", NONE, NONE},
    {"0.00000000000000000000001", "1n", 1, 1},
    {"123456789.123456789", "123456789.123456789", 123456790, 123456789124},
};

START_TEST(reads_and_prints) {
  g_autofree char *canonical = wry_quantity_canonical(good[_i].text);
  gint64 value = NONE, milli = NONE;
  ck_assert_msg(canonical && !strcmp(canonical, good[_i].canonical), "%s: %s, not %s", good[_i].text, canonical, good[_i].canonical);
  ck_assert(wry_quantity_valid(good[_i].text));
  ck_assert_int_eq(wry_quantity_value(good[_i].text, &value), good[_i].value != NONE);
  ck_assert_int_eq(value, good[_i].value);
  ck_assert_int_eq(wry_quantity_milli(good[_i].text, &milli), good[_i].milli != NONE);
  ck_assert_int_eq(milli, good[_i].milli);
}
END_TEST

/* The canonical text is a quantity of the same value and its own canonical text. */
START_TEST(canonical_is_stable) {
  g_autofree char *once = wry_quantity_canonical(good[_i].text), *twice = wry_quantity_canonical(once);
  gint64 a = NONE, b = NONE;
  ck_assert_str_eq(once, twice);
  wry_quantity_milli(good[_i].text, &a);
  wry_quantity_milli(once, &b);
  ck_assert_int_eq(a, b);
}
END_TEST

static const char *const bad[] = {
    "", " ", "1 ", " 1", "-", "+", ".", "k", "Ki", "-k", "--1", "+-1", "1..2", "1.2.3", "1,5", "1_000", "0x10", "1Kii", "1ki", "1K", "1KI", "1mi", "1mm", "1 k", "1e", "1E+", "1e1.5", "1e+-3", "1e3Ki",
    "1e3k", "1e100", "1e-100", "1e99999999999999999999", "1Zi", "1Y", "1i", "1e 3", "NaN", "inf", "1\n", "\357\274\221", "1\302\240", "one", "1;", "1Gi1", "1GiB", "1.5.", "1000000000000000000000000000000000000000",
    "0.1234567890123456789012345678901234567",
};

START_TEST(refuses) {
  gint64 value = 7;
  ck_assert_msg(!wry_quantity_valid(bad[_i]), "accepted: %s", bad[_i]);
  ck_assert_ptr_null(wry_quantity_canonical(bad[_i]));
  ck_assert(!wry_quantity_value(bad[_i], &value));
  ck_assert(!wry_quantity_milli(bad[_i], &value));
  ck_assert_int_eq(value, 7);
}
END_TEST

START_TEST(many_zeros) {
  GString *text = g_string_new("1.");
  for (int i = 0; i < 98; i++) g_string_append_c(text, '0');
  g_autofree char *canonical = wry_quantity_canonical(text->str);
  ck_assert_ptr_null(canonical);
  g_string_assign(text, "");
  for (int i = 0; i < 10000; i++) g_string_append_c(text, '0');
  g_autofree char *zero = wry_quantity_canonical(text->str);
  ck_assert_str_eq(zero, "0");
  g_string_free(text, TRUE);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("quantity");
  TCase *tcase = tcase_create("quantity");
  tcase_add_loop_test(tcase, reads_and_prints, 0, G_N_ELEMENTS(good));
  tcase_add_loop_test(tcase, canonical_is_stable, 0, G_N_ELEMENTS(good));
  tcase_add_loop_test(tcase, refuses, 0, G_N_ELEMENTS(bad));
  tcase_add_test(tcase, many_zeros);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
