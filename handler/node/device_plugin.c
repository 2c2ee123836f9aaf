/* The device plugin: one socket a resource, registration with the kubelet, lists that follow the health of the devices.
 *
 * How it works: for each kind the root half makes the socket in the kubelet's directory, then gives a connection to the kubelet, on which the kind is registered. The kubelet removes all
 * sockets of that directory when it starts and makes its own anew: that is seen by inotify, and everything begins again. A registration that fails is tried again with back-off. Each
 * ListAndWatch stays open and gets the list again when a device appears, goes, or KVM turns out to be usable.
 * Relies on: grpc.h for the protocol, device_messages.h for the messages, root.h for the sockets. */
#include "handler/node/device_plugin.h"

#include <fcntl.h>

#include "handler/manifests.h"
#include "handler/node/grpc.h"
#include "wherry/fd.h"
#include "wherry/log.h"
#include "wherry/vpath.h"

#define REGISTER "/v1beta1.Registration/Register"
#define SERVICE "/v1beta1.DevicePlugin/"
#define BACKOFF_MAX_SECONDS 30u

typedef struct {
  WryDevicePlugin *plugin;
  guint index;
  WryGrpcServer *server;
  WryGrpcAsk *ask;
  GPtrArray *watchers;   /* WryGrpcCall: ListAndWatch that stays open */
  gboolean healthy, registered, asked; /* asked: a question to the root half is under way */
  guint retry, failures; /* source; in a row */
  guint64 turn;          /* of the plugin when the question was asked */
} Kind;

struct WryDevicePlugin {
  const WryDevicePluginOptions *options;
  WryRoot *root;
  void (*changed)(gpointer data);
  gpointer data;
  WryWatch *kubelet, *devices, *net;
  gboolean kvm, reborn, ending;
  guint64 turn;          /* counts the kubelet's starts */
  grefcount refs;        /* one for each open question to the root half */
  Kind kinds[WRY_DEVICE_KINDS];
};

static const WryDeviceKind *row(const Kind *kind) { return &wry_device_kinds[kind->index]; }

static void unref(WryDevicePlugin *plugin) {
  if (g_ref_count_dec(&plugin->refs)) g_free(plugin);
}

/* --- answers to the kubelet ---------------------------------------------------------------------------------------------------------------------------- */
static void send_list(const Kind *kind, WryGrpcCall *call) {
  g_autoptr(GBytes) list = wry_device_list(row(kind), WRY_DEVICE_COUNT, kind->healthy);
  wry_grpc_send(call, list);
}

static GBytes *get_options(const Kind *kind G_GNUC_UNUSED, GBytes *message G_GNUC_UNUSED, GError **error G_GNUC_UNUSED) { return wry_device_options(); }

static GBytes *allocate(const Kind *kind, GBytes *message, GError **error) {
  gsize length;
  gconstpointer data = g_bytes_get_data(message, &length);
  return wry_device_allocate(row(kind), &kind->plugin->options->grant, data, length, error);
}

static GBytes *prefer(const Kind *kind G_GNUC_UNUSED, GBytes *message, GError **error) {
  gsize length;
  gconstpointer data = g_bytes_get_data(message, &length);
  return wry_device_prefer(data, length, error);
}

static GBytes *nothing(const Kind *kind G_GNUC_UNUSED, GBytes *message G_GNUC_UNUSED, GError **error G_GNUC_UNUSED) { return g_bytes_new_static("", 0); }

static const struct {
  const char *method;
  GBytes *(*answer)(const Kind *kind, GBytes *message, GError **error);
} methods[] = {
  {"GetDevicePluginOptions", get_options}, {"Allocate", allocate}, {"GetPreferredAllocation", prefer}, {"PreStartContainer", nothing},
};

static void on_called(WryGrpcCall *call, const char *path, GBytes *message, gpointer data) {
  Kind *kind = data;
  const char *method = g_str_has_prefix(path, SERVICE) ? path + strlen(SERVICE) : "";
  if (strcmp(method, "ListAndWatch") == 0) {
    g_ptr_array_add(kind->watchers, call);
    send_list(kind, call);
    return;
  }
  for (gsize i = 0; i < G_N_ELEMENTS(methods); i++) {
    if (strcmp(method, methods[i].method) != 0) continue;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) reply = methods[i].answer(kind, message, &error);
    if (reply) wry_grpc_send(call, reply);
    wry_grpc_finish(call, reply ? WRY_GRPC_OK : WRY_GRPC_INVALID_ARGUMENT, error ? error->message : NULL);
    return;
  }
  wry_grpc_finish(call, WRY_GRPC_UNIMPLEMENTED, "unknown method");
}

