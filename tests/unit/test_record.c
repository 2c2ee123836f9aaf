/* lib/record.c: whatever happens to one slot, the other is read; what is newer than the program is left alone. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "wherry/error.h"
#include "wherry/limits.h"
#include "wherry/record.h"
#include "wherry/vpath.h"

static char *top;
static int dir = -1;

static void setup(void) {
  top = g_dir_make_tmp("record-XXXXXX", NULL);
  dir = wry_dir_open(top, NULL);
  ck_assert_int_ge(dir, 0);
}

static void teardown(void) {
  close(dir);
  g_autofree char *command = g_strdup_printf("rm -rf '%s'", top);
  ck_assert_int_eq(system(command), 0);
  g_clear_pointer(&top, g_free);
}

static void wants(const char *body, guint64 generation) {
  g_autoptr(GError) error = NULL;
  gsize length = 0;
  guint64 got = 0;
  g_autofree char *text = wry_record_read(dir, "r", &length, &got, &error);
  ck_assert_msg(text != NULL, "%s", error ? error->message : "");
  ck_assert_str_eq(text, body);
  ck_assert_uint_eq(length, strlen(body));
  ck_assert_uint_eq(got, generation);
}

static void refused(int code) {
  g_autoptr(GError) error = NULL;
  ck_assert_ptr_null(wry_record_read(dir, "r", NULL, NULL, &error));
  ck_assert_msg(g_error_matches(error, WRY_ERROR, code), "%s", error->message);
}

static void put(const char *body) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(wry_record_write(dir, "r", body, strlen(body), &error), "%s", error ? error->message : "");
}

static char *slot(const char *name, gsize *length) {
  char *bytes = wry_vread(dir, name, 2 << 20, length, NULL);
  ck_assert_ptr_nonnull(bytes);
  return bytes;
}

static void put_slot(const char *name, const char *bytes, gsize length) {
  ck_assert(wry_vwrite(dir, name, bytes, length, 0600, NULL));
}

START_TEST(crc_of_known_texts) {
  guint8 zeros[32] = {0}, ones[32];
  memset(ones, 0xff, sizeof ones);
  ck_assert_uint_eq(wry_crc32c("123456789", 9), 0xe3069283);
  ck_assert_uint_eq(wry_crc32c("", 0), 0);
  ck_assert_uint_eq(wry_crc32c(zeros, 32), 0x8a9136aa); /* RFC 3720 B.4 */
  ck_assert_uint_eq(wry_crc32c(ones, 32), 0x62a8ab43);
}
END_TEST

START_TEST(alternates) {
  refused(WRY_ERROR_NOT_FOUND);
  put("one");
  wants("one", 1);
  ck_assert(wry_vexists(dir, "r.a") && !wry_vexists(dir, "r.b"));
  put("two");
  wants("two", 2);
  for (guint i = 3; i < 20; i++) {
    g_autofree char *body = g_strdup_printf("body %u", i), *former = g_strdup_printf("body %u", i - 1);
    put(body);
    wants(body, i);
    /* losing the newest leaves the one before */
    gsize length;
    const char *newest = i % 2 ? "r.a" : "r.b";
    g_autofree char *bytes = slot(newest, &length);
    ck_assert(wry_vunlink(dir, newest, NULL));
    if (i > 3) wants(former, i - 1);
    put_slot(newest, bytes, length);
  }
}
END_TEST

START_TEST(empty_and_large_bodies) {
  g_autofree char *large = g_malloc(WRY_MAX_RECORD + 1);
  gsize length = 7;
  g_autoptr(GError) error = NULL;
  for (gsize i = 0; i <= WRY_MAX_RECORD; i++) large[i] = (char)(i * 7);
  ck_assert(wry_record_write(dir, "r", NULL, 0, NULL));
  g_autofree char *empty = wry_record_read(dir, "r", &length, NULL, NULL);
  ck_assert(empty && length == 0 && !*empty);
  ck_assert(wry_record_write(dir, "r", large, WRY_MAX_RECORD, NULL));
  g_autofree char *again = wry_record_read(dir, "r", &length, NULL, NULL);
  ck_assert(length == WRY_MAX_RECORD && !memcmp(again, large, length) && !again[length]);
  ck_assert(!wry_record_write(dir, "r", large, WRY_MAX_RECORD + 1, &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_TOO_LARGE));
  g_autofree char *still = wry_record_read(dir, "r", &length, NULL, NULL);
  ck_assert(still && length == WRY_MAX_RECORD);
}
END_TEST

