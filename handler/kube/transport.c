/* HTTP transfers on the main loop, by libcurl's multi socket interface.
 *
 * How it works: libcurl tells which sockets and which time it waits for; each becomes a GLib source that hands the event back. libcurl must not be called from its own callbacks, but what a consumer does with bytes
 * may start and end transfers: those wait in a list until libcurl has returned. Connections are kept and shared; with HTTP/2 all transfers go over one. libcurl's own waiting for a connection that is being made (CURLOPT_PIPEWAIT) is not
 * used: in 7.88, without HTTP/2, what waits so may wait until another transfer ends, and a watch does not end. client.c sends one ahead instead.
 *
 * No answer makes us talk to another host: redirects are not followed. No answer can be larger than it looks: no compression is asked for. A dead peer is found by TCP's own probes and by TCP_USER_TIMEOUT, so an idle
 * watch needs no timer of ours that wakes often.
 * Relies on: libcurl (GnuTLS), which opens certificates as /proc/self/fd/N; names were looked up by config.c, so no resolver thread is started. */
#include "handler/kube/transport.h"

#include <curl/curl.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "handler/kube/config_internal.h"
#include "wherry/error.h"

#define CONNECT_SECONDS 10L
#define KEEPALIVE_IDLE 30L
#define KEEPALIVE_INTERVAL 10L
#define USER_TIMEOUT_MILLISECONDS 30000 /* sent but never acknowledged */
#define MAX_IDLE_CONNECTIONS 8L
#define FD_PATH_SIZE 32

typedef struct {
  WryTransport *transport;
  curl_socket_t fd;
  guint source;
} Socket;

struct WryTransfer {
  WryTransport *transport;
  GList link;        /* in transport->transfers */
  CURL *easy;
  struct curl_slist *headers;
  const WryTransferCalls *calls;
  gpointer data;
  char *body;        /* of a request that must not be sent twice */
  gsize body_length, body_sent;
  guint idle_seconds;
  gint64 last_byte;
  guint idle, deadline; /* timers */
  gboolean added, dropped, stopped, late;
  char error[CURL_ERROR_SIZE];
};

struct WryTransport {
  const WryKubeConfig *config;
  CURLM *multi;
  struct curl_slist *resolved, *connect_to;
  char *base;         /* URL without path: scheme://name:port */
  char *prefix;       /* path prefix of the server's address */
  char *host_header;  /* when the URL's host is the name in the certificate */
  char *user_agent;
  gboolean http1;
  guint timer;
  GQueue transfers;
  guint inside;       /* depth of calls into libcurl */
  GQueue deferred;    /* transfers to be added or freed once it has returned */
};

/* --- into libcurl and out -------------------------------------------------------------------------------------------------------------------------------------------- */
static void transfer_free(WryTransfer *transfer) {
  WryTransport *transport = transfer->transport;
  if (transfer->added) curl_multi_remove_handle(transport->multi, transfer->easy);
  g_queue_unlink(&transport->transfers, &transfer->link);
  g_queue_remove(&transport->deferred, transfer);
  if (transfer->idle) g_source_remove(transfer->idle);
  if (transfer->deadline) g_source_remove(transfer->deadline);
  curl_easy_cleanup(transfer->easy);
  curl_slist_free_all(transfer->headers);
  g_free(transfer->body);
  g_free(transfer);
}

/* What waited for libcurl to return. */
static void settle(WryTransport *transport) {
  WryTransfer *transfer;
  while ((transfer = g_queue_pop_head(&transport->deferred))) {
    if (transfer->dropped) {
      transfer_free(transfer);
    } else if (!transfer->added) {
      transfer->added = TRUE;
      curl_multi_add_handle(transport->multi, transfer->easy);
    }
  }
}

static guint retry_after(CURL *easy) {
  curl_off_t seconds = 0;
  curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds);
  return (guint)CLAMP(seconds, 0, 86400);
}

/* Failures before the first byte of the request. */
static gboolean is_unsent(CURLcode code) {
  static const CURLcode before[] = {CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT, CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CACERT_BADFILE};
  for (gsize i = 0; i < G_N_ELEMENTS(before); i++)
    if (before[i] == code) return TRUE;
  return FALSE;
}

