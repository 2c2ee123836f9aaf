"""Who we are and whom we trust: TLS, client certificates, tokens, plugins, pods."""
import base64
import json
import os
import time

from bed import Probe, case, same

GET = ("get", "pods", "a", "p", "-", "-", "-")


def data(path):
    with open(path, "rb") as f:
        return base64.b64encode(f.read()).decode()


def tls_server(bed, **kwargs):
    server = bed.server(tls=bed.authority.server(**kwargs))
    server.put("pods", "a", "p")
    return server


@case
def server_certificate_is_checked(bed):
    server = tls_server(bed)
    good = bed.probe(server, cluster={"certificate-authority-data": data(bed.authority.path("ca.crt"))}, scheme="https")
    assert "failure" not in good.call(1, *GET)
    bed.authority.issue("other", "/CN=other", "DNS:elsewhere.test")
    stranger = bed.server(tls=bed.authority.server("other"))
    wrong_name = bed.probe(stranger, "--timeout", "2", cluster={"certificate-authority": "ca.crt"}, scheme="https")
    assert "failure" in wrong_name.call(1, *GET)
    unknown = bed.probe(server, "--timeout", "2", scheme="https")
    assert "failure" in unknown.call(1, *GET)
    same(len(stranger.log), 0)
    same(len(server.log), 1)


@case
def names_and_insecurity(bed):
    bed.authority.issue("named", "/CN=named", "DNS:kube.elsewhere")
    server = bed.server(tls=bed.authority.server("named"))
    server.put("pods", "a", "p")
    probe = bed.probe(server, cluster={"certificate-authority": "ca.crt", "tls-server-name": "kube.elsewhere"}, scheme="https")
    assert "failure" not in probe.call(1, *GET)
    same(server.log[-1][2]["Host"], f"127.0.0.1:{server.port}")
    insecure = bed.probe(server, cluster={"insecure-skip-tls-verify": True}, scheme="https")
    assert any("not checked" in l.get("warning", "") for l in insecure.seen), insecure.seen
    assert "failure" not in insecure.call(1, *GET)


@case
def client_certificate(bed):
    server = tls_server(bed, wants_client=True)
    user = {"client-certificate": "client.crt", "client-key-data": data(bed.authority.path("client.key"))}
    probe = bed.probe(server, cluster={"certificate-authority": "ca.crt"}, user=user, scheme="https")
    assert "failure" not in probe.call(1, *GET)
    assert "Authorization" not in server.log[-1][2]
    without = bed.probe(server, "--timeout", "2", cluster={"certificate-authority": "ca.crt"}, scheme="https")
    assert "failure" in without.call(1, *GET)


@case
def in_a_pod(bed):
    """The projected volume's symlinks; a new token after 401 at once."""
    server = tls_server(bed)
    root = os.path.join(bed.work, "account")
    os.makedirs(os.path.join(root, "..1"))
    os.symlink("..1", os.path.join(root, "..data"))
    for name, text in (("token", "first\n"), ("namespace", "wherry"), ("ca.crt", open(bed.authority.path("ca.crt"), encoding="ascii").read())):
        with open(os.path.join(root, "..1", name), "w", encoding="ascii") as f:
            f.write(text)
        os.symlink(f"..data/{name}", os.path.join(root, name))
    env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}
    probe = bed.start("--in-cluster", root, env=env)
    assert "failure" not in probe.call(1, *GET)
    same(server.log[-1][2]["Authorization"], "Bearer first")
    with open(os.path.join(root, "..1", "token"), "w", encoding="ascii") as f:
        f.write("second")
    server.fail(".", status=401)
    assert "failure" not in probe.call(2, *GET)
    same([r[2]["Authorization"] for r in server.log[-2:]], ["Bearer first", "Bearer second"])
    server.fail(".", times=2, status=401)
    same(probe.call(3, *GET)["failure"]["reason"], "Unauthorized")


