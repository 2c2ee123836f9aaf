#pragma once
/* Inside of launcher/domain/: the passes of wry_domain_plan. Each reads the VMI and the bundle and fills its part of the plan. */
#include "launcher/domain/domain.h"

typedef struct {
  WryDomainPlan *plan;
  const WryVmi *vmi;
  const WryBundle *bundle;
  const GPtrArray *direct; /* NULL = not looked at */
  const WryDomainDirs *dirs;
} WryPlanning;

gboolean wry_plan_machine(WryPlanning *p, GError **error);    /* hypervisor, architecture, identity, vCPUs, memory */
gboolean wry_plan_boot(WryPlanning *p, GError **error);       /* firmware, kernel */
gboolean wry_plan_disks(WryPlanning *p, GError **error);
gboolean wry_plan_interfaces(WryPlanning *p, GError **error);
gboolean wry_plan_sockets(WryPlanning *p, GError **error);    /* serial console, graphics, agent; controllers that they and the disks need */

/* The next name of a prefix: vda … vdz, vdaa … . `index` from 0. */
void wry_plan_target(char target[16], const char *prefix, guint index);
