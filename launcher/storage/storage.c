/* Prepares a VM's disks: what a volume is decides who makes its file.
 *
 *   overlay   qemu-img create with a named backing file and format: nothing is guessed from an image's bytes
 *   empty     qemu-img create of the size asked
 *   ISO       written here, by libarchive
 *
 * All programs run at the same time; each result is renamed into place, one that is there already is left alone. At last every file that QEMU will open is opened
 * with O_DIRECT, to know whether it can be. Paths are handed to programs as text, but everything that is opened here is opened below a directory's descriptor. */
#include "launcher/storage/storage.h"

#include "launcher/storage/files.h"
#include "launcher/storage/image.h"
#include "launcher/storage/iso.h"
#include "launcher/storage/job.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"

#include <fcntl.h>

typedef struct {
  const WryVmi *vmi;
  const WryBundle *bundle;
  const WryDomainDirs *dirs;
  int vm, scratch;
  GPtrArray *jobs;  /* WryJob, by place in `names` */
  GPtrArray *names; /* of their volumes: borrowed */
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

static WryJob *start_overlay(Preparing *p, const WryVolume *volume, const char *path, GError **error) {
  const WryBundleVolume *given = given_volume(p, volume, error);
  if (!given || !check_given(given, error)) return NULL;
  g_autofree char *staging = g_strconcat(path, ".staging", NULL), *name = g_path_get_basename(path);
  const char *format = g_strcmp0(given->format, "qcow2") ? "raw" : "qcow2";
  const char *argv[] = {"qemu-img", "create", "-q", "-f", "qcow2", "-F", format, "-b", given->path, staging, NULL};
  return wry_job_start(p->scratch, name, argv, error);
}

static WryJob *start_empty(Preparing *p, const WryVolume *volume, const char *path, GError **error) {
  gint64 bytes = 0;
  if (!wry_quantity_value(volume->emptyDisk->capacity, &bytes) || bytes < 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "capacity %s is no size", volume->emptyDisk->capacity);
    return NULL;
  }
  g_autofree char *staging = g_strconcat(path, ".staging", NULL), *name = g_path_get_basename(path), *size = g_strdup_printf("%" G_GINT64_FORMAT, bytes);
  const char *argv[] = {"qemu-img", "create", "-q", "-f", "qcow2", staging, size, NULL};
  return wry_job_start(p->scratch, name, argv, error);
}

static gboolean write_iso(Preparing *p, const WryVolume *volume, const char *name, GError **error) {
  g_autoptr(WryIsoContent) content = wry_iso_content(p->vmi, volume, wry_bundle_volume(p->bundle, volume->name), error);
  g_autofree char *staging = g_strconcat(name, ".staging", NULL);
  if (!content || !wry_vunlink(p->vm, staging, error)) return FALSE;
  wry_autofd int fd = wry_vopen(p->vm, staging, O_RDWR | O_CREAT | O_EXCL, 0600, WRY_WANT_FILE, error);
  if (fd >= 0 && wry_iso_write(fd, content, error)) return wry_vrename(p->vm, staging, name, error);
  wry_vunlink(p->vm, staging, NULL);
  return FALSE;
}

/* The file is to be made and is not there: makes it, or starts what makes it. */
static gboolean start_volume(Preparing *p, const WryVolume *volume, GError **error) {
  g_autofree char *path = wry_domain_made_path(volume, p->dirs);
  if (!path) return TRUE;
  g_autofree char *name = g_path_get_basename(path);
  gboolean iso = wry_domain_is_iso(volume);
  if (wry_vexists(iso ? p->vm : p->scratch, name)) return TRUE;
  if (iso) return write_iso(p, volume, name, error);
  WryJob *job = volume->emptyDisk ? start_empty(p, volume, path, error) : start_overlay(p, volume, path, error);
  if (!job) return FALSE;
  g_ptr_array_add(p->jobs, job);
  g_ptr_array_add(p->names, volume->name);
  return TRUE;
}

static gboolean start_volumes(Preparing *p, GError **error) {
  const GPtrArray *volumes = p->vmi->spec->volumes;
  for (guint i = 0; volumes && i < volumes->len; i++) {
    const WryVolume *volume = g_ptr_array_index(volumes, i);
    if (start_volume(p, volume, error)) continue;
    g_prefix_error(error, "volume %s: ", volume->name);
    return FALSE;
  }
  return TRUE;
}

/* Waits for all, also after a failure: no program is left behind. The first error is the one told. */
static gboolean finish_jobs(Preparing *p, GError **error) {
  g_autoptr(GError) first = NULL;
  for (guint i = 0; i < p->jobs->len; i++) {
    GError *why = NULL;
    if (wry_job_finish(g_ptr_array_index(p->jobs, i), &why)) continue;
    g_prefix_error(&why, "volume %s: ", (const char *)g_ptr_array_index(p->names, i));
    if (first)
      g_error_free(why);
    else
      first = why;
  }
  if (!first) return TRUE;
  g_propagate_error(error, g_steal_pointer(&first));
  return FALSE;
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

static gboolean prepare(Preparing *p, GPtrArray **ret_direct, GError **error) {
  GError *first = NULL, *second = NULL;
  gboolean started = start_volumes(p, &first), finished = finish_jobs(p, started ? &first : &second);
  g_clear_error(&second);
  if (!started || !finished) {
    g_propagate_error(error, first);
    return FALSE;
  }
  if (!make_nvram_directory(p, error)) return FALSE;
  *ret_direct = find_direct(p, error);
  return *ret_direct != NULL;
}

gboolean wry_storage_prepare(const WryVmi *vmi, const WryBundle *bundle, const WryDomainDirs *dirs, GPtrArray **ret_direct, GError **error) {
  const WryDomainDirs *where = dirs ? dirs : &wry_domain_dirs;
  wry_autofd int vm = wry_dir_open(where->vm, error);
  wry_autofd int scratch = vm < 0 ? -1 : wry_dir_open(where->scratch, error);
  if (scratch < 0) return FALSE;
  g_autoptr(GPtrArray) jobs = g_ptr_array_new(), names = g_ptr_array_new();
  Preparing p = {.vmi = vmi, .bundle = bundle, .dirs = where, .vm = vm, .scratch = scratch, .jobs = jobs, .names = names};
  *ret_direct = NULL;
  return prepare(&p, ret_direct, error);
}
