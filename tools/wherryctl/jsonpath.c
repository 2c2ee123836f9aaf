/* JSONPath as kubectl has it (kubernetes.io/docs/reference/kubectl/jsonpath). A path is a list of steps, each maps a set of values to the next; a template is text, paths, quoted text and
 * ranges. The parser walks the text once; every step function gets the rest of the path and moves it on. */
#include "tools/wherryctl/jsonpath.h"
#include "wherry/error.h"
#include <stdlib.h>
#include <string.h>

#define MAX_NESTING 16

static gboolean bad(GError **error, const char *what, const char *at) {
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: jsonpath: %s near \"%.40s\"", what, at);
  return FALSE;
}

static void each_member(WryJson *value, GPtrArray *out) {
  if (json_object_is_type(value, json_type_array))
    for (gsize i = 0; i < json_object_array_length(value); i++)
      g_ptr_array_add(out, json_object_array_get_idx(value, i));
  if (json_object_is_type(value, json_type_object)) {
    json_object_object_foreach(value, key, member) {
      (void)key;
      g_ptr_array_add(out, member);
    }
  }
}

static void descend(WryJson *value, const char *name, GPtrArray *out) {
  g_autoptr(GPtrArray) members = g_ptr_array_new();
  WryJson *found = wry_json_get(value, name);
  if (found)
    g_ptr_array_add(out, found);
  each_member(value, members);
  for (guint i = 0; i < members->len; i++)
    descend(members->pdata[i], name, out);
}

/* A bare name: up to the next step or blank. Dots may be escaped. New string. */
static char *take_name(const char **at) {
  GString *name = g_string_new(NULL);
  for (; **at && !strchr(".[]{}()=!<> \t", **at); (*at)++) {
    if (**at == '\\' && (*at)[1])
      (*at)++;
    g_string_append_c(name, **at);
  }
  return g_string_free(name, FALSE);
}

static gboolean take_quoted(const char **at, char **ret) {
  char quote = **at;
  GString *text = g_string_new(NULL);
  for ((*at)++; **at && **at != quote; (*at)++) {
    if (**at == '\\' && (*at)[1]) {
      (*at)++;
      g_string_append_c(text, **at == 'n' ? '\n' : **at == 't' ? '\t' : **at);
    } else {
      g_string_append_c(text, **at);
    }
  }
  gboolean closed = **at == quote;
  *at += closed;
  *ret = g_string_free(text, FALSE);
  return closed;
}

static gboolean evaluate(const char **at, GPtrArray *values, GPtrArray **ret, GError **error);

/* ---- filters: ?(@.path op literal) or ?(@.path) ---- */

typedef struct { const char *text; int (*holds)(int order); } Operator;
static int op_eq(int order) { return order == 0; }
static int op_ne(int order) { return order != 0; }
static int op_le(int order) { return order <= 0; }
static int op_ge(int order) { return order >= 0; }
static int op_lt(int order) { return order < 0; }
static int op_gt(int order) { return order > 0; }
static const Operator operators[] = {{"==", op_eq}, {"!=", op_ne}, {"<=", op_le}, {">=", op_ge}, {"<", op_lt}, {">", op_gt}};

static int compare(WryJson *value, const char *literal, gboolean quoted) {
  if (!quoted && (json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double))) {
    double a = json_object_get_double(value), b = g_ascii_strtod(literal, NULL);
    return (a > b) - (a < b);
  }
  g_autofree char *text = wry_jsonpath_text(value);
  return strcmp(text, literal);
}

static void skip_blanks(const char **at) {
  while (**at == ' ' || **at == '\t')
    (*at)++;
}

static const Operator *take_operator(const char **at) {
  skip_blanks(at);
  for (gsize i = 0; i < G_N_ELEMENTS(operators); i++)
    if (g_str_has_prefix(*at, operators[i].text)) {
      *at += strlen(operators[i].text);
      skip_blanks(at);
      return &operators[i];
    }
  return NULL;
}

/* Whether one value passes the filter whose text starts at `at` (after "?(@"). */
static gboolean passes(const char **at, WryJson *value, gboolean *ret, GError **error) {
  g_autoptr(GPtrArray) one = g_ptr_array_new();
  g_autoptr(GPtrArray) hold = NULL;
  g_autofree char *literal = NULL;
  g_ptr_array_add(one, value);
  if (!evaluate(at, one, &hold, error))
    return FALSE;
  const Operator *operator= take_operator(at);
  *ret = hold->len > 0;
  if (operator) {
    gboolean quoted = **at == '"' || **at == '\'';
    if (quoted && !take_quoted(at, &literal))
      return bad(error, "text without end", *at);
    if (!quoted)
      literal = take_name(at);
    *ret = hold->len > 0 && operator->holds(compare(hold->pdata[0], literal, quoted));
  }
  skip_blanks(at);
  return TRUE;
}

