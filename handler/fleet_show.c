/* Objects as clients see them, and telling watchers of what changed.
 *
 * How it works: what is shown is built anew and compared by digest with what was shown before; only a difference gets a new resourceVersion and reaches watchers. So nothing else has to
 * know what is visible and what is not.
 * Relies on: status.h. */
#include "handler/guest.h"
#include "handler/status.h"
#include "wherry/limits.h"

WryStrategy wry_guest_strategy(const WryGuest *guest) {
  if (!wry_guest_is_vm(guest)) return WRY_STRATEGY_SINGLE;
  const WryVmSpec *spec = ((const WryVm *)guest->object->typed)->spec;
  if (guest->object->state->strategy) return wry_strategy_parse(guest->object->state->strategy);
  if (spec->running.set) return spec->running.v ? WRY_STRATEGY_ALWAYS : WRY_STRATEGY_HALTED;
  return wry_strategy_parse(spec->runStrategy);
}

WrySeen wry_guest_seen(const WryGuest *guest) {
  const WryGuestState *state = guest->object->state;
  const WryInstance *vmi = state->vmi;
  const WryStrategy acted = wry_guest_is_vm(guest) ? wry_strategy_parse(state->acted) : state->acted ? WRY_STRATEGY_SINGLE : WRY_STRATEGY_NONE;
  return (WrySeen){
    .strategy = wry_guest_strategy(guest),
    .acted = acted,
    .removed = guest->object->removed,
    .start = wry_opt_bool(state->startRequested, FALSE),
    .stop = state->stopRequested && vmi && strcmp(state->stopRequested, vmi->uid) == 0,
    .vmi = vmi != NULL,
    .deleting = vmi && vmi->deletionTimestamp,
    .phase = wry_instance_phase(vmi),
    .retry_seconds = state->retryAt.set ? CLAMP(state->retryAt.v - wry_now_seconds(), 0, (gint64)WRY_BACKOFF_MAX_SECONDS) : 0,
  };
}

static void put_version(WryJson *object, guint64 version) {
  g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, version);
  WryJson *meta = wry_json_get(object, "metadata");
  if (meta) json_object_object_add(meta, "resourceVersion", json_object_new_string(text));
}

static gboolean start_expected(const WryGuest *guest) {
  WrySeen seen = wry_guest_seen(guest);
  WryDecision decision = wry_decide(&seen);
  return decision.act == WRY_DO_CREATE || decision.act == WRY_DO_WAIT;
}

/* The spec as text, without what a single start may set. */
static char *spec_text(const WryVmi *vmi) {
  g_autoptr(WryJson) spec = wry_encode(&wry_vmi_spec_type, vmi->spec);
  json_object_object_del(spec, "startStrategy");
  return g_strdup(json_object_to_json_string_ext(spec, JSON_C_TO_STRING_PLAIN));
}

/* No field of a running VMI is changed by this version, so each difference waits for a restart. */
static gboolean differs(const WryGuest *guest, const WryInstance *vmi) {
  WryVmi *wanted = wry_guest_make_vmi(guest, NULL);
  if (!wanted) return FALSE;
  g_autofree char *now = spec_text(vmi->object), *then = spec_text(wanted);
  wry_struct_free(&wry_vmi_type, wanted);
  return strcmp(now, then) != 0;
}

static gboolean restart_required(const WryGuest *guest) {
  const WryInstance *vmi = wry_guest_vmi(guest);
  gboolean older = vmi && vmi->generation.set && vmi->generation.v != wry_object_meta(guest->object)->generation.v;
  WryPhase phase = wry_instance_phase(vmi);
  return older && phase >= WRY_PHASE_SCHEDULING && !wry_phase_final(phase) && differs(guest, vmi);
}

WryJson *wry_guest_vm_json(const WryGuest *guest) {
  WryVmView view = {.vm = guest->object->typed, .state = guest->object->state, .strategy = wry_guest_strategy(guest), .removed = guest->object->removed, .start_expected = start_expected(guest),
                    .problem = guest->object->problem, .restart_required = restart_required(guest)};
  WryJson *object = wry_status_vm(&view);
  put_version(object, guest->object->version);
  return object;
}

