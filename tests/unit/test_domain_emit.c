/* Hostile strings in every string that reaches the domain: the tree keeps its shape, and the string stands in it unchanged; or the domain is refused.
 *
 * Rules that would refuse such a VMI earlier are left out on purpose: the emitters must hold by themselves. */
#include "launcher/domain/domain.h"
#include "tests/unit/support_bundle.h"

#include <check.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

#define MARK "@here@" /* in a JSON text: where the string goes */

/* Members of the VMI and of the bundle that have the mark in one string. */
static const struct { const char *vmi, *bundle; } places[] = {
    {"'metadata': {'name': '@here@'}, 'spec': {'domain': {'devices': {}}}", ""},
    {"'metadata': {'name': 'n', 'namespace': '@here@'}, 'spec': {'domain': {'devices': {}}}", ""},
    {"'spec': {'domain': {'devices': {}, 'machine': {'type': '@here@'}}}", ""},
    {"'spec': {'domain': {'devices': {}, 'cpu': {'model': '@here@'}}}", ""},
    {"'spec': {'domain': {'devices': {}, 'cpu': {'features': [{'name': '@here@'}]}}}", ""},
    {"'spec': {'domain': {'devices': {}, 'cpu': {'features': [{'name': 'f', 'policy': '@here@'}]}}}", ""},
    {"'spec': {'domain': {'devices': {}, 'firmware': {'serial': '@here@'}}}", ""},
    {"'spec': {'domain': {'devices': {}, 'firmware': {'kernelBoot': {'kernelArgs': '@here@', 'container': {'image': 'i', 'kernelPath': '/k'}}}}}", ""},
    {"'spec': {'domain': {'devices': {}, 'chassis': {'manufacturer': '@here@', 'asset': 'x'}}}", ""},
    {"'spec': {'domain': {'devices': {}, 'clock': {'timezone': '@here@'}}}", ""},
    {"'spec': {'domain': {'devices': {}, 'clock': {'utc': {}, 'timer': {'rtc': {'tickPolicy': '@here@'}}}}}", ""},
    {"'spec': {'domain': {'devices': {}, 'clock': {'utc': {}, 'timer': {'rtc': {'track': '@here@'}}}}}", ""},
    {"'spec': {'domain': {'devices': {}, 'features': {'hyperv': {'vendorid': {'vendorid': '@here@'}}}}}", ""},
    {"'spec': {'domain': {'devices': {'disks': [{'name': 'd', 'disk': {'bus': '@here@'}}]}}, 'volumes': [{'name': 'd', 'emptyDisk': {'capacity': '1'}}]}", ""},
    {"'spec': {'domain': {'devices': {'disks': [{'name': 'd', 'serial': '@here@', 'disk': {}}]}}, 'volumes': [{'name': 'd', 'emptyDisk': {'capacity': '1'}}]}", ""},
    {"'spec': {'domain': {'devices': {'disks': [{'name': 'd', 'cache': '@here@', 'disk': {}}]}}, 'volumes': [{'name': 'd', 'emptyDisk': {'capacity': '1'}}]}", ""},
    {"'spec': {'domain': {'devices': {'disks': [{'name': 'd', 'io': '@here@', 'disk': {}}]}}, 'volumes': [{'name': 'd', 'emptyDisk': {'capacity': '1'}}]}", ""},
    {"'spec': {'domain': {'devices': {'disks': [{'name': 'd', 'errorPolicy': '@here@', 'disk': {}}]}}, 'volumes': [{'name': 'd', 'emptyDisk': {'capacity': '1'}}]}", ""},
    {"'spec': {'domain': {'devices': {'disks': [{'name': 'd', 'cdrom': {'tray': '@here@'}}]}}, 'volumes': [{'name': 'd', 'emptyDisk': {'capacity': '1'}}]}", ""},
    {"'spec': {'domain': {'devices': {'disks': [{'name': '@here@', 'disk': {}}]}}, 'volumes': [{'name': '@here@', 'emptyDisk': {'capacity': '1'}}]}", ""},
    {"'spec': {'domain': {'devices': {'disks': [{'name': 'd', 'disk': {}}]}}, 'volumes': [{'name': 'd', 'hostDisk': {'path': '/x', 'type': 'Disk'}}]}", "'volumes': [{'name': 'd', 'path': '@here@'}]"},
    {"'spec': {'domain': {'devices': {'disks': [{'name': 'd', 'disk': {}}]}}, 'volumes': [{'name': 'd', 'containerDisk': {'image': 'i'}}]}", "'volumes': [{'name': 'd', 'path': '@here@'}]"},
    {"'spec': {'domain': {'devices': {'disks': [{'name': 'd', 'disk': {}}]}}, 'volumes': [{'name': 'd', 'containerDisk': {'image': 'i'}}]}", "'volumes': [{'name': 'd', 'path': '/p', 'format': '@here@'}]"},
    {"'spec': {'domain': {'devices': {'interfaces': [{'name': '@here@', 'masquerade': {}}]}}}", "'interfaces': [{'name': '@here@', 'tap': 'tap0'}]"},
    {"'spec': {'domain': {'devices': {'interfaces': [{'name': 'i', 'model': '@here@', 'masquerade': {}}]}}}", "'interfaces': [{'name': 'i', 'tap': 'tap0'}]"},
    {"'spec': {'domain': {'devices': {'interfaces': [{'name': 'i', 'macAddress': '@here@', 'masquerade': {}}]}}}", "'interfaces': [{'name': 'i', 'tap': 'tap0'}]"},
    {"'spec': {'domain': {'devices': {'interfaces': [{'name': 'i', 'masquerade': {}}]}}}", "'interfaces': [{'name': 'i', 'tap': '@here@'}]"},
    {"'spec': {'domain': {'devices': {'interfaces': [{'name': 'i', 'masquerade': {}}]}}}", "'interfaces': [{'name': 'i', 'tap': 'tap0', 'mac': '@here@'}]"},
    {"'spec': {'domain': {'devices': {'inputs': [{'name': '@here@', 'type': 'tablet', 'bus': 'usb'}]}}}", ""},
    {"'spec': {'domain': {'devices': {'inputs': [{'name': 'i', 'type': '@here@', 'bus': 'usb'}]}}}", ""},
    {"'spec': {'domain': {'devices': {'inputs': [{'name': 'i', 'type': 'tablet', 'bus': '@here@'}]}}}", ""},
    {"'spec': {'domain': {'devices': {'watchdog': {'name': '@here@', 'i6300esb': {}}}}}", ""},
    {"'spec': {'domain': {'devices': {'watchdog': {'name': 'w', 'i6300esb': {'action': '@here@'}}}}}", ""},
    {"'spec': {'domain': {'devices': {'video': {'type': '@here@'}}}}", ""},
    {"'spec': {'domain': {'devices': {'panicDevices': [{'model': '@here@'}]}}}", ""},
    {"'spec': {'domain': {'devices': {}, 'rebootPolicy': 'Reboot'}, 'startStrategy': '@here@'}", ""},
    {"'spec': {'domain': {'devices': {}, 'firmware': {'kernelBoot': {'container': {'image': 'i', 'kernelPath': '/k'}}}}}", "'kernel': {'kernel': '@here@'}"},
    {"'spec': {'domain': {'devices': {}, 'firmware': {'kernelBoot': {'container': {'image': 'i', 'kernelPath': '/k', 'initrdPath': '/i'}}}}}", "'kernel': {'kernel': '/k', 'initrd': '@here@'}"},
    {"'spec': {'domain': {'devices': {}}}", "'node': {'kvm': true, 'smbios': {'manufacturer': '@here@'}}"},
    {"'spec': {'domain': {'devices': {}}}", "'node': {'kvm': true, 'smbios': {'product': '@here@'}}"},
    {"'spec': {'domain': {'devices': {}, 'firmware': {'bootloader': {'efi': {'secureBoot': false}}}}}", "'node': {'kvm': true, 'ovmf': '@here@'}"},
};

