"""The guest's cloud-init: both kinds of seed, and what each key of user-data does."""
import contextlib
import hashlib
import os
import subprocess
import tempfile

from boot import NETWORK, TCG, kernel
from machine import Machine
from suite import case, check

CONFIG = """#cloud-config
# a comment
hostname: from-user-data
password: "new: one"   # quoted
chpasswd:
  expire: False
  list: |
    root:secret
ssh_pwauth: True
write_files:
  - path: /etc/plain
    content: |
      first line
        indented

      after a gap
    permissions: '0600'
  - path: /opt/deep/encoded
    encoding: b64
    content: aGVsbG8K
    owner: debian:debian
bootcmd:
- echo early $(ls /sys/class/net/eth0/address)
runcmd:
  - echo one "two  three"
  - [sh, -c, "echo 'a, b' > /run/flow"]
  - |
    for n in 1 2; do
      echo block $n
    done
packages: [vim]
"""

CHPASSWD_USERS = """#cloud-config
chpasswd:
  expire: false
  users:
    - name: root
      password: one
      type: text
ssh_authorized_keys:
  - ssh-ed25519 AAAA test@example
runcmd: []
"""


@contextlib.contextmanager
def seed(label, files):
    """An ISO image with that volume id."""
    with tempfile.TemporaryDirectory() as work:
        root, image = os.path.join(work, "root"), os.path.join(work, "seed.iso")
        for path, text in files.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(text)
        subprocess.run(["xorrisofs", "-quiet", "-V", label, "-J", "-R", "-o", image, root], check=True,
                       stderr=subprocess.DEVNULL)
        yield image


def drive(image, device="virtio-blk-pci"):
    return ["-drive", f"file={image},format=raw,if=none,id=seed,readonly=on", "-device", f"{device},drive=seed"]


@case("NoCloud: every known key of #cloud-config does its work, an unknown one is named")
def no_cloud(bed):
    files = {"meta-data": '{"instance-id":"demo.default","local-hostname":"from-meta"}', "user-data": CONFIG}
    with seed("cidata", files) as image, Machine(*TCG, *kernel(bed), *NETWORK, *drive(image)) as machine:
        machine.expect(r"^cloud-init: packages is not known to this guest$", 60)
        machine.expect(r"^cloud-init: host name from-user-data$")
        machine.expect(r"^early /sys/class/net/eth0/address$")
        machine.expect(r"^cloud-init: bootcmd ended with 0$")
        machine.expect(r"^one two  three\nblock 1\nblock 2\ncloud-init: runcmd ended with 0$")
        machine.expect(r"^cloud-init: finished$")
        machine.login("root", "secret")
        check("instance demo.default" in machine.text, "no line about the seed")
        check(machine.command("cat /etc/plain")[1] == "first line\n  indented\n\nafter a gap", "plain file")
        check(machine.command("stat -c %a /etc/plain")[1] == "600", "permissions")
        check(machine.command("cat /opt/deep/encoded; stat -c %U /opt/deep/encoded")[1] == "hello\ndebian", "encoded file")
        check(machine.command("cat /run/flow")[1] == "a, b", "flow list")
        machine.send("exit\r")
        machine.login("debian", "new: one")


@case("ConfigDrive on a scsi cdrom: script with its exit status")
def config_drive(bed):
    files = {"openstack/latest/meta_data.json": '{"instance-id": "i-1", "hostname": "by-drive", "uuid": "u"}',
             "openstack/latest/user_data": "#!/bin/sh\necho script on $(hostname)\nexit 3\n"}
    with seed("config-2", files) as image, \
            Machine(*TCG, *kernel(bed), "-device", "virtio-scsi-pci", *drive(image, "scsi-cd")) as machine:
        machine.expect(r"^cloud-init: ConfigDrive on /dev/sr0, instance i-1$", 60)
        machine.expect(r"^script on by-drive\ncloud-init: user-data ended with 3$")
        machine.expect(r"by-drive login: ")


@case("chpasswd users, ssh keys, a name from meta-data in YAML")
def users(bed):
    files = {"meta-data": "instance-id: x\nlocal-hostname: by-meta\n", "user-data": CHPASSWD_USERS}
    with seed("cidata", files) as image, Machine(*TCG, *kernel(bed), *drive(image)) as machine:
        machine.expect(r"^cloud-init: host name by-meta$", 60)
        machine.login("root", "one")
        check("test@example" in machine.command("cat /home/debian/.ssh/authorized_keys")[1], "no key")


@case("network data: its checksum is shown and static addresses are set")
def network_data(bed):
    data = "version: 2\nethernets:\n  eth0:\n    dhcp4: false\n    addresses: [192.0.2.7/24]\n    gateway4: 192.0.2.1\n"
    files = {"meta-data": "instance-id: x\n", "user-data": "#!/bin/sh\n", "network-config": data}
    with seed("cidata", files) as image, Machine(*TCG, *kernel(bed), *NETWORK, *drive(image)) as machine:
        machine.expect(f"^cloud-init: network data, md5 {hashlib.md5(data.encode()).hexdigest()}$", 60)
        machine.login()
        check("192.0.2.7/24" in machine.command("ip -4 addr show eth0")[1], "address")
        check("via 192.0.2.1" in machine.command("ip route")[1], "route")


@case("user-data of no known kind is named, an empty seed is none of its business")
def odd_seeds(bed):
    files = {"meta-data": "instance-id: x\n", "user-data": "what is this\n"}
    with seed("cidata", files) as image, Machine(*TCG, *kernel(bed), *drive(image)) as machine:
        machine.expect("user-data is neither #cloud-config nor a script", 60)
        machine.expect("login: ")
    with seed("cidata", {"meta-data": ""}) as image, Machine(*TCG, *kernel(bed), *drive(image)) as machine:
        machine.expect("^cloud-init: finished$", 60)
        machine.expect("login: ")
