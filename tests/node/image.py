"""The node's disk: Debian with systemd and what Wherry needs at run time, from packages.

mmdebstrap makes the tree, mkfs.ext4 -d the file system, tools/guest's modules the
initramfs (virtio_blk, then switch_root). The result is cached under a key of its
inputs, with a snapshot `booted` in it, so that a run starts in a second.

Relies on: root, mmdebstrap, mkfs.ext4, qemu-img, dpkg.
"""
import glob
import hashlib
import os
import shutil
import subprocess
import tempfile

import node
from guest import initramfs, kernel, packages

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
FLAVOUR = "cloud-amd64"
DISK_BYTES = 6 << 30
BASE = """systemd systemd-sysv dbus udev kmod qemu-guest-agent procps psmisc strace less python3-minimal socat""".split()
LIBRARIES = """libarchive.so.13 libcap-ng.so.0 libcgroup.so.* libcurl-gnutls.so.4 libglib-2.0.so.0 libjson-c.so.5 libmicrohttpd.so.12 libnghttp2.so.14 libnl-3.so.200
    libnl-route-3.so.200 libprotobuf-c.so.1 libseccomp.so.2 libvirt.so.0 libxml2.so.2 libyaml-0.so.2""".split()
MASKED = """apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
    dpkg-db-backup.timer systemd-pstore.service getty@tty1.service systemd-networkd-wait-online.service
    systemd-binfmt.service proc-sys-fs-binfmt_misc.automount""".split()
EXCLUDED = ["man", "locale", "doc", "info"]

FILES = {
    "etc/hostname": "node\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 node\n",
    "etc/fstab": "/dev/vda / ext4 defaults 0 0\n",
    "etc/modules-load.d/kvm.conf": "kvm-amd\n",
    "etc/systemd/network/10-uplink.network":
        "[Match]\nDriver=virtio_net\n[Network]\nDHCP=ipv4\nIPv6AcceptRA=no\n",
    "etc/systemd/journald.conf.d/size.conf": "[Journal]\nStorage=persistent\nSystemMaxUse=16M\nSyncIntervalSec=1s\n",
}

INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
modprobe -a virtio_pci virtio_blk
for n in $(seq 100); do [ -b /dev/vda ] && break; usleep 50000; done
mount -t ext4 /dev/vda /mnt && umount /proc /sys && mount --move /dev /mnt/dev && exec switch_root /mnt /sbin/init
exec sh
"""


def release():
    """Code name of this machine's Debian: the programs under test were built for it."""
    with open("/etc/os-release", encoding="utf-8") as file:
        fields = dict(line.strip().split("=", 1) for line in file if "=" in line)
    return fields["VERSION_CODENAME"].strip('"')


def library_packages():
    """Packages that hold the libraries which Wherry links, by asking this machine's dpkg."""
    text = packages.run(["dpkg", "-S", *[f"*/{name}" for name in LIBRARIES]])
    return {line.split(":")[0] for line in text.splitlines()}


def wanted():
    """Everything that is installed on the node."""
    run = packages.run([os.path.join(TOP, "tools/deps"), "--list", "run"]).split()
    return sorted(set(BASE) | library_packages() | set(run))


class Image:
    """The cached folder: disk.qcow2, vmlinuz, initrd.img; made by `build` when it is missing."""

    def __init__(self):
        graph = packages.depends(["busybox-static", f"linux-image-{FLAVOUR}"])
        self.kernel = packages.kernel_package(FLAVOUR, graph)
        self.packages = packages.resolve(["busybox-static", self.kernel])
        self.names = wanted()
        self.folder = os.path.join(packages.cache_dir(), "nodes", self._key())

    def _key(self):
        digest = hashlib.sha256()
        with open(os.path.join(HERE, "image.py"), "rb") as file:
            digest.update(file.read())
        # A snapshot belongs to the machine and the QEMU that made it.
        digest.update(" ".join([*node.arguments("", "", ""), str(node.MEMORY)]).encode())
        digest.update(packages.run(["qemu-system-x86_64", "--version"]).encode())
        digest.update(" ".join([release(), *self.names, *[p.lock_line() for p in self.packages]]).encode())
        return digest.hexdigest()[:24]

    def path(self, name):
        return os.path.join(self.folder, name)

    def ready(self):
        return os.path.exists(self.path("complete"))

    def build(self, work):
        """Kernel, initramfs and disk in self.folder; the caller adds the snapshot and finish()es."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        unpacked = os.path.join(work, "packages")
        debs = packages.fetch(self.packages)
        os.makedirs(unpacked)
        packages.unpack(debs, unpacked)
        linux = kernel.Kernel(os.path.join(unpacked, self.kernel), FLAVOUR)
        shutil.copyfile(linux.vmlinuz, self.path("vmlinuz"))
        with open(self.path("initrd.img"), "wb") as file:
            file.write(initramfs.compress(node_initramfs(unpacked, linux), 3))
        root = os.path.join(work, "root")
        install(root, self.names)
        shutil.copytree(linux.base, os.path.join(root, "usr/lib/modules", linux.release))
        packages.run(["chroot", root, "depmod", linux.release])
        configure(root)
        file_system(root, os.path.join(work, "disk.raw"), self.path("disk.qcow2"))

    def finish(self):
        with open(self.path("complete"), "w", encoding="ascii"):
            pass
        keep = {self.folder}
        others = set(glob.glob(os.path.join(os.path.dirname(self.folder), "*"))) - keep
        for path in sorted(others, key=os.path.getmtime)[:-1]:
            shutil.rmtree(path, ignore_errors=True)


def node_initramfs(unpacked, linux):
    tree = initramfs.Tree()
    initramfs.add_busybox(tree, initramfs.Unpacked(unpacked))
    tree.file("init", INIT.encode(), 0o755)
    tree.node("dev/console", 5, 1)
    for path, data in linux.files(["virtio_pci", "virtio_blk", "ext4"]).items():
        tree.file(f"lib/modules/{linux.release}/{path}", data)
    return tree.archive()


def install(root, names):
    """Debian's tree below root."""
    options = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in EXCLUDED]
    log = tempfile.TemporaryFile()
    done = subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(names)}",
                           '--aptopt=Acquire::Languages "none"', *options, release(), root],
                          stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
    if done.returncode != 0:
        log.seek(0)
        raise packages.PackageError(f"mmdebstrap: {log.read().decode(errors='replace')[-800:]}")


def configure(root):
    """Our files, no timers that run by themselves, an empty root password for the console."""
    for path, text in FILES.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="ascii") as file:
            file.write(text)
    packages.run(["chroot", root, "systemctl", "mask", *MASKED])
    packages.run(["chroot", root, "systemctl", "enable", "systemd-networkd"])
    packages.run(["chroot", root, "passwd", "-d", "root"])


def file_system(root, raw, qcow2):
    with open(raw, "wb") as file:
        file.truncate(DISK_BYTES)
    packages.run(["mkfs.ext4", "-q", "-d", root, "-L", "node", "-E", "lazy_itable_init=1", raw])
    packages.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, qcow2])
    os.unlink(raw)
