/* The sandbox's side of its network (contract 6.7), in the sandbox's network namespace.
 *
 * masquerade: eth0 keeps its addresses; the guest sits behind bridge k6t-eth0 on a network of its own and is reached and left by NAT. bridge: eth0 becomes a port of k6t-eth0 as
 * eth0-nic, its MAC and addresses go to the guest, and a dummy link of the old name keeps showing them (left out where the kernel has no dummy links).
 * Either way QEMU gets a persistent tap that belongs to the VM's uid. */
#include "launcher/net/link.h"
#include "launcher/net/net.h"
#include "launcher/net/nft.h"
#include "launcher/net/ruleset.h"
#include "launcher/net/sockets.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>

static const uint8_t masquerade_mac[6] = {0x02, 0, 0, 0, 0, 0};
/* The bridge of a bridge binding needs an address to answer DHCP from. */
static const WryIp4 bridge_address = {{169, 254, 75, 10}, 32, 1};

static gboolean set_sysctls(const WrySetupInterface *n, GError **error) {
  const struct { const char *name, *value; } rows[] = {{"ipv4/conf/%s/route_localnet", "1"}, {"ipv6/conf/%s/accept_ra", "0"}, {"ipv6/conf/%s/autoconf", "0"}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_auto(GStrv) parts = g_strsplit(rows[i].name, "%s", 2);
    g_autofree char *name = g_strconcat(parts[0], n->bridge, parts[1], NULL);
    if (!wry_sysctl_set(name, rows[i].value, error))
      return FALSE;
  }
  return wry_sysctl_set("ipv4/ip_forward", "1", error) && wry_sysctl_set("ipv6/conf/all/forwarding", "1", error);
}

/* A persistent tap for one uid. TUNSETIFF on an existing one attaches to it, so this may be repeated. */
static gboolean make_tap(const WrySetupRequest *request, const WrySetupInterface *n, GError **error) {
  struct ifreq ifr = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (n->queues > 1 ? IFF_MULTI_QUEUE : 0))};
  wry_autofd int dev = wry_dir_open("/dev", error);
  wry_autofd int fd = dev < 0 ? -1 : wry_vopen(dev, "net/tun", O_RDWR, 0, WRY_WANT_ANY, error);
  g_strlcpy(ifr.ifr_name, n->tap, sizeof ifr.ifr_name);
  if (fd < 0)
    return FALSE;
  if (ioctl(fd, TUNSETIFF, &ifr) != 0 || ioctl(fd, TUNSETOWNER, (unsigned long)request->uid) != 0 || ioctl(fd, TUNSETGROUP, (unsigned long)request->gid) != 0 ||
      ioctl(fd, TUNSETPERSIST, 1UL) != 0)
    return wry_errno(error, errno, "tap %s", n->tap);
  return TRUE;
}

static gboolean make_bridge_and_tap(WryNl *nl, const WrySetupRequest *request, const WrySetupInterface *n, const uint8_t *bridge_mac, guint mtu, GError **error) {
  return wry_link_add_bridge(nl, n->bridge, bridge_mac, error) && make_tap(request, n, error) && wry_link_set_mtu(nl, n->tap, mtu, error) &&
         wry_link_set_master(nl, n->tap, n->bridge, error) && wry_link_set_mtu(nl, n->bridge, mtu, error) && wry_link_set_up(nl, n->tap, error) &&
         wry_link_set_up(nl, n->bridge, error) && set_sysctls(n, error);
}

static gboolean masquerade_up(WryNl *nl, const WrySetupRequest *request, const WrySetupInterface *n, WrySetupInterfaceResult *result, WryNft **ret_nft, GError **error) {
  g_autofree char *ruleset = wry_ruleset_masquerade(n, result->pod4.set, result->pod6.set);
  *ret_nft = wry_nft_start(ruleset, error);
  if (!*ret_nft || !make_bridge_and_tap(nl, request, n, masquerade_mac, result->mtu, error))
    return FALSE;
  if (result->pod4.set && n->guest4.set) {
    result->guest4 = n->guest4;
    result->gateway4 = n->gateway4;
    if (!wry_addr_add4(nl, n->bridge, &n->gateway4, error))
      return FALSE;
  }
  if (result->pod6.set && n->guest6.set) {
    result->guest6 = n->guest6;
    result->gateway6 = n->gateway6;
    if (!wry_addr_add6(nl, n->bridge, &n->gateway6, error))
      return FALSE;
  }
  return TRUE;
}

static void random_mac(uint8_t mac[6]) {
  if (getrandom(mac, 6, 0) != 6)
    memcpy(mac, masquerade_mac, 6);
  mac[0] = (uint8_t)((mac[0] & 0xfe) | 0x02);
}

/* The link of the old name that shows the guest's MAC and addresses to whoever looks for them. */
static void show_addresses(WryNl *nl, const WrySetupInterface *n, const WrySetupInterfaceResult *result) {
  if (!wry_link_add_dummy(nl, n->pod, NULL))
    return;
  wry_link_set_mac(nl, n->pod, result->guest_mac, NULL);
  if (result->guest4.set)
    wry_addr_add4(nl, n->pod, &result->guest4, NULL);
  if (result->guest6.set)
    wry_addr_add6(nl, n->pod, &result->guest6, NULL);
  wry_sysctl_set("ipv4/conf/all/arp_ignore", "1", NULL);
}

