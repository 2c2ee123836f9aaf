#pragma once
/* The control socket: run/control.sock below the handler's root, a SOCK_STREAM UNIX socket that speaks Varlink (https://varlink.org): JSON objects, each ended by
 * one NUL byte, at most WRY_MAX_CONTROL_MESSAGE bytes. A call is {"method", "parameters", "more"?, "oneway"?}; a reply {"parameters", "continues"?} or {"error", "parameters"}.
 * Calls on one connection are answered in their order. A connection with a `more` call under way serves no other call until it ends: close it to stop a watch.
 *
 * Who may: root, the handler's own uid, members of group "wherry" (SO_PEERCRED and SO_PEERGROUPS). Others are disconnected after one error reply with code 403.
 *
 * File descriptors come by SCM_RIGHTS with the first byte of the reply that answers the call; one each for Console, Vnc and Logs.
 *
 * Errors: "io.wherry.Node.Failed" with parameters {code, reason, message, causes: [{reason, field, message}]}: HTTP status, Kubernetes' reason ("NotFound", "Conflict",
 * "BadRequest", "Forbidden", "Invalid", "Timeout", "InternalError"), the message as kubectl would print it, causes only with "Invalid". Besides these the standard
 * org.varlink.service.{InterfaceNotFound, MethodNotFound, InvalidParameter, ExpectedMore}.
 *
 * The interface in Varlink's own language: wry_control_interface. Methods io.wherry.Node.<name>; parameters are the structs below (absent = not given):
 *
 *  Get        {kind, namespace, name, allNamespaces, watch} Kinds: VirtualMachine, VirtualMachineInstance, PersistentVolumeClaim, Secret, ConfigMap, KubeVirt. Without
 *             `more`: `name` is required, reply {object}; 404 when absent. With `more`: one reply {type: "ADDED", object} for each object (sorted by namespace and name),
 *             then {type: "BOOKMARK"}: the last reply, or with `watch` followed by {type: "ADDED" | "MODIFIED" | "DELETED", object} for ever. With `name` and `more`
 *             only that object; its absence is no error. namespace: default "default"; not used with allNamespaces.
 *  Apply      {manifest, fileName, namespace, dryRun} manifest: text of a YAML or JSON file, several documents; namespace: for objects that name none. All are checked before the first is
 *             stored. Reply {results: [{kind, apiVersion, namespace, name, action: "created" | "configured" | "unchanged", warning?}]}. Invalid: code 422, each
 *             cause's message starts with "<fileName>:<line>: " when the line is known.
 *  Delete     {kind, namespace, name, gracePeriodSeconds} Removes the object's manifest; a VM's guest is shut down first. Reply {object} as it was; it is gone when a watch tells DELETED.
 *  Verb       {verb, kind, namespace, name, paused, force, gracePeriodSeconds, dryRun} verb: start stop restart on "VirtualMachine"; pause unpause softreboot reset on
 *             either kind. Rules and messages: KubeVirt's subresources (contract 7.5, 7.6). Reply {}.
 *  Console    {namespace, name, readOnly, force, scrollback} of a VMI. Reply {} + SOCK_STREAM fd: scroll-back (when asked), then live. One writer, others read: a second
 *             writer gets 409 unless `force`, which makes the first a reader. 400 while not running (try again), 409 once Failed.
 *  Vnc        {namespace, name} Reply {} + SOCK_STREAM fd: RFB.
 *  Logs       {namespace, name, previous} Reply {} + read-only fd of the serial console's log (previous: of the boot before). 404 when there is none.
 *  GuestInfo  {namespace, name, what} what: "osinfo" | "users" | "filesystems". Reply {data}: KubeVirt's guestosinfo, userlist, filesystemlist.
 *  Events     {namespace, allNamespaces, kind, name, watch} Replies as Get's with `more`; objects are core/v1 Events, oldest first; kind, name: of the involved object.
 *  Version    {} Reply {version, wire}: wire is WRY_WIRE_VERSION.
 *  Node       {} Reply {facts}: WryNodeFacts.
 *
 * Images are not served here: wherryctl works on the image store itself; the handler sees its changes. */
