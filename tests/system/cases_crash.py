"""The handler dies at sampled system calls of a start and of a stop; VMs end, and start, without it."""
import contextlib
import os
import shutil
import subprocess
import time

from bed.suite import Skip, case, check
from system.manifests import sector
from system.root import until

LONG = bool(os.environ.get("WRY_TEST_LONG"))
# Which half, and at the how-manieth call of one kind: whichever kind comes to it first.
POINTS = [(half, count) for half in ("main", "root", "birth") for count in (range(1, 40) if LONG else (1, 7))]


class Trap:
    """Kills one half of the handler, or the birth helper, at its count-th system call of some kind from now on."""

    hits = 0

    def __init__(self, root, half, count):
        self.pid = root.half(half)
        follow = [] if half == "birth" else ["-f"]  # what the helper makes is not it
        self.process = subprocess.Popen(["strace", *follow, "-qq", "-o", "/dev/null", "-e", f"inject=all:signal=SIGKILL:when={count}", "-p", str(self.pid)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with contextlib.suppress(OSError):
            until(5, "traced", lambda: self.process.poll() is not None or self.tracer() != 0, 0.01)

    def tracer(self):
        with open(f"/proc/{self.pid}/status", encoding="utf-8") as file:
            return int(next(line for line in file if line.startswith("TracerPid")).split()[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        Trap.hits += not os.path.exists(f"/proc/{self.pid}")
        self.process.terminate()
        self.process.wait()


def converge(root, ask, reached):
    """Asks again until the handler has taken it, then waits; at no moment are there two QEMUs."""
    until(40, "the handler takes it", lambda: ask().returncode == 0)

    def look():
        qemus = root.qemus()
        check(len(qemus) <= 1, f"QEMUs of one VM: {qemus}")
        return reached()
    until(40, "converged", look, 0.05)


@case("kill -9 of either half and of the birth helper at sampled system calls of a start and of a stop: the VM comes to what is wanted, and never twice")
def crash_points(bed):
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    root = bed.root("bootsector")
    for half, count in POINTS:
        with Trap(root, half, count):
            converge(root, lambda: root.try_ctl("apply", "-f", "-", input=sector("fragile")), lambda: root.field("vmi", "fragile", ".status.phase") == "Running")
        pid = root.qemu_pid("fragile")
        check(pid and root.qemus() == [pid], f"one QEMU: {root.qemus()}")
        with Trap(root, half, count):
            converge(root, lambda: root.try_ctl("delete", "vm", "fragile", "--grace-period=0", "--force", "--wait=false"),
                     lambda: "NotFound" in root.try_ctl("get", "vm", "fragile").stderr)
        root.clear()
        root.restart()  # a pair that dies young is started anew later and later
    check(Trap.hits >= len(POINTS), f"{Trap.hits} kills at {2 * len(POINTS)} points")
    print(f"     {Trap.hits} kills", flush=True)


@case("a guest that ends, and one that dies, while no handler is there: the next one knows how")
def ends_alone(bed):
    root = bed.root("bootsector")
    for name in ("leaves", "dies"):
        root.apply(sector(name, strategy="Once"))
    for name in ("leaves", "dies"):
        root.running(name)
    console = root.console("leaves")
    console.expect("hello", 20)
    pids = {name: root.qemu_pid(name) for name in ("leaves", "dies")}
    root.kill_handler()
    console.send("\x10")
    os.kill(pids["dies"], 9)
    until(20, "both QEMUs are gone", lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids.values()))
    time.sleep(1)
    root.start()
    until(20, "Succeeded", lambda: root.field("vmi", "leaves", ".status.phase") == "Succeeded")
    until(20, "Failed", lambda: root.field("vmi", "dies", ".status.phase") == "Failed")
    check(root.field("vmi", "dies", ".status.reason") == "QEMUKilled", "the launcher's record tells the reason")


@case("a manifest that comes while no handler is there is taken in, one that goes is carried out")
def changed_alone(bed):
    root = bed.root("bootsector")
    root.apply(sector("stays"))
    root.apply(sector("goes"))
    root.running("stays")
    root.running("goes")
    pid, gone = root.qemu_pid("stays"), root.qemu_pid("goes")
    root.kill_handler()
    manifests = os.path.join(root.path, "manifests")
    for entry in os.listdir(manifests):
        with open(os.path.join(manifests, entry), encoding="utf-8") as file:
            if "name: goes" in file.read():
                os.unlink(os.path.join(manifests, entry))
    with open(os.path.join(manifests, "comes.yaml"), "w", encoding="utf-8") as file:
        file.write(sector("comes"))
    root.start()
    root.running("comes", 30)
    until(40, "gone", lambda: root.try_ctl("get", "vm", "goes").returncode == 1 and not os.path.exists(f"/proc/{gone}"))
    check(root.qemu_pid("stays") == pid, "the third is not touched")


@case("two handlers with a root each run side by side: same names, other networks, uids and consoles")
def two_roots(bed):
    root = bed.root("bootsector")
    root.apply(sector("twin"))
    root.running("twin")
    with bed.another("bootsector") as other:
        other.apply(sector("twin"))
        other.running("twin")
        addresses = [r.field("vmi", "twin", ".status.interfaces[0].ipAddress") for r in (root, other)]
        check(addresses[0].rsplit(".", 1)[0] != addresses[1].rsplit(".", 1)[0], f"networks: {addresses}")
        pids = [r.qemu_pid("twin") for r in (root, other)]
        check(os.stat(f"/proc/{pids[0]}").st_uid != os.stat(f"/proc/{pids[1]}").st_uid, "uids")
        console = other.console("twin")
        console.expect("hello", 20)
        console.send("only-there")
        until(10, "its own console", lambda: "only-there" in other.ctl("logs", "twin"))
        check("only-there" not in root.ctl("logs", "twin"), "not the other's")
    check(root.qemu_pid("twin") == pids[0] and root.field("vmi", "twin", ".status.phase") == "Running", "the first goes on when the second has ended")
