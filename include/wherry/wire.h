#pragma once
/* Messages between handler and launcher: one SOCK_SEQPACKET datagram each, at most WRY_MAX_MESSAGE bytes of strict JSON, with at most WRY_MAX_MESSAGE_FDS fds.
 *
 * A message is {"<type>": {fields}}.
 *
 * The launcher connects to /run/wherry/node/launcher.sock; who it is follows from the peer's pidfd, uid and cgroup, never from what it says.
 * A peer that sends an unknown type, an unknown or missing field, a wrong type, too many fds or a truncated datagram is disconnected (WRY_ERROR_PROTOCOL).
 *
 * handler -> launcher (each has `seq`, answered by one `reply` with the same seq, in order):
 *   sync {seq}+fd memfd            the bundle (bundle.h): make it so. Idempotent; the first starts the VM, later ones update labels/annotations and probes only.
 *                                In a pod a second fd may follow: the socket on which the sockets that setup made wait (setup.h)
 *   shutdown {seq, graceSeconds}   guest shutdown by agent and ACPI, repeated, then kill when the grace is over. 0 = kill now
 *   pause, unpause, reset, softreboot {seq}
 *   console {seq, readOnly, force, scrollback}   reply carries one SOCK_STREAM fd: scroll-back first (when asked), then the live console
 *   vnc {seq}                      reply carries one SOCK_STREAM fd: RFB
 *   guestinfo {seq, what}          what: "osinfo" | "users" | "filesystems"; reply.data is the agent's answer as KubeVirt shapes it
 *   probe {seq, which}             guestAgentPing
 *   finish {seq}                   the final state has been recorded: the launcher may end
 *   ping {seq}                     answered by `pong` at once, whatever requests wait: that the launcher's loop turns is all it says
 * launcher -> handler:
 *   hello {version, run}           first message; `run` counts the starts of `launcher run` in this sandbox
 *   reply {seq, code, message, data}+fd   code 0 = done, else a WryErrorCode + 1
 *   status {…WryVmiReport}         after hello and whenever something in it changes
 *   event {type, reason, message}  a Kubernetes event on the VMI: type Normal | Warning
 *   pong {seq}                     of the ping */
#include "error.h"
#include "fields.h"

#define WRY_WIRE_VERSION 1

typedef enum {
  WRY_MSG_SYNC, WRY_MSG_SHUTDOWN, WRY_MSG_PAUSE, WRY_MSG_UNPAUSE, WRY_MSG_RESET, WRY_MSG_SOFTREBOOT, WRY_MSG_CONSOLE, WRY_MSG_VNC,
  WRY_MSG_GUESTINFO, WRY_MSG_PROBE, WRY_MSG_FINISH, WRY_MSG_HELLO, WRY_MSG_REPLY, WRY_MSG_STATUS, WRY_MSG_EVENT,
  WRY_MSG_PING, WRY_MSG_PONG, WRY_MSGS
} WryMsgType;

typedef struct { WryOptInt seq; } WryMsgPlain; /* sync, pause, unpause, reset, softreboot, vnc, finish, ping, pong */
typedef struct { WryOptInt seq; WryOptInt graceSeconds; } WryMsgShutdown;
typedef struct { WryOptInt seq; WryOptBool readOnly, force, scrollback; } WryMsgConsole;
typedef struct { WryOptInt seq; char *what; } WryMsgGuestinfo; /* also probe */
typedef struct { WryOptInt version; WryOptInt run; } WryMsgHello;
typedef struct { WryOptInt seq; WryOptInt code; char *message; WryJson *data; } WryMsgReply;
typedef struct { char *type, *reason, *message; } WryMsgEvent;

/* One interface as the guest has it. */
typedef struct { char *name, *mac, *ipAddress; GPtrArray *ipAddresses; char *interfaceName, *infoSource; WryOptInt queueCount; char *linkState; } WryReportInterface;
typedef struct { char *name, *target; } WryReportVolume;

/* What the launcher knows of its VM. Words are libvirt's as KubeVirt spells them (contract 6.3). */
typedef struct {
  char *state;        /* NoState Running Blocked Paused ShuttingDown Shutoff Crashed PMSuspended; NoState = not started yet */
  char *reason;       /* Shutoff: Shutdown Destroyed Crashed Failed Panicked; Paused: User IOError Watchdog StartingUp ... */
  char *failure;      /* how QEMU died when it did: "OOMKilled", "SeccompKill", "QEMUKilled" (signal), "QEMUExited" (code), "GuestPanicked", "WatchdogExpired", "StartFailed" */
  char *message;      /* for people, with failure */
  WryOptInt qemuPid;  /* in the sandbox's pid namespace */
  WryOptBool softwareEmulation, agentConnected, agentVersionSupported, userPaused;
  char *machine;      /* canonical machine type of the live domain */
  WryJson *guestOSInfo; /* RAW: contract 3.1 guestOSInfo */
  GPtrArray *interfaces; /* WryReportInterface */
  GPtrArray *volumes;    /* WryReportVolume */
  WryOptInt memoryCurrent; /* bytes */
} WryVmiReport;

extern const WryType wry_vmi_report_type;

/* How a VMI ended, kept by the launcher for a handler that was not there to hear it: state record "final.rec" in /run/wherry/state (mode 0640), written before the last status is sent.
 * Its body is JSON {"vmi": "<uid of the VMI>", "report": {…WryVmiReport}}; the uid tells it from that of an earlier VMI of the same VM. */
#define WRY_FINAL_RECORD "final.rec"

/* The type's name on the wire and the struct's rows. */
const char *wry_msg_name(WryMsgType type);
const WryType *wry_msg_type(WryMsgType type);

typedef struct WryWire WryWire; /* one connected SEQPACKET socket on the default GMainContext */

/* A message arrived: `body` is the decoded struct of wry_msg_type(type), borrowed; `fds` are owned by the callee when it steals them (sets to -1), else closed. */
typedef void (*WryWireMessage)(WryWire *wire, WryMsgType type, gpointer body, int *fds, guint n_fds, gpointer data);
/* The peer is gone (WRY_ERROR_IO) or broke the protocol (WRY_ERROR_PROTOCOL); error is always set. Called once; the wire may be freed in it. */
typedef void (*WryWireClosed)(WryWire *wire, const GError *error, gpointer data);

WryWire *wry_wire_new(int take_fd, WryWireMessage message, WryWireClosed closed, gpointer data);
void wry_wire_free(WryWire *wire);
int wry_wire_fd(const WryWire *wire);
/* Sends one message; fds are borrowed. Never blocks: when the socket is full up to 64 messages are queued, then WRY_ERROR_TOO_LARGE. */
gboolean wry_wire_send(WryWire *wire, WryMsgType type, gconstpointer body, const int *fds, guint n_fds, GError **error);
/* Pure parts, for tests and fuzzing. Body is freed with wry_struct_free(wry_msg_type(*ret_type), …). */
gpointer wry_msg_decode(const void *data, gsize length, guint n_fds, WryMsgType *ret_type, GError **error);
char *wry_msg_encode(WryMsgType type, gconstpointer body, gsize *ret_length, GError **error);
