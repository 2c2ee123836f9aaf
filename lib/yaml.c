/* Reading and writing YAML with libyaml.
 *
 * Reading: libyaml's events become json-c objects by recursive descent. The budget (json_internal.h) bounds depth and the memory of the result, so an alias
 * costs what its anchor costs and a bomb of aliases ends early. An alias is a deep copy: nothing is shared. Stricter than Kubernetes in three points, where
 * it would guess: unknown tags are refused, a key that a merge also sets must stand behind the merge, and NUL in a key is refused.
 *
 * Writing: libyaml's emitter with go-yaml's choice of style (plain, else double quoted, literal for text of several lines), so `get -o yaml` looks like
 * kubectl's.
 *
 * Relies on the text being valid UTF-8 and on yaml_scalar.c for what plain scalars mean. */
#include <string.h>
#include <yaml.h>

#include "wherry/error.h"
#include "wherry/limits.h"
#include "yaml_internal.h"

#define CORE_TAG "tag:yaml.org,2002:"

/* --- reading: state, errors ------------------------------------------------------------------------------------------------------------------------------ */
typedef struct {
  WryJson *value;
  gsize cost;
} Anchor;

typedef struct {
  yaml_parser_t parser;
  const char *text;
  WryBudget budget;
  WryLines *lines; /* of the document at hand */
  GString *path;
  GHashTable *anchors; /* name -> Anchor, of the document at hand */
} Reader;

static void anchor_free(gpointer data) {
  Anchor *anchor = data;
  wry_json_put(anchor->value);
  g_free(anchor);
}

G_GNUC_PRINTF(3, 4) static gboolean fail(const yaml_event_t *event, GError **error, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *what = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "line %zu, column %zu: %s", event->start_mark.line + 1, event->start_mark.column + 1, what);
  return FALSE;
}

static gboolean fail_parser(const Reader *r, GError **error) {
  const yaml_parser_t *p = &r->parser;
  guint line = (guint)p->problem_mark.line + 1;
  gsize column = p->problem_mark.column + 1;
  if (p->error == YAML_READER_ERROR) wry_json_locate(r->text, p->problem_offset, &line, &column);
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "line %u, column %zu: %s", line, column, p->problem ? p->problem : "no memory");
  return FALSE;
}

static gboolean next_event(Reader *r, yaml_event_t *event, GError **error) {
  if (yaml_parser_parse(&r->parser, event)) return TRUE;
  memset(event, 0, sizeof *event);
  return fail_parser(r, error);
}

static gboolean spend(Reader *r, const yaml_event_t *event, gsize cost, GError **error) {
  if (wry_budget_take(&r->budget, cost)) return TRUE;
  fail(event, error, "too many values, aliases expanded");
  if (error && *error) (*error)->code = WRY_ERROR_TOO_LARGE;
  return FALSE;
}

static gboolean enter(Reader *r, const yaml_event_t *event, GError **error) {
  return wry_budget_enter(&r->budget) || fail(event, error, "nested deeper than %u", WRY_MAX_JSON_DEPTH);
}

static void note_line(Reader *r, const yaml_event_t *event) {
  wry_lines_add(r->lines, r->path->str, (guint)event->start_mark.line + 1);
}

/* --- reading: scalars -------------------------------------------------------------------------------------------------------------------------------------- */
/* What an explicit tag demands; NULL text: no tag, resolve plain scalars. */
static const struct {
  const char *tag;
  gboolean text;                        /* a string whatever it looks like */
  WryYamlSort first, last;              /* else the sorts that fit */
} scalar_tags[] = {
    {"!", TRUE, 0, 0},
    {CORE_TAG "str", TRUE, 0, 0},
    {CORE_TAG "timestamp", TRUE, 0, 0},
    {CORE_TAG "null", FALSE, WRY_YAML_NULL, WRY_YAML_NULL},
    {CORE_TAG "bool", FALSE, WRY_YAML_FALSE, WRY_YAML_TRUE},
    {CORE_TAG "int", FALSE, WRY_YAML_INT, WRY_YAML_INT},
    {CORE_TAG "float", FALSE, WRY_YAML_INT, WRY_YAML_FLOAT},
    {CORE_TAG "merge", FALSE, WRY_YAML_MERGE, WRY_YAML_MERGE},
};

