/* handler/kube/lease_rules.c: who may lead, and what is written. */
#include <check.h>
#include <stdlib.h>

#include "handler/kube/lease_rules.h"

#define SECOND G_USEC_PER_SEC

static WryJson *lease_of(const char *spec) {
  g_autofree char *text = g_strdup_printf("{\"metadata\":{\"name\":\"l\",\"resourceVersion\":\"5\",\"labels\":{\"a\":\"b\"}},\"spec\":%s}", spec);
  return wry_json_parse(text, strlen(text), NULL);
}

/* `age`: since the record was first seen as it is. */
static const struct { const char *spec; gint64 age; WryKubeLeaseStep step; } rows[] = {
    {"{\"holderIdentity\":\"us\",\"leaseDurationSeconds\":15}", 100 * SECOND, WRY_KUBE_LEASE_RENEW},
    {"{\"holderIdentity\":\"other\",\"leaseDurationSeconds\":15}", 0, WRY_KUBE_LEASE_WAIT},
    {"{\"holderIdentity\":\"other\",\"leaseDurationSeconds\":15}", 15 * SECOND - 1, WRY_KUBE_LEASE_WAIT},
    {"{\"holderIdentity\":\"other\",\"leaseDurationSeconds\":15}", 15 * SECOND, WRY_KUBE_LEASE_TAKE},
    {"{\"holderIdentity\":\"\",\"leaseDurationSeconds\":15}", 0, WRY_KUBE_LEASE_TAKE},
    {"{}", 0, WRY_KUBE_LEASE_TAKE},
    {"{\"holderIdentity\":\"other\"}", 0, WRY_KUBE_LEASE_TAKE},
    {"{\"holderIdentity\":\"other\",\"leaseDurationSeconds\":-5}", 0, WRY_KUBE_LEASE_TAKE},
    {"{\"holderIdentity\":\"other\",\"leaseDurationSeconds\":9223372036854775807}", 15 * SECOND, WRY_KUBE_LEASE_WAIT},
    {"{\"holderIdentity\":\"us2\",\"leaseDurationSeconds\":15}", 0, WRY_KUBE_LEASE_WAIT},
};

START_TEST(decide) {
  WryKubeLeaseSeen seen = {0};
  g_autoptr(WryJson) lease = lease_of(rows[_i].spec);
  ck_assert(wry_kube_lease_observe(&seen, lease, 7 * SECOND));
  ck_assert_int_eq(wry_kube_lease_decide(&seen, "us", 7 * SECOND + rows[_i].age), rows[_i].step);
  wry_kube_lease_seen_clear(&seen);
}
END_TEST

/* Any change of the spec is a sign of life, whatever the times in it say; other changes are none. */
START_TEST(signs_of_life) {
  WryKubeLeaseSeen seen = {0};
  g_autoptr(WryJson) first = lease_of("{\"holderIdentity\":\"other\",\"leaseDurationSeconds\":10,\"renewTime\":\"2030-01-01T00:00:00.000000Z\"}");
  g_autoptr(WryJson) earlier = lease_of("{\"holderIdentity\":\"other\",\"leaseDurationSeconds\":10,\"renewTime\":\"1990-01-01T00:00:00.000000Z\"}");
  g_autoptr(WryJson) labelled = lease_of("{\"holderIdentity\":\"other\",\"leaseDurationSeconds\":10,\"renewTime\":\"1990-01-01T00:00:00.000000Z\"}");
  json_object_object_add(wry_json_get(labelled, "metadata"), "resourceVersion", json_object_new_string("6"));
  g_autoptr(WryJson) taken = lease_of("{\"holderIdentity\":\"third\",\"leaseDurationSeconds\":10}");
  ck_assert(wry_kube_lease_observe(&seen, first, 0));
  ck_assert(!wry_kube_lease_observe(&seen, earlier, 9 * SECOND));
  ck_assert_int_eq(wry_kube_lease_decide(&seen, "us", 18 * SECOND), WRY_KUBE_LEASE_WAIT);
  ck_assert(!wry_kube_lease_observe(&seen, labelled, 18 * SECOND));
  ck_assert_int_eq(wry_kube_lease_decide(&seen, "us", 19 * SECOND), WRY_KUBE_LEASE_TAKE);
  ck_assert(wry_kube_lease_observe(&seen, taken, 20 * SECOND));
  ck_assert_str_eq(seen.holder, "third");
  wry_kube_lease_seen_clear(&seen);
}
END_TEST

static const char *spec_text(WryJson *lease) {
  return json_object_to_json_string_ext(wry_json_get(lease, "spec"), JSON_C_TO_STRING_PLAIN);
}

START_TEST(what_is_written) {
  const WryKubeLeaseOptions options = {.namespace_ = "n", .name = "l", .identity = "us", .duration_seconds = 15};
  const gint64 wall = G_GINT64_CONSTANT(1767323045000006);
  g_autoptr(WryJson) fresh = wry_kube_lease_make(&options, wall), other = lease_of("{\"holderIdentity\":\"x\",\"leaseDurationSeconds\":9,\"acquireTime\":\"a\",\"renewTime\":\"r\",\"leaseTransitions\":4,\"strategy\":\"s\"}");
  g_autoptr(WryJson) taken = wry_kube_lease_claim(other, &options, WRY_KUBE_LEASE_TAKE, wall), renewed = wry_kube_lease_claim(other, &options, WRY_KUBE_LEASE_RENEW, wall), given = wry_kube_lease_give(other, wall);
  g_autofree char *time = wry_kube_micro_time(wall);
  ck_assert_str_eq(time, "2026-01-02T03:04:05.000006Z");
  ck_assert_str_eq(spec_text(fresh), "{\"holderIdentity\":\"us\",\"leaseDurationSeconds\":15,\"acquireTime\":\"2026-01-02T03:04:05.000006Z\",\"renewTime\":\"2026-01-02T03:04:05.000006Z\",\"leaseTransitions\":0}");
  ck_assert_str_eq(spec_text(taken), "{\"holderIdentity\":\"us\",\"leaseDurationSeconds\":15,\"acquireTime\":\"2026-01-02T03:04:05.000006Z\",\"renewTime\":\"2026-01-02T03:04:05.000006Z\",\"leaseTransitions\":5,\"strategy\":\"s\"}");
  ck_assert_str_eq(spec_text(renewed), "{\"holderIdentity\":\"us\",\"leaseDurationSeconds\":15,\"acquireTime\":\"a\",\"renewTime\":\"2026-01-02T03:04:05.000006Z\",\"leaseTransitions\":4,\"strategy\":\"s\"}");
  ck_assert_str_eq(spec_text(given), "{\"holderIdentity\":\"\",\"leaseDurationSeconds\":1,\"acquireTime\":\"2026-01-02T03:04:05.000006Z\",\"renewTime\":\"2026-01-02T03:04:05.000006Z\",\"leaseTransitions\":4,\"strategy\":\"s\"}");
  ck_assert_str_eq(wry_json_str(wry_json_get(taken, "metadata"), "resourceVersion"), "5");
  ck_assert_str_eq(wry_json_str(wry_json_get(other, "spec"), "holderIdentity"), "x");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("kube_lease");
  TCase *tcase = tcase_create("kube_lease");
  tcase_add_loop_test(tcase, decide, 0, G_N_ELEMENTS(rows));
  tcase_add_test(tcase, signs_of_life);
  tcase_add_test(tcase, what_is_written);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
