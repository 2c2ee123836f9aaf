/* Disks are prepared with the real program, in directories of the test; what they have made is read back with qemu-img and xorriso. */
#include "launcher/storage/storage.h"
#include "tests/unit/support_bundle.h"

#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

static char *root;
static WryDomainDirs dirs;

static char *below(const char *name) {
  return g_build_filename(root, name, NULL);
}

static void setup(void) {
  root = g_dir_make_tmp("wherry-storage-XXXXXX", NULL);
  dirs = (WryDomainDirs){.vm = below("vm"), .scratch = below("scratch"), .state = below("state"), .emulator = "/bin/false"};
  ck_assert_int_eq(g_mkdir(dirs.vm, 0700) | g_mkdir(dirs.scratch, 0700) | g_mkdir(dirs.state, 0700), 0);
}

static char *run(const char *format, ...) G_GNUC_PRINTF(1, 2);
static char *run(const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *command = g_strdup_vprintf(format, args);
  va_end(args);
  const char *argv[] = {"/bin/sh", "-c", command, NULL};
  char *out = NULL;
  int status = 0;
  if (!g_spawn_sync(root, (char **)argv, NULL, 0, NULL, NULL, &out, NULL, &status, NULL) || status != 0) ck_abort_msg("%s: status %d, said %s", command, status, out);
  return out;
}

static void teardown(void) {
  g_free(run("rm -rf %s", root));
  g_free((char *)dirs.vm);
  g_free((char *)dirs.scratch);
  g_free((char *)dirs.state);
  g_free(root);
}

static char *names(const char *directory) {
  return run("cd %s && find . -mindepth 1 | sort | tr '\\n' ' '", directory);
}

static char *said;

static gboolean prepare_with(const char *spec, const char *members, GPtrArray **ret_direct) {
  WryVmi *vmi = support_domain_vmi(spec);
  WryBundle *bundle = support_domain_bundle(members);
  g_autoptr(GError) error = NULL;
  GPtrArray *direct = NULL;
  gboolean good = wry_storage_prepare(vmi, bundle, &dirs, &direct, &error);
  ck_assert_int_eq(good, direct != NULL);
  ck_assert_int_eq(good, error == NULL);
  g_free(said);
  said = g_strdup(error ? error->message : "");
  if (ret_direct)
    *ret_direct = direct;
  else if (direct)
    g_ptr_array_unref(direct);
  wry_struct_free(&wry_vmi_type, vmi);
  wry_struct_free(&wry_bundle_type, bundle);
  return good;
}

/* A VMI with these volumes; the bundle says where `given` are. */
static gboolean prepare(const char *volumes, const char *given, GPtrArray **ret_direct) {
  g_autofree char *spec = g_strdup_printf("'domain': {'devices': {}, 'memory': {'guest': '128Mi'}}, 'volumes': [%s]", volumes);
  g_autofree char *members = g_strdup_printf("'volumes': [%s]", given);
  return prepare_with(spec, members, ret_direct);
}

#define ROOT_DISK "{'name': 'root', 'containerDisk': {'image': 'i:1'}}"

static gboolean overlay_of(const char *format) {
  g_autofree char *given = g_strdup_printf("{'name': 'root', 'path': '%s/base.img', 'format': '%s'}", root, format);
  return prepare(ROOT_DISK, given, NULL);
}

START_TEST(a_container_disk_gets_an_overlay) {
  g_free(run("qemu-img create -q -f qcow2 base.img 7M"));
  ck_assert_msg(overlay_of("qcow2"), "%s", said);
  g_autofree char *info = run("qemu-img info --output=json scratch/root.qcow2 | tr -d ' \\n'");
  ck_assert_ptr_nonnull(strstr(info, "\"virtual-size\":7340032"));
  ck_assert_ptr_nonnull(strstr(info, "\"backing-filename-format\":\"qcow2\""));
  g_autofree char *left = names(dirs.scratch);
  ck_assert_str_eq(left, "./root.qcow2 ");
}
END_TEST

START_TEST(a_raw_image_stays_raw_whatever_it_looks_like) {
  g_free(run("qemu-img create -q -f qcow2 -b /etc/hostname -F raw base.img 1M"));
  ck_assert_msg(overlay_of("raw"), "%s", said);
  g_autofree char *info = run("qemu-img info --output=json scratch/root.qcow2 | tr -d ' \\n'");
  ck_assert_ptr_nonnull(strstr(info, "\"backing-filename-format\":\"raw\""));
}
END_TEST

