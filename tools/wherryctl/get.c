/* get, events, describe. */
#include "tools/wherryctl/jsonpath.h"
#include "tools/wherryctl/objects.h"
#include "wherry/error.h"
#include <stdio.h>
#include <string.h>

/* ---- output formats ---- */

static gboolean print_json(WryJson *object, const char *argument, GError **error) {
  (void)argument, (void)error;
  puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE));
  return TRUE;
}

static gboolean print_yaml(WryJson *object, const char *argument, GError **error) {
  g_autofree char *text = wry_yaml_write(object);
  (void)argument, (void)error;
  fputs(text, stdout);
  return TRUE;
}

static gboolean print_path(WryJson *object, const char *argument, GError **error) {
  g_autofree char *text = wry_jsonpath_print(argument, object, error);
  if (text)
    fputs(text, stdout);
  return text != NULL;
}

static gboolean print_name(WryJson *object, const char *argument, GError **error) {
  WryJson *items = wry_json_get(object, "items");
  (void)argument, (void)error;
  for (gsize i = 0; items ? i < json_object_array_length(items) : i < 1; i++) {
    g_autofree char *name = wry_object_qualified_name(items ? json_object_array_get_idx(items, i) : object);
    puts(name);
  }
  return TRUE;
}

typedef struct { const char *name; gboolean (*print)(WryJson *object, const char *argument, GError **error); } Format;
static const Format formats[] = {{"json", print_json}, {"yaml", print_yaml}, {"name", print_name}, {"jsonpath", print_path}};

/* The format of -o; NULL for tables. */
static gboolean find_format(const char *output, const Format **ret, const char **ret_argument, GError **error) {
  *ret = NULL;
  *ret_argument = NULL;
  if (!output || strcmp(output, "wide") == 0)
    return TRUE;
  const char *equals = strchr(output, '=');
  gsize n = equals ? (gsize)(equals - output) : strlen(output);
  for (gsize i = 0; i < G_N_ELEMENTS(formats); i++)
    if (strlen(formats[i].name) == n && strncmp(formats[i].name, output, n) == 0)
      *ret = &formats[i];
  *ret_argument = equals ? equals + 1 : NULL;
  if (*ret && (strcmp((*ret)->name, "jsonpath") == 0) == (equals != NULL))
    return TRUE;
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: unable to match a printer suitable for the output format \"%s\", allowed formats are: json,jsonpath=TEMPLATE,name,wide,yaml", output);
  return FALSE;
}

static WryJson *list_of(GPtrArray *objects) {
  WryJson *list = json_object_new_object(), *items = json_object_new_array(), *meta = json_object_new_object();
  for (guint i = 0; i < objects->len; i++)
    json_object_array_add(items, json_object_get(objects->pdata[i]));
  json_object_object_add(list, "apiVersion", json_object_new_string("v1"));
  json_object_object_add(list, "items", items);
  json_object_object_add(list, "kind", json_object_new_string("List"));
  json_object_object_add(meta, "resourceVersion", json_object_new_string(""));
  json_object_object_add(list, "metadata", meta);
  return list;
}

/* ---- get ---- */

typedef struct {
  WryTable *table;
  const Format *format;
  const char *argument;
  gboolean synced;
  GError *error;
} Watcher;

static gboolean show_change(const char *type, WryJson *object, gpointer data) {
  Watcher *w = data;
  w->synced |= strcmp(type, "BOOKMARK") == 0;
  if (object && w->format && !w->format->print(object, w->argument, &w->error))
    return FALSE;
  if (object && !w->format)
    wry_table_add(w->table, object);
  if (w->synced && !w->format)
    wry_table_flush(w->table);
  fflush(stdout); /* who reads a pipe waits for it too */
  return TRUE;
}

static int show_watch(const WryArgs *args, const WryKindName *kind, const char *name, Watcher *w, GError **error) {
  gboolean ok = wry_objects_each(args, kind, name, TRUE, -1, show_change, w, error);
  if (w->error)
    g_propagate_error(error, g_steal_pointer(&w->error));
  return ok ? 0 : 1;
}

