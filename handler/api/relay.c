/* Frames <-> bytes.
 *
 * How it works: each direction has one buffer. It is filled by one read only when it is empty, and what is wanted of each socket (to be readable, to be writable)
 * follows from the two buffers alone: `arm`. Control frames that are due (a pong, a ping) wait until the buffer to the client is empty: frames are never mixed.
 * A client that sends pings without reading is held by that too. */
#include "handler/api/relay.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "handler/api/buffer.h"
#include "handler/api/fd_watch.h"

struct WryRelay {
  WryRelayOptions options;
  WryRelayEnded ended;
  gpointer data;
  WryWsReader reader;
  WryBuffer to_peer, to_client;
  WryFdWatch client, peer;
  guint timer;
  guint8 pong[WRY_WS_MAX_CONTROL];
  gsize pong_length;
  gboolean pong_due, ping_due, peer_ended, over;
  guint quiet, since_ping; /* seconds */
  WryRelayEnd why;
};

static void arm(WryRelay *relay);

static void finish(WryRelay *relay, WryRelayEnd why) {
  if (relay->over) return;
  relay->over = TRUE;
  relay->why = why;
}

/* --- frames to the client --------------------------------------------------------------------------------------------------------------------------------- */
/* A frame around what stands in the buffer behind room for its header: [MAX_HEADER, MAX_HEADER + length). */
static void frame(WryRelay *relay, WryWsOpcode opcode, gsize length) {
  WryBuffer *buffer = &relay->to_client;
  guint8 head[WRY_WS_MAX_HEADER], mask[4];
  gboolean masks = !relay->options.server;
  if (masks && getrandom(mask, sizeof mask, 0) != (ssize_t)sizeof mask) {
    finish(relay, WRY_RELAY_PROTOCOL);
    return;
  }
  gsize size = wry_ws_header(head, opcode, length, masks ? mask : NULL);
  if (masks) wry_ws_mask(buffer->bytes + WRY_WS_MAX_HEADER, length, mask, 0);
  buffer->at = WRY_WS_MAX_HEADER - size;
  buffer->end = WRY_WS_MAX_HEADER + length;
  memcpy(buffer->bytes + buffer->at, head, size);
}

static void control_frame(WryRelay *relay, WryWsOpcode opcode, const void *bytes, gsize length) {
  if (length) memcpy(relay->to_client.bytes + WRY_WS_MAX_HEADER, bytes, length);
  frame(relay, opcode, length);
}

/* What is due when the buffer is empty. */
static void compose(WryRelay *relay) {
  if (!wry_buffer_empty(&relay->to_client)) return;
  if (relay->pong_due) control_frame(relay, WRY_WS_PONG, relay->pong, relay->pong_length);
  else if (relay->ping_due) control_frame(relay, WRY_WS_PING, "keep alive", strlen("keep alive"));
  if (relay->pong_due) relay->pong_due = FALSE;
  else relay->ping_due = FALSE;
}

/* --- from the client -------------------------------------------------------------------------------------------------------------------------------------- */
/* There is room: the buffer was empty and no message is longer than what was read. */
static void on_payload(WryWsOpcode kind, const guint8 *bytes, gsize length, gboolean last G_GNUC_UNUSED, gpointer data) {
  WryRelay *relay = data;
  if (kind != WRY_WS_BINARY || relay->options.read_only || !length) return;
  memcpy(relay->to_peer.bytes + relay->to_peer.end, bytes, length);
  relay->to_peer.end += length;
}

static void on_control(WryWsOpcode kind, const guint8 *bytes, gsize length, gpointer data) {
  WryRelay *relay = data;
  if (kind == WRY_WS_CLOSE) finish(relay, WRY_RELAY_CLIENT);
  if (kind != WRY_WS_PING) return;
  if (length) memcpy(relay->pong, bytes, length);
  relay->pong_length = length;
  relay->pong_due = TRUE;
}

static void take_client(WryRelay *relay, guint8 *bytes, gsize length) {
  static const WryWsEvents events = {.payload = on_payload, .control = on_control};
  relay->quiet = 0;
  if (wry_ws_feed(&relay->reader, bytes, length, &events, relay)) finish(relay, WRY_RELAY_PROTOCOL);
}

