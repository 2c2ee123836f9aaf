/* The one path module: everything that hands a path to the kernel.
 *
 * A relative path is checked as text first (no empty, "." or ".." component, none longer than 255 bytes), then resolved by openat2 with RESOLVE_BENEATH,
 * RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS. Where the kernel has no openat2, or a filter hides it, each component is opened by itself with
 * O_NOFOLLOW. What was opened is then looked at: type, and for files that are to be written the number of links. An open never blocks on a FIFO and
 * truncates nothing before the look: O_NONBLOCK is taken off and O_TRUNC carried out afterwards.
 *
 * Relies on /proc for sockets: a socket is connected to by the fd that was checked, and bound below its directory's fd. */
#include "wherry/vpath.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/limits.h"

#define PATH_ONLY_FLAGS (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define RESOLVE_TRIES 8
#define REMOVE_BATCH 4096u
#define DYING_MS 2000 /* for which a process that was killed may go on to listen */
#define REMOVE_ROUNDS (1u << 20)

/* --- paths as text ------------------------------------------------------------------------------------------------------------------------------------ */
/* Length of the component at `path`; 0 when it is none that may be walked. */
static gsize component(const char *path) {
  gsize length = strcspn(path, "/");
  gboolean dots = (length == 1 && path[0] == '.') || (length == 2 && path[0] == '.' && path[1] == '.');
  return dots || length > NAME_MAX ? 0 : length;
}

static gboolean check_path(const char *path, GError **error) {
  gboolean good = strlen(path) < PATH_MAX;
  if (!strcmp(path, ".")) return TRUE;
  for (const char *at = path; good; at++) {
    gsize length = component(at);
    good = length > 0;
    at += length;
    if (good && !*at) return TRUE;
  }
  g_autofree char *shown = g_strescape(path, NULL);
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "\"%.100s\" is no path below a directory", shown);
  return FALSE;
}

/* Splits a checked path: what stands before its last component ("." when nothing does), and that. */
static char *parent_of(const char *path, const char **ret_name) {
  const char *slash = strrchr(path, '/');
  *ret_name = slash ? slash + 1 : path;
  return slash ? g_strndup(path, (gsize)(slash - path)) : g_strdup(".");
}

/* --- resolving ------------------------------------------------------------------------------------------------------------------------------------------ */
static int retry_openat(int dirfd, const char *name, int flags, mode_t mode) {
  int fd;
  do fd = openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC, mode);
  while (fd < 0 && errno == EINTR);
  return fd;
}

/* Without openat2: one component at a time. */
static int walk(int dirfd, const char *path, int flags, mode_t mode) {
  wry_autofd int at = -1;
  char name[NAME_MAX + 1];
  for (const char *slash; (slash = strchr(path, '/')); path = slash + 1) {
    memcpy(name, path, (gsize)(slash - path));
    name[slash - path] = '\0';
    int next = retry_openat(at < 0 ? dirfd : at, name, O_PATH | O_DIRECTORY, 0);
    if (next < 0) return -1;
    if (at >= 0) close(at);
    at = next;
  }
  return retry_openat(at < 0 ? dirfd : at, path, flags, mode);
}

/* EAGAIN: something was renamed meanwhile and the kernel is not sure that the result is beneath. */
static int resolve(int dirfd, const char *path, int flags, mode_t mode) {
  struct open_how how = {.flags = (guint64)(flags | O_CLOEXEC | O_NOFOLLOW), .mode = flags & O_CREAT ? mode & 07777 : 0,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
  int fd = -1;
  for (int i = 0; i < RESOLVE_TRIES; i++) {
    fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
  }
  return fd < 0 && (errno == ENOSYS || errno == EPERM) ? walk(dirfd, path, flags, mode) : fd;
}

/* --- looking at what was opened ------------------------------------------------------------------------------------------------------------------------------ */
static const struct {
  mode_t type; /* 0: any but a symlink */
  const char *noun;
} wants[] = {
    [WRY_WANT_ANY] = {0, "no symlink"},       [WRY_WANT_FILE] = {S_IFREG, "a regular file"}, [WRY_WANT_DIR] = {S_IFDIR, "a directory"},
    [WRY_WANT_SOCKET] = {S_IFSOCK, "a socket"}, [WRY_WANT_BLOCK] = {S_IFBLK, "a block device"}, [WRY_WANT_FIFO] = {S_IFIFO, "a FIFO"},
};

static gboolean check_type(const struct stat *st, const char *path, int flags, WryWant want, GError **error) {
  mode_t type = st->st_mode & S_IFMT;
  if (wants[want].type ? type != wants[want].type : type == S_IFLNK) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "%s: not %s", path, wants[want].noun);
    return FALSE;
  }
  gboolean reads_only = (flags & O_PATH) || (flags & O_ACCMODE) == O_RDONLY;
  if (want != WRY_WANT_FILE || reads_only || st->st_nlink == 1) return TRUE;
  g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "%s: has %lu names", path, (unsigned long)st->st_nlink);
  return FALSE;
}

