/* The kernel's own verdict of a compiled policy on system calls, without making them.
 *
 *   policy_verdict POLICY < calls > verdicts      one call a line: nr arg0 arg1 arg2 arg3 arg4; one verdict a line: allow, kill, errno N
 *   policy_verdict POLICY foreign                 verdicts on calls by the x32 and i386 conventions
 *   policy_verdict POLICY size                    number of instructions
 *
 * Each call is made by a child of its own under two filters: the policy, and below it one that answers every call with an errno of its own unless the sixth argument is a magic
 * number. What the policy lets through is therefore answered, not executed; what it kills, dies; what it refuses has its errno. */
#include "policy_handler.h"
#include "policy_init.h"
#include "policy_priv.h"
#include "policy_qemu.h"
#include "policy_run.h"
#include "policy_setup.h"
#include "policy_starter.h"
#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAGIC 0x57525259u
#define ANSWER 3333u /* no real errno */

#define POLICY(n) {#n, wry_policy_##n, sizeof wry_policy_##n / sizeof *wry_policy_##n}
static const struct {
  const char *name;
  const struct sock_filter *code;
  size_t length;
} policies[] = {POLICY(handler), POLICY(init), POLICY(priv), POLICY(qemu), POLICY(run), POLICY(setup), POLICY(starter)};

static int *answer; /* shared with the child: -1 = none, else errno */

static int load(const struct sock_filter *code, size_t length) {
  struct sock_fprog program = {(unsigned short)length, (struct sock_filter *)code};
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program, 0, 0, MAGIC);
}

static void child(size_t policy, const long *call) {
  const struct sock_filter answering[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MAGIC, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ANSWER),
  };
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || load(answering, 4) != 0 || load(policies[policy].code, policies[policy].length) != 0)
    _exit(1);
  errno = 0;
  syscall(call[0], call[1], call[2], call[3], call[4], call[5], 0);
  *answer = errno;
  syscall(SYS_exit_group, 0, 0, 0, 0, 0, MAGIC);
  for (;;)
    *(volatile int *)0 = 0; /* a policy without exit_group */
}

/* The x32 number space, and the i386 gate. */
#if defined(__x86_64__)
static void foreign_child(size_t policy, const long *call) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || load(policies[policy].code, policies[policy].length) != 0)
    _exit(1);
  long result = 0;
  if (call[0] == 0)
    result = syscall(0x40000000 | SYS_close, 999);
  else
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(6), "b"(999) : "memory"); /* close(999) */
  *answer = (int)-result;
  for (;;)
    *(volatile int *)0 = 0;
}
#endif

static void judge(size_t policy, const long *call, void (*body)(size_t, const long *)) {
  int status;
  *answer = -1;
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0)
    body(policy, call);
  if (pid < 0 || waitpid(pid, &status, 0) != pid) {
    perror("child");
    exit(1);
  }
  if (*answer == (int)ANSWER)
    puts("allow");
  else if (*answer >= 0)
    printf("errno %d\n", *answer);
  else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
    puts("kill");
  else
    printf("broken %x\n", status);
}

static size_t find(const char *name) {
  for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
    if (strcmp(policies[i].name, name) == 0)
      return i;
  fprintf(stderr, "no policy %s\n", name);
  exit(2);
}

int main(int argc, char **argv) {
  if (argc < 2)
    return 2;
  size_t policy = find(argv[1]);
  answer = mmap(NULL, sizeof *answer, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (argc > 2 && strcmp(argv[2], "size") == 0)
    return printf("%zu\n", policies[policy].length) < 0;
#if defined(__x86_64__)
  if (argc > 2 && strcmp(argv[2], "foreign") == 0) {
    judge(policy, (const long[6]){0}, foreign_child);
    judge(policy, (const long[6]){1}, foreign_child);
    return 0;
  }
#endif
  char line[256];
  while (fgets(line, sizeof line, stdin)) {
    long call[6] = {0};
    char *at = line;
    for (int i = 0; i < 6; i++)
      call[i] = (long)strtoull(at, &at, 0);
    judge(policy, call, child);
  }
  return 0;
}
