/* handler/controller/pod*.c: what the corpus cannot tell: Pod Security "restricted", Wherry's own mounts and memory, and where the launcher finds a volume. */
#include <check.h>
#include <stdlib.h>

#include "handler/controller/pod_parts.h"
#include "handler/controller/pod_paths.h"
#include "tests/unit/support_spec.h"

#define MI ((gint64)1024 * 1024)

static WryJson *claims(gpointer data, const char *kind, const char *namespace_, const char *name) {
  (void)data;
  ck_assert_str_eq(kind, "PersistentVolumeClaim");
  ck_assert_str_eq(namespace_, "default");
  return g_strcmp0(name, "raw") == 0 ? support_json("{'spec': {'volumeMode': 'Block'}}") : NULL;
}

/* The pod of a VMI with these members of its domain and spec. */
static WryJson *pod_of(const char *domain, const char *spec, const char *configuration) {
  g_autoptr(WryConfig) config = support_config(configuration);
  g_autoptr(WryJson) object = support_vmi(domain, spec ? spec : "");
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_auto(WryVerdict) verdict = {.stage = WRY_STAGE_ALLOWED};
  const WryReview review = {.config = config, .rules = WRY_RULES_KUBEVIRT};
  ck_assert_msg(wry_review(&review, object, causes, &verdict), "%s", wry_causes_text(causes));
  WryVmi *vmi = verdict.object;
  vmi->metadata->uid = g_strdup("u1");
  const WryPodWorld world = {.config = config, .costs = &wry_pod_costs, .image = "localhost/wherry/launcher:1", .find = claims};
  g_autoptr(GError) error = NULL;
  WryJson *pod = wry_pod_render(vmi, &world, &error);
  ck_assert_msg(pod != NULL, "%s", error ? error->message : "");
  return pod;
}

static const char *text_at(WryJson *object, const char *path) {
  WryJson *value = wry_json_path(object, path);
  return value ? json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) : "nothing";
}

/* --- Pod Security: the rules of level "restricted" (Kubernetes, Pod Security Standards) ------------------------------------------------------------------------ */
static const char *const restricted_volumes[] = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret", "image", NULL};

static void check_container(WryJson *container) {
  WryJson *security = wry_json_get(container, "securityContext");
  ck_assert_str_eq(text_at(security, "allowPrivilegeEscalation"), "false");
  ck_assert_str_eq(text_at(security, "capabilities"), "{\"drop\":[\"ALL\"]}");
  ck_assert_str_eq(text_at(security, "readOnlyRootFilesystem"), "true");
  ck_assert_str_eq(text_at(security, "runAsNonRoot"), "true");
  ck_assert_str_eq(text_at(security, "runAsUser"), "107");
  ck_assert(!wry_json_get(security, "privileged"));
  ck_assert(!wry_json_get(security, "procMount"));
  ck_assert(!wry_json_get(security, "seccompProfile"));
  WryJson *ports = wry_json_get(container, "ports");
  for (gsize i = 0; i < wry_json_length(ports); i++) ck_assert(!wry_json_get(json_object_array_get_idx(ports, i), "hostPort"));
}

static void check_restricted(WryJson *pod) {
  static const char *const lists[] = {"containers", "initContainers"}, *const host[] = {"hostNetwork", "hostPID", "hostIPC", "ephemeralContainers"};
  WryJson *spec = wry_json_get(pod, "spec"), *volumes = wry_json_get(spec, "volumes");
  for (gsize i = 0; i < G_N_ELEMENTS(host); i++) ck_assert(!wry_json_get(spec, host[i]));
  ck_assert_str_eq(text_at(spec, "securityContext.seccompProfile.type"), "\"RuntimeDefault\"");
  ck_assert_str_eq(text_at(spec, "securityContext.runAsNonRoot"), "true");
  ck_assert_str_eq(text_at(spec, "automountServiceAccountToken"), "false");
  for (gsize l = 0; l < G_N_ELEMENTS(lists); l++) {
    WryJson *list = wry_json_get(spec, lists[l]);
    for (gsize i = 0; i < wry_json_length(list); i++) check_container(json_object_array_get_idx(list, i));
  }
  for (gsize i = 0; i < wry_json_length(volumes); i++) {
    json_object_object_foreach(json_object_array_get_idx(volumes, i), key, value) {
      (void)value;
      ck_assert_msg(strcmp(key, "name") == 0 || g_strv_contains(restricted_volumes, key), "volume of kind %s", key);
    }
  }
}

