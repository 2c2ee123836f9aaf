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
/* What a decision changes in the requests; TRUE when it may lead to another decision. */
gboolean wry_decision_requests(const WryDecision *decision, WryGuestState *state);
/* Notes that the strategy was acted upon; one that does not restart by itself forgives failures. TRUE when that is news. */
gboolean wry_decision_settle(WryStrategy strategy, WryGuestState *state);

/* Crash-loop back-off after `count` failures in a row: 10 s x count squared plus up to half of it as `jitter` (0..1) says, at most 300 s (contract 3.7). */
gint64 wry_backoff_seconds(gint64 count, double jitter);
/* A start of the VM failed: its VMI ended without having reached Running, and nobody had asked for its end. Counts it and sets when the next may be. */
void wry_start_failed(WryGuestState *state, const WryInstance *vmi, gint64 now, double jitter);
/* It runs, or nobody restarts it by itself any more. */
void wry_start_forgiven(WryGuestState *state);
/* Run strategies that start a VM again by themselves, so that back-off holds for them. */
gboolean wry_strategy_automatic(WryStrategy strategy);
