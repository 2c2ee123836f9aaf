/* Empty images, as qemu-img and qemu-io see them: whole, of their size, readable through to what is behind, writable to their last byte. */
#include "launcher/storage/image.h"
#include "launcher/storage/qcow2.h"
#include "wherry/error.h"
#include <check.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char *root;

static void setup(void) {
  root = g_dir_make_tmp("wherry-qcow2-XXXXXX", NULL);
}

static char *run(const char *format, ...) G_GNUC_PRINTF(1, 2);
static char *run(const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *command = g_strdup_vprintf(format, args);
  va_end(args);
  const char *argv[] = {"/bin/sh", "-c", command, NULL};
  char *out = NULL;
  int status = 0;
  if (!g_spawn_sync(root, (char **)argv, NULL, 0, NULL, NULL, &out, NULL, &status, NULL) || status != 0)
    ck_abort_msg("%s: status %d, said %s", command, status, out);
  return out;
}

static void teardown(void) {
  g_free(run("rm -rf %s", root));
  g_free(root);
}

static gboolean make(const char *name, guint64 size, const char *backing, const char *format, GError **error) {
  g_autofree char *path = g_build_filename(root, name, NULL);
  int fd = g_open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  ck_assert_int_ge(fd, 0);
  gboolean good = wry_qcow2_write(fd, size, backing, format, error);
  guint64 shown = 0;
  if (good) {
    ck_assert(wry_image_size(fd, &shown, NULL));
    ck_assert_uint_eq(shown, (size + 511) / 512 * 512);
  }
  close(fd);
  return good;
}

#define MIB (1ull << 20)
#define TIB (1ull << 40)
static const guint64 sizes[] = {0, 1, 512, 513, MIB, 512 * MIB, 512 * MIB + 1, 3 * TIB, 4 * TIB, 4 * TIB + 512, 64 * TIB, 2048 * TIB};

START_TEST(test_sizes) {
  guint64 size = sizes[_i], whole = (size + 511) / 512 * 512;
  ck_assert(make("disk.qcow2", size, NULL, NULL, NULL));
  g_free(run("qemu-img check -q -f qcow2 disk.qcow2"));
  g_autofree char *info = run("qemu-img info --output=json disk.qcow2 | tr -d ' \\n'"), *expected = g_strdup_printf("\"virtual-size\":%" G_GUINT64_FORMAT ",", whole);
  ck_assert_msg(strstr(info, expected) != NULL, "%s", info);
  if (whole == 0)
    return;
  g_free(run("qemu-io -f qcow2 -c 'write -P 7 %" G_GUINT64_FORMAT " 512' -c 'read -P 7 %" G_GUINT64_FORMAT " 512' disk.qcow2 | grep -q 'read 512/512'", whole - 512, whole - 512));
  g_free(run("qemu-img check -q -f qcow2 disk.qcow2"));
}
END_TEST

START_TEST(test_too_large) {
  static const guint64 bad[] = {2048 * TIB + 1, G_MAXINT64, G_MAXUINT64};
  g_autoptr(GError) error = NULL;
  ck_assert(!make("disk.qcow2", bad[_i], NULL, NULL, &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_INVALID));
}
END_TEST

/* What is behind is read until it is written over, and never written to. */
static void overlay_of(const char *format) {
  g_autofree char *base = g_build_filename(root, "base.img", NULL);
  g_free(run("qemu-img create -q -f %s base.img 5M && qemu-io -f %s -c 'write -P 5 1M 1M' base.img && sha256sum base.img >before", format, format));
  ck_assert(make("top.qcow2", 5 * MIB, base, format, NULL));
  g_free(run("qemu-img info --output=json top.qcow2 | tr -d ' \\n' | grep -F '\"backing-filename-format\":\"%s\"' | grep -F '\"backing-filename\":\"%s\"'", format, base));
  g_free(run("qemu-io -f qcow2 -c 'read -P 0 0 1M' -c 'read -P 5 1M 1M' -c 'write -P 6 1M 4k' -c 'read -P 6 1M 4k' -c 'read -P 5 1028k 1020k' top.qcow2 >said; ! grep -i fail said"));
  g_free(run("qemu-img check -q -f qcow2 top.qcow2 && sha256sum -c --quiet before"));
}

START_TEST(test_overlay_of_raw) {
  overlay_of("raw");
}
END_TEST

START_TEST(test_overlay_of_qcow2) {
  overlay_of("qcow2");
}
END_TEST

START_TEST(test_names) {
  g_autofree char *longest = g_strnfill(1023, 'n'), *longer = g_strnfill(1024, 'n');
  g_autoptr(GError) error = NULL;
  ck_assert(make("top.qcow2", MIB, longest, "raw", NULL));
  g_free(run("qemu-img info -U top.qcow2 | grep -q %s", longest));
  ck_assert(!make("top.qcow2", MIB, longer, "raw", &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_INVALID));
}
END_TEST

START_TEST(test_no_space) {
  g_autoptr(GError) error = NULL;
  int fd = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  ck_assert(ftruncate(fd, 100) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) == 0);
  ck_assert(!wry_qcow2_write(fd, MIB, NULL, NULL, &error));
  ck_assert_ptr_nonnull(error);
  close(fd);
}
END_TEST

int main(void) {
  g_autofree char *image = g_find_program_in_path("qemu-img");
  if (!image)
    return puts("qemu-img is not installed"), 77;
  Suite *suite = suite_create("storage_qcow2");
  TCase *all = tcase_create("qcow2");
  tcase_add_checked_fixture(all, setup, teardown);
  tcase_add_loop_test(all, test_sizes, 0, (int)G_N_ELEMENTS(sizes));
  tcase_add_loop_test(all, test_too_large, 0, 3);
  tcase_add_test(all, test_overlay_of_raw);
  tcase_add_test(all, test_overlay_of_qcow2);
  tcase_add_test(all, test_names);
  tcase_add_test(all, test_no_space);
  suite_add_tcase(suite, all);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
