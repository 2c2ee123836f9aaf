/* lib/json.c and lib/json_read.c: the grammar of RFC 8259 to the letter (accepted texts print back as given), limits, typed reads, paths. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "wherry/error.h"
#include "wherry/json.h"
#include "wherry/limits.h"

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

/* Accepted; the second text is how it prints, NULL when the same. */
static const struct {
  const char *text, *prints;
} good[] = {
    {"{}", NULL},
    {"[]", NULL},
    {" {} ", "{}"},
    {"\t\r\n[\n]\r", "[]"},
    {"true", NULL},
    {"false", NULL},
    {"[null]", NULL},
    {"[true,false,null]", NULL},
    {"\"\"", NULL},
    {"\"x\"", NULL},
    {"0", NULL},
    {"-0", "0"},
    {"[ 1 , 2 ]", "[1,2]"},
    {"[[[[[1]]]]]", NULL},
    {"{\"a\":1}", NULL},
    {"{ \"a\" : 1 , \"b\" : [ ] }", "{\"a\":1,\"b\":[]}"},
    {"{\"\":0}", NULL},
    {"{\"a\":{},\"A\":[]}", NULL},
    {"{\"b\":1,\"a\":2}", NULL},
    {"{\"a.b\":1,\"a[0]\":2}", NULL},
    {"[1]\n", "[1]"},
    /* numbers */
    {"[123]", NULL},
    {"[-123]", NULL},
    {"[1.5]", NULL},
    {"[-1.5]", NULL},
    {"[1.50]", NULL},
    {"[0.1]", NULL},
    {"[0.10000000000000001]", NULL},
    {"[1e3]", NULL},
    {"[1E3]", NULL},
    {"[1e+3]", NULL},
    {"[1e-3]", NULL},
    {"[0e0]", NULL},
    {"[0E+0]", NULL},
    {"[-0.0]", NULL},
    {"[1.0e10]", NULL},
    {"[9223372036854775807]", NULL},
    {"[-9223372036854775808]", NULL},
    {"[9223372036854775808]", NULL},
    {"[18446744073709551615]", NULL},
    {"[18446744073709551616]", NULL},
    {"[-9223372036854775809]", NULL},
    {"[100000000000000000000000000000000000000]", NULL},
    {"[123456789.123456789123456789]", NULL},
    {"[1e308]", NULL},
    {"[1e-400]", NULL},
    /* strings */
    {"[\"\\\"\"]", NULL},
    {"[\"\\\\\"]", NULL},
    {"[\"\\/\"]", "[\"/\"]"},
    {"[\"\\b\\f\\n\\r\\t\"]", NULL},
    {"[\"\\u0041\"]", "[\"A\"]"},
    {"[\"\\u00e9\"]", "[\"\303\251\"]"},
    {"[\"\\u00E9\"]", "[\"\303\251\"]"},
    {"[\"\\u20ac\"]", "[\"\342\202\254\"]"},
    {"[\"\\ud83d\\ude00\"]", "[\"\360\237\230\200\"]"},
    {"[\"\\uD83D\\uDE00\"]", "[\"\360\237\230\200\"]"},
    {"[\"\\udbff\\udfff\"]", "[\"\364\217\277\277\"]"},
    {"[\"\\ud800\\udc00\"]", "[\"\360\220\200\200\"]"},
    {"[\"\\uffff\"]", "[\"\357\277\277\"]"},
    {"[\"\\u0000\"]", NULL},
    {"[\"a\\u0000b\"]", NULL},
    {"[\"\\u001f\"]", NULL},
    {"[\"\177\"]", NULL},
    {"[\"\303\251\342\202\254\360\237\230\200\"]", NULL},
    {"[\"\342\200\250\"]", NULL},
    {"[\"\357\273\277\"]", NULL},
    {"[\"/*x*/\"]", NULL},
    {"[\"NaN\"]", NULL},
    {"[\"\\u005c\\u0022\"]", "[\"\\\\\\\"\"]"},
    {"{\"\\u0061\":1}", "{\"a\":1}"},
};

