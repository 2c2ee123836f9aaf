#pragma once
/* What the volumes of a pod hold: the bundle says where they are, this finds out the rest. */
#include "launcher/domain/domain.h"

/* Completes the bundle's volumes in place: the one file of a container disk and its format, block device or file of a claim, the files of Secrets and ConfigMaps as data. `root`: where "/" is, for tests;
 * NULL: "/". A Secret or ConfigMap that is not there has no data, and is judged where it is needed. Errors: VOLUME_MISSING, INVALID, IO. */
gboolean wry_storage_locate(WryBundle *bundle, const WryVmi *vmi, const char *root, GError **error);
