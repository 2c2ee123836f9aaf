/* lib/wire.c and lib/wire_message.c: every message there and back, everything else ends the connection; fds neither leak nor get lost. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/wire.h"

/* --- messages as text ---------------------------------------------------------------------------------------------------------------------------------- */
static const struct {
  WryMsgType type;
  guint n_fds;
  const char *text;
} good[] = {
    {WRY_MSG_SYNC, 1, "{\"sync\":{\"seq\":1}}"},
    {WRY_MSG_SHUTDOWN, 0, "{\"shutdown\":{\"seq\":2,\"graceSeconds\":0}}"},
    {WRY_MSG_PAUSE, 0, "{\"pause\":{\"seq\":3}}"},
    {WRY_MSG_UNPAUSE, 0, "{\"unpause\":{\"seq\":4}}"},
    {WRY_MSG_RESET, 0, "{\"reset\":{\"seq\":5}}"},
    {WRY_MSG_SOFTREBOOT, 0, "{\"softreboot\":{\"seq\":6}}"},
    {WRY_MSG_CONSOLE, 0, "{\"console\":{\"seq\":7,\"readOnly\":true,\"force\":false,\"scrollback\":true}}"},
    {WRY_MSG_CONSOLE, 0, "{\"console\":{\"seq\":7}}"},
    {WRY_MSG_VNC, 0, "{\"vnc\":{\"seq\":8}}"},
    {WRY_MSG_GUESTINFO, 0, "{\"guestinfo\":{\"seq\":9,\"what\":\"osinfo\"}}"},
    {WRY_MSG_PROBE, 0, "{\"probe\":{\"seq\":10,\"which\":\"guestAgentPing\"}}"},
    {WRY_MSG_FINISH, 0, "{\"finish\":{\"seq\":11}}"},
    {WRY_MSG_HELLO, 0, "{\"hello\":{\"version\":1,\"run\":3}}"},
    {WRY_MSG_REPLY, 0, "{\"reply\":{\"seq\":12,\"code\":0}}"},
    {WRY_MSG_REPLY, 1, "{\"reply\":{\"seq\":12,\"code\":3,\"message\":\"not found\",\"data\":{\"a\":[1]}}}"},
    {WRY_MSG_STATUS, 0, "{\"status\":{\"state\":\"Running\"}}"},
    {WRY_MSG_STATUS, 0,
     "{\"status\":{\"state\":\"Paused\",\"reason\":\"User\",\"failure\":\"OOMKilled\",\"message\":\"m\",\"qemuPid\":17,\"softwareEmulation\":true,\"agentConnected\":true,\"agentVersionSupported\":false,"
     "\"userPaused\":true,\"machine\":\"pc-q35-7.2\",\"guestOSInfo\":{\"id\":\"debian\"},\"interfaces\":[{\"name\":\"default\",\"mac\":\"02:00:00:00:00:01\",\"ipAddress\":\"10.0.2.2\",\"ipAddresses\":[\"10.0.2.2\"],"
     "\"interfaceName\":\"eth0\",\"infoSource\":\"domain, guest-agent\",\"queueCount\":1,\"linkState\":\"up\"}],\"volumes\":[{\"name\":\"root\",\"target\":\"vda\"}],\"memoryCurrent\":268435456}}"},
    {WRY_MSG_EVENT, 0, "{\"event\":{\"type\":\"Warning\",\"reason\":\"Stopped\",\"message\":\"it\"}}"},
};

START_TEST(there_and_back) {
  g_autoptr(GError) error = NULL;
  WryMsgType type;
  gsize length;
  gpointer body = wry_msg_decode(good[_i].text, strlen(good[_i].text), good[_i].n_fds, &type, &error);
  ck_assert_msg(body != NULL, "%s", error ? error->message : "");
  ck_assert_int_eq(type, good[_i].type);
  g_autofree char *text = wry_msg_encode(type, body, &length, NULL);
  ck_assert_str_eq(text, good[_i].text);
  ck_assert_uint_eq(length, strlen(text));
  wry_struct_free(wry_msg_type(type), body);
}
END_TEST

