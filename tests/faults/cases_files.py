"""Broken files: libvirt's status of a running domain, the handler's records."""
import os
import shutil
import signal

from bed.suite import case, check
from faults.world import Witness, qemus
from system.root import until


def status_file(world):
    init = world.root.sandbox_pids("vm")["launcher-init"][0]
    folder = f"/proc/{init}/root/run/wherry/vm/libvirt/run/qemu"
    return os.path.join(folder, next(name for name in os.listdir(folder) if name.endswith(".xml")))


def cut(path):
    os.truncate(path, os.path.getsize(path) // 2)


def empty(path):
    os.truncate(path, 0)


def garble(path):
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 3)
        file.write(b"\0\xff<<<")


BREAKS = {"truncated": cut, "empty": empty, "gone": os.unlink, "garbled": garble}


@case("libvirt's status of a running domain is broken when run is killed: the VM is recognised, attached and never doubled")
def status_broken(bed):
    world = bed.world()
    world.start()
    pid = world.up()
    with Witness(world.root.path) as witness:
        for name, damage in BREAKS.items():
            damage(status_file(world))
            old = world.root.sandbox_pids("vm")["launcher"]
            os.kill(old[0], signal.SIGKILL)
            until(20, f"another run, status {name}", lambda old=old: world.root.sandbox_pids("vm").get("launcher", old) != old)
            check(world.up() == pid, f"the same QEMU, status {name}")
            world.verbs_work()
            check(world.root.qemu_pid("vm") == pid, f"the same QEMU after requests, status {name}")
    check(witness.most == 1, f"one QEMU at any moment: {witness.worst}")
    world.delete()


# --- records ----------------------------------------------------------------------------------------------------------------
def slots(world, uid):
    """The slots of the VM's record that are there, the newer first."""
    folder = os.path.join(world.root.path, "state", "objects")
    paths = [os.path.join(folder, f"{uid}.{slot}") for slot in "ab"]
    return sorted(filter(os.path.exists, paths), key=generation, reverse=True)


def generation(path):
    with open(path, "rb") as file:
        return int.from_bytes(file.read(16)[8:16], "little")


def flip(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


def zero_tail(path):
    size = os.path.getsize(path)
    with open(path, "r+b") as file:
        file.seek(max(0, size - 512))
        file.write(bytes(min(512, size)))


def flips(where):
    return lambda path: flip(path, where(os.path.getsize(path)))


DAMAGES = {"bit in the magic": flips(lambda n: 1), "bit in the generation": flips(lambda n: 9), "bit in the body": flips(lambda n: n // 2), "bit at the end": flips(lambda n: n - 1),
           "torn": cut, "empty": empty, "last block zero": zero_tail, "gone": os.unlink}


@case("the newer slot of a VM's record is torn or has a bit flipped: the older one serves, the VM is taken over untouched")
def newer_slot_broken(bed):
    world = bed.world()
    world.start()
    pid = world.up()
    vm, uid = (world.root.field(kind, "vm", ".metadata.uid") for kind in ("vm", "vmi"))
    for name, damage in DAMAGES.items():
        world.root.kill_handler()
        damage(slots(world, vm)[0])
        world.root.start()
        check(world.up() == pid, f"the same QEMU: {name}")
        check(world.root.field("vmi", "vm", ".metadata.uid") == uid, f"the same VMI: {name}")
        world.root.ctl("pause", "vmi", "vm")   # a new record
        world.root.ctl("unpause", "vmi", "vm")
    world.delete()


@case("both slots of a VM's record are broken: one VM comes up again, never two; the lost one's files are kept for whoever may mend them, and nothing else")
def both_slots_broken(bed):
    world = bed.world()
    world.start()
    world.up()
    lost = world.root.field("vm", "vm", ".metadata.uid")
    with Witness(world.root.path) as witness:
        paths = slots(world, lost)
        world.root.kill_handler()
        for path in paths:
            cut(path)
        world.root.start()
        until(60, "one sandbox, which runs", lambda: world.root.field("vmi", "vm", ".status.phase") == "Running" and len(qemus(world.root.path)) == 1)
        pid = world.up()
        check([pid] == [p for pids in qemus(world.root.path).values() for p in pids], "one QEMU, that of the VMI")
    check(witness.most == 1, f"one QEMU at any moment: {witness.worst}")
    kept = os.path.join(world.root.path, "state", "vms", lost)
    check(os.path.isdir(kept), "the lost VM's directory is there")
    shutil.rmtree(kept)
    world.delete()