static int show_list(const WryArgs *args, GPtrArray *objects, Watcher *w, GError **error) {
  if (w->format) {
    g_autoptr(WryJson) list = list_of(objects);
    return w->format->print(list, w->argument, error) ? 0 : 1;
  }
  for (guint i = 0; i < objects->len; i++)
    wry_table_add(w->table, objects->pdata[i]);
  wry_table_flush(w->table);
  if (objects->len == 0 && args->all_namespaces)
    fputs("No resources found\n", stderr);
  else if (objects->len == 0)
    fprintf(stderr, "No resources found in %s namespace.\n", wry_args_namespace(args));
  return 0;
}

static int show(const WryArgs *args, const WryKindName *kind, const char *name, gboolean qualified, GError **error) {
  Watcher w = {0};
  if (!find_format(args->output, &w.format, &w.argument, error))
    return 2;
  w.table = wry_table_new(kind, args->all_namespaces, args->output && strcmp(args->output, "wide") == 0, qualified);
  int status = 1;
  if (args->watch) {
    status = show_watch(args, kind, name, &w, error);
  } else if (name && strcmp(kind->kind, "Event") != 0) {
    g_autoptr(WryJson) object = wry_object_fetch(args, kind, name, error);
    if (object && w.format)
      status = w.format->print(object, w.argument, error) ? 0 : 1;
    else if (object) {
      wry_table_add(w.table, object);
      wry_table_flush(w.table);
      status = 0;
    }
  } else {
    g_autoptr(GPtrArray) objects = wry_objects_fetch(args, kind, name, error);
    status = objects ? show_list(args, objects, &w, error) : 1;
  }
  wry_table_free(w.table);
  return status;
}

/* "vm,vmi": one table a kind; one list of all for other formats. */
static int get_kinds(const WryArgs *args, GError **error) {
  g_auto(GStrv) names = g_strsplit(args->args[0], ",", -1);
  g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)wry_json_put);
  Watcher w = {0};
  if (!find_format(args->output, &w.format, &w.argument, error))
    return 2;
  for (guint i = 0; names[i]; i++) {
    WryArgs one = *args;
    one.args = (char *[]){names[i], args->args[1], NULL};
    const WryKindName *kind;
    const char *name;
    if (!wry_kind_and_name(&one, &kind, &name, error))
      return 1;
    if (!w.format) {
      if (i)
        putchar('\n');
      if (show(args, kind, name, TRUE, error) != 0)
        return 1;
      continue;
    }
    g_autoptr(GPtrArray) objects = wry_objects_fetch(args, kind, name, error);
    if (!objects)
      return 1;
    for (guint k = 0; k < objects->len; k++)
      g_ptr_array_add(all, json_object_get(objects->pdata[k]));
  }
  return w.format ? show_list(args, all, &w, error) : 0;
}

int wry_cmd_get(const WryArgs *args, GError **error) {
  const WryKindName *kind;
  const char *name;
  if (strchr(args->args[0], ','))
    return get_kinds(args, error);
  if (!wry_kind_and_name(args, &kind, &name, error))
    return 1;
  return show(args, kind, name, FALSE, error);
}

int wry_cmd_events(const WryArgs *args, GError **error) {
  const WryKindName *kind = wry_kind_find("event"), *about;
  const char *name = NULL;
  if (args->args[0] && !wry_kind_and_name(args, &about, &name, error))
    return 1;
  return show(args, kind, name, FALSE, error);
}

/* ---- describe ---- */

static void print_indented(const char *text, int indent) {
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i] && (lines[i][0] || lines[i + 1]); i++)
    printf("%*s%s\n", indent, "", lines[i]);
}

static void print_map(const char *title, WryJson *map) {
  const char *lead = title;
  if (!json_object_is_type(map, json_type_object) || json_object_object_length(map) == 0) {
    printf("%-14s<none>\n", title);
    return;
  }
  json_object_object_foreach(map, key, value) {
    printf("%-14s%s=%s\n", lead, key, json_object_get_string(value));
    lead = "";
  }
}

static void print_section(const char *title, WryJson *value) {
  g_autofree char *text = value ? wry_yaml_write(value) : NULL;
  if (!text)
    return;
  printf("%s:\n", title);
  print_indented(text, 2);
}

