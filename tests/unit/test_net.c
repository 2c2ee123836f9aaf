/* The sandbox's network for real: two network namespaces of the test's own, one in the host's place, one in the sandbox's; needs root. What is made is asked of the kernel and tried by a
 * connection, what is removed must be gone. */
#include "launcher/net/link.h"
#include "launcher/net/net.h"
#include "launcher/net/nft.h"
#include "launcher/net/ruleset.h"
#include "wherry/fd.h"
#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int netns(void) {
  return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

/* "Host" and "sandbox" namespaces of this test's process. */
static void two_namespaces(int *host, int *sandbox) {
  ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
  *host = netns();
  ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
  *sandbox = netns();
  ck_assert_int_eq(setns(*host, CLONE_NEWNET), 0);
}

static WrySetupRequest request(uint8_t binding) {
  WrySetupRequest r = {.version = WRY_SETUP_VERSION, .root_id = 0xabcdef01, .slot = 7, .uid = 600000007, .gid = 600000007, .n_interfaces = 1,
                       .pod4 = {{10, 193, 0, 8}, 16, 1}, .pod4_gateway = {{10, 193, 0, 1}, 16, 1}, .pod6 = {{0xfd, 0x57, [15] = 8}, 64, 1},
                       .pod6_gateway = {{0xfd, 0x57, [15] = 1}, 64, 1}};
  WrySetupInterface *n = &r.interfaces[0];
  *n = (WrySetupInterface){.pod = "eth0", .bridge = "k6t-eth0", .tap = "tap0", .binding = binding, .queues = 1, .gateway4 = {{10, 0, 2, 1}, 24, 1},
                           .guest4 = {{10, 0, 2, 2}, 24, 1}, .gateway6 = {{0xfd, 0x10, [15] = 1}, 120, 1}, .guest6 = {{0xfd, 0x10, [15] = 2}, 120, 1}};
  return r;
}

#define ok(done, problem) \
  do { \
    gboolean fine = (done); \
    ck_assert_msg(fine, "%s", (problem) ? (problem)->message : ""); \
  } while (0)

static gboolean table_exists(const char *family_and_name) {
  g_autofree char *text = g_strdup_printf("list table %s\n", family_and_name);
  return wry_nft_apply(text, NULL);
}

static void up(const WrySetupRequest *r, int host, int sandbox, WrySetupReply *reply, int *fds) {
  g_autoptr(GError) error = NULL;
  ok(wry_net_uplink_up(r, sandbox, &error), error);
  ck_assert_int_eq(setns(sandbox, CLONE_NEWNET), 0);
  ok(wry_net_sandbox_up(r, reply, fds, &error), error);
  ck_assert_int_eq(setns(host, CLONE_NEWNET), 0);
}

START_TEST(masquerade) {
  int host, sandbox, fds[WRY_MAX_SETUP_FDS];
  two_namespaces(&host, &sandbox);
  WrySetupRequest r = request(WRY_BIND_MASQUERADE);
  WrySetupReply first = {0}, again = {0};
  up(&r, host, sandbox, &first, fds);
  ck_assert_uint_eq(first.n_fds, 3);
  ck_assert_uint_eq(first.n_interfaces, 1);
  ck_assert_mem_eq(first.interfaces[0].pod4.a, r.pod4.a, 4);
  ck_assert_mem_eq(first.interfaces[0].pod6.a, r.pod6.a, 16);
  ck_assert_mem_eq(first.interfaces[0].guest4.a, r.interfaces[0].guest4.a, 4);
  for (guint i = 0; i < first.n_fds; i++)
    close(fds[i]);
  up(&r, host, sandbox, &again, fds); /* idempotent */
  ck_assert_uint_eq(again.n_fds, 3);
  ck_assert(table_exists("inet wherry_abcdef01"));
  ck_assert_int_eq(setns(sandbox, CLONE_NEWNET), 0);
  g_autoptr(WryNl) nl = wry_nl_open(NULL);
  uint8_t mac[6];
  ck_assert(wry_link_mac(nl, "k6t-eth0", mac) && memcmp(mac, "\2\0\0\0\0\0", 6) == 0);
  ck_assert_int_ne(wry_link_index(nl, "tap0"), 0);
  ck_assert(table_exists("ip nat") && table_exists("ip6 nat"));
}
END_TEST

