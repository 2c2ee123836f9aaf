/* handler/manifests.c and handler/source.c: which files count, what becomes of them, what a bad one does. */
#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>

#include "handler/source.h"
#include "tests/unit/support_fleet.h"
#include "wherry/vpath.h"

typedef struct {
  char *dir;
  int dirfd;
  WryObjects *objects;
  WrySource *source;
  GPtrArray *heard; /* "changed VirtualMachine a 3" */
  guint settled;
} Place;

static void on_changed(WryObject *object, WryChange change, gpointer data) {
  g_ptr_array_add(((Place *)data)->heard, g_strdup_printf("changed %s %s %d", wry_object_kind_name(object->kind), wry_object_meta(object)->name, change));
}
static void on_gone(WryObject *object, gpointer data) { g_ptr_array_add(((Place *)data)->heard, g_strdup_printf("gone %s", wry_object_meta(object)->name)); }
static void on_problem(const WryManifestProblem *problem, WryObject *object, gpointer data) {
  g_ptr_array_add(((Place *)data)->heard, g_strdup_printf("problem %s:%" G_GINT64_FORMAT " %s%s", problem->file, problem->line.v, problem->field ? problem->field : "-", object ? " object" : ""));
}
static void on_settled(gpointer data) { ((Place *)data)->settled++; }
static void on_failed(const char *what, const GError *error, gpointer data) { g_ptr_array_add(((Place *)data)->heard, g_strdup_printf("failed %s: %s", what, error->message)); }
static const WrySourceCalls calls = {on_changed, on_gone, on_problem, on_settled, on_failed};

static Place *open_place(void) {
  Place *place = g_new0(Place, 1);
  place->dir = g_dir_make_tmp("wherry-manifests-XXXXXX", NULL);
  place->dirfd = wry_dir_open(place->dir, NULL);
  place->objects = wry_objects_new(-1);
  place->heard = g_ptr_array_new_with_free_func(g_free);
  place->source = wry_source_new(place->dirfd, place->objects, "amd64", &calls, place);
  return place;
}

static void close_place(Place *place) {
  g_autoptr(GPtrArray) files = wry_vlist(place->dirfd, NULL);
  for (guint i = 0; i < files->len; i++) wry_vunlink(place->dirfd, files->pdata[i], NULL);
  wry_source_free(place->source);
  wry_objects_free(place->objects);
  g_ptr_array_unref(place->heard);
  close(place->dirfd);
  g_rmdir(place->dir);
  g_free(place->dir);
  g_free(place);
}

static void put(Place *place, const char *name, const char *text) { ck_assert(wry_vwrite(place->dirfd, name, text, strlen(text), 0644, NULL)); }

static gboolean heard(const Place *place, const char *what) { return g_ptr_array_find_with_equal_func(place->heard, what, g_str_equal, NULL); }

static void scan(Place *place) {
  g_ptr_array_set_size(place->heard, 0);
  wry_source_scan(place->source);
}

#define SECRET(name) "apiVersion: v1\nkind: Secret\nmetadata: {name: " name "}\n"

START_TEST(file_names) {
  const char *const good[] = {"a.yaml", "a.yml", "a.json", "a.b.yaml"}, *const bad[] = {".a.yaml", "a.txt", "a", "a.yaml~", "a.yaml.swp", ".yaml"};
  for (gsize i = 0; i < G_N_ELEMENTS(good); i++) ck_assert(wry_manifest_name(good[i]));
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) ck_assert(!wry_manifest_name(bad[i]));
  g_autofree char *name = wry_manifest_new_name(WRY_OBJECT_VM, "default", "a");
  ck_assert_str_eq(name, "virtualmachine.default.a.yaml");
}
END_TEST

START_TEST(added_changed_gone) {
  Place *place = open_place();
  g_autofree char *vm = fake_vm("a", "Always"), *other = fake_vm("a", "Halted");
  put(place, "a.yaml", vm);
  put(place, "b.json", "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\"}},{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\"}}]}");
  put(place, "ignored.txt", "nonsense");
  scan(place);
  ck_assert(heard(place, "changed VirtualMachine a 1") && heard(place, "changed Secret s 1") && heard(place, "changed ConfigMap c 1"));
  ck_assert_uint_eq(place->heard->len, 3);
  scan(place);
  ck_assert_uint_eq(place->heard->len, 0);
  put(place, "a.yaml", other);
  scan(place);
  ck_assert(heard(place, "changed VirtualMachine a 3"));
  wry_vunlink(place->dirfd, "a.yaml", NULL);
  put(place, "b.json", SECRET("s"));
  scan(place);
  ck_assert(heard(place, "gone a") && heard(place, "gone c"));
  ck_assert_uint_eq(place->heard->len, 2);
  close_place(place);
}
END_TEST

START_TEST(renamed_file) {
  Place *place = open_place();
  put(place, "a.yaml", SECRET("s"));
  scan(place);
  ck_assert(wry_vrename(place->dirfd, "a.yaml", "b.yaml", NULL));
  scan(place);
  ck_assert_uint_eq(place->heard->len, 0);
  ck_assert_str_eq(wry_objects_find(place->objects, WRY_OBJECT_SECRET, "default", "s")->file, "b.yaml");
  close_place(place);
}
END_TEST

