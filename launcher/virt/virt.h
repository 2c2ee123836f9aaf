#pragma once
/* The domain, through libvirt's embedded QEMU driver (qemu:///embed). The only folder that knows libvirt.
 *
 * Every call that may wait for QEMU or the guest runs on a worker thread and answers by a callback on the default GMainContext; see the head of virt.c. One domain per process. */
#include <glib.h>

/* libvirt's word about the domain. */
typedef enum { WRY_VIRT_NONE /* no such domain */, WRY_VIRT_RUNS, WRY_VIRT_PAUSED, WRY_VIRT_SHUTTING_DOWN /* "Guest" or "Host" began it */, WRY_VIRT_OFF, WRY_VIRT_CRASHED } WryVirtState;

typedef struct {
  WryVirtState state;
  const char *reason; /* KubeVirt's word (contract 6.3): "User", "IOError", "Shutdown", "Destroyed", "Crashed" …: static */
} WryVirtStatus;

typedef struct {
  void (*changed)(WryVirtStatus status, gpointer data);      /* lifecycle: also CRASHED when the guest panicked, OFF when QEMU is gone */
  void (*rebooted)(gpointer data);                           /* the guest reset itself */
  void (*watchdog)(const char *action, gpointer data);       /* "none" "pause" "reset" "poweroff" "shutdown" "debug" */
  void (*io_error)(const char *target, const char *path, const char *reason, gboolean paused, gpointer data); /* target: alias of the disk; reason: "enospc" or "" */
  void (*agent)(gboolean connected, gpointer data);
  void (*vnc)(gboolean connected, gpointer data);            /* a VNC client came or went */
} WryVirtEvents;

typedef struct WryVirt WryVirt;

/* Answer to an operation. `text` (borrowed) is what the operation returns, if any; `error` (borrowed) is set when it failed. */
typedef void (*WryVirtDone)(const char *text, const GError *error, gpointer data);

/* `root`: libvirt's directory for this domain. `name`: of the domain, NULL when it is not known yet. Registers libvirt's event loop on the default GMainContext; connects nothing yet. `events` is borrowed, callbacks
 * come on the default context. */
WryVirt *wry_virt_new(const char *root, const char *name, const WryVirtEvents *events, gpointer data);
/* Tells the domain's name, before the first operation on it. */
void wry_virt_set_name(WryVirt *virt, const char *name);
/* Waits for nothing: threads that hang in a call of a hung QEMU are left behind. */
void wry_virt_free(WryVirt *virt);

typedef enum {
  WRY_VIRT_OPEN,          /* opens the driver, which re-attaches to a running domain; wry_virt_status then says what was found */
  WRY_VIRT_WARM,          /* argument: path of an emulator. Makes libvirt read now what a start needs of it: the capability cache and some sixty files about CPU models */
  WRY_VIRT_START,         /* argument: domain XML. Starts the vCPUs */
  WRY_VIRT_START_PAUSED,  /* argument: domain XML */
  WRY_VIRT_SUSPEND,
  WRY_VIRT_RESUME,
  WRY_VIRT_RESET,
  WRY_VIRT_REBOOT_AGENT,
  WRY_VIRT_REBOOT_ACPI,
  WRY_VIRT_SHUTDOWN_AGENT,
  WRY_VIRT_SHUTDOWN_ACPI,
  WRY_VIRT_DESTROY,       /* forget a domain whose QEMU has ended already */
  WRY_VIRT_XML,           /* text: the live XML */
  WRY_VIRT_SET_TIME,      /* guest clock := host clock, through the agent (after unpause) */
  WRY_VIRT_AGENT,         /* argument: agent command as JSON. text: its reply */
  WRY_VIRT_OPS
} WryVirtOp;

/* Queues an operation. Those that talk to the guest agent wait in a queue of their own, so a silent guest delays no other operation. `argument` is copied. At most 32 operations
 * wait per queue: `done` is then called at once with WRY_ERROR_TOO_LARGE. `done` may be NULL. `timeout`: seconds, of agent operations only. */
void wry_virt_do(WryVirt *virt, WryVirtOp op, const char *argument, guint timeout, WryVirtDone done, gpointer data);

/* The last that libvirt said, by an event or by WRY_VIRT_OPEN. */
WryVirtStatus wry_virt_status(const WryVirt *virt);

/* Fills libvirt's capability cache for `emulator` below `root`. Blocks for about a second; needs no loop. */
gboolean wry_virt_probe(const char *root, const char *emulator, GError **error);

/* Pure: libvirt's numbers (a state, or a lifecycle event) to KubeVirt's words. An event that says nothing about the state gives NONE with reason NULL. */
WryVirtStatus wry_virt_status_of_state(int state, int reason);
WryVirtStatus wry_virt_status_of_event(int event, int detail);
