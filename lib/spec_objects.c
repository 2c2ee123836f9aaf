/* Field tables of the objects themselves: metadata, VirtualMachineInstance, VirtualMachine, and the core/v1 objects that a VM refers to, and the list of kinds
 * that Wherry reads. See spec_domain.c for what a row says. */
#include "wherry/spec_kinds.h"

#include <string.h>

#include "lib/spec_rows.h"
#include "lib/spec_types.h"

LOCAL_TYPE(owner_type, WryOwnerReference,
  STR(WryOwnerReference, apiVersion, NEEDED),
  BOOL(WryOwnerReference, blockOwnerDeletion, 0),
  BOOL(WryOwnerReference, controller, 0),
  STR(WryOwnerReference, kind, NEEDED),
  STR(WryOwnerReference, name, NEEDED),
  STR(WryOwnerReference, uid, NEEDED));
WRY_TYPE(wry_meta_type, WryMeta,
  MAP(WryMeta, annotations, 0),
  TIME(WryMeta, creationTimestamp, 0),
  INT(WryMeta, deletionGracePeriodSeconds, 0),
  TIME(WryMeta, deletionTimestamp, 0),
  STRS(WryMeta, finalizers, 0),
  STR(WryMeta, generateName, 0),
  INT(WryMeta, generation, ZERO),
  MAP(WryMeta, labels, 0),
  RAW(WryMeta, managedFields, 0),
  STR(WryMeta, name, 0),
  AS("namespace", WRY_K_STR, WryMeta, namespace_, 0, .max_items = 0),
  LIST(WryMeta, ownerReferences, 0, owner_type),
  STR(WryMeta, resourceVersion, 0),
  STR(WryMeta, selfLink, 0),
  STR(WryMeta, uid, 0));

LOCAL_TYPE(resource_claim_type, WryResourceClaim,
  STR(WryResourceClaim, name, NEEDED),
  STR(WryResourceClaim, resourceClaimName, 0),
  STR(WryResourceClaim, resourceClaimTemplateName, 0));
LOCAL_TYPE(utility_volume_type, WryUtilityVolume,
  STR(WryUtilityVolume, claimName, NEEDED),
  STR(WryUtilityVolume, name, NEEDED),
  BOOL(WryUtilityVolume, readOnly, ZERO),
  STR(WryUtilityVolume, type, 0));
WRY_TYPE(wry_vmi_spec_type, WryVmiSpec,
  LIST256(WryVmiSpec, accessCredentials, LATER, wry_access_credential_type),
  OBJ(WryVmiSpec, affinity, CLUSTER, wry_affinity_type),
  STR(WryVmiSpec, architecture, 0),
  OBJ(WryVmiSpec, dnsConfig, CLUSTER, wry_dns_config_type),
  STR(WryVmiSpec, dnsPolicy, CLUSTER),
  OBJ(WryVmiSpec, domain, NEEDED, wry_domain_type),
  STR(WryVmiSpec, evictionStrategy, KEPT),
  STR(WryVmiSpec, hostname, 0),
  OBJ(WryVmiSpec, livenessProbe, 0, wry_probe_type),
  LIST256(WryVmiSpec, networks, 0, wry_network_type),
  MAP(WryVmiSpec, nodeSelector, CLUSTER),
  STR(WryVmiSpec, priorityClassName, CLUSTER),
  OBJ(WryVmiSpec, readinessProbe, 0, wry_probe_type),
  LIST(WryVmiSpec, resourceClaims, LATER, resource_claim_type),
  STR(WryVmiSpec, schedulerName, CLUSTER),
  STR(WryVmiSpec, serviceAccountName, LATER),
  STR(WryVmiSpec, startStrategy, KEPT),
  STR(WryVmiSpec, subdomain, CLUSTER),
  INT(WryVmiSpec, terminationGracePeriodSeconds, 0),
  LIST(WryVmiSpec, tolerations, CLUSTER, wry_toleration_type),
  LIST(WryVmiSpec, topologySpreadConstraints, CLUSTER, wry_spread_type),
  LIST256(WryVmiSpec, utilityVolumes, LATER, utility_volume_type),
  LIST256(WryVmiSpec, volumes, 0, wry_volume_type));

#define TYPE_META(T) STR(T, apiVersion, 0), STR(T, kind, 0), OBJ(T, metadata, ALWAYS, wry_meta_type)

