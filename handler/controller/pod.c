/* The launcher pod: metadata, and the pod's spec put together from its parts.
 *
 * How it works: labels and annotations are the VMI's with those on top that others find a launcher pod by; then every part (pod_*.c) adds its members. The pod passes Pod Security "restricted": it
 * never asks for more than its device resources. One exception is the user's wish: a hostDisk is a hostPath.
 * Relies on: contract 4.1 and 5.1; spec.h for effective values. Pure. */
#include "handler/controller/pod.h"

#include <string.h>

#include "handler/controller/pod_parts.h"

#define ISTIO_INJECT "sidecar.istio.io/inject"
#define LABEL_MAX 63
#define LABEL_HASH 8
#define GRACE_MARGIN 30 /* seconds: the launcher's own kill, and its end */

/* --- names ------------------------------------------------------------------------------------------------------------------------------------------------- */
char *wry_pod_vmi_label(const char *name) {
  if (strlen(name) <= LABEL_MAX) return g_strdup(name);
  g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA1, name, -1);
  return g_strdup_printf("%.*s-%.*s", LABEL_MAX - LABEL_HASH - 1, name, LABEL_HASH, hash);
}

/* The guest's host name: spec.hostname, else the start of the VMI's name. */
static char *hostname_of(const WryVmi *vmi) {
  const char *name = vmi->spec->hostname && *vmi->spec->hostname ? vmi->spec->hostname : vmi->metadata->name;
  return g_strndup(name, MIN(strcspn(name, "."), LABEL_MAX));
}

/* --- metadata ---------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean is_own_annotation(const char *key) {
  return !g_str_has_prefix(key, "kubectl.kubernetes.io/") && strcmp(key, "kubevirt.io/latest-observed-api-version") != 0 &&
         strcmp(key, "kubevirt.io/storage-observed-api-version") != 0;
}

static void copy_members(WryJson *into, WryJson *from, gboolean (*wanted)(const char *key)) {
  if (!from) return;
  json_object_object_foreach(from, key, value)
    if (!wanted || wanted(key)) json_object_object_add(into, key, json_object_get(value));
}

static void put_labels(WryJson *labels, const WryVmi *vmi) {
  g_autofree char *hostname = hostname_of(vmi), *id = wry_pod_vmi_label(vmi->metadata->name);
  copy_members(labels, vmi->metadata->labels, NULL);
  wry_put_str(labels, ISTIO_INJECT, vmi->metadata->annotations ? wry_json_str(vmi->metadata->annotations, ISTIO_INJECT) : NULL); /* Istio now reads it there */
  wry_put_str(labels, "kubevirt.io", "virt-launcher");
  wry_put_str(labels, "kubevirt.io/created-by", vmi->metadata->uid);
  wry_put_str(labels, "vm.kubevirt.io/name", hostname);
  wry_put_str(labels, "vmi.kubevirt.io/id", id);
}

static void put_annotations(WryJson *annotations, const WryVmi *vmi, const WryPodWorld *world) {
  g_autofree char *overhead = g_strdup_printf("%" G_GINT64_FORMAT, wry_pod_overhead(vmi->spec, world->config, world->costs));
  copy_members(annotations, vmi->metadata->annotations, is_own_annotation);
  wry_put_str(annotations, "kubevirt.io/domain", vmi->metadata->name);
  wry_put_str(annotations, "kubectl.kubernetes.io/default-container", "compute");
  wry_put_str(annotations, "kubevirt.io/migrationTransportUnix", "true");
  wry_put_text(annotations, "descheduler.alpha.kubernetes.io/request-evict-only", "");
  wry_put_str(annotations, "kubevirt.io/memory-overhead-bytes", overhead);
  wry_pod_network(annotations, vmi);
}

static void put_owner(WryJson *metadata, const WryVmi *vmi) {
  WryJson *owner = wry_append(wry_put_array(metadata, "ownerReferences"));
  wry_put_str(owner, "apiVersion", "kubevirt.io/v1");
  wry_put_bool(owner, "blockOwnerDeletion", TRUE);
  wry_put_bool(owner, "controller", TRUE);
  wry_put_str(owner, "kind", "VirtualMachineInstance");
  wry_put_str(owner, "name", vmi->metadata->name);
  wry_put_str(owner, "uid", vmi->metadata->uid);
}

static void put_metadata(WryJson *metadata, const WryVmi *vmi, const WryPodWorld *world) {
  g_autofree char *name = g_strconcat(WRY_POD_PREFIX, vmi->metadata->name, "-", NULL);
  wry_put_str(metadata, "generateName", name);
  wry_put_str(metadata, "namespace", vmi->metadata->namespace_);
  put_labels(wry_put_object(metadata, "labels"), vmi);
  put_annotations(wry_put_object(metadata, "annotations"), vmi, world);
  put_owner(metadata, vmi);
}

