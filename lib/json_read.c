/* Reader of JSON texts: RFC 8259 and nothing more.
 *
 * json-c's own tokener, strict flag included, lets single quotes, NaN, duplicate keys and lone surrogates through, saturates large integers and stops at
 * depth 32. So the text is read here by recursive descent (depth bounded by the budget) straight into json-c objects: one pass, no second opinion about
 * the same text. Integers beyond uint64 and all fractions keep their text. Keys with an escaped NUL, which json-c cannot hold, get U+FFFD instead: such a
 * key is no field's name, and refusing the text would let one bad object hide a whole list.
 *
 * Relies on json-c's object functions and GLib's UTF-8 validation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json_internal.h"
#include "wherry/error.h"
#include "wherry/limits.h"

#define REPLACEMENT "\357\277\275" /* U+FFFD */

G_GNUC_PRINTF(3, 4) static gboolean fail(const WryJsonReader *r, GError **error, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *what = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "line %u, column %zu: %s", r->line, r->pos - r->line_start + 1, what);
  return FALSE;
}

static gboolean spend(WryJsonReader *r, gsize cost, GError **error) {
  if (wry_budget_take(&r->budget, cost)) return TRUE;
  g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "line %u: too many values", r->line);
  return FALSE;
}

static int peek(const WryJsonReader *r) {
  return r->pos < r->length ? (guchar)r->text[r->pos] : -1;
}

static void skip_space(WryJsonReader *r) {
  for (int c; (c = peek(r)) == ' ' || c == '\t' || c == '\n' || c == '\r'; r->pos++)
    if (c == '\n') {
      r->line++;
      r->line_start = r->pos + 1;
    }
}

static gboolean expect(WryJsonReader *r, char wanted, GError **error) {
  skip_space(r);
  if (peek(r) != wanted) return fail(r, error, peek(r) < 0 ? "the text ends, expected '%c'" : "expected '%c'", wanted);
  r->pos++;
  return TRUE;
}

/* --- strings ---------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean read_hex4(WryJsonReader *r, gunichar *ret_unit, GError **error) {
  gunichar unit = 0;
  for (int i = 0; i < 4; i++, r->pos++) {
    int digit = peek(r) < 0 ? -1 : g_ascii_xdigit_value((char)peek(r));
    if (digit < 0) return fail(r, error, "bad \\u escape");
    unit = unit << 4 | (gunichar)digit;
  }
  *ret_unit = unit;
  return TRUE;
}

/* Behind "\u". A surrogate counts only as half of a pair. */
static gboolean read_unicode(WryJsonReader *r, GString *out, GError **error) {
  gunichar unit, low;
  if (!read_hex4(r, &unit, error)) return FALSE;
  if (unit >= 0xdc00 && unit <= 0xdfff) return fail(r, error, "lone surrogate");
  if (unit >= 0xd800 && unit <= 0xdbff) {
    if (r->pos + 2 > r->length || memcmp(r->text + r->pos, "\\u", 2)) return fail(r, error, "lone surrogate");
    r->pos += 2;
    if (!read_hex4(r, &low, error)) return FALSE;
    if (low < 0xdc00 || low > 0xdfff) return fail(r, error, "lone surrogate");
    unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
  }
  if (unit)
    g_string_append_unichar(out, unit);
  else
    g_string_append_c(out, '\0');
  return TRUE;
}

static gboolean read_escape(WryJsonReader *r, GString *out, GError **error) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  int c = peek(r);
  if (c == 'u') {
    r->pos++;
    return read_unicode(r, out, error);
  }
  const char *at = c > 0 ? strchr(from, c) : NULL;
  if (!at) return fail(r, error, "bad escape");
  g_string_append_c(out, to[at - from]);
  r->pos++;
  return TRUE;
}

/* At the opening quote. The text as a whole was checked to be UTF-8 without NUL. */
static gboolean read_string(WryJsonReader *r, GString *out, GError **error) {
  r->pos++;
  for (;;) {
    gsize start = r->pos;
    while (r->pos < r->length && (guchar)r->text[r->pos] >= 0x20 && r->text[r->pos] != '"' && r->text[r->pos] != '\\') r->pos++;
    g_string_append_len(out, r->text + start, (gssize)(r->pos - start));
    int c = peek(r);
    if (c < 0) return fail(r, error, "unterminated string");
    if (c < 0x20) return fail(r, error, "control character in a string");
    r->pos++;
    if (c == '"') return TRUE;
    if (!read_escape(r, out, error)) return FALSE;
  }
}

