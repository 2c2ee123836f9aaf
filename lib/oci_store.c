/* Changing the store: import, list, remove. One writer at a time holds an OFD lock on images/lock. An import copies blobs with their digests verified, unpacks the image
 * beside the others under a temporary name, renames it to its digest and only then names it in index.json; a crash at any point leaves at most rubbish that the next change removes. */
#include "lib/oci_internal.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define STEP (256u << 10)
#define TEMPORARY ".import"
#define LAYOUT_MARK "{\"imageLayoutVersion\":\"1.0.0\"}"

static int lock_store(int images_fd, GError **error) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  wry_autofd int fd = wry_vopen(images_fd, "lock", O_RDWR | O_CREAT, 0664, WRY_WANT_FILE, error);
  if (fd < 0)
    return -1;
  if (fcntl(fd, F_OFD_SETLKW, &lock) != 0) {
    wry_errno(error, errno, "lock of the image store");
    return -1;
  }
  return g_steal_fd(&fd);
}

static gboolean prepare_store(int images_fd, GError **error) {
  wry_autofd int blobs = wry_vmkdir(images_fd, "blobs/sha256", 0755, error);
  wry_autofd int disks = blobs < 0 ? -1 : wry_vmkdir(images_fd, "disks", 0755, error);
  if (disks < 0 || !wry_vremove_tree(disks, TEMPORARY, error) || !wry_vremove_tree(images_fd, TEMPORARY, error))
    return FALSE;
  return wry_vexists(images_fd, "oci-layout") || wry_vwrite(images_fd, "oci-layout", LAYOUT_MARK, strlen(LAYOUT_MARK), 0644, error);
}

static gboolean write_index(int images_fd, WryJson *index, GError **error) {
  const char *text = json_object_to_json_string_ext(index, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
  return wry_vwrite(images_fd, "index.json", text, strlen(text), 0644, error);
}

/* Copies a blob and verifies it on the way. The same store is no copy, but is verified all the same. */
static gboolean copy_blob(int from, int to, const WryOciBlob *blob, gboolean same, GError **error) {
  g_autofree char *path = wry_oci_blob_path(blob->digest);
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  g_autofree char *block = g_malloc(STEP);
  wry_autofd int in = wry_vopen(from, path, O_RDONLY, 0, WRY_WANT_FILE, error);
  wry_autofd int out = -1;
  gint64 size = 0;
  ssize_t n;
  if (in < 0 || (!same && (!wry_vunlink(to, path, error) || (out = wry_vopen(to, path, O_WRONLY | O_CREAT | O_EXCL, 0644, WRY_WANT_FILE, error)) < 0)))
    return FALSE;
  while ((n = read(in, block, STEP)) > 0) {
    g_checksum_update(sum, (guchar *)block, n);
    size += n;
    if (out >= 0 && write(out, block, (gsize)n) != n)
      return wry_errno(error, errno, "blob %s", blob->digest);
  }
  if (n == 0 && size == blob->size && strcmp(g_checksum_get_string(sum), wry_oci_hex(blob->digest)) == 0)
    return out < 0 || fsync(out) == 0 || wry_errno(error, errno, "blob %s", blob->digest);
  if (out >= 0)
    wry_vunlink(to, path, NULL);
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "blob %s does not match its digest and size", blob->digest);
  return FALSE;
}

