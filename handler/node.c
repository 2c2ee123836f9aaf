/* Main: the unprivileged half of the handler on its loop.
 *
 * How it works: what needs root or a path is done first (the node's name, the kernel's boot id, systemd's socket); then all privilege is given up, and only then is anything read
 * that others wrote.
 *
 * It should, in this order: restrict paths (Landlock: manifests, images, state/objects, state/pvc, logs below state/vms, sockets below run, /proc, cgroups, resolv.conf), become the handler's
 * user, empty its capability sets, load its seccomp policy. It must not: read a manifest, a record or a message before that, start a
 * program, or open a path by string afterwards, resolv.conf aside.
 * Relies on: isolate.h; fleet.h for all that it then does. */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include "handler/control.h"
#include "handler/controller/controller.h"
#include "handler/kube/config.h"
#include "handler/api/role.h"
#include "handler/node/role.h"
#include "handler/options.h"
#include "wherry/fd.h"
#include "wherry/isolate.h"
#include "wherry/log.h"
#include "wherry/vpath.h"

#if __has_include("policy_handler.h")
#include "policy_handler.h"
#define HAVE_POLICY 1
#else
#define HAVE_POLICY 0
#endif

#define LAUNCHER_IMAGE "localhost/wherry/launcher:" WRY_VERSION
#define INSTALL_NAMESPACE "kubevirt"
#define DEFAULT_KUBEVIRT "/etc/wherry/kubevirt/kubevirt.yaml" /* of a cluster that has none */
#define TWICE_MICROSECONDS (G_USEC_PER_SEC / 2) /* a second signal after this is a second wish */

#if defined(__x86_64__)
#define ARCH "amd64"
#elif defined(__aarch64__)
#define ARCH "arm64"
#else
#error "this architecture is not supported"
#endif

typedef struct {
  const WryOptions *options;
  const WryPlaces *places;
  GMainLoop *loop;
  WryRoot *root;
  WryFleet *fleet;
  WryControl *control;
  WryWatch *images;
  WryRoles roles;
  WryKube *kube;          /* in a cluster */
  WryController *controller;
  WryNodeRole *role;
  WryNodeRoleOptions role_options;
  WryApiRole *api;
  WryApiRoleOptions api_options;
  char *rendezvous;
  int rendezvous_fd;
  WryFleetOptions fleet_options;
  WryControlOptions control_options;
  char *node_name, *boot_id;
  int notify, signals;
  gint64 asked;           /* first signal; 0: none */
} Node;

/* --- before privilege is given up ---------------------------------------------------------------------------------------------------------------------- */
static char *read_boot_id(void) {
  wry_autofd int fd = wry_dir_open("/proc/sys/kernel/random", NULL);
  gsize length;
  char *text = fd >= 0 ? wry_vread(fd, "boot_id", 64, &length, NULL) : NULL;
  return text ? g_strstrip(text) : g_strdup("");
}

static char *host_name(void) {
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) != 0 || !*name) return g_strdup("localhost");
  return g_ascii_strdown(name, -1);
}

/* systemd's notification socket; -1 when there is none. */
static int open_notify(void) {
  const char *path = g_getenv("NOTIFY_SOCKET");
  if (!path || *path != '/') return -1;
  g_autofree char *directory = g_path_get_dirname(path), *name = g_path_get_basename(path);
  wry_autofd int dirfd = wry_dir_open(directory, NULL);
  return dirfd >= 0 ? wry_vconnect(dirfd, name, SOCK_DGRAM, NULL) : -1;
}

