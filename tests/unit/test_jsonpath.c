/* kubectl's JSONPath: rows of template, expected text; NULL = refused. */
#include "tools/wherryctl/jsonpath.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char document[] =
    "{\"kind\":\"List\",\"items\":[{\"metadata\":{\"name\":\"a\",\"labels\":{\"app.io/x\":\"1\"}},\"spec\":{\"n\":1},\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"},"
    "{\"type\":\"Paused\",\"status\":\"False\"}]}},{\"metadata\":{\"name\":\"b\"},\"spec\":{\"n\":20,\"flag\":true,\"sub\":{\"n\":3}}}]}";

START_TEST(templates) {
  static const struct { const char *template, *text; } rows[] = {
      {"{.kind}", "List"},
      {"{.items[*].metadata.name}", "a b"},
      {"{.items[0].metadata.name}-{.items[1].spec.n}", "a-20"},
      {"{.items[-1].metadata.name}", "b"},
      {"{.items[0:1].metadata.name}", "a"},
      {"{.items[:].metadata.name}", "a b"},
      {"{.items[0].metadata.labels.app\\.io/x}", "1"},
      {"{.items[0].metadata.labels['app.io/x']}", "1"},
      {"{.items[0].status.conditions[?(@.type==\"Ready\")].status}", "True"},
      {"{.items[?(@.spec.n>2)].metadata.name}", "b"},
      {"{.items[?(@.spec.flag)].metadata.name}", "b"},
      {"{.items[?(@.spec.n!=20)].metadata.name}", "a"},
      {"{range .items[*]}{.metadata.name}{\"\\t\"}{.spec.n}{\"\\n\"}{end}", "a\t1\nb\t20\n"},
      {"{..n}", "1 20 3"},
      {"{.items[1].spec.sub}", "{\"n\":3}"},
      {"{.none.of.this}", ""},
      {"{.items[7].spec}", ""},
      {"{$.kind}", "List"},
      {"plain", "plain"},
      {"{.items[}", NULL}, {"{.items[?(.x)]}", NULL}, {"{.kind", NULL}, {"{end}", NULL}, {"{range .items[*]}x", NULL}, {"{\"open}", NULL}, {"{}", NULL}, {"{.items[a]}", NULL},
      {"{.items[?(@.a==\"x]}", NULL}};
  g_autoptr(WryJson) root = wry_json_parse(document, strlen(document), NULL);
  ck_assert_ptr_nonnull(root);
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text = wry_jsonpath_print(rows[i].template, root, NULL);
    ck_assert_msg(g_strcmp0(text, rows[i].text) == 0, "%s -> %s, want %s", rows[i].template, text ? text : "refused", rows[i].text ? rows[i].text : "refused");
  }
}
END_TEST

START_TEST(paths) {
  static const struct { const char *path; guint n; } rows[] = {{"{.items[*]}", 2}, {".items[*].spec.n", 2}, {"kind", 1}, {"{.x}", 0}};
  g_autoptr(WryJson) root = wry_json_parse(document, strlen(document), NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GPtrArray) found = wry_jsonpath_find(rows[i].path, root, NULL);
    ck_assert_msg(found && found->len == rows[i].n, "%s", rows[i].path);
  }
  ck_assert_ptr_null(wry_jsonpath_find(".kind extra", root, NULL));
}
END_TEST

/* Every prefix of a long template: an answer or a refusal, never a crash. */
START_TEST(prefixes) {
  static const char all[] = "x{range .items[?(@.spec.n>=1)]}{.metadata['name']}{\"\\n\"}{..n}{.a[1:-1]}{end}{$.kind}";
  g_autoptr(WryJson) root = wry_json_parse(document, strlen(document), NULL);
  for (gsize n = 0; n < sizeof all; n++) {
    g_autofree char *part = g_strndup(all, n);
    g_autofree char *text = wry_jsonpath_print(part, root, NULL);
    ck_assert(n < sizeof all - 1 || text != NULL);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("jsonpath");
  TCase *tcase = tcase_create("kubectl");
  tcase_add_test(tcase, templates);
  tcase_add_test(tcase, paths);
  tcase_add_test(tcase, prefixes);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
