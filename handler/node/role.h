#pragma once
/* The node role of a handler in a cluster: this node's VMIs, pods and configuration come from the API server to the fleet; status, events and the node's own labels go back; devices and launchers' rendezvous
 * are offered to the kubelet. */
#include "handler/fleet.h"
#include "handler/kube/client.h"

/* All borrowed. */
typedef struct {
  const char *node;        /* name of the Node object */
  const char *kubelet_dir; /* of device plugins */
  const char *rendezvous;  /* absolute path of run/node on the host: what launchers get mounted */
  int node_fd;             /* run/node */
} WryNodeRoleOptions;

typedef struct WryNodeRole WryNodeRole;
/* Opens what needs a path: before the process gives up its rights. Nothing is sent yet. `kube` is borrowed. */
WryNodeRole *wry_node_role_new(const WryNodeRoleOptions *options, WryKube *kube, GError **error);
/* Before the fleet is freed. */
void wry_node_role_stop(WryNodeRole *role);
/* After it. */
void wry_node_role_free(WryNodeRole *role);
/* For the fleet's options. */
const WryFleetPods *wry_node_role_pods(WryNodeRole *role);
void wry_node_role_start(WryNodeRole *role, WryFleet *fleet, WryRoot *root);
/* WryFleetShown: `data` is the role. */
void wry_node_role_shown(WryObjectKind kind, const char *type, WryJson *object, gpointer data);
