/* Every step of self-isolation is tried in a child: what it must not do any more, it tries. Root only, but for the parts that need no privilege. */
#include "policy_handler.h"
#include "wherry/error.h"
#include "wherry/isolate.h"
#include "wherry/landlock_abi.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIP_UNLESS_ROOT() if (geteuid() != 0) return

/* valgrind makes system calls of its own and does not pass seccomp(2) on. */
static gboolean on_valgrind(void) {
  const char *preload = getenv("LD_PRELOAD");
  return preload && strstr(preload, "vgpreload");
}

/* Status of wait(2) of a child that runs `body`. */
static int child(int (*body)(void)) {
  fflush(NULL);
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0)
    _exit(body());
  int status;
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  return status;
}

#define CHECK(condition) do { if (!(condition)) { fprintf(stderr, "%s:%d: %s (errno %s)\n", __func__, __LINE__, #condition, strerror(errno)); return 1; } } while (0)

static gboolean fine(gboolean ok, GError *error) {
  if (!ok)
    fprintf(stderr, "%s\n", error ? error->message : "no message");
  return ok;
}
#define OK(call) CHECK(fine((call), error))

/* Value of a line of /proc/self/status. */
static unsigned long long status_value(const char *key) {
  char line[256];
  unsigned long long value = ~0ull;
  FILE *f = fopen("/proc/self/status", "re");
  while (f && fgets(line, sizeof line, f))
    if (strncmp(line, key, strlen(key)) == 0)
      value = strtoull(line + strlen(key) + 1, NULL, 16);
  if (f)
    fclose(f);
  return value;
}

static int drops_everything(void) {
  GError *error = NULL;
  OK(wry_isolate_user(601000, 601000, NULL, 0, &error));
  OK(wry_isolate_caps(NULL, &error));
  static const char *const sets[] = {"CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"};
  for (gsize i = 0; i < G_N_ELEMENTS(sets); i++)
    CHECK(status_value(sets[i]) == 0);
  CHECK(status_value("NoNewPrivs:") == 1);
  CHECK(setuid(0) != 0 && setgid(0) != 0 && setgroups(0, NULL) != 0);
  CHECK(mount("none", "/mnt", "tmpfs", 0, NULL) != 0 && errno == EPERM);
  CHECK(chroot("/") != 0 && errno == EPERM);
  return 0;
}

START_TEST(test_everything_dropped) {
  SKIP_UNLESS_ROOT();
  ck_assert_int_eq(child(drops_everything), 0);
}
END_TEST

/* Root without capabilities must not get them back by executing something. */
static int root_stays_powerless(void) {
  GError *error = NULL;
  OK(wry_isolate_caps(NULL, &error));
  CHECK(status_value("CapEff:") == 0 && status_value("CapBnd:") == 0);
  execl("/bin/sh", "sh", "-c", "grep -q '^CapEff:.0000000000000000' /proc/self/status && ! chown 1:1 /proc/self/../../dev/null", (char *)NULL);
  return 1;
}

START_TEST(test_root_stays_powerless) {
  SKIP_UNLESS_ROOT();
  ck_assert_int_eq(child(root_stays_powerless), 0);
}
END_TEST

static int caps_twice(void) {
  GError *error = NULL;
  OK(wry_isolate_caps(NULL, &error));
  OK(wry_isolate_caps(NULL, &error));
  return 0;
}

START_TEST(test_caps_twice) {
  SKIP_UNLESS_ROOT();
  ck_assert_int_eq(child(caps_twice), 0);
}
END_TEST

/* A process that may not empty its bounding set must say so rather than go on. */
static int bounding_left(void) {
  GError *error = NULL;
  CHECK(setresuid(601000, 601000, 601000) == 0);
  CHECK(!wry_isolate_caps(NULL, &error));
  CHECK(g_str_has_suffix(error->message, "bounding set"));
  return 0;
}

START_TEST(test_bounding_left_is_an_error) {
  SKIP_UNLESS_ROOT();
  ck_assert_int_eq(child(bounding_left), 0);
}
END_TEST

static const int kept[] = {CAP_CHOWN + 1, CAP_NET_ADMIN + 1, 0};
static const int chown_only[] = {CAP_CHOWN + 1, 0};
static const int sys_admin[] = {CAP_SYS_ADMIN + 1, 0};

