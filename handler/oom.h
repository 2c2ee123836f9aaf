#pragma once
/* Whether the kernel's out-of-memory killer was in a VM's cgroup. */
#include <glib.h>

/* How many processes of the sandbox it has killed; 0 also when the cgroup is gone. `cgroup_fd` is /sys/fs/cgroup, `root_id` names the root's cgroup in it.
 * Source: memory.events (v2) and memory.oom_control (v1), "oom_kill". */
guint64 wry_oom_kills(int cgroup_fd, guint32 root_id, const char *vmi);