static const char *const hostile[] = {
    "]]>", "</domain><domain type='kvm'>", "\"/><emulator>/bin/sh</emulator><x y=\"", "'/><x y='", "<!--", "-->", "<![CDATA[", "<?xml?>", "<!DOCTYPE x [<!ENTITY y SYSTEM \"file:///etc/passwd\">]>", "&y;",
    "&amp;", "&lt;", "&#0;", "&#1;", "&#x10FFFF;", "\"", "'", "\"'<>&", "a\tb", "a\nb", "a\rb", "\r\n", " x ", "é漢😀", "\x7F", "\xC2\x85", "\xE2\x80\xA8",
    "a,b", "a,,b", "x,file=/etc/passwd", "-device", " -device foo", "=", "a=b,c=d", "\"}}", "{\"execute\":\"quit\"}", "json:{}", "nbd:1.2.3.4:5", "%s%n%d", "$(id)", "`id`", ";id", "|id", "../../etc/passwd", "/etc/passwd", "\\", "\\n", "\\u0000", "~", "*",
    "\x01", "\x08", "\x0B", "\x0C", "\x0E", "\x1B[2J", "\x1F", "\xEF\xBF\xBE", "\xEF\xBF\xBF", "\xFF\xFE", "\xC0\xAF", "\xED\xA0\x80", "\xF8\x88\x80\x80\x80", "bytes\xE9",
};

