/* The birth helper as the root half meets it: what it refuses, what it makes, and that it ends. As root: it keeps capabilities. */
#include "handler/birth.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_UID 600000000u
#define SKIP_UNLESS_ROOT() if (geteuid() != 0) return

static char libexec[] = "/tmp/wherry-birth-XXXXXX";
static int helper_sock, mounts[1 + WRY_BIRTH_MOUNTS];
static pid_t helper;

static void start_helper(void) {
  int pair[2];
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  helper = fork();
  ck_assert_int_ge(helper, 0);
  if (helper == 0) {
    const WryBirthOptions options = {.libexec = libexec, .first_uid = FIRST_UID, .n_uids = 16};
    close(pair[0]);
    _exit(wry_birth_serve(pair[1], &options));
  }
  close(pair[1]);
  helper_sock = pair[0];
}

static void end_helper(void) {
  int status;
  close(helper_sock);
  ck_assert_int_eq(waitpid(helper, &status, 0), helper);
  ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void ask(const void *request, size_t length, const int *fds, unsigned n) {
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof mounts)]; } control = {0};
  struct iovec iov = {(void *)request, length};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  if (n > 0) {
    msg.msg_control = &control;
    msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
    *CMSG_FIRSTHDR(&msg) = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * n)};
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, sizeof(int) * n);
  }
  ck_assert_int_eq(sendmsg(helper_sock, &msg, MSG_NOSIGNAL), (ssize_t)length);
}

static const WryBirthRequest good = {.version = WRY_BIRTH_VERSION, .kind = WRY_BIRTH_INIT, .uid = FIRST_UID + 1, .hostname = "vm"};

#define BREAK(name, statement) static unsigned name(WryBirthRequest *r) { unsigned n = 1; (void)r; statement; return n; }
BREAK(version, r->version++)
BREAK(kind_zero, r->kind = 0)
BREAK(kind_high, r->kind = WRY_BIRTH_KINDS)
BREAK(uid_root, r->uid = 0)
BREAK(uid_low, r->uid = FIRST_UID - 1)
BREAK(uid_high, r->uid = FIRST_UID + 16)
BREAK(host_open, memset(r->hostname, 'a', sizeof r->hostname))
BREAK(log_two, r->log = 2)
BREAK(log_absent, r->log = 1)
BREAK(mounts_absent, r->n_mounts = 1)
BREAK(mounts_many, r->n_mounts = WRY_BIRTH_MOUNTS + 1; n = 1 + WRY_BIRTH_MOUNTS)
BREAK(mounts_wrap, r->n_mounts = UINT32_MAX; n = 1)
BREAK(fds_many, n = 2)
BREAK(fds_none, n = 0)
BREAK(target_open, r->n_mounts = 1; n = 2; memset(r->mounts[0].target, 'a', sizeof r->mounts[0].target))
BREAK(setup_log, r->kind = WRY_BIRTH_SETUP; r->log = 1; n = 2)
BREAK(setup_mounts, r->kind = WRY_BIRTH_SETUP; r->n_mounts = 1; n = 2)
static unsigned (*const breaks[])(WryBirthRequest *) = {version, kind_zero, kind_high, uid_root, uid_low, uid_high, host_open, log_two, log_absent, mounts_absent, mounts_many,
                                                        mounts_wrap, fds_many, fds_none, target_open, setup_log, setup_mounts};

START_TEST(refused) {
  SKIP_UNLESS_ROOT();
  start_helper();
  for (size_t i = 0; i < G_N_ELEMENTS(breaks); i++) {
    WryBirthRequest request = good;
    WryBirthReply reply;
    unsigned n = breaks[i](&request);
    ask(&request, sizeof request, mounts, n);
    ck_assert_int_eq(recv(helper_sock, &reply, sizeof reply, 0), (ssize_t)sizeof reply);
    ck_assert_msg(reply.pid == 0 && reply.problem == EPERM, "break %zu: pid %d problem %d", i, reply.pid, reply.problem);
  }
  end_helper();
}
END_TEST

START_TEST(ends) {
  SKIP_UNLESS_ROOT();
  char byte;
  start_helper();
  ask(&good, sizeof good - 1, mounts, 1); /* one byte short */
  ck_assert_int_eq(recv(helper_sock, &byte, 1, 0), 0);
  end_helper();
}
END_TEST

/* The new process is a child of the asker, and `launcher setup` finds its socket on descriptor 3. */
START_TEST(setup_runs) {
  SKIP_UNLESS_ROOT();
  const WryBirthRequest request = {.version = WRY_BIRTH_VERSION, .kind = WRY_BIRTH_SETUP};
  int pair[2], status;
  WryBirthReply reply;
  char said[8] = "";
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  start_helper();
  ask(&request, sizeof request, &pair[1], 1);
  ck_assert_int_eq(recv(helper_sock, &reply, sizeof reply, 0), (ssize_t)sizeof reply);
  ck_assert_int_gt(reply.pid, 0);
  close(pair[1]);
  ck_assert_int_eq(recv(pair[0], said, sizeof said, 0), 6);
  ck_assert_str_eq(said, "hello\n");
  ck_assert_int_eq(waitpid(reply.pid, &status, 0), reply.pid);
  ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
  end_helper();
}
END_TEST

/* This very program stands for launcher-setup. */
static void make_libexec(void) {
  char self[4096] = "";
  ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof self - 1), 0);
  ck_assert_ptr_nonnull(mkdtemp(libexec));
  int dir = open(libexec, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ck_assert_int_eq(symlinkat(self, dir, "launcher-setup"), 0);
  close(dir);
  for (size_t i = 0; i < G_N_ELEMENTS(mounts); i++) mounts[i] = STDERR_FILENO;
}

static void remove_libexec(void) {
  int dir = open(libexec, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  unlinkat(dir, "launcher-setup", 0);
  close(dir);
  rmdir(libexec);
}

int main(int argc, char **argv) {
  if (argc == 1 && strcmp(argv[0], "launcher-setup") == 0) return write(3, "hello\n", 6) == 6 ? 7 : 1;
  Suite *suite = suite_create("birth");
  TCase *tcase = tcase_create("helper");
  tcase_add_unchecked_fixture(tcase, make_libexec, remove_libexec);
  tcase_add_test(tcase, refused);
  tcase_add_test(tcase, ends);
  tcase_add_test(tcase, setup_runs);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
