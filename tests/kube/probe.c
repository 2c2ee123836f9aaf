/* Drives the client of handler/kube/ for tests/kube/run: commands on stdin, one JSON object a line on stdout.
 *
 *   probe --kubeconfig FILE | --in-cluster DIR   [--http1] [--timeout SECONDS] [--in-flight N]
 *
 *   call N VERB PLURAL NS NAME SUB QUERY BODY    "-" stands for none; BODY is the rest of the line
 *   raw N PATH        get a path             cancel N         delete N PLURAL NS NAME UID PROPAGATION GRACE
 *   watch N PLURAL NS LABELS FIELDS KEEP PAGE SECONDS         unwatch N     dump N     object N NS NAME
 *   lease NS NAME ID DURATION RENEW RETRY    release          event KIND NS NAME TYPE REASON MESSAGE
 *   rss   cpu   quit
 *
 * Relies on: GLib's loop; libhandler. */
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "handler/kube/config.h"
#include "handler/kube/events.h"
#include "handler/kube/lease.h"
#include "handler/kube/watch.h"
#include "wherry/vpath.h"

static GMainLoop *loop;
static WryKube *kube;
static WryKubeLease *lease;
static WryKubeEvents *recorder;
static GHashTable *calls, *watches; /* number -> WryKubeCall, Watch */

typedef struct {
  int number;
  WryKubeWatch *watch;
  guint changes;
} Watch;

static const WryKubeResource *const kinds[] = {
    &wry_kube_pods, &wry_kube_nodes, &wry_kube_events, &wry_kube_secrets, &wry_kube_config_maps, &wry_kube_leases, &wry_kube_vms, &wry_kube_vmis, &wry_kube_namespaces, &wry_kube_crds,
};

/* --- out ------------------------------------------------------------------------------------------------------------------------------------------------------------------ */
static void say(WryJson *take_object) {
  puts(json_object_to_json_string_ext(take_object, JSON_C_TO_STRING_PLAIN));
  fflush(stdout);
  wry_json_put(take_object);
}

static WryJson *word(WryJson *object, const char *key, const char *value) {
  json_object_object_add(object, key, value ? json_object_new_string(value) : NULL);
  return object;
}

static WryJson *number(WryJson *object, const char *key, gint64 value) {
  json_object_object_add(object, key, json_object_new_int64(value));
  return object;
}

static void add_failure(WryJson *object, const WryKubeFailure *failure) {
  WryJson *shown = json_object_new_object(), *causes = json_object_new_array();
  word(shown, "error", failure->error->message);
  number(shown, "code", failure->error->code);
  number(shown, "http", failure->http);
  word(shown, "reason", failure->reason);
  word(shown, "message", failure->message);
  number(shown, "retryAfter", failure->retry_after);
  for (guint i = 0; i < wry_causes_count(failure->causes); i++) {
    const WryCause *cause = wry_causes_get(failure->causes, i);
    json_object_array_add(causes, word(word(word(json_object_new_object(), "reason", cause->reason), "field", cause->field), "message", cause->message));
  }
  json_object_object_add(shown, "causes", causes);
  json_object_object_add(object, "failure", shown);
}

/* --- calls ------------------------------------------------------------------------------------------------------------------------------------------------------------------ */
static void on_done(WryJson *object, const WryKubeFailure *failure, gpointer data) {
  WryJson *line = number(json_object_new_object(), "done", GPOINTER_TO_INT(data));
  g_hash_table_remove(calls, data);
  if (failure) add_failure(line, failure);
  if (object) json_object_object_add(line, "object", json_object_get(object));
  say(line);
}

static const WryKubeResource *kind_of(const char *plural) {
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (!strcmp(kinds[i]->plural, plural)) return kinds[i];
  g_error("no kind %s", plural);
}

static const char *given(const char *text) {
  return strcmp(text, "-") ? text : NULL;
}

static WryKubeVerb verb_of(const char *name) {
  static const char *const names[WRY_KUBE_VERBS] = {"get", "post", "put", "delete", "json", "merge", "strategic", "apply"};
  for (guint i = 0; i < WRY_KUBE_VERBS; i++)
    if (!strcmp(names[i], name)) return i;
  g_error("no verb %s", name);
}

static void do_call(char **w) {
  g_autoptr(WryJson) body = given(w[8]) ? wry_json_parse(w[8], strlen(w[8]), NULL) : NULL;
  gpointer key = GINT_TO_POINTER(atoi(w[1]));
  WryKubeRequest request = {
      .verb = verb_of(w[2]), .resource = kind_of(w[3]), .namespace_ = given(w[4]), .name = given(w[5]), .subresource = given(w[6]), .query = given(w[7]), .body = body,
  };
  g_hash_table_insert(calls, key, wry_kube_call(kube, &request, on_done, key));
}

static void do_raw(char **w) {
  gpointer key = GINT_TO_POINTER(atoi(w[1]));
  g_hash_table_insert(calls, key, wry_kube_call(kube, &(WryKubeRequest){.path = w[2]}, on_done, key));
}

