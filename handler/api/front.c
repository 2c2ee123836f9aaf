/* TLS <-> plain.
 *
 * How it works: a connection is a TLS session over the accepted socket, and one end of a socket pair whose other end is the server's. Two buffers, one each way;
 * every event runs `pump`, which does what can be done without waiting; what is waited for follows from the buffers (`arm`). The end of one side is passed on when
 * the buffer to the other is empty. */
#include "handler/api/front.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handler/api/buffer.h"
#include "handler/api/fd_watch.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/log.h"

#define PRIORITIES_13 "SECURE128:-VERS-ALL:+VERS-TLS1.3"
#define PRIORITIES_12 "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305"
#define TURNS 8 /* of one connection before others have theirs */

struct WryFront {
  WryFrontOptions options;
  gnutls_certificate_credentials_t credentials;
  gnutls_priority_t priorities;
  guint listener_source;
  GHashTable *connections;
};

typedef struct {
  WryFront *front;
  gnutls_session_t session;
  int outside, inside; /* TLS, plain */
  WryFdWatch outside_watch, inside_watch;
  guint timer;         /* of the handshake */
  gboolean shaken, outside_ended, inside_ended, broken;
  WryBuffer in, out;      /* from outside, to outside */
} Connection;

/* --- a connection's end ----------------------------------------------------------------------------------------------------------------------------------- */
static gboolean on_event(int fd, GIOCondition condition, gpointer data);

static void free_connection(gpointer data) {
  Connection *c = data;
  wry_fd_watch(&c->outside_watch, c->outside, 0, on_event, c);
  wry_fd_watch(&c->inside_watch, c->inside, 0, on_event, c);
  if (c->timer) g_source_remove(c->timer);
  if (c->shaken && !c->broken) gnutls_bye(c->session, GNUTLS_SHUT_WR);
  gnutls_deinit(c->session);
  wry_fd_close(&c->outside);
  wry_fd_close(&c->inside);
  g_free(c);
}

static void drop(Connection *c) {
  g_hash_table_remove(c->front->connections, c);
}

static gboolean on_slow(gpointer data) {
  Connection *c = data;
  c->timer = 0;
  drop(c);
  return G_SOURCE_REMOVE;
}

/* --- handshake -------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean open_inside(Connection *c) {
  int pair[2];
  g_autofree char *peer = c->front->options.identify(c->session, c->front->options.data);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) return FALSE;
  c->inside = pair[0];
  return c->front->options.connected(pair[1], peer, c->front->options.data);
}

/* FALSE: over. */
static gboolean shake(Connection *c) {
  int code = gnutls_handshake(c->session);
  if (code < 0 && !gnutls_error_is_fatal(code)) return TRUE;
  if (code < 0) {
    wry_log(WRY_LOG_DEBUG, "TLS handshake failed", "error", gnutls_strerror(code), NULL);
    return FALSE;
  }
  c->shaken = TRUE;
  g_source_remove(c->timer);
  c->timer = 0;
  return open_inside(c);
}

/* --- bytes ------------------------------------------------------------------------------------------------------------------------------------------------ */
static gboolean waits(ssize_t n) {
  return n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED;
}

/* Each of the four steps says whether it moved anything. */
static gboolean read_outside(Connection *c) {
  if (c->outside_ended || !wry_buffer_empty(&c->in)) return FALSE;
  ssize_t n = gnutls_record_recv(c->session, c->in.bytes, sizeof c->in.bytes);
  if (waits(n)) return FALSE;
  if (n < 0 && !gnutls_error_is_fatal((int)n)) return TRUE;
  c->in.at = 0;
  c->in.end = n > 0 ? (gsize)n : 0;
  if (n <= 0) c->outside_ended = TRUE;
  if (n < 0 && n != GNUTLS_E_PREMATURE_TERMINATION) c->broken = TRUE;
  return TRUE;
}

static gboolean write_inside(Connection *c) {
  if (wry_buffer_empty(&c->in)) return FALSE;
  ssize_t n = send(c->inside, c->in.bytes + c->in.at, c->in.end - c->in.at, MSG_NOSIGNAL);
  if (n < 0 && errno != EAGAIN && errno != EINTR) n = (ssize_t)(c->in.end - c->in.at); /* nobody reads it any more */
  if (n > 0) c->in.at += (gsize)n;
  return n > 0;
}

