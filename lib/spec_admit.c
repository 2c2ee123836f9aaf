/* Review of one object: schema, defaults, rules, as KubeVirt's webhooks do it.
 *
 * Which kind an object is decides a row of `kinds`; kinds without own defaults and rules are decoded alone. A stage that adds causes ends the review: rules see
 * nothing that does not have the right shape. */
#include <string.h>

#include "lib/spec_review.h"
#include "lib/spec_types.h"

static const char *const accounts[] = {"apiserver", "controller", "handler", "operator", NULL};

static gboolean is_trusted(const WryReview *review) {
  for (guint i = 0; accounts[i]; i++)
    if (wry_is_kubevirt_account(review, accounts[i])) return TRUE;
  return FALSE;
}

/* --- one function per kind and stage --------------------------------------------------------------------------------------------------------------------- */
static gboolean default_vmi(WryReviewing *r, gpointer object, GError **error) {
  return wry_review_vmi_defaults(r, object, error);
}

static gboolean default_vm(WryReviewing *r, gpointer object, GError **error) {
  return wry_review_vm_defaults(r, object, error);
}

static void rules_vmi(WryReviewing *r, gconstpointer object) {
  wry_review_vmi_rules(r, object);
}

static void rules_vm(WryReviewing *r, gconstpointer object) {
  wry_review_vm_rules(r, object);
}

static const struct {
  const char *kind;
  gboolean (*defaults)(WryReviewing *r, gpointer object, GError **error);
  void (*rules)(WryReviewing *r, gconstpointer object);
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

static WryStage judge(WryReviewing *r, gpointer object, guint row) {
  g_autoptr(GError) error = NULL;
  if (!kinds[row].defaults(r, object, &error)) {
    if (error) wry_causes_add(r->causes, WRY_CAUSE_INVALID, "spec", "%s", error->message);
    return WRY_STAGE_DEFAULTS;
  }
  kinds[row].rules(r, object);
  return wry_causes_count(r->causes) ? WRY_STAGE_RULES : WRY_STAGE_ALLOWED;
}

/* What is stored was admitted once: what it lacks today is not asked again. */
static gpointer read_old(const WryReview *review, const WryType *type) {
  g_autoptr(WryCauses) ignored = wry_causes_new();
  return review->old ? wry_decode(type, review->old, "", ignored) : NULL;
}

gboolean wry_review(const WryReview *review, WryJson *object, WryCauses *causes, WryVerdict *ret_verdict) {
  *ret_verdict = (WryVerdict){.stage = WRY_STAGE_ALLOWED};
  ret_verdict->stage = read_object(object, causes, ret_verdict);
  if (ret_verdict->stage != WRY_STAGE_ALLOWED) return FALSE;
  gpointer old = read_old(review, ret_verdict->type);
  WryReviewing r = {.review = review, .old = old, .trusted = is_trusted(review), .causes = causes};
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (!strcmp(kinds[i].kind, ret_verdict->kind)) ret_verdict->stage = judge(&r, ret_verdict->object, i);
  ret_verdict->warnings = r.warnings;
  if (old) wry_struct_free(ret_verdict->type, old);
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
