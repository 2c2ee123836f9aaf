#pragma once
/* Network of a VMI as `launcher setup` makes it, and what the launcher is told of it (contract 6.7). Pure. */
#include "handler/instance.h"
#include "wherry/setup.h"

/* Forwards from ports of the host to the guest: "8080:80/tcp,5353:53/udp" (tcp when no protocol is given). */
#define WRY_HOST_PORTS_ANNOTATION "wherry.io/host-ports"

/* Fills interfaces and forwards. `vm` is the uid of the VM: guest MACs that the VMI leaves open are derived from it, so they survive restarts. Errors: WRY_ERROR_INVALID,
 * WRY_ERROR_UNSUPPORTED (another network than the pod's). */
gboolean wry_network_plan(const WryVmi *vmi, const char *vm, WrySetupRequest *setup, GError **error);
/* Adds one WryBundleInterface for each interface of the spec, from what set-up answered. */
void wry_network_tell(const WryVmi *vmi, const WrySetupRequest *setup, const WrySetupReply *reply, WryBundle *bundle);

gboolean wry_host_ports_parse(const char *text, WrySetupRequest *setup, GError **error);
/* First and second host address of a network: "10.0.2.0/24" -> .1, .2. FALSE when it is none or too small. */
gboolean wry_network_pair4(const char *cidr, WryIp4 *ret_gateway, WryIp4 *ret_guest);
gboolean wry_network_pair6(const char *cidr, WryIp6 *ret_gateway, WryIp6 *ret_guest);
