"""The bootable disk: one FAT partition that BIOS, UEFI and secure boot can start.

An MBR with a single active partition of type EF. BIOS: syslinux's MBR code and
syslinux in the partition. UEFI: \\EFI\\BOOT\\BOOTX64.EFI is Debian's signed shim, which
starts Debian's signed GRUB, which starts the signed kernel. All three read the same
/boot/vmlinuz and /boot/initrd.img and write to the first serial port.

No loop device, no root: mtools and syslinux work on the partition's offset. They
come from the unpacked packages, so their versions are locked too.
"""
import os
import struct
import subprocess

SECTOR = 512
START = 2048                 # first sector of the partition
SIZE = 64 << 20              # of the whole disk
SERIAL = 0x57485259          # volume id of the file system
PACKAGES = ["mtools", "syslinux", "syslinux-common", "shim-signed", "grub-efi-amd64-signed"]

SYSLINUX_CFG = """SERIAL 0 115200
DEFAULT linux
PROMPT 0
TIMEOUT 0
LABEL linux
  KERNEL /boot/vmlinuz
  INITRD /boot/initrd.img
  APPEND {arguments}
"""

GRUB_CFG = """serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
set timeout=0
linux /boot/vmlinuz {arguments}
initrd /boot/initrd.img
boot
"""


def partition_entry():
    """The MBR's first row: active, type EF, LBA only."""
    chs = b"\xfe\xff\xff"
    return struct.pack("<B3sB3sII", 0x80, chs, 0xEF, chs, START, SIZE // SECTOR - START)


class Builder:
    """Makes the raw image `path` with the tools below `unpacked`."""

    def __init__(self, path, unpacked, epoch):
        self.path, self.unpacked = path, unpacked
        self.image = f"{path}@@{START * SECTOR}"
        folder = os.path.join(unpacked, "mtools/usr/bin")
        self.environment = {
            "PATH": f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "TZ": "UTC",
            "MTOOLS_SKIP_CHECK": "1", "MTOOLSRC": "/dev/null", "SOURCE_DATE_EPOCH": str(epoch)}

    def tool(self, *argv):
        subprocess.run(argv, env=self.environment, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)

    def source(self, package, path):
        return os.path.join(self.unpacked, package, path)

    def partition(self):
        with open(self.source("syslinux", "usr/lib/SYSLINUX/mbr.bin"), "rb") as file:
            code = file.read()
        mbr = code.ljust(440, b"\0") + struct.pack("<IH", SERIAL, 0) + partition_entry()
        with open(self.path, "wb") as file:
            file.write(mbr.ljust(510, b"\0") + b"\x55\xaa")
            file.truncate(SIZE)
        self.tool("mformat", "-i", self.image, "-T", str(SIZE // SECTOR - START), "-h", "64", "-s", "32",
                  "-H", str(START), "-N", f"{SERIAL:08X}", "-v", "GUEST", "::")

    def copy(self, files):
        """{path in the file system: path here}; parents are made."""
        folders = sorted({"/".join(path.split("/")[:n]) for path in files
                          for n in range(1, path.count("/") + 1)})
        for folder in folders:
            self.tool("mmd", "-i", self.image, f"::{folder}")
        for path in sorted(files):
            self.tool("mcopy", "-m", "-i", self.image, files[path], f"::{path}")

    def syslinux(self):
        self.tool(self.source("syslinux", "usr/bin/syslinux"), "--install", "--offset", str(START * SECTOR),
                  self.path)


def build(path, unpacked, files, arguments, epoch):
    """Raw disk at `path`; files: {"vmlinuz": path, "initrd.img": path}."""
    builder = Builder(path, unpacked, epoch)
    work = os.path.dirname(path)
    copies = {f"boot/{name}": source for name, source in files.items()}
    for target, text in (("syslinux.cfg", SYSLINUX_CFG), ("EFI/debian/grub.cfg", GRUB_CFG)):
        source = os.path.join(work, os.path.basename(target))
        with open(source, "w", encoding="ascii") as file:
            file.write(text.format(arguments=arguments))
        copies[target] = source
    copies["EFI/BOOT/BOOTX64.EFI"] = builder.source("shim-signed", "usr/lib/shim/shimx64.efi.signed")
    copies["EFI/BOOT/grubx64.efi"] = builder.source("grub-efi-amd64-signed",
                                                    "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed")
    for source in copies.values():
        os.utime(source, (epoch, epoch))
    builder.partition()
    builder.copy(copies)
    builder.syslinux()
