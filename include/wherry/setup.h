#pragma once
/* `launcher setup`: the privileged, short-lived stage. The handler's root half starts it with one fixed-size request on fd 3 (SOCK_SEQPACKET) and namespace fds as
 * SCM_RIGHTS; it answers with one fixed-size reply (and fds) and ends. It parses no text and reads no guest byte. Idempotent: a second SANDBOX_UP finds what the first made.
 * On failure it undoes what it did. Exit status 0 when the reply says ok.
 *
 *   UPLINK_UP     (host network namespace; fd 0 = sandbox netns) host side: bridge of this root, veth pair with "eth0" moved into the sandbox, addresses, NAT and port
 *                 forwards in one nft transaction in table `wherry_<root id>`
 *   SANDBOX_UP    (enters fd 0 = sandbox netns, fd 1 = sandbox cgroup directory v2 or of the v1 memory hierarchy …) per interface: bridge k6t-<p>, tap, addresses, nft; sockets for DHCP,
 *                 DHCPv6 and router advertisements (returned as fds); cgroup limits; device access
 *   UPLINK_DOWN   removes what UPLINK_UP made for this VM
 *   UPLINK_END    UPLINK_DOWN, and removes the bridge and table of the root (last VM gone)
 *   DEVICES       replaces the device rules of a cgroup (hot-plug)
 *   LIMITS        cgroup limits and device access alone: what a sandbox must have before anything of it runs
 *   NETWORK_UP    (fd 0 = sandbox netns) UPLINK_UP and SANDBOX_UP's network in one process, without a cgroup */
#include <stdint.h>
#include "limits.h"

#define WRY_SETUP_VERSION 1u

enum { WRY_SETUP_UPLINK_UP = 1, WRY_SETUP_SANDBOX_UP, WRY_SETUP_UPLINK_DOWN, WRY_SETUP_UPLINK_END, WRY_SETUP_DEVICES, WRY_SETUP_LIMITS, WRY_SETUP_NETWORK_UP };
enum { WRY_BIND_MASQUERADE = 1, WRY_BIND_BRIDGE };
enum { WRY_PROTO_TCP = 6, WRY_PROTO_UDP = 17 };

typedef struct { uint8_t a[4]; uint8_t prefix; uint8_t set; } WryIp4;
typedef struct { uint8_t a[16]; uint8_t prefix; uint8_t set; } WryIp6;
typedef struct { uint16_t port; uint8_t protocol; uint8_t pad; } WrySetupPort;
typedef struct { uint16_t host_port, guest_port; uint8_t protocol; uint8_t pad[3]; } WrySetupForward;

typedef struct {
  char pod[16];     /* pod interface in the sandbox: "eth0" */
  char bridge[16];  /* "k6t-eth0" */
  char tap[16];     /* "tap0" */
  uint8_t binding;  /* WRY_BIND_* */
  uint8_t guest_mac[6]; /* all zero = none asked */
  uint16_t mtu;     /* 0 = the pod interface's */
  uint16_t queues;  /* 1 = single */
  WryIp4 gateway4, guest4; /* masquerade: 10.0.2.1/24, 10.0.2.2/24 */
  WryIp6 gateway6, guest6; /* fd10:0:2::1/120, fd10:0:2::2/120 */
  uint16_t n_ports;
  WrySetupPort ports[WRY_MAX_PORTS]; /* none = all */
} WrySetupInterface;

typedef struct {
  char kind;        /* 'c' or 'b' */
  uint8_t pad[3];
  uint32_t major, minor; /* UINT32_MAX = any */
  uint8_t read, write, mknod, pad2;
} WrySetupDevice;

#define WRY_MAX_SETUP_DEVICES 64u
#define WRY_MAX_SETUP_FORWARDS 32u

