/* A hostile program in QEMU's place. Static, libc only. tests/hostile/run starts it through launcher-jail, once per attempt, since many attempts are its death.
 *
 *   hostile --list                         every attempt: name and kind (escape: must fail; own: must work, or the jail would be useless)
 *   hostile -name guest=x -attempt NAME    tries; exit status 0 = it worked, 1 = refused (the errno on stdout); killed by SIGSYS = refused too
 *
 * The surroundings are those of tests/hostile/run: a victim of the same uid that listens and holds files, other VMs' files that anybody may open, devices, a network. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define OTHER "/run/other"           /* another VM's directory, open to all */
#define STATE "/run/wherry/state"    /* run's, of the same uid: only state/nvram is QEMU's */
#define VM "/run/wherry/vm"          /* run's too: QEMU reads there, and makes sockets in vm/qemu */
#define STATUS VM "/libvirt/run/qemu/default_vm.xml"
#define SCRATCH "/run/wherry/scratch"
#define VICTIM_PORT 4711

static int victim; /* pid, from the environment of the attempt's arguments */

static bool opens(const char *path, int flags) {
  int fd = open(path, flags | O_CLOEXEC, 0600);
  return fd >= 0;
}

/* --- files ------------------------------------------------------------------------------------------------------------ */
static bool passwd(void) { return opens("/etc/passwd", O_RDONLY); }
static bool other_read(void) { return opens(OTHER "/disk.img", O_RDONLY); }
static bool other_write(void) { return opens(OTHER "/disk.img", O_WRONLY); }
static bool other_create(void) { return opens(OTHER "/planted", O_CREAT | O_WRONLY); }
static bool other_list(void) { return opens(OTHER, O_RDONLY | O_DIRECTORY); }
static bool other_by_dots(void) { return opens("/run/wherry/vm/../../other/disk.img", O_RDONLY); }
static bool other_by_link(void) { return opens("/run/wherry/vm/link-to-other", O_RDONLY); }
static bool other_unlink(void) { return unlink(OTHER "/disk.img") == 0; }
static bool other_tmpfile(void) { return opens(OTHER, O_TMPFILE | O_RDWR); }
static bool other_truncate(void) { return truncate(OTHER "/disk.img", 0) == 0; }
static bool other_rename(void) { return rename(OTHER "/disk.img", "/run/wherry/vm/stolen") == 0; }
static bool other_hard_link(void) { return link(OTHER "/disk.img", "/run/wherry/vm/stolen") == 0; }
static bool other_chmod(void) { return chmod(OTHER "/disk.img", 0777) == 0; }
static bool other_utimes(void) { return utimensat(AT_FDCWD, OTHER "/disk.img", NULL, 0) == 0; }
static bool other_xattr(void) { return syscall(SYS_setxattr, OTHER "/disk.img", "user.x", "x", 1, 0) == 0; }
static bool symlink_make(void) { return symlink(OTHER, "/run/wherry/vm/new-link") == 0; }
static bool mkdir_own(void) { return mkdir("/run/wherry/vm/new-dir", 0700) == 0; }
static bool console_log(void) { return opens(STATE "/serial0.log", O_RDONLY); }
static bool record_write(void) { return opens(STATE "/final.rec.a", O_WRONLY); }
static bool state_create(void) { return opens(STATE "/final.rec.b", O_CREAT | O_WRONLY); }
static bool node_cache(void) { return opens("/run/wherry/node/qemu-caps/x", O_RDONLY); }
static bool root_list(void) { return opens("/", O_RDONLY | O_DIRECTORY); }
static bool usr_write(void) { return opens("/usr/writable", O_WRONLY); }
static bool opt_write(void) { return opens("/opt/wherry/writable", O_WRONLY); }
static bool tmp_create(void) { return opens("/tmp/planted", O_CREAT | O_WRONLY); }
static bool shm_create(void) { return opens("/dev/shm/planted", O_CREAT | O_WRONLY); }

