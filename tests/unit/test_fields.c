/* lib/fields*.c: a sample type with a field of every kind through decode, encode, copy, compare, free, refusal and walk. */
#include <check.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "wherry/fields.h"
#include "wherry/limits.h"

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
#define ROW(T, m, k, f, ...) {.name = #m, .kind = k, .flags = (f), .offset = offsetof(T, m), __VA_ARGS__}

#define LOCAL(var, ctype, ...) \
  static const WryField var##_rows[] = {__VA_ARGS__, {.name = NULL}}; \
  static const WryType var = {#ctype, sizeof(ctype), var##_rows}

/* --- the sample ------------------------------------------------------------------------------------------------------------------------------------------ */
typedef struct {
  char dummy; /* no rows: only its presence counts */
} Empty;

typedef struct {
  char *name;
  WryOptInt port;
  GPtrArray *tags;
} Item;

typedef struct {
  WryOptBool on;
  Empty *mark;
} Inner;

typedef struct {
  WryOptBool flag;
  WryOptInt count, small;
  char *text, *choice, *size, *time, *port;
  Inner *inner;
  Empty *empty;
  GPtrArray *items, *words, *sizes, *later_list;
  WryJson *labels, *limits, *raw, *checked, *checked_list;
  WryJson *ratio, *numbers, *shorts, *counts, *flags, *named;
  char *later_text;
  WryOptBool later_flag;
  Inner *later_object;
} Sample;

static const char *const choices[] = {"Always", "Never", NULL};

static const WryField empty_rows[] = {{.name = NULL}};
static const WryType empty_type = {"Empty", 0, empty_rows};
LOCAL(item_type, Item, ROW(Item, name, WRY_K_STR, WRY_F_REQUIRED | WRY_F_ALWAYS), ROW(Item, port, WRY_K_INT, WRY_F_INT32), ROW(Item, tags, WRY_K_STRLIST, 0));
LOCAL(inner_type, Inner, ROW(Inner, on, WRY_K_BOOL, WRY_F_ALWAYS), ROW(Inner, mark, WRY_K_OBJECT, 0, .type = &empty_type));
LOCAL(sample_type, Sample, ROW(Sample, flag, WRY_K_BOOL, 0), ROW(Sample, count, WRY_K_INT, 0), ROW(Sample, small, WRY_K_INT, WRY_F_INT32),
  ROW(Sample, text, WRY_K_STR, 0), ROW(Sample, choice, WRY_K_ENUM, 0, .values = choices), ROW(Sample, size, WRY_K_QUANTITY, 0), ROW(Sample, time, WRY_K_TIME, 0),
  ROW(Sample, port, WRY_K_INTORSTR, 0), ROW(Sample, inner, WRY_K_OBJECT, WRY_F_ALWAYS, .type = &inner_type), ROW(Sample, empty, WRY_K_OBJECT, 0, .type = &empty_type),
  ROW(Sample, items, WRY_K_LIST, 0, .type = &item_type, .max_items = 3), ROW(Sample, words, WRY_K_STRLIST, 0), ROW(Sample, sizes, WRY_K_STRLIST, WRY_F_INLINE_QTY),
  ROW(Sample, later_list, WRY_K_LIST, WRY_F_UNSUPPORTED, .type = &item_type), ROW(Sample, labels, WRY_K_MAP, 0), ROW(Sample, limits, WRY_K_QMAP, 0),
  ROW(Sample, raw, WRY_K_RAW, 0), ROW(Sample, checked, WRY_K_RAW, 0, .type = &item_type), ROW(Sample, checked_list, WRY_K_RAW, WRY_F_RAW_LIST, .type = &item_type),
  ROW(Sample, ratio, WRY_K_NUMBER, 0), ROW(Sample, numbers, WRY_K_INTLIST, 0), ROW(Sample, shorts, WRY_K_INTLIST, WRY_F_INT32), ROW(Sample, counts, WRY_K_INTMAP, 0),
  ROW(Sample, flags, WRY_K_BOOLMAP, 0), ROW(Sample, named, WRY_K_OBJMAP, 0, .type = &item_type),
  ROW(Sample, later_text, WRY_K_STR, WRY_F_UNSUPPORTED), ROW(Sample, later_flag, WRY_K_BOOL, WRY_F_UNSUPPORTED),
  ROW(Sample, later_object, WRY_K_OBJECT, WRY_F_UNSUPPORTED, .type = &inner_type));

static const char full[] =
    "{\"flag\":false,\"count\":-5,\"small\":2147483647,\"text\":\"\",\"choice\":\"Never\",\"size\":\"2Gi\",\"time\":\"2024-02-29T12:00:00Z\",\"port\":8080,"
    "\"inner\":{\"on\":true,\"mark\":{}},\"empty\":{},\"items\":[{\"name\":\"a\",\"port\":1,\"tags\":[\"x\",\"y\"]},{\"name\":\"b\"}],\"words\":[\"one\",\"\"],\"sizes\":[\"1\",\"2Mi\"],"
    "\"later_list\":[{\"name\":\"c\"}],\"labels\":{\"k.io/a\":\"v\",\"b\":\"\"},\"limits\":{\"cpu\":\"1\",\"memory\":\"2Gi\"},\"raw\":{\"any\":[1,null,{\"x\":1.50}]},\"checked\":{\"name\":\"d\"},"
    "\"checked_list\":[{\"name\":\"e\"}],\"ratio\":0.5,\"numbers\":[1,-2],\"shorts\":[],\"counts\":{\"a\":1},\"flags\":{\"a\":true},\"named\":{\"k.io/a\":{\"name\":\"f\"}},\"later_text\":\"t\",\"later_flag\":false,\"later_object\":{\"on\":false}}";

static WryJson *json(const char *text) {
  g_autoptr(GError) error = NULL;
  WryJson *value = wry_json_parse(text, strlen(text), &error);
  ck_assert_msg(value != NULL, "%s: %s", text, error ? error->message : "");
  return value;
}

static Sample *decode(const char *text, WryCauses *causes) {
  g_autoptr(WryJson) value = json(text);
  return wry_decode(&sample_type, value, "spec", causes);
}

static Sample *decode_clean(const char *text) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  Sample *s = decode(text, causes);
  g_autofree char *problems = wry_causes_text(causes);
  ck_assert_str_eq(problems, "");
  return s;
}

