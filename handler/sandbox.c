/* The life of a local sandbox, as the root half leads it.
 *
 * Start: refuse while a process is in the cgroup -> cgroup; from here on one `launcher setup` makes its limits and device rules -> binds -> the birth helper clones the first process into new mount, pid,
 * net, ipc and uts namespaces; from here on another one makes uplink, bridge and tap, and the child moves into its root -> with limits and devices in force it becomes `launcher init` as
 * the VM's uid -> the network's sockets are sent after it. No guest runs before the answer to this start, so one that fails half-way leaves none; everything made is undone by
 * wry_sandbox_end().
 * Who is pid 1 of a sandbox is noted in run/vms/<vmi>.init, a number that counts only while that pid is in the sandbox's cgroup. */
#include "handler/sandbox.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define END_TIMEOUT_MS 10000
#define KVM_NODE "dev/kvm"

uid_t wry_sandbox_uid(const WryPrivContext *context, guint32 slot) {
  return context->first_uid + slot;
}

/* The address of a VM in its root's own network: one of 512 networks 10.192.0.0/20 ... 10.223.240.0/20 by root, host part slot + 1; IPv6 fd57:7279:<root id>::/64. */
static void fill_addresses(WrySetupRequest *setup) {
  uint32_t net = 0x0ac00000u + (setup->root_id % 512 << 12), host = net + setup->slot + 1;
  setup->pod4 = (WryIp4){{(uint8_t)(host >> 24), (uint8_t)(host >> 16), (uint8_t)(host >> 8), (uint8_t)host}, 20, 1};
  setup->pod4_gateway = (WryIp4){{(uint8_t)(net >> 24), (uint8_t)(net >> 16), (uint8_t)(net >> 8), 1}, 20, 1};
  WryIp6 base = {{0xfd, 0x57, 0x72, 0x79, (uint8_t)(setup->root_id >> 24), (uint8_t)(setup->root_id >> 16), (uint8_t)(setup->root_id >> 8), (uint8_t)setup->root_id}, 64, 1};
  setup->pod6_gateway = base;
  setup->pod6_gateway.a[15] = 1;
  setup->pod6 = base;
  setup->pod6.a[14] = (uint8_t)((setup->slot + 1) >> 8);
  setup->pod6.a[15] = (uint8_t)(setup->slot + 1);
}

typedef struct { const char *node; gsize wish; } DeviceRule;
static const DeviceRule device_rules[] = {
    {"dev/null", 0}, {"dev/zero", 0}, {"dev/full", 0}, {"dev/random", 0}, {"dev/urandom", 0},
    {KVM_NODE, G_STRUCT_OFFSET(WryRootRequest, kvm)}, {"dev/net/tun", G_STRUCT_OFFSET(WryRootRequest, tun)}, {"dev/vhost-net", G_STRUCT_OFFSET(WryRootRequest, vhost_net)},
};

static gboolean stat_node(const WryPrivContext *context, const char *name, struct stat *ret) {
  wry_autofd int fd = wry_vopen(context->host_root_fd, name, O_PATH, 0, WRY_WANT_ANY, NULL);
  return fd >= 0 && fstat(fd, ret) == 0 && S_ISCHR(ret->st_mode);
}

static void fill_devices(const WryPrivContext *context, const WryRootRequest *request, WrySetupRequest *setup) {
  setup->n_devices = 0;
  for (gsize i = 0; i < G_N_ELEMENTS(device_rules); i++) {
    struct stat s;
    if ((device_rules[i].wish && !*((const uint8_t *)request + device_rules[i].wish)) || !stat_node(context, device_rules[i].node, &s))
      continue;
    setup->devices[setup->n_devices++] = (WrySetupDevice){.kind = 'c', .major = major(s.st_rdev), .minor = minor(s.st_rdev), .read = 1, .write = 1};
  }
}

static void fill_setup(const WryPrivContext *context, const WryRootRequest *request, WrySetupRequest *setup) {
  *setup = request->setup;
  setup->version = WRY_SETUP_VERSION;
  setup->root_id = context->options->root_id;
  setup->slot = request->slot;
  setup->uid = setup->gid = wry_sandbox_uid(context, request->slot);
  g_strlcpy(setup->host_bridge, context->options->host_bridge ? context->options->host_bridge : "", sizeof setup->host_bridge);
  g_snprintf(setup->cgroup, sizeof setup->cgroup, "%s/%s", context->cgroup, request->vmi);
  if (!setup->host_bridge[0])
    fill_addresses(setup);
  fill_devices(context, request, setup);
}

/* The two runs of `launcher setup` that a start needs; they know nothing of each other. */
typedef struct { WrySetupRun limits, network; } Setups;

static void setups_clear(Setups *setups) {
  wry_setup_abandon(&setups->limits);
  wry_setup_abandon(&setups->network);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Setups, setups_clear)

