/* The fleet's beginning and end: records, adoption, orphans, the node's probe; what the manifests' source tells; and the stop of all.
 *
 * How it works: records first; each VMI in them is adopted by a question to the root half; the list of sandboxes shows those without an object, which are ended after a
 * grace, and until then nothing that was not known before is started; then the probe, and the manifests.
 * Relies on: the root half answering in the order of the questions. */
#include "handler/guest.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/log.h"

#define ORPHAN_SECONDS 10u

/* --- a guest's memory ---------------------------------------------------------------------------------------------------------------------------------- */
WryGuest *wry_guest_ref(WryGuest *guest) {
  g_ref_count_inc(&guest->refs);
  return guest;
}

void wry_guest_unref(WryGuest *guest) {
  if (g_ref_count_dec(&guest->refs)) g_free(guest);
}

static void stop_source(guint *source) {
  if (*source) g_source_remove(*source);
  *source = 0;
}

/* Leaves the table: what is still under way finds no fleet. */
static void leave(gpointer data) {
  WryGuest *guest = data;
  wry_guest_clear_timers(guest);
  wry_guest_watch_init(guest, -1);
  stop_source(&guest->kicked);
  stop_source(&guest->wake);
  stop_source(&guest->gone);
  stop_source(&guest->absent);
  g_clear_pointer(&guest->readiness, wry_probe_free);
  g_clear_pointer(&guest->liveness, wry_probe_free);
  g_clear_pointer(&guest->request, g_free);
  if (guest->bundle) wry_struct_free(&wry_bundle_type, guest->bundle);
  g_free(guest->end_message);
  guest->bundle = NULL;
  guest->end_message = NULL;
  guest->fleet = NULL;
  if (guest->launcher) wry_launcher_close(guest->launcher);
  guest->launcher = NULL;
  wry_fd_close(&guest->sockets);
  wry_guest_unref(guest);
}

WryGuest *wry_fleet_add(WryFleet *fleet, WryObject *object) {
  WryGuest *guest = g_new0(WryGuest, 1);
  g_ref_count_init(&guest->refs);
  guest->fleet = fleet;
  guest->object = object;
  guest->pidfd = guest->sockets = -1;
  guest->vmi_version = object->version;
  g_hash_table_insert(fleet->guests, g_strdup(wry_object_meta(object)->uid), guest);
  return guest;
}

static void kick_all(WryFleet *fleet) {
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, fleet->guests);
  while (g_hash_table_iter_next(&iter, NULL, &value)) wry_fleet_kick(value);
}

void wry_fleet_images_changed(WryFleet *fleet) { kick_all(fleet); }

/* --- what the manifests say ---------------------------------------------------------------------------------------------------------------------------- */
static void on_changed(WryObject *object, WryChange change G_GNUC_UNUSED, gpointer data) {
  WryFleet *fleet = data;
  if (!wry_object_is_guest(object)) {
    wry_fleet_show_object(fleet, object, FALSE);
    return;
  }
  WryGuest *guest = g_hash_table_lookup(fleet->guests, wry_object_meta(object)->uid);
  wry_fleet_kick(guest ? guest : wry_fleet_add(fleet, object));
}

static gboolean claim_in_use(WryFleet *fleet, const WryMeta *claim) {
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, fleet->guests);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const WryInstance *vmi = wry_guest_vmi(value);
    if (!vmi || strcmp(wry_object_meta(((WryGuest *)value)->object)->namespace_, claim->namespace_) != 0) continue;
    g_autoptr(GPtrArray) claims = wry_volumes_claims(vmi->object->spec);
    if (g_ptr_array_find_with_equal_func(claims, claim->name, g_str_equal, NULL)) return TRUE;
  }
  return FALSE;
}

static void drop_object(WryFleet *fleet, WryObject *object) {
  g_autoptr(GError) error = NULL;
  wry_fleet_show_object(fleet, object, TRUE);
  if (!wry_objects_drop(fleet->objects, object, &error)) wry_log(WRY_LOG_ERROR, "state record not removed", "error", error->message, NULL);
}

typedef struct { WryFleet *fleet; char *uid; } Removal;

