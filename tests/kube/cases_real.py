"""Against a real kube-apiserver and etcd, where their binaries are: $WHERRY_CLUSTER_BIN, PATH or what `make cluster` built."""
import glob
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request

from bed import Skip, case, same

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tools"))
from guest import packages  # noqa: E402


def find(name):
    folders = [os.environ.get("WHERRY_CLUSTER_BIN", "")] + os.environ.get("PATH", "").split(":")
    built = sorted(glob.glob(os.path.join(packages.cache_dir(), "cluster", "*", name)), key=os.path.getmtime, reverse=True)
    for path in [os.path.join(folder, name) for folder in folders if folder] + built:
        if os.access(path, os.X_OK):
            return path
    raise Skip(f"no {name} here; make cluster builds it")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Real:
    """etcd and kube-apiserver as processes of one's own."""

    def __init__(self, bed):
        self.etcd_bin, self.api_bin = find("etcd"), find("kube-apiserver")
        self.bed, self.data = bed, os.path.join(bed.work, f"etcd{bed.count}")
        bed.count += 1
        self.port, self.ports = free_port(), (free_port(), free_port())
        self.etcd = self.api = None
        key, pub = bed.authority.path("sa.key"), bed.authority.path("sa.pub")
        if not os.path.exists(key):
            subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, stderr=subprocess.DEVNULL)
            subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-out", pub], check=True, stderr=subprocess.DEVNULL)
        self.tokens = os.path.join(bed.work, "tokens.csv")
        with open(self.tokens, "w", encoding="ascii") as f:
            f.write('admin-token,admin,1,"system:masters"\n')
        bed.open.append(self.stop)
        self.start_etcd()
        self.start_api()

    def _spawn(self, argv, name):
        with open(os.path.join(self.bed.work, name + ".log"), "ab") as log:
            return subprocess.Popen(argv, stdout=log, stderr=log)

    def start_etcd(self):
        client, peer = (f"http://127.0.0.1:{p}" for p in self.ports)
        self.etcd = self._spawn([self.etcd_bin, "--name=e", f"--data-dir={self.data}", f"--listen-client-urls={client}", f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
                                 f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=e={peer}", "--unsafe-no-fsync", "--log-level=error"], "etcd")

    def start_api(self):
        file = self.bed.authority.path
        self.api = self._spawn([self.api_bin, f"--etcd-servers=http://127.0.0.1:{self.ports[0]}", "--bind-address=127.0.0.1", f"--secure-port={self.port}", f"--tls-cert-file={file('server.crt')}",
                                f"--tls-private-key-file={file('server.key')}", f"--client-ca-file={file('ca.crt')}", f"--service-account-key-file={file('sa.pub')}",
                                f"--service-account-signing-key-file={file('sa.key')}", "--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.96.0.0/16",
                                "--authorization-mode=RBAC", f"--token-auth-file={self.tokens}", "--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none", "--v=0"], "apiserver")
        self.wait_ready()

    def wait_ready(self, seconds=120):
        context = ssl.create_default_context(cafile=self.bed.authority.path("ca.crt"))
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            assert self.api.poll() is None and self.etcd.poll() is None, "a server ended by itself"
            try:
                request = urllib.request.Request(f"https://127.0.0.1:{self.port}/readyz", headers={"Authorization": "Bearer admin-token"})
                with urllib.request.urlopen(request, context=context, timeout=5) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError("kube-apiserver is not ready")

    def kill_api(self):
        self.api.kill()
        self.api.wait()

    def kill_etcd(self):
        self.etcd.kill()
        self.etcd.wait()

    def stop(self):
        for process in (self.api, self.etcd):
            if process and process.poll() is None:
                process.kill()
                process.wait()

    def probe(self, *args, user=None):
        return self.bed.probe(self, *args, cluster={"certificate-authority": "ca.crt"}, user=user or {"client-certificate": "client.crt", "client-key": "client.key"}, scheme="https")


def connections(probe, port):
    """TCP connections of the probe to the port."""
    inodes = set()
    for fd in os.listdir(f"/proc/{probe.process.pid}/fd"):
        target = os.readlink(f"/proc/{probe.process.pid}/fd/{fd}")
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    with open(f"/proc/{probe.process.pid}/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return sum(1 for r in rows if r[9] in inodes and int(r[2].split(":")[1], 16) == port and r[3] == "01")


def config_map(name, **data):
    return json.dumps({"metadata": {"name": name, "namespace": "default"}, "data": data})


def make(probe, name, **data):
    answer = probe.call(1, "post", "configmaps", "default", "-", "-", "-", config_map(name, **data))
    assert "failure" not in answer, answer
    return answer["object"]


def requests(real):
    probe = real.probe()
    one = make(probe, "one", a="1")
    name = ("configmaps", "default", "one", "-", "-")
    probe.call(2, "merge", *name, '{"data":{"b":"\u20ac"}}')
    same(probe.call(3, "put", *name, json.dumps({**one, "data": {"c": "3"}}))["failure"]["reason"], "Conflict")
    same(probe.call(4, "json", *name, '[{"op":"add","path":"/data/d","value":"4"}]')["object"]["data"], {"a": "1", "b": "\u20ac", "d": "4"})
    applied = probe.call(5, "apply", "configmaps", "default", "two", "-", "fieldManager=probe", '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"two"},"data":{"x":"y"}}')
    same(applied["object"]["data"], {"x": "y"})
    exists = probe.call(6, "post", "configmaps", "default", "-", "-", "-", config_map("one"))["failure"]
    same((exists["http"], exists["reason"]), (409, "AlreadyExists"))
    invalid = probe.call(7, "post", "pods", "default", "-", "-", "-", '{"metadata":{"name":"UPPER","namespace":"default"},"spec":{"containers":[]}}')["failure"]
    same((invalid["http"], invalid["reason"]), (422, "Invalid"))
    assert {"metadata.name", "spec.containers"} <= {c["field"] for c in invalid["causes"]}, invalid
    same(probe.call(8, "get", "configmaps", "default", "..", "-", "-", "-")["failure"]["http"], 400, "a name never becomes another path")
    probe.send("delete 9 configmaps default one 00000000-0000-0000-0000-000000000000 - -1")
    same(probe.wait(lambda line: line.get("done") == 9)["failure"]["reason"], "Conflict")
    probe.send(f"delete 10 configmaps default one {one['metadata']['uid']} Background -1")
    assert "failure" not in probe.wait(lambda line: line.get("done") == 10)
    token = real.probe(user={"token": "admin-token"})
    assert "failure" not in token.call(1, "get", "configmaps", "default", "two", "-", "-", "-")
    wrong = real.probe(user={"token": "wrong"})
    same(wrong.call(1, "get", "configmaps", "default", "two", "-", "-", "-")["failure"]["reason"], "Unauthorized")
    probe.send("raw 11 /readyz")
    assert "failure" not in probe.wait(lambda line: line.get("done") == 11)
    same(probe.end(), 0)


def wake_ups(probe):
    with open(f"/proc/{probe.process.pid}/status", encoding="ascii") as f:
        return int(f.read().split("voluntary_ctxt_switches:")[1].split()[0])


def idle(probe):
    """Eight watches on which nothing happens: a bookmark a minute each, nothing else."""
    time.sleep(0.5)
    before = wake_ups(probe)
    time.sleep(6)
    count = wake_ups(probe) - before
    assert count <= 8, f"{count} wake-ups in 6 s"


def hung(real, probe):
    """A server that stands still and goes on: calls end in time, watches go on where they were."""
    seen = len(drain(probe))
    late = real.probe("--timeout", "2")
    real.api.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    failure = late.call(1, "get", "configmaps", "default", "two", "-", "-", "-")["failure"]
    assert failure["http"] == 0 and time.monotonic() - begun < 4, failure
    real.api.send_signal(signal.SIGCONT)
    make(late, "afterwards")
    agree(probe, 1)
    same([line for line in probe.seen[seen:] if "lost" in line or "synced" in line], [])


def stores(probe, number):
    return sorted((o["name"], o["version"]) for o in probe.dump(number)["dump"])


def truth(probe, plural="configmaps"):
    items = probe.call(99, "get", plural, "default", "-", "-", "-", "-")["object"]["items"]
    return sorted((o["metadata"]["name"], o["metadata"]["resourceVersion"]) for o in items)


def agree(probe, number, seconds=20):
    ends = time.monotonic() + seconds
    while stores(probe, number) != truth(probe):
        assert time.monotonic() < ends, (stores(probe, number), truth(probe))
        time.sleep(0.1)


def watching(real):
    """Pages, many watches on one connection, changes."""
    writer, probe = real.probe(), real.probe()
    for i in range(40):
        make(writer, f"m{i:02}", n=str(i))
    for number in range(1, 9):
        probe.send(f"watch {number} configmaps default - - packed 7 0")
    for number in range(1, 9):
        probe.have(lambda line, number=number: line.get("watch") == number and "synced" in line)
    same(connections(probe, real.port), 1, "with HTTP/2 all watches share a connection")
    writer.call(1, "merge", "configmaps", "default", "m03", "-", "-", '{"data":{"n":"changed"}}')
    writer.call(2, "delete", "configmaps", "default", "m04", "-", "-", "-")
    for number in (1, 8):
        agree(probe, number)
    probe.send("object 8 default m03")
    same(probe.wait(lambda line: "object" in line)["object"]["data"], {"n": "changed"})
    return probe, writer


def leases(real):
    first, second = real.probe(), real.probe()
    for probe, name in ((first, "one"), (second, "two")):
        probe.send(f"lease default election {name} 4 3 1")
    for probe in (first, second):
        probe.have(lambda line: line.get("lease") == "leader")
    time.sleep(2)
    leading = [probe for probe in (first, second) if any(line.get("lease") == "started" for line in drain(probe))]
    same(len(leading), 1, "one of two leads")
    other = second if leading[0] is first else first
    leading[0].send("release")
    leading[0].wait(lambda line: line.get("lease") == "released")
    other.wait(lambda line: line.get("lease") == "started", 15)
    lease = other.call(1, "get", "leases", "default", "election", "-", "-", "-")["object"]["spec"]
    same(lease["holderIdentity"], "two" if other is second else "one")
    assert lease["leaseTransitions"] >= 1, lease


def drain(probe):
    probe.send("rss")
    probe.wait(lambda line: "rss" in line)
    return probe.seen


def recorded(real):
    probe = real.probe()
    for _ in range(3):
        probe.send("event ConfigMap default two Warning Broken it broke")
    ends = time.monotonic() + 15
    while True:
        items = [e for e in probe.call(1, "get", "events", "default", "-", "-", "-", "-")["object"]["items"] if e.get("reason") == "Broken"]
        if items and items[0]["count"] == 3:
            break
        assert time.monotonic() < ends, items
        time.sleep(0.2)
    same((len(items), items[0]["type"], items[0]["message"], items[0]["involvedObject"]["name"]), (1, "Warning", "it broke", "two"))


def restarted(real, probe, writer):
    """Killed and back: soon after it is ready, what changed meanwhile is known; nothing else is told."""
    before = stores(probe, 1)
    seen = len(drain(probe))
    real.kill_api()
    time.sleep(4)
    same(stores(probe, 1), before)
    real.start_api()
    since = time.monotonic()
    make(writer, "after")
    probe.wait(lambda line: line.get("watch") == 1 and line.get("name") == "after")
    took = time.monotonic() - since
    agree(probe, 1)
    told = {(l["changed"], l["name"]) for l in probe.seen[seen:] if l.get("changed")}
    same(told, {("ADDED", "after")})
    print(f"        ready to known after a restart: {took:.2f} s")
    assert took < 4, took


def restored(real, probe, writer):
    """etcd set back to an older state: the store follows, backwards too."""
    copy = real.data + ".copy"
    real.kill_api()
    real.kill_etcd()
    shutil.copytree(real.data, copy)
    real.start_etcd()
    real.start_api()
    for i in range(5):
        make(writer, f"lost{i}")
    writer.call(2, "delete", "configmaps", "default", "m05", "-", "-", "-")
    agree(probe, 1)
    real.kill_api()
    real.kill_etcd()
    shutil.rmtree(real.data)
    os.rename(copy, real.data)
    real.start_etcd()
    real.start_api()
    agree(probe, 1)
    names = [name for name, _ in stores(probe, 1)]
    assert "m05" in names and "lost0" not in names, names
    make(writer, "again")
    agree(probe, 1)


@case
def real_server(bed):
    """All of it against one kube-apiserver: a start takes seconds."""
    real = Real(bed)
    for part in (requests, leases, recorded):
        part(real)
    probe, writer = watching(real)
    idle(probe)
    hung(real, probe)
    restarted(real, probe, writer)
    restored(real, probe, writer)
    same(probe.end(), 0)
