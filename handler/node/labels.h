#pragma once
/* What the node role writes on its Node object (contract 4.2, 4.3). Pure. */
#include "wherry/json.h"

/* A strategic merge patch: label kubevirt.io/schedulable and the heartbeat annotation. `now`: RFC 3339. New reference. */
WryJson *wry_heartbeat_patch(gboolean schedulable, const char *now);

/* Labels that say what guests this node can run: machine types and CPU models, from libvirt's capability cache of its QEMU (`caps`: text of that file, NULL: none). A patch against the Node's present
 * labels; those of these kinds that hold no more are removed. NULL: nothing differs. `kvm`: what KVM can, else what emulation can. New reference. */
WryJson *wry_labels_patch(WryJson *node, const char *caps, gboolean kvm);
