/* The file system of a sandbox, built from nothing by its first process: a small tmpfs, the mounts that the root half made (sandbox_mounts.c), a /proc and /sys of its own namespaces, and
 * a tmpfs for the VM. Then it becomes "/", and the host's tree is let go.
 *
 * Relies on: Linux >= 5.12 (mount_setattr); merged /usr (Debian 12 and later). */
#include "handler/birth.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ATTR_DATA (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
#define VM_TMPFS_SIZE "64m"
#define VM_TMPFS_INODES "4096"

static const char *const links[][2] = {{"usr/bin", "bin"}, {"usr/sbin", "sbin"}, {"usr/lib", "lib"}, {"usr/lib64", "lib64"}};
static const char *const directories[] = {"usr", "etc", "proc", "sys", "dev/net", "tmp", "run/wherry/node", "run/wherry/vm", "run/wherry/scratch", "run/wherry/state",
                                          "run/wherry/volumes", "opt/wherry"};

static gboolean fs_option(int fs, const char *key, const char *value, GError **error) {
  if (fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0) != 0)
    return wry_errno(error, errno, "mount option %s", key);
  return TRUE;
}

/* A new file system of `type`, options as key, value pairs. The mount is attached to nothing yet. */
static int new_mount(const char *type, const char *const *options, guint64 attributes, GError **error) {
  wry_autofd int fs = fsopen(type, FSOPEN_CLOEXEC);
  if (fs < 0) {
    wry_errno(error, errno, "file system %s", type);
    return -1;
  }
  for (; options && options[0]; options += 2)
    if (!fs_option(fs, options[0], options[1], error))
      return -1;
  if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0) {
    wry_errno(error, errno, "file system %s", type);
    return -1;
  }
  int mount = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attributes);
  if (mount < 0)
    wry_errno(error, errno, "mount of %s", type);
  return mount;
}

static gboolean attach(int mount, int root, const char *target, gboolean directory, GError **error) {
  wry_autofd int at = wry_vopen(root, target, O_PATH | (directory ? O_DIRECTORY : 0), 0, directory ? WRY_WANT_DIR : WRY_WANT_ANY, error);
  if (at < 0)
    return FALSE;
  if (move_mount(mount, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
    return wry_errno(error, errno, "mount at /%s", target);
  return TRUE;
}

static gboolean attach_new(int root, const char *type, const char *target, const char *const *options, guint64 attributes, GError **error) {
  wry_autofd int mount = new_mount(type, options, attributes, error);
  return mount >= 0 && attach(mount, root, target, TRUE, error);
}

/* Makes an empty file to mount upon. */
static gboolean touch(int root, const char *target, GError **error) {
  wry_autofd int fd = wry_vopen(root, target, O_WRONLY | O_CREAT, 0644, WRY_WANT_FILE, error);
  return fd >= 0;
}

static gboolean make_skeleton(int root, GError **error) {
  for (gsize i = 0; i < G_N_ELEMENTS(directories); i++) {
    wry_autofd int made = wry_vmkdir(root, directories[i], 0755, error);
    if (made < 0)
      return FALSE;
  }
  for (gsize i = 0; i < G_N_ELEMENTS(links); i++)
    if (symlinkat(links[i][0], root, links[i][1]) != 0)
      return wry_errno(error, errno, "link /%s", links[i][1]);
  return TRUE;
}

/* libvirt wants a passwd record of its uid ("Failed to find user record"). */
static gboolean write_accounts(int root, uid_t uid, GError **error) {
  static const char lookups[] = "passwd: files\ngroup: files\nhosts: files\n";
  g_autofree char *passwd = g_strdup_printf("root:x:0:0:root:/:/usr/sbin/nologin\nvm:x:%u:%u:vm:/run/wherry/vm:/usr/sbin/nologin\n", uid, uid);
  g_autofree char *group = g_strdup_printf("root:x:0:\nvm:x:%u:\n", uid);
  return wry_vwrite(root, "etc/passwd", passwd, strlen(passwd), 0644, error) && wry_vwrite(root, "etc/group", group, strlen(group), 0644, error) &&
         wry_vwrite(root, "etc/nsswitch.conf", lookups, sizeof lookups - 1, 0644, error);
}

static gboolean mount_own(int root, uid_t uid, GError **error) {
  g_autofree char *owner = g_strdup_printf("%u", uid);
  const char *vm[] = {"size", VM_TMPFS_SIZE, "nr_inodes", VM_TMPFS_INODES, "mode", "700", "uid", owner, "gid", owner, NULL};
  const char *tmp[] = {"size", "16m", "nr_inodes", "256", "mode", "1777", NULL};
  return attach_new(root, "proc", "proc", NULL, ATTR_DATA, error) && attach_new(root, "sysfs", "sys", NULL, ATTR_DATA | MOUNT_ATTR_RDONLY, error) &&
         attach_new(root, "tmpfs", "tmp", tmp, ATTR_DATA, error) && attach_new(root, "tmpfs", "run/wherry/vm", vm, ATTR_DATA, error);
}

static gboolean attach_mounts(int root, const WryBirthJob *job, GError **error) {
  for (guint i = 0; i < job->request->n_mounts; i++) {
    const WryBirthMount *mount = &job->request->mounts[i];
    g_autofree char *parent = g_path_get_dirname(mount->target);
    wry_autofd int made = wry_vmkdir(root, mount->directory ? mount->target : parent, 0755, error);
    if (made < 0 || (!mount->directory && !touch(root, mount->target, error)) || !attach(job->mounts[i], root, mount->target, mount->directory, error))
      return FALSE;
  }
  return TRUE;
}

/* A mount can be attached only below one that is in this namespace already: the new root covers /run until it is "/". */
static int cover_run(GError **error) {
  static const char *const options[] = {"size", "1m", "nr_inodes", "512", "mode", "755", NULL};
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
    wry_errno(error, errno, "private mounts");
    return -1;
  }
  wry_autofd int root = new_mount("tmpfs", options, MOUNT_ATTR_NOSUID, error);
  wry_autofd int run = wry_dir_open("/run", error);
  if (root < 0 || run < 0)
    return -1;
  if (move_mount(root, "", run, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
    wry_errno(error, errno, "mount of the sandbox's root");
    return -1;
  }
  return g_steal_fd(&root);
}

/* The new root becomes "/", the old one goes: pivot_root(".", ".") stacks the old root upon the new one, from where it is detached. Then nothing can be added to it any more. */
static gboolean pivot(int root, GError **error) {
  struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID};
  if (fchdir(root) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
    return wry_errno(error, errno, "pivot_root");
  if (mount_setattr(AT_FDCWD, "/", 0, &attr, sizeof attr) != 0)
    return wry_errno(error, errno, "read-only root");
  return TRUE;
}

gboolean wry_birth_enter_root(const WryBirthJob *job, GError **error) {
  wry_autofd int root = cover_run(error);
  uid_t uid = job->request->uid;
  return root >= 0 && make_skeleton(root, error) && write_accounts(root, uid, error) && mount_own(root, uid, error) && attach_mounts(root, job, error) && pivot(root, error);
}
