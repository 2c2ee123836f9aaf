/* Field tables of VirtualMachineInstanceReplicaSet, VirtualMachineInstanceMigration and VirtualMachineInstancePreset, and of what a migration leaves in a status.
 * One row per field of KubeVirt 1.9.0's CRD; see spec_domain.c for what a row says. Pure data. */
#include "wherry/spec_kinds.h"
#include "lib/spec_shape.h"
#include "lib/spec_status.h"
#include "lib/spec_types.h"

#define TYPE_META(T) STR(T, apiVersion, 0), STR(T, kind, 0), OBJ(T, metadata, ALWAYS, wry_meta_type)

/* --- VirtualMachineInstanceReplicaSet ---------------------------------------------------------------------------------------------------------------------- */
LOCAL_TYPE(replica_set_spec_type, WryReplicaSetSpec,
  BOOL(WryReplicaSetSpec, paused, ZERO),
  INT32(WryReplicaSetSpec, replicas, 0),
  OBJ(WryReplicaSetSpec, selector, NEEDED, wry_label_selector_type),
  AS("template", WRY_K_OBJECT, WryReplicaSetSpec, template_, NEEDED, .type = &wry_vmi_template_type));
WRY_TYPE(wry_replica_set_type, WryReplicaSet,
  TYPE_META(WryReplicaSet),
  OBJ(WryReplicaSet, spec, NEEDED, replica_set_spec_type),
  RAW(WryReplicaSet, status, 0));
SHAPE(wry_replica_set_status_type, "ReplicaSetStatus",
  S_LIST(conditions, 0, wry_condition_type),
  S_STR(labelSelector, 0),
  S_INT32(readyReplicas, 0),
  S_INT32(replicas, 0));

/* --- VirtualMachineInstancePreset ---------------------------------------------------------------------------------------------------------------------------- */
LOCAL_TYPE(preset_spec_type, WryPresetSpec,
  OBJ(WryPresetSpec, domain, 0, wry_domain_type),
  OBJ(WryPresetSpec, selector, NEEDED, wry_label_selector_type));
WRY_TYPE(wry_preset_type, WryPreset, TYPE_META(WryPreset), OBJ(WryPreset, spec, 0, preset_spec_type));

/* --- VirtualMachineInstanceMigration ------------------------------------------------------------------------------------------------------------------------- */
LOCAL_TYPE(send_to_type, WryMigrationSendTo, STR(WryMigrationSendTo, connectURL, NEEDED), STR(WryMigrationSendTo, migrationID, NEEDED));
LOCAL_TYPE(receive_type, WryMigrationReceive, STR(WryMigrationReceive, migrationID, NEEDED));
LOCAL_TYPE(migration_spec_type, WryMigrationSpec,
  MAP(WryMigrationSpec, addedNodeSelector, 0),
  STR(WryMigrationSpec, priority, 0),
  OBJ(WryMigrationSpec, receive, 0, receive_type),
  OBJ(WryMigrationSpec, sendTo, 0, send_to_type),
  STR(WryMigrationSpec, vmiName, 0));
WRY_TYPE(wry_migration_type, WryMigration,
  TYPE_META(WryMigration),
  OBJ(WryMigration, spec, NEEDED, migration_spec_type),
  RAW(WryMigration, status, 0));

static const char *const compression_values[] = {"none", "zstd", NULL};
LOCAL_SHAPE(stall_detector_type, "StallDetector",
  S_STR(completionTimeoutFactor, 0),
  S_STR(ewmaAlpha, 0),
  S_STR(patienceWindowDecayFactor, 0),
  S_STR(precopyPossibleFactor, 0),
  S_BOOL(searchLocalMinima, 0),
  S_INT(stallMargin, 0),
  S_INT(stallProgressTimeout, 0),
  S_INT(switchoverTimeout, 0));
