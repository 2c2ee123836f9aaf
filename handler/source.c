/* From manifest files to known objects.
 *
 * How it works: one batch of files at a time (all of them at the start, then those that inotify names). Documents of the batch are taken in the order of their kinds, so configuration
 * comes first; each is compared by digest with what is known, and only a changed one is admitted. An object whose file is in the batch but that no document names is gone,
 * unless the file has a part that could not be understood: then what it held before stays. An object belongs to the first file that defines it.
 * Relies on: manifests.h for files, objects.h for admission and records. */
#include "handler/source.h"

#include "wherry/vpath.h"

typedef struct {
  WryManifestFile *file;
  GPtrArray *problems; /* WryManifestProblem */
  gboolean unclear;    /* a part of it could not be understood */
} Entry;

typedef struct {
  Entry *entry;
  WryDocument *document;
  WryObjectKind kind;
  const char *namespace_, *name;
} Item;

struct WrySource {
  int dirfd;
  WryObjects *objects;
  const char *arch;
  const WrySourceCalls *calls;
  gpointer data;
  WryConfig *config;
  guint configured;     /* counts the configurations */
  GHashTable *problems; /* file name -> GPtrArray of WryManifestProblem */
  WryWatch *watch;
  GHashTable *dirty;    /* names since the last batch */
  gboolean all_dirty;
};

static void free_problem(gpointer data) {
  WryManifestProblem *problem = data;
  g_free(problem->file);
  g_free(problem->field);
  g_free(problem->reason);
  g_free(problem->message);
  g_free(problem);
}

static void add_problem(Entry *entry, guint line, const char *field, const char *reason, const char *message) {
  WryManifestProblem *problem = g_new0(WryManifestProblem, 1);
  problem->file = g_strdup(entry->file->name);
  problem->line = (WryOptInt){line > 0, line};
  problem->field = field && *field ? g_strdup(field) : NULL;
  problem->reason = g_strdup(reason);
  problem->message = g_strdup(message);
  g_ptr_array_add(entry->problems, problem);
}

static void free_entry(gpointer data) {
  Entry *entry = data;
  wry_manifest_free(entry->file);
  if (entry->problems) g_ptr_array_unref(entry->problems);
  g_free(entry);
}

static Entry *read_entry(WrySource *source, const char *name) {
  Entry *entry = g_new0(Entry, 1);
  entry->file = wry_manifest_read(source->dirfd, name);
  entry->problems = g_ptr_array_new_with_free_func(free_problem);
  entry->unclear = entry->file->error != NULL;
  if (entry->file->error) add_problem(entry, 0, NULL, wry_error_reason(entry->file->error->code), entry->file->error->message);
  return entry;
}

static Entry *find_entry(const GPtrArray *entries, const char *name) {
  for (guint i = 0; name && i < entries->len; i++)
    if (strcmp(((Entry *)entries->pdata[i])->file->name, name) == 0) return entries->pdata[i];
  return NULL;
}

/* "file:line: field: message" */
static char *problem_text(const WryManifestProblem *problem) {
  g_autofree char *line = problem->line.set ? g_strdup_printf(":%" G_GINT64_FORMAT, problem->line.v) : NULL;
  return g_strdup_printf("%s%s: %s%s%s", problem->file, line ? line : "", problem->field ? problem->field : "", problem->field ? ": " : "", problem->message);
}

static void set_problem(WryObject *object, const char *text) {
  g_free(object->problem);
  object->problem = g_strdup(text);
}

static void save(WrySource *source, WryObject *object) {
  g_autoptr(GError) error = NULL;
  if (!wry_objects_save(source->objects, object, &error)) source->calls->failed("state record", error, source->data);
}

/* --- one document -------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean same_text(char **slot, const char *text) {
  if (g_strcmp0(*slot, text) == 0) return TRUE;
  g_free(*slot);
  *slot = g_strdup(text);
  return FALSE;
}

/* A VirtualMachineInstance of the name would be the VM's own. */
static const WryObject *clash(WrySource *source, const Item *item) {
  if (item->kind != WRY_OBJECT_VM && item->kind != WRY_OBJECT_VMI) return NULL;
  return wry_objects_find(source->objects, item->kind == WRY_OBJECT_VM ? WRY_OBJECT_VMI : WRY_OBJECT_VM, item->namespace_, item->name);
}

