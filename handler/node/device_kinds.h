#pragma once
/* The resources that this node's device plugin offers. An index into the table is what main and the root half tell each other, so no name of a socket travels. */
#include <glib.h>

typedef struct {
  const char *resource; /* "devices.kubevirt.io/kvm" */
  const char *endpoint; /* socket in the kubelet's directory of device plugins */
  const char *prefix;   /* of the ids: "kvm0", "kvm1", ... */
  const char *node;     /* below /dev; NULL: no device, the rendezvous directory */
} WryDeviceKind;

enum { WRY_DEVICE_KVM, WRY_DEVICE_TUN, WRY_DEVICE_VHOST_NET, WRY_DEVICE_LAUNCHER, WRY_DEVICE_KINDS };
extern const WryDeviceKind wry_device_kinds[WRY_DEVICE_KINDS];

#define WRY_DEVICE_COUNT 1000u /* virtual devices of each kind: KubeVirt's --max-devices */
#define WRY_KUBELET_DIR "/var/lib/kubelet/device-plugins"
#define WRY_KUBELET_SOCKET "kubelet.sock"
/* Where the launcher finds the rendezvous directory. */
#define WRY_RENDEZVOUS "/run/wherry/node"
