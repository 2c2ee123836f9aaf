"""The Linux guest from every firmware and bus, its agent, power button and watchdog."""
import contextlib
import time

from machine import Monitor, Machine, connect
from suite import case, check

TCG = ["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max"]
NETWORK = ["-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n,romfile="]
AGENT = ["-device", "virtio-serial-pci", "-chardev", "socket,id=ga,path=@DIR@/agent,server=on,wait=off",
         "-device", "virtserialport,chardev=ga,name=org.qemu.guest_agent.0"]
OVMF = "/usr/share/OVMF/"


def disk(bed, name="guest", device="virtio-blk-pci"):
    return ["-drive", f"file={bed.file(name + '.qcow2')},if=none,id=disk,snapshot=on",
            "-device", f"{device},drive=disk,bootindex=1"]


def kernel(bed, arguments="", suffix=""):
    return ["-kernel", bed.file("vmlinuz" + suffix), "-initrd", bed.file("initrd.img" + suffix),
            "-append", f"console=ttyS0 loglevel=4 {arguments}"]


def flash(code, variables):
    """The variables are the machine's own copy: snapshot=on drops what it writes."""
    return ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}{code}",
            "-drive", f"if=pflash,format=raw,snapshot=on,file={OVMF}{variables}"]


@contextlib.contextmanager
def agent(machine):
    """The guest agent's protocol."""
    stream = connect(machine.path("agent"), machine.process, 5)
    try:
        yield Monitor(stream, greeting=False)
    finally:
        stream.close()


@case("kernelBoot: login, DHCP, both gateways answer, power off by command")
def kernel_boot(bed):
    with Machine(*TCG, *kernel(bed), *NETWORK, "-device", "virtio-rng-pci") as machine:
        machine.expect(r"^guest: eth0 10\.0\.2\.15/24$", 60)
        machine.expect(r"^guest: gateway 10\.0\.2\.2 answers$")
        machine.login()
        check(machine.command("hostname") == (0, "wherry-guest"), machine.text[-300:])
        check(machine.command("false")[0] == 1, "exit status of false")
        status, text = machine.command("head -c 16 /dev/hwrng | wc -c")
        check((status, text) == (0, "16"), f"virtio-rng: {text}")
        machine.seen = 0
        machine.expect(r"guest: gateway fe80::2 answers$")
        machine.send("poweroff\r")
        check(machine.wait(30) == 0, "exit status")


@case("an ordinary user logs in and is no root")
def ordinary_user(bed):
    with Machine(*TCG, *kernel(bed)) as machine:
        machine.login("debian")
        check(machine.command("id -u") == (0, "1000"), machine.text[-300:])
        check(machine.command("cat /etc/shadow")[0] != 0, "reads /etc/shadow")


@case("the disk boots by BIOS; the ACPI power button shuts it down")
def disk_bios(bed):
    with Machine(*TCG, *disk(bed), *NETWORK) as machine:
        machine.expect(r"^guest: gateway 10\.0\.2\.2 answers$", 60)
        machine.expect("login: ", keep=True)
        machine.monitor.execute("system_powerdown")
        machine.expect("guest: power button")
        machine.expect("guest: going down")
        check(machine.monitor.wait_event("SHUTDOWN", 30)["data"]["reason"] == "guest-shutdown", "reason")


@case("the disk boots by UEFI")
def disk_uefi(bed):
    with Machine(*TCG, *disk(bed), *flash("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"), memory=256) as machine:
        machine.login(seconds=90)
        check(machine.command("test -d /sys/firmware/efi")[0] == 0, "no EFI")
        check("disabled" in machine.command("dmesg | grep 'secureboot:'")[1], "secure boot is on")


@case("the disk boots by UEFI with secure boot, and the kernel locks down")
def disk_secure_boot(bed):
    secure = ["-machine", "smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"]
    with Machine(*TCG, *secure, *disk(bed), *flash("OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.ms.fd"),
                 memory=512) as machine:
        machine.login(seconds=120)
        check("Secure boot enabled" in machine.command("dmesg | grep 'secureboot:'")[1], "secure boot is off")
        check("[integrity]" in machine.command(
            "mount -t securityfs none /sys/kernel/security; cat /sys/kernel/security/lockdown")[1], "no lockdown")


