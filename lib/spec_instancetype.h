#pragma once
/* Instance types and preferences: what a VirtualMachine takes from objects of instancetype.kubevirt.io (lib/spec_matcher.c, spec_instancetype.c, spec_preference.c).
 * They stay JSON: each field is a row that says where its value goes in the VMI. */
#include "lib/spec_review.h"

/* spec.instancetype or spec.preference of a VM: which kinds, labels and annotations belong to it. */
typedef struct { const char *field, *kind, *cluster_kind, *label, *annotation, *cluster_annotation; } WryMatcherKind;
extern const WryMatcherKind wry_instancetype_kind, wry_preference_kind;

/* The object's spec. New reference; NULL: the VM names none, or there is none (wry_matcher_missing tells). */
WryJson *wry_matcher_find(const WryReview *review, const WryVm *vm, const WryMatcherKind *kind);
gboolean wry_matcher_missing(const WryReview *review, const WryVm *vm);
/* Checks both matchers of a new VM and replaces inferFromVolume by what the volume's labels say. FALSE: causes were added, or *error says what cannot be inferred. */
gboolean wry_matchers_resolve(WryReviewing *r, WryVm *vm, GError **error);

/* `spec` is the VMI's as JSON, changed in place. What the VM says itself and the instance type too is a conflict: causes below spec.template.spec. */
void wry_instancetype_apply(WryJson *spec, WryJson *instancetype, WryJson *preference, WryCauses *causes);
/* What a VM does not say itself is as its preference says. */
void wry_preference_apply(WryJson *spec, WryJson *preference);
/* What a preference asks for at least. */
void wry_preference_requirements(const WryVm *vm, WryJson *instancetype, WryJson *preference, WryCauses *causes);
/* "sockets" | "cores" | "threads" | "spread": static. */
const char *wry_preferred_topology(WryJson *preference);

/* The VM with its instance type and preference applied; copies nothing when it has none. New VM. Conflicts and unmet requirements are causes. */
WryVm *wry_vm_expand(const WryReview *review, const WryVm *vm, WryCauses *causes);
/* Machine, architecture and storage class, which the template of a new VM takes from the preference. */
void wry_vm_take_preference(const WryReview *review, WryVm *vm);

/* object."a.b" = value (a new reference is taken), making what is missing; nothing when it is there. */
void wry_json_lend(WryJson *object, const char *path, WryJson *value);
