#pragma once
/* What the files of the configuration and the client share of it. Only handler/kube/ includes this. */
#include "handler/kube/config.h"

#define WRY_KUBE_CA_BUNDLE "/etc/ssl/certs/ca-certificates.crt" /* trusted when a cluster names no authority; Debian's ca-certificates */

typedef struct WryKubePlugin WryKubePlugin;

struct WryKubeConfig {
  char *server;       /* "https://host:port[/prefix]" */
  char *namespace_;
  char *tls_name;     /* name in the server's certificate, when it is not the host; NULL */
  char *proxy;        /* NULL: the environment's */
  gboolean insecure;  /* the certificate is not checked */
  int ca_fd;          /* memory file, PEM; -1: http or insecure */
  char **resolved;    /* "host:port:address,...": names looked up beforehand; empty for literal addresses */

  /* who we are now */
  char *token, *basic; /* NULL: none. basic: "user:password" */
  int cert_fd, key_fd; /* memory files, PEM; -1: none */
  guint generation;    /* raised whenever one of the four above changes */

  char *token_path;    /* NULL: the token is no file's */
  gint64 token_read;   /* monotonic microseconds */
  WryKubePlugin *plugin;
  void (*ready)(gpointer data); /* an identity that was pending is there, or failed */
  gpointer ready_data;
};

WryKubeConfig *wry_kube_config_alloc(void);
/* A file that others open by /proc/self/fd/N, sealed. -1 with error. */
int wry_kube_memory_file(const char *name, const char *data, gsize length, GError **error);
/* Whole file by path, at most WRY_MAX_MANIFEST_BYTES; symlinks are followed. */
char *wry_kube_read_path(const char *path, gsize *ret_length, GError **error);
/* Sets the server after a check, and looks its name (and the proxy's) up. */
gboolean wry_kube_config_set_server(WryKubeConfig *config, const char *server, GError **error);
/* New identity; each NULL or -1 for none, fds are taken. */
void wry_kube_config_identify(WryKubeConfig *config, const char *token, int take_cert_fd, int take_key_fd);

typedef enum { WRY_KUBE_READY, WRY_KUBE_PENDING, WRY_KUBE_FAILED } WryKubeIdentity;
/* Makes token, basic, cert_fd and key_fd current. PENDING: `ready` is called later. */
WryKubeIdentity wry_kube_config_identity(WryKubeConfig *config, GError **error);
/* The server said 401 to the identity of that generation: it is made anew. */
void wry_kube_config_refused(WryKubeConfig *config, guint generation);

/* --- exec plugins ---------------------------------------------------------------------------------------------------------------------------------------------------- */
/* `exec` is a kubeconfig's user.exec, `cluster` its cluster, both borrowed. */
WryKubePlugin *wry_kube_plugin_new(WryJson *exec, WryJson *cluster, const char *directory, GError **error);
void wry_kube_plugin_free(WryKubePlugin *plugin);
void wry_kube_plugin_set_runner(WryKubePlugin *plugin, WryKubeExecRun run, gpointer data);
WryKubeIdentity wry_kube_plugin_identity(WryKubePlugin *plugin, WryKubeConfig *config, GError **error);
void wry_kube_plugin_refused(WryKubePlugin *plugin);
gboolean wry_kube_plugin_now(WryKubePlugin *plugin, WryKubeConfig *config, GError **error);

/* The answer of a plugin. Pure. */
typedef struct {
  char *token, *cert, *key; /* NULL: none; PEM */
  gint64 expires;           /* seconds since 1970; 0: with the process */
} WryKubeExecAnswer;
void wry_kube_exec_answer_clear(WryKubeExecAnswer *answer);
gboolean wry_kube_exec_answer_parse(WryKubeExecAnswer *answer, const char *api_version, const char *text, gsize length, GError **error);
