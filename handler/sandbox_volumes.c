/* Sources of a sandbox's volume binds: opened, checked, handed to the VM's uid.
 *
 * What main names is looked up below the directories that the root half opened at its start, one component at a time and without following a link (vpath.h): a claim is
 * state/pvc/<namespace>/<name>/disk.img, an image lies below images/disks/, a host disk below one of the operator's roots. Only regular files (and block
 * devices of host disks) are bound, never directories that the guest side could fill with links, kernelBoot's read-only directory aside. A disk that is written
 * to changes its owner to the VM's uid through its fd, after its type, its link count and its present owner were seen. */
#include "handler/sandbox.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

void wry_bind_free(WryBind *bind) {
  if (!bind)
    return;
  if (bind->fd >= 0)
    close(bind->fd);
  g_free(bind->target);
  g_free(bind);
}

static gboolean is_vm_uid(uid_t uid) {
  return uid >= WRY_VM_UID_FIRST;
}

/* Gives a disk to the VM. It may belong to the handler, to root or to another VM that is over; anything else was not put there by Wherry. */
static gboolean give_to_vm(const WryPrivContext *context, int fd, uid_t uid, GError **error) {
  struct stat s;
  if (fstat(fd, &s) != 0)
    return wry_errno(error, errno, "stat");
  if (s.st_uid == uid && (s.st_mode & 0777) == 0600)
    return TRUE;
  if (s.st_uid != 0 && s.st_uid != context->options->handler_uid && !is_vm_uid(s.st_uid)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_DENIED, "it belongs to uid %u, which is neither the handler nor a VM", s.st_uid);
    return FALSE;
  }
  if (fchown(fd, uid, uid) != 0 || fchmod(fd, 0600) != 0)
    return wry_errno(error, errno, "change of owner");
  return TRUE;
}

static off_t disk_size(uint64_t capacity) {
  return ((off_t)capacity + WRY_DISK_ALIGN - 1) / WRY_DISK_ALIGN * WRY_DISK_ALIGN;
}

/* To the size that its claim asks for at this start. Never smaller: a guest's data would go. Images of claims are raw, so the new end is a hole. */
static gboolean grow(int fd, uint64_t capacity, GError **error) {
  struct stat s;
  if (fstat(fd, &s) != 0 || (s.st_size < disk_size(capacity) && ftruncate(fd, disk_size(capacity)) != 0))
    return wry_errno(error, errno, "size of the claim's disk.img");
  return TRUE;
}

static int open_pvc(const WryPrivContext *context, const WryRootVolume *volume, uid_t uid, GError **error) {
  if (!wry_vname_valid(volume->namespace_) || !wry_vname_valid(volume->source)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "claim name is no path component");
    return -1;
  }
  g_autofree char *path = g_strdup_printf("pvc/%s/%s/disk.img", volume->namespace_, volume->source);
  wry_autofd int fd = wry_vopen(context->options->state_fd, path, O_RDWR, 0, WRY_WANT_FILE, error);
  if (fd < 0 || !grow(fd, volume->capacity, error) || !give_to_vm(context, fd, uid, error))
    return -1;
  return g_steal_fd(&fd);
}

static int open_image(const WryPrivContext *context, const WryRootVolume *volume, uid_t uid, GError **error) {
  (void)uid;
  g_autofree char *path = g_strdup_printf("disks/%s", volume->source);
  gboolean directory = volume->kind == WRY_VOLUME_KERNEL;
  return wry_vopen(context->options->images_fd, path, O_RDONLY | (directory ? O_DIRECTORY : 0), 0, directory ? WRY_WANT_DIR : WRY_WANT_FILE, error);
}

