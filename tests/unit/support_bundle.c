/* See support_bundle.h. */
#include "tests/unit/support_bundle.h"

static gpointer decode(const WryType *type, char *text) {
  g_autoptr(GError) error = NULL;
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_strdelimit(text, "'", '"');
  g_autoptr(WryJson) object = wry_json_parse(text, strlen(text), &error);
  gpointer decoded = object ? wry_decode(type, object, "", causes) : NULL;
  if (decoded && wry_causes_count(causes) == 0) return decoded;
  g_autofree char *why = wry_causes_text(causes);
  g_error("%s\n%s %s", text, why, error ? error->message : "");
}

static char *fixed_uuid(gpointer data) {
  (void)data;
  return g_strdup("d1ce0000-0000-4000-8000-000000000001");
}

WryVmi *support_domain_vmi(const char *spec_members) {
  g_autoptr(GError) error = NULL;
  g_autoptr(WryConfig) config = wry_config_new(NULL, "amd64", &error);
  g_autofree char *text = g_strdup_printf(
      "{'apiVersion': 'kubevirt.io/v1', 'kind': 'VirtualMachineInstance', 'metadata': {'name': 't', 'namespace': 'default', 'uid': 'u-1'}, 'spec': {%s}}", spec_members);
  WryVmi *vmi = decode(&wry_vmi_type, text);
  if (!wry_vmi_default(vmi, config, fixed_uuid, NULL, &error)) g_error("%s", error->message);
  return vmi;
}

WryBundle *support_domain_bundle(const char *members) {
  g_autofree char *text = g_strdup_printf("{'version': 1, 'vmi': {}, 'node': {'kvm': true, 'arch': 'amd64'}%s%s}", *members ? ", " : "", members);
  return decode(&wry_bundle_type, text);
}