#define EVERY_VOLUME "'volumes': [{'name': 'c', 'containerDisk': {'image': 'i:1'}}, {'name': 'p', 'persistentVolumeClaim': {'claimName': 'pvc'}}, {'name': 'b', 'persistentVolumeClaim': {'claimName': 'raw'}}," \
  "{'name': 'e', 'emptyDisk': {'capacity': '1Gi'}}, {'name': 'eph', 'ephemeral': {'persistentVolumeClaim': {'claimName': 'pvc'}}}, {'name': 'cm', 'configMap': {'name': 'm'}}, {'name': 's', 'secret': {'secretName': 'x'}}," \
  "{'name': 'd', 'downwardAPI': {'fields': [{'path': 'l', 'fieldRef': {'fieldPath': 'metadata.labels'}}]}}, {'name': 'sa', 'serviceAccount': {'serviceAccountName': 'acct'}}," \
  "{'name': 'ci', 'cloudInitNoCloud': {'secretRef': {'name': 'u'}, 'networkDataSecretRef': {'name': 'n'}}}]"

static const struct { const char *domain, *spec, *configuration; } restricted[] = {
    {"", NULL, NULL},
    {"", EVERY_VOLUME, NULL},
    {"", EVERY_VOLUME, "{'developerConfiguration': {'disabledFeatureGates': ['ImageVolume']}}"},
    {"'cpu': {'cores': 2, 'dedicatedCpuPlacement': true}", NULL, NULL},
    {"'firmware': {'kernelBoot': {'container': {'image': 'k:1', 'kernelPath': '/boot/k', 'initrdPath': '/boot/i'}}}", NULL, NULL},
    {"'devices': {'interfaces': [{'name': 'default', 'masquerade': {}, 'ports': [{'port': 80}]}]}", "'networks': [{'name': 'default', 'pod': {}}], 'readinessProbe': {'exec': {'command': ['true']}}", NULL},
};

START_TEST(is_restricted) {
  g_autoptr(WryJson) pod = pod_of(restricted[_i].domain, restricted[_i].spec, restricted[_i].configuration);
  check_restricted(pod);
}
END_TEST

/* --- volumes --------------------------------------------------------------------------------------------------------------------------------------------------- */
static WryJson *named(WryJson *list, const char *key, const char *name) {
  for (gsize i = 0; i < wry_json_length(list); i++)
    if (g_strcmp0(wry_json_str(json_object_array_get_idx(list, i), key), name) == 0) return json_object_array_get_idx(list, i);
  return NULL;
}

static const struct { const char *name, *mount, *volume; } mounts[] = {
    {"c", "{\"name\":\"c\",\"mountPath\":\"/run/wherry/volumes/c\",\"readOnly\":true,\"subPath\":\"disk\"}", "{\"name\":\"c\",\"image\":{\"reference\":\"i:1\",\"pullPolicy\":\"IfNotPresent\"}}"},
    {"p", "{\"name\":\"p\",\"mountPath\":\"/run/wherry/volumes/p\"}", "{\"name\":\"p\",\"persistentVolumeClaim\":{\"claimName\":\"pvc\"}}"},
    {"eph", "{\"name\":\"eph\",\"mountPath\":\"/run/wherry/volumes/eph\",\"readOnly\":true}", "{\"name\":\"eph\",\"persistentVolumeClaim\":{\"claimName\":\"pvc\"}}"},
    {"cm", "{\"name\":\"cm\",\"mountPath\":\"/run/wherry/volumes/cm\",\"readOnly\":true}", "{\"name\":\"cm\",\"configMap\":{\"name\":\"m\"}}"},
    {"s", "{\"name\":\"s\",\"mountPath\":\"/run/wherry/volumes/s\",\"readOnly\":true}", "{\"name\":\"s\",\"secret\":{\"secretName\":\"x\"}}"},
    {"ci-udata", "{\"name\":\"ci-udata\",\"mountPath\":\"/run/wherry/volumes/ci-udata\",\"readOnly\":true}", "{\"name\":\"ci-udata\",\"secret\":{\"secretName\":\"u\"}}"},
    {"ci-ndata", "{\"name\":\"ci-ndata\",\"mountPath\":\"/run/wherry/volumes/ci-ndata\",\"readOnly\":true}", "{\"name\":\"ci-ndata\",\"secret\":{\"secretName\":\"n\"}}"},
};

