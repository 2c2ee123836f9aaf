/* The root half: serves main's requests (handler/root.h), one after another, until main's end of the socket closes.
 *
 * It should: hold only the capabilities that its operations need, effective only while one runs; check every name, count and number of a request against its own
 * rules; look things up only below the directories it was given. It must not: read text, speak to a network, make a process, or believe main. What may be asked is the table below. Processes are made by
 * the birth helper (handler/birth.h), so that policies/priv.allow can hold here. */
#include "handler/node/pod_root.h"
#include "handler/root.h"
#include "handler/sandbox.h"
#include "policy_priv.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/isolate.h"
#include "wherry/limits.h"
#include "wherry/log.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

typedef gboolean (*Operation)(const WryPrivContext *context, const WryRootRequest *request, WryRootReply *reply, int *ret_pidfd, GError **error);

static gboolean op_end(const WryPrivContext *context, const WryRootRequest *request, WryRootReply *reply, int *ret_pidfd, GError **error) {
  (void)reply, (void)ret_pidfd;
  return wry_sandbox_end(context, request, error);
}

static gboolean op_list(const WryPrivContext *context, const WryRootRequest *request, WryRootReply *reply, int *ret_pidfd, GError **error) {
  (void)ret_pidfd, (void)error;
  g_autofree char *name = wry_sandbox_cgroup_name(context, request->index);
  reply->alive = name != NULL;
  g_strlcpy(reply->vmi, name ? name : "", sizeof reply->vmi);
  return TRUE;
}

static gboolean op_run_kill(const WryPrivContext *context, const WryRootRequest *request, WryRootReply *reply, int *ret_pidfd, GError **error) {
  (void)reply, (void)ret_pidfd;
  return context->given_fd >= 0 ? wry_pod_kill_run(request, context->given_fd, error) : wry_sandbox_kill_run(context, request, error);
}

static gboolean op_vm_remove(const WryPrivContext *context, const WryRootRequest *request, WryRootReply *reply, int *ret_pidfd, GError **error) {
  (void)reply, (void)ret_pidfd;
  g_autofree char *path = g_strdup_printf("vms/%s", request->vm);
  return wry_vremove_tree(context->options->state_fd, path, error);
}

static gboolean op_pvc_remove(const WryPrivContext *context, const WryRootRequest *request, WryRootReply *reply, int *ret_pidfd, GError **error) {
  (void)reply, (void)ret_pidfd;
  g_autofree char *path = g_strdup_printf("pvc/%s/%s", request->namespace_, request->name);
  return wry_vremove_tree(context->options->state_fd, path, error);
}

static gboolean op_probe(const WryPrivContext *context, const WryRootRequest *request, WryRootReply *reply, int *ret_pidfd, GError **error) {
  (void)ret_pidfd;
  return wry_sandbox_probe(context, request->index, reply, error);
}

static gboolean op_kubelet(const WryPrivContext *context, const WryRootRequest *request, WryRootReply *reply, int *ret_pidfd, GError **error) {
  (void)reply;
  return wry_kubelet_socket(context, request->index, ret_pidfd, error);
}

static gboolean op_pod_setup(const WryPrivContext *context, const WryRootRequest *request, WryRootReply *reply, int *ret_pidfd, GError **error) {
  return wry_pod_setup(context, request, context->given_fd, reply, ret_pidfd, error);
}

/* Permitted for the life of the root half; effective only while a request is served. A row per capability: what needs it. */
static int capabilities[] = {
    CAP_SYS_ADMIN + 1,        /* mounts for sandboxes */
    CAP_CHOWN + 1,            /* disks and directories become the VM's */
    CAP_FOWNER + 1,           /* their modes */
    CAP_FSETID + 1,           /* the set-group-id bit of a VM's state directory */
    CAP_DAC_OVERRIDE + 1,     /* directories of the handler and of VMs */
    CAP_KILL + 1,             /* processes of a sandbox */
    CAP_SYS_NICE + 1,         /* a v1 cpuset is asked to take a process that has capabilities of other kinds */
    CAP_SETPCAP + 1,          /* empties the bounding set, once */
    0,                        /* in a cluster: */
    0};