/* TRUE when another file defines the object already; then the item is refused. */
static gboolean defined_elsewhere(WrySource *source, const Item *item, GHashTable *seen, const GPtrArray *entries, const char *key) {
  const WryObject *known = wry_objects_find(source->objects, item->kind, item->namespace_, item->name), *other = clash(source, item);
  const char *first = g_hash_table_lookup(seen, key), *file = known && !known->removed ? known->file : NULL;
  g_autofree char *message = NULL;
  if (!first && file && strcmp(file, item->entry->file->name) != 0 && !find_entry(entries, file) && wry_vexists(source->dirfd, file)) first = file;
  if (first) message = g_strdup_printf("%s %s/%s is defined in %s already", wry_object_kind_name(item->kind), item->namespace_, item->name, first);
  else if (other && !other->removed) message = g_strdup_printf("the name belongs to the %s of %s", wry_object_kind_name(other->kind), other->file ? other->file : "another file");
  if (message) add_problem(item->entry, wry_lines_find(item->document->lines, "metadata.name"), "metadata.name", WRY_CAUSE_DUPLICATE, message);
  return message != NULL;
}

static void refuse(WrySource *source, const Item *item, const WryCauses *causes) {
  WryObject *known = wry_objects_find(source->objects, item->kind, item->namespace_, item->name);
  guint first = item->entry->problems->len;
  for (guint i = 0; i < wry_causes_count(causes) && wry_causes_get(causes, i); i++) {
    const WryCause *cause = wry_causes_get(causes, i);
    add_problem(item->entry, wry_lines_find(item->document->lines, cause->field), cause->field, cause->reason, cause->message);
  }
  if (!known) return;
  g_autofree char *text = item->entry->problems->len > first ? problem_text(item->entry->problems->pdata[first]) : g_strdup("not admitted");
  set_problem(known, text);
  g_clear_pointer(&known->digest, g_free);
  if (!same_text(&known->file, item->entry->file->name)) save(source, known);
  source->calls->changed(known, WRY_CHANGE_NONE, source->data);
}

static void enter(WrySource *source, const Item *item, gpointer take_typed, const char *digest) {
  g_autoptr(GError) error = NULL;
  g_autofree char *now = wry_time_text(g_get_real_time() / G_USEC_PER_SEC);
  WryChange change;
  WryObject *object = wry_objects_put(source->objects, item->kind, take_typed, now, &change, &error);
  if (!object) {
    add_problem(item->entry, 0, NULL, wry_error_reason(error->code), error->message);
    return;
  }
  gboolean revived = object->removed;
  object->removed = FALSE;
  set_problem(object, NULL);
  gboolean moved = !same_text(&object->file, item->entry->file->name), other = !same_text(&object->digest, digest);
  if (change != WRY_CHANGE_NONE || moved || other) save(source, object);
  source->calls->changed(object, revived && change == WRY_CHANGE_NONE ? WRY_CHANGE_META : change, source->data);
}

static void take(WrySource *source, const Item *item, GHashTable *seen, const GPtrArray *entries) {
  char *key = g_strdup_printf("%u/%s/%s", item->kind, item->namespace_, item->name);
  if (defined_elsewhere(source, item, seen, entries, key)) {
    g_free(key);
    return;
  }
  g_hash_table_insert(seen, key, item->entry->file->name);
  WryObject *known = wry_objects_find(source->objects, item->kind, item->namespace_, item->name);
  g_autofree char *digest = wry_document_digest(item->document->object);
  if (known && !known->removed && g_strcmp0(known->digest, digest) == 0) {
    if (!same_text(&known->file, item->entry->file->name)) save(source, known);
    if (known->problem) {
      set_problem(known, NULL);
      source->calls->changed(known, WRY_CHANGE_NONE, source->data);
    }
    return;
  }
  g_autoptr(WryCauses) causes = wry_causes_new();
  WryObjectKind kind;
  gpointer typed = wry_objects_admit(source->objects, item->document->object, source->config, &kind, causes);
  if (typed)
    enter(source, item, typed, digest);
  else
    refuse(source, item, causes);
}

/* --- a batch ------------------------------------------------------------------------------------------------------------------------------------------- */
static int by_kind(gconstpointer a, gconstpointer b) {
  const Item *x = a, *y = b;
  return (int)x->kind - (int)y->kind;
}

/* A document that does not say what it is: its causes, with lines. */
static void refuse_unnamed(WrySource *source, Entry *entry, const WryDocument *document) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  WryObjectKind kind;
  gpointer typed = wry_objects_admit(source->objects, document->object, source->config, &kind, causes);
  if (typed) wry_struct_free(wry_object_kind_type(kind), typed);
  for (guint i = 0; i < wry_causes_count(causes) && wry_causes_get(causes, i); i++) {
    const WryCause *cause = wry_causes_get(causes, i);
    add_problem(entry, wry_lines_find(document->lines, cause->field), cause->field, cause->reason, cause->message);
  }
  entry->unclear = TRUE;
}

