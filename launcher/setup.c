/* launcher setup: one fixed-size request in, one fixed-size reply out, gone. Started by the handler's root half with the few capabilities that this needs.
 *
 * An operation is a row: how many descriptors come with it and what does it. SANDBOX_UP sets limits and device rules of the sandbox's cgroup, tries them, then goes into the
 * sandbox's network namespace and makes bridge, tap and sockets there. Each part undoes itself when it fails; what came before it is undone here.
 *
 * should: answer always, also with a refusal; leave nothing half made
 * must not: parse text, read anything that a guest wrote, outlive its answer */
#include "launcher/setup.h"
#include "launcher/cgroup/cgroup.h"
#include "launcher/net/net.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/landlock_abi.h"
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

typedef struct {
  WrySetupRequest request;
  int netns;                        /* -1 when the operation brings none */
  WrySetupReply reply;
  int fds[WRY_MAX_SETUP_FDS];       /* reply.n_fds of them, owned */
} Job;

typedef union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int) * WRY_MAX_SETUP_FDS)]; } Control;

static gboolean uplink_up(Job *job, GError **error) {
  return wry_net_uplink_up(&job->request, job->netns, error);
}

static gboolean uplink_down(Job *job, GError **error) {
  return wry_net_uplink_down(&job->request, error);
}

static gboolean uplink_end(Job *job, GError **error) {
  return wry_net_uplink_end(&job->request, error);
}

/* Limits, when they are wanted, then device rules, which are tried by a process that joins the cgroup meanwhile. */
static gboolean set_rules(WryCgroup *cgroup, const WrySetupRequest *request, gboolean limits, GError **error) {
  g_autoptr(WryCgroupTrial) trial = wry_cgroup_trial_new(cgroup, request->devices, request->n_devices, error);
  return trial && (!limits || wry_cgroup_limit(cgroup, request, error)) && wry_cgroup_devices(cgroup, request->devices, request->n_devices, error) &&
         wry_cgroup_trial_finish(trial, error);
}

static gboolean cgroup_rules(Job *job, gboolean limits, GError **error) {
  g_autoptr(WryCgroup) cgroup = wry_cgroup_open(job->request.cgroup, error);
  if (!cgroup)
    return FALSE;
  job->reply.cgroup_version = (uint32_t)wry_cgroup_version(cgroup);
  if (set_rules(cgroup, &job->request, limits, error))
    return TRUE;
  wry_cgroup_undo(cgroup);
  return FALSE;
}

static gboolean devices(Job *job, GError **error) {
  return cgroup_rules(job, FALSE, error);
}

static gboolean limits(Job *job, GError **error) {
  return cgroup_rules(job, TRUE, error);
}

static gboolean network_up(Job *job, GError **error) {
  return wry_net_up(&job->request, job->netns, &job->reply, job->fds, error);
}

static gboolean network(Job *job, GError **error) {
  if (setns(job->netns, CLONE_NEWNET) != 0)
    return wry_errno(error, errno, "network namespace of the sandbox");
  return wry_net_sandbox_up(&job->request, &job->reply, job->fds, error);
}

static gboolean sandbox_up(Job *job, GError **error) {
  g_autoptr(WryCgroup) cgroup = job->request.cgroup[0] ? wry_cgroup_open(job->request.cgroup, error) : NULL;
  if (job->request.cgroup[0] && !cgroup)
    return FALSE;
  job->reply.cgroup_version = cgroup ? (uint32_t)wry_cgroup_version(cgroup) : 0;
  if ((!cgroup || set_rules(cgroup, &job->request, TRUE, error)) && network(job, error))
    return TRUE;
  if (cgroup)
    wry_cgroup_undo(cgroup);
  return FALSE;
}

static const struct {
  gboolean (*run)(Job *job, GError **error);
  guint n_fds;
} operations[] = {
  [WRY_SETUP_UPLINK_UP] = {uplink_up, 1},     [WRY_SETUP_SANDBOX_UP] = {sandbox_up, 1}, [WRY_SETUP_UPLINK_DOWN] = {uplink_down, 0},
  [WRY_SETUP_UPLINK_END] = {uplink_end, 0},   [WRY_SETUP_DEVICES] = {devices, 0},       [WRY_SETUP_LIMITS] = {limits, 0},
  [WRY_SETUP_NETWORK_UP] = {network_up, 1},
};

/* --- the request ------------------------------------------------------------------------------------------------------- */

static gboolean is_terminated(const char *text, gsize size) {
  return memchr(text, '\0', size) != NULL;
}

