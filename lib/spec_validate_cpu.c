/* Rules about CPU topology, pinning, features and Hyper-V enlightenments (contract 2.5). See spec_rules.h. */
#include <string.h>

#include "lib/spec_rules.h"

static gboolean is_dedicated(const WryCheck *c) {
  return c->spec->domain->cpu && wry_opt_bool(c->spec->domain->cpu->dedicatedCpuPlacement, FALSE);
}

WRY_RULE(wry_rule_cpu_resources) {
  const WryResources *resources = c->spec->domain->resources;
  gint64 request = wry_amount_milli(resources->requests, "cpu"), limit = wry_amount_milli(resources->limits, "cpu");
  if (request < 0) wry_refuse(c, INVALID, wry_at(c, "domain.resources.requests.cpu"), "must not be negative");
  if (limit < 0) wry_refuse(c, INVALID, wry_at(c, "domain.resources.limits.cpu"), "must not be negative");
  if (limit > 0 && request > limit) wry_refuse(c, INVALID, wry_at(c, "domain.resources.requests.cpu"), "must not exceed the CPU limit");
}

/* --- dedicated CPUs -------------------------------------------------------------------------------------------------------------------------------------- */
static void dedicated_memory(WryCheck *c) {
  const WryResources *resources = c->spec->domain->resources;
  const WryMemory *memory = c->spec->domain->memory;
  gint64 request = wry_amount(resources->requests, "memory"), limit = wry_amount(resources->limits, "memory");
  if (!request && !limit && !(memory && (memory->guest || memory->hugepages)))
    wry_refuse(c, INVALID, wry_at(c, "domain.resources.limits.memory"), "must be set for dedicated CPUs");
}

static void dedicated_amounts(WryCheck *c) {
  const WryResources *resources = c->spec->domain->resources;
  gint64 request = wry_amount(resources->requests, "memory"), limit = wry_amount(resources->limits, "memory");
  if (wry_amount_milli(resources->requests, "cpu") % 1000) wry_refuse(c, INVALID, wry_at(c, "domain.resources.requests.cpu"), "must be whole for dedicated CPUs");
  if (wry_amount_milli(resources->limits, "cpu") % 1000) wry_refuse(c, INVALID, wry_at(c, "domain.resources.limits.cpu"), "must be whole for dedicated CPUs");
  if (request > 0 && limit > 0 && request != limit)
    wry_refuse(c, INVALID, wry_at(c, "domain.resources.requests.memory"), "must equal the memory limit for dedicated CPUs");
}

static void dedicated_counts(WryCheck *c) {
  const WryResources *resources = c->spec->domain->resources;
  const WryCpu *cpu = c->spec->domain->cpu;
  gint64 request = wry_amount(resources->requests, "cpu"), limit = wry_amount(resources->limits, "cpu"), vcpus = wry_vmi_vcpus(c->spec);
  gboolean topology = wry_opt_int(cpu->cores) || wry_opt_int(cpu->sockets) || wry_opt_int(cpu->threads);
  if (!request && !limit && !topology) wry_refuse(c, INVALID, wry_at(c, "domain.cpu.dedicatedCpuPlacement"), "needs a CPU request, limit or topology");
  if (request > 0 && limit > 0 && request != limit) wry_refuse(c, INVALID, wry_at(c, "domain.cpu.dedicatedCpuPlacement"), "CPU request and limit must be equal");
  if ((request > 0 || limit > 0) && topology && request != vcpus && limit != vcpus)
    wry_refuse(c, INVALID, wry_at(c, "domain.cpu.dedicatedCpuPlacement"), "CPU request or limit must equal the number of virtual CPUs");
  if (wry_opt_int(cpu->threads) > 2) wry_refuse(c, INVALID, wry_at(c, "domain.cpu.dedicatedCpuPlacement"), "at most two threads per core");
}

WRY_RULE(wry_rule_cpu_dedicated) {
  if (!is_dedicated(c)) return;
  dedicated_memory(c);
  dedicated_amounts(c);
  dedicated_counts(c);
}

