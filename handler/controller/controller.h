#pragma once
/* The controller role: one handler of a cluster leads and keeps VirtualMachines, their instances and launcher pods as they should be. */
#include "handler/kube/client.h"

typedef struct {
  const char *node_name;         /* the Lease's holder is "<node>_<uuid>" */
  const char *install_namespace; /* of the Lease and of the KubeVirt object; NULL: "kubevirt" */
  const char *launcher_image;
  const char *default_file;      /* the KubeVirt object to make when there is none, YAML; NULL, or not there: none is made */
} WryControllerOptions;

typedef struct WryController WryController;

/* Reads `default_file` now; nothing else is opened or sent before the main loop runs. `kube` outlives it. */
WryController *wry_controller_new(WryKube *kube, const WryControllerOptions *options);
/* Stops at once; the Lease is left to run out. */
void wry_controller_free(WryController *controller);
/* Gives the Lease back; `done` once, when that is settled. */
void wry_controller_release(WryController *controller, void (*done)(gpointer data), gpointer data);
gboolean wry_controller_leads(const WryController *controller);
/* Requests that changed something, so far: the price of what was done. Events do not count. */
guint64 wry_controller_writes(const WryController *controller);
