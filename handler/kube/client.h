#pragma once
/* Requests to the API server: asynchronous on the default main context, cancelable, over reused connections (HTTP/2 or 1.1).
 *
 * A call is answered exactly once through its `done`, never from within the function that started it, unless it is cancelled or its client freed: then never. Callbacks may start and cancel calls;
 * they must not free the client.
 *
 * Retries: a call whose effect is the same when done twice (the table in client.c: GET, PUT, DELETE, merge, strategic and apply patches) is repeated after a lost connection, 429, 503 and 5xx with
 * Retry-After; a POST or JSON patch only when the server cannot have seen it (no connection) or says that it did not act (429). Delays double from 100 ms with jitter to 2 s for a server that cannot be
 * reached and 10 s for one that answers so, never less than Retry-After; the whole call ends at its deadline. */
#include "wherry/error.h"
#include "wherry/json.h"

typedef struct WryKube WryKube;
typedef struct WryKubeCall WryKubeCall;
typedef struct WryKubeConfig WryKubeConfig;

typedef struct {
  guint max_in_flight;       /* calls on the wire at once, more wait in order; streams do not count. 0: WRY_KUBE_IN_FLIGHT */
  guint timeout_seconds;     /* of a call with all its retries. 0: WRY_KUBE_TIMEOUT_SECONDS */
  gsize max_body;            /* bytes of one answer: WRY_ERROR_TOO_LARGE. 0: WRY_KUBE_MAX_BODY */
  gboolean http1;            /* HTTP/1.1 only */
  const char *user_agent;    /* NULL: "wherry/<version>" */
} WryKubeOptions;

#define WRY_KUBE_IN_FLIGHT 16u
#define WRY_KUBE_TIMEOUT_SECONDS 30u
#define WRY_KUBE_MAX_BODY (16u << 20)

/* Takes the configuration. `options` NULL: defaults. Opens no connection, reads no file. */
WryKube *wry_kube_new(WryKubeConfig *take_config, const WryKubeOptions *options, GError **error);
/* Everything still open is dropped; calls and streams are freed and not answered. Watches, leases and event recorders of this client must be freed before. */
void wry_kube_free(WryKube *kube);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WryKube, wry_kube_free)
/* The configuration, borrowed. */
WryKubeConfig *wry_kube_config(WryKube *kube);

/* --- kinds ------------------------------------------------------------------------------------------------------------------------------------------------------ */
typedef struct {
  const char *group;   /* "" for core */
  const char *version; /* "v1" */
  const char *plural;  /* as in paths: "pods" */
  const char *kind;    /* "Pod" */
  gboolean cluster;    /* has no namespace */
} WryKubeResource;

extern const WryKubeResource wry_kube_pods, wry_kube_nodes, wry_kube_events, wry_kube_secrets, wry_kube_config_maps, wry_kube_claims, wry_kube_volumes, wry_kube_services, wry_kube_namespaces,
    wry_kube_service_accounts, wry_kube_leases, wry_kube_revisions, wry_kube_storage_classes, wry_kube_crds, wry_kube_vms, wry_kube_vmis, wry_kube_replica_sets, wry_kube_presets, wry_kube_migrations, wry_kube_kubevirts,
    wry_kube_disruption_budgets, wry_kube_priority_classes, wry_kube_endpoint_slices;

/* "/apis/kubevirt.io/v1/namespaces/a/virtualmachines/b/status": parts are escaped; `ns` NULL: all namespaces (or a cluster's own kind), `name` and `subresource` NULL: left out. Pure. New string. */
char *wry_kube_path(const WryKubeResource *resource, const char *ns, const char *name, const char *subresource);
/* "group/version", "v1" for core. New string. */
char *wry_kube_api_version(const WryKubeResource *resource);

/* --- answers ---------------------------------------------------------------------------------------------------------------------------------------------------- */
/* What went wrong. A Status object (meta/v1) is decoded; without one the reason follows from the HTTP status. */
typedef struct {
  const GError *error;     /* WRY_ERROR: NotFound -> NOT_FOUND, AlreadyExists -> EXISTS, Conflict -> CONFLICT, Gone and Expired -> CONFLICT, Invalid and BadRequest -> INVALID, Forbidden and Unauthorized -> DENIED,
                            * Timeout -> TIMEOUT, RequestEntityTooLarge -> TOO_LARGE, no connection -> IO, an answer that is no JSON -> PROTOCOL, the rest FAILED. Message: "<verb> <path>: <message>" */
  int http;                /* 0: no answer */
  const char *reason;      /* "NotFound", "Conflict", ...: meta/v1 StatusReason; "" when there was no answer */
  const char *message;     /* the server's sentence; "" when it gave none */
  const WryCauses *causes; /* details.causes; may be empty, never NULL. Their reasons are those of wherry/error.h, others appear as FieldValueInvalid */
  guint retry_after;       /* seconds, 0: not told */
} WryKubeFailure;

