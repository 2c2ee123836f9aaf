/* Landlock for processes that use GLib. Rules name paths of the sandbox's fixed layout; they are opened here, granted as fds, and everything else of the rights that the
 * kernel's ABI knows is refused afterwards. Must run before threads are made: a domain is a thread's, inherited by what it starts.
 *
 * Read back: the root directory, opened before, must no longer be openable for reading through that fd (unless a rule grants it). */
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/isolate.h"
#include "wherry/landlock_abi.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const struct {
  guint access;
  guint64 rights;
} grants[] = {
  {WRY_LANDLOCK_READ, WRY_LL_READ_FILE | WRY_LL_READ_DIR},
  {WRY_LANDLOCK_WRITE, WRY_LL_WRITE_FILE | WRY_LL_TRUNCATE},
  {WRY_LANDLOCK_EXEC, WRY_LL_EXECUTE},
  {WRY_LANDLOCK_MAKE, WRY_LL_MAKE_REG | WRY_LL_MAKE_DIR | WRY_LL_MAKE_FIFO | WRY_LL_MAKE_SYM | WRY_LL_REMOVE_FILE | WRY_LL_REMOVE_DIR | WRY_LL_REFER},
  {WRY_LANDLOCK_SOCKET, WRY_LL_MAKE_SOCK},
  {WRY_LANDLOCK_IOCTL, WRY_LL_IOCTL_DEV},
};

static guint64 rights_of(guint access) {
  guint64 rights = 0;
  for (gsize i = 0; i < G_N_ELEMENTS(grants); i++)
    rights |= access & grants[i].access ? grants[i].rights : 0;
  return rights;
}

/* A directory, or an entry of one that is no directory (file, device, socket). */
static int open_rule(const char *path, GError **error) {
  g_autofree char *parent = g_path_get_dirname(path), *name = g_path_get_basename(path);
  int fd = wry_dir_open(path, NULL);
  if (fd >= 0)
    return fd;
  wry_autofd int dir = wry_dir_open(parent, error);
  return dir < 0 ? -1 : wry_vopen(dir, name, O_PATH, 0, WRY_WANT_ANY, error);
}

static gboolean grant(int ruleset, int abi, const WryLandlockRule *rule, GError **error) {
  struct stat st;
  g_autoptr(GError) local = NULL;
  wry_autofd int fd = open_rule(rule->path, &local);
  if (fd < 0 && rule->optional && g_error_matches(local, WRY_ERROR, WRY_ERROR_NOT_FOUND))
    return TRUE;
  if (fd < 0) {
    g_propagate_prefixed_error(error, g_steal_pointer(&local), "landlock rule %s: ", rule->path);
    return FALSE;
  }
  if (fstat(fd, &st) != 0)
    return wry_errno(error, errno, "landlock rule %s", rule->path);
  guint64 rights = rights_of(rule->access) & wry_ll_fs(abi) & (S_ISDIR(st.st_mode) ? G_MAXUINT64 : (guint64)WRY_LL_FILE_RIGHTS);
  if (rights != 0 && wry_ll_grant(ruleset, fd, rights) != 0)
    return wry_errno(error, errno, "landlock rule %s", rule->path);
  return TRUE;
}

/* A rule without a path is about the process itself. */
static gboolean keeps_signals(const WryLandlockRule *rules, gsize n_rules) {
  for (gsize i = 0; i < n_rules; i++)
    if (!rules[i].path && rules[i].access == WRY_LANDLOCK_SIGNAL)
      return TRUE;
  return FALSE;
}

static gboolean grants_root(const WryLandlockRule *rules, gsize n_rules) {
  for (gsize i = 0; i < n_rules; i++)
    if (g_strcmp0(rules[i].path, "/") == 0)
      return TRUE;
  return FALSE;
}

gboolean wry_isolate_landlock(const WryLandlockRule *rules, gsize n_rules, gboolean tcp, int *ret_abi, GError **error) {
  int abi = wry_ll_abi();
  if (ret_abi)
    *ret_abi = abi;
  if (abi == 0)
    return TRUE;
  if (!wry_isolate_no_new_privs(error))
    return FALSE;
  wry_autofd int root = wry_dir_open("/", error);
  uint64_t scoped = WRY_LL_SCOPE_ABSTRACT_UNIX | (keeps_signals(rules, n_rules) ? 0 : WRY_LL_SCOPE_SIGNAL);
  wry_autofd int ruleset = root < 0 ? -1 : wry_ll_create(abi, tcp ? 0 : WRY_LL_NET_BIND_TCP | WRY_LL_NET_CONNECT_TCP, scoped);
  if (root < 0)
    return FALSE;
  if (ruleset < 0)
    return wry_errno(error, errno, "landlock ruleset");
  for (gsize i = 0; i < n_rules; i++)
    if (rules[i].path && !grant(ruleset, abi, &rules[i], error))
      return FALSE;
  if (wry_ll_restrict(ruleset) != 0)
    return wry_errno(error, errno, "landlock");
  wry_autofd int again = grants_root(rules, n_rules) ? -1 : openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (again >= 0)
    return wry_errno(error, EPROTO, "landlock is not in force");
  return TRUE;
}