static void finish(WryTransfer *transfer, CURLcode code) {
  long http = 0;
  const char *type = NULL;
  curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &http);
  curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &type);
  WryTransferEnd end = {
      .http = (int)http, .unsent = is_unsent(code), .timeout = transfer->late || code == CURLE_OPERATION_TIMEDOUT, .stopped = transfer->stopped, .retry_after = retry_after(transfer->easy),
      .json = type && !strncasecmp(type, "application/json", 16),
  };
  if (transfer->late)
    end.why = "no answer in time";
  else if (code != CURLE_OK)
    end.why = *transfer->error ? transfer->error : curl_easy_strerror(code);
  const WryTransferCalls *calls = transfer->calls;
  gpointer data = transfer->data;
  g_autofree char *why = g_strdup(end.why);
  end.why = why;
  transfer_free(transfer);
  calls->end(&end, data);
}

/* After each call into libcurl: ended transfers are told, then what they led to is done. */
static void reap(WryTransport *transport) {
  CURLMsg *message;
  int left;
  settle(transport);
  while ((message = curl_multi_info_read(transport->multi, &left))) {
    WryTransfer *transfer = NULL;
    CURLcode code = message->data.result;
    if (message->msg != CURLMSG_DONE) continue;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
    finish(transfer, code);
    settle(transport);
  }
}

static void drive(WryTransport *transport, curl_socket_t fd, int events) {
  int running;
  transport->inside++;
  curl_multi_socket_action(transport->multi, fd, events, &running);
  transport->inside--;
  reap(transport);
}

/* --- libcurl's wishes ---------------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean on_socket(gint fd, GIOCondition condition, gpointer data) {
  Socket *sock = data;
  int events = (condition & G_IO_IN ? CURL_CSELECT_IN : 0) | (condition & G_IO_OUT ? CURL_CSELECT_OUT : 0) | (condition & (G_IO_ERR | G_IO_HUP) ? CURL_CSELECT_ERR : 0);
  drive(sock->transport, fd, events);
  return G_SOURCE_CONTINUE; /* a source that libcurl gave up meanwhile is removed already */
}

static int want_socket(CURL *easy G_GNUC_UNUSED, curl_socket_t fd, int what, void *data, void *own) {
  WryTransport *transport = data;
  Socket *sock = own;
  if (sock && sock->source) g_source_remove(sock->source);
  if (what == CURL_POLL_REMOVE) {
    g_free(sock);
    return 0;
  }
  if (!sock) {
    sock = g_new0(Socket, 1);
    *sock = (Socket){.transport = transport, .fd = fd};
    curl_multi_assign(transport->multi, fd, sock);
  }
  GIOCondition condition = (what & CURL_POLL_IN ? G_IO_IN : 0) | (what & CURL_POLL_OUT ? G_IO_OUT : 0);
  sock->source = condition ? g_unix_fd_add(fd, condition | G_IO_ERR | G_IO_HUP, on_socket, sock) : 0;
  return 0;
}

static gboolean on_timer(gpointer data) {
  WryTransport *transport = data;
  transport->timer = 0;
  drive(transport, CURL_SOCKET_TIMEOUT, 0);
  return G_SOURCE_REMOVE;
}

static int want_timer(CURLM *multi G_GNUC_UNUSED, long milliseconds, void *data) {
  WryTransport *transport = data;
  if (transport->timer) g_source_remove(transport->timer);
  transport->timer = milliseconds >= 0 ? g_timeout_add((guint)milliseconds, on_timer, transport) : 0;
  return 0;
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *data) {
  WryTransfer *transfer = data;
  long http = 0;
  transfer->last_byte = g_get_monotonic_time();
  curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &http);
  if (transfer->dropped || transfer->stopped) return 0;
  if (transfer->calls->bytes((int)http, bytes, size * count, transfer->data)) return size * count;
  transfer->stopped = TRUE;
  return 0;
}

/* The empty line behind a head; that of an interim answer (1xx) is none. */
static size_t on_head(char *line, size_t size, size_t count, void *data) {
  WryTransfer *transfer = data;
  long http = 0;
  gboolean last = size * count == 2 && line[0] == '\r';
  curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &http);
  if (last && http >= 200 && transfer->calls->begin && !transfer->dropped) transfer->calls->begin((int)http, transfer->data);
  return size * count;
}

static int on_connect_socket(void *data G_GNUC_UNUSED, curl_socket_t fd, curlsocktype purpose G_GNUC_UNUSED) {
  int limit = USER_TIMEOUT_MILLISECONDS;
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit); /* a kernel without it has its own, longer one */
  return CURL_SOCKOPT_OK;
}

