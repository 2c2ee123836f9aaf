/* A connection between handler and launcher: datagrams with fds over a SOCK_SEQPACKET socket, driven by the default main context.
 *
 * Reading: whatever comes in is bounded (one buffer of WRY_MAX_MESSAGE, room for WRY_MAX_MESSAGE_FDS fds, READ_BURST datagrams a turn) and checked before
 * anybody sees it; the first breach ends the connection. fds that nobody took are closed. Writing: at once when the socket has room, else queued, at most
 * WRY_MAX_WIRE_QUEUE messages, with their fds duplicated.
 *
 * Callbacks may free the wire: every turn of the loop holds a reference and looks whether the socket is still there after each call.
 *
 * Relies on SOCK_SEQPACKET keeping datagrams whole and in order. */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wherry/limits.h"
#include "wire_internal.h"

#define READ_BURST 16

typedef struct {
  char *text;
  gsize length;
  int fds[WRY_MAX_MESSAGE_FDS];
  guint n_fds;
} Pending;

struct WryWire {
  int fd; /* -1: freed or closed */
  int references;
  WryWireMessage message;
  WryWireClosed closed;
  gpointer data;
  GSource *in, *out;
  GQueue queue; /* Pending */
};

static void close_fds(int *fds, guint n_fds) {
  for (guint i = 0; i < n_fds; i++)
    if (fds[i] >= 0) close(fds[i]);
}

static void pending_free(gpointer data) {
  Pending *pending = data;
  close_fds(pending->fds, pending->n_fds);
  g_free(pending->text);
  g_free(pending);
}

static void drop_source(GSource **source) {
  if (!*source) return;
  g_source_destroy(*source);
  g_clear_pointer(source, g_source_unref);
}

static void hang_up(WryWire *wire) {
  drop_source(&wire->in);
  drop_source(&wire->out);
  g_queue_clear_full(&wire->queue, pending_free);
  if (wire->fd >= 0) close(wire->fd);
  wire->fd = -1;
}

static void unref(WryWire *wire) {
  if (--wire->references == 0) g_free(wire);
}

void wry_wire_free(WryWire *wire) {
  if (!wire) return;
  hang_up(wire);
  wire->closed = NULL;
  unref(wire);
}

/* Tells the owner once; takes the error. */
static void end(WryWire *wire, GError *take_error) {
  WryWireClosed closed = wire->closed;
  wire->closed = NULL;
  hang_up(wire);
  if (closed) closed(wire, take_error, wire->data);
  g_error_free(take_error);
}

/* --- reading ---------------------------------------------------------------------------------------------------------------------------------------------- */
typedef struct {
  char bytes[WRY_MAX_MESSAGE];
  gsize length;
  int fds[WRY_MAX_MESSAGE_FDS];
  guint n_fds;
} Datagram;

typedef union {
  char bytes[CMSG_SPACE(WRY_MAX_MESSAGE_FDS * sizeof(int))];
  struct cmsghdr align;
} Control;

/* The kernel never delivers more fds than the buffer has room for. */
static void take_fds(struct msghdr *header, Datagram *datagram) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    guint count = (guint)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(datagram->fds + datagram->n_fds, CMSG_DATA(c), count * sizeof(int));
    datagram->n_fds += count;
  }
}

typedef enum { NOTHING, ONE, OVER } Received;

static Received receive(WryWire *wire, Datagram *datagram, GError **error) {
  Control control;
  struct iovec vector = {datagram->bytes, sizeof datagram->bytes};
  struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  gssize got;
  do got = recvmsg(wire->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  datagram->n_fds = 0;
  if (got < 0 && errno == EAGAIN) return NOTHING;
  if (got >= 0) take_fds(&header, datagram);
  if (got < 0) {
    wry_errno(error, errno, "receive");
  } else if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_PROTOCOL, header.msg_flags & MSG_TRUNC ? "a message that is too long" : "too many file descriptors");
  } else if (got == 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_IO, "the peer closed the connection");
  } else {
    datagram->length = (gsize)got;
    return ONE;
  }
  close_fds(datagram->fds, datagram->n_fds);
  return OVER;
}

/* FALSE when the connection is over. */
static gboolean deliver(WryWire *wire, Datagram *datagram) {
  GError *error = NULL;
  WryMsgType type;
  gpointer body = wry_msg_decode(datagram->bytes, datagram->length, datagram->n_fds, &type, &error);
  if (body) {
    wire->message(wire, type, body, datagram->fds, datagram->n_fds, wire->data);
    wry_struct_free(wry_msg_type(type), body);
  }
  close_fds(datagram->fds, datagram->n_fds);
  if (error) end(wire, error);
  return wire->fd >= 0;
}

