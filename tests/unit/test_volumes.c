/* handler/volumes*.c: each source of a volume, what it waits for, claims made. */
#include <check.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "handler/volumes.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"

#define NOW "2024-05-01T10:00:00Z"

static gboolean lookup(int images_fd G_GNUC_UNUSED, const char *reference, const char *path, WryImageDisk *ret, GError **error) {
  if (g_str_has_prefix(reference, "missing")) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_IMAGE_MISSING, "image %s is not in the store", reference);
    return FALSE;
  }
  *ret = (WryImageDisk){g_strconcat("d1/", path ? path + 1 : "disk/a.qcow2", NULL), path ? NULL : g_strdup("qcow2"), path ? 0 : 5 << 20, g_strdup("sha256:d1")};
  return TRUE;
}

static WryInstance *instance_of(const char *volumes, const char *firmware) {
  g_autofree char *text = g_strdup_printf("{\"metadata\":{\"name\":\"a\",\"namespace\":\"ns1\",\"labels\":{\"b\":\"two\",\"a\":\"o\\\"ne\"},\"annotations\":{\"k\":\"v\"}},\"spec\":{\"domain\":{%s"
                                          "\"resources\":{\"limits\":{\"cpu\":\"1500m\",\"memory\":\"64Mi\"}},\"devices\":{}},\"volumes\":[%s]}}", firmware, volumes);
  g_autoptr(GError) error = NULL;
  g_autoptr(WryJson) json = wry_json_parse(text, strlen(text), &error);
  ck_assert_msg(json != NULL, "%s", error ? error->message : "");
  g_autoptr(WryCauses) causes = wry_causes_new();
  WryVmi *vmi = wry_decode(&wry_vmi_type, json, "", causes);
  g_autofree char *why = wry_causes_text(causes);
  ck_assert_msg(wry_causes_count(causes) == 0, "%s", why);
  return wry_instance_new(vmi, "uid-1", NOW);
}

static WryObjects *objects_with(const char *manifest) {
  WryObjects *objects = wry_objects_new(-1);
  g_autoptr(WryConfig) config = wry_config_new(NULL, "amd64", NULL);
  g_autoptr(GPtrArray) documents = wry_manifest_parse(manifest, strlen(manifest), NULL);
  for (guint i = 0; i < documents->len; i++) {
    g_autoptr(WryCauses) causes = wry_causes_new();
    WryObjectKind kind;
    WryChange change;
    gpointer typed = wry_objects_admit(objects, ((WryDocument *)documents->pdata[i])->object, config, &kind, causes);
    ck_assert(typed && wry_objects_put(objects, kind, typed, NOW, &change, NULL));
  }
  return objects;
}

static const char known[] =
  "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: ns1}\ndata: {userData: I2Nsb3Vk, networkdata: bmV0}\nstringData: {plain: text}\n---\n"
  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: ns1}\ndata: {k: v}\nbinaryData: {b: AAE=}\n---\n"
  "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: p, namespace: ns1}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 3Mi}}}\n---\n"
  "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: empty, namespace: ns1}\nspec: {accessModes: [ReadWriteOnce]}\n";

typedef struct { WryInstance *instance; WryObjects *objects; WryBundle *bundle; WryRootRequest request; GError *error; gboolean good; } Case;

static Case resolve(const char *volumes, const char *firmware) {
  Case c = {.instance = instance_of(volumes, firmware), .objects = objects_with(known), .bundle = wry_struct_new(&wry_bundle_type)};
  c.good = wry_volumes_resolve(c.instance, c.objects, -1, lookup, c.bundle, &c.request, &c.error);
  return c;
}

static void clear(Case *c) {
  wry_struct_free(&wry_bundle_type, c->bundle);
  wry_instance_free(c->instance);
  wry_objects_free(c->objects);
  g_clear_error(&c->error);
}

static const char *datum(const Case *c, const char *volume, const char *key) {
  const WryBundleVolume *told = wry_bundle_volume(c->bundle, volume);
  const char *text = told && told->data ? wry_json_str(told->data, key) : NULL;
  return text ? text : "absent";
}

