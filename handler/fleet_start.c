/* Bringing a VMI up: what it waits for, the request to the root half, the bundle to the launcher; and the end of its sandbox.
 *
 * How it works: a VMI that waits (life NEW) is resolved anew each time that something it may wait for changed; what is missing becomes a condition and nothing else happens. What was
 * resolved is kept until the guest runs, so the launcher is told of the very files that the root half bound.
 * Relies on: volumes.h, network.h, resources.h, bundle.h for the parts; the state record being written before the root half is asked. */
#include <fcntl.h>

#include "handler/bundle.h"
#include "handler/guest.h"
#include "handler/network.h"
#include "handler/node/pod_bundle.h"
#include "handler/resources.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/log.h"
#include "wherry/vpath.h"

#define RESOLV_BYTES (64u << 10)

static void drop_start(WryGuest *guest) {
  g_clear_pointer(&guest->request, g_free);
  if (guest->bundle) wry_struct_free(&wry_bundle_type, guest->bundle);
  guest->bundle = NULL;
}

/* --- waiting ------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean unschedulable(int code) { return code == WRY_ERROR_NO_KVM || code == WRY_ERROR_VOLUME_MISSING; }

/* What a VMI waits for, as conditions and, when it is new, as an event. */
static void wait_for(WryGuest *guest, const GError *error) {
  WryInstance *vmi = wry_guest_vmi(guest);
  int code = error->domain == WRY_ERROR ? error->code : WRY_ERROR_FAILED;
  const char *reason = code == WRY_ERROR_NOT_FOUND ? "FailedMount" : code == WRY_ERROR_NO_KVM ? "FailedCreate" : wry_error_reason(code);
  g_autofree char *now = wry_now_text();
  const WryCondition *before = wry_condition_find(vmi->conditions, "Synchronized");
  gboolean same = before && g_strcmp0(before->reason, reason) == 0 && g_strcmp0(before->message, error->message) == 0;
  wry_condition_set(&vmi->conditions, "Synchronized", FALSE, reason, error->message, now);
  if (unschedulable(code))
    wry_condition_set(&vmi->conditions, "PodScheduled", FALSE, "Unschedulable", error->message, now);
  else
    wry_condition_clear(vmi->conditions, "PodScheduled");
  if (same) return;
  wry_guest_vmi_event(guest, TRUE, reason, "%s", error->message);
  wry_log(WRY_LOG_WARNING, "a VM waits", "vm", wry_object_meta(guest->object)->name, "reason", reason, "error", error->message, NULL);
}

static void stop_waiting(WryInstance *vmi) {
  wry_condition_clear(vmi->conditions, "Synchronized");
  wry_condition_clear(vmi->conditions, "PodScheduled");
}

static gboolean allows_emulation(const WryGuest *guest) {
  return guest->fleet->options->allow_emulation || wry_config_use_emulation(wry_source_config(guest->fleet->source));
}

static gboolean check_node(const WryGuest *guest, GError **error) {
  const WryFleetFacts *facts = &guest->fleet->facts;
  if (facts->kvm_usable || allows_emulation(guest)) return TRUE;
  g_set_error(error, WRY_ERROR, WRY_ERROR_NO_KVM, "0/1 nodes are available: %s, and software emulation is not allowed (useEmulation or --allow-emulation)",
              facts->message ? facts->message : facts->kvm_present ? "KVM runs no guests on this node" : "this node has no KVM");
  return FALSE;
}

static gboolean uses_vhost(const WryVmiSpec *spec) {
  const GPtrArray *interfaces = spec->domain->devices->interfaces;
  for (guint i = 0; interfaces && i < interfaces->len; i++) {
    const WryInterface *interface = interfaces->pdata[i];
    if (!interface->model || strcmp(interface->model, "virtio") == 0) return TRUE;
  }
  return FALSE;
}

