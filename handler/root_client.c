/* Main's end of the socket to the root half: requests are queued and asked one at a time, answers come back through the main loop.
 *
 * How it works: one request is under way; its answer is a datagram of fixed size with at most one fd. When the root half is gone every question that waits is answered with an
 * error, and so are later ones: main then ends, and the process above starts both anew.
 * Relies on: root.h. */
#include "handler/root.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <sys/socket.h>

#include "wherry/error.h"
#include "wherry/fd.h"

typedef struct {
  WryRootRequest request;
  int fd; /* goes along, owned; -1: none */
  WryRootDone done;
  gpointer data;
} Call;

static void free_call(gpointer data) {
  Call *call = data;
  wry_fd_close(&call->fd);
  g_free(call);
}

struct WryRoot {
  int fd;        /* -1: gone */
  guint source;
  guint failing;  /* idle source that answers what waits once the root half is gone */
  guint32 seq;
  GQueue calls;
  gboolean asked; /* the head is under way */
};

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data);

WryRoot *wry_root_new(int take_fd) {
  WryRoot *root = g_new0(WryRoot, 1);
  root->fd = take_fd;
  g_queue_init(&root->calls);
  root->source = g_unix_fd_add(take_fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, root);
  return root;
}

void wry_root_free(WryRoot *root) {
  if (!root) return;
  if (root->source) g_source_remove(root->source);
  if (root->failing) g_source_remove(root->failing);
  if (root->fd >= 0) close(root->fd);
  g_queue_clear_full(&root->calls, free_call);
  g_free(root);
}

static void answer_first(WryRoot *root, const WryRootReply *reply, int pidfd, const GError *error) {
  Call *call = g_queue_pop_head(&root->calls);
  root->asked = FALSE;
  call->done(reply, pidfd, error, call->data);
  free_call(call);
}

static gboolean fail_all(gpointer data) {
  WryRoot *root = data;
  g_autoptr(GError) error = g_error_new(WRY_ERROR, WRY_ERROR_IO, "the root half is gone");
  root->failing = 0;
  while (!g_queue_is_empty(&root->calls)) answer_first(root, NULL, -1, error);
  return G_SOURCE_REMOVE;
}

void wry_root_abandon(WryRoot *root) {
  if (root->source) g_source_remove(root->source);
  if (root->failing) g_source_remove(root->failing);
  wry_fd_close(&root->fd);
  root->source = 0;
  fail_all(root);
}

static void lose(WryRoot *root) {
  if (root->fd >= 0) close(root->fd);
  root->fd = -1;
  root->source = 0;
  if (!root->failing) root->failing = g_idle_add(fail_all, root);
}

static ssize_t send_call(int fd, const Call *call) {
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control = {0};
  struct iovec iov = {(void *)(gpointer)&call->request, sizeof call->request};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  if (call->fd >= 0) {
    msg.msg_control = control.bytes;
    msg.msg_controllen = sizeof control.bytes;
    struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(header), &call->fd, sizeof(int));
  }
  return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static void ask_first(WryRoot *root) {
  const Call *call = g_queue_peek_head(&root->calls);
  if (!call || root->asked || root->fd < 0) return;
  root->asked = TRUE;
  ssize_t sent;
  do sent = send_call(root->fd, call);
  while (sent < 0 && errno == EINTR);
  if (sent == (ssize_t)sizeof call->request) return;
  g_source_remove(root->source);
  lose(root);
}

/* One answer; FALSE when the other end is gone or broke the form. */
static gboolean receive(int fd, WryRootReply *reply, int *ret_pidfd) {
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control;
  struct iovec iov = {reply, sizeof *reply};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  *ret_pidfd = -1;
  ssize_t length;
  do length = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
  while (length < 0 && errno == EINTR);
  struct cmsghdr *header = length > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
  if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)))
    memcpy(ret_pidfd, CMSG_DATA(header), sizeof(int));
  if (length == (ssize_t)sizeof *reply && !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) return TRUE;
  wry_fd_close(ret_pidfd);
  return FALSE;
}

static gboolean on_readable(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  WryRoot *root = data;
  g_autofree WryRootReply *reply = g_new0(WryRootReply, 1);
  int pidfd = -1;
  const Call *call = g_queue_peek_head(&root->calls);
  gboolean good = receive(fd, reply, &pidfd);
  if (!good || !call || reply->version != WRY_ROOT_VERSION || reply->seq != call->request.seq || reply->op != call->request.op) {
    wry_fd_close(&pidfd);
    lose(root);
    return G_SOURCE_REMOVE;
  }
  reply->message[sizeof reply->message - 1] = '\0';
  reply->vmi[sizeof reply->vmi - 1] = '\0';
  g_autoptr(GError) error = NULL;
  if (reply->code != 0) {
    int code = reply->code > 0 && reply->code <= WRY_ERROR_CODES ? reply->code - 1 : WRY_ERROR_FAILED;
    error = g_error_new_literal(WRY_ERROR, code, reply->message);
  }
  answer_first(root, reply, pidfd, error);
  ask_first(root);
  return G_SOURCE_CONTINUE;
}

void wry_root_call(WryRoot *root, WryRootRequest *request, WryRootDone done, gpointer data) { wry_root_call_with(root, request, -1, done, data); }

void wry_root_call_with(WryRoot *root, WryRootRequest *request, int fd, WryRootDone done, gpointer data) {
  Call *call = g_new(Call, 1);
  request->version = WRY_ROOT_VERSION;
  request->seq = ++root->seq;
  *call = (Call){*request, fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1, done, data};
  g_queue_push_tail(&root->calls, call);
  if (root->fd < 0)
    lose(root);
  else
    ask_first(root);
}