static const char *const leading_elsewhere[] = {"qemu-img create -q -f qcow2 -b /etc/hostname -F raw base.img 1M", "qemu-img create -q -f qcow2 -o data_file=data.raw base.img 1M",
                                                "head -c 4096 /dev/urandom >base.img", ": >base.img", "ln -s /etc/hostname base.img", "mkfifo base.img"};

START_TEST(an_image_that_leads_elsewhere_is_refused) {
  g_free(run("%s", leading_elsewhere[_i]));
  ck_assert(!overlay_of("qcow2"));
  ck_assert_msg(g_str_has_prefix(said, "volume root: "), "%s", said);
  g_autofree char *left = names(dirs.scratch);
  ck_assert_str_eq(left, "");
}
END_TEST

START_TEST(a_missing_image_is_told) {
  ck_assert(!overlay_of("qcow2"));
  ck_assert(g_str_has_prefix(said, "volume root: "));
  ck_assert(!prepare(ROOT_DISK, "", NULL));
  ck_assert_str_eq(said, "volume root: it is not there");
}
END_TEST

START_TEST(an_empty_disk_has_its_size) {
  ck_assert_msg(prepare("{'name': 'e', 'emptyDisk': {'capacity': '3Mi'}}", "", NULL), "%s", said);
  g_autofree char *info = run("qemu-img info --output=json scratch/e.qcow2 | tr -d ' \\n'");
  ck_assert_ptr_nonnull(strstr(info, "\"virtual-size\":3145728"));
  ck_assert_ptr_nonnull(strstr(info, "\"format\":\"qcow2\""));
}
END_TEST

/* The files on an image, and the text of one. */
static char *on_image(const char *image) {
  g_free(run("rm -rf out; xorriso -no_rc -osirrox on -indev vm/%s -extract / out 2>/dev/null; chmod -R u+rwX out", image));
  return run("cd out && find . -type f | sort | tr '\\n' ' '");
}

static char *label_of(const char *image) {
  return run("dd if=vm/%s bs=1 skip=32808 count=32 2>/dev/null | tr -d ' '", image);
}

START_TEST(a_nocloud_seed_is_read_back) {
  ck_assert_msg(prepare("{'name': 'ci', 'cloudInitNoCloud': {'userData': '#cloud-config\\n', 'networkData': 'version: 2\\n'}}", "", NULL), "%s", said);
  g_autofree char *files = on_image("ci.iso"), *user = run("cat out/user-data"), *network = run("cat out/network-config"), *label = label_of("ci.iso");
  ck_assert_str_eq(files, "./meta-data ./network-config ./user-data ");
  ck_assert_str_eq(user, "#cloud-config\n");
  ck_assert_str_eq(network, "version: 2\n");
  ck_assert_str_eq(label, "cidata");
  g_autofree char *left = names(dirs.vm);
  ck_assert_str_eq(left, "./ci.iso ./qemu ");
}
END_TEST

START_TEST(a_config_drive_is_read_back) {
  ck_assert_msg(prepare("{'name': 'ci', 'cloudInitConfigDrive': {'userData': 'u'}}", "", NULL), "%s", said);
  g_autofree char *files = on_image("ci.iso"), *label = label_of("ci.iso"), *user = run("cat out/openstack/latest/user_data");
  ck_assert_str_eq(files, "./openstack/latest/meta_data.json ./openstack/latest/user_data ");
  ck_assert_str_eq(label, "config-2");
  ck_assert_str_eq(user, "u");
}
END_TEST

