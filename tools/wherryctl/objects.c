/* Objects from the handler: a single Get, or a stream of them. */
#include "tools/wherryctl/objects.h"
#include "tools/wherryctl/client.h"
#include "wherry/error.h"
#include <poll.h>
#include <string.h>

static WryControlGet question(const WryArgs *args, const WryKindName *kind, const char *name, gboolean watch) {
  WryControlGet get = {.kind = (char *)kind->kind, .name = (char *)name, .watch = {watch, watch}};
  if (args->all_namespaces)
    get.allNamespaces = (WryOptBool){TRUE, TRUE};
  else
    get.namespace_ = (char *)wry_args_namespace(args);
  return get;
}

WryJson *wry_object_fetch(const WryArgs *args, const WryKindName *kind, const char *name, GError **error) {
  WryControlGet get = question(args, kind, name, FALSE);
  g_autoptr(WryJson) reply = wry_client_call(args->root, WRY_CONTROL_GET, &get, NULL, error);
  WryJson *object = reply ? wry_json_get(reply, "object") : NULL;
  return object ? json_object_get(object) : NULL;
}

/* Waits for a reply at most until `deadline` (monotonic microseconds, -1 = for ever). */
static gboolean await(const WryClient *client, gint64 deadline, GError **error) {
  struct pollfd p = {.fd = wry_client_fd(client), .events = POLLIN};
  if (deadline < 0 || wry_client_pending(client))
    return TRUE;
  gint64 left = (deadline - g_get_monotonic_time()) / 1000;
  if (left > 0 && poll(&p, 1, (int)MIN(left, G_MAXINT)) == 1)
    return TRUE;
  g_set_error(error, WRY_ERROR, WRY_ERROR_TIMEOUT, "error: timed out");
  return FALSE;
}

gboolean wry_objects_each(const WryArgs *args, const WryKindName *kind, const char *name, gboolean watch, gint64 timeout_ms, WryObjectEach each, gpointer data, GError **error) {
  WryControlGet get = question(args, kind, name, watch);
  gboolean events = strcmp(kind->kind, "Event") == 0, more = TRUE;
  gint64 deadline = timeout_ms < 0 ? -1 : g_get_monotonic_time() + timeout_ms * 1000;
  if (events)
    get.kind = NULL;
  g_autoptr(WryClient) client = wry_client_open(args->root, error);
  if (!client || !wry_client_send(client, events ? WRY_CONTROL_EVENTS : WRY_CONTROL_GET, &get, TRUE, error))
    return FALSE;
  while (more) {
    if (!await(client, deadline, error))
      return FALSE;
    g_autoptr(WryJson) reply = wry_client_receive(client, &more, NULL, error);
    if (!reply)
      return FALSE;
    const char *type = wry_json_str(reply, "type");
    if (!each(type ? type : "ADDED", wry_json_get(reply, "object"), data))
      break;
  }
  return TRUE;
}

static gboolean collect(const char *type, WryJson *object, gpointer data) {
  (void)type;
  if (object)
    g_ptr_array_add(data, json_object_get(object));
  return TRUE;
}

GPtrArray *wry_objects_fetch(const WryArgs *args, const WryKindName *kind, const char *name, GError **error) {
  g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)wry_json_put);
  return wry_objects_each(args, kind, name, FALSE, -1, collect, list, error) ? g_steal_pointer(&list) : NULL;
}

char *wry_object_qualified_name(WryJson *object) {
  const WryKindName *kind = wry_kind_of(wry_json_str(object, "kind"));
  const char *name = wry_json_str(wry_json_get(object, "metadata"), "name");
  g_autofree char *qualified = kind ? wry_kind_qualified(kind) : g_strdup("object");
  return g_strdup_printf("%s/%s", qualified, name ? name : "");
}
