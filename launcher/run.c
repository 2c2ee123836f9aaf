/* `launcher run`: one VM from its bundle to its end. Unprivileged, started by init, and started again by init whenever it dies; QEMU does not notice.
 *
 * Everything happens on one GLib loop: messages of the handler, libvirt's events, the console, init's word about dead processes, QEMU's pidfd, timers. They become events of the table in
 * vm.c (run_life.c), whose actions are in run_start.c, run_live.c and run_end.c. Two threads carry libvirt's blocking calls (virt/virt.c), one prepares storage (run_start.c).
 *
 * Relies on the sandbox's layout (/run/wherry/{vm,state,node,scratch,volumes}), on init as pid 1, and on nothing else: without a handler a VM goes on, ends, and is recorded. */
#include "launcher/report.h"
#include "launcher/run.h"
#include "launcher/stages.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/log.h"
#include "wherry/vpath.h"
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdlib.h>

#define NODE_DIR "/run/wherry/node"

/* SIGTERM is for the whole sandbox: the guest is asked to shut down with the VMI's own grace, whether or not a handler is there. */
static gboolean on_sigterm(gpointer data) {
  WryRun *run = data;
  wry_run_feed(run, WRY_VM_EV_SHUTDOWN, NULL);
  return G_SOURCE_CONTINUE;
}

static void learned(WryJson *info, WryJson *os, WryJson *interfaces, gpointer data) {
  WryRun *run = data;
  if (!run->report || !run->plan)
    return;
  wry_report_guest(run->report, run->plan, info, os, interfaces);
  wry_run_report(run);
}

static void ask_agent(gpointer data, const char *command, guint timeout, WryVirtDone done, gpointer done_data) {
  WryRun *run = data;
  wry_virt_do(run->virt, WRY_VIRT_AGENT, command, timeout, done, done_data);
}

static int optional_dir(const char *path) {
  g_autoptr(GError) error = NULL;
  int fd = wry_dir_open(path, &error);
  if (fd < 0)
    wry_log(WRY_LOG_WARNING, "directory", "path", path, "why", error->message, NULL);
  return fd;
}

static gboolean open_places(WryRun *run, GError **error) {
  run->vm_dir = wry_dir_open(wry_domain_dirs.vm, error);
  run->proc_dir = run->vm_dir < 0 ? -1 : wry_dir_open("/proc", error);
  run->state_dir = optional_dir(wry_domain_dirs.state);
  run->node_dir = optional_dir(NODE_DIR);
  return run->proc_dir >= 0 && wry_inherited_parse(g_getenv("WRY_FDS"), &run->inherited, error);
}

static void listen_to_init(WryRun *run) {
  if (run->inherited.setup >= 0)
    fcntl(run->inherited.setup, F_SETFD, FD_CLOEXEC);
  if (run->inherited.deposit >= 0)
    fcntl(run->inherited.deposit, F_SETFD, FD_CLOEXEC);
  if (run->inherited.init >= 0)
    run->init = wry_init_channel_new(run->inherited.init, wry_run_exited, run);
}

/* What libvirt looks for in the environment; a container has a HOME that is not to be written to. How this program was loaded is nothing for QEMU. */
static void set_environment(void) {
  g_unsetenv("LD_LIBRARY_PATH");
  g_setenv("HOME", wry_domain_dirs.vm, TRUE);
  g_setenv("XDG_RUNTIME_DIR", wry_domain_dirs.vm, TRUE);
  g_setenv("PATH", "/usr/bin:/bin", FALSE);
}

static gboolean set_up(WryRun *run, GError **error) {
  set_environment();
  if (!wry_run_isolate_early(error) || !open_places(run, error))
    return FALSE;
  signal(SIGPIPE, SIG_IGN);
  run->loop = g_main_loop_new(NULL, FALSE);
  g_unix_signal_add(SIGTERM, on_sigterm, run);
  run->watch = wry_guest_watch_new(ask_agent, run, learned, run);
  run->phase = WRY_VM_WAITING;
  g_queue_init(&run->requests);
  return TRUE;
}

int wry_run_main(int argc, char **argv) {
  static WryRun run = {.vm_dir = -1, .state_dir = -1, .node_dir = -1, .proc_dir = -1};
  g_autoptr(GError) error = NULL;
  (void)argv;
  wry_log_init("launcher");
  if (argc != 1 || !set_up(&run, &error)) {
    wry_log(WRY_LOG_ERROR, "launcher run", "why", error ? error->message : "takes no arguments", NULL);
    return EXIT_FAILURE;
  }
  wry_run_resume_former(&run);
  listen_to_init(&run);
  wry_run_get_ready(&run);
  run.handler = wry_handler_new(run.node_dir, run.facts.runs, &wry_run_calls, &run);
  g_main_loop_run(run.loop);
  return EXIT_FAILURE; /* a VM's end does not come this way: see wry_run_leave */
}
