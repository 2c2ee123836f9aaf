/* Keeps libvirt's directory in a state in which re-attaching is safe. See guard.h for what was measured.
 *
 * The status file is checked with GLib's markup parser: libvirt's own files are plain elements and attributes, so what that parser accepts to the last end tag was written whole.
 * The copy lies outside libvirt's root. Everything is on the VM's tmpfs, so fsync costs nothing. */
#include "launcher/virt/guard.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/vpath.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/statvfs.h>

#define RESERVE "reserve"
#define RESERVE_BYTES (256u << 10)
#define RESERVE_FILES 8
#define NEEDED_BYTES (128u << 10) /* an attach writes the status file (10 to 60 kB) twice */
#define NEEDED_FILES 4
#define COPY "domain-status.xml"
#define MAX_STATUS (1u << 20)
#define MAX_LOG (256u << 10) /* a QEMU that complains without end must not fill the VM's tmpfs */
#define CAPS WRY_GUARD_ROOT "/cache/qemu/capabilities"
#define MAX_CAPS (2u << 20)

/* What the embedded driver must know: QEMU's stderr goes to a file (no virtlogd), no namespaces of its own, no labels, no owner changes: the sandbox has done all that. */
static const char config[] = "stdio_handler = \"file\"\n"
                             "security_driver = \"none\"\n"
                             "namespaces = [ ]\n"
                             "remember_owner = 0\n"
                             "dynamic_ownership = 0\n"
                             "cgroup_controllers = [ ]\n"
                             "dump_guest_core = 0\n"
                             "max_core = 0\n"
                             "seccomp_sandbox = 1\n";

static const char *const directories[] = {WRY_GUARD_ROOT "/etc", WRY_GUARD_ROOT "/run/qemu", WRY_GUARD_ROOT "/log/qemu", WRY_GUARD_ROOT "/lib/qemu", CAPS};

static char *status_path(const char *domain) {
  return g_strdup_printf(WRY_GUARD_ROOT "/run/qemu/%s.xml", domain);
}

static char *pid_path(const char *domain) {
  return g_strdup_printf(WRY_GUARD_ROOT "/run/qemu/%s.pid", domain);
}

static char *log_path(const char *domain) {
  return g_strdup_printf(WRY_GUARD_ROOT "/log/qemu/%s.log", domain);
}

/* --- reserve ---------------------------------------------------------------------------------------------------------- */

static gboolean fill(int fd) {
  return posix_fallocate(fd, 0, RESERVE_BYTES) == 0;
}

static gboolean reserve_make(int dir) {
  wry_autofd int reserve = wry_vmkdir(dir, RESERVE, 0700, NULL);
  for (int i = 0; reserve >= 0 && i < RESERVE_FILES; i++) {
    g_autofree char *name = g_strdup_printf("%d", i);
    wry_autofd int fd = wry_vopen(reserve, name, O_WRONLY | O_CREAT, 0600, WRY_WANT_FILE, NULL);
    if (fd < 0 || (i == 0 && !fill(fd)))
      return FALSE;
  }
  return reserve >= 0;
}

static gboolean has_space(int dir, GError **error) {
  struct statvfs fs;
  if (fstatvfs(dir, &fs) != 0)
    return wry_errno(error, errno, "private directory");
  if ((guint64)fs.f_bavail * fs.f_frsize >= NEEDED_BYTES && (fs.f_files == 0 || fs.f_favail >= NEEDED_FILES))
    return TRUE;
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_NO_SPACE, "private directory: full; libvirt would kill the VM, so it is not asked to attach");
  return FALSE;
}

/* --- prepare ---------------------------------------------------------------------------------------------------------- */

static gboolean copy_one(int from, int to, const char *name, GError **error) {
  gsize length;
  g_autofree char *data = wry_vread(from, name, MAX_CAPS, &length, error);
  return data && wry_vwrite(to, name, data, length, 0600, error);
}

/* The node's capability cache spares each VM a second of probing. A broken one costs that second, nothing else. */
static void copy_caps(int dir, int caps_dir) {
  wry_autofd int to = wry_vopen(dir, CAPS, O_RDONLY | O_DIRECTORY, 0, WRY_WANT_DIR, NULL);
  g_autoptr(GPtrArray) names = to >= 0 ? wry_vlist(caps_dir, NULL) : NULL;
  for (guint i = 0; names && i < names->len; i++) {
    const char *name = g_ptr_array_index(names, i);
    if (g_str_has_suffix(name, ".xml") && !wry_vexists(to, name))
      copy_one(caps_dir, to, name, NULL);
  }
}

gboolean wry_guard_prepare(int dir, int caps_dir, GError **error) {
  for (gsize i = 0; i < G_N_ELEMENTS(directories); i++) {
    wry_autofd int made = wry_vmkdir(dir, directories[i], 0700, error);
    if (made < 0)
      return FALSE;
  }
  if (caps_dir >= 0)
    copy_caps(dir, caps_dir);
  if (!reserve_make(dir)) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_NO_SPACE, "private directory: no space for the reserve");
    return FALSE;
  }
  return wry_vwrite(dir, WRY_GUARD_ROOT "/etc/qemu.conf", config, sizeof config - 1, 0600, error);
}

/* --- status file ------------------------------------------------------------------------------------------------------ */

