/* Life of structs that are described by rows: new, free, copy, compare, and walks over what is set and over what could be.
 *
 * Each kind is stored in one of six ways (fields.h lists them); `stores` has the operations of each, so adding a kind is a row in `kinds`.
 *
 * Relies on json-c for MAP and RAW, which are held as JSON objects. */
#include "wherry/fields.h"

#include <string.h>

#include "fields_internal.h"
#include "wherry/limits.h"

/* --- one store each: how a slot is freed, copied, compared ---------------------------------------------------------------------------------------------- */
static void clear_string(const WryField *field, gpointer s) {
  g_free(*WRY_SLOT(char *, s, field));
}

static void copy_string(const WryField *field, gpointer to, gconstpointer from) {
  *WRY_SLOT(char *, to, field) = g_strdup(*WRY_CONST_SLOT(char *, from, field));
}

static gboolean equal_string(const WryField *field, gconstpointer a, gconstpointer b) {
  return g_strcmp0(*WRY_CONST_SLOT(char *, a, field), *WRY_CONST_SLOT(char *, b, field)) == 0;
}

static gboolean present_pointer(const WryField *field, gconstpointer s) {
  return *WRY_CONST_SLOT(gpointer, s, field) != NULL;
}

static gboolean empty_string(const WryField *field, gconstpointer s) {
  const char *text = *WRY_CONST_SLOT(char *, s, field);
  return !text || !*text;
}

static void copy_bool(const WryField *field, gpointer to, gconstpointer from) {
  *WRY_SLOT(WryOptBool, to, field) = *WRY_CONST_SLOT(WryOptBool, from, field);
}

static gboolean equal_bool(const WryField *field, gconstpointer a, gconstpointer b) {
  const WryOptBool *x = WRY_CONST_SLOT(WryOptBool, a, field), *y = WRY_CONST_SLOT(WryOptBool, b, field);
  return !x->set == !y->set && (!x->set || !x->v == !y->v);
}

static gboolean present_bool(const WryField *field, gconstpointer s) {
  return WRY_CONST_SLOT(WryOptBool, s, field)->set;
}

static void copy_int(const WryField *field, gpointer to, gconstpointer from) {
  *WRY_SLOT(WryOptInt, to, field) = *WRY_CONST_SLOT(WryOptInt, from, field);
}

static gboolean equal_int(const WryField *field, gconstpointer a, gconstpointer b) {
  const WryOptInt *x = WRY_CONST_SLOT(WryOptInt, a, field), *y = WRY_CONST_SLOT(WryOptInt, b, field);
  return !x->set == !y->set && (!x->set || x->v == y->v);
}

static gboolean present_int(const WryField *field, gconstpointer s) {
  return WRY_CONST_SLOT(WryOptInt, s, field)->set;
}

static void clear_object(const WryField *field, gpointer s) {
  wry_struct_free(field->type, *WRY_SLOT(gpointer, s, field));
}

static void copy_object(const WryField *field, gpointer to, gconstpointer from) {
  *WRY_SLOT(gpointer, to, field) = wry_struct_copy(field->type, *WRY_CONST_SLOT(gpointer, from, field));
}

static gboolean equal_object(const WryField *field, gconstpointer a, gconstpointer b) {
  return wry_struct_equal(field->type, *WRY_CONST_SLOT(gpointer, a, field), *WRY_CONST_SLOT(gpointer, b, field));
}

/* Elements of a LIST are structs, of a STRLIST strings. */
static void clear_list(const WryField *field, gpointer s) {
  GPtrArray *list = *WRY_SLOT(GPtrArray *, s, field);
  if (!list) return;
  g_ptr_array_set_free_func(list, NULL);
  for (guint i = 0; i < list->len; i++) {
    gpointer element = g_ptr_array_index(list, i);
    if (field->kind == WRY_K_LIST)
      wry_struct_free(field->type, element);
    else
      g_free(element);
  }
  g_ptr_array_unref(list);
}

static void copy_list(const WryField *field, gpointer to, gconstpointer from) {
  const GPtrArray *list = *WRY_CONST_SLOT(GPtrArray *, from, field);
  if (!list) return;
  GPtrArray *copy = *WRY_SLOT(GPtrArray *, to, field) = wry_field_list_new(field);
  for (guint i = 0; i < list->len; i++) {
    gconstpointer element = g_ptr_array_index(list, i);
    g_ptr_array_add(copy, field->kind == WRY_K_LIST ? wry_struct_copy(field->type, element) : g_strdup(element));
  }
}

