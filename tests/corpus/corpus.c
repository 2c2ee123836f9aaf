/* Compares Wherry with a behaviour corpus of KubeVirt: a directory of *.jsonl files, one case per line (object, configuration, and what KubeVirt answers).
 *
 * For each case up to six things are compared: the verdict, the causes (in order: reason and innermost field name; KubeVirt's malformed paths are translated by
 * fields.tsv), whether the paths of our causes resolve in the object (of what is missing: in its schema), the defaulted object, the VirtualMachineInstance
 * that a VirtualMachine makes, and what users and schedulers see of the launcher pod (pod_facts.c). A comparison that disagrees must be listed in differences.tsv
 * with its reason, and a listed one must disagree. Prints agreed/total per topic.
 *
 * usage: corpus DIRECTORY TABLES [CASE...]     with cases: prints what was expected and what was found for them
 * Relies on the corpus' own normalisation: "<random>" for made-up uuids, "<time>" for times. */
#include <stdio.h>
#include <string.h>

#include "handler/controller/pod.h"
#include "tests/corpus/pod_facts.h"
#include "wherry/limits.h"
#include "wherry/spec_review.h"

enum { VERDICT, CAUSES, PATHS, DEFAULTED, INSTANCE, POD, ASPECTS };
static const char *const aspect_names[ASPECTS] = {"verdict", "causes", "paths", "defaulted", "vmi", "pod"};

typedef struct { guint agreed[ASPECTS], total[ASPECTS]; } Count;

typedef struct {
  GHashTable *fields;      /* KubeVirt's path with [] for indices -> innermost name in Wherry */
  GHashTable *differences; /* "case aspect" -> reason */
  char **shown;            /* cases to print */
  guint passed, failed, skipped;
} Run;

typedef struct {
  WryJson *line, *object, *cluster;
  const char *name;
  WryConfig *config;
} Case;

/* --- tables ---------------------------------------------------------------------------------------------------------------------------------------------- */
static GHashTable *read_table(const char *directory, const char *file, guint keys) {
  GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_autofree char *path = g_build_filename(directory, file, NULL), *text = NULL;
  g_autoptr(GError) error = NULL;
  if (!g_file_get_contents(path, &text, NULL, &error)) {
    g_printerr("%s\n", error->message);
    return table;
  }
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    g_auto(GStrv) parts = g_strsplit(lines[i], "\t", (gint)keys + 1);
    if (lines[i][0] == '#' || g_strv_length(parts) <= keys) continue;
    g_autofree char *value = g_strdup(parts[keys]);
    g_clear_pointer(&parts[keys], g_free);
    g_hash_table_insert(table, g_strjoinv(" ", parts), g_steal_pointer(&value));
  }
  return table;
}

/* --- the world of a case ---------------------------------------------------------------------------------------------------------------------------------- */
static gboolean is_named(WryJson *object, const char *kind, const char *name) {
  WryJson *meta = wry_json_get(object, "metadata");
  return !g_strcmp0(wry_json_str(object, "kind"), kind) && (!name || !g_strcmp0(wry_json_str(meta, "name"), name));
}

static WryJson *find_object(gpointer data, const char *kind, const char *namespace_, const char *name) {
  WryJson *cluster = data, *all = name ? NULL : json_object_new_array();
  (void)namespace_;
  for (gsize i = 0; cluster && i < json_object_array_length(cluster); i++) {
    WryJson *object = json_object_array_get_idx(cluster, i);
    if (!is_named(object, kind, name)) continue;
    if (name) return json_object_get(object);
    json_object_array_add(all, json_object_get(object));
  }
  return all;
}

static char *no_uuid(gpointer data) {
  (void)data;
  return g_strdup("<random>");
}

static WryReview review_of(const Case *c) {
  WryJson *user = wry_json_get(c->line, "user");
  return (WryReview){
      .config = c->config,
      .rules = WRY_RULES_KUBEVIRT,
      .old = wry_json_get(c->line, "old"),
      .user = user ? wry_json_str(user, "username") : NULL,
      .user_extra = user ? wry_json_get(user, "extra") : NULL,
      .find = find_object,
      .find_data = c->cluster,
      .random_uuid = no_uuid,
  };
}

