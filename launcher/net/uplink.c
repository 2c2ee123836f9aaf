/* The host's side of a sandbox's network.
 *
 * Default: a bridge of the root's own ("wry<root id>") with the gateway addresses, source NAT for its networks in a table of its own, forwarding switched on. With the operator's
 * bridge (--host-bridge) the veth end is enslaved to that one and nothing else is touched. Forwarding is a setting of the whole host: what it was before is noted in the bridge's alias
 * ("wherry v4=0 v6=0") and put back when the last root's bridge goes; an interface that learns its IPv6 routes from router advertisements goes on doing so. */
#include "launcher/net/link.h"
#include "launcher/net/net.h"
#include "launcher/net/nft.h"
#include "launcher/net/ruleset.h"
#include "wherry/error.h"
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define BRIDGE_PREFIX "wry"
#define ALIAS_FORMAT "wherry v4=%d v6=%d"

/* An interface with accept_ra=1 would stop listening to routers when forwarding is on; 2 means "also then". */
static gboolean keep_router_advertisements(GError **error) {
  g_autoptr(GPtrArray) names = wry_sysctl_interfaces();
  for (guint i = 0; names && i < names->len; i++) {
    g_autofree char *name = g_strdup_printf("ipv6/conf/%s/accept_ra", (char *)names->pdata[i]);
    if (wry_sysctl_get(name) == 1 && !wry_sysctl_set(name, "2", error))
      return FALSE;
  }
  return TRUE;
}

static gboolean forward_on(WryNl *nl, const char *bridge, GError **error) {
  int v4 = wry_sysctl_get("ipv4/ip_forward"), v6 = wry_sysctl_get("ipv6/conf/all/forwarding");
  g_autofree char *alias = g_strdup_printf(ALIAS_FORMAT, v4, v6);
  if (!wry_link_set_alias(nl, bridge, alias, error))
    return FALSE;
  if (v4 == 0 && !wry_sysctl_set("ipv4/ip_forward", "1", error))
    return FALSE;
  return v6 != 0 || (keep_router_advertisements(error) && wry_sysctl_set("ipv6/conf/all/forwarding", "1", error));
}

/* The note moves to another root's bridge; without one the host gets its settings back. */
static gboolean forward_restore(WryNl *nl, const char *bridge, GError **error) {
  g_autofree char *alias = wry_link_alias(nl, bridge);
  g_autofree char *other = wry_link_find(nl, BRIDGE_PREFIX, bridge);
  int v4 = 1, v6 = 1;
  if (!alias || sscanf(alias, ALIAS_FORMAT, &v4, &v6) != 2 || (v4 != 0 && v6 != 0))
    return TRUE;
  if (other)
    return wry_link_set_alias(nl, other, alias, error);
  return (v4 != 0 || wry_sysctl_set("ipv4/ip_forward", "0", error)) && (v6 != 0 || wry_sysctl_set("ipv6/conf/all/forwarding", "0", error));
}

/* The root's bridge, made once. */
static gboolean root_bridge(WryNl *nl, const WrySetupRequest *request, const char *bridge, GError **error) {
  g_autofree char *localnet = g_strdup_printf("ipv4/conf/%s/route_localnet", bridge);
  if (wry_link_index(nl, bridge) == 0 && (!wry_link_add_bridge(nl, bridge, NULL, error) || !forward_on(nl, bridge, error)))
    return FALSE;
  return wry_addr_add4(nl, bridge, &request->pod4_gateway, error) && wry_addr_add6(nl, bridge, &request->pod6_gateway, error) && wry_link_set_up(nl, bridge, error) &&
         wry_sysctl_set(localnet, "1", error);
}

/* The root's table, and the VM's when it has port forwards, in one transaction. */
static WryNft *start_rules(const WrySetupRequest *request, GError **error) {
  g_autofree char *root = wry_ruleset_uplink(request), *forwards = wry_ruleset_forwards(request), *both = g_strconcat(root, forwards, NULL);
  return wry_nft_start(both, error);
}

static gboolean veth_up(WryNl *nl, const char *veth, const char *bridge, int netns, GError **error) {
  return wry_link_delete(nl, veth, error) && wry_link_add_veth(nl, veth, "eth0", netns, error) && wry_link_set_master(nl, veth, bridge, error) && wry_link_set_up(nl, veth, error);
}

/* All but nft's end. */
static WryNft *start_uplink(const WrySetupRequest *request, int netns, GError **error) {
  g_autoptr(WryNl) nl = wry_nl_open(error);
  gboolean own = request->host_bridge[0] == '\0';
  char bridge[16], veth[16];
  wry_uplink_bridge_name(request, bridge);
  wry_uplink_veth_name(request, veth);
  if (!nl || (own && !root_bridge(nl, request, bridge, error)))
    return NULL;
  g_autoptr(WryNft) nft = own ? start_rules(request, error) : wry_nft_start(NULL, error);
  return nft && veth_up(nl, veth, own ? bridge : request->host_bridge, netns, error) ? g_steal_pointer(&nft) : NULL;
}

gboolean wry_net_uplink_up(const WrySetupRequest *request, int sandbox_netns_fd, GError **error) {
  WryNft *nft = start_uplink(request, sandbox_netns_fd, error);
  return nft && wry_nft_finish(nft, error);
}

gboolean wry_net_up(const WrySetupRequest *request, int sandbox_netns_fd, WrySetupReply *reply, int fds[WRY_MAX_SETUP_FDS], GError **error) {
  g_autoptr(WryNft) nft = start_uplink(request, sandbox_netns_fd, error);
  if (!nft) {
    g_prefix_error(error, "uplink: ");
    return FALSE;
  }
  if (setns(sandbox_netns_fd, CLONE_NEWNET) != 0)
    return wry_errno(error, errno, "network namespace of the sandbox");
  return wry_net_sandbox_up(request, reply, fds, error) && wry_nft_finish(g_steal_pointer(&nft), error);
}

gboolean wry_net_uplink_down(const WrySetupRequest *request, GError **error) {
  g_autoptr(WryNl) nl = wry_nl_open(error);
  g_autofree char *ruleset = wry_ruleset_forwards_remove(request);
  g_autoptr(WryNft) nft = nl ? wry_nft_start(ruleset, error) : NULL;
  char veth[16];
  wry_uplink_veth_name(request, veth);
  return nft && wry_link_delete(nl, veth, error) && wry_nft_finish(g_steal_pointer(&nft), error);
}

gboolean wry_net_uplink_end(const WrySetupRequest *request, GError **error) {
  g_autoptr(WryNl) nl = wry_nl_open(error);
  g_autofree char *forwards = wry_ruleset_forwards_remove(request), *root = wry_ruleset_uplink_remove(request), *both = g_strconcat(forwards, root, NULL);
  g_autoptr(WryNft) nft = nl ? wry_nft_start(both, error) : NULL;
  char veth[16], bridge[16];
  wry_uplink_veth_name(request, veth);
  wry_uplink_bridge_name(request, bridge);
  if (!nft || !wry_link_delete(nl, veth, error))
    return FALSE;
  if (wry_link_index(nl, bridge) != 0 && (!forward_restore(nl, bridge, error) || !wry_link_delete(nl, bridge, error)))
    return FALSE;
  return wry_nft_finish(g_steal_pointer(&nft), error);
}
