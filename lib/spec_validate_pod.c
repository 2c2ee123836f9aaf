/* Rules about what surrounds the domain: probes, DNS, resource claims, access credentials, labels and annotations (contract 2.5). See spec_rules.h. */
#include <string.h>

#include <arpa/inet.h>

#include "lib/spec_rules.h"

/* --- probes ---------------------------------------------------------------------------------------------------------------------------------------------- */
static void probe_handlers(WryCheck *c, const WryProbe *probe, const char *name) {
  if (!probe) return;
  guint handlers = (probe->exec != NULL) + (probe->guestAgentPing != NULL) + (probe->httpGet != NULL) + (probe->tcpSocket != NULL);
  if (!handlers) wry_refuse(c, REQUIRED, wry_at(c, "%s", name), "one of exec, guestAgentPing, httpGet, tcpSocket must be set");
  if (handlers > 1) wry_refuse(c, INVALID, wry_at(c, "%s", name), "only one of exec, guestAgentPing, httpGet, tcpSocket may be set");
}

static void probe_network(WryCheck *c, const WryProbe *probe, const char *name) {
  if (probe && probe->httpGet) wry_refuse(c, INVALID, wry_at(c, "%s.httpGet", name), "needs the pod network");
  if (probe && probe->tcpSocket) wry_refuse(c, INVALID, wry_at(c, "%s.tcpSocket", name), "needs the pod network");
}

static gboolean has_pod_network(const WryVmiSpec *spec) {
  WRY_EACH(WryNetwork, network, spec->networks) {
    if (network->pod) return TRUE;
  }
  return FALSE;
}

/* KubeVirt leaves it to the kubelet, which asks in vain for ever. */
static void probe_port(WryCheck *c, const WryProbe *probe, const char *name) {
  WryJson *handler = !probe ? NULL : probe->httpGet ? probe->httpGet : probe->tcpSocket;
  if (!handler || wry_vmi_probe_port(c->spec, handler)) return;
  WryJson *port = wry_json_get(handler, "port");
  wry_refuse(c, INVALID, wry_at(c, "%s.%s.port", name, probe->httpGet ? "httpGet" : "tcpSocket"), "%s is neither a number from 1 to 65535 nor the name of an interface's port",
             port ? json_object_get_string(port) : "nothing");
}

WRY_RULE(wry_rule_probes) {
  probe_handlers(c, c->spec->readinessProbe, "readinessProbe");
  probe_handlers(c, c->spec->livenessProbe, "livenessProbe");
  if (c->rules == WRY_RULES_THIS_VERSION) {
    probe_port(c, c->spec->readinessProbe, "readinessProbe");
    probe_port(c, c->spec->livenessProbe, "livenessProbe");
  }
  if (has_pod_network(c->spec)) return;
  probe_network(c, c->spec->readinessProbe, "readinessProbe");
  probe_network(c, c->spec->livenessProbe, "livenessProbe");
}

/* --- DNS ------------------------------------------------------------------------------------------------------------------------------------------------- */
#define MAX_NAMESERVERS 3
#define MAX_SEARCHES 6
#define MAX_SEARCH_CHARACTERS 256

