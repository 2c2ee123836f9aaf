/* What the node role writes, and whom it believes: status patches, labels of the node, pods. Pure. */
#include "handler/node/labels.h"
#include "handler/node/pods.h"
#include "handler/node/report.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static WryJson *parse(const char *text) {
  g_autoptr(GError) error = NULL;
  WryJson *object = wry_json_parse(text, strlen(text), &error);
  ck_assert_msg(object != NULL, "%s: %s", text, error ? error->message : "");
  return object;
}

static char *text_of(WryJson *object) { return g_strdup(object ? json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) : "null"); }

/* --- status ---------------------------------------------------------------------------------------------------------------------------------------------- */
#define META "\"metadata\":{\"resourceVersion\":\"7\"}"
#define PATCH "{\"metadata\":{\"resourceVersion\":\"7\"},\"status\":{"

/* ours, server's: status alone; the patch's status, NULL: none */
static const struct { const char *ours, *server, *patch; gboolean phase; } rows[] = {
  /* before the guest runs only what it waits for is told */
  {"\"phase\":\"Scheduling\"", "\"phase\":\"Scheduled\"", NULL, FALSE},
  {"\"phase\":\"Pending\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}],\"machine\":{\"type\":\"q35\"}", "\"phase\":\"Scheduled\"", NULL, FALSE},
  {"\"phase\":\"Pending\",\"conditions\":[{\"type\":\"Synchronized\",\"status\":\"False\",\"reason\":\"X\"}]", "\"phase\":\"Scheduled\"",
   "\"conditions\":[{\"type\":\"Synchronized\",\"status\":\"False\",\"reason\":\"X\"}]", FALSE},
  /* the guest runs: phase and time, after the server's times */
  {"\"phase\":\"Running\",\"phaseTransitionTimestamps\":[{\"phase\":\"Pending\"},{\"phase\":\"Running\",\"phaseTransitionTimestamp\":\"t\"}]",
   "\"phase\":\"Scheduled\",\"phaseTransitionTimestamps\":[{\"phase\":\"Scheduled\"}]",
   "\"phase\":\"Running\",\"phaseTransitionTimestamps\":[{\"phase\":\"Scheduled\"},{\"phase\":\"Running\",\"phaseTransitionTimestamp\":\"t\"}]", TRUE},
  {"\"phase\":\"Running\"", "\"phase\":\"Running\"", NULL, FALSE},
  {"\"phase\":\"Running\"", "\"phase\":\"Succeeded\"", NULL, FALSE},
  {"\"phase\":\"Succeeded\"", "\"phase\":\"Failed\"", NULL, FALSE},
  {"\"phase\":\"Failed\",\"reason\":\"R\"", "\"phase\":\"Failed\",\"reason\":\"R\"", NULL, FALSE},
  /* conditions: ours by type, the controller's as they are; another time is no difference */
  {"\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"},{\"type\":\"Paused\",\"status\":\"True\",\"lastTransitionTime\":\"b\"}]",
   "\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"},{\"type\":\"Paused\",\"status\":\"True\",\"lastTransitionTime\":\"a\"}]", NULL, FALSE},
  {"\"phase\":\"Running\"", "\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"},{\"type\":\"Paused\",\"status\":\"True\"}]",
   "\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}]", FALSE},
  /* members of our own */
  {"\"phase\":\"Running\",\"runtimeUser\":107,\"qosClass\":\"Burstable\",\"activePods\":{\"a\":\"b\"}", "\"phase\":\"Running\",\"qosClass\":\"Guaranteed\"", "\"runtimeUser\":107", FALSE},
  {"\"phase\":\"Running\",\"memory\":{\"guestCurrent\":\"1Gi\"}", "\"phase\":\"Running\",\"memory\":{\"memoryOverhead\":\"1Mi\"}", "\"memory\":{\"guestCurrent\":\"1Gi\"}", FALSE},
  /* volumes: the target is ours, the rest the controller's */
  {"\"phase\":\"Running\",\"volumeStatus\":[{\"name\":\"a\",\"target\":\"vda\"}]",
   "\"phase\":\"Running\",\"volumeStatus\":[{\"name\":\"a\",\"target\":\"\",\"size\":5},{\"name\":\"b\",\"target\":\"\"}]",
   "\"volumeStatus\":[{\"name\":\"a\",\"target\":\"vda\",\"size\":5},{\"name\":\"b\",\"target\":\"\"}]", FALSE},
  {"\"phase\":\"Running\",\"volumeStatus\":[{\"name\":\"a\",\"target\":\"vda\"}]", "\"phase\":\"Running\",\"volumeStatus\":[{\"name\":\"a\",\"target\":\"vda\",\"size\":5}]", NULL, FALSE},
};

