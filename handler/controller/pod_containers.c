/* The containers of a launcher pod: compute with its ports and probes, the serial console's log, and what copies disks out of images where the cluster has no image volumes.
 *
 * How it works: a container is its name, image, command, security context and resources; resources of the small ones are rows that the configuration's supportContainerResources may change, and
 * requests become limits in a pod that is to be Guaranteed.
 * Relies on: contract 5.2, 5.5, 5.7. */
#include <string.h>

#include "handler/controller/pod_parts.h"
#include "handler/controller/pod_paths.h"

#define GUEST_PROBE_DELAY 10 /* seconds more before the first probe, as in KubeVirt */

WryJson *wry_pod_container_security(void) {
  WryJson *context = json_object_new_object();
  wry_put_bool(context, "allowPrivilegeEscalation", FALSE);
  wry_append_str(wry_put_array(wry_put_object(context, "capabilities"), "drop"), "ALL");
  wry_put_bool(context, "readOnlyRootFilesystem", TRUE);
  wry_put_int(context, "runAsGroup", WRY_POD_UID);
  wry_put_bool(context, "runAsNonRoot", TRUE);
  wry_put_int(context, "runAsUser", WRY_POD_UID);
  return context;
}

static const char *pull_policy(const WryPodParts *parts) {
  return parts->world->pull_policy ? parts->world->pull_policy : wry_config_str(parts->config, "imagePullPolicy", "IfNotPresent");
}

static void put_command(WryJson *container, const char *const *command) {
  WryJson *list = wry_put_array(container, "command");
  for (; *command; command++) wry_append_str(list, *command);
}

static void start_container(WryPodParts *parts, WryJson *container, const char *name, const char *image, const char *policy) {
  wry_put_str(container, "name", name);
  wry_put_str(container, "image", image ? image : parts->world->image);
  wry_put_str(container, "imagePullPolicy", policy ? policy : pull_policy(parts));
  wry_put(container, "securityContext", wry_pod_container_security());
}

/* --- resources of the small containers --------------------------------------------------------------------------------------------------------------------- */
typedef struct { const char *type; const char *cpu_request, *memory_request, *cpu_limit, *memory_limit, *storage_request; } Small;
static const Small console_size = {"guest-console-log", "5m", "35M", "15m", "60M", NULL};
static const Small tool_size = {"container-disk", "10m", "1M", "100m", "40M", NULL};
static const Small copy_size = {"container-disk", "1m", "1M", "10m", "40M", "50M"};

static WryJson *configured(const WryPodParts *parts, const char *type) {
  WryJson *list = wry_config_get(parts->config, "supportContainerResources");
  for (gsize i = 0; i < wry_json_length(list); i++) {
    WryJson *entry = json_object_array_get_idx(list, i);
    if (g_strcmp0(wry_json_str(entry, "type"), type) == 0) return wry_json_get(entry, "resources");
  }
  return NULL;
}

static void put_amount(WryJson *map, WryJson *other, const char *key, const char *amount) {
  const char *set = other ? wry_json_str(other, key) : NULL;
  wry_put_str(map, key, set ? set : amount);
}

static void put_small(WryPodParts *parts, WryJson *container, const Small *size) {
  WryJson *resources = wry_put_object(container, "resources"), *own = configured(parts, size->type);
  WryJson *limits = wry_put_object(resources, "limits"), *requests = wry_put_object(resources, "requests");
  gboolean guaranteed = wry_pod_guaranteed(parts->spec);
  put_amount(limits, wry_json_get(own, "limits"), "cpu", size->cpu_limit);
  put_amount(limits, wry_json_get(own, "limits"), "memory", size->memory_limit);
  put_amount(requests, wry_json_get(own, "requests"), "cpu", guaranteed ? wry_json_str(limits, "cpu") : size->cpu_request);
  put_amount(requests, wry_json_get(own, "requests"), "memory", guaranteed ? wry_json_str(limits, "memory") : size->memory_request);
  wry_put_str(requests, "ephemeral-storage", size->storage_request);
}

