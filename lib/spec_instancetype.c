/* Instance types: the size of a VirtualMachine, which it then must not give itself. Rows say where a value goes; a place that is taken is a conflict (contract 2.5,
 * "instancetype/preference conflicts"). Works on JSON; pure but for the lookups of wry_vm_expand. */
#include "lib/spec_instancetype.h"

#include <string.h>

#include "lib/spec_default.h"

#define PREFIX "spec.template.spec."

static void conflict(WryCauses *causes, const char *path) {
  g_autofree char *at = g_strdup_printf(PREFIX "%s", path);
  wry_causes_add(causes, INVALID, at, "is given by the instance type");
}

static void put(WryJson *spec, const char *path, WryJson *value, WryCauses *causes) {
  if (wry_json_path(spec, path))
    conflict(causes, path);
  else
    wry_json_lend(spec, path, value);
}

/* --- CPU -------------------------------------------------------------------------------------------------------------------------------------------------- */
static const char *const topology[] = {"sockets", "cores", "threads"};

static gboolean own_topology(WryJson *spec, WryCauses *causes) {
  gboolean own = FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(topology); i++) {
    g_autofree char *path = g_strdup_printf("domain.cpu.%s", topology[i]);
    if (!wry_json_path(spec, path)) continue;
    conflict(causes, path);
    own = TRUE;
  }
  return own;
}

static void spread(gint64 vcpus, WryJson *preference, gint64 counts[3], WryCauses *causes) {
  WryJson *asked = preference ? wry_json_path(preference, "cpu.spreadOptions.ratio") : NULL;
  gint64 ratio = asked ? json_object_get_int64(asked) : 2;
  if (ratio < 1 || vcpus % ratio) {
    wry_causes_add(causes, INVALID, "spec.instancetype", "%" G_GINT64_FORMAT " virtual CPUs cannot be spread with ratio %" G_GINT64_FORMAT, vcpus, ratio);
    return;
  }
  counts[0] = vcpus / ratio;
  counts[1] = ratio;
}

static void put_topology(WryJson *spec, gint64 vcpus, WryJson *preference, WryCauses *causes) {
  const char *wanted = wry_preferred_topology(preference);
  gint64 counts[3] = {1, 1, 1};
  if (own_topology(spec, causes)) return;
  if (!strcmp(wanted, "spread")) spread(vcpus, preference, counts, causes);
  for (guint i = 0; i < G_N_ELEMENTS(topology); i++) {
    g_autofree char *path = g_strdup_printf("domain.cpu.%s", topology[i]);
    g_autoptr(WryJson) count = json_object_new_int64(strcmp(wanted, topology[i]) ? counts[i] : vcpus);
    wry_json_lend(spec, path, count);
  }
}

/* --- all ---------------------------------------------------------------------------------------------------------------------------------------------------- */
static const struct { const char *from, *to; } rows[] = {
    {"cpu.model", "domain.cpu.model"},
    {"cpu.dedicatedCPUPlacement", "domain.cpu.dedicatedCpuPlacement"},
    {"cpu.isolateEmulatorThread", "domain.cpu.isolateEmulatorThread"},
    {"cpu.numa", "domain.cpu.numa"},
    {"cpu.realtime", "domain.cpu.realtime"},
    {"cpu.maxSockets", "domain.cpu.maxSockets"},
    {"memory.guest", "domain.memory.guest"},
    {"memory.hugepages", "domain.memory.hugepages"},
    {"memory.maxGuest", "domain.memory.maxGuest"},
    {"ioThreadsPolicy", "domain.ioThreadsPolicy"},
    {"ioThreads", "domain.ioThreads"},
    {"launchSecurity", "domain.launchSecurity"},
    {"gpus", "domain.devices.gpus"},
    {"hostDevices", "domain.devices.hostDevices"},
    {"nodeSelector", "nodeSelector"},
    {"schedulerName", "schedulerName"},
};
static const char *const amounts[] = {"domain.resources.requests.cpu", "domain.resources.limits.cpu", "domain.resources.requests.memory", "domain.resources.limits.memory"};

static void put_overcommit(WryJson *spec, WryJson *instancetype) {
  WryJson *percent = wry_json_path(instancetype, "memory.overcommitPercent"), *guest = wry_json_path(instancetype, "memory.guest");
  gint64 bytes, part = percent ? json_object_get_int64(percent) : 0;
  if (part <= 0 || part > 100 || !guest || !wry_quantity_value(json_object_get_string(guest), &bytes)) return;
  float rest = (float)bytes * (1 - (float)part / 100); /* KubeVirt's arithmetic: single precision */
  g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, (gint64)rest);
  g_autoptr(WryJson) request = json_object_new_string(text);
  wry_json_lend(spec, "domain.resources.requests.memory", request);
}

