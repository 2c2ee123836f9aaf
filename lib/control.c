/* The control socket's parameters and replies as field tables, and the interface's description in Varlink's language.
 *
 * How it works: a row per field, so the handler decodes and wherryctl encodes the same structs; the description is text because clients in other languages read it. The
 * description's names are checked against the tables by tests/unit/test_control.c.
 * Relies on: fields.h. */
#include "wherry/control.h"

#include <stddef.h>

#define STR(c, member, json) {json, WRY_K_STR, 0, offsetof(c, member), NULL, NULL, 0}
#define INT(c, member, json) {json, WRY_K_INT, 0, offsetof(c, member), NULL, NULL, 0}
#define BOOL(c, member, json) {json, WRY_K_BOOL, 0, offsetof(c, member), NULL, NULL, 0}
#define RAW(c, member, json) {json, WRY_K_RAW, 0, offsetof(c, member), NULL, NULL, 0}
#define LIST(c, member, json, of) {json, WRY_K_LIST, 0, offsetof(c, member), &of, NULL, 0}

WRY_TYPE(get_type, WryControlGet, STR(WryControlGet, kind, "kind"), STR(WryControlGet, namespace_, "namespace"), STR(WryControlGet, name, "name"),
         BOOL(WryControlGet, allNamespaces, "allNamespaces"), BOOL(WryControlGet, watch, "watch"));
WRY_TYPE(apply_type, WryControlApply, STR(WryControlApply, manifest, "manifest"), STR(WryControlApply, fileName, "fileName"),
         STR(WryControlApply, namespace_, "namespace"), BOOL(WryControlApply, dryRun, "dryRun"));
WRY_TYPE(delete_type, WryControlDelete, STR(WryControlDelete, kind, "kind"), STR(WryControlDelete, namespace_, "namespace"), STR(WryControlDelete, name, "name"),
         INT(WryControlDelete, gracePeriodSeconds, "gracePeriodSeconds"));
WRY_TYPE(verb_type, WryControlVerb, STR(WryControlVerb, verb, "verb"), STR(WryControlVerb, kind, "kind"), STR(WryControlVerb, namespace_, "namespace"),
         STR(WryControlVerb, name, "name"), BOOL(WryControlVerb, paused, "paused"), BOOL(WryControlVerb, force, "force"), BOOL(WryControlVerb, dryRun, "dryRun"),
         INT(WryControlVerb, gracePeriodSeconds, "gracePeriodSeconds"));
WRY_TYPE(guest_type, WryControlGuest, STR(WryControlGuest, namespace_, "namespace"), STR(WryControlGuest, name, "name"), BOOL(WryControlGuest, readOnly, "readOnly"),
         BOOL(WryControlGuest, force, "force"), BOOL(WryControlGuest, scrollback, "scrollback"), BOOL(WryControlGuest, previous, "previous"),
         STR(WryControlGuest, what, "what"));
static const WryField nothing_rows[] = {{0}};
static const WryType nothing_type = {"WryControlNothing", sizeof(WryControlNothing), nothing_rows};

WRY_TYPE(wry_control_object_type, WryControlObject, STR(WryControlObject, type, "type"), RAW(WryControlObject, object, "object"));
WRY_TYPE(result_type, WryControlResult, STR(WryControlResult, kind, "kind"), STR(WryControlResult, apiVersion, "apiVersion"),
         STR(WryControlResult, namespace_, "namespace"), STR(WryControlResult, name, "name"), STR(WryControlResult, action, "action"),
         STR(WryControlResult, warning, "warning"));
WRY_TYPE(wry_control_results_type, WryControlResults, LIST(WryControlResults, results, "results", result_type));
WRY_TYPE(wry_control_data_type, WryControlData, RAW(WryControlData, data, "data"));
WRY_TYPE(wry_control_version_type, WryControlVersion, STR(WryControlVersion, version, "version"), INT(WryControlVersion, wire, "wire"));
WRY_TYPE(problem_type, WryManifestProblem, STR(WryManifestProblem, file, "file"), INT(WryManifestProblem, line, "line"), STR(WryManifestProblem, field, "field"),
         STR(WryManifestProblem, reason, "reason"), STR(WryManifestProblem, message, "message"));
WRY_TYPE(wry_node_facts_type, WryNodeFacts, STR(WryNodeFacts, nodeName, "nodeName"), STR(WryNodeFacts, version, "version"), STR(WryNodeFacts, arch, "arch"),
         STR(WryNodeFacts, manifests, "manifests"), STR(WryNodeFacts, images, "images"), STR(WryNodeFacts, state, "state"), STR(WryNodeFacts, run, "run"),
         BOOL(WryNodeFacts, kvmPresent, "kvmPresent"), BOOL(WryNodeFacts, kvmUsable, "kvmUsable"), BOOL(WryNodeFacts, emulationAllowed, "emulationAllowed"),
         INT(WryNodeFacts, cgroupVersion, "cgroupVersion"), INT(WryNodeFacts, landlockABI, "landlockABI"), STR(WryNodeFacts, libvirt, "libvirt"),
         STR(WryNodeFacts, qemu, "qemu"), STR(WryNodeFacts, probeMessage, "probeMessage"), INT(WryNodeFacts, virtualMachines, "virtualMachines"),
         INT(WryNodeFacts, virtualMachineInstances, "virtualMachineInstances"), INT(WryNodeFacts, running, "running"), INT(WryNodeFacts, images_, "imageCount"),
         LIST(WryNodeFacts, problems, "problems", problem_type));
