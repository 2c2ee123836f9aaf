/* A guest's life: events go through the table of supervise.h, actions are carried out here and in fleet_start.c and fleet_judge.c.
 *
 * How it works: `wry_guest_feed` looks the cell up, enters the state and the phase that goes with it, and runs the cell's actions in their order. Whatever may feed further events
 * (answers of the root half and of the launcher, timers) does so later, from the main loop.
 * Relies on: supervise.h for what follows from what; launchers.h and root.h for those who act. */
#include <glib-unix.h>

#include "handler/guest.h"
#include "handler/status.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/log.h"

static void stop_source(guint *source) {
  if (*source) g_source_remove(*source);
  *source = 0;
}

void wry_guest_clear_timers(WryGuest *guest) {
  stop_source(&guest->limit);
  stop_source(&guest->kill);
  stop_source(&guest->retry);
}

/* --- init's end ---------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean on_gone_late(gpointer data) {
  WryGuest *guest = data;
  guest->gone = 0;
  wry_guest_feed(guest, WRY_EVENT_GONE);
  return G_SOURCE_REMOVE;
}

/* What the launcher said last may still be in its socket: the connection's end comes after it, so that is waited for. */
static gboolean on_init_ended(gint fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED, gpointer data) {
  WryGuest *guest = data;
  guest->pidfd_source = 0;
  wry_fd_close(&guest->pidfd);
  if (!guest->gone) guest->gone = guest->launcher ? g_timeout_add_seconds(2, on_gone_late, guest) : g_idle_add(on_gone_late, guest);
  return G_SOURCE_REMOVE;
}

void wry_guest_watch_init(WryGuest *guest, int take_pidfd) {
  stop_source(&guest->pidfd_source);
  wry_fd_close(&guest->pidfd);
  guest->pidfd = take_pidfd;
  if (take_pidfd >= 0) guest->pidfd_source = g_unix_fd_add(take_pidfd, G_IO_IN, on_init_ended, guest);
}

/* --- timers -------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean on_late(gpointer data) {
  WryGuest *guest = data;
  guest->limit = 0;
  guest->end_reason = "StartTimeout";
  wry_guest_feed(guest, WRY_EVENT_LATE);
  return G_SOURCE_REMOVE;
}

static gboolean on_kill(gpointer data) {
  WryGuest *guest = data;
  guest->kill = 0;
  if (!guest->end_reason) guest->end_reason = "Killed";
  wry_guest_feed(guest, WRY_EVENT_KILL);
  return G_SOURCE_REMOVE;
}

static gboolean on_retry(gpointer data) {
  WryGuest *guest = data;
  guest->retry = 0;
  wry_guest_feed(guest, WRY_EVENT_AGAIN);
  wry_fleet_kick(guest);
  return G_SOURCE_REMOVE;
}

static void arm_retry(WryGuest *guest) {
  stop_source(&guest->retry);
  guest->retry = g_timeout_add_seconds(wry_retry_seconds(guest->attempts++), on_retry, guest);
}

static void arm_limit(WryGuest *guest) {
  stop_source(&guest->limit);
  guest->limit = g_timeout_add_seconds(WRY_START_LIMIT_SECONDS, on_late, guest);
}

/* --- stopping ------------------------------------------------------------------------------------------------------------------------------------------ */
static gint64 grace_left(const WryGuest *guest) {
  gint64 passed = (g_get_monotonic_time() - guest->stop_started) / G_USEC_PER_SEC;
  return MAX(wry_instance_grace(wry_guest_vmi(guest)) - passed, 0);
}

static void on_shutdown_answer(const WryMsgReply *reply G_GNUC_UNUSED, int *fd G_GNUC_UNUSED, const GError *error, gpointer data) {
  WryGuest *guest = data;
  if (error && guest->fleet) wry_log(WRY_LOG_WARNING, "the launcher did not take the stop", "vm", wry_object_meta(guest->object)->name, "error", error->message, NULL);
  wry_guest_unref(guest);
}

