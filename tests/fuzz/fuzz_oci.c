/* What an image brings: its index as the store's, its reference, its layer, its disk header. The first byte chooses. Works in a directory in memory-backed /dev/shm. */
#include "lib/oci_internal.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int directory(void) {
  static char place[] = "/dev/shm/wherry-fuzz-XXXXXX";
  static int fd = -1;
  if (fd < 0)
    fd = wry_dir_open(mkdtemp(place), NULL);
  return fd;
}

static int memory(const uint8_t *data, size_t size) {
  int fd = memfd_create("fuzz", MFD_CLOEXEC);
  if (write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
    abort();
  return fd;
}

static void fuzz_index(const uint8_t *data, size_t size) {
  WryImageDisk disk;
  wry_autofd int fd = wry_vopen(directory(), "index.json", O_WRONLY | O_CREAT | O_TRUNC, 0600, WRY_WANT_FILE, NULL);
  if (write(fd, data, size) != (ssize_t)size)
    abort();
  GPtrArray *list = wry_images_list(directory(), NULL);
  if (list)
    g_ptr_array_unref(list);
  if (wry_images_resolve(directory(), "localhost/a:1", NULL, &disk, NULL))
    wry_image_disk_clear(&disk);
}

static void fuzz_reference(const uint8_t *data, size_t size) {
  g_autofree char *text = g_strndup((const char *)data, size);
  g_autofree char *once = wry_image_reference(text, NULL);
  g_autofree char *twice = once ? wry_image_reference(once, NULL) : NULL;
  if (once && g_strcmp0(once, twice) != 0)
    abort();
}

static void fuzz_layer(const uint8_t *data, size_t size) {
  guint files = 0;
  gint64 bytes = 0;
  wry_autofd int fd = memory(data, size);
  wry_autofd int into = wry_vmkdir(directory(), "into", 0700, NULL);
  wry_oci_apply_layer(fd, into, &files, &bytes, NULL);
  wry_vremove_tree(directory(), "into", NULL);
}

static void fuzz_disk(const uint8_t *data, size_t size) {
  const char *format = NULL;
  gint64 virtual = 0;
  wry_autofd int fd = memory(data, size);
  if (wry_disk_probe(fd, &format, &virtual, NULL) && (virtual < 0 || !format))
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static void (*const parts[])(const uint8_t *, size_t) = {fuzz_index, fuzz_reference, fuzz_layer, fuzz_disk};
  if (size > 0)
    parts[data[0] % G_N_ELEMENTS(parts)](data + 1, size - 1);
  return 0;
}
