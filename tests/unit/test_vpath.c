/* lib/vpath.c and lib/vfile.c: nothing leaves its directory, whatever the name; with openat2 and, behind a filter that hides it, without. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/limits.h"
#include "wherry/vpath.h"

static char *top; /* made anew for each test */
static int dir = -1;

static void sh(const char *format, ...) G_GNUC_PRINTF(1, 2);
static void sh(const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *line = g_strdup_vprintf(format, args);
  va_end(args);
  g_autofree char *command = g_strdup_printf("cd '%s' && %s", top, line);
  ck_assert_int_eq(system(command), 0);
}

static void setup(void) {
  top = g_dir_make_tmp("vpath-XXXXXX", NULL);
  ck_assert_ptr_nonnull(top);
  sh("mkdir -p in/sub/deep out && echo inside >in/file && echo secret >out/secret && echo deep >in/sub/deep/file && ln in/file in/hard && mkfifo in/fifo && cd in &&"
     "ln -s ../out link && ln -s ../out/secret flink && ln -s sub ilink && ln -s /etc/passwd abs && ln -s loop loop && ln -s absent dangling && ln -s /proc/self/fd/0 magic");
  g_autofree char *path = g_build_filename(top, "in", NULL);
  dir = wry_dir_open(path, NULL);
  ck_assert_int_ge(dir, 0);
}

static void teardown(void) {
  close(dir);
  g_autofree char *command = g_strdup_printf("rm -rf '%s'", top);
  ck_assert_int_eq(system(command), 0);
  g_clear_pointer(&top, g_free);
}

/* A kernel without openat2: ENOSYS; a container's filter that does not know it: EPERM. For this process from here on. */
static void hide_openat2(int errnum) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (guint)errnum),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {G_N_ELEMENTS(code), code};
  ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
  ck_assert_int_eq(syscall(SYS_openat2, dir, "file", NULL, 0), -1);
  ck_assert_int_eq(errno, errnum);
}

/* Every test below runs three times. */
static const int hidings[] = {0, ENOSYS, EPERM};
#define WAYS G_N_ELEMENTS(hidings)

static guint way(int i) {
  if (hidings[i % WAYS]) hide_openat2(hidings[i % WAYS]);
  return (guint)i / WAYS;
}

/* --- what opens --------------------------------------------------------------------------------------------------------------------------------------------- */
static const struct {
  const char *path;
  int flags;
  WryWant want;
} opens[] = {
    {"file", O_RDONLY, WRY_WANT_FILE}, {"file", O_RDONLY, WRY_WANT_ANY}, {"sub", O_RDONLY, WRY_WANT_DIR}, {"sub/deep", O_RDONLY, WRY_WANT_DIR}, {"sub/deep/file", O_RDWR, WRY_WANT_FILE},
    {".", O_RDONLY, WRY_WANT_DIR}, {"fifo", O_RDONLY | O_NONBLOCK, WRY_WANT_FIFO}, {"fifo", O_RDWR, WRY_WANT_FIFO}, {"fifo", O_PATH, WRY_WANT_ANY}, {"hard", O_RDONLY, WRY_WANT_FILE},
    {"new", O_WRONLY | O_CREAT, WRY_WANT_FILE}, {"sub/new", O_RDWR | O_CREAT | O_EXCL, WRY_WANT_FILE}, {"sub", O_PATH, WRY_WANT_DIR}, {"sub", O_PATH, WRY_WANT_ANY}, {"...", O_WRONLY | O_CREAT, WRY_WANT_FILE},
    {"..x", O_WRONLY | O_CREAT, WRY_WANT_FILE}, {"-rf", O_WRONLY | O_CREAT, WRY_WANT_FILE}, {"a b;c", O_WRONLY | O_CREAT, WRY_WANT_FILE}, {"%2e%2e", O_WRONLY | O_CREAT, WRY_WANT_FILE},
};

START_TEST(opens_what_is_below) {
  g_autoptr(GError) error = NULL;
  guint i = way(_i);
  wry_autofd int fd = wry_vopen(dir, opens[i].path, opens[i].flags, 0600, opens[i].want, &error);
  ck_assert_msg(fd >= 0, "%s: %s", opens[i].path, error ? error->message : "");
  ck_assert_int_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  if (!(opens[i].flags & O_PATH)) ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, opens[i].flags & O_NONBLOCK);
}
END_TEST

