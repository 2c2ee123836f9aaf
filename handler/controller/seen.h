#pragma once
/* API objects as the handler's own structs, and small questions to them. Pure. */
#include "handler/controller/build.h"
#include "handler/instance.h"

#define WRY_VM_FINALIZER "kubevirt.io/virtualMachineControllerFinalize"
#define WRY_VMI_FINALIZER "kubevirt.io/foregroundDeleteVirtualMachine"
#define WRY_VMI_FINALIZER_OLD "foregroundDeleteVirtualMachine"
#define WRY_GENERATION "kubevirt.io/vm-generation" /* annotation of a VMI */
#define WRY_NODE_LABEL "kubevirt.io/nodeName"

/* A VirtualMachineInstance as the pure functions of the handler take it; NULL for NULL. Free with wry_instance_free. */
WryInstance *wry_seen_instance(WryJson *vmi);
/* What a VirtualMachine's status has kept; its VMI is taken. Free with wry_struct_free(&wry_guest_state_type, …). */
WryGuestState *wry_seen_state(WryJson *vm, WryInstance *take_vmi);
/* Run strategy of a decoded VM: runStrategy, else running. */
WryStrategy wry_seen_strategy(const WryVmSpec *spec);

const char *wry_meta_str(WryJson *object, const char *key); /* of metadata */
gint64 wry_meta_generation(WryJson *object);
/* The owner reference with controller: true; NULL: none. Borrowed. */
WryJson *wry_controller_of(WryJson *object);
gboolean wry_is_controlled_by(WryJson *object, WryJson *owner);
gboolean wry_has_finalizer(WryJson *object, const char *finalizer);
/* In place. */
void wry_add_finalizer(WryJson *object, const char *finalizer);
void wry_drop_finalizer(WryJson *object, const char *finalizer);
/* Controller and blockOwnerDeletion set. New reference. */
WryJson *wry_owner_reference(WryJson *owner);

/* RFC 3339 text as seconds since 1970; -1 for none. */
gint64 wry_time_seconds(const char *text);

/* --- pods ------------------------------------------------------------------------------------------------------------------------------------------------------ */
const char *wry_pod_phase(WryJson *pod); /* "" when there is none */
static inline gboolean wry_pod_ended(WryJson *pod) { return g_strcmp0(wry_pod_phase(pod), "Succeeded") == 0 || g_strcmp0(wry_pod_phase(pod), "Failed") == 0; }
/* A condition of any object's status by type; NULL. Borrowed. */
WryJson *wry_object_condition(WryJson *object, const char *type);
/* Contract 3.2: compute runs, all others are ready, the pod is not being deleted. */
gboolean wry_pod_handed_over(WryJson *pod);
