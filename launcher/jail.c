/* launcher jail: the domain's <emulator>. libvirt starts it in QEMU's place with QEMU's arguments; it locks itself in and becomes QEMU.
 *
 * Static and libc only, because it is started with every VM and must not bring code of its own into reach. In order: no_new_privs, no capability left even in the
 * bounding set, resource limits, Landlock over the sandbox's fixed layout, the compiled system call policy that kills (policies/qemu.allow), exec. libvirt's capability
 * probe (no guest, -machine none, -daemonize) forks and writes where libvirt says: it passes with no_new_privs alone. Anything that is neither is refused.
 *
 * should: end as QEMU with Seccomp 2, NoNewPrivs 1, CapBnd 0, able to open only what the tables of jail_landlock.c name
 * must not: read a configuration, believe the environment, go on when a step fails
 *
 * QEMU's architecture follows from the program's own name: launcher-jail for the machine's own, launcher-jail-<arch> for another. */
#include "launcher/jail.h"
#include "policy_qemu.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef WRY_QEMU_DIR
#define WRY_QEMU_DIR "/usr/bin" /* -DWRY_QEMU_DIR=... at build time; nothing at run time changes it */
#endif
#define EXIT_JAIL 126
#define PROGRAM "launcher-jail"

static const struct {
  const char *program, *qemu;
} emulators[] = {
#if defined(__x86_64__)
  {PROGRAM, WRY_QEMU_DIR "/qemu-system-x86_64"},
#elif defined(__aarch64__)
  {PROGRAM, WRY_QEMU_DIR "/qemu-system-aarch64"},
#endif
  {PROGRAM "-x86_64", WRY_QEMU_DIR "/qemu-system-x86_64"},
  {PROGRAM "-aarch64", WRY_QEMU_DIR "/qemu-system-aarch64"},
};

/* Upper bounds; one that is lower already stays. */
static const struct {
  int resource;
  rlim_t max;
} limits[] = {{RLIMIT_CORE, 0}, {RLIMIT_NOFILE, 1024}, {RLIMIT_MSGQUEUE, 0}, {RLIMIT_RTPRIO, 0}, {RLIMIT_NICE, 0}};

void wry_jail_fail(const char *format, ...) {
  va_list args;
  fputs(PROGRAM ": ", stderr);
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fprintf(stderr, ": %s\n", strerror(errno));
  exit(EXIT_JAIL);
}

static const char *qemu_of(const char *self) {
  const char *slash = strrchr(self, '/');
  const char *name = slash ? slash + 1 : self;
  for (size_t i = 0; i < sizeof emulators / sizeof *emulators; i++)
    if (strcmp(emulators[i].program, name) == 0)
      return emulators[i].qemu;
  errno = ENOENT;
  wry_jail_fail("no emulator for the name \"%s\"", name);
}

/* `option` followed by an argument that starts with `value`. */
static bool has(int argc, char **argv, const char *option, const char *value) {
  for (int i = 1; i + 1 < argc; i++)
    if (strcmp(argv[i], option) == 0 && strncmp(argv[i + 1], value, strlen(value)) == 0)
      return true;
  return false;
}

static bool is_probe(int argc, char **argv) {
  bool daemonize = false;
  for (int i = 1; i < argc; i++)
    daemonize |= strcmp(argv[i], "-daemonize") == 0;
  return daemonize && has(argc, argv, "-machine", "none") && has(argc, argv, "-qmp", "unix:") && !has(argc, argv, "-name", "");
}

static void drop_capabilities(void) {
  for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
    if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
      wry_jail_fail("capability %d is left in the bounding set", cap);
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
    wry_jail_fail("ambient capabilities");
}

static void limit_resources(void) {
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    struct rlimit now;
    if (getrlimit(limits[i].resource, &now) != 0)
      wry_jail_fail("resource limit %d", limits[i].resource);
    now.rlim_max = now.rlim_max < limits[i].max ? now.rlim_max : limits[i].max;
    now.rlim_cur = now.rlim_max;
    if (setrlimit(limits[i].resource, &now) != 0)
      wry_jail_fail("resource limit %d", limits[i].resource);
  }
}

static void filter_calls(void) {
  struct sock_fprog program = {sizeof wry_policy_qemu / sizeof *wry_policy_qemu, (struct sock_filter *)wry_policy_qemu};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0 || prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != SECCOMP_MODE_FILTER)
    wry_jail_fail("system call policy");
}

int main(int argc, char **argv) {
  const char *qemu = qemu_of(argc > 0 ? argv[0] : PROGRAM);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
    wry_jail_fail("no_new_privs");
  if (has(argc, argv, "-name", "guest=")) {
    drop_capabilities();
    limit_resources();
    wry_jail_landlock(qemu);
    filter_calls();
  } else if (!is_probe(argc, argv)) {
    errno = EINVAL;
    wry_jail_fail("neither a guest nor libvirt's capability probe");
  }
  argv[0] = (char *)qemu;
  execv(qemu, argv);
  wry_jail_fail("%s", qemu);
}