gboolean wry_guard_is_whole(const char *text, gsize length) {
  static const GMarkupParser nothing = {0};
  g_autoptr(GMarkupParseContext) context = g_markup_parse_context_new(&nothing, G_MARKUP_TREAT_CDATA_AS_TEXT, NULL, NULL);
  return length > 0 && g_markup_parse_context_parse(context, text, (gssize)length, NULL) && g_markup_parse_context_end_parse(context, NULL);
}

/* A whole file's text, NULL when it is absent or not whole. New string. */
static char *read_whole(int dir, const char *path, gsize *ret_length) {
  g_autofree char *text = wry_vread(dir, path, MAX_STATUS, ret_length, NULL);
  return text && wry_guard_is_whole(text, *ret_length) ? g_steal_pointer(&text) : NULL;
}

static void take_state(GMarkupParseContext *context, const char *name, const char **names, const char **values, gpointer data, GError **error) {
  const char *state = "", *reason = "";
  (void)context;
  (void)error;
  for (gsize i = 0; names[i]; i++)
    if (strcmp(names[i], "state") == 0)
      state = values[i];
    else if (strcmp(names[i], "reason") == 0)
      reason = values[i];
  if (strcmp(name, "domstatus") == 0)
    *(gboolean *)data = strcmp(state, "running") == 0 || (strcmp(state, "paused") == 0 && strcmp(reason, "starting up") != 0);
}

gboolean wry_guard_has_run(int dir, const char *domain) {
  static const GMarkupParser parser = {.start_element = take_state};
  gsize length;
  gboolean ran = FALSE;
  g_autofree char *path = status_path(domain), *text = read_whole(dir, path, &length);
  g_autoptr(GMarkupParseContext) context = g_markup_parse_context_new(&parser, G_MARKUP_TREAT_CDATA_AS_TEXT, &ran, NULL);
  return text && g_markup_parse_context_parse(context, text, (gssize)length, NULL) && ran;
}

gboolean wry_guard_keep_status(int dir, const char *domain, GError **error) {
  gsize length;
  g_autofree char *path = status_path(domain), *text = read_whole(dir, path, &length);
  if (text)
    return wry_vwrite(dir, COPY, text, length, 0600, error);
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_INVALID, "libvirt's status file: not whole");
  return FALSE;
}

static gboolean repair_status(int dir, const char *domain, GError **error) {
  gsize length;
  g_autofree char *path = status_path(domain), *text = read_whole(dir, path, &length), *copy = NULL;
  if (text)
    return TRUE;
  copy = read_whole(dir, COPY, &length);
  if (copy)
    return wry_vwrite(dir, path, copy, length, 0600, error);
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_NOT_FOUND, "libvirt's status file: broken, and there is no copy");
  return FALSE;
}

void wry_guard_forget(int dir, const char *domain) {
  g_autofree char *status = status_path(domain), *pid = pid_path(domain);
  wry_vunlink(dir, COPY, NULL);
  wry_vunlink(dir, status, NULL);
  wry_vunlink(dir, pid, NULL);
}

/* --- attach ----------------------------------------------------------------------------------------------------------- */

/* QEMU holds the file open for appending: cutting it frees the space at once. */
static void cut_log(int dir, const char *domain) {
  struct stat st;
  g_autofree char *path = log_path(domain);
  wry_autofd int fd = wry_vopen(dir, path, O_WRONLY, 0, WRY_WANT_FILE, NULL);
  if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > (off_t)MAX_LOG && ftruncate(fd, 0) != 0)
    return; /* has_space tells */
}

gboolean wry_guard_before_attach(int dir, const char *domain, GError **error) {
  cut_log(dir, domain);
  wry_vremove_tree(dir, RESERVE, NULL);
  return has_space(dir, error) && repair_status(dir, domain, error);
}

void wry_guard_after_attach(int dir) {
  reserve_make(dir);
}

int wry_guard_pid(int dir, const char *domain) {
  gsize length;
  g_autofree char *path = pid_path(domain), *text = wry_vread(dir, path, 64, &length, NULL);
  gint64 pid = text ? g_ascii_strtoll(text, NULL, 10) : 0;
  return pid > 0 && pid <= G_MAXINT ? (int)pid : 0;
}

/* --- log -------------------------------------------------------------------------------------------------------------- */

static char *read_tail(int dir, const char *path, gsize max) {
  struct stat st;
  wry_autofd int fd = wry_vopen(dir, path, O_RDONLY, 0, WRY_WANT_FILE, NULL);
  if (fd < 0 || fstat(fd, &st) != 0)
    return g_strdup("");
  char *text = g_malloc0(max + 1);
  ssize_t n = pread(fd, text, max, st.st_size > (off_t)max ? st.st_size - (off_t)max : 0);
  text[MAX(n, 0)] = 0;
  return text;
}

char *wry_guard_log_tail(int dir, const char *domain, gsize max) {
  g_autofree char *path = log_path(domain), *raw = read_tail(dir, path, max), *text = g_utf8_make_valid(raw, -1);
  GString *out = g_string_new(NULL);
  for (const char *p = text; *p; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    g_string_append_unichar(out, c == '\n' ? ' ' : g_unichar_isprint(c) ? c : '?');
  }
  return g_strstrip(g_string_free(out, FALSE));
}
