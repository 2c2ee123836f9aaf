/* Where a launcher pod may run: node selector, affinity, and what is carried over from the VMI as it is.
 *
 * How it works: labels that a node must have are rows with a test on the spec; named CPU models and features become labels by prefix. A guest with the host's model must not meet a node whose host
 * model is obsolete: that goes into every required term of the node affinity.
 * Relies on: contract 4.2 for the nodes' labels, 5.1. */
#include <string.h>

#include "handler/controller/pod_parts.h"

#define OBSOLETE_HOST_MODEL "node-labeller.kubevirt.io/obsolete-host-model"
#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"

/* --- labels by a test ------------------------------------------------------------------------------------------------------------------------------------ */
static const WryLaunchSecurity *security(const WryVmiSpec *spec) { return spec->domain->launchSecurity; }
static gboolean on_s390x(const WryVmiSpec *spec) { return g_strcmp0(spec->architecture, "s390x") == 0; }
static gboolean has_sev_policy(const WryVmiSpec *spec) {
  const WrySev *sev = security(spec) ? security(spec)->sev : NULL;
  return sev && sev->policy && wry_opt_bool(sev->policy->encryptedState, FALSE);
}

static gboolean wants_realtime(const WryVmiSpec *spec) { return spec->domain->cpu && spec->domain->cpu->realtime; }
static gboolean wants_sev(const WryVmiSpec *spec) { return security(spec) && (security(spec)->sev || security(spec)->snp); }
static gboolean wants_snp(const WryVmiSpec *spec) { return security(spec) && security(spec)->snp; }
static gboolean wants_tdx(const WryVmiSpec *spec) { return security(spec) && security(spec)->tdx; }
static gboolean wants_secure_execution(const WryVmiSpec *spec) { return security(spec) && on_s390x(spec); }

static const struct { const char *label; gboolean (*applies)(const WryVmiSpec *spec); } needs[] = {
    {"kubevirt.io/cpumanager", wry_pod_dedicated}, {"kubevirt.io/realtime", wants_realtime}, {"kubevirt.io/sev", wants_sev},
    {"kubevirt.io/sev-es", has_sev_policy},        {"kubevirt.io/sev-snp", wants_snp},       {"kubevirt.io/tdx", wants_tdx},
    {"kubevirt.io/s390-pv", wants_secure_execution},
};

/* --- labels by a name ------------------------------------------------------------------------------------------------------------------------------------ */
static void need(WryJson *selector, const char *prefix, const char *name) {
  g_autofree char *label = g_strconcat(prefix, name, NULL);
  wry_put_str(selector, label, "true");
}

static gboolean is_named_model(const char *model) { return model && *model && strcmp(model, "host-model") && strcmp(model, "host-passthrough"); }

static void need_cpu(WryJson *selector, const WryCpu *cpu) {
  if (!cpu) return;
  if (is_named_model(cpu->model)) need(selector, "cpu-model.node.kubevirt.io/", cpu->model);
  for (guint i = 0; cpu->features && i < cpu->features->len; i++) {
    const WryCpuFeature *feature = cpu->features->pdata[i];
    if (!feature->policy || !*feature->policy || strcmp(feature->policy, "require") == 0) need(selector, "cpu-feature.node.kubevirt.io/", feature->name);
  }
}

/* With gate HypervStrictCheck: the enlightenments that a node may lack, by JSON name. */
static void need_hyperv(WryPodParts *parts, WryJson *selector) {
  static const char *const checked[] = {"vpindex", "runtime", "reset", "synic", "frequencies", "reenlightenment", "tlbflush", "ipi"};
  if (!wry_config_gate(parts->config, "HypervStrictCheck")) return;
  g_autoptr(WryJson) domain = wry_encode(&wry_domain_type, parts->spec->domain);
  WryJson *hyperv = wry_json_path(domain, "features.hyperv");
  for (gsize i = 0; hyperv && i < G_N_ELEMENTS(checked); i++) {
    WryJson *feature = wry_json_get(hyperv, checked[i]);
    if (feature && wry_json_bool(feature, "enabled", TRUE)) need(selector, "hyperv.node.kubevirt.io/", checked[i]);
  }
}

