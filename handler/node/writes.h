#pragma once
/* Writes of VMIs' status: at most one under way for each VMI, changes gathered, a changed phase at once. */
#include "handler/kube/watch.h"

#define WRY_WRITE_SECONDS 5u /* changes other than of the phase are gathered for so long: an agent that connects tells much in its first seconds */

typedef struct WryWrites WryWrites;
/* `vmis` is the watch whose copy is compared with; borrowed. */
WryWrites *wry_writes_new(WryKube *kube, const WryKubeWatch *vmis);
void wry_writes_free(WryWrites *writes);
/* The VMI as this node sees it now. */
void wry_writes_ours(WryWrites *writes, WryJson *object);
/* The API server's copy of it has changed. */
void wry_writes_theirs(WryWrites *writes, const char *uid);
/* The VMI is gone. */
void wry_writes_forget(WryWrites *writes, const char *uid);
