/* lib/yaml.c, lib/yaml_scalar.c, lib/manifest.c: YAML as Kubernetes reads and prints it (the tables were compared with sigs.k8s.io/yaml), limits, lines. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "wherry/error.h"
#include "wherry/json.h"
#include "wherry/limits.h"

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

static GPtrArray *parse(const char *text, GError **error) {
  return wry_manifest_parse(text, strlen(text), error);
}

static const char *document(GPtrArray *documents, guint i) {
  const WryDocument *doc = g_ptr_array_index(documents, i);
  return json_object_to_json_string_ext(doc->object, PLAIN);
}

/* --- what is read --------------------------------------------------------------------------------------------------------------------------------------- */
static const struct {
  const char *yaml, *json;
} good[] = {
    {"a: y", "{\"a\":true}"}, {"a: Y", "{\"a\":true}"}, {"a: n", "{\"a\":false}"}, {"a: N", "{\"a\":false}"}, {"a: yes", "{\"a\":true}"},
    {"a: Yes", "{\"a\":true}"}, {"a: YES", "{\"a\":true}"}, {"a: yEs", "{\"a\":\"yEs\"}"}, {"a: on", "{\"a\":true}"}, {"a: off", "{\"a\":false}"},
    {"a: Off", "{\"a\":false}"}, {"a: true", "{\"a\":true}"}, {"a: True", "{\"a\":true}"}, {"a: TRUE", "{\"a\":true}"},
    {"a: tRue", "{\"a\":\"tRue\"}"}, {"a: false", "{\"a\":false}"}, {"a: no", "{\"a\":false}"}, {"a: ~", "{\"a\":null}"},
    {"a: null", "{\"a\":null}"}, {"a: Null", "{\"a\":null}"}, {"a: NULL", "{\"a\":null}"}, {"a: nULL", "{\"a\":\"nULL\"}"}, {"a: ", "{\"a\":null}"},
    {"a: 0777", "{\"a\":511}"}, {"a: 0o777", "{\"a\":511}"}, {"a: 0O777", "{\"a\":511}"}, {"a: 0899", "{\"a\":899}"}, {"a: 08", "{\"a\":8}"},
    {"a: 0x1F", "{\"a\":31}"}, {"a: 0X1f", "{\"a\":31}"}, {"a: 0b101", "{\"a\":5}"}, {"a: -0b11", "{\"a\":-3}"}, {"a: -0x10", "{\"a\":-16}"},
    {"a: +5", "{\"a\":5}"}, {"a: +0x10", "{\"a\":16}"}, {"a: 1_000", "{\"a\":1000}"}, {"a: 1__0", "{\"a\":10}"}, {"a: _1", "{\"a\":\"_1\"}"},
    {"a: 0_7", "{\"a\":7}"}, {"a: 1_", "{\"a\":1}"}, {"a: 12:30:45", "{\"a\":\"12:30:45\"}"}, {"a: 190:20:30", "{\"a\":\"190:20:30\"}"},
    {"a: 2001-01-01", "{\"a\":\"2001-01-01\"}"}, {"a: 2001-12-14t21:59:43.10-05:00", "{\"a\":\"2001-12-14t21:59:43.10-05:00\"}"},
    {"a: .5", "{\"a\":0.5}"}, {"a: -.5", "{\"a\":-0.5}"}, {"a: +.5", "{\"a\":0.5}"}, {"a: 5.", "{\"a\":5}"}, {"a: 1e3", "{\"a\":1000}"},
    {"a: 1E3", "{\"a\":1000}"}, {"a: 1.0", "{\"a\":1}"}, {"a: 2.50", "{\"a\":2.5}"}, {"a: 1e-7", "{\"a\":1e-7}"}, {"a: 1e21", "{\"a\":1e+21}"},
    {"a: 1e20", "{\"a\":100000000000000000000}"}, {"a: 123456789012345678901", "{\"a\":123456789012345680000}"},
    {"a: 18446744073709551615", "{\"a\":18446744073709551615}"}, {"a: 18446744073709551616", "{\"a\":18446744073709552000}"},
    {"a: -9223372036854775808", "{\"a\":-9223372036854775808}"}, {"a: -9223372036854775809", "{\"a\":-9223372036854776000}"},
    {"a: 1e400", "{\"a\":\"1e400\"}"}, {"a: -1e400", "{\"a\":\"-1e400\"}"}, {"a: NaN", "{\"a\":\"NaN\"}"}, {"a: inf", "{\"a\":\"inf\"}"},
    {"a: 0.1", "{\"a\":0.1}"}, {"a: 1.7976931348623157e308", "{\"a\":1.7976931348623157e+308}"}, {"a: 5e-324", "{\"a\":5e-324}"},
    {"a: 0", "{\"a\":0}"}, {"a: -0", "{\"a\":0}"}, {"a: 00", "{\"a\":0}"}, {"a: +0", "{\"a\":0}"}, {"a: 0.0", "{\"a\":0}"}, {"a: -0.0", "{\"a\":0}"},
    {"a: 1e", "{\"a\":\"1e\"}"}, {"a: 1e+", "{\"a\":\"1e+\"}"}, {"a: 0x", "{\"a\":\"0x\"}"}, {"a: 0b", "{\"a\":\"0b\"}"},
    {"a: 0xg", "{\"a\":\"0xg\"}"}, {"a: 1.5.5", "{\"a\":\"1.5.5\"}"}, {"a: 1,000", "{\"a\":\"1,000\"}"}, {"a: <<", "{\"a\":\"<<\"}"},
    {"a: !!str 5", "{\"a\":\"5\"}"}, {"a: !!int '5'", "{\"a\":5}"}, {"a: !!float 5", "{\"a\":5}"}, {"a: !!bool yes", "{\"a\":true}"},
    {"a: !!null ''", "{\"a\":null}"}, {"a: !!binary aGk=", "{\"a\":\"hi\"}"}, {"a: !!timestamp 2001-01-01", "{\"a\":\"2001-01-01\"}"},
    {"a: ! 5", "{\"a\":\"5\"}"}, {"a: '5'", "{\"a\":\"5\"}"}, {"a: \"5\"", "{\"a\":\"5\"}"}, {"a: 1e5", "{\"a\":100000}"},
    {"a: 1.e5", "{\"a\":100000}"}, {"a: ._5", "{\"a\":\"._5\"}"}, {"a: .e5", "{\"a\":\".e5\"}"}, {"a: ._", "{\"a\":\"._\"}"},
    {"a: 1_0.5", "{\"a\":10.5}"}, {"a: 0x_1f", "{\"a\":31}"}, {"a: 0b_1", "{\"a\":1}"}, {"a: 0o_7", "{\"a\":7}"}, {"a: 0_", "{\"a\":0}"},
    {"a: ++5", "{\"a\":\"++5\"}"}, {"a: +-5", "{\"a\":\"+-5\"}"}, {"a: =", "{\"a\":\"=\"}"}, {"a: &a 5", "{\"a\":5}"},
    {"a: 0x8000000000000000", "{\"a\":9223372036854775808}"}, {"a: 0xFFFFFFFFFFFFFFFFF", "{\"a\":\"0xFFFFFFFFFFFFFFFFF\"}"},
    {"a: 123e2", "{\"a\":12300}"}, {"a: 12e03", "{\"a\":12000}"}, {"a: 1e06", "{\"a\":1000000}"}, {"a: .1e1", "{\"a\":1}"},
    {"a: 0.000001", "{\"a\":0.000001}"}, {"a: 0.0000001", "{\"a\":1e-7}"}, {"a: 100000000000000000000.5", "{\"a\":100000000000000000000}"},
    {"a: 3.14159265358979", "{\"a\":3.14159265358979}"}, {"a: 1.10", "{\"a\":1.1}"}, {"a: 0777.5", "{\"a\":777.5}"}, {"a: -0777", "{\"a\":-511}"},
    {"a: 0b2", "{\"a\":\"0b2\"}"}, {"a: 0777_7", "{\"a\":4095}"}, {"y: 1", "{\"true\":1}"}, {"Y: 1", "{\"true\":1}"}, {"n: 1", "{\"false\":1}"},
    {"N: 1", "{\"false\":1}"}, {"yes: 1", "{\"true\":1}"}, {"Yes: 1", "{\"true\":1}"}, {"YES: 1", "{\"true\":1}"}, {"yEs: 1", "{\"yEs\":1}"},
    {"on: 1", "{\"true\":1}"}, {"off: 1", "{\"false\":1}"}, {"Off: 1", "{\"false\":1}"}, {"true: 1", "{\"true\":1}"}, {"True: 1", "{\"true\":1}"},
    {"TRUE: 1", "{\"true\":1}"}, {"tRue: 1", "{\"tRue\":1}"}, {"false: 1", "{\"false\":1}"}, {"no: 1", "{\"false\":1}"}, {"nULL: 1", "{\"nULL\":1}"},
    {"0777: 1", "{\"511\":1}"}, {"0o777: 1", "{\"511\":1}"}, {"0O777: 1", "{\"511\":1}"}, {"0899: 1", "{\"899\":1}"}, {"08: 1", "{\"8\":1}"},
    {"0x1F: 1", "{\"31\":1}"}, {"0X1f: 1", "{\"31\":1}"}, {"0b101: 1", "{\"5\":1}"}, {"-0b11: 1", "{\"-3\":1}"}, {"-0x10: 1", "{\"-16\":1}"},
    {"+5: 1", "{\"5\":1}"}, {"+0x10: 1", "{\"16\":1}"}, {"1_000: 1", "{\"1000\":1}"}, {"1__0: 1", "{\"10\":1}"}, {"_1: 1", "{\"_1\":1}"},
    {"0_7: 1", "{\"7\":1}"}, {"1_: 1", "{\"1\":1}"}, {"12:30:45: 1", "{\"12:30:45\":1}"}, {"190:20:30: 1", "{\"190:20:30\":1}"},
    {"2001-01-01: 1", "{\"2001-01-01\":1}"}, {"2001-12-14t21:59:43.10-05:00: 1", "{\"2001-12-14t21:59:43.10-05:00\":1}"}, {".5: 1", "{\"0.5\":1}"},
    {"-.5: 1", "{\"-0.5\":1}"}, {"+.5: 1", "{\"0.5\":1}"}, {"5.: 1", "{\"5\":1}"}, {"1e3: 1", "{\"1000\":1}"}, {"1E3: 1", "{\"1000\":1}"},
    {"1.0: 1", "{\"1\":1}"}, {"2.50: 1", "{\"2.5\":1}"}, {"1e-7: 1", "{\"1e-07\":1}"}, {"1e21: 1", "{\"1e+21\":1}"}, {"1e20: 1", "{\"1e+20\":1}"},
    {"123456789012345678901: 1", "{\"1.2345679e+20\":1}"}, {"18446744073709551616: 1", "{\"1.8446744e+19\":1}"},
    {"-9223372036854775808: 1", "{\"-9223372036854775808\":1}"}, {"-9223372036854775809: 1", "{\"-9.223372e+18\":1}"}, {"1e400: 1", "{\"1e400\":1}"},
    {"-1e400: 1", "{\"-1e400\":1}"}, {".nan: 1", "{\".nan\":1}"}, {".inf: 1", "{\".inf\":1}"}, {"-.inf: 1", "{\"-.inf\":1}"},
    {"NaN: 1", "{\"NaN\":1}"}, {"inf: 1", "{\"inf\":1}"}, {"0.1: 1", "{\"0.1\":1}"}, {"5e-324: 1", "{\"0\":1}"}, {"0: 1", "{\"0\":1}"},
    {"-0: 1", "{\"0\":1}"}, {"00: 1", "{\"0\":1}"}, {"+0: 1", "{\"0\":1}"}, {"0.0: 1", "{\"0\":1}"}, {"-0.0: 1", "{\"-0\":1}"},
    {"1e: 1", "{\"1e\":1}"}, {"1e+: 1", "{\"1e+\":1}"}, {"0x: 1", "{\"0x\":1}"}, {"0b: 1", "{\"0b\":1}"}, {"0xg: 1", "{\"0xg\":1}"},
    {"1.5.5: 1", "{\"1.5.5\":1}"}, {"1,000: 1", "{\"1,000\":1}"}, {"!!str 5: 1", "{\"5\":1}"}, {"!!int '5': 1", "{\"5\":1}"},
    {"!!float 5: 1", "{\"5\":1}"}, {"!!bool yes: 1", "{\"true\":1}"}, {"!!timestamp 2001-01-01: 1", "{\"2001-01-01\":1}"}, {"! 5: 1", "{\"5\":1}"},
    {"'5': 1", "{\"5\":1}"}, {"\"5\": 1", "{\"5\":1}"}, {"-: 1", "{\"-\":1}"}, {"1e5: 1", "{\"100000\":1}"}, {"1.e5: 1", "{\"100000\":1}"},
    {"._5: 1", "{\"._5\":1}"}, {".e5: 1", "{\".e5\":1}"}, {"._: 1", "{\"._\":1}"}, {"1_0.5: 1", "{\"10.5\":1}"}, {"0x_1f: 1", "{\"31\":1}"},
    {"0b_1: 1", "{\"1\":1}"}, {"0o_7: 1", "{\"7\":1}"}, {"0_: 1", "{\"0\":1}"}, {"++5: 1", "{\"++5\":1}"}, {"+-5: 1", "{\"+-5\":1}"},
    {"=: 1", "{\"=\":1}"}, {"&a 5: 1", "{\"5\":1}"}, {"0xFFFFFFFFFFFFFFFFF: 1", "{\"0xFFFFFFFFFFFFFFFFF\":1}"}, {"123e2: 1", "{\"12300\":1}"},
    {"12e03: 1", "{\"12000\":1}"}, {"1e06: 1", "{\"1e+06\":1}"}, {".1e1: 1", "{\"1\":1}"}, {"0.000001: 1", "{\"1e-06\":1}"},
    {"0.0000001: 1", "{\"1e-07\":1}"}, {"100000000000000000000.5: 1", "{\"1e+20\":1}"}, {"3.14159265358979: 1", "{\"3.1415927\":1}"},
    {"1.10: 1", "{\"1.1\":1}"}, {"0777.5: 1", "{\"777.5\":1}"}, {"-0777: 1", "{\"-511\":1}"}, {"0b2: 1", "{\"0b2\":1}"},
    {"0777_7: 1", "{\"4095\":1}"}, {"a: &x {b: 1}\nc: *x", "{\"a\":{\"b\":1},\"c\":{\"b\":1}}"},
    {"a: {<<: {b: 1}, <<: {c: 2}}", "{\"a\":{\"b\":1,\"c\":2}}"}, {"a: \"\\0\"", "{\"a\":\"\\u0000\"}"},
    {"a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}"}, {"a: 'it''s'", "{\"a\":\"it's\"}"},
    {"%YAML 1.1\n---\na: 1", "{\"a\":1}"}, {"a: \t1", "{\"a\":1}"}, {"{a: 1, b: 2}", "{\"a\":1,\"b\":2}"}, {"{'a': 1}", "{\"a\":1}"},
    {"{\"a\":1,}", "{\"a\":1}"}, {"\357\273\277a: 1", "{\"a\":1}"}, {"? a\n: b", "{\"a\":\"b\"}"}, {"? a", "{\"a\":null}"},
    {"a: &x 1\nb: *x\n? *x\n: 3", "{\"a\":1,\"b\":1,\"1\":3}"}, {"!!merge <<: {a: 1}", "{\"a\":1}"}, {"'<<': {a: 1}", "{\"<<\":{\"a\":1}}"},
    {"a: !!int 0777", "{\"a\":511}"}, {"a: !!float 1", "{\"a\":1}"}, {"a: 1 # c", "{\"a\":1}"}, {"a: x#y", "{\"a\":\"x#y\"}"},
    {"a: 'x\n  y'", "{\"a\":\"x y\"}"},
    /* YAML's own rule, where go-yaml in strict mode refuses */
    {"a: {<<: {b: 2, c: 3}, b: 1}", "{\"a\":{\"b\":1,\"c\":3}}"}, {"a: {<<: [{b: 1}, {b: 2, c: 4}]}", "{\"a\":{\"b\":1,\"c\":4}}"},
    {"b: &b {x: 1}\na:\n  <<: *b\n  z: 2", "{\"b\":{\"x\":1},\"a\":{\"x\":1,\"z\":2}}"},
    /* JSON in a YAML file */
    {"{\"a\":\"\\ud83d\\ude00\"}", "{\"a\":\"\360\237\230\200\"}"}, {"{\n\t\"a\": [\n\t\t1]}", "{\"a\":[1]}"}, {"{\"a\":1.50,\"b\":1e2}", "{\"a\":1.50,\"b\":1e2}"},
};

