/* The guest's lease over DHCPv4, DHCPv6 and router advertisements: right answers to right requests, silence to everything malformed. */
#include "launcher/net/dhcp.h"
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *const servers[] = {"192.0.2.53", "2001:db8::53", NULL};
static const char *const searches[] = {"shop.example", "example", NULL};
static const WryDhcpPrivate privates[] = {{240, "till"}, {0, NULL}};

static WryLease lease(void) {
  return (WryLease){.server_mac = {2}, .mtu = 1450, .guest4 = {{10, 0, 2, 2}, 24, 1}, .gateway4 = {{10, 0, 2, 1}, 24, 1},
                    .guest6 = {{0xfd, 0x10, [15] = 2}, 120, 1}, .gateway6 = {{0xfd, 0x10, [15] = 1}, 120, 1}, .hostname = "till-1", .nameservers = servers,
                    .searches = searches, .privates = privates, .boot_file = "boot.efi"};
}

typedef struct { uint8_t bytes[600]; gsize length; } Packet;

static Packet request4(uint8_t type, const uint8_t *options, gsize n) {
  Packet p = {.bytes = {1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef}, .length = 240};
  static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3}, cookie[4] = {99, 130, 83, 99};
  memcpy(p.bytes + 28, mac, 6);
  memcpy(p.bytes + 236, cookie, 4);
  const uint8_t kind[3] = {53, 1, type};
  memcpy(p.bytes + p.length, kind, 3);
  memcpy(p.bytes + p.length + 3, options, n);
  p.length += 3 + n;
  p.bytes[p.length++] = 255;
  return p;
}

/* Value of an option in a reply; NULL when absent. */
static const uint8_t *option4(const uint8_t *m, gsize length, uint8_t code, gsize *ret_n) {
  for (gsize i = 240; i + 1 < length && m[i] != 255; i += 2u + m[i + 1]) {
    if (m[i] == 0) {
      i--;
      continue;
    }
    if (m[i] == code) {
      *ret_n = m[i + 1];
      return m + i + 2;
    }
  }
  return NULL;
}

START_TEST(discover_is_offered) {
  WryLease l = lease();
  uint8_t reply[WRY_DHCP_MAX_REPLY], to[4];
  gsize n, size = 0;
  Packet p = request4(1, (const uint8_t *)"", 0);
  n = wry_dhcp4_answer(&l, p.bytes, p.length, reply, to);
  ck_assert_uint_ge(n, 300);
  ck_assert_mem_eq(reply + 4, "\xde\xad\xbe\xef", 4);
  ck_assert_mem_eq(reply + 16, l.guest4.a, 4);
  const uint8_t *type = option4(reply, n, 53, &size);
  ck_assert(type && size == 1 && type[0] == 2);
  ck_assert_mem_eq(option4(reply, n, 1, &size), "\xff\xff\xff\x00", 4);
  ck_assert_mem_eq(option4(reply, n, 3, &size), l.gateway4.a, 4);
  ck_assert_mem_eq(option4(reply, n, 6, &size), "\xc0\x00\x02\x35", 4);
  ck_assert_uint_eq(size, 4); /* the IPv6 server is not in it */
  ck_assert_mem_eq(option4(reply, n, 12, &size), "till-1", 6);
  ck_assert_mem_eq(option4(reply, n, 26, &size), "\x05\xaa", 2);
  ck_assert_mem_eq(option4(reply, n, 119, &size), "\4shop\7example\0\7example\0", 23);
  ck_assert_mem_eq(option4(reply, n, 240, &size), "till", 4);
  ck_assert_str_eq((char *)reply + 108, "boot.efi");
}
END_TEST

START_TEST(request_is_acknowledged_or_refused) {
  WryLease l = lease();
  uint8_t reply[WRY_DHCP_MAX_REPLY], to[4];
  gsize size = 0;
  Packet good = request4(3, (const uint8_t[]){50, 4, 10, 0, 2, 2, 55, 1, 3}, 9);
  gsize n = wry_dhcp4_answer(&l, good.bytes, good.length, reply, to);
  ck_assert_uint_eq(option4(reply, n, 53, &size)[0], 5);
  ck_assert_ptr_null(option4(reply, n, 12, &size)); /* not asked for */
  Packet other = request4(3, (const uint8_t[]){50, 4, 10, 0, 2, 9}, 6);
  n = wry_dhcp4_answer(&l, other.bytes, other.length, reply, to);
  ck_assert_uint_eq(option4(reply, n, 53, &size)[0], 6);
  ck_assert_mem_eq(reply + 16, "\0\0\0\0", 4);
  Packet elsewhere = request4(3, (const uint8_t[]){50, 4, 10, 0, 2, 2, 54, 4, 10, 0, 2, 77}, 12);
  ck_assert_uint_eq(wry_dhcp4_answer(&l, elsewhere.bytes, elsewhere.length, reply, to), 0);
  Packet renew = request4(3, (const uint8_t *)"", 0);
  memcpy(renew.bytes + 12, l.guest4.a, 4);
  ck_assert_uint_gt(wry_dhcp4_answer(&l, renew.bytes, renew.length, reply, to), 0);
  ck_assert_mem_eq(to, l.guest4.a, 4);
}
END_TEST

START_TEST(only_the_guest_is_answered) {
  WryLease l = lease();
  uint8_t reply[WRY_DHCP_MAX_REPLY], to[4];
  Packet p = request4(1, (const uint8_t *)"", 0);
  memcpy(l.guest_mac, "\x52\x54\x00\x01\x02\x03", 6);
  ck_assert_uint_gt(wry_dhcp4_answer(&l, p.bytes, p.length, reply, to), 0);
  l.guest_mac[5] = 4;
  ck_assert_uint_eq(wry_dhcp4_answer(&l, p.bytes, p.length, reply, to), 0);
}
END_TEST

