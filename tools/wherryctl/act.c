/* Verbs that act on a VM or its guest, with virtctl's words. */
#include "tools/wherryctl/client.h"
#include "tools/wherryctl/verb.h"
#include "wherry/error.h"
#include <stdio.h>
#include <string.h>

static int act(const WryArgs *args, const char *verb, const char *kind, const char *name, const char *what, GError **error) {
  WryControlVerb call = {.verb = (char *)verb, .kind = (char *)kind, .namespace_ = (char *)wry_args_namespace(args), .name = (char *)name,
                         .paused = {args->paused, args->paused}, .force = {args->force, args->force}, .dryRun = {args->dry_run, args->dry_run},
                         .gracePeriodSeconds = {args->grace_period >= 0, args->grace_period}};
  g_autoptr(WryJson) reply = wry_client_call(args->root, WRY_CONTROL_VERB, &call, NULL, error);
  if (!reply)
    return 1;
  if (args->dry_run)
    puts("Dry Run execution");
  printf("%s %s was scheduled to %s\n", strcmp(kind, "VirtualMachine") == 0 ? "VM" : "VMI", name, what);
  return 0;
}

#define VERB_ON(function, verb, kind, what)                       \
  int function(const WryArgs *args, GError **error) {              \
    return act(args, verb, kind, args->args[0], what, error);      \
  }
VERB_ON(wry_cmd_start, "start", "VirtualMachine", "start")
VERB_ON(wry_cmd_softreboot, "softreboot", "VirtualMachineInstance", "soft reboot")
VERB_ON(wry_cmd_reset, "reset", "VirtualMachineInstance", "reset")

/* virtctl: --force and --grace-period belong together. */
static gboolean force_pair(const WryArgs *args, GError **error) {
  if (!args->force || args->grace_period >= 0)
    return TRUE;
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: must set --grace-period with --force");
  return FALSE;
}

int wry_cmd_stop(const WryArgs *args, GError **error) {
  return force_pair(args, error) ? act(args, "stop", "VirtualMachine", args->args[0], "stop", error) : 1;
}

int wry_cmd_restart(const WryArgs *args, GError **error) {
  return force_pair(args, error) ? act(args, "restart", "VirtualMachine", args->args[0], "restart", error) : 1;
}

static int act_on_kind(const WryArgs *args, const char *verb, GError **error) {
  const WryKindName *kind = wry_kind_find(args->args[0]);
  if (kind && g_str_has_prefix(kind->kind, "VirtualMachine"))
    return act(args, verb, kind->kind, args->args[1], verb, error);
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "error: want vm or vmi, not \"%s\"", args->args[0]);
  return 1;
}

int wry_cmd_pause(const WryArgs *args, GError **error) {
  return act_on_kind(args, "pause", error);
}

int wry_cmd_unpause(const WryArgs *args, GError **error) {
  return act_on_kind(args, "unpause", error);
}

static int guest_info(const WryArgs *args, const char *what, GError **error) {
  WryControlGuest call = {.namespace_ = (char *)wry_args_namespace(args), .name = args->args[0], .what = (char *)what};
  g_autoptr(WryJson) reply = wry_client_call(args->root, WRY_CONTROL_GUESTINFO, &call, NULL, error);
  if (!reply)
    return 1;
  puts(json_object_to_json_string_ext(wry_json_get(reply, "data"), JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE));
  return 0;
}

int wry_cmd_guestosinfo(const WryArgs *args, GError **error) {
  return guest_info(args, "osinfo", error);
}
int wry_cmd_userlist(const WryArgs *args, GError **error) {
  return guest_info(args, "users", error);
}
int wry_cmd_fslist(const WryArgs *args, GError **error) {
  return guest_info(args, "filesystems", error);
}
