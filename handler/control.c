/* The control socket's server: connections, framing, who may use it, watchers.
 *
 * How it works: a connection collects bytes until a NUL ends a message; one call at a time is served, the next waits in the buffer. Answers are queued and written as the socket takes
 * them; a client that does not read is disconnected when its queue is full, so no client can make the handler grow. Watchers are connections whose call goes on.
 * Relies on: Varlink's wire format (varlink.org), SO_PEERCRED and SO_PEERGROUPS. */
#include "handler/control.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>

#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/log.h"
#include "wherry/vpath.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif
#define QUEUE_BYTES (4u * WRY_MAX_CONTROL_MESSAGE)
#define GROUPS 4096u

typedef struct { char *text; gsize length, done; int fd; } Chunk;

struct WryControl {
  const WryControlOptions *options;
  WryFleet *fleet;
  int listener;
  guint source;
  GPtrArray *clients;
};

struct WryClient {
  grefcount refs;
  WryControl *control; /* NULL: disconnected */
  int fd;
  guint in_source, out_source;
  GByteArray *in;
  GQueue out;          /* Chunk */
  gsize queued;
  gboolean busy, more, oneway, watches;
  gboolean closing;    /* ends when all is written */
  gboolean eof;        /* sends nothing more */
  WryObjectKind kind;
  char *namespace_, *name, *involved;
};

WryFleet *wry_client_fleet(WryClient *client) { return client->control ? client->control->fleet : NULL; }
const WryControlOptions *wry_client_options(WryClient *client) { return client->control->options; }
gboolean wry_client_more(const WryClient *client) { return client->more; }

WryClient *wry_client_ref(WryClient *client) {
  g_ref_count_inc(&client->refs);
  return client;
}

static void free_chunk(gpointer data) {
  Chunk *chunk = data;
  wry_fd_close(&chunk->fd);
  g_free(chunk->text);
  g_free(chunk);
}

void wry_client_unref(WryClient *client) {
  if (!g_ref_count_dec(&client->refs)) return;
  g_byte_array_unref(client->in);
  g_queue_clear_full(&client->out, free_chunk);
  g_free(client->namespace_);
  g_free(client->name);
  g_free(client->involved);
  g_free(client);
}

static void disconnect(WryClient *client) {
  WryControl *control = client->control;
  if (!control) return;
  client->control = NULL;
  if (client->in_source) g_source_remove(client->in_source);
  if (client->out_source) g_source_remove(client->out_source);
  client->in_source = client->out_source = 0;
  wry_fd_close(&client->fd);
  g_ptr_array_remove_fast(control->clients, client);
  wry_client_unref(client);
}

/* --- writing ------------------------------------------------------------------------------------------------------------------------------------------- */
static ssize_t send_chunk(int fd, const Chunk *chunk) {
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control = {{0}};
  struct iovec iov = {chunk->text + chunk->done, chunk->length - chunk->done};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  if (chunk->fd >= 0) {
    msg.msg_control = control.bytes;
    msg.msg_controllen = sizeof control.bytes;
    struct cmsghdr *header = CMSG_FIRSTHDR(&msg);
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(header), &chunk->fd, sizeof(int));
  }
  return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* FALSE: the client is gone. */