START_TEST(reads) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) documents = parse(good[_i].yaml, &error);
  ck_assert_msg(documents != NULL, "%s: %s", good[_i].yaml, error ? error->message : "");
  ck_assert_uint_eq(documents->len, 1);
  ck_assert_str_eq(document(documents, 0), good[_i].json);
}
END_TEST

static const char *const bad[] = {
    /* as Kubernetes */
    "a: .nan", "a: .inf", "a: -.inf", "a: +.inf", "a: .Inf", "a: .INF", "a: -", "a: - ", "a: @a", "a: `a", "a: %a", "a: *x", "~: 1", "null: 1",
    "Null: 1", "NULL: 1", ": 1", "<<: 1", "!!null '': 1", "- : 1", "@a: 1", "`a: 1", "%a: 1", "*x: 1", "a: 1\na: 2", "? [a]\n: 1", "? {a: 1}\n: 1",
    "a: &x [*x]", "a: {b: 1, <<: {b: 2, c: 3}}", "a: {<<: 5}", "b: {b: 1, <<: {b: 2}, b: 3}", "a: \"\\ud83d\\ude00\"", "a: \"\\ud800\"", "a: *nope",
    "a:\n\t- 1", "a: \302\205b", "a: x\342\200\250y", "yes: 1\ntrue: 2", "a: \"\007\"", "a: b: c", "a: !!int 5.5", "a: !!int x", "a: !!bool x",
    "a: !!float x",
    /* stricter: unknown tags, bytes, keys that would become the same */
    "a: !x", "a: !!binary '/w=='", "a: !foo bar", "a: !!foo bar", "!x: 1", "!!binary aGk=: 1", "!!binary '/w==': 1", "!foo bar: 1", "!!foo bar: 1",
    "a: !!str {b: 1}", "a: !!map [1]", "a: !foo {b: 1}", "a: !!set {b, c}", "a: !!omap [{b: 1}]", "\"a\\0b\": 1", "- 1\n- 2", "5",
    "%TAG ! tag:x,2000:\n---\na: !y 1", "1: a\n1.0: b", "1: a\n'1': b", "true: a\n'true': b",
    "a: \xff", "a: \xc0\x80", "\377\376\141", "a: \xed\xa0\x80", "a: [1, 2", "a: {b: 1", "a: 'x", "a: \"x", "a: \"\\q\"", "a: |x\n  y", "a: 1\n b: 2", "a:\n- 1\nb", "a: 1\n}", "[a]: 1",
    "{\"a\":1,\"a\":2}", "{\"a\":1} x", "{\"a\":\"\\ud800\"}", "a: &x 1\na: *x", "&a a: &b {c: *b}", "a: &x {<<: *x}", "<<: [1]", "<<: [[{a: 1}]]", "? - a\n: 1",
    "a: 1\n---\nb: [", "a: 1\n...\nb: 1\nx", "a: !!binary '*'\n---\n[]", "--- x\n", "a: 1\n--- 5",
};