static void do_delete(char **w) {
  gpointer key = GINT_TO_POINTER(atoi(w[1]));
  const WryKubeDelete options = {.uid = given(w[5]), .propagation = given(w[6]), .grace_seconds = atoi(w[7])};
  g_hash_table_insert(calls, key, wry_kube_delete(kube, kind_of(w[2]), given(w[3]), w[4], &options, on_done, key));
}

static void do_cancel(char **w) {
  gpointer key = GINT_TO_POINTER(atoi(w[1]));
  wry_kube_cancel(g_hash_table_lookup(calls, key));
  g_hash_table_remove(calls, key);
  say(number(json_object_new_object(), "cancelled", atoi(w[1])));
}

/* --- watches ------------------------------------------------------------------------------------------------------------------------------------------------------------------- */
static WryJson *shown_item(WryJson *line, const WryKubeItem *item) {
  word(word(word(line, "ns", wry_kube_item_namespace(item)), "name", wry_kube_item_name(item)), "uid", wry_kube_item_uid(item));
  return word(line, "version", wry_kube_item_version(item));
}

static void on_changed(WryKubeChange change, const WryKubeItem *item, gpointer data) {
  static const char *const names[] = {"ADDED", "MODIFIED", "DELETED"};
  Watch *watch = data;
  watch->changes++;
  say(shown_item(word(number(json_object_new_object(), "watch", watch->number), "changed", names[change]), item));
}

static void on_synced(gpointer data) {
  Watch *watch = data;
  say(number(number(json_object_new_object(), "watch", watch->number), "synced", wry_kube_watch_count(watch->watch)));
}

static void on_lost(const WryKubeFailure *failure, gpointer data) {
  WryJson *line = number(json_object_new_object(), "watch", ((Watch *)data)->number);
  word(line, "lost", failure->error->message);
  add_failure(line, failure);
  say(line);
}

static void watch_free(gpointer data) {
  wry_kube_watch_free(((Watch *)data)->watch);
  g_free(data);
}

static void do_watch(char **w) {
  static const WryKubeWatchCalls told = {.changed = on_changed, .synced = on_synced, .lost = on_lost};
  Watch *watch = g_new0(Watch, 1);
  WryKubeWatchOptions options = {
      .resource = kind_of(w[2]), .namespace_ = given(w[3]), .label_selector = given(w[4]), .field_selector = given(w[5]),
      .keep = !strcmp(w[6], "packed") ? WRY_KUBE_KEEP_PACKED : !strcmp(w[6], "names") ? WRY_KUBE_KEEP_NAMES : WRY_KUBE_KEEP_TEXT, .page = (guint)atoi(w[7]), .watch_seconds = (guint)atoi(w[8]),
  };
  watch->number = atoi(w[1]);
  watch->watch = wry_kube_watch_new(kube, &options, &told, watch);
  g_hash_table_insert(watches, GINT_TO_POINTER(watch->number), watch);
}

static Watch *watch_of(const char *name) {
  Watch *watch = g_hash_table_lookup(watches, GINT_TO_POINTER(atoi(name)));
  if (!watch) g_error("no watch %s", name);
  return watch;
}

static void do_unwatch(char **w) {
  g_hash_table_remove(watches, GINT_TO_POINTER(atoi(w[1])));
  say(number(json_object_new_object(), "unwatched", atoi(w[1])));
}

static gboolean add_item(const WryKubeItem *item, gpointer data) {
  json_object_array_add(data, shown_item(json_object_new_object(), item));
  return TRUE;
}

static void do_dump(char **w) {
  WryJson *list = json_object_new_array(), *line = json_object_new_object();
  const Watch *watch = watch_of(w[1]);
  wry_kube_watch_each(watch->watch, add_item, list);
  json_object_object_add(line, "dump", list);
  number(line, "changes", watch->changes);
  json_object_object_add(line, "live", json_object_new_boolean(wry_kube_watch_live(watch->watch)));
  say(line);
}

static void do_object(char **w) {
  const WryKubeItem *item = wry_kube_watch_find(watch_of(w[1])->watch, given(w[2]), w[3]);
  g_autoptr(GError) error = NULL;
  WryJson *object = item ? wry_kube_item_object(item, &error) : NULL, *line = json_object_new_object();
  json_object_object_add(line, "object", object);
  say(word(line, "error", error ? error->message : NULL));
}

/* --- lease, events ---------------------------------------------------------------------------------------------------------------------------------------------------------------- */
static void on_started(gpointer data G_GNUC_UNUSED) {
  say(word(json_object_new_object(), "lease", "started"));
}

static void on_stopped(gpointer data G_GNUC_UNUSED) {
  say(word(json_object_new_object(), "lease", "stopped"));
}

static void on_leader(const char *identity, gpointer data G_GNUC_UNUSED) {
  say(word(word(json_object_new_object(), "lease", "leader"), "identity", identity));
}

static void on_lease_failed(const WryKubeFailure *failure, gpointer data G_GNUC_UNUSED) {
  WryJson *line = word(json_object_new_object(), "lease", "failed");
  add_failure(line, failure);
  say(line);
}

static void on_released(gpointer data G_GNUC_UNUSED) {
  say(word(json_object_new_object(), "lease", "released"));
}

