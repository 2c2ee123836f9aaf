"""The same share of the processors for a peer as a VM of ours has: a cgroup beside the root's, with the VM's own weight. Without it a busy machine would be measured, not the start."""
import contextlib
import os

BASE = "/sys/fs/cgroup"


def cpu_tree():
    """(top of the hierarchy that divides the processors, name of the weight file in it)."""
    if os.path.exists(os.path.join(BASE, "cgroup.controllers")):
        return BASE, "cpu.weight"
    for name in ("cpu", "cpu,cpuacct"):
        if os.path.exists(os.path.join(BASE, name, "cgroup.procs")):
            return os.path.join(BASE, name), "cpu.shares"
    return None, None


def cgroup_of(pid, top):
    """The directory of a process in the hierarchy below `top`."""
    with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
        for line in file:
            _, names, path = line.rstrip("\n").split(":", 2)
            if (names == "" and top == BASE) or os.path.basename(top) in (names, *names.split(",")):
                return top + path
    return None


class Weight:
    """A cgroup with the weights of the VM that `pid` belongs to, on each of its two levels."""

    def __init__(self, pid):
        self.top, name = cpu_tree()
        own = cgroup_of(pid, self.top) if self.top else None
        self.outer = os.path.join(self.top, "wherry", f"bench-{os.getpid()}") if own else None
        self.inner = os.path.join(self.outer, "vm") if own else None
        for source, target in ((own and os.path.dirname(own), self.outer), (own, self.inner)):
            if not target:
                continue
            os.makedirs(target, exist_ok=True)
            if self.top == BASE and target == self.outer:
                with open(os.path.join(target, "cgroup.subtree_control"), "w", encoding="ascii") as file:
                    file.write("+cpu")
            with open(os.path.join(source, name), encoding="ascii") as file, open(os.path.join(target, name), "w", encoding="ascii") as copy:
                copy.write(file.read())

    def join(self):
        """In the child that becomes the peer."""
        if self.inner:
            with open(os.path.join(self.inner, "cgroup.procs"), "w", encoding="ascii") as file:
                file.write("0")

    def close(self):
        for path in (self.inner, self.outer):
            with contextlib.suppress(OSError):
                if path:
                    os.rmdir(path)
