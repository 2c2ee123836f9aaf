/* Pass of the plan: disks. What a volume is decides where its image is and in which format; a table says so per kind of volume. Formats are always named: nobody probes an
 * image, whose bytes may come from a guest.
 *
 * A containerDisk is shared by all VMs that use it, so the guest writes to an overlay. */
#include "launcher/domain/plan.h"
#include "wherry/vpath.h"

#include <string.h>

typedef enum { FROM_BUNDLE, OVERLAY, EMPTY, ISO } Origin;

static const struct {
  gsize offset; /* of the pointer in WryVolume that is set for this kind */
  Origin origin;
} kinds[] = {
    {offsetof(WryVolume, containerDisk), OVERLAY},
    {offsetof(WryVolume, ephemeral), OVERLAY},
    {offsetof(WryVolume, persistentVolumeClaim), FROM_BUNDLE},
    {offsetof(WryVolume, dataVolume), FROM_BUNDLE},
    {offsetof(WryVolume, hostDisk), FROM_BUNDLE},
    {offsetof(WryVolume, emptyDisk), EMPTY},
    {offsetof(WryVolume, cloudInitNoCloud), ISO},
    {offsetof(WryVolume, cloudInitConfigDrive), ISO},
    {offsetof(WryVolume, configMap), ISO},
    {offsetof(WryVolume, secret), ISO},
    {offsetof(WryVolume, downwardAPI), ISO},
};

static gboolean volume_origin(const WryVolume *volume, Origin *ret_origin) {
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (G_STRUCT_MEMBER(gpointer, volume, kinds[i].offset)) {
      *ret_origin = kinds[i].origin;
      return TRUE;
    }
  return FALSE;
}

gboolean wry_domain_is_iso(const WryVolume *volume) {
  Origin origin;
  return volume_origin(volume, &origin) && origin == ISO;
}

char *wry_domain_made_path(const WryVolume *volume, const WryDomainDirs *dirs) {
  Origin origin;
  if (!volume_origin(volume, &origin) || origin == FROM_BUNDLE || !wry_vname_valid(volume->name)) return NULL;
  g_autofree char *file = g_strconcat(volume->name, origin == ISO ? ".iso" : ".qcow2", NULL);
  return g_build_filename(origin == ISO ? dirs->vm : dirs->scratch, file, NULL);
}

void wry_plan_target(char target[16], const char *prefix, guint index) {
  char letters[8];
  guint at = sizeof letters - 1;
  letters[at] = '\0';
  for (guint rest = index + 1; rest > 0 && at > 0; rest = (rest - 1) / 26) letters[--at] = (char)('a' + (rest - 1) % 26);
  g_snprintf(target, 16, "%s%s", prefix, letters + at);
}

static const char *image_format(const WryBundleVolume *given, const char *absent) {
  if (!given->format) return absent;
  return g_str_equal(given->format, "qcow2") ? "qcow2" : "raw";
}

static const WryBundleVolume *given_volume(WryPlanning *p, const WryDomainDisk *disk, GError **error) {
  const WryBundleVolume *given = wry_bundle_volume(p->bundle, disk->name);
  if (given && given->path) return given;
  g_set_error(error, WRY_ERROR, WRY_ERROR_VOLUME_MISSING, "disk %s: its volume is not there", disk->name);
  return NULL;
}

static gboolean plan_source(WryPlanning *p, WryDomainDisk *disk, GError **error) {
  Origin origin;
  const WryBundleVolume *given = NULL;
  if (!wry_vname_valid(disk->name) || !volume_origin(disk->volume, &origin)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED, "disk %s: volume of a kind that this version does not know", disk->name);
    return FALSE;
  }
  if ((origin == FROM_BUNDLE || origin == OVERLAY) && !(given = given_volume(p, disk, error))) return FALSE;
  disk->path = origin == FROM_BUNDLE ? g_strdup(given->path) : wry_domain_made_path(disk->volume, p->dirs);
  disk->format = origin == FROM_BUNDLE ? image_format(given, "raw") : origin == ISO ? "raw" : "qcow2";
  disk->block = origin == FROM_BUNDLE && wry_opt_bool(given->block, FALSE);
  disk->readonly |= origin == FROM_BUNDLE && wry_opt_bool(given->readOnly, FALSE);
  disk->discard = origin != ISO || !g_str_equal(disk->device, "cdrom");
  if (origin == OVERLAY) {
    disk->backing = g_strdup(given->path);
    disk->backing_block = wry_opt_bool(given->block, FALSE);
    disk->backing_format = image_format(given, disk->volume->containerDisk ? "qcow2" : "raw");
  }
  return TRUE;
}

