/* Messages of the control socket: whatever comes, parsing and decoding of parameters neither crash nor let an unknown field pass unseen. A call that is accepted is
 * accepted again as it was read. */
#include <stdint.h>
#include <string.h>

#include "handler/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const WryCall *call) {
  for (WryControlMethod method = 0; method < WRY_CONTROL_METHODS; method++) {
    const WryType *type = wry_control_parameters_type(method);
    g_autoptr(WryCauses) causes = wry_causes_new();
    gpointer parameters = wry_decode(type, call->parameters, "", causes);
    if (parameters && wry_causes_count(causes) == 0) {
      g_autoptr(WryJson) again = wry_encode(type, parameters);
      g_autoptr(WryCauses) none = wry_causes_new();
      gpointer same = wry_decode(type, again, "", none);
      g_assert(same && wry_causes_count(none) == 0 && wry_struct_equal(type, parameters, same));
      wry_struct_free(type, same);
    }
    if (parameters) wry_struct_free(type, parameters);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  g_auto(WryCall) call = {0};
  if (memchr(data, 0, size) || !wry_call_parse((const char *)data, size, &call, NULL)) return 0;
  g_assert(call.method && strrchr(call.method, '.') && json_object_is_type(call.parameters, json_type_object));
  decode(&call);
  return 0;
}
