/* Rules of a VirtualMachine beyond its template's spec: run strategy, data volumes, live updates, requests for volumes (contract 2.5, "VM-only"). */
#include <string.h>

#include "lib/spec_review.h"

typedef struct {
  const WryVm *vm, *old; /* old: NULL on CREATE */
  const WryConfig *config;
  WryCauses *causes;
} VmCheck;

#define refuse(c, reason, ...) wry_causes_add((c)->causes, reason, __VA_ARGS__)

/* --- data volumes ---------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean volume_refers(const WryVmiSpec *spec, const char *name) {
  WRY_EACH(WryVolume, volume, spec->volumes) {
    if (volume->dataVolume && !g_strcmp0(volume->dataVolume->name, name)) return TRUE;
    if (volume->persistentVolumeClaim && !g_strcmp0(volume->persistentVolumeClaim->claimName, name)) return TRUE;
  }
  return FALSE;
}

/* A claim that names a data source is filled by someone else. */
static gboolean filled_outside(WryJson *claim) {
  return claim && (wry_json_get(claim, "dataSource") || wry_json_get(claim, "dataSourceRef"));
}

static gboolean source_fits(WryJson *spec, WryJson *claim) {
  WryJson *source = wry_json_get(spec, "source"), *reference = wry_json_get(spec, "sourceRef");
  if (filled_outside(claim)) return !source && !reference;
  return (source != NULL) != (reference != NULL) && (!source || json_object_object_length(source) == 1);
}

static void data_volume(VmCheck *c, WryJson *template, guint index) {
  WryJson *spec = wry_json_get(template, "spec"), *storage = wry_json_get(spec, "storage"), *pvc = wry_json_get(spec, "pvc");
  const char *name = wry_json_str(wry_json_get(template, "metadata"), "name");
  g_autofree char *path = g_strdup_printf("spec.dataVolumeTemplates[%u]", index), *inner = g_strdup_printf("%s.spec", path), *source = g_strdup_printf("%s.source", inner);
  if ((storage != NULL) == (pvc != NULL))
    refuse(c, INVALID, inner, "exactly one of pvc, storage must be set");
  else if (!source_fits(spec, storage ? storage : pvc))
    refuse(c, INVALID, source, "exactly one source or sourceRef must be set, and none when the claim has a data source");
  else if (!volume_refers(c->vm->spec->template_->spec, name))
    refuse(c, REQUIRED, path, "%s: no volume refers to it", name ? name : "");
}

static void data_volume_namespace(VmCheck *c, WryJson *template, guint index) {
  const char *namespace_ = wry_json_str(wry_json_get(template, "metadata"), "namespace");
  g_autofree char *path = g_strdup_printf("spec.dataVolumeTemplates[%u]", index);
  if (wry_text(namespace_) && g_strcmp0(namespace_, c->vm->metadata->namespace_)) refuse(c, INVALID, path, "must be in the VM's namespace");
}

static void data_volumes(VmCheck *c) {
  WryJson *list = c->vm->spec->dataVolumeTemplates, *before = c->old && c->old->spec ? c->old->spec->dataVolumeTemplates : NULL;
  gboolean same = before && json_object_equal(list, before);
  for (gsize i = 0; list && i < json_object_array_length(list); i++) {
    WryJson *template = json_object_array_get_idx(list, i);
    if (!same) data_volume_namespace(c, template, (guint)i);
    data_volume(c, template, (guint)i);
  }
}

/* --- run strategy ---------------------------------------------------------------------------------------------------------------------------------------- */
static const char *const strategies[] = {"Halted", "Manual", "Always", "RerunOnFailure", "Once", "WaitAsReceiver", NULL};

static void run_strategy(VmCheck *c) {
  const WryVmSpec *spec = c->vm->spec;
  if (spec->running.set == (spec->runStrategy != NULL)) refuse(c, INVALID, "spec.running", "exactly one of running, runStrategy must be set");
  if (spec->runStrategy && !wry_is_one_of(spec->runStrategy, strategies))
    refuse(c, INVALID, "spec.runStrategy", "must be one of Halted, Manual, Always, RerunOnFailure, Once");
  if (!g_strcmp0(spec->runStrategy, "WaitAsReceiver") && !wry_config_gate(c->config, "DecentralizedLiveMigration"))
    refuse(c, INVALID, "spec.runStrategy", "feature gate DecentralizedLiveMigration is not enabled");
}