static gboolean resolve_tagged(const yaml_event_t *event, const char *tag, WryYamlScalar *ret_scalar, GError **error) {
  const char *text = (const char *)event->data.scalar.value;
  for (gsize i = 0; i < G_N_ELEMENTS(scalar_tags); i++) {
    if (strcmp(tag, scalar_tags[i].tag)) continue;
    if (scalar_tags[i].text) return TRUE;
    *ret_scalar = wry_yaml_resolve(text);
    if (ret_scalar->sort >= scalar_tags[i].first && ret_scalar->sort <= scalar_tags[i].last) return TRUE;
    return fail(event, error, "the value is no %s", tag + strlen(CORE_TAG));
  }
  return fail(event, error, "tag %s is not supported", tag);
}

static gboolean resolve(const yaml_event_t *event, WryYamlScalar *ret_scalar, GError **error) {
  const char *tag = (const char *)event->data.scalar.tag;
  *ret_scalar = (WryYamlScalar){.sort = WRY_YAML_STR};
  if (tag) return resolve_tagged(event, tag, ret_scalar, error);
  if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) *ret_scalar = wry_yaml_resolve((const char *)event->data.scalar.value);
  return TRUE;
}

static gboolean number_value(const yaml_event_t *event, const WryYamlScalar *scalar, WryJson **ret_value, GError **error) {
  if (scalar->sort == WRY_YAML_INFINITE) return fail(event, error, "JSON has neither NaN nor infinity");
  g_autofree char *text = wry_yaml_number(scalar);
  *ret_value = wry_json_number(text);
  return *ret_value || fail(event, error, "number out of range");
}

/* Base64 whose content must be text: JSON has no bytes. */
static gboolean binary_value(const yaml_event_t *event, WryJson **ret_value, GError **error) {
  gsize length = 0;
  g_autofree guchar *bytes = g_base64_decode((const char *)event->data.scalar.value, &length);
  if (!g_utf8_validate((const char *)bytes, (gssize)length, NULL)) return fail(event, error, "!!binary that is no UTF-8 text");
  *ret_value = json_object_new_string_len((const char *)bytes, (int)length);
  return TRUE;
}

static gboolean read_scalar(Reader *r, const yaml_event_t *event, WryJson **ret_value, GError **error) {
  WryYamlScalar scalar;
  gsize length = event->data.scalar.length;
  if (!spend(r, event, WRY_COST_VALUE + length, error)) return FALSE;
  if (!g_strcmp0((const char *)event->data.scalar.tag, CORE_TAG "binary")) return binary_value(event, ret_value, error);
  if (!resolve(event, &scalar, error)) return FALSE;
  if (scalar.sort == WRY_YAML_INT || scalar.sort == WRY_YAML_FLOAT || scalar.sort == WRY_YAML_INFINITE) return number_value(event, &scalar, ret_value, error);
  if (scalar.sort == WRY_YAML_STR || scalar.sort == WRY_YAML_MERGE)
    *ret_value = json_object_new_string_len((const char *)event->data.scalar.value, (int)length);
  else if (scalar.sort != WRY_YAML_NULL)
    *ret_value = json_object_new_boolean(scalar.sort == WRY_YAML_TRUE);
  return TRUE;
}

/* --- reading: aliases ---------------------------------------------------------------------------------------------------------------------------------------- */
static guint height(WryJson *value) {
  guint highest = 0;
  if (json_object_is_type(value, json_type_array)) {
    for (gsize i = 0; i < json_object_array_length(value); i++) {
      guint below = height(json_object_array_get_idx(value, i));
      highest = MAX(highest, below);
    }
    return highest + 1;
  }
  if (!json_object_is_type(value, json_type_object)) return 0;
  json_object_object_foreach(value, key, member) {
    (void)key;
    guint below = height(member);
    highest = MAX(highest, below);
  }
  return highest + 1;
}

static gboolean read_alias(Reader *r, const yaml_event_t *event, WryJson **ret_value, GError **error) {
  const char *name = (const char *)event->data.alias.anchor;
  const Anchor *anchor = g_hash_table_lookup(r->anchors, name);
  if (!anchor) return fail(event, error, "alias *%s before the end of its anchor", name);
  if (!spend(r, event, anchor->cost, error)) return FALSE;
  if (r->budget.depth + height(anchor->value) > WRY_MAX_JSON_DEPTH) return fail(event, error, "nested deeper than %u", WRY_MAX_JSON_DEPTH);
  if (anchor->value) json_object_deep_copy(anchor->value, ret_value, NULL);
  return TRUE;
}

static void keep_anchor(Reader *r, const char *name, WryJson *value, gsize cost) {
  Anchor *anchor = g_new0(Anchor, 1);
  anchor->value = json_object_get(value);
  anchor->cost = cost + WRY_COST_VALUE;
  g_hash_table_insert(r->anchors, g_strdup(name), anchor);
}

