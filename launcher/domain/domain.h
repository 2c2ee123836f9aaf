#pragma once
/* From a VirtualMachineInstance to libvirt's domain XML, in pure passes: decode -> plan -> emit. No file descriptor, no clock, no libvirt.
 *
 *   bundle JSON --decode--> WryVmi --plan--> WryDomainPlan --emit--> XML text
 *
 * The plan holds every decision (names, targets, addresses, formats, paths); the emitters only write it down. Source of the mapping: how KubeVirt 1.9.0 makes domains. */
#include "wherry/bundle.h"
#include "wherry/spec.h"

/* Where things are in the VM's sandbox. All absolute. */
typedef struct {
  const char *vm;       /* tmpfs: sockets, FIFOs, ISO images */
  const char *scratch;  /* on disk: overlays and empty disks, as long as the VMI */
  const char *state;    /* on disk: nvram, as long as the VM object */
  const char *emulator; /* the domain's <emulator> */
} WryDomainDirs;
#define WRY_DOMAIN_QEMU_DIR "qemu" /* below vm: what QEMU itself makes there, sockets; the rest of vm is not QEMU's to write (launcher/jail_landlock.c) */
extern const WryDomainDirs wry_domain_dirs; /* /run/wherry/vm, /run/wherry/scratch, /run/wherry/state, /opt/wherry/launcher-jail */

/* One disk, in spec.domain.devices.disks order. */
typedef struct {
  const WryDisk *disk;     /* borrowed from the VMI */
  const WryVolume *volume; /* borrowed; NULL = a drive without medium */
  const char *name;        /* of the disk and of its volume: borrowed */
  const char *device;      /* "disk" | "cdrom" | "lun": static */
  const char *bus;         /* "virtio" | "sata" | "scsi" | "usb": borrowed */
  char target[16];         /* "vda" */
  int unit;                /* on the SCSI controller; -1 = not there */
  gboolean block, readonly;
  char *path;              /* NULL = without medium */
  const char *format;      /* "raw" | "qcow2": static */
  char *backing;           /* of an overlay; NULL = none */
  gboolean backing_block;
  const char *backing_format; /* static */
  const char *cache;       /* "none" | "writethrough" | "writeback"; NULL = QEMU's default */
  const char *io;          /* "native" | "threads"; NULL = QEMU's default */
  gboolean discard;        /* pass discards on */
} WryDomainDisk;

/* One interface, in spec.domain.devices.interfaces order. */
typedef struct {
  const WryInterface *interface; /* borrowed */
  const char *tap;               /* borrowed from the bundle */
  char mac[18];                  /* with colons; "" = none known */
  const char *model;             /* libvirt's word: "virtio-non-transitional", "e1000" */
  guint mtu;                     /* 0 = QEMU's default */
} WryDomainInterface;

typedef struct {
  const WryVmi *vmi;       /* borrowed: must outlive the plan */
  const WryBundle *bundle; /* borrowed */
  char *name;              /* "<namespace>_<name>" */
  const char *uuid;        /* borrowed: firmware.uuid */
  const char *arch;        /* libvirt's: "x86_64" | "aarch64": static */
  const char *virtio;      /* model of virtio devices: static */
  const char *emulator;    /* borrowed from the dirs */
  gboolean emulated;       /* TCG: type qemu */
  guint vcpus, vcpus_now;  /* with the hot-pluggable ones; at the start */
  gint64 memory;           /* bytes */
  char *loader, *nvram_template, *nvram; /* UEFI; NULL = SeaBIOS */
  gboolean secure;         /* UEFI secure boot */
  const char *kernel, *initrd, *kernel_args; /* borrowed; kernel NULL = boots from disk */
  GPtrArray *disks;        /* WryDomainDisk */
  GPtrArray *interfaces;   /* WryDomainInterface */
  gboolean usb;            /* something asks for a USB controller */
  gboolean scsi;           /* there is a SCSI controller */
  gboolean default_inputs; /* tablet and keyboard although nobody asked: a machine without PS/2 */
  char *serial;            /* path of the FIFO pair without ".in" and ".out"; NULL = no serial console */
  char *vnc;               /* socket; NULL = no graphics */
  char *agent;             /* socket of the guest agent's channel */
} WryDomainPlan;

/* The VMI of the bundle. New: free with wry_struct_free(&wry_vmi_type, …). Error: all causes in one text. */
WryVmi *wry_domain_decode(const WryBundle *bundle, GError **error);

/* `direct`: names (char *) of the volumes whose files take O_DIRECT, as wry_storage_prepare found; NULL = not looked at: a disk's cache stays what the VMI says.
 * `dirs` NULL = the sandbox's. Errors: NO_KVM, UNSUPPORTED, INVALID, VOLUME_MISSING (a disk's volume is not in the bundle). */
WryDomainPlan *wry_domain_plan(const WryVmi *vmi, const WryBundle *bundle, const GPtrArray *direct, const WryDomainDirs *dirs, GError **error);
void wry_domain_plan_free(WryDomainPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryDomainPlan, wry_domain_plan_free)
/* NULL when no disk has that name. */
const WryDomainDisk *wry_domain_disk(const WryDomainPlan *plan, const char *name);

/* The domain's XML. New string. Error: INVALID when a value has a character that XML cannot carry. */
char *wry_domain_emit(const WryDomainPlan *plan, GError **error);

/* Path of the file that the launcher makes for a volume, "<dir>/<volume>.qcow2" or "….iso"; NULL for volumes that come with the bundle. New string. */
char *wry_domain_made_path(const WryVolume *volume, const WryDomainDirs *dirs);
/* The volume becomes an ISO image: cloud-init, configMap, secret, downwardAPI. */
gboolean wry_domain_is_iso(const WryVolume *volume);
/* Host name of the guest: spec.hostname or the VMI's name up to its first dot, at most 63 bytes. New string. */
char *wry_domain_hostname(const WryVmi *vmi);
