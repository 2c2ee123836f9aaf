#pragma once
/* What the wire files share. Only lib/ includes this. */
#include "wherry/wire.h"

/* WRY_ERROR_PROTOCOL unless a message of this type may carry so many fds. */
gboolean wry_msg_check_fds(WryMsgType type, guint n_fds, GError **error);
