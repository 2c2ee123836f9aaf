/* Kills a process at its Nth system call, all its threads counted together, before that call does anything.
 *
 *   kill_at PID N             the process PID
 *   kill_at PID N CHILD       the first descendant of PID that executes a program as `CHILD`: its first argument ("run")
 *   N = 0 only counts.
 *
 * Prints "ready" once it traces; then, as its last line, "killed COUNT NUMBER" (NUMBER: the call), or "counted COUNT" when the process ended by itself or kill_at was told to end (SIGTERM). Whoever
 * else it had to trace on the way to a child is let go. It seizes, so nothing is stopped that was not stopped before. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4096
#define WAYSIDE "launcher-init" /* may yet start the child that is looked for */

static struct {
  pid_t threads[THREADS]; /* of the target */
  unsigned n;
  pid_t target;           /* 0: not born yet */
  const char *child;
  unsigned long at, count;
} self;

static volatile sig_atomic_t told;

static void on_term(int number) {
  (void)number;
  told = 1;
}

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "kill_at: %s: %s\n", what, strerror(errno));
  exit(2);
}

static _Noreturn void counted(void) {
  printf("counted %lu\n", self.count);
  exit(0);
}

static size_t read_proc(pid_t pid, const char *name, char *text, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);
  if (fd >= 0)
    close(fd);
  text[n > 0 ? n : 0] = '\0';
  return n > 0 ? (size_t)n : 0;
}

static pid_t process_of(pid_t tid) {
  char text[2048];
  read_proc(tid, "status", text, sizeof text);
  const char *line = strstr(text, "\nTgid:");
  return line ? atoi(line + 6) : 0;
}

static bool is_thread(pid_t tid) {
  for (unsigned i = 0; i < self.n; i++)
    if (self.threads[i] == tid)
      return true;
  return false;
}

static void add_thread(pid_t tid) {
  if (is_thread(tid))
    return;
  if (self.n == THREADS) {
    errno = ENOSPC;
    fail("threads");
  }
  self.threads[self.n++] = tid;
}

static void remove_thread(pid_t tid) {
  for (unsigned i = 0; i < self.n; i++)
    if (self.threads[i] == tid)
      self.threads[i] = self.threads[--self.n];
}

/* What a process that has just executed a program is. */
static bool is_child(pid_t pid) {
  char text[4096];
  size_t n = read_proc(pid, "cmdline", text, sizeof text), first = strlen(text) + 1;
  return first < n && strcmp(text + first, self.child) == 0;
}

static bool is_wayside(pid_t pid) {
  char text[4096];
  read_proc(pid, "cmdline", text, sizeof text);
  return strstr(text, WAYSIDE) != NULL;
}

static void seize(pid_t pid) {
  char path[64];
  long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | (self.child ? PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC : 0);
  snprintf(path, sizeof path, "/proc/%d/task", pid);
  DIR *tasks = opendir(path);
  if (!tasks)
    fail(path);
  for (struct dirent *entry; (entry = readdir(tasks));) {
    pid_t tid = atoi(entry->d_name);
    if (tid <= 0 || ptrace(PTRACE_SEIZE, tid, NULL, options) != 0)
      continue;
    ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
    if (!self.child)
      add_thread(tid);
  }
  closedir(tasks);
}

static void on_call(pid_t tid) {
  struct __ptrace_syscall_info info = {0};
  if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) <= 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY || ++self.count != self.at)
    return;
  kill(self.target, SIGKILL);
  printf("killed %lu %llu\n", self.count, (unsigned long long)info.entry.nr);
  exit(0);
}

/* A process that traces as yet unborn children: whether it is worth watching on. */
static bool keeps(pid_t tid, int event) {
  if (event == PTRACE_EVENT_EXEC && !self.target && is_child(tid)) {
    self.target = tid;
    add_thread(tid);
    return true;
  }
  return !self.target && (event != PTRACE_EVENT_EXEC || is_wayside(tid));
}

/* Signals go on to where they were going; stops of the tracer's own making end here. */
static int signal_of(int status) {
  int number = WSTOPSIG(status), event = status >> 16;
  return event != 0 || number == (SIGTRAP | 0x80) ? 0 : number;
}

static void on_stop(pid_t tid, int status) {
  int event = status >> 16;
  if (WSTOPSIG(status) == (SIGTRAP | 0x80) && is_thread(tid))
    on_call(tid);
  if (self.target && !is_thread(tid) && process_of(tid) == self.target)
    add_thread(tid);
  bool group_stop = event == PTRACE_EVENT_STOP && (WSTOPSIG(status) == SIGSTOP || WSTOPSIG(status) == SIGTSTP || WSTOPSIG(status) == SIGTTIN || WSTOPSIG(status) == SIGTTOU);
  if (group_stop)
    ptrace(PTRACE_LISTEN, tid, NULL, NULL);
  else if (is_thread(tid) || keeps(tid, event))
    ptrace(is_thread(tid) ? PTRACE_SYSCALL : PTRACE_CONT, tid, NULL, signal_of(status));
  else
    ptrace(PTRACE_DETACH, tid, NULL, signal_of(status));
}

int main(int argc, char **argv) {
  const struct sigaction action = {.sa_handler = on_term};
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc < 3 || argc > 4) {
    fputs("usage: kill_at PID N [CHILD]\n", stderr);
    return 2;
  }
  pid_t pid = atoi(argv[1]);
  self.at = strtoul(argv[2], NULL, 10);
  self.child = argc == 4 ? argv[3] : NULL;
  self.target = self.child ? 0 : pid;
  sigaction(SIGTERM, &action, NULL);
  seize(pid);
  puts("ready");
  for (;;) {
    int status;
    pid_t tid = told ? -1 : waitpid(-1, &status, __WALL);
    if (tid < 0)
      counted();
    if (WIFSTOPPED(status))
      on_stop(tid, status);
    else
      remove_thread(tid);
    if (self.target && self.n == 0)
      counted();
  }
}
