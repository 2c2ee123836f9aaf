/* Emits the domain: the order of its elements, one row each. A new device family is a row here and an emitter.
 *
 * Capabilities of QEMU are hidden from libvirt at the end because of what libvirt asks QEMU's monitor for their sake; nothing here uses the answers. */
#include "launcher/domain/emit.h"

#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"

static WryEmit *const machine[] = {
    wry_emit_identity, wry_emit_memory, wry_emit_vcpus, wry_emit_sysinfo, wry_emit_os, wry_emit_features, wry_emit_cpu, wry_emit_clock, wry_emit_events,
};

static WryEmit *const devices[] = {
    wry_emit_disks,  wry_emit_controllers, wry_emit_interfaces, wry_emit_serial, wry_emit_channel, wry_emit_inputs,
    wry_emit_graphics, wry_emit_balloon,   wry_emit_rng,        wry_emit_watchdog, wry_emit_panic,
};

static const char *const hidden[] = {
    "cpu-unavailable-features", /* every CPU flag of the guest, one by one: hundreds of commands, over a second a start */
    "iothread",                 /* a list of I/O threads: there are none */
};

static void emit_capabilities(WryXml *xml) {
  wry_xml_open(xml, "qemu:capabilities", NULL);
  for (guint i = 0; i < G_N_ELEMENTS(hidden); i++) wry_xml_leaf(xml, "qemu:del", "capability", hidden[i], NULL);
  wry_xml_close(xml);
}

void wry_emit_alias(WryXml *xml, const char *name) {
  g_autofree char *alias = g_strconcat("ua-", name, NULL);
  wry_xml_leaf(xml, "alias", "name", alias, NULL);
}

char *wry_domain_emit(const WryDomainPlan *plan, GError **error) {
  g_autoptr(WryXml) xml = wry_xml_new();
  wry_xml_open(xml, "domain", "type", plan->emulated ? "qemu" : "kvm", "xmlns:qemu", QEMU_NAMESPACE, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(machine); i++) machine[i](plan, xml);
  wry_xml_open(xml, "devices", NULL);
  wry_xml_text(xml, plan->emulator, "emulator", NULL);
  for (guint i = 0; i < G_N_ELEMENTS(devices); i++) devices[i](plan, xml);
  wry_xml_close(xml);
  emit_capabilities(xml);
  wry_xml_close(xml);
  return wry_xml_finish(xml, error);
}
