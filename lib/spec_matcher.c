/* Which instance type and preference a VirtualMachine means: by name, or inferred from the labels of one of its volumes (contract 2.2, VM mutator).
 *
 * Relies on the review's `find`. A matcher without a kind means the cluster-wide one. */
#include <string.h>

#include "lib/spec_instancetype.h"
#include "lib/spec_types.h"

const WryMatcherKind wry_instancetype_kind = {"instancetype", "VirtualMachineInstancetype", "VirtualMachineClusterInstancetype", "instancetype.kubevirt.io/default-instancetype",
                                              "kubevirt.io/instancetype-name", "kubevirt.io/cluster-instancetype-name"};
const WryMatcherKind wry_preference_kind = {"preference", "VirtualMachinePreference", "VirtualMachineClusterPreference", "instancetype.kubevirt.io/default-preference",
                                            "kubevirt.io/preference-name", "kubevirt.io/cluster-preference-name"};

static WryMatcher **matcher_of(WryVmSpec *spec, const WryMatcherKind *kind) {
  return kind == &wry_instancetype_kind ? &spec->instancetype : &spec->preference;
}

/* --- looking up ------------------------------------------------------------------------------------------------------------------------------------------ */
WryJson *wry_matcher_find(const WryReview *review, const WryVm *vm, const WryMatcherKind *kind) {
  const WryMatcher *matcher = *matcher_of(vm->spec, kind);
  if (!matcher || !review->find || !wry_text(matcher->name)) return NULL;
  gboolean own = !g_strcmp0(matcher->kind, kind->kind);
  g_autoptr(WryJson) object = review->find(review->find_data, own ? kind->kind : kind->cluster_kind, own ? vm->metadata->namespace_ : NULL, matcher->name);
  WryJson *spec = object ? wry_json_get(object, "spec") : NULL;
  return spec ? json_object_get(spec) : object ? json_object_new_object() : NULL;
}

static gboolean is_missing(const WryReview *review, const WryVm *vm, const WryMatcherKind *kind) {
  g_autoptr(WryJson) found = wry_matcher_find(review, vm, kind);
  return *matcher_of(vm->spec, kind) && !found;
}

gboolean wry_matcher_missing(const WryReview *review, const WryVm *vm) {
  return is_missing(review, vm, &wry_instancetype_kind) || is_missing(review, vm, &wry_preference_kind);
}

/* --- inference ------------------------------------------------------------------------------------------------------------------------------------------- */
/* Labels of the claim, or of the template of the data volume, that the volume is. New reference. */
static WryJson *volume_labels(const WryReview *review, const WryVm *vm, const WryVolume *volume) {
  const char *claim = volume->persistentVolumeClaim ? volume->persistentVolumeClaim->claimName : volume->dataVolume ? volume->dataVolume->name : NULL;
  WryJson *templates = vm->spec->dataVolumeTemplates, *labels = NULL;
  for (gsize i = 0; volume->dataVolume && templates && i < json_object_array_length(templates); i++) {
    WryJson *meta = wry_json_get(json_object_array_get_idx(templates, i), "metadata");
    if (meta && !g_strcmp0(wry_json_str(meta, "name"), claim)) labels = wry_json_get(meta, "labels");
  }
  if (labels) return json_object_get(labels);
  g_autoptr(WryJson) object = claim && review->find ? review->find(review->find_data, "PersistentVolumeClaim", vm->metadata->namespace_, claim) : NULL;
  labels = object ? wry_json_path(object, "metadata.labels") : NULL;
  return labels ? json_object_get(labels) : NULL;
}

static gboolean infer(const WryReview *review, const WryVm *vm, const WryMatcherKind *kind, WryMatcher *matcher, GError **error) {
  const WryVolume *volume = wry_vmi_volume(vm->spec->template_->spec, matcher->inferFromVolume);
  g_autoptr(WryJson) labels = volume ? volume_labels(review, vm, volume) : NULL;
  g_autofree char *kind_label = g_strdup_printf("%s-kind", kind->label);
  const char *name = labels ? wry_json_str(labels, kind->label) : NULL;
  if (!name) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "%s cannot be inferred from volume %s", kind->field, matcher->inferFromVolume);
    return FALSE;
  }
  g_free(matcher->name);
  g_free(matcher->kind);
  matcher->name = g_strdup(name);
  matcher->kind = g_strdup(wry_json_str(labels, kind_label));
  g_clear_pointer(&matcher->inferFromVolume, g_free);
  g_clear_pointer(&matcher->inferFromVolumeFailurePolicy, g_free);
  return TRUE;
}

/* --- the matcher itself ----------------------------------------------------------------------------------------------------------------------------------- */
static void check(WryCauses *causes, const WryMatcherKind *kind, const WryMatcher *matcher) {
  g_autofree char *path = g_strdup_printf("spec.%s", kind->field), *name = g_strdup_printf("%s.name", path), *of_kind = g_strdup_printf("%s.kind", path),
                  *policy = g_strdup_printf("%s.inferFromVolumeFailurePolicy", path);
  const char *failure = matcher->inferFromVolumeFailurePolicy;
  gboolean inferred = wry_text(matcher->inferFromVolume);
  if (!wry_text(matcher->name) && !inferred) wry_causes_add(causes, NOT_FOUND, path, "name or inferFromVolume must be set");
  if (wry_text(matcher->name) && inferred) wry_causes_add(causes, NOT_SUPPORTED, name, "must not be set together with inferFromVolume");
  if (wry_text(matcher->kind) && inferred) wry_causes_add(causes, NOT_SUPPORTED, of_kind, "must not be set together with inferFromVolume");
  if (failure && strcmp(failure, "Ignore") && strcmp(failure, "Reject")) wry_causes_add(causes, INVALID, policy, "must be Ignore or Reject");
}

static gboolean resolve(WryReviewing *r, WryVm *vm, const WryMatcherKind *kind, GError **error) {
  WryMatcher **slot = matcher_of(vm->spec, kind), *matcher = *slot;
  guint before = wry_causes_count(r->causes);
  if (!matcher) return TRUE;
  check(r->causes, kind, matcher);
  if (wry_causes_count(r->causes) > before) return FALSE;
  if (!wry_text(matcher->inferFromVolume) || infer(r->review, vm, kind, matcher, error)) return TRUE;
  if (g_strcmp0(matcher->inferFromVolumeFailurePolicy, "Ignore")) return FALSE;
  g_clear_error(error);
  wry_struct_free(&wry_matcher_type, matcher);
  *slot = NULL;
  return TRUE;
}

gboolean wry_matchers_resolve(WryReviewing *r, WryVm *vm, GError **error) {
  return resolve(r, vm, &wry_instancetype_kind, error) && resolve(r, vm, &wry_preference_kind, error);
}
