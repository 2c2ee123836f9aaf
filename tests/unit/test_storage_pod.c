/* Volumes of a pod as the kubelet mounts them, found out by the launcher. */
#include "launcher/storage/pod.h"
#include "tests/unit/support_bundle.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *root;
static int top;

static void setup(void) {
  root = g_dir_make_tmp("wherry-pod-XXXXXX", NULL);
  top = wry_dir_open(root, NULL);
  wry_autofd int dev = wry_vmkdir(top, "dev", 0755, NULL), volumes = wry_vmkdir(top, "run/wherry/volumes", 0755, NULL);
  ck_assert(dev >= 0 && volumes >= 0);
}

static void teardown(void) {
  g_autofree char *name = g_path_get_basename(root);
  wry_autofd int tmp = wry_dir_open(g_get_tmp_dir(), NULL);
  wry_fd_close(&top);
  wry_vremove_tree(tmp, name, NULL);
  g_free(root);
}

static void put(const char *path, const char *text) {
  g_autofree char *whole = g_build_filename("run/wherry/volumes", path, NULL), *directory = g_path_get_dirname(whole);
  wry_autofd int dir = wry_vmkdir(top, directory, 0755, NULL);
  wry_autofd int fd = wry_vopen(top, whole, O_RDWR | O_CREAT | O_TRUNC, 0644, WRY_WANT_FILE, NULL);
  ck_assert(dir >= 0 && fd >= 0);
  ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* Locates the volumes of a VMI; the error's code, -1 for none. The bundle is the caller's. */
static int locate(const char *volumes, const char *given, WryBundle **ret) {
  g_autoptr(GError) error = NULL;
  g_autofree char *spec = g_strdup_printf("'domain': {'devices': {}, 'memory': {'guest': '128Mi'}}, 'volumes': [%s]", volumes);
  g_autofree char *members = g_strdup_printf("'pod': true, 'volumes': [%s]", given);
  WryVmi *vmi = support_domain_vmi(spec);
  WryBundle *bundle = support_domain_bundle(members);
  gboolean done = wry_storage_locate(bundle, vmi, root, &error);
  ck_assert(done == !error);
  wry_struct_free(&wry_vmi_type, vmi);
  if (done && ret)
    *ret = bundle;
  else
    wry_struct_free(&wry_bundle_type, bundle);
  return done ? -1 : error->code;
}

#define IN "/run/wherry/volumes/"
#define DISK "{'name': 'd', 'containerDisk': {'image': 'x:1'}}"
#define NAMED "{'name': 'd', 'containerDisk': {'image': 'x:1', 'path': '/a/b.img'}}"

START_TEST(container_disks) {
  WryBundle *bundle = NULL;
  ck_assert_int_ne(locate(DISK, "{'name': 'd', 'path': '" IN "d'}", NULL), -1); /* no directory */
  put("d/guest.qcow2", "QFI\xfb and more");
  ck_assert_int_eq(locate(DISK, "{'name': 'd', 'path': '" IN "d'}", &bundle), -1);
  const WryBundleVolume *volume = wry_bundle_volume(bundle, "d");
  ck_assert_str_eq(volume->path, IN "d/guest.qcow2");
  ck_assert_str_eq(volume->format, "qcow2");
  wry_struct_free(&wry_bundle_type, bundle);
  put("d/other", "raw");
  ck_assert_int_eq(locate(DISK, "{'name': 'd', 'path': '" IN "d'}", NULL), WRY_ERROR_INVALID);
  put("d/b.img", "QF");
  ck_assert_int_eq(locate(NAMED, "{'name': 'd', 'path': '" IN "d/b.img'}", &bundle), -1);
  ck_assert_str_eq(wry_bundle_volume(bundle, "d")->format, "raw");
  wry_struct_free(&wry_bundle_type, bundle);
}
END_TEST

#define CLAIM "{'name': 'c', 'persistentVolumeClaim': {'claimName': 'x'}}"
#define CLAIM_GIVEN "'name': 'c', 'format': 'raw', 'path': '" IN "c/disk.img'"

START_TEST(claims) {
  WryBundle *bundle = NULL;
  ck_assert_int_eq(locate(CLAIM, "{" CLAIM_GIVEN "}", NULL), WRY_ERROR_VOLUME_MISSING);
  wry_autofd int dir = wry_vmkdir(top, "run/wherry/volumes/c", 0755, NULL);
  ck_assert_int_eq(locate(CLAIM, "{" CLAIM_GIVEN "}", NULL), WRY_ERROR_VOLUME_MISSING); /* no image, and no size to make one */
  ck_assert_int_eq(locate(CLAIM, "{" CLAIM_GIVEN ", 'size': 10000}", &bundle), -1);
  wry_struct_free(&wry_bundle_type, bundle);
  struct stat s;
  ck_assert(fstatat(dir, "disk.img", &s, 0) == 0 && s.st_size == 8192);
  /* what looks like qcow2 in a claim stays raw */
  put("c/disk.img", "QFI\xfb");
  ck_assert_int_eq(locate(CLAIM, "{" CLAIM_GIVEN ", 'size': 10000}", &bundle), -1);
  ck_assert_str_eq(wry_bundle_volume(bundle, "c")->format, "raw");
  ck_assert(!wry_opt_bool(wry_bundle_volume(bundle, "c")->block, FALSE));
  wry_struct_free(&wry_bundle_type, bundle);
}
END_TEST

/* The keys lie behind a link, as the kubelet writes them. */
START_TEST(secrets) {
  WryBundle *bundle = NULL;
  put("s/..2026_1/password", "open sesame");
  put("s/..2026_0/password", "old");
  wry_autofd int dir = wry_vmkdir(top, "run/wherry/volumes/s", 0755, NULL);
  ck_assert_int_eq(symlinkat("..2026_1", dir, "..data") | symlinkat("..data/password", dir, "password"), 0);
  ck_assert_int_eq(locate("{'name': 's', 'secret': {'secretName': 'x'}}", "{'name': 's', 'path': '" IN "s'}", &bundle), -1);
  WryJson *data = wry_bundle_volume(bundle, "s")->data;
  ck_assert_int_eq(json_object_object_length(data), 1);
  ck_assert_str_eq(wry_json_str(data, "password"), "b3BlbiBzZXNhbWU=");
  wry_struct_free(&wry_bundle_type, bundle);
}
END_TEST

START_TEST(seeds) {
  WryBundle *bundle = NULL;
  put("i-udata/userdata", "a");
  put("i-ndata/networkdata", "b");
  ck_assert_int_eq(locate("{'name': 'i', 'cloudInitNoCloud': {'secretRef': {'name': 'x'}, 'networkDataSecretRef': {'name': 'y'}}}", "{'name': 'i', 'path': '" IN "i'}", &bundle), -1);
  WryJson *data = wry_bundle_volume(bundle, "i")->data;
  ck_assert(wry_json_get(data, "userdata") && wry_json_get(data, "networkdata"));
  wry_struct_free(&wry_bundle_type, bundle);
  ck_assert_int_eq(locate("{'name': 'j', 'cloudInitNoCloud': {'userData': 'x'}}", "{'name': 'j', 'path': '" IN "j'}", &bundle), -1);
  ck_assert_ptr_null(wry_bundle_volume(bundle, "j")->data);
  wry_struct_free(&wry_bundle_type, bundle);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("storage_pod");
  TCase *tcase = tcase_create("volumes");
  SRunner *runner = srunner_create(suite);
  tcase_add_checked_fixture(tcase, setup, teardown);
  tcase_add_test(tcase, container_disks);
  tcase_add_test(tcase, claims);
  tcase_add_test(tcase, secrets);
  tcase_add_test(tcase, seeds);
  suite_add_tcase(suite, tcase);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
