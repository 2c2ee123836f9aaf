/* Rules about node and pod affinity, tolerations and topology spread: what Kubernetes' own validation of a pod says about them, since they are copied into one
 * (contract 2.5). See spec_rules.h. */
#include <string.h>

#include "lib/spec_rules.h"

#define REQUIRED_TERMS "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED_TERMS "preferredDuringSchedulingIgnoredDuringExecution"

/* --- requirements of selectors --------------------------------------------------------------------------------------------------------------------------- */
typedef enum { VALUES_SOME, VALUES_NONE, VALUES_ONE } Values;
typedef struct { const char *name; Values values; } Operator;

static const Operator label_operators[] = {{"In", VALUES_SOME}, {"NotIn", VALUES_SOME}, {"Exists", VALUES_NONE}, {"DoesNotExist", VALUES_NONE}, {NULL, 0}};
static const Operator node_operators[] = {{"In", VALUES_SOME},          {"NotIn", VALUES_SOME}, {"Exists", VALUES_NONE},
                                          {"DoesNotExist", VALUES_NONE}, {"Gt", VALUES_ONE},     {"Lt", VALUES_ONE},
                                          {NULL, 0}};
static const Operator field_operators[] = {{"In", VALUES_ONE}, {"NotIn", VALUES_ONE}, {NULL, 0}};

static const Operator *find_operator(const Operator *operators, const char *name) {
  while (operators->name && g_strcmp0(operators->name, name)) operators++;
  return operators->name ? operators : NULL;
}

static void requirement(WryCheck *c, const WryRequirement *r, const Operator *operators, const char *path) {
  static const char *const wants[] = {"must have values", "must not have values", "must have exactly one value"};
  const Operator *operator = find_operator(operators, r->operator_);
  guint count = r->values ? r->values->len : 0;
  if (!operator)
    wry_refuse(c, INVALID, wry_at(c, "%s.operator", path), "unknown operator %s", r->operator_ ? r->operator_ : "");
  else if ((operator->values == VALUES_SOME && !count) || (operator->values == VALUES_NONE && count) || (operator->values == VALUES_ONE && count != 1))
    wry_refuse(c, INVALID, wry_at(c, "%s.values", path), "operator %s %s", operator->name, wants[operator->values]);
  if (!wry_is_qualified_name(r->key)) wry_refuse(c, INVALID, wry_at(c, "%s.key", path), "must be a label name");
}

static void requirements(WryCheck *c, const GPtrArray *list, const Operator *operators, const char *path) {
  WRY_EACH(WryRequirement, r, list) {
    g_autofree char *at = g_strdup_printf("%s[%u]", path, r_i);
    requirement(c, r, operators, at);
  }
}

static void label_selector(WryCheck *c, const WryLabelSelector *selector, const char *path) {
  if (!selector) return;
  g_autofree char *expressions = g_strdup_printf("%s.matchExpressions", path);
  requirements(c, selector->matchExpressions, label_operators, expressions);
}

/* --- node affinity --------------------------------------------------------------------------------------------------------------------------------------- */
static void node_term(WryCheck *c, const WryNodeSelectorTerm *term, const char *path) {
  g_autofree char *expressions = g_strdup_printf("%s.matchExpressions", path), *fields = g_strdup_printf("%s.matchFields", path);
  requirements(c, term->matchExpressions, node_operators, expressions);
  requirements(c, term->matchFields, field_operators, fields);
}

static void weight(WryCheck *c, WryOptInt value, const char *path) {
  if (wry_opt_int(value) < 1 || wry_opt_int(value) > 100) wry_refuse(c, INVALID, wry_at(c, "%s.weight", path), "must be from 1 to 100");
}

static void node_affinity(WryCheck *c, const WryNodeAffinity *affinity) {
  const char *base = "affinity.nodeAffinity";
  if (affinity->required && (!affinity->required->nodeSelectorTerms || !affinity->required->nodeSelectorTerms->len))
    wry_refuse(c, INVALID, wry_at(c, "%s.%s.nodeSelectorTerms", base, REQUIRED_TERMS), "must not be empty");
  if (affinity->required)
    WRY_EACH(WryNodeSelectorTerm, term, affinity->required->nodeSelectorTerms) {
      g_autofree char *path = g_strdup_printf("%s.%s.nodeSelectorTerms[%u]", base, REQUIRED_TERMS, term_i);
      node_term(c, term, path);
    }
  WRY_EACH(WryPreferredTerm, preferred, affinity->preferred) {
    g_autofree char *path = g_strdup_printf("%s.%s[%u]", base, PREFERRED_TERMS, preferred_i), *inner = g_strdup_printf("%s.preference", path);
    weight(c, preferred->weight, path);
    if (preferred->preference) node_term(c, preferred->preference, inner);
  }
}