#include "fields.h"

#define WRY_CONTROL_SOCKET "control.sock"
#define WRY_CONTROL_NAME "io.wherry.Node"
#define WRY_CONTROL_FAILED WRY_CONTROL_NAME ".Failed"
#define WRY_CONTROL_GROUP "wherry"

typedef enum {
  WRY_CONTROL_GET, WRY_CONTROL_APPLY, WRY_CONTROL_DELETE, WRY_CONTROL_VERB, WRY_CONTROL_CONSOLE, WRY_CONTROL_VNC, WRY_CONTROL_LOGS, WRY_CONTROL_GUESTINFO,
  WRY_CONTROL_EVENTS, WRY_CONTROL_VERSION, WRY_CONTROL_NODE, WRY_CONTROL_METHODS
} WryControlMethod;

/* Parameters. */
typedef struct { char *kind, *namespace_, *name; WryOptBool allNamespaces, watch; } WryControlGet; /* also Events: kind and name of the involved object */
typedef struct { char *manifest, *fileName, *namespace_; WryOptBool dryRun; } WryControlApply;
typedef struct { char *kind, *namespace_, *name; WryOptInt gracePeriodSeconds; } WryControlDelete;
typedef struct { char *verb, *kind, *namespace_, *name; WryOptBool paused, force, dryRun; WryOptInt gracePeriodSeconds; } WryControlVerb;
typedef struct { char *namespace_, *name; WryOptBool readOnly, force, scrollback, previous; char *what; } WryControlGuest; /* Console, Vnc, Logs, GuestInfo */
typedef struct { char unused; } WryControlNothing;                                                                   /* Version, Node */

/* Replies. */
typedef struct { char *type; WryJson *object; } WryControlObject;                /* Get, Events, Delete */
typedef struct { char *kind, *apiVersion, *namespace_, *name, *action, *warning; } WryControlResult;
typedef struct { GPtrArray *results; /* WryControlResult */ } WryControlResults; /* Apply */
typedef struct { WryJson *data; } WryControlData;                                /* GuestInfo */
typedef struct { char *version; WryOptInt wire; } WryControlVersion;

/* A manifest file that is not in force, or one problem in it. */
typedef struct { char *file; WryOptInt line; char *field, *reason, *message; } WryManifestProblem;
/* What `wherryctl doctor` shows of a running handler. */
typedef struct {
  char *nodeName, *version, *arch, *manifests, *images, *state, *run; /* the last four: absolute directories */
  WryOptBool kvmPresent, kvmUsable, emulationAllowed;
  WryOptInt cgroupVersion, landlockABI; /* 0 = none */
  char *libvirt, *qemu;                 /* versions, as the node's probe saw them; absent = probe not done */
  char *probeMessage;                   /* why the probe failed */
  WryOptInt virtualMachines, virtualMachineInstances, running, images_; /* counts; images_: "images" is the directory, this is "imageCount" */
  GPtrArray *problems;                  /* WryManifestProblem */
} WryNodeFacts;

/* Error parameters. */
typedef struct { char *reason, *field, *message; } WryControlCause;
typedef struct { WryOptInt code; char *reason, *message; GPtrArray *causes; /* WryControlCause */ } WryControlError;

extern const WryType wry_control_object_type, wry_control_results_type, wry_control_data_type, wry_control_version_type, wry_node_facts_type, wry_control_error_type;

/* The method's name ("Get"), its parameters and its reply; reply facts are {"facts": …}. */
const char *wry_control_method_name(WryControlMethod method);
const WryType *wry_control_parameters_type(WryControlMethod method);
/* The interface's description in Varlink's language (org.varlink.service.GetInterfaceDescription). */
extern const char wry_control_interface[];
