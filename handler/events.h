#pragma once
/* Kubernetes events of this node, kept in memory: the newest WRY_EVENTS_KEPT, repeats counted in one. */
#include "wherry/json.h"

#define WRY_EVENTS_KEPT 1024u

typedef struct WryEvents WryEvents;
/* `added` is told of each new or repeated event; `object` is a core/v1 Event, borrowed. */
WryEvents *wry_events_new(const char *node, void (*added)(WryJson *object, gboolean repeated, gpointer data), gpointer data);
void wry_events_free(WryEvents *events);

typedef struct { const char *kind, *namespace_, *name, *uid; } WryEventTarget;
/* `component`: who says it ("virtualmachine-controller", "virt-handler"). `warning`: type Warning, else Normal. `now`: seconds since 1970. */
void wry_events_add(WryEvents *events, const WryEventTarget *target, const char *component, gboolean warning, const char *reason, const char *message, gint64 now);
/* Oldest first; elements WryJson, borrowed. */
const GQueue *wry_events_list(const WryEvents *events);
