/* Volumes of a VMI, resolved.
 *
 * How it works: each source of a volume (contract 2: spec.volumes) is a row with the function that resolves it. Images are looked up in the store, claims among the known objects; contents
 * of Secrets, ConfigMaps and downwardAPI fields travel in the bundle, so the sandbox needs no way to them.
 * Relies on: objects.h for what is known; images.h for the store; vpath.h for the claims' directories. */
#include "handler/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/vpath.h"

#define IN_SANDBOX "/run/wherry/volumes/"

typedef struct {
  const WryInstance *instance;
  const char *namespace_;
  WryObjects *objects;
  int images_fd;
  WryImageLookup lookup;
  WryBundle *bundle;
  WryRootRequest *request;
} Resolver;

static WryRootVolume *bind_volume(Resolver *r, guint8 kind, const char *name, const char *source, GError **error) {
  if (r->request->n_volumes >= WRY_ROOT_VOLUMES) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "more than %u volumes", WRY_ROOT_VOLUMES);
    return NULL;
  }
  WryRootVolume *volume = &r->request->volumes[r->request->n_volumes];
  *volume = (WryRootVolume){.kind = kind};
  if (g_strlcpy(volume->name, name, sizeof volume->name) >= sizeof volume->name || g_strlcpy(volume->source, source, sizeof volume->source) >= sizeof volume->source) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "name or path is too long: %s", source);
    return NULL;
  }
  r->request->n_volumes++;
  return volume;
}

static WryBundleVolume *tell(Resolver *r, const char *name) {
  WryBundleVolume *volume = g_new0(WryBundleVolume, 1);
  volume->name = g_strdup(name);
  if (!r->bundle->volumes) r->bundle->volumes = g_ptr_array_new();
  g_ptr_array_add(r->bundle->volumes, volume);
  return volume;
}

static WryBundleVolume *tell_disk(Resolver *r, const char *name, const char *format, gint64 size, gboolean read_only) {
  WryBundleVolume *volume = tell(r, name);
  volume->path = g_strconcat(IN_SANDBOX, name, "/disk.img", NULL);
  volume->format = g_strdup(format);
  volume->size = (WryOptInt){size > 0, size};
  volume->readOnly = (WryOptBool){TRUE, read_only};
  return volume;
}

/* --- disks --------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean resolve_container_disk(Resolver *r, const WryVolume *volume, GError **error) {
  WryImageDisk disk = {0};
  gboolean found = r->lookup(r->images_fd, volume->containerDisk->image, volume->containerDisk->path, &disk, error);
  WryRootVolume *bound = found ? bind_volume(r, WRY_VOLUME_IMAGE, volume->name, disk.source, error) : NULL;
  if (bound) {
    bound->read_only = 1;
    tell_disk(r, volume->name, disk.format ? disk.format : "raw", disk.size, TRUE)->checksum = g_strdup(disk.digest);
  }
  wry_image_disk_clear(&disk);
  return bound != NULL;
}

gint64 wry_claim_size(const WryPvc *claim) {
  gint64 size = 0;
  const WryResources *resources = claim->spec ? claim->spec->resources : NULL;
  const char *asked = resources && resources->requests ? wry_json_str(resources->requests, "storage") : NULL;
  return asked && wry_quantity_value(asked, &size) ? size : 0;
}

static gboolean resolve_claim(Resolver *r, const WryVolume *volume, GError **error) {
  const WryPvcSource *source = volume->persistentVolumeClaim;
  const WryObject *object = wry_objects_find(r->objects, WRY_OBJECT_PVC, r->namespace_, source->claimName);
  if (!object || object->removed) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_VOLUME_MISSING, "PVC %s/%s does not exist, waiting for it to appear", r->namespace_, source->claimName);
    return FALSE;
  }
  gint64 size = wry_claim_size(object->typed);
  if (size <= 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "PVC %s/%s asks for no storage", r->namespace_, source->claimName);
    return FALSE;
  }
  WryRootVolume *bound = bind_volume(r, WRY_VOLUME_PVC, volume->name, source->claimName, error);
  if (!bound) return FALSE;
  g_strlcpy(bound->namespace_, r->namespace_, sizeof bound->namespace_);
  bound->read_only = wry_opt_bool(source->readOnly, FALSE);
  bound->capacity = (guint64)size;
  tell_disk(r, volume->name, "raw", size, bound->read_only);
  return TRUE;
}

static gboolean resolve_host_disk(Resolver *r, const WryVolume *volume, GError **error) {
  const WryHostDisk *source = volume->hostDisk;
  gint64 size = 0;
  if (source->capacity && !wry_quantity_value(source->capacity, &size)) size = 0;
  WryRootVolume *bound = bind_volume(r, WRY_VOLUME_HOSTDISK, volume->name, source->path, error);
  if (!bound) return FALSE;
  bound->create = g_strcmp0(source->type, "DiskOrCreate") == 0;
  bound->capacity = (guint64)MAX(size, 0);
  tell_disk(r, volume->name, "raw", size, FALSE);
  return TRUE;
}

static gboolean resolve_empty_disk(Resolver *r, const WryVolume *volume, GError **error) {
  gint64 size = 0;
  if (!wry_quantity_value(volume->emptyDisk->capacity, &size)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "emptyDisk capacity %s is no quantity", volume->emptyDisk->capacity);
    return FALSE;
  }
  tell(r, volume->name)->size = (WryOptInt){TRUE, size};
  return TRUE;
}

/* --- contents ------------------------------------------------------------------------------------------------------------------------------------------ */
static void put_plain(WryJson *data, const char *key, const char *text) {
  g_autofree char *encoded = g_base64_encode((const guchar *)text, strlen(text));
  json_object_object_add(data, key, json_object_new_string(encoded));
}

