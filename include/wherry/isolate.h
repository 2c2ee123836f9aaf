#pragma once
/* A process gives up what it does not need. Each step verifies itself by reading back. Functions set errno-style GErrors.
 * What a stage should have done and must not have done is listed at each caller (launcher/run.c, handler/main.c, handler/priv.c). */
#include <glib.h>
#include <linux/filter.h>

/* Empties all capability sets including bounding and ambient, locks SECBIT_NOROOT, sets no_new_privs. `keep` (0-terminated array of CAP_* + 1, or NULL): left in permitted+bounding, not effective. */
gboolean wry_isolate_caps(const int *keep, GError **error);
/* Makes exactly `caps` (as above; NULL = none) effective; they must be permitted. For a process that kept some: raise, do one operation, lower. */
gboolean wry_isolate_effective(const int *caps, GError **error);
/* Between fork and exec: lets the program that is executed have `caps` of those kept (as ambient capabilities; a uid 0 gives it none, see SECBIT_NOROOT). */
gboolean wry_isolate_ambient(const int *caps, GError **error);
/* setgroups(n), setresgid, setresuid; verifies that it cannot go back. Comes before wry_isolate_caps: the permitted set is left until then. */
gboolean wry_isolate_user(uid_t uid, gid_t gid, const gid_t *groups, gsize n_groups, GError **error);
gboolean wry_isolate_no_new_privs(GError **error);
/* Loads a compiled policy (policies/<name>.allow -> wry_policy_<name>) for all threads (TSYNC). */
gboolean wry_isolate_seccomp(const struct sock_filter *filter, gsize length, GError **error);

/* Landlock: grants on already opened directories and files; everything else of the handled rights is refused. ABI is probed; older kernels get what they know. */
typedef enum { WRY_LANDLOCK_READ = 1, WRY_LANDLOCK_WRITE = 2, WRY_LANDLOCK_EXEC = 4, WRY_LANDLOCK_MAKE = 8 /* create and remove below */, WRY_LANDLOCK_SOCKET = 16 /* make sockets */, WRY_LANDLOCK_IOCTL = 32, WRY_LANDLOCK_SIGNAL = 64 /* alone, path NULL: signals to processes outside stay allowed (a restarted `launcher run` must be able to end the QEMU that its predecessor started) */ } WryLandlockAccess;
typedef struct { const char *path; guint access; gboolean optional; } WryLandlockRule;
/* Also scopes abstract sockets and signals where the ABI has it (>= 6), and denies TCP bind/connect (>= 4) unless `tcp`. Returns the ABI in *ret_abi (0 = kernel has none, nothing restricted). */
gboolean wry_isolate_landlock(const WryLandlockRule *rules, gsize n_rules, gboolean tcp, int *ret_abi, GError **error);
