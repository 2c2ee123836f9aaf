/* Rules of VirtualMachineInstance and VirtualMachine: what KubeVirt's validating webhooks refuse on CREATE (contract 2.5 with the corrections of section 0), and what
 * this version of Wherry does not do.
 *
 * Tables of small rule functions in KubeVirt's order; each looks at one topic and adds causes. Paths are always those that resolve in the object. */
#include "wherry/spec.h"

#include <string.h>

#include "lib/spec_default.h"
#include "lib/spec_review.h"
#include "lib/spec_types.h"
#include "wherry/limits.h"

const char *wry_at(WryCheck *c, const char *format, ...) {
  va_list args;
  va_start(args, format);
  int used = g_snprintf(c->path, sizeof c->path, "%s%s", c->prefix, *format ? "." : "");
  g_vsnprintf(c->path + used, sizeof c->path - (gulong)used, format, args);
  va_end(args);
  return c->path;
}

/* --- what this version lacks -------------------------------------------------------------------------------------------------------------------------- */
/* A boolean that says false to what this version lacks asks for nothing. */
static void forget_false(const WryType *type, gpointer s) {
  for (const WryField *field = type->fields; field->name; field++) {
    gpointer slot = (char *)s + field->offset;
    if (field->kind == WRY_K_BOOL && (field->flags & WRY_F_UNSUPPORTED) && !((WryOptBool *)slot)->v) ((WryOptBool *)slot)->set = FALSE;
    if (field->kind == WRY_K_OBJECT && *(gpointer *)slot) forget_false(field->type, *(gpointer *)slot);
    GPtrArray *list = field->kind == WRY_K_LIST ? *(GPtrArray **)slot : NULL;
    for (guint i = 0; list && i < list->len; i++) forget_false(field->type, g_ptr_array_index(list, i));
  }
}

static void refuse_unsupported(const WryType *type, gconstpointer s, WryRules rules, const char *path, WryCauses *causes) {
  gpointer copy = wry_struct_copy(type, s);
  forget_false(type, copy);
  wry_refuse_unsupported(type, copy, rules == WRY_RULES_IN_CLUSTER ? WRY_F_UNSUPPORTED : WRY_F_UNSUPPORTED | WRY_F_BY_CLUSTER, path, causes);
  wry_struct_free(type, copy);
}

static void refuse_bus(const char *bus, const char *path, WryCauses *causes) {
  static const char *const buses[] = {"virtio", "sata", "scsi", NULL};
  if (bus && !g_strv_contains(buses, bus)) wry_causes_add(causes, NOT_SUPPORTED, path, "bus %s is not supported by this version", bus);
}

/* Values of supported fields that this version does not do. */
static void refuse_eviction(const WryVmiSpec *spec, const WryCheck *c) {
  g_autofree char *path = g_strdup_printf("%s.evictionStrategy", c->prefix);
  gboolean good = !spec->evictionStrategy || !strcmp(spec->evictionStrategy, "None") || (c->rules == WRY_RULES_IN_CLUSTER && !strcmp(spec->evictionStrategy, "External"));
  if (!good) wry_causes_add(c->causes, NOT_SUPPORTED, path, "%s is not supported by this version", spec->evictionStrategy);
}

/* The kubelet runs a pod's probes, and there is no program in it yet that asks the guest's agent. */
static void refuse_probes(const WryVmiSpec *spec, const WryCheck *c) {
  const struct { const char *name; const WryProbe *probe; } probes[] = {{"readinessProbe", spec->readinessProbe}, {"livenessProbe", spec->livenessProbe}};
  for (guint i = 0; c->rules == WRY_RULES_IN_CLUSTER && i < G_N_ELEMENTS(probes); i++) {
    g_autofree char *path = g_strdup_printf("%s.%s.guestAgentPing", c->prefix, probes[i].name);
    if (probes[i].probe && probes[i].probe->guestAgentPing) wry_causes_add(c->causes, NOT_SUPPORTED, path, "not supported by this version in a cluster");
  }
}

static void refuse_values(const WryVmiSpec *spec, const WryConfig *config, const char *prefix, WryCauses *causes) {
  g_autofree char *architecture = g_strdup_printf("%s.architecture", prefix), *cpu = g_strdup_printf("%s.domain.cpu", prefix);
  if (wry_text(spec->architecture) && strcmp(spec->architecture, wry_config_architecture(config)))
    wry_causes_add(causes, NOT_SUPPORTED, architecture, "%s is not the machine's architecture", spec->architecture);
  if (wry_vmi_vcpus(spec) > WRY_MAX_VCPUS) wry_causes_add(causes, NOT_SUPPORTED, cpu, "more than %u virtual CPUs are not supported by this version", WRY_MAX_VCPUS);
  WRY_EACH(WryDisk, disk, spec->domain->devices->disks) {
    const char *target = disk->disk ? "disk" : disk->lun ? "lun" : "cdrom";
    g_autofree char *path = g_strdup_printf("%s.domain.devices.disks[%u].%s.bus", prefix, disk_i, target);
    const char *bus = disk->disk ? disk->disk->bus : disk->lun ? disk->lun->bus : disk->cdrom ? disk->cdrom->bus : NULL;
    refuse_bus(bus, path, causes);
  }
  WRY_EACH(WryPanicDevice, panic, spec->domain->devices->panicDevices) {
    g_autofree char *path = g_strdup_printf("%s.domain.devices.panicDevices[%u].model", prefix, panic_i);
    if (g_strcmp0(panic->model, "pvpanic") == 0) wry_causes_add(causes, NOT_SUPPORTED, path, "pvpanic is not supported by this version"); /* libvirt knows it since 9.1 */
  }
}

