/* The handler's requests: one row each. A request is answered once, and answers go out in the order of the requests, so one that waits for the guest holds back those after it (each is
 * bounded in time). A request whose connection is gone is still carried out; its answer is dropped. */
#include "launcher/report.h"
#include "launcher/run.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/log.h"
#include "wherry/vpath.h"
#include <string.h>
#include <sys/socket.h>

#define MAX_REQUESTS 64u
#define AGENT_SECONDS 5u

struct WryRequest {
  WryRun *run;
  gint64 seq;
  gboolean orphan; /* its connection is gone */
  gboolean done;
  int code;
  char *message;
  WryJson *data;
  int fd;
  gint64 grace; /* of a shutdown; -1 = none given */
  char *what;   /* of guestinfo and probe */
};

/* --- answers ---------------------------------------------------------------------------------------------------------- */

static void request_free(WryRequest *request) {
  wry_fd_close(&request->fd);
  wry_json_put(request->data);
  g_free(request->message);
  g_free(request->what);
  g_free(request);
}

static void send_reply(WryRun *run, WryRequest *request) {
  WryMsgReply reply = {{TRUE, request->seq}, {TRUE, request->code}, request->message, request->data};
  if (!request->orphan)
    wry_handler_send(run->handler, WRY_MSG_REPLY, &reply, &request->fd, request->fd >= 0 ? 1 : 0);
}

/* Sending may lose the connection, which makes orphans of the rest. */
static void flush(WryRun *run) {
  for (WryRequest *first; (first = g_queue_peek_head(&run->requests)) && first->done;) {
    g_queue_pop_head(&run->requests);
    send_reply(run, first);
    request_free(first);
  }
}

static void finish(WryRun *run, WryRequest *request) {
  request->done = TRUE;
  flush(run);
}

void wry_request_done(WryRun *run, WryRequest *request, const GError *error) {
  if (!request)
    return;
  request->code = !error ? 0 : (error->domain == WRY_ERROR ? error->code : WRY_ERROR_FAILED) + 1;
  request->message = error ? g_strdup(error->message) : NULL;
  finish(run, request);
}

void wry_request_reply(WryRun *run, WryRequest *request, WryJson *take_data, int take_fd) {
  request->data = take_data;
  request->fd = take_fd;
  finish(run, request);
}

gint64 wry_request_grace(const WryRequest *request, gint64 absent) {
  return request && request->grace >= 0 ? request->grace : absent;
}

static void refuse(WryRun *run, WryRequest *request, WryErrorCode code, const char *message) {
  g_autoptr(GError) error = g_error_new_literal(WRY_ERROR, code, message);
  wry_request_done(run, request, error);
}

/* --- requests --------------------------------------------------------------------------------------------------------- */

static void on_sync(WryRun *run, WryRequest *request, gpointer body, int *fd) {
  gsize length;
  g_autoptr(GError) error = NULL;
  (void)body;
  if (lseek(*fd, 0, SEEK_SET) != 0)
    wry_log(WRY_LOG_DEBUG, "the bundle's descriptor is no file", NULL);
  g_autofree char *text = wry_fd_read(*fd, WRY_MAX_BUNDLE, &length, &error);
  gboolean ok = text && wry_run_adopt(run, text, length, TRUE, &error);
  wry_request_done(run, request, error);
  if (ok)
    wry_run_feed(run, WRY_VM_EV_BUNDLE, NULL);
}

static void on_shutdown(WryRun *run, WryRequest *request, gpointer body, int *fd) {
  WryMsgShutdown *shutdown = body;
  (void)fd;
  request->grace = MAX(0, shutdown->graceSeconds.v);
  wry_run_feed(run, request->grace == 0 ? WRY_VM_EV_KILL : WRY_VM_EV_SHUTDOWN, request);
}

#define FEED(name, event) \
  static void name(WryRun *run, WryRequest *request, gpointer body, int *fd) { \
    (void)body; \
    (void)fd; \
    wry_run_feed(run, event, request); \
  }
FEED(on_pause, WRY_VM_EV_PAUSE)
FEED(on_unpause, WRY_VM_EV_UNPAUSE)
FEED(on_reset, WRY_VM_EV_RESET)
FEED(on_softreboot, WRY_VM_EV_SOFTREBOOT)
FEED(on_finish, WRY_VM_EV_FINISH)

static void on_console(WryRun *run, WryRequest *request, gpointer body, int *fd) {
  WryMsgConsole *console = body;
  g_autoptr(GError) error = NULL;
  (void)fd;
  if (!run->console) {
    refuse(run, request, WRY_ERROR_CONFLICT, "the VM has no serial console, or it is not up yet");
    return;
  }
  int session = wry_console_attach(run->console, wry_opt_bool(console->readOnly, FALSE), wry_opt_bool(console->force, FALSE), wry_opt_bool(console->scrollback, FALSE), &error);
  if (session >= 0)
    wry_request_reply(run, request, NULL, session);
  else
    wry_request_done(run, request, error);
}

