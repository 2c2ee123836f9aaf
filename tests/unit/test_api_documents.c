/* handler/api/documents.c: discovery says what the routes' table has, Status bodies say what a code means. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "handler/api/documents.h"

static gboolean lists(WryJson *list, const char *name) {
  for (gsize i = 0; i < json_object_array_length(list); i++)
    if (!strcmp(wry_json_str(json_object_array_get_idx(list, i), "name"), name)) return TRUE;
  return FALSE;
}

/* As KubeVirt 1.9.0 lists them (contract 7.3). */
START_TEST(resources) {
  static const char *const names[] = {
      "expand-vm-spec", "virtualmachineinstances/vnc", "virtualmachineinstances/vnc/screenshot", "virtualmachineinstances/console", "virtualmachineinstances/portforward",
      "virtualmachineinstances/backup", "virtualmachineinstances/redefine-checkpoint", "virtualmachineinstances/pause", "virtualmachineinstances/unpause",
      "virtualmachineinstances/freeze", "virtualmachineinstances/unfreeze", "virtualmachineinstances/reset", "virtualmachineinstances/softreboot",
      "virtualmachineinstances/guestosinfo", "virtualmachineinstances/userlist", "virtualmachineinstances/filesystemlist", "virtualmachineinstances/addvolume",
      "virtualmachineinstances/removevolume", "virtualmachineinstances/objectgraph", "virtualmachineinstances/sev/fetchcertchain",
      "virtualmachineinstances/sev/querylaunchmeasurement", "virtualmachineinstances/sev/setupsession", "virtualmachineinstances/sev/injectlaunchsecret",
      "virtualmachineinstances/evacuate/cancel", "virtualmachines/start", "virtualmachines/stop", "virtualmachines/restart", "virtualmachines/migrate",
      "virtualmachines/expand-spec", "virtualmachines/objectgraph", "virtualmachines/evacuate/cancel",
  };
  g_autoptr(WryJson) object = wry_document("/apis/subresources.kubevirt.io/v1");
  WryJson *list = wry_json_get(object, "resources");
  ck_assert_str_eq(wry_json_str(object, "kind"), "APIResourceList");
  ck_assert_str_eq(wry_json_str(object, "groupVersion"), "subresources.kubevirt.io/v1");
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) ck_assert_msg(lists(list, names[i]), "%s", names[i]);
  ck_assert_uint_eq(json_object_array_length(list), G_N_ELEMENTS(names));
}
END_TEST

/* Every open route has its document, but for those that the server answers. */
START_TEST(every_open_path) {
  for (const WryRoute *route = wry_routes(); route->method; route++) {
    if (route->resource) continue;
    g_autoptr(WryJson) object = wry_document(route->subresource);
    gboolean live = g_str_has_suffix(route->subresource, "/healthz") || g_str_has_suffix(route->subresource, "/version");
    ck_assert_msg((object == NULL) == live, "%s", route->subresource);
  }
}
END_TEST

static const struct { const char *path, *at, *value; } rows[] = {
    {"/apis", "groups[0].name", "subresources.kubevirt.io"},
    {"/apis", "groups[0].preferredVersion.version", "v1"},
    {"/apis/subresources.kubevirt.io", "versions[0].groupVersion", "subresources.kubevirt.io/v1"},
    {"/apis/subresources.kubevirt.io", "serverAddressByClientCIDRs[0].clientCIDR", "0.0.0.0/0"},
    {"/openapi/v2", "swagger", "2.0"},
    {"/openapi/v3/apis/subresources.kubevirt.io/v1", "openapi", "3.0.0"},
    {"/openapi/v3/apis/subresources.kubevirt.io/v1",
     "paths[/apis/subresources.kubevirt.io/v1/namespaces/{namespace}/virtualmachines/{name}/start].put.operationId", "v1virtualmachinesstart"},
    {"/openapi/v3/apis/subresources.kubevirt.io/v1",
     "paths[/apis/subresources.kubevirt.io/v1/namespaces/{namespace}/virtualmachineinstances/{name}/portforward/{port}].parameters[2].name", "port"},
};

START_TEST(document) {
  g_autoptr(WryJson) object = wry_document(rows[_i].path);
  WryJson *value = wry_json_path(object, rows[_i].at);
  ck_assert_msg(value != NULL, "%s: %s", rows[_i].at, json_object_to_json_string(object));
  ck_assert_str_eq(json_object_get_string(value), rows[_i].value);
}
END_TEST

START_TEST(index_names_hash) {
  g_autoptr(WryJson) index = wry_document("/openapi/v3");
  const char *url = wry_json_str(wry_json_path(index, "paths[apis/subresources.kubevirt.io/v1]"), "serverRelativeURL");
  ck_assert(g_str_has_prefix(url, "/openapi/v3/apis/subresources.kubevirt.io/v1?hash="));
  ck_assert_uint_eq(strlen(strchr(url, '=') + 1), 64);
}
END_TEST

START_TEST(failure) {
  g_autoptr(WryJson) status = wry_status_failure(409, wry_status_kind("virtualmachines"), "a", "busy");
  ck_assert_str_eq(json_object_to_json_string_ext(status, JSON_C_TO_STRING_PLAIN),
                   "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"busy\",\"reason\":\"Conflict\","
                   "\"details\":{\"group\":\"kubevirt.io\",\"kind\":\"virtualmachine\",\"name\":\"a\"},\"code\":409}");
  ck_assert_str_eq(wry_status_reason(299), "");
  ck_assert_ptr_null(wry_status_kind("pods"));
}
END_TEST

START_TEST(version) {
  g_autoptr(WryJson) object = wry_document_version("v1.2.3");
  ck_assert_str_eq(wry_json_str(object, "gitVersion"), "v1.2.3");
  ck_assert_ptr_nonnull(wry_json_str(object, "platform"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("api documents");
  TCase *tcase = tcase_create("documents");
  tcase_add_test(tcase, resources);
  tcase_add_test(tcase, every_open_path);
  tcase_add_loop_test(tcase, document, 0, G_N_ELEMENTS(rows));
  tcase_add_test(tcase, index_names_hash);
  tcase_add_test(tcase, failure);
  tcase_add_test(tcase, version);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
