/* What a launcher's report says about a VirtualMachineInstance: phase, how it ended, conditions.
 *
 * How it works: libvirt's states and reasons are rows of a table, and so are the ways in which QEMU dies; conditions are set or cleared one function each.
 * Pure. Relies on: contract 3.2 and 3.4. */
#include "handler/status.h"

typedef enum { ENDS_NOT, ENDS_WELL, ENDS_BADLY, ENDS_BY_GRACE } End;

/* state, reason ("" = any other) -> what it is. First match. */
static const struct { const char *state, *reason; End end; } ends[] = {
  {"Shutoff", "Shutdown", ENDS_WELL},   {"Shutoff", "Saved", ENDS_WELL},    {"Shutoff", "FromSnapshot", ENDS_WELL}, {"Shutoff", "Destroyed", ENDS_BY_GRACE},
  {"Shutoff", "Crashed", ENDS_BADLY},   {"Shutoff", "Panicked", ENDS_BADLY}, {"Shutoff", "Failed", ENDS_BADLY},      {"Shutoff", "", ENDS_NOT},
  {"Crashed", "", ENDS_BADLY},          {"Paused", "PostcopyFailed", ENDS_BADLY},
};

static const char *const alive[] = {"Running", "Blocked", "Paused", "PMSuspended", "ShuttingDown"};

/* A kill by us ended it: well when no grace could apply (no ACPI, or none asked), badly else (contract 3.2). */
static gboolean grace_applies(const WryVmiSpec *spec, gint64 grace) {
  const WryFeatures *features = spec && spec->domain ? spec->domain->features : NULL;
  gboolean acpi = !features || !features->acpi || wry_opt_bool(features->acpi->enabled, TRUE);
  return acpi && grace != 0;
}

WryPhase wry_status_phase(const WryVmiReport *report, const WryVmiSpec *spec, gint64 grace) {
  if (!report || !report->state) return WRY_PHASE_NONE;
  for (gsize i = 0; i < G_N_ELEMENTS(ends); i++) {
    if (strcmp(ends[i].state, report->state) != 0 || (*ends[i].reason && g_strcmp0(ends[i].reason, report->reason) != 0)) continue;
    if (ends[i].end == ENDS_NOT) return report->failure ? WRY_PHASE_FAILED : WRY_PHASE_NONE;
    if (ends[i].end == ENDS_BY_GRACE) return grace_applies(spec, grace) ? WRY_PHASE_FAILED : WRY_PHASE_SUCCEEDED;
    return ends[i].end == ENDS_WELL ? WRY_PHASE_SUCCEEDED : WRY_PHASE_FAILED;
  }
  for (gsize i = 0; i < G_N_ELEMENTS(alive); i++)
    if (strcmp(alive[i], report->state) == 0) return WRY_PHASE_RUNNING;
  return report->failure ? WRY_PHASE_FAILED : WRY_PHASE_NONE;
}

#define PANICKED "The guest's kernel panicked."
#define OOM_KILLED "OOMKilled"
#define OOM_MESSAGE "The kernel killed QEMU: the VM used more memory than its limit."

/* How QEMU dies, by WryVmiReport.failure. */
static const struct { const char *failure, *message; } failures[] = {
  {OOM_KILLED, OOM_MESSAGE},
  {"SeccompKill", "QEMU made a system call that its policy refuses and was killed."},
  {"QEMUKilled", "QEMU was killed by a signal."},
  {"QEMUExited", "QEMU ended by itself with an error."},
  {"GuestPanicked", PANICKED},
  {"WatchdogExpired", "The guest did not feed its watchdog, which ended it."},
  {"StartFailed", "The domain could not be started."},
};

WryEnding wry_status_verdict(const WryVmiReport *report, const WryVmiSpec *spec, gint64 grace) {
  WryPhase phase = wry_status_phase(report, spec, grace);
  if (!wry_phase_final(phase)) return (WryEnding){WRY_PHASE_NONE, NULL, NULL};
  for (gsize i = 0; report->failure && i < G_N_ELEMENTS(failures); i++)
    if (strcmp(failures[i].failure, report->failure) == 0) return (WryEnding){phase, failures[i].failure, failures[i].message};
  if (g_strcmp0(report->reason, "Panicked") == 0) return (WryEnding){phase, "GuestPanicked", PANICKED};
  if (g_strcmp0(report->reason, "Destroyed") == 0)
    return (WryEnding){phase, "Killed", phase == WRY_PHASE_FAILED ? "The guest did not shut down within its grace period and was ended." : "The guest was ended without a grace period."};
  if (phase == WRY_PHASE_SUCCEEDED) return (WryEnding){phase, "GuestShutdown", "The guest shut down."};
  return (WryEnding){phase, "QEMUCrashed", "QEMU ended unexpectedly."};
}

