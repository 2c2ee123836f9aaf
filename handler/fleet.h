#pragma once
/* The fleet: every VM of this node, wanted and seen, and what is done to bring the two together. */
#include "handler/events.h"
#include "handler/launchers.h"
#include "handler/source.h"
#include "handler/volumes.h"

/* In a cluster: what is known of the launcher pods of this node. */
typedef enum {
  WRY_POD_UNKNOWN, /* nothing is known yet */
  WRY_POD_ABSENT,  /* the pods of this node are known, and it is not among them: it is gone, or too new */
  WRY_POD_REFUSED, /* no launcher's */
  WRY_POD_OWNED,   /* of the VMI whose uid is told */
  WRY_POD_ENDED,   /* it was one, and has ended */
} WryPodState;
typedef struct {
  /* `ret_vmi` is borrowed. */
  WryPodState (*look)(const char *pod, const char **ret_vmi, gpointer data);
  /* The node's facts are there. */
  void (*probed)(gpointer data);
  gpointer data;
} WryFleetPods;

/* All is borrowed and outlives the fleet. */
typedef struct {
  const char *node, *arch;
  gboolean allow_emulation;
  guint kvm_mode;          /* of WRY_ROOT_PROBE: 0 = try, 1 = use untried, 2 = never */
  guint32 root_id;
  int manifests_fd, images_fd, state_fd, objects_fd, node_fd, proc_fd, cgroup_fd; /* directories; objects: state/objects, node: run/node, proc: /proc, cgroup: /sys/fs/cgroup */
  WryImageLookup lookup;
  const char *boot_id;     /* of the running kernel */
  const WryPulse *pulse;   /* how launchers are watched; NULL: wry_pulse */
  const WryFleetPods *pods; /* launchers sit in pods that the kubelet makes, and VMIs come from an API server; NULL: one box */
} WryFleetOptions;

/* What a node's probe found; valid once `done`. */
typedef struct { gboolean done, kvm_present, kvm_usable; guint cgroup_version, landlock_abi; char *message; } WryFleetFacts;

typedef struct WryFleet WryFleet;
typedef struct WryGuest WryGuest; /* guest.h */

/* Told of every change that `get -w` shows: "ADDED", "MODIFIED", "DELETED". Kind Event: kind is WRY_OBJECT_KINDS. */
typedef void (*WryFleetShown)(WryObjectKind kind, const char *type, WryJson *object, gpointer data);

/* Reads the records, adopts what runs, takes the manifests in, starts what is to run. Fails when records cannot be read or sockets not made. `root` is borrowed. */
WryFleet *wry_fleet_new(const WryFleetOptions *options, WryRoot *root, WryFleetShown shown, gpointer data, GError **error);
void wry_fleet_free(WryFleet *fleet);
/* The image store changed. */
void wry_fleet_images_changed(WryFleet *fleet);
/* Stops every guest (grace_seconds < 0: each with its own grace period), then calls `done`. Nothing is started any more; the next handler starts again what its run strategy says, as
 * after a reboot. May be called again with a shorter grace. */
void wry_fleet_stop_all(WryFleet *fleet, gint64 grace_seconds, void (*done)(gpointer data), gpointer data);

/* In a cluster: a VMI of this node as the API server has it (borrowed). FALSE with error: it can not be run as it is (INVALID), or an earlier one of its name has not ended (EXISTS). */
gboolean wry_fleet_put_vmi(WryFleet *fleet, WryJson *object, GError **error);
/* It is not this node's any more, or is gone: what runs of it is stopped. */
void wry_fleet_drop_vmi(WryFleet *fleet, const char *uid);
/* The configuration of the cluster (spec.configuration of its KubeVirt object; NULL: defaults). FALSE with error: the old one stays. */
gboolean wry_fleet_configure(WryFleet *fleet, WryJson *configuration, GError **error);
/* What `pods` says has changed. */
void wry_fleet_pods_changed(WryFleet *fleet);

WryObjects *wry_fleet_objects(WryFleet *fleet);
WrySource *wry_fleet_source(WryFleet *fleet);
WryEvents *wry_fleet_events(WryFleet *fleet);
const WryFleetFacts *wry_fleet_facts(const WryFleet *fleet);
const WryFleetOptions *wry_fleet_options(const WryFleet *fleet);

/* Objects as they are shown; NULL namespace: all; NULL name: all. Elements: new references to WryJson. */
GPtrArray *wry_fleet_list(WryFleet *fleet, WryObjectKind kind, const char *namespace_, const char *name);
/* The guest of a VM, or of a VMI (of its own manifest or of a VM). NULL when there is none. */
WryGuest *wry_fleet_find(WryFleet *fleet, WryObjectKind kind, const char *namespace_, const char *name);
/* Looks at a guest again, from the main loop. */
void wry_fleet_kick(WryGuest *guest);
/* Saves the guest's record now; logs and repeats by itself what fails. */
gboolean wry_fleet_save(WryGuest *guest, GError **error);
