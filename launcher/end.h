#pragma once
/* How a VM ended: from the facts, by a table of rules. Pure. */
#include "wherry/wire.h"

typedef struct {
  const char *start_error;  /* the start failed: why; NULL = it did not */
  gboolean started;         /* QEMU was started */
  gboolean has_status;      /* init told of QEMU's end */
  int status;               /* wait(2)'s */
  gboolean guest_shutdown;  /* the guest powered itself off */
  gboolean host_signal;     /* QEMU was ended by a signal that was not ours */
  gboolean panicked;        /* the guest told of a panic */
  gboolean killed;          /* we ended QEMU */
  gboolean watchdog;        /* the guest's watchdog did: QEMU exits with status 0 and says nothing else */
  gboolean untouched;       /* the guest never ran: there was nothing to shut down */
  const char *off_reason;   /* libvirt's: "Shutdown", "Crashed" …; NULL = it said nothing */
  const char *log_tail;     /* QEMU's last words; NULL or "" = none */
} WryEndFacts;

/* Sets state, reason, failure and message of `report`; qemuPid becomes absent. */
void wry_end_judge(const WryEndFacts *facts, WryVmiReport *report);