/* --- decode and encode -------------------------------------------------------------------------------------------------------------------------------------- */
START_TEST(reads_every_kind) {
  Sample *s = decode_clean(full);
  ck_assert(s->flag.set && !s->flag.v && s->later_flag.set);
  ck_assert_int_eq(s->count.v, -5);
  ck_assert_int_eq(s->small.v, G_MAXINT32);
  ck_assert_str_eq(s->text, "");
  ck_assert_str_eq(s->choice, "Never");
  ck_assert_str_eq(s->size, "2Gi");
  ck_assert_str_eq(s->port, "8080");
  ck_assert(s->inner->on.v && s->inner->mark && s->empty);
  ck_assert_uint_eq(s->items->len, 2);
  const Item *a = g_ptr_array_index(s->items, 0);
  ck_assert_str_eq(a->name, "a");
  ck_assert_str_eq(g_ptr_array_index(a->tags, 1), "y");
  ck_assert_str_eq(g_ptr_array_index(s->words, 0), "one");
  ck_assert_str_eq(g_ptr_array_index(s->sizes, 1), "2Mi");
  ck_assert_str_eq(wry_json_str(s->labels, "k.io/a"), "v");
  ck_assert_str_eq(wry_json_str(s->limits, "cpu"), "1");
  ck_assert_ptr_nonnull(wry_json_get(s->raw, "any"));
  wry_struct_free(&sample_type, s);
}
END_TEST

START_TEST(writes_what_it_read) {
  Sample *s = decode_clean(full);
  g_autoptr(WryJson) again = wry_encode(&sample_type, s);
  ck_assert_str_eq(json_object_to_json_string_ext(again, PLAIN), full);
  wry_struct_free(&sample_type, s);
}
END_TEST

