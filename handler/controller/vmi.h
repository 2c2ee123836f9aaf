#pragma once
/* The VirtualMachineInstance controller: a pure function from a VMI and its pods to what is to be done (contract 3.2 to 3.5, 5). It owns the phases up to Scheduled, a lost pod, and the conditions
 * Ready, PodScheduled, EvictionRequested; Synchronized until a node has the VMI. */
#include "handler/controller/action.h"

/* `pods`: a JSON array of the pods in the VMI's namespace that it controls. New list of WryAction. */
GPtrArray *wry_vmi_reconcile(WryJson *vmi, WryJson *pods, const WryWorld *world);
/* Name of a VMI's launcher pod: always the same for one VMI, so that it is never made twice. New string. */
char *wry_vmi_pod_name(WryJson *vmi);

/* A node whose handler has not been heard of for this long is not responsive (contract 4.3). */
#define WRY_HEARTBEAT_SECONDS 300
/* New list of WryAction: an unresponsive node takes no more VMs. */
GPtrArray *wry_node_reconcile(WryJson *node, const WryWorld *world);
gboolean wry_node_responsive(WryJson *node, gint64 now);
