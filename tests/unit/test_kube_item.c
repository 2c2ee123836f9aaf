/* handler/kube/item.c: objects as text, what is left out of them, and the store's differences. */
#include <check.h>
#include <stdlib.h>

#include "handler/kube/item.h"

#define OBJECT(ns, name, uid, version, more) "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"" ns "\",\"uid\":\"" uid "\",\"resourceVersion\":\"" version "\"}" more "}"

static WryKubeItem *item(const char *text) {
  return wry_kube_item_new(&wry_kube_vmis, (WryKubeSpan){text, strlen(text)}, NULL);
}

/* --- text --------------------------------------------------------------------------------------------------------------------------------------------------------------- */
static const struct { const char *from, *to; } stripped[] = {
    {"{\"metadata\":{\"a\":1,\"managedFields\":[{\"x\":\"]}\"}],\"b\":2}}", "{\"metadata\":{\"a\":1,\"b\":2}}"},
    {"{\"metadata\":{\"managedFields\":[],\"b\":2}}", "{\"metadata\":{\"b\":2}}"},
    {"{\"metadata\":{\"b\":2,\"managedFields\":[]}}", "{\"metadata\":{\"b\":2}}"},
    {"{\"metadata\":{\"b\":2 , \"managedFields\" : [ ] }}", "{\"metadata\":{\"b\":2  }}"},
    {"{\"metadata\":{ \"managedFields\":null , \"b\":2}}", "{\"metadata\":{  \"b\":2}}"},
    {"{\"metadata\":{\"managedFields\":[]}}", "{\"metadata\":{}}"},
    {"{\"spec\":{\"managedFields\":[]},\"metadata\":{\"b\":{\"managedFields\":1}}}", "{\"spec\":{\"managedFields\":[]},\"metadata\":{\"b\":{\"managedFields\":1}}}"},
    {"{}", "{}"},
};

START_TEST(strip) {
  gsize length;
  g_autofree char *text = wry_kube_item_strip((WryKubeSpan){stripped[_i].from, strlen(stripped[_i].from)}, &length);
  ck_assert_str_eq(text, stripped[_i].to);
  ck_assert_uint_eq(length, strlen(text));
}
END_TEST

static const char *const refused[] = {
    "{}", "{\"metadata\":{}}", "{\"metadata\":{\"name\":\"a\",\"uid\":\"u\"}}", "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"1\"}}", "{\"metadata\":{\"uid\":\"a\",\"resourceVersion\":\"1\"}}",
    "{\"metadata\":{\"name\":\"a\\u0041\",\"uid\":\"u\",\"resourceVersion\":\"1\"}}", "{\"metadata\":{\"name\":1,\"uid\":\"u\",\"resourceVersion\":\"1\"}}", "{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"resourceVersion\":\"1\"},\"x\":\"\xff\"}",
    "{\"metadata\":\"name\"}",
};

START_TEST(refusals) {
  g_autoptr(GError) error = NULL;
  ck_assert(!wry_kube_item_new(&wry_kube_pods, (WryKubeSpan){refused[_i], strlen(refused[_i])}, &error));
  ck_assert_int_eq(error->code, WRY_ERROR_PROTOCOL);
}
END_TEST

/* What is kept in each form, and what comes out of it. */
START_TEST(forms) {
  g_autoptr(GString) text = g_string_new("{\"metadata\":{\"name\":\"vm\",\"namespace\":\"a\",\"uid\":\"u\",\"resourceVersion\":\"1\",\"managedFields\":[1]},\"spec\":{\"text\":\"");
  for (int i = 0; i < 200; i++) g_string_append(text, "\xe2\x82\xac abc ");
  g_string_append(text, "\"}}");
  g_autoptr(WryKubeItem) plain = item(text->str), packed = wry_kube_item_keep(plain, WRY_KUBE_KEEP_PACKED), names = wry_kube_item_keep(plain, WRY_KUBE_KEEP_NAMES), twice = wry_kube_item_keep(packed, WRY_KUBE_KEEP_PACKED);
  g_autoptr(WryJson) a = wry_kube_item_object(plain, NULL), b = wry_kube_item_object(packed, NULL);
  g_autoptr(GError) error = NULL;
  ck_assert(a && b && json_object_equal(a, b) && packed != plain && twice == packed);
  ck_assert_str_eq(wry_json_str(a, "apiVersion"), "kubevirt.io/v1");
  ck_assert_str_eq(wry_json_str(a, "kind"), "VirtualMachineInstance");
  ck_assert_ptr_null(wry_json_path(a, "metadata.managedFields"));
  ck_assert(!wry_kube_item_object(names, &error));
  ck_assert_int_eq(error->code, WRY_ERROR_NOT_FOUND);
  ck_assert_str_eq(wry_kube_item_name(names), "vm");
  ck_assert_str_eq(wry_kube_item_namespace(names), "a");
  ck_assert_str_eq(wry_kube_item_uid(packed), "u");
  ck_assert_str_eq(wry_kube_item_version(packed), "1");
  /* too short to get smaller */
  g_autoptr(WryKubeItem) tiny = item(OBJECT("a", "b", "c", "1", "")), same = wry_kube_item_keep(tiny, WRY_KUBE_KEEP_PACKED);
  g_autoptr(WryJson) c = wry_kube_item_object(same, NULL);
  ck_assert_ptr_nonnull(c);
}
END_TEST

