/* Tables as kubectl prints them: columns by kind are rows here, each a heading and a JSONPath or a function; widths grow with the longest cell, three blanks apart. */
#include "tools/wherryctl/jsonpath.h"
#include "tools/wherryctl/objects.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct {
  const char *heading, *path;
  char *(*text)(WryJson *object); /* instead of path */
  gboolean wide;
} Column;

struct WryTable {
  const Column *columns;
  gboolean with_namespace, wide, qualified, headed;
  guint n, widths[16];
  GPtrArray *rows; /* GStrv */
};

static char *age_of(WryJson *object) {
  return wry_age(wry_json_str(wry_json_get(object, "metadata"), "creationTimestamp"));
}

static char *last_seen(WryJson *object) {
  const char *at = wry_json_str(object, "lastTimestamp");
  return wry_age(at ? at : wry_json_str(wry_json_get(object, "metadata"), "creationTimestamp"));
}

static char *event_object(WryJson *object) {
  WryJson *involved = wry_json_get(object, "involvedObject");
  g_autofree char *kind = g_ascii_strdown(wry_json_str(involved, "kind") ? wry_json_str(involved, "kind") : "", -1);
  return g_strdup_printf("%s/%s", kind, wry_json_str(involved, "name") ? wry_json_str(involved, "name") : "");
}

static char *members(WryJson *object) {
  WryJson *data = wry_json_get(object, "data");
  return g_strdup_printf("%d", json_object_is_type(data, json_type_object) ? json_object_object_length(data) : 0);
}

#define CONDITION(type) ".status.conditions[?(@.type==\"" type "\")].status"
static const Column vm[] = {{"AGE", NULL, age_of, FALSE}, {"STATUS", ".status.printableStatus", NULL, FALSE}, {"READY", CONDITION("Ready"), NULL, FALSE}, {0}};
static const Column vmi[] = {{"AGE", NULL, age_of, FALSE}, {"PHASE", ".status.phase", NULL, FALSE}, {"IP", ".status.interfaces[0].ipAddress", NULL, FALSE},
                             {"NODENAME", ".status.nodeName", NULL, FALSE}, {"READY", CONDITION("Ready"), NULL, FALSE},
                             {"LIVE-MIGRATABLE", CONDITION("LiveMigratable"), NULL, TRUE}, {"PAUSED", CONDITION("Paused"), NULL, TRUE}, {0}};
static const Column pvc[] = {{"STATUS", ".status.phase", NULL, FALSE}, {"VOLUME", ".spec.volumeName", NULL, FALSE}, {"CAPACITY", ".status.capacity.storage", NULL, FALSE},
                             {"ACCESS MODES", ".status.accessModes[*]", NULL, FALSE}, {"STORAGECLASS", ".spec.storageClassName", NULL, FALSE}, {"AGE", NULL, age_of, FALSE}, {0}};
static const Column secret[] = {{"TYPE", ".type", NULL, FALSE}, {"DATA", NULL, members, FALSE}, {"AGE", NULL, age_of, FALSE}, {0}};
static const Column config_map[] = {{"DATA", NULL, members, FALSE}, {"AGE", NULL, age_of, FALSE}, {0}};
static const Column kubevirt[] = {{"AGE", NULL, age_of, FALSE}, {"PHASE", ".status.phase", NULL, FALSE}, {0}};
static const Column event[] = {{"LAST SEEN", NULL, last_seen, FALSE}, {"TYPE", ".type", NULL, FALSE}, {"REASON", ".reason", NULL, FALSE}, {"OBJECT", NULL, event_object, FALSE},
                               {"MESSAGE", ".message", NULL, FALSE}, {0}};
static const struct { const char *kind; const Column *columns; } tables[] = {
    {"VirtualMachine", vm}, {"VirtualMachineInstance", vmi}, {"PersistentVolumeClaim", pvc}, {"Secret", secret}, {"ConfigMap", config_map}, {"KubeVirt", kubevirt}, {"Event", event}};