static GArray *items_of(WrySource *source, const GPtrArray *entries) {
  GArray *items = g_array_new(FALSE, FALSE, sizeof(Item));
  for (guint i = 0; i < entries->len; i++) {
    Entry *entry = entries->pdata[i];
    for (guint j = 0; j < entry->file->documents->len; j++) {
      Item item = {.entry = entry, .document = entry->file->documents->pdata[j]};
      if (wry_document_key(item.document->object, &item.kind, &item.namespace_, &item.name))
        g_array_append_val(items, item);
      else
        refuse_unnamed(source, entry, item.document);
    }
  }
  g_array_sort(items, by_kind);
  return items;
}

/* TRUE when a configuration is among what is gone. */
static gboolean find_gone(WrySource *source, const GPtrArray *entries, GHashTable *seen, gboolean full) {
  gboolean configuration = FALSE;
  g_autoptr(GPtrArray) known = wry_objects_list(source->objects, WRY_OBJECT_KINDS);
  for (guint i = 0; i < known->len; i++) {
    WryObject *object = known->pdata[i];
    const WryMeta *meta = wry_object_meta(object);
    const Entry *entry = find_entry(entries, object->file);
    g_autofree char *key = g_strdup_printf("%u/%s/%s", object->kind, meta->namespace_, meta->name);
    if (object->removed || g_hash_table_contains(seen, key) || (!entry && !full)) continue;
    if (entry && entry->unclear) {
      g_autofree char *text = entry->problems->len ? problem_text(entry->problems->pdata[0]) : NULL;
      set_problem(object, text);
      source->calls->changed(object, WRY_CHANGE_NONE, source->data);
      continue;
    }
    object->removed = TRUE;
    configuration = configuration || object->kind == WRY_OBJECT_KUBEVIRT;
    source->calls->gone(object, source->data);
  }
  return configuration;
}

static WryObject *concerned(WrySource *source, const Entry *entry) {
  for (guint i = 0; i < entry->file->documents->len; i++) {
    WryObjectKind kind;
    const char *namespace_, *name;
    if (!wry_document_key(((WryDocument *)entry->file->documents->pdata[i])->object, &kind, &namespace_, &name)) continue;
    WryObject *object = wry_objects_find(source->objects, kind, namespace_, name);
    if (object && object->problem) return object;
  }
  return NULL;
}

static gboolean same_problems(const GPtrArray *a, const GPtrArray *b) {
  if (!a || a->len != b->len) return FALSE;
  for (guint i = 0; i < a->len; i++) {
    g_autofree char *x = problem_text(a->pdata[i]), *y = problem_text(b->pdata[i]);
    if (strcmp(x, y) != 0) return FALSE;
  }
  return TRUE;
}

static void keep_problems(WrySource *source, Entry *entry) {
  if (entry->problems->len == 0) {
    g_hash_table_remove(source->problems, entry->file->name);
    return;
  }
  gboolean same = same_problems(g_hash_table_lookup(source->problems, entry->file->name), entry->problems);
  WryObject *object = concerned(source, entry);
  for (guint i = 0; !same && i < entry->problems->len; i++) source->calls->problem(entry->problems->pdata[i], object, source->data);
  g_hash_table_replace(source->problems, g_strdup(entry->file->name), g_steal_pointer(&entry->problems));
}

/* Puts the configuration of the first KubeVirt object in force; the old one stays when it is wrong. */
static void configure(WrySource *source) {
  g_autoptr(GPtrArray) list = wry_objects_list(source->objects, WRY_OBJECT_KUBEVIRT);
  WryJson *spec = list->len && !((WryObject *)list->pdata[0])->removed ? ((WryKubeVirt *)((WryObject *)list->pdata[0])->typed)->spec : NULL;
  g_autoptr(GError) error = NULL;
  WryConfig *config = wry_config_new(spec ? wry_json_get(spec, "configuration") : NULL, source->arch, &error);
  if (!config) {
    source->calls->failed("configuration", error, source->data);
    if (source->config) return;
    config = wry_config_new(NULL, source->arch, NULL);
  }
  if (source->config) wry_config_free(source->config);
  source->config = config;
  source->configured++;
}

static gboolean is_unlisted(gpointer name, gpointer value G_GNUC_UNUSED, gpointer entries) { return find_entry(entries, name) == NULL; }

/* Of files that are no longer there. */
static void forget_problems(WrySource *source, GPtrArray *entries) { g_hash_table_foreach_remove(source->problems, is_unlisted, entries); }

