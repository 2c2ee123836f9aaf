"""Parts of a start and of a running VM alone: network, system call policy, console."""
import os
import subprocess
from time import monotonic

from bench.stats import median

NETWORK_GOAL, SECCOMP_GOAL, RELAY_GOAL = 0.25, 100, 1.25
RELAY_BYTES = 200_000_000

HOST = """ip link add br0 type bridge
ip addr add 10.250.0.1/16 dev br0
ip addr add fd57::1/64 dev br0 nodad
ip link set br0 up
ip link add veth0 type veth peer name eth0 netns {sandbox}
ip link set veth0 master br0
ip link set veth0 up
sysctl -qw net.ipv4.ip_forward=1
sysctl -qw net.ipv6.conf.all.forwarding=1
nft add table inet root
nft add chain inet root postrouting {{ type nat hook postrouting priority 100 ; }}
nft add rule inet root postrouting ip saddr 10.250.0.0/16 oifname != br0 counter masquerade
nft add rule inet root postrouting ip6 saddr fd57::/64 oifname != br0 counter masquerade
nft add rule inet root postrouting ip saddr 127.0.0.0/8 oifname br0 counter masquerade"""

SANDBOX = """ip link set lo up
ip link set eth0 up
ip addr add 10.250.0.2/16 dev eth0
ip route add default via 10.250.0.1
ip addr add fd57::2/64 dev eth0 nodad
ip route add default via fd57::1
ip link add k6t-eth0 address 02:00:00:00:00:00 type bridge
ip tuntap add tap0 mode tap user 600000001 vnet_hdr
ip link set tap0 mtu 1500
ip link set tap0 master k6t-eth0
ip link set tap0 up
ip link set k6t-eth0 up
ip addr add 10.0.2.1/24 dev k6t-eth0
ip addr add fd10:0:2::1/120 dev k6t-eth0 nodad
sysctl -qw net.ipv4.ip_forward=1
sysctl -qw net.ipv6.conf.all.forwarding=1
sysctl -qw net.ipv4.conf.k6t-eth0.route_localnet=1"""

NAT = """nft add table {family} nat
nft add chain {family} nat prerouting {{ type nat hook prerouting priority -100 ; }}
nft add chain {family} nat input {{ type nat hook input priority 100 ; }}
nft add chain {family} nat output {{ type nat hook output priority -100 ; }}
nft add chain {family} nat postrouting {{ type nat hook postrouting priority 100 ; }}
nft add chain {family} nat KUBEVIRT_PREINBOUND
nft add chain {family} nat KUBEVIRT_POSTINBOUND
nft add rule {family} nat postrouting {family} saddr {guest} counter masquerade
nft add rule {family} nat prerouting iifname eth0 counter jump KUBEVIRT_PREINBOUND
nft add rule {family} nat postrouting oifname k6t-eth0 counter jump KUBEVIRT_POSTINBOUND
nft add rule {family} nat KUBEVIRT_PREINBOUND counter dnat to {guest}
nft add rule {family} nat KUBEVIRT_POSTINBOUND {family} saddr {loopback} counter snat to {gateway}
nft add rule {family} nat output {family} daddr {loopback} counter dnat to {guest}"""


def call(argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{argv}: {done.stderr.strip()}")
    return done.stdout


class Namespaces:
    """A host's side and a sandbox's side, both new and empty."""

    def __enter__(self):
        self.names = [f"bench-{side}-{os.getpid()}" for side in ("host", "sandbox")]
        for name in self.names:
            call(["ip", "netns", "add", name])
        return self

    def __exit__(self, *_):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False)

    def path(self, side):
        return f"/run/netns/{self.names[side]}"


def commands(sandbox):
    """The command line's way: one program after the other, for the host's side, then for the sandbox's."""
    four = NAT.format(family="ip", guest="10.0.2.2", gateway="10.0.2.1", loopback="127.0.0.1")
    six = NAT.format(family="ip6", guest="fd10:0:2::2", gateway="fd10:0:2::1", loopback="::1")
    quoted = "\n".join(line.replace("{ type", "'{ type").replace("; }", "; }'") for text in (HOST.format(sandbox=sandbox), SANDBOX, four, six) for line in text.split("\n"))
    host, rest = quoted.split("\nip link set lo up\n", 1)
    return "set -e\n" + host, "set -e\nip link set lo up\n" + rest


def by_command_line():
    with Namespaces() as n:
        host, sandbox = commands(n.names[1])
        began = monotonic()
        call(["nsenter", f"--net={n.path(0)}", "sh", "-c", host])
        call(["nsenter", f"--net={n.path(1)}", "sh", "-c", sandbox])
        return (monotonic() - began) * 1000


def by_setup(build):
    with Namespaces() as n:
        argv = ["nsenter", f"--net={n.path(0)}", os.path.join(build, "tests/bench/parts"), "network", os.path.join(build, "launcher-setup"), n.path(1)]
        began = monotonic()
        call(argv)
        return (monotonic() - began) * 1000


def relay(build, kind):
    """Nanoseconds of processor time a KiB that reached the reader."""
    spent, delivered = map(int, call([os.path.join(build, "tests/bench/parts"), "relay", kind, str(RELAY_BYTES)]).split())
    if delivered < RELAY_BYTES * 0.99:
        raise RuntimeError(f"console relay ({kind}) lost {RELAY_BYTES - delivered} bytes")
    return spent / (delivered / 1024)


def measure(rows, ours, _work, options):
    build = os.path.abspath(ours.root.build)
    ours_ms, peer_ms, ours_relay, peer_relay = [], [], [], []
    for _ in range(options.pairs):
        ours_ms.append(by_setup(build))
        peer_ms.append(by_command_line())
        ours_relay.append(relay(build, "ours"))
        peer_relay.append(relay(build, "plain"))
    rows.add_pairs("network of a sandbox, both sides, against ip and nft command lines", "ms", ours_ms, peer_ms, NETWORK_GOAL)
    policy = [int(call([os.path.join(build, "tests/bench/parts"), "seccomp"])) / 1000 for _ in range(options.pairs)]
    rows.add("system call policy of run: load", "us", median(policy), spread=[min(policy), max(policy)], runs=len(policy), goal=SECCOMP_GOAL)
    rows.add_pairs("console: processor time a KiB relayed, against a plain copy", "ns", ours_relay, peer_relay, RELAY_GOAL)
