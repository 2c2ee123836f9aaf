/* The work queue: a table of names with a state each, and a FIFO of those that are due.
 *
 * How it works: a name is idle, waiting, at work, or at work and wanted again. Timers (a wish for later, back-off) only make it waiting. Names that are idle without failures or timers are forgotten.
 * Relies on: GLib's main loop. */
#include "handler/controller/queue.h"

#define FIRST_MS 200u
#define LAST_MS 60000u

typedef struct {
  WryQueue *queue;
  char *name;
  gboolean waiting, busy, again;
  guint failures, timer;
  gint64 due; /* of the timer, monotonic us */
} Entry;

struct WryQueue {
  GHashTable *entries; /* name -> Entry */
  GQueue due;          /* of Entry */
  guint at_once, busy, idle;
  WryQueueWork work;
  gpointer data;
};

static void free_entry(gpointer data) {
  Entry *entry = data;
  g_clear_handle_id(&entry->timer, g_source_remove);
  g_free(entry->name);
  g_free(entry);
}

static gboolean turn(gpointer data) {
  WryQueue *queue = data;
  queue->idle = 0;
  while (queue->busy < queue->at_once && !g_queue_is_empty(&queue->due)) {
    Entry *entry = g_queue_pop_head(&queue->due);
    entry->waiting = FALSE;
    entry->busy = TRUE;
    queue->busy++;
    queue->work(entry->name, queue->data);
  }
  return G_SOURCE_REMOVE;
}

static void kick(WryQueue *queue) {
  if (!queue->idle && !g_queue_is_empty(&queue->due) && queue->busy < queue->at_once) queue->idle = g_idle_add(turn, queue);
}

WryQueue *wry_queue_new(guint at_once, WryQueueWork work, gpointer data) {
  WryQueue *queue = g_new0(WryQueue, 1);
  queue->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_entry);
  g_queue_init(&queue->due);
  queue->at_once = at_once;
  queue->work = work;
  queue->data = data;
  return queue;
}

void wry_queue_free(WryQueue *queue) {
  if (!queue) return;
  g_clear_handle_id(&queue->idle, g_source_remove);
  g_queue_clear(&queue->due);
  g_hash_table_unref(queue->entries);
  g_free(queue);
}

static Entry *entry_of(WryQueue *queue, const char *name) {
  Entry *entry = g_hash_table_lookup(queue->entries, name);
  if (entry) return entry;
  entry = g_new0(Entry, 1);
  entry->queue = queue;
  entry->name = g_strdup(name);
  g_hash_table_insert(queue->entries, entry->name, entry);
  return entry;
}

static void want(Entry *entry) {
  if (entry->busy) {
    entry->again = TRUE;
    return;
  }
  if (entry->waiting) return;
  entry->waiting = TRUE;
  g_queue_push_tail(&entry->queue->due, entry);
  kick(entry->queue);
}

void wry_queue_add(WryQueue *queue, const char *name) { want(entry_of(queue, name)); }

static gboolean on_due(gpointer data) {
  Entry *entry = data;
  entry->timer = 0;
  want(entry);
  return G_SOURCE_REMOVE;
}

/* The earlier of two times holds. */
static void arm(Entry *entry, guint ms) {
  gint64 due = g_get_monotonic_time() + (gint64)ms * 1000;
  if (entry->timer && entry->due <= due) return;
  g_clear_handle_id(&entry->timer, g_source_remove);
  entry->due = due;
  entry->timer = g_timeout_add(ms, on_due, entry);
}

void wry_queue_add_later(WryQueue *queue, const char *name, gint64 seconds) { arm(entry_of(queue, name), (guint)CLAMP(seconds, 0, 86400) * 1000); }

guint wry_queue_backoff_ms(guint failures) {
  guint ms = FIRST_MS;
  for (; failures > 1 && ms < LAST_MS; failures--) ms *= 2;
  return MIN(ms, LAST_MS);
}

void wry_queue_done(WryQueue *queue, const char *name, gboolean failed) {
  Entry *entry = g_hash_table_lookup(queue->entries, name);
  if (!entry || !entry->busy) return;
  entry->busy = FALSE;
  queue->busy--;
  entry->failures = failed ? entry->failures + 1 : 0;
  if (failed)
    arm(entry, wry_queue_backoff_ms(entry->failures) + (guint)g_random_int_range(0, (gint32)FIRST_MS));
  else if (entry->again)
    want(entry);
  entry->again = FALSE;
  if (!entry->waiting && !entry->timer && !entry->failures) g_hash_table_remove(queue->entries, name);
  kick(queue);
}

guint wry_queue_length(const WryQueue *queue) { return g_hash_table_size(queue->entries); }
