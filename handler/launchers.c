/* Launchers' connections: accepting, knowing who it is, requests and their answers.
 *
 * How it works: a peer's process is pinned by its pidfd (SO_PEERPIDFD, or pidfd_open of the peer's pid on older kernels); its cgroup names the sandbox; that it still lives
 * afterwards proves that the cgroup read was its own. One connection a VMI: a newer one replaces the older, whose process must have died. Answers come in the order of requests
 * and carry their seq.
 * A launcher that says nothing is pinged: a hung one is told from a slow one by its process, which would run if it could, and by what it has sent that nobody has read yet.
 * Relies on: wire.h for messages; /proc being readable. */
#include "handler/launchers.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "handler/node/pod_cgroup.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/vpath.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#define HELLO_SECONDS 10u
#define CGROUP_BYTES (64u << 10)
#define STAT_BYTES 4096u

const WryPulse wry_pulse = {.every = 12000, .answer = 1500, .slow = 30000, .absent = 30000 /* no back-off of init's is longer */};

typedef struct {
  gint64 seq;
  WryLauncherDone done;
  gpointer data;
} Call;

/* Connected, and not known yet. */
typedef struct {
  WryLaunchers *home;
  char *sandbox;
  struct ucred peer;
  int fd, pidfd;
  guint limit;
} Waiter;

const char wry_launcher_awaited[] = "awaited";

struct WryLaunchers {
  int listener, procfd;
  guint source;
  GPtrArray *waiting; /* Waiter */
  char *cgroup;
  const WryPulse *pulse;
  const WryLauncherCalls *calls;
  gpointer data;
  GPtrArray *launchers; /* all connections */
};

struct WryLauncher {
  WryLaunchers *home;
  WryWire *wire;
  gpointer owner;
  pid_t pid;       /* of its process */
  uid_t uid;
  int pidfd;
  gint64 seq;
  GQueue open;     /* Call: asked, not answered */
  guint hello;     /* source of its limit; 0 after hello */
  guint pulse;     /* source of the next ping, or of the limit of the last */
  gint64 pings, pinged; /* how many; when, in monotonic microseconds */
  gboolean ready, ending;
};

char *wry_cgroup_sandbox(const char *text, const char *root) {
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  g_autofree char *mark = g_strdup_printf("/%s/", root);
  char *found = NULL;
  for (guint i = 0; lines[i]; i++) {
    const char *at = strstr(lines[i], mark);
    if (!at) continue;
    at += strlen(mark);
    g_autofree char *name = g_strndup(at, strcspn(at, "/"));
    if (!wry_vname_valid(name) || (found && strcmp(found, name) != 0)) {
      g_free(found);
      return NULL;
    }
    if (!found) found = g_steal_pointer(&name);
  }
  return found;
}

/* --- who it is ----------------------------------------------------------------------------------------------------------------------------------------- */
static int peer_pidfd(int fd, pid_t pid) {
  int pidfd = -1;
  socklen_t length = sizeof pidfd;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &length) == 0) return pidfd;
  return (int)syscall(SYS_pidfd_open, pid, 0);
}

static gboolean lives(int pidfd) {
  struct pollfd poller = {.fd = pidfd, .events = POLLIN};
  return poll(&poller, 1, 0) == 0;
}

static char *process_sandbox(const WryLaunchers *launchers, pid_t pid) {
  g_autofree char *path = g_strdup_printf("%d/cgroup", pid);
  gsize size;
  g_autofree char *text = wry_vread(launchers->procfd, path, CGROUP_BYTES, &size, NULL);
  if (!text) return NULL;
  return launchers->cgroup ? wry_cgroup_sandbox(text, launchers->cgroup) : wry_cgroup_pod(text);
}

/* The sandbox of the peer, NULL when it is in none of this root. */
static char *peer_sandbox(const WryLaunchers *launchers, int fd, struct ucred *ret_peer, int *ret_pidfd) {
  socklen_t length = sizeof *ret_peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_peer, &length) != 0 || ret_peer->pid <= 0) return NULL;
  *ret_pidfd = peer_pidfd(fd, ret_peer->pid);
  if (*ret_pidfd < 0) return NULL;
  g_autofree char *sandbox = process_sandbox(launchers, ret_peer->pid);
  return sandbox && lives(*ret_pidfd) ? g_steal_pointer(&sandbox) : NULL;
}

int wry_launcher_pidfd(const WryLauncher *launcher) { return launcher->pidfd; }
uid_t wry_launcher_uid(const WryLauncher *launcher) { return launcher->uid; }

