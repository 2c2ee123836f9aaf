/* The connection to the handler, and the words that come from init. */
#include "launcher/inherited.h"
#include "launcher/link.h"
#include "wherry/fd.h"
#include "wherry/setup.h"
#include "wherry/vpath.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* --- handler ------------------------------------------------------------------------------------------------------------ */

typedef struct { int connected, lost, messages; WryMsgType last; WryHandler *handler; } Seen;

static void on_connected(gpointer data) {
  ((Seen *)data)->connected++;
}

static void on_message(WryMsgType type, gpointer body, int *fds, guint n_fds, gpointer data) {
  Seen *seen = data;
  (void)body;
  (void)fds;
  (void)n_fds;
  seen->messages++;
  seen->last = type;
}

static void on_lost(gpointer data) {
  ((Seen *)data)->lost++;
}

static const WryHandlerCalls calls = {on_connected, on_message, on_lost};

static char *path;
static int dir;
static Seen seen;

static void setup(void) {
  path = g_dir_make_tmp("wherry-link-XXXXXX", NULL);
  dir = wry_dir_open(path, NULL);
  memset(&seen, 0, sizeof seen);
}

static void teardown(void) {
  g_autofree char *name = g_path_get_basename(path);
  wry_autofd int tmp = wry_dir_open(g_get_tmp_dir(), NULL);
  wry_handler_free(seen.handler);
  wry_fd_close(&dir);
  wry_vremove_tree(tmp, name, NULL);
  g_free(path);
}

static int listen_there(void) {
  int fd = wry_vlisten(dir, "launcher.sock", SOCK_SEQPACKET, 0600, NULL);
  ck_assert_int_ge(fd, 0);
  return fd;
}

/* Runs the loop until *what has reached `value`, at most 5 s. */
static void until(const int *what, int value) {
  gint64 end = g_get_monotonic_time() + 5 * G_USEC_PER_SEC;
  while (*what < value && g_get_monotonic_time() < end)
    if (!g_main_context_iteration(NULL, FALSE))
      g_usleep(1000);
  ck_assert_int_ge(*what, value);
}

static char *receive(int fd) {
  char buffer[4096];
  ssize_t n = recv(fd, buffer, sizeof buffer - 1, 0);
  ck_assert_int_gt(n, 0);
  return g_strndup(buffer, (gsize)n);
}

static int accept_hello(int listener, const char *expected) {
  int fd = accept(listener, NULL, NULL);
  ck_assert_int_ge(fd, 0);
  g_autofree char *hello = receive(fd);
  ck_assert_str_eq(hello, expected);
  return fd;
}

START_TEST(meets_a_handler_that_is_there) {
  wry_autofd int listener = listen_there();
  seen.handler = wry_handler_new(dir, 3, &calls, &seen);
  until(&seen.connected, 1);
  wry_autofd int peer = accept_hello(listener, "{\"hello\":{\"version\":1,\"run\":3}}");
  const char *message = "{\"pause\":{\"seq\":1}}";
  ck_assert_int_eq(send(peer, message, strlen(message), 0), (ssize_t)strlen(message));
  until(&seen.messages, 1);
  ck_assert_int_eq(seen.last, WRY_MSG_PAUSE);
  WryMsgReply reply = {{TRUE, 1}, {TRUE, 0}, NULL, NULL};
  wry_handler_send(seen.handler, WRY_MSG_REPLY, &reply, NULL, 0);
  g_autofree char *got = receive(peer);
  ck_assert_str_eq(got, "{\"reply\":{\"seq\":1,\"code\":0}}");
}
END_TEST

START_TEST(meets_a_handler_that_comes_later_at_once) {
  seen.handler = wry_handler_new(dir, 1, &calls, &seen);
  for (int i = 0; i < 50; i++) {
    g_main_context_iteration(NULL, FALSE);
    g_usleep(1000);
  }
  ck_assert_int_eq(seen.connected, 0);
  gint64 began = g_get_monotonic_time();
  wry_autofd int listener = listen_there();
  until(&seen.connected, 1);
  ck_assert_int_lt(g_get_monotonic_time() - began, G_USEC_PER_SEC / 2);
  wry_autofd int peer = accept_hello(listener, "{\"hello\":{\"version\":1,\"run\":1}}");
  ck_assert_int_ge(peer, 0);
}
END_TEST

