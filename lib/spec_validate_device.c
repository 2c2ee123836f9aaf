/* Rules about inputs, host devices, GPUs, sound, video, panic devices, and what an architecture does not have (contract 2.5). See spec_rules.h. */
#include <string.h>

#include "lib/spec_rules.h"

static const WryDevices *devices(const WryCheck *c) {
  return c->spec->domain->devices;
}

WRY_RULE(wry_rule_inputs) {
  WRY_EACH(WryInput, input, devices(c)->inputs) {
    if (wry_text(input->bus) && strcmp(input->bus, "virtio") && strcmp(input->bus, "usb"))
      wry_refuse(c, INVALID, wry_at(c, "domain.devices.inputs[%u].bus", input_i), "must be virtio or usb");
    if (wry_text(input->type) && strcmp(input->type, "tablet")) wry_refuse(c, INVALID, wry_at(c, "domain.devices.inputs[%u].type", input_i), "must be tablet");
  }
}

WRY_RULE(wry_rule_sound) {
  static const char *const models[] = {"ich9", "ac97", NULL};
  const WrySound *sound = devices(c)->sound;
  if (!sound) return;
  if (wry_text(sound->model) && !wry_is_one_of(sound->model, models)) wry_refuse(c, INVALID, wry_at(c, "domain.devices.sound"), "model must be ich9 or ac97");
  if (!wry_text(sound->name)) wry_refuse(c, INVALID, wry_at(c, "domain.devices.sound"), "name must be set");
}

WRY_RULE(wry_rule_vsock) {
  if (wry_opt_bool(devices(c)->autoattachVSOCK, FALSE) && !wry_config_gate(c->config, "VSOCK"))
    wry_refuse(c, INVALID, wry_at(c, "domain.devices.autoattachVSOCK"), "feature gate VSOCK is not enabled");
}

WRY_RULE(wry_rule_video) {
  if (devices(c)->video && !wry_opt_bool(devices(c)->autoattachGraphicsDevice, TRUE))
    wry_refuse(c, INVALID, wry_at(c, "domain.devices.video"), "must not be set without a graphics device");
}

WRY_RULE(wry_rule_panic_devices) {
  static const char *const models[] = {"hyperv", "isa", "pvpanic", NULL};
  const GPtrArray *panics = devices(c)->panicDevices;
  if (panics && panics->len && !g_strcmp0(c->spec->architecture, "s390x")) {
    wry_refuse(c, INVALID, wry_at(c, "domain.devices.panicDevices"), "panic devices are not supported on s390x");
    return;
  }
  WRY_EACH(WryPanicDevice, panic, panics) {
    if (wry_text(panic->model) && !wry_is_one_of(panic->model, models))
      wry_refuse(c, INVALID, wry_at(c, "domain.devices.panicDevices[%u].model", panic_i), "must be hyperv, isa or pvpanic");
  }
}

WRY_RULE(wry_rule_downward_metrics) {
  gboolean gate = wry_config_gate(c->config, "DownwardMetrics");
  if (devices(c)->downwardMetrics && !gate) wry_refuse(c, INVALID, wry_at(c, "domain.devices.downwardMetrics"), "feature gate DownwardMetrics is not enabled");
  WRY_EACH(WryDisk, disk, devices(c)->disks) {
    const WryVolume *volume = wry_vmi_volume(c->spec, disk->name);
    if (!volume || !volume->downwardMetrics) continue;
    if (!gate) wry_refuse(c, INVALID, wry_at(c, "volumes"), "%s: feature gate DownwardMetrics is not enabled", disk->name);
    if (disk->disk && wry_text(disk->disk->bus) && strcmp(disk->disk->bus, "virtio"))
      wry_refuse(c, INVALID, wry_at(c, "domain.devices.disks[%u].disk.bus", disk_i), "downward metrics need bus virtio");
  }
}

/* --- host devices and GPUs -------------------------------------------------------------------------------------------------------------------------------- */
WRY_RULE(wry_rule_vgpu_displays) {
  guint displays = 0;
  WRY_EACH(WryHostDevice, gpu, devices(c)->gpus) {
    const WryVgpuDisplay *display = gpu->virtualGPUOptions ? gpu->virtualGPUOptions->display : NULL;
    displays += display && wry_opt_bool(display->enabled, TRUE) && (!display->ramFB || wry_opt_bool(display->ramFB->enabled, TRUE));
  }
  if (displays > 1) wry_refuse(c, INVALID, wry_at(c, "domain.devices.gpus"), "only one virtual GPU may have a ramFB display");
}

static gboolean is_claimed(const WryHostDevice *device) {
  return wry_text(device->claimName) || wry_text(device->requestName);
}

