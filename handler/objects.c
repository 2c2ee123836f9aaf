/* The table of known objects: by kind, namespace and name, with uid, generation, resourceVersion and slot.
 *
 * How it works: a hash table by "kind/namespace/name". An object is entered when its manifest was admitted and compared with what was known: a changed spec raises the
 * generation, as the API server does. Saving is the caller's decision, so that several changes of one turn are one write.
 * Relies on: objects_record.c for the text of a record, record.h for its two slots. */
#include "handler/objects.h"

#include "wherry/limits.h"
#include "wherry/record.h"
#include "wherry/vpath.h"

struct WryObjects {
  GHashTable *table; /* key -> WryObject */
  int dirfd;
  guint64 version;
};

static const struct { const char *name, *resource; const WryType *type; } kinds[WRY_OBJECT_KINDS] = {
  [WRY_OBJECT_KUBEVIRT] = {"KubeVirt", "kubevirts.kubevirt.io", &wry_kubevirt_type},
  [WRY_OBJECT_PVC] = {"PersistentVolumeClaim", "persistentvolumeclaims", &wry_pvc_type},
  [WRY_OBJECT_SECRET] = {"Secret", "secrets", &wry_secret_type},
  [WRY_OBJECT_CONFIG_MAP] = {"ConfigMap", "configmaps", &wry_config_map_type},
  [WRY_OBJECT_VM] = {"VirtualMachine", "virtualmachines.kubevirt.io", &wry_vm_type},
  [WRY_OBJECT_VMI] = {"VirtualMachineInstance", "virtualmachineinstances.kubevirt.io", &wry_vmi_type},
};

const char *wry_object_kind_name(WryObjectKind kind) { return (guint)kind < WRY_OBJECT_KINDS ? kinds[kind].name : "?"; }
const char *wry_object_kind_resource(WryObjectKind kind) { return (guint)kind < WRY_OBJECT_KINDS ? kinds[kind].resource : "?"; }
const WryType *wry_object_kind_type(WryObjectKind kind) { return kinds[kind].type; }

WryObjectKind wry_object_kind_parse(const char *name) {
  WryObjectKind kind = 0;
  while (kind < WRY_OBJECT_KINDS && g_strcmp0(name, kinds[kind].name) != 0) kind++;
  return kind;
}

void wry_object_free(WryObject *object) {
  if (!object) return;
  if (object->typed) wry_struct_free(kinds[object->kind].type, object->typed);
  if (object->state) wry_struct_free(&wry_guest_state_type, object->state);
  g_free(object->file);
  g_free(object->digest);
  g_free(object->problem);
  g_free(object->saved);
  g_free(object->shown);
  g_free(object->shown_vmi);
  g_free(object);
}

static void free_value(gpointer data) { wry_object_free(data); }

static char *key_of(WryObjectKind kind, const char *namespace_, const char *name) { return g_strdup_printf("%u/%s/%s", kind, namespace_, name); }

static char *key_of_object(const WryObject *object) {
  const WryMeta *meta = wry_object_meta(object);
  return key_of(object->kind, meta->namespace_, meta->name);
}

WryObjects *wry_objects_new(int dirfd) {
  WryObjects *objects = g_new0(WryObjects, 1);
  objects->table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_value);
  objects->dirfd = dirfd;
  objects->version = 1;
  return objects;
}

void wry_objects_free(WryObjects *objects) {
  if (!objects) return;
  g_hash_table_unref(objects->table);
  g_free(objects);
}

guint64 wry_objects_next_version(WryObjects *objects) { return ++objects->version; }

WryObject *wry_objects_find(WryObjects *objects, WryObjectKind kind, const char *namespace_, const char *name) {
  g_autofree char *key = key_of(kind, namespace_, name);
  return g_hash_table_lookup(objects->table, key);
}

WryObject *wry_objects_find_uid(WryObjects *objects, const char *uid) {
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, objects->table);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    if (g_strcmp0(wry_object_meta(value)->uid, uid) == 0) return value;
  return NULL;
}

static int by_name(gconstpointer a, gconstpointer b) {
  const WryObject *x = *(WryObject *const *)a, *y = *(WryObject *const *)b;
  int order = g_strcmp0(wry_object_meta(x)->namespace_, wry_object_meta(y)->namespace_);
  if (order == 0) order = g_strcmp0(wry_object_meta(x)->name, wry_object_meta(y)->name);
  return order ? order : (int)x->kind - (int)y->kind;
}

GPtrArray *wry_objects_list(WryObjects *objects, WryObjectKind kind) {
  GPtrArray *list = g_ptr_array_new();
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, objects->table);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    if (kind == WRY_OBJECT_KINDS || ((WryObject *)value)->kind == kind) g_ptr_array_add(list, value);
  g_ptr_array_sort(list, by_name);
  return list;
}

