/* Content of ISO images: by kind of volume. ConfigMaps and Secrets are the bundle's data as files, one per key, readable by all like in a pod. */
#include "launcher/storage/files.h"

#include <string.h>

#define DEFAULT_LABEL "cfgdata" /* KubeVirt's */

static void file_free(gpointer data) {
  WryIsoFile *file = data;
  g_free(file->path);
  g_bytes_unref(file->data);
  g_free(file);
}

WryIsoContent *wry_iso_content_new(const char *label) {
  WryIsoContent *content = g_new0(WryIsoContent, 1);
  content->label = g_strdup(label && *label ? label : DEFAULT_LABEL);
  content->files = g_ptr_array_new_with_free_func(file_free);
  return content;
}

void wry_iso_content_free(WryIsoContent *content) {
  if (!content) return;
  g_free(content->label);
  g_ptr_array_unref(content->files);
  g_free(content);
}

void wry_iso_content_add(WryIsoContent *content, const char *path, guint mode, const void *data, gsize length) {
  WryIsoFile *file = g_new0(WryIsoFile, 1);
  file->path = g_strdup(path);
  file->data = g_bytes_new(data, length);
  file->mode = mode;
  g_ptr_array_add(content->files, file);
}

/* A key of a ConfigMap or Secret: one component of a path. */
static gboolean key_ok(const char *key) {
  gsize length = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");
  return length > 0 && length <= 253 && !key[length] && !g_str_has_prefix(key, "..") && !g_str_equal(key, ".");
}

static gboolean add_data(WryIsoContent *content, WryJson *data, GError **error) {
  json_object_object_foreach(data, key, value) {
    gsize length = 0;
    g_autofree guchar *bytes = json_object_is_type(value, json_type_string) ? g_base64_decode(json_object_get_string(value), &length) : NULL;
    if (!bytes || !key_ok(key)) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "its key \"%s\" cannot be a file, or has no data", key);
      return FALSE;
    }
    wry_iso_content_add(content, key, 0644, bytes, length);
  }
  return TRUE;
}

static WryIsoContent *keyed_content(const char *what, const char *name, const char *label, WryOptBool optional, const WryBundleVolume *given, GError **error) {
  g_autoptr(WryIsoContent) content = wry_iso_content_new(label);
  WryJson *data = given ? given->data : NULL;
  if (!data && !wry_opt_bool(optional, FALSE)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_VOLUME_MISSING, "%s %s is not there", what, name ? name : "");
    return NULL;
  }
  return data && !add_data(content, data, error) ? NULL : g_steal_pointer(&content);
}

WryIsoContent *wry_iso_content(const WryVmi *vmi, const WryVolume *volume, const WryBundleVolume *given, GError **error) {
  if (volume->cloudInitNoCloud || volume->cloudInitConfigDrive) return wry_seed_content(vmi, volume, given, error);
  if (volume->configMap) return keyed_content("ConfigMap", volume->configMap->name, volume->configMap->volumeLabel, volume->configMap->optional, given, error);
  if (volume->secret) return keyed_content("Secret", volume->secret->secretName, volume->secret->volumeLabel, volume->secret->optional, given, error);
  if (volume->downwardAPI) return wry_downward_content(vmi, volume->downwardAPI, error);
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED, "no kind of volume that becomes an ISO image");
  return NULL;
}