static void do_lease(char **w) {
  static const WryKubeLeaseCalls told = {.started = on_started, .stopped = on_stopped, .leader = on_leader, .failed = on_lease_failed};
  const WryKubeLeaseOptions options = {
      .namespace_ = w[1], .name = w[2], .identity = w[3], .duration_seconds = (guint)atoi(w[4]), .renew_seconds = (guint)atoi(w[5]), .retry_seconds = (guint)atoi(w[6]),
  };
  lease = wry_kube_lease_new(kube, &options, &told, NULL);
}

static void do_release(char **w G_GNUC_UNUSED) {
  wry_kube_lease_release(lease, on_released, NULL);
}

static void do_event(char **w) {
  const WryKubeEventObject about = {.api_version = "kubevirt.io/v1", .kind = w[1], .namespace_ = given(w[2]), .name = w[3], .uid = "u-1"};
  wry_kube_events_add(recorder, &about, "virt-handler", !strcmp(w[4], "Warning"), w[5], w[6]);
}

/* --- the process -------------------------------------------------------------------------------------------------------------------------------------------------------------------- */
static void do_rss(char **w G_GNUC_UNUSED) {
  g_autofree char *text = NULL;
  long pages = 0;
  if (g_file_get_contents("/proc/self/statm", &text, NULL, NULL)) pages = strtol(strchr(text, ' '), NULL, 10);
  say(number(json_object_new_object(), "rss", pages * sysconf(_SC_PAGESIZE)));
}

static void do_cpu(char **w G_GNUC_UNUSED) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  say(number(json_object_new_object(), "cpu", (gint64)t.tv_sec * 1000000 + t.tv_nsec / 1000));
}

static void do_quit(char **w G_GNUC_UNUSED) {
  g_main_loop_quit(loop);
}

static const struct {
  const char *name;
  gint words; /* the last one takes the rest of the line */
  void (*run)(char **words);
} commands[] = {
    {"call", 9, do_call}, {"raw", 3, do_raw}, {"delete", 8, do_delete}, {"cancel", 2, do_cancel}, {"watch", 9, do_watch}, {"unwatch", 2, do_unwatch}, {"dump", 2, do_dump}, {"object", 4, do_object},
    {"lease", 7, do_lease}, {"release", 1, do_release}, {"event", 7, do_event}, {"rss", 1, do_rss}, {"cpu", 1, do_cpu}, {"quit", 1, do_quit},
};

static gboolean on_line(GIOChannel *channel, GIOCondition condition G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED) {
  g_autofree char *line = NULL;
  gsize end;
  if (g_io_channel_read_line(channel, &line, NULL, &end, NULL) != G_IO_STATUS_NORMAL) {
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
  }
  line[end] = '\0';
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
    g_auto(GStrv) words = g_strsplit(line, " ", commands[i].words);
    if (!words[0] || strcmp(words[0], commands[i].name)) continue;
    if ((gint)g_strv_length(words) != commands[i].words) g_error("%s wants %d words", commands[i].name, commands[i].words);
    commands[i].run(words);
    return G_SOURCE_CONTINUE;
  }
  g_error("no command: %s", line);
}

static WryKubeConfig *configure(int argc, char **argv, WryKubeOptions *options, GError **error) {
  WryKubeConfig *config = NULL;
  g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--http1")) options->http1 = TRUE;
    else if (!strcmp(argv[i], "--timeout")) options->timeout_seconds = (guint)atoi(argv[++i]);
    else if (!strcmp(argv[i], "--in-flight")) options->max_in_flight = (guint)atoi(argv[++i]);
    else if (!strcmp(argv[i], "--kubeconfig") && !(config = wry_kube_config_load(argv[++i], NULL, warnings, error))) return NULL;
    else if (!strcmp(argv[i], "--in-cluster") && !(config = wry_kube_config_in_cluster(argv[++i], error))) return NULL;
  }
  for (guint i = 0; i < warnings->len; i++) say(word(json_object_new_object(), "warning", g_ptr_array_index(warnings, i)));
  return config;
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  WryKubeOptions options = {0};
  WryKubeConfig *config = configure(argc, argv, &options, &error);
  kube = config ? wry_kube_new(config, &options, &error) : NULL;
  if (!kube) {
    say(word(json_object_new_object(), "fatal", error ? error->message : "no configuration"));
    return 1;
  }
  loop = g_main_loop_new(NULL, FALSE);
  calls = g_hash_table_new(NULL, NULL);
  watches = g_hash_table_new_full(NULL, NULL, NULL, watch_free);
  recorder = wry_kube_events_new(kube, "node1");
  g_autoptr(GIOChannel) channel = g_io_channel_unix_new(STDIN_FILENO);
  g_io_add_watch(channel, G_IO_IN | G_IO_HUP, on_line, NULL);
  say(word(json_object_new_object(), "ready", wry_kube_config_server(config)));
  g_main_loop_run(loop);
  wry_kube_lease_free(lease);
  wry_kube_events_free(recorder);
  g_hash_table_unref(watches);
  g_hash_table_unref(calls);
  wry_kube_free(kube);
  g_main_loop_unref(loop);
  return 0;
}
