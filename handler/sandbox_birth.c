/* What the root half asks of its birth helper (handler/birth.h): the helper itself at the start, later the first processes of sandboxes and the runs of `launcher setup`. */
#include "handler/sandbox.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FDS_MAX (2 + WRY_BIRTH_MOUNTS)

typedef struct {
  WryBirthRequest request;
  int fds[FDS_MAX];
  guint n_fds;
} Question;

static gboolean ask(int sock, const Question *question, GError **error) {
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int) * FDS_MAX)]; } control = {0};
  struct iovec iov = {(void *)&question->request, sizeof question->request};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_SPACE(sizeof(int) * question->n_fds)};
  *CMSG_FIRSTHDR(&msg) = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * question->n_fds)};
  memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), question->fds, sizeof(int) * question->n_fds);
  return sendmsg(sock, &msg, MSG_NOSIGNAL) == (ssize_t)sizeof question->request || wry_errno(error, errno, "request to the birth helper");
}

static gboolean hear(int sock, WryBorn *ret_born, GError **error) {
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int) * 2)]; } control = {0};
  WryBirthReply reply = {0};
  struct iovec iov = {&reply, sizeof reply};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t n;
  do n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
  *ret_born = (WryBorn){.pidfd = -1, .netns = -1};
  if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
    gsize n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(&ret_born->pidfd, CMSG_DATA(c), sizeof(int));
    if (n_fds > 1) memcpy(&ret_born->netns, CMSG_DATA(c) + sizeof(int), sizeof(int));
  }
  if (n != (ssize_t)sizeof reply || reply.version != WRY_BIRTH_VERSION) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_FAILED, "the birth helper is gone");
    return FALSE;
  }
  ret_born->pid = reply.pid;
  return reply.pid > 0 || wry_errno(error, reply.problem, "new process");
}

static gboolean bear(int sock, const Question *question, WryBorn *ret_born, GError **error) {
  *ret_born = (WryBorn){.pidfd = -1, .netns = -1};
  if (ask(sock, question, error) && hear(sock, ret_born, error)) return TRUE;
  wry_born_clear(ret_born);
  return FALSE;
}

gboolean wry_birth_setup(const WryPrivContext *context, int sync, WryBorn *ret_born, GError **error) {
  g_autofree Question *question = g_new0(Question, 1);
  question->request = (WryBirthRequest){.version = WRY_BIRTH_VERSION, .kind = WRY_BIRTH_SETUP};
  question->fds[question->n_fds++] = sync;
  return bear(context->options->birth_fd, question, ret_born, error);
}

static gboolean add_mounts(Question *question, GPtrArray *binds, GError **error) {
  for (guint i = 0; i < binds->len; i++) {
    const WryBind *bind = binds->pdata[i];
    WryBirthMount *mount = &question->request.mounts[i];
    if (i == WRY_BIRTH_MOUNTS || g_strlcpy(mount->target, bind->target, sizeof mount->target) >= sizeof mount->target) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "too many mounts, or one at too long a path: %s", bind->target);
      return FALSE;
    }
    mount->directory = bind->directory ? 1 : 0;
    question->fds[question->n_fds++] = bind->fd;
  }
  question->request.n_mounts = binds->len;
  return TRUE;
}

gboolean wry_birth_sandbox(const WryBirth *birth, WryBorn *ret_born, GError **error) {
  g_autofree Question *question = g_new0(Question, 1);
  WryBirthRequest *request = &question->request;
  *request = (WryBirthRequest){.version = WRY_BIRTH_VERSION, .kind = birth->kind, .uid = birth->uid, .kvm_gid = birth->request->kvm ? birth->kvm_gid : 0, .log = birth->log >= 0};
  g_strlcpy(request->hostname, birth->request->hostname, sizeof request->hostname);
  question->fds[question->n_fds++] = birth->sync;
  if (birth->log >= 0) question->fds[question->n_fds++] = birth->log;
  return add_mounts(question, birth->binds, error) && bear(birth->context->options->birth_fd, question, ret_born, error);
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

void wry_born_clear(WryBorn *born) {
  wry_fd_close(&born->pidfd);
  wry_fd_close(&born->netns);
}