static void begin_shutdown(WryGuest *guest) {
  if (guest->stop_started == 0) guest->stop_started = g_get_monotonic_time();
  gint64 left = grace_left(guest), margin = left == 0 && !guest->launcher ? 0 : left == 0 ? 5 : (gint64)WRY_KILL_MARGIN_SECONDS;
  stop_source(&guest->kill);
  guest->kill = g_timeout_add_seconds((guint)CLAMP(left + margin, 0, G_MAXINT32), on_kill, guest);
  if (!guest->told_stop) wry_guest_vmi_event(guest, FALSE, "ShuttingDown", "Signaled Graceful Shutdown");
  guest->told_stop = TRUE;
  if (!guest->launcher) return; /* its hello comes back here, or the kill comes first */
  WryMsgShutdown body = {.graceSeconds = {TRUE, left}};
  wry_launcher_call(guest->launcher, WRY_MSG_SHUTDOWN, &body, -1, on_shutdown_answer, wry_guest_ref(guest));
}

void wry_guest_stop(WryGuest *guest, gint64 grace) {
  WryInstance *vmi = wry_guest_vmi(guest);
  if (!vmi) return;
  gboolean first = vmi->deletionTimestamp == NULL;
  gboolean shorter = grace >= 0 && grace < wry_instance_grace(vmi);
  if (first) vmi->deletionTimestamp = wry_now_text();
  if (shorter || (first && grace >= 0)) vmi->deletionGraceSeconds = (WryOptInt){TRUE, grace};
  if (guest->stop_started == 0 || shorter) guest->stop_started = g_get_monotonic_time();
  wry_guest_ref(guest);
  if (guest->life != WRY_LIFE_STOPPING || shorter) wry_guest_feed(guest, WRY_EVENT_STOP); /* the guest does not wait for the disk; who asked for this does */
  if (first && guest->fleet) wry_fleet_save(guest, NULL);
  wry_guest_unref(guest);
}

void wry_guest_stop_for_now(WryGuest *guest, gint64 grace) {
  WryInstance *vmi = wry_guest_vmi(guest);
  if (!vmi || guest->life == WRY_LIFE_NEW) return;
  gboolean shorter = grace >= 0 && grace < wry_instance_grace(vmi);
  if (shorter) vmi->deletionGraceSeconds = (WryOptInt){TRUE, grace};
  if (!vmi->deletionTimestamp) guest->end_reason = "NodeShutdown";
  if (guest->stop_started == 0 || shorter) guest->stop_started = g_get_monotonic_time();
  if (guest->life != WRY_LIFE_STOPPING || shorter) wry_guest_feed(guest, WRY_EVENT_STOP);
}

/* --- the table's actions ------------------------------------------------------------------------------------------------------------------------------- */
static void on_finish_answer(const WryMsgReply *reply G_GNUC_UNUSED, int *fd G_GNUC_UNUSED, const GError *error G_GNUC_UNUSED, gpointer data) { wry_guest_unref(data); }

static void finish(WryGuest *guest) {
  WryMsgPlain body = {{FALSE, 0}};
  wry_fleet_save(guest, NULL);
  if (guest->launcher) wry_launcher_call(guest->launcher, WRY_MSG_FINISH, &body, -1, on_finish_answer, wry_guest_ref(guest));
}

static const struct { guint action; void (*run)(WryGuest *guest); } actions[] = {
  {WRY_ACT_CALM, wry_guest_clear_timers}, {WRY_ACT_QUERY, wry_guest_query}, {WRY_ACT_MAKE, wry_guest_make},   {WRY_ACT_SYNC, wry_guest_sync},
  {WRY_ACT_SHUTDOWN, begin_shutdown},       {WRY_ACT_JUDGE, wry_guest_judge}, {WRY_ACT_FINISH, finish},           {WRY_ACT_END, wry_guest_end},
  {WRY_ACT_RETRY, arm_retry},               {WRY_ACT_WATCH, arm_limit},
};