/* --- what is compared ------------------------------------------------------------------------------------------------------------------------------------- */
/* "spec.volumes[2].name" -> "spec.volumes[].name" */
static char *without_indices(const char *path) {
  GString *text = g_string_new(NULL);
  for (; *path; path++) {
    g_string_append_c(text, *path);
    if (*path == '[' && g_ascii_isdigit(path[1])) path += strspn(path + 1, "0123456789");
  }
  return g_string_free(text, FALSE);
}

static char *innermost(const char *path) {
  g_autofree char *plain = without_indices(path);
  char *dot = strrchr(plain, '.');
  char *name = g_strdup(dot ? dot + 1 : plain);
  gsize length = strlen(name);
  if (g_str_has_suffix(name, "[]")) name[length - 2] = '\0';
  return name;
}

static char *their_name(const Run *run, const char *path) {
  g_autofree char *plain = without_indices(path);
  const char *ours = g_hash_table_lookup(run->fields, plain);
  return ours ? g_strdup(ours) : innermost(path);
}

/* A cause that KubeVirt gives twice (its network rules run twice) counts once. */
static void add_once(GPtrArray *list, GHashTable *seen, const char *reason, const char *path, char *name) {
  char *whole = g_strdup_printf("%s %s", reason, path);
  if (g_hash_table_add(seen, whole)) g_ptr_array_add(list, g_strdup_printf("%s %s", reason, name));
  g_free(name);
}

static GPtrArray *their_causes(const Run *run, WryJson *causes, gboolean once) {
  GPtrArray *list = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (gsize i = 0; i < json_object_array_length(causes); i++) {
    WryJson *cause = json_object_array_get_idx(causes, i);
    const char *path = wry_json_str(cause, "field");
    if (!once) g_hash_table_remove_all(seen);
    add_once(list, seen, wry_json_str(cause, "reason"), path, their_name(run, path));
  }
  return list;
}

static GPtrArray *our_causes(const WryCauses *causes) {
  GPtrArray *list = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < wry_causes_count(causes); i++) {
    const WryCause *cause = wry_causes_get(causes, i);
    add_once(list, seen, cause->reason, cause->field, innermost(cause->field));
  }
  return list;
}

/* "reason name", theirs with alternatives "reason name|name", or "reason *": KubeVirt names no field. */
static gboolean same_cause(const char *theirs, const char *ours) {
  const char *space = strchr(theirs, ' '), *own = strchr(ours, ' ');
  if (space - theirs != own - ours || strncmp(theirs, ours, (gsize)(space - theirs))) return FALSE;
  if (!strcmp(space + 1, "*")) return TRUE;
  g_auto(GStrv) names = g_strsplit(space + 1, "|", -1);
  return g_strv_contains((const char *const *)names, own + 1);
}

/* KubeVirt cuts its list after ten. */
static gboolean same_causes(GPtrArray *theirs, GPtrArray *ours, gboolean cut) {
  if (cut ? ours->len < theirs->len : ours->len != theirs->len) return FALSE;
  for (guint i = 0; i < theirs->len; i++)
    if (!same_cause(g_ptr_array_index(theirs, i), g_ptr_array_index(ours, i))) return FALSE;
  return TRUE;
}

static void hide_times(WryJson *object) {
  WryJson *list = wry_json_path(object, "status.phaseTransitionTimestamps");
  for (gsize i = 0; list && i < json_object_array_length(list); i++)
    json_object_object_add(json_object_array_get_idx(list, i), "phaseTransitionTimestamp", json_object_new_string("<time>"));
}

/* A uuid that the input did not give is "<random>", also one that a preset gave. */
static void hide_uuid(WryJson *object, WryJson *input) {
  WryJson *firmware = wry_json_path(object, "spec.domain.firmware");
  if (firmware && wry_json_get(firmware, "uuid") && !wry_json_path(input, "spec.domain.firmware.uuid"))
    json_object_object_add(firmware, "uuid", json_object_new_string("<random>"));
}

