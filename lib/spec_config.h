#pragma once
/* Reads of the cluster configuration for defaults and rules. All strings are borrowed. */
#include "wherry/spec.h"

/* Whether KubeVirt 1.9.0 has a feature gate of that name. */
gboolean wry_config_gate_known(const char *gate);
/* Of a VMI that names none: that of the configuration, else status.defaultArchitecture of the KubeVirt object, else "amd64". */
const char *wry_config_architecture(const WryConfig *config);
/* architectureConfiguration.<arch>.machineType and .emulatedMachines (globs). */
const char *wry_config_machine_type(const WryConfig *config, const char *architecture);
gboolean wry_config_machine_allowed(const WryConfig *config, const char *architecture, const char *machine);
