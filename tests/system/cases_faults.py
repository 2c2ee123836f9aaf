"""Crashes of everything above the guest: the guest does not notice."""
import os
import signal
import time

from bed.suite import case, check
from system.manifests import sector
from system.root import Failed, until


def open_console(root, name):
    """A console that shows the scroll-back; None while there is none."""
    console = root.console(name)
    try:
        console.expect("hello", 2)
        return console
    except Failed:
        return None


@case("kill -9 of launcher run: the guest runs on, the console and verbs come back")
def kill_run(bed):
    root = bed.root("bootsector")
    root.apply(sector("survivor"))
    root.running("survivor")
    console = root.console("survivor")
    console.expect("hello", 20)
    pid = root.qemu_pid("survivor")
    for again in "ab":
        run = root.sandbox_pids("survivor").get("launcher", [])
        check(len(run) == 1, f"one launcher run: {root.sandbox_pids('survivor')}")
        os.kill(run[0], signal.SIGKILL)
        until(20, "another launcher run", lambda run=run: (root.sandbox_pids("survivor").get("launcher") or run) != run)
        console = until(20, "the console is back", lambda: open_console(root, "survivor"))
        console.send(again)
        console.expect(again, 10)  # the guest's echo
    check(root.qemu_pid("survivor") == pid, "the same QEMU")
    check(root.field("vmi", "survivor", ".status.phase") == "Running", "phase")
    until(20, "verbs work again", lambda: root.try_ctl("pause", "vmi", "survivor").returncode == 0)
    root.ctl("unpause", "vmi", "survivor")


def run_pid(root, name):
    pids = root.sandbox_pids(name).get("launcher", [])
    return pids[0] if len(pids) == 1 else None


@case("launcher run that hangs: noticed within 15 s, said, started again; the guest does not notice")
def hung_run(bed):
    root = bed.root("bootsector")
    root.apply(sector("stuck"))
    root.running("stuck")
    root.console("stuck").expect("hello", 20)
    qemu, run, uid = root.qemu_pid("stuck"), run_pid(root, "stuck"), root.field("vmi", "stuck", ".metadata.uid")
    os.kill(run, signal.SIGSTOP)
    stopped = time.monotonic()
    until(16, "it is known that it hangs", lambda: "LauncherUnresponsive" in root.reasons("stuck"))
    check(time.monotonic() - stopped < 15.5, "within 15 s")
    until(5, "another launcher run", lambda: run_pid(root, "stuck") not in (None, run))
    console = until(20, "the console is back", lambda: open_console(root, "stuck"))
    console.send("z")
    console.expect("z", 10)
    until(20, "it is not degraded any more", lambda: not root.field("vmi", "stuck", '.status.conditions[?(@.type=="LauncherDegraded")].status'))
    check((root.qemu_pid("stuck"), root.field("vmi", "stuck", ".metadata.uid")) == (qemu, uid), "the same QEMU and VMI")
    check(root.field("vmi", "stuck", ".status.phase") == "Running", "phase")


@case("launcher run that hangs while no handler is there: the next handler has it started again")
def hung_run_unseen(bed):
    root = bed.root("bootsector")
    root.apply(sector("stuck"))
    root.running("stuck")
    qemu, run = root.qemu_pid("stuck"), run_pid(root, "stuck")
    root.kill_handler()
    os.kill(run, signal.SIGSTOP)
    root.start()
    until(45, "another launcher run", lambda: run_pid(root, "stuck") not in (None, run))
    until(20, "verbs work again", lambda: root.try_ctl("pause", "vmi", "stuck").returncode == 0)
    root.ctl("unpause", "vmi", "stuck")
    check("LauncherNotConnected" in root.reasons("stuck") and root.qemu_pid("stuck") == qemu, "said, and the same QEMU")


@case("kill -9 of the handler, whole or in part: VMs run on and are adopted without a restart")
def kill_handler(bed):
    root = bed.root("bootsector")
    names = ["kept-a", "kept-b"]
    for name in names:
        root.apply(sector(name))
    for name in names:
        root.running(name)
    before = {name: (root.qemu_pid(name), root.field("vmi", name, ".metadata.uid")) for name in names}
    console = root.console("kept-a")
    console.expect("hello", 20)
    root.kill_handler()
    console.send("x")
    console.expect("x", 10)
    root.start()
    for name in names:
        until(20, "adopted", lambda name=name: root.field("vmi", name, ".status.phase") == "Running")
    check({name: (root.qemu_pid(name), root.field("vmi", name, ".metadata.uid")) for name in names} == before, "the same QEMUs and VMIs")
    for half in ("main", "root"):
        old = root.half(half)
        os.kill(old, signal.SIGKILL)
        until(20, f"{half} is back", lambda half=half, old=old: root.half(half) not in (None, old) and root.try_ctl("version").returncode == 0)
        for name in names:
            until(20, "adopted again", lambda name=name: root.field("vmi", name, ".status.phase") == "Running")
        check({name: (root.qemu_pid(name), root.field("vmi", name, ".metadata.uid")) for name in names} == before, f"the same after {half} was killed")
    until(30, "the launchers are connected", lambda: root.try_ctl("pause", "vmi", "kept-a").returncode == 0)
    root.ctl("unpause", "vmi", "kept-a")


@case("a file that turns bad is reported with file, line, field and reason, and touches nothing else")
def bad_file(bed):
    root = bed.root("bootsector")
    root.apply(sector("good"))
    root.running("good")
    pid = root.qemu_pid("good")
    path = os.path.join(root.path, "manifests", "bad.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(sector("bad").replace("rng: {}", "rng: {}\n          watchdogs: 7"))
    until(10, "the problem is shown", lambda: "watchdogs" in root.try_ctl("doctor").stdout)
    line = next(text for text in root.try_ctl("doctor").stdout.splitlines() if "watchdogs" in text)
    check("bad.yaml" in line and "line " in line, line)
    refused = root.try_ctl("apply", "-f", path)
    check(refused.returncode == 1 and "watchdogs" in refused.stderr, refused.stderr)
    check(root.try_ctl("get", "vm", "bad").returncode == 1, "no object came of it")
    with open(path, "w", encoding="utf-8") as file:
        file.write(sector("bad"))
    root.running("bad", 30)
    os.unlink(path)
    until(30, "a removed file is a deleted object", lambda: root.try_ctl("get", "vm", "bad").returncode == 1)
    check(root.qemu_pid("good") == pid, "the other VM was not touched")


@case("a second handler on the same root refuses to start")
def second_handler(bed):
    root = bed.root()
    from system.root import run
    other = run([root.program("handler"), "--root", root.path, "--allow-emulation"], 20)
    check(other.returncode != 0 and "lock" in (other.stderr + other.stdout).lower(), other.stderr)
    check(root.try_ctl("version").returncode == 0, "the first one goes on")
