/* Limits of a sandbox's cgroup.
 *
 * How it works: the formula of contract 5.6, term by term; limits exist only where the VMI gives them, shares always. Pure.
 * Relies on: quantities of fields.h. */
#include "handler/resources.h"

#define MI (1024LL * 1024)
#define PERIOD_US 100000u
#define PIDS_BASE 512u     /* threads of init, run and QEMU, I/O workers included */
#define PIDS_PER_VCPU 16u

static const char *amount(const WryVmiSpec *spec, gboolean limit, const char *name) {
  const WryResources *resources = spec->domain->resources;
  WryJson *map = !resources ? NULL : limit ? resources->limits : resources->requests;
  return map ? wry_json_str(map, name) : NULL;
}

static gint64 bytes_of(const char *quantity) {
  gint64 value = 0;
  return quantity && wry_quantity_value(quantity, &value) ? value : 0;
}

gint64 wry_resources_overhead(const WryVmiSpec *spec, const char *arch) {
  const WryDevices *devices = spec->domain->devices;
  gint64 overhead = bytes_of(amount(spec, FALSE, "memory")) / 512; /* page tables */
  overhead += 220 * MI;                                             /* fixed part as KubeVirt 1.9.0 has it (contract 0) */
  overhead += 8 * MI * (gint64)wry_vmi_vcpus(spec) + 8 * MI;
  if (wry_opt_bool(devices->autoattachGraphicsDevice, TRUE)) overhead += 32 * MI;
  if (strcmp(arch, "arm64") == 0) overhead += 128 * MI;
  if (devices->tpm && wry_opt_bool(devices->tpm->enabled, TRUE)) overhead += 53 * MI;
  const WryMemory *memory = spec->domain->memory;
  if (memory && memory->reservedOverhead) overhead += bytes_of(memory->reservedOverhead->addedOverhead);
  return overhead;
}

static guint32 shares_of(gint64 milli) { return (guint32)CLAMP(milli * 1024 / 1000, 2, 262144); }

void wry_resources_plan(const WryVmiSpec *spec, const char *arch, WrySetupRequest *setup) {
  gint64 milli = 0, limit = bytes_of(amount(spec, TRUE, "memory"));
  const char *quota = amount(spec, TRUE, "cpu"), *request = amount(spec, FALSE, "cpu");
  guint vcpus = wry_vmi_vcpus(spec);
  if (limit > 0) setup->memory_max = (guint64)(limit + wry_resources_overhead(spec, arch));
  if (quota && wry_quantity_milli(quota, &milli) && milli > 0) {
    setup->cpu_period_us = PERIOD_US;
    setup->cpu_quota_us = (guint32)CLAMP(milli * (gint64)PERIOD_US / 1000, 1000, G_MAXUINT32);
  }
  if (!request || !wry_quantity_milli(request, &milli) || milli <= 0) milli = 100 * (gint64)vcpus;
  setup->cpu_shares = shares_of(milli);
  setup->pids_max = PIDS_BASE + PIDS_PER_VCPU * vcpus;
}
