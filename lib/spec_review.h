#pragma once
/* What the reviews of the single kinds share (lib/spec_admit.c, spec_review_vm.c, spec_review_vmi.c). Old objects are decoded leniently: they were stored before. */
#include "lib/spec_rules.h"
#include "wherry/spec_review.h"

typedef struct {
  const WryReview *review;
  gconstpointer old; /* NULL: CREATE */
  gboolean trusted;  /* asked by one of KubeVirt's own accounts */
  WryCauses *causes;
  guint warnings;
} WryReviewing;

/* FALSE: refused; causes were added, or *error says why the defaults failed. */
gboolean wry_review_vmi_defaults(WryReviewing *r, WryVmi *vmi, GError **error);
void wry_review_vmi_rules(WryReviewing *r, const WryVmi *vmi);
gboolean wry_review_vm_defaults(WryReviewing *r, WryVm *vm, GError **error);
void wry_review_vm_rules(WryReviewing *r, const WryVm *vm);

/* All rules of a VMI or of a VM and its template on CREATE; `old` of a VM is NULL or the stored one. */
void wry_vmi_rules(const WryVmi *vmi, const WryConfig *config, WryRules rules, gboolean trusted, WryCauses *causes);
void wry_vm_rules(const WryVm *vm, const WryVm *old, const WryConfig *config, WryRules rules, WryCauses *causes);
/* Rules of a VM that are not about its template's spec (spec_validate_vm.c). */
void wry_vm_own_rules(const WryVm *vm, const WryVm *old, const WryConfig *config, WryCauses *causes);

/* "system:serviceaccount:<install namespace>:kubevirt-<name>" */
gboolean wry_is_kubevirt_account(const WryReview *review, const char *name);

/* Presets that match a new VMI (spec_preset.c). FALSE: they contradict each other. */
gboolean wry_apply_presets(WryReviewing *r, WryVmi *vmi, GError **error);

/* Hot-plugged storage of a running VMI (spec_validate_hotplug.c): one cause at most. */
void wry_rule_hotplug_storage(const WryVmiSpec *spec, const WryVmiSpec *old, WryCauses *causes);
/* A disk that is to be plugged in: NULL, or why it cannot be. */
const char *wry_hotplug_disk_problem(const WryDisk *disk);

/* Why memory of that size cannot be plugged in later, NULL when it can (spec_default_domain.c). Bytes. */
const char *wry_memory_hotplug_problem(const WryVmiSpec *spec, gint64 guest, gint64 most);
