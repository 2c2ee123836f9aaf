/* Field tables of spec.volumes and spec.networks. See spec_domain.c for what a row says. */
#include "wherry/spec_volumes.h"
#include "lib/spec_rows.h"
#include "lib/spec_types.h"

LOCAL_TYPE(local_ref_type, WryLocalRef, STR(WryLocalRef, name, 0));
LOCAL_TYPE(container_disk_type, WryContainerDisk,
  STR(WryContainerDisk, image, NEEDED),
  STR(WryContainerDisk, imagePullPolicy, 0),
  STR(WryContainerDisk, imagePullSecret, CLUSTER),
  STR(WryContainerDisk, path, 0));
LOCAL_TYPE(cloud_init_type, WryCloudInit,
  STR(WryCloudInit, networkData, 0),
  STR(WryCloudInit, networkDataBase64, 0),
  OBJ(WryCloudInit, networkDataSecretRef, 0, local_ref_type),
  OBJ(WryCloudInit, secretRef, 0, local_ref_type),
  STR(WryCloudInit, userData, 0),
  STR(WryCloudInit, userDataBase64, 0));
LOCAL_TYPE(pvc_source_type, WryPvcSource,
  STR(WryPvcSource, claimName, NEEDED),
  BOOL(WryPvcSource, hotpluggable, LATER | ZERO),
  BOOL(WryPvcSource, readOnly, ZERO));
LOCAL_TYPE(ephemeral_claim_type, WryPvcSource, STR(WryPvcSource, claimName, NEEDED), BOOL(WryPvcSource, readOnly, ZERO));
LOCAL_TYPE(data_volume_source_type, WryDataVolumeSource,
  BOOL(WryDataVolumeSource, hotpluggable, ZERO),
  STR(WryDataVolumeSource, name, NEEDED));
LOCAL_TYPE(ephemeral_type, WryEphemeral, OBJ(WryEphemeral, persistentVolumeClaim, 0, ephemeral_claim_type));
LOCAL_TYPE(empty_disk_type, WryEmptyDisk, QTY(WryEmptyDisk, capacity, NEEDED));
LOCAL_TYPE(host_disk_type, WryHostDisk,
  QTY(WryHostDisk, capacity, ALWAYS),
  STR(WryHostDisk, path, NEEDED),
  BOOL(WryHostDisk, shared, LATER),
  STR(WryHostDisk, type, NEEDED));
LOCAL_TYPE(secret_source_type, WrySecretSource,
  BOOL(WrySecretSource, optional, 0),
  STR(WrySecretSource, secretName, 0),
  STR(WrySecretSource, volumeLabel, 0));
LOCAL_TYPE(config_map_source_type, WryConfigMapSource,
  STR(WryConfigMapSource, name, 0),
  BOOL(WryConfigMapSource, optional, 0),
  STR(WryConfigMapSource, volumeLabel, 0));
LOCAL_TYPE(service_account_type, WryServiceAccountSource, STR(WryServiceAccountSource, serviceAccountName, 0));
LOCAL_TYPE(field_ref_type, WryFieldRef, STR(WryFieldRef, apiVersion, 0), STR(WryFieldRef, fieldPath, NEEDED));
LOCAL_TYPE(resource_field_ref_type, WryResourceFieldRef,
  STR(WryResourceFieldRef, containerName, 0),
  QTY(WryResourceFieldRef, divisor, ALWAYS),
  STR(WryResourceFieldRef, resource, NEEDED));
LOCAL_TYPE(downward_item_type, WryDownwardItem,
  OBJ(WryDownwardItem, fieldRef, 0, field_ref_type),
  INT32(WryDownwardItem, mode, 0),
  STR(WryDownwardItem, path, NEEDED),
  OBJ(WryDownwardItem, resourceFieldRef, 0, resource_field_ref_type));
LOCAL_TYPE(downward_api_type, WryDownwardApi,
  LIST(WryDownwardApi, fields, 0, downward_item_type),
  STR(WryDownwardApi, volumeLabel, 0));
LOCAL_TYPE(sysprep_type, WrySysprep, OBJ(WrySysprep, configMap, 0, local_ref_type), OBJ(WrySysprep, secret, 0, local_ref_type));
LOCAL_TYPE(container_path_type, WryContainerPath, STR(WryContainerPath, path, NEEDED), BOOL(WryContainerPath, readOnly, 0));

WRY_TYPE(wry_volume_type, WryVolume,
  OBJ(WryVolume, cloudInitConfigDrive, 0, cloud_init_type),
  OBJ(WryVolume, cloudInitNoCloud, 0, cloud_init_type),
  OBJ(WryVolume, configMap, 0, config_map_source_type),
  OBJ(WryVolume, containerDisk, 0, container_disk_type),
  OBJ(WryVolume, containerPath, LATER, container_path_type),
  OBJ(WryVolume, dataVolume, LATER, data_volume_source_type),
  OBJ(WryVolume, downwardAPI, 0, downward_api_type),
  OBJ(WryVolume, downwardMetrics, LATER, wry_empty_type),
  OBJ(WryVolume, emptyDisk, 0, empty_disk_type),
  OBJ(WryVolume, ephemeral, LATER, ephemeral_type),
  OBJ(WryVolume, hostDisk, 0, host_disk_type),
  OBJ(WryVolume, memoryDump, LATER, pvc_source_type),
  STR(WryVolume, name, NEEDED),
  OBJ(WryVolume, persistentVolumeClaim, 0, pvc_source_type),
  OBJ(WryVolume, secret, 0, secret_source_type),
  OBJ(WryVolume, serviceAccount, LATER, service_account_type),
  OBJ(WryVolume, sysprep, LATER, sysprep_type));

LOCAL_TYPE(pod_network_type, WryPodNetwork, STR(WryPodNetwork, vmIPv6NetworkCIDR, 0), STR(WryPodNetwork, vmNetworkCIDR, 0));
LOCAL_TYPE(multus_type, WryMultusNetwork,
  AS("default", WRY_K_BOOL, WryMultusNetwork, default_, ZERO, .max_items = 0),
  STR(WryMultusNetwork, networkName, NEEDED));
LOCAL_TYPE(network_claim_type, WryNetworkClaim, STR(WryNetworkClaim, claimName, 0), STR(WryNetworkClaim, requestName, 0));
WRY_TYPE(wry_network_type, WryNetwork,
  OBJ(WryNetwork, multus, LATER, multus_type),
  STR(WryNetwork, name, NEEDED),
  OBJ(WryNetwork, pod, 0, pod_network_type),
  OBJ(WryNetwork, resourceClaim, LATER, network_claim_type));