/* Lowest free slot; 0 when all are taken. */
static guint32 free_slot(WryObjects *objects) {
  g_autofree guint8 *used = g_new0(guint8, WRY_VM_SLOTS);
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, objects->table);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const WryGuestState *state = ((WryObject *)value)->state;
    if (state && state->slot.v > 0 && state->slot.v < WRY_VM_SLOTS) used[state->slot.v] = 1;
  }
  for (guint32 slot = 1; slot < WRY_VM_SLOTS; slot++)
    if (!used[slot]) return slot;
  return 0;
}

/* --- entering ------------------------------------------------------------------------------------------------------------------------------------------ */
static const WryFirmware *firmware_of(WryObjectKind kind, gpointer typed) {
  const WryVmiSpec *spec = kind == WRY_OBJECT_VMI ? ((WryVmi *)typed)->spec : kind == WRY_OBJECT_VM && ((WryVm *)typed)->spec && ((WryVm *)typed)->spec->template_ ? ((WryVm *)typed)->spec->template_->spec : NULL;
  return spec && spec->domain ? spec->domain->firmware : NULL;
}

static void fix_firmware(WryGuestState *state, const WryFirmware *firmware) {
  if (!firmware) return;
  if (!state->firmwareUuid && firmware->uuid) state->firmwareUuid = g_strdup(firmware->uuid);
  if (!state->firmwareSerial && firmware->serial) state->firmwareSerial = g_strdup(firmware->serial);
}

/* All but metadata and status, as text. */
static char *content_of(WryObjectKind kind, gpointer typed) {
  g_autoptr(WryJson) object = wry_encode(kinds[kind].type, typed);
  json_object_object_del(object, "metadata");
  json_object_object_del(object, "status");
  return g_strdup(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
}

static char *marks_of(const WryMeta *meta) {
  return g_strdup_printf("%s %s", meta->labels ? json_object_to_json_string_ext(meta->labels, JSON_C_TO_STRING_PLAIN) : "",
                         meta->annotations ? json_object_to_json_string_ext(meta->annotations, JSON_C_TO_STRING_PLAIN) : "");
}

static WryChange compare(const WryObject *object, gpointer typed) {
  g_autofree char *before = content_of(object->kind, object->typed), *after = content_of(object->kind, typed);
  if (strcmp(before, after) != 0) return WRY_CHANGE_SPEC;
  g_autofree char *marks_before = marks_of(wry_object_meta(object)), *marks_after = marks_of(((WryAnyObject *)typed)->metadata);
  return strcmp(marks_before, marks_after) != 0 ? WRY_CHANGE_META : WRY_CHANGE_NONE;
}

static void identify(WryMeta *meta, const char *uid, const char *created, gint64 generation) {
  g_free(meta->uid);
  g_free(meta->creationTimestamp);
  meta->uid = g_strdup(uid);
  meta->creationTimestamp = g_strdup(created);
  meta->generation = (WryOptInt){TRUE, generation};
}

static WryObject *enter_new(WryObjects *objects, WryObjectKind kind, gpointer take_typed, const char *now, GError **error) {
  WryObject *object = g_new0(WryObject, 1);
  object->kind = kind;
  object->typed = take_typed;
  if (wry_object_is_guest(object)) {
    guint32 slot = free_slot(objects);
    if (slot == 0) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_NO_SPACE, "this node has no room for another VM: %u are known", WRY_VM_SLOTS - 1);
      wry_object_free(object);
      return NULL;
    }
    object->state = wry_struct_new(&wry_guest_state_type);
    object->state->slot = (WryOptInt){TRUE, slot};
    fix_firmware(object->state, firmware_of(kind, take_typed));
  }
  g_autofree char *uid = g_uuid_string_random();
  identify(wry_object_meta(object), uid, now, 1);
  object->version = wry_objects_next_version(objects);
  g_hash_table_insert(objects->table, key_of_object(object), object);
  return object;
}

