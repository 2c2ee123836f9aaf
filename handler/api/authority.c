/* Secret -> authority -> leaf -> APIService.
 *
 * How it works: the Secret is read; when there is none one is made, and of two handlers that do so at once one is told that it exists and reads the other's. The leaf
 * is made anew when two thirds of its day are over; connections live on. The APIService is applied with every look, so that it heals. */
#include "handler/api/authority.h"

#include "handler/api/routes.h"
#include "wherry/log.h"

#define LOOK_SECONDS 600u
#define RETRY_SECONDS 3u

struct WryApiAuthority {
  WryKube *kube;
  const char *install_namespace;
  WryTlsPair pair, leaf;
  WryTlsShown *shown;
  WryKubeCall *call, *service;
  guint timer;
};

static void look(WryApiAuthority *authority);

static gint64 now(void) { return g_get_real_time() / G_USEC_PER_SEC; }

/* --- objects ---------------------------------------------------------------------------------------------------------------------------------------------- */
static WryJson *text(const char *value) { return json_object_new_string(value); }

static WryJson *labelled(const char *version, const char *kind, const char *ns, const char *name, const char *label) {
  WryJson *object = json_object_new_object(), *meta = json_object_new_object(), *labels = json_object_new_object();
  json_object_object_add(object, "apiVersion", text(version));
  json_object_object_add(object, "kind", text(kind));
  json_object_object_add(object, "metadata", meta);
  json_object_object_add(meta, "name", text(name));
  if (ns) json_object_object_add(meta, "namespace", text(ns));
  json_object_object_add(labels, "kubevirt.io", text(label));
  json_object_object_add(meta, "labels", labels);
  return object;
}

static void put_base64(WryJson *object, const char *key, const char *value) {
  g_autofree char *encoded = g_base64_encode((const guchar *)value, strlen(value));
  json_object_object_add(object, key, text(encoded));
}

WryJson *wry_api_authority_secret(const WryTlsPair *pair, const char *install_namespace) {
  WryJson *secret = labelled("v1", "Secret", install_namespace, WRY_API_SECRET, ""), *data = json_object_new_object();
  put_base64(data, "tls.crt", pair->certificate);
  put_base64(data, "tls.key", pair->key);
  json_object_object_add(secret, "type", text("kubernetes.io/tls"));
  json_object_object_add(secret, "data", data);
  return secret;
}

static char *get_base64(WryJson *data, const char *key) {
  const char *encoded = wry_json_str(data, key);
  gsize length = 0;
  g_autofree guchar *bytes = encoded ? g_base64_decode(encoded, &length) : NULL;
  return bytes && length ? g_strndup((const char *)bytes, length) : NULL;
}

gboolean wry_api_authority_read(WryJson *secret, WryTlsPair *ret) {
  WryJson *data = wry_json_get(secret, "data");
  gint64 from, to;
  *ret = (WryTlsPair){get_base64(data, "tls.crt"), get_base64(data, "tls.key")};
  if (ret->certificate && ret->key && wry_tls_validity(ret->certificate, &from, &to)) return TRUE;
  wry_tls_pair_clear(ret);
  return FALSE;
}

WryJson *wry_api_authority_service(const char *certificate, const char *install_namespace) {
  WryJson *object = labelled("apiregistration.k8s.io/v1", "APIService", NULL, WRY_API_VERSION "." WRY_API_GROUP, "virt-api-aggregator");
  WryJson *spec = json_object_new_object(), *service = json_object_new_object();
  json_object_object_add(service, "namespace", text(install_namespace));
  json_object_object_add(service, "name", text(WRY_API_SERVICE));
  json_object_object_add(service, "port", json_object_new_int(443));
  json_object_object_add(spec, "group", text(WRY_API_GROUP));
  json_object_object_add(spec, "version", text(WRY_API_VERSION));
  json_object_object_add(spec, "groupPriorityMinimum", json_object_new_int(1000));
  json_object_object_add(spec, "versionPriority", json_object_new_int(15));
  json_object_object_add(spec, "service", service);
  put_base64(spec, "caBundle", certificate);
  json_object_object_add(object, "spec", spec);
  return object;
}

