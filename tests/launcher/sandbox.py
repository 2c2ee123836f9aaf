"""A VM's sandbox without the handler, and the handler's end of the connection, for tests of `launcher run` with real QEMU.

Sandbox starts launcher-init (which starts `launcher run`) in namespaces of its own; Peer speaks the wire format of include/wherry/wire.h.
"""
import array
import json
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
FIRST_UID = 610000000 + os.getpid() % 1000000 * 100  # two runs of the suite at a time do not meet
SETUP_VERSION = 1


class Lost(Exception):
    """The launcher closed the connection."""


class Peer:
    """One accepted connection of a launcher."""

    def __init__(self, sock):
        self.sock, self.seq = sock, 0
        self.messages = []  # (name, body, fds) not yet consumed
        self.statuses, self.events = [], []

    def receive(self, timeout):
        if not select.select([self.sock], [], [], timeout)[0]:
            raise TimeoutError("no message of the launcher")
        data, ancillary, _, _ = self.sock.recvmsg(65536, socket.CMSG_SPACE(16))
        if not data:
            raise Lost()
        fds = array.array("i")
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(payload[:len(payload) - len(payload) % fds.itemsize])
        (name, body), = json.loads(data).items()
        if name == "status":
            self.statuses.append(body)
        if name == "event":
            self.events.append(body)
        return name, body, list(fds)

    def send(self, name, body, fd=None):
        ancillary = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        self.sock.sendmsg([json.dumps({name: body}).encode()], ancillary)

    def ask(self, name, fd=None, **body):
        """Sends a request; its sequence number."""
        self.seq += 1
        self.send(name, {"seq": self.seq, **body}, fd)
        return self.seq

    def call(self, name, fd=None, timeout=30, **body):
        """A request and its reply: (reply, fds)."""
        seq = self.ask(name, fd, **body)
        end = time.monotonic() + timeout
        while True:
            kind, reply, fds = self.receive(max(0, end - time.monotonic()))
            if kind == "reply" and reply["seq"] == seq:
                return reply, fds

    def wait_status(self, test, timeout=30):
        """The first status, among those seen and those to come, for which test(status) holds."""
        for status in self.statuses:
            if test(status):
                return status
        end = time.monotonic() + timeout
        while True:
            kind, body, _ = self.receive(max(0, end - time.monotonic()))
            if kind == "status" and test(body):
                return body

    def wait_state(self, state, reason=None, timeout=30):
        return self.wait_status(lambda s: s["state"] == state and (reason is None or s.get("reason") == reason), timeout)

    def close(self):
        self.sock.close()


