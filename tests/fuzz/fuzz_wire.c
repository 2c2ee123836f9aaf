/* Messages of the other side: what decodes must encode to something that decodes to the same. The first byte is the number of fds. */
#include <stdint.h>
#include <string.h>

#include "wherry/limits.h"
#include "wherry/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  WryMsgType type = WRY_MSGS, again;
  if (!size)
    return 0;
  guint n_fds = data[0] % (WRY_MAX_MESSAGE_FDS + 1);
  g_autoptr(GError) error = NULL;
  gpointer body = wry_msg_decode(data + 1, size - 1, n_fds, &type, &error);
  if (!body != (error != NULL))
    __builtin_trap();
  if (!body)
    return 0;
  gsize length;
  g_autofree char *text = wry_msg_encode(type, body, &length, NULL);
  gpointer second = text ? wry_msg_decode(text, length, n_fds, &again, NULL) : NULL;
  if (text && (!second || again != type || !wry_struct_equal(wry_msg_type(type), body, second)))
    __builtin_trap();
  if (second)
    wry_struct_free(wry_msg_type(type), second);
  wry_struct_free(wry_msg_type(type), body);
  return 0;
}
