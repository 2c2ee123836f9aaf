#pragma once
/* Between the files of launcher/cgroup/: one backend per cgroup version, and what both share. */
#include "launcher/cgroup/cgroup.h"

struct bpf_insn;

#define WRY_CGROUP_TEXT 4096u /* one value file */
#define WRY_CGROUP_VALUES 5u  /* at most, per request */

typedef struct {
  const char *controller, *file; /* static */
  char text[48];
} WryCgroupValue;

typedef struct {
  gboolean (*get)(const WryCgroup *cgroup, const char *controller, const char *file, char text[WRY_CGROUP_TEXT], GError **error);
  gboolean (*set)(const WryCgroup *cgroup, const char *controller, const char *file, const char *text, GError **error);
  gboolean (*devices)(WryCgroup *cgroup, const WrySetupDevice *devices, guint n, GError **error);
  void (*undo_devices)(WryCgroup *cgroup);
  gboolean (*enter)(const WryCgroup *cgroup, GError **error); /* the calling process joins, as far as device rules are concerned */
} WryCgroupBackend;

struct WryCgroup {
  const WryCgroupBackend *backend;
  int version;
  char *name;
  int fd;                  /* v2: its directory; else -1 */
  WryCgroupValue saved[WRY_CGROUP_VALUES];
  guint n_saved;
  gboolean devices_set;
  char *old_devices;       /* v1: devices.list before; NULL = not changed */
  int old_program;         /* v2: the program that ours replaced, -1 = none */
};

extern const WryCgroupBackend wry_cgroup_v1, wry_cgroup_v2;

/* Pure: the files and texts of a request for this version, in the order of writing. Returns their number. */
guint wry_cgroup_values(int version, const WrySetupRequest *request, WryCgroupValue values[WRY_CGROUP_VALUES]);
/* v1 cpu.shares (2 .. 262144) to v2 cpu.weight (1 .. 10000), as Kubernetes does (KEP-2254). */
guint wry_cgroup_weight(guint shares);
/* Pure: "c 10:232 rw", with * for any. */
void wry_cgroup_device_text(const WrySetupDevice *device, char text[48]);

/* Pure: the device program. Returns the number of instructions, 0 when `max` is too small. */
gsize wry_device_program(const WrySetupDevice *devices, guint n, struct bpf_insn *code, gsize max);
/* Attaches the program to a v2 cgroup, in place of an earlier one of ours if there is one, whose fd is then written to *ret_old (else -1). */
gboolean wry_device_program_attach(int cgroup_fd, const WrySetupDevice *devices, guint n, int *ret_old, GError **error);
/* Puts `old` back, or takes ours away when it is -1. */
void wry_device_program_undo(int cgroup_fd, int old);
