/* The volumes of a launcher pod, and where its compute container finds them.
 *
 * How it works: Wherry's own directories are rows; each source of a VMI's volume is a row with a function that fills the pod's volume. Everything lies below /run/wherry/volumes under the volume's name
 * (pod_paths.h). What the guest may only read is mounted read-only. Secrets come to the pod through the kubelet, never through the handler: its account reads none.
 * Relies on: contract 5.4. Image volumes (gate ImageVolume) need Kubernetes 1.35 and a runtime that has them; without the gate a disk is copied out of its image before the launcher starts. */
#include <string.h>

#include "handler/controller/pod_parts.h"
#include "handler/controller/pod_paths.h"

/* --- Wherry's own ---------------------------------------------------------------------------------------------------------------------------------------- */
static const struct { const char *name, *path, *medium, *limit; } own[] = {
    {"wherry-vm", WRY_POD_VM, "Memory", "64Mi"},
    {"wherry-tmp", "/tmp", "Memory", "16Mi"},
    {"wherry-scratch", WRY_POD_SCRATCH, NULL, NULL},
    {"wherry-state", WRY_POD_STATE, NULL, "64Mi"},
};

static WryJson *add_volume(WryPodParts *parts, const char *name, const char *kind) {
  WryJson *volume = wry_append(parts->volumes);
  wry_put_str(volume, "name", name);
  return wry_put_object(volume, kind);
}

static WryJson *mount_at(WryPodParts *parts, const char *name, const char *path, gboolean read_only) {
  WryJson *mount = wry_append(parts->mounts);
  wry_put_str(mount, "name", name);
  wry_put_str(mount, "mountPath", path);
  if (read_only) wry_put_bool(mount, "readOnly", TRUE);
  return mount;
}

static WryJson *mount_volume(WryPodParts *parts, const char *name, gboolean read_only) {
  g_autofree char *path = wry_pod_volume_dir(name);
  return mount_at(parts, name, path, read_only);
}

static void add_empty(WryPodParts *parts, const char *name, const char *medium, const char *limit) {
  WryJson *empty = add_volume(parts, name, "emptyDir");
  wry_put_str(empty, "medium", medium);
  wry_put_str(empty, "sizeLimit", limit);
}

static void add_own(WryPodParts *parts) {
  for (gsize i = 0; i < G_N_ELEMENTS(own); i++) {
    add_empty(parts, own[i].name, own[i].medium, own[i].limit);
    mount_at(parts, own[i].name, own[i].path, FALSE);
  }
}

static void add_hugepages(WryPodParts *parts) {
  const WryMemory *memory = parts->spec->domain->memory;
  if (!memory || !memory->hugepages) return;
  add_empty(parts, "hugepages", "HugePages", NULL);
  mount_at(parts, "hugepages", "/dev/hugepages", FALSE);
}

/* --- sources --------------------------------------------------------------------------------------------------------------------------------------------- */
static void put_optional(WryJson *source, WryOptBool optional) {
  if (optional.set) wry_put_bool(source, "optional", optional.v);
}

static void add_secret(WryPodParts *parts, const char *name, const char *secret, WryOptBool optional) {
  WryJson *source = add_volume(parts, name, "secret");
  wry_put_str(source, "secretName", secret);
  put_optional(source, optional);
  mount_volume(parts, name, TRUE);
}

static void add_config_map(WryPodParts *parts, const char *name, const char *map, WryOptBool optional) {
  WryJson *source = add_volume(parts, name, "configMap");
  wry_put_str(source, "name", map);
  put_optional(source, optional);
  mount_volume(parts, name, TRUE);
}

static void image_volume(WryPodParts *parts, const char *name, const char *image, const char *policy) {
  WryJson *source = add_volume(parts, name, "image");
  wry_put_str(source, "reference", image);
  wry_put_str(source, "pullPolicy", policy);
}

static void container_disk(WryPodParts *parts, const WryVolume *volume) {
  if (!wry_config_gate(parts->config, "ImageVolume")) {
    add_empty(parts, volume->name, NULL, NULL);
    mount_volume(parts, volume->name, TRUE);
    return;
  }
  g_autofree char *directory = wry_pod_image_dir(volume->containerDisk);
  image_volume(parts, volume->name, volume->containerDisk->image, volume->containerDisk->imagePullPolicy);
  wry_put_str(mount_volume(parts, volume->name, TRUE), "subPath", directory);
}

