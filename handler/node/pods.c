/* Launcher pods by UID.
 *
 * How it works: a watch keeps one short entry a pod. A pod is a launcher's when it has the label, is bound to this node, and its controller is a VirtualMachineInstance; all else is refused. One that
 * is gone stays known as ended for as long as this handler lives, for a guest that has yet to hear of it.
 * Relies on: kube/watch.h for the copy. */
#include "handler/node/pods.h"

#define ENDED_KEPT 4096u /* then the table is emptied of them */

typedef struct { WryPodState state; char *vmi; } Entry;

struct WryPods {
  WryKubeWatch *watch;
  char *node;
  GHashTable *table; /* uid -> Entry */
  guint ended;
  void (*changed)(gpointer data);
  gpointer data;
};

/* --- one pod -------------------------------------------------------------------------------------------------------------------------------------------- */
static const char *controlling_vmi(WryJson *meta) {
  WryJson *owners = wry_json_get(meta, "ownerReferences");
  for (size_t i = 0; owners && json_object_is_type(owners, json_type_array) && i < json_object_array_length(owners); i++) {
    WryJson *owner = json_object_array_get_idx(owners, i);
    const char *version = wry_json_str(owner, "apiVersion");
    if (!wry_json_bool(owner, "controller", FALSE)) continue;
    gboolean ours = version && g_str_has_prefix(version, "kubevirt.io/") && g_strcmp0(wry_json_str(owner, "kind"), "VirtualMachineInstance") == 0;
    return ours ? wry_json_str(owner, "uid") : NULL;
  }
  return NULL;
}

WryPodState wry_pod_judge(WryJson *pod, const char *node, const char **ret_vmi) {
  WryJson *meta = wry_json_get(pod, "metadata"), *labels = meta ? wry_json_get(meta, "labels") : NULL, *spec = wry_json_get(pod, "spec"), *status = wry_json_get(pod, "status");
  const char *phase = status ? wry_json_str(status, "phase") : NULL;
  *ret_vmi = meta ? controlling_vmi(meta) : NULL;
  if (!*ret_vmi || !labels || g_strcmp0(wry_json_str(labels, "kubevirt.io"), "virt-launcher") != 0) return WRY_POD_REFUSED;
  if (!spec || g_strcmp0(wry_json_str(spec, "nodeName"), node) != 0) return WRY_POD_REFUSED;
  return g_strcmp0(phase, "Succeeded") == 0 || g_strcmp0(phase, "Failed") == 0 ? WRY_POD_ENDED : WRY_POD_OWNED;
}

/* --- the table ------------------------------------------------------------------------------------------------------------------------------------------ */
static void free_entry(gpointer data) {
  Entry *entry = data;
  g_free(entry->vmi);
  g_free(entry);
}

static gboolean is_ended(gpointer key G_GNUC_UNUSED, gpointer value, gpointer data G_GNUC_UNUSED) { return ((Entry *)value)->state == WRY_POD_ENDED; }

static void keep(WryPods *pods, const char *uid, WryPodState state, const char *vmi) {
  if (state == WRY_POD_ENDED && ++pods->ended > ENDED_KEPT) {
    g_hash_table_foreach_remove(pods->table, is_ended, NULL);
    pods->ended = 0;
  }
  Entry *entry = g_new(Entry, 1);
  *entry = (Entry){state, g_strdup(vmi)};
  g_hash_table_replace(pods->table, g_strdup(uid), entry);
}

static void on_changed(WryKubeChange change, const WryKubeItem *item, gpointer data) {
  WryPods *pods = data;
  g_autoptr(WryJson) object = wry_kube_item_object(item, NULL);
  const char *vmi = NULL;
  WryPodState state = object ? wry_pod_judge(object, pods->node, &vmi) : WRY_POD_REFUSED;
  keep(pods, wry_kube_item_uid(item), change == WRY_KUBE_DELETED ? WRY_POD_ENDED : state, vmi);
  pods->changed(pods->data);
}

static void on_synced(gpointer data) {
  WryPods *pods = data;
  pods->changed(pods->data);
}

WryPods *wry_pods_new(WryKube *kube, const char *node, void (*changed)(gpointer data), gpointer data) {
  static const WryKubeWatchCalls calls = {on_changed, on_synced, NULL};
  g_autofree char *selector = g_strconcat("spec.nodeName=", node, NULL);
  const WryKubeWatchOptions options = {.resource = &wry_kube_pods, .label_selector = "kubevirt.io=virt-launcher", .field_selector = selector, .keep = WRY_KUBE_KEEP_PACKED};
  WryPods *pods = g_new0(WryPods, 1);
  *pods = (WryPods){.node = g_strdup(node), .changed = changed, .data = data, .table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_entry)};
  pods->watch = wry_kube_watch_new(kube, &options, &calls, pods);
  return pods;
}

void wry_pods_free(WryPods *pods) {
  if (!pods) return;
  wry_kube_watch_free(pods->watch);
  g_hash_table_unref(pods->table);
  g_free(pods->node);
  g_free(pods);
}

WryPodState wry_pods_look(const char *pod, const char **ret_vmi, gpointer data) {
  const WryPods *pods = data;
  const Entry *entry = g_hash_table_lookup(pods->table, pod);
  *ret_vmi = entry ? entry->vmi : NULL;
  if (entry) return entry->state;
  return wry_kube_watch_synced(pods->watch) ? WRY_POD_ABSENT : WRY_POD_UNKNOWN;
}
