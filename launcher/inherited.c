/* What run inherits from init: two descriptors named in the environment. On one the sockets that setup made wait to be looked at, on the other init tells of the dead. */
#include "launcher/inherited.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/setup.h"
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTOR_MAX 1023

/* "<name>=<fd>" */
static gboolean parse_one(const char *text, WryInherited *inherited) {
  const struct { const char *name; int *fd; } rows[] = {{"init=", &inherited->init}, {"setup=", &inherited->setup}, {"deposit=", &inherited->deposit}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    guint64 fd;
    if (!g_str_has_prefix(text, rows[i].name))
      continue;
    if (*rows[i].fd >= 0 || !g_ascii_string_to_unsigned(text + strlen(rows[i].name), 10, STDERR_FILENO + 1, DESCRIPTOR_MAX, &fd, NULL))
      return FALSE;
    *rows[i].fd = (int)fd;
    return inherited->init != inherited->setup && (inherited->deposit < 0 || (inherited->deposit != inherited->init && inherited->deposit != inherited->setup));
  }
  return FALSE;
}

gboolean wry_inherited_parse(const char *text, WryInherited *ret, GError **error) {
  g_auto(GStrv) parts = g_strsplit(text ? text : "", ",", -1);
  *ret = (WryInherited){-1, -1, -1};
  for (char **part = parts; *part; part++) {
    if (parse_one(*part, ret))
      continue;
    g_set_error(error, WRY_ERROR, WRY_ERROR_PROTOCOL, "WRY_FDS: \"%s\"", *part);
    return FALSE;
  }
  return TRUE;
}

/* --- sockets of setup -------------------------------------------------------------------------------------------------- */

static guint take_fds(struct msghdr *msg, int *fds) {
  struct cmsghdr *c = CMSG_FIRSTHDR(msg);
  if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
    return 0;
  guint n = (guint)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  memcpy(fds, CMSG_DATA(c), n * sizeof(int));
  return n;
}

/* The datagram that waits in the socket, and copies of its descriptors. */
static gboolean look(int setup, WryInitStart *ret, int *ret_fds, guint *ret_n, GError **error) {
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int) * WRY_MAX_SETUP_FDS)]; } control;
  struct iovec iov = {ret, sizeof *ret};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t n = recvmsg(setup, &msg, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0)
    return wry_errno(error, errno, "sockets of setup");
  *ret_n = take_fds(&msg, ret_fds);
  if (n == (ssize_t)sizeof *ret && ret->version == WRY_SETUP_VERSION && *ret_n == ret->n_fds && !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
    return TRUE;
  g_set_error(error, WRY_ERROR, WRY_ERROR_PROTOCOL, "sockets of setup: a message of %zd bytes and %u descriptors", n, *ret_n);
  for (guint i = 0; i < *ret_n; i++)
    close(ret_fds[i]);
  return FALSE;
}

GArray *wry_inherited_sockets(int setup, GError **error) {
  WryInitStart message;
  int fds[WRY_MAX_SETUP_FDS];
  guint n = 0;
  if (!look(setup, &message, fds, &n, error))
    return NULL;
  GArray *list = g_array_new(FALSE, FALSE, sizeof(WryInheritedSocket));
  for (guint i = 0; i < n; i++) {
    WryInheritedSocket one = {message.fds[i].what, message.fds[i].interface, fds[i]};
    g_array_append_val(list, one);
  }
  return list;
}

/* What waits in `from` is put into `deposit` as it is, unless a former run has done so. */
gboolean wry_inherited_deposit(const WryInherited *inherited, int from, GError **error) {
  WryInitStart message;
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int) * WRY_MAX_SETUP_FDS)]; } control = {0};
  struct iovec iov = {&message, sizeof message};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control};
  int fds[WRY_MAX_SETUP_FDS];
  guint n = 0;
  g_autoptr(GArray) there = wry_inherited_sockets(inherited->setup, NULL);
  for (guint i = 0; there && i < there->len; i++) close(g_array_index(there, WryInheritedSocket, i).fd);
  if (there || inherited->deposit < 0) return TRUE;
  if (!look(from, &message, fds, &n, error)) return FALSE;
  if (n > 0) {
    msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
    *CMSG_FIRSTHDR(&msg) = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * n)};
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, sizeof(int) * n);
  } else {
    msg.msg_control = NULL;
  }
  gboolean ok = sendmsg(inherited->deposit, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)sizeof message || wry_errno(error, errno, "sockets of setup");
  for (guint i = 0; i < n; i++) close(fds[i]);
  return ok;
}

/* --- channel of init --------------------------------------------------------------------------------------------------- */

struct WryInitChannel {
  int fd;
  guint source;
  WryInitExited exited;
  gpointer data;
};

void wry_init_channel_drain(WryInitChannel *channel) {
  WryInitExit message;
  while (recv(channel->fd, &message, sizeof message, MSG_DONTWAIT) == (ssize_t)sizeof message)
    channel->exited(message.pid, message.status, channel->data);
}

static gboolean readable(gint fd, GIOCondition condition, gpointer data) {
  WryInitChannel *channel = data;
  (void)fd;
  wry_init_channel_drain(channel);
  if (!(condition & (G_IO_HUP | G_IO_ERR)))
    return G_SOURCE_CONTINUE;
  channel->source = 0; /* init is pid 1: it does not outlive us, we end with it */
  return G_SOURCE_REMOVE;
}

WryInitChannel *wry_init_channel_new(int take_fd, WryInitExited exited, gpointer data) {
  WryInitChannel *channel = g_new0(WryInitChannel, 1);
  *channel = (WryInitChannel){.fd = take_fd, .exited = exited, .data = data};
  fcntl(take_fd, F_SETFD, FD_CLOEXEC);
  channel->source = g_unix_fd_add(take_fd, G_IO_IN, readable, channel);
  return channel;
}

void wry_init_channel_free(WryInitChannel *channel) {
  if (!channel)
    return;
  g_clear_handle_id(&channel->source, g_source_remove);
  wry_fd_close(&channel->fd);
  g_free(channel);
}
