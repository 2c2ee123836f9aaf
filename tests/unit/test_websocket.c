/* handler/api/websocket.c: the handshake's rules, frames in any chunking, RFC 6455's own examples, every rule that a peer can break. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "handler/api/websocket.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

/* --- handshake -------------------------------------------------------------------------------------------------------------------------------------------- */
static const struct { WryWsRequest request; guint status; gboolean protocol; } handshakes[] = {
    {{"GET", "HTTP/1.1", "websocket", "Upgrade", KEY, "13", NULL}, 101, FALSE},
    {{"GET", "HTTP/1.1", "WebSocket", "keep-alive, Upgrade", KEY, "13", "plain.kubevirt.io"}, 101, TRUE},
    {{"GET", "HTTP/1.1", "websocket", "upgrade", KEY, "13", "base64.binary, plain.kubevirt.io"}, 101, TRUE},
    {{"GET", "HTTP/1.1", "websocket", "upgrade", KEY, "13", "Plain.kubevirt.io"}, 101, FALSE},
    {{"POST", "HTTP/1.1", "websocket", "Upgrade", KEY, "13", NULL}, 405, FALSE},
    {{"GET", "HTTP/1.0", "websocket", "Upgrade", KEY, "13", NULL}, 400, FALSE},
    {{"GET", "HTTP/1.1", NULL, "Upgrade", KEY, "13", NULL}, 400, FALSE},
    {{"GET", "HTTP/1.1", "h2c", "Upgrade", KEY, "13", NULL}, 400, FALSE},
    {{"GET", "HTTP/1.1", "websocket", "keep-alive", KEY, "13", NULL}, 400, FALSE},
    {{"GET", "HTTP/1.1", "websocket", "Upgrade", KEY, "8", NULL}, 426, FALSE},
    {{"GET", "HTTP/1.1", "websocket", "Upgrade", KEY, NULL, NULL}, 426, FALSE},
    {{"GET", "HTTP/1.1", "websocket", "Upgrade", NULL, "13", NULL}, 400, FALSE},
    {{"GET", "HTTP/1.1", "websocket", "Upgrade", "dGhlIHNhbXBsZQ==", "13", NULL}, 400, FALSE},
    {{"GET", "HTTP/1.1", "websocket", "Upgrade", "dGhlIHNhbXBsZSBub25jZ!==", "13", NULL}, 400, FALSE},
};

START_TEST(handshake) {
  const char *protocol = "?", *reason = NULL;
  ck_assert_uint_eq(wry_ws_upgrade(&handshakes[_i].request, &protocol, &reason), handshakes[_i].status);
  ck_assert_int_eq(reason == NULL, handshakes[_i].status == 101);
  ck_assert_int_eq(g_strcmp0(protocol, WRY_WS_PROTOCOL) == 0, handshakes[_i].protocol);
}
END_TEST

START_TEST(accept_key) {
  g_autofree char *accept = wry_ws_accept(KEY);
  ck_assert_str_eq(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); /* RFC 6455 1.3 */
}
END_TEST

/* --- reading ---------------------------------------------------------------------------------------------------------------------------------------------- */
/* What was read as text: "2:Hello. " a binary message that ended, "9:x" a ping. Pieces of a message come together. */
typedef struct { GString *text; gboolean open; } Seen;

static void on_payload(WryWsOpcode kind, const guint8 *bytes, gsize length, gboolean last, gpointer data) {
  Seen *seen = data;
  if (!seen->open) g_string_append_printf(seen->text, "%d:", kind);
  g_string_append_len(seen->text, (const char *)bytes, (gssize)length);
  if (last) g_string_append(seen->text, ". ");
  seen->open = !last;
}

static void on_control(WryWsOpcode kind, const guint8 *bytes, gsize length, gpointer data) {
  Seen *seen = data;
  g_string_append_printf(seen->text, "<%d:", kind);
  for (gsize i = 0; i < length; i++) g_string_append_printf(seen->text, bytes[i] >= ' ' && bytes[i] < 127 ? "%c" : "\\%02x", bytes[i]);
  g_string_append_c(seen->text, '>');
}