static void on_claim_removed(const WryRootReply *reply G_GNUC_UNUSED, int pidfd, const GError *error, gpointer data) {
  Removal *removal = data;
  wry_fd_close(&pidfd);
  WryObject *object = wry_objects_find_uid(removal->fleet->objects, removal->uid);
  if (error && !removal->fleet->closing) wry_log(WRY_LOG_ERROR, "data of a claim not removed", "error", error->message, NULL);
  if (object) object->removing = FALSE;
  if (!error && object && object->removed) drop_object(removal->fleet, object);
  g_free(removal->uid);
  g_free(removal);
}

/* A claim's data goes with its object, once no VMI uses it. */
static void remove_claims(WryFleet *fleet) {
  g_autoptr(GPtrArray) claims = wry_objects_list(fleet->objects, WRY_OBJECT_PVC);
  for (guint i = 0; i < claims->len; i++) {
    WryObject *object = claims->pdata[i];
    const WryMeta *meta = wry_object_meta(object);
    if (!object->removed || object->removing || claim_in_use(fleet, meta)) continue;
    WryRootRequest request = {.op = WRY_ROOT_PVC_REMOVE};
    object->removing = TRUE;
    g_strlcpy(request.namespace_, meta->namespace_, sizeof request.namespace_);
    g_strlcpy(request.name, meta->name, sizeof request.name);
    Removal *removal = g_new(Removal, 1);
    *removal = (Removal){fleet, g_strdup(meta->uid)};
    wry_root_call(fleet->root, &request, on_claim_removed, removal);
  }
}

void wry_fleet_settle(WryFleet *fleet) {
  remove_claims(fleet);
  kick_all(fleet);
}

static void on_gone(WryObject *object, gpointer data) {
  WryFleet *fleet = data;
  if (wry_object_is_guest(object)) {
    WryGuest *guest = g_hash_table_lookup(fleet->guests, wry_object_meta(object)->uid);
    wry_fleet_kick(guest);
  } else if (object->kind != WRY_OBJECT_PVC) {
    drop_object(fleet, object);
  }
}

static void on_problem(const WryManifestProblem *problem, WryObject *object, gpointer data) {
  WryFleet *fleet = data;
  const WryMeta *meta = object ? wry_object_meta(object) : NULL;
  g_autofree char *line = problem->line.set ? g_strdup_printf("%" G_GINT64_FORMAT, problem->line.v) : g_strdup("");
  g_autofree char *where = problem->field ? g_strdup_printf("%s: ", problem->field) : g_strdup("");
  g_autofree char *text = g_strdup_printf("%s%s%s: %s%s", problem->file, *line ? ":" : "", line, where, problem->message);
  WryEventTarget target = {object ? wry_object_kind_name(object->kind) : "Manifest", meta ? meta->namespace_ : "default", meta ? meta->name : problem->file, meta ? meta->uid : NULL};
  wry_log(WRY_LOG_WARNING, "manifest refused", "file", problem->file, "line", line, "field", problem->field ? problem->field : "", "reason", problem->reason, "error", problem->message, NULL);
  wry_events_add(fleet->events, &target, "virt-handler", TRUE, "InvalidManifest", text, wry_now_seconds());
}

static void on_settled(gpointer data) { wry_fleet_settle(data); }

static void on_failed(const char *what, const GError *error, gpointer data G_GNUC_UNUSED) { wry_log(WRY_LOG_ERROR, what, "error", error->message, NULL); }

static const WrySourceCalls source_calls = {on_changed, on_gone, on_problem, on_settled, on_failed};

/* --- orphans ------------------------------------------------------------------------------------------------------------------------------------------- */
static void list_next(WryFleet *fleet, guint index);

static gboolean is_known(WryFleet *fleet, const char *vmi) {
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, fleet->guests);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const WryInstance *instance = wry_guest_vmi(value);
    if (instance && strcmp(instance->uid, vmi) == 0) return TRUE;
  }
  return FALSE;
}

static void on_orphan_ended(const WryRootReply *reply G_GNUC_UNUSED, int pidfd, const GError *error, gpointer data) {
  WryFleet *fleet = data;
  wry_fd_close(&pidfd);
  if (error) wry_log(WRY_LOG_ERROR, "sandbox without a VM not removed", "error", error->message, NULL);
  if (--fleet->orphans == 0) kick_all(fleet);
}

