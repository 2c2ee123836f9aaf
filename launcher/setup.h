#pragma once
/* `launcher setup` (include/wherry/setup.h): the privileged, short-lived stage. */
#include <glib.h>
#include "wherry/setup.h"

/* Serves one request from `sock` (SOCK_SEQPACKET, fd 3 of the program) and returns the exit status: 0 when the reply says ok. */
int wry_setup_serve(int sock);
/* A request that came from the root half is checked all the same: version, operation, counts, terminated strings, names. */
gboolean wry_setup_check(const WrySetupRequest *request, guint n_fds, GError **error);
