/* Defaults of spec.domain but its devices: architecture, machine, resources, memory, CPU, firmware, clock, features, and what later hot-plug needs (contract 2.2,
 * steps 3 to 7 and 12 to 17). Each function is one step of the table in spec_default.c. */
#include <string.h>

#include "lib/spec_default.h"
#include "lib/spec_review.h"
#include "lib/spec_types.h"

#define MAX_HOTPLUG_VCPUS 512
#define GIB ((gint64)1 << 30)
#define MIB ((gint64)1 << 20)

WRY_DEFAULT_STEP(wry_default_architecture) {
  (void)error;
  wry_default_str(&d->spec->architecture, wry_config_architecture(d->config));
  return TRUE;
}

WRY_DEFAULT_STEP(wry_default_machine) {
  (void)error;
  WryDomain *domain = d->spec->domain;
  if (!domain->machine) domain->machine = wry_struct_new(wry_field_type(&wry_domain_type, "machine"));
  wry_default_str(&domain->machine->type, wry_config_machine_type(d->config, d->spec->architecture));
  return TRUE;
}

/* --- resources and memory -------------------------------------------------------------------------------------------------------------------------------- */
static const char *amount(WryJson *map, const char *name) {
  gint64 milli;
  const char *text = map ? wry_json_str(map, name) : NULL;
  return text && (!wry_quantity_milli(text, &milli) || milli) ? text : NULL;
}

/* The cluster's CPU request is written only when it is not KubeVirt's own. */
WRY_DEFAULT_STEP(wry_default_requests) {
  (void)error;
  WryResources *resources = d->spec->domain->resources;
  if (amount(resources->requests, "cpu")) return TRUE;
  const char *cpu = amount(resources->limits, "cpu"), *own = wry_config_str(d->config, "cpuRequest", "100m");
  gboolean dedicated = d->spec->domain->cpu && wry_opt_bool(d->spec->domain->cpu->dedicatedCpuPlacement, FALSE);
  if (!cpu && !dedicated && strcmp(own, "100m")) cpu = own;
  if (!cpu) return TRUE;
  if (!resources->requests) resources->requests = json_object_new_object();
  json_object_object_add(resources->requests, "cpu", json_object_new_string(cpu));
  return TRUE;
}

WRY_DEFAULT_STEP(wry_default_guest_memory) {
  (void)error;
  WryDomain *domain = d->spec->domain;
  if (!domain->memory) domain->memory = wry_struct_new(&wry_memory_type);
  if (domain->memory->guest) return TRUE;
  const char *pages = domain->memory->hugepages ? domain->memory->hugepages->pageSize : NULL;
  const char *sources[] = {amount(domain->resources->requests, "memory"), amount(domain->resources->limits, "memory"), pages};
  for (guint i = 0; i < G_N_ELEMENTS(sources); i++) {
    char *guest = sources[i] ? wry_quantity_canonical(sources[i]) : NULL;
    if (!guest) continue;
    domain->memory->guest = guest;
    break;
  }
  return TRUE;
}

/* --- CPU ------------------------------------------------------------------------------------------------------------------------------------------------- */
static WryCpu *need_cpu(WryVmiSpec *spec) {
  if (!spec->domain->cpu) spec->domain->cpu = wry_struct_new(&wry_cpu_type);
  return spec->domain->cpu;
}

/* Sockets from the limit or request, only when no part of the topology is given. */
WRY_DEFAULT_STEP(wry_default_topology) {
  (void)error;
  WryCpu *cpu = need_cpu(d->spec);
  if (!wry_is_zero(cpu->cores) || !wry_is_zero(cpu->sockets) || !wry_is_zero(cpu->threads)) return TRUE;
  const WryResources *resources = d->spec->domain->resources;
  const char *text = resources->limits ? wry_json_str(resources->limits, "cpu") : NULL;
  if (!text && resources->requests) text = wry_json_str(resources->requests, "cpu");
  gint64 sockets = 1;
  if (text) wry_quantity_value(text, &sockets);
  cpu->sockets = (WryOptInt){sockets != 0, (guint32)sockets}; /* Go's uint32: a negative limit, which the rules refuse, wraps */
  cpu->cores = cpu->threads = (WryOptInt){TRUE, 1};
  return TRUE;
}

WRY_DEFAULT_STEP(wry_default_cpu_model) {
  (void)error;
  gboolean arm = wry_is_architecture(d->spec, "arm64");
  wry_default_str(&need_cpu(d->spec)->model, arm ? "host-passthrough" : wry_config_str(d->config, "cpuModel", "host-model"));
  return TRUE;
}

static gboolean live_update(const WryDefaults *d) {
  return !strcmp(wry_config_str(d->config, "vmRolloutStrategy", "LiveUpdate"), "LiveUpdate") && !wry_is_architecture(d->spec, "arm64");
}