static void notify(const Node *node, const char *text) {
  if (node->notify >= 0 && send(node->notify, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) wry_log(WRY_LOG_WARNING, "systemd was not told", "error", g_strerror(errno), NULL);
}

static gboolean restrict_paths(const WryPlaces *places, GError **error) {
  g_autofree char *objects = g_build_filename(places->state, "objects", NULL), *pvc = g_build_filename(places->state, "pvc", NULL);
  g_autofree char *vms = g_build_filename(places->state, "vms", NULL);
  const guint own = WRY_LANDLOCK_READ | WRY_LANDLOCK_WRITE | WRY_LANDLOCK_MAKE;
  const WryLandlockRule rules[] = {
    {places->manifests, own, FALSE},
    {places->images, WRY_LANDLOCK_READ, FALSE},
    {objects, own, FALSE},
    {pvc, own, FALSE},
    {vms, WRY_LANDLOCK_READ, FALSE},
    {places->run, own | WRY_LANDLOCK_SOCKET, FALSE},
    {"/proc", WRY_LANDLOCK_READ, FALSE},
    {"/sys/fs/cgroup", WRY_LANDLOCK_READ, FALSE},
    {"/etc/resolv.conf", WRY_LANDLOCK_READ, TRUE},
    {"/run/systemd/resolve", WRY_LANDLOCK_READ, TRUE},
    {"/var/run/secrets/kubernetes.io/serviceaccount", WRY_LANDLOCK_READ, TRUE}, /* in a cluster: the token is read again and again */
  };
  return wry_isolate_landlock(rules, G_N_ELEMENTS(rules), TRUE, NULL, error);
}

static gboolean give_up_privilege(const WryPlaces *places, const WryIdentity *identity, GError **error) {
  if (!restrict_paths(places, error) || !wry_isolate_user(identity->uid, identity->gid, NULL, 0, error) || !wry_isolate_caps(NULL, error)) return FALSE;
#if HAVE_POLICY
  if (!wry_isolate_seccomp(wry_policy_handler, G_N_ELEMENTS(wry_policy_handler), error)) return FALSE;
#endif
  return TRUE;
}

/* What speaks to the cluster: files and names are looked up now, connections are made later. */
static gboolean open_cluster(Node *node, GError **error) {
  const WryOptions *options = node->options;
  node->roles = wry_options_roles(options, NULL);
  if (!node->roles) return TRUE;
  g_autoptr(WryKubeConfig) config = options->kubeconfig ? wry_kube_config_load(options->kubeconfig, NULL, NULL, error) : wry_kube_config_in_cluster(NULL, error);
  if (!config || !wry_kube_config_exec_now(config, error)) return FALSE;
  wry_kube_config_set_runner(config, NULL, NULL); /* this process starts no program */
  node->kube = wry_kube_new(g_steal_pointer(&config), NULL, error);
  if (node->kube && node->roles & WRY_ROLE_CONTROLLER) {
    const WryControllerOptions controller = {node->node_name, NULL, g_getenv("LAUNCHER_IMAGE") ? g_getenv("LAUNCHER_IMAGE") : LAUNCHER_IMAGE, DEFAULT_KUBEVIRT};
    node->controller = wry_controller_new(node->kube, &controller);
  }
  node->api_options = (WryApiRoleOptions){node->node_name, INSTALL_NAMESPACE, -1};
  if (node->kube && node->roles & WRY_ROLE_API && (node->api_options.listener = wry_api_role_listen(WRY_API_PORT, error)) < 0) return FALSE;
  if (!node->kube || !(node->roles & WRY_ROLE_NODE)) return node->kube != NULL;
  node->rendezvous = g_build_filename(node->places->run, "node", NULL);
  node->rendezvous_fd = wry_dir_open(node->rendezvous, error);
  node->role_options = (WryNodeRoleOptions){node->node_name, options->kubelet_dir, node->rendezvous, node->rendezvous_fd};
  node->role = node->rendezvous_fd < 0 ? NULL : wry_node_role_new(&node->role_options, node->kube, error);
  return node->role != NULL;
}

/* --- on the loop --------------------------------------------------------------------------------------------------------------------------------------- */
static void on_all_stopped(gpointer data) {
  Node *node = data;
  g_main_loop_quit(node->loop);
}

/* The first wish stops the guests with their grace periods, a second one at once. */
static void on_stop(Node *node) {
  gint64 now = g_get_monotonic_time();
  notify(node, "STOPPING=1");
  if (node->controller && node->asked == 0) { /* another leads at once, not after the Lease has run out */
    node->asked = now;
    wry_controller_release(node->controller, on_all_stopped, node);
  } else if (!node->options->stop_vms_on_exit || !node->fleet) {
    g_main_loop_quit(node->loop);
  } else if (node->asked == 0) {
    node->asked = now;
    wry_fleet_stop_all(node->fleet, -1, on_all_stopped, node);
  } else if (now - node->asked > TWICE_MICROSECONDS) {
    wry_fleet_stop_all(node->fleet, 0, on_all_stopped, node);
  }
}

static gboolean on_signal(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  struct signalfd_siginfo info;
  if (read(fd, &info, sizeof info) == (ssize_t)sizeof info) on_stop(data);
  return G_SOURCE_CONTINUE;
}

/* The process that started this one is gone: another will start anew. VMs run on. */
static gboolean on_lifeline(gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  wry_log(WRY_LOG_ERROR, "the starting process is gone", NULL);
  g_main_loop_quit(((Node *)data)->loop);
  return G_SOURCE_REMOVE;
}

/* What the fleet shows goes to the clients of this node's socket, and to the cluster. */
static void on_shown(WryObjectKind kind, const char *type, WryJson *object, gpointer data) {
  Node *node = data;
  if (node->control) wry_control_shown(kind, type, object, node->control);
  if (node->role) wry_node_role_shown(kind, type, object, node->role);
}

static void on_image_name(const char *name G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED) {}

static void on_images(gpointer data) {
  Node *node = data;
  if (node->fleet) wry_fleet_images_changed(node->fleet);
}

static int watch_signals(Node *node) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, NULL);
  int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd >= 0) g_unix_fd_add(fd, G_IO_IN, on_signal, node);
  return fd;
}

