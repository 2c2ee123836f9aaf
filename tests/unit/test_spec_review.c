/* lib/spec_admit.c, spec_review_*.c, spec_validate_hotplug.c, spec_preset.c, spec_matcher.c, spec_instancetype.c, spec_preference.c, spec_config.c, spec_names.c: who may change what, and what stands around a spec. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/spec_rules.h"
#include "tests/unit/support_spec.h"

/* --- kinds ----------------------------------------------------------------------------------------------------------------------------------------------------- */
static const struct { const char *object, *causes; } kind_rows[] = {
    {"{}", "Required kind"},
    {"{'kind': 'Secret'}", "Required apiVersion"},
    {"{'kind': 'Pod', 'apiVersion': 'v1'}", "NotSupported kind"},
    {"{'kind': 'Secret', 'apiVersion': 'v2'}", "NotSupported apiVersion"},
    {"{'kind': 'Secret', 'apiVersion': 'v1', 'data': {'a': 'Yg=='}}", ""},
    {"{'kind': 'ConfigMap', 'apiVersion': 'v1', 'data': {'a': 1}}", "Invalid data.a"},
    {"{'kind': 'PersistentVolumeClaim', 'apiVersion': 'v1', 'spec': {'resources': {'requests': {'storage': '1Gi'}}}}", ""},
    {"{'kind': 'KubeVirt', 'apiVersion': 'kubevirt.io/v1'}", "Required spec"},
    {"{'kind': 'KubeVirt', 'apiVersion': 'kubevirt.io/v1', 'spec': {'anything': 1}}", "Forbidden spec.anything"},
    {"{'kind': 'KubeVirt', 'apiVersion': 'kubevirt.io/v1', 'spec': {'configuration': {'developerConfiguration': {'useEmulation': 1}}}}",
     "Invalid spec.configuration.developerConfiguration.useEmulation"},
    {"{'kind': 'KubeVirt', 'apiVersion': 'kubevirt.io/v1', 'spec': {'configuration': {'network': {'binding': {'b': {'sidecarImage': 'i'}}}, 'obsoleteCPUModels': {'486': true}}}}", ""},
    {"{'kind': 'VirtualMachineInstance', 'apiVersion': 'kubevirt.io/v1', 'spec': {'domain': {'devices': {}, 'memori': {}}}}", "Forbidden spec.domain.memori"},
};

START_TEST(kinds_are_known) {
  g_autoptr(WryJson) object = support_json(kind_rows[_i].object);
  g_autofree char *causes = support_review(object, NULL, WRY_RULES_THIS_VERSION);
  ck_assert_str_eq(causes, kind_rows[_i].causes);
}
END_TEST

/* --- updates of a VMI ------------------------------------------------------------------------------------------------------------------------------------------- */
#define ACCOUNT(name) "system:serviceaccount:kubevirt:kubevirt-" name
#define OLD_DISKS "'disks': [{'name': 'd', 'disk': {'bus': 'virtio'}}, {'name': 'cd', 'cdrom': {'bus': 'sata'}}]"
#define OLD_VOLUME "{'name': 'd', 'persistentVolumeClaim': {'claimName': 'a'}}"
#define PLUGGED(name) "{'name': '" name "', 'persistentVolumeClaim': {'claimName': 'p', 'hotpluggable': true}}"
#define SPEC(disks, volumes) "{'domain': {'devices': {" disks "}, 'cpu': {'maxSockets': 4}}, 'volumes': [" volumes "]}"
#define OLD SPEC(OLD_DISKS, OLD_VOLUME)
#define WITH_DISK(disk) "'disks': [{'name': 'd', 'disk': {'bus': 'virtio'}}, {'name': 'cd', 'cdrom': {'bus': 'sata'}}, " disk "]"