static gboolean read_string_value(WryJsonReader *r, WryJson **ret_value, GError **error) {
  g_autoptr(GString) out = g_string_new(NULL);
  if (!read_string(r, out, error)) return FALSE;
  if (!spend(r, WRY_COST_VALUE + out->len, error)) return FALSE;
  *ret_value = json_object_new_string_len(out->str, (int)out->len);
  return TRUE;
}

/* --- numbers and words --------------------------------------------------------------------------------------------------------------------------------- */
static gsize digits(WryJsonReader *r) {
  gsize start = r->pos;
  while (peek(r) >= '0' && peek(r) <= '9') r->pos++;
  return r->pos - start;
}

static gboolean scan_number(WryJsonReader *r) {
  if (peek(r) == '-') r->pos++;
  if (peek(r) == '0')
    r->pos++;
  else if (!digits(r))
    return FALSE;
  if (peek(r) == '.') {
    r->pos++;
    if (!digits(r)) return FALSE;
  }
  if (peek(r) == 'e' || peek(r) == 'E') {
    r->pos++;
    if (peek(r) == '+' || peek(r) == '-') r->pos++;
    if (!digits(r)) return FALSE;
  }
  return TRUE;
}

static gboolean read_number(WryJsonReader *r, WryJson **ret_value, GError **error) {
  gsize start = r->pos;
  if (!scan_number(r)) return fail(r, error, "bad number");
  if (!spend(r, WRY_COST_VALUE + (r->pos - start), error)) return FALSE;
  g_autofree char *text = g_strndup(r->text + start, r->pos - start);
  *ret_value = wry_json_number(text);
  if (!*ret_value) return fail(r, error, "number out of range");
  return TRUE;
}

static gboolean read_word(WryJsonReader *r, WryJson **ret_value, GError **error) {
  static const char *const words[] = {"null", "false", "true"};
  for (int i = 0; i < 3; i++) {
    gsize length = strlen(words[i]);
    if (r->length - r->pos < length || memcmp(r->text + r->pos, words[i], length)) continue;
    r->pos += length;
    *ret_value = i ? json_object_new_boolean(i == 2) : NULL;
    return spend(r, WRY_COST_VALUE, error);
  }
  return fail(r, error, peek(r) < 0 ? "the text ends, expected a value" : "expected a value");
}

/* --- containers ------------------------------------------------------------------------------------------------------------------------------------------ */
static gboolean read_value(WryJsonReader *r, WryJson **ret_value, GError **error);

static gboolean enter(WryJsonReader *r, gsize cost, GError **error) {
  if (!spend(r, cost, error)) return FALSE;
  if (!wry_budget_enter(&r->budget)) return fail(r, error, "nested deeper than %u", WRY_MAX_JSON_DEPTH);
  r->pos++;
  skip_space(r);
  return TRUE;
}

static void note_line(WryJsonReader *r) {
  if (r->lines) wry_lines_add(r->lines, r->path->str, r->line);
}

/* Behind an element: TRUE in *ret_more when a comma follows, FALSE when the container ends. */
static gboolean next_element(WryJsonReader *r, char closing, gboolean *ret_more, GError **error) {
  skip_space(r);
  *ret_more = peek(r) == ',';
  if (!*ret_more && peek(r) != closing) return fail(r, error, peek(r) < 0 ? "the text ends, expected ',' or '%c'" : "expected ',' or '%c'", closing);
  r->pos++;
  return TRUE;
}

static void replace_nul(GString *key) {
  for (gsize i = 0; i < key->len; i++) {
    if (key->str[i]) continue;
    g_string_erase(key, (gssize)i, 1);
    g_string_insert(key, (gssize)i, REPLACEMENT);
  }
}

static gboolean read_key(WryJsonReader *r, WryJson *object, GString *key, GError **error) {
  skip_space(r);
  if (peek(r) != '"') return fail(r, error, "expected a key in double quotes");
  if (!read_string(r, key, error)) return FALSE;
  replace_nul(key);
  if (!strstr(key->str, REPLACEMENT) && json_object_object_get_ex(object, key->str, NULL)) return fail(r, error, "duplicate key \"%s\"", key->str);
  return spend(r, WRY_COST_VALUE + key->len + (r->lines ? r->path->len : 0), error);
}

