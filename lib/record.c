/* State records that survive a power cut: two slots, of which at least one is always whole.
 *
 * A slot is a header of 28 bytes, little endian, and the body:
 *   0 magic "WRYR"   4 version   8 generation (64 bit)   16 length of the body   20 zero, kept for later versions   24 CRC32C of bytes 0..23 and the body
 * A write goes into the slot that is absent, broken or older, with the next generation; generations are serial numbers that wrap around (RFC 1982), so that
 * every one of them has a successor. The CRC comes before the version: a flipped bit in the version
 * makes a slot broken, not "from the future"; a whole slot of a later version is never read and never overwritten.
 *
 * Relies on wry_vwrite for tmp + fsync + rename + fsync of the directory. */
#include "wherry/record.h"

#include <string.h>

#include "wherry/error.h"
#include "wherry/limits.h"
#include "wherry/vpath.h"

#define MAGIC 0x52595257u /* "WRYR" */
#define VERSION 1u
#define HEADER 28u
#define CRC_AT 24u
#define SLOT_MODE 0600

typedef enum { ABSENT, BROKEN, WHOLE, NEWER } State;

typedef struct {
  State state;
  guint64 generation;
  char *name;  /* of the file */
  guint8 *data; /* header and body, NUL behind */
  gsize length; /* of the body */
} Slot;

/* Castagnoli polynomial, reflected (RFC 3720 appendix B.4), four bits at a time. */
static guint32 crc_more(guint32 crc, const guint8 *data, gsize length) {
  static const guint32 table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
  for (gsize i = 0; i < length; i++) {
    crc = (crc >> 4) ^ table[(crc ^ data[i]) & 15];
    crc = (crc >> 4) ^ table[(crc ^ (guint32)(data[i] >> 4)) & 15];
  }
  return crc;
}

guint32 wry_crc32c(const void *data, gsize length) {
  return ~crc_more(~0u, data, length);
}

static guint32 slot_crc(const guint8 *data, gsize body) {
  return ~crc_more(crc_more(~0u, data, CRC_AT), data + HEADER, body);
}

/* --- numbers in the header ------------------------------------------------------------------------------------------------------------------------------- */
static guint32 get32(const guint8 *at) {
  guint32 value;
  memcpy(&value, at, sizeof value);
  return GUINT32_FROM_LE(value);
}

static guint64 get64(const guint8 *at) {
  guint64 value;
  memcpy(&value, at, sizeof value);
  return GUINT64_FROM_LE(value);
}

static void put32(guint8 *at, guint32 value) {
  value = GUINT32_TO_LE(value);
  memcpy(at, &value, sizeof value);
}

static void put64(guint8 *at, guint64 value) {
  value = GUINT64_TO_LE(value);
  memcpy(at, &value, sizeof value);
}

/* --- slots ------------------------------------------------------------------------------------------------------------------------------------------------ */
static State judge(const guint8 *data, gsize size) {
  if (size < HEADER || get32(data) != MAGIC) return BROKEN;
  if (get32(data + 16) != size - HEADER || get32(data + CRC_AT) != slot_crc(data, size - HEADER)) return BROKEN;
  return get32(data + 4) > VERSION ? NEWER : get32(data + 4) == VERSION ? WHOLE : BROKEN;
}

static void load(int dirfd, const char *name, char suffix, Slot *slot) {
  g_autoptr(GError) error = NULL;
  gsize size = 0;
  *slot = (Slot){.state = BROKEN, .name = g_strdup_printf("%s.%c", name, suffix)};
  slot->data = (guint8 *)wry_vread(dirfd, slot->name, HEADER + WRY_MAX_RECORD, &size, &error);
  if (slot->data) slot->state = judge(slot->data, size);
  if (g_error_matches(error, WRY_ERROR, WRY_ERROR_NOT_FOUND)) slot->state = ABSENT;
  if (slot->state < WHOLE) return;
  slot->generation = get64(slot->data + 8);
  slot->length = size - HEADER;
}

