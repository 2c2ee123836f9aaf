/* The guest agent's replies, parsed and bounded. The strict JSON reader has seen the bytes first (depth, duplicates, UTF-8, size); here every value is looked at once more by
 * type and size. A shape is a table of members; what no table can say is a small function. */
#include "launcher/agent.h"
#include "wherry/limits.h"
#include <arpa/inet.h>
#include <string.h>

#define MAX_SUPPORTED 256u /* commands of an agent: about 60 today */
#define MAX_USERS 64u
#define MAX_FILESYSTEMS 64u
#define MAX_FS_DISKS 16u

/* --- values ----------------------------------------------------------------------------------------------------------- */

/* Clean text of at most WRY_MAX_AGENT_STRING bytes, NULL when `value` is no string. New string. */
static char *clean(WryJson *value) {
  if (!json_object_is_type(value, json_type_string))
    return NULL;
  GString *out = g_string_new(NULL);
  for (const char *p = json_object_get_string(value); *p; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char_validated(p, -1);
    if (c >= (gunichar)-2 || out->len + (gsize)g_unichar_to_utf8(c, NULL) > WRY_MAX_AGENT_STRING)
      break;
    g_string_append_unichar(out, g_unichar_isprint(c) ? c : '?');
  }
  return g_string_free(out, FALSE);
}

static WryJson *as_text(WryJson *value) {
  g_autofree char *text = clean(value);
  return text ? json_object_new_string(text) : NULL;
}

static WryJson *as_bool(WryJson *value) {
  return json_object_is_type(value, json_type_boolean) ? json_object_new_boolean(json_object_get_boolean(value)) : NULL;
}

/* Sizes: never negative. */
static WryJson *as_size(WryJson *value) {
  return json_object_is_type(value, json_type_int) && json_object_get_int64(value) >= 0 ? json_object_new_int64(json_object_get_int64(value)) : NULL;
}

/* Seconds, whole or with a fraction; 0 … the year 9999. */
static WryJson *as_seconds(WryJson *value) {
  double v = json_object_is_type(value, json_type_double) || json_object_is_type(value, json_type_int) ? json_object_get_double(value) : -1;
  return v >= 0 && v < 253402300800.0 ? json_object_new_double(v) : NULL;
}

static WryJson *as_mac(WryJson *value) {
  g_autofree char *text = clean(value), *lower = text ? g_ascii_strdown(text, -1) : NULL;
  if (!lower || strlen(lower) != 17)
    return NULL;
  for (int i = 0; i < 17; i++)
    if (i % 3 == 2 ? lower[i] != ':' : !g_ascii_isxdigit(lower[i]))
      return NULL;
  return json_object_new_string(lower);
}

static gboolean is_address(const char *text, int family) {
  guint8 bytes[sizeof(struct in6_addr)];
  return inet_pton(family, text, bytes) == 1;
}

/* --- tables of members ------------------------------------------------------------------------------------------------ */

typedef struct { const char *from, *to; WryJson *(*take)(WryJson *value); } Member;

static WryJson *take_addresses(WryJson *value);
static WryJson *take_fs_disks(WryJson *value);

static const Member supported_members[] = {{"name", "name", as_text}, {"enabled", "enabled", as_bool}, {0}};
static const Member os_members[] = {
  {"name", "name", as_text}, {"kernel-release", "kernelRelease", as_text}, {"version", "version", as_text}, {"pretty-name", "prettyName", as_text},
  {"version-id", "versionId", as_text}, {"kernel-version", "kernelVersion", as_text}, {"machine", "machine", as_text}, {"id", "id", as_text}, {0},
};
static const Member interface_members[] = {{"name", "name", as_text}, {"hardware-address", "mac", as_mac}, {"ip-addresses", "ipAddresses", take_addresses}, {0}};
static const Member user_members[] = {{"user", "userName", as_text}, {"domain", "domain", as_text}, {"login-time", "loginTime", as_seconds}, {0}};
static const Member fs_members[] = {{"name", "diskName", as_text}, {"mountpoint", "mountPoint", as_text}, {"type", "fileSystemType", as_text},
                                    {"used-bytes", "usedBytes", as_size}, {"total-bytes", "totalBytes", as_size}, {"disk", "disk", take_fs_disks}, {0}};
