/* handler/api/tls.c and server.c: certificates that others' tools believe, and a server that asks for them. The client is GnuTLS in a thread. */
#include <arpa/inet.h>
#include <check.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "handler/api/server.h"
#include "handler/api/tls.h"
#include "wherry/error.h"

#define DAY 86400

static const char *const names[] = {"virt-api.kubevirt.svc", NULL}, *const addresses[] = {"127.0.0.1", "::1", NULL};

static void authority(WryTlsPair *ret, gint64 now) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(wry_tls_make_authority("wherry", 3650, now, ret, &error), "%s", error ? error->message : "");
}

static void leaf(const WryTlsPair *ca, const char *name, gboolean server, gint64 now, WryTlsPair *ret) {
  g_autoptr(GError) error = NULL;
  WryTlsSubject subject = {.common_name = name, .dns = server ? names : NULL, .ip = server ? addresses : NULL, .uri = "wherry://role/api", .server = server, .client = !server};
  ck_assert_msg(wry_tls_make_leaf(ca, &subject, 30, now, ret, &error), "%s", error ? error->message : "");
}

START_TEST(life) {
  gint64 now = 1800000000, from = 0, to = 0;
  g_auto(WryTlsPair) ca = {NULL, NULL}, other = {NULL, NULL}, one = {NULL, NULL}, late = {NULL, NULL};
  authority(&ca, now);
  authority(&other, now);
  leaf(&ca, "a", TRUE, now, &one);
  ck_assert(wry_tls_validity(one.certificate, &from, &to));
  ck_assert_int_eq(from, now - 3600);
  ck_assert_int_eq(to, now + 30 * DAY);
  ck_assert(!wry_tls_is_due(one.certificate, now));
  ck_assert(!wry_tls_is_due(one.certificate, now + 19 * DAY));
  ck_assert(wry_tls_is_due(one.certificate, now + 21 * DAY));
  ck_assert(wry_tls_is_due(one.certificate, now - 2 * 3600));
  ck_assert(wry_tls_is_due("", now));
  ck_assert(wry_tls_is_signed_by(one.certificate, ca.certificate));
  ck_assert(!wry_tls_is_signed_by(one.certificate, other.certificate));
  g_autofree char *both = g_strconcat(other.certificate, ca.certificate, NULL);
  ck_assert(wry_tls_is_signed_by(one.certificate, both));
  /* not longer than its authority */
  leaf(&ca, "a", TRUE, now + 3640 * DAY, &late);
  ck_assert(wry_tls_validity(late.certificate, &from, &to));
  ck_assert_int_eq(to, now + 3650 * (gint64)DAY);
}
END_TEST

START_TEST(bad_input) {
  g_autoptr(GError) error = NULL;
  g_auto(WryTlsPair) ca = {NULL, NULL}, out = {NULL, NULL};
  authority(&ca, 1800000000);
  const char *const none[] = {"x.y", NULL};
  WryTlsSubject subject = {.common_name = "a", .ip = none};
  ck_assert(!wry_tls_make_leaf(&ca, &subject, 1, 1800000000, &out, &error));
  ck_assert_str_eq(error->message, "\"x.y\" is no address");
  ck_assert_ptr_null(wry_tls_trust_new("-----BEGIN", NULL));
  ck_assert_ptr_null(wry_tls_trust_new("", NULL));
  char text[] = "x";
  WryTlsPair broken = {text, text};
  ck_assert_ptr_null(wry_tls_shown_new(&broken, NULL));
}
END_TEST

/* --- a server and a client ------------------------------------------------------------------------------------------------------------------------------------ */
typedef struct {
  WryTlsShown *shown;
  WryTlsTrust *trust;
  GString *seen;
  WryApiRequest *late;
  GMainLoop *loop;
} Box;

typedef struct { guint16 port; const WryTlsPair *show; const char *trust, *send; GString *got; int result; gboolean tls12; GMainLoop *loop; } Client;