/* Host name of the sandbox, and of the guest: the spec's, else the VMI's name up to its first dot. */
static void set_hostname(const WryVmi *vmi, WryRootRequest *request) {
  g_autofree char *first = g_strndup(vmi->metadata->name, strcspn(vmi->metadata->name, "."));
  g_strlcpy(request->hostname, vmi->spec->hostname ? vmi->spec->hostname : first, sizeof request->hostname);
}

static gboolean plan(WryGuest *guest, GError **error) {
  const WryInstance *vmi = wry_guest_vmi(guest);
  const WryFleet *fleet = guest->fleet;
  const WryVmiSpec *spec = vmi->object->spec;
  const char *vm = wry_object_meta(guest->object)->uid;
  drop_start(guest);
  WryRootRequest *request = guest->request = g_new0(WryRootRequest, 1);
  guest->bundle = wry_struct_new(&wry_bundle_type);
  request->op = WRY_ROOT_SANDBOX_START;
  request->slot = (guint32)guest->object->state->slot.v;
  g_strlcpy(request->vmi, vmi->uid, sizeof request->vmi);
  g_strlcpy(request->vm, vm, sizeof request->vm);
  set_hostname(vmi->object, request);
  if (fleet->options->pods) return wry_pod_bundle(vmi, guest->object->state->claims, guest->bundle, error) && check_node(guest, error) && wry_network_plan(vmi->object, vmi->uid, &request->setup, error);
  request->kvm = fleet->facts.kvm_usable;
  request->tun = spec->domain->devices->interfaces && spec->domain->devices->interfaces->len > 0;
  request->vhost_net = request->tun && request->kvm && uses_vhost(spec);
  wry_resources_plan(spec, fleet->options->arch, &request->setup);
  return check_node(guest, error) && wry_volumes_resolve(vmi, fleet->objects, fleet->options->images_fd, fleet->options->lookup, guest->bundle, request, error) &&
         wry_network_plan(vmi->object, vm, &request->setup, error) && wry_volumes_make_claims(fleet->options->state_fd, request, error);
}

/* A VMI that waits follows its VM's manifest: nothing of it runs yet. */
static void follow_manifest(WryGuest *guest) {
  WryInstance *vmi = wry_guest_vmi(guest);
  gint64 generation = wry_object_meta(guest->object)->generation.v;
  if (vmi->generation.v == generation) return;
  WryVmi *object = wry_guest_make_vmi(guest, NULL);
  if (!object) return;
  wry_struct_free(&wry_vmi_type, vmi->object);
  vmi->object = object;
  vmi->generation.v = generation;
}

void wry_guest_try_start(WryGuest *guest) {
  const WryFleet *fleet = guest->fleet;
  if (fleet->options->pods && !guest->launcher) return; /* its pod is being made */
  gboolean unclear = !fleet->listed || fleet->orphans > 0; /* what runs without an object may be an earlier life of this one */
  if (guest->retry || !fleet->facts.done || fleet->closing || (unclear && !guest->object->loaded)) return;
  g_autoptr(GError) error = NULL;
  follow_manifest(guest);
  if (!plan(guest, &error)) {
    drop_start(guest);
    wait_for(guest, error);
    return;
  }
  stop_waiting(wry_guest_vmi(guest));
  wry_guest_feed(guest, WRY_EVENT_START);
}

/* --- SANDBOX_START ------------------------------------------------------------------------------------------------------------------------------------- */
static void keep_interfaces(WryGuest *guest, const WryRootReply *reply) {
  WryInstance *vmi = wry_guest_vmi(guest);
  wry_network_tell(vmi->object, &guest->request->setup, &reply->setup, guest->bundle);
  g_autoptr(WryJson) encoded = wry_encode(&wry_bundle_type, guest->bundle);
  WryJson *list = wry_json_get(encoded, "interfaces");
  g_clear_pointer(&vmi->interfaces, json_object_put);
  vmi->interfaces = list ? json_object_get(list) : NULL;
}