START_TEST(accepts) {
  g_autoptr(GError) error = NULL;
  g_autoptr(WryJson) value = wry_json_parse(good[_i].text, strlen(good[_i].text), &error);
  ck_assert_msg(!error, "%s: %s", good[_i].text, error ? error->message : "");
  ck_assert_str_eq(json_object_to_json_string_ext(value, PLAIN), good[_i].prints ? good[_i].prints : good[_i].text);
}
END_TEST

/* Refused as invalid. */
static const char *const bad[] = {
    "", " ", "null", "nul", "nulll", "True", "TRUE", "tru", "truee", "fals", "NaN", "[NaN]", "[nan]", "[Infinity]", "[-Infinity]", "[inf]", "undefined",
    /* shape */
    "{", "}", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[1]]", "[1}", "{]", "{1:2}", "{a:1}", "{'a':1}", "['a']", "'a'",
    "{\"a\"}", "{\"a\":}", "{\"a\" 1}", "{\"a\":1,}", "{,}", "{\"a\":1 \"b\":2}", "{\"a\":1,,\"b\":2}", "{\"a\"::1}", "{\"a\":1:2}", "{\"a\",1}", "{null:1}", "{\"a\":1}}",
    "{\"a\":1}{\"b\":2}", "1 2", "[] []", "[1]x", "{}\\", "{} ,", "[\"a\" \"b\"]", "[\"a\",\n4\n,1,", "{\"a\":[}", "[{]", "[{}",
    /* comments and other dialects */
    "/**/{}", "{}/**/", "[1,//\n2]", "[1]#x", "#x\n[1]", "[1;2]", "(1)", "<a/>", "[0x1F]", "[0b1]", "[0o7]", "[1_000]", "[1n]", "[+1]", "[.5]", "[5.]", "[-.5]",
    /* numbers */
    "-", "[-]", "[--1]", "[+0]", "[01]", "[-01]", "[00]", "[1.]", "[1.e3]", "[.e3]", "[1e]", "[1e+]", "[1E-]", "[1e1.5]", "[1.2.3]", "[1e400]", "[-1e400]",
    "[1 000]", "[1,000.5.]", "[- 1]", "[1e 3]", "[0e]", "[0.e1]", "[\357\274\221]", "[1a]", "[-a]", "[1.a]", "[012.5]",
    /* strings */
    "\"", "\"a", "[\"a]", "[\"\\\"]", "[\"\\x41\"]", "[\"\\a\"]", "[\"\\'\"]", "[\"\\v\"]", "[\"\\0\"]", "[\"\\u\"]", "[\"\\u1\"]", "[\"\\u12\"]", "[\"\\u123\"]", "[\"\\u123g\"]", "[\"\\U0041\"]",
    "[\"\\u+041\"]", "[\"\\u 041\"]", "[\"\\\n\"]", "[\"a\nb\"]", "[\"a\tb\"]", "[\"a\rb\"]", "[\"\001\"]", "[\"\037\"]", "[\\u0041]", "[\"\\", "[\"\\u", "[\"\\u00", "\\\"\"",
    /* surrogates that are no pair */
    "[\"\\ud800\"]", "[\"\\udc00\"]", "[\"\\udfff\"]", "[\"\\ud800x\"]", "[\"\\ud800\\n\"]", "[\"\\ud800\\u0041\"]", "[\"\\ud800\\ud800\"]", "[\"\\udc00\\ud800\"]", "[\"\\ud83d\\u\"]", "[\"\\ud83d\\",
    "{\"\\ud800\":1}",
    /* bytes that are no UTF-8 */
    "[\"\200\"]", "[\"\377\"]", "[\"\300\200\"]", "[\"\301\277\"]", "[\"\340\200\200\"]", "[\"\340\237\277\"]", "[\"\360\200\200\200\"]", "[\"\360\217\277\277\"]", "[\"\355\240\200\"]", "[\"\355\277\277\"]", "[\"\364\220\200\200\"]", "[\"\370\210\200\200\200\"]",
    "[\"\303\"]", "[\"\342\202\"]", "[\"\360\237\230\"]", "[\"\303", "[\"\303x\"]", "\377\376[]", "\376\377[]", "[\303\251]", "{\"\377\":1}", "\357\273\277[]", "\302\240[]", "[\342\200\250]",
    /* white space that is none */
    "\v[]", "\f[]", "[]\f", "[\v]", "\342\201\240[]",
    /* the same key twice */
    "{\"a\":1,\"a\":1}", "{\"a\":1,\"b\":2,\"a\":null}", "{\"a\":1,\"\\u0061\":2}", "{\"x\":{\"a\":[],\"a\":{}}}", "[{\"\":1,\"\":2}]",
};