static void copy_map(WryJson *into, WryJson *from) {
  if (!from || !json_object_is_type(from, json_type_object)) return;
  json_object_object_foreach(from, key, value) json_object_object_add(into, key, json_object_get(value));
}

static void put_selector(WryPodParts *parts) {
  const WryVmiSpec *spec = parts->spec;
  WryJson *selector = wry_put_object(parts->pod, "nodeSelector");
  copy_map(selector, wry_config_get(parts->config, "developerConfiguration.nodeSelectors"));
  copy_map(selector, spec->nodeSelector);
  wry_put_str(selector, "kubevirt.io/schedulable", "true");
  wry_put_str(selector, "kubernetes.io/arch", spec->architecture);
  if (spec->domain->machine && spec->domain->machine->type) need(selector, "machine-type.node.kubevirt.io/", spec->domain->machine->type);
  need_cpu(selector, spec->domain->cpu);
  need_hyperv(parts, selector);
  for (gsize i = 0; i < G_N_ELEMENTS(needs); i++)
    if (needs[i].applies(spec)) wry_put_str(selector, needs[i].label, "true");
}

/* --- affinity -------------------------------------------------------------------------------------------------------------------------------------------- */
static void avoid_obsolete_hosts(WryJson *affinity) {
  WryJson *required = wry_child(wry_child(affinity, "nodeAffinity"), REQUIRED);
  WryJson *terms = wry_json_get(required, "nodeSelectorTerms");
  if (!terms) terms = wry_put_array(required, "nodeSelectorTerms");
  if (!wry_json_length(terms)) wry_append(terms);
  for (gsize i = 0; i < wry_json_length(terms); i++) {
    WryJson *term = json_object_array_get_idx(terms, i), *expressions = wry_json_get(term, "matchExpressions");
    if (!expressions) expressions = wry_put_array(term, "matchExpressions");
    WryJson *expression = wry_append(expressions);
    wry_put_str(expression, "key", OBSOLETE_HOST_MODEL);
    wry_put_str(expression, "operator", "DoesNotExist");
  }
}

static void put_affinity(WryPodParts *parts) {
  const WryCpu *cpu = parts->spec->domain->cpu;
  WryJson *affinity = parts->spec->affinity ? wry_encode(&wry_affinity_type, parts->spec->affinity) : json_object_new_object();
  if (!cpu || !cpu->model || strcmp(cpu->model, "host-model") == 0) avoid_obsolete_hosts(affinity);
  if (json_object_object_length(affinity) > 0)
    wry_put(parts->pod, "affinity", affinity);
  else
    json_object_put(affinity);
}

static void put_list(WryJson *pod, const char *key, const WryType *type, const GPtrArray *list) {
  WryJson *array = list && list->len ? wry_put_array(pod, key) : NULL;
  for (guint i = 0; array && i < list->len; i++) json_object_array_add(array, wry_encode(type, list->pdata[i]));
}

static void put_claims(WryPodParts *parts) {
  const GPtrArray *list = parts->spec->resourceClaims;
  WryJson *array = list && list->len ? wry_put_array(parts->pod, "resourceClaims") : NULL;
  for (guint i = 0; array && i < list->len; i++) {
    const WryResourceClaim *claim = list->pdata[i];
    WryJson *entry = wry_append(array);
    wry_put_str(entry, "name", claim->name);
    wry_put_str(entry, "resourceClaimName", claim->resourceClaimName);
    wry_put_str(entry, "resourceClaimTemplateName", claim->resourceClaimTemplateName);
  }
}

void wry_pod_place(WryPodParts *parts) {
  const WryVmiSpec *spec = parts->spec;
  put_selector(parts);
  put_affinity(parts);
  put_list(parts->pod, "tolerations", &wry_toleration_type, spec->tolerations);
  put_list(parts->pod, "topologySpreadConstraints", &wry_spread_type, spec->topologySpreadConstraints);
  put_claims(parts);
  wry_put_str(parts->pod, "priorityClassName", spec->priorityClassName);
  wry_put_str(parts->pod, "schedulerName", spec->schedulerName);
  wry_put_str(parts->pod, "runtimeClassName", wry_config_str(parts->config, "defaultRuntimeClass", NULL));
}