START_TEST(names_are_unique) {
  for (int i = 0; i < WRY_MSGS; i++)
    for (int j = 0; j < i; j++) ck_assert_str_ne(wry_msg_name((WryMsgType)i), wry_msg_name((WryMsgType)j));
}
END_TEST

static const struct {
  const char *text;
  guint n_fds;
} bad[] = {
    /* no message */
    {"", 0}, {"x", 0}, {"null", 0}, {"[]", 0}, {"5", 0}, {"\"pause\"", 0}, {"{}", 0}, {"{\"pause\":{\"seq\":1}", 0}, {"{\"pause\":{\"seq\":1}} ", 1}, {"{\"pause\":{\"seq\":1}}x", 0}, {"{\"pause\":{\"seq\":1}}{}", 0},
    {"{'pause':{\"seq\":1}}", 0}, {"{\"pause\":{\"seq\":NaN}}", 0}, {"{\"pause\":{\"seq\":1,\"seq\":2}}", 0}, {"{\"pause\":{\"seq\":1},\"pause\":{\"seq\":1}}", 0},
    /* unknown type, several types */
    {"{\"destroy\":{\"seq\":1}}", 0}, {"{\"Pause\":{\"seq\":1}}", 0}, {"{\"\":{\"seq\":1}}", 0}, {"{\"pause\\u0000\":{\"seq\":1}}", 0}, {"{\"pause\":{\"seq\":1},\"reset\":{\"seq\":1}}", 0}, {"{\"type\":\"pause\",\"seq\":1}", 0},
    /* unknown, missing, ill-typed fields */
    {"{\"pause\":null}", 0}, {"{\"pause\":[]}", 0}, {"{\"pause\":1}", 0}, {"{\"pause\":{}}", 0}, {"{\"pause\":{\"seq\":null}}", 0}, {"{\"pause\":{\"seq\":\"1\"}}", 0}, {"{\"pause\":{\"seq\":1.5}}", 0},
    {"{\"pause\":{\"seq\":9223372036854775808}}", 0}, {"{\"pause\":{\"seq\":true}}", 0}, {"{\"pause\":{\"seq\":1,\"x\":1}}", 0}, {"{\"pause\":{\"seq\":1,\"Seq\":1}}", 0}, {"{\"shutdown\":{\"seq\":1}}", 0},
    {"{\"shutdown\":{\"seq\":1,\"graceSeconds\":\"5\"}}", 0}, {"{\"console\":{\"seq\":1,\"force\":1}}", 0}, {"{\"guestinfo\":{\"seq\":1}}", 0}, {"{\"guestinfo\":{\"seq\":1,\"which\":\"osinfo\"}}", 0}, {"{\"probe\":{\"seq\":1,\"what\":\"x\"}}", 0},
    {"{\"guestinfo\":{\"seq\":1,\"what\":\"os\\u0000info\"}}", 0}, {"{\"hello\":{\"version\":1}}", 0}, {"{\"hello\":{\"run\":1}}", 0}, {"{\"reply\":{\"seq\":1}}", 0}, {"{\"reply\":{\"seq\":1,\"code\":\"0\"}}", 0}, {"{\"status\":{}}", 0},
    {"{\"status\":{\"state\":1}}", 0}, {"{\"status\":{\"state\":\"Running\",\"interfaces\":[1]}}", 0}, {"{\"status\":{\"state\":\"Running\",\"volumes\":[{}]}}", 0}, {"{\"event\":{\"type\":\"Normal\",\"reason\":\"x\"}}", 0},
    {"{\"status\":{\"state\":\"Running\",\"memoryCurrent\":1e30}}", 0},
    /* fds that do not belong */
    {"{\"sync\":{\"seq\":1}}", 0}, {"{\"sync\":{\"seq\":1}}", 3}, {"{\"pause\":{\"seq\":1}}", 1}, {"{\"reply\":{\"seq\":1,\"code\":0}}", 2}, {"{\"hello\":{\"version\":1,\"run\":1}}", 4}, {"{\"event\":{\"type\":\"N\",\"reason\":\"r\",\"message\":\"m\"}}", 1},
};

