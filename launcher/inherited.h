#pragma once
/* The descriptors that init hands to run, by the environment variable WRY_FDS: "init=4,setup=5", in a pod also "deposit=6" (setup.h). */
#include <glib.h>

typedef struct { int init, setup, deposit; } WryInherited; /* -1: not given */

/* NULL text gives none. Each is named at most once and lies above stderr. Pure. */
gboolean wry_inherited_parse(const char *text, WryInherited *ret, GError **error);

/* A socket that setup opened for an interface (index in spec.domain.devices.interfaces). */
typedef struct {
  int what;        /* WRY_SETUP_FD_* */
  guint interface;
  int fd;          /* close-on-exec, the caller's */
} WryInheritedSocket;
/* Looks at what waits in `setup`; elements: WryInheritedSocket. It may be looked at again, by this process or the next. It is there before the handler sends a bundle; WRY_ERROR_* of
 * EAGAIN before that. */
GArray *wry_inherited_sockets(int setup, GError **error);

/* Leaves what waits in the socket `from` where `setup` shows it to this run and all later ones. Nothing to do outside a pod, and when there is something already. */
gboolean wry_inherited_deposit(const WryInherited *inherited, int from, GError **error);

/* Watches init's channel: `exited` for every process that init has reaped, first those that a former run was told of too. `take_fd` is owned. */
typedef struct WryInitChannel WryInitChannel;
typedef void (*WryInitExited)(int pid, int status, gpointer data);
WryInitChannel *wry_init_channel_new(int take_fd, WryInitExited exited, gpointer data);
void wry_init_channel_free(WryInitChannel *channel);
/* Takes what waits in the channel now. */
void wry_init_channel_drain(WryInitChannel *channel);