static gboolean flush(WryClient *client) {
  for (Chunk *chunk; (chunk = g_queue_peek_head(&client->out));) {
    ssize_t n = send_chunk(client->fd, chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    wry_fd_close(&chunk->fd);
    chunk->done += (gsize)n;
    client->queued -= (gsize)n;
    if (chunk->done < chunk->length) continue;
    free_chunk(g_queue_pop_head(&client->out));
  }
  return TRUE;
}

static gboolean on_writable(gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  WryClient *client = data;
  gboolean good = flush(client);
  if (good && client->out.length) return G_SOURCE_CONTINUE;
  client->out_source = 0;
  if (!good || client->closing) disconnect(client);
  return G_SOURCE_REMOVE;
}

static void queue_text(WryClient *client, const char *text, int take_fd) {
  Chunk *chunk = g_new(Chunk, 1);
  gsize length = strlen(text) + 1;
  *chunk = (Chunk){g_memdup2(text, length), length, 0, take_fd};
  client->queued += length;
  g_queue_push_tail(&client->out, chunk);
  if (client->queued > QUEUE_BYTES || !flush(client))
    disconnect(client);
  else if (client->out.length && !client->out_source)
    client->out_source = g_unix_fd_add(client->fd, G_IO_OUT, on_writable, client);
}

static void serve(WryClient *client);

static gboolean on_next(gpointer data) {
  WryClient *client = data;
  if (client->control) serve(client);
  if (client->control && client->eof && !client->busy) {
    client->closing = TRUE;
    if (client->out.length == 0) disconnect(client);
  }
  wry_client_unref(client);
  return G_SOURCE_REMOVE;
}

/* The call is over: the next one, from the main loop. */
static void end_call(WryClient *client) {
  client->busy = client->watches = FALSE;
  g_idle_add(on_next, wry_client_ref(client));
}

static void answer(WryClient *client, const char *error, WryJson *take_parameters, gboolean continues, int take_fd) {
  g_autoptr(WryJson) message = json_object_new_object();
  wry_autofd int fd = take_fd;
  if (error) json_object_object_add(message, "error", json_object_new_string(error));
  json_object_object_add(message, "parameters", take_parameters ? take_parameters : json_object_new_object());
  if (continues) json_object_object_add(message, "continues", json_object_new_boolean(TRUE));
  if (!client->control || !client->busy) return;
  if (!client->oneway) {
    queue_text(client, json_object_to_json_string_ext(message, JSON_C_TO_STRING_PLAIN), fd);
    fd = -1;
  }
  if (!continues) end_call(client);
}

void wry_client_reply(WryClient *client, WryJson *take_parameters, gboolean continues, int take_fd) { answer(client, NULL, take_parameters, continues, take_fd); }

void wry_client_reply_struct(WryClient *client, const WryType *type, gconstpointer body) { answer(client, NULL, wry_encode(type, body), FALSE, -1); }

static WryJson *error_parameters(int code, const char *reason, const char *message, const WryCauses *causes) {
  WryJson *parameters = json_object_new_object(), *list = json_object_new_array();
  json_object_object_add(parameters, "code", json_object_new_int(code));
  json_object_object_add(parameters, "reason", json_object_new_string(reason));
  json_object_object_add(parameters, "message", json_object_new_string(message));
  for (guint i = 0; causes && i < wry_causes_count(causes) && wry_causes_get(causes, i); i++) {
    const WryCause *cause = wry_causes_get(causes, i);
    WryJson *entry = json_object_new_object();
    json_object_object_add(entry, "reason", json_object_new_string(cause->reason));
    json_object_object_add(entry, "field", json_object_new_string(cause->field ? cause->field : ""));
    json_object_object_add(entry, "message", json_object_new_string(cause->message));
    json_object_array_add(list, entry);
  }
  json_object_object_add(parameters, "causes", list);
  return parameters;
}

void wry_client_fail(WryClient *client, int code, const char *reason, const char *message, const WryCauses *causes) {
  answer(client, WRY_CONTROL_FAILED, error_parameters(code, reason, message, causes), FALSE, -1);
}

void wry_client_fail_error(WryClient *client, const GError *error) {
  int code = error->domain == WRY_ERROR ? wry_error_http(error->code) : 500;
  wry_client_fail(client, code, error->domain == WRY_ERROR ? wry_error_reason(error->code) : "InternalError", error->message, NULL);
}

void wry_client_not_found(WryClient *client, WryObjectKind kind, const char *name) {
  g_autofree char *message = g_strdup_printf("%s \"%s\" not found", wry_object_kind_resource(kind), name);
  wry_client_fail(client, 404, "NotFound", message, NULL);
}

void wry_client_standard(WryClient *client, const char *error, const char *key, const char *value) {
  g_autofree char *name = g_strconcat("org.varlink.service.", error, NULL);
  WryJson *parameters = json_object_new_object();
  if (key) json_object_object_add(parameters, key, json_object_new_string(value ? value : ""));
  answer(client, name, parameters, FALSE, -1);
}

/* --- watchers ------------------------------------------------------------------------------------------------------------------------------------------ */
void wry_client_watch(WryClient *client, WryObjectKind kind, const char *namespace_, const char *name, const char *involved) {
  client->watches = TRUE;
  client->kind = kind;
  g_free(client->namespace_);
  g_free(client->name);
  g_free(client->involved);
  client->namespace_ = g_strdup(namespace_);
  client->name = g_strdup(name);
  client->involved = g_strdup(involved);
}

static gboolean wants(const WryClient *client, WryObjectKind kind, WryJson *object) {
  if (!client->watches || client->kind != kind) return FALSE;
  if (kind == WRY_OBJECT_KINDS) return wry_control_event_matches(object, client->namespace_, client->involved, client->name);
  WryJson *meta = wry_json_get(object, "metadata");
  return (!client->namespace_ || g_strcmp0(wry_json_str(meta, "namespace"), client->namespace_) == 0) &&
         (!client->name || g_strcmp0(wry_json_str(meta, "name"), client->name) == 0);
}

void wry_control_shown(WryObjectKind kind, const char *type, WryJson *object, gpointer data) {
  WryControl *control = data;
  g_autoptr(GPtrArray) clients = g_ptr_array_new();
  for (guint i = 0; i < control->clients->len; i++)
    if (wants(control->clients->pdata[i], kind, object)) g_ptr_array_add(clients, wry_client_ref(control->clients->pdata[i]));
  for (guint i = 0; i < clients->len; i++) {
    WryControlObject reply = {(char *)(gpointer)type, object};
    wry_client_reply(clients->pdata[i], wry_encode(&wry_control_object_type, &reply), TRUE, -1);
    wry_client_unref(clients->pdata[i]);
  }
}

/* --- reading ------------------------------------------------------------------------------------------------------------------------------------------- */
/* Serves the first whole message, unless a call is under way. */
static void serve(WryClient *client) {
  const guint8 *end = client->busy || client->closing ? NULL : memchr(client->in->data, 0, client->in->len);
  if (!end) return;
  gsize length = (gsize)(end - client->in->data);
  g_auto(WryCall) call = {0};
  g_autoptr(GError) error = NULL;
  gboolean good = wry_call_parse((const char *)client->in->data, length, &call, &error);
  g_byte_array_remove_range(client->in, 0, (guint)length + 1);
  if (!good) {
    wry_log(WRY_LOG_WARNING, "a client of the control socket broke the form", "error", error->message, NULL);
    disconnect(client);
    return;
  }
  client->busy = TRUE;
  client->more = call.more;
  client->oneway = call.oneway;
  wry_control_dispatch(client, &call);
}

static gboolean on_hangup(gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  WryClient *client = data;
  client->in_source = 0;
  disconnect(client);
  return G_SOURCE_REMOVE;
}

/* A client that closed its sending side still gets its answers. */
static gboolean stop_reading(WryClient *client, GIOCondition condition) {
  client->in_source = 0;
  if (condition & (G_IO_HUP | G_IO_ERR)) {
    disconnect(client);
    return G_SOURCE_REMOVE;
  }
  client->eof = TRUE;
  client->in_source = g_unix_fd_add(client->fd, G_IO_HUP | G_IO_ERR, on_hangup, client);
  g_idle_add(on_next, wry_client_ref(client));
  return G_SOURCE_REMOVE;
}

/* FALSE: a message without end. */
static gboolean take_bytes(WryClient *client, const char *bytes, gsize length) {
  g_byte_array_append(client->in, (const guint8 *)bytes, (guint)length);
  if (client->in->len > WRY_MAX_CONTROL_MESSAGE && !memchr(client->in->data, 0, WRY_MAX_CONTROL_MESSAGE)) return FALSE;
  serve(client);
  return TRUE;
}

static gboolean on_client(gint fd, GIOCondition condition, gpointer data) {
  WryClient *client = data;
  char buffer[32 * 1024];
  if (client->busy && client->in->len > WRY_MAX_CONTROL_MESSAGE) { /* it talks on instead of waiting for its answer */
    client->in_source = 0;
    disconnect(client);
    return G_SOURCE_REMOVE;
  }
  ssize_t n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return G_SOURCE_CONTINUE;
  if (n <= 0) return stop_reading(client, condition);
  wry_client_ref(client);
  if (!take_bytes(client, buffer, (gsize)n)) disconnect(client);
  gboolean stays = client->control != NULL;
  wry_client_unref(client);
  return stays ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* --- who may ------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean in_group(int fd, gid_t group) {
  socklen_t length = GROUPS * sizeof(gid_t);
  g_autofree gid_t *groups = g_malloc(length);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) != 0) return FALSE;
  for (gsize i = 0; i < length / sizeof(gid_t); i++)
    if (groups[i] == group) return TRUE;
  return FALSE;
}

