"""deploy/ on a real API server: it installs, again too, and serves its kinds as kubectl's users know them."""
import glob
import json
import os
import time

from cases_tree import DEPLOY, TOP
from suite import case, check

DEMO = os.path.join(DEPLOY, "examples/demo.yaml")
POLICY_SECONDS = 60


def vm(name="small", **spec):
    return {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": {"name": name, "namespace": "default"},
            "spec": {"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}}}}, **spec}}


def wrong(api, value, text):
    answer = api.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(value))
    check(not answer.ok and text in answer.err, f"{text}: {answer.err or answer.out}")


@case("kubectl apply -k deploy/ installs all in one go, and changes nothing the second time")
def install(bed):
    first = bed.api.must("apply", "-k", DEPLOY)
    check("created" in first or "unchanged" in first, first)
    again = bed.api.must("apply", "-k", DEPLOY)
    left = [line for line in again.splitlines() if not line.endswith(" unchanged")]
    check(not left, left)


@case("kubectl apply --server-side -k deploy/ installs too")
def install_server_side(bed):
    bed.api.must("apply", "--server-side", "--force-conflicts", "-k", DEPLOY)
    bed.api.must("apply", "--server-side", "-k", DEPLOY)


@case("every kind is established and structural")
def established(bed):
    items = bed.api.get("crd")["items"]
    check(len(items) == 6, f"{len(items)} kinds")
    for item in items:
        conditions = {c["type"]: c["status"] for c in item["status"]["conditions"]}
        check(conditions == {"NamesAccepted": "True", "Established": "True"}, f"{item['metadata']['name']}: {item['status']['conditions']}")


@case("the policies have the types that the server finds in their expressions")
def typed(bed):
    until = time.monotonic() + POLICY_SECONDS
    while True:
        items = bed.api.get("validatingadmissionpolicies")["items"]
        if all("typeChecking" in item.get("status", {}) for item in items):
            break
        check(time.monotonic() < until, "the server did not check the types")
        time.sleep(0.2)
    for item in items:
        check(not item["status"]["typeChecking"].get("expressionWarnings"), f"{item['metadata']['name']}: {item['status']['typeChecking']}")


@case("every example is admitted by a server-side dry run")
def examples(bed):
    for path in sorted(glob.glob(os.path.join(TOP, "deploy/examples/*.yaml"))):
        bed.api.must("create", "--dry-run=server", "--validate=strict", "-f", path)


@case("what the schema does not know or allow is refused with its path")
def refused(bed):
    value = vm()
    value["spec"]["template"]["spec"]["domain"]["memori"] = {}
    wrong(bed.api, value, 'unknown field "spec.template.spec.domain.memori"')
    value = vm()
    value["spec"]["template"]["spec"]["domain"]["rebootPolicy"] = "Explode"
    wrong(bed.api, value, 'Unsupported value: "Explode"')
    value = vm()
    value["spec"]["template"]["spec"]["domain"]["memory"] = {"guest": "lots"}
    wrong(bed.api, value, "spec.template.spec.domain.memory.guest")
    value = vm()
    del value["spec"]["template"]["spec"]["domain"]["devices"]
    wrong(bed.api, value, "spec.template.spec.domain.devices: Required value")
    value = vm()
    value["spec"]["template"]["spec"]["volumes"] = [{"name": f"v{n}", "emptyDisk": {"capacity": "1Gi"}} for n in range(257)]
    wrong(bed.api, value, "spec.template.spec.volumes: Too many")
    value["spec"]["template"]["spec"]["volumes"] = [{"name": "v", "containerPath": {"path": "/a/../b"}}]
    wrong(bed.api, value, "must not contain '..'")
    wrong(bed.api, {"apiVersion": "kubevirt.io/v1", "kind": "KubeVirt", "metadata": {"name": "k", "namespace": "kubevirt"},
                    "spec": {"configuration": {"developerConfiguration": {"memoryOvercommit": 9}}}}, "greater than or equal to 10")


@case("a new VirtualMachine shows Stopped; columns, short names and categories are KubeVirt's")
def columns(bed):
    bed.api.create(vm())
    try:
        lines = bed.api.must("get", "vm", "small").splitlines()
        check(lines[0].split() == ["NAME", "AGE", "STATUS", "READY"], lines[0])
        bed.api.must("patch", "vm", "small", "--subresource=status", "--type=merge", "-p", '{"status": {"created": false}}')
        check(bed.api.must("get", "vms", "small").splitlines()[1].split()[2] == "Stopped", "printableStatus has no default")
        check("virtualmachine.kubevirt.io/small" in bed.api.must("get", "all", "-o", "name"), "not in the category all")
    finally:
        bed.api.must("delete", "vm", "small")


@case("kubectl explain describes spec and status; kubectl scale scales a replica set")
def explain(bed):
    text = bed.api.must("explain", "vm.spec.template.spec.domain.devices.disks")
    check("Disks, CD-ROMs and LUNs." in text and "bootOrder" in text, text)
    text = bed.api.must("explain", "vmi.spec.domain.rebootPolicy")
    check("Reboot" in text and "Terminate" in text and "enum" in text.lower(), text)
    check("Device in the guest" in bed.api.must("explain", "vmi.status.volumeStatus.target"), "no status")
    value = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstanceReplicaSet", "metadata": {"name": "web", "namespace": "default"},
             "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"domain": {"devices": {}}}}}}
    bed.api.create(value)
    try:
        bed.api.must("scale", "vmirs", "web", "--replicas=3")
        made = bed.api.get("vmirs", "web")
        check(made["spec"]["replicas"] == 3 and made["spec"]["template"]["metadata"]["labels"] == {"a": "b"}, made["spec"])
    finally:
        bed.api.must("delete", "vmirs", "web")


@case("the cluster's roles admin, edit and view know virtual machines")
def aggregated(bed):
    for role, verbs in {"admin": "deletecollection", "edit": "create", "view": "watch"}.items():
        until = time.monotonic() + POLICY_SECONDS
        while not any("kubevirt.io" in rule["apiGroups"] and "virtualmachines" in rule["resources"] and verbs in rule["verbs"]
                      for rule in bed.api.get("clusterrole", role)["rules"] or []):
            check(time.monotonic() < until, role)
            time.sleep(0.2)
