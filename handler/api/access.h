#pragma once
/* May he? Asked of the API server by SubjectAccessReview before anything else is done for a request; verdicts are kept for seconds, so that a burst asks once. */
#include "handler/api/requester.h"
#include "handler/kube/client.h"

#define WRY_ACCESS_ALLOWED_SECONDS 10
#define WRY_ACCESS_REFUSED_SECONDS 5
#define WRY_ACCESS_KEPT 1024u

typedef struct WryAccessCheck WryAccessCheck;
/* Once, never from within the question. `failed`: nobody could be asked. `reason` may be NULL. */
typedef void (*WryAccessDone)(gboolean allowed, gboolean failed, const char *reason, gpointer data);

WryAccessCheck *wry_access_check_new(WryKube *kube);
/* Questions that are open are never answered. */
void wry_access_check_free(WryAccessCheck *check);
void wry_access_check_ask(WryAccessCheck *check, const WryRequester *requester, const WryAccess *access, WryAccessDone done, gpointer data);