/* Takes back what the open deferred. */
static gboolean settle(int fd, int flags) {
  if (flags & O_PATH) return TRUE;
  if ((flags & O_TRUNC) && ftruncate(fd, 0)) return FALSE;
  if (flags & O_NONBLOCK) return TRUE;
  int now = fcntl(fd, F_GETFL);
  return now >= 0 && fcntl(fd, F_SETFL, now & ~O_NONBLOCK) == 0;
}

int wry_vopen(int dirfd, const char *relative, int flags, mode_t mode, WryWant want, GError **error) {
  struct stat st;
  if (want == WRY_WANT_SOCKET) flags |= O_PATH;
  if (want == WRY_WANT_DIR) flags |= O_DIRECTORY;
  int safe = flags & O_PATH ? flags & PATH_ONLY_FLAGS : (flags & ~O_TRUNC) | O_NONBLOCK | O_NOCTTY;
  if (!check_path(relative, error)) return -1;
  wry_autofd int fd = resolve(dirfd, relative, safe, mode);
  if (fd < 0) {
    wry_errno(error, errno, "%s", relative);
    return -1;
  }
  if (fstat(fd, &st)) {
    wry_errno(error, errno, "%s", relative);
    return -1;
  }
  if (!check_type(&st, relative, flags, want, error)) return -1;
  if (!settle(fd, flags)) {
    wry_errno(error, errno, "%s", relative);
    return -1;
  }
  return g_steal_fd(&fd);
}

gboolean wry_vexists(int dirfd, const char *relative) {
  wry_autofd int fd = wry_vopen(dirfd, relative, O_PATH, 0, WRY_WANT_ANY, NULL);
  return fd >= 0;
}

/* --- the operator's paths --------------------------------------------------------------------------------------------------------------------------------------- */
int wry_file_open(const char *path, int flags, mode_t mode, GError **error) {
  struct stat st;
  wry_autofd int fd = open(path, (flags & ~O_TRUNC) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, mode);
  if (fd < 0 || fstat(fd, &st)) {
    wry_errno(error, errno, "open %s", path);
    return -1;
  }
  if (!check_type(&st, path, O_RDONLY, WRY_WANT_FILE, error)) return -1;
  if (!settle(fd, flags)) {
    wry_errno(error, errno, "open %s", path);
    return -1;
  }
  return g_steal_fd(&fd);
}

int wry_dir_open(const char *absolute, GError **error) {
  int fd = open(absolute, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) wry_errno(error, errno, "open %s", absolute);
  return fd;
}

int wry_dir_make(const char *absolute, mode_t mode, GError **error) {
  g_autofree char *path = g_strdup(absolute);
  for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    if (mkdir(path, mode) && errno != EEXIST && errno != EROFS && errno != EACCES) {
      wry_errno(error, errno, "mkdir %s", path);
      return -1;
    }
    *slash = '/';
  }
  if (mkdir(path, mode) && errno != EEXIST) {
    wry_errno(error, errno, "mkdir %s", path);
    return -1;
  }
  return wry_dir_open(path, error);
}