/* What run keeps: a hostile QEMU must not tell it what is so, or make it lose a VM. */
static bool record_read(void) { return opens(STATE "/final.rec.a", O_RDONLY); }
static bool record_truncate(void) { return truncate(STATE "/final.rec.a", 0) == 0; }
static bool record_trunc_open(void) { return opens(STATE "/final.rec.a", O_WRONLY | O_TRUNC); }
static bool record_unlink(void) { return unlink(STATE "/final.rec.a") == 0; }
static bool record_rename(void) { return rename(STATE "/final.rec.a", STATE "/final.rec.b") == 0; }
static bool record_plant(void) { return rename(SCRATCH "/disk.qcow2", STATE "/final.rec.b") == 0; }
static bool log_write(void) { return opens(STATE "/serial0.log", O_WRONLY | O_APPEND); }
static bool log_unlink(void) { return unlink(STATE "/serial0.log") == 0; }
static bool nvram_create(void) { return opens(STATE "/nvram/planted", O_CREAT | O_WRONLY); }
static bool nvram_unlink(void) { return unlink(STATE "/nvram/vars.fd") == 0; }
static bool status_write(void) { return opens(STATUS, O_WRONLY); }
static bool status_read_write(void) { return opens(STATUS, O_RDWR); }
static bool status_truncate(void) { return truncate(STATUS, 0) == 0; }
static bool status_trunc_open(void) { return opens(STATUS, O_RDONLY | O_TRUNC); }
static bool status_unlink(void) { return unlink(STATUS) == 0; }
static bool status_rename(void) { return rename(STATUS, STATUS ".old") == 0; }
static bool status_replace(void) { return rename(SCRATCH "/disk.qcow2", STATUS) == 0; }
static bool status_link(void) { return link(SCRATCH "/disk.qcow2", VM "/libvirt/run/qemu/second.xml") == 0; }
static bool status_create(void) { return opens(VM "/libvirt/run/qemu/second.xml", O_CREAT | O_WRONLY); }
static bool status_tmpfile(void) { return opens(VM "/libvirt/run/qemu", O_TMPFILE | O_RDWR); }
static bool pid_write(void) { return opens(VM "/libvirt/run/qemu/default_vm.pid", O_WRONLY); }
static bool libvirt_remove(void) { return rmdir(VM "/libvirt/run/empty") == 0; }
static bool libvirt_mkdir(void) { return mkdir(VM "/libvirt/run/planted", 0700) == 0; }
static bool facts_write(void) { return opens(VM "/facts", O_WRONLY); }
static bool facts_unlink(void) { return unlink(VM "/facts") == 0; }
static bool facts_replace(void) { return rename(VM "/bundle.json", VM "/facts") == 0; }
static bool bundle_write(void) { return opens(VM "/bundle.json", O_WRONLY); }
static bool bundle_truncate(void) { return truncate(VM "/bundle.json", 0) == 0; }
static bool iso_unlink(void) { return unlink(VM "/seed.iso") == 0; }
static bool iso_rename(void) { return rename(VM "/seed.iso", VM "/facts") == 0; }
static bool vm_create(void) { return opens(VM "/planted", O_CREAT | O_WRONLY); }
static bool fifo_unlink(void) { return unlink(VM "/serial0.out") == 0; }
static bool fifo_make(void) { return mkfifo(VM "/qemu/fifo", 0600) == 0; }
static bool qemu_create(void) { return opens(VM "/qemu/planted", O_CREAT | O_WRONLY); }
static bool qemu_mkdir(void) { return mkdir(VM "/qemu/planted", 0700) == 0; }
static bool qemu_symlink(void) { return symlink("/run/wherry/node/launcher.sock", VM "/qemu/vnc.sock") == 0; }
static bool scratch_create(void) { return opens(SCRATCH "/planted", O_CREAT | O_WRONLY); }
static bool scratch_unlink(void) { return unlink(SCRATCH "/disk.qcow2") == 0; }
static bool scratch_rename(void) { return rename(SCRATCH "/disk.qcow2", SCRATCH "/other.qcow2") == 0; }
static bool volume_create(void) { return opens("/run/wherry/volumes/own/planted", O_CREAT | O_WRONLY); }
static bool volume_unlink(void) { return unlink("/run/wherry/volumes/own/disk.img") == 0; }