static gboolean begin_limits(const WryPrivContext *context, const WryRootRequest *request, Setups *setups, GError **error) {
  g_autofree WrySetupRequest *setup = g_new0(WrySetupRequest, 1);
  fill_setup(context, request, setup);
  setup->op = WRY_SETUP_LIMITS;
  return wry_setup_begin(context, setup, NULL, 0, &setups->limits, error);
}

static gboolean begin_network(const WryPrivContext *context, const WryRootRequest *request, int netns, Setups *setups, GError **error) {
  g_autofree WrySetupRequest *setup = g_new0(WrySetupRequest, 1);
  fill_setup(context, request, setup);
  setup->op = setup->n_interfaces ? WRY_SETUP_NETWORK_UP : WRY_SETUP_SANDBOX_UP;
  setup->cgroup[0] = '\0';
  return wry_setup_begin(context, setup, &netns, 1, &setups->network, error);
}

gboolean wry_init_tell(int sock, uid_t uid, const WrySetupReply *network, const int *fds, GError **error) {
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int) * WRY_MAX_SETUP_FDS)]; } control = {0};
  WryInitStart start = {.version = WRY_SETUP_VERSION, .n_fds = network ? network->n_fds : 0, .uid = uid, .gid = uid};
  struct iovec iov = {&start, sizeof start};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  if (network)
    memcpy(start.fds, network->fds, sizeof start.fds);
  if (start.n_fds) {
    msg.msg_control = control.bytes;
    msg.msg_controllen = CMSG_SPACE(sizeof(int) * start.n_fds);
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * start.n_fds)};
    memcpy(CMSG_DATA(c), fds, sizeof(int) * start.n_fds);
  }
  if (sendmsg(sock, &msg, MSG_NOSIGNAL) != (ssize_t)sizeof start)
    return wry_errno(error, errno, network ? "sockets for the sandbox" : "start message to init");
  return TRUE;
}

