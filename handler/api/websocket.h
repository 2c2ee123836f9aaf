#pragma once
/* WebSocket (RFC 6455), both sides, without input or output: the opening handshake's rules, frames read from any chunking, headers of frames to be written.
 *
 * A reader holds at most one frame's header and one control frame (<= 125 bytes): payload is handed on as it comes, so that a stream costs no memory here. */
#include <glib.h>

#define WRY_WS_MAX_FRAME (1u << 20) /* bytes of payload; more is refused with 1009 */
#define WRY_WS_MAX_FRAGMENTS 64     /* of one message */
#define WRY_WS_MAX_HEADER 14
#define WRY_WS_MAX_CONTROL 125
#define WRY_WS_PROTOCOL "plain.kubevirt.io"

typedef enum { WRY_WS_CONTINUATION = 0, WRY_WS_TEXT = 1, WRY_WS_BINARY = 2, WRY_WS_CLOSE = 8, WRY_WS_PING = 9, WRY_WS_PONG = 10 } WryWsOpcode;

/* Close codes (RFC 6455 7.4.1). */
typedef enum {
  WRY_WS_NORMAL = 1000, WRY_WS_GOING_AWAY = 1001, WRY_WS_PROTOCOL_ERROR = 1002, WRY_WS_INVALID_DATA = 1007, WRY_WS_POLICY = 1008, WRY_WS_TOO_BIG = 1009,
  WRY_WS_INTERNAL = 1011, WRY_WS_TRY_LATER = 1013
} WryWsCode;

/* --- handshake -------------------------------------------------------------------------------------------------------------------------------------------- */
/* Header fields of a request as they came, NULL = absent; several of one name are joined with ", ". */
typedef struct { const char *method, *http, *upgrade, *connection, *key, *version, *protocols; } WryWsRequest;

/* 101 when the request is a good opening handshake; else the status to answer with (400, 405, 426: with Sec-WebSocket-Version: 13) and why in ret_reason (static).
 * ret_protocol: WRY_WS_PROTOCOL when the client offers it, else NULL (none is named in the answer). */
guint wry_ws_upgrade(const WryWsRequest *request, const char **ret_protocol, const char **ret_reason);
/* The Sec-WebSocket-Accept of a key. New. */
char *wry_ws_accept(const char *key);

/* --- reading ---------------------------------------------------------------------------------------------------------------------------------------------- */
typedef struct {
  /* A piece of a message of kind TEXT or BINARY, unmasked, borrowed; `last` with the last piece of the message (which may be empty). */
  void (*payload)(WryWsOpcode kind, const guint8 *bytes, gsize length, gboolean last, gpointer data);
  /* A whole PING, PONG or CLOSE. A CLOSE's code and reason are valid: empty, or two bytes of code and UTF-8. */
  void (*control)(WryWsOpcode kind, const guint8 *bytes, gsize length, gpointer data);
} WryWsEvents;

typedef struct {
  gboolean masked;      /* frames that come must be masked (they come from a client), or must not be */
  guint8 head[WRY_WS_MAX_HEADER];
  guint have;           /* bytes of head */
  guint8 control[WRY_WS_MAX_CONTROL];
  gboolean inside;      /* a frame's payload is being read */
  WryWsOpcode frame;    /* its opcode */
  WryWsOpcode message;  /* of the message that is open, CONTINUATION = none */
  gboolean fin, closed; /* closed: a CLOSE came or the stream broke the rules: nothing more is read */
  guint fragments;
  guint64 size, at;     /* of the frame's payload */
  guint8 mask[4];
} WryWsReader;

void wry_ws_reader_init(WryWsReader *reader, gboolean masked);
/* Reads what came, in any chunking; unmasks `bytes` in place. 0, or the code to close the connection with; after that, and after a CLOSE, every byte is ignored. */
guint wry_ws_feed(WryWsReader *reader, guint8 *bytes, gsize length, const WryWsEvents *events, gpointer data);

/* --- writing ---------------------------------------------------------------------------------------------------------------------------------------------- */
/* The header of one unfragmented frame with `length` bytes of payload; `mask` (4 bytes, unpredictable; the payload must be masked by the caller) for a client, NULL
 * for a server. Returns its length. */
gsize wry_ws_header(guint8 out[WRY_WS_MAX_HEADER], WryWsOpcode opcode, guint64 length, const guint8 *mask);
/* Masks or unmasks payload in place; `at` = offset of bytes[0] in the payload. */
void wry_ws_mask(guint8 *bytes, gsize length, const guint8 mask[4], guint64 at);
/* A CLOSE's payload; the reason is cut at 123 bytes, between characters. Returns its length. */
gsize wry_ws_close(guint8 out[WRY_WS_MAX_CONTROL], WryWsCode code, const char *reason);