WRY_RULE(wry_rule_host_devices) {
  const GPtrArray *list = devices(c)->hostDevices;
  if (!list || !list->len) return;
  if (!wry_config_gate(c->config, "HostDevices")) {
    wry_refuse(c, INVALID, wry_at(c, "domain.devices.hostDevices"), "feature gate HostDevices is not enabled");
    return;
  }
  WRY_EACH(WryHostDevice, device, list) {
    if (!is_claimed(device) && (!wry_text(device->name) || !wry_text(device->deviceName)))
      wry_refuse(c, REQUIRED, wry_at(c, "domain.devices.hostDevices"), "device %u: name and deviceName must be set", device_i);
  }
}

typedef struct { const char *field, *gate; const GPtrArray *list; } DeviceList;

static gboolean has_claim(const WryVmiSpec *spec, const char *name) {
  WRY_EACH(WryResourceClaim, claim, spec->resourceClaims) {
    if (!g_strcmp0(claim->name, name)) return TRUE;
  }
  return FALSE;
}

static gboolean request_seen(const GPtrArray *list, const WryHostDevice *device, guint before) {
  for (guint i = 0; i < before; i++) {
    const WryHostDevice *other = g_ptr_array_index(list, i);
    if (is_claimed(other) && !g_strcmp0(other->claimName, device->claimName) && !g_strcmp0(other->requestName, device->requestName)) return TRUE;
  }
  return FALSE;
}

static void claimed_device(WryCheck *c, const DeviceList *l, const WryHostDevice *device, guint index) {
  if (!wry_text(device->claimName))
    wry_refuse(c, REQUIRED, wry_at(c, "domain.devices.%s[%u].claimName", l->field, index), "must be set");
  else if (!has_claim(c->spec, device->claimName))
    wry_refuse(c, INVALID, wry_at(c, "resourceClaims"), "no resource claim is named %s", device->claimName);
  if (!wry_text(device->requestName)) wry_refuse(c, REQUIRED, wry_at(c, "domain.devices.%s[%u].requestName", l->field, index), "must be set");
  if (request_seen(l->list, device, index)) wry_refuse(c, DUPLICATE, wry_at(c, "domain.devices.%s[%u]", l->field, index), "the claim's request is used twice");
}

static void claimed_devices(WryCheck *c, const DeviceList *l) {
  guint claimed = 0;
  WRY_EACH(WryHostDevice, device, l->list) claimed += is_claimed(device);
  if (!claimed) return;
  if (!wry_config_gate(c->config, l->gate))
    wry_refuse(c, INVALID, wry_at(c, "domain.devices.%s", l->field), "feature gate %s is not enabled", l->gate);
  else if (claimed != l->list->len)
    wry_refuse(c, INVALID, wry_at(c, "domain.devices.%s", l->field), "devices from resource claims and from device plugins cannot be mixed");
  else
    WRY_EACH(WryHostDevice, device, l->list) claimed_device(c, l, device, device_i);
}

WRY_RULE(wry_rule_dra_devices) {
  const DeviceList lists[] = {{"gpus", "GPUsWithDRA", devices(c)->gpus}, {"hostDevices", "HostDevicesWithDRA", devices(c)->hostDevices}};
  for (guint i = 0; i < G_N_ELEMENTS(lists); i++) claimed_devices(c, &lists[i]);
}

/* --- NVIDIA Grace ------------------------------------------------------------------------------------------------------------------------------------------ */
/* Vendor selector of a permitted device; borrowed, NULL when it is not in the cluster's list. */
static const char *pci_selector(const WryCheck *c, const char *resource) {
  WryJson *list = wry_config_get(c->config, "permittedHostDevices.pciHostDevices");
  gsize length = list && json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
  for (gsize i = 0; i < length; i++) {
    WryJson *device = json_object_array_get_idx(list, i);
    if (!g_strcmp0(wry_json_str(device, "resourceName"), resource)) return wry_json_str(device, "pciVendorSelector");
  }
  return NULL;
}

static gboolean is_grace(const char *selector) {
  static const char *const chips[] = {"10DE:2342", "10DE:2345", "10DE:2348", "10DE:2941", "10DE:31C2", NULL};
  for (guint i = 0; chips[i]; i++)
    if (!g_ascii_strcasecmp(chips[i], selector)) return TRUE;
  return FALSE;
}