static gboolean bridge_up(WryNl *nl, const WrySetupRequest *request, const WrySetupInterface *n, WrySetupInterfaceResult *result, WryNft **ret_nft, GError **error) {
  (void)ret_nft;
  g_autofree char *nic = g_strdup_printf("%s-nic", n->pod);
  uint8_t fresh[6];
  random_mac(fresh);
  result->guest4 = result->pod4;
  result->guest6 = result->pod6;
  if (!wry_route_gateway(nl, n->pod, &result->gateway4, &result->gateway6, error) || !wry_addr_get(nl, n->pod, &(WryIp4){0}, &(WryIp6){0}, TRUE, error) ||
      !wry_link_set_down(nl, n->pod, error) || !wry_link_rename(nl, n->pod, nic, error) || !wry_link_set_mac(nl, nic, fresh, error) ||
      !make_bridge_and_tap(nl, request, n, NULL, result->mtu, error) || !wry_link_set_master(nl, nic, n->bridge, error) || !wry_link_set_up(nl, nic, error))
    return FALSE;
  show_addresses(nl, n, result);
  return !result->pod4.set || wry_addr_add4(nl, n->bridge, &bridge_address, error);
}

/* eth0 of a local sandbox has no addresses yet: the root half chose them. A pod's has. */
static gboolean pod_addresses(WryNl *nl, const WrySetupRequest *request, const WrySetupInterface *n, WrySetupInterfaceResult *result, GError **error) {
  if (!wry_link_set_up(nl, n->pod, error))
    return FALSE;
  if (request->pod4.set && (!wry_addr_add4(nl, n->pod, &request->pod4, error) || !wry_route_default4(nl, n->pod, &request->pod4_gateway, error)))
    return FALSE;
  if (request->pod6.set && (!wry_addr_add6(nl, n->pod, &request->pod6, error) || !wry_route_default6(nl, n->pod, &request->pod6_gateway, error)))
    return FALSE;
  if (!wry_link_mac(nl, n->pod, result->mac) || !wry_addr_get(nl, n->pod, &result->pod4, &result->pod6, FALSE, error))
    return FALSE;
  result->mtu = (uint16_t)(n->mtu ? n->mtu : wry_link_mtu(nl, n->pod));
  gboolean asked = memcmp(n->guest_mac, (uint8_t[6]){0}, 6) != 0;
  memcpy(result->guest_mac, asked ? n->guest_mac : result->mac, 6);
  return TRUE;
}

static void add_fd(WrySetupReply *reply, int *fds, uint8_t what, guint interface, int fd) {
  fds[reply->n_fds] = fd;
  reply->fds[reply->n_fds++] = (WrySetupFd){.what = what, .interface = (uint8_t)interface};
}

static gboolean open_sockets(WryNl *nl, const WrySetupInterface *n, const WrySetupInterfaceResult *result, guint i, WrySetupReply *reply, int *fds, GError **error) {
  int index = wry_link_index(nl, n->bridge), fd;
  if (result->guest4.set) {
    if ((fd = wry_socket_dhcp4(n->bridge, error)) < 0)
      return FALSE;
    add_fd(reply, fds, WRY_SETUP_FD_DHCP4, i, fd);
  }
  if (!result->guest6.set)
    return TRUE;
  if ((fd = wry_socket_dhcp6(n->bridge, index, error)) < 0)
    return FALSE;
  add_fd(reply, fds, WRY_SETUP_FD_DHCP6, i, fd);
  if ((fd = wry_socket_ra(n->bridge, index, error)) < 0)
    return FALSE;
  add_fd(reply, fds, WRY_SETUP_FD_RA, i, fd);
  return TRUE;
}

static gboolean interface_up(WryNl *nl, const WrySetupRequest *request, guint i, WrySetupReply *reply, int *fds, GError **error) {
  const WrySetupInterface *n = &request->interfaces[i];
  WrySetupInterfaceResult *result = &reply->interfaces[i];
  gboolean masquerade = n->binding == WRY_BIND_MASQUERADE;
  g_autoptr(WryNft) nft = NULL;
  if (!pod_addresses(nl, request, n, result, error))
    return FALSE;
  if (!(masquerade ? masquerade_up : bridge_up)(nl, request, n, result, &nft, error))
    return FALSE;
  return open_sockets(nl, n, result, i, reply, fds, error) && wry_nft_finish(g_steal_pointer(&nft), error);
}

gboolean wry_net_sandbox_up(const WrySetupRequest *request, WrySetupReply *reply, int fds[WRY_MAX_SETUP_FDS], GError **error) {
  g_autoptr(WryNl) nl = wry_nl_open(error);
  if (!nl || !wry_link_set_up(nl, "lo", error))
    return FALSE;
  if (request->n_interfaces * 3u > WRY_MAX_SETUP_FDS) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "%u interfaces, at most %u", request->n_interfaces, WRY_MAX_SETUP_FDS / 3);
    return FALSE;
  }
  for (guint i = 0; i < request->n_interfaces; i++) {
    if (!interface_up(nl, request, i, reply, fds, error)) {
      g_prefix_error(error, "interface %s: ", request->interfaces[i].pod);
      return FALSE;
    }
    reply->n_interfaces++;
  }
  return TRUE;
}
