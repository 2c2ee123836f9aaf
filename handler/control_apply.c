/* Apply and Delete: changes of the manifest directory in the name of a client.
 *
 * How it works: all documents are admitted first; then each is written where its object stands, or into a file of its own, and the source takes those files in at once, so the answer tells
 * what came of it. What the handler keeps is never changed by another way.
 * Relies on: source.h, manifests.h. */
#include "handler/control.h"
#include "handler/guest.h"
#include "wherry/limits.h"

static const char *or_default(const char *namespace_) { return namespace_ && *namespace_ ? namespace_ : "default"; }

/* Causes of all documents, with the file and line before each message. */
static void collect(const WryCauses *from, const WryLines *lines, const char *file, WryCauses *into) {
  for (guint i = 0; i < wry_causes_count(from) && wry_causes_get(from, i); i++) {
    const WryCause *cause = wry_causes_get(from, i);
    guint line = wry_lines_find(lines, cause->field);
    if (line)
      wry_causes_add(into, cause->reason, cause->field, "%s:%u: %s", file, line, cause->message);
    else
      wry_causes_add(into, cause->reason, cause->field, "%s: %s", file, cause->message);
  }
}

static void set_namespace(WryJson *document, const char *namespace_) {
  WryJson *meta = wry_json_get(document, "metadata");
  const char *own = meta ? wry_json_str(meta, "namespace") : NULL;
  if (meta && json_object_is_type(meta, json_type_object) && (!own || !*own)) json_object_object_add(meta, "namespace", json_object_new_string(namespace_));
}

static gboolean admit_all(WryFleet *fleet, GPtrArray *documents, const WryControlApply *apply, WryCauses *causes) {
  const char *file = apply->fileName ? apply->fileName : "manifest";
  for (guint i = 0; i < documents->len; i++) {
    WryDocument *document = documents->pdata[i];
    g_autoptr(WryCauses) own = wry_causes_new();
    WryObjectKind kind;
    set_namespace(document->object, or_default(apply->namespace_));
    gpointer typed = wry_objects_admit(wry_fleet_objects(fleet), document->object, wry_source_config(wry_fleet_source(fleet)), &kind, own);
    if (typed) wry_struct_free(wry_object_kind_type(kind), typed);
    collect(own, document->lines, file, causes);
  }
  return wry_causes_count(causes) == 0;
}

static const char *action_of(WryFleet *fleet, WryJson *document, WryObjectKind kind, const char *namespace_, const char *name) {
  const WryObject *known = wry_objects_find(wry_fleet_objects(fleet), kind, namespace_, name);
  if (!known || known->removed) return "created";
  g_autofree char *digest = wry_document_digest(document);
  return g_strcmp0(digest, known->digest) == 0 && !known->problem ? "unchanged" : "configured";
}

static void add_result(GPtrArray *results, WryJson *document, WryObjectKind kind, const char *namespace_, const char *name, const char *action) {
  WryControlResult *result = g_new0(WryControlResult, 1);
  result->kind = g_strdup(wry_object_kind_name(kind));
  result->apiVersion = g_strdup(wry_json_str(document, "apiVersion"));
  result->namespace_ = g_strdup(namespace_);
  result->name = g_strdup(name);
  result->action = g_strdup(action);
  g_ptr_array_add(results, result);
}

/* Writes one document where its object stands. */
static gboolean store(WryFleet *fleet, WryJson *document, WryObjectKind kind, const char *namespace_, const char *name, GPtrArray *files, GError **error) {
  const WryObject *known = wry_objects_find(wry_fleet_objects(fleet), kind, namespace_, name);
  g_autofree char *file = known && known->file && !known->removed ? g_strdup(known->file) : wry_manifest_new_name(kind, namespace_, name);
  if (!wry_manifest_store(wry_fleet_options(fleet)->manifests_fd, file, kind, namespace_, name, document, error)) return FALSE;
  g_ptr_array_add(files, g_steal_pointer(&file));
  return TRUE;
}

static gboolean apply_one(WryFleet *fleet, WryJson *document, gboolean dry_run, GPtrArray *results, GPtrArray *files, GError **error) {
  WryObjectKind kind;
  const char *namespace_, *name;
  wry_document_key(document, &kind, &namespace_, &name);
  const char *action = action_of(fleet, document, kind, namespace_, name);
  if (!dry_run && strcmp(action, "unchanged") != 0 && !store(fleet, document, kind, namespace_, name, files, error)) return FALSE;
  add_result(results, document, kind, namespace_, name, action);
  return TRUE;
}

/* The objects of a cluster's node are its API server's. */
static gboolean refuse_in_cluster(WryClient *client) {
  gboolean cluster = wry_fleet_options(wry_client_fleet(client))->pods != NULL;
  if (cluster) wry_client_fail(client, 405, "MethodNotAllowed", "this node belongs to a cluster: its objects are changed with kubectl", NULL);
  return cluster;
}