/* --- making, removing, renaming ------------------------------------------------------------------------------------------------------------------------------------ */
/* Directory of a path, open for fsync, and the name in it. "." has no name in itself. */
static int open_parent(int dirfd, const char *relative, const char **ret_name, GError **error) {
  if (!check_path(relative, error)) return -1;
  if (!strcmp(relative, ".")) {
    wry_errno(error, EINVAL, ".");
    return -1;
  }
  g_autofree char *parent = parent_of(relative, ret_name);
  return wry_vopen(dirfd, parent, O_RDONLY, 0, WRY_WANT_DIR, error);
}

/* One directory level. The mode holds whatever the umask is, for directories made here only. */
static int make_level(int dirfd, const char *name, mode_t mode) {
  gboolean made = mkdirat(dirfd, name, mode) == 0;
  if (!made && errno != EEXIST) return -1;
  wry_autofd int fd = retry_openat(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0 || (made && fchmod(fd, mode))) return -1;
  return g_steal_fd(&fd);
}

int wry_vmkdir(int dirfd, const char *relative, mode_t mode, GError **error) {
  if (!check_path(relative, error)) return -1;
  wry_autofd int at = -1;
  g_auto(GStrv) names = g_strsplit(relative, "/", -1);
  if (!strcmp(relative, ".")) return wry_vopen(dirfd, ".", O_RDONLY, 0, WRY_WANT_DIR, error);
  for (char **name = names; *name; name++) {
    int next = make_level(at < 0 ? dirfd : at, *name, mode);
    if (next < 0) {
      wry_errno(error, errno, "mkdir %s", relative);
      return -1;
    }
    if (at >= 0) close(at);
    at = next;
  }
  return g_steal_fd(&at);
}

gboolean wry_vmkfifo(int dirfd, const char *name, mode_t mode, GError **error) {
  if (!check_path(name, error)) return FALSE;
  gboolean made = strchr(name, '/') == NULL && mkfifoat(dirfd, name, mode) == 0;
  if (!made && (strchr(name, '/') || errno != EEXIST)) return wry_errno(error, strchr(name, '/') ? EINVAL : errno, "mkfifo %s", name);
  wry_autofd int fd = wry_vopen(dirfd, name, O_RDONLY | O_NONBLOCK, 0, WRY_WANT_FIFO, error);
  if (fd < 0) return FALSE;
  return !made || fchmod(fd, mode) == 0 || wry_errno(error, errno, "mkfifo %s", name);
}

gboolean wry_vunlink(int dirfd, const char *relative, GError **error) {
  const char *name;
  g_autoptr(GError) why = NULL;
  wry_autofd int parent = open_parent(dirfd, relative, &name, &why);
  if (parent < 0 && g_error_matches(why, WRY_ERROR, WRY_ERROR_NOT_FOUND)) return TRUE;
  if (parent < 0) {
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
  }
  return unlinkat(parent, name, 0) == 0 || errno == ENOENT || wry_errno(error, errno, "unlink %s", relative);
}

gboolean wry_vrename(int dirfd, const char *from, const char *to, GError **error) {
  const char *old, *new;
  wry_autofd int from_dir = open_parent(dirfd, from, &old, error);
  if (from_dir < 0) return FALSE;
  wry_autofd int to_dir = open_parent(dirfd, to, &new, error);
  if (to_dir < 0) return FALSE;
  if (renameat(from_dir, old, to_dir, new)) return wry_errno(error, errno, "rename %s to %s", from, to);
  gboolean same = old - from == new - to && strncmp(from, to, (gsize)(old - from)) == 0; /* one directory is written once */
  return (fsync(to_dir) == 0 && (same || fsync(from_dir) == 0)) || wry_errno(error, errno, "fsync directory of %s", to);
}

