/* Verbs and questions: patches to the API server one after the other, or a message to the launcher of this node's guest.
 *
 * How it works: verb_patch.c says what is to change; the VMI's grace period goes first, then the VM's spec, then its requests, so that what is begun has its grace. A test that fails in a patch is
 * somebody else's change in between: 409. */
#include <string.h>

#include "handler/api/role_parts.h"
#include "handler/guest.h"
#include "wherry/error.h"

#define STEPS 3u

/* --- patches ----------------------------------------------------------------------------------------------------------------------------------------------- */
static void next_patch(WryApiTurn *turn);

static void on_patched(WryJson *object G_GNUC_UNUSED, const WryKubeFailure *failure, gpointer data) {
  WryApiTurn *turn = data;
  turn->call = NULL;
  if (!failure) {
    next_patch(turn);
    return;
  }
  gboolean raced = failure->http == 422 && strstr(failure->message, "test");
  guint code = raced ? 409 : failure->http >= 400 ? (guint)failure->http : 500;
  wry_api_turn_fail(turn, code, *failure->message ? failure->message : failure->error->message);
}

static void next_patch(WryApiTurn *turn) {
  const struct { const WryKubeResource *resource; WryJson *patch; const char *subresource; } steps[STEPS] = {
      {&wry_kube_vmis, turn->verb.vmi_patch, NULL}, {&wry_kube_vms, turn->verb.vm_patch, NULL}, {&wry_kube_vms, turn->verb.status_patch, "status"}};
  while (turn->step < STEPS && !steps[turn->step].patch) turn->step++;
  if (turn->step == STEPS) {
    wry_api_turn_empty(turn, turn->verb.code);
    return;
  }
  const char *query = turn->verb.dry_run ? "dryRun=All" : NULL;
  WryKubeRequest request = {.verb = WRY_KUBE_PATCH_JSON, .resource = steps[turn->step].resource, .namespace_ = turn->match.namespace_, .name = turn->match.name,
                            .subresource = steps[turn->step].subresource, .query = query, .body = steps[turn->step].patch};
  turn->step++;
  turn->call = wry_kube_call(turn->role->kube, &request, on_patched, turn);
}

/* --- messages ---------------------------------------------------------------------------------------------------------------------------------------------- */
static void on_told(const WryMsgReply *reply G_GNUC_UNUSED, int *fd G_GNUC_UNUSED, const GError *error, gpointer data) {
  WryApiTurn *turn = data;
  if (error) wry_api_turn_fail(turn, 500, error->message);
  else wry_api_turn_empty(turn, turn->verb.code);
}

WryLauncher *wry_api_turn_launcher(WryApiTurn *turn) {
  const char *node = wry_json_str(wry_json_get(turn->vmi, "status"), "nodeName");
  WryGuest *guest = wry_fleet_find(turn->role->fleet, WRY_OBJECT_VMI, turn->match.namespace_, turn->match.name);
  if (guest && guest->launcher) return guest->launcher;
  gboolean here = !g_strcmp0(node, turn->role->options->node);
  g_autofree char *message = here ? g_strdup("the VM's launcher is starting; try again") : g_strdup_printf("the VMI runs on node %s, which this handler does not serve", node ? node : "(none)");
  wry_api_turn_fail(turn, 503, message);
  return NULL;
}

void wry_api_serve_verb(WryApiTurn *turn) {
  WryLauncher *launcher = NULL;
  WryMsgPlain body = {{FALSE, 0}};
  wry_api_verb(turn->match.route->subresource, turn->vm, turn->vmi, turn->body, &turn->verb);
  if (turn->verb.code >= 300) {
    g_autofree char *message = g_steal_pointer(&turn->verb.message);
    wry_api_turn_fail(turn, turn->verb.code, message);
  } else if (!turn->verb.send) {
    next_patch(turn);
  } else if (turn->verb.dry_run) {
    wry_api_turn_empty(turn, turn->verb.code);
  } else if ((launcher = wry_api_turn_launcher(turn))) {
    wry_launcher_call(launcher, turn->verb.message_type, &body, -1, on_told, turn);
  }
}

/* --- questions to the guest's agent ------------------------------------------------------------------------------------------------------------------------ */
static void on_info(const WryMsgReply *reply, int *fd G_GNUC_UNUSED, const GError *error, gpointer data) {
  WryApiTurn *turn = data;
  if (error || !reply->data) wry_api_turn_fail(turn, 500, error ? error->message : "the guest agent gave no answer");
  else wry_api_turn_json(turn, json_object_get(reply->data));
}

void wry_api_serve_info(WryApiTurn *turn) {
  static const struct { const char *subresource; char what[16]; } kinds[] = {{"guestosinfo", "osinfo"}, {"userlist", "users"}, {"filesystemlist", "filesystems"}};
  WryMsgGuestinfo body = {.what = NULL};
  for (guint i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (!strcmp(kinds[i].subresource, turn->match.route->subresource)) body.what = (char *)(guintptr)kinds[i].what;
  if (wry_api_turn_phase(turn) != WRY_PHASE_RUNNING) {
    wry_api_turn_fail(turn, 500, "VMI is not running");
    return;
  }
  WryLauncher *launcher = wry_api_turn_launcher(turn);
  if (launcher) wry_launcher_call(launcher, WRY_MSG_GUESTINFO, &body, -1, on_info, turn);
}

/* --- expanded specifications ------------------------------------------------------------------------------------------------------------------------------- */
/* Without instance types, which this version refuses, a VM is its own expansion. */
void wry_api_serve_expand(WryApiTurn *turn) {
  WryJson *vm = turn->match.name ? turn->vm : turn->body, *spec = wry_json_get(vm, "spec");
  if (!spec) wry_api_turn_fail(turn, 400, "the body is no VirtualMachine");
  else if (wry_json_get(spec, "instancetype") || wry_json_get(spec, "preference")) wry_api_turn_fail(turn, 400, "instance types and preferences are not supported by this version");
  else wry_api_turn_json(turn, json_object_get(vm));
}
