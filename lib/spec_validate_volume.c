/* Rules about volumes (contract 2.5). See spec_rules.h. */
#include <string.h>

#include "lib/spec_rules.h"
#include "wherry/limits.h"

#define VOLUME(c, index, field) wry_at(c, "volumes[%u]" field, index)

/* --- source ---------------------------------------------------------------------------------------------------------------------------------------------- */
static guint sources(const WryVolume *v) {
  gconstpointer all[] = {v->hostDisk, v->persistentVolumeClaim, v->cloudInitNoCloud, v->cloudInitConfigDrive, v->sysprep, v->containerDisk, v->ephemeral, v->emptyDisk,
                         v->dataVolume, v->configMap, v->secret, v->downwardAPI, v->serviceAccount, v->downwardMetrics, v->memoryDump, v->containerPath};
  guint count = 0;
  for (guint i = 0; i < G_N_ELEMENTS(all); i++) count += all[i] != NULL;
  return count;
}

static void named_sources(WryCheck *c, const WryVolume *v, guint index) {
  if (v->dataVolume && !wry_text(v->dataVolume->name)) wry_refuse(c, REQUIRED, VOLUME(c, index, ".dataVolume.name"), "must be set");
  if (v->configMap && !wry_text(v->configMap->name)) wry_refuse(c, INVALID, VOLUME(c, index, ".configMap.name"), "must be set");
  if (v->secret && !wry_text(v->secret->secretName)) wry_refuse(c, INVALID, VOLUME(c, index, ".secret.secretName"), "must be set");
  if (v->serviceAccount && !wry_text(v->serviceAccount->serviceAccountName))
    wry_refuse(c, INVALID, VOLUME(c, index, ".serviceAccount.serviceAccountName"), "must be set");
}

static void host_disk(WryCheck *c, const WryHostDisk *disk, guint index) {
  gint64 capacity = 0;
  gboolean plain = !g_strcmp0(disk->type, "Disk");
  if (c->rules != WRY_RULES_THIS_VERSION && !wry_config_gate(c->config, "HostDisk")) wry_refuse(c, INVALID, VOLUME(c, index, ""), "feature gate HostDisk is not enabled"); /* on one box --host-disk-root says it */
  if (!wry_text(disk->path)) wry_refuse(c, NOT_FOUND, VOLUME(c, index, ".hostDisk.path"), "must be set");
  if (!plain && g_strcmp0(disk->type, "DiskOrCreate")) wry_refuse(c, INVALID, VOLUME(c, index, ".hostDisk.type"), "must be Disk or DiskOrCreate");
  if (disk->capacity) wry_quantity_value(disk->capacity, &capacity);
  if (plain && capacity) wry_refuse(c, INVALID, VOLUME(c, index, ".hostDisk.capacity"), "must not be set with type Disk");
}

/* --- cloud-init ------------------------------------------------------------------------------------------------------------------------------------------ */
typedef struct { const char *plain, *base64; const WryLocalRef *secret; const char *what; } CloudData;

static void cloud_data(WryCheck *c, const CloudData *data, const char *kind, guint index) {
  guint given = wry_text(data->plain) + wry_text(data->base64) + (data->secret && wry_text(data->secret->name));
  gsize length = wry_text(data->plain) ? strlen(data->plain) : 0;
  if (given > 1) wry_refuse(c, INVALID, wry_at(c, "volumes[%u].%s", index, kind), "only one source of %s may be set", data->what);
  if (wry_text(data->base64)) {
    g_autofree guchar *decoded = g_regex_match_simple("^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$", data->base64, 0, 0) ? g_base64_decode(data->base64, &length) : NULL;
    if (!decoded) wry_refuse(c, INVALID, wry_at(c, "volumes[%u].%s.%sBase64", index, kind, data->what), "must be base64");
  }
  if (length > WRY_MAX_CLOUDINIT_INLINE)
    wry_refuse(c, INVALID, wry_at(c, "volumes[%u].%s", index, kind), "%s must not exceed %u bytes; use a secret for more", data->what, WRY_MAX_CLOUDINIT_INLINE);
}

