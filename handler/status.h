#pragma once
/* Status of VirtualMachine and VirtualMachineInstance objects as KubeVirt shows it (contract 3). Pure: built from what is kept, never read back. */
#include "handler/decide.h"

/* What a launcher's report means for the phase; WRY_PHASE_NONE: keep. `grace` is the grace period that was in force. */
WryPhase wry_status_phase(const WryVmiReport *report, const WryVmiSpec *spec, gint64 grace);

/* How a VMI ended, in words of the handler: reason ("GuestShutdown", "GuestPanicked", "OOMKilled", "SeccompKill", "QEMUKilled", "QEMUExited", "Killed", "NodeReboot",
 * "LauncherGone", ...) and a sentence. */
typedef struct { WryPhase phase; const char *reason; const char *message; } WryEnding;
WryEnding wry_status_verdict(const WryVmiReport *report, const WryVmiSpec *spec, gint64 grace);
/* The verdict on a VMI that the out-of-memory killer ended. */
WryEnding wry_status_oom(void);

/* Conditions that follow from phase, report, readiness probe and spec: Ready, Paused, AgentConnected, AgentVersionNotSupported, SoftwareEmulation, LiveMigratable,
 * StorageLiveMigratable. Others (Synchronized, PodScheduled) are left alone. `ready` is the readiness probe's verdict, TRUE without a probe. */
void wry_status_conditions(WryInstance *instance, gboolean ready, const char *now);

/* The VMI as an object: metadata, spec, status. New reference. */
WryJson *wry_status_vmi(const WryInstance *instance, const char *node);

typedef struct {
  const WryVm *vm;               /* with metadata: uid, generation, creationTimestamp */
  const WryGuestState *state;
  WryStrategy strategy;          /* in force */
  gboolean removed;              /* being deleted */
  gboolean start_expected;       /* decide wants a VMI */
  const char *problem;           /* why the manifest's present text is not in force; NULL = it is */
  gboolean restart_required;     /* the VMI runs by an older template */
  const char *problem_reason;    /* NULL: "InvalidManifest" */
  gboolean unbound;              /* a claim of it is not bound yet */
} WryVmView;

/* status.printableStatus (contract 3.6). Static string. */
const char *wry_status_printable(const WryVmView *view);
/* The status alone. New reference. */
WryJson *wry_status_vm_status(const WryVmView *view);
/* The VM as an object. New reference. `now` for conditions that have no time of their own. */
WryJson *wry_status_vm(const WryVmView *view);

/* JSON building: adds a string member unless it is NULL or empty. */
void wry_status_put(WryJson *object, const char *key, const char *value);
