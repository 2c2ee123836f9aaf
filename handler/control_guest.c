/* Console, Vnc, Logs and GuestInfo: what goes on inside of a guest.
 *
 * How it works: console and VNC are descriptors of the launcher that pass through to the client, so none of their bytes go through the handler. A log is opened read-only in the VM's
 * state directory; the guest's answers come from the launcher as they are.
 * Relies on: launchers.h; the VM's state directory being readable by the handler's group. */
#include <fcntl.h>

#include "handler/control.h"
#include "handler/guest.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"

static const char *namespace_of(const WryControlGuest *call) { return call->namespace_ && *call->namespace_ ? call->namespace_ : "default"; }

/* The VMI's guest, answered with 404 when there is none. */
static WryGuest *find(WryClient *client, const WryControlGuest *call) {
  if (!call->name) {
    wry_client_standard(client, "InvalidParameter", "parameter", "name");
    return NULL;
  }
  WryGuest *guest = wry_fleet_find(wry_client_fleet(client), WRY_OBJECT_VMI, namespace_of(call), call->name);
  if (!guest || !wry_guest_vmi(guest)) {
    wry_client_not_found(client, WRY_OBJECT_VMI, call->name);
    return NULL;
  }
  return guest;
}

/* Contract 7.6: Failed is 409, anything else that does not run 400, so that a client tries again. */
static gboolean is_running(WryClient *client, WryGuest *guest, const char *name) {
  WryPhase phase = wry_instance_phase(wry_guest_vmi(guest));
  g_autofree char *message = NULL;
  if (phase == WRY_PHASE_RUNNING && guest->launcher) return TRUE;
  if (wry_phase_final(phase)) {
    message = g_strdup_printf("Operation cannot be fulfilled on virtualmachineinstance.kubevirt.io \"%s\": VMI is in %s status", name, wry_phase_name(phase));
    wry_client_fail(client, 409, "Conflict", message, NULL);
  } else {
    wry_client_fail(client, 400, "BadRequest", phase == WRY_PHASE_RUNNING ? "the VM's launcher is starting anew; try again" : "VMI is not running", NULL);
  }
  return FALSE;
}

static void on_fd(const WryMsgReply *reply G_GNUC_UNUSED, int *fd, const GError *error, gpointer data) {
  WryClient *client = data;
  if (error) {
    wry_client_fail_error(client, error);
  } else if (*fd < 0) {
    wry_client_fail(client, 500, "InternalError", "the launcher gave no connection", NULL);
  } else {
    int given = *fd;
    *fd = -1;
    wry_client_reply(client, NULL, FALSE, given);
  }
  wry_client_unref(client);
}

void wry_control_console(WryClient *client, gconstpointer parameters) {
  const WryControlGuest *call = parameters;
  WryGuest *guest = find(client, call);
  if (!guest) return;
  if (!wry_opt_bool(wry_guest_vmi(guest)->object->spec->domain->devices->autoattachSerialConsole, TRUE)) {
    wry_client_fail(client, 400, "BadRequest", "No serial consoles are present.", NULL);
    return;
  }
  if (!is_running(client, guest, call->name)) return;
  WryMsgConsole body = {.readOnly = {TRUE, wry_opt_bool(call->readOnly, FALSE)}, .force = {TRUE, wry_opt_bool(call->force, FALSE)}, .scrollback = {TRUE, wry_opt_bool(call->scrollback, FALSE)}};
  wry_launcher_call(guest->launcher, WRY_MSG_CONSOLE, &body, -1, on_fd, wry_client_ref(client));
}

void wry_control_vnc(WryClient *client, gconstpointer parameters) {
  const WryControlGuest *call = parameters;
  WryGuest *guest = find(client, call);
  if (!guest) return;
  if (!wry_opt_bool(wry_guest_vmi(guest)->object->spec->domain->devices->autoattachGraphicsDevice, TRUE)) {
    wry_client_fail(client, 400, "BadRequest", "No graphics devices are present.", NULL);
    return;
  }
  if (!is_running(client, guest, call->name)) return;
  WryMsgPlain body = {{FALSE, 0}};
  wry_launcher_call(guest->launcher, WRY_MSG_VNC, &body, -1, on_fd, wry_client_ref(client));
}

/* Also of a VM that is stopped: the log lives as long as the VM. */
void wry_control_logs(WryClient *client, gconstpointer parameters) {
  const WryControlGuest *call = parameters;
  WryFleet *fleet = wry_client_fleet(client);
  WryGuest *guest = call->name ? wry_fleet_find(fleet, WRY_OBJECT_VM, namespace_of(call), call->name) : NULL;
  if (!guest) guest = find(client, call);
  if (!guest) return;
  g_autofree char *path = g_strdup_printf("vms/%s/serial0.log%s", wry_object_meta(guest->object)->uid, wry_opt_bool(call->previous, FALSE) ? ".previous" : "");
  g_autoptr(GError) error = NULL;
  int fd = wry_vopen(wry_client_options(client)->state_fd, path, O_RDONLY, 0, WRY_WANT_FILE, &error);
  if (fd >= 0) {
    wry_client_reply(client, NULL, FALSE, fd);
    return;
  }
  g_autofree char *message = g_strdup_printf("no console log of %s%s: %s", call->name, wry_opt_bool(call->previous, FALSE) ? " of an earlier boot" : "", error->message);
  wry_client_fail(client, g_error_matches(error, WRY_ERROR, WRY_ERROR_NOT_FOUND) ? 404 : 500, "NotFound", message, NULL);
}

static void on_info(const WryMsgReply *reply, int *fd G_GNUC_UNUSED, const GError *error, gpointer data) {
  WryClient *client = data;
  WryControlData body = {reply ? reply->data : NULL};
  if (error)
    wry_client_fail_error(client, error);
  else
    wry_client_reply_struct(client, &wry_control_data_type, &body);
  wry_client_unref(client);
}

void wry_control_guestinfo(WryClient *client, gconstpointer parameters) {
  const WryControlGuest *call = parameters;
  static const char *const known[] = {"osinfo", "users", "filesystems", NULL};
  WryGuest *guest = find(client, call);
  if (!guest) return;
  if (!call->what || !g_strv_contains(known, call->what)) {
    wry_client_standard(client, "InvalidParameter", "parameter", "what");
    return;
  }
  if (!is_running(client, guest, call->name)) return;
  WryMsgGuestinfo body = {.what = call->what};
  wry_launcher_call(guest->launcher, WRY_MSG_GUESTINFO, &body, -1, on_info, wry_client_ref(client));
}
