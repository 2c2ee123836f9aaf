#pragma once
/* Takes a stream of JSON apart while it arrives, cut at any byte: the members of a list one at a time, or one value after another. Holds one piece at most, never the whole. Pure. */
#include <glib.h>

typedef struct WryKubeSplitter WryKubeSplitter;

typedef enum {
  WRY_KUBE_SPLIT_LIST,   /* one object whose "items" are the pieces (a LIST) */
  WRY_KUBE_SPLIT_VALUES, /* objects one behind the other, white space between them (a WATCH) */
} WryKubeSplit;

/* One piece: an object, RFC 8259 but for its UTF-8 and duplicate keys, not NUL-terminated; nested at most WRY_MAX_JSON_DEPTH deep. FALSE with error ends the feed. */
typedef gboolean (*WryKubePiece)(const char *text, gsize length, gpointer data, GError **error);

WryKubeSplitter *wry_kube_splitter_new(WryKubeSplit split, WryKubePiece piece, gpointer data);
void wry_kube_splitter_free(WryKubeSplitter *splitter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryKubeSplitter, wry_kube_splitter_free)
/* WRY_ERROR_PROTOCOL: no JSON, or not of the wanted shape; WRY_ERROR_TOO_LARGE: a piece above WRY_MAX_KUBE_OBJECT, or a list that is large without its items. Nothing may be fed after a failure. */
gboolean wry_kube_splitter_feed(WryKubeSplitter *splitter, const char *bytes, gsize length, GError **error);
/* The stream has ended: FALSE with WRY_ERROR_PROTOCOL in the middle of something. */
gboolean wry_kube_splitter_finish(const WryKubeSplitter *splitter, GError **error);
/* Of a list that was finished: the list with its items taken out ("items":[]). Borrowed. */
const GString *wry_kube_splitter_rest(const WryKubeSplitter *splitter);