START_TEST(refuses) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) documents = parse(bad[_i], &error);
  ck_assert_msg(!documents, "accepted: %s", bad[_i]);
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_INVALID));
  ck_assert_msg(g_str_has_prefix(error->message, "line "), "%s", error->message);
}
END_TEST

START_TEST(nul_byte_is_refused) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) documents = wry_manifest_parse("a: 1\0b: 2", 10, &error);
  ck_assert_ptr_null(documents);
  ck_assert_str_eq(error->message, "line 1, column 5: NUL byte");
}
END_TEST

static const struct {
  const char *yaml;
  guint count;
  const char *first, *last;
} streams[] = {
    {"", 0, NULL, NULL},
    {"# nothing\n", 0, NULL, NULL},
    {"---\n---\n", 0, NULL, NULL},
    {"null", 0, NULL, NULL},
    {"a: 1\n---\nb: 2\n", 2, "{\"a\":1}", "{\"b\":2}"},
    {"---\na: 1\n---\n---\nb: 2\n...\n", 2, "{\"a\":1}", "{\"b\":2}"},
    {"# x\n---\n# y\na: 1\n---\n# z\n", 1, "{\"a\":1}", "{\"a\":1}"},
    {"{\"a\":1}{\"b\":2}\n{\"c\":3}", 3, "{\"a\":1}", "{\"c\":3}"},
    {"{a: 1}\n---\n{b: 2}", 2, "{\"a\":1}", "{\"b\":2}"},
    {"a: 1\r\n---\r\nb: 2\r\n", 2, "{\"a\":1}", "{\"b\":2}"},
    {"a: &x 1\n---\nb: &x 2\nc: *x", 2, "{\"a\":1}", "{\"b\":2,\"c\":2}"},
    {"kind: List\nitems:\n- {kind: A}\n- {kind: B}\n", 2, "{\"kind\":\"A\"}", "{\"kind\":\"B\"}"},
    {"kind: List\nitems: []\n", 0, NULL, NULL},
    {"{\"kind\":\"VirtualMachineList\",\"items\":[{\"kind\":\"A\"}]}", 1, "{\"kind\":\"A\"}", "{\"kind\":\"A\"}"},
    {"kind: List\n", 1, "{\"kind\":\"List\"}", "{\"kind\":\"List\"}"},
    {"kind: List\nitems: 5\n", 1, "{\"kind\":\"List\",\"items\":5}", "{\"kind\":\"List\",\"items\":5}"},
    {"kind: ConfigMap\nitems: [1]\n", 1, "{\"kind\":\"ConfigMap\",\"items\":[1]}", "{\"kind\":\"ConfigMap\",\"items\":[1]}"},
};

