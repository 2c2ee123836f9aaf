/* Credential plugins of a kubeconfig (client.authentication.k8s.io, ExecCredential).
 *
 * How it works: the plugin is run when its last answer has expired or was refused with 401; calls that need it wait meanwhile. Who runs it is exchangeable: by default this process does, by GSubprocess; a process
 * that must not start programs has another do it. A plugin never gets a terminal: spec.interactive is false, its stdin is empty.
 * Relies on: GIO's subprocess; config.c for what is made of the answer. */
#include <gio/gio.h>
#include <string.h>

#include "handler/kube/config_internal.h"
#include "wherry/error.h"

#define API_GROUP "client.authentication.k8s.io/"
#define RUN_SECONDS 60u
#define EARLY_SECONDS 10 /* an answer is asked for anew so long before it expires */
#define RETRY_SECONDS 10 /* after a failed run */

/* One run; it may outlive its plugin. */
typedef struct {
  WryKubePlugin *plugin; /* NULL: freed */
  WryKubeConfig *config;
} Run;

struct WryKubePlugin {
  char **argv, **environment;
  char *api_version, *hint;
  WryKubeExecRun run;
  gpointer run_data;
  Run *running;
  gboolean good;      /* the last answer may be used */
  gint64 expires;     /* seconds since 1970; 0: never */
  GError *failure;    /* of the last run */
  gint64 failed_at;   /* monotonic microseconds */
};

/* --- the default runner ------------------------------------------------------------------------------------------------------------------------------------------------ */
typedef struct {
  GSubprocess *process;
  WryKubeExecDone done;
  gpointer data;
  guint timer;
} Child;

static gboolean on_late(gpointer data) {
  Child *child = data;
  child->timer = 0;
  g_subprocess_force_exit(child->process);
  return G_SOURCE_REMOVE;
}

static void on_child(GObject *source, GAsyncResult *result, gpointer data) {
  Child *child = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) output = NULL;
  gsize length = 0;
  gboolean read = g_subprocess_communicate_finish(G_SUBPROCESS(source), result, &output, NULL, &error);
  if (read && !g_subprocess_get_successful(child->process)) g_set_error_literal(&error, WRY_ERROR, WRY_ERROR_FAILED, child->timer ? "it ended with an error" : "it did not end in time");
  const char *text = output ? g_bytes_get_data(output, &length) : NULL;
  if (child->timer) g_source_remove(child->timer);
  child->done(error ? NULL : text, length, error, child->data);
  g_object_unref(child->process);
  g_free(child);
}

static void run_here(const char *const *argv, const char *const *environment, WryKubeExecDone done, gpointer done_data, gpointer data G_GNUC_UNUSED) {
  g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autoptr(GError) error = NULL;
  g_subprocess_launcher_set_environ(launcher, (char **)environment);
  GSubprocess *process = g_subprocess_launcher_spawnv(launcher, argv, &error);
  if (!process) {
    done(NULL, 0, error, done_data);
    return;
  }
  Child *child = g_new0(Child, 1);
  *child = (Child){.process = process, .done = done, .data = done_data};
  child->timer = g_timeout_add_seconds(RUN_SECONDS, on_late, child);
  g_subprocess_communicate_async(process, NULL, NULL, on_child, child);
}

/* --- what the kubeconfig says --------------------------------------------------------------------------------------------------------------------------------------------- */
static char **make_argv(WryJson *exec, const char *directory) {
  GPtrArray *argv = g_ptr_array_new();
  const char *command = wry_json_str(exec, "command");
  WryJson *args = wry_json_get(exec, "args");
  g_ptr_array_add(argv, strchr(command, '/') && !g_path_is_absolute(command) ? g_build_filename(directory, command, NULL) : g_strdup(command));
  for (gsize i = 0; json_object_is_type(args, json_type_array) && i < json_object_array_length(args); i++)
    g_ptr_array_add(argv, g_strdup(json_object_get_string(json_object_array_get_idx(args, i))));
  g_ptr_array_add(argv, NULL);
  return (char **)g_ptr_array_free(argv, FALSE);
}

static void copy_member(WryJson *to, WryJson *from, const char *key) {
  WryJson *value = wry_json_get(from, key);
  if (value) json_object_object_add(to, key, json_object_get(value));
}

/* spec.cluster of the ExecCredential: what the plugin may know of the cluster. */
static WryJson *cluster_info(WryJson *cluster) {
  static const char *const keys[] = {"server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url", "disable-compression"};
  WryJson *info = json_object_new_object(), *extensions = wry_json_get(cluster, "extensions");
  for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) copy_member(info, cluster, keys[i]);
  for (gsize i = 0; json_object_is_type(extensions, json_type_array) && i < json_object_array_length(extensions); i++) {
    WryJson *one = json_object_array_get_idx(extensions, i), *extension = wry_json_get(one, "extension");
    if (!g_strcmp0(wry_json_str(one, "name"), API_GROUP "exec") && extension) json_object_object_add(info, "config", json_object_get(extension));
  }
  return info;
}

