#pragma once
/* The descriptors that init hands to run, by the environment variable WRY_FDS: "init=4,dhcp4:0=5,dhcp6:0=6,ra:0=7" (setup.h). */
#include <glib.h>

typedef enum { WRY_INHERITED_INIT = 0 /* else WRY_SETUP_FD_* */ } WryInheritedWhat;
typedef struct {
  int what;       /* WRY_INHERITED_INIT or WRY_SETUP_FD_* */
  guint interface; /* index in spec.domain.devices.interfaces; 0 for init */
  int fd;
} WryInherited;

/* Elements: WryInherited. NULL text is an empty list. Each descriptor is named once and lies above stderr. Pure. */
GArray *wry_inherited_parse(const char *text, GError **error);

/* Watches init's channel: `exited` for every process that init has reaped, first those that a former run was told of too. `take_fd` is owned. */
typedef struct WryInitChannel WryInitChannel;
typedef void (*WryInitExited)(int pid, int status, gpointer data);
WryInitChannel *wry_init_channel_new(int take_fd, WryInitExited exited, gpointer data);
void wry_init_channel_free(WryInitChannel *channel);
/* Takes what waits in the channel now. */
void wry_init_channel_drain(WryInitChannel *channel);