static gboolean equal_list(const WryField *field, gconstpointer a, gconstpointer b) {
  const GPtrArray *x = *WRY_CONST_SLOT(GPtrArray *, a, field), *y = *WRY_CONST_SLOT(GPtrArray *, b, field);
  if (!x || !y || x->len != y->len) return x == y;
  for (guint i = 0; i < x->len; i++) {
    gconstpointer p = g_ptr_array_index(x, i), q = g_ptr_array_index(y, i);
    if (field->kind == WRY_K_LIST ? !wry_struct_equal(field->type, p, q) : g_strcmp0(p, q) != 0) return FALSE;
  }
  return TRUE;
}

static gboolean empty_list(const WryField *field, gconstpointer s) {
  const GPtrArray *list = *WRY_CONST_SLOT(GPtrArray *, s, field);
  return !list || !list->len;
}

static void clear_json(const WryField *field, gpointer s) {
  wry_json_put(*WRY_SLOT(WryJson *, s, field));
}

/* Deep: a copy must not change with the original. */
static void copy_json(const WryField *field, gpointer to, gconstpointer from) {
  WryJson *value = *WRY_CONST_SLOT(WryJson *, from, field);
  if (value) json_object_deep_copy(value, WRY_SLOT(WryJson *, to, field), NULL);
}

static gboolean equal_json(const WryField *field, gconstpointer a, gconstpointer b) {
  return json_object_equal(*WRY_CONST_SLOT(WryJson *, a, field), *WRY_CONST_SLOT(WryJson *, b, field));
}

static gboolean empty_json(const WryField *field, gconstpointer s) {
  WryJson *value = *WRY_CONST_SLOT(WryJson *, s, field);
  return !value || (json_object_is_type(value, json_type_object) && !json_object_object_length(value));
}

typedef struct {
  void (*clear)(const WryField *field, gpointer s); /* may be NULL */
  void (*copy)(const WryField *field, gpointer to, gconstpointer from);
  gboolean (*equal)(const WryField *field, gconstpointer a, gconstpointer b);
  gboolean (*present)(const WryField *field, gconstpointer s);
  gboolean (*empty)(const WryField *field, gconstpointer s); /* NULL: a present value is never empty */
} Store;

static const Store bool_store = {NULL, copy_bool, equal_bool, present_bool, NULL};
static const Store int_store = {NULL, copy_int, equal_int, present_int, NULL};
static const Store string_store = {clear_string, copy_string, equal_string, present_pointer, empty_string};
static const Store object_store = {clear_object, copy_object, equal_object, present_pointer, NULL};
static const Store list_store = {clear_list, copy_list, equal_list, present_pointer, empty_list};
static const Store json_store = {clear_json, copy_json, equal_json, present_pointer, empty_json};

static const Store *const kinds[] = {
    [WRY_K_BOOL] = &bool_store,     [WRY_K_INT] = &int_store,         [WRY_K_STR] = &string_store,    [WRY_K_ENUM] = &string_store, [WRY_K_QUANTITY] = &string_store,
    [WRY_K_TIME] = &string_store,   [WRY_K_INTORSTR] = &string_store, [WRY_K_OBJECT] = &object_store, [WRY_K_LIST] = &list_store,   [WRY_K_STRLIST] = &list_store,
    [WRY_K_MAP] = &json_store,      [WRY_K_QMAP] = &json_store,       [WRY_K_RAW] = &json_store,
    [WRY_K_NUMBER] = &json_store,   [WRY_K_INTLIST] = &json_store,    [WRY_K_INTMAP] = &json_store,   [WRY_K_BOOLMAP] = &json_store, [WRY_K_OBJMAP] = &json_store,
};

/* --- structs -------------------------------------------------------------------------------------------------------------------------------------------- */
gboolean wry_field_present(const WryField *field, gconstpointer s) {
  return kinds[field->kind]->present(field, s);
}

gboolean wry_field_empty(const WryField *field, gconstpointer s) {
  return kinds[field->kind]->empty && kinds[field->kind]->empty(field, s);
}

/* Elements are freed by clear_list; a free function is only there for arrays of strings that callers take apart themselves. */
GPtrArray *wry_field_list_new(const WryField *field) {
  return field->kind == WRY_K_LIST ? g_ptr_array_new() : g_ptr_array_new_with_free_func(g_free);
}

