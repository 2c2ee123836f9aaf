/* Members of a VMI's status that the controller writes: phase with its times, and what its pod says when a node gets it (contract 3.5).
 * Relies on: vmi_parts.h. Pure. */
#include <string.h>

#include "handler/controller/pod_parts.h"
#include "handler/controller/pod_paths.h"
#include "handler/controller/vmi_parts.h"

#define OVERHEAD "kubevirt.io/memory-overhead-bytes"
#define OUTDATED "kubevirt.io/outdatedLauncherImage"
#define FILESYSTEM_OVERHEAD "0.055"

static WryJson *status_of(WryVmiTurn *turn) { return wry_child(turn->changed, "status"); }

void wry_vmi_enter(WryVmiTurn *turn, WryPhase phase, const char *reason) {
  WryJson *status = status_of(turn), *list = wry_json_get(status, "phaseTransitionTimestamps"), *entry = NULL;
  const char *name = wry_phase_name(phase);
  if (!list) list = wry_put_array(status, "phaseTransitionTimestamps");
  for (gsize i = 0; i < wry_json_length(list) && !entry; i++)
    if (g_strcmp0(wry_json_str(json_object_array_get_idx(list, i), "phase"), name) == 0) entry = json_object_array_get_idx(list, i);
  if (!entry) entry = wry_append(list);
  wry_put_str(entry, "phase", name);
  wry_put_str(entry, "phaseTransitionTimestamp", turn->now);
  wry_put_str(status, "phase", name);
  wry_put_str(status, "reason", reason);
}

/* --- volumes ------------------------------------------------------------------------------------------------------------------------------------------------------- */
static void put_claim_info(const WryVmiTurn *turn, WryJson *entry, const char *name) {
  static const char *const of_spec[] = {"accessModes", "volumeMode"};
  const WryWorld *world = turn->world;
  g_autoptr(WryJson) claim = world->find ? world->find(world->find_data, "PersistentVolumeClaim", wry_meta_str(turn->vmi, "namespace"), name) : NULL;
  WryJson *info = wry_put_object(entry, "persistentVolumeClaimInfo"), *spec = wry_json_get(claim, "spec");
  gboolean block = g_strcmp0(wry_json_str(spec, "volumeMode"), "Block") == 0;
  for (gsize i = 0; i < G_N_ELEMENTS(of_spec); i++)
    if (wry_json_get(spec, of_spec[i])) wry_put(info, of_spec[i], wry_json_copy(wry_json_get(spec, of_spec[i])));
  wry_put(info, "capacity", wry_json_copy(wry_json_path(claim, "status.capacity")));
  wry_put(info, "requests", wry_json_copy(wry_json_path(spec, "resources.requests")));
  wry_put_str(info, "claimName", name);
  wry_put_str(info, "filesystemOverhead", block ? "0" : FILESYSTEM_OVERHEAD);
}

static gint by_name(gconstpointer a, gconstpointer b) { return g_strcmp0((*(WryVolume *const *)a)->name, (*(WryVolume *const *)b)->name); }

/* The target is the guest's name of the disk, which the node fills in. */
static void put_volumes(WryVmiTurn *turn, const WryVmiSpec *spec) {
  if (!spec->volumes || !spec->volumes->len) return;
  WryJson *list = wry_put_array(status_of(turn), "volumeStatus");
  g_autoptr(GPtrArray) sorted = g_ptr_array_new();
  for (guint i = 0; i < spec->volumes->len; i++) g_ptr_array_add(sorted, spec->volumes->pdata[i]);
  g_ptr_array_sort(sorted, by_name);
  for (guint i = 0; i < sorted->len; i++) {
    const WryVolume *volume = sorted->pdata[i];
    WryJson *entry = wry_append(list);
    wry_put_str(entry, "name", volume->name);
    if (wry_pod_claim(volume)) put_claim_info(turn, entry, wry_pod_claim(volume));
    wry_put_text(entry, "target", "");
  }
}

/* --- the pod --------------------------------------------------------------------------------------------------------------------------------------------------------- */
static const char *launcher_image(WryJson *pod) {
  WryJson *list = wry_json_path(pod, "spec.containers");
  for (gsize i = 0; i < wry_json_length(list); i++)
    if (g_strcmp0(wry_json_str(json_object_array_get_idx(list, i), "name"), "compute") == 0) return wry_json_str(json_object_array_get_idx(list, i), "image");
  return NULL;
}

static void put_memory(WryVmiTurn *turn) {
  const char *text = wry_json_str(wry_json_path(turn->pod, "metadata.annotations"), OVERHEAD);
  g_autofree char *bytes = text ? wry_pod_bytes(g_ascii_strtoll(text, NULL, 10)) : NULL;
  if (bytes) wry_put_str(wry_child(status_of(turn), "memory"), "memoryOverhead", bytes);
}

void wry_vmi_follow_pod(WryVmiTurn *turn) {
  WryJson *status = status_of(turn), *active = wry_put_object(status, "activePods"), *labels = wry_child(wry_json_get(turn->changed, "metadata"), "labels");
  const char *image = launcher_image(turn->pod);
  wry_put_str(labels, WRY_NODE_LABEL, wry_json_str(status, "nodeName")); /* by which the node finds it: also when somebody took it away */
  for (gsize i = 0; i < wry_json_length(turn->pods); i++) {
    WryJson *pod = json_object_array_get_idx(turn->pods, i);
    const char *node = wry_json_str(wry_json_get(pod, "spec"), "nodeName");
    if (!wry_pod_ended(pod)) wry_put_text(active, wry_meta_str(pod, "uid"), node ? node : "");
  }
  wry_put_str(status, "launcherContainerImageVersion", image);
  if (image && turn->world->image && strcmp(image, turn->world->image) != 0)
    wry_put_text(labels, OUTDATED, "");
  else
    json_object_object_del(labels, OUTDATED);
}

void wry_vmi_hand_over(WryVmiTurn *turn) {
  const char *node = wry_json_str(wry_json_get(turn->pod, "spec"), "nodeName");
  WryJson *status = status_of(turn);
  g_autoptr(WryCauses) ignored = wry_causes_new();
  WryVmi *vmi = wry_decode(&wry_vmi_type, turn->vmi, "", ignored);
  wry_put_str(status, "nodeName", node);
  wry_put_str(status, "qosClass", wry_json_str(wry_json_get(turn->pod, "status"), "qosClass"));
  wry_put_str(status, "migrationTransport", "Unix");
  wry_vmi_follow_pod(turn);
  put_memory(turn);
  if (vmi && vmi->spec) put_volumes(turn, vmi->spec);
  if (vmi) wry_struct_free(&wry_vmi_type, vmi);
}
