/* Preferences: values that a VirtualMachine takes where it says nothing itself. Each is a row: where it stands in the preference, where it goes in the VMI's spec.
 * Values of lists (disks, interfaces, inputs) go to each element. Works on JSON; pure. */
#include <string.h>

#include "lib/spec_instancetype.h"

void wry_json_lend(WryJson *object, const char *path, WryJson *value) {
  g_auto(GStrv) steps = g_strsplit(path, ".", -1);
  guint last = g_strv_length(steps) - 1;
  for (guint i = 0; i < last; i++) {
    WryJson *deeper = wry_json_get(object, steps[i]);
    if (!deeper) json_object_object_add(object, steps[i], deeper = json_object_new_object());
    if (!json_object_is_type(deeper, json_type_object)) return;
    object = deeper;
  }
  if (wry_json_get(object, steps[last])) return;
  WryJson *copy = NULL;
  json_object_deep_copy(value, &copy, NULL);
  json_object_object_add(object, steps[last], copy);
}

/* --- single values ---------------------------------------------------------------------------------------------------------------------------------------- */
static const struct { const char *from, *to; } rows[] = {
    {"devices.preferredAutoattachGraphicsDevice", "domain.devices.autoattachGraphicsDevice"},
    {"devices.preferredAutoattachInputDevice", "domain.devices.autoattachInputDevice"},
    {"devices.preferredAutoattachMemBalloon", "domain.devices.autoattachMemBalloon"},
    {"devices.preferredAutoattachPodInterface", "domain.devices.autoattachPodInterface"},
    {"devices.preferredAutoattachSerialConsole", "domain.devices.autoattachSerialConsole"},
    {"devices.preferredBlockMultiQueue", "domain.devices.blockMultiQueue"},
    {"devices.preferredDisableHotplug", "domain.devices.disableHotplug"},
    {"devices.preferredNetworkInterfaceMultiQueue", "domain.devices.networkInterfaceMultiqueue"},
    {"devices.preferredRng", "domain.devices.rng"},
    {"devices.preferredTPM", "domain.devices.tpm"},
    {"devices.preferredUseVirtioTransitional", "domain.devices.useVirtioTransitional"},
    {"features.preferredAcpi", "domain.features.acpi"},
    {"features.preferredApic", "domain.features.apic"},
    {"features.preferredKvm", "domain.features.kvm"},
    {"features.preferredPvspinlock", "domain.features.pvspinlock"},
    {"features.preferredSmm", "domain.features.smm"},
    {"clock.preferredTimer", "domain.clock.timer"},
    {"cpu.preferredCPUFeatures", "domain.cpu.features"},
    {"preferredSubdomain", "subdomain"},
    {"preferredTerminationGracePeriodSeconds", "terminationGracePeriodSeconds"},
};

static void lend_rows(WryJson *spec, WryJson *preference) {
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    WryJson *value = wry_json_path(preference, rows[i].from);
    if (value) wry_json_lend(spec, rows[i].to, value);
  }
}

/* Each member of an object where it is absent. */
static void lend_members(WryJson *spec, WryJson *values, const char *to) {
  if (!values || !json_object_is_type(values, json_type_object)) return;
  json_object_object_foreach(values, name, value) {
    g_autofree char *path = g_strdup_printf("%s.%s", to, name);
    wry_json_lend(spec, path, value);
  }
}

static void lend_clock_offset(WryJson *spec, WryJson *preference) {
  if (!wry_json_path(spec, "domain.clock.utc") && !wry_json_path(spec, "domain.clock.timezone"))
    lend_members(spec, wry_json_path(preference, "clock.preferredClockOffset"), "domain.clock");
}

/* A bootloader that the VM chose stays. */
static void lend_firmware(WryJson *spec, WryJson *preference) {
  WryJson *firmware = wry_json_get(preference, "firmware"), *efi = firmware ? wry_json_get(firmware, "preferredEfi") : NULL;
  g_autoptr(WryJson) made = json_object_new_object();
  if (!firmware || wry_json_path(spec, "domain.firmware.bootloader")) return;
  if (efi) {
    wry_json_lend(spec, "domain.firmware.bootloader.efi", efi);
  } else if (wry_json_bool(firmware, "preferredUseEfi", FALSE)) {
    json_object_object_add(made, "secureBoot", json_object_new_boolean(wry_json_bool(firmware, "preferredUseSecureBoot", FALSE)));
    wry_json_lend(spec, "domain.firmware.bootloader.efi", made);
  } else if (wry_json_bool(firmware, "preferredUseBios", FALSE)) {
    if (wry_json_bool(firmware, "preferredUseBiosSerial", FALSE)) json_object_object_add(made, "useSerial", json_object_new_boolean(TRUE));
    wry_json_lend(spec, "domain.firmware.bootloader.bios", made);
  }
}

/* --- devices of lists ------------------------------------------------------------------------------------------------------------------------------------- */
typedef struct { const char *when, *from, *to; } ListRow; /* when: the element has this member; NULL: always */

static const ListRow disk_rows[] = {
    {"disk", "devices.preferredDiskBus", "disk.bus"},     {"cdrom", "devices.preferredCdromBus", "cdrom.bus"}, {"lun", "devices.preferredLunBus", "lun.bus"},
    {"disk", "devices.preferredDiskCache", "cache"},      {"disk", "devices.preferredDiskIO", "io"},           {"disk", "devices.preferredDiskBlockSize", "blockSize"},
};
static const ListRow interface_rows[] = {{NULL, "devices.preferredInterfaceModel", "model"}};
static const ListRow input_rows[] = {{NULL, "devices.preferredInputBus", "bus"}, {NULL, "devices.preferredInputType", "type"}};

