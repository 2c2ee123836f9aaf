/* Log: one line per record to stderr, for people or, with WRY_LOG=json, for machines.
 *
 * A record is composed in memory and written with one write, so lines of several threads do not mix. Whatever a value holds, a record stays one line:
 * control characters, quotes and bytes that are no UTF-8 are escaped, and a text stops after MAX_TEXT bytes. A full or closed stderr loses records and never
 * stops or ends the program.
 *
 * Relies on stderr being where the service manager or kubelet collects lines. */
#include "wherry/log.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#define MAX_TEXT 2048

static const char *const levels[] = {[WRY_LOG_ERROR] = "error", [WRY_LOG_WARNING] = "warning", [WRY_LOG_INFO] = "info", [WRY_LOG_DEBUG] = "debug"};

static struct {
  const char *component;
  WryLogLevel threshold;
  gboolean json;
} settings = {"wherry", WRY_LOG_INFO, FALSE};

void wry_log_init(const char *component) {
  const char *wanted = g_getenv("WRY_LOG_LEVEL");
  settings.component = component;
  settings.threshold = WRY_LOG_INFO;
  settings.json = g_strcmp0(g_getenv("WRY_LOG"), "json") == 0;
  for (guint i = 0; i < G_N_ELEMENTS(levels); i++)
    if (g_strcmp0(wanted, levels[i]) == 0) settings.threshold = (WryLogLevel)i;
}

/* C0, DEL, C1, line and paragraph separators, direction marks: what a terminal or a viewer could take as a command. */
static gboolean is_hidden(gunichar c) {
  return g_unichar_iscntrl(c) || c == 0x2028 || c == 0x2029 || (c >= 0x200e && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* Between quotes, as a JSON string would be. */
static void append_escaped(GString *line, const char *text) {
  static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";
  g_autofree char *valid = g_utf8_make_valid(text, (gssize)strnlen(text, MAX_TEXT));
  for (const char *at = valid; *at; at = g_utf8_next_char(at)) {
    gunichar c = g_utf8_get_char(at);
    const char *special = c < 128 ? strchr(from, (int)c) : NULL;
    if (special)
      g_string_append_printf(line, "\\%c", to[special - from]);
    else if (is_hidden(c))
      g_string_append_printf(line, "\\u%04x", c);
    else
      g_string_append_unichar(line, c);
  }
}

static void append_quoted(GString *line, const char *text) {
  g_string_append_c(line, '"');
  append_escaped(line, text);
  g_string_append_c(line, '"');
}

/* A value without blanks, quotes or anything hidden stands bare. */
static gboolean stands_bare(const char *text) {
  if (strnlen(text, MAX_TEXT + 1) > MAX_TEXT) return FALSE;
  for (const char *at = text; *at; at++)
    if ((guchar)*at <= ' ' || (guchar)*at >= 0x7f || strchr("\"\\=", *at)) return FALSE;
  return *text != '\0';
}

static void compose_text(GString *line, WryLogLevel level, const char *message, va_list pairs) {
  g_string_append_printf(line, "%s %s: ", levels[level], settings.component);
  append_escaped(line, message);
  for (const char *key; (key = va_arg(pairs, const char *));) {
    const char *value = va_arg(pairs, const char *);
    g_string_append_printf(line, " %s=", key);
    if (value && stands_bare(value))
      g_string_append(line, value);
    else
      append_quoted(line, value ? value : "");
  }
}

static void compose_json(GString *line, WryLogLevel level, const char *message, va_list pairs) {
  g_autoptr(GDateTime) now = g_date_time_new_now_utc();
  g_autofree char *time = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S.%fZ");
  g_string_append_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"component\":\"%s\",\"message\":", time, levels[level], settings.component);
  append_quoted(line, message);
  for (const char *key; (key = va_arg(pairs, const char *));) {
    const char *value = va_arg(pairs, const char *);
    g_string_append_c(line, ',');
    append_quoted(line, key);
    g_string_append_c(line, ':');
    append_quoted(line, value ? value : "");
  }
  g_string_append_c(line, '}');
}

/* A pipe that is full would stop us, one without a reader would send SIGPIPE. */
static void write_line(const GString *line) {
  struct pollfd stderr_fd = {STDERR_FILENO, POLLOUT, 0};
  if (poll(&stderr_fd, 1, 0) != 1 || stderr_fd.revents != POLLOUT) return;
  gssize done = write(STDERR_FILENO, line->str, line->len);
  (void)done;
}

void wry_log(WryLogLevel level, const char *message, ...) {
  va_list pairs;
  if (level > settings.threshold) return;
  g_autoptr(GString) line = g_string_new(NULL);
  va_start(pairs, message);
  if (settings.json)
    compose_json(line, level, message, pairs);
  else
    compose_text(line, level, message, pairs);
  va_end(pairs);
  g_string_append_c(line, '\n');
  write_line(line);
}
