/* The fleet in a cluster: VMIs come from an API server, the kubelet makes their pods, and the launcher in a pod comes to us.
 *
 * How it works: who a launcher is follows from its pod's UID, read from its cgroup: the pod that the VMI's record names, or else the pod that the watched pods say is the VMI's. A VMI takes one pod
 * and never another. Until VMI and pod are both known the launcher waits, unread. A start is then `launcher setup` in that pod by the root half; everything after it is as on one box. What
 * is to be ended ends by itself once the launcher was told, and with its pod, which the controller deletes.
 * Relies on: options->pods for what is known of pods; records of an earlier handler when no API server answers. */
#include "handler/guest.h"
#include "wherry/fd.h"
#include "wherry/log.h"

/* --- who a launcher is --------------------------------------------------------------------------------------------------------------------------------- */
static WryGuest *find_by_pod(WryFleet *fleet, const char *pod) {
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, fleet->guests);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const WryInstance *vmi = wry_guest_vmi(value);
    if (vmi && g_strcmp0(vmi->podUid, pod) == 0) return value;
  }
  return NULL;
}

static gpointer refuse(const char *pod, const char *why) {
  wry_log(WRY_LOG_WARNING, "a process of a pod is not taken for a launcher", "pod", pod, "why", why, NULL);
  return NULL;
}

gpointer wry_pod_identify(WryFleet *fleet, const char *pod, uid_t uid) {
  const WryFleetPods *pods = fleet->options->pods;
  const char *owner = NULL;
  WryGuest *guest = find_by_pod(fleet, pod);
  WryPodState state = guest ? WRY_POD_OWNED : pods->look(pod, &owner, pods->data);
  if (state == WRY_POD_REFUSED) return refuse(pod, "it is no launcher's pod");
  if (uid == 0) return refuse(pod, "it runs as root");
  if (!guest && state == WRY_POD_OWNED) guest = g_hash_table_lookup(fleet->guests, owner);
  WryInstance *vmi = guest ? wry_guest_vmi(guest) : NULL;
  if (!vmi) return state == WRY_POD_ENDED ? NULL : (gpointer)(guintptr)wry_launcher_awaited;
  if (vmi->podUid && strcmp(vmi->podUid, pod) != 0) return refuse(pod, "its VMI has another pod");
  if (vmi->uidNumber.set && vmi->uidNumber.v != (gint64)uid) return refuse(pod, "it has another uid than before");
  if (!vmi->podUid) {
    vmi->podUid = g_strdup(pod);
    wry_fleet_save(guest, NULL);
  }
  return wry_guest_ref(guest);
}

/* --- a start -------------------------------------------------------------------------------------------------------------------------------------------- */
typedef struct { WryGuest *guest; WryEvent event; } Later;

static gboolean on_later(gpointer data) {
  Later *later = data;
  wry_guest_feed(later->guest, later->event);
  wry_guest_unref(later->guest);
  g_free(later);
  return G_SOURCE_REMOVE;
}

static void feed_later(WryGuest *guest, WryEvent event) {
  Later *later = g_new(Later, 1);
  *later = (Later){wry_guest_ref(guest), event};
  g_idle_add(on_later, later);
}

void wry_pod_make(WryGuest *guest) {
  WryRootRequest *request = guest->request;
  if (!guest->launcher) {
    feed_later(guest, WRY_EVENT_FAILED);
    return;
  }
  request->op = WRY_ROOT_POD_SETUP;
  request->setup.uid = request->setup.gid = wry_launcher_uid(guest->launcher);
  g_strlcpy(request->vm, wry_guest_vmi(guest)->podUid, sizeof request->vm);
  wry_root_call_with(guest->fleet->root, request, wry_launcher_pidfd(guest->launcher), wry_guest_made, wry_guest_ref(guest));
}

/* A VMI's pod has been seen once: if it is not there now, it is no more. */
static gboolean is_gone(WryPodState state) { return state == WRY_POD_ENDED || state == WRY_POD_ABSENT; }

/* --- after a new start of the handler ------------------------------------------------------------------------------------------------------------------ */
static gboolean on_alive(gpointer data) {
  WryGuest *guest = data;
  if (guest->fleet && guest->launcher && guest->life == WRY_LIFE_ADOPTING) wry_guest_lives(guest, 0, wry_launcher_open_init(guest->launcher));
  wry_guest_unref(guest);
  return G_SOURCE_REMOVE;
}

/* One that did not run yet is set up anew: what is there already is found. One that ran waits for its launcher, or for the word that its pod has ended. */
void wry_pod_query(WryGuest *guest) {
  const WryFleetPods *pods = guest->fleet->options->pods;
  const WryInstance *vmi = wry_guest_vmi(guest);
  const char *owner;
  if (wry_instance_phase(vmi) < WRY_PHASE_RUNNING)
    feed_later(guest, WRY_EVENT_UNMADE);
  else if (guest->launcher)
    g_idle_add(on_alive, wry_guest_ref(guest));
  else if (!vmi->podUid || is_gone(pods->look(vmi->podUid, &owner, pods->data)))
    feed_later(guest, WRY_EVENT_DEAD);
}

void wry_pod_end(WryGuest *guest) { feed_later(guest, WRY_EVENT_ENDED); }