static void lend_list(WryJson *list, WryJson *preference, const ListRow *list_rows, guint count) {
  for (gsize i = 0; list && i < json_object_array_length(list); i++)
    for (guint row = 0; row < count; row++) {
      WryJson *element = json_object_array_get_idx(list, i), *value = wry_json_path(preference, list_rows[row].from);
      if (value && (!list_rows[row].when || wry_json_get(element, list_rows[row].when))) wry_json_lend(element, list_rows[row].to, value);
    }
}

static void lend_masquerade(WryJson *spec, WryJson *preference) {
  static const char *const bindings[] = {"bridge", "masquerade", "sriov", "passtBinding", "binding"};
  WryJson *list = wry_json_path(spec, "domain.devices.interfaces"), *value = wry_json_path(preference, "devices.preferredInterfaceMasquerade");
  for (gsize i = 0; value && list && i < json_object_array_length(list); i++) {
    gboolean bound = FALSE;
    WryJson *iface = json_object_array_get_idx(list, i);
    for (guint b = 0; b < G_N_ELEMENTS(bindings); b++) bound |= wry_json_get(iface, bindings[b]) != NULL;
    if (!bound) wry_json_lend(iface, "masquerade", value);
  }
}

/* The input that autoattachInputDevice asks for takes the preferred kind. */
static void attach_input(WryJson *spec) {
  WryJson *devices = wry_json_path(spec, "domain.devices");
  if (!devices || !wry_json_bool(devices, "autoattachInputDevice", FALSE) || wry_json_get(devices, "inputs")) return;
  WryJson *inputs = json_object_new_array_ext(1), *input = json_object_new_object();
  json_object_object_add(input, "name", json_object_new_string("default-0"));
  json_object_array_add(inputs, input);
  json_object_object_add(devices, "inputs", inputs);
}

void wry_preference_apply(WryJson *spec, WryJson *preference) {
  lend_rows(spec, preference);
  lend_members(spec, wry_json_path(preference, "features.preferredHyperv"), "domain.features.hyperv");
  lend_clock_offset(spec, preference);
  lend_firmware(spec, preference);
  attach_input(spec);
  lend_list(wry_json_path(spec, "domain.devices.disks"), preference, disk_rows, G_N_ELEMENTS(disk_rows));
  lend_list(wry_json_path(spec, "domain.devices.interfaces"), preference, interface_rows, G_N_ELEMENTS(interface_rows));
  lend_list(wry_json_path(spec, "domain.devices.inputs"), preference, input_rows, G_N_ELEMENTS(input_rows));
  lend_masquerade(spec, preference);
  WryJson *sound = wry_json_path(spec, "domain.devices.sound"), *model = wry_json_path(preference, "devices.preferredSoundModel");
  if (sound && model) wry_json_lend(sound, "model", model);
}

const char *wry_preferred_topology(WryJson *preference) {
  static const struct { const char *said, *meant; } topologies[] = {
      {"sockets", "sockets"}, {"preferSockets", "sockets"}, {"any", "sockets"},   {"preferAny", "sockets"},      {"cores", "cores"},
      {"preferCores", "cores"}, {"threads", "threads"},     {"preferThreads", "threads"}, {"spread", "spread"}, {"preferSpread", "spread"}};
  WryJson *said = preference ? wry_json_path(preference, "cpu.preferredCPUTopology") : NULL;
  for (guint i = 0; said && i < G_N_ELEMENTS(topologies); i++)
    if (!g_strcmp0(json_object_get_string(said), topologies[i].said)) return topologies[i].meant;
  return "sockets";
}

/* --- requirements ----------------------------------------------------------------------------------------------------------------------------------------- */
static gint64 bytes_at(WryJson *object, const char *path) {
  gint64 bytes = 0;
  WryJson *value = object ? wry_json_path(object, path) : NULL;
  return value && wry_quantity_value(json_object_get_string(value), &bytes) ? bytes : 0;
}

void wry_preference_requirements(const WryVm *vm, WryJson *instancetype, WryJson *preference, WryCauses *causes) {
  WryJson *cpu = wry_json_path(preference, "requirements.cpu.guest"), *memory = wry_json_path(preference, "requirements.memory.guest");
  const WryVmiSpec *spec = vm->spec->template_->spec;
  WryJson *given = instancetype ? wry_json_path(instancetype, "cpu.guest") : NULL;
  gint64 vcpus = instancetype ? (given ? json_object_get_int64(given) : 0) : (gint64)wry_vmi_vcpus(spec), bytes = instancetype ? bytes_at(instancetype, "memory.guest") : wry_vmi_guest_memory(spec);
  g_autofree char *cpu_path = g_strdup_printf("spec.template.spec.domain.cpu.%s", strcmp(wry_preferred_topology(preference), "spread") ? wry_preferred_topology(preference) : "sockets");
  if (cpu && vcpus < json_object_get_int64(cpu))
    wry_causes_add(causes, NOT_FOUND, instancetype ? "spec.instancetype" : cpu_path, "the preference needs at least %s virtual CPUs", json_object_get_string(cpu));
  if (memory && bytes < bytes_at(preference, "requirements.memory.guest"))
    wry_causes_add(causes, NOT_FOUND, instancetype ? "spec.instancetype" : "spec.template.spec.domain.memory.guest", "the preference needs at least %s of memory", json_object_get_string(memory));
}
