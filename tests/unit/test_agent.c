/* The guest agent's replies: KubeVirt's shapes from honest ones, nothing unbounded from hostile ones. */
#include "launcher/agent.h"
#include "wherry/limits.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

/* The shape of `reply` as JSON text with single quotes for double ones. */
static char *shape(WryAgentCommand command, const char *reply) {
  g_autoptr(GError) error = NULL;
  g_autoptr(WryJson) returned = wry_agent_return(reply, strlen(reply), &error);
  if (!returned)
    return g_strdup_printf("error %d", error->code);
  g_autoptr(WryJson) shaped = wry_agent_shape(command, returned);
  ck_assert_ptr_nonnull(shaped);
  return g_strdelimit(g_strdup(json_object_to_json_string_ext(shaped, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)), "\"", '\'');
}

typedef struct { WryAgentCommand command; const char *reply, *expected; } Case;
static const Case cases[] = {
  {WRY_AGENT_INFO, "{\"return\":{\"version\":\"7.2.0\",\"supported_commands\":[{\"enabled\":true,\"name\":\"guest-ping\",\"success-response\":true},{\"enabled\":false,\"name\":\"x\"}]}}",
   "{'version':'7.2.0','supportedCommands':[{'name':'guest-ping','enabled':true},{'name':'x','enabled':false}]}"},
  {WRY_AGENT_OSINFO,
   "{\"return\":{\"name\":\"Debian GNU/Linux\",\"kernel-release\":\"6.1.0\",\"version\":\"12 (bookworm)\",\"pretty-name\":\"Debian\",\"version-id\":\"12\",\"kernel-version\":\"#1\","
   "\"machine\":\"x86_64\",\"id\":\"debian\"}}",
   "{'name':'Debian GNU/Linux','kernelRelease':'6.1.0','version':'12 (bookworm)','prettyName':'Debian','versionId':'12','kernelVersion':'#1','machine':'x86_64','id':'debian'}"},
  {WRY_AGENT_INTERFACES,
   "{\"return\":[{\"name\":\"lo\",\"ip-addresses\":[{\"ip-address-type\":\"ipv4\",\"ip-address\":\"127.0.0.1\",\"prefix\":8}],\"hardware-address\":\"00:00:00:00:00:00\"},"
   "{\"name\":\"eth0\",\"hardware-address\":\"52:54:00:AA:bb:01\",\"ip-addresses\":[{\"ip-address\":\"10.0.2.2\"},{\"ip-address\":\"fe80::1\"},{\"ip-address\":\"not one\"},{}]}]}",
   "[{'name':'eth0','mac':'52:54:00:aa:bb:01','ipAddresses':['10.0.2.2','fe80::1']}]"},
  {WRY_AGENT_HOSTNAME, "{\"return\":{\"host-name\":\"box\"}}", "'box'"},
  {WRY_AGENT_HOSTNAME, "{\"return\":{\"host-name\":[]}}", "''"},
  {WRY_AGENT_TIMEZONE, "{\"return\":{\"zone\":\"CET\",\"offset\":3600}}", "'CET, 3600'"},
  {WRY_AGENT_TIMEZONE, "{\"return\":{\"zone\":\"CET\",\"offset\":-9223372036854775808}}", "'CET, -86400'"},
  {WRY_AGENT_USERS, "{\"return\":[{\"login-time\":1700000000.5,\"user\":\"root\",\"domain\":\"D\"},{\"login-time\":-5,\"user\":\"x\"},7,{\"domain\":\"no user\"}]}",
   "[{'userName':'root','domain':'D','loginTime':1700000000.5},{'userName':'x'}]"},
  {WRY_AGENT_FILESYSTEMS,
   "{\"return\":[{\"name\":\"vda1\",\"mountpoint\":\"/\",\"type\":\"ext4\",\"used-bytes\":5,\"total-bytes\":10,\"disk\":[{\"serial\":\"s1\",\"bus-type\":\"virtio\"}]},"
   "{\"name\":\"n\",\"used-bytes\":-1,\"total-bytes\":\"x\",\"disk\":\"y\"}]}",
   "[{'diskName':'vda1','mountPoint':'/','fileSystemType':'ext4','usedBytes':5,'totalBytes':10,'disk':[{'serial':'s1','busType':'virtio'}]},{'diskName':'n','disk':[]}]"},
  {WRY_AGENT_FSFREEZE, "{\"return\":\"frozen\"}", "'frozen'"},
  {WRY_AGENT_FSFREEZE, "{\"return\":\"gone\"}", "''"},
  {WRY_AGENT_PING, "{\"return\":{}}", "{}"},
  /* wrong types everywhere */
  {WRY_AGENT_INFO, "{\"return\":7}", "{'supportedCommands':[]}"},
  {WRY_AGENT_OSINFO, "{\"return\":[1,2]}", "{}"},
  {WRY_AGENT_OSINFO, "{\"return\":{\"name\":{\"a\":1},\"id\":null}}", "{}"},
  {WRY_AGENT_INTERFACES, "{\"return\":{\"name\":\"eth0\"}}", "[]"},
  {WRY_AGENT_INTERFACES, "{\"return\":[{\"name\":\"e\",\"hardware-address\":\"zz:54:00:aa:bb:01\"}]}", "[{'name':'e','ipAddresses':[]}]"},
  {WRY_AGENT_USERS, "{\"return\":{}}", "[]"},
  {WRY_AGENT_PING, "{\"return\":null}", "{}"},
  /* control characters and look-alikes of terminal codes */
  {WRY_AGENT_HOSTNAME, "{\"return\":{\"host-name\":\"a\\u001b[2Jb\\r\\n\\u0085\\u202ec\"}}", "'a?[2Jb????c'"},
  /* no replies */
  {WRY_AGENT_PING, "", "error 8"},
  {WRY_AGENT_PING, "{}", "error 8"},
  {WRY_AGENT_PING, "[]", "error 8"},
  {WRY_AGENT_PING, "{\"return\":{}} {\"return\":{}}", "error 8"},
  {WRY_AGENT_PING, "{\"return\":{}", "error 8"},
  {WRY_AGENT_PING, "{'return':{}}", "error 8"},
  {WRY_AGENT_PING, "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"no\\u0007pe\"}}", "error 0"},
  {WRY_AGENT_PING, "{\"error\":{\"desc\":[]}}", "error 8"},
};

