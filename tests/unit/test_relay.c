/* handler/api/relay.c: bytes both ways unharmed, a stalled side holds the other, every way to end. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "handler/api/buffer.h"
#include "handler/api/relay.h"

typedef struct {
  WryRelay *relay;
  int client, peer; /* our ends */
  int ends[2];      /* the relay's */
  gboolean ended;
  WryRelayEnd why;
} Rig;

static void on_ended(WryRelayEnd why, gpointer data) {
  Rig *rig = data;
  rig->ended = TRUE;
  rig->why = why;
}

static void rig_up(Rig *rig, WryRelayOptions options, const void *bytes, gsize length) {
  int client[2], peer[2];
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, client), 0);
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, peer), 0);
  *rig = (Rig){.client = client[0], .peer = peer[0], .ends = {client[1], peer[1]}};
  options.client = client[1];
  options.peer = peer[1];
  rig->relay = wry_relay_new(&options, bytes, length, on_ended, rig);
}

static void rig_down(Rig *rig) {
  if (!rig->ended) wry_relay_free(rig->relay, WRY_WS_GOING_AWAY);
  close(rig->client);
  close(rig->peer);
  close(rig->ends[0]);
  close(rig->ends[1]);
}

static gsize received(int fd, void *bytes, gsize size) {
  ssize_t n = recv(fd, bytes, size, 0);
  return n > 0 ? (gsize)n : 0;
}

/* Runs the loop until `want` bytes came, or the relay ended. */
static GByteArray *collect(Rig *rig, int fd, gsize want) {
  GByteArray *all = g_byte_array_new();
  guint8 bytes[4096];
  for (guint turns = 0; all->len < want && turns < 10000; turns++) {
    gsize n = received(fd, bytes, sizeof bytes);
    if (n) g_byte_array_append(all, bytes, (guint)n);
    else if (rig->ended) break;
    else g_main_context_iteration(NULL, turns > 100);
  }
  return all;
}

static void settle(void) {
  for (guint i = 0; i < 50; i++) g_main_context_iteration(NULL, FALSE);
}

#define SERVER ((WryRelayOptions){.server = TRUE})
#define HELLO "\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58" /* binary, masked */

START_TEST(both_ways) {
  Rig rig;
  rig_up(&rig, SERVER, HELLO, sizeof HELLO - 1);
  ck_assert_int_eq(send(rig.client, HELLO, sizeof HELLO - 1, 0), sizeof HELLO - 1);
  g_autoptr(GByteArray) there = collect(&rig, rig.peer, 10);
  ck_assert_uint_eq(there->len, 10);
  ck_assert_int_eq(memcmp(there->data, "HelloHello", 10), 0);
  ck_assert_int_eq(send(rig.peer, "back", 4, 0), 4);
  g_autoptr(GByteArray) back = collect(&rig, rig.client, 6);
  ck_assert_uint_eq(back->len, 6);
  ck_assert_int_eq(memcmp(back->data, "\x82\x04" "back", 6), 0);
  rig_down(&rig);
}
END_TEST

START_TEST(as_a_client) {
  Rig rig;
  rig_up(&rig, (WryRelayOptions){.server = FALSE}, NULL, 0);
  ck_assert_int_eq(send(rig.client, "\x82\x02hi", 4, 0), 4);
  g_autoptr(GByteArray) there = collect(&rig, rig.peer, 2);
  ck_assert_int_eq(memcmp(there->data, "hi", 2), 0);
  ck_assert_int_eq(send(rig.peer, "yo", 2, 0), 2);
  g_autoptr(GByteArray) back = collect(&rig, rig.client, 8);
  ck_assert_uint_eq(back->len, 8);
  ck_assert_uint_eq(back->data[1], 0x82);
  wry_ws_mask(back->data + 6, 2, back->data + 2, 0);
  ck_assert_int_eq(memcmp(back->data + 6, "yo", 2), 0);
  rig_down(&rig);
}
END_TEST

/* Text is not for the peer; a ping is answered; nothing of a read-only client's reaches it. */
START_TEST(what_does_not_pass) {
  static const char text[] = "\x81\x82\x00\x00\x00\x00no\x89\x82\x00\x00\x00\x00hi";
  Rig rig;
  rig_up(&rig, SERVER, NULL, 0);
  ck_assert_int_eq(send(rig.client, text, sizeof text - 1, 0), sizeof text - 1);
  g_autoptr(GByteArray) pong = collect(&rig, rig.client, 4);
  ck_assert_uint_eq(pong->len, 4);
  ck_assert_int_eq(memcmp(pong->data, "\x8a\x02hi", 4), 0);
  rig_down(&rig);
  rig_up(&rig, (WryRelayOptions){.server = TRUE, .read_only = TRUE}, HELLO, sizeof HELLO - 1);
  ck_assert_int_eq(send(rig.client, text, sizeof text - 1, 0), sizeof text - 1);
  g_autoptr(GByteArray) more = collect(&rig, rig.client, 4);
  guint8 byte;
  ck_assert_uint_eq(more->len, 4);
  ck_assert_uint_eq(received(rig.peer, &byte, 1), 0);
  rig_down(&rig);
}
END_TEST

