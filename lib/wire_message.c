/* Messages as text: which there are, their fields, how many fds each carries.
 *
 * A message is {"<name>": {fields}}: the name stands outside because an event has a field called type. Everything about a message is one row of `messages`;
 * decoding is the strict JSON reader and the field tables, so an unknown, missing or ill-typed field is a refusal.
 *
 * Relies on json_read.c and fields_decode.c. */
#include <stddef.h>
#include <string.h>

#include "lib/spec_rows.h"
#include "wherry/limits.h"
#include "wire_internal.h"

LOCAL_TYPE(plain_type, WryMsgPlain, INT(WryMsgPlain, seq, NEEDED));
LOCAL_TYPE(shutdown_type, WryMsgShutdown, INT(WryMsgShutdown, seq, NEEDED), INT(WryMsgShutdown, graceSeconds, NEEDED));
LOCAL_TYPE(console_type, WryMsgConsole, INT(WryMsgConsole, seq, NEEDED), BOOL(WryMsgConsole, readOnly, 0), BOOL(WryMsgConsole, force, 0),
  BOOL(WryMsgConsole, scrollback, 0));
LOCAL_TYPE(guestinfo_type, WryMsgGuestinfo, INT(WryMsgGuestinfo, seq, NEEDED), STR(WryMsgGuestinfo, what, NEEDED));
LOCAL_TYPE(probe_type, WryMsgGuestinfo, INT(WryMsgGuestinfo, seq, NEEDED), AS("which", WRY_K_STR, WryMsgGuestinfo, what, NEEDED, .max_items = 0));
LOCAL_TYPE(hello_type, WryMsgHello, INT(WryMsgHello, version, NEEDED), INT(WryMsgHello, run, NEEDED));
LOCAL_TYPE(reply_type, WryMsgReply, INT(WryMsgReply, seq, NEEDED), INT(WryMsgReply, code, NEEDED), STR(WryMsgReply, message, 0), RAW(WryMsgReply, data, 0));
LOCAL_TYPE(event_type, WryMsgEvent, STR(WryMsgEvent, type, NEEDED), STR(WryMsgEvent, reason, NEEDED), STR(WryMsgEvent, message, NEEDED));

LOCAL_TYPE(report_interface_type, WryReportInterface, STR(WryReportInterface, name, 0), STR(WryReportInterface, mac, 0), STR(WryReportInterface, ipAddress, 0),
  STRS(WryReportInterface, ipAddresses, 0), STR(WryReportInterface, interfaceName, 0), STR(WryReportInterface, infoSource, 0),
  INT(WryReportInterface, queueCount, 0), STR(WryReportInterface, linkState, 0));
LOCAL_TYPE(report_volume_type, WryReportVolume, STR(WryReportVolume, name, NEEDED), STR(WryReportVolume, target, 0));
WRY_TYPE(wry_vmi_report_type, WryVmiReport, STR(WryVmiReport, state, NEEDED), STR(WryVmiReport, reason, 0), STR(WryVmiReport, failure, 0),
  STR(WryVmiReport, message, 0), INT(WryVmiReport, qemuPid, 0), BOOL(WryVmiReport, softwareEmulation, 0), BOOL(WryVmiReport, agentConnected, 0),
  BOOL(WryVmiReport, agentVersionSupported, 0), BOOL(WryVmiReport, userPaused, 0), STR(WryVmiReport, machine, 0), RAW(WryVmiReport, guestOSInfo, 0),
  LIST(WryVmiReport, interfaces, 0, report_interface_type), LIST(WryVmiReport, volumes, 0, report_volume_type), INT(WryVmiReport, memoryCurrent, 0));