static const struct { const char *user, *node, *meta, *spec, *status, *causes; } update_rows[] = {
    {NULL, NULL, "'labels': {'a': 'b'}", OLD, "'nodeName': 'n1'", ""},
    {NULL, NULL, "'labels': {'kubevirt.io/nodeName': 'n2'}", OLD, "'nodeName': 'n1'", "NotSupported metadata.labels"},
    {NULL, NULL, "", SPEC(OLD_DISKS, ""), "'nodeName': 'n1'", "NotSupported spec"},
    {ACCOUNT("controller"), NULL, "'labels': {'kubevirt.io/nodeName': 'n2'}", OLD, "'nodeName': 'n2'", ""},
    {ACCOUNT("handler"), "n1", "", OLD, "'nodeName': 'n1', 'phase': 'Failed'", ""},
    {ACCOUNT("handler"), "n2", "", OLD, "'nodeName': 'n1', 'phase': 'Failed'", "Invalid status.nodeName"},
    {ACCOUNT("handler"), NULL, "", OLD, "'nodeName': 'n1'", "Invalid status.nodeName"},
    {ACCOUNT("handler"), "n1", "", OLD, "'nodeName': 'n1', 'migrationState': {'targetNode': 'n2'}", "Invalid status.nodeName"},
    {ACCOUNT("apiserver"), NULL, "", SPEC(WITH_DISK("{'name': 'h', 'disk': {'bus': 'scsi'}}"), OLD_VOLUME ", " PLUGGED("h")), "'nodeName': 'n1'", ""},
    {ACCOUNT("apiserver"), NULL, "", SPEC(WITH_DISK("{'name': 'h', 'disk': {'bus': 'sata'}}"), OLD_VOLUME ", " PLUGGED("h")), "'nodeName': 'n1'", "Invalid spec.volumes[1]"},
    {ACCOUNT("apiserver"), NULL, "", SPEC(WITH_DISK("{'name': 'h', 'lun': {'bus': 'virtio'}}"), OLD_VOLUME ", " PLUGGED("h")), "'nodeName': 'n1'", "Invalid spec.volumes[1]"},
    {ACCOUNT("apiserver"), NULL, "", SPEC(WITH_DISK("{'name': 'h', 'disk': {'bus': 'scsi'}}"), OLD_VOLUME), "'nodeName': 'n1'", "Invalid spec.domain.devices.disks[2]"},
    {ACCOUNT("apiserver"), NULL, "", SPEC(OLD_DISKS, OLD_VOLUME ", " PLUGGED("h")), "'nodeName': 'n1'", "Invalid spec.volumes[1]"},
    {ACCOUNT("apiserver"), NULL, "", SPEC(OLD_DISKS, OLD_VOLUME ", " PLUGGED("cd")), "'nodeName': 'n1'", ""},
    {ACCOUNT("apiserver"), NULL, "", SPEC(OLD_DISKS, "{'name': 'd', 'persistentVolumeClaim': {'claimName': 'b'}}"), "'nodeName': 'n1'", "Invalid spec.volumes[0]"},
    {ACCOUNT("apiserver"), NULL, "", SPEC(OLD_DISKS, ""), "'nodeName': 'n1'", "Invalid spec.volumes"},
};

static WryJson *stored(const char *meta, const char *spec, const char *status) {
  g_autofree char *text = g_strdup_printf("{'apiVersion': 'kubevirt.io/v1', 'kind': 'VirtualMachineInstance', 'metadata': {'name': 'vm'%s%s}, 'spec': %s, 'status': {%s}}",
                                          *meta ? ", " : "", meta, spec, status);
  return support_json(text);
}

START_TEST(vmi_update) {
  g_autoptr(WryConfig) config = support_config(NULL);
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_auto(WryVerdict) verdict = {.stage = WRY_STAGE_ALLOWED};
  g_autoptr(WryJson) old = stored("", OLD, "'nodeName': 'n1'"), new = stored(update_rows[_i].meta, update_rows[_i].spec, update_rows[_i].status);
  g_autofree char *node = g_strdup_printf("{'authentication.kubernetes.io/node-name': ['%s']}", update_rows[_i].node);
  g_autoptr(WryJson) extra = update_rows[_i].node ? support_json(node) : NULL;
  WryReview review = {.config = config, .rules = WRY_RULES_KUBEVIRT, .old = old, .user = update_rows[_i].user, .user_extra = extra};
  wry_review(&review, new, causes, &verdict);
  g_autofree char *found = support_causes(causes);
  ck_assert_str_eq(found, update_rows[_i].causes);
}
END_TEST