/* Long names, names that only differ in case, a leading dot and dash, nothing at all, many bytes: what ISO 9660 by itself cannot hold. */
START_TEST(names_and_bytes_of_a_secret_survive) {
  g_autofree char *long_name = g_strnfill(200, 'n');
  guchar *big = g_malloc(300000);
  for (guint i = 0; i < 300000; i++) big[i] = (guchar)(i * 7 + i / 256);
  g_autofree char *coded = g_base64_encode(big, 300000), *expected = g_compute_checksum_for_data(G_CHECKSUM_SHA256, big, 300000);
  g_free(big);
  g_autofree char *given = g_strdup_printf("{'name': 's', 'data': {'%s': 'YQ==', 'Case': 'QQ==', 'case': 'YQ==', '.dot': 'ZA==', '-volid': 'dg==', 'nothing': '', 'big': '%s'}}", long_name, coded);
  ck_assert_msg(prepare("{'name': 's', 'secret': {'secretName': 's', 'volumeLabel': 'my-Label'}}", given, NULL), "%s", said);
  g_autofree char *files = on_image("s.iso"), *label = label_of("s.iso"), *sum = run("sha256sum <out/big | cut -c1-64 | tr -d '\\n'");
  ck_assert_ptr_nonnull(strstr(files, long_name));
  g_autofree char *rest = run("cd out && LC_ALL=C ls -A | grep -v nnnnn | tr '\\n' ' '"), *upper = run("cat out/Case out/case out/./-volid out/.dot");
  ck_assert_str_eq(rest, "-volid .dot Case big case nothing ");
  ck_assert_str_eq(upper, "Aavd");
  ck_assert_str_eq(sum, expected);
  ck_assert_str_eq(label, "my-Label");
}
END_TEST

START_TEST(modes_and_owners_are_a_pods) {
  ck_assert_msg(prepare("{'name': 'ci', 'cloudInitNoCloud': {'userData': 'u'}}, {'name': 's', 'secret': {'secretName': 's'}}", "{'name': 's', 'data': {'k': 'YQ=='}}", NULL), "%s", said);
  g_autofree char *seed = run("xorriso -no_rc -indev vm/ci.iso -find /user-data -exec lsdl 2>/dev/null | tr -s ' ' | cut -d' ' -f1,3,4");
  g_autofree char *secret = run("xorriso -no_rc -indev vm/s.iso -find /k -exec lsdl 2>/dev/null | tr -s ' ' | cut -d' ' -f1,3,4");
  ck_assert_str_eq(seed, "-rw------- 0 0\n");
  ck_assert_str_eq(secret, "-rw-r--r-- 0 0\n");
}
END_TEST

START_TEST(an_empty_volume_is_an_image) {
  ck_assert_msg(prepare("{'name': 's', 'secret': {'secretName': 's', 'optional': true, 'volumeLabel': 'exactly-32-bytes-of-volume-label'}}", "", NULL), "%s", said);
  g_autofree char *files = on_image("s.iso"), *label = label_of("s.iso"), *size = run("stat -c %%s vm/s.iso");
  ck_assert_str_eq(files, "");
  ck_assert_str_eq(label, "exactly-32-bytes-of-volume-label");
  ck_assert_int_eq(g_ascii_strtoll(size, NULL, 10) % 4096, 0); /* 2048 is not enough for O_DIRECT: QEMU refused the seed */
  ck_assert(!prepare("{'name': 't', 'secret': {'secretName': 's', 'optional': true, 'volumeLabel': 'one-more-than-32-bytes-of-a-label'}}", "", NULL));
  ck_assert_ptr_nonnull(strstr(said, "longer than 32"));
}
END_TEST

/* What blkid tells an initramfs and cloud-init. */
START_TEST(labels_are_found_by_blkid) {
  ck_assert_msg(prepare("{'name': 'a', 'cloudInitNoCloud': {'userData': 'u'}}, {'name': 'b', 'cloudInitConfigDrive': {'userData': 'u'}}, {'name': 'c', 'configMap': {'name': 'm', 'volumeLabel': 'My_Label'}}",
                        "{'name': 'c', 'data': {}}", NULL), "%s", said);
  g_autofree char *labels = run("for i in a b c; do PATH=$PATH:/sbin blkid -p -s LABEL -o value vm/$i.iso; done | tr '\\n' ' '");
  ck_assert_str_eq(labels, "cidata config-2 My_Label ");
}
END_TEST

START_TEST(downward_api_with_directories) {
  ck_assert_msg(prepare("{'name': 'd', 'downwardAPI': {'fields': [{'path': 'a/b/name', 'fieldRef': {'fieldPath': 'metadata.name'}}, {'path': 'a/ns', 'fieldRef': {'fieldPath': "
                        "'metadata.namespace'}}]}}", "", NULL), "%s", said);
  g_autofree char *files = on_image("d.iso"), *name = run("cat out/a/b/name");
  ck_assert_str_eq(files, "./a/b/name ./a/ns ");
  ck_assert_str_eq(name, "t");
}
END_TEST

