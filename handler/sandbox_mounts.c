/* The file system of a sandbox, built from nothing: a small tmpfs, read-only binds of the host's /usr and of Wherry's own programs, a /dev with the few nodes that are
 * wanted, the VM's private directories and its volumes.
 *
 * The root half makes each bind as a detached mount (open_tree) with its attributes while it is still in the host's mount namespace; the child, in a namespace of its own, only
 * attaches them to its new root and lets go of the old one. So no path of the host is looked up in the child, and none twice. A mount carries nosuid, and nodev and noexec
 * wherever no device and no program is meant to be.
 *
 * Relies on: Linux >= 5.12 (mount_setattr); merged /usr (Debian 12 and later). */
#include "handler/sandbox.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ATTR_DATA (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
#define VM_TMPFS_SIZE "64m"
#define VM_TMPFS_INODES "4096"

typedef struct {
  const char *source, *target;
  guint64 attributes;
  gboolean optional;
} HostTree;

/* Read-only parts of the host that programs need. */
static const HostTree host_trees[] = {
    {"usr", "usr", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, FALSE},
    {"etc/ld.so.cache", "etc/ld.so.cache", MOUNT_ATTR_RDONLY | ATTR_DATA, TRUE},
    {"etc/alternatives", "etc/alternatives", MOUNT_ATTR_RDONLY | ATTR_DATA, TRUE},
};

typedef struct {
  const char *name;
  gsize wish; /* offset of the request's flag, 0 = always */
} DeviceNode;

static const DeviceNode device_nodes[] = {
    {"null", 0}, {"zero", 0}, {"full", 0}, {"random", 0}, {"urandom", 0},
    {"kvm", G_STRUCT_OFFSET(WryRootRequest, kvm)},
    {"net/tun", G_STRUCT_OFFSET(WryRootRequest, tun)},
    {"vhost-net", G_STRUCT_OFFSET(WryRootRequest, vhost_net)},
};

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

static void bind_spoil(WryBind *bind) {
  wry_bind_free(bind);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryBind, bind_spoil)

