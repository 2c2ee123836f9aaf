/* Passes of the plan: interfaces, and the endpoints that `launcher run` and QEMU meet at. */
#include "launcher/domain/plan.h"

#include <string.h>

#define MAC_DIGITS 12u

/* The forms that Kubernetes reads (02:…, 02-…, 0200.…) in the one that libvirt reads. */
static gboolean plan_mac(char ret_mac[18], const char *text) {
  char digits[MAC_DIGITS];
  guint n = 0;
  for (const char *p = text; *p; p++) {
    if (strchr(":-.", *p)) continue;
    if (n == MAC_DIGITS || !g_ascii_isxdigit(*p)) return FALSE;
    digits[n++] = g_ascii_tolower(*p);
  }
  if (n != MAC_DIGITS) return FALSE;
  g_snprintf(ret_mac, 18, "%.2s:%.2s:%.2s:%.2s:%.2s:%.2s", digits, digits + 2, digits + 4, digits + 6, digits + 8, digits + 10);
  return TRUE;
}

static const WryBundleInterface *given_interface(const WryBundle *bundle, const char *name) {
  for (guint i = 0; bundle->interfaces && i < bundle->interfaces->len; i++) {
    const WryBundleInterface *given = g_ptr_array_index(bundle->interfaces, i);
    if (!g_strcmp0(given->name, name)) return given;
  }
  return NULL;
}

static gboolean plan_interface(WryPlanning *p, const WryInterface *asked, GError **error) {
  const WryBundleInterface *given = given_interface(p->bundle, asked->name);
  if (!given || !given->tap) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "interface %s: the bundle has no tap for it", asked->name);
    return FALSE;
  }
  WryDomainInterface *interface = g_new0(WryDomainInterface, 1);
  g_ptr_array_add(p->plan->interfaces, interface);
  interface->interface = asked;
  interface->tap = given->tap;
  const char *mac = asked->macAddress && *asked->macAddress ? asked->macAddress : given->mac;
  if (mac && !plan_mac(interface->mac, mac)) {
    g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "interface %s: \"%s\" is no MAC address", asked->name, mac);
    return FALSE;
  }
  interface->mtu = given->mtu.set && given->mtu.v > 0 ? (guint)given->mtu.v : 0;
  gboolean virtio = !asked->model || !*asked->model || g_str_equal(asked->model, "virtio");
  interface->model = virtio ? p->plan->virtio : asked->model;
  return TRUE;
}

gboolean wry_plan_interfaces(WryPlanning *p, GError **error) {
  const GPtrArray *interfaces = p->vmi->spec->domain->devices->interfaces;
  for (guint i = 0; interfaces && i < interfaces->len; i++)
    if (!plan_interface(p, g_ptr_array_index(interfaces, i), error)) return FALSE;
  return TRUE;
}

static gboolean any_disk(const WryDomainPlan *plan, const char *bus) {
  for (guint i = 0; i < plan->disks->len; i++)
    if (g_str_equal(((const WryDomainDisk *)g_ptr_array_index(plan->disks, i))->bus, bus)) return TRUE;
  return FALSE;
}

static gboolean any_input(const GPtrArray *inputs, const char *bus) {
  for (guint i = 0; inputs && i < inputs->len; i++)
    if (!g_strcmp0(((const WryInput *)g_ptr_array_index(inputs, i))->bus, bus)) return TRUE;
  return FALSE;
}

gboolean wry_plan_sockets(WryPlanning *p, GError **error) {
  (void)error;
  WryDomainPlan *plan = p->plan;
  const WryDevices *devices = p->vmi->spec->domain->devices;
  gboolean graphics = wry_opt_bool(devices->autoattachGraphicsDevice, TRUE);
  plan->agent = g_build_filename(p->dirs->vm, "agent.sock", NULL);
  if (wry_opt_bool(devices->autoattachSerialConsole, TRUE)) plan->serial = g_build_filename(p->dirs->vm, "serial0", NULL);
  if (graphics) plan->vnc = g_build_filename(p->dirs->vm, WRY_DOMAIN_QEMU_DIR, "vnc.sock", NULL);
  plan->default_inputs = graphics && g_str_equal(plan->arch, "aarch64");
  plan->usb = plan->default_inputs || any_disk(plan, "usb") || any_input(devices->inputs, "usb");
  plan->scsi = !wry_opt_bool(devices->disableHotplug, FALSE) || any_disk(plan, "scsi");
  return TRUE;
}
