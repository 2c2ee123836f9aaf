/* The serial console's log with rotation. Writes go straight to the page cache; what the disk refuses is counted and told in the log itself once it takes bytes again. */
#include "launcher/console_log.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define LOG_NAME "serial0.log"

struct WryConsoleLog {
  int dirfd;
  int fd; /* -1 = could not be opened: tried again with the next bytes */
  gsize size;
  guint64 missed, untold;
};

/* Newest first: a rotation or a boot moves each file to its right. */
static const char *const rotation[] = {LOG_NAME, LOG_NAME ".1"};
static const char *const previous[] = {LOG_NAME ".previous", LOG_NAME ".previous.1"};

static gboolean open_log(WryConsoleLog *log, GError **error) {
  struct stat st;
  log->fd = wry_vopen(log->dirfd, LOG_NAME, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0640, WRY_WANT_FILE, error);
  log->size = log->fd >= 0 && fstat(log->fd, &st) == 0 ? (gsize)st.st_size : 0;
  return log->fd >= 0;
}

/* A name that is absent moves nothing and leaves no stale target behind. */
static gboolean move(int dirfd, const char *from, const char *to, GError **error) {
  return wry_vexists(dirfd, from) ? wry_vrename(dirfd, from, to, error) : wry_vunlink(dirfd, to, error);
}

static gboolean keep_previous(int dirfd, GError **error) {
  for (gsize i = 0; i < G_N_ELEMENTS(rotation); i++)
    if (!move(dirfd, rotation[i], previous[i], error))
      return FALSE;
  return TRUE;
}

static void rotate(WryConsoleLog *log) {
  wry_fd_close(&log->fd);
  if (move(log->dirfd, rotation[0], rotation[1], NULL))
    open_log(log, NULL);
}

WryConsoleLog *wry_console_log_new(int dirfd, gboolean fresh, GError **error) {
  WryConsoleLog *log = g_new0(WryConsoleLog, 1);
  log->dirfd = dirfd;
  log->fd = -1;
  if ((!fresh || keep_previous(dirfd, error)) && open_log(log, error))
    return log;
  wry_console_log_free(log);
  return NULL;
}

void wry_console_log_free(WryConsoleLog *log) {
  if (!log)
    return;
  wry_fd_close(&log->fd);
  g_free(log);
}

static gsize put(WryConsoleLog *log, const char *data, gsize length) {
  gsize done = 0;
  while (done < length) {
    ssize_t n = write(log->fd, data + done, length - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    done += (gsize)n;
  }
  log->size += done;
  return done;
}

/* TRUE when nothing is left to tell. */
static gboolean tell_missed(WryConsoleLog *log) {
  char note[64];
  if (log->untold == 0)
    return TRUE;
  int n = g_snprintf(note, sizeof note, "\n[%" G_GUINT64_FORMAT " bytes not logged]\n", log->untold);
  if (put(log, note, (gsize)n) != (gsize)n)
    return FALSE;
  log->untold = 0;
  return TRUE;
}

void wry_console_log_write(WryConsoleLog *log, const char *data, gsize length) {
  gsize done = 0;
  if (log->fd >= 0 && log->size > 0 && log->size + length > WRY_CONSOLE_LOG)
    rotate(log);
  if ((log->fd >= 0 || open_log(log, NULL)) && tell_missed(log))
    done = put(log, data, length);
  log->missed += length - done;
  log->untold += length - done;
}

/* The last bytes of one file, at most `max`. */
static gsize tail_of(int dirfd, const char *name, char *into, gsize max) {
  struct stat st;
  gsize done = 0;
  wry_autofd int fd = wry_vopen(dirfd, name, O_RDONLY, 0, WRY_WANT_FILE, NULL);
  gsize size = fd >= 0 && fstat(fd, &st) == 0 ? (gsize)st.st_size : 0, wanted = MIN(size, max);
  while (done < wanted) {
    ssize_t n = pread(fd, into + done, wanted - done, (off_t)(size - wanted + done));
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    done += (gsize)n;
  }
  return done;
}

gsize wry_console_log_recall(const WryConsoleLog *log, char *into, gsize max) {
  gsize present = MIN(log->size, max), older = tail_of(log->dirfd, rotation[1], into, max - present);
  return older + tail_of(log->dirfd, rotation[0], into + older, present);
}

guint64 wry_console_log_missed(const WryConsoleLog *log) {
  return log->missed;
}