/* First path where two values differ, as new text; NULL: equal. */
static char *difference(WryJson *theirs, WryJson *ours, const char *path) {
  if (json_object_equal(theirs, ours)) return NULL;
  if (theirs && ours && json_object_is_type(theirs, json_type_object) && json_object_is_type(ours, json_type_object)) {
    json_object_object_foreach(theirs, key, value) {
      g_autofree char *deeper = g_strdup_printf("%s.%s", path, key);
      char *found = difference(value, wry_json_get(ours, key), deeper);
      if (found) return found;
    }
    json_object_object_foreach(ours, more, extra) {
      g_autofree char *deeper = g_strdup_printf("%s.%s", path, more);
      if (!wry_json_get(theirs, more) && extra) return difference(NULL, extra, deeper);
    }
  }
  gboolean lists = theirs && ours && json_object_is_type(theirs, json_type_array) && json_object_is_type(ours, json_type_array);
  for (gsize i = 0; lists && i < json_object_array_length(theirs); i++) {
    g_autofree char *deeper = g_strdup_printf("%s[%zu]", path, i);
    char *found = difference(json_object_array_get_idx(theirs, i), json_object_array_get_idx(ours, i), deeper);
    if (found) return found;
  }
  return g_strdup_printf("%s: expected %s, found %s", path, theirs ? json_object_to_json_string(theirs) : "nothing",
                         ours ? json_object_to_json_string(ours) : "nothing");
}

/* --- counting --------------------------------------------------------------------------------------------------------------------------------------------- */
static void settle(Run *run, Count *count, const Case *c, int aspect, gboolean agrees, const char *detail) {
  g_autofree char *key = g_strdup_printf("%s %s", c->name, aspect_names[aspect]);
  const char *reason = g_hash_table_lookup(run->differences, key);
  gboolean listed = reason != NULL;
  count->total[aspect]++;
  count->agreed[aspect] += agrees != FALSE;
  if (agrees && !listed) run->passed++;
  if (!agrees && listed) {
    run->skipped++;
    g_print("SKIP %s: %s\n", key, reason);
  }
  if (agrees == listed) {
    run->failed++;
    g_print("FAIL %s: %s\n", key, agrees ? "listed as different, but agrees" : detail);
  }
}

static void compare_causes(Run *run, Count *count, const Case *c, WryJson *verdict, const WryCauses *causes) {
  WryJson *list = wry_json_get(verdict, "causes");
  g_autoptr(GPtrArray) theirs = their_causes(run, list, TRUE), all = their_causes(run, list, FALSE), ours = our_causes(causes);
  gboolean cut = json_object_array_length(list) == WRY_MAX_CAUSES_SHOWN;
  g_ptr_array_add(theirs, NULL);
  g_ptr_array_add(ours, NULL);
  g_autofree char *expected = g_strjoinv(" | ", (char **)theirs->pdata), *found = g_strjoinv(" | ", (char **)ours->pdata);
  g_autofree char *detail = g_strdup_printf("expected %s\n     found    %s", expected, found);
  g_ptr_array_set_size(theirs, (gint)theirs->len - 1);
  g_ptr_array_set_size(ours, (gint)ours->len - 1);
  settle(run, count, c, CAUSES, same_causes(theirs, ours, cut) || same_causes(all, ours, cut), detail);
}

static void add_row(const char *path, const WryField *field, gpointer data) {
  (void)field;
  g_hash_table_add(data, g_strdup(path));
}

/* Its last step cut off: a key in brackets belongs to the map before it. */
static char *parent_of(const char *path) {
  const char *map = strstr(path, "annotations[");
  const char *end = map ? map + strlen("annotations") : strrchr(path, '.');
  return g_strndup(path, end ? (gsize)(end - path) : 0);
}

/* A value that is not there must be a field that there is, or a key of a map. */
static gboolean resolves(WryJson *object, GHashTable *rows, const char *path) {
  g_autofree char *plain = without_indices(path), *parent = parent_of(path), *plain_parent = without_indices(parent);
  return wry_json_path(object, path) || g_hash_table_contains(rows, plain) || wry_json_path(object, parent) || g_hash_table_contains(rows, plain_parent);
}

static void check_paths(Run *run, Count *count, const Case *c, const WryVerdict *verdict, const WryCauses *causes) {
  g_autoptr(WryJson) object = verdict->object ? wry_encode(verdict->type, verdict->object) : NULL;
  g_autoptr(GHashTable) rows = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  const char *lost = NULL;
  if (verdict->type) wry_fields_walk(verdict->type, "", add_row, rows);
  for (guint i = 0; object && i < wry_causes_count(causes); i++)
    if (!resolves(object, rows, wry_causes_get(causes, i)->field)) lost = wry_causes_get(causes, i)->field;
  settle(run, count, c, PATHS, !lost, lost);
}

