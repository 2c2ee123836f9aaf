#pragma once
/* The volumes of a VMI whose launcher sits in a pod, as its bundle tells them: the controller has mounted them by pod_paths.h, the launcher finds out what they hold. Pure. */
#include "handler/instance.h"

/* `claims`: volume -> bytes of a disk image that is made when its claim has none (instance.h); NULL: none. */
gboolean wry_pod_bundle(const WryInstance *instance, WryJson *claims, WryBundle *bundle, GError **error);