static gint64 hotplug_ratio(const WryDefaults *d) {
  return wry_config_int(d->config, "liveUpdateConfiguration.maxHotplugRatio", 4);
}

/* The cap counts only when all three parts of the topology are set, as in KubeVirt. */
WRY_DEFAULT_STEP(wry_default_cpu_hotplug) {
  (void)error;
  WryCpu *cpu = d->spec->domain->cpu;
  if (!live_update(d) || !wry_is_zero(cpu->maxSockets)) return TRUE;
  gint64 sockets = cpu->sockets.set ? cpu->sockets.v : 0, most = wry_config_int(d->config, "liveUpdateConfiguration.maxCpuSockets", 0);
  if (!most && __builtin_mul_overflow(sockets, hotplug_ratio(d), &most)) most = sockets;
  gint64 others = (cpu->cores.set ? cpu->cores.v : 0) * (cpu->threads.set ? cpu->threads.v : 0);
  if (most < sockets) most = sockets;
  if (others > 0 && most > MAX_HOTPLUG_VCPUS / others) most = MAX(sockets, MAX_HOTPLUG_VCPUS / others);
  cpu->maxSockets = (WryOptInt){most != 0, most};
  return TRUE;
}

const char *wry_memory_hotplug_problem(const WryVmiSpec *spec, gint64 guest, gint64 most) {
  const WryDomain *domain = spec->domain;
  gint64 page = 2 * MIB, size = 0;
  const WryHugepages *pages = domain->memory->hugepages;
  if (pages && pages->pageSize && wry_quantity_value(pages->pageSize, &size) && size > page) page = size;
  if (!wry_is_architecture(spec, "amd64")) return "memory can be plugged in on amd64 only";
  if (guest < GIB) return "the guest needs at least 1Gi";
  if (guest % page || most % page) return "guest and maxGuest must be multiples of 2Mi or of the huge page size";
  if (most < guest) return "guest must not exceed maxGuest";
  if (domain->launchSecurity) return "not with launchSecurity";
  if (domain->cpu && domain->cpu->realtime) return "not with realtime";
  return domain->cpu && domain->cpu->numa && domain->cpu->numa->guestMappingPassthrough ? "not with the host's NUMA mapping" : NULL;
}

WRY_DEFAULT_STEP(wry_default_memory_hotplug) {
  (void)error;
  WryMemory *memory = d->spec->domain->memory;
  gint64 guest, most;
  if (!live_update(d) || !memory || memory->maxGuest || !memory->guest || !wry_quantity_value(memory->guest, &guest)) return TRUE;
  const char *cluster = wry_config_str(d->config, "liveUpdateConfiguration.maxGuest", NULL);
  if (!cluster || !wry_quantity_value(cluster, &most)) {
    cluster = NULL;
    if (__builtin_mul_overflow(guest, hotplug_ratio(d), &most)) return TRUE;
  }
  if (wry_memory_hotplug_problem(d->spec, guest, most)) return TRUE;
  g_autofree char *text = cluster ? g_strdup(cluster) : g_strdup_printf("%" G_GINT64_FORMAT "Ki", most / 1024);
  memory->maxGuest = wry_quantity_canonical(text);
  return TRUE;
}

/* --- firmware -------------------------------------------------------------------------------------------------------------------------------------------- */
static WryFirmware *need_firmware(WryVmiSpec *spec) {
  if (!spec->domain->firmware) spec->domain->firmware = wry_struct_new(wry_field_type(&wry_domain_type, "firmware"));
  return spec->domain->firmware;
}

WRY_DEFAULT_STEP(wry_default_firmware) {
  (void)error;
  char **uuid = &need_firmware(d->spec)->uuid;
  if (*uuid && **uuid) return TRUE;
  g_free(*uuid);
  *uuid = wry_default_uuid(d);
  return TRUE;
}

/* arm64 boots UEFI without secure boot unless told otherwise. */
WRY_DEFAULT_STEP(wry_default_boot) {
  (void)error;
  if (!wry_is_architecture(d->spec, "arm64")) return TRUE;
  WryFirmware *firmware = need_firmware(d->spec);
  const WryType *type = wry_field_type(wry_field_type(&wry_domain_type, "firmware"), "bootloader");
  if (!firmware->bootloader) firmware->bootloader = wry_struct_new(type);
  if (firmware->bootloader->bios) return TRUE;
  if (!firmware->bootloader->efi) firmware->bootloader->efi = wry_struct_new(wry_field_type(type, "efi"));
  wry_default_bool(&firmware->bootloader->efi->secureBoot, FALSE);
  return TRUE;
}

