/* Rules about networks and how interfaces belong to them (contract 2.5). Rules about single interfaces are in spec_validate_interface.c. See spec_rules.h. */
#include <string.h>

#include "lib/spec_rules.h"

static const GPtrArray *interfaces(const WryCheck *c) {
  return c->spec->domain->devices->interfaces;
}

/* --- networks -------------------------------------------------------------------------------------------------------------------------------------------- */
static void default_networks(WryCheck *c) {
  guint pods = 0, defaults = 0;
  WRY_EACH(WryNetwork, network, c->spec->networks) {
    pods += network->pod != NULL;
    defaults += network->multus && wry_opt_bool(network->multus->default_, FALSE);
  }
  if (pods > 1) {
    const char *path = wry_at(c, "domain.devices.interfaces");
    wry_refuse(c, DUPLICATE, path, "more than one interface is connected to a pod network in %s", path);
  }
  if (defaults > 1) wry_refuse(c, INVALID, wry_at(c, "networks"), "only one Multus network may be the default");
  if (pods && defaults) wry_refuse(c, INVALID, wry_at(c, "networks"), "a pod network and a default Multus network exclude each other");
}

static void network_sources(WryCheck *c) {
  WRY_EACH(WryNetwork, network, c->spec->networks) {
    guint sources = (network->pod != NULL) + (network->multus != NULL) + (network->resourceClaim != NULL);
    if (sources != 1) wry_refuse(c, REQUIRED, wry_at(c, "networks[%u]", network_i), "exactly one of pod, multus, resourceClaim must be set");
    if (network->multus && !wry_text(network->multus->networkName))
      wry_refuse(c, REQUIRED, wry_at(c, "networks[%u]", network_i), "multus.networkName must be set");
  }
}

/* --- networks and interfaces ------------------------------------------------------------------------------------------------------------------------------ */
static const WryInterface *find_interface(const WryCheck *c, const char *name) {
  WRY_EACH(WryInterface, iface, interfaces(c)) {
    if (!g_strcmp0(iface->name, name)) return iface;
  }
  return NULL;
}

static gboolean interface_seen(const WryCheck *c, const char *name, guint before) {
  for (guint i = 0; i < before; i++)
    if (!g_strcmp0(((const WryInterface *)g_ptr_array_index(interfaces(c), i))->name, name)) return TRUE;
  return FALSE;
}

static gboolean network_seen(const WryCheck *c, const char *name, guint before) {
  for (guint i = 0; i < before; i++)
    if (!g_strcmp0(((const WryNetwork *)g_ptr_array_index(c->spec->networks, i))->name, name)) return TRUE;
  return FALSE;
}

static void names_match(WryCheck *c) {
  WRY_EACH(WryInterface, iface, interfaces(c)) {
    if (interface_seen(c, iface->name, iface_i))
      wry_refuse(c, DUPLICATE, wry_at(c, "domain.devices.interfaces[%u].name", iface_i), "interface name %s is used twice", iface->name);
  }
  WRY_EACH(WryNetwork, network, c->spec->networks) {
    if (network_seen(c, network->name, network_i)) wry_refuse(c, DUPLICATE, wry_at(c, "networks[%u].name", network_i), "network name %s is used twice", network->name);
  }
  WRY_EACH(WryInterface, iface, interfaces(c)) {
    if (!wry_vmi_network(c->spec, iface->name))
      wry_refuse(c, INVALID, wry_at(c, "domain.devices.interfaces[%u].name", iface_i), "no network is named %s", iface->name);
  }
  WRY_EACH(WryNetwork, network, c->spec->networks) {
    if (!find_interface(c, network->name)) wry_refuse(c, REQUIRED, wry_at(c, "networks[%u].name", network_i), "no interface is named %s", network->name);
  }
}

/* --- networks from resource claims ------------------------------------------------------------------------------------------------------------------------- */
static gboolean has_claim(const WryVmiSpec *spec, const char *name) {
  WRY_EACH(WryResourceClaim, claim, spec->resourceClaims) {
    if (!g_strcmp0(claim->name, name)) return TRUE;
  }
  return FALSE;
}

static gboolean request_seen(const WryCheck *c, const WryNetworkClaim *claim, guint before) {
  for (guint i = 0; i < before; i++) {
    const WryNetworkClaim *other = ((const WryNetwork *)g_ptr_array_index(c->spec->networks, i))->resourceClaim;
    if (other && !g_strcmp0(other->claimName, claim->claimName) && !g_strcmp0(other->requestName, claim->requestName)) return TRUE;
  }
  return FALSE;
}

static void claimed_networks(WryCheck *c) {
  WRY_EACH(WryNetwork, network, c->spec->networks) {
    const WryNetworkClaim *claim = network->resourceClaim;
    const WryInterface *iface = claim ? find_interface(c, network->name) : NULL;
    if (!claim) continue;
    if (!wry_config_gate(c->config, "NetworkDevicesWithDRA"))
      wry_refuse(c, INVALID, wry_at(c, "networks[%u].resourceClaim", network_i), "feature gate NetworkDevicesWithDRA is not enabled");
    if (!has_claim(c->spec, claim->claimName))
      wry_refuse(c, NOT_FOUND, wry_at(c, "networks[%u].resourceClaim.claimName", network_i), "no resource claim is named %s", claim->claimName ? claim->claimName : "");
    if (request_seen(c, claim, network_i)) wry_refuse(c, DUPLICATE, wry_at(c, "networks[%u]", network_i), "the claim's request is used twice");
    if (iface && !iface->sriov) wry_refuse(c, INVALID, wry_at(c, "domain.devices.interfaces"), "a network from a resource claim needs the sriov binding");
  }
}

WRY_RULE(wry_rule_network) {
  default_networks(c);
  network_sources(c);
  names_match(c);
  wry_rule_interfaces(c);
  claimed_networks(c);
}
