"""The cluster's namespaces seen from outside: made, entered, removed.

unshare(1) starts `init` in mount, pid, net, ipc, uts and cgroup namespaces of its own, in a cgroup of its own below the root of
every hierarchy. All that runs in the cluster descends from `init`, so killing that ends it; what the kernel keeps by itself
is undone here: the cgroups, and the sysctls that are not a namespace's but the kubelet sets. The latter are noted once for
all clusters of the machine and put back by the last one that goes.

Relies on: root, util-linux.
"""
import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

import settings

HERE = os.path.dirname(os.path.realpath(__file__))
CGROUPS = "/sys/fs/cgroup"
LEDGER = "/run/wherry-clusters"      # the machine's: its settings as they were, and a file per cluster, which says where it is
PREFIX = "wherry-cluster-"
SYSCTLS = ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
           "kernel/keys/root_maxbytes"]
NAMESPACES = ["--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup"]
END_SECONDS = 30


class SandboxError(Exception):
    """The sandbox cannot be made, entered or removed."""


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


# --- cgroups ------------------------------------------------------------------------------------------------------------
def hierarchies():
    """Mount points of every cgroup hierarchy of the machine."""
    found = []
    with open("/proc/self/mounts", encoding="utf-8") as file:
        for line in file:
            _, where, kind = line.split()[:3]
            if kind in ("cgroup", "cgroup2"):
                found.append(where)
    return found


def own_cgroups(name):
    """The cgroup of a cluster in every hierarchy."""
    return [os.path.join(where, name) for where in hierarchies()]


def make_cgroup(path):
    parent = os.path.dirname(path)
    os.makedirs(path, exist_ok=True)
    for name in ("cpuset.cpus", "cpuset.mems"):     # of v1: empty at first, and then no process may enter
        if os.path.exists(os.path.join(parent, name)) and not os.path.exists(os.path.join(parent, "cgroup.controllers")):
            write(os.path.join(path, name), read(os.path.join(parent, name)))
    if os.path.exists(os.path.join(parent, "cgroup.controllers")):
        for name in read(os.path.join(parent, "cgroup.controllers")).split():
            with contextlib.suppress(OSError):
                write(os.path.join(parent, "cgroup.subtree_control"), "+" + name)


def leave_root(cgroups, pid):
    """Once `init` has made its own cgroup of v2 there, its parent joins it: where processes are, no controllers are handed on."""
    for path in cgroups:
        with contextlib.suppress(OSError):
            write(os.path.join(path, "init", "cgroup.procs"), str(pid))


def members(cgroups):
    """Every process in those cgroups or below."""
    found = set()
    for path in cgroups:
        for folder, _, names in os.walk(path):
            if "cgroup.procs" in names:
                with contextlib.suppress(OSError):
                    found |= {int(word) for word in read(os.path.join(folder, "cgroup.procs")).split()}
    return found - {0}


def remove_cgroups(cgroups):
    until = time.monotonic() + END_SECONDS
    while members(cgroups):
        if time.monotonic() > until:
            raise SandboxError(f"processes that do not end: {sorted(members(cgroups))}")
        time.sleep(0.02)     # no event tells that the last process of a v1 cgroup has gone
    for path in cgroups:
        for folder, _, _ in os.walk(path, topdown=False):
            remove_cgroup(folder, until)


def remove_cgroup(folder, until):
    while True:
        try:
            return os.rmdir(folder)
        except FileNotFoundError:
            return None
        except OSError as error:    # the kernel still takes the last process apart
            if time.monotonic() > until:
                raise SandboxError(f"{folder}: {error.strerror}") from None
            time.sleep(0.02)


