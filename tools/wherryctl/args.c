/* Command lines. GLib's option parser does the work; which flags a verb takes is decided by its row, so a flag of another verb is misuse. */
#include "tools/wherryctl/verb.h"
#include "wherry/error.h"
#include <string.h>

#define OPTION(letter, long_name, group, kind, member, text, value) {letter, long_name, group, kind, G_STRUCT_OFFSET(WryArgs, member), text, value}

typedef struct {
  char letter;
  const char *name;
  guint group; /* 0 = every verb */
  GOptionArg kind;
  gsize offset;
  const char *text, *value;
} Option;

static const Option options[] = {
    OPTION(0, "root", 0, G_OPTION_ARG_FILENAME, root, "root directory of the handler (or WHERRY_ROOT)", "DIR"),
    OPTION('h', "help", 0, G_OPTION_ARG_NONE, help, "show this help", NULL),
    OPTION('n', "namespace", WRY_ARG_NAMESPACE, G_OPTION_ARG_STRING, namespace_, "namespace", "NS"),
    OPTION('A', "all-namespaces", WRY_ARG_ALL, G_OPTION_ARG_NONE, all_namespaces, "all namespaces", NULL),
    OPTION('o', "output", WRY_ARG_OUTPUT, G_OPTION_ARG_STRING, output, "output format: wide, yaml, json, name, jsonpath=TEMPLATE", "FORMAT"),
    OPTION('w', "watch", WRY_ARG_WATCH, G_OPTION_ARG_NONE, watch, "go on showing changes", NULL),
    OPTION('f', "filename", WRY_ARG_FILE, G_OPTION_ARG_FILENAME_ARRAY, files, "file, directory or - for standard input", "FILE"),
    OPTION(0, "grace-period", WRY_ARG_GRACE, G_OPTION_ARG_INT64, grace_period, "seconds that the guest has to shut down", "N"),
    OPTION(0, "force", WRY_ARG_FORCE, G_OPTION_ARG_NONE, force, "without regard: stop now; console: take the writer's place", NULL),
    OPTION(0, "paused", WRY_ARG_PAUSED, G_OPTION_ARG_NONE, paused, "start with the guest's CPUs halted", NULL),
    OPTION(0, "dry-run", WRY_ARG_DRY_RUN, G_OPTION_ARG_NONE, dry_run, "check only, change nothing", NULL),
    OPTION(0, "timeout", WRY_ARG_TIMEOUT, G_OPTION_ARG_STRING, timeout, "how long to wait", "TIME"),
    OPTION(0, "for", WRY_ARG_FOR, G_OPTION_ARG_STRING, for_, "condition=NAME[=VALUE], delete or jsonpath={.PATH}[=VALUE]", "WHAT"),
    OPTION(0, "read-only", WRY_ARG_CONSOLE, G_OPTION_ARG_NONE, read_only, "watch without writing", NULL),
    OPTION('p', "previous", WRY_ARG_LOGS, G_OPTION_ARG_NONE, previous, "the log of the boot before", NULL),
    OPTION('f', "follow", WRY_ARG_LOGS, G_OPTION_ARG_NONE, follow, "go on as the log grows", NULL),
    OPTION(0, "proxy-only", WRY_ARG_VNC, G_OPTION_ARG_NONE, proxy_only, "listen on a local port, start no viewer", NULL),
    OPTION(0, "port", WRY_ARG_VNC, G_OPTION_ARG_INT, port, "local port; 0 = any free one", "N"),
    OPTION(0, "wait", WRY_ARG_WAIT, G_OPTION_ARG_NONE, wait, "wait until the object is gone; --wait=false does not", NULL),
    OPTION(0, "client", WRY_ARG_CLIENT, G_OPTION_ARG_NONE, client_only, "only this program's version", NULL),
};

void wry_args_clear(WryArgs *args) {
  char **strings[] = {&args->root, &args->namespace_, &args->output, &args->timeout, &args->for_};
  for (gsize i = 0; i < G_N_ELEMENTS(strings); i++)
    g_clear_pointer(strings[i], g_free);
  g_clear_pointer(&args->files, g_strfreev);
  g_clear_pointer(&args->args, g_strfreev);
}

static GArray *entries_for(const WryVerb *verb, WryArgs *args) {
  GArray *entries = g_array_new(TRUE, TRUE, sizeof(GOptionEntry));
  for (gsize i = 0; i < G_N_ELEMENTS(options); i++) {
    const Option *o = &options[i];
    GOptionEntry entry = {o->name, o->letter, 0, o->kind, (char *)args + o->offset, o->text, o->value};
    if (o->group == 0 || (verb->flags & o->group))
      g_array_append_val(entries, entry);
  }
  return entries;
}

static gboolean misused(const WryVerb *verb, const char *what, GError **error) {
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: %s\nusage: wherryctl %s", what, verb->usage);
  return FALSE;
}

/* A flag without a value, spelled "--flag=value"; NULL: the word is something else. */
static const Option *find_switch(const WryVerb *verb, const char *word, const char **ret_value) {
  for (gsize i = 0; i < G_N_ELEMENTS(options); i++) {
    const Option *o = &options[i];
    g_autofree char *start = g_strdup_printf("--%s=", o->name);
    *ret_value = word + strlen(start);
    if (o->kind == G_OPTION_ARG_NONE && (o->group == 0 || (verb->flags & o->group)) && g_str_has_prefix(word, start))
      return o;
  }
  return NULL;
}