static gboolean may(const WryControl *control, int fd) {
  struct ucred peer = {0};
  socklen_t length = sizeof peer;
  gid_t group = control->options->group;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return FALSE;
  return peer.uid == 0 || peer.uid == getuid() || (group != (gid_t)-1 && (peer.gid == group || in_group(fd, group)));
}

static WryClient *add_client(WryControl *control, int take_fd) {
  WryClient *client = g_new0(WryClient, 1);
  g_ref_count_init(&client->refs);
  client->control = control;
  client->fd = take_fd;
  client->in = g_byte_array_new();
  g_queue_init(&client->out);
  g_ptr_array_add(control->clients, client);
  return client;
}

static void refuse(WryClient *client) {
  client->busy = client->closing = TRUE;
  wry_client_fail(client, 403, "Forbidden", "only root and members of group " WRY_CONTROL_GROUP " may use this socket", NULL);
  if (client->control && client->out.length == 0) disconnect(client);
}

static gboolean on_connect(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  WryControl *control = data;
  int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (peer < 0) return G_SOURCE_CONTINUE;
  if (control->clients->len >= WRY_MAX_CONTROL_CLIENTS) {
    close(peer);
    return G_SOURCE_CONTINUE;
  }
  WryClient *client = add_client(control, peer);
  if (may(control, peer))
    client->in_source = g_unix_fd_add(peer, G_IO_IN | G_IO_HUP | G_IO_ERR, on_client, client);
  else
    refuse(client);
  return G_SOURCE_CONTINUE;
}

/* --- life ---------------------------------------------------------------------------------------------------------------------------------------------- */
WryControl *wry_control_new(const WryControlOptions *options, GError **error) {
  /* Where the socket belongs to the group its mode says who may; else everybody may connect and `may` decides. */
  mode_t mode = options->group == (gid_t)-1 ? 0600 : options->group == getegid() ? 0660 : 0666;
  int listener = wry_vlisten(options->run_fd, WRY_CONTROL_SOCKET, SOCK_STREAM, mode, error);
  if (listener < 0) return NULL;
  WryControl *control = g_new0(WryControl, 1);
  *control = (WryControl){.options = options, .listener = listener, .clients = g_ptr_array_new()};
  control->source = g_unix_fd_add(listener, G_IO_IN, on_connect, control);
  return control;
}

void wry_control_set_fleet(WryControl *control, WryFleet *fleet) { control->fleet = fleet; }

void wry_control_free(WryControl *control) {
  if (!control) return;
  while (control->clients->len) disconnect(control->clients->pdata[0]);
  g_source_remove(control->source);
  close(control->listener);
  g_ptr_array_unref(control->clients);
  g_free(control);
}
