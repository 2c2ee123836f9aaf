/* Rules about names, memory, machine, firmware, start and gates of spec.domain (contract 2.5). See spec_rules.h. */
#include <string.h>

#include "lib/spec_rules.h"

#define MIN_MEMORY_REQUEST 1000000

WRY_RULE(wry_rule_names) {
  const char *hostname = c->spec->hostname, *subdomain = c->spec->subdomain;
  if (wry_text(hostname) && !wry_is_dns_label(hostname)) wry_refuse(c, INVALID, wry_at(c, "hostname"), "must be a DNS label: %s", hostname);
  if (wry_text(subdomain) && !wry_is_dns_subdomain(subdomain)) wry_refuse(c, INVALID, wry_at(c, "subdomain"), "must be a DNS subdomain: %s", subdomain);
}

/* --- memory ---------------------------------------------------------------------------------------------------------------------------------------------- */
static void memory_amounts(WryCheck *c) {
  const WryResources *resources = c->spec->domain->resources;
  gint64 request = wry_amount(resources->requests, "memory"), limit = wry_amount(resources->limits, "memory");
  if (request < 0) wry_refuse(c, INVALID, wry_at(c, "domain.resources.requests.memory"), "must not be negative");
  if (request > 0 && request < MIN_MEMORY_REQUEST) wry_refuse(c, INVALID, wry_at(c, "domain.resources.requests.memory"), "must be at least 1M");
  if (limit < 0) wry_refuse(c, INVALID, wry_at(c, "domain.resources.limits.memory"), "must not be negative");
  if (limit > 0 && request > limit) wry_refuse(c, INVALID, wry_at(c, "domain.resources.requests.memory"), "must not exceed the memory limit");
}

static void huge_pages(WryCheck *c) {
  const WryMemory *memory = c->spec->domain->memory;
  if (!memory || !memory->hugepages) return;
  gint64 page, size = wry_amount(c->spec->domain->resources->requests, "memory");
  if (!memory->hugepages->pageSize || !wry_quantity_value(memory->hugepages->pageSize, &page) || page <= 0) {
    wry_refuse(c, INVALID, wry_at(c, "domain.memory.hugepages.pageSize"), "must be a quantity");
    return;
  }
  const char *source = memory->guest ? "domain.memory.guest" : "domain.resources.requests.memory";
  if (memory->guest) wry_quantity_value(memory->guest, &size);
  if (size < page || size % page) wry_refuse(c, INVALID, wry_at(c, "%s", source), "must be a multiple of the page size %s", memory->hugepages->pageSize);
}

WRY_RULE(wry_rule_memory) {
  memory_amounts(c);
  huge_pages(c);
}

WRY_RULE(wry_rule_memory_given) {
  const WryMemory *memory = c->spec->domain->memory;
  gboolean given = memory && (memory->guest || memory->hugepages);
  if (!given && !wry_amount(c->spec->domain->resources->requests, "memory"))
    wry_refuse(c, REQUIRED, wry_at(c, "domain.memory"), "no memory requested, at least one of memory.guest, memory.hugepages.pageSize, resources.requests.memory must be set");
}

/* --- machine, start, architecture ------------------------------------------------------------------------------------------------------------------------ */
WRY_RULE(wry_rule_machine) {
  const char *type = c->spec->domain->machine ? c->spec->domain->machine->type : NULL;
  if (wry_text(type) && !wry_config_machine_allowed(c->config, c->spec->architecture, type))
    wry_refuse(c, INVALID, wry_at(c, "domain.machine.type"), "machine %s is not supported", type);
}

WRY_RULE(wry_rule_start) {
  if (!c->spec->startStrategy) return;
  if (strcmp(c->spec->startStrategy, "Paused"))
    wry_refuse(c, INVALID, wry_at(c, "startStrategy"), "must be Paused");
  else if (c->spec->livenessProbe)
    wry_refuse(c, INVALID, wry_at(c, "startStrategy"), "must not be Paused together with a livenessProbe");
}

static const char *const architectures[] = {"amd64", "arm64", "s390x", NULL};

