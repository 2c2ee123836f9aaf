/* The node role: between the API server, the kubelet and the fleet.
 *
 * How it works: VMIs whose label names this node are put into the fleet as they change; one that the watch calls deleted is asked for by name before its guest is stopped, since a lost label looks
 * the same. Pods of the node say whose a launcher is. The KubeVirt object's configuration is put in force as it changes. What the fleet shows goes back as status and events. Without an API server
 * all of this rests, and the fleet goes on.
 * Relies on: fleet.h for guests, writes.h, presence.h, device_plugin.h, pods.h for their parts. */
#include "handler/node/role.h"

#include "handler/kube/events.h"
#include "handler/kube/watch.h"
#include "handler/node/device_plugin.h"
#include "handler/node/pods.h"
#include "handler/node/presence.h"
#include "handler/node/writes.h"
#include "handler/sandbox.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/log.h"
#include "wherry/vpath.h"

struct WryNodeRole {
  const WryNodeRoleOptions *options;
  WryKube *kube;
  WryFleet *fleet;
  WryDevicePluginOptions plugin_options;
  WryDevicePlugin *plugin;
  WryFleetPods fleet_pods;
  WryPods *pods;
  WryKubeWatch *vmis, *kubevirts;
  WryWrites *writes;
  WryKubeEvents *events;
  WryPresence *presence;
  GHashTable *asking; /* WryKubeCall of a VMI that may be gone -> Question */
  guint again;        /* idle source: VMIs that had to wait are put again */
};

/* --- VMIs ------------------------------------------------------------------------------------------------------------------------------------------------ */
static void put_event(WryNodeRole *role, const WryKubeItem *item, const GError *error) {
  WryKubeEventObject about = {"kubevirt.io/v1", "VirtualMachineInstance", wry_kube_item_namespace(item), wry_kube_item_name(item), wry_kube_item_uid(item), wry_kube_item_version(item)};
  wry_log(WRY_LOG_ERROR, "a VMI of this node is not understood", "vmi", about.name, "why", error->message, NULL);
  wry_kube_events_add(role->events, &about, "virt-handler", TRUE, "SyncFailed", error->message);
}

static gboolean is_over(WryJson *object) {
  WryJson *status = wry_json_get(object, "status");
  return wry_phase_final(wry_phase_parse(status ? wry_json_str(status, "phase") : NULL));
}

/* One that is over by the server and unknown here is none of ours any more; one that still runs here, say after the controller has lost its pod, is stopped. */
static void put_vmi(WryNodeRole *role, const WryKubeItem *item) {
  g_autoptr(GError) error = NULL;
  g_autoptr(WryJson) object = wry_kube_item_object(item, &error);
  const char *uid = wry_kube_item_uid(item);
  WryObject *known = wry_objects_find_uid(wry_fleet_objects(role->fleet), uid);
  if (!object) {
    put_event(role, item, error);
    return;
  }
  if (is_over(object) && !known) return;
  if (is_over(object) && !(known->state->vmi && wry_phase_final(wry_instance_phase(known->state->vmi))))
    wry_fleet_drop_vmi(role->fleet, uid);
  else if (!wry_fleet_put_vmi(role->fleet, object, &error) && error->code != WRY_ERROR_EXISTS)
    put_event(role, item, error);
}

typedef struct { WryNodeRole *role; WryKubeItem *item; } Question;

static void free_question(gpointer data) {
  Question *question = data;
  wry_kube_item_unref(question->item);
  g_free(question);
}

static gboolean asks_of(gpointer call G_GNUC_UNUSED, gpointer value, gpointer data) { return value == data; }

static gboolean is_still_ours(const Question *question, WryJson *object) {
  WryJson *meta = wry_json_get(object, "metadata"), *status = wry_json_get(object, "status");
  return meta && g_strcmp0(wry_json_str(meta, "uid"), wry_kube_item_uid(question->item)) == 0 && status &&
         g_strcmp0(wry_json_str(status, "nodeName"), question->role->options->node) == 0;
}

static void ask_for(WryNodeRole *role, WryKubeItem *take_item);

static void on_asked(WryJson *object, const WryKubeFailure *failure, gpointer data) {
  Question *question = data;
  WryNodeRole *role = question->role;
  g_autofree char *uid = g_strdup(wry_kube_item_uid(question->item));
  g_autoptr(WryKubeItem) item = wry_kube_item_ref(question->item);
  gboolean unclear = failure && failure->http != 404, ours = !failure && object && is_still_ours(question, object);
  g_hash_table_foreach_remove(role->asking, asks_of, question);
  if (unclear) {
    ask_for(role, g_steal_pointer(&item));
  } else if (!ours) {
    wry_fleet_drop_vmi(role->fleet, uid);
    wry_writes_forget(role->writes, uid);
  }
}

