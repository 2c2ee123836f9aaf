"""Modules of a Debian kernel package: which to take, and their index files.

Takes the modules that the tables below name plus what they depend on, and writes
modules.dep and modules.alias as modprobe reads them, from each module's own
.modinfo section. A name that the kernel has built in is skipped; a name that a
flavour does not ship must be listed in ABSENT, so that a renamed module fails the
build and not a guest.
"""
import lzma
import os
import re

# Every driver for a device that a VirtualMachineInstance can ask for.
MODULES = """
virtio_pci virtio_net virtio_blk virtio_scsi virtio_console virtio_rng virtio_balloon
virtio_input virtio_mem virtiofs vmw_vsock_virtio_transport
sd_mod sr_mod ahci ata_piix nvme usb_storage uas
e1000 e1000e igb 8139cp pcnet32 ne2k_pci
xhci_pci ehci_pci uhci_hcd usbhid hid_generic evdev psmouse atkbd button
i6300esb iTCO_wdt pvpanic_pci pvpanic_mmio qemu_fw_cfg 9pnet_virtio 9p
isofs vfat ext4 nls_cp437 nls_ascii nls_utf8 nls_iso8859_1 loop overlay
tpm_tis tpm_crb
""".split()

ABSENT = {
    "cloud-amd64": set("""ahci ata_piix usb_storage uas e1000 e1000e igb 8139cp pcnet32
        ne2k_pci xhci_pci ehci_pci uhci_hcd usbhid psmouse i6300esb iTCO_wdt 9pnet_virtio 9p
        """.split()),
    "amd64": set(),
}


class KernelError(Exception):
    """The kernel package does not hold what is expected."""


def canonical(name):
    """Module name as the kernel spells it."""
    return re.sub(r"\.ko(\.xz)?$", "", os.path.basename(name)).replace("-", "_")


def modinfo(image):
    """The key=value strings of a module's .modinfo section, as {key: [value]}."""
    fields = {}
    for text in re.findall(rb"(?<=\0)(?:alias|depends|softdep|name)=[^\0]*", image):
        key, _, value = text.decode("utf-8", "replace").partition("=")
        fields.setdefault(key, []).append(value)
    return fields


class Kernel:
    """An unpacked linux-image package below `root`."""

    def __init__(self, root, flavour):
        self.flavour = flavour
        modules = os.path.join(root, "lib/modules")
        if not os.path.isdir(modules):
            modules = os.path.join(root, "usr/lib/modules")
        self.release = sorted(os.listdir(modules))[0]
        self.base = os.path.join(modules, self.release)
        self.vmlinuz = os.path.join(root, "boot", f"vmlinuz-{self.release}")
        self.paths = self._index()
        with open(os.path.join(self.base, "modules.builtin"), encoding="ascii") as file:
            self.builtin = {canonical(line.strip()) for line in file}

    def _index(self):
        found = {}
        for folder, _, names in os.walk(os.path.join(self.base, "kernel")):
            for name in names:
                if re.search(r"\.ko(\.xz)?$", name):
                    found[canonical(name)] = os.path.join(folder, name)
        return found

    def _read(self, name):
        with open(self.paths[name], "rb") as file:
            image = file.read()
        return lzma.decompress(image) if self.paths[name].endswith(".xz") else image

    def _wanted(self, names):
        for name in sorted(names):
            if name in self.paths:
                yield name
            elif name not in self.builtin and name not in ABSENT[self.flavour]:
                raise KernelError(f"{self.release}: no module {name}")

    def files(self, names=tuple(MODULES)):
        """{path below lib/modules/<release>: bytes} for an initramfs with these modules."""
        images, dep_lines, alias_lines = {}, [], []
        queue = list(self._wanted(names))
        info = {}
        while queue:
            name = queue.pop()
            if name in images or name in self.builtin:
                continue
            images[name] = self._read(name)
            info[name] = modinfo(images[name])
            queue += [canonical(d) for d in info[name].get("depends", [""])[0].split(",") if d]
        for name in sorted(images):
            chain = self._chain(name, info)
            dep_lines.append(f"{name}.ko:" + "".join(f" {d}.ko" for d in chain))
            alias_lines += [f"alias {a} {name}" for a in info[name].get("alias", [])]
        files = {f"{name}.ko": image for name, image in images.items()}
        files["modules.dep"] = ("\n".join(dep_lines) + "\n").encode()
        files["modules.alias"] = ("\n".join(alias_lines) + "\n").encode()
        files["modules.symbols"] = b""
        return files

    def _chain(self, name, info):
        """Everything `name` needs, nearest first: modprobe loads it from the end."""
        order = []

        def visit(module):
            for dep in info[module].get("depends", [""])[0].split(","):
                dep = canonical(dep) if dep else ""
                if dep in info and dep not in order:
                    visit(dep)
                    order.append(dep)

        visit(name)
        return list(reversed(order))
