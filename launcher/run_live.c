/* A running guest: what libvirt tells of it, and what the handler wants of it. */
#include "launcher/report.h"
#include "launcher/run.h"
#include "launcher/virt/guard.h"
#include "launcher/virt/live.h"
#include "wherry/error.h"
#include "wherry/log.h"
#include <malloc.h>
#include <signal.h>
#include <string.h>

#define RESUME_FIRST 10u /* seconds; after an I/O error, doubling (contract 6.5) */
#define RESUME_MAX 180u
#define RESUME_FORGET 600

/* --- I/O errors ------------------------------------------------------------------------------------------------------ */

static void resumed_again(const char *text, const GError *error, gpointer data) {
  (void)text;
  (void)data;
  if (error)
    wry_log(WRY_LOG_WARNING, "the guest stands after an I/O error and does not go on", "why", error->message, NULL);
}

static gboolean resume_again(gpointer data) {
  WryRun *run = data;
  run->resume_timer = 0;
  if (run->phase == WRY_VM_PAUSED && !run->facts.user_paused)
    wry_virt_do(run->virt, WRY_VIRT_RESUME, NULL, 0, resumed_again, run);
  return G_SOURCE_REMOVE;
}

/* A guest that stands because of an I/O error goes on when the trouble may be over; after a while without errors the waits begin anew. */
static void plan_resume(WryRun *run, WryVirtStatus status) {
  gint64 now = g_get_monotonic_time();
  g_clear_handle_id(&run->resume_timer, g_source_remove);
  if (status.state != WRY_VIRT_PAUSED || g_strcmp0(status.reason, "IOError") != 0)
    return;
  if (now - run->io_error_at > RESUME_FORGET * G_USEC_PER_SEC)
    run->attempts = 0;
  run->io_error_at = now;
  run->resume_timer = g_timeout_add_seconds(MIN(RESUME_MAX, RESUME_FIRST << MIN(run->attempts, 5u)), resume_again, run);
  run->attempts++;
}

/* --- live ------------------------------------------------------------------------------------------------------------- */

static void live_known(const char *text, const GError *error, gpointer data) {
  WryRun *run = data;
  g_autoptr(WryLive) live = error ? NULL : wry_live_parse(text, NULL);
  if (!live || !run->report)
    return;
  wry_report_live(run->report, live);
  if (live->agent != run->agent)
    wry_run_events.agent(live->agent, run);
  wry_run_report(run);
}

/* Once, when the guest runs for the first time in this process. */
static void settle(WryRun *run) {
  g_autoptr(GError) error = NULL;
  run->settled = TRUE;
  wry_run_note(run, &run->facts.live, TRUE);
  wry_run_report_now(run); /* who waits for the guest does not wait for the rest of this */
  run->attempts = 0;
  wry_virt_do(run->virt, WRY_VIRT_XML, NULL, 0, live_known, run);
  if (!wry_run_isolate_late(&error))
    g_error("isolation: %s", error->message); /* goes no further without it; the VM lives on under the next run */
  malloc_trim(0);
}

void wry_run_live(WryRun *run) {
  g_autoptr(GError) error = NULL;
  WryVirtStatus status = wry_virt_status(run->virt);
  gboolean halted = run->phase == WRY_VM_PAUSED;
  if (status.state != (halted ? WRY_VIRT_PAUSED : WRY_VIRT_RUNS) && run->phase != WRY_VM_STOPPING)
    status = halted ? (WryVirtStatus){WRY_VIRT_PAUSED, "User"} : (WryVirtStatus){WRY_VIRT_RUNS, "Unknown"};
  wry_report_status(run->report, status);
  run->report->qemuPid = (WryOptInt){TRUE, wry_qemu_pid(run->qemu)};
  if (!run->settled)
    settle(run);
  plan_resume(run, status);
  if (!wry_guard_keep_status(run->vm_dir, run->domain, &error))
    wry_log(WRY_LOG_WARNING, "status file not kept", "why", error->message, NULL);
  wry_run_report(run);
  if (run->deadline != 0 && (run->phase == WRY_VM_RUNNING || run->phase == WRY_VM_PAUSED))
    wry_run_feed(run, WRY_VM_EV_SHUTDOWN, NULL); /* was asked for while we attached */
}

