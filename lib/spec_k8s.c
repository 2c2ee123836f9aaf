/* Field tables of placement, DNS, probes and access credentials: the core/v1 types inside a VirtualMachineInstance. See spec_domain.c for what a row says. */
#include "wherry/spec.h"
#include "lib/spec_rows.h"
#include "lib/spec_types.h"

#define REQUIRED_TERMS "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED_TERMS "preferredDuringSchedulingIgnoredDuringExecution"

LOCAL_TYPE(requirement_type, WryRequirement,
  STR(WryRequirement, key, NEEDED),
  AS("operator", WRY_K_STR, WryRequirement, operator_, NEEDED, .max_items = 0),
  STRS(WryRequirement, values, 0));
WRY_TYPE(wry_label_selector_type, WryLabelSelector,
  LIST(WryLabelSelector, matchExpressions, 0, requirement_type),
  MAP(WryLabelSelector, matchLabels, 0));
LOCAL_TYPE(node_selector_term_type, WryNodeSelectorTerm,
  LIST(WryNodeSelectorTerm, matchExpressions, 0, requirement_type),
  LIST(WryNodeSelectorTerm, matchFields, 0, requirement_type));
LOCAL_TYPE(node_selector_type, WryNodeSelector, LIST(WryNodeSelector, nodeSelectorTerms, NEEDED, node_selector_term_type));
LOCAL_TYPE(preferred_term_type, WryPreferredTerm,
  OBJ(WryPreferredTerm, preference, NEEDED, node_selector_term_type),
  INT32(WryPreferredTerm, weight, NEEDED));
LOCAL_TYPE(pod_affinity_term_type, WryPodAffinityTerm,
  OBJ(WryPodAffinityTerm, labelSelector, 0, wry_label_selector_type),
  STRS(WryPodAffinityTerm, matchLabelKeys, 0),
  STRS(WryPodAffinityTerm, mismatchLabelKeys, 0),
  OBJ(WryPodAffinityTerm, namespaceSelector, 0, wry_label_selector_type),
  STRS(WryPodAffinityTerm, namespaces, 0),
  STR(WryPodAffinityTerm, topologyKey, NEEDED));
LOCAL_TYPE(weighted_pod_term_type, WryWeightedPodTerm,
  OBJ(WryWeightedPodTerm, podAffinityTerm, NEEDED, pod_affinity_term_type),
  INT32(WryWeightedPodTerm, weight, NEEDED));
LOCAL_TYPE(node_affinity_type, WryNodeAffinity,
  AS(PREFERRED_TERMS, WRY_K_LIST, WryNodeAffinity, preferred, 0, .type = &preferred_term_type),
  AS(REQUIRED_TERMS, WRY_K_OBJECT, WryNodeAffinity, required, 0, .type = &node_selector_type));
LOCAL_TYPE(pod_affinity_type, WryPodAffinity,
  AS(PREFERRED_TERMS, WRY_K_LIST, WryPodAffinity, preferred, 0, .type = &weighted_pod_term_type),
  AS(REQUIRED_TERMS, WRY_K_LIST, WryPodAffinity, required, 0, .type = &pod_affinity_term_type));
WRY_TYPE(wry_affinity_type, WryAffinity,
  OBJ(WryAffinity, nodeAffinity, 0, node_affinity_type),
  OBJ(WryAffinity, podAffinity, 0, pod_affinity_type),
  OBJ(WryAffinity, podAntiAffinity, 0, pod_affinity_type));
WRY_TYPE(wry_toleration_type, WryToleration,
  STR(WryToleration, effect, 0),
  STR(WryToleration, key, 0),
  AS("operator", WRY_K_STR, WryToleration, operator_, 0, .max_items = 0),
  INT(WryToleration, tolerationSeconds, 0),
  STR(WryToleration, value, 0));
