/* The connection to the handler: made at the start and again whenever it is lost.
 *
 * An inotify watch on the rendezvous directory tells when the handler's socket appears, so that a new handler is met at once. A socket that refuses (its handler is dead or just
 * starting) is tried again with back-off, 1 s doubling to 60 s; without a socket there is nothing to wait for but the watch, and no timer runs. */
#include "launcher/link.h"
#include "wherry/fd.h"
#include "wherry/log.h"
#include "wherry/vpath.h"
#include <glib-unix.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>

#define SOCKET "launcher.sock"
#define BACKOFF_MAX 60u

struct WryHandler {
  int node_dir, notify;
  gint64 run;
  const WryHandlerCalls *calls;
  gpointer data;
  WryWire *wire;
  guint watch, timer, failures;
};

static void connect_now(WryHandler *handler);

guint wry_handler_backoff(guint failures) {
  return failures == 0 ? 0 : failures > 6 ? BACKOFF_MAX : MIN(BACKOFF_MAX, 1u << (failures - 1));
}

static gboolean again(gpointer data) {
  WryHandler *handler = data;
  handler->timer = 0;
  connect_now(handler);
  return G_SOURCE_REMOVE;
}

static void wait_for_another_try(WryHandler *handler) {
  handler->failures++;
  if (handler->timer == 0 && wry_vexists(handler->node_dir, SOCKET))
    handler->timer = g_timeout_add_seconds(wry_handler_backoff(handler->failures), again, handler);
}

static void drop(WryHandler *handler) {
  g_clear_pointer(&handler->wire, wry_wire_free);
  handler->calls->lost(handler->data);
}

static void on_message(WryWire *wire, WryMsgType type, gpointer body, int *fds, guint n_fds, gpointer data) {
  WryHandler *handler = data;
  (void)wire;
  handler->failures = 0;
  handler->calls->message(type, body, fds, n_fds, handler->data);
}

static void on_closed(WryWire *wire, const GError *error, gpointer data) {
  WryHandler *handler = data;
  (void)wire;
  wry_log(WRY_LOG_INFO, "the handler is gone", "why", error->message, NULL);
  drop(handler);
  wait_for_another_try(handler);
}

void wry_handler_send(WryHandler *handler, WryMsgType type, gconstpointer body, const int *fds, guint n_fds) {
  g_autoptr(GError) error = NULL;
  if (!handler->wire || wry_wire_send(handler->wire, type, body, fds, n_fds, &error))
    return;
  wry_log(WRY_LOG_WARNING, "message to the handler", "type", wry_msg_name(type), "why", error->message, NULL);
  drop(handler);
  wait_for_another_try(handler);
}

static void connect_now(WryHandler *handler) {
  g_autoptr(GError) error = NULL;
  WryMsgHello hello = {{TRUE, WRY_WIRE_VERSION}, {TRUE, handler->run}};
  if (handler->wire)
    return;
  g_clear_handle_id(&handler->timer, g_source_remove);
  int fd = wry_vconnect(handler->node_dir, SOCKET, SOCK_SEQPACKET, &error);
  if (fd < 0) {
    wait_for_another_try(handler);
    return;
  }
  handler->wire = wry_wire_new(fd, on_message, on_closed, handler);
  wry_handler_send(handler, WRY_MSG_HELLO, &hello, NULL, 0);
  if (handler->wire)
    handler->calls->connected(handler->data);
}

/* Something of the socket's name came into being. */
static gboolean names_socket(const char *buffer, gssize length) {
  for (gssize at = 0; at + (gssize)sizeof(struct inotify_event) <= length;) {
    const struct inotify_event *event = (const struct inotify_event *)(buffer + at);
    if (event->len > 0 && strcmp(event->name, SOCKET) == 0)
      return TRUE;
    at += (gssize)sizeof *event + event->len;
  }
  return FALSE;
}

static gboolean noticed(gint fd, GIOCondition condition, gpointer data) {
  WryHandler *handler = data;
  _Alignas(struct inotify_event) char buffer[4096];
  gboolean socket = FALSE;
  (void)condition;
  for (gssize n; (n = read(fd, buffer, sizeof buffer)) > 0;)
    socket |= names_socket(buffer, n);
  if (socket) {
    handler->failures = 0;
    connect_now(handler);
  }
  return G_SOURCE_CONTINUE;
}

static void watch(WryHandler *handler) {
  char path[64];
  g_snprintf(path, sizeof path, "/proc/self/fd/%d", handler->node_dir);
  handler->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  /* IN_ATTRIB: the handler opens its socket to us by a chmod after bind */
  if (handler->notify >= 0 && inotify_add_watch(handler->notify, path, IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR) >= 0)
    handler->watch = g_unix_fd_add(handler->notify, G_IO_IN, noticed, handler);
  else
    wry_log(WRY_LOG_WARNING, "no watch on the rendezvous directory", NULL);
}

static gboolean first(gpointer data) {
  return again(data);
}

WryHandler *wry_handler_new(int node_dir, gint64 run, const WryHandlerCalls *calls, gpointer data) {
  WryHandler *handler = g_new0(WryHandler, 1);
  *handler = (WryHandler){.node_dir = node_dir, .notify = -1, .run = run, .calls = calls, .data = data};
  watch(handler);
  handler->timer = g_idle_add(first, handler);
  return handler;
}

void wry_handler_free(WryHandler *handler) {
  if (!handler)
    return;
  g_clear_handle_id(&handler->watch, g_source_remove);
  g_clear_handle_id(&handler->timer, g_source_remove);
  wry_fd_close(&handler->notify);
  wry_wire_free(handler->wire);
  g_free(handler);
}

gboolean wry_handler_is_connected(const WryHandler *handler) {
  return handler->wire != NULL;
}
