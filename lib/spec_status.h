#pragma once
/* Field tables that the status of several kinds shares. */
#include "wherry/fields.h"

extern const WryType wry_condition_type, wry_phase_time_type, wry_migration_state_type, wry_migration_config_type;