START_TEST(patches) {
  g_autofree char *ours_text = g_strdup_printf("{\"metadata\":{},\"status\":{%s}}", rows[_i].ours), *server_text = g_strdup_printf("{" META ",\"status\":{%s}}", rows[_i].server);
  g_autofree char *wanted_text = rows[_i].patch ? g_strdup_printf(PATCH "%s}}", rows[_i].patch) : NULL;
  g_autoptr(WryJson) ours = parse(ours_text), server = parse(server_text), wanted = wanted_text ? parse(wanted_text) : NULL;
  gboolean phase = !rows[_i].phase;
  g_autoptr(WryJson) patch = wry_report_patch(ours, server, &phase);
  g_autofree char *got = text_of(patch);
  ck_assert_msg(wanted ? patch && json_object_equal(patch, wanted) : !patch, "row %d: %s", _i, got);
  ck_assert_int_eq(phase, rows[_i].phase);
}
END_TEST

/* A merge patch as the server applies it (RFC 7386). */
static void merge(WryJson *into, WryJson *patch) {
  json_object_object_foreach(patch, key, value) {
    WryJson *member = wry_json_get(into, key);
    if (value && member && json_object_is_type(value, json_type_object) && json_object_is_type(member, json_type_object))
      merge(member, value);
    else if (value)
      json_object_object_add(into, key, json_object_get(value));
    else
      json_object_object_del(into, key);
  }
}

/* What was written is not written again. */
START_TEST(comes_to_rest) {
  g_autofree char *ours_text = g_strdup_printf("{\"metadata\":{},\"status\":{%s}}", rows[_i].ours), *server_text = g_strdup_printf("{" META ",\"status\":{%s}}", rows[_i].server);
  g_autoptr(WryJson) ours = parse(ours_text), server = parse(server_text);
  gboolean phase;
  g_autoptr(WryJson) patch = wry_report_patch(ours, server, &phase);
  if (!patch) return;
  merge(server, patch);
  g_autoptr(WryJson) again = wry_report_patch(ours, server, &phase);
  g_autofree char *got = text_of(again);
  ck_assert_msg(!again, "row %d: %s", _i, got);
}
END_TEST

/* --- the node --------------------------------------------------------------------------------------------------------------------------------------------- */
#define CAPS \
  "<qemuCaps>\n  <cpu type='kvm' name='EPYC' usable='yes'/>\n  <cpu type='tcg' name='qemu64' typename='x' usable='yes'/>\n  <cpu type='tcg' name='EPYC' usable='no'>\n" \
  "  <cpu type='tcg' name='-bad' usable='yes'/>\n  <cpu type='tcg' name='a b' usable='yes'/>\n  <machine type='tcg' name='pc-q35-7.2' alias='q35' maxCpus='288'/>\n" \
  "  <machine type='kvm' name='pc-i440fx-7.2' alias='pc'/>\n</qemuCaps>\n<cpu type='tcg' name='cut"

START_TEST(labels) {
  g_autoptr(WryJson) node = parse("{\"metadata\":{\"labels\":{\"a\":\"b\",\"cpu-model.node.kubevirt.io/gone\":\"true\",\"machine-type.node.kubevirt.io/q35\":\"true\"}}}");
  g_autoptr(WryJson) emulated = wry_labels_patch(node, CAPS, FALSE), kvm = wry_labels_patch(node, CAPS, TRUE);
  g_autofree char *first = text_of(emulated), *second = text_of(kvm);
  ck_assert_str_eq(first, "{\"metadata\":{\"labels\":{\"machine-type.node.kubevirt.io/pc-q35-7.2\":\"true\",\"cpu-model.node.kubevirt.io/qemu64\":\"true\","
                          "\"cpu-model.node.kubevirt.io/gone\":null}}}");
  ck_assert_str_eq(second, "{\"metadata\":{\"labels\":{\"machine-type.node.kubevirt.io/pc-i440fx-7.2\":\"true\",\"machine-type.node.kubevirt.io/pc\":\"true\","
                           "\"cpu-model.node.kubevirt.io/EPYC\":\"true\",\"cpu-model.node.kubevirt.io/gone\":null,\"machine-type.node.kubevirt.io/q35\":null}}}");
}
END_TEST

