#pragma once
/* The image store as the handler sees it: an OCI image layout directory plus `disks/`, where disk files of the images lie unpacked, named by digest. Filled by wherryctl;
 * the handler reads it and watches `index.json` and `disks/` for changes. */
#include <glib.h>

/* One disk of an image, or one of its files (kernelBoot). */
typedef struct {
  char *source;  /* the file's path below images/disks/: "<directory of the image, digest hex>/<path in it>"; all files of one image share the directory */
  char *format;  /* "raw" | "qcow2"; NULL for a file that is no disk */
  gint64 size;   /* virtual size in bytes; 0 for a file that is no disk */
  char *digest;  /* of the image's manifest, "sha256:…" */
} WryImageDisk;
void wry_image_disk_clear(WryImageDisk *disk); /* frees the strings, not the struct; zeroed is fine */

/* Looks `reference` ("registry/name:tag", "name@sha256:…", as written in the VMI) up in the store. `path_in_image`: the file's absolute path in the image; NULL = the single file
 * in /disk. WRY_ERROR_IMAGE_MISSING when the store lacks the image or it was not unpacked, WRY_ERROR_INVALID when the image has no such file, or several in /disk. */
gboolean wry_images_resolve(int images_fd, const char *reference, const char *path_in_image, WryImageDisk *ret, GError **error);