/* Whoever does not read holds the other: what is taken from it is bounded by the relay's buffer and the sockets'. */
START_TEST(back_pressure) {
  Rig rig;
  guint8 frame[4096] = {0x82, 0xfe, 0x0f, 0xf8}; /* 4088 bytes, mask 0 */
  gsize taken[2] = {0, 0};
  rig_up(&rig, SERVER, NULL, 0);
  for (guint turns = 0; turns < 2000; turns++) {
    ssize_t n = _i ? send(rig.client, frame, sizeof frame, 0) : send(rig.peer, frame, sizeof frame, 0);
    if (n > 0) taken[turns >= 1000] += (gsize)n;
    ck_assert(n < 0 || n == (ssize_t)sizeof frame || !_i);
    if (n < 0) settle();
  }
  ck_assert_uint_gt(taken[0], WRY_BUFFER_SIZE);
  ck_assert_uint_eq(taken[1], 0);
  ck_assert(!rig.ended);
  rig_down(&rig);
}
END_TEST

/* 2 MiB through small reads, unharmed. */
START_TEST(unharmed) {
  enum { SIZE = 2 << 20 };
  Rig rig;
  g_autofree guint8 *sent = g_malloc(SIZE);
  g_autoptr(GByteArray) got = g_byte_array_new();
  WryWsReader reader;
  gsize at = 0, payload = 0;
  guint8 bytes[1000];
  for (gsize i = 0; i < SIZE; i++) sent[i] = (guint8)(i * 2654435761u >> 13);
  rig_up(&rig, SERVER, NULL, 0);
  wry_ws_reader_init(&reader, FALSE);
  while (got->len < SIZE + SIZE / 512 && payload < SIZE) {
    ssize_t n = at < SIZE ? send(rig.peer, sent + at, MIN(SIZE - at, 3000u), 0) : 0;
    at += n > 0 ? (gsize)n : 0;
    g_main_context_iteration(NULL, FALSE);
    gsize size = received(rig.client, bytes, sizeof bytes);
    g_byte_array_append(got, bytes, (guint)size);
    /* every frame is whole and unmasked: count what the frames hold */
    while (got->len >= 4) {
      gsize length = got->data[1] < 126 ? got->data[1] : (gsize)got->data[2] << 8 | got->data[3], head = got->data[1] < 126 ? 2 : 4;
      if (got->len < head + length) break;
      ck_assert_uint_eq(got->data[0], 0x82);
      ck_assert_int_eq(memcmp(got->data + head, sent + payload, length), 0);
      payload += length;
      g_byte_array_remove_range(got, 0, (guint)(head + length));
    }
  }
  ck_assert_uint_eq(payload, SIZE);
  rig_down(&rig);
}
END_TEST

/* What the client gets last, as bytes, and why it ended. */
static const struct { const char *sent; gsize size; gboolean hang_up_client, hang_up_peer; WryRelayEnd why; const char *last; gsize last_size; } ends[] = {
    {"\x88\x80\x00\x00\x00\x00", 6, FALSE, FALSE, WRY_RELAY_CLIENT, "\x88\x02\x03\xe8", 4},
    {"\x82\x01" "a", 3, FALSE, FALSE, WRY_RELAY_PROTOCOL, "\x88\x02\x03\xea", 4},
    {"", 0, TRUE, FALSE, WRY_RELAY_CLIENT, "", 0},
    {"", 0, FALSE, TRUE, WRY_RELAY_PEER, "\x88\x02\x03\xe8", 4},
};

START_TEST(ending) {
  Rig rig;
  rig_up(&rig, SERVER, NULL, 0);
  if (ends[_i].size) ck_assert_int_eq(send(rig.client, ends[_i].sent, ends[_i].size, 0), ends[_i].size);
  if (ends[_i].hang_up_client) shutdown(rig.client, SHUT_RDWR);
  if (ends[_i].hang_up_peer) shutdown(rig.peer, SHUT_WR);
  g_autoptr(GByteArray) last = collect(&rig, rig.client, 1000);
  ck_assert(rig.ended);
  ck_assert_int_eq(rig.why, ends[_i].why);
  ck_assert_uint_eq(last->len, ends[_i].last_size);
  ck_assert_int_eq(memcmp(last->len ? (const char *)last->data : "", ends[_i].last, last->len), 0);
  rig_down(&rig);
}
END_TEST

/* A broken beginning ends it from the loop, not from within the call. */
START_TEST(broken_beginning) {
  Rig rig;
  rig_up(&rig, SERVER, (const guint8 *)"\xf0\x80\0\0\0\0", 6);
  ck_assert(!rig.ended);
  g_autoptr(GByteArray) last = collect(&rig, rig.client, 1000);
  ck_assert(rig.ended && rig.why == WRY_RELAY_PROTOCOL && last->len == 4);
  rig_down(&rig);
}
END_TEST

/* A client that is silent is asked, and given up when it does not even answer. */
START_TEST(silence) {
  Rig rig;
  rig_up(&rig, (WryRelayOptions){.server = TRUE, .ping_seconds = 1, .dead_seconds = 3}, NULL, 0);
  g_autoptr(GByteArray) got = collect(&rig, rig.client, 100);
  ck_assert(rig.ended);
  ck_assert_int_eq(rig.why, WRY_RELAY_DEAD);
  ck_assert_int_eq(memcmp(got->data, "\x89\x0akeep alive", 12), 0);
  rig_down(&rig);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("relay");
  TCase *tcase = tcase_create("relay");
  tcase_set_timeout(tcase, 60);
  tcase_add_test(tcase, both_ways);
  tcase_add_test(tcase, as_a_client);
  tcase_add_test(tcase, what_does_not_pass);
  tcase_add_loop_test(tcase, back_pressure, 0, 2);
  tcase_add_test(tcase, unharmed);
  tcase_add_loop_test(tcase, ending, 0, G_N_ELEMENTS(ends));
  tcase_add_test(tcase, broken_beginning);
  tcase_add_test(tcase, silence);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
