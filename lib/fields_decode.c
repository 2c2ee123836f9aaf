/* JSON to structs: one row per field, one function per kind.
 *
 * Every member of an object must have a row; every problem becomes a cause with the path of the value, and decoding goes on, so that a refusal names
 * everything at once. A null value is an absent one (Go's encoding/json). Nothing is coerced: no number from a string, no boolean from a number.
 *
 * Relies on the strict readers: no duplicate keys, valid UTF-8, bounded depth and size. */
#include <string.h>

#include "fields_internal.h"
#include "json_internal.h"
#include "wherry/limits.h"

typedef struct {
  GString *path; /* of the value at hand */
  WryCauses *causes;
} Decode;

static void decode_struct(Decode *d, const WryType *type, WryJson *object, gpointer s);

G_GNUC_PRINTF(3, 4) static void refuse(Decode *d, const char *reason, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  wry_causes_add(d->causes, reason, d->path->str, "%s", message);
}

/* Borrowed text of a JSON string, NULL after a cause. C strings end at NUL, so a text with one inside would change its meaning. */
static const char *text_of(Decode *d, WryJson *value) {
  if (!json_object_is_type(value, json_type_string)) {
    refuse(d, WRY_CAUSE_INVALID, "must be a string");
    return NULL;
  }
  const char *text = json_object_get_string(value);
  if (strlen(text) == (gsize)json_object_get_string_len(value)) return text;
  refuse(d, WRY_CAUSE_INVALID, "must not contain NUL");
  return NULL;
}

static gboolean whole_number(WryJson *value, gint64 *ret_number) {
  if (!json_object_is_type(value, json_type_int) || json_object_get_uint64(value) > G_MAXINT64) return FALSE;
  *ret_number = json_object_get_int64(value);
  return TRUE;
}

/* --- one function per kind --------------------------------------------------------------------------------------------------------------------------------- */
static void decode_bool(Decode *d, const WryField *field, WryJson *value, gpointer s) {
  if (!json_object_is_type(value, json_type_boolean))
    refuse(d, WRY_CAUSE_INVALID, "must be true or false");
  else
    *WRY_SLOT(WryOptBool, s, field) = (WryOptBool){TRUE, json_object_get_boolean(value)};
}

static void decode_int(Decode *d, const WryField *field, WryJson *value, gpointer s) {
  gint64 number;
  if (!whole_number(value, &number))
    refuse(d, WRY_CAUSE_INVALID, "must be an integer");
  else if ((field->flags & WRY_F_INT32) && (number < G_MININT32 || number > G_MAXINT32))
    refuse(d, WRY_CAUSE_INVALID, "must be an integer of 32 bits");
  else
    *WRY_SLOT(WryOptInt, s, field) = (WryOptInt){TRUE, number};
}

static void decode_str(Decode *d, const WryField *field, WryJson *value, gpointer s) {
  *WRY_SLOT(char *, s, field) = g_strdup(text_of(d, value));
}

static void decode_enum(Decode *d, const WryField *field, WryJson *value, gpointer s) {
  const char *text = text_of(d, value);
  if (!text) return;
  if (!field->values || g_strv_contains(field->values, text)) {
    *WRY_SLOT(char *, s, field) = g_strdup(text);
    return;
  }
  g_autofree char *members = g_strjoinv("\", \"", (char **)field->values);
  refuse(d, WRY_CAUSE_NOT_SUPPORTED, "must be one of \"%s\"", members);
}

/* A quantity may be written as string or number; Kubernetes trims blanks. New text, NULL after a cause. */
static char *quantity_of(Decode *d, WryJson *value) {
  gboolean number = json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);
  const char *text = number ? json_object_to_json_string(value) : json_object_is_type(value, json_type_string) ? text_of(d, value) : "";
  if (!text) return NULL;
  g_autofree char *trimmed = g_strstrip(g_strdup(text));
  if (wry_quantity_valid(trimmed)) return g_steal_pointer(&trimmed);
  refuse(d, WRY_CAUSE_INVALID, "must be a quantity like 1, 500m or 2Gi");
  return NULL;
}

static void decode_quantity(Decode *d, const WryField *field, WryJson *value, gpointer s) {
  *WRY_SLOT(char *, s, field) = quantity_of(d, value);
}

static gboolean is_rfc3339(const char *text) {
  gsize length = strlen(text);
  if (length < 20 || text[10] != 'T' || text[4] != '-' || text[13] != ':' || (text[length - 1] != 'Z' && text[length - 3] != ':')) return FALSE;
  g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text, NULL);
  return time != NULL;
}

static void decode_time(Decode *d, const WryField *field, WryJson *value, gpointer s) {
  const char *text = text_of(d, value);
  if (text && is_rfc3339(text))
    *WRY_SLOT(char *, s, field) = g_strdup(text);
  else if (text)
    refuse(d, WRY_CAUSE_INVALID, "must be a time like 2006-01-02T15:04:05Z");
}

