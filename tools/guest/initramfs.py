"""The guest's whole user space as one initramfs: busybox, agent, DHCPv6, our scripts.

A Tree is {path: entry}; `programs` adds binaries from unpacked packages with the
shared libraries that their NEEDED entries name, `skeleton` adds rootfs/ beside this
file. `archive` writes it as a newc cpio with fixed times, owners and inode numbers.

Relies on: readelf (binutils), zstd.
"""
import os
import re
import stat
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDERS = """bin sbin usr/bin usr/sbin usr/share lib lib64 etc proc sys dev run tmp mnt root home/debian
    var/lib/dhcpcd var/log media srv opt""".split()
LINKS = {"var/run": "../run", "etc/mtab": "../proc/mounts"}
# (package, file in it) of every program that busybox does not have.
PROGRAMS = [
    ("qemu-guest-agent", "usr/sbin/qemu-ga"),
    ("dhcpcd-base", "usr/sbin/dhcpcd"),
    ("util-linux", "sbin/blkid"),
]
# Looked for where the merged /usr of later releases has them, too.
LIBRARY_FOLDERS = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64", "usr/lib64"]
PACKAGES = sorted({package for package, _ in PROGRAMS} | {"busybox-static"})


class InitramfsError(Exception):
    """A file that the guest needs is in none of the packages."""


class Tree:
    """{path: (mode, bytes)}; a symbolic link's bytes are its target."""

    def __init__(self):
        self.entries = {}
        for folder in FOLDERS:
            self.folder(folder)
        for path, target in LINKS.items():
            self.link(path, target)

    def folder(self, path):
        parts = path.split("/")
        for n in range(1, len(parts) + 1):
            self.entries.setdefault("/".join(parts[:n]), (stat.S_IFDIR | 0o755, b""))

    def file(self, path, data, mode=0o644):
        self.folder(os.path.dirname(path))
        self.entries[path] = (stat.S_IFREG | mode, data)

    def link(self, path, target):
        self.folder(os.path.dirname(path))
        self.entries[path] = (stat.S_IFLNK | 0o777, target.encode())

    def node(self, path, major, minor, mode=0o600):
        self.folder(os.path.dirname(path))
        self.entries[path] = (stat.S_IFCHR | mode, (major, minor))

    def archive(self):
        """The tree as cpio (newc), the same bytes for the same tree."""
        out = bytearray()
        for number, path in enumerate(sorted(self.entries), 1):
            mode, data = self.entries[path]
            device = data if stat.S_ISCHR(mode) else (0, 0)
            out += record(path, b"" if stat.S_ISCHR(mode) else data, number, mode, device)
        return bytes(out + record("TRAILER!!!", b"", 0, 0, (0, 0)))


def record(path, data, number, mode, device):
    """One newc record; cpio(5)."""
    name = path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = [number, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(name), 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def readable(path):
    with open(path, "rb") as file:
        return file.read()


def needed(path):
    """File names of the shared libraries and the interpreter that a binary names."""
    text = subprocess.run(["readelf", "-W", "-d", "-l", path], check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    names = re.findall(r"\(NEEDED\)\s+Shared library: \[([^\]]+)\]", text)
    return names + [os.path.basename(p) for p in re.findall(r"interpreter: ([^\]]+)\]", text)]


class Unpacked:
    """Directory of unpacked packages, one folder each."""

    def __init__(self, root):
        self.root = root
        self.packages = sorted(os.listdir(root))

    def program(self, package, path):
        for prefix in ("", "usr/"):
            found = os.path.join(self.root, package, prefix + path)
            if os.path.exists(found):
                return found
        raise InitramfsError(f"{package}: no {path}")

    def library(self, name):
        for package in self.packages:
            for folder in LIBRARY_FOLDERS:
                found = os.path.join(self.root, package, folder, name)
                if os.path.exists(found):
                    # A link such as /lib64/ld-linux... is absolute or leaves its folder.
                    return os.path.realpath(found) if os.path.isfile(found) else None
        raise InitramfsError(f"no package has {name}")


def add_programs(tree, unpacked):
    """PROGRAMS with all libraries, which go to /lib, and the loader to /lib64."""
    queue = []
    for package, path in PROGRAMS:
        found = unpacked.program(package, path)
        tree.file(path, readable(found), 0o755)
        queue.append(found)
    done = set()
    while queue:
        for name in needed(queue.pop()):
            if name in done:
                continue
            done.add(name)
            found = unpacked.library(name)
            place = "lib64" if name.startswith("ld-linux") else "lib"
            tree.file(f"{place}/{name}", readable(found), 0o755)
            queue.append(found)


def add_busybox(tree, unpacked):
    busybox = unpacked.program("busybox-static", "bin/busybox")
    tree.file("bin/busybox", readable(busybox), 0o755)
    listing = subprocess.run([busybox, "--list-full"], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
    for path in listing.split():
        if path not in tree.entries:
            tree.link(path, "/bin/busybox")


def add_skeleton(tree):
    """Our own files; a path below etc/ that is no script is not executable."""
    base = os.path.join(HERE, "rootfs")
    for folder, _, names in os.walk(base):
        for name in names:
            source = os.path.join(folder, name)
            data = readable(source)
            path = os.path.relpath(source, base)
            mode = 0o755 if data.startswith(b"#!") else 0o644
            tree.file(path, data, 0o600 if path == "etc/shadow" else mode)


def build(unpacked_root, kernel):
    """initramfs (cpio, not compressed) for `kernel` from the packages unpacked."""
    unpacked = Unpacked(unpacked_root)
    tree = Tree()
    add_programs(tree, unpacked)
    add_skeleton(tree)
    add_busybox(tree, unpacked)
    tree.node("dev/console", 5, 1)
    for path, data in kernel.files().items():
        tree.file(f"lib/modules/{kernel.release}/{path}", data)
    return tree.archive()


def compress(data, level=12):
    """zstd, one thread, so that the bytes depend on the input alone."""
    return subprocess.run(["zstd", "-q", f"-{level}", "--single-thread", "-c"], input=data, check=True,
                          stdout=subprocess.PIPE).stdout