static const struct {
  const char *name;
  const WryType *type;
  guint min_fds, max_fds;
} messages[WRY_MSGS] = {
    [WRY_MSG_SYNC] = {"sync", &plain_type, 1, 2},           [WRY_MSG_SHUTDOWN] = {"shutdown", &shutdown_type, 0, 0},
    [WRY_MSG_PAUSE] = {"pause", &plain_type, 0, 0},         [WRY_MSG_UNPAUSE] = {"unpause", &plain_type, 0, 0},
    [WRY_MSG_RESET] = {"reset", &plain_type, 0, 0},         [WRY_MSG_SOFTREBOOT] = {"softreboot", &plain_type, 0, 0},
    [WRY_MSG_CONSOLE] = {"console", &console_type, 0, 0},   [WRY_MSG_VNC] = {"vnc", &plain_type, 0, 0},
    [WRY_MSG_GUESTINFO] = {"guestinfo", &guestinfo_type, 0, 0}, [WRY_MSG_PROBE] = {"probe", &probe_type, 0, 0},
    [WRY_MSG_FINISH] = {"finish", &plain_type, 0, 0},       [WRY_MSG_HELLO] = {"hello", &hello_type, 0, 0},
    [WRY_MSG_REPLY] = {"reply", &reply_type, 0, 1},         [WRY_MSG_STATUS] = {"status", &wry_vmi_report_type, 0, 0},
    [WRY_MSG_EVENT] = {"event", &event_type, 0, 0},       [WRY_MSG_PING] = {"ping", &plain_type, 0, 0},
    [WRY_MSG_PONG] = {"pong", &plain_type, 0, 0},
};

const char *wry_msg_name(WryMsgType type) {
  return messages[type].name;
}

const WryType *wry_msg_type(WryMsgType type) {
  return messages[type].type;
}

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean refuse(GError **error, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *what = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error(error, WRY_ERROR, WRY_ERROR_PROTOCOL, "%s", what);
  return FALSE;
}

gboolean wry_msg_check_fds(WryMsgType type, guint n_fds, GError **error) {
  if (n_fds >= messages[type].min_fds && n_fds <= messages[type].max_fds) return TRUE;
  return refuse(error, "a %s with %u file descriptors", messages[type].name, n_fds);
}

/* The one member of the text: its type and its body, borrowed. */
static gboolean open_envelope(WryJson *text, WryMsgType *ret_type, WryJson **ret_body, GError **error) {
  if (!json_object_is_type(text, json_type_object) || json_object_object_length(text) != 1) return refuse(error, "a message must be an object with one member");
  for (guint i = 0; i < WRY_MSGS; i++)
    if (json_object_object_get_ex(text, messages[i].name, ret_body)) {
      *ret_type = (WryMsgType)i;
      return TRUE;
    }
  return refuse(error, "unknown message");
}

gpointer wry_msg_decode(const void *data, gsize length, guint n_fds, WryMsgType *ret_type, GError **error) {
  g_autoptr(GError) why = NULL;
  g_autoptr(WryCauses) causes = wry_causes_new();
  WryJson *body = NULL;
  if (length > WRY_MAX_MESSAGE) {
    refuse(error, "a message of %zu bytes", length);
    return NULL;
  }
  g_autoptr(WryJson) text = wry_json_parse(data, length, &why);
  if (!text) {
    refuse(error, "%s", why->message);
    return NULL;
  }
  if (!open_envelope(text, ret_type, &body, error) || !wry_msg_check_fds(*ret_type, n_fds, error)) return NULL;
  gpointer message = wry_decode(messages[*ret_type].type, body, messages[*ret_type].name, causes);
  if (!wry_causes_count(causes)) return message;
  g_autofree char *problems = wry_causes_text(causes);
  refuse(error, "%s", problems);
  wry_struct_free(messages[*ret_type].type, message);
  return NULL;
}

char *wry_msg_encode(WryMsgType type, gconstpointer body, gsize *ret_length, GError **error) {
  g_autoptr(WryJson) text = json_object_new_object();
  json_object_object_add(text, messages[type].name, wry_encode(messages[type].type, body));
  const char *bytes = json_object_to_json_string_ext(text, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
  gsize length = strlen(bytes);
  if (length > WRY_MAX_MESSAGE) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "a %s of %zu bytes, at most %u", messages[type].name, length, WRY_MAX_MESSAGE);
    return NULL;
  }
  if (ret_length) *ret_length = length;
  return g_strndup(bytes, length);
}
