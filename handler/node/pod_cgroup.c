/* From /proc/<pid>/cgroup to a pod's UID.
 *
 * How it works: in each line that has a component of the kubelet's own tree, the first component after it that is "pod<uid>", or a slice "...-pod<uid>.slice", names the pod. What a container
 * makes below itself comes later in the path, so it can not name another pod; a line without the kubelet's tree says nothing.
 * Relies on: the kubelet's cgroup names (pkg/kubelet/cm: cgroupfs and systemd drivers). */
#include "handler/node/pod_cgroup.h"

#include <string.h>

#define UID_LENGTH 36u
#define STATIC_UID_LENGTH 32u /* of a pod from the node's own manifests: a hash */

static gboolean is_uid(const char *text) {
  gsize length = strlen(text);
  for (const char *c = text; *c; c++)
    if (!g_ascii_isxdigit(*c) && *c != '-') return FALSE;
  return length == UID_LENGTH || length == STATIC_UID_LENGTH;
}

static char *uid_of(const char *component) {
  g_autofree char *uid = NULL;
  if (g_str_has_suffix(component, ".slice")) {
    const char *pod = g_str_has_prefix(component, "kubepods-") ? g_strrstr(component, "-pod") : NULL;
    if (!pod) return NULL;
    uid = g_strndup(pod + 4, strlen(pod + 4) - strlen(".slice"));
    g_strdelimit(uid, "_", '-');
  } else if (g_str_has_prefix(component, "pod")) {
    uid = g_strdup(component + 3);
  }
  return uid && is_uid(uid) ? g_steal_pointer(&uid) : NULL;
}

/* Of one line's path. */
static char *pod_of(const char *path) {
  g_auto(GStrv) parts = g_strsplit(path, "/", -1);
  guint i = 0;
  while (parts[i] && strcmp(parts[i], "kubepods") != 0 && strcmp(parts[i], "kubepods.slice") != 0) i++;
  for (; parts[i]; i++) {
    char *uid = uid_of(parts[i]);
    if (uid) return uid;
  }
  return NULL;
}

char *wry_cgroup_pod(const char *text) {
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  g_autofree char *found = NULL;
  for (guint i = 0; lines[i]; i++) {
    const char *first = strchr(lines[i], ':'), *second = first ? strchr(first + 1, ':') : NULL;
    g_autofree char *uid = second ? pod_of(second + 1) : NULL;
    if (!uid) continue;
    if (found && strcmp(found, uid) != 0) return NULL;
    if (!found) found = g_steal_pointer(&uid);
  }
  return g_steal_pointer(&found);
}