/* `failure` NULL: success, `object` is the answer's body (NULL when empty or no object). Else `object` is the Status, or NULL. All borrowed. */
typedef void (*WryKubeDone)(WryJson *object, const WryKubeFailure *failure, gpointer data);

/* --- calls ------------------------------------------------------------------------------------------------------------------------------------------------------- */
typedef enum {
  WRY_KUBE_GET,
  WRY_KUBE_POST,
  WRY_KUBE_PUT,
  WRY_KUBE_DELETE,
  WRY_KUBE_PATCH_JSON,      /* application/json-patch+json (RFC 6902); body is an array */
  WRY_KUBE_PATCH_MERGE,     /* application/merge-patch+json (RFC 7386) */
  WRY_KUBE_PATCH_STRATEGIC, /* application/strategic-merge-patch+json: built-in kinds only */
  WRY_KUBE_PATCH_APPLY,     /* application/apply-patch+yaml: server-side apply; query needs fieldManager */
  WRY_KUBE_VERBS
} WryKubeVerb;

typedef struct {
  WryKubeVerb verb;
  const WryKubeResource *resource; /* or `path` */
  const char *namespace_;          /* NULL: none, or all */
  const char *name;                /* NULL: the collection */
  const char *subresource;         /* "status", "scale", "eviction", "binding"; NULL: none */
  const char *path;                /* instead of the four above: "/version" */
  const char *query;               /* without '?', escaped: "fieldManager=wherry&force=true"; NULL: none. wry_kube_query_add composes one */
  WryJson *body;                   /* NULL: none */
  guint timeout_seconds;           /* 0: the client's */
  gboolean once;                   /* no retry whatever happens */
} WryKubeRequest;

/* Borrows all of `request` during the call only. Never NULL; valid until `done` returns or it is cancelled. */
WryKubeCall *wry_kube_call(WryKube *kube, const WryKubeRequest *request, WryKubeDone done, gpointer data);
/* `done` is not called any more. Whether the server acts is open. NULL is fine. */
void wry_kube_cancel(WryKubeCall *call);

/* The common cases. */
WryKubeCall *wry_kube_get(WryKube *kube, const WryKubeResource *resource, const char *ns, const char *name, WryKubeDone done, gpointer data);
/* POST to the collection of `object`'s own namespace. */
WryKubeCall *wry_kube_create(WryKube *kube, const WryKubeResource *resource, WryJson *object, WryKubeDone done, gpointer data);
/* PUT of `object` (its own namespace and name); metadata.resourceVersion in it makes it conditional (409 Conflict). `subresource` may be NULL. */
WryKubeCall *wry_kube_update(WryKube *kube, const WryKubeResource *resource, const char *subresource, WryJson *object, WryKubeDone done, gpointer data);
WryKubeCall *wry_kube_patch(WryKube *kube, const WryKubeResource *resource, const char *ns, const char *name, const char *subresource, WryKubeVerb verb, WryJson *patch, WryKubeDone done, gpointer data);

/* meta/v1 DeleteOptions. */
typedef struct {
  const char *uid, *resource_version; /* preconditions; NULL: none. 409 Conflict when another object has the name */
  const char *propagation;            /* "Foreground", "Background", "Orphan"; NULL: the kind's default */
  gint64 grace_seconds;               /* -1: the object's own */
} WryKubeDelete;
/* `options` NULL: none at all. */
WryKubeCall *wry_kube_delete(WryKube *kube, const WryKubeResource *resource, const char *ns, const char *name, const WryKubeDelete *options, WryKubeDone done, gpointer data);
/* The body of a DELETE. New. Pure. */
WryJson *wry_kube_delete_options(const WryKubeDelete *options);

/* Appends "key=value" with escapes, and '&' where one is needed; a NULL value appends nothing. Pure. */
void wry_kube_query_add(GString *query, const char *key, const char *value);

/* --- streams: an answer that is read while it comes ------------------------------------------------------------------------------------------------------------------ */
typedef struct {
  /* The head of a 2xx answer is there. May be NULL. */
  void (*begin)(gpointer data);
  /* Bytes of a 2xx answer. FALSE ends the stream: `end` follows with WRY_ERROR_PROTOCOL. */
  gboolean (*bytes)(const char *bytes, gsize length, gpointer data);
  /* Once, last. `failure` NULL: the answer was whole. */
  void (*end)(const WryKubeFailure *failure, gpointer data);
} WryKubeStreamCalls;
/* GET, no retry. `idle_seconds`: ends with WRY_ERROR_TIMEOUT when no byte came for so long (0: never); `timeout_seconds` likewise for the whole (0: never). Cancel as any call. */
WryKubeCall *wry_kube_stream(WryKube *kube, const char *path_and_query, guint timeout_seconds, guint idle_seconds, const WryKubeStreamCalls *calls, gpointer data);
