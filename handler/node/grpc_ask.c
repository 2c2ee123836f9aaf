/* The asking side of gRPC: one unary call on one connection.
 *
 * How it works: the request goes out with the connection's settings; the answer counts when the stream has closed with status 0 and one whole message. A time limit, the end of the
 * connection and another status are errors.
 * Relies on: grpc.c for the connection. */
#include "handler/node/grpc_internal.h"
#include "wherry/error.h"

struct WryGrpcAsk {
  WryGrpcPeer *peer;
  WryGrpcDone done;
  gpointer data;
  guint limit;
  GBytes *reply;
  GError *error;
};

static void forget(WryGrpcAsk *ask) {
  g_clear_handle_id(&ask->limit, g_source_remove);
  wry_grpc_peer_free(ask->peer);
  g_clear_pointer(&ask->reply, g_bytes_unref);
  g_clear_error(&ask->error);
  g_free(ask);
}

static void answer(WryGrpcAsk *ask) {
  if (!ask->reply && !ask->error) ask->error = g_error_new_literal(WRY_ERROR, WRY_ERROR_IO, "the connection ended without an answer");
  ask->done(ask->reply, ask->error, ask->data);
  forget(ask);
}

static gboolean on_limit(gpointer data) {
  WryGrpcAsk *ask = data;
  ask->limit = 0;
  if (!ask->error) ask->error = g_error_new(WRY_ERROR, WRY_ERROR_TIMEOUT, "no answer within %u s", WRY_GRPC_ASK_SECONDS);
  answer(ask);
  return G_SOURCE_REMOVE;
}

static void whole(WryGrpcCall *call G_GNUC_UNUSED) {}

/* Peers that are freed close their streams too: then this says nothing new. */
static void closed(WryGrpcCall *call) {
  WryGrpcAsk *ask = call->peer->owner;
  if (ask->reply || ask->error || !call->called) return;
  if (!call->has_status || call->status != WRY_GRPC_OK)
    ask->error = g_error_new(WRY_ERROR, WRY_ERROR_FAILED, "gRPC status %u: %s", call->status, call->message ? call->message : "none");
  else if (!(ask->reply = wry_grpc_take(call)))
    ask->error = g_error_new_literal(WRY_ERROR, WRY_ERROR_PROTOCOL, "the answer is not one message");
  nghttp2_session_terminate_session(call->peer->session, NGHTTP2_NO_ERROR);
}

static void lost(WryGrpcPeer *peer) { answer(peer->owner); }

static const WryGrpcPeerCalls peer_calls = {whole, closed, lost};

WryGrpcAsk *wry_grpc_ask(int take_fd, const char *path, GBytes *message, WryGrpcDone done, gpointer data) {
  WryGrpcAsk *ask = g_new0(WryGrpcAsk, 1);
  const nghttp2_nv headers[] = {wry_grpc_header(":method", "POST"), wry_grpc_header(":scheme", "http"), wry_grpc_header(":path", path), wry_grpc_header(":authority", "localhost"),
                                wry_grpc_header("content-type", "application/grpc"), wry_grpc_header("te", "trailers")};
  *ask = (WryGrpcAsk){.done = done, .data = data};
  ask->peer = wry_grpc_peer_new(take_fd, FALSE, &peer_calls, ask);
  WryGrpcCall *call = wry_grpc_call_new(ask->peer, 0);
  wry_grpc_put(call, message);
  call->ended = TRUE;
  call->stream = nghttp2_submit_request(ask->peer->session, NULL, headers, G_N_ELEMENTS(headers), &wry_grpc_provider, call);
  ask->limit = g_timeout_add_seconds(WRY_GRPC_ASK_SECONDS, on_limit, ask);
  wry_grpc_pump(ask->peer);
  return ask;
}

void wry_grpc_ask_cancel(WryGrpcAsk *ask) {
  if (ask) forget(ask);
}
