/* The serial console: QEMU's FIFO -> ring -> log and sessions; the writer's socket -> QEMU's FIFO.
 *
 * Bytes of the guest are read straight into the ring and go from there to the log and to every session, so nothing is copied and a session costs a cursor and its socket's
 * buffer. A session whose cursor falls out of the ring skips ahead and gets a line that says how much it missed. Input has back-pressure: while QEMU's FIFO is full, the
 * writer's socket is not read. One read per dispatch keeps a flooding guest from starving the rest of the loop. */
#include "launcher/console.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define READ_BYTES (64u << 10)
#define PIPE_BYTES (256u << 10) /* what a guest may print while `run` is being restarted */
#define INPUT_BYTES 4096u
#define SESSION_BYTES (32 << 10) /* in a session's socket; the kernel doubles it */
#define LAST_READS 64u           /* at the end of a VM: whoever still writes then is not listened to for ever */

typedef struct {
  WryConsole *console;
  int fd;
  guint source;
  GIOCondition watched;
  guint64 cursor; /* of the next byte to send, counted since the console began */
  char note[80];  /* a line of ours, sent before the next byte of the guest */
  gsize note_length, note_sent;
  guint64 dropped; /* what the note tells */
  gboolean writes, input_over;
} Session;

struct WryConsole {
  int from_guest, to_guest;
  guint from_source, to_source;
  WryConsoleLog *log;
  char *ring;
  guint64 head; /* bytes ever read */
  GPtrArray *sessions;
  char input[INPUT_BYTES]; /* of the writer, not yet taken by QEMU */
  gsize input_length, input_sent;
};

static gboolean session_ready(gint fd, GIOCondition condition, gpointer data);

static void session_free(gpointer data) {
  Session *session = data;
  if (session->source)
    g_source_remove(session->source);
  wry_fd_close(&session->fd);
  g_free(session);
}

static void session_end(Session *session) {
  g_ptr_array_remove_fast(session->console->sessions, session);
}

/* Watches exactly what the session waits for. Hang-up is always told. */
static void session_watch(Session *session) {
  WryConsole *console = session->console;
  gboolean behind = session->note_sent < session->note_length || session->cursor < console->head;
  gboolean reads = !session->input_over && (!session->writes || console->input_length == 0);
  GIOCondition wanted = (behind ? G_IO_OUT : 0) | (reads ? G_IO_IN : 0) | G_IO_HUP | G_IO_ERR;
  if (session->source && wanted == session->watched)
    return;
  if (session->source)
    g_source_remove(session->source);
  session->watched = wanted;
  session->source = g_unix_fd_add(session->fd, wanted, session_ready, session);
}

/* The ring's bytes from `cursor` to the head as one or two pieces. */
static int ring_pieces(const WryConsole *console, guint64 cursor, struct iovec *pieces) {
  gsize start = cursor % WRY_CONSOLE_RING, length = (gsize)(console->head - cursor);
  gsize first = MIN(length, WRY_CONSOLE_RING - start);
  pieces[0] = (struct iovec){console->ring + start, first};
  pieces[1] = (struct iovec){console->ring, length - first};
  return length > first ? 2 : 1;
}

/* A reader that fell out of the ring skips ahead. While its note has not begun to go out, the note grows with what is lost meanwhile. */
static void skip_lost(Session *session) {
  guint64 oldest = session->console->head > WRY_CONSOLE_RING ? session->console->head - WRY_CONSOLE_RING : 0;
  if (session->cursor >= oldest || session->note_sent > 0)
    return;
  session->dropped += oldest - session->cursor;
  session->cursor = oldest;
  session->note_length = (gsize)g_snprintf(session->note, sizeof session->note, "\r\n[%" G_GUINT64_FORMAT " bytes dropped]\r\n", session->dropped);
}

/* The note is out. */
static void note_done(Session *session) {
  session->note_length = session->note_sent = 0;
  session->dropped = 0;
}

/* What comes next: the rest of a note, else bytes of the guest. 0 = nothing. */
static int next_pieces(Session *session, struct iovec *pieces) {
  skip_lost(session);
  if (session->note_sent < session->note_length) {
    pieces[0] = (struct iovec){session->note + session->note_sent, session->note_length - session->note_sent};
    return 1;
  }
  return session->cursor < session->console->head ? ring_pieces(session->console, session->cursor, pieces) : 0;
}

/* Sends what the socket takes. FALSE: the session is over. */
static gboolean session_send(Session *session) {
  struct iovec pieces[2];
  for (int n; (n = next_pieces(session, pieces)) > 0;) {
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (gsize)n};
    gboolean note = session->note_sent < session->note_length;
    ssize_t sent = sendmsg(session->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR)
      continue;
    if (sent < 0)
      return errno == EAGAIN;
    if (!note)
      session->cursor += (guint64)sent;
    else if ((session->note_sent += (gsize)sent) == session->note_length)
      note_done(session);
  }
  return TRUE;
}

static void pump(Session *session) {
  if (session_send(session))
    session_watch(session);
  else
    session_end(session);
}

static void pump_all(WryConsole *console) {
  for (guint i = console->sessions->len; i > 0; i--)
    pump(g_ptr_array_index(console->sessions, i - 1));
}

/* --- guest to ring ---------------------------------------------------------------------------------------------------- */

