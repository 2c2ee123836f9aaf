/* The written form of an object. KubeVirt's webhooks answer with the object as Go's encoding/json writes it, so a value that is "omitempty" and zero
 * disappears and a quantity comes back in its canonical form ("1024Mi" as "1Gi"). This file does the same to a struct, one small function per kind, by its rows.
 *
 * Relies on: rows carry WRY_F_ALWAYS, WRY_F_ZERO_ABSENT and WRY_F_EMPTY_KEPT where Go's types have them. */
#include "lib/spec_default.h"

#define SLOT(T, s, field) ((T *)(void *)((char *)(s) + (field)->offset))

static void normal_bool(const WryField *field, gpointer s) {
  WryOptBool *value = SLOT(WryOptBool, s, field);
  if ((field->flags & WRY_F_ZERO_ABSENT) && !value->v) value->set = FALSE;
}

static void normal_int(const WryField *field, gpointer s) {
  WryOptInt *value = SLOT(WryOptInt, s, field);
  if ((field->flags & WRY_F_ZERO_ABSENT) && !value->v) value->set = FALSE;
}

static void normal_str(const WryField *field, gpointer s) {
  char **text = SLOT(char *, s, field);
  if (*text && !**text && !(field->flags & (WRY_F_EMPTY_KEPT | WRY_F_ALWAYS))) g_clear_pointer(text, g_free);
}

static void normal_quantity(const WryField *field, gpointer s) {
  char **text = SLOT(char *, s, field);
  char *canonical = *text ? wry_quantity_canonical(*text) : NULL;
  if (!canonical) return;
  g_free(*text);
  *text = canonical;
}

static void normal_object(const WryField *field, gpointer s) {
  gpointer object = *SLOT(gpointer, s, field);
  if (object) wry_struct_normalize(field->type, object);
}

static void normal_list(const WryField *field, gpointer s) {
  GPtrArray **list = SLOT(GPtrArray *, s, field);
  for (guint i = 0; field->kind == WRY_K_LIST && *list && i < (*list)->len; i++) wry_struct_normalize(field->type, g_ptr_array_index(*list, i));
  if (*list && !(*list)->len && !(field->flags & WRY_F_ALWAYS)) g_clear_pointer(list, g_ptr_array_unref);
}

static void normal_map(const WryField *field, gpointer s) {
  WryJson **map = SLOT(WryJson *, s, field);
  if (*map && !json_object_object_length(*map) && !(field->flags & WRY_F_ALWAYS)) g_clear_pointer(map, wry_json_put);
}

static void normal_quantities(const WryField *field, gpointer s) {
  WryJson *map = *SLOT(WryJson *, s, field);
  if (map) {
    WryJson *fresh = json_object_new_object();
    json_object_object_foreach(map, key, value) {
      g_autofree char *canonical = wry_quantity_canonical(json_object_get_string(value));
      json_object_object_add(fresh, key, canonical ? json_object_new_string(canonical) : json_object_get(value));
    }
    wry_json_put(map);
    *SLOT(WryJson *, s, field) = fresh;
  }
  normal_map(field, s);
}

static void normal_nothing(const WryField *field, gpointer s) {
  (void)field;
  (void)s;
}

static void (*const kinds[])(const WryField *field, gpointer s) = {
    [WRY_K_BOOL] = normal_bool,         [WRY_K_INT] = normal_int,      [WRY_K_STR] = normal_str,       [WRY_K_ENUM] = normal_str, [WRY_K_QUANTITY] = normal_quantity,
    [WRY_K_TIME] = normal_str,          [WRY_K_INTORSTR] = normal_nothing, [WRY_K_OBJECT] = normal_object, [WRY_K_LIST] = normal_list, [WRY_K_STRLIST] = normal_list,
    [WRY_K_MAP] = normal_map,           [WRY_K_QMAP] = normal_quantities, [WRY_K_RAW] = normal_nothing,
    [WRY_K_NUMBER] = normal_nothing,    [WRY_K_INTLIST] = normal_nothing, [WRY_K_INTMAP] = normal_nothing, [WRY_K_BOOLMAP] = normal_nothing, [WRY_K_OBJMAP] = normal_nothing,
};

void wry_struct_normalize(const WryType *type, gpointer s) {
  for (const WryField *field = type->fields; field->name; field++) kinds[field->kind](field, s);
}
