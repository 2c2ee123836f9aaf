/* Probes of a VMI.
 *
 * How it works: one attempt at a time: a non-blocking socket on the main loop with the probe's timeout; periods are counted from the start of an attempt, and the verdict changes
 * when a threshold is reached, as the kubelet does it. HTTP is one GET whose status line is all that is read.
 * Relies on: the guest's address being reachable from the host (masquerade or bridge through the root's bridge). */
#include "handler/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <sys/socket.h>

#include "wherry/fd.h"

#define STATUS_BYTES 512

struct WryProbeRun {
  const WryProbe *probe;
  guint16 port;               /* of tcp and http; 0 else */
  char *address;
  const WryProbeCalls *calls;
  gpointer data;
  guint timer, limit, source; /* next attempt, end of this one, its socket */
  int fd;
  gboolean sent;
  char status[STATUS_BYTES];
  gsize length;
  gint64 good, bad;           /* in a row */
  gboolean pinging, verdict, known;
};

static gint64 option(WryOptInt value, gint64 absent) { return value.set && value.v > 0 ? value.v : absent; }

int wry_probe_http_verdict(const char *text, gsize length) {
  static const char prefix[] = "HTTP/1.";
  for (gsize i = 0; i < length && i < sizeof prefix - 1; i++)
    if (text[i] != prefix[i]) return -1;
  if (length < 12) return 0;
  gboolean shaped = g_ascii_isdigit(text[7]) && text[8] == ' ' && g_ascii_isdigit(text[9]) && g_ascii_isdigit(text[10]) && g_ascii_isdigit(text[11]);
  return shaped && (text[9] == '2' || text[9] == '3') ? 1 : -1;
}

static gboolean attempt(gpointer data);

static void close_attempt(WryProbeRun *run) {
  if (run->limit) g_source_remove(run->limit);
  if (run->source) g_source_remove(run->source);
  run->limit = run->source = 0;
  wry_fd_close(&run->fd);
  run->pinging = FALSE;
}

static void conclude(WryProbeRun *run, gboolean good) {
  close_attempt(run);
  run->good = good ? run->good + 1 : 0;
  run->bad = good ? 0 : run->bad + 1;
  gboolean reached = good ? run->good >= option(run->probe->successThreshold, 1) : run->bad >= option(run->probe->failureThreshold, 3);
  if (!reached || (run->known && run->verdict == good)) return;
  run->known = TRUE;
  run->verdict = good;
  run->calls->verdict(run, good, run->data);
}

void wry_probe_answer(WryProbeRun *run, gboolean good) {
  if (run->pinging) conclude(run, good);
}

static gboolean on_limit(gpointer data) {
  WryProbeRun *run = data;
  run->limit = 0;
  conclude(run, FALSE);
  return G_SOURCE_REMOVE;
}

