#pragma once
/* A local copy of a collection, kept by LIST and WATCH (Kubernetes API concepts: "Efficient detection of changes").
 *
 * LIST comes in pages and is decoded while it arrives, one item at a time; then WATCH with bookmarks from the list's resourceVersion. A stream that ends is resumed from the last resourceVersion seen; 410
 * Gone lists anew and tells only what differs, deletions included. Nothing is ever deleted because of a partial list. All failures are waited out with jittered back-off; a watch never gives up.
 *
 * The store keeps text, not trees (a json-c tree is fifteen times its text), without metadata.managedFields. */
#include "handler/kube/client.h"

typedef struct WryKubeWatch WryKubeWatch;
typedef struct WryKubeItem WryKubeItem;

typedef enum {
  WRY_KUBE_KEEP_TEXT,   /* compact JSON */
  WRY_KUBE_KEEP_PACKED, /* deflated: about a quarter of it, unpacked when asked for */
  WRY_KUBE_KEEP_NAMES,  /* namespace, name, uid, resourceVersion only; `changed` still has the text */
} WryKubeKeep;

typedef struct {
  const WryKubeResource *resource; /* static */
  const char *namespace_;          /* NULL: all */
  const char *label_selector;      /* "kubevirt.io=virt-launcher"; NULL: all */
  const char *field_selector;      /* "spec.nodeName=n1"; NULL: all */
  WryKubeKeep keep;
  guint page;                      /* items in one page of a LIST; 0: WRY_KUBE_PAGE */
  guint watch_seconds;             /* the server ends a WATCH after a random time between this and twice this; 0: WRY_KUBE_WATCH_SECONDS */
} WryKubeWatchOptions;

#define WRY_KUBE_PAGE 500u
#define WRY_KUBE_WATCH_SECONDS 300u

typedef enum { WRY_KUBE_ADDED, WRY_KUBE_MODIFIED, WRY_KUBE_DELETED } WryKubeChange;

typedef struct {
  /* One object changed. The store holds the new state already (for DELETED: no longer the object). `item` is borrowed for the call; wry_kube_item_object gives its JSON. An object that was replaced by another
   * of the same name is told as DELETED, then ADDED. For a DELETED that follows from a new list the item is the last state known. */
  void (*changed)(WryKubeChange change, const WryKubeItem *item, gpointer data);
  /* The copy is whole: after the first list, and after each new one. May be NULL. */
  void (*synced)(gpointer data);
  /* Contact was lost, or is refused (403: rights, 404: no such kind); the watch goes on trying. Told at each failed attempt. May be NULL. */
  void (*lost)(const WryKubeFailure *failure, gpointer data);
} WryKubeWatchCalls;

/* Strings of `options` are copied; `calls` (static), `kube` and `data` outlive the watch. The first request starts from the main loop. */
WryKubeWatch *wry_kube_watch_new(WryKube *kube, const WryKubeWatchOptions *options, const WryKubeWatchCalls *calls, gpointer data);
/* Must not be called from its own callbacks. */
void wry_kube_watch_free(WryKubeWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryKubeWatch, wry_kube_watch_free)

/* TRUE from the first `synced` on. */
gboolean wry_kube_watch_synced(const WryKubeWatch *watch);
/* TRUE while a WATCH stream is open. */
gboolean wry_kube_watch_live(const WryKubeWatch *watch);
guint wry_kube_watch_count(const WryKubeWatch *watch);
/* Borrowed until the next change; `ns` NULL or "" for a cluster's own kind. NULL: not there. */
const WryKubeItem *wry_kube_watch_find(const WryKubeWatch *watch, const char *ns, const char *name);
/* Calls `each` for every item in no order; `each` must not run the main loop. FALSE ends the walk. */
typedef gboolean (*WryKubeEach)(const WryKubeItem *item, gpointer data);
void wry_kube_watch_each(const WryKubeWatch *watch, WryKubeEach each, gpointer data);

/* --- items ---------------------------------------------------------------------------------------------------------------------------------------------------------- */
const char *wry_kube_item_namespace(const WryKubeItem *item); /* "" for a cluster's own kind */
const char *wry_kube_item_name(const WryKubeItem *item);
const char *wry_kube_item_uid(const WryKubeItem *item);
const char *wry_kube_item_version(const WryKubeItem *item);   /* resourceVersion */
/* The whole object parsed, apiVersion and kind included (items of a list have none on the wire; they are set here), metadata.managedFields left out. New reference. NULL with an error when it was not kept
 * (WRY_ERROR_NOT_FOUND) or is no JSON that wry_json_parse takes. */
WryJson *wry_kube_item_object(const WryKubeItem *item, GError **error);
/* The item for longer than it is borrowed. */
WryKubeItem *wry_kube_item_ref(const WryKubeItem *item);
void wry_kube_item_unref(WryKubeItem *item);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryKubeItem, wry_kube_item_unref)
