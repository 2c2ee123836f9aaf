#pragma once
/* The bundle: all that a launcher needs to know, as one JSON text in a sealed memfd (at most WRY_MAX_BUNDLE). The handler writes it, the launcher keeps a copy in its private
 * directory so that a restarted `launcher run` needs nobody. */
#include "fields.h"

/* One volume, resolved by the handler. */
typedef struct {
  char *name;       /* of spec.volumes[] */
  char *path;       /* in the sandbox: the image file or block device itself, "/run/wherry/volumes/<name>/disk.img"; NULL for those that the launcher makes itself */
  char *format;     /* "raw" | "qcow2": of an image file; probed by nobody in the launcher */
  WryOptInt size;   /* bytes: virtual size of the image, or capacity asked */
  WryOptBool readOnly;
  WryOptBool block; /* path is a block device */
  WryJson *data;    /* MAP: file name -> base64: contents of Secret, ConfigMap, downwardAPI, cloud-init secrets ("userdata", "networkdata") */
  char *checksum;   /* digest of the image for status, "sha256:…" */
} WryBundleVolume;

typedef struct {
  char *kernel, *initrd; /* in the sandbox; kernelBoot container */
} WryBundleKernel;

typedef struct {
  WryOptBool kvm;            /* the node's KVM runs guests */
  WryOptBool allowEmulation; /* the VM or the node allows TCG */
  char *arch;                /* "amd64" | "arm64" */
  char *node;                /* node name */
  char *ovmf;                /* directory of firmware images */
  WryJson *smbios;           /* MAP: manufacturer, family, product, version, sku: KubeVirt CR configuration */
  WryOptBool serialLog;      /* log the serial console */
  GPtrArray *nameservers;    /* STRLIST: for the guest's DHCP, from the node's resolv.conf */
  GPtrArray *searches;
} WryBundleNode;

/* One interface after `launcher setup`: what DHCP hands out and where QEMU's end is. In spec.domain.devices.interfaces order. */
typedef struct {
  char *name;      /* of the interface */
  char *tap;       /* "tap0" */
  char *bridge;    /* "k6t-eth0" */
  char *mac;       /* of the guest */
  WryOptInt mtu;
  char *guest4, *gateway4; WryOptInt prefix4; /* "10.0.2.2", "10.0.2.1", 24; NULL = family absent */
  char *guest6, *gateway6; WryOptInt prefix6; /* "fd10:0:2::2", "fd10:0:2::1", 120 */
  GPtrArray *podIPs; /* STRLIST: addresses by which others reach the guest (status.interfaces[].ipAddresses) */
  char *podInterface; /* "eth0" */
} WryBundleInterface;

typedef struct {
  WryOptInt version;      /* 1 */
  WryJson *vmi;           /* RAW: the VirtualMachineInstance, defaulted and validated */
  GPtrArray *volumes;     /* WryBundleVolume */
  WryBundleKernel *kernel;
  WryBundleNode *node;
  GPtrArray *interfaces;  /* WryBundleInterface */
  WryOptBool pod;         /* the sandbox is a pod: paths of volumes say where to look; what is there the launcher finds out */
} WryBundle;

extern const WryType wry_bundle_type;
const WryBundleVolume *wry_bundle_volume(const WryBundle *bundle, const char *name);
