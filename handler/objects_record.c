/* One object as the text of a state record, and admission of a document with what is known of its object.
 *
 * How it works: a record is JSON: {"format", "kind", "file", "digest", "version", "object", "state"}; object and state are written and read by their field tables. Data of Secrets
 * and ConfigMaps is left out: it stands in the manifest and is read from there. A record of a newer format is refused, not guessed.
 * Relies on: fields.h, spec.h. Pure. */
#include "handler/objects.h"
#include "handler/volumes.h"

#include "wherry/limits.h"
#include "wherry/vpath.h"

#define RECORD_FORMAT 1

static gboolean keeps_data(WryObjectKind kind) { return kind != WRY_OBJECT_SECRET && kind != WRY_OBJECT_CONFIG_MAP; }

static void put_string(WryJson *object, const char *key, const char *value) {
  if (value) json_object_object_add(object, key, json_object_new_string(value));
}

char *wry_object_encode(const WryObject *object) {
  g_autoptr(WryJson) record = json_object_new_object();
  json_object_object_add(record, "format", json_object_new_int(RECORD_FORMAT));
  put_string(record, "kind", wry_object_kind_name(object->kind));
  put_string(record, "file", object->file);
  if (keeps_data(object->kind)) put_string(record, "digest", object->digest);
  json_object_object_add(record, "version", json_object_new_int64((gint64)object->version));
  WryJson *body = wry_encode(wry_object_kind_type(object->kind), object->typed);
  if (!keeps_data(object->kind))
    for (const char *const *key = (const char *const[]){"data", "stringData", "binaryData", NULL}; *key; key++) json_object_object_del(body, *key);
  json_object_object_add(record, "object", body);
  if (object->state) json_object_object_add(record, "state", wry_encode(&wry_guest_state_type, object->state));
  return g_strdup(json_object_to_json_string_ext(record, JSON_C_TO_STRING_PLAIN));
}

static gboolean decode_parts(WryObject *object, WryJson *record, GError **error) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  object->typed = wry_decode(wry_object_kind_type(object->kind), wry_json_get(record, "object"), "object", causes);
  WryJson *state = wry_json_get(record, "state");
  if (state) object->state = wry_decode(&wry_guest_state_type, state, "state", causes);
  const WryMeta *meta = object->typed ? wry_object_meta(object) : NULL;
  gboolean whole = meta && meta->uid && meta->name && meta->namespace_ && wry_object_is_guest(object) == (object->state != NULL);
  if (whole && wry_causes_count(causes) == 0 && (!object->state || !object->state->vmi || object->state->vmi->object)) return TRUE;
  g_autofree char *text = wry_causes_text(causes);
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "the record does not hold an object: %s", *text ? text : "parts are missing");
  return FALSE;
}

WryObject *wry_object_decode(const char *text, gsize length, GError **error) {
  g_autoptr(WryJson) record = wry_json_parse(text, length, error);
  if (!record) return NULL;
  gint64 format = wry_json_int(record, "format", 0);
  if (format > RECORD_FORMAT) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED, "written by a newer version (format %" G_GINT64_FORMAT ", known is %d)", format, RECORD_FORMAT);
    return NULL;
  }
  WryObjectKind kind = wry_object_kind_parse(wry_json_str(record, "kind"));
  if (format < 1 || kind == WRY_OBJECT_KINDS) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "not a record of an object");
    return NULL;
  }
  WryObject *object = g_new0(WryObject, 1);
  object->kind = kind;
  object->file = g_strdup(wry_json_str(record, "file"));
  object->digest = g_strdup(wry_json_str(record, "digest"));
  object->version = (guint64)MAX(wry_json_int(record, "version", 1), 1);
  if (decode_parts(object, record, error)) return object;
  wry_object_free(object);
  return NULL;
}

/* --- documents ----------------------------------------------------------------------------------------------------------------------------------------- */
/* Of the canonical text: the order of keys is no difference. */
char *wry_document_digest(WryJson *document) {
  g_autofree char *text = wry_yaml_write(document);
  return g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
}

