#pragma once
/* What main may ask of the root half: a closed table of requests, each one fixed-size datagram on a SOCK_SEQPACKET pair, each answered by one fixed-size datagram
 * (and at most one fd). The root half reads no text: names are path components that it checks itself, sizes and counts have limits, and every object is
 * looked up below the directories that it opened at its start. It does not trust main: a request outside these rules is refused and logged.
 *
 * Requests are handled in order, one at a time; a sandbox start takes some 20 to 50 ms. */
#include <gio/gio.h>
#include "wherry/limits.h"
#include "wherry/setup.h"

#define WRY_ROOT_VERSION 1u
#define WRY_ROOT_VOLUMES 64u

typedef enum {
  WRY_ROOT_SANDBOX_START = 1, /* make cgroup, namespaces, mounts, network, devices; start `launcher init`. Reply: pid (host) + pidfd of init. Refused (WRY_ERROR_EXISTS) while a process is in the cgroup */
  WRY_ROOT_SANDBOX_QUERY,     /* reply: alive (processes in the cgroup), pid + pidfd of init when it lives */
  WRY_ROOT_SANDBOX_END,       /* kill what is left in the cgroup, wait, remove cgroup, uplink, run and scratch directories. Idempotent */
  WRY_ROOT_SANDBOX_LIST,      /* reply: name of the sandbox number `index` in this root's cgroup, or alive = 0 past the last */
  WRY_ROOT_VM_REMOVE,         /* remove state/vms/<vm> */
  WRY_ROOT_PVC_REMOVE,        /* remove state/pvc/<namespace>/<name> */
  WRY_ROOT_RUN_KILL,          /* a `launcher run` that hangs: its init is told to kill it, and starts it again. WRY_ERROR_NOT_FOUND without an init.
                               * In a cluster with the pidfd of that init, in the pod `vm` */
  WRY_ROOT_PROBE,             /* run `launcher probe` unprivileged: fills run/node/qemu-caps, tries KVM. Reply: facts */
  WRY_ROOT_KUBELET,           /* reply with an fd: `index` 0 a connection to the kubelet, 1 + kind a listening socket of the device plugin (node/device_kinds.h) */
  WRY_ROOT_POD_SETUP,         /* with a pidfd: `launcher setup` in the pod `vm` of that process. Reply: interfaces, and a socket on which the network's sockets wait */
  WRY_ROOT_OPS
} WryRootOp;

enum { WRY_VOLUME_PVC = 1, WRY_VOLUME_IMAGE, WRY_VOLUME_KERNEL, WRY_VOLUME_HOSTDISK };

/* One volume to bind at /run/wherry/volumes/<name>. */
typedef struct {
  uint8_t kind, read_only, create, pad;
  char name[64];      /* of the volume; kernelBoot: "kernel-boot" */
  char namespace_[64];/* PVC */
  char source[256];   /* PVC: claim name. IMAGE, KERNEL: file or directory below images/disks/ ("<digest hex>/disk.img"). HOSTDISK: absolute path of the image file */
  uint64_t capacity;  /* HOSTDISK with create: bytes; PVC: an image that is smaller grows to these */
} WryRootVolume;

typedef struct {
  uint32_t version, op, seq, index;
  char vmi[40];       /* uid of the VMI: names the sandbox, its cgroup, run/vms/<vmi>, state/scratch/<vmi> */
  char vm[40];        /* uid of the VM object (or of a VMI without one): names state/vms/<vm> */
  char hostname[64];
  char namespace_[64], name[254]; /* PVC_REMOVE */
  uint32_t slot;      /* 1 .. WRY_VM_SLOTS-1: uid and gid are WRY_VM_UID_FIRST + slot + root's offset, address in the root's network */
  uint8_t kvm, tun, vhost_net, pad; /* devices wanted */
  uint64_t scratch_bytes; /* limit told to nobody yet; 0 = none */
  uint16_t n_volumes;
  WryRootVolume volumes[WRY_ROOT_VOLUMES];
  WrySetupRequest setup; /* interfaces, forwards, limits; root fills version, op, uid, gid, cgroup, root_id, slot, devices, pod addresses itself */
} WryRootRequest;

typedef struct {
  uint32_t version, op, seq;
  int32_t code;          /* 0 = done, else WryErrorCode + 1 */
  char message[256];
  char vmi[40];
  uint8_t alive, kvm_usable, kvm_present, cgroup_version;
  uint32_t landlock_abi;
  int32_t pid;           /* of init, host */
  uint32_t uid;          /* the VM's */
  WrySetupReply setup;   /* of SANDBOX_START: interfaces (addresses, MACs, MTU) */
} WryRootReply;

/* Main's end. */
typedef struct WryRoot WryRoot;
/* Reply arrived (error NULL), or it failed (reply may be NULL when the root half is gone). `pidfd` is -1 or owned by the callee. */
typedef void (*WryRootDone)(const WryRootReply *reply, int pidfd, const GError *error, gpointer data);
WryRoot *wry_root_new(int take_fd);
void wry_root_free(WryRoot *root);
/* Answers every question that waits with an error, now, and later ones from the main loop: before what their `data` points to goes. */
void wry_root_abandon(WryRoot *root);
/* Queues a request (seq and version are set here); `done` is called once from the main loop. */
void wry_root_call(WryRoot *root, WryRootRequest *request, WryRootDone done, gpointer data);
/* The same with a descriptor, of which a copy goes with the request; -1: none. */
void wry_root_call_with(WryRoot *root, WryRootRequest *request, int fd, WryRootDone done, gpointer data);

/* The root half (handler/priv.c): serves until the socket closes; returns the exit status. */
typedef struct {
  const char *root_dir;   /* absolute, "" for the default layout */
  int run_fd, state_fd, images_fd; /* directories, opened */
  int kubelet_fd;         /* the kubelet's directory of device plugins; -1: this node is in no cluster */
  int birth_fd;           /* socket to the birth helper (handler/birth.h), a child of this process */
  pid_t birth;
  const char *libexec;    /* absolute directory with launcher, launcher-init, launcher-jail */
  uint32_t root_id;       /* CRC32C of the run directory's path */
  uint32_t handler_uid, handler_gid;
  const char *host_bridge; /* or "" */
  const char *const *host_disk_roots; /* NULL-terminated absolute directories in which hostDisk paths may lie; empty = none */
} WryPrivOptions;
/* The first of the uids of a handler root's VMs. */
static inline uint32_t wry_root_first_uid(uint32_t root_id) { return WRY_VM_UID_FIRST + root_id % 4096 * WRY_VM_UIDS; }
/* Its exit status is 0 when main's end closed, else 1: then the birth helper is gone, or it could not begin. */
int wry_priv_serve(int take_fd, const WryPrivOptions *options);
