#pragma once
/* What the controller wants done, as data: the answer of its pure functions, carried out in order by the loop. The first one that fails ends the list; its object is looked at again later. */
#include "wherry/spec_review.h"

/* Kinds that are written. */
typedef enum { WRY_ON_VM, WRY_ON_VMI, WRY_ON_POD, WRY_ON_REVISION, WRY_ON_REPLICA_SET, WRY_ON_KUBEVIRT, WRY_ON_NODE, WRY_ONS } WryOn;

typedef enum {
  WRY_ACTION_CREATE, /* body: the object. One that exists already is no failure when its controller is the same */
  WRY_ACTION_DELETE, /* only while it has this uid; one that is gone is no failure */
  WRY_ACTION_PATCH,  /* body: merge patch (RFC 7386) */
  WRY_ACTION_STATUS, /* body: merge patch of the subresource status */
  WRY_ACTION_STRATEGIC, /* body: strategic merge patch of the subresource status; built-in kinds */
  WRY_ACTION_EVENT,
  WRY_ACTION_AGAIN,  /* look again in `seconds` */
} WryActionKind;

typedef struct {
  WryActionKind kind;
  WryOn on;
  char *namespace_, *name, *uid;
  WryJson *body;
  const char *reason; /* of the event; of the event on the looked-at object when a CREATE or DELETE fails. Static */
  char *message;
  gboolean warning;
  gint64 seconds;
} WryAction;

/* What is known of everything else. All borrowed. */
typedef struct {
  const WryConfig *config;
  const char *install_namespace;
  const char *image;       /* of launchers */
  WryFind find;            /* PersistentVolumeClaim, ControllerRevision, Node, VirtualMachine, VirtualMachineInstancePreset */
  gpointer find_data;
  gint64 now;              /* seconds since 1970 */
  double jitter;           /* 0..1 */
  WryUuidSource random_uuid; /* NULL: real ones */
  gpointer uuid_data;
} WryWorld;

GPtrArray *wry_actions_new(void); /* of WryAction */
void wry_action_free(WryAction *action);
/* `about`: the object that is written or told of; its namespace, name and uid are taken. */
WryAction *wry_act(GPtrArray *actions, WryActionKind kind, WryOn on, WryJson *about);
void wry_act_create(GPtrArray *actions, WryOn on, WryJson *take_object);
void wry_act_delete(GPtrArray *actions, WryOn on, WryJson *object);
/* Nothing when `changed` is like `object`. The patch holds the object's resourceVersion: it fails when somebody else has written it meanwhile. */
gboolean wry_act_patch(GPtrArray *actions, WryActionKind kind, WryOn on, WryJson *object, WryJson *changed);
void wry_act_event(GPtrArray *actions, WryOn on, WryJson *about, gboolean warning, const char *reason, const char *format, ...) G_GNUC_PRINTF(6, 7);
void wry_act_again(GPtrArray *actions, WryOn on, WryJson *about, gint64 seconds);

/* A condition that says that something of `object` could not be made; nothing when it says so already. */
void wry_act_failed(GPtrArray *actions, WryActionKind kind, WryOn on, WryJson *object, const char *condition, const char *status, const char *message, gint64 now);

/* RFC 7386: what turns `from` into `to`; NULL when they are alike. New reference. Pure. */
WryJson *wry_merge_patch(WryJson *from, WryJson *to);
