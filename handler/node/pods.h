#pragma once
/* The launcher pods of this node, as the API server shows them: which pod is whose. */
#include "handler/fleet.h"
#include "handler/kube/watch.h"

typedef struct WryPods WryPods;
/* Watches pods with label kubevirt.io=virt-launcher on the node; `changed` is called after each change. `kube` outlives it. */
WryPods *wry_pods_new(WryKube *kube, const char *node, void (*changed)(gpointer data), gpointer data);
void wry_pods_free(WryPods *pods);
/* For WryFleetOptions: `data` of its look function is the WryPods. */
WryPodState wry_pods_look(const char *pod, const char **ret_vmi, gpointer data);

/* What one pod object is. *ret_vmi: UID of the VMI that controls it (borrowed from the object), with OWNED and ENDED. Pure. */
WryPodState wry_pod_judge(WryJson *pod, const char *node, const char **ret_vmi);
