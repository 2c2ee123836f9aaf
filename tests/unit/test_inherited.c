/* What run inherits: the names of the descriptors, and the sockets that wait to be looked at, again and again. */
#include "launcher/inherited.h"
#include "wherry/error.h"
#include "wherry/setup.h"
#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct { const char *text; int init, setup; } good[] = {
  {NULL, -1, -1}, {"", -1, -1}, {"init=4", 4, -1}, {"setup=5", -1, 5}, {"init=4,setup=5", 4, 5}, {"setup=1023,init=3", 3, 1023},
};
static const char *const bad[] = {"init", "init=", "init=2", "init=1024", "init=-1", "init=4,init=5", "init=4,setup=4", "init=4,", ",", "dhcp4:0=5", "init=4x", "init= 4", "in=4"};

START_TEST(test_names) {
  WryInherited inherited;
  g_autoptr(GError) error = NULL;
  ck_assert(wry_inherited_parse(good[_i].text, &inherited, &error));
  ck_assert_int_eq(inherited.init, good[_i].init);
  ck_assert_int_eq(inherited.setup, good[_i].setup);
}
END_TEST

START_TEST(test_bad_names) {
  WryInherited inherited;
  g_autoptr(GError) error = NULL;
  ck_assert_msg(!wry_inherited_parse(bad[_i], &inherited, &error), "%s", bad[_i]);
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_PROTOCOL));
}
END_TEST

/* A message with `n` descriptors of memory files, each with its number in it. */
static void send_sockets(int to, const WryInitStart *message, guint n) {
  union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int) * WRY_MAX_SETUP_FDS)]; } control = {0};
  struct iovec iov = {(void *)message, sizeof *message};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  int fds[WRY_MAX_SETUP_FDS];
  for (guint i = 0; i < n; i++) {
    fds[i] = memfd_create("socket", MFD_CLOEXEC);
    ck_assert_int_eq(ftruncate(fds[i], 100 + (off_t)i), 0);
  }
  if (n) {
    msg.msg_control = &control;
    msg.msg_controllen = CMSG_SPACE(sizeof(int) * n);
    *CMSG_FIRSTHDR(&msg) = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * n)};
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, sizeof(int) * n);
  }
  ck_assert_int_eq(sendmsg(to, &msg, 0), (ssize_t)sizeof *message);
  for (guint i = 0; i < n; i++)
    close(fds[i]);
}

static void make_pair(int pair[2]) {
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

static void check_socket(const WryInheritedSocket *socket, int what, guint interface) {
  ck_assert_int_eq(socket->what, what);
  ck_assert_uint_eq(socket->interface, interface);
  ck_assert_int_eq(lseek(socket->fd, 0, SEEK_END), 99 + (off_t)interface);
  ck_assert_int_eq(fcntl(socket->fd, F_GETFD), FD_CLOEXEC);
  close(socket->fd);
}

START_TEST(test_sockets_stay) {
  static const WryInitStart message = {.version = WRY_SETUP_VERSION, .n_fds = 2, .fds = {{.what = WRY_SETUP_FD_DHCP4, .interface = 1}, {.what = WRY_SETUP_FD_RA, .interface = 2}}};
  int pair[2];
  make_pair(pair);
  g_autoptr(GError) error = NULL;
  ck_assert(!wry_inherited_sockets(pair[1], &error)); /* not there yet */
  g_clear_error(&error);
  send_sockets(pair[0], &message, 2);
  close(pair[0]);
  for (int again = 0; again < 3; again++) {
    g_autoptr(GArray) sockets = wry_inherited_sockets(pair[1], &error);
    ck_assert_msg(sockets != NULL, "%s", error ? error->message : "");
    ck_assert_uint_eq(sockets->len, 2);
    check_socket(&g_array_index(sockets, WryInheritedSocket, 0), WRY_SETUP_FD_DHCP4, 1);
    check_socket(&g_array_index(sockets, WryInheritedSocket, 1), WRY_SETUP_FD_RA, 2);
  }
  close(pair[1]);
}
END_TEST

START_TEST(test_no_sockets) {
  static const WryInitStart message = {.version = WRY_SETUP_VERSION};
  int pair[2];
  make_pair(pair);
  send_sockets(pair[0], &message, 0);
  g_autoptr(GArray) sockets = wry_inherited_sockets(pair[1], NULL);
  ck_assert(sockets != NULL && sockets->len == 0);
}
END_TEST

START_TEST(test_bad_messages) {
  static const WryInitStart messages[] = {{.version = WRY_SETUP_VERSION + 1}, {.version = WRY_SETUP_VERSION, .n_fds = 1}, {.version = WRY_SETUP_VERSION, .n_fds = 3}};
  int pair[2];
  g_autoptr(GError) error = NULL;
  make_pair(pair);
  int free_fd = dup(0);
  close(free_fd);
  send_sockets(pair[0], &messages[_i], _i == 1 ? 0 : 2);
  ck_assert(!wry_inherited_sockets(pair[1], &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_PROTOCOL));
  ck_assert_int_eq(dup(0), free_fd); /* nothing that came was kept open */
}
END_TEST

int main(void) {
  Suite *suite = suite_create("inherited");
  TCase *names = tcase_create("names"), *sockets = tcase_create("sockets");
  tcase_add_loop_test(names, test_names, 0, (int)G_N_ELEMENTS(good));
  tcase_add_loop_test(names, test_bad_names, 0, (int)G_N_ELEMENTS(bad));
  tcase_add_test(sockets, test_sockets_stay);
  tcase_add_test(sockets, test_no_sockets);
  tcase_add_loop_test(sockets, test_bad_messages, 0, 3);
  suite_add_tcase(suite, names);
  suite_add_tcase(suite, sockets);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
