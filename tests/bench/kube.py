"""The client of API servers alone: events decoded and applied, memory of what is known."""
import json
import os
import subprocess

from bench.stats import median

EVENT_GOAL, KNOWN = 167, 10000  # microseconds: 6,000 events a CPU second


def vmi():
    """A running VMI of about 5 kB as a server sends it, managedFields included; @N@ and @V@ where objects differ."""
    disks = [{"name": f"disk{i}", "disk": {"bus": "virtio"}} for i in range(3)]
    volumes = [{"name": "disk0", "containerDisk": {"image": "registry.example/guests/linux:@N@", "imagePullPolicy": "IfNotPresent"}}, {"name": "disk1", "persistentVolumeClaim": {"claimName": "claim-@N@"}},
               {"name": "disk2", "cloudInitNoCloud": {"userData": "#cloud-config\nssh_pwauth: true\nusers:\n- name: guest-@N@\n"}}]
    conditions = [{"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": "2026-01-02T03:04:05Z"} for kind in ("Ready", "LiveMigratable", "StorageLiveMigratable", "AgentConnected")]
    fields = {f"f:{name}": {f"f:{other}": {".": {}, "f:lastProbeTime": {}} for other in ("type", "status")} for name in ("spec", "status", "metadata", "domain", "devices")}
    return {
        "apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance",
        "metadata": {"name": "vm-@N@", "namespace": "tenant", "uid": "0f0e0d0c-0000-4000-8000-0000000@N@", "resourceVersion": "@V@", "generation": 12, "creationTimestamp": "2026-01-02T03:04:05Z",
                     "labels": {"kubevirt.io/nodeName": "node-@N@", "app": "vm-@N@"}, "annotations": {"kubevirt.io/latest-observed-api-version": "v1", "kubevirt.io/vm-generation": "1"}, "finalizers": ["foregroundDeleteVirtualMachine"],
                     "ownerReferences": [{"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": "vm-@N@", "uid": "1f0e0d0c-0000-4000-8000-0000000@N@", "controller": True, "blockOwnerDeletion": True}],
                     "managedFields": [{"manager": m, "operation": "Update", "apiVersion": "kubevirt.io/v1", "time": "2026-01-02T03:04:05Z", "fieldsType": "FieldsV1", "fieldsV1": fields} for m in ("controller", "handler")]},
        "spec": {"architecture": "amd64", "domain": {"cpu": {"cores": 2, "sockets": 1, "threads": 1, "model": "host-model", "maxSockets": 4}, "memory": {"guest": "2Gi", "maxGuest": "8Gi"},
                                                     "devices": {"disks": disks, "interfaces": [{"name": "default", "masquerade": {}}], "rng": {}}, "features": {"acpi": {"enabled": True}},
                                                     "firmware": {"uuid": "2f0e0d0c-0000-4000-8000-0000000@N@"}, "machine": {"type": "q35"}, "resources": {"requests": {"memory": "2Gi"}}},
                 "evictionStrategy": "LiveMigrate", "networks": [{"name": "default", "pod": {}}], "terminationGracePeriodSeconds": 180, "volumes": volumes},
        "status": {"phase": "Running", "nodeName": "node-@N@", "conditions": conditions, "activePods": {"3f0e0d0c-0000-4000-8000-0000000@N@": "node-@N@"},
                   "interfaces": [{"name": "default", "ipAddress": "10.244.1.17", "ipAddresses": ["10.244.1.17", "fd00::17"], "mac": "02:00:00:0@N@", "interfaceName": "eth0", "infoSource": "domain, guest-agent", "queueCount": 1}],
                   "guestOSInfo": {"id": "debian", "kernelRelease": "6.1.0-18-amd64", "name": "Debian GNU/Linux", "prettyName": "Debian GNU/Linux 12 (bookworm)", "version": "12 (bookworm)", "versionId": "12"},
                   "volumeStatus": [{"name": v["name"], "target": f"vd{'abc'[i]}", "size": 1073741824} for i, v in enumerate(volumes)], "qosClass": "Burstable", "runtimeUser": 107,
                   "phaseTransitionTimestamps": [{"phase": p, "phaseTransitionTimestamp": "2026-01-02T03:04:05Z"} for p in ("Pending", "Scheduling", "Scheduled", "Running")]}}


def call(build, *argv):
    done = subprocess.run([os.path.join(build, "tests/bench/kube"), *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"kube {argv}: {done.stderr.strip() or done.returncode}")
    return int(done.stdout)


def measure(rows, ours, work, options):
    build, path = os.path.abspath(ours.root.build), os.path.join(work, "vmi.json")
    text = json.dumps(vmi(), separators=(",", ":"))
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
    count = 5000 if options.quick else 50000
    for how, what in (("store", "applied to the store"), ("tree", "parsed and applied")):
        spent = [call(build, "events", path, str(count), how) / 1000 / count for _ in range(max(3, options.pairs // 3))]
        rows.add_series(f"processor time of a watch event of {len(text)} bytes, {what}", "us", spent, EVENT_GOAL, f"{1e6 / median(spent):.0f} events a CPU second")
    for how in ("text", "packed", "names"):
        rows.add(f"memory of {KNOWN} VMIs known, kept as {how}", "MiB", call(build, "known", path, str(KNOWN), how) / (1 << 20))
