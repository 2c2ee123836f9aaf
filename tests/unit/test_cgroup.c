/* Values and programs as pure functions; then real cgroups: limits read back, device rules tried by opening nodes from inside, changed under a process, undone. v1 or v2 as the
 * machine has it, and v2 device rules also on the v2 tree beside v1 hierarchies. The real part needs root and a writable cgroup tree. */
#include "launcher/cgroup/backend.h"
#include "wherry/error.h"
#include "wherry/vpath.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const WrySetupDevice null_zero[] = {{.kind = 'c', .major = 1, .minor = 3, .read = 1, .write = 1}, {.kind = 'c', .major = 1, .minor = 5, .read = 1, .write = 1}};
static const WrySetupDevice null_full[] = {{.kind = 'c', .major = 1, .minor = 3, .read = 1, .write = 1}, {.kind = 'c', .major = 1, .minor = 7, .read = 1, .write = 1}};

START_TEST(test_values) {
  static const struct { int version; WrySetupRequest request; const char *expected; } cases[] = {
    {1, {0}, ""},
    {2, {0}, ""},
    {1, {.memory_max = 1 << 20, .cpu_quota_us = 50000, .cpu_period_us = 100000, .cpu_shares = 512, .pids_max = 99},
     "memory.limit_in_bytes=1048576 cpu.cfs_period_us=100000 cpu.cfs_quota_us=50000 cpu.shares=512 pids.max=99 "},
    {2, {.memory_max = 1 << 20, .cpu_quota_us = 50000, .cpu_period_us = 100000, .cpu_shares = 512, .pids_max = 99},
     "memory.max=1048576 cpu.max=50000 100000 cpu.weight=20 pids.max=99 "},
    {2, {.cpu_quota_us = 50000}, "cpu.max=50000 100000 "},
    {1, {.cpu_quota_us = 50000}, "cpu.cfs_quota_us=50000 "},
    {1, {.cpu_shares = 1}, "cpu.shares=2 "},
    {2, {.memory_max = G_MAXUINT64}, "memory.max=18446744073709551615 "},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    WryCgroupValue values[WRY_CGROUP_VALUES];
    g_autoptr(GString) text = g_string_new(NULL);
    guint n = wry_cgroup_values(cases[i].version, &cases[i].request, values);
    for (guint k = 0; k < n; k++)
      g_string_append_printf(text, "%s=%s ", values[k].file, values[k].text);
    ck_assert_str_eq(text->str, cases[i].expected);
  }
}
END_TEST

/* KEP-2254's examples. */
START_TEST(test_weight) {
  static const guint pairs[][2] = {{0, 1}, {1, 1}, {2, 1}, {100, 4}, {1024, 39}, {2048, 79}, {262144, 10000}, {G_MAXUINT32, 10000}};
  for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++)
    ck_assert_uint_eq(wry_cgroup_weight(pairs[i][0]), pairs[i][1]);
}
END_TEST

START_TEST(test_device_text) {
  char text[48];
  wry_cgroup_device_text(&(WrySetupDevice){.kind = 'c', .major = 10, .minor = 232, .read = 1, .write = 1}, text);
  ck_assert_str_eq(text, "c 10:232 rw");
  wry_cgroup_device_text(&(WrySetupDevice){.kind = 'b', .major = G_MAXUINT32, .minor = G_MAXUINT32, .mknod = 1}, text);
  ck_assert_str_eq(text, "b *:* m");
  wry_cgroup_device_text(&(WrySetupDevice){.kind = 'b', .major = G_MAXUINT32 - 1, .minor = G_MAXUINT32 - 1, .read = 1, .write = 1, .mknod = 1}, text);
  ck_assert_str_eq(text, "b 4294967294:4294967294 rwm");
}
END_TEST

/* --- the device program, run by an interpreter of the eight instructions that it uses ------------------------------------ */

