/* Rules about single network interfaces: binding, names, model, addresses, ports, DHCP options, link state (contract 2.5). See spec_rules.h. */
#include <string.h>

#include <arpa/inet.h>

#include "lib/spec_rules.h"

typedef struct {
  const WryInterface *iface;
  const WryNetwork *network; /* NULL: none of that name */
  guint index;
} Nic;

#define NIC(c, nic, field) wry_at(c, "domain.devices.interfaces[%u]" field, (nic)->index)
#define PORT(c, nic, list, index, field) wry_at(c, "domain.devices.interfaces[%u]." list "[%u]." field, (nic)->index, index)

/* --- binding --------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean on_pod_network(const Nic *nic) {
  return nic->network && nic->network->pod;
}

typedef struct { const char *name, *gate; gsize offset; } Removed;
static const Removed removed[] = {
    {"slirp", NULL, offsetof(WryInterface, slirp)},
    {"macvtap", "Macvtap", offsetof(WryInterface, macvtap)},
    {"passt", "Passt", offsetof(WryInterface, passt)},
};

static gboolean uses(const WryInterface *iface, const Removed *binding) {
  return *(gconstpointer const *)(gconstpointer)((const char *)iface + binding->offset) != NULL;
}

/* A cluster that still asks for the gate of a binding is told that there is none. */
WRY_RULE(wry_rule_removed_gates) {
  WRY_EACH(WryInterface, iface, c->spec->domain->devices->interfaces) {
    for (guint i = 0; i < G_N_ELEMENTS(removed); i++)
      if (removed[i].gate && uses(iface, &removed[i]) && wry_config_gate(c->config, removed[i].gate))
        wry_refuse(c, NOT_SUPPORTED, wry_at(c, "domain.devices.interfaces[%u].%s", iface_i, removed[i].name), "feature gate %s no longer exists", removed[i].gate);
  }
}

WRY_RULE(wry_rule_removed_bindings) {
  WRY_EACH(WryInterface, iface, c->spec->domain->devices->interfaces) {
    for (guint i = 0; i < G_N_ELEMENTS(removed); i++)
      if (uses(iface, &removed[i]))
        wry_refuse(c, INVALID, wry_at(c, "domain.devices.interfaces[%u].%s", iface_i, removed[i].name), "binding %s no longer exists", removed[i].name);
  }
}

static void one_binding(WryCheck *c, const Nic *nic) {
  const WryInterface *iface = nic->iface;
  guint bindings = (iface->bridge != NULL) + (iface->masquerade != NULL) + (iface->sriov != NULL) + (iface->passtBinding != NULL) + (iface->binding != NULL);
  if (bindings != 1) wry_refuse(c, INVALID, NIC(c, nic, ""), "exactly one of bridge, masquerade, sriov, passtBinding, binding must be set");
}

static void binding_fits(WryCheck *c, const Nic *nic) {
  const WryInterface *iface = nic->iface;
  if (iface->masquerade && !on_pod_network(nic)) wry_refuse(c, INVALID, NIC(c, nic, ".name"), "masquerade works on the pod network only");
  if (iface->masquerade && !g_strcmp0(iface->macAddress, "02:00:00:00:00:00"))
    wry_refuse(c, INVALID, NIC(c, nic, ".macAddress"), "02:00:00:00:00:00 is reserved for the bridge");
  if (iface->bridge && on_pod_network(nic) && !wry_config_bool(c->config, "network.permitBridgeInterfaceOnPodNetwork", TRUE))
    wry_refuse(c, INVALID, NIC(c, nic, ".name"), "the cluster does not allow bridge on the pod network");
  if (iface->passtBinding && !wry_config_gate(c->config, "PasstBinding"))
    wry_refuse(c, INVALID, NIC(c, nic, ".name"), "feature gate PasstBinding is not enabled");
  if (iface->passtBinding && nic->network && !on_pod_network(nic)) wry_refuse(c, INVALID, NIC(c, nic, ".name"), "passtBinding works on the pod network only");
}

/* --- name, model, addresses ------------------------------------------------------------------------------------------------------------------------------- */
static const char *const models[] = {"e1000", "e1000e", "igb", "ne2k_pci", "pcnet", "rtl8139", "virtio", NULL};

static gboolean is_name(const char *text) {
  for (const char *at = text; at && *at; at++)
    if (!g_ascii_isalnum(*at) && !strchr("-_", *at)) return FALSE;
  return wry_text(text);
}

