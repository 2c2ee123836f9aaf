/* Kubeconfig files (client-go's tools/clientcmd/api/v1 Config).
 *
 * How it works: current-context names a context, which names a cluster and a user; all are lists of {name, <kind>: {...}}. Each *-data field wins over its file, as with client-go.
 * Relies on: wry_manifest_parse for YAML; config.c for what is made of it. */
#include <string.h>

#include "handler/kube/config_internal.h"
#include "wherry/error.h"

/* The configuration being made, and what its parts are read from. */
typedef struct {
  WryKubeConfig *config;
  WryJson *cluster, *user;
  const char *directory;
  GPtrArray *warnings;
} Reading;

static void warn(const Reading *r, const char *text) {
  if (r->warnings) g_ptr_array_add(r->warnings, g_strdup(text));
}

static gboolean has(WryJson *object, const char *key) {
  const char *text = wry_json_str(object, key);
  return text && *text;
}

/* The member `kind` of the list's element called `name`. */
static WryJson *named(WryJson *root, const char *list_name, const char *kind, const char *name, GError **error) {
  WryJson *list = wry_json_get(root, list_name);
  for (gsize i = 0; json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++) {
    WryJson *one = json_object_array_get_idx(list, i);
    const char *own = wry_json_str(one, "name");
    if (own && !strcmp(own, name)) return wry_json_get(one, kind);
  }
  g_set_error(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "%s \"%s\" is not in %s", kind, name, list_name);
  return NULL;
}

static char *absolute(const Reading *r, const char *path) {
  return g_path_is_absolute(path) ? g_strdup(path) : g_build_filename(r->directory, path, NULL);
}

/* <key>-data in base64, or the file that <key> names. NULL without error when there is neither. */
static char *data_or_file(const Reading *r, WryJson *object, const char *key, gsize *ret_length, GError **error) {
  g_autofree char *data_key = g_strconcat(key, "-data", NULL);
  if (has(object, data_key)) {
    char *data = (char *)g_base64_decode(wry_json_str(object, data_key), ret_length);
    if (data && *ret_length) return data;
    g_free(data);
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "%s is no base64", data_key);
    return NULL;
  }
  if (!has(object, key)) return NULL;
  g_autofree char *path = absolute(r, wry_json_str(object, key));
  char *text = wry_kube_read_path(path, ret_length, error);
  if (!text) g_prefix_error(error, "%s: ", key);
  return text;
}

/* A memory file of it; -1 when there is none. */
static gboolean as_file(const Reading *r, WryJson *object, const char *key, int *ret_fd, GError **error) {
  gsize length;
  GError *why = NULL;
  g_autofree char *text = data_or_file(r, object, key, &length, &why);
  *ret_fd = text ? wry_kube_memory_file(key, text, length, &why) : -1;
  if (!why) return TRUE;
  g_propagate_error(error, why);
  return FALSE;
}

static gboolean trust_system(WryKubeConfig *config, GError **error) {
  gsize length;
  g_autofree char *bundle = wry_kube_read_path(WRY_KUBE_CA_BUNDLE, &length, error);
  return bundle && (config->ca_fd = wry_kube_memory_file("certificate authorities", bundle, length, error)) >= 0;
}

static gboolean read_cluster(const Reading *r, GError **error) {
  WryKubeConfig *config = r->config;
  config->insecure = wry_json_bool(r->cluster, "insecure-skip-tls-verify", FALSE);
  if (has(r->cluster, "tls-server-name")) config->tls_name = g_strdup(wry_json_str(r->cluster, "tls-server-name"));
  if (has(r->cluster, "proxy-url")) config->proxy = g_strdup(wry_json_str(r->cluster, "proxy-url"));
  if (!has(r->cluster, "server")) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_INVALID, "the cluster has no server");
    return FALSE;
  }
  if (!wry_kube_config_set_server(config, wry_json_str(r->cluster, "server"), error) || !as_file(r, r->cluster, "certificate-authority", &config->ca_fd, error)) return FALSE;
  if (g_str_has_prefix(config->server, "http:")) {
    warn(r, "the API server's address is http: nothing is encrypted, and nobody proves who they are");
    return TRUE;
  }
  if (!config->insecure) return config->ca_fd >= 0 || trust_system(config, error);
  if (config->ca_fd >= 0) { /* client-go refuses the two together */
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_INVALID, "certificate-authority and insecure-skip-tls-verify exclude each other");
    return FALSE;
  }
  warn(r, "insecure-skip-tls-verify: the API server's certificate is not checked");
  return TRUE;
}

