/* lib/spec_validate*.c: one refusal per rule, with the path that resolves in the object, and what this version lacks. The whole behaviour is compared with
 * KubeVirt's in tests/corpus. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/spec_types.h"
#include "tests/unit/support_spec.h"

#define DISK "'volumes': [{'name': 'd', 'emptyDisk': {'capacity': '1Gi'}}]"
#define POD "'networks': [{'name': 'n', 'pod': {}}]"

static const struct { const char *domain, *spec, *causes; } vmi_rows[] = {
    {"", "", ""},
    {"", "'hostname': 'A'", "Invalid spec.hostname"},
    {"", "'subdomain': 'a..b'", "Invalid spec.subdomain"},
    {"", "'startStrategy': 'Running'", "Invalid spec.startStrategy"},
    {"", "'startStrategy': 'Paused', 'livenessProbe': {'guestAgentPing': {}}", "Invalid spec.startStrategy"},
    {"", "'architecture': 'riscv64'", "Invalid spec.architecture"},
    {"", "'evictionStrategy': 'Delete'", "Invalid spec.evictionStrategy"},
    {"", "'dnsPolicy': 'None'", "Required spec.dnsConfig"},
    {"", "'dnsPolicy': 'Never'", "NotSupported spec.dnsPolicy"},
    {"", "'dnsConfig': {'nameservers': ['1.2.3']}", "Invalid spec.dnsConfig.nameservers[0]"},
    {"", "'tolerations': [{'operator': 'Maybe'}]", "NotSupported spec.tolerations[0].operator"},
    {"", "'accessCredentials': [{}]", "Invalid spec.accessCredentials[0]"},
    {"", "'resourceClaims': [{'name': 'a'}]", "Invalid spec.resourceClaims[0]"},
    {"", "'utilityVolumes': [{'name': 'a', 'claimName': 'b'}]", "Invalid spec.utilityVolumes"},
    {"", "'affinity': {'nodeAffinity': {'requiredDuringSchedulingIgnoredDuringExecution': {'nodeSelectorTerms': [{'matchExpressions': [{'key': 'a', 'operator': 'In'}]}]}}}",
     "Invalid spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values"},
    {"", "'affinity': {'podAffinity': {'preferredDuringSchedulingIgnoredDuringExecution': [{'weight': 101, 'podAffinityTerm': {'topologyKey': 'a'}}]}}",
     "Invalid spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight"},
    {"", "'topologySpreadConstraints': [{'maxSkew': 0, 'topologyKey': 'z', 'whenUnsatisfiable': 'DoNotSchedule'}]", "Invalid spec.topologySpreadConstraints[0].maxSkew"},
    {"'memory': {}", "", "Required spec.domain.memory"},
    {"'resources': {'requests': {'memory': '1k'}}", "", "Invalid spec.domain.resources.requests.memory"},
    {"'resources': {'limits': {'memory': '-1'}}", "", "Invalid spec.domain.resources.limits.memory"},
    {"'resources': {'requests': {'cpu': '2'}, 'limits': {'cpu': '1'}}", "", "Invalid spec.domain.resources.requests.cpu"},
    {"'memory': {'guest': '3Mi', 'hugepages': {'pageSize': '2Mi'}}", "", "Invalid spec.domain.memory.guest"},
    {"'machine': {'type': 'pc'}", "", "Invalid spec.domain.machine.type"},
    {"'cpu': {'sockets': 3, 'maxSockets': 2}", "", "Invalid spec.domain.cpu.sockets"},
    {"'cpu': {'features': [{'name': 'a', 'policy': 'maybe'}]}", "", "Invalid spec.domain.cpu.features[0].policy"},
    {"'cpu': {'cores': 2, 'threads': 3, 'dedicatedCpuPlacement': true}", "", "Invalid spec.domain.cpu.dedicatedCpuPlacement"},
    {"'cpu': {'isolateEmulatorThread': true}", "", "Invalid spec.domain.cpu.isolateEmulatorThread"},
    {"'cpu': {'realtime': {}}", "", "Required spec.domain.cpu.dedicatedCpuPlacement; Required spec.domain.cpu.numa.guestMappingPassthrough"},
    {"'features': {'hyperv': {'synic': {}, 'vpindex': {'enabled': false}}}", "", "Invalid spec.domain.features.hyperv.synic"},
    {"'features': {'hyperv': {'relaxed': {}}, 'hypervPassthrough': {}}", "", "Invalid spec.domain.features.hyperv"},
    {"'firmware': {'bootloader': {'efi': {}}}", "", "Invalid spec.domain"},
    {"'firmware': {'bootloader': {'efi': {}}}, 'features': {'smm': {}}", "", ""},
    {"'firmware': {'bootloader': {'efi': {'secureBoot': false}, 'bios': {}}}", "", "Invalid spec.domain.firmware.bootloader"},
    {"'firmware': {'kernelBoot': {'kernelArgs': 'a'}}", "", "Invalid spec.domain.firmware.kernelBoot.kernelArgs"},
    {"'firmware': {'kernelBoot': {'container': {'image': 'i'}}}", "", "Required spec.domain.firmware.kernelBoot.container"},
    {"'firmware': {'acpi': {'slicNameRef': 'x'}}", "", "Invalid spec.domain.firmware.acpi.slicNameRef"},
    {"'ioThreadsPolicy': 'supplementalPool'", "", "Invalid spec.domain.ioThreads.supplementalPoolThreadCount"},
    {"'launchSecurity': {}", "", "Forbidden spec.domain.launchSecurity"},
    {"'devices': {'inputs': [{'name': 't', 'type': 'mouse'}]}", "", "Invalid spec.domain.devices.inputs[0].type"},
    {"'devices': {'sound': {'name': 's', 'model': 'sb16'}}", "", "Invalid spec.domain.devices.sound"},
    {"'devices': {'video': {'type': 'voodoo'}}", "", "NotSupported spec.domain.devices.video.type"},
    {"'devices': {'autoattachVSOCK': true}", "", "Invalid spec.domain.devices.autoattachVSOCK"},
    {"'devices': {'panicDevices': [{'model': 'a'}]}", "", "Invalid spec.domain.devices.panicDevices[0].model"},
    {"'devices': {'hostDevices': [{'name': 'a', 'deviceName': 'b'}]}", "", "Invalid spec.domain.devices.hostDevices"},
    {"'devices': {'disks': [{'name': 'd', 'disk': {'bus': 'ide'}}]}", DISK, "Invalid spec.domain.devices.disks[0].disk.bus"},
    {"'devices': {'disks': [{'name': 'd', 'disk': {'bus': 'sata', 'readonly': true}}]}", DISK, "Invalid spec.domain.devices.disks[0].disk.bus"},
    {"'devices': {'disks': [{'name': 'd', 'disk': {}, 'lun': {}}]}", DISK, "Invalid spec.domain.devices.disks[0].lun; Invalid spec.domain.devices.disks[0]"},
    {"'devices': {'disks': [{'name': 'd', 'disk': {}, 'bootOrder': 0}]}", DISK, "Invalid spec.domain.devices.disks[0].bootOrder"},
    {"'devices': {'disks': [{'name': 'd', 'disk': {}, 'bootOrder': 1}], 'interfaces': [{'name': 'n', 'bridge': {}, 'bootOrder': 4294967297}]}", DISK ", " POD, ""},
    {"'devices': {'disks': [{'name': 'd', 'disk': {}, 'cache': 'some'}]}", DISK, "Invalid spec.domain.devices.disks[0].cache"},
    {"'devices': {'disks': [{'name': 'd', 'disk': {}, 'io': 'uring'}]}", DISK, "NotSupported spec.domain.devices.disks[0].io"},
    {"'devices': {'disks': [{'name': 'd', 'disk': {}, 'serial': '/'}]}", DISK, "Invalid spec.domain.devices.disks[0].serial"},
    {"'devices': {'disks': [{'name': 'x', 'disk': {}}]}", "", "Invalid spec.domain.devices.disks[0].name"},
    {"'devices': {'disks': [{'name': 'x', 'cdrom': {}}]}", "", ""},
    {"'devices': {'interfaces': [{'name': 'n'}]}", POD, "Invalid spec.domain.devices.interfaces[0]"},
    {"'devices': {'interfaces': [{'name': 'n', 'slirp': {}}]}", POD, "Invalid spec.domain.devices.interfaces[0].slirp; Invalid spec.domain.devices.interfaces[0]"},
    {"'devices': {'interfaces': [{'name': 'm', 'bridge': {}}]}", POD, "Invalid spec.domain.devices.interfaces[0].name; Required spec.networks[0].name"},
    {"'devices': {'interfaces': [{'name': 'n', 'bridge': {}, 'model': 'x'}]}", POD, "NotSupported spec.domain.devices.interfaces[0].model"},
    {"'devices': {'interfaces': [{'name': 'n', 'bridge': {}, 'macAddress': '1:2'}]}", POD, "Invalid spec.domain.devices.interfaces[0].macAddress"},
    {"'devices': {'interfaces': [{'name': 'n', 'masquerade': {}, 'macAddress': '02:00:00:00:00:00'}]}", POD, "Invalid spec.domain.devices.interfaces[0].macAddress"},
    {"'devices': {'interfaces': [{'name': 'n', 'masquerade': {}, 'ports': [{'port': 70000}]}]}", POD, "Invalid spec.domain.devices.interfaces[0].ports[0].port"},
    {"'devices': {'interfaces': [{'name': 'n', 'masquerade': {}, 'ports': [{'name': 'a', 'port': 1}, {'name': 'a', 'port': 2}]}]}", POD,
     "Duplicate spec.domain.devices.interfaces[0].ports[1].name"},
    {"'devices': {'interfaces': [{'name': 'n', 'bridge': {}, 'dhcpOptions': {'privateOptions': [{'option': 1, 'value': ''}]}}]}", POD,
     "Invalid spec.domain.devices.interfaces[0].dhcpOptions.privateOptions[0].option"},
    {"'devices': {'interfaces': [{'name': 'n', 'bridge': {}, 'state': 'absent'}]}", POD, "Invalid spec.domain.devices.interfaces[0].state"},
    {"'devices': {'interfaces': [{'name': 'n', 'masquerade': {}}, {'name': 'm', 'masquerade': {}}]}", "'networks': [{'name': 'n', 'pod': {}}, {'name': 'm', 'pod': {}}]",
     "Duplicate spec.domain.devices.interfaces"},
    {"", "'networks': [{'name': 'n'}]", "Required spec.networks[0]; Required spec.networks[0].name"},
    {"", "'volumes': [{'name': 'v'}]", "Invalid spec.volumes[0]"},
    {"", "'volumes': [{'name': 'v', 'secret': {}}]", "Invalid spec.volumes[0].secret.secretName"},
    {"", "'volumes': [{'name': 'v', 'cloudInitNoCloud': {}}]", "Invalid spec.volumes[0].cloudInitNoCloud"},
    {"", "'volumes': [{'name': 'v', 'cloudInitNoCloud': {'userDataBase64': '!'}}]", "Invalid spec.volumes[0].cloudInitNoCloud.userDataBase64"},
    {"", "'volumes': [{'name': 'v', 'containerDisk': {'image': 'i', 'path': '../x'}}]", "Invalid spec.volumes[0].containerDisk"},
    {"", "'volumes': [{'name': 'v', 'hostDisk': {'path': '/x', 'type': 'Disk'}}]", "Invalid spec.volumes[0]"},
    {"", "'readinessProbe': {}", "Required spec.readinessProbe"},
    {"", "'readinessProbe': {'httpGet': {'port': 1}, 'tcpSocket': {'port': 1}}", "Invalid spec.readinessProbe"},
    {"", "'readinessProbe': {'httpGet': {'path': '/'}}", "Required spec.readinessProbe.httpGet.port"},
    {"", "'readinessProbe': {'httpGet': {'port': 1, 'prot': 2}}", "Forbidden spec.readinessProbe.httpGet.prot"},
};

START_TEST(vmi_is_refused) {
  g_autoptr(WryJson) object = support_vmi(vmi_rows[_i].domain, vmi_rows[_i].spec);
  g_autofree char *causes = support_review(object, NULL, WRY_RULES_KUBEVIRT);
  ck_assert_msg(!strcmp(causes, vmi_rows[_i].causes), "%s, %s: expected %s, found %s", vmi_rows[_i].domain, vmi_rows[_i].spec, vmi_rows[_i].causes, causes);
}
END_TEST

#define TEMPLATE "'template': {'spec': {'domain': {'devices': {}, 'memory': {'guest': '128Mi'}}}}"

static const struct { const char *spec, *configuration, *causes; } vm_rows[] = {
    {"'runStrategy': 'Always', " TEMPLATE, NULL, ""},
    {"'running': true, " TEMPLATE, NULL, ""},
    {TEMPLATE, NULL, "Invalid spec.running"},
    {"'running': true, 'runStrategy': 'Always', " TEMPLATE, NULL, "Invalid spec.running"},
    {"'runStrategy': 'Sometimes', " TEMPLATE, NULL, "Invalid spec.runStrategy"},
    {"'runStrategy': 'Always'", NULL, "Required spec.template"},
    {"'runStrategy': 'Halted', 'template': {'spec': {'domain': {'devices': {}}, 'hostname': 'A'}}", NULL, "Invalid spec.template.spec.hostname"},
    {"'runStrategy': 'Halted', 'template': {'spec': {'domain': {'devices': {}, 'memory': {'guest': '2Gi', 'maxGuest': '1Gi'}}}}", NULL, "Invalid spec.template.spec.domain.memory.guest"},
    {"'runStrategy': 'Halted', 'template': {'spec': {'domain': {'devices': {}, 'memory': {'guest': '2Gi', 'maxGuest': '1Gi'}}}}", "{'vmRolloutStrategy': 'Stage'}", ""},
    {"'runStrategy': 'Halted', 'dataVolumeTemplates': [{'metadata': {'name': 'd'}, 'spec': {'source': {'blank': {}}, 'storage': {}}}], " TEMPLATE, NULL,
     "Required spec.dataVolumeTemplates[0]"},
    {"'runStrategy': 'Halted', 'dataVolumeTemplates': [{'spec': {'storage': {'size': 1}}}], " TEMPLATE, NULL, "Forbidden spec.dataVolumeTemplates[0].spec.storage.size"},
};

START_TEST(vm_is_refused) {
  g_autoptr(WryJson) object = support_vm(vm_rows[_i].spec);
  g_autofree char *causes = support_review(object, vm_rows[_i].configuration, WRY_RULES_KUBEVIRT);
  ck_assert_msg(!strcmp(causes, vm_rows[_i].causes), "%s: expected %s, found %s", vm_rows[_i].spec, vm_rows[_i].causes, causes);
}
END_TEST

/* --- what this version lacks ----------------------------------------------------------------------------------------------------------------------------------- */
static WryJson *some_value(const WryField *field) {
  switch (field->kind) {
    case WRY_K_BOOL: return json_object_new_boolean(TRUE);
    case WRY_K_INT: return json_object_new_int(1);
    case WRY_K_ENUM: return json_object_new_string(field->values[0]);
    case WRY_K_QUANTITY: return json_object_new_string("1");
    case WRY_K_LIST: return support_json("[{}]");
    case WRY_K_STRLIST: return support_json("['a']");
    case WRY_K_MAP: return support_json("{'a': 'b'}");
    case WRY_K_QMAP: return support_json("{'a': '1'}");
    case WRY_K_NUMBER: return json_object_new_double(1.5);
    case WRY_K_INTLIST: return support_json("[1]");
    case WRY_K_INTMAP: return support_json("{'a': 1}");
    case WRY_K_BOOLMAP: return support_json("{'a': true}");
    case WRY_K_OBJMAP: return support_json("{'a': {}}");
    case WRY_K_OBJECT: return json_object_new_object();
    case WRY_K_RAW: return field->flags & WRY_F_RAW_LIST ? support_json("[{}]") : support_json("{'a': 1}");
    case WRY_K_STR: case WRY_K_TIME: case WRY_K_INTORSTR: return json_object_new_string("1");
  }
  return NULL;
}

