#pragma once
/* The life of one VM, as a constant table [phase][event]: what happens next and what is to be done. Pure: no clock, no fd, no libvirt. launcher/lifecycle.c feeds it. */
#include <glib.h>

typedef enum {
  WRY_VM_WAITING,    /* no bundle yet */
  WRY_VM_PREPARING,  /* storage and plan */
  WRY_VM_STARTING,   /* libvirt starts QEMU */
  WRY_VM_ATTACHING,  /* a restarted `run` finds its QEMU */
  WRY_VM_CANCELLING, /* told to stop before the guest ran */
  WRY_VM_RUNNING,
  WRY_VM_PAUSED,
  WRY_VM_STOPPING,   /* the guest was asked to shut down */
  WRY_VM_KILLING,    /* QEMU was told to end */
  WRY_VM_ENDING,     /* QEMU is gone; the facts about its end are collected */
  WRY_VM_ENDED,      /* the end is recorded; waits for the handler's `finish` */
  WRY_VM_OVER,
  WRY_VM_PHASES
} WryVmPhase;

typedef enum {
  WRY_VM_EV_BUNDLE,     /* the bundle is there, no QEMU lives */
  WRY_VM_EV_ATTACH,     /* the bundle is there and QEMU lives */
  WRY_VM_EV_PREPARED,   /* storage and plan are ready */
  WRY_VM_EV_RUNS,       /* vCPUs run: after start, attach or resume */
  WRY_VM_EV_HALTED,     /* vCPUs stand: paused by us, by an I/O error, by the watchdog, or started so */
  WRY_VM_EV_FAILED,     /* preparing or starting failed and no QEMU is left; or attaching failed and QEMU lives */
  WRY_VM_EV_PAUSE,      /* requests */
  WRY_VM_EV_UNPAUSE,
  WRY_VM_EV_RESET,
  WRY_VM_EV_SOFTREBOOT,
  WRY_VM_EV_SHUTDOWN,
  WRY_VM_EV_KILL,
  WRY_VM_EV_AGAIN,      /* time to ask the guest, or to attach, once more */
  WRY_VM_EV_GRACE_OVER,
  WRY_VM_EV_KILL_LATE,  /* QEMU has not ended yet */
  WRY_VM_EV_GONE,       /* QEMU has ended */
  WRY_VM_EV_VERDICT,    /* all facts are in, or were waited for long enough */
  WRY_VM_EV_FINISH,     /* the handler has recorded the end */
  WRY_VM_EV_LATE,       /* it did not say so in time */
  WRY_VM_EVENTS
} WryVmEvent;

typedef enum {
  WRY_VM_UNWRITTEN,  /* a cell that nobody thought of; a test finds it */
  WRY_VM_IMPOSSIBLE, /* cannot happen: a fault of ours when it does */
  WRY_VM_IGNORE,     /* may happen and changes nothing */
  WRY_VM_REFUSE,     /* a request that the phase forbids: WRY_ERROR_CONFLICT */
  WRY_VM_PREPARE,
  WRY_VM_ATTACH,
  WRY_VM_START,
  WRY_VM_LIVE,       /* note that vCPUs run or stand; the first time also: keep the status file, watch the agent */
  WRY_VM_SUSPEND,
  WRY_VM_RESUME,
  WRY_VM_RESET,
  WRY_VM_REBOOT,
  WRY_VM_ASK,        /* ask the guest to shut down */
  WRY_VM_SHORTEN,    /* asked again with another grace */
  WRY_VM_DEFER,      /* remember a shutdown until the VM is attached; its grace runs */
  WRY_VM_RETRY,      /* attach again after a while: QEMU lives, libvirt could not reach it */
  WRY_VM_TERMINATE,  /* SIGTERM: QEMU flushes and ends */
  WRY_VM_DESTROY,    /* SIGKILL */
  WRY_VM_COLLECT,    /* wait shortly for init's and libvirt's word */
  WRY_VM_END,        /* record and report the end */
  WRY_VM_LEAVE,      /* exit, init ends the sandbox */
  WRY_VM_ACTIONS
} WryVmAction;

typedef struct { guint8 next, action; } WryVmCell;

/* The cell; never NULL. */
const WryVmCell *wry_vm_cell(WryVmPhase phase, WryVmEvent event);
const char *wry_vm_phase_name(WryVmPhase phase);
const char *wry_vm_event_name(WryVmEvent event);
/* vCPUs exist: QEMU was started and has not ended. */
gboolean wry_vm_is_live(WryVmPhase phase);
