"""What a handler's token is worth: the objects of its own node, and others only while it leads. Every try is a server-side dry run, a row each.

Two handlers: node1 leads the controller role, node2 does not. The token of node2 is the stolen one.
"""
import glob
import json
import os
import subprocess
import time

from cases_tree import DEPLOY, TOP
from suite import case, check

HANDLER = "system:serviceaccount:kubevirt:kubevirt-handler"
LEADER_SECONDS = 20
LEASE = ["-n", "kubevirt", "lease", "virt-controller"]


def pod(name, node, namespace="default", **spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
            "spec": {"nodeName": node, "containers": [{"name": "c", "image": "x"}], **spec}}


def vmi(name, node=None):
    value = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {"name": name, "namespace": "default"}, "spec": {"domain": {"devices": {}}}}
    if node:
        value["metadata"]["labels"] = {"kubevirt.io/nodeName": node}
        value["status"] = {"nodeName": node, "phase": "Running"}
    return value


def launcher(name, owner, node=None):
    """A pod as the controller makes them."""
    locked = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True, "runAsUser": 107}
    value = pod(name, node, automountServiceAccountToken=False, securityContext={"runAsNonRoot": True, "runAsUser": 107})
    value["spec"]["containers"] = [{"name": "compute", "image": "x", "securityContext": locked}]
    if not node:
        del value["spec"]["nodeName"]
    value["metadata"] |= {"labels": {"kubevirt.io": "virt-launcher"}, "ownerReferences": [{
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "controller": True}]}
    return value