START_TEST(status_is_put_back) {
  g_autoptr(WryConfig) config = support_config(NULL);
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_auto(WryVerdict) verdict = {.stage = WRY_STAGE_ALLOWED};
  g_autoptr(WryJson) old = stored("", OLD, "'nodeName': 'n1'"), new = stored("", OLD, "'nodeName': 'evil'");
  WryReview review = {.config = config, .rules = WRY_RULES_KUBEVIRT, .old = old};
  ck_assert(wry_review(&review, new, causes, &verdict));
  ck_assert_str_eq(wry_json_str(((WryVmi *)verdict.object)->status, "nodeName"), "n1");
}
END_TEST

/* --- presets ---------------------------------------------------------------------------------------------------------------------------------------------------- */
static WryJson *find_presets(gpointer data, const char *kind, const char *namespace_, const char *name) {
  ck_assert_str_eq(namespace_, "default");
  return !strcmp(kind, "VirtualMachineInstancePreset") && !name ? support_json(data) : NULL;
}

#define PRESET(name, domain) "{'metadata': {'name': '" name "'}, 'spec': {'selector': {'matchLabels': {'size': 's'}}, 'domain': {" domain "}}}"

static const struct { const char *presets, *domain, *causes; gint64 cores; guint warnings; } preset_rows[] = {
    {"[" PRESET("p", "'cpu': {'cores': 2}") "]", "", "", 2, 1},
    {"[" PRESET("p", "'cpu': {'cores': 2}") "]", "'cpu': {'cores': 3}", "", 3, 0},
    {"[" PRESET("p", "'cpu': {'cores': 2}") ", " PRESET("q", "'cpu': {'cores': 4}") "]", "", "Invalid spec", 0, 0},
    {"[{'metadata': {'name': 'p'}, 'spec': {'selector': {'matchLabels': {'size': 'l'}}, 'domain': {'cpu': {'cores': 2}}}}]", "", "", 1, 0},
    {"[{'metadata': {'name': 'p'}, 'spec': {'selector': {'matchExpressions': [{'key': 'size', 'operator': 'NotIn', 'values': ['l']}]}, 'domain': {'cpu': {'cores': 2}}}}]", "", "", 2, 1},
};

START_TEST(presets_lend) {
  g_autoptr(WryConfig) config = support_config(NULL);
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_auto(WryVerdict) verdict = {.stage = WRY_STAGE_ALLOWED};
  g_autoptr(WryJson) object = support_vmi(preset_rows[_i].domain, ""), labels = support_json("{'size': 's'}");
  json_object_object_add(wry_json_get(object, "metadata"), "labels", json_object_get(labels));
  WryReview review = {.config = config, .rules = WRY_RULES_KUBEVIRT, .find = find_presets, .find_data = (gpointer)preset_rows[_i].presets};
  wry_review(&review, object, causes, &verdict);
  g_autofree char *found = support_causes(causes);
  ck_assert_str_eq(found, preset_rows[_i].causes);
  ck_assert_uint_eq(verdict.warnings, preset_rows[_i].warnings);
  if (!*found) ck_assert_int_eq(((WryVmi *)verdict.object)->spec->domain->cpu->cores.v, preset_rows[_i].cores);
}
END_TEST

/* --- instance types and preferences ---------------------------------------------------------------------------------------------------------------------------- */
/* data: [instance type's spec, preference's spec]; null: there is none. */
static WryJson *find_type(gpointer data, const char *kind, const char *namespace_, const char *name) {
  g_autoptr(WryJson) specs = support_json(data);
  (void)namespace_;
  WryJson *spec = json_object_array_get_idx(specs, strstr(kind, "Preference") ? 1 : 0), *object = json_object_new_object();
  if (!spec || strcmp(name, "t")) return wry_json_put(object), NULL;
  json_object_object_add(object, "spec", json_object_get(spec));
  return object;
}

