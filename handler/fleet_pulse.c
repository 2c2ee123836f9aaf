/* A guest whose launcher hangs or is not there. The guest itself runs on in any case; what it lacks is somebody who answers for it.
 *
 * How it works: a launcher that is silent, or absent for too long from a sandbox that should have one, is killed by its init, which the root half tells; init starts it again, and it
 * finds its QEMU and connects. Until then the VMI has the condition LauncherDegraded. What was asked of the hung one has failed with its connection.
 * Relies on: launchers.h for who is silent, root.h for the kill. */
#include "handler/guest.h"
#include "wherry/fd.h"
#include "wherry/log.h"

#define DEGRADED "LauncherDegraded"

/* --- the kill ------------------------------------------------------------------------------------------------------------------------------------------ */
static void on_killed(const WryRootReply *reply G_GNUC_UNUSED, int pidfd, const GError *error, gpointer data) {
  WryGuest *guest = data;
  wry_fd_close(&pidfd);
  if (error && guest->fleet) wry_log(WRY_LOG_WARNING, "a launcher that hangs was not killed", "vm", wry_object_meta(guest->object)->name, "error", error->message, NULL);
  wry_guest_unref(guest);
}

static void kill_run(WryGuest *guest) {
  WryRootRequest request = {.op = WRY_ROOT_RUN_KILL, .slot = (guint32)guest->object->state->slot.v};
  g_strlcpy(request.vmi, wry_guest_vmi(guest)->uid, sizeof request.vmi);
  if (wry_guest_in_pod(guest)) g_strlcpy(request.vm, wry_guest_vmi(guest)->podUid, sizeof request.vm);
  wry_root_call_with(guest->fleet->root, &request, wry_guest_in_pod(guest) ? guest->pidfd : -1, on_killed, wry_guest_ref(guest));
}

static void degrade(WryGuest *guest, const char *condition, const char *event, const char *message) {
  g_autofree char *now = wry_now_text();
  wry_condition_set(&wry_guest_vmi(guest)->conditions, DEGRADED, TRUE, condition, message, now);
  wry_guest_vmi_event(guest, TRUE, event, "%s", message);
  kill_run(guest);
  wry_fleet_kick(guest);
}

void wry_guest_silent(WryLauncher *launcher, gpointer owner, guint seconds, gpointer data G_GNUC_UNUSED) {
  WryGuest *guest = owner;
  g_autofree char *message = g_strdup_printf("launcher run has not answered for %u s and is started again; the guest runs on", seconds);
  if (guest->fleet && guest->launcher == launcher) degrade(guest, "Unresponsive", "LauncherUnresponsive", message);
  wry_launcher_close(launcher);
}

/* --- absence ------------------------------------------------------------------------------------------------------------------------------------------- */
static guint absence(const WryGuest *guest) {
  const WryPulse *pulse = guest->fleet->options->pulse;
  return pulse ? pulse->absent : wry_pulse.absent;
}

static gboolean on_absent(gpointer data) {
  g_autofree char *message = g_strdup_printf("launcher run has not connected for %u s", absence(data) / 1000);
  degrade(data, "NotConnected", "LauncherNotConnected", message);
  return G_SOURCE_CONTINUE;
}

void wry_guest_expect_launcher(WryGuest *guest) {
  gboolean expected = guest->fleet && guest->life >= WRY_LIFE_BOOTING && guest->life <= WRY_LIFE_STOPPING && !guest->launcher;
  g_clear_handle_id(&guest->absent, g_source_remove);
  if (expected) guest->absent = g_timeout_add(absence(guest), on_absent, guest);
}

void wry_guest_has_launcher(WryGuest *guest) {
  g_clear_handle_id(&guest->absent, g_source_remove);
  if (guest->fleet && wry_guest_vmi(guest) && wry_condition_clear(wry_guest_vmi(guest)->conditions, DEGRADED)) wry_fleet_kick(guest);
}