START_TEST(streams_of_documents) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) documents = parse(streams[_i].yaml, &error);
  ck_assert_msg(documents != NULL, "%s", error ? error->message : "");
  ck_assert_uint_eq(documents->len, streams[_i].count);
  if (!documents->len) return;
  ck_assert_str_eq(document(documents, 0), streams[_i].first);
  ck_assert_str_eq(document(documents, documents->len - 1), streams[_i].last);
}
END_TEST

static const struct {
  const char *yaml, *message;
} messages[] = {
    {"a: 1\nb: [", "line 3, column 1: did not find expected node content"},
    {"a: 1\n\n a: 2", "line 3, column 3: mapping values are not allowed in this context"},
    {"a:\n  b: 1\n  b: 2", "line 3, column 3: duplicate key \"b\""},
    {"a: 1\nb: *x", "line 2, column 4: alias *x before the end of its anchor"},
    {"a: 1\nb: \"\1\"", "line 2, column 5: control characters are not allowed"},
    {"- 1", "line 1, column 1: a document must be an object"},
    {"a: 1\n---\n- 1", "line 3, column 1: a document must be an object"},
    {"kind: List\nitems:\n- 1", "line 3: items[0] must be an object"},
    {"kind: List\nitems:\n- a: 1\n- kind: List\n  items: []", "line 4: items[1] is a List in a List"},
    {"a: .nan", "line 1, column 4: JSON has neither NaN nor infinity"},
};