START_TEST(labels_left_alone) {
  g_autoptr(WryJson) skipped = parse("{\"metadata\":{\"annotations\":{\"node-labeller.kubevirt.io/skip-node\":\"\"}}}"), plain = parse("{\"metadata\":{}}");
  g_autoptr(WryJson) right = parse("{\"metadata\":{\"labels\":{\"machine-type.node.kubevirt.io/q35\":\"true\",\"machine-type.node.kubevirt.io/pc-q35-7.2\":\"true\",\"cpu-model.node.kubevirt.io/qemu64\":\"true\"}}}");
  ck_assert_ptr_null(wry_labels_patch(skipped, CAPS, FALSE));
  ck_assert_ptr_null(wry_labels_patch(plain, NULL, FALSE));
  ck_assert_ptr_null(wry_labels_patch(plain, "", FALSE));
  ck_assert_ptr_null(wry_labels_patch(right, CAPS, FALSE));
}
END_TEST

START_TEST(heartbeat) {
  g_autoptr(WryJson) patch = wry_heartbeat_patch(TRUE, "2026-08-22T10:00:00Z");
  g_autofree char *text = text_of(patch);
  ck_assert_str_eq(text, "{\"metadata\":{\"labels\":{\"kubevirt.io/schedulable\":\"true\"},\"annotations\":{\"kubevirt.io/heartbeat\":\"\\\"2026-08-22T10:00:00Z\\\"\"}}}");
}
END_TEST

/* --- pods --------------------------------------------------------------------------------------------------------------------------------------------------- */
#define LABELS "\"labels\":{\"kubevirt.io\":\"virt-launcher\"}"
#define OWNER(kind, version, controller) "\"ownerReferences\":[{\"apiVersion\":\"" version "\",\"kind\":\"" kind "\",\"uid\":\"u1\",\"controller\":" controller "}]"
#define VMI OWNER("VirtualMachineInstance", "kubevirt.io/v1", "true")
#define SPEC "\"spec\":{\"nodeName\":\"n1\"}"

static const struct { const char *text; WryPodState state; } pods[] = {
  {"{\"metadata\":{" LABELS "," VMI "}," SPEC ",\"status\":{\"phase\":\"Running\"}}", WRY_POD_OWNED},
  {"{\"metadata\":{" LABELS "," VMI "}," SPEC "}", WRY_POD_OWNED},
  {"{\"metadata\":{" LABELS "," VMI "}," SPEC ",\"status\":{\"phase\":\"Failed\"}}", WRY_POD_ENDED},
  {"{\"metadata\":{" LABELS "," VMI "}," SPEC ",\"status\":{\"phase\":\"Succeeded\"}}", WRY_POD_ENDED},
  {"{\"metadata\":{" LABELS "," VMI "},\"spec\":{\"nodeName\":\"n2\"}}", WRY_POD_REFUSED},
  {"{\"metadata\":{" LABELS "," VMI "},\"spec\":{}}", WRY_POD_REFUSED},
  {"{\"metadata\":{" VMI "}," SPEC "}", WRY_POD_REFUSED},
  {"{\"metadata\":{\"labels\":{\"kubevirt.io\":\"virt-handler\"}," VMI "}," SPEC "}", WRY_POD_REFUSED},
  {"{\"metadata\":{" LABELS "}," SPEC "}", WRY_POD_REFUSED},
  {"{\"metadata\":{" LABELS "," OWNER("VirtualMachineInstance", "kubevirt.io/v1", "false") "}," SPEC "}", WRY_POD_REFUSED},
  {"{\"metadata\":{" LABELS "," OWNER("VirtualMachine", "kubevirt.io/v1", "true") "}," SPEC "}", WRY_POD_REFUSED},
  {"{\"metadata\":{" LABELS "," OWNER("VirtualMachineInstance", "evil.io/v1", "true") "}," SPEC "}", WRY_POD_REFUSED},
  {"{\"metadata\":{" LABELS ",\"ownerReferences\":{}}," SPEC "}", WRY_POD_REFUSED},
  {"{}", WRY_POD_REFUSED},
};

START_TEST(judged) {
  g_autoptr(WryJson) pod = parse(pods[_i].text);
  const char *vmi = NULL;
  ck_assert_msg(wry_pod_judge(pod, "n1", &vmi) == pods[_i].state, "%s", pods[_i].text);
  if (pods[_i].state != WRY_POD_REFUSED) ck_assert_str_eq(vmi, "u1");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("node_report");
  TCase *tcase = tcase_create("pure");
  SRunner *runner = srunner_create(suite);
  tcase_add_loop_test(tcase, patches, 0, G_N_ELEMENTS(rows));
  tcase_add_loop_test(tcase, comes_to_rest, 0, G_N_ELEMENTS(rows));
  tcase_add_test(tcase, labels);
  tcase_add_test(tcase, labels_left_alone);
  tcase_add_test(tcase, heartbeat);
  tcase_add_loop_test(tcase, judged, 0, G_N_ELEMENTS(pods));
  suite_add_tcase(suite, tcase);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
