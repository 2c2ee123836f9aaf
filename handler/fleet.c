/* The fleet: the table of guests, and the turn of each: look, decide, act, show.
 *
 * How it works: whatever happens kicks a guest; from the main loop `turn` asks decide.h what its VM needs until there is nothing more to do, lets a waiting VMI try to start, and
 * shows what changed. The start of the handler takes records in first, asks the root half what lives, and only then reads manifests, so nothing is started that runs already.
 * Relies on: source.h for what is wanted, fleet_life.c for a VMI's life. */
#include "handler/fleet.h"

#include <stdarg.h>

#include "handler/guest.h"
#include "handler/status.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/log.h"

#define TURNS 8u /* decisions of one turn; more would be a loop */
#define SAVE_AGAIN_SECONDS 5u
#define FORGET_AGAIN_SECONDS 10u

gint64 wry_now_seconds(void) { return g_get_real_time() / G_USEC_PER_SEC; }
char *wry_now_text(void) { return wry_time_text(wry_now_seconds()); }

WryObjects *wry_fleet_objects(WryFleet *fleet) { return fleet->objects; }
WrySource *wry_fleet_source(WryFleet *fleet) { return fleet->source; }
WryEvents *wry_fleet_events(WryFleet *fleet) { return fleet->events; }
const WryFleetFacts *wry_fleet_facts(const WryFleet *fleet) { return &fleet->facts; }
const WryFleetOptions *wry_fleet_options(const WryFleet *fleet) { return fleet->options; }

/* --- events -------------------------------------------------------------------------------------------------------------------------------------------- */
void wry_guest_vm_event(WryGuest *guest, gboolean warning, const char *reason, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  const WryMeta *meta = wry_object_meta(guest->object);
  WryEventTarget target = {wry_object_kind_name(guest->object->kind), meta->namespace_, meta->name, meta->uid};
  wry_events_add(guest->fleet->events, &target, wry_guest_is_vm(guest) ? "virtualmachine-controller" : "virtualmachineinstance-controller", warning, reason, message, wry_now_seconds());
}

void wry_guest_vmi_event(WryGuest *guest, gboolean warning, const char *reason, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  const WryMeta *meta = wry_object_meta(guest->object);
  WryEventTarget target = {"VirtualMachineInstance", meta->namespace_, meta->name, wry_guest_vmi(guest)->uid};
  wry_events_add(guest->fleet->events, &target, "virt-handler", warning, reason, message, wry_now_seconds());
}

/* --- saving -------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean on_save_again(gpointer data) {
  WryFleet *fleet = data;
  GHashTableIter iter;
  gpointer value;
  fleet->save_timer = 0;
  g_hash_table_iter_init(&iter, fleet->guests);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    if (((WryGuest *)value)->unsaved) wry_fleet_save(value, NULL);
  return G_SOURCE_REMOVE;
}

gboolean wry_fleet_save(WryGuest *guest, GError **error) {
  WryFleet *fleet = guest->fleet;
  g_autoptr(GError) local = NULL;
  if (wry_objects_save(fleet->objects, guest->object, &local)) {
    guest->unsaved = guest->changed = guest->tell_disk = FALSE;
    return TRUE;
  }
  if (!guest->unsaved) wry_log(WRY_LOG_ERROR, "state record not written", "vm", wry_object_meta(guest->object)->name, "error", local->message, NULL);
  guest->unsaved = TRUE;
  if (!fleet->save_timer) fleet->save_timer = g_timeout_add_seconds(SAVE_AGAIN_SECONDS, on_save_again, fleet);
  g_propagate_error(error, g_steal_pointer(&local));
  return FALSE;
}

/* --- VMIs made and removed ----------------------------------------------------------------------------------------------------------------------------- */
static void keep_firmware(WryVmi *vmi, const WryGuestState *state) {
  static const WryFirmware none = {0};
  WryDomain *domain = vmi->spec->domain;
  if (!domain->firmware) domain->firmware = g_memdup2(&none, sizeof none);
  if (!domain->firmware->uuid) domain->firmware->uuid = g_strdup(state->firmwareUuid);
  if (!domain->firmware->serial) domain->firmware->serial = g_strdup(state->firmwareSerial);
}