static WryJson *single_without_instance(const WryGuest *guest) {
  WryJson *object = wry_encode(&wry_vmi_type, guest->object->typed);
  json_object_object_add(object, "apiVersion", json_object_new_string("kubevirt.io/v1"));
  json_object_object_add(object, "kind", json_object_new_string("VirtualMachineInstance"));
  return object;
}

WryJson *wry_guest_vmi_json(const WryGuest *guest) {
  const WryInstance *vmi = wry_guest_vmi(guest);
  if (!vmi && wry_guest_is_vm(guest)) return NULL;
  WryJson *object = vmi ? wry_status_vmi(vmi, guest->fleet->options->node) : single_without_instance(guest);
  put_version(object, guest->vmi_version);
  return object;
}

static char *digest_of(WryJson *object) {
  WryJson *meta = wry_json_get(object, "metadata");
  if (meta) json_object_object_del(meta, "resourceVersion");
  return g_compute_checksum_for_string(G_CHECKSUM_SHA256, json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN), -1);
}

/* Compares with what was shown; TRUE when it is to be shown, with a new version in it. */
static gboolean renew(WryObjects *objects, WryJson *object, char **shown, guint64 *version, const char **ret_type) {
  g_autofree char *digest = digest_of(object);
  gboolean same = g_strcmp0(*shown, digest) == 0;
  *ret_type = *shown ? "MODIFIED" : "ADDED";
  if (!same) {
    *version = wry_objects_next_version(objects);
    g_free(*shown);
    *shown = g_steal_pointer(&digest);
  }
  put_version(object, *version);
  return !same;
}

static void show(WryFleet *fleet, WryObjectKind kind, WryJson *take_object, char **shown, guint64 *version) {
  const char *type;
  if (renew(fleet->objects, take_object, shown, version, &type) && fleet->shown) fleet->shown(kind, type, take_object, fleet->shown_data);
  json_object_put(take_object);
}

void wry_guest_show(WryGuest *guest) {
  if (wry_guest_is_vm(guest)) show(guest->fleet, WRY_OBJECT_VM, wry_guest_vm_json(guest), &guest->object->shown, &guest->object->version);
  WryJson *vmi = wry_guest_vmi_json(guest);
  if (vmi) show(guest->fleet, WRY_OBJECT_VMI, vmi, &guest->object->shown_vmi, &guest->vmi_version);
}

void wry_guest_show_deleted_vmi(WryGuest *guest) {
  g_autoptr(WryJson) object = wry_guest_vmi_json(guest);
  if (!object || !guest->object->shown_vmi) return;
  g_clear_pointer(&guest->object->shown_vmi, g_free);
  guest->vmi_version = wry_objects_next_version(guest->fleet->objects);
  put_version(object, guest->vmi_version);
  if (guest->fleet->shown) guest->fleet->shown(WRY_OBJECT_VMI, "DELETED", object, guest->fleet->shown_data);
}

/* --- other kinds --------------------------------------------------------------------------------------------------------------------------------------- */
/* A claim that was made bigger: what it still has, and what it waits for. */
static void put_pending_growth(WryJson *status, gint64 bytes) {
  g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT "%s", bytes % 1024 ? bytes : bytes / 1024, bytes % 1024 ? "" : "Ki"), *canonical = wry_quantity_canonical(text);
  WryJson *capacity = json_object_new_object(), *list = json_object_new_array(), *condition = json_object_new_object();
  wry_status_put(capacity, "storage", canonical ? canonical : text);
  wry_status_put(condition, "type", "FileSystemResizePending");
  wry_status_put(condition, "status", "True");
  wry_status_put(condition, "message", "Waiting for the next start of a virtual machine that uses the claim to finish its resize.");
  json_object_array_add(list, condition);
  json_object_object_add(status, "capacity", capacity);
  json_object_object_add(status, "conditions", list);
}