pid_t wry_stat_parent(const char *text) {
  const char *at = strrchr(text, ')');
  return at && strlen(at) > 4 ? (pid_t)g_ascii_strtoll(at + 4, NULL, 10) : 0;
}

int wry_launcher_open_init(const WryLauncher *launcher) {
  g_autofree char *path = g_strdup_printf("%d/stat", launcher->pid);
  gsize size;
  g_autofree char *stat = wry_vread(launcher->home->procfd, path, STAT_BYTES, &size, NULL);
  pid_t parent = stat ? wry_stat_parent(stat) : 0;
  wry_autofd int pidfd = parent > 1 ? (int)syscall(SYS_pidfd_open, parent, 0) : -1;
  g_autofree char *own = process_sandbox(launcher->home, launcher->pid), *its = pidfd >= 0 ? process_sandbox(launcher->home, parent) : NULL;
  return its && g_strcmp0(own, its) == 0 && lives(launcher->pidfd) && lives(pidfd) ? g_steal_fd(&pidfd) : -1;
}

/* --- a connection -------------------------------------------------------------------------------------------------------------------------------------- */
static void answer_all(WryLauncher *launcher, const GError *error) {
  g_autoptr(GError) lost = error ? g_error_copy(error) : g_error_new(WRY_ERROR, WRY_ERROR_IO, "the launcher's connection was lost");
  int none = -1;
  for (Call *call; (call = g_queue_pop_head(&launcher->open)); g_free(call)) call->done(NULL, &none, lost, call->data);
}

static void end(WryLauncher *launcher, const GError *error) {
  if (launcher->ending) return;
  launcher->ending = TRUE;
  if (launcher->hello) g_source_remove(launcher->hello);
  g_clear_handle_id(&launcher->pulse, g_source_remove);
  answer_all(launcher, error);
  launcher->home->calls->closed(launcher, launcher->owner, error, launcher->home->data);
  wry_wire_free(launcher->wire);
  wry_fd_close(&launcher->pidfd);
  g_ptr_array_remove_fast(launcher->home->launchers, launcher);
  g_free(launcher);
}

static gboolean end_later(gpointer data) {
  end(data, NULL);
  return G_SOURCE_REMOVE;
}

/* Not at once: the caller may be inside a message of this very connection. */
void wry_launcher_close(WryLauncher *launcher) {
  if (launcher->hello) g_source_remove(launcher->hello);
  launcher->hello = g_idle_add(end_later, launcher);
}

static gboolean on_silent(gpointer data) {
  WryLauncher *launcher = data;
  g_autoptr(GError) error = g_error_new(WRY_ERROR, WRY_ERROR_TIMEOUT, "no hello within %u seconds", HELLO_SECONDS);
  launcher->hello = 0;
  end(launcher, error);
  return G_SOURCE_REMOVE;
}

/* --- the pulse ----------------------------------------------------------------------------------------------------------------------------------------- */
char wry_stat_state(const char *text) {
  const char *at = strrchr(text, ')');
  return at && at[1] == ' ' ? at[2] : '\0';
}

/* Its process would run if it got a processor, or waits for a disk; or something of it lies here unread. */
static gboolean may_yet_answer(const WryLauncher *launcher) {
  struct pollfd poller = {.fd = wry_wire_fd(launcher->wire), .events = POLLIN};
  g_autofree char *path = g_strdup_printf("%d/stat", launcher->pid);
  gsize size;
  g_autofree char *text = wry_vread(launcher->home->procfd, path, STAT_BYTES, &size, NULL);
  char state = text ? wry_stat_state(text) : '\0';
  return state == 'R' || state == 'D' || poll(&poller, 1, 0) == 1;
}

static gboolean on_no_pong(gpointer data) {
  WryLauncher *launcher = data;
  gint64 waited = (g_get_monotonic_time() - launcher->pinged) / 1000;
  if (waited < launcher->home->pulse->slow && may_yet_answer(launcher)) return G_SOURCE_CONTINUE;
  launcher->pulse = 0;
  launcher->home->calls->silent(launcher, launcher->owner, (guint)(waited / 1000), launcher->home->data);
  return G_SOURCE_REMOVE;
}

/* What cannot be sent is not answered either. */
static gboolean ping(gpointer data) {
  WryLauncher *launcher = data;
  WryMsgPlain body = {{TRUE, ++launcher->pings}};
  launcher->pinged = g_get_monotonic_time();
  launcher->pulse = g_timeout_add(launcher->home->pulse->answer, on_no_pong, launcher);
  wry_wire_send(launcher->wire, WRY_MSG_PING, &body, NULL, 0, NULL);
  return G_SOURCE_REMOVE;
}

