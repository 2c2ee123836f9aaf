#pragma once
/* Kubernetes events (core/v1 Event) to the API server, with client-go's correlation (tools/record): the same event again raises `count` of the one that is there, more than ten that differ in their message alone
 * within ten minutes become one "(combined from similar events): ...", and each object has a bucket of 25 events that refills by one every five minutes. Nothing waits for an event: what cannot be written
 * after a few attempts is dropped. */
#include "handler/kube/client.h"

typedef struct WryKubeEvents WryKubeEvents;

/* involvedObject */
typedef struct {
  const char *api_version, *kind, *namespace_, *name, *uid, *resource_version; /* NULL: left out; events about a cluster's own kind go to namespace "default" */
} WryKubeEventObject;

/* `host`: source.host, the node's name; NULL: none. `kube` outlives it. */
WryKubeEvents *wry_kube_events_new(WryKube *kube, const char *host);
void wry_kube_events_free(WryKubeEvents *events);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryKubeEvents, wry_kube_events_free)

/* `component`: source.component and reportingComponent ("virtualmachine-controller", "virt-handler"). `warning`: type Warning, else Normal. All borrowed. */
void wry_kube_events_add(WryKubeEvents *events, const WryKubeEventObject *about, const char *component, gboolean warning, const char *reason, const char *message);
/* Events not written yet; for tests and an orderly exit. */
guint wry_kube_events_waiting(const WryKubeEvents *events);