/* Order of the rows, not of the text; always-written fields of an absent object. */
static const struct {
  const char *in, *out;
} round_trips[] = {
    {"{}", "{\"inner\":{\"on\":false}}"},
    {"{\"inner\":null,\"text\":null,\"items\":null,\"raw\":null,\"count\":null}", "{\"inner\":{\"on\":false}}"},
    {"{\"inner\":{},\"count\":1,\"flag\":true}", "{\"flag\":true,\"count\":1,\"inner\":{\"on\":false}}"},
    {"{\"port\":\"http\"}", "{\"port\":\"http\",\"inner\":{\"on\":false}}"},
    {"{\"port\":\"0080\"}", "{\"port\":\"0080\",\"inner\":{\"on\":false}}"},
    {"{\"port\":-1}", "{\"port\":-1,\"inner\":{\"on\":false}}"},
    {"{\"size\":1}", "{\"size\":\"1\",\"inner\":{\"on\":false}}"},
    {"{\"size\":1.50}", "{\"size\":\"1.50\",\"inner\":{\"on\":false}}"},
    {"{\"size\":\" 1Gi \"}", "{\"size\":\"1Gi\",\"inner\":{\"on\":false}}"},
    {"{\"size\":18446744073709551615}", "{\"size\":\"18446744073709551615\",\"inner\":{\"on\":false}}"},
    {"{\"sizes\":[1,\"1Mi\",0.5]}", "{\"inner\":{\"on\":false},\"sizes\":[\"1\",\"1Mi\",\"0.5\"]}"},
    {"{\"items\":[],\"words\":[],\"labels\":{},\"limits\":{}}", "{\"inner\":{\"on\":false},\"items\":[],\"words\":[],\"labels\":{},\"limits\":{}}"},
    {"{\"limits\":{\"cpu\":1,\"memory\":null}}", "{\"inner\":{\"on\":false},\"limits\":{\"cpu\":\"1\"}}"},
    {"{\"labels\":{\"a\":null}}", "{\"inner\":{\"on\":false},\"labels\":{}}"},
    {"{\"raw\":5}", "{\"inner\":{\"on\":false},\"raw\":5}"},
    {"{\"count\":-9223372036854775808}", "{\"count\":-9223372036854775808,\"inner\":{\"on\":false}}"},
    {"{\"time\":\"2024-01-01T00:00:00.123+02:00\"}", "{\"time\":\"2024-01-01T00:00:00.123+02:00\",\"inner\":{\"on\":false}}"},
};

START_TEST(round_trip) {
  Sample *s = decode_clean(round_trips[_i].in);
  g_autoptr(WryJson) out = wry_encode(&sample_type, s);
  ck_assert_str_eq(json_object_to_json_string_ext(out, PLAIN), round_trips[_i].out);
  wry_struct_free(&sample_type, s);
}
END_TEST

