/* The image store: an OCI image layout (OCI Image Format Specification 1.0) with a directory `disks/` beside its blobs, in which each image's files lie unpacked under the
 * hex of its manifest's digest. What index.json names is what exists; it is replaced whole. Documents are read only when they match their digest. */
#include "lib/oci_internal.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <fcntl.h>
#include <string.h>

void wry_oci_blob_free(WryOciBlob *blob) {
  if (!blob)
    return;
  g_free(blob->digest);
  g_free(blob->type);
  g_free(blob);
}

void wry_image_disk_clear(WryImageDisk *disk) {
  g_clear_pointer(&disk->source, g_free);
  g_clear_pointer(&disk->format, g_free);
  g_clear_pointer(&disk->digest, g_free);
}

void wry_image_free(WryImage *image) {
  if (!image)
    return;
  g_free(image->reference);
  g_free(image->digest);
  g_free(image->created);
  g_free(image);
}

const char *wry_oci_hex(const char *digest) {
  if (!digest || !g_str_has_prefix(digest, "sha256:") || strlen(digest) != 71 || strspn(digest + 7, "0123456789abcdef") != 64)
    return NULL;
  return digest + 7;
}

char *wry_oci_blob_path(const char *digest) {
  const char *hex = wry_oci_hex(digest);
  return hex ? g_strconcat("blobs/sha256/", hex, NULL) : NULL;
}

WryOciBlob *wry_oci_descriptor(WryJson *descriptor, GError **error) {
  const char *digest = wry_json_str(descriptor, "digest"), *type = wry_json_str(descriptor, "mediaType");
  gint64 size = wry_json_int(descriptor, "size", -1);
  if (!wry_oci_hex(digest) || size < 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "descriptor without sha256 digest or size");
    return NULL;
  }
  WryOciBlob *blob = g_new0(WryOciBlob, 1);
  blob->digest = g_strdup(digest);
  blob->type = g_strdup(type ? type : "");
  blob->size = size;
  return blob;
}

WryJson *wry_oci_document(int layout_fd, const WryOciBlob *blob, GError **error) {
  g_autofree char *path = wry_oci_blob_path(blob->digest);
  gsize length = 0;
  g_autofree char *text = wry_vread(layout_fd, path, WRY_OCI_MAX_DOCUMENT, &length, error);
  if (!text)
    return NULL;
  g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)text, length);
  if (strcmp(sum, wry_oci_hex(blob->digest)) != 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "blob %s does not match its digest", blob->digest);
    return NULL;
  }
  WryJson *document = wry_json_parse(text, length, error);
  if (!document)
    g_prefix_error(error, "blob %s: ", blob->digest);
  return document;
}

/* The entry of an index for the platform; an entry without one fits all. */
static WryJson *pick(WryJson *index, const char *arch, GError **error) {
  WryJson *list = wry_json_get(index, "manifests");
  gsize n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
  for (gsize i = 0; i < n; i++) {
    WryJson *entry = json_object_array_get_idx(list, i);
    const char *cpu = wry_json_str(wry_json_get(entry, "platform"), "architecture"), *os = wry_json_str(wry_json_get(entry, "platform"), "os");
    if ((!cpu || strcmp(cpu, arch) == 0) && (!os || strcmp(os, "linux") == 0))
      return entry;
  }
  g_set_error(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "the image has no variant for linux/%s", arch);
  return NULL;
}

WryJson *wry_oci_manifest(int layout_fd, WryJson *descriptor, const char *arch, WryOciBlob **ret_blob, GError **error) {
  g_autoptr(WryJson) document = NULL;
  g_autoptr(WryOciBlob) blob = NULL;
  for (int depth = 0; depth < 4; depth++) {
    g_autoptr(WryOciBlob) next = wry_oci_descriptor(descriptor, error);
    WryJson *read = next ? wry_oci_document(layout_fd, next, error) : NULL;
    if (!read)
      return NULL;
    g_clear_pointer(&document, wry_json_put);
    g_clear_pointer(&blob, wry_oci_blob_free);
    document = read;
    blob = g_steal_pointer(&next);
    if (!wry_json_get(document, "manifests")) {
      *ret_blob = g_steal_pointer(&blob);
      return g_steal_pointer(&document);
    }
    descriptor = pick(document, arch, error);
    if (!descriptor)
      return NULL;
  }
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "image indexes nest too deep");
  return NULL;
}

GPtrArray *wry_oci_blobs(WryJson *manifest, GError **error) {
  g_autoptr(GPtrArray) blobs = g_ptr_array_new_with_free_func((GDestroyNotify)wry_oci_blob_free);
  WryJson *layers = wry_json_get(manifest, "layers");
  WryOciBlob *config = wry_oci_descriptor(wry_json_get(manifest, "config"), error);
  if (!config)
    return NULL;
  g_ptr_array_add(blobs, config);
  gsize n = json_object_is_type(layers, json_type_array) ? json_object_array_length(layers) : 0;
  for (gsize i = 0; i < n; i++) {
    WryOciBlob *layer = wry_oci_descriptor(json_object_array_get_idx(layers, i), error);
    if (!layer)
      return NULL;
    g_ptr_array_add(blobs, layer);
  }
  return g_steal_pointer(&blobs);
}

