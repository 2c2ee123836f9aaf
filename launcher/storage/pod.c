/* Volumes of a pod, as the kubelet mounted them.
 *
 * How it works: by kind of volume. A container disk is the file that the bundle names, or the only file of its directory; its format is told by its first bytes, which nobody but the image's maker
 * has written: the mount is read-only. A claim is a block device when its device is there and its directory is not, else the file disk.img, made sparse when it is absent and its size is known.
 * Files of Secrets and ConfigMaps are read as the kubelet shows them: the real ones lie behind the link "..data".
 * Relies on: storage.h refusing qcow2 images that lead elsewhere; claims being raw, whatever their bytes look like. */
#include "launcher/storage/pod.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/vpath.h"

#define QCOW2_MAGIC "QFI\xfb"

typedef struct {
  const char *root;
  WryBundleVolume *given;
  const WryVolume *volume;
} Place;

static int open_dir(const Place *place, const char *path, GError **error) {
  g_autofree char *whole = g_strconcat(place->root, path, NULL);
  return wry_dir_open(whole, error);
}

static gboolean missing(GError **error, const char *what) {
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_VOLUME_MISSING, what);
  return FALSE;
}

/* --- container disks ------------------------------------------------------------------------------------------------------------------------------------ */
static char *only_file(int dir, GError **error) {
  g_autoptr(GPtrArray) names = wry_vlist(dir, error);
  const char *found = NULL;
  for (guint i = 0; names && i < names->len; i++) {
    wry_autofd int fd = wry_vopen(dir, names->pdata[i], O_RDONLY, 0, WRY_WANT_FILE, NULL);
    if (fd < 0) continue;
    if (found) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "the image has more than one disk: %s, %s", found, (char *)names->pdata[i]);
      return NULL;
    }
    found = names->pdata[i];
  }
  if (names && !found) missing(error, "the image has no disk");
  return g_strdup(found);
}

static gboolean tell_format(WryBundleVolume *given, int dir, const char *file, GError **error) {
  char magic[4] = "";
  wry_autofd int fd = wry_vopen(dir, file, O_RDONLY, 0, WRY_WANT_FILE, error);
  if (fd < 0) return FALSE;
  gboolean qcow2 = pread(fd, magic, sizeof magic, 0) == (ssize_t)sizeof magic && memcmp(magic, QCOW2_MAGIC, sizeof magic) == 0;
  g_free(given->format);
  given->format = g_strdup(qcow2 ? "qcow2" : "raw");
  return TRUE;
}

static gboolean locate_image(const Place *place, GError **error) {
  WryBundleVolume *given = place->given;
  gboolean named = place->volume->containerDisk->path && *place->volume->containerDisk->path;
  g_autofree char *directory = named ? g_path_get_dirname(given->path) : g_strdup(given->path), *file = named ? g_path_get_basename(given->path) : NULL;
  wry_autofd int dir = open_dir(place, directory, error);
  if (dir < 0) return FALSE;
  if (!file) file = only_file(dir, error);
  if (!file || !tell_format(given, dir, file, error)) return FALSE;
  g_free(given->path);
  given->path = g_build_filename(directory, file, NULL);
  return TRUE;
}

/* --- claims and host disks ------------------------------------------------------------------------------------------------------------------------------ */
static gboolean make_disk(const WryBundleVolume *given, int dir, const char *file, GError **error) {
  if (!given->size.set) return missing(error, "it has no disk image");
  wry_autofd int fd = wry_vopen(dir, file, O_RDWR | O_CREAT | O_EXCL, 0660, WRY_WANT_FILE, error);
  if (fd < 0) return FALSE;
  if (ftruncate(fd, (off_t)given->size.v / WRY_DISK_ALIGN * WRY_DISK_ALIGN) == 0) return TRUE;
  wry_errno(error, errno, "size of the disk image");
  wry_vunlink(dir, file, NULL);
  return FALSE;
}

