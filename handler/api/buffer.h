#pragma once
/* Bytes on their way from one socket to another: filled by one read when it is empty, emptied by as many writes as it takes. Begins as zeros. */
#include <glib.h>

#define WRY_BUFFER_SIZE (16u << 10)

typedef struct { guint8 bytes[WRY_BUFFER_SIZE]; gsize at, end; } WryBuffer; /* what waits: [at, end) */

static inline gboolean wry_buffer_empty(const WryBuffer *buffer) { return buffer->at == buffer->end; }
