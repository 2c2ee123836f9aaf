"""What of a guest's network is seen from the host: forwarded ports, readiness, the bridge binding."""
import socket
import time

from bed.suite import case, check
from system.manifests import BRIDGE, MASQUERADE, sector, vm
from system.root import own_address, until

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
