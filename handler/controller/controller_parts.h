#pragma once
/* The inside of the controller role: controller.c leads, world.c watches and finds, work.c carries actions out. */
#include "handler/controller/action.h"
#include "handler/controller/controller.h"
#include "handler/controller/queue.h"
#include "handler/kube/events.h"
#include "handler/kube/lease.h"
#include "handler/kube/watch.h"

typedef enum { WRY_SEE_VM, WRY_SEE_VMI, WRY_SEE_POD, WRY_SEE_CLAIM, WRY_SEE_NODE, WRY_SEE_KUBEVIRT, WRY_SEE_REVISION, WRY_SEE_SET, WRY_SEE_PRESET, WRY_SEES } WrySee;

typedef struct { WryController *controller; WrySee see; } WrySeeing;

struct WryController {
  WryKube *kube;
  char *identity, *install_namespace, *launcher_image;
  WryJson *default_kubevirt; /* NULL: none is made */
  WryKubeLease *lease;
  WryKubeEvents *events;
  WryKubeWatch *watches[WRY_SEES];
  WrySeeing seeing[WRY_SEES];
  gboolean ready;            /* leads and knows everything */
  WryConfig *config;
  char *configured;          /* its text */
  GHashTable *owned;         /* uid of a controller -> set of "<see>/<namespace>/<name>" that it controls */
  GHashTable *claims;        /* "<namespace>/<name>" -> set of queue names that asked for the claim */
  const char *looking;       /* queue name that is looked at now */
  WryQueue *queue;
  GPtrArray *jobs;           /* under way */
  guint64 writes;
};

/* This machine's, in Kubernetes' words. Static. */
const char *wry_controller_architecture(void);

/* --- world.c ------------------------------------------------------------------------------------------------------------------------------------------------------ */
void wry_controller_watch(WryController *controller);
void wry_controller_unwatch(WryController *controller);
/* New reference; NULL: not there. */
WryJson *wry_controller_find(WryController *controller, WrySee see, const char *ns, const char *name);
/* What `owner` controls, as a JSON array. New reference. */
WryJson *wry_controller_owned(WryController *controller, WrySee see, WryJson *owner);
WryWorld wry_controller_world(WryController *controller);
/* Puts everything that is known into the queue. */
void wry_controller_look_at_all(WryController *controller);

/* --- work.c ------------------------------------------------------------------------------------------------------------------------------------------------------- */
void wry_controller_work(const char *name, gpointer data);
void wry_controller_drop_jobs(WryController *controller);