static gboolean read_member(WryJsonReader *r, WryJson *object, GError **error) {
  g_autoptr(GString) key = g_string_new(NULL);
  WryJson *value = NULL;
  if (!read_key(r, object, key, error)) return FALSE;
  gsize mark = wry_path_push_key(r->path, key->str);
  note_line(r);
  if (!expect(r, ':', error) || !read_value(r, &value, error)) return FALSE;
  g_string_truncate(r->path, mark);
  json_object_object_add(object, key->str, value);
  return TRUE;
}

static gboolean read_object(WryJsonReader *r, WryJson **ret_value, GError **error) {
  if (!enter(r, WRY_COST_OBJECT, error)) return FALSE;
  g_autoptr(WryJson) object = json_object_new_object();
  gboolean more = peek(r) != '}';
  if (!more) r->pos++;
  while (more)
    if (!read_member(r, object, error) || !next_element(r, '}', &more, error)) return FALSE;
  wry_budget_leave(&r->budget);
  *ret_value = g_steal_pointer(&object);
  return TRUE;
}

static gboolean read_array(WryJsonReader *r, WryJson **ret_value, GError **error) {
  if (!enter(r, WRY_COST_ARRAY, error)) return FALSE;
  g_autoptr(WryJson) array = json_object_new_array_ext(4);
  gboolean more = peek(r) != ']';
  if (!more) r->pos++;
  while (more) {
    WryJson *value = NULL;
    gsize mark = wry_path_push_index(r->path, json_object_array_length(array));
    skip_space(r);
    note_line(r);
    if (!spend(r, r->lines ? r->path->len : 0, error) || !read_value(r, &value, error)) return FALSE;
    g_string_truncate(r->path, mark);
    json_object_array_add(array, value);
    if (!next_element(r, ']', &more, error)) return FALSE;
  }
  wry_budget_leave(&r->budget);
  *ret_value = g_steal_pointer(&array);
  return TRUE;
}

static gboolean read_value(WryJsonReader *r, WryJson **ret_value, GError **error) {
  skip_space(r);
  int c = peek(r);
  if (c == '{') return read_object(r, ret_value, error);
  if (c == '[') return read_array(r, ret_value, error);
  if (c == '"') return read_string_value(r, ret_value, error);
  if (c == '-' || (c >= '0' && c <= '9')) return read_number(r, ret_value, error);
  return read_word(r, ret_value, error);
}

/* --- entry ------------------------------------------------------------------------------------------------------------------------------------------------- */
void wry_json_reader_init(WryJsonReader *reader, const char *text, gsize length, WryLines *lines) {
  *reader = (WryJsonReader){.text = text, .length = length, .line = 1, .budget = WRY_BUDGET_INIT, .lines = lines, .path = g_string_new(NULL)};
}

void wry_json_reader_clear(WryJsonReader *reader) {
  g_string_free(reader->path, TRUE);
  reader->path = NULL;
}

gboolean wry_json_read(WryJsonReader *reader, WryJson **ret_value, GError **error) {
  *ret_value = NULL;
  skip_space(reader);
  note_line(reader);
  if (!read_value(reader, ret_value, error)) return FALSE;
  skip_space(reader);
  return TRUE;
}

void wry_json_locate(const char *text, gsize offset, guint *ret_line, gsize *ret_column) {
  *ret_line = 1;
  *ret_column = offset + 1;
  for (gsize i = 0; i < offset; i++)
    if (text[i] == '\n') {
      ++*ret_line;
      *ret_column = offset - i;
    }
}

gboolean wry_json_check_utf8(const char *text, gsize length, GError **error) {
  const char *end;
  guint line;
  gsize column;
  if (g_utf8_validate(text, (gssize)length, &end)) return TRUE;
  wry_json_locate(text, (gsize)(end - text), &line, &column);
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "line %u, column %zu: %s", line, column, *end ? "invalid UTF-8" : "NUL byte");
  return FALSE;
}

WryJson *wry_json_parse(const char *text, gsize length, GError **error) {
  WryJsonReader reader;
  WryJson *value = NULL;
  if (!wry_json_check_utf8(text, length, error)) return NULL;
  wry_json_reader_init(&reader, text, length, NULL);
  gboolean good = wry_json_read(&reader, &value, error);
  if (good && reader.pos < length) good = fail(&reader, error, "bytes behind the value");
  wry_json_reader_clear(&reader);
  if (good && !value) g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "the text is null");
  if (!good) g_clear_pointer(&value, wry_json_put);
  return value;
}
