#pragma once
/* Inside of launcher/storage/: images as files. */
#include <glib.h>

/* Refuses a qcow2 image that leads elsewhere: one with a backing file or an external data file in its header. Reads the header only. Error: INVALID. */
gboolean wry_image_check(int fd, GError **error);
/* Bytes that a qcow2 image shows, by its header. */
gboolean wry_image_size(int fd, guint64 *ret, GError **error);
