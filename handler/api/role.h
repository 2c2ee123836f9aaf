#pragma once
/* The api role of a handler in a cluster: the aggregated API subresources.kubevirt.io, behind which virtctl finds consoles, screens, ports and verbs.
 *
 * Streams and what is asked of a guest are served for the VMs of this node; for one of another node the answer is 503 and says which. */
#include "handler/fleet.h"
#include "handler/kube/client.h"

#define WRY_API_PORT 8443

typedef struct {
  const char *node;
  const char *install_namespace;
  int listener;    /* listening on WRY_API_PORT; taken */
} WryApiRoleOptions;

typedef struct WryApiRole WryApiRole;
/* All borrowed but the listener; `kube` outlives the role. */
WryApiRole *wry_api_role_new(const WryApiRoleOptions *options, WryKube *kube, WryFleet *fleet, GError **error);
/* After the fleet, which answers what is still asked of launchers. */
void wry_api_role_free(WryApiRole *role);
/* Opens the port, for all addresses: before rights are given up. -1 with error. */
int wry_api_role_listen(guint16 port, GError **error);