/* Every truncation, and every single byte changed: no crash, and what is answered is never longer than a frame. */
START_TEST(malformed4) {
  WryLease l = lease();
  uint8_t reply[WRY_DHCP_MAX_REPLY], to[4];
  Packet p = request4(3, (const uint8_t[]){50, 4, 10, 0, 2, 2, 55, 3, 1, 3, 6, 61, 7, 1, 1, 2, 3, 4, 5, 6}, 20);
  for (gsize cut = 0; cut < p.length; cut++) {
    uint8_t *exact = g_memdup2(p.bytes, cut);
    ck_assert_uint_le(wry_dhcp4_answer(&l, exact, cut, reply, to), WRY_DHCP_MAX_REPLY);
    g_free(exact);
  }
  for (gsize i = 0; i < p.length * 256; i++) {
    Packet bad = p;
    bad.bytes[i / 256] = (uint8_t)i;
    ck_assert_uint_le(wry_dhcp4_answer(&l, bad.bytes, bad.length, reply, to), WRY_DHCP_MAX_REPLY);
  }
  for (uint8_t type = 4; type < 20; type++) {
    Packet odd = request4(type, (const uint8_t *)"", 0);
    ck_assert((wry_dhcp4_answer(&l, odd.bytes, odd.length, reply, to) > 0) == (type == 8));
  }
  l.guest4.set = 0;
  ck_assert_uint_eq(wry_dhcp4_answer(&l, p.bytes, p.length, reply, to), 0);
}
END_TEST

static Packet request6(uint8_t type, gboolean server, gboolean rapid) {
  Packet p = {.bytes = {type, 1, 2, 3, 0, 1, 0, 4, 9, 8, 7, 6, 0, 3, 0, 12, 0, 0, 0, 7}, .length = 28};
  static const uint8_t id[] = {0, 2, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 0}, commit[] = {0, 14, 0, 0};
  if (server) {
    memcpy(p.bytes + p.length, id, sizeof id);
    p.length += sizeof id;
  }
  if (rapid) {
    memcpy(p.bytes + p.length, commit, sizeof commit);
    p.length += sizeof commit;
  }
  return p;
}

START_TEST(lease6) {
  WryLease l = lease();
  uint8_t reply[WRY_DHCP_MAX_REPLY];
  static const struct { uint8_t type; gboolean server, rapid; uint8_t answer; } rows[] = {
      {1, FALSE, FALSE, 2}, {1, FALSE, TRUE, 7}, {1, TRUE, FALSE, 0}, {3, TRUE, FALSE, 7}, {3, FALSE, FALSE, 0}, {4, FALSE, FALSE, 7}, {5, TRUE, FALSE, 7},
      {6, FALSE, FALSE, 7}, {8, TRUE, FALSE, 7}, {9, TRUE, FALSE, 7}, {11, FALSE, FALSE, 7}, {2, FALSE, FALSE, 0}, {7, FALSE, FALSE, 0}, {12, FALSE, FALSE, 0}, {200, FALSE, FALSE, 0}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    Packet p = request6(rows[i].type, rows[i].server, rows[i].rapid);
    gsize n = wry_dhcp6_answer(&l, p.bytes, p.length, reply);
    ck_assert_msg((n ? reply[0] : 0) == rows[i].answer, "row %zu", i);
    ck_assert(n == 0 || memcmp(reply + 1, "\1\2\3", 3) == 0);
  }
  Packet p = request6(3, TRUE, FALSE);
  gsize n = wry_dhcp6_answer(&l, p.bytes, p.length, reply);
  ck_assert_ptr_nonnull(memmem(reply, n, l.guest6.a, 16));
}
END_TEST

START_TEST(malformed6) {
  WryLease l = lease();
  uint8_t reply[WRY_DHCP_MAX_REPLY];
  Packet p = request6(3, TRUE, TRUE);
  for (gsize i = 0; i < p.length * 256; i++) {
    Packet bad = p;
    bad.bytes[i / 256] = (uint8_t)i;
    uint8_t *exact = g_memdup2(bad.bytes, bad.length - (i % 7));
    ck_assert_uint_le(wry_dhcp6_answer(&l, exact, bad.length - (i % 7), reply), WRY_DHCP_MAX_REPLY);
    g_free(exact);
  }
}
END_TEST

START_TEST(advertisement) {
  WryLease l = lease();
  uint8_t reply[WRY_DHCP_MAX_REPLY];
  static const uint8_t plain[8] = {133}, with_option[16] = {133, [8] = 1, [9] = 1}, zero_option[16] = {133, [8] = 1}, past[16] = {133, [8] = 1, [9] = 9}, other[8] = {134};
  ck_assert_uint_eq(wry_ra_advertise(&l, reply), 16 + 8 + 8);
  ck_assert_uint_eq(reply[5], 0xc0);
  ck_assert(wry_ra_solicited(plain, 8) && wry_ra_solicited(with_option, 16));
  ck_assert(!wry_ra_solicited(plain, 7) && !wry_ra_solicited(zero_option, 16) && !wry_ra_solicited(past, 16) && !wry_ra_solicited(other, 8) && !wry_ra_solicited(with_option, 9));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("dhcp");
  TCase *tcase = tcase_create("codec");
  tcase_add_test(tcase, discover_is_offered);
  tcase_add_test(tcase, request_is_acknowledged_or_refused);
  tcase_add_test(tcase, only_the_guest_is_answered);
  tcase_add_test(tcase, malformed4);
  tcase_add_test(tcase, lease6);
  tcase_add_test(tcase, malformed6);
  tcase_add_test(tcase, advertisement);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
