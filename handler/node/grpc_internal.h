#pragma once
/* Between grpc*.c: one HTTP/2 connection and its streams. */
#include <nghttp2/nghttp2.h>

#include "handler/node/grpc.h"

typedef struct WryGrpcPeer WryGrpcPeer;

/* One stream, of either side. */
struct WryGrpcCall {
  WryGrpcPeer *peer;
  gint32 stream;
  char *path;
  GByteArray *in, *out;
  gsize out_at;
  gboolean answering, ended, called; /* headers are out; nothing more is to come; the request is whole */
  guint status;          /* server: what we say; client: what was said */
  gboolean has_status;
  char *message;
};

typedef struct {
  void (*whole)(WryGrpcCall *call);  /* the peer's side of the stream has ended */
  void (*closed)(WryGrpcCall *call); /* the stream is gone; freed after it */
  void (*lost)(WryGrpcPeer *peer);   /* the connection is of no use any more; from the main loop, to be freed in it */
} WryGrpcPeerCalls;

struct WryGrpcPeer {
  int fd;
  guint in, out, ending; /* sources */
  gboolean busy;         /* inside the library: what is queued goes out afterwards */
  nghttp2_session *session;
  const WryGrpcPeerCalls *calls;
  gpointer owner;
  GPtrArray *streams;    /* WryGrpcCall, owned */
};

WryGrpcPeer *wry_grpc_peer_new(int take_fd, gboolean server, const WryGrpcPeerCalls *calls, gpointer owner);
void wry_grpc_peer_free(WryGrpcPeer *peer);
WryGrpcCall *wry_grpc_call_new(WryGrpcPeer *peer, gint32 stream);
/* Sends what is queued. */
void wry_grpc_pump(WryGrpcPeer *peer);
/* Appends a message with its prefix to what goes out. */
void wry_grpc_put(WryGrpcCall *call, GBytes *message);
/* The one message that came in; NULL when it is none, or more than one. New reference. */
GBytes *wry_grpc_take(const WryGrpcCall *call);
nghttp2_nv wry_grpc_header(const char *name, const char *value);
/* Reads call->out; defers when there is nothing to send. At the end of the server's answer the trailers follow. */
extern const nghttp2_data_provider wry_grpc_provider;
