/* The api role: from a request to the function that answers it.
 *
 * How it works: a route is found, its requester believed, the cluster asked whether he may, the objects read that the route names, then the route's own function is called. Each step ends the request
 * or goes on to the next; nothing before the cluster's word looks at an object. Whom to believe stands in a ConfigMap that is watched.
 * Relies on: server.h for HTTPS, authority.h for the certificate, contract 7. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "handler/api/documents.h"
#include "handler/api/role_parts.h"
#include "wherry/error.h"
#include "wherry/fd.h"
#include "wherry/log.h"

#define MAX_HEADERS 400u

/* --- turns ------------------------------------------------------------------------------------------------------------------------------------------------- */
static void free_turn(gpointer data) {
  WryApiTurn *turn = data;
  wry_kube_cancel(turn->call);
  if (turn->source) g_source_remove(turn->source);
  if (turn->timer) g_source_remove(turn->timer);
  wry_fd_close(&turn->fd);
  wry_route_match_clear(&turn->match);
  wry_requester_clear(&turn->requester);
  wry_api_verb_clear(&turn->verb);
  wry_json_put(turn->body);
  wry_json_put(turn->vm);
  wry_json_put(turn->vmi);
  g_free(turn);
}

void wry_api_turn_end(WryApiTurn *turn) { g_hash_table_remove(turn->role->turns, turn); }

void wry_api_turn_fail(WryApiTurn *turn, guint code, const char *message) {
  const WryRoute *route = turn->match.route;
  gboolean plain = route && (route->flags & WRY_ROUTE_TEXT);
  if (plain) wry_api_answer_text(turn->request, 500, message);
  else wry_api_answer_json(turn->request, code, wry_status_failure(code, route ? wry_status_kind(route->resource) : NULL, turn->match.name, message));
  wry_api_turn_end(turn);
}

void wry_api_turn_empty(WryApiTurn *turn, guint code) {
  wry_api_answer(turn->request, code, NULL, "", 0);
  wry_api_turn_end(turn);
}

void wry_api_turn_json(WryApiTurn *turn, WryJson *take_object) {
  wry_api_answer_json(turn->request, 200, take_object);
  wry_api_turn_end(turn);
}

WryPhase wry_api_turn_phase(const WryApiTurn *turn) { return wry_phase_parse(wry_json_str(wry_json_get(turn->vmi, "status"), "phase")); }

/* --- the route's own function ------------------------------------------------------------------------------------------------------------------------------ */
static const struct { const char *subresource; void (*serve)(WryApiTurn *turn); } services[] = {
    {"start", wry_api_serve_verb},      {"stop", wry_api_serve_verb},       {"restart", wry_api_serve_verb},      {"pause", wry_api_serve_verb},
    {"unpause", wry_api_serve_verb},    {"reset", wry_api_serve_verb},      {"softreboot", wry_api_serve_verb},   {"guestosinfo", wry_api_serve_info},
    {"userlist", wry_api_serve_info},   {"filesystemlist", wry_api_serve_info}, {"console", wry_api_serve_console}, {"vnc", wry_api_serve_vnc},
    {"portforward", wry_api_serve_port}, {"expand-spec", wry_api_serve_expand}, {"", wry_api_serve_expand},
};

static void serve(WryApiTurn *turn) {
  for (guint i = 0; i < G_N_ELEMENTS(services); i++) {
    if (strcmp(services[i].subresource, turn->match.route->subresource)) continue;
    services[i].serve(turn);
    return;
  }
  g_autofree char *message = g_strdup_printf("%s is not supported by this version", turn->match.route->subresource);
  wry_api_turn_fail(turn, 400, message);
}

/* --- the objects it names ---------------------------------------------------------------------------------------------------------------------------------- */
static void not_found(WryApiTurn *turn, const WryKubeResource *resource) {
  g_autofree char *message = g_strdup_printf("%s.%s \"%s\" not found", resource->plural, resource->group, turn->match.name);
  wry_api_turn_fail(turn, 404, message);
}

static void on_vmi(WryJson *object, const WryKubeFailure *failure, gpointer data) {
  WryApiTurn *turn = data;
  turn->call = NULL;
  if (failure && failure->http != 404) {
    wry_api_turn_fail(turn, 500, failure->error->message);
  } else if (failure && !turn->vm) {
    not_found(turn, &wry_kube_vmis);
  } else {
    if (!failure) turn->vmi = json_object_get(object);
    serve(turn);
  }
}

