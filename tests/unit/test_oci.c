/* The image store: references, disk headers, import of disks, layouts and hostile layers, lookup, removal. Each test works in a store of its own. */
#include "lib/oci_internal.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/images.h"
#include "wherry/vpath.h"
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char place[64];
static int store;

static void setup(void) {
  g_strlcpy(place, "/tmp/wherry-oci-XXXXXX", sizeof place);
  ck_assert_ptr_nonnull(mkdtemp(place));
  store = wry_dir_open(place, NULL);
}

static void teardown(void) {
  close(store);
  wry_autofd int tmp = wry_dir_open("/tmp", NULL);
  ck_assert(wry_vremove_tree(tmp, place + 5, NULL));
}

static int memfd(const void *data, gsize n) {
  int fd = memfd_create("test", MFD_CLOEXEC);
  ck_assert_int_eq(write(fd, data, n), (ssize_t)n);
  ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
  return fd;
}

static void qcow2_header(guint8 h[112], guint64 size, guint64 backing, guint64 incompatible) {
  memset(h, 0, 112);
  memcpy(h, "QFI\xfb\0\0\0\3", 8);
  for (int i = 0; i < 8; i++) {
    h[8 + i] = (guint8)(backing >> (56 - 8 * i));
    h[24 + i] = (guint8)(size >> (56 - 8 * i));
    h[72 + i] = (guint8)(incompatible >> (56 - 8 * i));
  }
}

