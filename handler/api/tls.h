#pragma once
/* Certificates: an authority of one's own, leaves that it signs, what a server shows and whom it believes. PEM text in and out; keys are ECDSA P-256. GnuTLS only.
 *
 * All times are seconds since 1970, given by the caller: what is made does not ask the clock. */
#include <glib.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

/* --- making ----------------------------------------------------------------------------------------------------------------------------------------------- */
typedef struct { char *certificate, *key; } WryTlsPair; /* PEM; certificate: the leaf alone */
void wry_tls_pair_clear(WryTlsPair *pair);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WryTlsPair, wry_tls_pair_clear)

/* A self-signed authority, valid from an hour before `now` for `days`. FALSE with error: the library refused. */
gboolean wry_tls_make_authority(const char *common_name, guint days, gint64 now, WryTlsPair *ret, GError **error);

typedef struct {
  const char *common_name;
  const char *const *dns;    /* NULL-terminated, or NULL */
  const char *const *ip;     /* likewise; text */
  const char *uri;           /* the role: "wherry://role/api"; NULL: none */
  gboolean server, client;   /* extended key usage */
} WryTlsSubject;
/* A leaf signed by the authority; never valid for longer than it. */
gboolean wry_tls_make_leaf(const WryTlsPair *authority, const WryTlsSubject *subject, guint days, gint64 now, WryTlsPair *ret, GError **error);

/* The first certificate's notAfter and notBefore; FALSE: it is none. */
gboolean wry_tls_validity(const char *certificate, gint64 *ret_from, gint64 *ret_to);
/* Two thirds of its life are over, it is not valid yet, or it is none: time for another. */
gboolean wry_tls_is_due(const char *certificate, gint64 now);
/* `certificate` was signed by one of the authorities in the bundle. */
gboolean wry_tls_is_signed_by(const char *certificate, const char *bundle);

/* --- showing ---------------------------------------------------------------------------------------------------------------------------------------------- */
typedef struct WryTlsShown WryTlsShown;
WryTlsShown *wry_tls_shown_new(const WryTlsPair *pair, GError **error);
void wry_tls_shown_free(WryTlsShown *shown);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryTlsShown, wry_tls_shown_free)
/* Borrowed: what a handshake takes. */
void wry_tls_shown_get(WryTlsShown *shown, gnutls_pcert_st **ret_chain, unsigned *ret_length, gnutls_privkey_t *ret_key);

/* --- believing -------------------------------------------------------------------------------------------------------------------------------------------- */
typedef struct WryTlsTrust WryTlsTrust;
/* From a PEM bundle of authorities. INVALID when there is none in it. */
WryTlsTrust *wry_tls_trust_new(const char *bundle, GError **error);
void wry_tls_trust_free(WryTlsTrust *trust);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryTlsTrust, wry_tls_trust_free)
/* The common name of the peer's certificate when its chain leads to the trust, it is valid now and made for clients. NULL: it gave none, or none that is believed. New. */
char *wry_tls_peer_name(const WryTlsTrust *trust, gnutls_session_t session);
