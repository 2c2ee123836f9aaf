/* handler/network.c, handler/resources.c, handler/bundle.c, and who a launcher is (handler/launchers.c): plans of a sandbox, pure. */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <fcntl.h>

#include "handler/bundle.h"
#include "handler/launchers.h"
#include "handler/network.h"
#include "handler/probe.h"
#include "handler/resources.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/vpath.h"

static WryVmi *vmi_of(const char *interface, const char *network, const char *annotations, const char *domain) {
  g_autofree char *text = g_strdup_printf("{\"metadata\":{\"name\":\"a\",\"namespace\":\"default\",\"annotations\":%s},\"spec\":{\"domain\":{\"cpu\":{\"cores\":2},%s\"devices\":{\"interfaces\":[{\"name\":\"default\",%s}]}},"
                                          "\"networks\":[{\"name\":\"default\",%s}]}}", annotations, domain, interface, network);
  g_autoptr(GError) error = NULL;
  g_autoptr(WryJson) json = wry_json_parse(text, strlen(text), &error);
  ck_assert_msg(json != NULL, "%s", error ? error->message : "");
  g_autoptr(WryCauses) causes = wry_causes_new();
  WryVmi *vmi = wry_decode(&wry_vmi_type, json, "", causes);
  g_autofree char *why = wry_causes_text(causes);
  ck_assert_msg(wry_causes_count(causes) == 0, "%s", why);
  return vmi;
}

static const char *ip4(const WryIp4 *ip) {
  static char text[64];
  g_snprintf(text, sizeof text, "%u.%u.%u.%u/%u", ip->a[0], ip->a[1], ip->a[2], ip->a[3], ip->prefix);
  return text;
}

START_TEST(masquerade) {
  WryVmi *vmi = vmi_of("\"masquerade\":{},\"ports\":[{\"port\":80},{\"port\":53,\"protocol\":\"UDP\"}]", "\"pod\":{}", "{}", "");
  WrySetupRequest setup = {0}, again = {0};
  ck_assert(wry_network_plan(vmi, "vm-uid", &setup, NULL));
  ck_assert_uint_eq(setup.n_interfaces, 1);
  const WrySetupInterface *made = &setup.interfaces[0];
  ck_assert_str_eq(made->pod, "eth0");
  ck_assert_str_eq(made->bridge, "k6t-eth0");
  ck_assert_str_eq(made->tap, "tap0");
  ck_assert_uint_eq(made->binding, WRY_BIND_MASQUERADE);
  ck_assert_str_eq(ip4(&made->gateway4), "10.0.2.1/24");
  ck_assert_str_eq(ip4(&made->guest4), "10.0.2.2/24");
  char text[INET6_ADDRSTRLEN];
  ck_assert_str_eq(inet_ntop(AF_INET6, made->gateway6.a, text, sizeof text), "fd10:0:2::1");
  ck_assert_str_eq(inet_ntop(AF_INET6, made->guest6.a, text, sizeof text), "fd10:0:2::2");
  ck_assert_uint_eq(made->guest6.prefix, 120);
  ck_assert_uint_eq(made->n_ports, 2);
  ck_assert(made->ports[0].port == 80 && made->ports[0].protocol == WRY_PROTO_TCP && made->ports[1].port == 53 && made->ports[1].protocol == WRY_PROTO_UDP);
  ck_assert_uint_eq(made->queues, 1);
  /* the same MAC at every start, another for another VM */
  ck_assert(wry_network_plan(vmi, "vm-uid", &again, NULL));
  ck_assert_mem_eq(made->guest_mac, again.interfaces[0].guest_mac, 6);
  again = (WrySetupRequest){0};
  ck_assert(wry_network_plan(vmi, "another", &again, NULL));
  ck_assert_mem_ne(made->guest_mac, again.interfaces[0].guest_mac, 6);
  ck_assert_uint_eq(made->guest_mac[0], 0x02);
  wry_struct_free(&wry_vmi_type, vmi);
}
END_TEST

START_TEST(bridge_and_wishes) {
  WryVmi *vmi = vmi_of("\"bridge\":{},\"macAddress\":\"52-54-00-AB-cd-01\",\"model\":\"virtio\"", "\"pod\":{}", "{}", "");
  vmi->spec->domain->devices->networkInterfaceMultiqueue = (WryOptBool){TRUE, TRUE};
  WrySetupRequest setup = {0};
  ck_assert(wry_network_plan(vmi, "u", &setup, NULL));
  static const guint8 mac[6] = {0x52, 0x54, 0x00, 0xab, 0xcd, 0x01};
  ck_assert_mem_eq(setup.interfaces[0].guest_mac, mac, 6);
  ck_assert(setup.interfaces[0].binding == WRY_BIND_BRIDGE && !setup.interfaces[0].guest4.set && !setup.interfaces[0].gateway6.set);
  ck_assert_uint_eq(setup.interfaces[0].queues, 2);
  wry_struct_free(&wry_vmi_type, vmi);
}
END_TEST

