#pragma once
/* A queue of names to look at: each at most once in it and never twice at work; what comes while it is worked on makes it look again; failures wait longer and longer. */
#include <glib.h>

typedef struct WryQueue WryQueue;
/* Looks at `name` ("vmi/ns/name"); ends with wry_queue_done, at once or later. */
typedef void (*WryQueueWork)(const char *name, gpointer data);

WryQueue *wry_queue_new(guint at_once, WryQueueWork work, gpointer data);
void wry_queue_free(WryQueue *queue);
/* As soon as possible. */
void wry_queue_add(WryQueue *queue, const char *name);
/* In so many seconds, unless it is looked at before. */
void wry_queue_add_later(WryQueue *queue, const char *name, gint64 seconds);
/* `failed`: it is looked at again after a while: 0.2 s, doubled with each failure in a row up to a minute, with jitter. */
void wry_queue_done(WryQueue *queue, const char *name, gboolean failed);
/* Names that are known: waiting, at work or failing. */
guint wry_queue_length(const WryQueue *queue);

/* Milliseconds before the n-th try after a failure (n from 1), without jitter. */
guint wry_queue_backoff_ms(guint failures);
