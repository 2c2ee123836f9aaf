#pragma once
/* The connection to the handler. It comes and goes as the handler does; the VM does not depend on it. Who we are follows from our cgroup, so nothing is told but the hello. */
#include "wherry/wire.h"

typedef struct {
  void (*connected)(gpointer data); /* hello is sent; time for the status */
  void (*message)(WryMsgType type, gpointer body, int *fds, guint n_fds, gpointer data); /* as WryWireMessage */
  void (*lost)(gpointer data);      /* what was asked through the old connection needs no answer any more */
} WryHandlerCalls;

typedef struct WryHandler WryHandler;

/* `node_dir` is the rendezvous directory with launcher.sock: borrowed. `run`: how many times `launcher run` was started in this sandbox. */
WryHandler *wry_handler_new(int node_dir, gint64 run, const WryHandlerCalls *calls, gpointer data);
void wry_handler_free(WryHandler *handler);
gboolean wry_handler_is_connected(const WryHandler *handler);
/* Sends when connected; without a connection the message is dropped: the status is sent anew at the next one. fds are borrowed. */
void wry_handler_send(WryHandler *handler, WryMsgType type, gconstpointer body, const int *fds, guint n_fds);
/* Seconds to wait after the nth failure in a row (from 1). Pure. */
guint wry_handler_backoff(guint failures);