/* Takes kubectl's "--flag=true" and "--flag=false" out of the words: GLib's parser knows only "--flag". NULL with error: another value. */
static GPtrArray *take_switches(const WryVerb *verb, int argc, char **argv, WryArgs *args, GError **error) {
  g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
  gboolean flags = TRUE;
  for (int i = 0; i < argc && argv[i]; i++) {
    const char *value;
    flags = flags && strcmp(argv[i], "--") != 0;
    const Option *o = flags ? find_switch(verb, argv[i], &value) : NULL;
    if (!o) {
      g_ptr_array_add(words, g_strdup(argv[i]));
    } else if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0) {
      *(gboolean *)(gpointer)((char *)args + o->offset) = *value == 't';
    } else {
      g_autofree char *what = g_strdup_printf("%s: want true or false", argv[i]);
      misused(verb, what, error);
      return NULL;
    }
  }
  g_ptr_array_add(words, NULL);
  return g_steal_pointer(&words);
}

static gboolean check_count(const WryVerb *verb, const WryArgs *args, GError **error) {
  int n = (int)g_strv_length(args->args);
  if (args->help)
    return TRUE;
  if (n < verb->min_args)
    return misused(verb, "something is missing", error);
  if (verb->max_args >= 0 && n > verb->max_args)
    return misused(verb, "too many arguments", error);
  return TRUE;
}

gboolean wry_args_parse(const WryVerb *verb, int argc, char **argv, WryArgs *args, GError **error) {
  g_autoptr(GError) problem = NULL;
  memset(args, 0, sizeof *args);
  args->grace_period = -1;
  args->wait = TRUE;
  g_autoptr(GArray) entries = entries_for(verb, args);
  g_autoptr(GOptionContext) context = g_option_context_new(NULL);
  g_autoptr(GPtrArray) words = take_switches(verb, argc, argv, args, error);
  if (!words)
    return FALSE;
  g_option_context_set_help_enabled(context, FALSE);
  g_option_context_add_main_entries(context, (GOptionEntry *)(void *)entries->data, NULL);
  char **copy = g_strdupv((char **)words->pdata);
  gboolean ok = g_option_context_parse_strv(context, &copy, &problem);
  args->args = copy;
  if (!ok)
    return misused(verb, problem->message, error);
  if (args->args[0]) { /* the verb itself */
    g_free(args->args[0]);
    memmove(args->args, args->args + 1, g_strv_length(args->args + 1) * sizeof(char *) + sizeof(char *));
  }
  if (args->args[0] && strcmp(args->args[0], "--") == 0) {
    g_free(args->args[0]);
    memmove(args->args, args->args + 1, (g_strv_length(args->args + 1) + 1) * sizeof(char *));
  }
  if (!args->root && g_getenv("WHERRY_ROOT"))
    args->root = g_strdup(g_getenv("WHERRY_ROOT"));
  return check_count(verb, args, error);
}

char *wry_verb_help(const WryVerb *verb) {
  GString *out = g_string_new(NULL);
  g_string_printf(out, "%s.\n\nusage: wherryctl %s\n\nflags:\n", verb->summary, verb->usage);
  for (gsize i = 0; i < G_N_ELEMENTS(options); i++) {
    const Option *o = &options[i];
    if (o->group && !(verb->flags & o->group))
      continue;
    g_autofree char *name = g_strdup_printf("%s%c%s--%s%s%s", o->letter ? "-" : "", o->letter ? o->letter : ' ', o->letter ? ", " : "   ", o->name, o->value ? "=" : "", o->value ? o->value : "");
    g_string_append_printf(out, "  %-28s %s\n", name, o->text);
  }
  return g_string_free(out, FALSE);
}

char *wry_verbs_help(void) {
  GString *out = g_string_new("wherryctl works on the virtual machines of a Wherry handler.\n\nusage: wherryctl [--root DIR] VERB ...\n\nverbs:\n");
  for (const WryVerb *verb = wry_verbs; verb->name; verb++)
    g_string_append_printf(out, "  %-12s %s\n", verb->name, verb->summary);
  g_string_append(out, "\nwherryctl help VERB shows a verb's flags. Verbs, flags and output are kubectl's and virtctl's.\n");
  return g_string_free(out, FALSE);
}

const char *wry_args_namespace(const WryArgs *args) {
  return args->namespace_ ? args->namespace_ : "default";
}

gboolean wry_duration_parse(const char *text, gint64 unit, gint64 *ret_ms, GError **error) {
  static const struct { const char *suffix; gint64 ms; } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
  char *end;
  double value = g_ascii_strtod(text, &end);
  gint64 ms = unit * 1000;
  gboolean known = *end == '\0';
  for (gsize i = 0; i < G_N_ELEMENTS(units) && !known; i++)
    if (strcmp(end, units[i].suffix) == 0) {
      ms = units[i].ms;
      known = TRUE;
    }
  if (!known || end == text || value > 1e9) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: invalid duration \"%s\": want a number with ms, s, m or h", text);
    return FALSE;
  }
  *ret_ms = value < 0 ? -1 : (gint64)(value * (double)ms);
  return TRUE;
}
