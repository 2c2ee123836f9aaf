/* What users and schedulers see of a launcher pod, in the corpus' form.
 *
 * Wherry's pods differ from KubeVirt's in every case alike, on purpose:
 *   memory beside the guest's      the sum is the same, the figures are Wherry's own: here the pod is rendered with KubeVirt's
 *   securityContext                seccomp profile RuntimeDefault, a read-only root file system, no NET_BIND_SERVICE: Pod Security "restricted", and nothing in the pod needs more
 *   devices.wherry.io/launcher     the device through which a launcher meets its node
 *   the launcher's own volumes     other directories: KubeVirt's private, public, sockets, ... are its launcher's inside
 *   containers of image volumes    a Kubernetes image volume needs no container that keeps it
 *   velero annotations             they name a program of KubeVirt's launcher image; Wherry has none to freeze a guest with yet */
#include "tests/corpus/pod_facts.h"

#include <string.h>

#include "handler/controller/pod_parts.h"

static const char *const kubevirt_volumes[] = {"private", "public", "sockets", "virt-bin-share-dir", "libvirt-runtime", "ephemeral-disks", "container-disks", "hotplug-disks", "hugetblfs-dir", "launcher-volume", NULL};
static const char *const pod_members[] = {"nodeSelector", "affinity", "tolerations", "priorityClassName", "schedulerName", "topologySpreadConstraints", "schedulingGates", "hostname", "subdomain", "dnsPolicy", "dnsConfig",
                                          "terminationGracePeriodSeconds", "automountServiceAccountToken", "serviceAccountName", "securityContext", "readinessGates", "restartPolicy", "enableServiceLinks", "imagePullSecrets",
                                          "runtimeClassName", "resourceClaims", NULL};
static const char *const container_members[] = {"name", "resources", "securityContext", "restartPolicy", NULL};
static const char *const compute_members[] = {"resources", "securityContext", "ports", "volumeDevices", "livenessProbe", "readinessProbe", NULL};

static void take(WryJson *into, WryJson *from, const char *const *members) {
  for (; *members; members++)
    if (wry_json_get(from, *members)) json_object_object_add(into, *members, wry_json_copy(wry_json_get(from, *members)));
}

/* --- Wherry's pod -------------------------------------------------------------------------------------------------------------------------------------------- */
/* An exec probe is only named. */
static void name_probe(WryJson *probe) {
  WryJson *exec = wry_json_get(probe, "exec"), *command = exec ? wry_json_get(exec, "command") : NULL;
  if (!command) return;
  gboolean runs = FALSE;
  for (gsize i = 0; i < wry_json_length(command); i++) runs |= strcmp(json_object_get_string(json_object_array_get_idx(command, i)), "--") == 0;
  wry_put_str(probe, "exec", runs ? "guestExec" : "guestAgentPing");
}

static WryJson *volume_fact(WryJson *volume) {
  static const char *const refs[] = {"claimName", "secretName", "name"}, *const kept[] = {"medium", "sizeLimit", "type", "optional", NULL};
  WryJson *fact = json_object_new_object();
  json_object_object_foreach(volume, key, source) {
    if (strcmp(key, "name") == 0) continue;
    wry_put_str(fact, "kind", key);
    for (gsize i = 0; i < G_N_ELEMENTS(refs) && !wry_json_get(fact, "ref"); i++) wry_put_str(fact, "ref", wry_json_str(source, refs[i]));
    take(fact, source, kept);
  }
  wry_put_str(fact, "name", wry_json_str(volume, "name"));
  return fact;
}

static void put_containers(WryJson *facts, const char *key, WryJson *list) {
  WryJson *array = json_object_new_array();
  for (gsize i = 0; i < wry_json_length(list); i++) {
    WryJson *container = json_object_array_get_idx(list, i);
    if (g_strcmp0(wry_json_str(container, "name"), "compute")) take(wry_append(array), container, container_members);
  }
  if (wry_json_length(array))
    wry_put(facts, key, array);
  else
    json_object_put(array);
}

