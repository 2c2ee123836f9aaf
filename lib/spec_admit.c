/* Admission of one object: decode, defaults, rules, as KubeVirt's webhooks do it on CREATE.
 *
 * Which kind an object is decides a row of `kinds`; the kinds without own defaults and rules are decoded alone. */
#include <string.h>

#include "lib/spec_types.h"
#include "wherry/spec.h"

typedef struct { const WryConfig *config; WryRules rules; WryCauses *causes; } Admission;

static void default_failed(GError *error, WryCauses *causes) {
  wry_causes_add(causes, WRY_CAUSE_INVALID, "spec", "%s", error->message);
  g_error_free(error);
}

static void admit_vmi(gpointer object, const Admission *a) {
  GError *error = NULL;
  if (wry_vmi_default(object, a->config, NULL, NULL, &error))
    wry_vmi_validate(object, a->config, a->rules, a->causes);
  else
    default_failed(error, a->causes);
}

static void admit_vm(gpointer object, const Admission *a) {
  GError *error = NULL;
  if (wry_vm_default(object, a->config, NULL, NULL, &error))
    wry_vm_validate(object, a->config, a->rules, a->causes);
  else
    default_failed(error, a->causes);
}

static const struct { const char *kind; void (*admit)(gpointer object, const Admission *a); } kinds[] = {
    {"VirtualMachineInstance", admit_vmi},
    {"VirtualMachine", admit_vm},
};

static const WryType *known_type(WryJson *object, const char **ret_kind, WryCauses *causes) {
  const char *kind = wry_json_str(object, "kind"), *version = wry_json_str(object, "apiVersion"), *wanted = NULL;
  const WryType *type = wry_kind_type(kind, &wanted);
  if (!kind || !version)
    wry_causes_add(causes, WRY_CAUSE_REQUIRED, kind ? "apiVersion" : "kind", "must be set");
  else if (!type)
    wry_causes_add(causes, WRY_CAUSE_NOT_SUPPORTED, "kind", "no kind \"%s\" is known", kind);
  else if (strcmp(version, wanted))
    wry_causes_add(causes, WRY_CAUSE_NOT_SUPPORTED, "apiVersion", "%s must be of version %s", kind, wanted);
  else {
    *ret_kind = wry_kind_name(type);
    return type;
  }
  return NULL;
}

gpointer wry_object_admit(WryJson *object, const WryConfig *config, WryRules rules, const char **ret_kind, WryCauses *causes) {
  const char *kind = NULL;
  guint before = wry_causes_count(causes);
  const WryType *type = known_type(object, &kind, causes);
  gpointer s = type ? wry_decode(type, object, "", causes) : NULL;
  Admission a = {config, rules, causes};
  for (guint i = 0; s && wry_causes_count(causes) == before && i < G_N_ELEMENTS(kinds); i++)
    if (!strcmp(kinds[i].kind, kind)) kinds[i].admit(s, &a);
  if (wry_causes_count(causes) != before) {
    if (s) wry_struct_free(type, s);
    return NULL;
  }
  if (ret_kind) *ret_kind = kind;
  return s;
}