START_TEST(disks) {
  Case c = resolve("{\"name\":\"i\",\"containerDisk\":{\"image\":\"x\"}},{\"name\":\"p\",\"persistentVolumeClaim\":{\"claimName\":\"p\",\"readOnly\":true}},"
                   "{\"name\":\"h\",\"hostDisk\":{\"path\":\"/srv/d.img\",\"type\":\"DiskOrCreate\",\"capacity\":\"1Gi\"}},{\"name\":\"e\",\"emptyDisk\":{\"capacity\":\"2Gi\"}}", "");
  ck_assert_msg(c.good, "%s", c.error ? c.error->message : "");
  ck_assert_uint_eq(c.request.n_volumes, 3);
  ck_assert(c.request.volumes[0].kind == WRY_VOLUME_IMAGE && c.request.volumes[0].read_only);
  ck_assert_str_eq(c.request.volumes[0].source, "d1/disk/a.qcow2");
  ck_assert(c.request.volumes[1].kind == WRY_VOLUME_PVC && c.request.volumes[1].read_only && c.request.volumes[1].capacity == 3 << 20);
  ck_assert_str_eq(c.request.volumes[1].namespace_, "ns1");
  ck_assert(c.request.volumes[2].kind == WRY_VOLUME_HOSTDISK && c.request.volumes[2].create && c.request.volumes[2].capacity == 1u << 30);
  const WryBundleVolume *image = wry_bundle_volume(c.bundle, "i");
  ck_assert_str_eq(image->path, "/run/wherry/volumes/i/disk.img");
  ck_assert_str_eq(image->format, "qcow2");
  ck_assert_str_eq(image->checksum, "sha256:d1");
  ck_assert_int_eq(image->size.v, 5 << 20);
  ck_assert(image->readOnly.v);
  ck_assert_ptr_null(wry_bundle_volume(c.bundle, "e")->path);
  ck_assert_int_eq(wry_bundle_volume(c.bundle, "e")->size.v, 2LL << 30);
  g_autoptr(GPtrArray) claims = wry_volumes_claims(c.instance->object->spec);
  ck_assert(claims->len == 1 && strcmp(claims->pdata[0], "p") == 0);
  clear(&c);
}
END_TEST

START_TEST(contents) {
  Case c = resolve("{\"name\":\"s\",\"secret\":{\"secretName\":\"s\"}},{\"name\":\"c\",\"configMap\":{\"name\":\"c\"}},{\"name\":\"o\",\"secret\":{\"secretName\":\"none\",\"optional\":true}},"
                   "{\"name\":\"ci\",\"cloudInitNoCloud\":{\"secretRef\":{\"name\":\"s\"},\"networkDataSecretRef\":{\"name\":\"s\"}}},{\"name\":\"in\",\"cloudInitConfigDrive\":{\"userData\":\"x\"}}", "");
  ck_assert_msg(c.good, "%s", c.error ? c.error->message : "");
  ck_assert_str_eq(datum(&c, "s", "plain"), "dGV4dA==");
  ck_assert_str_eq(datum(&c, "s", "userData"), "I2Nsb3Vk");
  ck_assert_str_eq(datum(&c, "c", "k"), "dg==");
  ck_assert_str_eq(datum(&c, "c", "b"), "AAE=");
  ck_assert_ptr_nonnull(wry_bundle_volume(c.bundle, "o"));
  ck_assert_str_eq(datum(&c, "ci", "userdata"), "I2Nsb3Vk");
  ck_assert_str_eq(datum(&c, "ci", "networkdata"), "bmV0");
  ck_assert_str_eq(datum(&c, "in", "userdata"), "absent"); /* inline: the launcher has it in the VMI */
  ck_assert_uint_eq(c.request.n_volumes, 0);
  clear(&c);
}
END_TEST

START_TEST(kernel_boot) {
  Case c = resolve("", "\"firmware\":{\"kernelBoot\":{\"container\":{\"image\":\"x\",\"kernelPath\":\"/boot/vmlinuz\",\"initrdPath\":\"/boot/initrd\"}}},");
  ck_assert_msg(c.good, "%s", c.error ? c.error->message : "");
  ck_assert_uint_eq(c.request.n_volumes, 1);
  ck_assert(c.request.volumes[0].kind == WRY_VOLUME_KERNEL && c.request.volumes[0].read_only);
  ck_assert_str_eq(c.request.volumes[0].source, "d1");
  ck_assert_str_eq(c.bundle->kernel->kernel, "/run/wherry/volumes/kernel-boot/boot/vmlinuz");
  ck_assert_str_eq(c.bundle->kernel->initrd, "/run/wherry/volumes/kernel-boot/boot/initrd");
  clear(&c);
}
END_TEST

static const struct { const char *volume; WryErrorCode code; const char *text; } missing[] = {
    {"\"containerDisk\":{\"image\":\"missing:1\"}", WRY_ERROR_IMAGE_MISSING, "volume v: image missing:1"},
    {"\"persistentVolumeClaim\":{\"claimName\":\"none\"}", WRY_ERROR_VOLUME_MISSING, "volume v: PVC ns1/none"},
    {"\"persistentVolumeClaim\":{\"claimName\":\"empty\"}", WRY_ERROR_INVALID, "asks for no storage"},
    {"\"secret\":{\"secretName\":\"none\"}", WRY_ERROR_NOT_FOUND, "secret \"none\" not found"},
    {"\"configMap\":{\"name\":\"none\"}", WRY_ERROR_NOT_FOUND, "configmap \"none\" not found"},
    {"\"cloudInitNoCloud\":{\"secretRef\":{\"name\":\"none\"}}", WRY_ERROR_NOT_FOUND, "secret \"none\" not found"},
    {"\"emptyDisk\":{\"capacity\":\"9Zi\"}", WRY_ERROR_INVALID, "9Zi"},
    {"\"downwardAPI\":{\"fields\":[{\"path\":\"p\",\"fieldRef\":{\"fieldPath\":\"status.hostIP\"}}]}", WRY_ERROR_UNSUPPORTED, "downwardAPI field for p"},
    {"\"dataVolume\":{\"name\":\"d\"}", WRY_ERROR_UNSUPPORTED, "not supported by this version"},
};

