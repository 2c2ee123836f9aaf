/* Field tables of the status of VirtualMachineInstance and VirtualMachine. One row per field of KubeVirt 1.9.0's CRD; see spec_domain.c for what a row says and
 * spec_shape.h for types without a struct. Pure data. */
#include "lib/spec_shape.h"
#include "lib/spec_status.h"
#include "lib/spec_types.h"
#include "wherry/spec_kinds.h"

SHAPE(wry_condition_type, "Condition",
  S_TIME(lastProbeTime, 0),
  S_TIME(lastTransitionTime, 0),
  S_STR(message, 0),
  S_STR(reason, 0),
  S_STR(status, NEEDED),
  S_STR(type, NEEDED));
SHAPE(wry_phase_time_type, "PhaseTime", S_STR(phase, 0), S_TIME(phaseTransitionTimestamp, 0));

LOCAL_SHAPE(backup_volume_type, "BackupVolume",
  S_STR(dataEndpoint, 0),
  S_STR(diskTarget, NEEDED),
  S_STR(mapEndpoint, 0),
  S_STR(volumeName, NEEDED));
LOCAL_SHAPE(backup_status_type, "BackupStatus",
  S_STR(backupMsg, 0),
  S_STR(backupName, 0),
  S_STR(checkpointName, 0),
  S_BOOL(completed, 0),
  S_TIME(endTimestamp, 0),
  S_BOOL(failed, 0),
  S_STR(quiesceStatus, 0),
  S_TIME(startTimestamp, 0),
  S_LIST(volumes, 0, backup_volume_type));
LOCAL_SHAPE(block_tracking_type, "BlockTracking", S_OBJ(backupStatus, 0, backup_status_type), S_STR(state, NEEDED));
LOCAL_SHAPE(claim_info_type, "ClaimInfo",
  S_STRS(accessModes, 0),
  S_QMAP(capacity, 0),
  S_STR(claimName, 0),
  S_STR(filesystemOverhead, 0),
  S_BOOL(preallocated, 0),
  S_QMAP(requests, 0),
  S_STR(volumeMode, 0));
LOCAL_SHAPE(migrated_volume_type, "MigratedVolume",
  S_OBJ(destinationPVCInfo, 0, claim_info_type),
  S_OBJ(sourcePVCInfo, 0, claim_info_type),
  S_STR(volumeName, NEEDED));

/* --- VirtualMachineInstance -------------------------------------------------------------------------------------------------------------------------------- */
LOCAL_SHAPE(topology_type, "CpuTopology", S_INT32(cores, 0), S_INT32(sockets, 0), S_INT32(threads, 0));
LOCAL_SHAPE(guest_os_type, "GuestOs",
  S_STR(id, 0),
  S_STR(kernelRelease, 0),
  S_STR(kernelVersion, 0),
  S_STR(machine, 0),
  S_STR(name, 0),
  S_STR(prettyName, 0),
  S_STR(version, 0),
  S_STR(versionId, 0));
LOCAL_SHAPE(interface_status_type, "InterfaceStatus",
  S_STR(infoSource, 0),
  S_STR(interfaceName, 0),
  S_STR(ipAddress, 0),
  S_STRS(ipAddresses, 0),
  S_STR(linkState, 0),
  S_STR(mac, 0),
  S_STR(name, 0),
  S_STR(podInterfaceName, 0),
  S_INT32(queueCount, 0));
LOCAL_SHAPE(checksum_type, "Checksum", S_INT(checksum, 0));
LOCAL_SHAPE(kernel_boot_status_type, "KernelBootStatus", S_OBJ(initrdInfo, 0, checksum_type), S_OBJ(kernelInfo, 0, checksum_type));
LOCAL_SHAPE(machine_status_type, "MachineStatus", S_STR(type, 0));
LOCAL_SHAPE(memory_status_type, "MemoryStatus", S_QTY(guestAtBoot, 0), S_QTY(guestCurrent, 0), S_QTY(guestRequested, 0), S_QTY(memoryOverhead, 0));
LOCAL_SHAPE(topology_hints_type, "TopologyHints", S_INT(tscFrequency, 0));
LOCAL_SHAPE(hotplug_status_type, "HotplugStatus", S_STR(attachPodName, 0), S_STR(attachPodUID, 0));
LOCAL_SHAPE(memory_dump_status_type, "MemoryDumpStatus",
  S_STR(claimName, 0),
  S_TIME(endTimestamp, 0),
  S_TIME(startTimestamp, 0),
  S_STR(targetFileName, 0));
LOCAL_SHAPE(volume_status_type, "VolumeStatus",
  S_OBJ(containerDiskVolume, 0, checksum_type),
  S_OBJ(hotplugVolume, 0, hotplug_status_type),
  S_OBJ(memoryDumpVolume, 0, memory_dump_status_type),
  S_STR(message, 0),
  S_STR(name, NEEDED),
  S_OBJ(persistentVolumeClaimInfo, 0, claim_info_type),
  S_STR(phase, 0),
  S_STR(reason, 0),
  S_INT(size, 0),
  S_STR(target, NEEDED));
