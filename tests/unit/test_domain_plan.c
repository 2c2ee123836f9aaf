/* Decisions of the plan: names, paths, formats, caches, and what is refused when. */
#include "launcher/domain/domain.h"
#include "launcher/domain/plan.h"
#include "tests/unit/support_bundle.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct { guint index; const char *target; } targets[] = {
    {0, "vda"}, {1, "vdb"}, {25, "vdz"}, {26, "vdaa"}, {27, "vdab"}, {51, "vdaz"}, {52, "vdba"}, {701, "vdzz"}, {702, "vdaaa"}, {18277, "vdzzz"}, {18278, "vdaaaa"}};

START_TEST(targets_count_like_libvirts) {
  char target[16];
  wry_plan_target(target, "vd", targets[_i].index);
  ck_assert_str_eq(target, targets[_i].target);
}
END_TEST

static const struct { const char *hostname, *name, *expected; } hosts[] = {
    {NULL, "plain", "plain"},
    {NULL, "with.dots.in", "with"},
    {"given", "other", "given"},
    {"given.fqdn", "other", "given"},
    {"", "name", "name"},
    {NULL, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    {NULL, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb--bbb", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"},
};

START_TEST(hostname_is_a_label) {
  WryMeta meta = {.name = (char *)hosts[_i].name};
  WryVmiSpec spec = {.hostname = (char *)hosts[_i].hostname};
  WryVmi vmi = {.metadata = &meta, .spec = &spec};
  g_autofree char *host = wry_domain_hostname(&vmi);
  ck_assert_str_eq(host, hosts[_i].expected);
}
END_TEST

/* --- plans ------------------------------------------------------------------------------------------------------------------------------------------------- */
static WryVmi *vmi;
static WryBundle *bundle;
static GError *failure;

static void teardown(void) {
  if (vmi) wry_struct_free(&wry_vmi_type, vmi);
  if (bundle) wry_struct_free(&wry_bundle_type, bundle);
  vmi = NULL;
  bundle = NULL;
  g_clear_error(&failure);
}

static WryDomainPlan *plan_with(const char *spec, const char *members, const GPtrArray *direct) {
  teardown();
  vmi = support_domain_vmi(spec);
  bundle = support_domain_bundle(members);
  return wry_domain_plan(vmi, bundle, direct, NULL, &failure);
}

static WryDomainPlan *plan_disk(const char *disk, const char *volume, const char *given, const GPtrArray *direct) {
  g_autofree char *spec = g_strdup_printf("'domain': {'devices': {'disks': [{'name': 'd', %s}]}, 'memory': {'guest': '128Mi'}}, 'volumes': [{'name': 'd', %s}], 'networks': []", disk, volume);
  g_autofree char *members = g_strdup_printf("'interfaces': [{'name': 'default', 'tap': 'tap0'}], 'volumes': [%s]", given);
  return plan_with(spec, members, direct);
}

#define PVC "'persistentVolumeClaim': {'claimName': 'c'}"
#define DOMAIN(rest) "'domain': {'devices': {'autoattachPodInterface': false}, 'memory': {'guest': '128Mi'}" rest "}"

static const struct { const char *volume, *given, *path, *format, *backing, *backing_format; gboolean block, readonly; } volumes[] = {
    {"'containerDisk': {'image': 'i'}", "{'name': 'd', 'path': '/v/d/disk.img', 'format': 'qcow2'}", "/run/wherry/scratch/d.qcow2", "qcow2", "/v/d/disk.img", "qcow2", FALSE, FALSE},
    {"'containerDisk': {'image': 'i'}", "{'name': 'd', 'path': '/v/d/disk.img', 'format': 'raw', 'readOnly': true}", "/run/wherry/scratch/d.qcow2", "qcow2", "/v/d/disk.img", "raw", FALSE, FALSE},
    {"'emptyDisk': {'capacity': '1Gi'}", "", "/run/wherry/scratch/d.qcow2", "qcow2", NULL, NULL, FALSE, FALSE},
    {PVC, "{'name': 'd', 'path': '/v/d/disk.img'}", "/v/d/disk.img", "raw", NULL, NULL, FALSE, FALSE},
    {PVC, "{'name': 'd', 'path': '/v/d/disk.img', 'format': 'something'}", "/v/d/disk.img", "raw", NULL, NULL, FALSE, FALSE},
    {PVC, "{'name': 'd', 'path': '/v/d/disk.img', 'readOnly': true}", "/v/d/disk.img", "raw", NULL, NULL, FALSE, TRUE},
    {PVC, "{'name': 'd', 'path': '/v/d', 'block': true}", "/v/d", "raw", NULL, NULL, TRUE, FALSE},
    {"'ephemeral': {" PVC "}", "{'name': 'd', 'path': '/v/d', 'block': true}", "/run/wherry/scratch/d.qcow2", "qcow2", "/v/d", "raw", FALSE, FALSE},
    {"'cloudInitNoCloud': {'userData': 'x'}", "", "/run/wherry/vm/d.iso", "raw", NULL, NULL, FALSE, FALSE},
    {"'configMap': {'name': 'm'}", "{'name': 'd', 'data': {}}", "/run/wherry/vm/d.iso", "raw", NULL, NULL, FALSE, FALSE},
};

START_TEST(a_volume_decides_path_and_format) {
  g_autoptr(WryDomainPlan) plan = plan_disk("'disk': {'bus': 'virtio'}", volumes[_i].volume, volumes[_i].given, NULL);
  ck_assert_msg(plan != NULL, "%s", failure ? failure->message : "");
  const WryDomainDisk *disk = wry_domain_disk(plan, "d");
  ck_assert_str_eq(disk->path, volumes[_i].path);
  ck_assert_str_eq(disk->format, volumes[_i].format);
  ck_assert_pstr_eq(disk->backing, volumes[_i].backing);
  ck_assert_pstr_eq(disk->backing_format, volumes[_i].backing_format);
  ck_assert_int_eq(disk->block, volumes[_i].block);
  ck_assert_int_eq(disk->readonly, volumes[_i].readonly);
  ck_assert_ptr_null(wry_domain_disk(plan, "other"));
}
END_TEST

/* looked: nobody looked | it takes O_DIRECT | it does not */
typedef enum { UNKNOWN, DIRECT, BUFFERED } Looked;
static const struct { const char *disk, *given; Looked looked; const char *cache, *io; int code; } caches[] = {
    {"'disk': {}", "", UNKNOWN, NULL, NULL, -1},
    {"'disk': {}", "", DIRECT, "none", NULL, -1},
    {"'disk': {}", "", BUFFERED, "writethrough", NULL, -1},
    {"'disk': {}, 'cache': 'writeback'", "", DIRECT, "writeback", NULL, -1},
    {"'disk': {}, 'cache': 'writeback'", "", BUFFERED, "writeback", NULL, -1},
    {"'disk': {}, 'cache': 'none'", "", UNKNOWN, "none", NULL, -1},
    {"'disk': {}, 'cache': 'none'", "", DIRECT, "none", NULL, -1},
    {"'disk': {}, 'cache': 'none'", "", BUFFERED, NULL, NULL, WRY_ERROR_UNSUPPORTED},
    {"'disk': {}, 'io': 'native'", "", DIRECT, "none", "native", -1},
    {"'disk': {}, 'io': 'native'", "", BUFFERED, NULL, NULL, WRY_ERROR_UNSUPPORTED},
    {"'disk': {}, 'io': 'threads'", "", BUFFERED, "writethrough", "threads", -1},
    {"'disk': {}", ", 'block': true", DIRECT, "none", "native", -1},
    {"'disk': {}, 'io': 'threads'", ", 'block': true", DIRECT, "none", "threads", -1},
    {"'disk': {}, 'cache': 'writethrough'", ", 'block': true", DIRECT, "writethrough", NULL, -1},
    {"'disk': {}, 'shareable': true", "", UNKNOWN, "none", NULL, -1},
    {"'disk': {}, 'shareable': true", "", BUFFERED, NULL, NULL, WRY_ERROR_UNSUPPORTED},
    {"'disk': {}, 'shareable': true, 'cache': 'writeback'", "", DIRECT, NULL, NULL, WRY_ERROR_INVALID},
};

START_TEST(the_file_system_decides_the_cache) {
  g_autoptr(GPtrArray) direct = caches[_i].looked == UNKNOWN ? NULL : g_ptr_array_new();
  if (caches[_i].looked == DIRECT) g_ptr_array_add(direct, (char *)"d");
  g_autofree char *given = g_strdup_printf("{'name': 'd', 'path': '/p'%s}", caches[_i].given);
  g_autoptr(WryDomainPlan) plan = plan_disk(caches[_i].disk, PVC, given, direct);
  if (caches[_i].code >= 0) {
    ck_assert(!plan && g_error_matches(failure, WRY_ERROR, caches[_i].code));
    return;
  }
  ck_assert_msg(plan != NULL, "%s", failure ? failure->message : "");
  ck_assert_pstr_eq(wry_domain_disk(plan, "d")->cache, caches[_i].cache);
  ck_assert_pstr_eq(wry_domain_disk(plan, "d")->io, caches[_i].io);
}
END_TEST

static const struct { const char *spec, *members; WryErrorCode code; } refusals[] = {
    {DOMAIN(""), "'node': {'kvm': false}", WRY_ERROR_NO_KVM},
    {DOMAIN(""), "'node': {}", WRY_ERROR_NO_KVM},
    {DOMAIN("") ", 'architecture': 'arm64'", "'node': {'kvm': true}", WRY_ERROR_UNSUPPORTED},
    {DOMAIN(""), "'node': {'kvm': true, 'arch': 's390x'}", WRY_ERROR_UNSUPPORTED},
    {DOMAIN(", 'firmware': {'uuid': 'x'}"), "", WRY_ERROR_INVALID},
    {DOMAIN(", 'firmware': {'bootloader': {'efi': {}}}"), "", WRY_ERROR_INVALID},
    {DOMAIN(", 'firmware': {'bootloader': {'efi': {}}}, 'features': {'smm': {'enabled': false}}"), "", WRY_ERROR_INVALID},
    {DOMAIN(", 'firmware': {'kernelBoot': {'container': {'image': 'i', 'kernelPath': '/k'}}}"), "", WRY_ERROR_IMAGE_MISSING},
    {DOMAIN(", 'firmware': {'kernelBoot': {'container': {'image': 'i', 'initrdPath': '/k'}}}"), "'kernel': {'kernel': '/k'}", WRY_ERROR_IMAGE_MISSING},
    {DOMAIN(", 'features': {'hyperv': {'tlbflush': {'extended': {}}}}"), "", WRY_ERROR_UNSUPPORTED},
    {"'domain': {'devices': {'autoattachPodInterface': false}}", "", WRY_ERROR_INVALID},
    {DOMAIN("") ", 'volumes': [{'name': 'v', 'persistentVolumeClaim': {'claimName': 'c'}}]", "", WRY_ERROR_VOLUME_MISSING},
    {DOMAIN("") ", 'volumes': [{'name': 'v', 'persistentVolumeClaim': {'claimName': 'c'}}]", "'volumes': [{'name': 'v'}]", WRY_ERROR_VOLUME_MISSING},
    {DOMAIN("") ", 'volumes': [{'name': 'v', 'containerDisk': {'image': 'i'}}]", "'volumes': [{'name': 'w', 'path': '/x'}]", WRY_ERROR_VOLUME_MISSING},
    {DOMAIN("") ", 'volumes': [{'name': 'v', 'sysprep': {}}]", "", WRY_ERROR_UNSUPPORTED},
    {DOMAIN("") ", 'volumes': [{'name': '../v', 'emptyDisk': {'capacity': '1'}}]", "", WRY_ERROR_UNSUPPORTED},
    {"'domain': {'devices': {'autoattachPodInterface': false, 'disks': [{'name': 'none', 'disk': {}}]}, 'memory': {'guest': '1Mi'}}", "", WRY_ERROR_VOLUME_MISSING},
    {"'domain': {'devices': {}, 'memory': {'guest': '128Mi'}}", "", WRY_ERROR_INVALID},
    {"'domain': {'devices': {}, 'memory': {'guest': '128Mi'}}", "'interfaces': [{'name': 'default'}]", WRY_ERROR_INVALID},
    {"'domain': {'devices': {}, 'memory': {'guest': '128Mi'}}", "'interfaces': [{'name': 'default', 'tap': 'tap0', 'mac': '02:00:00:00:00'}]", WRY_ERROR_INVALID},
    {"'domain': {'devices': {}, 'memory': {'guest': '128Mi'}}", "'interfaces': [{'name': 'default', 'tap': 'tap0', 'mac': '02:00:00:00:00:00:00'}]", WRY_ERROR_INVALID},
    {"'domain': {'devices': {}, 'memory': {'guest': '128Mi'}}", "'interfaces': [{'name': 'default', 'tap': 'tap0', 'mac': '02:00:00:00:00:0g'}]", WRY_ERROR_INVALID},
};

START_TEST(what_cannot_be_is_refused_with_its_code) {
  const char *members = refusals[_i].members;
  g_autofree char *all = g_str_has_prefix(members, "'node'") ? g_strdup(members) : NULL;
  g_autoptr(WryDomainPlan) plan = all ? NULL : plan_with(refusals[_i].spec, members, NULL);
  if (all) {
    teardown();
    vmi = support_domain_vmi(refusals[_i].spec);
    bundle = support_domain_bundle("");
    g_autofree char *arch = bundle->node->arch;
    bundle->node->kvm.v = strstr(all, "true") != NULL;
    bundle->node->arch = g_strdup(strstr(all, "s390x") ? "s390x" : arch);
    plan = wry_domain_plan(vmi, bundle, NULL, NULL, &failure);
  }
  ck_assert_ptr_null(plan);
  ck_assert_msg(g_error_matches(failure, WRY_ERROR, refusals[_i].code), "%d: %d %s", _i, failure->code, failure->message);
}
END_TEST

START_TEST(addresses_are_written_as_libvirt_reads_them) {
  static const char *const forms[] = {"02:00:5E:10:00:0a", "02-00-5e-10-00-0A", "0200.5e10.000a"};
  for (guint i = 0; i < G_N_ELEMENTS(forms); i++) {
    g_autofree char *spec = g_strdup_printf("'domain': {'devices': {'interfaces': [{'name': 'default', 'masquerade': {}, 'macAddress': '%s'}]}, 'memory': {'guest': '128Mi'}}, "
                                            "'networks': [{'name': 'default', 'pod': {}}]", forms[i]);
    g_autoptr(WryDomainPlan) plan = plan_with(spec, "'interfaces': [{'name': 'default', 'tap': 'tap3', 'mac': '02:aa:aa:aa:aa:aa', 'mtu': 1400}]", NULL);
    const WryDomainInterface *interface = g_ptr_array_index(plan->interfaces, 0);
    ck_assert_str_eq(interface->mac, "02:00:5e:10:00:0a");
    ck_assert_str_eq(interface->tap, "tap3");
    ck_assert_uint_eq(interface->mtu, 1400);
  }
}
END_TEST

START_TEST(variables_of_uefi_live_as_long_as_asked) {
  g_autoptr(WryDomainPlan) passing = plan_with(DOMAIN(", 'firmware': {'bootloader': {'efi': {'secureBoot': false}}}"), "", NULL);
  ck_assert_str_eq(passing->nvram, "/run/wherry/vm/vars.fd");
  ck_assert(!passing->secure);
  ck_assert_str_eq(passing->loader, "/usr/share/OVMF/OVMF_CODE_4M.fd");
  g_clear_pointer(&passing, wry_domain_plan_free);
  g_autoptr(WryDomainPlan) lasting = plan_with(DOMAIN(", 'firmware': {'bootloader': {'efi': {'persistent': true}}}, 'features': {'smm': {}}"), "", NULL);
  ck_assert_str_eq(lasting->nvram, "/run/wherry/state/nvram/vars.fd");
  ck_assert(lasting->secure);
  ck_assert_str_eq(lasting->nvram_template, "/usr/share/OVMF/OVMF_VARS_4M.ms.fd");
}
END_TEST

START_TEST(endpoints_are_there_when_wanted) {
  g_autoptr(WryDomainPlan) all = plan_with(DOMAIN(""), "", NULL);
  ck_assert_str_eq(all->name, "default_t");
  ck_assert_str_eq(all->serial, "/run/wherry/vm/serial0");
  ck_assert_str_eq(all->vnc, "/run/wherry/vm/qemu/vnc.sock");
  ck_assert_str_eq(all->agent, "/run/wherry/vm/agent.sock");
  g_clear_pointer(&all, wry_domain_plan_free);
  g_autoptr(WryDomainPlan) none = plan_with("'domain': {'devices': {'autoattachPodInterface': false, 'autoattachSerialConsole': false, 'autoattachGraphicsDevice': false}, "
                                            "'memory': {'guest': '128Mi'}}", "", NULL);
  ck_assert_ptr_null(none->serial);
  ck_assert_ptr_null(none->vnc);
  ck_assert_str_eq(none->agent, "/run/wherry/vm/agent.sock");
}
END_TEST

START_TEST(directories_may_be_elsewhere) {
  const WryDomainDirs dirs = {.vm = "/a", .scratch = "/b", .state = "/c", .emulator = "/d"};
  vmi = support_domain_vmi(DOMAIN(", 'firmware': {'bootloader': {'efi': {'secureBoot': false, 'persistent': true}}}") ", 'volumes': [{'name': 'e', 'emptyDisk': {'capacity': '1Mi'}}, {'name': 'i', 'configMap': {'name': 'm'}}]");
  bundle = support_domain_bundle("");
  g_autoptr(WryDomainPlan) plan = wry_domain_plan(vmi, bundle, NULL, &dirs, &failure);
  ck_assert_msg(plan != NULL, "%s", failure ? failure->message : "");
  ck_assert_str_eq(wry_domain_disk(plan, "e")->path, "/b/e.qcow2");
  ck_assert_str_eq(wry_domain_disk(plan, "i")->path, "/a/i.iso");
  ck_assert_str_eq(plan->nvram, "/c/nvram/vars.fd");
  ck_assert_str_eq(plan->emulator, "/d");
  ck_assert_str_eq(plan->serial, "/a/serial0");
}
END_TEST

START_TEST(the_bundle_of_a_newer_handler_is_refused) {
  bundle = support_domain_bundle("");
  ck_assert_ptr_null(wry_domain_decode(bundle, &failure)); /* {} lacks all that is required */
  ck_assert(g_error_matches(failure, WRY_ERROR, WRY_ERROR_INVALID));
  g_clear_error(&failure);
  vmi = support_domain_vmi(DOMAIN(""));
  json_object_put(bundle->vmi);
  bundle->vmi = wry_encode(&wry_vmi_type, vmi);
  WryVmi *decoded = wry_domain_decode(bundle, &failure);
  ck_assert_msg(decoded != NULL, "%s", failure ? failure->message : "");
  ck_assert(wry_struct_equal(&wry_vmi_type, vmi, decoded));
  wry_struct_free(&wry_vmi_type, decoded);
  json_object_object_add(wry_json_path(bundle->vmi, "spec.domain"), "fromTheFuture", json_object_new_boolean(TRUE));
  ck_assert_ptr_null(wry_domain_decode(bundle, &failure));
  ck_assert_ptr_nonnull(strstr(failure->message, "fromTheFuture"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("domain_plan");
  TCase *plan = tcase_create("plan");
  tcase_add_checked_fixture(plan, NULL, teardown);
  tcase_add_loop_test(plan, targets_count_like_libvirts, 0, G_N_ELEMENTS(targets));
  tcase_add_loop_test(plan, hostname_is_a_label, 0, G_N_ELEMENTS(hosts));
  tcase_add_loop_test(plan, a_volume_decides_path_and_format, 0, G_N_ELEMENTS(volumes));
  tcase_add_loop_test(plan, the_file_system_decides_the_cache, 0, G_N_ELEMENTS(caches));
  tcase_add_loop_test(plan, what_cannot_be_is_refused_with_its_code, 0, G_N_ELEMENTS(refusals));
  tcase_add_test(plan, addresses_are_written_as_libvirt_reads_them);
  tcase_add_test(plan, variables_of_uefi_live_as_long_as_asked);
  tcase_add_test(plan, endpoints_are_there_when_wanted);
  tcase_add_test(plan, directories_may_be_elsewhere);
  tcase_add_test(plan, the_bundle_of_a_newer_handler_is_refused);
  suite_add_tcase(suite, plan);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
