/* launcher init: pid 1 of a sandbox. Static, libc only, so small that it never needs an upgrade: it may not end before the VM does.
 *
 * It holds the socket on which the sockets that setup made wait, starts `launcher run`, reaps every process the moment it ends (libvirt waits for that), tells run of each (QEMU is init's child once
 * libvirt has let go of it), starts run again with back-off when it dies, kills it when told that it hangs (SIGUSR1), forwards SIGTERM, and ends everything when run says that the VM is over. It waits in ppoll on a
 * signalfd; nothing from a guest or from run ever reaches it.
 *
 * should: be the VM's uid without capabilities (the root half saw to that; checked here), not dumpable, confined to policies/init.allow
 * must not: open a path, parse text, allocate, go on after a bad start message
 *
 * A system call policy is inherited by what a process starts, but run and QEMU need calls that init must not make. So the policy asks where a call comes from: calls from init's
 * own code meet the allow-list, all others pass to the policies that run and the jail load for themselves. That holds because init can make no new executable memory (no mmap,
 * no mprotect) and unmaps the vDSO, the one other place with a system call instruction; and because init is linked to a fixed low address, where no other program of the
 * sandbox, all position-independent, ever has code. */
#include "wherry/setup.h"
#include "policy_init.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RUN "/opt/wherry/launcher"
#define LEAN "LD_LIBRARY_PATH=/opt/wherry/lean" /* tools/leanlibs */
#define START_FD 3
#define RUN_FD_INIT 4      /* where run finds its channel to init */
#define RUN_FD_SETUP 5     /* and the sockets that setup made */
#define RUN_FD_DEPOSIT 6   /* in a pod: where it leaves them for those after it */
#define HELD_FD_FIRST 64   /* init's own descriptors are above run's */
#define EXITS_KEPT 16u
#define BACKOFF_MAX_MS 30000
#define BACKOFF_RESET_MS 60000
#define ENVIRONMENT_MAX 32u

extern const char __executable_start[], etext[];

static struct {
  int signals;
  int setup;             /* the socket on which setup's sockets wait; run looks at it */
  int deposit;           /* in a pod: the other end of it; else -1 */
  int channel;           /* to the living run, -1 without one */
  pid_t run;             /* 0 without one */
  bool terminate;        /* SIGTERM came */
  long started_ms, restart_ms, backoff_ms;
  WryInitExit exits[EXITS_KEPT];
  unsigned n_exits;      /* ever */
  bool whole;            /* run does without lean libraries */
  char *environment[ENVIRONMENT_MAX]; /* the first is LEAN */
} self = {.deposit = -1, .channel = -1};

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
  char text[256] = "info init: ";
  size_t prefix = strlen(text);
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text + prefix, sizeof text - prefix - 1, format, args);
  va_end(args);
  size_t length = prefix + (n < 0 ? 0 : (size_t)n);
  length = length < sizeof text - 1 ? length : sizeof text - 2;
  text[length++] = '\n';
  (void)!write(STDERR_FILENO, text, length);
}

static _Noreturn void fail(const char *what) {
  say("%s: %s", what, strerror(errno));
  _exit(1);
}

static long now_ms(void) {
  struct timespec t;
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
  return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- start ------------------------------------------------------------------------------------------------------------ */

static int held(int fd) {
  int high = fcntl(fd, F_DUPFD_CLOEXEC, HELD_FD_FIRST);
  if (high < 0)
    fail("descriptor");
  close(fd);
  return high;
}

/* In a pod nobody hands a socket over: run gets both ends of one, leaves in it the sockets that the handler sends, and each later run finds them there. */
static void make_deposit(void) {
  int pair[2];
  if (getuid() == 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    fail("a pod's launcher");
  self.setup = held(pair[0]);
  self.deposit = held(pair[1]);
}

static void receive_start(void) {
  WryInitStart start;
  struct iovec iov = {&start, sizeof start};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  ssize_t n = recvmsg(START_FD, &msg, 0);
  if (n < 0 && errno == EBADF) {
    make_deposit();
    return;
  }
  bool good = n == (ssize_t)sizeof start && start.version == WRY_SETUP_VERSION && start.n_fds == 0 && !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
  if (n >= 0)
    errno = EPROTO;
  if (!good || start.uid != getuid() || start.gid != getgid())
    fail("start message");
  self.setup = held(START_FD);
}

/* WRY_FDS tells run which descriptor is what. Nobody but init has a say in how run is loaded. */
static void make_environment(void) {
  static char text[64];
  unsigned n = 0;
  snprintf(text, sizeof text, self.deposit < 0 ? "WRY_FDS=init=%d,setup=%d" : "WRY_FDS=init=%d,setup=%d,deposit=%d", RUN_FD_INIT, RUN_FD_SETUP, RUN_FD_DEPOSIT);
  self.environment[n++] = (char *)LEAN;
  self.environment[n++] = text;
  self.environment[n++] = (char *)"MALLOC_ARENA_MAX=1";
  for (char **e = environ; *e && n < ENVIRONMENT_MAX - 1; e++)
    if (strncmp(*e, "WRY_FDS=", 8) != 0 && strncmp(*e, "MALLOC_ARENA_MAX=", 17) != 0 && strncmp(*e, "LD_", 3) != 0)
      self.environment[n++] = *e;
}

static void block_signals(void) {
  sigset_t all;
  sigfillset(&all);
  if (sigprocmask(SIG_SETMASK, &all, NULL) != 0)
    fail("signal mask");
  int fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
  if (fd < 0)
    fail("signalfd");
  self.signals = held(fd);
}

/* The kernel's own code page in every process, with system call instructions in it. Its segment may be shorter than the mapping, and a kernel refuses to split that (EINVAL), so the
 * first length that is taken is the whole of it. */
static void unmap_vdso(void) {
  enum { VDSO_SLACK = 4 * 4096 };
  const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
  if (!base)
    return;
  const Elf64_Ehdr *header = (const void *)base;
  const Elf64_Phdr *segment = (const void *)(base + header->e_phoff);
  for (unsigned i = 0; i < header->e_phnum; i++)
    if (segment[i].p_type == PT_LOAD) {
      const size_t least = (segment[i].p_memsz + 4095) & ~4095ul;
      for (size_t size = least; size <= least + VDSO_SLACK; size += 4096)
        if (munmap((void *)base, size) == 0)
          return;
      fail("vDSO");
    }
}

static void confine(void) {
  enum { PROLOGUE = 7, POLICY = sizeof wry_policy_init / sizeof *wry_policy_init };
  const uint64_t first = (uint64_t)(uintptr_t)__executable_start, end = (uint64_t)(uintptr_t)etext;
  const uint32_t ip = offsetof(struct seccomp_data, instruction_pointer);
  struct sock_filter code[PROLOGUE + POLICY] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip + 4),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(first >> 32), 0, 4),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip),
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)first, 0, 2),
    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)end, 1, 0),
    BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  memcpy(code + PROLOGUE, wry_policy_init, sizeof wry_policy_init);
  struct sock_fprog program = {PROLOGUE + POLICY, code};
  errno = ERANGE;
  if (first >> 32 != end >> 32)
    fail("program crosses 4 GiB");
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0 || prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != SECCOMP_MODE_FILTER)
    fail("system call policy");
}

