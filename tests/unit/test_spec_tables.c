/* lib/spec_*.c tables: every field of KubeVirt's CRDs has a row of the same kind, and no row is without a field. Needs the CRDs: $WHERRY_SHARED/kubevirt-crds. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/spec_types.h"
#include "wherry/spec.h"

typedef struct { WryJson *schema; gboolean required; } Node;

static char *shared(void) {
  const char *given = g_getenv("WHERRY_SHARED"), *source = g_getenv("WHERRY_SOURCE");
  return given ? g_strdup(given) : g_build_filename(source ? source : ".", "..", "shared", NULL);
}

static char *crd_path(const char *crd) {
  g_autofree char *base = shared();
  return g_build_filename(base, "kubevirt-crds", crd, NULL);
}

static WryJson *read_schema(const char *crd) {
  g_autofree char *path = crd_path(crd), *text = NULL;
  gsize length;
  if (!g_file_get_contents(path, &text, &length, NULL)) return NULL;
  g_autoptr(GError) error = NULL;
  WryJson *object = wry_json_parse(text, length, &error);
  ck_assert_msg(object != NULL, "%s: %s", path, error ? error->message : "");
  return object;
}

/* --- rows of the tables, with what is kept as JSON ---------------------------------------------------------------------------------------------------------- */
static void add_rows(GHashTable *rows, const WryType *type, const char *path) {
  for (const WryField *field = type->fields; field->name; field++) {
    g_autofree char *at = g_strdup_printf("%s.%s", path, field->name);
    gboolean list = field->kind == WRY_K_LIST || (field->flags & WRY_F_RAW_LIST);
    g_autofree char *inner = g_strdup_printf("%s%s", at, list ? "[]" : "");
    g_hash_table_insert(rows, g_strdup(at), (gpointer)field);
    if (field->type && strcmp(field->name, "metadata")) add_rows(rows, field->type, inner);
  }
}

/* --- nodes of the schema ------------------------------------------------------------------------------------------------------------------------------------ */
static gboolean is_required(WryJson *schema, const char *name) {
  WryJson *required = wry_json_get(schema, "required");
  for (gsize i = 0; required && i < json_object_array_length(required); i++)
    if (!g_strcmp0(json_object_get_string(json_object_array_get_idx(required, i)), name)) return TRUE;
  return FALSE;
}

static void add_nodes(GHashTable *nodes, WryJson *schema, const char *path) {
  WryJson *properties = wry_json_get(schema, "properties"), *items = wry_json_get(schema, "items");
  if (items) {
    g_autofree char *inner = g_strdup_printf("%s[]", path);
    add_nodes(nodes, items, inner);
  }
  if (!properties) return;
  json_object_object_foreach(properties, name, property) {
    g_autofree char *at = g_strdup_printf("%s.%s", path, name);
    Node *node = g_new0(Node, 1);
    *node = (Node){property, is_required(schema, name)};
    g_hash_table_insert(nodes, g_strdup(at), node);
    add_nodes(nodes, property, at);
  }
}

/* --- comparison --------------------------------------------------------------------------------------------------------------------------------------------- */
static WryKind array_kind(WryJson *items) {
  return !g_strcmp0(wry_json_str(items, "type"), "string") ? WRY_K_STRLIST : WRY_K_LIST;
}

static WryKind kind_of(WryJson *schema) {
  const char *type = wry_json_str(schema, "type");
  WryJson *more = wry_json_get(schema, "additionalProperties");
  if (wry_json_get(schema, "x-kubernetes-int-or-string")) return wry_json_get(schema, "pattern") ? WRY_K_QUANTITY : WRY_K_INTORSTR;
  if (more) return wry_json_get(more, "x-kubernetes-int-or-string") ? WRY_K_QMAP : WRY_K_MAP;
  if (!g_strcmp0(type, "array")) return array_kind(wry_json_get(schema, "items"));
  if (!g_strcmp0(type, "boolean")) return WRY_K_BOOL;
  if (!g_strcmp0(type, "integer")) return WRY_K_INT;
  if (!g_strcmp0(type, "string")) return wry_json_get(schema, "enum") ? WRY_K_ENUM : WRY_K_STR;
  return WRY_K_OBJECT;
}

/* What is kept as JSON has the kind of what it is checked against. */
static WryKind row_kind(const WryField *field) {
  if (field->kind != WRY_K_RAW) return field->kind;
  return field->flags & WRY_F_RAW_LIST ? WRY_K_LIST : WRY_K_OBJECT;
}

static gboolean same_values(const WryField *field, WryJson *values) {
  gsize count = json_object_array_length(values);
  for (gsize i = 0; i < count; i++)
    if (!g_strv_contains(field->values, json_object_get_string(json_object_array_get_idx(values, i)))) return FALSE;
  return g_strv_length((char **)field->values) == count;
}

static const char *disagreement(const WryField *field, const Node *node) {
  WryKind kind = kind_of(node->schema);
  if (row_kind(field) != kind) return "kind";
  if (!(field->flags & WRY_F_REQUIRED) != !node->required) return "required";
  if (kind == WRY_K_INT && !(field->flags & WRY_F_INT32) != (g_strcmp0(wry_json_str(node->schema, "format"), "int32") != 0)) return "int32";
  if (kind == WRY_K_ENUM && !same_values(field, wry_json_get(node->schema, "enum"))) return "enum";
  if (field->max_items != wry_json_int(node->schema, "maxItems", 0)) return "maxItems";
  return NULL;
}

static void compare(const WryType *type, WryJson *schema) {
  g_autoptr(GHashTable) rows = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL), nodes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  GHashTableIter iter;
  gpointer path, value;
  add_rows(rows, type, "spec");
  add_nodes(nodes, schema, "spec");
  ck_assert_uint_gt(g_hash_table_size(nodes), 500);
  g_hash_table_iter_init(&iter, nodes);
  while (g_hash_table_iter_next(&iter, &path, &value)) {
    const WryField *field = g_hash_table_lookup(rows, path);
    ck_assert_msg(field != NULL, "%s has no row", (char *)path);
    const char *what = disagreement(field, value);
    ck_assert_msg(!what, "%s: %s differs from the CRD", (char *)path, what);
  }
  g_hash_table_iter_init(&iter, rows);
  while (g_hash_table_iter_next(&iter, &path, &value))
    ck_assert_msg(g_hash_table_contains(nodes, path) || strstr(path, ".metadata."), "%s is not in the CRD", (char *)path);
}

static const struct { const char *crd, *kind; } crds[] = {
    {"virtualmachineinstances.kubevirt.io.json", "VirtualMachineInstance"},
    {"virtualmachines.kubevirt.io.json", "VirtualMachine"},
};

START_TEST(rows_are_the_crds) {
  g_autoptr(WryJson) crd = read_schema(crds[_i].crd);
  ck_assert_ptr_nonnull(crd);
  WryJson *schema = wry_json_path(crd, "spec.versions[0].schema.openAPIV3Schema.properties.spec");
  ck_assert_ptr_nonnull(schema);
  compare(wry_field_type(wry_kind_type(crds[_i].kind, NULL), "spec"), schema);
}
END_TEST

int main(void) {
  g_autofree char *path = crd_path(crds[0].crd);
  if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
    g_print("KubeVirt's CRDs are not there (WHERRY_SHARED)\n");
    return 77;
  }
  Suite *suite = suite_create("spec tables");
  TCase *tcase = tcase_create("spec tables");
  tcase_add_loop_test(tcase, rows_are_the_crds, 0, G_N_ELEMENTS(crds));
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