static void name_and_model(WryCheck *c, const Nic *nic) {
  const WryInterface *iface = nic->iface;
  if (!is_name(iface->name)) wry_refuse(c, INVALID, NIC(c, nic, ".name"), "may only have letters, digits, - and _");
  if (wry_text(iface->model) && !wry_is_one_of(iface->model, models)) wry_refuse(c, NOT_SUPPORTED, NIC(c, nic, ".model"), "model %s is not supported", iface->model);
}

/* Six bytes as aa:bb:cc:dd:ee:ff, aa-bb-cc-dd-ee-ff or aabb.ccdd.eeff. */
static gboolean is_mac(const char *text) {
  return g_regex_match_simple("^([0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}|[0-9a-fA-F]{2}(-[0-9a-fA-F]{2}){5}|[0-9a-fA-F]{4}(\\.[0-9a-fA-F]{4}){2})$", text, 0, 0);
}

gboolean wry_is_pci_address(const char *text) {
  return g_regex_match_simple("^[0-9a-fA-F]{4}:[0-9a-fA-F]{2}:[0-1][0-9a-fA-F]\\.[0-7]$", text, 0, 0);
}

static void addresses(WryCheck *c, const Nic *nic) {
  const WryInterface *iface = nic->iface;
  if (wry_text(iface->macAddress) && !is_mac(iface->macAddress)) wry_refuse(c, INVALID, NIC(c, nic, ".macAddress"), "must be a MAC address of six bytes");
  if (wry_text(iface->pciAddress) && !wry_is_pci_address(iface->pciAddress)) wry_refuse(c, INVALID, NIC(c, nic, ".pciAddress"), "must be a PCI address like 0000:81:00.1");
}

/* --- ports ----------------------------------------------------------------------------------------------------------------------------------------------- */
static const char *const protocols[] = {"TCP", "UDP", NULL};
#define MAX_PORT_RANGES 10
#define MAX_PORT 65535

/* RFC 6335: at most 15 of lower case letters, digits and single hyphens, one letter at least. */
static gboolean is_port_name(const char *text) {
  return strlen(text) <= 15 && !strstr(text, "--") && g_regex_match_simple("^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", text, 0, 0) && strpbrk(text, "abcdefghijklmnopqrstuvwxyz");
}

static gboolean port_name_seen(const GPtrArray *ports, const char *name, guint before) {
  for (guint i = 0; i < before; i++)
    if (!g_strcmp0(((const WryPort *)g_ptr_array_index(ports, i))->name, name)) return TRUE;
  return FALSE;
}

static void port(WryCheck *c, const Nic *nic, const WryPort *p, guint index) {
  gint64 number = wry_opt_int(p->port);
  if (!number) wry_refuse(c, REQUIRED, PORT(c, nic, "ports", index, "port"), "must be set");
  if (number < 0 || number > MAX_PORT) wry_refuse(c, INVALID, PORT(c, nic, "ports", index, "port"), "must be from 1 to 65535");
  if (wry_text(p->protocol) && !wry_is_one_of(p->protocol, protocols))
    wry_refuse(c, INVALID, PORT(c, nic, "ports", index, "protocol"), "must be TCP or UDP");
  if (!wry_text(p->name)) return;
  if (port_name_seen(nic->iface->ports, p->name, index))
    wry_refuse(c, DUPLICATE, PORT(c, nic, "ports", index, "name"), "port name %s is used twice", p->name);
  if (!is_port_name(p->name)) wry_refuse(c, INVALID, PORT(c, nic, "ports", index, "name"), "must be a service name");
}

static gboolean overlaps(const WryPortRange *a, const WryPortRange *b) {
  return !g_strcmp0(a->protocol, b->protocol) && wry_opt_int(a->start) <= wry_opt_int(b->end) && wry_opt_int(b->start) <= wry_opt_int(a->end);
}

static void port_range(WryCheck *c, const Nic *nic, const WryPortRange *range, guint index) {
  gint64 start = wry_opt_int(range->start), end = wry_opt_int(range->end);
  if (start < 1 || start > MAX_PORT)
    wry_refuse(c, INVALID, PORT(c, nic, "portRanges", index, "start"), "must be from 1 to 65535");
  if (end > MAX_PORT || end < start)
    wry_refuse(c, INVALID, PORT(c, nic, "portRanges", index, "end"), "must be from start to 65535");
  if (!wry_is_one_of(range->protocol, protocols))
    wry_refuse(c, INVALID, PORT(c, nic, "portRanges", index, "protocol"), "must be TCP or UDP");
  for (guint i = 0; i < index; i++)
    if (overlaps(g_ptr_array_index(nic->iface->portRanges, i), range)) wry_refuse(c, INVALID, NIC(c, nic, ".portRanges"), "ranges %u and %u overlap", i, index);
}

