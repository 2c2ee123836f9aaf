/* Merging the guest's view of its interfaces into the domain's (contract 3.5). Whose addresses count is decided per family: the domain's (by which others reach the guest) stay
 * when the agent reports some of that family, else what the agent reports, which may be nothing. */
#include "launcher/agent.h"
#include "wherry/limits.h"
#include <arpa/inet.h>
#include <string.h>

#define MAX_GUEST_ONLY 10u

static const int families[] = {AF_INET, AF_INET6};

static gboolean is_of_family(const char *text, int family) {
  return (strchr(text, ':') != NULL) == (family == AF_INET6);
}

static gboolean is_link_local(const char *text) {
  struct in6_addr a;
  return inet_pton(AF_INET6, text, &a) == 1 && IN6_IS_ADDR_LINKLOCAL(&a);
}

/* Appends the addresses of `family`, at most WRY_MAX_AGENT_ADDRESSES in all. */
static void add_agent(GPtrArray *to, WryJson *addresses, int family, gboolean drop_link_local) {
  for (gsize i = 0; addresses && i < json_object_array_length(addresses) && to->len < WRY_MAX_AGENT_ADDRESSES; i++) {
    const char *text = json_object_get_string(json_object_array_get_idx(addresses, i));
    if (is_of_family(text, family) && !(drop_link_local && is_link_local(text)))
      g_ptr_array_add(to, g_strdup(text));
  }
}

static void add_domain(GPtrArray *to, GPtrArray *addresses, int family) {
  for (guint i = 0; addresses && i < addresses->len; i++)
    if (is_of_family(g_ptr_array_index(addresses, i), family))
      g_ptr_array_add(to, g_strdup(g_ptr_array_index(addresses, i)));
}

static void merge_addresses(WryReportInterface *interface, WryJson *agent, gboolean drop_link_local) {
  GPtrArray *merged = g_ptr_array_new_with_free_func(g_free);
  for (gsize f = 0; f < G_N_ELEMENTS(families); f++) {
    g_autoptr(GPtrArray) domain = g_ptr_array_new_with_free_func(g_free), guest = g_ptr_array_new_with_free_func(g_free);
    add_domain(domain, interface->ipAddresses, families[f]);
    add_agent(guest, agent, families[f], drop_link_local);
    GPtrArray *from = domain->len > 0 && guest->len > 0 ? domain : guest;
    for (guint i = 0; i < from->len; i++)
      g_ptr_array_add(merged, g_strdup(g_ptr_array_index(from, i)));
  }
  g_clear_pointer(&interface->ipAddresses, g_ptr_array_unref);
  interface->ipAddresses = merged;
  g_free(interface->ipAddress);
  interface->ipAddress = merged->len > 0 ? g_strdup(g_ptr_array_index(merged, 0)) : NULL;
}

static void set(char **member, const char *value) {
  g_free(*member);
  *member = g_strdup(value);
}

static WryReportInterface *find(GPtrArray *interfaces, const char *mac) {
  for (guint i = 0; mac && i < interfaces->len; i++) {
    WryReportInterface *interface = g_ptr_array_index(interfaces, i);
    if (interface->mac && g_ascii_strcasecmp(interface->mac, mac) == 0)
      return interface;
  }
  return NULL;
}

static WryReportInterface *append_guest_only(GPtrArray *interfaces, const char *mac) {
  WryReportInterface *interface = g_new0(WryReportInterface, 1);
  interface->mac = g_strdup(mac);
  interface->infoSource = g_strdup("guest-agent");
  g_ptr_array_add(interfaces, interface);
  return interface;
}

void wry_agent_merge_interfaces(GPtrArray *interfaces, WryJson *agent, gboolean drop_link_local) {
  guint guest_only = 0;
  for (gsize i = 0; agent && i < json_object_array_length(agent); i++) {
    WryJson *seen = json_object_array_get_idx(agent, i);
    const char *mac = wry_json_str(seen, "mac");
    WryReportInterface *interface = find(interfaces, mac);
    if (interface)
      set(&interface->infoSource, "domain, guest-agent");
    else if (guest_only++ < MAX_GUEST_ONLY)
      interface = append_guest_only(interfaces, mac);
    else
      continue;
    set(&interface->interfaceName, wry_json_str(seen, "name"));
    merge_addresses(interface, wry_json_get(seen, "ipAddresses"), drop_link_local);
  }
}