/* A pod that has ended took its launcher with it, whether or not its last words came through. */
static void look_at_pod(WryGuest *guest) {
  const WryFleetPods *pods = guest->fleet->options->pods;
  const WryInstance *vmi = wry_guest_vmi(guest);
  const char *owner;
  if (!vmi || !vmi->podUid || guest->launcher || !is_gone(pods->look(vmi->podUid, &owner, pods->data))) return;
  if (guest->life == WRY_LIFE_ADOPTING)
    wry_pod_query(guest);
  else if (guest->pidfd < 0 && !guest->gone)
    feed_later(guest, WRY_EVENT_GONE);
}

void wry_fleet_pods_changed(WryFleet *fleet) {
  GHashTableIter iter;
  gpointer value;
  wry_launchers_again(fleet->launchers);
  g_hash_table_iter_init(&iter, fleet->guests);
  while (g_hash_table_iter_next(&iter, NULL, &value)) look_at_pod(value);
}

/* --- VMIs of the API server ---------------------------------------------------------------------------------------------------------------------------- */
/* What only the server writes, and nothing here reads. */
static WryJson *without_server_fields(WryJson *object) {
  static const char *const fields[] = {"managedFields", "ownerReferences", "finalizers", "resourceVersion", "generateName", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"};
  WryJson *copy = NULL;
  json_object_deep_copy(object, &copy, NULL);
  WryJson *meta = copy ? wry_json_get(copy, "metadata") : NULL;
  json_object_object_del(copy, "status");
  for (gsize i = 0; meta && i < G_N_ELEMENTS(fields); i++) json_object_object_del(meta, fields[i]);
  return copy;
}

static WryVmi *decode(const WryFleet *fleet, WryJson *object, GError **error) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_autoptr(WryJson) plain = without_server_fields(object);
  WryVmi *vmi = wry_decode(&wry_vmi_type, plain, "", causes);
  if (vmi) wry_refuse_unsupported(&wry_vmi_type, vmi, WRY_F_UNSUPPORTED, "", causes);
  if (vmi && wry_causes_count(causes) == 0 && wry_vmi_default(vmi, wry_source_config(fleet->source), NULL, NULL, error)) return vmi;
  if (wry_causes_count(causes) > 0) {
    g_autofree char *problems = wry_causes_text(causes);
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "%s", problems);
  }
  if (vmi) wry_struct_free(&wry_vmi_type, vmi);
  return NULL;
}

/* What a file system leaves of the claim (contract 3.5: filesystemOverhead, a share). */
static gint64 image_bytes(WryJson *claim) {
  WryJson *capacity = wry_json_get(claim, "capacity");
  const char *text = capacity ? wry_json_str(capacity, "storage") : NULL, *overhead = wry_json_str(claim, "filesystemOverhead");
  gint64 bytes = 0;
  double share = overhead ? g_ascii_strtod(overhead, NULL) : 0;
  if (!text || !wry_quantity_value(text, &bytes) || bytes <= 0 || !(share >= 0 && share < 1)) return 0;
  return (gint64)((double)bytes * (1 - share));
}

static void take_claims(WryGuestState *state, WryJson *status) {
  WryJson *volumes = status ? wry_json_get(status, "volumeStatus") : NULL;
  for (size_t i = 0; volumes && json_object_is_type(volumes, json_type_array) && i < json_object_array_length(volumes); i++) {
    WryJson *entry = json_object_array_get_idx(volumes, i), *claim = wry_json_get(entry, "persistentVolumeClaimInfo");
    gint64 bytes = claim ? image_bytes(claim) : 0;
    if (bytes <= 0 || !wry_json_str(entry, "name")) continue;
    if (!state->claims) state->claims = json_object_new_object();
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, bytes);
    json_object_object_add(state->claims, wry_json_str(entry, "name"), json_object_new_string(text));
  }
}

static void take_deletion(WryGuest *guest, WryJson *meta) {
  WryInstance *vmi = wry_guest_vmi(guest);
  gint64 grace = wry_json_int(meta, "deletionGracePeriodSeconds", -1);
  if (!vmi || !wry_json_str(meta, "deletionTimestamp")) return;
  /* Objects of a CRD are deleted with a grace of 0, which says nothing about the guest. */
  if (!vmi->deletionTimestamp) wry_guest_stop(guest, grace > 0 ? grace : -1);
}

gboolean wry_fleet_put_vmi(WryFleet *fleet, WryJson *object, GError **error) {
  WryJson *meta = wry_json_get(object, "metadata");
  WryVmi *vmi = decode(fleet, object, error);
  WryChange change;
  WryObject *known = vmi ? wry_objects_put_known(fleet->objects, WRY_OBJECT_VMI, vmi, &change, error) : NULL;
  if (!known) return FALSE;
  WryGuest *guest = g_hash_table_lookup(fleet->guests, wry_object_meta(known)->uid);
  known->removed = FALSE;
  take_claims(known->state, wry_json_get(object, "status"));
  if (!guest) guest = wry_fleet_add(fleet, known);
  if (change != WRY_CHANGE_NONE) wry_fleet_save(guest, NULL);
  take_deletion(guest, meta);
  wry_fleet_kick(guest);
  return TRUE;
}

void wry_fleet_drop_vmi(WryFleet *fleet, const char *uid) {
  WryGuest *guest = g_hash_table_lookup(fleet->guests, uid);
  if (!guest || guest->object->removed) return;
  guest->object->removed = TRUE;
  wry_fleet_kick(guest);
}

gboolean wry_fleet_configure(WryFleet *fleet, WryJson *configuration, GError **error) {
  if (!wry_source_configure(fleet->source, configuration, error)) return FALSE;
  wry_fleet_settle(fleet);
  return TRUE;
}