WRY_RULE(wry_rule_cpu_numa) {
  const WryCpu *cpu = c->spec->domain->cpu;
  const WryMemory *memory = c->spec->domain->memory;
  if (!cpu) return;
  if (cpu->numa && cpu->numa->guestMappingPassthrough) {
    if (!is_dedicated(c)) wry_refuse(c, INVALID, wry_at(c, "domain.cpu.numa.guestMappingPassthrough"), "needs dedicatedCpuPlacement");
    if (!memory || !memory->hugepages) wry_refuse(c, INVALID, wry_at(c, "domain.cpu.numa.guestMappingPassthrough"), "needs huge pages");
  }
  if (wry_opt_bool(cpu->isolateEmulatorThread, FALSE) && !is_dedicated(c))
    wry_refuse(c, INVALID, wry_at(c, "domain.cpu.isolateEmulatorThread"), "needs dedicatedCpuPlacement");
}

/* --- features and sockets -------------------------------------------------------------------------------------------------------------------------------- */
static const char *const policies[] = {"force", "require", "optional", "disable", "forbid", NULL};

WRY_RULE(wry_rule_cpu_features) {
  const WryCpu *cpu = c->spec->domain->cpu;
  if (!cpu) return;
  WRY_EACH(WryCpuFeature, feature, cpu->features) {
    if (wry_text(feature->policy) && !wry_is_one_of(feature->policy, policies))
      wry_refuse(c, INVALID, wry_at(c, "domain.cpu.features[%u].policy", feature_i), "must be one of force, require, optional, disable, forbid");
  }
}

WRY_RULE(wry_rule_cpu_sockets) {
  const WryCpu *cpu = c->spec->domain->cpu;
  if (cpu && wry_opt_int(cpu->maxSockets) && wry_opt_int(cpu->sockets) > wry_opt_int(cpu->maxSockets))
    wry_refuse(c, INVALID, wry_at(c, "domain.cpu.sockets"), "must not exceed maxSockets");
}

WRY_RULE(wry_rule_cpu_realtime) {
  const WryCpu *cpu = c->spec->domain->cpu;
  if (!cpu || !cpu->realtime) return;
  if (!is_dedicated(c)) wry_refuse(c, REQUIRED, wry_at(c, "domain.cpu.dedicatedCpuPlacement"), "realtime needs dedicated CPUs");
  if (!cpu->numa || !cpu->numa->guestMappingPassthrough)
    wry_refuse(c, REQUIRED, wry_at(c, "domain.cpu.numa.guestMappingPassthrough"), "realtime needs the host's NUMA mapping");
}

/* --- Hyper-V --------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean is_on(const WryFeatureState *state) {
  return state && wry_opt_bool(state->enabled, FALSE);
}

static gboolean is_off(const WryFeatureState *state) {
  return state && !wry_opt_bool(state->enabled, TRUE);
}

/* The defaults switch on what is needed; a feature whose need is explicitly off stays refused. */
static void hyperv_needs(WryCheck *c, const WryHyperv *hv) {
  const struct { const char *name; gboolean on; const WryFeatureState *need; const char *need_name; } needs[] = {
      {"ipi", is_on(hv->ipi), hv->vpindex, "vpindex"},
      {"tlbflush", hv->tlbflush && wry_opt_bool(hv->tlbflush->enabled, FALSE), hv->vpindex, "vpindex"},
      {"synictimer", hv->synictimer && wry_opt_bool(hv->synictimer->enabled, FALSE), hv->synic, "synic"},
      {"synic", is_on(hv->synic), hv->vpindex, "vpindex"},
      {"evmcs", is_on(hv->evmcs), hv->vapic, "vapic"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(needs); i++)
    if (needs[i].on && is_off(needs[i].need)) wry_refuse(c, INVALID, wry_at(c, "domain.features.hyperv.%s", needs[i].name), "needs %s", needs[i].need_name);
}

static gboolean has_cpu_feature(const WryCpu *cpu, const char *name) {
  if (!cpu) return FALSE;
  WRY_EACH(WryCpuFeature, feature, cpu->features) {
    if (!g_strcmp0(feature->name, name)) return TRUE;
  }
  return FALSE;
}

WRY_RULE(wry_rule_hyperv) {
  const WryFeatures *features = c->spec->domain->features;
  if (!features || !features->hyperv) return;
  if (is_on(features->hypervPassthrough)) wry_refuse(c, INVALID, wry_at(c, "domain.features.hyperv"), "must not be set together with hypervPassthrough");
  hyperv_needs(c, features->hyperv);
  if (is_on(features->hyperv->evmcs) && !has_cpu_feature(c->spec->domain->cpu, "vmx"))
    wry_refuse(c, REQUIRED, wry_at(c, "domain.cpu.features"), "evmcs needs CPU feature vmx");
}