static void pair_clear(Slot pair[2]) {
  for (int i = 0; i < 2; i++) {
    g_free(pair[i].name);
    g_free(pair[i].data);
  }
}

/* Loads both; FALSE when one is of a newer version or the name is none. */
static gboolean pair_load(int dirfd, const char *name, Slot pair[2], GError **error) {
  load(dirfd, name, 'a', &pair[0]);
  load(dirfd, name, 'b', &pair[1]);
  for (int i = 0; i < 2; i++) {
    if (pair[i].state != NEWER) continue;
    g_set_error(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED, "record %s is of version %u, this program knows %u", pair[i].name, get32(pair[i].data + 4), VERSION);
    pair_clear(pair);
    return FALSE;
  }
  return TRUE;
}

/* The newest whole slot, or NULL. */
static Slot *newest(Slot pair[2]) {
  Slot *best = NULL;
  for (int i = 0; i < 2; i++)
    if (pair[i].state == WHOLE && (!best || (gint64)(pair[i].generation - best->generation) > 0)) best = &pair[i];
  return best;
}

/* --- the record ----------------------------------------------------------------------------------------------------------------------------------------------- */
char *wry_record_read(int dirfd, const char *name, gsize *ret_length, guint64 *ret_generation, GError **error) {
  Slot pair[2];
  char *body = NULL;
  if (!pair_load(dirfd, name, pair, error)) return NULL;
  const Slot *best = newest(pair);
  if (best) {
    body = g_malloc(best->length + 1);
    memcpy(body, best->data + HEADER, best->length);
    body[best->length] = '\0';
    if (ret_length) *ret_length = best->length;
    if (ret_generation) *ret_generation = best->generation;
  } else if (pair[0].state == ABSENT && pair[1].state == ABSENT) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "there is no record %s", name);
  } else {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "no slot of record %s is whole", name);
  }
  pair_clear(pair);
  return body;
}

static GByteArray *compose(guint64 generation, const void *body, gsize length) {
  GByteArray *bytes = g_byte_array_sized_new((guint)(HEADER + length));
  g_byte_array_set_size(bytes, HEADER);
  memset(bytes->data, 0, HEADER);
  if (length) g_byte_array_append(bytes, body, (guint)length);
  put32(bytes->data, MAGIC);
  put32(bytes->data + 4, VERSION);
  put64(bytes->data + 8, generation);
  put32(bytes->data + 16, (guint32)length);
  put32(bytes->data + CRC_AT, slot_crc(bytes->data, length));
  return bytes;
}

gboolean wry_record_write(int dirfd, const char *name, const void *body, gsize length, GError **error) {
  Slot pair[2];
  if (length > WRY_MAX_RECORD) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "record %s: %zu bytes, at most %u", name, length, WRY_MAX_RECORD);
    return FALSE;
  }
  if (!pair_load(dirfd, name, pair, error)) return FALSE;
  const Slot *best = newest(pair), *target = best == &pair[0] ? &pair[1] : &pair[0];
  g_autoptr(GByteArray) bytes = compose(best ? best->generation + 1 : 1, body, length);
  gboolean good = wry_vwrite(dirfd, target->name, bytes->data, bytes->len, SLOT_MODE, error);
  if (!good) g_prefix_error(error, "record %s: ", name);
  pair_clear(pair);
  return good;
}

/* The older slot first: should the power fail in between, what is left is not an old truth. */
gboolean wry_record_remove(int dirfd, const char *name, GError **error) {
  Slot pair[2];
  if (!pair_load(dirfd, name, pair, error)) return FALSE;
  const Slot *best = newest(pair);
  int first = best == &pair[0] ? 1 : 0;
  gboolean good = wry_vunlink(dirfd, pair[first].name, error) && wry_vunlink(dirfd, pair[!first].name, error);
  pair_clear(pair);
  return good;
}
