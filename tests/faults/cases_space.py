"""Full file systems: the VM's private one, the handler's state."""
import contextlib
import os
import signal
import subprocess

from bed.suite import case, check
from faults.world import Witness, World
from system.manifests import sector
from system.root import until

FILL = "fill"


def fill(folder):
    """Takes all space there is, by a file of root's."""
    path = os.path.join(folder, FILL)
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size) == size:
                    pass
    return path


def fill_inodes(folder):
    """Takes all inodes there are."""
    path = os.path.join(folder, FILL + ".d")
    os.mkdir(path)
    with contextlib.suppress(OSError):
        for i in range(1 << 20):
            with open(os.path.join(path, str(i)), "wb"):
                pass
    return path


def remove(path):
    subprocess.run(["rm", "-rf", path], check=True)


def kill_run(world):
    """kill -9 of `launcher run`; waits for the next one."""
    old = world.root.sandbox_pids("vm")["launcher"]
    os.kill(old[0], signal.SIGKILL)
    until(20, "another launcher run", lambda: world.root.sandbox_pids("vm").get("launcher", old) != old)


def full_run_directory(bed, filler):
    """libvirt alone kills the VM here: it re-attaches, cannot write its status file, and ends QEMU."""
    world = bed.world()
    world.start()
    pid = world.up()
    init = world.root.sandbox_pids("vm")["launcher-init"][0]
    with Witness(world.root.path) as witness:
        path = filler(f"/proc/{init}/root/run/wherry/vm")
        kill_run(world)
        kill_run(world)  # and once more, without the reserve that the first one may have used up
        check(world.root.qemu_pid("vm") == pid, "the same QEMU while the directory is full")
        remove(path)
        check(world.up() == pid, "the same QEMU afterwards")
        world.verbs_work()
        check(world.root.qemu_pid("vm") == pid, "the same QEMU after requests")
    check(witness.most == 1, f"one QEMU at any moment: {witness.worst}")
    world.delete()


@case("run killed while its directory has no byte left: the VM lives, and is attached again when there is space")
def run_directory_full(bed):
    full_run_directory(bed, fill)


@case("run killed while its directory has no inode left: the VM lives, and is attached again when there are some")
def run_directory_inodes(bed):
    full_run_directory(bed, fill_inodes)


@contextlib.contextmanager
def small_state(world):
    """A root whose state lies on a file system of a few MiB."""
    state = os.path.join(world.root.path, "state")
    world.root.handler.terminate()
    world.root.handler.wait(20)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "none", state], check=True)
    try:
        world.root.start()
        yield state
    finally:
        world.root.kill_handler()
        subprocess.run(["umount", "-l", state], check=True)


@case("the handler's state is on a full disk: VMs run on, a new start waits with its reason and goes ahead when there is space, a handler that is killed comes back")
def state_full(bed):
    world = World(bed.build)
    try:
        with small_state(world) as state:
            world.start()
            pid = world.up()
            path = fill(state)
            world.root.try_ctl("apply", "-f", "-", input=sector("late"))
            check(world.root.qemu_pid("vm") == pid, "the VM runs on")
            check(world.root.field("vmi", "late", ".status.phase") in ("", "Pending", "Scheduling"), "the new one does not run")
            world.root.kill_handler()
            world.root.start()
            check(world.up() == pid, "taken over with the disk full")
            os.unlink(path)
            world.root.apply(sector("late"))
            world.up("late")
            check(world.root.qemu_pid("vm") == pid, "untouched")
            world.root.ctl("delete", "vm", "late", "--grace-period=0", "--force", "--timeout=30s")
            world.root.ctl("delete", "vm", "vm", "--grace-period=0", "--force", "--timeout=30s")
    finally:
        world.end()
