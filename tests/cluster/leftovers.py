"""What the cluster could leave on the machine, written down so that before and after can be compared."""
import contextlib
import glob
import os
import subprocess

import sandbox
import settings

TABLES = ("kube-proxy", "nat", "filter", "mangle")    # what kube-proxy, kubelet and CNI plugins call theirs


def output(*argv):
    done = subprocess.run(argv, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return sorted(done.stdout.splitlines())


def namespaces(pids):
    """Every namespace that one of the processes is in."""
    found = set()
    for path in [path for pid in pids for path in glob.glob(f"/proc/{pid}/ns/*")]:
        with contextlib.suppress(OSError):     # it has just ended
            found.add(os.readlink(path))
    return found


def holders(names):
    """(namespace, status of the process) where one of the machine is in one of those. A zombie holds nothing."""
    found = []
    for path in glob.glob("/proc/[0-9]*"):
        for name in namespaces([os.path.basename(path)]) & names:
            with contextlib.suppress(OSError):
                status = sandbox.read(os.path.join(path, "status"))
                if "State:\tZ" not in status:
                    found.append((name, status[:60]))
    return found


def processes(cluster):
    """Pids of everything that runs in a cluster."""
    return [pid for name in sandbox.names_of(cluster.files) for pid in sandbox.members(sandbox.own_cgroups(name))]


def cgroups():
    """Cgroups of clusters that are not known: one that runs beside is none of ours."""
    known = os.listdir(sandbox.LEDGER) if os.path.isdir(sandbox.LEDGER) else []
    return [os.path.join(root, name) for root in sandbox.hierarchies() for name in sorted(os.listdir(root))
            if name.startswith((sandbox.PREFIX, "kubepods")) and name not in known]


def state():
    """{what: list}; equal before and after. Only what a cluster could have made: other suites may run beside."""
    links = [line.split(": ")[1].partition("@")[0] for line in output("ip", "-o", "link", "show")]
    with open("/proc/self/mounts", encoding="utf-8") as file:
        mounts = sorted(line.split()[1] for line in file)
    return {
        "mounts": [where for where in mounts if any(word in where for word in ("kubelet", "/cni", "containerd", "cluster"))],
        "cgroups": cgroups(),
        "rules": [line for line in output("nft", "list", "tables") if line.split()[2] in TABLES],
        "links": [name for name in links if name.startswith((settings.NODE_BRIDGE, settings.POD_BRIDGE, "veth"))],
        "named network namespaces": [name for name in output("ip", "netns", "list") if name.startswith("cni")],
        "sysctls": [f"{name}={sandbox.read('/proc/sys/' + name)}" for name in sandbox.SYSCTLS],
        "directories": [path for path in [*settings.BOUND.values(), sandbox.LEDGER, "/run/containerd", "/opt/containerd",
                                          "/usr/libexec/kubernetes", "/etc/cni/net.d"] if os.path.exists(path)]}


def compare(before, after):
    """{what: what came and what went}; empty when nothing is left."""
    return {what: sorted(set(before[what]) ^ set(after[what])) for what in before if before[what] != after[what]}
