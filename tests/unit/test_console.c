/* The console: nothing is lost in the log below its rotation, slow readers cost nobody, one writer. The FIFO is a pipe here; real QEMU is in tests/launcher. */
#include "launcher/console.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/vpath.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

typedef struct {
  char *path;
  int dir, guest_out, guest_in; /* QEMU's ends: it writes the first, reads the second */
  WryConsoleLog *log;
  WryConsole *console;
} Rig;

static Rig rig_new(gboolean with_log) {
  Rig rig = {0};
  int from[2], to[2];
  rig.path = g_dir_make_tmp("wherry-console-XXXXXX", NULL);
  rig.dir = wry_dir_open(rig.path, NULL);
  ck_assert_int_ge(rig.dir, 0);
  ck_assert_int_eq(pipe2(from, O_CLOEXEC | O_NONBLOCK), 0);
  ck_assert_int_eq(pipe2(to, O_CLOEXEC | O_NONBLOCK), 0);
  rig.guest_out = from[1];
  rig.guest_in = to[0];
  rig.log = with_log ? wry_console_log_new(rig.dir, TRUE, NULL) : NULL;
  rig.console = wry_console_new(from[0], to[1], rig.log);
  return rig;
}

static void rig_free(Rig *rig) {
  wry_console_free(rig->console);
  wry_console_log_free(rig->log);
  wry_fd_close(&rig->guest_out);
  wry_fd_close(&rig->guest_in);
  g_autoptr(GPtrArray) names = wry_vlist(rig->dir, NULL);
  for (guint i = 0; names && i < names->len; i++)
    wry_vunlink(rig->dir, g_ptr_array_index(names, i), NULL);
  wry_fd_close(&rig->dir);
  g_rmdir(rig->path);
  g_free(rig->path);
}

static void settle(void) {
  while (g_main_context_iteration(NULL, FALSE))
    ;
}

/* The guest prints: as much as the pipe takes each time, the loop runs in between. */
static void prints(Rig *rig, const char *data, gsize length) {
  while (length > 0) {
    ssize_t n = write(rig->guest_out, data, length);
    ck_assert(n > 0 || errno == EAGAIN);
    if (n > 0) {
      data += n;
      length -= (gsize)n;
    }
    settle();
  }
  settle();
}

/* All that waits in `fd`, and whether its end was seen. */
static char *drain(int fd, gboolean *ret_eof) {
  GString *out = g_string_new(NULL);
  char buffer[65536];
  ssize_t n = 1;
  for (;;) {
    settle();
    n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n <= 0)
      break;
    g_string_append_len(out, buffer, n);
  }
  if (ret_eof)
    *ret_eof = n == 0;
  return g_string_free(out, FALSE);
}

static char *pattern(gsize length) {
  char *text = g_malloc(length + 1);
  for (gsize i = 0; i < length; i++)
    text[i] = i % 64 == 63 ? '\n' : (char)('!' + (i / 64 + i) % 90);
  text[length] = 0;
  return text;
}

START_TEST(readers_get_the_live_console) {
  Rig rig = rig_new(FALSE);
  prints(&rig, "before ", 7);
  int live = wry_console_attach(rig.console, TRUE, FALSE, FALSE, NULL), all = wry_console_attach(rig.console, TRUE, FALSE, TRUE, NULL);
  prints(&rig, "after", 5);
  g_autofree char *a = drain(live, NULL), *b = drain(all, NULL);
  ck_assert_str_eq(a, "after");
  ck_assert_str_eq(b, "before after");
  close(live);
  settle();
  ck_assert_uint_eq(wry_console_sessions(rig.console), 1);
  close(all);
  rig_free(&rig);
}
END_TEST

START_TEST(scrollback_is_the_ring) {
  Rig rig = rig_new(FALSE);
  g_autofree char *text = pattern(WRY_CONSOLE_RING + 100000);
  prints(&rig, text, strlen(text));
  int fd = wry_console_attach(rig.console, TRUE, FALSE, TRUE, NULL);
  g_autofree char *got = drain(fd, NULL);
  ck_assert_uint_eq(strlen(got), WRY_CONSOLE_RING);
  ck_assert_str_eq(got, text + 100000);
  close(fd);
  rig_free(&rig);
}
END_TEST

