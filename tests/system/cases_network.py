"""What of a guest's network is seen from the host: forwarded ports, readiness, the bridge binding."""
import contextlib
import os
import re
import socket
import time

from bed.suite import Skip, case, check
from system.manifests import BRIDGE, MASQUERADE, sector, vm
from system.root import Root, crc32c, own_address, run, until

SERVED = """#cloud-config
password: wherry
chpasswd: {expire: false}
write_files:
- path: /srv/answer
  content: "answered by the guest"
runcmd:
- httpd -p 80 -h /srv
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(address, port):
    """The answer of the guest's web server, or why there is none."""
    try:
        with socket.create_connection((address, port), 5) as link:
            link.sendall(b"GET /answer HTTP/1.0\r\n\r\n")
            answer = b""
            while chunk := link.recv(4096):
                answer += chunk
            return answer.decode()
    except OSError as problem:
        return str(problem)


def is_ready(root, name):
    return root.field("vmi", name, '.status.conditions[?(@.type=="Ready")].status')


@case("a host's port leads to the guest; Ready waits for the readiness probe; a softreboot is no end")
def served(bed):
    root = bed.root("guest")
    port = free_port()
    probe = "readinessProbe: {httpGet: {port: 80, path: /answer}, periodSeconds: 1, timeoutSeconds: 2}"
    root.apply(vm("served", user_data=SERVED, spec=probe, annotations=f"wherry.io/host-ports: \"{port}:80/tcp\""))
    root.running("served")
    check(is_ready(root, "served") == "False", "not Ready before the server answers")
    root.wait("vmi", "served", "condition=Ready")
    for address in ("127.0.0.1", own_address(root.field("vmi", "served", ".status.interfaces[0].ipAddress"))):
        got = fetch(address, port)
        check("answered by the guest" in got, f"{address}:{port}: {got}")
    pid, uid = root.qemu_pid("served"), root.field("vmi", "served", ".metadata.uid")
    until(60, "the guest agent is connected", lambda: root.field("vmi", "served", '.status.conditions[?(@.type=="AgentConnected")].status') == "True", 1)
    root.ctl("softreboot", "served")
    until(60, "not Ready while it reboots", lambda: is_ready(root, "served") == "False")
    until(120, "Ready again", lambda: is_ready(root, "served") == "True")
    check(root.qemu_pid("served") == pid and root.field("vmi", "served", ".metadata.uid") == uid, "the same QEMU and VMI")


@case("Ready waits for a readiness probe by TCP, at a port that it knows by name")
def ready_by_tcp(bed):
    root = bed.root("guest")
    probe = "readinessProbe: {tcpSocket: {port: web}, periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 1}"
    ports = MASQUERADE.replace("masquerade: {}", "masquerade: {}\n  ports:\n  - {name: web, port: 8080}")
    root.apply(vm("tcp", spec=probe, devices=ports))
    root.running("tcp")
    console = root.console("tcp").login()
    check(is_ready(root, "tcp") == "False", "not Ready before anybody listens")
    console.shell("httpd -p 8080 -h /tmp")
    root.wait("vmi", "tcp", "condition=Ready", 30)
    console.shell("kill $(pidof httpd)")
    until(30, "not Ready without it", lambda: is_ready(root, "tcp") == "False")
    other = root.try_ctl("apply", "-f", "-", input=vm("tcp", spec=probe.replace("web", "db"), devices=ports))
    check(other.returncode == 1 and "readinessProbe.tcpSocket.port" in other.stderr, f"a name that no port has: {other.stderr}")


@case("the port that a VM had is the host's own again when it is gone")
def port_is_given_back(bed):
    root = bed.root("bootsector")
    port = free_port()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        root.apply(sector("taker", annotations=f"wherry.io/host-ports: \"{port}:80\""))
        root.running("taker")
        with socket.socket() as client:
            client.settimeout(1)
            check(client.connect_ex(("127.0.0.1", port)) != 0, "the VM's forward has the port while it runs")
        root.ctl("delete", "vm", "taker", "--grace-period=0", "--force")
        began = time.monotonic()
        socket.create_connection(("127.0.0.1", port), 2).close()
        check(time.monotonic() - began < 1, "and not after")


@case("a guest on a bridge has the sandbox's own address, by DHCP, and is reached at it")
def bridge(bed):
    root = bed.root("guest")
    root.apply(vm("bridged", user_data=SERVED, devices=BRIDGE))
    root.running("bridged")
    console = root.console("bridged").login()
    address = root.field("vmi", "bridged", ".status.interfaces[0].ipAddress")
    check(address and address + "/" in console.shell("ip -4 addr show eth0"), f"{address} is the guest's own")
    console.shell("ping -c 1 -W 5 " + console.shell("ip -4 route show default").split()[2])
    until(30, "the web server answers", lambda: "answered by the guest" in fetch(address, 80), 1)


@contextlib.contextmanager
def host_bridge():
    """(name, first three numbers of its network) of a bridge of the host's own. The network is one for documentation that this host has no route to: its own could be one of them."""
    name, routes = f"brtest{os.getpid() % 100000}", run(["ip", "-4", "route", "show", "table", "all"]).stdout
    net = next((net for net in ("198.51.100", "203.0.113", "192.0.2") if net + "." not in routes), None)
    if not net:
        raise Skip("this host uses every network for documentation")
    run(["ip", "link", "add", name, "address", "02:00:5e:10:00:01", "type", "bridge"])
    try:
        for words in (("addr", "add", f"{net}.1/24", "dev", name), ("link", "set", name, "up")):
            check(run(["ip", *words]).returncode == 0, f"ip {words}")
        yield name, net
    finally:
        run(["ip", "link", "del", name])


@case("--host-bridge: the guest is on the host's bridge, without NAT or address of ours; the bridge stays as it was")
def on_host_bridge(bed):
    def ports(name):
        return re.findall(r"^\d+: ([^:@]*)", run(["ip", "-o", "link", "show", "master", name]).stdout, re.M)
    with host_bridge() as (name, net):
        root = Root(bed.options.build, "--allow-emulation", "--host-bridge", name)
        try:
            root.start().guest("guest")
            before = run(["ip", "-4", "-o", "addr", "show", name]).stdout
            root.apply(vm("outside", devices=BRIDGE))
            root.running("outside")
            console = root.console("outside").login()
            check(len(ports(name)) == 1, f"ports of the bridge: {ports(name)}")
            tables = run(["nft", "list", "tables"]).stdout
            check(f"wherry_{crc32c(os.path.join(root.path, 'run').encode()):08x}" not in tables, f"no rules: {tables}")
            console.shell(f"ip addr add {net}.7/24 dev eth0 && ip link set eth0 up")
            console.shell("mkdir -p /srv && echo answered by the guest >/srv/answer && httpd -p 80 -h /srv")
            got = fetch(f"{net}.7", 80)
            check("answered by the guest" in got, f"the host reaches the guest: {got}")
            mac = console.shell("cat /sys/class/net/eth0/address")
            check(mac in run(["ip", "neigh", "show", f"{net}.7"]).stdout and mac == root.field("vmi", "outside", ".status.interfaces[0].mac"), f"by its own MAC {mac}")
            root.ctl("delete", "vm", "outside", "--grace-period=0", "--force")
            until(20, "the port is gone", lambda: ports(name) == [])
            check(run(["ip", "-4", "-o", "addr", "show", name]).stdout == before, "the bridge is as it was")
        finally:
            try:
                root.stop()
            finally:
                root.remove()
