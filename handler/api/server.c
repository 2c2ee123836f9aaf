/* libmicrohttpd on the GLib loop.
 *
 * How it works: the daemon runs no thread and does not listen; connections are given to it by the front, which ends TLS. A source of the main context watches its epoll
 * descriptor and its next timeout and lets it run. A request is made when its line has been read (that callback alone sees the path undecoded), collects its body,
 * is handed on when it is whole and suspended unless it was answered at once. Nothing of the daemon is touched from outside its own calls but by resuming. */
#include "handler/api/server.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "wherry/error.h"
#include "wherry/log.h"

#define MEMORY_PER_CONNECTION (32u << 10) /* request line and headers: at most half of it is one buffer */
#define MAX_URI 4096u
struct WryApiServer {
  WryApiServerOptions options;
  struct MHD_Daemon *daemon;
  GSource *source;
  WryFront *front;
  GHashTable *requests; /* all that live: WryApiRequest */
  const char *peer;     /* of the connection that is being given to the daemon */
  gboolean ending;
};

struct WryApiRequest {
  WryApiServer *server;
  struct MHD_Connection *connection;
  char *method, *path, *http;
  GByteArray *body;
  WryApiOpened opened; /* who waits for the stream, until it is opened */
  gpointer opened_data;
  gboolean begun, too_large, handed, suspended;
  struct MHD_Response *response;
  guint status;
};

struct WryApiStream { WryApiServer *server; int fd; struct MHD_UpgradeResponseHandle *handle; };

/* The daemon has something to do that its descriptor does not show. */
static void wake(WryApiServer *server) {
  if (server->source) g_source_set_ready_time(server->source, 0);
}

/* --- the request's life ----------------------------------------------------------------------------------------------------------------------------------- */
static void free_request(gpointer data) {
  WryApiRequest *request = data;
  if (request->opened) request->opened(NULL, NULL, 0, request->opened_data);
  if (request->response) MHD_destroy_response(request->response);
  if (request->body) g_byte_array_unref(request->body);
  g_free(request->method);
  g_free(request->path);
  g_free(request->http);
  g_free(request);
}

/* Called with the whole target of the request line, undecoded. */
static void *begin(void *data, const char *uri, struct MHD_Connection *connection) {
  WryApiServer *server = data;
  WryApiRequest *request = g_new0(WryApiRequest, 1);
  *request = (WryApiRequest){.server = server, .connection = connection, .path = g_strndup(uri, MIN(strcspn(uri, "?"), MAX_URI)), .body = g_byte_array_new()};
  g_hash_table_add(server->requests, request);
  return request;
}

static void completed(void *data, struct MHD_Connection *connection G_GNUC_UNUSED, void **context, enum MHD_RequestTerminationCode code G_GNUC_UNUSED) {
  WryApiServer *server = data;
  if (*context) g_hash_table_remove(server->requests, *context);
  *context = NULL;
}

static enum MHD_Result send_answer(WryApiRequest *request) {
  return MHD_queue_response(request->connection, request->status, request->response);
}

/* The whole request is there: it is handed on once; what comes after is the way of its answer. */
static enum MHD_Result hand_on(WryApiRequest *request) {
  if (request->response) return send_answer(request);
  if (!request->handed) {
    request->handed = TRUE;
    if (request->too_large) wry_api_answer_text(request, MHD_HTTP_CONTENT_TOO_LARGE, "the request's body is too large");
    else if (request->server->ending) wry_api_answer_text(request, MHD_HTTP_SERVICE_UNAVAILABLE, "the server is going down");
    else request->server->options.handle(request, request->server->options.data);
    if (request->response) return send_answer(request);
  }
  request->suspended = TRUE;
  MHD_suspend_connection(request->connection);
  return MHD_YES;
}

/* The length of the body as the header says; 0: it does not. */
static guint64 announced(const WryApiRequest *request) {
  const char *text = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Length");
  return text ? g_ascii_strtoull(text, NULL, 10) : 0;
}

static enum MHD_Result on_access(void *data G_GNUC_UNUSED, struct MHD_Connection *connection G_GNUC_UNUSED, const char *url G_GNUC_UNUSED, const char *method, const char *version,
                                 const char *upload, size_t *upload_size, void **context) {
  WryApiRequest *request = *context;
  if (!request) return MHD_NO;
  if (!request->begun) {
    request->begun = TRUE;
    request->method = g_strdup(method);
    request->http = g_strdup(version);
    request->too_large = announced(request) > WRY_API_MAX_BODY;
    return request->too_large ? hand_on(request) : MHD_YES;
  }
  if (!*upload_size) return hand_on(request);
  if (*upload_size > WRY_API_MAX_BODY - request->body->len) request->too_large = TRUE;
  if (!request->too_large) g_byte_array_append(request->body, (const guint8 *)upload, (guint)*upload_size);
  *upload_size = 0;
  return MHD_YES;
}

