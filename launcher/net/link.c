/* Links over rtnetlink. Each call asks the kernel afresh (a sandbox has three links), so nothing is cached and nothing can be stale. */
#include "launcher/net/link.h"
#include "launcher/net/link_internal.h"
#include "wherry/error.h"
#include <errno.h>
#include <linux/if.h>
#include <netlink/errno.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <string.h>

static void link_put(struct rtnl_link **link) {
  if (*link)
    rtnl_link_put(*link);
}
#define autolink __attribute__((cleanup(link_put))) struct rtnl_link *

WryNl *wry_nl_open(GError **error) {
  WryNl *nl = g_new0(WryNl, 1);
  nl->sock = nl_socket_alloc();
  int problem = nl->sock ? nl_connect(nl->sock, NETLINK_ROUTE) : -NLE_NOMEM;
  if (problem == 0)
    return nl;
  wry_nl_error(error, problem, "rtnetlink");
  wry_nl_free(nl);
  return NULL;
}

void wry_nl_free(WryNl *nl) {
  if (!nl)
    return;
  if (nl->sock)
    nl_socket_free(nl->sock);
  g_free(nl);
}

gboolean wry_nl_error(GError **error, int problem, const char *what) {
  g_set_error(error, WRY_ERROR, problem == -NLE_PERM ? WRY_ERROR_DENIED : WRY_ERROR_IO, "%s: %s", what, nl_geterror(problem));
  return FALSE;
}

static struct rtnl_link *get(WryNl *nl, const char *name) {
  struct rtnl_link *link = NULL;
  return rtnl_link_get_kernel(nl->sock, 0, name, &link) == 0 ? link : NULL;
}

static gboolean need(WryNl *nl, const char *name, struct rtnl_link **ret, GError **error) {
  *ret = get(nl, name);
  if (!*ret)
    g_set_error(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "link %s does not exist", name);
  return *ret != NULL;
}

int wry_link_index(WryNl *nl, const char *name) {
  autolink link = get(nl, name);
  return link ? rtnl_link_get_ifindex(link) : 0;
}

guint wry_link_mtu(WryNl *nl, const char *name) {
  autolink link = get(nl, name);
  return link ? rtnl_link_get_mtu(link) : 0;
}

gboolean wry_link_mac(WryNl *nl, const char *name, uint8_t mac[6]) {
  autolink link = get(nl, name);
  struct nl_addr *address = link ? rtnl_link_get_addr(link) : NULL;
  if (!address || nl_addr_get_len(address) != 6)
    return FALSE;
  memcpy(mac, nl_addr_get_binary_addr(address), 6);
  return TRUE;
}

static void put_mac(struct rtnl_link *link, const uint8_t mac[6]) {
  struct nl_addr *address = nl_addr_build(AF_LLC, (void *)mac, 6);
  rtnl_link_set_addr(link, address);
  nl_addr_put(address);
}

static gboolean add(WryNl *nl, struct rtnl_link *link, const char *name, GError **error) {
  int problem = rtnl_link_add(nl->sock, link, NLM_F_CREATE | NLM_F_EXCL);
  if (problem == 0 || problem == -NLE_EXIST)
    return TRUE;
  g_autofree char *what = g_strdup_printf("link %s", name);
  return wry_nl_error(error, problem, what);
}

static gboolean add_of_type(WryNl *nl, const char *name, const char *type, const uint8_t *mac, GError **error) {
  autolink link = rtnl_link_alloc();
  rtnl_link_set_name(link, name);
  rtnl_link_set_type(link, type);
  if (mac)
    put_mac(link, mac);
  return add(nl, link, name, error);
}

gboolean wry_link_add_bridge(WryNl *nl, const char *name, const uint8_t mac[6], GError **error) {
  return add_of_type(nl, name, "bridge", mac, error);
}

gboolean wry_link_add_dummy(WryNl *nl, const char *name, GError **error) {
  return add_of_type(nl, name, "dummy", NULL, error);
}

gboolean wry_link_add_veth(WryNl *nl, const char *name, const char *peer, int peer_netns_fd, GError **error) {
  autolink link = rtnl_link_veth_alloc();
  struct rtnl_link *other = rtnl_link_veth_get_peer(link);
  rtnl_link_set_name(link, name);
  rtnl_link_set_name(other, peer);
  rtnl_link_set_ns_fd(other, peer_netns_fd);
  gboolean ok = add(nl, link, name, error);
  rtnl_link_put(other);
  return ok;
}

