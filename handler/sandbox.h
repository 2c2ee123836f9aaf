#pragma once
/* The local sandbox, made by the root half: what a pod is to a cluster. Private to handler/priv.c and handler/sandbox*.c. */
#include "handler/birth.h"
#include "handler/root.h"

#define WRY_SANDBOX_HIERARCHIES 12u

/* Facts about one handler root, opened once. */
typedef struct {
  const WryPrivOptions *options;
  int host_root_fd;  /* "/" of the host: source of the read-only system trees */
  int given_fd;      /* came with the request that is being served; -1: none */
  int libexec_fd;    /* launcher, launcher-init, launcher-jail */
  uint32_t first_uid;/* WRY_VM_UID_FIRST + offset of this root */
  char cgroup[32];   /* "wherry/<root id>" */
} WryPrivContext;

/* sandbox_cgroup.c: the cgroup of a sandbox in every mounted hierarchy, v1 and v2. Names are checked by the caller. */
gboolean wry_sandbox_cgroup_make(const WryPrivContext *context, const char *name, GError **error);
gboolean wry_sandbox_cgroup_attach(const WryPrivContext *context, const char *name, pid_t pid, GError **error);
/* Number of processes in it; the first `max` host pids are written to `pids`. 0 also when the cgroup does not exist. */
guint wry_sandbox_cgroup_pids(const WryPrivContext *context, const char *name, pid_t *pids, guint max);
/* Kills all and waits until it is empty, at most `timeout_ms`. */
gboolean wry_sandbox_cgroup_kill(const WryPrivContext *context, const char *name, int timeout_ms, GError **error);
gboolean wry_sandbox_cgroup_remove(const WryPrivContext *context, const char *name, GError **error);
/* Name of entry number `index`, new; NULL past the last. */
char *wry_sandbox_cgroup_name(const WryPrivContext *context, guint index);
int wry_sandbox_cgroup_version(void); /* 1 (also hybrid) or 2 */

/* sandbox_volumes.c: sources of the binds, opened and checked. Elements of the returned array: WryBind. */
typedef struct {
  int fd;            /* O_PATH or directory: what to bind */
  char *target;      /* below the sandbox's root, without leading '/' */
  gboolean directory, read_only, device;
} WryBind;
void wry_bind_free(WryBind *bind);
GPtrArray *wry_sandbox_volumes(const WryPrivContext *context, const WryRootRequest *request, uid_t uid, GError **error);

/* sandbox_mounts.c: all binds of a sandbox as detached mounts. Elements: WryBind. */
GPtrArray *wry_sandbox_binds(const WryPrivContext *context, const WryRootRequest *request, uid_t uid, GError **error);

/* sandbox_setup.c: a run of `launcher setup`, begun and, while the caller did something else, finished. `fds` are passed on; sockets that come back are written to ret_fds (owned).
 * Finish leaves the run cleared, whatever came of it; abandon ends one that is not to be finished, and takes a cleared one too. */
typedef struct { pid_t pid; int sock; } WrySetupRun;
gboolean wry_setup_begin(const WryPrivContext *context, const WrySetupRequest *request, const int *fds, guint n_fds, WrySetupRun *ret_run, GError **error);
gboolean wry_setup_finish(WrySetupRun *run, WrySetupReply *ret_reply, int *ret_fds, guint *ret_n_fds, GError **error);
void wry_setup_abandon(WrySetupRun *run);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WrySetupRun, wry_setup_abandon)
/* Begun and finished at once, for what takes and gives no descriptors. */
gboolean wry_sandbox_setup(const WryPrivContext *context, const WrySetupRequest *request, WrySetupReply *ret_reply, GError **error);

/* sandbox_birth.c: what is asked of the birth helper. */
typedef struct {
  const WryPrivContext *context;
  const WryRootRequest *request;
  GPtrArray *binds;
  uid_t uid;
  gid_t kvm_gid;
  int sync;      /* the first process's end: 'r' out = root entered; then what init is told comes in (setup.h) */
  int log;       /* stderr of the sandbox */
  WryBirthKind kind;
} WryBirth;
void wry_birth_clear(WryBirth *birth);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WryBirth, wry_birth_clear)
/* A new process, a child of this one. netns: of a sandbox. */
typedef struct { pid_t pid; int pidfd, netns; } WryBorn;
void wry_born_clear(WryBorn *born);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WryBorn, wry_born_clear)
/* Makes the first process; it enters its root, says so on the other end of birth->sync, waits for a datagram there and becomes the program of birth->kind. */
gboolean wry_birth_sandbox(const WryBirth *birth, WryBorn *ret_born, GError **error);
/* Waits for its word: ready, or the step that failed. */
gboolean wry_birth_ready(int ours, GError **error);
/* A `launcher setup` with `sync` as its socket. */
gboolean wry_birth_setup(const WryPrivContext *context, int sync, WryBorn *ret_born, GError **error);

/* sandbox.c */
/* One message for init: its start (`network` NULL) or, later, the sockets that setup made. */
gboolean wry_init_tell(int sock, uid_t uid, const WrySetupReply *network, const int *fds, GError **error);
gboolean wry_sandbox_start(const WryPrivContext *context, const WryRootRequest *request, WryRootReply *reply, int *ret_pidfd, GError **error);
gboolean wry_sandbox_query(const WryPrivContext *context, const WryRootRequest *request, WryRootReply *reply, int *ret_pidfd, GError **error);
/* Has the sandbox's init kill its `launcher run`. */
gboolean wry_sandbox_kill_run(const WryPrivContext *context, const WryRootRequest *request, GError **error);
gboolean wry_sandbox_end(const WryPrivContext *context, const WryRootRequest *request, GError **error);
/* sandbox_probe.c: `mode` 0 = try KVM and use it when it runs guests, 1 = use it untried, 2 = never. */
gboolean wry_sandbox_probe(const WryPrivContext *context, guint32 mode, WryRootReply *reply, GError **error);
uid_t wry_sandbox_uid(const WryPrivContext *context, guint32 slot);
