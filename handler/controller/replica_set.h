#pragma once
/* The VirtualMachineInstanceReplicaSet controller: pure. */
#include "handler/controller/action.h"

/* `vmis`: a JSON array of the VMIs that the set controls. New list of WryAction. */
GPtrArray *wry_replica_set_reconcile(WryJson *set, WryJson *vmis, const WryWorld *world);
/* metav1.LabelSelector as text: "a=b,c in (d,e),!f". New string. */
char *wry_selector_text(WryJson *selector);
