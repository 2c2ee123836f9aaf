/* Review of a VirtualMachine: defaults and rules on CREATE and UPDATE (contract 2.2, 2.5). One that is being deleted is let through, so that its finalizers can
 * go. */
#include <string.h>

#include "lib/spec_default.h"
#include "lib/spec_instancetype.h"

/* A revision belongs to one object: another name with the same revision would not be what it says. */
static void matcher_revision(WryReviewing *r, const WryMatcher *matcher, const WryMatcher *old, const char *field) {
  g_autofree char *path = g_strdup_printf("spec.%s.revisionName", field);
  if (matcher && old && wry_text(matcher->revisionName) && !g_strcmp0(matcher->revisionName, old->revisionName) && g_strcmp0(matcher->name, old->name))
    wry_causes_add(r->causes, INVALID, path, "must be cleared when the name changes");
}

gboolean wry_review_vm_defaults(WryReviewing *r, WryVm *vm, GError **error) {
  const WryReview *review = r->review;
  const WryVm *old = r->old;
  if (vm->metadata && vm->metadata->deletionTimestamp) {
    wry_default_str(&vm->metadata->namespace_, "default");
    return TRUE;
  }
  if (old && old->spec) {
    matcher_revision(r, vm->spec->instancetype, old->spec->instancetype, "instancetype");
    matcher_revision(r, vm->spec->preference, old->spec->preference, "preference");
  }
  if (wry_causes_count(r->causes) || !wry_matchers_resolve(r, vm, error)) return FALSE;
  if (!old) wry_vm_take_preference(review, vm);
  return wry_vm_default(vm, review->config, review->random_uuid, review->uuid_data, error);
}

void wry_review_vm_rules(WryReviewing *r, const WryVm *vm) {
  if (vm->metadata->deletionTimestamp) return;
  WryVm *whole = wry_vm_expand(r->review, vm, r->causes);
  if (!wry_causes_count(r->causes)) wry_vm_rules(whole, r->old, r->review->config, r->review->rules, r->causes);
  wry_struct_free(&wry_vm_type, whole);
}

WryVmi *wry_vm_start(const WryReview *review, const WryVm *vm, GError **error) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  if (wry_matcher_missing(review, vm)) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "the instance type or the preference does not exist");
    return NULL;
  }
  WryVm *whole = wry_vm_expand(review, vm, causes);
  g_autofree char *problems = wry_causes_count(causes) ? wry_causes_text(causes) : NULL;
  WryVmi *vmi = problems ? NULL : wry_vm_make_vmi(whole);
  if (problems) g_set_error(error, WRY_ERROR, WRY_ERROR_CONFLICT, "%s", problems);
  wry_struct_free(&wry_vm_type, whole);
  return vmi;
}
