/* Where the disks of a VMI are in its launcher pod. Pure string work on the spec.
 * Relies on: pod_volumes.c mounts by the same functions. */
#include "handler/controller/pod_paths.h"

#include <string.h>

#define IMAGE_DISK "/disk"

char *wry_pod_volume_dir(const char *name) { return g_strconcat(WRY_POD_VOLUMES "/", name, NULL); }

const char *wry_pod_claim(const WryVolume *volume) {
  if (volume->persistentVolumeClaim) return volume->persistentVolumeClaim->claimName;
  if (volume->dataVolume) return volume->dataVolume->name;
  return volume->ephemeral && volume->ephemeral->persistentVolumeClaim ? volume->ephemeral->persistentVolumeClaim->claimName : NULL;
}

static gboolean has_path(const WryContainerDisk *disk) { return disk->path && *disk->path; }

char *wry_pod_image_dir(const WryContainerDisk *disk) {
  g_autofree char *directory = has_path(disk) ? g_path_get_dirname(disk->path) : g_strdup(IMAGE_DISK);
  return g_strdup(directory + strspn(directory, "/"));
}

static char *file_in(const char *volume, const char *path) {
  g_autofree char *file = g_path_get_basename(path);
  return g_strconcat(WRY_POD_VOLUMES "/", volume, "/", file, NULL);
}

char *wry_pod_disk_path(const WryVolume *volume, gboolean block) {
  if (volume->containerDisk) return has_path(volume->containerDisk) ? file_in(volume->name, volume->containerDisk->path) : wry_pod_volume_dir(volume->name);
  if (volume->hostDisk) return file_in(volume->name, volume->hostDisk->path);
  if (!wry_pod_claim(volume)) return NULL;
  return block ? g_strconcat("/dev/", volume->name, NULL) : file_in(volume->name, "disk.img");
}