static const Member fs_disk_members[] = {{"serial", "serial", as_text}, {"bus-type", "busType", as_text}, {0}};

static WryJson *take_object(WryJson *value, const Member *members) {
  WryJson *out = json_object_new_object();
  for (const Member *m = members; m->from; m++) {
    WryJson *taken = m->take(wry_json_get(value, m->from));
    if (taken)
      json_object_object_add(out, m->to, taken);
  }
  return out;
}

/* Those elements that are objects and have the table's first member. */
static WryJson *take_list(WryJson *value, const Member *members, gsize max) {
  WryJson *out = json_object_new_array();
  gsize n = json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
  for (gsize i = 0; i < n && json_object_array_length(out) < max; i++) {
    WryJson *element = json_object_array_get_idx(value, i);
    g_autoptr(WryJson) taken = json_object_is_type(element, json_type_object) ? take_object(element, members) : NULL;
    if (taken && wry_json_get(taken, members->to))
      json_object_array_add(out, g_steal_pointer(&taken));
  }
  return out;
}

static WryJson *take_addresses(WryJson *value) {
  WryJson *out = json_object_new_array();
  gsize n = json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
  for (gsize i = 0; i < n && json_object_array_length(out) < WRY_MAX_AGENT_ADDRESSES; i++) {
    const char *text = wry_json_str(json_object_array_get_idx(value, i), "ip-address");
    if (text && (is_address(text, AF_INET) || is_address(text, AF_INET6)))
      json_object_array_add(out, json_object_new_string(text));
  }
  return out;
}

static WryJson *take_fs_disks(WryJson *value) {
  return value ? take_list(value, fs_disk_members, MAX_FS_DISKS) : NULL;
}

/* --- the commands ----------------------------------------------------------------------------------------------------- */

static WryJson *shape_info(WryJson *returned) {
  WryJson *out = json_object_new_object(), *version = as_text(wry_json_get(returned, "version"));
  if (version)
    json_object_object_add(out, "version", version);
  json_object_object_add(out, "supportedCommands", take_list(wry_json_get(returned, "supported_commands"), supported_members, MAX_SUPPORTED));
  return out;
}

static WryJson *shape_os(WryJson *returned) {
  return take_object(returned, os_members);
}

static gboolean is_loopback(WryJson *interface) {
  const char *mac = wry_json_str(interface, "mac");
  return g_strcmp0(wry_json_str(interface, "name"), "lo") == 0 || g_strcmp0(mac, "00:00:00:00:00:00") == 0;
}

static WryJson *shape_interfaces(WryJson *returned) {
  g_autoptr(WryJson) all = take_list(returned, interface_members, WRY_MAX_AGENT_INTERFACES + 1);
  WryJson *out = json_object_new_array();
  for (gsize i = 0; i < json_object_array_length(all) && json_object_array_length(out) < WRY_MAX_AGENT_INTERFACES; i++) {
    WryJson *interface = json_object_array_get_idx(all, i);
    if (!is_loopback(interface))
      json_object_array_add(out, json_object_get(interface));
  }
  return out;
}

static WryJson *text_or_empty(WryJson *value) {
  WryJson *text = as_text(value);
  return text ? text : json_object_new_string("");
}

static WryJson *shape_hostname(WryJson *returned) {
  return text_or_empty(wry_json_get(returned, "host-name"));
}

/* As KubeVirt prints it: "CET, 3600". */
static WryJson *shape_timezone(WryJson *returned) {
  g_autofree char *zone = clean(wry_json_get(returned, "zone"));
  gint64 offset = CLAMP(wry_json_int(returned, "offset", 0), -86400, 86400);
  g_autofree char *text = zone ? g_strdup_printf("%s, %" G_GINT64_FORMAT, zone, offset) : g_strdup("");
  return json_object_new_string(text);
}