/* --- listing ------------------------------------------------------------------------------------------------------------------------------------------------------- */
static int compare_names(gconstpointer a, gconstpointer b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static gboolean is_dots(const char *name) {
  return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* At most `max` names, in the directory's order. */
static GPtrArray *list(int dirfd, guint max, GError **error) {
  int fd = retry_openat(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
  DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
  if (!dir) {
    wry_errno(error, errno, "list directory");
    if (fd >= 0) close(fd);
    return NULL;
  }
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  errno = 0;
  for (struct dirent *entry; names->len < max && (entry = readdir(dir)); errno = 0)
    if (!is_dots(entry->d_name)) g_ptr_array_add(names, g_strdup(entry->d_name));
  int problem = errno;
  closedir(dir);
  if (!problem) return names;
  wry_errno(error, problem, "list directory");
  g_ptr_array_unref(names);
  return NULL;
}

GPtrArray *wry_vlist(int dirfd, GError **error) {
  g_autoptr(GPtrArray) names = list(dirfd, WRY_MAX_DIR_ENTRIES + 1, error);
  if (!names) return NULL;
  if (names->len > WRY_MAX_DIR_ENTRIES) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_TOO_LARGE, "more than %u names in a directory", WRY_MAX_DIR_ENTRIES);
    return NULL;
  }
  g_ptr_array_sort(names, compare_names);
  return g_steal_pointer(&names);
}

/* --- removing a tree ------------------------------------------------------------------------------------------------------------------------------------------------- */
/* Depth does not matter: directories below the first level are moved up to it, so no more than two fds are open. A mount point can be neither moved nor
 * removed (EBUSY), and no directory of another mount is entered. */
typedef struct {
  int root;
  guint64 mount;
  guint moved;
} Tree;

static gboolean mount_of(int fd, guint64 *ret_mount) {
  struct statx st;
  if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st)) return FALSE;
  *ret_mount = st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id : ((guint64)st.stx_dev_major << 32 | st.stx_dev_minor);
  return TRUE;
}

/* A name that is taken is passed over; an empty directory may be replaced, it goes anyway. */
static gboolean move_up(Tree *tree, int dirfd, const char *name) {
  char up[32];
  do {
    g_snprintf(up, sizeof up, ".up-%u", tree->moved++);
    if (renameat(dirfd, name, tree->root, up) == 0) return TRUE;
  } while (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR);
  return FALSE;
}

/* One entry of a directory of the first level. */
static gboolean remove_entry(Tree *tree, int dirfd, const char *name) {
  if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT) return TRUE;
  if (errno != EISDIR && errno != EPERM) return FALSE;
  if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return TRUE;
  if (errno != ENOTEMPTY && errno != EEXIST) return FALSE;
  return move_up(tree, dirfd, name);
}

/* A filled directory of the first level. When it has more than one batch of names it stays for the next round. */
static gboolean empty_directory(Tree *tree, const char *name, GError **error) {
  guint64 mount;
  wry_autofd int fd = retry_openat(tree->root, name, O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0 || !mount_of(fd, &mount)) return wry_errno(error, errno, "%s", name);
  if (mount != tree->mount) return wry_errno(error, EBUSY, "%s is a mount point", name);
  g_autoptr(GPtrArray) names = list(fd, REMOVE_BATCH, error);
  if (!names) return FALSE;
  for (guint i = 0; i < names->len; i++)
    if (!remove_entry(tree, fd, g_ptr_array_index(names, i))) return wry_errno(error, errno, "remove %s", (char *)g_ptr_array_index(names, i));
  if (unlinkat(tree->root, name, AT_REMOVEDIR) == 0 || errno == ENOENT || errno == ENOTEMPTY) return TRUE;
  return wry_errno(error, errno, "rmdir %s", name);
}