/* --- live updates ---------------------------------------------------------------------------------------------------------------------------------------- */
static void live_update(VmCheck *c) {
  const WryMemory *memory = c->vm->spec->template_->spec->domain->memory;
  gint64 guest, most;
  if (strcmp(wry_config_str(c->config, "vmRolloutStrategy", "LiveUpdate"), "LiveUpdate") || !memory || !memory->maxGuest || !memory->guest) return;
  if (!wry_quantity_value(memory->guest, &guest) || !wry_quantity_value(memory->maxGuest, &most)) return;
  const char *problem = wry_memory_hotplug_problem(c->vm->spec->template_->spec, guest, most);
  if (problem) refuse(c, INVALID, "spec.template.spec.domain.memory.guest", "with maxGuest %s: %s", memory->maxGuest, problem);
}

/* --- requests for volumes -------------------------------------------------------------------------------------------------------------------------------- */
static gboolean requested_before(WryJson *requests, gsize index, const char *options, const char *name) {
  for (gsize i = 0; i < index; i++) {
    WryJson *other = wry_json_get(json_object_array_get_idx(requests, i), options);
    if (other && !g_strcmp0(wry_json_str(other, "name"), name)) return TRUE;
  }
  return FALSE;
}

static void add_volume(VmCheck *c, WryJson *options, const char *path) {
  const char *name = wry_json_str(options, "name");
  g_autofree char *at = g_strdup_printf("%s.addVolumeOptions.disk", path), *order = g_strdup_printf("%s.bootOrder", at), *named = g_strdup_printf("%s.name", at);
  g_autoptr(WryCauses) problems = wry_causes_new();
  WryDisk *disk = wry_decode(&wry_disk_type, wry_json_get(options, "disk"), at, problems);
  const char *problem = disk ? wry_hotplug_disk_problem(disk) : "must have a disk";
  if (wry_vmi_volume(c->vm->spec->template_->spec, name)) problem = "a volume of that name exists";
  if (problem)
    refuse(c, INVALID, path, "%s: %s", name ? name : "", problem);
  else if (disk->bootOrder.set && disk->bootOrder.v < 1)
    refuse(c, INVALID, order, "must be greater than 0");
  else if (!wry_is_dns_label(disk->name))
    refuse(c, INVALID, named, "must be a DNS label");
  if (disk) wry_struct_free(&wry_disk_type, disk);
}

static void volume_request(VmCheck *c, WryJson *requests, gsize index) {
  WryJson *request = json_object_array_get_idx(requests, index), *add = wry_json_get(request, "addVolumeOptions"), *remove = wry_json_get(request, "removeVolumeOptions");
  g_autofree char *path = g_strdup_printf("status.volumeRequests[%zu]", index);
  if ((add != NULL) == (remove != NULL))
    refuse(c, INVALID, path, "exactly one of addVolumeOptions, removeVolumeOptions must be set");
  else if (remove && requested_before(requests, index, "removeVolumeOptions", wry_json_str(remove, "name")))
    refuse(c, INVALID, path, "the volume is removed by an earlier request");
  else if (add && requested_before(requests, index, "addVolumeOptions", wry_json_str(add, "name")))
    refuse(c, INVALID, path, "the volume is added by an earlier request");
  else if (add)
    add_volume(c, add, path);
}

static void volume_requests(VmCheck *c) {
  WryJson *requests = c->vm->status ? wry_json_get(c->vm->status, "volumeRequests") : NULL;
  if (!requests || !json_object_is_type(requests, json_type_array)) return;
  for (gsize i = 0; i < json_object_array_length(requests); i++) volume_request(c, requests, i);
}

/* --- snapshots ------------------------------------------------------------------------------------------------------------------------------------------- */
static void running_snapshot(VmCheck *c) {
  static const char *const fields[] = {"snapshotInProgress", "restoreInProgress"};
  if (!c->old || !c->old->spec || !c->old->status) return;
  const WryVmSpec *new = c->vm->spec, *old = c->old->spec;
  gboolean same = new->running.set == old->running.set && new->running.v == old->running.v && !g_strcmp0(new->runStrategy, old->runStrategy);
  for (guint i = 0; !same && i < G_N_ELEMENTS(fields); i++)
    if (wry_json_get(c->old->status, fields[i])) refuse(c, NOT_SUPPORTED, "spec", "whether the VM runs cannot be changed: status.%s", fields[i]);
}

void wry_vm_own_rules(const WryVm *vm, const WryVm *old, const WryConfig *config, WryCauses *causes) {
  VmCheck c = {vm, old, config, causes};
  data_volumes(&c);
  run_strategy(&c);
  live_update(&c);
  volume_requests(&c);
  running_snapshot(&c);
}
