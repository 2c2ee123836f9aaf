/* The network plan of a VMI: names, addresses, ports, MAC addresses.
 *
 * How it works: the pod network's interface is eth0 in the sandbox, its bridge k6t-eth0, its tap tap0. With masquerade the guest's network is a pair of addresses, the first two hosts
 * of the VMI's network or of KubeVirt's default one; with bridge the guest takes eth0's own address. Pure.
 * Relies on: contract 6.7 and 4.1 for names and addresses. */
#include "handler/network.h"

#include <arpa/inet.h>

#include "wherry/limits.h"
#include "wherry/record.h"

#define DEFAULT_NETWORK4 "10.0.2.0/24"
#define DEFAULT_NETWORK6 "fd10:0:2::/120"

/* "text/bits" -> address bytes and prefix. */
static gboolean parse_cidr(const char *cidr, int family, guint8 *address, guint max_bits, guint8 *ret_prefix) {
  const char *slash = strchr(cidr, '/');
  guint64 bits;
  if (!slash || !g_ascii_string_to_unsigned(slash + 1, 10, 0, max_bits - 2, &bits, NULL)) return FALSE;
  g_autofree char *host = g_strndup(cidr, (gsize)(slash - cidr));
  if (inet_pton(family, host, address) != 1) return FALSE;
  for (guint bit = (guint)bits; bit < max_bits; bit++) address[bit / 8] &= (guint8)~(0x80u >> bit % 8);
  *ret_prefix = (guint8)bits;
  return TRUE;
}

gboolean wry_network_pair4(const char *cidr, WryIp4 *ret_gateway, WryIp4 *ret_guest) {
  WryIp4 network = {.set = 1};
  if (!parse_cidr(cidr, AF_INET, network.a, 32, &network.prefix)) return FALSE;
  *ret_gateway = *ret_guest = network;
  ret_gateway->a[3] |= 1;
  ret_guest->a[3] |= 2;
  return TRUE;
}

gboolean wry_network_pair6(const char *cidr, WryIp6 *ret_gateway, WryIp6 *ret_guest) {
  WryIp6 network = {.set = 1};
  if (!parse_cidr(cidr, AF_INET6, network.a, 128, &network.prefix)) return FALSE;
  *ret_gateway = *ret_guest = network;
  ret_gateway->a[15] |= 1;
  ret_guest->a[15] |= 2;
  return TRUE;
}

/* --- host ports ---------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean parse_port(const char *text, guint16 *ret_port) {
  guint64 value;
  if (!g_ascii_string_to_unsigned(text, 10, 1, 65535, &value, NULL)) return FALSE;
  *ret_port = (guint16)value;
  return TRUE;
}

static gboolean parse_forward(char *text, WrySetupForward *forward) {
  char *colon = strchr(text, ':'), *slash = strchr(text, '/');
  const char *protocol = slash ? slash + 1 : "tcp";
  if (!colon || (slash && slash < colon)) return FALSE;
  *colon = '\0';
  if (slash) *slash = '\0';
  gboolean tcp = g_ascii_strcasecmp(protocol, "tcp") == 0, udp = g_ascii_strcasecmp(protocol, "udp") == 0;
  forward->protocol = tcp ? WRY_PROTO_TCP : WRY_PROTO_UDP;
  return (tcp || udp) && parse_port(text, &forward->host_port) && parse_port(colon + 1, &forward->guest_port);
}

gboolean wry_host_ports_parse(const char *text, WrySetupRequest *setup, GError **error) {
  g_auto(GStrv) parts = g_strsplit(text, ",", -1);
  for (guint i = 0; parts[i]; i++) {
    char *part = g_strstrip(parts[i]);
    WrySetupForward forward = {0};
    g_autofree char *shown = g_strdup(part);
    if (setup->n_forwards >= WRY_MAX_SETUP_FORWARDS || !parse_forward(part, &forward)) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "annotation " WRY_HOST_PORTS_ANNOTATION ": \"%s\" is not <host port>:<guest port>[/tcp|/udp], at most %u of them", shown,
                  WRY_MAX_SETUP_FORWARDS);
      return FALSE;
    }
    setup->forwards[setup->n_forwards++] = forward;
  }
  return TRUE;
}

/* --- interfaces ---------------------------------------------------------------------------------------------------------------------------------------- */
/* Six pairs of hex digits with ':' or '-' between them. */
static gboolean parse_mac(const char *text, guint8 mac[6]) {
  if (strlen(text) != 17) return FALSE;
  for (guint i = 0; i < 17; i++)
    if (i % 3 == 2 ? text[i] != ':' && text[i] != '-' : !g_ascii_isxdigit(text[i])) return FALSE;
  for (guint i = 0; i < 6; i++) mac[i] = (guint8)(g_ascii_xdigit_value(text[3 * i]) << 4 | g_ascii_xdigit_value(text[3 * i + 1]));
  return TRUE;
}

