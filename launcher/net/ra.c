/* Router advertisements (RFC 4861): the bridge is the guest's router; addresses come from DHCPv6 (M and O flags), so there is no prefix to configure from. KubeVirt sends none,
 * which leaves its IPv6 guests without a default route. */
#include "launcher/net/dhcp.h"
#include "launcher/net/wirebuf.h"

enum { TYPE_SOLICIT = 133, TYPE_ADVERTISE = 134, HOP_LIMIT = 64, FLAGS_MANAGED_OTHER = 0xc0, ROUTER_LIFETIME = 9000 };
enum { OPT_SOURCE_LINK = 1, OPT_MTU = 5 };

/* Type, code and options whose length is not zero and which end where the packet ends (RFC 4861 6.1.1; checksum and hop limit are the socket's). */
gboolean wry_ra_solicited(const uint8_t *m, gsize length) {
  if (length < 8 || m[0] != TYPE_SOLICIT || m[1] != 0)
    return FALSE;
  for (gsize i = 8; i < length;) {
    if (i + 2 > length || m[i + 1] == 0 || i + m[i + 1] * 8u > length)
      return FALSE;
    i += m[i + 1] * 8u;
  }
  return TRUE;
}

gsize wry_ra_advertise(const WryLease *lease, uint8_t *reply) {
  WireBuf b = {reply, reply + WRY_DHCP_MAX_REPLY, 0};
  wirebuf_u8(&b, TYPE_ADVERTISE);
  wirebuf_u8(&b, 0);
  wirebuf_u16(&b, 0); /* checksum: the kernel's */
  wirebuf_u8(&b, HOP_LIMIT);
  wirebuf_u8(&b, FLAGS_MANAGED_OTHER);
  wirebuf_u16(&b, ROUTER_LIFETIME);
  wirebuf_u32(&b, 0);
  wirebuf_u32(&b, 0);
  wirebuf_u8(&b, OPT_SOURCE_LINK);
  wirebuf_u8(&b, 1);
  wirebuf_bytes(&b, lease->server_mac, 6);
  if (lease->mtu) {
    wirebuf_u8(&b, OPT_MTU);
    wirebuf_u8(&b, 1);
    wirebuf_u16(&b, 0);
    wirebuf_u32(&b, lease->mtu);
  }
  return (gsize)(b.at - reply);
}
