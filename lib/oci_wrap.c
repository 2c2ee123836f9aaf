/* A plain disk image as an OCI image: one uncompressed layer with /disk/<disk.qcow2 or disk.img>, owned by KubeVirt's uid 107 as containerDisks are, a config and a manifest. The layer is
 * written straight into the blob store while its digest is computed. Same disk, same digest: times are zero. */
#include "lib/oci_internal.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK 512u
#define STEP (256u << 10)
#define DISK_OWNER 107

typedef struct {
  int fd;
  GChecksum *sum;
  gint64 size;
} Writer;

static gboolean put(Writer *w, const void *data, gsize n, GError **error) {
  const char *at = data;
  g_checksum_update(w->sum, data, (gssize)n);
  w->size += (gint64)n;
  while (n) {
    ssize_t done = write(w->fd, at, n);
    if (done < 0 && errno != EINTR)
      return wry_errno(error, errno, "write");
    at += MAX(done, 0);
    n -= (gsize)MAX(done, 0);
  }
  return TRUE;
}

/* A ustar header; sizes from 8 GiB on in base 256 as GNU and POSIX readers take them. */
static void header(char h[BLOCK], const char *name, char type, gint64 size, unsigned mode) {
  unsigned sum = 0;
  memset(h, 0, BLOCK);
  g_snprintf(h, 100, "%s", name);
  g_snprintf(h + 100, 8, "%07o", mode);
  g_snprintf(h + 108, 8, "%07o", DISK_OWNER);
  g_snprintf(h + 116, 8, "%07o", DISK_OWNER);
  if (size < (G_GINT64_CONSTANT(1) << 33)) {
    g_snprintf(h + 124, 12, "%011" G_GINT64_MODIFIER "o", size);
  } else {
    h[124] = (char)0x80;
    for (int i = 0; i < 8; i++)
      h[128 + i] = (char)(size >> (8 * (7 - i)));
  }
  g_snprintf(h + 136, 12, "%011o", 0);
  memset(h + 148, ' ', 8);
  h[156] = type;
  memcpy(h + 257, "ustar\00000", 8);
  for (guint i = 0; i < BLOCK; i++)
    sum += (unsigned char)h[i];
  g_snprintf(h + 148, 8, "%06o", sum);
}

static gboolean put_disk(Writer *w, int fd, gint64 size, GError **error) {
  g_autofree char *block = g_malloc(STEP);
  gint64 left = size;
  if (lseek(fd, 0, SEEK_SET) != 0)
    return wry_errno(error, errno, "disk image");
  while (left > 0) {
    ssize_t n = read(fd, block, (gsize)MIN((gint64)STEP, left));
    if (n <= 0)
      return wry_errno(error, n < 0 ? errno : EIO, "disk image");
    if (!put(w, block, (gsize)n, error))
      return FALSE;
    left -= n;
  }
  memset(block, 0, BLOCK);
  return put(w, block, (gsize)((BLOCK - size % BLOCK) % BLOCK), error);
}

static gboolean put_layer(Writer *w, int fd, GError **error) {
  char h[BLOCK], zero[2 * BLOCK] = {0};
  const char *format;
  gint64 virtual;
  struct stat s;
  if (fstat(fd, &s) != 0)
    return wry_errno(error, errno, "disk image");
  if (s.st_size == 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "disk image is empty");
    return FALSE;
  }
  if (!wry_disk_probe(fd, &format, &virtual, error))
    return FALSE;
  header(h, "disk/", '5', 0, 0755);
  if (!put(w, h, sizeof h, error))
    return FALSE;
  header(h, strcmp(format, "qcow2") == 0 ? "disk/disk.qcow2" : "disk/disk.img", '0', s.st_size, 0440);
  return put(w, h, sizeof h, error) && put_disk(w, fd, s.st_size, error) && put(w, zero, sizeof zero, error);
}

static WryJson *descriptor(const char *type, const char *hex, gint64 size) {
  g_autofree char *digest = g_strconcat("sha256:", hex, NULL);
  WryJson *d = json_object_new_object();
  json_object_object_add(d, "mediaType", json_object_new_string(type));
  json_object_object_add(d, "digest", json_object_new_string(digest));
  json_object_object_add(d, "size", json_object_new_int64(size));
  return d;
}

static WryJson *put_document(int layout_fd, const char *type, WryJson *take_document, GError **error) {
  g_autoptr(WryJson) document = take_document;
  const char *text = json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
  g_autofree char *hex = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
  g_autofree char *path = g_strconcat("blobs/sha256/", hex, NULL);
  return wry_vwrite(layout_fd, path, text, strlen(text), 0644, error) ? descriptor(type, hex, (gint64)strlen(text)) : NULL;
}

static WryJson *config(const char *arch, const char *layer_hex) {
  WryJson *c = json_object_new_object(), *rootfs = json_object_new_object(), *ids = json_object_new_array();
  g_autofree char *digest = g_strconcat("sha256:", layer_hex, NULL);
  json_object_object_add(c, "architecture", json_object_new_string(arch));
  json_object_object_add(c, "os", json_object_new_string("linux"));
  json_object_array_add(ids, json_object_new_string(digest));
  json_object_object_add(rootfs, "type", json_object_new_string("layers"));
  json_object_object_add(rootfs, "diff_ids", ids);
  json_object_object_add(c, "rootfs", rootfs);
  return c;
}

/* The layer as a blob; its hex name in *ret_hex. */
static gboolean store_layer(int layout_fd, int fd, char **ret_hex, gint64 *ret_size, GError **error) {
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  wry_autofd int blobs = wry_vmkdir(layout_fd, "blobs/sha256", 0755, error);
  if (blobs < 0 || !wry_vunlink(blobs, ".layer.tmp", error))
    return FALSE;
  wry_autofd int out = wry_vopen(blobs, ".layer.tmp", O_WRONLY | O_CREAT | O_EXCL, 0644, WRY_WANT_FILE, error);
  Writer w = {.fd = out, .sum = sum};
  if (out < 0 || !put_layer(&w, fd, error) || (fsync(out) != 0 && !wry_errno(error, errno, "layer"))) {
    wry_vunlink(blobs, ".layer.tmp", NULL);
    return FALSE;
  }
  *ret_hex = g_strdup(g_checksum_get_string(sum));
  *ret_size = w.size;
  return wry_vrename(blobs, ".layer.tmp", *ret_hex, error);
}

WryJson *wry_oci_wrap_disk(int layout_fd, int fd, const char *arch, GError **error) {
  g_autofree char *hex = NULL;
  gint64 size = 0;
  if (!store_layer(layout_fd, fd, &hex, &size, error))
    return NULL;
  WryJson *settings = put_document(layout_fd, WRY_OCI_CONFIG_TYPE, config(arch, hex), error);
  if (!settings)
    return NULL;
  WryJson *manifest = json_object_new_object(), *layers = json_object_new_array();
  json_object_array_add(layers, descriptor(WRY_OCI_LAYER_TYPE, hex, size));
  json_object_object_add(manifest, "schemaVersion", json_object_new_int(2));
  json_object_object_add(manifest, "mediaType", json_object_new_string(WRY_OCI_MANIFEST_TYPE));
  json_object_object_add(manifest, "config", settings);
  json_object_object_add(manifest, "layers", layers);
  return put_document(layout_fd, WRY_OCI_MANIFEST_TYPE, manifest, error);
}
