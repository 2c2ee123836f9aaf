"""Devices and volumes in trouble or out of the ordinary: a full file system below a disk, watchdogs, LUNs, SCSI drives."""
import contextlib
import os

from bed.suite import case, check
from system.cases_guest import SUPPORT, VOLUMES, device
from system.manifests import MASQUERADE, vm
from system.root import run, until

CLAIM = """apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: tight}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 64Mi}}
"""


def condition(root, name, kind, field="status"):
    return root.field("vmi", name, f'.status.conditions[?(@.type=="{kind}")].{field}')


@contextlib.contextmanager
def small_store(root, size):
    """A file system of its own below the claims of the namespace."""
    folder = os.path.join(root.path, "state", "pvc", "default")
    if not os.path.isdir(folder):
        os.makedirs(folder)
        owner = os.stat(os.path.join(root.path, "state", "objects"))
        for path in (os.path.dirname(folder), folder):
            os.chown(path, owner.st_uid, owner.st_gid)
            os.chmod(path, 0o711)
    owner = os.stat(folder)
    check(run(["mount", "-t", "tmpfs", "-o", f"size={size},uid={owner.st_uid},gid={owner.st_gid},mode=0711", "tmpfs", folder]).returncode == 0, "mount")
    try:
        yield lambda more: check(run(["mount", "-o", f"remount,size={more}", folder]).returncode == 0, "more room")
    finally:
        run(["umount", "-l", folder])


@case("a full file system below a disk pauses the guest, with reason and event; with room it goes on, by unpause or by itself, and has lost nothing")
def full_store(bed):
    root = bed.root("guest")
    with small_store(root, "6m") as resize:
        try:
            full_and_resumed(root, resize)
        finally:
            root.try_ctl("delete", "vm", "tight", "--grace-period=0", "--force", "--timeout=30s")
            root.try_ctl("delete", "pvc", "tight")


def full_and_resumed(root, resize):
    root.apply(CLAIM)
    root.apply(vm("tight", volumes=[VOLUMES[0], ("data", "disk: {bus: virtio}\nserial: TIGHT1", "persistentVolumeClaim: {claimName: tight}")]))
    root.running("tight")
    console = root.console("tight").login()
    qemu = root.qemu_pid("tight")
    disk = console.shell(f"echo {device('TIGHT1')}")
    for start, room, asked in ((0, "16m", True), (16, "64m", False)):
        console.send(f"dd if=/dev/urandom of=/tmp/{start} bs=1M count=12 2>/dev/null; dd if=/tmp/{start} of={disk} bs=1M seek={start} conv=fsync 2>/dev/null && echo writ''ten {start}\n")
        until(60, "paused", lambda: condition(root, "tight", "Paused") == "True")
        check(condition(root, "tight", "Paused", "reason") == "PausedIOError", condition(root, "tight", "Paused", "reason"))
        check(root.field("vm", "tight", ".status.printableStatus") == "Paused", "printable")
        resize(room)
        if asked:
            root.ctl("unpause", "vmi", "tight")
        console.expect(f"written {start}", 60)
        until(10, "not paused any more", lambda: not condition(root, "tight", "Paused"))
    check(root.reasons("tight").count("IOerror") >= 1 and root.qemu_pid("tight") == qemu, f"events: {root.reasons('tight')}")
    console.shell("echo 3 >/proc/sys/vm/drop_caches")
    for start in (0, 16):
        same = console.shell(f"dd if={disk} bs=1M skip={start} count=12 2>/dev/null | cmp - /tmp/{start} && echo same")
        check(same == "same", f"what was written at {start} MiB: {same}")


GENERIC = """
firmware:
  kernelBoot:
    kernelArgs: console=ttyS0 loglevel=4
    container: {image: "localhost/wherry/guest-kernel-generic:1", kernelPath: /boot/vmlinuz, initrdPath: /boot/initrd.img}
"""


def starved(root, name, action):
    """A guest that stops feeding its watchdog, at a shell."""
    devices = MASQUERADE + f"watchdog:\n  name: dog\n  i6300esb: {{action: {action}}}\n"
    root.apply(vm(name, strategy="Once", memory="256Mi", volumes=[], domain=GENERIC, devices=devices))
    root.running(name)
    console = root.console(name).login()
    console.shell("watchdog -T 4 -t 1 /dev/watchdog")
    console.shell("sleep 6")  # fed: nothing happens
    check("WatchdogExpired" not in root.reasons(name), "told too soon")
    console.send("kill -STOP $(pidof watchdog)\n")
    return console


@case("a guest that stops feeding its watchdog is reset, ended or asked to shut down, as its action says, and the event tells which")
def watchdog(bed):
    root = bed.root("generic")
    console = starved(root, "reset", "reset")
    qemu = root.qemu_pid("reset")
    console.expect("login:", 90)
    check(root.qemu_pid("reset") == qemu and root.field("vmi", "reset", ".status.phase") == "Running", "the same QEMU")
    starved(root, "poweroff", "poweroff")
    until(40, "ended", lambda: root.field("vmi", "poweroff", ".status.phase") == "Failed")
    check(root.field("vmi", "poweroff", ".status.reason") == "WatchdogExpired", root.field("vmi", "poweroff", ".status.reason"))
    starved(root, "shutdown", "shutdown")
    until(60, "shut down", lambda: root.field("vmi", "shutdown", ".status.phase") == "Succeeded")
    for name in ("reset", "poweroff", "shutdown"):
        said = [e["message"] for e in root.events(name) if e["reason"] == "WatchdogExpired"]
        check(said and all(name in text for text in said), f"{name}: {said}, {root.reasons(name)}")


@case("a cdrom on the SCSI bus is read, and cannot be written")
def scsi_cdrom(bed):
    root = bed.root("guest")
    root.apply(SUPPORT)
    root.apply(vm("drive", volumes=[VOLUMES[0], ("config", "cdrom: {bus: scsi}", "configMap: {name: settings}")]))
    root.running("drive")
    console = root.console("drive").login()
    check(console.shell("cat /sys/block/sr0/device/vendor /sys/block/sr0/ro").split() == ["QEMU", "1"], "a SCSI drive, read-only")
    check(console.shell("mkdir -p /mnt && mount -t iso9660 -r /dev/sr0 /mnt && cat /mnt/color") == "blue", "its content")
    check(console.shell("dd if=/dev/zero of=/dev/sr0 bs=2048 count=1 conv=notrunc 2>/dev/null || echo refused") == "refused", "no write")
