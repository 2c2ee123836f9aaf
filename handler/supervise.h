#pragma once
/* The life of one VirtualMachineInstance on this node as a constant table [state][event]: the next state and what is to be done on the way. The table is data; the
 * fleet carries the actions out. */
#include <glib.h>

typedef enum {
  WRY_LIFE_NONE,     /* no VMI */
  WRY_LIFE_ADOPTING, /* the handler has just started: the root half is asked what is alive */
  WRY_LIFE_NEW,      /* nothing made yet: waits for images, volumes, KVM (Pending) */
  WRY_LIFE_STARTING, /* the root half makes the sandbox (Scheduling) */
  WRY_LIFE_BOOTING,  /* init is up, the launcher has not taken the bundle yet (Scheduled) */
  WRY_LIFE_SYNCED,   /* the launcher has the bundle (Scheduled) */
  WRY_LIFE_RUNNING,
  WRY_LIFE_STOPPING, /* guest shutdown under way */
  WRY_LIFE_ENDING,   /* how it ended is known; the sandbox is being removed */
  WRY_LIFE_OVER,     /* nothing is left but the object */
  WRY_LIVES,
  WRY_LIFE_SAME,     /* in cells: stay */
  WRY_LIFE_RESUME,   /* in cells: the state that the recorded phase says */
} WryLife;

typedef enum {
  WRY_EVENT_START,       /* all that the VMI needs is there */
  WRY_EVENT_MADE,        /* the sandbox is up */
  WRY_EVENT_REFUSED,     /* the root half could not make it and left nothing */
  WRY_EVENT_OCCUPIED,    /* a process is left in its cgroup: nothing was made */
  WRY_EVENT_HELLO,       /* `launcher run` connected */
  WRY_EVENT_SYNCED,      /* it took the bundle */
  WRY_EVENT_SYNC_FAILED, /* it could not: the domain cannot be made */
  WRY_EVENT_UP,          /* report: the guest runs or is paused */
  WRY_EVENT_DOWN,        /* report: shut off or crashed */
  WRY_EVENT_GONE,        /* init ended */
  WRY_EVENT_STOP,        /* graceful stop wanted */
  WRY_EVENT_KILL,        /* the grace period and its margin are over, or it is to end now */
  WRY_EVENT_LATE,        /* no guest within the time that a start may take */
  WRY_EVENT_ENDED,       /* the sandbox is removed */
  WRY_EVENT_FAILED,      /* a question to the root half went wrong */
  WRY_EVENT_ALIVE,       /* answer while adopting */
  WRY_EVENT_DEAD,        /* answer while adopting: it ended unseen */
  WRY_EVENT_UNMADE,      /* answer while adopting: nothing lives, and no guest had been started */
  WRY_EVENT_AGAIN,       /* a retry is due */
  WRY_EVENTS
} WryEvent;

/* Actions, in the order in which they are carried out. */
enum {
  WRY_ACT_QUERY = 1 << 0,    /* ask the root half what is alive */
  WRY_ACT_MAKE = 1 << 1,     /* SANDBOX_START */
  WRY_ACT_SYNC = 1 << 2,     /* send the bundle */
  WRY_ACT_SHUTDOWN = 1 << 3, /* send the stop with what is left of the grace period, arm the kill */
  WRY_ACT_JUDGE = 1 << 4,    /* final phase from the report, else from final.rec, else from what was seen */
  WRY_ACT_FINISH = 1 << 5,   /* record, then tell the launcher that it may end */
  WRY_ACT_END = 1 << 6,      /* SANDBOX_END */
  WRY_ACT_RETRY = 1 << 7,    /* arm a retry with back-off */
  WRY_ACT_WATCH = 1 << 8,    /* arm the limit for a start */
  WRY_ACT_CALM = 1 << 9,     /* disarm the timers */
};

typedef struct {
  WryLife next;
  guint actions;
  gboolean possible; /* FALSE: the event cannot come in this state, or means nothing any more, and is ignored */
} WryStep;

const WryStep *wry_supervise(WryLife life, WryEvent event);
const char *wry_life_name(WryLife life);
const char *wry_event_name(WryEvent event);

/* Seconds before the n-th retry of a question to the root half: 1, 2, 4 ... 60. */
guint wry_retry_seconds(guint attempts);

#define WRY_START_LIMIT_SECONDS 300u /* from sandbox to running guest: KubeVirt's limit for a defined domain that does not start */
#define WRY_KILL_MARGIN_SECONDS 15u  /* after the grace period, for the launcher's own kill */