START_TEST(refuses) {
  g_autoptr(GError) error = NULL;
  g_autoptr(WryJson) value = wry_json_parse(bad[_i], strlen(bad[_i]), &error);
  ck_assert_msg(!value, "accepted: %s", bad[_i]);
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_INVALID));
}
END_TEST

/* Cut anywhere, a text is no text any more; nothing behind its end is read. */
START_TEST(every_prefix_is_refused) {
  static const char text[] = "{\"a\":[1,-2.5e3,\"\\u00e9\\n\\ud83d\\ude00\",true,false,null,{\"b\":{}}]}";
  for (gsize length = 0; length < sizeof text - 1; length++) {
    char *exact = g_memdup2(text, length + (length == 0));
    g_autoptr(WryJson) value = wry_json_parse(exact, length, NULL);
    ck_assert_ptr_null(value);
    g_free(exact);
  }
}
END_TEST

START_TEST(nul_bytes_are_refused) {
  static const char text[] = "{\"a\":1}";
  for (gsize i = 0; i < sizeof text - 1; i++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *copy = g_memdup2(text, sizeof text);
    copy[i] = '\0';
    g_autoptr(WryJson) value = wry_json_parse(copy, sizeof text - 1, &error);
    ck_assert_ptr_null(value);
    ck_assert_ptr_nonnull(strstr(error->message, "NUL byte"));
  }
  g_autoptr(WryJson) behind = wry_json_parse(text, sizeof text, NULL);
  ck_assert_ptr_null(behind);
}
END_TEST

static char *nested(const char *open, const char *inner, const char *close, guint depth) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < depth; i++) g_string_append(text, open);
  g_string_append(text, inner);
  for (guint i = 0; i < depth; i++) g_string_append(text, close);
  return g_string_free(text, FALSE);
}

static const struct {
  const char *open, *inner, *close;
} nestings[] = {{"[", "", "]"}, {"{\"a\":", "1", "}"}, {"[{\"a\":", "1", "}]"}};

START_TEST(depth_is_bounded) {
  guint step = _i == 2 ? 2 : 1;
  g_autofree char *at = nested(nestings[_i].open, nestings[_i].inner, nestings[_i].close, WRY_MAX_JSON_DEPTH / step);
  g_autofree char *past = nested(nestings[_i].open, nestings[_i].inner, nestings[_i].close, WRY_MAX_JSON_DEPTH / step + 1);
  g_autofree char *far = nested(nestings[_i].open, nestings[_i].inner, nestings[_i].close, 100000);
  g_autoptr(WryJson) fits = wry_json_parse(at, strlen(at), NULL);
  g_autoptr(WryJson) deep = wry_json_parse(past, strlen(past), NULL);
  g_autoptr(WryJson) abyss = wry_json_parse(far, strlen(far), NULL);
  ck_assert_ptr_nonnull(fits);
  ck_assert_ptr_null(deep);
  ck_assert_ptr_null(abyss);
}
END_TEST

/* Depth is how deep, not how many. */
START_TEST(breadth_is_no_depth) {
  GString *text = g_string_new("[");
  for (int i = 0; i < 1000; i++) g_string_append(text, i ? ",[{}]" : "[{}]");
  g_string_append_c(text, ']');
  g_autoptr(WryJson) value = wry_json_parse(text->str, text->len, NULL);
  ck_assert_uint_eq(json_object_array_length(value), 1000);
  g_string_free(text, TRUE);
}
END_TEST

