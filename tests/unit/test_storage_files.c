/* What the guest finds on the images that the launcher makes: contents in memory, without any program. */
#include "launcher/storage/files.h"
#include "launcher/storage/image.h"
#include "tests/unit/support_bundle.h"
#include "wherry/fd.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SPEC "'domain': {'devices': {}, 'memory': {'guest': '128Mi'}}, 'volumes': [%s]"

static char *content_error;

/* The content of the only volume; text of the error in content_error when there is none. */
static WryIsoContent *content_of(const char *volume, const char *given) {
  g_autofree char *spec = g_strdup_printf(SPEC, volume);
  g_autofree char *members = g_strdup_printf("'volumes': [%s]", given ? given : "");
  WryVmi *vmi = support_domain_vmi(spec);
  WryBundle *bundle = support_domain_bundle(members);
  vmi->metadata->labels = json_tokener_parse("{\"b\": \"two\\nlines \\\"q\\\" \\u0001\\u00e9\", \"a\": \"1\"}");
  g_autoptr(GError) error = NULL;
  const WryVolume *only = g_ptr_array_index(vmi->spec->volumes, 0);
  WryIsoContent *content = wry_iso_content(vmi, only, wry_bundle_volume(bundle, only->name), &error);
  g_free(content_error);
  content_error = error ? g_strdup(error->message) : NULL;
  wry_struct_free(&wry_vmi_type, vmi);
  wry_struct_free(&wry_bundle_type, bundle);
  return content;
}

static const char *text_of(const WryIsoContent *content, const char *path) {
  for (guint i = 0; content && i < content->files->len; i++) {
    const WryIsoFile *file = g_ptr_array_index(content->files, i);
    gsize length = 0;
    const char *data = g_bytes_get_data(file->data, &length);
    static char text[4096];
    ck_assert(length < sizeof text);
    memset(text, 0, sizeof text);
    if (length) memcpy(text, data, length);
    if (g_str_equal(file->path, path)) return text;
  }
  return NULL;
}

START_TEST(nocloud_has_three_files) {
  g_autoptr(WryIsoContent) c = content_of("{'name': 'ci', 'cloudInitNoCloud': {'userData': '#cloud-config\\nx: 1\\n', 'networkData': 'version: 2\\n'}}", NULL);
  ck_assert_str_eq(c->label, "cidata");
  ck_assert_str_eq(text_of(c, "user-data"), "#cloud-config\nx: 1\n");
  ck_assert_str_eq(text_of(c, "network-config"), "version: 2\n");
  ck_assert_str_eq(text_of(c, "meta-data"), "{\"instance-id\":\"d1ce0000-0000-4000-8000-000000000001\",\"local-hostname\":\"t\"}");
  ck_assert_uint_eq(c->files->len, 3);
}
END_TEST

START_TEST(nocloud_without_user_data_is_still_a_seed) {
  g_autoptr(WryIsoContent) c = content_of("{'name': 'ci', 'cloudInitNoCloud': {'networkDataBase64': 'dmVyc2lvbjogMgo='}}", NULL);
  ck_assert_str_eq(text_of(c, "user-data"), "");
  ck_assert_str_eq(text_of(c, "network-config"), "version: 2\n");
}
END_TEST

START_TEST(no_network_data_is_no_file) {
  g_autoptr(WryIsoContent) c = content_of("{'name': 'ci', 'cloudInitNoCloud': {'userDataBase64': 'I2Nsb3VkLWNvbmZpZwo='}}", NULL);
  ck_assert_str_eq(text_of(c, "user-data"), "#cloud-config\n");
  ck_assert_ptr_null(text_of(c, "network-config"));
}
END_TEST

START_TEST(config_drive_is_openstack) {
  g_autoptr(WryIsoContent) c = content_of("{'name': 'ci', 'cloudInitConfigDrive': {'userData': 'u', 'networkData': '{}'}}", NULL);
  ck_assert_str_eq(c->label, "config-2");
  ck_assert_str_eq(text_of(c, "openstack/latest/user_data"), "u");
  ck_assert_str_eq(text_of(c, "openstack/latest/network_data.json"), "{}");
  ck_assert_str_eq(text_of(c, "openstack/latest/meta_data.json"),
                   "{\"instance_id\":\"t.default\",\"local_hostname\":\"t\",\"hostname\":\"t\",\"uuid\":\"d1ce0000-0000-4000-8000-000000000001\"}");
}
END_TEST

