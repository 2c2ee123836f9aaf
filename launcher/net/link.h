#pragma once
/* Links, addresses and routes over rtnetlink (libnl-route-3): each function one change, an existing one is success. Private to launcher/net. */
#include <glib.h>
#include "wherry/setup.h"

typedef struct WryNl WryNl;
WryNl *wry_nl_open(GError **error); /* of the calling thread's network namespace */
void wry_nl_free(WryNl *nl);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryNl, wry_nl_free)

int wry_link_index(WryNl *nl, const char *name); /* 0 = absent */
gboolean wry_link_mac(WryNl *nl, const char *name, uint8_t mac[6]);
guint wry_link_mtu(WryNl *nl, const char *name);
gboolean wry_link_add_bridge(WryNl *nl, const char *name, const uint8_t mac[6] /* NULL = the kernel's choice */, GError **error);
gboolean wry_link_add_dummy(WryNl *nl, const char *name, GError **error);
/* Pair `name` here, `peer` in the network namespace of `peer_netns_fd`. */
gboolean wry_link_add_veth(WryNl *nl, const char *name, const char *peer, int peer_netns_fd, GError **error);
gboolean wry_link_set_up(WryNl *nl, const char *name, GError **error);
gboolean wry_link_set_down(WryNl *nl, const char *name, GError **error);
gboolean wry_link_set_mtu(WryNl *nl, const char *name, guint mtu, GError **error);
gboolean wry_link_set_mac(WryNl *nl, const char *name, const uint8_t mac[6], GError **error);
gboolean wry_link_set_master(WryNl *nl, const char *name, const char *master, GError **error);
gboolean wry_link_rename(WryNl *nl, const char *name, const char *to, GError **error);
/* The alias text of a link, new; NULL when it has none. */
char *wry_link_alias(WryNl *nl, const char *name);
gboolean wry_link_set_alias(WryNl *nl, const char *name, const char *alias, GError **error);
gboolean wry_link_delete(WryNl *nl, const char *name, GError **error); /* absent is success */
/* Another link whose name starts with `prefix` and is not `except`; new string or NULL. */
char *wry_link_find(WryNl *nl, const char *prefix, const char *except);

gboolean wry_addr_add4(WryNl *nl, const char *link, const WryIp4 *address, GError **error);
gboolean wry_addr_add6(WryNl *nl, const char *link, const WryIp6 *address, GError **error); /* no duplicate address detection: it is ours by construction */
/* The first global address of each family on the link (unset when none); `remove` takes all away. */
gboolean wry_addr_get(WryNl *nl, const char *link, WryIp4 *ret4, WryIp6 *ret6, gboolean remove, GError **error);
gboolean wry_route_default4(WryNl *nl, const char *link, const WryIp4 *gateway, GError **error);
gboolean wry_route_default6(WryNl *nl, const char *link, const WryIp6 *gateway, GError **error);
/* Gateway of the default route through `link`; unset when none. */
gboolean wry_route_gateway(WryNl *nl, const char *link, WryIp4 *ret4, WryIp6 *ret6, GError **error);