START_TEST(refuses) {
  g_autoptr(GError) error = NULL;
  WryMsgType type;
  ck_assert_msg(!wry_msg_decode(bad[_i].text, strlen(bad[_i].text), bad[_i].n_fds, &type, &error), "accepted: %s", bad[_i].text);
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_PROTOCOL));
}
END_TEST

/* A text of exactly `length` bytes that is a message. */
static char *padded(gsize length) {
  static const char head[] = "{\"event\":{\"type\":\"Normal\",\"reason\":\"r\",\"message\":\"", tail[] = "\"}}";
  char *text = g_strnfill(length, 'x');
  memcpy(text, head, sizeof head - 1);
  memcpy(text + length - (sizeof tail - 1), tail, sizeof tail - 1);
  return text;
}

START_TEST(every_length) {
  for (gsize length = 60; length <= WRY_MAX_MESSAGE + 1; length += length < 200 || length > WRY_MAX_MESSAGE - 10 ? 1 : 997) {
    g_autofree char *text = padded(length), *exact = g_memdup2(text, length);
    g_autoptr(GError) error = NULL;
    WryMsgType type;
    gpointer body = wry_msg_decode(exact, length, 0, &type, &error);
    ck_assert_int_eq(body != NULL, length <= WRY_MAX_MESSAGE);
    if (!body) continue;
    gsize again;
    g_autofree char *encoded = wry_msg_encode(type, body, &again, NULL);
    ck_assert(encoded && again == length);
    wry_struct_free(wry_msg_type(type), body);
  }
}
END_TEST

START_TEST(too_long_to_encode) {
  g_autoptr(GError) error = NULL;
  WryMsgEvent event = {.type = (char *)"Normal", .reason = (char *)"r", .message = g_strnfill(WRY_MAX_MESSAGE, 'x')};
  ck_assert_ptr_null(wry_msg_encode(WRY_MSG_EVENT, &event, NULL, &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_TOO_LARGE));
  g_free(event.message);
}
END_TEST

/* --- connections ------------------------------------------------------------------------------------------------------------------------------------------ */
typedef struct {
  WryWire *wire;
  guint messages, closes, keep; /* keep: take so many fds */
  gint64 last_seq;
  int kept[64];
  guint n_kept;
  int code; /* of the error of the close */
  gboolean free_in_message, free_in_close;
} Side;

static void on_message(WryWire *wire, WryMsgType type, gpointer body, int *fds, guint n_fds, gpointer data) {
  Side *side = data;
  ck_assert_ptr_eq(wire, side->wire);
  side->messages++;
  if (type == WRY_MSG_PAUSE || type == WRY_MSG_SYNC) side->last_seq = ((WryMsgPlain *)body)->seq.v;
  for (guint i = 0; i < n_fds && side->keep; i++, side->keep--) side->kept[side->n_kept++] = g_steal_fd(&fds[i]);
  if (side->free_in_message) g_clear_pointer(&side->wire, wry_wire_free);
}

static void on_closed(WryWire *wire, const GError *error, gpointer data) {
  Side *side = data;
  ck_assert_ptr_eq(wire, side->wire);
  ck_assert_ptr_nonnull(error);
  side->closes++;
  side->code = error->code;
  if (side->free_in_close) g_clear_pointer(&side->wire, wry_wire_free);
}

static int peer = -1;
static Side side;

static void setup(void) {
  int ends[2];
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  side = (Side){.code = -1};
  peer = ends[1];
  side.wire = wry_wire_new(ends[0], on_message, on_closed, &side);
}

static void teardown(void) {
  if (peer >= 0) close(peer);
  peer = -1;
  wry_wire_free(side.wire);
  while (side.n_kept) close(side.kept[--side.n_kept]);
}

static void run(void) {
  while (g_main_context_iteration(NULL, FALSE)) continue;
}

static guint open_fds(void) {
  DIR *list = opendir("/proc/self/fd");
  guint n = 0;
  while (readdir(list)) n++;
  closedir(list);
  return n;
}

