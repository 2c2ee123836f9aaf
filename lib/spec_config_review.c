/* What of a KubeVirt object's spec has no effect in this version: it is told in the object's status, so that nothing is silently ignored. The rows of spec_kubevirt.c say
 * what is supported. Pure. */
#include "lib/spec_config.h"
#include "wherry/limits.h"
#include "wherry/spec_kinds.h"

/* KubeVirt's own installation files have empty objects for everything that could be set. */
static gboolean asks_nothing(WryJson *value) {
  if (!value) return TRUE;
  switch (json_object_get_type(value)) {
    case json_type_object: return !json_object_object_length(value);
    case json_type_array: return !json_object_array_length(value);
    case json_type_string: return !json_object_get_string_len(value);
    default: return FALSE;
  }
}

/* A copy without what asks for nothing, from the leaves up. New reference; NULL when nothing is left. */
static WryJson *asked(WryJson *value) {
  if (!json_object_is_type(value, json_type_object)) return asks_nothing(value) ? NULL : json_object_get(value);
  g_autoptr(WryJson) copy = json_object_new_object();
  json_object_object_foreach(value, key, member) {
    WryJson *part = asked(member);
    if (part) json_object_object_add(copy, key, part);
  }
  return asks_nothing(copy) ? NULL : json_object_get(copy);
}

static void review_gates(WryJson *spec, const char *list, WryCauses *causes) {
  g_autofree char *path = g_strdup_printf("configuration.developerConfiguration.%s", list);
  WryJson *names = wry_json_path(spec, path);
  for (gsize i = 0; names && json_object_is_type(names, json_type_array) && i < json_object_array_length(names); i++) {
    const char *name = json_object_get_string(json_object_array_get_idx(names, i));
    g_autofree char *at = g_strdup_printf("spec.%s[%zu]", path, i);
    if (name && !wry_config_gate_known(name)) wry_causes_add(causes, WRY_CAUSE_NOT_SUPPORTED, at, "there is no feature gate %s", name);
  }
}

void wry_kubevirt_review(WryJson *spec, WryCauses *causes) {
  g_autoptr(WryJson) rest = spec ? asked(spec) : NULL;
  g_autoptr(WryCauses) ignored = wry_causes_new();
  gpointer typed = rest ? wry_decode(&wry_kubevirt_spec_type, rest, "spec", ignored) : NULL;
  if (!typed) return;
  wry_refuse_unsupported(&wry_kubevirt_spec_type, typed, WRY_F_UNSUPPORTED, "spec", causes);
  wry_struct_free(&wry_kubevirt_spec_type, typed);
  review_gates(rest, "featureGates", causes);
  review_gates(rest, "disabledFeatureGates", causes);
}

char *wry_kubevirt_unsupported(WryJson *spec) {
  g_autoptr(WryCauses) causes = wry_causes_new();
  wry_kubevirt_review(spec, causes);
  guint count = wry_causes_count(causes), shown = MIN(count, WRY_MAX_CAUSES_SHOWN);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < shown; i++) g_string_append_printf(text, "%s%s", i ? ", " : "", wry_causes_get(causes, i)->field);
  if (count > shown) g_string_append_printf(text, " and %u more", count - shown);
  return g_string_free(text, !count);
}
