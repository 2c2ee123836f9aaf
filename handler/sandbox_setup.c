/* Runs of `launcher setup`: the root half has one started with a socket pair on fd 3, sends the request and the namespace fds in one datagram and waits for the one reply. The
 * program ends by itself; it is killed when it has not answered in time. The birth helper starts it (birth.c). */
#include "handler/sandbox.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define SETUP_TIMEOUT_MS 15000

static gboolean send_request(int sock, const WrySetupRequest *request, const int *fds, guint n_fds, GError **error) {
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int) * WRY_MAX_SETUP_FDS)]; } control = {0};
  struct iovec iov = {(void *)request, sizeof *request};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  if (n_fds) {
    msg.msg_control = control.bytes;
    msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * n_fds)};
    memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
  }
  if (sendmsg(sock, &msg, MSG_NOSIGNAL) != (ssize_t)sizeof *request)
    return wry_errno(error, errno, "request to launcher setup");
  return TRUE;
}

static gboolean receive_reply(int sock, WrySetupReply *reply, int *ret_fds, guint *ret_n_fds, GError **error) {
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int) * WRY_MAX_SETUP_FDS)]; } control = {0};
  struct iovec iov = {reply, sizeof *reply};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  struct pollfd p = {.fd = sock, .events = POLLIN};
  *ret_n_fds = 0;
  if (poll(&p, 1, SETUP_TIMEOUT_MS) != 1) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_TIMEOUT, "launcher setup gave no answer in %d s", SETUP_TIMEOUT_MS / 1000);
    return FALSE;
  }
  ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
  struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
  if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
    *ret_n_fds = (guint)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(ret_fds, CMSG_DATA(c), *ret_n_fds * sizeof(int));
  }
  if (n != (ssize_t)sizeof *reply || reply->version != WRY_SETUP_VERSION || *ret_n_fds != reply->n_fds) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_PROTOCOL, "launcher setup ended without a whole answer");
    return FALSE;
  }
  return TRUE;
}

gboolean wry_setup_begin(const WryPrivContext *context, const WrySetupRequest *request, const int *fds, guint n_fds, WrySetupRun *ret_run, GError **error) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return wry_errno(error, errno, "socket pair");
  wry_autofd int theirs = pair[1];
  *ret_run = (WrySetupRun){.sock = pair[0]};
  g_auto(WryBorn) born = {.pidfd = -1, .netns = -1};
  if (!wry_birth_setup(context, theirs, &born, error))
    g_prefix_error(error, "start of launcher setup: ");
  ret_run->pid = born.pid;
  if (born.pid > 0 && send_request(ret_run->sock, request, fds, n_fds, error))
    return TRUE;
  wry_setup_abandon(ret_run);
  return FALSE;
}

static void reap(WrySetupRun *run) {
  while (waitpid(run->pid, NULL, 0) < 0 && errno == EINTR) {
  }
  *run = (WrySetupRun){.sock = -1};
}

void wry_setup_abandon(WrySetupRun *run) {
  wry_fd_close(&run->sock);
  if (run->pid <= 0)
    return;
  kill(run->pid, SIGKILL);
  reap(run);
}

gboolean wry_setup_finish(WrySetupRun *run, WrySetupReply *ret_reply, int *ret_fds, guint *ret_n_fds, GError **error) {
  gboolean ok = receive_reply(run->sock, ret_reply, ret_fds, ret_n_fds, error);
  wry_fd_close(&run->sock);
  if (!ok)
    kill(run->pid, SIGKILL);
  reap(run);
  if (ok && !ret_reply->ok) {
    ret_reply->message[sizeof ret_reply->message - 1] = '\0';
    g_set_error(error, WRY_ERROR, CLAMP(ret_reply->code, 0, WRY_ERROR_CODES - 1), "%s", ret_reply->message);
    ok = FALSE;
  }
  if (!ok)
    for (guint i = 0; i < *ret_n_fds; i++)
      close(ret_fds[i]);
  return ok;
}

gboolean wry_sandbox_setup(const WryPrivContext *context, const WrySetupRequest *request, WrySetupReply *ret_reply, GError **error) {
  g_auto(WrySetupRun) run = {.sock = -1};
  int fds[WRY_MAX_SETUP_FDS];
  guint n_fds = 0;
  if (!wry_setup_begin(context, request, NULL, 0, &run, error) || !wry_setup_finish(&run, ret_reply, fds, &n_fds, error))
    return FALSE;
  for (guint i = 0; i < n_fds; i++)
    close(fds[i]);
  return TRUE;
}
