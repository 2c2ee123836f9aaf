#pragma once
/* Objects for tests of the specification: JSON is written with single quotes. */
#include "wherry/spec_review.h"

/* New reference; ends the test when the text is no JSON. */
WryJson *support_json(const char *text);
/* A VirtualMachineInstance "vm" with that spec; `domain` and `spec` are members without braces: "'cpu': {'cores': 2}". */
WryJson *support_vmi(const char *domain, const char *spec);
WryJson *support_vm(const char *spec);
WryConfig *support_config(const char *configuration); /* NULL: KubeVirt's defaults */
/* "Reason path" of each cause, joined with "; ". The reason without "FieldValue". New string. */
char *support_causes(const WryCauses *causes);
/* Reviews a new object; the causes as support_causes. */
char *support_review(WryJson *object, const char *configuration, WryRules rules);