static void certificate(gnutls_pcert_st **chain, unsigned *length, gnutls_privkey_t *key, gpointer data) {
  wry_tls_shown_get(((Box *)data)->shown, chain, length, key);
}

static char *identify(gnutls_session_t session, gpointer data) {
  return wry_tls_peer_name(((Box *)data)->trust, session);
}

static int listener(guint16 *ret_port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  ck_assert(bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, 16) == 0 && getsockname(fd, (struct sockaddr *)&address, &size) == 0);
  *ret_port = ntohs(address.sin_port);
  return fd;
}

static gboolean answer_late(gpointer data) {
  Box *box = data;
  wry_api_answer_text(box->late, 202, "late");
  return G_SOURCE_REMOVE;
}

static void opened(WryApiStream *stream, const guint8 *bytes, gsize length, gpointer data) {
  Box *box = data;
  g_string_append_printf(box->seen, "[opened %u %.*s]", stream != NULL, (int)length, (const char *)bytes);
  if (!stream) return;
  ck_assert_int_eq(send(wry_api_stream_fd(stream), "stream", 6, MSG_NOSIGNAL), 6);
  wry_api_stream_close(stream);
}

static void handle(WryApiRequest *request, gpointer data) {
  Box *box = data;
  gsize length = 0;
  const guint8 *body = wry_api_body(request, &length);
  const char *name = wry_api_peer(request);
  const char *query = wry_api_query(request, "q");
  g_string_append_printf(box->seen, "%s %s %s %s %.*s", wry_api_method(request), wry_api_path(request), name ? name : "-", query ? query : "-", (int)MIN(length, 8), (const char *)body);
  if (g_str_has_suffix(wry_api_path(request), "/late")) {
    box->late = request;
    g_idle_add(answer_late, box);
  } else if (g_str_has_suffix(wry_api_path(request), "/stream")) {
    wry_api_upgrade(request, "accept", "plain.kubevirt.io", opened, box);
  } else {
    wry_api_answer_json(request, 200, json_object_new_object());
  }
}

