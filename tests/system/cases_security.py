"""What is seen of a running VM from outside: processes, capabilities, limits; and that nothing is left behind."""
import os
import re
import signal

from bed.suite import case, check
from system.manifests import sector
from system.root import leaks, until


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


@case("the handler's main holds no capability; its root half none that is effective")
def handler_processes(bed):
    root = bed.root()
    for pid in root.handler_pids():
        s = status(pid)
        check(int(s["CapEff"], 16) == 0, f"CapEff of {pid}: {s['CapEff']}")
        if int(s["Uid"].split()[0]) != 0:
            check(int(s["CapPrm"], 16) == 0 and int(s["CapBnd"], 16) == 0 and s["NoNewPrivs"] == "1" and s["Seccomp"] == "2", f"main: {s}")


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
