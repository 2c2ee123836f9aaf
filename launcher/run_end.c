/* The end: facts from init (how QEMU ended), from libvirt (why) and from ourselves are put together, recorded for a handler that may not be there, and reported. */
#include "launcher/report.h"
#include "launcher/run.h"
#include "launcher/virt/guard.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/log.h"
#include "wherry/record.h"
#include "wherry/setup.h"
#include "wherry/vpath.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define VERDICT_MS 1000u /* init's and libvirt's words come within milliseconds */
#define FINISH_MS 15000u /* contract 5.9 */
#define TAIL_BYTES 2048u

void wry_run_exited(int pid, int status, gpointer data) {
  WryRun *run = data;
  gboolean ours = pid == run->qemu_pid || (run->qemu_pid == 0 && run->domain && pid == wry_guard_pid(run->vm_dir, run->domain));
  if (!ours)
    return;
  run->has_status = TRUE;
  run->qemu_pid = pid;
  run->status = status;
  if (run->phase == WRY_VM_ENDING && wry_run_has_verdict(run))
    wry_run_feed(run, WRY_VM_EV_VERDICT, NULL);
}

/* A QEMU that went by itself with status 0 is explained only by libvirt's event. */
gboolean wry_run_has_verdict(const WryRun *run) {
  gboolean told = run->facts.killed || run->facts.guest_shutdown || run->facts.panicked || run->facts.watchdog || run->off;
  return run->has_status && (told || !WIFEXITED(run->status) || WEXITSTATUS(run->status) != 0);
}

void wry_run_collect(WryRun *run) {
  g_clear_handle_id(&run->resume_timer, g_source_remove);
  wry_guest_watch_connected(run->watch, FALSE);
  if (run->init)
    wry_init_channel_drain(run->init);
  wry_run_arm(run, WRY_VM_EV_VERDICT, wry_run_has_verdict(run) ? 0 : VERDICT_MS);
}

/* --- record ----------------------------------------------------------------------------------------------------------- */

static const char *uid_of(const WryRun *run) {
  return run->vmi && run->vmi->metadata && run->vmi->metadata->uid ? run->vmi->metadata->uid : "";
}

/* The handler's group reads it. */
static void let_read(int dir) {
  static const char *const slots[] = {WRY_FINAL_RECORD ".a", WRY_FINAL_RECORD ".b"};
  for (gsize i = 0; i < G_N_ELEMENTS(slots); i++) {
    wry_autofd int fd = wry_vopen(dir, slots[i], O_RDONLY, 0, WRY_WANT_FILE, NULL);
    if (fd >= 0 && fchmod(fd, 0640) != 0)
      wry_log(WRY_LOG_WARNING, "mode of the final record", NULL);
  }
}

static void record(WryRun *run) {
  g_autoptr(GError) error = NULL;
  if (!run->vmi) /* told to stop before it had a VM: the record of an earlier one stays */
    return;
  g_autoptr(WryJson) body = json_object_new_object();
  json_object_object_add(body, "vmi", json_object_new_string(uid_of(run)));
  json_object_object_add(body, "report", wry_encode(&wry_vmi_report_type, run->report));
  const char *text = json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN);
  if (run->state_dir < 0 || !wry_record_write(run->state_dir, WRY_FINAL_RECORD, text, strlen(text), &error))
    wry_log(WRY_LOG_ERROR, "the end is not recorded", "why", error ? error->message : "no state directory", NULL);
  else
    let_read(run->state_dir);
}

gboolean wry_run_recall_end(WryRun *run) {
  gsize length;
  g_autofree char *text = run->state_dir < 0 ? NULL : wry_record_read(run->state_dir, WRY_FINAL_RECORD, &length, NULL, NULL);
  g_autoptr(WryJson) body = text ? wry_json_parse(text, length, NULL) : NULL;
  g_autoptr(WryCauses) causes = wry_causes_new();
  if (!body || g_strcmp0(wry_json_str(body, "vmi"), uid_of(run)) != 0 || !wry_json_get(body, "report"))
    return FALSE;
  run->report = wry_decode(&wry_vmi_report_type, wry_json_get(body, "report"), "", causes);
  if (!run->report)
    return FALSE;
  let_read(run->state_dir); /* the former run may not have come to that */
  run->phase = WRY_VM_ENDED;
  wry_run_arm(run, WRY_VM_EV_LATE, FINISH_MS);
  return TRUE;
}

/* --- end -------------------------------------------------------------------------------------------------------------- */

static WryEndFacts facts_of(const WryRun *run, const char *log_tail) {
  WryVirtStatus last = run->virt ? wry_virt_status(run->virt) : (WryVirtStatus){WRY_VIRT_NONE, NULL};
  return (WryEndFacts){
    .start_error = run->start_error,
    .started = run->facts.live || run->has_status,
    .has_status = run->has_status,
    .status = run->status,
    .guest_shutdown = run->facts.guest_shutdown,
    .host_signal = run->facts.host_signal,
    .panicked = run->facts.panicked,
    .killed = run->facts.killed,
    .watchdog = run->facts.watchdog,
    .untouched = run->facts.untouched,
    .off_reason = last.state == WRY_VIRT_OFF ? last.reason : NULL,
    .log_tail = log_tail,
  };
}

void wry_run_end(WryRun *run) {
  g_autofree char *tail = run->domain ? wry_guard_log_tail(run->vm_dir, run->domain, TAIL_BYTES) : NULL;
  WryEndFacts facts = facts_of(run, tail);
  if (!run->report)
    run->report = wry_report_new(run->plan);
  wry_end_judge(&facts, run->report);
  wry_log(run->report->failure ? WRY_LOG_WARNING : WRY_LOG_INFO, "the VM has ended", "state", run->report->state, "reason", run->report->reason, "failure",
          run->report->failure ? run->report->failure : "", "message", run->report->message ? run->report->message : "", NULL);
  if (run->console)
    wry_console_finish(run->console);
  record(run);
  wry_run_report_now(run);
  wry_run_arm(run, WRY_VM_EV_LATE, FINISH_MS);
}

/* At once: init ends every process of the sandbox, and nothing here is worth a tidy end. */
void wry_run_leave(WryRun *run) {
  (void)run;
  _exit(WRY_RUN_OVER);
}