/* --- the pod's own members --------------------------------------------------------------------------------------------------------------------------------- */
static void put_security(WryJson *pod) {
  WryJson *context = wry_put_object(pod, "securityContext");
  wry_put_int(context, "fsGroup", WRY_POD_UID);
  wry_put_int(context, "runAsGroup", WRY_POD_UID);
  wry_put_bool(context, "runAsNonRoot", TRUE);
  wry_put_int(context, "runAsUser", WRY_POD_UID);
  wry_put_str(wry_put_object(context, "seccompProfile"), "type", "RuntimeDefault");
}

static const char *service_account(const WryVmiSpec *spec) {
  for (guint i = 0; spec->volumes && i < spec->volumes->len; i++) {
    const WryVolume *volume = spec->volumes->pdata[i];
    if (volume->serviceAccount) return volume->serviceAccount->serviceAccountName;
  }
  return spec->serviceAccountName;
}

/* A mesh's sidecar speaks to its control plane with the pod's token. */
static gboolean wants_token(const WryVmi *vmi) {
  WryJson *maps[] = {vmi->metadata->annotations, vmi->metadata->labels};
  for (gsize i = 0; i < G_N_ELEMENTS(maps); i++) {
    const char *value = maps[i] ? wry_json_str(maps[i], ISTIO_INJECT) : NULL;
    if (value && g_ascii_strcasecmp(value, "true") == 0) return TRUE;
  }
  return FALSE;
}

static void put_network(WryJson *pod, const WryVmi *vmi) {
  g_autofree char *hostname = hostname_of(vmi);
  wry_put_str(pod, "hostname", hostname);
  wry_put_str(pod, "subdomain", vmi->spec->subdomain);
  wry_put_str(pod, "dnsPolicy", vmi->spec->dnsPolicy);
  if (vmi->spec->dnsConfig) wry_put(pod, "dnsConfig", wry_encode(&wry_dns_config_type, vmi->spec->dnsConfig));
}

static void add_pull_secret(WryJson *pod, const char *name) {
  if (!name || !*name) return;
  WryJson *list = wry_json_get(pod, "imagePullSecrets");
  if (!list) list = wry_put_array(pod, "imagePullSecrets");
  for (gsize i = 0; i < wry_json_length(list); i++)
    if (g_strcmp0(wry_json_str(json_object_array_get_idx(list, i), "name"), name) == 0) return;
  wry_put_str(wry_append(list), "name", name);
}

static void put_pull_secrets(WryJson *pod, const WryPodParts *parts) {
  const GPtrArray *volumes = parts->spec->volumes;
  const WryFirmware *firmware = parts->spec->domain->firmware;
  WryJson *cluster = wry_config_get(parts->config, "imagePullSecrets");
  for (guint i = 0; volumes && i < volumes->len; i++) {
    const WryVolume *volume = volumes->pdata[i];
    if (volume->containerDisk) add_pull_secret(pod, volume->containerDisk->imagePullSecret);
  }
  if (firmware && firmware->kernelBoot && firmware->kernelBoot->container) add_pull_secret(pod, firmware->kernelBoot->container->imagePullSecret);
  for (gsize i = 0; i < wry_json_length(cluster); i++) add_pull_secret(pod, wry_json_str(json_object_array_get_idx(cluster, i), "name"));
}

static void put_pod(const WryPodParts *parts) {
  WryJson *pod = parts->pod;
  wry_put_str(pod, "restartPolicy", "Never");
  wry_put_bool(pod, "enableServiceLinks", FALSE);
  wry_put_bool(pod, "automountServiceAccountToken", wants_token(parts->vmi));
  wry_put_str(pod, "serviceAccountName", service_account(parts->spec));
  wry_put_int(pod, "terminationGracePeriodSeconds", wry_vmi_grace_seconds(parts->spec) + GRACE_MARGIN);
  wry_put_str(wry_append(wry_put_array(pod, "readinessGates")), "conditionType", WRY_POD_UNPAUSED);
  put_security(pod);
  put_network(pod, parts->vmi);
  put_pull_secrets(pod, parts);
}

WryJson *wry_pod_render(const WryVmi *vmi, const WryPodWorld *world, GError **error) {
  g_autoptr(WryJson) object = json_object_new_object();
  wry_put_str(object, "apiVersion", "v1");
  wry_put_str(object, "kind", "Pod");
  put_metadata(wry_put_object(object, "metadata"), vmi, world);
  WryPodParts parts = {.vmi = vmi, .spec = vmi->spec, .world = world, .config = world->config, .namespace_ = vmi->metadata->namespace_};
  parts.pod = wry_put_object(object, "spec");
  parts.compute = wry_append(wry_put_array(parts.pod, "containers"));
  put_pod(&parts);
  wry_pod_place(&parts);
  wry_pod_volumes(&parts);
  wry_pod_containers(&parts);
  return wry_pod_resources(&parts, error) ? g_steal_pointer(&object) : NULL;
}
