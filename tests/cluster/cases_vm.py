"""VMs on the cluster, as their users see them: from `kubectl apply` to a guest that a Service reaches, and through everything that may go away meanwhile."""
import json
import os
import subprocess
import tempfile
import time

from suite import case, check

HERE = os.path.dirname(os.path.realpath(__file__))
DEMO = os.path.join(os.path.dirname(os.path.dirname(HERE)), "deploy/examples/demo.yaml")
NODE_ROLE = "virt-handler"
# A guest under emulation on a busy machine.
START_SECONDS, BOOT_SECONDS, STOP_SECONDS = 90, 120, 90
HANG_SECONDS = 60
MAIN_WRITES = 3     # of the node role, in a VMI's life
NODE_CONDITIONS = ["AgentConnected", "AgentVersionNotSupported", "LiveMigratable", "LauncherDegraded", "Paused", "SoftwareEmulation", "StorageLiveMigratable"]
EMULATION = json.dumps({"spec": {"configuration": {"developerConfiguration": {"useEmulation": True}}}})
CONSOLE = "console /dev/ttyS0"
SOLO = """
apiVersion: kubevirt.io/v1
kind: VirtualMachineInstance
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  terminationGracePeriodSeconds: 20
  domain:
    memory: {{guest: 128Mi}}
    devices:
      disks: [{{name: root, disk: {{bus: virtio}}}}, {{name: seed, disk: {{bus: virtio}}}}]
      interfaces: [{{name: default, masquerade: {{}}}}]
  networks: [{{name: default, pod: {{}}}}]
  volumes:
  - name: root
    containerDisk: {{image: "localhost/wherry/guest:1"}}
  - name: seed
    cloudInitNoCloud:
      userData: |
        #cloud-config
        runcmd:
        - mkdir /www; echo hello from the guest > /www/index.html; httpd -p 8080 -h /www
"""
VOLUMES = """
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk}
spec:
  capacity: {storage: 64Mi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Delete
  storageClassName: none
  local: {path: /run/wherry-test-volume}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node1]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: disk}
spec: {accessModes: [ReadWriteOnce], storageClassName: none, resources: {requests: {storage: 64Mi}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config}
data: {greeting: hello from a ConfigMap}
---
apiVersion: v1
kind: Secret
metadata: {name: hidden}
stringData: {word: open sesame}
---
apiVersion: v1
kind: Secret
metadata: {name: seed}
stringData:
  userdata: |
    #cloud-config
    runcmd:
    - echo claim of $(cat /sys/block/vdb/size) sectors; echo kept > /dev/vdb; sync
    - mkdir /c /s; mount -t iso9660 /dev/vdc /c; mount -t iso9660 /dev/vdd /s; cat /c/greeting /s/word; echo
"""
VOLUMES_VMI = """
apiVersion: kubevirt.io/v1
kind: VirtualMachineInstance
metadata: {{name: {name}}}
spec:
  terminationGracePeriodSeconds: 20
  domain:
    memory: {{guest: 128Mi}}
    devices:
      disks: [{{name: root, disk: {{bus: virtio}}}}, {{name: claim, disk: {{bus: virtio}}}}, {{name: config, disk: {{bus: virtio}}}},
              {{name: hidden, disk: {{bus: virtio}}}}, {{name: seed, disk: {{bus: virtio}}}}]
  volumes:
  - {{name: root, containerDisk: {{image: "localhost/wherry/guest:1"}}}}
  - {{name: claim, persistentVolumeClaim: {{claimName: disk}}}}
  - {{name: config, configMap: {{name: config}}}}
  - {{name: hidden, secret: {{secretName: hidden}}}}
  - {{name: seed, cloudInitNoCloud: {{secretRef: {{name: seed}}}}}}
"""
CLIENT = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: localhost/busybox:1
    command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1; done"]
"""


# --- what a case begins with and leaves ----------------------------------------------------------------------------------
def emulated(bed):
    """Wherry on the cluster, with the configuration that this machine's guests need."""
    cluster = bed.wherry()
    cluster.wait_for("the KubeVirt object", lambda: cluster.exists("kubevirt/kubevirt", "-n", "kubevirt"))
    cluster.kubectl("patch", "kubevirt/kubevirt", "-n", "kubevirt", "--type=merge", "-p", EMULATION)
    cluster.wait_for("a node that takes VMs", lambda: labels(cluster).get("kubevirt.io/schedulable") == "true")
    return cluster


def labels(cluster):
    return cluster.get("node/node1")["metadata"]["labels"]


