/* GnuTLS, as far as the aggregated API needs it: certificates are made and judged here, sessions are the server's.
 *
 * Serial numbers are 16 random bytes. A leaf names its authority by key identifiers, so that a renewed authority of the same name is told from the old one. */
#include "handler/api/tls.h"

#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <string.h>

#include "wherry/error.h"

#define DAY 86400
#define HOUR 3600
#define SERIAL_SIZE 16u
#define KEY_ID_SIZE 20u
#define MAX_CHAIN 8u

struct WryTlsShown { gnutls_pcert_st chain[1]; gnutls_privkey_t key; };
struct WryTlsTrust { gnutls_x509_trust_list_t list; };

void wry_tls_pair_clear(WryTlsPair *pair) {
  g_clear_pointer(&pair->certificate, g_free);
  g_clear_pointer(&pair->key, g_free);
}

static gboolean good(int code, const char *what, GError **error) {
  if (code < 0) g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "%s: %s", what, gnutls_strerror(code));
  return code >= 0;
}

static gnutls_datum_t datum(const char *text) {
  return (gnutls_datum_t){(unsigned char *)(guintptr)text, (unsigned)strlen(text)};
}

static void free_certificate(gnutls_x509_crt_t *certificate) {
  if (*certificate) gnutls_x509_crt_deinit(*certificate);
}

static void free_key(gnutls_x509_privkey_t *key) {
  if (*key) gnutls_x509_privkey_deinit(*key);
}

#define AUTO_CERTIFICATE __attribute__((cleanup(free_certificate))) gnutls_x509_crt_t
#define AUTO_KEY __attribute__((cleanup(free_key))) gnutls_x509_privkey_t

static gboolean read_certificate(const char *pem, gnutls_x509_crt_t *ret, GError **error) {
  gnutls_datum_t text = datum(pem ? pem : "");
  return good(gnutls_x509_crt_init(ret), "certificate", error) && good(gnutls_x509_crt_import(*ret, &text, GNUTLS_X509_FMT_PEM), "certificate", error);
}

static gboolean read_key(const char *pem, gnutls_x509_privkey_t *ret, GError **error) {
  gnutls_datum_t text = datum(pem ? pem : "");
  return good(gnutls_x509_privkey_init(ret), "key", error) && good(gnutls_x509_privkey_import(*ret, &text, GNUTLS_X509_FMT_PEM), "key", error);
}

/* --- making ----------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean make_key(gnutls_x509_privkey_t *ret, GError **error) {
  return good(gnutls_x509_privkey_init(ret), "key", error) &&
         good(gnutls_x509_privkey_generate(*ret, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), "key", error);
}

static gboolean set_common(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key, const char *name, gint64 from, gint64 to, GError **error) {
  guint8 serial[SERIAL_SIZE], id[KEY_ID_SIZE];
  size_t size = sizeof id;
  gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial);
  serial[0] = (guint8)((serial[0] & 0x7f) | 0x40); /* positive, and never shorter */
  return good(gnutls_x509_crt_set_version(certificate, 3), "version", error) && good(gnutls_x509_crt_set_serial(certificate, serial, sizeof serial), "serial", error) &&
         good(gnutls_x509_crt_set_activation_time(certificate, (time_t)from), "notBefore", error) &&
         good(gnutls_x509_crt_set_expiration_time(certificate, (time_t)to), "notAfter", error) && good(gnutls_x509_crt_set_key(certificate, key), "key", error) &&
         good(gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name)), "common name", error) &&
         good(gnutls_x509_crt_get_key_id(certificate, 0, id, &size), "key id", error) && good(gnutls_x509_crt_set_subject_key_id(certificate, id, size), "key id", error);
}

static gboolean write_pair(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key, WryTlsPair *ret, GError **error) {
  gnutls_datum_t text = {NULL, 0}, secret = {NULL, 0};
  gboolean written = good(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &text), "certificate", error) &&
                     good(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &secret), "key", error);
  if (written) *ret = (WryTlsPair){g_strndup((const char *)text.data, text.size), g_strndup((const char *)secret.data, secret.size)};
  if (secret.data) gnutls_memset(secret.data, 0, secret.size);
  gnutls_free(text.data);
  gnutls_free(secret.data);
  return written;
}

