#pragma once
/* Inside of the fleet: one guest: a VM, or a VMI with a manifest of its own, as it is in memory. Private to handler/fleet*.c and handler/control_*.c. */
#include "handler/decide.h"
#include "handler/fleet.h"
#include "handler/launchers.h"
#include "handler/probe.h"
#include "handler/supervise.h"

struct WryGuest {
  grefcount refs;           /* the table's, and one for each open call and connection */
  WryFleet *fleet;          /* NULL once forgotten */
  WryObject *object;
  WryLife life;
  WryLauncher *launcher;    /* connected and ready; NULL else */
  WryRootRequest *request;  /* of the start under way */
  WryBundle *bundle;        /* of the start under way */
  int sockets;              /* in a cluster: of its network, until the launcher has them; -1 */
  WryProbeRun *readiness, *liveness;
  gboolean ready;           /* readiness probe's verdict */
  guint kicked, limit, kill, retry, wake, gone, absent; /* sources; 0 = none */
  guint pidfd_source;
  int pidfd;                /* of init, -1 */
  guint attempts;           /* of a retried question */
  gint64 stop_started;      /* monotonic microseconds; 0 = no stop under way */
  gboolean told_stop;       /* event ShuttingDown is out */
  gboolean forgetting;      /* removal of state/vms/<vm> is asked, or waits to be asked again */
  gboolean changed;         /* by this turn, and not saved yet */
  gboolean reported;        /* the VMI's report is of this connection of the launcher */
  gboolean unsaved;
  gboolean tell_disk;       /* what clients may hear before the disk does */
  gboolean emulation_told;
  const char *end_reason;   /* why the handler ended it, static; NULL: it did not */
  char *end_message;
  guint64 vmi_version;      /* resourceVersion of the VMI */
};

struct WryFleet {
  const WryFleetOptions *options;
  WryObjects *objects;
  WrySource *source;
  WryEvents *events;
  WryRoot *root;
  WryLaunchers *launchers;
  WryFleetShown shown;
  gpointer shown_data;
  GHashTable *guests;     /* uid of the object -> WryGuest */
  WryFleetFacts facts;
  guint orphans;            /* sandboxes without object that are still to be ended */
  guint orphan_timer, save_timer, probe_timer, list_index;
  GPtrArray *orphan_names;
  gboolean listed;          /* all sandboxes that an earlier handler left are known */
  gboolean closing;
  void (*closed)(gpointer data);
  gpointer closed_data;
};

static inline WryInstance *wry_guest_vmi(const WryGuest *guest) { return guest->object->state->vmi; }
static inline gboolean wry_guest_is_vm(const WryGuest *guest) { return guest->object->kind == WRY_OBJECT_VM; }

WryGuest *wry_guest_ref(WryGuest *guest);
void wry_guest_unref(WryGuest *guest);
/* Run strategy in force. */
WryStrategy wry_guest_strategy(const WryGuest *guest);
WrySeen wry_guest_seen(const WryGuest *guest);
/* Now, as RFC 3339. New string. */
char *wry_now_text(void);
gint64 wry_now_seconds(void);

/* Events on the VM and on its VMI. */
void wry_guest_vm_event(WryGuest *guest, gboolean warning, const char *reason, const char *format, ...) G_GNUC_PRINTF(4, 5);
void wry_guest_vmi_event(WryGuest *guest, gboolean warning, const char *reason, const char *format, ...) G_GNUC_PRINTF(4, 5);

/* fleet_life.c: one event of the life table, with its actions. */
void wry_guest_feed(WryGuest *guest, WryEvent event);
/* Begins the life of a VMI that was there before this handler. */
void wry_guest_adopt(WryGuest *guest);
/* Marks the VMI as being deleted (grace < 0: its own) and begins to stop it; repeated with a shorter grace it shortens the stop. */
void wry_guest_stop(WryGuest *guest, gint64 grace);
/* The handler is to end and its guests with it: stops what runs, as a node that goes down does. Nothing of it is recorded but the end: the run strategies bring the VMs back. */
void wry_guest_stop_for_now(WryGuest *guest, gint64 grace);
/* Tries to start a VMI that waits (life NEW). */
void wry_guest_try_start(WryGuest *guest);
/* The launcher's callbacks, `data` is the fleet. */
extern const WryLauncherCalls wry_guest_launcher_calls;
void wry_guest_clear_timers(WryGuest *guest);
/* What the launcher's last report means for the guest's life. */
void wry_guest_weigh_report(WryGuest *guest);
void wry_guest_watch_init(WryGuest *guest, int take_pidfd);

/* The VMI that the object makes: of the VM's template, or the object's own; defaulted. NULL with error. */
WryVmi *wry_guest_make_vmi(const WryGuest *guest, GError **error);

/* fleet_start.c */
void wry_guest_make(WryGuest *guest);
void wry_guest_query(WryGuest *guest);
void wry_guest_end(WryGuest *guest);
void wry_guest_sync(WryGuest *guest);
/* The answer to wry_guest_make. */
extern const WryRootDone wry_guest_made;
/* An answer that says whether the guest's launcher lives: to be called from the main loop. `uid` 0: as it was. */
void wry_guest_lives(WryGuest *guest, uid_t uid, int take_pidfd);

/* fleet_pod.c: the same in a cluster, where the kubelet makes the sandbox. */
gpointer wry_pod_identify(WryFleet *fleet, const char *pod, uid_t uid);
void wry_pod_make(WryGuest *guest);
void wry_pod_query(WryGuest *guest);
void wry_pod_end(WryGuest *guest);
static inline gboolean wry_guest_in_pod(const WryGuest *guest) { return guest->fleet->options->pods != NULL; }

/* fleet_judge.c: enters the final phase, counts failures, tells events. */
void wry_guest_judge(WryGuest *guest);

/* fleet_pulse.c: a launcher that hangs, one that is not there, one that is back. */
void wry_guest_silent(WryLauncher *launcher, gpointer owner, guint seconds, gpointer data);
void wry_guest_expect_launcher(WryGuest *guest);
void wry_guest_has_launcher(WryGuest *guest);

/* fleet_probes.c: starts the probes of a running guest. */
void wry_guest_run_probes(WryGuest *guest);
/* fleet_begin.c: ends wry_fleet_stop_all when nothing runs any more. */
void wry_fleet_check_closed(WryFleet *fleet);
/* fleet_begin.c: takes an object that is new into the table. */
WryGuest *wry_fleet_add(WryFleet *fleet, WryObject *object);
/* fleet_begin.c: looks at everything again that may wait for other objects. */
void wry_fleet_settle(WryFleet *fleet);

/* fleet_show.c: tells watchers of what changed. */
void wry_guest_show(WryGuest *guest);
void wry_guest_show_deleted_vmi(WryGuest *guest);
void wry_fleet_show_object(WryFleet *fleet, WryObject *object, gboolean deleted);
WryJson *wry_guest_vm_json(const WryGuest *guest);
WryJson *wry_guest_vmi_json(const WryGuest *guest);
