/* console, logs, vnc. The handler hands over a descriptor of the stream itself, so a console goes on when the handler is restarted. */
#include "tools/wherryctl/client.h"
#include "tools/wherryctl/relay.h"
#include "tools/wherryctl/verb.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>

#define ESCAPE 0x1d /* ^] */
#define RETRY_MS 500
#define NEXT_TRIES 6u
#define DEFAULT_CONSOLE_MINUTES 5

static int open_stream(const WryArgs *args, WryControlMethod method, gboolean scrollback, GError **error) {
  int fd = -1;
  WryControlGuest call = {.namespace_ = (char *)wry_args_namespace(args), .name = args->args[0], .readOnly = {args->read_only, args->read_only},
                          .force = {args->force, args->force}, .scrollback = {scrollback, scrollback}, .previous = {args->previous, args->previous}};
  g_autoptr(WryJson) reply = wry_client_call(args->root, method, &call, &fd, error);
  if (reply && fd < 0)
    g_set_error(error, WRY_ERROR, WRY_ERROR_PROTOCOL, "error: the handler sent no stream");
  return reply ? fd : -1;
}

/* Waits at most `ms` for the VMI to change, by its watch; returns early when it did. */
static void await_change(const WryArgs *args, gint64 ms) {
  WryControlGet get = {.kind = (char *)"VirtualMachineInstance", .namespace_ = (char *)wry_args_namespace(args), .name = args->args[0], .watch = {TRUE, TRUE}};
  g_autoptr(WryClient) client = wry_client_open(args->root, NULL);
  gint64 end = g_get_monotonic_time() + ms * 1000;
  gboolean synced = FALSE, more = TRUE;
  if (!client || !wry_client_send(client, WRY_CONTROL_GET, &get, TRUE, NULL))
    return;
  while (more && g_get_monotonic_time() < end) {
    struct pollfd p = {.fd = wry_client_fd(client), .events = POLLIN};
    if (!wry_client_pending(client) && poll(&p, 1, (int)((end - g_get_monotonic_time()) / 1000)) != 1)
      return;
    g_autoptr(WryJson) reply = wry_client_receive(client, &more, NULL, NULL);
    if (!reply || synced)
      return;
    synced = g_strcmp0(wry_json_str(reply, "type"), "BOOKMARK") == 0;
  }
}

/* As virtctl: a VMI that is not running yet is waited for; anything but "not running" ends the try. */
static int open_console(const WryArgs *args, GError **error) {
  gint64 wait_ms = DEFAULT_CONSOLE_MINUTES * 60000;
  if (args->timeout && !wry_duration_parse(args->timeout, 60, &wait_ms, error))
    return -1;
  gint64 end = g_get_monotonic_time() + wait_ms * 1000;
  for (;;) {
    g_autoptr(GError) problem = NULL;
    int fd = open_stream(args, WRY_CONTROL_CONSOLE, TRUE, &problem);
    gint64 left = (end - g_get_monotonic_time()) / 1000;
    if (fd >= 0)
      return fd;
    if (!g_error_matches(problem, WRY_ERROR, WRY_ERROR_INVALID) || left <= 0) {
      g_propagate_error(error, g_steal_pointer(&problem));
      return -1;
    }
    await_change(args, MIN(left, RETRY_MS * 20));
  }
}

static struct termios saved;

static gboolean raw_terminal(void) {
  struct termios raw;
  if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved) != 0)
    return FALSE;
  raw = saved;
  cfmakeraw(&raw);
  return tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

int wry_cmd_console(const WryArgs *args, GError **error) {
  wry_autofd int fd = open_console(args, error);
  if (fd < 0)
    return 1;
  gboolean tty = isatty(STDIN_FILENO);
  if (tty)
    fprintf(stderr, "Successfully connected to %s console. Press Ctrl+] or Ctrl+5 to exit console.\n", args->args[0]);
  signal(SIGPIPE, SIG_IGN);
  gboolean raw = raw_terminal();
  wry_relay(args->read_only && !tty ? -1 : STDIN_FILENO, fd, fd, STDOUT_FILENO, tty ? ESCAPE : 0);
  if (raw) {
    tcsetattr(STDIN_FILENO, TCSANOW, &saved);
    fputs("\r\n", stderr);
  }
  return 0;
}