static gboolean simulate(const struct bpf_insn *code, gsize n, guint type, guint access, guint major, guint minor) {
  guint64 r[11] = {0};
  const struct bpf_cgroup_dev_ctx ctx = {access << 16 | type, major, minor};
  for (gsize pc = 0; pc < n; pc++) {
    const struct bpf_insn *i = &code[pc];
    switch (i->code) {
    case BPF_LDX | BPF_MEM | BPF_W: r[i->dst_reg] = *(const guint32 *)((const char *)&ctx + i->off); break;
    case BPF_ALU64 | BPF_MOV | BPF_X: r[i->dst_reg] = r[i->src_reg]; break;
    case BPF_ALU64 | BPF_MOV | BPF_K: r[i->dst_reg] = (guint64)(gint64)i->imm; break;
    case BPF_ALU64 | BPF_AND | BPF_K: r[i->dst_reg] &= (guint64)(gint64)i->imm; break;
    case BPF_ALU64 | BPF_RSH | BPF_K: r[i->dst_reg] >>= i->imm; break;
    case BPF_JMP32 | BPF_JNE | BPF_K: pc += (guint32)r[i->dst_reg] != (guint32)i->imm ? (gsize)i->off : 0; break;
    case BPF_JMP | BPF_JNE | BPF_X: pc += r[i->dst_reg] != r[i->src_reg] ? (gsize)i->off : 0; break;
    case BPF_JMP | BPF_EXIT: return r[0] != 0;
    default: ck_abort_msg("instruction %02x", i->code);
    }
  }
  ck_abort_msg("program does not end");
  return FALSE;
}

START_TEST(test_program) {
  static const WrySetupDevice rules[] = {
    {.kind = 'c', .major = 10, .minor = 232, .read = 1, .write = 1}, {.kind = 'b', .major = 8, .minor = G_MAXUINT32, .read = 1}, {.kind = 'c', .major = G_MAXUINT32, .minor = 7, .mknod = 1}};
  enum { BLOCK = BPF_DEVCG_DEV_BLOCK, CHAR = BPF_DEVCG_DEV_CHAR, M = BPF_DEVCG_ACC_MKNOD, R = BPF_DEVCG_ACC_READ, W = BPF_DEVCG_ACC_WRITE };
  static const struct { guint type, access, major, minor; gboolean allowed; } cases[] = {
    {CHAR, R, 10, 232, TRUE},      {CHAR, R | W, 10, 232, TRUE}, {CHAR, W, 10, 232, TRUE},  {CHAR, M, 10, 232, FALSE}, {CHAR, R | W | M, 10, 232, FALSE},
    {BLOCK, R, 10, 232, FALSE},    {CHAR, R, 10, 231, FALSE},    {CHAR, R, 11, 232, FALSE}, {BLOCK, R, 8, 0, TRUE},    {BLOCK, R, 8, G_MAXUINT32 - 1, TRUE},
    {BLOCK, R | W, 8, 0, FALSE},   {CHAR, R, 8, 0, FALSE},       {CHAR, M, 0, 7, TRUE},     {CHAR, M, 4095, 7, TRUE},  {CHAR, M, 0, 8, FALSE},
  };
  struct bpf_insn code[64];
  gsize n = wry_device_program(rules, G_N_ELEMENTS(rules), code, G_N_ELEMENTS(code));
  ck_assert_uint_gt(n, 0);
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
    ck_assert_msg(simulate(code, n, cases[i].type, cases[i].access, cases[i].major, cases[i].minor) == cases[i].allowed, "case %zu", i);
  ck_assert_uint_eq(wry_device_program(rules, G_N_ELEMENTS(rules), code, 20), 0);
  n = wry_device_program(NULL, 0, code, G_N_ELEMENTS(code));
  ck_assert(!simulate(code, n, CHAR, R, 1, 3));
}
END_TEST

/* --- real cgroups ------------------------------------------------------------------------------------------------------- */

static char name[64];
static int v2_tree; /* a v2 tree, -1 without one */
static gboolean usable;