/* {"spec": {"volumes": [{"name": value}]}} for "spec.volumes[].name". */
static WryJson *object_with(const char *path, WryJson *value) {
  g_auto(GStrv) steps = g_strsplit(path, ".", -1);
  WryJson *object = value;
  for (guint i = g_strv_length(steps); i-- > 0;) {
    WryJson *outer = json_object_new_object();
    gboolean list = g_str_has_suffix(steps[i], "[]");
    g_autofree char *name = g_strndup(steps[i], strlen(steps[i]) - (list ? 2 : 0));
    WryJson *inner = list ? json_object_new_array() : object;
    if (list) json_object_array_add(inner, object);
    json_object_object_add(outer, name, inner);
    object = outer;
  }
  return object;
}

static guint lacking;

/* A row that is marked is refused with its own path; one below it is not reached. */
static void refused_by_path(const char *path, const WryField *field, gpointer data) {
  static char above[512] = "//";
  (void)data;
  if (!(field->flags & WRY_F_UNSUPPORTED) || g_str_has_prefix(path, above)) return;
  g_snprintf(above, sizeof above, "%s.", path);
  g_autoptr(WryJson) object = object_with(path, some_value(field));
  g_autoptr(WryCauses) ignored = wry_causes_new(), causes = wry_causes_new();
  g_autoptr(WryConfig) config = support_config(NULL);
  WryVmi *vmi = wry_decode(&wry_vmi_type, object, "", ignored);
  ck_assert(wry_vmi_default(vmi, config, NULL, NULL, NULL));
  wry_vmi_validate(vmi, config, WRY_RULES_THIS_VERSION, causes);
  g_auto(GStrv) parts = g_strsplit(path, "[]", -1);
  g_autofree char *place = g_strjoinv("[0]", parts), *expected = g_strdup_printf("NotSupported %s", place), *found = support_causes(causes);
  ck_assert_msg(strstr(found, expected) != NULL, "%s: found %s", path, found);
  wry_struct_free(&wry_vmi_type, vmi);
  lacking++;
}

