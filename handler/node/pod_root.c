/* A launcher pod made ready by the root half, and the kubelet's sockets.
 *
 * How it works: the process is named by a pidfd; its /proc directory is opened and everything of it that is needed (network namespace, root directory, cgroup) before the pidfd is asked once
 * more whether the process lives, which proves that all of it was its own. The network is made by a run of `launcher setup` there, without limits: those are the kubelet's. The container
 * runtime gives device nodes the host's owner and mode, so that a pod without root can not open them: its own nodes of the devices that it was given become its uid's.
 * Relies on: the device cgroup being the kubelet's work, so that a node alone gives nothing; CAP_SYS_PTRACE for namespaces of others' processes. */
#include "handler/node/pod_root.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "handler/node/device_kinds.h"
#include "handler/node/pod_cgroup.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"

#define FDINFO_BYTES 4096u
#define CGROUP_BYTES (64u << 10)
#define INIT_PROGRAM "/opt/wherry/launcher-init" /* as its own mount namespace has it */

/* --- the kubelet --------------------------------------------------------------------------------------------------------------------------------------- */
gboolean wry_kubelet_socket(const WryPrivContext *context, guint32 index, int *ret_fd, GError **error) {
  int dir = context->options->kubelet_fd;
  if (dir < 0 || index > WRY_DEVICE_KINDS) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_DENIED, "no such socket of the kubelet");
    return FALSE;
  }
  *ret_fd = index == 0 ? wry_vconnect(dir, WRY_KUBELET_SOCKET, SOCK_STREAM, error) : wry_vlisten(dir, wry_device_kinds[index - 1].endpoint, SOCK_STREAM, 0600, error);
  return *ret_fd >= 0;
}

/* --- a pod's process ----------------------------------------------------------------------------------------------------------------------------------- */
typedef struct { int netns, root; char *pod; } Place;

static void place_clear(Place *place) {
  wry_fd_close(&place->netns);
  wry_fd_close(&place->root);
  g_free(place->pod);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

static gboolean lives(int pidfd) {
  struct pollfd poller = {.fd = pidfd, .events = POLLIN};
  return poll(&poller, 1, 0) == 0;
}

/* The kernel's number for a pidfd; 0 when it is none. */
static int pid_of(int pidfd) {
  wry_autofd int self = wry_dir_open("/proc/self/fdinfo", NULL);
  g_autofree char *name = g_strdup_printf("%d", pidfd);
  gsize length;
  g_autofree char *text = self >= 0 ? wry_vread(self, name, FDINFO_BYTES, &length, NULL) : NULL;
  const char *at = text ? strstr(text, "\nPid:\t") : NULL;
  return at ? (int)MAX(g_ascii_strtoll(at + strlen("\nPid:\t"), NULL, 10), 0) : 0;
}

static gboolean same_namespace(int netns) {
  struct stat theirs, ours;
  wry_autofd int self = wry_dir_open("/proc/self/ns", NULL);
  return self < 0 || fstat(netns, &theirs) != 0 || fstatat(self, "net", &ours, 0) != 0 || theirs.st_ino == ours.st_ino;
}

static gboolean open_place(int pidfd, Place *ret, GError **error) {
  g_autofree char *path = g_strdup_printf("/proc/%d", pid_of(pidfd));
  wry_autofd int proc = wry_dir_open(path, error);
  gsize length;
  if (proc < 0) return FALSE;
  g_autofree char *cgroup = wry_vread(proc, "cgroup", CGROUP_BYTES, &length, error);
  if (!cgroup) return FALSE;
  ret->pod = wry_cgroup_pod(cgroup);
  ret->netns = openat(proc, "ns/net", O_RDONLY | O_CLOEXEC);
  ret->root = ret->netns < 0 ? -1 : openat(proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (ret->root < 0) return wry_errno(error, errno, "namespaces of the launcher");
  if (lives(pidfd)) return TRUE;
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "the launcher's process has ended");
  return FALSE;
}

/* A signal is for nobody else: the program is looked up by the kernel's own link to it. */
gboolean wry_pod_kill_run(const WryRootRequest *request, int pidfd, GError **error) {
  g_autofree char *path = g_strdup_printf("/proc/%d", pid_of(pidfd));
  wry_autofd int proc = wry_dir_open(path, error);
  char program[sizeof INIT_PROGRAM + 1] = "";
  gsize length;
  g_autofree char *cgroup = proc < 0 ? NULL : wry_vread(proc, "cgroup", CGROUP_BYTES, &length, error);
  g_autofree char *pod = cgroup ? wry_cgroup_pod(cgroup) : NULL;
  if (!cgroup) return FALSE;
  if (g_strcmp0(pod, request->vm) != 0 || readlinkat(proc, "exe", program, sizeof program - 1) < 0 || strcmp(program, INIT_PROGRAM) != 0 || !lives(pidfd)) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_DENIED, "the process is no launcher's init of that pod");
    return FALSE;
  }
  return pidfd_send_signal(pidfd, WRY_INIT_KILL_RUN, NULL, 0) == 0 || wry_errno(error, errno, "signal to init");
}

