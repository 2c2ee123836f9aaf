/* The table of verbs. */
#include "tools/wherryctl/verb.h"
#include <string.h>

const WryVerb wry_verbs[] = {
    {"get", "get KIND [NAME] [-n NS|-A] [-o wide|yaml|json|name|jsonpath=TEMPLATE] [-w]", "Show objects",
     WRY_ARG_NAMESPACE | WRY_ARG_ALL | WRY_ARG_OUTPUT | WRY_ARG_WATCH, 1, 2, wry_cmd_get},
    {"describe", "describe KIND [NAME]", "Show an object in detail, with its events", WRY_ARG_NAMESPACE | WRY_ARG_ALL, 1, 2, wry_cmd_describe},
    {"apply", "apply -f FILE|DIRECTORY|-", "Make objects be as in the manifests", WRY_ARG_NAMESPACE | WRY_ARG_FILE | WRY_ARG_DRY_RUN, 0, 0, wry_cmd_apply},
    {"delete", "delete (KIND NAME|-f FILE) [--grace-period=N]", "Delete objects", WRY_ARG_NAMESPACE | WRY_ARG_FILE | WRY_ARG_GRACE | WRY_ARG_FORCE | WRY_ARG_TIMEOUT | WRY_ARG_WAIT,
     0, -1, wry_cmd_delete},
    {"wait", "wait KIND NAME --for=condition=Ready|delete|jsonpath={.PATH}=VALUE [--timeout=30s]", "Wait for a condition of an object",
     WRY_ARG_NAMESPACE | WRY_ARG_FOR | WRY_ARG_TIMEOUT, 1, 2, wry_cmd_wait},
    {"events", "events [KIND NAME]", "Show what happened", WRY_ARG_NAMESPACE | WRY_ARG_ALL | WRY_ARG_WATCH | WRY_ARG_OUTPUT, 0, 2, wry_cmd_events},
    {"start", "start VM [--paused]", "Start a virtual machine", WRY_ARG_NAMESPACE | WRY_ARG_PAUSED | WRY_ARG_DRY_RUN, 1, 1, wry_cmd_start},
    {"stop", "stop VM [--force --grace-period=N]", "Stop a virtual machine", WRY_ARG_NAMESPACE | WRY_ARG_FORCE | WRY_ARG_GRACE | WRY_ARG_DRY_RUN, 1, 1, wry_cmd_stop},
    {"restart", "restart VM [--force --grace-period=0]", "Restart a virtual machine", WRY_ARG_NAMESPACE | WRY_ARG_FORCE | WRY_ARG_GRACE | WRY_ARG_DRY_RUN, 1, 1, wry_cmd_restart},
    {"pause", "pause vm|vmi NAME", "Halt the guest's CPUs", WRY_ARG_NAMESPACE | WRY_ARG_DRY_RUN, 2, 2, wry_cmd_pause},
    {"unpause", "unpause vm|vmi NAME", "Let the guest's CPUs run again", WRY_ARG_NAMESPACE | WRY_ARG_DRY_RUN, 2, 2, wry_cmd_unpause},
    {"softreboot", "softreboot VMI", "Ask the guest to reboot", WRY_ARG_NAMESPACE, 1, 1, wry_cmd_softreboot},
    {"soft-reboot", "soft-reboot VMI", "Ask the guest to reboot", WRY_ARG_NAMESPACE, 1, 1, wry_cmd_softreboot},
    {"reset", "reset VMI", "Reset the virtual hardware", WRY_ARG_NAMESPACE, 1, 1, wry_cmd_reset},
    {"console", "console VMI [--read-only] [--force] [--timeout=MINUTES]", "Connect to the serial console (escape: ^])",
     WRY_ARG_NAMESPACE | WRY_ARG_CONSOLE | WRY_ARG_FORCE | WRY_ARG_TIMEOUT, 1, 1, wry_cmd_console},
    {"logs", "logs VMI [--previous] [-f]", "Show the log of the serial console", WRY_ARG_NAMESPACE | WRY_ARG_LOGS, 1, 1, wry_cmd_logs},
    {"vnc", "vnc VMI --proxy-only [--port=N]", "Open a local port for a VNC client", WRY_ARG_NAMESPACE | WRY_ARG_VNC, 1, 1, wry_cmd_vnc},
    {"guestosinfo", "guestosinfo VMI", "Show what the guest agent tells of its system", WRY_ARG_NAMESPACE, 1, 1, wry_cmd_guestosinfo},
    {"userlist", "userlist VMI", "Show who is logged in to the guest", WRY_ARG_NAMESPACE, 1, 1, wry_cmd_userlist},
    {"fslist", "fslist VMI", "Show the guest's file systems", WRY_ARG_NAMESPACE, 1, 1, wry_cmd_fslist},
    {"image", "image import FILE|DIRECTORY [NAME] | ls | rm NAME | pull NAME", "Work on the image store", WRY_ARG_OUTPUT, 1, 3, wry_cmd_image},
    {"doctor", "doctor", "Check this machine and the running handler", 0, 0, 0, wry_cmd_doctor},
    {"version", "version [--client]", "Show the versions", WRY_ARG_CLIENT, 0, 0, wry_cmd_version},
    {"completion", "completion bash|zsh|fish", "Print a shell's completion script", 0, 1, 1, wry_cmd_completion},
    {"help", "help [VERB]", "Show how to use a verb", 0, 0, 1, wry_cmd_help},
    {0},
};

const WryVerb *wry_verb_find(const char *name) {
  for (const WryVerb *verb = wry_verbs; verb->name; verb++)
    if (strcmp(verb->name, name) == 0)
      return verb;
  return NULL;
}