# --- what the machine is given back -------------------------------------------------------------------------------------
@contextlib.contextmanager
def ledger():
    os.makedirs(LEDGER, mode=0o700, exist_ok=True)
    handle = os.open(LEDGER, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def names_of(files):
    """Names of the clusters below that directory: one, if any. They outlive the directory itself."""
    with contextlib.suppress(FileNotFoundError):
        return [name for name in os.listdir(LEDGER) if name.startswith(PREFIX) and read(os.path.join(LEDGER, name)) == files.root]
    return []


def note_machine(files):
    """Before a start: what the machine's settings are, and which directories will be mounted upon. The cluster's new name."""
    name = PREFIX + secrets.token_hex(4)
    with ledger():
        noted = os.path.join(LEDGER, "machine")
        found = json.loads(read(noted)) if os.path.exists(noted) else {
            "sysctls": {name: read(f"/proc/sys/{name}") for name in SYSCTLS if os.path.exists(f"/proc/sys/{name}")}, "made": []}
        found["made"] += [where for where in settings.BOUND.values() if not os.path.isdir(where)]
        write(noted, json.dumps(found))
        for where in settings.BOUND.values():
            os.makedirs(where, exist_ok=True)
        write(os.path.join(LEDGER, name), files.root)
    return name


def restore_machine(name):
    """After an end: the last cluster of the machine puts everything back."""
    with ledger():
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(LEDGER, name))
        noted = os.path.join(LEDGER, "machine")
        if os.listdir(LEDGER) != ["machine"]:
            return
        values = json.loads(read(noted))
        for name, value in values["sysctls"].items():
            if read(f"/proc/sys/{name}") != value:
                write(f"/proc/sys/{name}", value)
        for where in values["made"]:
            with contextlib.suppress(OSError):
                os.rmdir(where)
        os.unlink(noted)
        os.rmdir(LEDGER)


# --- the sandbox --------------------------------------------------------------------------------------------------------
class Sandbox:
    """The namespaces of one cluster."""

    def __init__(self, files):
        self.files = files
        self.process = None      # of this program, when it made the sandbox: to be reaped

    def connect(self):
        """A connection to `init`; None when there is none."""
        try:
            folder = os.open(self.files.state, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            return None
        stream = socket.socket(socket.AF_UNIX)
        try:
            stream.connect(f"/proc/self/fd/{folder}/control")    # a socket's name may have 107 bytes only
            return stream
        except (FileNotFoundError, ConnectionRefusedError):
            stream.close()
            return None
        finally:
            os.close(folder)

    def first_process(self):
        """Pid of `init` as seen from here; 0 when nothing runs."""
        stream = self.connect()
        if not stream:
            return 0
        with stream:
            return struct.unpack("3i", stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]

    def ask(self, **request):
        """`init`'s answer."""
        stream = self.connect()
        if not stream:
            raise SandboxError("the cluster does not run")
        with stream, stream.makefile("rw", encoding="utf-8") as lines:
            lines.write(json.dumps(request) + "\n")
            lines.flush()
            answer = json.loads(lines.readline() or "{}")
        if "error" in answer:
            raise SandboxError(answer["error"])
        return answer

    def make(self, relayed):
        """Start `init`; `relayed` is a listening socket for the API server."""
        cgroups = own_cgroups(note_machine(self.files))
        for path in cgroups:
            make_cgroup(path)

        def enter():
            for path in cgroups:
                write(os.path.join(path, "cgroup.procs"), "0")

        os.set_inheritable(relayed.fileno(), True)
        argv = ["unshare", *NAMESPACES, "--fork", "--kill-child=KILL", "--mount-proc", "--propagation", "private", "--",
                sys.executable, "-B", os.path.join(HERE, "init"), self.files.root, str(relayed.fileno())]
        with open(os.path.join(self.files.log, "init.log"), "ab") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                                            pass_fds=[relayed.fileno()], start_new_session=True, preexec_fn=enter)
        until = time.monotonic() + END_SECONDS
        while not self.first_process():
            leave_root(cgroups, self.process.pid)
            if self.process.poll() is not None or time.monotonic() > until:
                raise SandboxError("init did not start: " + read(os.path.join(self.files.log, "init.log"))[-600:])
            time.sleep(0.01)

    def enter(self, argv, environment):
        """Command line that runs argv in all namespaces of the cluster."""
        pid = self.first_process()
        if not pid:
            raise SandboxError("the cluster does not run")
        values = [f"{name}={value}" for name, value in environment.items()]
        return ["nsenter", "-t", str(pid), "-m", "-p", "-n", "-i", "-u", "-C", "--", "env", *values, *argv]

    def remove(self):
        """End everything in the namespaces and undo what outlives them. Also right when nothing runs."""
        pid = self.first_process()
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for name in names_of(self.files):
            cgroups = own_cgroups(name)
            for left in members(cgroups):    # `unshare`, and whatever is left of a start that failed
                with contextlib.suppress(ProcessLookupError):
                    os.kill(left, signal.SIGKILL)
            remove_cgroups(cgroups)
            restore_machine(name)
        if self.process:
            self.process.wait()
        if os.path.isdir(self.files.state):
            shutil.rmtree(self.files.state)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.files.kubeconfig)