static gboolean takes_direct(WryPlanning *p, const char *name) {
  for (guint i = 0; i < p->direct->len; i++)
    if (g_str_equal(g_ptr_array_index(p->direct, i), name)) return TRUE;
  return FALSE;
}

/* KubeVirt's rule: cache none where every file takes O_DIRECT, else writethrough; native I/O needs the former, and is the default for block devices. */
static gboolean plan_cache(WryPlanning *p, WryDomainDisk *disk, GError **error) {
  const WryDisk *asked = disk->disk;
  gboolean shared = wry_opt_bool(asked->shareable, FALSE);
  disk->cache = asked->cache && *asked->cache ? asked->cache : shared ? "none" : NULL;
  disk->io = asked->io && *asked->io ? asked->io : NULL;
  if (shared && !g_str_equal(disk->cache, "none")) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "disk %s: shareable needs cache none", disk->name);
    return FALSE;
  }
  if (!p->direct) return TRUE;
  gboolean direct = takes_direct(p, disk->name);
  if (!disk->cache) disk->cache = direct ? "none" : "writethrough";
  gboolean none = g_str_equal(disk->cache, "none");
  if (!disk->io && disk->block && none) disk->io = "native";
  if (direct || (!none && g_strcmp0(disk->io, "native"))) return TRUE;
  g_set_error(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED, "disk %s: %s needs O_DIRECT, which its file system lacks", disk->name, none ? "cache none" : "io native");
  return FALSE;
}

static void plan_target(WryDomainDisk *disk, const WryDisk *asked) {
  disk->device = asked->cdrom ? "cdrom" : asked->lun ? "lun" : "disk";
  disk->bus = asked->cdrom ? asked->cdrom->bus : asked->lun ? asked->lun->bus : asked->disk ? asked->disk->bus : NULL;
  if (!disk->bus || !*disk->bus) disk->bus = "sata";
  disk->readonly = asked->cdrom ? wry_opt_bool(asked->cdrom->readonly, TRUE)
                   : asked->lun ? wry_opt_bool(asked->lun->readonly, FALSE)
                                : asked->disk && wry_opt_bool(asked->disk->readonly, FALSE);
}

static gboolean plan_disk(WryPlanning *p, const WryDisk *asked, guint *virtio, guint *others, GError **error) {
  WryDomainDisk *disk = g_new0(WryDomainDisk, 1);
  g_ptr_array_add(p->plan->disks, disk);
  disk->disk = asked;
  disk->name = asked->name ? asked->name : "";
  plan_target(disk, asked);
  gboolean vd = g_str_equal(disk->bus, "virtio");
  guint index = vd ? (*virtio)++ : (*others)++;
  wry_plan_target(disk->target, vd ? "vd" : "sd", index);
  disk->unit = g_str_equal(disk->bus, "scsi") ? (int)index : -1;
  disk->volume = wry_vmi_volume(p->vmi->spec, disk->name);
  if (disk->volume) return plan_source(p, disk, error) && plan_cache(p, disk, error);
  disk->block = disk->discard = TRUE; /* as KubeVirt writes a drive without medium */
  disk->format = "raw";
  if (asked->cdrom) return TRUE;
  g_set_error(error, WRY_ERROR, WRY_ERROR_VOLUME_MISSING, "disk %s: there is no such volume", disk->name);
  return FALSE;
}

gboolean wry_plan_disks(WryPlanning *p, GError **error) {
  const GPtrArray *disks = p->vmi->spec->domain->devices->disks;
  guint virtio = 0, others = 0;
  for (guint i = 0; disks && i < disks->len; i++)
    if (!plan_disk(p, g_ptr_array_index(disks, i), &virtio, &others, error)) return FALSE;
  return TRUE;
}
