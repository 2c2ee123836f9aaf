/* One HTTP/2 connection: bytes between a socket and the library, streams and their limits.
 *
 * How it works: what can be read is given to nghttp2, which calls back for headers, data and ends of streams; what it wants to send goes out at once, or when the socket takes it again. A
 * peer that breaks the protocol or a limit loses its stream or the connection.
 * Relies on: libnghttp2; messages being framed as gRPC does it: one byte of flags, four of length, big endian. */
#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handler/node/grpc_internal.h"

#define PREFIX 5u
#define READ_BYTES 16384u
#define MAX_PATH_LENGTH 256u

nghttp2_nv wry_grpc_header(const char *name, const char *value) {
  return (nghttp2_nv){.name = (uint8_t *)(gpointer)name, .value = (uint8_t *)(gpointer)value, .namelen = strlen(name), .valuelen = strlen(value), .flags = NGHTTP2_NV_FLAG_NONE};
}

/* --- streams ------------------------------------------------------------------------------------------------------------------------------------------- */
static void free_call(gpointer data) {
  WryGrpcCall *call = data;
  g_byte_array_unref(call->in);
  g_byte_array_unref(call->out);
  g_free(call->path);
  g_free(call->message);
  g_free(call);
}

WryGrpcCall *wry_grpc_call_new(WryGrpcPeer *peer, gint32 stream) {
  WryGrpcCall *call = g_new0(WryGrpcCall, 1);
  *call = (WryGrpcCall){.peer = peer, .stream = stream, .in = g_byte_array_new(), .out = g_byte_array_new()};
  g_ptr_array_add(peer->streams, call);
  return call;
}

void wry_grpc_put(WryGrpcCall *call, GBytes *message) {
  gsize length;
  const guint8 *data = g_bytes_get_data(message, &length);
  const guint8 prefix[PREFIX] = {0, (guint8)(length >> 24), (guint8)(length >> 16), (guint8)(length >> 8), (guint8)length};
  g_byte_array_append(call->out, prefix, PREFIX);
  g_byte_array_append(call->out, data, (guint)length);
}

GBytes *wry_grpc_take(const WryGrpcCall *call) {
  const guint8 *in = call->in->data;
  if (call->in->len < PREFIX || in[0] != 0) return NULL;
  guint32 length = (guint32)in[1] << 24 | (guint32)in[2] << 16 | (guint32)in[3] << 8 | in[4];
  return length == call->in->len - PREFIX ? g_bytes_new(in + PREFIX, length) : NULL;
}

static int submit_trailers(WryGrpcCall *call) {
  g_autofree char *status = g_strdup_printf("%u", call->status);
  nghttp2_nv trailers[] = {wry_grpc_header("grpc-status", status), wry_grpc_header("grpc-message", call->message ? call->message : "")};
  return nghttp2_submit_trailer(call->peer->session, call->stream, trailers, call->message ? 2 : 1);
}

static ssize_t read_out(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t length, uint32_t *flags, nghttp2_data_source *source G_GNUC_UNUSED, void *data G_GNUC_UNUSED) {
  WryGrpcCall *call = nghttp2_session_get_stream_user_data(session, stream);
  if (!call) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  gsize n = MIN(length, call->out->len - call->out_at);
  if (n) memcpy(buffer, call->out->data + call->out_at, n);
  call->out_at += n;
  if (call->out_at == call->out->len) {
    g_byte_array_set_size(call->out, 0);
    call->out_at = 0;
  }
  if (n == 0 && !call->ended) return NGHTTP2_ERR_DEFERRED;
  if (call->ended && call->out->len == 0) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (call->answering) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      if (submit_trailers(call) != 0) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
  }
  return (ssize_t)n;
}

const nghttp2_data_provider wry_grpc_provider = {.read_callback = read_out};

/* --- what the library tells ---------------------------------------------------------------------------------------------------------------------------- */
static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *data) {
  WryGrpcPeer *peer = data;
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, wry_grpc_call_new(peer, frame->hd.stream_id));
  return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length, const uint8_t *value, size_t value_length, uint8_t flags G_GNUC_UNUSED,
                     void *data G_GNUC_UNUSED) {
  WryGrpcCall *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  g_autofree char *key = g_strndup((const char *)name, name_length), *text = g_strndup((const char *)value, MIN(value_length, MAX_PATH_LENGTH));
  if (!call) return 0;
  if (strcmp(key, ":path") == 0 && !call->path) {
    call->path = g_steal_pointer(&text);
  } else if (strcmp(key, "grpc-status") == 0) {
    guint64 status = 0;
    call->has_status = g_ascii_string_to_unsigned(text, 10, 0, 1000, &status, NULL);
    call->status = (guint)status;
  } else if (strcmp(key, "grpc-message") == 0 && !call->message) {
    call->message = g_steal_pointer(&text);
  }
  return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags G_GNUC_UNUSED, int32_t stream, const uint8_t *bytes, size_t length, void *data G_GNUC_UNUSED) {
  WryGrpcCall *call = nghttp2_session_get_stream_user_data(session, stream);
  if (!call) return 0;
  if (call->in->len + length > WRY_GRPC_MAX_MESSAGE + PREFIX) return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_ENHANCE_YOUR_CALM);
  g_byte_array_append(call->in, bytes, (guint)length);
  return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *data) {
  WryGrpcPeer *peer = data;
  gboolean carries = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
  WryGrpcCall *call = carries && frame->hd.flags & NGHTTP2_FLAG_END_STREAM ? nghttp2_session_get_stream_user_data(session, frame->hd.stream_id) : NULL;
  if (call && !call->called) {
    call->called = TRUE;
    peer->calls->whole(call);
  }
  return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code G_GNUC_UNUSED, void *data) {
  WryGrpcPeer *peer = data;
  WryGrpcCall *call = nghttp2_session_get_stream_user_data(session, stream);
  if (!call) return 0;
  nghttp2_session_set_stream_user_data(session, stream, NULL);
  peer->calls->closed(call);
  g_ptr_array_remove_fast(peer->streams, call);
  return 0;
}

