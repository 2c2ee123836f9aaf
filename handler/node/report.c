/* The node's part of a VMI's status as a merge patch.
 *
 * How it works: before the guest runs, all that the node has to say is why it does not (condition Synchronized). From Running on its own members replace the server's where they differ; lists
 * that the controller writes too are merged: conditions by type, phase times by phase, volumes by name. Times alone are no difference.
 * Relies on: the order of phases; a phase never going back. */
#include "handler/node/report.h"

#include "handler/instance.h"

#include <string.h>

/* Conditions that are the node's to set and to take away. */
static const char *const own_conditions[] = {"Paused", "AgentConnected", "AgentVersionNotSupported", "SoftwareEmulation", "LiveMigratable", "StorageLiveMigratable", "Synchronized", "LauncherDegraded", NULL};
static const char *const own_members[] = {"currentCPUTopology", "guestOSInfo", "interfaces", "machine", "reason", "runtimeUser", "selinuxContext"};

static WryJson *member(WryJson *object, const char *key) { return object ? wry_json_get(object, key) : NULL; }
static gsize length_of(WryJson *array) { return array && json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0; }
static gboolean same(WryJson *a, WryJson *b) { return a == b || (a && b && json_object_equal(a, b)); }

static WryJson *find(WryJson *array, const char *key, const char *value) {
  for (gsize i = 0; i < length_of(array); i++) {
    WryJson *entry = json_object_array_get_idx(array, i);
    if (g_strcmp0(wry_json_str(entry, key), value) == 0) return entry;
  }
  return NULL;
}

/* --- conditions ----------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean says_the_same(WryJson *a, WryJson *b) {
  static const char *const keys[] = {"status", "reason", "message"};
  for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
    if (g_strcmp0(wry_json_str(a, keys[i]), wry_json_str(b, keys[i])) != 0) return FALSE;
  return TRUE;
}

static gboolean is_own(const char *type, gboolean running) { return type && (running ? g_strv_contains(own_conditions, type) : strcmp(type, "Synchronized") == 0); }

/* The server's list with our own conditions in place of its own; NULL when it says that already. */
static WryJson *merge_conditions(WryJson *ours, WryJson *server, gboolean running) {
  WryJson *merged = json_object_new_array();
  gboolean changed = FALSE;
  for (gsize i = 0; i < length_of(server); i++) {
    WryJson *entry = json_object_array_get_idx(server, i), *mine = find(ours, "type", wry_json_str(entry, "type"));
    gboolean own = is_own(wry_json_str(entry, "type"), running), kept = !own || (mine && says_the_same(mine, entry));
    changed = changed || !kept;
    if (kept)
      json_object_array_add(merged, json_object_get(entry));
    else if (mine)
      json_object_array_add(merged, json_object_get(mine));
  }
  for (gsize i = 0; i < length_of(ours); i++) {
    WryJson *mine = json_object_array_get_idx(ours, i);
    if (!is_own(wry_json_str(mine, "type"), running) || find(server, "type", wry_json_str(mine, "type"))) continue;
    json_object_array_add(merged, json_object_get(mine));
    changed = TRUE;
  }
  if (changed) return merged;
  json_object_put(merged);
  return NULL;
}

/* --- the rest -------------------------------------------------------------------------------------------------------------------------------------------- */
static void put_if_other(WryJson *patch, const char *key, WryJson *mine, WryJson *theirs) {
  if (mine && !same(mine, theirs)) json_object_object_add(patch, key, json_object_get(mine));
}

static void put_phase(WryJson *patch, WryJson *ours, WryJson *server, WryPhase phase) {
  WryJson *times = member(server, "phaseTransitionTimestamps"), *mine = find(member(ours, "phaseTransitionTimestamps"), "phase", wry_phase_name(phase)), *merged = json_object_new_array();
  json_object_object_add(patch, "phase", json_object_new_string(wry_phase_name(phase)));
  for (gsize i = 0; i < length_of(times); i++) json_object_array_add(merged, json_object_get(json_object_array_get_idx(times, i)));
  if (mine && !find(times, "phase", wry_phase_name(phase))) json_object_array_add(merged, json_object_get(mine));
  json_object_object_add(patch, "phaseTransitionTimestamps", merged);
}

