#pragma once
/* Which pod a process is in. Pure. */
#include <glib.h>

/* The pod's UID in the text of /proc/<pid>/cgroup; NULL when no line names one below kubepods, or two lines disagree. All forms of the kubelet, on cgroup v1 and v2:
 *   cgroupfs   /kubepods/burstable/pod<uid>/<container>, /kubepods/pod<uid>/...
 *   systemd    /kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod<uid with '_' for '-'>.slice/cri-containerd-<id>.scope
 * New string. */
char *wry_cgroup_pod(const char *text);
