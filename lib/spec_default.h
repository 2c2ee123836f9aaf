#pragma once
/* The steps of the defaults, shared by lib/spec_default*.c. Each step changes the spec in place. */
#include "lib/spec_config.h"

typedef struct {
  WryVmiSpec *spec; /* domain, its devices and resources are there */
  const WryConfig *config;
  WryUuidSource random_uuid;
  gpointer data;
} WryDefaults;

/* FALSE with *error: the cluster's configuration forbids what the default would be. */
typedef gboolean (*WryDefaultStep)(WryDefaults *d, GError **error);

#define WRY_DEFAULT_STEP(name) gboolean name(WryDefaults *d, GError **error)
WRY_DEFAULT_STEP(wry_default_architecture);
WRY_DEFAULT_STEP(wry_default_machine);
WRY_DEFAULT_STEP(wry_default_requests);
WRY_DEFAULT_STEP(wry_default_guest_memory);
WRY_DEFAULT_STEP(wry_default_topology);
WRY_DEFAULT_STEP(wry_default_firmware);
WRY_DEFAULT_STEP(wry_default_boot);
WRY_DEFAULT_STEP(wry_default_cpu_model);
WRY_DEFAULT_STEP(wry_default_clock);
WRY_DEFAULT_STEP(wry_default_features);
WRY_DEFAULT_STEP(wry_default_hyperv_closure);
WRY_DEFAULT_STEP(wry_default_cpu_hotplug);
WRY_DEFAULT_STEP(wry_default_memory_hotplug);
WRY_DEFAULT_STEP(wry_default_pull_policies);
WRY_DEFAULT_STEP(wry_default_eviction);
WRY_DEFAULT_STEP(wry_default_pod_interface);
WRY_DEFAULT_STEP(wry_default_volume_disks);
WRY_DEFAULT_STEP(wry_default_disks);
WRY_DEFAULT_STEP(wry_default_addresses);
WRY_DEFAULT_STEP(wry_default_inputs);
WRY_DEFAULT_STEP(wry_default_watchdog);
WRY_DEFAULT_STEP(wry_default_probes);

/* Sets *slot to a copy of `value` when it is NULL or "". */
void wry_default_str(char **slot, const char *value);
void wry_default_bool(WryOptBool *slot, gboolean value);
/* TRUE for an absent or zero count. */
gboolean wry_is_zero(WryOptInt value);
gboolean wry_is_architecture(const WryVmiSpec *spec, const char *architecture);
/* New text from the uuid source. */
char *wry_default_uuid(const WryDefaults *d);

/* Brings a struct into the form in which Go would write it: empty strings, lists and maps and zero values absent where they are "omitempty", quantities canonical
 * (lib/spec_normal.c). */
void wry_struct_normalize(const WryType *type, gpointer s);
/* PCI addresses of PCIe machines are laid out by version 3 of KubeVirt's topology; the annotation says so. Keeps one that is there. */
void wry_default_pci_topology(WryMeta *meta, const WryVmiSpec *spec);
/* Adds or keeps `map`[key]; makes the map. */
void wry_map_default(WryJson **map, const char *key, const char *value);
/* Makes domain, resources, devices of a spec whose schema asks for them, so that steps need not ask. */
void wry_spec_complete(WryVmiSpec *spec);
