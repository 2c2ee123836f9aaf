#pragma once
/* The registration socket run/node/launcher.sock and the connections of launchers. Who a launcher is follows from its cgroup, read through its pidfd, and its uid; never from what it
 * says. */
#include "wherry/wire.h"

typedef struct WryLaunchers WryLaunchers;
typedef struct WryLauncher WryLauncher; /* one connection */

typedef struct {
  /* The owner of a peer: which VMI's sandbox it sits in, or, in a cluster, which pod. NULL refuses it; wry_launcher_awaited lets it wait, unread, until wry_launchers_again. */
  gpointer (*identify)(const char *vmi, uid_t uid, gpointer data);
  /* First message: the launcher is ready for requests. `owner` may keep it until `closed`. */
  void (*hello)(WryLauncher *launcher, gpointer owner, gint64 run, gpointer data);
  void (*status)(gpointer owner, const WryVmiReport *report, gpointer data);
  void (*event)(gpointer owner, const WryMsgEvent *event, gpointer data);
  /* It has not answered a ping for `seconds`: it hangs. The connection is still there; the launcher is not asked again. */
  void (*silent)(WryLauncher *launcher, gpointer owner, guint seconds, gpointer data);
  /* Gone, or it broke the protocol (error set). Its open calls have been answered with an error; the launcher is freed after this. */
  void (*closed)(WryLauncher *launcher, gpointer owner, const GError *error, gpointer data);
} WryLauncherCalls;

/* How launchers are watched, in milliseconds: a ping this long after the last answer; the time for an answer; the time for one whose process would like to run or waits for a disk; and how
 * long a sandbox may be without a connected launcher. */
typedef struct { guint every, answer, slow, absent; } WryPulse;
/* A launcher that was stopped is known to be silent within 14 s: `run` is back within 15. One ping in 12 s keeps an idle VM within its 0.1 wake-ups a second. */
extern const WryPulse wry_pulse;

extern const char wry_launcher_awaited[];
#define WRY_LAUNCHERS_WAITING 256u
#define WRY_LAUNCHER_WAIT_SECONDS 300u /* then it is refused, and comes again by itself */

/* `node_dirfd` is run/node, `procfd` /proc (both borrowed); `cgroup` the root's part of cgroup paths, "wherry/0123abcd", or NULL: launchers sit in pods, and what identifies them is the pod's UID; `pulse` is borrowed, NULL: wry_pulse. */
WryLaunchers *wry_launchers_new(int node_dirfd, int procfd, const char *cgroup, const WryPulse *pulse, const WryLauncherCalls *calls, gpointer data, GError **error);
void wry_launchers_free(WryLaunchers *launchers);

/* The answer to a call: `reply` is borrowed; *fd is -1 or the callee's when it sets it to -1. error set: the connection is gone or the launcher refused (domain WRY_ERROR). */
typedef void (*WryLauncherDone)(const WryMsgReply *reply, int *fd, const GError *error, gpointer data);
/* Sends a request; `body` is the struct of `type`, its first member seq is set here. `fd` (or -1) is borrowed. */
void wry_launcher_call(WryLauncher *launcher, WryMsgType type, gpointer body, int fd, WryLauncherDone done, gpointer data);
/* The same with two descriptors, both borrowed. */
void wry_launcher_call_with(WryLauncher *launcher, WryMsgType type, gpointer body, int fd, int second, WryLauncherDone done, gpointer data);
/* Asks again who those are that wait. */
void wry_launchers_again(WryLaunchers *launchers);
/* The process: its pidfd (borrowed) and uid. */
int wry_launcher_pidfd(const WryLauncher *launcher);
uid_t wry_launcher_uid(const WryLauncher *launcher);
/* A pidfd of its parent in the same pod, which is its init; -1 when there is none. Owned by the caller. */
int wry_launcher_open_init(const WryLauncher *launcher);
/* Ends a connection: `closed` is called from it. */
void wry_launcher_close(WryLauncher *launcher);

/* The sandbox's name in the text of /proc/<pid>/cgroup: the component after `root`; NULL when no line has it, or two lines disagree. New string. Pure. */
char *wry_cgroup_sandbox(const char *text, const char *root);
/* The state letter in the text of /proc/<pid>/stat, 0 when there is none. Pure. */
char wry_stat_state(const char *text);
/* The parent's pid in it, 0 when there is none. Pure. */
pid_t wry_stat_parent(const char *text);
