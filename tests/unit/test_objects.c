/* handler/objects.c and handler/objects_record.c: identity, generation, records, admission with what is known. */
#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>

#include "handler/objects.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/record.h"
#include "wherry/vpath.h"

#define NOW "2024-05-01T10:00:00Z"

typedef struct { char *dir; int dirfd; WryObjects *objects; WryConfig *config; } Place;

static Place open_place(void) {
  Place place = {.dir = g_dir_make_tmp("wherry-objects-XXXXXX", NULL)};
  place.dirfd = wry_dir_open(place.dir, NULL);
  place.objects = wry_objects_new(place.dirfd);
  place.config = wry_config_new(NULL, "amd64", NULL);
  return place;
}

static void close_place(Place *place) {
  g_autoptr(GPtrArray) files = wry_vlist(place->dirfd, NULL);
  for (guint i = 0; i < files->len; i++) wry_vunlink(place->dirfd, files->pdata[i], NULL);
  wry_objects_free(place->objects);
  wry_config_free(place->config);
  close(place->dirfd);
  g_rmdir(place->dir);
  g_free(place->dir);
}

static WryJson *document(const char *text) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) documents = wry_manifest_parse(text, strlen(text), &error);
  ck_assert_msg(documents && documents->len == 1, "%s", error ? error->message : "");
  return json_object_get(((WryDocument *)documents->pdata[0])->object);
}

static gpointer admit(Place *place, const char *text, WryObjectKind *ret_kind) {
  g_autoptr(WryJson) json = document(text);
  g_autoptr(WryCauses) causes = wry_causes_new();
  gpointer typed = wry_objects_admit(place->objects, json, place->config, ret_kind, causes);
  g_autofree char *why = wry_causes_text(causes);
  ck_assert_msg(typed != NULL, "%s", why);
  return typed;
}

static WryObject *put(Place *place, const char *text, WryChange *ret_change) {
  WryObjectKind kind;
  gpointer typed = admit(place, text, &kind);
  WryObject *object = wry_objects_put(place->objects, kind, typed, NOW, ret_change, NULL);
  ck_assert_ptr_nonnull(object);
  return object;
}

static char *vm(const char *name, const char *extra, const char *memory) {
  return g_strdup_printf("apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: %s%s}\nspec: {runStrategy: Always, template: {spec: {domain: {memory: {guest: %s}, devices: {}}}}}\n", name, extra, memory);
}

START_TEST(first_sight) {
  Place place = open_place();
  WryChange change;
  g_autofree char *text = vm("a", "", "64Mi");
  WryObject *object = put(&place, text, &change);
  ck_assert_int_eq(change, WRY_CHANGE_NEW);
  const WryMeta *meta = wry_object_meta(object);
  ck_assert_str_eq(meta->namespace_, "default");
  ck_assert(g_uuid_string_is_valid(meta->uid));
  ck_assert_str_eq(meta->creationTimestamp, NOW);
  ck_assert_int_eq(meta->generation.v, 1);
  ck_assert_int_eq(object->state->slot.v, 1);
  ck_assert_ptr_nonnull(object->state->firmwareUuid);
  close_place(&place);
}
END_TEST

/* The same text again is no change, although its firmware uuid is random: it was fixed at first sight. */
START_TEST(generation) {
  Place place = open_place();
  WryChange change;
  g_autofree char *text = vm("a", "", "64Mi"), *labelled = vm("a", ", labels: {x: one}", "64Mi"), *larger = vm("a", ", labels: {x: one}", "128Mi");
  g_autofree char *uid = g_strdup(wry_object_meta(put(&place, text, &change))->uid);
  WryObject *object = put(&place, text, &change);
  ck_assert_int_eq(change, WRY_CHANGE_NONE);
  guint64 version = object->version;
  object = put(&place, labelled, &change);
  ck_assert_int_eq(change, WRY_CHANGE_META);
  ck_assert_int_eq(wry_object_meta(object)->generation.v, 1);
  ck_assert_uint_gt(object->version, version);
  object->state->strategy = g_strdup("Halted");
  object = put(&place, larger, &change);
  ck_assert_int_eq(change, WRY_CHANGE_SPEC);
  ck_assert_int_eq(wry_object_meta(object)->generation.v, 2);
  ck_assert_str_eq(wry_object_meta(object)->uid, uid);
  ck_assert_ptr_null(object->state->strategy);
  close_place(&place);
}
END_TEST

START_TEST(slots) {
  Place place = open_place();
  WryChange change;
  for (guint i = 0; i < 3; i++) {
    g_autofree char *name = g_strdup_printf("vm%u", i), *text = vm(name, "", "64Mi");
    ck_assert_int_eq(put(&place, text, &change)->state->slot.v, i + 1);
  }
  wry_objects_drop(place.objects, wry_objects_find(place.objects, WRY_OBJECT_VM, "default", "vm1"), NULL);
  g_autofree char *text = vm("again", "", "64Mi");
  ck_assert_int_eq(put(&place, text, &change)->state->slot.v, 2);
  close_place(&place);
}
END_TEST

