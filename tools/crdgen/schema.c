/* Field tables to structural schemas: one row becomes one property, one function per kind of field.
 *
 * A list is atomic unless keywords.c says otherwise. Metadata of the object itself is the API server's; metadata inside a template is left open, as it is checked
 * when an object is made of it. Relies on field tables having no cycles. */
#include "crdgen.h"

#include <string.h>

#include "wherry/spec.h"

/* resource.Quantity's grammar. */
#define QUANTITY_PATTERN "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$"

static WryJson *object_schema(const WryType *type, CrdTexts *texts);

static void put(WryJson *schema, const char *key, const char *value) {
  json_object_object_add(schema, key, json_object_new_string(value));
}

static WryJson *typed(const char *type) {
  WryJson *schema = json_object_new_object();
  put(schema, "type", type);
  return schema;
}

/* "Cpu.cores" of WryCpu's row `cores`. New. */
static char *place(const WryType *type, const char *field) {
  const char *name = g_str_has_prefix(type->name, "Wry") ? type->name + strlen("Wry") : type->name;
  return field ? g_strdup_printf("%s.%s", name, field) : g_strdup(name);
}

/* --- one function per kind --------------------------------------------------------------------------------------------------------------------------------- */
static WryJson *plain_schema(const WryField *field, CrdTexts *texts) {
  static const char *const types[] = {
      [WRY_K_BOOL] = "boolean", [WRY_K_INT] = "integer", [WRY_K_STR] = "string", [WRY_K_ENUM] = "string", [WRY_K_TIME] = "string", [WRY_K_NUMBER] = "number"};
  WryJson *schema = typed(types[field->kind]);
  (void)texts;
  if (field->flags & WRY_F_INT32) put(schema, "format", "int32");
  if (field->kind == WRY_K_TIME) put(schema, "format", "date-time");
  if (field->kind == WRY_K_ENUM) {
    WryJson *values = json_object_new_array();
    for (guint i = 0; field->values[i]; i++) json_object_array_add(values, json_object_new_string(field->values[i]));
    json_object_object_add(schema, "enum", values);
  }
  return schema;
}

static WryJson *int_or_string(gboolean quantity) {
  WryJson *schema = json_object_new_object(), *either = json_object_new_array();
  json_object_array_add(either, typed("integer"));
  json_object_array_add(either, typed("string"));
  json_object_object_add(schema, "anyOf", either);
  if (quantity) put(schema, "pattern", QUANTITY_PATTERN);
  json_object_object_add(schema, "x-kubernetes-int-or-string", json_object_new_boolean(TRUE));
  return schema;
}

static WryJson *loose_schema(const WryField *field, CrdTexts *texts) {
  (void)texts;
  return int_or_string(field->kind == WRY_K_QUANTITY);
}

static WryJson *list_schema(const WryField *field, WryJson *items) {
  WryJson *schema = typed("array");
  json_object_object_add(schema, "items", items);
  if (field->max_items) json_object_object_add(schema, "maxItems", json_object_new_int64(field->max_items));
  put(schema, "x-kubernetes-list-type", "atomic");
  return schema;
}

static WryJson *list_of_objects(const WryField *field, CrdTexts *texts) {
  return list_schema(field, object_schema(field->type, texts));
}

static WryJson *list_of_values(const WryField *field, CrdTexts *texts) {
  (void)texts;
  return list_schema(field, field->flags & WRY_F_INLINE_QTY ? int_or_string(TRUE) : typed(field->kind == WRY_K_INTLIST ? "integer" : "string"));
}

static WryJson *map_value(const WryField *field, CrdTexts *texts) {
  switch (field->kind) {
    case WRY_K_QMAP: return int_or_string(TRUE);
    case WRY_K_INTMAP: return typed("integer");
    case WRY_K_BOOLMAP: return typed("boolean");
    case WRY_K_OBJMAP: return object_schema(field->type, texts);
    default: return typed("string");
  }
}

static WryJson *map_schema(const WryField *field, CrdTexts *texts) {
  WryJson *schema = typed("object");
  json_object_object_add(schema, "additionalProperties", map_value(field, texts));
  return schema;
}

static WryJson *struct_schema(const WryField *field, CrdTexts *texts) {
  return object_schema(field->type, texts);
}

static WryJson *raw_schema(const WryField *field, CrdTexts *texts) {
  if (!field->type) return typed("object");
  return field->flags & WRY_F_RAW_LIST ? list_of_objects(field, texts) : object_schema(field->type, texts);
}

typedef WryJson *(*SchemaOf)(const WryField *field, CrdTexts *texts);