static const struct {
  const char *path;
  int flags;
  WryWant want;
} refusals[] = {
    /* text */
    {"", O_RDONLY, WRY_WANT_ANY}, {"/", O_RDONLY, WRY_WANT_ANY}, {"/etc/passwd", O_RDONLY, WRY_WANT_ANY}, {"//etc/passwd", O_RDONLY, WRY_WANT_ANY}, {"..", O_RDONLY, WRY_WANT_ANY},
    {"../out/secret", O_RDONLY, WRY_WANT_ANY}, {"sub/../file", O_RDONLY, WRY_WANT_ANY}, {"sub/..", O_RDONLY, WRY_WANT_ANY}, {"sub/../../out/secret", O_RDONLY, WRY_WANT_ANY}, {"./file", O_RDONLY, WRY_WANT_ANY},
    {"sub/./deep", O_RDONLY, WRY_WANT_ANY}, {"sub//deep", O_RDONLY, WRY_WANT_ANY}, {"sub/", O_RDONLY, WRY_WANT_ANY}, {"file/", O_RDONLY, WRY_WANT_ANY}, {"./", O_RDONLY, WRY_WANT_ANY}, {"../", O_RDONLY, WRY_WANT_ANY},
    {"sub/deep/..", O_RDONLY, WRY_WANT_ANY}, {"/proc/self/root", O_RDONLY, WRY_WANT_ANY},
    /* links */
    {"link", O_RDONLY, WRY_WANT_ANY}, {"link", O_RDONLY, WRY_WANT_DIR}, {"link/secret", O_RDONLY, WRY_WANT_ANY}, {"flink", O_RDONLY, WRY_WANT_ANY}, {"flink", O_PATH, WRY_WANT_ANY}, {"link", O_PATH, WRY_WANT_ANY},
    {"link", O_PATH, WRY_WANT_DIR}, {"ilink", O_RDONLY, WRY_WANT_DIR}, {"ilink/deep/file", O_RDONLY, WRY_WANT_ANY}, {"abs", O_RDONLY, WRY_WANT_ANY}, {"loop", O_RDONLY, WRY_WANT_ANY}, {"loop/x", O_RDONLY, WRY_WANT_ANY},
    {"dangling", O_RDONLY, WRY_WANT_ANY}, {"dangling", O_WRONLY | O_CREAT, WRY_WANT_FILE}, {"flink", O_WRONLY | O_TRUNC, WRY_WANT_FILE}, {"flink", O_WRONLY | O_CREAT | O_TRUNC, WRY_WANT_FILE}, {"magic", O_RDONLY, WRY_WANT_ANY},
    {"link/new", O_WRONLY | O_CREAT, WRY_WANT_FILE}, {"hard", O_WRONLY, WRY_WANT_FILE}, {"hard", O_RDWR | O_TRUNC, WRY_WANT_FILE}, {"file", O_WRONLY | O_CREAT | O_TRUNC, WRY_WANT_FILE},
    /* another type */
    {"sub", O_RDONLY, WRY_WANT_FILE}, {"file", O_RDONLY, WRY_WANT_DIR}, {"fifo", O_RDONLY, WRY_WANT_FILE}, {"fifo", O_WRONLY, WRY_WANT_FILE}, {"fifo", O_RDONLY, WRY_WANT_SOCKET}, {"file", O_RDONLY, WRY_WANT_SOCKET},
    {"file", O_RDONLY, WRY_WANT_BLOCK}, {"file", O_RDONLY, WRY_WANT_FIFO}, {"sub", O_PATH, WRY_WANT_FILE}, {"file/x", O_RDONLY, WRY_WANT_ANY}, {"absent", O_RDONLY, WRY_WANT_ANY}, {"absent/x", O_WRONLY | O_CREAT, WRY_WANT_FILE},
    {"file", O_WRONLY | O_CREAT | O_EXCL, WRY_WANT_FILE},
};

