#pragma once
/* Inside of launcher/domain/: emitters, one per element or device family. They decide nothing: what they write stands in the plan or in the VMI. */
#include "launcher/domain/domain.h"
#include "launcher/domain/xml.h"

typedef void WryEmit(const WryDomainPlan *plan, WryXml *xml);

/* emit_machine.c */
WryEmit wry_emit_identity, wry_emit_memory, wry_emit_vcpus, wry_emit_sysinfo, wry_emit_os, wry_emit_cpu, wry_emit_clock, wry_emit_events;
/* emit_features.c */
WryEmit wry_emit_features;
/* emit_storage.c */
WryEmit wry_emit_disks;
/* emit_devices.c */
WryEmit wry_emit_controllers, wry_emit_interfaces, wry_emit_serial, wry_emit_channel, wry_emit_inputs, wry_emit_graphics, wry_emit_balloon, wry_emit_rng, wry_emit_watchdog,
    wry_emit_panic;

/* <alias name='ua-<name>'/>: how a device is found again by its name in the VMI. */
void wry_emit_alias(WryXml *xml, const char *name);