WryEnding wry_status_oom(void) { return (WryEnding){WRY_PHASE_FAILED, OOM_KILLED, OOM_MESSAGE}; }

static void flag(WryInstance *instance, const char *type, gboolean on, const char *reason, const char *message, const char *now) {
  if (on)
    wry_condition_set(&instance->conditions, type, TRUE, reason, message, now);
  else
    wry_condition_clear(instance->conditions, type);
}

static void set_ready(WryInstance *instance, gboolean ready, const char *now) {
  gboolean running = wry_instance_phase(instance) == WRY_PHASE_RUNNING;
  gboolean paused = wry_condition_find(instance->conditions, "Paused") != NULL;
  if (instance->deletionTimestamp)
    wry_condition_set(&instance->conditions, "Ready", FALSE, "PodTerminating", "the VMI is being stopped", now);
  else if (!running)
    wry_condition_set(&instance->conditions, "Ready", FALSE, "GuestNotRunning", "Guest VM is not reported as running", now);
  else if (paused)
    wry_condition_set(&instance->conditions, "Ready", FALSE, "ReadinessGatesNotReady", "the VMI is paused", now);
  else if (!ready)
    wry_condition_set(&instance->conditions, "Ready", FALSE, "ContainersNotReady", "the readiness probe has not succeeded", now);
  else
    wry_condition_set(&instance->conditions, "Ready", TRUE, NULL, NULL, now);
}

static void set_paused(WryInstance *instance, const WryVmiReport *report, const char *now) {
  gboolean paused = report && g_strcmp0(report->state, "Paused") == 0 && wry_instance_phase(instance) == WRY_PHASE_RUNNING;
  gboolean io = paused && g_strcmp0(report->reason, "IOError") == 0;
  gboolean user = paused && (g_strcmp0(report->reason, "User") == 0 || wry_opt_bool(report->userPaused, FALSE));
  flag(instance, "Paused", io || user, io ? "PausedIOError" : "PausedByUser", io ? "VMI was paused, low-level IO error detected" : "VMI was paused by user", now);
}

/* What would keep a VMI from moving, in KubeVirt's words; NULL: nothing in it would. */
static const char *disk_hindrance(const WryVmiSpec *spec) {
  for (guint i = 0; spec->volumes && i < spec->volumes->len; i++) {
    const WryVolume *volume = spec->volumes->pdata[i];
    if (volume->persistentVolumeClaim || volume->dataVolume) return "cannot migrate VMI: a PVC of this node is not shared, live migration requires that all PVCs must be shared (using ReadWriteMany access mode)";
    if (volume->hostDisk && !wry_opt_bool(volume->hostDisk->shared, FALSE)) return "cannot migrate VMI with non-shared HostDisk";
  }
  return NULL;
}

static const char *interface_hindrance(const WryVmiSpec *spec) {
  const GPtrArray *interfaces = spec->domain && spec->domain->devices ? spec->domain->devices->interfaces : NULL;
  for (guint i = 0; interfaces && i < interfaces->len; i++)
    if (((const WryInterface *)interfaces->pdata[i])->bridge) return "cannot migrate VMI which does not use masquerade to connect to the pod network";
  return NULL;
}

static void set_migratable(WryInstance *instance, const char *now) {
  const WryVmiSpec *spec = instance->object->spec;
  const char *disks = disk_hindrance(spec), *interfaces = interface_hindrance(spec);
  const char *reason = disks ? "DisksNotLiveMigratable" : interfaces ? "InterfaceNotLiveMigratable" : "LiveMigrationNotSupported";
  const char *message = disks ? disks : interfaces ? interfaces : "live migration is not supported by this version";
  wry_condition_set(&instance->conditions, "LiveMigratable", FALSE, reason, message, now);
  wry_condition_set(&instance->conditions, "StorageLiveMigratable", FALSE, "NotMigratable", message, now);
}

void wry_status_conditions(WryInstance *instance, gboolean ready, const char *now) {
  const WryVmiReport *report = instance->report;
  gboolean running = wry_instance_phase(instance) == WRY_PHASE_RUNNING;
  gboolean agent = running && report && wry_opt_bool(report->agentConnected, FALSE);
  set_paused(instance, report, now);
  flag(instance, "AgentConnected", agent, NULL, NULL, now);
  flag(instance, "AgentVersionNotSupported", agent && !wry_opt_bool(report->agentVersionSupported, TRUE), "AgentCommandsMissing", "the guest agent lacks commands that are required", now);
  flag(instance, "SoftwareEmulation", running && report && wry_opt_bool(report->softwareEmulation, FALSE), "KVMUnavailable", "the guest runs in software emulation (TCG)", now);
  if (running) set_migratable(instance, now);
  set_ready(instance, ready, now);
}
