/* The cgroup of a sandbox, as far as the root half handles it: making the directories, moving the first process in, counting, killing, removing.
 *
 * A node has either one v2 tree or v1 hierarchies with perhaps an empty v2 tree beside them (hybrid). A sandbox has a directory of the same relative name in each hierarchy
 * that is mounted; which are is asked of statfs(2), not of a mount table. Limits and device rules are set in them by `launcher setup`. On v2 the
 * controllers are delegated downwards here. A directory that is there already is as good as a new one. */
#include "handler/sandbox.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define CGROUP_ROOT "/sys/fs/cgroup"
#define PROCS_MAX (1u << 20)
#define PIDS_MAX 4096u

static const char *const hierarchies[] = {"memory", "cpu,cpuacct", "cpu", "cpuacct", "pids", "devices", "freezer", "blkio", "cpuset", "unified"};
static const char *const v2_controllers[] = {"+memory", "+cpu", "+pids", "+io", "+cpuset"};

static gboolean is_type(int fd, long magic) {
  struct statfs s;
  return fstatfs(fd, &s) == 0 && (long)s.f_type == magic;
}

int wry_sandbox_cgroup_version(void) {
  wry_autofd int root = wry_dir_open(CGROUP_ROOT, NULL);
  return root >= 0 && is_type(root, CGROUP2_SUPER_MAGIC) ? 2 : 1;
}

/* Opens the top of every hierarchy. v1 "cpu" and "cpu,cpuacct" are often one by symlink: only real directories count. */
static guint open_hierarchies(int *fds, gboolean *v2) {
  guint n = 0;
  wry_autofd int root = wry_dir_open(CGROUP_ROOT, NULL);
  *v2 = FALSE;
  if (root < 0)
    return 0;
  if (is_type(root, CGROUP2_SUPER_MAGIC)) {
    *v2 = TRUE;
    fds[n++] = g_steal_fd(&root);
    return n;
  }
  for (gsize i = 0; i < G_N_ELEMENTS(hierarchies) && n < WRY_SANDBOX_HIERARCHIES; i++) {
    int fd = wry_vopen(root, hierarchies[i], O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, NULL);
    if (fd >= 0 && (is_type(fd, CGROUP_SUPER_MAGIC) || is_type(fd, CGROUP2_SUPER_MAGIC)))
      fds[n++] = fd;
    else if (fd >= 0)
      close(fd);
  }
  return n;
}

static void close_all(int *fds, guint n) {
  for (guint i = 0; i < n; i++)
    close(fds[i]);
}

static gboolean write_file(int dirfd, const char *name, const char *text, GError **error) {
  wry_autofd int fd = wry_vopen(dirfd, name, O_WRONLY, 0, WRY_WANT_FILE, error);
  if (fd < 0)
    return FALSE;
  if (write(fd, text, strlen(text)) < 0)
    return wry_errno(error, errno, "cgroup file %s", name);
  return TRUE;
}

/* Each controller is asked for on its own: a node may lack one. */
static void delegate(int dirfd) {
  for (gsize i = 0; i < G_N_ELEMENTS(v2_controllers); i++)
    write_file(dirfd, "cgroup.subtree_control", v2_controllers[i], NULL);
}

/* A new v1 cpuset is empty and takes no process until it has its parent's CPUs and memory nodes. */
static void inherit_cpuset(int parent, int child) {
  static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    gsize length = 0;
    g_autofree char *own = wry_vread(child, files[i], 4096, &length, NULL);
    if (!own || g_strstrip(own)[0])
      continue;
    g_autofree char *text = wry_vread(parent, files[i], 4096, &length, NULL);
    if (text)
      write_file(child, files[i], text, NULL);
  }
}

static gboolean make_in(int top, const char *path, gboolean v2, GError **error) {
  g_auto(GStrv) parts = g_strsplit(path, "/", -1);
  wry_autofd int at = dup(top);
  for (guint i = 0; parts[i]; i++) {
    if (v2)
      delegate(at);
    int next = wry_vmkdir(at, parts[i], 0755, error);
    if (next < 0)
      return FALSE;
    inherit_cpuset(at, next);
    close(at);
    at = next;
  }
  return TRUE;
}

static char *sandbox_path(const WryPrivContext *context, const char *name) {
  return g_strdup_printf("%s/%s", context->cgroup, name);
}

gboolean wry_sandbox_cgroup_make(const WryPrivContext *context, const char *name, GError **error) {
  int fds[WRY_SANDBOX_HIERARCHIES];
  gboolean v2, ok = TRUE;
  guint n = open_hierarchies(fds, &v2);
  g_autofree char *path = sandbox_path(context, name);
  for (guint i = 0; i < n && ok; i++)
    ok = make_in(fds[i], path, v2, error);
  close_all(fds, n);
  return ok;
}