static gboolean check_place(const Place *place, const WryRootRequest *request, GError **error) {
  const char *what = g_strcmp0(place->pod, request->vm) != 0 ? "the process is not in that pod"
                     : same_namespace(place->netns)          ? "the pod has no network namespace of its own"
                     : request->setup.uid == 0               ? "a launcher does not run as root"
                                                             : NULL;
  if (what) g_set_error_literal(error, WRY_ERROR, WRY_ERROR_DENIED, what);
  return !what;
}

/* A node is given only when it is the very device that the host has under that name. */
static gboolean give_device(const WryPrivContext *context, const Place *place, const char *node, const WrySetupRequest *setup, GError **error) {
  g_autofree char *path = g_strdup_printf("dev/%s", node);
  struct stat theirs, ours;
  wry_autofd int pod = wry_vopen(place->root, path, O_PATH, 0, WRY_WANT_ANY, NULL);
  wry_autofd int host = pod < 0 ? -1 : wry_vopen(context->host_root_fd, path, O_PATH, 0, WRY_WANT_ANY, NULL);
  if (host < 0 || fstat(pod, &theirs) != 0 || fstat(host, &ours) != 0 || !S_ISCHR(theirs.st_mode) || theirs.st_rdev != ours.st_rdev) return TRUE;
  if (theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev) return TRUE; /* the host's own node, bound: its owner is the host's matter */
  if (theirs.st_uid == setup->uid) return TRUE;
  return fchownat(pod, "", setup->uid, setup->gid, AT_EMPTY_PATH) == 0 || wry_errno(error, errno, "owner of the pod's /dev/%s", node);
}

static gboolean give_devices(const WryPrivContext *context, const Place *place, const WrySetupRequest *setup, GError **error) {
  for (guint i = 0; i < WRY_DEVICE_KINDS; i++)
    if (wry_device_kinds[i].node && !give_device(context, place, wry_device_kinds[i].node, setup, error)) return FALSE;
  return TRUE;
}

/* The sockets go into a socket of which the other end is then closed: there they wait for whoever holds it. */
static gboolean leave_sockets(const WrySetupRequest *setup, const WrySetupReply *made, const int *fds, int *ret_fd, GError **error) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return wry_errno(error, errno, "socket pair");
  wry_autofd int ours = pair[0];
  *ret_fd = pair[1];
  return wry_init_tell(ours, setup->uid, made, fds, error);
}

static gboolean make_network(const WryPrivContext *context, const WryRootRequest *request, const Place *place, WryRootReply *reply, int *ret_fd, GError **error) {
  g_autofree WrySetupRequest *setup = g_memdup2(&request->setup, sizeof request->setup);
  g_auto(WrySetupRun) run = {.sock = -1};
  int fds[WRY_MAX_SETUP_FDS];
  guint n = 0;
  setup->version = WRY_SETUP_VERSION;
  setup->op = WRY_SETUP_SANDBOX_UP;
  setup->root_id = context->options->root_id;
  setup->slot = request->slot;
  setup->n_devices = setup->n_forwards = 0;
  setup->pod4.set = setup->pod6.set = 0;
  memset(setup->cgroup, 0, sizeof setup->cgroup);
  memset(setup->host_bridge, 0, sizeof setup->host_bridge);
  if (!wry_setup_begin(context, setup, &place->netns, 1, &run, error) || !wry_setup_finish(&run, &reply->setup, fds, &n, error)) return FALSE;
  gboolean ok = leave_sockets(setup, &reply->setup, fds, ret_fd, error);
  for (guint i = 0; i < n; i++) close(fds[i]);
  return ok;
}

gboolean wry_pod_setup(const WryPrivContext *context, const WryRootRequest *request, int pidfd, WryRootReply *reply, int *ret_fd, GError **error) {
  g_auto(Place) place = {-1, -1, NULL};
  if (pidfd < 0) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_DENIED, "no process is named");
    return FALSE;
  }
  reply->uid = request->setup.uid;
  reply->cgroup_version = (uint8_t)wry_sandbox_cgroup_version();
  return open_place(pidfd, &place, error) && check_place(&place, request, error) && give_devices(context, &place, &request->setup, error) &&
         make_network(context, request, &place, reply, ret_fd, error);
}