WRY_RULE(wry_rule_architecture) {
  const char *architecture = c->spec->architecture;
  const WryCpu *cpu = c->spec->domain->cpu;
  gboolean arm = !g_strcmp0(architecture, "arm64");
  if (wry_text(architecture) && !wry_is_one_of(architecture, architectures))
    wry_refuse(c, INVALID, wry_at(c, "architecture"), "architecture %s is not supported", architecture);
  if (arm && c->spec->domain->launchSecurity) wry_refuse(c, INVALID, wry_at(c, "architecture"), "launchSecurity is not supported on arm64");
  if (arm && cpu && wry_opt_bool(cpu->dedicatedCpuPlacement, FALSE) && wry_opt_int(cpu->threads) > 1)
    wry_refuse(c, INVALID, wry_at(c, "architecture"), "more than one thread per core is not supported on arm64");
}

static const char *const io_policies[] = {"shared", "auto", "supplementalPool", NULL};

WRY_RULE(wry_rule_io_threads) {
  const WryDomain *domain = c->spec->domain;
  if (!domain->ioThreadsPolicy) return;
  if (!wry_is_one_of(domain->ioThreadsPolicy, io_policies))
    wry_refuse(c, INVALID, wry_at(c, "domain.ioThreadsPolicy"), "must be one of shared, auto, supplementalPool");
  else if (!strcmp(domain->ioThreadsPolicy, "supplementalPool") && (!domain->ioThreads || wry_opt_int(domain->ioThreads->supplementalPoolThreadCount) < 1))
    wry_refuse(c, INVALID, wry_at(c, "domain.ioThreads.supplementalPoolThreadCount"), "must be at least 1 with policy supplementalPool");
}

static const char *const evictions[] = {"None", "LiveMigrate", "LiveMigrateIfPossible", "External", NULL};

WRY_RULE(wry_rule_eviction) {
  const char *strategy = c->spec->evictionStrategy;
  if (strategy && !wry_is_one_of(strategy, evictions)) wry_refuse(c, INVALID, wry_at(c, "evictionStrategy"), "unknown strategy %s", strategy);
}

/* --- firmware -------------------------------------------------------------------------------------------------------------------------------------------- */
static void acpi_table(WryCheck *c, const char *field, const char *name) {
  if (!wry_text(name)) return;
  const WryVolume *volume = wry_vmi_volume(c->spec, name);
  if (!volume || !volume->secret) wry_refuse(c, INVALID, wry_at(c, "domain.firmware.acpi.%s", field), "must name a volume that is a secret: %s", name);
}

WRY_RULE(wry_rule_acpi) {
  const WryFirmwareAcpi *acpi = c->spec->domain->firmware ? c->spec->domain->firmware->acpi : NULL;
  if (!acpi) return;
  if (!wry_text(acpi->slicNameRef) && !wry_text(acpi->msdmNameRef))
    wry_refuse(c, INVALID, wry_at(c, "domain.firmware.acpi"), "slicNameRef or msdmNameRef must be set");
  acpi_table(c, "slicNameRef", acpi->slicNameRef);
  acpi_table(c, "msdmNameRef", acpi->msdmNameRef);
}

static void boot_path(WryCheck *c, const char *field, const char *path) {
  if (wry_text(path) && (path[0] != '/' || !path[strspn(path, "/")] || strstr(path, "/../")))
    wry_refuse(c, INVALID, wry_at(c, "domain.firmware.kernelBoot.container.%s", field), "must be the absolute path of a file");
}

static void kernel_boot(WryCheck *c, const WryKernelBoot *boot) {
  const WryKernelContainer *container = boot->container;
  if (!container) {
    if (wry_text(boot->kernelArgs)) wry_refuse(c, INVALID, wry_at(c, "domain.firmware.kernelBoot.kernelArgs"), "needs a container");
    return;
  }
  if (!wry_text(container->image)) wry_refuse(c, REQUIRED, wry_at(c, "domain.firmware.kernelBoot.container.image"), "must be set");
  if (!wry_text(container->kernelPath) && !wry_text(container->initrdPath))
    wry_refuse(c, REQUIRED, wry_at(c, "domain.firmware.kernelBoot.container"), "kernelPath or initrdPath must be set");
  boot_path(c, "kernelPath", container->kernelPath);
  boot_path(c, "initrdPath", container->initrdPath);
}

