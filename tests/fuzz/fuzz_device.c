/* What the kubelet sends: bodies of Allocate and GetPreferredAllocation. */
#include "handler/node/device_messages.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  static const WryDeviceGrant grant = {"rw", "/run/wherry/node"};
  for (guint i = 0; i < WRY_DEVICE_KINDS; i++) {
    GBytes *answer = wry_device_allocate(&wry_device_kinds[i], &grant, data, size, NULL);
    if (answer) g_bytes_unref(answer);
  }
  GBytes *answer = wry_device_prefer(data, size, NULL);
  if (answer) g_bytes_unref(answer);
  return 0;
}