/* The operator's root in which the path lies, and the rest of the path. */
static int host_disk_root(const WryPrivContext *context, const char *path, const char **ret_rest, GError **error) {
  for (const char *const *root = context->options->host_disk_roots; root && *root; root++) {
    gsize n = strlen(*root);
    while (n > 1 && (*root)[n - 1] == '/')
      n--;
    if (strncmp(path, *root, n) != 0 || path[n] != '/' || !path[n + 1])
      continue;
    *ret_rest = path + n + 1;
    return wry_dir_open(*root, error);
  }
  g_set_error(error, WRY_ERROR, WRY_ERROR_DENIED, "host disk %s lies in no directory that --host-disk-root allows", path);
  return -1;
}

/* Makes the image when it is absent; never touches one that is there. The size is the capacity, rounded up to what QEMU accepts; sparse. */
static int create_host_disk(int root, const char *rest, uint64_t capacity, GError **error) {
  wry_autofd int fd = wry_vopen(root, rest, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, WRY_WANT_FILE, error);
  if (fd < 0)
    return -1;
  if (ftruncate(fd, disk_size(capacity)) != 0) {
    wry_errno(error, errno, "size of %s", rest);
    wry_vunlink(root, rest, NULL);
    return -1;
  }
  return g_steal_fd(&fd);
}

static int open_host_disk(const WryPrivContext *context, const WryRootVolume *volume, uid_t uid, GError **error) {
  const char *rest = NULL;
  wry_autofd int root = host_disk_root(context, volume->source, &rest, error);
  if (root < 0)
    return -1;
  wry_autofd int fd = wry_vexists(root, rest) || !volume->create ? wry_vopen(root, rest, O_RDWR, 0, WRY_WANT_ANY, error)
                                                              : create_host_disk(root, rest, volume->capacity, error);
  struct stat s;
  if (fd < 0)
    return -1;
  if (fstat(fd, &s) != 0 || !(S_ISREG(s.st_mode) || S_ISBLK(s.st_mode)) || (S_ISREG(s.st_mode) && s.st_nlink != 1)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "host disk %s is neither a regular file with one name nor a block device", volume->source);
    return -1;
  }
  if (!give_to_vm(context, fd, uid, error))
    return -1;
  return g_steal_fd(&fd);
}

typedef int (*OpenVolume)(const WryPrivContext *context, const WryRootVolume *volume, uid_t uid, GError **error);
static const OpenVolume openers[] = {
    [WRY_VOLUME_PVC] = open_pvc, [WRY_VOLUME_IMAGE] = open_image, [WRY_VOLUME_KERNEL] = open_image, [WRY_VOLUME_HOSTDISK] = open_host_disk};

static WryBind *volume_bind(const WryPrivContext *context, const WryRootVolume *volume, uid_t uid, GError **error) {
  if (volume->kind == 0 || volume->kind >= G_N_ELEMENTS(openers) || !wry_vname_valid(volume->name)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "unknown kind or unusable name");
    return NULL;
  }
  int fd = openers[volume->kind](context, volume, uid, error);
  if (fd < 0)
    return NULL;
  gboolean directory = volume->kind == WRY_VOLUME_KERNEL;
  WryBind *bind = g_new0(WryBind, 1);
  bind->fd = fd;
  bind->directory = directory;
  bind->read_only = volume->read_only || volume->kind == WRY_VOLUME_IMAGE || directory;
  bind->target = g_strdup_printf("run/wherry/volumes/%s%s", volume->name, directory ? "" : "/disk.img");
  return bind;
}

GPtrArray *wry_sandbox_volumes(const WryPrivContext *context, const WryRootRequest *request, uid_t uid, GError **error) {
  g_autoptr(GPtrArray) binds = g_ptr_array_new_with_free_func((GDestroyNotify)wry_bind_free);
  for (guint i = 0; i < request->n_volumes; i++) {
    WryBind *bind = volume_bind(context, &request->volumes[i], uid, error);
    if (!bind) {
      g_prefix_error(error, "volume %s: ", request->volumes[i].name);
      return NULL;
    }
    g_ptr_array_add(binds, bind);
  }
  return g_steal_pointer(&binds);
}
