/* Manifests from text to structs: YAML or JSON, lists and lines, decode, refusal, encode and decode again, and YAML written and read back. */
#include <stdint.h>
#include <string.h>

#include "wherry/json.h"
#include "wherry/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(gboolean good) {
  if (!good)
    __builtin_trap();
}

/* What a cause points at is somewhere in the text. */
static void check_lines(const WryDocument *document, const WryCauses *causes) {
  for (guint i = 0; i < wry_causes_count(causes); i++)
    check(wry_lines_find(document->lines, wry_causes_get(causes, i)->field) > 0);
}

static void through_structs(const WryDocument *document) {
  const char *kind = wry_json_str(document->object, "kind");
  const WryType *type = kind ? wry_kind_type(kind, NULL) : NULL;
  type = type ? type : &wry_vm_type;
  g_autoptr(WryCauses) causes = wry_causes_new();
  gpointer object = wry_decode(type, document->object, "", causes);
  wry_refuse_unsupported(type, object, WRY_F_UNSUPPORTED | WRY_F_BY_CLUSTER, "", causes);
  check_lines(document, causes);
  gpointer copy = wry_struct_copy(type, object);
  check(wry_struct_equal(type, object, copy));
  g_autoptr(WryJson) encoded = wry_encode(type, copy);
  g_autoptr(WryCauses) again = wry_causes_new();
  gpointer second = wry_decode(type, encoded, "", again);
  g_autoptr(WryJson) encoded_again = wry_encode(type, second);
  check(json_object_equal(encoded, encoded_again));
  wry_struct_free(type, object);
  wry_struct_free(type, copy);
  wry_struct_free(type, second);
}

static void through_yaml(WryJson *object) {
  g_autofree char *yaml = wry_yaml_write(object);
  g_autofree char *printed = g_strdup(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
  if (strstr(printed, "\\u0000") || strlen(yaml) > 65536)
    return;
  g_autoptr(GPtrArray) documents = wry_manifest_parse(yaml, strlen(yaml), NULL);
  check(documents != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autoptr(GPtrArray) documents = wry_manifest_parse((const char *)data, size, NULL);
  for (guint i = 0; documents && i < documents->len; i++) {
    const WryDocument *document = g_ptr_array_index(documents, i);
    check(json_object_is_type(document->object, json_type_object));
    through_structs(document);
    through_yaml(document->object);
  }
  return 0;
}
