/* What the controller knows: watched copies of the kinds that it decides by, an index from owners to what they control, and who asked for which claim.
 *
 * How it works: every change of an object puts the names into the queue whose turn depends on it: its own, its controller's, and for a claim those that had looked for it. Nothing is queued before all
 * copies are whole: a decision on half a world would delete.
 * Relies on: handler/kube/watch.h. */
#include <string.h>

#include "handler/controller/controller_parts.h"
#include "handler/controller/seen.h"
#include "wherry/log.h"

static const struct { const WryKubeResource *resource; const char *labels; WryKubeKeep keep; } kinds[WRY_SEES] = {
  [WRY_SEE_VM] = {&wry_kube_vms, NULL, WRY_KUBE_KEEP_PACKED},
  [WRY_SEE_VMI] = {&wry_kube_vmis, NULL, WRY_KUBE_KEEP_PACKED},
  [WRY_SEE_POD] = {&wry_kube_pods, "kubevirt.io=virt-launcher", WRY_KUBE_KEEP_PACKED},
  [WRY_SEE_CLAIM] = {&wry_kube_claims, NULL, WRY_KUBE_KEEP_PACKED},
  [WRY_SEE_NODE] = {&wry_kube_nodes, NULL, WRY_KUBE_KEEP_PACKED},
  [WRY_SEE_KUBEVIRT] = {&wry_kube_kubevirts, NULL, WRY_KUBE_KEEP_TEXT},
  [WRY_SEE_REVISION] = {&wry_kube_revisions, NULL, WRY_KUBE_KEEP_PACKED},
  [WRY_SEE_SET] = {&wry_kube_replica_sets, NULL, WRY_KUBE_KEEP_PACKED},
  [WRY_SEE_PRESET] = {&wry_kube_presets, NULL, WRY_KUBE_KEEP_TEXT},
};

/* --- finding ------------------------------------------------------------------------------------------------------------------------------------------------------- */
WryJson *wry_controller_find(WryController *controller, WrySee see, const char *ns, const char *name) {
  const WryKubeItem *item = controller->watches[see] ? wry_kube_watch_find(controller->watches[see], kinds[see].resource->cluster ? NULL : ns, name) : NULL;
  return item ? wry_kube_item_object(item, NULL) : NULL;
}

static void remember(GHashTable *table, const char *key, const char *member) {
  GHashTable *set = g_hash_table_lookup(table, key);
  if (!set) g_hash_table_insert(table, g_strdup(key), set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL));
  g_hash_table_add(set, g_strdup(member));
}

static void forget(GHashTable *table, const char *key, const char *member) {
  GHashTable *set = g_hash_table_lookup(table, key);
  if (!set) return;
  g_hash_table_remove(set, member);
  if (g_hash_table_size(set) == 0) g_hash_table_remove(table, key);
}

WryJson *wry_controller_owned(WryController *controller, WrySee see, WryJson *owner) {
  WryJson *list = json_object_new_array();
  const char *uid = wry_meta_str(owner, "uid");
  GHashTable *set = uid ? g_hash_table_lookup(controller->owned, uid) : NULL;
  GHashTableIter iter;
  gpointer key;
  if (!set) return list;
  g_hash_table_iter_init(&iter, set);
  while (g_hash_table_iter_next(&iter, &key, NULL)) {
    g_auto(GStrv) parts = g_strsplit(key, "/", 3);
    g_autoptr(WryJson) object = g_ascii_strtoull(parts[0], NULL, 10) == see ? wry_controller_find(controller, see, parts[1], parts[2]) : NULL;
    if (object && wry_is_controlled_by(object, owner)) json_object_array_add(list, json_object_get(object)); /* it may have been orphaned since */
  }
  return list;
}

typedef struct { WryJson *list; const char *ns; } Gather;

static gboolean gather(const WryKubeItem *item, gpointer data) {
  Gather *all = data;
  WryJson *object = !all->ns || g_strcmp0(all->ns, wry_kube_item_namespace(item)) == 0 ? wry_kube_item_object(item, NULL) : NULL;
  if (object) json_object_array_add(all->list, object);
  return TRUE;
}

