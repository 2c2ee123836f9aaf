#pragma once
/* Documents of the aggregated API: discovery, OpenAPI, versions, Status bodies (contract 7.3, 7.4). Pure; strings and objects are new. */
#include "handler/api/routes.h"
#include "wherry/json.h"

/* The document of an open path that says the same to everybody: NULL for /healthz and its kind, which the server answers. */
WryJson *wry_document(const char *path);
/* The version document; `version` is what `virtctl version` shows as the server's. */
WryJson *wry_document_version(const char *version);

/* meta/v1 Status, failure. `kind` and `name` NULL: no details. The reason follows from the code. */
WryJson *wry_status_failure(guint code, const char *kind, const char *name, const char *message);
/* "NotFound" for 404 and so on (meta/v1 StatusReason); "" for one without. Static. */
const char *wry_status_reason(guint code);
/* "virtualmachine" for virtualmachines: what KubeVirt's Status bodies call the kind. Static; NULL for others. */
const char *wry_status_kind(const char *resource);