class World:
    """Two nodes, a handler on each, an instance and its pod on each, objects of the controller."""

    def __init__(self, api):
        self.api = api
        for node in ("node1", "node2"):
            api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}, pod(f"handler-{node}", node, "kubevirt", serviceAccountName="kubevirt-handler"))
        api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}})
        self.config = {node: api.token_config(node, api.must("create", "token", "kubevirt-handler", "-n", "kubevirt", "--bound-object-kind=Pod",
                                                            f"--bound-object-name=handler-{node}").strip()) for node in ("node1", "node2")}
        self.config["none"] = api.token_config("none", api.must("create", "token", "kubevirt-handler", "-n", "kubevirt").strip())
        self.lead("node1")
        self.until("node1", True)
        api.create({"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": {"name": "vm", "namespace": "default"},
                    "spec": {"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}}}}}})
        for number, node in enumerate(("node1", "node2"), 1):
            api.create(vmi(f"v{number}", node), config=self.config["node1"])    # by the leader: to users the label is closed
            owner = api.get("vmi", f"v{number}")
            api.create(launcher(f"p{number}", owner, node), config=self.config["node1"])
        self.owner = api.get("vmi", "v1")

    def lead(self, node):
        self.api.must("patch", *LEASE, "--type=merge", "-p", json.dumps({"spec": {"holderIdentity": f"{node}_0", "leaseDurationSeconds": 15}}))

    def until(self, node, allowed):
        """The policies learn of a new leader a moment after the Lease was written: wait until that node's handler may, or may not."""
        end = time.monotonic() + LEADER_SECONDS
        while attempt(self.api, self.config[node], create(vmi("probe"))).ok != allowed:
            check(time.monotonic() < end, f"{node}: {allowed} is not yet so")
            time.sleep(0.1)


def world(bed):
    if not hasattr(bed, "world"):
        bed.world = World(bed.api)
    return bed.world


def patch(*target, **value):
    return ["patch", *target, "--type=merge", "-p", json.dumps(value)]


def hold(api, identity):
    """The Lease as that holder writes it."""
    lease = api.get(*LEASE)
    lease["spec"] = {**lease.get("spec", {}), "holderIdentity": identity}
    return ["replace", "-f", "-"], json.dumps(lease)


def create(value):
    return ["create", "-f", "-"], json.dumps(value)


def changed(value, **spec):
    """A copy of a pod with parts of its spec changed."""
    copy = json.loads(json.dumps(value))
    copy["spec"] |= spec
    return copy


def attempt(api, config, words):
    argv, stdin = words if isinstance(words, tuple) else (words, None)
    extra = [] if argv[0] in ("get", "exec") or argv[:2] == ["create", "token"] else ["--dry-run=server"]
    return api.kubectl(*argv, *extra, stdin=stdin, config=config)


def judge(api, config, rows, allowed):
    """Every row must end as it should, a refusal for want of rights and nothing else."""
    wrong = []
    for what, words in rows.items():
        answer = attempt(api, config, words)
        denied = not answer.ok and ("forbidden" in answer.err.lower() or "denied request" in answer.err)
        if answer.ok != allowed or (not allowed and not denied):
            wrong.append(f"{what}: {answer.out}{answer.err}")
    check(not wrong, "\n".join(wrong))


def others(w):
    """What belongs to node1 or to the controller: the same for everyone who is neither."""
    plain = launcher("new", w.owner)
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "x"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "other", "namespace": "kubevirt"}}
    return {
        "status of an instance elsewhere": patch("vmi", "v1", status={"phase": "Failed"}),
        "labels of an instance elsewhere": patch("vmi", "v1", metadata={"labels": {"a": "b"}}),
        "finalizers of an instance elsewhere": patch("vmi", "v1", metadata={"finalizers": ["a/b"]}),
        "spec of an instance elsewhere": patch("vmi", "v1", spec={"hostname": "x"}),
        "an instance elsewhere to the own node": patch("vmi", "v1", status={"nodeName": "node2"}, metadata={"labels": {"kubevirt.io/nodeName": "node2"}}),
        "deletion of an instance elsewhere": ["delete", "vmi", "v1"],
        "a new instance": create(vmi("new")),
        "a new instance on the own node": create(vmi("new", "node2")),
        "status of a virtual machine": patch("vm", "vm", "--subresource=status", status={"ready": True}),
        "spec of a virtual machine": patch("vm", "vm", spec={"runStrategy": "Always"}),
        "finalizers of a virtual machine": patch("vm", "vm", metadata={"finalizers": ["a/b"]}),
        "a new virtual machine": create({"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": {"name": "new", "namespace": "default"},
                                         "spec": {"template": {"spec": {"domain": {"devices": {}}}}}}),
        "deletion of a virtual machine": ["delete", "vm", "vm"],
        "labels of another node": patch("node", "node1", metadata={"labels": {"kubevirt.io/schedulable": "false"}}),
        "heartbeat of another node": patch("node", "node1", metadata={"annotations": {"kubevirt.io/heartbeat": "x"}}),
        "another node's readiness": patch("node", "node1", "--subresource=status", status={"conditions": []}),
        "a new node": create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "new"}}),
        "deletion of a node": ["delete", "node", "node1"],
        "status of a launcher pod elsewhere": patch("pod", "p1", "--subresource=status", status={"phase": "Failed"}),
        "status of a pod of somebody else": patch("pod", "handler-node1", "-n", "kubevirt", "--subresource=status", status={"phase": "Failed"}),
        "labels of a launcher pod elsewhere": patch("pod", "p1", metadata={"labels": {"a": "b"}}),
        "deletion of a launcher pod elsewhere": ["delete", "pod", "p1"],
        "deletion of a handler": ["delete", "pod", "handler-node1", "-n", "kubevirt"],
        "a launcher pod": create(plain),
        "a privileged pod": create(changed(plain, containers=[{"name": "c", "image": "x", "securityContext": {"privileged": True}}])),
        "a pod on a chosen node": create(pod("new", "node1")),
        "a program in a pod": ["exec", "p1", "--", "true"],
        "the Lease in another's name": hold(w.api, "node1_1"),
        "the Lease taken from its holder": hold(w.api, ""),
        "the Lease in the name of a longer node": hold(w.api, "node22_1"),
        "another Lease": create(lease),
        "deletion of the Lease": ["delete", *LEASE],
        "the installation's state": patch("kubevirt", "kubevirt", "-n", "kubevirt", "--subresource=status", status={"phase": "Deployed"}),
        "another installation": create({"apiVersion": "kubevirt.io/v1", "kind": "KubeVirt", "metadata": {"name": "new", "namespace": "kubevirt"}, "spec": {}}),
        "a revision": create({"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": "new", "namespace": "default"}, "data": {}, "revision": 1}),
        "secrets": ["get", "secrets", "--all-namespaces"],
        "configmaps": ["get", "configmaps", "--all-namespaces"],
        "a token of another account": ["create", "token", "default"],
        "more rights": create(role),
        "the policies away": ["delete", "validatingadmissionpolicybinding", "handler-instances.kubevirt.io"],
        "the definitions away": ["delete", "crd", "virtualmachines.kubevirt.io"],
        "another DaemonSet": patch("daemonset", "virt-handler", "-n", "kubevirt", metadata={"labels": {"a": "b"}}),
    }


