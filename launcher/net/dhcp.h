#pragma once
/* The guest's one lease: DHCPv4 (RFC 2131), stateful DHCPv6 (RFC 8415) and router advertisements (RFC 4861), served by `launcher run` on sockets that setup opened. Every
 * byte that comes in is the guest's and hostile: the codecs are pure, read only inside what arrived, and answer with what they were given or not at all. */
#include <glib.h>
#include "wherry/setup.h"

#define WRY_DHCP_LEASE_SECONDS (999u * 24 * 3600) /* KubeVirt's */
#define WRY_DHCP_MAX_REPLY 1472u

typedef struct {
  uint8_t option;   /* 224 .. 254 */
  const char *value;
} WryDhcpPrivate;

/* What is handed out. Pointers are borrowed. */
typedef struct {
  uint8_t server_mac[6];       /* of the bridge */
  uint8_t guest_mac[6];        /* only this one is answered; all zero = any (masquerade) */
  uint16_t mtu;
  WryIp4 guest4, gateway4;     /* gateway unset: no router */
  WryIp6 guest6, gateway6;
  const char *hostname, *domain;
  const char *const *nameservers; /* NULL-terminated; both families mixed, each protocol takes its own */
  const char *const *searches;    /* NULL-terminated */
  const char *boot_file, *tftp_server;
  const char *const *ntp_servers; /* NULL-terminated */
  const WryDhcpPrivate *privates; /* ends with option 0 */
} WryLease;

/* Length of the answer written to `reply` (WRY_DHCP_MAX_REPLY bytes), 0 = none. *ret_unicast4: the address to send to instead of broadcast, all zero = broadcast. */
gsize wry_dhcp4_answer(const WryLease *lease, const uint8_t *request, gsize length, uint8_t *reply, uint8_t ret_unicast4[4]);
gsize wry_dhcp6_answer(const WryLease *lease, const uint8_t *request, gsize length, uint8_t *reply);
/* Whether a router solicitation is well-formed (the kernel filtered the type), and the advertisement: managed addresses, this gateway as router, MTU, no prefix. */
gboolean wry_ra_solicited(const uint8_t *request, gsize length);
gsize wry_ra_advertise(const WryLease *lease, uint8_t *reply);

/* A server on one of setup's sockets, on the default GMainContext. `what` is WRY_SETUP_FD_*. The lease's strings are copied. A router also advertises once at its start. */
typedef struct WryDhcpServer WryDhcpServer;
WryDhcpServer *wry_dhcp_serve(uint8_t what, int take_fd, const char *bridge, const WryLease *lease, GError **error);
void wry_dhcp_server_free(WryDhcpServer *server);
