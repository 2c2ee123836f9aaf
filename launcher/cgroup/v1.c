/* cgroup v1 (and the v1 half of a hybrid node) through libcgroup.
 *
 * Device rules: the first time "a" is denied and the list allowed; later the difference is applied, additions first, so that a device which stays is never refused in
 * between. libcgroup reads the mount table once per process. */
#include "launcher/cgroup/backend.h"
#include "wherry/error.h"
#include <libcgroup.h>
#include <string.h>

#define ALL_DEVICES "a *:* rwm"

static gboolean fails(GError **error, const WryCgroup *cgroup, const char *file, int code) {
  const char *why = code == ECGOTHER ? g_strerror(cgroup_get_last_errno()) : cgroup_strerror(code);
  g_set_error(error, WRY_ERROR, code == ECGROUPNOTEXIST ? WRY_ERROR_NOT_FOUND : code == ECGROUPNOTMOUNTED ? WRY_ERROR_UNSUPPORTED : WRY_ERROR_FAILED, "cgroup %s, %s: %s",
              cgroup->name, file, why);
  return FALSE;
}

static int library(void) {
  static gsize once;
  static int result;
  if (g_once_init_enter(&once)) {
    cgroup_set_default_logger(CGROUP_LOG_ERROR);
    result = cgroup_init();
    g_once_init_leave(&once, 1);
  }
  return result;
}

static gboolean v1_get(const WryCgroup *cgroup, const char *controller, const char *file, char text[WRY_CGROUP_TEXT], GError **error) {
  void *handle = NULL;
  gsize length = 0;
  int r = library();
  text[0] = '\0';
  if (r == 0)
    r = cgroup_read_value_begin(controller, cgroup->name, (char *)file, &handle, text, WRY_CGROUP_TEXT);
  while (r == 0) {
    length += strlen(text + length);
    if (length + 1 >= WRY_CGROUP_TEXT)
      break;
    r = cgroup_read_value_next(&handle, text + length, (int)(WRY_CGROUP_TEXT - length));
  }
  if (handle)
    cgroup_read_value_end(&handle);
  if (r != ECGEOF)
    return fails(error, cgroup, file, r == 0 ? ECGOTHER : r);
  g_strchomp(text);
  return TRUE;
}

static gboolean v1_set(const WryCgroup *cgroup, const char *controller, const char *file, const char *text, GError **error) {
  int r = library();
  struct cgroup *group = r == 0 ? cgroup_new_cgroup(cgroup->name) : NULL;
  struct cgroup_controller *part = group ? cgroup_add_controller(group, controller) : NULL;
  if (r == 0)
    r = part ? cgroup_add_value_string(part, file, text) : ECGFAIL;
  if (r == 0)
    r = cgroup_modify_cgroup(group);
  if (group)
    cgroup_free(&group);
  return r == 0 || fails(error, cgroup, file, r);
}

/* `line` as the kernel prints it is one of `lines` (separated by newlines). */
static gboolean has_line(const char *lines, const char *line) {
  g_auto(GStrv) split = g_strsplit(lines, "\n", -1);
  return g_strv_contains((const char *const *)split, line);
}

/* From the rules in force (`now`) to `wanted`, additions first. */
static gboolean change(const WryCgroup *cgroup, const char *now, const char *wanted, GError **error) {
  g_auto(GStrv) add = g_strsplit(wanted, "\n", -1), drop = g_strsplit(now, "\n", -1);
  gboolean all = has_line(now, ALL_DEVICES);
  if (all && !v1_set(cgroup, "devices", "devices.deny", "a", error))
    return FALSE;
  for (char **line = add; *line; line++)
    if (**line && (all || !has_line(now, *line)) && !v1_set(cgroup, "devices", "devices.allow", *line, error))
      return FALSE;
  for (char **line = drop; *line && !all; line++)
    if (**line && !has_line(wanted, *line) && !v1_set(cgroup, "devices", "devices.deny", *line, error))
      return FALSE;
  return TRUE;
}

static char *wanted_lines(const WrySetupDevice *devices, guint n) {
  g_autoptr(GString) lines = g_string_new(NULL);
  for (guint i = 0; i < n; i++) {
    char text[48];
    wry_cgroup_device_text(&devices[i], text);
    g_string_append_printf(lines, "%s%s", i ? "\n" : "", text);
  }
  return g_string_free(g_steal_pointer(&lines), FALSE);
}

static gboolean v1_devices(WryCgroup *cgroup, const WrySetupDevice *devices, guint n, GError **error) {
  char now[WRY_CGROUP_TEXT];
  g_autofree char *wanted = wanted_lines(devices, n);
  if (!v1_get(cgroup, "devices", "devices.list", now, error))
    return FALSE;
  if (!cgroup->old_devices)
    cgroup->old_devices = g_strdup(now);
  if (!change(cgroup, now, wanted, error) || !v1_get(cgroup, "devices", "devices.list", now, error))
    return FALSE;
  g_auto(GStrv) a = g_strsplit(now, "\n", -1), b = g_strsplit(wanted, "\n", -1);
  for (char **line = a; *line; line++)
    if (**line && !has_line(wanted, *line)) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_FAILED, "cgroup %s: device rule \"%s\" is still there", cgroup->name, *line);
      return FALSE;
    }
  for (char **line = b; *line; line++)
    if (**line && !has_line(now, *line)) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_FAILED, "cgroup %s: device rule \"%s\" is missing", cgroup->name, *line);
      return FALSE;
    }
  return TRUE;
}

static void v1_undo_devices(WryCgroup *cgroup) {
  char now[WRY_CGROUP_TEXT];
  if (!cgroup->old_devices)
    return;
  if (has_line(cgroup->old_devices, ALL_DEVICES))
    v1_set(cgroup, "devices", "devices.allow", "a", NULL);
  else if (v1_get(cgroup, "devices", "devices.list", now, NULL))
    change(cgroup, now, cgroup->old_devices, NULL);
  g_clear_pointer(&cgroup->old_devices, g_free);
}

static gboolean v1_enter(const WryCgroup *cgroup, GError **error) {
  int r = library();
  struct cgroup *group = r == 0 ? cgroup_new_cgroup(cgroup->name) : NULL;
  if (group)
    r = cgroup_add_controller(group, "devices") ? cgroup_attach_task(group) : ECGFAIL;
  if (group)
    cgroup_free(&group);
  return r == 0 || fails(error, cgroup, "tasks", r);
}

const WryCgroupBackend wry_cgroup_v1 = {v1_get, v1_set, v1_devices, v1_undo_devices, v1_enter};
