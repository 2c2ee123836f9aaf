/* Field tables of the bundle. See spec_domain.c for what a row says. */
#include "wherry/bundle.h"

#include "lib/spec_rows.h"

LOCAL_TYPE(bundle_volume_type, WryBundleVolume,
  STR(WryBundleVolume, name, NEEDED),
  STR(WryBundleVolume, path, 0),
  STR(WryBundleVolume, format, 0),
  INT(WryBundleVolume, size, 0),
  BOOL(WryBundleVolume, readOnly, 0),
  BOOL(WryBundleVolume, block, 0),
  MAP(WryBundleVolume, data, 0),
  STR(WryBundleVolume, checksum, 0));
LOCAL_TYPE(bundle_kernel_type, WryBundleKernel, STR(WryBundleKernel, kernel, 0), STR(WryBundleKernel, initrd, 0));
LOCAL_TYPE(bundle_node_type, WryBundleNode,
  BOOL(WryBundleNode, kvm, 0),
  BOOL(WryBundleNode, allowEmulation, 0),
  STR(WryBundleNode, arch, 0),
  STR(WryBundleNode, node, 0),
  STR(WryBundleNode, ovmf, 0),
  MAP(WryBundleNode, smbios, 0),
  BOOL(WryBundleNode, serialLog, 0),
  STRS(WryBundleNode, nameservers, 0),
  STRS(WryBundleNode, searches, 0));
LOCAL_TYPE(bundle_interface_type, WryBundleInterface,
  STR(WryBundleInterface, name, NEEDED),
  STR(WryBundleInterface, tap, 0),
  STR(WryBundleInterface, bridge, 0),
  STR(WryBundleInterface, mac, 0),
  INT(WryBundleInterface, mtu, 0),
  STR(WryBundleInterface, guest4, 0),
  STR(WryBundleInterface, gateway4, 0),
  INT(WryBundleInterface, prefix4, 0),
  STR(WryBundleInterface, guest6, 0),
  STR(WryBundleInterface, gateway6, 0),
  INT(WryBundleInterface, prefix6, 0),
  STRS(WryBundleInterface, podIPs, 0),
  STR(WryBundleInterface, podInterface, 0));
WRY_TYPE(wry_bundle_type, WryBundle,
  INT(WryBundle, version, NEEDED),
  RAW(WryBundle, vmi, NEEDED),
  LIST(WryBundle, volumes, 0, bundle_volume_type),
  OBJ(WryBundle, kernel, 0, bundle_kernel_type),
  OBJ(WryBundle, node, NEEDED, bundle_node_type),
  LIST(WryBundle, interfaces, 0, bundle_interface_type),
  BOOL(WryBundle, pod, 0));

const WryBundleVolume *wry_bundle_volume(const WryBundle *bundle, const char *name) {
  for (guint i = 0; name && bundle->volumes && i < bundle->volumes->len; i++) {
    const WryBundleVolume *volume = g_ptr_array_index(bundle->volumes, i);
    if (!g_strcmp0(volume->name, name)) return volume;
  }
  return NULL;
}
