#pragma once
/* The aggregated API subresources.kubevirt.io as a table: one row per route, and what a SubjectAccessReview is asked for it (contract 7.2, 7.5, 7.6). Pure. */
#include <glib.h>

#define WRY_API_GROUP "subresources.kubevirt.io"
#define WRY_API_VERSION "v1"
#define WRY_API_PREFIX "/apis/" WRY_API_GROUP "/" WRY_API_VERSION
#define WRY_MAX_PATH 2048 /* bytes of a request's path */

typedef enum {
  WRY_ROUTE_OPEN = 1 << 0,    /* served without a client certificate: discovery, health */
  WRY_ROUTE_STREAM = 1 << 1,  /* a WebSocket */
  WRY_ROUTE_LISTED = 1 << 2,  /* named in the APIResourceList, as KubeVirt names it */
  WRY_ROUTE_LACKING = 1 << 3, /* KubeVirt has it, this version does not: the answer says so */
  WRY_ROUTE_TEXT = 1 << 4     /* failures are plain text with status 500 (the guest agent's questions) */
} WryRouteFlags;

typedef struct {
  const char *method;      /* "GET", "PUT" */
  const char *resource;    /* "virtualmachines", "virtualmachineinstances", "expand-vm-spec"; NULL: `subresource` is a whole path */
  const char *subresource; /* "console", "vnc/screenshot"; the part that RBAC knows */
  guint flags;             /* WryRouteFlags */
} WryRoute;

typedef struct {
  const WryRoute *route;
  char *namespace_, *name;
  guint16 port;            /* of portforward */
  gboolean udp;
} WryRouteMatch;
void wry_route_match_clear(WryRouteMatch *match);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WryRouteMatch, wry_route_match_clear)

/* Finds the route of a path as it stands in the request line, without its query. 200 and *ret, or the status to answer with: 404 no such route or a part of the path that
 * is no name, 405 the route has another method, 400 a port that is none, 414 too long. */
guint wry_route_find(const char *method, const char *path, WryRouteMatch *ret);

/* What is asked of the cluster before anything else is done. Strings are borrowed from the match. */
typedef struct { const char *verb, *namespace_, *group, *version, *resource, *subresource, *name; } WryAccess;
void wry_route_access(const WryRouteMatch *match, WryAccess *ret);

/* Every row; the last has no method. */
const WryRoute *wry_routes(void);
