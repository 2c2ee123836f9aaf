/* Review of a VirtualMachineInstance: presets, defaults and rules on CREATE; on UPDATE who may change what (contract 2.2, 2.5, 9). */
#include <string.h>

#include "lib/spec_review.h"

/* --- accounts -------------------------------------------------------------------------------------------------------------------------------------------- */
gboolean wry_is_kubevirt_account(const WryReview *review, const char *name) {
  if (!review->user) return FALSE;
  const char *namespace_ = review->install_namespace ? review->install_namespace : "kubevirt";
  g_autofree char *account = g_strdup_printf("system:serviceaccount:%s:kubevirt-%s", namespace_, name);
  return !strcmp(account, review->user);
}

/* --- defaults -------------------------------------------------------------------------------------------------------------------------------------------- */
/* The status is KubeVirt's own: what others write there is put back. */
static void restore_status(WryVmi *vmi, const WryVmi *old) {
  wry_json_put(vmi->status);
  vmi->status = NULL;
  if (old->status) json_object_deep_copy(old->status, &vmi->status, NULL);
  if (!vmi->status) return;
  if (!wry_json_get(vmi->status, "guestOSInfo")) json_object_object_add(vmi->status, "guestOSInfo", json_object_new_object());
  if (!wry_json_get(vmi->status, "runtimeUser")) json_object_object_add(vmi->status, "runtimeUser", json_object_new_int(0));
}

gboolean wry_review_vmi_defaults(WryReviewing *r, WryVmi *vmi, GError **error) {
  const WryReview *review = r->review;
  const WryVmi *old = r->old;
  if (!old) return wry_apply_presets(r, vmi, error) && wry_vmi_default(vmi, review->config, review->random_uuid, review->uuid_data, error);
  gboolean changed = vmi->status && old->status ? !json_object_equal(vmi->status, old->status) : vmi->status != old->status;
  if (!r->trusted && changed) restore_status(vmi, old);
  return TRUE;
}

/* --- UPDATE: labels -------------------------------------------------------------------------------------------------------------------------------------- */
static void reserved_labels_kept(WryReviewing *r, const WryMeta *meta, const WryMeta *old) {
  for (guint i = 0; wry_reserved_labels[i]; i++) {
    const char *now = meta->labels ? wry_json_str(meta->labels, wry_reserved_labels[i]) : NULL, *before = old->labels ? wry_json_str(old->labels, wry_reserved_labels[i]) : NULL;
    if (g_strcmp0(now, before)) wry_causes_add(r->causes, NOT_SUPPORTED, "metadata.labels", "label %s is reserved", wry_reserved_labels[i]);
  }
}

/* --- UPDATE: node restriction ---------------------------------------------------------------------------------------------------------------------------- */
static const char *asking_node(const WryReview *review) {
  WryJson *names = review->user_extra ? wry_json_get(review->user_extra, "authentication.kubernetes.io/node-name") : NULL;
  gboolean given = names && json_object_is_type(names, json_type_array) && json_object_array_length(names) == 1;
  return given ? json_object_get_string(json_object_array_get_idx(names, 0)) : NULL;
}

static const char *target_node(const WryVmi *vmi) {
  WryJson *migration = vmi->status ? wry_json_get(vmi->status, "migrationState") : NULL;
  return migration ? wry_json_str(migration, "targetNode") : NULL;
}

/* A handler may change the VMIs of its own node, and of one that migrates to it. */
static void node_restriction(WryReviewing *r, const WryVmi *vmi, const WryVmi *old) {
  const char *node = asking_node(r->review), *source = old->status ? wry_json_str(old->status, "nodeName") : NULL, *problem = NULL;
  if (!node)
    problem = "the account's token names no node";
  else if (g_strcmp0(node, source) && g_strcmp0(node, target_node(old)))
    problem = "the VMI is on another node";
  else if (g_strcmp0(target_node(vmi), target_node(old)))
    problem = "a handler cannot choose a migration's target";
  if (problem) wry_causes_add(r->causes, INVALID, "status.nodeName", "%s", problem);
}