static void start_self(void) {
  receive_start();
  make_environment();
  block_signals();
  for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
    if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 && getuid() != 0)
      fail("a capability is left");
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    fail("privileges");
  unmap_vdso();
  confine();
}

/* --- run -------------------------------------------------------------------------------------------------------------- */

static _Noreturn void become_run(int channel) {
  sigset_t none;
  sigemptyset(&none);
  bool ok = sigprocmask(SIG_SETMASK, &none, NULL) == 0 && dup3(channel, RUN_FD_INIT, 0) >= 0 && dup3(self.setup, RUN_FD_SETUP, 0) >= 0 &&
            (self.deposit < 0 || dup3(self.deposit, RUN_FD_DEPOSIT, 0) >= 0);
  char *const argv[] = {(char *)RUN, (char *)"run", NULL};
  if (ok)
    execve(RUN, argv, self.environment + self.whole);
  say("%s: %s", RUN, strerror(errno));
  _exit(127);
}

static void tell(const WryInitExit *e) {
  if (self.channel >= 0)
    send(self.channel, e, sizeof *e, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void run_ended(int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == WRY_RUN_OVER) {
    kill(-1, SIGKILL);
    _exit(0);
  }
  self.whole |= WIFEXITED(status) && WEXITSTATUS(status) == 127; /* the dynamic loader refused it */
  close(self.channel);
  bool steady = now_ms() - self.started_ms >= BACKOFF_RESET_MS;
  self.backoff_ms = steady || self.backoff_ms == 0 ? 1000 : self.backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : self.backoff_ms * 2;
  self.restart_ms = now_ms() + self.backoff_ms;
  self.run = 0;
  self.channel = -1;
  bool signalled = WIFSIGNALED(status);
  say("run ended (%s %d), starts again in %ld s", signalled ? "signal" : "status", signalled ? WTERMSIG(status) : WEXITSTATUS(status), self.backoff_ms / 1000);
}

static void start_run(void) {
  int pair[2], ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    fail("socketpair");
  for (int i = 0; i < 2; i++) {
    ends[i] = fcntl(pair[i], F_DUPFD_CLOEXEC, HELD_FD_FIRST);
    close(pair[i]);
  }
  self.channel = ends[0];
  for (unsigned i = self.n_exits > EXITS_KEPT ? self.n_exits - EXITS_KEPT : 0; i < self.n_exits; i++)
    tell(&self.exits[i % EXITS_KEPT]);
  self.started_ms = now_ms();
  pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (pid == 0)
    become_run(ends[1]);
  close(ends[1]);
  self.run = pid;
  if (pid < 0)
    run_ended(127 << 8);
  else if (self.terminate)
    kill(pid, SIGTERM);
}

static void reap(void) {
  WryInitExit e;
  while ((e.pid = waitpid(-1, &e.status, WNOHANG)) > 0) {
    if (e.pid == self.run) {
      run_ended(e.status);
      continue;
    }
    self.exits[self.n_exits++ % EXITS_KEPT] = e;
    tell(&e);
  }
}

static void read_signals(void) {
  struct signalfd_siginfo info;
  while (read(self.signals, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == WRY_INIT_KILL_RUN && self.run != 0)
      kill(self.run, SIGKILL);
    if (info.ssi_signo != SIGTERM && info.ssi_signo != SIGINT)
      continue;
    self.terminate = true;
    if (self.run != 0)
      kill(self.run, SIGTERM);
  }
}

int main(void) {
  start_self();
  start_run();
  for (;;) {
    struct pollfd p = {.fd = self.signals, .events = POLLIN};
    long left = self.run != 0 ? -1 : self.restart_ms - now_ms();
    struct timespec timeout = {left > 0 ? left / 1000 : 0, left > 0 ? left % 1000 * 1000000 : 0};
    ppoll(&p, 1, self.run != 0 ? NULL : &timeout, NULL);
    read_signals();
    reap();
    if (self.run == 0 && now_ms() >= self.restart_ms)
      start_run();
  }
}