static gboolean raw_send(const void *text, gsize length, const int *fds, guint n_fds) {
  union {
    char bytes[CMSG_SPACE(16 * sizeof(int))];
    struct cmsghdr align;
  } control = {{0}};
  struct iovec vector = {(gpointer)text, length};
  struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
  if (n_fds) {
    header.msg_control = control.bytes;
    header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
    struct cmsghdr *c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
    memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
  }
  return sendmsg(peer, &header, MSG_NOSIGNAL | MSG_DONTWAIT) == (gssize)length;
}

static void say(const char *text) {
  ck_assert(raw_send(text, strlen(text), NULL, 0));
}

START_TEST(delivers_in_order) {
  for (int i = 1; i <= 10; i++) {
    g_autofree char *text = g_strdup_printf("{\"pause\":{\"seq\":%d}}", i);
    say(text);
    if (i % 3 == 0) run();
    if (i % 3 == 0) ck_assert_int_eq(side.last_seq, i);
  }
  run();
  ck_assert_uint_eq(side.messages, 10);
  ck_assert_uint_eq(side.closes, 0);
}
END_TEST

static const char *const breaches[] = {"x", "{}", "{\"nonsense\":{}}", "{\"pause\":{\"seq\":1,\"x\":1}}", "{\"sync\":{\"seq\":1}}", "\377", "[[[[[[[["};

START_TEST(breach_ends_the_connection) {
  side.free_in_close = _i % 2;
  say("{\"pause\":{\"seq\":1}}");
  say(breaches[_i]);
  say("{\"pause\":{\"seq\":2}}");
  run();
  ck_assert_uint_eq(side.messages, 1);
  ck_assert_uint_eq(side.closes, 1);
  ck_assert_int_eq(side.code, WRY_ERROR_PROTOCOL);
  char text[8];
  ck_assert_int_le(recv(peer, text, sizeof text, MSG_DONTWAIT), 0);
  run();
  ck_assert_uint_eq(side.closes, 1);
}
END_TEST

START_TEST(peer_goes_away) {
  say("{\"pause\":{\"seq\":1}}");
  close(peer);
  peer = -1;
  side.free_in_close = _i;
  run();
  ck_assert_uint_eq(side.messages, 1);
  ck_assert_uint_eq(side.closes, 1);
  ck_assert_int_eq(side.code, WRY_ERROR_IO);
  if (_i) return;
  g_autoptr(GError) error = NULL;
  WryMsgPlain body = {{TRUE, 1}};
  ck_assert(!wry_wire_send(side.wire, WRY_MSG_PAUSE, &body, NULL, 0, &error));
  ck_assert_ptr_nonnull(error);
  ck_assert_int_eq(wry_wire_fd(side.wire), -1);
}
END_TEST

START_TEST(empty_datagram_is_an_end) {
  ck_assert(raw_send("", 0, NULL, 0));
  run();
  ck_assert_uint_eq(side.closes, 1);
}
END_TEST

START_TEST(freed_in_message) {
  side.free_in_message = TRUE;
  guint before = open_fds();
  int null[1] = {open("/dev/null", O_RDONLY)};
  ck_assert(raw_send("{\"sync\":{\"seq\":1}}", 18, null, 1));
  say("{\"pause\":{\"seq\":2}}");
  run();
  close(null[0]);
  ck_assert_uint_eq(side.messages, 1);
  ck_assert_uint_eq(side.closes, 0);
  ck_assert_uint_eq(open_fds(), before - 1);
}
END_TEST

START_TEST(lengths_around_the_limit) {
  for (gsize length = WRY_MAX_MESSAGE - 2; length <= WRY_MAX_MESSAGE + 2; length++) {
    teardown();
    setup();
    g_autofree char *text = padded(length);
    ck_assert(raw_send(text, length, NULL, 0));
    run();
    ck_assert_uint_eq(side.messages, length <= WRY_MAX_MESSAGE);
    ck_assert_uint_eq(side.closes, length > WRY_MAX_MESSAGE);
  }
}
END_TEST

