/* What a disk image is, by its header alone. Nothing but this decides a format: QEMU is told it and never probes, since a guest can write any header into a raw disk. */
#include "wherry/error.h"
#include "wherry/images.h"
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* qcow2 header (QEMU docs/interop/qcow2.txt), big-endian. */
enum { HEADER = 104, AT_VERSION = 4, AT_BACKING_OFFSET = 8, AT_SIZE = 24, AT_INCOMPATIBLE = 72, EXTERNAL_DATA = 1 << 2 };
static const uint8_t magic[4] = {'Q', 'F', 'I', 0xfb};

static guint64 be(const uint8_t *p, gsize n) {
  guint64 v = 0;
  for (gsize i = 0; i < n; i++)
    v = v << 8 | p[i];
  return v;
}

static gboolean refuse(GError **error, const char *why) {
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "qcow2 image %s", why);
  return FALSE;
}

static gboolean probe_qcow2(const uint8_t *h, gint64 *ret_size, GError **error) {
  guint64 version = be(h + AT_VERSION, 4), size = be(h + AT_SIZE, 8);
  if (version != 2 && version != 3)
    return refuse(error, "of an unknown version");
  if (be(h + AT_BACKING_OFFSET, 8) != 0)
    return refuse(error, "has a backing file, which is not allowed");
  if (version == 3 && (be(h + AT_INCOMPATIBLE, 8) & EXTERNAL_DATA))
    return refuse(error, "keeps its data in another file, which is not allowed");
  if (size == 0 || size > G_MAXINT64)
    return refuse(error, "has an impossible size");
  *ret_size = (gint64)size;
  return TRUE;
}

gboolean wry_disk_probe(int fd, const char **ret_format, gint64 *ret_size, GError **error) {
  uint8_t h[HEADER] = {0};
  struct stat s;
  ssize_t n = pread(fd, h, sizeof h, 0);
  if (n < 0 || fstat(fd, &s) != 0)
    return wry_errno(error, errno, "disk image");
  if (n >= (ssize_t)sizeof magic && memcmp(h, magic, sizeof magic) == 0) {
    *ret_format = "qcow2";
    return n >= 72 ? probe_qcow2(h, ret_size, error) : refuse(error, "is truncated");
  }
  *ret_format = "raw";
  *ret_size = s.st_size;
  return TRUE;
}
