/* Defaults of devices, volumes, networks and probes (contract 2.2, steps 8 to 12). Each function is one step of the table in spec_default.c. */
#include <stdio.h>
#include <string.h>

#include "lib/spec_default.h"
#include "lib/spec_types.h"

static GPtrArray *need_list(GPtrArray **list) {
  if (!*list) *list = g_ptr_array_new();
  return *list;
}

static gboolean is_empty(const GPtrArray *list) {
  return !list || !list->len;
}

/* --- images ---------------------------------------------------------------------------------------------------------------------------------------------- */
/* ":latest" or no tag and no digest: the image may change, so look for a new one each time. */
static const char *pull_policy(const char *image) {
  gboolean moving = g_str_has_suffix(image, ":latest") || !strpbrk(image, ":@");
  return moving ? "Always" : "IfNotPresent";
}

WRY_DEFAULT_STEP(wry_default_pull_policies) {
  (void)error;
  for (guint i = 0; d->spec->volumes && i < d->spec->volumes->len; i++) {
    WryContainerDisk *disk = ((WryVolume *)g_ptr_array_index(d->spec->volumes, i))->containerDisk;
    if (disk) wry_default_str(&disk->imagePullPolicy, pull_policy(disk->image ? disk->image : ""));
  }
  return TRUE;
}

WRY_DEFAULT_STEP(wry_default_eviction) {
  (void)error;
  if (!d->spec->evictionStrategy) d->spec->evictionStrategy = g_strdup(wry_config_str(d->config, "evictionStrategy", "None"));
  return TRUE;
}

/* --- network --------------------------------------------------------------------------------------------------------------------------------------------- */
WRY_DEFAULT_STEP(wry_default_pod_interface) {
  WryDevices *devices = d->spec->domain->devices;
  if (!wry_opt_bool(devices->autoattachPodInterface, TRUE) || !is_empty(devices->interfaces) || !is_empty(d->spec->networks)) return TRUE;
  gboolean masquerade = !strcmp(wry_config_str(d->config, "network.defaultNetworkInterface", "bridge"), "masquerade");
  if (!masquerade && !wry_config_bool(d->config, "network.permitBridgeInterfaceOnPodNetwork", TRUE)) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_INVALID, "the cluster does not allow the default bridge interface on the pod network");
    return FALSE;
  }
  WryInterface *iface = wry_struct_new(&wry_interface_type);
  iface->name = g_strdup("default");
  *(masquerade ? &iface->masquerade : &iface->bridge) = wry_struct_new(&wry_empty_type);
  g_ptr_array_add(need_list(&devices->interfaces), iface);
  WryNetwork *network = wry_struct_new(&wry_network_type);
  network->name = g_strdup("default");
  network->pod = wry_struct_new(wry_field_type(&wry_network_type, "pod"));
  g_ptr_array_add(need_list(&d->spec->networks), network);
  return TRUE;
}

/* --- disks ----------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean disk_uses(const WryDevices *devices, const char *volume) {
  for (guint i = 0; devices->disks && i < devices->disks->len; i++)
    if (!g_strcmp0(((WryDisk *)g_ptr_array_index(devices->disks, i))->name, volume)) return TRUE;
  for (guint i = 0; devices->filesystems && i < devices->filesystems->len; i++)
    if (!g_strcmp0(((WryFilesystem *)g_ptr_array_index(devices->filesystems, i))->name, volume)) return TRUE;
  return FALSE;
}

/* Looks at the disks that were there before, so two volumes of one name make two disks, which the rules then refuse. */
WRY_DEFAULT_STEP(wry_default_volume_disks) {
  (void)error;
  WryDevices *devices = d->spec->domain->devices;
  g_autoptr(GPtrArray) added = g_ptr_array_new();
  for (guint i = 0; d->spec->volumes && i < d->spec->volumes->len; i++) {
    const WryVolume *volume = g_ptr_array_index(d->spec->volumes, i);
    if (disk_uses(devices, volume->name)) continue;
    WryDisk *disk = wry_struct_new(&wry_disk_type);
    disk->name = g_strdup(volume->name);
    g_ptr_array_add(added, disk);
  }
  if (added->len) g_ptr_array_extend(need_list(&devices->disks), added, NULL, NULL);
  return TRUE;
}