WRY_TYPE(wry_spread_type, WrySpread,
  OBJ(WrySpread, labelSelector, 0, wry_label_selector_type),
  STRS(WrySpread, matchLabelKeys, 0),
  INT32(WrySpread, maxSkew, NEEDED),
  INT32(WrySpread, minDomains, 0),
  STR(WrySpread, nodeAffinityPolicy, 0),
  STR(WrySpread, nodeTaintsPolicy, 0),
  STR(WrySpread, topologyKey, NEEDED),
  STR(WrySpread, whenUnsatisfiable, NEEDED));

LOCAL_TYPE(dns_option_type, WryNameValue, STR(WryNameValue, name, 0), STR(WryNameValue, value, 0));
WRY_TYPE(wry_dns_config_type, WryDnsConfig,
  STRS(WryDnsConfig, nameservers, 0),
  LIST(WryDnsConfig, options, 0, dns_option_type),
  STRS(WryDnsConfig, searches, 0));

LOCAL_TYPE(secret_name_type, WrySecretName, STR(WrySecretName, secretName, NEEDED));
LOCAL_TYPE(credential_source_type, WryCredentialSource, OBJ(WryCredentialSource, secret, 0, secret_name_type));
LOCAL_TYPE(ssh_agent_type, WryAgentMethod, STRS(WryAgentMethod, users, NEEDED));
LOCAL_TYPE(password_agent_type, WryAgentMethod, {.name = NULL});
LOCAL_TYPE(ssh_propagation_type, WryPropagation,
  OBJ(WryPropagation, configDrive, 0, wry_empty_type),
  OBJ(WryPropagation, noCloud, 0, wry_empty_type),
  OBJ(WryPropagation, qemuGuestAgent, 0, ssh_agent_type));
LOCAL_TYPE(password_propagation_type, WryPropagation, OBJ(WryPropagation, qemuGuestAgent, 0, password_agent_type));
LOCAL_TYPE(ssh_key_type, WryCredential,
  OBJ(WryCredential, propagationMethod, NEEDED, ssh_propagation_type),
  OBJ(WryCredential, source, NEEDED, credential_source_type));
LOCAL_TYPE(password_type, WryCredential,
  OBJ(WryCredential, propagationMethod, NEEDED, password_propagation_type),
  OBJ(WryCredential, source, NEEDED, credential_source_type));
WRY_TYPE(wry_access_credential_type, WryAccessCredential,
  OBJ(WryAccessCredential, sshPublicKey, 0, ssh_key_type),
  OBJ(WryAccessCredential, userPassword, 0, password_type));

LOCAL_TYPE(http_header_type, WryNameValue, STR(WryNameValue, name, NEEDED), STR(WryNameValue, value, NEEDED));
LOCAL_TYPE(exec_action_type, WryExecAction, STRS(WryExecAction, command, 0));
LOCAL_TYPE(http_get_type, WryHttpGetAction,
  STR(WryHttpGetAction, host, 0),
  LIST(WryHttpGetAction, httpHeaders, 0, http_header_type),
  STR(WryHttpGetAction, path, 0),
  INTORSTR(WryHttpGetAction, port, NEEDED),
  STR(WryHttpGetAction, scheme, 0));
LOCAL_TYPE(tcp_socket_type, WryTcpSocketAction, STR(WryTcpSocketAction, host, 0), INTORSTR(WryTcpSocketAction, port, NEEDED));
WRY_TYPE(wry_probe_type, WryProbe,
  RAW_OF(WryProbe, exec, LATER, exec_action_type),
  INT32(WryProbe, failureThreshold, ZERO),
  OBJ(WryProbe, guestAgentPing, 0, wry_empty_type),
  RAW_OF(WryProbe, httpGet, 0, http_get_type),
  INT32(WryProbe, initialDelaySeconds, ZERO),
  INT32(WryProbe, periodSeconds, ZERO),
  INT32(WryProbe, successThreshold, ZERO),
  RAW_OF(WryProbe, tcpSocket, 0, tcp_socket_type),
  INT32(WryProbe, timeoutSeconds, ZERO));
