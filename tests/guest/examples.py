"""What deploy/examples hands to the guest, tried in the guest."""
import os
import tempfile

import yaml

from boot import TCG, disk
from cloudinit import drive, seed
from machine import Machine
from suite import case, check

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))), "deploy/examples")
# What mkguest makes; an example that names another image could not start.
IMAGES = {f"localhost/wherry/{name}:1" for name in ("guest", "guest-kernel", "bootsector")}


def machines(name):
    """The VirtualMachine objects of an example."""
    with open(os.path.join(EXAMPLES, name), encoding="utf-8") as file:
        return [item for item in yaml.safe_load_all(file) if item["kind"] == "VirtualMachine"]


def user_data(machine):
    volumes = machine["spec"]["template"]["spec"]["volumes"]
    return next(v["cloudInitNoCloud"]["userData"] for v in volumes if "cloudInitNoCloud" in v)


@case("every example names an image that mkguest makes, and no object twice")
def example_images(bed):
    del bed
    seen = set()
    for name in sorted(os.listdir(EXAMPLES)):
        if not name.endswith(".yaml"):
            continue
        for machine in machines(name):
            check(machine["metadata"]["name"] not in seen, f"{name}: {machine['metadata']['name']} again")
            seen.add(machine["metadata"]["name"])
            spec = machine["spec"]["template"]["spec"]
            images = [v["containerDisk"]["image"] for v in spec.get("volumes", []) if "containerDisk" in v]
            boot = spec["domain"].get("firmware", {}).get("kernelBoot")
            images += [boot["container"]["image"]] if boot else []
            check(images and set(images) <= IMAGES, f"{name}: {images}")


@case("demo.yaml: host name, password and command reach the guest")
def example_demo(bed):
    files = {"meta-data": '{"instance-id":"demo.default"}', "user-data": user_data(machines("demo.yaml")[0])}
    with seed("cidata", files) as image, Machine(*TCG, *disk(bed), *drive(image)) as machine:
        machine.expect("^hello from cloud-init on demo$", 60)
        machine.expect("demo login: ", keep=True)
        machine.login("debian")


@case("pvc.yaml: the script counts the boots on the disk with serial DATA")
def example_pvc(bed):
    files = {"meta-data": '{"instance-id":"pvc.default"}', "user-data": user_data(machines("pvc.yaml")[0])}
    with seed("cidata", files) as image, tempfile.TemporaryDirectory() as work:
        data = os.path.join(work, "disk.img")
        with open(data, "wb") as file:
            file.truncate(64 << 20)
        for boot in (1, 2):
            with Machine(*TCG, *disk(bed), "-drive", f"file={data},format=raw,if=none,id=data", "-device",
                         "virtio-blk-pci,drive=data,serial=DATA", *drive(image)) as machine:
                machine.expect(f"^this is boot {boot}$", 60)
                machine.expect("login: ", keep=True)
                machine.monitor.execute("system_powerdown")
                machine.wait(30)
