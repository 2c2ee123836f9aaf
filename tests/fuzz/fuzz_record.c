/* State records: whatever two files hold, reading ends in a body or an error, and a write that is allowed can be read back. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wherry/record.h"
#include "wherry/vpath.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[] = "/dev/shm/fuzz-record-XXXXXX";
static int dir = -1;

static void clean_up(void) {
  wry_vunlink(dir, "r.a", NULL);
  wry_vunlink(dir, "r.b", NULL);
  rmdir(top);
}

static void check(gboolean good) {
  if (!good)
    __builtin_trap();
}

/* The header's CRC over the rest, so that what is behind it is reached. */
static void mend(uint8_t *slot, size_t size) {
  if (size < 28)
    return;
  g_autofree uint8_t *covered = g_malloc(size);
  memcpy(covered, slot, 24);
  memcpy(covered + 24, slot + 28, size - 28);
  guint32 crc = GUINT32_TO_LE(wry_crc32c(covered, size - 4));
  memcpy(slot + 24, &crc, 4);
}

static void put(const char *name, const uint8_t *bytes, size_t size, gboolean mended) {
  g_autofree uint8_t *slot = g_memdup2(bytes, size);
  if (mended)
    mend(slot, size);
  int fd = wry_vopen(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600, WRY_WANT_FILE, NULL);
  check(fd >= 0 && write(fd, slot, size) == (ssize_t)size);
  close(fd);
}

/* First byte: bit 0 and 1 mend the slots, bit 2 leaves the second out. The next two: length of the first slot. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (dir < 0) {
    check(mkdtemp(top) != NULL);
    dir = wry_dir_open(top, NULL);
    atexit(clean_up);
  }
  if (size < 3)
    return 0;
  size_t first = MIN((size_t)(data[1] | data[2] << 8), size - 3), length = 0;
  put("r.a", data + 3, first, data[0] & 1);
  wry_vunlink(dir, "r.b", NULL);
  if (!(data[0] & 4))
    put("r.b", data + 3 + first, size - 3 - first, data[0] & 2);
  guint64 generation = 0, next = 0;
  g_autofree char *body = wry_record_read(dir, "r", &length, &generation, NULL);
  check(!body || (length <= size && !body[length]));
  if (wry_record_write(dir, "r", "fresh", 5, NULL)) {
    g_autofree char *fresh = wry_record_read(dir, "r", &length, &next, NULL);
    check(fresh && next == generation + 1 && length == 5);
  }
  return 0;
}
