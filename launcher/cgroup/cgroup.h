#pragma once
/* The cgroup of a sandbox: limits and device access, v1 (also hybrid) and v2. The only user of libcgroup. The root half made the directories; here they get their values.
 *
 * Everything that is set is read back, device rules are tried from inside, and all of it can be undone. */
#include <glib.h>
#include "wherry/setup.h"

typedef struct WryCgroup WryCgroup;

/* `name`: relative path, the same in every hierarchy ("wherry/<root id>/<vmi uid>"). v2 when /sys/fs/cgroup is a v2 tree, else v1. WRY_ERROR_NOT_FOUND when it does not exist. */
WryCgroup *wry_cgroup_open(const char *name, GError **error);
/* Below a v2 tree that is mounted elsewhere (borrowed directory), as on a hybrid node. */
WryCgroup *wry_cgroup_open_v2(int tree_fd, const char *name, GError **error);
void wry_cgroup_free(WryCgroup *cgroup);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryCgroup, wry_cgroup_free)
int wry_cgroup_version(const WryCgroup *cgroup);

/* Sets memory_max, cpu_quota_us, cpu_period_us, cpu_shares, pids_max of the request; 0 leaves a value alone. */
gboolean wry_cgroup_limit(WryCgroup *cgroup, const WrySetupRequest *request, GError **error);
/* Replaces the device rules: what is not listed is refused from now on. A device that stays allowed is never refused in between. */
gboolean wry_cgroup_devices(WryCgroup *cgroup, const WrySetupDevice *devices, guint n, GError **error);
/* A process inside the cgroup that opens device nodes of the host: listed ones must open, others must not. It joins from its beginning on, which takes v1 a grace period of all
 * processors; limits and rules can be set meanwhile. */
typedef struct WryCgroupTrial WryCgroupTrial;
WryCgroupTrial *wry_cgroup_trial_new(const WryCgroup *cgroup, const WrySetupDevice *devices, guint n, GError **error);
/* Now the rules are set with wry_cgroup_devices and the same list: are they in force? Once a trial. */
gboolean wry_cgroup_trial_finish(WryCgroupTrial *trial, GError **error);
/* Ends the process, whatever it does. */
void wry_cgroup_trial_free(WryCgroupTrial *trial);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryCgroupTrial, wry_cgroup_trial_free)
/* Puts back what limit and devices found. */
void wry_cgroup_undo(WryCgroup *cgroup);