START_TEST(a_slow_reader_is_told_what_it_missed) {
  Rig rig = rig_new(FALSE);
  int slow = wry_console_attach(rig.console, TRUE, FALSE, FALSE, NULL), fast = wry_console_attach(rig.console, TRUE, FALSE, FALSE, NULL);
  g_autofree char *text = pattern(2u << 20);
  g_autoptr(GString) seen = g_string_new(NULL);
  for (gsize at = 0; at < 2u << 20; at += 32768) {
    prints(&rig, text + at, 32768);
    g_autofree char *piece = drain(fast, NULL);
    g_string_append(seen, piece);
  }
  ck_assert_str_eq(seen->str, text);
  g_autofree char *got = drain(slow, NULL);
  char *note = strstr(got, "\r\n[");
  ck_assert_ptr_nonnull(note);
  guint64 dropped = g_ascii_strtoull(note + 3, NULL, 10);
  char *rest = strstr(note, " bytes dropped]\r\n");
  ck_assert_ptr_nonnull(rest);
  rest += strlen(" bytes dropped]\r\n");
  gsize first = (gsize)(note - got);
  ck_assert_uint_eq(first + dropped + strlen(rest), 2u << 20);
  ck_assert_int_eq(memcmp(got, text, first), 0);
  ck_assert_str_eq(rest, text + first + dropped);
  close(slow);
  close(fast);
  rig_free(&rig);
}
END_TEST

START_TEST(there_is_one_writer) {
  Rig rig = rig_new(FALSE);
  g_autoptr(GError) error = NULL;
  gboolean eof = FALSE;
  char typed[64] = "";
  int first = wry_console_attach(rig.console, FALSE, FALSE, FALSE, NULL), reader = wry_console_attach(rig.console, TRUE, FALSE, FALSE, NULL);
  ck_assert_int_lt(wry_console_attach(rig.console, FALSE, FALSE, FALSE, &error), 0);
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_CONFLICT));
  ck_assert_int_eq(write(reader, "never", 5), 5);
  ck_assert_int_eq(write(first, "one", 3), 3);
  settle();
  ck_assert_int_eq(read(rig.guest_in, typed, sizeof typed), 3);
  int second = wry_console_attach(rig.console, FALSE, TRUE, FALSE, NULL);
  ck_assert_int_ge(second, 0);
  g_free(drain(first, &eof));
  ck_assert(eof);
  ck_assert_int_eq(write(second, "two", 3), 3);
  settle();
  ck_assert_int_eq(read(rig.guest_in, typed, sizeof typed), 3);
  ck_assert_int_eq(memcmp(typed, "two", 3), 0);
  close(first);
  close(second);
  close(reader);
  rig_free(&rig);
}
END_TEST

/* A client that closes its input only (echo cmd | wherryctl console) still reads, and frees the writer's place. */
START_TEST(end_of_input_is_not_end_of_output) {
  Rig rig = rig_new(FALSE);
  char typed[8];
  int fd = wry_console_attach(rig.console, FALSE, FALSE, FALSE, NULL);
  ck_assert_int_eq(write(fd, "x", 1), 1);
  shutdown(fd, SHUT_WR);
  settle();
  ck_assert_int_eq(read(rig.guest_in, typed, sizeof typed), 1);
  prints(&rig, "reply", 5);
  g_autofree char *got = drain(fd, NULL);
  ck_assert_str_eq(got, "reply");
  int next = wry_console_attach(rig.console, FALSE, FALSE, FALSE, NULL);
  ck_assert_int_ge(next, 0);
  close(fd);
  close(next);
  settle();
  ck_assert_uint_eq(wry_console_sessions(rig.console), 0);
  rig_free(&rig);
}
END_TEST

