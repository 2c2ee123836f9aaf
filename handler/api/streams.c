/* Consoles, screens and ports: a WebSocket on one side, the launcher's descriptor or a connection to the guest's port on the other.
 *
 * How it works: what can be refused is refused while the connection still speaks HTTP. Then the other side is opened, the answer turns the connection into a stream, and a relay carries bytes until
 * either side ends. A console or screen that is opened anew takes over from the one before (KubeVirt's way); the launcher sees to that.
 * Relies on: relay.h, launchers.h; contract 7.6 and 7.7 for the codes. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>

#include "handler/api/role_parts.h"
#include "wherry/fd.h"
#include "wherry/log.h"

#define CONNECT_SECONDS 10u

typedef struct {
  WryApiRole *role;
  WryApiStream *stream;
  WryRelay *relay;
  char *what;
  int fd;
} WryApiSession;

/* --- sessions ---------------------------------------------------------------------------------------------------------------------------------------------- */
static void end_session(WryApiSession *session) {
  g_hash_table_remove(session->role->streams, session);
  if (session->stream) wry_api_stream_close(session->stream);
  wry_fd_close(&session->fd);
  g_free(session->what);
  g_free(session);
}

static void on_ended(WryRelayEnd why G_GNUC_UNUSED, gpointer data) {
  WryApiSession *session = data;
  wry_log(WRY_LOG_INFO, "api stream ended", "stream", session->what, NULL);
  session->relay = NULL;
  end_session(session);
}

static void on_opened(WryApiStream *stream, const guint8 *bytes, gsize length, gpointer data) {
  WryApiSession *session = data;
  session->stream = stream;
  if (!stream) {
    end_session(session);
    return;
  }
  WryRelayOptions options = {.client = wry_api_stream_fd(stream), .peer = session->fd, .server = TRUE};
  session->relay = wry_relay_new(&options, bytes, length, on_ended, session);
}

void wry_api_streams_free(WryApiRole *role) {
  g_autoptr(GList) all = g_hash_table_get_keys(role->streams);
  for (GList *at = all; at; at = at->next) {
    WryApiSession *session = at->data;
    wry_relay_free(session->relay, WRY_WS_GOING_AWAY);
    end_session(session);
  }
}

/* --- from HTTP to a stream --------------------------------------------------------------------------------------------------------------------------------- */
static WryWsRequest handshake_of(const WryApiRequest *request) {
  return (WryWsRequest){wry_api_method(request), wry_api_http(request), wry_api_header(request, "Upgrade"), wry_api_header(request, "Connection"),
                        wry_api_header(request, "Sec-WebSocket-Key"), wry_api_header(request, "Sec-WebSocket-Version"), wry_api_header(request, "Sec-WebSocket-Protocol")};
}

/* FALSE: answered. */
static gboolean asks_for_stream(WryApiTurn *turn) {
  const char *protocol, *reason;
  WryWsRequest handshake = handshake_of(turn->request);
  guint status = wry_ws_upgrade(&handshake, &protocol, &reason);
  if (status != 101) wry_api_turn_fail(turn, status, reason);
  return status == 101;
}

/* Both sides are there. */
static void open_stream(WryApiTurn *turn, int take_fd) {
  const char *protocol, *reason;
  WryWsRequest handshake = handshake_of(turn->request);
  WryApiSession *session = g_new0(WryApiSession, 1);
  wry_ws_upgrade(&handshake, &protocol, &reason);
  g_autofree char *accept = wry_ws_accept(handshake.key);
  *session = (WryApiSession){.role = turn->role, .fd = take_fd,
                             .what = g_strdup_printf("%s/%s %s %s", turn->match.namespace_, turn->match.name, turn->match.route->subresource, turn->requester.user)};
  fcntl(take_fd, F_SETFL, fcntl(take_fd, F_GETFL) | O_NONBLOCK);
  g_hash_table_add(turn->role->streams, session);
  wry_log(WRY_LOG_INFO, "api stream", "stream", session->what, NULL);
  wry_api_upgrade(turn->request, accept, protocol, on_opened, session);
  wry_api_turn_end(turn);
}

/* --- console and screen ------------------------------------------------------------------------------------------------------------------------------------ */
static void on_fd(const WryMsgReply *reply G_GNUC_UNUSED, int *fd, const GError *error, gpointer data) {
  WryApiTurn *turn = data;
  int given = *fd;
  if (error || given < 0) {
    wry_api_turn_fail(turn, 500, error ? error->message : "the launcher gave no connection");
    return;
  }
  *fd = -1;
  open_stream(turn, given);
}