static gboolean is_block(const WryPodParts *parts, const char *claim) {
  const WryPodWorld *world = parts->world;
  g_autoptr(WryJson) object = world->find ? world->find(world->find_data, "PersistentVolumeClaim", parts->namespace_, claim) : NULL;
  return object && g_strcmp0(wry_json_str(wry_json_get(object, "spec"), "volumeMode"), "Block") == 0;
}

static gboolean is_read_only(const WryVolume *volume) {
  const WryPvcSource *source = volume->ephemeral ? volume->ephemeral->persistentVolumeClaim : volume->persistentVolumeClaim;
  return source && wry_opt_bool(source->readOnly, FALSE);
}

/* Those come to a running VM through a pod of their own. */
static gboolean is_hotplugged(const WryVolume *volume) {
  return (volume->persistentVolumeClaim && wry_opt_bool(volume->persistentVolumeClaim->hotpluggable, FALSE)) || (volume->dataVolume && wry_opt_bool(volume->dataVolume->hotpluggable, FALSE));
}

static void claim(WryPodParts *parts, const WryVolume *volume) {
  const char *name = wry_pod_claim(volume);
  if (is_hotplugged(volume)) return;
  WryJson *source = add_volume(parts, volume->name, "persistentVolumeClaim");
  wry_put_str(source, "claimName", name);
  if (is_read_only(volume)) wry_put_bool(source, "readOnly", TRUE);
  if (!is_block(parts, name)) {
    mount_volume(parts, volume->name, is_read_only(volume) || volume->ephemeral);
    return;
  }
  g_autofree char *path = wry_pod_disk_path(volume, TRUE);
  WryJson *device = wry_append(parts->devices);
  wry_put_str(device, "name", volume->name);
  wry_put_str(device, "devicePath", path);
}

static void host_disk(WryPodParts *parts, const WryVolume *volume) {
  g_autofree char *directory = g_path_get_dirname(volume->hostDisk->path);
  WryJson *source = add_volume(parts, volume->name, "hostPath");
  wry_put_str(source, "path", directory);
  wry_put_str(source, "type", g_strcmp0(volume->hostDisk->type, "DiskOrCreate") == 0 ? "DirectoryOrCreate" : "Directory");
  mount_volume(parts, volume->name, FALSE);
}

static void secret(WryPodParts *parts, const WryVolume *volume) { add_secret(parts, volume->name, volume->secret->secretName, volume->secret->optional); }
static void config_map(WryPodParts *parts, const WryVolume *volume) { add_config_map(parts, volume->name, volume->configMap->name, volume->configMap->optional); }

static void sysprep(WryPodParts *parts, const WryVolume *volume) {
  const WrySysprep *source = volume->sysprep;
  if (source->secret)
    add_secret(parts, volume->name, source->secret->name, (WryOptBool){FALSE, FALSE});
  else if (source->configMap)
    add_config_map(parts, volume->name, source->configMap->name, (WryOptBool){FALSE, FALSE});
}

static void downward_api(WryPodParts *parts, const WryVolume *volume) {
  g_autoptr(WryJson) encoded = wry_encode(&wry_volume_type, volume);
  WryJson *source = add_volume(parts, volume->name, "downwardAPI");
  wry_put(source, "items", json_object_get(wry_json_path(encoded, "downwardAPI.fields")));
  mount_volume(parts, volume->name, TRUE);
}

static void downward_metrics(WryPodParts *parts, const WryVolume *volume) {
  add_empty(parts, volume->name, "Memory", "1Mi");
  mount_volume(parts, volume->name, FALSE);
}

/* What a service account's token volume has, without giving the pod itself a token. */
static void service_account(WryPodParts *parts, const WryVolume *volume) {
  WryJson *sources = wry_put_array(add_volume(parts, volume->name, "projected"), "sources");
  wry_put_str(wry_put_object(wry_append(sources), "serviceAccountToken"), "path", "token");
  WryJson *authority = wry_put_object(wry_append(sources), "configMap");
  wry_put_str(authority, "name", "kube-root-ca.crt");
  WryJson *item = wry_append(wry_put_array(authority, "items"));
  wry_put_str(item, "key", "ca.crt");
  wry_put_str(item, "path", "ca.crt");
  item = wry_append(wry_put_array(wry_put_object(wry_append(sources), "downwardAPI"), "items"));
  wry_put_str(item, "path", "namespace");
  wry_put_str(wry_put_object(item, "fieldRef"), "fieldPath", "metadata.namespace");
  mount_volume(parts, volume->name, TRUE);
}

