/* Rules about storage that is plugged into a running VMI (contract 2.5, "hotplug rules"): what was there from the start stays as it is, what is plugged in has a disk
 * on a bus that allows it. The first problem ends the check, as in KubeVirt. */
#include <string.h>

#include "lib/spec_review.h"

static gboolean is_hotplugged(const WryVolume *volume) {
  return volume->memoryDump || (volume->persistentVolumeClaim && wry_opt_bool(volume->persistentVolumeClaim->hotpluggable, FALSE)) ||
         (volume->dataVolume && wry_opt_bool(volume->dataVolume->hotpluggable, FALSE));
}

static const WryDisk *find_disk(const WryVmiSpec *spec, const char *name) {
  WRY_EACH(WryDisk, disk, spec->domain->devices->disks) {
    if (!g_strcmp0(disk->name, name)) return disk;
  }
  return NULL;
}

const char *wry_hotplug_disk_problem(const WryDisk *disk) {
  const char *bus = disk->disk ? disk->disk->bus : disk->lun ? disk->lun->bus : NULL;
  if (!disk->disk && !disk->lun) return "only a disk or a lun can be plugged in";
  if (!wry_text(bus) || (strcmp(bus, "scsi") && (disk->lun || strcmp(bus, "virtio")))) return disk->lun ? "a lun needs bus scsi" : "needs bus scsi or virtio";
  if (wry_opt_bool(disk->dedicatedIOThread, FALSE) && strcmp(bus, "virtio")) return "dedicatedIOThread needs bus virtio";
  return NULL;
}

/* An empty cdrom of the old spec may get a medium. */
static const char *new_volume_problem(const WryVmiSpec *spec, const WryVmiSpec *old, const WryVolume *volume) {
  if (!is_hotplugged(volume)) return "was not there when the VMI was made and is not hotpluggable";
  if (volume->memoryDump) return NULL;
  const WryDisk *disk = find_disk(spec, volume->name), *before = find_disk(old, volume->name);
  if (!disk) return "has no disk";
  return before && before->cdrom && disk->cdrom ? NULL : wry_hotplug_disk_problem(disk);
}

static const char *volume_problem(const WryVmiSpec *spec, const WryVmiSpec *old, const WryVolume *volume) {
  const WryVolume *before = wry_vmi_volume(old, volume->name);
  if (!before) return new_volume_problem(spec, old, volume);
  return wry_struct_equal(&wry_volume_type, volume, before) ? NULL : "must not be changed";
}

static const char *disk_problem(const WryVmiSpec *spec, const WryVmiSpec *old, const WryDisk *disk) {
  const WryDisk *before = find_disk(old, disk->name);
  if (!wry_vmi_volume(spec, disk->name) && !disk->cdrom) return "has no volume";
  return before && !wry_struct_equal(&wry_disk_type, disk, before) ? "must not be changed" : NULL;
}

void wry_rule_hotplug_storage(const WryVmiSpec *spec, const WryVmiSpec *old, WryCauses *causes) {
  WRY_EACH(WryVolume, volume, old->volumes) {
    if (is_hotplugged(volume) || wry_vmi_volume(spec, volume->name)) continue;
    wry_causes_add(causes, INVALID, "spec.volumes", "volume %s was there when the VMI was made and must not be removed", volume->name);
    return;
  }
  WRY_EACH(WryVolume, volume, spec->volumes) {
    const char *problem = volume_problem(spec, old, volume);
    g_autofree char *path = g_strdup_printf("spec.volumes[%u]", volume_i);
    if (problem) wry_causes_add(causes, INVALID, path, "volume %s %s", volume->name, problem);
    if (problem) return;
  }
  WRY_EACH(WryDisk, disk, spec->domain->devices->disks) {
    const char *problem = disk_problem(spec, old, disk);
    g_autofree char *path = g_strdup_printf("spec.domain.devices.disks[%u]", disk_i);
    if (problem) wry_causes_add(causes, INVALID, path, "disk %s %s", disk->name, problem);
    if (problem) return;
  }
}
