/* downwardAPI fields of a VMI as text, as Kubernetes writes them into files.
 *
 * How it works: a field path is a row with the function that writes it; labels and annotations are `key="value"` lines in the order of keys, or one value with ['key'].
 * Pure. Relies on: Kubernetes' downward API (core/v1 ObjectFieldSelector, ResourceFieldSelector). */
#include "handler/volumes.h"

#include "wherry/limits.h"

static int by_text(gconstpointer a, gconstpointer b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Go's %q of a value. */
static void append_quoted(GString *text, const char *value) {
  g_string_append_c(text, '"');
  for (const char *c = value; *c; c++) {
    if (*c == '"' || *c == '\\') g_string_append_c(text, '\\');
    if (*c == '\n') g_string_append(text, "\\n");
    else if (*c == '\t') g_string_append(text, "\\t");
    else if (*c == '\r') g_string_append(text, "\\r");
    else if ((guchar)*c < 0x20) g_string_append_printf(text, "\\x%02x", (guchar)*c);
    else g_string_append_c(text, *c);
  }
  g_string_append_c(text, '"');
}

static char *map_text(WryJson *map) {
  GString *text = g_string_new(NULL);
  g_autoptr(GPtrArray) keys = g_ptr_array_new();
  if (map) {
    json_object_object_foreach(map, key, value) {
      (void)value;
      g_ptr_array_add(keys, key);
    }
  }
  g_ptr_array_sort(keys, by_text);
  for (guint i = 0; i < keys->len; i++) {
    if (i) g_string_append_c(text, '\n');
    g_string_append_printf(text, "%s=", (char *)keys->pdata[i]);
    append_quoted(text, wry_json_str(map, keys->pdata[i]) ? wry_json_str(map, keys->pdata[i]) : "");
  }
  return g_string_free(text, FALSE);
}

/* "metadata.labels['key']": the value, empty when absent; NULL when the path is not of this form. */
static char *map_value(WryJson *map, const char *subscript) {
  gsize length = strlen(subscript);
  if (length < 4 || strncmp(subscript, "['", 2) != 0 || strcmp(subscript + length - 2, "']") != 0) return NULL;
  g_autofree char *key = g_strndup(subscript + 2, length - 4);
  const char *value = map ? wry_json_str(map, key) : NULL;
  return g_strdup(value ? value : "");
}

char *wry_downward_field(const WryInstance *instance, const char *field) {
  const WryMeta *meta = instance->object->metadata;
  const struct { const char *path, *value; } plain[] = {{"metadata.name", meta->name}, {"metadata.namespace", meta->namespace_}, {"metadata.uid", instance->uid}};
  for (gsize i = 0; field && i < G_N_ELEMENTS(plain); i++)
    if (strcmp(field, plain[i].path) == 0) return g_strdup(plain[i].value);
  const struct { const char *path; WryJson *map; } maps[] = {{"metadata.labels", meta->labels}, {"metadata.annotations", meta->annotations}};
  for (gsize i = 0; field && i < G_N_ELEMENTS(maps); i++) {
    if (!g_str_has_prefix(field, maps[i].path)) continue;
    const char *rest = field + strlen(maps[i].path);
    return *rest ? map_value(maps[i].map, rest) : map_text(maps[i].map);
  }
  return NULL;
}

char *wry_downward_resource(const WryVmiSpec *spec, const WryResourceFieldRef *ref) {
  const WryResources *resources = spec->domain->resources;
  const char *dot = ref->resource ? strchr(ref->resource, '.') : NULL;
  if (!dot) return NULL;
  gboolean limits = g_str_has_prefix(ref->resource, "limits."), requests = g_str_has_prefix(ref->resource, "requests.");
  WryJson *map = !resources ? NULL : limits ? resources->limits : resources->requests;
  const char *value = map ? wry_json_str(map, dot + 1) : NULL;
  gint64 amount = 0, divisor = 1;
  if (!limits && !requests) return NULL;
  gboolean milli = ref->divisor && g_str_has_suffix(ref->divisor, "m");
  if (value && !(milli ? wry_quantity_milli(value, &amount) : wry_quantity_value(value, &amount))) return NULL;
  if (ref->divisor && !(milli ? wry_quantity_milli(ref->divisor, &divisor) : wry_quantity_value(ref->divisor, &divisor))) return NULL;
  if (divisor <= 0) divisor = 1;
  return g_strdup_printf("%" G_GINT64_FORMAT, amount / divisor + (amount % divisor != 0));
}
