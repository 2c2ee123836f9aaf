"""The peer: QEMU alone, with the very arguments that a running VM of ours has, its files copied and its sockets and tap made by us."""
import contextlib
import fcntl
import json
import os
import re
import shutil
import socket
import struct
import subprocess

from bench.weight import Weight

TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x400454CA, 2, 0x1000, 0x4000
PLACES = ("volumes", "scratch", "vm")


def make_tap(name):
    """A tap of this name as long as the descriptor is open."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    return fd


def copy_files(pid, work):
    """The VM's disks and libvirt's small files, as QEMU sees them, below `work`."""
    for place in PLACES:
        source = f"/proc/{pid}/root/run/wherry/{place}"
        for folder, _, files in os.walk(source):
            target = os.path.join(work, place, os.path.relpath(folder, source))
            os.makedirs(target, exist_ok=True)
            for name in files:
                with contextlib.suppress(OSError, shutil.SpecialFileError):
                    shutil.copy(os.path.join(folder, name), os.path.join(target, name))
    for overlay in filter(lambda name: name.endswith(".qcow2"), os.listdir(os.path.join(work, "scratch"))):
        path = os.path.join(work, "scratch", overlay)
        disk = os.path.join(work, "volumes", overlay[:-len(".qcow2")], "disk.img")
        subprocess.run(["qemu-img", "rebase", "-u", "-F", "raw", "-b", disk, path], check=True)
    for name in ("serial0.in", "serial0.out"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(work, "vm", name))
        os.mkfifo(os.path.join(work, "vm", name))


def command_line(pid):
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
        return file.read().rstrip("\0").split("\0")


class Bare:
    """Starts and stops that QEMU, in a cgroup with the VM's weight. The guest writes nothing, so its disks stay as they are."""

    def __init__(self, pid, work):
        os.makedirs(work)
        self.weight = Weight(pid)
        self.work = work
        copy_files(pid, work)
        self.argv = [word.replace("/run/wherry/", work + "/") for word in command_line(pid)]
        self.argv[0] = shutil.which("qemu-system-x86_64") or self.argv[0]
        self.process, self.monitor, self.kept, self.buffer = None, None, [], b""

    def keep(self, fd):
        self.kept.append(fd)
        return fd

    def listen(self, name):
        path = os.path.join(self.work, name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen(1)
        return listener

    def adapted(self):
        """The arguments with descriptors of our own, and those descriptors."""
        argv, fds = [], []
        for word in self.argv:
            if re.search(r"id=char(monitor|channel0),fd=\d+", word):
                name = "monitor.sock" if "charmonitor" in word else "agent.sock"
                listener = self.listen(name)
                fds.append(self.keep(listener.detach()))
                word = re.sub(r"fd=\d+", f"fd={fds[-1]}", word)
            elif word.startswith("{") and '"type":"tap"' in word:
                fds.append(self.keep(make_tap("benchtap0")))
                word = re.sub(r'"fd":"\d+"', f'"fd":"{fds[-1]}"', word)
                word = re.sub(r'"vhost":true,|"vhostfd":"\d+",', "", word)
            argv.append(word)
        return argv, fds

    def read_until(self, word):
        while word not in self.buffer:
            data = self.monitor.recv(65536)
            if not data:
                raise ConnectionError("QEMU closed its monitor")
            self.buffer += data
        self.buffer = self.buffer.partition(word)[2]

    def command(self, name):
        self.monitor.sendall(json.dumps({"execute": name}).encode() + b"\n")

    def prepare(self):
        """All that is not QEMU's own start; what start() measures begins after this. A process that becomes QEMU waits in the cgroup: to join one takes a grace period of all processors."""
        argv, fds = self.adapted()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.work, "vm", "qemu", "vnc.sock"))
        self.buffer = b""
        waits = ["sh", "-c", 'read -r go && exec "$@" </dev/null', "sh", *argv]
        self.process = subprocess.Popen(waits, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=fds, preexec_fn=self.weight.join)

    def start(self):
        """From exec until the guest's vCPU runs: QEMU says so with its RESUME event."""
        self.process.stdin.write(b"go\n")
        self.process.stdin.close()
        self.monitor = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.monitor.settimeout(60)
        self.monitor.connect(os.path.join(self.work, "monitor.sock"))
        self.read_until(b'"QMP"')
        self.command("qmp_capabilities")
        self.command("cont")
        self.read_until(b'"RESUME"')

    def stop(self):
        """From `quit` until the process is reaped."""
        self.command("quit")
        self.process.wait()
        self.process = None

    def clean(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
        if self.monitor:
            self.monitor.close()
            self.monitor = None
        for fd in self.kept:
            os.close(fd)
        self.kept = []

    def close(self):
        self.clean()
        self.weight.close()
