#pragma once
/* A WebSocket and a plain socket, bytes both ways: binary messages on the one side, a stream on the other (contract 7.7).
 *
 * Back-pressure end to end: a side is read only when what came from it before has been written, so a relay holds at most WRY_BUFFER_SIZE (buffer.h) bytes each way. */
#include "handler/api/websocket.h"

#define WRY_RELAY_PING_SECONDS 30u
#define WRY_RELAY_DEAD_SECONDS 90u /* without a byte from the client */

typedef struct WryRelay WryRelay;

/* Why it ended. */
typedef enum { WRY_RELAY_CLIENT, WRY_RELAY_PEER, WRY_RELAY_DEAD, WRY_RELAY_PROTOCOL } WryRelayEnd;
/* Once, from the main context. The relay is freed behind it; neither fd is used any more. */
typedef void (*WryRelayEnded)(WryRelayEnd why, gpointer data);

typedef struct {
  int client;            /* with WebSocket frames; non-blocking, borrowed */
  int peer;              /* plain; non-blocking, borrowed */
  gboolean server;       /* we are the server: frames that come are masked, frames that go are not. Else the other way round */
  gboolean read_only;    /* what the client sends is read and dropped */
  guint ping_seconds, dead_seconds; /* 0: the figures above */
} WryRelayOptions;

/* `bytes`: what of the client's has been read already. */
WryRelay *wry_relay_new(const WryRelayOptions *options, const guint8 *bytes, gsize length, WryRelayEnded ended, gpointer data);
/* Ends it now with a close frame, as far as the socket takes it: `ended` is not called. */
void wry_relay_free(WryRelay *relay, WryWsCode code);