SHAPE(wry_vmi_status_type, "VmiStatus",
  S_INT(VSOCKCID, 0),
  S_MAP(activePods, 0),
  S_OBJ(changedBlockTracking, 0, block_tracking_type),
  S_LIST(conditions, 0, wry_condition_type),
  S_OBJ(currentCPUTopology, 0, topology_type),
  S_STR(evacuationNodeName, 0),
  S_STR(fsFreezeStatus, 0),
  S_OBJ(guestOSInfo, 0, guest_os_type),
  S_LIST(interfaces, 0, interface_status_type),
  S_OBJ(kernelBootStatus, 0, kernel_boot_status_type),
  S_STR(launcherContainerImageVersion, 0),
  S_OBJ(machine, 0, machine_status_type),
  S_OBJ(memory, 0, memory_status_type),
  S_LIST(migratedVolumes, 0, migrated_volume_type),
  S_STR(migrationMethod, 0),
  S_OBJ(migrationState, 0, wry_migration_state_type),
  S_STR(migrationTransport, 0),
  S_STR(nodeName, 0),
  S_STR(phase, 0),
  S_LIST(phaseTransitionTimestamps, 0, wry_phase_time_type),
  S_STR(qosClass, 0),
  S_STR(reason, 0),
  S_INT(runtimeUser, 0),
  S_STR(selinuxContext, 0),
  S_OBJ(topologyHints, 0, topology_hints_type),
  S_STR(virtualMachineRevisionName, 0),
  S_LIST(volumeStatus, 0, volume_status_type));

/* --- VirtualMachine ----------------------------------------------------------------------------------------------------------------------------------------- */
LOCAL_SHAPE(revision_ref_type, "RevisionRef", S_STR(name, 0));
LOCAL_SHAPE(matcher_status_type, "MatcherStatus",
  S_OBJ(controllerRevisionRef, 0, revision_ref_type),
  S_STR(inferFromVolume, 0),
  S_STR(inferFromVolumeFailurePolicy, 0),
  S_STR(kind, 0),
  S_STR(name, 0));
LOCAL_SHAPE(dump_request_type, "MemoryDumpRequest",
  S_STR(claimName, NEEDED),
  S_TIME(endTimestamp, 0),
  S_STR(fileName, 0),
  S_STR(message, 0),
  S_STR(phase, NEEDED),
  S_BOOL(remove, 0),
  S_TIME(startTimestamp, 0));
LOCAL_SHAPE(start_failure_type, "StartFailure", S_INT(consecutiveFailCount, 0), S_STR(lastFailedVMIUID, 0), S_TIME(retryAfterTimestamp, 0));
LOCAL_SHAPE(change_request_type, "StateChangeRequest", S_STR(action, NEEDED), S_MAP(data, 0), S_STR(uid, 0));
LOCAL_SHAPE(hotplug_claim_type, "PvcSource", S_STR(claimName, NEEDED), S_BOOL(hotpluggable, 0), S_BOOL(readOnly, 0));
LOCAL_SHAPE(hotplug_data_volume_type, "DataVolumeSource", S_BOOL(hotpluggable, 0), S_STR(name, NEEDED));
LOCAL_SHAPE(hotplug_source_type, "HotplugSource", S_OBJ(dataVolume, 0, hotplug_data_volume_type), S_OBJ(persistentVolumeClaim, 0, hotplug_claim_type));
LOCAL_SHAPE(add_volume_type, "AddVolume",
  S_OBJ(disk, NEEDED, wry_disk_type),
  S_STRS(dryRun, 0),
  S_STR(name, NEEDED),
  S_OBJ(volumeSource, NEEDED, hotplug_source_type));
LOCAL_SHAPE(remove_volume_type, "RemoveVolume", S_STRS(dryRun, 0), S_STR(name, NEEDED));
LOCAL_SHAPE(volume_request_type, "VolumeRequest", S_OBJ(addVolumeOptions, 0, add_volume_type), S_OBJ(removeVolumeOptions, 0, remove_volume_type));
LOCAL_SHAPE(snapshot_status_type, "VolumeSnapshotStatus", S_BOOL(enabled, NEEDED), S_STR(name, NEEDED), S_STR(reason, 0));
LOCAL_SHAPE(volume_migration_type, "VolumeMigration", S_LIST(migratedVolumes, 0, migrated_volume_type));
LOCAL_SHAPE(volume_update_type, "VolumeUpdate", S_OBJ(volumeMigrationState, 0, volume_migration_type));
SHAPE(wry_vm_status_type, "VmStatus",
  S_OBJ(changedBlockTracking, 0, block_tracking_type),
  S_LIST(conditions, 0, wry_condition_type),
  S_BOOL(created, 0),
  S_INT(desiredGeneration, 0),
  S_OBJ(instancetypeRef, 0, matcher_status_type),
  S_OBJ(memoryDumpRequest, 0, dump_request_type),
  S_INT(observedGeneration, 0),
  S_OBJ(preferenceRef, 0, matcher_status_type),
  S_STR(printableStatus, 0),
  S_BOOL(ready, 0),
  S_STR(restoreInProgress, 0),
  S_STR(runStrategy, 0),
  S_STR(snapshotInProgress, 0),
  S_OBJ(startFailure, 0, start_failure_type),
  S_LIST(stateChangeRequests, 0, change_request_type),
  S_LIST(volumeRequests, 0, volume_request_type),
  S_LIST(volumeSnapshotStatuses, 0, snapshot_status_type),
  S_OBJ(volumeUpdateState, 0, volume_update_type));