/* --- probes ------------------------------------------------------------------------------------------------------------------------------------------------ */
/* "launcher guest-probe [--exec] --timeout SECONDS [-- COMMAND...]" asks the guest's agent. */
static void guest_command(WryJson *probe, const WryProbe *from, gint64 timeout) {
  WryJson *list = wry_put_array(wry_put_object(probe, "exec"), "command"), *command = from->exec ? wry_json_get(from->exec, "command") : NULL;
  g_autofree char *seconds = g_strdup_printf("%" G_GINT64_FORMAT, timeout);
  const char *const start[] = {WRY_POD_PROGRAMS "/launcher", "guest-probe", "--timeout", seconds, NULL};
  for (gsize i = 0; start[i]; i++) wry_append_str(list, start[i]);
  if (from->exec) wry_append_str(list, "--");
  for (gsize i = 0; i < wry_json_length(command); i++) json_object_array_add(list, json_object_get(json_object_array_get_idx(command, i)));
}

static void put_probe(WryPodParts *parts, const char *key, const WryProbe *from) {
  if (!from) return;
  WryJson *probe = wry_put_object(parts->compute, key);
  gboolean guest = from->exec || from->guestAgentPing;
  gint64 timeout = from->timeoutSeconds.set ? from->timeoutSeconds.v : 1;
  if (from->httpGet) wry_put(probe, "httpGet", json_object_get(from->httpGet));
  if (from->tcpSocket) wry_put(probe, "tcpSocket", json_object_get(from->tcpSocket));
  if (guest) guest_command(probe, from, timeout);
  wry_put_int(probe, "initialDelaySeconds", (from->initialDelaySeconds.set ? from->initialDelaySeconds.v : 0) + GUEST_PROBE_DELAY);
  wry_put_int(probe, "timeoutSeconds", guest ? timeout + 1 : timeout);
  const struct { const char *key; WryOptInt value; } more[] = {
      {"periodSeconds", from->periodSeconds}, {"successThreshold", from->successThreshold}, {"failureThreshold", from->failureThreshold}};
  for (gsize i = 0; i < G_N_ELEMENTS(more); i++)
    if (more[i].value.set) wry_put_int(probe, more[i].key, more[i].value.v);
}

/* --- compute ----------------------------------------------------------------------------------------------------------------------------------------------- */
static void put_ports(WryPodParts *parts) {
  const GPtrArray *interfaces = parts->spec->domain->devices->interfaces;
  WryJson *list = NULL;
  for (guint i = 0; interfaces && i < interfaces->len; i++) {
    const WryInterface *interface = interfaces->pdata[i];
    for (guint p = 0; interface->ports && p < interface->ports->len; p++) {
      const WryPort *port = interface->ports->pdata[p];
      if (!list) list = wry_put_array(parts->compute, "ports");
      WryJson *entry = wry_append(list);
      wry_put_str(entry, "name", port->name);
      wry_put_int(entry, "containerPort", port->port.v);
      wry_put_str(entry, "protocol", port->protocol && *port->protocol ? port->protocol : "TCP");
    }
  }
}

static void put_compute(WryPodParts *parts) {
  static const char *const command[] = {WRY_POD_PROGRAMS "/launcher-init", NULL};
  start_container(parts, parts->compute, "compute", NULL, NULL);
  put_command(parts->compute, command);
  wry_put_str(parts->compute, "terminationMessagePolicy", "FallbackToLogsOnError");
  put_ports(parts);
  put_probe(parts, "livenessProbe", parts->spec->livenessProbe);
  put_probe(parts, "readinessProbe", parts->spec->readinessProbe);
}

/* --- the others -------------------------------------------------------------------------------------------------------------------------------------------- */
static WryJson *mount_in(WryJson *container, const char *name, const char *path, gboolean read_only) {
  WryJson *list = wry_json_get(container, "volumeMounts");
  WryJson *mount = wry_append(list ? list : wry_put_array(container, "volumeMounts"));
  wry_put_str(mount, "name", name);
  wry_put_str(mount, "mountPath", path);
  if (read_only) wry_put_bool(mount, "readOnly", TRUE);
  return mount;
}

static gboolean logs_console(const WryPodParts *parts) {
  const WryDevices *devices = parts->spec->domain->devices;
  gboolean cluster = !wry_config_get(parts->config, "virtualMachineOptions.disableSerialConsoleLog");
  return wry_opt_bool(devices->autoattachSerialConsole, TRUE) && wry_opt_bool(devices->logSerialConsole, cluster);
}