static bool by_handle(void) {
  struct { struct file_handle h; char bytes[128]; } handle = {.h.handle_bytes = 128};
  int mount_id;
  return name_to_handle_at(AT_FDCWD, OTHER "/disk.img", &handle.h, &mount_id, 0) == 0;
}
static bool openat2_other(void) {
  const unsigned long long how[3] = {O_RDONLY, 0, 0};
  return syscall(SYS_openat2, AT_FDCWD, OTHER "/disk.img", how, sizeof how) >= 0;
}

/* --- processes -------------------------------------------------------------------------------------------------------- */
static bool proc_status(void) { return opens("/proc/self/status", O_RDONLY); }
static bool victim_mem(void) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/mem", victim);
  return opens(path, O_RDWR);
}
static bool victim_fd(void) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/fd/3", victim);
  return opens(path, O_RDONLY);
}
static bool victim_root(void) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/root/etc/passwd", victim);
  return opens(path, O_RDONLY);
}
static bool victim_environ(void) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/environ", victim);
  return opens(path, O_RDONLY);
}
static bool sysrq(void) { return opens("/proc/sysrq-trigger", O_WRONLY); }
static bool sysctl_write(void) { return opens("/proc/sys/kernel/core_pattern", O_WRONLY); }
static bool oom_adjust(void) { return opens("/proc/self/oom_score_adj", O_WRONLY); }
static bool kill_victim(void) { return kill(victim, SIGUSR1) == 0; }
static bool kill_all(void) { return kill(-1, 0) == 0; }
static bool tgkill_victim(void) { return syscall(SYS_tgkill, victim, victim, SIGUSR1) == 0; }
static bool tkill_victim(void) { return syscall(SYS_tkill, victim, SIGUSR1) == 0; }
static bool sigqueue_victim(void) { return sigqueue(victim, SIGUSR1, (union sigval){0}) == 0; }
static bool sigio_victim(void) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || fcntl(pair[0], F_SETOWN, victim) != 0 || fcntl(pair[0], F_SETSIG, SIGUSR1) != 0 ||
      fcntl(pair[0], F_SETFL, O_ASYNC | O_NONBLOCK) != 0)
    return false;
  return write(pair[1], "x", 1) == 1 && poll(NULL, 0, 100) == 0; /* whether the signal came, the victim says */
}
static bool pidfd_victim(void) { return syscall(SYS_pidfd_open, victim, 0) >= 0; }
static bool ptrace_victim(void) { return syscall(SYS_ptrace, 0x4206 /* SEIZE */, victim, 0, 0) == 0; }
static bool read_victim(void) {
  char byte;
  struct iovec local = {&byte, 1}, remote = {(void *)0x400000, 1};
  return syscall(SYS_process_vm_readv, victim, &local, 1, &remote, 1, 0) == 1;
}
static bool limit_victim(void) {
  const struct rlimit limit = {1, 1};
  return syscall(SYS_prlimit64, victim, RLIMIT_NOFILE, &limit, NULL) == 0;
}
static bool look_victim_limit(void) {
  struct rlimit limit;
  return syscall(SYS_prlimit64, victim, RLIMIT_NOFILE, NULL, &limit) == 0;
}
static bool place_victim(void) {
  unsigned long mask = 1;
  return syscall(SYS_sched_setaffinity, victim, sizeof mask, &mask) == 0;
}
static bool nice_victim(void) { return setpriority(PRIO_PROCESS, (id_t)victim, 19) == 0; }
static bool compare_victim(void) { return syscall(SYS_kcmp, getpid(), victim, 1, 0, 0) >= 0; }
static bool move_victim(void) { return syscall(SYS_migrate_pages, victim, 0, NULL, NULL) >= 0; }
static bool fork_process(void) { return fork() >= 0; }
static bool vfork_process(void) { return syscall(SYS_vfork) >= 0; }
static bool clone3_process(void) {
  const unsigned long long args[8] = {0, 0, 0, 0, SIGCHLD};
  return syscall(SYS_clone3, args, sizeof args) >= 0;
}
static bool exec_of(const char *path) {
  char *const argv[] = {(char *)"x", (char *)"--reached", NULL}, *const env[] = {NULL};
  execve(path, argv, env);
  return false;
}
static bool exec_shell(void) { return exec_of("/bin/sh"); }
static bool exec_python(void) { return exec_of("/usr/bin/qemu-img"); }
static bool exec_launcher(void) { return exec_of("/opt/wherry/launcher-jail"); }
static bool exec_own_file(void) { return exec_of("/run/wherry/vm/program"); }
static bool exec_by_fd(void) {
  int fd = open("/run/wherry/vm/program", O_RDONLY);
  char *const none[] = {NULL};
  return fd >= 0 && syscall(SYS_execveat, fd, "", none, none, AT_EMPTY_PATH) == 0;
}

