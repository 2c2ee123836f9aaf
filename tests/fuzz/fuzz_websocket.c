/* WebSocket frames of a hostile peer: what is read does not depend on how the bytes are cut, and no more is handed on than came. */
#include <stdint.h>
#include <string.h>

#include "handler/api/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct { guint32 hash; gsize bytes; guint code; } Seen;

static void mix(Seen *seen, const guint8 *bytes, gsize length) {
  for (gsize i = 0; i < length; i++) seen->hash = (seen->hash ^ bytes[i]) * 16777619u;
  seen->bytes += length;
}

static void on_payload(WryWsOpcode kind, const guint8 *bytes, gsize length, gboolean last, gpointer data) {
  guint8 mark = (guint8)(kind | 0x40);
  mix(data, bytes, length);
  if (last) mix(data, &mark, 1);
}

static void on_control(WryWsOpcode kind, const guint8 *bytes, gsize length, gpointer data) {
  guint8 mark = (guint8)kind;
  if (length > WRY_WS_MAX_CONTROL) __builtin_trap();
  mix(data, &mark, 1);
  mix(data, bytes, length);
}

static Seen read_in(const uint8_t *data, size_t size, size_t chunk, gboolean masked) {
  static const WryWsEvents events = {.payload = on_payload, .control = on_control};
  WryWsReader reader;
  Seen seen = {.hash = 2166136261u};
  wry_ws_reader_init(&reader, masked);
  for (size_t i = 0; i < size; i += chunk) {
    size_t n = MIN(chunk, size - i);
    g_autofree guint8 *piece = g_memdup2(data + i, n);
    guint code = wry_ws_feed(&reader, piece, n, &events, &seen);
    if (code) seen.code = code;
  }
  return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!size) return 0;
  gboolean masked = data[0] & 1;
  Seen whole = read_in(data + 1, size - 1, size, masked), cut = read_in(data + 1, size - 1, 1 + (data[0] >> 1) % 7, masked);
  if (whole.hash != cut.hash || whole.bytes != cut.bytes || whole.code != cut.code || whole.bytes > size) __builtin_trap();
  return 0;
}