static void put_all(WryJson *data, WryJson *map, gboolean plain) {
  if (!map) return;
  json_object_object_foreach(map, key, value) {
    if (plain)
      put_plain(data, key, json_object_get_string(value));
    else
      json_object_object_add(data, key, json_object_get(value));
  }
}

static WryJson *secret_data(Resolver *r, const char *name, GError **error) {
  const WryObject *object = wry_objects_find(r->objects, WRY_OBJECT_SECRET, r->namespace_, name);
  if (!object || object->removed) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "secret \"%s\" not found", name);
    return NULL;
  }
  const WrySecret *secret = object->typed;
  WryJson *data = json_object_new_object();
  put_all(data, secret->data, FALSE);
  put_all(data, secret->stringData, TRUE);
  return data;
}

static WryJson *config_map_data(Resolver *r, const char *name, GError **error) {
  const WryObject *object = wry_objects_find(r->objects, WRY_OBJECT_CONFIG_MAP, r->namespace_, name);
  if (!object || object->removed) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "configmap \"%s\" not found", name);
    return NULL;
  }
  const WryConfigMap *map = object->typed;
  WryJson *data = json_object_new_object();
  put_all(data, map->data, TRUE);
  put_all(data, map->binaryData, FALSE);
  return data;
}

/* What is optional and missing is empty. */
static gboolean tell_data(Resolver *r, const char *name, WryJson *take_data, gboolean optional, GError **error) {
  if (!take_data && !optional) return FALSE;
  if (!take_data && error) g_clear_error(error);
  tell(r, name)->data = take_data ? take_data : json_object_new_object();
  return TRUE;
}

static gboolean resolve_secret(Resolver *r, const WryVolume *volume, GError **error) {
  g_autoptr(GError) local = NULL;
  gboolean done = tell_data(r, volume->name, secret_data(r, volume->secret->secretName, &local), wry_opt_bool(volume->secret->optional, FALSE), &local);
  if (!done) g_propagate_error(error, g_steal_pointer(&local));
  return done;
}

static gboolean resolve_config_map(Resolver *r, const WryVolume *volume, GError **error) {
  g_autoptr(GError) local = NULL;
  gboolean done = tell_data(r, volume->name, config_map_data(r, volume->configMap->name, &local), wry_opt_bool(volume->configMap->optional, FALSE), &local);
  if (!done) g_propagate_error(error, g_steal_pointer(&local));
  return done;
}

