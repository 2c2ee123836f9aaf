/* Guest agent replies: the first byte picks the command, the rest is the reply. Whatever comes out must be bounded and clean. */
#include "launcher/agent.h"
#include "wherry/limits.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

/* Every string below is short, valid UTF-8 and without control characters. */
static void check(WryJson *value) {
  if (json_object_is_type(value, json_type_string)) {
    const char *text = json_object_get_string(value);
    if (strlen(text) > WRY_MAX_AGENT_STRING + 16 || !g_utf8_validate(text, -1, NULL))
      abort();
    for (const char *p = text; *p; p++)
      if ((guint8)*p < ' ' || *p == 127)
        abort();
  } else if (json_object_is_type(value, json_type_array)) {
    for (gsize i = 0; i < json_object_array_length(value); i++)
      check(json_object_array_get_idx(value, i));
  } else if (json_object_is_type(value, json_type_object)) {
    json_object_object_foreach(value, key, member) {
      (void)key;
      check(member);
    }
  }
}

static void interface_free(gpointer data) {
  WryReportInterface *interface = data;
  g_free(interface->mac);
  g_free(interface->ipAddress);
  g_free(interface->interfaceName);
  g_free(interface->infoSource);
  g_clear_pointer(&interface->ipAddresses, g_ptr_array_unref);
  g_free(interface);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size) {
  if (size < 1)
    return 0;
  g_autoptr(WryJson) returned = wry_agent_return((const char *)data + 1, size - 1, NULL);
  if (!returned)
    return 0;
  WryAgentCommand command = data[0] % WRY_AGENT_COMMANDS;
  g_autoptr(WryJson) shaped = wry_agent_shape(command, returned);
  check(shaped);
  if (command == WRY_AGENT_INFO)
    wry_agent_is_supported(shaped);
  if (command == WRY_AGENT_INTERFACES) {
    g_autoptr(GPtrArray) interfaces = g_ptr_array_new_with_free_func(interface_free);
    wry_agent_merge_interfaces(interfaces, shaped, data[0] & 0x80);
  }
  return 0;
}
