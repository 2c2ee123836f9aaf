/* Hostile manifests from file to causes: each is refused with line, field and reason, or read as what it says; never silently as something else. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "wherry/json.h"
#include "wherry/limits.h"
#include "wherry/spec.h"

#define HEAD "apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\nmetadata: {name: vm}\nspec:\n  domain:\n    devices: {}\n" /* 6 lines */
#define JSON_HEAD "{\"apiVersion\":\"kubevirt.io/v1\",\"kind\":\"VirtualMachineInstance\",\"metadata\":{\"name\":\"vm\"},\"spec\":{\"domain\":{\"devices\":{}"
#define JSON_TAIL "}}}"

/* "line field: message" for each cause of each object, or the error of the file. */
static char *verdict(const char *text, gsize length) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) documents = wry_manifest_parse(text, length, &error);
  if (!documents) return g_strdup(error->message);
  GString *all = g_string_new(NULL);
  for (guint i = 0; i < documents->len; i++) {
    const WryDocument *document = g_ptr_array_index(documents, i);
    g_autoptr(WryCauses) causes = wry_causes_new();
    gpointer vmi = wry_decode(&wry_vmi_type, document->object, "", causes);
    wry_refuse_unsupported(&wry_vmi_type, vmi, WRY_F_UNSUPPORTED | WRY_F_BY_CLUSTER, "", causes);
    for (guint j = 0; j < wry_causes_count(causes); j++) {
      const WryCause *cause = wry_causes_get(causes, j);
      g_string_append_printf(all, "%s%u %s: %s", all->len ? ", " : "", wry_lines_find(document->lines, cause->field), cause->field, cause->message);
    }
    wry_struct_free(&wry_vmi_type, vmi);
  }
  return g_string_free(all, FALSE);
}

