/* Archives: the only user of libarchive. Everything that comes out of one is named by the archive and therefore hostile: a name is split into components that vpath.h opens one
 * below the other, "..", links and devices do not exist here, sizes are counted against limits while they are written, and holes are kept as holes. */
#include "lib/oci_internal.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK 65536
#define ZERO_PAGE 4096u

static void archive_put(struct archive **a) {
  if (*a)
    archive_read_free(*a);
}
#define autoarchive __attribute__((cleanup(archive_put))) struct archive *

static gboolean archive_problem(struct archive *a, GError **error) {
  const char *text = archive_error_string(a);
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "archive: %s", text ? text : "unreadable");
  return FALSE;
}

static struct archive *open_archive(int fd, GError **error) {
  struct archive *a = archive_read_new();
  archive_read_support_filter_all(a);
  archive_read_support_format_tar(a);
  archive_read_support_format_empty(a);
  if (archive_read_open_fd(a, fd, BLOCK) == ARCHIVE_OK)
    return a;
  archive_problem(a, error);
  archive_read_free(a);
  return NULL;
}

/* "./disk//guest.qcow2" -> "disk/guest.qcow2"; NULL for the root itself or a name with "..". New string. */
static char *clean_name(const char *name) {
  g_auto(GStrv) parts = g_strsplit(name ? name : "", "/", -1);
  GPtrArray *kept = g_ptr_array_new();
  gboolean ok = TRUE;
  for (guint i = 0; parts[i]; i++) {
    if (!parts[i][0] || strcmp(parts[i], ".") == 0)
      continue;
    ok &= strcmp(parts[i], "..") != 0 && strlen(parts[i]) <= 255;
    g_ptr_array_add(kept, parts[i]);
  }
  ok &= kept->len > 0 && kept->len <= 64;
  g_ptr_array_add(kept, NULL);
  char *clean = ok ? g_strjoinv("/", (GStrv)kept->pdata) : NULL;
  g_ptr_array_free(kept, TRUE);
  return clean;
}

/* Opens the directory that holds `path`, made when absent; *ret_name points into `path`. */
static int open_parent(int into, char *path, const char **ret_name, GError **error) {
  char *slash = strrchr(path, '/');
  *ret_name = slash ? slash + 1 : path;
  if (!slash)
    return fcntl(into, F_DUPFD_CLOEXEC, 0);
  *slash = '\0';
  int dir = wry_vmkdir(into, path, 0755, error);
  *slash = '/';
  return dir;
}

static gboolean is_zero(const char *block, gsize n) {
  return n == 0 || (block[0] == 0 && memcmp(block, block + 1, n - 1) == 0);
}

/* Writes a block at its offset, page by page: zero pages become holes. */
static gboolean write_block(int fd, const char *block, gsize n, la_int64_t offset, GError **error) {
  for (gsize done = 0; done < n;) {
    gsize step = MIN(ZERO_PAGE, n - done);
    if (!is_zero(block + done, step)) {
      ssize_t written = pwrite(fd, block + done, step, (off_t)offset + (off_t)done);
      if (written <= 0)
        return wry_errno(error, written < 0 ? errno : EIO, "write");
      step = (gsize)written;
    }
    done += step;
  }
  return TRUE;
}

static gboolean copy_data(struct archive *a, int fd, gint64 *bytes, GError **error) {
  const void *block;
  size_t n;
  la_int64_t offset, end = 0;
  int status;
  while ((status = archive_read_data_block(a, &block, &n, &offset)) == ARCHIVE_OK) {
    if (offset < 0 || offset > WRY_OCI_MAX_BYTES || (*bytes += (gint64)n) > WRY_OCI_MAX_BYTES) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "the image unpacks to more than %" G_GINT64_FORMAT " bytes", WRY_OCI_MAX_BYTES);
      return FALSE;
    }
    if (!write_block(fd, block, n, offset, error))
      return FALSE;
    end = MAX(end, offset + (la_int64_t)n);
  }
  if (status != ARCHIVE_EOF)
    return archive_problem(a, error);
  return ftruncate(fd, (off_t)end) == 0 || wry_errno(error, errno, "size");
}

