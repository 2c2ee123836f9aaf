#pragma once
/* The network of a sandbox, made by the privileged `launcher setup`. Shapes are KubeVirt's (contract 6.7): the pod interface eth0, a bridge k6t-eth0, a tap for QEMU, NAT between
 * them in tables ip nat and ip6 nat. All functions are idempotent. The two name spaces are never mixed: uplink functions run in the host's network namespace, wry_net_sandbox_up in
 * the sandbox's. */
#include <glib.h>
#include "wherry/setup.h"

/* Host side: bridge of the root with its NAT table (or the operator's bridge), a veth pair whose end "eth0" is moved into the sandbox, port forwards. */
gboolean wry_net_uplink_up(const WrySetupRequest *request, int sandbox_netns_fd, GError **error);
/* Both sides at once, in one process: uplink_up, then this process goes into the sandbox's network namespace and does what sandbox_up does, while nft works on the host's rules. */
gboolean wry_net_up(const WrySetupRequest *request, int sandbox_netns_fd, WrySetupReply *reply, int fds[WRY_MAX_SETUP_FDS], GError **error);
/* Removes what uplink_up made for this VM. */
gboolean wry_net_uplink_down(const WrySetupRequest *request, GError **error);
/* The same, and removes bridge and tables of the root; forwarding goes back to what it was when no other root is left. */
gboolean wry_net_uplink_end(const WrySetupRequest *request, GError **error);
/* In the sandbox: addresses of eth0 when the request has them, then bridge, tap and NAT per interface; sockets for DHCP, DHCPv6 and router advertisements are appended to `fds`
 * (owned by the caller) and named in the reply. */
gboolean wry_net_sandbox_up(const WrySetupRequest *request, WrySetupReply *reply, int fds[WRY_MAX_SETUP_FDS], GError **error);
