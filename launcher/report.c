/* The report: each function writes what its source knows and leaves the rest. Whoever sends it compares with what was sent last. */
#include "launcher/report.h"
#include "launcher/agent.h"
#include <string.h>

void wry_report_set(char **member, const char *value) {
  char *copy = g_strdup(value);
  g_free(*member);
  *member = copy;
}

/* --- planned ---------------------------------------------------------------------------------------------------------- */

static GPtrArray *copy_strings(const GPtrArray *from) {
  GPtrArray *to = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; from && i < from->len; i++)
    g_ptr_array_add(to, g_strdup(g_ptr_array_index(from, i)));
  return to;
}

static const WryBundleInterface *resolved(const WryDomainPlan *plan, guint i) {
  const GPtrArray *all = plan->bundle->interfaces;
  return all && i < all->len ? g_ptr_array_index(all, i) : NULL;
}

static WryReportInterface *planned_interface(const WryDomainPlan *plan, guint i) {
  const WryDomainInterface *planned = g_ptr_array_index(plan->interfaces, i);
  const WryBundleInterface *bundle = resolved(plan, i);
  WryReportInterface *interface = g_new0(WryReportInterface, 1);
  interface->name = g_strdup(planned->interface->name);
  interface->mac = *planned->mac ? g_strdup(planned->mac) : NULL;
  interface->infoSource = g_strdup("domain");
  interface->linkState = g_strdup(planned->interface->state && strcmp(planned->interface->state, "down") == 0 ? "down" : "up");
  interface->queueCount = (WryOptInt){TRUE, 1};
  if (bundle && bundle->podIPs && bundle->podIPs->len > 0) {
    interface->ipAddresses = copy_strings(bundle->podIPs);
    interface->ipAddress = g_strdup(g_ptr_array_index(bundle->podIPs, 0));
  }
  return interface;
}

static WryReportVolume *planned_volume(const WryDomainDisk *disk) {
  WryReportVolume *volume = g_new0(WryReportVolume, 1);
  volume->name = g_strdup(disk->name);
  volume->target = g_strdup(disk->target);
  return volume;
}

/* The interfaces as the domain has them; those of `report` are replaced, their MAC addresses kept where the plan has none. */
static void set_interfaces(WryVmiReport *report, const WryDomainPlan *plan) {
  WryVmiReport *old = wry_struct_new(&wry_vmi_report_type);
  old->interfaces = g_steal_pointer(&report->interfaces);
  report->interfaces = g_ptr_array_new();
  for (guint i = 0; i < plan->interfaces->len; i++) {
    WryReportInterface *interface = planned_interface(plan, i);
    if (!interface->mac && old->interfaces && i < old->interfaces->len)
      interface->mac = g_strdup(((WryReportInterface *)g_ptr_array_index(old->interfaces, i))->mac);
    g_ptr_array_add(report->interfaces, interface);
  }
  wry_struct_free(&wry_vmi_report_type, old);
}

WryVmiReport *wry_report_new(const WryDomainPlan *plan) {
  WryVmiReport *report = wry_struct_new(&wry_vmi_report_type);
  report->state = g_strdup("NoState");
  if (!plan)
    return report;
  report->softwareEmulation = (WryOptBool){TRUE, plan->emulated};
  report->agentConnected = (WryOptBool){TRUE, FALSE};
  report->memoryCurrent = (WryOptInt){TRUE, plan->memory};
  set_interfaces(report, plan);
  report->volumes = g_ptr_array_new();
  for (guint i = 0; i < plan->disks->len; i++)
    g_ptr_array_add(report->volumes, planned_volume(g_ptr_array_index(plan->disks, i)));
  return report;
}

/* --- libvirt ---------------------------------------------------------------------------------------------------------- */

static const char *const states[] = {
  [WRY_VIRT_NONE] = "NoState", [WRY_VIRT_RUNS] = "Running", [WRY_VIRT_PAUSED] = "Paused", [WRY_VIRT_SHUTTING_DOWN] = "ShuttingDown", [WRY_VIRT_OFF] = "Shutoff",
  [WRY_VIRT_CRASHED] = "Crashed",
};

void wry_report_status(WryVmiReport *report, WryVirtStatus status) {
  gboolean asleep = g_strcmp0(status.reason, "PMSuspended") == 0, paused = status.state == WRY_VIRT_PAUSED && !asleep;
  wry_report_set(&report->state, asleep ? "PMSuspended" : states[status.state]);
  wry_report_set(&report->reason, paused || status.state >= WRY_VIRT_OFF ? status.reason : NULL);
}

void wry_report_live(WryVmiReport *report, const WryLive *live) {
  wry_report_set(&report->machine, live->machine);
  if (live->memory > 0)
    report->memoryCurrent = (WryOptInt){TRUE, live->memory};
  for (guint i = 0; report->interfaces && i < report->interfaces->len && i < live->macs->len; i++) {
    WryReportInterface *interface = g_ptr_array_index(report->interfaces, i);
    wry_report_set(&interface->mac, g_ptr_array_index(live->macs, i));
  }
}

/* --- guest agent ------------------------------------------------------------------------------------------------------ */

void wry_report_agent(WryVmiReport *report, gboolean connected) {
  report->agentConnected = (WryOptBool){TRUE, connected};
  if (connected)
    return;
  report->agentVersionSupported = (WryOptBool){FALSE, FALSE};
  g_clear_pointer(&report->guestOSInfo, wry_json_put);
}

static gboolean first_is_masqueraded(const WryDomainPlan *plan) {
  return plan->interfaces->len > 0 && ((WryDomainInterface *)g_ptr_array_index(plan->interfaces, 0))->interface->masquerade;
}

void wry_report_guest(WryVmiReport *report, const WryDomainPlan *plan, WryJson *info, WryJson *os, WryJson *interfaces) {
  if (info)
    report->agentVersionSupported = (WryOptBool){TRUE, wry_agent_is_supported(info)};
  if (os) {
    wry_json_put(report->guestOSInfo);
    report->guestOSInfo = json_object_get(os);
  }
  set_interfaces(report, plan);
  if (interfaces)
    wry_agent_merge_interfaces(report->interfaces, interfaces, first_is_masqueraded(plan));
}