START_TEST(custom_networks) {
  WryVmi *vmi = vmi_of("\"masquerade\":{}", "\"pod\":{\"vmNetworkCIDR\":\"192.168.77.19/28\",\"vmIPv6NetworkCIDR\":\"fd20::/64\"}", "{}", "");
  WrySetupRequest setup = {0};
  ck_assert(wry_network_plan(vmi, "u", &setup, NULL));
  ck_assert_str_eq(ip4(&setup.interfaces[0].gateway4), "192.168.77.17/28");
  ck_assert_str_eq(ip4(&setup.interfaces[0].guest4), "192.168.77.18/28");
  wry_struct_free(&wry_vmi_type, vmi);
}
END_TEST

static const char *const bad_networks[] = {"10.0.0.0", "10.0.0.0/31", "10.0.0.0/33", "10.0.0/24", "x/24", "10.0.0.0/", "10.0.0.0/-1", "fd00::/64", ""};

START_TEST(refused_networks) {
  WryIp4 gateway, guest;
  ck_assert(!wry_network_pair4(bad_networks[_i], &gateway, &guest));
  WryIp6 gateway6, guest6;
  ck_assert(!wry_network_pair6(_i == 7 ? "fd00::/127" : bad_networks[_i], &gateway6, &guest6));
}
END_TEST

START_TEST(other_networks_are_refused) {
  WryVmi *vmi = vmi_of("\"bridge\":{}", "\"multus\":{\"networkName\":\"n\"}", "{}", "");
  WrySetupRequest setup = {0};
  g_autoptr(GError) error = NULL;
  ck_assert(!wry_network_plan(vmi, "u", &setup, &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED));
  wry_struct_free(&wry_vmi_type, vmi);
}
END_TEST

START_TEST(host_ports) {
  WryVmi *vmi = vmi_of("\"masquerade\":{}", "\"pod\":{}", "{\"wherry.io/host-ports\":\"8080:80/tcp, 5353:53/UDP,2222:22\"}", "");
  WrySetupRequest setup = {0};
  ck_assert(wry_network_plan(vmi, "u", &setup, NULL));
  ck_assert_uint_eq(setup.n_forwards, 3);
  ck_assert(setup.forwards[0].host_port == 8080 && setup.forwards[0].guest_port == 80 && setup.forwards[0].protocol == WRY_PROTO_TCP);
  ck_assert(setup.forwards[1].host_port == 5353 && setup.forwards[1].guest_port == 53 && setup.forwards[1].protocol == WRY_PROTO_UDP);
  ck_assert(setup.forwards[2].host_port == 2222 && setup.forwards[2].protocol == WRY_PROTO_TCP);
  const char *const bad[] = {"80", "0:80", "80:0", "80:65536", "80:80/sctp", "a:b", "80:80,", "80/tcp:80", "-1:80", "80:80/"};
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    WrySetupRequest none = {0};
    ck_assert_msg(!wry_host_ports_parse(bad[i], &none, NULL), "%s", bad[i]);
  }
  g_autoptr(GString) many = g_string_new("1:1");
  for (guint i = 2; i <= WRY_MAX_SETUP_FORWARDS + 1; i++) g_string_append_printf(many, ",%u:1", i);
  WrySetupRequest none = {0};
  ck_assert(!wry_host_ports_parse(many->str, &none, NULL));
  wry_struct_free(&wry_vmi_type, vmi);
}
END_TEST

static const char *const bad_macs[] = {"", "02:00:00:00:00", "02:00:00:00:00:0g", "02:00:00:00:00:00:00", "020000000000", "02.00.00.00.00.00"};

START_TEST(refused_macs) {
  g_autofree char *interface = g_strdup_printf("\"masquerade\":{},\"macAddress\":\"%s\"", bad_macs[_i]);
  WryVmi *vmi = vmi_of(interface, "\"pod\":{}", "{}", "");
  WrySetupRequest setup = {0};
  ck_assert(!wry_network_plan(vmi, "u", &setup, NULL));
  wry_struct_free(&wry_vmi_type, vmi);
}
END_TEST

