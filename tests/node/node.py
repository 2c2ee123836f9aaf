"""The node: a Debian machine under TCG with systemd, cgroup v2 and a KVM of its own.

Commands run through the guest agent (`run`), files come on a second disk that is a
tar archive (`payload`). Snapshots are QEMU's own: `save`, `load`. `power_cut` kills
QEMU and starts the machine again from what had reached its disk.

The processor is an EPYC with SVM, which TCG emulates: kvm-amd in the node runs Linux
guests with -accel kvm.
"""
import base64
import os
import shlex
import shutil
import time

from machine import Failure, Machine, Monitor, connect

MEMORY = 2048
PAYLOAD_BYTES = 1 << 30      # fixed: a snapshot remembers the size of the disk
BOOT_SECONDS = 180


def arguments(folder, disk, payload):
    """QEMU's arguments; the same for every start, or a snapshot does not fit."""
    return [
        "-machine", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "EPYC,+svm,+npt", "-smp", "2",
        "-kernel", os.path.join(folder, "vmlinuz"), "-initrd", os.path.join(folder, "initrd.img"),
        "-append", "root=/dev/vda console=ttyS0 quiet mitigations=off systemd.show_status=0",
        # unsafe: a flush reaches the host's page cache, which outlives a killed QEMU, and not its disk.
        "-drive", f"file={disk},format=qcow2,if=none,id=disk,cache=unsafe",
        "-device", "virtio-blk-pci,drive=disk",
        "-drive", f"file={payload},format=raw,if=none,id=payload,readonly=on",
        "-device", "virtio-blk-pci,drive=payload",
        # Nothing outside is reached: the node has a route, a gateway, and no more.
        "-netdev", "user,id=n,net=10.9.0.0/24,restrict=on", "-device", "virtio-net-pci,netdev=n,romfile=",
        "-device", "virtio-rng-pci", "-device", "virtio-serial-pci",
        "-chardev", "socket,id=agent,path=@DIR@/agent,server=on,wait=off",
        "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
    ]


class Node:
    """A running node on `disk`, which is its own copy; a context manager."""

    def __init__(self, folder, disk, payload, snapshot=None):
        self.folder, self.disk, self.payload = folder, disk, payload
        self.machine = self.agent = None
        self.start(snapshot)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self, snapshot=None):
        """Boot, or go on from a snapshot."""
        more = ["-loadvm", snapshot] if snapshot else []
        self.machine = Machine(*arguments(self.folder, self.disk, self.payload), *more, memory=MEMORY)
        try:
            self._meet(BOOT_SECONDS)
        except BaseException:
            self.stop()
            raise

    def stop(self):
        """The power is cut."""
        if self.agent:
            self.agent.stream.close()
            self.agent = None
        if self.machine:
            self.machine.close()
            self.machine = None

    def _meet(self, seconds):
        """Find the agent at the other end; whatever was said before is thrown away."""
        until, number = time.monotonic() + seconds, time.monotonic_ns() % 1000000
        if not self.agent:
            self.agent = Monitor(connect(self.machine.path("agent"), self.machine.process, 10), greeting=False)
        while time.monotonic() < until and self.machine.process.poll() is None:
            number += 1
            if self.agent.synchronize(number, 2):
                return
        raise Failure(f"node: no agent in {seconds} s\n{self.machine.text[-1500:]}")

    def attempt(self, command, seconds=60):
        """(exit status, output with stderr) of a shell command; its output may be long."""
        pid = self.agent.execute("guest-exec", 60, path="/bin/sh", arg=["-c", f"exec 2>&1\n{command}"],
                                 **{"capture-output": True})["pid"]
        until, pause = time.monotonic() + seconds, 0.02
        while True:
            state = self.agent.execute("guest-exec-status", 60, pid=pid)
            if state["exited"]:
                text = base64.b64decode(state.get("out-data", "")).decode("utf-8", "replace")
                return state.get("exitcode", 128 + state.get("signal", 0)), text
            if time.monotonic() > until:
                raise Failure(f"node: {command!r} still runs after {seconds} s")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.3)

    def run(self, command, seconds=60):
        """Output of a command that must succeed."""
        status, text = self.attempt(command, seconds)
        if status != 0:
            raise Failure(f"node: {command!r} ended with {status}: {text[-1500:]}")
        return text

    def wait_for(self, command, seconds=60, pause=0.5):
        """Output of a command that succeeds sooner or later."""
        until = time.monotonic() + seconds
        while True:
            status, text = self.attempt(command, seconds)
            if status == 0:
                return text
            if time.monotonic() > until:
                raise Failure(f"node: {command!r} failed for {seconds} s: {text[-1500:]}")
            time.sleep(pause)

    def put(self, path, data, mode="644"):
        """A small file on the node."""
        text = base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()
        quoted = shlex.quote(path)
        self.run(f"mkdir -p $(dirname {quoted}) && echo {text} | base64 -d >{quoted} && chmod {mode} {quoted}")

    def unpack_payload(self):
        """The tar archive on the second disk, unpacked at /."""
        self.run("blockdev --flushbufs /dev/vdb && tar -x --no-same-owner -C / -f /dev/vdb", 120)

    def human(self, command):
        """The old monitor: only it takes snapshots in one call."""
        answer = self.machine.monitor.execute("human-monitor-command", 120, **{"command-line": command})
        if answer.strip():
            raise Failure(f"node: {command}: {answer.strip()}")

    def save(self, name):
        self.run("sync", 120)
        self.human(f"savevm {name}")

    def load(self, name):
        self.human(f"loadvm {name}")
        self._meet(30)

    def reboot(self):
        """An orderly reboot, from inside."""
        self.agent.stream.sendall(b'{"execute":"guest-exec","arguments":{"path":"/bin/systemctl","arg":["reboot"]}}\n')
        self.machine.monitor.wait_event("RESET", 120)
        self._meet(BOOT_SECONDS)

    def power_cut(self):
        """The machine ends between two instructions, and is switched on again."""
        self.stop()
        self.start()


def copy_of(disk, work):
    """A private copy of a cached disk, sharing blocks where the file system can."""
    target = os.path.join(work, "node.qcow2")
    if os.system(f"cp --reflink=auto --sparse=always {shlex.quote(disk)} {shlex.quote(target)}") != 0:
        shutil.copyfile(disk, target)
    return target