/* --- bad files ----------------------------------------------------------------------------------------------------------------------------------------- */
START_TEST(syntax_error_keeps_what_was) {
  Place *place = open_place();
  put(place, "a.yaml", SECRET("s") "---\n" SECRET("t"));
  put(place, "z.yaml", SECRET("z"));
  scan(place);
  put(place, "a.yaml", "kind: [\n");
  scan(place);
  ck_assert(heard(place, "problem a.yaml:0 -"));
  ck_assert(!heard(place, "gone s") && !heard(place, "gone t"));
  ck_assert_ptr_nonnull(wry_objects_find(place->objects, WRY_OBJECT_SECRET, "default", "s")->problem);
  ck_assert_ptr_null(wry_objects_find(place->objects, WRY_OBJECT_SECRET, "default", "z")->problem);
  scan(place); /* told once */
  ck_assert(!heard(place, "problem a.yaml:0 -"));
  g_autoptr(GPtrArray) problems = wry_source_problems(place->source);
  ck_assert_uint_eq(problems->len, 1);
  put(place, "a.yaml", SECRET("s"));
  scan(place);
  ck_assert(heard(place, "gone t") && !heard(place, "gone s"));
  ck_assert_ptr_null(wry_objects_find(place->objects, WRY_OBJECT_SECRET, "default", "s")->problem);
  g_autoptr(GPtrArray) none = wry_source_problems(place->source);
  ck_assert_uint_eq(none->len, 0);
  close_place(place);
}
END_TEST

START_TEST(one_bad_document) {
  Place *place = open_place();
  put(place, "a.yaml", SECRET("s") "---\napiVersion: v1\nkind: Secret\nmetadata: {name: t}\nnosuchfield: 1\n---\n" SECRET("u"));
  scan(place);
  ck_assert(heard(place, "changed Secret s 1") && heard(place, "changed Secret u 1"));
  ck_assert_ptr_null(wry_objects_find(place->objects, WRY_OBJECT_SECRET, "default", "t"));
  g_autoptr(GPtrArray) problems = wry_source_problems(place->source);
  ck_assert_uint_eq(problems->len, 1);
  const WryManifestProblem *problem = problems->pdata[0];
  ck_assert_str_eq(problem->field, "nosuchfield");
  ck_assert_int_eq(problem->line.v, 8);
  close_place(place);
}
END_TEST

