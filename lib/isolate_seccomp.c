/* Loads a compiled system call policy. libseccomp compiled it at build time (tools/policyc.c); here it is an array of BPF instructions. */
#include "wherry/error.h"
#include "wherry/isolate.h"
#include <errno.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

gboolean wry_isolate_seccomp(const struct sock_filter *filter, gsize length, GError **error) {
  struct sock_fprog program = {(unsigned short)length, (struct sock_filter *)filter};
  if (length == 0 || length > BPF_MAXINSNS)
    return wry_errno(error, EINVAL, "seccomp policy of %" G_GSIZE_FORMAT " instructions", length);
  long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
  if (r != 0)
    return wry_errno(error, r > 0 ? EBUSY : errno, r > 0 ? "seccomp policy: thread %ld has another filter" : "seccomp policy", r);
  /* Every policy has prctl(PR_GET_SECCOMP): one that lacks it ends here, at its first test. */
  if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != SECCOMP_MODE_FILTER)
    return wry_errno(error, EPROTO, "seccomp policy is not in force");
  return TRUE;
}
