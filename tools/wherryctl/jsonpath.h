#pragma once
/* kubectl's JSONPath templates: text with {expressions}: .field, ['field'], [n], [a:b], [*], .*, ..field, [?(@.a=="b")], {"text"}, {range …}{end}. */
#include "wherry/json.h"

/* The template's text for `root`; new string. A missing field gives nothing, as kubectl's --allow-missing-template-keys. WRY_ERROR_INVALID for a template that is none. */
char *wry_jsonpath_print(const char *template, WryJson *root, GError **error);
/* The values that a path ("{.status.phase}" or ".status.phase") gives: borrowed elements in a new array. */
GPtrArray *wry_jsonpath_find(const char *path, WryJson *root, GError **error);
/* A value as kubectl prints it in a template: strings bare, the rest as JSON. New string. */
char *wry_jsonpath_text(WryJson *value);
