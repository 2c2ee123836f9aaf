"""Life of a VM: stops, crashes, run strategies, verbs; told apart in phase, reason and event."""
import os
import signal
import sys
import time

from bed.suite import Skip, case, check
from system.manifests import PANIC, sector, vm
from system.root import lower, memory_cgroup, run, until


def phase(root, name):
    return root.field("vmi", name, ".status.phase")


def printable(root, name):
    return root.field("vm", name, ".status.printableStatus")


def new_uid(root, name, old):
    uid = root.field("vmi", name, ".metadata.uid")
    return uid and uid != old


@case("graceful stop: the guest shuts down by itself and the VM is Stopped")
def graceful_stop(bed):
    root = bed.root("guest")
    root.apply(vm("calm"))
    root.running("calm")
    console = root.console("calm")
    console.expect("login:")
    root.ctl("stop", "calm")
    console.expect("going down", 30)
    until(60, "Stopped", lambda: printable(root, "calm") == "Stopped")
    check(root.field("vm", "calm", ".spec.runStrategy") == "Halted", "stop of an Always VM halts it")
    check("ShuttingDown" in root.reasons("calm"), f"events: {root.reasons('calm')}")
    root.ctl("start", "calm")
    root.running("calm")


@case("forced stop ends a guest that does not listen, at once")
def forced_stop(bed):
    root = bed.root("bootsector")
    root.apply(sector("deaf", grace=3600))
    root.running("deaf")
    root.ctl("stop", "deaf", "--force", "--grace-period=0")
    until(10, "Stopped", lambda: printable(root, "deaf") == "Stopped")


@case("Always: a guest that powers off comes back, with back-off when it never ran")
def always(bed):
    root = bed.root("bootsector")
    root.apply(sector("again"))
    root.running("again")
    uid = root.field("vmi", "again", ".metadata.uid")
    root.console("again").send("\x10")  # ^P: the guest powers off
    until(40, "another VMI", lambda: new_uid(root, "again", uid))
    root.running("again", 40)


@case("RerunOnFailure: stays down after an orderly end, comes back after a crash")
def rerun_on_failure(bed):
    root = bed.root("bootsector")
    root.apply(sector("rerun", strategy="RerunOnFailure"))
    root.running("rerun")
    uid = root.field("vmi", "rerun", ".metadata.uid")
    os.kill(root.qemu_pid("rerun"), signal.SIGKILL)
    until(60, "another VMI after the kill", lambda: new_uid(root, "rerun", uid))
    root.running("rerun", 40)
    root.console("rerun").send("\x10")
    until(30, "Stopped", lambda: printable(root, "rerun") == "Stopped")


@case("Once: ends and is not started again")
def once(bed):
    root = bed.root("poweroff")
    root.apply(sector("single", image="bootsector-poweroff", strategy="Once"))
    until(40, "Succeeded", lambda: phase(root, "single") == "Succeeded")
    until(10, "Stopped", lambda: printable(root, "single") == "Stopped")


@case("Manual and Halted: run only when asked; starting twice and stopping a stopped VM are conflicts")
def manual_and_halted(bed):
    root = bed.root("bootsector")
    root.apply(sector("hand", strategy="Manual"))
    root.apply(sector("halted", strategy="Halted"))
    until(10, "Stopped", lambda: printable(root, "hand") == "Stopped" and printable(root, "halted") == "Stopped")
    twice = root.try_ctl("stop", "hand")
    check(twice.returncode == 1 and "not running" in twice.stderr, f"stop of a stopped VM: {twice.stderr}")
    root.ctl("start", "hand", "--paused")
    until(30, "Paused", lambda: printable(root, "hand") == "Paused")
    root.ctl("unpause", "vm", "hand")
    until(10, "Running", lambda: printable(root, "hand") == "Running")
    again = root.try_ctl("start", "hand")
    check(again.returncode == 1 and "Conflict" in again.stderr, f"second start: {again.stderr}")
    root.ctl("stop", "hand", "--force", "--grace-period=0")
    until(20, "Stopped", lambda: printable(root, "hand") == "Stopped")
    root.ctl("start", "halted")
    root.running("halted", 30)
    check(root.field("vm", "halted", ".spec.runStrategy") == "Always", "start of a Halted VM makes it Always")