static gboolean remove_first_level(Tree *tree, const char *name, GError **error) {
  if (unlinkat(tree->root, name, 0) == 0 || errno == ENOENT) return TRUE;
  if (errno != EISDIR && errno != EPERM) return wry_errno(error, errno, "unlink %s", name);
  if (unlinkat(tree->root, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return TRUE;
  if (errno != ENOTEMPTY && errno != EEXIST) return wry_errno(error, errno, "rmdir %s", name);
  return empty_directory(tree, name, error);
}

/* Until nothing is left; what was moved up is seen in the next round. The bound ends a race with somebody who keeps filling the tree. */
static gboolean empty_tree(Tree *tree, GError **error) {
  for (guint round = 0; round < REMOVE_ROUNDS; round++) {
    g_autoptr(GPtrArray) names = list(tree->root, REMOVE_BATCH, error);
    if (!names) return FALSE;
    if (!names->len) return TRUE;
    for (guint i = 0; i < names->len; i++)
      if (!remove_first_level(tree, g_ptr_array_index(names, i), error)) return FALSE;
  }
  return wry_errno(error, ENOTEMPTY, "gave up");
}

gboolean wry_vremove_tree(int dirfd, const char *relative, GError **error) {
  const char *name;
  g_autoptr(GError) why = NULL;
  Tree tree = {.root = -1};
  wry_autofd int parent = open_parent(dirfd, relative, &name, &why);
  if (parent < 0 && g_error_matches(why, WRY_ERROR, WRY_ERROR_NOT_FOUND)) return TRUE;
  if (parent < 0) {
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
  }
  if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return TRUE;
  guint64 above = 0;
  wry_autofd int root = tree.root = retry_openat(parent, name, O_RDONLY | O_DIRECTORY, 0);
  if (root < 0 || !mount_of(root, &tree.mount) || !mount_of(parent, &above)) return wry_errno(error, errno, "remove %s", relative);
  if (tree.mount != above) return wry_errno(error, EBUSY, "%s is a mount point", relative);
  if (!empty_tree(&tree, error)) {
    g_prefix_error(error, "remove %s: ", relative);
    return FALSE;
  }
  return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT || wry_errno(error, errno, "rmdir %s", relative);
}

/* --- sockets ------------------------------------------------------------------------------------------------------------------------------------------------------------ */
G_GNUC_PRINTF(2, 3) static gboolean set_address(struct sockaddr_un *address, const char *format, ...) {
  va_list args;
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  va_start(args, format);
  int length = g_vsnprintf(address->sun_path, sizeof address->sun_path, format, args);
  va_end(args);
  return (gsize)length < sizeof address->sun_path;
}

/* Non-blocking while connecting, so that a peer that accepts nothing cannot stop us; blocking afterwards. */
int wry_vconnect(int dirfd, const char *name, int type, GError **error) {
  struct sockaddr_un address;
  wry_autofd int target = wry_vopen(dirfd, name, O_PATH, 0, WRY_WANT_SOCKET, error);
  if (target < 0) return -1;
  set_address(&address, "/proc/self/fd/%d", target);
  wry_autofd int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) || !settle(fd, 0)) {
    wry_errno(error, errno, "connect to %s", name);
    return -1;
  }
  return g_steal_fd(&fd);
}

/* TRUE: nobody listens. A process that was killed listens for a while yet: all that it had open goes one after the other, and an inotify watch takes tens of milliseconds. Whoever had
 * connected is hung up on when it comes to the listener; a living server keeps its callers. */
static gboolean is_stale(int dirfd, const char *name, int type) {
  for (int tries = 0; tries < 2; tries++) {
    wry_autofd int probe = wry_vconnect(dirfd, name, type, NULL);
    struct pollfd hangup = {.fd = probe};
    if (probe < 0) return TRUE;
    if (poll(&hangup, 1, DYING_MS) != 1) return FALSE;
  }
  return FALSE;
}

/* A socket that nobody listens on any more goes away; a live one, or anything else of that name, stays. */
static gboolean clear_stale(int dirfd, const char *name, int type, GError **error) {
  if (!wry_vexists(dirfd, name)) return TRUE;
  if (!is_stale(dirfd, name, type)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_LOCKED, "%s: somebody listens there", name);
    return FALSE;
  }
  wry_autofd int socket_fd = wry_vopen(dirfd, name, O_PATH, 0, WRY_WANT_SOCKET, error);
  return socket_fd >= 0 && wry_vunlink(dirfd, name, error);
}

/* Nobody may connect before the mode is set: the socket is made with mode 0. */
int wry_vlisten(int dirfd, const char *name, int type, mode_t mode, GError **error) {
  struct sockaddr_un address;
  if (!check_path(name, error) || !clear_stale(dirfd, name, type, error)) return -1;
  wry_autofd int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (strchr(name, '/') || !set_address(&address, "/proc/self/fd/%d/%s", dirfd, name)) errno = ENAMETOOLONG;
  else if (fd >= 0 && !fchmod(fd, 0) && !bind(fd, (struct sockaddr *)&address, sizeof address) && !listen(fd, SOMAXCONN) &&
           !fchmodat(dirfd, name, mode, AT_SYMLINK_NOFOLLOW))
    return g_steal_fd(&fd);
  wry_errno(error, errno, "listen on %s", name);
  return -1;
}
