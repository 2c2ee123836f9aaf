#pragma once
/* What the files of the image store share. */
#include "wherry/images.h"
#include "wherry/json.h"

#define WRY_OCI_MAX_DOCUMENT (4u << 20)  /* index, manifest or config */
#define WRY_OCI_MAX_FILES 65536u         /* entries of one image */
#define WRY_OCI_MAX_BYTES (G_GINT64_CONSTANT(1) << 42) /* unpacked bytes of one image */
#define WRY_OCI_REF_NAME "org.opencontainers.image.ref.name"
#define WRY_OCI_CREATED "org.opencontainers.image.created"
#define WRY_OCI_INDEX_TYPE "application/vnd.oci.image.index.v1+json"
#define WRY_OCI_MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"
#define WRY_OCI_CONFIG_TYPE "application/vnd.oci.image.config.v1+json"
#define WRY_OCI_LAYER_TYPE "application/vnd.oci.image.layer.v1.tar"

typedef struct {
  char *digest, *type;
  gint64 size;
} WryOciBlob;
void wry_oci_blob_free(WryOciBlob *blob);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryOciBlob, wry_oci_blob_free)

/* Hexadecimal part of "sha256:…", NULL when it is no such digest. Borrowed. */
const char *wry_oci_hex(const char *digest);
char *wry_oci_blob_path(const char *digest); /* "blobs/sha256/<hex>", NULL when no digest */
/* Descriptor object -> blob; WRY_ERROR_INVALID when digest or size are missing. */
WryOciBlob *wry_oci_descriptor(WryJson *descriptor, GError **error);
/* Reads a JSON document blob and verifies its digest. New reference. */
WryJson *wry_oci_document(int layout_fd, const WryOciBlob *blob, GError **error);
/* The manifest behind a descriptor: follows indexes to `arch`/linux, at most four deep. Returns the manifest, its blob in *ret_blob. */
WryJson *wry_oci_manifest(int layout_fd, WryJson *descriptor, const char *arch, WryOciBlob **ret_blob, GError **error);
/* The index of a layout. A missing one is empty. */
WryJson *wry_oci_index(int layout_fd, GError **error);
/* A descriptor with annotations for the store's index. New reference. */
WryJson *wry_oci_entry(const WryOciBlob *blob, const char *reference, const char *created);
/* Blobs of a manifest: config and layers. Elements: WryOciBlob. */
GPtrArray *wry_oci_blobs(WryJson *manifest, GError **error);

/* Applies one layer (tar, plain or gzip, zstd, xz, bzip2) read from `fd` onto the directory `into`: regular files and directories; whiteouts remove; links, devices and FIFOs are left out.
 * `files` and `bytes` count against the limits over all layers of the image. */
gboolean wry_oci_apply_layer(int fd, int into, guint *files, gint64 *bytes, GError **error);
/* Unpacks an archive of a layout into the directory `into`: oci-layout, index.json and blobs only. */
gboolean wry_oci_unpack_archive(int fd, int into, GError **error);
/* Writes an image of one layer with /disk/<name> from `fd` as blobs of the layout; returns its descriptor. */
WryJson *wry_oci_wrap_disk(int layout_fd, int fd, const char *arch, GError **error);