/* A copy of a JSON tree with the mark replaced: json-c takes bytes as they are. New reference. */
static WryJson *put(WryJson *tree, const char *value) {
  if (json_object_is_type(tree, json_type_string)) return g_str_equal(json_object_get_string(tree), MARK) ? json_object_new_string(value) : json_object_get(tree);
  if (json_object_is_type(tree, json_type_array)) {
    WryJson *list = json_object_new_array();
    for (gsize i = 0; i < json_object_array_length(tree); i++) json_object_array_add(list, put(json_object_array_get_idx(tree, i), value));
    return list;
  }
  if (!json_object_is_type(tree, json_type_object)) return json_object_get(tree);
  WryJson *object = json_object_new_object();
  json_object_object_foreach(tree, key, member) json_object_object_add(object, key, put(member, value));
  return object;
}

static gpointer build(const WryType *type, const char *members, const char *rest, const char *value) {
  g_autofree char *text = g_strdup_printf("{%s%s%s}", members, *members ? ", " : "", rest);
  g_strdelimit(text, "'", '"');
  g_autoptr(WryJson) tree = json_tokener_parse(text);
  ck_assert_msg(tree != NULL, "%s", text);
  g_autoptr(WryJson) filled = put(tree, value);
  g_autoptr(WryCauses) causes = wry_causes_new();
  gpointer decoded = wry_decode(type, filled, "", causes); /* causes do not matter: the passes must hold by themselves */
  ck_assert_ptr_nonnull(decoded);
  return decoded;
}

static void complete(WryVmi *vmi) {
  if (!vmi->metadata) vmi->metadata = g_new0(WryMeta, 1);
  if (!vmi->metadata->name) vmi->metadata->name = g_strdup("n");
  if (!vmi->spec->domain->firmware) vmi->spec->domain->firmware = g_new0(WryFirmware, 1);
  g_free(vmi->spec->domain->firmware->uuid);
  vmi->spec->domain->firmware->uuid = g_strdup("d1ce0000-0000-4000-8000-000000000001");
  if (!vmi->spec->domain->memory) vmi->spec->domain->memory = g_new0(WryMemory, 1);
  g_free(vmi->spec->domain->memory->guest);
  vmi->spec->domain->memory->guest = g_strdup("128Mi");
}

static char *emit(int place, const char *value, GError **error) {
  const char *given = places[place].bundle;
  WryVmi *vmi = build(&wry_vmi_type, places[place].vmi, "'apiVersion': 'kubevirt.io/v1', 'kind': 'VirtualMachineInstance'", value);
  const char *kernel = strstr(given, "'kernel'") ? "" : "'kernel': {'kernel': '/k', 'initrd': '/i'}, ", *node = strstr(given, "'node'") ? "" : "'node': {'kvm': true}, ";
  g_autofree char *rest = g_strdup_printf("%s%s'version': 1", kernel, node);
  WryBundle *bundle = build(&wry_bundle_type, given, rest, value);
  complete(vmi);
  g_autoptr(WryDomainPlan) plan = wry_domain_plan(vmi, bundle, NULL, NULL, error);
  char *xml = plan ? wry_domain_emit(plan, error) : NULL;
  g_clear_pointer(&plan, wry_domain_plan_free);
  wry_struct_free(&wry_vmi_type, vmi);
  wry_struct_free(&wry_bundle_type, bundle);
  return xml;
}

