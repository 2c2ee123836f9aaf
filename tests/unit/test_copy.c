/* launcher-copy: files and directories, holes, links left alone, itself. Needs the built program ($WHERRY_BUILD). */
#include <check.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *dir;

static char *at(const char *name) { return g_build_filename(dir, name, NULL); }

static void setup(void) {
  dir = g_dir_make_tmp("wherry-copy-XXXXXX", NULL);
  g_autofree char *disk = at("disk"), *sub = at("disk/sub"), *out = at("out");
  ck_assert(g_mkdir(disk, 0755) == 0 && g_mkdir(sub, 0755) == 0 && g_mkdir(out, 0755) == 0);
}

static void teardown(void) {
  const char *argv[] = {"rm", "-rf", dir, NULL};
  g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
  g_free(dir);
}

static void put(const char *name, const char *text) {
  g_autofree char *path = at(name);
  ck_assert(g_file_set_contents(path, text, -1, NULL));
}

static void assert_text(const char *name, const char *text) {
  g_autofree char *path = at(name), *found = NULL;
  ck_assert_msg(g_file_get_contents(path, &found, NULL, NULL), "%s is not there", name);
  ck_assert_str_eq(found, text);
}

/* Its exit status; `args` end with NULL and are names in the directory. */
static int copy(const char *const *args) {
  g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
  int status = -1;
  g_ptr_array_add(argv, g_build_filename(getenv("WHERRY_BUILD"), "launcher-copy", NULL));
  for (; *args; args++) g_ptr_array_add(argv, at(*args));
  g_ptr_array_add(argv, NULL);
  ck_assert(g_spawn_sync(NULL, (char **)argv->pdata, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL, NULL, &status, NULL));
  return WEXITSTATUS(status);
}

#define COPY(...) copy((const char *const[]){__VA_ARGS__, NULL})
#define SKIP_UNLESS_BUILT() if (!getenv("WHERRY_BUILD")) return

START_TEST(a_directory) {
  SKIP_UNLESS_BUILT();
  g_autofree char *link = at("disk/link"), *copied = at("out/link"), *sub = at("out/sub");
  put("disk/a", "one");
  put("disk/b", "");
  put("disk/sub/c", "deeper");
  ck_assert_int_eq(symlink("/etc/passwd", link), 0);
  ck_assert_int_eq(COPY("disk", "out"), 0);
  assert_text("out/a", "one");
  assert_text("out/b", "");
  ck_assert(!g_file_test(copied, G_FILE_TEST_EXISTS) && !g_file_test(sub, G_FILE_TEST_EXISTS));
}
END_TEST

START_TEST(files) {
  SKIP_UNLESS_BUILT();
  struct stat st;
  g_autofree char *made = at("x/y/k");
  put("disk/k", "kernel");
  put("disk/i", "initrd");
  ck_assert_int_eq(COPY("disk/k", "x/y/k", "disk/i", "x/i"), 0);
  assert_text("x/y/k", "kernel");
  assert_text("x/i", "initrd");
  ck_assert(stat(made, &st) == 0 && (st.st_mode & 07777) == 0755);
}
END_TEST

START_TEST(holes) {
  SKIP_UNLESS_BUILT();
  struct stat st;
  g_autofree char *from = at("disk/d"), *to = at("out/d");
  int fd = open(from, O_WRONLY | O_CREAT, 0644);
  ck_assert(fd >= 0 && ftruncate(fd, 64 << 20) == 0 && pwrite(fd, "data", 4, 32 << 20) == 4 && close(fd) == 0);
  ck_assert_int_eq(COPY("disk", "out"), 0);
  ck_assert(stat(to, &st) == 0 && st.st_size == 64 << 20);
  ck_assert_int_lt(st.st_blocks, 8192);
  char text[5] = "";
  fd = open(to, O_RDONLY);
  ck_assert(pread(fd, text, 4, 32 << 20) == 4 && strcmp(text, "data") == 0);
  close(fd);
}
END_TEST

START_TEST(over_a_longer_one) {
  SKIP_UNLESS_BUILT();
  put("disk/a", "short");
  put("out/a", "what was there before");
  ck_assert_int_eq(COPY("disk", "out"), 0);
  assert_text("out/a", "short");
}
END_TEST

START_TEST(wrong) {
  SKIP_UNLESS_BUILT();
  ck_assert_int_eq(COPY("nothing", "out/x"), 1);
  ck_assert_int_eq(COPY("disk", "no-directory"), 1);
  ck_assert_int_eq(COPY("disk"), 2);
  ck_assert_int_eq(COPY("disk", "out", "disk"), 2);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("copy");
  TCase *tests = tcase_create("copy");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, a_directory);
  tcase_add_test(tests, files);
  tcase_add_test(tests, holes);
  tcase_add_test(tests, over_a_longer_one);
  tcase_add_test(tests, wrong);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
