/* Defaults of VirtualMachineInstance and VirtualMachine: what KubeVirt's mutating webhooks do on CREATE (contract 2.2 with the corrections of section 0).
 *
 * A table of small steps in KubeVirt's order, each changing the spec in place; then metadata and status. A VirtualMachine's template gets few of them: most
 * values are chosen when its VirtualMachineInstance is made. Afterwards the struct has the form in which Go would write it (spec_normal.c).
 *
 * Relies on a decoded struct; a spec without domain or devices is completed first. */
#include "lib/spec_default.h"

#include <string.h>

#include "lib/spec_types.h"

void wry_default_str(char **slot, const char *value) {
  if (*slot && **slot) return;
  g_free(*slot);
  *slot = g_strdup(value);
}

void wry_default_bool(WryOptBool *slot, gboolean value) {
  if (!slot->set) *slot = (WryOptBool){TRUE, value};
}

gboolean wry_is_zero(WryOptInt value) {
  return !value.set || !value.v;
}

gboolean wry_is_architecture(const WryVmiSpec *spec, const char *architecture) {
  return !g_strcmp0(spec->architecture, architecture);
}

char *wry_default_uuid(const WryDefaults *d) {
  return d->random_uuid ? d->random_uuid(d->data) : g_uuid_string_random();
}

void wry_map_default(WryJson **map, const char *key, const char *value) {
  if (!*map) *map = json_object_new_object();
  if (!wry_json_get(*map, key)) json_object_object_add(*map, key, json_object_new_string(value));
}

void wry_spec_complete(WryVmiSpec *spec) {
  if (!spec->domain) spec->domain = wry_struct_new(&wry_domain_type);
  if (!spec->domain->resources) spec->domain->resources = wry_struct_new(&wry_resources_type);
  if (!spec->domain->devices) spec->domain->devices = wry_struct_new(&wry_devices_type);
}

/* --- metadata ------------------------------------------------------------------------------------------------------------------------------------------ */
void wry_default_pci_topology(WryMeta *meta, const WryVmiSpec *spec) {
  const char *machine = spec->domain->machine ? spec->domain->machine->type : NULL;
  gboolean pcie = (wry_is_architecture(spec, "amd64") && machine && strstr(machine, "q35")) ||
                  (wry_is_architecture(spec, "arm64") && machine && g_str_has_prefix(machine, "virt"));
  if (pcie) wry_map_default(&meta->annotations, "kubevirt.io/pci-topology-version", "v3");
}

static void default_namespace(WryMeta **meta) {
  if (!*meta) *meta = wry_struct_new(&wry_meta_type);
  wry_default_str(&(*meta)->namespace_, "default");
}

static void add_finalizer(WryMeta *meta, const char *finalizer) {
  if (!meta->finalizers) meta->finalizers = g_ptr_array_new_with_free_func(g_free);
  if (!g_ptr_array_find_with_equal_func(meta->finalizers, finalizer, g_str_equal, NULL)) g_ptr_array_add(meta->finalizers, g_strdup(finalizer));
}

/* --- status ---------------------------------------------------------------------------------------------------------------------------------------------- */
static void add_count(WryJson *object, const char *key, WryOptInt count) {
  if (!wry_is_zero(count)) json_object_object_add(object, key, json_object_new_int64(count.v));
}

static WryJson *topology_status(const WryCpu *cpu) {
  WryJson *topology = json_object_new_object();
  add_count(topology, "cores", cpu->cores);
  add_count(topology, "sockets", cpu->sockets);
  add_count(topology, "threads", cpu->threads);
  return topology;
}

static WryJson *memory_status(const char *guest) {
  static const char *const keys[] = {"guestAtBoot", "guestCurrent", "guestRequested"};
  WryJson *memory = json_object_new_object();
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++) json_object_object_add(memory, keys[i], json_object_new_string(guest));
  return memory;
}

static WryJson *pending_transition(void) {
  g_autoptr(GDateTime) now = g_date_time_new_now_utc();
  g_autofree char *text = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
  WryJson *transition = json_object_new_object(), *list = json_object_new_array_ext(1);
  json_object_object_add(transition, "phase", json_object_new_string("Pending"));
  json_object_object_add(transition, "phaseTransitionTimestamp", json_object_new_string(text));
  json_object_array_add(list, transition);
  return list;
}