/* --- what is refused ------------------------------------------------------------------------------------------------------------------------------------------- */
static const struct {
  const char *text, *reason, *field, *message;
} refusals[] = {
    {"{\"flag\":\"true\"}", WRY_CAUSE_INVALID, "spec.flag", "must be true or false"},
    {"{\"flag\":1}", WRY_CAUSE_INVALID, "spec.flag", "must be true or false"},
    {"{\"flag\":{}}", WRY_CAUSE_INVALID, "spec.flag", "must be true or false"},
    {"{\"count\":\"1\"}", WRY_CAUSE_INVALID, "spec.count", "must be an integer"},
    {"{\"count\":1.5}", WRY_CAUSE_INVALID, "spec.count", "must be an integer"},
    {"{\"count\":1.0}", WRY_CAUSE_INVALID, "spec.count", "must be an integer"},
    {"{\"count\":1e3}", WRY_CAUSE_INVALID, "spec.count", "must be an integer"},
    {"{\"count\":true}", WRY_CAUSE_INVALID, "spec.count", "must be an integer"},
    {"{\"count\":[1]}", WRY_CAUSE_INVALID, "spec.count", "must be an integer"},
    {"{\"count\":9223372036854775808}", WRY_CAUSE_INVALID, "spec.count", "must be an integer"},
    {"{\"count\":18446744073709551616}", WRY_CAUSE_INVALID, "spec.count", "must be an integer"},
    {"{\"count\":-9223372036854775809}", WRY_CAUSE_INVALID, "spec.count", "must be an integer"},
    {"{\"small\":2147483648}", WRY_CAUSE_INVALID, "spec.small", "must be an integer of 32 bits"},
    {"{\"small\":-2147483649}", WRY_CAUSE_INVALID, "spec.small", "must be an integer of 32 bits"},
    {"{\"text\":1}", WRY_CAUSE_INVALID, "spec.text", "must be a string"},
    {"{\"text\":[\"a\"]}", WRY_CAUSE_INVALID, "spec.text", "must be a string"},
    {"{\"text\":\"a\\u0000b\"}", WRY_CAUSE_INVALID, "spec.text", "must not contain NUL"},
    {"{\"text\":\"\\u0000\"}", WRY_CAUSE_INVALID, "spec.text", "must not contain NUL"},
    {"{\"choice\":\"always\"}", WRY_CAUSE_NOT_SUPPORTED, "spec.choice", "must be one of \"Always\", \"Never\""},
    {"{\"choice\":\"\"}", WRY_CAUSE_NOT_SUPPORTED, "spec.choice", "must be one of \"Always\", \"Never\""},
    {"{\"choice\":1}", WRY_CAUSE_INVALID, "spec.choice", "must be a string"},
    {"{\"choice\":\"Never\\u0000\"}", WRY_CAUSE_INVALID, "spec.choice", "must not contain NUL"},
    {"{\"size\":\"1Kii\"}", WRY_CAUSE_INVALID, "spec.size", "must be a quantity like 1, 500m or 2Gi"},
    {"{\"size\":\"\"}", WRY_CAUSE_INVALID, "spec.size", "must be a quantity like 1, 500m or 2Gi"},
    {"{\"size\":true}", WRY_CAUSE_INVALID, "spec.size", "must be a quantity like 1, 500m or 2Gi"},
    {"{\"size\":{}}", WRY_CAUSE_INVALID, "spec.size", "must be a quantity like 1, 500m or 2Gi"},
    {"{\"size\":\"1\\u0000Gi\"}", WRY_CAUSE_INVALID, "spec.size", "must not contain NUL"},
    {"{\"time\":\"yesterday\"}", WRY_CAUSE_INVALID, "spec.time", "must be a time like 2006-01-02T15:04:05Z"},
    {"{\"time\":\"2024-02-30T12:00:00Z\"}", WRY_CAUSE_INVALID, "spec.time", "must be a time like 2006-01-02T15:04:05Z"},
    {"{\"time\":\"2024-02-03\"}", WRY_CAUSE_INVALID, "spec.time", "must be a time like 2006-01-02T15:04:05Z"},
    {"{\"time\":\"2024-02-03T12:00:00\"}", WRY_CAUSE_INVALID, "spec.time", "must be a time like 2006-01-02T15:04:05Z"},
    {"{\"time\":\"20240203T120000.0000Z\"}", WRY_CAUSE_INVALID, "spec.time", "must be a time like 2006-01-02T15:04:05Z"},
    {"{\"time\":1700000000}", WRY_CAUSE_INVALID, "spec.time", "must be a string"},
    {"{\"port\":1.5}", WRY_CAUSE_INVALID, "spec.port", "must be a string or an integer of 32 bits"},
    {"{\"port\":4294967296}", WRY_CAUSE_INVALID, "spec.port", "must be a string or an integer of 32 bits"},
    {"{\"port\":true}", WRY_CAUSE_INVALID, "spec.port", "must be a string or an integer of 32 bits"},
    {"{\"inner\":[]}", WRY_CAUSE_INVALID, "spec.inner", "must be an object"},
    {"{\"inner\":\"x\"}", WRY_CAUSE_INVALID, "spec.inner", "must be an object"},
    {"{\"inner\":{\"on\":0}}", WRY_CAUSE_INVALID, "spec.inner.on", "must be true or false"},
    {"{\"empty\":true}", WRY_CAUSE_INVALID, "spec.empty", "must be an object"},
    {"{\"empty\":{\"x\":1}}", WRY_CAUSE_FORBIDDEN, "spec.empty.x", "unknown field \"spec.empty.x\""},
    {"{\"items\":{}}", WRY_CAUSE_INVALID, "spec.items", "must be a list"},
    {"{\"items\":[{\"name\":\"a\"},5]}", WRY_CAUSE_INVALID, "spec.items[1]", "must be an object"},
    {"{\"items\":[null]}", WRY_CAUSE_INVALID, "spec.items[0]", "must be an object"},
    {"{\"items\":[{}]}", WRY_CAUSE_REQUIRED, "spec.items[0].name", "must be set"},
    {"{\"items\":[{\"name\":null}]}", WRY_CAUSE_REQUIRED, "spec.items[0].name", "must be set"},
    {"{\"items\":[{\"name\":\"a\",\"tags\":[\"x\",1]}]}", WRY_CAUSE_INVALID, "spec.items[0].tags[1]", "must be a string"},
    {"{\"items\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"},{\"nonsense\":1}]}", WRY_CAUSE_INVALID, "spec.items", "must have at most 3 items"},
    {"{\"words\":\"a\"}", WRY_CAUSE_INVALID, "spec.words", "must be a list"},
    {"{\"words\":[null]}", WRY_CAUSE_INVALID, "spec.words[0]", "must be a string"},
    {"{\"sizes\":[\"x\"]}", WRY_CAUSE_INVALID, "spec.sizes[0]", "must be a quantity like 1, 500m or 2Gi"},
    {"{\"labels\":[]}", WRY_CAUSE_INVALID, "spec.labels", "must be an object"},
    {"{\"labels\":{\"a\":1}}", WRY_CAUSE_INVALID, "spec.labels.a", "must be a string"},
    {"{\"labels\":{\"k.io/a\":{}}}", WRY_CAUSE_INVALID, "spec.labels[k.io/a]", "must be a string"},
    {"{\"limits\":{\"cpu\":\"lots\"}}", WRY_CAUSE_INVALID, "spec.limits.cpu", "must be a quantity like 1, 500m or 2Gi"},
    {"{\"checked\":[]}", WRY_CAUSE_INVALID, "spec.checked", "must be an object"},
    {"{\"checked\":{\"name\":\"a\",\"x\":1}}", WRY_CAUSE_FORBIDDEN, "spec.checked.x", "unknown field \"spec.checked.x\""},
    {"{\"checked_list\":{}}", WRY_CAUSE_INVALID, "spec.checked_list", "must be a list"},
    {"{\"checked_list\":[{\"name\":\"a\"},{}]}", WRY_CAUSE_REQUIRED, "spec.checked_list[1].name", "must be set"},
    {"{\"ratio\":\"1\"}", WRY_CAUSE_INVALID, "spec.ratio", "must be a number"},
    {"{\"numbers\":{}}", WRY_CAUSE_INVALID, "spec.numbers", "must be a list"},
    {"{\"numbers\":[1,\"2\"]}", WRY_CAUSE_INVALID, "spec.numbers[1]", "must be an integer"},
    {"{\"numbers\":[null]}", WRY_CAUSE_INVALID, "spec.numbers[0]", "must be an integer"},
    {"{\"shorts\":[2147483648]}", WRY_CAUSE_INVALID, "spec.shorts[0]", "must be an integer of 32 bits"},
    {"{\"counts\":[]}", WRY_CAUSE_INVALID, "spec.counts", "must be an object"},
    {"{\"counts\":{\"a\":1.5}}", WRY_CAUSE_INVALID, "spec.counts.a", "must be an integer"},
    {"{\"flags\":{\"a\":1}}", WRY_CAUSE_INVALID, "spec.flags.a", "must be true or false"},
    {"{\"named\":{\"k.io/a\":[]}}", WRY_CAUSE_INVALID, "spec.named[k.io/a]", "must be an object"},
    {"{\"named\":{\"a\":{}}}", WRY_CAUSE_REQUIRED, "spec.named.a.name", "must be set"},
    {"{\"unknown\":1}", WRY_CAUSE_FORBIDDEN, "spec.unknown", "unknown field \"spec.unknown\""},
    {"{\"unknown\":null}", WRY_CAUSE_FORBIDDEN, "spec.unknown", "unknown field \"spec.unknown\""},
    {"{\"Flag\":true}", WRY_CAUSE_FORBIDDEN, "spec.Flag", "unknown field \"spec.Flag\""},
    {"{\"flag \":true}", WRY_CAUSE_FORBIDDEN, "spec.flag ", "unknown field \"spec.flag \""},
    {"{\"a.b\":true}", WRY_CAUSE_FORBIDDEN, "spec[a.b]", "unknown field \"spec[a.b]\""},
    {"{\"\":true}", WRY_CAUSE_FORBIDDEN, "spec[]", "unknown field \"spec[]\""},
    {"{\"flag\\u0000x\":true}", WRY_CAUSE_FORBIDDEN, "spec.flag\357\277\275x", "unknown field \"spec.flag\357\277\275x\""},
    {"{\"inner\":{\"mark\":{\"deep\":[]}}}", WRY_CAUSE_FORBIDDEN, "spec.inner.mark.deep", "unknown field \"spec.inner.mark.deep\""},
};