WryVmi *wry_guest_make_vmi(const WryGuest *guest, GError **error) {
  WryGuestState *state = guest->object->state;
  if (!wry_guest_is_vm(guest)) return wry_struct_copy(&wry_vmi_type, guest->object->typed);
  WryVmi *vmi = wry_vm_make_vmi(guest->object->typed);
  keep_firmware(vmi, state);
  if (wry_opt_bool(state->startPaused, FALSE)) {
    g_free(vmi->spec->startStrategy);
    vmi->spec->startStrategy = g_strdup("Paused");
  }
  if (wry_vmi_default(vmi, wry_source_config(guest->fleet->source), NULL, NULL, error)) {
    if (!state->firmwareUuid) state->firmwareUuid = g_strdup(vmi->spec->domain->firmware->uuid);
    return vmi;
  }
  wry_struct_free(&wry_vmi_type, vmi);
  return NULL;
}

static gboolean create_vmi(WryGuest *guest) {
  g_autoptr(GError) error = NULL;
  WryGuestState *state = guest->object->state;
  const WryMeta *meta = wry_object_meta(guest->object);
  WryVmi *object = wry_guest_make_vmi(guest, &error);
  if (!object) {
    wry_guest_vm_event(guest, TRUE, "FailedCreate", "Error creating virtual machine instance: %s", error->message);
    return FALSE;
  }
  g_autofree char *now = wry_now_text(), *fresh = g_uuid_string_random();
  gboolean single = !wry_guest_is_vm(guest);
  state->vmi = wry_instance_new(object, single ? meta->uid : fresh, single ? meta->creationTimestamp : now);
  state->vmi->generation = (WryOptInt){TRUE, meta->generation.v};
  state->vmi->bootId = g_strdup(guest->fleet->options->boot_id);
  guest->life = WRY_LIFE_NEW;
  guest->stop_started = 0;
  guest->ready = FALSE;
  guest->attempts = 0;
  if (!single) wry_guest_vm_event(guest, FALSE, "SuccessfulCreate", "Started the virtual machine by creating the new virtual machine instance %s", meta->name);
  return TRUE;
}

static void remove_vmi(WryGuest *guest) {
  WryGuestState *state = guest->object->state;
  wry_guest_vmi_event(guest, FALSE, "Deleted", "Signaled Deletion");
  if (guest->launcher) wry_launcher_close(guest->launcher);
  guest->launcher = NULL;
  wry_guest_clear_timers(guest);
  wry_guest_show_deleted_vmi(guest);
  g_clear_pointer(&state->vmi, wry_instance_free);
  g_clear_pointer(&state->stopRequested, g_free);
  guest->life = WRY_LIFE_NONE;
  guest->stop_started = 0;
  guest->told_stop = FALSE;
  wry_fleet_settle(guest->fleet);
}

static void delete_vmi(WryGuest *guest) {
  WryGuestState *state = guest->object->state;
  gint64 grace = state->stopGraceSeconds.set ? state->stopGraceSeconds.v : -1;
  if (wry_guest_is_vm(guest)) wry_guest_vm_event(guest, FALSE, "SuccessfulDelete", "Stopped the virtual machine by deleting the virtual machine instance %s", wry_object_meta(guest->object)->name);
  state->stopGraceSeconds = (WryOptInt){FALSE, 0};
  wry_guest_stop(guest, grace);
}

/* --- forgetting ---------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean on_wake(gpointer data) {
  WryGuest *guest = data;
  guest->wake = 0;
  wry_fleet_kick(guest);
  return G_SOURCE_REMOVE;
}

static void wake_in(WryGuest *guest, gint64 seconds, GSourceFunc call) {
  if (guest->wake) g_source_remove(guest->wake);
  guest->wake = g_timeout_add_seconds((guint)CLAMP(seconds, 1, 3600), call, guest);
}

static void drop(WryGuest *guest) {
  WryFleet *fleet = guest->fleet;
  g_autoptr(GError) error = NULL;
  wry_fleet_show_object(fleet, guest->object, TRUE);
  g_autofree char *uid = g_strdup(wry_object_meta(guest->object)->uid);
  wry_guest_ref(guest);
  if (!wry_objects_drop(fleet->objects, guest->object, &error)) wry_log(WRY_LOG_ERROR, "state record not removed", "uid", uid, "error", error->message, NULL);
  guest->object = NULL;
  g_hash_table_remove(fleet->guests, uid);
  wry_guest_unref(guest);
}

/* Unlike any other waiting, for a retry or a back-off, this one holds the removal up. */
static gboolean on_forget_again(gpointer data) {
  ((WryGuest *)data)->forgetting = FALSE;
  return on_wake(data);
}

