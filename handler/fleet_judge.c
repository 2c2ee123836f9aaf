/* How a VMI ended: from the launcher's report, else from its final record, else from what the handler itself did or saw; the events that tell it; failures counted.
 *
 * How it works: the first source that knows a final phase wins. A VMI that never reached Running and was not being deleted counts as a failed start (contract 3.7).
 * A SIGKILL may have been the out-of-memory killer's: the cgroup's count says.
 * Relies on: the launcher's state record "final.rec" (wire.h), readable by the handler's group. */
#include <fcntl.h>

#include "handler/guest.h"
#include "handler/oom.h"
#include "handler/status.h"
#include "wherry/fd.h"
#include "wherry/log.h"
#include "wherry/record.h"
#include "wherry/vpath.h"

#define NODE_SHUTDOWN "NodeShutdown"

/* What the handler did, by guest->end_reason. */
static const struct { const char *reason, *message; } own[] = {
  {"StartTimeout", "The guest did not come up within the time that a start may take."},
  {"StartFailed", "The domain could not be started."},
  {"LivenessProbeFailed", "The liveness probe failed."},
  {NODE_SHUTDOWN, "The guest was shut down with its node."},
  {"Killed", "The guest did not shut down within its grace period and was ended."},
};

/* The report that the launcher left for a handler that was not there. */
static WryVmiReport *final_report(const WryGuest *guest) {
  const WryInstance *vmi = wry_guest_vmi(guest);
  g_autofree char *path = g_strdup_printf("vms/%s", wry_object_meta(guest->object)->uid);
  wry_autofd int dirfd = wry_vopen(guest->fleet->options->state_fd, path, O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, NULL);
  gsize length = 0;
  g_autofree char *text = dirfd >= 0 ? wry_record_read(dirfd, WRY_FINAL_RECORD, &length, NULL, NULL) : NULL;
  g_autoptr(WryJson) record = text ? wry_json_parse(text, length, NULL) : NULL;
  WryJson *report = record ? wry_json_get(record, "report") : NULL;
  if (!report || g_strcmp0(wry_json_str(record, "vmi"), vmi->uid) != 0) return NULL;
  g_autoptr(WryCauses) causes = wry_causes_new();
  return wry_decode(&wry_vmi_report_type, report, "", causes);
}

static WryEnding of_report(const WryInstance *vmi) {
  return wry_status_verdict(vmi->report, vmi->object->spec, wry_instance_grace(vmi));
}

/* It was started under another boot of the node, and runs by the record. */
static gboolean rebooted(const WryGuest *guest) {
  const WryInstance *vmi = wry_guest_vmi(guest);
  return vmi->bootId && g_strcmp0(vmi->bootId, guest->fleet->options->boot_id) != 0;
}

/* Nobody said how it ended. */
static WryEnding of_handler(const WryGuest *guest) {
  const WryInstance *vmi = wry_guest_vmi(guest);
  if (wry_instance_phase(vmi) <= WRY_PHASE_SCHEDULING && vmi->deletionTimestamp) return (WryEnding){WRY_PHASE_FAILED, "NotStarted", "Stopped before the guest was started."};
  if (guest->end_reason && strcmp(guest->end_reason, "Killed") == 0 && wry_instance_grace(vmi) == 0)
    return (WryEnding){WRY_PHASE_SUCCEEDED, "Killed", "The guest was ended without a grace period."};
  for (gsize i = 0; guest->end_reason && i < G_N_ELEMENTS(own); i++)
    if (strcmp(own[i].reason, guest->end_reason) == 0) return (WryEnding){WRY_PHASE_FAILED, own[i].reason, own[i].message};
  if (rebooted(guest)) return (WryEnding){WRY_PHASE_FAILED, "NodeReboot", "The node went down while the guest ran."};
  return (WryEnding){WRY_PHASE_FAILED, "LauncherGone", "The VM's sandbox ended without a word."};
}

/* A node that goes down in order shuts its guests down: what they say then ("Shutdown") is not the guest's wish, and must not keep a VM down that is to run. */
static gboolean is_ours(const WryGuest *guest) {
  static const char *const reasons[] = {"LivenessProbeFailed", NODE_SHUTDOWN, NULL};
  return (guest->end_reason && g_strv_contains(reasons, guest->end_reason)) || (rebooted(guest) && !wry_guest_vmi(guest)->deletionTimestamp);
}

/* A kill that nobody else knows the reason of. */
static gboolean by_oom_killer(const WryGuest *guest, const WryEnding *verdict) {
  static const char *const unexplained[] = {"QEMUKilled", "LauncherGone", NULL};
  const WryFleetOptions *options = guest->fleet->options;
  return g_strv_contains(unexplained, verdict->reason) && wry_oom_kills(options->cgroup_fd, options->root_id, wry_guest_vmi(guest)->uid) > 0;
}

static WryEnding verdict_of(WryGuest *guest) {
  WryInstance *vmi = wry_guest_vmi(guest);
  WryEnding verdict = of_report(vmi);
  if (verdict.phase == WRY_PHASE_NONE) {
    WryVmiReport *report = final_report(guest);
    if (report) {
      if (vmi->report) wry_struct_free(&wry_vmi_report_type, vmi->report);
      vmi->report = report;
      verdict = of_report(vmi);
    }
  }
  return verdict.phase == WRY_PHASE_NONE || is_ours(guest) ? of_handler(guest) : verdict;
}

static WryEnding judge(WryGuest *guest) {
  WryEnding verdict = verdict_of(guest);
  return by_oom_killer(guest, &verdict) ? wry_status_oom() : verdict;
}

static void count_failure(WryGuest *guest) {
  if (!guest->fleet->closing && wry_guest_is_vm(guest)) wry_start_failed(guest->object->state, wry_guest_vmi(guest), wry_now_seconds(), g_random_double());
}

static void tell(WryGuest *guest, const WryEnding *verdict) {
  const WryInstance *vmi = wry_guest_vmi(guest);
  const char *detail = guest->end_message ? guest->end_message : vmi->report && vmi->report->message ? vmi->report->message : NULL;
  if (verdict->phase == WRY_PHASE_SUCCEEDED || strcmp(verdict->reason, NODE_SHUTDOWN) == 0) {
    wry_guest_vmi_event(guest, FALSE, "Stopped", "The VirtualMachineInstance was shut down.");
    return;
  }
  wry_guest_vmi_event(guest, TRUE, "Stopped", "The VirtualMachineInstance crashed.");
  wry_guest_vmi_event(guest, TRUE, verdict->reason, "%s%s%s", verdict->message, detail ? " " : "", detail ? detail : "");
}

void wry_guest_judge(WryGuest *guest) {
  WryInstance *vmi = wry_guest_vmi(guest);
  WryEnding verdict = judge(guest);
  g_autofree char *now = wry_now_text();
  g_free(vmi->reason);
  vmi->reason = g_strdup(verdict.phase == WRY_PHASE_FAILED ? verdict.reason : NULL);
  wry_instance_enter(vmi, verdict.phase, now);
  count_failure(guest);
  tell(guest, &verdict);
  wry_log(WRY_LOG_INFO, "ended", "vm", wry_object_meta(guest->object)->name, "phase", vmi->phase, "reason", verdict.reason, NULL);
  g_clear_pointer(&guest->readiness, wry_probe_free);
  g_clear_pointer(&guest->liveness, wry_probe_free);
  wry_fleet_save(guest, NULL);
}