static void on_vnc(WryRun *run, WryRequest *request, gpointer body, int *fd) {
  g_autoptr(GError) error = NULL;
  (void)body;
  (void)fd;
  if (!run->plan || !run->plan->vnc || !wry_vm_is_live(run->phase)) {
    refuse(run, request, WRY_ERROR_CONFLICT, "the VM has no display, or it is not up");
    return;
  }
  g_autofree char *name = g_path_get_basename(run->plan->vnc), *path = g_build_filename(WRY_DOMAIN_QEMU_DIR, name, NULL);
  int socket = wry_vconnect(run->vm_dir, path, SOCK_STREAM, &error);
  if (socket >= 0)
    wry_request_reply(run, request, NULL, socket);
  else
    wry_request_done(run, request, error);
}

static void send_to_agent(gpointer virt, const char *command, guint timeout, WryVirtDone done, gpointer data) {
  wry_virt_do(virt, WRY_VIRT_AGENT, command, timeout, done, data);
}

static void guest_answered(WryJson *const *answers, const GError *error, gpointer data) {
  WryRequest *request = data;
  if (error)
    wry_request_done(request->run, request, error);
  else
    wry_request_reply(request->run, request, wry_guest_reply(request->what, answers), -1);
}

static void on_guest(WryRun *run, WryRequest *request, gpointer body, int *fd) {
  WryMsgGuestinfo *asked = body;
  const WryAgentCommand *list = wry_guest_list(asked->what);
  (void)fd;
  request->what = g_strdup(asked->what);
  if (!list)
    refuse(run, request, WRY_ERROR_INVALID, "unknown question to the guest agent");
  else if (!wry_vm_is_live(run->phase) || !run->agent)
    refuse(run, request, WRY_ERROR_CONFLICT, "the guest agent is not connected");
  else
    wry_guest_ask(send_to_agent, run->virt, list, AGENT_SECONDS, guest_answered, request);
}

static void (*const handlers[WRY_MSGS])(WryRun *run, WryRequest *request, gpointer body, int *fd) = {
  [WRY_MSG_SYNC] = on_sync,         [WRY_MSG_SHUTDOWN] = on_shutdown,     [WRY_MSG_PAUSE] = on_pause,     [WRY_MSG_UNPAUSE] = on_unpause,
  [WRY_MSG_RESET] = on_reset,       [WRY_MSG_SOFTREBOOT] = on_softreboot, [WRY_MSG_CONSOLE] = on_console, [WRY_MSG_VNC] = on_vnc,
  [WRY_MSG_GUESTINFO] = on_guest,   [WRY_MSG_PROBE] = on_guest,           [WRY_MSG_FINISH] = on_finish,
};

/* --- connection ------------------------------------------------------------------------------------------------------- */

/* In a pod the sockets of the network come with the bundle. */
static void take_sockets(WryRun *run, int fd) {
  g_autoptr(GError) error = NULL;
  if (!wry_inherited_deposit(&run->inherited, fd, &error))
    wry_log(WRY_LOG_WARNING, "no addresses for the guest", "why", error->message, NULL);
}

/* Every request's body begins with its seq. */
static void on_message(WryMsgType type, gpointer body, int *fds, guint n_fds, gpointer data) {
  WryRun *run = data;
  int none = -1;
  if (type == WRY_MSG_PING) {
    wry_handler_send(run->handler, WRY_MSG_PONG, body, NULL, 0);
    return;
  }
  if (!handlers[type]) {
    wry_log(WRY_LOG_WARNING, "a message that launchers send came from the handler", "type", wry_msg_name(type), NULL);
    return;
  }
  WryRequest *request = g_new0(WryRequest, 1);
  *request = (WryRequest){.run = run, .seq = ((WryMsgPlain *)body)->seq.v, .fd = -1, .grace = -1};
  if (type == WRY_MSG_SYNC && n_fds > 1)
    take_sockets(run, fds[1]);
  gboolean full = g_queue_get_length(&run->requests) >= MAX_REQUESTS;
  g_queue_push_tail(&run->requests, request);
  if (full)
    refuse(run, request, WRY_ERROR_TOO_LARGE, "too many requests wait");
  else
    handlers[type](run, request, body, n_fds > 0 ? fds : &none);
}

static void on_connected(gpointer data) {
  WryRun *run = data;
  if (run->sent)
    wry_struct_free(&wry_vmi_report_type, g_steal_pointer(&run->sent));
  wry_run_report_now(run);
}

static void on_lost(gpointer data) {
  WryRun *run = data;
  for (GList *l = run->requests.head; l; l = l->next)
    ((WryRequest *)l->data)->orphan = TRUE;
}

const WryHandlerCalls wry_run_calls = {on_connected, on_message, on_lost};

void wry_run_event(WryRun *run, const char *type, const char *reason, const char *message) {
  WryMsgEvent event = {(char *)type, (char *)reason, (char *)message};
  wry_log(WRY_LOG_INFO, message, "event", reason, NULL);
  wry_handler_send(run->handler, WRY_MSG_EVENT, &event, NULL, 0);
}