static const char *const trees[] = {"memory", "cpu", "pids", "devices", "unified", "."};

static void each_tree(int (*action)(int, const char *)) {
  for (gsize i = 0; i < G_N_ELEMENTS(trees); i++) {
    g_autofree char *path = g_build_filename("/sys/fs/cgroup", trees[i], NULL);
    int fd = wry_dir_open(path, NULL);
    if (fd >= 0)
      action(fd, name);
    if (fd >= 0)
      close(fd);
  }
}

static int make(int tree, const char *path) {
  if (wry_vexists(tree, "cgroup.subtree_control")) {
    int fd = wry_vopen(tree, "cgroup.subtree_control", O_WRONLY, 0, WRY_WANT_FILE, NULL);
    for (const char *const *c = (const char *const[]){"+memory", "+cpu", "+pids", NULL}; *c; c++)
      (void)!write(fd, *c, strlen(*c));
    close(fd);
  }
  return wry_vexists(tree, "cgroup.procs") ? mkdirat(tree, path, 0755) : 0;
}

static int destroy(int tree, const char *path) {
  return unlinkat(tree, path, AT_REMOVEDIR);
}

static void set_up(void) {
  g_snprintf(name, sizeof name, "wherry-test-%d", getpid());
  each_tree(make);
  g_autoptr(WryCgroup) cgroup = wry_cgroup_open(name, NULL);
  usable = geteuid() == 0 && cgroup;
  v2_tree = wry_dir_open("/sys/fs/cgroup/unified", NULL);
  if (v2_tree < 0 && cgroup && wry_cgroup_version(cgroup) == 2)
    v2_tree = wry_dir_open("/sys/fs/cgroup", NULL);
}

static void tear_down(void) {
  each_tree(destroy);
  close(v2_tree);
}

#define SKIP_UNLESS_USABLE() if (!usable) return

static WryCgroup *open_cgroup(gboolean v2) {
  GError *error = NULL;
  WryCgroup *cgroup = v2 ? wry_cgroup_open_v2(v2_tree, name, &error) : wry_cgroup_open(name, &error);
  ck_assert_msg(cgroup != NULL, "%s", error ? error->message : "");
  return cgroup;
}

static void assert_ok(gboolean ok, GError *error) {
  ck_assert_msg(ok, "%s", error ? error->message : "no message");
}

static void assert_file(const WryCgroup *cgroup, const char *controller, const char *file, const char *expected) {
  char text[WRY_CGROUP_TEXT];
  GError *error = NULL;
  assert_ok(cgroup->backend->get(cgroup, controller, file, text, &error), error);
  ck_assert_str_eq(text, expected);
}

START_TEST(test_limits) {
  SKIP_UNLESS_USABLE();
  GError *error = NULL;
  g_autoptr(WryCgroup) cgroup = open_cgroup(FALSE);
  const WrySetupRequest request = {.memory_max = (64 << 20) + 5, .cpu_quota_us = 50000, .cpu_period_us = 100000, .cpu_shares = 512, .pids_max = 99};
  gboolean v1 = wry_cgroup_version(cgroup) == 1;
  assert_ok(wry_cgroup_limit(cgroup, &request, &error), error);
  assert_ok(wry_cgroup_limit(cgroup, &request, &error), error);
  assert_file(cgroup, "memory", v1 ? "memory.limit_in_bytes" : "memory.max", "67108864");
  assert_file(cgroup, "cpu", v1 ? "cpu.cfs_quota_us" : "cpu.max", v1 ? "50000" : "50000 100000");
  assert_file(cgroup, "cpu", v1 ? "cpu.shares" : "cpu.weight", v1 ? "512" : "20");
  assert_file(cgroup, "pids", "pids.max", "99");
  wry_cgroup_undo(cgroup);
  assert_file(cgroup, "cpu", v1 ? "cpu.cfs_quota_us" : "cpu.max", v1 ? "-1" : "max 100000");
  assert_file(cgroup, "cpu", v1 ? "cpu.shares" : "cpu.weight", v1 ? "1024" : "100");
  assert_file(cgroup, "pids", "pids.max", "max");
}
END_TEST

