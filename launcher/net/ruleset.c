/* nftables rulesets as text. Numbers and addresses only come from fixed-size structs, names are made here or were checked as path components, so nothing can be injected. */
#include "launcher/net/ruleset.h"
#include <arpa/inet.h>

typedef struct {
  const char *family, *match; /* nft: "ip"/"ip", "ip6"/"ip6" */
  char guest[INET6_ADDRSTRLEN], gateway[INET6_ADDRSTRLEN];
  const char *loopback;
} Family;

static const char *protocol(uint8_t number) {
  return number == WRY_PROTO_UDP ? "udp" : "tcp";
}

/* One rule for all traffic, or one per listed port. `before` and `after` frame the port match. */
static void rule_per_port(GString *out, const WrySetupInterface *n, const char *chain, const char *before, const char *after) {
  if (n->n_ports == 0)
    g_string_append_printf(out, "  chain %s { %s %s; }\n", chain, before, after);
  for (guint i = 0; i < n->n_ports; i++)
    g_string_append_printf(out, "  chain %s { %s %s dport %u %s; }\n", chain, before, protocol(n->ports[i].protocol), n->ports[i].port, after);
}

static void masquerade_family(GString *out, const WrySetupInterface *n, const Family *f) {
  g_autofree char *dnat = g_strdup_printf("counter dnat to %s", f->guest);
  g_autofree char *snat = g_strdup_printf("counter snat to %s", f->gateway);
  g_autofree char *from_loopback = g_strdup_printf("%s saddr %s", f->match, f->loopback);
  g_autofree char *to_loopback = g_strdup_printf("%s daddr %s", f->match, f->loopback);
  g_string_append_printf(out, "table %s nat\ndelete table %s nat\ntable %s nat {\n", f->family, f->family, f->family);
  g_string_append(out, "  chain prerouting { type nat hook prerouting priority -100; }\n  chain input { type nat hook input priority 100; }\n"
                       "  chain output { type nat hook output priority -100; }\n  chain postrouting { type nat hook postrouting priority 100; }\n"
                       "  chain KUBEVIRT_PREINBOUND { }\n  chain KUBEVIRT_POSTINBOUND { }\n");
  g_string_append_printf(out, "  chain postrouting { %s saddr %s counter masquerade; }\n", f->match, f->guest);
  g_string_append_printf(out, "  chain prerouting { iifname \"%s\" counter jump KUBEVIRT_PREINBOUND; }\n", n->pod);
  g_string_append_printf(out, "  chain postrouting { oifname \"%s\" counter jump KUBEVIRT_POSTINBOUND; }\n", n->bridge);
  rule_per_port(out, n, "KUBEVIRT_PREINBOUND", "", dnat);
  rule_per_port(out, n, "KUBEVIRT_POSTINBOUND", from_loopback, snat);
  rule_per_port(out, n, "output", to_loopback, dnat);
  g_string_append(out, "}\n");
}

char *wry_ruleset_masquerade(const WrySetupInterface *n, gboolean pod4, gboolean pod6) {
  GString *out = g_string_new(NULL);
  Family four = {.family = "ip", .match = "ip", .loopback = "127.0.0.1"}, six = {.family = "ip6", .match = "ip6", .loopback = "::1"};
  inet_ntop(AF_INET, n->guest4.a, four.guest, sizeof four.guest);
  inet_ntop(AF_INET, n->gateway4.a, four.gateway, sizeof four.gateway);
  inet_ntop(AF_INET6, n->guest6.a, six.guest, sizeof six.guest);
  inet_ntop(AF_INET6, n->gateway6.a, six.gateway, sizeof six.gateway);
  if (pod4 && n->guest4.set)
    masquerade_family(out, n, &four);
  if (pod6 && n->guest6.set)
    masquerade_family(out, n, &six);
  return g_string_free(out, FALSE);
}

void wry_uplink_bridge_name(const WrySetupRequest *request, char name[16]) {
  g_snprintf(name, 16, "wry%08x", request->root_id);
}

void wry_uplink_veth_name(const WrySetupRequest *request, char name[16]) {
  g_snprintf(name, 16, "wv%06x.%04x", request->root_id & 0xffffff, request->slot & 0xffff);
}

char *wry_ruleset_uplink(const WrySetupRequest *request) {
  char bridge[16], net4[INET_ADDRSTRLEN], net6[INET6_ADDRSTRLEN];
  wry_uplink_bridge_name(request, bridge);
  inet_ntop(AF_INET, request->pod4_gateway.a, net4, sizeof net4);
  inet_ntop(AF_INET6, request->pod6_gateway.a, net6, sizeof net6);
  return g_strdup_printf("table inet wherry_%08x\ndelete table inet wherry_%08x\ntable inet wherry_%08x {\n"
                         "  chain postrouting { type nat hook postrouting priority 100;\n"
                         "    ip saddr %s/%u oifname != \"%s\" counter masquerade\n"
                         "    ip6 saddr %s/%u oifname != \"%s\" counter masquerade\n"
                         "    ip saddr 127.0.0.0/8 oifname \"%s\" counter masquerade\n  }\n}\n",
                         request->root_id, request->root_id, request->root_id, net4, request->pod4_gateway.prefix, bridge, net6, request->pod6_gateway.prefix, bridge, bridge);
}

static void forward_rules(GString *out, const WrySetupRequest *request, const char *chain) {
  char guest[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, request->pod4.a, guest, sizeof guest);
  for (guint i = 0; i < request->n_forwards; i++) {
    const WrySetupForward *f = &request->forwards[i];
    g_string_append_printf(out, "  chain %s { fib daddr type local %s dport %u counter dnat to %s:%u; }\n", chain, protocol(f->protocol), f->host_port, guest, f->guest_port);
  }
}

char *wry_ruleset_forwards(const WrySetupRequest *request) {
  if (request->n_forwards == 0)
    return NULL;
  GString *out = g_string_new(NULL);
  guint root = request->root_id, slot = request->slot;
  g_string_append_printf(out, "table ip wherry_%08x_%04x\ndelete table ip wherry_%08x_%04x\ntable ip wherry_%08x_%04x {\n", root, slot, root, slot, root, slot);
  g_string_append(out, "  chain prerouting { type nat hook prerouting priority -100; }\n  chain output { type nat hook output priority -100; }\n");
  forward_rules(out, request, "prerouting");
  forward_rules(out, request, "output");
  g_string_append(out, "}\n");
  return g_string_free(out, FALSE);
}

char *wry_ruleset_forwards_remove(const WrySetupRequest *request) {
  guint root = request->root_id, slot = request->slot;
  return g_strdup_printf("table ip wherry_%08x_%04x\ndelete table ip wherry_%08x_%04x\n", root, slot, root, slot);
}

char *wry_ruleset_uplink_remove(const WrySetupRequest *request) {
  return g_strdup_printf("table inet wherry_%08x\ndelete table inet wherry_%08x\n", request->root_id, request->root_id);
}
