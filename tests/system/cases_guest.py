"""What a guest is given: boot to login, network, cloud-init, volumes."""
import base64
import contextlib
import http.server
import os
import socket
import tempfile
import threading

from bed.suite import case, check
from system.manifests import sector, vm
from system.root import own_address, run, until

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"from the host")

    def log_message(self, *_):
        """Not to the test's output."""


@contextlib.contextmanager
def served_by_host(peer):
    """A web server on this host's address towards the peer."""
    host = own_address(peer)
    with http.server.ThreadingHTTPServer((host, 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield host, server.server_port
        server.shutdown()


SEEN = """#cloud-config
hostname: till
password: wherry
chpasswd: {expire: false}
write_files:
- path: /run/seen
  content: "cloud-init was here"
runcmd:
- httpd -p 80 -h /run
"""


@case("a VirtualMachine comes up to its login, with cloud-init done and both address families")
def boot_network_cloudinit(bed):
    root = bed.root("guest")
    root.apply(vm("till", user_data=SEEN))
    root.running("till")
    console = root.console("till").login()
    for command, answer in (("hostname", "till"), ("cat /run/seen", "cloud-init was here")):
        got = console.shell(command)
        check(got == answer, f"{command}: {got!r}")
    check("10.0.2.2/24" in console.shell("ip -4 addr show eth0"), "IPv4 lease")
    console.shell("ping -c 1 -W 5 10.0.2.1")
    until(30, "the DHCPv6 address", lambda: "fd10:0:2::2" in console.shell("ip -6 addr show eth0"), 1)
    console.shell("ping -6 -c 1 -W 5 fd10:0:2::1")
    check("default" in console.shell("ip -6 route show"), "an IPv6 default route")
    address = root.field("vmi", "till", ".status.interfaces[0].ipAddress")
    check(address.startswith("10."), f"address in status: {address!r}")
    with socket.create_connection((address, 80), 10) as link:
        link.sendall(b"GET /seen HTTP/1.0\r\n\r\n")
        answer = b""
        while chunk := link.recv(4096):
            answer += chunk
    check(b"cloud-init was here" in answer, "the host reaches the guest's web server")
    root.wait("vm", "till", "condition=Ready", 30)
    status = root.object("vmi", "till")["status"]
    check(status["phase"] == "Running" and status["nodeName"], "status")
    conditions = {c["type"]: c for c in status["conditions"]}
    check(conditions["SoftwareEmulation"]["status"] == "True", "SoftwareEmulation condition")
    until(60, "the guest agent is connected", lambda: root.field("vmi", "till", '.status.conditions[?(@.type=="AgentConnected")].status') == "True", 1)
    until(60, "the guest's system in status", lambda: root.field("vmi", "till", ".status.guestOSInfo.kernelRelease"), 1)
    check(root.field("vmi", "till", ".status.guestOSInfo.kernelRelease") in root.ctl("guestosinfo", "till"), "guestosinfo asks the guest")
    with served_by_host(address) as (host, port):
        check(console.shell(f"wget -q -O - http://{host}:{port}/") == "from the host", "the guest reaches the host")


@case("raw and qcow2 files become images: a VM boots from each, and writes to neither")
def image_files(bed):
    root = bed.root("bootsector")
    raw = os.path.join(root.build, "guests", "bootsector.img")
    with tempfile.TemporaryDirectory() as folder:
        qcow = os.path.join(folder, "disk.qcow2")
        check(run(["qemu-img", "convert", "-O", "qcow2", raw, qcow]).returncode == 0, "qemu-img")
        root.ctl("image", "import", raw, "example.com/raw:1")
        root.ctl("image", "import", qcow, "example.com/qcow:2")
    listed = root.ctl("image", "ls")
    check("example.com/raw:1" in listed and "example.com/qcow:2" in listed, listed)
    for name, image in (("from-raw", "example.com/raw:1"), ("from-qcow", "example.com/qcow:2")):
        root.apply(sector(name).replace("localhost/wherry/bootsector:1", image))
    for name in ("from-raw", "from-qcow"):
        root.running(name)
        root.console(name).expect("hello", 20)
    store = {path: os.stat(path).st_mtime for folder, _, names in os.walk(os.path.join(root.path, "images", "disks")) for path in (os.path.join(folder, n) for n in names)}
    check(store and all(os.stat(path).st_mode & 0o222 == 0 or os.stat(path).st_uid == 0 for path in store), "no VM may write into the store")
    root.ctl("image", "rm", "example.com/raw:1")
    root.ctl("image", "rm", "example.com/qcow:2")
    check("example.com" not in root.ctl("image", "ls"), "removed")
    check(root.field("vmi", "from-raw", ".status.phase") == "Running", "the VM that uses it runs on")


VOLUMES = [
    ("root", "disk: {bus: virtio}", 'containerDisk: {image: "localhost/wherry/guest:1"}'),
    ("empty", "disk: {bus: virtio}\nserial: EMPTY1", "emptyDisk: {capacity: 16Mi}"),
    ("claim", "disk: {bus: virtio}\nserial: CLAIM1", "persistentVolumeClaim: {claimName: data}"),
    ("host", "disk: {bus: virtio}\nserial: HOST1", "hostDisk: {path: HOSTDISK, type: DiskOrCreate, capacity: 8Mi}"),
    ("config", "disk: {bus: virtio}\nserial: CONFIG1", "configMap: {name: settings}"),
    ("secret", "disk: {bus: virtio}\nserial: SECRET1", "secret: {secretName: keys}"),
    ("down", "disk: {bus: virtio}\nserial: DOWN1", 'downwardAPI:\n  fields:\n  - path: name\n    fieldRef: {fieldPath: metadata.name}\n  - path: app\n    fieldRef: {fieldPath: "metadata.labels[\'kubevirt.io/vm\']"}'),
    ("seed", "disk: {bus: virtio}", 'cloudInitConfigDrive: {secretRef: {name: seed}}'),
]

SUPPORT = """apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 24Mi}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: "blue", "long.conf": "a=1\\nb=2\\n"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
data: {password: %s}
---
apiVersion: v1
kind: Secret
metadata: {name: seed}
data: {userdata: %s}
""" % (base64.b64encode(b"s3cret").decode(), base64.b64encode(b"#cloud-config\nhostname: stored\npassword: wherry\nchpasswd: {expire: false}\n").decode())


def device(serial):
    """Shell words that give the block device with this serial."""
    return f"/dev/$(grep -l {serial} /sys/block/*/serial | cut -d/ -f4)"


@case("every volume kind is read, and the writable ones written, by the guest; a claim survives the VM's re-creation")
def volumes(bed):
    root = bed.root("guest")
    manifest = vm("store", volumes=VOLUMES).replace("HOSTDISK", bed.host_disk("disk.img"))
    root.apply(SUPPORT)
    root.apply(manifest)
    root.running("store")
    console = root.console("store").login()
    check(console.shell("hostname") == "stored", "ConfigDrive from a Secret")
    for serial, size in (("EMPTY1", 16), ("CLAIM1", 24), ("HOST1", 8)):
        check(console.shell(f"blockdev --getsize64 {device(serial)}") == str(size << 20), f"size of {serial}")
        console.shell(f"echo mark-{serial} | dd of={device(serial)} conv=fsync 2>/dev/null")
    console.shell("mkdir -p /mnt")
    for serial, name, content in (("CONFIG1", "color", "blue"), ("CONFIG1", "long.conf", "a=1\nb=2"), ("SECRET1", "password", "s3cret"), ("DOWN1", "name", "store"), ("DOWN1", "app", "store")):
        got = console.shell(f"mount -r -t iso9660 {device(serial)} /mnt && cat /mnt/{name}; umount /mnt")
        check(got == content, f"{serial}/{name}: {got!r}")
    root.ctl("delete", "vm", "store")
    root.apply(manifest)
    root.running("store")
    console = root.console("store").login()
    for serial, kept in (("CLAIM1", True), ("HOST1", True), ("EMPTY1", False)):
        got = console.shell(f"head -c 12 {device(serial)} | tr -d '\\0'")
        check(got.startswith(f"mark-{serial}") == kept, f"{serial} after re-creation: {got!r}")


@case("a missing image is a reason to wait, and the VM starts by itself when the image comes")
def image_comes_later(bed):
    root = bed.root()
    if "bootsector" in bed.imported:
        root.ctl("image", "rm", "localhost/wherry/bootsector:1")
    root.apply(sector("later"))
    until(20, "the reason is shown", lambda: root.field("vmi", "later", '.status.conditions[?(@.type=="Synchronized")].reason') in ("ErrImagePull", "ImagePullBackOff"))
    check("localhost/wherry/bootsector:1" in root.field("vmi", "later", '.status.conditions[?(@.type=="Synchronized")].message'), "the message names the image")
    check(root.field("vm", "later", ".status.printableStatus") == "ErrImagePull", "printable status")
    bed.imported.discard("bootsector")
    bed.root("bootsector")
    root.running("later", 30)


CLAIM = """apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: only}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Mi}}
"""


@case("a claim that a VM writes to is not given to a second one, which comes up when the first has gone")
def claimed_once(bed):
    root = bed.root("bootsector")
    root.apply(CLAIM)
    disk = [("data", "disk: {bus: virtio}", "persistentVolumeClaim: {claimName: only}")]
    root.apply(sector("first", more=disk))
    root.running("first")
    pid = root.qemu_pid("first")
    root.apply(sector("second", more=disk))
    until(20, "the reason is told", lambda: any("lock" in e["message"] for e in root.events("second") if e["reason"] == "StartFailed"))
    check(root.field("vm", "second", ".status.printableStatus") == "CrashLoopBackOff", "and tried again later")
    check(root.qemu_pid("first") == pid, "the first is not touched")
    root.ctl("delete", "vm", "first", "--grace-period=0", "--force")
    until(60, "the second runs", lambda: root.field("vmi", "second", ".status.phase") == "Running")
    check(root.field("pvc", "only", ".status.phase") == "Bound", "the claim")


def sized(size):
    return CLAIM.replace("1Mi", size).replace("only", "more")


@case("a claim that is made bigger grows with the next start, with what is on it; a smaller one is refused")
def claim_grows(bed):
    root = bed.root("guest")
    root.apply(sized("16Mi"))
    root.apply(vm("growing", volumes=[VOLUMES[0], ("data", "disk: {bus: virtio}\nserial: GROWS1", "persistentVolumeClaim: {claimName: more}")]))
    root.running("growing")
    console = root.console("growing").login()
    before = console.shell(f"blockdev --getsize64 {device('GROWS1')}")
    check(before == str(16 << 20), f"size: {before}")
    console.shell(f"echo mark | dd of={device('GROWS1')} conv=fsync 2>/dev/null")
    root.apply(sized("40Mi"))
    claim = root.object("pvc", "more")["status"]
    check(claim["capacity"] == {"storage": "16Mi"} and claim["conditions"][0]["type"] == "FileSystemResizePending", f"waits for a start: {claim}")
    less = root.try_ctl("apply", "-f", "-", input=sized("39Mi"))
    check(less.returncode == 1 and "spec.resources.requests.storage" in less.stderr and "never shrinks" in less.stderr, less.stderr)
    uid = root.field("vmi", "growing", ".metadata.uid")
    root.ctl("restart", "growing", "--force", "--grace-period=0")
    until(40, "another VMI", lambda: root.field("vmi", "growing", ".metadata.uid") not in ("", uid))
    root.running("growing")
    console = root.console("growing").login()
    after = console.shell(f"blockdev --getsize64 {device('GROWS1')}; head -c 4 {device('GROWS1')}")
    check(after.split() == [str(40 << 20), "mark"], f"grown: {after}")
    claim = root.object("pvc", "more")["status"]
    check(claim["capacity"] == {"storage": "40Mi"} and "conditions" not in claim and "Resizing" in root.reasons("growing"), f"{claim}, {root.reasons('growing')}")
