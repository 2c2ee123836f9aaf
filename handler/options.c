/* The handler's options as a table, and the directories that follow from them.
 *
 * How it works: --help is printed from the table. With --root everything lies below one directory; what is absent is made with the owner and mode of its row: main owns what it
 * writes, and where both halves write the directory is root's and sticky, so that main can not put something in the place of what the root half made.
 * Relies on: vpath.h; GOption. */
#include "handler/options.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handler/node/device_kinds.h"
#include "wherry/control.h"
#include "wherry/fd.h"
#include "wherry/record.h"
#include "wherry/vpath.h"

#define DEFAULT_LIBEXEC "/usr/libexec/wherry"

static const struct { const char *name; WryRoles role; } role_names[] = {{"node", WRY_ROLE_NODE}, {"controller", WRY_ROLE_CONTROLLER}, {"api", WRY_ROLE_API}};

WryRoles wry_options_roles(const WryOptions *options, GError **error) {
  g_auto(GStrv) words = g_strsplit(options->roles ? options->roles : "node,controller,api", ",", -1);
  WryRoles roles = 0;
  if (!options->kube && !options->kubeconfig) return 0;
  for (guint i = 0; words[i]; i++) {
    gsize row = 0;
    while (row < G_N_ELEMENTS(role_names) && strcmp(role_names[row].name, words[i]) != 0) row++;
    if (row == G_N_ELEMENTS(role_names)) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "--roles: there is no role \"%s\"", words[i]);
      return 0;
    }
    roles |= role_names[row].role;
  }
  return roles;
}

/* The node's name is what a DaemonSet gives its pods by the downward API. */
static gboolean check_cluster(WryOptions *options, GError **error) {
  g_autoptr(GError) local = NULL;
  WryRoles roles = wry_options_roles(options, &local);
  if (local) {
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
  }
  if (!options->kubelet_dir) options->kubelet_dir = g_strdup(WRY_KUBELET_DIR);
  if (roles && !options->node_name) options->node_name = g_strdup(g_getenv("NODE_NAME"));
  return TRUE;
}

gboolean wry_options_parse(WryOptions *options, int *argc, char ***argv, GError **error) {
  const GOptionEntry entries[] = {
    {"root", 0, 0, G_OPTION_ARG_FILENAME, &options->root, "Keep manifests, images, state and run below DIR (default: /etc/wherry, /var/lib/wherry, /run/wherry)", "DIR"},
    {"allow-emulation", 0, 0, G_OPTION_ARG_NONE, &options->allow_emulation, "Run guests without KVM where it is not usable", NULL},
    {"kvm", 0, 0, G_OPTION_ARG_STRING, &options->kvm, "auto: try a tiny guest at the start (default); always: use KVM untried; never: do not use it", "MODE"},
    {"host-bridge", 0, 0, G_OPTION_ARG_STRING, &options->host_bridge, "Connect guests to this bridge instead of NAT through the host", "BRIDGE"},
    {"host-disk-root", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->host_disk_roots, "Directory in which hostDisk paths may lie (may be given several times; default: none)", "DIR"},
    {"node-name", 0, 0, G_OPTION_ARG_STRING, &options->node_name, "Name of this node (default: the host name)", "NAME"},
    {"kube", 0, 0, G_OPTION_ARG_NONE, &options->kube, "Work for a Kubernetes cluster, with the configuration that a pod has", NULL},
    {"kubeconfig", 0, 0, G_OPTION_ARG_FILENAME, &options->kubeconfig, "Work for a Kubernetes cluster, with this configuration file", "FILE"},
    {"roles", 0, 0, G_OPTION_ARG_STRING, &options->roles, "In a cluster: what this handler does (default: node,controller,api)", "LIST"},
    {"kubelet-dir", 0, 0, G_OPTION_ARG_FILENAME, &options->kubelet_dir, "In a cluster: the kubelet's directory of device plugins (default: " WRY_KUBELET_DIR ")", "DIR"},
    {"libexec", 0, 0, G_OPTION_ARG_FILENAME, &options->libexec, "Directory of launcher, launcher-setup, launcher-init and launcher-jail (default: where the handler lies, else " DEFAULT_LIBEXEC ")", "DIR"},
    {"stop-vms-on-exit", 0, 0, G_OPTION_ARG_NONE, &options->stop_vms_on_exit, "On SIGTERM or SIGINT shut all VMs down; otherwise they run on", NULL},
    {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version", NULL},
    {"role", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &options->role, NULL, NULL},
    {NULL, 0, 0, 0, NULL, NULL, NULL},
  };
  g_autoptr(GOptionContext) context = g_option_context_new("- runs KubeVirt VirtualMachines on this node");
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, argc, argv, error)) return FALSE;
  if (*argc > 1) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "unexpected argument %s", (*argv)[1]);
    return FALSE;
  }
  if (options->kvm && wry_options_kvm_mode(options) > 2) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "--kvm is auto, always or never, not %s", options->kvm);
    return FALSE;
  }
  if (!check_cluster(options, error)) return FALSE;
  if (options->root) {
    char *absolute = g_canonicalize_filename(options->root, NULL);
    g_free(options->root);
    options->root = absolute;
  }
  return TRUE;
}