/* --- libvirt's events ------------------------------------------------------------------------------------------------- */

static void note_shutdown(WryRun *run, const char *by) {
  if (strcmp(by, "Guest") == 0)
    wry_run_note(run, &run->facts.guest_shutdown, TRUE);
  else if (strcmp(by, "Host") == 0 && !run->facts.killed)
    wry_run_note(run, &run->facts.host_signal, TRUE);
}

/* A reboot through ACPI looks like a shutdown until the guest runs again. */
static void note_running(WryRun *run) {
  wry_run_note(run, &run->facts.guest_shutdown, FALSE);
  wry_run_note(run, &run->facts.host_signal, FALSE);
  wry_run_note(run, &run->facts.user_paused, FALSE);
  run->report->userPaused = (WryOptBool){TRUE, FALSE};
}

static void on_changed(WryVirtStatus status, gpointer data) {
  WryRun *run = data;
  static const int events[] = {[WRY_VIRT_RUNS] = WRY_VM_EV_RUNS, [WRY_VIRT_PAUSED] = WRY_VM_EV_HALTED};
  if (status.state == WRY_VIRT_SHUTTING_DOWN)
    note_shutdown(run, status.reason);
  else if (status.state == WRY_VIRT_CRASHED)
    wry_run_note(run, &run->facts.panicked, TRUE);
  else if (status.state == WRY_VIRT_OFF)
    run->off = TRUE;
  if (run->phase == WRY_VM_ENDING && wry_run_has_verdict(run))
    wry_run_feed(run, WRY_VM_EV_VERDICT, NULL);
  if (!wry_vm_is_live(run->phase) || run->phase == WRY_VM_KILLING)
    return;
  if (status.state == WRY_VIRT_RUNS)
    note_running(run);
  if (status.state == WRY_VIRT_RUNS || status.state == WRY_VIRT_PAUSED)
    wry_run_feed(run, (WryVmEvent)events[status.state], NULL);
  else if (status.state == WRY_VIRT_SHUTTING_DOWN)
    wry_report_status(run->report, status);
  wry_run_report(run);
}

static void on_rebooted(gpointer data) {
  (void)data;
  wry_log(WRY_LOG_INFO, "the guest rebooted", NULL);
}

static void on_watchdog(const char *action, gpointer data) {
  WryRun *run = data;
  if (strcmp(action, "poweroff") == 0)
    wry_run_note(run, &run->facts.watchdog, TRUE);
  g_autofree char *text = g_strdup_printf("The guest's watchdog was not fed; action: %s", action);
  wry_run_event(run, "Warning", "WatchdogExpired", text);
}

static void on_io_error(const char *target, const char *path, const char *reason, gboolean paused, gpointer data) {
  g_autofree char *text = g_strdup_printf("VM %s because of an I/O error on %s (%s)%s%s", paused ? "paused" : "goes on in spite", target, path, *reason ? ": " : "", reason);
  wry_run_event(data, "Warning", "IOerror", text);
}

static void on_agent(gboolean connected, gpointer data) {
  WryRun *run = data;
  run->agent = connected;
  if (!run->report)
    return;
  wry_report_agent(run->report, connected);
  if (!connected && run->plan)
    wry_report_guest(run->report, run->plan, NULL, NULL, NULL);
  wry_guest_watch_connected(run->watch, connected);
  wry_run_report(run);
}

static void on_vnc(gboolean connected, gpointer data) {
  (void)data;
  wry_log(WRY_LOG_INFO, connected ? "VNC client connected" : "VNC client gone", NULL);
}

const WryVirtEvents wry_run_events = {on_changed, on_rebooted, on_watchdog, on_io_error, on_agent, on_vnc};