/* --- the transport -------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* The server's certificate names another host: that one is asked for, at the address of this one. */
static void rename_host(WryTransport *transport) {
  const WryKubeConfig *config = transport->config;
  g_autoptr(GUri) uri = g_uri_parse(config->server, G_URI_FLAGS_ENCODED, NULL);
  const char *host = g_uri_get_host(uri);
  int port = g_uri_get_port(uri);
  g_autofree char *shown = g_strdup_printf(strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
  transport->prefix = g_strdup(g_uri_get_path(uri));
  if (!config->tls_name) {
    transport->base = g_strdup_printf("%s://%s", g_uri_get_scheme(uri), shown);
    return;
  }
  g_autofree char *line = g_strdup_printf("%s:%d:%s", config->tls_name, port, shown);
  transport->base = g_strdup_printf("%s://%s:%d", g_uri_get_scheme(uri), config->tls_name, port);
  transport->host_header = g_strdup_printf("Host: %s", shown);
  transport->connect_to = curl_slist_append(NULL, line);
}

WryTransport *wry_transport_new(const WryKubeConfig *config, gboolean http1, const char *user_agent, GError **error) {
  CURLM *multi = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_multi_init() : NULL;
  if (!multi) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_FAILED, "libcurl cannot be used");
    return NULL;
  }
  WryTransport *transport = g_new0(WryTransport, 1);
  *transport = (WryTransport){.config = config, .multi = multi, .http1 = http1, .user_agent = g_strdup(user_agent)};
  for (char **line = config->resolved; line && *line; line++) transport->resolved = curl_slist_append(transport->resolved, *line);
  rename_host(transport);
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, want_socket);
  curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, transport);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, want_timer);
  curl_multi_setopt(multi, CURLMOPT_TIMERDATA, transport);
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, MAX_IDLE_CONNECTIONS);
  return transport;
}

void wry_transport_free(WryTransport *transport) {
  if (!transport) return;
  while (transport->transfers.head) transfer_free(transport->transfers.head->data);
  curl_multi_cleanup(transport->multi);
  if (transport->timer) g_source_remove(transport->timer);
  curl_slist_free_all(transport->resolved);
  curl_slist_free_all(transport->connect_to);
  g_free(transport->base);
  g_free(transport->prefix);
  g_free(transport->host_header);
  g_free(transport->user_agent);
  g_free(transport);
}

/* --- one transfer ----------------------------------------------------------------------------------------------------------------------------------------------------------- */
static void add_header(WryTransfer *transfer, const char *name, const char *value) {
  g_autofree char *line = value ? g_strdup_printf("%s: %s", name, value) : NULL;
  if (line) transfer->headers = curl_slist_append(transfer->headers, line);
}

static void set_identity(WryTransfer *transfer) {
  const WryKubeConfig *config = transfer->transport->config;
  char path[FD_PATH_SIZE];
  if (config->token) {
    g_autofree char *bearer = g_strdup_printf("Bearer %s", config->token);
    add_header(transfer, "Authorization", bearer);
  } else if (config->basic) {
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(transfer->easy, CURLOPT_USERPWD, config->basic);
  }
  if (config->cert_fd < 0) return;
  g_snprintf(path, sizeof path, "/proc/self/fd/%d", config->cert_fd);
  curl_easy_setopt(transfer->easy, CURLOPT_SSLCERT, path);
  g_snprintf(path, sizeof path, "/proc/self/fd/%d", config->key_fd);
  curl_easy_setopt(transfer->easy, CURLOPT_SSLKEY, path);
}

static void set_connection(WryTransfer *transfer) {
  WryTransport *transport = transfer->transport;
  const WryKubeConfig *config = transport->config;
  CURL *easy = transfer->easy;
  char path[FD_PATH_SIZE];
  g_snprintf(path, sizeof path, "/proc/self/fd/%d", config->ca_fd);
  curl_easy_setopt(easy, CURLOPT_CAINFO, config->ca_fd >= 0 ? path : NULL);
  curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, config->insecure ? 0L : 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, config->insecure ? 0L : 2L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, g_str_has_prefix(transport->base, "https") ? "https" : "http");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, transport->http1 ? (long)CURL_HTTP_VERSION_1_1 : (long)CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(easy, CURLOPT_RESOLVE, transport->resolved);
  curl_easy_setopt(easy, CURLOPT_CONNECT_TO, transport->connect_to);
  if (config->proxy) curl_easy_setopt(easy, CURLOPT_PROXY, config->proxy);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL);
  curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_connect_socket);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
}

