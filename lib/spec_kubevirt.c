/* Field tables of the KubeVirt object. LATER rows are settings that a cluster may carry and that change nothing in this version: they are reported in the object's
 * status, never silently ignored. One row per field of KubeVirt 1.9.0's CRD; see spec_shape.h for types without a struct. Pure data. */
#include "lib/spec_shape.h"
#include "lib/spec_status.h"
#include "lib/spec_types.h"
#include "wherry/spec_kinds.h"

/* --- spec.configuration: parts -------------------------------------------------------------------------------------------------------------------------------- */
LOCAL_SHAPE(token_bucket_type, "TokenBucket", S_INT(burst, NEEDED), S_NUMBER(qps, NEEDED));
LOCAL_SHAPE(rate_limiter_type, "RateLimiter", S_OBJ(tokenBucketRateLimiter, 0, token_bucket_type));
LOCAL_SHAPE(rest_client_type, "RestClient", S_OBJ(rateLimiter, 0, rate_limiter_type));
LOCAL_SHAPE(client_config_type, "ClientConfig", S_OBJ(restClient, 0, rest_client_type));

LOCAL_SHAPE(arch_type, "ArchConfig", S_STRS(emulatedMachines, 0), S_STR(machineType, 0), S_STR(ovmfPath, LATER));
LOCAL_SHAPE(arch_config_type, "ArchConfigs",
  S_OBJ(amd64, 0, arch_type),
  S_OBJ(arm64, 0, arch_type),
  S_STR(defaultArchitecture, 0),
  S_OBJ(ppc64le, LATER, arch_type),
  S_OBJ(s390x, 0, arch_type));

LOCAL_SHAPE(tracking_selectors_type, "TrackingSelectors",
  S_OBJ(namespaceLabelSelector, 0, wry_label_selector_type),
  S_OBJ(virtualMachineLabelSelector, 0, wry_label_selector_type));
LOCAL_SHAPE(instancetypes_deployment_type, "Switch", S_BOOL(enabled, 0));
LOCAL_SHAPE(tdx_attestation_type, "TdxAttestation", S_BOOL(enforced, 0), S_STR(qgsSocketPath, 0));
LOCAL_SHAPE(tdx_type, "Tdx", S_OBJ(attestation, 0, tdx_attestation_type));
LOCAL_SHAPE(confidential_type, "ConfidentialCompute", S_OBJ(tdx, 0, tdx_type));

LOCAL_SHAPE(disk_verification_type, "DiskVerification", S_QTY(memoryLimit, NEEDED));
LOCAL_SHAPE(verbosity_type, "LogVerbosity",
  S_INTMAP(nodeVerbosity, 0),
  S_INT(virtAPI, 0),
  S_INT(virtController, 0),
  S_INT(virtHandler, 0),
  S_INT(virtLauncher, 0),
  S_INT(virtOperator, 0),
  S_INT(virtSynchronizationController, 0));
LOCAL_SHAPE(developer_type, "DeveloperConfig",
  S_BOOL(clusterProfiler, LATER),
  S_INT(cpuAllocationRatio, 0),
  S_STRS(disabledFeatureGates, 0),
  S_OBJ(diskVerification, LATER, disk_verification_type),
  S_STRS(featureGates, 0),
  S_OBJ(logVerbosity, LATER, verbosity_type),
  S_INT(memoryOvercommit, 0),
  S_INT(minimumClusterTSCFrequency, LATER),
  S_INT(minimumReservePVCBytes, LATER),
  S_MAP(nodeSelectors, 0),
  S_INT(pvcTolerateLessSpaceUpToPercent, LATER),
  S_BOOL(useEmulation, 0));

