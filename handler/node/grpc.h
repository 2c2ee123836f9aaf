#pragma once
/* gRPC over a UNIX socket, as much as the kubelet's device plugin interface needs: unary calls in both directions, and calls whose answer is a stream. HTTP/2 by prior knowledge, no
 * compression. Everything runs on the default GMainContext. */
#include <glib.h>

/* Status codes of gRPC. */
enum { WRY_GRPC_OK = 0, WRY_GRPC_INVALID_ARGUMENT = 3, WRY_GRPC_UNIMPLEMENTED = 12 };

#define WRY_GRPC_MAX_MESSAGE (256u << 10) /* of a peer */
#define WRY_GRPC_MAX_STREAMS 16u          /* calls under way on one connection */
#define WRY_GRPC_MAX_PEERS 8u             /* connections of one server */
#define WRY_GRPC_ASK_SECONDS 10u

typedef struct WryGrpcServer WryGrpcServer;
typedef struct WryGrpcCall WryGrpcCall;

typedef struct {
  /* A whole request: `path` is "/v1beta1.DevicePlugin/Allocate", `message` its body, both borrowed. It is answered by wry_grpc_send and wry_grpc_finish, now or later. */
  void (*called)(WryGrpcCall *call, const char *path, GBytes *message, gpointer data);
  /* The call is over, finished or not: it is freed after this. */
  void (*over)(WryGrpcCall *call, gpointer data);
} WryGrpcCalls;

/* Serves whoever connects to the listening socket and has uid `peer_uid`. The fd is taken and closed at the end. */
WryGrpcServer *wry_grpc_serve(int take_listener, guint peer_uid, const WryGrpcCalls *calls, gpointer data);
void wry_grpc_server_free(WryGrpcServer *server);
/* One message of the answer. */
void wry_grpc_send(WryGrpcCall *call, GBytes *message);
/* The end of the answer; `message` (may be NULL) says why a status is not OK. */
void wry_grpc_finish(WryGrpcCall *call, guint status, const char *message);

/* One unary call on a connected socket, which is closed after it. `reply` is borrowed, NULL with an error (domain WRY_ERROR). Called once from the main loop. */
typedef void (*WryGrpcDone)(GBytes *reply, const GError *error, gpointer data);
typedef struct WryGrpcAsk WryGrpcAsk;
WryGrpcAsk *wry_grpc_ask(int take_fd, const char *path, GBytes *message, WryGrpcDone done, gpointer data);
/* Gives up an ask that has not been answered: `done` is not called. After `done` the ask is gone by itself. */
void wry_grpc_ask_cancel(WryGrpcAsk *ask);