static gboolean is_address(const char *text) {
  guchar address[16];
  return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

static void nameservers(WryCheck *c, const GPtrArray *list) {
  guint count = list ? list->len : 0;
  if (!count && !g_strcmp0(c->spec->dnsPolicy, "None")) wry_refuse(c, REQUIRED, wry_at(c, "dnsConfig.nameservers"), "must be set with policy None");
  if (count > MAX_NAMESERVERS) wry_refuse(c, INVALID, wry_at(c, "dnsConfig.nameservers"), "must be at most %d", MAX_NAMESERVERS);
  WRY_EACH(char, server, list) {
    if (!is_address(server)) wry_refuse(c, INVALID, wry_at(c, "dnsConfig.nameservers[%u]", server_i), "must be an IP address");
  }
}

static void searches(WryCheck *c, const GPtrArray *list) {
  gsize characters = 0;
  if (list && list->len > MAX_SEARCHES) wry_refuse(c, INVALID, wry_at(c, "dnsConfig.searches"), "must be at most %d", MAX_SEARCHES);
  WRY_EACH(char, search, list) {
    characters += strlen(search) + (search_i > 0);
    if (!wry_is_dns_subdomain(search)) wry_refuse(c, INVALID, wry_at(c, "dnsConfig.searches[%u]", search_i), "must be a DNS subdomain");
  }
  if (characters > MAX_SEARCH_CHARACTERS) wry_refuse(c, INVALID, wry_at(c, "dnsConfig.searches"), "must not have more than %d characters", MAX_SEARCH_CHARACTERS);
}

WRY_RULE(wry_rule_dns) {
  const WryDnsConfig *dns = c->spec->dnsConfig;
  if (!dns) {
    if (!g_strcmp0(c->spec->dnsPolicy, "None")) wry_refuse(c, REQUIRED, wry_at(c, "dnsConfig"), "must be set with policy None");
    return;
  }
  nameservers(c, dns->nameservers);
  searches(c, dns->searches);
  WRY_EACH(WryNameValue, option, dns->options) {
    if (!wry_text(option->name)) wry_refuse(c, REQUIRED, wry_at(c, "dnsConfig.options[%u].name", option_i), "must be set");
  }
}

/* --- resource claims ------------------------------------------------------------------------------------------------------------------------------------- */
static void claim_reference(WryCheck *c, guint index, const char *field, const char *name) {
  if (wry_text(name) && !wry_is_dns_subdomain(name))
    wry_refuse(c, INVALID, wry_at(c, "resourceClaims[%u].%s", index, field), "must be a DNS subdomain: %s", name);
}

WRY_RULE(wry_rule_resource_claims) {
  WRY_EACH(WryResourceClaim, claim, c->spec->resourceClaims) {
    gboolean by_name = wry_text(claim->resourceClaimName), by_template = wry_text(claim->resourceClaimTemplateName);
    if (!wry_text(claim->name))
      wry_refuse(c, REQUIRED, wry_at(c, "resourceClaims[%u].name", claim_i), "must be set");
    else if (!wry_is_dns_label(claim->name))
      wry_refuse(c, INVALID, wry_at(c, "resourceClaims[%u].name", claim_i), "must be a DNS label: %s", claim->name);
    if (by_name == by_template) wry_refuse(c, INVALID, wry_at(c, "resourceClaims[%u]", claim_i), "exactly one of resourceClaimName, resourceClaimTemplateName must be set");
    claim_reference(c, claim_i, "resourceClaimName", claim->resourceClaimName);
    claim_reference(c, claim_i, "resourceClaimTemplateName", claim->resourceClaimTemplateName);
  }
}

/* --- access credentials ---------------------------------------------------------------------------------------------------------------------------------- */
static gboolean has_cloud_init(const WryVmiSpec *spec, gboolean config_drive) {
  WRY_EACH(WryVolume, volume, spec->volumes) {
    if (config_drive ? volume->cloudInitConfigDrive != NULL : volume->cloudInitNoCloud != NULL) return TRUE;
  }
  return FALSE;
}

static guint methods(WryCheck *c, const WryPropagation *method, gboolean ssh, const char *path) {
  if (method->noCloud && !has_cloud_init(c->spec, FALSE)) wry_refuse(c, INVALID, wry_at(c, "%s.propagationMethod", path), "noCloud needs a cloudInitNoCloud volume");
  if (method->configDrive && !has_cloud_init(c->spec, TRUE))
    wry_refuse(c, INVALID, wry_at(c, "%s.propagationMethod", path), "configDrive needs a cloudInitConfigDrive volume");
  if (ssh && method->qemuGuestAgent && (!method->qemuGuestAgent->users || !method->qemuGuestAgent->users->len))
    wry_refuse(c, INVALID, wry_at(c, "%s.propagationMethod.qemuGuestAgent.users", path), "must not be empty");
  return (method->noCloud != NULL) + (method->configDrive != NULL) + (method->qemuGuestAgent != NULL);
}

static void credential(WryCheck *c, const WryCredential *credential_, gboolean ssh, const char *path) {
  guint count = credential_->propagationMethod ? methods(c, credential_->propagationMethod, ssh, path) : 0;
  if (!credential_->source || !credential_->source->secret) wry_refuse(c, INVALID, wry_at(c, "%s.source", path), "a secret must be named");
  if (count != 1) wry_refuse(c, INVALID, wry_at(c, "%s.propagationMethod", path), "exactly one method must be set");
}

WRY_RULE(wry_rule_credentials) {
  WRY_EACH(WryAccessCredential, access, c->spec->accessCredentials) {
    g_autofree char *ssh = g_strdup_printf("accessCredentials[%u].sshPublicKey", access_i), *password = g_strdup_printf("accessCredentials[%u].userPassword", access_i);
    if ((access->sshPublicKey != NULL) == (access->userPassword != NULL))
      wry_refuse(c, INVALID, wry_at(c, "accessCredentials[%u]", access_i), "exactly one of sshPublicKey, userPassword must be set");
    if (access->sshPublicKey) credential(c, access->sshPublicKey, TRUE, ssh);
    if (access->userPassword) credential(c, access->userPassword, FALSE, password);
  }
}

/* --- metadata -------------------------------------------------------------------------------------------------------------------------------------------- */
const char *const wry_reserved_labels[] = {"kubevirt.io/created-by",          "kubevirt.io/migrationJobUID",  "kubevirt.io/nodeName",
                                           "kubevirt.io/migrationTargetNodeName", "kubevirt.io/schedulable", "kubevirt.io/install-strategy", NULL};

static const struct { const char *annotation, *gate; } gated_annotations[] = {
    {"kubevirt.io/ignitiondata", "ExperimentalIgnitionSupport"},
    {"hooks.kubevirt.io/hookSidecars", "Sidecar"},
};

static void reserved_labels(WryCheck *c) {
  g_autofree char *path = g_strdup_printf("%s.labels", c->meta_prefix);
  for (guint i = 0; wry_reserved_labels[i]; i++)
    if (wry_json_get(c->meta->labels, wry_reserved_labels[i])) {
      wry_refuse(c, NOT_SUPPORTED, path, "label %s is reserved", wry_reserved_labels[i]);
      return;
    }
}

WRY_RULE(wry_rule_metadata) {
  g_autofree char *path = g_strdup_printf("%s.annotations", c->meta_prefix);
  if (c->meta->labels && !c->trusted) reserved_labels(c);
  for (guint i = 0; c->meta->annotations && i < G_N_ELEMENTS(gated_annotations); i++)
    if (wry_json_get(c->meta->annotations, gated_annotations[i].annotation) && !wry_config_gate(c->config, gated_annotations[i].gate))
      wry_refuse(c, INVALID, path, "annotation %s needs feature gate %s", gated_annotations[i].annotation, gated_annotations[i].gate);
}