/* What a server writes and a copied manifest carries is not believed. */
START_TEST(server_fields_are_dropped) {
  Place place = open_place();
  WryChange change;
  WryObject *object = put(&place,
                          "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: '', uid: mine, generation: 77, resourceVersion: '5', creationTimestamp: '2001-01-01T00:00:00Z'}\ndata: {k: v}\n",
                          &change);
  ck_assert_str_ne(wry_object_meta(object)->uid, "mine");
  ck_assert_int_eq(wry_object_meta(object)->generation.v, 1);
  ck_assert_str_eq(wry_object_meta(object)->creationTimestamp, NOW);
  ck_assert_str_eq(wry_object_meta(object)->namespace_, "default");
  close_place(&place);
}
END_TEST

/* What a claim asks for may become more, not less. */
START_TEST(claims_do_not_shrink) {
  static const struct { const char *size; gboolean good; } sizes[] = {{"64Mi", TRUE}, {"65536Ki", TRUE}, {"100M", TRUE}, {"63Mi", FALSE}, {"1", FALSE}};
  Place place = open_place();
  WryChange change;
  put(&place, "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 64Mi}}}\n", &change);
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    g_autofree char *text = g_strdup_printf("apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: %s}}}\n", sizes[i].size);
    g_autoptr(WryJson) json = document(text);
    g_autoptr(WryCauses) causes = wry_causes_new();
    WryObjectKind kind;
    gpointer typed = wry_objects_admit(place.objects, json, place.config, &kind, causes);
    ck_assert_msg((typed != NULL) == sizes[i].good, "%s", sizes[i].size);
    if (typed) wry_struct_free(&wry_pvc_type, typed);
    if (!typed) ck_assert_str_eq(wry_causes_get(causes, 0)->field, "spec.resources.requests.storage");
    if (!typed) ck_assert_str_eq(wry_causes_get(causes, 0)->reason, WRY_CAUSE_FORBIDDEN);
  }
  close_place(&place);
}
END_TEST

static const char *const bad_names[] = {"../x", "a/b", "..", ".", "", "-a", "A", "a b"};

START_TEST(names_are_checked) {
  Place place = open_place();
  g_autofree char *text = g_strdup_printf("apiVersion: v1\nkind: Secret\nmetadata: {name: '%s'}\n", bad_names[_i]), *space = g_strdup_printf("apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: '%s'}\n", bad_names[_i]);
  for (const char *const *one = (const char *const[]){text, space, NULL}; *one; one++) {
    if (*one == space && !*bad_names[_i]) continue; /* an empty namespace is the default one */
    g_autoptr(WryJson) json = document(*one);
    g_autoptr(WryCauses) causes = wry_causes_new();
    WryObjectKind kind;
    ck_assert_ptr_null(wry_objects_admit(place.objects, json, place.config, &kind, causes));
    ck_assert_uint_gt(wry_causes_count(causes), 0);
  }
  close_place(&place);
}
END_TEST

static void no_broken(const char *name, const GError *error, gpointer data) {
  (void)name, (void)error;
  (*(guint *)data)++;
}

START_TEST(records) {
  Place place = open_place();
  WryChange change;
  guint broken = 0;
  g_autoptr(GError) error = NULL;
  g_autofree char *text = vm("a", "", "64Mi");
  WryObject *object = put(&place, text, &change);
  object->file = g_strdup("a.yaml");
  object->digest = g_strdup("d");
  object->state->failures = (WryOptInt){TRUE, 3};
  object->state->vmi = wry_instance_new(wry_vm_make_vmi(object->typed), "11111111-1111-4111-8111-111111111111", NOW);
  object->state->vmi->report = wry_struct_new(&wry_vmi_report_type);
  object->state->vmi->report->state = g_strdup("Running");
  ck_assert(wry_objects_save(place.objects, object, &error));
  WryObject *secret = put(&place, "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hidden}\n", &change);
  ck_assert(wry_objects_save(place.objects, secret, &error));
  g_autofree char *kept = wry_object_encode(secret);
  ck_assert_ptr_null(strstr(kept, "hidden"));
  g_autofree char *uid = g_strdup(wry_object_meta(object)->uid);
  guint64 version = secret->version;
  wry_objects_free(place.objects);
  place.objects = wry_objects_new(place.dirfd);
  ck_assert(wry_objects_load(place.objects, no_broken, &broken, &error));
  ck_assert_uint_eq(broken, 0);
  object = wry_objects_find(place.objects, WRY_OBJECT_VM, "default", "a");
  ck_assert(object && object->loaded && strcmp(wry_object_meta(object)->uid, uid) == 0);
  ck_assert_str_eq(object->file, "a.yaml");
  ck_assert_str_eq(object->digest, "d");
  ck_assert_int_eq(object->state->failures.v, 3);
  ck_assert_str_eq(object->state->vmi->report->state, "Running");
  ck_assert_int_eq(wry_instance_phase(object->state->vmi), WRY_PHASE_PENDING);
  ck_assert_uint_gt(wry_objects_next_version(place.objects), version);
  ck_assert(wry_objects_find_uid(place.objects, uid) == object);
  /* the same text as before: nothing changes */
  put(&place, text, &change);
  ck_assert_int_eq(change, WRY_CHANGE_NONE);
  close_place(&place);
}
END_TEST