START_TEST(what_is_missing) {
  g_autofree char *volume = g_strdup_printf("{\"name\":\"v\",%s}", missing[_i].volume);
  WryInstance *instance = NULL;
  if (strstr(volume, "9Zi")) { /* a quantity that no decoder lets pass */
    instance = instance_of("{\"name\":\"v\",\"emptyDisk\":{\"capacity\":\"1\"}}", "");
    WryVolume *only = instance->object->spec->volumes->pdata[0];
    g_free(only->emptyDisk->capacity);
    only->emptyDisk->capacity = g_strdup("9Zi");
  } else {
    instance = instance_of(volume, "");
  }
  Case c = {.instance = instance, .objects = objects_with(known), .bundle = wry_struct_new(&wry_bundle_type)};
  ck_assert(!wry_volumes_resolve(c.instance, c.objects, -1, lookup, c.bundle, &c.request, &c.error));
  ck_assert_msg(g_error_matches(c.error, WRY_ERROR, missing[_i].code), "%s", c.error->message);
  ck_assert_msg(strstr(c.error->message, missing[_i].text) != NULL, "%s", c.error->message);
  clear(&c);
}
END_TEST

static const struct { const char *field, *text; } downward[] = {
    {"metadata.name", "a"}, {"metadata.namespace", "ns1"}, {"metadata.uid", "uid-1"}, {"metadata.labels", "a=\"o\\\"ne\"\nb=\"two\""}, {"metadata.annotations", "k=\"v\""},
    {"metadata.labels['b']", "two"}, {"metadata.annotations['none']", ""}, {"metadata.labels[b]", NULL}, {"metadata.labelsx", NULL}, {"status.podIP", NULL}, {NULL, NULL},
};

START_TEST(downward_fields) {
  WryInstance *instance = instance_of("", "");
  g_autofree char *text = wry_downward_field(instance, downward[_i].field);
  ck_assert_msg(g_strcmp0(text, downward[_i].text) == 0, "%s: %s", downward[_i].field ? downward[_i].field : "", text ? text : "none");
  wry_instance_free(instance);
}
END_TEST

static const struct { const char *resource, *divisor, *text; } resources[] = {
    {"limits.cpu", NULL, "2"}, {"limits.cpu", "1m", "1500"}, {"limits.memory", "1Mi", "64"}, {"limits.memory", NULL, "67108864"}, {"requests.cpu", NULL, "0"}, {"cpu", NULL, NULL}, {"other.cpu", NULL, NULL},
};

START_TEST(downward_resources) {
  WryInstance *instance = instance_of("", "");
  WryResourceFieldRef ref = {.resource = (char *)(gpointer)resources[_i].resource, .divisor = (char *)(gpointer)resources[_i].divisor};
  g_autofree char *text = wry_downward_resource(instance->object->spec, &ref);
  ck_assert_msg(g_strcmp0(text, resources[_i].text) == 0, "%s: %s", resources[_i].resource, text ? text : "none");
  wry_instance_free(instance);
}
END_TEST

/* Made once, of the size that is asked, sparse; what is there stays. */
START_TEST(claims_are_made_once) {
  g_autofree char *dir = g_dir_make_tmp("wherry-claims-XXXXXX", NULL);
  wry_autofd int state = wry_dir_open(dir, NULL);
  Case c = resolve("{\"name\":\"p\",\"persistentVolumeClaim\":{\"claimName\":\"p\"}}", "");
  g_autoptr(GError) error = NULL;
  struct stat file;
  ck_assert_msg(wry_volumes_make_claims(state, &c.request, &error), "%s", error ? error->message : "");
  wry_autofd int fd = wry_vopen(state, "pvc/ns1/p/disk.img", O_RDWR, 0, WRY_WANT_FILE, NULL);
  ck_assert(fd >= 0 && fstat(fd, &file) == 0 && file.st_size == 3 << 20 && file.st_blocks == 0);
  ck_assert_int_eq(pwrite(fd, "x", 1, 0), 1);
  c.request.volumes[0].capacity = 9 << 20;
  ck_assert(wry_volumes_make_claims(state, &c.request, NULL));
  ck_assert(fstat(fd, &file) == 0 && file.st_size == 3 << 20);
  char byte = 0;
  ck_assert(pread(fd, &byte, 1, 0) == 1 && byte == 'x');
  clear(&c);
  ck_assert(wry_vremove_tree(state, "pvc", NULL));
  g_rmdir(dir);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("volumes");
  TCase *tests = tcase_create("volumes");
  tcase_add_test(tests, disks);
  tcase_add_test(tests, contents);
  tcase_add_test(tests, kernel_boot);
  tcase_add_loop_test(tests, what_is_missing, 0, G_N_ELEMENTS(missing));
  tcase_add_loop_test(tests, downward_fields, 0, G_N_ELEMENTS(downward));
  tcase_add_loop_test(tests, downward_resources, 0, G_N_ELEMENTS(resources));
  tcase_add_test(tests, claims_are_made_once);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
