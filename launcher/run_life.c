/* Events through the table of vm.c to actions. All runs on the main loop; an action that has to wait is started here and its end comes back as an event. */
#include "launcher/run.h"
#include "wherry/error.h"
#include "wherry/log.h"
#include <signal.h>

#define AGAIN_MS 5000u       /* a shutdown is asked for again (contract 6.5) */
#define ATTACH_MS 2000u      /* an attach that failed is tried again, doubling */
#define KILL_LATE_MS 5000u   /* SIGTERM lets QEMU flush its images; then SIGKILL */

typedef struct { WryRun *run; WryVmEvent event; } Alarm;

static gboolean alarm_rings(gpointer data) {
  Alarm *alarm = data;
  WryRun *run = alarm->run;
  run->timers[alarm->event] = 0;
  wry_run_feed(run, alarm->event, NULL);
  return G_SOURCE_REMOVE;
}

void wry_run_arm(WryRun *run, WryVmEvent event, guint ms) {
  Alarm *alarm = g_new(Alarm, 1);
  *alarm = (Alarm){run, event};
  g_clear_handle_id(&run->timers[event], g_source_remove);
  run->timers[event] = ms >= 10000 && ms % 1000 == 0 ? g_timeout_add_seconds_full(G_PRIORITY_DEFAULT, ms / 1000, alarm_rings, alarm, g_free)
                                                      : g_timeout_add_full(G_PRIORITY_DEFAULT, ms, alarm_rings, alarm, g_free);
}

void wry_run_note(WryRun *run, gboolean *fact, gboolean value) {
  g_autoptr(GError) error = NULL;
  if (*fact == value)
    return;
  *fact = value;
  if (!wry_facts_write(run->vm_dir, &run->facts, &error))
    wry_log(WRY_LOG_WARNING, "facts not kept", "why", error->message, NULL);
}

static void qemu_gone(int pid, gpointer data) {
  WryRun *run = data;
  run->qemu_pid = pid;
  wry_run_feed(run, WRY_VM_EV_GONE, NULL);
}

void wry_run_watch_qemu(WryRun *run, int pid) {
  g_autoptr(GError) error = NULL;
  if (run->qemu)
    return;
  run->qemu_pid = pid;
  run->qemu = pid > 0 ? wry_qemu_watch(pid, qemu_gone, run, &error) : NULL;
}

/* --- actions ---------------------------------------------------------------------------------------------------------- */

typedef void (*Action)(WryRun *run, WryRequest *request);

static void do_nothing(WryRun *run, WryRequest *request) {
  if (request)
    wry_request_done(run, request, NULL);
}

static void do_refuse(WryRun *run, WryRequest *request) {
  g_autoptr(GError) error = g_error_new(WRY_ERROR, WRY_ERROR_CONFLICT, "the VM is %s", wry_vm_phase_name(run->phase));
  if (request)
    wry_request_done(run, request, error);
}

static void do_prepare(WryRun *run, WryRequest *request) {
  (void)request;
  wry_run_prepare(run);
}

static void do_attach(WryRun *run, WryRequest *request) {
  (void)request;
  wry_run_attach(run);
}

static void do_start(WryRun *run, WryRequest *request) {
  (void)request;
  wry_run_start(run);
}

static void do_live(WryRun *run, WryRequest *request) {
  (void)request;
  wry_run_live(run);
}

static void do_suspend(WryRun *run, WryRequest *request) {
  wry_run_operate(run, WRY_VIRT_SUSPEND, request);
}

static void do_resume(WryRun *run, WryRequest *request) {
  wry_run_note(run, &run->facts.untouched, FALSE);
  wry_run_operate(run, WRY_VIRT_RESUME, request);
}

static void do_reset(WryRun *run, WryRequest *request) {
  wry_run_operate(run, WRY_VIRT_RESET, request);
}

static void do_reboot(WryRun *run, WryRequest *request) {
  wry_run_reboot(run, request);
}

