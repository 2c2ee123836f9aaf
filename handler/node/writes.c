/* Status writes.
 *
 * How it works: what this node sees of a VMI is kept as it was last shown; each time it or the server's copy changes the two are compared (report.h). A difference of the phase is written at once,
 * others a little later together. A write is conditional on the version it was compared with; a conflict means that a newer copy is on its way, and that is compared anew. What the server answered
 * stands for its copy until the watch brings that.
 * Relies on: report.h saying nothing when there is nothing to write, so that this comes to rest. */
#include "handler/node/writes.h"

#include "handler/node/report.h"
#include "wherry/log.h"

#define AGAIN_SECONDS 5u /* after a failure that no news of the watch follows */

typedef struct {
  WryWrites *home;
  char *uid, *namespace_, *name;
  WryJson *ours, *written; /* written: the server's answer, until the watch is as new */
  WryKubeCall *call;
  guint timer;
  gboolean soon;           /* the timer is for at once */
} Write;

struct WryWrites {
  WryKube *kube;
  const WryKubeWatch *vmis;
  GHashTable *table; /* uid -> Write */
};

static void look(Write *write);

static void free_write(gpointer data) {
  Write *write = data;
  wry_kube_cancel(write->call);
  g_clear_handle_id(&write->timer, g_source_remove);
  wry_json_put(write->ours);
  wry_json_put(write->written);
  g_free(write->uid);
  g_free(write->namespace_);
  g_free(write->name);
  g_free(write);
}

/* The server's copy; NULL when it has none of this uid. New reference. */
static WryJson *server_copy(const Write *write) {
  const WryKubeItem *item = wry_kube_watch_find(write->home->vmis, write->namespace_, write->name);
  if (write->written) return json_object_get(write->written);
  return item && g_strcmp0(wry_kube_item_uid(item), write->uid) == 0 ? wry_kube_item_object(item, NULL) : NULL;
}

static gboolean on_timer(gpointer data);

static void arm(Write *write, guint seconds) {
  g_clear_handle_id(&write->timer, g_source_remove);
  write->soon = seconds == 0;
  write->timer = seconds ? g_timeout_add_seconds(seconds, on_timer, write) : g_idle_add(on_timer, write);
}

static void on_written(WryJson *object, const WryKubeFailure *failure, gpointer data) {
  Write *write = data;
  write->call = NULL;
  if (!failure) {
    wry_json_put(write->written);
    write->written = object ? json_object_get(object) : NULL;
    look(write);
    return;
  }
  wry_log(failure->http == 409 ? WRY_LOG_DEBUG : WRY_LOG_WARNING, "status of a VMI not written", "vmi", write->name, "why", failure->error->message, NULL);
  g_clear_pointer(&write->written, wry_json_put);
  arm(write, AGAIN_SECONDS);
}

static gboolean on_timer(gpointer data) {
  Write *write = data;
  gboolean phase;
  write->timer = 0;
  g_autoptr(WryJson) server = server_copy(write);
  g_autoptr(WryJson) patch = server && !write->call ? wry_report_patch(write->ours, server, &phase) : NULL;
  if (patch) write->call = wry_kube_patch(write->home->kube, &wry_kube_vmis, write->namespace_, write->name, NULL, WRY_KUBE_PATCH_MERGE, patch, on_written, write);
  return G_SOURCE_REMOVE;
}

static void look(Write *write) {
  gboolean phase = FALSE;
  g_autoptr(WryJson) server = write->ours && !write->call ? server_copy(write) : NULL;
  g_autoptr(WryJson) patch = server ? wry_report_patch(write->ours, server, &phase) : NULL;
  if (!patch)
    return;
  if (phase && !write->soon)
    arm(write, 0);
  else if (!write->timer)
    arm(write, WRY_WRITE_SECONDS);
}

static Write *write_of(WryWrites *writes, WryJson *meta) {
  const char *uid = wry_json_str(meta, "uid");
  Write *write = g_hash_table_lookup(writes->table, uid);
  if (write) return write;
  write = g_new0(Write, 1);
  *write = (Write){.home = writes, .uid = g_strdup(uid), .namespace_ = g_strdup(wry_json_str(meta, "namespace")), .name = g_strdup(wry_json_str(meta, "name"))};
  g_hash_table_insert(writes->table, g_strdup(uid), write);
  return write;
}

void wry_writes_ours(WryWrites *writes, WryJson *object) {
  WryJson *meta = wry_json_get(object, "metadata");
  if (!meta || !wry_json_str(meta, "uid") || !wry_json_get(object, "status")) return;
  Write *write = write_of(writes, meta);
  wry_json_put(write->ours);
  write->ours = json_object_get(object);
  look(write);
}

void wry_writes_theirs(WryWrites *writes, const char *uid) {
  Write *write = g_hash_table_lookup(writes->table, uid);
  if (!write) return;
  g_clear_pointer(&write->written, wry_json_put);
  look(write);
}

void wry_writes_forget(WryWrites *writes, const char *uid) { g_hash_table_remove(writes->table, uid); }

WryWrites *wry_writes_new(WryKube *kube, const WryKubeWatch *vmis) {
  WryWrites *writes = g_new0(WryWrites, 1);
  *writes = (WryWrites){.kube = kube, .vmis = vmis, .table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_write)};
  return writes;
}

void wry_writes_free(WryWrites *writes) {
  if (!writes) return;
  g_hash_table_unref(writes->table);
  g_free(writes);
}
