/* The status of the KubeVirt object: deployed as soon as a controller leads, in the words that clients wait for (contract 12).
 * Relies on: action.h. Pure. */
#include "handler/controller/kubevirt.h"

#include <string.h>

#include "handler/controller/seen.h"

static const struct { const char *type, *status, *reason, *message; } conditions[] = {
    {"Available", "True", "AllComponentsReady", "All components are ready."},
    {"Created", "True", "AllResourcesCreated", "All resources were created."},
    {"Degraded", "False", "AllComponentsReady", "All components are ready."},
    {"Progressing", "False", "AllComponentsReady", "All components are ready."},
};

static void put_conditions(WryJson *status, WryJson *kubevirt, const char *now) {
  WryJson *list = wry_put_array(status, "conditions");
  for (gsize i = 0; i < G_N_ELEMENTS(conditions); i++) {
    WryJson *before = wry_object_condition(kubevirt, conditions[i].type), *condition = wry_append(list);
    gboolean same = before && g_strcmp0(wry_json_str(before, "status"), conditions[i].status) == 0;
    const char *since = same ? wry_json_str(before, "lastTransitionTime") : NULL;
    wry_put_str(condition, "lastTransitionTime", since ? since : now);
    wry_put_str(condition, "message", conditions[i].message);
    wry_put_str(condition, "reason", conditions[i].reason);
    wry_put_str(condition, "status", conditions[i].status);
    wry_put_str(condition, "type", conditions[i].type);
  }
}

GPtrArray *wry_kubevirt_reconcile(WryJson *kubevirt, const WryWorld *world, const char *architecture) {
  static const char *const versions[] = {"observedKubeVirtVersion", "operatorVersion", "targetKubeVirtVersion"};
  GPtrArray *actions = wry_actions_new();
  g_autoptr(WryJson) changed = wry_json_copy(kubevirt);
  g_autofree char *now = wry_time_text(world->now);
  WryJson *status = wry_child(changed, "status");
  for (gsize i = 0; i < G_N_ELEMENTS(versions); i++) wry_put_str(status, versions[i], WRY_KUBEVIRT_VERSION);
  put_conditions(status, kubevirt, now);
  if (!wry_json_str(status, "defaultArchitecture")) wry_put_str(status, "defaultArchitecture", architecture);
  wry_put_int(status, "observedGeneration", wry_meta_generation(kubevirt));
  wry_put_str(status, "phase", "Deployed");
  wry_act_patch(actions, WRY_ACTION_STATUS, WRY_ON_KUBEVIRT, kubevirt, changed);
  return actions;
}