static gboolean step_filter(const char **at, GPtrArray *values, GPtrArray *out, GError **error) {
  const char *start = *at + 3, *end = NULL; /* "?(@" */
  if (!g_str_has_prefix(*at, "?(@"))
    return bad(error, "a filter starts with ?(@", *at);
  for (guint i = 0; i < values->len; i++) {
    g_autoptr(GPtrArray) members = g_ptr_array_new();
    each_member(values->pdata[i], members);
    for (guint k = 0; k < members->len; k++) {
      gboolean keep;
      end = start;
      if (!passes(&end, members->pdata[k], &keep, error))
        return FALSE;
      if (keep)
        g_ptr_array_add(out, members->pdata[k]);
    }
  }
  if (!end)
    end = strchr(start, ')');
  if (!end || !g_str_has_prefix(end, ")]"))
    return bad(error, "a filter ends with )]", end ? end : start);
  *at = end + 2;
  return TRUE;
}

/* ---- steps ---- */

static void take_slice(const char *text, GPtrArray *values, GPtrArray *out) {
  const char *colon = strchr(text, ':');
  for (guint i = 0; i < values->len; i++) {
    gint64 n = json_object_is_type(values->pdata[i], json_type_array) ? (gint64)json_object_array_length(values->pdata[i]) : 0;
    gint64 from = g_ascii_strtoll(text, NULL, 10), to = colon ? (colon[1] ? g_ascii_strtoll(colon + 1, NULL, 10) : n) : from + 1;
    gboolean last = !colon && from == -1;
    from += from < 0 ? n : 0;
    to = last ? n : to + (to < 0 ? n : 0);
    for (gint64 k = MAX(from, 0); k < MIN(to, n); k++)
      g_ptr_array_add(out, json_object_array_get_idx(values->pdata[i], (gsize)k));
  }
}

static void members_named(GPtrArray *values, const char *name, GPtrArray *out) {
  for (guint i = 0; i < values->len; i++) {
    WryJson *member = strcmp(name, "*") == 0 ? NULL : wry_json_get(values->pdata[i], name);
    if (strcmp(name, "*") == 0)
      each_member(values->pdata[i], out);
    else if (member)
      g_ptr_array_add(out, member);
  }
}

static gboolean step_bracket(const char **at, GPtrArray *values, GPtrArray *out, GError **error) {
  (*at)++;
  if (**at == '?')
    return step_filter(at, values, out, error);
  if (**at == '\'' || **at == '"') {
    g_autofree char *name = NULL;
    if (!take_quoted(at, &name) || **at != ']')
      return bad(error, "a name in brackets has no end", *at);
    (*at)++;
    members_named(values, name, out);
    return TRUE;
  }
  const char *end = strchr(*at, ']');
  if (!end)
    return bad(error, "a bracket has no end", *at);
  g_autofree char *text = g_strndup(*at, (gsize)(end - *at));
  *at = end + 1;
  if (strcmp(text, "*") == 0)
    members_named(values, "*", out);
  else if (text[0] && strspn(text, "-0123456789:") == strlen(text))
    take_slice(text, values, out);
  else
    return bad(error, "want an index, a slice, * or a quoted name", text);
  return TRUE;
}

static gboolean step_dot(const char **at, GPtrArray *values, GPtrArray *out, GError **error) {
  gboolean deep = (*at)[1] == '.';
  *at += deep ? 2 : 1;
  if (**at == '[' || **at == '\0' || **at == '}') { /* "{.}" and ".[" are the value itself */
    for (guint i = 0; i < values->len; i++)
      g_ptr_array_add(out, values->pdata[i]);
    return TRUE;
  }
  g_autofree char *name = take_name(at);
  if (!name[0])
    return bad(error, "a field has no name", *at);
  for (guint i = 0; deep && i < values->len; i++)
    descend(values->pdata[i], name, out);
  if (!deep)
    members_named(values, name, out);
  return TRUE;
}