/* The guest does not read: input waits, nothing is lost, and goes on when it reads again. */
START_TEST(input_has_back_pressure) {
  Rig rig = rig_new(FALSE);
  g_autofree char *text = pattern(300000);
  int fd = wry_console_attach(rig.console, FALSE, FALSE, FALSE, NULL);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  g_autoptr(GString) taken = g_string_new(NULL);
  gsize sent = 0;
  char buffer[8192];
  for (int idle = 0; idle < 3;) {
    ssize_t n = sent < 300000 ? write(fd, text + sent, 300000 - sent) : 0;
    sent += n > 0 ? (gsize)n : 0;
    settle();
    idle = n > 0 ? 0 : idle + 1;
  }
  ck_assert_uint_lt(sent, 300000);
  while (taken->len < 300000) {
    ssize_t got = read(rig.guest_in, buffer, sizeof buffer), n = sent < 300000 ? write(fd, text + sent, 300000 - sent) : 0;
    sent += n > 0 ? (gsize)n : 0;
    if (got > 0)
      g_string_append_len(taken, buffer, got);
    settle();
  }
  ck_assert_str_eq(taken->str, text);
  close(fd);
  rig_free(&rig);
}
END_TEST

START_TEST(sessions_have_a_limit) {
  Rig rig = rig_new(FALSE);
  int fds[WRY_CONSOLE_SESSIONS];
  g_autoptr(GError) error = NULL;
  for (guint i = 0; i < WRY_CONSOLE_SESSIONS; i++)
    ck_assert_int_ge(fds[i] = wry_console_attach(rig.console, TRUE, FALSE, FALSE, NULL), 0);
  ck_assert_int_lt(wry_console_attach(rig.console, TRUE, FALSE, FALSE, &error), 0);
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_TOO_LARGE));
  for (guint i = 0; i < WRY_CONSOLE_SESSIONS; i++)
    close(fds[i]);
  rig_free(&rig);
}
END_TEST

static char *log_file(Rig *rig, const char *name) {
  gsize length;
  return wry_vread(rig->dir, name, 16u << 20, &length, NULL);
}

START_TEST(ten_megabytes_lose_nothing_but_by_rotation) {
  Rig rig = rig_new(TRUE);
  g_autofree char *text = pattern(10u << 20);
  prints(&rig, text, 10u << 20);
  g_autofree char *newer = log_file(&rig, "serial0.log"), *older = log_file(&rig, "serial0.log.1"), *both = g_strconcat(older, newer, NULL);
  gsize kept = strlen(both);
  ck_assert_uint_le(strlen(newer), WRY_CONSOLE_LOG);
  ck_assert_uint_le(strlen(older), WRY_CONSOLE_LOG);
  ck_assert_uint_gt(strlen(older), WRY_CONSOLE_LOG - (128u << 10));
  ck_assert_str_eq(both, text + (10u << 20) - kept);
  ck_assert_uint_eq(wry_console_log_missed(rig.log), 0);
  rig_free(&rig);
}
END_TEST

START_TEST(below_its_size_the_log_is_whole) {
  Rig rig = rig_new(TRUE);
  g_autofree char *text = pattern(WRY_CONSOLE_LOG - 1);
  prints(&rig, text, strlen(text));
  g_autofree char *log = log_file(&rig, "serial0.log");
  ck_assert_str_eq(log, text);
  ck_assert(!wry_vexists(rig.dir, "serial0.log.1"));
  rig_free(&rig);
}
END_TEST

START_TEST(a_boot_keeps_the_previous_log) {
  Rig rig = rig_new(TRUE);
  prints(&rig, "first boot", 10);
  wry_console_log_free(rig.log);
  rig.log = wry_console_log_new(rig.dir, FALSE, NULL); /* restarted run: same boot */
  wry_console_log_write(rig.log, " goes on", 8);
  wry_console_log_free(rig.log);
  rig.log = wry_console_log_new(rig.dir, TRUE, NULL);
  wry_console_log_write(rig.log, "second", 6);
  g_autofree char *previous = log_file(&rig, "serial0.log.previous"), *present = log_file(&rig, "serial0.log");
  ck_assert_str_eq(previous, "first boot goes on");
  ck_assert_str_eq(present, "second");
  wry_console_free(rig.console);
  rig.console = NULL;
  rig_free(&rig);
}
END_TEST

