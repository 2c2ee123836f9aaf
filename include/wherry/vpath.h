#pragma once
/* The one path module. A directory is an fd; a path is always relative to one and never leaves it: openat2 with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS and
 * RESOLVE_NO_MAGICLINKS, or a component walk with O_NOFOLLOW where the kernel lacks it. Everything else in the tree works with what this module returns.
 * All fds are O_CLOEXEC and owned by the caller. */
#include <glib.h>
#include <sys/stat.h>
#include <sys/types.h>

typedef enum { WRY_WANT_ANY, WRY_WANT_FILE, WRY_WANT_DIR, WRY_WANT_SOCKET, WRY_WANT_BLOCK, WRY_WANT_FIFO } WryWant;

/* Opens a directory by absolute path: the only entry by string (program options, well-known directories). Symlinks in the path are followed: it is the operator's. */
int wry_dir_open(const char *absolute, GError **error);
/* As above, made (mkdir -p, mode) when absent. */
int wry_dir_make(const char *absolute, mode_t mode, GError **error);
/* Opens a regular file of the operator by path (command line arguments of wherryctl). `flags` are open(2)'s. */
int wry_file_open(const char *path, int flags, mode_t mode, GError **error);

/* Opens `relative` below `dirfd`. Refuses: `..`, absolute, symlinks anywhere, NUL-less too long (255 a component), another type than `want`, for WRY_WANT_FILE also hard links
 * (nlink != 1) unless it is read-only (O_RDONLY). `flags`: open(2)'s, O_CREAT with mode allowed for files.
 * Never waits for the other end of a FIFO, truncates only after the checks, forces O_PATH for WRY_WANT_SOCKET. "." is the directory itself. */
int wry_vopen(int dirfd, const char *relative, int flags, mode_t mode, WryWant want, GError **error);
/* Makes `relative` as a directory when absent (one component deep each, all parents too) and opens it. */
int wry_vmkdir(int dirfd, const char *relative, mode_t mode, GError **error);
gboolean wry_vmkfifo(int dirfd, const char *name, mode_t mode, GError **error);
gboolean wry_vunlink(int dirfd, const char *relative, GError **error);          /* absent is success */
gboolean wry_vrename(int dirfd, const char *from, const char *to, GError **error); /* one directory, then fsync of it */
gboolean wry_vremove_tree(int dirfd, const char *relative, GError **error);     /* absent is success; does not cross mounts, does not follow links */
gboolean wry_vexists(int dirfd, const char *relative);
/* Names in a directory, sorted, without . and .. . Elements: char *. */
GPtrArray *wry_vlist(int dirfd, GError **error);
/* Whole file, at most `max` bytes (WRY_ERROR_TOO_LARGE). NUL-terminated, length in *ret_length. */
char *wry_vread(int dirfd, const char *relative, gsize max, gsize *ret_length, GError **error);
/* tmp + fsync + rename + fsync(dir). */
gboolean wry_vwrite(int dirfd, const char *relative, const void *data, gsize length, mode_t mode, GError **error);
/* Reads fd from its current offset to its end, at most `max` bytes. */
char *wry_fd_read(int fd, gsize max, gsize *ret_length, GError **error);
/* A name that may be one component of a path: DNS-1123 subdomain or uuid; no '/', not "." or "..", 1..253 bytes. */
gboolean wry_vname_valid(const char *name);

/* UNIX sockets below a directory (through /proc/self/fd, so no path race; the name of one to listen on has at most 80 bytes). type: SOCK_STREAM or SOCK_SEQPACKET.
 * Connecting never waits for a peer whose queue is full; the fd is a blocking one afterwards. */
int wry_vconnect(int dirfd, const char *name, int type, GError **error);
/* Non-blocking. Replaces a stale socket, never another file; WRY_ERROR_LOCKED when somebody listens there. */
int wry_vlisten(int dirfd, const char *name, int type, mode_t mode, GError **error);
