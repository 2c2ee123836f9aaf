/* Routes: a path is split and decoded once, its shape decides what its parts mean, and a table says whether there is such a thing. Nothing else reads a path.
 *
 * What a SubjectAccessReview is asked is taken from the row, never from the path: `vnc/screenshot` is not `vnc` (CVE-2026-6383 was such a mix-up), and the port of a
 * port-forward is no part of a subresource.
 * Relies on: contract 7.2 (paths without authentication), 7.5 and 7.6 (routes), Kubernetes' names (RFC 1123). */
#include "handler/api/routes.h"

#include <string.h>

#define VM "virtualmachines"
#define VMI "virtualmachineinstances"
#define MAX_PARTS 12u
#define MAX_NAME 253u
#define MAX_NAMESPACE 63u

#define OPEN(path) {"GET", NULL, path, WRY_ROUTE_OPEN}
#define GETS(resource, name, more) {"GET", resource, name, WRY_ROUTE_LISTED | (more)}
#define PUTS(resource, name, more) {"PUT", resource, name, WRY_ROUTE_LISTED | (more)}

static const WryRoute routes[] = {
    OPEN("/"),
    OPEN("/apis"),
    OPEN("/apis/" WRY_API_GROUP),
    OPEN(WRY_API_PREFIX),
    OPEN(WRY_API_PREFIX "/version"),
    OPEN(WRY_API_PREFIX "/guestfs"),
    OPEN(WRY_API_PREFIX "/healthz"),
    OPEN("/healthz"),
    OPEN("/openapi/v2"),
    OPEN("/openapi/v3"),
    OPEN("/openapi/v3" WRY_API_PREFIX),

    {"PUT", "expand-vm-spec", "", WRY_ROUTE_LISTED},

    PUTS(VM, "start", 0),
    PUTS(VM, "stop", 0),
    PUTS(VM, "restart", 0),
    GETS(VM, "expand-spec", 0),
    {"GET", VM, "portforward", WRY_ROUTE_STREAM},
    PUTS(VM, "migrate", WRY_ROUTE_LACKING),
    PUTS(VM, "evacuate/cancel", WRY_ROUTE_LACKING),
    GETS(VM, "objectgraph", WRY_ROUTE_LACKING),
    {"PUT", VM, "addvolume", WRY_ROUTE_LACKING},
    {"PUT", VM, "removevolume", WRY_ROUTE_LACKING},
    {"PUT", VM, "memorydump", WRY_ROUTE_LACKING},
    {"PUT", VM, "removememorydump", WRY_ROUTE_LACKING},

    GETS(VMI, "console", WRY_ROUTE_STREAM),
    GETS(VMI, "vnc", WRY_ROUTE_STREAM),
    GETS(VMI, "vnc/screenshot", 0),
    GETS(VMI, "portforward", WRY_ROUTE_STREAM),
    PUTS(VMI, "pause", 0),
    PUTS(VMI, "unpause", 0),
    PUTS(VMI, "reset", 0),
    PUTS(VMI, "softreboot", 0),
    GETS(VMI, "guestosinfo", WRY_ROUTE_TEXT),
    GETS(VMI, "userlist", WRY_ROUTE_TEXT),
    GETS(VMI, "filesystemlist", WRY_ROUTE_TEXT),
    PUTS(VMI, "freeze", WRY_ROUTE_LACKING),
    PUTS(VMI, "unfreeze", WRY_ROUTE_LACKING),
    PUTS(VMI, "addvolume", WRY_ROUTE_LACKING),
    PUTS(VMI, "removevolume", WRY_ROUTE_LACKING),
    PUTS(VMI, "backup", WRY_ROUTE_LACKING),
    PUTS(VMI, "redefine-checkpoint", WRY_ROUTE_LACKING),
    PUTS(VMI, "evacuate/cancel", WRY_ROUTE_LACKING),
    GETS(VMI, "objectgraph", WRY_ROUTE_LACKING),
    {"GET", VMI, "usbredir", WRY_ROUTE_LACKING},
    {"GET", VMI, "vsock", WRY_ROUTE_LACKING},
    GETS(VMI, "sev/fetchcertchain", WRY_ROUTE_LACKING),
    GETS(VMI, "sev/querylaunchmeasurement", WRY_ROUTE_LACKING),
    PUTS(VMI, "sev/setupsession", WRY_ROUTE_LACKING),
    PUTS(VMI, "sev/injectlaunchsecret", WRY_ROUTE_LACKING),
    {.method = NULL},
};

const WryRoute *wry_routes(void) {
  return routes;
}

void wry_route_match_clear(WryRouteMatch *match) {
  g_clear_pointer(&match->namespace_, g_free);
  g_clear_pointer(&match->name, g_free);
}

