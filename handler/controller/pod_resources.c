/* CPU, memory and devices of a launcher pod's compute container.
 *
 * How it works: requests and limits start as the VMI's own; then CPU (dedicated ones, or a share of the vCPUs), memory (the guest's, the overhead on top; with huge pages
 * the overhead alone) and devices are put in. Node devices stand in the limits only, as KubeVirt has them: Kubernetes takes them for the requests too.
 * Relies on: contract 5.3 and 5.6; the corpus for what KubeVirt really does. */
#include <string.h>

#include "handler/controller/pod_parts.h"

#define DEFAULT_ALLOCATION_RATIO 10
#define PARITY_ANNOTATION "alpha.kubevirt.io/EmulatorThreadCompleteToEvenParity"

const char *wry_pod_amount(const WryVmiSpec *spec, gboolean limit, const char *name) {
  const WryResources *resources = spec->domain->resources;
  WryJson *map = !resources ? NULL : limit ? resources->limits : resources->requests;
  return map ? wry_json_str(map, name) : NULL;
}

/* In the notation of `like`, as Kubernetes' sums keep that of their first term. */
static char *bytes_like(gint64 bytes, const char *like) {
  gboolean binary = like && g_str_has_suffix(like, "i");
  g_autofree char *text = binary && bytes % 1024 == 0 ? g_strdup_printf("%" G_GINT64_FORMAT "Ki", bytes / 1024) : g_strdup_printf("%" G_GINT64_FORMAT, bytes);
  return wry_quantity_canonical(text);
}

char *wry_pod_bytes(gint64 bytes) { return bytes_like(bytes, "i"); }

static gint64 bytes_of(const char *quantity) {
  gint64 value = 0;
  return quantity && wry_quantity_value(quantity, &value) ? value : 0;
}

typedef struct {
  WryPodParts *parts;
  const WryVmiSpec *spec;
  WryJson *requests, *limits;
  gint64 overhead;
} Sum;

/* --- CPU ------------------------------------------------------------------------------------------------------------------------------------------------- */
/* One more for the emulator; two when the pool is aligned to whole cores and the VMI asks for an even number. */
static gint64 emulator_cpus(const Sum *s, gint64 vcpus) {
  if (!wry_opt_bool(s->spec->domain->cpu->isolateEmulatorThread, FALSE)) return 0;
  WryJson *annotations = s->parts->vmi->metadata->annotations;
  gboolean even = wry_config_gate(s->parts->config, "AlignCPUs") && annotations && wry_json_get(annotations, PARITY_ANNOTATION);
  return even && vcpus % 2 == 0 ? 2 : 1;
}

static void dedicated_cpus(Sum *s) {
  gint64 vcpus = wry_vmi_vcpus(s->spec);
  g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, vcpus + emulator_cpus(s, vcpus));
  wry_put_str(s->requests, "cpu", text);
  wry_put_str(s->limits, "cpu", text);
}

static void shared_cpus(Sum *s) {
  if (wry_json_get(s->requests, "cpu")) return;
  const WryIoThreads *threads = s->spec->domain->ioThreads;
  gint64 pool = threads && threads->supplementalPoolThreadCount.set ? threads->supplementalPoolThreadCount.v : 0;
  gint64 count = (gint64)wry_vmi_vcpus(s->spec) + pool;
  gint64 ratio = wry_config_int(s->parts->config, "developerConfiguration.cpuAllocationRatio", DEFAULT_ALLOCATION_RATIO);
  g_autofree char *milli = g_strdup_printf("%" G_GINT64_FORMAT "m", ratio > 0 ? count * 1000 / ratio : count * 1000);
  g_autofree char *text = wry_quantity_canonical(milli);
  wry_put_str(s->requests, "cpu", text);
}

/* --- memory ---------------------------------------------------------------------------------------------------------------------------------------------- */
/* What is asked for the guest: its request, else its limit, else its own size, less where the cluster overcommits. New text, NULL when nothing says it. */
static char *guest_request(const Sum *s) {
  const char *request = wry_json_str(s->requests, "memory"), *limit = wry_json_str(s->limits, "memory");
  const WryMemory *memory = s->spec->domain->memory;
  const char *guest = memory && memory->guest ? memory->guest : memory && memory->hugepages ? memory->hugepages->pageSize : NULL;
  if (request || limit) return g_strdup(request ? request : limit);
  gint64 percent = wry_config_int(s->parts->config, "developerConfiguration.memoryOvercommit", 100);
  if (!guest || percent == 100 || percent <= 0) return g_strdup(guest);
  return bytes_like(bytes_of(guest) * 100 / percent, guest);
}