static int keeps_some(void) {
  GError *error = NULL;
  const unsigned long long mask = 1ull << CAP_CHOWN | 1ull << CAP_NET_ADMIN;
  OK(wry_isolate_caps(kept, &error));
  CHECK(status_value("CapPrm:") == mask && status_value("CapBnd:") == mask && status_value("CapEff:") == 0);
  int fd = memfd_create("x", MFD_CLOEXEC);
  CHECK(fd >= 0 && fchown(fd, 5, 5) != 0);
  OK(wry_isolate_effective(chown_only, &error));
  CHECK(fchown(fd, 5, 5) == 0);
  OK(wry_isolate_effective(NULL, &error));
  CHECK(status_value("CapEff:") == 0 && fchown(fd, 6, 6) != 0);
  CHECK(!wry_isolate_effective(sys_admin, &error));
  return 0;
}

START_TEST(test_keeps_what_was_asked) {
  SKIP_UNLESS_ROOT();
  ck_assert_int_eq(child(keeps_some), 0);
}
END_TEST

/* `launcher setup` is started by a root half whose uid 0 gives nothing: only ambient capabilities reach it. */
static int ambient_reaches_exec(void) {
  GError *error = NULL;
  OK(wry_isolate_caps(kept, &error));
  OK(wry_isolate_ambient(chown_only, &error));
  execl("/bin/sh", "sh", "-c", "grep -q '^CapEff:.0000000000000001$' /proc/self/status", (char *)NULL);
  return 1;
}

START_TEST(test_ambient_reaches_exec) {
  SKIP_UNLESS_ROOT();
  ck_assert_int_eq(child(ambient_reaches_exec), 0);
}
END_TEST

static int user_with_groups(void) {
  GError *error = NULL;
  const gid_t groups[] = {7, 9};
  OK(wry_isolate_user(601000, 601001, groups, 2, &error));
  gid_t now[4];
  CHECK(getgroups(4, now) == 2 && now[0] == 7 && now[1] == 9);
  CHECK(getuid() == 601000 && getgid() == 601001);
  return 0;
}

START_TEST(test_user_with_groups) {
  SKIP_UNLESS_ROOT();
  ck_assert_int_eq(child(user_with_groups), 0);
}
END_TEST

static int user_refused(void) {
  GError *error = NULL;
  CHECK(setresuid(601000, 601000, 601000) == 0);
  CHECK(!wry_isolate_user(601001, 601001, NULL, 0, &error) && error);
  return 0;
}

START_TEST(test_user_refused) {
  SKIP_UNLESS_ROOT();
  ck_assert_int_eq(child(user_refused), 0);
}
END_TEST

static int seccomp_kills(void) {
  GError *error = NULL;
  OK(wry_isolate_no_new_privs(&error));
  OK(wry_isolate_seccomp(wry_policy_handler, G_N_ELEMENTS(wry_policy_handler), &error));
  CHECK(prctl(PR_GET_SECCOMP) == 2);
  syscall(SYS_ptrace, 0, 0, 0, 0);
  return 2;
}

START_TEST(test_seccomp_kills) {
  if (on_valgrind())
    return;
  int status = child(seccomp_kills);
  ck_assert(WIFSIGNALED(status));
  ck_assert_int_eq(WTERMSIG(status), SIGSYS);
}
END_TEST

static void *endless(void *data) {
  for (;;)
    pause();
  return data;
}