static const struct {
  const char *text, *verdict;
} cases[] = {
    {HEAD, ""},
    {JSON_HEAD JSON_TAIL, ""},
    {"\357\273\277" HEAD, ""},
    /* wrong types */
    {HEAD "    cpu: {cores: \"2\"}\n", "7 spec.domain.cpu.cores: must be an integer"},
    {HEAD "    cpu: {cores: 2.5}\n", "7 spec.domain.cpu.cores: must be an integer"},
    {HEAD "    cpu: {cores: 1e3}\n", ""},
    {HEAD "    cpu: {cores: 2.0}\n", ""},
    {HEAD "    cpu: {cores: yes}\n", "7 spec.domain.cpu.cores: must be an integer"},
    {HEAD "    cpu: {cores: [2]}\n", "7 spec.domain.cpu.cores: must be an integer"},
    {HEAD "    cpu: {cores: {}}\n", "7 spec.domain.cpu.cores: must be an integer"},
    {HEAD "    cpu: {cores: null}\n", ""},
    {HEAD "    cpu: {cores: 0x2}\n", ""},
    {HEAD "    cpu:\n      cores: two\n", "8 spec.domain.cpu.cores: must be an integer"},
    {HEAD "    cpu: 2\n", "7 spec.domain.cpu: must be an object"},
    {HEAD "    cpu: []\n", "7 spec.domain.cpu: must be an object"},
    {HEAD "    cpu: {model: 486}\n", "7 spec.domain.cpu.model: must be a string"},
    {HEAD "    cpu: {model: no}\n", "7 spec.domain.cpu.model: must be a string"},
    {HEAD "    memory: {guest: 128Mi}\n", ""},
    {HEAD "    memory: {guest: 134217728}\n", ""},
    {HEAD "    memory: {guest: 128MB}\n", "7 spec.domain.memory.guest: must be a quantity like 1, 500m or 2Gi"},
    {HEAD "    memory: {guest: true}\n", "7 spec.domain.memory.guest: must be a quantity like 1, 500m or 2Gi"},
    {HEAD "    memory: {guest: ''}\n", "7 spec.domain.memory.guest: must be a quantity like 1, 500m or 2Gi"},
    {HEAD "  hostname: 5\n", "7 spec.hostname: must be a string"},
    {HEAD "  hostname: \"a\\0b\"\n", "7 spec.hostname: must not contain NUL"},
    {HEAD "  networks: {}\n", "7 spec.networks: must be a list"},
    {HEAD "  networks: [default]\n", "7 spec.networks[0]: must be an object"},
    {HEAD "  networks:\n  - name: a\n  - 5\n", "9 spec.networks[1]: must be an object"},
    {HEAD "  nodeSelector: {a: 1}\n", "7 spec.nodeSelector.a: must be a string"},
    {HEAD "  nodeSelector:\n    k.io/a: [x]\n", "8 spec.nodeSelector[k.io/a]: must be a string"},
    /* huge numbers */
    {HEAD "    cpu: {cores: 9223372036854775807}\n", "7 spec.domain.cpu.cores: must be an integer of 32 bits"},
    {HEAD "    cpu: {cores: 9223372036854775808}\n", "7 spec.domain.cpu.cores: must be an integer"},
    {HEAD "    cpu: {cores: -9223372036854775809}\n", "7 spec.domain.cpu.cores: must be an integer"},
    {HEAD "    cpu: {cores: 99999999999999999999999999}\n", "7 spec.domain.cpu.cores: must be an integer"},
    {HEAD "    cpu: {cores: 1e999}\n", "7 spec.domain.cpu.cores: must be an integer"},
    {HEAD "    cpu: {cores: .inf}\n", "line 7, column 18: JSON has neither NaN nor infinity"},
    {HEAD "    cpu: {cores: .nan}\n", "line 7, column 18: JSON has neither NaN nor infinity"},
    {HEAD "    cpu: {cores: NaN}\n", "7 spec.domain.cpu.cores: must be an integer"},
    {JSON_HEAD ",\"cpu\":{\"cores\":1e999}" JSON_TAIL, "1 spec.domain.cpu.cores: must be an integer"},
    {JSON_HEAD ",\"cpu\":{\"cores\":1.0}" JSON_TAIL, "1 spec.domain.cpu.cores: must be an integer"},
    {JSON_HEAD ",\"memory\":{\"guest\":1e400}" JSON_TAIL, "1 spec.domain.memory.guest: must be a quantity like 1, 500m or 2Gi"},
    {HEAD "  terminationGracePeriodSeconds: 18446744073709551615\n", "7 spec.terminationGracePeriodSeconds: must be an integer"},
    /* fields that are none */
    {HEAD "    cpus: 2\n", "7 spec.domain.cpus: unknown field \"spec.domain.cpus\""},
    {HEAD "    CPU: {}\n", "7 spec.domain.CPU: unknown field \"spec.domain.CPU\""},
    {HEAD "    \"cpu \": {}\n", "7 spec.domain.cpu : unknown field \"spec.domain.cpu \""},
    {HEAD "    c\320\260pu: {}\n", "7 spec.domain.c\320\260pu: unknown field \"spec.domain.c\320\260pu\""},
    {HEAD "    cpu.cores: 2\n", "7 spec.domain[cpu.cores]: unknown field \"spec.domain[cpu.cores]\""},
    {HEAD "    1: 2\n", "7 spec.domain.1: unknown field \"spec.domain.1\""},
    {HEAD "    yes: 2\n", "7 spec.domain.true: unknown field \"spec.domain.true\""},
    {HEAD "    __proto__: {}\n", "7 spec.domain.__proto__: unknown field \"spec.domain.__proto__\""},
    {HEAD "extra: 1\n", "7 extra: unknown field \"extra\""},
    /* the same key twice, also when one looks different */
    {HEAD "    cpu: {cores: 1}\n    cpu: {cores: 2}\n", "line 8, column 5: duplicate key \"cpu\""},
    {HEAD "    cpu: {cores: 1, \"cores\": 2}\n", "line 7, column 21: duplicate key \"cores\""},
    {HEAD "    cpu: {cores: 1, \"c\\x6fres\": 2}\n", "line 7, column 21: duplicate key \"cores\""},
    {HEAD "    cpu: {cores: 1, !!str cores: 2}\n", "line 7, column 21: duplicate key \"cores\""},
    {JSON_HEAD ",\"devices\":{}" JSON_TAIL, "line 1, column 120: duplicate key \"devices\""},
    {JSON_HEAD ",\"\\u0064evices\":{}" JSON_TAIL, "line 1, column 120: duplicate key \"devices\""},
    /* YAML in JSON, JSON in YAML */
    {JSON_HEAD ",'cpu':{cores: 2}" JSON_TAIL, ""},
    {JSON_HEAD ",}}}", ""},
    {JSON_HEAD "}} # comment\n}", ""},
    {JSON_HEAD JSON_TAIL "}", "line 1, column 122: did not find expected <document start>"},
    {JSON_HEAD ",\"hostname\":\"\\ud800\"" JSON_TAIL, "line 1, column 134: found invalid Unicode character escape code"},
    {HEAD "\t\n", "line 7, column 1: found character that cannot start any token"},
    {HEAD "\thostname: x\n", "line 7, column 1: found character that cannot start any token"},
    /* bytes */
    {HEAD "  hostname: \"\300\257\"\n", "line 7, column 14: invalid UTF-8"},
    {HEAD "  hostname: \"\355\240\200\"\n", "line 7, column 14: invalid UTF-8"},
    {HEAD "  hostname: \"\377\"\n", "line 7, column 14: invalid UTF-8"},
    {HEAD "  hostname: \"\033[2J\"\n", "line 7, column 14: control characters are not allowed"},
    /* aliases and merges say what they say */
    {HEAD "    cpu: &c {cores: 2}\n    x: *c\n", "8 spec.domain.x: unknown field \"spec.domain.x\""},
    {HEAD "    cpu: {<<: {cores: x}}\n", "7 spec.domain.cpu.cores: must be an integer"},
    {HEAD "    cpu: {<<: {nonsense: 1}}\n", "7 spec.domain.cpu.nonsense: unknown field \"spec.domain.cpu.nonsense\""},
    {HEAD "    cpu: {cores: 1, <<: {cores: 2}}\n", "line 7, column 21: duplicate key \"cores\": it stands before a merge that sets it too"},
    {HEAD "    cpu: &c {cores: *c}\n", "line 7, column 21: alias *c before the end of its anchor"},
    {HEAD "    cpu: !include /etc/passwd\n", "line 7, column 10: tag !include is not supported"},
    {HEAD "    cpu: !!python/object:os.system {}\n", "line 7, column 10: tag tag:yaml.org,2002:python/object:os.system is not supported"},
    /* nothing, or not an object */
    {"", ""},
    {"---\n...\n", ""},
    {"[]", "line 1, column 1: a document must be an object"},
    {"hello", "line 1, column 1: a document must be an object"},
    {"{}", "1 spec: must be set"},
    {"spec:", "1 spec: must be set"},
    {"spec: {}", "1 spec.domain: must be set"},
};