START_TEST(replies) {
  ck_assert_int_eq(WRY_ERROR_PROTOCOL, 8);
  g_autofree char *got = shape(cases[_i].command, cases[_i].reply);
  ck_assert_str_eq(got, cases[_i].expected);
}
END_TEST

START_TEST(an_error_is_told_clean) {
  g_autoptr(GError) error = NULL;
  const char *reply = "{\"error\":{\"desc\":\"no\\u001bpe\"}}";
  ck_assert_ptr_null(wry_agent_return(reply, strlen(reply), &error));
  ck_assert_str_eq(error->message, "guest agent: no?pe");
}
END_TEST

START_TEST(a_reply_has_a_limit) {
  g_autofree char *big = g_strnfill(WRY_MAX_AGENT_REPLY + 1, ' ');
  g_autoptr(GError) error = NULL;
  ck_assert_ptr_null(wry_agent_return(big, WRY_MAX_AGENT_REPLY + 1, &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_TOO_LARGE));
}
END_TEST

START_TEST(depth_has_a_limit) {
  g_autofree char *open = g_strnfill(5000, '['), *close = g_strnfill(5000, ']'), *reply = g_strdup_printf("{\"return\":%s%s}", open, close);
  g_autofree char *got = shape(WRY_AGENT_OSINFO, reply);
  ck_assert_str_eq(got, "error 8");
}
END_TEST

/* `n` times `element` in a list. */
static char *list_of(const char *element, guint n) {
  GString *out = g_string_new("{\"return\":[");
  for (guint i = 0; i < n; i++)
    g_string_append_printf(out, "%s%s", i ? "," : "", element);
  g_string_append(out, "]}");
  return g_string_free(out, FALSE);
}

typedef struct { WryAgentCommand command; const char *element; guint sent, kept; } Flood;
static const Flood floods[] = {
  {WRY_AGENT_INTERFACES, "{\"name\":\"e\"}", 5000, WRY_MAX_AGENT_INTERFACES},
  {WRY_AGENT_USERS, "{\"user\":\"u\"}", 5000, 64},
  {WRY_AGENT_FILESYSTEMS, "{\"name\":\"f\"}", 5000, 64},
};