@case("restart, pause, unpause, reset do what they say; a guest's own reboot is no failure")
def verbs(bed):
    root = bed.root("bootsector")
    root.apply(sector("verbs", grace=0))
    root.running("verbs")
    console = root.console("verbs")
    console.expect("hello", 20)
    pid = root.qemu_pid("verbs")
    root.ctl("pause", "vmi", "verbs")
    until(10, "Paused", lambda: root.field("vmi", "verbs", '.status.conditions[?(@.type=="Paused")].status') == "True")
    root.ctl("unpause", "vmi", "verbs")
    until(10, "not Paused", lambda: not root.field("vmi", "verbs", '.status.conditions[?(@.type=="Paused")].status'))
    root.ctl("reset", "verbs")
    console.expect("hello", 20)
    for key in "\x12\x14":  # ^R: the guest resets; ^T: a triple fault does
        console.send(key)
        console.expect("hello", 20)
    check(root.qemu_pid("verbs") == pid and phase(root, "verbs") == "Running", "the same QEMU through pause, reset and reboot")
    uid = root.field("vmi", "verbs", ".metadata.uid")
    root.ctl("restart", "verbs")
    until(40, "another VMI", lambda: new_uid(root, "verbs", uid))
    root.running("verbs", 30)


def ended(root, name, seconds=30):
    """(reason in status, reasons of its warnings) of a VMI that has failed."""
    until(seconds, f"{name} has failed", lambda: phase(root, name) == "Failed")
    return root.field("vmi", name, ".status.reason"), [e["reason"] for e in root.events(name) if e["type"] == "Warning"]


def told(root, name, reason):
    status, warnings = ended(root, name)
    check(status == reason and warnings[-2:] == ["Stopped", reason], f"status {status!r}, warnings {warnings}")
    check(printable(root, name) == "Stopped", "a VM that runs once stays as it ended")
    root.ctl("delete", "vm", name)


@case("how QEMU died is told apart: killed, segmentation fault, ended from outside, a forbidden system call, the whole sandbox")
def deaths(bed):
    root = bed.root("bootsector")
    # The status of a process that its policy kills is SIGSYS; which call it was does not matter here.
    for number, reason in ((signal.SIGKILL, "QEMUKilled"), (signal.SIGSEGV, "QEMUKilled"), (signal.SIGTERM, "QEMUKilled"), (signal.SIGSYS, "SeccompKill")):
        root.apply(sector("victim", strategy="Once"))
        root.running("victim")
        os.kill(root.qemu_pid("victim"), number)
        told(root, "victim", reason)
    root.apply(sector("victim", strategy="Once"))
    root.running("victim")
    os.kill(root.sandbox_pids("victim")["launcher-init"][0], signal.SIGKILL)
    told(root, "victim", "LauncherGone")


# Grows until the cgroup that it is in is full. The kernel then takes QEMU, which it may, and not this.
GREEDY = """import os, sys
open("/proc/self/oom_score_adj", "w").write("-1000")
open(sys.argv[1], "w").write(str(os.getpid()))
grown = [bytearray(os.urandom(1 << 16) * 16) for _ in range(96)]
"""


@case("a VM past its memory limit is OOMKilled, which no other kill is")
def out_of_memory(bed):
    root = bed.root("bootsector")
    root.apply(sector("greedy", strategy="Once", domain="resources: {limits: {memory: 64Mi}}"))
    root.running("greedy")
    folder = memory_cgroup(root.field("vmi", "greedy", ".metadata.uid"))
    limit = lower(folder, 24 << 20)
    check(64 << 20 <= limit < 1 << 30, f"limit of the cgroup: {limit}")
    run([sys.executable, "-c", GREEDY, os.path.join(folder, "cgroup.procs")], 60)
    told(root, "greedy", "OOMKilled")


