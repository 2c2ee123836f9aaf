#pragma once
/* Inside of launcher/storage/: an ISO 9660 image with Rock Ridge and Joliet names. */
#include "launcher/storage/files.h"

#define WRY_ISO_LABEL_BYTES 32u /* ECMA-119 8.4.8 */

/* Writes the image to fd, from its start. Files belong to root and keep their modes. Errors: INVALID (label or path), NO_SPACE, IO. */
gboolean wry_iso_write(int fd, const WryIsoContent *content, GError **error);
