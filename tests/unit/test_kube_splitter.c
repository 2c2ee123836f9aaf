/* handler/kube/splitter.c and scan.c: a stream taken apart, wherever it is cut; what is refused. */
#include <check.h>
#include <stdlib.h>

#include "handler/kube/scan.h"
#include "handler/kube/splitter.h"
#include "wherry/error.h"
#include "wherry/json.h"
#include "wherry/limits.h"

static gboolean collect(const char *text, gsize length, gpointer data, GError **error G_GNUC_UNUSED) {
  g_ptr_array_add(data, g_strndup(text, length));
  return TRUE;
}

#define LIST "{ \"apiVersion\":\"v1\",\"items\" : [ {\"a\":\"}]\\\"\\u00e9\\\\\"} ,{\"b\":[1,-0.5e+3,{\"items\":[{}]}]},\n{}],\"kind\":\"XList\", \"metadata\":{\"resourceVersion\":\"7\",\"items\":[1]}} \n"
#define EVENTS "{\"type\":\"ADDED\",\"object\":{\"x\":\"\\\"{\"}}\n\n{\"type\":\"BOOKMARK\",\"object\":{\"n\":[true,false,null]}}\n{}"

static const struct {
  WryKubeSplit split;
  const char *text, *rest;
  const char *pieces[4];
} whole[] = {
    {WRY_KUBE_SPLIT_LIST, LIST, "{ \"apiVersion\":\"v1\",\"items\" : [],\"kind\":\"XList\", \"metadata\":{\"resourceVersion\":\"7\",\"items\":[1]}} \n", {"{\"a\":\"}]\\\"\\u00e9\\\\\"}", "{\"b\":[1,-0.5e+3,{\"items\":[{}]}]}", "{}"}},
    {WRY_KUBE_SPLIT_LIST, "{\"items\":null,\"metadata\":{}}", "{\"items\":null,\"metadata\":{}}", {NULL}},
    {WRY_KUBE_SPLIT_LIST, "{\"items\":[]}", "{\"items\":[]}", {NULL}},
    {WRY_KUBE_SPLIT_LIST, "{\"x\":{\"items\":[{}]}}", "{\"x\":{\"items\":[{}]}}", {NULL}},
    {WRY_KUBE_SPLIT_LIST, "{\"items\":{\"a\":[{}]}}", "{\"items\":{\"a\":[{}]}}", {NULL}},
    {WRY_KUBE_SPLIT_LIST, "{\"\\u0069tems\":[1]}", "{\"\\u0069tems\":[1]}", {NULL}},
    {WRY_KUBE_SPLIT_LIST, "{\"itemsitems\":[1],\"item\":[2]}", "{\"itemsitems\":[1],\"item\":[2]}", {NULL}},
    {WRY_KUBE_SPLIT_VALUES, EVENTS, "", {"{\"type\":\"ADDED\",\"object\":{\"x\":\"\\\"{\"}}", "{\"type\":\"BOOKMARK\",\"object\":{\"n\":[true,false,null]}}", "{}"}},
    {WRY_KUBE_SPLIT_VALUES, "", "", {NULL}},
};

static void same_pieces(const GPtrArray *found, const char *const *expected, gsize cut) {
  guint count = 0;
  while (count < 4 && expected[count]) count++;
  ck_assert_msg(found->len == count, "cut at %zu: %u pieces", cut, found->len);
  for (guint i = 0; i < count; i++) ck_assert_str_eq(g_ptr_array_index(found, i), expected[i]);
}

/* Cut once at each byte, and at every byte at once. */
START_TEST(every_cut) {
  const char *text = whole[_i].text;
  gsize length = strlen(text);
  for (gsize cut = 0; cut <= length + 1; cut++) {
    g_autoptr(GPtrArray) pieces = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(WryKubeSplitter) splitter = wry_kube_splitter_new(whole[_i].split, collect, pieces);
    if (cut > length) {
      for (gsize i = 0; i < length; i++) ck_assert(wry_kube_splitter_feed(splitter, text + i, 1, NULL));
    } else {
      ck_assert(wry_kube_splitter_feed(splitter, text, cut, NULL));
      ck_assert(wry_kube_splitter_feed(splitter, text + cut, length - cut, NULL));
    }
    ck_assert(wry_kube_splitter_finish(splitter, NULL));
    same_pieces(pieces, whole[_i].pieces, cut);
    ck_assert_str_eq(wry_kube_splitter_rest(splitter)->str, whole[_i].rest);
  }
}
END_TEST

