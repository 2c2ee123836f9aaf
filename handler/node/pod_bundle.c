/* Volumes in a launcher pod: where each is, and what the launcher may find there.
 *
 * How it works: a disk has the path that pod_paths.h gives it; what is only known inside the pod (the one file of a container disk, its format, whether a claim is a block device) is left out and
 * looked up by the launcher. Everything else that has a directory in the pod is told by that directory.
 * Relies on: the controller mounting by the same paths. */
#include "handler/node/pod_bundle.h"

#include "handler/controller/pod_paths.h"
#include "wherry/error.h"

static WryBundleVolume *tell(WryBundle *bundle, const char *name) {
  WryBundleVolume *volume = g_new0(WryBundleVolume, 1);
  volume->name = g_strdup(name);
  if (!bundle->volumes) bundle->volumes = g_ptr_array_new();
  g_ptr_array_add(bundle->volumes, volume);
  return volume;
}

static void tell_disk(WryBundleVolume *told, const WryVolume *volume) {
  const WryPvcSource *claim = volume->persistentVolumeClaim;
  told->path = wry_pod_disk_path(volume, FALSE);
  if (!volume->containerDisk) told->format = g_strdup("raw");
  told->readOnly = (WryOptBool){TRUE, volume->containerDisk != NULL || volume->ephemeral != NULL || (claim && wry_opt_bool(claim->readOnly, FALSE))};
}

static gboolean has_directory(const WryVolume *volume) {
  return volume->configMap || volume->secret || volume->sysprep || volume->downwardAPI || volume->serviceAccount || volume->cloudInitNoCloud || volume->cloudInitConfigDrive;
}

/* Only of a claim that the guest may write to. */
static void tell_size(WryBundleVolume *told, const WryVolume *volume, WryJson *claims) {
  const char *text = claims && !told->readOnly.v && wry_pod_claim(volume) ? wry_json_str(claims, volume->name) : NULL;
  gint64 bytes = 0;
  if (text && wry_quantity_value(text, &bytes)) told->size = (WryOptInt){TRUE, bytes};
}

static gboolean tell_one(WryBundle *bundle, const WryVolume *volume, WryJson *claims, GError **error) {
  WryBundleVolume *told = tell(bundle, volume->name);
  gint64 size = 0;
  if (volume->containerDisk || volume->hostDisk || wry_pod_claim(volume)) {
    tell_disk(told, volume);
    tell_size(told, volume, claims);
  } else if (has_directory(volume)) {
    told->path = wry_pod_volume_dir(volume->name);
  } else if (volume->emptyDisk && wry_quantity_value(volume->emptyDisk->capacity, &size)) {
    told->size = (WryOptInt){TRUE, size};
  } else {
    g_set_error(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED, "volume %s: its source is not supported by this version", volume->name);
    return FALSE;
  }
  return TRUE;
}

static void tell_kernel(WryBundle *bundle, const WryVmiSpec *spec) {
  const WryFirmware *firmware = spec->domain->firmware;
  const WryKernelContainer *container = firmware && firmware->kernelBoot ? firmware->kernelBoot->container : NULL;
  if (!container) return;
  bundle->kernel = g_new0(WryBundleKernel, 1);
  const char *const paths[] = {container->kernelPath, container->initrdPath};
  char **const told[] = {&bundle->kernel->kernel, &bundle->kernel->initrd};
  for (gsize i = 0; i < G_N_ELEMENTS(paths); i++)
    if (paths[i] && *paths[i]) *told[i] = g_strconcat(WRY_POD_VOLUMES "/" WRY_POD_KERNEL_BOOT, *paths[i] == '/' ? "" : "/", paths[i], NULL);
}

gboolean wry_pod_bundle(const WryInstance *instance, WryJson *claims, WryBundle *bundle, GError **error) {
  const GPtrArray *volumes = instance->object->spec->volumes;
  bundle->pod = (WryOptBool){TRUE, TRUE};
  for (guint i = 0; volumes && i < volumes->len; i++)
    if (!tell_one(bundle, volumes->pdata[i], claims, error)) return FALSE;
  tell_kernel(bundle, instance->object->spec);
  return TRUE;
}
