/* Run strategies as a table: what a VM needs, by strategy and by what its VirtualMachineInstance is doing.
 *
 * How it works: the VMI's situation picks a column, the strategy a row, and the cell a rule that may look at requests and at whether the strategy is new. A removed
 * object and a stop request come before the table. Pure: no clock, no state.
 * Relies on: contract 3.7. */
#include "handler/decide.h"

#include <string.h>

#include "wherry/limits.h"

typedef enum { ABSENT, LIVE, SUCCEEDED, FAILED, LEAVING, SITUATIONS } Situation;

typedef enum {
  KEEP,            /* nothing to do */
  MAKE,            /* a VMI must exist */
  MAKE_IF_NEW,     /* once for each time that the strategy is set */
  MAKE_IF_ASKED,   /* on a start request */
  MAKE_IF_EITHER,
  DROP,            /* the VMI must go */
  DROP_AND_RERUN,  /* go, and come back */
} Rule;

static const Rule rules[WRY_STRATEGIES][SITUATIONS] = {
  /*                        ABSENT           LIVE  SUCCEEDED FAILED          LEAVING */
  [WRY_STRATEGY_NONE]   = {KEEP,            KEEP, KEEP,     KEEP,           KEEP},
  [WRY_STRATEGY_ALWAYS] = {MAKE,            KEEP, DROP,     DROP,           KEEP},
  [WRY_STRATEGY_RERUN]  = {MAKE_IF_EITHER,  KEEP, DROP,     DROP_AND_RERUN, KEEP},
  [WRY_STRATEGY_ONCE]   = {MAKE_IF_NEW,     KEEP, KEEP,     KEEP,           KEEP},
  [WRY_STRATEGY_MANUAL] = {MAKE_IF_ASKED,   KEEP, KEEP,     KEEP,           KEEP},
  [WRY_STRATEGY_HALTED] = {KEEP,            DROP, DROP,     DROP,           KEEP},
  [WRY_STRATEGY_SINGLE] = {MAKE_IF_NEW,     KEEP, KEEP,     KEEP,           KEEP},
};

static Situation situation(const WrySeen *seen) {
  if (!seen->vmi) return ABSENT;
  if (seen->deleting) return LEAVING;
  if (seen->phase == WRY_PHASE_SUCCEEDED) return SUCCEEDED;
  return seen->phase == WRY_PHASE_FAILED ? FAILED : LIVE;
}

static gboolean wants_one(Rule rule, const WrySeen *seen) {
  gboolean fresh = seen->strategy != seen->acted;
  return rule == MAKE || (rule == MAKE_IF_NEW && fresh) || (rule == MAKE_IF_ASKED && seen->start) || (rule == MAKE_IF_EITHER && (fresh || seen->start));
}

gboolean wry_strategy_automatic(WryStrategy strategy) { return strategy == WRY_STRATEGY_ALWAYS || strategy == WRY_STRATEGY_RERUN || strategy == WRY_STRATEGY_ONCE; }

/* A person's request does not wait. */
static gboolean must_wait(const WrySeen *seen) { return seen->retry_seconds > 0 && wry_strategy_automatic(seen->strategy); }

static void apply(Rule rule, const WrySeen *seen, WryDecision *decision) {
  if (rule == DROP || rule == DROP_AND_RERUN) {
    decision->act = WRY_DO_DELETE;
    decision->ask_start = rule == DROP_AND_RERUN;
  } else if (wants_one(rule, seen)) {
    decision->act = must_wait(seen) ? WRY_DO_WAIT : WRY_DO_CREATE;
    decision->wait_seconds = decision->act == WRY_DO_WAIT ? seen->retry_seconds : 0;
  }
}

WryDecision wry_decide(const WrySeen *seen) {
  WryDecision decision = {WRY_DO_NOTHING, 0, FALSE, FALSE, FALSE, FALSE};
  Situation now = situation(seen);
  decision.pop_start = seen->start && now == LIVE && !seen->stop;
  decision.pop_stop = seen->stop && now == ABSENT;
  if (seen->removed) {
    decision.act = now == ABSENT ? WRY_DO_FORGET : now == LEAVING ? WRY_DO_NOTHING : WRY_DO_DELETE;
    return decision;
  }
  if (seen->stop && now != ABSENT && now != LEAVING)
    decision.act = WRY_DO_DELETE;
  else
    apply(rules[seen->strategy][now], seen, &decision);
  decision.settle = now != LEAVING && decision.act != WRY_DO_WAIT;
  return decision;
}

gboolean wry_decision_requests(const WryDecision *decision, WryGuestState *state) {
  if (decision->pop_start) state->startRequested = state->startPaused = (WryOptBool){FALSE, FALSE};
  if (decision->pop_stop || (state->stopRequested && state->vmi && strcmp(state->stopRequested, state->vmi->uid) != 0)) g_clear_pointer(&state->stopRequested, g_free);
  if (decision->ask_start) state->startRequested = (WryOptBool){TRUE, TRUE};
  return decision->pop_start || decision->pop_stop || decision->ask_start;
}

gboolean wry_decision_settle(WryStrategy strategy, WryGuestState *state) {
  const char *name = strategy == WRY_STRATEGY_SINGLE ? "Once" : wry_strategy_name(strategy);
  if (g_strcmp0(state->acted, name) == 0) return FALSE;
  if (!wry_strategy_automatic(strategy)) state->failures = state->retryAt = (WryOptInt){FALSE, 0};
  g_free(state->acted);
  state->acted = g_strdup(name);
  return TRUE;
}

gint64 wry_backoff_seconds(gint64 count, double jitter) {
  if (count <= 0) return 0;
  gint64 base = count > 100 ? WRY_BACKOFF_MAX_SECONDS : (gint64)WRY_BACKOFF_STEP_SECONDS * count * count;
  return MIN(base + (gint64)((double)base * 0.5 * CLAMP(jitter, 0.0, 1.0)), (gint64)WRY_BACKOFF_MAX_SECONDS);
}

void wry_start_failed(WryGuestState *state, const WryInstance *vmi, gint64 now, double jitter) {
  if (wry_opt_bool(vmi->reachedRunning, FALSE) || vmi->deletionTimestamp) return;
  state->failures = (WryOptInt){TRUE, state->failures.v + 1};
  state->retryAt = (WryOptInt){TRUE, now + wry_backoff_seconds(state->failures.v, jitter)};
  g_free(state->failedUid);
  state->failedUid = g_strdup(vmi->uid);
}

void wry_start_forgiven(WryGuestState *state) {
  state->failures = state->retryAt = (WryOptInt){FALSE, 0};
  g_clear_pointer(&state->failedUid, g_free);
}