START_TEST(errors_name_the_place) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) documents = parse(messages[_i].yaml, &error);
  ck_assert_ptr_null(documents);
  ck_assert_str_eq(error->message, messages[_i].message);
}
END_TEST

/* --- limits ------------------------------------------------------------------------------------------------------------------------------------------------ */
static GString *repeat(const char *text, guint times) {
  GString *all = g_string_new(NULL);
  for (guint i = 0; i < times; i++) g_string_append(all, text);
  return all;
}

static void refused(const char *text, int code) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) documents = parse(text, &error);
  ck_assert_ptr_null(documents);
  ck_assert_msg(g_error_matches(error, WRY_ERROR, code), "%s", error->message);
}

/* Nine levels of nine aliases: a billion values. */
START_TEST(alias_bomb) {
  g_autoptr(GString) bomb = g_string_new("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
  for (int i = 1; i < 9; i++) {
    g_string_append_printf(bomb, "a%d: &a%d [", i, i);
    for (int j = 0; j < 9; j++) g_string_append_printf(bomb, "%s*a%d", j ? "," : "", i - 1);
    g_string_append(bomb, "]\n");
  }
  refused(bomb->str, WRY_ERROR_TOO_LARGE);
}
END_TEST

/* One large text, many times. */
START_TEST(alias_of_a_large_text) {
  g_autoptr(GString) text = repeat("x", 1 << 20);
  g_string_prepend(text, "a: &a \"");
  g_string_append(text, "\"\nb: [");
  for (int i = 0; i < 200; i++) g_string_append(text, "*a,");
  g_string_append(text, "]\n");
  refused(text->str, WRY_ERROR_TOO_LARGE);
}
END_TEST

/* Merges of merges of merges. */
START_TEST(merge_bomb) {
  g_autoptr(GString) bomb = g_string_new("m0: &m0 {k: [1,2,3,4,5,6,7,8,9]}\n");
  for (int i = 1; i < 40; i++) g_string_append_printf(bomb, "m%d: &m%d {<<: *m%d, a%d: *m%d, b%d: *m%d}\n", i, i, i - 1, i, i - 1, i, i - 1);
  refused(bomb->str, WRY_ERROR_TOO_LARGE);
}
END_TEST

/* Each level aliases the one before: depth without nesting in the text. */
START_TEST(alias_depth) {
  g_autoptr(GString) text = g_string_new("a0: &a0 [1]\n");
  for (int i = 1; i < 100; i++) g_string_append_printf(text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
  refused(text->str, WRY_ERROR_INVALID);
}
END_TEST

static const struct {
  const char *open, *close;
} nestings[] = {{"[", "]"}, {"{a: ", "}"}, {"- ", ""}, {"? ", ""}};

START_TEST(depth_is_bounded) {
  g_autoptr(GString) open = repeat(nestings[_i].open, 10000), close = repeat(nestings[_i].close, 10000);
  g_autofree char *text = g_strdup_printf("a:\n  %s1%s\n", open->str, close->str);
  refused(text, WRY_ERROR_INVALID);
}
END_TEST

START_TEST(depth_of_the_limit_is_fine) {
  g_autoptr(GString) open = repeat("[", WRY_MAX_JSON_DEPTH - 1), close = repeat("]", WRY_MAX_JSON_DEPTH - 1);
  g_autofree char *text = g_strdup_printf("a: %s1%s\n", open->str, close->str);
  g_autoptr(GPtrArray) documents = parse(text, NULL);
  ck_assert_ptr_nonnull(documents);
  g_autofree char *deeper = g_strdup_printf("a: [%s1%s]\n", open->str, close->str);
  refused(deeper, WRY_ERROR_INVALID);
}
END_TEST

/* A long key above many values: the table of lines must not hold it a million times. */
START_TEST(long_paths) {
  g_autoptr(GString) text = repeat("k", 1000000);
  g_string_append(text, ":\n");
  for (int i = 0; i < 100000; i++) g_string_append(text, " - 1\n");
  refused(text->str, WRY_ERROR_INVALID);
  g_autoptr(GString) json = repeat("k", 1000000);
  g_string_prepend(json, "{\"");
  g_string_append(json, "\":[1");
  for (int i = 0; i < 100000; i++) g_string_append(json, ",1");
  g_string_append(json, "]}");
  refused(json->str, WRY_ERROR_TOO_LARGE);
}
END_TEST

static const char *const fillers[] = {"- {}\n", "- [[]]\n", "- {a: {}}\n"};

START_TEST(memory_is_bounded) {
  g_autoptr(GString) text = repeat(fillers[_i], 500000);
  g_string_prepend(text, "a:\n");
  refused(text->str, WRY_ERROR_TOO_LARGE);
}
END_TEST

START_TEST(file_size_is_bounded) {
  g_autoptr(GString) text = repeat("# comment\n", WRY_MAX_MANIFEST_BYTES / 10 + 1);
  refused(text->str, WRY_ERROR_TOO_LARGE);
}
END_TEST

START_TEST(ten_thousand_disks) {
  g_autoptr(GString) text = g_string_new("spec:\n  disks:\n");
  for (int i = 0; i < 10000; i++) g_string_append_printf(text, "  - name: disk%d\n    disk: {bus: virtio}\n", i);
  g_autoptr(GPtrArray) documents = parse(text->str, NULL);
  ck_assert_ptr_nonnull(documents);
  const WryDocument *doc = g_ptr_array_index(documents, 0);
  ck_assert_uint_eq(wry_lines_find(doc->lines, "spec.disks[9999].disk.bus"), 3 + 2 * 9999 + 1);
}
END_TEST

/* --- lines ---------------------------------------------------------------------------------------------------------------------------------------------------- */
static const char located[] = "kind: VM # 1\n"
                              "metadata:\n"
                              "  labels:\n"
                              "    a.b/c: x\n"
                              "spec:\n"
                              "  list:\n"
                              "  - name: one\n"
                              "  - name: two\n"
                              "    size: 5\n"
                              "  flow: {a: 1,\n"
                              "    b: [2,\n"
                              "      3]}\n";

static const struct {
  const char *path;
  guint line;
} lines[] = {
    {"kind", 1}, {"metadata", 2}, {"metadata.labels[a.b/c]", 4}, {"metadata.labels[absent]", 3}, {"spec.list", 6}, {"spec.list[0]", 7}, {"spec.list[0].name", 7}, {"spec.list[1]", 8},
    {"spec.list[1].size", 9}, {"spec.list[1].absent.deep[3]", 8}, {"spec.list[7].name", 6}, {"spec.flow.b[1]", 12}, {"spec.flow.b[0]", 11}, {"spec.absent", 5}, {"absent", 1}, {"", 1},
};

START_TEST(lines_of_paths) {
  g_autoptr(GPtrArray) documents = parse(located, NULL);
  const WryDocument *doc = g_ptr_array_index(documents, 0);
  ck_assert_uint_eq(wry_lines_find(doc->lines, lines[_i].path), lines[_i].line);
  ck_assert_uint_eq(wry_lines_find(NULL, lines[_i].path), 0);
}
END_TEST

START_TEST(lines_of_later_documents) {
  g_autoptr(GPtrArray) documents = parse("a: 1\n---\nb:\n  c: 1\n", NULL);
  const WryDocument *doc = g_ptr_array_index(documents, 1);
  ck_assert_uint_eq(wry_lines_find(doc->lines, "b.c"), 4);
  ck_assert_uint_eq(wry_lines_find(doc->lines, "a"), 3);
  ck_assert_uint_eq(wry_lines_find(doc->lines, ""), 3);
}
END_TEST

START_TEST(lines_of_later_json_documents) {
  g_autoptr(GPtrArray) documents = parse("{\"a\":1}\n\n{\"b\":\n1}", NULL);
  const WryDocument *doc = g_ptr_array_index(documents, 1);
  ck_assert_uint_eq(wry_lines_find(doc->lines, "b"), 3);
  ck_assert_uint_eq(wry_lines_find(doc->lines, "absent.x"), 3);
}
END_TEST

static const char *const lists[] = {
    "kind: List\nitems:\n- a: 1\n- kind: X\n  spec:\n    b: [\n    1]\n",
    "{\"kind\":\"List\",\n\"items\":[\n{\"a\":1},\n{\"kind\":\"X\",\n\"spec\":{\n\"b\":[\n1]}}]}",
};

START_TEST(lines_in_a_list) {
  g_autoptr(GPtrArray) documents = parse(lists[_i], NULL);
  ck_assert_uint_eq(documents->len, 2);
  WryDocument *first = g_ptr_array_index(documents, 0), *second = g_ptr_array_index(documents, 1);
  ck_assert_uint_eq(wry_lines_find(first->lines, "a"), 3);
  ck_assert_uint_eq(wry_lines_find(first->lines, ""), 3);
  ck_assert_uint_eq(wry_lines_find(second->lines, "kind"), 4);
  ck_assert_uint_eq(wry_lines_find(second->lines, "spec"), 5);
  ck_assert_uint_eq(wry_lines_find(second->lines, "spec.b"), 6);
  ck_assert_uint_eq(wry_lines_find(second->lines, "spec.b[0]"), 7);
  ck_assert_uint_eq(wry_lines_find(second->lines, "[x]"), 4);
}
END_TEST

/* --- what is written ------------------------------------------------------------------------------------------------------------------------------------------- */
static const struct {
  const char *json, *yaml;
} written[] = {
    {"{}", "{}\n"},
    {"{\"b\":1,\"a\":2}", "a: 2\nb: 1\n"},
    {"{\"a10\":1,\"a2\":2,\"A\":3,\"a-b\":4,\"1\":5}", "\"1\": 5\nA: 3\na-b: 4\na2: 2\na10: 1\n"},
    {"{\"a\":[],\"b\":{},\"c\":null,\"d\":true,\"e\":1.5,\"f\":\"\"}", "a: []\nb: {}\nc: null\nd: true\ne: 1.5\nf: \"\"\n"},
    {"{\"a\":[1,[2,3],{\"b\":4,\"c\":[5]}]}", "a:\n- 1\n- - 2\n  - 3\n- b: 4\n  c:\n  - 5\n"},
    {"{\"a\":\"yes\",\"b\":\"1\",\"c\":\"null\",\"d\":\"0x1\",\"e\":\"1e3\",\"f\":\"~\"}", "a: \"yes\"\nb: \"1\"\nc: \"null\"\nd: \"0x1\"\ne: \"1e3\"\nf: \"~\"\n"},
    {"{\"t\":\"2024-05-01T10:00:00Z\",\"d\":\"2024-05-01\",\"s\":\"12:30\"}", "d: \"2024-05-01\"\ns: \"12:30\"\nt: \"2024-05-01T10:00:00Z\"\n"},
    {"{\"a\":\"x\\ny\\n\",\"b\":\"x\\ny\",\"c\":\"x\\n\\n\"}", "a: |\n  x\n  y\nb: |-\n  x\n  y\nc: |+\n  x\n\n"},
    {"{\"a\":\"foo: bar\",\"b\":\"#x\",\"c\":\"- x\",\"d\":\"it's\",\"e\":\"*x\",\"f\":\"a\\tb\"}", "a: 'foo: bar'\nb: '#x'\nc: '- x'\nd: it's\ne: '*x'\nf: \"a\\tb\"\n"},
    {"{\"kubevirt.io/size\":\"small\",\"y\":1}", "kubevirt.io/size: small\n\"y\": 1\n"},
    {"{\"m\":\"0/1 nodes are available: 1 Insufficient devices.kubevirt.io/kvm. preemption: 0/1 nodes are available\"}",
     "m: '0/1 nodes are available: 1 Insufficient devices.kubevirt.io/kvm. preemption: 0/1\n  nodes are available'\n"},
    {"{\"a\":\"\\u0000\",\"b\":\"\\u001b[31m\",\"c\":\"\303\251\"}", "a: \"\\0\"\nb: \"\\e[31m\"\nc: \303\251\n"},
    {"{\"a\":\"2024-05-01T10:00:00+02:00\",\"b\":\"2024-05-01 10:00:00\",\"c\":\"2024-5-1t1:2:3.5Z\",\"d\":\"2024-05\",\"e\":\"20240501\",\"f\":\"2024-05-01X\",\"h\":\"1:60\",\"i\":\"-12:30:45.5\"}",
     "a: \"2024-05-01T10:00:00+02:00\"\nb: \"2024-05-01 10:00:00\"\nc: \"2024-5-1t1:2:3.5Z\"\nd: 2024-05\ne: \"20240501\"\nf: 2024-05-01X\nh: 1:60\ni: \"-12:30:45.5\"\n"},
    {"{\"a105\":1,\"a1b\":5,\"a100\":4,\"a95\":1,\"a10\":3,\"a1\":2,\"a_b\":6,\"ab\":7,\"a\":8,\"\303\251\":9}", "a: 8\na_b: 6\na1: 2\na10: 3\na95: 1\na100: 4\na105: 1\na1b: 5\nab: 7\n\303\251: 9\n"},
    {"{\"q\":9223372036854775808,\"r\":1.50}", "q: 9223372036854775808\nr: 1.50\n"},
};

START_TEST(writes) {
  g_autoptr(WryJson) object = wry_json_parse(written[_i].json, strlen(written[_i].json), NULL);
  g_autofree char *yaml = wry_yaml_write(object);
  ck_assert_str_eq(yaml, written[_i].yaml);
}
END_TEST

/* What is written reads back as the same. */
START_TEST(writes_what_it_reads) {
  g_autoptr(WryJson) object = wry_json_parse(written[_i].json, strlen(written[_i].json), NULL);
  g_autofree char *yaml = wry_yaml_write(object);
  g_autoptr(GPtrArray) documents = parse(yaml, NULL);
  ck_assert_ptr_nonnull(documents);
  const WryDocument *doc = g_ptr_array_index(documents, 0);
  ck_assert(json_object_equal(doc->object, object));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("yaml");
  TCase *reading = tcase_create("reading"), *limits = tcase_create("limits"), *places = tcase_create("lines"), *writing = tcase_create("writing");
  tcase_add_loop_test(reading, reads, 0, G_N_ELEMENTS(good));
  tcase_add_loop_test(reading, refuses, 0, G_N_ELEMENTS(bad));
  tcase_add_test(reading, nul_byte_is_refused);
  tcase_add_loop_test(reading, streams_of_documents, 0, G_N_ELEMENTS(streams));
  tcase_add_loop_test(reading, errors_name_the_place, 0, G_N_ELEMENTS(messages));
  tcase_add_test(limits, alias_bomb);
  tcase_add_test(limits, alias_of_a_large_text);
  tcase_add_test(limits, merge_bomb);
  tcase_add_test(limits, alias_depth);
  tcase_add_loop_test(limits, depth_is_bounded, 0, G_N_ELEMENTS(nestings));
  tcase_add_test(limits, depth_of_the_limit_is_fine);
  tcase_add_test(limits, long_paths);
  tcase_add_loop_test(limits, memory_is_bounded, 0, G_N_ELEMENTS(fillers));
  tcase_add_test(limits, file_size_is_bounded);
  tcase_add_test(limits, ten_thousand_disks);
  tcase_set_timeout(limits, 60);
  tcase_add_loop_test(places, lines_of_paths, 0, G_N_ELEMENTS(lines));
  tcase_add_test(places, lines_of_later_documents);
  tcase_add_test(places, lines_of_later_json_documents);
  tcase_add_loop_test(places, lines_in_a_list, 0, G_N_ELEMENTS(lists));
  tcase_add_loop_test(writing, writes, 0, G_N_ELEMENTS(written));
  tcase_add_loop_test(writing, writes_what_it_reads, 0, G_N_ELEMENTS(written));
  suite_add_tcase(suite, reading);
  suite_add_tcase(suite, limits);
  suite_add_tcase(suite, places);
  suite_add_tcase(suite, writing);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