START_TEST(unsupported_is_refused) {
  lacking = 0;
  wry_fields_walk(&wry_vmi_spec_type, "spec", refused_by_path, NULL);
  ck_assert_uint_gt(lacking, 60);
}
END_TEST

static const struct { const char *domain, *spec, *causes; } version_rows[] = {
    {"", "", ""},
    {"'cpu': {'cores': 2, 'dedicatedCpuPlacement': false}", "", ""},
    {"'devices': {'autoattachVSOCK': false, 'blockMultiQueue': false, 'tpm': {}}", "", "NotSupported spec.domain.devices.tpm"},
    {"'devices': {'disks': [{'name': 'd', 'disk': {'bus': 'usb'}}]}", DISK, "NotSupported spec.domain.devices.disks[0].disk.bus"},
    {"'devices': {'disks': [{'name': 'd', 'disk': {'bus': 'virtio'}, 'cache': 'none', 'io': 'native', 'serial': 'S'}]}", DISK, ""},
    {"'devices': {'panicDevices': [{}, {'model': 'isa'}, {'model': 'hyperv'}]}", "", ""},
    {"'devices': {'panicDevices': [{'model': 'isa'}, {'model': 'pvpanic'}]}", "", "NotSupported spec.domain.devices.panicDevices[1].model"},
    {"", "'architecture': 'arm64'", "NotSupported spec.architecture"},
    {"'cpu': {'cores': 256, 'sockets': 2}", "", ""},
    {"'cpu': {'cores': 257, 'sockets': 2}", "", "NotSupported spec.domain.cpu"},
    {"", "'evictionStrategy': 'LiveMigrate'", "NotSupported spec.evictionStrategy"},
    {"", "'nodeSelector': {}, 'tolerations': [], 'priorityClassName': ''", ""},
    {"", "'nodeSelector': {'a': 'b'}, 'schedulerName': 's'", "NotSupported spec.nodeSelector; NotSupported spec.schedulerName"},
    {"'features': {'hyperv': {'vpindex': {}, 'tlbflush': {}}}", "", ""},
    {"'features': {'hyperv': {'vpindex': {}, 'tlbflush': {'direct': {}, 'extended': {}}}}", "",
     "NotSupported spec.domain.features.hyperv.tlbflush.direct; NotSupported spec.domain.features.hyperv.tlbflush.extended"},
    {"", "'livenessProbe': {'exec': {'command': ['a']}}", "NotSupported spec.livenessProbe.exec"},
    {"'devices': {'interfaces': [{'name': 'n', 'masquerade': {}, 'ports': [{'name': 'web', 'port': 8080}]}]}", POD ", 'readinessProbe': {'tcpSocket': {'port': 'web'}}", ""},
    {"'devices': {'interfaces': [{'name': 'n', 'masquerade': {}, 'ports': [{'name': 'web', 'port': 8080}]}]}", POD ", 'readinessProbe': {'httpGet': {'port': '8081'}}", ""},
    {"'devices': {'interfaces': [{'name': 'n', 'masquerade': {}, 'ports': [{'name': 'web', 'port': 8080}]}]}", POD ", 'livenessProbe': {'httpGet': {'port': 65535}}", ""},
    {"'devices': {'interfaces': [{'name': 'n', 'masquerade': {}, 'ports': [{'name': 'web', 'port': 8080}]}]}", POD ", 'readinessProbe': {'tcpSocket': {'port': 'db'}}", "Invalid spec.readinessProbe.tcpSocket.port"},
    {"'devices': {'interfaces': [{'name': 'n', 'masquerade': {}, 'ports': [{'name': 'web', 'port': 8080}]}]}", POD ", 'livenessProbe': {'httpGet': {'port': 'https'}}", "Invalid spec.livenessProbe.httpGet.port"},
    {"'devices': {'interfaces': [{'name': 'n', 'masquerade': {}, 'ports': [{'name': 'web', 'port': 8080}]}]}", POD ", 'readinessProbe': {'tcpSocket': {'port': 65536}}", "Invalid spec.readinessProbe.tcpSocket.port"},
    {"'devices': {'interfaces': [{'name': 'n', 'masquerade': {}, 'ports': [{'name': 'web', 'port': 8080}]}]}", POD ", 'readinessProbe': {'tcpSocket': {'port': 0}}", "Invalid spec.readinessProbe.tcpSocket.port"},
    {"'devices': {'interfaces': [{'name': 'n', 'masquerade': {}, 'ports': [{'name': 'web', 'port': 8080}]}]}", POD ", 'readinessProbe': {'tcpSocket': {'port': '-1'}}", "Invalid spec.readinessProbe.tcpSocket.port"},
    {"", "'volumes': [{'name': 'v', 'hostDisk': {'path': '/x', 'type': 'DiskOrCreate', 'capacity': '1Gi'}}]", ""},
};

