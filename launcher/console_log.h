#pragma once
/* The serial console's log: "serial0.log" and one older file "serial0.log.1", at most WRY_CONSOLE_LOG bytes each. The log of the VM's last boot is "serial0.log.previous" (and
 * ".previous.1"). A full disk loses log lines, never the console; the log says how many bytes it missed. */
#include <glib.h>

typedef struct WryConsoleLog WryConsoleLog;

/* `dirfd` is borrowed and must outlive the log. `fresh`: a new boot: the present log becomes the previous one. */
WryConsoleLog *wry_console_log_new(int dirfd, gboolean fresh, GError **error);
void wry_console_log_free(WryConsoleLog *log);
/* Appends; rotates before a file would grow past WRY_CONSOLE_LOG. */
void wry_console_log_write(WryConsoleLog *log, const char *data, gsize length);
/* Reads the last bytes of the boot's log, at most `max`, into `into`; returns how many. */
gsize wry_console_log_recall(const WryConsoleLog *log, char *into, gsize max);
/* Bytes that could not be written since the log was opened. */
guint64 wry_console_log_missed(const WryConsoleLog *log);
