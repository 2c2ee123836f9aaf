"""What is seen of a running VM from outside: processes, capabilities, limits; and that nothing is left behind."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from bed.suite import Skip, case, check
from system.manifests import sector
from system.root import leaks, memory_cgroup, until


def status(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


@case("a running VM is one init, one run, one QEMU: no capability in any set, no_new_privs, seccomp filters, a uid of its own")
def processes(bed):
    root = bed.root("bootsector")
    root.apply(sector("plain"))
    root.running("plain")
    pids = root.sandbox_pids("plain")
    check(sorted(len(found) for found in pids.values()) == [1, 1, 1], f"processes: {pids}")
    uids = set()
    for program, (pid,) in pids.items():
        s = status(pid)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            check(int(s[name], 16) == 0, f"{program} {name} {s[name]}")
        check(s["NoNewPrivs"] == "1", f"{program} NoNewPrivs")
        check(s["Seccomp"] == "2", f"{program} Seccomp {s['Seccomp']}")
        uids.add(s["Uid"])
    check(len(uids) == 1 and int(uids.pop().split()[0]) >= 600000000, "one uid of its own")


@case("the handler's main holds no capability; its root half and the birth helper none that is effective")
def handler_processes(bed):
    root = bed.root()
    check(len(root.handler_pids()) == 4, f"starter, main, root half, birth helper: {root.handler_pids()}")
    for pid in root.handler_pids():
        s = status(pid)
        check(int(s["CapEff"], 16) == 0, f"CapEff of {pid}: {s['CapEff']}")
        if int(s["Uid"].split()[0]) != 0:
            check(int(s["CapPrm"], 16) == 0 and int(s["CapBnd"], 16) == 0, f"main: {s}")
    half, helper = (int(status(root.half(role))["CapPrm"], 16) for role in ("root", "birth"))
    for number, name in ((6, "SETGID"), (7, "SETUID"), (12, "NET_ADMIN"), (13, "NET_RAW"), (18, "SYS_CHROOT"), (19, "SYS_PTRACE")):
        check(not half & 1 << number, f"the root half holds CAP_{name}")
    for number, name in ((0, "CHOWN"), (3, "FOWNER"), (5, "KILL"), (16, "SYS_MODULE"), (19, "SYS_PTRACE")):
        check(not helper & 1 << number, f"the birth helper holds CAP_{name}")


# Filters in force: the outer list, then the process's own; QEMU has run's ancestors' and init's too, and its own sandbox.
FILTERS = {"starter": 1, "birth": 1, "root": 2, "main": 2}


@case("every process of Wherry is under a system call policy: starter, main, root half, birth helper, setup, init, run, QEMU")
def policies(bed):
    root = bed.root("bootsector")
    seen = {}
    with ThreadPoolExecutor(1) as pool:
        watch = pool.submit(watch_setup, root)
        root.apply(sector("watched"))
        root.running("watched")
        seen["setup"] = watch.result(20)
    roles = {"starter": root.handler.pid, "birth": root.half("birth"), "root": root.half("root"), "main": root.half("main")}
    sandbox = {name: pid for name, (pid,) in root.sandbox_pids("watched").items()}
    for name, pid in {**roles, **sandbox}.items():
        for task in os.listdir(f"/proc/{pid}/task"):
            seen[f"{name}/{task}"] = status(f"{pid}/task/{task}")
    check(len(sandbox) == 3, f"init, run and QEMU: {sandbox}")
    for name, s in seen.items():
        check(s["Seccomp"] == "2" and s["NoNewPrivs"] == "1", f"{name}: Seccomp {s['Seccomp']} NoNewPrivs {s['NoNewPrivs']}")
        least = FILTERS.get(name.split("/")[0], 2)
        check(int(s.get("Seccomp_filters", least)) >= least, f"{name}: {s.get('Seccomp_filters')} filters")


def watch_setup(root):
    """What /proc says of a run of launcher setup under its own list: it is short, so one look a millisecond."""
    half = root.half("root")
    end = time.monotonic() + 15
    while time.monotonic() < end:
        with open(f"/proc/{half}/task/{half}/children", encoding="ascii") as file:
            children = file.read().split()
        for pid in children:
            with contextlib.suppress(OSError, KeyError):
                s = status(pid)
                if s["Name"] == "launcher-setup" and s.get("Seccomp_filters") != "1":
                    return s
        time.sleep(0.001)
    raise AssertionError("no launcher setup under its own list was seen")


@case("a call that the list of the root half lacks is its end, and that is the worst of it: it comes again, and VMs do not notice")
def forbidden_call(bed):
    root = bed.root("bootsector")
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    root.apply(sector("steady"))
    root.running("steady")
    qemu, half = root.qemu_pid("steady"), root.half("root")
    # its next recvmsg becomes getppid, as harmless as calls are, which the list lacks
    tracer = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-e", "inject=recvmsg:error=EINTR:syscall=getppid", "-p", str(half)])
    try:
        root.try_ctl("stop", "steady", "--force", "--grace-period=0")
        until(20, "the root half is another", lambda: root.half("root") not in (None, half))
    finally:
        tracer.terminate()
        tracer.wait()
    until(30, "the control socket answers", lambda: root.try_ctl("version").returncode == 0)
    until(30, "the VM stops", lambda: not os.path.exists(f"/proc/{qemu}"))


@case("the birth helper's end is the root half's end: both come again, a VM runs on, the next one starts")
def birth_ends(bed):
    root = bed.root("bootsector")
    root.apply(sector("older"))
    root.running("older")
    qemu, helper, half = root.qemu_pid("older"), root.half("birth"), root.half("root")
    os.kill(helper, signal.SIGKILL)
    until(10, "the root half and its helper are others", lambda: root.half("birth") not in (None, helper) and root.half("root") not in (None, half))
    until(20, "the control socket answers", lambda: root.try_ctl("version").returncode == 0)
    root.apply(sector("younger"))
    root.running("younger")
    check(root.qemu_pid("older") == qemu, "the VM that ran is not touched")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return {int(word) for word in file.read().split()}


def stop_next_child(pid, known, seconds=20):
    """Stops the first process that is a child of `pid` and was not known before, as soon as it is there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for child in children(pid) - known:
            os.kill(child, signal.SIGSTOP)
            return child
    raise AssertionError("no new process of the root half")