static gboolean on_orphan_grace(gpointer data) {
  WryFleet *fleet = data;
  fleet->orphan_timer = 0;
  for (guint i = 0; i < fleet->orphan_names->len; i++) {
    WryRootRequest request = {.op = WRY_ROOT_SANDBOX_END};
    g_strlcpy(request.vmi, fleet->orphan_names->pdata[i], sizeof request.vmi);
    wry_log(WRY_LOG_WARNING, "ends a sandbox without a VM", "sandbox", request.vmi, NULL);
    wry_root_call(fleet->root, &request, on_orphan_ended, fleet);
  }
  g_ptr_array_set_size(fleet->orphan_names, 0);
  return G_SOURCE_REMOVE;
}

static void on_listed(const WryRootReply *reply, int pidfd, const GError *error, gpointer data) {
  WryFleet *fleet = data;
  wry_fd_close(&pidfd);
  if (error) {
    if (!fleet->closing) wry_log(WRY_LOG_ERROR, "list of sandboxes", "error", error->message, NULL);
    return;
  }
  if (!reply->alive) {
    fleet->listed = TRUE;
    kick_all(fleet);
    if (fleet->orphans) fleet->orphan_timer = g_timeout_add_seconds(ORPHAN_SECONDS, on_orphan_grace, fleet);
    return;
  }
  if (!is_known(fleet, reply->vmi)) {
    fleet->orphans++;
    g_ptr_array_add(fleet->orphan_names, g_strdup(reply->vmi));
  }
  list_next(fleet, ++fleet->list_index);
}

static void list_next(WryFleet *fleet, guint index) {
  WryRootRequest request = {.op = WRY_ROOT_SANDBOX_LIST, .index = index};
  wry_root_call(fleet->root, &request, on_listed, fleet);
}

#define PROBE_AGAIN_SECONDS 10

/* --- the node ------------------------------------------------------------------------------------------------------------------------------------------ */
static void probe_node(WryFleet *fleet);

/* A probe that could not be made, on a full disk for one, says nothing about the node. */
static gboolean on_probe_again(gpointer data) {
  WryFleet *fleet = data;
  fleet->probe_timer = 0;
  probe_node(fleet);
  return G_SOURCE_REMOVE;
}

static void on_probed(const WryRootReply *reply, int pidfd, const GError *error, gpointer data) {
  WryFleet *fleet = data;
  WryFleetFacts *facts = &fleet->facts;
  wry_fd_close(&pidfd);
  facts->done = TRUE;
  if (reply) {
    facts->kvm_present = reply->kvm_present;
    facts->kvm_usable = reply->kvm_usable && !error;
    facts->cgroup_version = reply->cgroup_version;
    facts->landlock_abi = reply->landlock_abi;
  }
  g_free(facts->message);
  facts->message = error ? g_strdup_printf("the node's probe failed (%s)", error->message) : NULL;
  if (fleet->closing) return;
  if (error) {
    wry_log(WRY_LOG_ERROR, "probe of the node", "error", error->message, NULL);
    fleet->probe_timer = g_timeout_add_seconds(PROBE_AGAIN_SECONDS, on_probe_again, fleet);
  }
  wry_log(WRY_LOG_INFO, "node", "kvm", facts->kvm_usable ? "usable" : facts->kvm_present ? "present, runs no guests" : "absent", NULL);
  if (fleet->options->pods) fleet->options->pods->probed(fleet->options->pods->data);
  kick_all(fleet);
}

static void probe_node(WryFleet *fleet) {
  WryRootRequest request = {.op = WRY_ROOT_PROBE, .index = fleet->options->kvm_mode};
  wry_root_call(fleet->root, &request, on_probed, fleet);
}

/* --- beginning and end --------------------------------------------------------------------------------------------------------------------------------- */
static void on_broken(const char *name, const GError *error, gpointer data G_GNUC_UNUSED) {
  wry_log(WRY_LOG_ERROR, "state record is not readable; its object is taken as new", "record", name, "error", error->message, NULL);
}

