"""The boot sector guests, under TCG and, where /dev/kvm can be opened, under KVM."""
import os
import time

from machine import Machine
from suite import Skip, case, check

ENDS = {"bootsector-poweroff": "guest-shutdown", "bootsector-reset": "guest-reset", "bootsector-fault": "guest-reset"}


def start(bed, name, accel):
    return Machine("-machine", f"q35,accel={accel}", "-no-reboot", "-drive",
                   f"file={bed.file(name + '.img')},format=raw,if=none,id=d,readonly=on",
                   "-device", "virtio-blk-pci,drive=d,bootindex=1", memory=16)


def variants(bed, accel):
    for name, reason in ENDS.items():
        with start(bed, name, accel) as machine:
            machine.expect("boot sector: hello")
            check(machine.monitor.wait_event("SHUTDOWN", 10)["data"]["reason"] == reason, name)
            check(machine.wait(10) == 0, f"{name}: exit status")


def idle(bed, accel):
    with start(bed, "bootsector", accel) as machine:
        machine.expect("boot sector: hello")
        machine.send("echo me\r")
        machine.expect("^echo me$")
        machine.monitor.execute("system_powerdown")
        machine.expect("boot sector: power button")
        check(machine.monitor.wait_event("SHUTDOWN", 10)["data"]["reason"] == "guest-shutdown", "no S5")
        machine.wait(10)


def keys(bed, accel):
    for key, reason in (("\x10", "guest-shutdown"), ("\x12", "guest-reset"), ("\x14", "guest-reset")):
        with start(bed, "bootsector", accel) as machine:
            machine.expect("boot sector: hello")
            machine.send(key)
            check(machine.monitor.wait_event("SHUTDOWN", 10)["data"]["reason"] == reason, repr(key))
            machine.wait(10)


def need_kvm():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Skip("/dev/kvm cannot be opened")


@case("each variant prints its line and ends as its name says")
def bootsector_variants(bed):
    variants(bed, "tcg")


@case("the idle one echoes and obeys the power button and its three keys")
def bootsector_idle(bed):
    idle(bed, "tcg")
    keys(bed, "tcg")


@case("the same under KVM")
def bootsector_kvm(bed):
    need_kvm()
    variants(bed, "kvm")
    idle(bed, "kvm")


@case("an idle one causes no wake-up")
def bootsector_quiet(bed):
    with start(bed, "bootsector", "tcg") as machine:
        machine.expect("boot sector: hello")
        time.sleep(2)   # QEMU's own threads settle
        before = switches(machine.process.pid)
        time.sleep(4)
        woken = switches(machine.process.pid) - before
        check(woken <= 2, f"{woken} context switches in 4 s")


def switches(pid):
    """Voluntary context switches of all threads."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt"))
    return total
