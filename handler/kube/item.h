#pragma once
/* One object of a watched collection as text, and the store of them. Pure. */
#include "handler/kube/scan.h"
#include "handler/kube/watch.h"

/* `text` is one whole JSON object. WRY_ERROR_PROTOCOL without a plain name, uid or resourceVersion, or when it is no UTF-8. metadata.managedFields is left out of what is kept. New reference. */
WryKubeItem *wry_kube_item_new(const WryKubeResource *resource, WryKubeSpan text, GError **error);
/* The same item in the form in which it is stored: `keep`. New reference (may be the same item). */
WryKubeItem *wry_kube_item_keep(WryKubeItem *item, WryKubeKeep keep);
/* Without metadata.managedFields. New string. */
char *wry_kube_item_strip(WryKubeSpan text, gsize *ret_length);

/* --- store ------------------------------------------------------------------------------------------------------------------------------------------------------------------ */
typedef struct WryKubeStore WryKubeStore;

/* Told of what differs. `item` is borrowed. */
typedef void (*WryKubeStoreChanged)(WryKubeChange change, const WryKubeItem *item, gpointer data);

WryKubeStore *wry_kube_store_new(WryKubeKeep keep, WryKubeStoreChanged changed, gpointer data);
void wry_kube_store_free(WryKubeStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryKubeStore, wry_kube_store_free)
guint wry_kube_store_count(const WryKubeStore *store);
const WryKubeItem *wry_kube_store_find(const WryKubeStore *store, const char *ns, const char *name);
void wry_kube_store_each(const WryKubeStore *store, WryKubeEach each, gpointer data);

/* The object is there in this state. The same uid and resourceVersion as known: nothing changed. Another uid: DELETED, then ADDED. */
void wry_kube_store_put(WryKubeStore *store, WryKubeItem *item);
/* It is gone; nothing happens when it is not known, or known with another uid. `item` is its last state. */
void wry_kube_store_drop(WryKubeStore *store, WryKubeItem *item);
/* A new list begins, from its start; what is put from now on belongs to it. */
void wry_kube_store_list_begin(WryKubeStore *store);
/* The list was whole: what it did not have is gone. */
void wry_kube_store_list_end(WryKubeStore *store);
