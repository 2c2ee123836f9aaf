#pragma once
/* A bounded output buffer for wire formats: what does not fit is left out and noted in `full`. Private to launcher/net. */
#include <stdint.h>
#include <string.h>

typedef struct {
  uint8_t *at, *end;
  int full;
} WireBuf;

static inline int wirebuf_room(WireBuf *b, size_t n) {
  if ((size_t)(b->end - b->at) >= n)
    return 1;
  b->full = 1;
  return 0;
}
static inline void wirebuf_bytes(WireBuf *b, const void *bytes, size_t n) {
  if (n == 0 || !wirebuf_room(b, n))
    return;
  memcpy(b->at, bytes, n);
  b->at += n;
}
static inline void wirebuf_u8(WireBuf *b, unsigned v) {
  uint8_t x = (uint8_t)v;
  wirebuf_bytes(b, &x, 1);
}
static inline void wirebuf_u16(WireBuf *b, unsigned v) {
  uint8_t x[2] = {(uint8_t)(v >> 8), (uint8_t)v};
  wirebuf_bytes(b, x, 2);
}
static inline void wirebuf_u32(WireBuf *b, uint32_t v) {
  uint8_t x[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
  wirebuf_bytes(b, x, 4);
}
static inline unsigned wire_u16(const uint8_t *p) {
  return (unsigned)p[0] << 8 | p[1];
}