START_TEST(lists_have_a_limit) {
  g_autofree char *reply = list_of(floods[_i].element, floods[_i].sent);
  g_autoptr(WryJson) returned = wry_agent_return(reply, strlen(reply), NULL);
  ck_assert_ptr_nonnull(returned);
  g_autoptr(WryJson) shaped = wry_agent_shape(floods[_i].command, returned);
  ck_assert_uint_eq(json_object_array_length(shaped), floods[_i].kept);
}
END_TEST

START_TEST(addresses_have_a_limit) {
  GString *reply = g_string_new("{\"return\":[{\"name\":\"e\",\"ip-addresses\":[");
  for (int i = 0; i < 1000; i++)
    g_string_append_printf(reply, "%s{\"ip-address\":\"10.0.0.%d\"}", i ? "," : "", i % 250);
  g_string_append(reply, "]}]}");
  g_autoptr(WryJson) returned = wry_agent_return(reply->str, reply->len, NULL), shaped = wry_agent_shape(WRY_AGENT_INTERFACES, returned);
  ck_assert_uint_eq(json_object_array_length(wry_json_path(shaped, "[0].ipAddresses")), WRY_MAX_AGENT_ADDRESSES);
  g_string_free(reply, TRUE);
}
END_TEST

START_TEST(strings_have_a_limit) {
  GString *reply = g_string_new("{\"return\":{\"host-name\":\"x");
  for (int i = 0; i < 5000; i++)
    g_string_append(reply, "\xc3\xa9");
  g_string_append(reply, "\"}}");
  g_autoptr(WryJson) returned = wry_agent_return(reply->str, reply->len, NULL), shaped = wry_agent_shape(WRY_AGENT_HOSTNAME, returned);
  ck_assert_uint_le(strlen(json_object_get_string(shaped)), WRY_MAX_AGENT_STRING);
  ck_assert_uint_gt(strlen(json_object_get_string(shaped)), WRY_MAX_AGENT_STRING - 2);
  ck_assert(g_utf8_validate(json_object_get_string(shaped), -1, NULL));
  g_string_free(reply, TRUE);
}
END_TEST

static const char *const all_commands[] = {"guest-ping", "guest-get-time", "guest-info", "guest-shutdown", "guest-network-get-interfaces", "guest-get-fsinfo",
                                           "guest-get-host-name", "guest-get-users", "guest-get-timezone", "guest-get-osinfo"};

START_TEST(supported_needs_every_command) {
  for (gsize left_out = 0; left_out <= G_N_ELEMENTS(all_commands); left_out++) {
    g_autoptr(WryJson) info = json_object_new_object();
    WryJson *list = json_object_new_array();
    json_object_object_add(info, "supportedCommands", list);
    for (gsize i = 0; i < G_N_ELEMENTS(all_commands); i++) {
      WryJson *command = json_object_new_object();
      json_object_object_add(command, "name", json_object_new_string(all_commands[i]));
      json_object_object_add(command, "enabled", json_object_new_boolean(i != left_out));
      json_object_array_add(list, command);
    }
    ck_assert_int_eq(wry_agent_is_supported(info), left_out == G_N_ELEMENTS(all_commands));
  }
}
END_TEST

/* --- merging: contract 3.5 --------------------------------------------------------------------------------------------- */

typedef struct { const char *domain, *agent; gboolean drop; const char *expected; } Merge;
static const Merge merges[] = {
  {"10.9.0.7", "[{'name':'eth0','mac':'52:54:00:aa:bb:01','ipAddresses':['10.0.2.2']}]", FALSE, "eth0|10.9.0.7|domain, guest-agent;"},
  {"10.9.0.7,fd00::7", "[{'name':'eth0','mac':'52:54:00:aa:bb:01','ipAddresses':['10.0.2.2']}]", FALSE, "eth0|10.9.0.7|domain, guest-agent;"},
  {"10.9.0.7", "[{'name':'eth0','mac':'52:54:00:aa:bb:01','ipAddresses':['10.0.2.2','fe80::1']}]", FALSE, "eth0|10.9.0.7,fe80::1|domain, guest-agent;"},
  {"10.9.0.7", "[{'name':'eth0','mac':'52:54:00:aa:bb:01','ipAddresses':['10.0.2.2','fe80::1']}]", TRUE, "eth0|10.9.0.7|domain, guest-agent;"},
  {"10.9.0.7", "[{'name':'eth0','mac':'52:54:00:aa:bb:01','ipAddresses':[]}]", FALSE, "eth0||domain, guest-agent;"},
  {"10.9.0.7", "[]", FALSE, "|10.9.0.7|domain;"},
  {"", "[{'name':'w0','mac':'52:54:00:aa:bb:99','ipAddresses':['172.17.0.1']}]", FALSE, "||domain;w0|172.17.0.1|guest-agent;"},
};

