"""The images that `make images` makes: what is in them, that it runs where it has to, that a second build is the same."""
import hashlib
import io
import json
import os
import subprocess
import tarfile
import tempfile

import deployment
from guest import packages
from suite import case, check

MOST_BYTES = 140 << 20     # of an image as it lies on a node; both have most of it in common
POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: strict}}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: {image}
    command: {command}
    securityContext:
      runAsNonRoot: true
      runAsUser: 107
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {{drop: [ALL]}}
      seccompProfile: {{type: RuntimeDefault}}
"""
NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata: {name: strict, labels: {pod-security.kubernetes.io/enforce: restricted}}
"""
# Programs that come up, and what they say then: all their libraries are in the image.
PROGRAMS = {
    "launcher": [(["/opt/wherry/launcher", "--version"], "launcher"),
                 (["/usr/bin/qemu-system-x86_64", "-accel", "help"], "tcg"),
                 (["/usr/bin/qemu-system-x86_64", "-device", "virtio-vga,help"], "virtio-vga options"),
                 (["/usr/sbin/nft", "--version"], "nftables")],
    "handler": [(["/usr/libexec/wherry/handler", "--version"], "handler"), (["/usr/bin/wherryctl", "--version"], "wherryctl"),
                (["/usr/sbin/nft", "--version"], "nftables")],
}


class Archive:
    """An OCI archive: its files as the container sees them."""

    def __init__(self, path):
        self.path = path
        with tarfile.open(path) as tar:
            blobs = {member.name: member for member in tar.getmembers()}
            index = json.load(tar.extractfile(blobs["index.json"]))
            self.reference = index["manifests"][0]["annotations"]["io.containerd.image.name"]
            self.digest = index["manifests"][0]["digest"]
            manifest = json.load(tar.extractfile(blobs[self._blob(self.digest)]))
            self.config = json.load(tar.extractfile(blobs[self._blob(manifest["config"]["digest"])]))["config"]
            self.layers = [layer["digest"] for layer in manifest["layers"]]
            self.members = {}
            for layer in self.layers:
                data = tar.extractfile(blobs[self._blob(layer)]).read()
                check("sha256:" + hashlib.sha256(data).hexdigest() == layer, f"{layer} is another")
                with tarfile.open(fileobj=io.BytesIO(data)) as files:
                    self.members |= {member.name: member for member in files.getmembers()}

    @staticmethod
    def _blob(digest):
        return "blobs/" + digest.replace(":", "/")


def archives(bed):
    bed.images()
    return {name: Archive(os.path.join(bed.build, "images", name + ".tar")) for name in PROGRAMS}


@case("images are small, and share what is Debian's")
def images_are_small(bed):
    found = archives(bed)
    for image in found.values():
        size = os.path.getsize(image.path)
        check(size < MOST_BYTES, f"{image.reference}: {size} bytes")
    check(found["handler"].layers[0] == found["launcher"].layers[0], "the first layers differ")


@case("images have no shell, no package tool, nothing set-uid, nothing that its user may write")
def images_are_bare(bed):
    for image in archives(bed).values():
        for path, member in image.members.items():
            name = "" if member.isdir() else os.path.basename(path)
            check(name not in ("sh", "bash", "dash", "busybox", "dpkg", "apt", "perl", "mount", "su"), f"{path} is there")
            check(not member.mode & 0o6022 or member.issym(), f"{path} has mode {member.mode:o}")
            check((member.uid, member.gid) == (0, 0), f"{path} is not root's")


@case("the launcher's image holds what runs in a sandbox and nothing that makes one")
def launcher_image(bed):
    image = archives(bed)["launcher"]
    own = {name for name in image.members if name.startswith("opt/wherry/")}
    check({"opt/wherry/launcher", "opt/wherry/launcher-init", "opt/wherry/launcher-jail"} <= own, f"{own}")
    check("opt/wherry/launcher-setup" not in own and not any("handler" in name for name in image.members), "more than that")
    check(image.config["User"] == "107:107", f"user {image.config}")


@case("every program of the images runs where Pod Security is restricted, as the user of launcher pods")
def programs_run(bed):
    images = archives(bed)
    bed.cluster.apply(NAMESPACE)
    try:
        bed.cluster.wait_for("its account", lambda: bed.cluster.exists("serviceaccount/default", "-n", "strict"), 20)
        wanted = [(f"{name}-{number}", images[name].reference, *row)
                  for name, rows in PROGRAMS.items() for number, row in enumerate(rows)]
        bed.cluster.apply("\n---\n".join(POD.format(name=name, image=image, command=json.dumps(command))
                                         for name, image, command, _ in wanted))
        for name, _, command, word in wanted:
            bed.cluster.wait_for(f"the end of {command}", lambda one=name: bed.cluster.get(f"pod/{one}", "-n", "strict")[
                "status"]["phase"] in ("Succeeded", "Failed"), 60)
            said = bed.cluster.logs(f"pod/{name}", "-n", "strict")
            check(word in said, f"{command}: {said}")
    finally:
        bed.cluster.delete("namespace/strict")


@case("guests are there as containerDisks and as a kernel to boot from")
def guests_are_loaded(bed):
    bed.images()
    found = bed.cluster.ctr("images", "ls", "-q").split()
    for name in ("guest", "guest-kernel", "bootsector"):
        check(f"localhost/wherry/{name}:1" in found, f"{name} is not in {found}")


@case("the SPDX documents name every package that gave a file, with its version and checksum")
def documents(bed):
    for name, image in archives(bed).items():
        with open(os.path.join(bed.build, "images", name + ".spdx.json"), encoding="utf-8") as file:
            document = json.load(file)
        listed = {one["name"]: one for one in document["packages"]}
        inside = {os.path.basename(path) for path in image.members if path.startswith("var/lib/dpkg/status.d/")} - {"status.d"}
        check(inside | {"wherry", image.reference} == set(listed), f"{inside ^ set(listed)}")
        check({"qemu-system-x86", "libvirt0", "libc6"} <= inside, "packages are missing")
        check(listed[image.reference]["checksums"][0]["checksumValue"] == image.digest.partition(":")[2], "another image's")
        for one in inside:
            check(listed[one]["versionInfo"] and len(listed[one]["checksums"][0]["checksumValue"]) == 64, f"{one}: {listed[one]}")
            check(f"usr/share/doc/{one}/copyright" in image.members, f"{one} is without its copyright")
        check(len(document["relationships"]) == len(listed), "not everything is related")


@case("an image built again from the same packages is the same, byte for byte")
def reproducible(bed):
    images = archives(bed)
    with tempfile.TemporaryDirectory(prefix="wherry-images-") as work:
        cache = os.path.join(work, "cache")     # without finished layers, so that they are made anew
        os.makedirs(cache)
        os.symlink(os.path.join(packages.cache_dir(), "debs"), os.path.join(cache, "debs"))
        subprocess.run([os.path.join(deployment.TOP, "tools/mkimages"), "--build", bed.build, "--out", os.path.join(work, "again")],
                       check=True, env={**os.environ, "WHERRY_CACHE": cache}, stdout=subprocess.DEVNULL)
        for name, image in images.items():
            again = Archive(os.path.join(work, "again", name + ".tar"))
            check(again.digest == image.digest, f"{name}: {again.digest}, was {image.digest}")
            for end in (".tar", ".spdx.json"):
                same = subprocess.run(["cmp", os.path.join(work, "again", name + end), os.path.join(bed.build, "images", name + end)],
                                      check=False, stdout=subprocess.DEVNULL).returncode == 0
                check(same, f"{name}{end} differs")