/* A detached copy of what `source` is; it has `attributes` of its own, whatever the original mount has. */
static WryBind *bind_new(int source, const char *target, gboolean directory, guint64 attributes, GError **error) {
  g_autoptr(WryBind) bind = g_new0(WryBind, 1);
  bind->target = g_strdup(target);
  bind->directory = directory;
  bind->fd = open_tree(source, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  struct mount_attr attr = {.attr_set = attributes, .propagation = MS_PRIVATE};
  if (bind->fd < 0) {
    wry_errno(error, errno, "bind of /%s", target);
    return NULL;
  }
  if (!(attributes & MOUNT_ATTR_NODEV))
    attr.attr_clr |= MOUNT_ATTR_NODEV;
  if (mount_setattr(bind->fd, "", AT_EMPTY_PATH, &attr, sizeof attr) != 0) {
    wry_errno(error, errno, "attributes of /%s", target);
    return NULL;
  }
  return g_steal_pointer(&bind);
}

static gboolean add_bind(GPtrArray *binds, int source, const char *target, gboolean directory, guint64 attributes, GError **error) {
  WryBind *bind = bind_new(source, target, directory, attributes, error);
  if (bind)
    g_ptr_array_add(binds, bind);
  return bind != NULL;
}

static gboolean add_host_trees(const WryPrivContext *context, GPtrArray *binds, GError **error) {
  for (gsize i = 0; i < G_N_ELEMENTS(host_trees); i++) {
    const HostTree *tree = &host_trees[i];
    g_autoptr(GError) problem = NULL;
    wry_autofd int source = wry_vopen(context->host_root_fd, tree->source, O_PATH, 0, WRY_WANT_ANY, &problem);
    struct stat s;
    if (source < 0 && tree->optional)
      continue;
    if (source < 0 || fstat(source, &s) != 0) {
      g_propagate_error(error, g_steal_pointer(&problem));
      return FALSE;
    }
    if (!add_bind(binds, source, tree->target, S_ISDIR(s.st_mode), tree->attributes, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean add_devices(const WryPrivContext *context, const WryRootRequest *request, GPtrArray *binds, GError **error) {
  for (gsize i = 0; i < G_N_ELEMENTS(device_nodes); i++) {
    const DeviceNode *node = &device_nodes[i];
    if (node->wish && !*((const uint8_t *)request + node->wish))
      continue;
    g_autofree char *name = g_strdup_printf("dev/%s", node->name);
    wry_autofd int source = wry_vopen(context->host_root_fd, name, O_PATH, 0, WRY_WANT_ANY, error);
    if (source < 0 || !add_bind(binds, source, name, FALSE, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, error))
      return FALSE;
  }
  return TRUE;
}

/* A directory below state that belongs to the VM: made when absent. With `shared` its files get the handler's group, which may read them: logs and the final record. */
static gboolean add_private(const WryPrivContext *context, GPtrArray *binds, const char *path, const char *target, uid_t uid, gboolean shared, GError **error) {
  wry_autofd int fd = wry_vmkdir(context->options->state_fd, path, 0700, error);
  if (fd < 0)
    return FALSE;
  if (fchown(fd, uid, shared ? context->options->handler_gid : uid) != 0 || fchmod(fd, shared ? 02750 : 0700) != 0)
    return wry_errno(error, errno, "owner of %s", path);
  return add_bind(binds, fd, target, TRUE, ATTR_DATA, error);
}

static gboolean add_private_directories(const WryPrivContext *context, const WryRootRequest *request, GPtrArray *binds, uid_t uid, GError **error) {
  g_autofree char *scratch = g_strdup_printf("scratch/%s", request->vmi);
  g_autofree char *state = g_strdup_printf("vms/%s", request->vm);
  return add_private(context, binds, scratch, "run/wherry/scratch", uid, FALSE, error) && add_private(context, binds, state, "run/wherry/state", uid, TRUE, error);
}

static gboolean add_volumes(const WryPrivContext *context, const WryRootRequest *request, GPtrArray *binds, uid_t uid, GError **error) {
  g_autoptr(GPtrArray) sources = wry_sandbox_volumes(context, request, uid, error);
  for (guint i = 0; sources && i < sources->len; i++) {
    const WryBind *source = sources->pdata[i];
    guint64 attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | (source->read_only ? MOUNT_ATTR_RDONLY : 0) | (source->device ? 0 : MOUNT_ATTR_NODEV);
    if (!add_bind(binds, source->fd, source->target, source->directory, attributes, error))
      return FALSE;
  }
  return sources != NULL;
}

GPtrArray *wry_sandbox_binds(const WryPrivContext *context, const WryRootRequest *request, uid_t uid, GError **error) {
  g_autoptr(GPtrArray) binds = g_ptr_array_new_with_free_func((GDestroyNotify)wry_bind_free);
  wry_autofd int node = wry_vopen(context->options->run_fd, "node", O_PATH | O_DIRECTORY, 0, WRY_WANT_DIR, error);
  if (node < 0 || !add_bind(binds, node, "run/wherry/node", TRUE, ATTR_DATA | MOUNT_ATTR_RDONLY, error) ||
      !add_bind(binds, context->libexec_fd, "opt/wherry", TRUE, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, error) ||
      !add_host_trees(context, binds, error) || !add_devices(context, request, binds, error) ||
      !add_private_directories(context, request, binds, uid, error) || !add_volumes(context, request, binds, uid, error))
    return NULL;
  return g_steal_pointer(&binds);
}

/* From here on: in the child. */

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

static gboolean attach_binds(int root, GPtrArray *binds, GError **error) {
  for (guint i = 0; i < binds->len; i++) {
    const WryBind *bind = binds->pdata[i];
    g_autofree char *parent = g_path_get_dirname(bind->target);
    wry_autofd int made = wry_vmkdir(root, bind->directory ? bind->target : parent, 0755, error);
    if (made < 0 || (!bind->directory && !touch(root, bind->target, error)) || !attach(bind->fd, root, bind->target, bind->directory, error))
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

gboolean wry_sandbox_enter_root(GPtrArray *binds, uid_t uid, GError **error) {
  wry_autofd int root = cover_run(error);
  return root >= 0 && make_skeleton(root, error) && write_accounts(root, uid, error) && mount_own(root, uid, error) && attach_binds(root, binds, error) &&
         pivot(root, error);
}
