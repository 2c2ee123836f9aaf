"""The aggregated API through kube-apiserver: discovery, verbs, streams, rights. The client of streams is python3-websocket, of verbs curl."""
import json
import os
import subprocess
import textwrap

import cases_vm
from suite import Skip, case, check

HERE = os.path.dirname(os.path.realpath(__file__))
STREAM = ["/usr/bin/python3", os.path.join(HERE, "stream.py")]
GROUP = "/apis/subresources.kubevirt.io/v1"
# The instance of the other cases as a VM's template, with a file that is more than a buffer.
SPEC = cases_vm.SOLO.partition("spec:\n")[2].replace("httpd -p", "head -c 300000 /dev/zero | tr '\\0' x > /www/many; httpd -p")
VM = """
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {{name: {name}}}
spec:
  runStrategy: {strategy}
  template:
    spec:
""" + textwrap.indent(SPEC, "    ")
RIGHTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: alice}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "kubevirt.io:{role}"}}
subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}}]
"""


def place(kind, name, subresource):
    return f"{GROUP}/namespaces/default/{kind}/{name}/{subresource}"


def stream(cluster, path, *steps, user="admin"):
    """What a WebSocket client saw."""
    if subprocess.run([STREAM[0], "-c", "import websocket"], check=False, stderr=subprocess.DEVNULL).returncode:
        raise Skip("python3-websocket is not installed")
    return cluster.node([*STREAM, cluster.files.kubeconfig_of(user), path, *steps], seconds=200)


def ask(cluster, method, path, body=None, user="admin"):
    """(status, body) of one request by curl."""
    given = [] if body is None else ["--data-binary", json.dumps(body), "--header", "Content-Type:"]
    text = cluster.node(["python3", os.path.join(HERE, "request.py"), cluster.files.kubeconfig_of(user), method, path, *given])
    status, _, answer = text.partition("\n")
    return int(status), answer


def served(bed):
    """The API is there for everybody."""
    cluster = cases_vm.emulated(bed)
    cluster.wait("apiservice/v1.subresources.kubevirt.io", "condition=Available", 60)
    return cluster


def vm_up(cluster, name, strategy="Always"):
    cluster.apply(VM.format(name=name, strategy=strategy))
    cluster.wait_for("the VM's instance", lambda: cluster.exists(f"vmi/{name}"))
    cluster.wait(f"vmi/{name}", "condition=Ready", cases_vm.START_SECONDS)


@case("the aggregated API is discovered, and breaks no other discovery")
def api_discovery(bed):
    cluster = served(bed)
    listed = json.loads(cluster.kubectl("get", "--raw", GROUP))
    check("virtualmachineinstances/console" in [one["name"] for one in listed["resources"]], listed)
    check("gitVersion" in json.loads(cluster.kubectl("get", "--raw", f"{GROUP}/version")), "version")
    check("virtualmachines" in cluster.kubectl("api-resources"), "api-resources")
    check("swagger" in json.loads(cluster.kubectl("get", "--raw", "/openapi/v2")), "OpenAPI")


@case("console, screen and ports of a guest through kube-apiserver: a login, a VNC greeting, a page, a second console that takes over")
def api_streams(bed):
    cluster = served(bed)
    vm_up(cluster, "streams")
    console = place("virtualmachineinstances", "streams", "console")
    try:
        seen = stream(cluster, console, "expect=login: ", "send=root\\n", "expect=Password: ", "send=wherry\\n", "expect=~# ", "send=echo sum $((40+2))\\n", "expect=sum 42", "ping")
        check(seen.startswith("<101 plain.kubevirt.io>"), seen[:100])
        check("RFB 003.008" in stream(cluster, place("virtualmachineinstances", "streams", "vnc"), "expect=RFB 003.008\\n", "send=RFB 003.008\\n", "count=14"), "no VNC greeting")
        for kind in ("virtualmachineinstances", "virtualmachines"):
            page = stream(cluster, place(kind, "streams", "portforward/8080/tcp"), "send=GET /index.html HTTP/1.0\\r\\n\\r\\n", "expect=hello from the guest")
            check("200 OK" in page, page)
        stream(cluster, place("virtualmachineinstances", "streams", "portforward/8080"), "send=GET /many HTTP/1.0\\r\\n\\r\\n", "count=300000")
        check(stream(cluster, place("virtualmachineinstances", "streams", "portforward/9")).startswith("refused 500"), "a closed port")
        first = subprocess.Popen(cluster.sandbox.enter([*STREAM, cluster.files.kubeconfig_of("admin"), console, "expect=# ", "closed"], {}), stdout=subprocess.PIPE, text=True)
        try:
            check(first.stdout.readline().startswith("<101"), "the first console")
            stream(cluster, console, "send=\\n", "expect=# ")
            check(first.communicate(timeout=60)[0].endswith("<closed>\n"), "the first console lives on")
        finally:
            first.kill()
            first.wait()
        cluster.kubectl("delete", "vm/streams", "--wait=false")
        cases_vm.remove(cluster, "vm/streams")
        check(stream(cluster, console).startswith("refused 404"), "a console of nothing")
    finally:
        cases_vm.remove(cluster, "vm/streams")


@case("verbs through kube-apiserver change what they say, with KubeVirt's codes")
def api_verbs(bed):
    cluster = served(bed)
    cluster.apply(VM.format(name="verbs", strategy="Halted"))
    vm, vmi = (lambda verb: place("virtualmachines", "verbs", verb)), (lambda verb: place("virtualmachineinstances", "verbs", verb))
    try:
        for path, body, status in ((vm("stop"), None, 409), (vm("restart"), None, 409), (vmi("pause"), None, 404), (vm("bogus"), None, 404), (vm("addvolume"), {}, 400)):
            found = ask(cluster, "PUT", path, body)
            check(found[0] == status, f"{path}: {found}")
        check(ask(cluster, "PUT", vm("start"), {"dryRun": ["All"]})[0] == 202, "a start on trial")
        check(cluster.get("vm/verbs")["spec"]["runStrategy"] == "Halted", "a start on trial started")
        check(ask(cluster, "PUT", vm("start"))[0] == 202, "start")
        cluster.wait_for("the VM's instance", lambda: cluster.exists("vmi/verbs"))
        cluster.wait("vmi/verbs", "condition=Ready", cases_vm.START_SECONDS)
        check(ask(cluster, "PUT", vm("start"))[0] == 409, "start of what runs")
        check(ask(cluster, "PUT", vmi("pause")) == (200, ""), "pause")
        cluster.wait("vmi/verbs", "condition=Paused", 30)
        check(ask(cluster, "PUT", vmi("pause"))[0] == 409, "pause of what is paused")
        check(ask(cluster, "PUT", vmi("unpause"))[0] == 200, "unpause")
        cluster.wait("vmi/verbs", "condition=AgentConnected", cases_vm.BOOT_SECONDS)
        info = json.loads(ask(cluster, "GET", vmi("guestosinfo"))[1])
        check(info["os"]["name"] == "Wherry guest", info)
        before = cluster.get("vmi/verbs")["metadata"]["uid"]
        check(ask(cluster, "PUT", vm("restart"))[0] == 202, "restart")
        cluster.wait_for("another instance", lambda: cluster.get("vmi/verbs")["metadata"]["uid"] != before, cases_vm.STOP_SECONDS)
        check(ask(cluster, "PUT", vm("stop"), {"gracePeriod": 0})[0] == 202, "stop")
        cluster.wait_for("the instance is gone", lambda: not cluster.exists("vmi/verbs"), cases_vm.STOP_SECONDS)
        check(cluster.get("vm/verbs")["spec"]["runStrategy"] == "Halted", "stop")
    finally:
        cases_vm.remove(cluster, "vm/verbs")


@case("who may not, gets 403; who only names himself, gets 401")
def api_rights(bed):
    cluster = served(bed)
    path = place("virtualmachineinstances", "nobody", "console")
    check("refused 403" in stream(cluster, path, user="alice"), "alice without rights")
    try:
        cluster.apply(RIGHTS.format(role="view"))
        check("refused 403" in stream(cluster, path, user="alice"), "alice who may look")
        check(ask(cluster, "GET", place("virtualmachineinstances", "nobody", "guestosinfo"), user="alice")[0] == 500, "a question of a viewer's")
        cluster.delete("rolebinding/alice")
        cluster.apply(RIGHTS.format(role="admin"))
        cluster.wait_for("her right", lambda: "refused 404" in stream(cluster, path, user="alice"), 30)
    finally:
        cluster.delete("rolebinding/alice")
    pod = cluster.get("pods", "-n", "kubevirt", "-l", "kubevirt.io=virt-handler")[0]["status"]["podIP"]
    forged = ["--header", "X-Remote-User: admin", "--header", "X-Remote-Group: system:masters"]
    code = ["curl", "--silent", "--insecure", "--output", "/dev/null", "--write-out", "%{http_code}"]
    check(cluster.node([*code, *forged, f"https://{pod}:8443{path}"]) == "401", "a forged user")
    own = ["--cert", cluster.files.certificate("alice"), "--key", cluster.files.key("alice")]
    check(cluster.node([*code, *forged, *own, f"https://{pod}:8443{path}"]) == "401", "a forged user with a user's certificate")
    check(cluster.node([*code, f"https://{pod}:8443/healthz"]) == "200", "health")
    check(cluster.node([*code, "--tls-max", "1.2", f"https://{pod}:8443/healthz"], check=False) == "000", "TLS 1.2")