#define CLUSTER_CAPABILITY (G_N_ELEMENTS(capabilities) - 2)

enum { NEEDS_VMI = 1, NEEDS_VM = 2, NEEDS_SLOT = 4, NEEDS_CLAIM = 8 };
static const struct { Operation run; guint needs; } operations[WRY_ROOT_OPS] = {
    [WRY_ROOT_SANDBOX_START] = {wry_sandbox_start, NEEDS_VMI | NEEDS_VM | NEEDS_SLOT},
    [WRY_ROOT_SANDBOX_QUERY] = {wry_sandbox_query, NEEDS_VMI},
    [WRY_ROOT_SANDBOX_END] = {op_end, NEEDS_VMI},
    [WRY_ROOT_SANDBOX_LIST] = {op_list, 0},
    [WRY_ROOT_VM_REMOVE] = {op_vm_remove, NEEDS_VM},
    [WRY_ROOT_PVC_REMOVE] = {op_pvc_remove, NEEDS_CLAIM},
    [WRY_ROOT_RUN_KILL] = {op_run_kill, NEEDS_VMI},
    [WRY_ROOT_PROBE] = {op_probe, 0},
    [WRY_ROOT_KUBELET] = {op_kubelet, 0},
    [WRY_ROOT_POD_SETUP] = {op_pod_setup, NEEDS_VMI | NEEDS_VM},
};

static gboolean terminated(const char *text, gsize size) {
  return memchr(text, '\0', size) != NULL;
}

static gboolean name_ok(const char *text, gsize size) {
  return terminated(text, size) && wry_vname_valid(text);
}

static gboolean counts_ok(const WryRootRequest *r) {
  if (r->n_volumes > WRY_ROOT_VOLUMES || r->setup.n_interfaces > G_N_ELEMENTS(r->setup.interfaces) || r->setup.n_forwards > WRY_MAX_SETUP_FORWARDS ||
      !terminated(r->hostname, sizeof r->hostname))
    return FALSE;
  for (guint i = 0; i < r->n_volumes; i++) {
    const WryRootVolume *v = &r->volumes[i];
    if (!terminated(v->name, sizeof v->name) || !terminated(v->namespace_, sizeof v->namespace_) || !terminated(v->source, sizeof v->source))
      return FALSE;
  }
  for (guint i = 0; i < r->setup.n_interfaces; i++) {
    const WrySetupInterface *n = &r->setup.interfaces[i];
    if (n->n_ports > WRY_MAX_PORTS || !name_ok(n->pod, sizeof n->pod) || !name_ok(n->bridge, sizeof n->bridge) || !name_ok(n->tap, sizeof n->tap))
      return FALSE;
  }
  return TRUE;
}

/* What is wrong with a request, or NULL. */
static const char *refuse(const WryRootRequest *r) {
  if (r->version != WRY_ROOT_VERSION || r->op == 0 || r->op >= WRY_ROOT_OPS)
    return "unknown version or operation";
  guint needs = operations[r->op].needs;
  if (!counts_ok(r))
    return "a count past its limit or a text without end";
  if ((needs & NEEDS_VMI) && !name_ok(r->vmi, sizeof r->vmi))
    return "vmi is no path component";
  if ((needs & NEEDS_VM) && !name_ok(r->vm, sizeof r->vm))
    return "vm is no path component";
  if ((needs & NEEDS_CLAIM) && (!name_ok(r->namespace_, sizeof r->namespace_) || !name_ok(r->name, sizeof r->name)))
    return "claim is no path component";
  if (r->slot >= WRY_VM_SLOTS || ((needs & NEEDS_SLOT) && r->slot == 0))
    return "slot out of range";
  return NULL;
}