/* --- privilege ---------------------------------------------------------------------------------------------------------- */
static bool user_namespace(void) { return unshare(0x10000000) == 0; }
static bool clone_namespace(void) { return syscall(SYS_clone, 0x10000000 | SIGCHLD, 0, 0, 0, 0) >= 0; }
static bool enter_namespace(void) { return syscall(SYS_setns, 0, 0) == 0; }
static bool mount_tmpfs(void) { return syscall(SYS_mount, "none", "/run/wherry/vm", "tmpfs", 0, NULL) == 0; }
static bool change_root(void) { return chroot("/run/wherry/vm") == 0; }
static bool become_root(void) { return setuid(0) == 0; }
static bool drop_policy(void) { return syscall(SYS_seccomp, 0 /* strict */, 0, NULL) == 0 && false; }
static bool load_module(void) { return syscall(SYS_init_module, "", 0, "") == 0; }
static bool load_bpf(void) { return syscall(SYS_bpf, 0, NULL, 0) >= 0; }
static bool perf(void) { return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0) >= 0; }
static bool keys(void) { return syscall(SYS_keyctl, 0, -3, 0, 0, 0) >= 0; }
static bool user_faults(void) { return syscall(SYS_userfaultfd, 0) >= 0; }
static bool shared_memory(void) { return syscall(SYS_shmget, 1, 4096, 01600) >= 0; }
static bool kernel_log(void) { return syscall(SYS_syslog, 10, NULL, 0) >= 0; }
static bool set_time(void) { return syscall(SYS_clock_settime, 0, NULL) == 0; }
static bool set_host_name(void) { return sethostname("x", 1) == 0; }

/* --- devices ------------------------------------------------------------------------------------------------------------ */
static bool dev_tun(void) { return opens("/dev/net/tun", O_RDWR); }
static bool dev_mem(void) { return opens("/dev/mem", O_RDONLY); }
static bool dev_kmsg(void) { return opens("/dev/kmsg", O_WRONLY); }
static bool dev_disk(void) { return opens("/dev/hostdisk", O_RDWR); }
static bool dev_zero(void) { return opens("/dev/zero", O_RDONLY); }
static bool dev_ptmx(void) { return opens("/dev/ptmx", O_RDWR); }
static bool dev_make(void) { return mknod("/run/wherry/vm/node", S_IFCHR | 0600, 0x103) == 0; }
static bool tap_rename(void) { return ioctl(0, 0x400454ca /* TUNSETIFF */, NULL) == 0; }
static bool terminal_inject(void) { return ioctl(0, 0x5412 /* TIOCSTI */, "x") == 0; }