static const WryWsEvents events = {.payload = on_payload, .control = on_control};

static char *read_in(const guint8 *bytes, gsize size, gsize chunk, gboolean masked, guint *ret_code) {
  WryWsReader reader;
  Seen seen = {.text = g_string_new(NULL)};
  wry_ws_reader_init(&reader, masked);
  *ret_code = 0;
  for (gsize i = 0; i < size; i += chunk) {
    gsize n = MIN(chunk, size - i);
    g_autofree guint8 *piece = g_memdup2(bytes + i, n);
    guint code = wry_ws_feed(&reader, piece, n, &events, &seen);
    if (code && !*ret_code) *ret_code = code;
  }
  return g_string_free(seen.text, FALSE);
}

#define ROW(b, m, c, t) {b, sizeof b - 1, m, c, t}
static const struct { const char *bytes; gsize size; gboolean masked; guint code; const char *seen; } frames[] = {
    /* RFC 6455 5.7 */
    ROW("\x81\x05Hello", FALSE, 0, "1:Hello. "),
    ROW("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", TRUE, 0, "1:Hello. "),
    ROW("\x01\x03Hel\x80\x02lo", FALSE, 0, "1:Hello. "),
    ROW("\x89\x05Hello", FALSE, 0, "<9:Hello>"),
    ROW("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", TRUE, 0, "<10:Hello>"),
    /* empty messages; a ping inside a fragmented message; two messages */
    ROW("\x82\x00", FALSE, 0, "2:. "),
    ROW("\x02\x00\x00\x00\x80\x00", FALSE, 0, "2:. "),
    ROW("\x02\x01" "a\x89\x00\x00\x01" "b\x80\x01" "c", FALSE, 0, "2:a<9:>bc. "),
    ROW("\x82\x01" "a\x82\x01" "b", FALSE, 0, "2:a. 2:b. "),
    /* closes; nothing is read behind one */
    ROW("\x88\x00\x82\x01" "a", FALSE, 0, "<8:>"),
    ROW("\x88\x02\x03\xe8", FALSE, 0, "<8:\\03\\e8>"),
    ROW("\x88\x05\x03\xe8" "bye", FALSE, 0, "<8:\\03\\e8bye>"),
    ROW("\x88\x01\x03", FALSE, 1002, ""),
    ROW("\x88\x02\x03\xec", FALSE, 1002, ""), /* 1004 */
    ROW("\x88\x02\x03\xee", FALSE, 1002, ""), /* 1006 is never sent */
    ROW("\x88\x02\x00\x00", FALSE, 1002, ""),
    ROW("\x88\x02\x13\x88", FALSE, 1002, ""), /* 5000 */
    ROW("\x88\x04\x03\xe8\xc3\x28", FALSE, 1007, ""),
    /* the mask, as the side asks */
    ROW("\x81\x05Hello", TRUE, 1002, ""),
    ROW("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", FALSE, 1002, ""),
    /* reserved bits and opcodes */
    ROW("\xc2\x00", FALSE, 1002, ""),
    ROW("\xa2\x00", FALSE, 1002, ""),
    ROW("\x92\x00", FALSE, 1002, ""),
    ROW("\x83\x00", FALSE, 1002, ""),
    ROW("\x8b\x00", FALSE, 1002, ""),
    /* fragments out of order */
    ROW("\x80\x00", FALSE, 1002, ""),
    ROW("\x02\x01" "a\x82\x01" "b", FALSE, 1002, "2:a"),
    /* control frames: not fragmented, not long */
    ROW("\x09\x00", FALSE, 1002, ""),
    ROW("\x89\x7e\x00\x7e", FALSE, 1002, ""),
    /* lengths not in their shortest form, too long, negative */
    ROW("\x82\x7e\x00\x7d", FALSE, 1002, ""),
    ROW("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", FALSE, 1002, ""),
    ROW("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", FALSE, 1002, ""),
    ROW("\x82\x7f\x00\x00\x00\x00\x00\x10\x00\x01", FALSE, 1009, ""),
    ROW("\x82\x7f\x00\x00\x00\x00\x00\x10\x00\x00" "a", FALSE, 0, "2:a"),
};

