/* What network plug-ins and meshes are told about a launcher pod: its annotations.
 *
 * How it works: Multus gets one entry per secondary network, in the VMI's order, with the pod interface's name that KubeVirt derives from the network's; Istio is told the interfaces behind which the
 * guest of a masquerade binding sits.
 * Relies on: contract 4.1, 3.5. */
#include <string.h>

#include "handler/controller/pod_parts.h"

#define INTERFACE_DIGITS 11

static const WryInterface *interface_of(const WryVmiSpec *spec, const char *network) {
  const GPtrArray *interfaces = spec->domain->devices->interfaces;
  for (guint i = 0; interfaces && i < interfaces->len; i++) {
    const WryInterface *interface = interfaces->pdata[i];
    if (g_strcmp0(interface->name, network) == 0) return interface;
  }
  return NULL;
}

/* "pod" and the start of a hash of the network's name: names of network interfaces are short. */
static char *interface_name(const char *network) {
  g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, network, -1);
  return g_strdup_printf("pod%.*s", INTERFACE_DIGITS, hash);
}

/* "namespace/name", or a name in the VMI's own namespace. */
static void put_attachment(WryJson *list, const WryVmi *vmi, const WryNetwork *network) {
  const char *name = network->multus->networkName, *slash = strchr(name, '/');
  const WryInterface *interface = interface_of(vmi->spec, network->name);
  g_autofree char *namespace_ = slash ? g_strndup(name, (gsize)(slash - name)) : g_strdup(vmi->metadata->namespace_), *made = interface_name(network->name);
  WryJson *entry = wry_append(list);
  wry_put_str(entry, "name", slash ? slash + 1 : name);
  wry_put_str(entry, "namespace", namespace_);
  wry_put_str(entry, "mac", interface ? interface->macAddress : NULL);
  wry_put_str(entry, "interface", made);
}

static void put_multus(WryJson *annotations, const WryVmi *vmi) {
  const GPtrArray *networks = vmi->spec->networks;
  g_autoptr(WryJson) list = json_object_new_array();
  for (guint i = 0; networks && i < networks->len; i++) {
    const WryNetwork *network = networks->pdata[i];
    const WryInterface *interface = interface_of(vmi->spec, network->name);
    if (!network->multus || (interface && g_strcmp0(interface->state, "absent") == 0)) continue;
    if (wry_opt_bool(network->multus->default_, FALSE))
      wry_put_str(annotations, "v1.multus-cni.io/default-network", network->multus->networkName);
    else
      put_attachment(list, vmi, network);
  }
  if (wry_json_length(list)) wry_put_str(annotations, "k8s.v1.cni.cncf.io/networks", json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

void wry_pod_network(WryJson *annotations, const WryVmi *vmi) {
  const GPtrArray *interfaces = vmi->spec->domain->devices->interfaces;
  put_multus(annotations, vmi);
  for (guint i = 0; interfaces && i < interfaces->len; i++) {
    if (!((const WryInterface *)interfaces->pdata[i])->masquerade) continue;
    wry_put_str(annotations, "traffic.sidecar.istio.io/kubevirtInterfaces", "k6t-eth0");
    wry_put_str(annotations, "istio.io/reroute-virtual-interfaces", "k6t-eth0");
  }
}