/* Devices of Grace superchips need a gate on arm64, and their kind must be known exactly. */
WRY_RULE(wry_rule_grace_devices) {
  static const char *const annotations[] = {"kubevirt.io/placePCIDevicesOnRootComplex", "kubevirt.io/disablePCIHole64"};
  gboolean gate = wry_config_gate(c->config, "GraceIOVirtualization"), arm = !g_strcmp0(c->spec->architecture, "arm64"), used = FALSE;
  WRY_EACH(WryHostDevice, gpu, devices(c)->gpus) {
    const char *selector = pci_selector(c, gpu->deviceName);
    gboolean grace = selector && is_grace(selector);
    used |= grace;
    if (gate && selector && strchr(selector, '*'))
      wry_refuse(c, INVALID, wry_at(c, "domain.devices.gpus[%u].deviceName", gpu_i), "the cluster's selector %s does not tell what the device is", selector);
    if (grace && arm && !gate) wry_refuse(c, INVALID, wry_at(c, "domain.devices.gpus[%u].deviceName", gpu_i), "feature gate GraceIOVirtualization is not enabled");
  }
  for (guint i = 0; used && arm && gate && c->meta->annotations && i < G_N_ELEMENTS(annotations); i++) {
    g_autofree char *path = g_strdup_printf("%s.annotations[%s]", c->meta_prefix, annotations[i]);
    if (wry_json_get(c->meta->annotations, annotations[i])) wry_refuse(c, INVALID, path, "must not be set with such a device");
  }
}

/* --- architectures ------------------------------------------------------------------------------------------------------------------------------------------ */
static void video_type(WryCheck *c, const char *const *types) {
  const WryVideo *video = devices(c)->video;
  if (video && !wry_is_one_of(video->type, types)) wry_refuse(c, NOT_SUPPORTED, wry_at(c, "domain.devices.video.type"), "video type %s is not supported on %s",
                                                              video->type ? video->type : "", c->spec->architecture);
}

static void amd64_rules(WryCheck *c) {
  static const char *const types[] = {"vga", "cirrus", "virtio", "ramfb", "bochs", NULL};
  const WryWatchdog *watchdog = devices(c)->watchdog;
  video_type(c, types);
  if (watchdog && watchdog->diag288) wry_refuse(c, NOT_SUPPORTED, wry_at(c, "domain.devices.watchdog"), "diag288 is not supported on amd64");
}

static void arm64_disks(WryCheck *c) {
  static const char *const buses[] = {"virtio", "scsi", NULL};
  WRY_EACH(WryDisk, disk, devices(c)->disks) {
    const char *target = disk->disk ? "disk" : disk->lun ? "lun" : "cdrom";
    const char *bus = disk->disk ? disk->disk->bus : disk->lun ? disk->lun->bus : disk->cdrom ? disk->cdrom->bus : NULL;
    if (wry_text(bus) && !wry_is_one_of(bus, buses))
      wry_refuse(c, NOT_SUPPORTED, wry_at(c, "domain.devices.disks[%u].%s.bus", disk_i, target), "bus %s is not supported on arm64", bus);
  }
}

static void arm64_rules(WryCheck *c) {
  static const char *const types[] = {"virtio", "ramfb", NULL};
  const WryDomain *domain = c->spec->domain;
  if (domain->firmware && domain->firmware->bootloader && domain->firmware->bootloader->bios)
    wry_refuse(c, NOT_SUPPORTED, wry_at(c, "domain.firmware.bootloader.bios"), "BIOS is not supported on arm64");
  if (domain->cpu && wry_text(domain->cpu->model) && strcmp(domain->cpu->model, "host-passthrough"))
    wry_refuse(c, NOT_SUPPORTED, wry_at(c, "domain.cpu.model"), "only host-passthrough is supported on arm64");
  arm64_disks(c);
  if (domain->devices->watchdog) wry_refuse(c, NOT_SUPPORTED, wry_at(c, "domain.devices.watchdog"), "watchdogs are not supported on arm64");
  if (domain->devices->sound) wry_refuse(c, NOT_SUPPORTED, wry_at(c, "domain.devices.sound"), "sound is not supported on arm64");
  video_type(c, types);
}

static void s390x_rules(WryCheck *c) {
  static const char *const types[] = {"virtio", NULL};
  const WryWatchdog *watchdog = devices(c)->watchdog;
  if (watchdog && watchdog->i6300esb) wry_refuse(c, NOT_SUPPORTED, wry_at(c, "domain.devices.watchdog"), "i6300esb is not supported on s390x");
  video_type(c, types);
}

WRY_RULE(wry_rule_per_architecture) {
  static const struct { const char *architecture; WryRule rule; } rules[] = {{"amd64", amd64_rules}, {"arm64", arm64_rules}, {"s390x", s390x_rules}};
  for (guint i = 0; i < G_N_ELEMENTS(rules); i++)
    if (!g_strcmp0(rules[i].architecture, c->spec->architecture)) rules[i].rule(c);
}