static void plus(WryJson *map, const char *base, gint64 bytes) {
  g_autofree char *text = bytes_like(bytes_of(base) + bytes, base);
  wry_put_str(map, "memory", text);
}

static void plain_memory(Sum *s, const char *request) {
  const char *limit = wry_json_str(s->limits, "memory");
  gboolean overcommit = wry_opt_bool(s->spec->domain->resources->overcommitGuestOverhead, FALSE);
  plus(s->requests, request, overcommit ? 0 : s->overhead);
  if (limit) plus(s->limits, limit, s->overhead);
}

/* The guest lives in huge pages; what was asked beyond its size stays ordinary memory. */
static void huge_memory(Sum *s, const char *request) {
  const WryMemory *memory = s->spec->domain->memory;
  const char *limit = wry_json_str(s->limits, "memory"), *huge = request;
  gint64 guest = bytes_of(memory->guest);
  g_autofree char *name = g_strconcat("hugepages-", memory->hugepages->pageSize, NULL);
  if (memory->guest && bytes_of(request) > guest) huge = memory->guest;
  g_autofree char *text = wry_quantity_canonical(huge ? huge : "0");
  wry_put_str(s->requests, name, text);
  wry_put_str(s->limits, name, text);
  gint64 more = memory->guest ? MAX(bytes_of(request) - guest, 0) : 0, most = memory->guest ? MAX(bytes_of(limit) - guest, 0) : 0;
  g_autofree char *requested = wry_pod_bytes(more + s->overhead);
  wry_put_str(s->requests, "memory", requested);
  g_autofree char *limited = limit ? wry_pod_bytes(most + s->overhead) : NULL;
  wry_put_str(s->limits, "memory", limited);
}

static void put_memory(Sum *s) {
  g_autofree char *request = guest_request(s);
  const WryMemory *memory = s->spec->domain->memory;
  if (memory && memory->hugepages)
    huge_memory(s, request);
  else
    plain_memory(s, request);
  if (wry_pod_dedicated(s->spec)) wry_put(s->limits, "memory", json_object_get(wry_json_get(s->requests, "memory")));
}

static void put_storage(Sum *s) {
  static const char *const own = "50M";
  const char *maps[] = {wry_json_str(s->requests, "ephemeral-storage"), wry_json_str(s->limits, "ephemeral-storage")};
  g_autofree char *request = bytes_like(bytes_of(maps[0]) + bytes_of(own), maps[0] ? maps[0] : own);
  g_autofree char *limit = maps[1] ? bytes_like(bytes_of(maps[1]) + bytes_of(own), maps[1]) : NULL;
  wry_put_str(s->requests, "ephemeral-storage", request);
  wry_put_str(s->limits, "ephemeral-storage", limit);
}

/* --- devices --------------------------------------------------------------------------------------------------------------------------------------------- */
static void one_more(WryJson *map, const char *name) {
  const char *had = wry_json_str(map, name);
  g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, bytes_of(had) + 1);
  wry_put_str(map, name, text);
}

/* Of the model virtio, which is the default. */
static gboolean has_virtio(const WryVmiSpec *spec) {
  const GPtrArray *interfaces = spec->domain->devices->interfaces;
  for (guint i = 0; interfaces && i < interfaces->len; i++) {
    const char *model = ((const WryInterface *)interfaces->pdata[i])->model;
    if (!model || g_str_has_prefix(model, "virtio")) return TRUE;
  }
  return FALSE;
}