static gboolean is_interface(const char *name) {
  if (!is_terminated(name, 16) || !*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    return FALSE;
  for (; *name; name++)
    if (!g_ascii_isalnum(*name) && !strchr("-_.", *name))
      return FALSE;
  return TRUE;
}

/* Relative, of plain components, "" allowed. */
static gboolean is_cgroup(const char *path) {
  if (!is_terminated(path, sizeof ((WrySetupRequest *)NULL)->cgroup))
    return FALSE;
  g_auto(GStrv) parts = g_strsplit(path, "/", -1);
  for (char **part = parts; *part; part++) {
    if (!**part || strcmp(*part, ".") == 0 || strcmp(*part, "..") == 0)
      return FALSE;
    for (const char *c = *part; *c; c++)
      if (!g_ascii_isalnum(*c) && !strchr("-_.:@\\", *c))
        return FALSE;
  }
  return TRUE;
}

static gboolean check_interfaces(const WrySetupRequest *r) {
  if (r->n_interfaces > G_N_ELEMENTS(r->interfaces))
    return FALSE;
  for (guint i = 0; i < r->n_interfaces; i++) {
    const WrySetupInterface *one = &r->interfaces[i];
    if (!is_interface(one->pod) || !is_interface(one->bridge) || !is_interface(one->tap) || one->n_ports > WRY_MAX_PORTS ||
        (one->binding != WRY_BIND_MASQUERADE && one->binding != WRY_BIND_BRIDGE))
      return FALSE;
  }
  return TRUE;
}

static gboolean check_devices(const WrySetupRequest *r) {
  if (r->n_devices > WRY_MAX_SETUP_DEVICES)
    return FALSE;
  for (guint i = 0; i < r->n_devices; i++)
    if ((r->devices[i].kind != 'c' && r->devices[i].kind != 'b') || !(r->devices[i].read || r->devices[i].write || r->devices[i].mknod))
      return FALSE;
  return TRUE;
}

gboolean wry_setup_check(const WrySetupRequest *r, guint n_fds, GError **error) {
  const char *what = r->version != WRY_SETUP_VERSION                                                      ? "version"
                     : r->op >= G_N_ELEMENTS(operations) || !operations[r->op].run                        ? "operation"
                     : operations[r->op].n_fds != n_fds                                                   ? "descriptors"
                     : !is_cgroup(r->cgroup) || (!r->cgroup[0] && (r->op == WRY_SETUP_DEVICES || r->op == WRY_SETUP_LIMITS))              ? "cgroup"
                     : !is_terminated(r->host_bridge, sizeof r->host_bridge) || (r->host_bridge[0] && !is_interface(r->host_bridge)) ? "host bridge"
                     : r->n_forwards > WRY_MAX_SETUP_FORWARDS                                             ? "forwards"
                     : !check_interfaces(r)                                                               ? "interfaces"
                     : !check_devices(r)                                                                  ? "devices"
                                                                                                          : NULL;
  if (what)
    g_set_error(error, WRY_ERROR, WRY_ERROR_PROTOCOL, "setup request: bad %s", what);
  return !what;
}

static guint take_fds(struct msghdr *msg, int *fds) {
  struct cmsghdr *c = CMSG_FIRSTHDR(msg);
  if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
    return 0;
  guint n = (guint)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  memcpy(fds, CMSG_DATA(c), n * sizeof(int));
  return n;
}

static gboolean receive(int sock, Job *job, GError **error) {
  Control control;
  int fds[WRY_MAX_SETUP_FDS];
  struct iovec iov = {&job->request, sizeof job->request};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t length = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
  if (length < 0)
    return wry_errno(error, errno, "setup request");
  guint n = take_fds(&msg, fds);
  if (n > 0)
    job->netns = fds[0];
  for (guint i = 1; i < n; i++)
    close(fds[i]);
  if (length != (ssize_t)sizeof job->request || msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_PROTOCOL, "setup request of %zd bytes", length);
    return FALSE;
  }
  return wry_setup_check(&job->request, n, error);
}

static gboolean answer(int sock, const Job *job) {
  Control control = {0};
  struct iovec iov = {(void *)&job->reply, sizeof job->reply};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  gsize n = job->reply.n_fds;
  if (n > 0) {
    msg.msg_control = &control;
    msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
    *CMSG_FIRSTHDR(&msg) = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * n)};
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), job->fds, sizeof(int) * n);
  }
  return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof job->reply;
}

static void close_fds(Job *job) {
  for (guint i = 0; i < job->reply.n_fds; i++)
    wry_fd_close(&job->fds[i]);
  job->reply.n_fds = 0;
}

int wry_setup_serve(int sock) {
  g_autofree Job *job = g_new0(Job, 1);
  g_autoptr(GError) error = NULL;
  job->netns = -1;
  job->reply.version = WRY_SETUP_VERSION;
  job->reply.landlock_abi = (uint32_t)wry_ll_abi();
  job->reply.ok = receive(sock, job, &error) && operations[job->request.op].run(job, &error);
  if (!job->reply.ok) {
    close_fds(job);
    job->reply.code = error ? error->code : WRY_ERROR_FAILED;
    g_strlcpy(job->reply.message, error ? error->message : "", sizeof job->reply.message);
  }
  gboolean told = answer(sock, job);
  int status = told && job->reply.ok ? 0 : 1;
  close_fds(job);
  wry_fd_close(&job->netns);
  return status;
}
