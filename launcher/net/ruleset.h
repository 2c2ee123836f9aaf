#pragma once
/* nftables rulesets as text: pure. Each returns a new string, one transaction for `nft -f -`, written so that it may be applied again. */
#include <glib.h>
#include "wherry/setup.h"

/* NAT of a masqueraded interface in the sandbox (contract 6.7: tables ip nat and ip6 nat, chains KUBEVIRT_PREINBOUND and KUBEVIRT_POSTINBOUND). `pod4`, `pod6` tell which families the pod
 * interface has. */
char *wry_ruleset_masquerade(const WrySetupInterface *interface, gboolean pod4, gboolean pod6);
/* The root's table on the host: source NAT for its networks. */
char *wry_ruleset_uplink(const WrySetupRequest *request);
/* Port forwards of one VM on the host, a table of its own; NULL when it has none. */
char *wry_ruleset_forwards(const WrySetupRequest *request);
char *wry_ruleset_forwards_remove(const WrySetupRequest *request);
char *wry_ruleset_uplink_remove(const WrySetupRequest *request);

/* Names on the host: the root's bridge "wry<8 hex>", a VM's veth end "wv<6 hex>.<slot hex>". `name` has 16 bytes. */
void wry_uplink_bridge_name(const WrySetupRequest *request, char name[16]);
void wry_uplink_veth_name(const WrySetupRequest *request, char name[16]);