static const struct { const char *specs, *domain, *causes, *path, *value; } type_rows[] = {
    {"[{'cpu': {'guest': 4}, 'memory': {'guest': '1Gi'}}, {}]", "", "", "spec.domain.cpu.sockets", "4"},
    {"[{'cpu': {'guest': 4}, 'memory': {'guest': '1Gi'}}, {'cpu': {'preferredCPUTopology': 'cores'}}]", "", "", "spec.domain.cpu.cores", "4"},
    {"[{'cpu': {'guest': 4}, 'memory': {'guest': '1Gi'}}, {'cpu': {'preferredCPUTopology': 'spread'}}]", "", "", "spec.domain.cpu.cores", "2"},
    {"[{'cpu': {'guest': 3}, 'memory': {'guest': '1Gi'}}, {'cpu': {'preferredCPUTopology': 'spread'}}]", "", "Invalid spec.instancetype", NULL, NULL},
    {"[{'cpu': {'guest': 1}, 'memory': {'guest': '1Gi', 'overcommitPercent': 50}}, {}]", "", "", "spec.domain.resources.requests.memory", "536870912"},
    {"[{'cpu': {'guest': 1}, 'memory': {'guest': '1Gi'}}, {'devices': {'preferredDiskBus': 'scsi'}}]", "", "", "spec.domain.devices.disks[0].disk.bus", "scsi"},
    {"[{'cpu': {'guest': 1}, 'memory': {'guest': '1Gi'}, 'annotations': {'a': 'b'}}, {}]", "", "", "metadata.annotations.a", "b"},
    {"[{'cpu': {'guest': 1}, 'memory': {'guest': '1Gi'}}, {'features': {'preferredHyperv': 'none'}}]", "", "", "spec.domain.cpu.sockets", "1"},
    {"[{'cpu': {'guest': 1}, 'memory': {'guest': '1Gi'}}, {}]", ", 'memory': {'guest': '2Gi'}", "Invalid spec.template.spec.domain.memory.guest", NULL, NULL},
    {"[{'cpu': {'guest': 1}, 'memory': {'guest': '1Gi'}}, {'requirements': {'cpu': {'guest': 2}}}]", "", "NotFound spec.instancetype", NULL, NULL},
    {"[null, {}]", "", "", NULL, NULL},
};

START_TEST(instance_types) {
  g_autofree char *spec = g_strdup_printf("%s%s%s", "'runStrategy': 'Halted', 'instancetype': {'name': 't'}, 'preference': {'name': 't'}, 'template': {'spec': {'domain': {'devices': "
                                          "{'disks': [{'name': 'd', 'disk': {}}]}", type_rows[_i].domain, "}, 'volumes': [{'name': 'd', 'emptyDisk': {'capacity': '1Gi'}}]}}");
  g_autoptr(WryConfig) config = support_config(NULL);
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_auto(WryVerdict) verdict = {.stage = WRY_STAGE_ALLOWED};
  g_autoptr(WryJson) object = support_vm(spec);
  g_autoptr(GError) error = NULL;
  WryReview review = {.config = config, .rules = WRY_RULES_KUBEVIRT, .find = find_type, .find_data = (gpointer)type_rows[_i].specs};
  gboolean allowed = wry_review(&review, object, causes, &verdict);
  g_autofree char *found = support_causes(causes);
  ck_assert_str_eq(found, type_rows[_i].causes);
  WryVmi *vmi = allowed ? wry_vm_start(&review, verdict.object, &error) : NULL;
  ck_assert_int_eq(vmi != NULL, type_rows[_i].path != NULL);
  if (!vmi) return;
  g_autoptr(WryJson) made = wry_encode(&wry_vmi_type, vmi);
  ck_assert_str_eq(json_object_get_string(wry_json_path(made, type_rows[_i].path)), type_rows[_i].value);
  wry_struct_free(&wry_vmi_type, vmi);
}
END_TEST

static const struct { const char *matcher, *causes; } matcher_rows[] = {
    {"{}", "NotFound spec.instancetype"},
    {"{'name': 't', 'inferFromVolume': 'd'}", "NotSupported spec.instancetype.name"},
    {"{'inferFromVolume': 'd', 'inferFromVolumeFailurePolicy': 'Maybe'}", "Invalid spec.instancetype.inferFromVolumeFailurePolicy"},
    {"{'inferFromVolume': 'd'}", "Invalid spec"},
    {"{'inferFromVolume': 'd', 'inferFromVolumeFailurePolicy': 'Ignore'}", ""},
};

START_TEST(matchers) {
  g_autofree char *spec = g_strdup_printf("'runStrategy': 'Halted', 'instancetype': %s, 'template': {'spec': {'domain': {'devices': {}}}}", matcher_rows[_i].matcher);
  g_autoptr(WryJson) object = support_vm(spec);
  g_autofree char *causes = support_review(object, NULL, WRY_RULES_KUBEVIRT);
  ck_assert_str_eq(causes, matcher_rows[_i].causes);
}
END_TEST