/* --- reading: containers ---------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean read_node(Reader *r, const yaml_event_t *event, WryJson **ret_value, GError **error);

static gboolean read_sequence(Reader *r, WryJson *array, GError **error) {
  for (gboolean good = TRUE;;) {
    yaml_event_t event;
    WryJson *value = NULL;
    if (!next_event(r, &event, error)) return FALSE;
    gboolean end = event.type == YAML_SEQUENCE_END_EVENT;
    if (!end) {
      gsize mark = wry_path_push_index(r->path, json_object_array_length(array));
      note_line(r, &event);
      good = spend(r, &event, r->path->len, error) && read_node(r, &event, &value, error);
      if (good) json_object_array_add(array, value);
      g_string_truncate(r->path, mark);
    }
    yaml_event_delete(&event);
    if (end || !good) return good;
  }
}

/* Keys that came from a merge may be set again; the others may not. */
static gboolean merge_one(const yaml_event_t *event, WryJson *object, WryJson *from, GHashTable *merged, GError **error) {
  if (!json_object_is_type(from, json_type_object)) return fail(event, error, "a merge needs a mapping or a list of mappings");
  json_object_object_foreach(from, key, value) {
    WryJson *copy = NULL;
    gboolean known = json_object_object_get_ex(object, key, NULL);
    if (known && !g_hash_table_contains(merged, key)) return fail(event, error, "duplicate key \"%s\": it stands before a merge that sets it too", key);
    if (known) continue;
    if (value) json_object_deep_copy(value, &copy, NULL);
    json_object_object_add(object, key, copy);
    g_hash_table_add(merged, g_strdup(key));
  }
  return TRUE;
}

static gboolean merge(const yaml_event_t *event, WryJson *object, WryJson *value, GHashTable *merged, GError **error) {
  if (!json_object_is_type(value, json_type_array)) return merge_one(event, object, value, merged, error);
  for (gsize i = 0; i < json_object_array_length(value); i++)
    if (!merge_one(event, object, json_object_array_get_idx(value, i), merged, error)) return FALSE;
  return TRUE;
}

static gboolean scalar_key(const yaml_event_t *event, char **ret_key, gboolean *ret_merge, GError **error) {
  WryYamlScalar scalar;
  const char *text = (const char *)event->data.scalar.value;
  if (!resolve(event, &scalar, error)) return FALSE;
  if (strlen(text) != event->data.scalar.length) return fail(event, error, "NUL in a key");
  *ret_merge = scalar.sort == WRY_YAML_MERGE;
  *ret_key = wry_yaml_key(&scalar, text);
  return *ret_key || fail(event, error, "null is no key");
}

/* The text of the key: a scalar, or an alias of one. */
static gboolean read_key(Reader *r, const yaml_event_t *event, char **ret_key, gboolean *ret_merge, GError **error) {
  if (event->type == YAML_SCALAR_EVENT) {
    if (!scalar_key(event, ret_key, ret_merge, error)) return FALSE;
    if (event->data.scalar.anchor) {
      g_autoptr(WryJson) value = json_object_new_string(*ret_key);
      keep_anchor(r, (const char *)event->data.scalar.anchor, value, strlen(*ret_key));
    }
  } else {
    const Anchor *anchor = event->type == YAML_ALIAS_EVENT ? g_hash_table_lookup(r->anchors, event->data.alias.anchor) : NULL;
    if (!anchor || !anchor->value || json_object_is_type(anchor->value, json_type_object) || json_object_is_type(anchor->value, json_type_array))
      return fail(event, error, "a key must be a scalar");
    *ret_key = g_strdup(json_object_get_string(anchor->value));
  }
  return spend(r, event, 2 * WRY_COST_VALUE + strlen(*ret_key) + r->path->len, error);
}

static gboolean add_member(const yaml_event_t *event, WryJson *object, const char *key, GHashTable *merged, WryJson *take_value, GError **error) {
  g_autoptr(WryJson) value = take_value;
  if (json_object_object_get_ex(object, key, NULL) && !g_hash_table_remove(merged, key)) return fail(event, error, "duplicate key \"%s\"", key);
  json_object_object_add(object, key, g_steal_pointer(&value));
  return TRUE;
}