@case("a guest whose kernel panics is GuestPanicked; with Always it comes back")
def panic(bed):
    root = bed.root("guest")
    root.apply(vm("panic", devices=PANIC, strategy="RerunOnFailure"))
    root.running("panic")
    uid = root.field("vmi", "panic", ".metadata.uid")
    root.console("panic").login().send("echo c >/proc/sysrq-trigger\n")
    until(30, "another VMI", lambda: new_uid(root, "panic", uid))
    check([e["reason"] for e in root.events("panic") if e["type"] == "Warning"][-2:] == ["Stopped", "GuestPanicked"], f"events: {root.reasons('panic')}")


@case("a liveness probe that fails ends the VM as failed; one that cannot succeed yet waits its time")
def liveness(bed):
    root = bed.root("bootsector")
    probe = "livenessProbe: {tcpSocket: {port: 7}, initialDelaySeconds: 2, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 2}"
    root.apply(sector("lively", strategy="Once", grace=3, spec=probe))
    root.running("lively")
    started = time.monotonic()
    status, warnings = ended(root, "lively", 40)
    check(time.monotonic() - started > 1.5, "not before the initial delay")
    check(status == "LivenessProbeFailed" and warnings[-3:] == ["Unhealthy", "Stopped", "LivenessProbeFailed"], f"{status}, {warnings}")


@case("startStrategy Paused waits for unpause")
def start_paused(bed):
    root = bed.root("bootsector")
    root.apply(sector("sleeper", spec="startStrategy: Paused"))
    until(30, "Paused", lambda: printable(root, "sleeper") == "Paused")
    check("hello" not in root.ctl("logs", "sleeper"), "no instruction of the guest has run")
    root.ctl("unpause", "vmi", "sleeper")
    root.console("sleeper").expect("hello", 20)
    until(10, "Running", lambda: printable(root, "sleeper") == "Running")


@case("a paused VM that is stopped goes on and shuts down; one that has never run is Stopped at once")
def paused_stop(bed):
    root = bed.root("bootsector", "guest")
    root.apply(sector("sleeper", spec="startStrategy: Paused", grace=600))
    root.apply(vm("dozing", grace=600))
    until(30, "Paused", lambda: printable(root, "sleeper") == "Paused")
    root.ctl("stop", "sleeper")
    until(10, "Stopped", lambda: printable(root, "sleeper") == "Stopped")
    root.running("dozing")
    console = root.console("dozing")
    console.expect("login:")
    root.ctl("pause", "vm", "dozing")
    until(10, "Paused", lambda: printable(root, "dozing") == "Paused")
    root.ctl("stop", "dozing")
    console.expect("going down", 30)
    until(60, "Stopped", lambda: printable(root, "dozing") == "Stopped")


@case("five VMs side by side, each with an address of its own")
def five(bed):
    root = bed.root("bootsector")
    side_by_side(root, sector, 60)


@case("five Linux guests side by side, each to its login")
def five_linux(bed):
    if not os.environ.get("WRY_TEST_LONG"):
        raise Skip("only with WRY_TEST_LONG")
    root = bed.root("guest")
    names = side_by_side(root, vm, 300)
    for name in names:
        root.console(name).expect("login:", 300)


def side_by_side(root, make, seconds):
    names = [f"five-{i}" for i in range(5)]
    for name in names:
        root.apply(make(name))
    for name in names:
        root.running(name, seconds)
    addresses = {root.field("vmi", name, ".status.interfaces[0].ipAddress") for name in names}
    check(len(addresses) == 5 and all(addresses), f"addresses: {addresses}")
    uids = {os.stat(f"/proc/{root.qemu_pid(name)}").st_uid for name in names}
    check(len(uids) == 5, f"uids: {uids}")
    return names
