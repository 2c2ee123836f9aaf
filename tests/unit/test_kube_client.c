/* handler/kube: paths, queries, bodies of deletions, failures, delays. */
#include <check.h>
#include <stdlib.h>

#include "handler/kube/backoff.h"
#include "handler/kube/failure.h"

static const struct { const WryKubeResource *resource; const char *ns, *name, *sub, *path; } paths[] = {
    {&wry_kube_pods, NULL, NULL, NULL, "/api/v1/pods"},
    {&wry_kube_pods, "a", NULL, NULL, "/api/v1/namespaces/a/pods"},
    {&wry_kube_vms, "a", "b", "status", "/apis/kubevirt.io/v1/namespaces/a/virtualmachines/b/status"},
    {&wry_kube_nodes, "ignored", "n.example:1", NULL, "/api/v1/nodes/n.example:1"},
    {&wry_kube_pods, "a/..", "b?c#d", NULL, "/api/v1/namespaces/a%2F../pods/b%3Fc%23d"},
    {&wry_kube_pods, "..", ".", NULL, "/api/v1/namespaces/%2E%2E/pods/%2E"},
    {&wry_kube_leases, "", "b", NULL, "/apis/coordination.k8s.io/v1/leases/b"},
    {&wry_kube_pods, "a", NULL, "status", "/api/v1/namespaces/a/pods"},
};

START_TEST(path) {
  g_autofree char *found = wry_kube_path(paths[_i].resource, paths[_i].ns, paths[_i].name, paths[_i].sub);
  ck_assert_str_eq(found, paths[_i].path);
}
END_TEST

START_TEST(query) {
  g_autoptr(GString) text = g_string_new(NULL);
  wry_kube_query_add(text, "a", "x=y,z!=\xe2\x82\xac");
  wry_kube_query_add(text, "none", NULL);
  wry_kube_query_add(text, "b", "");
  ck_assert_str_eq(text->str, "a=x%3Dy%2Cz%21%3D%E2%82%AC&b=");
  g_autofree char *core = wry_kube_api_version(&wry_kube_pods), *group = wry_kube_api_version(&wry_kube_vmis);
  ck_assert_str_eq(core, "v1");
  ck_assert_str_eq(group, "kubevirt.io/v1");
}
END_TEST

START_TEST(delete_options) {
  g_autoptr(WryJson) none = wry_kube_delete_options(&(WryKubeDelete){.grace_seconds = -1});
  g_autoptr(WryJson) all = wry_kube_delete_options(&(WryKubeDelete){"u", "7", "Orphan", 0});
  ck_assert_str_eq(json_object_to_json_string_ext(none, JSON_C_TO_STRING_PLAIN), "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\"}");
  ck_assert_str_eq(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN),
                   "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"propagationPolicy\":\"Orphan\",\"gracePeriodSeconds\":0,\"preconditions\":{\"uid\":\"u\",\"resourceVersion\":\"7\"}}");
}
END_TEST

static const struct { int http; const char *status, *reason, *text; WryErrorCode code; gboolean passes; } failures[] = {
    {404, "{\"kind\":\"Status\",\"reason\":\"NotFound\",\"message\":\"m\"}", "NotFound", "w: m", WRY_ERROR_NOT_FOUND, FALSE},
    {404, NULL, "NotFound", "w: NotFound", WRY_ERROR_NOT_FOUND, FALSE},
    {409, "{\"kind\":\"Status\",\"reason\":\"AlreadyExists\"}", "AlreadyExists", "w: AlreadyExists", WRY_ERROR_EXISTS, FALSE},
    {409, NULL, "Conflict", "w: Conflict", WRY_ERROR_CONFLICT, FALSE},
    {410, NULL, "Expired", "w: Expired", WRY_ERROR_CONFLICT, FALSE},
    {403, NULL, "Forbidden", "w: Forbidden", WRY_ERROR_DENIED, FALSE},
    {422, "{\"kind\":\"Other\",\"reason\":\"x\"}", "Invalid", "w: Invalid", WRY_ERROR_INVALID, FALSE},
    {429, NULL, "TooManyRequests", "w: TooManyRequests", WRY_ERROR_TIMEOUT, TRUE},
    {503, NULL, "ServiceUnavailable", "w: ServiceUnavailable", WRY_ERROR_TIMEOUT, TRUE},
    {500, NULL, "InternalError", "w: InternalError", WRY_ERROR_FAILED, FALSE},
    {500, "{\"kind\":\"Status\",\"details\":{\"retryAfterSeconds\":3}}", "InternalError", "w: InternalError", WRY_ERROR_FAILED, TRUE},
    {504, "{\"kind\":\"Status\",\"reason\":\"Strange\"}", "Strange", "w: Strange", WRY_ERROR_TIMEOUT, FALSE},
    {418, NULL, "", "w: HTTP status 418", WRY_ERROR_FAILED, FALSE},
    {400, "{\"kind\":\"Status\",\"reason\":7,\"message\":[],\"details\":\"x\"}", "BadRequest", "w: BadRequest", WRY_ERROR_INVALID, FALSE},
};

