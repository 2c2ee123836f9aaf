"""Manifests of the system tests, made from small parts."""


def indent(text, by):
    return "".join(" " * by + line + "\n" for line in text.strip("\n").splitlines())


def block(text, by):
    """A list below its key."""
    return "\n" + indent(text, by) if text else " []\n"


def vm(name, *, strategy="Always", memory="128Mi", volumes=None, devices="", spec="", domain="", grace=30, user_data=None, annotations=""):
    """A VirtualMachine with the Linux guest as first disk; `volumes` are (name, disk yaml, volume yaml)."""
    rows = [("root", "disk: {bus: virtio}", "containerDisk: {image: \"localhost/wherry/guest:1\"}")] if volumes is None else []
    rows += volumes or []
    if user_data is not None:
        rows.append(("cloudinit", "disk: {bus: virtio}", "cloudInitNoCloud:\n  userData: |\n" + indent(user_data, 4)))
    disks = "".join(f"- name: {n}\n" + indent(d, 2) for n, d, _ in rows)
    sources = "".join(f"- name: {n}\n" + indent(v, 2) for n, _, v in rows)
    return f"""apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata:
  name: {name}
spec:
  runStrategy: {strategy}
  template:
    metadata:
      labels: {{kubevirt.io/vm: {name}}}
{indent("annotations:" + chr(10) + indent(annotations, 2), 6) if annotations else ""}    spec:
      terminationGracePeriodSeconds: {grace}
{indent(spec, 6) if spec else ""}      domain:
        memory: {{guest: {memory}}}
{indent(domain, 8) if domain else ""}        devices:
          rng: {{}}
          disks:{block(disks, 10)}{indent(devices or MASQUERADE, 10)}      networks:
      - name: default
        pod: {{}}
      volumes:{block(sources, 6)}"""


MASQUERADE = """
interfaces:
- name: default
  masquerade: {}
"""


PANIC = MASQUERADE + "panicDevices:\n- model: isa\n"
BRIDGE = MASQUERADE.replace("masquerade", "bridge")


def sector(name, image="bootsector", more=(), **rest):
    """A VirtualMachine with a boot sector guest: starts in no time, prints one line, then idles."""
    rest.setdefault("memory", "32Mi")
    return vm(name, volumes=[("root", "disk: {bus: virtio}", f"containerDisk: {{image: \"localhost/wherry/{image}:1\"}}"), *more], **rest)