static void compare_object(Run *run, Count *count, const Case *c, int aspect, WryJson *theirs, const WryType *type, gconstpointer object) {
  g_autoptr(WryJson) ours = object ? wry_encode(type, object) : NULL;
  if (ours) hide_times(ours);
  if (ours && aspect == DEFAULTED) hide_uuid(ours, c->object);
  g_autofree char *detail = difference(theirs, ours, "");
  settle(run, count, c, aspect, detail == NULL, detail);
}

/* KubeVirt's own figures for memory beside the guest's (contract 5.6 and 0). */
static const WryPodCosts kubevirt_costs = {220 << 20, 8 << 20, 8 << 20, 32 << 20, 128 << 20, 1 << 30, 1 << 20, 10 << 20, 100 << 20, 256 << 20, 53 << 20, 100 << 20, 250 << 20};

static void compare_pod(Run *run, Count *count, const Case *c, WryVmi *vmi) {
  WryJson *theirs = wry_json_get(c->line, "pod");
  if (!theirs) return;
  const WryPodWorld world = {.config = c->config, .costs = &kubevirt_costs, .image = "launcher", .find = find_object, .find_data = c->cluster};
  g_autoptr(GError) error = NULL;
  g_free(vmi->metadata->uid);
  vmi->metadata->uid = g_strdup("<uid>");
  g_autoptr(WryJson) pod = wry_pod_render(vmi, &world, &error), expected = NULL;
  if (!pod || wry_json_bool(theirs, "error", FALSE)) {
    settle(run, count, c, POD, !pod && wry_json_bool(theirs, "error", FALSE), pod ? "is rendered" : error->message);
    return;
  }
  g_autoptr(WryJson) ours = pod_facts(pod);
  json_object_deep_copy(theirs, &expected, NULL);
  pod_facts_expect(expected);
  g_autofree char *detail = difference(expected, ours, "");
  settle(run, count, c, POD, detail == NULL, detail);
}

/* What the VM controller would create, reviewed as its own request. It may be refused: then there is none to compare. */
static void compare_instance(Run *run, Count *count, const Case *c, const WryVerdict *verdict) {
  WryJson *theirs = wry_json_get(c->line, "vmi");
  if (!theirs) return;
  WryVm *vm = verdict->object;
  WryReview review = review_of(c);
  g_autoptr(GError) error = NULL;
  if (vm && !vm->metadata->uid) vm->metadata->uid = g_strdup("<uid>");
  WryVmi *vmi = vm ? wry_vm_start(&review, vm, &error) : NULL;
  if (!vmi || wry_json_bool(theirs, "startError", FALSE)) {
    settle(run, count, c, INSTANCE, !vmi && wry_json_bool(theirs, "startError", FALSE), vmi ? "starts" : error ? error->message : "refused");
    if (vmi) wry_struct_free(&wry_vmi_type, vmi);
    return;
  }
  g_autoptr(WryJson) object = wry_encode(&wry_vmi_type, vmi);
  wry_struct_free(&wry_vmi_type, vmi);
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_auto(WryVerdict) made = {.stage = WRY_STAGE_ALLOWED};
  review.old = NULL;
  review.user = "system:serviceaccount:kubevirt:kubevirt-controller";
  gboolean allowed = wry_review(&review, object, causes, &made);
  if (allowed != wry_json_bool(wry_json_get(theirs, "verdict"), "allowed", TRUE))
    settle(run, count, c, INSTANCE, FALSE, allowed ? "allowed" : "refused");
  else
    compare_object(run, count, c, INSTANCE, wry_json_get(theirs, "defaulted"), made.type, made.object);
  if (allowed) compare_pod(run, count, c, made.object);
}

static void show(const Case *c, const WryVerdict *verdict, const WryCauses *causes) {
  g_autoptr(WryJson) ours = verdict->object ? wry_encode(verdict->type, verdict->object) : NULL;
  g_autofree char *text = wry_causes_text(causes);
  g_print("case      %s\nconfig    %s\nobject    %s\nexpected  %s\nfound     %s\nexpected  %s\nfound     %s\n", c->name,
          json_object_to_json_string(wry_json_get(c->line, "config")), json_object_to_json_string(c->object),
          json_object_to_json_string(wry_json_get(c->line, "verdict")), text, json_object_to_json_string(wry_json_get(c->line, "defaulted")),
          json_object_to_json_string(ours));
}