/* WryFind. A claim that is asked for puts the asker into the queue again when it changes. */
static WryJson *find(gpointer data, const char *kind, const char *ns, const char *name) {
  WryController *controller = data;
  guint see = 0;
  while (see < WRY_SEES && strcmp(kinds[see].resource->kind, kind) != 0) see++;
  if (see == WRY_SEES) return NULL;
  if (see == WRY_SEE_CLAIM && name && ns && controller->looking) {
    g_autofree char *key = g_strdup_printf("%s/%s", ns, name);
    remember(controller->claims, key, controller->looking);
  }
  if (name) return wry_controller_find(controller, see, ns, name);
  Gather all = {json_object_new_array(), ns};
  wry_kube_watch_each(controller->watches[see], gather, &all);
  return all.list;
}

WryWorld wry_controller_world(WryController *controller) {
  return (WryWorld){.config = controller->config, .install_namespace = controller->install_namespace, .image = controller->launcher_image, .find = find, .find_data = controller,
                    .now = g_get_real_time() / G_USEC_PER_SEC, .jitter = g_random_double()};
}

/* --- the configuration --------------------------------------------------------------------------------------------------------------------------------------------- */
/* TRUE when it is another one than before. */
static gboolean configure(WryController *controller, WryJson *kubevirt) {
  g_autoptr(GError) error = NULL;
  WryJson *configuration = kubevirt ? wry_json_path(kubevirt, "spec.configuration") : NULL;
  const char *given = kubevirt ? wry_json_str(wry_json_get(kubevirt, "status"), "defaultArchitecture") : NULL, *architecture = given ? given : wry_controller_architecture();
  g_autofree char *text = g_strdup_printf("%s %s", architecture, configuration ? json_object_to_json_string(configuration) : "");
  if (controller->config && g_strcmp0(text, controller->configured) == 0) return FALSE;
  WryConfig *config = wry_config_new(configuration, architecture, &error);
  if (!config) {
    wry_log(WRY_LOG_WARNING, "the configuration of the KubeVirt object is not used", "why", error->message, NULL);
    return FALSE;
  }
  wry_config_free(controller->config);
  controller->config = config;
  g_free(controller->configured);
  controller->configured = g_steal_pointer(&text);
  return TRUE;
}

/* --- changes --------------------------------------------------------------------------------------------------------------------------------------------------------- */
static void queue(WryController *controller, const char *kind, const char *ns, const char *name) {
  g_autofree char *text = g_strdup_printf("%s/%s/%s", kind, ns ? ns : "", name);
  if (controller->ready) wry_queue_add(controller->queue, text);
}

static void index_owner(WryController *controller, WrySee see, WryKubeChange change, WryJson *object) {
  WryJson *owner = wry_controller_of(object);
  const char *uid = owner ? wry_json_str(owner, "uid") : NULL;
  g_autofree char *member = g_strdup_printf("%d/%s/%s", see, wry_meta_str(object, "namespace"), wry_meta_str(object, "name"));
  if (!uid) return;
  if (change == WRY_KUBE_DELETED)
    forget(controller->owned, uid, member);
  else
    remember(controller->owned, uid, member);
}

static void queue_owner(WryController *controller, WryJson *object) {
  static const struct { const char *kind, *queue; } owners[] = {{"VirtualMachine", "vm"}, {"VirtualMachineInstance", "vmi"}, {"VirtualMachineInstanceReplicaSet", "set"}};
  WryJson *owner = wry_controller_of(object);
  for (gsize i = 0; owner && i < G_N_ELEMENTS(owners); i++)
    if (g_strcmp0(wry_json_str(owner, "kind"), owners[i].kind) == 0) queue(controller, owners[i].queue, wry_meta_str(object, "namespace"), wry_json_str(owner, "name"));
}

static void queue_askers(WryController *controller, const char *ns, const char *claim) {
  g_autofree char *key = g_strdup_printf("%s/%s", ns, claim);
  GHashTable *set = g_hash_table_lookup(controller->claims, key);
  GHashTableIter iter;
  gpointer name;
  if (!set || !controller->ready) return;
  g_hash_table_iter_init(&iter, set);
  while (g_hash_table_iter_next(&iter, &name, NULL)) wry_queue_add(controller->queue, name);
  g_hash_table_remove(controller->claims, key); /* who still depends on it asks again */
}