/* Locally administered, the same for every start of the VM. Never 02:00:00:00:00:00, which is the bridge's. */
static void derive_mac(const char *vm, const char *interface, guint8 mac[6]) {
  g_autofree char *seed = g_strdup_printf("%s/%s", vm, interface);
  guint32 sum = wry_crc32c(seed, strlen(seed));
  const guint8 derived[6] = {0x02, 0x57, (guint8)(sum >> 24), (guint8)(sum >> 16), (guint8)(sum >> 8), (guint8)sum};
  memcpy(mac, derived, sizeof derived);
}

static gboolean set_mac(WrySetupInterface *made, const WryInterface *interface, const char *vm, GError **error) {
  if (interface->macAddress && !parse_mac(interface->macAddress, made->guest_mac)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "interface %s: malformed MAC address %s", interface->name, interface->macAddress);
    return FALSE;
  }
  if (!interface->macAddress && made->binding == WRY_BIND_MASQUERADE) derive_mac(vm, interface->name, made->guest_mac);
  return TRUE;
}

static void set_ports(WrySetupInterface *made, const WryInterface *interface) {
  for (guint i = 0; interface->ports && i < interface->ports->len && made->n_ports < WRY_MAX_PORTS; i++) {
    const WryPort *port = interface->ports->pdata[i];
    gboolean udp = port->protocol && g_ascii_strcasecmp(port->protocol, "udp") == 0;
    made->ports[made->n_ports++] = (WrySetupPort){.port = (guint16)port->port.v, .protocol = udp ? WRY_PROTO_UDP : WRY_PROTO_TCP};
  }
}

static gboolean set_masquerade(WrySetupInterface *made, const WryPodNetwork *pod, GError **error) {
  const char *network4 = pod->vmNetworkCIDR ? pod->vmNetworkCIDR : DEFAULT_NETWORK4, *network6 = pod->vmIPv6NetworkCIDR ? pod->vmIPv6NetworkCIDR : DEFAULT_NETWORK6;
  if (wry_network_pair4(network4, &made->gateway4, &made->guest4) && wry_network_pair6(network6, &made->gateway6, &made->guest6)) return TRUE;
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "pod network: %s or %s is no network of at least four addresses", network4, network6);
  return FALSE;
}

static guint16 queues_of(const WryVmiSpec *spec, const WryInterface *interface) {
  gboolean wanted = wry_opt_bool(spec->domain->devices->networkInterfaceMultiqueue, FALSE), is_virtio = !interface->model || strcmp(interface->model, "virtio") == 0;
  return wanted && is_virtio ? (guint16)CLAMP(wry_vmi_vcpus(spec), 1, 256) : 1;
}

