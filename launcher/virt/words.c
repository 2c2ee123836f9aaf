/* libvirt's numbers in KubeVirt's words (contract 6.3). */
#include "launcher/virt/virt.h"
#include <libvirt/libvirt.h>

static const char *const paused[] = {
  [VIR_DOMAIN_PAUSED_UNKNOWN] = "Unknown",   [VIR_DOMAIN_PAUSED_USER] = "User",           [VIR_DOMAIN_PAUSED_MIGRATION] = "Migration",
  [VIR_DOMAIN_PAUSED_SAVE] = "Save",         [VIR_DOMAIN_PAUSED_DUMP] = "Dump",           [VIR_DOMAIN_PAUSED_IOERROR] = "IOError",
  [VIR_DOMAIN_PAUSED_WATCHDOG] = "Watchdog", [VIR_DOMAIN_PAUSED_FROM_SNAPSHOT] = "FromSnapshot", [VIR_DOMAIN_PAUSED_SHUTTING_DOWN] = "ShuttingDown",
  [VIR_DOMAIN_PAUSED_SNAPSHOT] = "Snapshot", [VIR_DOMAIN_PAUSED_CRASHED] = "Crashed",     [VIR_DOMAIN_PAUSED_STARTING_UP] = "StartingUp",
  [VIR_DOMAIN_PAUSED_POSTCOPY] = "Postcopy", [VIR_DOMAIN_PAUSED_POSTCOPY_FAILED] = "PostcopyFailed",
};

static const char *const shutoff[] = {
  [VIR_DOMAIN_SHUTOFF_UNKNOWN] = "Unknown",   [VIR_DOMAIN_SHUTOFF_SHUTDOWN] = "Shutdown", [VIR_DOMAIN_SHUTOFF_DESTROYED] = "Destroyed",
  [VIR_DOMAIN_SHUTOFF_CRASHED] = "Crashed",   [VIR_DOMAIN_SHUTOFF_MIGRATED] = "Migrated", [VIR_DOMAIN_SHUTOFF_SAVED] = "Saved",
  [VIR_DOMAIN_SHUTOFF_FAILED] = "Failed",     [VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT] = "FromSnapshot", [VIR_DOMAIN_SHUTOFF_DAEMON] = "Destroyed",
};

static const char *const suspended[] = {
  [VIR_DOMAIN_EVENT_SUSPENDED_PAUSED] = "User",          [VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED] = "Migration",   [VIR_DOMAIN_EVENT_SUSPENDED_IOERROR] = "IOError",
  [VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG] = "Watchdog",    [VIR_DOMAIN_EVENT_SUSPENDED_RESTORED] = "FromSnapshot", [VIR_DOMAIN_EVENT_SUSPENDED_FROM_SNAPSHOT] = "FromSnapshot",
  [VIR_DOMAIN_EVENT_SUSPENDED_API_ERROR] = "Unknown",    [VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY] = "Postcopy",    [VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY_FAILED] = "PostcopyFailed",
};

static const char *const stopped[] = {
  [VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN] = "Shutdown", [VIR_DOMAIN_EVENT_STOPPED_DESTROYED] = "Destroyed", [VIR_DOMAIN_EVENT_STOPPED_CRASHED] = "Crashed",
  [VIR_DOMAIN_EVENT_STOPPED_MIGRATED] = "Migrated", [VIR_DOMAIN_EVENT_STOPPED_SAVED] = "Saved",         [VIR_DOMAIN_EVENT_STOPPED_FAILED] = "Failed",
  [VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT] = "FromSnapshot",
};

static const char *const shutdown_by[] = {
  [VIR_DOMAIN_EVENT_SHUTDOWN_FINISHED] = "Unknown", [VIR_DOMAIN_EVENT_SHUTDOWN_GUEST] = "Guest", [VIR_DOMAIN_EVENT_SHUTDOWN_HOST] = "Host",
};

static const char *const running[] = {"Unknown"};
static const char *const pm_suspended[] = {"PMSuspended"};
static const char *const panicked[] = {"Panicked"};

typedef struct { WryVirtState state; const char *const *reasons; gsize n; } Words;
#define WORDS(table) (table), G_N_ELEMENTS(table)

static const Words states[] = {
  [VIR_DOMAIN_NOSTATE] = {WRY_VIRT_NONE, NULL, 0},
  [VIR_DOMAIN_RUNNING] = {WRY_VIRT_RUNS, WORDS(running)},
  [VIR_DOMAIN_BLOCKED] = {WRY_VIRT_RUNS, WORDS(running)},
  [VIR_DOMAIN_PAUSED] = {WRY_VIRT_PAUSED, WORDS(paused)},
  [VIR_DOMAIN_SHUTDOWN] = {WRY_VIRT_SHUTTING_DOWN, WORDS(running)},
  [VIR_DOMAIN_SHUTOFF] = {WRY_VIRT_OFF, WORDS(shutoff)},
  [VIR_DOMAIN_CRASHED] = {WRY_VIRT_CRASHED, WORDS(panicked)},
  [VIR_DOMAIN_PMSUSPENDED] = {WRY_VIRT_PAUSED, WORDS(pm_suspended)},
};

static const Words events[] = {
  [VIR_DOMAIN_EVENT_DEFINED] = {WRY_VIRT_NONE, NULL, 0},
  [VIR_DOMAIN_EVENT_UNDEFINED] = {WRY_VIRT_NONE, NULL, 0},
  [VIR_DOMAIN_EVENT_STARTED] = {WRY_VIRT_RUNS, WORDS(running)},
  [VIR_DOMAIN_EVENT_SUSPENDED] = {WRY_VIRT_PAUSED, WORDS(suspended)},
  [VIR_DOMAIN_EVENT_RESUMED] = {WRY_VIRT_RUNS, WORDS(running)},
  [VIR_DOMAIN_EVENT_STOPPED] = {WRY_VIRT_OFF, WORDS(stopped)},
  [VIR_DOMAIN_EVENT_SHUTDOWN] = {WRY_VIRT_SHUTTING_DOWN, WORDS(shutdown_by)},
  [VIR_DOMAIN_EVENT_PMSUSPENDED] = {WRY_VIRT_PAUSED, WORDS(pm_suspended)},
  [VIR_DOMAIN_EVENT_CRASHED] = {WRY_VIRT_CRASHED, WORDS(panicked)},
};

/* An unknown reason takes its state's first word. */
static WryVirtStatus look_up(const Words *table, gsize rows, int row, int reason) {
  WryVirtStatus none = {WRY_VIRT_NONE, NULL};
  if (row < 0 || (gsize)row >= rows || table[row].n == 0)
    return none;
  const Words *words = &table[row];
  return (WryVirtStatus){words->state, words->reasons[reason >= 0 && (gsize)reason < words->n ? reason : 0]};
}

WryVirtStatus wry_virt_status_of_state(int state, int reason) {
  return look_up(states, G_N_ELEMENTS(states), state, reason);
}

WryVirtStatus wry_virt_status_of_event(int event, int detail) {
  return look_up(events, G_N_ELEMENTS(events), event, detail);
}
