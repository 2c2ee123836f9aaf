/* What QEMU may open: the sandbox's fixed layout, as a table. No socket of the host, no /proc, no /dev/net/tun (taps come as open fds), no other VM: they are not in it.
 * QEMU has run's uid, but nothing of run's: what it writes to exists already, but for the sockets in a folder of its own. It can not make, remove or rename anything else.
 *
 * The kernel's ABI decides how much holds: file rights always, truncate from 3, TCP from 4, device ioctls from 5, abstract sockets and signals from 6. */
#include "launcher/jail.h"
#include "wherry/landlock_abi.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define READ (WRY_LL_READ_FILE | WRY_LL_READ_DIR)
#define WRITE (WRY_LL_WRITE_FILE | WRY_LL_TRUNCATE)
#define SOCKETS (WRY_LL_READ_DIR | WRY_LL_MAKE_SOCK | WRY_LL_REMOVE_FILE)

#define VM_DIR "/run/wherry/vm"
#define IMAGE_SUFFIX ".iso"

static const struct {
  const char *path;
  uint64_t rights;
  bool required;
} layout[] = {
  {"/usr", READ, true},
  {"/lib", READ, false},
  {"/lib64", READ, false},
  {"/etc/ld.so.cache", READ, false},
  {"/etc/localtime", READ, false}, /* clocks in local time */
  {"/opt/wherry", READ, false},
  {VM_DIR, READ, true}, /* libvirt's key; the images below; what else is there is run's, and stays as run made it */
  {"/run/wherry/vm/qemu", SOCKETS, false},
  {"/run/wherry/vm/serial0.in", READ | WRITE, false},
  {"/run/wherry/vm/serial0.out", READ | WRITE, false},
  {"/run/wherry/vm/vars.fd", READ | WRITE, false},
  {"/run/wherry/scratch", READ | WRITE, false},
  {"/run/wherry/state/nvram", READ | WRITE, false},
  {"/run/wherry/volumes", READ | WRITE | WRY_LL_IOCTL_DEV, false}, /* also block devices */
  {"/dev/kvm", READ | WRITE | WRY_LL_IOCTL_DEV, false},
  {"/dev/null", READ | WRITE, false},
  {"/dev/urandom", READ, false},
#if defined(__x86_64__)
  {"/lib64/ld-linux-x86-64.so.2", READ | WRY_LL_EXECUTE, false},
#elif defined(__aarch64__)
  {"/lib/ld-linux-aarch64.so.1", READ | WRY_LL_EXECUTE, false},
#endif
};

static void grant(int ruleset, int abi, const char *path, uint64_t rights, bool required) {
  struct stat st;
  int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT && !required)
    return;
  if (fd < 0 || fstat(fd, &st) != 0)
    wry_jail_fail("landlock %s", path);
  rights &= wry_ll_fs(abi) & (S_ISDIR(st.st_mode) ? ~0ull : (uint64_t)WRY_LL_FILE_RIGHTS);
  if (wry_ll_grant(ruleset, fd, rights) != 0)
    wry_jail_fail("landlock %s", path);
  close(fd);
}

/* The images that run made for this guest (cloud-init, Secrets): a guest may write to a disk of them as to any other. */
static void grant_images(int ruleset, int abi) {
  int fd = open(VM_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = fd < 0 ? NULL : fdopendir(fd);
  for (const struct dirent *entry; dir && (entry = readdir(dir));) {
    const size_t length = strlen(entry->d_name), suffix = sizeof IMAGE_SUFFIX - 1;
    char path[sizeof VM_DIR + sizeof entry->d_name];
    if (entry->d_type != DT_REG || length <= suffix || strcmp(entry->d_name + length - suffix, IMAGE_SUFFIX) != 0)
      continue;
    snprintf(path, sizeof path, VM_DIR "/%s", entry->d_name);
    grant(ruleset, abi, path, READ | WRITE, false);
  }
  if (dir)
    closedir(dir);
}

void wry_jail_landlock(const char *qemu) {
  int abi = wry_ll_abi();
  if (abi == 0)
    return;
  int ruleset = wry_ll_create(abi, WRY_LL_NET_BIND_TCP | WRY_LL_NET_CONNECT_TCP, WRY_LL_SCOPE_ABSTRACT_UNIX | WRY_LL_SCOPE_SIGNAL);
  if (ruleset < 0)
    wry_jail_fail("landlock ruleset");
  for (size_t i = 0; i < sizeof layout / sizeof *layout; i++)
    grant(ruleset, abi, layout[i].path, layout[i].rights, layout[i].required);
  grant_images(ruleset, abi);
  grant(ruleset, abi, qemu, READ | WRY_LL_EXECUTE, true);
  if (wry_ll_restrict(ruleset) != 0)
    wry_jail_fail("landlock");
  close(ruleset);
  /* The root directory itself is never granted. */
  if (open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) >= 0 || errno != EACCES)
    wry_jail_fail("landlock is not in force");
}