/* Every bit of either slot, every length of either slot. */
START_TEST(one_broken_slot) {
  const char *hurt = _i ? "r.b" : "r.a";
  gsize length;
  put("older");
  put("newer");
  g_autofree char *bytes = slot(hurt, &length);
  for (gsize bit = 0; bit < length * 8; bit++) {
    bytes[bit / 8] ^= (char)(1 << bit % 8);
    put_slot(hurt, bytes, length);
    wants(_i ? "older" : "newer", _i ? 1 : 2);
    bytes[bit / 8] ^= (char)(1 << bit % 8);
  }
  for (gsize cut = 0; cut < length; cut++) {
    put_slot(hurt, bytes, cut);
    wants(_i ? "older" : "newer", _i ? 1 : 2);
  }
  g_autofree char *longer = g_malloc0(length + 1);
  memcpy(longer, bytes, length);
  put_slot(hurt, longer, length + 1);
  wants(_i ? "older" : "newer", _i ? 1 : 2);
}
END_TEST

/* A broken slot is the one that is written next; the generation goes on from the whole one. */
START_TEST(broken_slot_is_replaced) {
  put("one");
  put("two");
  put_slot(_i ? "r.b" : "r.a", "garbage", 7);
  put("three");
  wants("three", _i ? 2 : 3);
  put_slot(_i ? "r.b" : "r.a", "", 0);
  wants(_i ? "one" : "two", _i ? 1 : 2);
}
END_TEST

START_TEST(both_broken) {
  put("one");
  put("two");
  put_slot("r.a", "x", 1);
  put_slot("r.b", "y", 1);
  refused(WRY_ERROR_INVALID);
  put("again");
  wants("again", 1);
}
END_TEST

START_TEST(one_broken_other_absent) {
  put_slot("r.b", "WRYR", 4);
  refused(WRY_ERROR_INVALID);
}
END_TEST

/* A block of zeros, as a file system may leave after a power cut. */
START_TEST(zeroed_slot) {
  gsize length;
  put("one");
  put("two");
  g_autofree char *bytes = slot("r.b", &length);
  memset(bytes, 0, length);
  put_slot("r.b", bytes, length);
  wants("one", 1);
}
END_TEST

/* Changes a byte of the header and puts a fitting checksum there. */
static void forge(const char *name, gsize at, gsize count, char value) {
  gsize length;
  g_autofree char *bytes = slot(name, &length);
  g_autofree guint8 *covered = g_malloc(length);
  memset(bytes + at, value, count);
  memcpy(covered, bytes, 24);
  memcpy(covered + 24, bytes + 28, length - 28);
  guint32 crc = GUINT32_TO_LE(wry_crc32c(covered, length - 4));
  memcpy(bytes + 24, &crc, 4);
  put_slot(name, bytes, length);
}

/* The last generation has a successor, and so has the one before it: what was written is what is read. */
START_TEST(generations_wrap_around) {
  put("one");
  forge("r.a", 8, 8, (char)0xff);
  forge("r.a", 8, 1, (char)0xfe);
  wants("one", G_MAXUINT64 - 1);
  put("two");
  wants("two", G_MAXUINT64);
  put("three");
  wants("three", 0);
  put("four");
  wants("four", 1);
}
END_TEST

/* A slot forged to the last generation does not hold its place for ever. */
START_TEST(last_generation_is_older_than_the_first) {
  put("one");
  put("two");
  forge("r.a", 8, 8, (char)0xff);
  wants("two", 2);
  put("three");
  wants("three", 3);
}
END_TEST