static gboolean unpack_layers(int images_fd, GPtrArray *blobs, int into, GError **error) {
  guint files = 0;
  gint64 bytes = 0;
  for (guint i = 1; i < blobs->len; i++) {
    const WryOciBlob *layer = blobs->pdata[i];
    g_autofree char *path = wry_oci_blob_path(layer->digest);
    wry_autofd int fd = wry_vopen(images_fd, path, O_RDONLY, 0, WRY_WANT_FILE, error);
    if (fd < 0 || !wry_oci_apply_layer(fd, into, &files, &bytes, error)) {
      g_prefix_error(error, "layer %u: ", i);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean unpack(int images_fd, const WryOciBlob *manifest, GPtrArray *blobs, GError **error) {
  const char *hex = wry_oci_hex(manifest->digest);
  wry_autofd int disks = wry_vmkdir(images_fd, "disks", 0755, error);
  if (disks < 0)
    return FALSE;
  if (wry_vexists(disks, hex))
    return TRUE;
  wry_autofd int into = wry_vmkdir(disks, TEMPORARY, 0755, error);
  if (into < 0)
    return FALSE;
  if (unpack_layers(images_fd, blobs, into, error) && syncfs(into) == 0 && wry_vrename(disks, TEMPORARY, hex, error))
    return TRUE;
  wry_vremove_tree(disks, TEMPORARY, NULL);
  return FALSE;
}

/* Names `entry` in the index, in the place of an older image of that name. */
static void replace_entry(WryJson *index, const char *reference, WryJson *take_entry) {
  WryJson *list = wry_json_get(index, "manifests");
  for (gsize i = json_object_array_length(list); i-- > 0;)
    if (g_strcmp0(wry_json_str(wry_json_get(json_object_array_get_idx(list, i), "annotations"), WRY_OCI_REF_NAME), reference) == 0)
      json_object_array_del_idx(list, i, 1);
  if (take_entry)
    json_object_array_add(list, take_entry);
}

static WryImage *image_new(const char *reference, const char *digest, gint64 size, const char *created) {
  WryImage *image = g_new0(WryImage, 1);
  image->reference = g_strdup(reference);
  image->digest = g_strdup(digest);
  image->size = size;
  image->created = g_strdup(created);
  return image;
}

static char *now_text(void) {
  g_autoptr(GDateTime) now = g_date_time_new_now_utc();
  return g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
}

/* One image of a layout into the store. */
static WryImage *import_one(int images_fd, int layout_fd, gboolean same, WryJson *descriptor, const char *reference, const char *arch, WryJson *index, GError **error) {
  g_autoptr(WryOciBlob) manifest_blob = NULL;
  g_autoptr(WryJson) manifest = wry_oci_manifest(layout_fd, descriptor, arch, &manifest_blob, error);
  g_autoptr(GPtrArray) blobs = manifest ? wry_oci_blobs(manifest, error) : NULL;
  gint64 size = 0;
  if (!blobs || !copy_blob(layout_fd, images_fd, manifest_blob, same, error))
    return NULL;
  for (guint i = 0; i < blobs->len; i++) {
    const WryOciBlob *blob = blobs->pdata[i];
    size += blob->size;
    if (!copy_blob(layout_fd, images_fd, blob, same, error))
      return NULL;
  }
  if (!unpack(images_fd, manifest_blob, blobs, error))
    return NULL;
  g_autofree char *created = now_text();
  replace_entry(index, reference, wry_oci_entry(manifest_blob, reference, created));
  return image_new(reference, manifest_blob->digest, size, created);
}

/* The name of a layout's entry: containerd's full name, else the OCI one when it is more than a tag. */
static char *own_name(WryJson *entry, GError **error) {
  WryJson *annotations = wry_json_get(entry, "annotations");
  const char *full = wry_json_str(annotations, "io.containerd.image.name"), *name = wry_json_str(annotations, WRY_OCI_REF_NAME);
  if (!full && (!name || !strpbrk(name, "/:"))) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "the image names itself %s%s; give it a name", name ? "only " : "nothing", name ? name : "");
    return NULL;
  }
  return wry_image_reference(full ? full : name, error);
}

static gboolean import_layout(int images_fd, int layout_fd, const char *reference, const char *arch, WryJson *index, GPtrArray *done, GError **error) {
  g_autoptr(WryJson) theirs = wry_oci_index(layout_fd, error);
  WryJson *list = theirs ? wry_json_get(theirs, "manifests") : NULL;
  gsize n = list ? json_object_array_length(list) : 0;
  if (!theirs)
    return FALSE;
  if (n == 0 || (reference && n > 1)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, n ? "the layout holds %zu images: one name does not fit them" : "the layout holds no image", n);
    return FALSE;
  }
  for (gsize i = 0; i < n; i++) {
    WryJson *entry = json_object_array_get_idx(list, i);
    g_autofree char *name = reference ? g_strdup(reference) : own_name(entry, error);
    WryImage *image = name ? import_one(images_fd, layout_fd, FALSE, entry, name, arch, index, error) : NULL;
    if (!image)
      return FALSE;
    g_ptr_array_add(done, image);
  }
  return TRUE;
}

static gboolean import_archive(int images_fd, int fd, const char *reference, const char *arch, WryJson *index, GPtrArray *done, GError **error) {
  wry_autofd int layout = wry_vmkdir(images_fd, TEMPORARY, 0700, error);
  gboolean ok = layout >= 0 && wry_oci_unpack_archive(fd, layout, error) && import_layout(images_fd, layout, reference, arch, index, done, error);
  wry_vremove_tree(images_fd, TEMPORARY, NULL);
  return ok;
}

static gboolean import_disk(int images_fd, int fd, const char *reference, const char *arch, WryJson *index, GPtrArray *done, GError **error) {
  if (!reference) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "a disk image needs a name");
    return FALSE;
  }
  g_autoptr(WryJson) descriptor = wry_oci_wrap_disk(images_fd, fd, arch, error);
  WryImage *image = descriptor ? import_one(images_fd, images_fd, TRUE, descriptor, reference, arch, index, error) : NULL;
  if (image)
    g_ptr_array_add(done, image);
  return image != NULL;
}

/* A tar archive by its "ustar" mark, or something compressed. A raw disk can look like neither: its first sector would be a tar header. */
static gboolean is_archive(int fd) {
  unsigned char h[512] = {0};
  static const struct { gsize at, n; const char *bytes; } marks[] = {{257, 5, "ustar"}, {0, 2, "\x1f\x8b"}, {0, 4, "\x28\xb5\x2f\xfd"}, {0, 6, "\xfd" "7zXZ\0"}, {0, 3, "BZh"}};
  if (pread(fd, h, sizeof h, 0) <= 0)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(marks); i++)
    if (memcmp(h + marks[i].at, marks[i].bytes, marks[i].n) == 0)
      return TRUE;
  return FALSE;
}

