/* Probes of the guests: what a verdict means. Readiness becomes the Ready condition; a failed liveness probe stops the guest, and its end is then a failure, as the
 * kubelet's kill of the compute container is.
 *
 * Relies on: probe.h for how a probe is run. */
#include "handler/guest.h"

static void ping_done(const WryMsgReply *reply G_GNUC_UNUSED, int *fd G_GNUC_UNUSED, const GError *error, gpointer data) {
  WryGuest *guest = data;
  if (guest->readiness) wry_probe_answer(guest->readiness, error == NULL);
  if (guest->liveness) wry_probe_answer(guest->liveness, error == NULL);
  wry_guest_unref(guest);
}

static void ping(WryProbeRun *run, gpointer data) {
  WryGuest *guest = data;
  WryMsgGuestinfo body = {.what = (char *)(gpointer)"guestAgentPing"};
  if (guest->launcher)
    wry_launcher_call(guest->launcher, WRY_MSG_PROBE, &body, -1, ping_done, wry_guest_ref(guest));
  else
    wry_probe_answer(run, FALSE);
}

static void on_verdict(WryProbeRun *run, gboolean good, gpointer data) {
  WryGuest *guest = data;
  if (run == guest->readiness) {
    guest->ready = good;
    wry_fleet_kick(guest);
  } else if (!good && !guest->end_reason) {
    guest->end_reason = "LivenessProbeFailed";
    wry_guest_vmi_event(guest, TRUE, "Unhealthy", "Liveness probe failed; the guest is stopped.");
    wry_guest_feed(guest, WRY_EVENT_STOP);
  }
}

void wry_guest_run_probes(WryGuest *guest) {
  static const WryProbeCalls calls = {ping, on_verdict};
  const WryInstance *vmi = wry_guest_vmi(guest);
  const WryVmiSpec *spec = vmi ? vmi->object->spec : NULL;
  if (guest->life != WRY_LIFE_RUNNING || wry_guest_in_pod(guest)) return; /* a pod's probes are the kubelet's */
  WryJson *first = vmi->interfaces ? json_object_array_get_idx(vmi->interfaces, 0) : NULL, *addresses = first ? wry_json_get(first, "podIPs") : NULL;
  const char *address = addresses && json_object_array_length(addresses) ? json_object_get_string(json_object_array_get_idx(addresses, 0)) : NULL;
  if (spec->readinessProbe && !guest->readiness) guest->readiness = wry_probe_new(spec->readinessProbe, spec, address, &calls, guest);
  if (spec->livenessProbe && !guest->liveness) guest->liveness = wry_probe_new(spec->livenessProbe, spec, address, &calls, guest);
}