static void on_over(WryGrpcCall *call, gpointer data) { g_ptr_array_remove_fast(((Kind *)data)->watchers, call); }

static const WryGrpcCalls calls = {on_called, on_over};

/* --- registration -------------------------------------------------------------------------------------------------------------------------------------- */
static void begin(Kind *kind);

static gboolean on_retry(gpointer data) {
  Kind *kind = data;
  kind->retry = 0;
  begin(kind);
  return G_SOURCE_REMOVE;
}

/* Without the kubelet's socket there is nothing to try: its birth begins everything anew. */
static void try_again(Kind *kind, const char *what, const GError *error) {
  if (g_error_matches(error, WRY_ERROR, WRY_ERROR_NOT_FOUND) || kind->retry) return;
  wry_log(WRY_LOG_WARNING, what, "resource", row(kind)->resource, "error", error->message, NULL);
  kind->retry = g_timeout_add_seconds(MIN(1u << MIN(kind->failures, 5u), BACKOFF_MAX_SECONDS), on_retry, kind);
  kind->failures++;
}

static void on_registered(GBytes *reply G_GNUC_UNUSED, const GError *error, gpointer data) {
  Kind *kind = data;
  kind->ask = NULL;
  if (error) {
    try_again(kind, "the kubelet did not take a resource", error);
    return;
  }
  kind->registered = TRUE;
  kind->failures = 0;
  wry_log(WRY_LOG_INFO, "registered with the kubelet", "resource", row(kind)->resource, NULL);
  kind->plugin->changed(kind->plugin->data);
}

/* An answer of the root half counts only for the kubelet that was there when it was asked for. */
static gboolean is_current(Kind *kind) {
  kind->asked = FALSE;
  if (kind->plugin->ending) return FALSE;
  if (kind->turn == kind->plugin->turn) return TRUE;
  begin(kind);
  return FALSE;
}

static void on_connected(const WryRootReply *reply G_GNUC_UNUSED, int take_fd, const GError *error, gpointer data) {
  Kind *kind = data;
  WryDevicePlugin *plugin = kind->plugin;
  wry_autofd int fd = take_fd;
  if (!is_current(kind)) {
  } else if (error || fd < 0) {
    g_autoptr(GError) none = g_error_new_literal(WRY_ERROR, WRY_ERROR_IO, "no connection");
    try_again(kind, "no connection to the kubelet", error ? error : none);
  } else {
    g_autoptr(GBytes) request = wry_device_register(row(kind));
    kind->ask = wry_grpc_ask(g_steal_fd(&fd), REGISTER, request, on_registered, kind);
  }
  unref(plugin);
}

static void ask(Kind *kind, guint32 index, WryRootDone done) {
  WryRootRequest request = {.op = WRY_ROOT_KUBELET, .index = index};
  kind->asked = TRUE;
  kind->turn = kind->plugin->turn;
  g_ref_count_inc(&kind->plugin->refs);
  wry_root_call(kind->plugin->root, &request, done, kind);
}

static void on_listening(const WryRootReply *reply G_GNUC_UNUSED, int take_fd, const GError *error, gpointer data) {
  Kind *kind = data;
  WryDevicePlugin *plugin = kind->plugin;
  wry_autofd int fd = take_fd;
  if (!is_current(kind)) {
  } else if (error || fd < 0) {
    g_autoptr(GError) none = g_error_new_literal(WRY_ERROR, WRY_ERROR_IO, "no socket");
    try_again(kind, "no socket for a resource", error ? error : none);
  } else {
    kind->server = wry_grpc_serve(g_steal_fd(&fd), plugin->options->kubelet_uid, &calls, kind);
    ask(kind, 0, on_connected);
  }
  unref(plugin);
}

static gboolean is_present(const Kind *kind) { return !row(kind)->node || wry_vexists(kind->plugin->options->dev_fd, row(kind)->node); }

