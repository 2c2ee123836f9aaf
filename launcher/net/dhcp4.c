/* DHCPv4 for one lease (RFC 2131, 2132): DISCOVER is offered, REQUEST for our address acknowledged and for any other refused, INFORM answered without an address; everything else is
 * silence. Options are rows of a table, each written only when the lease has it and the client has asked for it or asks for nothing in particular. */
#include "launcher/net/dhcp.h"
#include "launcher/net/dhcp_name.h"
#include <arpa/inet.h>

enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM };
enum { HEADER = 236, COOKIE = 4, MIN_REPLY = 300 };
static const uint8_t cookie[COOKIE] = {99, 130, 83, 99};

typedef struct {
  uint8_t type;
  uint8_t requested[4], server[4];
  gboolean has_requested, has_server;
  const uint8_t *wish;
  gsize n_wish;
} Parsed;

static void take_option(Parsed *p, uint8_t code, const uint8_t *value, gsize length) {
  if (code == 53 && length == 1)
    p->type = value[0];
  if (code == 50 && length == 4) {
    memcpy(p->requested, value, 4);
    p->has_requested = TRUE;
  }
  if (code == 54 && length == 4) {
    memcpy(p->server, value, 4);
    p->has_server = TRUE;
  }
  if (code == 55) {
    p->wish = value;
    p->n_wish = length;
  }
}

/* FALSE when the packet is no request of a client on Ethernet or its options run over its end. Option overload (52) is not followed: no client needs it towards us. */
static gboolean parse(const uint8_t *m, gsize length, Parsed *p) {
  if (length < HEADER + COOKIE || m[0] != 1 || m[1] != 1 || m[2] != 6 || memcmp(m + HEADER, cookie, COOKIE) != 0)
    return FALSE;
  for (gsize i = HEADER + COOKIE; i < length && m[i] != 255;) {
    if (m[i] == 0) {
      i++;
      continue;
    }
    if (i + 2 > length || i + 2 + m[i + 1] > length)
      return FALSE;
    take_option(p, m[i], m + i + 2, m[i + 1]);
    i += 2u + m[i + 1];
  }
  return p->type != 0;
}

static gboolean wished(const Parsed *p, uint8_t code) {
  return p->n_wish == 0 || memchr(p->wish, code, p->n_wish) != NULL;
}

static void option(WireBuf *b, uint8_t code, const void *value, gsize length) {
  if (length == 0 || length > 255 || !wirebuf_room(b, length + 2))
    return;
  wirebuf_u8(b, code);
  wirebuf_u8(b, (unsigned)length);
  wirebuf_bytes(b, value, length);
}

static void option_text(WireBuf *b, uint8_t code, const char *text) {
  if (text)
    option(b, code, text, strlen(text));
}

static void option_addresses(WireBuf *b, uint8_t code, const char *const *list) {
  uint8_t bytes[4 * 16];
  gsize n = 0;
  for (; list && *list && n < sizeof bytes; list++)
    if (inet_pton(AF_INET, *list, bytes + n) == 1)
      n += 4;
  option(b, code, bytes, n);
}

static void put_mask(WireBuf *b, const WryLease *lease) {
  uint32_t mask = lease->guest4.prefix ? htonl(0xffffffffu << (32 - lease->guest4.prefix)) : 0;
  option(b, 1, &mask, 4);
}
static void put_router(WireBuf *b, const WryLease *lease) {
  option(b, 3, lease->gateway4.a, lease->gateway4.set ? 4 : 0);
}
static void put_dns(WireBuf *b, const WryLease *lease) {
  option_addresses(b, 6, lease->nameservers);
}
static void put_hostname(WireBuf *b, const WryLease *lease) {
  option_text(b, 12, lease->hostname);
}
static void put_domain(WireBuf *b, const WryLease *lease) {
  option_text(b, 15, lease->domain);
}
static void put_mtu(WireBuf *b, const WryLease *lease) {
  uint8_t mtu[2] = {(uint8_t)(lease->mtu >> 8), (uint8_t)lease->mtu};
  option(b, 26, mtu, lease->mtu ? 2 : 0);
}
static void put_ntp(WireBuf *b, const WryLease *lease) {
  option_addresses(b, 42, lease->ntp_servers);
}
static void put_tftp(WireBuf *b, const WryLease *lease) {
  option_text(b, 66, lease->tftp_server);
}
static void put_boot_file(WireBuf *b, const WryLease *lease) {
  option_text(b, 67, lease->boot_file);
}
static void put_searches(WireBuf *b, const WryLease *lease) {
  uint8_t bytes[255];
  WireBuf names = {bytes, bytes + sizeof bytes, 0};
  for (const char *const *s = lease->searches; s && *s; s++)
    wirebuf_name(&names, *s);
  option(b, 119, bytes, (gsize)(names.at - bytes));
}
/* Classless static routes replace option 3 for clients that know them (RFC 3442), so the default route is in them, last. */
static void put_routes(WireBuf *b, const WryLease *lease) {
  uint8_t route[5] = {0, lease->gateway4.a[0], lease->gateway4.a[1], lease->gateway4.a[2], lease->gateway4.a[3]};
  option(b, 121, route, lease->gateway4.set ? 5 : 0);
}