/* One of two spellings of a key, as KubeVirt accepts them. */
static gboolean take_key(Resolver *r, const WryLocalRef *ref, const char *key, const char *other, WryJson *into, const char *as, GError **error) {
  if (!ref || !ref->name) return TRUE;
  g_autoptr(WryJson) data = secret_data(r, ref->name, error);
  if (!data) return FALSE;
  const char *value = wry_json_str(data, key) ? wry_json_str(data, key) : wry_json_str(data, other);
  if (!value) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "secret \"%s\" has no key %s", ref->name, key);
    return FALSE;
  }
  json_object_object_add(into, as, json_object_new_string(value));
  return TRUE;
}

static gboolean resolve_cloud_init(Resolver *r, const WryVolume *volume, GError **error) {
  const WryCloudInit *source = volume->cloudInitNoCloud ? volume->cloudInitNoCloud : volume->cloudInitConfigDrive;
  WryJson *data = tell(r, volume->name)->data = json_object_new_object();
  return take_key(r, source->secretRef, "userdata", "userData", data, "userdata", error) &&
         take_key(r, source->networkDataSecretRef, "networkdata", "networkData", data, "networkdata", error);
}

static gboolean resolve_downward(Resolver *r, const WryVolume *volume, GError **error) {
  WryJson *data = tell(r, volume->name)->data = json_object_new_object();
  const GPtrArray *fields = volume->downwardAPI->fields;
  for (guint i = 0; fields && i < fields->len; i++) {
    const WryDownwardItem *item = fields->pdata[i];
    g_autofree char *text = item->fieldRef ? wry_downward_field(r->instance, item->fieldRef->fieldPath)
                          : item->resourceFieldRef ? wry_downward_resource(r->instance->object->spec, item->resourceFieldRef) : NULL;
    if (!text) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED, "downwardAPI field for %s is not supported", item->path);
      return FALSE;
    }
    put_plain(data, item->path, text);
  }
  return TRUE;
}

/* --- the whole ----------------------------------------------------------------------------------------------------------------------------------------- */
static const struct { gsize offset; gboolean (*resolve)(Resolver *r, const WryVolume *volume, GError **error); } sources[] = {
  {offsetof(WryVolume, containerDisk), resolve_container_disk}, {offsetof(WryVolume, persistentVolumeClaim), resolve_claim},
  {offsetof(WryVolume, hostDisk), resolve_host_disk},           {offsetof(WryVolume, emptyDisk), resolve_empty_disk},
  {offsetof(WryVolume, cloudInitNoCloud), resolve_cloud_init},  {offsetof(WryVolume, cloudInitConfigDrive), resolve_cloud_init},
  {offsetof(WryVolume, secret), resolve_secret},                {offsetof(WryVolume, configMap), resolve_config_map},
  {offsetof(WryVolume, downwardAPI), resolve_downward},
};

static gboolean resolve_one(Resolver *r, const WryVolume *volume, GError **error) {
  for (gsize i = 0; i < G_N_ELEMENTS(sources); i++) {
    if (!*(const gpointer *)((const char *)volume + sources[i].offset)) continue;
    if (sources[i].resolve(r, volume, error)) return TRUE;
    g_prefix_error(error, "volume %s: ", volume->name);
    return FALSE;
  }
  g_set_error(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED, "volume %s: its source is not supported by this version", volume->name);
  return FALSE;
}

