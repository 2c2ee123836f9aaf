/* The start of a VirtualMachine: the revision that keeps its spec, and its VirtualMachineInstance, defaulted and checked as its own request (contract 3.8).
 * Relies on: spec_review.h. Pure. */
#include "handler/controller/vm_parts.h"

#include <string.h>

char *wry_vm_revision_name(WryJson *vm) {
  return g_strdup_printf("revision-start-vm-%s-%" G_GINT64_FORMAT, wry_meta_str(vm, "uid"), wry_meta_generation(vm));
}

static WryJson *find(const WryVmTurn *turn, const char *kind, const char *name) {
  const WryWorld *world = turn->world;
  return world->find ? world->find(world->find_data, kind, wry_meta_str(turn->vm, "namespace"), name) : NULL;
}

static void make_revision(WryVmTurn *turn, const char *name) {
  g_autoptr(WryJson) there = find(turn, "ControllerRevision", name);
  if (there) return;
  WryJson *revision = json_object_new_object(), *meta = wry_put_object(revision, "metadata");
  wry_put_str(revision, "apiVersion", "apps/v1");
  wry_put_str(revision, "kind", "ControllerRevision");
  wry_put_str(meta, "name", name);
  wry_put_str(meta, "namespace", wry_meta_str(turn->vm, "namespace"));
  json_object_array_add(wry_put_array(meta, "ownerReferences"), wry_owner_reference(turn->vm));
  wry_put(wry_put_object(revision, "data"), "spec", wry_json_copy(wry_json_get(turn->vm, "spec")));
  wry_put_int(revision, "revision", wry_meta_generation(turn->vm));
  wry_act_create(turn->actions, WRY_ON_REVISION, revision);
}

static void fail(WryVmTurn *turn, char *take_problem) {
  g_free(turn->problem);
  turn->problem = take_problem;
  turn->problem_reason = "FailedCreate";
}

/* What it was made from. */
static void complete_status(WryJson *vmi, const char *revision) {
  wry_put_str(wry_child(vmi, "status"), "virtualMachineRevisionName", revision);
}

/* The VMI as it would come out of admission. New reference; NULL: turn->problem says why. */
static WryJson *make_instance(WryVmTurn *turn) {
  const WryWorld *world = turn->world;
  g_autoptr(GError) error = NULL;
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_autofree char *account = g_strdup_printf("system:serviceaccount:%s:kubevirt-controller", world->install_namespace ? world->install_namespace : "kubevirt");
  WryReview review = {.config = world->config, .rules = WRY_RULES_IN_CLUSTER, .install_namespace = world->install_namespace, .find = world->find, .find_data = world->find_data,
                      .random_uuid = world->random_uuid, .uuid_data = world->uuid_data};
  WryVmi *vmi = wry_vm_start(&review, turn->object, &error);
  if (!vmi) {
    fail(turn, g_strdup(error->message));
    return NULL;
  }
  if (wry_opt_bool(turn->state->startPaused, FALSE) && !vmi->spec->startStrategy) vmi->spec->startStrategy = g_strdup("Paused");
  g_autoptr(WryJson) request = wry_encode(&wry_vmi_type, vmi);
  wry_struct_free(&wry_vmi_type, vmi);
  g_auto(WryVerdict) verdict = {.stage = WRY_STAGE_ALLOWED};
  review.user = account;
  if (wry_review(&review, request, causes, &verdict)) return wry_encode(verdict.type, verdict.object);
  fail(turn, wry_causes_text(causes));
  return NULL;
}

gboolean wry_vm_turn_start(WryVmTurn *turn) {
  WryJson *vmi = make_instance(turn);
  if (!vmi) return FALSE;
  g_autofree char *revision = wry_vm_revision_name(turn->vm);
  complete_status(vmi, revision);
  make_revision(turn, revision);
  wry_act_create(turn->actions, WRY_ON_VMI, vmi);
  wry_act_event(turn->actions, WRY_ON_VM, turn->vm, FALSE, "SuccessfulCreate", "Started the virtual machine by creating the new virtual machine instance %s", wry_meta_str(turn->vm, "name"));
  return TRUE;
}