void wry_options_clear(WryOptions *options) {
  g_free(options->root);
  g_free(options->kvm);
  g_free(options->host_bridge);
  g_free(options->node_name);
  g_free(options->libexec);
  g_strfreev(options->host_disk_roots);
  g_free(options->kubeconfig);
  g_free(options->roles);
  g_free(options->kubelet_dir);
  g_free(options->role);
}

guint wry_options_kvm_mode(const WryOptions *options) {
  static const char *const modes[] = {"auto", "always", "never"};
  guint mode = 0;
  while (mode < G_N_ELEMENTS(modes) && options->kvm && strcmp(options->kvm, modes[mode]) != 0) mode++;
  return mode;
}

void wry_places_fill(WryPlaces *places, const WryOptions *options) {
  const char *root = options->root;
  places->manifests = root ? g_build_filename(root, "manifests", NULL) : g_strdup("/etc/wherry/manifests");
  places->images = root ? g_build_filename(root, "images", NULL) : g_strdup("/var/lib/wherry/images");
  places->state = root ? g_build_filename(root, "state", NULL) : g_strdup("/var/lib/wherry/state");
  places->run = root ? g_build_filename(root, "run", NULL) : g_strdup("/run/wherry");
}

void wry_places_clear(WryPlaces *places) {
  g_free(places->manifests);
  g_free(places->images);
  g_free(places->state);
  g_free(places->run);
}

guint32 wry_places_root_id(const WryPlaces *places) { return wry_crc32c(places->run, strlen(places->run)); }

WryIdentity wry_identity(void) {
  const struct passwd *user = getpwnam(WRY_HANDLER_USER);
  WryIdentity identity = {user ? user->pw_uid : WRY_HANDLER_UID, user ? user->pw_gid : WRY_HANDLER_UID, (gid_t)-1};
  const struct group *group = getgrnam(WRY_CONTROL_GROUP);
  if (group) identity.group = group->gr_gid;
  return identity;
}

/* --- directories --------------------------------------------------------------------------------------------------------------------------------------- */
typedef enum { ROOTS, MAINS, SHARED } Owner; /* root's; main's; root's, main may add to it */

static const struct { int parent; const char *name; Owner owner; mode_t mode; } tree[] = {
  {WRY_DIR_MANIFESTS, NULL, MAINS, 0750}, {WRY_DIR_IMAGES, NULL, SHARED, 02775},   {WRY_DIR_STATE, NULL, ROOTS, 0711},     {WRY_DIR_STATE, "objects", MAINS, 0700},
  {WRY_DIR_STATE, "pvc", MAINS, 0711},    {WRY_DIR_STATE, "vms", ROOTS, 0711},     {WRY_DIR_STATE, "scratch", ROOTS, 0711}, {WRY_DIR_RUN, NULL, SHARED, 01775},
  {WRY_DIR_RUN, "node", MAINS, 0755},     {WRY_DIR_RUN, "vms", ROOTS, 0711},
};

static gboolean give(int fd, Owner owner, mode_t mode, const WryIdentity *identity, const char *what, GError **error) {
  uid_t uid = owner == MAINS ? identity->uid : 0;
  gid_t gid = owner == ROOTS ? 0 : identity->gid;
  if (fchown(fd, uid, gid) == 0 && fchmod(fd, mode) == 0) return TRUE;
  return wry_errno(error, errno, "owner of %s", what);
}

static gboolean open_tops(const WryPlaces *places, int dirs[WRY_DIRS], GError **error) {
  const char *const paths[WRY_DIRS] = {places->manifests, places->images, places->state, places->run};
  for (guint i = 0; i < WRY_DIRS; i++) {
    dirs[i] = wry_dir_make(paths[i], 0755, error);
    if (dirs[i] < 0) return FALSE;
  }
  return TRUE;
}

gboolean wry_places_open(const WryPlaces *places, const WryIdentity *identity, int dirs[WRY_DIRS], GError **error) {
  if (!open_tops(places, dirs, error)) return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(tree); i++) {
    wry_autofd int made = tree[i].name ? wry_vmkdir(dirs[tree[i].parent], tree[i].name, tree[i].mode, error) : -1;
    if (tree[i].name && made < 0) return FALSE;
    if (!give(tree[i].name ? made : dirs[tree[i].parent], tree[i].owner, tree[i].mode, identity, tree[i].name ? tree[i].name : places->run, error)) return FALSE;
  }
  return TRUE;
}

static void on_alarm(int number G_GNUC_UNUSED) {}

/* Waits a little: a handler that was killed may leave its root half finishing one request. */
static gboolean lock_within(int fd, guint seconds) {
  struct sigaction action = {.sa_handler = on_alarm}, before;
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  sigaction(SIGALRM, &action, &before);
  alarm(seconds);
  gboolean locked = fcntl(fd, F_OFD_SETLKW, &lock) == 0;
  alarm(0);
  sigaction(SIGALRM, &before, NULL);
  return locked;
}

int wry_places_lock(int state_fd, GError **error) {
  wry_autofd int fd = wry_vopen(state_fd, "lock", O_RDWR | O_CREAT, 0600, WRY_WANT_FILE, error);
  if (fd < 0) return -1;
  if (!lock_within(fd, WRY_LOCK_SECONDS)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_LOCKED, "another handler works on this root: its state directory is locked");
    return -1;
  }
  int held = fd;
  fd = -1;
  return held;
}
