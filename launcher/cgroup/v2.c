/* cgroup v2. libcgroup 2.0 knows neither device rules nor a tree beside v1 hierarchies, so values are read and written below the cgroup's own directory. */
#include "launcher/cgroup/backend.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static gboolean v2_get(const WryCgroup *cgroup, const char *controller, const char *file, char text[WRY_CGROUP_TEXT], GError **error) {
  wry_autofd int fd = wry_vopen(cgroup->fd, file, O_RDONLY, 0, WRY_WANT_FILE, NULL);
  if (fd < 0) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_UNSUPPORTED, "cgroup %s: controller %s is not delegated to it", cgroup->name, controller);
    return FALSE;
  }
  ssize_t n = read(fd, text, WRY_CGROUP_TEXT - 1);
  if (n < 0)
    return wry_errno(error, errno, "cgroup %s, %s", cgroup->name, file);
  text[n] = '\0';
  g_strchomp(text);
  return TRUE;
}

static gboolean v2_set(const WryCgroup *cgroup, const char *controller, const char *file, const char *text, GError **error) {
  (void)controller;
  wry_autofd int fd = wry_vopen(cgroup->fd, file, O_WRONLY, 0, WRY_WANT_FILE, error);
  if (fd < 0)
    return FALSE;
  if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
    return wry_errno(error, errno, "cgroup %s, %s \"%s\"", cgroup->name, file, text);
  return TRUE;
}

static gboolean v2_devices(WryCgroup *cgroup, const WrySetupDevice *devices, guint n, GError **error) {
  int old = -1;
  if (!wry_device_program_attach(cgroup->fd, devices, n, &old, error))
    return FALSE;
  wry_fd_close(&cgroup->old_program);
  cgroup->old_program = old;
  return TRUE;
}

static void v2_undo_devices(WryCgroup *cgroup) {
  wry_device_program_undo(cgroup->fd, cgroup->old_program);
  wry_fd_close(&cgroup->old_program);
}

static gboolean v2_enter(const WryCgroup *cgroup, GError **error) {
  return v2_set(cgroup, "cgroup", "cgroup.procs", "0", error);
}

const WryCgroupBackend wry_cgroup_v2 = {v2_get, v2_set, v2_devices, v2_undo_devices, v2_enter};