/* --- UPDATE: spec ---------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean same_list(const WryVmiSpec *a, const WryVmiSpec *b, const char *path) {
  g_autoptr(WryJson) x = wry_encode(&wry_vmi_spec_type, a), y = wry_encode(&wry_vmi_spec_type, b);
  return json_object_equal(wry_json_path(x, path), wry_json_path(y, path));
}

static gboolean utility_seen(const GPtrArray *list, const char *name, guint before) {
  for (guint i = 0; i < before; i++)
    if (!g_strcmp0(((const WryUtilityVolume *)g_ptr_array_index(list, i))->name, name)) return TRUE;
  return FALSE;
}

static void utility_volumes(WryReviewing *r, const WryVmiSpec *spec) {
  if (!spec->utilityVolumes || !spec->utilityVolumes->len) return;
  if (!wry_config_gate(r->review->config, "UtilityVolumes")) {
    wry_causes_add(r->causes, INVALID, "spec.utilityVolumes", "feature gate UtilityVolumes is not enabled");
    return;
  }
  WRY_EACH(WryUtilityVolume, volume, spec->utilityVolumes) {
    g_autofree char *name = g_strdup_printf("spec.utilityVolumes[%u].name", volume_i), *claim = g_strdup_printf("spec.utilityVolumes[%u].claimName", volume_i);
    if (!wry_text(volume->name)) wry_causes_add(r->causes, REQUIRED, name, "must be set");
    if (!wry_text(volume->claimName)) wry_causes_add(r->causes, REQUIRED, claim, "must be set");
    if (utility_seen(spec->utilityVolumes, volume->name, volume_i)) wry_causes_add(r->causes, DUPLICATE, name, "%s is used twice", volume->name);
  }
}

static void storage_update(WryReviewing *r, const WryVmi *vmi, const WryVmi *old) {
  guint before = wry_causes_count(r->causes);
  utility_volumes(r, vmi->spec);
  if (wry_causes_count(r->causes) == before) wry_rule_hotplug_storage(vmi->spec, old->spec, r->causes);
  if (wry_causes_count(r->causes) > before) return;
  WryCheck c = {.spec = vmi->spec, .meta = vmi->metadata, .config = r->review->config, .prefix = "spec", .meta_prefix = "metadata", .causes = r->causes};
  wry_rule_disks(&c);
}

static void spec_update(WryReviewing *r, const WryVmi *vmi, const WryVmi *old) {
  if (!r->trusted) {
    if (!wry_struct_equal(&wry_vmi_spec_type, vmi->spec, old->spec)) wry_causes_add(r->causes, NOT_SUPPORTED, "spec", "the spec of a VMI cannot be changed");
    return;
  }
  if (!same_list(vmi->spec, old->spec, "domain.cpu.maxSockets")) {
    wry_causes_add(r->causes, INVALID, "spec.domain.cpu.maxSockets", "cannot be changed");
    return;
  }
  gboolean same = same_list(vmi->spec, old->spec, "volumes") && same_list(vmi->spec, old->spec, "domain.devices.disks") && same_list(vmi->spec, old->spec, "utilityVolumes");
  if (!same) storage_update(r, vmi, old);
}

static void update_rules(WryReviewing *r, const WryVmi *vmi, const WryVmi *old) {
  if (wry_is_kubevirt_account(r->review, "handler") && wry_config_gate(r->review->config, "NodeRestriction")) node_restriction(r, vmi, old);
  spec_update(r, vmi, old);
  if (!r->trusted) reserved_labels_kept(r, vmi->metadata, old->metadata);
}

void wry_review_vmi_rules(WryReviewing *r, const WryVmi *vmi) {
  const WryVmi *old = r->old;
  if (old)
    update_rules(r, vmi, old);
  else
    wry_vmi_rules(vmi, r->review->config, r->review->rules, r->trusted, r->causes);
}
