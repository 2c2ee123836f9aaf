/* Addresses and default routes over rtnetlink. */
#include "launcher/net/link_internal.h"
#include "wherry/error.h"
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>
#include <netlink/route/addr.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <string.h>

static struct nl_addr *build(int family, const void *bytes, gsize size, guint prefix) {
  struct nl_addr *address = nl_addr_build(family, (void *)bytes, size);
  nl_addr_set_prefixlen(address, (int)prefix);
  return address;
}

static gboolean add(WryNl *nl, const char *link, struct nl_addr *local, guint flags, GError **error) {
  struct rtnl_addr *address = rtnl_addr_alloc();
  rtnl_addr_set_ifindex(address, wry_link_index(nl, link));
  rtnl_addr_set_local(address, local);
  rtnl_addr_set_flags(address, flags);
  int problem = rtnl_addr_add(nl->sock, address, 0);
  rtnl_addr_put(address);
  nl_addr_put(local);
  if (problem == 0 || problem == -NLE_EXIST)
    return TRUE;
  g_autofree char *what = g_strdup_printf("address of %s", link);
  return wry_nl_error(error, problem, what);
}

gboolean wry_addr_add4(WryNl *nl, const char *link, const WryIp4 *address, GError **error) {
  return add(nl, link, build(AF_INET, address->a, sizeof address->a, address->prefix), 0, error);
}

gboolean wry_addr_add6(WryNl *nl, const char *link, const WryIp6 *address, GError **error) {
  return add(nl, link, build(AF_INET6, address->a, sizeof address->a, address->prefix), IFA_F_NODAD, error);
}

static void note(struct rtnl_addr *address, WryIp4 *ret4, WryIp6 *ret6) {
  struct nl_addr *local = rtnl_addr_get_local(address);
  const void *bytes = nl_addr_get_binary_addr(local);
  uint8_t prefix = (uint8_t)nl_addr_get_prefixlen(local);
  if (rtnl_addr_get_scope(address) != RT_SCOPE_UNIVERSE)
    return;
  if (rtnl_addr_get_family(address) == AF_INET && !ret4->set) {
    *ret4 = (WryIp4){.prefix = prefix, .set = 1};
    memcpy(ret4->a, bytes, sizeof ret4->a);
  } else if (rtnl_addr_get_family(address) == AF_INET6 && !ret6->set) {
    *ret6 = (WryIp6){.prefix = prefix, .set = 1};
    memcpy(ret6->a, bytes, sizeof ret6->a);
  }
}

gboolean wry_addr_get(WryNl *nl, const char *link, WryIp4 *ret4, WryIp6 *ret6, gboolean remove, GError **error) {
  int index = wry_link_index(nl, link);
  struct nl_cache *cache = NULL;
  int problem = rtnl_addr_alloc_cache(nl->sock, &cache);
  memset(ret4, 0, sizeof *ret4);
  memset(ret6, 0, sizeof *ret6);
  if (problem != 0)
    return wry_nl_error(error, problem, "addresses");
  for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
    struct rtnl_addr *address = (struct rtnl_addr *)o;
    if (rtnl_addr_get_ifindex(address) != index)
      continue;
    note(address, ret4, ret6);
    if (remove && rtnl_addr_get_scope(address) == RT_SCOPE_UNIVERSE)
      rtnl_addr_delete(nl->sock, address, 0);
  }
  nl_cache_free(cache);
  return TRUE;
}

static gboolean route_default(WryNl *nl, const char *link, int family, struct nl_addr *gateway, GError **error) {
  struct rtnl_route *route = rtnl_route_alloc();
  struct rtnl_nexthop *hop = rtnl_route_nh_alloc();
  struct nl_addr *any = build(family, (const uint8_t[16]){0}, 0, 0);
  rtnl_route_set_family(route, (uint8_t)family);
  rtnl_route_set_table(route, RT_TABLE_MAIN);
  rtnl_route_set_scope(route, RT_SCOPE_UNIVERSE);
  rtnl_route_set_dst(route, any);
  rtnl_route_nh_set_ifindex(hop, wry_link_index(nl, link));
  rtnl_route_nh_set_gateway(hop, gateway);
  rtnl_route_add_nexthop(route, hop);
  int problem = rtnl_route_add(nl->sock, route, NLM_F_CREATE | NLM_F_EXCL);
  nl_addr_put(any);
  nl_addr_put(gateway);
  rtnl_route_put(route);
  return problem == 0 || problem == -NLE_EXIST || wry_nl_error(error, problem, "default route");
}

gboolean wry_route_default4(WryNl *nl, const char *link, const WryIp4 *gateway, GError **error) {
  return route_default(nl, link, AF_INET, build(AF_INET, gateway->a, sizeof gateway->a, 32), error);
}

gboolean wry_route_default6(WryNl *nl, const char *link, const WryIp6 *gateway, GError **error) {
  return route_default(nl, link, AF_INET6, build(AF_INET6, gateway->a, sizeof gateway->a, 128), error);
}

static void note_gateway(struct rtnl_route *route, int index, WryIp4 *ret4, WryIp6 *ret6) {
  struct nl_addr *dst = rtnl_route_get_dst(route);
  struct rtnl_nexthop *hop = rtnl_route_get_nnexthops(route) ? rtnl_route_nexthop_n(route, 0) : NULL;
  struct nl_addr *gateway = hop && rtnl_route_nh_get_ifindex(hop) == index ? rtnl_route_nh_get_gateway(hop) : NULL;
  if (!gateway || (dst && nl_addr_get_prefixlen(dst) != 0))
    return;
  if (nl_addr_get_family(gateway) == AF_INET) {
    *ret4 = (WryIp4){.prefix = 32, .set = 1};
    memcpy(ret4->a, nl_addr_get_binary_addr(gateway), sizeof ret4->a);
  } else if (nl_addr_get_family(gateway) == AF_INET6) {
    *ret6 = (WryIp6){.prefix = 128, .set = 1};
    memcpy(ret6->a, nl_addr_get_binary_addr(gateway), sizeof ret6->a);
  }
}

gboolean wry_route_gateway(WryNl *nl, const char *link, WryIp4 *ret4, WryIp6 *ret6, GError **error) {
  struct nl_cache *cache = NULL;
  int index = wry_link_index(nl, link);
  int problem = rtnl_route_alloc_cache(nl->sock, AF_UNSPEC, 0, &cache);
  memset(ret4, 0, sizeof *ret4);
  memset(ret6, 0, sizeof *ret6);
  if (problem != 0)
    return wry_nl_error(error, problem, "routes");
  for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o))
    note_gateway((struct rtnl_route *)o, index, ret4, ret6);
  nl_cache_free(cache);
  return TRUE;
}