static void put_node_devices(Sum *s) {
  gboolean emulated = wry_config_use_emulation(s->parts->config);
  const WryLaunchSecurity *security = s->spec->domain->launchSecurity;
  const GPtrArray *interfaces = s->spec->domain->devices->interfaces;
  one_more(s->limits, WRY_POD_LAUNCHER_DEVICE);
  if (!emulated) one_more(s->limits, "devices.kubevirt.io/kvm");
  if (interfaces && interfaces->len) one_more(s->limits, "devices.kubevirt.io/tun");
  if (!emulated && has_virtio(s->spec)) one_more(s->limits, "devices.kubevirt.io/vhost-net");
  if (wry_opt_bool(s->spec->domain->devices->autoattachVSOCK, FALSE)) one_more(s->limits, "devices.kubevirt.io/vhost-vsock");
  const char *guard = !security ? NULL : security->sev || security->snp ? "devices.kubevirt.io/sev" : security->tdx ? "devices.kubevirt.io/tdx" : NULL;
  if (!guard) return;
  one_more(s->limits, guard);
  one_more(s->requests, guard);
}

/* The cluster's list of permitted devices, when it has one, must name the resource. */
static gboolean is_permitted(WryJson *list, const char *name) {
  for (gsize i = 0; i < wry_json_length(list); i++)
    if (g_strcmp0(wry_json_str(json_object_array_get_idx(list, i), "resourceName"), name) == 0) return TRUE;
  return FALSE;
}

static gboolean put_host_devices(Sum *s, const GPtrArray *list, const char *field, GError **error) {
  static const char *const lists[] = {"pciHostDevices", "mediatedDevices", "usb"};
  WryJson *permitted = wry_config_get(s->parts->config, "permittedHostDevices");
  for (guint i = 0; list && i < list->len; i++) {
    const WryHostDevice *device = list->pdata[i];
    gboolean known = !permitted;
    if (!device->deviceName || !*device->deviceName) continue; /* of a resource claim */
    for (gsize l = 0; !known && l < G_N_ELEMENTS(lists); l++) known = is_permitted(wry_json_get(permitted, lists[l]), device->deviceName);
    if (!known) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "spec.domain.devices.%s[%u].deviceName: the cluster does not permit %s", field, i, device->deviceName);
      return FALSE;
    }
    one_more(s->limits, device->deviceName);
    one_more(s->requests, device->deviceName);
  }
  return TRUE;
}

static WryJson *copy_of(WryJson *map) {
  WryJson *copy = wry_json_copy(map);
  return copy ? copy : json_object_new_object();
}

/* --- claims ------------------------------------------------------------------------------------------------------------------------------------------------ */
static void put_claim(WryJson *resources, const char *claim, const char *request) {
  if (!claim || !*claim) return;
  WryJson *list = wry_json_get(resources, "claims"), *entry = wry_append(list ? list : wry_put_array(resources, "claims"));
  wry_put_str(entry, "name", claim);
  wry_put_str(entry, "request", request);
}

static void put_device_claims(WryJson *resources, const GPtrArray *list) {
  for (guint i = 0; list && i < list->len; i++) {
    const WryHostDevice *device = list->pdata[i];
    put_claim(resources, device->claimName, device->requestName);
  }
}

/* Claims of devices (resourceClaims) that the container uses. */
static void put_claims(WryPodParts *parts, WryJson *resources) {
  const GPtrArray *networks = parts->spec->networks;
  put_device_claims(resources, parts->spec->domain->devices->gpus);
  put_device_claims(resources, parts->spec->domain->devices->hostDevices);
  for (guint i = 0; networks && i < networks->len; i++) {
    const WryNetworkClaim *claim = ((const WryNetwork *)networks->pdata[i])->resourceClaim;
    if (claim) put_claim(resources, claim->claimName, claim->requestName);
  }
}

gboolean wry_pod_resources(WryPodParts *parts, GError **error) {
  const WryResources *own = parts->spec->domain->resources;
  const WryDevices *devices = parts->spec->domain->devices;
  WryJson *resources = wry_put_object(parts->compute, "resources");
  Sum s = {.parts = parts, .spec = parts->spec, .requests = copy_of(own ? own->requests : NULL), .limits = copy_of(own ? own->limits : NULL)};
  s.overhead = wry_pod_overhead(s.spec, parts->config, parts->world->costs);
  wry_put(resources, "requests", s.requests);
  wry_put(resources, "limits", s.limits);
  put_memory(&s);
  if (wry_pod_dedicated(s.spec))
    dedicated_cpus(&s);
  else
    shared_cpus(&s);
  put_storage(&s);
  put_node_devices(&s);
  put_claims(parts, resources);
  return put_host_devices(&s, devices->gpus, "gpus", error) && put_host_devices(&s, devices->hostDevices, "hostDevices", error);
}