static size_t on_body(char *into, size_t size, size_t count, void *data) {
  WryTransfer *transfer = data;
  gsize length = MIN(size * count, transfer->body_length - transfer->body_sent);
  memcpy(into, transfer->body + transfer->body_sent, length);
  transfer->body_sent += length;
  return length;
}

/* libcurl sends a request again by itself when a kept connection turns out to be dead, and asks for the body's start first. */
static int on_rewind(void *data, curl_off_t offset, int origin) {
  const WryTransfer *transfer = data;
  return transfer->body_sent == 0 && offset == 0 && origin == SEEK_SET ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static void set_body(WryTransfer *transfer, const WryTransferRequest *request) {
  CURL *easy = transfer->easy;
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
  if (!request->once) {
    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body);
    return;
  }
  transfer->body = g_memdup2(request->body, request->body_length);
  transfer->body_length = request->body_length;
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_READDATA, transfer);
  curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_rewind);
  curl_easy_setopt(easy, CURLOPT_SEEKDATA, transfer);
}

static void set_request(WryTransfer *transfer, const WryTransferRequest *request) {
  WryTransport *transport = transfer->transport;
  CURL *easy = transfer->easy;
  g_autofree char *url = g_strconcat(transport->base, transport->prefix, request->target, NULL);
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  if (request->body) set_body(transfer, request);
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
  add_header(transfer, "Content-Type", request->body ? request->content_type : NULL);
  add_header(transfer, "Accept", request->accept);
  if (request->body) transfer->headers = curl_slist_append(transfer->headers, "Expect:"); /* no waiting for "100 Continue" */
  if (transport->host_header) transfer->headers = curl_slist_append(transfer->headers, transport->host_header);
  set_identity(transfer);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, transport->user_agent);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
}

/* Too late, from the main loop: libcurl is not inside. */
static void be_late(WryTransfer *transfer) {
  transfer->late = TRUE;
  finish(transfer, CURLE_OPERATION_TIMEDOUT);
}

static gboolean on_deadline(gpointer data) {
  WryTransfer *transfer = data;
  transfer->deadline = 0;
  be_late(transfer);
  return G_SOURCE_REMOVE;
}

/* One timer that looks back instead of one that is set anew with each byte. */
static gboolean on_idle(gpointer data) {
  WryTransfer *transfer = data;
  gint64 quiet = (g_get_monotonic_time() - transfer->last_byte) / G_USEC_PER_SEC;
  transfer->idle = 0;
  if (quiet >= transfer->idle_seconds)
    be_late(transfer);
  else
    transfer->idle = g_timeout_add_seconds(transfer->idle_seconds - (guint)quiet, on_idle, transfer);
  return G_SOURCE_REMOVE;
}

WryTransfer *wry_transport_start(WryTransport *transport, const WryTransferRequest *request, const WryTransferCalls *calls, gpointer data) {
  WryTransfer *transfer = g_new0(WryTransfer, 1);
  *transfer = (WryTransfer){.transport = transport, .easy = curl_easy_init(), .calls = calls, .data = data, .idle_seconds = request->idle_seconds, .last_byte = g_get_monotonic_time()};
  transfer->link.data = transfer;
  g_queue_push_tail_link(&transport->transfers, &transfer->link);
  set_connection(transfer);
  set_request(transfer, request);
  if (request->timeout_seconds) transfer->deadline = g_timeout_add_seconds(request->timeout_seconds, on_deadline, transfer);
  if (request->idle_seconds) transfer->idle = g_timeout_add_seconds(request->idle_seconds, on_idle, transfer);
  g_queue_push_tail(&transport->deferred, transfer);
  if (!transport->inside) settle(transport);
  return transfer;
}

void wry_transfer_drop(WryTransfer *transfer) {
  WryTransport *transport = transfer->transport;
  if (!transport->inside) {
    transfer_free(transfer);
    return;
  }
  transfer->dropped = TRUE;
  g_queue_remove(&transport->deferred, transfer);
  g_queue_push_tail(&transport->deferred, transfer);
}
