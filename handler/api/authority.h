#pragma once
/* The installation's certificate authority and this handler's leaf: kept in one Secret of the installation's namespace, made by whichever handler comes first; the leaf is made here, renewed here
 * and never leaves the process. The APIService is told the authority. */
#include "handler/api/tls.h"
#include "handler/kube/client.h"

#define WRY_API_SECRET "kubevirt-ca"
#define WRY_API_SERVICE "virt-api"
#define WRY_API_AUTHORITY_DAYS 3650u
#define WRY_API_LEAF_DAYS 1u

typedef struct WryApiAuthority WryApiAuthority;

/* `kube` and `install_namespace` outlive it. Works from the main loop; what fails is tried again. */
WryApiAuthority *wry_api_authority_new(WryKube *kube, const char *install_namespace);
void wry_api_authority_free(WryApiAuthority *authority);
/* What a handshake shows; length 0 before the first leaf is there. Borrowed until the main loop runs. */
void wry_api_authority_show(WryApiAuthority *authority, gnutls_pcert_st **ret_chain, unsigned *ret_length, gnutls_privkey_t *ret_key);

/* The Secret with an authority, and back. FALSE: it holds none. Pure. */
WryJson *wry_api_authority_secret(const WryTlsPair *pair, const char *install_namespace);
gboolean wry_api_authority_read(WryJson *secret, WryTlsPair *ret);
/* The APIService of the aggregated API. Pure, new. */
WryJson *wry_api_authority_service(const char *certificate, const char *install_namespace);
