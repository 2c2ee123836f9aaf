/* Objects for tests of the specification. */
#include "tests/unit/support_spec.h"

#include <check.h>
#include <string.h>

WryJson *support_json(const char *text) {
  g_autofree char *json = g_strdup(text);
  g_strdelimit(json, "'", '"');
  g_autoptr(GError) error = NULL;
  WryJson *object = wry_json_parse(json, strlen(json), &error);
  ck_assert_msg(object != NULL, "%s: %s", json, error ? error->message : "");
  return object;
}

WryJson *support_vmi(const char *domain, const char *spec) {
  gboolean devices = strstr(domain, "'devices'") != NULL, memory = strstr(domain, "'memory': {'guest") != NULL || strstr(domain, "'memory': {}") != NULL;
  g_autofree char *text = g_strdup_printf("{'apiVersion': 'kubevirt.io/v1', 'kind': 'VirtualMachineInstance', 'metadata': {'name': 'vm'}, 'spec': {'domain': {%s%s%s%s}%s%s}}", domain,
                                          *domain ? ", " : "", devices ? "'chassis': {}" : "'devices': {}", memory ? "" : ", 'memory': {'guest': '128Mi'}", *spec ? ", " : "", spec);
  return support_json(text);
}

WryJson *support_vm(const char *spec) {
  g_autofree char *text = g_strdup_printf("{'apiVersion': 'kubevirt.io/v1', 'kind': 'VirtualMachine', 'metadata': {'name': 'vm', 'uid': 'u-1', 'generation': 3}, 'spec': {%s}}", spec);
  return support_json(text);
}

WryConfig *support_config(const char *configuration) {
  g_autoptr(WryJson) json = configuration ? support_json(configuration) : NULL;
  WryConfig *config = wry_config_new(json, "amd64", NULL);
  ck_assert_ptr_nonnull(config);
  return config;
}

char *support_causes(const WryCauses *causes) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < wry_causes_count(causes); i++) {
    const WryCause *cause = wry_causes_get(causes, i);
    g_string_append_printf(text, "%s%s %s", i ? "; " : "", cause->reason + strlen("FieldValue"), cause->field);
  }
  return g_string_free(text, FALSE);
}

char *support_review(WryJson *object, const char *configuration, WryRules rules) {
  g_autoptr(WryConfig) config = support_config(configuration);
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_auto(WryVerdict) verdict = {.stage = WRY_STAGE_ALLOWED};
  WryReview review = {.config = config, .rules = rules};
  gboolean allowed = wry_review(&review, object, causes, &verdict);
  ck_assert_int_eq(allowed, wry_causes_count(causes) == 0);
  return support_causes(causes);
}