static void ask_for(WryNodeRole *role, WryKubeItem *take_item) {
  Question *question = g_new(Question, 1);
  *question = (Question){role, take_item};
  WryKubeCall *call = wry_kube_get(role->kube, &wry_kube_vmis, wry_kube_item_namespace(take_item), wry_kube_item_name(take_item), on_asked, question);
  g_hash_table_insert(role->asking, call, question);
}

static void on_vmi(WryKubeChange change, const WryKubeItem *item, gpointer data) {
  WryNodeRole *role = data;
  if (change == WRY_KUBE_DELETED) {
    ask_for(role, wry_kube_item_ref((WryKubeItem *)(gpointer)item));
    return;
  }
  put_vmi(role, item);
  wry_writes_theirs(role->writes, wry_kube_item_uid(item));
}

/* What is known from records and not in the list was deleted while nobody looked. */
static void on_vmis_synced(gpointer data) {
  WryNodeRole *role = data;
  g_autoptr(GPtrArray) known = wry_objects_list(wry_fleet_objects(role->fleet), WRY_OBJECT_VMI);
  for (guint i = 0; i < known->len; i++) {
    const WryMeta *meta = wry_object_meta(known->pdata[i]);
    const WryKubeItem *item = wry_kube_watch_find(role->vmis, meta->namespace_, meta->name);
    if (!item || g_strcmp0(wry_kube_item_uid(item), meta->uid) != 0) wry_fleet_drop_vmi(role->fleet, meta->uid);
  }
}

static void on_lost(const WryKubeFailure *failure, gpointer data G_GNUC_UNUSED) { wry_log(WRY_LOG_DEBUG, "API server", "why", failure->error->message, NULL); }

static gboolean put_again(const WryKubeItem *item, gpointer data) {
  put_vmi(data, item);
  return TRUE;
}

static gboolean on_again(gpointer data) {
  WryNodeRole *role = data;
  role->again = 0;
  wry_kube_watch_each(role->vmis, put_again, role);
  return G_SOURCE_REMOVE;
}

/* --- configuration ---------------------------------------------------------------------------------------------------------------------------------------- */
static void on_kubevirt(WryKubeChange change, const WryKubeItem *item, gpointer data) {
  WryNodeRole *role = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(WryJson) object = change == WRY_KUBE_DELETED ? NULL : wry_kube_item_object(item, NULL);
  WryJson *spec = object ? wry_json_get(object, "spec") : NULL;
  if (!wry_fleet_configure(role->fleet, spec ? wry_json_get(spec, "configuration") : NULL, &error)) wry_log(WRY_LOG_ERROR, "configuration", "why", error->message, NULL);
}

/* --- the node --------------------------------------------------------------------------------------------------------------------------------------------- */
static void on_plugin(gpointer data) {
  WryNodeRole *role = data;
  if (role->presence) wry_presence_schedulable(role->presence, wry_fleet_facts(role->fleet)->done && wry_device_plugin_ready(role->plugin));
}

static void on_probed(gpointer data) {
  WryNodeRole *role = data;
  gboolean kvm = wry_fleet_facts(role->fleet)->kvm_usable;
  wry_device_plugin_set_kvm(role->plugin, kvm);
  wry_presence_probed(role->presence, kvm);
}

static void on_pods(gpointer data) {
  WryNodeRole *role = data;
  if (role->fleet) wry_fleet_pods_changed(role->fleet);
}

static WryPodState look(const char *pod, const char **ret_vmi, gpointer data) {
  const WryNodeRole *role = data;
  *ret_vmi = NULL;
  return role->pods ? wry_pods_look(pod, ret_vmi, role->pods) : WRY_POD_UNKNOWN;
}

/* --- what the fleet shows ---------------------------------------------------------------------------------------------------------------------------------- */
static void pass_event(WryNodeRole *role, WryJson *event) {
  WryJson *about = wry_json_get(event, "involvedObject"), *source = wry_json_get(event, "source");
  WryKubeEventObject object = {wry_json_str(about, "apiVersion"), wry_json_str(about, "kind"), wry_json_str(about, "namespace"), wry_json_str(about, "name"), wry_json_str(about, "uid"), NULL};
  wry_kube_events_add(role->events, &object, wry_json_str(source, "component"), g_strcmp0(wry_json_str(event, "type"), "Warning") == 0, wry_json_str(event, "reason"), wry_json_str(event, "message"));
}

