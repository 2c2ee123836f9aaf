/* Review of one object: schema, defaults, rules, as KubeVirt's webhooks do it.
 *
 * Which kind an object is decides a row of `kinds`; kinds without own defaults and rules are decoded alone. A stage that adds causes ends the review: rules see
 * nothing that does not have the right shape. */
#include <string.h>

#include "lib/spec_types.h"
#include "wherry/spec_review.h"

/* --- one function per kind and stage ---------------------------------------------------------------------------------------------------------------- */
static gboolean default_vmi(const WryReview *r, gpointer object, WryCauses *causes, GError **error) {
  (void)causes;
  return r->old ? TRUE : wry_vmi_default(object, r->config, r->random_uuid, r->uuid_data, error);
}

static gboolean default_vm(const WryReview *r, gpointer object, WryCauses *causes, GError **error) {
  (void)causes;
  return wry_vm_default(object, r->config, r->random_uuid, r->uuid_data, error);
}

static void rules_vmi(const WryReview *r, gpointer object, WryCauses *causes) {
  wry_vmi_validate(object, r->config, r->rules, causes);
}

static void rules_vm(const WryReview *r, gpointer object, WryCauses *causes) {
  wry_vm_validate(object, r->config, r->rules, causes);
}

static const struct {
  const char *kind;
  gboolean (*defaults)(const WryReview *r, gpointer object, WryCauses *causes, GError **error);
  void (*rules)(const WryReview *r, gpointer object, WryCauses *causes);
} kinds[] = {
    {"VirtualMachineInstance", default_vmi, rules_vmi},
    {"VirtualMachine", default_vm, rules_vm},
};

/* --- review ---------------------------------------------------------------------------------------------------------------------------------------------- */
static const WryType *known_type(WryJson *object, WryCauses *causes) {
  const char *kind = wry_json_str(object, "kind"), *version = wry_json_str(object, "apiVersion"), *wanted = NULL;
  const WryType *type = wry_kind_type(kind, &wanted);
  if (!kind || !version)
    wry_causes_add(causes, WRY_CAUSE_REQUIRED, kind ? "apiVersion" : "kind", "must be set");
  else if (!type)
    wry_causes_add(causes, WRY_CAUSE_NOT_SUPPORTED, "kind", "no kind \"%s\" is known", kind);
  else if (strcmp(version, wanted))
    wry_causes_add(causes, WRY_CAUSE_NOT_SUPPORTED, "apiVersion", "%s must be of version %s", kind, wanted);
  else
    return type;
  return NULL;
}

static WryStage read_object(WryJson *object, WryCauses *causes, WryVerdict *verdict) {
  verdict->type = known_type(object, causes);
  if (!verdict->type) return WRY_STAGE_SCHEMA;
  verdict->kind = wry_kind_name(verdict->type);
  verdict->object = wry_decode(verdict->type, object, "", causes);
  return wry_causes_count(causes) ? WRY_STAGE_SCHEMA : WRY_STAGE_ALLOWED;
}

static WryStage judge(const WryReview *r, gpointer object, guint row, WryCauses *causes) {
  g_autoptr(GError) error = NULL;
  if (!kinds[row].defaults(r, object, causes, &error)) {
    if (error) wry_causes_add(causes, WRY_CAUSE_INVALID, "spec", "%s", error->message);
    return WRY_STAGE_DEFAULTS;
  }
  kinds[row].rules(r, object, causes);
  return wry_causes_count(causes) ? WRY_STAGE_RULES : WRY_STAGE_ALLOWED;
}

gboolean wry_review(const WryReview *review, WryJson *object, WryCauses *causes, WryVerdict *ret_verdict) {
  *ret_verdict = (WryVerdict){.stage = WRY_STAGE_ALLOWED};
  ret_verdict->stage = read_object(object, causes, ret_verdict);
  for (guint i = 0; ret_verdict->stage == WRY_STAGE_ALLOWED && i < G_N_ELEMENTS(kinds); i++)
    if (!strcmp(kinds[i].kind, ret_verdict->kind)) ret_verdict->stage = judge(review, ret_verdict->object, i, causes);
  return ret_verdict->stage == WRY_STAGE_ALLOWED;
}

void wry_verdict_clear(WryVerdict *verdict) {
  if (verdict->object) wry_struct_free(verdict->type, verdict->object);
  verdict->object = NULL;
}

gpointer wry_object_admit(WryJson *object, const WryConfig *config, WryRules rules, const char **ret_kind, WryCauses *causes) {
  WryReview review = {.config = config, .rules = rules};
  g_auto(WryVerdict) verdict = {.stage = WRY_STAGE_ALLOWED};
  if (!wry_review(&review, object, causes, &verdict)) return NULL;
  if (ret_kind) *ret_kind = verdict.kind;
  return g_steal_pointer(&verdict.object);
}