def launcher(cluster, name):
    """The one launcher pod of a VMI."""
    found = cluster.get("pods", "-l", f"kubevirt.io=virt-launcher,vmi.kubevirt.io/id={name}")
    check(len(found) == 1, f"{len(found)} launcher pods of {name}")
    return found[0]


def console(cluster, name):
    return cluster.logs(launcher(cluster, name)["metadata"]["name"], "-c", "guest-console-log")


def phase(cluster, name):
    return cluster.get(f"vmi/{name}")["status"].get("phase")


def phases(cluster, name):
    return [entry["phase"] for entry in cluster.get(f"vmi/{name}")["status"]["phaseTransitionTimestamps"]]


def start(cluster, name="web", manifest=SOLO):
    """A VMI whose guest runs; its UID."""
    cluster.apply(manifest.format(name=name))
    cluster.wait(f"vmi/{name}", "condition=Ready", START_SECONDS)
    return cluster.get(f"vmi/{name}")["metadata"]["uid"]


def remove(cluster, *what):
    for one in what:
        cluster.delete(one, seconds=STOP_SECONDS)
    cluster.wait_for("no launcher pod is left", lambda: not cluster.get("pods", "-l", "kubevirt.io=virt-launcher"), STOP_SECONDS)


def qemu(cluster, name):
    """pid of a guest's QEMU on the node, None without one."""
    pids = cluster.node(["pgrep", "-f", f"guest=default_{name},"], check=False).split()
    check(len(pids) <= 1, f"several QEMUs of {name}: {pids}")
    return pids[0] if pids else None


def launcher_run(cluster):
    """pid of the one `launcher run` on the node, None without one."""
    pids = cluster.node(["pgrep", "-f", "^/opt/wherry/launcher run"], check=False).split()
    return pids[0] if pids else None


def main_pid(cluster):
    """Main of the handler in its pod."""
    return cluster.wait_for("main of the handler", lambda: cluster.node(["pgrep", "-f", "^/usr/libexec/wherry/handler --role=main"], check=False).split())[0]


def handler_log(cluster):
    return cluster.logs(f"daemonset/{NODE_ROLE}", "-n", "kubevirt", "--tail=-1")


def wherryctl(bed, *argv):
    """The node's own socket, which asks no API server."""
    return bed.cluster.node([os.path.join(bed.build, "wherryctl"), *argv])


# --- a VM's life -----------------------------------------------------------------------------------------------------------
@case("the node says what it can: resources, machine types, CPU models, heartbeat")
def node_says_what_it_can(bed):
    cluster = emulated(bed)
    node = cluster.get("node/node1")
    offered = node["status"]["allocatable"]
    for name in ("devices.kubevirt.io/tun", "devices.wherry.io/launcher"):
        check(offered.get(name) == "1k", f"{name}: {offered.get(name)}")
    check("devices.kubevirt.io/kvm" in offered or not os.path.exists("/dev/kvm"), "no kvm")
    for name in ("machine-type.node.kubevirt.io/q35", "cpu-model.node.kubevirt.io/qemu64"):
        cluster.wait_for(name, lambda name=name: labels(cluster).get(name) == "true")
    beat = json.loads(node["metadata"]["annotations"]["kubevirt.io/heartbeat"])
    check(beat.endswith("Z") and "T" in beat, beat)


@case("kubectl apply of the demo ends with a guest at its login, and its deletion with nothing")
def demo(bed):
    cluster = emulated(bed)
    cluster.apply(DEMO)
    try:
        cluster.wait_for("the VM's instance", lambda: cluster.exists("vmi/demo"))
        cluster.wait("vmi/demo", "condition=Ready", START_SECONDS)
        cluster.wait_for("the guest at its login", lambda: CONSOLE in console(cluster, "demo"), BOOT_SECONDS)
        check("hello from cloud-init on demo" in console(cluster, "demo"), console(cluster, "demo")[-1000:])
        cluster.wait("vmi/demo", "condition=AgentConnected", BOOT_SECONDS)
        vmi, pod, vm = cluster.get("vmi/demo"), launcher(cluster, "demo"), cluster.get("vm/demo")
        check(phases(cluster, "demo") == ["Pending", "Scheduling", "Scheduled", "Running"], phases(cluster, "demo"))
        check(vmi["status"]["interfaces"][0]["ipAddress"] == pod["status"]["podIP"], vmi["status"]["interfaces"])
        check(vmi["status"]["nodeName"] == "node1" and vmi["metadata"]["labels"]["kubevirt.io/nodeName"] == "node1", "the node's name")
        check(vmi["status"]["activePods"] == {pod["metadata"]["uid"]: "node1"}, vmi["status"]["activePods"])
        check({entry["name"]: entry["target"] for entry in vmi["status"]["volumeStatus"]} == {"root": "vda", "cloudinit": "vdb"}, "targets")
        check(vm["status"]["printableStatus"] == "Running" and vm["status"]["ready"], vm["status"])
        check(pod["spec"]["containers"][0]["name"] == "compute", "compute")
        reasons = [reason for reason, _ in cluster.events("VirtualMachineInstance", "demo")]
        check({"Created", "Started", "SoftwareEmulation"} <= set(reasons), reasons)
    finally:
        remove(cluster, "vm/demo")
    check(not cluster.exists("vmi/demo"), "the instance is still there")