START_TEST(told_to_the_launcher) {
  WryVmi *vmi = vmi_of("\"masquerade\":{}", "\"pod\":{}", "{}", "");
  WrySetupRequest setup = {0};
  ck_assert(wry_network_plan(vmi, "u", &setup, NULL));
  WrySetupReply reply = {.n_interfaces = 1};
  reply.interfaces[0] = (WrySetupInterfaceResult){.mtu = 1450, .pod4 = {{10, 9, 0, 2}, 16, 1}, .guest4 = setup.interfaces[0].guest4, .gateway4 = setup.interfaces[0].gateway4};
  memcpy(reply.interfaces[0].guest_mac, "\x02\x00\x00\x00\x00\x07", 6);
  WryBundle *bundle = wry_struct_new(&wry_bundle_type);
  wry_network_tell(vmi, &setup, &reply, bundle);
  ck_assert_uint_eq(bundle->interfaces->len, 1);
  const WryBundleInterface *told = bundle->interfaces->pdata[0];
  ck_assert_str_eq(told->name, "default");
  ck_assert_str_eq(told->mac, "02:00:00:00:00:07");
  ck_assert_str_eq(told->guest4, "10.0.2.2");
  ck_assert_int_eq(told->prefix4.v, 24);
  ck_assert_ptr_null(told->guest6);
  ck_assert(!told->prefix6.set);
  ck_assert_str_eq(told->podIPs->pdata[0], "10.9.0.2");
  ck_assert_int_eq(told->mtu.v, 1450);
  wry_struct_free(&wry_bundle_type, bundle);
  wry_struct_free(&wry_vmi_type, vmi);
}
END_TEST

/* --- limits -------------------------------------------------------------------------------------------------------------------------------------------- */
START_TEST(limits) {
  WrySetupRequest setup = {0};
  WryVmi *vmi = vmi_of("\"masquerade\":{}", "\"pod\":{}", "{}", "\"resources\":{\"requests\":{\"memory\":\"1Gi\",\"cpu\":\"500m\"},\"limits\":{\"memory\":\"2Gi\",\"cpu\":\"1500m\"}},");
  /* 1Gi / 512 + 220Mi + 2 x 8Mi + 8Mi + 32Mi */
  gint64 overhead = (2 + 220 + 16 + 8 + 32) * (gint64)(1 << 20);
  ck_assert_int_eq(wry_resources_overhead(vmi->spec, "amd64"), overhead);
  ck_assert_int_eq(wry_resources_overhead(vmi->spec, "arm64"), overhead + 128 * (1 << 20));
  wry_resources_plan(vmi->spec, "amd64", &setup);
  ck_assert_uint_eq(setup.memory_max, (2ull << 30) + (guint64)overhead);
  ck_assert_uint_eq(setup.cpu_period_us, 100000);
  ck_assert_uint_eq(setup.cpu_quota_us, 150000);
  ck_assert_uint_eq(setup.cpu_shares, 512);
  ck_assert_uint_gt(setup.pids_max, 100);
  wry_struct_free(&wry_vmi_type, vmi);
  vmi = vmi_of("\"masquerade\":{}", "\"pod\":{}", "{}", "");
  setup = (WrySetupRequest){0};
  wry_resources_plan(vmi->spec, "amd64", &setup);
  ck_assert(setup.memory_max == 0 && setup.cpu_quota_us == 0);
  ck_assert_uint_eq(setup.cpu_shares, 204); /* 100m a vCPU */
  wry_struct_free(&wry_vmi_type, vmi);
}
END_TEST