GString *wry_field_path(const char *path) {
  GString *text = g_string_new(path);
  if (text->len && text->str[text->len - 1] == '.') g_string_truncate(text, text->len - 1);
  return text;
}

/* An empty type has size 0 in GNU C, and its struct must still be told from NULL. */
gpointer wry_struct_new(const WryType *type) {
  return g_malloc0(MAX(type->size, 1));
}

void wry_struct_free(const WryType *type, gpointer s) {
  if (!s) return;
  for (const WryField *field = type->fields; field->name; field++)
    if (kinds[field->kind]->clear) kinds[field->kind]->clear(field, s);
  g_free(s);
}

gpointer wry_struct_copy(const WryType *type, gconstpointer s) {
  if (!s) return NULL;
  gpointer copy = wry_struct_new(type);
  for (const WryField *field = type->fields; field->name; field++) kinds[field->kind]->copy(field, copy, s);
  return copy;
}

gboolean wry_struct_equal(const WryType *type, gconstpointer a, gconstpointer b) {
  if (!a || !b) return a == b;
  for (const WryField *field = type->fields; field->name; field++)
    if (!kinds[field->kind]->equal(field, a, b)) return FALSE;
  return TRUE;
}

/* --- refusal of what this version lacks -------------------------------------------------------------------------------------------------------------------- */
static void refuse(const WryType *type, gconstpointer s, guint flags, GString *path, WryCauses *causes);

static void refuse_list(const WryField *field, const GPtrArray *list, guint flags, GString *path, WryCauses *causes) {
  gsize mark = path->len;
  for (guint i = 0; i < list->len; i++) {
    g_string_append_printf(path, "[%u]", i);
    refuse(field->type, g_ptr_array_index(list, i), flags, path, causes);
    g_string_truncate(path, mark);
  }
}

static void refuse_field(const WryField *field, gconstpointer s, guint flags, GString *path, WryCauses *causes) {
  if (field->flags & flags) {
    const char *where = field->flags & WRY_F_BY_CLUSTER ? " without a cluster" : "";
    if (!wry_field_empty(field, s)) wry_causes_add(causes, WRY_CAUSE_NOT_SUPPORTED, path->str, "not supported by this version%s", where);
  } else if (field->kind == WRY_K_OBJECT) {
    refuse(field->type, *WRY_CONST_SLOT(gpointer, s, field), flags, path, causes);
  } else if (field->kind == WRY_K_LIST) {
    refuse_list(field, *WRY_CONST_SLOT(GPtrArray *, s, field), flags, path, causes);
  }
}

static void refuse(const WryType *type, gconstpointer s, guint flags, GString *path, WryCauses *causes) {
  gsize mark = path->len;
  for (const WryField *field = type->fields; field->name; field++) {
    if (!wry_field_present(field, s)) continue;
    g_string_append_printf(path, mark ? ".%s" : "%s", field->name);
    refuse_field(field, s, flags, path, causes);
    g_string_truncate(path, mark);
  }
}

void wry_refuse_unsupported(const WryType *type, gconstpointer s, guint flags, const char *path, WryCauses *causes) {
  g_autoptr(GString) at = wry_field_path(path);
  if (s) refuse(type, s, flags, at, causes);
}

/* --- every row there is ---------------------------------------------------------------------------------------------------------------------------------------- */
/* The depth bound ends types that contain themselves. */
static void walk(const WryType *type, GString *path, guint depth, WryFieldVisit each, gpointer data) {
  gsize mark = path->len;
  if (depth > WRY_MAX_JSON_DEPTH) return;
  for (const WryField *field = type->fields; field->name; field++) {
    g_string_append_printf(path, mark ? ".%s" : "%s", field->name);
    each(path->str, field, data);
    if (field->kind == WRY_K_LIST || (field->flags & WRY_F_RAW_LIST)) g_string_append(path, "[]");
    if (field->kind == WRY_K_OBJMAP) g_string_append(path, "{}");
    if (field->type) walk(field->type, path, depth + 1, each, data);
    g_string_truncate(path, mark);
  }
}

void wry_fields_walk(const WryType *type, const char *path, WryFieldVisit each, gpointer data) {
  g_autoptr(GString) at = wry_field_path(path);
  walk(type, at, 1, each, data);
}