/* As a later version of the program would write it. */
START_TEST(newer_version_is_left_alone) {
  g_autoptr(GError) error = NULL;
  const char *name = _i ? "r.b" : "r.a";
  gsize before, after;
  put("one");
  put("two");
  forge(name, 4, 1, 2);
  g_autofree char *bytes = slot(name, &before);
  refused(WRY_ERROR_UNSUPPORTED);
  ck_assert(!wry_record_write(dir, "r", "x", 1, &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED));
  ck_assert(!wry_record_remove(dir, "r", NULL));
  g_autofree char *same = slot(name, &after);
  ck_assert(before == after && !memcmp(bytes, same, before));
}
END_TEST

START_TEST(removes) {
  put("one");
  put("two");
  ck_assert(wry_record_remove(dir, "r", NULL));
  refused(WRY_ERROR_NOT_FOUND);
  ck_assert(wry_record_remove(dir, "r", NULL));
}
END_TEST

START_TEST(names_stay_below) {
  static const char *const names[] = {"../x", "/tmp/x", "", "a/../b", "absent/x"};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    if (!*names[i]) continue;
    ck_assert_msg(!wry_record_write(dir, names[i], "x", 1, NULL), "%s", names[i]);
    ck_assert_ptr_null(wry_record_read(dir, names[i], NULL, NULL, NULL));
  }
  g_autofree char *link = g_build_filename(top, "r.a", NULL);
  ck_assert_int_eq(symlink("/etc/hostname", link), 0);
  refused(WRY_ERROR_INVALID);
  put("x");
  wants("x", 1);
  struct stat st;
  ck_assert(lstat(link, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0600);
}
END_TEST

/* No room for another byte: the write fails and says why, what was there stays. */
START_TEST(full_disk) {
  g_autoptr(GError) error = NULL;
  put("one");
  put("two");
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = {10, 10};
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  ck_assert(!wry_record_write(dir, "r", "three", 5, &error));
  ck_assert_ptr_nonnull(strstr(error->message, "record r: "));
  wants("two", 2);
  ck_assert(!wry_vexists(dir, ".r.a.tmp"));
}
END_TEST

/* Killed at any moment of a row of writes, the record is there, and no older than the last one that was acknowledged. */
START_TEST(killed_writer) {
  for (int round = 0; round < 20; round++) {
    int acknowledged[2];
    ck_assert_int_eq(pipe(acknowledged), 0);
    pid_t child = fork();
    if (!child) {
      for (guint64 i = 1;; i++) {
        g_autofree char *body = g_strdup_printf("%d %" G_GUINT64_FORMAT, round, i);
        if (!wry_record_write(dir, "r", body, strlen(body), NULL) || write(acknowledged[1], &i, sizeof i) != sizeof i) _exit(1);
      }
    }
    close(acknowledged[1]);
    guint64 last = 0, seen = 0;
    while (last < 3 + (guint64)round && read(acknowledged[0], &last, sizeof last) == sizeof last) continue;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    while (read(acknowledged[0], &last, sizeof last) == sizeof last) continue;
    close(acknowledged[0]);
    g_autofree char *body = wry_record_read(dir, "r", NULL, NULL, NULL), *prefix = g_strdup_printf("%d ", round);
    ck_assert(body && g_str_has_prefix(body, prefix));
    seen = g_ascii_strtoull(body + strlen(prefix), NULL, 10);
    ck_assert(seen >= last && seen <= last + 1);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("record");
  TCase *tcase = tcase_create("record");
  tcase_add_checked_fixture(tcase, setup, teardown);
  tcase_add_test(tcase, crc_of_known_texts);
  tcase_add_test(tcase, alternates);
  tcase_add_test(tcase, empty_and_large_bodies);
  tcase_add_loop_test(tcase, one_broken_slot, 0, 2);
  tcase_add_loop_test(tcase, broken_slot_is_replaced, 0, 2);
  tcase_add_test(tcase, both_broken);
  tcase_add_test(tcase, one_broken_other_absent);
  tcase_add_test(tcase, zeroed_slot);
  tcase_add_loop_test(tcase, newer_version_is_left_alone, 0, 2);
  tcase_add_test(tcase, generations_wrap_around);
  tcase_add_test(tcase, last_generation_is_older_than_the_first);
  tcase_add_test(tcase, removes);
  tcase_add_test(tcase, names_stay_below);
  tcase_add_test(tcase, full_disk);
  tcase_add_test(tcase, killed_writer);
  tcase_set_timeout(tcase, 60);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
