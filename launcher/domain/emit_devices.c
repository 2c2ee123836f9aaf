/* Emitters of all devices but disks: only what the VMI asks for, or has by KubeVirt's defaults.
 *
 * The serial console is a pair of FIFOs that `launcher run` has made: the kernel keeps what the guest writes while `run` is restarted, and a restarted one opens them again
 * without QEMU noticing. Its log is written by `run`. */
#include "launcher/domain/emit.h"

void wry_emit_controllers(const WryDomainPlan *plan, WryXml *xml) {
  wry_xml_leaf(xml, "controller", "type", "usb", "index", "0", "model", plan->usb ? "qemu-xhci" : "none", NULL);
  if (plan->scsi) wry_xml_leaf(xml, "controller", "type", "scsi", "index", "0", "model", plan->virtio, NULL);
  if (plan->serial) wry_xml_leaf(xml, "controller", "type", "virtio-serial", "index", "0", "model", plan->virtio, NULL);
}

static void emit_number(WryXml *xml, const char *element, const char *attr, gint64 value) {
  wry_xml_open(xml, element, NULL);
  wry_xml_attr_int(xml, attr, value);
  wry_xml_close(xml);
}

static void emit_interface(const WryDomainInterface *interface, WryXml *xml) {
  const WryInterface *spec = interface->interface;
  gboolean boots = spec->bootOrder.set;
  wry_xml_open(xml, "interface", "type", "ethernet", NULL);
  if (*interface->mac) wry_xml_leaf(xml, "mac", "address", interface->mac, NULL);
  wry_xml_leaf(xml, "target", "dev", interface->tap, "managed", "no", NULL);
  wry_xml_leaf(xml, "model", "type", interface->model, NULL);
  if (interface->mtu) emit_number(xml, "mtu", "size", interface->mtu);
  if (boots)
    emit_number(xml, "boot", "order", spec->bootOrder.v);
  else
    wry_xml_leaf(xml, "rom", "enabled", "no", NULL); /* a boot ROM costs time at each start */
  if (spec->acpiIndex.set && spec->acpiIndex.v > 0) emit_number(xml, "acpi", "index", spec->acpiIndex.v);
  wry_emit_alias(xml, spec->name);
  wry_xml_close(xml);
}

void wry_emit_interfaces(const WryDomainPlan *plan, WryXml *xml) {
  for (guint i = 0; i < plan->interfaces->len; i++) emit_interface(g_ptr_array_index(plan->interfaces, i), xml);
}

void wry_emit_serial(const WryDomainPlan *plan, WryXml *xml) {
  if (!plan->serial) return;
  wry_xml_open(xml, "serial", "type", "pipe", NULL);
  wry_xml_leaf(xml, "source", "path", plan->serial, NULL);
  wry_xml_leaf(xml, "target", "port", "0", NULL);
  wry_xml_close(xml);
  wry_xml_open(xml, "console", "type", "pty", NULL);
  wry_xml_leaf(xml, "target", "type", "serial", "port", "0", NULL);
  wry_xml_close(xml);
}

void wry_emit_channel(const WryDomainPlan *plan, WryXml *xml) {
  wry_xml_open(xml, "channel", "type", "unix", NULL);
  wry_xml_leaf(xml, "source", "mode", "bind", "path", plan->agent, NULL);
  wry_xml_leaf(xml, "target", "type", "virtio", "name", "org.qemu.guest_agent.0", NULL);
  wry_xml_close(xml);
}

static void emit_input(WryXml *xml, const char *type, const char *bus, const char *name) {
  wry_xml_open(xml, "input", "type", type, "bus", bus, "model", g_strcmp0(bus, "virtio") ? NULL : "virtio", NULL);
  if (name) wry_emit_alias(xml, name);
  wry_xml_close(xml);
}

void wry_emit_inputs(const WryDomainPlan *plan, WryXml *xml) {
  const GPtrArray *inputs = plan->vmi->spec->domain->devices->inputs;
  gboolean tablet = FALSE;
  for (guint i = 0; inputs && i < inputs->len; i++) {
    const WryInput *input = g_ptr_array_index(inputs, i);
    const char *bus = input->bus && *input->bus ? input->bus : "usb", *type = input->type && *input->type ? input->type : "tablet";
    tablet |= g_str_equal(type, "tablet");
    emit_input(xml, type, bus, input->name);
  }
  if (!plan->default_inputs) return;
  if (!tablet) emit_input(xml, "tablet", "usb", NULL);
  emit_input(xml, "keyboard", "usb", NULL);
}

void wry_emit_graphics(const WryDomainPlan *plan, WryXml *xml) {
  if (!plan->vnc) return;
  const WryVideo *video = plan->vmi->spec->domain->devices->video;
  const char *asked = video && video->type && *video->type ? video->type : NULL;
  const char *usual = g_str_equal(plan->arch, "aarch64") ? "virtio" : plan->loader ? "bochs" : "vga";
  const char *type = asked ? asked : usual;
  wry_xml_open(xml, "graphics", "type", "vnc", NULL);
  wry_xml_leaf(xml, "listen", "type", "socket", "socket", plan->vnc, NULL);
  wry_xml_close(xml);
  wry_xml_open(xml, "video", NULL);
  wry_xml_leaf(xml, "model", "type", type, "vram", asked || g_str_equal(type, "vga") ? "16384" : NULL, "heads", "1", NULL);
  wry_xml_close(xml);
}

void wry_emit_balloon(const WryDomainPlan *plan, WryXml *xml) {
  gboolean wanted = wry_opt_bool(plan->vmi->spec->domain->devices->autoattachMemBalloon, TRUE);
  wry_xml_leaf(xml, "memballoon", "model", wanted ? plan->virtio : "none", "freePageReporting", wanted ? "on" : NULL, NULL);
}

void wry_emit_rng(const WryDomainPlan *plan, WryXml *xml) {
  if (!plan->vmi->spec->domain->devices->rng) return;
  wry_xml_open(xml, "rng", "model", plan->virtio, NULL);
  wry_xml_text(xml, "/dev/urandom", "backend", "model", "random", NULL);
  wry_xml_close(xml);
}

void wry_emit_watchdog(const WryDomainPlan *plan, WryXml *xml) {
  const WryWatchdog *watchdog = plan->vmi->spec->domain->devices->watchdog;
  if (!watchdog || !watchdog->i6300esb) return;
  const char *action = watchdog->i6300esb->action;
  wry_xml_open(xml, "watchdog", "model", "i6300esb", "action", action && *action ? action : "reset", NULL);
  wry_emit_alias(xml, watchdog->name);
  wry_xml_close(xml);
}

void wry_emit_panic(const WryDomainPlan *plan, WryXml *xml) {
  const GPtrArray *panics = plan->vmi->spec->domain->devices->panicDevices;
  for (guint i = 0; panics && i < panics->len; i++) wry_xml_leaf(xml, "panic", "model", ((const WryPanicDevice *)g_ptr_array_index(panics, i))->model, NULL);
}
