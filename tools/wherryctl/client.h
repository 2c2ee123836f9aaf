#pragma once
/* wherryctl's end of the control socket (include/wherry/control.h): blocking calls, one connection each. */
#include "wherry/control.h"

typedef struct WryClient WryClient;
/* Connects to run/control.sock of the root. WRY_ERROR_NOT_FOUND with a hint when no handler serves it. */
WryClient *wry_client_open(const char *root /* NULL = the default layout */, GError **error);
void wry_client_free(WryClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryClient, wry_client_free)
int wry_client_fd(const WryClient *client);

/* Sends a call; `parameters` is a struct of the method's parameters. */
gboolean wry_client_send(WryClient *client, WryControlMethod method, gconstpointer parameters, gboolean more, GError **error);
/* The next reply's parameters (new reference); *ret_continues tells whether another follows; *ret_fd (may be NULL) gets the fd that came with it or -1. An error reply becomes a GError whose
 * message is what kubectl would print ("Error from server (NotFound): …"), causes one a line; its code comes from the HTTP status. */
WryJson *wry_client_receive(WryClient *client, gboolean *ret_continues, int *ret_fd, GError **error);
/* TRUE when a whole reply is buffered already, so that poll would not tell. */
gboolean wry_client_pending(const WryClient *client);
/* One call, one reply, on a connection of its own. */
WryJson *wry_client_call(const char *root, WryControlMethod method, gconstpointer parameters, int *ret_fd, GError **error);
