/* Who listens where somebody listened before: a process that is dying makes way, a living one does not, however it treats its callers. */
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *root;
static int dir;

static void setup(void) {
  root = g_dir_make_tmp("wherry-vlisten-XXXXXX", NULL);
  dir = wry_dir_open(root, NULL);
  ck_assert_int_ge(dir, 0);
}

static void teardown(void) {
  wry_vunlink(dir, "s", NULL);
  close(dir);
  g_rmdir(root);
  g_free(root);
}

typedef enum { DIES, IGNORES, ACCEPTS, HANGS_UP } Manner; /* DIES: as soon as somebody knocks, so that whoever did found it listening */

/* A process that listens on "s"; returns when it does. */
static pid_t listener(int type, Manner manner) {
  int ready[2];
  char byte;
  ck_assert_int_eq(pipe(ready), 0);
  pid_t pid = fork();
  if (pid == 0) {
    int fd = wry_vlisten(dir, "s", type, 0600, NULL);
    if (fd < 0 || write(ready[1], "r", 1) != 1) _exit(1);
    fcntl(fd, F_SETFL, 0);
    for (int client; manner >= ACCEPTS && (client = accept(fd, NULL, NULL)) >= 0;)
      if (manner == HANGS_UP) close(client);
    struct pollfd knock = {.fd = fd, .events = POLLIN};
    if (manner == DIES) poll(&knock, 1, -1);
    else pause();
    _exit(0);
  }
  ck_assert_int_eq(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  close(ready[1]);
  return pid;
}

static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};

START_TEST(a_dying_listener_makes_way) {
  pid_t pid = listener(types[_i], DIES);
  g_autoptr(GError) error = NULL;
  wry_autofd int server = wry_vlisten(dir, "s", types[_i], 0600, &error);
  ck_assert_msg(server >= 0, "%s", error ? error->message : "");
  wry_autofd int client = wry_vconnect(dir, "s", types[_i], NULL);
  ck_assert_int_ge(client, 0);
  ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

static void living(int type, Manner manner) {
  pid_t pid = listener(type, manner);
  g_autoptr(GError) error = NULL;
  struct stat before, after;
  ck_assert_int_eq(fstatat(dir, "s", &before, 0), 0);
  ck_assert_int_lt(wry_vlisten(dir, "s", type, 0600, &error), 0);
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_LOCKED));
  ck_assert_int_eq(fstatat(dir, "s", &after, 0), 0);
  ck_assert_uint_eq(before.st_ino, after.st_ino);
  kill(pid, SIGKILL);
  ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(a_living_listener_stays) {
  living(types[_i], IGNORES);
}
END_TEST

START_TEST(a_listener_that_keeps_its_callers_stays) {
  living(types[_i], ACCEPTS);
}
END_TEST

START_TEST(a_listener_that_hangs_up_stays) {
  living(types[_i], HANGS_UP);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("vlisten");
  TCase *all = tcase_create("listen");
  tcase_add_checked_fixture(all, setup, teardown);
  tcase_set_timeout(all, 20);
  tcase_add_loop_test(all, a_dying_listener_makes_way, 0, 2);
  tcase_add_loop_test(all, a_living_listener_stays, 0, 2);
  tcase_add_loop_test(all, a_listener_that_keeps_its_callers_stays, 0, 2);
  tcase_add_loop_test(all, a_listener_that_hangs_up_stays, 0, 2);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