/* --- the leaf --------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean renew(WryApiAuthority *authority, GError **error) {
  g_autofree char *service = g_strdup_printf(WRY_API_SERVICE ".%s.svc", authority->install_namespace);
  const char *const names[] = {service, NULL};
  WryTlsSubject subject = {.common_name = service, .dns = names, .uri = "wherry://role/api", .server = TRUE};
  if (authority->leaf.certificate && !wry_tls_is_due(authority->leaf.certificate, now()) && wry_tls_is_signed_by(authority->leaf.certificate, authority->pair.certificate)) return TRUE;
  g_auto(WryTlsPair) leaf = {NULL, NULL};
  if (!wry_tls_make_leaf(&authority->pair, &subject, WRY_API_LEAF_DAYS, now(), &leaf, error)) return FALSE;
  WryTlsShown *shown = wry_tls_shown_new(&leaf, error);
  if (!shown) return FALSE;
  wry_tls_shown_free(authority->shown);
  authority->shown = shown;
  wry_tls_pair_clear(&authority->leaf);
  authority->leaf = leaf;
  leaf = (WryTlsPair){NULL, NULL};
  return TRUE;
}

static void on_applied(WryJson *object G_GNUC_UNUSED, const WryKubeFailure *failure, gpointer data) {
  WryApiAuthority *authority = data;
  authority->service = NULL;
  if (failure) wry_log(WRY_LOG_WARNING, "the aggregated API is not announced", "why", failure->error->message, NULL);
}

static void announce(WryApiAuthority *authority) {
  g_autoptr(WryJson) service = wry_api_authority_service(authority->pair.certificate, authority->install_namespace);
  WryKubeRequest request = {.verb = WRY_KUBE_PATCH_APPLY, .path = "/apis/apiregistration.k8s.io/v1/apiservices/" WRY_API_VERSION "." WRY_API_GROUP,
                            .query = "fieldManager=virt-api&force=true", .body = service};
  if (!authority->service) authority->service = wry_kube_call(authority->kube, &request, on_applied, authority);
}

/* --- the Secret ------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean on_timer(gpointer data) {
  WryApiAuthority *authority = data;
  authority->timer = 0;
  look(authority);
  return G_SOURCE_REMOVE;
}

static void again(WryApiAuthority *authority, guint seconds) {
  if (!authority->timer) authority->timer = g_timeout_add_seconds(seconds, on_timer, authority);
}

static void use(WryApiAuthority *authority, WryJson *secret) {
  g_autoptr(GError) error = NULL;
  g_auto(WryTlsPair) pair = {NULL, NULL};
  gboolean good = wry_api_authority_read(secret, &pair);
  if (good) {
    WryTlsPair old = authority->pair;
    authority->pair = pair;
    pair = old;
  }
  if (!good) wry_log(WRY_LOG_ERROR, "the Secret " WRY_API_SECRET " holds no authority", NULL);
  else if (!renew(authority, &error)) wry_log(WRY_LOG_ERROR, "no certificate", "why", error->message, NULL);
  else announce(authority);
  again(authority, good && !error ? LOOK_SECONDS : RETRY_SECONDS);
}

static void on_created(WryJson *object, const WryKubeFailure *failure, gpointer data) {
  WryApiAuthority *authority = data;
  authority->call = NULL;
  if (!failure) use(authority, object);
  else again(authority, RETRY_SECONDS);
}

static void make(WryApiAuthority *authority) {
  g_autoptr(GError) error = NULL;
  g_auto(WryTlsPair) pair = {NULL, NULL};
  if (!wry_tls_make_authority("kubevirt.io", WRY_API_AUTHORITY_DAYS, now(), &pair, &error)) {
    wry_log(WRY_LOG_ERROR, "no authority", "why", error->message, NULL);
    again(authority, RETRY_SECONDS);
    return;
  }
  g_autoptr(WryJson) secret = wry_api_authority_secret(&pair, authority->install_namespace);
  authority->call = wry_kube_create(authority->kube, &wry_kube_secrets, secret, on_created, authority);
}

static void on_read(WryJson *object, const WryKubeFailure *failure, gpointer data) {
  WryApiAuthority *authority = data;
  authority->call = NULL;
  if (!failure) use(authority, object);
  else if (failure->http == 404) make(authority);
  else again(authority, RETRY_SECONDS);
}

static void look(WryApiAuthority *authority) {
  if (!authority->call) authority->call = wry_kube_get(authority->kube, &wry_kube_secrets, authority->install_namespace, WRY_API_SECRET, on_read, authority);
}

/* --- beginning and end ------------------------------------------------------------------------------------------------------------------------------------- */
WryApiAuthority *wry_api_authority_new(WryKube *kube, const char *install_namespace) {
  WryApiAuthority *authority = g_new0(WryApiAuthority, 1);
  authority->kube = kube;
  authority->install_namespace = install_namespace;
  look(authority);
  return authority;
}

void wry_api_authority_free(WryApiAuthority *authority) {
  if (!authority) return;
  wry_kube_cancel(authority->call);
  wry_kube_cancel(authority->service);
  if (authority->timer) g_source_remove(authority->timer);
  wry_tls_shown_free(authority->shown);
  wry_tls_pair_clear(&authority->pair);
  wry_tls_pair_clear(&authority->leaf);
  g_free(authority);
}

void wry_api_authority_show(WryApiAuthority *authority, gnutls_pcert_st **ret_chain, unsigned *ret_length, gnutls_privkey_t *ret_key) {
  *ret_length = 0;
  if (authority->shown) wry_tls_shown_get(authority->shown, ret_chain, ret_length, ret_key);
}