void wry_node_role_shown(WryObjectKind kind, const char *type, WryJson *object, gpointer data) {
  WryNodeRole *role = data;
  gboolean deleted = strcmp(type, "DELETED") == 0;
  if (!role->writes) return;
  if (kind == WRY_OBJECT_KINDS)
    pass_event(role, object);
  else if (kind == WRY_OBJECT_VMI && !deleted)
    wry_writes_ours(role->writes, object);
  else if (kind == WRY_OBJECT_VMI && !role->again)
    role->again = g_idle_add(on_again, role);
}

/* --- beginning and end --------------------------------------------------------------------------------------------------------------------------------------- */
WryNodeRole *wry_node_role_new(const WryNodeRoleOptions *options, WryKube *kube, GError **error) {
  WryNodeRole *role = g_new0(WryNodeRole, 1);
  *role = (WryNodeRole){.options = options, .kube = kube, .plugin_options = {.dev_fd = -1, .kubelet_fd = -1}};
  role->fleet_pods = (WryFleetPods){look, on_probed, role};
  role->asking = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, free_question);
  role->plugin_options.grant = (WryDeviceGrant){wry_sandbox_cgroup_version() == 2 ? "mrw" : "rw", options->rendezvous};
  role->plugin_options.dev_fd = wry_dir_open("/dev", error);
  role->plugin_options.kubelet_fd = role->plugin_options.dev_fd < 0 ? -1 : wry_dir_open(options->kubelet_dir, error);
  if (role->plugin_options.kubelet_fd >= 0) role->plugin = wry_device_plugin_new(&role->plugin_options, on_plugin, role, error);
  if (role->plugin) return role;
  wry_node_role_free(role);
  return NULL;
}

const WryFleetPods *wry_node_role_pods(WryNodeRole *role) { return &role->fleet_pods; }

void wry_node_role_start(WryNodeRole *role, WryFleet *fleet, WryRoot *root) {
  static const WryKubeWatchCalls vmi_calls = {on_vmi, on_vmis_synced, on_lost}, kubevirt_calls = {on_kubevirt, NULL, on_lost};
  g_autofree char *selector = g_strconcat("kubevirt.io/nodeName=", role->options->node, NULL);
  const WryKubeWatchOptions vmis = {.resource = &wry_kube_vmis, .label_selector = selector, .keep = WRY_KUBE_KEEP_PACKED};
  const WryKubeWatchOptions kubevirts = {.resource = &wry_kube_kubevirts, .keep = WRY_KUBE_KEEP_PACKED};
  role->fleet = fleet;
  role->events = wry_kube_events_new(role->kube, role->options->node);
  role->presence = wry_presence_new(role->kube, role->options->node, role->options->node_fd);
  role->kubevirts = wry_kube_watch_new(role->kube, &kubevirts, &kubevirt_calls, role);
  role->pods = wry_pods_new(role->kube, role->options->node, on_pods, role);
  role->vmis = wry_kube_watch_new(role->kube, &vmis, &vmi_calls, role);
  role->writes = wry_writes_new(role->kube, role->vmis);
  wry_device_plugin_start(role->plugin, root);
}

static void cancel_question(gpointer call, gpointer question G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED) { wry_kube_cancel(call); }

void wry_node_role_stop(WryNodeRole *role) {
  if (!role) return;
  g_clear_handle_id(&role->again, g_source_remove);
  g_hash_table_foreach(role->asking, cancel_question, NULL);
  g_hash_table_remove_all(role->asking);
  g_clear_pointer(&role->presence, wry_presence_free);
  g_clear_pointer(&role->plugin, wry_device_plugin_free);
  g_clear_pointer(&role->writes, wry_writes_free);
  g_clear_pointer(&role->vmis, wry_kube_watch_free);
  g_clear_pointer(&role->kubevirts, wry_kube_watch_free);
  g_clear_pointer(&role->pods, wry_pods_free);
  g_clear_pointer(&role->events, wry_kube_events_free);
  role->fleet = NULL;
}

void wry_node_role_free(WryNodeRole *role) {
  if (!role) return;
  wry_node_role_stop(role);
  wry_fd_close(&role->plugin_options.dev_fd);
  wry_fd_close(&role->plugin_options.kubelet_fd);
  g_hash_table_unref(role->asking);
  g_free(role);
}
