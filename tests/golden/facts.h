#pragma once
/* What a guest sees, read from a domain's XML: the form of the `guest` member of a KubeVirt behaviour corpus. An absent key is absent in the XML. */
#include "wherry/json.h"

/* New reference; NULL when `xml` is not well-formed. */
WryJson *wry_facts(const char *xml);
