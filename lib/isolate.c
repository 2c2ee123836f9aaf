/* Giving up user and capabilities. The only user of libcap-ng.
 *
 * Order of a process that starts as root: wry_isolate_user, wry_isolate_caps, Landlock, seccomp. The user switch leaves the permitted set alone (PR_SET_KEEPCAPS)
 * because dropping the bounding set needs CAP_SETPCAP; the capability step that follows empties everything. Nothing is believed: each step reads back
 * what the kernel now says, and the user switch tries to undo itself. */
#include "wherry/isolate.h"
#include "wherry/error.h"
#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define GROUPS_MAX 64u
#define LOCKED(bit) (issecure_mask(bit) | issecure_mask((bit) + 1))

static gboolean refuse(GError **error, const char *what) {
  g_set_error(error, WRY_ERROR, WRY_ERROR_FAILED, "%s", what);
  return FALSE;
}

static gboolean is_kept(const int *keep, int cap) {
  for (; keep && *keep; keep++)
    if (*keep - 1 == cap)
      return TRUE;
  return FALSE;
}

/* Adds `caps` to `sets` of libcap-ng's state. */
static void add_all(capng_type_t sets, const int *caps) {
  for (; caps && *caps; caps++)
    capng_update(CAPNG_ADD, sets, (unsigned)(*caps - 1));
}

gboolean wry_isolate_no_new_privs(GError **error) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
    return wry_errno(error, errno, "no_new_privs");
  return TRUE;
}

/* Reads the calling thread's sets. libcap-ng remembers the pid it saw first, which is another process's after a clone(2) that glibc knows nothing of. */
static int own_caps(void) {
  capng_setpid((int)gettid());
  return capng_get_caps_process();
}

/* CAP_SETPCAP becomes effective when it is permitted; TRUE when it is. */
static gboolean raise_setpcap(void) {
  if (own_caps() != 0 || !capng_have_capability(CAPNG_PERMITTED, CAP_SETPCAP))
    return FALSE;
  capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, CAP_SETPCAP);
  return capng_apply(CAPNG_SELECT_CAPS) == 0;
}

/* The bounding set holds exactly `keep`, nothing is effective or ambient, only `keep` is permitted. */
static gboolean verify_caps(const int *keep, GError **error) {
  if (own_caps() != 0)
    return refuse(error, "capabilities cannot be read back");
  for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
    gboolean kept = is_kept(keep, cap), known = cap <= (int)CAP_LAST_CAP;
    if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 && !kept)
      return refuse(error, "a capability is left in the bounding set");
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
      return refuse(error, "a capability is left in the ambient set");
    if (known && (capng_have_capability(CAPNG_EFFECTIVE, (unsigned)cap) || (!kept && (capng_have_capability(CAPNG_PERMITTED, (unsigned)cap) ||
                                                                                       capng_have_capability(CAPNG_INHERITABLE, (unsigned)cap)))))
      return refuse(error, "a capability is left in a process set");
    if (known && kept && !capng_have_capability(CAPNG_PERMITTED, (unsigned)cap))
      return refuse(error, "a capability to keep is missing");
  }
  return TRUE;
}

/* Kernels may know capabilities that libcap-ng does not. */
static void drop_unknown(void) {
  for (int cap = CAP_LAST_CAP + 1; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

gboolean wry_isolate_caps(const int *keep, GError **error) {
  unsigned long bits = LOCKED(SECURE_NOROOT) | LOCKED(SECURE_NO_SETUID_FIXUP) | (keep ? 0 : LOCKED(SECURE_NO_CAP_AMBIENT_RAISE));
  if (!wry_isolate_no_new_privs(error))
    return FALSE;
  if (raise_setpcap()) {
    drop_unknown();
    if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) != 0 || ((unsigned long)prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) & bits) != bits)
      return wry_errno(error, errno, "securebits");
  }
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  capng_clear(CAPNG_SELECT_BOTH);
  add_all(CAPNG_PERMITTED | CAPNG_INHERITABLE | CAPNG_BOUNDING_SET, keep);
  /* Without CAP_SETPCAP the bounding set stays as it is; the read-back decides whether that is empty enough. */
  if (capng_apply(CAPNG_SELECT_BOTH) != 0 && capng_apply(CAPNG_SELECT_CAPS) != 0)
    return refuse(error, "capabilities cannot be dropped");
  return verify_caps(keep, error);
}

gboolean wry_isolate_effective(const int *caps, GError **error) {
  if (own_caps() != 0)
    return refuse(error, "capabilities cannot be read");
  for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
    capng_update(CAPNG_DROP, CAPNG_EFFECTIVE, cap);
  add_all(CAPNG_EFFECTIVE, caps);
  if (capng_apply(CAPNG_SELECT_CAPS) != 0 || own_caps() != 0)
    return refuse(error, "effective capabilities cannot be set");
  for (int cap = 0; cap <= (int)CAP_LAST_CAP; cap++)
    if (capng_have_capability(CAPNG_EFFECTIVE, (unsigned)cap) != is_kept(caps, cap))
      return refuse(error, "effective capabilities differ from what was asked");
  return TRUE;
}

gboolean wry_isolate_ambient(const int *caps, GError **error) {
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (; caps && *caps; caps++)
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, *caps - 1, 0, 0) != 0)
      return wry_errno(error, errno, "ambient capability %d", *caps - 1);
  return TRUE;
}

static gboolean same_groups(const gid_t *groups, gsize n_groups) {
  gid_t now[GROUPS_MAX];
  int n = getgroups(GROUPS_MAX, now);
  return n == (int)n_groups && (n == 0 || memcmp(now, groups, (gsize)n * sizeof *now) == 0);
}

gboolean wry_isolate_user(uid_t uid, gid_t gid, const gid_t *groups, gsize n_groups, GError **error) {
  uid_t r, e, s;
  gid_t gr, ge, gs;
  if (n_groups > GROUPS_MAX)
    return refuse(error, "too many groups");
  if (raise_setpcap())
    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
  if (setgroups(n_groups, groups) != 0)
    return wry_errno(error, errno, "setgroups");
  if (setresgid(gid, gid, gid) != 0)
    return wry_errno(error, errno, "setresgid %u", gid);
  if (setresuid(uid, uid, uid) != 0)
    return wry_errno(error, errno, "setresuid %u", uid);
  if (getresuid(&r, &e, &s) != 0 || r != uid || e != uid || s != uid || getresgid(&gr, &ge, &gs) != 0 || gr != gid || ge != gid || gs != gid)
    return refuse(error, "user or group differs from what was asked");
  if (!same_groups(groups, n_groups))
    return refuse(error, "supplementary groups differ from what was asked");
  /* With SECBIT_NO_SETUID_FIXUP the switch has left the effective set as it was. */
  if (uid != 0 && !wry_isolate_effective(NULL, error))
    return FALSE;
  if (uid != 0 && (setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0))
    return refuse(error, "the user switch can be undone");
  return TRUE;
}
