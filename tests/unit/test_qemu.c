/* QEMU as a process: stat lines, finding, watching, signalling. */
#include "launcher/qemu.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct { const char *text; gboolean good; const char *name; char state; int parent; } lines[] = {
  {"7 (qemu-system-x86) S 1 7 7 0", TRUE, "qemu-system-x86", 'S', 1}, {"7 (a) b) c) R 12 0", TRUE, "a) b) c", 'R', 12}, {"7 () Z 1 0", TRUE, "", 'Z', 1},
  {"7 (a name of more than fifteen) S 1 0", TRUE, "a name of more ", 'S', 1}, {"", FALSE, "", 0, 0}, {"7 (x", FALSE, "", 0, 0}, {"7 x) S 1", FALSE, "", 0, 0}, {"7 (x)", FALSE, "", 0, 0},
  {"7 (x) S", FALSE, "", 0, 0}, {"7 )x( S 1", FALSE, "", 0, 0},
};

START_TEST(stat_lines) {
  char name[16] = "", state = 0;
  int parent = 0;
  ck_assert_int_eq(wry_qemu_parse_stat(lines[_i].text, name, &state, &parent), lines[_i].good);
  if (!lines[_i].good)
    return;
  ck_assert_str_eq(name, lines[_i].name);
  ck_assert_int_eq(state, lines[_i].state);
  ck_assert_int_eq(parent, lines[_i].parent);
}
END_TEST

static int ended;

static void on_gone(int pid, gpointer data) {
  ck_assert_int_eq(pid, *(pid_t *)data);
  ended++;
}

START_TEST(watched_and_signalled) {
  pid_t child = fork();
  if (child == 0)
    for (;;)
      pause();
  WryQemu *qemu = wry_qemu_watch(child, on_gone, &child, NULL);
  ck_assert_ptr_nonnull(qemu);
  ck_assert_int_eq(wry_qemu_pid(qemu), child);
  while (g_main_context_iteration(NULL, FALSE))
    ;
  ck_assert_int_eq(ended, 0);
  ck_assert(wry_qemu_signal(qemu, SIGKILL, NULL));
  while (ended == 0)
    g_main_context_iteration(NULL, TRUE);
  ck_assert_int_eq(waitpid(child, NULL, 0), child);
  g_autoptr(GError) error = NULL;
  ck_assert(!wry_qemu_signal(qemu, SIGKILL, &error)); /* reaped: nobody else is hit */
  ck_assert_int_eq(ended, 1);
  wry_qemu_free(qemu);
  ck_assert_ptr_null(wry_qemu_watch(child, on_gone, &child, NULL));
}
END_TEST

/* --- in a pid namespace of its own: we are a child of init ---------------------------------------------------------------- */

/* A child of init under that name: the grandchild of us whose parent ends. */
static int orphan(const char *name) {
  int ready[2];
  pid_t pid = 0;
  if (pipe(ready) != 0)
    return -1;
  pid_t middle = fork();
  if (middle == 0) {
    pid_t inner = fork();
    if (inner != 0)
      _exit(0);
    prctl(PR_SET_NAME, name);
    while (getppid() != 1)
      sched_yield();
    pid = getpid();
    if (write(ready[1], &pid, sizeof pid) != sizeof pid)
      _exit(1);
    for (;;)
      pause();
  }
  waitpid(middle, NULL, 0);
  return read(ready[0], &pid, sizeof pid) == sizeof pid ? pid : -1;
}

/* The first check that fails, as an exit status. */
static int run_checks(void) {
  wry_autofd int proc = wry_dir_open("/proc", NULL);
  if (wry_qemu_find(proc, 0) != 0)
    return 1;
  int other = orphan("qemu-img"), self = getpid();
  if (wry_qemu_find(proc, 0) != 0 || wry_qemu_find(proc, self) != 0 || wry_qemu_find(proc, 1) != 0)
    return 2;
  int qemu = orphan("qemu-system-x86");
  if (wry_qemu_find(proc, 0) != qemu || wry_qemu_find(proc, 4711) != qemu)
    return 3;
  if (wry_qemu_find(proc, other) != other) /* what libvirt noted is believed when it is a child of init */
    return 4;
  if (!wry_qemu_sweep(proc, 2000) || wry_qemu_find(proc, 0) != 0)
    return 5;
  int jail = orphan("launcher-jail");
  return wry_qemu_find(proc, 0) == jail ? 0 : 6;
}

/* pid 1 of the namespace reaps, as init does. */
static int namespace_init(void) {
  int status;
  if (mount("proc", "/proc", "proc", 0, NULL) != 0)
    return 77;
  pid_t run = fork();
  if (run == 0)
    _exit(run_checks());
  for (pid_t pid; (pid = waitpid(-1, &status, 0)) > 0;)
    if (pid == run)
      return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
  return 98;
}

START_TEST(found_and_swept) {
  int status;
  pid_t outer = fork();
  if (outer == 0) {
    if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
      _exit(77);
    pid_t init = fork();
    if (init == 0)
      _exit(namespace_init());
    waitpid(init, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 97);
  }
  ck_assert_int_eq(waitpid(outer, &status, 0), outer);
  ck_assert(WIFEXITED(status));
  if (WEXITSTATUS(status) != 77) /* not allowed to make namespaces */
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("qemu");
  TCase *tcase = tcase_create("qemu");
  tcase_add_loop_test(tcase, stat_lines, 0, G_N_ELEMENTS(lines));
  tcase_add_test(tcase, watched_and_signalled);
  tcase_add_test(tcase, found_and_swept);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
