#pragma once
/* What users and schedulers see of a launcher pod, in the corpus' form. */
#include "wherry/spec.h"

/* Of a pod of Wherry's; what Wherry alone has is left out. New reference. */
WryJson *pod_facts(WryJson *pod);
/* Changes KubeVirt's facts to what Wherry means to have instead, in every pod alike (the table at the head of pod_facts.c). */
void pod_facts_expect(WryJson *facts);
