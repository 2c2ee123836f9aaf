/* A look at the header of a qcow2 image before any program opens it.
 *
 * An image that a user supplies may name other files: as its backing file, or as the file that holds its data. QEMU would open them with the VM's rights. Layout: QEMU's
 * docs/interop/qcow2.txt; all numbers big-endian. */
#include "launcher/storage/image.h"
#include "wherry/error.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define HEADER_BYTES 104          /* of version 3; version 2 has 72 */
#define MAGIC 0x514649FBu         /* "QFI\xfb" */
#define OFFSET_VERSION 4
#define OFFSET_BACKING 8          /* 64 bits: where the backing file's name is; 0 = none */
#define OFFSET_SIZE 24            /* 64 bits */
#define OFFSET_INCOMPATIBLE 72    /* 64 bits: features that a reader must know */
#define INCOMPATIBLE_DATA_FILE 4u

static guint64 number(const guint8 *at, guint bytes) {
  guint64 value = 0;
  for (guint i = 0; i < bytes; i++) value = value << 8 | at[i];
  return value;
}

gboolean wry_image_check(int fd, GError **error) {
  guint8 header[HEADER_BYTES] = {0};
  ssize_t got = pread(fd, header, sizeof header, 0);
  if (got < 0) return wry_errno(error, errno, "its header");
  const char *wrong = NULL;
  guint64 version = number(header + OFFSET_VERSION, 4);
  if (got < 72 || number(header, 4) != MAGIC || (version != 2 && version != 3))
    wrong = "is no qcow2 image";
  else if (number(header + OFFSET_BACKING, 8))
    wrong = "has a backing file of its own";
  else if (version == 3 && number(header + OFFSET_INCOMPATIBLE, 8) & INCOMPATIBLE_DATA_FILE)
    wrong = "keeps its data in another file";
  if (!wrong) return TRUE;
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "the image %s", wrong);
  return FALSE;
}

gboolean wry_image_size(int fd, guint64 *ret, GError **error) {
  guint8 field[8] = {0};
  if (pread(fd, field, sizeof field, OFFSET_SIZE) != (ssize_t)sizeof field) return wry_errno(error, errno, "its header");
  *ret = number(field, sizeof field);
  return TRUE;
}