START_TEST(refuses) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  Sample *s = decode(refusals[_i].text, causes);
  ck_assert_ptr_nonnull(s);
  ck_assert_uint_eq(wry_causes_count(causes), 1);
  const WryCause *cause = wry_causes_get(causes, 0);
  ck_assert_str_eq(cause->reason, refusals[_i].reason);
  ck_assert_str_eq(cause->field, refusals[_i].field);
  ck_assert_str_eq(cause->message, refusals[_i].message);
  wry_struct_free(&sample_type, s);
}
END_TEST

/* A cause's field is a path that resolves in the object, where there is something. */
START_TEST(paths_resolve) {
  g_autoptr(WryJson) value = json(refusals[_i].text);
  g_autoptr(WryJson) object = json_object_new_object();
  json_object_object_add(object, "spec", json_object_get(value));
  if (!strcmp(refusals[_i].reason, WRY_CAUSE_REQUIRED) || strstr(refusals[_i].text, "null")) return;
  ck_assert_msg(wry_json_path(object, refusals[_i].field) != NULL, "%s", refusals[_i].field);
}
END_TEST

START_TEST(reports_everything_and_keeps_the_rest) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  Sample *s = decode("{\"flag\":1,\"count\":7,\"items\":[{\"name\":\"a\"},3,{\"name\":\"c\",\"port\":\"x\"}],\"labels\":{\"a\":1,\"b\":\"c\"},\"zzz\":1}", causes);
  g_autofree char *text = wry_causes_text(causes);
  ck_assert_str_eq(text, "spec.flag: must be true or false, spec.items[1]: must be an object, spec.items[2].port: must be an integer, spec.labels.a: must be a string, "
                         "unknown field \"spec.zzz\"");
  ck_assert(!s->flag.set);
  ck_assert_int_eq(s->count.v, 7);
  ck_assert_uint_eq(s->items->len, 3);
  ck_assert_str_eq(((Item *)g_ptr_array_index(s->items, 2))->name, "c");
  ck_assert_ptr_null(((Item *)g_ptr_array_index(s->items, 1))->name);
  ck_assert_str_eq(wry_json_str(s->labels, "b"), "c");
  wry_struct_free(&sample_type, s);
}
END_TEST