static char *exec_info(const char *api_version, WryJson *exec, WryJson *cluster) {
  g_autoptr(WryJson) info = json_object_new_object();
  WryJson *spec = json_object_new_object();
  json_object_object_add(info, "kind", json_object_new_string("ExecCredential"));
  json_object_object_add(info, "apiVersion", json_object_new_string(api_version));
  json_object_object_add(info, "spec", spec);
  json_object_object_add(spec, "interactive", json_object_new_boolean(FALSE));
  if (wry_json_bool(exec, "provideClusterInfo", FALSE)) json_object_object_add(spec, "cluster", cluster_info(cluster));
  return g_strdup(json_object_to_json_string_ext(info, JSON_C_TO_STRING_PLAIN));
}

static char **make_environment(const char *api_version, WryJson *exec, WryJson *cluster) {
  char **environment = g_get_environ();
  g_autofree char *info = exec_info(api_version, exec, cluster);
  WryJson *list = wry_json_get(exec, "env");
  for (gsize i = 0; json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++) {
    WryJson *one = json_object_array_get_idx(list, i);
    const char *name = wry_json_str(one, "name"), *value = wry_json_str(one, "value");
    if (name && *name && !strchr(name, '=')) environment = g_environ_setenv(environment, name, value ? value : "", TRUE);
  }
  return g_environ_setenv(environment, "KUBERNETES_EXEC_INFO", info, TRUE);
}

WryKubePlugin *wry_kube_plugin_new(WryJson *exec, WryJson *cluster, const char *directory, GError **error) {
  const char *command = wry_json_str(exec, "command"), *api_version = wry_json_str(exec, "apiVersion");
  if (!command || !*command || !api_version || (strcmp(api_version, API_GROUP "v1") && strcmp(api_version, API_GROUP "v1beta1"))) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_INVALID, "exec: command and apiVersion (" API_GROUP "v1 or v1beta1) are needed");
    return NULL;
  }
  if (!g_strcmp0(wry_json_str(exec, "interactiveMode"), "Always")) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED, "exec: interactiveMode Always: there is nobody to ask");
    return NULL;
  }
  WryKubePlugin *plugin = g_new0(WryKubePlugin, 1);
  plugin->argv = make_argv(exec, directory);
  plugin->environment = make_environment(api_version, exec, cluster);
  plugin->api_version = g_strdup(api_version);
  plugin->hint = g_strdup(wry_json_str(exec, "installHint"));
  plugin->run = run_here;
  return plugin;
}

void wry_kube_plugin_free(WryKubePlugin *plugin) {
  if (!plugin) return;
  if (plugin->running) plugin->running->plugin = NULL;
  g_strfreev(plugin->argv);
  g_strfreev(plugin->environment);
  g_free(plugin->api_version);
  g_free(plugin->hint);
  g_clear_error(&plugin->failure);
  g_free(plugin);
}

void wry_kube_plugin_set_runner(WryKubePlugin *plugin, WryKubeExecRun run, gpointer data) {
  plugin->run = run;
  plugin->run_data = data;
}

/* --- its answer ------------------------------------------------------------------------------------------------------------------------------------------------------------- */
void wry_kube_exec_answer_clear(WryKubeExecAnswer *answer) {
  g_free(answer->token);
  g_free(answer->cert);
  g_free(answer->key);
  *answer = (WryKubeExecAnswer){0};
}

static gboolean bad_answer(const char *what, GError **error) {
  g_set_error(error, WRY_ERROR, WRY_ERROR_PROTOCOL, "the answer %s", what);
  return FALSE;
}

static gboolean read_expiry(WryKubeExecAnswer *answer, const char *text, GError **error) {
  if (!text) return TRUE;
  g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text, NULL);
  if (!time) return bad_answer("has an expirationTimestamp that is no time", error);
  answer->expires = g_date_time_to_unix(time);
  return TRUE;
}

static gboolean header_safe(const char *token) {
  for (const char *p = token; *p; p++)
    if (!g_ascii_isgraph(*p)) return FALSE;
  return TRUE;
}

