#pragma once
/* The launcher's report on its VM (WryVmiReport), made and kept up to date from the plan, libvirt and the guest agent. Pure. Reports are freed with
 * wry_struct_free(&wry_vmi_report_type, …). */
#include "launcher/domain/domain.h"
#include "launcher/virt/live.h"
#include "launcher/virt/virt.h"
#include "wherry/wire.h"

/* Before the start: state NoState; interfaces and volumes as planned. `plan` NULL: nothing is planned yet. New. */
WryVmiReport *wry_report_new(const WryDomainPlan *plan);
void wry_report_status(WryVmiReport *report, WryVirtStatus status);
void wry_report_live(WryVmiReport *report, const WryLive *live);
void wry_report_agent(WryVmiReport *report, gboolean connected);
/* Answers of the agent in KubeVirt's shapes (agent.h), borrowed; NULL = not known. `plan` as in wry_report_new: the domain's own interfaces are taken from it anew. */
void wry_report_guest(WryVmiReport *report, const WryDomainPlan *plan, WryJson *info, WryJson *os, WryJson *interfaces);
void wry_report_set(char **member, const char *value);