/* --- KubeVirt's rules ---------------------------------------------------------------------------------------------------------------------------------- */
/* Shared by VMIs and VM templates: before the network's, and after. */
static const WryRule first_rules[] = {
    wry_rule_names,       wry_rule_memory,       wry_rule_machine,      wry_rule_acpi,  wry_rule_cpu_resources, wry_rule_cpu_dedicated, wry_rule_cpu_numa,
    wry_rule_cpu_features, wry_rule_cpu_sockets, wry_rule_start,        wry_rule_cpu_realtime, wry_rule_affinity, wry_rule_spread,     wry_rule_schema_enums,
};
static const WryRule later_rules[] = {
    wry_rule_boot_order,   wry_rule_inputs,        wry_rule_io_threads,     wry_rule_probes,        wry_rule_disk_volumes,  wry_rule_disks,        wry_rule_firmware,        wry_rule_secure_boot,
    wry_rule_volumes,      wry_rule_container_disks, wry_rule_credentials, wry_rule_dns,          wry_rule_eviction,        wry_rule_vgpu_displays,
    wry_rule_host_devices, wry_rule_dra_devices,   wry_rule_resource_claims, wry_rule_sound,      wry_rule_launch_security, wry_rule_vsock,
    wry_rule_downward_metrics, wry_rule_filesystems, wry_rule_video,       wry_rule_panic_devices, wry_rule_gated_fields,   wry_rule_grace_devices,
};
/* Of VMIs alone. */
static const WryRule instance_rules[] = {wry_rule_architecture, wry_rule_per_architecture, wry_rule_volumes_used, wry_rule_memory_given, wry_rule_metadata, wry_rule_hyperv};

static void apply(WryCheck *c, const WryRule *rules, gsize count) {
  for (gsize i = 0; i < count; i++) rules[i](c);
}

static void rules_of_this_version(const WryType *type, gconstpointer s, const char *path, const WryVmiSpec *spec, const WryCheck *c) {
  refuse_unsupported(type, s, c->rules, path, c->causes);
  refuse_eviction(spec, c);
  refuse_probes(spec, c);
  refuse_values(spec, c->config, c->prefix, c->causes);
}

/* The network's rules come first for a VMI: KubeVirt applies them twice there, which is not repeated. */
void wry_vmi_rules(const WryVmi *vmi, const WryConfig *config, WryRules rules, gboolean trusted, WryCauses *causes) {
  WryCheck c = {.spec = vmi->spec, .meta = vmi->metadata, .config = config, .prefix = "spec", .meta_prefix = "metadata", .rules = rules, .trusted = trusted, .causes = causes};
  if (rules != WRY_RULES_KUBEVIRT) rules_of_this_version(&wry_vmi_spec_type, vmi->spec, "spec", vmi->spec, &c);
  wry_rule_removed_gates(&c);
  wry_rule_removed_bindings(&c);
  wry_rule_network(&c);
  apply(&c, first_rules, G_N_ELEMENTS(first_rules));
  apply(&c, later_rules, G_N_ELEMENTS(later_rules));
  apply(&c, instance_rules, G_N_ELEMENTS(instance_rules));
}

void wry_vmi_validate(const WryVmi *vmi, const WryConfig *config, WryRules rules, WryCauses *causes) {
  wry_vmi_rules(vmi, config, rules, FALSE, causes);
}

/* A binding that no longer exists ends the review of a new VM. */
static gboolean removed(WryCheck *c) {
  guint before = wry_causes_count(c->causes);
  wry_rule_removed_gates(c);
  if (wry_causes_count(c->causes) == before) wry_rule_removed_bindings(c);
  return wry_causes_count(c->causes) > before;
}

/* CPUs are counted as the VMI's defaults will. */
static WryVmiSpec *with_topology(const WryVmiSpec *spec, const WryConfig *config) {
  WryVmiSpec *copy = wry_struct_copy(&wry_vmi_spec_type, spec);
  WryDefaults d = {.spec = copy, .config = config};
  wry_default_topology(&d, NULL);
  return copy;
}

void wry_vm_rules(const WryVm *vm, const WryVm *old, const WryConfig *config, WryRules rules, WryCauses *causes) {
  const WryVmiTemplate *template = vm->spec->template_;
  WryVmiSpec *spec = with_topology(template->spec, config);
  WryCheck c = {.spec = spec, .meta = template->metadata, .config = config, .prefix = "spec.template.spec", .meta_prefix = "spec.template.metadata", .rules = rules,
                .causes = causes};
  if (rules != WRY_RULES_KUBEVIRT) rules_of_this_version(&wry_vm_type, vm, "", template->spec, &c);
  if (old || !removed(&c)) {
    wry_rule_metadata(&c);
    apply(&c, first_rules, G_N_ELEMENTS(first_rules));
    wry_rule_network(&c);
    apply(&c, later_rules, G_N_ELEMENTS(later_rules));
    wry_vm_own_rules(vm, old, config, causes);
  }
  wry_struct_free(&wry_vmi_spec_type, spec);
}

void wry_vm_validate(const WryVm *vm, const WryConfig *config, WryRules rules, WryCauses *causes) {
  wry_vm_rules(vm, NULL, config, rules, causes);
}