/* "<image directory>/<file>" -> the file's path in the sandbox; the directory itself is bound once. */
static gboolean resolve_kernel_file(Resolver *r, const WryKernelContainer *container, const char *path, char **ret_path, GError **error) {
  if (!path) return TRUE;
  WryImageDisk file = {0};
  gboolean done = r->lookup(r->images_fd, container->image, path, &file, error);
  const char *slash = done ? strchr(file.source, '/') : NULL;
  if (slash) {
    g_autofree char *directory = g_strndup(file.source, (gsize)(slash - file.source));
    WryRootVolume *last = r->request->n_volumes ? &r->request->volumes[r->request->n_volumes - 1] : NULL;
    gboolean bound = last && last->kind == WRY_VOLUME_KERNEL;
    WryRootVolume *volume = bound ? last : bind_volume(r, WRY_VOLUME_KERNEL, "kernel-boot", directory, error);
    done = volume != NULL;
    if (volume) volume->read_only = 1;
    *ret_path = g_strconcat(IN_SANDBOX "kernel-boot", slash, NULL);
  }
  wry_image_disk_clear(&file);
  return done;
}

static gboolean resolve_kernel(Resolver *r, GError **error) {
  const WryFirmware *firmware = r->instance->object->spec->domain->firmware;
  const WryKernelContainer *container = firmware && firmware->kernelBoot ? firmware->kernelBoot->container : NULL;
  if (!container) return TRUE;
  WryBundleKernel *kernel = r->bundle->kernel = g_new0(WryBundleKernel, 1);
  if (resolve_kernel_file(r, container, container->kernelPath, &kernel->kernel, error) && resolve_kernel_file(r, container, container->initrdPath, &kernel->initrd, error))
    return TRUE;
  g_prefix_error(error, "kernelBoot: ");
  return FALSE;
}

gboolean wry_volumes_resolve(const WryInstance *instance, WryObjects *objects, int images_fd, WryImageLookup lookup, WryBundle *bundle, WryRootRequest *request, GError **error) {
  Resolver r = {instance, instance->object->metadata->namespace_, objects, images_fd, lookup, bundle, request};
  const GPtrArray *volumes = instance->object->spec->volumes;
  for (guint i = 0; volumes && i < volumes->len; i++)
    if (!resolve_one(&r, volumes->pdata[i], error)) return FALSE;
  return resolve_kernel(&r, error);
}

GPtrArray *wry_volumes_claims(const WryVmiSpec *spec) {
  GPtrArray *claims = g_ptr_array_new();
  for (guint i = 0; spec->volumes && i < spec->volumes->len; i++) {
    const WryVolume *volume = spec->volumes->pdata[i];
    if (volume->persistentVolumeClaim) g_ptr_array_add(claims, volume->persistentVolumeClaim->claimName);
  }
  return claims;
}

gint64 wry_claim_image_size(int state_fd, const char *namespace_, const char *name) {
  g_autofree char *path = g_strdup_printf("pvc/%s/%s/disk.img", namespace_, name);
  wry_autofd int fd = wry_vopen(state_fd, path, O_PATH, 0, WRY_WANT_FILE, NULL);
  struct stat file;
  return fd >= 0 && fstat(fd, &file) == 0 ? file.st_size : 0;
}

static gboolean make_claim(int state_fd, const WryRootVolume *volume, GError **error) {
  g_autofree char *directory = g_strdup_printf("pvc/%s/%s", volume->namespace_, volume->source);
  wry_autofd int dirfd = wry_vmkdir(state_fd, directory, 0711, error);
  if (dirfd < 0) return FALSE;
  if (wry_vexists(dirfd, "disk.img")) return TRUE;
  wry_autofd int fd = wry_vopen(dirfd, "new.img", O_RDWR | O_CREAT | O_TRUNC, 0600, WRY_WANT_FILE, error);
  if (fd < 0) return FALSE;
  off_t size = ((off_t)volume->capacity + WRY_DISK_ALIGN - 1) / WRY_DISK_ALIGN * WRY_DISK_ALIGN;
  if (ftruncate(fd, size) != 0 || fsync(fd) != 0) return wry_errno(error, errno, "disk.img of claim %s", volume->source);
  return wry_vrename(dirfd, "new.img", "disk.img", error);
}

gboolean wry_volumes_make_claims(int state_fd, const WryRootRequest *request, GError **error) {
  for (guint i = 0; i < request->n_volumes; i++)
    if (request->volumes[i].kind == WRY_VOLUME_PVC && !make_claim(state_fd, &request->volumes[i], error)) return FALSE;
  return TRUE;
}