static void read_vmi(WryApiTurn *turn) { turn->call = wry_kube_get(turn->role->kube, &wry_kube_vmis, turn->match.namespace_, turn->match.name, on_vmi, turn); }

static void on_vm(WryJson *object, const WryKubeFailure *failure, gpointer data) {
  WryApiTurn *turn = data;
  turn->call = NULL;
  if (failure && failure->http == 404) {
    not_found(turn, &wry_kube_vms);
  } else if (failure) {
    wry_api_turn_fail(turn, 500, failure->error->message);
  } else {
    turn->vm = json_object_get(object);
    read_vmi(turn);
  }
}

static void read_objects(WryApiTurn *turn) {
  const char *resource = turn->match.route->resource;
  if (!turn->match.name) serve(turn);
  else if (!strcmp(resource, "virtualmachines")) turn->call = wry_kube_get(turn->role->kube, &wry_kube_vms, turn->match.namespace_, turn->match.name, on_vm, turn);
  else read_vmi(turn);
}

/* --- may he ------------------------------------------------------------------------------------------------------------------------------------------------ */
/* A body is JSON or nothing; clients send none without a word about its type. */
static gboolean read_body(WryApiTurn *turn) {
  gsize length = 0;
  const guint8 *bytes = wry_api_body(turn->request, &length);
  g_autoptr(GError) error = NULL;
  if (!length || turn->match.route->flags & WRY_ROUTE_STREAM) return TRUE;
  turn->body = wry_json_parse((const char *)bytes, length, &error);
  if (turn->body && json_object_is_type(turn->body, json_type_object)) return TRUE;
  wry_api_turn_fail(turn, 400, error ? error->message : "the body is no object");
  return FALSE;
}

static void on_access(gboolean allowed, gboolean failed, const char *reason, gpointer data) {
  WryApiTurn *turn = data;
  const WryRoute *route = turn->match.route;
  wry_log(allowed ? WRY_LOG_INFO : WRY_LOG_WARNING, "api request", "user", turn->requester.user, "method", route->method, "resource", route->resource, "subresource", route->subresource, "namespace",
          turn->match.namespace_, "name", turn->match.name ? turn->match.name : "", "allowed", allowed ? "yes" : "no", NULL);
  if (!allowed) {
    wry_api_answer_text(turn->request, failed ? 500 : 401, reason && *reason ? reason : "not allowed");
    wry_api_turn_end(turn);
  } else if (route->flags & WRY_ROUTE_LACKING) {
    g_autofree char *message = g_strdup_printf("%s is not supported by this version", route->subresource);
    wry_api_turn_fail(turn, 400, message);
  } else if (read_body(turn)) {
    read_objects(turn);
  }
}

typedef struct { WryHeader list[MAX_HEADERS]; gsize count; } Headers;

static void add_header(const char *name, const char *value, gpointer data) {
  Headers *headers = data;
  if (headers->count < MAX_HEADERS) headers->list[headers->count++] = (WryHeader){name, value};
}

/* NULL: answered with 401. */
static WryApiTurn *believe(WryApiRole *role, WryApiRequest *request, WryRouteMatch *take_match) {
  Headers headers = {.count = 0};
  const char *reason = "nobody is believed yet";
  WryRequester requester = {.user = NULL};
  wry_api_headers(request, add_header, &headers);
  if (!role->proxy || !wry_requester_read(role->proxy, wry_api_peer(request), headers.list, headers.count, &requester, &reason)) {
    wry_api_answer_text(request, 401, reason);
    return NULL;
  }
  WryApiTurn *turn = g_new0(WryApiTurn, 1);
  *turn = (WryApiTurn){.role = role, .request = request, .match = *take_match, .requester = requester, .fd = -1};
  *take_match = (WryRouteMatch){.route = NULL};
  g_hash_table_add(role->turns, turn);
  return turn;
}

/* --- a request ---------------------------------------------------------------------------------------------------------------------------------------------- */
static void answer_open(WryApiRequest *request, const char *path) {
  WryJson *document = wry_document(path);
  if (!document && g_str_has_suffix(path, "/version")) document = wry_document_version("v" WRY_VERSION);
  if (!document) {
    document = json_object_new_object();
    WryJson *apiserver = json_object_new_object();
    json_object_object_add(apiserver, "connectivity", json_object_new_string("ok"));
    json_object_object_add(document, "apiserver", apiserver);
  }
  wry_api_answer_json(request, 200, document);
}