START_TEST(references) {
  static const struct { const char *in, *out; } rows[] = {
      {"guest", "docker.io/library/guest:latest"}, {"a/b:1", "docker.io/a/b:1"}, {"localhost/wherry/guest:1", "localhost/wherry/guest:1"},
      {"quay.io/a/b", "quay.io/a/b:latest"}, {"r.example:5000/a:V1.2", "r.example:5000/a:V1.2"},
      {"a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
       "docker.io/library/a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
      {"", NULL}, {"A", NULL}, {"a:", NULL}, {"a@sha256:12", NULL}, {"../a", NULL}, {"a//b", NULL}, {"/a", NULL}, {"a b", NULL}, {"a:-x", NULL}, {"localhost/", NULL}, {"-a", NULL}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *out = wry_image_reference(rows[i].in, NULL);
    ck_assert_msg(g_strcmp0(out, rows[i].out) == 0, "%s -> %s", rows[i].in, out ? out : "refused");
  }
  /* short enough as written, too long when whole: what comes out must go in again */
  g_autofree char *text = g_strnfill(250, 'a'), *fits = g_strnfill(230, 'a');
  g_autofree char *refused = wry_image_reference(text, NULL), *whole = wry_image_reference(fits, NULL), *again = wry_image_reference(whole, NULL);
  ck_assert_ptr_null(refused);
  ck_assert_str_eq(whole, again);
}
END_TEST

START_TEST(disk_headers) {
  guint8 h[112];
  static const struct { guint64 size, backing, incompatible; gboolean ok; } rows[] = {
      {1 << 20, 0, 0, TRUE}, {1 << 20, 512, 0, FALSE}, {1 << 20, 0, 4, FALSE}, {0, 0, 0, FALSE}, {~0ULL, 0, 0, FALSE}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    const char *format = NULL;
    gint64 size = 0;
    qcow2_header(h, rows[i].size, rows[i].backing, rows[i].incompatible);
    wry_autofd int fd = memfd(h, sizeof h);
    ck_assert_msg(wry_disk_probe(fd, &format, &size, NULL) == rows[i].ok, "row %zu", i);
    ck_assert(!rows[i].ok || (size == (gint64)rows[i].size && strcmp(format, "qcow2") == 0));
  }
  wry_autofd int raw = memfd("plain", 5);
  const char *format = NULL;
  gint64 size = 0;
  ck_assert(wry_disk_probe(raw, &format, &size, NULL) && size == 5 && strcmp(format, "raw") == 0);
}
END_TEST

static GPtrArray *import(int fd, const char *name, GError **error) {
  return wry_images_import(store, fd, name, "amd64", error);
}

START_TEST(disk_import_lookup_remove) {
  g_autoptr(GError) error = NULL;
  guint8 h[112];
  WryImageDisk disk;
  qcow2_header(h, 7 << 20, 0, 0);
  wry_autofd int fd = memfd(h, sizeof h);
  g_autoptr(GPtrArray) first = import(fd, "localhost/a:1", &error);
  ck_assert_msg(first && first->len == 1, "%s", error ? error->message : "");
  ck_assert(wry_images_resolve(store, "localhost/a:1", NULL, &disk, &error));
  ck_assert_str_eq(disk.format, "qcow2");
  ck_assert_int_eq(disk.size, 7 << 20);
  ck_assert_str_eq(disk.digest, ((WryImage *)first->pdata[0])->digest);
  g_autofree char *path = g_strconcat("disks/", disk.source, NULL);
  wry_autofd int unpacked = wry_vopen(store, path, O_RDONLY, 0, WRY_WANT_FILE, &error);
  struct stat s;
  ck_assert(unpacked >= 0 && fstat(unpacked, &s) == 0 && (s.st_mode & 07777) == 0444);
  g_autofree char *pinned = g_strconcat("localhost/other@", disk.digest, NULL);
  wry_image_disk_clear(&disk);
  ck_assert(wry_images_resolve(store, pinned, "/disk/disk.qcow2", &disk, &error));
  wry_image_disk_clear(&disk);
  ck_assert(!wry_images_resolve(store, "localhost/a:1", "/disk/none", &disk, NULL));
  /* A second name for the same content shares it; it survives the removal of the first. */
  g_autoptr(GPtrArray) second = import(fd, "localhost/b:1", &error);
  ck_assert_ptr_nonnull(second);
  ck_assert(wry_images_remove(store, "localhost/a:1", &error));
  ck_assert(wry_images_resolve(store, "localhost/b:1", NULL, &disk, &error));
  wry_image_disk_clear(&disk);
  ck_assert(!wry_images_resolve(store, "localhost/a:1", NULL, &disk, &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_IMAGE_MISSING));
  g_clear_error(&error);
  ck_assert(wry_images_remove(store, "localhost/b:1", &error));
  ck_assert(!wry_images_remove(store, "localhost/b:1", &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_NOT_FOUND));
  wry_autofd int disks = wry_vmkdir(store, "disks", 0755, NULL);
  g_autoptr(GPtrArray) left = wry_vlist(disks, NULL);
  ck_assert_uint_eq(left->len, 0);
}
END_TEST

/* ---- layers made by hand ---- */

static void entry(GByteArray *tar, const char *name, char type, const char *link, const char *data) {
  char h[512] = {0};
  gsize n = data ? strlen(data) : 0;
  unsigned sum = 0;
  g_strlcpy(h, name, 100);
  memcpy(h + 100, "0000644\0000000153\0000000153", 24);
  g_snprintf(h + 124, 12, "%011zo", n);
  memcpy(h + 136, "00000000000", 12);
  memset(h + 148, ' ', 8);
  h[156] = type;
  g_strlcpy(h + 157, link ? link : "", 100);
  memcpy(h + 257, "ustar\00000", 8);
  for (guint i = 0; i < 512; i++)
    sum += (guint8)h[i];
  g_snprintf(h + 148, 8, "%06o", sum);
  g_byte_array_append(tar, (guint8 *)h, 512);
  g_byte_array_append(tar, (const guint8 *)(data ? data : ""), (guint)n);
  if (n % 512)
    g_byte_array_append(tar, (guint8[512]){0}, (guint)(512 - n % 512));
}

static gboolean apply(int into, GByteArray *tar, GError **error) {
  guint files = 0;
  gint64 bytes = 0;
  g_byte_array_append(tar, (guint8[1024]){0}, 1024);
  wry_autofd int fd = memfd(tar->data, tar->len);
  gboolean ok = wry_oci_apply_layer(fd, into, &files, &bytes, error);
  g_byte_array_set_size(tar, 0);
  return ok;
}

START_TEST(hostile_layer) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GByteArray) tar = g_byte_array_new();
  wry_autofd int into = wry_vmkdir(store, "into", 0755, NULL);
  entry(tar, "../escape", '0', NULL, "x");
  entry(tar, "a/../../escape", '0', NULL, "x");
  entry(tar, "/abs", '0', NULL, "inside");
  entry(tar, "link", '2', "/etc", NULL);
  entry(tar, "link/passwd", '0', NULL, "inside too");
  entry(tar, "hard", '1', "../../etc/shadow", NULL);
  entry(tar, "node", '3', NULL, NULL);
  entry(tar, "fifo", '6', NULL, NULL);
  entry(tar, "disk/d.img", '0', NULL, "one");
  ck_assert_msg(apply(into, tar, &error), "%s", error ? error->message : "");
  ck_assert(!wry_vexists(store, "escape") && !wry_vexists(into, "hard") && !wry_vexists(into, "node") && !wry_vexists(into, "fifo"));
  g_autofree char *inside = wry_vread(into, "abs", 64, NULL, NULL), *through = wry_vread(into, "link/passwd", 64, NULL, NULL);
  ck_assert_str_eq(inside, "inside");
  ck_assert_str_eq(through, "inside too"); /* a directory of the layer's own, not /etc */
  entry(tar, "disk/.wh.d.img", '0', NULL, NULL);
  entry(tar, "disk/e.img", '0', NULL, "two");
  ck_assert(apply(into, tar, &error));
  ck_assert(!wry_vexists(into, "disk/d.img") && wry_vexists(into, "disk/e.img"));
  entry(tar, "disk/.wh..wh..opq", '0', NULL, NULL);
  ck_assert(apply(into, tar, &error));
  ck_assert(!wry_vexists(into, "disk/e.img"));
}
END_TEST

