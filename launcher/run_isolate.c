/* `launcher run` gives up what it does not need, in two stages.
 *
 * early (before any thread, before anything is read)
 *   should: hold no capability in any set, no_new_privs, no core dumps; open only what the table below names. QEMU inherits this and adds its own, narrower rules.
 *   must not: have read a bundle, connected to the handler, or opened libvirt
 * late (once the guest runs: from its first byte on there is something hostile to read)
 *   should: make only the system calls of policies/run.allow, on all threads. Starting programs is not among them: QEMU runs, storage is made.
 *   must not: be needed earlier: a policy is inherited by what a process starts, and QEMU needs calls that run must not make */
#include "launcher/run.h"
#include "policy_run.h"
#include "wherry/isolate.h"
#include "wherry/log.h"
#include <sys/resource.h>

#define R WRY_LANDLOCK_READ
#define W WRY_LANDLOCK_WRITE
#define X WRY_LANDLOCK_EXEC
#define OWN (R | W | WRY_LANDLOCK_MAKE | WRY_LANDLOCK_SOCKET)

static const WryLandlockRule rules[] = {
  {"/usr", R | X, FALSE},
  {"/lib", R | X, TRUE},
  {"/lib64", R | X, TRUE},
  {"/bin", R | X, TRUE},
  {"/etc", R, FALSE},          /* the sandbox's own: passwd, group, ld.so.cache, alternatives */
  {"/opt/wherry", R | X, TRUE},
  {"/proc", R | W, FALSE},     /* /proc/self; libvirt sets QEMU's oom_score_adj */
  {"/sys", R, TRUE},           /* CPU and NUMA topology */
  {"/dev", R | W | WRY_LANDLOCK_IOCTL, FALSE},
  {"/tmp", OWN, TRUE},         /* programs that run starts may want one */
  {"/run/wherry/node", R, TRUE},
  {"/run/wherry/vm", OWN, FALSE},
  {"/run/wherry/scratch", OWN, TRUE},
  {"/run/wherry/state", OWN, TRUE},
  {"/run/wherry/volumes", R | W | WRY_LANDLOCK_MAKE | WRY_LANDLOCK_IOCTL, TRUE}, /* in a pod a claim's image may be to be made */
  {NULL, WRY_LANDLOCK_SIGNAL, FALSE}, /* to a QEMU that an earlier run started; the pid namespace holds nobody else */
};

gboolean wry_run_isolate_early(GError **error) {
  const struct rlimit none = {0, 0};
  int abi = 0;
  setrlimit(RLIMIT_CORE, &none);
  if (!wry_isolate_no_new_privs(error) || !wry_isolate_caps(NULL, error) || !wry_isolate_landlock(rules, G_N_ELEMENTS(rules), FALSE, &abi, error))
    return FALSE;
  if (abi == 0)
    wry_log(WRY_LOG_WARNING, "this kernel has no Landlock; file access is limited by the mount namespace alone", NULL);
  return TRUE;
}

gboolean wry_run_isolate_late(GError **error) {
  return wry_isolate_seccomp(wry_policy_run, G_N_ELEMENTS(wry_policy_run), error);
}
