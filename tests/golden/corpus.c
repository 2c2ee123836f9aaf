/* Guest-visible facts compared with a behaviour corpus of KubeVirt: a directory of *.jsonl files, one case a line.
 *
 * A case counts when it creates a VirtualMachineInstance, KubeVirt has made a domain of it, and all fields that it uses are supported here. Where Wherry differs on purpose a row of
 * differences.tsv says so: case (* = any), path of the fact ([] for an index), what KubeVirt has, what Wherry has (* = anything, - = absent), reason. A row that is never needed
 * fails: the table does not outlive its reasons. */
#include "tests/golden/golden.h"

#include "launcher/domain/domain.h"
#include "tests/golden/facts.h"
#include "tests/golden/node.h"

#include <stdio.h>
#include <string.h>

enum { CASE, PATH, THEIRS, OURS, REASON, COLUMNS };

typedef struct { char **column; guint used; } Row;
typedef struct { char *path, *theirs, *ours; } Difference;
typedef struct { guint agree, differ, wrong, unsupported; } Count;

typedef struct {
  GPtrArray *rows;  /* Row */
  GPtrArray *found; /* Difference, of the case at hand */
} Comparison;

static void row_free(gpointer data) {
  g_strfreev(((Row *)data)->column);
  g_free(data);
}

static void difference_free(gpointer data) {
  Difference *d = data;
  g_free(d->path);
  g_free(d->theirs);
  g_free(d->ours);
  g_free(d);
}

static GPtrArray *read_rows(const char *path) {
  GPtrArray *rows = g_ptr_array_new_with_free_func(row_free);
  g_autofree char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, NULL)) return rows;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    if (!*lines[i] || *lines[i] == '#') continue;
    Row *row = g_new0(Row, 1);
    row->column = g_strsplit(lines[i], "\t", COLUMNS);
    g_ptr_array_add(rows, row);
    if (g_strv_length(row->column) != COLUMNS) g_error("%s: line %u has not %d columns", path, i + 1, COLUMNS);
  }
  return rows;
}

/* --- differences ----------------------------------------------------------------------------------------------------------------------------------------- */
static const char *plain(WryJson *value) {
  return value ? json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE) : "-";
}

static void differ(Comparison *c, const char *path, WryJson *theirs, WryJson *ours) {
  Difference *d = g_new0(Difference, 1);
  d->path = g_strdup(path);
  d->theirs = g_strdup(plain(theirs));
  d->ours = g_strdup(plain(ours));
  g_ptr_array_add(c->found, d);
}

static void walk(Comparison *c, const char *path, WryJson *theirs, WryJson *ours);

static void walk_object(Comparison *c, const char *path, WryJson *theirs, WryJson *ours) {
  json_object_object_foreach(theirs, key, value) {
    g_autofree char *below = *path ? g_strconcat(path, ".", key, NULL) : g_strdup(key);
    walk(c, below, value, wry_json_get(ours, key));
  }
  json_object_object_foreach(ours, other, extra) {
    g_autofree char *below = *path ? g_strconcat(path, ".", other, NULL) : g_strdup(other);
    if (!json_object_object_get_ex(theirs, other, NULL)) differ(c, below, NULL, extra);
  }
}

static void walk(Comparison *c, const char *path, WryJson *theirs, WryJson *ours) {
  if (json_object_is_type(theirs, json_type_object) && json_object_is_type(ours, json_type_object)) {
    walk_object(c, path, theirs, ours);
    return;
  }
  gboolean lists = json_object_is_type(theirs, json_type_array) && json_object_is_type(ours, json_type_array);
  if (lists && json_object_array_length(theirs) == json_object_array_length(ours)) {
    g_autofree char *below = g_strconcat(path, "[]", NULL);
    for (gsize i = 0; i < json_object_array_length(theirs); i++) walk(c, below, json_object_array_get_idx(theirs, i), json_object_array_get_idx(ours, i));
  } else if (!json_object_equal(theirs, ours))
    differ(c, path, theirs, ours);
}

static gboolean fits(const char *pattern, const char *text) {
  return g_str_equal(pattern, "*") || g_str_equal(pattern, text);
}