/* --- clock and features ---------------------------------------------------------------------------------------------------------------------------------- */
WRY_DEFAULT_STEP(wry_default_clock) {
  (void)error;
  WryTimer *timer = d->spec->domain->clock ? d->spec->domain->clock->timer : NULL;
  if (!timer) return TRUE;
  WryTimerEntry *entries[] = {timer->hpet, timer->kvm, timer->pit, timer->rtc, timer->hyperv};
  for (guint i = 0; i < G_N_ELEMENTS(entries); i++)
    if (entries[i]) wry_default_bool(&entries[i]->present, TRUE);
  return TRUE;
}

static void default_states(WryFeatureState *const states[], guint count) {
  for (guint i = 0; i < count; i++)
    if (states[i]) wry_default_bool(&states[i]->enabled, TRUE);
}

static void default_hyperv(WryHyperv *hv) {
  WryFeatureState *states[] = {hv->relaxed, hv->vapic, hv->vpindex, hv->runtime, hv->synic, hv->reset, hv->frequencies, hv->reenlightenment, hv->ipi, hv->evmcs,
                               hv->synictimer ? hv->synictimer->direct : NULL, hv->tlbflush ? hv->tlbflush->direct : NULL,
                               hv->tlbflush ? hv->tlbflush->extended : NULL};
  default_states(states, G_N_ELEMENTS(states));
  WryOptBool *flags[] = {hv->spinlocks ? &hv->spinlocks->enabled : NULL, hv->vendorid ? &hv->vendorid->enabled : NULL,
                         hv->synictimer ? &hv->synictimer->enabled : NULL, hv->tlbflush ? &hv->tlbflush->enabled : NULL};
  for (guint i = 0; i < G_N_ELEMENTS(flags); i++)
    if (flags[i]) wry_default_bool(flags[i], TRUE);
  if (hv->spinlocks && hv->spinlocks->enabled.v && !hv->spinlocks->spinlocks.set) hv->spinlocks->spinlocks = (WryOptInt){TRUE, 4096};
}

/* ACPI is on, but not on s390x, which has none. */
WRY_DEFAULT_STEP(wry_default_features) {
  (void)error;
  WryDomain *domain = d->spec->domain;
  const WryType *type = wry_field_type(&wry_domain_type, "features");
  if (!domain->features) domain->features = wry_struct_new(type);
  WryFeatures *features = domain->features;
  if (!features->acpi) features->acpi = wry_struct_new(&wry_feature_state_type);
  wry_default_bool(&features->acpi->enabled, !wry_is_architecture(d->spec, "s390x"));
  WryFeatureState *states[] = {features->hypervPassthrough, features->smm, features->pvspinlock};
  default_states(states, G_N_ELEMENTS(states));
  if (features->apic) wry_default_bool(&features->apic->enabled, TRUE);
  if (features->hyperv) default_hyperv(features->hyperv);
  return TRUE;
}

/* --- what Hyper-V features need of each other --------------------------------------------------------------------------------------------------------- */
static gboolean is_on(const WryFeatureState *state) {
  return state && wry_opt_bool(state->enabled, FALSE);
}

static void need_feature(WryFeatureState **state) {
  if (!*state) *state = wry_struct_new(&wry_feature_state_type);
  wry_default_bool(&(*state)->enabled, TRUE);
}

static void need_vmx(WryCpu *cpu) {
  if (!cpu->features) cpu->features = g_ptr_array_new();
  for (guint i = 0; i < cpu->features->len; i++) {
    WryCpuFeature *feature = g_ptr_array_index(cpu->features, i);
    if (g_strcmp0(feature->name, "vmx")) continue;
    g_free(feature->policy);
    feature->policy = g_strdup("require");
    return;
  }
  WryCpuFeature *vmx = wry_struct_new(wry_field_type(&wry_cpu_type, "features"));
  vmx->name = g_strdup("vmx");
  vmx->policy = g_strdup("require");
  g_ptr_array_add(cpu->features, vmx);
}

WRY_DEFAULT_STEP(wry_default_hyperv_closure) {
  (void)error;
  WryHyperv *hv = d->spec->domain->features->hyperv;
  if (!hv) return TRUE;
  if (is_on(hv->evmcs)) {
    need_feature(&hv->vapic);
    if (is_on(hv->vapic)) need_vmx(need_cpu(d->spec));
  }
  if (hv->synictimer && wry_opt_bool(hv->synictimer->enabled, FALSE)) need_feature(&hv->synic);
  gboolean flush = hv->tlbflush && wry_opt_bool(hv->tlbflush->enabled, FALSE);
  if (is_on(hv->ipi) || flush || is_on(hv->synic)) need_feature(&hv->vpindex);
  return TRUE;
}