static gboolean read_inside(Connection *c) {
  if (c->inside_ended || !wry_buffer_empty(&c->out)) return FALSE;
  ssize_t n = recv(c->inside, c->out.bytes, sizeof c->out.bytes, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return FALSE;
  c->out.at = 0;
  c->out.end = n > 0 ? (gsize)n : 0;
  if (n <= 0) c->inside_ended = TRUE;
  return TRUE;
}

static gboolean write_outside(Connection *c) {
  if (wry_buffer_empty(&c->out)) return FALSE;
  ssize_t n = gnutls_record_send(c->session, c->out.bytes + c->out.at, c->out.end - c->out.at);
  if (n < 0 && !waits(n)) c->broken = TRUE;
  if (n > 0) c->out.at += (gsize)n;
  return n > 0;
}

/* FALSE: over. */
static gboolean pump(Connection *c) {
  gboolean moved = TRUE;
  for (guint turn = 0; moved && turn < TURNS && !c->broken; turn++) {
    gboolean in = read_outside(c), inside = write_inside(c), out = read_inside(c), outside = write_outside(c);
    moved = in || inside || out || outside;
  }
  if (c->outside_ended && wry_buffer_empty(&c->in)) shutdown(c->inside, SHUT_WR);
  return !c->broken && !(c->inside_ended && wry_buffer_empty(&c->out));
}

/* --- the loop --------------------------------------------------------------------------------------------------------------------------------------------- */
static void arm(Connection *c) {
  GIOCondition outside = 0, inside = 0;
  if (!c->shaken) outside = gnutls_record_get_direction(c->session) ? G_IO_OUT : G_IO_IN;
  else {
    if (wry_buffer_empty(&c->in) && !c->outside_ended) outside |= G_IO_IN;
    if (!wry_buffer_empty(&c->out)) outside |= G_IO_OUT;
    if (wry_buffer_empty(&c->out) && !c->inside_ended) inside |= G_IO_IN;
    if (!wry_buffer_empty(&c->in)) inside |= G_IO_OUT;
  }
  wry_fd_watch(&c->outside_watch, c->outside, outside, on_event, c);
  wry_fd_watch(&c->inside_watch, c->inside, inside, on_event, c);
}

static gboolean on_event(int fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  Connection *c = data;
  gboolean lives = c->shaken || shake(c);
  if (lives && c->shaken) lives = pump(c);
  if (!lives) {
    drop(c);
    return G_SOURCE_REMOVE;
  }
  arm(c);
  return G_SOURCE_CONTINUE;
}

/* --- accepting -------------------------------------------------------------------------------------------------------------------------------------------- */
static void take_connection(WryFront *front, int take_fd) {
  Connection *c = g_new0(Connection, 1);
  c->front = front;
  c->outside = take_fd;
  c->inside = -1;
  gnutls_init(&c->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL);
  gnutls_session_set_ptr(c->session, front);
  gnutls_priority_set(c->session, front->priorities);
  gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, front->credentials);
  gnutls_certificate_server_set_request(c->session, GNUTLS_CERT_REQUEST);
  gnutls_certificate_send_x509_rdn_sequence(c->session, 1); /* names of authorities are not sent: clients choose by them, and they change */
  gnutls_transport_set_int(c->session, take_fd);
  gnutls_handshake_set_timeout(c->session, 0);
  c->timer = g_timeout_add_seconds(WRY_FRONT_HANDSHAKE_SECONDS, on_slow, c);
  g_hash_table_add(front->connections, c);
  arm(c);
}

static gboolean on_listener(int fd, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  WryFront *front = data;
  int taken = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (taken >= 0 && g_hash_table_size(front->connections) < WRY_FRONT_CONNECTIONS) take_connection(front, taken);
  else wry_fd_close(&taken);
  return G_SOURCE_CONTINUE;
}

static int show(gnutls_session_t session, const gnutls_datum_t *names G_GNUC_UNUSED, int count G_GNUC_UNUSED, const gnutls_pk_algorithm_t *algorithms G_GNUC_UNUSED,
                int algorithm_count G_GNUC_UNUSED, gnutls_pcert_st **chain, unsigned *length, gnutls_privkey_t *key) {
  WryFront *front = gnutls_session_get_ptr(session);
  *length = 0;
  front->options.certificate(chain, length, key, front->options.data);
  return *length ? 0 : -1;
}

WryFront *wry_front_new(const WryFrontOptions *options, GError **error) {
  g_autoptr(WryFront) front = g_new0(WryFront, 1);
  front->options = *options;
  front->connections = g_hash_table_new_full(NULL, NULL, free_connection, NULL);
  int code = gnutls_certificate_allocate_credentials(&front->credentials);
  if (code >= 0) code = gnutls_priority_init(&front->priorities, options->tls12 ? PRIORITIES_12 : PRIORITIES_13, NULL);
  if (code < 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_FAILED, "TLS: %s", gnutls_strerror(code));
    return NULL;
  }
  gnutls_certificate_set_retrieve_function2(front->credentials, show);
  front->listener_source = g_unix_fd_add(options->listener, G_IO_IN, on_listener, front);
  return g_steal_pointer(&front);
}

void wry_front_free(WryFront *front) {
  if (!front) return;
  if (front->listener_source) g_source_remove(front->listener_source);
  g_hash_table_unref(front->connections);
  if (front->priorities) gnutls_priority_deinit(front->priorities);
  if (front->credentials) gnutls_certificate_free_credentials(front->credentials);
  wry_fd_close(&front->options.listener);
  g_free(front);
}
