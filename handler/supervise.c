/* The life of a VirtualMachineInstance as a table, and the back-off of its retries.
 *
 * How it works: a cell is {next state, actions}. Cells that are not written are impossible or mean nothing any more (a late answer after the end) and are ignored. What holds
 * everywhere: a guest is never started while anything may live in the sandbox (only NEW leads to MAKE, and NEW is reached only when the root half said that nothing was left); a
 * launcher that connects again is given the bundle again; whatever ends passes JUDGE before END.
 * Relies on: nothing; pure. */
#include "handler/supervise.h"

#define CELL(n, a) {WRY_LIFE_##n, (a), TRUE}
#define OVER_BY_REPORT CELL(ENDING, WRY_ACT_JUDGE | WRY_ACT_FINISH | WRY_ACT_END | WRY_ACT_CALM)
#define OVER CELL(ENDING, WRY_ACT_JUDGE | WRY_ACT_END | WRY_ACT_CALM)

static const WryStep table[WRY_LIVES][WRY_EVENTS] = {
  [WRY_LIFE_ADOPTING] = {
    [WRY_EVENT_ALIVE] = CELL(RESUME, 0),
    [WRY_EVENT_DEAD] = CELL(ENDING, WRY_ACT_JUDGE | WRY_ACT_END),
    [WRY_EVENT_UNMADE] = CELL(NEW, WRY_ACT_END), /* removes what a half-made start left; the root half keeps the order */
    [WRY_EVENT_FAILED] = CELL(SAME, WRY_ACT_RETRY),
    [WRY_EVENT_AGAIN] = CELL(SAME, WRY_ACT_QUERY),
    [WRY_EVENT_HELLO] = CELL(SAME, 0),
  },
  [WRY_LIFE_NEW] = {
    [WRY_EVENT_START] = CELL(STARTING, WRY_ACT_MAKE),
    [WRY_EVENT_STOP] = OVER,
    [WRY_EVENT_KILL] = OVER,
    [WRY_EVENT_AGAIN] = CELL(SAME, 0),
  },
  [WRY_LIFE_STARTING] = {
    [WRY_EVENT_MADE] = CELL(BOOTING, WRY_ACT_WATCH),
    [WRY_EVENT_REFUSED] = CELL(NEW, WRY_ACT_RETRY),
    [WRY_EVENT_OCCUPIED] = CELL(ADOPTING, WRY_ACT_QUERY),
    [WRY_EVENT_FAILED] = CELL(ADOPTING, WRY_ACT_RETRY),
    [WRY_EVENT_HELLO] = CELL(SAME, 0),
    [WRY_EVENT_STOP] = OVER,
    [WRY_EVENT_KILL] = OVER,
  },
  [WRY_LIFE_BOOTING] = {
    [WRY_EVENT_HELLO] = CELL(SAME, WRY_ACT_SYNC),
    [WRY_EVENT_SYNCED] = CELL(SYNCED, 0),
    [WRY_EVENT_SYNC_FAILED] = OVER,
    [WRY_EVENT_UP] = CELL(RUNNING, WRY_ACT_CALM),
    [WRY_EVENT_DOWN] = OVER_BY_REPORT,
    [WRY_EVENT_GONE] = OVER,
    [WRY_EVENT_STOP] = CELL(STOPPING, WRY_ACT_SHUTDOWN),
    [WRY_EVENT_KILL] = OVER,
    [WRY_EVENT_LATE] = OVER,
  },
  [WRY_LIFE_SYNCED] = {
    [WRY_EVENT_HELLO] = CELL(SAME, WRY_ACT_SYNC),
    [WRY_EVENT_SYNCED] = CELL(SAME, 0),
    [WRY_EVENT_SYNC_FAILED] = OVER,
    [WRY_EVENT_UP] = CELL(RUNNING, WRY_ACT_CALM),
    [WRY_EVENT_DOWN] = OVER_BY_REPORT,
    [WRY_EVENT_GONE] = OVER,
    [WRY_EVENT_STOP] = CELL(STOPPING, WRY_ACT_SHUTDOWN),
    [WRY_EVENT_KILL] = OVER,
    [WRY_EVENT_LATE] = OVER,
  },
  [WRY_LIFE_RUNNING] = {
    [WRY_EVENT_HELLO] = CELL(SAME, WRY_ACT_SYNC),
    [WRY_EVENT_SYNCED] = CELL(SAME, 0),
    [WRY_EVENT_SYNC_FAILED] = CELL(SAME, 0), /* the guest runs on; only labels and probes of the launcher are old */
    [WRY_EVENT_UP] = CELL(SAME, 0),
    [WRY_EVENT_DOWN] = OVER_BY_REPORT,
    [WRY_EVENT_GONE] = OVER,
    [WRY_EVENT_STOP] = CELL(STOPPING, WRY_ACT_SHUTDOWN),
    [WRY_EVENT_KILL] = OVER,
  },
  [WRY_LIFE_STOPPING] = {
    [WRY_EVENT_HELLO] = CELL(SAME, WRY_ACT_SHUTDOWN),
    [WRY_EVENT_SYNCED] = CELL(SAME, 0),
    [WRY_EVENT_SYNC_FAILED] = CELL(SAME, 0),
    [WRY_EVENT_UP] = CELL(SAME, 0),
    [WRY_EVENT_DOWN] = OVER_BY_REPORT,
    [WRY_EVENT_GONE] = OVER,
    [WRY_EVENT_STOP] = CELL(SAME, WRY_ACT_SHUTDOWN),
    [WRY_EVENT_KILL] = OVER,
  },
  [WRY_LIFE_ENDING] = {
    [WRY_EVENT_ENDED] = CELL(OVER, WRY_ACT_CALM),
    [WRY_EVENT_FAILED] = CELL(SAME, WRY_ACT_RETRY),
    [WRY_EVENT_AGAIN] = CELL(SAME, WRY_ACT_END),
  },
};

static const char *const life_names[WRY_LIVES] = {"none",   "adopting", "new",      "starting", "booting",
                                                  "synced", "running",  "stopping", "ending",   "over"};
static const char *const event_names[WRY_EVENTS] = {"start", "made", "refused", "occupied", "hello", "synced", "sync-failed", "up",   "down",
                                                    "gone",  "stop", "kill",    "late",     "ended", "failed", "alive",       "dead", "unmade", "again"};

const WryStep *wry_supervise(WryLife life, WryEvent event) {
  static const WryStep ignored = {WRY_LIFE_SAME, 0, FALSE};
  return (guint)life < WRY_LIVES && (guint)event < WRY_EVENTS && table[life][event].possible ? &table[life][event] : &ignored;
}

const char *wry_life_name(WryLife life) { return (guint)life < WRY_LIVES ? life_names[life] : "?"; }
const char *wry_event_name(WryEvent event) { return (guint)event < WRY_EVENTS ? event_names[event] : "?"; }

guint wry_retry_seconds(guint attempts) { return attempts >= 6 ? 60 : 1u << attempts; }
