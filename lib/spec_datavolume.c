/* Field tables of a VirtualMachine's dataVolumeTemplates (CDI's DataVolume). They are kept as JSON and checked against these rows, so the structs
 * exist for the tables alone. See spec_domain.c for what a row says. */
#include "wherry/spec.h"
#include "lib/spec_rows.h"
#include "lib/spec_types.h"

typedef struct { char *url, *secretRef, *certConfigMap; GPtrArray *extraHeaders, *secretExtraHeaders; } DvHttp;
typedef struct { char *url, *secretRef, *certConfigMap, *diskId; WryOptBool insecureSkipVerify; } DvImageio;
typedef struct { char *namespace_, *name; } DvNames;
typedef struct { char *architecture; } DvPlatform;
typedef struct { char *url, *secretRef, *certConfigMap, *imageStream, *pullMethod; DvPlatform *platform; } DvRegistry;
typedef struct { char *url, *uuid, *backingFile, *thumbprint, *secretRef, *initImageURL, *extraArgs; } DvVddk;
typedef struct {
  WryEmpty *blank, *upload;
  DvHttp *gcs, *http, *s3;
  DvImageio *imageio;
  DvNames *pvc, *snapshot;
  DvRegistry *registry;
  DvVddk *vddk;
} DvSource;
typedef struct { char *kind, *namespace_, *name, *apiGroup; } DvReference;
typedef struct {
  GPtrArray *accessModes;
  DvReference *dataSource, *dataSourceRef;
  WryResources *resources;
  WryLabelSelector *selector;
  char *storageClassName, *volumeAttributesClassName, *volumeMode, *volumeName;
} DvClaim;
typedef struct { char *current, *previous; } DvCheckpoint;
typedef struct {
  GPtrArray *checkpoints;
  char *contentType, *priorityClassName;
  WryOptBool finalCheckpoint, preallocation;
  DvClaim *pvc, *storage;
  DvSource *source;
  DvReference *sourceRef;
} DvSpec;
typedef struct { char *apiVersion, *kind; WryMeta *metadata; DvSpec *spec; WryJson *status; } DvTemplate;

#define NAMESPACE(T, f) AS("namespace", WRY_K_STR, T, namespace_, f, .max_items = 0)

LOCAL_TYPE(gcs_type, DvHttp, STR(DvHttp, secretRef, 0), STR(DvHttp, url, NEEDED));
LOCAL_TYPE(s3_type, DvHttp, STR(DvHttp, certConfigMap, 0), STR(DvHttp, secretRef, 0), STR(DvHttp, url, NEEDED));
LOCAL_TYPE(http_type, DvHttp,
  STR(DvHttp, certConfigMap, 0),
  STRS(DvHttp, extraHeaders, 0),
  STRS(DvHttp, secretExtraHeaders, 0),
  STR(DvHttp, secretRef, 0),
  STR(DvHttp, url, NEEDED));
LOCAL_TYPE(imageio_type, DvImageio,
  STR(DvImageio, certConfigMap, 0),
  STR(DvImageio, diskId, NEEDED),
  BOOL(DvImageio, insecureSkipVerify, 0),
  STR(DvImageio, secretRef, 0),
  STR(DvImageio, url, NEEDED));
LOCAL_TYPE(names_type, DvNames, STR(DvNames, name, NEEDED), NAMESPACE(DvNames, NEEDED));
LOCAL_TYPE(platform_type, DvPlatform, STR(DvPlatform, architecture, 0));
LOCAL_TYPE(registry_type, DvRegistry,
  STR(DvRegistry, certConfigMap, 0),
  STR(DvRegistry, imageStream, 0),
  OBJ(DvRegistry, platform, 0, platform_type),
  STR(DvRegistry, pullMethod, 0),
  STR(DvRegistry, secretRef, 0),
  STR(DvRegistry, url, 0));
LOCAL_TYPE(vddk_type, DvVddk,
  STR(DvVddk, backingFile, 0),
  STR(DvVddk, extraArgs, 0),
  STR(DvVddk, initImageURL, 0),
  STR(DvVddk, secretRef, 0),
  STR(DvVddk, thumbprint, 0),
  STR(DvVddk, url, 0),
  STR(DvVddk, uuid, 0));
LOCAL_TYPE(source_type, DvSource,
  OBJ(DvSource, blank, 0, wry_empty_type),
  OBJ(DvSource, gcs, 0, gcs_type),
  OBJ(DvSource, http, 0, http_type),
  OBJ(DvSource, imageio, 0, imageio_type),
  OBJ(DvSource, pvc, 0, names_type),
  OBJ(DvSource, registry, 0, registry_type),
  OBJ(DvSource, s3, 0, s3_type),
  OBJ(DvSource, snapshot, 0, names_type),
  OBJ(DvSource, upload, 0, wry_empty_type),
  OBJ(DvSource, vddk, 0, vddk_type));
LOCAL_TYPE(source_ref_type, DvReference, STR(DvReference, kind, NEEDED), STR(DvReference, name, NEEDED), NAMESPACE(DvReference, 0));
LOCAL_TYPE(data_source_type, DvReference, STR(DvReference, apiGroup, 0), STR(DvReference, kind, NEEDED), STR(DvReference, name, NEEDED));
LOCAL_TYPE(data_source_ref_type, DvReference,
  STR(DvReference, apiGroup, 0),
  STR(DvReference, kind, NEEDED),
  STR(DvReference, name, NEEDED),
  NAMESPACE(DvReference, 0));
LOCAL_TYPE(claim_resources_type, WryResources, QMAP(WryResources, limits, 0), QMAP(WryResources, requests, 0));
#define CLAIM_ROWS                                                                                                                       \
  STRS(DvClaim, accessModes, 0), OBJ(DvClaim, dataSource, 0, data_source_type), OBJ(DvClaim, dataSourceRef, 0, data_source_ref_type),    \
      OBJ(DvClaim, resources, 0, claim_resources_type), OBJ(DvClaim, selector, 0, wry_label_selector_type),                              \
      STR(DvClaim, storageClassName, 0), STR(DvClaim, volumeMode, 0), STR(DvClaim, volumeName, 0)
LOCAL_TYPE(storage_type, DvClaim, CLAIM_ROWS);
LOCAL_TYPE(pvc_type, DvClaim, CLAIM_ROWS, STR(DvClaim, volumeAttributesClassName, 0));
LOCAL_TYPE(checkpoint_type, DvCheckpoint, STR(DvCheckpoint, current, NEEDED), STR(DvCheckpoint, previous, NEEDED));
static const char *const content_values[] = {"kubevirt", "archive", NULL};
LOCAL_TYPE(dv_spec_type, DvSpec,
  LIST(DvSpec, checkpoints, 0, checkpoint_type),
  ENUM(DvSpec, contentType, 0, content_values),
  BOOL(DvSpec, finalCheckpoint, 0),
  BOOL(DvSpec, preallocation, 0),
  STR(DvSpec, priorityClassName, 0),
  OBJ(DvSpec, pvc, 0, pvc_type),
  OBJ(DvSpec, source, 0, source_type),
  OBJ(DvSpec, sourceRef, 0, source_ref_type),
  OBJ(DvSpec, storage, 0, storage_type));
WRY_TYPE(wry_data_volume_template_type, DvTemplate,
  STR(DvTemplate, apiVersion, 0),
  STR(DvTemplate, kind, 0),
  OBJ(DvTemplate, metadata, 0, wry_meta_type),
  OBJ(DvTemplate, spec, NEEDED, dv_spec_type),
  RAW(DvTemplate, status, 0));
