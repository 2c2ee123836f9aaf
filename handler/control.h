#pragma once
/* Inside of the control socket's server: connections and calls. The interface itself: include/wherry/control.h. */
#include "handler/fleet.h"
#include "wherry/control.h"

typedef struct WryControl WryControl;
typedef struct WryClient WryClient;

/* All borrowed. `group`: gid whose members may use the socket, or (gid_t)-1. */
typedef struct {
  int run_fd, state_fd;
  gid_t group;
  const char *manifests, *images, *state, *run; /* absolute directories, to be shown */
  int images_fd;
} WryControlOptions;

WryControl *wry_control_new(const WryControlOptions *options, GError **error);
void wry_control_free(WryControl *control);
void wry_control_set_fleet(WryControl *control, WryFleet *fleet);
/* WryFleetShown: passes a change on to the watchers; `data` is the control. */
void wry_control_shown(WryObjectKind kind, const char *type, WryJson *object, gpointer data);

/* One call as it stands on the wire. Pure. */
typedef struct { char *method; WryJson *parameters; gboolean more, oneway; } WryCall;
gboolean wry_call_parse(const char *text, gsize length, WryCall *ret, GError **error);
void wry_call_clear(WryCall *call);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WryCall, wry_call_clear)

/* --- for the methods --- */
WryFleet *wry_client_fleet(WryClient *client);
const WryControlOptions *wry_client_options(WryClient *client);
gboolean wry_client_more(const WryClient *client);
WryClient *wry_client_ref(WryClient *client);
void wry_client_unref(WryClient *client);
/* Answers the call under way; parameters are taken (NULL: {}). `continues`: more replies follow. take_fd (or -1) goes with it. */
void wry_client_reply(WryClient *client, WryJson *take_parameters, gboolean continues, int take_fd);
void wry_client_reply_struct(WryClient *client, const WryType *type, gconstpointer body);
/* Answers with io.wherry.Node.Failed. `causes` may be NULL. */
void wry_client_fail(WryClient *client, int code, const char *reason, const char *message, const WryCauses *causes);
void wry_client_fail_error(WryClient *client, const GError *error);
void wry_client_not_found(WryClient *client, WryObjectKind kind, const char *name);
/* A standard error with one parameter: "InvalidParameter", "parameter", name. */
void wry_client_standard(WryClient *client, const char *error, const char *key, const char *value);
/* From now on changes of this kind reach the client. Strings are copied; name and namespace NULL: any. kind WRY_OBJECT_KINDS: events, with `involved` kind or NULL. */
void wry_client_watch(WryClient *client, WryObjectKind kind, const char *namespace_, const char *name, const char *involved);

/* The methods; `parameters` is the decoded struct of the method's type. control_get.c, control_apply.c, control_verb.c, control_guest.c, control_node.c. */
typedef void (*WryMethod)(WryClient *client, gconstpointer parameters);
void wry_control_get(WryClient *client, gconstpointer parameters);
void wry_control_events(WryClient *client, gconstpointer parameters);
void wry_control_apply(WryClient *client, gconstpointer parameters);
void wry_control_delete(WryClient *client, gconstpointer parameters);
void wry_control_verb(WryClient *client, gconstpointer parameters);
void wry_control_console(WryClient *client, gconstpointer parameters);
void wry_control_vnc(WryClient *client, gconstpointer parameters);
void wry_control_logs(WryClient *client, gconstpointer parameters);
void wry_control_guestinfo(WryClient *client, gconstpointer parameters);
void wry_control_version(WryClient *client, gconstpointer parameters);
void wry_control_node(WryClient *client, gconstpointer parameters);
/* control_call.c: one message of a client. */
void wry_control_dispatch(WryClient *client, const WryCall *call);

/* An event is of the namespace and involved object that is asked for; NULL: any. Pure. */
gboolean wry_control_event_matches(WryJson *event, const char *namespace_, const char *kind, const char *name);