/* --- pod affinity ---------------------------------------------------------------------------------------------------------------------------------------- */
static void pod_term(WryCheck *c, const WryPodAffinityTerm *term, const char *path) {
  g_autofree char *labels = g_strdup_printf("%s.labelSelector", path), *namespaces = g_strdup_printf("%s.namespaceSelector", path);
  label_selector(c, term->labelSelector, labels);
  label_selector(c, term->namespaceSelector, namespaces);
  if (!wry_is_qualified_name(term->topologyKey)) wry_refuse(c, INVALID, wry_at(c, "%s.topologyKey", path), "must be a label name");
}

static void pod_affinity(WryCheck *c, const WryPodAffinity *affinity, const char *name) {
  if (!affinity) return;
  WRY_EACH(WryPodAffinityTerm, term, affinity->required) {
    g_autofree char *path = g_strdup_printf("affinity.%s.%s[%u]", name, REQUIRED_TERMS, term_i);
    pod_term(c, term, path);
  }
  WRY_EACH(WryWeightedPodTerm, weighted, affinity->preferred) {
    g_autofree char *path = g_strdup_printf("affinity.%s.%s[%u]", name, PREFERRED_TERMS, weighted_i), *inner = g_strdup_printf("%s.podAffinityTerm", path);
    weight(c, weighted->weight, path);
    if (weighted->podAffinityTerm) pod_term(c, weighted->podAffinityTerm, inner);
  }
}

WRY_RULE(wry_rule_affinity) {
  const WryAffinity *affinity = c->spec->affinity;
  if (!affinity) return;
  if (affinity->nodeAffinity) node_affinity(c, affinity->nodeAffinity);
  pod_affinity(c, affinity->podAffinity, "podAffinity");
  pod_affinity(c, affinity->podAntiAffinity, "podAntiAffinity");
}

/* --- topology spread, tolerations ------------------------------------------------------------------------------------------------------------------------ */
static void spread_twice(WryCheck *c, const WrySpread *spread, guint index) {
  for (guint i = 0; i < index; i++) {
    const WrySpread *other = g_ptr_array_index(c->spec->topologySpreadConstraints, i);
    if (!g_strcmp0(other->topologyKey, spread->topologyKey) && !g_strcmp0(other->whenUnsatisfiable, spread->whenUnsatisfiable))
      wry_refuse(c, INVALID, wry_at(c, "topologySpreadConstraints[%u]", index), "same topologyKey and whenUnsatisfiable as constraint %u", i);
  }
}

static const char *const unsatisfiable[] = {"DoNotSchedule", "ScheduleAnyway", NULL};

WRY_RULE(wry_rule_spread) {
  WRY_EACH(WrySpread, spread, c->spec->topologySpreadConstraints) {
    g_autofree char *selector = g_strdup_printf("topologySpreadConstraints[%u].labelSelector", spread_i);
    if (wry_opt_int(spread->maxSkew) < 1) wry_refuse(c, INVALID, wry_at(c, "topologySpreadConstraints[%u].maxSkew", spread_i), "must be greater than zero");
    if (!wry_text(spread->topologyKey)) wry_refuse(c, INVALID, wry_at(c, "topologySpreadConstraints[%u].topologyKey", spread_i), "must be set");
    if (!wry_is_one_of(spread->whenUnsatisfiable, unsatisfiable))
      wry_refuse(c, INVALID, wry_at(c, "topologySpreadConstraints[%u].whenUnsatisfiable", spread_i), "must be DoNotSchedule or ScheduleAnyway");
    label_selector(c, spread->labelSelector, selector);
    spread_twice(c, spread, spread_i);
  }
}

/* Values that KubeVirt's own schema check refuses, beyond what the CRD says. */
WRY_RULE(wry_rule_schema_enums) {
  static const char *const policies[] = {"ClusterFirst", "ClusterFirstWithHostNet", "Default", "None", NULL};
  static const char *const operators[] = {"Equal", "Exists", "Lt", "Gt", NULL}, *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
  if (wry_text(c->spec->dnsPolicy) && !wry_is_one_of(c->spec->dnsPolicy, policies))
    wry_refuse(c, NOT_SUPPORTED, wry_at(c, "dnsPolicy"), "must be one of ClusterFirst, ClusterFirstWithHostNet, Default, None");
  WRY_EACH(WryToleration, toleration, c->spec->tolerations) {
    if (wry_text(toleration->operator_) && !wry_is_one_of(toleration->operator_, operators))
      wry_refuse(c, NOT_SUPPORTED, wry_at(c, "tolerations[%u].operator", toleration_i), "unknown operator %s", toleration->operator_);
    if (wry_text(toleration->effect) && !wry_is_one_of(toleration->effect, effects))
      wry_refuse(c, NOT_SUPPORTED, wry_at(c, "tolerations[%u].effect", toleration_i), "unknown effect %s", toleration->effect);
  }
}