LOCAL_SHAPE(experimental_type, "MigrationExperimental", S_ENUM(compression, 0, compression_values), S_OBJ(stallDetector, 0, stall_detector_type));
#define MIGRATION_CONFIG_ROWS                                                                                                                             \
  S_BOOL(allowAutoConverge, 0), S_BOOL(allowPostCopy, 0), S_BOOL(allowWorkloadDisruption, 0), S_QTY(bandwidthPerMigration, 0),                            \
      S_INT(completionTimeoutPerGiB, 0), S_BOOL(disableTLS, 0), S_BOOL(matchSELinuxLevelOnMigration, 0), S_INT(maxDowntimeMs, 0), S_STR(network, 0),      \
      S_STR(nodeDrainTaintKey, 0), S_INT32(parallelMigrationsPerCluster, 0), S_INT32(parallelOutboundMigrationsPerNode, 0), S_INT(progressTimeout, 0),    \
      S_BOOL(unsafeMigrationOverride, 0), S_INT(utilityVolumesTimeout, 0)
SHAPE(wry_migration_config_type, "MigrationConfig", MIGRATION_CONFIG_ROWS);
LOCAL_SHAPE(used_config_type, "MigrationConfig", MIGRATION_CONFIG_ROWS, S_OBJ(experimental, 0, experimental_type));

LOCAL_SHAPE(source_state_type, "MigrationEnd",
  S_STR(domainName, 0),
  S_STR(domainNamespace, 0),
  S_STR(migrationUID, 0),
  S_STR(node, 0),
  S_MAP(nodeSelectors, 0),
  S_STR(persistentStatePVCName, 0),
  S_STR(pod, 0),
  S_STR(selinuxContext, 0),
  S_STR(syncAddress, 0),
  S_STR(virtualMachineInstanceUID, 0));
LOCAL_SHAPE(target_state_type, "MigrationEnd",
  S_STR(attachmentPodUID, 0),
  S_INTS(cpuSet, 0),
  S_INTMAP(directMigrationNodePorts, 0),
  S_BOOL(domainDetected, 0),
  S_STR(domainName, 0),
  S_STR(domainNamespace, 0),
  S_TIME(domainReadyTimestamp, 0),
  S_STR(migrationUID, 0),
  S_STR(node, 0),
  S_STR(nodeAddress, 0),
  S_STR(nodeTopology, 0),
  S_STR(persistentStatePVCName, 0),
  S_STR(pod, 0),
  S_STR(selinuxContext, 0),
  S_STR(syncAddress, 0),
  S_STR(virtualMachineInstanceUID, 0));
SHAPE(wry_migration_state_type, "MigrationState",
  S_BOOL(abortRequested, 0),
  S_STR(abortStatus, 0),
  S_BOOL(completed, 0),
  S_TIME(endTimestamp, 0),
  S_BOOL(failed, 0),
  S_STR(failureReason, 0),
  S_OBJ(migrationConfiguration, 0, used_config_type),
  S_STR(migrationNetworkType, 0),
  S_STR(migrationPolicyName, 0),
  S_STR(migrationUid, 0),
  S_STR(mode, 0),
  S_STR(sourceNode, 0),
  S_STR(sourcePersistentStatePVCName, 0),
  S_STR(sourcePod, 0),
  S_OBJ(sourceState, 0, source_state_type),
  S_TIME(startTimestamp, 0),
  S_STR(targetAttachmentPodUID, 0),
  S_INTS(targetCPUSet, 0),
  S_INTMAP(targetDirectMigrationNodePorts, 0),
  S_QTY(targetMemoryOverhead, 0),
  S_STR(targetNode, 0),
  S_STR(targetNodeAddress, 0),
  S_BOOL(targetNodeDomainDetected, 0),
  S_TIME(targetNodeDomainReadyTimestamp, 0),
  S_STR(targetNodeTopology, 0),
  S_STR(targetPersistentStatePVCName, 0),
  S_STR(targetPod, 0),
  S_OBJ(targetState, 0, target_state_type));
SHAPE(wry_migration_status_type, "MigrationStatus",
  S_LIST(conditions, 0, wry_condition_type),
  S_OBJ(migrationState, 0, wry_migration_state_type),
  S_STR(phase, 0),
  S_LIST(phaseTransitionTimestamps, 0, wry_phase_time_type),
  S_STRS(synchronizationAddresses, 0));
