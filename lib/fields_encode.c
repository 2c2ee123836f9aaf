/* Structs to JSON, in the order of their rows.
 *
 * An absent field stays away unless its row says WRY_F_ALWAYS; then it gets its kind's empty value ({} "" [] 0 false), as Go's encoding/json writes a
 * field without omitempty; a time is null, as metav1.Time prints.
 *
 * Relies on json-c keeping the order of insertion. */
#include <string.h>

#include "fields_internal.h"

static WryJson *encode_bool(const WryField *field, gconstpointer s) {
  return json_object_new_boolean(WRY_CONST_SLOT(WryOptBool, s, field)->v);
}

static WryJson *encode_int(const WryField *field, gconstpointer s) {
  return json_object_new_int64(WRY_CONST_SLOT(WryOptInt, s, field)->v);
}

static WryJson *encode_str(const WryField *field, gconstpointer s) {
  const char *text = *WRY_CONST_SLOT(char *, s, field);
  return json_object_new_string(text ? text : field->kind == WRY_K_QUANTITY ? "0" : "");
}

static WryJson *encode_time(const WryField *field, gconstpointer s) {
  const char *text = *WRY_CONST_SLOT(char *, s, field);
  return text ? json_object_new_string(text) : NULL;
}

/* Decimal text that prints back as itself is a number. */
static WryJson *encode_int_or_str(const WryField *field, gconstpointer s) {
  const char *text = *WRY_CONST_SLOT(char *, s, field);
  gint64 number = text ? g_ascii_strtoll(text, NULL, 10) : 0;
  g_autofree char *again = g_strdup_printf("%" G_GINT64_FORMAT, number);
  gboolean is_number = (!text || !strcmp(text, again)) && number >= G_MININT32 && number <= G_MAXINT32;
  return is_number ? json_object_new_int64(number) : json_object_new_string(text);
}

static WryJson *encode_object(const WryField *field, gconstpointer s) {
  gconstpointer object = *WRY_CONST_SLOT(gpointer, s, field);
  if (object) return wry_encode(field->type, object);
  gpointer blank = wry_struct_new(field->type);
  WryJson *value = wry_encode(field->type, blank);
  wry_struct_free(field->type, blank);
  return value;
}

static WryJson *encode_list(const WryField *field, gconstpointer s) {
  const GPtrArray *list = *WRY_CONST_SLOT(GPtrArray *, s, field);
  WryJson *array = json_object_new_array_ext(list && list->len ? (int)list->len : 1);
  for (guint i = 0; list && i < list->len; i++) {
    gconstpointer element = g_ptr_array_index(list, i);
    json_object_array_add(array, field->kind == WRY_K_LIST ? wry_encode(field->type, element) : json_object_new_string(element));
  }
  return array;
}

/* Deep: the caller may change what it gets. */
static WryJson *encode_json(const WryField *field, gconstpointer s) {
  WryJson *value = *WRY_CONST_SLOT(WryJson *, s, field), *copy = NULL;
  if (!value) return json_object_new_object();
  json_object_deep_copy(value, &copy, NULL);
  return copy;
}

typedef WryJson *(*EncodeKind)(const WryField *field, gconstpointer s);

static const EncodeKind kinds[] = {
    [WRY_K_BOOL] = encode_bool, [WRY_K_INT] = encode_int,           [WRY_K_STR] = encode_str,       [WRY_K_ENUM] = encode_str,  [WRY_K_QUANTITY] = encode_str,
    [WRY_K_TIME] = encode_time, [WRY_K_INTORSTR] = encode_int_or_str, [WRY_K_OBJECT] = encode_object, [WRY_K_LIST] = encode_list, [WRY_K_STRLIST] = encode_list,
    [WRY_K_MAP] = encode_json,  [WRY_K_QMAP] = encode_json,         [WRY_K_RAW] = encode_json,
    [WRY_K_NUMBER] = encode_json, [WRY_K_INTLIST] = encode_json,    [WRY_K_INTMAP] = encode_json,   [WRY_K_BOOLMAP] = encode_json, [WRY_K_OBJMAP] = encode_json,
};

WryJson *wry_encode(const WryType *type, gconstpointer s) {
  WryJson *object = json_object_new_object();
  for (const WryField *field = type->fields; field->name; field++)
    if (wry_field_present(field, s) || (field->flags & WRY_F_ALWAYS)) json_object_object_add(object, field->name, kinds[field->kind](field, s));
  return object;
}
