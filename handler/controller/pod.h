#pragma once
/* The launcher pod of a VirtualMachineInstance: a pure function of the VMI after its defaults, the cluster's configuration and what is known of its claims
 * (contract 5). As KubeVirt's where users and schedulers can see it; what the launcher needs inside is Wherry's own and asks for nothing but its devices. */
#include "wherry/spec_review.h"

/* Memory beside the guest's, in bytes: the terms of contract 5.6. */
typedef struct {
  gint64 fixed;            /* init, run, libvirt and QEMU itself */
  gint64 vcpu;             /* each */
  gint64 iothread;
  gint64 graphics;
  gint64 arm64;
  gint64 vfio;
  gint64 downward_metrics;
  gint64 probe, probes;    /* an exec probe; once when there is any */
  gint64 encryption;       /* SEV */
  gint64 tpm;
  gint64 guaranteed;       /* dedicated CPUs, or requests equal to limits */
  gint64 passt;
} WryPodCosts;

/* What Wherry's processes were measured to need. */
extern const WryPodCosts wry_pod_costs;
/* Of a launcher pod: what its memory request has beside the guest's memory (annotation kubevirt.io/memory-overhead-bytes). */
gint64 wry_pod_overhead(const WryVmiSpec *spec, const WryConfig *config, const WryPodCosts *costs);

typedef struct {
  const WryConfig *config;
  const WryPodCosts *costs;
  const char *image;       /* of the launcher */
  const char *pull_policy; /* NULL: the configuration's, else IfNotPresent */
  WryFind find;            /* claims, for their volume mode; NULL or unknown: Filesystem */
  gpointer find_data;
} WryPodWorld;

/* New reference. Errors: INVALID (a device that the cluster does not permit). */
WryJson *wry_pod_render(const WryVmi *vmi, const WryPodWorld *world, GError **error);

/* Label vmi.kubevirt.io/id: the name, or its start and a hash of it when it is longer than a label may be. New string. */
char *wry_pod_vmi_label(const char *name);

#define WRY_POD_UID 107
#define WRY_POD_PREFIX "virt-launcher-"
#define WRY_POD_CONSOLE_CONTAINER "guest-console-log"
#define WRY_POD_UNPAUSED "kubevirt.io/virtual-machine-unpaused" /* readiness gate */
#define WRY_POD_LAUNCHER_DEVICE "devices.wherry.io/launcher"
