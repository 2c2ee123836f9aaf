/* The out-of-memory killer's count of a VM's cgroup, read where the root half made it.
 *
 * How it works: QEMU's own status is a SIGKILL then, as of any kill; only the cgroup's count tells the two apart. One line "oom_kill N" stands in a file whose place is
 * different in v1 and v2; whichever is there is read.
 * Relies on: the cgroup being there until SANDBOX_END is asked for. */
#include "handler/oom.h"

#include <string.h>

#include "wherry/vpath.h"

#define FILE_BYTES 4096u

static guint64 find_count(const char *text) {
  static const char word[] = "oom_kill ";
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (guint i = 0; lines[i]; i++)
    if (g_str_has_prefix(lines[i], word)) return g_ascii_strtoull(lines[i] + strlen(word), NULL, 10);
  return 0;
}

guint64 wry_oom_kills(int cgroup_fd, guint32 root_id, const char *vmi) {
  static const char *const places[][2] = {{"", "memory.events"}, {"memory/", "memory.oom_control"}};
  for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
    g_autofree char *path = g_strdup_printf("%swherry/%08x/%s/%s", places[i][0], root_id, vmi, places[i][1]);
    gsize length = 0;
    g_autofree char *text = wry_vread(cgroup_fd, path, FILE_BYTES, &length, NULL);
    if (text) return find_count(text);
  }
  return 0;
}