static const char *const no_objects[] = {"[]", "5", "\"x\"", "true"};

START_TEST(only_objects_decode) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_autoptr(WryJson) value = json(no_objects[_i]);
  ck_assert_ptr_null(wry_decode(&sample_type, value, "spec.x", causes));
  ck_assert_ptr_null(wry_decode(&sample_type, NULL, "", causes));
  ck_assert_uint_eq(wry_causes_count(causes), 2);
  ck_assert_str_eq(wry_causes_get(causes, 0)->field, "spec.x");
}
END_TEST

static const struct {
  const char *given, *field;
} prefixes[] = {{"", "count"}, {"spec", "spec.count"}, {"spec.", "spec.count"}, {"spec.list[3]", "spec.list[3].count"}};

START_TEST(path_prefixes) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_autoptr(WryJson) value = json("{\"count\":\"x\",\"later_text\":\"t\"}");
  gpointer s = wry_decode(&sample_type, value, prefixes[_i].given, causes);
  ck_assert_str_eq(wry_causes_get(causes, 0)->field, prefixes[_i].field);
  wry_refuse_unsupported(&sample_type, s, WRY_F_UNSUPPORTED | WRY_F_BY_CLUSTER, prefixes[_i].given, causes);
  ck_assert(g_str_has_suffix(wry_causes_get(causes, 1)->field, "later_text"));
  wry_struct_free(&sample_type, s);
}
END_TEST

START_TEST(causes_are_bounded) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_autoptr(GString) text = g_string_new("{\"words\":[0");
  for (int i = 0; i < 100000; i++) g_string_append(text, ",0");
  g_string_append(text, "]}");
  Sample *s = decode(text->str, causes);
  ck_assert_uint_eq(wry_causes_count(causes), WRY_MAX_CAUSES);
  wry_struct_free(&sample_type, s);
}
END_TEST

/* --- life --------------------------------------------------------------------------------------------------------------------------------------------------------- */
START_TEST(copies_are_deep) {
  Sample *s = decode_clean(full);
  Sample *copy = wry_struct_copy(&sample_type, s);
  ck_assert(wry_struct_equal(&sample_type, s, copy));
  json_object_object_add(s->raw, "more", json_object_new_int(1));
  json_object_object_add(s->labels, "b", json_object_new_string("changed"));
  ((Item *)g_ptr_array_index(s->items, 0))->name[0] = 'z';
  wry_struct_free(&sample_type, s);
  g_autoptr(WryJson) out = wry_encode(&sample_type, copy);
  ck_assert_str_eq(json_object_to_json_string_ext(out, PLAIN), full);
  wry_struct_free(&sample_type, copy);
}
END_TEST

