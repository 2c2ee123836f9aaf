/* Prepares a VM's disks: what a volume is decides what its file is.
 *
 *   overlay   an empty qcow2 image with a named backing file and format: nothing is guessed from an image's bytes
 *   empty     an empty qcow2 image of the size asked
 *   ISO       by libarchive
 *
 * Each result is renamed into place, one that is there already is left alone. At last every file that QEMU will open is opened with O_DIRECT, to know whether it can be. Everything is opened
 * below a directory's descriptor. */
#include "launcher/storage/storage.h"

#include "launcher/storage/files.h"
#include "launcher/storage/image.h"
#include "launcher/storage/iso.h"
#include "launcher/storage/qcow2.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  const WryVmi *vmi;
  const WryBundle *bundle;
  const WryDomainDirs *dirs;
  int vm, scratch;
} Preparing;

/* Opens a file of the bundle by its directory. */
static int open_given(const char *path, int flags, gboolean block, GError **error) {
  g_autofree char *directory = g_path_get_dirname(path), *name = g_path_get_basename(path);
  wry_autofd int dirfd = wry_dir_open(directory, error);
  return dirfd < 0 ? -1 : wry_vopen(dirfd, name, flags, 0, block ? WRY_WANT_BLOCK : WRY_WANT_FILE, error);
}

static const WryBundleVolume *given_volume(const Preparing *p, const WryVolume *volume, GError **error) {
  const WryBundleVolume *given = wry_bundle_volume(p->bundle, volume->name);
  if (given && given->path) return given;
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_VOLUME_MISSING, "it is not there");
  return NULL;
}

static gboolean check_given(const WryBundleVolume *given, GError **error) {
  wry_autofd int fd = open_given(given->path, O_RDONLY, wry_opt_bool(given->block, FALSE), error);
  if (fd < 0) return FALSE;
  return g_strcmp0(given->format, "qcow2") || wry_image_check(fd, error);
}

/* Bytes that an image shows. */
static gboolean size_of(int fd, const char *format, guint64 *ret, GError **error) {
  if (strcmp(format, "qcow2") == 0) return wry_image_size(fd, ret, error);
  off_t end = lseek(fd, 0, SEEK_END);
  *ret = end < 0 ? 0 : (guint64)end;
  return end >= 0 || wry_errno(error, errno, "its size");
}

static gboolean write_overlay(Preparing *p, const WryVolume *volume, int fd, GError **error) {
  const WryBundleVolume *given = given_volume(p, volume, error);
  if (!given || !check_given(given, error)) return FALSE;
  const char *format = g_strcmp0(given->format, "qcow2") ? "raw" : "qcow2";
  wry_autofd int image = open_given(given->path, O_RDONLY, wry_opt_bool(given->block, FALSE), error);
  guint64 size;
  return image >= 0 && size_of(image, format, &size, error) && wry_qcow2_write(fd, size, given->path, format, error);
}

static gboolean write_empty(Preparing *p, const WryVolume *volume, int fd, GError **error) {
  gint64 bytes = 0;
  (void)p;
  if (wry_quantity_value(volume->emptyDisk->capacity, &bytes) && bytes >= 0) return wry_qcow2_write(fd, (guint64)bytes, NULL, NULL, error);
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "capacity %s is no size", volume->emptyDisk->capacity);
  return FALSE;
}

static gboolean write_iso(Preparing *p, const WryVolume *volume, int fd, GError **error) {
  g_autoptr(WryIsoContent) content = wry_iso_content(p->vmi, volume, wry_bundle_volume(p->bundle, volume->name), error);
  return content && wry_iso_write(fd, content, error);
}

/* The file is made under another name and renamed when it is whole: what a killed run has left is never taken for it. */
static gboolean make_file(Preparing *p, const WryVolume *volume, const char *name, GError **error) {
  gboolean iso = wry_domain_is_iso(volume);
  int dir = iso ? p->vm : p->scratch;
  g_autofree char *staging = g_strconcat(name, ".staging", NULL);
  if (!wry_vunlink(dir, staging, error)) return FALSE;
  wry_autofd int fd = wry_vopen(dir, staging, O_RDWR | O_CREAT | O_EXCL, 0600, WRY_WANT_FILE, error);
  if (fd >= 0 && (iso ? write_iso : volume->emptyDisk ? write_empty : write_overlay)(p, volume, fd, error) && wry_vrename(dir, staging, name, error)) return TRUE;
  wry_vunlink(dir, staging, NULL);
  return FALSE;
}