/* --- sockets ------------------------------------------------------------------------------------------------------------ */
static bool socket_of(int family, int type) { return socket(family, type, 0) >= 0; }
static bool net_tcp(void) { return socket_of(AF_INET, SOCK_STREAM); }
static bool net_tcp6(void) { return socket_of(AF_INET6, SOCK_STREAM); }
static bool net_udp(void) { return socket_of(AF_INET, SOCK_DGRAM); }
static bool net_packet(void) { return socket_of(AF_PACKET, SOCK_RAW); }
static bool net_netlink(void) { return socket_of(AF_NETLINK, SOCK_RAW); }
static bool net_vsock(void) { return socket_of(AF_VSOCK, SOCK_STREAM); }
static bool net_alg(void) { return socket_of(AF_ALG, SOCK_SEQPACKET); }
static bool net_bluetooth(void) { return socket_of(AF_BLUETOOTH, SOCK_RAW); }

static bool unix_to(const char *name, size_t length, int type, bool bound) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memcpy(address.sun_path, name, length);
  int fd = socket(AF_UNIX, type, 0);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
  return fd >= 0 && (bound ? bind(fd, (struct sockaddr *)&address, size) : connect(fd, (struct sockaddr *)&address, size)) == 0;
}
static bool abstract_connect(void) { return unix_to("\0wherry-victim", 14, SOCK_STREAM, false); }
static bool abstract_datagram(void) { return unix_to("\0wherry-victim-dgram", 20, SOCK_DGRAM, false); }
static bool launcher_socket(void) { return unix_to("/run/wherry/node/launcher.sock", 31, SOCK_SEQPACKET, false); }
static bool other_vnc(void) { return unix_to(OTHER "/vnc.sock", sizeof OTHER + 9, SOCK_STREAM, false); }
static bool other_bind(void) { return unix_to(OTHER "/planted.sock", sizeof OTHER + 13, SOCK_STREAM, true); }

/* io_uring does work that system call policies do not see: sockets, connections, files. */
static bool ring(void) {
  struct io_uring_params params = {0};
  return syscall(SYS_io_uring_setup, 4, &params) >= 0;
}
static bool ring_enter(void) { return syscall(SYS_io_uring_enter, 0, 0, 0, 0, NULL, 0) >= 0; }

/* --- what a VM needs ------------------------------------------------------------------------------------------------------ */
static bool own_disk(void) { return opens("/run/wherry/volumes/own/disk.img", O_RDWR); }
static bool own_scratch(void) { return opens(SCRATCH "/disk.qcow2", O_RDWR); }
static bool own_serial(void) { return opens(VM "/serial0.in", O_RDWR) && opens(VM "/serial0.out", O_RDWR); }
static bool own_seed(void) { return opens(VM "/seed.iso", O_RDWR); } /* a cloud-init disk that is no cdrom */
static bool own_variables(void) { return opens(VM "/vars.fd", O_RDWR); }
static bool own_nvram(void) { return opens(STATE "/nvram/vars.fd", O_RDWR); }
static bool own_socket(void) {
  static const char path[] = VM "/qemu/vnc.sock";
  return unix_to(path, sizeof path, SOCK_STREAM, true) && unlink(path) == 0 && unix_to(path, sizeof path, SOCK_STREAM, true);
}
static bool own_urandom(void) { return opens("/dev/urandom", O_RDONLY); }
static bool own_null(void) { return opens("/dev/null", O_RDWR); }
static bool own_firmware(void) { return opens("/usr/bin/env", O_RDONLY); }
static bool own_code(void) { return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED; }
static bool own_limits(void) {
  struct rlimit core, files;
  return getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 && getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max <= 1024;
}