/* kubectl's HumanDuration: at most two units, fewer the longer it is. */
char *wry_age(const char *timestamp) {
  g_autoptr(GDateTime) then = timestamp ? g_date_time_new_from_iso8601(timestamp, NULL) : NULL;
  g_autoptr(GDateTime) now = g_date_time_new_now_utc();
  if (!then)
    return g_strdup("<unknown>");
  int s = (int)MAX(g_date_time_difference(now, then) / G_TIME_SPAN_SECOND, 0), m = s / 60, h = m / 60, d = h / 24;
  if (s < 120)
    return g_strdup_printf("%ds", s);
  if (m < 10)
    return s % 60 ? g_strdup_printf("%dm%ds", m, s % 60) : g_strdup_printf("%dm", m);
  if (m < 180)
    return g_strdup_printf("%dm", m);
  if (h < 8)
    return m % 60 ? g_strdup_printf("%dh%dm", h, m % 60) : g_strdup_printf("%dh", h);
  if (h < 48)
    return g_strdup_printf("%dh", h);
  if (d < 8)
    return h % 24 ? g_strdup_printf("%dd%dh", d, h % 24) : g_strdup_printf("%dd", d);
  return d < 730 ? g_strdup_printf("%dd", d) : g_strdup_printf("%dy", d / 365);
}

WryTable *wry_table_new(const WryKindName *kind, gboolean with_namespace, gboolean wide, gboolean qualified) {
  WryTable *table = g_new0(WryTable, 1);
  table->columns = config_map;
  for (gsize i = 0; i < G_N_ELEMENTS(tables); i++)
    if (strcmp(tables[i].kind, kind->kind) == 0)
      table->columns = tables[i].columns;
  table->with_namespace = with_namespace;
  table->wide = wide;
  table->qualified = qualified;
  table->rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
  return table;
}

void wry_table_free(WryTable *table) {
  if (!table)
    return;
  g_ptr_array_unref(table->rows);
  g_free(table);
}

static char *cell(const Column *column, WryJson *object) {
  if (column->text)
    return column->text(object);
  g_autoptr(GPtrArray) found = wry_jsonpath_find(column->path, object, NULL);
  GString *text = g_string_new(NULL);
  for (guint i = 0; found && i < found->len; i++) {
    g_autofree char *one = wry_jsonpath_text(found->pdata[i]);
    g_string_append_printf(text, "%s%s", i ? "," : "", one);
  }
  return g_string_free(text, FALSE);
}

static gboolean is_event(const WryTable *table) {
  return table->columns == event;
}

void wry_table_add(WryTable *table, WryJson *object) {
  GPtrArray *row = g_ptr_array_new();
  WryJson *meta = wry_json_get(object, "metadata");
  if (table->with_namespace)
    g_ptr_array_add(row, g_strdup(wry_json_str(meta, "namespace") ? wry_json_str(meta, "namespace") : ""));
  if (!is_event(table))
    g_ptr_array_add(row, table->qualified ? wry_object_qualified_name(object) : g_strdup(wry_json_str(meta, "name") ? wry_json_str(meta, "name") : ""));
  for (const Column *c = table->columns; c->heading; c++)
    if (!c->wide || table->wide)
      g_ptr_array_add(row, cell(c, object));
  g_ptr_array_add(row, NULL);
  g_ptr_array_add(table->rows, g_ptr_array_free(row, FALSE));
}

static GStrv heading(const WryTable *table) {
  GPtrArray *row = g_ptr_array_new();
  if (table->with_namespace)
    g_ptr_array_add(row, g_strdup("NAMESPACE"));
  if (!is_event(table))
    g_ptr_array_add(row, g_strdup("NAME"));
  for (const Column *c = table->columns; c->heading; c++)
    if (!c->wide || table->wide)
      g_ptr_array_add(row, g_strdup(c->heading));
  g_ptr_array_add(row, NULL);
  return (GStrv)g_ptr_array_free(row, FALSE);
}

static void measure(WryTable *table, GStrv row) {
  for (guint i = 0; row[i] && i < G_N_ELEMENTS(table->widths); i++)
    table->widths[i] = MAX(table->widths[i], (guint)g_utf8_strlen(row[i], -1));
}

static void print_row(const WryTable *table, GStrv row) {
  for (guint i = 0; row[i]; i++) {
    guint width = row[i + 1] && i < G_N_ELEMENTS(table->widths) ? table->widths[i] + 3 : 0, n = (guint)g_utf8_strlen(row[i], -1);
    printf("%s%*s", row[i], (int)(width > n ? width - n : 0), "");
  }
  putchar('\n');
}

void wry_table_flush(WryTable *table) {
  g_auto(GStrv) first = heading(table);
  if (!table->headed)
    measure(table, first);
  for (guint i = 0; i < table->rows->len; i++)
    measure(table, table->rows->pdata[i]);
  if (!table->headed && table->rows->len)
    print_row(table, first);
  table->headed |= table->rows->len > 0;
  for (guint i = 0; i < table->rows->len; i++)
    print_row(table, table->rows->pdata[i]);
  g_ptr_array_set_size(table->rows, 0);
  fflush(stdout);
}