/* --- sockets ---------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean again(void) {
  return errno == EAGAIN || errno == EINTR;
}

static void flush(WryRelay *relay, WryBuffer *buffer, int fd, WryRelayEnd why) {
  while (!wry_buffer_empty(buffer)) {
    ssize_t n = send(fd, buffer->bytes + buffer->at, buffer->end - buffer->at, MSG_NOSIGNAL);
    if (n < 0 && !again()) finish(relay, why);
    if (n <= 0) return;
    buffer->at += (gsize)n;
  }
  buffer->at = buffer->end = 0;
}

static void read_client(WryRelay *relay) {
  guint8 bytes[WRY_BUFFER_SIZE];
  ssize_t n = recv(relay->options.client, bytes, sizeof bytes, 0);
  if (n > 0) take_client(relay, bytes, (gsize)n);
  else if (n == 0 || !again()) finish(relay, WRY_RELAY_CLIENT);
}

static void read_peer(WryRelay *relay) {
  ssize_t n = recv(relay->options.peer, relay->to_client.bytes + WRY_WS_MAX_HEADER, WRY_BUFFER_SIZE - WRY_WS_MAX_HEADER, 0);
  if (n > 0) frame(relay, WRY_WS_BINARY, (gsize)n);
  else if (n == 0 || !again()) finish(relay, WRY_RELAY_PEER);
}

/* --- the loop --------------------------------------------------------------------------------------------------------------------------------------------- */
static void end_relay(WryRelay *relay) {
  WryRelayEnded ended = relay->ended;
  gpointer data = relay->data;
  WryRelayEnd why = relay->why;
  wry_relay_free(relay, why == WRY_RELAY_PROTOCOL ? WRY_WS_PROTOCOL_ERROR : WRY_WS_NORMAL);
  ended(why, data);
}

/* FALSE: the relay is gone. */
static gboolean step(WryRelay *relay) {
  if (!relay->over) flush(relay, &relay->to_peer, relay->options.peer, WRY_RELAY_PEER);
  if (!relay->over) compose(relay);
  if (!relay->over) flush(relay, &relay->to_client, relay->options.client, WRY_RELAY_CLIENT);
  if (relay->over) {
    end_relay(relay);
    return FALSE;
  }
  arm(relay);
  return TRUE;
}

static gboolean on_client(int fd G_GNUC_UNUSED, GIOCondition condition, gpointer data) {
  WryRelay *relay = data;
  if ((condition & ~G_IO_OUT) && wry_buffer_empty(&relay->to_peer)) read_client(relay);
  return step(relay) ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static gboolean on_peer(int fd G_GNUC_UNUSED, GIOCondition condition, gpointer data) {
  WryRelay *relay = data;
  if ((condition & ~G_IO_OUT) && wry_buffer_empty(&relay->to_client)) read_peer(relay);
  return step(relay) ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void arm(WryRelay *relay) {
  GIOCondition client = (wry_buffer_empty(&relay->to_peer) ? G_IO_IN : 0) | (wry_buffer_empty(&relay->to_client) ? 0 : G_IO_OUT);
  GIOCondition peer = (wry_buffer_empty(&relay->to_client) ? G_IO_IN : 0) | (wry_buffer_empty(&relay->to_peer) ? 0 : G_IO_OUT);
  wry_fd_watch(&relay->client, relay->options.client, client, on_client, relay);
  wry_fd_watch(&relay->peer, relay->options.peer, peer, on_peer, relay);
}

static gboolean on_second(gpointer data) {
  WryRelay *relay = data;
  if (++relay->quiet >= relay->options.dead_seconds) finish(relay, WRY_RELAY_DEAD);
  if (++relay->since_ping >= relay->options.ping_seconds) {
    relay->since_ping = 0;
    relay->ping_due = TRUE;
  }
  return !relay->over && !relay->ping_due ? G_SOURCE_CONTINUE : step(relay) ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* --- the relay -------------------------------------------------------------------------------------------------------------------------------------------- */
WryRelay *wry_relay_new(const WryRelayOptions *options, const guint8 *bytes, gsize length, WryRelayEnded ended, gpointer data) {
  WryRelay *relay = g_new0(WryRelay, 1);
  relay->options = *options;
  relay->ended = ended;
  relay->data = data;
  if (!options->ping_seconds) relay->options.ping_seconds = WRY_RELAY_PING_SECONDS;
  if (!options->dead_seconds) relay->options.dead_seconds = WRY_RELAY_DEAD_SECONDS;
  wry_ws_reader_init(&relay->reader, options->server);
  if (length > WRY_BUFFER_SIZE) finish(relay, WRY_RELAY_PROTOCOL);
  g_autofree guint8 *copy = g_memdup2(bytes, relay->over ? 0 : length);
  if (copy) take_client(relay, copy, length);
  relay->timer = g_timeout_add_seconds(1, on_second, relay);
  if (relay->over) relay->since_ping = relay->options.ping_seconds; /* its end is told from the loop */
  arm(relay);
  return relay;
}

void wry_relay_free(WryRelay *relay, WryWsCode code) {
  guint8 payload[WRY_WS_MAX_CONTROL];
  if (!relay) return;
  wry_fd_watch(&relay->client, relay->options.client, 0, on_client, relay);
  wry_fd_watch(&relay->peer, relay->options.peer, 0, on_peer, relay);
  g_source_remove(relay->timer);
  if (wry_buffer_empty(&relay->to_client)) {
    control_frame(relay, WRY_WS_CLOSE, payload, wry_ws_close(payload, code, NULL));
    flush(relay, &relay->to_client, relay->options.client, WRY_RELAY_CLIENT);
  }
  g_free(relay);
}
