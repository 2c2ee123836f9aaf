/* What a structural schema says beyond the rows of the decoder: formats, ranges, patterns, defaults, how lists and maps merge, what may be null. One row per
 * keyword and place; the value is JSON, NULL takes the keyword away. Sources: the CRDs of KubeVirt 1.9.0. */
#include "crdgen.h"

#include <string.h>

static const struct { const char *at, *keyword, *value; } rows[] = {
    /* defaults */
    {"ConfigMapSource.name", "default", "\"\""},
    {"ContainerPath.readOnly", "default", "true"},
    {"LocalRef.name", "default", "\"\""},
    {"TdxAttestation.enforced", "default", "false"},
    {"TdxAttestation.qgsSocketPath", "default", "\"/var/run/tdx-qgs/qgs.socket\""},
    {"VmStatus.printableStatus", "default", "\"Stopped\""},
    /* integers of 64 bits (a row of the decoder says only whether it has 32) */
    {"Checksum.checksum", "format", "\"int64\""},
    {"DeveloperConfig.minimumClusterTSCFrequency", "format", "\"int64\""},
    {"DeveloperConfig.minimumReservePVCBytes", "format", "\"int64\""},
    {"Generation.lastGeneration", "format", "\"int64\""},
    {"KubeVirtStatus.observedGeneration", "format", "\"int64\""},
    {"MigrationConfig.completionTimeoutPerGiB", "format", "\"int64\""},
    {"MigrationConfig.maxDowntimeMs", "format", "\"int64\""},
    {"MigrationConfig.progressTimeout", "format", "\"int64\""},
    {"MigrationConfig.utilityVolumesTimeout", "format", "\"int64\""},
    {"StallDetector.stallMargin", "format", "\"int64\""},
    {"StallDetector.stallProgressTimeout", "format", "\"int64\""},
    {"StallDetector.switchoverTimeout", "format", "\"int64\""},
    {"Toleration.tolerationSeconds", "format", "\"int64\""},
    {"TopologyHints.tscFrequency", "format", "\"int64\""},
    {"VmStatus.desiredGeneration", "format", "\"int64\""},
    {"VmStatus.observedGeneration", "format", "\"int64\""},
    {"VmiSpec.terminationGracePeriodSeconds", "format", "\"int64\""},
    {"VmiStatus.VSOCKCID", "format", "\"int64\""},
    {"VmiStatus.runtimeUser", "format", "\"int64\""},
    {"VolumeStatus.size", "format", "\"int64\""},
    /* limits */
    {"Checksum.checksum", "minimum", "0"},
    {"DeveloperConfig.memoryOvercommit", "minimum", "10"},
    {"MigrationConfig.maxDowntimeMs", "minimum", "1"},
    {"StallDetector.stallMargin", "minimum", "0"},
    {"VmiStatus.VSOCKCID", "minimum", "0"},
    {"Checksum.checksum", "maximum", "4294967295"},
    {"MigrationConfig.maxDowntimeMs", "maximum", "2000000"},
    {"StallDetector.stallMargin", "maximum", "100"},
    {"VmiStatus.VSOCKCID", "maximum", "4294967295"},
    {"ComponentPatch.resourceName", "minLength", "1"},
    {"ComponentPatch.resourceType", "minLength", "1"},
    {"ContainerPath.path", "maxLength", "4096"},
    {"ClaimInfo.filesystemOverhead", "pattern", "\"^(0(?:\\\\.\\\\d{1,3})?|1)$\""},
    {"ContainerPath.path", "x-kubernetes-validations", "[{\"message\": \"must be absolute\", \"rule\": \"self.startsWith('/')\"}, {\"message\": \"must not contain '..'\", \"rule\": \"!self.contains('..')\"}]"},
    {"ContainerPath.readOnly", "x-kubernetes-validations", "[{\"message\": \"must be true: a container path is read-only\", \"rule\": \"self == true\"}]"},
    /* null is the same as absent */
    {"BlockTracking.backupStatus", "nullable", "true"},
    {"Condition.lastProbeTime", "nullable", "true"},
    {"Condition.lastTransitionTime", "nullable", "true"},
    {"ConfidentialCompute.tdx", "nullable", "true"},
    {"DvTemplate.metadata", "nullable", "true"},
    {"DvTemplate.status", "nullable", "true"},
    {"InstancetypeConfig.referencePolicy", "nullable", "true"},
    {"KubeVirtConfig.changedBlockTrackingLabelSelectors", "nullable", "true"},
    {"KubeVirtConfig.commonInstancetypesDeployment", "nullable", "true"},
    {"KubeVirtConfig.confidentialCompute", "nullable", "true"},
    {"KubeVirtConfig.instancetype", "nullable", "true"},
    {"KubeVirtConfig.persistentReservationConfiguration", "nullable", "true"},
    {"KubeVirtConfig.virtTemplateDeployment", "nullable", "true"},
    {"KubeVirtConfig.vmRolloutStrategy", "nullable", "true"},
    {"MigrationState.endTimestamp", "nullable", "true"},
    {"MigrationState.startTimestamp", "nullable", "true"},
    {"ReplicaSet.status", "nullable", "true"},
    {"Switch.enabled", "nullable", "true"},
    {"VmStatus.changedBlockTracking", "nullable", "true"},
    {"VmStatus.instancetypeRef", "nullable", "true"},
    {"VmStatus.memoryDumpRequest", "nullable", "true"},
    {"VmStatus.preferenceRef", "nullable", "true"},
    {"VmStatus.startFailure", "nullable", "true"},
    {"VmiStatus.changedBlockTracking", "nullable", "true"},
    {"VmiTemplate.metadata", "nullable", "true"},
    {"DvTemplate", "nullable", "true"},
    /* how lists merge, where it is not as a whole */
    {"AgentMethod.users", "x-kubernetes-list-type", "\"set\""},
    {"Cpu.features", "x-kubernetes-list-type", NULL},
    {"Devices.disks", "x-kubernetes-list-type", NULL},
    {"Devices.inputs", "x-kubernetes-list-type", NULL},
    {"Devices.interfaces", "x-kubernetes-list-type", NULL},
    {"Devices.panicDevices", "x-kubernetes-list-type", NULL},
    {"DhcpOptions.ntpServers", "x-kubernetes-list-type", NULL},
    {"DhcpOptions.privateOptions", "x-kubernetes-list-type", NULL},
    {"DownwardApi.fields", "x-kubernetes-list-type", NULL},
    {"DvClaim.accessModes", "x-kubernetes-list-type", NULL},
    {"DvHttp.extraHeaders", "x-kubernetes-list-type", NULL},
    {"DvHttp.secretExtraHeaders", "x-kubernetes-list-type", NULL},
    {"DvSpec.checkpoints", "x-kubernetes-list-type", NULL},
    {"Interface.ports", "x-kubernetes-list-type", NULL},
    {"InterfaceStatus.ipAddresses", "x-kubernetes-list-type", NULL},
    {"KubeVirtConfig.emulatedMachines", "x-kubernetes-list-type", NULL},
    {"KubeVirtConfig.supportContainerResources", "x-kubernetes-list-type", "\"map\""},
    {"KubeVirtConfig.supportedGuestAgentVersions", "x-kubernetes-list-type", NULL},
    {"KubeVirtStatus.conditions", "x-kubernetes-list-type", NULL},
    {"MigrationStatus.conditions", "x-kubernetes-list-type", NULL},
    {"NodePlacement.tolerations", "x-kubernetes-list-type", NULL},
    {"ReplicaSetStatus.conditions", "x-kubernetes-list-type", NULL},
    {"TlsConfig.ciphers", "x-kubernetes-list-type", "\"set\""},
    {"VmSpec.dataVolumeTemplates", "x-kubernetes-list-type", NULL},
    {"VmStatus.conditions", "x-kubernetes-list-type", NULL},
    {"VmStatus.stateChangeRequests", "x-kubernetes-list-type", NULL},
    {"VmStatus.volumeSnapshotStatuses", "x-kubernetes-list-type", NULL},
    {"VmiSpec.networks", "x-kubernetes-list-type", NULL},
    {"VmiSpec.resourceClaims", "x-kubernetes-list-type", "\"map\""},
    {"VmiSpec.tolerations", "x-kubernetes-list-type", NULL},
    {"VmiSpec.topologySpreadConstraints", "x-kubernetes-list-type", "\"map\""},
    {"VmiSpec.utilityVolumes", "x-kubernetes-list-type", "\"map\""},
    {"VmiSpec.volumes", "x-kubernetes-list-type", NULL},
    {"VmiStatus.conditions", "x-kubernetes-list-type", NULL},
    {"VmiStatus.interfaces", "x-kubernetes-list-type", NULL},
    {"KubeVirtConfig.supportContainerResources", "x-kubernetes-list-map-keys", "[\"type\"]"},
    {"VmiSpec.resourceClaims", "x-kubernetes-list-map-keys", "[\"name\"]"},
    {"VmiSpec.topologySpreadConstraints", "x-kubernetes-list-map-keys", "[\"topologyKey\", \"whenUnsatisfiable\"]"},
    {"VmiSpec.utilityVolumes", "x-kubernetes-list-map-keys", "[\"name\"]"},
    /* objects that are replaced as a whole */
    {"LabelSelector", "x-kubernetes-map-type", "\"atomic\""},
    {"NodeSelector", "x-kubernetes-map-type", "\"atomic\""},
    {"NodeSelectorTerm", "x-kubernetes-map-type", "\"atomic\""},
    {"LocalRef", "x-kubernetes-map-type", "\"atomic\""},
    {"ConfigMapSource", "x-kubernetes-map-type", "\"atomic\""},
    {"FieldRef", "x-kubernetes-map-type", "\"atomic\""},
    {"ResourceFieldRef", "x-kubernetes-map-type", "\"atomic\""},
    {"DvClaim.dataSource", "x-kubernetes-map-type", "\"atomic\""},
    /* open for what is not known here */
    {"Domain.clock", "x-kubernetes-preserve-unknown-fields", "true"},
};

static gboolean used[G_N_ELEMENTS(rows)];

static void apply(WryJson *schema, const char *keyword, const char *value) {
  if (!value) {
    json_object_object_del(schema, keyword);
    return;
  }
  g_autoptr(GError) error = NULL;
  g_autofree char *wrapped = g_strdup_printf("{\"v\":%s}", value);
  g_autoptr(WryJson) parsed = wry_json_parse(wrapped, strlen(wrapped), &error);
  if (!parsed) g_error("keywords.c: %s: %s", value, error->message);
  json_object_object_add(schema, keyword, json_object_get(wry_json_get(parsed, "v")));
}

void crd_keywords_apply(const char *at, WryJson *schema) {
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    if (strcmp(rows[i].at, at)) continue;
    apply(schema, rows[i].keyword, rows[i].value);
    used[i] = TRUE;
  }
}

GPtrArray *crd_keywords_unused(void) {
  GPtrArray *result = g_ptr_array_new();
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    if (!used[i]) g_ptr_array_add(result, (gpointer)rows[i].at);
  return result;
}