typedef struct {
  uint32_t version, op;
  uint32_t root_id;      /* of the handler's root: names bridge wry<8 hex> and table wherry_<8 hex> */
  uint32_t slot;         /* of the VM in this root: names veth wv<slot hex>… and picks its address */
  uint32_t uid, gid;     /* of the VM: owner of the taps */
  /* uplink */
  char host_bridge[16];  /* a bridge of the user's choice, or "" for NAT through the host */
  WryIp4 pod4, pod4_gateway; /* address of eth0 in the sandbox and of the root's bridge; unset with host_bridge */
  WryIp6 pod6, pod6_gateway;
  uint16_t n_forwards;
  WrySetupForward forwards[WRY_MAX_SETUP_FORWARDS];
  /* sandbox */
  uint16_t n_interfaces;
  WrySetupInterface interfaces[8];
  uint64_t memory_max;   /* bytes; 0 = none */
  uint32_t cpu_quota_us, cpu_period_us; /* 0 = none */
  uint32_t cpu_shares;   /* v1 shares (1024 = one CPU); converted to weight on v2; 0 = leave */
  uint32_t pids_max;     /* 0 = leave */
  uint16_t n_devices;
  WrySetupDevice devices[WRY_MAX_SETUP_DEVICES];
  char cgroup[256];      /* relative cgroup path "wherry/<root id>/<vmi uid>" */
} WrySetupRequest;

/* What the sockets handed over are for; index = place in SCM_RIGHTS, three per interface at most. */
enum { WRY_SETUP_FD_DHCP4 = 1, WRY_SETUP_FD_DHCP6, WRY_SETUP_FD_RA };
typedef struct { uint8_t what, interface; uint16_t pad; } WrySetupFd;
typedef struct { uint8_t mac[6]; uint16_t mtu; WryIp4 pod4; WryIp6 pod6; uint8_t guest_mac[6]; uint8_t pad[2]; WryIp4 guest4, gateway4; WryIp6 guest6, gateway6; } WrySetupInterfaceResult;
typedef struct {
  uint32_t version, ok;    /* ok 1 = done */
  int32_t code;            /* WryErrorCode when not ok */
  char message[256];
  uint32_t landlock_abi, cgroup_version; /* facts of the node */
  uint16_t n_fds;
  WrySetupFd fds[WRY_MAX_SETUP_FDS];
  uint16_t n_interfaces;
  WrySetupInterfaceResult interfaces[8];
} WrySetupReply;

/* `launcher init` finds a SOCK_SEQPACKET on inherited fd 3. On it come two datagrams, both WryInitStart. The first, without descriptors, says that limits and devices are set: init takes it
 * and starts `run`, to which it gives the socket itself. The second comes when the network stands and brings the sockets that setup made. It is never taken, only looked at (MSG_PEEK gives
 * copies of the descriptors), so every later `run` of the sandbox finds it too. Run is told of its descriptors by the environment variable WRY_FDS ("init=4,setup=5"): "setup" is that socket,
 * "init" a SOCK_SEQPACKET on which init tells of every reaped process (WryInitExit).
 * In a pod there is no such fd: init makes a socket pair, gives run both ends ("setup", "deposit"), and the second datagram comes from the handler with the bundle; run puts it in. */
typedef struct {
  uint32_t version;
  uint16_t n_fds;
  uint16_t pad;
  WrySetupFd fds[WRY_MAX_SETUP_FDS];
  uint32_t uid, gid;       /* run as; init has them already */
} WryInitStart;
/* init -> run: one datagram per reaped child; the last 16 are kept and told again to a restarted run. */
typedef struct { int32_t pid; int32_t status; /* wait(2)'s */ } WryInitExit;
/* What init does with `launcher run` on SIGUSR1, which the root half sends when it is silent: SIGKILL, and then what follows on any death of it. */
#define WRY_INIT_KILL_RUN SIGUSR1
/* Exit status of `launcher run` by which init knows that the VM is over; any other makes it start run again with back-off (1 s doubling to 30 s, reset after 60 s). */
#define WRY_RUN_OVER 42