static guint slots_of(Place *place) {
  g_autoptr(GPtrArray) files = wry_vlist(place->dirfd, NULL);
  return files->len;
}

START_TEST(records_are_written_when_they_change) {
  Place place = open_place();
  WryChange change;
  g_autofree char *text = vm("a", "", "64Mi");
  WryObject *object = put(&place, text, &change);
  ck_assert(wry_objects_save(place.objects, object, NULL));
  ck_assert(wry_objects_save(place.objects, object, NULL));
  ck_assert_uint_eq(slots_of(&place), 1);
  object->state->failures = (WryOptInt){TRUE, 1};
  ck_assert(wry_objects_save(place.objects, object, NULL));
  ck_assert_uint_eq(slots_of(&place), 2);
  ck_assert(wry_objects_drop(place.objects, object, NULL));
  ck_assert_uint_eq(slots_of(&place), 0);
  close_place(&place);
}
END_TEST

START_TEST(broken_records) {
  Place place = open_place();
  guint broken = 0;
  g_autoptr(GError) error = NULL;
  const char *const bodies[] = {"", "nonsense", "{}", "{\"format\":1,\"kind\":\"VirtualMachine\"}", "{\"format\":1,\"kind\":\"Nothing\",\"object\":{}}",
                                "{\"format\":1,\"kind\":\"Secret\",\"object\":{\"metadata\":{\"name\":\"a\",\"namespace\":\"b\",\"uid\":\"other\"}}}"};
  for (guint i = 0; i < G_N_ELEMENTS(bodies); i++) {
    g_autofree char *name = g_strdup_printf("r%u", i);
    ck_assert(wry_record_write(place.dirfd, name, bodies[i], strlen(bodies[i]), NULL));
  }
  ck_assert(wry_vwrite(place.dirfd, "torn.a", "WRY", 3, 0600, NULL));
  ck_assert(wry_objects_load(place.objects, no_broken, &broken, &error));
  ck_assert_uint_eq(broken, G_N_ELEMENTS(bodies) + 1);
  g_autoptr(GPtrArray) left = wry_objects_list(place.objects, WRY_OBJECT_KINDS);
  ck_assert_uint_eq(left->len, 0);
  close_place(&place);
}
END_TEST

/* A record of the future stops the load: its VM must not be taken for a new one. */
START_TEST(newer_record) {
  Place place = open_place();
  guint broken = 0;
  g_autoptr(GError) error = NULL;
  static const char body[] = "{\"format\":2,\"kind\":\"VirtualMachine\",\"object\":{}}";
  ck_assert(wry_record_write(place.dirfd, "r", body, strlen(body), NULL));
  ck_assert(!wry_objects_load(place.objects, no_broken, &broken, &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED));
  close_place(&place);
}
END_TEST

START_TEST(kinds) {
  for (WryObjectKind kind = 0; kind < WRY_OBJECT_KINDS; kind++) {
    ck_assert_int_eq(wry_object_kind_parse(wry_object_kind_name(kind)), kind);
    ck_assert_ptr_nonnull(wry_object_kind_type(kind));
  }
  ck_assert_int_eq(wry_object_kind_parse("Pod"), WRY_OBJECT_KINDS);
  ck_assert_int_eq(wry_object_kind_parse(NULL), WRY_OBJECT_KINDS);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("objects");
  TCase *tests = tcase_create("objects");
  tcase_add_test(tests, first_sight);
  tcase_add_test(tests, generation);
  tcase_add_test(tests, slots);
  tcase_add_test(tests, server_fields_are_dropped);
  tcase_add_test(tests, claims_do_not_shrink);
  tcase_add_loop_test(tests, names_are_checked, 0, G_N_ELEMENTS(bad_names));
  tcase_add_test(tests, records);
  tcase_add_test(tests, records_are_written_when_they_change);
  tcase_add_test(tests, broken_records);
  tcase_add_test(tests, newer_record);
  tcase_add_test(tests, kinds);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
