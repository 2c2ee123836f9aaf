/* RFC 6455: handshake, frames in, frames out. Pure: bytes in, calls and bytes out; no allocation but for the accept key.
 *
 * A frame is read in two states: its header, byte by byte until its length says that it is whole, then its payload in whatever pieces it comes. Every rule of
 * section 5 that a peer can break has its check in `judge` (what a header says) or `judge_close` (what a CLOSE carries). Compression is never negotiated, so
 * the reserved bits are 0. */
#include "handler/api/websocket.h"

#include <string.h>

#define FIN 0x80
#define RESERVED 0x70
#define OPCODE 0x0f
#define MASKED 0x80
#define LENGTH 0x7f
#define LENGTH16 126
#define LENGTH64 127
#define KEY_SIZE 16u
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* section 1.3 */

/* --- handshake -------------------------------------------------------------------------------------------------------------------------------------------- */
/* A comma-separated header has the token. Protocols are compared with their case, the rest without. */
static gboolean has_token(const char *header, const char *token, gboolean cased) {
  g_auto(GStrv) parts = g_strsplit(header ? header : "", ",", -1);
  for (guint i = 0; parts[i]; i++) {
    const char *part = g_strstrip(parts[i]);
    if (!(cased ? strcmp(part, token) : g_ascii_strcasecmp(part, token))) return TRUE;
  }
  return FALSE;
}

static gboolean good_key(const char *key) {
  gsize size = 0;
  if (!key || strlen(key) != 24) return FALSE;
  g_autofree guchar *bytes = g_base64_decode(key, &size);
  g_autofree char *again = g_base64_encode(bytes, size);
  return size == KEY_SIZE && !strcmp(again, key);
}

guint wry_ws_upgrade(const WryWsRequest *request, const char **ret_protocol, const char **ret_reason) {
  const struct { gboolean bad; guint status; const char *reason; } rules[] = {
      {g_strcmp0(request->method, "GET") != 0, 405, "a WebSocket is opened with GET"},
      {g_strcmp0(request->http, "HTTP/1.1") != 0, 400, "a WebSocket is opened with HTTP/1.1"},
      {!has_token(request->upgrade, "websocket", FALSE), 400, "the Upgrade header does not say websocket"},
      {!has_token(request->connection, "upgrade", FALSE), 400, "the Connection header does not say Upgrade"},
      {g_strcmp0(request->version, "13") != 0, 426, "the Sec-WebSocket-Version must be 13"},
      {!good_key(request->key), 400, "the Sec-WebSocket-Key is not 16 bytes in base64"},
  };
  *ret_protocol = NULL;
  for (guint i = 0; i < G_N_ELEMENTS(rules); i++) {
    *ret_reason = rules[i].reason;
    if (rules[i].bad) return rules[i].status;
  }
  *ret_reason = NULL;
  if (has_token(request->protocols, WRY_WS_PROTOCOL, TRUE)) *ret_protocol = WRY_WS_PROTOCOL;
  return 101;
}

char *wry_ws_accept(const char *key) {
  g_autoptr(GChecksum) sha = g_checksum_new(G_CHECKSUM_SHA1);
  guint8 digest[20];
  gsize size = sizeof digest;
  g_checksum_update(sha, (const guchar *)key, -1);
  g_checksum_update(sha, (const guchar *)GUID, -1);
  g_checksum_get_digest(sha, digest, &size);
  return g_base64_encode(digest, size);
}

/* --- reading: headers ------------------------------------------------------------------------------------------------------------------------------------- */
void wry_ws_reader_init(WryWsReader *reader, gboolean masked) {
  *reader = (WryWsReader){.masked = masked};
}

/* Bytes of the header, as far as its beginning tells. */
static guint head_size(const WryWsReader *r) {
  if (r->have < 2) return 2;
  guint code = r->head[1] & LENGTH, more = code == LENGTH16 ? 2 : code == LENGTH64 ? 8 : 0;
  return 2 + more + (r->head[1] & MASKED ? 4 : 0);
}

/* The length of the payload; FALSE when it is not in its shortest form. */
static gboolean read_length(const WryWsReader *r, guint64 *ret_length) {
  guint code = r->head[1] & LENGTH, bytes = code == LENGTH16 ? 2 : code == LENGTH64 ? 8 : 0;
  guint64 length = bytes ? 0 : code;
  for (guint i = 0; i < bytes; i++) length = length << 8 | r->head[2 + i];
  *ret_length = length;
  return bytes == 2 ? length >= LENGTH16 : bytes == 8 ? length > G_MAXUINT16 && !(length >> 63) : TRUE;
}

static gboolean is_control(WryWsOpcode opcode) {
  return opcode >= WRY_WS_CLOSE;
}