START_TEST(refuses_the_rest) {
  g_autoptr(GError) error = NULL;
  struct stat st;
  guint i = way(_i);
  int fd = wry_vopen(dir, refusals[i].path, refusals[i].flags, 0600, refusals[i].want, &error);
  ck_assert_msg(fd < 0, "%s opened", refusals[i].path);
  ck_assert_ptr_nonnull(error);
  g_autofree char *secret = g_build_filename(top, "out/secret", NULL), *made = g_build_filename(top, "out/new", NULL), *file = g_build_filename(top, "in/file", NULL);
  ck_assert_int_eq(stat(secret, &st), 0);
  ck_assert_int_eq(st.st_size, 7);
  ck_assert_int_eq(stat(made, &st), -1);
  ck_assert_int_eq(stat(file, &st), 0);
  ck_assert_int_eq(st.st_size, 7);
}
END_TEST

/* B3: names that have meant something to somebody. They are one component or refused; never more. */
static const char *const names[] = {
    ".", "..", "...", "....", ". ", ".. ", " ..", "..\t", "..\n", "..;", "..\\", "..\\..\\x", "%2e%2e%2f", "%2e%2e/x", "..%2fx", "..%00", "\302\201..", "\342\200\256gpj", "\357\274\216\357\274\216", "\342\200\244\342\200\244",
    "a/b", "a/../b", "a/./b", "/", "//", "///", "a//b", "a/", "/a", "~", "~root", "$HOME", "`id`", "$(id)", ";id", "|id", "&id", "-", "--", "-rf", "--help", "*", "?", "[a]", "{a,b}", "!x", "#x", "'", "\"", "\\",
    "CON", "NUL", "aux.txt", "COM1", "a.", "a ", " a", "\t", "\n", "a\nb", "\001", "\177", "\033[2J", "a\rb", "\303\251", "\303", "\377", "\360\237\230\200", "a:b", "C:", "C:\\x", "\\\\host\\x", "file:///etc/passwd",
    "http://x", "proc", "self", ".git", ".ssh", "lost+found", "x.tmp", ".x.tmp", "null", "0", "-1", "1e9", "NaN", "true", "undefined", "<x>", "&amp;", "]]>", "a,b", "a=b", "a@b", "%s%s%n", "%d", "\357\273\277", "\342\200\213",
};

START_TEST(hostile_names_stay_below) {
  guint i = way(_i);
  g_autoptr(GError) error = NULL;
  wry_autofd int fd = wry_vopen(dir, names[i], O_WRONLY | O_CREAT | O_EXCL, 0600, WRY_WANT_FILE, &error);
  gboolean one = !strchr(names[i], '/') && strcmp(names[i], ".") && strcmp(names[i], "..");
  ck_assert_msg((fd >= 0) == one, "%s: %s", names[i], error ? error->message : "opened");
  g_autoptr(GPtrArray) list = wry_vlist(dir, NULL);
  gboolean found = FALSE;
  for (guint j = 0; j < list->len; j++) found |= !strcmp(g_ptr_array_index(list, j), names[i]);
  ck_assert_int_eq(found, one);
  ck_assert_int_eq(wry_vexists(dir, names[i]), one || !strcmp(names[i], "."));
  if (one) ck_assert(wry_vunlink(dir, names[i], NULL) && !wry_vexists(dir, names[i]));
  if (error) ck_assert(g_utf8_validate(error->message, -1, NULL));
}
END_TEST

static const struct {
  gsize length;
  gboolean good;
} lengths[] = {{1, TRUE}, {254, TRUE}, {255, TRUE}, {256, FALSE}, {4096, FALSE}, {100000, FALSE}};

START_TEST(long_names) {
  guint i = way(_i);
  g_autofree char *name = g_strnfill(lengths[i].length, 'n');
  wry_autofd int fd = wry_vopen(dir, name, O_WRONLY | O_CREAT, 0600, WRY_WANT_FILE, NULL);
  ck_assert_int_eq(fd >= 0, lengths[i].good);
  g_autofree char *below = g_strconcat("sub/", name, NULL);
  wry_autofd int other = wry_vopen(dir, below, O_WRONLY | O_CREAT, 0600, WRY_WANT_FILE, NULL);
  ck_assert_int_eq(other >= 0, lengths[i].good);
  g_autofree char *in_between = g_strconcat(name, "/x", NULL);
  ck_assert(!wry_vexists(dir, in_between));
}
END_TEST