/* --- bytes --------------------------------------------------------------------------------------------------------------------------------------------- */
static ssize_t on_send(nghttp2_session *session G_GNUC_UNUSED, const uint8_t *bytes, size_t length, int flags G_GNUC_UNUSED, void *data) {
  const WryGrpcPeer *peer = data;
  ssize_t n;
  do n = send(peer->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n >= 0) return n;
  return errno == EAGAIN ? NGHTTP2_ERR_WOULDBLOCK : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static gboolean on_ending(gpointer data) {
  WryGrpcPeer *peer = data;
  peer->ending = 0;
  peer->calls->lost(peer);
  return G_SOURCE_REMOVE;
}

static void lose(WryGrpcPeer *peer) {
  g_clear_handle_id(&peer->in, g_source_remove);
  g_clear_handle_id(&peer->out, g_source_remove);
  if (!peer->ending) peer->ending = g_idle_add(on_ending, peer);
}

static gboolean on_writable(gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  WryGrpcPeer *peer = data;
  peer->out = 0;
  wry_grpc_pump(peer);
  return G_SOURCE_REMOVE;
}

void wry_grpc_pump(WryGrpcPeer *peer) {
  if (peer->busy || peer->ending) return;
  peer->busy = TRUE;
  int result = nghttp2_session_send(peer->session);
  peer->busy = FALSE;
  if (result != 0 || (!nghttp2_session_want_read(peer->session) && !nghttp2_session_want_write(peer->session)))
    lose(peer);
  else if (nghttp2_session_want_write(peer->session) && !peer->out)
    peer->out = g_unix_fd_add(peer->fd, G_IO_OUT, on_writable, peer);
}

static gboolean on_readable(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  WryGrpcPeer *peer = data;
  guint8 buffer[READ_BYTES];
  ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return G_SOURCE_CONTINUE;
  peer->busy = TRUE;
  gboolean good = n > 0 && nghttp2_session_mem_recv(peer->session, buffer, (size_t)n) == n;
  peer->busy = FALSE;
  if (good) {
    wry_grpc_pump(peer);
    return peer->in ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
  }
  peer->in = 0;
  lose(peer);
  return G_SOURCE_REMOVE;
}

/* --- the connection ------------------------------------------------------------------------------------------------------------------------------------ */
static nghttp2_session *new_session(WryGrpcPeer *peer, gboolean server) {
  nghttp2_session_callbacks *callbacks = NULL;
  nghttp2_session *session = NULL;
  if (nghttp2_session_callbacks_new(&callbacks) != 0) g_error("out of memory");
  nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
  if ((server ? nghttp2_session_server_new : nghttp2_session_client_new)(&session, callbacks, peer) != 0) g_error("out of memory");
  nghttp2_session_callbacks_del(callbacks);
  return session;
}

WryGrpcPeer *wry_grpc_peer_new(int take_fd, gboolean server, const WryGrpcPeerCalls *calls, gpointer owner) {
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, WRY_GRPC_MAX_STREAMS}, {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 16384}};
  WryGrpcPeer *peer = g_new0(WryGrpcPeer, 1);
  *peer = (WryGrpcPeer){.fd = take_fd, .calls = calls, .owner = owner, .streams = g_ptr_array_new_with_free_func(free_call)};
  peer->session = new_session(peer, server);
  nghttp2_submit_settings(peer->session, NGHTTP2_FLAG_NONE, settings, G_N_ELEMENTS(settings));
  peer->in = g_unix_fd_add(take_fd, G_IO_IN | G_IO_HUP, on_readable, peer);
  return peer;
}

void wry_grpc_peer_free(WryGrpcPeer *peer) {
  if (!peer) return;
  g_clear_handle_id(&peer->in, g_source_remove);
  g_clear_handle_id(&peer->out, g_source_remove);
  g_clear_handle_id(&peer->ending, g_source_remove);
  for (guint i = 0; i < peer->streams->len; i++) peer->calls->closed(peer->streams->pdata[i]);
  nghttp2_session_del(peer->session);
  g_ptr_array_unref(peer->streams);
  close(peer->fd);
  g_free(peer);
}