/* Applies the steps at *at to `values`; stops at what is no step. */
static gboolean evaluate(const char **at, GPtrArray *values, GPtrArray **ret, GError **error) {
  g_autoptr(GPtrArray) now = g_ptr_array_ref(values);
  if (**at == '$' || **at == '@')
    (*at)++;
  while (**at == '.' || **at == '[') {
    g_autoptr(GPtrArray) next = g_ptr_array_new();
    if (!(**at == '.' ? step_dot : step_bracket)(at, now, next, error))
      return FALSE;
    g_ptr_array_unref(now);
    now = g_ptr_array_ref(next);
  }
  *ret = g_steal_pointer(&now);
  return TRUE;
}

char *wry_jsonpath_text(WryJson *value) {
  if (json_object_is_type(value, json_type_string))
    return g_strdup(json_object_get_string(value));
  return g_strdup(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static GPtrArray *find(const char **at, WryJson *root, GError **error) {
  g_autoptr(GPtrArray) one = g_ptr_array_new();
  GPtrArray *found = NULL;
  g_ptr_array_add(one, root);
  return evaluate(at, one, &found, error) ? found : NULL;
}

GPtrArray *wry_jsonpath_find(const char *path, WryJson *root, GError **error) {
  g_autofree char *bare = g_strdup(path);
  gsize n = strlen(bare);
  const char *at = bare;
  if (n >= 2 && bare[0] == '{' && bare[n - 1] == '}') {
    bare[n - 1] = '\0';
    at++;
  }
  g_autofree char *dotted = *at == '.' || *at == '[' || *at == '$' ? g_strdup(at) : g_strconcat(".", at, NULL);
  at = dotted;
  GPtrArray *found = find(&at, root, error);
  if (found && *at) {
    g_ptr_array_unref(found);
    bad(error, "not a path", at);
    return NULL;
  }
  return found;
}

/* ---- templates ---- */

static gboolean print_template(const char **at, WryJson *root, GString *out, int depth, GError **error);

/* After "{range": the body is printed once per value. */
static gboolean print_range(const char **at, WryJson *root, GString *out, int depth, GError **error) {
  skip_blanks(at);
  g_autoptr(GPtrArray) values = find(at, root, error);
  skip_blanks(at);
  if (!values)
    return FALSE;
  if (**at != '}' || depth >= MAX_NESTING)
    return bad(error, "range wants a path", *at);
  const char *body = *at + 1, *end = body;
  g_autoptr(GString) nowhere = g_string_new(NULL);
  if (!print_template(&end, root, nowhere, depth + 1, error))
    return FALSE;
  for (guint i = 0; i < values->len; i++) {
    const char *again = body;
    if (!print_template(&again, values->pdata[i], out, depth + 1, error))
      return FALSE;
  }
  if (!g_str_has_prefix(end, "{end}"))
    return bad(error, "range without {end}", body);
  *at = end + 5;
  return TRUE;
}

static gboolean print_path(const char **at, WryJson *root, GString *out, GError **error) {
  g_autofree char *quoted = NULL;
  if (**at == '"' || **at == '\'') {
    if (!take_quoted(at, &quoted))
      return bad(error, "text without end", *at);
    g_string_append(out, quoted);
  } else {
    const char *start = *at;
    g_autoptr(GPtrArray) values = find(at, root, error);
    if (!values)
      return FALSE;
    for (guint i = 0; i < values->len; i++) {
      g_autofree char *text = wry_jsonpath_text(values->pdata[i]);
      g_string_append_printf(out, "%s%s", i ? " " : "", text);
    }
    if (*at == start)
      return bad(error, "not a path", *at);
  }
  skip_blanks(at);
  if (**at != '}')
    return bad(error, "want }", *at);
  (*at)++;
  return TRUE;
}

/* Prints until the end, or the {end} of a range. */
static gboolean print_template(const char **at, WryJson *root, GString *out, int depth, GError **error) {
  while (**at) {
    if (**at != '{') {
      g_string_append_c(out, *(*at)++);
      continue;
    }
    if (g_str_has_prefix(*at, "{end}"))
      return depth > 0 || bad(error, "{end} without range", *at);
    gboolean range = g_str_has_prefix(*at, "{range ");
    *at += range ? 7 : 1;
    skip_blanks(at);
    if (!(range ? print_range(at, root, out, depth, error) : print_path(at, root, out, error)))
      return FALSE;
  }
  return TRUE;
}

char *wry_jsonpath_print(const char *template, WryJson *root, GError **error) {
  g_autoptr(GString) out = g_string_new(NULL);
  const char *at = template;
  return print_template(&at, root, out, 0, error) ? g_strdup(out->str) : NULL;
}