/* One read into the ring. FALSE when there was nothing. */
static gboolean take_output(WryConsole *console) {
  gsize start = console->head % WRY_CONSOLE_RING;
  struct iovec pieces[2] = {{console->ring + start, MIN(READ_BYTES, WRY_CONSOLE_RING - start)}, {console->ring, 0}};
  pieces[1].iov_len = READ_BYTES - pieces[0].iov_len;
  ssize_t n = readv(console->from_guest, pieces, 2);
  if (n <= 0)
    return FALSE;
  gsize first = MIN((gsize)n, pieces[0].iov_len);
  console->head += (guint64)n;
  if (console->log) {
    wry_console_log_write(console->log, pieces[0].iov_base, first);
    if ((gsize)n > first)
      wry_console_log_write(console->log, pieces[1].iov_base, (gsize)n - first);
  }
  return TRUE;
}

static gboolean guest_spoke(gint fd, GIOCondition condition, gpointer data) {
  WryConsole *console = data;
  (void)fd;
  (void)condition;
  if (take_output(console))
    pump_all(console);
  return G_SOURCE_CONTINUE;
}

/* --- writer to guest -------------------------------------------------------------------------------------------------- */

static gboolean guest_takes(gint fd, GIOCondition condition, gpointer data);

static void give_input(WryConsole *console) {
  while (console->input_sent < console->input_length) {
    ssize_t n = write(console->to_guest, console->input + console->input_sent, console->input_length - console->input_sent);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && errno == EAGAIN) {
      if (!console->to_source)
        console->to_source = g_unix_fd_add(console->to_guest, G_IO_OUT, guest_takes, console);
      return;
    }
    if (n <= 0)
      break;
    console->input_sent += (gsize)n;
  }
  console->input_length = console->input_sent = 0;
}

static gboolean guest_takes(gint fd, GIOCondition condition, gpointer data) {
  WryConsole *console = data;
  (void)fd;
  (void)condition;
  console->to_source = 0;
  give_input(console);
  pump_all(console);
  return G_SOURCE_REMOVE;
}

/* Input of a reader is thrown away, of the writer goes to the guest. FALSE: the session is over. */
static gboolean session_input(Session *session) {
  WryConsole *console = session->console;
  char waste[INPUT_BYTES];
  if (session->writes && console->input_length > 0)
    return TRUE;
  ssize_t n = recv(session->fd, session->writes ? console->input : waste, INPUT_BYTES, MSG_DONTWAIT);
  if (n < 0)
    return errno == EAGAIN || errno == EINTR;
  session->input_over = n == 0; /* its output goes on */
  if (session->writes && n > 0) {
    console->input_length = (gsize)n;
    give_input(console);
  }
  return TRUE;
}

static gboolean session_ready(gint fd, GIOCondition condition, gpointer data) {
  Session *session = data;
  guint id = session->source;
  (void)fd;
  if ((condition & G_IO_IN && !session_input(session)) || (condition & (G_IO_HUP | G_IO_ERR) && !(condition & G_IO_IN)) || !session_send(session)) {
    session->source = 0; /* removed by the return value */
    session_end(session);
    return G_SOURCE_REMOVE;
  }
  session_watch(session);
  return session->source == id ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* --- sessions --------------------------------------------------------------------------------------------------------- */

static Session *find_writer(const WryConsole *console) {
  for (guint i = 0; i < console->sessions->len; i++) {
    Session *session = g_ptr_array_index(console->sessions, i);
    if (session->writes && !session->input_over)
      return session;
  }
  return NULL;
}

static gboolean admit(WryConsole *console, gboolean writes, gboolean force, GError **error) {
  Session *writer = writes ? find_writer(console) : NULL;
  if (writer && !force) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_CONFLICT, "the console has a writer already");
    return FALSE;
  }
  if (writer)
    session_end(writer);
  if (console->sessions->len >= WRY_CONSOLE_SESSIONS) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "the console has %u sessions already", console->sessions->len);
    return FALSE;
  }
  return TRUE;
}

int wry_console_attach(WryConsole *console, gboolean read_only, gboolean force, gboolean scrollback, GError **error) {
  int ends[2];
  if (!admit(console, !read_only, force, error))
    return -1;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    wry_errno(error, errno, "console session");
    return -1;
  }
  setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &(int){SESSION_BYTES}, sizeof(int));
  Session *session = g_new0(Session, 1);
  session->console = console;
  session->fd = ends[0];
  session->writes = !read_only;
  session->cursor = !scrollback ? console->head : console->head > WRY_CONSOLE_RING ? console->head - WRY_CONSOLE_RING : 0;
  g_ptr_array_add(console->sessions, session);
  pump(session);
  return ends[1];
}

guint wry_console_sessions(const WryConsole *console) {
  return console->sessions->len;
}

WryConsole *wry_console_new(int take_from_guest, int take_to_guest, WryConsoleLog *log) {
  WryConsole *console = g_new0(WryConsole, 1);
  console->from_guest = take_from_guest;
  console->to_guest = take_to_guest;
  console->log = log;
  console->ring = g_malloc(WRY_CONSOLE_RING);
  console->head = log ? wry_console_log_recall(log, console->ring, WRY_CONSOLE_RING) : 0;
  console->sessions = g_ptr_array_new_with_free_func(session_free);
  fcntl(take_from_guest, F_SETPIPE_SZ, PIPE_BYTES); /* a wish: a smaller pipe works too */
  console->from_source = g_unix_fd_add(take_from_guest, G_IO_IN, guest_spoke, console);
  return console;
}

void wry_console_finish(WryConsole *console) {
  for (guint i = 0; i < LAST_READS && take_output(console); i++)
    pump_all(console);
  g_ptr_array_set_size(console->sessions, 0);
}

void wry_console_free(WryConsole *console) {
  if (!console)
    return;
  g_clear_handle_id(&console->from_source, g_source_remove);
  g_clear_handle_id(&console->to_source, g_source_remove);
  g_ptr_array_unref(console->sessions);
  wry_fd_close(&console->from_guest);
  wry_fd_close(&console->to_guest);
  g_free(console->ring);
  g_free(console);
}