static gboolean wanted(Comparison *c, const char *name, const Difference *d) {
  for (guint i = 0; i < c->rows->len; i++) {
    Row *row = g_ptr_array_index(c->rows, i);
    if (!fits(row->column[CASE], name) || !fits(row->column[PATH], d->path) || !fits(row->column[THEIRS], d->theirs) || !fits(row->column[OURS], d->ours)) continue;
    row->used++;
    return TRUE;
  }
  return FALSE;
}

/* --- one case -------------------------------------------------------------------------------------------------------------------------------------------- */
/* Names of the volumes whose claim the case's cluster has as a block device. */
static char *block_volumes(WryJson *cluster, const WryVmiSpec *spec) {
  g_autoptr(GString) names = g_string_new(NULL);
  for (gsize i = 0; cluster && i < json_object_array_length(cluster); i++) {
    WryJson *object = json_object_array_get_idx(cluster, i);
    if (g_strcmp0(wry_json_str(wry_json_get(object, "spec"), "volumeMode"), "Block")) continue;
    const char *claim = wry_json_str(wry_json_get(object, "metadata"), "name");
    for (guint v = 0; spec->volumes && v < spec->volumes->len; v++) {
      const WryVolume *volume = g_ptr_array_index(spec->volumes, v);
      if (volume->persistentVolumeClaim && !g_strcmp0(volume->persistentVolumeClaim->claimName, claim)) g_string_append_printf(names, "%s,", volume->name);
    }
  }
  return g_string_free(g_steal_pointer(&names), FALSE);
}

static WryJson *facts_of(WryJson *line, const WryVmi *vmi, GError **error) {
  WryJson *cluster = wry_json_get(line, "cluster");
  g_autofree char *blocks = block_volumes(json_object_is_type(cluster, json_type_array) ? cluster : NULL, vmi->spec);
  g_autofree char *words = g_strdup_printf("mac=none arch=%s block=%s", vmi->spec->architecture ? vmi->spec->architecture : "amd64", blocks);
  g_autoptr(WryNode) node = wry_node_new(words, error);
  g_autofree char *xml = node ? wry_golden_xml(vmi, node, wry_json_path(line, "config.smbios"), error) : NULL;
  return xml ? wry_facts(xml) : NULL;
}

/* A uuid that the input did not give is not among the corpus' facts. */
static void drop_made_up(WryJson *line, WryJson *facts) {
  WryJson *system = wry_json_path(facts, "smbios.system");
  if (system && !wry_json_path(line, "object.spec.domain.firmware.uuid")) json_object_object_del(system, "uuid");
}

static void compare(Comparison *c, WryJson *line, WryJson *facts, const GError *error) {
  if (facts) {
    drop_made_up(line, facts);
    walk(c, "", wry_json_get(line, "guest"), facts);
    return;
  }
  g_autoptr(WryJson) text = json_object_new_string(error->message);
  differ(c, "error", NULL, text);
}

/* Architectures and fields. */
static gboolean all_supported(const WryVmi *vmi) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  const char *arch = vmi->spec ? vmi->spec->architecture : NULL;
  if (arch && !g_str_equal(arch, "amd64") && !g_str_equal(arch, "arm64")) return FALSE;
  wry_refuse_unsupported(&wry_vmi_type, vmi, WRY_F_UNSUPPORTED | WRY_F_BY_CLUSTER, "", causes);
  return wry_causes_count(causes) == 0;
}

static gboolean judge(Comparison *c, const char *name, Count *count) {
  guint unexpected = 0;
  for (guint i = 0; i < c->found->len; i++) {
    const Difference *d = g_ptr_array_index(c->found, i);
    if (wanted(c, name, d)) continue;
    if (!unexpected++) printf("  FAIL  %s\n", name);
    printf("        %s: KubeVirt %.300s, here %.300s\n", d->path, d->theirs, d->ours);
  }
  if (unexpected)
    count->wrong++;
  else if (c->found->len)
    count->differ++;
  else
    count->agree++;
  return unexpected == 0;
}

