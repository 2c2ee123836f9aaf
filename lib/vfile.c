/* Whole files through fds, and names that may become paths.
 *
 * A file is replaced by writing ".<name>.tmp" beside it, fsync, rename, fsync of the directory, so that a reader sees the old or the new content. A
 * leftover of a crash is removed by the next write.
 *
 * Relies on vpath.c for everything that has a path. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"

#define READ_STEP 65536u

/* --- reading -------------------------------------------------------------------------------------------------------------------------------------------- */
/* Reads one step more than `max` would allow, so that too much is noticed. */
static gssize read_step(int fd, GString *into, gsize max) {
  gsize old = into->len, step = MIN(READ_STEP, max - old + 1);
  gssize got;
  g_string_set_size(into, old + step);
  do got = read(fd, into->str + old, step);
  while (got < 0 && errno == EINTR);
  g_string_set_size(into, old + (gsize)MAX(got, 0));
  return got;
}

char *wry_fd_read(int fd, gsize max, gsize *ret_length, GError **error) {
  GString *text = g_string_new(NULL);
  gssize got;
  while ((got = read_step(fd, text, max)) > 0 && text->len <= max) continue;
  if (got < 0) wry_errno(error, errno, "read");
  if (text->len > max) g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "more than %zu bytes", max);
  if (got < 0 || text->len > max) {
    g_string_free(text, TRUE);
    return NULL;
  }
  if (ret_length) *ret_length = text->len;
  return g_string_free(text, FALSE);
}

char *wry_vread(int dirfd, const char *relative, gsize max, gsize *ret_length, GError **error) {
  wry_autofd int fd = wry_vopen(dirfd, relative, O_RDONLY, 0, WRY_WANT_FILE, error);
  if (fd < 0) return NULL;
  char *text = wry_fd_read(fd, max, ret_length, error);
  if (!text) g_prefix_error(error, "%s: ", relative);
  return text;
}

/* --- writing --------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean write_all(int fd, const char *data, gsize length) {
  while (length) {
    gssize done = write(fd, data, length);
    if (done < 0 && errno != EINTR) return FALSE;
    data += MAX(done, 0);
    length -= (gsize)MAX(done, 0);
  }
  return TRUE;
}

static char *temporary_name(const char *relative) {
  const char *slash = strrchr(relative, '/');
  gsize parent = slash ? (gsize)(slash - relative) + 1 : 0;
  return g_strdup_printf("%.*s.%s.tmp", (int)parent, relative, relative + parent);
}

static gboolean write_temporary(int dirfd, const char *name, const void *data, gsize length, mode_t mode, GError **error) {
  wry_autofd int fd = wry_vopen(dirfd, name, O_WRONLY | O_CREAT | O_EXCL, mode, WRY_WANT_FILE, error);
  if (fd < 0) return FALSE;
  return (fchmod(fd, mode) == 0 && write_all(fd, data, length) && fsync(fd) == 0) || wry_errno(error, errno, "write %s", name);
}

gboolean wry_vwrite(int dirfd, const char *relative, const void *data, gsize length, mode_t mode, GError **error) {
  g_autofree char *temporary = temporary_name(relative);
  if (!wry_vunlink(dirfd, temporary, error)) return FALSE;
  if (write_temporary(dirfd, temporary, data, length, mode, error) && wry_vrename(dirfd, temporary, relative, error)) return TRUE;
  wry_vunlink(dirfd, temporary, NULL);
  return FALSE;
}

/* --- names ----------------------------------------------------------------------------------------------------------------------------------------------- */
/* One label of [a-z0-9-] with [a-z0-9] at both ends. */
static gboolean label_valid(const char *label, gsize length) {
  static const char alnum[] = "abcdefghijklmnopqrstuvwxyz0123456789";
  return length && strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-") >= length && strchr(alnum, label[0]) && strchr(alnum, label[length - 1]);
}

/* RFC 1123 subdomain as Kubernetes checks it: labels joined by dots. A uuid is one. */
gboolean wry_vname_valid(const char *name) {
  if (strlen(name) > 253) return FALSE;
  for (;; name++) {
    gsize length = strcspn(name, ".");
    if (!label_valid(name, length)) return FALSE;
    name += length;
    if (!*name) return TRUE;
  }
}