static void answer(const WryPrivContext *context, const WryRootRequest *request, WryRootReply *reply, int *ret_pidfd) {
  g_autoptr(GError) error = NULL;
  const char *refusal = refuse(request);
  *reply = (WryRootReply){.version = WRY_ROOT_VERSION, .op = request->op, .seq = request->seq};
  if (refusal)
    g_set_error(&error, WRY_ERROR, WRY_ERROR_DENIED, "request refused: %s", refusal);
  else if (wry_isolate_effective(capabilities, &error))
    operations[request->op].run(context, request, reply, ret_pidfd, &error);
  if (!wry_isolate_effective(NULL, error ? NULL : &error))
    wry_log(WRY_LOG_ERROR, "capabilities stay effective", NULL);
  if (!error)
    return;
  wry_log(WRY_LOG_WARNING, error->message, "sandbox", refusal ? "" : request->vmi, NULL);
  reply->code = (error->domain == WRY_ERROR ? error->code : WRY_ERROR_FAILED) + 1;
  g_strlcpy(reply->message, error->message, sizeof reply->message);
}

static gboolean send_reply(int sock, const WryRootReply *reply, int pidfd) {
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control = {0};
  struct iovec iov = {(void *)reply, sizeof *reply};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  if (pidfd >= 0) {
    msg.msg_control = control.bytes;
    msg.msg_controllen = sizeof control.bytes;
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(c), &pidfd, sizeof pidfd);
  }
  return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof *reply;
}

/* TRUE when main has something to say, or is gone; FALSE when the birth helper is gone, which says nothing unasked. */
static gboolean await_main(int sock, int birth) {
  struct pollfd p[] = {{.fd = sock, .events = POLLIN}, {.fd = birth, .events = POLLIN}};
  while (poll(p, G_N_ELEMENTS(p), -1) < 0 && errno == EINTR) {
  }
  return p[1].revents == 0;
}

/* At most one descriptor comes along. */
static ssize_t receive(int sock, WryRootRequest *request, int *ret_fd) {
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control;
  struct iovec iov = {request, sizeof *request};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t n = recvmsg(sock, &msg, MSG_TRUNC | MSG_CMSG_CLOEXEC);
  struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
  if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
    memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
  return n;
}

static gboolean serve_one(WryPrivContext *context, int sock, WryRootRequest *request, WryRootReply *reply) {
  wry_autofd int given = -1;
  ssize_t n = receive(sock, request, &given);
  if (n < 0 && errno == EINTR)
    return TRUE;
  if (n <= 0)
    return FALSE;
  if (n != (ssize_t)sizeof *request) {
    wry_log(WRY_LOG_WARNING, "main sent a datagram of another size", NULL);
    return FALSE;
  }
  wry_autofd int pidfd = -1;
  context->given_fd = given;
  answer(context, request, reply, &pidfd);
  return send_reply(sock, reply, pidfd);
}

/* Nothing of this root is left when this process has ended. */
static void end_birth(const WryPrivOptions *options) {
  close(options->birth_fd);
  while (waitpid(options->birth, NULL, 0) < 0 && errno == EINTR) {
  }
}

int wry_priv_serve(int take_fd, const WryPrivOptions *options) {
  wry_autofd int sock = take_fd;
  g_autoptr(GError) error = NULL;
  g_autofree WryRootRequest *request = g_new0(WryRootRequest, 1);
  g_autofree WryRootReply *reply = g_new0(WryRootReply, 1);
  WryPrivContext context = {.options = options, .given_fd = -1, .first_uid = wry_root_first_uid(options->root_id)};
  g_snprintf(context.cgroup, sizeof context.cgroup, "wherry/%08x", options->root_id);
  if (options->kubelet_fd >= 0)
    capabilities[CLUSTER_CAPABILITY] = CAP_SYS_PTRACE + 1; /* namespaces of a pod's process */
  wry_autofd int host = context.host_root_fd = wry_dir_open("/", &error);
  wry_autofd int libexec = context.libexec_fd = host < 0 ? -1 : wry_dir_open(options->libexec, &error);
  if (libexec < 0 || !wry_isolate_caps(capabilities, &error) || !wry_isolate_seccomp(wry_policy_priv, G_N_ELEMENTS(wry_policy_priv), &error)) {
    wry_log(WRY_LOG_ERROR, error->message, NULL);
    return 1;
  }
  gboolean whole;
  while ((whole = await_main(sock, options->birth_fd)) && serve_one(&context, sock, request, reply)) {
  }
  if (!whole)
    wry_log(WRY_LOG_ERROR, "the birth helper ended", NULL);
  end_birth(options);
  return whole ? 0 : 1;
}
