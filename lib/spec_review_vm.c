/* Review of a VirtualMachine: defaults and rules on CREATE and UPDATE (contract 2.2, 2.5). One that is being deleted is let through, so that its finalizers can
 * go. */
#include <string.h>

#include "lib/spec_review.h"

/* A revision belongs to one object: another name with the same revision would not be what it says. */
static void matcher_revision(WryReviewing *r, const WryMatcher *matcher, const WryMatcher *old, const char *field) {
  g_autofree char *path = g_strdup_printf("spec.%s.revisionName", field);
  if (matcher && old && wry_text(matcher->revisionName) && !g_strcmp0(matcher->revisionName, old->revisionName) && g_strcmp0(matcher->name, old->name))
    wry_causes_add(r->causes, INVALID, path, "must be cleared when the name changes");
}

gboolean wry_review_vm_defaults(WryReviewing *r, WryVm *vm, GError **error) {
  const WryReview *review = r->review;
  const WryVm *old = r->old;
  if (vm->metadata && vm->metadata->deletionTimestamp) return TRUE;
  if (old && old->spec) {
    matcher_revision(r, vm->spec->instancetype, old->spec->instancetype, "instancetype");
    matcher_revision(r, vm->spec->preference, old->spec->preference, "preference");
  }
  return !wry_causes_count(r->causes) && wry_vm_default(vm, review->config, review->random_uuid, review->uuid_data, error);
}

void wry_review_vm_rules(WryReviewing *r, const WryVm *vm) {
  if (!vm->metadata->deletionTimestamp) wry_vm_rules(vm, r->old, r->review->config, r->review->rules, r->causes);
}
