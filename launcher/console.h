#pragma once
/* The serial console of a VM: one ring of its last WRY_CONSOLE_RING bytes, many readers with cursors of their own, one writer. A slow reader loses bytes (and is told how many);
 * it never slows the guest or another reader. Runs on the default GMainContext. */
#include <glib.h>
#include "launcher/console_log.h"

typedef struct WryConsole WryConsole;

/* `take_from_guest` and `take_to_guest` are open for reading and writing without blocking (a FIFO held so never sees end of file). `log` may be NULL; borrowed.
 * What the log holds of this boot is there to scroll back to: the console of a restarted `run` goes on where it was. */
WryConsole *wry_console_new(int take_from_guest, int take_to_guest, WryConsoleLog *log);
void wry_console_free(WryConsole *console);

/* A new session. The result is the client's end of a SOCK_STREAM pair, owned by the caller; -1 on error.
 * A session that is not `read_only` writes. There is one writer: a second one is refused (WRY_ERROR_CONFLICT) unless `force`, which ends the older one's session, as KubeVirt does.
 * More than WRY_CONSOLE_SESSIONS sessions: WRY_ERROR_TOO_LARGE. */
int wry_console_attach(WryConsole *console, gboolean read_only, gboolean force, gboolean scrollback, GError **error);
guint wry_console_sessions(const WryConsole *console);
/* Reads all that is left in the FIFO now: at the end of a VM, so that its last words are in the log. Sessions get what their sockets take, then end of file. */
void wry_console_finish(WryConsole *console);
