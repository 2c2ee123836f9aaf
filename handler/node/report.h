#pragma once
/* What the node role writes into a VMI's status: the fields that are its own, beside those of the controller (contract 3.2, 3.4, 3.5). Pure. */
#include "wherry/json.h"

/* `ours` is the VMI as this node sees it (status.h), `server` as the API server has it. A merge patch for the status subresource, conditional on the server's resourceVersion; NULL: there is nothing to
 * write. *ret_phase: the patch changes the phase. New reference. */
WryJson *wry_report_patch(WryJson *ours, WryJson *server, gboolean *ret_phase);