static gboolean make_volume(Preparing *p, const WryVolume *volume, GError **error) {
  g_autofree char *path = wry_domain_made_path(volume, p->dirs);
  if (!path) return TRUE;
  g_autofree char *name = g_path_get_basename(path);
  return wry_vexists(wry_domain_is_iso(volume) ? p->vm : p->scratch, name) || make_file(p, volume, name, error);
}

static gboolean make_volumes(Preparing *p, GError **error) {
  const GPtrArray *volumes = p->vmi->spec->volumes;
  for (guint i = 0; volumes && i < volumes->len; i++) {
    const WryVolume *volume = g_ptr_array_index(volumes, i);
    if (make_volume(p, volume, error)) continue;
    g_prefix_error(error, "volume %s: ", volume->name);
    return FALSE;
  }
  return TRUE;
}

static gboolean given_direct(const WryBundleVolume *given, GError **error) {
  gboolean block = wry_opt_bool(given->block, FALSE);
  if (!check_given(given, error)) return FALSE;
  wry_autofd int fd = open_given(given->path, O_RDONLY | O_DIRECT, block, NULL);
  return fd >= 0;
}

static gboolean made_direct(Preparing *p, const char *path, gboolean iso) {
  g_autofree char *name = g_path_get_basename(path);
  wry_autofd int fd = wry_vopen(iso ? p->vm : p->scratch, name, O_RDONLY | O_DIRECT, 0, WRY_WANT_FILE, NULL);
  return fd >= 0;
}

/* Every file behind the volume takes O_DIRECT. An error when one cannot be opened at all. */
static gboolean volume_direct(Preparing *p, const WryVolume *volume, GError **error) {
  g_autofree char *path = wry_domain_made_path(volume, p->dirs);
  gboolean iso = wry_domain_is_iso(volume), made = path && (iso || volume->emptyDisk);
  if (path && !made_direct(p, path, iso)) return FALSE;
  if (made) return TRUE;
  const WryBundleVolume *given = given_volume(p, volume, error);
  return given && given_direct(given, error);
}

static GPtrArray *find_direct(Preparing *p, GError **error) {
  g_autoptr(GPtrArray) direct = g_ptr_array_new_with_free_func(g_free);
  const GPtrArray *volumes = p->vmi->spec->volumes;
  for (guint i = 0; volumes && i < volumes->len; i++) {
    const WryVolume *volume = g_ptr_array_index(volumes, i);
    g_autoptr(GError) why = NULL;
    if (volume_direct(p, volume, &why)) g_ptr_array_add(direct, g_strdup(volume->name));
    if (!why) continue;
    g_propagate_prefixed_error(error, g_steal_pointer(&why), "volume %s: ", volume->name);
    return NULL;
  }
  return g_steal_pointer(&direct);
}

/* Where libvirt puts the variables of a UEFI that outlive the VMI. */
static gboolean make_nvram_directory(const Preparing *p, GError **error) {
  const WryFirmware *firmware = p->vmi->spec->domain->firmware;
  const WryEfi *efi = firmware && firmware->bootloader ? firmware->bootloader->efi : NULL;
  if (!efi || !wry_opt_bool(efi->persistent, FALSE)) return TRUE;
  wry_autofd int state = wry_dir_open(p->dirs->state, error);
  wry_autofd int nvram = state < 0 ? -1 : wry_vmkdir(state, "nvram", 0700, error);
  return nvram >= 0;
}

/* The one folder in which the jail lets QEMU make something. */
static gboolean make_qemu_directory(const Preparing *p, GError **error) {
  wry_autofd int made = wry_vmkdir(p->vm, WRY_DOMAIN_QEMU_DIR, 0700, error);
  return made >= 0;
}

gboolean wry_storage_prepare(const WryVmi *vmi, const WryBundle *bundle, const WryDomainDirs *dirs, GPtrArray **ret_direct, GError **error) {
  const WryDomainDirs *where = dirs ? dirs : &wry_domain_dirs;
  wry_autofd int vm = wry_dir_open(where->vm, error);
  wry_autofd int scratch = vm < 0 ? -1 : wry_dir_open(where->scratch, error);
  *ret_direct = NULL;
  if (scratch < 0) return FALSE;
  Preparing p = {.vmi = vmi, .bundle = bundle, .dirs = where, .vm = vm, .scratch = scratch};
  if (make_volumes(&p, error) && make_nvram_directory(&p, error) && make_qemu_directory(&p, error)) *ret_direct = find_direct(&p, error);
  return *ret_direct != NULL;
}