static const char *const bad_paths[] = {"../../x", "/etc/x", "a/../../x", "a//b", "", "."};

START_TEST(a_path_out_of_the_image_is_refused) {
  g_autofree char *volume = g_strdup_printf("{'name': 'd', 'downwardAPI': {'fields': [{'path': '%s', 'fieldRef': {'fieldPath': 'metadata.name'}}]}}", bad_paths[_i]);
  ck_assert(!prepare(volume, "", NULL));
  g_autofree char *left = names(root);
  ck_assert_str_eq(left, "./scratch ./state ./vm ");
}
END_TEST

/* A restarted run must not touch what a running guest writes to, and must not be confused by what a killed one has left. */
START_TEST(preparing_again_changes_nothing) {
  const char *volumes = ROOT_DISK ", {'name': 'ci', 'cloudInitNoCloud': {'userData': 'u'}}, {'name': 'e', 'emptyDisk': {'capacity': '1Mi'}}";
  g_free(run("qemu-img create -q -f qcow2 base.img 1M"));
  g_autofree char *given = g_strdup_printf("{'name': 'root', 'path': '%s/base.img', 'format': 'qcow2'}", root);
  ck_assert_msg(prepare(volumes, given, NULL), "%s", said);
  g_free(run("qemu-io -f qcow2 -c 'write -P 0x5a 0 64k' scratch/root.qcow2"));
  g_free(run("echo garbage >scratch/late.qcow2.staging; echo old >vm/ci.iso.staging"));
  g_autofree char *before = run("cd %s && stat -c '%%i %%Y %%n' scratch/*.qcow2 vm/ci.iso && sha256sum scratch/*.qcow2 vm/ci.iso", root);
  g_autofree char *more = g_strconcat(volumes, ", {'name': 'late', 'emptyDisk': {'capacity': '1Mi'}}", NULL);
  ck_assert_msg(prepare(volumes, given, NULL), "%s", said);
  g_autofree char *after = run("cd %s && stat -c '%%i %%Y %%n' scratch/*.qcow2 vm/ci.iso && sha256sum scratch/*.qcow2 vm/ci.iso", root);
  ck_assert_str_eq(before, after);
  ck_assert_msg(prepare(more, given, NULL), "%s", said);
  g_autofree char *info = run("qemu-img check -q -f qcow2 scratch/late.qcow2 && echo good");
  ck_assert_str_eq(info, "good\n");
}
END_TEST

START_TEST(leftovers_of_a_killed_run_are_replaced) {
  g_free(run("echo old >vm/ci.iso.staging"));
  ck_assert_msg(prepare("{'name': 'ci', 'cloudInitNoCloud': {'userData': 'u'}}", "", NULL), "%s", said);
  g_autofree char *files = on_image("ci.iso"), *left = names(dirs.vm);
  ck_assert_str_eq(files, "./meta-data ./user-data ");
  ck_assert_str_eq(left, "./ci.iso ./qemu ");
}
END_TEST

/* One of three fails: its name is told, the others are done or absent, nothing is half there. */
START_TEST(one_failure_leaves_nothing_half_made) {
  ck_assert(!prepare("{'name': 'ci', 'cloudInitNoCloud': {'userData': 'u'}}, {'name': 'e', 'emptyDisk': {'capacity': '9E'}}, {'name': 'f', 'emptyDisk': {'capacity': '1Mi'}}", "", NULL));
  ck_assert_msg(g_str_has_prefix(said, "volume e: "), "%s", said);
  g_autofree char *left = run("cd %s && find . -name '*.staging'", root);
  ck_assert_str_eq(left, "");
}
END_TEST

