/* The status of a VirtualMachineInstance as JSON (contract 3.1 and 3.5).
 *
 * How it works: one small function a member, each adding it when there is something to say. Pure.
 * Relies on: json-c through wherry/json.h; field tables of the report and the instance. */
#include "handler/status.h"

#include "wherry/limits.h"

void wry_status_put(WryJson *object, const char *key, const char *value) {
  if (value && *value) json_object_object_add(object, key, json_object_new_string(value));
}

static void put_int(WryJson *object, const char *key, WryOptInt value) {
  if (value.set) json_object_object_add(object, key, json_object_new_int64(value.v));
}

static WryJson *strings(const GPtrArray *list) {
  WryJson *array = json_object_new_array();
  for (guint i = 0; list && i < list->len; i++) json_object_array_add(array, json_object_new_string(list->pdata[i]));
  return array;
}

static void put_bytes(WryJson *object, const char *key, gint64 bytes) {
  g_autofree char *plain = g_strdup_printf("%" G_GINT64_FORMAT, bytes);
  g_autofree char *text = bytes % 1024 == 0 && bytes > 0 ? g_strdup_printf("%" G_GINT64_FORMAT "Ki", bytes / 1024) : NULL;
  g_autofree char *canonical = wry_quantity_canonical(text ? text : plain);
  wry_status_put(object, key, canonical ? canonical : plain);
}

/* The pod interface's name of the interface `name`, from what set-up made. */
static const char *pod_interface(const WryInstance *instance, const char *name) {
  WryJson *list = instance->interfaces;
  for (size_t i = 0; list && i < json_object_array_length(list); i++) {
    WryJson *entry = json_object_array_get_idx(list, i);
    if (g_strcmp0(wry_json_str(entry, "name"), name) == 0) return wry_json_str(entry, "podInterface");
  }
  return NULL;
}

static WryJson *interface_of_report(const WryInstance *instance, const WryReportInterface *from) {
  WryJson *entry = json_object_new_object();
  wry_status_put(entry, "infoSource", from->infoSource);
  wry_status_put(entry, "interfaceName", from->interfaceName);
  wry_status_put(entry, "ipAddress", from->ipAddress);
  if (from->ipAddresses && from->ipAddresses->len) json_object_object_add(entry, "ipAddresses", strings(from->ipAddresses));
  wry_status_put(entry, "linkState", from->linkState);
  wry_status_put(entry, "mac", from->mac);
  wry_status_put(entry, "name", from->name);
  wry_status_put(entry, "podInterfaceName", pod_interface(instance, from->name));
  put_int(entry, "queueCount", from->queueCount);
  return entry;
}

/* Before the first report: what set-up made. */
static WryJson *interface_of_setup(WryJson *made) {
  WryJson *entry = json_object_new_object(), *addresses = wry_json_get(made, "podIPs");
  wry_status_put(entry, "infoSource", "domain");
  if (addresses && json_object_array_length(addresses) > 0) {
    wry_status_put(entry, "ipAddress", json_object_get_string(json_object_array_get_idx(addresses, 0)));
    json_object_object_add(entry, "ipAddresses", json_object_get(addresses));
  }
  wry_status_put(entry, "mac", wry_json_str(made, "mac"));
  wry_status_put(entry, "name", wry_json_str(made, "name"));
  wry_status_put(entry, "podInterfaceName", wry_json_str(made, "podInterface"));
  return entry;
}

static void put_interfaces(WryJson *status, const WryInstance *instance) {
  WryJson *list = json_object_new_array();
  const GPtrArray *reported = instance->report ? instance->report->interfaces : NULL;
  for (guint i = 0; reported && i < reported->len; i++) json_object_array_add(list, interface_of_report(instance, reported->pdata[i]));
  for (size_t i = 0; !reported && instance->interfaces && i < json_object_array_length(instance->interfaces); i++)
    json_object_array_add(list, interface_of_setup(json_object_array_get_idx(instance->interfaces, i)));
  if (json_object_array_length(list) > 0)
    json_object_object_add(status, "interfaces", list);
  else
    json_object_put(list);
}

static const char *volume_target(const WryVmiReport *report, const char *name) {
  for (guint i = 0; report && report->volumes && i < report->volumes->len; i++) {
    const WryReportVolume *volume = report->volumes->pdata[i];
    if (g_strcmp0(volume->name, name) == 0 && volume->target) return volume->target;
  }
  return "";
}

static int by_volume_name(gconstpointer a, gconstpointer b) {
  return g_strcmp0((*(WryVolume *const *)a)->name, (*(WryVolume *const *)b)->name);
}

static void put_volumes(WryJson *status, const WryInstance *instance) {
  const GPtrArray *volumes = instance->object->spec->volumes;
  if (!volumes || volumes->len == 0 || wry_instance_phase(instance) < WRY_PHASE_SCHEDULED) return;
  g_autoptr(GPtrArray) sorted = g_ptr_array_new();
  for (guint i = 0; i < volumes->len; i++) g_ptr_array_add(sorted, volumes->pdata[i]);
  g_ptr_array_sort(sorted, by_volume_name);
  WryJson *list = json_object_new_array();
  for (guint i = 0; i < sorted->len; i++) {
    const WryVolume *volume = sorted->pdata[i];
    WryJson *entry = json_object_new_object();
    json_object_object_add(entry, "name", json_object_new_string(volume->name));
    if (volume->persistentVolumeClaim) {
      WryJson *claim = json_object_new_object();
      wry_status_put(claim, "claimName", volume->persistentVolumeClaim->claimName);
      json_object_object_add(entry, "persistentVolumeClaimInfo", claim);
    }
    json_object_object_add(entry, "target", json_object_new_string(volume_target(instance->report, volume->name)));
    json_object_array_add(list, entry);
  }
  json_object_object_add(status, "volumeStatus", list);
}

