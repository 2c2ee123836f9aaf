#pragma once
/* Landlock's interface up to ABI 6 (landlock(7)) for programs that link libc only. Kernel headers of the build host may be older than the kernel that runs. */
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
  WRY_LL_EXECUTE = 1 << 0, WRY_LL_WRITE_FILE = 1 << 1, WRY_LL_READ_FILE = 1 << 2, WRY_LL_READ_DIR = 1 << 3, WRY_LL_REMOVE_DIR = 1 << 4, WRY_LL_REMOVE_FILE = 1 << 5,
  WRY_LL_MAKE_CHAR = 1 << 6, WRY_LL_MAKE_DIR = 1 << 7, WRY_LL_MAKE_REG = 1 << 8, WRY_LL_MAKE_SOCK = 1 << 9, WRY_LL_MAKE_FIFO = 1 << 10, WRY_LL_MAKE_BLOCK = 1 << 11,
  WRY_LL_MAKE_SYM = 1 << 12, WRY_LL_REFER = 1 << 13 /* ABI 2 */, WRY_LL_TRUNCATE = 1 << 14 /* ABI 3 */, WRY_LL_IOCTL_DEV = 1 << 15 /* ABI 5 */
};
/* Rights that make sense for a file that is no directory. */
#define WRY_LL_FILE_RIGHTS (WRY_LL_EXECUTE | WRY_LL_WRITE_FILE | WRY_LL_READ_FILE | WRY_LL_TRUNCATE | WRY_LL_IOCTL_DEV)
enum { WRY_LL_NET_BIND_TCP = 1, WRY_LL_NET_CONNECT_TCP = 2 /* ABI 4 */ };
enum { WRY_LL_SCOPE_ABSTRACT_UNIX = 1, WRY_LL_SCOPE_SIGNAL = 2 /* ABI 6 */ };

typedef struct { uint64_t fs, net, scoped; } WryLlRuleset;
typedef struct { uint64_t allowed; int32_t parent_fd; } __attribute__((packed)) WryLlBeneath;

/* The kernel's ABI; 0 when it has no Landlock. */
static inline int wry_ll_abi(void) {
  long abi = syscall(SYS_landlock_create_ruleset, (void *)0, (size_t)0, 1u);
  return abi > 0 ? (int)abi : 0;
}

/* Every file system right that this ABI knows. */
static inline uint64_t wry_ll_fs(int abi) {
  return abi >= 5 ? 0xffff : abi >= 3 ? 0x7fff : abi == 2 ? 0x3fff : 0x1fff;
}

/* A ruleset that handles all that this ABI knows. -1 and errno on failure. */
static inline int wry_ll_create(int abi, uint64_t net, uint64_t scoped) {
  WryLlRuleset attr = {wry_ll_fs(abi), abi >= 4 ? net : 0, abi >= 6 ? scoped : 0};
  return (int)syscall(SYS_landlock_create_ruleset, &attr, abi >= 6 ? sizeof attr : abi >= 4 ? 16u : 8u, 0u);
}

static inline int wry_ll_grant(int ruleset, int fd, uint64_t rights) {
  WryLlBeneath rule = {rights, fd};
  return (int)syscall(SYS_landlock_add_rule, ruleset, 1u, &rule, 0u);
}

static inline int wry_ll_restrict(int ruleset) {
  return (int)syscall(SYS_landlock_restrict_self, ruleset, 0u);
}
