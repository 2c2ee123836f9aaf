#pragma once
/* What rules see and how they refuse. A rule is a small function over a WryCheck; the tables of rules, in KubeVirt's order, are in spec_validate.c. */
#include "lib/spec_config.h"

typedef struct {
  const WryVmiSpec *spec; /* domain, its resources and devices are there; defaulted for a VMI */
  const WryMeta *meta;    /* of the VMI, or of the VM's template; never NULL */
  const WryConfig *config;
  const char *prefix;      /* of field paths: "spec" or "spec.template.spec" */
  const char *meta_prefix; /* "metadata" or "spec.template.metadata" */
  WryRules rules;
  gboolean trusted;        /* asked by one of KubeVirt's own accounts */
  WryCauses *causes;
  char path[512];          /* of wry_at */
} WryCheck;

typedef void (*WryRule)(WryCheck *c);

/* Path below the spec ("domain.devices.disks[%u].name"), in the check's own buffer: valid until the next call. "" is the spec itself. */
const char *wry_at(WryCheck *c, const char *format, ...) G_GNUC_PRINTF(2, 3);

#define INVALID WRY_CAUSE_INVALID
#define REQUIRED WRY_CAUSE_REQUIRED
#define NOT_FOUND WRY_CAUSE_NOT_FOUND
#define DUPLICATE WRY_CAUSE_DUPLICATE
#define NOT_SUPPORTED WRY_CAUSE_NOT_SUPPORTED
#define FORBIDDEN WRY_CAUSE_FORBIDDEN

/* Refuses the value at a path that wry_at() made. */
#define wry_refuse(c, reason, at, ...) wry_causes_add((c)->causes, reason, at, __VA_ARGS__)

/* Elements of a list that may be NULL; var_i is the index. `continue` and `return` work as in one loop, `break` does not. */
#define WRY_EACH(T, var, list) \
  for (guint var##_i = 0; var##_i < ((list) ? (list)->len : 0); var##_i++) \
    for (const T *var = g_ptr_array_index((list), var##_i); var; var = NULL)

/* --- rules of a VMI's spec, one group per file ------------------------------------------------------------------------------------------------------- */
#define WRY_RULE(name) void name(WryCheck *c)
WRY_RULE(wry_rule_names);           /* spec_validate_domain.c */
WRY_RULE(wry_rule_memory);
WRY_RULE(wry_rule_machine);
WRY_RULE(wry_rule_acpi);
WRY_RULE(wry_rule_start);
WRY_RULE(wry_rule_architecture);
WRY_RULE(wry_rule_io_threads);
WRY_RULE(wry_rule_firmware);
WRY_RULE(wry_rule_secure_boot);
WRY_RULE(wry_rule_gated_fields);
WRY_RULE(wry_rule_eviction);
WRY_RULE(wry_rule_launch_security);
WRY_RULE(wry_rule_memory_given);
WRY_RULE(wry_rule_cpu_resources);   /* spec_validate_cpu.c */
WRY_RULE(wry_rule_cpu_dedicated);
WRY_RULE(wry_rule_cpu_numa);
WRY_RULE(wry_rule_cpu_features);
WRY_RULE(wry_rule_cpu_sockets);
WRY_RULE(wry_rule_cpu_realtime);
WRY_RULE(wry_rule_hyperv);
WRY_RULE(wry_rule_affinity);        /* spec_validate_placement.c */
WRY_RULE(wry_rule_spread);
WRY_RULE(wry_rule_schema_enums);
WRY_RULE(wry_rule_probes);          /* spec_validate_pod.c */
WRY_RULE(wry_rule_dns);
WRY_RULE(wry_rule_resource_claims);
WRY_RULE(wry_rule_credentials);
WRY_RULE(wry_rule_metadata);
WRY_RULE(wry_rule_network);         /* spec_validate_network.c, spec_validate_interface.c */
WRY_RULE(wry_rule_interfaces);
WRY_RULE(wry_rule_removed_gates);
WRY_RULE(wry_rule_removed_bindings);
WRY_RULE(wry_rule_boot_order);      /* spec_validate_disk.c */
WRY_RULE(wry_rule_disks);
WRY_RULE(wry_rule_disk_volumes);
WRY_RULE(wry_rule_volumes_used);
WRY_RULE(wry_rule_volumes);         /* spec_validate_volume.c */
WRY_RULE(wry_rule_container_disks);
WRY_RULE(wry_rule_filesystems);
WRY_RULE(wry_rule_inputs);          /* spec_validate_device.c */
WRY_RULE(wry_rule_vgpu_displays);
WRY_RULE(wry_rule_host_devices);
WRY_RULE(wry_rule_dra_devices);
WRY_RULE(wry_rule_sound);
WRY_RULE(wry_rule_vsock);
WRY_RULE(wry_rule_downward_metrics);
WRY_RULE(wry_rule_video);
WRY_RULE(wry_rule_panic_devices);
WRY_RULE(wry_rule_grace_devices);
WRY_RULE(wry_rule_per_architecture);

/* Labels that only KubeVirt's own accounts may set; ends with NULL. */
extern const char *const wry_reserved_labels[];

/* --- names and amounts (spec_names.c) ------------------------------------------------------------------------------------------------------------------ */
gboolean wry_is_dns_label(const char *text);     /* RFC 1123, at most 63 */
gboolean wry_is_dns_subdomain(const char *text); /* RFC 1123, at most 253 */
gboolean wry_is_qualified_name(const char *text); /* [prefix/]name as Kubernetes' label keys */
gboolean wry_is_pci_address(const char *text);    /* 0000:81:00.1 */
gboolean wry_is_one_of(const char *text, const char *const *values);
/* Thousandths of a named amount in requests or limits; 0 when absent. */
gint64 wry_amount_milli(WryJson *amounts, const char *name);
/* Whole value, rounded up; 0 when absent. */
gint64 wry_amount(WryJson *amounts, const char *name);
gint64 wry_opt_int(WryOptInt value);
gboolean wry_text(const char *text); /* neither NULL nor "" */