class Sandbox:
    """Directories, namespaces and processes of one VM."""

    count = 0

    def __init__(self, build, vmi=None, volumes=(), node=None, env=None, interfaces=None, caps=None):
        Sandbox.count += 1
        self.build, self.uid = build, FIRST_UID + Sandbox.count
        self.dir = tempfile.mkdtemp(prefix="wherry-launcher-")
        os.chmod(self.dir, 0o755)
        for name in ("node", "scratch", "state", "volumes"):
            os.mkdir(os.path.join(self.dir, name))
            if name != "node":
                os.chown(os.path.join(self.dir, name), self.uid, self.uid)
        if caps:
            readable = shutil.copytree(caps, os.path.join(self.dir, "node", "qemu-caps"))
            for path in (readable, *(os.path.join(readable, name) for name in os.listdir(readable))):
                os.chmod(path, 0o755)
        self.vmi = vmi or make_vmi()
        self.bundle = {"version": 1, "vmi": self.vmi, "volumes": list(volumes), "interfaces": interfaces or [],
                       "node": {"kvm": False, "allowEmulation": True, "arch": "amd64", "node": "test", "serialLog": True, **(node or {})}}
        self.env = {**os.environ, **(env or {})}
        self.listener = None
        self.process = None
        self.log_path = os.path.join(self.dir, "log")
        self.listen()

    # --- handler's end
    def listen(self):
        path = os.path.join(self.dir, "node", "launcher.sock")
        if os.path.exists(path):
            os.unlink(path)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen(8)

    def unlisten(self):
        self.listener.close()
        os.unlink(os.path.join(self.dir, "node", "launcher.sock"))

    def accept(self, timeout=20):
        self.listener.settimeout(timeout)
        peer = Peer(self.listener.accept()[0])
        name, body, _ = peer.receive(timeout)
        assert name == "hello" and body["version"] == 1, (name, body)
        peer.run = body["run"]
        return peer

    def sync(self, peer, bundle=None):
        fd = os.memfd_create("bundle")
        os.write(fd, json.dumps(bundle or self.bundle).encode())
        reply, _ = peer.call("sync", fd)
        os.close(fd)
        return reply

    # --- processes
    def enter(self, pass_fd, *program):
        """A program in new namespaces, `pass_fd` (or None) on its fd 3."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child", os.path.join(HERE, "enter"), self.dir, self.build, str(self.uid), *program],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env, start_new_session=True, pass_fds=() if pass_fd is None else (3, pass_fd),
                preexec_fn=None if pass_fd is None else lambda: os.dup2(pass_fd, 3))  # pylint: disable=subprocess-popen-preexec-fn

    def start_program(self, *program):
        self.enter(None, *program)

    def start(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.enter(theirs.fileno(), "/opt/wherry/launcher-init")
        theirs.close()
        ours.send(struct.pack("=IHH64sII", SETUP_VERSION, 0, 0, b"", self.uid, self.uid))
        ours.close()
        return self

    def boot(self, state="Running"):
        """Started, synced, running: the connection."""
        self.start()
        peer = self.accept()
        reply = self.sync(peer)
        assert reply["code"] == 0, reply
        peer.wait_state(state)
        return peer

    def pids(self):
        """name -> pids (of the outer namespace) of this sandbox's processes."""
        found = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/status", encoding="utf-8") as f:
                        text = f.read()
                except OSError:
                    continue
                if re.search(rf"^Uid:\s+{self.uid}\s", text, re.M) and not re.search(r"^State:\s+Z", text, re.M):
                    found.setdefault(re.search(r"^Name:\s+(\S+)", text, re.M)[1], []).append(int(entry))
        return found

    def pid(self, prefix):
        """The one process whose name starts so; None without one."""
        pids = [p for name, some in self.pids().items() if name.startswith(prefix) for p in some]
        assert len(pids) <= 1, f"{prefix}: {pids}"
        return pids[0] if pids else None

    def run_pid(self):
        return self.pids().get("launcher", [None])[0]

    def qemu_pid(self):
        return self.pid("qemu-system")

    def vm_path(self, name):
        """A path in the VM's tmpfs, from outside."""
        return f"/proc/{self.pid('launcher-init')}/root/run/wherry/vm/{name}"

    def wait_end(self, timeout=20):
        return self.process.wait(timeout)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def close(self):
        if self.process and self.process.poll() is None:
            init = self.pid("launcher-init")
            for pid in [init] if init else []:
                os.kill(pid, signal.SIGKILL)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        if self.listener:
            self.listener.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(self.log()[-6000:])
        self.close()


def make_vmi(name="t", uid="c0ffee00-0000-4000-8000-000000000001", spec=None, domain=None, devices=None):
    base = {
        "domain": {
            "machine": {"type": "q35"}, "cpu": {"sockets": 1, "cores": 1, "threads": 1, "model": "qemu64", "features": [{"name": "svm", "policy": "disable"}]},
            "memory": {"guest": "32Mi"}, "resources": {}, "firmware": {"uuid": "6a1a24a1-4061-4607-8bf4-a3963d0c5895"}, "features": {},
            "devices": {"disks": [], "interfaces": [], "autoattachPodInterface": False, "autoattachGraphicsDevice": False, **(devices or {})}, **(domain or {}),
        },
        "architecture": "amd64", "volumes": [], "networks": [], "terminationGracePeriodSeconds": 30, **(spec or {}),
    }
    return {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "metadata": {"name": name, "namespace": "default", "uid": uid}, "spec": base}


class Console:
    """A console session's socket with an expect."""

    def __init__(self, fd):
        self.sock = socket.socket(fileno=fd)
        self.sock.settimeout(20)
        self.seen = b""

    def expect(self, text, timeout=20):
        end = time.monotonic() + timeout
        while text not in self.seen:
            self.sock.settimeout(max(0.01, end - time.monotonic()))
            data = self.sock.recv(65536)
            if not data:
                raise Lost()
            self.seen += data
        before, _, self.seen = self.seen.partition(text)
        return before

    def drain(self, seconds=0.0):
        """Everything that has come and comes within the time; none of it is expected any more."""
        heard, self.seen, end = self.seen, b"", time.monotonic() + seconds
        while select.select([self.sock], [], [], max(0.0, end - time.monotonic()))[0]:
            data = self.sock.recv(65536)
            if not data:
                raise Lost()
            heard += data
        return heard

    def send(self, text):
        self.sock.sendall(text)

    def close(self):
        self.sock.close()