/* On one box a claim is bound as soon as it is there. */
static void put_claim_status(const WryFleet *fleet, WryJson *object, const WryPvc *claim) {
  WryJson *status = json_object_new_object(), *modes = wry_json_path(object, "spec.accessModes");
  gint64 has = wry_claim_image_size(fleet->options->state_fd, claim->metadata->namespace_, claim->metadata->name);
  if (modes) json_object_object_add(status, "accessModes", json_object_get(modes));
  if (has > 0 && has < wry_claim_size(claim))
    put_pending_growth(status, has);
  else if (claim->spec && claim->spec->resources && claim->spec->resources->requests)
    json_object_object_add(status, "capacity", json_object_get(claim->spec->resources->requests));
  json_object_object_add(status, "phase", json_object_new_string("Bound"));
  json_object_object_add(object, "status", status);
}

static WryJson *object_json(const WryFleet *fleet, const WryObject *object) {
  WryJson *json = wry_encode(wry_object_kind_type(object->kind), object->typed);
  if (object->kind == WRY_OBJECT_PVC) put_claim_status(fleet, json, object->typed);
  put_version(json, object->version);
  return json;
}

void wry_fleet_show_object(WryFleet *fleet, WryObject *object, gboolean deleted) {
  if (!deleted) {
    show(fleet, object->kind, object_json(fleet, object), &object->shown, &object->version);
    return;
  }
  object->version = wry_objects_next_version(fleet->objects);
  WryGuest *guest = wry_object_is_guest(object) ? g_hash_table_lookup(fleet->guests, wry_object_meta(object)->uid) : NULL;
  g_autoptr(WryJson) json = guest && object->kind == WRY_OBJECT_VM ? wry_guest_vm_json(guest) : object_json(fleet, object);
  if (fleet->shown) fleet->shown(object->kind, "DELETED", json, fleet->shown_data);
}

/* --- lists --------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean wanted(const WryObject *object, const char *namespace_, const char *name) {
  const WryMeta *meta = wry_object_meta(object);
  return (!namespace_ || strcmp(meta->namespace_, namespace_) == 0) && (!name || strcmp(meta->name, name) == 0);
}

/* VMIs are of VMs and of manifests of their own; one name has one of them. */
static void list_vmis(WryFleet *fleet, GPtrArray *list, const char *namespace_, const char *name) {
  g_autoptr(GPtrArray) objects = wry_objects_list(fleet->objects, WRY_OBJECT_KINDS);
  for (guint i = 0; i < objects->len; i++) {
    const WryObject *object = objects->pdata[i];
    WryGuest *guest = wry_object_is_guest(object) && wanted(object, namespace_, name) ? g_hash_table_lookup(fleet->guests, wry_object_meta(object)->uid) : NULL;
    if (guest) wry_guest_show(guest);
    WryJson *json = guest ? wry_guest_vmi_json(guest) : NULL;
    if (json) g_ptr_array_add(list, json);
  }
}

static void put_json(gpointer data) { json_object_put(data); }

/* What is listed has been shown to watchers before: a watch that follows a list tells nothing twice. */
GPtrArray *wry_fleet_list(WryFleet *fleet, WryObjectKind kind, const char *namespace_, const char *name) {
  GPtrArray *list = g_ptr_array_new_with_free_func(put_json);
  if (kind == WRY_OBJECT_VMI) {
    list_vmis(fleet, list, namespace_, name);
    return list;
  }
  g_autoptr(GPtrArray) objects = wry_objects_list(fleet->objects, kind);
  for (guint i = 0; i < objects->len; i++) {
    WryObject *object = objects->pdata[i];
    if (!wanted(object, namespace_, name)) continue;
    WryGuest *guest = g_hash_table_lookup(fleet->guests, wry_object_meta(object)->uid);
    if (guest) wry_guest_show(guest);
    g_ptr_array_add(list, guest ? wry_guest_vm_json(guest) : object_json(fleet, object));
  }
  return list;
}

WryGuest *wry_fleet_find(WryFleet *fleet, WryObjectKind kind, const char *namespace_, const char *name) {
  WryObject *object = wry_objects_find(fleet->objects, kind, namespace_, name);
  if (!object && kind == WRY_OBJECT_VMI) object = wry_objects_find(fleet->objects, WRY_OBJECT_VM, namespace_, name);
  WryGuest *guest = object ? g_hash_table_lookup(fleet->guests, wry_object_meta(object)->uid) : NULL;
  return guest && kind == WRY_OBJECT_VMI && wry_guest_is_vm(guest) && !wry_guest_vmi(guest) ? NULL : guest;
}