START_TEST(failure) {
  g_autoptr(WryJson) status = failures[_i].status ? wry_json_parse(failures[_i].status, strlen(failures[_i].status), NULL) : NULL;
  g_autoptr(WryKubeFailure) found = wry_kube_failure_new("w", failures[_i].http, status, 0);
  ck_assert_str_eq(found->reason, failures[_i].reason);
  ck_assert_str_eq(found->error->message, failures[_i].text);
  ck_assert_int_eq(found->error->code, (int)failures[_i].code);
  ck_assert_int_eq(found->http, failures[_i].http);
  ck_assert_int_eq(wry_kube_failure_passes(found), failures[_i].passes);
}
END_TEST

START_TEST(causes) {
  const char *text = "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"message\":\"m\",\"details\":{\"retryAfterSeconds\":9,\"causes\":[{\"reason\":\"FieldValueForbidden\",\"field\":\"a.b\",\"message\":\"no\"},{\"message\":\"odd\"},7]}}";
  g_autoptr(WryJson) status = wry_json_parse(text, strlen(text), NULL);
  g_autoptr(WryKubeFailure) found = wry_kube_failure_new("w", 422, status, 0), header = wry_kube_failure_new("w", 429, status, 4), lost = wry_kube_failure_lost("w", WRY_ERROR_IO, "gone");
  ck_assert_uint_eq(wry_causes_count(found->causes), 3);
  ck_assert_str_eq(wry_causes_get(found->causes, 0)->field, "a.b");
  ck_assert_str_eq(wry_causes_get(found->causes, 0)->reason, WRY_CAUSE_FORBIDDEN);
  ck_assert_str_eq(wry_causes_get(found->causes, 1)->reason, WRY_CAUSE_INVALID);
  ck_assert_uint_eq(found->retry_after, 9);
  ck_assert_uint_eq(header->retry_after, 4);
  ck_assert_str_eq(lost->error->message, "w: gone");
  ck_assert(lost->http == 0 && !*lost->reason && wry_causes_count(lost->causes) == 0);
}
END_TEST

/* Doubling to the limit, half of it random, never less than was asked for. */
START_TEST(backoff) {
  static const guint expected[] = {100, 200, 400, 800, 1600, 2000, 2000};
  for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
    ck_assert_uint_eq(wry_kube_backoff(WRY_KUBE_UNREACHABLE, i, 0, 0), expected[i] / 2);
    guint most = wry_kube_backoff(WRY_KUBE_UNREACHABLE, i, 0, 0.999);
    ck_assert(most > expected[i] * 98 / 100 && most <= expected[i]);
  }
  ck_assert_uint_eq(wry_kube_backoff(WRY_KUBE_UNWILLING, 1000000, 0, 0), 5000);
  ck_assert_uint_eq(wry_kube_backoff(WRY_KUBE_UNWILLING, 0, 3, 0), 3000);
  ck_assert_uint_eq(wry_kube_backoff(WRY_KUBE_UNWILLING, 0, 4, 0.5), 4500);
  ck_assert_uint_eq(wry_kube_backoff(WRY_KUBE_UNWILLING, 0, 4000000000u, 0), 300000);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("kube_client");
  TCase *tcase = tcase_create("kube_client");
  tcase_add_loop_test(tcase, path, 0, G_N_ELEMENTS(paths));
  tcase_add_test(tcase, query);
  tcase_add_test(tcase, delete_options);
  tcase_add_loop_test(tcase, failure, 0, G_N_ELEMENTS(failures));
  tcase_add_test(tcase, causes);
  tcase_add_test(tcase, backoff);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