static void batch(WrySource *source, const GPtrArray *names, gboolean full) {
  g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(free_entry);
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < names->len; i++) g_ptr_array_add(entries, read_entry(source, names->pdata[i]));
  g_autoptr(GArray) items = items_of(source, entries);
  guint i = 0;
  for (; i < items->len && g_array_index(items, Item, i).kind == WRY_OBJECT_KUBEVIRT; i++) take(source, &g_array_index(items, Item, i), seen, entries);
  if (i > 0 || !source->config) configure(source);
  for (; i < items->len; i++) take(source, &g_array_index(items, Item, i), seen, entries);
  if (find_gone(source, entries, seen, full)) configure(source);
  if (full) forget_problems(source, entries);
  for (guint j = 0; j < entries->len; j++) keep_problems(source, entries->pdata[j]);
  source->calls->settled(source->data);
}

static GPtrArray *names_with_problems(const WrySource *source) {
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  GHashTableIter iter;
  gpointer name;
  g_hash_table_iter_init(&iter, source->problems);
  while (g_hash_table_iter_next(&iter, &name, NULL)) g_ptr_array_add(names, g_strdup(name));
  return names;
}

/* After a change of configuration what was refused may be admitted. */
static void batch_and_retry(WrySource *source, const GPtrArray *names, gboolean full) {
  guint before = source->configured;
  batch(source, names, full);
  if (before != source->configured) {
    g_autoptr(GPtrArray) again = names_with_problems(source);
    if (again->len) batch(source, again, FALSE);
  }
}

void wry_source_scan(WrySource *source) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) names = wry_manifest_names(source->dirfd, &error);
  if (names)
    batch_and_retry(source, names, TRUE);
  else
    source->calls->failed("manifest directory", error, source->data);
}

void wry_source_files(WrySource *source, const GPtrArray *names) { batch_and_retry(source, names, FALSE); }

static void on_changed(const char *name, gpointer data) {
  WrySource *source = data;
  if (!name)
    source->all_dirty = TRUE;
  else if (wry_manifest_name(name))
    g_hash_table_add(source->dirty, g_strdup(name));
}

static int by_text(gconstpointer a, gconstpointer b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void on_done(gpointer data) {
  WrySource *source = data;
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  GHashTableIter iter;
  gpointer name;
  g_hash_table_iter_init(&iter, source->dirty);
  while (g_hash_table_iter_next(&iter, &name, NULL)) g_ptr_array_add(names, g_strdup(name));
  g_hash_table_remove_all(source->dirty);
  g_ptr_array_sort(names, by_text);
  gboolean all = source->all_dirty;
  source->all_dirty = FALSE;
  if (all)
    wry_source_scan(source);
  else if (names->len)
    batch_and_retry(source, names, FALSE);
}

/* --- life ---------------------------------------------------------------------------------------------------------------------------------------------- */
WrySource *wry_source_new(int dirfd, WryObjects *objects, const char *arch, const WrySourceCalls *calls, gpointer data) {
  WrySource *source = g_new0(WrySource, 1);
  *source = (WrySource){.dirfd = dirfd, .objects = objects, .arch = arch, .calls = calls, .data = data};
  source->problems = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
  source->dirty = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  configure(source);
  return source;
}

void wry_source_free(WrySource *source) {
  if (!source) return;
  wry_watch_free(source->watch);
  g_hash_table_unref(source->problems);
  g_hash_table_unref(source->dirty);
  if (source->config) wry_config_free(source->config);
  g_free(source);
}

gboolean wry_source_watch(WrySource *source, GError **error) {
  source->watch = wry_watch_new(source->dirfd, on_changed, on_done, source, error);
  return source->watch != NULL;
}

gboolean wry_source_configure(WrySource *source, WryJson *configuration, GError **error) {
  WryConfig *config = wry_config_new(configuration, source->arch, error);
  if (!config) return FALSE;
  if (source->config) wry_config_free(source->config);
  source->config = config;
  source->configured++;
  return TRUE;
}

const WryConfig *wry_source_config(const WrySource *source) { return source->config; }

GPtrArray *wry_source_problems(const WrySource *source) {
  GPtrArray *all = g_ptr_array_new();
  g_autoptr(GPtrArray) names = names_with_problems(source);
  g_ptr_array_sort(names, by_text);
  for (guint i = 0; i < names->len; i++) {
    GPtrArray *list = g_hash_table_lookup(source->problems, names->pdata[i]);
    for (guint j = 0; j < list->len; j++) g_ptr_array_add(all, list->pdata[j]);
  }
  return all;
}