static const char *const hypervisor_values[] = {"kvm", "hyperv-direct", NULL};
LOCAL_SHAPE(hypervisor_type, "Hypervisor", S_ENUM(name, 0, hypervisor_values));
static const char *const reference_policy_values[] = {"reference", "expand", "expandAll", NULL};
LOCAL_SHAPE(instancetype_config_type, "InstancetypeConfig", S_ENUM(referencePolicy, 0, reference_policy_values));
LOCAL_SHAPE(ksm_type, "KsmConfig", S_OBJ(nodeLabelSelector, 0, wry_label_selector_type));
LOCAL_SHAPE(live_update_type, "LiveUpdateConfig", S_INT32(maxCpuSockets, 0), S_QTY(maxGuest, 0), S_INT32(maxHotplugRatio, 0));
LOCAL_SHAPE(node_mediated_type, "NodeMediatedDevices",
  S_STRS(mediatedDeviceTypes, 0),
  S_STRS(mediatedDevicesTypes, 0),
  S_MAP(nodeSelector, NEEDED));
LOCAL_SHAPE(mediated_type, "MediatedDevices",
  S_BOOL(enabled, 0),
  S_STRS(mediatedDeviceTypes, 0),
  S_STRS(mediatedDevicesTypes, 0),
  S_LIST(nodeMediatedDeviceTypes, 0, node_mediated_type));

LOCAL_SHAPE(overhead_type, "Resources", S_QMAP(limits, 0), S_QMAP(requests, 0));
LOCAL_SHAPE(binding_migration_type, "BindingMigration", S_STR(method, 0));
LOCAL_SHAPE(binding_type, "BindingPlugin",
  S_OBJ(computeResourceOverhead, 0, overhead_type),
  S_STR(domainAttachmentType, 0),
  S_STR(downwardAPI, 0),
  S_OBJ(migration, 0, binding_migration_type),
  S_STR(networkAttachmentDefinition, 0),
  S_STR(sidecarImage, 0));
LOCAL_SHAPE(network_config_type, "NetworkConfig",
  S_OBJMAP(binding, LATER, binding_type),
  S_STR(defaultNetworkInterface, 0),
  S_BOOL(permitBridgeInterfaceOnPodNetwork, 0),
  S_BOOL(permitSlirpInterface, LATER));

LOCAL_SHAPE(permitted_mediated_type, "PermittedMediatedDevice",
  S_BOOL(externalResourceProvider, 0),
  S_STR(mdevNameSelector, NEEDED),
  S_STR(resourceName, NEEDED));
LOCAL_SHAPE(permitted_pci_type, "PermittedPciDevice",
  S_BOOL(externalResourceProvider, 0),
  S_STR(pciVendorSelector, NEEDED),
  S_STR(resourceName, NEEDED));
LOCAL_SHAPE(usb_selector_type, "UsbSelector", S_STR(product, NEEDED), S_STR(vendor, NEEDED));
LOCAL_SHAPE(permitted_usb_type, "PermittedUsbDevice",
  S_BOOL(externalResourceProvider, 0),
  S_STR(resourceName, NEEDED),
  S_LIST(selectors, 0, usb_selector_type));
LOCAL_SHAPE(permitted_type, "PermittedHostDevices",
  S_LIST(mediatedDevices, 0, permitted_mediated_type),
  S_LIST(pciHostDevices, 0, permitted_pci_type),
  S_LIST(usb, 0, permitted_usb_type));

LOCAL_SHAPE(custom_profile_type, "SeccompCustom", S_STR(localhostProfile, 0), S_BOOL(runtimeDefaultProfile, 0));
LOCAL_SHAPE(seccomp_profile_type, "SeccompProfile", S_OBJ(customProfile, 0, custom_profile_type));
LOCAL_SHAPE(seccomp_type, "SeccompConfig", S_OBJ(virtualMachineInstanceProfile, 0, seccomp_profile_type));
LOCAL_SHAPE(smbios_type, "Smbios", S_STR(family, 0), S_STR(manufacturer, 0), S_STR(product, 0), S_STR(sku, 0), S_STR(version, 0));
LOCAL_SHAPE(support_resources_type, "SupportResources", S_OBJ(resources, NEEDED, overhead_type), S_STR(type, NEEDED));
static const char *const tls_values[] = {"VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13", NULL};
LOCAL_SHAPE(tls_type, "TlsConfig", S_STRS(ciphers, 0), S_ENUM(minTLSVersion, 0, tls_values));
LOCAL_SHAPE(vm_options_type, "VmOptions", S_OBJ(disableFreePageReporting, LATER, wry_empty_type), S_OBJ(disableSerialConsoleLog, 0, wry_empty_type));

