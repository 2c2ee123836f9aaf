/* Which backend, which values, saving and undoing. The values are a table: file and text per version; a new limit is a row. */
#include "launcher/cgroup/backend.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

guint wry_cgroup_weight(guint shares) {
  guint64 s = CLAMP(shares, 2u, 262144u);
  return (guint)(1 + (s - 2) * 9999 / 262142);
}

/* Each writes its text and returns TRUE when the request has the value. */
typedef gboolean (*Format)(const WrySetupRequest *r, char *text, gsize size);

static gboolean memory(const WrySetupRequest *r, char *text, gsize size) {
  return r->memory_max != 0 && g_snprintf(text, (gulong)size, "%" G_GUINT64_FORMAT, (guint64)r->memory_max);
}
static gboolean quota(const WrySetupRequest *r, char *text, gsize size) {
  return r->cpu_quota_us != 0 && g_snprintf(text, (gulong)size, "%u", r->cpu_quota_us);
}
static gboolean period(const WrySetupRequest *r, char *text, gsize size) {
  return r->cpu_quota_us != 0 && r->cpu_period_us != 0 && g_snprintf(text, (gulong)size, "%u", r->cpu_period_us);
}
static gboolean bandwidth(const WrySetupRequest *r, char *text, gsize size) {
  return r->cpu_quota_us != 0 && g_snprintf(text, (gulong)size, "%u %u", r->cpu_quota_us, r->cpu_period_us ? r->cpu_period_us : 100000);
}
static gboolean shares(const WrySetupRequest *r, char *text, gsize size) {
  return r->cpu_shares != 0 && g_snprintf(text, (gulong)size, "%u", MAX(r->cpu_shares, 2u));
}
static gboolean weight(const WrySetupRequest *r, char *text, gsize size) {
  return r->cpu_shares != 0 && g_snprintf(text, (gulong)size, "%u", wry_cgroup_weight(r->cpu_shares));
}
static gboolean pids(const WrySetupRequest *r, char *text, gsize size) {
  return r->pids_max != 0 && g_snprintf(text, (gulong)size, "%u", r->pids_max);
}

static const struct {
  int version;
  const char *controller, *file;
  Format format;
} rows[] = {
  {1, "memory", "memory.limit_in_bytes", memory}, {1, "cpu", "cpu.cfs_period_us", period}, {1, "cpu", "cpu.cfs_quota_us", quota},
  {1, "cpu", "cpu.shares", shares},               {1, "pids", "pids.max", pids},
  {2, "memory", "memory.max", memory},            {2, "cpu", "cpu.max", bandwidth},        {2, "cpu", "cpu.weight", weight},
  {2, "pids", "pids.max", pids},
};

guint wry_cgroup_values(int version, const WrySetupRequest *request, WryCgroupValue values[WRY_CGROUP_VALUES]) {
  guint n = 0;
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    if (rows[i].version != version || !rows[i].format(request, values[n].text, sizeof values[n].text))
      continue;
    values[n].controller = rows[i].controller;
    values[n++].file = rows[i].file;
  }
  return n;
}

void wry_cgroup_device_text(const WrySetupDevice *d, char text[48]) {
  char major[12] = "*", minor[12] = "*";
  if (d->major != G_MAXUINT32)
    g_snprintf(major, sizeof major, "%u", d->major);
  if (d->minor != G_MAXUINT32)
    g_snprintf(minor, sizeof minor, "%u", d->minor);
  g_snprintf(text, 48, "%c %s:%s %s%s%s", d->kind, major, minor, d->read ? "r" : "", d->write ? "w" : "", d->mknod ? "m" : "");
}

static WryCgroup *cgroup_new(int version, const char *name) {
  WryCgroup *cgroup = g_new0(WryCgroup, 1);
  cgroup->backend = version == 2 ? &wry_cgroup_v2 : &wry_cgroup_v1;
  cgroup->version = version;
  cgroup->name = g_strdup(name);
  cgroup->fd = cgroup->old_program = -1;
  return cgroup;
}