WryObject *wry_objects_put(WryObjects *objects, WryObjectKind kind, gpointer take_typed, const char *now, WryChange *ret_change, GError **error) {
  const WryMeta *meta = ((WryAnyObject *)take_typed)->metadata;
  WryObject *object = wry_objects_find(objects, kind, meta->namespace_, meta->name);
  if (!object) {
    *ret_change = WRY_CHANGE_NEW;
    return enter_new(objects, kind, take_typed, now, error);
  }
  *ret_change = compare(object, take_typed);
  const WryMeta *old = wry_object_meta(object);
  gint64 generation = old->generation.v + (*ret_change == WRY_CHANGE_SPEC);
  g_autofree char *uid = g_strdup(old->uid), *created = g_strdup(old->creationTimestamp);
  wry_struct_free(kinds[kind].type, object->typed);
  object->typed = take_typed;
  identify(wry_object_meta(object), uid, created, generation);
  if (*ret_change == WRY_CHANGE_SPEC && object->state) {
    g_clear_pointer(&object->state->strategy, g_free);
    fix_firmware(object->state, firmware_of(kind, take_typed));
  }
  if (*ret_change != WRY_CHANGE_NONE) object->version = wry_objects_next_version(objects);
  return object;
}

WryObject *wry_objects_put_known(WryObjects *objects, WryObjectKind kind, gpointer take_typed, WryChange *ret_change, GError **error) {
  WryMeta *meta = ((WryAnyObject *)take_typed)->metadata;
  g_autofree char *uid = g_strdup(meta->uid), *created = g_strdup(meta->creationTimestamp);
  gint64 generation = meta->generation.v;
  const WryObject *known = wry_objects_find(objects, kind, meta->namespace_, meta->name);
  if (known && g_strcmp0(wry_object_meta(known)->uid, uid) != 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_EXISTS, "an earlier %s has not ended yet", meta->name);
    wry_struct_free(kinds[kind].type, take_typed);
    return NULL;
  }
  WryObject *object = wry_objects_put(objects, kind, take_typed, created, ret_change, error);
  if (object) identify(wry_object_meta(object), uid, created, generation);
  return object;
}

/* --- records ------------------------------------------------------------------------------------------------------------------------------------------- */
gboolean wry_objects_save(WryObjects *objects, WryObject *object, GError **error) {
  if (objects->dirfd < 0) return TRUE;
  g_autofree char *text = wry_object_encode(object), *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
  if (g_strcmp0(object->saved, digest) == 0) return TRUE;
  if (!wry_record_write(objects->dirfd, wry_object_meta(object)->uid, text, strlen(text), error)) return FALSE;
  g_free(object->saved);
  object->saved = g_steal_pointer(&digest);
  return TRUE;
}

gboolean wry_objects_drop(WryObjects *objects, WryObject *object, GError **error) {
  gboolean removed = objects->dirfd < 0 || wry_record_remove(objects->dirfd, wry_object_meta(object)->uid, error);
  g_autofree char *key = key_of_object(object);
  g_hash_table_remove(objects->table, key);
  return removed;
}

/* "<uid>.a" and "<uid>.b" -> uids, each once. */
static GPtrArray *record_names(int dirfd, GError **error) {
  g_autoptr(GPtrArray) files = wry_vlist(dirfd, error);
  if (!files) return NULL;
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < files->len; i++) {
    const char *file = files->pdata[i];
    gsize length = strlen(file);
    if (length < 3 || (!g_str_has_suffix(file, ".a") && !g_str_has_suffix(file, ".b"))) continue;
    g_autofree char *name = g_strndup(file, length - 2);
    if (!g_ptr_array_find_with_equal_func(names, name, g_str_equal, NULL)) g_ptr_array_add(names, g_steal_pointer(&name));
  }
  return names;
}

static WryObject *load_one(int dirfd, const char *name, GError **error) {
  gsize length;
  g_autofree char *text = wry_record_read(dirfd, name, &length, NULL, error);
  WryObject *object = text ? wry_object_decode(text, length, error) : NULL;
  if (object && g_strcmp0(wry_object_meta(object)->uid, name) != 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "the record is of another object");
    g_clear_pointer(&object, wry_object_free);
  }
  return object;
}

gboolean wry_objects_load(WryObjects *objects, void (*broken)(const char *name, const GError *error, gpointer data), gpointer data, GError **error) {
  g_autoptr(GPtrArray) names = record_names(objects->dirfd, error);
  if (!names) return FALSE;
  for (guint i = 0; i < names->len; i++) {
    g_autoptr(GError) local = NULL;
    WryObject *object = load_one(objects->dirfd, names->pdata[i], &local);
    if (g_error_matches(local, WRY_ERROR, WRY_ERROR_UNSUPPORTED)) {
      g_propagate_prefixed_error(error, g_steal_pointer(&local), "record %s: ", (char *)names->pdata[i]);
      return FALSE;
    }
    if (!object) {
      broken(names->pdata[i], local, data);
      continue;
    }
    object->loaded = TRUE;
    objects->version = MAX(objects->version, object->version);
    g_hash_table_replace(objects->table, key_of_object(object), object);
  }
  objects->version += 1000000; /* numbers given out since the records were written */
  return TRUE;
}
