#pragma once
/* Where the API server is and who we are: in-cluster configuration or a kubeconfig file (client.authentication.k8s.io/v1 exec plugins included).
 *
 * Everything that needs a path or the resolver is done when a configuration is made, before a process gives up its rights; afterwards only token files are read again. Certificates and keys are
 * handed to libcurl as sealed memory files, so a process without access to the file system can still open connections.
 *
 * Behaviour as client-go's (rest.InClusterConfig, tools/clientcmd) unless a comment says otherwise. */
#include "wherry/json.h"

typedef struct WryKubeConfig WryKubeConfig;

/* In a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, ca.crt, token and namespace below `root` (NULL: /var/run/secrets/kubernetes.io/serviceaccount). The token file is read again when
 * it is a minute old, and at once after a 401. WRY_ERROR_NOT_FOUND outside a pod. */
WryKubeConfig *wry_kube_config_in_cluster(const char *root, GError **error);

/* A kubeconfig file: current-context (or `context`), clusters, users; relative paths are relative to the file. Read: server, certificate-authority(-data), tls-server-name, insecure-skip-tls-verify,
 * proxy-url; client-certificate(-data), client-key(-data), token, tokenFile, username and password, exec. An auth-provider, as removed from client-go 1.26, is WRY_ERROR_UNSUPPORTED. `warnings`,
 * when given, gets one sentence (char *) for each thing an operator should know (insecure-skip-tls-verify, http://). `path` NULL: the first file of $KUBECONFIG, else ~/.kube/config. */
WryKubeConfig *wry_kube_config_load(const char *path, const char *context, GPtrArray *warnings, GError **error);
/* As above from text; `directory` is what relative paths are relative to. */
WryKubeConfig *wry_kube_config_parse(const char *text, gsize length, const char *directory, const char *context, GPtrArray *warnings, GError **error);
void wry_kube_config_free(WryKubeConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryKubeConfig, wry_kube_config_free)

/* "https://10.96.0.1:443", no slash at the end. Borrowed. */
const char *wry_kube_config_server(const WryKubeConfig *config);
/* The pod's namespace, or the context's; "default" when there is none. Borrowed. */
const char *wry_kube_config_namespace(const WryKubeConfig *config);

/* --- exec plugins ---------------------------------------------------------------------------------------------------------------------------------------------- */
/* One run of a credential plugin. `argv` and `environment` (whole, NULL-terminated) are borrowed. The runner calls `done` once: `output` is what the plugin wrote to stdout. */
typedef void (*WryKubeExecDone)(const char *output, gsize length, const GError *error, gpointer done_data);
typedef void (*WryKubeExecRun)(const char *const *argv, const char *const *environment, WryKubeExecDone done, gpointer done_data, gpointer data);
/* Who runs plugins. Default: this process (GSubprocess), which a process under handler main's system call policy must not do: it gives a runner of its own, or none (NULL), with which every call that
 * needs fresh credentials fails with WRY_ERROR_DENIED. */
void wry_kube_config_set_runner(WryKubeConfig *config, WryKubeExecRun run, gpointer data);
/* Runs the plugin now and waits for it, so that its answer is there before rights are given up. Nothing to do without an exec plugin. */
gboolean wry_kube_config_exec_now(WryKubeConfig *config, GError **error);
