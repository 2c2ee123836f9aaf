#pragma once
/* Volumes of a VMI, resolved: what the launcher is told of each (bundle) and what the root half binds into the sandbox. */
#include "handler/objects.h"
#include "handler/root.h"

/* Looks up images; wry_images_resolve, or a test's own. */
#include "wherry/images.h"
typedef gboolean (*WryImageLookup)(int images_fd, const char *reference, const char *path_in_image, WryImageDisk *ret, GError **error);

/* Fills bundle->volumes and bundle->kernel and the volumes of the request. Errors say what the VMI waits for: WRY_ERROR_IMAGE_MISSING, WRY_ERROR_VOLUME_MISSING (a claim),
 * WRY_ERROR_NOT_FOUND (Secret, ConfigMap or a key of it); WRY_ERROR_UNSUPPORTED, WRY_ERROR_INVALID, WRY_ERROR_TOO_LARGE do not go away by waiting. */
gboolean wry_volumes_resolve(const WryInstance *instance, WryObjects *objects, int images_fd, WryImageLookup lookup, WryBundle *bundle, WryRootRequest *request, GError **error);

/* Makes disk.img of every claim that the request names and that has none yet, sparse, of the size that the claim asks: state/pvc/<namespace>/<claim>/disk.img. */
gboolean wry_volumes_make_claims(int state_fd, const WryRootRequest *request, GError **error);

/* Bytes that a claim asks for; 0: none, or no size. */
gint64 wry_claim_size(const WryPvc *claim);
/* Bytes of its disk.img; 0: it has none yet. A claim that asks for more grows with the next start of a VM that uses it: the root half does it (sandbox_volumes.c). */
gint64 wry_claim_image_size(int state_fd, const char *namespace_, const char *name);

/* Claims (names in the VMI's namespace) that a VMI uses; strings are borrowed. */
GPtrArray *wry_volumes_claims(const WryVmiSpec *spec);

/* Text of one downwardAPI field of the VMI ("metadata.labels['a']", "metadata.annotations"); NULL when there is no such field. New string. volumes_downward.c. */
char *wry_downward_field(const WryInstance *instance, const char *field);
char *wry_downward_resource(const WryVmiSpec *spec, const WryResourceFieldRef *ref);
