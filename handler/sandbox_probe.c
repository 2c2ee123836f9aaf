/* What the node can do, found by trying as an unprivileged uid in a sandbox like a VM's: whether its KVM runs guests (`launcher probe-kvm`: exit 0 = it does), and the QEMU
 * capability cache (`launcher probe`), made once per node so that no VM pays for it. The cache is written in run/node/qemu-caps, which belongs to the probe's uid only
 * while it runs. The kind of access to KVM is part of the cache: it is probed with the device exactly when VMs will have it. */
#include "handler/sandbox.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/landlock_abi.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PROBE_TIMEOUT_MS 120000

/* What the child said after its start: nothing, or the step that failed. */
static gboolean child_came_to_exec(int ours, GError **error) {
  char text[256];
  ssize_t n = recv(ours, text, sizeof text - 1, MSG_DONTWAIT);
  if (n <= 0)
    return TRUE;
  text[n] = '\0';
  g_set_error(error, WRY_ERROR, WRY_ERROR_FAILED, "%s", text);
  return FALSE;
}

static gboolean run_in_sandbox(WryBirth *birth, int *ret_status, GError **error) {
  int pair[2];
  siginfo_t info = {0};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return wry_errno(error, errno, "socket pair");
  wry_autofd int ours = pair[0];
  g_auto(WryBorn) born = {.pidfd = -1, .netns = -1};
  birth->sync = pair[1];
  if (!wry_birth_sandbox(birth, &born, error))
    return FALSE;
  wry_fd_close(&birth->sync);
  gboolean ok = wry_birth_ready(ours, error) && send(ours, "g", 1, MSG_NOSIGNAL) == 1;
  struct pollfd p = {.fd = born.pidfd, .events = POLLIN};
  if (ok && poll(&p, 1, PROBE_TIMEOUT_MS) != 1) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_TIMEOUT, "the node's probe did not end in %d s", PROBE_TIMEOUT_MS / 1000);
    ok = FALSE;
  }
  if (!ok)
    pidfd_send_signal(born.pidfd, SIGKILL, NULL, 0);
  if (waitid(P_PIDFD, (id_t)born.pidfd, &info, WEXITED) != 0)
    return wry_errno(error, errno, "wait for the probe");
  *ret_status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
  return ok && child_came_to_exec(ours, error);
}

static gboolean probe(const WryPrivContext *context, gboolean kvm, WryBirthKind kind, int *ret_status, GError **error) {
  g_autofree WryRootRequest *request = g_new0(WryRootRequest, 1);
  g_auto(WryBirth) birth = {.context = context, .request = request, .uid = wry_sandbox_uid(context, 0), .sync = -1, .log = -1, .kind = kind};
  struct stat node;
  g_strlcpy(request->vmi, "probe", sizeof request->vmi);
  g_strlcpy(request->vm, "probe", sizeof request->vm);
  g_strlcpy(request->hostname, "probe", sizeof request->hostname);
  request->kvm = kvm;
  wry_autofd int device = wry_vopen(context->host_root_fd, "dev/kvm", O_PATH, 0, WRY_WANT_ANY, NULL);
  if (device >= 0 && fstat(device, &node) == 0)
    birth.kvm_gid = node.st_gid;
  birth.binds = wry_sandbox_binds(context, request, birth.uid, error);
  if (!birth.binds)
    return FALSE;
  gboolean ok = run_in_sandbox(&birth, ret_status, error);
  wry_vremove_tree(context->options->state_fd, "scratch/probe", NULL);
  return ok;
}

/* The probe writes below /run/wherry/state, that is state/vms/probe; what it leaves becomes the node's cache. */
static gboolean publish_cache(const WryPrivContext *context, GError **error) {
  if (!wry_vremove_tree(context->options->run_fd, "node/qemu-caps", error))
    return FALSE;
  wry_autofd int from = wry_vopen(context->options->state_fd, "vms/probe/libvirt/cache/qemu/capabilities", O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, error);
  wry_autofd int to = from < 0 ? -1 : wry_vmkdir(context->options->run_fd, "node/qemu-caps", 0755, error);
  g_autoptr(GPtrArray) names = to < 0 ? NULL : wry_vlist(from, error);
  if (!names)
    return FALSE;
  for (guint i = 0; i < names->len; i++) {
    gsize length = 0;
    g_autofree char *text = wry_vread(from, names->pdata[i], 4u << 20, &length, error);
    if (!text || !wry_vwrite(to, names->pdata[i], text, length, 0644, error))
      return FALSE;
  }
  return TRUE;
}

gboolean wry_sandbox_probe(const WryPrivContext *context, guint32 mode, WryRootReply *reply, GError **error) {
  int status = 0;
  reply->kvm_present = wry_vexists(context->host_root_fd, "dev/kvm");
  reply->kvm_usable = reply->kvm_present && mode == 1;
  reply->landlock_abi = (guint32)wry_ll_abi();
  reply->cgroup_version = (uint8_t)wry_sandbox_cgroup_version();
  if (reply->kvm_present && mode == 0) {
    if (!probe(context, TRUE, WRY_BIRTH_PROBE_KVM, &status, error))
      return FALSE;
    reply->kvm_usable = status == 0;
  }
  if (!probe(context, reply->kvm_usable, WRY_BIRTH_PROBE, &status, error))
    return FALSE;
  if (status != 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_FAILED, "launcher probe ended with status %d (see state/vms/probe/launcher.log)", status);
    return FALSE;
  }
  gboolean ok = publish_cache(context, error);
  wry_vremove_tree(context->options->state_fd, "vms/probe", NULL);
  return ok;
}
