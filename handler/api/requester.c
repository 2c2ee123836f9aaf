/* The front proxy's word: ConfigMap -> whom to believe and where to look; headers -> user, groups, extra; these and a route -> SubjectAccessReview.
 *
 * Header names compare without case, as HTTP has it; an extra's key is decoded as the API server encodes it (percent, lower case). A user without a group is refused:
 * the API server always sends one. */
#include "handler/api/requester.h"

#include <string.h>

#include "wherry/error.h"

void wry_front_proxy_free(WryFrontProxy *proxy) {
  if (!proxy) return;
  g_free(proxy->ca);
  g_strfreev(proxy->allowed);
  g_strfreev(proxy->user);
  g_strfreev(proxy->group);
  g_strfreev(proxy->extra);
  g_free(proxy);
}

void wry_requester_clear(WryRequester *requester) {
  g_clear_pointer(&requester->user, g_free);
  g_clear_pointer(&requester->groups, g_ptr_array_unref);
  g_clear_pointer(&requester->extra, g_hash_table_unref);
}

/* --- the ConfigMap ---------------------------------------------------------------------------------------------------------------------------------------- */
/* A JSON list of strings inside a string, behind a name that is always there. NULL: it is no such list. */
static GStrv read_list(WryJson *data, const char *key, const char *always, GError **error) {
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  const char *text = wry_json_str(data, key);
  if (always) g_strv_builder_add(names, always);
  if (!text || !*text) return g_strv_builder_end(names);
  g_autoptr(WryJson) list = wry_json_parse(text, strlen(text), error);
  gboolean good = list && json_object_is_type(list, json_type_array);
  for (gsize i = 0; good && i < json_object_array_length(list); i++) {
    WryJson *item = json_object_array_get_idx(list, i);
    good = json_object_is_type(item, json_type_string);
    if (good) g_strv_builder_add(names, json_object_get_string(item));
  }
  if (good) return g_strv_builder_end(names);
  if (error && !*error) g_set_error_literal(error, WRY_ERROR, WRY_ERROR_INVALID, "not a list of strings");
  g_prefix_error(error, "%s: ", key);
  return NULL;
}

WryFrontProxy *wry_front_proxy_new(WryJson *config_map, GError **error) {
  WryJson *data = wry_json_get(config_map, "data");
  g_autoptr(WryFrontProxy) proxy = g_new0(WryFrontProxy, 1);
  proxy->ca = g_strdup(wry_json_str(data, "requestheader-client-ca-file"));
  if (!proxy->ca || !*proxy->ca) {
    g_set_error_literal(error, WRY_ERROR, WRY_ERROR_INVALID, "requestheader-client-ca-file: must be set");
    return NULL;
  }
  gboolean good = (proxy->allowed = read_list(data, "requestheader-allowed-names", NULL, error)) &&
                  (proxy->user = read_list(data, "requestheader-username-headers", "X-Remote-User", error)) &&
                  (proxy->group = read_list(data, "requestheader-group-headers", "X-Remote-Group", error)) &&
                  (proxy->extra = read_list(data, "requestheader-extra-headers-prefix", "X-Remote-Extra-", error));
  return good ? g_steal_pointer(&proxy) : NULL;
}

/* --- headers ---------------------------------------------------------------------------------------------------------------------------------------------- */
static gboolean named(char *const *names, const char *name) {
  for (guint i = 0; names[i]; i++)
    if (!g_ascii_strcasecmp(names[i], name)) return TRUE;
  return FALSE;
}

/* The key behind the prefix; NULL: the header is no extra, or its key cannot be decoded. New. */
static char *extra_key(const WryFrontProxy *proxy, const char *name) {
  for (guint i = 0; proxy->extra[i]; i++) {
    gsize length = strlen(proxy->extra[i]);
    if (!length || g_ascii_strncasecmp(proxy->extra[i], name, length)) continue;
    g_autofree char *lower = g_ascii_strdown(name + length, -1);
    return g_uri_unescape_string(lower, NULL);
  }
  return NULL;
}

static void add_extra(WryRequester *requester, char *take_key, const char *value) {
  GPtrArray *values = g_hash_table_lookup(requester->extra, take_key);
  if (!values) {
    values = g_ptr_array_new_with_free_func(g_free);
    g_hash_table_insert(requester->extra, take_key, values);
  } else {
    g_free(take_key);
  }
  g_ptr_array_add(values, g_strdup(value));
}