WRY_DEFAULT_STEP(wry_default_disks) {
  (void)error;
  gboolean virtio = wry_is_architecture(d->spec, "arm64") || wry_is_architecture(d->spec, "s390x");
  const char *bus = virtio ? "virtio" : "sata";
  const GPtrArray *disks = d->spec->domain->devices->disks;
  for (guint i = 0; disks && i < disks->len; i++) {
    WryDisk *disk = g_ptr_array_index(disks, i);
    if (disk->blockSize && disk->blockSize->matchVolume) wry_default_bool(&disk->blockSize->matchVolume->enabled, TRUE);
    if (!disk->disk && !disk->lun && !disk->cdrom) disk->disk = wry_struct_new(wry_field_type(&wry_disk_type, "disk"));
    if (disk->disk) wry_default_str(&disk->disk->bus, bus);
    if (disk->lun) wry_default_str(&disk->lun->bus, bus);
    if (!disk->cdrom) continue;
    wry_default_str(&disk->cdrom->bus, bus);
    wry_default_bool(&disk->cdrom->readonly, TRUE);
    wry_default_str(&disk->cdrom->tray, "closed");
  }
  return TRUE;
}

/* --- addresses ------------------------------------------------------------------------------------------------------------------------------------------- */
/* Go reads IPv4 addresses with leading zeros as decimal and writes them without. */
static void plain_address(char **text) {
  guint part[4];
  char rest[8] = "";
  if (!*text || !g_regex_match_simple("^[0-9]{1,3}(\\.[0-9]{1,3}){3}(/[0-9]{1,2})?$", *text, 0, 0)) return;
  if (sscanf(*text, "%u.%u.%u.%u%7s", &part[0], &part[1], &part[2], &part[3], rest) < 4) return;
  g_free(*text);
  *text = g_strdup_printf("%u.%u.%u.%u%s", part[0], part[1], part[2], part[3], rest);
}

static void plain_addresses(GPtrArray *list) {
  for (guint i = 0; list && i < list->len; i++) plain_address((char **)&list->pdata[i]);
}

WRY_DEFAULT_STEP(wry_default_addresses) {
  (void)error;
  if (d->spec->dnsConfig) plain_addresses(d->spec->dnsConfig->nameservers);
  const GPtrArray *interfaces = d->spec->domain->devices->interfaces;
  for (guint i = 0; interfaces && i < interfaces->len; i++) {
    const WryInterface *iface = g_ptr_array_index(interfaces, i);
    if (iface->dhcpOptions) plain_addresses(iface->dhcpOptions->ntpServers);
  }
  for (guint i = 0; d->spec->networks && i < d->spec->networks->len; i++) {
    const WryNetwork *network = g_ptr_array_index(d->spec->networks, i);
    if (network->pod) plain_address(&network->pod->vmNetworkCIDR);
  }
  return TRUE;
}

/* --- other devices --------------------------------------------------------------------------------------------------------------------------------------- */
WRY_DEFAULT_STEP(wry_default_inputs) {
  (void)error;
  const GPtrArray *inputs = d->spec->domain->devices->inputs;
  for (guint i = 0; inputs && i < inputs->len; i++) {
    WryInput *input = g_ptr_array_index(inputs, i);
    wry_default_str(&input->bus, "usb");
    wry_default_str(&input->type, "tablet");
  }
  return TRUE;
}

WRY_DEFAULT_STEP(wry_default_watchdog) {
  (void)error;
  WryWatchdog *watchdog = d->spec->domain->devices->watchdog;
  if (!watchdog) return TRUE;
  const WryType *type = wry_field_type(wry_field_type(&wry_devices_type, "watchdog"), "i6300esb");
  if (!watchdog->i6300esb && !watchdog->diag288) {
    WryWatchdogAction **model = wry_is_architecture(d->spec, "s390x") ? &watchdog->diag288 : &watchdog->i6300esb;
    if (!wry_is_architecture(d->spec, "arm64")) *model = wry_struct_new(type);
  }
  if (watchdog->i6300esb) wry_default_str(&watchdog->i6300esb->action, "reset");
  if (watchdog->diag288 && !watchdog->i6300esb) wry_default_str(&watchdog->diag288->action, "reset");
  return TRUE;
}

static void default_count(WryOptInt *count, gint64 value) {
  if (count->v < 1) *count = (WryOptInt){TRUE, value};
}

WRY_DEFAULT_STEP(wry_default_probes) {
  (void)error;
  WryProbe *probes[] = {d->spec->livenessProbe, d->spec->readinessProbe};
  for (guint i = 0; i < G_N_ELEMENTS(probes); i++) {
    if (!probes[i]) continue;
    default_count(&probes[i]->timeoutSeconds, 1);
    default_count(&probes[i]->periodSeconds, 10);
    default_count(&probes[i]->successThreshold, 1);
    default_count(&probes[i]->failureThreshold, 3);
  }
  return TRUE;
}