static void print_events(const WryArgs *args, WryJson *object) {
  WryArgs of = *args;
  of.namespace_ = (char *)wry_json_str(wry_json_get(object, "metadata"), "namespace");
  of.all_namespaces = FALSE;
  const WryKindName *kind = wry_kind_find("event");
  g_autoptr(GPtrArray) events = wry_objects_fetch(&of, kind, wry_json_str(wry_json_get(object, "metadata"), "name"), NULL);
  const char *about = wry_json_str(object, "kind");
  gboolean any = FALSE;
  for (guint i = 0; events && i < events->len; i++) {
    WryJson *e = events->pdata[i];
    if (g_strcmp0(wry_json_str(wry_json_get(e, "involvedObject"), "kind"), about) != 0)
      continue;
    g_autofree char *age = wry_age(wry_json_str(e, "lastTimestamp"));
    if (!any)
      printf("Events:\n  %-8s %-24s %-6s %s\n", "Type", "Reason", "Age", "Message");
    any = TRUE;
    printf("  %-8s %-24s %-6s %s\n", wry_json_str(e, "type"), wry_json_str(e, "reason"), age, wry_json_str(e, "message"));
  }
  if (!any)
    puts("Events:       <none>");
}

static void describe(const WryArgs *args, WryJson *object) {
  static const char *const skip[] = {"name", "namespace", "labels", "annotations", "managedFields"};
  WryJson *meta = wry_json_get(object, "metadata");
  g_autoptr(WryJson) rest = json_object_new_object();
  printf("%-14s%s\n%-14s%s\n", "Name:", wry_json_str(meta, "name"), "Namespace:", wry_json_str(meta, "namespace") ? wry_json_str(meta, "namespace") : "");
  print_map("Labels:", wry_json_get(meta, "labels"));
  print_map("Annotations:", wry_json_get(meta, "annotations"));
  printf("%-14s%s\n%-14s%s\n", "API Version:", wry_json_str(object, "apiVersion"), "Kind:", wry_json_str(object, "kind"));
  json_object_object_foreach(meta, key, value) {
    gboolean shown = FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(skip); i++)
      shown |= strcmp(skip[i], key) == 0;
    if (!shown)
      json_object_object_add(rest, key, json_object_get(value));
  }
  print_section("Metadata", rest);
  print_section("Spec", wry_json_get(object, "spec"));
  print_section("Data", wry_json_get(object, "data"));
  print_section("Status", wry_json_get(object, "status"));
  print_events(args, object);
}

/* A Secret's values are not for the screen: their sizes are. */
static void hide_secrets(WryJson *object) {
  WryJson *data = wry_json_get(object, "data");
  if (g_strcmp0(wry_json_str(object, "kind"), "Secret") != 0 || !json_object_is_type(data, json_type_object))
    return;
  WryJson *sizes = json_object_new_object();
  json_object_object_foreach(data, key, value) {
    gsize n = 0;
    g_free(g_base64_decode(json_object_get_string(value), &n));
    g_autofree char *text = g_strdup_printf("%zu bytes", n);
    json_object_object_add(sizes, key, json_object_new_string(text));
  }
  json_object_object_add(object, "data", sizes);
}

int wry_cmd_describe(const WryArgs *args, GError **error) {
  const WryKindName *kind;
  const char *name;
  if (!wry_kind_and_name(args, &kind, &name, error))
    return 1;
  g_autoptr(GPtrArray) objects = g_ptr_array_new_with_free_func((GDestroyNotify)wry_json_put);
  if (name) {
    WryJson *one = wry_object_fetch(args, kind, name, error);
    if (!one)
      return 1;
    g_ptr_array_add(objects, one);
  } else {
    g_ptr_array_unref(objects);
    objects = wry_objects_fetch(args, kind, NULL, error);
  }
  for (guint i = 0; objects && i < objects->len; i++) {
    if (i)
      puts("\n");
    hide_secrets(objects->pdata[i]);
    describe(args, objects->pdata[i]);
  }
  return objects ? 0 : 1;
}
