/* The cluster's or node's configuration: spec.configuration of the KubeVirt object with the defaults of KubeVirt 1.9.0 (contract 2.3 and 0).
 *
 * The JSON is kept as it is; what Wherry asks for goes through this file, so every default has one place. Feature gates are a table of name and stage: a GA
 * gate is always on, a Beta gate on unless disabled, an Alpha or deprecated gate off unless enabled. An unknown gate counts as Alpha. */
#include "lib/spec_config.h"

#include <string.h>

struct WryConfig {
  WryJson *configuration; /* or NULL */
  char *architecture;
};

typedef enum { STAGE_ALPHA, STAGE_BETA, STAGE_GA } GateStage;

static const struct { const char *name; GateStage stage; } gates[] = {
    {"ImageVolume", STAGE_BETA},
    {"Snapshot", STAGE_BETA},
    {"WorkloadEncryptionSEV", STAGE_BETA},
    {"KubevirtSeccompProfile", STAGE_BETA},
    {"NodeRestriction", STAGE_BETA},
    {"GPUsWithDRA", STAGE_BETA},
    {"HostDevicesWithDRA", STAGE_BETA},
    {"DeclarativeHotplugVolumes", STAGE_BETA},
    {"PasstBinding", STAGE_BETA},
    {"PodSecondaryInterfaceNamingUpgrade", STAGE_BETA},
    {"ExternalNetResourceInjection", STAGE_BETA},
    {"RebootPolicy", STAGE_BETA},
    {"Template", STAGE_BETA},
    {"OptOutRoleAggregation", STAGE_BETA},
    {"LibvirtHooksServerAndClient", STAGE_BETA},
    {"VmiMemoryOverheadReport", STAGE_BETA},
    {"LiveMigration", STAGE_GA},
    {"SRIOVLiveMigration", STAGE_GA},
    {"NonRoot", STAGE_GA},
    {"PSA", STAGE_GA},
    {"CPUNodeDiscovery", STAGE_GA},
    {"NUMA", STAGE_GA},
    {"GPU", STAGE_GA},
    {"VMExport", STAGE_GA},
    {"VMLiveUpdateFeatures", STAGE_GA},
    {"CommonInstancetypesDeployment", STAGE_GA},
    {"HotplugNICs", STAGE_GA},
    {"BochsDisplayForEFIGuests", STAGE_GA},
    {"NetworkBindingPlugins", STAGE_GA},
    {"DynamicPodInterfaceNaming", STAGE_GA},
    {"VolumesUpdateStrategy", STAGE_GA},
    {"VolumeMigration", STAGE_GA},
    {"InstancetypeReferencePolicy", STAGE_GA},
    {"PersistentReservation", STAGE_ALPHA},
    {"AlignCPUs", STAGE_ALPHA},
    {"CPUManager", STAGE_ALPHA},
    {"ConfigurableHypervisor", STAGE_ALPHA},
    {"ContainerPathVolumes", STAGE_ALPHA},
    {"CrossArchitectureVirtualization", STAGE_ALPHA},
    {"DecentralizedLiveMigration", STAGE_ALPHA},
    {"DownwardMetrics", STAGE_ALPHA},
    {"EnableVirtioFsStorageVolumes", STAGE_ALPHA},
    {"ExperimentalIgnitionSupport", STAGE_ALPHA},
    {"FirmwareAutoSelection", STAGE_ALPHA},
    {"GraceIOVirtualization", STAGE_ALPHA},
    {"HostDevices", STAGE_ALPHA},
    {"HostDisk", STAGE_ALPHA},
    {"HotplugVolumes", STAGE_ALPHA},
    {"HypervStrictCheck", STAGE_ALPHA},
    {"IOMMUFD", STAGE_ALPHA},
    {"IncrementalBackup", STAGE_ALPHA},
    {"MigrationStallDetection", STAGE_ALPHA},
    {"NetworkDevicesWithDRA", STAGE_ALPHA},
    {"OCIExport", STAGE_ALPHA},
    {"ObjectGraph", STAGE_ALPHA},
    {"PCINUMAAwareTopology", STAGE_ALPHA},
    {"Plugins", STAGE_ALPHA},
    {"PortRangesSpec", STAGE_ALPHA},
    {"ReservedOverheadMemlock", STAGE_ALPHA},
    {"Root", STAGE_ALPHA},
    {"Sidecar", STAGE_ALPHA},
    {"UtilityVolumes", STAGE_ALPHA},
    {"VGPULiveMigration", STAGE_ALPHA},
    {"VMStatsCollector", STAGE_ALPHA},
    {"VSOCK", STAGE_ALPHA},
    {"WorkloadEncryptionTDX", STAGE_ALPHA},
};

