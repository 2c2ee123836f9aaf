#pragma once
/* start, stop, restart, pause, unpause, softreboot, reset: KubeVirt's subresources as rules (contract 7.5, 7.6). Pure. */
#include "handler/decide.h"

typedef struct {
  gboolean paused, force;
  WryOptInt grace;         /* gracePeriodSeconds */
} WryVerbOptions;

/* What the rules look at. vmi NULL: there is none. */
typedef struct {
  const char *name;
  WryStrategy strategy;    /* of the VM, in force; WRY_STRATEGY_SINGLE: no VM */
  const WryInstance *vmi;
} WryVerbView;

typedef enum { WRY_VERB_REFUSE, WRY_VERB_RECORD, WRY_VERB_SEND } WryVerbKind;

typedef struct {
  WryVerbKind kind;
  /* REFUSE */
  int code;
  const char *reason;      /* static */
  char *message;           /* as kubectl prints it */
  /* RECORD: what changes in the VM's state */
  WryStrategy strategy;    /* WRY_STRATEGY_NONE: unchanged */
  gboolean start, stop, start_paused, clear_failure;
  WryOptInt grace;
  /* SEND: to the launcher */
  WryMsgType message_type;
} WryVerbPlan;
void wry_verb_plan_clear(WryVerbPlan *plan);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WryVerbPlan, wry_verb_plan_clear)

/* FALSE: no such verb. `vm`: asked of a VirtualMachine, else of a VirtualMachineInstance. */
gboolean wry_verb_plan(const char *verb, gboolean vm, const WryVerbView *view, const WryVerbOptions *options, WryVerbPlan *ret);