/* --- spec.configuration ------------------------------------------------------------------------------------------------------------------------------------------ */
static const char *const aggregation_values[] = {"AggregateToDefault", "Manual", NULL};
static const char *const rollout_values[] = {"Stage", "LiveUpdate", NULL};
SHAPE(wry_kubevirt_config_type, "KubeVirtConfig",
  S_STR(additionalGuestMemoryOverheadRatio, 0),
  S_OBJ(apiConfiguration, LATER, client_config_type),
  S_OBJ(architectureConfiguration, 0, arch_config_type),
  S_OBJ(autoCPULimitNamespaceLabelSelector, LATER, wry_label_selector_type),
  S_OBJ(changedBlockTrackingLabelSelectors, LATER, tracking_selectors_type),
  S_OBJ(commonInstancetypesDeployment, LATER, instancetypes_deployment_type),
  S_OBJ(confidentialCompute, LATER, confidential_type),
  S_OBJ(controllerConfiguration, LATER, client_config_type),
  S_STR(cpuModel, 0),
  S_QTY(cpuRequest, 0),
  S_STR(defaultRuntimeClass, 0),
  S_OBJ(developerConfiguration, 0, developer_type),
  S_STRS(emulatedMachines, LATER),
  S_STR(evictionStrategy, 0),
  S_OBJ(handlerConfiguration, LATER, client_config_type),
  S_LIST_MAX(hypervisors, LATER, hypervisor_type, 1),
  S_STR(imagePullPolicy, 0),
  S_OBJ(instancetype, LATER, instancetype_config_type),
  S_OBJ(ksmConfiguration, LATER, ksm_type),
  S_OBJ(liveUpdateConfiguration, 0, live_update_type),
  S_STR(machineType, LATER),
  S_OBJ(mediatedDevicesConfiguration, LATER, mediated_type),
  S_INT32(memBalloonStatsPeriod, LATER),
  S_OBJ(migrations, LATER, wry_migration_config_type),
  S_STR(minCPUModel, LATER),
  S_OBJ(network, 0, network_config_type),
  S_BOOLMAP(obsoleteCPUModels, LATER),
  S_STR(ovmfPath, LATER),
  S_OBJ(permittedHostDevices, LATER, permitted_type),
  S_OBJ(persistentReservationConfiguration, LATER, instancetypes_deployment_type),
  S_ENUM(roleAggregationStrategy, LATER, aggregation_values),
  S_OBJ(seccompConfiguration, LATER, seccomp_type),
  S_STR(selinuxLauncherType, LATER),
  S_OBJ(smbios, 0, smbios_type),
  S_LIST(supportContainerResources, 0, support_resources_type),
  S_STRS(supportedGuestAgentVersions, LATER),
  S_OBJ(tlsConfiguration, LATER, tls_type),
  S_OBJ(virtTemplateDeployment, LATER, instancetypes_deployment_type),
  S_INT(virtualMachineInstancesPerNode, LATER),
  S_OBJ(virtualMachineOptions, 0, vm_options_type),
  S_ENUM(vmRolloutStrategy, 0, rollout_values),
  S_STR(vmStateStorageClass, LATER),
  S_OBJ(webhookConfiguration, LATER, client_config_type));

/* --- the rest of spec ---------------------------------------------------------------------------------------------------------------------------------------------- */
LOCAL_SHAPE(certificate_type, "Certificate", S_STR(duration, 0), S_STR(renewBefore, 0));
LOCAL_SHAPE(self_signed_type, "SelfSigned",
  S_OBJ(ca, 0, certificate_type),
  S_STR(caOverlapInterval, 0),
  S_STR(caRotateInterval, 0),
  S_STR(certRotateInterval, 0),
  S_OBJ(server, 0, certificate_type));