/* --- bundle -------------------------------------------------------------------------------------------------------------------------------------------- */
START_TEST(bundle) {
  WryInstance *instance = wry_instance_new(vmi_of("\"masquerade\":{}", "\"pod\":{}", "{}", ""), "uid-1", "2024-01-01T00:00:00Z");
  WryBundle *made = wry_struct_new(&wry_bundle_type);
  WryBundleFacts facts = {"node1", "amd64", FALSE, TRUE, NULL};
  g_autoptr(GError) error = NULL;
  wry_bundle_fill(made, instance, &facts, "nameserver 127.0.0.53\nnameserver 192.0.2.1 # it\nsearch a.example b.example\n");
  wry_autofd int fd = wry_bundle_memfd(made, &error);
  ck_assert_msg(fd >= 0, "%s", error ? error->message : "");
  ck_assert_int_eq(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
  ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
  gsize length;
  g_autofree char *text = wry_fd_read(fd, WRY_MAX_BUNDLE, &length, NULL);
  g_autoptr(WryJson) json = wry_json_parse(text, length, NULL);
  g_autoptr(WryCauses) causes = wry_causes_new();
  WryBundle *back = wry_decode(&wry_bundle_type, json, "", causes);
  ck_assert_uint_eq(wry_causes_count(causes), 0);
  ck_assert_str_eq(back->node->nameservers->pdata[0], "192.0.2.1");
  ck_assert_str_eq(back->node->searches->pdata[1], "b.example");
  ck_assert(!back->node->kvm.v && back->node->allowEmulation.v && back->node->serialLog.v);
  ck_assert_str_eq(wry_json_str(back->node->smbios, "product"), "None");
  ck_assert_str_eq(json_object_get_string(wry_json_path(back->vmi, "metadata.uid")), "uid-1");
  wry_struct_free(&wry_bundle_type, back);
  wry_struct_free(&wry_bundle_type, made);
  wry_instance_free(instance);
}
END_TEST

START_TEST(resolv_conf) {
  const struct { const char *text; guint servers, searches; } rows[] = {
      {"", 0, 0}, {NULL, 0, 0}, {"nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\nnameserver 4.4.4.4\n", 3, 0}, {"search a b\nsearch c\n", 0, 1}, {"# nameserver 1.1.1.1\n", 0, 0},
      {"nameserver ::1\nnameserver fd00::1\n", 1, 0}, {"nameserver\t9.9.9.9\noptions edns0\n", 1, 0}, {"search a b c d e f g h\n", 0, 6}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GPtrArray) servers = NULL;
    g_autoptr(GPtrArray) searches = NULL;
    wry_resolv_parse(rows[i].text, &servers, &searches);
    ck_assert_uint_eq(servers->len, rows[i].servers);
    ck_assert_uint_eq(searches->len, rows[i].searches);
  }
}
END_TEST

/* --- who a launcher is --------------------------------------------------------------------------------------------------------------------------------- */
static const struct { const char *text, *sandbox; } cgroups[] = {
    {"0::/wherry/0badcafe/11111111-1111-4111-8111-111111111111\n", "11111111-1111-4111-8111-111111111111"},
    {"12:pids:/wherry/0badcafe/a-b\n4:memory:/system.slice/x/wherry/0badcafe/a-b\n0::/\n", "a-b"},
    {"0::/wherry/0badcafe/a-b/inner\n", "a-b"},
    {"4:memory:/wherry/0badcafe/a-b\n0::/wherry/0badcafe/c-d\n", NULL}, /* two that disagree */
    {"0::/wherry/0badcaff/a-b\n", NULL},
    {"0::/wherry/0badcafe\n", NULL},
    {"0::/wherry/0badcafe/\n", NULL},
    {"0::/wherry/0badcafe/../x\n", NULL},
    {"", NULL},
};

START_TEST(sandbox_of_a_peer) {
  g_autofree char *found = wry_cgroup_sandbox(cgroups[_i].text, "wherry/0badcafe");
  ck_assert_msg(g_strcmp0(found, cgroups[_i].sandbox) == 0, "%s", found ? found : "none");
}
END_TEST

/* --- probes -------------------------------------------------------------------------------------------------------------------------------------------- */
START_TEST(http_verdicts) {
  const struct { const char *text; int verdict; } rows[] = {{"HTTP/1.1 200 OK\r\n", 1}, {"HTTP/1.0 302 Found", 1}, {"HTTP/1.1 404 Not", -1}, {"HTTP/1.1 500", -1}, {"HTTP/1.1 20", 0}, {"", 0}, {"HT", 0},
                                                            {"SSH-2.0", -1}, {"HTTP/2 200 OK\r\n", -1}, {"HTTP/1.1 2x0 OK", -1}, {"HTTP/1.x 200 OK", -1}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) ck_assert_msg(wry_probe_http_verdict(rows[i].text, strlen(rows[i].text)) == rows[i].verdict, "%s", rows[i].text);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("network_plan");
  TCase *tests = tcase_create("network_plan");
  tcase_add_test(tests, masquerade);
  tcase_add_test(tests, bridge_and_wishes);
  tcase_add_test(tests, custom_networks);
  tcase_add_loop_test(tests, refused_networks, 0, G_N_ELEMENTS(bad_networks));
  tcase_add_test(tests, other_networks_are_refused);
  tcase_add_test(tests, host_ports);
  tcase_add_loop_test(tests, refused_macs, 0, G_N_ELEMENTS(bad_macs));
  tcase_add_test(tests, told_to_the_launcher);
  tcase_add_test(tests, limits);
  tcase_add_test(tests, bundle);
  tcase_add_test(tests, resolv_conf);
  tcase_add_loop_test(tests, sandbox_of_a_peer, 0, G_N_ELEMENTS(cgroups));
  tcase_add_test(tests, http_verdicts);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
