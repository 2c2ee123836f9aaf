/* lib/spec_default*.c, spec_normal.c, spec_vm.c, spec_query.c: what a few lines become. The whole behaviour is compared with KubeVirt's in tests/corpus. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support_spec.h"

static char *counted_uuid(gpointer data) {
  return g_strdup_printf("uuid-%u", ++*(guint *)data);
}

/* The object after its defaults; the uuid source counts from 1. */
static WryJson *defaulted(WryJson *object, const char *configuration) {
  g_autoptr(WryConfig) config = support_config(configuration);
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_auto(WryVerdict) verdict = {.stage = WRY_STAGE_ALLOWED};
  guint uuids = 0;
  WryReview review = {.config = config, .rules = WRY_RULES_KUBEVIRT, .random_uuid = counted_uuid, .uuid_data = &uuids};
  wry_review(&review, object, causes, &verdict);
  g_autofree char *text = support_causes(causes);
  ck_assert_msg(verdict.stage == WRY_STAGE_ALLOWED, "%s", text);
  return wry_encode(verdict.type, verdict.object);
}

#define DISK "'volumes': [{'name': 'd', 'containerDisk': {'image': 'i'}}]"

static const struct { const char *domain, *spec, *configuration, *path, *value; } rows[] = {
    {"", "", NULL, "metadata.namespace", "'default'"},
    {"", "", NULL, "metadata.finalizers", "['kubevirt.io/foregroundDeleteVirtualMachine']"},
    {"", "", NULL, "spec.architecture", "'amd64'"},
    {"", "", NULL, "spec.domain.machine.type", "'q35'"},
    {"", "", "{'architectureConfiguration': {'amd64': {'machineType': 'pc-q35-9.0'}}}", "spec.domain.machine.type", "'pc-q35-9.0'"},
    {"", "", NULL, "spec.domain.cpu", "{'cores': 1, 'sockets': 1, 'threads': 1, 'maxSockets': 4, 'model': 'host-model'}"},
    {"'cpu': {'cores': 2}", "", NULL, "spec.domain.cpu", "{'cores': 2, 'model': 'host-model'}"},
    {"'cpu': {'cores': 0, 'dedicatedCpuPlacement': false, 'features': []}", "", "{'vmRolloutStrategy': 'Stage'}", "spec.domain.cpu",
     "{'cores': 1, 'sockets': 1, 'threads': 1, 'model': 'host-model'}"},
    {"'resources': {'limits': {'cpu': '1500m'}}", "", NULL, "spec.domain.resources", "{'limits': {'cpu': '1500m'}, 'requests': {'cpu': '1500m'}}"},
    {"'resources': {'limits': {'cpu': '1500m'}}", "", NULL, "spec.domain.cpu.sockets", "2"},
    {"'memory': {}, 'resources': {'requests': {'memory': '1024Mi'}}", "", NULL, "spec.domain.memory.guest", "'1Gi'"},
    {"'memory': {'guest': '1024Mi'}", "", NULL, "spec.domain.memory", "{'guest': '1Gi', 'maxGuest': '4Gi'}"},
    {"'memory': {'guest': '1Gi'}", "", "{'liveUpdateConfiguration': {'maxGuest': '3Gi'}}", "spec.domain.memory.maxGuest", "'3Gi'"},
    {"'memory': {'guest': '512Mi'}", "", NULL, "spec.domain.memory", "{'guest': '512Mi'}"},
    {"'memory': {'guest': '4Ei'}", "", NULL, "spec.domain.memory", "{'guest': '4Ei'}"},
    {"'cpu': {'cores': 2147483647, 'sockets': 2147483647, 'threads': 2147483647}", "", "{'liveUpdateConfiguration': {'maxHotplugRatio': 9223372036854775807}}",
     "spec.domain.cpu.maxSockets", "2147483647"},
    {"", "", NULL, "spec.domain.features", "{'acpi': {'enabled': true}}"},
    {"'features': {'hyperv': {'synictimer': {}}}", "", NULL, "spec.domain.features.hyperv",
     "{'synictimer': {'enabled': true}, 'synic': {'enabled': true}, 'vpindex': {'enabled': true}}"},
    {"'features': {'hyperv': {'evmcs': {}}}", "", NULL, "spec.domain.cpu.features", "[{'name': 'vmx', 'policy': 'require'}]"},
    {"'features': {'hyperv': {'spinlocks': {}}}", "", NULL, "spec.domain.features.hyperv.spinlocks", "{'enabled': true, 'spinlocks': 4096}"},
    {"", "", NULL, "spec.domain.firmware.uuid", "'uuid-1'"},
    {"'firmware': {'uuid': 'mine'}", "", NULL, "spec.domain.firmware.uuid", "'mine'"},
    {"'clock': {'timer': {'hpet': {'present': false}, 'pit': {}}}", "", NULL, "spec.domain.clock.timer", "{'hpet': {'present': false}, 'pit': {'present': true}}"},
    {"", "", NULL, "spec.domain.devices.interfaces", "[{'name': 'default', 'bridge': {}}]"},
    {"", "", "{'network': {'defaultNetworkInterface': 'masquerade'}}", "spec.domain.devices.interfaces", "[{'name': 'default', 'masquerade': {}}]"},
    {"'devices': {'autoattachPodInterface': false}", "", NULL, "spec.domain.devices", "{'autoattachPodInterface': false}"},
    {"", DISK, NULL, "spec.domain.devices.disks", "[{'name': 'd', 'disk': {'bus': 'sata'}}]"},
    {"", DISK, NULL, "spec.volumes[0].containerDisk.imagePullPolicy", "'Always'"},
    {"'devices': {'disks': [{'name': 'd', 'cdrom': {}}]}", DISK, NULL, "spec.domain.devices.disks[0].cdrom", "{'bus': 'sata', 'readonly': true, 'tray': 'closed'}"},
    {"'devices': {'inputs': [{'name': 't', 'type': 'tablet'}]}", "", NULL, "spec.domain.devices.inputs[0].bus", "'usb'"},
    {"'devices': {'watchdog': {'name': 'w'}}", "", NULL, "spec.domain.devices.watchdog", "{'name': 'w', 'i6300esb': {'action': 'reset'}}"},
    {"", "'readinessProbe': {'guestAgentPing': {}}", NULL, "spec.readinessProbe",
     "{'guestAgentPing': {}, 'timeoutSeconds': 1, 'periodSeconds': 10, 'successThreshold': 1, 'failureThreshold': 3}"},
    {"", "'dnsConfig': {'nameservers': ['010.0.000.001']}", NULL, "spec.dnsConfig.nameservers", "['10.0.0.1']"},
    {"", "", NULL, "spec.evictionStrategy", "'None'"},
    {"", "", "{'evictionStrategy': 'LiveMigrate'}", "spec.evictionStrategy", "'LiveMigrate'"},
    {"", "", NULL, "status.runtimeUser", "107"},
    {"", "", NULL, "status.currentCPUTopology", "{'cores': 1, 'sockets': 1, 'threads': 1}"},
    {"", "", NULL, "status.memory", "{'guestAtBoot': '128Mi', 'guestCurrent': '128Mi', 'guestRequested': '128Mi'}"},
};