/* Targets are ours, the rest of an entry the controller's. */
static void put_volumes(WryJson *patch, WryJson *ours, WryJson *server) {
  WryJson *merged = json_object_new_array();
  gboolean changed = length_of(server) < length_of(ours);
  for (gsize i = 0; i < length_of(ours); i++) {
    WryJson *mine = json_object_array_get_idx(ours, i), *theirs = find(server, "name", wry_json_str(mine, "name")), *entry = NULL;
    json_object_deep_copy(theirs ? theirs : mine, &entry, NULL);
    if (theirs && g_strcmp0(wry_json_str(theirs, "target"), wry_json_str(mine, "target")) != 0) {
      json_object_object_add(entry, "target", json_object_get(wry_json_get(mine, "target")));
      changed = TRUE;
    }
    json_object_array_add(merged, entry);
  }
  for (gsize i = 0; i < length_of(server); i++) {
    WryJson *theirs = json_object_array_get_idx(server, i);
    if (!find(ours, "name", wry_json_str(theirs, "name"))) json_object_array_add(merged, json_object_get(theirs));
  }
  if (changed && length_of(ours))
    json_object_object_add(patch, "volumeStatus", merged);
  else
    json_object_put(merged);
}

/* memoryOverhead is the controller's. */
static void put_memory(WryJson *patch, WryJson *ours, WryJson *server) {
  static const char *const keys[] = {"guestAtBoot", "guestCurrent", "guestRequested"};
  WryJson *memory = json_object_new_object();
  for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) put_if_other(memory, keys[i], member(ours, keys[i]), member(server, keys[i]));
  if (json_object_object_length(memory))
    json_object_object_add(patch, "memory", memory);
  else
    json_object_put(memory);
}

static void put_running(WryJson *patch, WryJson *ours, WryJson *server) {
  for (gsize i = 0; i < G_N_ELEMENTS(own_members); i++) put_if_other(patch, own_members[i], member(ours, own_members[i]), member(server, own_members[i]));
  put_volumes(patch, member(ours, "volumeStatus"), member(server, "volumeStatus"));
  put_memory(patch, member(ours, "memory"), member(server, "memory"));
}

WryJson *wry_report_patch(WryJson *ours, WryJson *server, gboolean *ret_phase) {
  WryJson *mine = member(ours, "status"), *theirs = member(server, "status"), *meta = member(server, "metadata");
  WryPhase phase = wry_phase_parse(mine ? wry_json_str(mine, "phase") : NULL), known = wry_phase_parse(theirs ? wry_json_str(theirs, "phase") : NULL);
  gboolean running = phase >= WRY_PHASE_RUNNING;
  *ret_phase = running && phase > known && !wry_phase_final(known);
  if (!mine || !meta || (wry_phase_final(known) && phase != known)) return NULL;
  g_autoptr(WryJson) status = json_object_new_object();
  WryJson *conditions = merge_conditions(member(mine, "conditions"), member(theirs, "conditions"), running);
  if (conditions) json_object_object_add(status, "conditions", conditions);
  if (*ret_phase) put_phase(status, mine, theirs, phase);
  if (running) put_running(status, mine, theirs);
  if (json_object_object_length(status) == 0) return NULL;
  WryJson *patch = json_object_new_object(), *version = json_object_new_object();
  json_object_object_add(version, "resourceVersion", json_object_get(wry_json_get(meta, "resourceVersion")));
  json_object_object_add(patch, "metadata", version);
  json_object_object_add(patch, "status", g_steal_pointer(&status));
  return patch;
}