gboolean wry_kube_exec_answer_parse(WryKubeExecAnswer *answer, const char *api_version, const char *text, gsize length, GError **error) {
  g_autoptr(WryJson) object = wry_json_parse(text, length, error);
  *answer = (WryKubeExecAnswer){0};
  if (!object) return FALSE;
  WryJson *status = wry_json_get(object, "status");
  if (g_strcmp0(wry_json_str(object, "kind"), "ExecCredential") || g_strcmp0(wry_json_str(object, "apiVersion"), api_version)) return bad_answer("is no ExecCredential of the wanted apiVersion", error);
  answer->token = g_strdup(wry_json_str(status, "token"));
  answer->cert = g_strdup(wry_json_str(status, "clientCertificateData"));
  answer->key = g_strdup(wry_json_str(status, "clientKeyData"));
  if (answer->token && !*answer->token) g_clear_pointer(&answer->token, g_free);
  if (answer->token && !header_safe(answer->token)) return bad_answer("has a token with bytes that no token has", error);
  if (!answer->cert != !answer->key) return bad_answer("has a certificate without a key, or a key alone", error);
  if (!answer->token && !answer->cert) return bad_answer("has neither a token nor a certificate", error);
  return read_expiry(answer, wry_json_str(status, "expirationTimestamp"), error);
}

/* --- running ------------------------------------------------------------------------------------------------------------------------------------------------------------------ */
static gboolean take_answer(WryKubePlugin *plugin, WryKubeConfig *config, const char *output, gsize length, GError **error) {
  WryKubeExecAnswer answer;
  int cert = -1, key = -1;
  gboolean good = wry_kube_exec_answer_parse(&answer, plugin->api_version, output, length, error);
  if (good && answer.cert) {
    cert = wry_kube_memory_file("client certificate", answer.cert, strlen(answer.cert), error);
    key = cert >= 0 ? wry_kube_memory_file("client key", answer.key, strlen(answer.key), error) : -1;
    good = key >= 0;
  }
  if (good) wry_kube_config_identify(config, answer.token, cert, key);
  plugin->expires = answer.expires;
  wry_kube_exec_answer_clear(&answer);
  return good;
}

static void on_answer(const char *output, gsize length, const GError *error, gpointer data) {
  Run *run = data;
  WryKubePlugin *plugin = run->plugin;
  WryKubeConfig *config = run->config;
  g_free(run);
  if (!plugin) return;
  plugin->running = NULL;
  g_clear_error(&plugin->failure);
  if (error) plugin->failure = g_error_new(WRY_ERROR, WRY_ERROR_DENIED, "%s", error->message);
  plugin->good = !error && take_answer(plugin, config, output, length, &plugin->failure);
  if (!plugin->good) {
    plugin->failed_at = g_get_monotonic_time();
    g_prefix_error(&plugin->failure, "credential plugin %s: ", plugin->argv[0]);
    if (plugin->hint) {
      g_autofree char *said = g_strdup_printf("%s (%s)", plugin->failure->message, plugin->hint);
      g_free(plugin->failure->message);
      plugin->failure->message = g_steal_pointer(&said);
    }
  }
  if (config->ready) config->ready(config->ready_data);
}

static void start(WryKubePlugin *plugin, WryKubeConfig *config) {
  Run *run = g_new0(Run, 1);
  *run = (Run){.plugin = plugin, .config = config};
  plugin->running = run;
  plugin->run((const char *const *)plugin->argv, (const char *const *)plugin->environment, on_answer, run, plugin->run_data);
}

static gboolean is_current(const WryKubePlugin *plugin) {
  return plugin->good && (!plugin->expires || g_get_real_time() / G_USEC_PER_SEC + EARLY_SECONDS < plugin->expires);
}

WryKubeIdentity wry_kube_plugin_identity(WryKubePlugin *plugin, WryKubeConfig *config, GError **error) {
  if (is_current(plugin)) return WRY_KUBE_READY;
  if (!plugin->run) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_DENIED, "credential plugin %s: this process may not run it", plugin->argv[0]);
    return WRY_KUBE_FAILED;
  }
  gboolean resting = plugin->failure && g_get_monotonic_time() - plugin->failed_at < RETRY_SECONDS * G_USEC_PER_SEC;
  if (!plugin->running && !resting) start(plugin, config);
  if (plugin->running) return WRY_KUBE_PENDING;
  if (is_current(plugin)) return WRY_KUBE_READY; /* the runner answered at once */
  g_propagate_error(error, plugin->failure ? g_error_copy(plugin->failure) : g_error_new(WRY_ERROR, WRY_ERROR_DENIED, "credential plugin %s: its answer has expired already", plugin->argv[0]));
  return WRY_KUBE_FAILED;
}

void wry_kube_plugin_refused(WryKubePlugin *plugin) {
  plugin->good = FALSE;
}

gboolean wry_kube_plugin_now(WryKubePlugin *plugin, WryKubeConfig *config, GError **error) {
  while (wry_kube_plugin_identity(plugin, config, NULL) == WRY_KUBE_PENDING) g_main_context_iteration(NULL, TRUE);
  return wry_kube_plugin_identity(plugin, config, error) == WRY_KUBE_READY;
}
