/* Verb: start, stop, restart, pause, unpause, softreboot, reset.
 *
 * How it works: verbs.h says what a verb means here and now; what it records is saved before the client gets its answer, what it sends is answered when the launcher has answered.
 * Relies on: verbs.h. */
#include "handler/control.h"
#include "handler/guest.h"
#include "handler/verbs.h"

static const struct { WryMsgType type; const char *event, *message; } told[] = {
  {WRY_MSG_PAUSE, "Paused", "VirtualMachineInstance paused"},       {WRY_MSG_UNPAUSE, "Unpaused", "VirtualMachineInstance unpaused"},
  {WRY_MSG_RESET, "Reset", "VirtualMachineInstance reset"},          {WRY_MSG_SOFTREBOOT, "SoftRebooted", "VirtualMachineInstance soft rebooted"},
};

typedef struct { WryClient *client; WryGuest *guest; WryMsgType type; } Sent;

static void on_sent(const WryMsgReply *reply G_GNUC_UNUSED, int *fd G_GNUC_UNUSED, const GError *error, gpointer data) {
  Sent *sent = data;
  for (gsize i = 0; !error && sent->guest->fleet && wry_guest_vmi(sent->guest) && i < G_N_ELEMENTS(told); i++)
    if (told[i].type == sent->type) wry_guest_vmi_event(sent->guest, FALSE, told[i].event, "%s", told[i].message);
  if (error)
    wry_client_fail_error(sent->client, error);
  else
    wry_client_reply(sent->client, NULL, FALSE, -1);
  wry_client_unref(sent->client);
  wry_guest_unref(sent->guest);
  g_free(sent);
}

static void send_verb(WryClient *client, WryGuest *guest, const WryVerbPlan *plan) {
  if (!guest->launcher) {
    wry_client_fail(client, 503, "ServiceUnavailable", "the VM's launcher is starting anew; try again", NULL);
    return;
  }
  Sent *sent = g_new(Sent, 1);
  WryMsgPlain body = {{FALSE, 0}};
  *sent = (Sent){wry_client_ref(client), wry_guest_ref(guest), plan->message_type};
  wry_launcher_call(guest->launcher, plan->message_type, &body, -1, on_sent, sent);
}

/* The recorded change, then a look at the VM. A stop of a VMI that is being stopped already shortens its grace period. */
static gboolean record(WryGuest *guest, const WryVerbPlan *plan, GError **error) {
  WryGuestState *state = guest->object->state;
  if (plan->strategy != WRY_STRATEGY_NONE) {
    g_free(state->strategy);
    state->strategy = g_strdup(wry_strategy_name(plan->strategy));
    wry_object_meta(guest->object)->generation.v++;
  }
  if (plan->stop && state->vmi) {
    g_free(state->stopRequested);
    state->stopRequested = g_strdup(state->vmi->uid);
  }
  state->startRequested = (WryOptBool){plan->start, plan->start};
  state->startPaused = (WryOptBool){plan->start_paused, plan->start_paused};
  if (plan->grace.set) state->stopGraceSeconds = plan->grace;
  if (plan->clear_failure) state->failures = state->retryAt = (WryOptInt){FALSE, 0};
  gboolean saved = wry_fleet_save(guest, error);
  if (plan->grace.set && state->vmi && state->vmi->deletionTimestamp) wry_guest_stop(guest, plan->grace.v);
  wry_fleet_kick(guest);
  return saved;
}

static void carry_out(WryClient *client, WryGuest *guest, const WryVerbPlan *plan, gboolean dry_run) {
  g_autoptr(GError) error = NULL;
  if (plan->kind == WRY_VERB_REFUSE)
    wry_client_fail(client, plan->code, plan->reason, plan->message, NULL);
  else if (dry_run || (plan->kind == WRY_VERB_RECORD && record(guest, plan, &error)))
    wry_client_reply(client, NULL, FALSE, -1);
  else if (plan->kind == WRY_VERB_SEND)
    send_verb(client, guest, plan);
  else
    wry_client_fail_error(client, error);
}

/* In a cluster VMs are the controller's. A stop that comes to the node itself, say because no API server answers, stops the guest; what its run strategy makes of that is decided later. */
static gboolean stop_here(WryClient *client, const WryControlVerb *call, const char *namespace_) {
  WryFleet *fleet = wry_client_fleet(client);
  WryGuest *guest = wry_fleet_options(fleet)->pods && g_strcmp0(call->verb, "stop") == 0 ? wry_fleet_find(fleet, WRY_OBJECT_VMI, namespace_, call->name) : NULL;
  if (!guest) return FALSE;
  if (!wry_opt_bool(call->dryRun, FALSE)) wry_guest_stop(guest, call->gracePeriodSeconds.set ? call->gracePeriodSeconds.v : wry_opt_bool(call->force, FALSE) ? 0 : -1);
  wry_client_reply(client, NULL, FALSE, -1);
  return TRUE;
}

void wry_control_verb(WryClient *client, gconstpointer parameters) {
  const WryControlVerb *call = parameters;
  WryObjectKind kind = wry_object_kind_parse(call->kind);
  const char *namespace_ = call->namespace_ && *call->namespace_ ? call->namespace_ : "default";
  if ((kind != WRY_OBJECT_VM && kind != WRY_OBJECT_VMI) || !call->name) {
    wry_client_standard(client, "InvalidParameter", "parameter", call->name ? "kind" : "name");
    return;
  }
  if (stop_here(client, call, namespace_)) return;
  WryGuest *guest = wry_fleet_find(wry_client_fleet(client), kind, namespace_, call->name);
  if (!guest) {
    wry_client_not_found(client, kind, call->name);
    return;
  }
  WryVerbView view = {call->name, wry_guest_strategy(guest), wry_guest_vmi(guest)};
  WryVerbOptions options = {wry_opt_bool(call->paused, FALSE), wry_opt_bool(call->force, FALSE), call->gracePeriodSeconds};
  g_auto(WryVerbPlan) plan = {0};
  if (!wry_verb_plan(call->verb, kind == WRY_OBJECT_VM, &view, &options, &plan))
    wry_client_standard(client, "InvalidParameter", "parameter", "verb");
  else
    carry_out(client, guest, &plan, wry_opt_bool(call->dryRun, FALSE));
}