@case("guest agent: information, password, shutdown")
def guest_agent(bed):
    with Machine(*TCG, *kernel(bed), *NETWORK, *AGENT) as machine:
        machine.expect("^guest: agent started$", 60)
        with agent(machine) as channel:
            check(channel.execute("guest-get-osinfo")["id"] == "wherry-guest", "OS information")
            cards = channel.execute("guest-network-get-interfaces")
            check(any(a["ip-address"] == "10.0.2.15" for card in cards for a in card["ip-addresses"]), str(cards))
            # base64 of "changed"
            channel.execute("guest-set-user-password", username="debian", password="Y2hhbmdlZA==", crypted=False)
            machine.login("debian", "changed")
            channel.stream.sendall(b'{"execute":"guest-shutdown"}\n')
            check(machine.wait(30) == 0, "exit status")


@case("a crash reboots when panic= says so, and pvpanic tells the host")
def crash(bed):
    with Machine(*TCG, *kernel(bed, "panic=1"), "-device", "pvpanic-pci",
                 "-action", "panic=none", "-no-reboot") as machine:
        machine.login()
        machine.send("echo c >/proc/sysrq-trigger\r")
        machine.expect("Kernel panic")
        machine.monitor.wait_event("GUEST_PANICKED", 10)
        check(machine.monitor.wait_event("SHUTDOWN", 20)["data"]["reason"] == "guest-reset", "no reboot")


@case("disks of other buses are seen: scsi, lun-like cdrom, and their contents read")
def scsi_disks(bed):
    with Machine(*TCG, *kernel(bed), "-device", "virtio-scsi-pci",
                 "-drive", f"file={bed.file('bootsector.img')},format=raw,if=none,id=a,snapshot=on",
                 "-device", "scsi-hd,drive=a,serial=ABC",
                 "-drive", f"file={bed.file('bootsector.img')},format=raw,if=none,id=b,readonly=on",
                 "-device", "scsi-cd,drive=b") as machine:
        machine.login()
        machine.command("for n in 1 2 3 4 5; do [ -e /dev/sda -a -e /dev/sr0 ] && break; sleep 1; done")
        check("boot sector: hello" in machine.command("dd if=/dev/sda count=1 2>/dev/null ")[1], machine.text[-900:])
        check("boot sector: hello" in machine.command("dd if=/dev/sr0 bs=2048 count=1 2>/dev/null ")[1], machine.text[-900:])


@case("a hot-plugged disk and card appear with their drivers")
def hot_plug(bed):
    with Machine(*TCG, *kernel(bed), "-device", "pcie-root-port,id=p1,chassis=1", "-device",
                 "pcie-root-port,id=p2,chassis=2", "-netdev", "user,id=n") as machine:
        machine.login()
        machine.monitor.execute("device_add", driver="virtio-net-pci", netdev="n", bus="p1", id="n1")
        status, _ = machine.command("for n in $(seq 30); do ip link show eth0 && break; sleep 1; done >/dev/null 2>&1; ip link show eth0", 40)
        check(status == 0, "no eth0")


@case("generic kernel: SATA disk and cdrom, e1000, i6300esb that resets a hung guest")
def generic_devices(bed):
    with Machine(*TCG, *disk(bed, "guest-generic", "ide-hd"), "-netdev", "user,id=n", "-device",
                 "e1000,netdev=n,romfile=", "-device", "i6300esb", "-action", "watchdog=reset", "-no-reboot",
                 memory=192) as machine:
        machine.expect(r"^guest: eth0 10\.0\.2\.15/24$", 90)
        machine.login()
        check("ata" in machine.command("readlink /sys/block/sda")[1], "no SATA disk")
        check(machine.command("watchdog -T 2 -t 1 /dev/watchdog")[0] == 0, "no watchdog")
        time.sleep(3)
        check(machine.process.poll() is None, "reset although it was fed")
        machine.send("kill -STOP $(pidof watchdog)\r")
        machine.monitor.wait_event("WATCHDOG", 20)
        check(machine.wait(10) == 0, "exit status")
