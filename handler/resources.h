#pragma once
/* CPU and memory of a sandbox: the limits that the compute container of KubeVirt's launcher pod would have (contract 5.6). Pure. */
#include "wherry/setup.h"
#include "wherry/spec.h"

/* Memory beside the guest's, in bytes. */
gint64 wry_resources_overhead(const WryVmiSpec *spec, const char *arch);
/* memory_max, cpu_quota_us, cpu_period_us, cpu_shares, pids_max. */
void wry_resources_plan(const WryVmiSpec *spec, const char *arch, WrySetupRequest *setup);