@case("no program of a sandbox runs before its limits and device rules are in force")
def limited_first(bed):
    root = bed.root("bootsector")
    half = root.half("root")
    known = children(half)
    root.apply(sector("limited", strategy="Manual"))
    starter = threading.Thread(target=root.ctl, args=("start", "limited"))
    starter.start()
    setup = stop_next_child(half, known)  # `launcher setup`, which makes them
    try:
        starter.join()
        time.sleep(2)
        uid = root.field("vmi", "limited", ".metadata.uid")
        with open(f"/proc/{setup}/comm", encoding="utf-8") as file:
            check(file.read().strip() in ("launcher-setup", "handler"), "another process was stopped")
        programs = [name for name in root.sandbox_pids("limited") if name.startswith(("launcher-init", "launcher", "qemu"))]
        check(len(children(half) - known) > 1, "the first process waits")
        check(not programs, f"before their limits: {programs}")
        check(root.field("vmi", "limited", ".status.phase") == "Scheduling", "the VMI waits")
    finally:
        os.kill(setup, signal.SIGCONT)
    root.running("limited")
    with open(os.path.join(memory_cgroup(uid).replace("/memory/", "/pids/"), "pids.max"), encoding="ascii") as file:
        check(file.read().strip().isdigit(), "a limit")


@case("namespaces of a VM are not the host's, and its file system shows nothing of it")
def namespaces(bed):
    root = bed.root("bootsector")
    root.apply(sector("apart"))
    root.running("apart")
    pid = root.qemu_pid("apart")
    for kind in ("mnt", "pid", "net", "ipc", "uts", "user"):
        check(os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"), f"namespace {kind}")
    top = set(os.listdir(f"/proc/{pid}/root"))
    check(top <= {"bin", "sbin", "lib", "lib64", "usr", "etc", "proc", "sys", "dev", "tmp", "run", "opt"}, f"root: {sorted(top)}")
    check(not os.path.exists(f"/proc/{pid}/root/etc/shadow"), "no shadow file")
    check(sorted(os.listdir(f"/proc/{pid}/root/dev")) == sorted({"null", "zero", "full", "random", "urandom", "net"} | ({"kvm"} & set(os.listdir(f"/proc/{pid}/root/dev")))), "device nodes")


@case("after a VM is deleted nothing of it is left: no process, cgroup, link, table, directory")
def nothing_left(bed):
    root = bed.root("bootsector")
    root.apply(sector("brief"))
    root.running("brief")
    root.console("brief").expect("hello", 20)
    uid = root.field("vmi", "brief", ".metadata.uid")
    root.ctl("delete", "vm", "brief")
    until(20, "all VMs are gone", lambda: not root.ctl("get", "vmi", "-A", "-o", "name").strip())
    until(20, f"leaks: {leaks(root.path)}", lambda: not leaks(root.path))
    left = [path for path, _, _ in os.walk(root.path) if re.search(uid, path)]
    check(not left, f"directories: {left}")
