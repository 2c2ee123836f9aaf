/* What the aggregated API says about itself. The lists come from the routes' table, so that a route and its discovery cannot differ.
 *
 * kube-apiserver answers /apis and the group itself; it fetches the version's document and OpenAPI from here, and a broken one makes every kubectl command complain.
 * The OpenAPI documents name the paths without schemas: the aggregator asks for no more. */
#include "handler/api/documents.h"

#include <string.h>

#define JSON_TEXT(text) json_object_new_string(text)

static WryJson *with_text(WryJson *object, const char *key, const char *text) {
  json_object_object_add(object, key, JSON_TEXT(text));
  return object;
}

static WryJson *typed(const char *kind, const char *version) {
  return with_text(with_text(json_object_new_object(), "kind", kind), "apiVersion", version);
}

/* --- discovery -------------------------------------------------------------------------------------------------------------------------------------------- */
static WryJson *group_version(void) {
  return with_text(with_text(json_object_new_object(), "groupVersion", WRY_API_GROUP "/" WRY_API_VERSION), "version", WRY_API_VERSION);
}

static WryJson *group(void) {
  WryJson *object = with_text(typed("APIGroup", "v1"), "name", WRY_API_GROUP), *versions = json_object_new_array(), *addresses = json_object_new_array();
  json_object_array_add(versions, group_version());
  json_object_array_add(addresses, with_text(with_text(json_object_new_object(), "clientCIDR", "0.0.0.0/0"), "serverAddress", ""));
  json_object_object_add(object, "versions", versions);
  json_object_object_add(object, "preferredVersion", group_version());
  json_object_object_add(object, "serverAddressByClientCIDRs", addresses);
  return object;
}

static WryJson *groups(void) {
  WryJson *object = typed("APIGroupList", "v1"), *list = json_object_new_array();
  json_object_array_add(list, group());
  json_object_object_add(object, "groups", list);
  return object;
}

static WryJson *resource_of(const WryRoute *route) {
  g_autofree char *name = *route->subresource ? g_strdup_printf("%s/%s", route->resource, route->subresource) : g_strdup(route->resource);
  WryJson *object = with_text(with_text(with_text(json_object_new_object(), "name", name), "singularName", ""), "kind", "");
  json_object_object_add(object, "namespaced", json_object_new_boolean(TRUE));
  json_object_object_add(object, "verbs", json_object_new_array());
  return object;
}

static WryJson *resources(void) {
  WryJson *object = with_text(typed("APIResourceList", "v1"), "groupVersion", WRY_API_GROUP "/" WRY_API_VERSION), *list = json_object_new_array();
  for (const WryRoute *route = wry_routes(); route->method; route++)
    if (route->flags & WRY_ROUTE_LISTED) json_object_array_add(list, resource_of(route));
  json_object_object_add(object, "resources", list);
  return object;
}

static WryJson *root(void) {
  WryJson *object = json_object_new_object(), *paths = json_object_new_array();
  for (const WryRoute *route = wry_routes(); route->method; route++)
    if (!route->resource && strcmp(route->subresource, "/")) json_object_array_add(paths, JSON_TEXT(route->subresource));
  json_object_object_add(object, "paths", paths);
  return object;
}

/* Where libguestfs tools would come from: there are none. */
static WryJson *guestfs(void) {
  WryJson *object = json_object_new_object();
  static const char *const keys[] = {"registry", "tag", "digest", "imagePrefix", "gsImage"};
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++) with_text(object, keys[i], "");
  return object;
}

/* --- OpenAPI ---------------------------------------------------------------------------------------------------------------------------------------------- */
static char *template_of(const WryRoute *route) {
  if (!*route->subresource) return g_strdup_printf(WRY_API_PREFIX "/namespaces/{namespace}/%s", route->resource);
  const char *port = strcmp(route->subresource, "portforward") ? "" : "/{port}";
  return g_strdup_printf(WRY_API_PREFIX "/namespaces/{namespace}/%s/{name}/%s%s", route->resource, route->subresource, port);
}

/* Every parameter of a template has to be declared. `v3`: it has a schema. */
static WryJson *parameters_of(const char *path, gboolean v3) {
  static const char *const names[] = {"namespace", "name", "port"};
  WryJson *list = json_object_new_array();
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *braced = g_strdup_printf("{%s}", names[i]);
    if (!strstr(path, braced)) continue;
    WryJson *parameter = with_text(with_text(json_object_new_object(), "name", names[i]), "in", "path");
    json_object_object_add(parameter, "required", json_object_new_boolean(TRUE));
    if (v3) json_object_object_add(parameter, "schema", with_text(json_object_new_object(), "type", "string"));
    else with_text(parameter, "type", "string");
    json_object_array_add(list, parameter);
  }
  return list;
}