/* The device is there and the guest runs. FALSE: answered. */
static gboolean may_attach(WryApiTurn *turn, const char *device, const char *missing) {
  WryJson *devices = wry_json_path(turn->vmi, "spec.domain.devices");
  WryPhase phase = wry_api_turn_phase(turn);
  g_autofree char *final = g_strdup_printf("Operation cannot be fulfilled on virtualmachineinstance.kubevirt.io \"%s\": VMI is in %s status", turn->match.name, wry_phase_name(phase));
  if (!wry_json_bool(devices, device, TRUE)) wry_api_turn_fail(turn, 400, missing);
  else if (phase == WRY_PHASE_FAILED) wry_api_turn_fail(turn, 409, final);
  else if (phase != WRY_PHASE_RUNNING) wry_api_turn_fail(turn, 400, "VMI is not running");
  else return asks_for_stream(turn);
  return FALSE;
}

void wry_api_serve_console(WryApiTurn *turn) {
  WryMsgConsole body = {.readOnly = {TRUE, FALSE}, .force = {TRUE, TRUE}, .scrollback = {TRUE, TRUE}};
  if (!may_attach(turn, "autoattachSerialConsole", "No serial consoles are present.")) return;
  WryLauncher *launcher = wry_api_turn_launcher(turn);
  if (launcher) wry_launcher_call(launcher, WRY_MSG_CONSOLE, &body, -1, on_fd, turn);
}

void wry_api_serve_vnc(WryApiTurn *turn) {
  WryMsgPlain body = {{FALSE, 0}};
  if (!may_attach(turn, "autoattachGraphicsDevice", "No graphics devices are present.")) return;
  WryLauncher *launcher = wry_api_turn_launcher(turn);
  if (launcher) wry_launcher_call(launcher, WRY_MSG_VNC, &body, -1, on_fd, turn);
}

/* --- ports ------------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean on_connected(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  WryApiTurn *turn = data;
  int failed = 0;
  socklen_t size = sizeof failed;
  turn->source = 0;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size);
  if (failed) {
    wry_api_turn_fail(turn, 500, g_strerror(failed));
    return G_SOURCE_REMOVE;
  }
  int given = turn->fd;
  turn->fd = -1;
  open_stream(turn, given);
  return G_SOURCE_REMOVE;
}

static gboolean on_slow(gpointer data) {
  WryApiTurn *turn = data;
  turn->timer = 0;
  wry_api_turn_fail(turn, 500, "the guest does not answer on this port");
  return G_SOURCE_REMOVE;
}

static gboolean read_address(const char *text, guint16 port, struct sockaddr_storage *ret, socklen_t *ret_size) {
  struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
  *ret = (struct sockaddr_storage){.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET};
  *ret_size = ret->ss_family == AF_INET6 ? sizeof *v6 : sizeof *v4;
  if (ret->ss_family == AF_INET6) v6->sin6_port = htons(port);
  else v4->sin_port = htons(port);
  return inet_pton(ret->ss_family, text, ret->ss_family == AF_INET6 ? (void *)&v6->sin6_addr : (void *)&v4->sin_addr) == 1;
}

static void connect_to(WryApiTurn *turn, const char *address) {
  struct sockaddr_storage to;
  socklen_t size;
  int kind = turn->match.udp ? SOCK_DGRAM : SOCK_STREAM;
  if (!read_address(address, turn->match.port, &to, &size)) {
    wry_api_turn_fail(turn, 500, "the VMI's address is none");
    return;
  }
  turn->fd = socket(to.ss_family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (turn->fd < 0 || (connect(turn->fd, (struct sockaddr *)&to, size) != 0 && errno != EINPROGRESS)) {
    wry_api_turn_fail(turn, 500, g_strerror(errno));
    return;
  }
  turn->source = g_unix_fd_add(turn->fd, G_IO_OUT | G_IO_ERR | G_IO_HUP, on_connected, turn);
  turn->timer = g_timeout_add_seconds(CONNECT_SECONDS, on_slow, turn);
}

static gboolean has_condition(WryJson *object, const char *type) {
  WryJson *list = wry_json_path(object, "status.conditions");
  for (gsize i = 0; list && i < json_object_array_length(list); i++)
    if (!g_strcmp0(wry_json_str(json_object_array_get_idx(list, i), "type"), type)) return TRUE;
  return FALSE;
}

void wry_api_serve_port(WryApiTurn *turn) {
  const char *address = wry_json_str(wry_json_path(turn->vmi, "status.interfaces[0]"), "ipAddress");
  g_autofree char *paused = g_strdup_printf("Operation cannot be fulfilled on virtualmachineinstance.kubevirt.io \"%s\": VMI is paused", turn->match.name);
  if (!turn->vmi || wry_api_turn_phase(turn) != WRY_PHASE_RUNNING) wry_api_turn_fail(turn, turn->vm ? 409 : 400, "VMI is not running");
  else if (has_condition(turn->vmi, "Paused")) wry_api_turn_fail(turn, 409, paused);
  else if (!address) wry_api_turn_fail(turn, 400, "VMI has no network interfaces");
  else if (asks_for_stream(turn)) connect_to(turn, address);
}
