/* The servers' edge: sockets on the GLib loop. A datagram is answered at once or dropped; nothing is kept per client. At most a batch of datagrams is handled per wake-up, so a flooding
 * guest costs its launcher some CPU time and its own cgroup pays. Advertisements are sent at the start and on solicitation, never by a timer: a guest that
 * comes later solicits. */
#include "launcher/net/dhcp.h"
#include "wherry/error.h"
#include <arpa/inet.h>
#include <errno.h>
#include <glib-unix.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 16

struct WryDhcpServer {
  int fd;
  guint source;
  unsigned index;
  uint8_t what;
  WryLease lease;
  GStrv nameservers, searches, ntp_servers;
  char *hostname, *domain, *boot_file, *tftp_server;
  GArray *privates;
};

static void answer4(WryDhcpServer *s, const uint8_t *m, gsize length) {
  uint8_t reply[WRY_DHCP_MAX_REPLY];
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(68)};
  gsize n = wry_dhcp4_answer(&s->lease, m, length, reply, (uint8_t *)&to.sin_addr);
  if (to.sin_addr.s_addr == 0)
    to.sin_addr.s_addr = INADDR_BROADCAST;
  if (n)
    (void)!sendto(s->fd, reply, n, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to);
}

static void answer6(WryDhcpServer *s, const uint8_t *m, gsize length, const struct sockaddr_in6 *from) {
  uint8_t reply[WRY_DHCP_MAX_REPLY];
  gsize n = wry_dhcp6_answer(&s->lease, m, length, reply);
  if (n)
    (void)!sendto(s->fd, reply, n, MSG_DONTWAIT, (const struct sockaddr *)from, sizeof *from);
}

static void advertise(WryDhcpServer *s) {
  uint8_t reply[WRY_DHCP_MAX_REPLY];
  struct sockaddr_in6 all = {.sin6_family = AF_INET6, .sin6_scope_id = s->index};
  gsize n = wry_ra_advertise(&s->lease, reply);
  inet_pton(AF_INET6, "ff02::1", &all.sin6_addr);
  (void)!sendto(s->fd, reply, n, MSG_DONTWAIT, (struct sockaddr *)&all, sizeof all);
}

static gboolean readable(gint fd, GIOCondition condition, gpointer data) {
  WryDhcpServer *s = data;
  (void)condition;
  for (int i = 0; i < BATCH; i++) {
    uint8_t m[2048];
    struct sockaddr_in6 from = {0};
    socklen_t size = sizeof from;
    ssize_t n = recvfrom(fd, m, sizeof m, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
    if (n < 0)
      break;
    if (s->what == WRY_SETUP_FD_DHCP4)
      answer4(s, m, (gsize)n);
    else if (s->what == WRY_SETUP_FD_DHCP6)
      answer6(s, m, (gsize)n, &from);
    else if (wry_ra_solicited(m, (gsize)n))
      advertise(s);
  }
  return G_SOURCE_CONTINUE;
}

/* The lease with strings of its own. */
static void copy_lease(WryDhcpServer *s, const WryLease *lease) {
  static const WryDhcpPrivate end = {0};
  s->lease = *lease;
  s->lease.nameservers = (const char *const *)(s->nameservers = g_strdupv((GStrv)lease->nameservers));
  s->lease.searches = (const char *const *)(s->searches = g_strdupv((GStrv)lease->searches));
  s->lease.ntp_servers = (const char *const *)(s->ntp_servers = g_strdupv((GStrv)lease->ntp_servers));
  s->lease.hostname = s->hostname = g_strdup(lease->hostname);
  s->lease.domain = s->domain = g_strdup(lease->domain);
  s->lease.boot_file = s->boot_file = g_strdup(lease->boot_file);
  s->lease.tftp_server = s->tftp_server = g_strdup(lease->tftp_server);
  s->privates = g_array_new(FALSE, TRUE, sizeof(WryDhcpPrivate));
  for (const WryDhcpPrivate *p = lease->privates; p && p->option; p++)
    g_array_append_val(s->privates, ((WryDhcpPrivate){p->option, g_strdup(p->value)}));
  g_array_append_val(s->privates, end);
  s->lease.privates = (const WryDhcpPrivate *)s->privates->data;
}

WryDhcpServer *wry_dhcp_serve(uint8_t what, int take_fd, const char *bridge, const WryLease *lease, GError **error) {
  if (what < WRY_SETUP_FD_DHCP4 || what > WRY_SETUP_FD_RA) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "socket for unknown purpose %u", what);
    close(take_fd);
    return NULL;
  }
  WryDhcpServer *s = g_new0(WryDhcpServer, 1);
  s->fd = take_fd;
  s->what = what;
  s->index = if_nametoindex(bridge);
  copy_lease(s, lease);
  s->source = g_unix_fd_add(take_fd, G_IO_IN, readable, s);
  if (what == WRY_SETUP_FD_RA)
    advertise(s);
  return s;
}

void wry_dhcp_server_free(WryDhcpServer *s) {
  if (!s)
    return;
  g_source_remove(s->source);
  close(s->fd);
  g_strfreev(s->nameservers);
  g_strfreev(s->searches);
  g_strfreev(s->ntp_servers);
  g_free(s->hostname);
  g_free(s->domain);
  g_free(s->boot_file);
  g_free(s->tftp_server);
  for (guint i = 0; i + 1 < s->privates->len; i++)
    g_free((char *)g_array_index(s->privates, WryDhcpPrivate, i).value);
  g_array_unref(s->privates);
  g_free(s);
}