START_TEST(vmi_gets) {
  g_autoptr(WryJson) object = support_vmi(rows[_i].domain, rows[_i].spec), after = defaulted(object, rows[_i].configuration), value = NULL;
  g_autofree char *wrapped = g_strdup_printf("[%s]", rows[_i].value);
  value = support_json(wrapped);
  WryJson *found = wry_json_path(after, rows[_i].path);
  ck_assert_msg(json_object_equal(found, json_object_array_get_idx(value, 0)), "%s, %s: %s: expected %s, found %s", rows[_i].domain, rows[_i].spec, rows[_i].path, rows[_i].value,
                json_object_to_json_string(found));
}
END_TEST

/* What is defaulted stays as it is when it is defaulted again. */
START_TEST(defaults_are_stable) {
  g_autoptr(WryJson) object = support_vmi(rows[_i].domain, rows[_i].spec), once = defaulted(object, rows[_i].configuration), twice = defaulted(once, rows[_i].configuration);
  json_object_object_del(wry_json_get(once, "status"), "phaseTransitionTimestamps");
  json_object_object_del(wry_json_get(twice, "status"), "phaseTransitionTimestamps");
  ck_assert_msg(json_object_equal(once, twice), "%s\n%s", json_object_to_json_string(once), json_object_to_json_string(twice));
}
END_TEST

START_TEST(forbidden_bridge_fails) {
  g_autoptr(WryJson) object = support_vmi("", "");
  g_autofree char *causes = support_review(object, "{'network': {'permitBridgeInterfaceOnPodNetwork': false}}", WRY_RULES_KUBEVIRT);
  ck_assert_str_eq(causes, "Invalid spec");
}
END_TEST