START_TEST(volume_mounts) {
  g_autoptr(WryJson) pod = pod_of("", EVERY_VOLUME, NULL);
  WryJson *spec = wry_json_get(pod, "spec"), *compute = wry_json_path(spec, "containers[0]");
  for (gsize i = 0; i < G_N_ELEMENTS(mounts); i++) {
    ck_assert_str_eq(json_object_to_json_string_ext(named(wry_json_get(compute, "volumeMounts"), "name", mounts[i].name), JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), mounts[i].mount);
    ck_assert_str_eq(json_object_to_json_string_ext(named(wry_json_get(spec, "volumes"), "name", mounts[i].name), JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), mounts[i].volume);
  }
  ck_assert_str_eq(text_at(compute, "volumeDevices"), "[{\"name\":\"b\",\"devicePath\":\"/dev/b\"}]");
  ck_assert(!named(wry_json_get(spec, "volumes"), "name", "e"));
  ck_assert_str_eq(text_at(spec, "serviceAccountName"), "\"acct\"");
  ck_assert_str_eq(text_at(named(wry_json_get(spec, "volumes"), "name", "sa"), "projected.sources[0]"), "{\"serviceAccountToken\":{\"path\":\"token\"}}");
}
END_TEST

START_TEST(own_mounts) {
  static const char *const paths[] = {"/run/wherry/vm", "/run/wherry/scratch", "/run/wherry/state", "/tmp"};
  g_autoptr(WryJson) pod = pod_of("", NULL, NULL);
  WryJson *spec = wry_json_get(pod, "spec"), *mounted = wry_json_path(spec, "containers[0].volumeMounts");
  for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
    WryJson *mount = named(mounted, "mountPath", paths[i]);
    ck_assert(mount && !wry_json_bool(mount, "readOnly", FALSE));
    ck_assert(wry_json_get(named(wry_json_get(spec, "volumes"), "name", wry_json_str(mount, "name")), "emptyDir"));
  }
  ck_assert_str_eq(text_at(spec, "containers[0].command"), "[\"/opt/wherry/launcher-init\"]");
  ck_assert_str_eq(text_at(spec, "initContainers[0].volumeMounts"), "[{\"name\":\"wherry-state\",\"mountPath\":\"/run/wherry/state\",\"readOnly\":true}]");
}
END_TEST

/* JSON of a volume -> where its disk is. */
static const struct { const char *volume; gboolean block; const char *path; } disks[] = {
    {"{'name': 'v', 'containerDisk': {'image': 'i'}}", FALSE, "/run/wherry/volumes/v"},
    {"{'name': 'v', 'containerDisk': {'image': 'i', 'path': '/a/b/d.qcow2'}}", FALSE, "/run/wherry/volumes/v/d.qcow2"},
    {"{'name': 'v', 'persistentVolumeClaim': {'claimName': 'c'}}", FALSE, "/run/wherry/volumes/v/disk.img"},
    {"{'name': 'v', 'persistentVolumeClaim': {'claimName': 'c'}}", TRUE, "/dev/v"},
    {"{'name': 'v', 'dataVolume': {'name': 'c'}}", FALSE, "/run/wherry/volumes/v/disk.img"},
    {"{'name': 'v', 'hostDisk': {'path': '/data/x.img', 'type': 'Disk'}}", FALSE, "/run/wherry/volumes/v/x.img"},
    {"{'name': 'v', 'emptyDisk': {'capacity': '1Gi'}}", FALSE, NULL},
    {"{'name': 'v', 'configMap': {'name': 'c'}}", FALSE, NULL},
};

START_TEST(disk_paths) {
  g_autoptr(WryJson) object = support_json(disks[_i].volume);
  g_autoptr(WryCauses) causes = wry_causes_new();
  WryVolume *volume = wry_decode(&wry_volume_type, object, "", causes);
  g_autofree char *path = wry_pod_disk_path(volume, disks[_i].block);
  ck_assert_pstr_eq(path, disks[_i].path);
  wry_struct_free(&wry_volume_type, volume);
}
END_TEST

/* --- memory ---------------------------------------------------------------------------------------------------------------------------------------------------- */
static const struct { const char *domain; gint64 mib; } overheads[] = {
    {"'devices': {'autoattachGraphicsDevice': false}", 80 + 3 + 2},
    {"", 80 + 3 + 2 + 20},
    {"'cpu': {'cores': 4}", 80 + 4 * 3 + 2 + 20},
    {"'memory': {'guest': '1Gi', 'reservedOverhead': {'addedOverhead': '64Mi'}}", 80 + 3 + 2 + 20 + 64},
};

START_TEST(own_overhead) {
  g_autoptr(WryJson) pod = pod_of(overheads[_i].domain, NULL, "{'developerConfiguration': {'featureGates': ['ReservedOverheadMemlock']}}");
  g_autofree char *bytes = g_strdup_printf("\"%" G_GINT64_FORMAT "\"", overheads[_i].mib * MI);
  ck_assert_str_eq(text_at(pod, "metadata.annotations[kubevirt.io/memory-overhead-bytes]"), bytes);
}
END_TEST

