#pragma once
/* The objects that Wherry reads: VirtualMachineInstance, VirtualMachine, PersistentVolumeClaim, Secret, ConfigMap, KubeVirt, and their defaults and rules.
 * Sources: kubevirt.io/v1 CRD schemas of KubeVirt 1.9.0. */
#include "spec_devices.h"
#include "spec_k8s.h"
#include "spec_volumes.h"

typedef struct { char *apiVersion, *kind, *name, *uid; WryOptBool controller, blockOwnerDeletion; } WryOwnerReference;
typedef struct {
  char *name, *generateName, *namespace_, *uid, *resourceVersion, *selfLink;
  WryOptInt generation, deletionGracePeriodSeconds;
  char *creationTimestamp, *deletionTimestamp;
  WryJson *labels, *annotations; /* MAP */
  GPtrArray *ownerReferences;    /* WryOwnerReference */
  GPtrArray *finalizers;         /* STRLIST */
  WryJson *managedFields;        /* RAW */
} WryMeta;

typedef struct { WryJson *exec; WryEmpty *guestAgentPing; WryJson *httpGet, *tcpSocket; /* RAW: shapes in spec_k8s.h */
                 WryOptInt initialDelaySeconds, timeoutSeconds, periodSeconds, successThreshold, failureThreshold; } WryProbe;

typedef struct { char *name, *claimName, *type; WryOptBool readOnly; } WryUtilityVolume;
typedef struct { char *name, *resourceClaimName, *resourceClaimTemplateName; } WryResourceClaim;

typedef struct {
  char *priorityClassName;
  WryDomain *domain; /* required, WRY_F_ALWAYS */
  WryJson *nodeSelector; /* MAP */
  WryAffinity *affinity;
  char *schedulerName;
  GPtrArray *tolerations;               /* WryToleration */
  GPtrArray *topologySpreadConstraints; /* WrySpread */
  char *evictionStrategy, *startStrategy;
  WryOptInt terminationGracePeriodSeconds;
  GPtrArray *volumes; /* WryVolume */
  WryProbe *livenessProbe, *readinessProbe;
  char *hostname, *subdomain;
  GPtrArray *networks; /* WryNetwork */
  char *dnsPolicy;
  WryDnsConfig *dnsConfig;
  GPtrArray *accessCredentials; /* WryAccessCredential */
  char *architecture, *serviceAccountName;
  GPtrArray *resourceClaims; /* WryResourceClaim */
  GPtrArray *utilityVolumes; /* WryUtilityVolume */
} WryVmiSpec;

typedef struct {
  char *apiVersion, *kind;
  WryMeta *metadata; /* WRY_F_ALWAYS */
  WryVmiSpec *spec;
  WryJson *status; /* RAW: written by Wherry; see status.h */
} WryVmi;

typedef struct { WryMeta *metadata; WryVmiSpec *spec; } WryVmiTemplate;
typedef struct { char *name, *kind, *revisionName, *inferFromVolume, *inferFromVolumeFailurePolicy; } WryMatcher;
typedef struct {
  WryOptBool running;
  char *runStrategy;
  WryMatcher *instancetype, *preference;
  WryVmiTemplate *template_;
  WryJson *dataVolumeTemplates; /* RAW */
  char *updateVolumesStrategy;
} WryVmSpec;
typedef struct { char *apiVersion, *kind; WryMeta *metadata; WryVmSpec *spec; WryJson *status; } WryVm;

/* core/v1 objects as far as VMs need them; other known fields are accepted. */
typedef struct { char *storageClassName, *volumeMode, *volumeName, *volumeAttributesClassName; GPtrArray *accessModes; WryResources *resources; WryJson *selector, *dataSource, *dataSourceRef; } WryPvcSpec;
typedef struct { char *apiVersion, *kind; WryMeta *metadata; WryPvcSpec *spec; WryJson *status; } WryPvc;
typedef struct { char *apiVersion, *kind; WryMeta *metadata; WryJson *data; /* MAP: base64 */ WryJson *stringData; WryOptBool immutable; char *type; } WrySecret;
typedef struct { char *apiVersion, *kind; WryMeta *metadata; WryJson *data, *binaryData; WryOptBool immutable; } WryConfigMap;
/* kubevirt.io/v1 KubeVirt: spec.configuration is what matters; kept as JSON and read through WryConfig. */
typedef struct { char *apiVersion, *kind; WryMeta *metadata; WryJson *spec, *status; } WryKubeVirt;

