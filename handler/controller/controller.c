/* The controller role: leader election, and what begins and ends with it.
 *
 * How it works: a handler that does not lead keeps nothing but its wish for the Lease. One that leads watches, and works once it knows everything; when it stops leading, all calls under way are dropped at once:
 * another may begin.
 * Relies on: lease.h; world.c and work.c. */
#include "handler/controller/controller.h"

#include "handler/controller/build.h"
#include "handler/controller/controller_parts.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/log.h"
#include "wherry/vpath.h"

#define LEASE "virt-controller"
#define AT_ONCE 8 /* names at work */

/* The program's own: a controller and its launchers are built for the same machines. */
const char *wry_controller_architecture(void) {
#if defined(__x86_64__)
  return "amd64";
#elif defined(__aarch64__)
  return "arm64";
#else
#error "this architecture is not supported"
#endif
}

/* --- leading ------------------------------------------------------------------------------------------------------------------------------------------------------- */
static void stop(WryController *controller) {
  wry_controller_drop_jobs(controller);
  wry_controller_unwatch(controller);
  g_clear_pointer(&controller->queue, wry_queue_free);
}

static void on_started(gpointer data) {
  WryController *controller = data;
  controller->queue = wry_queue_new(AT_ONCE, wry_controller_work, controller);
  wry_controller_watch(controller);
}

static void on_stopped(gpointer data) {
  WryController *controller = data;
  wry_log(WRY_LOG_INFO, "the controller does not lead any more", "identity", controller->identity, NULL);
  stop(controller);
}

static void on_failed(const WryKubeFailure *failure, gpointer data) {
  (void)data;
  wry_log(failure->http == 409 ? WRY_LOG_DEBUG : WRY_LOG_WARNING, "lease", "why", failure->error->message, NULL);
}

/* --- the default configuration -------------------------------------------------------------------------------------------------------------------------------------- */
static WryJson *read_default(const char *path, const char *install_namespace) {
  g_autoptr(GError) error = NULL;
  gsize length = 0;
  wry_autofd int fd = path ? wry_file_open(path, 0, 0, &error) : -1;
  g_autofree char *text = fd >= 0 ? wry_fd_read(fd, WRY_MAX_MANIFEST_BYTES, &length, &error) : NULL;
  g_autoptr(GPtrArray) documents = text ? wry_manifest_parse(text, length, &error) : NULL;
  WryJson *object = documents && documents->len ? json_object_get(((const WryDocument *)documents->pdata[0])->object) : NULL;
  if (path && !object && !g_error_matches(error, WRY_ERROR, WRY_ERROR_NOT_FOUND))
    wry_log(WRY_LOG_WARNING, "the default KubeVirt object cannot be read", "file", path, "why", error ? error->message : "it is empty", NULL);
  if (object) wry_put_str(wry_child(object, "metadata"), "namespace", install_namespace);
  return object;
}

/* --- the role -------------------------------------------------------------------------------------------------------------------------------------------------------- */
static void free_set(gpointer set) { g_hash_table_unref(set); }

WryController *wry_controller_new(WryKube *kube, const WryControllerOptions *options) {
  static const WryKubeLeaseCalls calls = {.started = on_started, .stopped = on_stopped, .failed = on_failed};
  WryController *controller = g_new0(WryController, 1);
  g_autofree char *uuid = g_uuid_string_random();
  controller->kube = kube;
  controller->identity = g_strdup_printf("%s_%s", options->node_name, uuid);
  controller->install_namespace = g_strdup(options->install_namespace ? options->install_namespace : "kubevirt");
  controller->launcher_image = g_strdup(options->launcher_image);
  controller->default_kubevirt = read_default(options->default_file, controller->install_namespace);
  controller->owned = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_set);
  controller->claims = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_set);
  controller->jobs = g_ptr_array_new();
  controller->events = wry_kube_events_new(kube, NULL);
  const WryKubeLeaseOptions lease = {.namespace_ = controller->install_namespace, .name = LEASE, .identity = controller->identity};
  controller->lease = wry_kube_lease_new(kube, &lease, &calls, controller);
  return controller;
}

void wry_controller_free(WryController *controller) {
  if (!controller) return;
  wry_kube_lease_free(controller->lease);
  stop(controller);
  wry_kube_events_free(controller->events);
  wry_config_free(controller->config);
  wry_json_put(controller->default_kubevirt);
  g_hash_table_unref(controller->owned);
  g_hash_table_unref(controller->claims);
  g_ptr_array_unref(controller->jobs);
  g_free(controller->configured);
  g_free(controller->identity);
  g_free(controller->install_namespace);
  g_free(controller->launcher_image);
  g_free(controller);
}

void wry_controller_release(WryController *controller, void (*done)(gpointer data), gpointer data) { wry_kube_lease_release(controller->lease, done, data); }
gboolean wry_controller_leads(const WryController *controller) { return wry_kube_lease_leading(controller->lease); }
guint64 wry_controller_writes(const WryController *controller) { return controller->writes; }