/* Both sides in one process, which is in the sandbox's namespace afterwards. */
START_TEST(both_sides) {
  g_autoptr(GError) error = NULL;
  int host, sandbox, fds[WRY_MAX_SETUP_FDS];
  two_namespaces(&host, &sandbox);
  WrySetupRequest r = request(WRY_BIND_MASQUERADE);
  WrySetupReply reply = {0};
  r.n_forwards = 1;
  r.forwards[0] = (WrySetupForward){.host_port = 8080, .guest_port = 80, .protocol = WRY_PROTO_TCP};
  ck_assert_int_eq(setns(host, CLONE_NEWNET), 0);
  ok(wry_net_up(&r, sandbox, &reply, fds, &error), error);
  ck_assert_uint_eq(reply.n_fds, 3);
  ck_assert(table_exists("ip nat") && table_exists("ip6 nat") && !table_exists("inet wherry_abcdef01"));
  ck_assert_int_eq(setns(host, CLONE_NEWNET), 0);
  ck_assert(table_exists("inet wherry_abcdef01") && table_exists("ip wherry_abcdef01_0007"));
  ok(wry_net_uplink_end(&r, &error), error);
  ck_assert(!table_exists("inet wherry_abcdef01") && !table_exists("ip wherry_abcdef01_0007"));
  g_autoptr(WryNl) nl = wry_nl_open(NULL);
  ck_assert_int_eq(wry_link_index(nl, "wryabcdef01"), 0);
  ck_assert_int_eq(wry_link_index(nl, "wvcdef01.0007"), 0);
}
END_TEST

START_TEST(removed) {
  g_autoptr(GError) error = NULL;
  int host, sandbox, fds[WRY_MAX_SETUP_FDS];
  two_namespaces(&host, &sandbox);
  WrySetupRequest r = request(WRY_BIND_MASQUERADE);
  WrySetupReply reply = {0};
  r.n_forwards = 1;
  r.forwards[0] = (WrySetupForward){.host_port = 8080, .guest_port = 80, .protocol = WRY_PROTO_TCP};
  int before = wry_sysctl_get("ipv4/ip_forward");
  up(&r, host, sandbox, &reply, fds);
  ck_assert(table_exists("ip wherry_abcdef01_0007"));
  ok(wry_net_uplink_down(&r, &error), error);
  ok(wry_net_uplink_down(&r, &error), error);
  ck_assert(!table_exists("ip wherry_abcdef01_0007"));
  g_autoptr(WryNl) nl = wry_nl_open(NULL);
  ck_assert_int_eq(wry_link_index(nl, "wvcdef01.0007"), 0);
  ok(wry_net_uplink_end(&r, &error), error);
  ok(wry_net_uplink_end(&r, &error), error);
  ck_assert(!table_exists("inet wherry_abcdef01"));
  ck_assert_int_eq(wry_link_index(nl, "wryabcdef01"), 0);
  ck_assert_int_eq(wry_sysctl_get("ipv4/ip_forward"), before);
}
END_TEST

