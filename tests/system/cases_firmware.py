"""Guests by other ways than a BIOS disk: UEFI, kernelBoot."""
from bed.suite import case, check
from system.manifests import vm

KERNEL = """
firmware:
  kernelBoot:
    kernelArgs: console=ttyS0 loglevel=4 told=by-the-manifest
    container: {image: "localhost/wherry/guest-kernel:1", kernelPath: /boot/vmlinuz, initrdPath: /boot/initrd.img}
"""


@case("kernel and initrd of a container boot without a disk, with the manifest's arguments")
def kernel_boot(bed):
    root = bed.root("kernel")
    root.apply(vm("direct", volumes=[], domain=KERNEL))
    root.running("direct")
    console = root.console("direct").login()
    check("told=by-the-manifest" in console.shell("cat /proc/cmdline"), "arguments")
    check(console.shell("ls /sys/block | grep -c vd || true") == "0", "no disk")


@case("a UEFI guest boots to its login")
def uefi(bed):
    root = bed.root("guest")
    root.apply(vm("efi", memory="256Mi", domain="firmware: {bootloader: {efi: {secureBoot: false}}}"))
    root.running("efi")
    console = root.console("efi").login()
    console.shell("test -d /sys/firmware/efi")


@case("a UEFI guest with secure boot sees it enforced")
def secure_boot(bed):
    root = bed.root("guest")
    root.apply(vm("secure", memory="512Mi", domain="features: {smm: {enabled: true}}\nfirmware: {bootloader: {efi: {secureBoot: true}}}"))
    root.running("secure")
    console = root.console("secure").login()
    console.shell("grep -q /sys/kernel/security /proc/mounts || mount -t securityfs none /sys/kernel/security")
    lockdown = console.shell("cat /sys/kernel/security/lockdown")
    check("[integrity]" in lockdown, f"a kernel that knows of secure boot locks itself down: {lockdown}")
