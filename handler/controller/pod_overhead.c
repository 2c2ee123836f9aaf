/* Memory that a launcher pod needs beside its guest's.
 *
 * How it works: a sum of terms, each with its condition on the spec; the figures come from the caller, so the same sum serves Wherry's own figures and, in tests, KubeVirt's.
 * The configuration's ratio and the page tables' term round as KubeVirt rounds them, by thousands of bytes.
 * Relies on: contract 5.6. wry_pod_costs was measured, see its comment. */
#include <string.h>

#include "handler/controller/pod_parts.h"

#define MI (1024LL * 1024)

/* Measured on Debian 12 (QEMU 7.2, libvirt 9.0) as resident sets, every page of program files included: init 0.7 MiB, run 23.2, QEMU beside its guest's memory 42.3 with one
 * vCPU, 2.5 more for each further one; graphics 2.4 and the guest's 16 MiB of video memory. (The cgroup of such a VM is charged 25 MiB when others use the same files.) The rest of
 * the fixed part is for what I/O under way, console rings and the volume in memory take. Costs of what this version has not are KubeVirt's figures. */
const WryPodCosts wry_pod_costs = {
    .fixed = 80 * MI,
    .vcpu = 3 * MI,
    .iothread = 2 * MI,
    .graphics = 20 * MI,
    .arm64 = 128 * MI, /* two flash images of 64 MiB */
    .vfio = 1024 * MI,
    .downward_metrics = MI,
    .probe = 2 * MI, /* a short-lived `launcher guest-probe` */
    .probes = 0,
    .encryption = 256 * MI,
    .tpm = 53 * MI,
    .guaranteed = 32 * MI, /* nothing may be borrowed from others when memory peaks */
    .passt = 250 * MI,
};

/* --- conditions ------------------------------------------------------------------------------------------------------------------------------------------ */
gboolean wry_pod_dedicated(const WryVmiSpec *spec) {
  return spec->domain->cpu && wry_opt_bool(spec->domain->cpu->dedicatedCpuPlacement, FALSE);
}

static gboolean same_amount(const WryVmiSpec *spec, const char *name) {
  const char *request = wry_pod_amount(spec, FALSE, name), *limit = wry_pod_amount(spec, TRUE, name);
  gint64 a = 0, b = 0;
  return request && limit && wry_quantity_milli(request, &a) && wry_quantity_milli(limit, &b) && a == b;
}

gboolean wry_pod_guaranteed(const WryVmiSpec *spec) {
  return wry_pod_dedicated(spec) || (same_amount(spec, "cpu") && same_amount(spec, "memory"));
}

static gboolean has_vfio(const WryVmiSpec *spec) {
  const WryDevices *devices = spec->domain->devices;
  if ((devices->gpus && devices->gpus->len) || (devices->hostDevices && devices->hostDevices->len)) return TRUE;
  for (guint i = 0; devices->interfaces && i < devices->interfaces->len; i++)
    if (((const WryInterface *)devices->interfaces->pdata[i])->sriov) return TRUE;
  return FALSE;
}

static gboolean has_downward_metrics(const WryVmiSpec *spec) {
  for (guint i = 0; spec->volumes && i < spec->volumes->len; i++)
    if (((const WryVolume *)spec->volumes->pdata[i])->downwardMetrics) return TRUE;
  return FALSE;
}

static gboolean has_passt(const WryVmiSpec *spec) {
  const GPtrArray *interfaces = spec->domain->devices->interfaces;
  for (guint i = 0; interfaces && i < interfaces->len; i++)
    if (((const WryInterface *)interfaces->pdata[i])->passtBinding) return TRUE;
  return FALSE;
}

static gboolean has_encryption(const WryVmiSpec *spec) {
  const WryLaunchSecurity *security = spec->domain->launchSecurity;
  return security && (security->sev || security->snp);
}

static gboolean has_tpm(const WryVmiSpec *spec) {
  const WryTpm *tpm = spec->domain->devices->tpm;
  return tpm && wry_opt_bool(tpm->enabled, TRUE);
}

static gboolean has_graphics(const WryVmiSpec *spec) { return wry_opt_bool(spec->domain->devices->autoattachGraphicsDevice, TRUE); }
static gboolean is_arm64(const WryVmiSpec *spec) { return g_strcmp0(spec->architecture, "arm64") == 0; }

static const struct {
  gboolean (*applies)(const WryVmiSpec *spec);
  gsize cost; /* offset in WryPodCosts */
} terms[] = {
    {has_graphics, offsetof(WryPodCosts, graphics)},
    {is_arm64, offsetof(WryPodCosts, arm64)},
    {has_vfio, offsetof(WryPodCosts, vfio)},
    {has_downward_metrics, offsetof(WryPodCosts, downward_metrics)},
    {has_encryption, offsetof(WryPodCosts, encryption)},
    {has_tpm, offsetof(WryPodCosts, tpm)},
    {wry_pod_guaranteed, offsetof(WryPodCosts, guaranteed)},
};

/* --- the sum --------------------------------------------------------------------------------------------------------------------------------------------- */
/* Rounded up to thousands of bytes. */
static gint64 thousands(gint64 bytes) { return (bytes + 999) / 1000; }

static gint64 bytes_of(const char *quantity) {
  gint64 value = 0;
  return quantity && wry_quantity_value(quantity, &value) ? value : 0;
}

static gint64 probe_cost(const WryVmiSpec *spec, const WryPodCosts *costs) {
  gint64 count = (spec->readinessProbe && spec->readinessProbe->exec) + (spec->livenessProbe && spec->livenessProbe->exec);
  return count ? count * costs->probe + costs->probes : 0;
}

static gint64 with_ratio(gint64 bytes, const WryConfig *config) {
  const char *text = wry_config_str(config, "additionalGuestMemoryOverheadRatio", NULL);
  double ratio = text ? g_ascii_strtod(text, NULL) : 1.0;
  return ratio > 0 ? bytes + (gint64)((double)thousands(bytes) * (ratio - 1.0)) * 1000 : bytes;
}

gint64 wry_pod_overhead(const WryVmiSpec *spec, const WryConfig *config, const WryPodCosts *costs) {
  const WryMemory *memory = spec->domain->memory;
  gint64 sum = thousands(bytes_of(wry_pod_amount(spec, FALSE, "memory"))) * 1000 / 512; /* page tables */
  sum += costs->fixed + costs->vcpu * (gint64)wry_vmi_vcpus(spec) + costs->iothread;
  for (gsize i = 0; i < G_N_ELEMENTS(terms); i++)
    if (terms[i].applies(spec)) sum += *(const gint64 *)((const char *)costs + terms[i].cost);
  sum += probe_cost(spec, costs);
  if (memory && memory->reservedOverhead) sum += bytes_of(memory->reservedOverhead->addedOverhead);
  sum = with_ratio(sum, config);
  return has_passt(spec) ? sum + costs->passt : sum;
}