/* --- parts of a path -------------------------------------------------------------------------------------------------------------------------------------- */
/* RFC 1123: lower case letters, digits, '-', for a subdomain '.'; a letter or digit at both ends of every label. */
static gboolean is_name(const char *text, gsize most, gboolean dots) {
  gsize length = strlen(text);
  gboolean edge = TRUE; /* the next must be a letter or digit */
  if (!length || length > most) return FALSE;
  for (gsize i = 0; i < length; i++) {
    char c = text[i];
    gboolean plain = g_ascii_islower(c) || g_ascii_isdigit(c), dot = dots && c == '.';
    if (!plain && (edge || (c != '-' && !dot) || (dot && text[i - 1] == '-'))) return FALSE;
    edge = dot;
  }
  return !edge && text[length - 1] != '-';
}

/* "/a/b%2dc/" -> {"a", "b-c"}; NULL when a part is empty, a dot path, or cannot be decoded, or there are too many. */
static GStrv split(const char *path) {
  g_auto(GStrv) raw = g_strsplit(path + 1, "/", MAX_PARTS + 2);
  g_autoptr(GStrvBuilder) parts = g_strv_builder_new();
  for (guint i = 0; raw[i]; i++) {
    if (!*raw[i] && !raw[i + 1] && i) break; /* a slash at the end */
    g_autofree char *part = g_uri_unescape_string(raw[i], "/");
    if (!part || !*part || !strcmp(part, ".") || !strcmp(part, "..") || i >= MAX_PARTS) return NULL;
    g_strv_builder_add(parts, part);
  }
  return g_strv_builder_end(parts);
}

/* --- the table's rows ------------------------------------------------------------------------------------------------------------------------------------- */
/* 200, 405 when only the method differs, 404. */
static guint find_row(const char *method, const char *resource, const char *subresource, const WryRoute **ret) {
  guint status = 404;
  for (const WryRoute *route = routes; route->method; route++) {
    if (g_strcmp0(route->resource, resource) || strcmp(route->subresource, subresource)) continue;
    *ret = route;
    if (!strcmp(route->method, method) || (!strcmp(method, "HEAD") && (route->flags & WRY_ROUTE_OPEN))) return 200;
    status = 405;
  }
  return status;
}

/* portforward/PORT[/tcp|udp]: what follows the subresource. */
static guint read_port(char *const *parts, WryRouteMatch *match) {
  guint64 port = 0;
  const char *protocol = parts[0] ? parts[1] : NULL;
  if (!parts[0] || (protocol && (parts[2] || (strcmp(protocol, "tcp") && strcmp(protocol, "udp"))))) return 404;
  if (!g_ascii_string_to_unsigned(parts[0], 10, 1, G_MAXUINT16, &port, NULL)) return 400;
  match->port = (guint16)port;
  match->udp = g_strcmp0(protocol, "udp") == 0;
  return 200;
}

/* NS/RESOURCE[/NAME/SUB...]: what follows ".../namespaces/". */
static guint find_namespaced(const char *method, char *const *parts, WryRouteMatch *match) {
  guint count = g_strv_length((char **)parts);
  gboolean whole = count == 2; /* expand-vm-spec has no name */
  if (count < 2 || count == 3 || !is_name(parts[0], MAX_NAMESPACE, FALSE) || (!whole && !is_name(parts[2], MAX_NAME, TRUE))) return 404;
  gboolean forwards = !whole && !strcmp(parts[3], "portforward");
  g_autofree char *subresource = whole ? g_strdup("") : forwards ? g_strdup("portforward") : g_strjoinv("/", (char **)parts + 3);
  guint status = find_row(method, parts[1], subresource, &match->route);
  if (status == 200 && forwards) status = read_port(parts + 4, match);
  if (status != 200) return status;
  match->namespace_ = g_strdup(parts[0]);
  match->name = whole ? NULL : g_strdup(parts[2]);
  return 200;
}

guint wry_route_find(const char *method, const char *path, WryRouteMatch *ret) {
  static const char namespaces[] = WRY_API_PREFIX "/namespaces/";
  *ret = (WryRouteMatch){.route = NULL};
  if (strlen(path) > WRY_MAX_PATH) return 414;
  if (path[0] != '/') return 404;
  if (!strcmp(path, "/")) return find_row(method, NULL, path, &ret->route);
  g_auto(GStrv) parts = split(path);
  if (!parts) return 404;
  g_autofree char *joined = g_strjoinv("/", parts), *clean = g_strconcat("/", joined, NULL);
  if (g_str_has_prefix(clean, namespaces)) return find_namespaced(method, parts + 4, ret);
  return find_row(method, NULL, clean, &ret->route);
}

void wry_route_access(const WryRouteMatch *match, WryAccess *ret) {
  *ret = (WryAccess){
      .verb = strcmp(match->route->method, "PUT") ? "get" : "update",
      .namespace_ = match->namespace_,
      .group = WRY_API_GROUP,
      .version = WRY_API_VERSION,
      .resource = match->route->resource,
      .subresource = match->route->subresource,
      .name = match->name,
  };
}
