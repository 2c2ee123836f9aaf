/* What the guest's DHCP and IPv6 get: a lease made from the bundle for each socket that setup opened. */
#include "launcher/run.h"
#include "wherry/log.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static WryIp4 ip4(const char *text, gint64 prefix) {
  WryIp4 ip = {.prefix = (uint8_t)prefix};
  ip.set = text && inet_pton(AF_INET, text, ip.a) == 1;
  return ip;
}

static WryIp6 ip6(const char *text, gint64 prefix) {
  WryIp6 ip = {.prefix = (uint8_t)prefix};
  ip.set = text && inet_pton(AF_INET6, text, ip.a) == 1;
  return ip;
}

static void parse_mac(const char *text, uint8_t mac[6]) {
  unsigned b[6];
  if (text && sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) == 6)
    for (int i = 0; i < 6; i++)
      mac[i] = (uint8_t)b[i];
}

static void bridge_mac(int socket, const char *bridge, uint8_t mac[6]) {
  struct ifreq request = {0};
  g_strlcpy(request.ifr_name, bridge, sizeof request.ifr_name);
  if (ioctl(socket, SIOCGIFHWADDR, &request) == 0)
    memcpy(mac, request.ifr_hwaddr.sa_data, 6);
}

/* A NULL-terminated view of a list of strings; the strings are borrowed. */
static const char **view(const GPtrArray *strings) {
  guint n = strings ? strings->len : 0;
  const char **out = g_new0(const char *, n + 1);
  for (guint i = 0; i < n; i++)
    out[i] = g_ptr_array_index(strings, i);
  return out;
}

static WryDhcpPrivate *privates(const WryDhcpOptions *options) {
  const GPtrArray *list = options ? options->privateOptions : NULL;
  guint n = list ? list->len : 0;
  WryDhcpPrivate *out = g_new0(WryDhcpPrivate, n + 1);
  for (guint i = 0; i < n; i++) {
    const WryDhcpPrivateOption *option = g_ptr_array_index(list, i);
    out[i] = (WryDhcpPrivate){(uint8_t)option->option.v, option->value};
  }
  return out;
}

static const WryDhcpOptions *options_of(const WryRun *run, const char *name) {
  const GPtrArray *list = run->vmi->spec->domain->devices->interfaces;
  for (guint i = 0; list && i < list->len; i++) {
    const WryInterface *interface = g_ptr_array_index(list, i);
    if (strcmp(interface->name, name) == 0)
      return interface->dhcpOptions;
  }
  return NULL;
}

static void serve(WryRun *run, const WryInheritedSocket *socket, const WryBundleInterface *interface) {
  g_autoptr(GError) error = NULL;
  const WryDhcpOptions *options = options_of(run, interface->name);
  g_autofree char *hostname = wry_domain_hostname(run->vmi);
  g_autofree const char **nameservers = view(run->bundle->node->nameservers), **searches = view(run->bundle->node->searches),
                        **ntp = view(options ? options->ntpServers : NULL);
  g_autofree WryDhcpPrivate *private = privates(options);
  WryLease lease = {.mtu = (uint16_t)(interface->mtu.set ? interface->mtu.v : 0),
                    .guest4 = ip4(interface->guest4, interface->prefix4.v), .gateway4 = ip4(interface->gateway4, interface->prefix4.v),
                    .guest6 = ip6(interface->guest6, interface->prefix6.v), .gateway6 = ip6(interface->gateway6, interface->prefix6.v),
                    .hostname = hostname, .domain = searches[0], .nameservers = nameservers, .searches = searches,
                    .boot_file = options ? options->bootFileName : NULL, .tftp_server = options ? options->tftpServerName : NULL, .ntp_servers = ntp, .privates = private};
  const WryDomainInterface *planned = socket->interface < run->plan->interfaces->len ? g_ptr_array_index(run->plan->interfaces, socket->interface) : NULL;
  if (planned && !planned->interface->masquerade) /* on a bridge other machines ask too */
    parse_mac(planned->mac, lease.guest_mac);
  bridge_mac(socket->fd, interface->bridge, lease.server_mac);
  WryDhcpServer *server = wry_dhcp_serve((uint8_t)socket->what, socket->fd, interface->bridge, &lease, &error);
  if (server)
    g_ptr_array_add(run->servers, server);
  else
    wry_log(WRY_LOG_WARNING, "no address for the guest's interface", "interface", interface->name, "why", error->message, NULL);
}

void wry_run_serve_network(WryRun *run) {
  const GPtrArray *interfaces = run->bundle->interfaces;
  g_autoptr(GError) error = NULL;
  if (run->servers || !run->plan || !interfaces || interfaces->len == 0)
    return;
  run->servers = g_ptr_array_new_with_free_func((GDestroyNotify)wry_dhcp_server_free);
  g_autoptr(GArray) sockets = wry_inherited_sockets(run->inherited.setup, &error);
  if (!sockets)
    wry_log(WRY_LOG_WARNING, "no addresses for the guest", "why", error->message, NULL);
  for (guint i = 0; sockets && i < sockets->len; i++) {
    const WryInheritedSocket *socket = &g_array_index(sockets, WryInheritedSocket, i);
    if (socket->interface < interfaces->len)
      serve(run, socket, g_ptr_array_index(interfaces, socket->interface));
    else
      close(socket->fd);
  }
}