START_TEST(broken_store) {
  g_autoptr(GError) error = NULL;
  WryImageDisk disk;
  wry_autofd int fd = memfd("a raw disk", 10);
  ck_assert_ptr_null(import(fd, NULL, NULL)); /* a disk has no name of its own */
  ck_assert_ptr_null(import(fd, "Not A Name", NULL));
  g_autoptr(GPtrArray) done = import(fd, "localhost/a:1", &error);
  ck_assert_ptr_nonnull(done);
  ck_assert(wry_images_resolve(store, "localhost/a:1", NULL, &disk, NULL));
  wry_image_disk_clear(&disk);
  /* A layout whose blob was changed is refused, and nothing of it is named. */
  wry_autofd int other = wry_vmkdir(store, "other", 0755, NULL);
  g_autofree char *index = wry_vread(store, "index.json", 1 << 20, NULL, NULL);
  ck_assert(wry_vwrite(other, "index.json", index, strlen(index), 0644, NULL));
  wry_autofd int theirs = wry_vmkdir(other, "blobs/sha256", 0755, NULL), ours = wry_vmkdir(store, "blobs/sha256", 0755, NULL);
  g_autoptr(GPtrArray) names = wry_vlist(ours, NULL);
  for (guint i = 0; i < names->len; i++) {
    gsize n;
    g_autofree char *blob = wry_vread(ours, names->pdata[i], 1 << 20, &n, NULL);
    if (blob[0] == 'd')
      blob[600] ^= 1; /* the layer: its first entry is "disk/" */
    ck_assert(wry_vwrite(theirs, names->pdata[i], blob, n, 0644, NULL));
  }
  ck_assert_ptr_null(import(other, "localhost/evil:1", &error));
  ck_assert_ptr_nonnull(strstr(error->message, "digest"));
  ck_assert(!wry_images_resolve(store, "localhost/evil:1", NULL, &disk, NULL));
  ck_assert(wry_vwrite(store, "index.json", "[]", 2, 0644, NULL));
  ck_assert(!wry_images_resolve(store, "localhost/a:1", NULL, &disk, NULL));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("oci");
  TCase *tcase = tcase_create("store");
  tcase_add_checked_fixture(tcase, setup, teardown);
  tcase_add_test(tcase, references);
  tcase_add_test(tcase, disk_headers);
  tcase_add_test(tcase, disk_import_lookup_remove);
  tcase_add_test(tcase, hostile_layer);
  tcase_add_test(tcase, broken_store);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
