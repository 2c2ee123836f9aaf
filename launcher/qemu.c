/* QEMU as a process: found in /proc, watched and signalled through a pidfd, so that no pid is ever mistaken for another's. */
#include "launcher/qemu.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#define INIT_PID 1

struct WryQemu {
  int pid, fd;
  guint source;
  WryQemuGone gone;
  gpointer data;
};

/* --- finding ---------------------------------------------------------------------------------------------------------- */

/* "pid (name) state ppid ...": the name may hold anything, its end is the last ')'. */
gboolean wry_qemu_parse_stat(const char *text, char *ret_name, char *ret_state, int *ret_parent) {
  const char *open = strchr(text, '('), *close = strrchr(text, ')');
  if (!open || !close || close < open || close[1] != ' ' || !close[2] || close[3] != ' ')
    return FALSE;
  g_strlcpy(ret_name, open + 1, MIN((gsize)16, (gsize)(close - open)));
  *ret_state = close[2];
  *ret_parent = (int)g_ascii_strtoll(close + 4, NULL, 10);
  return TRUE;
}

/* Lives, and is a child of init. */
static gboolean is_of_init(int proc, int pid, char *ret_name) {
  char state;
  int parent;
  g_autofree char *path = g_strdup_printf("%d/stat", pid);
  g_autofree char *text = pid > INIT_PID ? wry_vread(proc, path, 4096, NULL, NULL) : NULL;
  return text && wry_qemu_parse_stat(text, ret_name, &state, &parent) && parent == INIT_PID && state != 'Z' && state != 'X' && pid != getpid();
}

static gboolean is_called_so(const char *name) {
  return g_str_has_prefix(name, "qemu-system") || g_str_has_prefix(name, "launcher-jail");
}

int wry_qemu_find(int proc, int noted) {
  char name[16];
  if (noted > 0 && is_of_init(proc, noted, name))
    return noted;
  g_autoptr(GPtrArray) names = wry_vlist(proc, NULL);
  for (guint i = 0; names && i < names->len; i++) {
    int pid = (int)g_ascii_strtoll(g_ptr_array_index(names, i), NULL, 10);
    if (is_of_init(proc, pid, name) && is_called_so(name))
      return pid;
  }
  return 0;
}

/* --- sweeping --------------------------------------------------------------------------------------------------------- */

static gboolean kill_and_wait(int pid, guint ms) {
  wry_autofd int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  struct pollfd p = {.fd = fd, .events = POLLIN};
  return fd < 0 || (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0 && poll(&p, 1, (int)ms) == 1);
}

gboolean wry_qemu_sweep(int proc, guint ms) {
  char name[16];
  gboolean clean = TRUE;
  g_autoptr(GPtrArray) names = wry_vlist(proc, NULL);
  for (guint i = 0; names && i < names->len; i++) {
    int pid = (int)g_ascii_strtoll(g_ptr_array_index(names, i), NULL, 10);
    if (is_of_init(proc, pid, name))
      clean &= kill_and_wait(pid, ms);
  }
  return clean && names;
}

/* --- watching --------------------------------------------------------------------------------------------------------- */

static gboolean ended(gint fd, GIOCondition condition, gpointer data) {
  WryQemu *qemu = data;
  (void)fd;
  (void)condition;
  qemu->source = 0;
  qemu->gone(qemu->pid, qemu->data);
  return G_SOURCE_REMOVE;
}

WryQemu *wry_qemu_watch(int pid, WryQemuGone gone, gpointer data, GError **error) {
  int fd = (int)syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) {
    wry_errno(error, errno, "QEMU process %d", pid);
    return NULL;
  }
  WryQemu *qemu = g_new0(WryQemu, 1);
  *qemu = (WryQemu){.pid = pid, .fd = fd, .gone = gone, .data = data};
  qemu->source = g_unix_fd_add(fd, G_IO_IN, ended, qemu);
  return qemu;
}

void wry_qemu_free(WryQemu *qemu) {
  if (!qemu)
    return;
  g_clear_handle_id(&qemu->source, g_source_remove);
  wry_fd_close(&qemu->fd);
  g_free(qemu);
}

int wry_qemu_pid(const WryQemu *qemu) {
  return qemu ? qemu->pid : 0;
}

gboolean wry_qemu_signal(WryQemu *qemu, int signal, GError **error) {
  if (syscall(SYS_pidfd_send_signal, qemu->fd, signal, NULL, 0) == 0)
    return TRUE;
  return wry_errno(error, errno, "signal %d to QEMU process %d", signal, qemu->pid);
}
