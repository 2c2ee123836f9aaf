/* The serving side of gRPC: connections of one listening socket, calls and their answers.
 *
 * How it works: a peer is who the kernel says it is, by uid. A request that is whole goes to the owner with its path; messages of the answer are framed and queued, and the end brings the
 * trailers. An answer that fails before its first message is a single block of headers.
 * Relies on: grpc.c for the connection. */
#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handler/node/grpc_internal.h"

struct WryGrpcServer {
  int listener;
  guint source, uid;
  const WryGrpcCalls *calls;
  gpointer data;
  GPtrArray *peers; /* WryGrpcPeer */
};

static void whole(WryGrpcCall *call) {
  WryGrpcServer *server = call->peer->owner;
  g_autoptr(GBytes) message = wry_grpc_take(call);
  if (message && call->path)
    server->calls->called(call, call->path, message, server->data);
  else
    wry_grpc_finish(call, WRY_GRPC_INVALID_ARGUMENT, "not one message");
}

static void closed(WryGrpcCall *call) {
  WryGrpcServer *server = call->peer->owner;
  server->calls->over(call, server->data);
}

static void lost(WryGrpcPeer *peer) {
  WryGrpcServer *server = peer->owner;
  g_ptr_array_remove_fast(server->peers, peer);
  wry_grpc_peer_free(peer);
}

static const WryGrpcPeerCalls peer_calls = {whole, closed, lost};

static void begin_answer(WryGrpcCall *call) {
  const nghttp2_nv headers[] = {wry_grpc_header(":status", "200"), wry_grpc_header("content-type", "application/grpc")};
  call->answering = TRUE;
  nghttp2_submit_response(call->peer->session, call->stream, headers, G_N_ELEMENTS(headers), &wry_grpc_provider);
}

void wry_grpc_send(WryGrpcCall *call, GBytes *message) {
  if (call->ended) return;
  wry_grpc_put(call, message);
  if (call->answering)
    nghttp2_session_resume_data(call->peer->session, call->stream);
  else
    begin_answer(call);
  wry_grpc_pump(call->peer);
}

void wry_grpc_finish(WryGrpcCall *call, guint status, const char *message) {
  if (call->ended) return;
  call->ended = TRUE;
  call->status = status;
  g_free(call->message);
  call->message = g_strdup(message);
  if (call->answering) {
    nghttp2_session_resume_data(call->peer->session, call->stream);
  } else {
    g_autofree char *code = g_strdup_printf("%u", status);
    const nghttp2_nv headers[] = {wry_grpc_header(":status", "200"), wry_grpc_header("content-type", "application/grpc"), wry_grpc_header("grpc-status", code),
                                  wry_grpc_header("grpc-message", message ? message : "")};
    nghttp2_submit_response(call->peer->session, call->stream, headers, message ? 4 : 3, NULL);
  }
  wry_grpc_pump(call->peer);
}

static gboolean is_allowed(const WryGrpcServer *server, int fd) {
  struct ucred peer = {.uid = (uid_t)-1};
  socklen_t length = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.uid == server->uid && server->peers->len < WRY_GRPC_MAX_PEERS;
}

static gboolean on_connect(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  WryGrpcServer *server = data;
  int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (peer < 0) return G_SOURCE_CONTINUE;
  if (!is_allowed(server, peer)) {
    close(peer);
    return G_SOURCE_CONTINUE;
  }
  WryGrpcPeer *made = wry_grpc_peer_new(peer, TRUE, &peer_calls, server);
  g_ptr_array_add(server->peers, made);
  wry_grpc_pump(made);
  return G_SOURCE_CONTINUE;
}

WryGrpcServer *wry_grpc_serve(int take_listener, guint peer_uid, const WryGrpcCalls *calls, gpointer data) {
  WryGrpcServer *server = g_new0(WryGrpcServer, 1);
  *server = (WryGrpcServer){.listener = take_listener, .uid = peer_uid, .calls = calls, .data = data, .peers = g_ptr_array_new()};
  server->source = g_unix_fd_add(take_listener, G_IO_IN, on_connect, server);
  return server;
}

void wry_grpc_server_free(WryGrpcServer *server) {
  if (!server) return;
  g_source_remove(server->source);
  close(server->listener);
  while (server->peers->len) lost(server->peers->pdata[0]);
  g_ptr_array_unref(server->peers);
  g_free(server);
}
