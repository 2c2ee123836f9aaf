#pragma once
/* What the root half does for the node role: sockets of the kubelet, and `launcher setup` in a launcher pod. Private to handler/priv.c. */
#include "handler/sandbox.h"

/* `index` 0: a connection to the kubelet's registration socket; 1 + kind (device_kinds.h): a listening socket of that kind's name, in place of a stale one. */
gboolean wry_kubelet_socket(const WryPrivContext *context, guint32 index, int *ret_fd, GError **error);

/* Tells the init of a launcher pod, by pidfd, to kill its `launcher run`. Refused unless it is that program in the pod request->vm. */
gboolean wry_pod_kill_run(const WryRootRequest *request, int pidfd, GError **error);

/* Sets a launcher pod up from one of its processes, by `pidfd`: the network that request->setup asks for in its network namespace, and its own device nodes made its uid's. Refused unless the process
 * lives, is in the pod request->vm by its cgroup, has a network namespace of its own, and request->setup.uid is not root. *ret_fd: a socket on which the sockets of the network wait, as
 * init's does on one box (setup.h). */
gboolean wry_pod_setup(const WryPrivContext *context, const WryRootRequest *request, int pidfd, WryRootReply *reply, int *ret_fd, GError **error);
