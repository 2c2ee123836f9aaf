"""The controller on a real API server: run strategies, requests, waiting states, deletion with and without orphans, replica sets, refusals, what a life costs.

Guests are boot sectors under emulation: up in a moment, and they end when they are told to.
"""
import json

from suite import case, check

EMULATION = json.dumps({"spec": {"configuration": {"developerConfiguration": {"useEmulation": True}}}})
START_SECONDS, STOP_SECONDS = 90, 60
CONTROLLER_WRITES = 8  # of a VMI: made, Scheduling, Scheduled, Ready; the node's: Running and at most two more; the end
DOMAIN = "domain: {devices: {}, memory: {guest: 64Mi}}"
DISK = "volumes: [{name: root, containerDisk: {image: 'localhost/wherry/%s:1'}}]"
VM = """
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {{name: {name}}}
spec:
  runStrategy: {strategy}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{terminationGracePeriodSeconds: 0, {domain}, {more}}}
"""
SET = """
apiVersion: kubevirt.io/v1
kind: VirtualMachineInstanceReplicaSet
metadata: {name: set}
spec:
  replicas: 2
  selector: {matchLabels: {app: set}}
  template:
    metadata: {labels: {app: set}}
    spec: {terminationGracePeriodSeconds: 0, %s, %s}
"""
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: later}
spec: {accessModes: [ReadWriteOnce], storageClassName: none, resources: {requests: {storage: 64Mi}}}
"""


# --- what the cases share ------------------------------------------------------------------------------------------------
def ready(bed):
    cluster = bed.wherry()
    cluster.wait_for("the KubeVirt object", lambda: cluster.exists("kubevirt/kubevirt", "-n", "kubevirt"))
    cluster.kubectl("patch", "kubevirt/kubevirt", "-n", "kubevirt", "--type=merge", "-p", EMULATION)
    cluster.wait_for("a node that takes VMs", lambda: cluster.get("node/node1")["metadata"]["labels"].get("kubevirt.io/schedulable") == "true")
    return cluster


def manifest(name, strategy="Always", more=None, guest="bootsector"):
    return VM.format(name=name, strategy=strategy, domain=DOMAIN, more=more or DISK % guest)


def status(cluster, name):
    return cluster.get(f"vm/{name}")["status"]


def wait_status(cluster, name, wanted, seconds=START_SECONDS):
    cluster.wait_for(f"{name} is {wanted}", lambda: cluster.exists(f"vm/{name}") and status(cluster, name).get("printableStatus") == wanted, seconds)


def patch(cluster, what, body, *argv):
    cluster.kubectl("patch", what, "--type=merge", "-p", json.dumps(body), *argv)


def uid(cluster, name):
    return cluster.kubectl("get", f"vmi/{name}", "--ignore-not-found", "-o", "jsonpath={.metadata.uid}").strip() or None


def condition(thing, kind):
    return next((c for c in thing.get("status", {}).get("conditions", []) if c["type"] == kind), {})


def reasons(cluster, kind, name):
    return [reason for reason, _message in cluster.events(kind, name)]


def launchers(cluster):
    return cluster.get("pods", "-l", "kubevirt.io=virt-launcher")


def remove(cluster, *what):
    for one in what:
        if cluster.exists(one):
            cluster.delete(one, seconds=STOP_SECONDS)
    cluster.wait_for("no launcher pod is left", lambda: not launchers(cluster), STOP_SECONDS)


# --- a life --------------------------------------------------------------------------------------------------------------
@case("a VM's objects: owners, finalizers, revision, events; few writes; nothing is left")
def objects(bed):
    cluster = ready(bed)
    cluster.apply(manifest("a"))
    try:
        cluster.wait("vm/a", "condition=Ready", START_SECONDS)
        vm, vmi, pod = cluster.get("vm/a"), cluster.get("vmi/a"), launchers(cluster)[0]
        check(vmi["metadata"]["ownerReferences"][0]["uid"] == vm["metadata"]["uid"], "the VMI's owner")
        check(pod["metadata"]["ownerReferences"][0]["uid"] == vmi["metadata"]["uid"], "the pod's owner")
        check("kubevirt.io/virtualMachineControllerFinalize" in vm["metadata"]["finalizers"], vm["metadata"]["finalizers"])
        revision = cluster.get(f"controllerrevision/{vmi['status']['virtualMachineRevisionName']}")
        check(revision["data"]["spec"]["template"] == vm["spec"]["template"], "the revision")
        wait_status(cluster, "a", "Running")
        check(status(cluster, "a")["ready"] and status(cluster, "a")["observedGeneration"] == vm["metadata"]["generation"], status(cluster, "a"))
        check("SuccessfulCreate" in reasons(cluster, "VirtualMachine", "a"), reasons(cluster, "VirtualMachine", "a"))
        check({"SuccessfulCreate", "SuccessfulHandOver"} <= set(reasons(cluster, "VirtualMachineInstance", "a")), reasons(cluster, "VirtualMachineInstance", "a"))
        writes = vmi["metadata"]["generation"]  # the VMI has no status subresource: each write counts
        check(writes <= CONTROLLER_WRITES, f"{writes} writes")
    finally:
        remove(cluster, "vm/a")
    check(not cluster.exists("vmi/a") and not cluster.get("controllerrevisions"), "left behind")


@case("the launcher pod passes Pod Security at its restricted level")
def restricted(bed):
    cluster = ready(bed)
    cluster.kubectl("create", "namespace", "strict-vm")
    try:
        cluster.kubectl("label", "namespace", "strict-vm", "pod-security.kubernetes.io/enforce=restricted")
        cluster.apply(manifest("a"), "-n", "strict-vm")
        cluster.wait_for("a launcher pod", lambda: cluster.get("pods", "-n", "strict-vm", "-l", "kubevirt.io=virt-launcher"), START_SECONDS)
        cluster.wait("vm/a", "condition=Ready", START_SECONDS, "-n", "strict-vm")
    finally:
        cluster.kubectl("delete", "vm/a", "-n", "strict-vm", "--ignore-not-found")
        cluster.kubectl("delete", "namespace", "strict-vm", seconds=STOP_SECONDS)


# --- run strategies --------------------------------------------------------------------------------------------------------
# What is left after the guest has shut down by itself: a new VMI, none, or the one that ended.
AFTER_SHUTDOWN = {"Always": "new", "RerunOnFailure": "none", "Once": "same", "Manual": "same"}


def after_shutdown(cluster, strategy):
    name = strategy.lower()
    cluster.apply(manifest(name, strategy, guest="bootsector-poweroff"))
    if strategy == "Manual":
        cluster.wait_for("the controller has seen it", lambda: status(cluster, name).get("runStrategy") == "Manual")
        cluster.kubectl("patch", f"vm/{name}", "--subresource=status", "--type=merge", "-p", json.dumps({"status": {"stateChangeRequests": [{"action": "Start"}]}}))
    first = cluster.wait_for(f"{name} starts", lambda: uid(cluster, name), START_SECONDS)
    wanted = AFTER_SHUTDOWN[strategy]
    if wanted == "new":
        cluster.wait_for("a new VMI", lambda: uid(cluster, name) not in (None, first), START_SECONDS)
    elif wanted == "none":
        cluster.wait_for("no VMI", lambda: uid(cluster, name) is None, START_SECONDS)
        wait_status(cluster, name, "Stopped")
    else:
        cluster.wait_for("its end", lambda: cluster.get(f"vmi/{name}")["status"].get("phase") == "Succeeded", START_SECONDS)
        wait_status(cluster, name, "Stopped")
        check(uid(cluster, name) == first, "another VMI")
    cluster.delete(f"vm/{name}", seconds=STOP_SECONDS)


@case("every run strategy after a guest that shut down by itself")
def strategies(bed):
    cluster = ready(bed)
    try:
        for strategy in AFTER_SHUTDOWN:
            after_shutdown(cluster, strategy)
    finally:
        remove(cluster, *[f"vm/{strategy.lower()}" for strategy in AFTER_SHUTDOWN])


@case("halted and started again, a VMI deleted, a pod deleted: an Always VM comes back")
def comes_back(bed):
    cluster = ready(bed)
    cluster.apply(manifest("a"))
    try:
        cluster.wait("vm/a", "condition=Ready", START_SECONDS)
        patch(cluster, "vm/a", {"spec": {"runStrategy": "Halted"}})
        wait_status(cluster, "a", "Stopped")
        cluster.wait_for("no VMI", lambda: uid(cluster, "a") is None, STOP_SECONDS)
        patch(cluster, "vm/a", {"spec": {"runStrategy": "Always"}})
        cluster.wait_for("it runs", lambda: status(cluster, "a").get("ready"), START_SECONDS)
        for victim in ("vmi/a", "pod"):
            before = uid(cluster, "a")
            cluster.delete(victim if victim != "pod" else "pod/" + launchers(cluster)[0]["metadata"]["name"], seconds=STOP_SECONDS)
            cluster.wait_for(f"another VMI after {victim}", lambda before=before: uid(cluster, "a") not in (None, before), START_SECONDS)
            cluster.wait_for("it runs", lambda: status(cluster, "a").get("ready"), START_SECONDS)
    finally:
        remove(cluster, "vm/a")


@case("a pod that the namespace does not take is told in the VMI's and the VM's status")
def not_taken(bed):
    cluster = ready(bed)
    cluster.kubectl("create", "quota", "none", "--hard=pods=0")
    cluster.apply(manifest("a"))
    try:
        trouble = cluster.wait_for("the reason", lambda: condition(cluster.get("vmi/a"), "Synchronized"), START_SECONDS)
        check(trouble["reason"] == "FailedCreate" and "exceeded quota" in trouble["message"], trouble)
        check("FailedCreate" in reasons(cluster, "VirtualMachineInstance", "a"), "no event")
        cluster.kubectl("delete", "quota", "none")
        cluster.wait("vm/a", "condition=Ready", START_SECONDS)
        check(not condition(cluster.get("vmi/a"), "Synchronized"), "the reason stays")
    finally:
        cluster.kubectl("delete", "quota", "none", "--ignore-not-found")
        remove(cluster, "vm/a")


# --- waiting ---------------------------------------------------------------------------------------------------------------
@case("what a VM waits for is its status: claim, image, node; and what comes later is taken")
def waiting(bed):
    cluster = ready(bed)
    cluster.apply(manifest("claim", more="volumes: [{name: p, persistentVolumeClaim: {claimName: later}}]"))
    cluster.apply(manifest("image", guest="there-is-none"))
    cluster.apply(manifest("place", more="nodeSelector: {there: 'is-none'}"))
    try:
        wait_status(cluster, "claim", "ErrorPvcNotFound")
        wait_status(cluster, "place", "ErrorUnschedulable")
        cluster.wait_for("trouble with the image", lambda: status(cluster, "image")["printableStatus"] in ("ErrImagePull", "ImagePullBackOff"), START_SECONDS)
        check("FailedPvcNotFound" in reasons(cluster, "VirtualMachineInstance", "claim"), "no event")
        cluster.apply(CLAIM)
        cluster.wait_for("a pod for the claim", lambda: [p for p in launchers(cluster) if p["metadata"]["labels"]["vmi.kubevirt.io/id"] == "claim"], START_SECONDS)
        cluster.kubectl("label", "node/node1", "there=is-none")
        cluster.wait("vm/place", "condition=Ready", START_SECONDS)
    finally:
        cluster.kubectl("label", "node/node1", "there-")
        remove(cluster, "vm/claim", "vm/image", "vm/place")
        cluster.delete("pvc/later")


@case("a VM that the rules refuse says why, with the field; mended it starts")
def refused(bed):
    cluster = ready(bed)
    cluster.apply(manifest("a", more=DISK % "bootsector" + ", evictionStrategy: LiveMigrate"))
    try:
        failure = cluster.wait_for("a Failure", lambda: condition(cluster.get("vm/a"), "Failure"))
        check("spec.template.spec.evictionStrategy" in failure["message"], failure)
        check(uid(cluster, "a") is None, "a VMI")
        patch(cluster, "vm/a", {"spec": {"template": {"spec": {"evictionStrategy": "None"}}}})
        cluster.wait("vm/a", "condition=Ready", START_SECONDS)
        check(not condition(cluster.get("vm/a"), "Failure"), "the Failure stays")
    finally:
        remove(cluster, "vm/a")


@case("a changed template asks for a restart; a changed strategy does not")
def restart_required(bed):
    cluster = ready(bed)
    cluster.apply(manifest("a"))
    try:
        cluster.wait("vm/a", "condition=Ready", START_SECONDS)
        patch(cluster, "vm/a", {"spec": {"runStrategy": "RerunOnFailure"}})
        cluster.wait_for("the new generation", lambda: status(cluster, "a")["observedGeneration"] == cluster.get("vm/a")["metadata"]["generation"])
        check(not condition(cluster.get("vm/a"), "RestartRequired"), "a restart for nothing")
        patch(cluster, "vm/a", {"spec": {"template": {"spec": {"domain": {"memory": {"guest": "96Mi"}}}}}})
        cluster.wait_for("RestartRequired", lambda: condition(cluster.get("vm/a"), "RestartRequired"))
    finally:
        remove(cluster, "vm/a")


# --- deletion ----------------------------------------------------------------------------------------------------------------
@case("deletion: an orphaned VMI runs on, in the foreground the VM goes last")
def deletion(bed):
    cluster = ready(bed)
    cluster.apply(manifest("a"))
    cluster.apply(manifest("b"))
    try:
        for name in ("a", "b"):
            cluster.wait(f"vm/{name}", "condition=Ready", START_SECONDS)
        before = uid(cluster, "a")
        cluster.kubectl("delete", "vm/a", "--cascade=orphan", seconds=STOP_SECONDS)
        orphan = cluster.get("vmi/a")
        check(orphan["metadata"]["uid"] == before and not orphan["metadata"].get("ownerReferences"), orphan["metadata"])
        check("deletionTimestamp" not in orphan["metadata"] and condition(orphan, "Ready")["status"] == "True", orphan["status"])
        cluster.kubectl("delete", "vm/b", "--cascade=foreground", seconds=STOP_SECONDS)
        check(not cluster.exists("vmi/b") and not cluster.exists("vm/b"), "left behind")
        cluster.apply(manifest("a"))  # a new VM takes the orphan
        cluster.wait_for("the orphan's new owner", lambda: cluster.get("vmi/a")["metadata"].get("ownerReferences"))
        check(uid(cluster, "a") == before, "another VMI")
    finally:
        remove(cluster, "vm/a", "vm/b", "vmi/a", "vmi/b")


# --- replica sets ---------------------------------------------------------------------------------------------------------------
@case("a replica set: scaled by kubectl, replaces what goes")
def replica_set(bed):
    cluster = ready(bed)
    cluster.apply(SET % (DOMAIN, DISK % "bootsector"))
    try:
        cluster.wait_for("two are ready", lambda: cluster.get("vmirs/set").get("status", {}).get("readyReplicas") == 2, START_SECONDS)
        names = {vmi["metadata"]["name"] for vmi in cluster.get("vmis", "-l", "app=set")}
        cluster.delete(f"vmi/{sorted(names)[0]}", seconds=STOP_SECONDS)
        cluster.wait_for("two again", lambda: cluster.get("vmirs/set")["status"].get("readyReplicas") == 2 and len(cluster.get("vmis", "-l", "app=set")) == 2, START_SECONDS)
        cluster.kubectl("scale", "vmirs/set", "--replicas=1")
        cluster.wait_for("one", lambda: len(cluster.get("vmis", "-l", "app=set")) == 1, STOP_SECONDS)
        check(cluster.get("vmirs/set")["status"]["labelSelector"] == "app=set", "the selector")
    finally:
        cluster.delete("vmirs/set", seconds=STOP_SECONDS)
        cluster.wait_for("all are gone", lambda: not cluster.get("vmis") and not launchers(cluster), STOP_SECONDS)


# --- the installation -----------------------------------------------------------------------------------------------------------
@case("the KubeVirt object says Deployed and Available, and its configuration holds at once")
def configuration(bed):
    cluster = ready(bed)
    cluster.kubectl("wait", "kv/kubevirt", "-n", "kubevirt", "--for=condition=Available", "--timeout=30s")
    check(cluster.get("kv/kubevirt", "-n", "kubevirt")["status"]["phase"] == "Deployed", "the phase")
    patch(cluster, "kv/kubevirt", {"spec": {"configuration": {"cpuModel": "qemu64"}}}, "-n", "kubevirt")
    try:
        cluster.apply(manifest("a"))
        pod = cluster.wait_for("a launcher pod", lambda: launchers(cluster), START_SECONDS)[0]
        check(pod["spec"]["nodeSelector"].get("cpu-model.node.kubevirt.io/qemu64") == "true", pod["spec"]["nodeSelector"])
    finally:
        patch(cluster, "kv/kubevirt", {"spec": {"configuration": {"cpuModel": None}}}, "-n", "kubevirt")
        remove(cluster, "vm/a")


@case("without image volumes disks and kernels are copied out of their images")
def no_image_volumes(bed):
    cluster = ready(bed)
    gates = {"featureGates": None, "disabledFeatureGates": ["ImageVolume"]}
    patch(cluster, "kv/kubevirt", {"spec": {"configuration": {"developerConfiguration": gates}}}, "-n", "kubevirt")
    try:
        cluster.apply(manifest("a"))
        pod = cluster.wait_for("a launcher pod", lambda: launchers(cluster), START_SECONDS)[0]
        check("volumeroot-init" in [c["name"] for c in pod["spec"]["initContainers"]], "no container that copies")
        check(not [v for v in pod["spec"]["volumes"] if "image" in v], "an image volume")
        cluster.wait("vm/a", "condition=Ready", START_SECONDS)
    finally:
        patch(cluster, "kv/kubevirt", {"spec": {"configuration": {"developerConfiguration": {"disabledFeatureGates": None}}}}, "-n", "kubevirt")
        remove(cluster, "vm/a")