/* --- what a request says ---------------------------------------------------------------------------------------------------------------------------------- */
const char *wry_api_method(const WryApiRequest *request) { return request->method; }
const char *wry_api_path(const WryApiRequest *request) { return request->path; }
const char *wry_api_http(const WryApiRequest *request) { return request->http; }

const char *wry_api_query(const WryApiRequest *request, const char *name) {
  return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *wry_api_header(const WryApiRequest *request, const char *name) {
  return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

typedef struct { void (*each)(const char *name, const char *value, gpointer data); gpointer data; } Visit;

static enum MHD_Result visit(void *data, enum MHD_ValueKind kind G_GNUC_UNUSED, const char *name, const char *value) {
  Visit *v = data;
  v->each(name, value ? value : "", v->data);
  return MHD_YES;
}

void wry_api_headers(const WryApiRequest *request, void (*each)(const char *name, const char *value, gpointer data), gpointer data) {
  Visit v = {each, data};
  MHD_get_connection_values(request->connection, MHD_HEADER_KIND, visit, &v);
}

const guint8 *wry_api_body(const WryApiRequest *request, gsize *ret_length) {
  *ret_length = request->body->len;
  return request->body->len ? request->body->data : (const guint8 *)"";
}

const char *wry_api_peer(const WryApiRequest *request) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info ? info->socket_context : NULL;
}

/* --- answers ---------------------------------------------------------------------------------------------------------------------------------------------- */
static void answer_with(WryApiRequest *request, guint status, struct MHD_Response *take_response) {
  request->response = take_response;
  request->status = status;
  if (!request->suspended) return;
  request->suspended = FALSE;
  MHD_resume_connection(request->connection);
  wake(request->server);
}

void wry_api_answer(WryApiRequest *request, guint status, const char *content_type, const void *bytes, gsize length) {
  struct MHD_Response *response = MHD_create_response_from_buffer(length, (void *)(guintptr)bytes, MHD_RESPMEM_MUST_COPY);
  if (content_type) MHD_add_response_header(response, "Content-Type", content_type);
  if (status == MHD_HTTP_UPGRADE_REQUIRED) MHD_add_response_header(response, "Sec-WebSocket-Version", "13");
  answer_with(request, status, response);
}

void wry_api_answer_text(WryApiRequest *request, guint status, const char *text) {
  wry_api_answer(request, status, "text/plain", text, strlen(text));
}

void wry_api_answer_json(WryApiRequest *request, guint status, WryJson *take_object) {
  const char *text = json_object_to_json_string_ext(take_object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
  wry_api_answer(request, status, "application/json", text, strlen(text));
  wry_json_put(take_object);
}

/* --- streams ---------------------------------------------------------------------------------------------------------------------------------------------- */
static void on_upgrade(void *data G_GNUC_UNUSED, struct MHD_Connection *connection G_GNUC_UNUSED, void *context, const char *extra, size_t extra_size, MHD_socket fd,
                       struct MHD_UpgradeResponseHandle *handle) {
  WryApiRequest *request = context;
  WryApiStream *stream = g_new(WryApiStream, 1);
  *stream = (WryApiStream){.server = request->server, .fd = fd, .handle = handle};
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  WryApiOpened opened = request->opened;
  request->opened = NULL;
  opened(stream, (const guint8 *)extra, extra_size, request->opened_data);
}

void wry_api_upgrade(WryApiRequest *request, const char *accept, const char *protocol, WryApiOpened opened, gpointer data) {
  struct MHD_Response *response = MHD_create_response_for_upgrade(on_upgrade, NULL);
  request->opened = opened;
  request->opened_data = data;
  MHD_add_response_header(response, "Upgrade", "websocket");
  MHD_add_response_header(response, "Sec-WebSocket-Accept", accept);
  if (protocol) MHD_add_response_header(response, "Sec-WebSocket-Protocol", protocol);
  answer_with(request, MHD_HTTP_SWITCHING_PROTOCOLS, response);
}

int wry_api_stream_fd(const WryApiStream *stream) { return stream->fd; }

void wry_api_stream_close(WryApiStream *stream) {
  MHD_upgrade_action(stream->handle, MHD_UPGRADE_ACTION_CLOSE);
  wake(stream->server);
  g_free(stream);
}

/* --- the loop --------------------------------------------------------------------------------------------------------------------------------------------- */
typedef struct { GSource source; WryApiServer *server; gpointer tag; } Source;

/* Milliseconds until the daemon has something to do; -1: nothing by itself. */
static int wait_of(const Source *source) {
  MHD_UNSIGNED_LONG_LONG wait = 0;
  return MHD_get_timeout(source->server->daemon, &wait) == MHD_YES ? (int)MIN(wait, (MHD_UNSIGNED_LONG_LONG)G_MAXINT) : -1;
}

static gboolean source_prepare(GSource *source, int *timeout) {
  *timeout = wait_of((Source *)source);
  return *timeout == 0;
}

static gboolean source_check(GSource *source) {
  return g_source_query_unix_fd(source, ((Source *)source)->tag) != 0 || wait_of((Source *)source) == 0;
}

static gboolean source_dispatch(GSource *source, GSourceFunc callback G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED) {
  g_source_set_ready_time(source, -1);
  MHD_run(((Source *)source)->server->daemon);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_calls = {.prepare = source_prepare, .check = source_check, .dispatch = source_dispatch};

static void watch(WryApiServer *server) {
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  server->source = g_source_new(&source_calls, sizeof(Source));
  ((Source *)server->source)->server = server;
  ((Source *)server->source)->tag = g_source_add_unix_fd(server->source, info->epoll_fd, G_IO_IN);
  g_source_attach(server->source, NULL);
}

/* --- the server ------------------------------------------------------------------------------------------------------------------------------------------- */
static void G_GNUC_PRINTF(2, 0) log_line(void *data G_GNUC_UNUSED, const char *format, va_list args) {
  g_autofree char *text = g_strdup_vprintf(format, args);
  wry_log(WRY_LOG_DEBUG, "http", "message", g_strchomp(text), NULL);
}

/* The peer's name lives as long as the connection. */
static void on_connection(void *data, struct MHD_Connection *connection G_GNUC_UNUSED, void **context, enum MHD_ConnectionNotificationCode code) {
  WryApiServer *server = data;
  if (code == MHD_CONNECTION_NOTIFY_STARTED) *context = g_strdup(server->peer);
  else g_clear_pointer((char **)context, g_free);
}

static gboolean on_connected(int take_fd, const char *peer, gpointer data) {
  WryApiServer *server = data;
  const struct sockaddr_un address = {.sun_family = AF_UNIX};
  server->peer = peer;
  enum MHD_Result taken = MHD_add_connection(server->daemon, take_fd, (const struct sockaddr *)&address, sizeof address); /* closes it when it refuses */
  server->peer = NULL;
  wake(server);
  return taken == MHD_YES;
}

static char *on_identify(gnutls_session_t session, gpointer data) {
  WryApiServer *server = data;
  return server->options.identify(session, server->options.data);
}

static void on_certificate(gnutls_pcert_st **chain, unsigned *length, gnutls_privkey_t *key, gpointer data) {
  WryApiServer *server = data;
  server->options.certificate(chain, length, key, server->options.data);
}

static gboolean start(WryApiServer *server, GError **error) {
  unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_UPGRADE | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
  server->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_access, server, MHD_OPTION_EXTERNAL_LOGGER, log_line, NULL, MHD_OPTION_URI_LOG_CALLBACK, begin, server,
                                    MHD_OPTION_NOTIFY_COMPLETED, completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                    (size_t)MEMORY_PER_CONNECTION, MHD_OPTION_CONNECTION_LIMIT, WRY_FRONT_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, WRY_API_IDLE_SECONDS,
                                    MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
  if (server->daemon) return TRUE;
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_FAILED, "the HTTP server did not start");
  return FALSE;
}

WryApiServer *wry_api_server_new(const WryApiServerOptions *options, GError **error) {
  g_autoptr(WryApiServer) server = g_new0(WryApiServer, 1);
  WryFrontOptions front = {options->listener, options->tls12, on_certificate, on_identify, on_connected, server};
  server->options = *options;
  server->requests = g_hash_table_new_full(NULL, NULL, free_request, NULL);
  if (!start(server, error)) return NULL;
  watch(server);
  server->front = wry_front_new(&front, error);
  return server->front ? g_steal_pointer(&server) : NULL;
}

/* A connection that is suspended must be resumed before the daemon may stop. */
static void answer_rest(WryApiServer *server) {
  GHashTableIter iter;
  gpointer key;
  g_hash_table_iter_init(&iter, server->requests);
  while (g_hash_table_iter_next(&iter, &key, NULL))
    if (((WryApiRequest *)key)->suspended) wry_api_answer_text(key, MHD_HTTP_SERVICE_UNAVAILABLE, "the server is going down");
}

void wry_api_server_free(WryApiServer *server) {
  if (!server) return;
  server->ending = TRUE;
  wry_front_free(server->front);
  answer_rest(server);
  if (server->source) g_source_destroy(server->source);
  g_clear_pointer(&server->source, g_source_unref);
  if (server->daemon) MHD_run(server->daemon);
  if (server->daemon) MHD_stop_daemon(server->daemon);
  g_hash_table_unref(server->requests);
  g_free(server);
}