START_TEST(truncates_after_the_look) {
  struct stat st;
  way(_i);
  wry_autofd int fd = wry_vopen(dir, "sub/deep/file", O_WRONLY | O_TRUNC, 0, WRY_WANT_FILE, NULL);
  ck_assert_int_eq(fstat(fd, &st), 0);
  ck_assert_int_eq(st.st_size, 0);
}
END_TEST

/* A FIFO in place of a file must not stop us until somebody opens its other end. */
START_TEST(fifo_does_not_block) {
  way(_i);
  alarm(5);
  ck_assert_int_lt(wry_vopen(dir, "fifo", O_RDONLY, 0, WRY_WANT_FILE, NULL), 0);
  ck_assert_int_lt(wry_vopen(dir, "fifo", O_WRONLY, 0, WRY_WANT_ANY, NULL), 0);
  wry_autofd int fd = wry_vopen(dir, "fifo", O_RDONLY, 0, WRY_WANT_FIFO, NULL);
  ck_assert_int_ge(fd, 0);
  alarm(0);
}
END_TEST

/* Somebody swaps a directory and a link as fast as they can: what opens is inside, always. */
START_TEST(race_with_a_link) {
  way(_i);
  sh("mkdir in/swap && echo in >in/swap/secret && ln -s ../out in/swap2");
  g_autofree char *a = g_build_filename(top, "in/swap", NULL), *b = g_build_filename(top, "in/swap2", NULL);
  pid_t child = fork();
  if (!child)
    for (;;) renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
  guint opened = 0;
  gint64 end = g_get_monotonic_time() + 300000;
  while (g_get_monotonic_time() < end) {
    gsize length;
    g_autofree char *text = wry_vread(dir, "swap/secret", 100, &length, NULL);
    if (text) ck_assert_str_eq(text, "in\n");
    opened += text != NULL;
  }
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  ck_assert_uint_gt(opened, 0);
}
END_TEST

/* --- the operator's paths ------------------------------------------------------------------------------------------------------------------------------------------ */
START_TEST(operator_paths) {
  g_autofree char *link = g_build_filename(top, "in/link/secret", NULL), *fifo = g_build_filename(top, "in/fifo", NULL), *directory = g_build_filename(top, "in", NULL);
  g_autofree char *made = g_build_filename(top, "m/n/o", NULL), *below_file = g_build_filename(top, "in/file/x", NULL), *absent = g_build_filename(top, "absent", NULL);
  struct stat st;
  wry_autofd int fd = wry_file_open(link, O_RDONLY, 0, NULL);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_lt(wry_file_open(fifo, O_RDONLY, 0, NULL), 0);
  ck_assert_int_lt(wry_file_open(directory, O_RDONLY, 0, NULL), 0);
  ck_assert_int_lt(wry_dir_open(link, NULL), 0);
  ck_assert_int_lt(wry_dir_open(absent, NULL), 0);
  wry_autofd int deep = wry_dir_make(made, 0750, NULL);
  ck_assert_int_ge(deep, 0);
  ck_assert(fstat(deep, &st) == 0 && (st.st_mode & 0777) == 0750);
  wry_autofd int again = wry_dir_make(made, 0700, NULL);
  ck_assert_int_ge(again, 0);
  ck_assert_int_lt(wry_dir_make(below_file, 0700, NULL), 0);
}
END_TEST

/* --- making, renaming, removing -------------------------------------------------------------------------------------------------------------------------------------- */
START_TEST(makes_directories) {
  struct stat st;
  way(_i);
  umask(077);
  wry_autofd int fd = wry_vmkdir(dir, "sub/x/y", 0711, NULL);
  ck_assert(fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0777) == 0711);
  wry_autofd int again = wry_vmkdir(dir, "sub/x/y", 0700, NULL);
  ck_assert(again >= 0 && fstat(again, &st) == 0 && (st.st_mode & 0777) == 0711);
  wry_autofd int here = wry_vmkdir(dir, ".", 0700, NULL);
  ck_assert_int_ge(here, 0);
  static const char *const bad[] = {"", "..", "../y", "link/y", "ilink/y", "link", "dangling", "file", "file/y", "/tmp/y", "sub/../y", "flink/y"};
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) ck_assert_msg(wry_vmkdir(dir, bad[i], 0700, NULL) < 0, "%s", bad[i]);
}
END_TEST