static void on_forgotten(const WryRootReply *reply G_GNUC_UNUSED, int pidfd, const GError *error, gpointer data) {
  WryGuest *guest = data;
  wry_fd_close(&pidfd);
  guest->forgetting = guest->fleet && error; /* until asked again */
  if (guest->forgetting) {
    wry_log(WRY_LOG_ERROR, "state of a VM not removed", "vm", wry_object_meta(guest->object)->name, "error", error->message, NULL);
    wake_in(guest, FORGET_AGAIN_SECONDS, on_forget_again);
  } else if (guest->fleet && guest->object->removed && !wry_guest_vmi(guest)) {
    drop(guest);
  }
  wry_guest_unref(guest);
}

static void forget(WryGuest *guest) {
  if (guest->forgetting) return;
  if (wry_guest_in_pod(guest)) {
    drop(guest);
    return;
  }
  WryRootRequest request = {.op = WRY_ROOT_VM_REMOVE, .slot = (guint32)guest->object->state->slot.v};
  g_strlcpy(request.vm, wry_object_meta(guest->object)->uid, sizeof request.vm);
  guest->forgetting = TRUE;
  wry_root_call(guest->fleet->root, &request, on_forgotten, wry_guest_ref(guest));
}

/* --- a turn -------------------------------------------------------------------------------------------------------------------------------------------- */
/* Carries one decision out; TRUE when there may be another. */
static gboolean act(WryGuest *guest, const WryDecision *decision) {
  switch (decision->act) {
    case WRY_DO_CREATE: return create_vmi(guest);
    case WRY_DO_DELETE: delete_vmi(guest); return TRUE;
    case WRY_DO_WAIT: wake_in(guest, decision->wait_seconds, on_wake); return FALSE;
    case WRY_DO_FORGET: forget(guest); return FALSE;
    case WRY_DO_NOTHING: return FALSE;
  }
  return FALSE;
}

/* In a cluster how it ended is kept until the API server has no such VMI any more: it may have to be told again. */
static gboolean over_and_leaving(const WryGuest *guest) {
  const WryInstance *vmi = wry_guest_vmi(guest);
  return vmi && vmi->deletionTimestamp && guest->life == WRY_LIFE_OVER && (!wry_guest_in_pod(guest) || guest->object->removed);
}

static void decide_and_act(WryGuest *guest) {
  gboolean changed = FALSE, more = !guest->fleet->closing;
  for (guint i = 0; more && i < TURNS; i++) {
    if (over_and_leaving(guest)) {
      remove_vmi(guest);
      changed = TRUE;
    }
    WrySeen seen = wry_guest_seen(guest);
    WryDecision decision = wry_decide(&seen);
    changed = wry_decision_requests(&decision, guest->object->state) || changed;
    more = act(guest, &decision);
    changed = changed || more;
    gboolean failed = decision.act == WRY_DO_CREATE && !more;
    if (decision.settle && !failed) changed = wry_decision_settle(seen.strategy, guest->object->state) || changed;
  }
  guest->changed = changed;
}

static gboolean turn(gpointer data) {
  WryGuest *guest = data;
  guest->kicked = 0;
  wry_guest_ref(guest);
  decide_and_act(guest);
  WryInstance *vmi = guest->fleet ? wry_guest_vmi(guest) : NULL;
  gboolean stoppable = vmi && guest->life >= WRY_LIFE_NEW && guest->life < WRY_LIFE_STOPPING;
  if (stoppable && vmi->deletionTimestamp)
    wry_guest_stop(guest, -1);
  else if (stoppable && guest->fleet->closing)
    wry_guest_stop_for_now(guest, -1);
  if (vmi && guest->life == WRY_LIFE_NEW && wry_guest_in_pod(guest) && !guest->launcher) wry_launchers_again(guest->fleet->launchers); /* its launcher may have come first */
  if (vmi && guest->life == WRY_LIFE_NEW) wry_guest_try_start(guest);
  if (guest->fleet && guest->changed) wry_fleet_save(guest, NULL); /* a start has saved it already */
  if (vmi) {
    g_autofree char *now = wry_now_text();
    wry_guest_run_probes(guest);
    wry_status_conditions(vmi, !vmi->object->spec->readinessProbe || guest->ready, now);
  }
  if (guest->fleet) wry_guest_show(guest);
  if (guest->fleet && guest->tell_disk) wry_fleet_save(guest, NULL);
  wry_fleet_check_closed(guest->fleet);
  wry_guest_unref(guest);
  return G_SOURCE_REMOVE;
}

void wry_fleet_kick(WryGuest *guest) {
  if (guest->fleet && !guest->kicked) guest->kicked = g_idle_add_full(G_PRIORITY_DEFAULT, turn, guest, NULL);
}