static const char *const unnamed[] = {"kind: Secret\n", "apiVersion: v1\nkind: Secret\nmetadata: {}\n", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n", "apiVersion: apps/v1\nkind: Secret\nmetadata: {name: q}\n"};

START_TEST(document_without_identity) {
  Place *place = open_place();
  put(place, "a.yaml", SECRET("s"));
  scan(place);
  put(place, "a.yaml", unnamed[_i]);
  scan(place);
  g_autoptr(GPtrArray) problems = wry_source_problems(place->source);
  ck_assert_uint_ge(problems->len, 1);
  /* only a document that says what it is proves that the other is gone */
  ck_assert(heard(place, "gone s") == (_i == 3));
  close_place(place);
}
END_TEST

START_TEST(unreadable_file) {
  Place *place = open_place();
  ck_assert_int_eq(symlinkat("/etc/passwd", place->dirfd, "link.yaml"), 0);
  g_autofree char *large = g_strnfill(5u << 20, ' ');
  put(place, "large.yaml", large);
  scan(place);
  g_autoptr(GPtrArray) problems = wry_source_problems(place->source);
  ck_assert_uint_eq(problems->len, 2);
  close_place(place);
}
END_TEST

START_TEST(defined_twice) {
  Place *place = open_place();
  put(place, "a.yaml", SECRET("s"));
  scan(place);
  put(place, "b.yaml", SECRET("s"));
  scan(place);
  ck_assert(heard(place, "problem b.yaml:3 metadata.name"));
  ck_assert_str_eq(wry_objects_find(place->objects, WRY_OBJECT_SECRET, "default", "s")->file, "a.yaml");
  close_place(place);
}
END_TEST

START_TEST(vm_and_vmi_of_one_name) {
  Place *place = open_place();
  g_autofree char *vm = fake_vm("a", "Always");
  put(place, "a.yaml", vm);
  put(place, "b.yaml", "apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\nmetadata: {name: a}\nspec: {domain: {memory: {guest: 64Mi}, devices: {}}}\n");
  scan(place);
  ck_assert_ptr_null(wry_objects_find(place->objects, WRY_OBJECT_VMI, "default", "a"));
  ck_assert(heard(place, "problem b.yaml:3 metadata.name"));
  close_place(place);
}
END_TEST

/* What the configuration forbids is admitted when the configuration changes, and when it goes. */
START_TEST(configuration_changes) {
  Place *place = open_place();
  static const char forbids[] = "apiVersion: kubevirt.io/v1\nkind: KubeVirt\nmetadata: {name: k, namespace: kubevirt}\nspec: {configuration: {network: {permitBridgeInterfaceOnPodNetwork: false}}}\n";
  g_autofree char *vm = fake_vm("a", "Always");
  g_autoptr(GString) text = g_string_new(vm);
  g_string_replace(text, "masquerade: {}", "bridge: {}", 0);
  put(place, "a.yaml", text->str);
  put(place, "z.yaml", forbids);
  scan(place);
  ck_assert_ptr_null(wry_objects_find(place->objects, WRY_OBJECT_VM, "default", "a"));
  ck_assert_ptr_nonnull(wry_config_get(wry_source_config(place->source), "network"));
  g_autoptr(GPtrArray) changed = g_ptr_array_new();
  g_ptr_array_add(changed, (gpointer)(guintptr)"z.yaml");
  wry_vunlink(place->dirfd, "z.yaml", NULL);
  wry_source_files(place->source, changed);
  ck_assert(heard(place, "gone k"));
  ck_assert_ptr_nonnull(wry_objects_find(place->objects, WRY_OBJECT_VM, "default", "a"));
  ck_assert_ptr_null(wry_config_get(wry_source_config(place->source), "network"));
  close_place(place);
}
END_TEST

/* --- writing ------------------------------------------------------------------------------------------------------------------------------------------- */
static WryJson *secret(const char *name, const char *value) {
  g_autofree char *text = g_strdup_printf("{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"%s\"},\"stringData\":{\"k\":\"%s\"}}", name, value);
  return wry_json_parse(text, strlen(text), NULL);
}

static char *value_of(Place *place, const char *file, guint index) {
  WryManifestFile *read = wry_manifest_read(place->dirfd, file);
  ck_assert_ptr_null(read->error);
  ck_assert_uint_gt(read->documents->len, index);
  WryJson *value = wry_json_path(((WryDocument *)read->documents->pdata[index])->object, "stringData.k");
  char *text = g_strdup(value ? json_object_get_string(value) : "");
  wry_manifest_free(read);
  return text;
}

static const char *const files[] = {"a.yaml", "a.json"};

START_TEST(store) {
  Place *place = open_place();
  const char *file = files[_i];
  g_autoptr(WryJson) one = secret("one", "1");
  g_autoptr(WryJson) two = secret("two", "2");
  g_autoptr(WryJson) changed = secret("one", "3");
  ck_assert(wry_manifest_store(place->dirfd, file, WRY_OBJECT_SECRET, "default", "one", one, NULL));
  ck_assert(wry_manifest_store(place->dirfd, file, WRY_OBJECT_SECRET, "default", "two", two, NULL));
  ck_assert(wry_manifest_store(place->dirfd, file, WRY_OBJECT_SECRET, "default", "one", changed, NULL));
  g_autofree char *first = value_of(place, file, 0), *second = value_of(place, file, 1);
  ck_assert_str_eq(first, "3");
  ck_assert_str_eq(second, "2");
  ck_assert(wry_manifest_store(place->dirfd, file, WRY_OBJECT_SECRET, "default", "one", NULL, NULL));
  g_autofree char *left = value_of(place, file, 0);
  ck_assert_str_eq(left, "2");
  ck_assert(wry_manifest_store(place->dirfd, file, WRY_OBJECT_SECRET, "default", "two", NULL, NULL));
  ck_assert(!wry_vexists(place->dirfd, file));
  put(place, file, "{");
  g_autoptr(GError) error = NULL;
  ck_assert(!wry_manifest_store(place->dirfd, file, WRY_OBJECT_SECRET, "default", "one", one, &error));
  close_place(place);
}
END_TEST

/* --- the watch ----------------------------------------------------------------------------------------------------------------------------------------- */
START_TEST(watched) {
  Place *place = open_place();
  ck_assert(wry_source_watch(place->source, NULL));
  put(place, "a.yaml", SECRET("s"));
  fake_wait(heard(place, "changed Secret s 1"));
  ck_assert(wry_vrename(place->dirfd, "a.yaml", "a.txt", NULL));
  fake_wait(heard(place, "gone s"));
  put(place, "notes.txt", "x");
  guint settled = place->settled;
  fake_settle();
  ck_assert_uint_eq(place->settled, settled);
  close_place(place);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("manifests");
  TCase *tests = tcase_create("manifests");
  tcase_add_test(tests, file_names);
  tcase_add_test(tests, added_changed_gone);
  tcase_add_test(tests, renamed_file);
  tcase_add_test(tests, syntax_error_keeps_what_was);
  tcase_add_test(tests, one_bad_document);
  tcase_add_loop_test(tests, document_without_identity, 0, G_N_ELEMENTS(unnamed));
  tcase_add_test(tests, unreadable_file);
  tcase_add_test(tests, defined_twice);
  tcase_add_test(tests, vm_and_vmi_of_one_name);
  tcase_add_test(tests, configuration_changes);
  tcase_add_loop_test(tests, store, 0, G_N_ELEMENTS(files));
  tcase_add_test(tests, watched);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