/* The grace that is left runs from the first request on; a later one may only shorten it. */
static void set_deadline(WryRun *run, WryRequest *request) {
  gint64 seconds = CLAMP(wry_request_grace(request, wry_vmi_grace_seconds(run->vmi->spec)), 0, G_MAXINT / 1000), wanted = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
  if (run->deadline == 0 || wanted < run->deadline) {
    run->deadline = wanted;
    wry_run_arm(run, WRY_VM_EV_GRACE_OVER, (guint)(seconds * 1000));
  }
}

/* A guest that has never run has nothing to shut down. */
static void do_ask(WryRun *run, WryRequest *request) {
  if (run->facts.untouched) {
    wry_run_feed(run, WRY_VM_EV_KILL, request);
    return;
  }
  if (request || run->deadline == 0)
    set_deadline(run, request);
  wry_run_ask(run);
  wry_run_arm(run, WRY_VM_EV_AGAIN, AGAIN_MS);
  do_nothing(run, request);
}

static void do_shorten(WryRun *run, WryRequest *request) {
  set_deadline(run, request);
  do_nothing(run, request);
}

static void do_retry(WryRun *run, WryRequest *request) {
  (void)request;
  wry_run_arm(run, WRY_VM_EV_AGAIN, ATTACH_MS << MIN(run->attempts, 4u));
  run->attempts++;
}

static void do_terminate(WryRun *run, WryRequest *request) {
  wry_run_signal(run, SIGTERM);
  wry_run_arm(run, WRY_VM_EV_KILL_LATE, KILL_LATE_MS);
  do_nothing(run, request);
}

static void do_destroy(WryRun *run, WryRequest *request) {
  wry_run_signal(run, SIGKILL);
  wry_run_arm(run, WRY_VM_EV_KILL_LATE, KILL_LATE_MS);
  do_nothing(run, request);
}

static void do_collect(WryRun *run, WryRequest *request) {
  (void)request;
  wry_run_collect(run);
}

static void do_end(WryRun *run, WryRequest *request) {
  wry_run_end(run);
  do_nothing(run, request);
}

static void do_leave(WryRun *run, WryRequest *request) {
  do_nothing(run, request);
  wry_run_leave(run);
}

static void do_fault(WryRun *run, WryRequest *request) {
  do_refuse(run, request);
}

static const Action actions[WRY_VM_ACTIONS] = {
  [WRY_VM_UNWRITTEN] = do_fault,    [WRY_VM_IMPOSSIBLE] = do_fault, [WRY_VM_IGNORE] = do_nothing,   [WRY_VM_REFUSE] = do_refuse,   [WRY_VM_PREPARE] = do_prepare,
  [WRY_VM_ATTACH] = do_attach,      [WRY_VM_START] = do_start,      [WRY_VM_LIVE] = do_live,        [WRY_VM_SUSPEND] = do_suspend, [WRY_VM_RESUME] = do_resume,
  [WRY_VM_RESET] = do_reset,        [WRY_VM_REBOOT] = do_reboot,    [WRY_VM_ASK] = do_ask,          [WRY_VM_SHORTEN] = do_shorten, [WRY_VM_DEFER] = do_shorten,
  [WRY_VM_RETRY] = do_retry,        [WRY_VM_TERMINATE] = do_terminate, [WRY_VM_DESTROY] = do_destroy, [WRY_VM_COLLECT] = do_collect, [WRY_VM_END] = do_end,
  [WRY_VM_LEAVE] = do_leave,
};

void wry_run_feed(WryRun *run, WryVmEvent event, WryRequest *request) {
  const WryVmCell *cell = wry_vm_cell(run->phase, event);
  WryLogLevel level = cell->action == WRY_VM_IMPOSSIBLE ? WRY_LOG_ERROR : cell->next != run->phase ? WRY_LOG_INFO : WRY_LOG_DEBUG;
  wry_log(level, cell->action == WRY_VM_IMPOSSIBLE ? "impossible event" : "event", "phase", wry_vm_phase_name(run->phase), "event", wry_vm_event_name(event), "next",
          wry_vm_phase_name(cell->next), NULL);
  if (cell->action == WRY_VM_REFUSE) { /* names the phase that refuses */
    do_refuse(run, request);
    return;
  }
  run->phase = cell->next;
  actions[cell->action](run, request);
}
