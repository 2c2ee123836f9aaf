#pragma once
/* The parts of the VM controller (vm*.c). */
#include "handler/controller/seen.h"
#include "handler/controller/vm.h"
#include "handler/status.h"

typedef struct {
  WryJson *vm, *vmi;      /* as stored; vmi NULL: there is none of this VM's */
  WryJson *foreign;       /* a VMI of that name that belongs to another; NULL */
  const WryWorld *world;
  const WryVm *object;    /* decoded, after defaults when it was admitted */
  WryGuestState *state;
  WryStrategy strategy;
  gboolean leaving;       /* deletionTimestamp is set */
  gboolean refused;
  char *problem;          /* why it cannot be acted upon; NULL */
  const char *problem_reason;
  GPtrArray *actions;
} WryVmTurn;

/* Revision and VMI of a start (vm_start.c). FALSE: turn->problem says why not. */
gboolean wry_vm_turn_start(WryVmTurn *turn);
/* The VM's new status as an action, when it is news (vm_status.c). */
void wry_vm_turn_status(WryVmTurn *turn, gboolean start_expected);
/* Name of the revision that a start of this generation has. New string. */
char *wry_vm_revision_name(WryJson *vm);
/* The template by which the VMI runs and the VM's own differ in what needs a restart (vm_status.c). */
gboolean wry_vm_restart_required(const WryVmTurn *turn);
/* The template by which the VMI runs, from its revision. New reference, NULL: not known. */
WryJson *wry_vm_revision_template(const WryVmTurn *turn);
