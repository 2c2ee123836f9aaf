"""One handler root: its programs, its objects, its consoles, and what must be gone after it."""
import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GUESTS = {"guest": ("disk", "guest.oci.tar"), "kernel": ("kernel", "guest-kernel.oci.tar"), "generic": ("generic-kernel", "guest-kernel-generic.oci.tar"), "bootsector": ("bootsector", "bootsector.oci.tar"),
          "poweroff": ("bootsector", "bootsector-poweroff.oci.tar"), "reset": ("bootsector", "bootsector-reset.oci.tar"),
          "fault": ("bootsector", "bootsector-fault.oci.tar")}
BOOT_SECONDS = 120
VM_UID_FIRST, VM_SLOTS = 600000000, 16384


class Failed(AssertionError):
    """A command that should have worked."""


def run(argv, seconds=60, **more):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", timeout=seconds, check=False, **more)


def until(seconds, what, probe, step=0.1):
    """Asks `probe` until it gives something true; fails with `what` when the time is over."""
    end = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(step)


def own_address(peer):
    """This host's address on the way to a peer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((peer, 9))
        return probe.getsockname()[0]


class Console:
    """A console session of wherryctl with what it has printed so far."""

    verb = ("console",)

    def __init__(self, root, name, *flags):
        self.process = subprocess.Popen([root.program("wherryctl"), "--root", root.path, *self.verb, name, *flags], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.text = ""
        self.mark = 0

    def pump(self, seconds):
        """Reads what comes within the time; False when the session has ended."""
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        if not ready:
            return True
        data = os.read(self.process.stdout.fileno(), 65536)
        self.text += data.decode(errors="replace")
        return bool(data)

    def expect(self, pattern, seconds=BOOT_SECONDS):
        """Waits for a pattern after the last one that was found."""
        end = time.monotonic() + seconds
        while True:
            found = re.compile(pattern).search(self.text, self.mark)
            if found:
                self.mark = found.end()
                return found
            left = end - time.monotonic()
            if left <= 0 or not self.pump(left):
                raise Failed(f"console: no {pattern!r} within {seconds} s; last: {self.text[-800:]!r}")

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def login(self, user="root", password="wherry"):
        self.expect("login:")
        self.send(user + "\n")
        self.expect("[Pp]assword:", 20)
        self.send(password + "\n")
        self.expect("[#$] ", 20)
        self.send("stty -echo cols 2000; PS1=done'> '\n")
        self.expect("done> $", 20)
        return self

    def shell(self, command, seconds=30):
        """What a command prints in the guest; fails when it ends with another status than 0."""
        self.send(f"{command}; echo \"[status=$?]\"\n")
        start = self.mark
        found = self.expect(r"\[status=(\d+)\]", seconds)
        output = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", self.text[start:found.start()]).replace("\r", "")
        output = re.sub(r"^(guest|cloud-init): .*\n", "", output, flags=re.M)  # what the guest's services say meanwhile
        self.expect("done> ", seconds)
        if found.group(1) != "0":
            raise Failed(f"guest: {command!r} ended with {found.group(1)}: {output[-400:]}")
        return output.strip()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()


class Root:
    """A handler with a directory of its own."""

    def __init__(self, build, *flags):
        self.build = os.path.abspath(build)
        self.path = tempfile.mkdtemp(prefix="wherry-system-")
        os.chmod(self.path, 0o755)
        self.flags = flags or ("--allow-emulation",)
        self.handler = None
        self.consoles = []
        self.log = open(os.path.join(self.path, "handler.log"), "ab")

    def program(self, name):
        return os.path.join(self.build, name)

    def start(self):
        self.handler = subprocess.Popen([self.program("handler"), "--root", self.path, *self.flags], stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL, start_new_session=True)
        until(30, "the control socket answers", lambda: self.try_ctl("version").returncode == 0)
        return self

    def log_text(self):
        with open(os.path.join(self.path, "handler.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def kill_handler(self):
        """kill -9 of everything that is the handler: its root half and main."""
        for pid in self.handler_pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.handler.wait()
        until(10, "the handler is gone", lambda: not self.handler_pids())

    def handler_pids(self, *words):
        """All processes that run this root's handler program, or those with these words in their command line."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    line = file.read().split(b"\0")
                with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                    zombie = file.read().rsplit(")", 1)[1].split()[0] == "Z"
                if not zombie and os.path.basename(line[0]) == b"handler" and all(word.encode() in line for word in (self.path, *words)):
                    found.append(int(pid))
        return sorted(found)

    def clear(self):
        """Ends consoles and VMs; fails when something of them is left."""
        while self.consoles:
            self.consoles.pop().close()
        for kind in ("vm", "vmi"):
            for name in self.ctl("get", kind, "-o", "jsonpath={.items[*].metadata.name}").split():
                self.ctl("delete", kind, name, "--grace-period=0", "--force", "--timeout=30s")
        with contextlib.suppress(Failed):
            until(20, "nothing is left", lambda: not leaks(self.path))
        left = leaks(self.path)
        if left:
            raise Failed("left behind: " + ", ".join(left))

    def restart(self):
        """The handler ends in order and is started again; VMs run on."""
        self.handler.terminate()
        self.handler.wait(30)
        self.start()

    def half(self, role):
        """The process that is the handler's half: a child of the one that was started; the birth helper is the root half's. None while there is none."""
        parent = self.half("root") if role == "birth" else self.handler.pid
        for pid in self.handler_pids(f"--role={role}"):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                    if int(file.read().rsplit(")", 1)[1].split()[1]) == parent:
                        return pid
        return None

    def stop(self):
        """Ends VMs and handler; fails when something of either is left. A case that failed may have left no handler: then one is needed to clear up."""
        try:
            if self.handler.poll() is not None:
                self.start()
            self.clear()
        finally:
            self.handler.terminate()
            self.handler.wait(30)
            self.log.close()
            for pid, _ in processes(vm_uids(self.path)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        left = self.handler_pids() or leaks(self.path)
        if left:
            raise Failed(f"left behind by the handler: {left}")

    def remove(self):
        run(["rm", "-rf", "--one-file-system", self.path])

    def try_ctl(self, *words, seconds=60, **more):
        return run([self.program("wherryctl"), "--root", self.path, *words], seconds, **more)

    def ctl(self, *words, seconds=60, **more):
        result = self.try_ctl(*words, seconds=seconds, **more)
        if result.returncode != 0:
            raise Failed(f"wherryctl {' '.join(words)}: status {result.returncode}: {result.stderr.strip()}")
        return result.stdout

    def guest(self, *names):
        """Imports guest images; they are built once a machine."""
        for name in names:
            target, file = GUESTS[name]
            out = os.path.join(self.build, "guests")
            built = run([os.path.join(TOP, "tools/mkguest"), "--out", out, target], 900)
            if built.returncode != 0:
                raise Failed(f"mkguest {target}: {built.stderr[-800:]}")
            self.ctl("image", "import", os.path.join(out, file))

    def apply(self, text, *flags):
        return self.ctl("apply", "-f", "-", *flags, input=text)

    def object(self, kind, name):
        return json.loads(self.ctl("get", kind, name, "-o", "json"))

    def field(self, kind, name, path):
        result = self.try_ctl("get", kind, name, "-o", f"jsonpath={{{path}}}")
        return result.stdout if result.returncode == 0 else ""

    def wait(self, kind, name, what, seconds=BOOT_SECONDS):
        self.ctl("wait", kind, name, f"--for={what}", f"--timeout={seconds}s", seconds=seconds + 10)

    def running(self, name, seconds=BOOT_SECONDS):
        self.wait("vmi", name, "jsonpath={.status.phase}=Running", seconds)

    def console(self, name, *flags):
        console = Console(self, name, *flags)
        self.consoles.append(console)
        return console

    def sandbox_pids(self, name):
        """{program: [pid]} of everything in the VMI's cgroup, as the host numbers them."""
        uid = self.field("vmi", name, ".metadata.uid")
        found = {}
        for pid in cgroup_pids(uid):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                    found.setdefault(file.read().strip(), []).append(pid)
        return found

    def qemu_pid(self, name):
        pids = [pid for program, pids in self.sandbox_pids(name).items() if program.startswith("qemu") for pid in pids]
        return pids[0] if len(pids) == 1 else None

    def qemus(self):
        """Every QEMU of this root's VMs; slot 0 is the probe's."""
        return sorted(pid for pid, program in processes(vm_uids(self.path)[1:]) if program.startswith("qemu-system"))

    def events(self, name):
        text = self.ctl("events", "-o", "json")
        return [e for e in json.loads(text)["items"] if e["involvedObject"]["name"] == name]

    def reasons(self, name):
        return [e["reason"] for e in self.events(name)]


def cgroup_roots():
    base = "/sys/fs/cgroup"
    if os.path.exists(os.path.join(base, "cgroup.controllers")):
        return [base]
    return [os.path.join(base, name) for name in sorted(os.listdir(base)) if os.path.isdir(os.path.join(base, name))]


def cgroup_pids(uid):
    for base in cgroup_roots():
        for folder, _, _ in os.walk(os.path.join(base, "wherry")):
            if uid and os.path.basename(folder) == uid:
                with contextlib.suppress(OSError):
                    with open(os.path.join(folder, "cgroup.procs"), encoding="utf-8") as file:
                        pids = [int(line) for line in file]
                    if pids:
                        return pids
    return []


def memory_cgroup(uid):
    """The VMI's cgroup in the hierarchy of the memory controller."""
    tops = [base for base in cgroup_roots() if os.path.basename(base) in ("memory", "cgroup")]
    for folder, _, _ in os.walk(os.path.join(tops[0], "wherry")):
        if os.path.basename(folder) == uid:
            return folder
    raise Failed(f"no memory cgroup of {uid}")


def lower(folder, bytes_more):
    """Sets the cgroup's memory limit to what is used and some more; returns what the limit was."""
    def number(name):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            text = file.read().strip()
        return int(text) if text.isdigit() else 1 << 63
    used, limit = ("memory.current", "memory.max") if os.path.exists(os.path.join(folder, "memory.max")) else ("memory.usage_in_bytes", "memory.limit_in_bytes")
    before = number(limit)
    with open(os.path.join(folder, limit), "w", encoding="utf-8") as file:
        file.write(str(number(used) + bytes_more))
    return before


def crc32c(data):
    """CRC-32C, as the handler names its root by it."""
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def processes(uids):
    """(pid, program) of every process of these uids that is no zombie."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                program, rest = file.read().rsplit(")", 1)
            if os.stat(f"/proc/{pid}").st_uid in uids and rest.split()[0] != "Z":
                yield int(pid), program.split("(", 1)[1]


def vm_uids(path):
    """The uids that this root gives to its VMs."""
    first = VM_UID_FIRST + crc32c(os.path.join(path, "run").encode()) % 4096 * VM_SLOTS
    return range(first, first + VM_SLOTS)


def leaks(path):
    """What is there of the VMs of this root, and must not be when it has none: a sorted list of lines. Other roots' do not count."""
    name = f"{crc32c(os.path.join(path, 'run').encode()):08x}"
    found = [f"cgroup {folder}" for base in cgroup_roots() for folder, _, _ in os.walk(os.path.join(base, "wherry", name))]
    links = re.findall(r"^\d+: ([^:@]*)", run(["ip", "-o", "link"]).stdout, re.M)
    found += [f"link {link}" for link in links if link == f"wry{name}" or link.startswith(f"wv{name[2:]}.")]
    found += [f"nft {line}" for line in run(["nft", "list", "tables"]).stdout.splitlines() if f"wherry_{name}" in line]
    with open("/proc/self/mounts", encoding="utf-8") as file:
        found += [f"mount {line.split()[1]}" for line in file if line.split()[1].startswith(path)]
    found += [f"process {pid} {program}" for pid, program in processes(vm_uids(path))]
    for folder in ("run/vms", "state/scratch", "state/vms"):
        with contextlib.suppress(OSError):
            found += [f"directory {folder}/{entry}" for entry in os.listdir(os.path.join(path, folder))]
    return sorted(found)