/* ---- logs ---- */

static gboolean copy_rest(int from) {
  char block[16384];
  ssize_t n;
  while ((n = read(from, block, sizeof block)) > 0)
    if (fwrite(block, 1, (size_t)n, stdout) != (size_t)n)
      return FALSE;
  return fflush(stdout) == 0 && n == 0;
}

/* Waits for the open log to grow. FALSE: it was moved away, so the next file is to be asked for. */
static gboolean await_growth(int log) {
  union { struct inotify_event event; char bytes[4096]; } buffer;
  struct stat s;
  g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", log);
  wry_autofd int watch = inotify_init1(IN_CLOEXEC);
  if (watch < 0 || inotify_add_watch(watch, path, IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB) < 0)
    return FALSE;
  off_t at = lseek(log, 0, SEEK_CUR);
  if (fstat(log, &s) == 0 && s.st_size > at)
    return TRUE;
  return s.st_nlink > 0 && read(watch, &buffer, sizeof buffer) > 0 && !(buffer.event.mask & IN_MOVE_SELF);
}

/* A log that was moved away has a successor within moments: there is none between the two. */
static int next_log(const WryArgs *args, GError **error) {
  for (guint tries = 1;; tries++) {
    g_autoptr(GError) problem = NULL;
    int next = open_stream(args, WRY_CONTROL_LOGS, FALSE, &problem);
    if (next >= 0)
      return next;
    if (tries == NEXT_TRIES || !g_error_matches(problem, WRY_ERROR, WRY_ERROR_NOT_FOUND)) {
      g_propagate_error(error, g_steal_pointer(&problem));
      return -1;
    }
    await_change(args, RETRY_MS);
  }
}

int wry_cmd_logs(const WryArgs *args, GError **error) {
  wry_autofd int log = open_stream(args, WRY_CONTROL_LOGS, FALSE, error);
  if (log < 0)
    return 1;
  while (copy_rest(log) && args->follow) {
    if (await_growth(log))
      continue;
    copy_rest(log);
    int next = next_log(args, error);
    if (next < 0)
      return 1;
    close(log);
    log = next;
  }
  return 0;
}

/* ---- vnc ---- */

static int listen_local(int port, int *ret_port, GError **error) {
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof here;
  int one = 1;
  wry_autofd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 || bind(fd, (struct sockaddr *)&here, sizeof here) != 0 || listen(fd, 4) != 0 ||
      getsockname(fd, (struct sockaddr *)&here, &size) != 0) {
    wry_errno(error, errno, "error: port %d", port);
    return -1;
  }
  *ret_port = ntohs(here.sin_port);
  return g_steal_fd(&fd);
}

/* One viewer: served by a child, so that several may look at once. */
static void serve_viewer(const WryArgs *args, int viewer) {
  g_autoptr(GError) error = NULL;
  wry_autofd int stream = open_stream(args, WRY_CONTROL_VNC, FALSE, &error);
  if (stream < 0)
    fprintf(stderr, "%s\n", error->message);
  else
    wry_relay(viewer, stream, stream, viewer, 0);
}

int wry_cmd_vnc(const WryArgs *args, GError **error) {
  int port = 0;
  if (!args->proxy_only) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: no viewer is started here: use --proxy-only and connect a VNC client to the port");
    return 2;
  }
  wry_autofd int probe = open_stream(args, WRY_CONTROL_VNC, FALSE, error);
  wry_autofd int listener = probe < 0 ? -1 : listen_local(args->port, &port, error);
  if (listener < 0)
    return 1;
  wry_fd_close(&probe);
  printf("{\"port\":%d}\n", port);
  fflush(stdout);
  signal(SIGCHLD, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  for (;;) {
    wry_autofd int viewer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (viewer < 0 && errno != EINTR && errno != ECONNABORTED)
      return wry_errno(error, errno, "error: accept") ? 0 : 1;
    if (viewer < 0)
      continue;
    pid_t pid = fork();
    if (pid == 0) {
      serve_viewer(args, viewer);
      _exit(0);
    }
  }
}