/* What the header says, checked and taken over. 0 or the code to close with. */
static guint judge(WryWsReader *r) {
  WryWsOpcode opcode = (WryWsOpcode)(r->head[0] & OPCODE);
  gboolean fin = (r->head[0] & FIN) != 0, masked = (r->head[1] & MASKED) != 0, open = r->message != WRY_WS_CONTINUATION;
  gboolean known = opcode <= WRY_WS_BINARY || (opcode >= WRY_WS_CLOSE && opcode <= WRY_WS_PONG);
  if (!read_length(r, &r->size) || !known || (r->head[0] & RESERVED) || masked != r->masked) return WRY_WS_PROTOCOL_ERROR;
  if (is_control(opcode) && (!fin || r->size > WRY_WS_MAX_CONTROL)) return WRY_WS_PROTOCOL_ERROR;
  if (!is_control(opcode) && (opcode == WRY_WS_CONTINUATION) != open) return WRY_WS_PROTOCOL_ERROR;
  if (r->size > WRY_WS_MAX_FRAME) return WRY_WS_TOO_BIG;
  r->frame = opcode;
  r->fin = fin;
  r->at = 0;
  if (masked) memcpy(r->mask, r->head + r->have - 4, 4);
  if (is_control(opcode)) return 0;
  if (opcode != WRY_WS_CONTINUATION) r->fragments = 0;
  if (opcode != WRY_WS_CONTINUATION) r->message = opcode;
  return ++r->fragments > WRY_WS_MAX_FRAGMENTS ? WRY_WS_POLICY : 0;
}

/* --- reading: payload ------------------------------------------------------------------------------------------------------------------------------------- */
static guint judge_close(const guint8 *bytes, gsize size) {
  guint code = size >= 2 ? (guint)bytes[0] << 8 | bytes[1] : WRY_WS_NORMAL;
  gboolean assigned = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
  if (size == 1 || !assigned) return WRY_WS_PROTOCOL_ERROR;
  return size > 2 && !g_utf8_validate((const char *)bytes + 2, (gssize)size - 2, NULL) ? WRY_WS_INVALID_DATA : 0;
}

static guint end_control(WryWsReader *r, const WryWsEvents *events, gpointer data) {
  guint code = r->frame == WRY_WS_CLOSE ? judge_close(r->control, r->size) : 0;
  if (code) return code;
  r->closed = r->frame == WRY_WS_CLOSE;
  events->control(r->frame, r->control, r->size, data);
  return 0;
}

/* A piece of the frame that is being read, or the end of one without payload. */
static guint take(WryWsReader *r, guint8 *bytes, gsize length, const WryWsEvents *events, gpointer data) {
  gsize offset = r->at;
  if (r->masked) wry_ws_mask(bytes, length, r->mask, offset);
  r->at += length;
  r->inside = r->at < r->size;
  if (is_control(r->frame)) {
    if (length) memcpy(r->control + offset, bytes, length);
    return r->inside ? 0 : end_control(r, events, data);
  }
  WryWsOpcode kind = r->message;
  gboolean last = r->fin && !r->inside;
  if (last) r->message = WRY_WS_CONTINUATION;
  if (length || last) events->payload(kind, bytes, length, last, data);
  return 0;
}

guint wry_ws_feed(WryWsReader *r, guint8 *bytes, gsize length, const WryWsEvents *events, gpointer data) {
  guint code = 0;
  for (gsize i = 0; i < length && !r->closed;) {
    gsize piece = 0;
    if (!r->inside) {
      r->head[r->have++] = bytes[i++];
      if (r->have < head_size(r)) continue;
      code = judge(r);
      r->have = 0;
      r->inside = TRUE;
      if (!code && r->size) continue;
    } else {
      piece = (gsize)MIN((guint64)(length - i), r->size - r->at);
    }
    if (!code) code = take(r, bytes + i, piece, events, data);
    i += piece;
    if (code) r->closed = TRUE;
  }
  return code;
}

/* --- writing ---------------------------------------------------------------------------------------------------------------------------------------------- */
gsize wry_ws_header(guint8 out[WRY_WS_MAX_HEADER], WryWsOpcode opcode, guint64 length, const guint8 *mask) {
  guint bytes = length < LENGTH16 ? 0 : length <= G_MAXUINT16 ? 2 : 8;
  gsize size = 2 + bytes;
  out[0] = (guint8)(FIN | opcode);
  out[1] = (guint8)((mask ? MASKED : 0) | (bytes == 8 ? LENGTH64 : bytes ? LENGTH16 : (guint)length));
  for (guint i = 0; i < bytes; i++) out[2 + i] = (guint8)(length >> (8 * (bytes - 1 - i)));
  if (!mask) return size;
  memcpy(out + size, mask, 4);
  return size + 4;
}

void wry_ws_mask(guint8 *bytes, gsize length, const guint8 mask[4], guint64 at) {
  for (gsize i = 0; i < length; i++) bytes[i] ^= mask[(at + i) & 3];
}

gsize wry_ws_close(guint8 out[WRY_WS_MAX_CONTROL], WryWsCode code, const char *reason) {
  gsize size = reason ? strlen(reason) : 0;
  while (size > WRY_WS_MAX_CONTROL - 2) size = (gsize)(g_utf8_find_prev_char(reason, reason + size) - reason);
  out[0] = (guint8)(code >> 8);
  out[1] = (guint8)code;
  if (size) memcpy(out + 2, reason, size);
  return size + 2;
}