/* --- requests --------------------------------------------------------------------------------------------------------- */

typedef struct { WryRun *run; WryVirtOp op; WryRequest *request; } Operation;

static void note_pause(WryRun *run, gboolean paused) {
  wry_run_note(run, &run->facts.user_paused, paused);
  run->report->userPaused = (WryOptBool){TRUE, paused};
  if (!paused && run->agent)
    wry_virt_do(run->virt, WRY_VIRT_SET_TIME, NULL, 0, NULL, NULL);
  wry_run_report(run);
}

static void operated(const char *text, const GError *error, gpointer data) {
  g_autofree Operation *o = data;
  (void)text;
  if (!error && (o->op == WRY_VIRT_SUSPEND || o->op == WRY_VIRT_RESUME))
    note_pause(o->run, o->op == WRY_VIRT_SUSPEND);
  wry_request_done(o->run, o->request, error);
}

void wry_run_operate(WryRun *run, WryVirtOp op, WryRequest *request) {
  Operation *o = g_new(Operation, 1);
  *o = (Operation){run, op, request};
  wry_virt_do(run->virt, op, NULL, 0, operated, o);
}

/* The agent could not; the power button can. */
static void rebooted_by_agent(const char *text, const GError *error, gpointer data) {
  g_autofree Operation *o = data;
  (void)text;
  if (error)
    wry_run_operate(o->run, WRY_VIRT_REBOOT_ACPI, o->request);
  else
    wry_request_done(o->run, o->request, NULL);
}

void wry_run_reboot(WryRun *run, WryRequest *request) {
  if (!run->agent) {
    wry_run_operate(run, WRY_VIRT_REBOOT_ACPI, request);
    return;
  }
  Operation *o = g_new(Operation, 1);
  *o = (Operation){run, WRY_VIRT_REBOOT_AGENT, request};
  wry_virt_do(run->virt, WRY_VIRT_REBOOT_AGENT, NULL, 0, rebooted_by_agent, o);
}

static void agent_was_asked(const char *text, const GError *error, gpointer data) {
  WryRun *run = data;
  (void)text;
  run->agent_busy = FALSE;
  if (error)
    wry_log(WRY_LOG_INFO, "the guest agent did not shut the guest down", "why", error->message, NULL);
}

static void resumed_to_stop(const char *text, const GError *error, gpointer data) {
  (void)text;
  (void)data;
  if (error)
    wry_log(WRY_LOG_WARNING, "the guest stands and cannot be told to shut down", "why", error->message, NULL);
}

/* First the agent when there is one; the power button without one, and with every further time. A guest that stands hears neither: it goes on first. */
void wry_run_ask(WryRun *run) {
  if (wry_virt_status(run->virt).state == WRY_VIRT_PAUSED)
    wry_virt_do(run->virt, WRY_VIRT_RESUME, NULL, 0, resumed_to_stop, run);
  if (run->agent && !run->agent_busy) {
    run->agent_busy = TRUE;
    wry_virt_do(run->virt, WRY_VIRT_SHUTDOWN_AGENT, NULL, 0, agent_was_asked, run);
  }
  if (!run->agent || run->asked)
    wry_virt_do(run->virt, WRY_VIRT_SHUTDOWN_ACPI, NULL, 0, NULL, NULL);
  run->asked = TRUE;
}

void wry_run_signal(WryRun *run, int signal) {
  g_autoptr(GError) error = NULL;
  wry_run_note(run, &run->facts.killed, TRUE);
  if (!run->qemu)
    wry_run_watch_qemu(run, wry_qemu_find(run->proc_dir, wry_guard_pid(run->vm_dir, run->domain)));
  if (!run->qemu)
    wry_run_feed(run, WRY_VM_EV_GONE, NULL);
  else if (!wry_qemu_signal(run->qemu, signal, &error))
    wry_log(WRY_LOG_ERROR, "QEMU cannot be ended", "why", error->message, NULL);
}