/* Prints the serial console's log, and goes on with it, for `kubectl logs`. */
static void put_console(WryPodParts *parts, WryJson *list) {
  static const char *const command[] = {WRY_POD_PROGRAMS "/launcher", "console-log", NULL};
  if (!logs_console(parts)) return;
  WryJson *container = wry_append(list);
  start_container(parts, container, WRY_POD_CONSOLE_CONTAINER, NULL, NULL);
  put_command(container, command);
  wry_put_str(container, "restartPolicy", "Always");
  put_small(parts, container, &console_size);
  mount_in(container, "wherry-state", WRY_POD_STATE, TRUE);
}

#define COPY_TOOL "/run/wherry/tool"
#define COPIES "/run/wherry/copy"

/* The tool is copied into a directory that the image's own container, which may hold nothing but a disk, then runs it from. */
static void put_copy_tool(WryPodParts *parts, WryJson *list) {
  static const char *const command[] = {WRY_POD_PROGRAMS "/launcher-copy", WRY_POD_PROGRAMS "/launcher-copy", COPY_TOOL "/launcher-copy", NULL};
  WryJson *volume = wry_append(parts->volumes), *container = wry_append(list);
  wry_put_str(volume, "name", "wherry-tool");
  wry_put_object(volume, "emptyDir");
  start_container(parts, container, "container-disk-binary", NULL, NULL);
  put_command(container, command);
  put_small(parts, container, &tool_size);
  mount_in(container, "wherry-tool", COPY_TOOL, FALSE);
}

/* `files`: where from, where to, in turns. */
static void put_copy(WryPodParts *parts, WryJson *list, const char *volume, const char *image, const char *policy, const char *const *files) {
  static const char *const tool[] = {COPY_TOOL "/launcher-copy", NULL};
  g_autofree char *name = g_strconcat("volume", volume, "-init", NULL);
  WryJson *container = wry_append(list);
  start_container(parts, container, name, image, policy);
  put_command(container, tool);
  for (; *files; files++) wry_append_str(wry_json_get(container, "command"), *files);
  put_small(parts, container, &copy_size);
  mount_in(container, "wherry-tool", COPY_TOOL, TRUE);
  mount_in(container, volume, COPIES, FALSE);
}

/* The two files at their own places. */
static void put_kernel_copy(WryPodParts *parts, WryJson *list, const WryKernelContainer *kernel, gboolean tool) {
  const char *const paths[] = {kernel->kernelPath, kernel->initrdPath};
  g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
  for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
    if (!paths[i] || !*paths[i]) continue;
    g_ptr_array_add(files, g_strdup(paths[i]));
    g_ptr_array_add(files, g_strconcat(COPIES, *paths[i] == '/' ? "" : "/", paths[i], NULL));
  }
  g_ptr_array_add(files, NULL);
  if (!tool) put_copy_tool(parts, list);
  put_copy(parts, list, "kernel-boot-volume", kernel->image, kernel->imagePullPolicy, (const char *const *)files->pdata);
}

static void put_copies(WryPodParts *parts, WryJson *list) {
  const GPtrArray *volumes = parts->spec->volumes;
  const WryFirmware *firmware = parts->spec->domain->firmware;
  const WryKernelContainer *kernel = firmware && firmware->kernelBoot ? firmware->kernelBoot->container : NULL;
  gboolean tool = FALSE;
  for (guint i = 0; volumes && i < volumes->len; i++) {
    const WryVolume *volume = volumes->pdata[i];
    if (!volume->containerDisk) continue;
    if (!tool) put_copy_tool(parts, list);
    tool = TRUE;
    g_autofree char *inside = wry_pod_image_dir(volume->containerDisk), *from = g_strconcat("/", inside, NULL);
    const char *const files[] = {from, COPIES, NULL};
    put_copy(parts, list, volume->name, volume->containerDisk->image, volume->containerDisk->imagePullPolicy, files);
  }
  if (kernel) put_kernel_copy(parts, list, kernel, tool);
}

void wry_pod_containers(WryPodParts *parts) {
  WryJson *list = json_object_new_array();
  put_compute(parts);
  put_console(parts, list);
  if (!wry_config_gate(parts->config, "ImageVolume")) put_copies(parts, list);
  if (wry_json_length(list))
    wry_put(parts->pod, "initContainers", list);
  else
    json_object_put(list);
}
