/* Where the API server is and who we are.
 *
 * How it works: what must come from files or the resolver is read when the configuration is made. Certificates and keys go into sealed memory files, which libcurl opens as /proc/self/fd/N: that needs no file
 * system and no privilege. A token that is a file is read again when it is a minute old, as client-go does: the kubelet renews it long before it expires; one that cannot be read leaves the old one in use.
 * Relies on: vpath.h for the operator's files, getaddrinfo(3) before the process gives up its rights. */
#include "handler/kube/config_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <netdb.h>
#include <string.h>
#include <sys/mman.h>

#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/vpath.h"

#define IN_CLUSTER_ROOT "/var/run/secrets/kubernetes.io/serviceaccount"
#define TOKEN_SECONDS 60
#define MAX_ADDRESSES 16u

WryKubeConfig *wry_kube_config_alloc(void) {
  WryKubeConfig *config = g_new0(WryKubeConfig, 1);
  *config = (WryKubeConfig){.ca_fd = -1, .cert_fd = -1, .key_fd = -1};
  return config;
}

void wry_kube_config_free(WryKubeConfig *config) {
  if (!config) return;
  wry_kube_plugin_free(config->plugin);
  wry_kube_config_identify(config, NULL, -1, -1);
  wry_fd_close(&config->ca_fd);
  g_free(config->server);
  g_free(config->namespace_);
  g_free(config->tls_name);
  g_free(config->proxy);
  g_free(config->basic);
  g_free(config->token_path);
  g_strfreev(config->resolved);
  g_free(config);
}

const char *wry_kube_config_server(const WryKubeConfig *config) {
  return config->server;
}

const char *wry_kube_config_namespace(const WryKubeConfig *config) {
  return config->namespace_ ? config->namespace_ : "default";
}

/* --- files -------------------------------------------------------------------------------------------------------------------------------------------------------------- */
int wry_kube_memory_file(const char *name, const char *data, gsize length, GError **error) {
  wry_autofd int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0 || write(fd, data, length) != (ssize_t)length || fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
    wry_errno(error, errno, "memory file for %s", name);
    return -1;
  }
  return g_steal_fd(&fd);
}

char *wry_kube_read_path(const char *path, gsize *ret_length, GError **error) {
  wry_autofd int fd = wry_file_open(path, O_RDONLY, 0, error);
  return fd >= 0 ? wry_fd_read(fd, WRY_MAX_MANIFEST_BYTES, ret_length, error) : NULL;
}

/* --- the server ------------------------------------------------------------------------------------------------------------------------------------------------------------ */
/* "host:port:address,..." of a name; NULL when it is an address or cannot be looked up now. */
static char *look_up(const char *host, int port) {
  struct addrinfo *list = NULL, hints = {.ai_socktype = SOCK_STREAM};
  char address[INET6_ADDRSTRLEN];
  guint count = 0;
  if (g_hostname_is_ip_address(host) || getaddrinfo(host, NULL, &hints, &list) != 0) return NULL;
  GString *line = g_string_new(NULL);
  g_string_printf(line, "%s:%d:", host, port);
  for (const struct addrinfo *one = list; one && count < MAX_ADDRESSES; one = one->ai_next) {
    if (getnameinfo(one->ai_addr, one->ai_addrlen, address, sizeof address, NULL, 0, NI_NUMERICHOST) != 0) continue;
    g_string_append_printf(line, one->ai_family == AF_INET6 ? "%s[%s]" : "%s%s", count++ ? "," : "", address);
  }
  freeaddrinfo(list);
  return g_string_free(line, count == 0);
}

static int port_of(GUri *uri) {
  int port = g_uri_get_port(uri);
  return port > 0 ? port : !strcmp(g_uri_get_scheme(uri), "https") ? 443 : 80;
}

static void look_up_all(WryKubeConfig *config, GUri *server) {
  g_autoptr(GPtrArray) lines = g_ptr_array_new();
  g_autoptr(GUri) proxy = config->proxy ? g_uri_parse(config->proxy, G_URI_FLAGS_NONE, NULL) : NULL;
  char *line = look_up(g_uri_get_host(server), port_of(server));
  if (line) g_ptr_array_add(lines, line);
  if (proxy && g_uri_get_host(proxy) && (line = look_up(g_uri_get_host(proxy), port_of(proxy)))) g_ptr_array_add(lines, line);
  g_ptr_array_add(lines, NULL);
  g_strfreev(config->resolved);
  config->resolved = (char **)g_ptr_array_steal(lines, NULL);
}