/* Behind the key's event: reads its value and adds it. */
static gboolean read_member(Reader *r, const yaml_event_t *key_event, WryJson *object, GHashTable *merged, GError **error) {
  g_autofree char *key = NULL;
  yaml_event_t event;
  WryJson *value = NULL;
  gboolean is_merge = FALSE;
  if (!read_key(r, key_event, &key, &is_merge, error)) return FALSE;
  gsize mark = is_merge ? r->path->len : wry_path_push_key(r->path, key);
  if (!is_merge) note_line(r, key_event);
  if (!next_event(r, &event, error)) return FALSE;
  gboolean good = read_node(r, &event, &value, error);
  if (good && is_merge) {
    good = merge(key_event, object, value, merged, error);
    wry_json_put(value);
  } else if (good) {
    good = add_member(key_event, object, key, merged, value, error);
  }
  g_string_truncate(r->path, mark);
  yaml_event_delete(&event);
  return good;
}

static gboolean read_mapping(Reader *r, WryJson *object, GError **error) {
  g_autoptr(GHashTable) merged = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (gboolean good = TRUE;;) {
    yaml_event_t event;
    if (!next_event(r, &event, error)) return FALSE;
    gboolean end = event.type == YAML_MAPPING_END_EVENT;
    if (!end) good = read_member(r, &event, object, merged, error);
    yaml_event_delete(&event);
    if (end || !good) return good;
  }
}

static gboolean read_container(Reader *r, const yaml_event_t *event, WryJson **ret_value, GError **error) {
  gboolean mapping = event->type == YAML_MAPPING_START_EVENT;
  const char *tag = (const char *)(mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag);
  if (tag && strcmp(tag, mapping ? CORE_TAG "map" : CORE_TAG "seq")) return fail(event, error, "tag %s is not supported", tag);
  if (!spend(r, event, mapping ? WRY_COST_OBJECT : WRY_COST_ARRAY, error) || !enter(r, event, error)) return FALSE;
  g_autoptr(WryJson) value = mapping ? json_object_new_object() : json_object_new_array_ext(4);
  if (!(mapping ? read_mapping(r, value, error) : read_sequence(r, value, error))) return FALSE;
  wry_budget_leave(&r->budget);
  *ret_value = g_steal_pointer(&value);
  return TRUE;
}

static const char *anchor_of(const yaml_event_t *event) {
  const yaml_char_t *name = event->type == YAML_SCALAR_EVENT           ? event->data.scalar.anchor
                            : event->type == YAML_MAPPING_START_EVENT  ? event->data.mapping_start.anchor
                            : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.anchor
                                                                       : NULL;
  return (const char *)name;
}

static gboolean read_node(Reader *r, const yaml_event_t *event, WryJson **ret_value, GError **error) {
  gsize before = r->budget.left;
  const char *anchor = anchor_of(event);
  gboolean good = event->type == YAML_ALIAS_EVENT    ? read_alias(r, event, ret_value, error)
                  : event->type == YAML_SCALAR_EVENT ? read_scalar(r, event, ret_value, error)
                                                     : read_container(r, event, ret_value, error);
  if (good && anchor) keep_anchor(r, anchor, *ret_value, before - r->budget.left);
  return good;
}

/* --- reading: documents ---------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean read_document(Reader *r, GPtrArray *documents, GError **error) {
  yaml_event_t event;
  g_autoptr(WryJson) value = NULL;
  g_autoptr(WryLines) lines = wry_lines_new();
  r->lines = lines;
  g_hash_table_remove_all(r->anchors);
  if (!next_event(r, &event, error)) return FALSE;
  note_line(r, &event);
  gboolean good = read_node(r, &event, &value, error);
  if (good && value && !json_object_is_type(value, json_type_object)) good = fail(&event, error, "a document must be an object");
  yaml_event_delete(&event);
  if (!good || !value) return good;
  WryDocument *document = g_new0(WryDocument, 1);
  document->object = g_steal_pointer(&value);
  document->lines = g_steal_pointer(&lines);
  g_ptr_array_add(documents, document);
  return TRUE;
}

static gboolean read_stream(Reader *r, GPtrArray *documents, GError **error) {
  for (gboolean good = TRUE;;) {
    yaml_event_t event;
    if (!next_event(r, &event, error)) return FALSE;
    gboolean end = event.type == YAML_STREAM_END_EVENT;
    if (event.type == YAML_DOCUMENT_START_EVENT) good = read_document(r, documents, error);
    yaml_event_delete(&event);
    if (end || !good) return good;
  }
}

gboolean wry_yaml_read(const char *text, gsize length, GPtrArray *documents, GError **error) {
  Reader r = {.text = text, .budget = WRY_BUDGET_INIT};
  if (!yaml_parser_initialize(&r.parser)) return fail_parser(&r, error);
  r.path = g_string_new(NULL);
  r.anchors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, anchor_free);
  yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
  yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, length);
  gboolean good = read_stream(&r, documents, error);
  yaml_parser_delete(&r.parser);
  g_hash_table_unref(r.anchors);
  g_string_free(r.path, TRUE);
  return good;
}

/* --- writing ---------------------------------------------------------------------------------------------------------------------------------------------------- */
/* Emits one event; libyaml takes it over also when it fails. */
static void emit(yaml_emitter_t *emitter, yaml_event_t *event) {
  yaml_emitter_emit(emitter, event);
}