/* A text that ends anywhere before its end is not whole. */
START_TEST(too_short) {
  gsize length = strlen(LIST) - 2;
  for (gsize cut = 0; cut < length; cut++) {
    g_autoptr(GPtrArray) pieces = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(WryKubeSplitter) splitter = wry_kube_splitter_new(WRY_KUBE_SPLIT_LIST, collect, pieces);
    ck_assert(wry_kube_splitter_feed(splitter, LIST, cut, NULL));
    g_autoptr(GError) error = NULL;
    ck_assert(!wry_kube_splitter_finish(splitter, &error));
    ck_assert_int_eq(error->code, WRY_ERROR_PROTOCOL);
  }
}
END_TEST

static const struct { WryKubeSplit split; const char *text; } refused[] = {
    {WRY_KUBE_SPLIT_LIST, "["}, {WRY_KUBE_SPLIT_LIST, "1"}, {WRY_KUBE_SPLIT_LIST, "{}{"}, {WRY_KUBE_SPLIT_LIST, "{\"items\":[1]}"}, {WRY_KUBE_SPLIT_LIST, "{\"items\":[\"a\"]}"},
    {WRY_KUBE_SPLIT_LIST, "{\"items\":[[]]}"}, {WRY_KUBE_SPLIT_LIST, "{\"items\":[null]}"}, {WRY_KUBE_SPLIT_LIST, "{\"items\":[-1]}"}, {WRY_KUBE_SPLIT_LIST, "{\"items\":[{},]}"}, {WRY_KUBE_SPLIT_LIST, "{\"items\":[{}}"},
    {WRY_KUBE_SPLIT_LIST, "{\"items\":[],\"items\":[]}"}, {WRY_KUBE_SPLIT_LIST, "{\"a\":}"}, {WRY_KUBE_SPLIT_LIST, "{\"a\" 1}"}, {WRY_KUBE_SPLIT_LIST, "{a:1}"}, {WRY_KUBE_SPLIT_LIST, "{,}"}, {WRY_KUBE_SPLIT_LIST, "{\"a\":1,}"},
    {WRY_KUBE_SPLIT_LIST, "{\"a\":01}"}, {WRY_KUBE_SPLIT_LIST, "{\"a\":1.}"}, {WRY_KUBE_SPLIT_LIST, "{\"a\":.5}"}, {WRY_KUBE_SPLIT_LIST, "{\"a\":-}"}, {WRY_KUBE_SPLIT_LIST, "{\"a\":1e}"}, {WRY_KUBE_SPLIT_LIST, "{\"a\":+1}"},
    {WRY_KUBE_SPLIT_LIST, "{\"a\":tru}"}, {WRY_KUBE_SPLIT_LIST, "{\"a\":nul1}"}, {WRY_KUBE_SPLIT_LIST, "{\"a\":NaN}"}, {WRY_KUBE_SPLIT_LIST, "{\"a\":\"\\x\"}"}, {WRY_KUBE_SPLIT_LIST, "{\"a\":\"\\u12g4\"}"}, {WRY_KUBE_SPLIT_LIST, "{\"a\":\"\n\"}"},
    {WRY_KUBE_SPLIT_LIST, "{\"a\":[1}"}, {WRY_KUBE_SPLIT_LIST, "{\"a\":1]"}, {WRY_KUBE_SPLIT_VALUES, "[]"}, {WRY_KUBE_SPLIT_VALUES, "{},"}, {WRY_KUBE_SPLIT_VALUES, "{} 1"}, {WRY_KUBE_SPLIT_VALUES, "null"}, {WRY_KUBE_SPLIT_VALUES, "{}]"},
};

START_TEST(refusals) {
  g_autoptr(GPtrArray) pieces = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(WryKubeSplitter) splitter = wry_kube_splitter_new(refused[_i].split, collect, pieces);
  g_autoptr(GError) error = NULL;
  ck_assert_msg(!wry_kube_splitter_feed(splitter, refused[_i].text, strlen(refused[_i].text), &error), "%s", refused[_i].text);
  ck_assert_int_eq(error->code, WRY_ERROR_PROTOCOL);
}
END_TEST

static int fed(WryKubeSplit split, const char *text, gsize length, gsize step) {
  g_autoptr(GPtrArray) pieces = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(WryKubeSplitter) splitter = wry_kube_splitter_new(split, collect, pieces);
  g_autoptr(GError) error = NULL;
  for (gsize at = 0; at < length; at += step)
    if (!wry_kube_splitter_feed(splitter, text + at, MIN(step, length - at), &error)) return error->code;
  return wry_kube_splitter_finish(splitter, NULL) ? -1 : -2;
}