/* Whole, and cut at every byte. */
START_TEST(reads) {
  const gsize chunks[] = {1, 2, 3, 1000};
  for (guint i = 0; i < G_N_ELEMENTS(chunks); i++) {
    guint code = 0;
    g_autofree char *seen = read_in((const guint8 *)frames[_i].bytes, frames[_i].size, chunks[i], frames[_i].masked, &code);
    ck_assert_str_eq(seen, frames[_i].seen);
    ck_assert_uint_eq(code, frames[_i].code);
  }
}
END_TEST

START_TEST(too_many_fragments) {
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  guint code = 0;
  g_byte_array_append(bytes, (const guint8 *)"\x02\x00", 2);
  for (guint i = 1; i <= WRY_WS_MAX_FRAGMENTS; i++) {
    g_autofree char *before = read_in(bytes->data, bytes->len, 7, FALSE, &code);
    ck_assert_str_eq(before, "");
    ck_assert_uint_eq(code, 0);
    g_byte_array_append(bytes, (const guint8 *)"\x00\x00", 2);
  }
  g_autofree char *after = read_in(bytes->data, bytes->len, 7, FALSE, &code);
  ck_assert_str_eq(after, "");
  ck_assert_uint_eq(code, WRY_WS_POLICY);
}
END_TEST

/* --- writing ---------------------------------------------------------------------------------------------------------------------------------------------- */
static const gsize lengths[] = {0, 1, 125, 126, 127, 65535, 65536, WRY_WS_MAX_FRAME};

/* What is written is what is read, with and without a mask. */
START_TEST(writes) {
  gsize length = lengths[_i / 2];
  gboolean masked = _i % 2;
  guint code = 0;
  const guint8 mask[4] = {1, 2, 0x80, 0xff};
  g_autofree guint8 *bytes = g_malloc(WRY_WS_MAX_HEADER + length);
  gsize head = wry_ws_header(bytes, WRY_WS_BINARY, length, masked ? mask : NULL);
  ck_assert_uint_eq(head, (masked ? 6u : 2u) + (length < 126 ? 0 : length < 65536 ? 2 : 8));
  memset(bytes + head, 'x', length);
  if (masked) wry_ws_mask(bytes + head, length, mask, 0);
  g_autofree char *seen = read_in(bytes, head + length, 4099, masked, &code);
  ck_assert_uint_eq(code, 0);
  ck_assert_uint_eq(strlen(seen), length + strlen("2:. "));
  ck_assert_uint_eq(strspn(seen + 2, "x"), length);
}
END_TEST

START_TEST(writes_close) {
  guint8 out[WRY_WS_MAX_CONTROL], frame[WRY_WS_MAX_HEADER + WRY_WS_MAX_CONTROL];
  guint code = 0;
  g_autoptr(GString) reason = g_string_new(NULL);
  ck_assert_uint_eq(wry_ws_close(out, WRY_WS_TOO_BIG, NULL), 2);
  for (guint i = 0; i < 50; i++) g_string_append(reason, "\u20ac"); /* 150 bytes */
  gsize size = wry_ws_close(out, WRY_WS_POLICY, reason->str), head = wry_ws_header(frame, WRY_WS_CLOSE, size, NULL);
  ck_assert_uint_eq(size, 2 + 123);
  memcpy(frame + head, out, size);
  g_autofree char *seen = read_in(frame, head + size, 1000, FALSE, &code);
  ck_assert_uint_eq(code, 0);
  ck_assert(g_str_has_prefix(seen, "<8:\\03\\f0"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("websocket");
  TCase *tcase = tcase_create("websocket");
  tcase_add_loop_test(tcase, handshake, 0, G_N_ELEMENTS(handshakes));
  tcase_add_test(tcase, accept_key);
  tcase_add_loop_test(tcase, reads, 0, G_N_ELEMENTS(frames));
  tcase_add_test(tcase, too_many_fragments);
  tcase_add_loop_test(tcase, writes, 0, 2 * G_N_ELEMENTS(lengths));
  tcase_add_test(tcase, writes_close);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