WryConfig *wry_config_new(WryJson *configuration, const char *default_architecture, GError **error) {
  if (configuration && !json_object_is_type(configuration, json_type_object)) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_INVALID, "spec.configuration: must be an object");
    return NULL;
  }
  WryConfig *config = g_new0(WryConfig, 1);
  if (configuration) json_object_deep_copy(configuration, &config->configuration, NULL);
  config->architecture = g_strdup(default_architecture);
  return config;
}

void wry_config_free(WryConfig *config) {
  if (!config) return;
  wry_json_put(config->configuration);
  g_free(config->architecture);
  g_free(config);
}

WryJson *wry_config_get(const WryConfig *config, const char *path) {
  return config && config->configuration ? wry_json_path(config->configuration, path) : NULL;
}

static gboolean lists(WryJson *names, const char *name) {
  gsize length = names && json_object_is_type(names, json_type_array) ? json_object_array_length(names) : 0;
  for (gsize i = 0; i < length; i++)
    if (!g_strcmp0(json_object_get_string(json_object_array_get_idx(names, i)), name)) return TRUE;
  return FALSE;
}

static GateStage gate_stage(const char *gate) {
  for (guint i = 0; i < G_N_ELEMENTS(gates); i++)
    if (!strcmp(gates[i].name, gate)) return gates[i].stage;
  return STAGE_ALPHA;
}

gboolean wry_config_gate_known(const char *gate) {
  guint i = 0;
  while (i < G_N_ELEMENTS(gates) && strcmp(gates[i].name, gate)) i++;
  return i < G_N_ELEMENTS(gates);
}

gboolean wry_config_gate(const WryConfig *config, const char *gate) {
  GateStage stage = gate_stage(gate);
  if (stage == STAGE_GA) return TRUE;
  if (lists(wry_config_get(config, "developerConfiguration.featureGates"), gate)) return TRUE; /* also when it is disabled too */
  return stage == STAGE_BETA && !lists(wry_config_get(config, "developerConfiguration.disabledFeatureGates"), gate);
}

gboolean wry_config_use_emulation(const WryConfig *config) {
  return wry_config_bool(config, "developerConfiguration.useEmulation", FALSE);
}

const char *wry_config_str(const WryConfig *config, const char *path, const char *absent) {
  WryJson *value = wry_config_get(config, path);
  const char *text = value && json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
  return text && *text ? text : absent;
}

gint64 wry_config_int(const WryConfig *config, const char *path, gint64 absent) {
  WryJson *value = wry_config_get(config, path);
  return value && json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : absent;
}

gboolean wry_config_bool(const WryConfig *config, const char *path, gboolean absent) {
  WryJson *value = wry_config_get(config, path);
  return value && json_object_is_type(value, json_type_boolean) ? json_object_get_boolean(value) : absent;
}

const char *wry_config_architecture(const WryConfig *config) {
  return wry_config_str(config, "architectureConfiguration.defaultArchitecture", config->architecture && *config->architecture ? config->architecture : "amd64");
}

static const struct { const char *architecture, *machine, *emulated[3]; } machines[] = {
    {"amd64", "q35", {"q35*", "pc-q35*"}},
    {"arm64", "virt", {"virt*"}},
    {"s390x", "s390-ccw-virtio", {"s390-ccw-virtio*"}},
};

/* An unknown architecture gets amd64's machine, as in KubeVirt. */
static guint machine_row(const char *architecture) {
  for (guint i = 0; i < G_N_ELEMENTS(machines); i++)
    if (!g_strcmp0(machines[i].architecture, architecture)) return i;
  return 0;
}

const char *wry_config_machine_type(const WryConfig *config, const char *architecture) {
  guint row = machine_row(architecture);
  g_autofree char *path = g_strdup_printf("architectureConfiguration.%s.machineType", machines[row].architecture);
  return wry_config_str(config, path, machines[row].machine);
}

gboolean wry_config_machine_allowed(const WryConfig *config, const char *architecture, const char *machine) {
  guint row = machine_row(architecture);
  g_autofree char *path = g_strdup_printf("architectureConfiguration.%s.emulatedMachines", machines[row].architecture);
  WryJson *own = wry_config_get(config, path);
  gsize length = own && json_object_is_type(own, json_type_array) ? json_object_array_length(own) : 0;
  for (gsize i = 0; i < length; i++)
    if (g_pattern_match_simple(json_object_get_string(json_object_array_get_idx(own, i)), machine)) return TRUE;
  for (guint i = 0; !length && i < G_N_ELEMENTS(machines[row].emulated) && machines[row].emulated[i]; i++)
    if (g_pattern_match_simple(machines[row].emulated[i], machine)) return TRUE;
  return FALSE;
}
