#pragma once
/* The image store as the handler sees it: an OCI image layout directory plus `disks/`, where disk files of the images lie unpacked, named by digest. Filled by wherryctl;
 * the handler reads it and watches `index.json` and `disks/` for changes. */
#include <glib.h>

/* One disk of an image, or one of its files (kernelBoot). */
typedef struct {
  char *source;  /* the file's path below images/disks/: "<directory of the image, digest hex>/<path in it>"; all files of one image share the directory */
  char *format;  /* "raw" | "qcow2"; a kernel or initrd is "raw" too */
  gint64 size;   /* virtual size in bytes */
  char *digest;  /* of the image's manifest, "sha256:…" */
} WryImageDisk;
void wry_image_disk_clear(WryImageDisk *disk); /* frees the strings, not the struct; zeroed is fine */

/* Looks `reference` ("registry/name:tag", "name@sha256:…", as written in the VMI) up in the store. `path_in_image`: the file's absolute path in the image; NULL = the single file
 * in /disk. WRY_ERROR_IMAGE_MISSING when the store lacks the image or it was not unpacked, WRY_ERROR_INVALID when the image has no such file, or several in /disk. */
gboolean wry_images_resolve(int images_fd, const char *reference, const char *path_in_image, WryImageDisk *ret, GError **error);

/* What wherryctl does with the store. All take the store's directory; a change is made under the store's lock and becomes visible by one rename of index.json. */
typedef struct {
  char *reference; /* normalised: "localhost/wherry/guest:1" */
  char *digest;    /* of the image's manifest */
  gint64 size;     /* bytes of its blobs */
  char *created;   /* RFC 3339, when it was imported; NULL when unknown */
} WryImage;
void wry_image_free(WryImage *image);

/* "guest" -> "docker.io/library/guest:latest", "quay.io/a/b" -> "quay.io/a/b:latest". A digest stays. NULL: not a reference. New string. */
char *wry_image_reference(const char *text, GError **error);
/* All images, by reference. Elements: WryImage. */
GPtrArray *wry_images_list(int images_fd, GError **error);
/* Imports what `fd` is: an OCI image layout's directory, an OCI archive (tar of one), a qcow2 or raw disk image. `reference`: the name in the store; NULL: those that the layout names itself. `arch`: "amd64" picks
 * from a multi-platform index. Blobs are verified against their digests; every regular file of the image is unpacked. Returns what was imported: WryImage. */
GPtrArray *wry_images_import(int images_fd, int fd, const char *reference, const char *arch, GError **error);
/* Removes a name; blobs and disks that nothing names any more go with it. Running VMs keep what they have open. WRY_ERROR_NOT_FOUND. */
gboolean wry_images_remove(int images_fd, const char *reference, GError **error);

/* Format and virtual size of a disk image by its header: qcow2 by its magic, everything else is raw. Refused: a qcow2 with a backing file or an external data file, which would name
 * files of the host (WRY_ERROR_INVALID). `ret_format` is static. */
gboolean wry_disk_probe(int fd, const char **ret_format, gint64 *ret_size, GError **error);