static const WryPhase phase_of_life[WRY_LIVES] = {
  [WRY_LIFE_NEW] = WRY_PHASE_PENDING,      [WRY_LIFE_STARTING] = WRY_PHASE_SCHEDULING, [WRY_LIFE_BOOTING] = WRY_PHASE_SCHEDULED,
  [WRY_LIFE_SYNCED] = WRY_PHASE_SCHEDULED, [WRY_LIFE_RUNNING] = WRY_PHASE_RUNNING,
};

static WryLife life_of_phase(WryPhase phase) {
  if (wry_phase_final(phase)) return WRY_LIFE_ENDING;
  return phase == WRY_PHASE_RUNNING ? WRY_LIFE_RUNNING : WRY_LIFE_BOOTING;
}

static void on_running(WryGuest *guest);

/* Phases never go back: a start that is tried again stays Scheduling. */
static void enter_life(WryGuest *guest, WryLife next) {
  WryInstance *vmi = wry_guest_vmi(guest);
  if (next == WRY_LIFE_SAME) return;
  if (next == WRY_LIFE_RESUME) next = life_of_phase(wry_instance_phase(vmi));
  if (next == guest->life) return;
  guest->life = next;
  wry_guest_expect_launcher(guest);
  if (next >= WRY_LIFE_BOOTING) guest->attempts = 0; /* a start that is refused again and again waits longer and longer */
  WryPhase phase = phase_of_life[next];
  if (phase <= wry_instance_phase(vmi)) return;
  g_autofree char *now = wry_now_text();
  wry_instance_enter(vmi, phase, now);
  if (phase == WRY_PHASE_RUNNING) on_running(guest);
}

static void on_running(WryGuest *guest) {
  wry_start_forgiven(guest->object->state);
  wry_guest_vmi_event(guest, FALSE, "Started", "VirtualMachineInstance started.");
  guest->tell_disk = TRUE;
}

void wry_guest_feed(WryGuest *guest, WryEvent event) {
  if (!guest->fleet) return;
  WryLife before = guest->life;
  const WryStep *step = wry_supervise(before, event);
  if (!step->possible) return;
  wry_guest_ref(guest);
  enter_life(guest, step->next);
  if (before != guest->life)
    wry_log(WRY_LOG_DEBUG, "life", "vm", wry_object_meta(guest->object)->name, "event", wry_event_name(event), "from", wry_life_name(before), "to", wry_life_name(guest->life), NULL);
  for (gsize i = 0; guest->fleet && i < G_N_ELEMENTS(actions); i++)
    if (step->actions & actions[i].action) actions[i].run(guest);
  wry_fleet_kick(guest);
  wry_guest_unref(guest);
}

/* A VMI that an earlier handler left. One that had ended is only cleaned up. */
void wry_guest_adopt(WryGuest *guest) {
  WryInstance *vmi = wry_guest_vmi(guest);
  if (!vmi) return;
  if (vmi->deletionTimestamp) {
    g_autoptr(GDateTime) since = g_date_time_new_from_iso8601(vmi->deletionTimestamp, NULL);
    gint64 passed = since ? wry_now_seconds() - g_date_time_to_unix(since) : 0;
    guest->stop_started = g_get_monotonic_time() - CLAMP(passed, 0, wry_instance_grace(vmi)) * G_USEC_PER_SEC;
  }
  if (wry_phase_final(wry_instance_phase(vmi))) {
    guest->life = WRY_LIFE_ENDING;
    wry_guest_end(guest);
    return;
  }
  guest->life = WRY_LIFE_ADOPTING;
  wry_guest_query(guest);
}

/* --- the launcher's side ------------------------------------------------------------------------------------------------------------------------------- */
static gpointer identify(const char *vmi, uid_t uid, gpointer data) {
  WryFleet *fleet = data;
  GHashTableIter iter;
  gpointer value;
  if (fleet->options->pods) return wry_pod_identify(fleet, vmi, uid);
  g_hash_table_iter_init(&iter, fleet->guests);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    WryGuest *guest = value;
    const WryInstance *instance = wry_guest_vmi(guest);
    if (!instance || strcmp(instance->uid, vmi) != 0) continue;
    if (instance->uidNumber.set && instance->uidNumber.v != (gint64)uid) return NULL;
    return wry_guest_ref(guest);
  }
  return NULL;
}

