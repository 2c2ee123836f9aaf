/* Device rules of cgroup v2: a BPF program of our own (BPF_PROG_TYPE_CGROUP_DEVICE). The rule list becomes straight-line code: every rule compares type, access, major and minor
 * and allows; what falls through is refused.
 *
 * It is attached with BPF_F_ALLOW_MULTI, as container runtimes do, and with BPF_F_REPLACE over an earlier one of ours, so that a change has no instant without rules. Programs
 * of others stay: all must agree. Ours are recognised by name. */
#include "launcher/cgroup/backend.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROGRAM_NAME "wherry_devices"
#define PROGRAMS_MAX 64u
#define RULE_INSTRUCTIONS 10u
#define PROGRAM_MAX (8u + RULE_INSTRUCTIONS * WRY_MAX_SETUP_DEVICES)

typedef struct bpf_insn Insn;

#define LOAD(dst, field) ((Insn){.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = (dst), .src_reg = BPF_REG_1, .off = (gint16)offsetof(struct bpf_cgroup_dev_ctx, field)})
#define MOVE(dst, src) ((Insn){.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (dst), .src_reg = (src)})
#define SET(dst, value) ((Insn){.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (dst), .imm = (gint32)(value)})
#define AND(dst, value) ((Insn){.code = BPF_ALU64 | BPF_AND | BPF_K, .dst_reg = (dst), .imm = (gint32)(value)})
#define SHIFT(dst, bits) ((Insn){.code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = (dst), .imm = (bits)})
#define UNLESS(reg, value) ((Insn){.code = BPF_JMP32 | BPF_JNE | BPF_K, .dst_reg = (reg), .imm = (gint32)(value)})
#define UNLESS_SAME(a, b) ((Insn){.code = BPF_JMP | BPF_JNE | BPF_X, .dst_reg = (a), .src_reg = (b)})
#define EXIT ((Insn){.code = BPF_JMP | BPF_EXIT})

enum { TYPE = BPF_REG_2, ACCESS, MAJOR, MINOR, SCRATCH };

/* Appends a rule; jumps out of it are patched to its end. */
static gsize add_rule(const WrySetupDevice *d, Insn *code) {
  gint32 access = (d->mknod ? BPF_DEVCG_ACC_MKNOD : 0) | (d->read ? BPF_DEVCG_ACC_READ : 0) | (d->write ? BPF_DEVCG_ACC_WRITE : 0);
  gsize n = 0;
  code[n++] = UNLESS(TYPE, d->kind == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
  code[n++] = MOVE(SCRATCH, ACCESS);
  code[n++] = AND(SCRATCH, access);
  code[n++] = UNLESS_SAME(SCRATCH, ACCESS);
  if (d->major != G_MAXUINT32)
    code[n++] = UNLESS(MAJOR, d->major);
  if (d->minor != G_MAXUINT32)
    code[n++] = UNLESS(MINOR, d->minor);
  code[n++] = SET(BPF_REG_0, 1);
  code[n++] = EXIT;
  for (gsize i = 0; i < n; i++)
    if (BPF_OP(code[i].code) == BPF_JNE && BPF_CLASS(code[i].code) != BPF_ALU64)
      code[i].off = (gint16)(n - i - 1);
  return n;
}

gsize wry_device_program(const WrySetupDevice *devices, guint n_devices, struct bpf_insn *code, gsize max) {
  if (max < 8 + (gsize)n_devices * RULE_INSTRUCTIONS)
    return 0;
  gsize n = 0;
  code[n++] = LOAD(TYPE, access_type);
  code[n++] = MOVE(ACCESS, TYPE);
  code[n++] = SHIFT(ACCESS, 16);
  code[n++] = AND(TYPE, 0xffff);
  code[n++] = LOAD(MAJOR, major);
  code[n++] = LOAD(MINOR, minor);
  for (guint i = 0; i < n_devices; i++)
    n += add_rule(&devices[i], code + n);
  code[n++] = SET(BPF_REG_0, 0);
  code[n++] = EXIT;
  return n;
}

static int bpf(enum bpf_cmd command, union bpf_attr *attr) {
  return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

static int load(const WrySetupDevice *devices, guint n, GError **error) {
  Insn code[PROGRAM_MAX];
  union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE};
  attr.insn_cnt = (guint32)wry_device_program(devices, n, code, G_N_ELEMENTS(code));
  attr.insns = (guint64)(guintptr)code;
  attr.license = (guint64)(guintptr) "Apache-2.0";
  memcpy(attr.prog_name, PROGRAM_NAME, sizeof PROGRAM_NAME);
  int fd = bpf(BPF_PROG_LOAD, &attr);
  if (fd < 0)
    wry_errno(error, errno, "device program");
  return fd;
}

static gboolean is_ours(int fd) {
  struct bpf_prog_info info = {0};
  union bpf_attr attr = {.info = {.bpf_fd = (guint32)fd, .info_len = sizeof info, .info = (guint64)(guintptr)&info}};
  return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0 && strcmp(info.name, PROGRAM_NAME) == 0;
}

/* Ids of the programs attached here; their number. */
static guint query(int cgroup_fd, guint32 ids[PROGRAMS_MAX]) {
  union bpf_attr attr = {.query = {.target_fd = (guint32)cgroup_fd, .attach_type = BPF_CGROUP_DEVICE, .prog_ids = (guint64)(guintptr)ids, .prog_cnt = PROGRAMS_MAX}};
  return bpf(BPF_PROG_QUERY, &attr) == 0 ? attr.query.prog_cnt : 0;
}

static int find_ours(int cgroup_fd) {
  guint32 ids[PROGRAMS_MAX];
  guint n = query(cgroup_fd, ids);
  for (guint i = 0; i < n; i++) {
    union bpf_attr attr = {.prog_id = ids[i]};
    wry_autofd int fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr);
    if (fd >= 0 && is_ours(fd))
      return g_steal_fd(&fd);
  }
  return -1;
}

static gboolean attach(int cgroup_fd, int program, int old, GError **error) {
  union bpf_attr attr = {.target_fd = (guint32)cgroup_fd, .attach_bpf_fd = (guint32)program, .attach_type = BPF_CGROUP_DEVICE, .attach_flags = BPF_F_ALLOW_MULTI};
  if (old >= 0) {
    attr.attach_flags |= BPF_F_REPLACE;
    attr.replace_bpf_fd = (guint32)old;
  }
  return bpf(BPF_PROG_ATTACH, &attr) == 0 || wry_errno(error, errno, "attaching the device program");
}

gboolean wry_device_program_attach(int cgroup_fd, const WrySetupDevice *devices, guint n, int *ret_old, GError **error) {
  wry_autofd int old = find_ours(cgroup_fd);
  wry_autofd int program = load(devices, n, error);
  if (program < 0 || !attach(cgroup_fd, program, old, error))
    return FALSE;
  wry_autofd int now = find_ours(cgroup_fd);
  if (now < 0)
    return wry_errno(error, EPROTO, "device program is not in force");
  *ret_old = g_steal_fd(&old);
  return TRUE;
}

void wry_device_program_undo(int cgroup_fd, int old) {
  wry_autofd int ours = find_ours(cgroup_fd);
  if (ours < 0)
    return;
  union bpf_attr attr = {.target_fd = (guint32)cgroup_fd, .attach_bpf_fd = (guint32)ours, .attach_type = BPF_CGROUP_DEVICE};
  if (old >= 0)
    attach(cgroup_fd, old, ours, NULL);
  else
    bpf(BPF_PROG_DETACH, &attr);
}
