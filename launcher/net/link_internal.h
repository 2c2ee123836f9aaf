#pragma once
/* What link.c and addr.c share. */
#include "launcher/net/link.h"
#include <netlink/netlink.h>

struct WryNl {
  struct nl_sock *sock;
};

/* Sets *error from a libnl error number; FALSE. */
gboolean wry_nl_error(GError **error, int problem, const char *what);
