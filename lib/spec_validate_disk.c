/* Rules about disks, their targets and the volumes that they show (contract 2.5). See spec_rules.h. */
#include <string.h>

#include "lib/spec_rules.h"

#define DISK(c, index, field) wry_at(c, "domain.devices.disks[%u]" field, index)

/* --- boot order ------------------------------------------------------------------------------------------------------------------------------------------ */
/* Disks and interfaces share one order. A disk's 0 is refused with the disk. */
WRY_RULE(wry_rule_boot_order) {
  g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
  WRY_EACH(WryDisk, disk, c->spec->domain->devices->disks) {
    if (disk->bootOrder.set && !g_hash_table_add(seen, (gpointer)(gintptr)disk->bootOrder.v))
      wry_refuse(c, INVALID, DISK(c, disk_i, ".bootOrder"), "boot order %" G_GINT64_FORMAT " is used twice", disk->bootOrder.v);
  }
  WRY_EACH(WryInterface, iface, c->spec->domain->devices->interfaces) {
    if (!iface->bootOrder.set) continue;
    if (iface->bootOrder.v < 1)
      wry_refuse(c, INVALID, wry_at(c, "domain.devices.interfaces[%u].bootOrder", iface_i), "must be greater than 0");
    else if (!g_hash_table_add(seen, (gpointer)(gintptr)iface->bootOrder.v))
      wry_refuse(c, INVALID, wry_at(c, "domain.devices.interfaces[%u].bootOrder", iface_i), "boot order %" G_GINT64_FORMAT " is used twice", iface->bootOrder.v);
  }
}

/* --- target and bus -------------------------------------------------------------------------------------------------------------------------------------- */
static const char *const buses[] = {"virtio", "scsi", "sata", "usb", NULL};

static const char *bus_of(const WryDisk *disk, const char **ret_target) {
  *ret_target = disk->disk ? "disk" : disk->lun ? "lun" : "cdrom";
  return disk->disk ? disk->disk->bus : disk->lun ? disk->lun->bus : disk->cdrom ? disk->cdrom->bus : NULL;
}

static void disk_target(WryCheck *c, const WryDisk *disk, guint index) {
  guint targets = (disk->disk != NULL) + (disk->lun != NULL) + (disk->cdrom != NULL);
  if (targets > 1) wry_refuse(c, INVALID, DISK(c, index, ""), "only one of disk, lun, cdrom may be set");
}

static void disk_bus(WryCheck *c, const WryDisk *disk, guint index) {
  const char *target, *bus = bus_of(disk, &target), *problem = NULL;
  if (!wry_text(bus) || (disk->disk != NULL) + (disk->lun != NULL) + (disk->cdrom != NULL) > 1) return;
  if (!wry_is_one_of(bus, buses))
    problem = "must be one of virtio, scsi, sata, usb";
  else if (disk->cdrom && !strcmp(bus, "virtio"))
    problem = "virtio cannot be the bus of a cdrom";
  else if (disk->disk && wry_opt_bool(disk->disk->readonly, FALSE) && !strcmp(bus, "sata"))
    problem = "a disk on sata cannot be read-only";
  if (problem) wry_refuse(c, INVALID, wry_at(c, "domain.devices.disks[%u].%s.bus", index, target), "%s", problem);
}

static void disk_pci_address(WryCheck *c, const WryDisk *disk, guint index) {
  if (!disk->disk || !wry_text(disk->disk->pciAddress)) return;
  if (g_strcmp0(disk->disk->bus, "virtio")) wry_refuse(c, INVALID, DISK(c, index, ".disk.pciAddress"), "needs bus virtio");
  if (!wry_is_pci_address(disk->disk->pciAddress)) wry_refuse(c, INVALID, DISK(c, index, ".disk.pciAddress"), "must be a PCI address like 0000:81:00.1");
}

/* --- other fields ---------------------------------------------------------------------------------------------------------------------------------------- */
#define MAX_SERIAL 256
static const char *const caches[] = {"none", "writethrough", "writeback", NULL}, *const ios[] = {"native", "threads", NULL},
                  *const error_policies[] = {"stop", "ignore", "report", "enospace", NULL};

static void disk_serial(WryCheck *c, const WryDisk *disk, guint index) {
  if (!wry_text(disk->serial)) return;
  if (!g_regex_match_simple("^[A-Za-z0-9_.+-]+$", disk->serial, 0, 0)) wry_refuse(c, INVALID, DISK(c, index, ".serial"), "may only have letters, digits and _.+-");
  if (strlen(disk->serial) > MAX_SERIAL) wry_refuse(c, INVALID, DISK(c, index, ".serial"), "must not be longer than %d", MAX_SERIAL);
}

