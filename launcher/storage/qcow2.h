#pragma once
/* Inside of launcher/storage/: new qcow2 images. */
#include <glib.h>

/* Writes an empty image of `size` bytes (rounded up to 512) into an empty file. With `backing` (absolute path) it shows what that file of `backing_format` ("raw", "qcow2") holds until
 * something is written. Errors: INVALID (no disk is so large), NO_SPACE, IO. */
gboolean wry_qcow2_write(int fd, guint64 size, const char *backing, const char *backing_format, GError **error);
