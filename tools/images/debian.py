"""The part of an image that is Debian's: chosen files of exact packages, with the libraries that they need.

FILES says which files an image has, by package; everything else of a package stays out, so there is no shell, no package
tool and no set-uid program. Libraries are found by the NEEDED entries of those files and of Wherry's own programs. Each
package that gave a file also gives its copyright file, and its control data as /var/lib/dpkg/status.d/NAME, where scanners of
images look for it.

Relies on: dpkg, readelf, the package cache of tools/guest.
"""
import fnmatch
import os
import re
import stat

from guest import initramfs, packages

# package: globs of what is taken. A file keeps its mode, a link is followed.
FILES = {
    "qemu-system-x86": ["usr/bin/qemu-system-x86_64"],
    # the modules of an emulated processor, of displays that guests may have, of USB devices
    "qemu-system-common": ["usr/lib/*/qemu/accel-tcg-x86_64.so", "usr/lib/*/qemu/hw-display-virtio-*.so",
                           "usr/lib/*/qemu/hw-usb-host.so", "usr/lib/*/qemu/hw-usb-redirect.so"],
    "qemu-system-data": ["usr/share/qemu/kvmvapic.bin", "usr/share/qemu/linuxboot*.bin", "usr/share/qemu/multiboot*.bin",
                         "usr/share/qemu/pvh.bin", "usr/share/qemu/keymaps/*"],
    "seabios": ["usr/share/seabios/*.bin"],
    "ipxe-qemu": ["usr/lib/ipxe/qemu/*"],
    "ovmf": ["usr/share/OVMF/*_4M.fd", "usr/share/OVMF/*_4M.ms.fd", "usr/share/qemu/firmware/*"],
    "libvirt-daemon-driver-qemu": ["usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so"],
    "libvirt0": ["usr/share/libvirt/cpu_map/*"],
    "nftables": ["usr/sbin/nft"],
    "tzdata": ["usr/share/zoneinfo/*"],     # a guest's clock may be in local time
}
LEFT_OUT = ["usr/share/zoneinfo/right/*", "usr/share/zoneinfo/posix/*"]
COPYRIGHT_OF_OTHERS = r"gcc-\d+-base"     # has the copyright file of libgcc and libstdc++
MERGED = ("bin/", "sbin/", "lib/", "lib64/")
LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
FOLDERS = """dev etc proc run sys tmp opt/wherry var/lib/wherry run/wherry""".split()


class Chosen:
    """Files of the packages in one tree: {path: (bytes, mode) or a link's target}, and the packages that gave one."""

    def __init__(self, unpacked):
        self.unpacked = initramfs.Unpacked(unpacked)
        self.tree, self.used, self.queue, self.done = dict(LINKS), set(), [], set()

    def add(self, package, source, path):
        """One file under its path with /usr merged."""
        if path.startswith(MERGED):
            path = "usr/" + path
        with open(source, "rb") as file:
            data = file.read()
        self.tree[path] = (data, 0o755 if os.stat(source).st_mode & stat.S_IXUSR else 0o644)
        self.used.add(package)
        if data[:4] == b"\x7fELF":
            self.queue.append(source)

    def add_files(self, package, globs):
        root = os.path.join(self.unpacked.root, package)
        found = 0
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), root)
                source = os.path.join(folder, name)
                if (any(fnmatch.fnmatch(path, glob) for glob in globs) and os.path.isfile(source)
                        and not any(fnmatch.fnmatch(path, glob) for glob in LEFT_OUT)):
                    self.add(package, source, path)
                    found += 1
        if not found:
            raise packages.PackageError(f"{package}: none of {' '.join(globs)}")

    def add_library(self, name):
        source = self.unpacked.library(name)
        package, path = os.path.relpath(source, self.unpacked.root).split("/", 1)
        place = "usr/lib64" if name.startswith("ld-linux") else os.path.dirname(path)
        self.add(package, source, os.path.join(place, name))

    def add_libraries(self, names):
        """The libraries of those names, and what they and all files so far need."""
        wanted = list(names)
        while wanted or self.queue:
            while self.queue:
                wanted += initramfs.needed(self.queue.pop())
            name = wanted.pop() if wanted else None
            if name and name not in self.done:
                self.done.add(name)
                self.add_library(name)

    def add_copyrights(self):
        for package in sorted(self.used):
            where = f"usr/share/doc/{package}/copyright"
            source = os.path.join(self.unpacked.root, package, where)
            folder = os.path.dirname(source)
            if os.path.islink(folder):      # to the folder of another package
                other = os.path.basename(os.readlink(folder))
                source = os.path.join(self.unpacked.root, other, f"usr/share/doc/{other}/copyright")
            with open(source, "rb") as file:
                self.tree[where] = (file.read(), 0o644)


def owners(libraries):
    """Packages of the shared libraries, by asking this machine's dpkg: the programs were linked with them."""
    text = packages.run(["dpkg", "-S", *[f"*/{name}" for name in libraries]])
    return sorted({line.split(":")[0] for line in text.splitlines()})


def resolve(libraries):
    """Every package that may give a file, as exact files."""
    names = [*FILES, *owners([name for name in libraries if not name.startswith("ld-linux")])]
    graph = packages.depends(names)
    copyrights = [name for name in graph if re.fullmatch(COPYRIGHT_OF_OTHERS, name)]
    return packages.resolve(sorted(packages.library_closure(names, graph).union(names, copyrights)))


def control(deb):
    """Control data of a package file: {field: text}."""
    fields, name = {}, None
    for line in packages.run(["dpkg-deb", "-f", deb]).splitlines():
        if line[:1] in " \t":
            fields[name] += "\n" + line
        elif (match := re.match(r"([^:]+):\s*(.*)", line)):
            name = match.group(1)
            fields[name] = match.group(2)
    return fields


def build(found, libraries, work):
    """(tree, [(package, its control data)]) of the base of all images; `found` as resolve() gives it."""
    debs = packages.fetch(found)
    unpacked = os.path.join(work, "packages")
    os.makedirs(unpacked)
    packages.unpack(debs, unpacked)
    chosen = Chosen(unpacked)
    for package, globs in FILES.items():
        chosen.add_files(package, globs)
    chosen.add_libraries(libraries)
    chosen.add_copyrights()
    used = [(package, control(deb)) for package, deb in zip(found, debs) if package.name in chosen.used]
    for package, fields in used:
        text = "".join(f"{name}: {value}\n" for name, value in fields.items())
        chosen.tree[f"var/lib/dpkg/status.d/{package.name}"] = (text.encode(), 0o644)
    return chosen.tree, used