@case
def not_in_a_pod(bed):
    clean = {"KUBERNETES_SERVICE_HOST": "", "KUBERNETES_SERVICE_PORT": ""}
    probe = Probe(bed.program, "--in-cluster", "/nowhere", env=clean)
    assert "not in a pod" in probe.wait(lambda line: "fatal" in line)["fatal"]
    same(probe.end(), 1)


def plugin(bed, text, **more):
    path = os.path.join(bed.work, "plugin")
    with open(path, "w", encoding="ascii") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", "interactiveMode": "IfAvailable", **more}}


ANSWER = '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{%s}}'


@case
def plugin_gives_tokens(bed):
    """Asked once for many calls, again when its answer expires or is refused; told of the cluster."""
    server = tls_server(bed)
    counter = os.path.join(bed.work, "counter")
    def script(more=""):
        answer = ANSWER % ('"token":"t$n$ARG$1"' + more)
        return f'''echo x >>{counter}
echo "$KUBERNETES_EXEC_INFO" >{counter}.info
n=$(wc -l <{counter})
cat <<END
{answer}
END
'''

    fresh = plugin(bed, script(), args=["-arg"], env=[{"name": "ARG", "value": "env"}], provideClusterInfo=True)
    if os.path.exists(counter):
        os.unlink(counter)
    probe = bed.probe(server, cluster={"certificate-authority": "ca.crt"}, user=fresh, scheme="https")
    for number in range(1, 4):
        probe.send(f"call {number} {' '.join(GET)}")
    for _ in range(3):
        assert "failure" not in probe.wait(lambda line: "done" in line)
    same({r[2]["Authorization"] for r in server.log}, {"Bearer t1env-arg"})
    server.fail(".", status=401)
    assert "failure" not in probe.call(4, *GET)
    same(server.log[-1][2]["Authorization"], "Bearer t2env-arg")
    with open(counter + ".info", encoding="ascii") as f:
        info = json.load(f)
    same((info["kind"], info["spec"]["interactive"], info["spec"]["cluster"]["server"]), ("ExecCredential", False, f"https://127.0.0.1:{server.port}"))
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 12))
    plugin(bed, script(f',"expirationTimestamp":"{soon}"'))
    server.fail(".", status=401)
    probe.call(5, *GET)
    plugin(bed, script())
    before = server.log[-1][2]["Authorization"]
    time.sleep(3)
    probe.call(6, *GET)
    assert server.log[-1][2]["Authorization"] != before, "an answer that expires is used on"


@case
def plugin_that_fails(bed):
    server = tls_server(bed)
    user = plugin(bed, "echo no; exit 3\n", installHint="get it somewhere")
    probe = bed.probe(server, cluster={"certificate-authority": "ca.crt"}, user=user, scheme="https")
    failure = probe.call(1, *GET)["failure"]
    assert "plugin" in failure["error"] and "get it somewhere" in failure["error"], failure
    same(len(server.log), 0)


@case
def plugin_gives_certificates(bed):
    server = tls_server(bed, wants_client=True)
    cert = json.dumps(open(bed.authority.path("client.crt"), encoding="ascii").read())
    key = json.dumps(open(bed.authority.path("client.key"), encoding="ascii").read())
    answer = os.path.join(bed.work, "answer.json")
    with open(answer, "w", encoding="ascii") as f:
        f.write(ANSWER % f'"clientCertificateData":{cert},"clientKeyData":{key}')
    probe = bed.probe(server, cluster={"certificate-authority": "ca.crt"}, user=plugin(bed, f"cat {answer}\n"), scheme="https")
    assert "failure" not in probe.call(1, *GET)


@case
def server_by_name(bed):
    """A name is looked up beforehand; no thread of a resolver is started."""
    server = bed.server()
    server.put("pods", "a", "p")
    path = bed.kubeconfig(server, cluster={"server": f"http://localhost:{server.port}"})
    probe = bed.start("--kubeconfig", path)
    assert "failure" not in probe.call(1, *GET)
    same(len(os.listdir(f"/proc/{probe.process.pid}/task")), 1)