START_TEST(test_limit_refused) {
  SKIP_UNLESS_USABLE();
  GError *error = NULL;
  g_autoptr(WryCgroup) cgroup = open_cgroup(FALSE);
  const WrySetupRequest request = {.pids_max = 99, .cpu_quota_us = 1, .cpu_period_us = 100000}; /* below the kernel's least quota */
  ck_assert(!wry_cgroup_limit(cgroup, &request, &error));
  ck_assert_ptr_nonnull(strstr(error->message, "cpu."));
  g_clear_error(&error);
  wry_cgroup_undo(cgroup);
  assert_file(cgroup, "pids", "pids.max", "max");
}
END_TEST

START_TEST(test_missing) {
  GError *error = NULL;
  ck_assert_ptr_null(wry_cgroup_open("wherry-test-nothing/here", &error));
  ck_assert_ptr_nonnull(error);
  g_clear_error(&error);
}
END_TEST

/* What a process inside can open: one letter per node of null, zero, full, kmsg. */
static void inside(const WryCgroup *cgroup, char seen[5]) {
  static const char *const nodes[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/kmsg"};
  int pipes[2];
  ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
  pid_t pid = fork();
  if (pid == 0) {
    char result[5] = "????";
    gboolean joined = cgroup->backend->enter(cgroup, NULL);
    for (gsize i = 0; i < 4 && joined; i++)
      result[i] = open(nodes[i], O_RDWR | O_CLOEXEC) >= 0 ? 'y' : errno == EPERM ? 'n' : '?';
    _exit(write(pipes[1], result, 4) == 4 ? 0 : 1);
  }
  close(pipes[1]);
  ck_assert_int_eq(read(pipes[0], seen, 4), 4);
  seen[4] = '\0';
  close(pipes[0]);
  waitpid(pid, NULL, 0);
}

static gboolean tried(const WryCgroup *cgroup, const WrySetupDevice *devices, guint n, GError **error) {
  g_autoptr(WryCgroupTrial) trial = wry_cgroup_trial_new(cgroup, devices, n, error);
  return trial && wry_cgroup_trial_finish(trial, error);
}

/* The trial's process is there before the rules, and judges those that are in force when it is told; one that is given up leaves no process. */
START_TEST(test_trial) {
  SKIP_UNLESS_USABLE();
  GError *error = NULL;
  g_autoptr(WryCgroup) cgroup = open_cgroup(FALSE);
  g_autoptr(WryCgroupTrial) early = wry_cgroup_trial_new(cgroup, null_zero, 2, &error);
  g_autoptr(WryCgroupTrial) other = wry_cgroup_trial_new(cgroup, null_full, 2, &error);
  g_autoptr(WryCgroupTrial) idle = wry_cgroup_trial_new(cgroup, null_zero, 2, &error);
  ck_assert(early && other && idle);
  assert_ok(wry_cgroup_devices(cgroup, null_zero, 2, &error), error);
  assert_ok(wry_cgroup_trial_finish(early, &error), error);
  ck_assert(!wry_cgroup_trial_finish(other, &error));
  ck_assert_ptr_nonnull(strstr(error->message, "not in force for /dev/"));
  g_clear_error(&error);
  wry_cgroup_trial_free(g_steal_pointer(&idle));
  ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
}
END_TEST

START_TEST(test_devices) {
  SKIP_UNLESS_USABLE();
  gboolean v2 = _i == 1;
  if (v2 && v2_tree < 0)
    return;
  GError *error = NULL;
  char seen[5];
  g_autoptr(WryCgroup) cgroup = open_cgroup(v2);
  inside(cgroup, seen);
  ck_assert_str_eq(seen, "yyyy");
  ck_assert(!tried(cgroup, null_zero, 2, &error)); /* nothing is in force yet, and that is noticed */
  ck_assert_ptr_nonnull(strstr(error->message, "not in force for /dev/"));
  g_clear_error(&error);
  assert_ok(wry_cgroup_devices(cgroup, null_zero, 2, &error) && tried(cgroup, null_zero, 2, &error), error);
  inside(cgroup, seen);
  ck_assert_str_eq(seen, "yynn");
  assert_ok(wry_cgroup_devices(cgroup, null_full, 2, &error) && tried(cgroup, null_full, 2, &error), error);
  inside(cgroup, seen);
  ck_assert_str_eq(seen, "ynyn");
  ck_assert(!tried(cgroup, null_zero, 2, &error));
  g_clear_error(&error);
  assert_ok(wry_cgroup_devices(cgroup, NULL, 0, &error), error);
  inside(cgroup, seen);
  ck_assert_str_eq(seen, "nnnn");
}
END_TEST

START_TEST(test_devices_undo) {
  SKIP_UNLESS_USABLE();
  gboolean v2 = _i == 1;
  if (v2 && v2_tree < 0)
    return;
  GError *error = NULL;
  char seen[5];
  g_autoptr(WryCgroup) cgroup = open_cgroup(v2);
  assert_ok(wry_cgroup_devices(cgroup, null_zero, 2, &error), error);
  g_autoptr(WryCgroup) second = open_cgroup(v2); /* as a later DEVICES request */
  assert_ok(wry_cgroup_devices(second, null_full, 2, &error), error);
  wry_cgroup_undo(second);
  inside(cgroup, seen);
  ck_assert_str_eq(seen, "yynn");
  wry_cgroup_undo(cgroup);
  inside(cgroup, seen);
  ck_assert_str_eq(seen, "yyyy");
}
END_TEST

/* A device that stays allowed must open at every instant of many changes. */
START_TEST(test_devices_no_gap) {
  SKIP_UNLESS_USABLE();
  gboolean v2 = _i == 1;
  if (v2 && v2_tree < 0)
    return;
  GError *error = NULL;
  g_autoptr(WryCgroup) cgroup = open_cgroup(v2);
  assert_ok(wry_cgroup_devices(cgroup, null_zero, 2, &error), error);
  int stop[2];
  ck_assert_int_eq(pipe2(stop, O_CLOEXEC | O_NONBLOCK), 0);
  pid_t pid = fork();
  if (pid == 0) {
    char c;
    close(stop[1]);
    if (!cgroup->backend->enter(cgroup, NULL))
      _exit(2);
    while (read(stop[0], &c, 1) < 0) {
      int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
      if (fd < 0)
        _exit(1);
      close(fd);
    }
    _exit(0);
  }
  for (int i = 0; i < 100; i++)
    assert_ok(wry_cgroup_devices(cgroup, i % 2 ? null_zero : null_full, 2, &error), error);
  close(stop[1]);
  int status;
  waitpid(pid, &status, 0);
  ck_assert_int_eq(status, 0);
  close(stop[0]);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cgroup");
  TCase *pure = tcase_create("pure"), *real = tcase_create("real");
  tcase_add_test(pure, test_values);
  tcase_add_test(pure, test_weight);
  tcase_add_test(pure, test_device_text);
  tcase_add_test(pure, test_program);
  tcase_add_test(pure, test_missing);
  tcase_add_checked_fixture(real, set_up, tear_down);
  tcase_set_timeout(real, 30);
  tcase_add_test(real, test_limits);
  tcase_add_test(real, test_limit_refused);
  tcase_add_test(real, test_trial);
  tcase_add_loop_test(real, test_devices, 0, 2);
  tcase_add_loop_test(real, test_devices_undo, 0, 2);
  tcase_add_loop_test(real, test_devices_no_gap, 0, 2);
  suite_add_tcase(suite, pure);
  suite_add_tcase(suite, real);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? 1 : 0;
}
