#pragma once
/* Domain names in DNS wire form (RFC 1035 3.1, uncompressed as RFC 3397 and RFC 8415 10 allow). Private to launcher/net. */
#include "launcher/net/wirebuf.h"

/* Appends one name; nothing when a label is empty or longer than 63. */
static inline void wirebuf_name(WireBuf *b, const char *name) {
  WireBuf start = *b;
  for (const char *label = name; *label;) {
    size_t n = strcspn(label, ".");
    if (n == 0 || n > 63) {
      *b = start;
      return;
    }
    wirebuf_u8(b, (unsigned)n);
    wirebuf_bytes(b, label, n);
    label += n + (label[n] == '.');
  }
  wirebuf_u8(b, 0);
  if (b->full)
    b->at = start.at;
}