/* Names of all elements and attributes, in order; *ret_found: some value ends with `value`. */
static void shape_of(xmlNode *node, GString *shape, const char *value, gboolean *ret_found) {
  g_string_append_printf(shape, "(%s", node->name);
  for (xmlAttr *at = node->properties; at; at = at->next) {
    char *text = (char *)xmlNodeGetContent((xmlNode *)at);
    g_string_append_printf(shape, " %s", at->name);
    *ret_found |= g_str_has_suffix(text, value) || strstr(text, value);
    xmlFree(text);
  }
  for (xmlNode *at = node->children; at; at = at->next) {
    if (at->type == XML_ELEMENT_NODE)
      shape_of(at, shape, value, ret_found);
    else
      *ret_found |= at->content && strstr((char *)at->content, value);
  }
  g_string_append_c(shape, ')');
}

static char *shape(const char *xml, const char *value, gboolean *ret_found) {
  xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), "d.xml", NULL, XML_PARSE_NONET);
  ck_assert_msg(doc != NULL, "%s", xml);
  GString *text = g_string_new(NULL);
  *ret_found = FALSE;
  shape_of(xmlDocGetRootElement(doc), text, value, ret_found);
  xmlFreeDoc(doc);
  return g_string_free(text, FALSE);
}

static gboolean xml_carries(const char *value) {
  if (!g_utf8_validate(value, -1, NULL)) return FALSE;
  for (const char *p = value; *p; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    if ((c < 0x20 && !strchr("\t\n\r", (int)c)) || c == 0xFFFE || c == 0xFFFF) return FALSE;
  }
  return TRUE;
}

/* Values that choose something instead of standing in the domain. */
static gboolean chooses(int place) {
  return strstr(places[place].vmi, "startStrategy") || strstr(places[place].bundle, "'format': '" MARK);
}
/* Values that are checked before: only names and addresses. */
static gboolean checked(int place) {
  return strstr(places[place].vmi, "'macAddress'") || strstr(places[place].bundle, "'mac': '" MARK) || strstr(places[place].vmi, "'disks': [{'name': '" MARK);
}

START_TEST(hostile_strings_keep_the_shape) {
  gboolean found = FALSE;
  g_autoptr(GError) none = NULL;
  const char *benign = checked(_i) ? strstr(places[_i].vmi, "'disks'") ? "benign" : "02:00:00:00:00:01" : "benign";
  g_autofree char *plain = emit(_i, benign, &none), *wanted = plain ? shape(plain, benign, &found) : NULL;
  ck_assert_msg(plain && (found || chooses(_i)), "%s: %s", places[_i].vmi, none ? none->message : "not in the domain");
  for (guint i = 0; i < G_N_ELEMENTS(hostile); i++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = emit(_i, hostile[i], &error);
    if (!xml) {
      ck_assert_msg(!xml_carries(hostile[i]) || checked(_i), "%s: %s: %s", places[_i].vmi, hostile[i], error->message);
      ck_assert(error->domain == WRY_ERROR && (error->code == WRY_ERROR_INVALID || error->code == WRY_ERROR_UNSUPPORTED));
      continue;
    }
    g_autofree char *got = shape(xml, hostile[i], &found);
    ck_assert_msg(found || chooses(_i), "%s: %s is not in the domain", places[_i].vmi, hostile[i]);
    ck_assert_msg(g_str_equal(got, wanted), "%s: %s:\n%s\n%s", places[_i].vmi, hostile[i], wanted, got);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("domain_emit");
  TCase *injection = tcase_create("injection");
  tcase_add_loop_test(injection, hostile_strings_keep_the_shape, 0, G_N_ELEMENTS(places));
  suite_add_tcase(suite, injection);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