static const SchemaOf kinds[] = {
    [WRY_K_BOOL] = plain_schema,    [WRY_K_INT] = plain_schema,      [WRY_K_STR] = plain_schema,      [WRY_K_ENUM] = plain_schema,     [WRY_K_QUANTITY] = loose_schema,
    [WRY_K_TIME] = plain_schema,    [WRY_K_INTORSTR] = loose_schema, [WRY_K_OBJECT] = struct_schema,  [WRY_K_LIST] = list_of_objects,  [WRY_K_STRLIST] = list_of_values,
    [WRY_K_MAP] = map_schema,       [WRY_K_QMAP] = map_schema,       [WRY_K_RAW] = raw_schema,        [WRY_K_NUMBER] = plain_schema,   [WRY_K_INTLIST] = list_of_values,
    [WRY_K_INTMAP] = map_schema,    [WRY_K_BOOLMAP] = map_schema,    [WRY_K_OBJMAP] = map_schema,
};

/* --- objects ---------------------------------------------------------------------------------------------------------------------------------------------------- */
static void describe(WryJson *schema, const char *at, CrdTexts *texts) {
  const char *text = crd_texts_get(texts, at);
  if (text) put(schema, "description", text);
  crd_keywords_apply(at, schema);
}

static void put_lacking(WryJson *schema) {
  const char *text = wry_json_str(schema, "description");
  g_autofree char *full = g_strdup_printf("%s Not supported by this version.", text ? text : "");
  put(schema, "description", full);
}

static WryJson *open_object(void) {
  WryJson *schema = typed("object");
  json_object_object_add(schema, "x-kubernetes-preserve-unknown-fields", json_object_new_boolean(TRUE));
  return schema;
}

static WryJson *property(const WryType *type, const WryField *field, CrdTexts *texts) {
  g_autofree char *at = place(type, field->name);
  WryJson *schema = field->type == &wry_meta_type ? open_object() : kinds[field->kind](field, texts);
  describe(schema, at, texts);
  if (field->flags & WRY_F_UNSUPPORTED) put_lacking(schema);
  return schema;
}

static int by_name(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void put_required(WryJson *schema, GPtrArray *names) {
  WryJson *required = json_object_new_array();
  g_ptr_array_sort(names, by_name);
  for (guint i = 0; i < names->len; i++) json_object_array_add(required, json_object_new_string(names->pdata[i]));
  json_object_object_add(schema, "required", required);
}

static WryJson *object_schema(const WryType *type, CrdTexts *texts) {
  WryJson *schema = typed("object"), *properties = json_object_new_object();
  g_autoptr(GPtrArray) required = g_ptr_array_new();
  g_autofree char *at = place(type, NULL);
  for (const WryField *field = type->fields; field->name; field++) {
    json_object_object_add(properties, field->name, property(type, field, texts));
    if (field->flags & WRY_F_REQUIRED) g_ptr_array_add(required, (gpointer)field->name);
  }
  if (json_object_object_length(properties))
    json_object_object_add(schema, "properties", properties);
  else
    json_object_put(properties);
  if (required->len) put_required(schema, required);
  crd_keywords_apply(at, schema);
  return schema;
}

/* --- the object itself --------------------------------------------------------------------------------------------------------------------------------------------- */
static const char *const own[] = {"apiVersion", "kind"};

/* Of metadata the API server lets nothing be said, not even a description. */
static void put_type_meta(WryJson *properties, CrdTexts *texts) {
  for (guint i = 0; i < G_N_ELEMENTS(own); i++) {
    g_autofree char *at = g_strdup_printf("Object.%s", own[i]);
    WryJson *schema = typed("string");
    describe(schema, at, texts);
    json_object_object_add(properties, own[i], schema);
  }
  json_object_object_add(properties, "metadata", typed("object"));
}

static void put_status(WryJson *properties, const CrdKind *kind, CrdTexts *texts) {
  g_autofree char *at = place(kind->type, "status");
  WryJson *schema = object_schema(kind->status, texts);
  describe(schema, at, texts);
  json_object_object_add(properties, "status", schema);
}

/* spec has the decoder's rows; status is text for the decoder and has rows of its own. */
WryJson *crd_schema_new(const CrdKind *kind, CrdTexts *texts) {
  WryJson *schema = typed("object"), *properties = json_object_new_object();
  g_autoptr(GPtrArray) required = g_ptr_array_new();
  g_autofree char *at = place(kind->type, NULL);
  put_type_meta(properties, texts);
  for (const WryField *field = kind->type->fields; field->name; field++) {
    if (strcmp(field->name, "spec")) continue;
    json_object_object_add(properties, "spec", property(kind->type, field, texts));
    if (field->flags & WRY_F_REQUIRED) g_ptr_array_add(required, (gpointer) "spec");
  }
  if (kind->status) put_status(properties, kind, texts);
  json_object_object_add(schema, "properties", properties);
  if (required->len) put_required(schema, required);
  describe(schema, at, texts);
  return schema;
}