void wry_instancetype_apply(WryJson *spec, WryJson *instancetype, WryJson *preference, WryCauses *causes) {
  WryJson *vcpus = wry_json_path(instancetype, "cpu.guest");
  if (vcpus) put_topology(spec, json_object_get_int64(vcpus), preference, causes);
  for (guint i = 0; i < G_N_ELEMENTS(amounts); i++)
    if (wry_json_path(spec, amounts[i])) conflict(causes, amounts[i]);
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    WryJson *value = wry_json_path(instancetype, rows[i].from);
    if (value) put(spec, rows[i].to, value, causes);
  }
  put_overcommit(spec, instancetype);
}

/* --- VirtualMachine ------------------------------------------------------------------------------------------------------------------------------------------ */
static void annotate(WryMeta *meta, const WryMatcher *matcher, const WryMatcherKind *kind, WryJson *object) {
  if (!object) return;
  WryJson *own = wry_json_get(object, "annotations");
  if (own && json_object_is_type(own, json_type_object)) {
    json_object_object_foreach(own, key, value) wry_map_default(&meta->annotations, key, json_object_get_string(value));
  }
  wry_map_default(&meta->annotations, g_strcmp0(matcher->kind, kind->kind) ? kind->cluster_annotation : kind->annotation, matcher->name);
}

static void expand_spec(WryVmiTemplate *template, WryJson *instancetype, WryJson *preference, WryCauses *causes) {
  g_autoptr(WryJson) spec = wry_encode(&wry_vmi_spec_type, template->spec);
  if (instancetype) wry_instancetype_apply(spec, instancetype, preference, causes);
  if (preference) wry_preference_apply(spec, preference);
  wry_struct_free(&wry_vmi_spec_type, template->spec);
  template->spec = wry_decode(&wry_vmi_spec_type, spec, "spec.template.spec", causes);
  wry_struct_normalize(&wry_vmi_spec_type, template->spec);
}

WryVm *wry_vm_expand(const WryReview *review, const WryVm *vm, WryCauses *causes) {
  WryVm *copy = wry_struct_copy(&wry_vm_type, vm);
  g_autoptr(WryJson) instancetype = wry_matcher_find(review, vm, &wry_instancetype_kind), preference = wry_matcher_find(review, vm, &wry_preference_kind);
  WryVmiTemplate *template = copy->spec->template_;
  if (!instancetype && !preference) return copy;
  annotate(template->metadata, vm->spec->instancetype, &wry_instancetype_kind, instancetype);
  annotate(template->metadata, vm->spec->preference, &wry_preference_kind, preference);
  expand_spec(template, instancetype, preference, causes);
  if (preference && !wry_causes_count(causes)) wry_preference_requirements(vm, instancetype, preference, causes);
  return copy;
}

static void take_storage_class(WryVm *vm, WryJson *name) {
  WryJson *templates = vm->spec->dataVolumeTemplates;
  for (gsize i = 0; templates && i < json_object_array_length(templates); i++) {
    WryJson *spec = wry_json_get(json_object_array_get_idx(templates, i), "spec"), *storage = spec ? wry_json_get(spec, "storage") : NULL, *pvc = spec ? wry_json_get(spec, "pvc") : NULL;
    if (storage) wry_json_lend(storage, "storageClassName", name);
    if (pvc) wry_json_lend(pvc, "storageClassName", name);
  }
}

void wry_vm_take_preference(const WryReview *review, WryVm *vm) {
  g_autoptr(WryJson) preference = wry_matcher_find(review, vm, &wry_preference_kind);
  if (!preference || !vm->spec->template_ || !vm->spec->template_->spec) return;
  g_autoptr(WryJson) spec = wry_encode(&wry_vmi_spec_type, vm->spec->template_->spec);
  g_autoptr(WryCauses) ignored = wry_causes_new();
  WryJson *architecture = wry_json_get(preference, "preferredArchitecture"), *machine = wry_json_path(preference, "machine.preferredMachineType"),
          *class = wry_json_path(preference, "volumes.preferredStorageClassName");
  if (architecture) wry_json_lend(spec, "architecture", architecture);
  if (machine) wry_json_lend(spec, "domain.machine.type", machine);
  if (class) take_storage_class(vm, class);
  wry_struct_free(&wry_vmi_spec_type, vm->spec->template_->spec);
  vm->spec->template_->spec = wry_decode(&wry_vmi_spec_type, spec, "spec.template.spec", ignored);
}