START_TEST(makes_fifos) {
  struct stat st;
  way(_i);
  umask(077);
  ck_assert(wry_vmkfifo(dir, "f", 0622, NULL) && wry_vmkfifo(dir, "f", 0600, NULL) && wry_vmkfifo(dir, "fifo", 0600, NULL));
  ck_assert(fstatat(dir, "f", &st, 0) == 0 && S_ISFIFO(st.st_mode) && (st.st_mode & 0777) == 0622);
  static const char *const bad[] = {"file", "sub", "link", "dangling", "..", ".", "", "sub/f", "flink"};
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) ck_assert_msg(!wry_vmkfifo(dir, bad[i], 0600, NULL), "%s", bad[i]);
}
END_TEST

START_TEST(unlinks_and_renames) {
  way(_i);
  ck_assert(wry_vunlink(dir, "absent", NULL) && wry_vunlink(dir, "absent/x", NULL) && wry_vunlink(dir, "link", NULL));
  ck_assert(!wry_vunlink(dir, "sub", NULL) && !wry_vunlink(dir, "..", NULL) && !wry_vunlink(dir, "../out/secret", NULL) && !wry_vunlink(dir, "ilink/deep/file", NULL) && !wry_vunlink(dir, ".", NULL));
  ck_assert(wry_vrename(dir, "file", "renamed", NULL) && wry_vexists(dir, "renamed") && !wry_vexists(dir, "file"));
  ck_assert(wry_vrename(dir, "renamed", "sub/moved", NULL) && wry_vexists(dir, "sub/moved"));
  ck_assert(!wry_vrename(dir, "sub/moved", "../out/moved", NULL) && !wry_vrename(dir, "../out/secret", "s", NULL) && !wry_vrename(dir, "ilink/moved", "m", NULL));
  sh("test -e out/secret -a -e in/sub/deep/file -a ! -e out/moved");
}
END_TEST

START_TEST(lists) {
  way(_i);
  sh("touch in/.hidden");
  g_autoptr(GPtrArray) list = wry_vlist(dir, NULL);
  ck_assert_str_eq(g_ptr_array_index(list, 0), ".hidden");
  for (guint i = 1; i < list->len; i++) ck_assert_int_lt(strcmp(g_ptr_array_index(list, i - 1), g_ptr_array_index(list, i)), 0);
  g_autoptr(GPtrArray) again = wry_vlist(dir, NULL);
  ck_assert_uint_eq(again->len, list->len);
  wry_autofd int path_only = wry_vopen(dir, "sub", O_PATH, 0, WRY_WANT_DIR, NULL);
  g_autoptr(GPtrArray) sub = wry_vlist(path_only, NULL);
  ck_assert_str_eq(g_ptr_array_index(sub, 0), "deep");
  wry_autofd int file = wry_vopen(dir, "file", O_RDONLY, 0, WRY_WANT_FILE, NULL);
  ck_assert_ptr_null(wry_vlist(file, NULL));
  ck_assert_ptr_null(wry_vlist(-1, NULL));
}
END_TEST

START_TEST(removes_trees) {
  g_autoptr(GError) error = NULL;
  way(_i);
  sh("mkdir -p in/t/a/b/c in/t/d in/t/.up-0/x && touch in/t/a/b/c/f in/t/.up-1 in/t/a/g && ln -s ../../out in/t/a/out && ln -s /etc in/t/etc && mkfifo in/t/p && ln out/secret in/t/a/b/hard");
  ck_assert_msg(wry_vremove_tree(dir, "t", &error), "%s", error ? error->message : "");
  ck_assert(!wry_vexists(dir, "t"));
  sh("test -e out/secret -a -d /etc");
  ck_assert(wry_vremove_tree(dir, "t", NULL) && wry_vremove_tree(dir, "absent/x", NULL) && wry_vremove_tree(dir, "file", NULL) && wry_vremove_tree(dir, "link", NULL));
  ck_assert(!wry_vremove_tree(dir, "..", NULL) && !wry_vremove_tree(dir, ".", NULL) && !wry_vunlink(dir, ".", NULL) && !wry_vrename(dir, ".", "x", NULL) && !wry_vwrite(dir, ".", "", 0, 0600, NULL) && !wry_vremove_tree(dir, "", NULL) && !wry_vremove_tree(dir, "../out", NULL) && !wry_vremove_tree(dir, "ilink/deep", NULL));
  sh("test -e out/secret -a -d in/sub/deep");
}
END_TEST