static int open_log(const WryPrivContext *context, const WryRootRequest *request, uid_t uid) {
  g_autofree char *path = g_strdup_printf("vms/%s", request->vm);
  wry_autofd int dir = wry_vmkdir(context->options->state_fd, path, 0700, NULL);
  if (dir < 0)
    return -1;
  wry_vunlink(dir, "launcher.log", NULL);
  int fd = wry_vopen(dir, "launcher.log", O_WRONLY | O_CREAT | O_APPEND, 0600, WRY_WANT_FILE, NULL);
  if (fd >= 0 && fchown(fd, uid, uid) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

static gboolean note_init(const WryPrivContext *context, const char *vmi, pid_t pid, GError **error) {
  g_autofree char *name = g_strdup_printf("vms/%s.init", vmi);
  wry_autofd int dir = wry_vmkdir(context->options->run_fd, "vms", 0700, error);
  int32_t number = pid;
  return dir >= 0 && wry_vwrite(context->options->run_fd, name, &number, sizeof number, 0600, error);
}

/* The host pid of a sandbox's init, 0 when it is not there. */
static pid_t noted_init(const WryPrivContext *context, const char *vmi, const pid_t *pids, guint n) {
  g_autofree char *name = g_strdup_printf("vms/%s.init", vmi);
  gsize length = 0;
  g_autofree char *body = wry_vread(context->options->run_fd, name, sizeof(int32_t), &length, NULL);
  int32_t number = 0;
  if (body && length == sizeof number)
    memcpy(&number, body, sizeof number);
  for (guint i = 0; number > 1 && i < n; i++)
    if (pids[i] == number)
      return number;
  return 0;
}

static gboolean finish_network(const WryBirth *birth, int sock, WrySetupRun *run, WrySetupReply *reply, GError **error) {
  int fds[WRY_MAX_SETUP_FDS];
  guint n = 0;
  if (!wry_setup_finish(run, reply, fds, &n, error))
    return FALSE;
  gboolean ok = wry_init_tell(sock, birth->uid, reply, fds, error);
  for (guint i = 0; i < n; i++)
    close(fds[i]);
  return ok;
}

/* Limits, network and the child's own file system are made at the same time. The sandbox's first programs start once they are limited, and meet the network when it stands. */
static gboolean deliver(WryBirth *birth, int sock, const WryBorn *born, Setups *setups, WryRootReply *reply, GError **error) {
  const char *vmi = birth->request->vmi;
  WrySetupReply limits;
  int none[WRY_MAX_SETUP_FDS];
  guint n = 0;
  if (!begin_network(birth->context, birth->request, born->netns, setups, error) || !wry_sandbox_cgroup_attach(birth->context, vmi, born->pid, error) ||
      !note_init(birth->context, vmi, born->pid, error) || !wry_birth_ready(sock, error) || !wry_setup_finish(&setups->limits, &limits, none, &n, error) ||
      !wry_init_tell(sock, birth->uid, NULL, NULL, error) || !finish_network(birth, sock, &setups->network, &reply->setup, error))
    return FALSE;
  reply->setup.cgroup_version = limits.cgroup_version;
  return TRUE;
}

static gboolean give_birth(WryBirth *birth, WryRootReply *reply, int *ret_pidfd, GError **error) {
  int pair[2];
  struct stat kvm;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return wry_errno(error, errno, "socket pair");
  wry_autofd int ours = pair[0];
  g_auto(WryBorn) born = {.pidfd = -1, .netns = -1};
  g_auto(Setups) setups = {{.sock = -1}, {.sock = -1}};
  birth->sync = pair[1];
  if (stat_node(birth->context, KVM_NODE, &kvm))
    birth->kvm_gid = kvm.st_gid;
  if (!wry_sandbox_cgroup_make(birth->context, birth->request->vmi, error) || !begin_limits(birth->context, birth->request, &setups, error))
    return FALSE;
  birth->binds = wry_sandbox_binds(birth->context, birth->request, birth->uid, error);
  if (!birth->binds)
    return FALSE;
  birth->log = open_log(birth->context, birth->request, birth->uid);
  if (!wry_birth_sandbox(birth, &born, error))
    return FALSE;
  wry_fd_close(&birth->sync);
  if (!deliver(birth, ours, &born, &setups, reply, error))
    return FALSE;
  reply->pid = born.pid;
  reply->alive = 1;
  *ret_pidfd = g_steal_fd(&born.pidfd);
  return TRUE;
}

gboolean wry_sandbox_start(const WryPrivContext *context, const WryRootRequest *request, WryRootReply *reply, int *ret_pidfd, GError **error) {
  g_auto(WryBirth) birth = {.context = context, .request = request, .uid = wry_sandbox_uid(context, request->slot), .sync = -1, .log = -1, .kind = WRY_BIRTH_INIT};
  reply->uid = birth.uid;
  if (wry_sandbox_cgroup_pids(context, request->vmi, NULL, 0) != 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_EXISTS, "sandbox %s has processes already", request->vmi);
    return FALSE;
  }
  if (give_birth(&birth, reply, ret_pidfd, error))
    return TRUE;
  g_autoptr(GError) left = NULL;
  if (!wry_sandbox_end(context, request, &left))
    g_prefix_error(error, "(not all could be undone: %s) ", left->message);
  return FALSE;
}

gboolean wry_sandbox_query(const WryPrivContext *context, const WryRootRequest *request, WryRootReply *reply, int *ret_pidfd, GError **error) {
  pid_t pids[1024];
  (void)error;
  guint n = wry_sandbox_cgroup_pids(context, request->vmi, pids, G_N_ELEMENTS(pids));
  reply->alive = n > 0;
  reply->uid = wry_sandbox_uid(context, request->slot);
  reply->pid = noted_init(context, request->vmi, pids, MIN(n, G_N_ELEMENTS(pids)));
  if (reply->pid)
    *ret_pidfd = pidfd_open(reply->pid, 0);
  return TRUE;
}

/* The pidfd is held before the second look at the cgroup, so that no later process of this number is meant. */
gboolean wry_sandbox_kill_run(const WryPrivContext *context, const WryRootRequest *request, GError **error) {
  g_autofree WryRootReply *before = g_new0(WryRootReply, 1), *after = g_new0(WryRootReply, 1);
  wry_autofd int pidfd = -1, again = -1;
  wry_sandbox_query(context, request, before, &pidfd, NULL);
  wry_sandbox_query(context, request, after, &again, NULL);
  if (pidfd < 0 || before->pid != after->pid) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "sandbox %s has no init", request->vmi);
    return FALSE;
  }
  return pidfd_send_signal(pidfd, WRY_INIT_KILL_RUN, NULL, 0) == 0 || wry_errno(error, errno, "signal to init");
}

/* Takes down the VM's side of the uplink, and the root's own when this was its last sandbox. */
static gboolean uplink_down(const WryPrivContext *context, const WryRootRequest *request, GError **error) {
  g_autofree WrySetupRequest *setup = g_new0(WrySetupRequest, 1);
  g_autofree char *other = wry_sandbox_cgroup_name(context, 0);
  WrySetupReply answer;
  fill_setup(context, request, setup);
  setup->op = other ? WRY_SETUP_UPLINK_DOWN : WRY_SETUP_UPLINK_END;
  return wry_sandbox_setup(context, setup, &answer, error);
}

gboolean wry_sandbox_end(const WryPrivContext *context, const WryRootRequest *request, GError **error) {
  g_autofree char *note = g_strdup_printf("vms/%s.init", request->vmi);
  g_autofree char *scratch = g_strdup_printf("scratch/%s", request->vmi);
  if (!wry_sandbox_cgroup_kill(context, request->vmi, END_TIMEOUT_MS, error))
    return FALSE;
  gboolean ok = wry_sandbox_cgroup_remove(context, request->vmi, error);
  ok &= uplink_down(context, request, ok ? error : NULL);
  ok &= wry_vremove_tree(context->options->state_fd, scratch, ok ? error : NULL);
  ok &= wry_vunlink(context->options->run_fd, note, ok ? error : NULL);
  return ok;
}