gboolean wry_document_key(WryJson *document, WryObjectKind *ret_kind, const char **ret_namespace, const char **ret_name) {
  WryJson *meta = wry_json_get(document, "metadata");
  *ret_kind = wry_object_kind_parse(wry_json_str(document, "kind"));
  *ret_name = meta ? wry_json_str(meta, "name") : NULL;
  *ret_namespace = meta ? wry_json_str(meta, "namespace") : NULL;
  if (!*ret_namespace || !**ret_namespace) *ret_namespace = "default";
  return *ret_kind != WRY_OBJECT_KINDS && *ret_name && **ret_name;
}

static WryJson *member_object(WryJson *object, const char *key) {
  WryJson *member = wry_json_get(object, key);
  if (!member) {
    member = json_object_new_object();
    json_object_object_add(object, key, member);
  }
  return json_object_is_type(member, json_type_object) ? member : NULL;
}

/* What only a server writes: a manifest made by `get -o yaml` carries it. */
static void drop_server_fields(WryJson *document, WryJson *meta) {
  static const char *const fields[] = {"uid", "generation", "resourceVersion", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
                                       "managedFields", "selfLink", "ownerReferences", "finalizers"};
  json_object_object_del(document, "status");
  for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) json_object_object_del(meta, fields[i]);
}

static void put_if_absent(WryJson *object, const char *key, const char *value) {
  const char *now = wry_json_str(object, key);
  if (value && (!now || !*now)) json_object_object_add(object, key, json_object_new_string(value));
}

static void keep_firmware(WryJson *document, const WryObject *known) {
  WryJson *domain = wry_json_path(document, known->kind == WRY_OBJECT_VM ? "spec.template.spec.domain" : "spec.domain");
  if (!domain || !json_object_is_type(domain, json_type_object) || (!known->state->firmwareUuid && !known->state->firmwareSerial)) return;
  WryJson *firmware = member_object(domain, "firmware");
  if (!firmware) return;
  put_if_absent(firmware, "uuid", known->state->firmwareUuid);
  put_if_absent(firmware, "serial", known->state->firmwareSerial);
}

static void check_names(const char *namespace_, const char *name, WryCauses *causes) {
  if (!name)
    wry_causes_add(causes, WRY_CAUSE_REQUIRED, "metadata.name", "name is required");
  else if (!wry_vname_valid(name))
    wry_causes_add(causes, WRY_CAUSE_INVALID, "metadata.name", "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'");
  if (!wry_vname_valid(namespace_) || strlen(namespace_) > 63)
    wry_causes_add(causes, WRY_CAUSE_INVALID, "metadata.namespace", "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', at most 63");
}

/* As an API server does: what a claim has it keeps. */
static gpointer refuse_shrink(const WryObject *known, gpointer take_typed, WryCauses *causes) {
  if (!take_typed || wry_claim_size(take_typed) >= wry_claim_size(known->typed)) return take_typed;
  wry_causes_add(causes, WRY_CAUSE_FORBIDDEN, "spec.resources.requests.storage", "field can not be less than status.capacity: a claim never shrinks");
  wry_struct_free(&wry_pvc_type, take_typed);
  return NULL;
}

gpointer wry_objects_admit(WryObjects *objects, WryJson *document, const WryConfig *config, WryObjectKind *ret_kind, WryCauses *causes) {
  const char *namespace_, *name;
  WryJson *copy = NULL;
  json_object_deep_copy(document, &copy, NULL);
  g_autoptr(WryJson) owned = copy;
  if (!owned) return NULL;
  WryJson *meta = member_object(owned, "metadata");
  gboolean named = wry_document_key(owned, ret_kind, &namespace_, &name);
  if (meta && *ret_kind != WRY_OBJECT_KINDS) check_names(namespace_, name, causes);
  if (wry_causes_count(causes) > 0) return NULL;
  const WryObject *known = named ? wry_objects_find(objects, *ret_kind, namespace_, name) : NULL;
  if (meta && named) {
    drop_server_fields(owned, meta);
    put_if_absent(meta, "namespace", namespace_);
    if (known && known->state) keep_firmware(owned, known);
  }
  gpointer typed = wry_object_admit(owned, config, WRY_RULES_THIS_VERSION, NULL, causes);
  return known && *ret_kind == WRY_OBJECT_PVC ? refuse_shrink(known, typed, causes) : typed;
}