/* Deeper than any path can say, wider than a listing may be: somebody who fills a directory cannot keep it. */
START_TEST(removes_deep_and_wide_trees) {
  g_autoptr(GError) error = NULL;
  int at = openat(dir, "sub", O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 3000; i++) {
    ck_assert_int_eq(mkdirat(at, "ddddddddddddddddddddddddddddddd", 0700), 0);
    int next = openat(at, "ddddddddddddddddddddddddddddddd", O_RDONLY | O_DIRECTORY);
    close(at);
    at = next;
  }
  close(at);
  sh("mkdir in/sub/wide && cd in/sub/wide && seq 1 70000 | xargs touch");
  ck_assert_msg(wry_vremove_tree(dir, "sub", &error), "%s", error ? error->message : "");
  ck_assert(!wry_vexists(dir, "sub"));
}
END_TEST

START_TEST(listing_is_bounded) {
  g_autoptr(GError) error = NULL;
  sh("mkdir in/wide && cd in/wide && seq 1 %u | xargs touch", WRY_MAX_DIR_ENTRIES + 1);
  wry_autofd int wide = wry_vopen(dir, "wide", O_RDONLY, 0, WRY_WANT_DIR, NULL);
  ck_assert_ptr_null(wry_vlist(wide, &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_TOO_LARGE));
}
END_TEST

/* A mount inside, of another file system or of the same, keeps what it holds. */
START_TEST(removal_stops_at_mounts) {
  if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return; /* not root */
  sh("mkdir -p in/t/a/b/point");
  g_autofree char *point = g_build_filename(top, _i < 2 ? "in/t/a/b/point" : "in/t", NULL), *source = g_build_filename(top, "out", NULL);
  ck_assert_int_eq(_i % 2 ? mount("tmpfs", point, "tmpfs", 0, NULL) : mount(source, point, NULL, MS_BIND, NULL), 0);
  /* dir still looks into the name space from before */
  g_autofree char *in = g_build_filename(top, "in", NULL);
  wry_autofd int here = wry_dir_open(in, NULL);
  wry_autofd int mounted = wry_dir_open(point, NULL);
  ck_assert(wry_vwrite(mounted, "kept", "x", 1, 0600, NULL));
  ck_assert(!wry_vremove_tree(here, "t", NULL));
  ck_assert(wry_vexists(mounted, "kept"));
  g_autofree char *fd = g_strdup_printf("/proc/self/fd/%d", mounted), *now = g_file_read_link(fd, NULL);
  ck_assert_int_eq(umount2(now, MNT_DETACH), 0);
}
END_TEST

/* --- files ------------------------------------------------------------------------------------------------------------------------------------------------------------ */
START_TEST(reads_files) {
  g_autoptr(GError) error = NULL;
  gsize length = 0;
  way(_i);
  g_autofree char *text = wry_vread(dir, "file", 7, &length, NULL);
  ck_assert_str_eq(text, "inside\n");
  ck_assert_uint_eq(length, 7);
  ck_assert_ptr_null(wry_vread(dir, "file", 6, &length, &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_TOO_LARGE));
  g_clear_error(&error);
  ck_assert_ptr_null(wry_vread(dir, "absent", 6, &length, &error));
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_NOT_FOUND));
  ck_assert_ptr_null(wry_vread(dir, "flink", 100, NULL, NULL));
  ck_assert_ptr_null(wry_vread(dir, "sub", 100, NULL, NULL));
  sh("head -c 300000 /dev/zero >in/big && : >in/empty");
  g_autofree char *big = wry_vread(dir, "big", 300000, &length, NULL), *empty = wry_vread(dir, "empty", 0, NULL, NULL);
  ck_assert_ptr_nonnull(big);
  ck_assert_uint_eq(length, 300000);
  ck_assert_str_eq(empty, "");
}
END_TEST