static gboolean locate_disk(const Place *place, GError **error) {
  WryBundleVolume *given = place->given;
  g_autofree char *directory = g_path_get_dirname(given->path), *file = g_path_get_basename(given->path);
  wry_autofd int dir = open_dir(place, directory, NULL), dev = open_dir(place, "/dev", NULL);
  wry_autofd int block = dir < 0 && dev >= 0 && wry_vname_valid(given->name) ? wry_vopen(dev, given->name, O_PATH, 0, WRY_WANT_BLOCK, NULL) : -1;
  if (block >= 0) {
    g_free(given->path);
    given->path = g_strconcat("/dev/", given->name, NULL);
    given->block = (WryOptBool){TRUE, TRUE};
    return TRUE;
  }
  if (dir < 0) return missing(error, "it is not there");
  return wry_vexists(dir, file) || make_disk(given, dir, file, error);
}

/* --- data ------------------------------------------------------------------------------------------------------------------------------------------------ */
/* The directory behind the kubelet's link, or the directory itself. */
static int open_data(const Place *place, const char *path) {
  char target[256] = "";
  wry_autofd int dir = open_dir(place, path, NULL);
  ssize_t n = dir < 0 ? -1 : readlinkat(dir, "..data", target, sizeof target - 1);
  if (n > 0) return wry_vopen(dir, target, O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, NULL);
  return g_steal_fd(&dir);
}

static gboolean read_files(const Place *place, const char *path, GError **error) {
  wry_autofd int dir = open_data(place, path);
  g_autoptr(GPtrArray) names = dir < 0 ? NULL : wry_vlist(dir, error);
  if (dir < 0) return TRUE;
  if (!place->given->data) place->given->data = json_object_new_object();
  for (guint i = 0; names && i < names->len; i++) {
    gsize length;
    wry_autofd int fd = wry_vopen(dir, names->pdata[i], O_RDONLY, 0, WRY_WANT_FILE, NULL);
    g_autofree char *text = fd < 0 ? NULL : wry_fd_read(fd, WRY_MAX_CLOUDINIT_SECRET, &length, error);
    if (fd < 0) continue;
    if (!text) return FALSE;
    g_autofree char *coded = g_base64_encode((const guchar *)text, length);
    json_object_object_add(place->given->data, names->pdata[i], json_object_new_string(coded));
  }
  return names != NULL;
}

static gboolean locate_data(const Place *place, GError **error) { return read_files(place, place->given->path, error); }

static gboolean locate_seed(const Place *place, GError **error) {
  g_autofree char *user = g_strconcat(place->given->path, "-udata", NULL), *network = g_strconcat(place->given->path, "-ndata", NULL);
  return read_files(place, user, error) && read_files(place, network, error);
}

/* --- the whole ------------------------------------------------------------------------------------------------------------------------------------------- */
static const struct { gsize member; gboolean (*locate)(const Place *place, GError **error); } kinds[] = {
  {G_STRUCT_OFFSET(WryVolume, containerDisk), locate_image}, {G_STRUCT_OFFSET(WryVolume, persistentVolumeClaim), locate_disk}, {G_STRUCT_OFFSET(WryVolume, dataVolume), locate_disk},
  {G_STRUCT_OFFSET(WryVolume, ephemeral), locate_disk},      {G_STRUCT_OFFSET(WryVolume, hostDisk), locate_disk},              {G_STRUCT_OFFSET(WryVolume, configMap), locate_data},
  {G_STRUCT_OFFSET(WryVolume, secret), locate_data},         {G_STRUCT_OFFSET(WryVolume, cloudInitNoCloud), locate_seed},      {G_STRUCT_OFFSET(WryVolume, cloudInitConfigDrive), locate_seed},
};

static gboolean locate_one(const Place *place, GError **error) {
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (*(const gpointer *)(gconstpointer)((const char *)place->volume + kinds[i].member)) return kinds[i].locate(place, error);
  return TRUE;
}

gboolean wry_storage_locate(WryBundle *bundle, const WryVmi *vmi, const char *root, GError **error) {
  const GPtrArray *volumes = vmi->spec->volumes;
  for (guint i = 0; volumes && i < volumes->len; i++) {
    const WryVolume *volume = g_ptr_array_index(volumes, i);
    Place place = {root ? root : "", (WryBundleVolume *)(gpointer)wry_bundle_volume(bundle, volume->name), volume};
    if (!place.given || !place.given->path || locate_one(&place, error)) continue;
    g_prefix_error(error, "volume %s: ", volume->name);
    return FALSE;
  }
  return TRUE;
}