static void append_one(GString *text, const WryReportInterface *interface) {
  g_string_append_printf(text, "%s|", interface->interfaceName ? interface->interfaceName : "");
  for (guint i = 0; interface->ipAddresses && i < interface->ipAddresses->len; i++)
    g_string_append_printf(text, "%s%s", i ? "," : "", (char *)g_ptr_array_index(interface->ipAddresses, i));
  g_string_append_printf(text, "|%s;", interface->infoSource);
}

static GPtrArray *one_interface(const char *addresses) {
  GPtrArray *interfaces = g_ptr_array_new();
  WryReportInterface *interface = g_new0(WryReportInterface, 1);
  interface->name = g_strdup("default");
  interface->mac = g_strdup("52:54:00:AA:BB:01");
  interface->infoSource = g_strdup("domain");
  interface->ipAddresses = g_ptr_array_new_with_free_func(g_free);
  g_auto(GStrv) parts = g_strsplit(addresses, ",", -1);
  for (char **p = parts; *p && **p; p++)
    g_ptr_array_add(interface->ipAddresses, g_strdup(*p));
  g_ptr_array_add(interfaces, interface);
  return interfaces;
}

static void free_interfaces(GPtrArray *interfaces) {
  for (guint i = 0; i < interfaces->len; i++) {
    WryReportInterface *interface = g_ptr_array_index(interfaces, i);
    g_free(interface->name);
    g_free(interface->mac);
    g_free(interface->ipAddress);
    g_free(interface->interfaceName);
    g_free(interface->infoSource);
    if (interface->ipAddresses)
      g_ptr_array_unref(interface->ipAddresses);
    g_free(interface);
  }
  g_ptr_array_unref(interfaces);
}

START_TEST(merging) {
  const Merge *m = &merges[_i];
  GPtrArray *interfaces = one_interface(m->domain);
  g_autofree char *text = g_strdelimit(g_strdup(m->agent), "'", '"');
  g_autoptr(WryJson) agent = wry_json_parse(text, strlen(text), NULL);
  wry_agent_merge_interfaces(interfaces, agent, m->drop);
  g_autoptr(GString) got = g_string_new(NULL);
  for (guint i = 0; i < interfaces->len; i++)
    append_one(got, g_ptr_array_index(interfaces, i));
  ck_assert_str_eq(got->str, m->expected);
  free_interfaces(interfaces);
}
END_TEST

START_TEST(guest_only_interfaces_have_a_limit) {
  GPtrArray *interfaces = one_interface("");
  g_autoptr(WryJson) agent = json_object_new_array();
  for (int i = 0; i < 32; i++) {
    WryJson *seen = json_object_new_object();
    json_object_object_add(seen, "name", json_object_new_string("veth"));
    json_object_array_add(agent, seen);
  }
  wry_agent_merge_interfaces(interfaces, agent, FALSE);
  ck_assert_uint_eq(interfaces->len, 11);
  free_interfaces(interfaces);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("agent");
  TCase *tcase = tcase_create("agent");
  tcase_add_loop_test(tcase, replies, 0, G_N_ELEMENTS(cases));
  tcase_add_test(tcase, an_error_is_told_clean);
  tcase_add_test(tcase, a_reply_has_a_limit);
  tcase_add_test(tcase, depth_has_a_limit);
  tcase_add_loop_test(tcase, lists_have_a_limit, 0, G_N_ELEMENTS(floods));
  tcase_add_test(tcase, addresses_have_a_limit);
  tcase_add_test(tcase, strings_have_a_limit);
  tcase_add_test(tcase, supported_needs_every_command);
  tcase_add_loop_test(tcase, merging, 0, G_N_ELEMENTS(merges));
  tcase_add_test(tcase, guest_only_interfaces_have_a_limit);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
