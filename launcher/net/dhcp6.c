/* Stateful DHCPv6 for one lease (RFC 8415): SOLICIT is advertised (or replied to with Rapid Commit), REQUEST, CONFIRM, RENEW, REBIND, RELEASE, DECLINE and INFORMATION-REQUEST get a
 * reply. One IA_NA with one address for ever; DNS servers and search list when the lease has them. */
#include "launcher/net/dhcp.h"
#include "launcher/net/dhcp_name.h"
#include <arpa/inet.h>

enum { SOLICIT = 1, ADVERTISE, REQUEST, CONFIRM, RENEW, REBIND, REPLY, RELEASE, DECLINE, RECONFIGURE, INFORMATION_REQUEST };
enum { OPT_CLIENTID = 1, OPT_SERVERID, OPT_IA_NA, OPT_IA_TA, OPT_IAADDR, OPT_STATUS = 13, OPT_RAPID_COMMIT = 14, OPT_DNS = 23, OPT_DOMAINS = 24 };
#define MAX_DUID 130u
#define FOREVER 0xffffffffu

typedef struct {
  uint8_t type;
  const uint8_t *client, *server;
  gsize n_client, n_server;
  gboolean ia, rapid;
  uint8_t iaid[4];
} Parsed;

static gboolean take_option(Parsed *p, unsigned code, const uint8_t *value, gsize length) {
  if (code == OPT_CLIENTID) {
    if (p->client || length == 0 || length > MAX_DUID)
      return FALSE;
    p->client = value;
    p->n_client = length;
  } else if (code == OPT_SERVERID) {
    p->server = value;
    p->n_server = length;
  } else if (code == OPT_IA_NA && length >= 12 && !p->ia) {
    p->ia = TRUE;
    memcpy(p->iaid, value, 4);
  } else if (code == OPT_RAPID_COMMIT) {
    p->rapid = TRUE;
  }
  return TRUE;
}

static gboolean parse(const uint8_t *m, gsize length, Parsed *p) {
  if (length < 4)
    return FALSE;
  p->type = m[0];
  for (gsize i = 4; i < length;) {
    if (i + 4 > length)
      return FALSE;
    gsize n = wire_u16(m + i + 2);
    if (i + 4 + n > length || !take_option(p, wire_u16(m + i), m + i + 4, n))
      return FALSE;
    i += 4 + n;
  }
  return TRUE;
}

/* DUID-LL of the bridge. */
static void duid(const WryLease *lease, uint8_t id[10]) {
  static const uint8_t start[4] = {0, 3, 0, 1};
  memcpy(id, start, 4);
  memcpy(id + 4, lease->server_mac, 6);
}

/* What a message type demands (RFC 8415 16): our server id, none, or either. */
typedef enum { SERVER_NONE = 1, SERVER_OURS, SERVER_ANY } ServerId;
typedef struct { uint8_t answer; ServerId server; gboolean client, address, status; } Rule;
static const Rule rules[] = {
    [SOLICIT] = {ADVERTISE, SERVER_NONE, TRUE, TRUE, FALSE}, [REQUEST] = {REPLY, SERVER_OURS, TRUE, TRUE, FALSE},
    [CONFIRM] = {REPLY, SERVER_NONE, TRUE, FALSE, TRUE},     [RENEW] = {REPLY, SERVER_OURS, TRUE, TRUE, FALSE},
    [REBIND] = {REPLY, SERVER_NONE, TRUE, TRUE, FALSE},      [RELEASE] = {REPLY, SERVER_OURS, TRUE, FALSE, TRUE},
    [DECLINE] = {REPLY, SERVER_OURS, TRUE, FALSE, TRUE},     [INFORMATION_REQUEST] = {REPLY, SERVER_ANY, FALSE, FALSE, FALSE},
};

static const Rule *rule_for(const WryLease *lease, const Parsed *p) {
  uint8_t id[10];
  duid(lease, id);
  if (p->type >= G_N_ELEMENTS(rules) || rules[p->type].answer == 0)
    return NULL;
  const Rule *rule = &rules[p->type];
  gboolean ours = p->server && p->n_server == sizeof id && memcmp(p->server, id, sizeof id) == 0;
  if ((rule->client && !p->client) || (rule->server == SERVER_NONE && p->server) || (rule->server == SERVER_OURS && !ours) || (p->server && !ours))
    return NULL;
  return rule;
}

static void put_option(WireBuf *b, unsigned code, const void *value, gsize length) {
  if (!wirebuf_room(b, length + 4))
    return;
  wirebuf_u16(b, code);
  wirebuf_u16(b, (unsigned)length);
  wirebuf_bytes(b, value, length);
}

static void put_address(WireBuf *b, const WryLease *lease, const Parsed *p) {
  if (!wirebuf_room(b, 4 + 12 + 4 + 24))
    return;
  wirebuf_u16(b, OPT_IA_NA);
  wirebuf_u16(b, 12 + 4 + 24);
  wirebuf_bytes(b, p->iaid, 4);
  wirebuf_u32(b, 0); /* T1 and T2: the client's choice */
  wirebuf_u32(b, 0);
  wirebuf_u16(b, OPT_IAADDR);
  wirebuf_u16(b, 24);
  wirebuf_bytes(b, lease->guest6.a, 16);
  wirebuf_u32(b, FOREVER);
  wirebuf_u32(b, FOREVER);
}

static void put_dns(WireBuf *b, const WryLease *lease) {
  uint8_t servers[16 * 8], names[512];
  gsize n = 0;
  WireBuf list = {names, names + sizeof names, 0};
  for (const char *const *s = lease->nameservers; s && *s && n < sizeof servers; s++)
    if (inet_pton(AF_INET6, *s, servers + n) == 1)
      n += 16;
  if (n)
    put_option(b, OPT_DNS, servers, n);
  for (const char *const *s = lease->searches; s && *s; s++)
    wirebuf_name(&list, *s);
  if (list.at > names)
    put_option(b, OPT_DOMAINS, names, (gsize)(list.at - names));
}

gsize wry_dhcp6_answer(const WryLease *lease, const uint8_t *m, gsize length, uint8_t *reply) {
  Parsed p = {0};
  uint8_t id[10];
  static const uint8_t success[2] = {0, 0};
  if (!lease->guest6.set || !parse(m, length, &p))
    return 0;
  const Rule *rule = rule_for(lease, &p);
  if (!rule)
    return 0;
  gboolean rapid = p.type == SOLICIT && p.rapid;
  WireBuf b = {reply, reply + WRY_DHCP_MAX_REPLY, 0};
  duid(lease, id);
  wirebuf_u8(&b, rapid ? REPLY : rule->answer);
  wirebuf_bytes(&b, m + 1, 3); /* transaction id */
  if (p.client)
    put_option(&b, OPT_CLIENTID, p.client, p.n_client);
  put_option(&b, OPT_SERVERID, id, sizeof id);
  if (rapid)
    put_option(&b, OPT_RAPID_COMMIT, NULL, 0);
  if (rule->address && p.ia)
    put_address(&b, lease, &p);
  if (rule->status)
    put_option(&b, OPT_STATUS, success, sizeof success);
  put_dns(&b, lease);
  return b.full ? 0 : (gsize)(b.at - reply);
}