static void disk_modes(WryCheck *c, const WryDisk *disk, guint index) {
  const char *target, *bus = bus_of(disk, &target);
  if (wry_text(disk->cache) && !wry_is_one_of(disk->cache, caches)) wry_refuse(c, INVALID, DISK(c, index, ".cache"), "must be none, writethrough or writeback");
  if (wry_text(disk->io) && !wry_is_one_of(disk->io, ios)) wry_refuse(c, NOT_SUPPORTED, DISK(c, index, ".io"), "must be native or threads");
  if (disk->errorPolicy && !wry_is_one_of(disk->errorPolicy, error_policies))
    wry_refuse(c, INVALID, DISK(c, index, ".errorPolicy"), "must be stop, ignore, report or enospace");
  if (wry_opt_bool(disk->dedicatedIOThread, FALSE) && wry_text(bus) && strcmp(bus, "virtio"))
    wry_refuse(c, NOT_SUPPORTED, DISK(c, index, ".dedicatedIOThread"), "needs bus virtio");
  if (!wry_is_dns_label(disk->name)) wry_refuse(c, INVALID, DISK(c, index, ".name"), "must be a DNS label");
}

static gboolean is_block_size(gint64 size) {
  return size >= 512 && size <= 2097152 && !(size & (size - 1));
}

static void disk_block_size(WryCheck *c, const WryDisk *disk, guint index) {
  const WryBlockSize *size = disk->blockSize;
  if (!size || !size->custom) return;
  if (size->matchVolume && wry_opt_bool(size->matchVolume->enabled, TRUE)) {
    wry_refuse(c, INVALID, DISK(c, index, ".blockSize"), "only one of custom, matchVolume may be set");
    return;
  }
  gint64 logical = wry_opt_int(size->custom->logical), physical = wry_opt_int(size->custom->physical), discard = wry_opt_int(size->custom->discardGranularity);
  const char *target, *bus = bus_of(disk, &target);
  if (!is_block_size(logical)) wry_refuse(c, INVALID, DISK(c, index, ".blockSize.custom.logical"), "must be a power of two from 512 to 2097152");
  else if (logical > physical) wry_refuse(c, INVALID, DISK(c, index, ".blockSize.custom.logical"), "must not exceed the physical size");
  else if (!g_strcmp0(bus, "sata") && logical != 512) wry_refuse(c, INVALID, DISK(c, index, ".blockSize.custom.logical"), "must be 512 on sata");
  if (!is_block_size(physical)) wry_refuse(c, INVALID, DISK(c, index, ".blockSize.custom.physical"), "must be a power of two from 512 to 2097152");
  if (discard && logical > 0 && discard % logical)
    wry_refuse(c, INVALID, DISK(c, index, ".blockSize.custom.discardGranularity"), "must be a multiple of the logical size");
}

/* --- all disks ------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean disk_seen(const GPtrArray *disks, const char *name, guint before) {
  for (guint i = 0; i < before; i++)
    if (!g_strcmp0(((const WryDisk *)g_ptr_array_index(disks, i))->name, name)) return TRUE;
  return FALSE;
}

WRY_RULE(wry_rule_disks) {
  WRY_EACH(WryDisk, disk, c->spec->domain->devices->disks) {
    if (disk_seen(c->spec->domain->devices->disks, disk->name, disk_i)) wry_refuse(c, INVALID, DISK(c, disk_i, ".name"), "disk name %s is used twice", disk->name);
    disk_target(c, disk, disk_i);
    disk_pci_address(c, disk, disk_i);
    if (disk->bootOrder.set && disk->bootOrder.v < 1) wry_refuse(c, INVALID, DISK(c, disk_i, ".bootOrder"), "must be greater than 0");
    disk_bus(c, disk, disk_i);
    disk_serial(c, disk, disk_i);
    disk_modes(c, disk, disk_i);
    disk_block_size(c, disk, disk_i);
  }
}

/* --- disks and volumes ------------------------------------------------------------------------------------------------------------------------------------ */
/* A cdrom may be empty where volumes can be plugged in later. */
WRY_RULE(wry_rule_disk_volumes) {
  gboolean empty_cdrom = wry_config_gate(c->config, "DeclarativeHotplugVolumes");
  WRY_EACH(WryDisk, disk, c->spec->domain->devices->disks) {
    const WryVolume *volume = wry_vmi_volume(c->spec, disk->name);
    if (!volume && !(disk->cdrom && empty_cdrom)) wry_refuse(c, INVALID, DISK(c, disk_i, ".name"), "no volume is named %s", disk->name);
    if (volume && disk->lun && !volume->persistentVolumeClaim && !volume->dataVolume)
      wry_refuse(c, INVALID, DISK(c, disk_i, ".lun"), "can only be a persistentVolumeClaim or a dataVolume");
  }
}

static gboolean has_filesystem(const WryCheck *c, const char *name) {
  WRY_EACH(WryFilesystem, filesystem, c->spec->domain->devices->filesystems) {
    if (!g_strcmp0(filesystem->name, name)) return TRUE;
  }
  return FALSE;
}

WRY_RULE(wry_rule_volumes_used) {
  const GPtrArray *disks = c->spec->domain->devices->disks;
  WRY_EACH(WryVolume, volume, c->spec->volumes) {
    gboolean filesystem = has_filesystem(c, volume->name), disk = disks && disk_seen(disks, volume->name, disks->len);
    if (volume->containerPath && !filesystem) wry_refuse(c, INVALID, wry_at(c, "volumes[%u]", volume_i), "a containerPath can only be used by a filesystem");
    if (!filesystem && !disk && !volume->memoryDump) wry_refuse(c, INVALID, wry_at(c, "volumes[%u]", volume_i), "no disk or filesystem is named %s", volume->name);
  }
}
