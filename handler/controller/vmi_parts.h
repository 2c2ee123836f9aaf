#pragma once
/* The parts of the VMI controller (vmi*.c). */
#include "handler/controller/seen.h"
#include "handler/controller/vmi.h"

typedef struct {
  WryJson *vmi;      /* as stored */
  WryJson *changed;  /* a copy, as it should be */
  WryJson *pods;     /* array, the VMI's own */
  WryJson *pod;      /* the one that counts; NULL: none */
  const WryWorld *world;
  WryPhase phase;    /* as stored */
  gboolean leaving;
  char *now;
  GPtrArray *actions;
} WryVmiTurn;

/* --- vmi_status.c: members of turn->changed -------------------------------------------------------------------------------------------------------------------------- */
void wry_vmi_enter(WryVmiTurn *turn, WryPhase phase, const char *reason);
/* What the pod of a VMI that is handed to a node says: node, volumes, memory, image, QoS class. */
void wry_vmi_hand_over(WryVmiTurn *turn);
void wry_vmi_follow_pod(WryVmiTurn *turn);

/* --- vmi_conditions.c ---------------------------------------------------------------------------------------------------------------------------------------------- */
/* TRUE when the condition's status or reason is new. */
gboolean wry_vmi_condition(WryVmiTurn *turn, const char *type, const char *status, const char *reason, const char *message);
void wry_vmi_condition_gone(WryVmiTurn *turn, const char *type);
/* All conditions that follow from pod and phase. */
void wry_vmi_conditions(WryVmiTurn *turn);
/* Readiness gate of the pod, as an action. */
void wry_vmi_gate(WryVmiTurn *turn);

/* --- vmi_pod.c ------------------------------------------------------------------------------------------------------------------------------------------------------ */
/* Makes the pod, or says in conditions why it cannot be made. TRUE: nothing else is to be written in this turn. */
gboolean wry_vmi_turn_start(WryVmiTurn *turn);