static void cloud_init(WryCheck *c, const WryCloudInit *cloud, const char *kind, guint index) {
  if (!cloud) return;
  CloudData user = {cloud->userData, cloud->userDataBase64, cloud->secretRef, "userData"};
  CloudData network = {cloud->networkData, cloud->networkDataBase64, cloud->networkDataSecretRef, "networkData"};
  gboolean any = wry_text(user.plain) || wry_text(user.base64) || user.secret || wry_text(network.plain) || wry_text(network.base64) || network.secret;
  if (!any) wry_refuse(c, INVALID, wry_at(c, "volumes[%u].%s", index, kind), "user data or network data must be set");
  cloud_data(c, &user, kind, index);
  cloud_data(c, &network, kind, index);
}

/* --- all volumes ----------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean volume_seen(const WryCheck *c, const char *name, guint before) {
  for (guint i = 0; i < before; i++)
    if (!g_strcmp0(((const WryVolume *)g_ptr_array_index(c->spec->volumes, i))->name, name)) return TRUE;
  return FALSE;
}

static void volume_counts(WryCheck *c) {
  guint accounts = 0, dumps = 0, metrics = 0;
  const char *account = NULL;
  WRY_EACH(WryVolume, volume, c->spec->volumes) {
    accounts += volume->serviceAccount != NULL;
    dumps += volume->memoryDump != NULL;
    metrics += volume->downwardMetrics != NULL;
    if (volume->serviceAccount) account = volume->serviceAccount->serviceAccountName;
  }
  if (accounts > 1) wry_refuse(c, INVALID, wry_at(c, "volumes"), "only one serviceAccount volume is allowed");
  if (dumps > 1) wry_refuse(c, INVALID, wry_at(c, "volumes"), "only one memoryDump volume is allowed");
  if (metrics > 1) wry_refuse(c, INVALID, wry_at(c, "volumes"), "only one downwardMetrics volume is allowed");
  if (wry_text(c->spec->serviceAccountName) && wry_text(account) && strcmp(account, c->spec->serviceAccountName))
    wry_refuse(c, INVALID, wry_at(c, "serviceAccountName"), "must equal the serviceAccount volume's");
}

WRY_RULE(wry_rule_volumes) {
  WRY_EACH(WryVolume, volume, c->spec->volumes) {
    if (volume_seen(c, volume->name, volume_i)) wry_refuse(c, INVALID, VOLUME(c, volume_i, ".name"), "volume name %s is used twice", volume->name);
    if (sources(volume) != 1) wry_refuse(c, INVALID, VOLUME(c, volume_i, ""), "exactly one source must be set");
    cloud_init(c, volume->cloudInitNoCloud, "cloudInitNoCloud", volume_i);
    cloud_init(c, volume->cloudInitConfigDrive, "cloudInitConfigDrive", volume_i);
    if (volume->hostDisk) host_disk(c, volume->hostDisk, volume_i);
    named_sources(c, volume, volume_i);
  }
  volume_counts(c);
}

WRY_RULE(wry_rule_container_disks) {
  WRY_EACH(WryVolume, volume, c->spec->volumes) {
    const char *path = volume->containerDisk ? volume->containerDisk->path : NULL;
    if (wry_text(path) && (path[0] != '/' || !path[strspn(path, "/")] || strstr(path, "/../")))
      wry_refuse(c, INVALID, VOLUME(c, volume_i, ".containerDisk"), "path must be the absolute path of a file");
  }
}

/* --- shared file systems ---------------------------------------------------------------------------------------------------------------------------------- */
WRY_RULE(wry_rule_filesystems) {
  if (wry_config_gate(c->config, "EnableVirtioFsStorageVolumes")) return;
  WRY_EACH(WryFilesystem, filesystem, c->spec->domain->devices->filesystems) {
    const WryVolume *volume = wry_vmi_volume(c->spec, filesystem->name);
    if (volume && (volume->persistentVolumeClaim || volume->dataVolume))
      wry_refuse(c, INVALID, wry_at(c, "domain.devices.filesystems"), "%s: feature gate EnableVirtioFsStorageVolumes is not enabled", filesystem->name);
  }
}
