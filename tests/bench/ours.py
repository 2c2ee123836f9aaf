"""Our side: a handler with a root of its own, told over its control socket; and what its processes cost."""
import contextlib
import os
import re
import select
import subprocess
import time

from bench.control import Control, Watch
from system.manifests import MASQUERADE, sector
from system.root import Root, cgroup_pids, until


def manifest(name):
    """The bench's VM: 128 MiB, a disk, a masquerade interface, serial console, no graphics."""
    return sector(name, memory="128Mi", devices="autoattachGraphicsDevice: false\n" + MASQUERADE.lstrip("\n"))


def rollup(pid, field):
    """KiB of one field of /proc/pid/smaps_rollup."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        return int(re.search(rf"^{field}:\s+(\d+) kB", file.read(), re.M)[1])


def tasks(pid):
    """{thread: (wake-ups, ns of CPU)} so far. Who slept gave the processor away by itself; to be sent off it by others, as on a busy machine, is no wake-up."""
    found = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError):
            with open(f"/proc/{pid}/task/{task}/status", encoding="utf-8") as file:
                switches = int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(), re.M)[1])
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="utf-8") as file:
                found[task] = (switches, int(file.read().split()[0]))
    return found


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(r"^VmRSS:\s+(\d+) kB", file.read(), re.M)[1])


STAGES = (("sandbox, until launcher run prepares libvirt", "libvirt/etc/qemu.conf"), ("libvirt's driver opens", "libvirt/run/qemu/autostarted"),
          ("capabilities, domain, until QEMU is spawned", "libvirt/run/qemu/default_{name}.pid"), ("QEMU, its monitor, until the handler says Running", None))


class Ours:
    """One VM at a time for the timed rounds; more of them for what eight VMs cost."""

    def __init__(self, build):
        self.root = Root(build)
        self.watch = None
        self.ended = []  # seconds from the stop request to QEMU's end, one a round
        self.stages = []  # ms of each of STAGES, one list a round
        try:
            self.root.start()
            self.root.guest("bootsector")
            self.control = Control(self.root.path)
        except BaseException:
            self.close()
            raise

    # --- a timed round
    def prepare(self):
        self.watch = Watch(self.root.path)

    def start(self, name="bench"):
        """From the handler's word that the manifest is accepted until its word that the guest runs. Returns when the first was."""
        self.control.apply(manifest(name))
        accepted = time.monotonic()
        self.watch.phase(name, "Running")
        return accepted

    def note_stages(self, accepted, running, name="bench"):
        """The stages of a start by what it wrote when (to a clock tick), `accepted` and `running` by the monotonic clock."""
        folder = f"/proc/{self.init_pid(name)}/root/run/wherry/vm/"
        offset = time.time() - time.monotonic()
        marks = [accepted] + [os.stat(folder + path.format(name=name)).st_mtime - offset for _, path in STAGES[:-1]] + [running]
        self.stages.append([(later - earlier) * 1000 for earlier, later in zip(marks, marks[1:])])

    def stop(self, name="bench"):
        """From the request until the sandbox is gone; notes when QEMU was."""
        pidfd = os.pidfd_open(self.root.qemu_pid(name))
        began = time.monotonic()
        self.control.call("Verb", verb="stop", kind="VirtualMachine", name=name, force=True, gracePeriodSeconds=0)
        select.select([pidfd], [], [], 60)
        self.ended.append(time.monotonic() - began)
        os.close(pidfd)
        self.watch.gone(name)
        return began

    def clean(self, name="bench"):
        self.control.delete("VirtualMachine", name)
        self.watch.close()
        until(30, "the VM is forgotten", lambda: self.root.try_ctl("get", "vm", name).returncode != 0, 0.02)

    # --- several at once
    def start_many(self, names):
        with Watch(self.root.path) as watch:
            for name in names:
                self.control.apply(manifest(name))
                watch.phase(name, "Running")

    def drop(self, names):
        for name in names:
            self.control.delete("VirtualMachine", name)
        until(60, "all VMs are gone", lambda: not self.root.ctl("get", "vm", "-o", "name").strip())

    def managers(self, name):
        """Pids of what a VM costs beside QEMU: init and run."""
        found = self.root.sandbox_pids(name)
        return found["launcher-init"] + found["launcher"]

    def init_pid(self, name):
        return self.root.sandbox_pids(name)["launcher-init"][0]

    def qemu_pid(self, name):
        return self.root.qemu_pid(name)

    def sandbox(self, name):
        return cgroup_pids(self.root.field("vmi", name, ".metadata.uid"))

    def close(self):
        with contextlib.suppress(Exception):
            self.root.stop()
        with contextlib.suppress(Exception):
            self.root.kill_handler()
        self.root.remove()


def qmp_commands(ours, work):
    """The names of the QMP commands of one start until the guest runs, and their bytes, as strace sees them leave `launcher run`."""
    trace = os.path.join(work, "qmp.trace")
    pids = [word for pid in ours.root.handler_pids() for word in ("-p", str(pid))]
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-s", "65536", "-e", "trace=write,sendmsg", "-e", "signal=none", "-o", trace, *pids], stderr=subprocess.DEVNULL)
    try:
        until(20, "strace has attached", lambda: all(traced(pid) for pid in ours.root.handler_pids()))
        ours.prepare()
        ours.start()
    finally:
        tracer.terminate()
        tracer.wait()
    ours.stop()
    ours.clean()
    names, length = [], 0
    with open(trace, encoding="utf-8", errors="replace") as file:
        for line in file:
            for name in re.findall(r'\{\\"execute\\":\\"([\w-]+)\\"', line):
                names.append(name)
            if "execute" in line and (size := re.search(r"= (\d+)$", line)):
                length += int(size[1])
            if names and names[-1] == "cont":
                return names, length
    return names, length


def traced(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return not re.search(r"^TracerPid:\s+0$", file.read(), re.M)
