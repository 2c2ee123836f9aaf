"""An API server with etcd and the controllers that judge policies, in a network namespace of its own: enough to install deploy/ and to ask what it lets through.

No node, no kubelet: nodes and pods are objects that the cases write. Programs and certificates are those of tests/cluster.
"""
import json
import os
import shlex
import shutil
import subprocess
import time

try:
    import binaries
    import daemons
    import pki
    import settings
except ImportError:      # without tests/cluster
    binaries = None

from suite import Skip

START_SECONDS = 60
KUBECTL_SECONDS = 60
PROGRAMS = ["etcd", "kube-apiserver", "kube-controller-manager", "kubectl"]
CONTROLLERS = ["validatingadmissionpolicy-status-controller", "clusterrole-aggregation-controller", "namespace-controller", "garbage-collector-controller"]
TOKEN_CONFIG = """apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "{server}", certificate-authority-data: {ca}}}}}]
users: [{{name: u, user: {{token: {token}}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
current-context: c
"""


def programs():
    """{name: path} of what is there already; Skip when something would have to be built."""
    if not binaries:
        raise Skip("tests/cluster is not there")
    found = {}
    for module in binaries.MODULES:
        found |= {name: os.path.join(module.cached(), name) for name in module.programs if os.path.exists(os.path.join(module.cached(), name))}
        found |= binaries.present(module)
    missing = [name for name in PROGRAMS if name not in found]
    if missing:
        raise Skip(f"no {', '.join(missing)}: `make cluster` builds them")
    return found


class Answer:
    """What a kubectl command said."""

    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def ok(self):
        return self.status == 0


class Api:
    """The server; up in some seconds, and gone with its first process."""

    def __init__(self, root):
        self.root, self.process = root, None
        self.programs = programs()
        self.files = settings.Files(root)

    def up(self):
        for folder in (self.files.bin, self.files.log, self.files.state):
            os.makedirs(folder)
        for name, path in self.programs.items():
            os.symlink(path, os.path.join(self.files.bin, name))
        pki.make(self.files)
        commands = [daemons.command(self.files, "etcd"), daemons.command(self.files, "kube-apiserver"),
                    daemons.command(self.files, "kube-controller-manager", ["--controllers=" + ",".join(CONTROLLERS)])]
        lines = ["ip link set lo up", f"ip link add {settings.NODE_BRIDGE} type bridge", f"ip address add {settings.NODE_IP}/32 dev {settings.NODE_BRIDGE}",
                 f"ip link set {settings.NODE_BRIDGE} up"]
        lines += [f"{shlex.join(command)} >{shlex.quote(self.files.log)}/{os.path.basename(command[0])} 2>&1 &" for command in commands]
        # unshare's child is the first process of a namespace: what it leaves ends with it.
        self.process = subprocess.Popen(["unshare", "--net", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "sh", "-c", "\n".join([*lines, "wait"])],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        until = time.monotonic() + START_SECONDS
        while not self.first() or not self.kubectl("get", "--raw", "/readyz").ok:
            if time.monotonic() > until or self.process.poll() is not None:
                raise AssertionError("the API server does not come up: " + self.log("kube-apiserver")[-2000:])
            time.sleep(0.1)

    def log(self, name):
        path = os.path.join(self.files.log, name)
        with open(path, encoding="utf-8", errors="replace") if os.path.exists(path) else open(os.devnull, encoding="ascii") as file:
            return file.read()

    def first(self):
        """Pid of the namespace's first process; 0 before there is one."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            return int((file.read().split() or ["0"])[0])

    def down(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    # --- asking ---------------------------------------------------------------------------------------------------------------
    def kubectl(self, *argv, stdin=None, config=None):
        """Answer of kubectl, as the administrator or with another configuration."""
        env = {**os.environ, "KUBECONFIG": config or self.files.kubeconfig_of("admin"), "KUBECACHEDIR": os.path.join(self.root, "cache")}
        command = ["nsenter", "-t", str(self.first()), "-n", os.path.join(self.files.bin, "kubectl"), *argv]
        return Answer(subprocess.run(command, env=env, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL, text=True, check=False,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=KUBECTL_SECONDS))

    def must(self, *argv, stdin=None, config=None):
        """Output of a command that succeeds."""
        answer = self.kubectl(*argv, stdin=stdin, config=config)
        if not answer.ok:
            raise AssertionError(f"kubectl {' '.join(argv)}: {answer.err[-3000:]}")
        return answer.out

    def create(self, *objects, config=None):
        """Make objects, given as dictionaries."""
        self.must("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}), config=config)

    def get(self, *argv):
        return json.loads(self.must("get", *argv, "-o", "json"))

    def token_config(self, name, token):
        """A kubeconfig that has the token alone. Its path."""
        path = os.path.join(self.root, name + ".kubeconfig")
        with open(path, "w", encoding="ascii") as file:
            file.write(TOKEN_CONFIG.format(server=settings.API, ca=pki.encoded(self.files.certificate("ca")), token=token))
        return path
