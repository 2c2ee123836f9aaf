/* The birth helper: makes the processes that the root half may not make itself (handler/birth.h says why).
 *
 * How it works: one request in, one clone3, one answer out. The new process is the root half's child; it closes what it has of this one before it does anything else.
 *
 * It should: hold only the capabilities that new processes need, effective only while a request is served; check every count, number and text of a request; end with the root
 * half. It must not: make anything but the programs of the table in birth_child.c and `launcher setup`, give a sandbox a uid that is not one of its root's, or wait for anybody.
 * Relies on: CLONE_PARENT together with new namespaces (Linux >= 3.13). */
#include "handler/birth.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/isolate.h"
#include "wherry/log.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SETUP_FD 3 /* where launcher setup finds its socket */
#define FDS_MAX (2 + WRY_BIRTH_MOUNTS)
#define OWN_NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

/* Permitted for the life of the helper. A row per capability: what needs it. */
static const int capabilities[] = {
    CAP_SYS_ADMIN + 1,        /* namespaces, mounts; setup: entering them, device rules of a cgroup */
    CAP_NET_ADMIN + 1,        /* setup: links, addresses, nftables */
    CAP_NET_RAW + 1,          /* setup: router advertisements */
    CAP_NET_BIND_SERVICE + 1, /* setup: DHCP ports */
    CAP_DAC_OVERRIDE + 1,     /* setup: files of the kernel that belong to nobody */
    CAP_SETUID + 1,           /* the child becomes the VM's uid */
    CAP_SETGID + 1,
    CAP_SETPCAP + 1,          /* and empties its bounding set */
    0};
static const int setup_capabilities[] = {CAP_SYS_ADMIN + 1, CAP_NET_ADMIN + 1, CAP_NET_RAW + 1, CAP_NET_BIND_SERVICE + 1, CAP_DAC_OVERRIDE + 1, 0};

typedef struct {
  const WryBirthOptions *options;
  int sock, libexec;
  WryBirthRequest request;
  int fds[FDS_MAX];
  guint n_fds;
} Birth;

typedef union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)]; } Control;

/* --- the request --------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean terminated(const char *text, gsize size) {
  return memchr(text, '\0', size) != NULL;
}

static gboolean sandbox_ok(const Birth *birth) {
  const WryBirthRequest *r = &birth->request;
  if (r->uid < birth->options->first_uid || r->uid - birth->options->first_uid >= birth->options->n_uids || !terminated(r->hostname, sizeof r->hostname)) return FALSE;
  for (guint i = 0; i < r->n_mounts; i++)
    if (!terminated(r->mounts[i].target, sizeof r->mounts[i].target)) return FALSE;
  return TRUE;
}

static gboolean request_ok(const Birth *birth) {
  const WryBirthRequest *r = &birth->request;
  if (r->version != WRY_BIRTH_VERSION || r->kind == 0 || r->kind >= WRY_BIRTH_KINDS || r->n_mounts > WRY_BIRTH_MOUNTS || r->log > 1) return FALSE;
  if (birth->n_fds != 1 + r->log + r->n_mounts) return FALSE;
  return r->kind == WRY_BIRTH_SETUP ? r->log == 0 && r->n_mounts == 0 : sandbox_ok(birth);
}

/* FALSE: the root half is gone, or sends what it must not. */
static gboolean receive(Birth *birth) {
  Control control;
  struct iovec iov = {&birth->request, sizeof birth->request};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t n;
  do n = recvmsg(birth->sock, &msg, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
  birth->n_fds = 0;
  if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
    birth->n_fds = (guint)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(birth->fds, CMSG_DATA(c), birth->n_fds * sizeof(int));
  }
  return n == (ssize_t)sizeof birth->request && !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
}