typedef void (*Change)(struct rtnl_link *changes, const void *value);

static gboolean change(WryNl *nl, const char *name, Change set, const void *value, const char *what, GError **error) {
  autolink link = NULL;
  autolink changes = rtnl_link_alloc();
  if (!need(nl, name, &link, error))
    return FALSE;
  set(changes, value);
  int problem = rtnl_link_change(nl->sock, link, changes, 0);
  if (problem == 0)
    return TRUE;
  g_autofree char *text = g_strdup_printf("link %s: %s", name, what);
  return wry_nl_error(error, problem, text);
}

static void set_up(struct rtnl_link *changes, const void *value) {
  (void)value;
  rtnl_link_set_flags(changes, IFF_UP);
}
static void set_down(struct rtnl_link *changes, const void *value) {
  (void)value;
  rtnl_link_unset_flags(changes, IFF_UP);
}
static void set_mtu(struct rtnl_link *changes, const void *value) {
  rtnl_link_set_mtu(changes, *(const guint *)value);
}
static void set_mac(struct rtnl_link *changes, const void *value) {
  put_mac(changes, value);
}
static void set_master(struct rtnl_link *changes, const void *value) {
  rtnl_link_set_master(changes, *(const int *)value);
}
static void set_name(struct rtnl_link *changes, const void *value) {
  rtnl_link_set_name(changes, value);
}
static void set_alias(struct rtnl_link *changes, const void *value) {
  rtnl_link_set_ifalias(changes, value);
}

gboolean wry_link_set_up(WryNl *nl, const char *name, GError **error) {
  return change(nl, name, set_up, NULL, "up", error);
}
gboolean wry_link_set_down(WryNl *nl, const char *name, GError **error) {
  return change(nl, name, set_down, NULL, "down", error);
}
gboolean wry_link_set_mtu(WryNl *nl, const char *name, guint mtu, GError **error) {
  return change(nl, name, set_mtu, &mtu, "MTU", error);
}
gboolean wry_link_set_mac(WryNl *nl, const char *name, const uint8_t mac[6], GError **error) {
  return change(nl, name, set_mac, mac, "address", error);
}
gboolean wry_link_set_master(WryNl *nl, const char *name, const char *master, GError **error) {
  int index = wry_link_index(nl, master);
  if (index == 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "bridge %s does not exist", master);
    return FALSE;
  }
  return change(nl, name, set_master, &index, "bridge", error);
}
gboolean wry_link_rename(WryNl *nl, const char *name, const char *to, GError **error) {
  return change(nl, name, set_name, to, "name", error);
}
gboolean wry_link_set_alias(WryNl *nl, const char *name, const char *alias, GError **error) {
  return change(nl, name, set_alias, alias, "alias", error);
}

char *wry_link_alias(WryNl *nl, const char *name) {
  autolink link = get(nl, name);
  return link ? g_strdup(rtnl_link_get_ifalias(link)) : NULL;
}

gboolean wry_link_delete(WryNl *nl, const char *name, GError **error) {
  autolink link = get(nl, name);
  int problem = link ? rtnl_link_delete(nl->sock, link) : 0;
  if (problem == 0 || problem == -NLE_NODEV || problem == -NLE_OBJ_NOTFOUND)
    return TRUE;
  g_autofree char *what = g_strdup_printf("removal of link %s", name);
  return wry_nl_error(error, problem, what);
}

char *wry_link_find(WryNl *nl, const char *prefix, const char *except) {
  struct nl_cache *cache = NULL;
  char *found = NULL;
  if (rtnl_link_alloc_cache(nl->sock, AF_UNSPEC, &cache) != 0)
    return NULL;
  for (struct nl_object *o = nl_cache_get_first(cache); o && !found; o = nl_cache_get_next(o)) {
    const char *name = rtnl_link_get_name((struct rtnl_link *)o);
    if (name && g_str_has_prefix(name, prefix) && strcmp(name, except) != 0)
      found = g_strdup(name);
  }
  nl_cache_free(cache);
  return found;
}