/* --- small ones ------------------------------------------------------------------------------------------------------------------------------------------------ */
START_TEST(not_permitted) {
  g_autoptr(WryConfig) config = support_config("{'developerConfiguration': {'featureGates': ['HostDevices']}, 'permittedHostDevices': {'pciHostDevices': [{'resourceName': 'x/y'}]}}");
  g_autoptr(WryJson) object = support_vmi("'devices': {'hostDevices': [{'name': 'h', 'deviceName': 'a/b'}]}", "");
  g_autoptr(WryCauses) causes = wry_causes_new();
  WryVmi *vmi = wry_object_admit(object, config, WRY_RULES_KUBEVIRT, NULL, causes);
  ck_assert(vmi != NULL);
  const WryPodWorld world = {.config = config, .costs = &wry_pod_costs, .image = "i"};
  g_autoptr(GError) error = NULL;
  ck_assert(wry_pod_render(vmi, &world, &error) == NULL);
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_INVALID));
  ck_assert(strstr(error->message, "spec.domain.devices.hostDevices[0].deviceName"));
  wry_struct_free(&wry_vmi_type, vmi);
}
END_TEST

START_TEST(probe_commands) {
  g_autoptr(WryJson) pod = pod_of("", "'readinessProbe': {'exec': {'command': ['a', 'b c']}, 'timeoutSeconds': 4}, 'livenessProbe': {'guestAgentPing': {}}", NULL);
  ck_assert_str_eq(text_at(pod, "spec.containers[0].readinessProbe.exec.command"), "[\"/opt/wherry/launcher\",\"guest-probe\",\"--timeout\",\"4\",\"--\",\"a\",\"b c\"]");
  ck_assert_str_eq(text_at(pod, "spec.containers[0].livenessProbe.exec.command"), "[\"/opt/wherry/launcher\",\"guest-probe\",\"--timeout\",\"1\"]");
  ck_assert_str_eq(text_at(pod, "spec.containers[0].readinessProbe.timeoutSeconds"), "5");
}
END_TEST

/* Without image volumes a static tool is brought into the image's own container and copies what is needed. */
START_TEST(copies_out_of_images) {
  g_autoptr(WryJson) pod = pod_of("'firmware': {'kernelBoot': {'container': {'image': 'k:1', 'kernelPath': '/boot/k', 'initrdPath': '/boot/i'}}}",
                                  "'volumes': [{'name': 'c', 'containerDisk': {'image': 'i:1'}}, {'name': 'd', 'containerDisk': {'image': 'j:1', 'path': '/a/x.qcow2'}}]",
                                  "{'developerConfiguration': {'disabledFeatureGates': ['ImageVolume']}}");
  static const struct { const char *name, *image, *command; } containers[] = {
      {"container-disk-binary", "localhost/wherry/launcher:1", "[\"/opt/wherry/launcher-copy\",\"/opt/wherry/launcher-copy\",\"/run/wherry/tool/launcher-copy\"]"},
      {"volumec-init", "i:1", "[\"/run/wherry/tool/launcher-copy\",\"/disk\",\"/run/wherry/copy\"]"},
      {"volumed-init", "j:1", "[\"/run/wherry/tool/launcher-copy\",\"/a\",\"/run/wherry/copy\"]"},
      {"volumekernel-boot-volume-init", "k:1", "[\"/run/wherry/tool/launcher-copy\",\"/boot/k\",\"/run/wherry/copy/boot/k\",\"/boot/i\",\"/run/wherry/copy/boot/i\"]"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(containers); i++) {
    WryJson *container = named(wry_json_path(pod, "spec.initContainers"), "name", containers[i].name);
    ck_assert_msg(container != NULL, "%s", containers[i].name);
    ck_assert_str_eq(wry_json_str(container, "image"), containers[i].image);
    ck_assert_str_eq(text_at(container, "command"), containers[i].command);
  }
}
END_TEST

START_TEST(labels_of_long_names) {
  g_autofree char *fits = wry_pod_vmi_label("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), *cut = wry_pod_vmi_label("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
  ck_assert_uint_eq(strlen(fits), 63);
  ck_assert_str_eq(cut, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb-98fdac2e");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("controller_pod");
  TCase *tests = tcase_create("pod");
  tcase_add_loop_test(tests, is_restricted, 0, G_N_ELEMENTS(restricted));
  tcase_add_test(tests, volume_mounts);
  tcase_add_test(tests, own_mounts);
  tcase_add_loop_test(tests, disk_paths, 0, G_N_ELEMENTS(disks));
  tcase_add_loop_test(tests, own_overhead, 0, G_N_ELEMENTS(overheads));
  tcase_add_test(tests, not_permitted);
  tcase_add_test(tests, probe_commands);
  tcase_add_test(tests, copies_out_of_images);
  tcase_add_test(tests, labels_of_long_names);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
