/* The table of the device plugin's resources: KubeVirt's three, with its names, and the launcher's own.
 *
 * How it works: a row is all that a resource is; the plugin serves each row on a socket of its own, as the kubelet wants it. Relies on: nothing; a constant. */
#include "handler/node/device_kinds.h"

const WryDeviceKind wry_device_kinds[WRY_DEVICE_KINDS] = {
  [WRY_DEVICE_KVM] = {"devices.kubevirt.io/kvm", "kubevirt-kvm.sock", "kvm", "kvm"},
  [WRY_DEVICE_TUN] = {"devices.kubevirt.io/tun", "kubevirt-tun.sock", "tun", "net/tun"},
  [WRY_DEVICE_VHOST_NET] = {"devices.kubevirt.io/vhost-net", "kubevirt-vhost-net.sock", "vhost-net", "vhost-net"},
  [WRY_DEVICE_LAUNCHER] = {"devices.wherry.io/launcher", "wherry-launcher.sock", "launcher", NULL},
};