static void decode_int_or_str(Decode *d, const WryField *field, WryJson *value, gpointer s) {
  gint64 number;
  if (json_object_is_type(value, json_type_string))
    decode_str(d, field, value, s);
  else if (whole_number(value, &number) && number >= G_MININT32 && number <= G_MAXINT32)
    *WRY_SLOT(char *, s, field) = g_strdup_printf("%" G_GINT64_FORMAT, number);
  else
    refuse(d, WRY_CAUSE_INVALID, "must be a string or an integer of 32 bits");
}

static void decode_object(Decode *d, const WryField *field, WryJson *value, gpointer s) {
  if (!json_object_is_type(value, json_type_object)) {
    refuse(d, WRY_CAUSE_INVALID, "must be an object");
    return;
  }
  gpointer object = *WRY_SLOT(gpointer, s, field) = wry_struct_new(field->type);
  decode_struct(d, field->type, value, object);
}

/* An element that is no object still takes its place, so that later paths count right. */
static gpointer decode_element(Decode *d, const WryField *field, WryJson *value) {
  gpointer element = wry_struct_new(field->type);
  if (json_object_is_type(value, json_type_object))
    decode_struct(d, field->type, value, element);
  else
    refuse(d, WRY_CAUSE_INVALID, "must be an object");
  return element;
}

static gpointer decode_string_element(Decode *d, const WryField *field, WryJson *value) {
  char *text = field->flags & WRY_F_INLINE_QTY ? quantity_of(d, value) : g_strdup(text_of(d, value));
  return text ? text : g_strdup("");
}

/* Elements past the limit are not read at all. */
static void decode_list(Decode *d, const WryField *field, WryJson *value, gpointer s) {
  if (!json_object_is_type(value, json_type_array)) {
    refuse(d, WRY_CAUSE_INVALID, "must be a list");
    return;
  }
  gsize length = json_object_array_length(value), mark = d->path->len;
  if (field->max_items && length > (gsize)field->max_items) {
    refuse(d, WRY_CAUSE_INVALID, "must have at most %" G_GINT64_FORMAT " items", field->max_items);
    length = (gsize)field->max_items;
  }
  GPtrArray *list = *WRY_SLOT(GPtrArray *, s, field) = wry_field_list_new(field);
  for (gsize i = 0; i < length; i++) {
    WryJson *element = json_object_array_get_idx(value, i);
    wry_path_push_index(d->path, i);
    g_ptr_array_add(list, field->kind == WRY_K_LIST ? decode_element(d, field, element) : decode_string_element(d, field, element));
    g_string_truncate(d->path, mark);
  }
}

/* One value of a map as a new JSON string, NULL after a cause. */
static WryJson *map_value(Decode *d, gboolean quantity, WryJson *value) {
  g_autofree char *text = quantity ? quantity_of(d, value) : g_strdup(text_of(d, value));
  return text ? json_object_new_string(text) : NULL;
}

/* Always strings inside, so that readers need one way only. Null values are absent. */
static void decode_map(Decode *d, const WryField *field, WryJson *value, gpointer s) {
  if (!json_object_is_type(value, json_type_object)) {
    refuse(d, WRY_CAUSE_INVALID, "must be an object");
    return;
  }
  gboolean quantity = field->kind == WRY_K_QMAP || (field->flags & WRY_F_INLINE_QTY);
  WryJson *map = *WRY_SLOT(WryJson *, s, field) = json_object_new_object();
  json_object_object_foreach(value, key, member) {
    gsize mark = wry_path_push_key(d->path, key);
    WryJson *text = member ? map_value(d, quantity, member) : NULL;
    if (text) json_object_object_add(map, key, text);
    g_string_truncate(d->path, mark);
  }
}

/* The rows of a RAW field's type only check: its value is kept as it is. */
static void check_raw(Decode *d, const WryField *field, WryJson *value) {
  wry_struct_free(field->type, decode_element(d, field, value));
}

static void check_raw_list(Decode *d, const WryField *field, WryJson *value) {
  gsize mark = d->path->len;
  if (!json_object_is_type(value, json_type_array)) refuse(d, WRY_CAUSE_INVALID, "must be a list");
  for (gsize i = 0; json_object_is_type(value, json_type_array) && i < json_object_array_length(value); i++) {
    wry_path_push_index(d->path, i);
    check_raw(d, field, json_object_array_get_idx(value, i));
    g_string_truncate(d->path, mark);
  }
}

static void decode_raw(Decode *d, const WryField *field, WryJson *value, gpointer s) {
  *WRY_SLOT(WryJson *, s, field) = json_object_get(value);
  if (field->type && (field->flags & WRY_F_RAW_LIST))
    check_raw_list(d, field, value);
  else if (field->type)
    check_raw(d, field, value);
}