static void made(WryGuest *guest, const WryRootReply *reply, int take_pidfd) {
  WryInstance *vmi = wry_guest_vmi(guest);
  vmi->uidNumber = (WryOptInt){TRUE, reply->uid};
  keep_interfaces(guest, reply);
  if (wry_guest_in_pod(guest)) {
    wry_fd_close(&guest->sockets);
    guest->sockets = take_pidfd; /* what came with the answer are the sockets */
    wry_guest_watch_init(guest, guest->launcher ? wry_launcher_open_init(guest->launcher) : -1);
  } else {
    wry_guest_watch_init(guest, take_pidfd);
    wry_guest_vmi_event(guest, FALSE, "SuccessfulCreate", "Created sandbox %s", vmi->uid);
  }
  wry_guest_feed(guest, WRY_EVENT_MADE);
  if (guest->launcher) wry_guest_feed(guest, WRY_EVENT_HELLO); /* a launcher that was quicker than its network does not wait for the disk too */
  if (guest->fleet) wry_fleet_save(guest, NULL);
}

static void refused(WryGuest *guest, const GError *error, gboolean answered) {
  if (!answered)
    wry_guest_feed(guest, WRY_EVENT_FAILED);
  else if (error->code == WRY_ERROR_EXISTS)
    wry_guest_feed(guest, WRY_EVENT_OCCUPIED);
  else {
    wait_for(guest, error);
    wry_guest_feed(guest, WRY_EVENT_REFUSED);
  }
}

/* An answer counts only in the life that asked, and for the VMI that it was asked for. */
static gboolean is_current(const WryGuest *guest, WryLife life, const WryRootReply *reply) {
  if (!guest->fleet || guest->life != life || !wry_guest_vmi(guest)) return FALSE;
  return !reply || !*reply->vmi || strcmp(reply->vmi, wry_guest_vmi(guest)->uid) == 0;
}

static void on_made(const WryRootReply *reply, int pidfd, const GError *error, gpointer data) {
  WryGuest *guest = data;
  if (!is_current(guest, WRY_LIFE_STARTING, reply)) {
    wry_fd_close(&pidfd);
  } else if (error) {
    wry_fd_close(&pidfd);
    refused(guest, error, reply != NULL);
  } else {
    made(guest, reply, pidfd);
  }
  wry_guest_unref(guest);
}

const WryRootDone wry_guest_made = on_made;

/* What a VM that starts brings about: its claims' images have the size that is asked for at this start. */
static void tell_growth(WryGuest *guest) {
  const WryRootRequest *request = guest->request;
  for (guint i = 0; i < request->n_volumes; i++) {
    const WryRootVolume *volume = &request->volumes[i];
    gint64 now = volume->kind == WRY_VOLUME_PVC ? wry_claim_image_size(guest->fleet->options->state_fd, volume->namespace_, volume->source) : 0;
    if (now > 0 && now < (gint64)volume->capacity)
      wry_guest_vmi_event(guest, FALSE, "Resizing", "disk.img of claim %s grows from %" G_GINT64_FORMAT " to %" G_GUINT64_FORMAT " bytes", volume->source, now, volume->capacity);
  }
}

void wry_guest_make(WryGuest *guest) {
  g_autoptr(GError) error = NULL;
  guest->end_reason = NULL;
  g_clear_pointer(&guest->end_message, g_free);
  guest->told_stop = guest->emulation_told = FALSE;
  if (!wry_fleet_save(guest, &error)) {
    refused(guest, error, TRUE);
    return;
  }
  if (wry_guest_in_pod(guest)) {
    wry_pod_make(guest);
    return;
  }
  tell_growth(guest);
  wry_root_call(guest->fleet->root, guest->request, on_made, wry_guest_ref(guest));
}

