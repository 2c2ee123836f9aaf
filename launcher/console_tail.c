/* `launcher console-log`: the serial console's log on stdout, from its beginning and on as it grows, for `kubectl logs` of a container beside the launcher's.
 *
 * How it works: the file is read to its end, then inotify says when there is more, or when another has taken its name: then the rest of the old one is read and the new one begun. It is pid 1 of its
 * container, so it has to end on SIGTERM by itself.
 * Relies on: console_log.c renaming a full log away before it begins a new one. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "launcher/domain/domain.h"
#include "launcher/stages.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/isolate.h"
#include "wherry/log.h"
#include "wherry/vpath.h"

#define LOG_FILE "serial0.log"

G_NORETURN static void on_term(int number G_GNUC_UNUSED) { _exit(EXIT_SUCCESS); }

static gboolean write_all(const char *bytes, gsize length) {
  for (gsize done = 0; done < length;) {
    ssize_t n = write(STDOUT_FILENO, bytes + done, length - done);
    if (n <= 0) return FALSE;
    done += (gsize)n;
  }
  return TRUE;
}

static gboolean copy_rest(int fd) {
  char buffer[8192];
  ssize_t n;
  while (fd >= 0 && (n = read(fd, buffer, sizeof buffer)) > 0)
    if (!write_all(buffer, (gsize)n)) return FALSE;
  return TRUE;
}

static gboolean is_same(int a, int b) {
  struct stat x, y;
  return a >= 0 && fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

/* Everything that is there now. `log` is the file that is being read, -1 before there is one. */
static gboolean catch_up(int dir, int *log) {
  if (!copy_rest(*log)) return FALSE;
  wry_autofd int now = wry_vopen(dir, LOG_FILE, O_RDONLY, 0, WRY_WANT_FILE, NULL);
  if (now < 0 || is_same(*log, now)) return TRUE;
  if (!copy_rest(*log)) return FALSE;
  wry_fd_close(log);
  *log = g_steal_fd(&now);
  return copy_rest(*log);
}

static int watch(int dir, GError **error) {
  g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", dir);
  wry_autofd int fd = inotify_init1(IN_CLOEXEC);
  if (fd >= 0 && inotify_add_watch(fd, path, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) >= 0) return g_steal_fd(&fd);
  wry_errno(error, errno, "watch on the log's directory");
  return -1;
}

int wry_console_tail_main(int argc, char **argv) {
  _Alignas(struct inotify_event) char events[4096];
  g_autoptr(GError) error = NULL;
  (void)argv;
  wry_log_init("console-log");
  signal(SIGTERM, on_term);
  wry_autofd int log = -1, dir = argc == 1 ? wry_dir_open(wry_domain_dirs.state, &error) : -1;
  wry_autofd int notify = dir < 0 || !wry_isolate_no_new_privs(&error) ? -1 : watch(dir, &error);
  if (notify < 0) {
    wry_log(WRY_LOG_ERROR, "launcher console-log", "why", error ? error->message : "takes no arguments", NULL);
    return EXIT_FAILURE;
  }
  do
    if (!catch_up(dir, &log)) return EXIT_FAILURE;
  while (read(notify, events, sizeof events) > 0);
  return EXIT_FAILURE;
}