static WryJson *paths_of(gboolean v3) {
  WryJson *paths = json_object_new_object();
  for (const WryRoute *route = wry_routes(); route->method; route++) {
    if (!route->resource) continue;
    g_autofree char *path = template_of(route), *method = g_ascii_strdown(route->method, -1), *id = g_strdup_printf("v1%s%s", route->resource, route->subresource);
    WryJson *item = json_object_new_object(), *operation = json_object_new_object(), *responses = json_object_new_object();
    g_strdelimit(id, "/-", '_');
    json_object_object_add(responses, "200", with_text(json_object_new_object(), "description", "OK"));
    with_text(operation, "operationId", id);
    json_object_object_add(operation, "responses", responses);
    json_object_object_add(item, method, operation);
    json_object_object_add(item, "parameters", parameters_of(path, v3));
    json_object_object_add(paths, path, item);
  }
  return paths;
}

static WryJson *open_api(const char *key, const char *version) {
  WryJson *object = with_text(json_object_new_object(), key, version);
  json_object_object_add(object, "info", with_text(with_text(json_object_new_object(), "title", WRY_API_GROUP), "version", WRY_API_VERSION));
  json_object_object_add(object, "paths", paths_of(!strcmp(key, "openapi")));
  return object;
}

static WryJson *open_api2(void) {
  WryJson *object = open_api("swagger", "2.0");
  json_object_object_add(object, "definitions", json_object_new_object());
  return object;
}

static WryJson *open_api3(void) {
  return open_api("openapi", "3.0.0");
}

/* The index carries a hash of the document, by which clients cache it for ever. */
static WryJson *open_api3_index(void) {
  g_autoptr(WryJson) document = open_api3();
  g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA256, json_object_to_json_string(document), -1);
  g_autofree char *url = g_strdup_printf("/openapi/v3" WRY_API_PREFIX "?hash=%s", hash);
  WryJson *object = json_object_new_object(), *paths = json_object_new_object();
  json_object_object_add(paths, "apis/" WRY_API_GROUP "/" WRY_API_VERSION, with_text(json_object_new_object(), "serverRelativeURL", url));
  json_object_object_add(object, "paths", paths);
  return object;
}

static const struct { const char *path; WryJson *(*make)(void); } documents[] = {
    {"/", root},
    {"/apis", groups},
    {"/apis/" WRY_API_GROUP, group},
    {WRY_API_PREFIX, resources},
    {WRY_API_PREFIX "/guestfs", guestfs},
    {"/openapi/v2", open_api2},
    {"/openapi/v3", open_api3_index},
    {"/openapi/v3" WRY_API_PREFIX, open_api3},
};

WryJson *wry_document(const char *path) {
  for (guint i = 0; i < G_N_ELEMENTS(documents); i++)
    if (!strcmp(documents[i].path, path)) return documents[i].make();
  return NULL;
}

WryJson *wry_document_version(const char *version) {
  WryJson *object = json_object_new_object();
  const struct { const char *key, *value; } rows[] = {
      {"gitVersion", version}, {"gitCommit", ""}, {"gitTreeState", "clean"}, {"buildDate", ""}, {"goVersion", ""}, {"compiler", "gcc"}, {"platform", "linux"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) with_text(object, rows[i].key, rows[i].value);
  return object;
}

/* --- Status ----------------------------------------------------------------------------------------------------------------------------------------------- */
const char *wry_status_reason(guint code) {
  static const struct { guint code; const char *reason; } rows[] = {
      {400, "BadRequest"},        {401, "Unauthorized"},          {403, "Forbidden"},          {404, "NotFound"},           {405, "MethodNotAllowed"},
      {406, "NotAcceptable"},     {409, "Conflict"},              {413, "RequestEntityTooLarge"}, {415, "UnsupportedMediaType"}, {422, "Invalid"},
      {429, "TooManyRequests"},   {500, "InternalError"},         {503, "ServiceUnavailable"}, {504, "Timeout"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    if (rows[i].code == code) return rows[i].reason;
  return "";
}

const char *wry_status_kind(const char *resource) {
  static const char *const rows[][2] = {{"virtualmachines", "virtualmachine"}, {"virtualmachineinstances", "virtualmachineinstance"}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    if (!g_strcmp0(rows[i][0], resource)) return rows[i][1];
  return NULL;
}

WryJson *wry_status_failure(guint code, const char *kind, const char *name, const char *message) {
  WryJson *object = typed("Status", "v1"), *details = NULL;
  json_object_object_add(object, "metadata", json_object_new_object());
  with_text(with_text(object, "status", "Failure"), "message", message);
  if (*wry_status_reason(code)) with_text(object, "reason", wry_status_reason(code));
  if (kind) {
    details = with_text(with_text(json_object_new_object(), "group", "kubevirt.io"), "kind", kind);
    if (name) with_text(details, "name", name);
    json_object_object_add(object, "details", details);
  }
  json_object_object_add(object, "code", json_object_new_int((int)code));
  return object;
}