START_TEST(writes_files) {
  struct stat st;
  way(_i);
  umask(077);
  sh("echo stale >in/.w.tmp && echo stale >in/sub/.w.tmp");
  ck_assert(wry_vwrite(dir, "w", "one", 3, 0644, NULL) && wry_vwrite(dir, "w", "two\0three", 9, 0640, NULL) && wry_vwrite(dir, "sub/w", "", 0, 0600, NULL));
  gsize length;
  g_autofree char *text = wry_vread(dir, "w", 100, &length, NULL);
  ck_assert(length == 9 && !memcmp(text, "two\0three", 9));
  ck_assert(fstatat(dir, "w", &st, 0) == 0 && (st.st_mode & 0777) == 0640);
  sh("test ! -e in/.w.tmp -a ! -e in/sub/.w.tmp");
  ck_assert(!wry_vwrite(dir, "../out/w", "x", 1, 0600, NULL) && !wry_vwrite(dir, "link/w", "x", 1, 0600, NULL) && !wry_vwrite(dir, "sub", "x", 1, 0600, NULL) && !wry_vwrite(dir, "", "x", 1, 0600, NULL));
  ck_assert(wry_vwrite(dir, "flink", "x", 1, 0600, NULL));
  sh("test \"$(cat out/secret)\" = secret -a ! -e out/w -a ! -L in/flink -a ! -e in/.sub.tmp");
}
END_TEST

/* --- names ------------------------------------------------------------------------------------------------------------------------------------------------------------- */
static const char *const valid_names[] = {"a", "0", "a-b", "a.b", "a.b-c.d", "vm1", "550e8400-e29b-41d4-a716-446655440000", "a--b", "0.0", "x.y.z"};
static const char *const invalid_names[] = {
    "", ".", "..", "...", "-", "-a", "a-", ".a", "a.", "a..b", "a.-b", "a-.b", "A", "aB", "a_b", "a/b", "a b", " a", "a ", "a\n", "\303\251", "a\303\251", "a:b", "a%b", "a,b", "a=b", "*", "a;b", "~", "a\001", "-rf", "a\\b",
};

START_TEST(name_validity) {
  g_autofree char *at = g_strnfill(253, 'a'), *past = g_strnfill(254, 'a');
  for (gsize i = 0; i < G_N_ELEMENTS(valid_names); i++) ck_assert_msg(wry_vname_valid(valid_names[i]), "%s", valid_names[i]);
  for (gsize i = 0; i < G_N_ELEMENTS(invalid_names); i++) ck_assert_msg(!wry_vname_valid(invalid_names[i]), "%s", invalid_names[i]);
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
    if (wry_vname_valid(names[i])) ck_assert(strspn(names[i], "abcdefghijklmnopqrstuvwxyz0123456789-.") == strlen(names[i]));
  ck_assert(wry_vname_valid(at) && !wry_vname_valid(past));
}
END_TEST

/* --- sockets ------------------------------------------------------------------------------------------------------------------------------------------------------------- */
START_TEST(sockets) {
  struct stat st;
  g_autoptr(GError) error = NULL;
  way(_i);
  umask(077);
  wry_autofd int server = wry_vlisten(dir, "s", SOCK_SEQPACKET, 0666, &error);
  ck_assert_msg(server >= 0, "%s", error ? error->message : "");
  ck_assert(fstatat(dir, "s", &st, 0) == 0 && (st.st_mode & 0777) == 0666);
  wry_autofd int client = wry_vconnect(dir, "s", SOCK_SEQPACKET, NULL);
  ck_assert_int_ge(client, 0);
  ck_assert_int_eq(fcntl(client, F_GETFL) & O_NONBLOCK, 0);
  wry_autofd int accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
  ck_assert_int_eq(write(client, "hello", 5), 5);
  char text[8];
  ck_assert_int_eq(read(accepted, text, sizeof text), 5);
  ck_assert_int_lt(wry_vlisten(dir, "s", SOCK_SEQPACKET, 0600, &error), 0);
  ck_assert(g_error_matches(error, WRY_ERROR, WRY_ERROR_LOCKED));
  close(server);
  server = -1;
  ck_assert_int_lt(wry_vconnect(dir, "s", SOCK_SEQPACKET, NULL), 0);
  wry_autofd int second = wry_vlisten(dir, "s", SOCK_SEQPACKET, 0600, NULL);
  ck_assert_int_ge(second, 0);
}
END_TEST

