/* lib/spec_config_review.c, spec_kubevirt.c, spec_shape.h: what of a KubeVirt object has no effect in this version. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/spec_config.h"
#include "tests/unit/support_spec.h"
#include "wherry/spec_kinds.h"

#define CONFIGURATION(text) "{'configuration': {" text "}}"

static const struct { const char *spec, *causes; } review_rows[] = {
    {NULL, ""},
    {"{}", ""},
    {"{'certificateRotateStrategy': {}, 'customizeComponents': {'patches': []}, 'imagePullPolicy': '', 'configuration': {'developerConfiguration': {'featureGates': []}}}", ""},
    {"{'workloadUpdateStrategy': {'workloadUpdateMethods': ['LiveMigrate']}}", "NotSupported spec.workloadUpdateStrategy"},
    {"{'infra': {'replicas': 2}}", "NotSupported spec.infra"},
    {CONFIGURATION("'developerConfiguration': {'useEmulation': true, 'cpuAllocationRatio': 4, 'nodeSelectors': {'a': 'b'}}, 'evictionStrategy': 'None'"), ""},
    {CONFIGURATION("'migrations': {'parallelMigrationsPerCluster': 3}"), "NotSupported spec.configuration.migrations"},
    {CONFIGURATION("'network': {'binding': {'passt': {'sidecarImage': 'x'}}, 'defaultNetworkInterface': 'masquerade'}"), "NotSupported spec.configuration.network.binding"},
    {CONFIGURATION("'architectureConfiguration': {'amd64': {'machineType': 'q35', 'ovmfPath': '/x'}}"), "NotSupported spec.configuration.architectureConfiguration.amd64.ovmfPath"},
    {CONFIGURATION("'obsoleteCPUModels': {'486': true}, 'vmRolloutStrategy': 'Stage'"), "NotSupported spec.configuration.obsoleteCPUModels"},
    {CONFIGURATION("'developerConfiguration': {'featureGates': ['HostDisk', 'NoSuch'], 'disabledFeatureGates': ['Nor', 'Snapshot']}"),
     "NotSupported spec.configuration.developerConfiguration.featureGates[1]; NotSupported spec.configuration.developerConfiguration.disabledFeatureGates[0]"},
};

START_TEST(reviews) {
  g_autoptr(WryJson) spec = review_rows[_i].spec ? support_json(review_rows[_i].spec) : NULL;
  g_autoptr(WryCauses) causes = wry_causes_new();
  wry_kubevirt_review(spec, causes);
  g_autofree char *found = support_causes(causes), *text = wry_kubevirt_unsupported(spec);
  ck_assert_str_eq(found, review_rows[_i].causes);
  ck_assert(!text == !*found);
}
END_TEST

/* Every supported row of the configuration passes, every other is told of by its own name. */
START_TEST(every_row) {
  for (const WryField *field = wry_kubevirt_config_type.fields; field->name; field++) {
    if (field->kind != WRY_K_STR) continue;
    g_autofree char *spec = g_strdup_printf("{'configuration': {'%s': 'x'}}", field->name), *path = g_strdup_printf("spec.configuration.%s", field->name);
    g_autoptr(WryJson) object = support_json(spec);
    g_autofree char *text = wry_kubevirt_unsupported(object);
    ck_assert_str_eq(text ? text : "", field->flags & WRY_F_UNSUPPORTED ? path : "");
  }
}
END_TEST

START_TEST(the_text_has_a_limit) {
  g_autoptr(WryJson) spec = support_json("{'imagePullPolicy': 'a', 'imageRegistry': 'a', 'imageTag': 'a', 'monitorAccount': 'a', 'monitorNamespace': 'a', 'productComponent': 'a',"
                                         "'productName': 'a', 'productVersion': 'a', 'serviceMonitorNamespace': 'a', 'synchronizationPort': 'a', 'uninstallStrategy': 'a'}");
  g_autofree char *text = wry_kubevirt_unsupported(spec);
  ck_assert_msg(g_str_has_prefix(text, "spec.imagePullPolicy, spec.imageRegistry, "), "%s", text);
  ck_assert_msg(g_str_has_suffix(text, ", spec.synchronizationPort and 1 more"), "%s", text);
}
END_TEST

/* Slots of a shape must not overlap: what was decoded is encoded again as it was. */
static const struct { const WryType *type; const char *text; } shape_rows[] = {
    {&wry_kubevirt_status_type, "{'conditions': [{'status': 'True', 'type': 'Available'}], 'defaultArchitecture': 'amd64', 'observedGeneration': 3, 'phase': 'Deployed', 'targetKubeVirtVersion': 'v'}"},
    {&wry_vmi_status_type, "{'VSOCKCID': 3, 'activePods': {'a': 'n'}, 'memory': {'guestAtBoot': '1Gi', 'memoryOverhead': '2Mi'}, 'phase': 'Running', 'runtimeUser': 107,"
                           "'volumeStatus': [{'name': 'a', 'size': 1, 'target': ''}]}"},
    {&wry_migration_status_type, "{'migrationState': {'completed': true, 'targetCPUSet': [1, 2], 'targetDirectMigrationNodePorts': {'1': 0}, 'targetNode': 'n'}, 'phase': 'Succeeded'}"},
};

START_TEST(shapes_keep_their_values) {
  g_autoptr(WryJson) before = support_json(shape_rows[_i].text);
  g_autoptr(WryCauses) causes = wry_causes_new();
  gpointer value = wry_decode(shape_rows[_i].type, before, "status", causes), copy = wry_struct_copy(shape_rows[_i].type, value);
  g_autofree char *found = support_causes(causes);
  g_autoptr(WryJson) after = wry_encode(shape_rows[_i].type, copy);
  ck_assert_str_eq(found, "");
  ck_assert(wry_struct_equal(shape_rows[_i].type, value, copy));
  ck_assert_str_eq(json_object_to_json_string(after), json_object_to_json_string(before));
  wry_struct_free(shape_rows[_i].type, value);
  wry_struct_free(shape_rows[_i].type, copy);
}
END_TEST

START_TEST(architecture) {
  g_autoptr(WryConfig) plain = support_config(NULL), given = support_config("{'architectureConfiguration': {'defaultArchitecture': 'arm64'}}");
  ck_assert_str_eq(wry_config_architecture(plain), "amd64");
  ck_assert_str_eq(wry_config_architecture(given), "arm64");
  ck_assert(wry_config_gate_known("Snapshot") && wry_config_gate_known("HostDisk") && !wry_config_gate_known("Snap"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("spec config review");
  TCase *tcase = tcase_create("spec config review");
  tcase_add_loop_test(tcase, reviews, 0, G_N_ELEMENTS(review_rows));
  tcase_add_test(tcase, every_row);
  tcase_add_test(tcase, the_text_has_a_limit);
  tcase_add_loop_test(tcase, shapes_keep_their_values, 0, G_N_ELEMENTS(shape_rows));
  tcase_add_test(tcase, architecture);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