static void changed(WryKubeChange change, const WryKubeItem *item, gpointer data) {
  const WrySeeing *seeing = data;
  WryController *controller = seeing->controller;
  const char *ns = wry_kube_item_namespace(item), *name = wry_kube_item_name(item);
  gboolean parsed = seeing->see == WRY_SEE_VMI || seeing->see == WRY_SEE_POD || seeing->see == WRY_SEE_KUBEVIRT;
  g_autoptr(WryJson) object = parsed ? wry_kube_item_object(item, NULL) : NULL;
  if (object && seeing->see != WRY_SEE_KUBEVIRT) {
    index_owner(controller, seeing->see, change, object);
    queue_owner(controller, object);
  }
  switch (seeing->see) {
    case WRY_SEE_VM: queue(controller, "vm", ns, name); break;
    case WRY_SEE_VMI:
      queue(controller, "vmi", ns, name);
      queue(controller, "vm", ns, name); /* also one that could adopt it */
      break;
    case WRY_SEE_CLAIM: queue_askers(controller, ns, name); break;
    case WRY_SEE_NODE: queue(controller, "node", NULL, name); break;
    case WRY_SEE_SET: queue(controller, "set", ns, name); break;
    case WRY_SEE_KUBEVIRT:
      queue(controller, "kubevirt", NULL, "");
      if (configure(controller, change == WRY_KUBE_DELETED ? NULL : object) && controller->ready) wry_controller_look_at_all(controller);
      break;
    case WRY_SEE_POD: case WRY_SEE_REVISION: case WRY_SEE_PRESET: case WRY_SEES: break;
  }
}

static gboolean look_at(const WryKubeItem *item, gpointer data) {
  const WrySeeing *seeing = data;
  static const char *const names[WRY_SEES] = {[WRY_SEE_VM] = "vm", [WRY_SEE_VMI] = "vmi", [WRY_SEE_SET] = "set", [WRY_SEE_NODE] = "node"};
  if (names[seeing->see]) queue(seeing->controller, names[seeing->see], wry_kube_item_namespace(item), wry_kube_item_name(item));
  return TRUE;
}

void wry_controller_look_at_all(WryController *controller) {
  queue(controller, "kubevirt", NULL, "");
  for (guint see = 0; see < WRY_SEES; see++) wry_kube_watch_each(controller->watches[see], look_at, &controller->seeing[see]);
}

static void synced(gpointer data) {
  WryController *controller = ((const WrySeeing *)data)->controller;
  for (guint see = 0; see < WRY_SEES; see++)
    if (!controller->watches[see] || !wry_kube_watch_synced(controller->watches[see])) return;
  if (controller->ready) return;
  controller->ready = TRUE;
  wry_log(WRY_LOG_INFO, "the controller leads", "identity", controller->identity, NULL);
  wry_controller_look_at_all(controller);
}

static void lost(const WryKubeFailure *failure, gpointer data) {
  const WrySeeing *seeing = data;
  wry_log(WRY_LOG_WARNING, "watch", "kind", kinds[seeing->see].resource->kind, "why", failure->error->message, NULL);
}

void wry_controller_watch(WryController *controller) {
  static const WryKubeWatchCalls calls = {changed, synced, lost};
  configure(controller, NULL);
  for (guint see = 0; see < WRY_SEES; see++) {
    const WryKubeWatchOptions options = {.resource = kinds[see].resource, .label_selector = kinds[see].labels, .keep = kinds[see].keep};
    controller->seeing[see] = (WrySeeing){controller, see};
    controller->watches[see] = wry_kube_watch_new(controller->kube, &options, &calls, &controller->seeing[see]);
  }
}

void wry_controller_unwatch(WryController *controller) {
  controller->ready = FALSE;
  for (guint see = 0; see < WRY_SEES; see++) g_clear_pointer(&controller->watches[see], wry_kube_watch_free);
  g_hash_table_remove_all(controller->owned);
  g_hash_table_remove_all(controller->claims);
}