START_TEST(cloud_init_from_secrets_takes_both_spellings) {
  const char *volume = "{'name': 'ci', 'cloudInitNoCloud': {'secretRef': {'name': 's'}, 'networkDataSecretRef': {'name': 'n'}}}";
  g_autoptr(WryIsoContent) a = content_of(volume, "{'name': 'ci', 'data': {'userdata': 'dQ==', 'networkdata': 'bg=='}}");
  ck_assert_str_eq(text_of(a, "user-data"), "u");
  ck_assert_str_eq(text_of(a, "network-config"), "n");
  g_autoptr(WryIsoContent) b = content_of(volume, "{'name': 'ci', 'data': {'userData': 'dQ==', 'networkData': 'bg=='}}");
  ck_assert_str_eq(text_of(b, "user-data"), "u");
  ck_assert_ptr_null(content_of(volume, "{'name': 'ci', 'data': {'userdata': 'dQ=='}}"));
  ck_assert_str_eq(content_error, "Secret n or its key networkdata is not there");
  ck_assert_ptr_null(content_of(volume, NULL));
}
END_TEST

START_TEST(config_map_keys_are_files) {
  g_autoptr(WryIsoContent) c = content_of("{'name': 'cm', 'configMap': {'name': 'm', 'volumeLabel': 'LBL'}}", "{'name': 'cm', 'data': {'a.conf': 'YQ==', 'b_c-d': ''}}");
  ck_assert_str_eq(c->label, "LBL");
  ck_assert_str_eq(text_of(c, "a.conf"), "a");
  ck_assert_str_eq(text_of(c, "b_c-d"), "");
}
END_TEST

START_TEST(missing_data_is_refused_unless_optional) {
  ck_assert_ptr_null(content_of("{'name': 'cm', 'secret': {'secretName': 'm'}}", NULL));
  ck_assert_str_eq(content_error, "Secret m is not there");
  g_autoptr(WryIsoContent) c = content_of("{'name': 'cm', 'secret': {'secretName': 'm', 'optional': true}}", "{'name': 'cm'}");
  ck_assert_uint_eq(c->files->len, 0);
  ck_assert_str_eq(c->label, "cfgdata");
}
END_TEST

static const char *const bad_keys[] = {"", ".", "..", "..data", "a/b", "/etc/passwd", "a b", "\\u00e9", "-\\n"};

START_TEST(a_key_that_is_no_file_name_is_refused) {
  g_autofree char *given = g_strdup_printf("{'name': 'cm', 'data': {'%s': 'YQ=='}}", bad_keys[_i]);
  ck_assert_ptr_null(content_of("{'name': 'cm', 'configMap': {'name': 'm'}}", given));
}
END_TEST

START_TEST(downward_api_writes_metadata) {
  g_autoptr(WryIsoContent) c = content_of("{'name': 'd', 'downwardAPI': {'fields': [{'path': 'name', 'fieldRef': {'fieldPath': 'metadata.name'}}, {'path': 'meta/uid', 'fieldRef': {'fieldPath': "
                                          "'metadata.uid'}, 'mode': 256}, {'path': 'ns', 'fieldRef': {'fieldPath': 'metadata.namespace'}}, {'path': 'labels', 'fieldRef': {'fieldPath': 'metadata.labels'}}]}}",
                                          NULL);
  ck_assert_str_eq(text_of(c, "name"), "t");
  ck_assert_str_eq(text_of(c, "ns"), "default");
  ck_assert_str_eq(text_of(c, "meta/uid"), "u-1");
  ck_assert_str_eq(text_of(c, "labels"), "a=\"1\"\nb=\"two\\nlines \\\"q\\\" \\x01é\"");
  ck_assert_uint_eq(((WryIsoFile *)g_ptr_array_index(c->files, 1))->mode, 0400);
  ck_assert_uint_eq(((WryIsoFile *)g_ptr_array_index(c->files, 0))->mode, 0644);
}
END_TEST

