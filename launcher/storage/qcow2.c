/* Makes an empty qcow2 image: a disk of zeros, or of what another image holds.
 *
 * Written here because a start waits for it: qemu-img takes longer to load than all else that a start does with disks. Of the format only what an empty image needs: a header, a refcount
 * table, one block of refcounts, a first-level table without entries (QEMU's docs/interop/qcow2.txt; all numbers big-endian). QEMU itself does the rest. */
#include "launcher/storage/qcow2.h"
#include "wherry/error.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CLUSTER_BITS 16u
#define CLUSTER (1u << CLUSTER_BITS)
#define HEADER_BYTES 104u
#define MAGIC 0x514649FBu                  /* "QFI\xfb" */
#define REFCOUNT_ORDER 4u                  /* 16 bits each */
#define EXTENSION_BACKING_FORMAT 0xE2792ACAu
#define BACKING_NAME_AT 512u               /* in the header's cluster, behind the extensions */
#define BACKING_NAME_MAX 1023u
#define L1_ENTRY_COVERS (1ull << (CLUSTER_BITS + CLUSTER_BITS - 3)) /* bytes of the disk: 512 MiB */
#define L1_MAX_BYTES (32u << 20)           /* QEMU's own limit */
#define SECTOR 512u

enum { AT_HEADER, AT_REFCOUNT_TABLE, AT_REFCOUNTS, AT_L1 }; /* clusters */

static void put(GByteArray *to, gsize at, guint64 value, guint bytes) {
  for (guint i = 0; i < bytes; i++) to->data[at + i] = (guint8)(value >> 8 * (bytes - 1 - i));
}

static GByteArray *cluster(void) {
  GByteArray *bytes = g_byte_array_sized_new(CLUSTER);
  g_byte_array_set_size(bytes, CLUSTER);
  memset(bytes->data, 0, CLUSTER);
  return bytes;
}

static void put_backing(GByteArray *header, const char *backing, const char *format) {
  gsize length = strlen(backing), format_length = strlen(format);
  put(header, 8, BACKING_NAME_AT, 8);
  put(header, 16, length, 4);
  put(header, HEADER_BYTES, EXTENSION_BACKING_FORMAT, 4);
  put(header, HEADER_BYTES + 4, format_length, 4);
  memcpy(header->data + HEADER_BYTES + 8, format, format_length);
  memcpy(header->data + BACKING_NAME_AT, backing, length);
}

static GByteArray *make_header(guint64 size, guint64 l1_entries, const char *backing, const char *format) {
  GByteArray *header = cluster();
  put(header, 0, MAGIC, 4);
  put(header, 4, 3, 4); /* version */
  put(header, 20, CLUSTER_BITS, 4);
  put(header, 24, size, 8);
  put(header, 36, l1_entries, 4);
  put(header, 40, (guint64)AT_L1 * CLUSTER, 8);
  put(header, 48, (guint64)AT_REFCOUNT_TABLE * CLUSTER, 8);
  put(header, 56, 1, 4); /* clusters of the refcount table */
  put(header, 96, REFCOUNT_ORDER, 4);
  put(header, 100, HEADER_BYTES, 4);
  if (backing) put_backing(header, backing, format);
  return header;
}

static gboolean write_cluster(int fd, guint number, const GByteArray *bytes, GError **error) {
  ssize_t done = pwrite(fd, bytes->data, bytes->len, (off_t)number * CLUSTER);
  if (done == (ssize_t)bytes->len) return TRUE;
  return wry_errno(error, done < 0 ? errno : ENOSPC, "image");
}

static gboolean write_all(int fd, GByteArray *header, guint64 clusters, GError **error) {
  g_autoptr(GByteArray) table = cluster(), refcounts = cluster();
  put(table, 0, (guint64)AT_REFCOUNTS * CLUSTER, 8);
  for (guint64 i = 0; i < clusters; i++) put(refcounts, i * 2, 1, 2);
  if (ftruncate(fd, (off_t)(clusters * CLUSTER)) != 0) return wry_errno(error, errno, "image");
  return write_cluster(fd, AT_REFCOUNT_TABLE, table, error) && write_cluster(fd, AT_REFCOUNTS, refcounts, error) && write_cluster(fd, AT_HEADER, header, error);
}

gboolean wry_qcow2_write(int fd, guint64 size, const char *backing, const char *backing_format, GError **error) {
  guint64 whole = (size + SECTOR - 1) / SECTOR * SECTOR, entries = MAX(whole / L1_ENTRY_COVERS + (whole % L1_ENTRY_COVERS != 0), 1), l1_bytes = entries * 8;
  if (size > G_MAXINT64 - SECTOR || l1_bytes > L1_MAX_BYTES) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "%" G_GUINT64_FORMAT " bytes are more than a disk can have", size);
    return FALSE;
  }
  if (backing && strlen(backing) > BACKING_NAME_MAX) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "the name of its image is longer than %u bytes", BACKING_NAME_MAX);
    return FALSE;
  }
  g_autoptr(GByteArray) header = make_header(whole, entries, backing, backing_format);
  return write_all(fd, header, AT_L1 + (l1_bytes + CLUSTER - 1) / CLUSTER, error);
}