static const struct { uint8_t code; void (*put)(WireBuf *b, const WryLease *lease); } options[] = {
    {1, put_mask}, {3, put_router}, {6, put_dns}, {12, put_hostname}, {15, put_domain}, {26, put_mtu}, {42, put_ntp}, {66, put_tftp}, {67, put_boot_file},
    {119, put_searches}, {121, put_routes},
};

static void put_options(WireBuf *b, const WryLease *lease, const Parsed *p) {
  for (gsize i = 0; i < G_N_ELEMENTS(options); i++)
    if (wished(p, options[i].code))
      options[i].put(b, lease);
  for (const WryDhcpPrivate *private = lease->privates; private && private->option; private++)
    option_text(b, private->option, private->value);
}

/* Our own address towards the guest: the gateway, or for a bridged guest (which has the network's own router) the bridge's. */
static void server_id(const WryLease *lease, uint8_t id[4]) {
  static const uint8_t bridge[4] = {169, 254, 75, 10};
  memcpy(id, lease->gateway4.set && memcmp(lease->guest_mac, "\0\0\0\0\0\0", 6) == 0 ? lease->gateway4.a : bridge, 4);
}

static uint8_t answer_type(const WryLease *lease, const uint8_t *m, const Parsed *p) {
  uint8_t id[4];
  server_id(lease, id);
  if (p->type == DISCOVER)
    return OFFER;
  if (p->type == INFORM)
    return ACK;
  if (p->type != REQUEST || (p->has_server && memcmp(p->server, id, 4) != 0))
    return 0;
  const uint8_t *asked = p->has_requested ? p->requested : m + 12;
  return memcmp(asked, lease->guest4.a, 4) == 0 ? ACK : NAK;
}

static void put_header(WireBuf *b, const WryLease *lease, const uint8_t *m, uint8_t type, gboolean with_address, const uint8_t id[4]) {
  uint8_t header[HEADER] = {2, 1, 6};
  memcpy(header + 4, m + 4, 4);   /* xid */
  memcpy(header + 10, m + 10, 2); /* flags */
  if (type == ACK)
    memcpy(header + 12, m + 12, 4); /* ciaddr */
  if (with_address)
    memcpy(header + 16, lease->guest4.a, 4);
  memcpy(header + 20, id, 4);
  memcpy(header + 28, m + 28, 16); /* chaddr */
  if (lease->boot_file)
    g_strlcpy((char *)header + 108, lease->boot_file, 128);
  wirebuf_bytes(b, header, sizeof header);
  wirebuf_bytes(b, cookie, COOKIE);
}

gsize wry_dhcp4_answer(const WryLease *lease, const uint8_t *m, gsize length, uint8_t *reply, uint8_t ret_unicast4[4]) {
  Parsed p = {0};
  uint8_t id[4];
  gboolean any = memcmp(lease->guest_mac, "\0\0\0\0\0\0", 6) == 0;
  memset(ret_unicast4, 0, 4);
  if (!lease->guest4.set || !parse(m, length, &p) || (!any && memcmp(m + 28, lease->guest_mac, 6) != 0))
    return 0;
  uint8_t type = answer_type(lease, m, &p);
  if (type == 0)
    return 0;
  gboolean with_address = type != NAK && p.type != INFORM;
  uint32_t lease_time = htonl(WRY_DHCP_LEASE_SECONDS);
  WireBuf b = {reply, reply + WRY_DHCP_MAX_REPLY, 0};
  server_id(lease, id);
  put_header(&b, lease, m, type, with_address, id);
  option(&b, 53, &type, 1);
  option(&b, 54, id, 4);
  if (with_address)
    option(&b, 51, &lease_time, 4);
  if (type != NAK)
    put_options(&b, lease, &p);
  wirebuf_u8(&b, 255);
  while (b.at < reply + MIN_REPLY)
    wirebuf_u8(&b, 0);
  if (type == ACK && memcmp(m + 12, "\0\0\0\0", 4) != 0)
    memcpy(ret_unicast4, m + 12, 4);
  return (gsize)(b.at - reply);
}