/* Depth and sizes: the last that passes, the first that does not. */
START_TEST(limits) {
  for (guint depth = WRY_MAX_JSON_DEPTH - 1; depth <= WRY_MAX_JSON_DEPTH; depth++) {
    g_autoptr(GString) text = g_string_new("{\"a\":");
    for (guint i = 0; i < depth; i++) g_string_append_c(text, '[');
    for (guint i = 0; i < depth; i++) g_string_append_c(text, ']');
    g_string_append_c(text, '}');
    ck_assert_int_eq(fed(WRY_KUBE_SPLIT_VALUES, text->str, text->len, text->len), depth < WRY_MAX_JSON_DEPTH ? -1 : WRY_ERROR_PROTOCOL);
  }
  for (gsize more = 0; more <= 1; more++) {
    gsize length = WRY_MAX_KUBE_OBJECT + more;
    g_autofree char *text = g_malloc(length);
    memset(text, 'x', length);
    memcpy(text, "{\"a\":\"", 6);
    memcpy(text + length - 2, "\"}", 2);
    ck_assert_int_eq(fed(WRY_KUBE_SPLIT_VALUES, text, length, length), more ? WRY_ERROR_TOO_LARGE : -1);
    ck_assert_int_eq(fed(WRY_KUBE_SPLIT_VALUES, text, length, 65536), more ? WRY_ERROR_TOO_LARGE : -1);
    ck_assert_int_eq(fed(WRY_KUBE_SPLIT_LIST, text, length, 65536), WRY_ERROR_TOO_LARGE);
  }
}
END_TEST

static gboolean refuse(const char *text G_GNUC_UNUSED, gsize length G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED, GError **error) {
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_CONFLICT, "no");
  return FALSE;
}

START_TEST(consumer_refuses) {
  g_autoptr(WryKubeSplitter) splitter = wry_kube_splitter_new(WRY_KUBE_SPLIT_VALUES, refuse, NULL);
  g_autoptr(GError) error = NULL;
  ck_assert(!wry_kube_splitter_feed(splitter, "{}", 2, &error));
  ck_assert_int_eq(error->code, WRY_ERROR_CONFLICT);
}
END_TEST

static const struct { const char *object, *key, *value; } members[] = {
    {"{\"a\":1,\"b\":2}", "b", "2"}, {"{ \"a\" : [ {\"b\":9} , \"]\" ] , \"b\" : true }", "b", "true"}, {"{\"a\":\"\\\"b\\\":3\",\"b\":{\"c\":[]}}", "b", "{\"c\":[]}"}, {"{\"x\":{\"b\":1}}", "b", ""}, {"{}", "b", ""},
    {"{\"b\":null}", "b", "null"}, {"[\"b\",1]", "b", ""}, {"{\"b\"", "b", ""}, {"{\"b\":", "b", ""}, {"{\"b", "b", ""}, {"{\"a\\", "b", ""}, {"{\"a\":[[[", "b", ""}, {"", "b", ""},
};

START_TEST(scan) {
  WryKubeSpan object = {members[_i].object, strlen(members[_i].object)}, found = wry_kube_scan_member(object, members[_i].key);
  ck_assert(wry_kube_span_is(found, members[_i].value));
}
END_TEST

START_TEST(scan_strings) {
  static const struct { const char *value, *text; } rows[] = {{"\"a b\"", "a b"}, {"\"\"", ""}, {"\"a\\n\"", ""}, {"1", ""}, {"\"", ""}, {"{\"a\":\"b\"}", ""}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) ck_assert(wry_kube_span_is(wry_kube_scan_string((WryKubeSpan){rows[i].value, strlen(rows[i].value)}), rows[i].text));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("kube_splitter");
  TCase *tcase = tcase_create("kube_splitter");
  tcase_add_loop_test(tcase, every_cut, 0, G_N_ELEMENTS(whole));
  tcase_add_test(tcase, too_short);
  tcase_add_loop_test(tcase, refusals, 0, G_N_ELEMENTS(refused));
  tcase_add_test(tcase, limits);
  tcase_add_test(tcase, consumer_refuses);
  tcase_add_loop_test(tcase, scan, 0, G_N_ELEMENTS(members));
  tcase_add_test(tcase, scan_strings);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