/* The object as KubeVirt's webhooks left it; that ours do the same is compared by tests/corpus. */
static WryVmi *defaulted_vmi(WryJson *line, WryCauses *causes) {
  WryVmi *vmi = wry_decode(&wry_vmi_type, wry_json_get(line, "defaulted"), "", causes);
  WryFirmware *firmware = vmi && vmi->spec && vmi->spec->domain ? vmi->spec->domain->firmware : NULL;
  if (!firmware || g_strcmp0(firmware->uuid, "<random>")) return vmi;
  g_free(firmware->uuid);
  firmware->uuid = wry_golden_uuid(NULL);
  return vmi;
}

static void run_case(Comparison *c, WryJson *line, Count *count) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  g_autoptr(GError) error = NULL;
  WryVmi *vmi = defaulted_vmi(line, causes);
  if (!vmi || !all_supported(vmi)) {
    count->unsupported++;
  } else {
    if (wry_causes_count(causes)) error = g_error_new(WRY_ERROR, WRY_ERROR_INVALID, "%s", wry_causes_get(causes, 0)->message);
    g_autoptr(WryJson) facts = error ? NULL : facts_of(line, vmi, &error);
    g_ptr_array_set_size(c->found, 0);
    compare(c, line, facts, error);
    judge(c, wry_json_str(line, "name"), count);
  }
  if (vmi) wry_struct_free(&wry_vmi_type, vmi);
}

static gboolean counts(WryJson *line) {
  WryJson *guest = wry_json_get(line, "guest"), *object = wry_json_get(line, "object");
  return guest && !wry_json_get(guest, "error") && !g_strcmp0(wry_json_str(line, "op"), "CREATE") && !g_strcmp0(wry_json_str(object, "kind"), "VirtualMachineInstance");
}

static void run_topic(Comparison *c, const char *corpus, const char *file, Count *all) {
  g_autofree char *path = g_build_filename(corpus, file, NULL), *text = NULL;
  Count count = {0};
  if (!g_file_get_contents(path, &text, NULL, NULL)) g_error("cannot read %s", path);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    g_autoptr(WryJson) line = *lines[i] ? json_tokener_parse(lines[i]) : NULL;
    if (line && counts(line)) run_case(c, line, &count);
  }
  guint total = count.agree + count.differ + count.wrong;
  if (total + count.unsupported == 0) return;
  printf("  %-20.*s %3u of %3u agree, %3u of them but for wanted differences; %3u use fields that are not supported here\n", (int)strcspn(file, "."), file, count.agree + count.differ, total,
         count.differ, count.unsupported);
  *all = (Count){all->agree + count.agree, all->differ + count.differ, all->wrong + count.wrong, all->unsupported + count.unsupported};
}

static gint by_name(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void wry_golden_corpus(const char *corpus, const char *differences, WryTally *tally) {
  Comparison c = {.rows = read_rows(differences), .found = g_ptr_array_new_with_free_func(difference_free)};
  g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GDir) dir = g_dir_open(corpus, 0, NULL);
  Count all = {0};
  for (const char *file = dir ? g_dir_read_name(dir) : NULL; file; file = g_dir_read_name(dir))
    if (g_str_has_suffix(file, ".jsonl")) g_ptr_array_add(files, g_strdup(file));
  g_ptr_array_sort(files, by_name);
  for (guint i = 0; i < files->len; i++) run_topic(&c, corpus, g_ptr_array_index(files, i), &all);
  for (guint i = 0; i < c.rows->len; i++) {
    const Row *row = g_ptr_array_index(c.rows, i);
    if (row->used) continue;
    printf("  FAIL  differences: the row %s %s is not needed\n", row->column[CASE], row->column[PATH]);
    all.wrong++;
  }
  printf("  corpus: %u agree, %u more but for wanted differences, %u disagree, %u not supported here\n", all.agree, all.differ, all.wrong, all.unsupported);
  tally->passed += all.agree + all.differ;
  tally->failed += all.wrong;
  g_ptr_array_unref(c.rows);
  g_ptr_array_unref(c.found);
}
