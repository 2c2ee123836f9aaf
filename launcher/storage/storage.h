#pragma once
/* Makes what the domain's disks need before the domain starts: overlays, empty disks, ISO images. Touches only files below `dirs`. */
#include "launcher/domain/domain.h"

/* Idempotent: what is there stays, so a restarted `launcher run` does not touch the disks of a running VM. A file appears by rename, whole or not at all.
 * *ret_direct: names (char *) of the volumes whose files take O_DIRECT, for wry_domain_plan. `dirs` NULL = the sandbox's.
 * Needs a writable $TMPDIR or /tmp of the size of the largest ISO image, may run on any thread. Errors: NO_SPACE, VOLUME_MISSING, INVALID (an image that points outside itself), UNSUPPORTED, IO. */
gboolean wry_storage_prepare(const WryVmi *vmi, const WryBundle *bundle, const WryDomainDirs *dirs, GPtrArray **ret_direct, GError **error);