@case("a pod reaches the guest through a Service")
def service(bed):
    cluster = emulated(bed)
    cluster.apply(CLIENT)
    try:
        start(cluster)
        cluster.wait("pod/client", "condition=Ready")
        ask = 'printf "GET / HTTP/1.0\\r\\n\\r\\n" | nc -w 3 "$WEB_SERVICE_HOST" 80'
        cluster.wait_for("the guest's page", lambda: "hello from the guest" in cluster.kubectl("exec", "client", "--", "sh", "-c", ask), BOOT_SECONDS)
    finally:
        remove(cluster, "vmi/web")
        cluster.delete("pod/client", "service/web")


@case("claims, ConfigMaps, Secrets and seeds from Secrets are the guest's disks")
def volumes(bed):
    cluster = emulated(bed)
    cluster.node(["mkdir", "-p", "/run/wherry-test-volume"])
    cluster.apply(VOLUMES)
    try:
        start(cluster, "stored", VOLUMES_VMI)
        cluster.wait_for("the seed's commands", lambda: "runcmd ended" in console(cluster, "stored"), BOOT_SECONDS)
        text = console(cluster, "stored")
        for word in ("hello from a ConfigMap", "open sesame", "claim of "):
            check(word in text, f"no {word}: {text[-1500:]}")
        check(cluster.node(["head", "-c", "4", "/run/wherry-test-volume/disk.img"]) == "kept", "what the guest wrote is not in the claim")
        size = int(cluster.node(["stat", "-c", "%s", "/run/wherry-test-volume/disk.img"]))
        check(0.9 * (64 << 20) < size < 64 << 20 and f"claim of {size // 512} sectors" in text, f"{size} bytes")
    finally:
        remove(cluster, "vmi/stored")
        cluster.delete("pvc/disk", "configmap/config", "secret/hidden", "secret/seed")
        cluster.delete("pv/disk")
        cluster.node(["rm", "-rf", "/run/wherry-test-volume"])


@case("a VM that is halted shuts its guest down, and one that is started again gets a new instance")
def halted_and_started(bed):
    cluster = emulated(bed)
    cluster.apply(DEMO)
    try:
        cluster.wait_for("the VM runs", lambda: cluster.get("vm/demo")["status"].get("printableStatus") == "Running", START_SECONDS)
        cluster.wait_for("the guest at its login", lambda: CONSOLE in console(cluster, "demo"), BOOT_SECONDS)
        first = cluster.get("vmi/demo")["metadata"]["uid"]
        cluster.kubectl("patch", "vm/demo", "--type=merge", "-p", '{"spec":{"runStrategy":"Halted"}}')
        cluster.wait_for("the VM is stopped", lambda: cluster.get("vm/demo")["status"].get("printableStatus") == "Stopped" and not cluster.exists("vmi/demo"), STOP_SECONDS)
        check(f"ended vm=demo phase=Succeeded reason=GuestShutdown" in handler_log(cluster), handler_log(cluster)[-1500:])
        check(qemu(cluster, "demo") is None, "QEMU is left")
        cluster.kubectl("patch", "vm/demo", "--type=merge", "-p", '{"spec":{"runStrategy":"Always"}}')
        cluster.wait_for("a new instance runs", lambda: phase(cluster, "demo") == "Running" and cluster.get("vmi/demo")["metadata"]["uid"] != first, START_SECONDS)
    finally:
        remove(cluster, "vm/demo")


@case("a guest that shuts itself down ends its instance as Succeeded, and nobody starts it again")
def guest_shuts_down(bed):
    cluster = emulated(bed)
    try:
        start(cluster, "quits", SOLO.replace("httpd -p 8080 -h /www", "poweroff"))
        cluster.wait_for("the instance is over", lambda: phase(cluster, "quits") == "Succeeded", BOOT_SECONDS)
        cluster.wait_for("its pod goes", lambda: not cluster.get("pods", "-l", "kubevirt.io=virt-launcher"), STOP_SECONDS)
        check(phases(cluster, "quits")[-2:] == ["Running", "Succeeded"], phases(cluster, "quits"))
    finally:
        remove(cluster, "vmi/quits")