/* NULL, or why the headers are refused. */
static const char *read_headers(const WryFrontProxy *proxy, const WryHeader *headers, gsize count, WryRequester *requester) {
  guint extras = 0;
  for (gsize i = 0; i < count; i++) {
    const char *name = headers[i].name, *value = headers[i].value ? headers[i].value : "";
    if (!g_utf8_validate(value, -1, NULL)) continue;
    char *key = NULL;
    if (named(proxy->user, name)) {
      if (requester->user && strcmp(requester->user, value)) return "the user is named twice";
      if (!requester->user && *value) requester->user = g_strdup(value);
    } else if (named(proxy->group, name)) {
      if (requester->groups->len == WRY_MAX_GROUPS) return "too many groups";
      g_ptr_array_add(requester->groups, g_strdup(value));
    } else if ((key = extra_key(proxy, name))) {
      add_extra(requester, key, value);
      if (++extras > WRY_MAX_EXTRA) return "too many extra values";
    }
  }
  return !requester->user ? "the request names no user" : !requester->groups->len ? "the request names no group" : NULL;
}

gboolean wry_requester_read(const WryFrontProxy *proxy, const char *common_name, const WryHeader *headers, gsize count, WryRequester *ret, const char **ret_reason) {
  *ret = (WryRequester){.user = NULL};
  *ret_reason = NULL;
  if (!common_name)
    *ret_reason = "a client certificate is required";
  else if (proxy->allowed[0] && !g_strv_contains((const char *const *)proxy->allowed, common_name))
    *ret_reason = "the client certificate's name is not allowed";
  if (*ret_reason) return FALSE;
  ret->groups = g_ptr_array_new_with_free_func(g_free);
  ret->extra = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
  *ret_reason = read_headers(proxy, headers, count, ret);
  if (*ret_reason) wry_requester_clear(ret);
  return !*ret_reason;
}

/* --- the review ------------------------------------------------------------------------------------------------------------------------------------------- */
static WryJson *strings(const GPtrArray *list) {
  WryJson *array = json_object_new_array();
  for (guint i = 0; i < list->len; i++) json_object_array_add(array, json_object_new_string(g_ptr_array_index(list, i)));
  return array;
}

static int by_text(gconstpointer a, gconstpointer b) {
  return strcmp(a, b);
}

static WryJson *extras(GHashTable *extra) {
  WryJson *object = json_object_new_object();
  g_autoptr(GList) keys = g_list_sort(g_hash_table_get_keys(extra), by_text);
  for (GList *at = keys; at; at = at->next) json_object_object_add(object, at->data, strings(g_hash_table_lookup(extra, at->data)));
  return object;
}

static WryJson *attributes(const WryAccess *access) {
  WryJson *object = json_object_new_object();
  const struct { const char *key, *value; } rows[] = {
      {"namespace", access->namespace_}, {"verb", access->verb}, {"group", access->group}, {"version", access->version},
      {"resource", access->resource},    {"subresource", access->subresource}, {"name", access->name},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    if (rows[i].value && *rows[i].value) json_object_object_add(object, rows[i].key, json_object_new_string(rows[i].value));
  return object;
}

WryJson *wry_requester_review(const WryRequester *requester, const WryAccess *access) {
  WryJson *review = json_object_new_object(), *spec = json_object_new_object();
  json_object_object_add(review, "apiVersion", json_object_new_string("authorization.k8s.io/v1"));
  json_object_object_add(review, "kind", json_object_new_string("SubjectAccessReview"));
  json_object_object_add(review, "spec", spec);
  json_object_object_add(spec, "user", json_object_new_string(requester->user));
  json_object_object_add(spec, "groups", strings(requester->groups));
  if (g_hash_table_size(requester->extra)) json_object_object_add(spec, "extra", extras(requester->extra));
  json_object_object_add(spec, "resourceAttributes", attributes(access));
  return review;
}

gboolean wry_requester_allowed(WryJson *review, const char **ret_reason) {
  WryJson *status = wry_json_get(review, "status");
  *ret_reason = wry_json_str(status, "reason");
  return wry_json_bool(status, "allowed", FALSE) && !wry_json_bool(status, "denied", FALSE);
}

char *wry_requester_key(const WryRequester *requester, const WryAccess *access) {
  g_autoptr(WryJson) review = wry_requester_review(requester, access);
  return g_strdup(json_object_to_json_string_ext(wry_json_get(review, "spec"), JSON_C_TO_STRING_PLAIN));
}
