/* Kinds that Wherry reads or writes, and the paths of their objects (Kubernetes API concepts: resource URIs).
 *
 * Relies on GLib only. */
#include "handler/kube/client.h"

#define CORE "", "v1"
#define KUBEVIRT "kubevirt.io", "v1"

const WryKubeResource wry_kube_pods = {CORE, "pods", "Pod", FALSE};
const WryKubeResource wry_kube_nodes = {CORE, "nodes", "Node", TRUE};
const WryKubeResource wry_kube_events = {CORE, "events", "Event", FALSE};
const WryKubeResource wry_kube_secrets = {CORE, "secrets", "Secret", FALSE};
const WryKubeResource wry_kube_config_maps = {CORE, "configmaps", "ConfigMap", FALSE};
const WryKubeResource wry_kube_claims = {CORE, "persistentvolumeclaims", "PersistentVolumeClaim", FALSE};
const WryKubeResource wry_kube_volumes = {CORE, "persistentvolumes", "PersistentVolume", TRUE};
const WryKubeResource wry_kube_services = {CORE, "services", "Service", FALSE};
const WryKubeResource wry_kube_namespaces = {CORE, "namespaces", "Namespace", TRUE};
const WryKubeResource wry_kube_service_accounts = {CORE, "serviceaccounts", "ServiceAccount", FALSE};
const WryKubeResource wry_kube_leases = {"coordination.k8s.io", "v1", "leases", "Lease", FALSE};
const WryKubeResource wry_kube_revisions = {"apps", "v1", "controllerrevisions", "ControllerRevision", FALSE};
const WryKubeResource wry_kube_storage_classes = {"storage.k8s.io", "v1", "storageclasses", "StorageClass", TRUE};
const WryKubeResource wry_kube_crds = {"apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", TRUE};
const WryKubeResource wry_kube_vms = {KUBEVIRT, "virtualmachines", "VirtualMachine", FALSE};
const WryKubeResource wry_kube_vmis = {KUBEVIRT, "virtualmachineinstances", "VirtualMachineInstance", FALSE};
const WryKubeResource wry_kube_replica_sets = {KUBEVIRT, "virtualmachineinstancereplicasets", "VirtualMachineInstanceReplicaSet", FALSE};
const WryKubeResource wry_kube_presets = {KUBEVIRT, "virtualmachineinstancepresets", "VirtualMachineInstancePreset", FALSE};
const WryKubeResource wry_kube_migrations = {KUBEVIRT, "virtualmachineinstancemigrations", "VirtualMachineInstanceMigration", FALSE};
const WryKubeResource wry_kube_kubevirts = {KUBEVIRT, "kubevirts", "KubeVirt", FALSE};
const WryKubeResource wry_kube_disruption_budgets = {"policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", FALSE};
const WryKubeResource wry_kube_priority_classes = {"scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", TRUE};
const WryKubeResource wry_kube_endpoint_slices = {"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", FALSE};

/* "." and ".." would change the path's meaning even where they need no escape. */
static void append_part(GString *path, const char *part) {
  g_autofree char *escaped = g_uri_escape_string(part, ":", FALSE);
  gboolean dots = !strcmp(part, ".") || !strcmp(part, "..");
  g_string_append_printf(path, "/%s", dots ? (part[1] ? "%2E%2E" : "%2E") : escaped);
}

char *wry_kube_path(const WryKubeResource *resource, const char *ns, const char *name, const char *subresource) {
  GString *path = g_string_new(*resource->group ? "/apis" : "/api");
  if (*resource->group) append_part(path, resource->group);
  append_part(path, resource->version);
  if (ns && *ns && !resource->cluster) {
    g_string_append(path, "/namespaces");
    append_part(path, ns);
  }
  append_part(path, resource->plural);
  if (name) append_part(path, name);
  if (name && subresource) append_part(path, subresource);
  return g_string_free(path, FALSE);
}

char *wry_kube_api_version(const WryKubeResource *resource) {
  return *resource->group ? g_strdup_printf("%s/%s", resource->group, resource->version) : g_strdup(resource->version);
}

void wry_kube_query_add(GString *query, const char *key, const char *value) {
  if (!value) return;
  g_autofree char *escaped = g_uri_escape_string(value, NULL, FALSE);
  g_string_append_printf(query, "%s%s=%s", query->len ? "&" : "", key, escaped);
}