WRY_TYPE(wry_vmi_type, WryVmi, TYPE_META(WryVmi), OBJ(WryVmi, spec, NEEDED, wry_vmi_spec_type), RAW(WryVmi, status, ALWAYS));

WRY_TYPE(wry_vmi_template_type, WryVmiTemplate,
  OBJ(WryVmiTemplate, metadata, ALWAYS, wry_meta_type),
  OBJ(WryVmiTemplate, spec, ALWAYS, wry_vmi_spec_type));
WRY_TYPE(wry_matcher_type, WryMatcher,
  STR(WryMatcher, inferFromVolume, 0),
  STR(WryMatcher, inferFromVolumeFailurePolicy, KEPT),
  STR(WryMatcher, kind, 0),
  STR(WryMatcher, name, 0),
  STR(WryMatcher, revisionName, 0));
LOCAL_TYPE(vm_spec_type, WryVmSpec,
  RAW_LIST_OF(WryVmSpec, dataVolumeTemplates, LATER, wry_data_volume_template_type),
  OBJ(WryVmSpec, instancetype, LATER, wry_matcher_type),
  OBJ(WryVmSpec, preference, LATER, wry_matcher_type),
  STR(WryVmSpec, runStrategy, KEPT),
  BOOL(WryVmSpec, running, 0),
  AS("template", WRY_K_OBJECT, WryVmSpec, template_, NEEDED, .type = &wry_vmi_template_type),
  STR(WryVmSpec, updateVolumesStrategy, LATER | KEPT));
WRY_TYPE(wry_vm_type, WryVm, TYPE_META(WryVm), OBJ(WryVm, spec, NEEDED, vm_spec_type), RAW(WryVm, status, ALWAYS));

LOCAL_TYPE(pvc_spec_type, WryPvcSpec,
  STRS(WryPvcSpec, accessModes, 0),
  RAW(WryPvcSpec, dataSource, 0),
  RAW(WryPvcSpec, dataSourceRef, 0),
  OBJ(WryPvcSpec, resources, 0, wry_resources_type),
  RAW(WryPvcSpec, selector, 0),
  STR(WryPvcSpec, storageClassName, 0),
  STR(WryPvcSpec, volumeAttributesClassName, 0),
  STR(WryPvcSpec, volumeMode, 0),
  STR(WryPvcSpec, volumeName, 0));
WRY_TYPE(wry_pvc_type, WryPvc, TYPE_META(WryPvc), OBJ(WryPvc, spec, NEEDED, pvc_spec_type), RAW(WryPvc, status, 0));
WRY_TYPE(wry_secret_type, WrySecret,
  TYPE_META(WrySecret),
  MAP(WrySecret, data, 0),
  BOOL(WrySecret, immutable, 0),
  MAP(WrySecret, stringData, 0),
  STR(WrySecret, type, 0));
WRY_TYPE(wry_config_map_type, WryConfigMap,
  TYPE_META(WryConfigMap),
  MAP(WryConfigMap, binaryData, 0),
  MAP(WryConfigMap, data, 0),
  BOOL(WryConfigMap, immutable, 0));
WRY_TYPE(wry_kubevirt_type, WryKubeVirt, TYPE_META(WryKubeVirt), RAW_OF(WryKubeVirt, spec, NEEDED, wry_kubevirt_spec_type), RAW(WryKubeVirt, status, 0));

static const struct { const char *kind, *api_version; const WryType *type; } kinds[] = {
  {"VirtualMachine", "kubevirt.io/v1", &wry_vm_type},
  {"VirtualMachineInstance", "kubevirt.io/v1", &wry_vmi_type},
  {"PersistentVolumeClaim", "v1", &wry_pvc_type},
  {"Secret", "v1", &wry_secret_type},
  {"ConfigMap", "v1", &wry_config_map_type},
  {"KubeVirt", "kubevirt.io/v1", &wry_kubevirt_type},
};

const WryType *wry_kind_type(const char *kind, const char **ret_api_version) {
  for (guint i = 0; kind && i < G_N_ELEMENTS(kinds); i++) {
    if (strcmp(kinds[i].kind, kind)) continue;
    if (ret_api_version) *ret_api_version = kinds[i].api_version;
    return kinds[i].type;
  }
  return NULL;
}

const char *wry_kind_name(const WryType *type) {
  guint i = 0;
  while (kinds[i].type != type) i++;
  return kinds[i].kind;
}

const WryType *wry_field_type(const WryType *type, const char *name) {
  const WryField *field = type->fields;
  while (strcmp(field->name, name)) field++;
  return field->type;
}