void wry_guest_lives(WryGuest *guest, uid_t uid, int take_pidfd) {
  WryInstance *vmi = wry_guest_vmi(guest);
  if (uid) vmi->uidNumber = (WryOptInt){TRUE, uid};
  wry_guest_watch_init(guest, take_pidfd);
  wry_log(WRY_LOG_INFO, "taken over", "vm", wry_object_meta(guest->object)->name, "phase", vmi->phase, NULL);
  wry_guest_feed(guest, WRY_EVENT_ALIVE);
  if (guest->launcher) wry_guest_feed(guest, WRY_EVENT_HELLO);
  if (guest->fleet && guest->launcher && guest->reported) wry_guest_weigh_report(guest); /* it came before this answer, and is not told twice */
}

/* --- SANDBOX_QUERY ------------------------------------------------------------------------------------------------------------------------------------- */
static void on_queried(const WryRootReply *reply, int take_pidfd, const GError *error, gpointer data) {
  WryGuest *guest = data;
  wry_autofd int pidfd = take_pidfd;
  if (is_current(guest, WRY_LIFE_ADOPTING, reply)) {
    WryInstance *vmi = wry_guest_vmi(guest);
    gboolean begun = wry_instance_phase(vmi) >= WRY_PHASE_SCHEDULED;
    if (error || (reply->alive && pidfd < 0)) {
      wry_guest_feed(guest, WRY_EVENT_FAILED);
    } else if (!begun) {
      wry_guest_feed(guest, WRY_EVENT_UNMADE);
    } else if (!reply->alive) {
      wry_guest_feed(guest, WRY_EVENT_DEAD);
    } else {
      wry_guest_lives(guest, (uid_t)reply->uid, g_steal_fd(&pidfd));
    }
  }
  wry_guest_unref(guest);
}

void wry_guest_query(WryGuest *guest) {
  if (wry_guest_in_pod(guest)) {
    wry_pod_query(guest);
    return;
  }
  WryRootRequest request = {.op = WRY_ROOT_SANDBOX_QUERY, .slot = (guint32)guest->object->state->slot.v};
  g_strlcpy(request.vmi, wry_guest_vmi(guest)->uid, sizeof request.vmi);
  wry_root_call(guest->fleet->root, &request, on_queried, wry_guest_ref(guest));
}

/* --- SANDBOX_END --------------------------------------------------------------------------------------------------------------------------------------- */
static void on_ended(const WryRootReply *reply, int take_pidfd, const GError *error, gpointer data) {
  WryGuest *guest = data;
  wry_fd_close(&take_pidfd);
  if (error && guest->fleet) wry_log(WRY_LOG_ERROR, "sandbox not removed", "vm", wry_object_meta(guest->object)->name, "error", error->message, NULL);
  if (is_current(guest, WRY_LIFE_ENDING, reply)) wry_guest_feed(guest, error ? WRY_EVENT_FAILED : WRY_EVENT_ENDED);
  wry_guest_unref(guest);
}

void wry_guest_end(WryGuest *guest) {
  WryRootRequest request = {.op = WRY_ROOT_SANDBOX_END, .slot = (guint32)guest->object->state->slot.v};
  g_strlcpy(request.vmi, wry_guest_vmi(guest)->uid, sizeof request.vmi);
  wry_guest_watch_init(guest, -1);
  drop_start(guest);
  if (wry_guest_in_pod(guest)) {
    wry_pod_end(guest);
    return;
  }
  wry_root_call(guest->fleet->root, &request, on_ended, wry_guest_ref(guest));
}

/* --- sync ---------------------------------------------------------------------------------------------------------------------------------------------- */
static void on_synced(const WryMsgReply *reply, int *fd G_GNUC_UNUSED, const GError *error, gpointer data) {
  WryGuest *guest = data;
  gboolean first = guest->life == WRY_LIFE_BOOTING;
  if (!guest->fleet || !wry_guest_vmi(guest) || (error && !reply)) {
    wry_guest_unref(guest); /* a lost connection comes back with its hello */
    return;
  }
  if (error) {
    wry_log(WRY_LOG_ERROR, "the launcher refused the VMI", "vm", wry_object_meta(guest->object)->name, "error", error->message, NULL);
    guest->end_reason = first || guest->life == WRY_LIFE_SYNCED ? "StartFailed" : guest->end_reason;
    g_free(guest->end_message);
    guest->end_message = g_strdup(error->message);
    wry_guest_feed(guest, WRY_EVENT_SYNC_FAILED);
  } else {
    if (first) wry_guest_vmi_event(guest, FALSE, "Created", "VirtualMachineInstance defined.");
    wry_guest_feed(guest, WRY_EVENT_SYNCED);
  }
  wry_guest_unref(guest);
}

