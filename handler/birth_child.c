/* The first process of a sandbox, from clone to exec. It begins in new mount, pid, net, ipc and uts namespaces.
 *
 * It should: let go of the host's file system; take its host name; say that it is ready; wait for the word; become the VM's uid with no capability in any set and no_new_privs;
 * enter a user namespace (where the node allows it); exec with standard files, the socket on fd 3 and nothing else open.
 * It must not: run a program before the root half has set limits and devices, hold a descriptor of the host, or go on when its parent is gone. */
#include "handler/birth.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/isolate.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_FD 3 /* where the program finds its socket */

/* What a sandbox is made for. `reap`: the program is no init: pid 1 stays what it is here, starts it, reaps everything and ends with its status. */
static const struct {
  const char *argv[5];
  mode_t mask;
  gboolean reap;
} programs[WRY_BIRTH_KINDS] = {
    [WRY_BIRTH_INIT] = {{"/opt/wherry/launcher-init"}, 027, FALSE},
    [WRY_BIRTH_PROBE_KVM] = {{"/opt/wherry/launcher", "probe-kvm"}, 022, TRUE},
    [WRY_BIRTH_PROBE] = {{"/opt/wherry/launcher", "probe", "--root", "/run/wherry/state/libvirt"}, 022, TRUE},
};

G_NORETURN static void child_fails(const WryBirthJob *job, const char *step, const GError *error) {
  char text[256];
  int n = g_snprintf(text, sizeof text, "%s: %s", step, error ? error->message : g_strerror(errno));
  if (send(job->sync, text, (size_t)MIN(n, (int)sizeof text - 1), MSG_NOSIGNAL) < 0)
    _exit(71);
  _exit(70);
}

/* Waits until the root half has finished setup; the datagram itself stays in the socket for init. */
static void child_awaits_setup(const WryBirthJob *job) {
  char byte;
  if (recv(job->sync, &byte, 1, MSG_PEEK) <= 0)
    _exit(72);
}

static gboolean child_becomes_vm(const WryBirthJob *job, GError **error) {
  uid_t uid = job->request->uid;
  gid_t groups[1] = {job->request->kvm_gid};
  return wry_isolate_user(uid, uid, groups, groups[0] ? 1 : 0, error) && wry_isolate_caps(NULL, error) && wry_isolate_no_new_privs(error);
}

static gboolean write_text(int dir, const char *name, const char *text) {
  wry_autofd int fd = wry_vopen(dir, name, O_WRONLY, 0, WRY_WANT_FILE, NULL);
  return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* A user namespace in which the VM's uid and gid are all there is. It has to be entered after the network namespace was made, so that it owns nothing; what it grants is given up again.
 * A node that allows no user namespaces goes without one. */
static void child_enters_user_namespace(const WryBirthJob *job) {
  g_autoptr(GError) error = NULL;
  g_autofree char *map = g_strdup_printf("%u %u 1", job->request->uid, job->request->uid);
  /* The switch of users made the process's own /proc files root's. */
  if (prctl(PR_SET_DUMPABLE, 1) != 0 || unshare(CLONE_NEWUSER) != 0)
    return;
  wry_autofd int self = wry_dir_open("/proc/self", NULL);
  if (self < 0 || !write_text(self, "setgroups", "deny") || !write_text(self, "uid_map", map) || !write_text(self, "gid_map", map))
    child_fails(job, "user namespace", NULL);
  if (!wry_isolate_caps(NULL, &error))
    child_fails(job, "capabilities of the user namespace", error);
}

static void child_files(const WryBirthJob *job) {
  wry_autofd int dev = wry_dir_open("/dev", NULL);
  int null = dev < 0 ? -1 : wry_vopen(dev, "null", O_RDWR, 0, WRY_WANT_ANY, NULL);
  if (null < 0 || dup2(null, 0) < 0 || dup2(job->log >= 0 ? job->log : null, 1) < 0 || dup2(1, 2) < 0)
    child_fails(job, "standard files", NULL);
  if (fcntl(START_FD, F_SETFD, 0) != 0)
    child_fails(job, "socket", NULL);
  close_range(START_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC);
}

/* Returns in the program's process; pid 1 ends here. QEMU detaches itself from who started it: without a reaper its starter would wait for it for ever. */
static void child_reaps(void) {
  pid_t program = fork(), ended;
  int status = 0;
  if (program == 0)
    return;
  close_range(3, ~0U, 0); /* this process never executes anything: what it holds it would hold until the program ends */
  while ((ended = waitpid(-1, &status, 0)) != program || ended < 0)
    if (ended < 0 && errno != EINTR)
      _exit(73);
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static int compare_fds(const void *a, const void *b) {
  return *(const int *)a - *(const int *)b;
}

/* All that the birth helper has open, but what the child needs: it must not hold the root's lock or the helper's socket. */
static void child_lets_go(const WryBirthJob *job) {
  g_autofree int *keep = g_new(int, job->request->n_mounts + 4);
  guint n = 0;
  if (job->sync != START_FD && dup2(job->sync, START_FD) < 0) child_fails(job, "socket", NULL); /* the place is taken before anything else is opened */
  keep[n++] = START_FD;
  for (guint i = 0; i < job->request->n_mounts; i++) keep[n++] = job->mounts[i];
  if (job->log >= 0) keep[n++] = job->log;
  keep[n++] = job->sync;
  keep[n++] = STDERR_FILENO;
  qsort(keep, n, sizeof *keep, compare_fds);
  for (guint i = 0; i + 1 < n; i++)
    if (keep[i + 1] - keep[i] > 1) close_range((unsigned)keep[i] + 1, (unsigned)keep[i + 1] - 1, 0);
  close_range((unsigned)keep[n - 1] + 1, ~0U, 0);
}

void wry_birth_become(const WryBirthJob *job) {
  g_autoptr(GError) error = NULL;
  char *const environment[] = {(char *)"PATH=/usr/bin:/usr/sbin", (char *)"HOME=/run/wherry/vm", (char *)"XDG_RUNTIME_DIR=/run/wherry/vm", (char *)"LANG=C.UTF-8", NULL};
  const char *const *argv = programs[job->request->kind].argv;
  setsid();
  umask(programs[job->request->kind].mask);
  child_lets_go(job);
  if (!wry_birth_enter_root(job, &error))
    child_fails(job, "file system", error);
  const char *name = job->request->hostname[0] ? job->request->hostname : "vm";
  if (sethostname(name, strlen(name)) != 0)
    child_fails(job, "host name", NULL);
  if (send(job->sync, "r", 1, MSG_NOSIGNAL) != 1)
    _exit(71);
  child_awaits_setup(job);
  if (!child_becomes_vm(job, &error))
    child_fails(job, "privileges", error);
  child_enters_user_namespace(job);
  child_files(job);
  if (programs[job->request->kind].reap)
    child_reaps();
  execve(argv[0], (char *const *)argv, environment);
  child_fails(job, argv[0], NULL);
}