WryJson *pod_facts(WryJson *pod) {
  WryJson *facts = json_object_new_object(), *spec = wry_json_get(pod, "spec"), *volumes = wry_json_get(spec, "volumes");
  static const char *const metadata[] = {"generateName", "labels", "annotations", NULL};
  take(facts, wry_json_get(pod, "metadata"), metadata);
  take(facts, spec, pod_members);
  WryJson *containers = wry_json_get(spec, "containers"), *compute = wry_put_object(facts, "compute");
  take(compute, json_object_array_get_idx(containers, 0), compute_members);
  name_probe(wry_json_get(compute, "livenessProbe"));
  name_probe(wry_json_get(compute, "readinessProbe"));
  put_containers(facts, "containers", containers);
  put_containers(facts, "initContainers", wry_json_get(spec, "initContainers"));
  WryJson *order = wry_put_array(facts, "containerOrder");
  for (gsize i = 0; i < wry_json_length(containers); i++) wry_append_str(order, wry_json_str(json_object_array_get_idx(containers, i), "name"));
  WryJson *list = wry_put_array(facts, "volumes");
  for (gsize i = 0; i < wry_json_length(volumes); i++) {
    WryJson *volume = json_object_array_get_idx(volumes, i);
    if (!g_str_has_prefix(wry_json_str(volume, "name"), "wherry-")) json_object_array_add(list, volume_fact(volume));
  }
  return facts;
}

/* --- KubeVirt's pod ------------------------------------------------------------------------------------------------------------------------------------------ */
typedef gboolean (*Unwanted)(const char *name);

static gboolean is_kubevirts(const char *name) { return g_strv_contains(kubevirt_volumes, name); }
static gboolean is_keeper(const char *name) { return g_str_has_prefix(name, "volume") && !g_str_has_suffix(name, "-init"); }
static gboolean is_velero(const char *name) { return strstr(name, ".hook.backup.velero.io/") != NULL; }

static void drop(WryJson *facts, const char *key, Unwanted unwanted) {
  WryJson *list = wry_json_get(facts, key);
  if (!list) return;
  WryJson *left = json_object_new_array();
  for (gsize i = 0; i < wry_json_length(list); i++) {
    WryJson *entry = json_object_array_get_idx(list, i);
    const char *name = json_object_is_type(entry, json_type_string) ? json_object_get_string(entry) : wry_json_str(entry, "name");
    if (!unwanted(name)) json_object_array_add(left, json_object_get(entry));
  }
  if (wry_json_length(left) || strcmp(key, "volumes") == 0) {
    json_object_object_add(facts, key, left);
  } else {
    json_object_put(left);
    json_object_object_del(facts, key);
  }
}

static void drop_velero(WryJson *facts) {
  WryJson *annotations = wry_json_get(facts, "annotations"), *left = json_object_new_object();
  json_object_object_foreach(annotations, key, value)
    if (!is_velero(key)) json_object_object_add(left, key, json_object_get(value));
  json_object_object_add(facts, "annotations", left);
}

static void expect_security(WryJson *facts) {
  static const char *const lists[] = {"containers", "initContainers"};
  wry_put(wry_json_get(facts, "compute"), "securityContext", wry_pod_container_security());
  for (gsize l = 0; l < G_N_ELEMENTS(lists); l++) {
    WryJson *list = wry_json_get(facts, lists[l]);
    for (gsize i = 0; i < wry_json_length(list); i++) wry_put(json_object_array_get_idx(list, i), "securityContext", wry_pod_container_security());
  }
  wry_put_str(wry_put_object(wry_json_get(facts, "securityContext"), "seccompProfile"), "type", "RuntimeDefault");
}

void pod_facts_expect(WryJson *facts) {
  drop_velero(facts);
  drop(facts, "volumes", is_kubevirts);
  drop(facts, "containers", is_keeper);
  drop(facts, "containerOrder", is_keeper);
  drop(facts, "initContainers", is_keeper);
  expect_security(facts);
  wry_put_str(wry_json_path(facts, "compute.resources.limits"), WRY_POD_LAUNCHER_DEVICE, "1");
}