static gboolean open_parts(Node *node, const int dirs[WRY_DIRS], const WryIdentity *identity, GError **error) {
  node->fleet_options = (WryFleetOptions){
    .node = node->node_name, .arch = ARCH, .allow_emulation = node->options->allow_emulation, .kvm_mode = wry_options_kvm_mode(node->options),
    .root_id = wry_places_root_id(node->places), .manifests_fd = dirs[WRY_DIR_MANIFESTS], .images_fd = dirs[WRY_DIR_IMAGES], .state_fd = dirs[WRY_DIR_STATE],
    .lookup = wry_images_resolve, .boot_id = node->boot_id, .pods = node->role ? wry_node_role_pods(node->role) : NULL,
  };
  node->control_options = (WryControlOptions){
    .run_fd = dirs[WRY_DIR_RUN], .state_fd = dirs[WRY_DIR_STATE], .images_fd = dirs[WRY_DIR_IMAGES], .group = identity->group,
    .manifests = node->places->manifests, .images = node->places->images, .state = node->places->state, .run = node->places->run,
  };
  node->fleet_options.objects_fd = wry_vopen(dirs[WRY_DIR_STATE], "objects", O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, error);
  if (node->fleet_options.objects_fd < 0) return FALSE;
  node->fleet_options.node_fd = wry_vopen(dirs[WRY_DIR_RUN], "node", O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, error);
  if (node->fleet_options.node_fd < 0) return FALSE;
  node->fleet_options.proc_fd = wry_dir_open("/proc", error);
  node->fleet_options.cgroup_fd = node->fleet_options.proc_fd < 0 ? -1 : wry_dir_open("/sys/fs/cgroup", error);
  return node->fleet_options.cgroup_fd >= 0;
}

static gboolean begin(Node *node, int sock, const int dirs[WRY_DIRS], const WryIdentity *identity, GError **error) {
  if (!open_parts(node, dirs, identity, error)) return FALSE;
  node->control = wry_control_new(&node->control_options, error);
  if (!node->control) return FALSE;
  node->root = wry_root_new(sock);
  node->fleet = wry_fleet_new(&node->fleet_options, node->root, on_shown, node, error);
  if (!node->fleet) return FALSE;
  if (node->role) wry_node_role_start(node->role, node->fleet, node->root);
  if (node->api_options.listener >= 0) node->api = wry_api_role_new(&node->api_options, node->kube, node->fleet, error);
  if (node->api_options.listener >= 0 && !node->api) return FALSE;
  wry_control_set_fleet(node->control, node->fleet);
  node->images = wry_watch_new(dirs[WRY_DIR_IMAGES], on_image_name, on_images, node, error);
  return node->images != NULL;
}

static void end(Node *node) {
  wry_watch_free(node->images);
  wry_controller_free(node->controller);
  wry_node_role_stop(node->role);
  wry_control_free(node->control);
  node->control = NULL;
  wry_fleet_free(node->fleet);
  wry_api_role_free(node->api);
  wry_node_role_free(node->role);
  wry_kube_free(node->kube);
  wry_fd_close(&node->rendezvous_fd);
  g_free(node->rendezvous);
  wry_root_free(node->root);
  g_main_loop_unref(node->loop);
  g_free(node->node_name);
  g_free(node->boot_id);
}

int wry_node_run(const WryOptions *options, const WryPlaces *places, int sock, const int dirs[WRY_DIRS], int lifeline) {
  g_autoptr(GError) error = NULL;
  WryIdentity identity = wry_identity();
  Node node = {.options = options, .places = places, .loop = g_main_loop_new(NULL, FALSE), .rendezvous_fd = -1, .api_options = {.listener = -1}};
  wry_log_init("main");
  node.node_name = options->node_name ? g_strdup(options->node_name) : host_name();
  node.boot_id = read_boot_id();
  node.notify = open_notify();
  node.signals = watch_signals(&node);
  g_unix_fd_add(lifeline, G_IO_IN | G_IO_HUP, on_lifeline, &node);
  if (!open_cluster(&node, &error) || !give_up_privilege(places, &identity, &error) || !begin(&node, sock, dirs, &identity, &error)) {
    wry_log(WRY_LOG_ERROR, error->message, NULL);
    end(&node);
    return WRY_NODE_HOPELESS;
  }
  wry_log(WRY_LOG_INFO, "ready", "node", node.node_name, "manifests", places->manifests, NULL);
  notify(&node, "READY=1");
  g_main_loop_run(node.loop);
  end(&node);
  return 0;
}
