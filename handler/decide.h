#pragma once
/* What is to be done about one VM: a pure function of what is wanted and what is seen. Run strategies, requests and back-off are decided here, on the node
 * (contract 3.7). How a VirtualMachineInstance is then brought up and down is supervise.h. */
#include "handler/instance.h"

typedef struct {
  WryStrategy strategy;   /* in force */
  WryStrategy acted;      /* last acted upon */
  gboolean removed;       /* the manifest is gone */
  gboolean start, stop;   /* requests of the verbs; stop is meant for the present VMI */
  gboolean vmi;           /* there is a VMI */
  gboolean deleting;      /* it is being deleted */
  WryPhase phase;         /* its phase */
  gint64 retry_seconds;   /* until back-off allows a start; <= 0: now */
} WrySeen;

typedef enum {
  WRY_DO_NOTHING,
  WRY_DO_CREATE, /* make a VMI */
  WRY_DO_DELETE, /* stop the VMI gracefully and delete it */
  WRY_DO_WAIT,   /* look again in wait_seconds */
  WRY_DO_FORGET, /* the object is gone and nothing of it runs: drop it */
} WryDo;

typedef struct {
  WryDo act;
  gint64 wait_seconds;
  gboolean ask_start; /* keep a start request for after the deletion */
  gboolean pop_start, pop_stop;
  gboolean settle;    /* the strategy has now been acted upon */
} WryDecision;

WryDecision wry_decide(const WrySeen *seen);

/* Crash-loop back-off after `count` failures in a row: 10 s x count squared plus up to half of it as `jitter` (0..1) says, at most 300 s (contract 3.7). */
gint64 wry_backoff_seconds(gint64 count, double jitter);
