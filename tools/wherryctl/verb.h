#pragma once
/* wherryctl's verbs: one row each in verb_table.c, one function each. Names, flags, output and exit codes are kubectl's and virtctl's: 0 done, 1 failed, 2 misused. */
#include "wherry/control.h"

/* All flags of all verbs; which a verb takes is in its row. */
typedef struct {
  char *root, *namespace_, *output;
  gboolean all_namespaces, watch, paused, force, dry_run, previous, follow, read_only, proxy_only, wait, client_only, help;
  gint64 grace_period; /* -1 = not given */
  char *timeout, *for_;
  int port;
  GStrv files; /* -f, repeatable */
  GStrv args;  /* what is left, NULL-terminated */
} WryArgs;

enum {
  WRY_ARG_NAMESPACE = 1 << 0, WRY_ARG_ALL = 1 << 1, WRY_ARG_OUTPUT = 1 << 2, WRY_ARG_WATCH = 1 << 3, WRY_ARG_FILE = 1 << 4, WRY_ARG_GRACE = 1 << 5, WRY_ARG_FORCE = 1 << 6,
  WRY_ARG_PAUSED = 1 << 7, WRY_ARG_DRY_RUN = 1 << 8, WRY_ARG_TIMEOUT = 1 << 9, WRY_ARG_FOR = 1 << 10, WRY_ARG_CONSOLE = 1 << 11, WRY_ARG_LOGS = 1 << 12, WRY_ARG_VNC = 1 << 13,
  WRY_ARG_WAIT = 1 << 14, WRY_ARG_CLIENT = 1 << 15,
};

typedef struct {
  const char *name, *usage, *summary;
  guint flags;
  int min_args, max_args; /* max -1 = any */
  int (*run)(const WryArgs *args, GError **error); /* exit status; with *error set it is printed and counts as 1 */
} WryVerb;

extern const WryVerb wry_verbs[]; /* ends with a row whose name is NULL */
const WryVerb *wry_verb_find(const char *name);
/* Parses what follows the verb into `args` (cleared first). FALSE with a message: misuse. */
gboolean wry_args_parse(const WryVerb *verb, int argc, char **argv, WryArgs *args, GError **error);
void wry_args_clear(WryArgs *args);
/* Usage of one verb, of all. New strings. */
char *wry_verb_help(const WryVerb *verb);
char *wry_verbs_help(void);

/* Kinds as users name them: "vm", "vms", "virtualmachine", …. */
typedef struct {
  const char *kind, *plural, *singular, *group; /* group "" = core */
  const char *const *names;
} WryKindName;
const WryKindName *wry_kind_find(const char *name);
const WryKindName *wry_kind_of(const char *kind);
/* "virtualmachine.kubevirt.io": how kubectl names an object of the kind in its messages. New string. */
char *wry_kind_qualified(const WryKindName *kind);
/* Splits ["vm", "demo"] or ["vm/demo"]; *ret_name NULL when none is given. */
gboolean wry_kind_and_name(const WryArgs *args, const WryKindName **ret_kind, const char **ret_name, GError **error);
const char *wry_args_namespace(const WryArgs *args); /* "default" when not given */
/* "30s", "2m", "1h", "0"; a bare number counts `unit` seconds. Milliseconds; -1 = for ever (negative values). */
gboolean wry_duration_parse(const char *text, gint64 unit, gint64 *ret_ms, GError **error);

int wry_cmd_get(const WryArgs *args, GError **error);
int wry_cmd_describe(const WryArgs *args, GError **error);
int wry_cmd_events(const WryArgs *args, GError **error);
int wry_cmd_apply(const WryArgs *args, GError **error);
int wry_cmd_delete(const WryArgs *args, GError **error);
int wry_cmd_wait(const WryArgs *args, GError **error);
int wry_cmd_start(const WryArgs *args, GError **error);
int wry_cmd_stop(const WryArgs *args, GError **error);
int wry_cmd_restart(const WryArgs *args, GError **error);
int wry_cmd_pause(const WryArgs *args, GError **error);
int wry_cmd_unpause(const WryArgs *args, GError **error);
int wry_cmd_softreboot(const WryArgs *args, GError **error);
int wry_cmd_reset(const WryArgs *args, GError **error);
int wry_cmd_console(const WryArgs *args, GError **error);
int wry_cmd_logs(const WryArgs *args, GError **error);
int wry_cmd_vnc(const WryArgs *args, GError **error);
int wry_cmd_image(const WryArgs *args, GError **error);
int wry_cmd_guestosinfo(const WryArgs *args, GError **error);
int wry_cmd_userlist(const WryArgs *args, GError **error);
int wry_cmd_fslist(const WryArgs *args, GError **error);
int wry_cmd_doctor(const WryArgs *args, GError **error);
int wry_cmd_version(const WryArgs *args, GError **error);
int wry_cmd_completion(const WryArgs *args, GError **error);
int wry_cmd_help(const WryArgs *args, GError **error);