static WryJson *shape_users(WryJson *returned) {
  return take_list(returned, user_members, MAX_USERS);
}

static WryJson *shape_filesystems(WryJson *returned) {
  return take_list(returned, fs_members, MAX_FILESYSTEMS);
}

static WryJson *shape_fsfreeze(WryJson *returned) {
  const char *state = json_object_is_type(returned, json_type_string) ? json_object_get_string(returned) : "";
  return json_object_new_string(strcmp(state, "frozen") == 0 || strcmp(state, "thawed") == 0 ? state : "");
}

static WryJson *shape_ping(WryJson *returned) {
  (void)returned;
  return json_object_new_object();
}

static const struct { const char *text; WryJson *(*shape)(WryJson *returned); } commands[WRY_AGENT_COMMANDS] = {
  [WRY_AGENT_INFO] = {"{\"execute\":\"guest-info\"}", shape_info},
  [WRY_AGENT_OSINFO] = {"{\"execute\":\"guest-get-osinfo\"}", shape_os},
  [WRY_AGENT_INTERFACES] = {"{\"execute\":\"guest-network-get-interfaces\"}", shape_interfaces},
  [WRY_AGENT_HOSTNAME] = {"{\"execute\":\"guest-get-host-name\"}", shape_hostname},
  [WRY_AGENT_TIMEZONE] = {"{\"execute\":\"guest-get-timezone\"}", shape_timezone},
  [WRY_AGENT_USERS] = {"{\"execute\":\"guest-get-users\"}", shape_users},
  [WRY_AGENT_FILESYSTEMS] = {"{\"execute\":\"guest-get-fsinfo\"}", shape_filesystems},
  [WRY_AGENT_FSFREEZE] = {"{\"execute\":\"guest-fsfreeze-status\"}", shape_fsfreeze},
  [WRY_AGENT_PING] = {"{\"execute\":\"guest-ping\"}", shape_ping},
};

const char *wry_agent_command(WryAgentCommand command) {
  return commands[command].text;
}

WryJson *wry_agent_shape(WryAgentCommand command, WryJson *returned) {
  return commands[command].shape(returned);
}

WryJson *wry_agent_return(const char *reply, gsize length, GError **error) {
  if (length > WRY_MAX_AGENT_REPLY) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "guest agent: a reply of %zu bytes", length);
    return NULL;
  }
  g_autoptr(GError) local = NULL;
  g_autoptr(WryJson) object = wry_json_parse(reply, length, &local);
  if (!object) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_PROTOCOL, "guest agent: %s", local->message);
    return NULL;
  }
  g_autofree char *problem = clean(wry_json_path(object, "error.desc"));
  WryJson *returned = NULL;
  if (json_object_is_type(object, json_type_object) && json_object_object_get_ex(object, "return", &returned))
    return returned ? json_object_get(returned) : json_object_new_object();
  g_set_error(error, WRY_ERROR, problem ? WRY_ERROR_FAILED : WRY_ERROR_PROTOCOL, "guest agent: %s", problem ? problem : "not a reply");
  return NULL;
}

/* --- conclusions ------------------------------------------------------------------------------------------------------ */

static const char *const required[] = {
  "guest-ping", "guest-get-time", "guest-info", "guest-shutdown", "guest-network-get-interfaces", "guest-get-fsinfo", "guest-get-host-name", "guest-get-users",
  "guest-get-timezone", "guest-get-osinfo",
};

static gboolean is_enabled(WryJson *supported, const char *name) {
  for (gsize i = 0; supported && i < json_object_array_length(supported); i++) {
    WryJson *command = json_object_array_get_idx(supported, i);
    if (g_strcmp0(wry_json_str(command, "name"), name) == 0)
      return wry_json_bool(command, "enabled", FALSE);
  }
  return FALSE;
}

gboolean wry_agent_is_supported(WryJson *info) {
  WryJson *supported = wry_json_get(info, "supportedCommands");
  for (gsize i = 0; i < G_N_ELEMENTS(required); i++)
    if (!is_enabled(supported, required[i]))
      return FALSE;
  return TRUE;
}