gboolean wry_sandbox_cgroup_attach(const WryPrivContext *context, const char *name, pid_t pid, GError **error) {
  int fds[WRY_SANDBOX_HIERARCHIES];
  gboolean v2, ok = TRUE;
  guint n = open_hierarchies(fds, &v2);
  g_autofree char *path = sandbox_path(context, name);
  g_autofree char *file = g_strdup_printf("%s/cgroup.procs", path);
  char text[16];
  g_snprintf(text, sizeof text, "%d", (int)pid);
  for (guint i = 0; i < n && ok; i++)
    ok = write_file(fds[i], file, text, error);
  close_all(fds, n);
  return ok;
}

/* The pids in one hierarchy's directory; they are in all, so the first hierarchy that answers counts. */
static guint pids_in(int top, const char *file, pid_t *pids, guint max) {
  gsize length = 0;
  guint n = 0;
  g_autofree char *text = wry_vread(top, file, PROCS_MAX, &length, NULL);
  for (char *at = text; at && *at;) {
    char *end;
    long pid = strtol(at, &end, 10);
    if (end == at)
      break;
    if (n < max)
      pids[n] = (pid_t)pid;
    n++;
    at = end + (*end == '\n');
  }
  return n;
}

guint wry_sandbox_cgroup_pids(const WryPrivContext *context, const char *name, pid_t *pids, guint max) {
  int fds[WRY_SANDBOX_HIERARCHIES];
  gboolean v2;
  guint n = open_hierarchies(fds, &v2), most = 0;
  g_autofree char *path = sandbox_path(context, name);
  g_autofree char *file = g_strdup_printf("%s/cgroup.procs", path);
  for (guint i = 0; i < n && most == 0; i++)
    most = pids_in(fds[i], file, pids, max);
  close_all(fds, n);
  return most;
}

/* Kills what is listed and waits for one of them by its pidfd; the caller looks again. */
static void kill_round(const pid_t *pids, guint n, int timeout_ms) {
  int first = -1;
  for (guint i = 0; i < n; i++) {
    int fd = pidfd_open(pids[i], 0);
    if (fd < 0)
      continue;
    pidfd_send_signal(fd, SIGKILL, NULL, 0);
    if (first < 0)
      first = fd;
    else
      close(fd);
  }
  if (first >= 0) {
    struct pollfd p = {.fd = first, .events = POLLIN};
    poll(&p, 1, timeout_ms);
    close(first);
  }
}

gboolean wry_sandbox_cgroup_kill(const WryPrivContext *context, const char *name, int timeout_ms, GError **error) {
  g_autofree pid_t *pids = g_new(pid_t, PIDS_MAX);
  gint64 end = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
  for (;;) {
    guint n = wry_sandbox_cgroup_pids(context, name, pids, PIDS_MAX);
    if (n == 0)
      return TRUE;
    if (g_get_monotonic_time() > end) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_TIMEOUT, "cgroup %s still has %u processes after SIGKILL", name, n);
      return FALSE;
    }
    kill_round(pids, MIN(n, PIDS_MAX), 100);
    /* A process that has ended leaves cgroup.procs only when its parent has waited for it. */
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
  }
}

static gboolean remove_below(int top, const char *path) {
  wry_autofd int dir = wry_vopen(top, path, O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, NULL);
  if (dir < 0)
    return TRUE;
  g_autoptr(GPtrArray) names = wry_vlist(dir, NULL);
  for (guint i = 0; names && i < names->len; i++) {
    g_autofree char *child = g_strdup_printf("%s/%s", path, (char *)names->pdata[i]);
    int fd = wry_vopen(top, child, O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, NULL);
    if (fd < 0)
      continue;
    close(fd);
    remove_below(top, child);
  }
  return unlinkat(top, path, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

gboolean wry_sandbox_cgroup_remove(const WryPrivContext *context, const char *name, GError **error) {
  int fds[WRY_SANDBOX_HIERARCHIES];
  gboolean v2, ok = TRUE;
  guint n = open_hierarchies(fds, &v2);
  g_autofree char *path = sandbox_path(context, name);
  for (guint i = 0; i < n; i++) {
    ok &= remove_below(fds[i], path);
    /* The parents go with the last sandbox; EBUSY or ENOTEMPTY keeps them. */
    if (unlinkat(fds[i], context->cgroup, AT_REMOVEDIR) == 0)
      unlinkat(fds[i], "wherry", AT_REMOVEDIR);
  }
  close_all(fds, n);
  if (!ok)
    g_set_error(error, WRY_ERROR, WRY_ERROR_IO, "cgroup %s could not be removed", path);
  return ok;
}

char *wry_sandbox_cgroup_name(const WryPrivContext *context, guint index) {
  int fds[WRY_SANDBOX_HIERARCHIES];
  gboolean v2;
  guint n = open_hierarchies(fds, &v2), at = 0;
  char *found = NULL;
  wry_autofd int dir = n ? wry_vopen(fds[0], context->cgroup, O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, NULL) : -1;
  g_autoptr(GPtrArray) names = dir >= 0 ? wry_vlist(dir, NULL) : NULL;
  for (guint i = 0; names && i < names->len && !found; i++) {
    int fd = wry_vopen(dir, names->pdata[i], O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, NULL);
    if (fd < 0)
      continue;
    close(fd);
    if (at++ == index)
      found = g_strdup(names->pdata[i]);
  }
  close_all(fds, n);
  return found;
}
