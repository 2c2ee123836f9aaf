"""Life of a VM: stops, crashes, run strategies, verbs; told apart in phase, reason and event."""
import os
import signal

from bed.suite import case, check
from system.manifests import sector, vm
from system.root import until


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
    root.ctl("delete", "vm", "calm")


@case("forced stop ends a guest that does not listen, at once")
def forced_stop(bed):
    root = bed.root("bootsector")
    root.apply(sector("deaf", grace=3600))
    root.running("deaf")
    root.ctl("stop", "deaf", "--force", "--grace-period=0")
    until(10, "Stopped", lambda: printable(root, "deaf") == "Stopped")
    root.ctl("delete", "vm", "deaf")


@case("Always: a guest that powers off comes back, with back-off when it never ran")
def always(bed):
    root = bed.root("bootsector")
    root.apply(sector("again"))
    root.running("again")
    uid = root.field("vmi", "again", ".metadata.uid")
    root.console("again").send("\x10")  # ^P: the guest powers off
    until(40, "another VMI", lambda: new_uid(root, "again", uid))
    root.running("again", 40)
    root.ctl("delete", "vm", "again")


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
    root.ctl("delete", "vm", "rerun")


@case("Once: ends and is not started again")
def once(bed):
    root = bed.root("poweroff")
    root.apply(sector("single", image="bootsector-poweroff", strategy="Once"))
    until(40, "Succeeded", lambda: phase(root, "single") == "Succeeded")
    until(10, "Stopped", lambda: printable(root, "single") == "Stopped")
    root.ctl("delete", "vm", "single")


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
    root.ctl("delete", "vm", "hand", "halted")


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
    console.send("\x12")  # ^R: the guest resets
    console.expect("hello", 20)
    check(root.qemu_pid("verbs") == pid and phase(root, "verbs") == "Running", "the same QEMU through pause, reset and reboot")
    uid = root.field("vmi", "verbs", ".metadata.uid")
    root.ctl("restart", "verbs")
    until(40, "another VMI", lambda: new_uid(root, "verbs", uid))
    root.running("verbs", 30)
    root.ctl("delete", "vm", "verbs")


@case("how QEMU died is told apart: killed, segmentation fault, out of memory")
def deaths(bed):
    root = bed.root("bootsector")
    for number, words in ((signal.SIGKILL, ("QEMUKilled", "signal 9", "Killed")), (signal.SIGSEGV, ("QEMUKilled", "signal 11", "Segmentation"))):
        root.apply(sector("victim", strategy="Once"))
        root.running("victim")
        os.kill(root.qemu_pid("victim"), number)
        until(20, "Failed", lambda: phase(root, "victim") == "Failed")
        stopped = [e for e in root.events("victim") if e["type"] == "Warning"]
        check(any(word in e["message"] + e["reason"] for e in stopped for word in words), f"warning events: {stopped}")
        root.ctl("delete", "vm", "victim")


@case("five VMs side by side, each with an address of its own")
def five(bed):
    root = bed.root("bootsector")
    names = [f"five-{i}" for i in range(5)]
    for name in names:
        root.apply(sector(name))
    for name in names:
        root.running(name, 60)
    addresses = {root.field("vmi", name, ".status.interfaces[0].ipAddress") for name in names}
    check(len(addresses) == 5 and all(addresses), f"addresses: {addresses}")
    uids = {os.stat(f"/proc/{root.qemu_pid(name)}").st_uid for name in names}
    check(len(uids) == 5, f"uids: {uids}")
    root.ctl("delete", "vm", *names)