static void compare(Run *run, Count *count, const Case *c) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_auto(WryVerdict) ours = {.stage = WRY_STAGE_ALLOWED};
  WryReview review = review_of(c);
  gboolean allowed = wry_review(&review, c->object, causes, &ours);
  WryJson *theirs = wry_json_get(c->line, "verdict"), *defaulted = wry_json_get(c->line, "defaulted");
  gboolean expected = wry_json_bool(theirs, "allowed", FALSE);
  const char *stage = wry_json_str(theirs, "stage");
  if (run->shown && g_strv_contains((const char *const *)run->shown, c->name)) show(c, &ours, causes);
  g_autofree char *text = wry_causes_text(causes);
  g_autofree char *detail = g_strdup_printf("expected %s, found %s: %s", expected ? "allowed" : "refused", allowed ? "allowed" : "refused", text);
  settle(run, count, c, VERDICT, allowed == expected, detail);
  if (!expected && !g_strcmp0(stage, "validating")) compare_causes(run, count, c, theirs, causes);
  if (!allowed) check_paths(run, count, c, &ours, causes);
  if (defaulted && g_strcmp0(stage, "schema")) compare_object(run, count, c, DEFAULTED, defaulted, ours.type, ours.object);
  compare_instance(run, count, c, &ours);
  if (allowed && ours.type == &wry_vmi_type) compare_pod(run, count, c, ours.object);
}

/* --- files ------------------------------------------------------------------------------------------------------------------------------------------------ */
static void run_line(Run *run, Count *count, const char *text) {
  g_autoptr(GError) error = NULL;
  g_autoptr(WryJson) line = wry_json_parse(text, strlen(text), &error);
  if (!line) {
    g_print("FAIL a line cannot be read: %s\n", error->message);
    run->failed++;
    return;
  }
  const char *arch = wry_json_str(line, "defaultArchitecture");
  Case c = {.line = line, .object = wry_json_get(line, "object"), .cluster = wry_json_get(line, "cluster"), .name = wry_json_str(line, "name")};
  c.config = wry_config_new(wry_json_get(line, "config"), arch ? arch : "amd64", &error);
  if (c.config) compare(run, count, &c);
  wry_config_free(c.config);
}

static void print_count(const char *topic, const Count *count) {
  g_print("%-16s", topic);
  for (guint i = 0; i < ASPECTS; i++) g_print("  %s %u/%u", aspect_names[i], count->agreed[i], count->total[i]);
  g_print("\n");
}

static Count run_file(Run *run, const char *directory, const char *file) {
  Count count = {{0}, {0}};
  g_autofree char *path = g_build_filename(directory, file, NULL), *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL)) return count;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    if (*lines[i]) run_line(run, &count, lines[i]);
  return count;
}

static gint by_name(gconstpointer a, gconstpointer b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static GPtrArray *corpus_files(const char *directory) {
  GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));)
    if (g_str_has_suffix(name, ".jsonl")) g_ptr_array_add(files, g_strdup(name));
  g_ptr_array_sort(files, by_name);
  return files;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    g_printerr("usage: corpus DIRECTORY TABLES [CASE...]\n");
    return 2;
  }
  Run run = {.fields = read_table(argv[2], "fields.tsv", 1), .differences = read_table(argv[2], "differences.tsv", 2), .shown = argc > 3 ? argv + 3 : NULL};
  g_autoptr(GPtrArray) files = corpus_files(argv[1]);
  Count all = {{0}, {0}};
  for (guint i = 0; i < files->len; i++) {
    const char *file = g_ptr_array_index(files, i);
    Count count = run_file(&run, argv[1], file);
    g_autofree char *topic = g_strndup(file, strlen(file) - strlen(".jsonl"));
    print_count(topic, &count);
    for (guint a = 0; a < ASPECTS; a++) all.agreed[a] += count.agreed[a], all.total[a] += count.total[a];
  }
  print_count("all", &all);
  if (!files->len) g_print("SKIP corpus: no cases in %s\n", argv[1]);
  g_print("%u passed, %u failed, %u skipped\n", run.passed, run.failed, files->len ? run.skipped : 1);
  g_hash_table_unref(run.fields);
  g_hash_table_unref(run.differences);
  return run.failed ? 1 : 0;
}
