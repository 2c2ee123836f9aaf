#pragma once
/* Messages of the kubelet's device plugin interface: protobuf in, protobuf out. Pure. */
#include "handler/node/device_kinds.h"

/* What is given to a container that asks for one of the kind. */
typedef struct {
  const char *permissions; /* of a device: "rw" on cgroup v1, "mrw" on v2 */
  const char *rendezvous;  /* host path of the rendezvous directory */
} WryDeviceGrant;

/* All return new bytes. */
GBytes *wry_device_options(void);
GBytes *wry_device_register(const WryDeviceKind *kind);
/* `count` devices of one health. */
GBytes *wry_device_list(const WryDeviceKind *kind, guint count, gboolean healthy);
/* Answers to what the kubelet sent; NULL with WRY_ERROR_PROTOCOL when that is no such message, WRY_ERROR_TOO_LARGE when it asks for more than a pod can hold. */
GBytes *wry_device_allocate(const WryDeviceKind *kind, const WryDeviceGrant *grant, gconstpointer message, gsize length, GError **error);
GBytes *wry_device_prefer(gconstpointer message, gsize length, GError **error);
