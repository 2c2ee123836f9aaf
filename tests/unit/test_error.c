/* lib/error.c: every code has a reason and an HTTP status, errno keeps its meaning, causes stay bounded. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wherry/error.h"
#include "wherry/limits.h"

START_TEST(codes_have_reasons) {
  const char *reason = wry_error_reason((WryErrorCode)_i);
  ck_assert_ptr_nonnull(reason);
  ck_assert_uint_gt(strlen(reason), 3);
  for (const char *c = reason; *c; c++) ck_assert(g_ascii_isalnum(*c));
  ck_assert_int_ge(wry_error_http((WryErrorCode)_i), 400);
  ck_assert_int_lt(wry_error_http((WryErrorCode)_i), 600);
}
END_TEST

START_TEST(unknown_code_is_failed) {
  ck_assert_str_eq(wry_error_reason(WRY_ERROR_CODES), "Failed");
  ck_assert_str_eq(wry_error_reason((WryErrorCode)-1), "Failed");
  ck_assert_int_eq(wry_error_http((WryErrorCode)1000), 500);
}
END_TEST

static const struct {
  int errnum;
  WryErrorCode code;
} errnos[] = {
    {ENOSPC, WRY_ERROR_NO_SPACE}, {EDQUOT, WRY_ERROR_NO_SPACE}, {ENOENT, WRY_ERROR_NOT_FOUND}, {EEXIST, WRY_ERROR_EXISTS}, {EACCES, WRY_ERROR_DENIED},
    {EPERM, WRY_ERROR_DENIED},    {EIO, WRY_ERROR_IO},          {EINVAL, WRY_ERROR_IO},        {ETIMEDOUT, WRY_ERROR_TIMEOUT},
};

START_TEST(errno_maps) {
  g_autoptr(GError) error = NULL;
  ck_assert(!wry_errno(&error, errnos[_i].errnum, "open %s", "x%sy"));
  ck_assert(g_error_matches(error, WRY_ERROR, errnos[_i].code));
  g_autofree char *wanted = g_strdup_printf("open x%%sy: %s", g_strerror(errnos[_i].errnum));
  ck_assert_str_eq(error->message, wanted);
}
END_TEST

START_TEST(errno_without_taker) {
  ck_assert(!wry_errno(NULL, EIO, "x"));
}
END_TEST

START_TEST(causes_text) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_autofree char *none = wry_causes_text(causes);
  ck_assert_str_eq(none, "");
  wry_causes_add(causes, WRY_CAUSE_INVALID, "spec.a", "must be %s", "an integer");
  wry_causes_add(causes, WRY_CAUSE_FORBIDDEN, "spec.b", "unknown field \"%s\"", "spec.b");
  wry_causes_add(causes, WRY_CAUSE_REQUIRED, NULL, "nothing there");
  g_autofree char *text = wry_causes_text(causes);
  ck_assert_str_eq(text, "spec.a: must be an integer, unknown field \"spec.b\", nothing there");
  ck_assert_uint_eq(wry_causes_count(causes), 3);
  ck_assert_str_eq(wry_causes_get(causes, 0)->field, "spec.a");
  ck_assert_str_eq(wry_causes_get(causes, 0)->reason, "FieldValueInvalid");
  ck_assert_str_eq(wry_causes_get(causes, 2)->field, "");
  ck_assert_ptr_null(wry_causes_get(causes, 3));
}
END_TEST

START_TEST(causes_are_bounded) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  for (guint i = 0; i < 10000; i++) wry_causes_add(causes, WRY_CAUSE_INVALID, "f", "f %u", i);
  ck_assert_uint_eq(wry_causes_count(causes), WRY_MAX_CAUSES);
  g_autofree char *text = wry_causes_text(causes);
  ck_assert(g_str_has_prefix(text, "f 0, f 1, "));
  ck_assert(g_str_has_suffix(text, "f 9, and 9990 more"));
}
END_TEST

START_TEST(causes_free_null) {
  wry_causes_free(NULL);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("error");
  TCase *tcase = tcase_create("error");
  tcase_add_loop_test(tcase, codes_have_reasons, 0, WRY_ERROR_CODES);
  tcase_add_test(tcase, unknown_code_is_failed);
  tcase_add_loop_test(tcase, errno_maps, 0, G_N_ELEMENTS(errnos));
  tcase_add_test(tcase, errno_without_taker);
  tcase_add_test(tcase, causes_text);
  tcase_add_test(tcase, causes_are_bounded);
  tcase_add_test(tcase, causes_free_null);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