/* Paths with quotes, which support_domain_vmi's text cannot hold. */
static WryIsoContent *downward(const char *field_path) {
  WryFieldRef ref = {.fieldPath = (char *)field_path};
  WryDownwardItem item = {.path = (char *)"f", .fieldRef = &ref};
  g_autoptr(GPtrArray) fields = g_ptr_array_new();
  g_ptr_array_add(fields, &item);
  WryDownwardApi api = {.fields = fields};
  g_autoptr(WryJson) labels = json_tokener_parse("{\"x\": \"1\", \"a.b/c\": \"2\"}");
  WryMeta meta = {.name = (char *)"n", .labels = labels};
  WryVmi vmi = {.metadata = &meta};
  return wry_downward_content(&vmi, &api, NULL);
}

static const struct { const char *path, *value; } single[] = {
    {"metadata.labels['x']", "1"}, {"metadata.labels['a.b/c']", "2"}, {"metadata.labels['absent']", ""}, {"metadata.annotations['x']", ""}, {"metadata.labels['']", NULL},
    {"metadata.labels['x'", NULL}, {"metadata.labelsx", NULL}, {"spec.nodeName", NULL}, {"", NULL}, {"status.podIP", NULL},
};

START_TEST(downward_api_reads_one_key) {
  g_autoptr(WryIsoContent) c = downward(single[_i].path);
  if (single[_i].value)
    ck_assert_str_eq(text_of(c, "f"), single[_i].value);
  else
    ck_assert_ptr_null(c);
}
END_TEST

START_TEST(resource_fields_are_refused) {
  ck_assert_ptr_null(content_of("{'name': 'd', 'downwardAPI': {'fields': [{'path': 'cpu', 'resourceFieldRef': {'resource': 'limits.cpu'}}]}}", NULL));
  ck_assert_ptr_nonnull(strstr(content_error, "cpu"));
}
END_TEST

/* --- headers of images ------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean check_header(const guint8 *header, gsize length) {
  wry_autofd int fd = memfd_create("image", MFD_CLOEXEC);
  ck_assert_int_eq(write(fd, header, length), (ssize_t)length);
  g_autoptr(GError) error = NULL;
  gboolean good = wry_image_check(fd, &error);
  ck_assert(good || error->code == WRY_ERROR_INVALID);
  return good;
}

START_TEST(an_image_that_leads_elsewhere_is_refused) {
  guint8 header[104] = {'Q', 'F', 'I', 0xFB, 0, 0, 0, 3};
  ck_assert(check_header(header, sizeof header));
  header[15] = 8; /* offset of a backing file's name */
  ck_assert(!check_header(header, sizeof header));
  header[15] = 0;
  header[79] = 4; /* external data file */
  ck_assert(!check_header(header, sizeof header));
  header[79] = 1; /* dirty */
  ck_assert(check_header(header, sizeof header));
  header[7] = 2;
  header[79] = 4; /* version 2 has no features */
  ck_assert(check_header(header, 72));
  ck_assert(!check_header(header, 71));
  header[0] = 'q';
  ck_assert(!check_header(header, sizeof header));
  ck_assert(!check_header(header, 0));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("storage_files");
  TCase *seeds = tcase_create("contents");
  tcase_add_test(seeds, nocloud_has_three_files);
  tcase_add_test(seeds, nocloud_without_user_data_is_still_a_seed);
  tcase_add_test(seeds, no_network_data_is_no_file);
  tcase_add_test(seeds, config_drive_is_openstack);
  tcase_add_test(seeds, cloud_init_from_secrets_takes_both_spellings);
  tcase_add_test(seeds, config_map_keys_are_files);
  tcase_add_test(seeds, missing_data_is_refused_unless_optional);
  tcase_add_loop_test(seeds, a_key_that_is_no_file_name_is_refused, 0, G_N_ELEMENTS(bad_keys));
  tcase_add_test(seeds, downward_api_writes_metadata);
  tcase_add_loop_test(seeds, downward_api_reads_one_key, 0, G_N_ELEMENTS(single));
  tcase_add_test(seeds, resource_fields_are_refused);
  tcase_add_test(seeds, an_image_that_leads_elsewhere_is_refused);
  suite_add_tcase(suite, seeds);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
