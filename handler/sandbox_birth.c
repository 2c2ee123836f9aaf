/* The first process of a sandbox, from clone to exec.
 *
 * It should: enter new mount, pid, net, ipc, uts and (where the node allows it) user namespaces; let go of the host's file system; take its host name; say that it is ready; wait for the word; become the VM's uid
 * with no capability in any set and no_new_privs; exec with standard files, the socket on fd 3 and nothing else open.
 * It must not: run a program before the root half has set limits and devices, hold a descriptor of the host, or go on when its parent is gone. */
#include "handler/sandbox.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/isolate.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_FD 3 /* where the program finds its socket */

G_NORETURN static void child_fails(const WryBirth *birth, const char *step, const GError *error) {
  char text[256];
  int n = g_snprintf(text, sizeof text, "%s: %s", step, error ? error->message : g_strerror(errno));
  if (send(birth->sync, text, (size_t)MIN(n, (int)sizeof text - 1), MSG_NOSIGNAL) < 0)
    _exit(71);
  _exit(70);
}

/* Waits until the root half has finished setup; the datagram itself stays in the socket for init. */
static void child_awaits_setup(const WryBirth *birth) {
  char byte;
  if (recv(birth->sync, &byte, 1, MSG_PEEK) <= 0)
    _exit(72);
}

static gboolean child_becomes_vm(const WryBirth *birth, GError **error) {
  gid_t groups[1] = {birth->kvm_gid};
  gboolean kvm = birth->request->kvm && birth->kvm_gid != 0;
  return wry_isolate_user(birth->uid, birth->uid, groups, kvm ? 1 : 0, error) && wry_isolate_caps(NULL, error) && wry_isolate_no_new_privs(error);
}

static gboolean write_text(int dir, const char *name, const char *text) {
  wry_autofd int fd = wry_vopen(dir, name, O_WRONLY, 0, WRY_WANT_FILE, NULL);
  return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* A user namespace in which the VM's uid and gid are all there is. It has to be entered after the network namespace was made, so that it owns nothing; what it grants is given up again.
 * A node that allows no user namespaces goes without one. */
static void child_enters_user_namespace(const WryBirth *birth) {
  g_autoptr(GError) error = NULL;
  g_autofree char *map = g_strdup_printf("%u %u 1", birth->uid, birth->uid);
  /* The switch of users made the process's own /proc files root's. */
  if (prctl(PR_SET_DUMPABLE, 1) != 0 || unshare(CLONE_NEWUSER) != 0)
    return;
  wry_autofd int self = wry_dir_open("/proc/self", NULL);
  if (self < 0 || !write_text(self, "setgroups", "deny") || !write_text(self, "uid_map", map) || !write_text(self, "gid_map", map))
    child_fails(birth, "user namespace", NULL);
  if (!wry_isolate_caps(NULL, &error))
    child_fails(birth, "capabilities of the user namespace", error);
}

static void child_files(const WryBirth *birth) {
  wry_autofd int dev = wry_dir_open("/dev", NULL);
  int null = dev < 0 ? -1 : wry_vopen(dev, "null", O_RDWR, 0, WRY_WANT_ANY, NULL);
  if (null < 0 || dup2(null, 0) < 0 || dup2(birth->log >= 0 ? birth->log : null, 1) < 0 || dup2(1, 2) < 0)
    child_fails(birth, "standard files", NULL);
  if (fcntl(START_FD, F_SETFD, 0) != 0)
    child_fails(birth, "socket", NULL);
  close_range(START_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC);
}

/* Returns in the program's process; pid 1 ends here. QEMU detaches itself from who started it: without a reaper its starter would wait for it for ever. */
static void child_reaps(void) {
  pid_t program = fork(), ended;
  int status = 0;
  if (program == 0)
    return;
  close_range(3, ~0U, 0); /* this process never executes anything: what it holds of the root half, the root's lock too, it would hold until the program ends */
  while ((ended = waitpid(-1, &status, 0)) != program || ended < 0)
    if (ended < 0 && errno != EINTR)
      _exit(73);
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static int compare_fds(const void *a, const void *b) {
  return *(const int *)a - *(const int *)b;
}

/* All that the root half has open, but what the child needs: it must not hold the root's lock, the root half's socket to main, or the other end of its own when the root half is gone. */
static void child_lets_go(const WryBirth *birth) {
  g_autofree int *keep = g_new(int, birth->binds->len + 4);
  guint n = 0;
  if (birth->sync != START_FD && dup2(birth->sync, START_FD) < 0) child_fails(birth, "socket", NULL); /* the place is taken before anything else is opened */
  keep[n++] = START_FD;
  for (guint i = 0; i < birth->binds->len; i++) keep[n++] = ((const WryBind *)birth->binds->pdata[i])->fd;
  if (birth->log >= 0) keep[n++] = birth->log;
  keep[n++] = birth->sync;
  keep[n++] = STDERR_FILENO;
  qsort(keep, n, sizeof *keep, compare_fds);
  for (guint i = 0; i + 1 < n; i++)
    if (keep[i + 1] - keep[i] > 1) close_range((unsigned)keep[i] + 1, (unsigned)keep[i + 1] - 1, 0);
  close_range((unsigned)keep[n - 1] + 1, ~0U, 0);
}

G_NORETURN static void child_main(const WryBirth *birth) {
  g_autoptr(GError) error = NULL;
  char *const environment[] = {(char *)"PATH=/usr/bin:/usr/sbin", (char *)"HOME=/run/wherry/vm", (char *)"XDG_RUNTIME_DIR=/run/wherry/vm", (char *)"LANG=C.UTF-8", NULL};
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  setsid();
  umask(birth->mask);
  child_lets_go(birth);
  if (!wry_sandbox_enter_root(birth->binds, birth->uid, &error))
    child_fails(birth, "file system", error);
  const char *name = birth->request->hostname[0] ? birth->request->hostname : "vm";
  if (sethostname(name, strlen(name)) != 0)
    child_fails(birth, "host name", NULL);
  if (send(birth->sync, "r", 1, MSG_NOSIGNAL) != 1)
    _exit(71);
  child_awaits_setup(birth);
  if (!child_becomes_vm(birth, &error))
    child_fails(birth, "privileges", error);
  child_enters_user_namespace(birth);
  child_files(birth);
  if (birth->reap)
    child_reaps();
  execve(birth->argv[0], (char *const *)birth->argv, environment);
  child_fails(birth, birth->argv[0], NULL);
}

pid_t wry_birth_clone(const WryBirth *birth, int *ret_pidfd, GError **error) {
  struct clone_args args = {.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD,
                            .pidfd = (uintptr_t)ret_pidfd, .exit_signal = SIGCHLD};
  pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0)
    wry_errno(error, errno, "clone into new namespaces");
  if (pid == 0)
    child_main(birth);
  return pid;
}

gboolean wry_birth_ready(int ours, GError **error) {
  char text[256];
  ssize_t n = recv(ours, text, sizeof text - 1, 0);
  if (n == 1 && text[0] == 'r')
    return TRUE;
  text[MAX(n, 0)] = '\0';
  g_set_error(error, WRY_ERROR, WRY_ERROR_FAILED, "%s", n > 0 ? text : "the first process ended");
  return FALSE;
}

void wry_birth_clear(WryBirth *birth) {
  g_clear_pointer(&birth->binds, g_ptr_array_unref);
  wry_fd_close(&birth->sync);
  wry_fd_close(&birth->log);
}
