/* Sockets for DHCP (RFC 2131), DHCPv6 (RFC 8415) and router advertisements (RFC 4861): opened with privilege here, served without in `launcher run`. */
#include "launcher/net/sockets.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static int fail(GError **error, const char *what) {
  wry_errno(error, errno, "%s socket", what);
  return -1;
}

static gboolean option(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

static gboolean to_bridge(int fd, const char *bridge) {
  return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, bridge, (socklen_t)strlen(bridge) + 1) == 0;
}

int wry_socket_dhcp4(const char *bridge, GError **error) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(67)};
  wry_autofd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || !option(fd, SOL_SOCKET, SO_REUSEADDR, 1) || !option(fd, SOL_SOCKET, SO_BROADCAST, 1) || !to_bridge(fd, bridge) ||
      bind(fd, (struct sockaddr *)&any, sizeof any) != 0)
    return fail(error, "DHCP");
  return g_steal_fd(&fd);
}

static gboolean join_group(int fd, const char *group, int index) {
  struct ipv6_mreq request = {.ipv6mr_interface = (unsigned)index};
  return inet_pton(AF_INET6, group, &request.ipv6mr_multiaddr) == 1 && setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &request, sizeof request) == 0;
}

int wry_socket_dhcp6(const char *bridge, int index, GError **error) {
  struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(547)};
  wry_autofd int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || !option(fd, SOL_SOCKET, SO_REUSEADDR, 1) || !option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) || !to_bridge(fd, bridge) ||
      bind(fd, (struct sockaddr *)&any, sizeof any) != 0 || !join_group(fd, "ff02::1:2", index))
    return fail(error, "DHCPv6");
  return g_steal_fd(&fd);
}

int wry_socket_ra(const char *bridge, int index, GError **error) {
  struct icmp6_filter filter;
  wry_autofd int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
  ICMP6_FILTER_SETBLOCKALL(&filter);
  ICMP6_FILTER_SETPASS(ND_ROUTER_SOLICIT, &filter);
  if (fd < 0 || !to_bridge(fd, bridge) || setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter) != 0 ||
      !option(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 255) || !option(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 255) || !option(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) ||
      !option(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, index) || !join_group(fd, "ff02::2", index))
    return fail(error, "router advertisement");
  return g_steal_fd(&fd);
}