/* --- the process --------------------------------------------------------------------------------------------------------------------------------------- */
/* In the child. Root's uid alone gives a program nothing here (SECBIT_NOROOT): what it needs are ambient capabilities. */
G_NORETURN static void become_setup(const Birth *birth) {
  char *const argv[] = {(char *)"launcher-setup", NULL};
  char *const environment[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
  if (dup2(birth->fds[0], SETUP_FD) == SETUP_FD && wry_isolate_ambient(setup_capabilities, NULL)) execveat(birth->libexec, "launcher-setup", argv, environment, 0);
  _exit(127);
}

G_NORETURN static void become(const Birth *birth) {
  const WryBirthRequest *r = &birth->request;
  const WryBirthJob job = {.request = r, .sync = birth->fds[0], .log = r->log ? birth->fds[1] : -1, .mounts = birth->fds + 1 + r->log};
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (r->kind == WRY_BIRTH_SETUP) become_setup(birth);
  wry_birth_become(&job);
}

/* The network namespace of a process whose capabilities are those of this one; to the root half, which has fewer, it is closed. */
static int open_netns(pid_t pid) {
  g_autofree char *path = g_strdup_printf("/proc/%d/ns", (int)pid);
  wry_autofd int dir = wry_dir_open(path, NULL);
  return dir < 0 ? -1 : openat(dir, "net", O_RDONLY | O_CLOEXEC);
}

/* The answer's descriptors; a process that cannot be handed over in full ends. */
static guint make(const Birth *birth, WryBirthReply *reply, int ret_fds[2]) {
  gboolean sandbox = birth->request.kind != WRY_BIRTH_SETUP;
  int pidfd = -1;
  struct clone_args args = {.flags = CLONE_PARENT | CLONE_PIDFD | (sandbox ? (guint64)OWN_NAMESPACES : 0), .pidfd = (uintptr_t)&pidfd};
  pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) become(birth);
  int netns = pid > 0 && sandbox ? open_netns(pid) : -1;
  if (pid < 0 || (sandbox && netns < 0)) {
    reply->problem = errno;
    if (pid < 0) return 0;
    pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
    close(pidfd);
    return 0;
  }
  reply->pid = pid;
  ret_fds[0] = pidfd;
  ret_fds[1] = netns;
  return sandbox ? 2 : 1;
}

static gboolean answer(int sock, const WryBirthReply *reply, const int *fds, guint n) {
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int) * 2)]; } control = {0};
  struct iovec iov = {(void *)reply, sizeof *reply};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  if (n) {
    msg.msg_control = &control;
    msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
    *CMSG_FIRSTHDR(&msg) = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * n)};
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, sizeof(int) * n);
  }
  return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof *reply;
}

static gboolean serve_one(Birth *birth) {
  WryBirthReply reply = {.version = WRY_BIRTH_VERSION, .problem = EPERM};
  int fds[2];
  guint n = 0;
  gboolean came = receive(birth);
  if (came && request_ok(birth) && wry_isolate_effective(capabilities, NULL)) n = make(birth, &reply, fds);
  if (!wry_isolate_effective(NULL, NULL)) wry_log(WRY_LOG_ERROR, "capabilities stay effective", NULL);
  for (guint i = 0; i < birth->n_fds; i++) close(birth->fds[i]);
  gboolean told = came && answer(birth->sock, &reply, fds, n);
  for (guint i = 0; i < n; i++) close(fds[i]);
  return told;
}

int wry_birth_serve(int take_fd, const WryBirthOptions *options) {
  wry_autofd int sock = take_fd;
  g_autoptr(GError) error = NULL;
  g_autofree Birth *birth = g_new0(Birth, 1);
  wry_autofd int libexec = wry_dir_open(options->libexec, &error);
  if (libexec < 0 || !wry_isolate_caps(capabilities, &error)) {
    wry_log(WRY_LOG_ERROR, error->message, NULL);
    return 1;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  birth->options = options;
  birth->sock = sock;
  birth->libexec = libexec;
  while (serve_one(birth)) {
  }
  return 0;
}
