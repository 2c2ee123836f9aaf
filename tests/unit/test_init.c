/* launcher-init as pid 1 of a real pid namespace, with shell scripts in run's place. Its descriptors, restarts, reaping, signals and end are observed from outside; calls that
 * it must not make are injected with ptrace. Needs root and the built program ($WHERRY_BUILD). */
#include "wherry/setup.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define UID 601000u
#define SKIP_UNLESS_ROOT() if (geteuid() != 0 || !getenv("WHERRY_BUILD")) return

typedef struct { pid_t pid; int out; } Sandbox;

static void write_run(const char *script) {
  int fd = open("/opt/wherry/launcher", O_CREAT | O_WRONLY, 0755);
  if (fd < 0 || write(fd, script, strlen(script)) != (ssize_t)strlen(script))
    _exit(81);
  close(fd);
}

/* In the new namespaces: a private /opt with `script` as launcher, the VM's uid, then init. */
static void become_init(int start, int out, const char *script) {
  g_autofree char *program = g_build_filename(getenv("WHERRY_BUILD"), "launcher-init", NULL);
  int fd = open(program, O_PATH | O_CLOEXEC);
  if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("none", "/opt", "tmpfs", 0, NULL) || mkdir("/opt/wherry", 0755))
    _exit(80);
  write_run(script);
  dup2(out, 1);
  dup2(out, 2);
  if (start >= 0)
    dup2(start, 3);
  else
    close(3);
  for (int i = 4; i < 64; i++)
    if (i != fd)
      close(i);
  if (setresgid(UID, UID, UID) || setresuid(UID, UID, UID))
    _exit(82);
  char *const argv[] = {program, NULL}, *const env[] = {(char *)"PATH=/usr/bin:/bin", NULL};
  fexecve(fd, argv, env);
  _exit(83);
}

/* Bounding set emptied as the root half does; the test itself stays root. */
static Sandbox sandbox_start(const char *script, const void *message, size_t length, int fd) {
  int pair[2], out[2];
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) | pipe2(out, O_CLOEXEC), 0);
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control = {0};
  struct iovec iov = {(void *)message, length};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  if (fd >= 0) {
    msg.msg_control = control.bytes;
    msg.msg_controllen = sizeof control.bytes;
    *CMSG_FIRSTHDR(&msg) = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), &fd, sizeof fd);
  }
  ck_assert_int_eq(sendmsg(pair[0], &msg, 0), (ssize_t)length);
  pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    for (int cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
      continue;
    become_init(pair[1], out[1], script);
  }
  close(pair[0]);
  close(pair[1]);
  close(out[1]);
  return (Sandbox){pid, out[0]};
}

static Sandbox start_with(const char *script) {
  const WryInitStart start = {.version = WRY_SETUP_VERSION, .uid = UID, .gid = UID};
  return sandbox_start(script, &start, sizeof start, -1);
}

/* As a container runtime starts it: nothing is open but the standard files. */
static Sandbox start_in_pod(const char *script) {
  int out[2];
  ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
  pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    for (int cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
      continue;
    become_init(-1, out[1], script);
  }
  close(out[1]);
  return (Sandbox){pid, out[0]};
}

/* All that the sandbox prints until its last process is gone, at most `ms`. */
static char *output(const Sandbox *sandbox, int ms) {
  GString *text = g_string_new(NULL);
  gint64 end = g_get_monotonic_time() + (gint64)ms * 1000;
  char chunk[4096];
  for (;;) {
    struct pollfd p = {.fd = sandbox->out, .events = POLLIN};
    int left = (int)((end - g_get_monotonic_time()) / 1000);
    ssize_t n = left > 0 && poll(&p, 1, left) == 1 ? read(sandbox->out, chunk, sizeof chunk) : 0;
    if (n <= 0)
      return g_string_free(text, FALSE);
    g_string_append_len(text, chunk, n);
  }
}