extern const WryType wry_meta_type, wry_vmi_spec_type, wry_vmi_type, wry_vm_type, wry_pvc_type, wry_secret_type, wry_config_map_type, wry_kubevirt_type;

/* The kinds by name: "VirtualMachine" -> its type; NULL when unknown. `ret_api_version` may be NULL. */
const WryType *wry_kind_type(const char *kind, const char **ret_api_version);

/* Cluster or node configuration: spec.configuration of the KubeVirt object, with KubeVirt's defaults (contract 2.3). Owns copies. */
typedef struct WryConfig WryConfig;
WryConfig *wry_config_new(WryJson *configuration /* or NULL */, const char *default_architecture /* "amd64" */, GError **error);
void wry_config_free(WryConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryConfig, wry_config_free)
/* A feature gate: GA and Beta gates are on unless disabled, Alpha off unless enabled. */
gboolean wry_config_gate(const WryConfig *config, const char *gate);
gboolean wry_config_use_emulation(const WryConfig *config);
/* Raw value under spec.configuration ("developerConfiguration.cpuAllocationRatio"); borrowed, NULL when unset. */
WryJson *wry_config_get(const WryConfig *config, const char *path);
/* Value at the path, or `absent` when unset, empty or of another type. Strings are borrowed. */
const char *wry_config_str(const WryConfig *config, const char *path, const char *absent);
gint64 wry_config_int(const WryConfig *config, const char *path, gint64 absent);
gboolean wry_config_bool(const WryConfig *config, const char *path, gboolean absent);

/* Which rules apply: KubeVirt's own verdict alone (for the corpus), or with "not supported by this version" added, on one box or in a cluster (where the
 * scheduler and the kubelet do their part). */
typedef enum { WRY_RULES_KUBEVIRT, WRY_RULES_THIS_VERSION, WRY_RULES_IN_CLUSTER } WryRules;

/* Defaults, in place (contract 2.2 and 0). Random values (uuid, serial) come from `random_uuid` (NULL = real ones) so that tests are exact. */
typedef char *(*WryUuidSource)(gpointer data);
gboolean wry_vmi_default(WryVmi *vmi, const WryConfig *config, WryUuidSource random_uuid, gpointer data, GError **error);
gboolean wry_vm_default(WryVm *vm, const WryConfig *config, WryUuidSource random_uuid, gpointer data, GError **error);
/* Rules (contract 2.5 and 0). Causes in KubeVirt's order; no cause = accepted. Paths are the right ones: they resolve in the object. */
void wry_vmi_validate(const WryVmi *vmi, const WryConfig *config, WryRules rules, WryCauses *causes);
void wry_vm_validate(const WryVm *vm, const WryConfig *config, WryRules rules, WryCauses *causes);
/* The VMI that a VM's template makes (contract 3.8): metadata from the template, owner reference, not yet defaulted. New. */
WryVmi *wry_vm_make_vmi(const WryVm *vm);
/* Decodes + defaults + validates one object of any kind; returns a new struct of wry_kind_type(kind) or NULL with causes. `ret_kind` static. */
gpointer wry_object_admit(WryJson *object, const WryConfig *config, WryRules rules, const char **ret_kind, WryCauses *causes);

/* Effective values of a defaulted spec. */
guint wry_vmi_vcpus(const WryVmiSpec *spec);
gint64 wry_vmi_guest_memory(const WryVmiSpec *spec); /* bytes; 0 = none */
gint64 wry_vmi_grace_seconds(const WryVmiSpec *spec);
gboolean wry_opt_bool(WryOptBool value, gboolean absent);
const WryVolume *wry_vmi_volume(const WryVmiSpec *spec, const char *name);
const WryNetwork *wry_vmi_network(const WryVmiSpec *spec, const char *name);
guint16 wry_vmi_probe_port(const WryVmiSpec *spec, WryJson *handler); /* of a probe's tcpSocket or httpGet (NULL: 0): a number, or the name of an interface's port; 0 = neither */
gboolean wry_cloud_init_is_config_drive(const WryVolume *volume);
