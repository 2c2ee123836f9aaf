/* Manifest files: one or more objects in YAML or JSON, Lists taken apart.
 *
 * A text that starts with '{' is tried as a run of JSON values first, because JSON's surrogate pairs and tabs are no YAML; when that fails for another
 * reason than a limit it is read as YAML, as kubectl does, and the YAML reader's error counts. The members of a List become documents of their own; their
 * lines are seen through the List's table.
 *
 * Relies on both readers refusing duplicate keys and bounding depth and memory. */
#include <string.h>

#include "json_internal.h"
#include "wherry/error.h"
#include "wherry/limits.h"
#include "yaml_internal.h"

static void free_document(gpointer data) {
  wry_document_free(data);
}

static WryDocument *document_new(WryJson *take_object, WryLines *take_lines) {
  WryDocument *document = g_new0(WryDocument, 1);
  document->object = take_object;
  document->lines = take_lines;
  return document;
}

static gboolean read_json_documents(const char *text, gsize length, GPtrArray *documents, GError **error) {
  WryJsonReader reader;
  gboolean good = TRUE;
  wry_json_reader_init(&reader, text, length, NULL);
  while (good && reader.pos < length) {
    WryJson *value = NULL;
    g_autoptr(WryLines) lines = wry_lines_new();
    reader.lines = lines;
    good = wry_json_read(&reader, &value, error) && json_object_is_type(value, json_type_object);
    if (good)
      g_ptr_array_add(documents, document_new(value, g_steal_pointer(&lines)));
    else
      wry_json_put(value);
  }
  wry_json_reader_clear(&reader);
  return good;
}

static gboolean looks_like_json(const char *text, gsize length) {
  gsize i = 0;
  while (i < length && g_ascii_isspace(text[i])) i++;
  return i < length && text[i] == '{';
}

static gboolean read_documents(const char *text, gsize length, GPtrArray *documents, GError **error) {
  if (looks_like_json(text, length)) {
    g_autoptr(GError) why = NULL;
    if (read_json_documents(text, length, documents, &why)) return TRUE;
    if (g_error_matches(why, WRY_ERROR, WRY_ERROR_TOO_LARGE)) {
      g_propagate_error(error, g_steal_pointer(&why));
      return FALSE;
    }
    g_ptr_array_set_size(documents, 0);
  }
  return wry_yaml_read(text, length, documents, error);
}

/* "List" and "VirtualMachineList" with a list of items. */
static WryJson *items_of(WryJson *object) {
  const char *kind = wry_json_str(object, "kind");
  WryJson *items = wry_json_get(object, "items");
  return kind && g_str_has_suffix(kind, "List") && json_object_is_type(items, json_type_array) ? items : NULL;
}

static gboolean flatten(GPtrArray *into, WryJson *object, WryLines *lines, GError **error) {
  WryJson *items = items_of(object);
  for (gsize i = 0; i < json_object_array_length(items); i++) {
    WryJson *item = json_object_array_get_idx(items, i);
    g_autofree char *path = g_strdup_printf("items[%zu]", i);
    g_autoptr(WryLines) below = wry_lines_below(lines, path);
    if (!json_object_is_type(item, json_type_object)) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "line %u: %s must be an object", wry_lines_find(below, ""), path);
      return FALSE;
    }
    if (items_of(item)) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "line %u: %s is a List in a List", wry_lines_find(below, ""), path);
      return FALSE;
    }
    g_ptr_array_add(into, document_new(json_object_get(item), g_steal_pointer(&below)));
  }
  return TRUE;
}

GPtrArray *wry_manifest_parse(const char *text, gsize length, GError **error) {
  g_autoptr(GPtrArray) documents = g_ptr_array_new_with_free_func(free_document);
  g_autoptr(GPtrArray) flat = g_ptr_array_new_with_free_func(free_document);
  if (length > WRY_MAX_MANIFEST_BYTES) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "a manifest may have %u bytes, this one has %zu", WRY_MAX_MANIFEST_BYTES, length);
    return NULL;
  }
  if (length >= 3 && !memcmp(text, "\357\273\277", 3)) { /* a byte order mark would shift the first column */
    text += 3;
    length -= 3;
  }
  if (!wry_json_check_utf8(text, length, error) || !read_documents(text, length, documents, error)) return NULL;
  for (guint i = 0; i < documents->len; i++) {
    WryDocument *document = g_ptr_array_index(documents, i);
    if (!items_of(document->object))
      g_ptr_array_add(flat, document_new(g_steal_pointer(&document->object), g_steal_pointer(&document->lines)));
    else if (!flatten(flat, document->object, document->lines, error))
      return NULL;
  }
  return g_steal_pointer(&flat);
}
