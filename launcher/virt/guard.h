#pragma once
/* libvirt's directory of one VM, kept so that libvirt neither kills nor doubles a running VM.
 *
 * Measured with libvirt 9.0: re-attaching with a full run directory kills the VM; a truncated status file makes it believe that the VM is shut off while QEMU lives. So there is a
 * reserve of bytes and inodes that is given free before an attach, and a second copy of the status file from which a broken one is written anew. All calls work below `dir`, the VM's private
 * directory (a tmpfs), in which libvirt's root is "libvirt". */
#include <glib.h>

#define WRY_GUARD_ROOT "libvirt"

/* Before the first start: makes libvirt's directories, its configuration, the reserve, and copies the node's capability cache (`caps_dir`, -1 = none). Idempotent. */
gboolean wry_guard_prepare(int dir, int caps_dir, GError **error);
/* Before re-attaching to a living QEMU: frees the reserve, cuts an overgrown domain log, repairs the status file. FALSE when attaching would be dangerous (WRY_ERROR_NO_SPACE, or
 * WRY_ERROR_NOT_FOUND: neither a status file nor a copy): then libvirt must not be opened. */
gboolean wry_guard_before_attach(int dir, const char *domain, GError **error);
/* After an attach: the reserve again. A full disk is no error here. */
void wry_guard_after_attach(int dir);
/* Keeps a second copy of the status file when it is whole. */
gboolean wry_guard_keep_status(int dir, const char *domain, GError **error);
/* Forgets the domain: its copy, and what libvirt noted of it. Only when no QEMU lives: before a start that follows an unfinished one, and when the VM is over. */
void wry_guard_forget(int dir, const char *domain);
/* pid that libvirt noted for the domain's QEMU; 0 when none. Not believed by itself: see launcher/qemu.h. */
int wry_guard_pid(int dir, const char *domain);
/* By libvirt's status file the domain's guest has run: it is running, or paused by anything but its start. */
gboolean wry_guard_has_run(int dir, const char *domain);
/* The last lines of the domain log (QEMU's stderr), at most `max` bytes, cleaned of control characters. New string, never NULL. */
char *wry_guard_log_tail(int dir, const char *domain, gsize max);
/* Well-formed XML. Pure. */
gboolean wry_guard_is_whole(const char *text, gsize length);