@case("a stolen handler token writes nothing of another node and nothing of the controller's")
def stolen(bed):
    w = world(bed)
    bed.api.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "kubevirt.io/v1", "kind": "KubeVirt", "metadata": {"name": "kubevirt", "namespace": "kubevirt"}, "spec": {}}))
    rows = others(w)
    check(len(rows) >= 40, f"{len(rows)} tries")
    judge(bed.api, w.config["node2"], rows, False)


@case("a handler's token that is bound to no pod writes nothing at all")
def unbound(bed):
    w = world(bed)
    rows = others(w) | own() | {"the Lease": hold(w.api, "_1")}
    del rows["an event"]
    judge(bed.api, w.config["none"], rows, False)


def own():
    """What the node role of node2 does."""
    return {
        "status of the own instance": patch("vmi", "v2", status={"phase": "Succeeded", "guestOSInfo": {"name": "x"}}),
        "heartbeat": patch("node", "node2", metadata={"labels": {"kubevirt.io/schedulable": "true", "cpu-model.node.kubevirt.io/Nehalem": "true", "cpumanager": "false"},
                                                      "annotations": {"kubevirt.io/heartbeat": "x"}}),
        "readiness of the own pod": patch("pod", "p2", "--subresource=status", status={"conditions": []}),
        "an event": create({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"}, "type": "Normal", "reason": "R", "message": "m",
                            "involvedObject": {"kind": "VirtualMachineInstance", "namespace": "default", "name": "v2"}}),
    }


@case("the node role writes the objects of its own node")
def node_role(bed):
    w = world(bed)
    judge(bed.api, w.config["node2"], own() | {"the Lease in the own name": hold(w.api, "node2_7")}, True)