/* 4 MiB of empty objects would become 1 GB. */
static const char *const fillers[] = {"{},", "[],", "1,", "\"\",", "{\"a\":{}},"};

START_TEST(memory_is_bounded) {
  g_autoptr(GError) error = NULL;
  GString *text = g_string_new("[");
  while (text->len < WRY_MAX_CONTROL_MESSAGE) g_string_append(text, fillers[_i]);
  g_string_append(text, "1]");
  g_autoptr(WryJson) value = wry_json_parse(text->str, text->len, &error);
  if (!value) ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_TOO_LARGE));
  ck_assert(!value || _i == 2 || _i == 3 ? TRUE : FALSE);
  g_string_free(text, TRUE);
}
END_TEST

START_TEST(megabyte_string) {
  GString *text = g_string_new("{\"a\":\"");
  for (int i = 0; i < 1 << 20; i++) g_string_append_c(text, 'x');
  g_string_append(text, "\"}");
  g_autoptr(WryJson) value = wry_json_parse(text->str, text->len, NULL);
  ck_assert_uint_eq(strlen(wry_json_str(value, "a")), 1 << 20);
  g_string_free(text, TRUE);
}
END_TEST

/* json-c's keys are C strings; a key with NUL must neither become another key nor hide the rest of the text. */
START_TEST(keys_with_nul) {
  static const char text[] = "{\"name\\u0000x\":1,\"name\":\"vm\",\"name\\u0000x\":2,\"name\xef\xbf\xbdx\":3}";
  g_autoptr(WryJson) value = wry_json_parse(text, sizeof text - 1, NULL);
  ck_assert_ptr_nonnull(value);
  ck_assert_str_eq(wry_json_str(value, "name"), "vm");
  ck_assert_int_eq(json_object_object_length(value), 2);
}
END_TEST

static const struct {
  const char *text, *message;
} messages[] = {
    {"[1,\n 2,\n x]", "line 3, column 2: expected a value"},
    {"{\"a\":1,\n\"a\":2}", "line 2, column 4: duplicate key \"a\""},
    {"[1,\n\"\377\"]", "line 2, column 2: invalid UTF-8"},
    {"[1", "line 1, column 3: the text ends, expected ',' or ']'"},
    {"", "line 1, column 1: the text ends, expected a value"},
    {"{} x", "line 1, column 4: bytes behind the value"},
};

START_TEST(errors_name_the_place) {
  g_autoptr(GError) error = NULL;
  g_autoptr(WryJson) value = wry_json_parse(messages[_i].text, strlen(messages[_i].text), &error);
  ck_assert_ptr_null(value);
  ck_assert_str_eq(error->message, messages[_i].message);
}
END_TEST

static WryJson *sample(void) {
  static const char text[] = "{\"s\":\"x\",\"z\":\"a\\u0000b\",\"i\":-5,\"big\":9223372036854775808,\"huge\":1e30,\"f\":1.5,\"t\":true,\"n\":null,"
                             "\"o\":{\"a.b/c\":{\"k\":7},\"l\":[{\"x\":1},[2,3]]},\"0\":\"zero\"}";
  WryJson *value = wry_json_parse(text, sizeof text - 1, NULL);
  ck_assert_ptr_nonnull(value);
  return value;
}