WryCgroup *wry_cgroup_open_v2(int tree_fd, const char *name, GError **error) {
  int fd = wry_vopen(tree_fd, name, O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, error);
  if (fd < 0) {
    g_prefix_error(error, "cgroup %s: ", name);
    return NULL;
  }
  WryCgroup *cgroup = cgroup_new(2, name);
  cgroup->fd = fd;
  return cgroup;
}

WryCgroup *wry_cgroup_open(const char *name, GError **error) {
  struct statfs s;
  wry_autofd int root = wry_dir_open(CGROUP_ROOT, error);
  if (root < 0)
    return NULL;
  if (fstatfs(root, &s) == 0 && (long)s.f_type == CGROUP2_SUPER_MAGIC)
    return wry_cgroup_open_v2(root, name, error);
  char text[WRY_CGROUP_TEXT];
  g_autoptr(WryCgroup) cgroup = cgroup_new(1, name);
  if (!cgroup->backend->get(cgroup, "devices", "devices.list", text, error))
    return NULL;
  return g_steal_pointer(&cgroup);
}

void wry_cgroup_free(WryCgroup *cgroup) {
  if (!cgroup)
    return;
  wry_fd_close(&cgroup->fd);
  wry_fd_close(&cgroup->old_program);
  g_free(cgroup->old_devices);
  g_free(cgroup->name);
  g_free(cgroup);
}

int wry_cgroup_version(const WryCgroup *cgroup) {
  return cgroup->version;
}

/* The kernel rounds memory down to pages; everything else must come back as it was written. */
static gboolean same(const char *wanted, const char *now) {
  if (strcmp(wanted, now) == 0)
    return TRUE;
  guint64 w = g_ascii_strtoull(wanted, NULL, 10), n = g_ascii_strtoull(now, NULL, 10);
  return w >= 4096 && !strchr(wanted, ' ') && w / 4096 == n / 4096 && n % 4096 == 0;
}

/* What a file held before the first change of it. */
static void save(WryCgroup *cgroup, const WryCgroupValue *value, const char *text) {
  for (guint i = 0; i < cgroup->n_saved; i++)
    if (cgroup->saved[i].file == value->file)
      return;
  WryCgroupValue *saved = &cgroup->saved[cgroup->n_saved++];
  *saved = (WryCgroupValue){.controller = value->controller, .file = value->file};
  g_strlcpy(saved->text, text, sizeof saved->text);
}

static gboolean set_value(WryCgroup *cgroup, const WryCgroupValue *value, GError **error) {
  char text[WRY_CGROUP_TEXT];
  if (!cgroup->backend->get(cgroup, value->controller, value->file, text, error))
    return FALSE;
  if (same(value->text, text))
    return TRUE;
  save(cgroup, value, text);
  if (!cgroup->backend->set(cgroup, value->controller, value->file, value->text, error))
    return FALSE;
  if (!cgroup->backend->get(cgroup, value->controller, value->file, text, error))
    return FALSE;
  if (same(value->text, text))
    return TRUE;
  g_set_error(error, WRY_ERROR, WRY_ERROR_FAILED, "cgroup file %s: \"%s\" was written, \"%s\" is there", value->file, value->text, text);
  return FALSE;
}

gboolean wry_cgroup_limit(WryCgroup *cgroup, const WrySetupRequest *request, GError **error) {
  WryCgroupValue values[WRY_CGROUP_VALUES];
  guint n = wry_cgroup_values(cgroup->version, request, values);
  for (guint i = 0; i < n; i++)
    if (!set_value(cgroup, &values[i], error))
      return FALSE;
  return TRUE;
}

gboolean wry_cgroup_devices(WryCgroup *cgroup, const WrySetupDevice *devices, guint n, GError **error) {
  cgroup->devices_set = TRUE;
  return cgroup->backend->devices(cgroup, devices, n, error);
}

void wry_cgroup_undo(WryCgroup *cgroup) {
  if (cgroup->devices_set)
    cgroup->backend->undo_devices(cgroup);
  cgroup->devices_set = FALSE;
  while (cgroup->n_saved > 0) {
    const WryCgroupValue *v = &cgroup->saved[--cgroup->n_saved];
    cgroup->backend->set(cgroup, v->controller, v->file, v->text, NULL);
  }
}
