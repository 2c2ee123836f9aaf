/* JSON texts: what our reader accepts json-c's tokener must accept too and see the same in it, and what we print we must read back. */
#include <stdint.h>
#include <string.h>

#include "wherry/json.h"
#include "wherry/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_as_json_c(WryJson *ours, const char *text, size_t size) {
  json_tokener *tokener = json_tokener_new_ex(WRY_MAX_JSON_DEPTH + 1);
  json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
  WryJson *theirs = json_tokener_parse_ex(tokener, text, (int)size);
  /* a number at the end of the text might go on: json-c wants to see what follows */
  if (!theirs && json_tokener_get_error(tokener) == json_tokener_continue)
    theirs = json_tokener_parse_ex(tokener, "\n", 1);
  if (!theirs || (!memmem(text, size, "\\u0000", 6) && !memmem(text, size, "00000000000000000", 17) && strcspn(json_object_to_json_string(ours), "0123456789.eE") == strlen(json_object_to_json_string(ours)) &&
                  !json_object_equal(ours, theirs)))
    __builtin_trap();
  json_object_put(theirs);
  json_tokener_free(tokener);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_autoptr(WryJson) value = wry_json_parse((const char *)data, size, NULL);
  if (!value)
    return 0;
  same_as_json_c(value, (const char *)data, size);
  g_autofree char *printed = g_strdup(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
  g_autoptr(WryJson) again = wry_json_parse(printed, strlen(printed), NULL);
  if (!again || strcmp(json_object_to_json_string_ext(again, JSON_C_TO_STRING_PLAIN), printed))
    __builtin_trap();
  return 0;
}
