/* What surrounds the readers of JSON and YAML: the memory budget, field paths, the table of lines, numbers, typed reads.
 *
 * A field path is a text ("spec.volumes[0].name") and the table of lines a hash from such texts; a path that is not in it falls back to its nearest
 * parent by cutting the last step off. The members of a List share their List's table and look from below a prefix.
 *
 * Relies on json-c's object functions and GLib. */
#include "wherry/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json_internal.h"
#include "wherry/limits.h"

/* --- budget ----------------------------------------------------------------------------------------------------------------------------------------- */
gboolean wry_budget_take(WryBudget *budget, gsize cost) {
  if (cost > budget->left) return FALSE;
  budget->left -= cost;
  return TRUE;
}

gboolean wry_budget_enter(WryBudget *budget) {
  return ++budget->depth <= WRY_MAX_JSON_DEPTH;
}

void wry_budget_leave(WryBudget *budget) {
  budget->depth--;
}

/* --- field paths -------------------------------------------------------------------------------------------------------------------------------------- */
gsize wry_path_push_key(GString *path, const char *key) {
  gsize mark = path->len;
  if (!*key || strpbrk(key, ".[]/"))
    g_string_append_printf(path, "[%s]", key);
  else
    g_string_append_printf(path, mark ? ".%s" : "%s", key);
  return mark;
}

gsize wry_path_push_index(GString *path, gsize index) {
  gsize mark = path->len;
  g_string_append_printf(path, "[%zu]", index);
  return mark;
}

/* One step of a path: its text in *ret_step (new) and whether it stood in brackets. Returns what follows, NULL at the end or when malformed. */
static const char *next_step(const char *path, char **ret_step, gboolean *ret_bracket) {
  *ret_step = NULL;
  *ret_bracket = *path == '[';
  if (!*path) return NULL;
  if (!*ret_bracket && *path == '.') path++;
  const char *start = path + *ret_bracket;
  gsize length = *ret_bracket ? strcspn(start, "]") : strcspn(start, ".[");
  if (*ret_bracket && start[length] != ']') return NULL;
  *ret_step = g_strndup(start, length);
  return start + length + *ret_bracket;
}

static WryJson *take_step(WryJson *object, const char *step, gboolean bracket) {
  char *end;
  if (!bracket || !json_object_is_type(object, json_type_array)) return wry_json_get(object, step);
  if (!g_ascii_isdigit(*step)) return NULL;
  guint64 index = g_ascii_strtoull(step, &end, 10);
  return *end || index >= json_object_array_length(object) ? NULL : json_object_array_get_idx(object, index);
}

WryJson *wry_json_path(WryJson *object, const char *path) {
  gboolean bracket;
  while (object && *path) {
    g_autofree char *step = NULL;
    path = next_step(path, &step, &bracket);
    if (!path) return NULL;
    object = take_step(object, step, bracket);
  }
  return object;
}

/* --- lines -------------------------------------------------------------------------------------------------------------------------------------------- */
struct WryLines {
  GHashTable *table; /* path -> line, shared by the members of a List */
  char *prefix;
};

WryLines *wry_lines_new(void) {
  WryLines *lines = g_new0(WryLines, 1);
  lines->table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  return lines;
}

WryLines *wry_lines_below(WryLines *lines, const char *prefix) {
  WryLines *below = g_new0(WryLines, 1);
  below->table = g_hash_table_ref(lines->table);
  below->prefix = g_strdup(prefix);
  return below;
}

void wry_lines_free(WryLines *lines) {
  if (!lines) return;
  g_hash_table_unref(lines->table);
  g_free(lines->prefix);
  g_free(lines);
}

void wry_lines_add(WryLines *lines, const char *path, guint line) {
  g_hash_table_insert(lines->table, g_strdup(path), GUINT_TO_POINTER(line));
}

/* Cuts the last step off; FALSE when there was none left. */
static gboolean cut_step(GString *path) {
  gsize i = path->len;
  while (i && path->str[i - 1] != '.' && path->str[i - 1] != '[') i--;
  gboolean had = path->len > 0;
  g_string_truncate(path, i ? i - 1 : 0);
  return had;
}

guint wry_lines_find(const WryLines *lines, const char *path) {
  if (!lines) return 0;
  g_autoptr(GString) full = g_string_new(lines->prefix);
  if (*path) g_string_append_printf(full, full->len && *path != '[' ? ".%s" : "%s", path);
  do {
    guint line = GPOINTER_TO_UINT(g_hash_table_lookup(lines->table, full->str));
    if (line) return line;
  } while (cut_step(full));
  return 0;
}

void wry_document_free(WryDocument *doc) {
  if (!doc) return;
  wry_json_put(doc->object);
  wry_lines_free(doc->lines);
  g_free(doc);
}

/* --- values --------------------------------------------------------------------------------------------------------------------------------------------- */
WryJson *wry_json_number(const char *text) {
  if (!strpbrk(text, ".eE")) {
    errno = 0;
    gint64 whole = g_ascii_strtoll(text, NULL, 10);
    if (!errno) return json_object_new_int64(whole);
    errno = 0;
    guint64 large = g_ascii_strtoull(text, NULL, 10);
    if (!errno && *text != '-') return json_object_new_uint64(large);
  }
  double value = g_ascii_strtod(text, NULL);
  return isfinite(value) ? json_object_new_double_s(value, text) : NULL;
}

WryJson *wry_json_get(WryJson *object, const char *key) {
  WryJson *value = NULL;
  if (!object || !json_object_is_type(object, json_type_object)) return NULL;
  return json_object_object_get_ex(object, key, &value) ? value : NULL;
}

const char *wry_json_str(WryJson *object, const char *key) {
  WryJson *value = wry_json_get(object, key);
  if (!value || !json_object_is_type(value, json_type_string)) return NULL;
  const char *text = json_object_get_string(value);
  return strlen(text) == (gsize)json_object_get_string_len(value) ? text : NULL;
}

gint64 wry_json_int(WryJson *object, const char *key, gint64 absent) {
  WryJson *value = wry_json_get(object, key);
  if (!value || !json_object_is_type(value, json_type_int)) return absent;
  if (json_object_get_uint64(value) > G_MAXINT64) return absent;
  return json_object_get_int64(value);
}

gboolean wry_json_bool(WryJson *object, const char *key, gboolean absent) {
  WryJson *value = wry_json_get(object, key);
  return value && json_object_is_type(value, json_type_boolean) ? json_object_get_boolean(value) : absent;
}