START_TEST(a_full_file_system_is_told_as_such) {
  if (!g_file_test("/proc/self/ns/mnt", G_FILE_TEST_EXISTS) || geteuid() != 0) return;
  g_free(run("mount -t tmpfs -o size=96k none vm"));
  g_autofree char *text = g_strnfill(100000, 'x'), *given = NULL, *coded = g_base64_encode((guchar *)text, 90000);
  given = g_strdup_printf("{'name': 's', 'data': {'k': '%s'}}", coded);
  WryVmi *vmi = support_domain_vmi("'domain': {'devices': {}, 'memory': {'guest': '128Mi'}}, 'volumes': [{'name': 's', 'secret': {'secretName': 's'}}]");
  g_autofree char *members = g_strdup_printf("'volumes': [%s]", given);
  WryBundle *bundle = support_domain_bundle(members);
  g_autoptr(GError) error = NULL;
  GPtrArray *direct = NULL;
  gboolean good = wry_storage_prepare(vmi, bundle, &dirs, &direct, &error);
  g_autofree char *left = names(dirs.vm);
  g_free(run("umount vm"));
  ck_assert(!good);
  ck_assert_msg(error->code == WRY_ERROR_NO_SPACE, "%s", error->message);
  ck_assert_str_eq(left, "");
  wry_struct_free(&wry_vmi_type, vmi);
  wry_struct_free(&wry_bundle_type, bundle);
}
END_TEST

static gboolean has(const GPtrArray *list, const char *name) {
  return g_ptr_array_find_with_equal_func((GPtrArray *)list, name, g_str_equal, NULL);
}

/* What the file system of the test's directory says is what prepare must say. */
START_TEST(direct_is_what_the_file_system_says) {
  g_free(run("qemu-img create -q -f raw disk.img 1M"));
  g_autofree char *truth = run("dd if=disk.img of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null && printf yes || printf no");
  g_autofree char *given = g_strdup_printf("{'name': 'pvc', 'path': '%s/disk.img', 'format': 'raw'}", root);
  g_autoptr(GPtrArray) direct = NULL;
  ck_assert_msg(prepare("{'name': 'pvc', 'persistentVolumeClaim': {'claimName': 'c'}}, {'name': 'e', 'emptyDisk': {'capacity': '1Mi'}}", given, &direct), "%s", said);
  ck_assert_int_eq(has(direct, "pvc"), g_str_equal(truth, "yes"));
  ck_assert_int_eq(has(direct, "e"), g_str_equal(truth, "yes"));
}
END_TEST

START_TEST(persistent_uefi_gets_its_directory) {
  ck_assert_msg(prepare_with("'domain': {'devices': {}, 'memory': {'guest': '128Mi'}, 'firmware': {'bootloader': {'efi': {'secureBoot': false, 'persistent': true}}}}", "'volumes': []", NULL), "%s",
                said);
  g_autofree char *left = names(dirs.state);
  ck_assert_str_eq(left, "./nvram ");
}
END_TEST

static TCase *cases(void) {
  TCase *all = tcase_create("prepare");
  tcase_add_checked_fixture(all, setup, teardown);
  tcase_add_test(all, a_container_disk_gets_an_overlay);
  tcase_add_test(all, a_raw_image_stays_raw_whatever_it_looks_like);
  tcase_add_loop_test(all, an_image_that_leads_elsewhere_is_refused, 0, G_N_ELEMENTS(leading_elsewhere));
  tcase_add_test(all, a_missing_image_is_told);
  tcase_add_test(all, an_empty_disk_has_its_size);
  tcase_add_test(all, a_nocloud_seed_is_read_back);
  tcase_add_test(all, a_config_drive_is_read_back);
  tcase_add_test(all, names_and_bytes_of_a_secret_survive);
  tcase_add_test(all, modes_and_owners_are_a_pods);
  tcase_add_test(all, an_empty_volume_is_an_image);
  tcase_add_test(all, labels_are_found_by_blkid);
  tcase_add_test(all, downward_api_with_directories);
  tcase_add_loop_test(all, a_path_out_of_the_image_is_refused, 0, G_N_ELEMENTS(bad_paths));
  tcase_add_test(all, preparing_again_changes_nothing);
  tcase_add_test(all, leftovers_of_a_killed_run_are_replaced);
  tcase_add_test(all, one_failure_leaves_nothing_half_made);
  tcase_add_test(all, a_full_file_system_is_told_as_such);
  tcase_add_test(all, direct_is_what_the_file_system_says);
  tcase_add_test(all, persistent_uefi_gets_its_directory);
  return all;
}

int main(void) {
  g_autofree char *image = g_find_program_in_path("qemu-img"), *iso = g_find_program_in_path("xorriso");
  if (!image || !iso) return puts("qemu-img or xorriso is not installed"), 77;
  Suite *suite = suite_create("storage_prepare");
  suite_add_tcase(suite, cases());
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
