"""The cluster itself, before anything of Wherry is on it."""
import os
import shutil
import tempfile

import cluster as clusters
import leftovers
import settings
from suite import case, check

READY_SECONDS = 60
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: localhost/busybox:1
    command: ["sh", "-c", "trap 'exit 0' TERM; {command}; while :; do sleep 1; done"]
{more}"""
RESTRICTED = """    securityContext:
      runAsNonRoot: true
      runAsUser: 1000
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
      seccompProfile: {type: RuntimeDefault}
"""
NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata: {name: strict, labels: {pod-security.kubernetes.io/enforce: restricted}}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""
IMAGE_VOLUME = """    volumeMounts: [{name: files, mountPath: /files, subPath: bin}]
  volumes: [{name: files, image: {reference: localhost/busybox:1, pullPolicy: Never}}]
"""


def pod(name, command="true", more="", namespace="default"):
    return POD.format(name=name, command=command, more=more, namespace=namespace)


@case("from nothing to a node that takes pods in under a minute")
def up_in_time(bed):
    check(bed.up_seconds < READY_SECONDS, f"took {bed.up_seconds:.1f} s")
    check(bed.cluster.node_ready(), "the node is not ready")


@case("the node runs the pinned release, and its programs agree")
def versions(bed):
    found = bed.cluster.get(f"node/{settings.NODE}")["status"]["nodeInfo"]
    pinned = {module.name: module.version for module in clusters.binaries.MODULES}
    check(found["kubeletVersion"] == pinned["kube"], f"kubelet {found['kubeletVersion']}, pinned {pinned['kube']}")
    check(found["containerRuntimeVersion"].endswith(pinned["containerd"][1:]), found["containerRuntimeVersion"])
    server = bed.cluster.kubectl("version", "-o", "json")
    check(server.count(pinned["kube"]) == 2, server)


@case("the kubeconfig is the administrator's alone and works outside the namespaces")
def kubeconfig(bed):
    check(os.stat(bed.cluster.files.kubeconfig).st_mode & 0o777 == 0o600, "its mode is not 0600")
    check("yes" in bed.cluster.kubectl("auth", "can-i", "*", "*"), "not an administrator")
    check(bed.cluster.kubectl("auth", "can-i", "list", "pods", user="bob", check=False).strip() == "no", "bob may do things")


@case("a pod runs, has an address, logs and takes commands; a Service leads to it")
def pod_and_service(bed):
    serve = "mkdir /tmp/w; echo hello >/tmp/w/index.html; httpd -p 8080 -h /tmp/w; echo started"
    bed.cluster.apply(pod("web", serve) + "\n---\n" + SERVICE + "\n---\n" + pod("asker"))
    try:
        for name in ("web", "asker"):
            bed.cluster.wait(f"pod/{name}", "condition=Ready")
        check(bed.cluster.get("pod/web")["status"]["podIP"].startswith("10.244.0."), "no address of the pod network")
        bed.cluster.wait_for("its log", lambda: "started" in bed.cluster.logs("pod/web"), 10)
        address = bed.cluster.get("service/web")["spec"]["clusterIP"]
        ask = ["exec", "asker", "--", "sh", "-c", f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {address} 80"]
        bed.cluster.wait_for("an answer", lambda: "hello" in bed.cluster.kubectl(*ask), 20)
    finally:
        bed.cluster.delete("pod/web", "pod/asker", "service/web")


@case("a pod reaches the API server under its ClusterIP")
def api_from_pod(bed):
    bed.cluster.apply(pod("caller"))
    try:
        bed.cluster.wait("pod/caller", "condition=Ready")
        bed.cluster.kubectl("exec", "caller", "--", "sh", "-c", "nc -w 3 $KUBERNETES_SERVICE_HOST 443 </dev/null")
    finally:
        bed.cluster.delete("pod/caller")


@case("an image is a read-only volume, also a part of it")
def image_volume(bed):
    bed.cluster.apply(pod("imaged", "ls -l /files/busybox", IMAGE_VOLUME))
    try:
        bed.cluster.wait("pod/imaged", "condition=Ready")
        check("/files/busybox" in bed.cluster.logs("pod/imaged"), "the file is not there")
        said = bed.cluster.kubectl("exec", "imaged", "--", "sh", "-c", "touch /files/x 2>&1 || true")
        check("Read-only" in said, f"writing: {said}")
    finally:
        bed.cluster.delete("pod/imaged")


@case("a namespace that enforces Pod Security refuses what it must and runs what is restricted")
def pod_security(bed):
    bed.cluster.apply(NAMESPACE)
    try:
        bed.cluster.wait_for("its account", lambda: bed.cluster.exists("serviceaccount/default", "-n", "strict"), 20)
        try:
            bed.cluster.apply(pod("loose", namespace="strict"))
            raise AssertionError("a pod that is not restricted was let in")
        except clusters.ClusterError as error:
            check('violates PodSecurity "restricted' in str(error), str(error))
        bed.cluster.apply(pod("tight", "cat /proc/self/status", RESTRICTED, "strict"))
        bed.cluster.wait("pod/tight", "condition=Ready", 60, "-n", "strict")
        status = bed.cluster.logs("pod/tight", "-n", "strict")
        for line in ("CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
            check(line in status, f"{line} is not in\n{status}")
    finally:
        bed.cluster.delete("namespace/strict")


@case("the kubelet's socket for device plugins is where DaemonSets look for it")
def device_plugins(bed):
    bed.cluster.node(["test", "-S", "/var/lib/kubelet/device-plugins/kubelet.sock"])


@case("a pod lives through restarts of kubelet, containerd and the API server")
def daemons_restart(bed):
    bed.cluster.apply(pod("steady"))
    try:
        bed.cluster.wait("pod/steady", "condition=Ready")
        before = bed.cluster.get("pod/steady")["status"]["containerStatuses"][0]["containerID"]
        for name in ("kubelet", "containerd", "kube-apiserver"):
            bed.cluster.restart(name)
            bed.cluster.wait_for(f"the node after {name}", bed.cluster.node_ready, 60)
        bed.cluster.wait("pod/steady", "condition=Ready")
        status = bed.cluster.get("pod/steady")["status"]["containerStatuses"][0]
        check((status["containerID"], status["restartCount"]) == (before, 0), f"another container: {status}")
    finally:
        bed.cluster.delete("pod/steady")


@case("a daemon that ends by itself is started again")
def daemon_again(bed):
    bed.cluster.node(["sh", "-c", "kill -9 $(pidof kube-scheduler)"])
    bed.cluster.wait_for("its end", lambda: not bed.cluster.alive("kube-scheduler"), 5)
    bed.cluster.wait_for("its return", lambda: bed.cluster.alive("kube-scheduler"), 5)


@case("a daemon that stands still is seen to, and goes on")
def pause_and_resume(bed):
    bed.cluster.pause("kube-apiserver")
    try:
        done = bed.cluster.kubectl("get", "nodes", "--request-timeout=1s", check=False)
        check(done == "", f"an API server that stands still answered: {done}")
    finally:
        bed.cluster.resume("kube-apiserver")
    bed.cluster.wait_for("the API server", bed.cluster.node_ready, 30)


@case("a cluster that goes takes everything with it: processes, mounts, namespaces, cgroups, rules, sysctls")
def down_leaves_nothing(bed):
    with tempfile.TemporaryDirectory(prefix="wherry-cluster-") as work:
        before, ours = leftovers.state(), leftovers.namespaces(["self"])
        second = clusters.Cluster(os.path.join(work, "cluster"), bed.cluster.helpers)
        second.up()
        try:
            second.apply(pod("left"))
            second.wait("pod/left", "condition=Ready")
            inside = leftovers.namespaces(leftovers.processes(second)) - ours
            check(len(inside) > 6, "the second cluster is in no namespaces of its own")
        finally:
            second.down()
        left = leftovers.compare(before, leftovers.state())
        check(not left, f"left: {left}")
        holders = leftovers.holders(inside)
        check(not holders, f"namespaces are left: {holders}")
        check(sorted(os.listdir(second.files.root)) == ["bin", "log"], f"files: {os.listdir(second.files.root)}")
    check(bed.cluster.node_ready(), "the first cluster suffered")


@case("a cluster whose first process is killed is gone, and its remains are cleared by the next start")
def first_process_killed(bed):
    with tempfile.TemporaryDirectory(prefix="wherry-cluster-") as work:
        second = clusters.Cluster(os.path.join(work, "cluster"), bed.cluster.helpers)
        before = leftovers.state()
        second.up()
        try:
            os.kill(second.sandbox.first_process(), 9)
            second.wait_for("its end", lambda: not second.running(), 20)
            second.up()
            check(second.node_ready(), "the node is not ready")
        finally:
            second.down()
        left = leftovers.compare(before, leftovers.state())
        check(not left, f"left: {left}")


@case("a cluster whose folder is gone can be ended all the same")
def folder_removed(bed):
    with tempfile.TemporaryDirectory(prefix="wherry-cluster-") as work:
        before = leftovers.state()
        second = clusters.Cluster(os.path.join(work, "cluster"), bed.cluster.helpers)
        second.up()
        try:
            shutil.rmtree(second.files.root, ignore_errors=True)     # its daemons go on writing
            check(not second.running() and leftovers.processes(second), "it ended by itself, or is to be found still")
        finally:
            second.down()
        check(not leftovers.processes(second), "it runs on")
        left = leftovers.compare(before, leftovers.state())
        check(not left, f"left: {left}")