/* A connection from the host's namespace to the pod address reaches a listener at the guest's address behind the bridge, where a second namespace stands in for the guest. */
START_TEST(inbound_and_outbound) {
  g_autoptr(GError) error = NULL;
  int host, sandbox, fds[WRY_MAX_SETUP_FDS];
  two_namespaces(&host, &sandbox);
  WrySetupRequest r = request(WRY_BIND_MASQUERADE);
  WrySetupReply reply = {0};
  up(&r, host, sandbox, &reply, fds);
  ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
  wry_autofd int guest = netns();
  ck_assert_int_eq(setns(sandbox, CLONE_NEWNET), 0);
  g_autoptr(WryNl) inside = wry_nl_open(NULL);
  ok(wry_link_add_veth(inside, "guest0", "ens0", guest, &error), error);
  ok(wry_link_set_master(inside, "guest0", "k6t-eth0", &error), error);
  ok(wry_link_set_up(inside, "guest0", &error), error);
  ck_assert_int_eq(setns(guest, CLONE_NEWNET), 0);
  g_autoptr(WryNl) there = wry_nl_open(NULL);
  ok(wry_link_set_up(there, "ens0", &error), error);
  ok(wry_addr_add4(there, "ens0", &r.interfaces[0].guest4, &error), error);
  ok(wry_route_default4(there, "ens0", &r.interfaces[0].gateway4, &error), error);
  wry_autofd int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(80)};
  ck_assert_int_eq(bind(listener, (struct sockaddr *)&any, sizeof any), 0);
  ck_assert_int_eq(listen(listener, 1), 0);
  ck_assert_int_eq(setns(host, CLONE_NEWNET), 0);
  wry_autofd int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in pod = {.sin_family = AF_INET, .sin_port = htons(80)}, peer;
  socklen_t size = sizeof peer;
  memcpy(&pod.sin_addr, r.pod4.a, 4);
  ck_assert_int_eq(connect(client, (struct sockaddr *)&pod, sizeof pod), 0);
  wry_autofd int accepted = accept(listener, (struct sockaddr *)&peer, &size);
  ck_assert_int_ge(accepted, 0);
  /* And back: from the guest to a listener on the host's side of the bridge; it arrives from the pod's address. */
  wry_autofd int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  any.sin_port = htons(81);
  ck_assert_int_eq(bind(server, (struct sockaddr *)&any, sizeof any), 0);
  ck_assert_int_eq(listen(server, 1), 0);
  ck_assert_int_eq(setns(guest, CLONE_NEWNET), 0);
  wry_autofd int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in gateway = {.sin_family = AF_INET, .sin_port = htons(81)};
  memcpy(&gateway.sin_addr, r.pod4_gateway.a, 4);
  ck_assert_int_eq(connect(out, (struct sockaddr *)&gateway, sizeof gateway), 0);
  wry_autofd int came = accept(server, (struct sockaddr *)&peer, &size);
  ck_assert_int_ge(came, 0);
  ck_assert_mem_eq(&peer.sin_addr, r.pod4.a, 4);
}
END_TEST

START_TEST(bridge_binding) {
  int host, sandbox, fds[WRY_MAX_SETUP_FDS];
  two_namespaces(&host, &sandbox);
  WrySetupRequest r = request(WRY_BIND_BRIDGE);
  WrySetupReply reply = {0};
  up(&r, host, sandbox, &reply, fds);
  const WrySetupInterfaceResult *result = &reply.interfaces[0];
  ck_assert_mem_eq(result->guest4.a, r.pod4.a, 4);
  ck_assert_mem_eq(result->gateway4.a, r.pod4_gateway.a, 4);
  ck_assert_mem_eq(result->guest_mac, result->mac, 6);
  ck_assert_int_eq(setns(sandbox, CLONE_NEWNET), 0);
  g_autoptr(WryNl) nl = wry_nl_open(NULL);
  uint8_t mac[6];
  ck_assert_int_ne(wry_link_index(nl, "eth0-nic"), 0);
  ck_assert(wry_link_mac(nl, "eth0-nic", mac) && memcmp(mac, result->mac, 6) != 0);
}
END_TEST

/* The text of the ruleset: only listed ports when ports are listed. */
START_TEST(listed_ports) {
  WrySetupRequest r = request(WRY_BIND_MASQUERADE);
  WrySetupInterface *n = &r.interfaces[0];
  g_autofree char *all = wry_ruleset_masquerade(n, TRUE, TRUE);
  ck_assert_ptr_nonnull(strstr(all, "chain KUBEVIRT_PREINBOUND {  counter dnat to 10.0.2.2; }"));
  n->n_ports = 2;
  n->ports[0] = (WrySetupPort){.port = 80, .protocol = WRY_PROTO_TCP};
  n->ports[1] = (WrySetupPort){.port = 53, .protocol = WRY_PROTO_UDP};
  g_autofree char *some = wry_ruleset_masquerade(n, TRUE, FALSE);
  ck_assert_ptr_nonnull(strstr(some, "chain KUBEVIRT_PREINBOUND {  tcp dport 80 counter dnat to 10.0.2.2; }"));
  ck_assert_ptr_nonnull(strstr(some, "chain output { ip daddr 127.0.0.1 udp dport 53 counter dnat to 10.0.2.2; }"));
  ck_assert_ptr_null(strstr(some, "table ip6"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("net");
  TCase *pure = tcase_create("ruleset"), *real = tcase_create("kernel");
  tcase_add_test(pure, listed_ports);
  suite_add_tcase(suite, pure);
  tcase_set_timeout(real, 30);
  tcase_add_test(real, masquerade);
  tcase_add_test(real, both_sides);
  tcase_add_test(real, removed);
  tcase_add_test(real, inbound_and_outbound);
  tcase_add_test(real, bridge_binding);
  if (geteuid() == 0)
    suite_add_tcase(suite, real);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
