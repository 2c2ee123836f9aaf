/* Believing no file: a child opens device nodes of the host, joins the cgroup, waits for the word and opens them again. What opened before and is not listed must be refused now; what
 * is listed must still open. Its end of the socket is all that keeps it: when its parent is gone, so is the child. Only nodes whose opening has no effect are tried (no watchdog, no tape). */
#include "launcher/cgroup/backend.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const nodes[] = {"null", "zero", "full", "random", "urandom", "kvm", "net/tun", "vhost-net", "tty", "ptmx", "kmsg", "mem", "port", "fuse", "loop-control", "loop0",
                                    "vda", "sda", "nvme0n1", "mapper/control", "userfaultfd"};
#define EXIT_ENTER 255

static int try_open(int dev, const char *node) {
  return wry_vopen(dev, node, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, WRY_WANT_ANY, NULL);
}

static gboolean is_listed(const struct stat *st, const WrySetupDevice *devices, guint n) {
  for (guint i = 0; i < n; i++)
    if ((devices[i].kind == 'b') == !!S_ISBLK(st->st_mode) && devices[i].read && (devices[i].major == G_MAXUINT32 || devices[i].major == major(st->st_rdev)) &&
        (devices[i].minor == G_MAXUINT32 || devices[i].minor == minor(st->st_rdev)))
      return TRUE;
  return FALSE;
}

struct WryCgroupTrial {
  char *name;
  pid_t pid; /* -1: has been waited for */
  int word;  /* a byte in here lets it try */
};

/* Exit status: 0, or 1 + number of the node that behaves otherwise than its rule says. */
static int try_in_child(const WryCgroup *cgroup, const WrySetupDevice *devices, guint n, int word) {
  gboolean expected[G_N_ELEMENTS(nodes)], opened[G_N_ELEMENTS(nodes)] = {0};
  char byte;
  wry_autofd int dev = wry_dir_open("/dev", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(nodes) && dev >= 0; i++) {
    struct stat st;
    wry_autofd int fd = try_open(dev, nodes[i]);
    opened[i] = fd >= 0 && fstat(fd, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode));
    expected[i] = opened[i] && is_listed(&st, devices, n);
  }
  if (!cgroup->backend->enter(cgroup, NULL) || recv(word, &byte, 1, 0) != 1)
    return EXIT_ENTER;
  for (gsize i = 0; i < G_N_ELEMENTS(nodes); i++) {
    wry_autofd int fd = opened[i] ? try_open(dev, nodes[i]) : -1;
    if (opened[i] && (fd >= 0) != expected[i])
      return (int)i + 1;
  }
  return 0;
}

WryCgroupTrial *wry_cgroup_trial_new(const WryCgroup *cgroup, const WrySetupDevice *devices, guint n, GError **error) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    wry_errno(error, errno, "socket pair");
    return NULL;
  }
  wry_autofd int theirs = ends[0];
  g_autoptr(WryCgroupTrial) trial = g_new(WryCgroupTrial, 1);
  *trial = (WryCgroupTrial){.name = g_strdup(cgroup->name), .word = ends[1], .pid = fork()};
  if (trial->pid == 0) {
    close(ends[1]);
    _exit(try_in_child(cgroup, devices, n, theirs));
  }
  if (trial->pid > 0)
    return g_steal_pointer(&trial);
  wry_errno(error, errno, "fork");
  return NULL;
}

gboolean wry_cgroup_trial_finish(WryCgroupTrial *trial, GError **error) {
  int status;
  gboolean told = send(trial->word, "t", 1, MSG_NOSIGNAL) == 1; /* one that has ended has left its status */
  wry_fd_close(&trial->word);
  gboolean ended = waitpid(trial->pid, &status, 0) == trial->pid && WIFEXITED(status);
  trial->pid = -1;
  if (!ended || !told || WEXITSTATUS(status) == EXIT_ENTER) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_FAILED, "cgroup %s: a process cannot join it to try its device rules", trial->name);
    return FALSE;
  }
  if (WEXITSTATUS(status) != 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_FAILED, "cgroup %s: device rules are not in force for /dev/%s", trial->name, nodes[WEXITSTATUS(status) - 1]);
    return FALSE;
  }
  return TRUE;
}

void wry_cgroup_trial_free(WryCgroupTrial *trial) {
  if (!trial)
    return;
  wry_fd_close(&trial->word);
  if (trial->pid > 0)
    waitpid(trial->pid, NULL, 0);
  g_free(trial->name);
  g_free(trial);
}
