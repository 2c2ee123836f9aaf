/* The start of a VMI: checked, completed, its claims there, its pod made.
 *
 * How it works: what an admission webhook would have done is done here, on every turn until there is a pod: nobody gets a pod for a VMI that the rules refuse. Defaults that are missing are written
 * first; the pod is made from what is then stored. What hinders the start is told in the conditions that KubeVirt has for it.
 * Relies on: spec_review.h, pod.h. Pure. */
#include <string.h>

#include "handler/controller/pod.h"
#include "handler/controller/pod_paths.h"
#include "handler/controller/vmi_parts.h"

#define CLAIM_RETRY_SECONDS 30
#define NAME_MAX_LENGTH 253
#define SUFFIX 5

char *wry_vmi_pod_name(WryJson *vmi) {
  static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789"; /* as in generated names: no words */
  const char *name = wry_meta_str(vmi, "name"), *uid = wry_meta_str(vmi, "uid");
  g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, uid ? uid : "", -1);
  char suffix[SUFFIX + 1] = "";
  for (guint i = 0; i < SUFFIX; i++) suffix[i] = alphabet[(guint)(g_ascii_xdigit_value(hash[2 * i]) * 16 + g_ascii_xdigit_value(hash[2 * i + 1])) % (sizeof alphabet - 1)];
  return g_strdup_printf(WRY_POD_PREFIX "%.*s-%s", (int)(NAME_MAX_LENGTH - strlen(WRY_POD_PREFIX) - SUFFIX - 1), name, suffix);
}

/* --- what hinders -------------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean hinder(WryVmiTurn *turn, const char *reason, const char *message) {
  gboolean news = wry_vmi_condition(turn, "Synchronized", "False", reason, message);
  if (news) wry_act_event(turn->actions, WRY_ON_VMI, turn->vmi, TRUE, reason, "%s", message);
  wry_vmi_conditions(turn);
  wry_act_patch(turn->actions, WRY_ACTION_PATCH, WRY_ON_VMI, turn->vmi, turn->changed);
  return TRUE;
}

/* The first claim that is not there; NULL: all are. Borrowed from the spec. */
static const char *missing_claim(const WryVmiTurn *turn, const WryVmiSpec *spec) {
  const WryWorld *world = turn->world;
  for (guint i = 0; world->find && spec->volumes && i < spec->volumes->len; i++) {
    const char *claim = wry_pod_claim(spec->volumes->pdata[i]);
    g_autoptr(WryJson) object = claim ? world->find(world->find_data, "PersistentVolumeClaim", wry_meta_str(turn->vmi, "namespace"), claim) : NULL;
    if (claim && !object) return claim;
  }
  return NULL;
}

static gboolean hinder_by_claim(WryVmiTurn *turn, const char *claim) {
  g_autofree char *message = g_strdup_printf("PVC %s/%s does not exist, waiting for it to appear", wry_meta_str(turn->vmi, "namespace"), claim);
  wry_vmi_condition(turn, "PodScheduled", "False", "Unschedulable", message);
  hinder(turn, "FailedPvcNotFound", message);
  wry_act_again(turn->actions, WRY_ON_VMI, turn->vmi, CLAIM_RETRY_SECONDS);
  return TRUE;
}

static char *causes_text(const WryCauses *causes) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < MIN(wry_causes_count(causes), 10); i++) {
    const WryCause *cause = wry_causes_get(causes, i);
    g_string_append_printf(text, "%s%s: %s", i ? ", " : "", cause->field, cause->message);
  }
  return g_string_free(text, FALSE);
}

/* --- defaults --------------------------------------------------------------------------------------------------------------------------------------------------------- */
/* The first write on a VMI that came past no webhook. */
static gboolean complete(WryVmiTurn *turn, WryJson *admitted) {
  WryJson *status = wry_child(turn->changed, "status"), *given = wry_json_get(admitted, "status"), *meta = wry_json_get(admitted, "metadata");
  wry_put(turn->changed, "spec", wry_json_copy(wry_json_get(admitted, "spec")));
  if (wry_json_get(meta, "annotations")) wry_put(wry_json_get(turn->changed, "metadata"), "annotations", wry_json_copy(wry_json_get(meta, "annotations")));
  wry_add_finalizer(turn->changed, WRY_VMI_FINALIZER);
  if (!wry_json_str(status, "phase") && given) {
    json_object_object_foreach(given, key, value) json_object_object_add(status, key, wry_json_copy(value));
  }
  return wry_act_patch(turn->actions, WRY_ACTION_PATCH, WRY_ON_VMI, turn->vmi, turn->changed);
}

/* --- the pod ---------------------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean make_pod(WryVmiTurn *turn, const WryVmi *vmi) {
  const WryWorld *world = turn->world;
  const WryPodWorld pods = {.config = world->config, .costs = &wry_pod_costs, .image = world->image, .find = world->find, .find_data = world->find_data};
  g_autoptr(GError) error = NULL;
  WryJson *pod = wry_pod_render(vmi, &pods, &error);
  if (!pod) return hinder(turn, "FailedCreate", error->message);
  g_autofree char *name = wry_vmi_pod_name(turn->vmi);
  wry_put_str(wry_json_get(pod, "metadata"), "name", name);
  wry_act_create(turn->actions, WRY_ON_POD, pod);
  wry_act_event(turn->actions, WRY_ON_VMI, turn->vmi, FALSE, "SuccessfulCreate", "Created virtual machine pod %s", name);
  return TRUE;
}

gboolean wry_vmi_turn_start(WryVmiTurn *turn) {
  const WryWorld *world = turn->world;
  const WryReview review = {.config = world->config, .rules = WRY_RULES_IN_CLUSTER, .install_namespace = world->install_namespace, .find = world->find, .find_data = world->find_data,
                            .random_uuid = world->random_uuid, .uuid_data = world->uuid_data};
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_auto(WryVerdict) verdict = {.stage = WRY_STAGE_ALLOWED};
  g_autoptr(WryJson) request = wry_json_copy(turn->vmi); /* defaults are put into the status of what is reviewed */
  if (!wry_review(&review, request, causes, &verdict)) {
    g_autofree char *text = causes_text(causes);
    return hinder(turn, "FailedCreate", text);
  }
  const WryVmi *vmi = verdict.object;
  g_autoptr(WryJson) admitted = wry_encode(verdict.type, vmi);
  if (complete(turn, admitted)) return TRUE;
  const char *claim = missing_claim(turn, vmi->spec);
  return claim ? hinder_by_claim(turn, claim) : make_pod(turn, vmi);
}