START_TEST(sockets_and_hostile_names) {
  way(_i);
  wry_autofd int outside = wry_dir_open(top, NULL);
  wry_autofd int server = wry_vlisten(outside, "real", SOCK_STREAM, 0600, NULL);
  ck_assert_int_ge(server, 0);
  sh("ln -s ../real in/sl && ln -s ../made in/absent-link");
  static const char *const bad[] = {"sl", "../real", "file", "fifo", "sub", "absent", "", "..", "link"};
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) ck_assert_msg(wry_vconnect(dir, bad[i], SOCK_STREAM, NULL) < 0, "%s", bad[i]);
  static const char *const no_server[] = {"file", "fifo", "sub", "../made", "", "..", "sub/s", "absent-link"};
  for (gsize i = 0; i < G_N_ELEMENTS(no_server); i++) ck_assert_msg(wry_vlisten(dir, no_server[i], SOCK_STREAM, 0600, NULL) < 0, "%s", no_server[i]);
  g_autofree char *name = g_strnfill(200, 's');
  ck_assert_int_lt(wry_vlisten(dir, name, SOCK_STREAM, 0600, NULL), 0);
  sh("test -f in/file -a -p in/fifo -a ! -e made -a -S real");
}
END_TEST

/* A listener that accepts nothing and has a full queue must not stop a client. */
START_TEST(connect_does_not_block) {
  int clients[8192], n = 0;
  wry_autofd int server = wry_vlisten(dir, "s", SOCK_STREAM, 0600, NULL);
  listen(server, 1);
  alarm(5);
  while (n < 8192 && (clients[n] = wry_vconnect(dir, "s", SOCK_STREAM, NULL)) >= 0) n++;
  alarm(0);
  ck_assert_int_lt(n, 100);
  while (n) close(clients[--n]);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("vpath");
  TCase *tcase = tcase_create("vpath");
  tcase_add_checked_fixture(tcase, setup, teardown);
  tcase_add_loop_test(tcase, opens_what_is_below, 0, G_N_ELEMENTS(opens) * WAYS);
  tcase_add_loop_test(tcase, refuses_the_rest, 0, G_N_ELEMENTS(refusals) * WAYS);
  tcase_add_loop_test(tcase, hostile_names_stay_below, 0, G_N_ELEMENTS(names) * WAYS);
  tcase_add_loop_test(tcase, long_names, 0, G_N_ELEMENTS(lengths) * WAYS);
  tcase_add_loop_test(tcase, truncates_after_the_look, 0, WAYS);
  tcase_add_loop_test(tcase, fifo_does_not_block, 0, WAYS);
  tcase_add_loop_test(tcase, race_with_a_link, 0, WAYS);
  tcase_add_test(tcase, operator_paths);
  tcase_add_loop_test(tcase, makes_directories, 0, WAYS);
  tcase_add_loop_test(tcase, makes_fifos, 0, WAYS);
  tcase_add_loop_test(tcase, unlinks_and_renames, 0, WAYS);
  tcase_add_loop_test(tcase, lists, 0, WAYS);
  tcase_add_loop_test(tcase, removes_trees, 0, WAYS);
  tcase_add_test(tcase, removes_deep_and_wide_trees);
  tcase_add_test(tcase, listing_is_bounded);
  tcase_add_loop_test(tcase, removal_stops_at_mounts, 0, 4);
  tcase_add_loop_test(tcase, reads_files, 0, WAYS);
  tcase_add_loop_test(tcase, writes_files, 0, WAYS);
  tcase_add_test(tcase, name_validity);
  tcase_add_loop_test(tcase, sockets, 0, WAYS);
  tcase_add_loop_test(tcase, sockets_and_hostile_names, 0, WAYS);
  tcase_add_test(tcase, connect_does_not_block);
  tcase_set_timeout(tcase, 60);
  suite_add_tcase(suite, tcase);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