/* --- VirtualMachine -------------------------------------------------------------------------------------------------------------------------------------------- */
#define VM "'runStrategy': 'Always', 'template': {'metadata': {'labels': {'a': 'b'}, 'annotations': {'c': 'd'}}, " \
           "'spec': {'domain': {'devices': {'autoattachInputDevice': true}, 'memory': {'guest': '128Mi'}}}}"

START_TEST(vm_gets_an_identity) {
  g_autoptr(WryJson) object = support_vm(VM), after = defaulted(object, NULL);
  ck_assert_str_eq(json_object_get_string(wry_json_path(after, "spec.template.spec.domain.firmware.uuid")), "uuid-1");
  ck_assert_str_eq(json_object_get_string(wry_json_path(after, "spec.template.spec.domain.firmware.serial")), "uuid-2");
  ck_assert_ptr_null(wry_json_path(after, "spec.template.spec.domain.cpu"));
}
END_TEST

START_TEST(vm_makes_a_vmi) {
  g_autoptr(WryJson) object = support_vm(VM);
  g_autoptr(WryConfig) config = support_config(NULL);
  g_autoptr(WryCauses) causes = wry_causes_new();
  const char *kind = NULL;
  WryVm *vm = wry_object_admit(object, config, WRY_RULES_THIS_VERSION, &kind, causes);
  g_autofree char *text = support_causes(causes);
  ck_assert_msg(vm != NULL, "%s", text);
  ck_assert_str_eq(kind, "VirtualMachine");
  WryVmi *vmi = wry_vm_make_vmi(vm);
  const WryOwnerReference *owner = g_ptr_array_index(vmi->metadata->ownerReferences, 0);
  ck_assert_str_eq(vmi->metadata->name, "vm");
  ck_assert_str_eq(owner->uid, "u-1");
  ck_assert(owner->controller.v && owner->blockOwnerDeletion.v);
  ck_assert_str_eq(wry_json_str(vmi->metadata->labels, "a"), "b");
  ck_assert_str_eq(wry_json_str(vmi->metadata->annotations, "kubevirt.io/vm-generation"), "3");
  ck_assert_uint_eq(vmi->spec->domain->devices->inputs->len, 1);
  ck_assert_str_eq(vmi->spec->domain->firmware->uuid, vm->spec->template_->spec->domain->firmware->uuid);
  wry_struct_free(&wry_vmi_type, vmi);
  wry_struct_free(&wry_vm_type, vm);
}
END_TEST

/* --- effective values ------------------------------------------------------------------------------------------------------------------------------------------ */
START_TEST(effective_values) {
  g_autoptr(WryJson) object = support_vmi("'cpu': {'sockets': 2, 'cores': 3, 'threads': 2}, 'memory': {'guest': '1Gi'}", "'volumes': [{'name': 'ci', 'cloudInitConfigDrive': {'userData': 'a'}}]");
  g_autoptr(WryConfig) config = support_config(NULL);
  g_autoptr(WryCauses) causes = wry_causes_new();
  WryVmi *vmi = wry_object_admit(object, config, WRY_RULES_THIS_VERSION, NULL, causes);
  ck_assert_ptr_nonnull(vmi);
  ck_assert_uint_eq(wry_vmi_vcpus(vmi->spec), 12);
  ck_assert_int_eq(wry_vmi_guest_memory(vmi->spec), 1 << 30);
  ck_assert_int_eq(wry_vmi_grace_seconds(vmi->spec), 30);
  ck_assert_ptr_nonnull(wry_vmi_network(vmi->spec, "default"));
  ck_assert_ptr_null(wry_vmi_network(vmi->spec, "other"));
  ck_assert(wry_cloud_init_is_config_drive(wry_vmi_volume(vmi->spec, "ci")));
  wry_struct_free(&wry_vmi_type, vmi);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("spec default");
  TCase *tcase = tcase_create("spec default");
  tcase_add_loop_test(tcase, vmi_gets, 0, G_N_ELEMENTS(rows));
  tcase_add_loop_test(tcase, defaults_are_stable, 0, G_N_ELEMENTS(rows));
  tcase_add_test(tcase, forbidden_bridge_fails);
  tcase_add_test(tcase, vm_gets_an_identity);
  tcase_add_test(tcase, vm_makes_a_vmi);
  tcase_add_test(tcase, effective_values);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