static void on_request(WryApiRequest *request, gpointer data) {
  WryApiRole *role = data;
  g_auto(WryRouteMatch) match = {.route = NULL};
  WryAccess access;
  guint status = wry_route_find(wry_api_method(request), wry_api_path(request), &match);
  if (status != 200) {
    wry_api_answer_json(request, status, wry_status_failure(status, NULL, NULL, status == 405 ? "the method is not allowed here" : "there is no such path"));
    return;
  }
  if (match.route->flags & WRY_ROUTE_OPEN) {
    answer_open(request, match.route->subresource);
    return;
  }
  WryApiTurn *turn = believe(role, request, &match);
  if (!turn) return;
  wry_route_access(&turn->match, &access);
  wry_access_check_ask(role->access, &turn->requester, &access, on_access, turn);
}

/* --- whom to believe ---------------------------------------------------------------------------------------------------------------------------------------- */
static void on_trusted(WryKubeChange change, const WryKubeItem *item, gpointer data) {
  WryApiRole *role = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(WryJson) object = change == WRY_KUBE_DELETED ? NULL : wry_kube_item_object(item, &error);
  g_autoptr(WryFrontProxy) proxy = object ? wry_front_proxy_new(object, &error) : NULL;
  g_autoptr(WryTlsTrust) trust = proxy ? wry_tls_trust_new(proxy->ca, &error) : NULL;
  if (!trust) {
    wry_log(WRY_LOG_ERROR, "the front proxy's authority is not known", "why", error ? error->message : "deleted", NULL);
    return;
  }
  wry_front_proxy_free(role->proxy);
  wry_tls_trust_free(role->trust);
  role->proxy = g_steal_pointer(&proxy);
  role->trust = g_steal_pointer(&trust);
}

static char *on_identify(gnutls_session_t session, gpointer data) {
  const WryApiRole *role = data;
  return role->trust ? wry_tls_peer_name(role->trust, session) : NULL;
}

static void on_certificate(gnutls_pcert_st **chain, unsigned *length, gnutls_privkey_t *key, gpointer data) {
  wry_api_authority_show(((WryApiRole *)data)->authority, chain, length, key);
}

/* --- beginning and end --------------------------------------------------------------------------------------------------------------------------------------- */
static int keep(int *fd) {
  int kept = *fd;
  *fd = -1;
  return kept;
}

int wry_api_role_listen(guint16 port, GError **error) {
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  const int on = 1, off = 0;
  wry_autofd int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0 &&
      bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, SOMAXCONN) == 0)
    return keep(&fd);
  g_set_error(error, WRY_ERROR, WRY_ERROR_IO, "port %u of the API: %s", port, g_strerror(errno));
  return -1;
}

WryApiRole *wry_api_role_new(const WryApiRoleOptions *options, WryKube *kube, WryFleet *fleet, GError **error) {
  static const WryKubeWatchCalls calls = {.changed = on_trusted};
  WryKubeWatchOptions watched = {.resource = &wry_kube_config_maps, .namespace_ = "kube-system", .field_selector = "metadata.name=extension-apiserver-authentication", .keep = WRY_KUBE_KEEP_NAMES};
  WryApiRole *role = g_new0(WryApiRole, 1);
  *role = (WryApiRole){.options = options, .kube = kube, .fleet = fleet, .turns = g_hash_table_new_full(NULL, NULL, free_turn, NULL), .streams = g_hash_table_new(NULL, NULL)};
  WryApiServerOptions server = {.listener = options->listener, .certificate = on_certificate, .identify = on_identify, .handle = on_request, .data = role};
  role->access = wry_access_check_new(kube);
  role->authority = wry_api_authority_new(kube, options->install_namespace);
  role->trusted = wry_kube_watch_new(kube, &watched, &calls, role);
  role->server = wry_api_server_new(&server, error);
  if (role->server) return role;
  wry_api_role_free(role);
  return NULL;
}

void wry_api_role_free(WryApiRole *role) {
  if (!role) return;
  wry_access_check_free(role->access);
  g_hash_table_unref(role->turns);
  wry_api_streams_free(role);
  wry_api_server_free(role->server);
  g_hash_table_unref(role->streams);
  wry_kube_watch_free(role->trusted);
  wry_api_authority_free(role->authority);
  wry_front_proxy_free(role->proxy);
  wry_tls_trust_free(role->trust);
  g_free(role);
}
