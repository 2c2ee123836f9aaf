#pragma once
/* The KubeVirt object: its status, and the one that is made when there is none. Pure. */
#include "handler/controller/action.h"

/* New list of WryAction. */
GPtrArray *wry_kubevirt_reconcile(WryJson *kubevirt, const WryWorld *world, const char *architecture);
#define WRY_KUBEVIRT_VERSION "v1.9.0" /* whose API this is */