@case("of its own node's objects it writes only what is its business")
def node_role_limits(bed):
    w = world(bed)
    judge(bed.api, w.config["node2"], {
        "spec": patch("vmi", "v2", spec={"hostname": "x"}),
        "another node": patch("vmi", "v2", status={"nodeName": "node1"}),
        "another node's label": patch("vmi", "v2", metadata={"labels": {"kubevirt.io/nodeName": "node1"}}),
        "no node": patch("vmi", "v2", status={"nodeName": None}),
        "another owner": patch("vmi", "v2", metadata={"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "x"}]}),
        "deletion": ["delete", "vmi", "v2"],
        "a taint": patch("node", "node2", spec={"taints": [{"key": "a", "effect": "NoSchedule"}]}),
        "cordon": patch("node", "node2", spec={"unschedulable": True}),
        "a foreign label": patch("node", "node2", metadata={"labels": {"node-role.kubernetes.io/control-plane": ""}}),
        "a foreign annotation": patch("node", "node2", metadata={"annotations": {"a": "b"}}),
        "deletion of the own pod": ["delete", "pod", "p2"],
        "labels of the own pod": patch("pod", "p2", metadata={"labels": {"a": "b"}}),
        "status of a pod that is no launcher": patch("pod", "handler-node2", "-n", "kubevirt", "--subresource=status", status={"phase": "Failed"}),
    }, False)


def controlling(w):
    """What the controller role does."""
    return {
        "an instance": create(vmi("new")),
        "status of an instance": patch("vmi", "v2", status={"phase": "Scheduled", "nodeName": "node2"}),
        "deletion of an instance": ["delete", "vmi", "v2"],
        "a launcher pod": create(launcher("new", w.owner)),
        "deletion of a launcher pod": ["delete", "pod", "p2"],
        "status of a virtual machine": patch("vm", "vm", "--subresource=status", status={"ready": True}),
        "finalizers of a virtual machine": patch("vm", "vm", metadata={"finalizers": ["kubevirt.io/virtualMachineControllerFinalize"]}),
        "label of a node that is silent": patch("node", "node2", metadata={"labels": {"kubevirt.io/schedulable": "false"}}),
        "the installation's state": patch("kubevirt", "kubevirt", "-n", "kubevirt", "--subresource=status", status={"phase": "Deployed"}),
        "a revision": create({"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": "new", "namespace": "default", "ownerReferences": [
            {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": "vm", "uid": w.api.get("vm", "vm")["metadata"]["uid"], "controller": True}]}, "data": {}, "revision": 1}),
    }


@case("the controller role of the leader writes what it has to, whichever node it is on")
def leader(bed):
    w = world(bed)
    judge(bed.api, w.config["node1"], controlling(w), True)


@case("even the leader makes launcher pods alone, and those without any right")
def leader_limits(bed):
    w = world(bed)
    plain = launcher("new", w.owner)
    container = plain["spec"]["containers"][0]
    orphan = json.loads(json.dumps(plain))
    del orphan["metadata"]["ownerReferences"]
    unlabelled = json.loads(json.dumps(plain))
    del unlabelled["metadata"]["labels"]
    judge(bed.api, w.config["node1"], {
        "without an owner": create(orphan),
        "without the label": create(unlabelled),
        "privileged": create(changed(plain, containers=[{**container, "securityContext": {**container["securityContext"], "privileged": True, "allowPrivilegeEscalation": True}}])),
        "escalation": create(changed(plain, containers=[{**container, "securityContext": {**container["securityContext"], "allowPrivilegeEscalation": True}}])),
        "capabilities": create(changed(plain, containers=[{**container, "securityContext": {**container["securityContext"], "capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}}])),
        "capabilities kept": create(changed(plain, containers=[{**container, "securityContext": {"allowPrivilegeEscalation": False}}])),
        "an init container": create(changed(plain, initContainers=[{"name": "i", "image": "x"}])),
        "root": create(changed(plain, containers=[{**container, "securityContext": {**container["securityContext"], "runAsUser": 0, "runAsNonRoot": False}}])),
        "the pod as root": create(changed(plain, securityContext={"runAsUser": 0})),
        "the node's network": create(changed(plain, hostNetwork=True)),
        "the node's processes": create(changed(plain, hostPID=True)),
        "deletion of another pod": ["delete", "pod", "handler-node2", "-n", "kubevirt"],
        "status of another pod": patch("pod", "handler-node2", "-n", "kubevirt", "--subresource=status", status={"phase": "Failed"}),
        "a taint": patch("node", "node2", spec={"taints": [{"key": "a", "effect": "NoSchedule"}]}),
        "a foreign label": patch("node", "node1", metadata={"labels": {"node-role.kubernetes.io/control-plane": ""}}),
        "a revision of something else": create({"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": "new", "namespace": "kube-system"}, "data": {}, "revision": 1}),
        "spec of the installation": patch("kubevirt", "kubevirt", "-n", "kubevirt", spec={"imageTag": "x"}),
        "secrets": ["get", "secrets", "--all-namespaces"],
    }, False)


@case("the launcher pods that the controller makes pass the policy, and Pod Security's restricted")
def pods(bed):
    w = world(bed)
    program = os.path.join(bed.build, "tests/deploy/pods")
    subprocess.run(["make", "-C", TOP, "--no-print-directory", f"BUILD={bed.build}", program], check=True, stdout=subprocess.DEVNULL)
    files = sorted(glob.glob(os.path.join(DEPLOY, "examples/*.yaml")) + glob.glob(os.path.join(TOP, "tests/deploy/data/*.yaml")))
    made = json.loads(subprocess.run([program, *files], check=True, stdout=subprocess.PIPE).stdout)
    for item in made["items"]:
        item["metadata"]["namespace"] = "default"
    bed.api.must("label", "namespace", "default", "pod-security.kubernetes.io/enforce=restricted")
    try:
        answer = bed.api.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(made), config=w.config["node1"])
        check(answer.ok and answer.out.count("created") == len(made["items"]) > 8, answer.err)
    finally:
        bed.api.must("label", "namespace", "default", "pod-security.kubernetes.io/enforce-")


def api_service(name="v1.subresources.kubevirt.io", **spec):
    version, _, group = name.partition(".")
    return {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": name}, "spec": {
        "group": group, "version": version, "groupPriorityMinimum": 1000, "versionPriority": 15, "caBundle": "YQ==",
        "service": {"namespace": "kubevirt", "name": "virt-api", "port": 443}, **spec}}


def secret(name, namespace="kubevirt"):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "stringData": {"a": "b"}}


@case("of the API a handler registers its own, from its own Service, and makes its own Secret")
def registers(bed):
    w = world(bed)
    judge(bed.api, w.config["node2"], {"its own": create(api_service()), "its Secret": create(secret("kubevirt-ca"))}, True)
    rows = {
        "another API": create(api_service("v1beta1.metrics.k8s.io")),
        "from somewhere else": create(api_service(service={"namespace": "default", "name": "mine", "port": 443})),
        "without TLS": create(api_service(insecureSkipTLSVerify=True, caBundle=None)),
        "another Secret": create(secret("other")),
        "a Secret elsewhere": create(secret("kubevirt-ca", "default")),
    }
    judge(bed.api, w.config["node2"], rows, False)
    judge(bed.api, w.config["node1"], rows, False)
    judge(bed.api, w.config["none"], {"with a free token": create(api_service()), "a Secret with a free token": create(secret("kubevirt-ca"))}, False)


@case("without the Lease nobody leads: a handler writes nothing, rather than anything")
def no_lease(bed):
    w = world(bed)
    bed.api.must("delete", *LEASE)
    try:
        w.until("node1", False)
        judge(bed.api, w.config["node1"], controlling(w) | {"status of the own instance": patch("vmi", "v1", status={"phase": "Failed"})}, False)
    finally:
        bed.api.create({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "virt-controller", "namespace": "kubevirt"}}, config=w.config["node1"])
        w.lead("node1")
        w.until("node1", True)


@case("another leader has the rights, and the old one no longer")
def handed_over(bed):
    w = world(bed)
    w.lead("node2")
    try:
        w.until("node2", True)
        w.until("node1", False)
        judge(bed.api, w.config["node2"], controlling(w), True)
        judge(bed.api, w.config["node1"], {"deletion": ["delete", "vmi", "v2"], "a pod": create(launcher("new", w.owner)), "a vm": patch("vm", "vm", metadata={"labels": {"a": "b"}})}, False)
    finally:
        w.lead("node1")
        w.until("node1", True)


@case("where nodes are named that may lead, no other takes the Lease, and no handler changes the names")
def chosen(bed):
    w = world(bed)
    note = "kubevirt.io/controller-nodes"
    bed.api.must("annotate", *LEASE, f"{note}=node1,node3")
    try:
        judge(bed.api, w.config["node1"], {"a chosen one": hold(bed.api, "node1_9")}, True)
        judge(bed.api, w.config["node2"], {"another": hold(bed.api, "node2_9")}, False)
        words, text = hold(bed.api, "node1_9")
        lease = json.loads(text)
        lease["metadata"]["annotations"][note] += ",node2"
        wider = json.dumps(lease)
        del lease["metadata"]["annotations"][note]
        judge(bed.api, w.config["node1"], {"more names": (words, wider), "no names": (words, json.dumps(lease))}, False)
    finally:
        bed.api.must("annotate", *LEASE, f"{note}-")


@case("users change neither spec nor status of an instance, nor the labels that place it")
def users(bed):
    world(bed)
    label = {"kubevirt.io/nodeName": "node1"}
    judge(bed.api, None, {
        "spec": patch("vmi", "v2", spec={"hostname": "x"}),
        "status": patch("vmi", "v2", status={"phase": "Failed"}),
        "label": patch("vmi", "v2", metadata={"labels": label}),
        "label away": patch("vmi", "v2", metadata={"labels": {"kubevirt.io/nodeName": None}}),
        "label of a new one": create(vmi("new", "node1")),
        "created-by": patch("vmi", "v2", metadata={"labels": {"kubevirt.io/created-by": "x"}}),
    }, False)
    judge(bed.api, None, {
        "own label": patch("vmi", "v2", metadata={"labels": {"app": "x", "kubevirt.io/vm": "x"}}),
        "annotation": patch("vmi", "v2", metadata={"annotations": {"a": "b"}}),
        "deletion": ["delete", "vmi", "v2"],
        "a new one": create(vmi("new")),
    }, True)