static const struct { const char *spec, *causes; } cluster_rows[] = {
    {"'nodeSelector': {'a': 'b'}, 'schedulerName': 's', 'priorityClassName': 'p', 'subdomain': 'd', 'dnsPolicy': 'Default'", ""},
    {"'tolerations': [{'key': 'k', 'operator': 'Exists'}], 'affinity': {'nodeAffinity': {}}", ""},
    {"'evictionStrategy': 'External'", ""},
    {"'readinessProbe': {'tcpSocket': {'port': 80}}", ""},
    {"'readinessProbe': {'guestAgentPing': {}}", "NotSupported spec.readinessProbe.guestAgentPing"},
    {"'evictionStrategy': 'LiveMigrate'", "NotSupported spec.evictionStrategy"},
    {"'accessCredentials': [{'sshPublicKey': {'source': {'secret': {'secretName': 's'}}, 'propagationMethod': {'noCloud': {}}}}]", "NotSupported spec.accessCredentials"},
};

/* What the scheduler and the kubelet do is there in a cluster; what this version lacks is not. */
START_TEST(in_cluster) {
  g_autoptr(WryJson) object = support_vmi("", cluster_rows[_i].spec);
  json_object_object_del(wry_json_path(object, "spec.domain"), "chassis");
  g_autofree char *causes = support_review(object, NULL, WRY_RULES_IN_CLUSTER);
  ck_assert_msg(g_str_has_prefix(causes, cluster_rows[_i].causes) && (*cluster_rows[_i].causes || !*causes), "%s: expected %s, found %s", cluster_rows[_i].spec, cluster_rows[_i].causes, causes);
}
END_TEST

START_TEST(this_version) {
  g_autoptr(WryJson) object = support_vmi(version_rows[_i].domain, version_rows[_i].spec);
  if (strstr(version_rows[_i].domain, "'chassis'") == NULL) json_object_object_del(wry_json_path(object, "spec.domain"), "chassis");
  g_autofree char *causes = support_review(object, NULL, WRY_RULES_THIS_VERSION);
  ck_assert_msg(!strcmp(causes, version_rows[_i].causes), "%s, %s: expected %s, found %s", version_rows[_i].domain, version_rows[_i].spec, version_rows[_i].causes, causes);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("spec validate");
  TCase *tcase = tcase_create("spec validate");
  tcase_add_loop_test(tcase, vmi_is_refused, 0, G_N_ELEMENTS(vmi_rows));
  tcase_add_loop_test(tcase, vm_is_refused, 0, G_N_ELEMENTS(vm_rows));
  tcase_add_test(tcase, unsupported_is_refused);
  tcase_add_loop_test(tcase, this_version, 0, G_N_ELEMENTS(version_rows));
  tcase_add_loop_test(tcase, in_cluster, 0, G_N_ELEMENTS(cluster_rows));
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