static gboolean readable(gint fd, GIOCondition condition, gpointer data) {
  WryWire *wire = data;
  GError *error = NULL;
  Received received = ONE;
  (void)fd, (void)condition;
  g_autofree Datagram *datagram = g_new(Datagram, 1);
  wire->references++;
  for (int i = 0; i < READ_BURST && received == ONE; i++) {
    received = receive(wire, datagram, &error);
    if (received == OVER)
      end(wire, error);
    else if (received == ONE && !deliver(wire, datagram))
      break;
  }
  gboolean more = wire->fd >= 0;
  unref(wire);
  return more ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* --- writing ------------------------------------------------------------------------------------------------------------------------------------------------- */
/* 0, or the errno. */
static int transmit(int fd, const char *text, gsize length, const int *fds, guint n_fds) {
  Control control = {{0}};
  struct iovec vector = {(gpointer)text, length};
  struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
  if (n_fds) {
    header.msg_control = control.bytes;
    header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
    memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
  }
  gssize done;
  do done = sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (done < 0 && errno == EINTR);
  return done < 0 ? errno : 0;
}

static gboolean writable(gint fd, GIOCondition condition, gpointer data) {
  WryWire *wire = data;
  int problem = 0;
  (void)condition;
  while (!problem && !g_queue_is_empty(&wire->queue)) {
    Pending *pending = g_queue_peek_head(&wire->queue);
    problem = transmit(fd, pending->text, pending->length, pending->fds, pending->n_fds);
    if (!problem) pending_free(g_queue_pop_head(&wire->queue));
  }
  if (problem == EAGAIN) return G_SOURCE_CONTINUE;
  drop_source(&wire->out);
  if (problem) {
    GError *error = NULL;
    wry_errno(&error, problem, "send");
    wire->references++;
    end(wire, error);
    unref(wire);
  }
  return G_SOURCE_REMOVE;
}

static GSource *watch(WryWire *wire, GIOCondition condition, GUnixFDSourceFunc call) {
  GSource *source = g_unix_fd_source_new(wire->fd, condition);
  g_source_set_callback(source, (GSourceFunc)(void (*)(void))call, wire, NULL);
  g_source_attach(source, NULL);
  return source;
}

/* Takes the text over, also when it fails. */
static gboolean enqueue(WryWire *wire, char *take_text, gsize length, const int *fds, guint n_fds, GError **error) {
  Pending *pending = g_new0(Pending, 1);
  pending->text = take_text;
  pending->length = length;
  gboolean good = TRUE;
  if (g_queue_get_length(&wire->queue) >= WRY_MAX_WIRE_QUEUE) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "the peer takes no messages: %u are waiting", WRY_MAX_WIRE_QUEUE);
    good = FALSE;
  }
  for (; good && pending->n_fds < n_fds; pending->n_fds += good) {
    pending->fds[pending->n_fds] = fcntl(fds[pending->n_fds], F_DUPFD_CLOEXEC, 0);
    good = pending->fds[pending->n_fds] >= 0 || wry_errno(error, errno, "duplicate a file descriptor");
  }
  if (!good) {
    pending_free(pending);
    return FALSE;
  }
  g_queue_push_tail(&wire->queue, pending);
  if (!wire->out) wire->out = watch(wire, G_IO_OUT, writable);
  return TRUE;
}

gboolean wry_wire_send(WryWire *wire, WryMsgType type, gconstpointer body, const int *fds, guint n_fds, GError **error) {
  gsize length = 0;
  if (wire->fd < 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_IO, "the connection is closed");
    return FALSE;
  }
  if (!wry_msg_check_fds(type, n_fds, error)) return FALSE;
  g_autofree char *text = wry_msg_encode(type, body, &length, error);
  if (!text) return FALSE;
  int problem = g_queue_is_empty(&wire->queue) ? transmit(wire->fd, text, length, fds, n_fds) : EAGAIN;
  if (problem == EAGAIN || problem == ENOBUFS) return enqueue(wire, g_steal_pointer(&text), length, fds, n_fds, error);
  return !problem || wry_errno(error, problem, "send %s", wry_msg_name(type));
}

/* --- life ---------------------------------------------------------------------------------------------------------------------------------------------------- */
WryWire *wry_wire_new(int take_fd, WryWireMessage message, WryWireClosed closed, gpointer data) {
  WryWire *wire = g_new0(WryWire, 1);
  *wire = (WryWire){.fd = take_fd, .references = 1, .message = message, .closed = closed, .data = data, .queue = G_QUEUE_INIT};
  wire->in = watch(wire, G_IO_IN | G_IO_HUP | G_IO_ERR, readable);
  return wire;
}

int wry_wire_fd(const WryWire *wire) {
  return wire->fd;
}