static void on_event_added(WryJson *object, gboolean repeated, gpointer data) {
  WryFleet *fleet = data;
  if (fleet->shown) fleet->shown(WRY_OBJECT_KINDS, repeated ? "MODIFIED" : "ADDED", object, fleet->shown_data);
}

static void adopt_all(WryFleet *fleet) {
  g_autoptr(GPtrArray) objects = wry_objects_list(fleet->objects, WRY_OBJECT_KINDS);
  for (guint i = 0; i < objects->len; i++)
    if (wry_object_is_guest(objects->pdata[i])) wry_guest_adopt(wry_fleet_add(fleet, objects->pdata[i]));
}

static WryFleet *make(const WryFleetOptions *options, WryRoot *root, WryFleetShown shown, gpointer data) {
  WryFleet *fleet = g_new0(WryFleet, 1);
  *fleet = (WryFleet){.options = options, .root = root, .shown = shown, .shown_data = data};
  fleet->objects = wry_objects_new(options->objects_fd);
  fleet->guests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, leave);
  fleet->events = wry_events_new(options->node, on_event_added, fleet);
  fleet->orphan_names = g_ptr_array_new_with_free_func(g_free);
  fleet->source = wry_source_new(options->manifests_fd, fleet->objects, options->arch, &source_calls, fleet);
  return fleet;
}

WryFleet *wry_fleet_new(const WryFleetOptions *options, WryRoot *root, WryFleetShown shown, gpointer data, GError **error) {
  WryFleet *fleet = make(options, root, shown, data);
  g_autofree char *cgroup = g_strdup_printf("wherry/%08x", options->root_id);
  gboolean ready = wry_objects_load(fleet->objects, on_broken, NULL, error);
  if (ready) fleet->launchers = wry_launchers_new(options->node_fd, options->proc_fd, options->pods ? NULL : cgroup, options->pulse, &wry_guest_launcher_calls, fleet, error);
  if (!ready || !fleet->launchers || !wry_source_watch(fleet->source, error)) {
    wry_fleet_free(fleet);
    return NULL;
  }
  adopt_all(fleet);
  fleet->listed = options->pods != NULL; /* the kubelet knows its pods */
  if (!fleet->listed) list_next(fleet, 0);
  probe_node(fleet);
  if (!options->pods) wry_source_scan(fleet->source);
  return fleet;
}

void wry_fleet_free(WryFleet *fleet) {
  if (!fleet) return;
  fleet->closing = TRUE;
  stop_source(&fleet->orphan_timer);
  stop_source(&fleet->probe_timer);
  stop_source(&fleet->save_timer);
  g_hash_table_remove_all(fleet->guests);
  wry_root_abandon(fleet->root);
  wry_launchers_free(fleet->launchers);
  g_hash_table_unref(fleet->guests);
  wry_source_free(fleet->source);
  wry_events_free(fleet->events);
  wry_objects_free(fleet->objects);
  g_ptr_array_unref(fleet->orphan_names);
  g_free(fleet->facts.message);
  g_free(fleet);
}

/* --- stop of all --------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean runs(const WryGuest *guest) { return guest->life != WRY_LIFE_NONE && guest->life != WRY_LIFE_NEW && guest->life != WRY_LIFE_OVER; }

void wry_fleet_check_closed(WryFleet *fleet) {
  GHashTableIter iter;
  gpointer value;
  if (!fleet || !fleet->closing || !fleet->closed || fleet->orphans) return;
  g_hash_table_iter_init(&iter, fleet->guests);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    if (runs(value)) return;
  void (*closed)(gpointer) = fleet->closed;
  fleet->closed = NULL;
  closed(fleet->closed_data);
}

void wry_fleet_stop_all(WryFleet *fleet, gint64 grace_seconds, void (*done)(gpointer data), gpointer data) {
  GHashTableIter iter;
  gpointer value;
  fleet->closing = TRUE;
  fleet->closed = done;
  fleet->closed_data = data;
  if (fleet->orphan_timer) {
    stop_source(&fleet->orphan_timer);
    on_orphan_grace(fleet);
  }
  g_hash_table_iter_init(&iter, fleet->guests);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    wry_guest_stop_for_now(value, grace_seconds);
    wry_fleet_kick(value);
  }
  wry_fleet_check_closed(fleet);
}
