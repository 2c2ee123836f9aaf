#pragma once
/* What the guest agent says, taken with tongs: the guest decides every byte of it. Pure: text in, bounded values out. Every string is cut to WRY_MAX_AGENT_STRING bytes of clean
 * UTF-8 without control characters, every list to a named limit; what is not of the expected type is as if it were absent. Shapes on the way out: KubeVirt's (contract 3.1, 7.6). */
#include "wherry/json.h"
#include "wherry/wire.h"

typedef enum {
  WRY_AGENT_INFO, WRY_AGENT_OSINFO, WRY_AGENT_INTERFACES, WRY_AGENT_HOSTNAME, WRY_AGENT_TIMEZONE, WRY_AGENT_USERS, WRY_AGENT_FILESYSTEMS, WRY_AGENT_FSFREEZE, WRY_AGENT_PING,
  WRY_AGENT_COMMANDS
} WryAgentCommand;

/* The command as JSON text for the agent. Static. */
const char *wry_agent_command(WryAgentCommand command);

/* The `return` member of a reply. New reference; NULL with WRY_ERROR_TOO_LARGE, _PROTOCOL (not an agent's reply) or _FAILED (the agent's own error, its text cleaned). */
WryJson *wry_agent_return(const char *reply, gsize length, GError **error);

/* The command's answer as KubeVirt shapes it. New reference, never NULL: an answer without anything usable gives an empty object, list or string.
 *   INFO        {version, supportedCommands[{name, enabled}]}      OSINFO      {name, id, kernelRelease, kernelVersion, machine, prettyName, version, versionId}
 *   INTERFACES  [{name, mac, ipAddresses[]}], loopback left out    HOSTNAME    "…"        TIMEZONE  "Zone, offset"       FSFREEZE  "frozen" | "thawed" | ""
 *   USERS       [{userName, domain, loginTime}]                    FILESYSTEMS [{diskName, mountPoint, fileSystemType, usedBytes, totalBytes, disk[{serial, busType}]}]
 *   PING        {} */
WryJson *wry_agent_shape(WryAgentCommand command, WryJson *returned);

/* Every command that KubeVirt needs (contract 3.4) is there and enabled. `info` is a shaped INFO. */
gboolean wry_agent_is_supported(WryJson *info);

/* Merges the agent's interfaces (shaped INTERFACES) into those of the domain (WryReportInterface), by MAC (contract 3.5): per family the domain's addresses stay only when the agent
 * reports some of that family too, else the agent's list wins; link-local addresses are dropped when `drop_link_local`. Interfaces that only the guest knows are appended (at most 10). */
void wry_agent_merge_interfaces(GPtrArray *interfaces, WryJson *agent, gboolean drop_link_local);
