#pragma once
/* Who asks: the user that the API server's front proxy names, believed only behind its own client certificate (contract 7.2). Pure.
 *
 * The certificate's chain is checked by TLS against the CA of the same ConfigMap; here its name is checked, and only then are headers read at all: without that order
 * anybody who reaches the port names himself (CVE-2025-64432). */
#include "handler/api/routes.h"
#include "wherry/json.h"

#define WRY_MAX_GROUPS 256
#define WRY_MAX_EXTRA 64 /* values in all */

/* What kube-system/extension-apiserver-authentication says. */
typedef struct {
  char *ca;              /* PEM of requestheader-client-ca-file */
  GStrv allowed;         /* common names; empty: any that the CA signed */
  GStrv user, group, extra; /* header names; extra: prefixes. Kubernetes' defaults are always among them */
} WryFrontProxy;
void wry_front_proxy_free(WryFrontProxy *proxy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryFrontProxy, wry_front_proxy_free)
/* From the ConfigMap. New; INVALID without a CA, or when a list is none. */
WryFrontProxy *wry_front_proxy_new(WryJson *config_map, GError **error);

typedef struct { const char *name, *value; } WryHeader;

typedef struct {
  char *user;
  GPtrArray *groups;  /* char * */
  GHashTable *extra;  /* char * key -> GPtrArray of char *; keys without prefix, lower case, decoded */
} WryRequester;
void wry_requester_clear(WryRequester *requester);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WryRequester, wry_requester_clear)

/* `common_name`: of the peer's certificate whose chain TLS has verified; NULL: it gave none. FALSE: not believed, why in ret_reason (static, fit for a client). */
gboolean wry_requester_read(const WryFrontProxy *proxy, const char *common_name, const WryHeader *headers, gsize count, WryRequester *ret, const char **ret_reason);

/* The SubjectAccessReview (authorization.k8s.io/v1) to be created. New. */
WryJson *wry_requester_review(const WryRequester *requester, const WryAccess *access);
/* What the API server answered. FALSE: refused or not understood; ret_reason borrowed from the answer, or NULL. Anything but `allowed: true` with `denied` absent or false refuses. */
gboolean wry_requester_allowed(WryJson *review, const char **ret_reason);
/* One string for the same question by the same user: a key for a cache of verdicts. New. */
char *wry_requester_key(const WryRequester *requester, const WryAccess *access);