gboolean wry_kube_config_set_server(WryKubeConfig *config, const char *server, GError **error) {
  g_autoptr(GUri) uri = g_uri_parse(server, G_URI_FLAGS_ENCODED | G_URI_FLAGS_SCHEME_NORMALIZE, NULL);
  const char *scheme = uri ? g_uri_get_scheme(uri) : NULL, *host = uri ? g_uri_get_host(uri) : NULL;
  if (!scheme || (strcmp(scheme, "https") && strcmp(scheme, "http")) || !host || !*host || g_uri_get_userinfo(uri) || g_uri_get_query(uri) || g_uri_get_fragment(uri)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "server: \"%s\" is no http or https address", server);
    return FALSE;
  }
  g_autofree char *prefix = g_strdup(g_uri_get_path(uri));
  for (gsize length = strlen(prefix); length && prefix[length - 1] == '/';) prefix[--length] = '\0';
  g_free(config->server);
  config->server = g_strdup_printf(strchr(host, ':') ? "%s://[%s]:%d%s" : "%s://%s:%d%s", scheme, host, port_of(uri), prefix);
  look_up_all(config, uri);
  return TRUE;
}

/* --- in a pod ---------------------------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean read_token(WryKubeConfig *config, GError **error) {
  gsize length;
  g_autofree char *text = wry_kube_read_path(config->token_path, &length, error);
  config->token_read = g_get_monotonic_time();
  if (!text) return FALSE;
  g_strstrip(text);
  for (const char *p = text; *p; p++)
    if (!g_ascii_isgraph(*p)) *text = '\0';
  if (!*text) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "%s: no token in it", config->token_path);
    return FALSE;
  }
  if (g_strcmp0(text, config->token)) wry_kube_config_identify(config, text, config->cert_fd, config->key_fd);
  return TRUE;
}

WryKubeConfig *wry_kube_config_in_cluster(const char *root, GError **error) {
  const char *host = g_getenv("KUBERNETES_SERVICE_HOST"), *port = g_getenv("KUBERNETES_SERVICE_PORT");
  if (!host || !*host || !port || !*port) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set");
    return NULL;
  }
  if (!root) root = IN_CLUSTER_ROOT;
  gsize length;
  g_autoptr(WryKubeConfig) config = wry_kube_config_alloc();
  g_autofree char *server = g_strdup_printf(strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host, port);
  g_autofree char *ca_path = g_build_filename(root, "ca.crt", NULL), *namespace_path = g_build_filename(root, "namespace", NULL);
  g_autofree char *ca = wry_kube_read_path(ca_path, &length, error);
  if (!ca || (config->ca_fd = wry_kube_memory_file("certificate authority", ca, length, error)) < 0) return NULL;
  config->token_path = g_build_filename(root, "token", NULL);
  if (!read_token(config, error) || !wry_kube_config_set_server(config, server, error)) return NULL;
  config->namespace_ = wry_kube_read_path(namespace_path, &length, NULL);
  if (config->namespace_) g_strstrip(config->namespace_);
  return g_steal_pointer(&config);
}

/* --- identity ------------------------------------------------------------------------------------------------------------------------------------------------------------------ */
static void replace_fd(int *fd, int take) {
  if (*fd != take) wry_fd_close(fd);
  *fd = take;
}

void wry_kube_config_identify(WryKubeConfig *config, const char *token, int take_cert_fd, int take_key_fd) {
  char *copy = g_strdup(token);
  g_free(config->token);
  config->token = copy;
  replace_fd(&config->cert_fd, take_cert_fd);
  replace_fd(&config->key_fd, take_key_fd);
  config->generation++;
}

WryKubeIdentity wry_kube_config_identity(WryKubeConfig *config, GError **error) {
  if (config->plugin) return wry_kube_plugin_identity(config->plugin, config, error);
  gint64 age = g_get_monotonic_time() - config->token_read;
  if (config->token_path && (!config->token || age > TOKEN_SECONDS * G_USEC_PER_SEC) && !read_token(config, config->token ? NULL : error) && !config->token) return WRY_KUBE_FAILED;
  return WRY_KUBE_READY;
}

void wry_kube_config_refused(WryKubeConfig *config, guint generation) {
  if (generation != config->generation) return;
  if (config->plugin) wry_kube_plugin_refused(config->plugin);
  if (config->token_path) read_token(config, NULL);
}

void wry_kube_config_set_runner(WryKubeConfig *config, WryKubeExecRun run, gpointer data) {
  if (config->plugin) wry_kube_plugin_set_runner(config->plugin, run, data);
}

gboolean wry_kube_config_exec_now(WryKubeConfig *config, GError **error) {
  return !config->plugin || wry_kube_plugin_now(config->plugin, config, error);
}
