/* One message on the control socket: taking it apart and finding its method.
 *
 * How it works: a message is a Varlink call; its method's row says how its parameters are decoded and who serves it. Parameters that the method does not know are refused by name. The
 * standard interface org.varlink.service is served here.
 * Relies on: the tables of include/wherry/control.h. Parsing is pure. */
#include "handler/control.h"

static const WryMethod methods[WRY_CONTROL_METHODS] = {
  [WRY_CONTROL_GET] = wry_control_get,         [WRY_CONTROL_APPLY] = wry_control_apply, [WRY_CONTROL_DELETE] = wry_control_delete,
  [WRY_CONTROL_VERB] = wry_control_verb,       [WRY_CONTROL_CONSOLE] = wry_control_console, [WRY_CONTROL_VNC] = wry_control_vnc,
  [WRY_CONTROL_LOGS] = wry_control_logs,       [WRY_CONTROL_GUESTINFO] = wry_control_guestinfo, [WRY_CONTROL_EVENTS] = wry_control_events,
  [WRY_CONTROL_VERSION] = wry_control_version, [WRY_CONTROL_NODE] = wry_control_node,
};

void wry_call_clear(WryCall *call) {
  g_clear_pointer(&call->method, g_free);
  g_clear_pointer(&call->parameters, json_object_put);
}

static gboolean wrong(GError **error, const char *what) {
  g_set_error(error, WRY_ERROR, WRY_ERROR_PROTOCOL, "not a Varlink call: %s", what);
  return FALSE;
}

gboolean wry_call_parse(const char *text, gsize length, WryCall *ret, GError **error) {
  g_autoptr(WryJson) message = wry_json_parse(text, length, error);
  if (!message) return FALSE;
  if (!json_object_is_type(message, json_type_object)) return wrong(error, "no object");
  const char *method = wry_json_str(message, "method");
  WryJson *parameters = wry_json_get(message, "parameters");
  if (!method || !strrchr(method, '.')) return wrong(error, "no method");
  if (parameters && !json_object_is_type(parameters, json_type_object)) return wrong(error, "parameters are no object");
  *ret = (WryCall){g_strdup(method), parameters ? json_object_get(parameters) : json_object_new_object(), wry_json_bool(message, "more", FALSE), wry_json_bool(message, "oneway", FALSE)};
  return TRUE;
}

/* --- org.varlink.service ------------------------------------------------------------------------------------------------------------------------------- */
static const char service_interface[] =
  "# The Varlink Service Interface is provided by every varlink service. It describes the service and the interfaces it implements.\n"
  "interface org.varlink.service\n"
  "\n"
  "method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)\n"
  "method GetInterfaceDescription(interface: string) -> (description: string)\n"
  "\n"
  "error InterfaceNotFound (interface: string)\n"
  "error MethodNotFound (method: string)\n"
  "error MethodNotImplemented (method: string)\n"
  "error InvalidParameter (parameter: string)\n"
  "error PermissionDenied ()\n"
  "error ExpectedMore ()\n";

static void put(WryJson *object, const char *key, const char *value) { json_object_object_add(object, key, json_object_new_string(value)); }

static void get_info(WryClient *client) {
  WryJson *info = json_object_new_object(), *interfaces = json_object_new_array();
  put(info, "vendor", "Wherry");
  put(info, "product", "Wherry handler");
  put(info, "version", WRY_VERSION);
  put(info, "url", "https://kubevirt.io");
  json_object_array_add(interfaces, json_object_new_string("org.varlink.service"));
  json_object_array_add(interfaces, json_object_new_string(WRY_CONTROL_NAME));
  json_object_object_add(info, "interfaces", interfaces);
  wry_client_reply(client, info, FALSE, -1);
}

static void get_description(WryClient *client, const WryCall *call) {
  const char *name = wry_json_str(call->parameters, "interface");
  gboolean own = g_strcmp0(name, WRY_CONTROL_NAME) == 0;
  if (!own && g_strcmp0(name, "org.varlink.service") != 0) {
    wry_client_standard(client, "InterfaceNotFound", "interface", name);
    return;
  }
  WryJson *reply = json_object_new_object();
  put(reply, "description", own ? wry_control_interface : service_interface);
  wry_client_reply(client, reply, FALSE, -1);
}

static void dispatch_service(WryClient *client, const WryCall *call, const char *name) {
  if (strcmp(name, "GetInfo") == 0)
    get_info(client);
  else if (strcmp(name, "GetInterfaceDescription") == 0)
    get_description(client, call);
  else
    wry_client_standard(client, "MethodNotFound", "method", call->method);
}

/* --- io.wherry.Node ------------------------------------------------------------------------------------------------------------------------------------ */
static WryControlMethod find_method(const char *name) {
  WryControlMethod method = 0;
  while (method < WRY_CONTROL_METHODS && strcmp(name, wry_control_method_name(method)) != 0) method++;
  return method;
}

static void run(WryClient *client, WryControlMethod method, const WryCall *call) {
  const WryType *type = wry_control_parameters_type(method);
  g_autoptr(WryCauses) causes = wry_causes_new();
  gpointer parameters = wry_decode(type, call->parameters, "", causes);
  if (wry_causes_count(causes) > 0)
    wry_client_standard(client, "InvalidParameter", "parameter", wry_causes_get(causes, 0)->field);
  else if (!wry_client_fleet(client))
    wry_client_fail(client, 503, "ServiceUnavailable", "the handler is starting", NULL);
  else
    methods[method](client, parameters);
  if (parameters) wry_struct_free(type, parameters);
}

void wry_control_dispatch(WryClient *client, const WryCall *call) {
  const char *dot = strrchr(call->method, '.');
  g_autofree char *interface = g_strndup(call->method, (gsize)(dot - call->method));
  gboolean own = strcmp(interface, WRY_CONTROL_NAME) == 0;
  WryControlMethod method = own ? find_method(dot + 1) : WRY_CONTROL_METHODS;
  if (strcmp(interface, "org.varlink.service") == 0)
    dispatch_service(client, call, dot + 1);
  else if (!own)
    wry_client_standard(client, "InterfaceNotFound", "interface", interface);
  else if (method == WRY_CONTROL_METHODS)
    wry_client_standard(client, "MethodNotFound", "method", call->method);
  else
    run(client, method, call);
}