WRY_TYPE(cause_type, WryControlCause, STR(WryControlCause, reason, "reason"), STR(WryControlCause, field, "field"), STR(WryControlCause, message, "message"));
WRY_TYPE(wry_control_error_type, WryControlError, INT(WryControlError, code, "code"), STR(WryControlError, reason, "reason"),
         STR(WryControlError, message, "message"), LIST(WryControlError, causes, "causes", cause_type));

static const struct { const char *name; const WryType *parameters; } methods[WRY_CONTROL_METHODS] = {
  [WRY_CONTROL_GET] = {"Get", &get_type},           [WRY_CONTROL_APPLY] = {"Apply", &apply_type},     [WRY_CONTROL_DELETE] = {"Delete", &delete_type},
  [WRY_CONTROL_VERB] = {"Verb", &verb_type},        [WRY_CONTROL_CONSOLE] = {"Console", &guest_type}, [WRY_CONTROL_VNC] = {"Vnc", &guest_type},
  [WRY_CONTROL_LOGS] = {"Logs", &guest_type},       [WRY_CONTROL_GUESTINFO] = {"GuestInfo", &guest_type},
  [WRY_CONTROL_EVENTS] = {"Events", &get_type},     [WRY_CONTROL_VERSION] = {"Version", &nothing_type}, [WRY_CONTROL_NODE] = {"Node", &nothing_type},
};

const char *wry_control_method_name(WryControlMethod method) { return method < WRY_CONTROL_METHODS ? methods[method].name : NULL; }
const WryType *wry_control_parameters_type(WryControlMethod method) { return method < WRY_CONTROL_METHODS ? methods[method].parameters : NULL; }

const char wry_control_interface[] =
  "# Virtual machines of this node.\n"
  "interface io.wherry.Node\n"
  "\n"
  "type Cause (reason: string, field: string, message: string)\n"
  "type Result (kind: string, apiVersion: string, namespace: ?string, name: string, action: string, warning: ?string)\n"
  "type Problem (file: string, line: ?int, field: ?string, reason: ?string, message: string)\n"
  "type Facts (nodeName: string, version: string, arch: string, manifests: string, images: string, state: string, run: string,\n"
  "  kvmPresent: bool, kvmUsable: bool, emulationAllowed: bool, cgroupVersion: int, landlockABI: int, libvirt: ?string, qemu: ?string,\n"
  "  probeMessage: ?string, virtualMachines: int, virtualMachineInstances: int, running: int, imageCount: int, problems: ?[]Problem)\n"
  "\n"
  "# With more: one reply per object, then type BOOKMARK; with watch, changes follow.\n"
  "method Get(kind: string, namespace: ?string, name: ?string, allNamespaces: ?bool, watch: ?bool) -> (type: ?string, object: ?object)\n"
  "method Apply(manifest: string, fileName: ?string, namespace: ?string, dryRun: ?bool) -> (results: []Result)\n"
  "method Delete(kind: string, namespace: ?string, name: string, gracePeriodSeconds: ?int) -> (type: ?string, object: ?object)\n"
  "method Verb(verb: string, kind: string, namespace: ?string, name: string, paused: ?bool, force: ?bool, dryRun: ?bool, gracePeriodSeconds: ?int) -> ()\n"
  "# One file descriptor comes with the reply of Console, Vnc and Logs.\n"
  "method Console(namespace: ?string, name: string, readOnly: ?bool, force: ?bool, scrollback: ?bool, previous: ?bool, what: ?string) -> ()\n"
  "method Vnc(namespace: ?string, name: string, readOnly: ?bool, force: ?bool, scrollback: ?bool, previous: ?bool, what: ?string) -> ()\n"
  "method Logs(namespace: ?string, name: string, readOnly: ?bool, force: ?bool, scrollback: ?bool, previous: ?bool, what: ?string) -> ()\n"
  "method GuestInfo(namespace: ?string, name: string, readOnly: ?bool, force: ?bool, scrollback: ?bool, previous: ?bool, what: ?string) -> (data: object)\n"
  "method Events(kind: ?string, namespace: ?string, name: ?string, allNamespaces: ?bool, watch: ?bool) -> (type: ?string, object: ?object)\n"
  "method Version() -> (version: string, wire: int)\n"
  "method Node() -> (facts: Facts)\n"
  "\n"
  "error Failed (code: int, reason: string, message: string, causes: ?[]Cause)\n";