static void port_ranges(WryCheck *c, const Nic *nic) {
  const GPtrArray *ranges = nic->iface->portRanges;
  if (!ranges || !ranges->len) return;
  if (!wry_config_gate(c->config, "PortRangesSpec")) wry_refuse(c, INVALID, NIC(c, nic, ".portRanges"), "feature gate PortRangesSpec is not enabled");
  if (!nic->iface->masquerade && !nic->iface->passtBinding) wry_refuse(c, INVALID, NIC(c, nic, ".name"), "portRanges need masquerade or passtBinding");
  if (ranges->len > MAX_PORT_RANGES) wry_refuse(c, INVALID, NIC(c, nic, ".portRanges"), "must be at most %d", MAX_PORT_RANGES);
  WRY_EACH(WryPortRange, range, ranges) port_range(c, nic, range, range_i);
}

static void ports(WryCheck *c, const Nic *nic) {
  WRY_EACH(WryPort, p, nic->iface->ports) port(c, nic, p, p_i);
  port_ranges(c, nic);
}

/* --- DHCP options ---------------------------------------------------------------------------------------------------------------------------------------- */
static void private_option(WryCheck *c, const Nic *nic, const WryDhcpPrivateOption *option, guint index) {
  gint64 number = wry_opt_int(option->option);
  const char *problem = number < 224 || number > 254 ? "must be from 224 to 254" : NULL;
  for (guint i = 0; i < index; i++)
    if (wry_opt_int(((const WryDhcpPrivateOption *)g_ptr_array_index(nic->iface->dhcpOptions->privateOptions, i))->option) == number) problem = "is used twice";
  if (problem) wry_refuse(c, INVALID, wry_at(c, "domain.devices.interfaces[%u].dhcpOptions.privateOptions[%u].option", nic->index, index), "%s", problem);
}

static void dhcp_options(WryCheck *c, const Nic *nic) {
  const WryDhcpOptions *options = nic->iface->dhcpOptions;
  if (!options) return;
  WRY_EACH(WryDhcpPrivateOption, option, options->privateOptions) private_option(c, nic, option, option_i);
  WRY_EACH(char, server, options->ntpServers) {
    guchar address[4];
    if (inet_pton(AF_INET, server, address) != 1)
      wry_refuse(c, INVALID, wry_at(c, "domain.devices.interfaces[%u].dhcpOptions.ntpServers[%u]", nic->index, server_i), "must be an IPv4 address");
  }
}

/* --- link state ------------------------------------------------------------------------------------------------------------------------------------------ */
static const char *const states[] = {"up", "down", "absent", NULL};

static void link_state(WryCheck *c, const Nic *nic) {
  const char *state = nic->iface->state;
  if (!wry_text(state)) return;
  gboolean absent = !strcmp(state, "absent");
  if (!wry_is_one_of(state, states)) wry_refuse(c, INVALID, NIC(c, nic, ".state"), "must be up, down or absent");
  if (nic->iface->sriov && !absent) wry_refuse(c, INVALID, NIC(c, nic, ".state"), "the link of an SR-IOV interface cannot be set");
  if (absent && !nic->iface->bridge && !nic->iface->sriov) wry_refuse(c, INVALID, NIC(c, nic, ".state"), "only bridge interfaces can be unplugged");
  if (absent && on_pod_network(nic)) wry_refuse(c, INVALID, NIC(c, nic, ".state"), "the interface of the pod network cannot be unplugged");
}

/* --- all ------------------------------------------------------------------------------------------------------------------------------------------------- */
static void (*const interface_rules[])(WryCheck *c, const Nic *nic) = {
    one_binding, binding_fits, name_and_model, addresses, ports, dhcp_options, link_state,
};

WRY_RULE(wry_rule_interfaces) {
  for (guint i = 0; i < G_N_ELEMENTS(interface_rules); i++)
    WRY_EACH(WryInterface, iface, c->spec->domain->devices->interfaces) {
      Nic nic = {iface, wry_vmi_network(c->spec, iface->name), iface_i};
      interface_rules[i](c, &nic);
    }
}