/* The handler is replaced: its socket with it. */
START_TEST(meets_the_next_handler) {
  int listener = listen_there();
  seen.handler = wry_handler_new(dir, 1, &calls, &seen);
  until(&seen.connected, 1);
  int peer = accept_hello(listener, "{\"hello\":{\"version\":1,\"run\":1}}");
  close(listener);
  close(peer);
  until(&seen.lost, 1);
  ck_assert(!wry_handler_is_connected(seen.handler));
  WryMsgEvent event = {(char *)"Normal", (char *)"R", (char *)"m"};
  wry_handler_send(seen.handler, WRY_MSG_EVENT, &event, NULL, 0); /* nobody there: dropped */
  wry_autofd int next = listen_there();
  until(&seen.connected, 2);
  wry_autofd int again = accept_hello(next, "{\"hello\":{\"version\":1,\"run\":1}}");
  ck_assert_int_ge(again, 0);
}
END_TEST

START_TEST(a_peer_that_breaks_the_protocol_is_left) {
  static const char *const broken[] = {"nonsense", "{\"pause\":{}}", "{\"pause\":{\"seq\":1,\"more\":2}}", "{\"unknown\":{\"seq\":1}}", "{\"sync\":{\"seq\":1}}"};
  wry_autofd int listener = listen_there();
  seen.handler = wry_handler_new(dir, 1, &calls, &seen);
  until(&seen.connected, 1);
  wry_autofd int peer = accept_hello(listener, "{\"hello\":{\"version\":1,\"run\":1}}");
  ck_assert_int_gt(send(peer, broken[_i], strlen(broken[_i]), 0), 0);
  until(&seen.lost, 1);
  ck_assert_int_eq(seen.messages, 0);
}
END_TEST

START_TEST(backoff_doubles_to_a_minute) {
  static const guint expected[] = {0, 1, 2, 4, 8, 16, 32, 60, 60};
  for (guint i = 0; i < G_N_ELEMENTS(expected); i++)
    ck_assert_uint_eq(wry_handler_backoff(i), expected[i]);
  ck_assert_uint_eq(wry_handler_backoff(G_MAXUINT), 60);
}
END_TEST

/* --- init --------------------------------------------------------------------------------------------------------------- */

static void on_exit_told(int pid, int status, gpointer data) {
  g_string_append_printf(data, "%d:%d ", pid, status);
}

START_TEST(init_tells_of_the_dead) {
  int pair[2];
  g_autoptr(GString) told = g_string_new(NULL);
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
  WryInitExit first = {7, 256}, second = {8, 9};
  ck_assert_int_gt(send(pair[0], &first, sizeof first, 0), 0);
  WryInitChannel *channel = wry_init_channel_new(pair[1], on_exit_told, told);
  wry_init_channel_drain(channel);
  ck_assert_str_eq(told->str, "7:256 ");
  ck_assert_int_gt(send(pair[0], &second, sizeof second, 0), 0);
  while (g_main_context_iteration(NULL, FALSE))
    ;
  ck_assert_str_eq(told->str, "7:256 8:9 ");
  close(pair[0]);
  while (g_main_context_iteration(NULL, FALSE))
    ;
  wry_init_channel_free(channel);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("link");
  TCase *handler = tcase_create("handler"), *init = tcase_create("init");
  tcase_add_checked_fixture(handler, setup, teardown);
  tcase_add_test(handler, meets_a_handler_that_is_there);
  tcase_add_test(handler, meets_a_handler_that_comes_later_at_once);
  tcase_add_test(handler, meets_the_next_handler);
  tcase_add_loop_test(handler, a_peer_that_breaks_the_protocol_is_left, 0, 5);
  tcase_add_test(handler, backoff_doubles_to_a_minute);
  tcase_add_test(init, init_tells_of_the_dead);
  suite_add_tcase(suite, handler);
  suite_add_tcase(suite, init);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