static void stop(Kind *kind) {
  wry_grpc_ask_cancel(g_steal_pointer(&kind->ask));
  g_clear_pointer(&kind->server, wry_grpc_server_free);
  g_clear_handle_id(&kind->retry, g_source_remove);
  kind->registered = FALSE;
}

/* A kind whose device this node does not have is not offered until it appears. */
static void begin(Kind *kind) {
  if (kind->asked || !is_present(kind)) return;
  stop(kind);
  ask(kind, 1 + kind->index, on_listening);
}

/* --- what changes -------------------------------------------------------------------------------------------------------------------------------------- */
static void look(Kind *kind) {
  gboolean healthy = is_present(kind) && (kind->index != WRY_DEVICE_KVM || kind->plugin->kvm);
  if (healthy != kind->healthy) {
    kind->healthy = healthy;
    for (guint i = 0; i < kind->watchers->len; i++) send_list(kind, kind->watchers->pdata[i]);
  }
  if (kind->plugin->root && !kind->server && !kind->retry) begin(kind);
}

static void look_at_all(WryDevicePlugin *plugin) {
  for (guint i = 0; i < WRY_DEVICE_KINDS; i++) look(&plugin->kinds[i]);
  plugin->changed(plugin->data);
}

static void on_kubelet_name(const char *name, gpointer data) {
  WryDevicePlugin *plugin = data;
  if (!name || strcmp(name, WRY_KUBELET_SOCKET) == 0) plugin->reborn = TRUE; /* or gone: then there is no connection */
}

static void on_kubelet(gpointer data) {
  WryDevicePlugin *plugin = data;
  if (!plugin->reborn || !plugin->root) return;
  plugin->reborn = FALSE;
  plugin->turn++;
  for (guint i = 0; i < WRY_DEVICE_KINDS; i++) {
    plugin->kinds[i].failures = 0;
    begin(&plugin->kinds[i]);
  }
  plugin->changed(plugin->data);
}

static void on_device_name(const char *name G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED) {}
static void on_devices(gpointer data) { look_at_all(data); }

WryDevicePlugin *wry_device_plugin_new(const WryDevicePluginOptions *options, void (*changed)(gpointer data), gpointer data, GError **error) {
  WryDevicePlugin *plugin = g_new0(WryDevicePlugin, 1);
  *plugin = (WryDevicePlugin){.options = options, .changed = changed, .data = data};
  g_ref_count_init(&plugin->refs);
  for (guint i = 0; i < WRY_DEVICE_KINDS; i++) plugin->kinds[i] = (Kind){.plugin = plugin, .index = i, .watchers = g_ptr_array_new()};
  plugin->kubelet = wry_watch_births(options->kubelet_fd, on_kubelet_name, on_kubelet, plugin, error);
  plugin->devices = plugin->kubelet ? wry_watch_births(options->dev_fd, on_device_name, on_devices, plugin, error) : NULL;
  if (!plugin->devices) {
    wry_device_plugin_free(plugin);
    return NULL;
  }
  wry_autofd int net = wry_vopen(options->dev_fd, "net", O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, NULL);
  if (net >= 0) plugin->net = wry_watch_births(net, on_device_name, on_devices, plugin, NULL);
  return plugin;
}

void wry_device_plugin_free(WryDevicePlugin *plugin) {
  if (!plugin) return;
  plugin->ending = TRUE;
  wry_watch_free(plugin->kubelet);
  wry_watch_free(plugin->devices);
  wry_watch_free(plugin->net);
  for (guint i = 0; i < WRY_DEVICE_KINDS; i++) {
    stop(&plugin->kinds[i]);
    g_ptr_array_unref(plugin->kinds[i].watchers);
  }
  unref(plugin);
}

void wry_device_plugin_start(WryDevicePlugin *plugin, WryRoot *root) {
  plugin->root = root;
  look_at_all(plugin);
}

void wry_device_plugin_set_kvm(WryDevicePlugin *plugin, gboolean usable) {
  plugin->kvm = usable;
  look_at_all(plugin);
}

gboolean wry_device_plugin_ready(const WryDevicePlugin *plugin) {
  for (guint i = 0; i < WRY_DEVICE_KINDS; i++)
    if (is_present(&plugin->kinds[i]) && !plugin->kinds[i].registered) return FALSE;
  return TRUE;
}