/* --- configuration ---------------------------------------------------------------------------------------------------------------------------------------------- */
static const struct { const char *configuration, *gate; gboolean on; } gate_rows[] = {
    {NULL, "NUMA", TRUE},
    {"{'developerConfiguration': {'disabledFeatureGates': ['NUMA']}}", "NUMA", TRUE},
    {NULL, "Snapshot", TRUE},
    {"{'developerConfiguration': {'disabledFeatureGates': ['Snapshot']}}", "Snapshot", FALSE},
    {NULL, "HostDisk", FALSE},
    {"{'developerConfiguration': {'featureGates': ['HostDisk']}}", "HostDisk", TRUE},
    {"{'developerConfiguration': {'featureGates': ['HostDisk'], 'disabledFeatureGates': ['HostDisk']}}", "HostDisk", TRUE},
    {NULL, "NoSuchGate", FALSE},
    {"{'developerConfiguration': {'featureGates': 'HostDisk'}}", "HostDisk", FALSE},
};

START_TEST(gates) {
  g_autoptr(WryConfig) config = support_config(gate_rows[_i].configuration);
  ck_assert_int_eq(wry_config_gate(config, gate_rows[_i].gate), gate_rows[_i].on);
}
END_TEST

START_TEST(configuration_must_be_an_object) {
  g_autoptr(WryJson) list = support_json("[]");
  g_autoptr(GError) error = NULL;
  ck_assert_ptr_null(wry_config_new(list, "amd64", &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_INVALID));
  g_autoptr(WryConfig) config = support_config("{'developerConfiguration': {'useEmulation': true}, 'imagePullPolicy': 3}");
  ck_assert(wry_config_use_emulation(config));
  ck_assert_str_eq(wry_config_str(config, "imagePullPolicy", "IfNotPresent"), "IfNotPresent");
}
END_TEST

/* --- names ------------------------------------------------------------------------------------------------------------------------------------------------------ */
static const struct { const char *text; gboolean label, subdomain, qualified; } name_rows[] = {
    {"a", TRUE, TRUE, TRUE},    {"a-1", TRUE, TRUE, TRUE},     {"", FALSE, FALSE, FALSE},  {"-a", FALSE, FALSE, FALSE}, {"a-", FALSE, FALSE, FALSE},
    {"A", FALSE, FALSE, TRUE},  {"a.b", FALSE, TRUE, TRUE},    {"a..b", FALSE, FALSE, TRUE}, {".a", FALSE, FALSE, FALSE}, {"a_b", FALSE, FALSE, TRUE},
    {"x/y", FALSE, FALSE, TRUE}, {"X/y", FALSE, FALSE, FALSE}, {"x/", FALSE, FALSE, FALSE}, {"a/b/c", FALSE, FALSE, FALSE},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", TRUE, TRUE, TRUE},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", FALSE, TRUE, FALSE},
};

START_TEST(names) {
  ck_assert_msg(wry_is_dns_label(name_rows[_i].text) == name_rows[_i].label, "label %s", name_rows[_i].text);
  ck_assert_msg(wry_is_dns_subdomain(name_rows[_i].text) == name_rows[_i].subdomain, "subdomain %s", name_rows[_i].text);
  ck_assert_msg(wry_is_qualified_name(name_rows[_i].text) == name_rows[_i].qualified, "name %s", name_rows[_i].text);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("spec review");
  TCase *tcase = tcase_create("spec review");
  tcase_add_loop_test(tcase, kinds_are_known, 0, G_N_ELEMENTS(kind_rows));
  tcase_add_loop_test(tcase, vmi_update, 0, G_N_ELEMENTS(update_rows));
  tcase_add_test(tcase, status_is_put_back);
  tcase_add_loop_test(tcase, presets_lend, 0, G_N_ELEMENTS(preset_rows));
  tcase_add_loop_test(tcase, instance_types, 0, G_N_ELEMENTS(type_rows));
  tcase_add_loop_test(tcase, matchers, 0, G_N_ELEMENTS(matcher_rows));
  tcase_add_loop_test(tcase, gates, 0, G_N_ELEMENTS(gate_rows));
  tcase_add_test(tcase, configuration_must_be_an_object);
  tcase_add_loop_test(tcase, names, 0, G_N_ELEMENTS(name_rows));
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