@case("the node writes a VMI's status at most three times in its life")
def few_writes(bed):
    cluster = emulated(bed)
    # a file, not a pipe: what nobody reads would stop kubectl at 64 KiB
    with tempfile.TemporaryFile("w+") as out, subprocess.Popen([cluster.kubectl_program, "get", "vmi", "-w", "-o", "json"], env=cluster.environment(), stdout=out) as watch:
        try:
            start(cluster)
            cluster.wait("vmi/web", "condition=AgentConnected", BOOT_SECONDS)
            time.sleep(10)  # all that an agent tells in its first seconds
        finally:
            remove(cluster, "vmi/web")
            watch.terminate()
            watch.wait()
            out.seek(0)
            seen = out.read()
    told = [of_the_node(one) for one in objects(seen) if one["metadata"]["name"] == "web"]
    written = sum(1 for before, after in zip(told, told[1:]) if before != after)
    check(1 <= written <= MAIN_WRITES, f"{written} writes: {json.dumps(told)}")
    check(len(told) >= 5, f"{len(told)} states seen")


def objects(text):
    """The JSON objects that stand one after another in a text."""
    decoder, at, found = json.JSONDecoder(), 0, []
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        value, at = decoder.raw_decode(text, at)
        found.append(value)
    return found


def of_the_node(vmi):
    """What of a VMI the node role writes, and nobody else: each of its writes changes it. The controller begins a status with runtimeUser, currentCPUTopology and an empty guestOSInfo."""
    status = vmi.get("status", {})
    mine = {key: status.get(key) or None for key in ("guestOSInfo", "machine", "reason")}
    mine["phase"] = status.get("phase") if status.get("phase") in ("Running", "Succeeded", "Failed") else None
    mine["interfaces"] = [entry.get("ipAddresses") for entry in status.get("interfaces", [])]
    mine["targets"] = [entry["target"] for entry in status.get("volumeStatus", []) if entry.get("target")]
    mine["conditions"] = sorted(f"{entry['type']}={entry['status']}" for entry in status.get("conditions", []) if entry["type"] in NODE_CONDITIONS)
    return mine


# --- what may go away ---------------------------------------------------------------------------------------------------------
@case("the handler is killed in every way: guests run on, and are met again")
def handler_killed(bed):
    cluster = emulated(bed)
    try:
        start(cluster)
        guest = qemu(cluster, "web")
        for kill in ("main", "pod"):
            if kill == "main":
                pid = main_pid(cluster)
                cluster.node(["kill", "-KILL", pid])
                cluster.wait_for("another main", lambda pid=pid: main_pid(cluster) != pid)
            else:
                cluster.kubectl("delete", "pod", "-n", "kubevirt", "-l", "kubevirt.io=virt-handler", "--grace-period=0", "--force")
                cluster.wait_for("another handler", lambda: cluster.get("daemonset/virt-handler", "-n", "kubevirt")["status"].get("numberReady") == 1)
            cluster.wait_for(f"the guest is met again ({kill})", lambda: wherryctl(bed, "get", "vmi", "web", "-o", "jsonpath={.status.phase}").strip() == "Running")
            check(qemu(cluster, "web") == guest and phase(cluster, "web") == "Running", f"the guest did not run on ({kill})")
        check(all(status["restartCount"] == 0 for status in launcher(cluster, "web")["status"]["containerStatuses"]), "a container was restarted")
        check(phases(cluster, "web").count("Running") == 1, phases(cluster, "web"))
    finally:
        remove(cluster, "vmi/web")


@case("a launcher that hangs is killed and started again under its guest")
def launcher_hangs(bed):
    cluster = emulated(bed)
    try:
        start(cluster)
        guest, run = qemu(cluster, "web"), launcher_run(cluster)
        cluster.node(["kill", "-STOP", run])
        cluster.wait_for("another launcher run", lambda: launcher_run(cluster) not in (None, run), HANG_SECONDS)
        cluster.wait_for("the console's log goes on", lambda: CONSOLE in console(cluster, "web"), BOOT_SECONDS)
        check(qemu(cluster, "web") == guest and phase(cluster, "web") == "Running", "the guest did not run on")
        check("LauncherUnresponsive" in [reason for reason, _ in cluster.events("VirtualMachineInstance", "web")], "no event")
    finally:
        remove(cluster, "vmi/web")


