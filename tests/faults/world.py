"""The root under test, and what holds whatever happens to it."""
import contextlib
import os
import threading
import time

from bed.suite import check
from system.manifests import sector
from system.root import Failed, Root, cgroup_roots, crc32c, leaks, until

CONVERGE_SECONDS = 60


def root_cgroup(path):
    """The cgroup directories of a root, one a hierarchy."""
    name = f"{crc32c(os.path.join(path, 'run').encode()):08x}"
    return [os.path.join(base, "wherry", name) for base in cgroup_roots()]


def qemus(path):
    """{sandbox: {pid}} of living QEMU processes of a root, as the kernel knows them."""
    found = {}
    for base in root_cgroup(path)[:1]:
        for folder, _, files in os.walk(base):
            if "cgroup.procs" not in files:
                continue
            with contextlib.suppress(OSError):
                with open(os.path.join(folder, "cgroup.procs"), encoding="utf-8") as file:
                    pids = file.read().split()
                for pid in pids:
                    if is_qemu(pid):
                        found.setdefault(os.path.basename(folder), set()).add(int(pid))
    return found


def is_qemu(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            text = file.read()
        name, rest = text.split("(", 1)[1].rsplit(")", 1)
        return name.startswith("qemu-system") and rest.split()[0] not in "ZX"
    return False


class Witness(threading.Thread):
    """Looks many times a second whether a root ever has two QEMUs at once; a root under test has one VM."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.most, self.ended = path, 0, threading.Event()
        self.worst = None

    def run(self):
        while not self.ended.wait(0.03):
            now = qemus(self.path)
            count = sum(len(pids) for pids in now.values())
            if count > self.most:
                self.most, self.worst = count, now

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


class World:
    """One root; a handler that can be started anew so that no back-off of an earlier fault lasts."""

    def __init__(self, build):
        self.root = Root(build)
        self.root.start()
        self.root.guest("bootsector")

    def program(self, name):
        return os.path.join(self.root.build, name)

    def fresh_handler(self):
        """Ends the handler, VMs run on, and starts it anew."""
        if self.root.handler.poll() is None:
            self.root.handler.terminate()
            with contextlib.suppress(Exception):
                self.root.handler.wait(10)
        if self.root.handler_pids():
            self.root.kill_handler()
        self.root.start()

    def half(self, role):
        return until(20, f"the handler's {role}", lambda: self.root.half(role))

    def start(self, name="vm"):
        self.root.apply(sector(name))

    def up(self, name="vm", seconds=CONVERGE_SECONDS):
        """The VM runs: one QEMU, one run, one init, and the handler says so."""
        def good():
            if self.root.field("vmi", name, ".status.phase") != "Running":
                return None
            pids = self.root.sandbox_pids(name)
            ones = [len(pids.get(program, [])) for program in ("launcher-init", "launcher")]
            return self.root.qemu_pid(name) if ones == [1, 1] else None
        return until(seconds, f"{name} runs", good, 0.2)

    def verbs_work(self, name="vm"):
        """The launcher is attached, or soon will be: it carries requests out."""
        until(30, "a pause is carried out", lambda: self.root.try_ctl("pause", "vmi", name).returncode == 0)
        until(20, "paused", lambda: self.root.field("vm", name, ".status.printableStatus") == "Paused")
        self.root.ctl("unpause", "vmi", name)
        until(20, "runs again", lambda: self.root.field("vm", name, ".status.printableStatus") == "Running")

    def stopped(self, name="vm", seconds=CONVERGE_SECONDS):
        until(seconds, f"{name} is stopped", lambda: self.root.field("vm", name, ".status.printableStatus") == "Stopped" and not qemus(self.root.path), 0.2)

    def delete(self, name="vm", seconds=CONVERGE_SECONDS):
        """Deleted, and nothing is left of it."""
        end = time.monotonic() + seconds
        while (answer := self.root.try_ctl("delete", "vm", name, "--grace-period=0", "--force", "--timeout=30s")).returncode != 0:
            if "not found" in answer.stderr:
                break
            if time.monotonic() > end:
                raise Failed(f"not deleted: {answer.stderr}")
            time.sleep(0.5)
        with contextlib.suppress(Failed):
            until(20, "nothing is left", lambda: not leaks(self.root.path))
        left = leaks(self.root.path)
        check(not left, "left behind: " + ", ".join(left))

    def is_clean(self):
        """The handler serves, and no case that failed has left anything."""
        return self.root.handler.poll() is None and not leaks(self.root.path) and self.root.try_ctl("get", "vm", "vm").returncode != 0

    def abandon(self):
        """Of a root in which a case has failed: VMs and handler end somehow."""
        with contextlib.suppress(Exception):
            if self.root.handler.poll() is not None:
                self.root.start()
            self.root.stop()
        with contextlib.suppress(Exception):
            self.root.kill_handler()
        self.forget()

    def forget(self):
        if os.environ.get("WRY_KEEP"):
            print(f"kept: {self.root.path}", flush=True)
        else:
            self.root.remove()

    def end(self):
        try:
            if self.root.handler.poll() is not None:
                self.root.start()
            self.root.stop()
        finally:
            self.forget()
