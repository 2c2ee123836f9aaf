#pragma once
/* What the handler knows of a VM beyond its manifest, and of the VirtualMachineInstance that runs for it. Both are structs with field tables, so a state record is
 * their encoding and nothing else. */
#include "wherry/bundle.h"
#include "wherry/spec.h"
#include "wherry/wire.h"

/* KubeVirt's phases (contract 3.2). */
typedef enum {
  WRY_PHASE_NONE, WRY_PHASE_PENDING, WRY_PHASE_SCHEDULING, WRY_PHASE_SCHEDULED, WRY_PHASE_RUNNING, WRY_PHASE_SUCCEEDED, WRY_PHASE_FAILED, WRY_PHASES
} WryPhase;
const char *wry_phase_name(WryPhase phase); /* "Pending"; "" for WRY_PHASE_NONE */
WryPhase wry_phase_parse(const char *name); /* NULL and unknown names: WRY_PHASE_NONE */
static inline gboolean wry_phase_final(WryPhase phase) { return phase == WRY_PHASE_SUCCEEDED || phase == WRY_PHASE_FAILED; }

/* Run strategies (contract 3.7); WRY_STRATEGY_SINGLE is a VirtualMachineInstance with a manifest of its own: it runs once. */
typedef enum {
  WRY_STRATEGY_NONE, WRY_STRATEGY_ALWAYS, WRY_STRATEGY_RERUN, WRY_STRATEGY_ONCE, WRY_STRATEGY_MANUAL, WRY_STRATEGY_HALTED, WRY_STRATEGY_SINGLE, WRY_STRATEGIES
} WryStrategy;
const char *wry_strategy_name(WryStrategy strategy); /* "Always"; NULL for NONE and SINGLE */
WryStrategy wry_strategy_parse(const char *name);

typedef struct { char *type, *status, *reason, *message, *lastProbeTime, *lastTransitionTime; } WryCondition;
typedef struct { char *phase, *phaseTransitionTimestamp; } WryPhaseTime;

/* A VirtualMachineInstance. */
typedef struct {
  char *uid, *creationTimestamp;
  char *deletionTimestamp;         /* being stopped or deleted since */
  WryOptInt deletionGraceSeconds;  /* of that deletion */
  WryOptInt generation;            /* of the VM that it was started from */
  char *phase, *reason;            /* reason: status.reason once Failed */
  WryOptBool reachedRunning;
  GPtrArray *phaseTransitionTimestamps; /* WryPhaseTime */
  GPtrArray *conditions;                /* WryCondition */
  WryVmi *object;                  /* defaulted */
  WryVmiReport *report;            /* the launcher's last; NULL before the first */
  WryJson *interfaces;             /* encoded WryBundleInterface list after set-up; NULL before */
  WryOptInt uidNumber;             /* the sandbox's uid */
  char *bootId;                    /* of the kernel that it was started under */
  char *podUid;                    /* in a cluster: of its launcher pod */
} WryInstance;

/* The durable part of a VirtualMachine or of a VirtualMachineInstance with a manifest of its own. */
typedef struct {
  WryOptInt slot;                  /* unique in this root: uid, network address */
  char *firmwareUuid, *firmwareSerial; /* fixed at first sight */
  char *strategy;                  /* run strategy set by the start and stop verbs in place of the spec's; void when the manifest's spec changes */
  char *acted;                     /* run strategy that was last acted upon (status.runStrategy) */
  WryOptBool startRequested, startPaused;
  char *stopRequested;             /* uid of the VMI to stop */
  WryOptInt stopGraceSeconds;      /* asked with the request */
  WryOptInt failures;              /* in a row without having reached Running */
  char *failedUid;
  WryOptInt retryAt;               /* seconds since 1970: no start before */
  WryJson *claims;                 /* in a cluster: volume -> bytes that a disk image in its claim may have, as text */
  WryInstance *vmi;
} WryGuestState;

extern const WryType wry_instance_type, wry_guest_state_type;

WryInstance *wry_instance_new(WryVmi *take_object, const char *uid, const char *now);
void wry_instance_free(WryInstance *instance);
WryPhase wry_instance_phase(const WryInstance *instance); /* WRY_PHASE_NONE for NULL */
/* Enters a phase: appends one phaseTransitionTimestamps entry per phase value. FALSE when it is in that phase already. */
gboolean wry_instance_enter(WryInstance *instance, WryPhase phase, const char *now);
/* Grace period of a stop in seconds: the deletion's, else the spec's, else the default. */
gint64 wry_instance_grace(const WryInstance *instance);

/* Conditions in place. `set` returns TRUE when anything changed; lastTransitionTime changes with status alone. */
gboolean wry_condition_set(GPtrArray **conditions, const char *type, gboolean status, const char *reason, const char *message, const char *now);
gboolean wry_condition_clear(GPtrArray *conditions, const char *type);
const WryCondition *wry_condition_find(const GPtrArray *conditions, const char *type);

/* RFC 3339 in UTC, as Kubernetes prints times: "2024-01-02T03:04:05Z". New string. */
char *wry_time_text(gint64 unix_seconds);