/* Whole seconds are kept together with other timers of the process. */
static void ping_later(WryLauncher *launcher) {
  guint every = launcher->home->pulse->every;
  g_clear_handle_id(&launcher->pulse, g_source_remove);
  launcher->pulse = every % 1000 == 0 ? g_timeout_add_seconds(every / 1000, ping, launcher) : g_timeout_add(every, ping, launcher);
}

/* A pong that nobody waits for changes nothing: the launcher does not set the pace. */
static void on_pong(WryLauncher *launcher, const WryMsgPlain *pong) {
  if (launcher->pings == 0 || pong->seq.v != launcher->pings || launcher->pinged == 0) return;
  launcher->pinged = 0;
  ping_later(launcher);
}

/* --- messages ------------------------------------------------------------------------------------------------------------------------------------------ */
static void on_hello(WryLauncher *launcher, const WryMsgHello *hello) {
  if (launcher->ready || !hello->version.set || hello->version.v != WRY_WIRE_VERSION) {
    wry_launcher_close(launcher);
    return;
  }
  launcher->ready = TRUE;
  g_source_remove(launcher->hello);
  launcher->hello = 0;
  ping_later(launcher);
  launcher->home->calls->hello(launcher, launcher->owner, hello->run.v, launcher->home->data);
}

static void on_reply(WryLauncher *launcher, const WryMsgReply *reply, int *fds, guint n_fds) {
  Call *call = g_queue_peek_head(&launcher->open);
  if (!call || reply->seq.v != call->seq) {
    wry_launcher_close(launcher);
    return;
  }
  g_queue_pop_head(&launcher->open);
  int none = -1;
  g_autoptr(GError) error = NULL;
  if (reply->code.v != 0) {
    int code = reply->code.v > 0 && reply->code.v <= WRY_ERROR_CODES ? (int)reply->code.v - 1 : WRY_ERROR_FAILED;
    error = g_error_new_literal(WRY_ERROR, code, reply->message ? reply->message : "refused by the launcher");
  }
  call->done(reply, n_fds > 0 ? &fds[0] : &none, error, call->data);
  g_free(call);
}

static void on_message(WryWire *wire G_GNUC_UNUSED, WryMsgType type, gpointer body, int *fds, guint n_fds, gpointer data) {
  WryLauncher *launcher = data;
  const WryLaunchers *home = launcher->home;
  if (type == WRY_MSG_HELLO)
    on_hello(launcher, body);
  else if (!launcher->ready)
    wry_launcher_close(launcher);
  else if (type == WRY_MSG_REPLY)
    on_reply(launcher, body, fds, n_fds);
  else if (type == WRY_MSG_STATUS)
    home->calls->status(launcher->owner, body, home->data);
  else if (type == WRY_MSG_EVENT)
    home->calls->event(launcher->owner, body, home->data);
  else if (type == WRY_MSG_PONG)
    on_pong(launcher, body);
  else
    wry_launcher_close(launcher); /* a request from a launcher */
}

static void on_closed(WryWire *wire G_GNUC_UNUSED, const GError *error, gpointer data) { end(data, error); }

void wry_launcher_call(WryLauncher *launcher, WryMsgType type, gpointer body, int fd, WryLauncherDone done, gpointer data) {
  wry_launcher_call_with(launcher, type, body, fd, -1, done, data);
}

void wry_launcher_call_with(WryLauncher *launcher, WryMsgType type, gpointer body, int fd, int second, WryLauncherDone done, gpointer data) {
  const int fds[] = {fd, second};
  g_autoptr(GError) error = NULL;
  WryOptInt *seq = body;
  *seq = (WryOptInt){TRUE, ++launcher->seq};
  if (!wry_wire_send(launcher->wire, type, body, fds, fd < 0 ? 0 : second < 0 ? 1 : 2, &error)) {
    int none = -1;
    done(NULL, &none, error, data);
    return;
  }
  Call *call = g_new(Call, 1);
  *call = (Call){launcher->seq, done, data};
  g_queue_push_tail(&launcher->open, call);
}

/* --- the socket ---------------------------------------------------------------------------------------------------------------------------------------- */
static void accept_launcher(WryLaunchers *launchers, gpointer owner, const struct ucred *peer, int take_fd, int take_pidfd) {
  WryLauncher *launcher = g_new0(WryLauncher, 1);
  launcher->home = launchers;
  launcher->owner = owner;
  launcher->pid = peer->pid;
  launcher->uid = peer->uid;
  launcher->pidfd = take_pidfd;
  g_queue_init(&launcher->open);
  launcher->hello = g_timeout_add_seconds(HELLO_SECONDS, on_silent, launcher);
  launcher->wire = wry_wire_new(take_fd, on_message, on_closed, launcher);
  g_ptr_array_add(launchers->launchers, launcher);
}