static void put_topology(WryJson *status, const WryVmiSpec *spec) {
  const WryCpu *cpu = spec->domain->cpu;
  WryJson *topology = json_object_new_object();
  json_object_object_add(topology, "cores", json_object_new_int64(cpu && cpu->cores.set ? cpu->cores.v : 1));
  json_object_object_add(topology, "sockets", json_object_new_int64(cpu && cpu->sockets.set ? cpu->sockets.v : 1));
  json_object_object_add(topology, "threads", json_object_new_int64(cpu && cpu->threads.set ? cpu->threads.v : 1));
  json_object_object_add(status, "currentCPUTopology", topology);
}

static void put_memory(WryJson *status, const WryInstance *instance) {
  gint64 guest = wry_vmi_guest_memory(instance->object->spec);
  if (guest <= 0) return;
  gint64 current = instance->report && instance->report->memoryCurrent.set ? instance->report->memoryCurrent.v : guest;
  WryJson *memory = json_object_new_object();
  put_bytes(memory, "guestAtBoot", guest);
  put_bytes(memory, "guestCurrent", current);
  put_bytes(memory, "guestRequested", guest);
  json_object_object_add(status, "memory", memory);
}

/* Kubernetes' class of the resources of the one container that a launcher is. */
static const char *qos_class(const WryVmiSpec *spec) {
  const WryResources *resources = spec->domain->resources;
  if (!resources || !resources->limits || json_object_object_length(resources->limits) == 0) return "Burstable";
  const char *const names[] = {"cpu", "memory"};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    const char *limit = wry_json_str(resources->limits, names[i]), *request = wry_json_str(resources->requests, names[i]);
    if (!limit || (request && strcmp(limit, request) != 0)) return "Burstable";
  }
  return "Guaranteed";
}

/* A list of the instance as its field table writes it. */
static void put_list(WryJson *status, const WryInstance *instance, const char *key) {
  WryInstance part = {.conditions = instance->conditions, .phaseTransitionTimestamps = instance->phaseTransitionTimestamps};
  g_autoptr(WryJson) lists = wry_encode(&wry_instance_type, &part);
  WryJson *list = wry_json_get(lists, key);
  if (list) json_object_object_add(status, key, json_object_get(list));
}

static void put_seen(WryJson *status, const WryInstance *instance, const char *node) {
  const WryVmiReport *report = instance->report;
  WryPhase phase = wry_instance_phase(instance);
  if (phase >= WRY_PHASE_SCHEDULED && node) {
    WryJson *pods = json_object_new_object();
    json_object_object_add(pods, instance->uid, json_object_new_string(node));
    json_object_object_add(status, "activePods", pods);
    wry_status_put(status, "nodeName", node);
    wry_status_put(status, "selinuxContext", "none");
  }
  if (report && report->guestOSInfo) json_object_object_add(status, "guestOSInfo", json_object_get(report->guestOSInfo));
  if (report && report->machine) {
    WryJson *machine = json_object_new_object();
    wry_status_put(machine, "type", report->machine);
    json_object_object_add(status, "machine", machine);
  }
  if (instance->uidNumber.set) put_int(status, "runtimeUser", instance->uidNumber);
}

static WryJson *status_of(const WryInstance *instance, const char *node) {
  WryJson *status = json_object_new_object();
  put_seen(status, instance, node);
  put_list(status, instance, "conditions");
  put_topology(status, instance->object->spec);
  put_interfaces(status, instance);
  put_memory(status, instance);
  wry_status_put(status, "phase", instance->phase);
  put_list(status, instance, "phaseTransitionTimestamps");
  wry_status_put(status, "qosClass", qos_class(instance->object->spec));
  wry_status_put(status, "reason", instance->reason);
  put_volumes(status, instance);
  return status;
}

static void add_label(WryJson *metadata, const char *node) {
  WryJson *labels = wry_json_get(metadata, "labels");
  WryJson *copy = json_object_new_object();
  if (labels) {
    json_object_object_foreach(labels, key, value) json_object_object_add(copy, key, json_object_get(value));
  }
  wry_status_put(copy, "kubevirt.io/nodeName", node);
  json_object_object_add(metadata, "labels", copy);
}

WryJson *wry_status_vmi(const WryInstance *instance, const char *node) {
  WryJson *object = wry_encode(&wry_vmi_type, instance->object);
  WryJson *metadata = wry_json_get(object, "metadata");
  json_object_object_add(object, "apiVersion", json_object_new_string("kubevirt.io/v1"));
  json_object_object_add(object, "kind", json_object_new_string("VirtualMachineInstance"));
  wry_status_put(metadata, "uid", instance->uid);
  wry_status_put(metadata, "creationTimestamp", instance->creationTimestamp);
  wry_status_put(metadata, "deletionTimestamp", instance->deletionTimestamp);
  if (instance->deletionTimestamp) json_object_object_add(metadata, "deletionGracePeriodSeconds", json_object_new_int64(wry_instance_grace(instance)));
  if (wry_instance_phase(instance) >= WRY_PHASE_SCHEDULED && node) add_label(metadata, node);
  json_object_object_add(object, "status", status_of(instance, node));
  return object;
}
