/* ISO images by libarchive: under a millisecond in this process, where xorriso as a program of its own polls in steps of a tenth of a second.
 *
 * Guests read them by Rock Ridge (Linux) or Joliet (Windows) names, so ISO 9660's own short names do not matter. The volume id is what cloud-init looks for: libarchive writes it
 * in capitals into the primary descriptor, as the standard wants, and as it is into Joliet's; KubeVirt's images have it as it is in both, so do ours.
 * libarchive gathers the data in an unnamed temporary file in $TMPDIR. */
#include "launcher/storage/iso.h"
#include "wherry/limits.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 2048
#define LABEL_OFFSET (16 * SECTOR + 40) /* primary volume descriptor, volume identifier */

typedef struct archive Archive;
typedef struct archive_entry Entry;
static void archive_end(Archive *archive) {
  archive_write_free(archive);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Archive, archive_end)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Entry, archive_entry_free)

static gboolean failed(Archive *archive, GError **error) {
  int number = archive_errno(archive);
  if (number == ENOSPC || number == EDQUOT) return wry_errno(error, number, "ISO image");
  const char *text = archive_error_string(archive);
  g_set_error(error, WRY_ERROR, WRY_ERROR_IO, "ISO image: %s", text ? text : "cannot be written");
  return FALSE;
}

static gboolean path_ok(const char *path) {
  g_auto(GStrv) parts = g_strsplit(path, "/", -1);
  for (guint i = 0; parts[i]; i++)
    if (!*parts[i] || g_str_equal(parts[i], ".") || g_str_equal(parts[i], "..") || strlen(parts[i]) > 255) return FALSE;
  return parts[0] != NULL;
}

static gboolean add_file(Archive *archive, const WryIsoFile *file, GError **error) {
  gsize length = 0;
  const void *data = g_bytes_get_data(file->data, &length);
  g_autoptr(Entry) entry = archive_entry_new();
  if (!path_ok(file->path)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "\"%s\" cannot be a file's path", file->path);
    return FALSE;
  }
  archive_entry_set_pathname(entry, file->path);
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_perm(entry, (mode_t)file->mode);
  archive_entry_set_mtime(entry, g_get_real_time() / G_USEC_PER_SEC, 0);
  archive_entry_set_size(entry, (gint64)length);
  if (archive_write_header(archive, entry) != ARCHIVE_OK || (length > 0 && archive_write_data(archive, data, length) != (la_ssize_t)length)) return failed(archive, error);
  return TRUE;
}

static gboolean set_format(Archive *archive, const char *label) {
  static const char *const options[][2] = {{"rockridge", "strict"}, {"joliet", "long"}, {"pad", NULL}};
  if (archive_write_set_format_iso9660(archive) != ARCHIVE_OK || archive_write_set_format_option(archive, "iso9660", "volume-id", label) != ARCHIVE_OK) return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(options); i++)
    if (archive_write_set_format_option(archive, "iso9660", options[i][0], options[i][1]) != ARCHIVE_OK) return FALSE;
  return archive_write_set_bytes_per_block(archive, 16 * SECTOR) == ARCHIVE_OK && archive_write_set_bytes_in_last_block(archive, SECTOR) == ARCHIVE_OK;
}

static gboolean write_label(int fd, const char *label, GError **error) {
  char padded[WRY_ISO_LABEL_BYTES];
  memset(padded, ' ', sizeof padded);
  memcpy(padded, label, strlen(label));
  return pwrite(fd, padded, sizeof padded, LABEL_OFFSET) == (ssize_t)sizeof padded || wry_errno(error, errno, "ISO image");
}

/* QEMU refuses a disk whose size is no multiple of the block that O_DIRECT wants of its file: a page at most. */
static gboolean pad_to_page(int fd, GError **error) {
  struct stat s;
  if (fstat(fd, &s) != 0 || ftruncate(fd, (s.st_size + WRY_DISK_ALIGN - 1) / WRY_DISK_ALIGN * WRY_DISK_ALIGN) != 0)
    return wry_errno(error, errno, "ISO image");
  return TRUE;
}

gboolean wry_iso_write(int fd, const WryIsoContent *content, GError **error) {
  if (strlen(content->label) > WRY_ISO_LABEL_BYTES) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "the volume label \"%s\" is longer than %u bytes", content->label, WRY_ISO_LABEL_BYTES);
    return FALSE;
  }
  g_autoptr(Archive) archive = archive_write_new();
  if (!set_format(archive, content->label) || archive_write_open_fd(archive, fd) != ARCHIVE_OK) return failed(archive, error);
  for (guint i = 0; i < content->files->len; i++)
    if (!add_file(archive, g_ptr_array_index(content->files, i), error)) return FALSE;
  if (archive_write_close(archive) != ARCHIVE_OK) return failed(archive, error);
  return write_label(fd, content->label, error) && pad_to_page(fd, error);
}