WryJson *wry_oci_index(int layout_fd, GError **error) {
  gsize length = 0;
  if (!wry_vexists(layout_fd, "index.json"))
    return wry_json_parse("{\"schemaVersion\":2,\"manifests\":[]}", 34, error);
  g_autofree char *text = wry_vread(layout_fd, "index.json", WRY_OCI_MAX_DOCUMENT, &length, error);
  WryJson *index = text ? wry_json_parse(text, length, error) : NULL;
  if (index && !json_object_is_type(wry_json_get(index, "manifests"), json_type_array)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "index.json has no list of manifests");
    g_clear_pointer(&index, wry_json_put);
  }
  return index;
}

WryJson *wry_oci_entry(const WryOciBlob *blob, const char *reference, const char *created) {
  WryJson *entry = json_object_new_object(), *annotations = json_object_new_object();
  json_object_object_add(entry, "mediaType", json_object_new_string(WRY_OCI_MANIFEST_TYPE));
  json_object_object_add(entry, "digest", json_object_new_string(blob->digest));
  json_object_object_add(entry, "size", json_object_new_int64(blob->size));
  json_object_object_add(annotations, WRY_OCI_REF_NAME, json_object_new_string(reference));
  if (created)
    json_object_object_add(annotations, WRY_OCI_CREATED, json_object_new_string(created));
  json_object_object_add(entry, "annotations", annotations);
  return entry;
}

/* The entry that a reference means: by name, or by digest. Borrowed from `index`. */
static WryJson *find_entry(WryJson *index, const char *reference) {
  WryJson *list = wry_json_get(index, "manifests");
  const char *digest = strchr(reference, '@');
  for (gsize i = 0; i < json_object_array_length(list); i++) {
    WryJson *entry = json_object_array_get_idx(list, i);
    const char *name = wry_json_str(wry_json_get(entry, "annotations"), WRY_OCI_REF_NAME), *has = wry_json_str(entry, "digest");
    if (digest ? g_strcmp0(has, digest + 1) == 0 : g_strcmp0(name, reference) == 0)
      return entry;
  }
  return NULL;
}

static gboolean missing(GError **error, const char *reference) {
  g_set_error(error, WRY_ERROR, WRY_ERROR_IMAGE_MISSING, "image %s is not in the store", reference);
  return FALSE;
}

/* The single file in /disk of an unpacked image. */
static char *single_disk(int files, const char *reference, GError **error) {
  wry_autofd int dir = wry_vopen(files, "disk", O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, NULL);
  g_autoptr(GPtrArray) names = dir >= 0 ? wry_vlist(dir, NULL) : NULL;
  if (!names || names->len != 1) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "image %s has %s in /disk; name one with path", reference, names && names->len ? "several files" : "no file");
    return NULL;
  }
  return g_strconcat("disk/", (char *)names->pdata[0], NULL);
}

static gboolean describe(int files, const char *hex, const char *path, WryImageDisk *ret, GError **error) {
  const char *format = NULL;
  wry_autofd int fd = wry_vopen(files, path, O_RDONLY, 0, WRY_WANT_FILE, error);
  if (fd < 0 || !wry_disk_probe(fd, &format, &ret->size, error))
    return FALSE;
  ret->format = g_strdup(format);
  ret->source = g_strdup_printf("%s/%s", hex, path);
  ret->digest = g_strconcat("sha256:", hex, NULL);
  return TRUE;
}

gboolean wry_images_resolve(int images_fd, const char *reference, const char *path_in_image, WryImageDisk *ret, GError **error) {
  g_autofree char *name = wry_image_reference(reference, error);
  g_autoptr(WryJson) index = name ? wry_oci_index(images_fd, error) : NULL;
  memset(ret, 0, sizeof *ret);
  if (!index)
    return FALSE;
  const char *hex = wry_oci_hex(wry_json_str(find_entry(index, name), "digest"));
  if (!hex)
    return missing(error, name);
  g_autofree char *directory = g_strconcat("disks/", hex, NULL);
  wry_autofd int files = wry_vopen(images_fd, directory, O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, NULL);
  if (files < 0)
    return missing(error, name);
  while (path_in_image && *path_in_image == '/')
    path_in_image++;
  g_autofree char *path = path_in_image && *path_in_image ? g_strdup(path_in_image) : single_disk(files, name, error);
  if (!path)
    return FALSE;
  if (describe(files, hex, path, ret, error))
    return TRUE;
  wry_image_disk_clear(ret);
  g_prefix_error(error, "image %s: ", name);
  return FALSE;
}