/* Changing any one member makes a difference, in both directions. */
static const char *const changes[] = {
    "{\"flag\":true}", "{\"count\":1}", "{\"small\":1}", "{\"text\":\"x\"}", "{\"choice\":\"Always\"}", "{\"size\":\"1\"}", "{\"time\":\"2024-02-29T12:00:00Z\"}", "{\"port\":1}", "{\"inner\":{}}",
    "{\"inner\":{\"on\":false}}", "{\"inner\":{\"mark\":{}}}", "{\"empty\":{}}", "{\"items\":[]}", "{\"items\":[{\"name\":\"a\"}]}", "{\"items\":[{\"name\":\"a\",\"tags\":[]}]}", "{\"words\":[]}",
    "{\"words\":[\"a\"]}", "{\"words\":[\"b\"]}", "{\"words\":[\"a\",\"a\"]}", "{\"labels\":{}}", "{\"labels\":{\"a\":\"b\"}}", "{\"limits\":{\"a\":\"1\"}}", "{\"raw\":0}", "{\"raw\":false}",
};

START_TEST(differences_are_seen) {
  Sample *s = decode_clean(changes[_i]);
  for (gsize j = 0; j < G_N_ELEMENTS(changes); j++) {
    Sample *other = decode_clean(changes[j]);
    ck_assert_int_eq(wry_struct_equal(&sample_type, s, other), (int)j == _i);
    wry_struct_free(&sample_type, other);
  }
  Sample *blank = wry_struct_new(&sample_type);
  ck_assert(!wry_struct_equal(&sample_type, s, blank) && !wry_struct_equal(&sample_type, blank, s));
  wry_struct_free(&sample_type, blank);
  wry_struct_free(&sample_type, s);
}
END_TEST

/* An unset member's stale value does not count. */
START_TEST(unset_is_unset) {
  Sample a = {.flag = {FALSE, TRUE}, .count = {FALSE, 3}}, b = {.flag = {FALSE, FALSE}};
  ck_assert(wry_struct_equal(&sample_type, &a, &b));
  g_autoptr(WryJson) out = wry_encode(&sample_type, &a);
  ck_assert_str_eq(json_object_to_json_string_ext(out, PLAIN), "{\"inner\":{\"on\":false}}");
}
END_TEST

START_TEST(null_is_handled) {
  ck_assert_ptr_null(wry_struct_copy(&sample_type, NULL));
  ck_assert(wry_struct_equal(&sample_type, NULL, NULL));
  gpointer blank = wry_struct_new(&sample_type);
  ck_assert(!wry_struct_equal(&sample_type, NULL, blank));
  wry_struct_free(&sample_type, blank);
  wry_struct_free(&sample_type, NULL);
  g_autoptr(WryCauses) causes = wry_causes_new();
  wry_refuse_unsupported(&sample_type, NULL, WRY_F_UNSUPPORTED | WRY_F_BY_CLUSTER, "spec", causes);
  ck_assert_uint_eq(wry_causes_count(causes), 0);
}
END_TEST

/* A caller may have given a list a free function of its own; nothing is freed twice. */
START_TEST(lists_of_callers) {
  Sample *s = wry_struct_new(&sample_type);
  s->words = g_ptr_array_new_with_free_func(g_free);
  g_ptr_array_add(s->words, g_strdup("x"));
  s->items = g_ptr_array_new();
  g_ptr_array_add(s->items, wry_struct_new(&item_type));
  g_autoptr(WryJson) out = wry_encode(&sample_type, s);
  ck_assert_str_eq(json_object_to_json_string_ext(out, PLAIN), "{\"inner\":{\"on\":false},\"items\":[{\"name\":\"\"}],\"words\":[\"x\"]}");
  wry_struct_free(&sample_type, s);
}
END_TEST

/* --- refusal of what is not supported yet, walk ---------------------------------------------------------------------------------------------------------------------- */
static const struct {
  const char *text, *fields;
} unsupported[] = {
    {"{}", ""},
    {"{\"count\":1}", ""},
    {"{\"later_text\":\"x\"}", "spec.later_text"},
    {"{\"later_text\":\"\"}", ""},
    {"{\"later_flag\":false}", "spec.later_flag"},
    {"{\"later_list\":[]}", ""},
    {"{\"later_list\":[{\"name\":\"a\"}],\"later_object\":{}}", "spec.later_list spec.later_object"},
};

START_TEST(refuses_unsupported) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_autoptr(GString) fields = g_string_new(NULL);
  Sample *s = decode_clean(unsupported[_i].text);
  wry_refuse_unsupported(&sample_type, s, WRY_F_UNSUPPORTED | WRY_F_BY_CLUSTER, "spec", causes);
  for (guint i = 0; i < wry_causes_count(causes); i++) {
    const WryCause *cause = wry_causes_get(causes, i);
    ck_assert_str_eq(cause->reason, WRY_CAUSE_NOT_SUPPORTED);
    ck_assert_str_eq(cause->message, "not supported by this version");
    g_string_append_printf(fields, "%s%s", i ? " " : "", cause->field);
  }
  ck_assert_str_eq(fields->str, unsupported[_i].fields);
  wry_struct_free(&sample_type, s);
}
END_TEST