gboolean wry_tls_make_authority(const char *common_name, guint days, gint64 now, WryTlsPair *ret, GError **error) {
  AUTO_CERTIFICATE certificate = NULL;
  AUTO_KEY key = NULL;
  return make_key(&key, error) && good(gnutls_x509_crt_init(&certificate), "certificate", error) &&
         set_common(certificate, key, common_name, now - HOUR, now + (gint64)days * DAY, error) &&
         good(gnutls_x509_crt_set_basic_constraints(certificate, 1, 0), "constraints", error) &&
         good(gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN), "usage", error) &&
         good(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0), "signature", error) && write_pair(certificate, key, ret, error);
}

static gboolean set_names(gnutls_x509_crt_t certificate, const WryTlsSubject *subject, GError **error) {
  for (guint i = 0; subject->dns && subject->dns[i]; i++)
    if (!good(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, subject->dns[i], (unsigned)strlen(subject->dns[i]), GNUTLS_FSAN_APPEND), subject->dns[i], error))
      return FALSE;
  for (guint i = 0; subject->ip && subject->ip[i]; i++) {
    guint8 address[16];
    int family = strchr(subject->ip[i], ':') ? AF_INET6 : AF_INET;
    if (inet_pton(family, subject->ip[i], address) != 1) {
      g_set_error(error, WRY_ERROR, WRY_ERROR_INVALID, "\"%s\" is no address", subject->ip[i]);
      return FALSE;
    }
    if (!good(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, address, family == AF_INET ? 4 : 16, GNUTLS_FSAN_APPEND), subject->ip[i], error)) return FALSE;
  }
  const char *uri = subject->uri;
  return !uri || good(gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_URI, uri, (unsigned)strlen(uri), GNUTLS_FSAN_APPEND), uri, error);
}

static gboolean set_purposes(gnutls_x509_crt_t certificate, const WryTlsSubject *subject, GError **error) {
  return good(gnutls_x509_crt_set_basic_constraints(certificate, 0, -1), "constraints", error) &&
         good(gnutls_x509_crt_set_key_usage(certificate, GNUTLS_KEY_DIGITAL_SIGNATURE), "usage", error) &&
         (!subject->server || good(gnutls_x509_crt_set_key_purpose_oid(certificate, GNUTLS_KP_TLS_WWW_SERVER, 0), "purpose", error)) &&
         (!subject->client || good(gnutls_x509_crt_set_key_purpose_oid(certificate, GNUTLS_KP_TLS_WWW_CLIENT, 0), "purpose", error));
}

static gboolean sign(gnutls_x509_crt_t certificate, gnutls_x509_crt_t issuer, gnutls_x509_privkey_t key, GError **error) {
  guint8 id[KEY_ID_SIZE];
  size_t size = sizeof id;
  return good(gnutls_x509_crt_get_subject_key_id(issuer, id, &size, NULL), "authority's key id", error) &&
         good(gnutls_x509_crt_set_authority_key_id(certificate, id, size), "authority's key id", error) &&
         good(gnutls_x509_crt_sign2(certificate, issuer, key, GNUTLS_DIG_SHA256, 0), "signature", error);
}

gboolean wry_tls_make_leaf(const WryTlsPair *authority, const WryTlsSubject *subject, guint days, gint64 now, WryTlsPair *ret, GError **error) {
  AUTO_CERTIFICATE certificate = NULL, issuer = NULL;
  AUTO_KEY key = NULL, issuer_key = NULL;
  if (!read_certificate(authority->certificate, &issuer, error) || !read_key(authority->key, &issuer_key, error)) return FALSE;
  gint64 to = MIN(now + (gint64)days * DAY, (gint64)gnutls_x509_crt_get_expiration_time(issuer));
  return make_key(&key, error) && good(gnutls_x509_crt_init(&certificate), "certificate", error) &&
         set_common(certificate, key, subject->common_name, now - HOUR, to, error) && set_names(certificate, subject, error) && set_purposes(certificate, subject, error) &&
         sign(certificate, issuer, issuer_key, error) && write_pair(certificate, key, ret, error);
}

/* --- judging ---------------------------------------------------------------------------------------------------------------------------------------------- */
gboolean wry_tls_validity(const char *certificate, gint64 *ret_from, gint64 *ret_to) {
  AUTO_CERTIFICATE read = NULL;
  if (!read_certificate(certificate, &read, NULL)) return FALSE;
  *ret_from = (gint64)gnutls_x509_crt_get_activation_time(read);
  *ret_to = (gint64)gnutls_x509_crt_get_expiration_time(read);
  return TRUE;
}

gboolean wry_tls_is_due(const char *certificate, gint64 now) {
  gint64 from = 0, to = 0;
  return !wry_tls_validity(certificate, &from, &to) || now < from || now >= from + (to - from) / 3 * 2;
}

