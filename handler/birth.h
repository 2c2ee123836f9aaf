#pragma once
/* What the root half may ask of its birth helper: a closed list of fixed-size requests on a SOCK_SEQPACKET pair, each answered by one fixed-size datagram.
 *
 * A system call policy is inherited by all that a process starts, and the programs of a sandbox need what the root half must never do. So the root half makes no process itself: it
 * starts this helper before it takes its own policy (policies/priv.allow), and the helper, which reads nothing but these requests, makes the first process of each sandbox and each run of
 * `launcher setup`. What it makes are children of the root half (CLONE_PARENT), which waits for them and ends them as if they were its own.
 * The helper ends with the root half, however that goes; the end of the helper ends the root half, and the starter starts both anew. */
#include <glib.h>
#include <stdint.h>
#include <sys/types.h>

#define WRY_BIRTH_VERSION 1u
#define WRY_BIRTH_MOUNTS 96u

typedef enum {
  WRY_BIRTH_INIT = 1,  /* a sandbox, whose first process becomes `launcher init` */
  WRY_BIRTH_PROBE_KVM, /* a sandbox, in which `launcher probe-kvm` runs under a reaper */
  WRY_BIRTH_PROBE,     /* likewise `launcher probe` */
  WRY_BIRTH_SETUP,     /* `launcher setup`, in the host's namespaces, with the capabilities that it needs */
  WRY_BIRTH_KINDS
} WryBirthKind;

typedef struct {
  uint8_t directory;
  char target[103];    /* below the sandbox's root, without leading '/' */
} WryBirthMount;

/* Comes with descriptors, in this order: the process's socket; its stderr when `log`; one detached mount for each of `mounts`. Setup: the socket alone. */
typedef struct {
  uint32_t version, kind;
  uint32_t uid;        /* uid and gid in the sandbox: one of this root's */
  uint32_t kvm_gid;    /* its supplementary group, 0 = none */
  uint32_t log;        /* 0 or 1 */
  uint32_t n_mounts;
  char hostname[64];
  WryBirthMount mounts[WRY_BIRTH_MOUNTS];
} WryBirthRequest;

/* Comes with the pidfd when there is a process, and with its network namespace when that is its own. */
typedef struct {
  uint32_t version;
  int32_t pid;         /* 0: there is none, and `problem` is its errno */
  int32_t problem;
} WryBirthReply;

/* The helper: serves until the socket closes; returns the exit status. */
typedef struct {
  const char *libexec; /* absolute directory of launcher-setup */
  uint32_t first_uid, n_uids; /* what a request may have as uid */
} WryBirthOptions;
int wry_birth_serve(int take_fd, const WryBirthOptions *options);

/* Private to birth*.c. One request and what came with it, in the new process. */
typedef struct {
  const WryBirthRequest *request;
  int sync, log;       /* log: -1 = none */
  const int *mounts;   /* request->n_mounts */
} WryBirthJob;
/* birth_child.c: the first process of a sandbox, from clone to exec. */
G_NORETURN void wry_birth_become(const WryBirthJob *job);
/* birth_root.c: as root in a mount namespace of its own, builds the sandbox's tree from the mounts and makes it the root. */
gboolean wry_birth_enter_root(const WryBirthJob *job, GError **error);