typedef struct Outer {
  GPtrArray *list;
  struct Outer *self;
} Outer;

static const WryType outer_type;
LOCAL(deep_item_type, Sample, ROW(Sample, later_text, WRY_K_STR, WRY_F_UNSUPPORTED));
static const WryField outer_rows[] = {ROW(Outer, list, WRY_K_LIST, 0, .type = &deep_item_type), ROW(Outer, self, WRY_K_OBJECT, 0, .type = &outer_type), {.name = NULL}};
static const WryType outer_type = {"Outer", sizeof(Outer), outer_rows};

START_TEST(refuses_unsupported_deep) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_autoptr(WryJson) value = json("{\"self\":{\"list\":[{},{\"later_text\":\"x\"}]}}");
  gpointer s = wry_decode(&outer_type, value, "", causes);
  wry_refuse_unsupported(&outer_type, s, WRY_F_UNSUPPORTED | WRY_F_BY_CLUSTER, "", causes);
  ck_assert_uint_eq(wry_causes_count(causes), 1);
  ck_assert_str_eq(wry_causes_get(causes, 0)->field, "self.list[1].later_text");
  wry_struct_free(&outer_type, s);
}
END_TEST

static void collect(const char *path, const WryField *field, gpointer data) {
  ck_assert(g_str_has_suffix(path, field->name));
  g_string_append_printf(data, "%s\n", path);
}

START_TEST(walks_every_row) {
  g_autoptr(GString) seen = g_string_new(NULL);
  wry_fields_walk(&sample_type, "spec", collect, seen);
  g_auto(GStrv) paths = g_strsplit(seen->str, "\n", -1);
  static const char *const wanted[] = {"spec.flag", "spec.inner", "spec.inner.on", "spec.inner.mark", "spec.items", "spec.items[].name", "spec.items[].tags", "spec.checked.name", "spec.checked_list[].name",
                                       "spec.later_object.on"};
  for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++) ck_assert_msg(g_strv_contains((const char *const *)paths, wanted[i]), "%s", wanted[i]);
  ck_assert_uint_eq(g_strv_length(paths) - 1, 28 + 2 + 3 + 3 + 3 + 3 + 3 + 2);
}
END_TEST

static void count(const char *path, const WryField *field, gpointer data) {
  (void)path, (void)field;
  ++*(guint *)data;
}

START_TEST(walk_of_a_type_in_itself_ends) {
  guint rows = 0;
  wry_fields_walk(&outer_type, "", count, &rows);
  ck_assert_uint_eq(rows, 3 * WRY_MAX_JSON_DEPTH - 1);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fields");
  TCase *tcase = tcase_create("fields");
  tcase_add_test(tcase, reads_every_kind);
  tcase_add_test(tcase, writes_what_it_read);
  tcase_add_loop_test(tcase, round_trip, 0, G_N_ELEMENTS(round_trips));
  tcase_add_loop_test(tcase, refuses, 0, G_N_ELEMENTS(refusals));
  tcase_add_loop_test(tcase, paths_resolve, 0, G_N_ELEMENTS(refusals));
  tcase_add_test(tcase, reports_everything_and_keeps_the_rest);
  tcase_add_loop_test(tcase, only_objects_decode, 0, G_N_ELEMENTS(no_objects));
  tcase_add_loop_test(tcase, path_prefixes, 0, G_N_ELEMENTS(prefixes));
  tcase_add_test(tcase, causes_are_bounded);
  tcase_add_test(tcase, copies_are_deep);
  tcase_add_loop_test(tcase, differences_are_seen, 0, G_N_ELEMENTS(changes));
  tcase_add_test(tcase, unset_is_unset);
  tcase_add_test(tcase, null_is_handled);
  tcase_add_test(tcase, lists_of_callers);
  tcase_add_loop_test(tcase, refuses_unsupported, 0, G_N_ELEMENTS(unsupported));
  tcase_add_test(tcase, refuses_unsupported_deep);
  tcase_add_test(tcase, walks_every_row);
  tcase_add_test(tcase, walk_of_a_type_in_itself_ends);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
