#pragma once
/* `launcher run`: what its own files (run*.c) share. Nothing outside them includes this: every other module has its own small type. */
#include "launcher/console.h"
#include "launcher/domain/domain.h"
#include "launcher/end.h"
#include "launcher/facts.h"
#include "launcher/guest.h"
#include "launcher/inherited.h"
#include "launcher/link.h"
#include "launcher/net/dhcp.h"
#include "launcher/qemu.h"
#include "launcher/virt/virt.h"
#include "launcher/vm.h"
#include "wherry/bundle.h"

/* A request of the handler that is not answered yet. Answers go out in the order of the requests. */
typedef struct WryRequest WryRequest;
typedef struct WryRun WryRun;

struct WryRun {
  GMainLoop *loop;
  int vm_dir, state_dir, node_dir, proc_dir; /* -1 = absent */
  WryInherited inherited;
  /* what the VM is */
  WryBundle *bundle;
  WryVmi *vmi;
  WryDomainPlan *plan; /* of the live VM; NULL before it is prepared */
  char *domain;        /* libvirt's name */
  char *xml;           /* of the start */
  /* where it is */
  WryVmPhase phase;
  WryFacts facts;
  guint timers[WRY_VM_EVENTS]; /* source that will feed the event; 0 = none */
  gint64 deadline;             /* monotonic µs of a graceful shutdown; 0 = none was asked for */
  guint attempts;              /* failed attaches in a row, then resumes after I/O errors in a row */
  guint resume_timer;
  gint64 io_error_at;          /* monotonic µs of the last pause by an I/O error */
  gboolean settled;            /* what is done once when the guest runs has been done */
  gboolean agent, agent_busy;  /* connected; told to shut down and has not answered */
  gboolean asked;              /* the guest was asked to shut down */
  char *start_error;
  gboolean has_status;         /* of QEMU's end */
  int qemu_pid, status;        /* last QEMU; wait(2)'s */
  gboolean off;                /* libvirt has said that the domain is off */
  /* whom it talks to */
  WryVirt *virt;
  WryQemu *qemu;
  WryConsole *console;
  WryConsoleLog *console_log;
  WryHandler *handler;
  WryInitChannel *init;
  WryGuestWatch *watch;
  GPtrArray *servers; /* WryDhcpServer */
  GQueue requests;    /* WryRequest, oldest first */
  WryVmiReport *report, *sent;
  guint report_idle;
};

/* run_life.c: one event through the table. `request` (may be NULL) is answered by the action that it leads to. */
void wry_run_feed(WryRun *run, WryVmEvent event, WryRequest *request);
/* Feeds `event` after `ms`; replaces an earlier wish for the same event. */
void wry_run_arm(WryRun *run, WryVmEvent event, guint ms);
/* Sets a fact of run->facts and, when it has changed, writes them all. */
void wry_run_note(WryRun *run, gboolean *fact, gboolean value);
void wry_run_watch_qemu(WryRun *run, int pid);

/* run_start.c: actions up to a running guest. */
gboolean wry_run_adopt(WryRun *run, const char *text, gsize length, gboolean keep, GError **error); /* a bundle's text; `keep`: a copy for the next run */
void wry_run_resume_former(WryRun *run); /* what a former `launcher run` of this sandbox left */
void wry_run_get_ready(WryRun *run);     /* ahead of the first bundle */
void wry_run_prepare(WryRun *run);
void wry_run_start(WryRun *run);
void wry_run_attach(WryRun *run);
extern const WryVirtEvents wry_run_events;

/* run_live.c: actions on a running guest. */
void wry_run_live(WryRun *run);
void wry_run_operate(WryRun *run, WryVirtOp op, WryRequest *request);
void wry_run_reboot(WryRun *run, WryRequest *request);
void wry_run_ask(WryRun *run);
void wry_run_signal(WryRun *run, int signal);

/* run_end.c */
void wry_run_collect(WryRun *run);
void wry_run_end(WryRun *run);
void wry_run_leave(WryRun *run);
gboolean wry_run_has_verdict(const WryRun *run);
void wry_run_exited(int pid, int status, gpointer data); /* WryInitExited */
/* The end of this VMI is recorded already: then that report is taken, and only `finish` is waited for. */
gboolean wry_run_recall_end(WryRun *run);

/* run_requests.c */
extern const WryHandlerCalls wry_run_calls;
void wry_request_done(WryRun *run, WryRequest *request, const GError *error);
void wry_request_reply(WryRun *run, WryRequest *request, WryJson *take_data, int take_fd);
gint64 wry_request_grace(const WryRequest *request, gint64 absent);
void wry_run_event(WryRun *run, const char *type, const char *reason, const char *message);

/* run_report.c: the report has changed; it is sent soon, once for many changes, and only when it differs from the last one sent. */
void wry_run_report(WryRun *run);
void wry_run_report_now(WryRun *run);

/* run_network.c: answers the guest's DHCP and router solicitations on the sockets that setup opened. */
void wry_run_serve_network(WryRun *run);

/* run_isolate.c: before any thread exists; and once the guest runs. */
gboolean wry_run_isolate_early(GError **error);
gboolean wry_run_isolate_late(GError **error);