/* --- kept as they are written, once every value has been looked at ------------------------------------------------------------------------------------------- */
static void keep(const WryField *field, WryJson *value, gpointer s) {
  *WRY_SLOT(WryJson *, s, field) = json_object_get(value);
}

static void check_int(Decode *d, const WryField *field, WryJson *value) {
  gint64 number;
  if (!value || !whole_number(value, &number))
    refuse(d, WRY_CAUSE_INVALID, "must be an integer");
  else if ((field->flags & WRY_F_INT32) && (number < G_MININT32 || number > G_MAXINT32))
    refuse(d, WRY_CAUSE_INVALID, "must be an integer of 32 bits");
}

static void check_bool(Decode *d, const WryField *field, WryJson *value) {
  (void)field;
  if (!value || !json_object_is_type(value, json_type_boolean)) refuse(d, WRY_CAUSE_INVALID, "must be true or false");
}

static void decode_number(Decode *d, const WryField *field, WryJson *value, gpointer s) {
  if (json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double))
    keep(field, value, s);
  else
    refuse(d, WRY_CAUSE_INVALID, "must be a number");
}

static void decode_int_list(Decode *d, const WryField *field, WryJson *value, gpointer s) {
  gsize mark = d->path->len;
  if (!json_object_is_type(value, json_type_array)) {
    refuse(d, WRY_CAUSE_INVALID, "must be a list");
    return;
  }
  for (gsize i = 0; i < json_object_array_length(value); i++) {
    wry_path_push_index(d->path, i);
    check_int(d, field, json_object_array_get_idx(value, i));
    g_string_truncate(d->path, mark);
  }
  keep(field, value, s);
}

/* A map whose values are no text: `check` looks at each. */
static void decode_checked_map(Decode *d, const WryField *field, WryJson *value, gpointer s) {
  void (*check)(Decode *, const WryField *, WryJson *) = field->kind == WRY_K_INTMAP ? check_int : field->kind == WRY_K_BOOLMAP ? check_bool : check_raw;
  if (!json_object_is_type(value, json_type_object)) {
    refuse(d, WRY_CAUSE_INVALID, "must be an object");
    return;
  }
  json_object_object_foreach(value, key, member) {
    gsize mark = wry_path_push_key(d->path, key);
    check(d, field, member);
    g_string_truncate(d->path, mark);
  }
  keep(field, value, s);
}

typedef void (*DecodeKind)(Decode *d, const WryField *field, WryJson *value, gpointer s);

static const DecodeKind kinds[] = {
    [WRY_K_BOOL] = decode_bool, [WRY_K_INT] = decode_int,           [WRY_K_STR] = decode_str,       [WRY_K_ENUM] = decode_enum, [WRY_K_QUANTITY] = decode_quantity,
    [WRY_K_TIME] = decode_time, [WRY_K_INTORSTR] = decode_int_or_str, [WRY_K_OBJECT] = decode_object, [WRY_K_LIST] = decode_list, [WRY_K_STRLIST] = decode_list,
    [WRY_K_MAP] = decode_map,   [WRY_K_QMAP] = decode_map,          [WRY_K_RAW] = decode_raw,
    [WRY_K_NUMBER] = decode_number, [WRY_K_INTLIST] = decode_int_list, [WRY_K_INTMAP] = decode_checked_map, [WRY_K_BOOLMAP] = decode_checked_map,
    [WRY_K_OBJMAP] = decode_checked_map,
};

/* --- objects ----------------------------------------------------------------------------------------------------------------------------------------------- */
static void refuse_unknown(Decode *d, const WryType *type, WryJson *object) {
  json_object_object_foreach(object, key, value) {
    const WryField *field = type->fields;
    (void)value;
    while (field->name && strcmp(field->name, key)) field++;
    if (field->name) continue;
    gsize mark = wry_path_push_key(d->path, key);
    refuse(d, WRY_CAUSE_FORBIDDEN, "unknown field \"%s\"", d->path->str);
    g_string_truncate(d->path, mark);
  }
}

static void decode_struct(Decode *d, const WryType *type, WryJson *object, gpointer s) {
  for (const WryField *field = type->fields; field->name; field++) {
    WryJson *value = wry_json_get(object, field->name);
    gsize mark = wry_path_push_key(d->path, field->name);
    if (value)
      kinds[field->kind](d, field, value, s);
    else if (field->flags & WRY_F_REQUIRED)
      refuse(d, WRY_CAUSE_REQUIRED, "must be set");
    g_string_truncate(d->path, mark);
  }
  refuse_unknown(d, type, object);
}

gpointer wry_decode(const WryType *type, WryJson *object, const char *path, WryCauses *causes) {
  g_autoptr(GString) at = wry_field_path(path);
  Decode d = {at, causes};
  if (!object || !json_object_is_type(object, json_type_object)) {
    refuse(&d, WRY_CAUSE_INVALID, "must be an object");
    return NULL;
  }
  gpointer s = wry_struct_new(type);
  decode_struct(&d, type, object, s);
  return s;
}