void wry_control_apply(WryClient *client, gconstpointer parameters) {
  const WryControlApply *apply = parameters;
  WryFleet *fleet = wry_client_fleet(client);
  g_autoptr(GError) error = NULL;
  g_autoptr(WryCauses) causes = wry_causes_new();
  if (refuse_in_cluster(client)) return;
  if (!apply->manifest) {
    wry_client_standard(client, "InvalidParameter", "parameter", "manifest");
    return;
  }
  g_autoptr(GPtrArray) documents = wry_manifest_parse(apply->manifest, strlen(apply->manifest), &error);
  if (!documents) {
    g_prefix_error(&error, "%s: ", apply->fileName ? apply->fileName : "manifest");
    wry_client_fail(client, 400, "BadRequest", error->message, NULL);
    return;
  }
  if (!admit_all(fleet, documents, apply, causes)) {
    g_autofree char *text = wry_causes_text(causes);
    wry_client_fail(client, 422, "Invalid", text, causes);
    return;
  }
  WryControlResults *results = wry_struct_new(&wry_control_results_type);
  g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
  results->results = g_ptr_array_new();
  for (guint i = 0; !error && i < documents->len; i++)
    apply_one(fleet, ((WryDocument *)documents->pdata[i])->object, wry_opt_bool(apply->dryRun, FALSE), results->results, files, &error);
  if (files->len) wry_source_files(wry_fleet_source(fleet), files);
  if (error)
    wry_client_fail_error(client, error);
  else
    wry_client_reply_struct(client, &wry_control_results_type, results);
  wry_struct_free(&wry_control_results_type, results);
}

/* --- Delete -------------------------------------------------------------------------------------------------------------------------------------------- */
/* A VMI of a VM has no manifest: deleting it stops it, and the VM's run strategy decides what comes after. */
static void delete_instance(WryClient *client, WryGuest *guest, gint64 grace) {
  g_autoptr(WryJson) object = wry_guest_vmi_json(guest);
  WryControlObject reply = {NULL, object};
  g_autoptr(WryJson) encoded = wry_encode(&wry_control_object_type, &reply);
  wry_guest_stop(guest, grace);
  wry_fleet_kick(guest);
  wry_client_reply(client, g_steal_pointer(&encoded), FALSE, -1);
}

static void delete_manifest(WryClient *client, WryObject *object, WryJson *take_shown, gint64 grace) {
  WryFleet *fleet = wry_client_fleet(client);
  const WryMeta *meta = wry_object_meta(object);
  g_autoptr(WryJson) shown = take_shown;
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
  WryControlObject reply = {NULL, shown};
  g_autoptr(WryJson) encoded = wry_encode(&wry_control_object_type, &reply);
  if (grace >= 0 && object->state) object->state->stopGraceSeconds = (WryOptInt){TRUE, grace};
  g_ptr_array_add(files, g_strdup(object->file ? object->file : ""));
  if (!object->removed && object->file && !wry_manifest_store(wry_fleet_options(fleet)->manifests_fd, object->file, object->kind, meta->namespace_, meta->name, NULL, &error)) {
    wry_client_fail_error(client, error);
    return;
  }
  WryGuest *guest = object->state ? wry_fleet_find(fleet, object->kind, meta->namespace_, meta->name) : NULL;
  if (guest && grace >= 0 && wry_guest_vmi(guest) && wry_guest_vmi(guest)->deletionTimestamp) wry_guest_stop(guest, grace);
  wry_source_files(wry_fleet_source(fleet), files);
  wry_client_reply(client, g_steal_pointer(&encoded), FALSE, -1);
}

void wry_control_delete(WryClient *client, gconstpointer parameters) {
  const WryControlDelete *call = parameters;
  WryFleet *fleet = wry_client_fleet(client);
  WryObjectKind kind = wry_object_kind_parse(call->kind);
  const char *namespace_ = or_default(call->namespace_), *name = call->name;
  gint64 grace = call->gracePeriodSeconds.set ? MAX(call->gracePeriodSeconds.v, 0) : -1;
  if (refuse_in_cluster(client)) return;
  if (kind == WRY_OBJECT_KINDS || !name) {
    wry_client_standard(client, "InvalidParameter", "parameter", name ? "kind" : "name");
    return;
  }
  WryObject *object = wry_objects_find(wry_fleet_objects(fleet), kind, namespace_, name);
  WryGuest *guest = !object && kind == WRY_OBJECT_VMI ? wry_fleet_find(fleet, kind, namespace_, name) : NULL;
  g_autoptr(GPtrArray) shown = wry_fleet_list(fleet, kind, namespace_, name);
  if (guest)
    delete_instance(client, guest, grace);
  else if (object && shown->len)
    delete_manifest(client, object, json_object_get(shown->pdata[0]), grace);
  else
    wry_client_not_found(client, kind, name);
}