static void on_hello(WryLauncher *launcher, gpointer owner, gint64 run G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED) {
  WryGuest *guest = owner;
  if (guest->launcher && guest->launcher != launcher) wry_launcher_close(guest->launcher);
  guest->launcher = launcher;
  guest->reported = FALSE;
  wry_guest_has_launcher(guest);
  wry_guest_feed(guest, WRY_EVENT_HELLO);
  if (!guest->fleet || !wry_guest_in_pod(guest)) return;
  if (guest->life == WRY_LIFE_ADOPTING) wry_pod_query(guest);
  wry_fleet_kick(guest); /* one that is new starts when its launcher is there */
}

/* Emulation is told once a VMI. */
static void tell_emulation(WryGuest *guest) {
  const WryInstance *vmi = wry_guest_vmi(guest);
  if (guest->emulation_told || wry_condition_find(vmi->conditions, "SoftwareEmulation") || !wry_opt_bool(vmi->report->softwareEmulation, FALSE)) return;
  guest->emulation_told = TRUE;
  wry_guest_vmi_event(guest, TRUE, "SoftwareEmulation", "The guest runs in software emulation (TCG): this node's KVM is not used.");
}

void wry_guest_weigh_report(WryGuest *guest) {
  WryInstance *vmi = wry_guest_vmi(guest);
  WryPhase phase = wry_status_phase(vmi->report, vmi->object->spec, wry_instance_grace(vmi));
  if (phase == WRY_PHASE_RUNNING) {
    wry_guest_feed(guest, WRY_EVENT_UP);
    tell_emulation(guest);
  } else if (phase != WRY_PHASE_NONE) {
    wry_guest_feed(guest, WRY_EVENT_DOWN);
  }
}

static void on_status(gpointer owner, const WryVmiReport *report, gpointer data G_GNUC_UNUSED) {
  WryGuest *guest = owner;
  WryInstance *vmi = guest->fleet ? wry_guest_vmi(guest) : NULL;
  if (!vmi || !guest->launcher || guest->life == WRY_LIFE_ENDING || guest->life == WRY_LIFE_OVER) return;
  if (vmi->report) wry_struct_free(&wry_vmi_report_type, vmi->report);
  vmi->report = wry_struct_copy(&wry_vmi_report_type, report);
  guest->reported = TRUE;
  wry_guest_weigh_report(guest);
  wry_fleet_kick(guest);
}

static void on_event(gpointer owner, const WryMsgEvent *event, gpointer data G_GNUC_UNUSED) {
  WryGuest *guest = owner;
  if (!guest->fleet || !wry_guest_vmi(guest) || !event->reason) return;
  wry_guest_vmi_event(guest, g_strcmp0(event->type, "Warning") == 0, event->reason, "%s", event->message ? event->message : "");
}

static void on_closed(WryLauncher *launcher, gpointer owner, const GError *error, gpointer data G_GNUC_UNUSED) {
  WryGuest *guest = owner;
  gboolean expected = guest->life == WRY_LIFE_ENDING || guest->life == WRY_LIFE_OVER;
  if (error && guest->fleet && !expected) wry_log(WRY_LOG_WARNING, "connection of a launcher ended", "vm", wry_object_meta(guest->object)->name, "error", error->message, NULL);
  if (guest->launcher == launcher) {
    guest->launcher = NULL;
    wry_guest_expect_launcher(guest);
    if (guest->gone) {
      stop_source(&guest->gone);
      guest->gone = g_idle_add(on_gone_late, guest);
    }
  }
  wry_guest_unref(guest);
}

const WryLauncherCalls wry_guest_launcher_calls = {identify, on_hello, on_status, on_event, wry_guest_silent, on_closed};