static gboolean read_certificate(const Reading *r, GError **error) {
  WryKubeConfig *config = r->config;
  if (!as_file(r, r->user, "client-certificate", &config->cert_fd, error) || !as_file(r, r->user, "client-key", &config->key_fd, error)) return FALSE;
  if ((config->cert_fd < 0) == (config->key_fd < 0)) return TRUE;
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_INVALID, "client-certificate and client-key belong together");
  return FALSE;
}

static gboolean read_user(const Reading *r, GError **error) {
  WryKubeConfig *config = r->config;
  if (wry_json_get(r->user, "auth-provider")) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED, "auth-provider is no longer supported by Kubernetes' clients: use exec");
    return FALSE;
  }
  if (!read_certificate(r, error)) return FALSE;
  if (has(r->user, "tokenFile"))
    config->token_path = absolute(r, wry_json_str(r->user, "tokenFile"));
  else if (has(r->user, "token"))
    wry_kube_config_identify(config, wry_json_str(r->user, "token"), config->cert_fd, config->key_fd);
  else if (has(r->user, "username") && wry_json_str(r->user, "password"))
    config->basic = g_strdup_printf("%s:%s", wry_json_str(r->user, "username"), wry_json_str(r->user, "password"));
  WryJson *exec = wry_json_get(r->user, "exec");
  if (exec && !(config->plugin = wry_kube_plugin_new(exec, r->cluster, r->directory, error))) return FALSE;
  return exec || wry_kube_config_identity(config, error) != WRY_KUBE_FAILED;
}

static WryKubeConfig *read_context(WryJson *root, const char *directory, const char *context_name, GPtrArray *warnings, GError **error) {
  if (!context_name) context_name = wry_json_str(root, "current-context");
  if (!context_name || !*context_name) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "no current-context");
    return NULL;
  }
  WryJson *context = named(root, "contexts", "context", context_name, error);
  const char *cluster = wry_json_str(context, "cluster"), *user = wry_json_str(context, "user");
  g_autoptr(WryKubeConfig) config = wry_kube_config_alloc();
  Reading reading = {.config = config, .directory = directory, .warnings = warnings};
  if (!context || !(reading.cluster = named(root, "clusters", "cluster", cluster ? cluster : "", error))) return NULL;
  if (user && *user && !(reading.user = named(root, "users", "user", user, error))) return NULL;
  if (has(context, "namespace")) config->namespace_ = g_strdup(wry_json_str(context, "namespace"));
  if (!read_cluster(&reading, error) || !read_user(&reading, error)) return NULL;
  return g_steal_pointer(&config);
}

WryKubeConfig *wry_kube_config_parse(const char *text, gsize length, const char *directory, const char *context, GPtrArray *warnings, GError **error) {
  g_autoptr(GPtrArray) documents = wry_manifest_parse(text, length, error);
  if (!documents) return NULL;
  if (documents->len != 1) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_INVALID, "a kubeconfig is one document");
    return NULL;
  }
  return read_context(((WryDocument *)g_ptr_array_index(documents, 0))->object, directory, context, warnings, error);
}

static char *default_path(void) {
  const char *list = g_getenv("KUBECONFIG");
  g_auto(GStrv) paths = g_strsplit(list ? list : "", ":", -1);
  for (char **path = paths; *path; path++)
    if (**path) return g_strdup(*path);
  return g_build_filename(g_get_home_dir(), ".kube", "config", NULL);
}

WryKubeConfig *wry_kube_config_load(const char *path, const char *context, GPtrArray *warnings, GError **error) {
  gsize length;
  g_autofree char *found = path ? g_strdup(path) : default_path();
  g_autofree char *directory = g_path_get_dirname(found);
  g_autofree char *text = wry_kube_read_path(found, &length, error);
  if (!text) return NULL;
  WryKubeConfig *config = wry_kube_config_parse(text, length, directory, context, warnings, error);
  if (!config) g_prefix_error(error, "%s: ", found);
  return config;
}
