/* Content of downwardAPI volumes: the VMI's metadata as files, in the form in which the kubelet writes a pod's (lines key="value", sorted).
 *
 * Resource fields are refused: their values depend on what the sandbox was given, which the launcher does not know. */
#include "launcher/storage/files.h"

#include <string.h>

/* As Go's strconv.Quote for text that is UTF-8. */
static void quote(GString *out, const char *text) {
  static const char plain[] = "\a\b\f\n\r\t\v\"\\", letters[] = "abfnrtv\"\\";
  g_string_append_c(out, '"');
  for (const char *p = text; *p; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    const char *special = c < 0x80 ? strchr(plain, (int)c) : NULL;
    if (special)
      g_string_append_printf(out, "\\%c", letters[special - plain]);
    else if (c < 0x20 || c == 0x7F)
      g_string_append_printf(out, "\\x%02x", c);
    else
      g_string_append_unichar(out, c);
  }
  g_string_append_c(out, '"');
}

static gint by_name(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *all_pairs(WryJson *map) {
  g_autoptr(GPtrArray) keys = g_ptr_array_new();
  GString *out = g_string_new(NULL);
  if (map) {
    json_object_object_foreach(map, key, value) {
      (void)value;
      g_ptr_array_add(keys, key);
    }
  }
  g_ptr_array_sort(keys, by_name);
  for (guint i = 0; i < keys->len; i++) {
    const char *key = g_ptr_array_index(keys, i), *value = wry_json_str(map, key);
    g_string_append_printf(out, "%s%s=", i ? "\n" : "", key);
    quote(out, value ? value : "");
  }
  return g_string_free(out, FALSE);
}

/* "metadata.labels['x']" -> value of x, "" when it is absent; NULL when the path is not of that form. */
static char *one_of(WryJson *map, const char *prefix, const char *path) {
  gsize start = strlen(prefix), length = strlen(path);
  if (!g_str_has_prefix(path, prefix) || length <= start + 4 || strncmp(path + start, "['", 2) || !g_str_has_suffix(path, "']")) return NULL;
  g_autofree char *key = g_strndup(path + start + 2, length - start - 4);
  const char *value = map ? wry_json_str(map, key) : NULL;
  return g_strdup(value ? value : "");
}

static char *field_value(const WryMeta *meta, const char *path) {
  const struct { const char *path, *value; } plain[] = {
      {"metadata.name", meta->name}, {"metadata.namespace", meta->namespace_ && *meta->namespace_ ? meta->namespace_ : "default"}, {"metadata.uid", meta->uid}};
  for (guint i = 0; i < G_N_ELEMENTS(plain); i++)
    if (!g_strcmp0(path, plain[i].path)) return g_strdup(plain[i].value ? plain[i].value : "");
  if (!g_strcmp0(path, "metadata.labels")) return all_pairs(meta->labels);
  if (!g_strcmp0(path, "metadata.annotations")) return all_pairs(meta->annotations);
  char *one = path ? one_of(meta->labels, "metadata.labels", path) : NULL;
  return one || !path ? one : one_of(meta->annotations, "metadata.annotations", path);
}

WryIsoContent *wry_downward_content(const WryVmi *vmi, const WryDownwardApi *api, GError **error) {
  g_autoptr(WryIsoContent) content = wry_iso_content_new(api->volumeLabel);
  for (guint i = 0; api->fields && i < api->fields->len; i++) {
    const WryDownwardItem *item = g_ptr_array_index(api->fields, i);
    g_autofree char *value = item->fieldRef ? field_value(vmi->metadata, item->fieldRef->fieldPath) : NULL;
    if (!value) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED, "its field %s: only metadata can be a file in this version", item->path ? item->path : "");
      return NULL;
    }
    wry_iso_content_add(content, item->path ? item->path : "", item->mode.set ? (guint)item->mode.v & 0777 : 0644, value, strlen(value));
  }
  return g_steal_pointer(&content);
}