GPtrArray *wry_images_import(int images_fd, int fd, const char *reference, const char *arch, GError **error) {
  g_autoptr(GPtrArray) done = g_ptr_array_new_with_free_func((GDestroyNotify)wry_image_free);
  g_autofree char *name = reference ? wry_image_reference(reference, error) : NULL;
  struct stat s;
  if (reference && !name)
    return NULL;
  if (fstat(fd, &s) != 0) {
    wry_errno(error, errno, "image");
    return NULL;
  }
  wry_autofd int lock = lock_store(images_fd, error);
  if (lock < 0 || !prepare_store(images_fd, error))
    return NULL;
  g_autoptr(WryJson) index = wry_oci_index(images_fd, error);
  if (!index)
    return NULL;
  gboolean ok = S_ISDIR(s.st_mode) ? import_layout(images_fd, fd, name, arch, index, done, error)
                : is_archive(fd)   ? import_archive(images_fd, fd, name, arch, index, done, error)
                                   : import_disk(images_fd, fd, name, arch, index, done, error);
  return ok && write_index(images_fd, index, error) ? g_steal_pointer(&done) : NULL;
}

static gint64 blobs_size(int images_fd, WryJson *entry) {
  g_autoptr(WryOciBlob) blob = wry_oci_descriptor(entry, NULL);
  g_autoptr(WryJson) manifest = blob ? wry_oci_document(images_fd, blob, NULL) : NULL;
  g_autoptr(GPtrArray) blobs = manifest ? wry_oci_blobs(manifest, NULL) : NULL;
  gint64 size = 0;
  for (guint i = 0; blobs && i < blobs->len; i++)
    size += ((WryOciBlob *)blobs->pdata[i])->size;
  return size;
}

static int by_reference(gconstpointer a, gconstpointer b) {
  return strcmp((*(WryImage *const *)a)->reference, (*(WryImage *const *)b)->reference);
}

GPtrArray *wry_images_list(int images_fd, GError **error) {
  g_autoptr(WryJson) index = wry_oci_index(images_fd, error);
  WryJson *list = index ? wry_json_get(index, "manifests") : NULL;
  if (!list)
    return NULL;
  GPtrArray *images = g_ptr_array_new_with_free_func((GDestroyNotify)wry_image_free);
  for (gsize i = 0; i < json_object_array_length(list); i++) {
    WryJson *entry = json_object_array_get_idx(list, i), *annotations = wry_json_get(entry, "annotations");
    const char *name = wry_json_str(annotations, WRY_OCI_REF_NAME), *digest = wry_json_str(entry, "digest");
    if (name && digest)
      g_ptr_array_add(images, image_new(name, digest, blobs_size(images_fd, entry), wry_json_str(annotations, WRY_OCI_CREATED)));
  }
  g_ptr_array_sort(images, by_reference);
  return images;
}

/* Everything that the index still needs: hex digests. */
static GHashTable *needed(int images_fd, WryJson *index) {
  GHashTable *keep = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  WryJson *list = wry_json_get(index, "manifests");
  for (gsize i = 0; i < json_object_array_length(list); i++) {
    g_autoptr(WryOciBlob) blob = wry_oci_descriptor(json_object_array_get_idx(list, i), NULL);
    g_autoptr(WryJson) manifest = blob ? wry_oci_document(images_fd, blob, NULL) : NULL;
    g_autoptr(GPtrArray) blobs = manifest ? wry_oci_blobs(manifest, NULL) : NULL;
    if (blob)
      g_hash_table_add(keep, g_strdup(wry_oci_hex(blob->digest)));
    for (guint k = 0; blobs && k < blobs->len; k++)
      g_hash_table_add(keep, g_strdup(wry_oci_hex(((WryOciBlob *)blobs->pdata[k])->digest)));
  }
  return keep;
}

static void sweep(int images_fd, const char *directory, GHashTable *keep) {
  wry_autofd int dir = wry_vopen(images_fd, directory, O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, NULL);
  g_autoptr(GPtrArray) names = dir >= 0 ? wry_vlist(dir, NULL) : NULL;
  for (guint i = 0; names && i < names->len; i++)
    if (!g_hash_table_contains(keep, names->pdata[i]))
      wry_vremove_tree(dir, names->pdata[i], NULL);
}

gboolean wry_images_remove(int images_fd, const char *reference, GError **error) {
  g_autofree char *name = wry_image_reference(reference, error);
  wry_autofd int lock = name ? lock_store(images_fd, error) : -1;
  g_autoptr(WryJson) index = lock >= 0 ? wry_oci_index(images_fd, error) : NULL;
  if (!index)
    return FALSE;
  gsize before = json_object_array_length(wry_json_get(index, "manifests"));
  replace_entry(index, name, NULL);
  if (json_object_array_length(wry_json_get(index, "manifests")) == before) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "image %s is not in the store", name);
    return FALSE;
  }
  if (!write_index(images_fd, index, error))
    return FALSE;
  g_autoptr(GHashTable) keep = needed(images_fd, index);
  sweep(images_fd, "disks", keep);
  sweep(images_fd, "blobs/sha256", keep);
  return TRUE;
}
