#pragma once
/* VMIs and bundles for tests, from JSON text in which ' stands for ". */
#include "wherry/bundle.h"
#include "wherry/spec.h"

/* A VMI whose spec is the given members, defaulted: support_domain_vmi("'domain': {'devices': {}, 'memory': {'guest': '128Mi'}}"). Named default/t, a uuid that is always the same.
 * Aborts on text that is no VMI. Free with wry_struct_free(&wry_vmi_type, …). */
WryVmi *support_domain_vmi(const char *spec_members);
/* A bundle; `members` beside version, vmi and an amd64 node with KVM. Free with wry_struct_free(&wry_bundle_type, …). */
WryBundle *support_domain_bundle(const char *members);
