#pragma once
/* What this node says of itself on its Node object: heartbeat, schedulable or not, what guests it can run. */
#include "handler/kube/client.h"

typedef struct WryPresence WryPresence;
/* `node_fd`: run/node, borrowed. */
WryPresence *wry_presence_new(WryKube *kube, const char *node, int node_fd);
void wry_presence_free(WryPresence *presence);
/* Begins the heartbeat, and says so at once when it changes. */
void wry_presence_schedulable(WryPresence *presence, gboolean schedulable);
/* The node's probe has filled run/node/qemu-caps. */
void wry_presence_probed(WryPresence *presence, gboolean kvm);
