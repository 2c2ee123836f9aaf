"""What the scenarios say and ask about virtual machines on the node."""
import json

from machine import Failure
from suite import check

# A guest boots in 10 to 60 s under KVM inside TCG, by how busy this machine is.
BOOT_SECONDS = 180

SMALL = """apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {{name: {name}}}
spec:
  runStrategy: {strategy}
  template:
    spec:
      terminationGracePeriodSeconds: 5
      domain:
        memory: {{guest: 16Mi}}
        resources: {{limits: {{cpu: 500m, memory: 64Mi}}}}
        devices:
          autoattachGraphicsDevice: false
          autoattachMemBalloon: false
          disks: [{{name: root, disk: {{bus: virtio}}}}]
          interfaces: [{{name: default, masquerade: {{}}}}]
      networks: [{{name: default, pod: {{}}}}]
      volumes:
        - name: root
          containerDisk: {{image: "localhost/wherry/bootsector:1"}}
"""


def small(node, name, strategy="Always"):
    """A virtual machine of the boot sector guest: up at once, 16 MiB."""
    node.put(f"/root/{name}.yaml", SMALL.format(name=name, strategy=strategy))
    answers(node)
    node.run(f"wherryctl apply -f /root/{name}.yaml")


def answers(node):
    """After a boot or a restart: the service may still be on its way."""
    node.wait_for("wherryctl get vm >/dev/null", 120)


def demo(node):
    """The demo up to its login prompt."""
    node.run("wherryctl apply -f /srv/examples/demo.yaml")
    running(node, "demo", BOOT_SECONDS)
    printed(node, "demo", "login: ")


def get(node, kind, name):
    """An object as a dictionary, or None."""
    status, text = node.attempt(f"wherryctl get {kind} {name} -o json 2>/dev/null")
    return json.loads(text) if status == 0 else None


def running(node, name, seconds=60):
    """The VMI once its phase is Running; the handler's log when it is not."""
    try:
        node.wait_for(f"test \"$(wherryctl get vmi {name} -o jsonpath='{{.status.phase}}')\" = Running", seconds)
    except Failure as error:
        raise Failure(f"{error}\n{diagnosis(node, name)}") from None
    return get(node, "vmi", name)


def printed(node, name, text, seconds=BOOT_SECONDS):
    """The console's log once it holds `text`."""
    try:
        node.wait_for(f"wherryctl logs {name} | grep -q '{text}'", seconds)
    except Failure as error:
        raise Failure(f"{error}\n{diagnosis(node, name)}") from None
    return node.run(f"wherryctl logs {name}")


def diagnosis(node, name):
    """What an administrator would look at."""
    return node.attempt(f"wherryctl describe vmi {name} | tail -n 40; wherryctl events | tail -n 15; "
                        f"journalctl -u wherry-handler --no-pager -n 30; "
                        f"journalctl -k --no-pager | grep -E 'type=1326|Out of memory|oom-kill' | tail -n 5; wherryctl logs {name} | tail -n 10")[1]


def process(node, name):
    """(pid, cgroup) of the one QEMU of the VM."""
    lines = node.run("for p in $(pidof qemu-system-x86_64); do "
                     "echo $p $(cut -d: -f3 /proc/$p/cgroup) $(tr '\\0' ' ' </proc/$p/cmdline); done").splitlines()
    mine = [line.split(" ", 2) for line in lines if f"guest=default_{name}," in line]
    check(len(mine) == 1, f"{len(mine)} QEMU processes for {name}: {lines}")
    return int(mine[0][0]), mine[0][1]
