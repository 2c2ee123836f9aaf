#pragma once
/* Field tables that lib/spec_*.c share with each other. */
#include "wherry/fields.h"

extern const WryType wry_empty_type, wry_feature_state_type, wry_resources_type, wry_devices_type, wry_cpu_type, wry_memory_type;
extern const WryType wry_volume_type, wry_network_type, wry_probe_type, wry_affinity_type, wry_toleration_type, wry_spread_type, wry_dns_config_type,
    wry_access_credential_type, wry_label_selector_type, wry_matcher_type, wry_data_volume_template_type, wry_vmi_template_type;

/* Type of the OBJECT or LIST field of that JSON name. The name must be there. */
const WryType *wry_field_type(const WryType *type, const char *name);
/* Kind ("Secret") of a type that wry_kind_type() gave. Static. */
const char *wry_kind_name(const WryType *type);
