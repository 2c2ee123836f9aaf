#pragma once
/* spec.volumes and spec.networks of a VirtualMachineInstance. */
#include "spec_domain.h"

typedef struct { char *name; } WryLocalRef;
typedef struct { char *image, *imagePullSecret, *path, *imagePullPolicy; } WryContainerDisk;
typedef struct { WryLocalRef *secretRef; char *userDataBase64, *userData; WryLocalRef *networkDataSecretRef; char *networkDataBase64, *networkData; } WryCloudInit; /* NoCloud and ConfigDrive */
typedef struct { char *claimName; WryOptBool readOnly, hotpluggable; } WryPvcSource; /* also memoryDump */
typedef struct { char *name; WryOptBool hotpluggable; } WryDataVolumeSource;
typedef struct { WryPvcSource *persistentVolumeClaim; } WryEphemeral;
typedef struct { char *capacity; } WryEmptyDisk;
typedef struct { char *path, *type, *capacity; WryOptBool shared; } WryHostDisk;
typedef struct { char *secretName; WryOptBool optional; char *volumeLabel; } WrySecretSource;
typedef struct { char *name; WryOptBool optional; char *volumeLabel; } WryConfigMapSource;
typedef struct { char *serviceAccountName; } WryServiceAccountSource;
typedef struct { char *apiVersion, *fieldPath; } WryFieldRef;
typedef struct { char *containerName, *resource, *divisor; } WryResourceFieldRef;
typedef struct { char *path; WryFieldRef *fieldRef; WryResourceFieldRef *resourceFieldRef; WryOptInt mode; } WryDownwardItem;
typedef struct { GPtrArray *fields; /* WryDownwardItem */ char *volumeLabel; } WryDownwardApi;
typedef struct { WryLocalRef *secret, *configMap; } WrySysprep;
typedef struct { char *path; WryOptBool readOnly; } WryContainerPath;

typedef struct {
  char *name;
  WryHostDisk *hostDisk;
  WryPvcSource *persistentVolumeClaim;
  WryCloudInit *cloudInitNoCloud, *cloudInitConfigDrive;
  WrySysprep *sysprep;
  WryContainerDisk *containerDisk;
  WryEphemeral *ephemeral;
  WryEmptyDisk *emptyDisk;
  WryDataVolumeSource *dataVolume;
  WryConfigMapSource *configMap;
  WrySecretSource *secret;
  WryDownwardApi *downwardAPI;
  WryServiceAccountSource *serviceAccount;
  WryEmpty *downwardMetrics;
  WryPvcSource *memoryDump;
  WryContainerPath *containerPath;
} WryVolume;

typedef struct { char *vmNetworkCIDR, *vmIPv6NetworkCIDR; } WryPodNetwork;
typedef struct { char *networkName; WryOptBool default_; } WryMultusNetwork;
typedef struct { char *claimName, *requestName; } WryNetworkClaim;
typedef struct { char *name; WryPodNetwork *pod; WryMultusNetwork *multus; WryNetworkClaim *resourceClaim; } WryNetwork;

extern const WryType wry_volume_type, wry_network_type;
