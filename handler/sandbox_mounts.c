/* What is bound into a sandbox: the host's /usr and Wherry's own programs, read-only, the few device nodes that are wanted, the VM's private directories and its volumes.
 *
 * The root half makes each bind as a detached mount (open_tree) with its attributes in the host's mount namespace; the sandbox's first process, in a namespace of its own, only attaches
 * them to its new root (birth_root.c). So no path of the host is looked up there, and none twice. A mount carries nosuid, and nodev and noexec wherever no device and no
 * program is meant to be.
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
