/* Checks of what a struct keeps as JSON. A RAW row with a type says what shape the JSON must have: it is decoded against that type for its causes, and thrown
 * away. Walks the values that are there. Relies on fields.c for the decoding. */
#include "lib/spec_types.h"

#define SLOT(T, s, field) (*(T const *)(gconstpointer)((const char *)(s) + (field)->offset))

static void check_value(const WryType *type, WryJson *value, const char *path, WryCauses *causes) {
  gpointer s = wry_decode(type, value, path, causes);
  if (s) wry_struct_free(type, s);
}

static void check_raw(const WryField *field, WryJson *value, const char *path, WryCauses *causes) {
  if (!(field->flags & WRY_F_RAW_LIST)) {
    check_value(field->type, value, path, causes);
    return;
  }
  if (!json_object_is_type(value, json_type_array)) {
    wry_causes_add(causes, WRY_CAUSE_INVALID, path, "must be a list");
    return;
  }
  for (gsize i = 0; i < json_object_array_length(value); i++) {
    g_autofree char *at = g_strdup_printf("%s[%zu]", path, i);
    check_value(field->type, json_object_array_get_idx(value, i), at, causes);
  }
}

static void check_list(const WryField *field, const GPtrArray *list, const char *path, WryCauses *causes) {
  for (guint i = 0; i < list->len; i++) {
    g_autofree char *at = g_strdup_printf("%s[%u]", path, i);
    wry_raw_check(field->type, g_ptr_array_index(list, i), at, causes);
  }
}

void wry_raw_check(const WryType *type, gconstpointer s, const char *path, WryCauses *causes) {
  for (const WryField *field = type->fields; field->name; field++) {
    g_autofree char *at = g_strdup_printf("%s%s%s", path, *path ? "." : "", field->name);
    if (field->kind == WRY_K_RAW && field->type && SLOT(WryJson *, s, field)) check_raw(field, SLOT(WryJson *, s, field), at, causes);
    if (field->kind == WRY_K_OBJECT && SLOT(gpointer, s, field)) wry_raw_check(field->type, SLOT(gpointer, s, field), at, causes);
    if (field->kind == WRY_K_LIST && SLOT(GPtrArray *, s, field)) check_list(field, SLOT(GPtrArray *, s, field), at, causes);
  }
}
