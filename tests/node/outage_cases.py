"""Reboot, power cut and a full disk: which guests are there afterwards."""
import os

from guests import answers, get, printed, process, running, small
from suite import case, check

FILL = "fallocate -l $(($(stat -fc '%a*%S' /) - {leave})) /root/fill 2>/dev/null; dd if=/dev/zero of=/root/fill2 bs=4k 2>/dev/null; true"

# Seconds between the wish for a guest and the cut.
PAUSES = (0.0, 0.2, 0.6, 1.5) if os.environ.get("WRY_TEST_LONG") else (0.0, 0.5)


@case("a reboot of the host shuts guests down in order and brings back those that should run")
def reboot(bed):
    node = bed.fresh()
    small(node, "up")
    printed(node, "up", "boot sector: hello", 60)
    small(node, "halted", "Halted")
    node.reboot()
    answers(node)
    running(node, "up", 120)
    previous = node.run("wherryctl logs --previous up")
    check("boot sector: power button" in previous, f"the guest was not asked: {previous[-800:]}")
    printed(node, "up", "boot sector: hello", 60)
    check(get(node, "vmi", "halted") is None, "the halted one runs")


@case("after a power cut the guests that should run are back, each once")
def power_cut(bed):
    node = bed.fresh()
    strategies = {"always": "Always", "rerun": "RerunOnFailure", "manual": "Manual", "halted": "Halted"}
    for name, strategy in strategies.items():
        small(node, name, strategy)
    for name in ("always", "rerun"):
        running(node, name)
    node.power_cut()
    answers(node)
    for name in ("always", "rerun"):
        running(node, name, 120)
        process(node, name)
    check(len(node.run("pidof qemu-system-x86_64").split()) == 2, "more than the two")
    for name in ("manual", "halted"):
        check(get(node, "vm", name) is not None and get(node, "vmi", name) is None, name)


@case("power cuts at any moment of a start lose no virtual machine")
def power_cut_while_starting(bed):
    node = bed.fresh()
    small(node, "first")
    running(node, "first")
    for number, pause in enumerate(PAUSES):
        small(node, f"next{number}")
        node.run(f"sync; sleep {pause}")
        node.power_cut()
    answers(node)
    for name in ("first", *(f"next{number}" for number in range(len(PAUSES)))):
        running(node, name, 180)
        process(node, name)


@case("a full disk takes no guest down, also when the service restarts on it, and all recovers when there is room")
def full_disk(bed):
    node = bed.fresh()
    small(node, "full")
    before = running(node, "full")
    pid = process(node, "full")
    node.run(FILL.format(leave=1 << 20), 120)
    check(int(node.run("stat -fc %a /")) < 256, "the disk is not full")
    node.run("systemctl restart wherry-handler", 60)
    node.wait_for("wherryctl get vmi full", 60)
    check(process(node, "full") == pid, "another QEMU after a restart")
    node.run("systemctl kill -s KILL wherry-handler")
    node.wait_for("wherryctl get vmi full", 60)
    check(process(node, "full") == pid, "another QEMU after kill -9")
    node.run("rm /root/fill /root/fill2")
    small(node, "later")
    running(node, "later", 120)
    check(running(node, "full")["metadata"]["uid"] == before["metadata"]["uid"], "another VMI")


@case("a power cut with a full disk loses no virtual machine")
def full_disk_power_cut(bed):
    node = bed.fresh()
    small(node, "full")
    running(node, "full")
    node.run(FILL.format(leave=0), 120)
    node.power_cut()
    answers(node)
    check(get(node, "vm", "full") is not None, "the object is gone")
    node.run("rm -f /root/fill /root/fill2")
    running(node, "full", 180)
    process(node, "full")