static gboolean unpack_file(struct archive *a, struct archive_entry *entry, int into, char *path, gint64 *bytes, GError **error) {
  const char *name;
  wry_autofd int dir = open_parent(into, path, &name, error);
  if (dir < 0 || !wry_vremove_tree(dir, name, error))
    return FALSE;
  wry_autofd int fd = wry_vopen(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0444, WRY_WANT_FILE, error);
  if (fd < 0 || !copy_data(a, fd, bytes, error))
    return FALSE;
  gint64 size = archive_entry_size(entry);
  if (size > 0 && ftruncate(fd, (off_t)MIN(size, WRY_OCI_MAX_BYTES)) != 0)
    return wry_errno(error, errno, "size");
  return fchmod(fd, 0444) == 0 || wry_errno(error, errno, "mode");
}

/* OCI layer whiteouts: ".wh.<name>" removes a name of a lower layer, ".wh..wh..opq" all names of its directory. TRUE when the entry was one. */
static gboolean apply_whiteout(int into, char *path, GError **error) {
  const char *name;
  char *last = strrchr(path, '/');
  if (!g_str_has_prefix(last ? last + 1 : path, ".wh."))
    return FALSE;
  wry_autofd int dir = open_parent(into, path, &name, error);
  if (dir >= 0 && strcmp(name, ".wh..wh..opq") != 0)
    wry_vremove_tree(dir, name + 4, error);
  g_autoptr(GPtrArray) names = dir >= 0 && strcmp(name, ".wh..wh..opq") == 0 ? wry_vlist(dir, error) : NULL;
  for (guint i = 0; names && i < names->len; i++)
    wry_vremove_tree(dir, names->pdata[i], error);
  return TRUE;
}

static gboolean apply_entry(struct archive *a, struct archive_entry *entry, int into, gint64 *bytes, GError **error) {
  g_autofree char *path = clean_name(archive_entry_pathname(entry));
  g_autoptr(GError) problem = NULL;
  if (!path)
    return TRUE;
  if (apply_whiteout(into, path, &problem)) {
    if (problem)
      g_propagate_error(error, g_steal_pointer(&problem));
    return problem == NULL && (!error || !*error);
  }
  if (archive_entry_hardlink(entry))
    return TRUE;
  if (archive_entry_filetype(entry) == AE_IFDIR) {
    wry_autofd int dir = wry_vmkdir(into, path, 0755, error);
    return dir >= 0;
  }
  return archive_entry_filetype(entry) != AE_IFREG || unpack_file(a, entry, into, path, bytes, error);
}

typedef gboolean (*EachEntry)(struct archive *a, struct archive_entry *entry, int into, gint64 *bytes, GError **error);

static gboolean each_entry(int fd, int into, EachEntry each, guint *files, gint64 *bytes, GError **error) {
  struct archive_entry *entry;
  int status;
  autoarchive a = open_archive(fd, error);
  if (!a)
    return FALSE;
  while ((status = archive_read_next_header(a, &entry)) == ARCHIVE_OK || status == ARCHIVE_WARN) {
    if (++*files > WRY_OCI_MAX_FILES) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "the image has more than %u files", WRY_OCI_MAX_FILES);
      return FALSE;
    }
    if (!each(a, entry, into, bytes, error)) {
      g_prefix_error(error, "%.200s: ", archive_entry_pathname(entry) ? archive_entry_pathname(entry) : "?");
      return FALSE;
    }
  }
  return status == ARCHIVE_EOF || archive_problem(a, error);
}

gboolean wry_oci_apply_layer(int fd, int into, guint *files, gint64 *bytes, GError **error) {
  return each_entry(fd, into, apply_entry, files, bytes, error);
}

/* Names that a layout has; others are left out. */
static gboolean is_layout_name(const char *path) {
  return strcmp(path, "oci-layout") == 0 || strcmp(path, "index.json") == 0 || (g_str_has_prefix(path, "blobs/sha256/") && strlen(path) == 13 + 64);
}

static gboolean layout_entry(struct archive *a, struct archive_entry *entry, int into, gint64 *bytes, GError **error) {
  g_autofree char *path = clean_name(archive_entry_pathname(entry));
  if (!path || archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) || !is_layout_name(path))
    return TRUE;
  return unpack_file(a, entry, into, path, bytes, error);
}

gboolean wry_oci_unpack_archive(int fd, int into, GError **error) {
  guint files = 0;
  gint64 bytes = 0;
  return each_entry(fd, into, layout_entry, &files, &bytes, error);
}