static void cloud_init(WryPodParts *parts, const WryVolume *volume) {
  const WryCloudInit *source = volume->cloudInitNoCloud ? volume->cloudInitNoCloud : volume->cloudInitConfigDrive;
  const struct { const WryLocalRef *ref; const char *suffix; } refs[] = {{source->secretRef, "-udata"}, {source->networkDataSecretRef, "-ndata"}};
  for (gsize i = 0; i < G_N_ELEMENTS(refs); i++) {
    g_autofree char *name = g_strconcat(volume->name, refs[i].suffix, NULL);
    if (refs[i].ref && refs[i].ref->name) add_secret(parts, name, refs[i].ref->name, (WryOptBool){FALSE, FALSE});
  }
}

/* A source is the member of WryVolume at `member`; those that are not listed need nothing in the pod. */
static const struct { gsize member; void (*add)(WryPodParts *parts, const WryVolume *volume); } sources[] = {
    {offsetof(WryVolume, containerDisk), container_disk}, {offsetof(WryVolume, persistentVolumeClaim), claim}, {offsetof(WryVolume, dataVolume), claim},
    {offsetof(WryVolume, ephemeral), claim},              {offsetof(WryVolume, hostDisk), host_disk},         {offsetof(WryVolume, secret), secret},
    {offsetof(WryVolume, configMap), config_map},         {offsetof(WryVolume, sysprep), sysprep},            {offsetof(WryVolume, downwardAPI), downward_api},
    {offsetof(WryVolume, downwardMetrics), downward_metrics}, {offsetof(WryVolume, serviceAccount), service_account}, {offsetof(WryVolume, cloudInitNoCloud), cloud_init},
    {offsetof(WryVolume, cloudInitConfigDrive), cloud_init},
};

static void add_source(WryPodParts *parts, const WryVolume *volume) {
  for (gsize i = 0; i < G_N_ELEMENTS(sources); i++)
    if (*(const void *const *)((const char *)volume + sources[i].member)) sources[i].add(parts, volume);
}

/* --- beside the volumes ---------------------------------------------------------------------------------------------------------------------------------- */
static const char *credential_secret(const WryAccessCredential *credential) {
  const WryCredential *one = credential->sshPublicKey ? credential->sshPublicKey : credential->userPassword;
  return one && one->source && one->source->secret ? one->source->secret->secretName : NULL;
}

/* Two credentials may come from one Secret. */
static void add_credentials(WryPodParts *parts) {
  const GPtrArray *list = parts->spec->accessCredentials;
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; list && i < list->len; i++) {
    const char *from = credential_secret(list->pdata[i]);
    if (!from || !g_hash_table_add(seen, (gpointer)from)) continue;
    g_autofree char *name = g_strconcat(from, "-access-cred", NULL);
    add_secret(parts, name, from, (WryOptBool){FALSE, FALSE});
  }
}

static void add_kernel_boot(WryPodParts *parts) {
  const WryFirmware *firmware = parts->spec->domain->firmware;
  const WryKernelContainer *container = firmware && firmware->kernelBoot ? firmware->kernelBoot->container : NULL;
  if (!container) return;
  if (wry_config_gate(parts->config, "ImageVolume"))
    image_volume(parts, "kernel-boot-volume", container->image, container->imagePullPolicy);
  else
    add_empty(parts, "kernel-boot-volume", NULL, NULL);
  mount_at(parts, "kernel-boot-volume", WRY_POD_VOLUMES "/" WRY_POD_KERNEL_BOOT, TRUE);
}

void wry_pod_volumes(WryPodParts *parts) {
  parts->volumes = wry_put_array(parts->pod, "volumes");
  parts->mounts = wry_put_array(parts->compute, "volumeMounts");
  parts->devices = json_object_new_array();
  add_own(parts);
  for (guint i = 0; parts->spec->volumes && i < parts->spec->volumes->len; i++) add_source(parts, parts->spec->volumes->pdata[i]);
  add_hugepages(parts);
  add_credentials(parts);
  add_kernel_boot(parts);
  if (wry_json_length(parts->devices))
    wry_put(parts->compute, "volumeDevices", parts->devices);
  else
    json_object_put(parts->devices);
}
