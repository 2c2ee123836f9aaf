#pragma once
/* The volumes of a VMI whose launcher sits in a pod, as its bundle tells them: the controller has mounted them by pod_paths.h, the launcher finds out what they hold. Pure. */
#include "handler/instance.h"

gboolean wry_pod_bundle(const WryInstance *instance, WryBundle *bundle, GError **error);