static void await_word(const Sandbox *sandbox, const char *word) {
  g_autoptr(GString) text = g_string_new(NULL);
  char c;
  while (!strstr(text->str, word)) {
    struct pollfd p = {.fd = sandbox->out, .events = POLLIN};
    ck_assert_msg(poll(&p, 1, 10000) == 1 && read(sandbox->out, &c, 1) == 1, "\"%s\" did not come, only: %s", word, text->str);
    g_string_append_c(text, c);
  }
}

static int sandbox_end(Sandbox *sandbox) {
  int status;
  ck_assert_int_eq(waitpid(sandbox->pid, &status, 0), sandbox->pid);
  close(sandbox->out);
  return status;
}

static void sandbox_kill(Sandbox *sandbox) {
  kill(sandbox->pid, SIGKILL);
  ck_assert(WIFSIGNALED(sandbox_end(sandbox)));
}

START_TEST(test_over_ends_everything) {
  SKIP_UNLESS_ROOT();
  Sandbox sandbox = start_with("#!/bin/sh\nsleep 1000 &\necho \"$1 $WRY_FDS $MALLOC_ARENA_MAX\"\nexit 42\n");
  g_autofree char *text = output(&sandbox, 5000);
  ck_assert_str_eq(text, "run init=4,setup=5 1\n");
  ck_assert_int_eq(sandbox_end(&sandbox), 0);
}
END_TEST

/* In a pod what one run leaves in the deposit is there for the next. */
START_TEST(test_pod_deposit) {
  SKIP_UNLESS_ROOT();
  Sandbox sandbox = start_in_pod("#!/bin/sh\n"
                                 "found=$(dd bs=64 count=1 iflag=nonblock <&5 2>/dev/null)\n"
                                 "echo \"$WRY_FDS ${found:-nothing}\"\n"
                                 "[ -z \"$found\" ] || exit 42\n"
                                 "printf kept >&6\n"
                                 "exit 5\n");
  g_autofree char *text = output(&sandbox, 8000);
  ck_assert_msg(g_str_has_prefix(text, "init=4,setup=5,deposit=6 nothing\n") && strstr(text, "init=4,setup=5,deposit=6 kept\n"), "%s", text);
  ck_assert_int_eq(sandbox_end(&sandbox), 0);
}
END_TEST

/* The socket on which setup's sockets wait survives run; an orphan that ends while nobody runs is told to the next run. */
START_TEST(test_restart_tells_exits) {
  SKIP_UNLESS_ROOT();
  Sandbox sandbox = start_with("#!/bin/sh\n"
                               "told=$(dd bs=8 count=1 iflag=nonblock <&4 2>/dev/null | od -An -td4)\n"
                               "echo $WRY_FDS told $told $(readlink /proc/self/fd/5)\n"
                               "[ -z \"$told\" ] || exit 42\n"
                               "(sleep 0.3; exit 7) >/dev/null 2>&1 &\n"
                               "exit 5\n");
  g_autofree char *text = output(&sandbox, 8000);
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  ck_assert_uint_eq(g_strv_length(lines), 4);
  const char *held = strstr(lines[0], "socket:[");
  ck_assert(g_str_has_prefix(lines[0], "init=4,setup=5 told socket:["));
  ck_assert_str_eq(lines[1], "info init: run ended (status 5), starts again in 1 s");
  ck_assert(strstr(lines[2], " 1792 socket:[") != NULL);
  ck_assert(g_str_has_suffix(lines[2], held)); /* the same one */
  ck_assert_int_eq(sandbox_end(&sandbox), 0);
}
END_TEST

/* libvirt's destroy polls until QEMU is gone: an orphan must not stay a zombie. */
START_TEST(test_reaps_at_once) {
  SKIP_UNLESS_ROOT();
  Sandbox sandbox = start_with("#!/bin/sh\n(sh -c 'exit 3' &)\ndd bs=8 count=1 <&4 2>/dev/null | od -An -td4\nexit 42\n");
  g_autofree char *text = output(&sandbox, 5000);
  ck_assert(g_str_has_suffix(text, " 768\n"));
  ck_assert_int_eq(sandbox_end(&sandbox), 0);
}
END_TEST

