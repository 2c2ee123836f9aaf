/* Presets: VirtualMachineInstancePreset objects whose selector matches a new VMI's labels lend it what it does not say itself (contract 2.2, step 2).
 *
 * A preset that contradicts the VMI is not applied at all; two matching presets that contradict each other refuse the VMI. What a preset can lend is the table
 * `lent`; all of it is compared and copied as JSON below spec.domain.
 *
 * Relies on the review's `find` for the presets of the namespace. */
#include <string.h>

#include "lib/spec_default.h"
#include "lib/spec_review.h"
#include "lib/spec_types.h"

#define EXCLUDE "virtualmachineinstancepresets.admission.kubevirt.io/exclude"

static const char *const lent[] = {"cpu", "firmware", "clock", "features", "ioThreadsPolicy", "devices.watchdog", "resources.requests.cpu", "resources.requests.memory"};

/* --- selectors ------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean requirement_matches(const WryRequirement *r, WryJson *labels) {
  const char *value = labels ? wry_json_str(labels, r->key) : NULL;
  gboolean listed = FALSE;
  WRY_EACH(char, wanted, r->values) listed |= !g_strcmp0(wanted, value);
  const struct { const char *name; gboolean result; } operators[] = {
      {"In", value && listed}, {"NotIn", !value || !listed}, {"Exists", value != NULL}, {"DoesNotExist", value == NULL}};
  for (guint i = 0; i < G_N_ELEMENTS(operators); i++)
    if (!g_strcmp0(operators[i].name, r->operator_)) return operators[i].result;
  return FALSE;
}

static gboolean selector_matches(const WryLabelSelector *selector, WryJson *labels) {
  if (selector->matchLabels) {
    json_object_object_foreach(selector->matchLabels, key, value) {
      if (g_strcmp0(labels ? wry_json_str(labels, key) : NULL, json_object_get_string(value))) return FALSE;
    }
  }
  WRY_EACH(WryRequirement, r, selector->matchExpressions) {
    if (!requirement_matches(r, labels)) return FALSE;
  }
  return TRUE;
}

static gboolean preset_matches(WryJson *preset, WryJson *labels) {
  WryJson *json = wry_json_path(preset, "spec.selector");
  g_autoptr(WryCauses) problems = wry_causes_new();
  WryLabelSelector *selector = json ? wry_decode(&wry_label_selector_type, json, "spec.selector", problems) : NULL;
  gboolean matches = selector && !wry_causes_count(problems) && selector_matches(selector, labels);
  if (selector) wry_struct_free(&wry_label_selector_type, selector);
  return matches;
}

/* --- merging --------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean contradicts(WryJson *a, WryJson *b) {
  for (guint i = 0; i < G_N_ELEMENTS(lent); i++) {
    WryJson *x = wry_json_path(a, lent[i]), *y = wry_json_path(b, lent[i]);
    if (x && y && !json_object_equal(x, y)) return TRUE;
  }
  return FALSE;
}

static void put(WryJson *object, const char *path, WryJson *value) {
  g_auto(GStrv) steps = g_strsplit(path, ".", -1);
  for (guint i = 0; steps[i + 1]; i++) {
    WryJson *deeper = wry_json_get(object, steps[i]);
    if (!deeper) json_object_object_add(object, steps[i], deeper = json_object_new_object());
    object = deeper;
  }
  json_object_object_add(object, steps[g_strv_length(steps) - 1], json_object_get(value));
}

static void lend(WryJson *domain, WryJson *preset) {
  for (guint i = 0; i < G_N_ELEMENTS(lent); i++) {
    WryJson *value = wry_json_path(preset, lent[i]);
    if (value && !wry_json_path(domain, lent[i])) put(domain, lent[i], value);
  }
}

/* In the form in which the VMI's own domain is compared. New reference, NULL when the preset cannot be read. */
static WryJson *preset_domain(WryJson *preset) {
  g_autoptr(WryCauses) problems = wry_causes_new();
  WryJson *json = wry_json_path(preset, "spec.domain"), *result = NULL;
  WryDomain *domain = json ? wry_decode(&wry_domain_type, json, "spec.domain", problems) : NULL;
  if (domain) {
    wry_struct_normalize(&wry_domain_type, domain);
    result = wry_encode(&wry_domain_type, domain);
    wry_struct_free(&wry_domain_type, domain);
  }
  return result;
}

static void apply(WryReviewing *r, WryVmi *vmi, WryJson *domain, WryJson *preset) {
  g_autoptr(WryJson) values = preset_domain(preset);
  if (!values || contradicts(domain, values)) return;
  lend(domain, values);
  g_autofree char *key = g_strdup_printf("virtualmachinepreset.kubevirt.io/%s", wry_json_str(wry_json_get(preset, "metadata"), "name"));
  wry_map_default(&vmi->metadata->annotations, key, "kubevirt.io/v1");
  r->warnings++;
}

static gboolean contradict_each_other(GPtrArray *presets) {
  for (guint i = 0; i < presets->len; i++)
    for (guint j = 0; j < i; j++)
      if (contradicts(wry_json_path(g_ptr_array_index(presets, i), "spec.domain"), wry_json_path(g_ptr_array_index(presets, j), "spec.domain"))) return TRUE;
  return FALSE;
}

static void apply_all(WryReviewing *r, WryVmi *vmi, GPtrArray *presets) {
  g_autoptr(WryJson) domain = wry_encode(&wry_domain_type, vmi->spec->domain);
  for (guint i = 0; i < presets->len; i++) apply(r, vmi, domain, g_ptr_array_index(presets, i));
  wry_struct_free(&wry_domain_type, vmi->spec->domain);
  vmi->spec->domain = wry_decode(&wry_domain_type, domain, "spec.domain", r->causes);
}

gboolean wry_apply_presets(WryReviewing *r, WryVmi *vmi, GError **error) {
  const WryReview *review = r->review;
  const WryMeta *meta = vmi->metadata;
  if (!review->find || !meta || (meta->annotations && !g_strcmp0(wry_json_str(meta->annotations, EXCLUDE), "true"))) return TRUE;
  g_autoptr(WryJson) all = review->find(review->find_data, "VirtualMachineInstancePreset", meta->namespace_ ? meta->namespace_ : "default", NULL);
  g_autoptr(GPtrArray) presets = g_ptr_array_new();
  for (gsize i = 0; all && i < json_object_array_length(all); i++)
    if (preset_matches(json_object_array_get_idx(all, i), meta->labels)) g_ptr_array_add(presets, json_object_array_get_idx(all, i));
  if (contradict_each_other(presets)) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_CONFLICT, "presets that match the labels contradict each other");
    return FALSE;
  }
  if (presets->len) apply_all(r, vmi, presets);
  return TRUE;
}
