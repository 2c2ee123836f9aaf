"""The guest's DHCPv4, router advertisements and DHCPv6 against dnsmasq in a network namespace of its own."""
import contextlib
import os
import shutil
import subprocess

from boot import TCG, kernel
from machine import Machine
from suite import Skip, case, check

SERVER = """--no-daemon --conf-file=/dev/null --no-resolv --no-hosts --port=0 --interface=tap0 --bind-interfaces
    --leasefile-ro --dhcp-authoritative --user=root
    --dhcp-range=10.0.2.2,10.0.2.2,255.255.255.0,1h --dhcp-option=option:mtu,1400 --dhcp-option=option:router,10.0.2.1
    --enable-ra --dhcp-range=fd10:0:2::2,fd10:0:2::2,120,1h""".split()


@contextlib.contextmanager
def namespace():
    """A network namespace with tap0 (10.0.2.1/24, fd10:0:2::1/120) and dnsmasq on it."""
    if os.geteuid() != 0:
        raise Skip("needs root")
    if not shutil.which("dnsmasq"):
        raise Skip("dnsmasq is not installed (package dnsmasq-base)")
    name = f"wherry-guest-{os.getpid()}"

    def ip(*words):
        subprocess.run(["ip", "-n", name, *words], check=True)

    subprocess.run(["ip", "netns", "add", name], check=True)
    server = None
    try:
        ip("tuntap", "add", "tap0", "mode", "tap")
        ip("addr", "add", "10.0.2.1/24", "dev", "tap0")
        ip("addr", "add", "fd10:0:2::1/120", "dev", "tap0", "nodad")
        ip("link", "set", "lo", "up")
        ip("link", "set", "tap0", "up")
        server = subprocess.Popen(["ip", "netns", "exec", name, "dnsmasq", *SERVER], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield ["ip", "netns", "exec", name]
    finally:
        if server:
            server.kill()
            server.wait()
        subprocess.run(["ip", "netns", "del", name], check=True)


@case("leases of both families, default routes, MTU; both gateways answer")
def dual_stack(bed):
    with namespace() as prefix, \
            Machine(*TCG, *kernel(bed), "-netdev", "tap,id=n,ifname=tap0,script=no,downscript=no",
                    "-device", "virtio-net-pci,netdev=n,romfile=", prefix=prefix) as machine:
        machine.expect(r"^guest: eth0 10\.0\.2\.2/24$", 60)
        machine.expect(r"^guest: gateway 10\.0\.2\.1 answers$")
        machine.login()
        machine.seen = 0
        machine.expect(r"guest: eth0 fd10:0:2::2/128$", 30)
        machine.seen = 0
        machine.expect(r"guest: gateway fe80::\S+ answers$", 30)
        check("mtu 1400" in machine.command("ip link show eth0")[1], "MTU")
        check(machine.command("ping6 -c 1 -W 2 fd10:0:2::1 >/dev/null")[0] == 0, "fd10:0:2::1 does not answer")
        check("default via fe80::" in machine.command("ip -6 route")[1], "no IPv6 default route")
        addresses = machine.command("ip -6 addr show eth0 scope global")[1]
        check(addresses.count("inet6") == 1, f"more than the leased address:\n{addresses}")