static void emit_scalar(yaml_emitter_t *emitter, const char *text, gsize length, yaml_scalar_style_t style) {
  yaml_event_t event;
  yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)length, TRUE, TRUE, style);
  emit(emitter, &event);
}

/* go-yaml's choice. */
static void emit_text(yaml_emitter_t *emitter, const char *text, gsize length) {
  gboolean plain = strlen(text) == length && wry_yaml_resolve(text).sort == WRY_YAML_STR && !wry_yaml_is_base60(text) && !wry_yaml_is_timestamp(text);
  yaml_scalar_style_t style = memchr(text, '\n', length) ? YAML_LITERAL_SCALAR_STYLE : plain ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE;
  emit_scalar(emitter, text, length, style);
}

static void emit_value(yaml_emitter_t *emitter, WryJson *value);

static int compare_keys(gconstpointer a, gconstpointer b) {
  return wry_yaml_compare_keys(*(char *const *)a, *(char *const *)b);
}

static void emit_mapping(yaml_emitter_t *emitter, WryJson *object) {
  yaml_event_t event;
  gboolean flow = !json_object_object_length(object);
  g_autoptr(GPtrArray) keys = g_ptr_array_new();
  json_object_object_foreach(object, key, member) {
    (void)member;
    g_ptr_array_add(keys, key);
  }
  g_ptr_array_sort(keys, compare_keys);
  yaml_mapping_start_event_initialize(&event, NULL, NULL, TRUE, flow ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE);
  emit(emitter, &event);
  for (guint i = 0; i < keys->len; i++) {
    emit_text(emitter, g_ptr_array_index(keys, i), strlen(g_ptr_array_index(keys, i)));
    emit_value(emitter, wry_json_get(object, g_ptr_array_index(keys, i)));
  }
  yaml_mapping_end_event_initialize(&event);
  emit(emitter, &event);
}

static void emit_sequence(yaml_emitter_t *emitter, WryJson *array) {
  yaml_event_t event;
  gsize length = json_object_array_length(array);
  yaml_sequence_start_event_initialize(&event, NULL, NULL, TRUE, length ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE);
  emit(emitter, &event);
  for (gsize i = 0; i < length; i++) emit_value(emitter, json_object_array_get_idx(array, i));
  yaml_sequence_end_event_initialize(&event);
  emit(emitter, &event);
}

static void emit_value(yaml_emitter_t *emitter, WryJson *value) {
  const char *text = value ? json_object_get_string(value) : "null";
  if (json_object_is_type(value, json_type_object))
    emit_mapping(emitter, value);
  else if (json_object_is_type(value, json_type_array))
    emit_sequence(emitter, value);
  else if (json_object_is_type(value, json_type_string))
    emit_text(emitter, text, (gsize)json_object_get_string_len(value));
  else
    emit_scalar(emitter, text, strlen(text), YAML_PLAIN_SCALAR_STYLE);
}

static int append_output(void *data, unsigned char *bytes, size_t length) {
  g_string_append_len(data, (const char *)bytes, (gssize)length);
  return 1;
}

/* libyaml ends a document whose last text keeps its empty lines with "..."; kubectl's output does not. */
static void drop_end_mark(GString *out) {
  if (g_str_has_suffix(out->str, "\n...\n")) g_string_truncate(out, out->len - 4);
}

char *wry_yaml_write(WryJson *object) {
  yaml_emitter_t emitter;
  yaml_event_t event;
  GString *out = g_string_new(NULL);
  yaml_emitter_initialize(&emitter);
  yaml_emitter_set_output(&emitter, append_output, out);
  yaml_emitter_set_unicode(&emitter, 1);
  yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
  emit(&emitter, &event);
  yaml_document_start_event_initialize(&event, NULL, NULL, NULL, TRUE);
  emit(&emitter, &event);
  emit_value(&emitter, object);
  yaml_document_end_event_initialize(&event, TRUE);
  emit(&emitter, &event);
  yaml_stream_end_event_initialize(&event);
  emit(&emitter, &event);
  yaml_emitter_delete(&emitter);
  drop_end_mark(out);
  return g_string_free(out, FALSE);
}