static char *request_text(const WryProbeRun *run) {
  const char *path = wry_json_str(run->probe->httpGet, "path"), *host = wry_json_str(run->probe->httpGet, "host");
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: kube-probe/wherry\r\nAccept: */*\r\nConnection: close\r\n", path && *path ? path : "/", host ? host : run->address);
  WryJson *headers = wry_json_get(run->probe->httpGet, "httpHeaders");
  for (size_t i = 0; headers && i < json_object_array_length(headers); i++) {
    WryJson *header = json_object_array_get_idx(headers, i);
    const char *name = wry_json_str(header, "name"), *value = wry_json_str(header, "value");
    if (name && value && !strpbrk(name, "\r\n:") && !strpbrk(value, "\r\n")) g_string_append_printf(text, "%s: %s\r\n", name, value);
  }
  g_string_append(text, "\r\n");
  return g_string_free(text, FALSE);
}

/* The answer's first bytes decide. TRUE: go on reading. */
static gboolean read_status(WryProbeRun *run) {
  ssize_t n = recv(run->fd, run->status + run->length, sizeof run->status - run->length, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return TRUE;
  if (n > 0) run->length += (gsize)n;
  int verdict = wry_probe_http_verdict(run->status, run->length);
  if (n > 0 && verdict == 0) return TRUE;
  run->source = 0;
  conclude(run, verdict > 0);
  return FALSE;
}

static gboolean on_socket(gint fd, GIOCondition condition, gpointer data);

/* Connected: done for tcp; for http the request goes out and the answer is awaited. */
static gboolean on_connected(WryProbeRun *run) {
  int failure = 0;
  socklen_t length = sizeof failure;
  run->source = 0;
  if (getsockopt(run->fd, SOL_SOCKET, SO_ERROR, &failure, &length) != 0 || failure != 0 || run->probe->tcpSocket) {
    conclude(run, failure == 0);
    return G_SOURCE_REMOVE;
  }
  g_autofree char *request = request_text(run);
  run->sent = send(run->fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request);
  if (run->sent)
    run->source = g_unix_fd_add(run->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_socket, run);
  else
    conclude(run, FALSE);
  return G_SOURCE_REMOVE;
}

static gboolean on_socket(gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  WryProbeRun *run = data;
  return run->sent ? read_status(run) : on_connected(run);
}

static gboolean make_address(const char *text, guint16 port, struct sockaddr_storage *ret, socklen_t *ret_length) {
  struct sockaddr_in *four = (struct sockaddr_in *)ret;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
  *ret = (struct sockaddr_storage){0};
  if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    *ret_length = sizeof *four;
    return TRUE;
  }
  if (inet_pton(AF_INET6, text, &six->sin6_addr) != 1) return FALSE;
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(port);
  *ret_length = sizeof *six;
  return TRUE;
}

static gboolean connect_to(WryProbeRun *run) {
  struct sockaddr_storage address;
  socklen_t length;
  if (!run->address || run->port == 0 || !make_address(run->address, run->port, &address, &length)) return FALSE;
  run->fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  run->sent = FALSE;
  run->length = 0;
  if (run->fd < 0 || (connect(run->fd, (struct sockaddr *)&address, length) != 0 && errno != EINPROGRESS)) return FALSE;
  run->source = g_unix_fd_add(run->fd, G_IO_OUT | G_IO_HUP | G_IO_ERR, on_socket, run);
  return TRUE;
}

static gboolean attempt(gpointer data) {
  WryProbeRun *run = data;
  if (run->source || run->pinging) return G_SOURCE_CONTINUE; /* the one before has not ended: timeouts may be longer than periods */
  run->limit = g_timeout_add_seconds((guint)option(run->probe->timeoutSeconds, 1), on_limit, run);
  if (run->probe->guestAgentPing) {
    run->pinging = TRUE;
    run->calls->ping(run, run->data);
  } else if (!connect_to(run)) {
    conclude(run, FALSE);
  }
  return G_SOURCE_CONTINUE;
}

static gboolean on_first(gpointer data) {
  WryProbeRun *run = data;
  run->timer = g_timeout_add_seconds((guint)option(run->probe->periodSeconds, 10), attempt, run);
  attempt(run);
  return G_SOURCE_REMOVE;
}

WryProbeRun *wry_probe_new(const WryProbe *probe, const WryVmiSpec *spec, const char *address, const WryProbeCalls *calls, gpointer data) {
  WryProbeRun *run = g_new0(WryProbeRun, 1);
  *run = (WryProbeRun){.probe = probe, .port = wry_vmi_probe_port(spec, probe->tcpSocket ? probe->tcpSocket : probe->httpGet), .address = g_strdup(address), .calls = calls, .data = data, .fd = -1};
  run->timer = g_timeout_add_seconds((guint)CLAMP(option(probe->initialDelaySeconds, 0), 0, 86400), on_first, run);
  return run;
}

void wry_probe_free(WryProbeRun *run) {
  if (!run) return;
  if (run->timer) g_source_remove(run->timer);
  close_attempt(run);
  g_free(run->address);
  g_free(run);
}