LOCAL_SHAPE(rotate_type, "CertificateRotation", S_OBJ(selfSigned, 0, self_signed_type));
LOCAL_SHAPE(flags_type, "ComponentFlags", S_MAP(api, 0), S_MAP(controller, 0), S_MAP(handler, 0));
LOCAL_SHAPE(patch_type, "ComponentPatch", S_STR(patch, NEEDED), S_STR(resourceName, NEEDED), S_STR(resourceType, NEEDED), S_STR(type, NEEDED));
LOCAL_SHAPE(customize_type, "Customize", S_OBJ(flags, 0, flags_type), S_LIST(patches, 0, patch_type));
LOCAL_SHAPE(pull_secret_type, "LocalRef", S_STR(name, 0));
LOCAL_SHAPE(placement_type, "NodePlacement",
  S_OBJ(affinity, 0, wry_affinity_type),
  S_MAP(nodeSelector, 0),
  S_LIST(tolerations, 0, wry_toleration_type));
LOCAL_SHAPE(component_type, "ComponentConfig", S_OBJ(nodePlacement, 0, placement_type), S_INT(replicas, 0));
LOCAL_SHAPE(workload_update_type, "WorkloadUpdate",
  S_STR(batchEvictionInterval, 0),
  S_INT(batchEvictionSize, 0),
  S_STRS(workloadUpdateMethods, 0));
SHAPE(wry_kubevirt_spec_type, "KubeVirtSpec",
  S_OBJ(certificateRotateStrategy, LATER, rotate_type),
  S_OBJ(configuration, 0, wry_kubevirt_config_type),
  S_OBJ(customizeComponents, LATER, customize_type),
  S_STR(imagePullPolicy, LATER),
  S_LIST(imagePullSecrets, LATER, pull_secret_type),
  S_STR(imageRegistry, LATER),
  S_STR(imageTag, LATER),
  S_OBJ(infra, LATER, component_type),
  S_STR(monitorAccount, LATER),
  S_STR(monitorNamespace, LATER),
  S_STR(productComponent, LATER),
  S_STR(productName, LATER),
  S_STR(productVersion, LATER),
  S_STR(serviceMonitorNamespace, LATER),
  S_STR(synchronizationPort, LATER),
  S_STR(uninstallStrategy, LATER),
  S_OBJ(workloadUpdateStrategy, LATER, workload_update_type),
  S_OBJ(workloads, LATER, component_type));

/* --- status ------------------------------------------------------------------------------------------------------------------------------------------------------------ */
LOCAL_SHAPE(generation_type, "Generation",
  S_STR(group, NEEDED),
  S_STR(hash, 0),
  S_INT(lastGeneration, NEEDED),
  S_STR(name, NEEDED),
  S_STR(namespace, 0),
  S_STR(resource, NEEDED));
SHAPE(wry_kubevirt_status_type, "KubeVirtStatus",
  S_LIST(conditions, 0, wry_condition_type),
  S_STR(defaultArchitecture, 0),
  S_LIST(generations, 0, generation_type),
  S_STR(observedDeploymentConfig, 0),
  S_STR(observedDeploymentID, 0),
  S_INT(observedGeneration, 0),
  S_STR(observedKubeVirtRegistry, 0),
  S_STR(observedKubeVirtVersion, 0),
  S_STR(operatorVersion, 0),
  S_INT(outdatedVirtualMachineInstanceWorkloads, 0),
  S_STR(phase, 0),
  S_STRS(synchronizationAddresses, 0),
  S_STR(targetDeploymentConfig, 0),
  S_STR(targetDeploymentID, 0),
  S_STR(targetKubeVirtRegistry, 0),
  S_STR(targetKubeVirtVersion, 0));