START_TEST(typed_reads) {
  g_autoptr(WryJson) o = sample();
  ck_assert_str_eq(wry_json_str(o, "s"), "x");
  ck_assert_ptr_null(wry_json_str(o, "i"));
  ck_assert_ptr_null(wry_json_str(o, "n"));
  ck_assert_ptr_null(wry_json_str(o, "absent"));
  ck_assert_ptr_null(wry_json_str(o, "z"));
  ck_assert_int_eq(wry_json_int(o, "i", 9), -5);
  ck_assert_int_eq(wry_json_int(o, "big", 9), 9);
  ck_assert_int_eq(wry_json_int(o, "huge", 9), 9);
  ck_assert_int_eq(wry_json_int(o, "f", 9), 9);
  ck_assert_int_eq(wry_json_int(o, "s", 9), 9);
  ck_assert_int_eq(wry_json_int(o, "t", 9), 9);
  ck_assert_int_eq(wry_json_bool(o, "t", FALSE), TRUE);
  ck_assert_int_eq(wry_json_bool(o, "i", FALSE), FALSE);
  ck_assert_int_eq(wry_json_bool(o, "absent", TRUE), TRUE);
  ck_assert_ptr_null(wry_json_get(NULL, "s"));
  ck_assert_ptr_null(wry_json_get(wry_json_get(o, "s"), "s"));
  ck_assert_ptr_nonnull(wry_json_get(o, "o"));
}
END_TEST

static const struct {
  const char *path, *prints; /* NULL: nothing there */
} paths[] = {
    {"s", "\"x\""}, {"o.l[0].x", "1"}, {"o.l[1][1]", "3"}, {"o[l][1][0]", "2"}, {"o[a.b/c].k", "7"}, {"o[a.b/c]", "{\"k\":7}"}, {"[s]", "\"x\""}, {".s", "\"x\""}, {"0", "\"zero\""},
    {"n", NULL}, {"o.l[2]", NULL}, {"o.l[-1]", NULL}, {"o.l[00]", "{\"x\":1}"}, {"o.l[x]", NULL}, {"o.l[]", NULL}, {"o.l[99999999999999999999]", NULL}, {"o.l[0", NULL}, {"o.l.x", NULL},
    {"s.x", NULL}, {"s[0]", NULL}, {"absent.x", NULL}, {"o.", NULL}, {"o..l", NULL}, {"[", NULL}, {"o.a.b/c", NULL}, {"o.l[0]]", NULL}, {"o.l[0x0]", NULL},
};

START_TEST(follows_paths) {
  g_autoptr(WryJson) o = sample();
  WryJson *value = wry_json_path(o, paths[_i].path);
  if (!paths[_i].prints)
    ck_assert_msg(!value, "%s is there", paths[_i].path);
  else
    ck_assert_str_eq(json_object_to_json_string_ext(value, PLAIN), paths[_i].prints);
}
END_TEST

START_TEST(empty_path_is_the_object) {
  g_autoptr(WryJson) o = sample();
  ck_assert_ptr_eq(wry_json_path(o, ""), o);
  ck_assert_ptr_null(wry_json_path(NULL, "a"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("json");
  TCase *grammar = tcase_create("grammar"), *limits = tcase_create("limits"), *reads = tcase_create("reads");
  tcase_add_loop_test(grammar, accepts, 0, G_N_ELEMENTS(good));
  tcase_add_loop_test(grammar, refuses, 0, G_N_ELEMENTS(bad));
  tcase_add_test(grammar, every_prefix_is_refused);
  tcase_add_test(grammar, nul_bytes_are_refused);
  tcase_add_test(grammar, keys_with_nul);
  tcase_add_loop_test(grammar, errors_name_the_place, 0, G_N_ELEMENTS(messages));
  tcase_add_loop_test(limits, depth_is_bounded, 0, G_N_ELEMENTS(nestings));
  tcase_add_test(limits, breadth_is_no_depth);
  tcase_add_loop_test(limits, memory_is_bounded, 0, G_N_ELEMENTS(fillers));
  tcase_add_test(limits, megabyte_string);
  tcase_add_test(reads, typed_reads);
  tcase_add_loop_test(reads, follows_paths, 0, G_N_ELEMENTS(paths));
  tcase_add_test(reads, empty_path_is_the_object);
  tcase_set_timeout(limits, 60);
  suite_add_tcase(suite, grammar);
  suite_add_tcase(suite, limits);
  suite_add_tcase(suite, reads);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