/* After a new start of the handler the parts are resolved again; a guest that runs already takes only labels and probes from it. */
static WryBundle *bundle_again(WryGuest *guest) {
  const WryInstance *vmi = wry_guest_vmi(guest);
  g_autofree WryRootRequest *request = g_new0(WryRootRequest, 1);
  g_autoptr(GError) error = NULL;
  WryBundle *bundle = wry_struct_new(&wry_bundle_type);
  gboolean pod = wry_guest_in_pod(guest);
  if (pod ? !wry_pod_bundle(vmi, guest->object->state->claims, bundle, &error) : !wry_volumes_resolve(vmi, guest->fleet->objects, guest->fleet->options->images_fd, guest->fleet->options->lookup, bundle, request, &error))
    wry_log(WRY_LOG_WARNING, "volumes of a VM that runs", "vm", wry_object_meta(guest->object)->name, "error", error->message, NULL);
  g_autoptr(WryJson) part = json_object_new_object();
  json_object_object_add(part, "version", json_object_new_int(1));
  if (vmi->interfaces) json_object_object_add(part, "interfaces", json_object_get(vmi->interfaces));
  g_autoptr(WryCauses) causes = wry_causes_new();
  WryBundle *decoded = wry_decode(&wry_bundle_type, part, "", causes);
  bundle->interfaces = g_steal_pointer(&decoded->interfaces);
  wry_struct_free(&wry_bundle_type, decoded);
  return bundle;
}

static char *read_resolv(void) {
  wry_autofd int fd = wry_file_open("/etc/resolv.conf", O_RDONLY, 0, NULL);
  gsize length;
  return fd >= 0 ? wry_fd_read(fd, RESOLV_BYTES, &length, NULL) : NULL;
}

/* Takes out what a sync before has filled in. */
static void empty_facts(WryBundle *bundle) {
  WryBundle *filled = wry_struct_new(&wry_bundle_type);
  filled->node = g_steal_pointer(&bundle->node);
  filled->vmi = g_steal_pointer(&bundle->vmi);
  wry_struct_free(&wry_bundle_type, filled);
}

void wry_guest_sync(WryGuest *guest) {
  const WryFleet *fleet = guest->fleet;
  g_autoptr(GError) error = NULL;
  g_autofree char *resolv = read_resolv();
  WryBundleFacts facts = {fleet->options->node, fleet->options->arch, fleet->facts.kvm_usable, allows_emulation(guest), wry_source_config(fleet->source)};
  if (!guest->launcher) return;
  if (!guest->bundle) guest->bundle = bundle_again(guest);
  empty_facts(guest->bundle);
  wry_bundle_fill(guest->bundle, wry_guest_vmi(guest), &facts, resolv);
  wry_autofd int fd = wry_bundle_memfd(guest->bundle, &error);
  if (fd < 0) {
    guest->end_reason = "StartFailed";
    g_free(guest->end_message);
    guest->end_message = g_strdup(error->message);
    wry_log(WRY_LOG_ERROR, "bundle", "vm", wry_object_meta(guest->object)->name, "error", error->message, NULL);
    wry_guest_feed(guest, WRY_EVENT_SYNC_FAILED);
    return;
  }
  WryMsgPlain body = {{FALSE, 0}};
  wry_launcher_call_with(guest->launcher, WRY_MSG_SYNC, &body, fd, guest->sockets, on_synced, wry_guest_ref(guest));
  wry_fd_close(&guest->sockets);
  if (guest->life == WRY_LIFE_RUNNING) drop_start(guest);
}
