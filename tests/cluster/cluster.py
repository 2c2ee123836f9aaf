"""The cluster as a test or a user sees it: up, down, kubectl, and the daemons' fates.

    cluster = Cluster("build/cluster")
    cluster.up()
    cluster.apply(text or path)              cluster.get("vmi/demo")["status"]["phase"]
    cluster.wait("pod/web", "condition=Ready", 60)
    cluster.wait_for("a lease", lambda: cluster.get("lease/x"), 20)
    cluster.logs("pod/web")                  cluster.node(["nft", "list", "ruleset"])
    cluster.stop("kubelet"), start, restart, pause, resume, kill("etcd")
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import binaries
import daemons
import pki
import pods
import settings
from sandbox import Sandbox, SandboxError

FIRST = ["etcd", "kube-apiserver", "containerd"]
THEN = ["kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"]
START_SECONDS = 120      # of one step of a start; a machine that does other things too is slow
DRAIN_SECONDS, STOP_SECONDS = 3, 30
KUBECTL_SECONDS = 120
POLL_SECONDS = 0.05


class ClusterError(Exception):
    """Something on the cluster is not as it must be; the message carries what was seen."""


def run(argv, *, stdin=None, env=None, seconds=KUBECTL_SECONDS, check=True):
    """Output of a command; ClusterError with all that it said when it fails."""
    done = subprocess.run(argv, input=stdin, env=env, timeout=seconds, check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          **({} if stdin is not None else {"stdin": subprocess.DEVNULL}))
    if check and done.returncode != 0:
        raise ClusterError(f"{' '.join(argv)[:300]}: exit status {done.returncode}: {(done.stderr + done.stdout).strip()[-2000:]}")
    return done.stdout


class Cluster:
    """One cluster below a directory of its own."""

    def __init__(self, root, helpers):
        """`helpers`: folder with the static program `pause`."""
        self.files = settings.Files(root)
        self.sandbox = Sandbox(self.files)
        self.helpers = helpers
        self.kubectl_program = os.path.join(self.files.bin, "kubectl")

    # --- life -----------------------------------------------------------------------------------------------------------
    def running(self):
        return self.sandbox.first_process() != 0

    def up(self, say=lambda text: None):
        """From nothing to a node that takes pods. Seconds that it took."""
        if self.running():
            raise ClusterError(f"{self.files.root}: a cluster is up there already")
        binaries.collect(self.files.bin, say)
        self.sandbox.remove()
        begin = time.monotonic()
        shutil.rmtree(self.files.log, ignore_errors=True)
        for folder in (self.files.log, self.files.state):
            os.makedirs(folder)
        try:
            self._start(lambda text: say(f"{time.monotonic() - begin:5.1f} s  {text}"))
        except BaseException:
            self.down()
            raise
        return time.monotonic() - begin

    def _start(self, say):
        pki.make(self.files)
        daemons.write_configuration(self.files)
        with socket.create_server(("127.0.0.1", 0)) as relayed:
            pki.kubeconfig(self.files, "admin", f"https://127.0.0.1:{relayed.getsockname()[1]}", self.files.kubeconfig)
            self.sandbox.make(relayed)
        say("namespaces")
        for name in FIRST:
            self.start(name)
        self.wait_for("containerd", lambda: self.ctr("version"))
        for path in pods.images(self.files.in_state("images"), self.helpers):
            self.load_image(path)
        say("containerd")
        self.wait_for("the API server", lambda: self.kubectl("get", "--raw", "/readyz", "--request-timeout=5s"))
        say("API server")
        for name in THEN:
            self.start(name)
        self.wait_for("the node", lambda: self.node_ready() and self.get("serviceaccount/default"))
        say("node is ready")

    def node_ready(self):
        """Whether the node takes pods."""
        node = self.get(f"node/{settings.NODE}")
        ready = [c["status"] for c in node["status"].get("conditions", []) if c["type"] == "Ready"]
        return ready == ["True"] and not node["spec"].get("taints")

    def down(self):
        self.sandbox.remove()

    def keep_pod_logs(self):
        """What containers have printed, for a look after the end: LOG/pods/<namespace>_<pod>_<uid>/<container>/N.log"""
        source, target = os.path.join(self.files.host, "pods"), os.path.join(self.files.log, "pods")
        if os.path.isdir(source):
            shutil.copytree(source, target, dirs_exist_ok=True)

    # --- daemons --------------------------------------------------------------------------------------------------------
    def start(self, name, *extra):
        """Start a daemon, with further options."""
        self.sandbox.ask(start=name, argv=daemons.command(self.files, name, extra))

    def alive(self, name):
        return self.sandbox.ask(status=name)["running"]

    def _signal(self, name, number):
        if not self.sandbox.ask(signal=name, number=number)["sent"]:
            raise ClusterError(f"{name} does not run")

    def stop(self, name, number=signal.SIGTERM):
        """End a daemon and wait until it is gone. Pods run on."""
        self._signal(name, number)
        try:
            self.wait_for(f"the end of {name}", lambda: not self.alive(name), DRAIN_SECONDS)
        except ClusterError:
            # An API server waits for those who watch; a second signal ends that.
            self.sandbox.ask(signal=name, number=number)
            self.wait_for(f"the end of {name}", lambda: not self.alive(name), STOP_SECONDS)

    def kill(self, name):
        self.stop(name, signal.SIGKILL)

    def restart(self, name):
        self.stop(name)
        self.start(name)

    def pause(self, name):
        """The daemon stands still: it holds its connections and answers nothing."""
        self._signal(name, signal.SIGSTOP)

    def resume(self, name):
        self._signal(name, signal.SIGCONT)

    # --- objects --------------------------------------------------------------------------------------------------------
    def environment(self):
        """For commands outside the sandbox. The discovery cache is this cluster's: another one may have had its port."""
        return dict(os.environ, KUBECONFIG=self.files.kubeconfig, KUBECACHEDIR=self.files.in_state("kubecache"))

    def kubectl(self, *argv, stdin=None, seconds=KUBECTL_SECONDS, check=True, user=None):
        """kubectl's standard output. `user`: one of pki.CLIENTS instead of the administrator."""
        if user:
            return run(self.sandbox.enter([self.kubectl_program, *argv], {"KUBECONFIG": self.files.kubeconfig_of(user)}),
                       stdin=stdin, seconds=seconds, check=check)
        return run([self.kubectl_program, *argv], stdin=stdin, env=self.environment(), seconds=seconds, check=check)

    def apply(self, what, *argv):
        """kubectl apply of a manifest's text, or of a file's or a folder's path."""
        if "\n" in what:
            return self.kubectl("apply", *argv, "-f", "-", stdin=what)
        return self.kubectl("apply", *argv, "-k" if os.path.isdir(what) else "-f", what)

    def delete(self, *what, seconds=60):
        """Delete objects and wait until they are gone; those that are not there are no error."""
        return self.kubectl("delete", *what, "--ignore-not-found", f"--timeout={seconds}s", seconds=seconds + 10)

    def get(self, *what):
        """An object, or a list's items, decoded. ClusterError when it is not there."""
        value = json.loads(self.kubectl("get", *what, "-o", "json"))
        return value["items"] if value["kind"].endswith("List") and "items" in value else value

    def exists(self, *what):
        return bool(self.kubectl("get", *what, "-o", "name", "--ignore-not-found").strip())

    def wait(self, what, condition, seconds=60, *argv):
        """kubectl wait --for=CONDITION."""
        return self.kubectl("wait", f"--for={condition}", what, f"--timeout={seconds}s", *argv, seconds=seconds + 10)

    def logs(self, what, *argv):
        return self.kubectl("logs", what, *argv)

    def events(self, kind, name, namespace="default"):
        """(reason, message) of the events of one object."""
        items = self.get("events", "-n", namespace, f"--field-selector=involvedObject.kind={kind},involvedObject.name={name}")
        return [(item["reason"], item["message"]) for item in items]

    def wait_for(self, what, true, seconds=START_SECONDS):
        """true() until it returns something that is true; errors of the cluster count as not yet."""
        until, last = time.monotonic() + seconds, "it is not so"
        while True:
            try:
                found = true()
                if found:
                    return found
            except (ClusterError, SandboxError, subprocess.TimeoutExpired, KeyError) as error:
                last = error
            if time.monotonic() > until:
                raise ClusterError(f"{what}: not within {seconds} s: {last}")
            time.sleep(POLL_SECONDS)

    # --- the node -------------------------------------------------------------------------------------------------------
    def node(self, argv, *, stdin=None, seconds=KUBECTL_SECONDS, check=True):
        """Output of a command in all namespaces of the node, as root."""
        path = f"{self.files.bin}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
        environment = {"PATH": path, "KUBECONFIG": self.files.kubeconfig_of("admin"),
                       "KUBECACHEDIR": self.files.in_state("kubecache")}
        return run(self.sandbox.enter(argv, environment), stdin=stdin, seconds=seconds, check=check)

    def ctr(self, *argv, seconds=KUBECTL_SECONDS):
        """ctr on the kubelet's containers and images."""
        return self.node(["ctr", "--address", settings.CONTAINERD, "--namespace", "k8s.io", *argv], seconds=seconds)

    def load_image(self, path):
        """Import an OCI archive; its reference is in it."""
        self.ctr("images", "import", os.path.abspath(path), seconds=600)

    def shell(self, argv):
        """Become argv inside the sandbox, with the terminal of the caller."""
        path = f"{self.files.bin}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
        command = self.sandbox.enter(argv, {"PATH": path, "KUBECONFIG": self.files.kubeconfig_of("admin"),
                                            "KUBECACHEDIR": self.files.in_state("kubecache"),
                                            "CONTAINERD_ADDRESS": settings.CONTAINERD, "CONTAINERD_NAMESPACE": "k8s.io"})
        sys.stdout.flush()
        os.execvp(command[0], command)
