#pragma once
/* The kinds of kubevirt.io/v1 that only a cluster has, and the status of every kind as field tables. Status is written and kept as JSON; the tables check it and
 * make the CRDs. Sources: kubevirt.io/v1 CRD schemas of KubeVirt 1.9.0. */
#include "spec.h"

typedef struct {
  WryOptInt replicas; /* absent: 1 */
  WryLabelSelector *selector;
  WryVmiTemplate *template_;
  WryOptBool paused;
} WryReplicaSetSpec;
typedef struct { char *apiVersion, *kind; WryMeta *metadata; WryReplicaSetSpec *spec; WryJson *status; } WryReplicaSet;

typedef struct { char *connectURL, *migrationID; } WryMigrationSendTo;
typedef struct { char *migrationID; } WryMigrationReceive;
typedef struct {
  char *vmiName;
  WryJson *addedNodeSelector; /* MAP */
  WryMigrationSendTo *sendTo;
  WryMigrationReceive *receive;
  char *priority;
} WryMigrationSpec;
typedef struct { char *apiVersion, *kind; WryMeta *metadata; WryMigrationSpec *spec; WryJson *status; } WryMigration;

typedef struct { WryLabelSelector *selector; WryDomain *domain; } WryPresetSpec;
typedef struct { char *apiVersion, *kind; WryMeta *metadata; WryPresetSpec *spec; } WryPreset;

extern const WryType wry_replica_set_type, wry_migration_type, wry_preset_type;
/* Of values that stay JSON: there is no C struct behind them. */
extern const WryType wry_vmi_status_type, wry_vm_status_type, wry_replica_set_status_type, wry_migration_status_type;
/* One cause (FieldValueNotSupported) for each part of spec that asks for something which this version does not do, and for each feature gate of a name that
 * KubeVirt does not know. An empty value asks for nothing. `spec` may be NULL. */
void wry_kubevirt_review(WryJson *spec, WryCauses *causes);
/* The same as text for a condition: paths, at most WRY_MAX_CAUSES_SHOWN and then a count of the rest. New string; NULL when all is supported. */
char *wry_kubevirt_unsupported(WryJson *spec);
extern const WryType wry_kubevirt_spec_type, wry_kubevirt_config_type, wry_kubevirt_status_type;
