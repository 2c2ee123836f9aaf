/* The verdict on a VM's end. The rules are tried in order; the first whose predicate holds speaks. What the kernel says (how the process ended) comes before what QEMU or libvirt say,
 * except where we know better: a guest that powered off, or a QEMU that we ended ourselves. Words: contract 6.3; failures: wire.h. Whether a SIGKILL was the memory cgroup's is seen by
 * the handler, which owns the cgroup. */
#include "launcher/end.h"
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static gboolean start_failed(const WryEndFacts *f) {
  return f->start_error != NULL;
}

static gboolean seccomp(const WryEndFacts *f) {
  return f->has_status && WIFSIGNALED(f->status) && WTERMSIG(f->status) == SIGSYS;
}

static gboolean panicked(const WryEndFacts *f) {
  return f->panicked;
}

static gboolean powered_off(const WryEndFacts *f) {
  return f->guest_shutdown;
}

static gboolean never_ran(const WryEndFacts *f) {
  return f->killed && f->untouched;
}

static gboolean killed(const WryEndFacts *f) {
  return f->killed || !f->started;
}

static gboolean watchdog(const WryEndFacts *f) {
  return f->watchdog;
}

static gboolean signalled(const WryEndFacts *f) {
  return f->has_status && WIFSIGNALED(f->status);
}

static gboolean from_outside(const WryEndFacts *f) {
  return f->host_signal;
}

static gboolean exited(const WryEndFacts *f) {
  return f->has_status && WIFEXITED(f->status) && WEXITSTATUS(f->status) != 0;
}

static gboolean shut_down(const WryEndFacts *f) {
  return g_strcmp0(f->off_reason, "Shutdown") == 0;
}

/* Exit status 0 and nobody knows why: QEMU ends so when it is told to quit. */
static gboolean any(const WryEndFacts *f) {
  (void)f;
  return TRUE;
}

/* --- what is said ----------------------------------------------------------------------------------------------------- */

static char *say_start(const WryEndFacts *f) {
  return g_strdup(f->start_error);
}

static char *say_seccomp(const WryEndFacts *f) {
  (void)f;
  return g_strdup("QEMU made a system call that its policy forbids and was killed (SIGSYS)");
}

static char *say_signal(const WryEndFacts *f) {
  int signal = WTERMSIG(f->status);
  const char *name = sigabbrev_np(signal);
  return g_strdup_printf("QEMU was ended by signal %d (SIG%s)", signal, name ? name : "?");
}

static char *say_outside(const WryEndFacts *f) {
  (void)f;
  return g_strdup("QEMU was told to end by a signal that Wherry did not send");
}

static char *say_exit(const WryEndFacts *f) {
  const char *tail = f->log_tail ? f->log_tail : "";
  return g_strdup_printf("QEMU exited with status %d%s%s", WEXITSTATUS(f->status), *tail ? ": " : "", tail);
}

static char *say_panic(const WryEndFacts *f) {
  (void)f;
  return g_strdup("the guest's kernel panicked");
}

static char *say_watchdog(const WryEndFacts *f) {
  (void)f;
  return g_strdup("the guest did not feed its watchdog, whose action is poweroff");
}

static char *say_unknown(const WryEndFacts *f) {
  return g_strdup_printf("QEMU is gone%s%s", f->off_reason ? "; libvirt says: " : "", f->off_reason ? f->off_reason : "");
}

static const struct {
  gboolean (*holds)(const WryEndFacts *facts);
  const char *state, *reason, *failure;
  char *(*message)(const WryEndFacts *facts);
} rules[] = {
  {start_failed, "Shutoff", "Failed", "StartFailed", say_start},
  {seccomp, "Shutoff", "Crashed", "SeccompKill", say_seccomp},
  {panicked, "Crashed", "Panicked", "GuestPanicked", say_panic},
  {powered_off, "Shutoff", "Shutdown", NULL, NULL},
  {never_ran, "Shutoff", "Shutdown", NULL, NULL},
  {killed, "Shutoff", "Destroyed", NULL, NULL},
  {watchdog, "Shutoff", "Crashed", "WatchdogExpired", say_watchdog},
  {signalled, "Shutoff", "Crashed", "QEMUKilled", say_signal},
  {from_outside, "Shutoff", "Crashed", "QEMUKilled", say_outside},
  {exited, "Shutoff", "Crashed", "QEMUExited", say_exit},
  {shut_down, "Shutoff", "Shutdown", NULL, NULL},
  {any, "Shutoff", "Crashed", "QEMUKilled", say_unknown},
};

static void set(char **member, char *take_value) {
  g_free(*member);
  *member = take_value;
}

void wry_end_judge(const WryEndFacts *facts, WryVmiReport *report) {
  gsize i = 0;
  while (!rules[i].holds(facts))
    i++;
  set(&report->state, g_strdup(rules[i].state));
  set(&report->reason, g_strdup(rules[i].reason));
  set(&report->failure, g_strdup(rules[i].failure));
  set(&report->message, rules[i].message ? rules[i].message(facts) : NULL);
  report->qemuPid = (WryOptInt){FALSE, 0};
  report->agentConnected = (WryOptBool){TRUE, FALSE};
}
