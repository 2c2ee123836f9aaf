#pragma once
/* State records: two alternating slots "<name>.a" and "<name>.b", each header {magic, version, generation, length, CRC32C} + body; written tmp + fsync + rename
 * + fsync(dir), so one whole record always exists (reliability.md 5.2). A record of a newer version is refused (WRY_ERROR_UNSUPPORTED), never overwritten. */
#include <glib.h>

/* Reads the newest whole slot. Body is new, NUL-terminated. WRY_ERROR_NOT_FOUND when neither slot exists, WRY_ERROR_INVALID when none is whole. */
char *wry_record_read(int dirfd, const char *name, gsize *ret_length, guint64 *ret_generation, GError **error);
/* Writes generation = newest + 1 into the older slot. */
gboolean wry_record_write(int dirfd, const char *name, const void *body, gsize length, GError **error);
gboolean wry_record_remove(int dirfd, const char *name, GError **error);
guint32 wry_crc32c(const void *data, gsize length);