START_TEST(verdicts) {
  g_autofree char *got = verdict(cases[_i].text, strlen(cases[_i].text));
  ck_assert_msg(!strcmp(got, cases[_i].verdict), "%s\n--> %s\nnot %s", cases[_i].text, got, cases[_i].verdict);
}
END_TEST

/* What does not fit into a table. */
static char *many(const char *head, const char *unit, guint times, const char *tail) {
  GString *text = g_string_new(head);
  for (guint i = 0; i < times; i++) g_string_append(text, unit);
  g_string_append(text, tail);
  return g_string_free(text, FALSE);
}

static const struct {
  const char *head, *unit;
  guint times;
  const char *tail, *contains;
} large[] = {
    {HEAD "  volumes:\n", "  - name: v\n", 10000, "", "spec.volumes: must have at most 256 items"},
    {JSON_HEAD ",\"x\":", "[", 10000, "", "nested deeper than 64"},
    {HEAD "    x: ", "[", 10000, "\n", "nested deeper than 64"},
    {HEAD "    x: ", "{a: ", 10000, "\n", "nested deeper than 64"},
    {HEAD "    x:\n      - ", "- ", 10000, "1\n", "nested deeper than 64"},
    {HEAD "  hostname: \"", "x", 1 << 20, "\"\n", ""},
    {HEAD "  hostname: \"", "x", 5 << 20, "\"\n", "a manifest may have 4194304 bytes"},
    {HEAD "  nodeSelector: {", "x", 1 << 20, ": a}\n", "line 7"},
    {HEAD, "  a", 100000, ": 1\n", "line 7"},
    {HEAD "  x: &a [1]\n  y: [", "*a,", 1000000, "]\n", "too many values, aliases expanded"},
    {HEAD, "#\n", 1000000, "x: 1\n", "1000007 x: unknown field"},
    {HEAD, "---\n", 100000, "x: 1\n", "unknown field"},
};

START_TEST(large_texts) {
  g_autofree char *text = many(large[_i].head, large[_i].unit, large[_i].times, large[_i].tail);
  g_autofree char *got = verdict(text, strlen(text));
  ck_assert_msg(strstr(got, large[_i].contains) && (*large[_i].contains || !*got), "%.300s", got);
}
END_TEST

/* Thousands of objects in one file are all there. */
START_TEST(many_objects) {
  g_autofree char *text = many("", HEAD "---\n", 3000, "");
  g_autoptr(GPtrArray) documents = wry_manifest_parse(text, strlen(text), NULL);
  ck_assert_ptr_nonnull(documents);
  ck_assert_uint_eq(documents->len, 3000);
  const WryDocument *last = g_ptr_array_index(documents, 2999);
  ck_assert_uint_eq(wry_lines_find(last->lines, "spec.domain"), 2999 * 7 + 5);
}
END_TEST

/* Cut anywhere, a manifest is refused or says less; it never crashes. */
START_TEST(every_prefix) {
  static const char text[] = HEAD "    cpu: &c {cores: 2, model: 'x'}\n    y: [*c, \"a\\u00e9\", |\n";
  for (gsize length = 0; length < sizeof text; length++) {
    char *exact = g_memdup2(text, length + (length == 0));
    g_autofree char *got = verdict(exact, length);
    ck_assert_ptr_nonnull(got);
    g_free(exact);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("manifest");
  TCase *tcase = tcase_create("manifest");
  tcase_add_loop_test(tcase, verdicts, 0, G_N_ELEMENTS(cases));
  tcase_add_loop_test(tcase, large_texts, 0, G_N_ELEMENTS(large));
  tcase_add_test(tcase, many_objects);
  tcase_add_test(tcase, every_prefix);
  tcase_set_timeout(tcase, 60);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
