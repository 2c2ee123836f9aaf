#pragma once
/* Parts of a VirtualMachineInstance whose types are core/v1's: placement, DNS, probe handlers; and access credentials. How a kind is stored: fields.h. */
#include "spec_domain.h"

typedef struct { char *key, *operator_; GPtrArray *values; /* STRLIST */ } WryRequirement; /* of a label selector or a node selector */
typedef struct { WryJson *matchLabels; /* MAP */ GPtrArray *matchExpressions; /* WryRequirement */ } WryLabelSelector;
typedef struct { GPtrArray *matchExpressions, *matchFields; /* WryRequirement */ } WryNodeSelectorTerm;
typedef struct { GPtrArray *nodeSelectorTerms; /* WryNodeSelectorTerm */ } WryNodeSelector;
typedef struct { WryOptInt weight; WryNodeSelectorTerm *preference; } WryPreferredTerm;
typedef struct {
  WryLabelSelector *labelSelector, *namespaceSelector;
  GPtrArray *matchLabelKeys, *mismatchLabelKeys, *namespaces; /* STRLIST */
  char *topologyKey;
} WryPodAffinityTerm;
typedef struct { WryOptInt weight; WryPodAffinityTerm *podAffinityTerm; } WryWeightedPodTerm;
/* The members' JSON names are requiredDuringSchedulingIgnoredDuringExecution and preferredDuringSchedulingIgnoredDuringExecution. */
typedef struct { WryNodeSelector *required; GPtrArray *preferred; /* WryPreferredTerm */ } WryNodeAffinity;
typedef struct { GPtrArray *required; /* WryPodAffinityTerm */ GPtrArray *preferred; /* WryWeightedPodTerm */ } WryPodAffinity; /* also anti-affinity */
typedef struct { WryNodeAffinity *nodeAffinity; WryPodAffinity *podAffinity, *podAntiAffinity; } WryAffinity;
typedef struct { char *key, *operator_, *value, *effect; WryOptInt tolerationSeconds; } WryToleration;
typedef struct {
  WryOptInt maxSkew;
  char *topologyKey, *whenUnsatisfiable;
  WryLabelSelector *labelSelector;
  WryOptInt minDomains;
  char *nodeAffinityPolicy, *nodeTaintsPolicy;
  GPtrArray *matchLabelKeys; /* STRLIST */
} WrySpread;

typedef struct { char *name, *value; } WryNameValue;
typedef struct { GPtrArray *nameservers, *searches; /* STRLIST */ GPtrArray *options; /* WryNameValue */ } WryDnsConfig;

typedef struct { GPtrArray *users; /* STRLIST */ } WryAgentMethod;
typedef struct { WryEmpty *configDrive, *noCloud; WryAgentMethod *qemuGuestAgent; } WryPropagation; /* of a password: qemuGuestAgent {} alone */
typedef struct { char *secretName; } WrySecretName;
typedef struct { WrySecretName *secret; } WryCredentialSource;
typedef struct { WryCredentialSource *source; WryPropagation *propagationMethod; } WryCredential;
typedef struct { WryCredential *sshPublicKey, *userPassword; } WryAccessCredential;

/* Shapes of the probe handlers, which WryProbe keeps as JSON. */
typedef struct { GPtrArray *command; /* STRLIST */ } WryExecAction;
typedef struct { char *path, *port, *host, *scheme; GPtrArray *httpHeaders; /* WryNameValue */ } WryHttpGetAction;
typedef struct { char *port, *host; } WryTcpSocketAction;

extern const WryType wry_affinity_type, wry_toleration_type, wry_spread_type, wry_dns_config_type, wry_access_credential_type;