/* A run that hangs is killed on the signal, and comes again; the signal means nothing to init itself. */
START_TEST(test_kills_a_hung_run) {
  SKIP_UNLESS_ROOT();
  Sandbox sandbox = start_with("#!/bin/sh\n[ $$ -gt 2 ] && echo second && exit 42\necho first\nkill -STOP $$\n");
  await_word(&sandbox, "first");
  g_usleep(200000);
  kill(sandbox.pid, WRY_INIT_KILL_RUN);
  await_word(&sandbox, "second");
  kill(sandbox.pid, WRY_INIT_KILL_RUN);
  int status = sandbox_end(&sandbox);
  ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

START_TEST(test_forwards_sigterm) {
  SKIP_UNLESS_ROOT();
  Sandbox sandbox = start_with("#!/bin/sh\ntrap 'echo asked; exit 42' TERM\necho ready\nwhile :; do sleep 0.05; done\n");
  await_word(&sandbox, "ready\n");
  kill(sandbox.pid, SIGTERM);
  await_word(&sandbox, "asked\n");
  ck_assert_int_eq(sandbox_end(&sandbox), 0);
}
END_TEST

/* A run that dies at once is started again after 1, 2, ... seconds, not in a loop. */
START_TEST(test_backs_off) {
  SKIP_UNLESS_ROOT();
  Sandbox sandbox = start_with("#!/bin/sh\nkill -9 $$\n");
  g_autofree char *text = output(&sandbox, 3600);
  ck_assert_str_eq(text, "info init: run ended (signal 9), starts again in 1 s\ninfo init: run ended (signal 9), starts again in 2 s\n"
                         "info init: run ended (signal 9), starts again in 4 s\n");
  sandbox_kill(&sandbox);
}
END_TEST

static void refused(const void *message, size_t length, int fd) {
  Sandbox sandbox = sandbox_start("#!/bin/sh\necho started\n", message, length, fd);
  g_autofree char *text = output(&sandbox, 5000);
  ck_assert_msg(strstr(text, "Protocol error") && !strstr(text, "started"), "%s", text);
  int status = sandbox_end(&sandbox);
  ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

START_TEST(test_refuses_bad_start) {
  SKIP_UNLESS_ROOT();
  const WryInitStart good = {.version = WRY_SETUP_VERSION, .uid = UID, .gid = UID};
  WryInitStart bad = good;
  refused(&good, sizeof good - 1, -1);
  refused(&good, sizeof good, 1);
  bad.version++;
  refused(&bad, sizeof bad, -1);
  bad = good;
  bad.n_fds = 1;
  refused(&bad, sizeof bad, -1);
  refused(&bad, sizeof bad, 1);
  bad = good;
  bad.uid = 0;
  refused(&bad, sizeof bad, -1);
}
END_TEST

static char *proc_file(pid_t pid, const char *name) {
  g_autofree char *path = g_strdup_printf("/proc/%d/%s", pid, name);
  char *text = NULL;
  ck_assert(g_file_get_contents(path, &text, NULL, NULL));
  return text;
}

START_TEST(test_is_confined) {
  SKIP_UNLESS_ROOT();
  Sandbox sandbox = start_with("#!/bin/sh\necho ready\nsleep 1000\n");
  await_word(&sandbox, "ready\n");
  g_autofree char *status = proc_file(sandbox.pid, "status"), *maps = proc_file(sandbox.pid, "maps"), *path = g_strdup_printf("/proc/%d/mem", sandbox.pid);
  static const char *const lines[] = {"\nSeccomp:\t2\n", "\nNoNewPrivs:\t1\n", "\nCapEff:\t0000000000000000\n", "\nCapPrm:\t0000000000000000\n",
                                      "\nCapBnd:\t0000000000000000\n", "\nCapAmb:\t0000000000000000\n", "\nThreads:\t1\n"};
  for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
    ck_assert_msg(strstr(status, lines[i]) != NULL, "no %s in %s", lines[i], status);
  ck_assert_msg(!strstr(maps, "[vdso]"), "%s", maps);
  struct stat st;
  ck_assert_int_eq(stat(path, &st), 0);
  ck_assert_uint_eq(st.st_uid, 0); /* not dumpable */
  sandbox_kill(&sandbox);
}
END_TEST

#if defined(__x86_64__)
/* Makes init call `nr`; the status that wait reports for the stop after it. */
static int inject(pid_t pid, long nr, long a0) {
  struct user_regs_struct regs;
  int status;
  ck_assert_int_eq(ptrace(PTRACE_SEIZE, pid, NULL, (void *)PTRACE_O_TRACESYSGOOD), 0);
  ck_assert_int_eq(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert_int_eq(ptrace(PTRACE_GETREGS, pid, NULL, &regs), 0);
  regs.rip -= 2; /* it was interrupted in ppoll: back to the system call instruction */
  regs.rax = (unsigned long)nr;
  regs.orig_rax = (unsigned long)-1;
  regs.rdi = (unsigned long)a0;
  regs.rsi = regs.rdx = regs.r10 = regs.r8 = regs.r9 = 0;
  ck_assert_int_eq(ptrace(PTRACE_SETREGS, pid, NULL, &regs), 0);
  ck_assert_int_eq(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  return status;
}

static const long forbidden[] = {SYS_mmap, SYS_mprotect, SYS_openat, SYS_ptrace, SYS_socket, SYS_mount, SYS_unshare, SYS_setresuid, SYS_process_vm_writev, SYS_getpid};

START_TEST(test_forbidden_call_kills) {
  SKIP_UNLESS_ROOT();
  Sandbox sandbox = start_with("#!/bin/sh\necho ready\nsleep 1000\n");
  await_word(&sandbox, "ready\n");
  int status = inject(sandbox.pid, forbidden[_i], 0);
  ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "call %ld: status %x", forbidden[_i], status);
  close(sandbox.out);
}
END_TEST

/* The injection itself works: a call of the list goes through. */
START_TEST(test_allowed_call_passes) {
  SKIP_UNLESS_ROOT();
  Sandbox sandbox = start_with("#!/bin/sh\necho ready\nsleep 1000\n");
  await_word(&sandbox, "ready\n");
  int status = inject(sandbox.pid, SYS_close, 999);
  struct user_regs_struct regs;
  ck_assert(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
  ck_assert_int_eq(ptrace(PTRACE_GETREGS, sandbox.pid, NULL, &regs), 0);
  ck_assert_int_eq((int)regs.rax, -EBADF);
  sandbox_kill(&sandbox);
}
END_TEST
#endif

int main(void) {
  Suite *suite = suite_create("init");
  TCase *life = tcase_create("life"), *policy = tcase_create("policy");
  tcase_set_timeout(life, 30);
  tcase_add_test(life, test_over_ends_everything);
  tcase_add_test(life, test_pod_deposit);
  tcase_add_test(life, test_restart_tells_exits);
  tcase_add_test(life, test_reaps_at_once);
  tcase_add_test(life, test_kills_a_hung_run);
  tcase_add_test(life, test_forwards_sigterm);
  tcase_add_test(life, test_backs_off);
  tcase_add_test(life, test_refuses_bad_start);
  tcase_add_test(policy, test_is_confined);
#if defined(__x86_64__)
  tcase_add_loop_test(policy, test_forbidden_call_kills, 0, (int)G_N_ELEMENTS(forbidden));
  tcase_add_test(policy, test_allowed_call_passes);
#endif
  suite_add_tcase(suite, life);
  suite_add_tcase(suite, policy);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