WRY_RULE(wry_rule_firmware) {
  const WryFirmware *firmware = c->spec->domain->firmware;
  if (!firmware) return;
  const WryBootloader *loader = firmware->bootloader;
  if (loader && loader->efi && loader->bios) wry_refuse(c, INVALID, wry_at(c, "domain.firmware.bootloader"), "must not have both efi and bios");
  if (firmware->kernelBoot) kernel_boot(c, firmware->kernelBoot);
}

static const WryEfi *efi_of(const WryCheck *c) {
  const WryFirmware *firmware = c->spec->domain->firmware;
  return firmware && firmware->bootloader ? firmware->bootloader->efi : NULL;
}

static gboolean has_smm(const WryCheck *c) {
  const WryFeatures *features = c->spec->domain->features;
  return features && features->smm && wry_opt_bool(features->smm->enabled, TRUE);
}

/* Secure boot is on unless switched off. TDX brings its own. */
WRY_RULE(wry_rule_secure_boot) {
  const WryEfi *efi = efi_of(c);
  const WryLaunchSecurity *security = c->spec->domain->launchSecurity;
  if (!efi || !wry_opt_bool(efi->secureBoot, TRUE) || has_smm(c) || (security && security->tdx)) return;
  wry_refuse(c, INVALID, wry_at(c, "domain"), "EFI secure boot needs features.smm; set it, or set firmware.bootloader.efi.secureBoot to false");
}

/* --- launch security ------------------------------------------------------------------------------------------------------------------------------------- */
static const char *security_problem(const WryCheck *c, const WryLaunchSecurity *security) {
  const WryEfi *efi = efi_of(c);
  const char *gate = security->tdx ? "WorkloadEncryptionTDX" : "WorkloadEncryptionSEV";
  if (!wry_config_gate(c->config, gate)) return "the feature gate for it is not enabled";
  if (!efi) return "needs EFI firmware";
  if (!security->tdx && wry_opt_bool(efi->secureBoot, TRUE)) return "does not work with secure boot";
  if (security->tdx && has_smm(c)) return "does not work with SMM";
  if (security->sev && security->sev->attestation && g_strcmp0(c->spec->startStrategy, "Paused")) return "attestation needs startStrategy Paused";
  return NULL;
}

WRY_RULE(wry_rule_launch_security) {
  const WryLaunchSecurity *security = c->spec->domain->launchSecurity;
  if (!security || g_strcmp0(c->spec->architecture, "amd64")) return;
  guint kinds = (security->sev != NULL) + (security->snp != NULL) + (security->tdx != NULL);
  if (kinds != 1) {
    wry_refuse(c, FORBIDDEN, wry_at(c, "domain.launchSecurity"), "exactly one of sev, snp, tdx must be set");
    return;
  }
  const char *problem = security_problem(c, security);
  if (problem) wry_refuse(c, INVALID, wry_at(c, "domain.launchSecurity"), "%s", problem);
}

/* --- fields behind a gate -------------------------------------------------------------------------------------------------------------------------------- */
WRY_RULE(wry_rule_gated_fields) {
  if (c->spec->utilityVolumes && c->spec->utilityVolumes->len)
    wry_refuse(c, INVALID, wry_at(c, "utilityVolumes"), "can only be added to a running VMI");
  const WryDomain *domain = c->spec->domain;
  if (domain->memory && domain->memory->reservedOverhead && !wry_config_gate(c->config, "ReservedOverheadMemlock"))
    wry_refuse(c, INVALID, wry_at(c, "domain.memory.reservedOverhead"), "feature gate ReservedOverheadMemlock is not enabled");
  if (domain->rebootPolicy && !wry_config_gate(c->config, "RebootPolicy"))
    wry_refuse(c, INVALID, wry_at(c, "domain.rebootPolicy"), "feature gate RebootPolicy is not enabled");
}