/* --- file descriptors ---------------------------------------------------------------------------------------------------------------------------------------- */
START_TEST(fds_are_handed_over) {
  wry_autofd int memory = memfd_create("bundle", MFD_CLOEXEC);
  ck_assert_int_eq(write(memory, "bundle", 6), 6);
  side.keep = 1;
  ck_assert(raw_send("{\"sync\":{\"seq\":4}}", 18, &memory, 1));
  run();
  char text[8] = {0};
  ck_assert_int_eq(side.last_seq, 4);
  ck_assert_uint_eq(side.n_kept, 1);
  ck_assert_int_eq(pread(side.kept[0], text, sizeof text, 0), 6);
  ck_assert_int_eq(fcntl(side.kept[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}
END_TEST

/* Nobody takes them, or too many come, or they come with nonsense: none stays open. */
static const struct {
  const char *text;
  guint n_fds, messages;
} floods[] = {
    {"{\"sync\":{\"seq\":1}}", 1, 1}, {"{\"sync\":{\"seq\":1}}", 2, 1}, {"{\"sync\":{\"seq\":1}}", 3, 0}, {"{\"sync\":{\"seq\":1}}", 4, 0}, {"{\"sync\":{\"seq\":1}}", 5, 0}, {"{\"sync\":{\"seq\":1}}", 16, 0}, {"{\"pause\":{\"seq\":1}}", 1, 0}, {"{\"pause\":{\"seq\":1}}", 16, 0},
    {"nonsense", 3, 0}, {"{\"reply\":{\"seq\":1,\"code\":0}}", 1, 1}, {"{\"reply\":{\"seq\":1,\"code\":0}}", 2, 0}, {"", 2, 0},
};

START_TEST(fds_do_not_leak) {
  int fds[16];
  for (int i = 0; i < 16; i++) fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
  guint before = open_fds();
  ck_assert(raw_send(floods[_i].text, strlen(floods[_i].text), fds, floods[_i].n_fds));
  run();
  ck_assert_uint_eq(side.messages, floods[_i].messages);
  ck_assert_uint_eq(side.closes, !floods[_i].messages);
  ck_assert_uint_eq(open_fds(), before - side.closes);
  for (int i = 0; i < 16; i++) close(fds[i]);
}
END_TEST

START_TEST(fd_flood) {
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  guint before = open_fds();
  for (int i = 0; i < 2000; i++) {
    ck_assert(raw_send("{\"sync\":{\"seq\":1}}", 18, &null, 1));
    run();
  }
  ck_assert_uint_eq(side.messages, 2000);
  ck_assert_uint_eq(open_fds(), before);
  close(null);
}
END_TEST

/* --- sending -------------------------------------------------------------------------------------------------------------------------------------------------- */
static gssize take(char *text, gsize size) {
  return recv(peer, text, size, MSG_DONTWAIT);
}

START_TEST(sends) {
  static char text[WRY_MAX_MESSAGE + 1];
  WryMsgPlain body = {{TRUE, 9}};
  ck_assert(wry_wire_send(side.wire, WRY_MSG_PAUSE, &body, NULL, 0, NULL));
  gssize got = take(text, sizeof text);
  ck_assert_int_eq(got, 19);
  ck_assert(!memcmp(text, "{\"pause\":{\"seq\":9}}", 19));
}
END_TEST

START_TEST(refuses_to_send_nonsense) {
  g_autoptr(GError) error = NULL;
  WryMsgPlain body = {{TRUE, 9}};
  int fds[2] = {0, 1};
  ck_assert(!wry_wire_send(side.wire, WRY_MSG_SYNC, &body, NULL, 0, &error));
  g_clear_error(&error);
  ck_assert(!wry_wire_send(side.wire, WRY_MSG_PAUSE, &body, fds, 1, &error));
  g_clear_error(&error);
  WryMsgEvent event = {.type = (char *)"Normal", .reason = (char *)"r", .message = g_strnfill(WRY_MAX_MESSAGE, 'x')};
  ck_assert(!wry_wire_send(side.wire, WRY_MSG_EVENT, &event, NULL, 0, &error));
  g_free(event.message);
  char text[8];
  ck_assert_int_lt(take(text, sizeof text), 0);
  run();
  ck_assert_uint_eq(side.closes, 0);
}
END_TEST

/* A peer that does not read: the queue fills to its limit, then sending fails; what was taken arrives in order once the peer reads, each with its fd. */
START_TEST(queue_is_bounded_and_ordered) {
  g_autoptr(GError) error = NULL;
  static char text[WRY_MAX_MESSAGE + 1];
  char filler[20000];
  guint accepted = 0, before = open_fds();
  memset(filler, 'x', sizeof filler - 1);
  filler[sizeof filler - 1] = '\0';
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  alarm(20);
  for (;; accepted++) {
    WryMsgReply reply = {.seq = {TRUE, accepted}, .code = {TRUE, 0}, .message = filler};
    if (!wry_wire_send(side.wire, WRY_MSG_REPLY, &reply, &null, 1, &error)) break;
  }
  close(null);
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_TOO_LARGE));
  ck_assert_uint_ge(accepted, WRY_MAX_WIRE_QUEUE);
  ck_assert_uint_lt(accepted, 1000);
  for (guint i = 0; i < accepted; i++) {
    gssize got = take(text, sizeof text);
    if (got < 0) run();
    if (got < 0) got = take(text, sizeof text);
    ck_assert_int_gt(got, 0);
    WryMsgType type;
    WryMsgReply *reply = wry_msg_decode(text, (gsize)got, 1, &type, NULL);
    ck_assert_int_eq(reply->seq.v, i);
    wry_struct_free(wry_msg_type(type), reply);
  }
  run();
  ck_assert_int_lt(take(text, sizeof text), 0);
  ck_assert_uint_eq(open_fds(), before);
  ck_assert_uint_eq(side.closes, 0);
  alarm(0);
}
END_TEST

/* Whatever waits goes with the wire. */
START_TEST(queue_is_dropped_with_the_wire) {
  char filler[20000];
  guint before = open_fds();
  memset(filler, 'x', sizeof filler - 1);
  filler[sizeof filler - 1] = '\0';
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  for (gint64 i = 0;; i++) {
    WryMsgReply reply = {.seq = {TRUE, i}, .code = {TRUE, 0}, .message = filler};
    if (!wry_wire_send(side.wire, WRY_MSG_REPLY, &reply, &null, 1, NULL)) break;
  }
  close(null);
  if (_i) {
    close(peer);
    peer = -1;
    run();
    ck_assert_uint_eq(side.closes, 1);
    ck_assert_uint_eq(open_fds(), before - 2);
  } else {
    g_clear_pointer(&side.wire, wry_wire_free);
    ck_assert_uint_eq(open_fds(), before - 1);
  }
}
END_TEST

START_TEST(free_null) {
  wry_wire_free(NULL);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("wire");
  TCase *texts = tcase_create("messages"), *wires = tcase_create("connections");
  tcase_add_loop_test(texts, there_and_back, 0, G_N_ELEMENTS(good));
  tcase_add_test(texts, names_are_unique);
  tcase_add_loop_test(texts, refuses, 0, G_N_ELEMENTS(bad));
  tcase_add_test(texts, every_length);
  tcase_add_test(texts, too_long_to_encode);
  tcase_add_checked_fixture(wires, setup, teardown);
  tcase_add_test(wires, delivers_in_order);
  tcase_add_loop_test(wires, breach_ends_the_connection, 0, G_N_ELEMENTS(breaches));
  tcase_add_loop_test(wires, peer_goes_away, 0, 2);
  tcase_add_test(wires, empty_datagram_is_an_end);
  tcase_add_test(wires, freed_in_message);
  tcase_add_test(wires, lengths_around_the_limit);
  tcase_add_test(wires, fds_are_handed_over);
  tcase_add_loop_test(wires, fds_do_not_leak, 0, G_N_ELEMENTS(floods));
  tcase_add_test(wires, fd_flood);
  tcase_add_test(wires, sends);
  tcase_add_test(wires, refuses_to_send_nonsense);
  tcase_add_test(wires, queue_is_bounded_and_ordered);
  tcase_add_loop_test(wires, queue_is_dropped_with_the_wire, 0, 2);
  tcase_add_test(wires, free_null);
  tcase_set_timeout(texts, 60);
  tcase_set_timeout(wires, 60);
  suite_add_tcase(suite, texts);
  suite_add_tcase(suite, wires);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