#define E(name) {#name, "escape", name}
#define OWN(name) {#name, "own", name}
static const struct {
  const char *name, *kind;
  bool (*try)(void);
} attempts[] = {
  E(passwd), E(other_read), E(other_write), E(other_create), E(other_list), E(other_by_dots), E(other_by_link), E(other_unlink), E(other_tmpfile), E(other_truncate),
  E(other_rename), E(other_hard_link), E(other_chmod), E(other_utimes), E(other_xattr), E(symlink_make), E(mkdir_own), E(console_log), E(record_write), E(state_create),
  E(record_read), E(record_truncate), E(record_trunc_open), E(record_unlink), E(record_rename), E(record_plant), E(log_write), E(log_unlink), E(nvram_create), E(nvram_unlink),
  E(status_write), E(status_read_write), E(status_truncate), E(status_trunc_open), E(status_unlink), E(status_rename), E(status_replace), E(status_link), E(status_create),
  E(status_tmpfile), E(pid_write), E(libvirt_remove), E(libvirt_mkdir), E(facts_write), E(facts_unlink), E(facts_replace), E(bundle_write), E(bundle_truncate), E(iso_unlink), E(iso_rename),
  E(vm_create), E(fifo_unlink), E(fifo_make), E(qemu_create), E(qemu_mkdir), E(qemu_symlink), E(scratch_create), E(scratch_unlink), E(scratch_rename), E(volume_create),
  E(volume_unlink),
  E(node_cache), E(root_list), E(usr_write), E(opt_write), E(tmp_create), E(shm_create), E(by_handle), E(openat2_other),
  E(proc_status), E(victim_mem), E(victim_fd), E(victim_root), E(victim_environ), E(sysrq), E(sysctl_write), E(oom_adjust), E(kill_victim), E(kill_all), E(tgkill_victim),
  E(tkill_victim), E(sigqueue_victim), E(sigio_victim), E(pidfd_victim), E(ptrace_victim), E(read_victim), E(limit_victim), E(look_victim_limit), E(place_victim), E(nice_victim),
  E(compare_victim), E(move_victim), E(fork_process), E(vfork_process), E(clone3_process), E(exec_shell), E(exec_python), E(exec_launcher), E(exec_own_file), E(exec_by_fd),
  E(user_namespace), E(clone_namespace), E(enter_namespace), E(mount_tmpfs), E(change_root), E(become_root), E(drop_policy), E(load_module), E(load_bpf), E(perf), E(keys),
  E(user_faults), E(shared_memory), E(kernel_log), E(set_time), E(set_host_name),
  E(dev_tun), E(dev_mem), E(dev_kmsg), E(dev_disk), E(dev_zero), E(dev_ptmx), E(dev_make), E(tap_rename), E(terminal_inject),
  E(net_tcp), E(net_tcp6), E(net_udp), E(net_packet), E(net_netlink), E(net_vsock), E(net_alg), E(net_bluetooth), E(abstract_connect), E(abstract_datagram),
  E(launcher_socket), E(other_vnc), E(other_bind), E(ring), E(ring_enter),
  OWN(own_disk), OWN(own_scratch), OWN(own_serial), OWN(own_seed), OWN(own_variables), OWN(own_nvram), OWN(own_socket), OWN(own_urandom), OWN(own_null), OWN(own_firmware), OWN(own_code), OWN(own_limits),
};

int main(int argc, char **argv) {
  const char *wanted = NULL;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--reached") == 0)
      return 0;
    if (strcmp(argv[i], "-attempt") == 0 && i + 1 < argc)
      wanted = argv[i + 1];
    if (strcmp(argv[i], "-victim") == 0 && i + 1 < argc)
      victim = (int)strtol(argv[i + 1], NULL, 10);
  }
  for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
    if (!wanted)
      printf("%s %s\n", attempts[i].name, attempts[i].kind);
    else if (strcmp(wanted, attempts[i].name) == 0) {
      errno = 0;
      bool reached = attempts[i].try();
      printf("%s\n", reached ? "reached" : strerror(errno));
      return reached ? 0 : 1;
    }
  }
  return wanted ? 2 : 0;
}