static int tcp(guint16 port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

static void talk(Client *client, gnutls_session_t session, int fd) {
  char bytes[4096];
  gnutls_transport_set_int(session, fd);
  gnutls_handshake_set_timeout(session, 10000);
  do client->result = gnutls_handshake(session);
  while (client->result < 0 && !gnutls_error_is_fatal(client->result));
  if (client->result < 0) return;
  gnutls_record_send(session, client->send, strlen(client->send));
  for (ssize_t n; (n = gnutls_record_recv(session, bytes, sizeof bytes)) > 0 || n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED;)
    if (n > 0) g_string_append_len(client->got, bytes, n);
}

static gboolean quit(gpointer data) {
  g_main_loop_quit(data);
  return G_SOURCE_REMOVE;
}

static gpointer run_client(gpointer data) {
  Client *client = data;
  gnutls_certificate_credentials_t credentials;
  gnutls_session_t session;
  gnutls_datum_t ca = {(unsigned char *)(guintptr)client->trust, (unsigned)strlen(client->trust)};
  gnutls_certificate_allocate_credentials(&credentials);
  gnutls_certificate_set_x509_trust_mem(credentials, &ca, GNUTLS_X509_FMT_PEM);
  if (client->show) {
    gnutls_datum_t one = {(unsigned char *)client->show->certificate, (unsigned)strlen(client->show->certificate)}, key = {(unsigned char *)client->show->key, (unsigned)strlen(client->show->key)};
    gnutls_certificate_set_x509_key_mem(credentials, &one, &key, GNUTLS_X509_FMT_PEM);
  }
  gnutls_init(&session, GNUTLS_CLIENT);
  gnutls_priority_set_direct(session, client->tls12 ? "NORMAL:-VERS-ALL:+VERS-TLS1.2" : "NORMAL", NULL);
  gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
  gnutls_server_name_set(session, GNUTLS_NAME_DNS, names[0], strlen(names[0]));
  gnutls_session_set_verify_cert(session, names[0], 0);
  int fd = tcp(client->port);
  if (fd >= 0) talk(client, session, fd);
  gnutls_deinit(session);
  gnutls_certificate_free_credentials(credentials);
  if (fd >= 0) close(fd);
  g_idle_add(quit, client->loop);
  return NULL;
}

#define GET(path, more) "GET " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" more "\r\n"
#define UPGRADE "GET /stream HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly"

static const struct { const char *name; gboolean foreign, tls12; const char *send, *seen, *got; } rows[] = {
    {NULL, FALSE, FALSE, GET("/a%2fb?q=%41", ""), "GET /a%2fb - A ", "HTTP/1.1 200 OK"},
    {"front", FALSE, FALSE, GET("/x", ""), "GET /x front - ", "HTTP/1.1 200 OK"},
    {"front", TRUE, FALSE, GET("/x", ""), "GET /x - - ", "HTTP/1.1 200 OK"},
    {NULL, FALSE, FALSE, "PUT /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody", "PUT /x - - body", "HTTP/1.1 200 OK"},
    {"front", FALSE, FALSE, GET("/late", ""), "GET /late front - ", "HTTP/1.1 202 Accepted"},
    {NULL, FALSE, FALSE, UPGRADE, "GET /stream - - [opened 1 early]", "HTTP/1.1 101 Switching Protocols"},
    {NULL, FALSE, TRUE, GET("/x", ""), "", ""},
    {NULL, FALSE, FALSE, "PUT /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5000000\r\n\r\n", "", "HTTP/1.1 413"},
};

START_TEST(serves) {
  gint64 now = time(NULL);
  g_autoptr(GError) error = NULL;
  g_auto(WryTlsPair) ca = {NULL, NULL}, foreign = {NULL, NULL}, server_pair = {NULL, NULL}, client_pair = {NULL, NULL};
  authority(&ca, now);
  authority(&foreign, now);
  leaf(&ca, "server", TRUE, now, &server_pair);
  leaf(rows[_i].foreign ? &foreign : &ca, rows[_i].name ? rows[_i].name : "x", FALSE, now, &client_pair);
  Box box = {.shown = wry_tls_shown_new(&server_pair, NULL), .trust = wry_tls_trust_new(ca.certificate, NULL), .seen = g_string_new(NULL), .loop = g_main_loop_new(NULL, FALSE)};
  guint16 port = 0;
  WryApiServerOptions options = {.listener = listener(&port), .certificate = certificate, .identify = identify, .handle = handle, .data = &box};
  WryApiServer *server = wry_api_server_new(&options, &error);
  ck_assert_msg(server != NULL, "%s", error ? error->message : "");
  Client client = {.port = port, .show = rows[_i].name ? &client_pair : NULL, .trust = ca.certificate, .send = rows[_i].send, .got = g_string_new(NULL),
                   .tls12 = rows[_i].tls12, .loop = box.loop};
  GThread *thread = g_thread_new("client", run_client, &client);
  g_main_loop_run(box.loop);
  g_thread_join(thread);
  wry_api_server_free(server);
  ck_assert_str_eq(box.seen->str, rows[_i].seen);
  ck_assert_msg(g_str_has_prefix(client.got->str, rows[_i].got), "%s", client.got->str);
  ck_assert_int_eq(client.result < 0, rows[_i].tls12);
  if (strstr(rows[_i].seen, "opened")) ck_assert(g_str_has_suffix(client.got->str, "\r\n\r\nstream") && strstr(client.got->str, "Sec-WebSocket-Protocol: plain.kubevirt.io"));
  wry_tls_shown_free(box.shown);
  wry_tls_trust_free(box.trust);
  g_string_free(box.seen, TRUE);
  g_string_free(client.got, TRUE);
  g_main_loop_unref(box.loop);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("api tls");
  TCase *tcase = tcase_create("tls");
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, life);
  tcase_add_test(tcase, bad_input);
  tcase_add_loop_test(tcase, serves, 0, G_N_ELEMENTS(rows));
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