/* `run` dies and is started again: its console scrolls back to before, past a rotation too. */
START_TEST(a_restarted_console_scrolls_back) {
  for (gsize length = 10; length <= WRY_CONSOLE_LOG + 10; length += WRY_CONSOLE_LOG) {
    Rig rig = rig_new(TRUE);
    g_autofree char *text = pattern(length);
    prints(&rig, text, length);
    wry_console_free(rig.console);
    wry_console_log_free(rig.log);
    int from[2], to[2];
    ck_assert(pipe2(from, O_CLOEXEC | O_NONBLOCK) == 0 && pipe2(to, O_CLOEXEC | O_NONBLOCK) == 0);
    wry_fd_close(&rig.guest_out);
    wry_fd_close(&rig.guest_in);
    rig.guest_out = from[1];
    rig.guest_in = to[0];
    rig.log = wry_console_log_new(rig.dir, FALSE, NULL);
    rig.console = wry_console_new(from[0], to[1], rig.log);
    gsize kept = MIN(length, WRY_CONSOLE_RING);
    int reader = wry_console_attach(rig.console, TRUE, FALSE, TRUE, NULL);
    settle();
    g_autofree char *seen = drain(reader, NULL);
    ck_assert_uint_eq(strlen(seen), kept);
    ck_assert_mem_eq(seen, text + length - kept, kept);
    close(reader);
    rig_free(&rig);
  }
}
END_TEST

/* What the disk refuses is counted and told. A limit on the file's size stands for a full disk. */
START_TEST(a_full_disk_loses_log_lines_only) {
  Rig rig = rig_new(TRUE);
  struct rlimit was, full;
  signal(SIGXFSZ, SIG_IGN);
  getrlimit(RLIMIT_FSIZE, &was);
  full = (struct rlimit){12, was.rlim_max};
  wry_console_log_write(rig.log, "0123456789", 10);
  setrlimit(RLIMIT_FSIZE, &full);
  wry_console_log_write(rig.log, "abcdef", 6);
  wry_console_log_write(rig.log, "ghi", 3);
  setrlimit(RLIMIT_FSIZE, &was);
  ck_assert_uint_eq(wry_console_log_missed(rig.log), 7);
  wry_console_log_write(rig.log, "jkl", 3);
  g_autofree char *log = log_file(&rig, "serial0.log");
  ck_assert_str_eq(log, "0123456789ab\n[7 bytes not logged]\njkl");
  rig_free(&rig);
}
END_TEST

START_TEST(last_words_reach_the_log) {
  Rig rig = rig_new(TRUE);
  gboolean eof;
  int fd = wry_console_attach(rig.console, TRUE, FALSE, FALSE, NULL);
  ck_assert_int_eq(write(rig.guest_out, "panic", 5), 5);
  wry_console_finish(rig.console);
  g_autofree char *log = log_file(&rig, "serial0.log"), *got = drain(fd, &eof);
  ck_assert_str_eq(log, "panic");
  ck_assert_str_eq(got, "panic");
  ck_assert(eof);
  close(fd);
  rig_free(&rig);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("console");
  TCase *tcase = tcase_create("console");
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, readers_get_the_live_console);
  tcase_add_test(tcase, scrollback_is_the_ring);
  tcase_add_test(tcase, a_slow_reader_is_told_what_it_missed);
  tcase_add_test(tcase, there_is_one_writer);
  tcase_add_test(tcase, end_of_input_is_not_end_of_output);
  tcase_add_test(tcase, input_has_back_pressure);
  tcase_add_test(tcase, sessions_have_a_limit);
  tcase_add_test(tcase, ten_megabytes_lose_nothing_but_by_rotation);
  tcase_add_test(tcase, below_its_size_the_log_is_whole);
  tcase_add_test(tcase, a_boot_keeps_the_previous_log);
  tcase_add_test(tcase, a_restarted_console_scrolls_back);
  tcase_add_test(tcase, a_full_disk_loses_log_lines_only);
  tcase_add_test(tcase, last_words_reach_the_log);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