static void free_waiter(gpointer data) {
  Waiter *waiter = data;
  g_clear_handle_id(&waiter->limit, g_source_remove);
  wry_fd_close(&waiter->fd);
  wry_fd_close(&waiter->pidfd);
  g_free(waiter->sandbox);
  g_free(waiter);
}

static gboolean on_waited(gpointer data) {
  Waiter *waiter = data;
  waiter->limit = 0;
  g_ptr_array_remove_fast(waiter->home->waiting, waiter);
  return G_SOURCE_REMOVE;
}

/* A newer connection of the same sandbox replaces the one that waits. */
static void await(WryLaunchers *launchers, char *take_sandbox, const struct ucred *peer, int take_fd, int take_pidfd) {
  for (guint i = 0; i < launchers->waiting->len; i++) {
    if (strcmp(((Waiter *)launchers->waiting->pdata[i])->sandbox, take_sandbox) != 0) continue;
    g_ptr_array_remove_index_fast(launchers->waiting, i);
    break;
  }
  Waiter *waiter = g_new0(Waiter, 1);
  *waiter = (Waiter){.home = launchers, .sandbox = take_sandbox, .peer = *peer, .fd = take_fd, .pidfd = take_pidfd};
  if (launchers->waiting->len >= WRY_LAUNCHERS_WAITING) {
    free_waiter(waiter);
    return;
  }
  waiter->limit = g_timeout_add_seconds(WRY_LAUNCHER_WAIT_SECONDS, on_waited, waiter);
  g_ptr_array_add(launchers->waiting, waiter);
}

static void welcome(WryLaunchers *launchers, int take_fd) {
  wry_autofd int fd = take_fd, pidfd = -1;
  struct ucred peer = {0};
  g_autofree char *sandbox = peer_sandbox(launchers, fd, &peer, &pidfd);
  gpointer owner = sandbox ? launchers->calls->identify(sandbox, peer.uid, launchers->data) : NULL;
  if (!owner) return;
  if (owner == (gconstpointer)wry_launcher_awaited)
    await(launchers, g_steal_pointer(&sandbox), &peer, g_steal_fd(&fd), g_steal_fd(&pidfd));
  else
    accept_launcher(launchers, owner, &peer, g_steal_fd(&fd), g_steal_fd(&pidfd));
}

/* One whose process has ended is nobody's any more. */
void wry_launchers_again(WryLaunchers *launchers) {
  for (guint i = launchers->waiting->len; i-- > 0;) {
    Waiter *waiter = launchers->waiting->pdata[i];
    gpointer owner = lives(waiter->pidfd) ? launchers->calls->identify(waiter->sandbox, waiter->peer.uid, launchers->data) : NULL;
    if (owner == (gconstpointer)wry_launcher_awaited) continue;
    if (owner) accept_launcher(launchers, owner, &waiter->peer, g_steal_fd(&waiter->fd), g_steal_fd(&waiter->pidfd));
    g_ptr_array_remove_index_fast(launchers->waiting, i);
  }
}

static gboolean on_connect(gint fd, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (peer >= 0) welcome(data, peer);
  return G_SOURCE_CONTINUE;
}

WryLaunchers *wry_launchers_new(int node_dirfd, int procfd, const char *cgroup, const WryPulse *pulse, const WryLauncherCalls *calls, gpointer data, GError **error) {
  int listener = wry_vlisten(node_dirfd, "launcher.sock", SOCK_SEQPACKET, 0666, error);
  if (listener < 0) return NULL;
  WryLaunchers *launchers = g_new0(WryLaunchers, 1);
  *launchers = (WryLaunchers){.listener = listener, .procfd = procfd, .cgroup = g_strdup(cgroup), .pulse = pulse ? pulse : &wry_pulse, .calls = calls, .data = data,
                              .launchers = g_ptr_array_new(), .waiting = g_ptr_array_new_with_free_func(free_waiter)};
  launchers->source = g_unix_fd_add(listener, G_IO_IN, on_connect, launchers);
  return launchers;
}

void wry_launchers_free(WryLaunchers *launchers) {
  if (!launchers) return;
  while (launchers->launchers->len) end(launchers->launchers->pdata[0], NULL);
  g_source_remove(launchers->source);
  close(launchers->listener);
  g_ptr_array_unref(launchers->launchers);
  g_ptr_array_unref(launchers->waiting);
  g_free(launchers->cgroup);
  g_free(launchers);
}