/* A policy that a sanitized build can live under. */
static const struct sock_filter no_ptrace[] = {
  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

/* Threads that exist already are caught too. */
static int seccomp_all_threads(void) {
  GError *error = NULL;
  GThread *thread = g_thread_new("other", endless, NULL);
  CHECK(thread);
  OK(wry_isolate_no_new_privs(&error));
  OK(wry_isolate_seccomp(no_ptrace, G_N_ELEMENTS(no_ptrace), &error));
  g_autoptr(GDir) tasks = g_dir_open("/proc/self/task", 0, NULL);
  const char *task;
  guint filtered = 0;
  while (tasks && (task = g_dir_read_name(tasks))) {
    g_autofree char *path = g_strdup_printf("/proc/self/task/%s/status", task), *text = NULL;
    filtered += g_file_get_contents(path, &text, NULL, NULL) && strstr(text, "Seccomp:\t2");
  }
  CHECK(filtered == 2);
  return 0;
}

START_TEST(test_seccomp_all_threads) { ck_assert(on_valgrind() || child(seccomp_all_threads) == 0); }
END_TEST

static int seccomp_nonsense(void) {
  GError *error = NULL;
  const struct sock_filter broken = {0xffff, 0, 0, 0};
  OK(wry_isolate_no_new_privs(&error));
  CHECK(!wry_isolate_seccomp(&broken, 1, &error) && error);
  g_clear_error(&error);
  CHECK(!wry_isolate_seccomp(&broken, 0, &error) && error);
  return 0;
}

START_TEST(test_seccomp_nonsense_is_refused) { ck_assert_int_eq(child(seccomp_nonsense), 0); }
END_TEST

/* --- Landlock --------------------------------------------------------------------------------------------------------- */

static char scratch[64];

static void make_scratch(void) {
  strcpy(scratch, "/tmp/isolate.XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(scratch));
  ck_assert_int_eq(chdir(scratch), 0);
  ck_assert_int_eq(mkdir("rw", 0700) | mkdir("ro", 0700) | mkdir("none", 0700), 0);
  ck_assert(g_file_set_contents("ro/file", "x", 1, NULL) && g_file_set_contents("none/file", "x", 1, NULL));
}

static void remove_scratch(void) {
  g_autofree char *command = g_strdup_printf("rm -rf %s", scratch);
  ck_assert_int_eq(chdir("/") | system(command), 0);
}

static gboolean restrict_scratch(int *abi, GError **error) {
  g_autofree char *rw = g_build_filename(scratch, "rw", NULL), *ro = g_build_filename(scratch, "ro", NULL);
  const WryLandlockRule rules[] = {
    {rw, WRY_LANDLOCK_READ | WRY_LANDLOCK_WRITE | WRY_LANDLOCK_MAKE | WRY_LANDLOCK_SOCKET, FALSE},
    {ro, WRY_LANDLOCK_READ, FALSE},
    {"/dev/null", WRY_LANDLOCK_READ | WRY_LANDLOCK_WRITE, FALSE},
    {"/nonexistent/by/design", WRY_LANDLOCK_READ, TRUE},
  };
  return wry_isolate_landlock(rules, G_N_ELEMENTS(rules), FALSE, abi, error);
}

static gboolean denied(const char *path, int flags) {
  int fd = open(path, flags | O_CLOEXEC, 0600);
  return fd < 0 && errno == EACCES;
}

static int landlock_files(void) {
  GError *error = NULL;
  int abi;
  OK(restrict_scratch(&abi, &error));
  CHECK(abi == wry_ll_abi());
  if (abi == 0)
    return 0;
  CHECK(open("rw/new", O_CREAT | O_RDWR, 0600) >= 0 && mkdir("rw/dir", 0700) == 0 && unlink("rw/new") == 0 && rmdir("rw/dir") == 0);
  CHECK(open("ro/file", O_RDONLY) >= 0 && open("/dev/null", O_RDWR) >= 0);
  CHECK(denied("ro/file", O_RDWR) && denied("ro/new", O_CREAT | O_RDWR) && denied("none/file", O_RDONLY) && denied("/etc/passwd", O_RDONLY));
  CHECK(denied("/proc/self/status", O_RDONLY) && denied("/dev/zero", O_RDONLY) && denied("/", O_RDONLY | O_DIRECTORY));
  CHECK(unlink("ro/file") != 0 && mkdir("none/dir", 0700) != 0 && rename("ro/file", "rw/file") != 0);
  CHECK(execl("/bin/true", "true", (char *)NULL) != 0 && errno == EACCES);
  return 0;
}

START_TEST(test_landlock_files) { ck_assert_int_eq(child(landlock_files), 0); }
END_TEST

static int landlock_tcp(void) {
  GError *error = NULL;
  int abi, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in any = {.sin_family = AF_INET};
  OK(restrict_scratch(&abi, &error));
  CHECK(abi < 4 || (bind(fd, (struct sockaddr *)&any, sizeof any) != 0 && errno == EACCES));
  return 0;
}

START_TEST(test_landlock_tcp) { ck_assert_int_eq(child(landlock_tcp), 0); }
END_TEST

static int abstract_socket(int (*call)(int, const struct sockaddr *, socklen_t), int fd) {
  struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0wherry-isolate-test"};
  return call(fd, (struct sockaddr *)&name, offsetof(struct sockaddr_un, sun_path) + 20);
}

static int landlock_scopes(void) {
  GError *error = NULL;
  int abi, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  OK(restrict_scratch(&abi, &error));
  if (abi < 6)
    return 0;
  CHECK(abstract_socket(connect, fd) != 0 && errno == EPERM);
  CHECK(kill(getppid(), 0) != 0 && errno == EPERM);
  return 0;
}

START_TEST(test_landlock_scopes) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert_int_eq(abstract_socket(bind, fd) | listen(fd, 1), 0);
  ck_assert_int_eq(child(landlock_scopes), 0);
  close(fd);
}
END_TEST

/* The rule without a path: signals out stay possible, abstract sockets do not. */
static int landlock_signals_kept(void) {
  GError *error = NULL;
  const WryLandlockRule rules[] = {{NULL, WRY_LANDLOCK_SIGNAL, FALSE}};
  int abi, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  OK(wry_isolate_landlock(rules, 1, FALSE, &abi, &error));
  CHECK(kill(getppid(), 0) == 0);
  CHECK(abi < 6 || (abstract_socket(connect, fd) != 0 && errno == EPERM));
  return 0;
}

START_TEST(test_landlock_signals_kept) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert_int_eq(abstract_socket(bind, fd) | listen(fd, 1), 0);
  ck_assert_int_eq(child(landlock_signals_kept), 0);
  close(fd);
}
END_TEST

