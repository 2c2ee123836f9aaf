#pragma once
/* A file descriptor that closes itself at the end of its scope: `wry_autofd int fd = ...;`. GLib has g_autofd only from 2.76 on; Debian 12 has 2.74. */
#include <glib.h>
#include <unistd.h>

static inline void wry_fd_close(int *fd) {
  if (*fd >= 0)
    close(*fd);
  *fd = -1;
}
#define wry_autofd __attribute__((cleanup(wry_fd_close)))