/* An object that says what it is keeps that. */
START_TEST(own_kind) {
  g_autoptr(WryKubeItem) one = item("{\"apiVersion\":\"x/v2\",\"kind\":\"Y\",\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"resourceVersion\":\"1\"}}");
  g_autoptr(WryJson) object = wry_kube_item_object(one, NULL);
  ck_assert_str_eq(wry_json_str(object, "apiVersion"), "x/v2");
  ck_assert_str_eq(wry_json_str(object, "kind"), "Y");
  ck_assert_str_eq(wry_kube_item_namespace(one), "");
}
END_TEST

/* --- store --------------------------------------------------------------------------------------------------------------------------------------------------------------- */
static void told(WryKubeChange change, const WryKubeItem *one, gpointer data) {
  g_string_append_printf(data, "%c%s/%s:%s ", "AMD"[change], wry_kube_item_name(one), wry_kube_item_uid(one), wry_kube_item_version(one));
}

typedef struct { GString *log; WryKubeStore *store; } Bed;

static Bed bed_new(WryKubeKeep keep) {
  Bed bed = {.log = g_string_new(NULL)};
  bed.store = wry_kube_store_new(keep, told, bed.log);
  return bed;
}

static void bed_end(Bed *bed) {
  wry_kube_store_free(bed->store);
  g_string_free(bed->log, TRUE);
}

static void put(Bed *bed, const char *text) {
  g_autoptr(WryKubeItem) one = item(text);
  wry_kube_store_put(bed->store, one);
}

static void drop(Bed *bed, const char *text) {
  g_autoptr(WryKubeItem) one = item(text);
  wry_kube_store_drop(bed->store, one);
}

static void expect(Bed *bed, const char *log) {
  ck_assert_str_eq(bed->log->str, log);
  g_string_truncate(bed->log, 0);
}

START_TEST(changes) {
  Bed bed = bed_new((WryKubeKeep)_i);
  put(&bed, OBJECT("n", "a", "u1", "1", ""));
  expect(&bed, "Aa/u1:1 ");
  put(&bed, OBJECT("n", "a", "u1", "1", ""));
  expect(&bed, "");
  put(&bed, OBJECT("n", "a", "u1", "2", ""));
  expect(&bed, "Ma/u1:2 ");
  put(&bed, OBJECT("n", "a", "u2", "3", ""));
  expect(&bed, "Da/u1:2 Aa/u2:3 ");
  drop(&bed, OBJECT("n", "a", "u1", "4", ""));
  expect(&bed, "");
  drop(&bed, OBJECT("m", "a", "u2", "4", ""));
  expect(&bed, "");
  ck_assert_ptr_nonnull(wry_kube_store_find(bed.store, "n", "a"));
  drop(&bed, OBJECT("n", "a", "u2", "4", ""));
  expect(&bed, "Da/u2:4 ");
  drop(&bed, OBJECT("n", "a", "u2", "4", ""));
  expect(&bed, "");
  ck_assert_ptr_null(wry_kube_store_find(bed.store, "n", "a"));
  ck_assert_uint_eq(wry_kube_store_count(bed.store), 0);
  bed_end(&bed);
}
END_TEST

/* A new list tells what differs, older states too; an unfinished one deletes nothing. */
START_TEST(lists) {
  Bed bed = bed_new(WRY_KUBE_KEEP_TEXT);
  wry_kube_store_list_begin(bed.store);
  put(&bed, OBJECT("n", "a", "u1", "5", ""));
  put(&bed, OBJECT("n", "b", "u2", "6", ""));
  put(&bed, OBJECT("n", "c", "u3", "7", ""));
  wry_kube_store_list_end(bed.store);
  expect(&bed, "Aa/u1:5 Ab/u2:6 Ac/u3:7 ");
  wry_kube_store_list_begin(bed.store);
  put(&bed, OBJECT("n", "a", "u1", "5", ""));
  wry_kube_store_list_begin(bed.store); /* that one failed */
  put(&bed, OBJECT("n", "b", "u2", "4", ""));
  put(&bed, OBJECT("n", "c", "u9", "8", ""));
  expect(&bed, "Mb/u2:4 Dc/u3:7 Ac/u9:8 ");
  wry_kube_store_list_end(bed.store);
  expect(&bed, "Da/u1:5 ");
  ck_assert_uint_eq(wry_kube_store_count(bed.store), 2);
  bed_end(&bed);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("kube_item");
  TCase *tcase = tcase_create("kube_item");
  tcase_add_loop_test(tcase, strip, 0, G_N_ELEMENTS(stripped));
  tcase_add_loop_test(tcase, refusals, 0, G_N_ELEMENTS(refused));
  tcase_add_test(tcase, forms);
  tcase_add_test(tcase, own_kind);
  tcase_add_loop_test(tcase, changes, WRY_KUBE_KEEP_TEXT, WRY_KUBE_KEEP_NAMES + 1);
  tcase_add_test(tcase, lists);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
