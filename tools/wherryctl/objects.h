#pragma once
/* Reading objects from the handler, and how they are printed. */
#include "tools/wherryctl/verb.h"
#include "wherry/json.h"

/* One object; NULL with kubectl's NotFound message. New reference. */
WryJson *wry_object_fetch(const WryArgs *args, const WryKindName *kind, const char *name, GError **error);
/* Calls `each` for every object now (type "ADDED", then "BOOKMARK" with a NULL object), and with `watch` for every change until `each` returns FALSE. `timeout_ms` -1 = none; WRY_ERROR_TIMEOUT. */
typedef gboolean (*WryObjectEach)(const char *type, WryJson *object, gpointer data);
gboolean wry_objects_each(const WryArgs *args, const WryKindName *kind, const char *name, gboolean watch, gint64 timeout_ms, WryObjectEach each, gpointer data, GError **error);
/* All objects now. Elements: references. */
GPtrArray *wry_objects_fetch(const WryArgs *args, const WryKindName *kind, const char *name, GError **error);

/* Rows of a table: columns by kind; `wide` adds those of priority 1. A printer keeps its widths between calls, so that a watch goes on in the same columns. */
typedef struct WryTable WryTable;
/* `qualified`: names are "kind.group/name", as when several kinds are shown. */
WryTable *wry_table_new(const WryKindName *kind, gboolean with_namespace, gboolean wide, gboolean qualified);
void wry_table_free(WryTable *table);
void wry_table_add(WryTable *table, WryJson *object);
void wry_table_flush(WryTable *table); /* prints rows added since, the heading first */

/* "5m3s" since an RFC 3339 time, "<unknown>" for none. New string. */
char *wry_age(const char *timestamp);
/* kind.group/name. New string. */
char *wry_object_qualified_name(WryJson *object);