static gboolean plan_interface(const WryVmiSpec *spec, const WryInterface *interface, const char *vm, WrySetupRequest *setup, GError **error) {
  const WryNetwork *network = wry_vmi_network(spec, interface->name);
  if (!network || !network->pod || setup->n_interfaces > 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED, "interface %s: only one interface on the pod network is supported by this version", interface->name);
    return FALSE;
  }
  WrySetupInterface *made = &setup->interfaces[setup->n_interfaces++];
  *made = (WrySetupInterface){.pod = "eth0", .bridge = "k6t-eth0", .tap = "tap0", .binding = interface->bridge ? WRY_BIND_BRIDGE : WRY_BIND_MASQUERADE};
  made->queues = queues_of(spec, interface);
  set_ports(made, interface);
  return set_mac(made, interface, vm, error) && (interface->bridge || set_masquerade(made, network->pod, error));
}

gboolean wry_network_plan(const WryVmi *vmi, const char *vm, WrySetupRequest *setup, GError **error) {
  const GPtrArray *interfaces = vmi->spec->domain->devices->interfaces;
  for (guint i = 0; interfaces && i < interfaces->len; i++)
    if (!plan_interface(vmi->spec, interfaces->pdata[i], vm, setup, error)) return FALSE;
  const char *ports = vmi->metadata->annotations ? wry_json_str(vmi->metadata->annotations, WRY_HOST_PORTS_ANNOTATION) : NULL;
  return !ports || wry_host_ports_parse(ports, setup, error);
}

/* --- what set-up made ---------------------------------------------------------------------------------------------------------------------------------- */
static char *text4(const WryIp4 *ip) {
  char text[INET_ADDRSTRLEN];
  return ip->set && inet_ntop(AF_INET, ip->a, text, sizeof text) ? g_strdup(text) : NULL;
}

static char *text6(const WryIp6 *ip) {
  char text[INET6_ADDRSTRLEN];
  return ip->set && inet_ntop(AF_INET6, ip->a, text, sizeof text) ? g_strdup(text) : NULL;
}

static void add_address(GPtrArray *list, char *take_text) {
  if (take_text) g_ptr_array_add(list, take_text);
}

static char *mac_text(const guint8 mac[6]) { return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]); }

static WryBundleInterface *tell_one(const char *name, const WrySetupInterface *asked, const WrySetupInterfaceResult *made) {
  static const guint8 no_mac[6] = {0};
  WryBundleInterface *told = g_new0(WryBundleInterface, 1);
  told->name = g_strdup(name);
  told->tap = g_strdup(asked->tap);
  told->bridge = g_strdup(asked->bridge);
  told->podInterface = g_strdup(asked->pod);
  told->mac = mac_text(memcmp(made->guest_mac, no_mac, 6) != 0 ? made->guest_mac : asked->guest_mac);
  told->mtu = (WryOptInt){made->mtu > 0, made->mtu};
  told->guest4 = text4(&made->guest4);
  told->gateway4 = text4(&made->gateway4);
  told->prefix4 = (WryOptInt){made->guest4.set, made->guest4.prefix};
  told->guest6 = text6(&made->guest6);
  told->gateway6 = text6(&made->gateway6);
  told->prefix6 = (WryOptInt){made->guest6.set, made->guest6.prefix};
  told->podIPs = g_ptr_array_new_with_free_func(g_free);
  add_address(told->podIPs, text4(&made->pod4));
  add_address(told->podIPs, text6(&made->pod6));
  return told;
}

void wry_network_tell(const WryVmi *vmi, const WrySetupRequest *setup, const WrySetupReply *reply, WryBundle *bundle) {
  const GPtrArray *interfaces = vmi->spec->domain->devices->interfaces;
  if (!bundle->interfaces) bundle->interfaces = g_ptr_array_new();
  for (guint i = 0; interfaces && i < interfaces->len && i < setup->n_interfaces && i < reply->n_interfaces && i < G_N_ELEMENTS(reply->interfaces); i++)
    g_ptr_array_add(bundle->interfaces, tell_one(((const WryInterface *)interfaces->pdata[i])->name, &setup->interfaces[i], &reply->interfaces[i]));
}
