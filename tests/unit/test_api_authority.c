/* handler/api/authority.c: the Secret and the APIService that it makes, and what it takes for an authority. Its work against an API server is tests/cluster's. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "handler/api/authority.h"

static WryJson *secret_of(const char *certificate, const char *key) {
  WryTlsPair pair = {(char *)(guintptr)certificate, (char *)(guintptr)key};
  return wry_api_authority_secret(&pair, "kubevirt");
}

START_TEST(secret) {
  g_auto(WryTlsPair) made = {NULL, NULL}, read = {NULL, NULL};
  ck_assert(wry_tls_make_authority("kubevirt.io", 10, 1800000000, &made, NULL));
  g_autoptr(WryJson) object = secret_of(made.certificate, made.key);
  ck_assert_str_eq(wry_json_str(wry_json_get(object, "metadata"), "name"), "kubevirt-ca");
  ck_assert_str_eq(wry_json_str(wry_json_get(object, "metadata"), "namespace"), "kubevirt");
  ck_assert_str_eq(wry_json_str(object, "type"), "kubernetes.io/tls");
  ck_assert(wry_api_authority_read(object, &read));
  ck_assert_str_eq(read.certificate, made.certificate);
  ck_assert_str_eq(read.key, made.key);
}
END_TEST

static const struct { const char *certificate, *key; } broken[] = {{"no certificate", "key"}, {"", "key"}, {"no certificate", ""}};

START_TEST(no_authority) {
  g_auto(WryTlsPair) read = {NULL, NULL};
  g_autoptr(WryJson) object = secret_of(broken[_i].certificate, broken[_i].key), none = json_object_new_object();
  ck_assert(!wry_api_authority_read(object, &read));
  ck_assert(!wry_api_authority_read(none, &read));
  ck_assert(!read.certificate && !read.key);
}
END_TEST

/* Contract 7.1. */
START_TEST(service) {
  g_autoptr(WryJson) object = wry_api_authority_service("PEM", "place");
  static const struct { const char *path, *value; } rows[] = {
      {"metadata.name", "v1.subresources.kubevirt.io"}, {"spec.group", "subresources.kubevirt.io"}, {"spec.version", "v1"},        {"spec.groupPriorityMinimum", "1000"},
      {"spec.versionPriority", "15"},                   {"spec.service.name", "virt-api"},          {"spec.service.namespace", "place"}, {"spec.caBundle", "UEVN"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    WryJson *value = wry_json_path(object, rows[i].path);
    ck_assert_msg(value && !strcmp(json_object_get_string(value), rows[i].value), "%s: %s", rows[i].path, value ? json_object_get_string(value) : "absent");
  }
  ck_assert_ptr_null(wry_json_path(object, "spec.insecureSkipTLSVerify"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("api authority");
  TCase *tcase = tcase_create("authority");
  tcase_add_test(tcase, secret);
  tcase_add_loop_test(tcase, no_authority, 0, G_N_ELEMENTS(broken));
  tcase_add_test(tcase, service);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