@case("without an API server guests run on, are shown and stopped on the node, and nothing is Failed afterwards")
def api_server_away(bed):
    cluster = emulated(bed)
    try:
        start(cluster, "stays")
        start(cluster, "stops")
        cluster.wait_for("its guest at the login", lambda: CONSOLE in console(cluster, "stops"), BOOT_SECONDS)
        stays = qemu(cluster, "stays")
        cluster.stop("kube-apiserver")
        try:
            wherryctl(bed, "stop", "stops")
            cluster.wait_for("the guest is stopped", lambda: wherryctl(bed, "get", "vmi", "stops", "-o", "jsonpath={.status.phase}").strip() == "Succeeded", STOP_SECONDS)
            check(qemu(cluster, "stops") is None and qemu(cluster, "stays") == stays, "the wrong guest, or both")
        finally:
            cluster.start("kube-apiserver")
        cluster.wait_for("the end is told", lambda: phase(cluster, "stops") == "Succeeded", START_SECONDS)
        check(phase(cluster, "stays") == "Running" and qemu(cluster, "stays") == stays, "the other guest did not run on")
        check("Failed" not in phases(cluster, "stops") + phases(cluster, "stays"), "a spurious Failed")
    finally:
        remove(cluster, "vmi/stays", "vmi/stops")


@case("the kubelet starts anew: the devices are offered again, guests run on")
def kubelet_restarted(bed):
    cluster = emulated(bed)
    try:
        start(cluster)
        guest = qemu(cluster, "web")
        before = handler_log(cluster).count("registered with the kubelet")
        cluster.restart("kubelet")
        cluster.wait_for("the devices are registered again", lambda: handler_log(cluster).count("registered with the kubelet") >= before + 2)
        cluster.wait_for("the devices are offered again", lambda: cluster.get("node/node1")["status"]["allocatable"].get("devices.wherry.io/launcher") == "1k")
        check(qemu(cluster, "web") == guest and phase(cluster, "web") == "Running", "the guest did not run on")
        start(cluster, "later")
    finally:
        remove(cluster, "vmi/web", "vmi/later")


@case("a launcher pod that is deleted ends its instance, and its VM runs again")
def pod_deleted(bed):
    cluster = emulated(bed)
    cluster.apply(DEMO)
    try:
        cluster.wait_for("the VM runs", lambda: cluster.get("vm/demo")["status"].get("printableStatus") == "Running", START_SECONDS)
        first = cluster.get("vmi/demo")["metadata"]["uid"]
        cluster.kubectl("delete", "pod", "-l", "kubevirt.io=virt-launcher", "--grace-period=1")
        cluster.wait_for("another instance runs", lambda: cluster.get("vmi/demo")["metadata"]["uid"] != first and phase(cluster, "demo") == "Running", START_SECONDS + STOP_SECONDS)
    finally:
        remove(cluster, "vm/demo")


# --- who is no launcher -------------------------------------------------------------------------------------------------------
@case("a pod that only looks like a launcher is not taken for one")
def fake_launcher(bed):
    cluster = emulated(bed)
    try:
        uid = start(cluster)
        guest, real = qemu(cluster, "web"), launcher(cluster, "web")
        fake = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "fake", "labels": dict(real["metadata"]["labels"], **{"vmi.kubevirt.io/id": "fake"}),
                                                                "ownerReferences": real["metadata"]["ownerReferences"]},
                "spec": {"securityContext": real["spec"]["securityContext"], "terminationGracePeriodSeconds": 1, "restartPolicy": "Never",
                         "containers": [{"name": "compute", "image": real["spec"]["containers"][0]["image"], "command": ["/opt/wherry/launcher-init"],
                                         "securityContext": real["spec"]["containers"][0]["securityContext"],
                                         "resources": {"limits": {"devices.wherry.io/launcher": "1"}},
                                         "volumeMounts": [{"name": "vm", "mountPath": "/run/wherry/vm"}, {"name": "vm", "mountPath": "/run/wherry/scratch"}]}],
                         "volumes": [{"name": "vm", "emptyDir": {"medium": "Memory"}}]}}
        try:
            cluster.kubectl("create", "-f", "-", stdin=json.dumps(fake))
        except Exception as refused:  # policies of the cluster may refuse it before the handler can
            check("ValidatingAdmissionPolicy" in str(refused), refused)
            return
        cluster.wait_for("the handler refuses it", lambda: "not taken for a launcher" in handler_log(cluster))
        check(qemu(cluster, "web") == guest and cluster.get("vmi/web")["metadata"]["uid"] == uid, "the guest did not run on")
    finally:
        cluster.kubectl("delete", "pod", "fake", "--ignore-not-found", "--grace-period=0", "--force")
        remove(cluster, "vmi/web")