static void default_status(WryVmi *vmi, const WryConfig *config) {
  const WryDomain *domain = vmi->spec->domain;
  if (!vmi->status) vmi->status = json_object_new_object();
  json_object_object_add(vmi->status, "phase", json_object_new_string("Pending"));
  json_object_object_add(vmi->status, "phaseTransitionTimestamps", pending_transition());
  json_object_object_add(vmi->status, "guestOSInfo", json_object_new_object());
  json_object_object_add(vmi->status, "runtimeUser", json_object_new_int(wry_config_gate(config, "Root") ? 0 : 107));
  if (domain->cpu) json_object_object_add(vmi->status, "currentCPUTopology", topology_status(domain->cpu));
  if (domain->memory && domain->memory->guest) json_object_object_add(vmi->status, "memory", memory_status(domain->memory->guest));
}

/* --- VirtualMachineInstance ------------------------------------------------------------------------------------------------------------------------------ */
static const WryDefaultStep vmi_steps[] = {
    wry_default_addresses,
    wry_default_architecture, wry_default_machine,        wry_default_requests,    wry_default_guest_memory,   wry_default_topology,  wry_default_pull_policies,
    wry_default_eviction,     wry_default_pod_interface,  wry_default_volume_disks, wry_default_disks,         wry_default_inputs,    wry_default_watchdog,
    wry_default_clock,        wry_default_features,       wry_default_probes,      wry_default_firmware,       wry_default_hyperv_closure, wry_default_boot,
    wry_default_cpu_model,    wry_default_cpu_hotplug,    wry_default_memory_hotplug,
};

gboolean wry_vmi_default(WryVmi *vmi, const WryConfig *config, WryUuidSource random_uuid, gpointer data, GError **error) {
  if (!vmi->spec) vmi->spec = wry_struct_new(&wry_vmi_spec_type);
  wry_spec_complete(vmi->spec);
  wry_struct_normalize(&wry_vmi_type, vmi);
  WryDefaults d = {vmi->spec, config, random_uuid, data};
  for (guint i = 0; i < G_N_ELEMENTS(vmi_steps); i++)
    if (!vmi_steps[i](&d, error)) return FALSE;
  default_namespace(&vmi->metadata);
  wry_default_pci_topology(vmi->metadata, vmi->spec);
  add_finalizer(vmi->metadata, "kubevirt.io/foregroundDeleteVirtualMachine");
  if (vmi->spec->domain->launchSecurity && vmi->spec->domain->launchSecurity->tdx)
    wry_map_default(&vmi->metadata->annotations, "kubevirt.io/qgs-socket-path", "/var/run/tdx-qgs/qgs.socket");
  default_status(vmi, config);
  return TRUE;
}

/* --- VirtualMachine -------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean default_identity(WryDefaults *d, GError **error) {
  if (!wry_default_firmware(d, error)) return FALSE;
  char **serial = &d->spec->domain->firmware->serial;
  if (*serial && **serial) return TRUE;
  g_free(*serial);
  *serial = wry_default_uuid(d);
  return TRUE;
}

static const WryDefaultStep vm_steps[] = {wry_default_addresses, wry_default_architecture, wry_default_machine, default_identity};

gboolean wry_vm_default(WryVm *vm, const WryConfig *config, WryUuidSource random_uuid, gpointer data, GError **error) {
  default_namespace(&vm->metadata);
  WryVmiTemplate *template = vm->spec ? vm->spec->template_ : NULL;
  if (template) {
    if (!template->spec) template->spec = wry_struct_new(&wry_vmi_spec_type);
    if (!template->metadata) template->metadata = wry_struct_new(&wry_meta_type);
    wry_spec_complete(template->spec);
    wry_struct_normalize(&wry_vm_type, vm);
    WryDefaults d = {template->spec, config, random_uuid, data};
    for (guint i = 0; i < G_N_ELEMENTS(vm_steps); i++)
      if (!vm_steps[i](&d, error)) return FALSE;
    wry_default_pci_topology(template->metadata, template->spec);
  }
  if (!vm->status) vm->status = json_object_new_object();
  return TRUE;
}