static int landlock_missing(void) {
  GError *error = NULL;
  const WryLandlockRule rules[] = {{"/nonexistent/by/design", WRY_LANDLOCK_READ, FALSE}};
  if (wry_ll_abi() == 0)
    return 0;
  CHECK(!wry_isolate_landlock(rules, 1, FALSE, NULL, &error));
  CHECK(g_str_has_prefix(error->message, "landlock rule /nonexistent"));
  return 0;
}

START_TEST(test_landlock_missing_path) { ck_assert_int_eq(child(landlock_missing), 0); }
END_TEST

/* Older ABIs know fewer rights; the mask must never ask for one that the kernel refuses. */
START_TEST(test_landlock_degrades) {
  static const guint64 rights[] = {0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff, 0xffff};
  for (int abi = 1; abi < (int)G_N_ELEMENTS(rights); abi++) {
    ck_assert_uint_eq(wry_ll_fs(abi), rights[abi]);
    if (abi <= wry_ll_abi()) {
      int fd = wry_ll_create(abi, WRY_LL_NET_BIND_TCP, WRY_LL_SCOPE_SIGNAL);
      ck_assert_int_ge(fd, 0);
      close(fd);
    }
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("isolate");
  TCase *privilege = tcase_create("privilege"), *filter = tcase_create("seccomp"), *landlock = tcase_create("landlock");
  tcase_add_test(privilege, test_everything_dropped);
  tcase_add_test(privilege, test_root_stays_powerless);
  tcase_add_test(privilege, test_caps_twice);
  tcase_add_test(privilege, test_bounding_left_is_an_error);
  tcase_add_test(privilege, test_keeps_what_was_asked);
  tcase_add_test(privilege, test_ambient_reaches_exec);
  tcase_add_test(privilege, test_user_with_groups);
  tcase_add_test(privilege, test_user_refused);
  tcase_add_test(filter, test_seccomp_kills);
  tcase_add_test(filter, test_seccomp_all_threads);
  tcase_add_test(filter, test_seccomp_nonsense_is_refused);
  tcase_add_checked_fixture(landlock, make_scratch, remove_scratch);
  tcase_add_test(landlock, test_landlock_files);
  tcase_add_test(landlock, test_landlock_tcp);
  tcase_add_test(landlock, test_landlock_scopes);
  tcase_add_test(landlock, test_landlock_signals_kept);
  tcase_add_test(landlock, test_landlock_missing_path);
  tcase_add_test(landlock, test_landlock_degrades);
  suite_add_tcase(suite, privilege);
  suite_add_tcase(suite, filter);
  suite_add_tcase(suite, landlock);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