gboolean wry_tls_is_signed_by(const char *certificate, const char *bundle) {
  AUTO_CERTIFICATE read = NULL;
  unsigned verdict = GNUTLS_CERT_INVALID;
  g_autoptr(WryTlsTrust) trust = wry_tls_trust_new(bundle, NULL);
  if (!trust || !read_certificate(certificate, &read, NULL)) return FALSE;
  const unsigned flags = GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS;
  return gnutls_x509_trust_list_verify_crt2(trust->list, &read, 1, NULL, 0, flags, &verdict, NULL) >= 0 && !verdict;
}

/* --- showing ---------------------------------------------------------------------------------------------------------------------------------------------- */
WryTlsShown *wry_tls_shown_new(const WryTlsPair *pair, GError **error) {
  g_autoptr(WryTlsShown) shown = g_new0(WryTlsShown, 1);
  gnutls_datum_t text = datum(pair->certificate), secret = datum(pair->key);
  gboolean made = good(gnutls_pcert_import_x509_raw(&shown->chain[0], &text, GNUTLS_X509_FMT_PEM, 0), "certificate", error) &&
                  good(gnutls_privkey_init(&shown->key), "key", error) && good(gnutls_privkey_import_x509_raw(shown->key, &secret, GNUTLS_X509_FMT_PEM, NULL, 0), "key", error);
  return made ? g_steal_pointer(&shown) : NULL;
}

void wry_tls_shown_free(WryTlsShown *shown) {
  if (!shown) return;
  gnutls_pcert_deinit(&shown->chain[0]);
  if (shown->key) gnutls_privkey_deinit(shown->key);
  g_free(shown);
}

void wry_tls_shown_get(WryTlsShown *shown, gnutls_pcert_st **ret_chain, unsigned *ret_length, gnutls_privkey_t *ret_key) {
  *ret_chain = shown->chain;
  *ret_length = 1;
  *ret_key = shown->key;
}

/* --- believing -------------------------------------------------------------------------------------------------------------------------------------------- */
WryTlsTrust *wry_tls_trust_new(const char *bundle, GError **error) {
  g_autoptr(WryTlsTrust) trust = g_new0(WryTlsTrust, 1);
  gnutls_datum_t text = datum(bundle ? bundle : "");
  if (!good(gnutls_x509_trust_list_init(&trust->list, 0), "authorities", error)) return NULL;
  if (gnutls_x509_trust_list_add_trust_mem(trust->list, &text, NULL, GNUTLS_X509_FMT_PEM, 0, 0) > 0) return g_steal_pointer(&trust);
  g_set_error_literal(error, WRY_ERROR, WRY_ERROR_INVALID, "there is no certificate of an authority in PEM");
  return NULL;
}

void wry_tls_trust_free(WryTlsTrust *trust) {
  if (!trust) return;
  if (trust->list) gnutls_x509_trust_list_deinit(trust->list, 1);
  g_free(trust);
}

static char *name_of(gnutls_x509_crt_t certificate) {
  gnutls_datum_t text = {NULL, 0};
  size_t size = 0;
  int code = gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, NULL, &size);
  if (code != GNUTLS_E_SHORT_MEMORY_BUFFER) return NULL;
  text.data = g_malloc0(size + 1);
  code = gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, text.data, &size);
  gboolean whole = code >= 0 && strlen((const char *)text.data) == size; /* a NUL inside would show another name */
  if (!whole) g_clear_pointer(&text.data, g_free);
  return (char *)text.data;
}

char *wry_tls_peer_name(const WryTlsTrust *trust, gnutls_session_t session) {
  unsigned count = 0, have = 0, verdict = GNUTLS_CERT_INVALID;
  const gnutls_datum_t *raw = session ? gnutls_certificate_get_peers(session, &count) : NULL;
  gnutls_x509_crt_t chain[MAX_CHAIN] = {NULL};
  gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)(guintptr)GNUTLS_KP_TLS_WWW_CLIENT, .size = 0};
  char *name = NULL;
  gboolean whole = raw && count && count <= MAX_CHAIN;
  for (; whole && have < count; have++)
    whole = gnutls_x509_crt_init(&chain[have]) >= 0 && gnutls_x509_crt_import(chain[have], &raw[have], GNUTLS_X509_FMT_DER) >= 0;
  if (whole && gnutls_x509_trust_list_verify_crt2(trust->list, chain, count, &purpose, 1, 0, &verdict, NULL) >= 0 && !verdict) name = name_of(chain[0]);
  for (guint i = 0; i < MAX_CHAIN; i++)
    if (chain[i]) gnutls_x509_crt_deinit(chain[i]);
  return name;
}
