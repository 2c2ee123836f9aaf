"""The results as files: reproducible, small, and images that other tools read."""
import hashlib
import json
import os
import signal
import subprocess
import tarfile
import tempfile
import time

from suite import case, check

MIB = 1 << 20


def sums(folder):
    """{file name: sha256} of a folder."""
    found = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


@case("a second build with an empty cache gives the same bytes")
def reproducible(bed):
    cache = os.environ.get("WHERRY_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "wherry")
    with tempfile.TemporaryDirectory() as work:
        os.mkdir(os.path.join(work, "cache"))
        os.symlink(os.path.join(cache, "debs"), os.path.join(work, "cache/debs"))
        out = os.path.join(work, "out")
        subprocess.run([bed.mkguest, "--cache", os.path.join(work, "cache"), "--out", out, "all"],
                       check=True, stdout=subprocess.DEVNULL)
        again = sums(out)
        first = {name: digest for name, digest in sums(bed.out).items() if name in again}
        check(len(again) >= 12, f"only {sorted(again)}")
        check(first == again, f"differ: {[name for name in again if first.get(name) != again[name]]}")


@case("^C and SIGTERM end a build quietly, with 130 and 143, and leave nothing half made")
def interrupted(bed):
    cache = os.environ.get("WHERRY_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "wherry")
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with tempfile.TemporaryDirectory() as work:
            for folder in ("cache", "out", "tmp"):
                os.mkdir(os.path.join(work, folder))
            os.symlink(os.path.join(cache, "debs"), os.path.join(work, "cache/debs"))
            build = subprocess.Popen([bed.mkguest, "--cache", os.path.join(work, "cache"), "--out", os.path.join(work, "out"), "linux"],
                                     env={**os.environ, "TMPDIR": os.path.join(work, "tmp")}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                     start_new_session=True)
            half = os.path.join(work, "cache/guests")
            while build.poll() is None and not (os.path.isdir(half) and os.listdir(half)):
                time.sleep(0.02)
            os.killpg(build.pid, number)  # as a terminal does: also what it has started
            said = build.communicate(timeout=20)[0]
            check(build.returncode == status and said == "", f"{number}: {build.returncode}, {said!r}")
            check(not os.listdir(half) and not os.listdir(os.path.join(work, "tmp")), f"left: {os.listdir(half)}, {os.listdir(os.path.join(work, 'tmp'))}")


@case("the kernel image and the disk image are below 30 MiB")
def small(bed):
    for name in ("guest-kernel.oci.tar", "guest.oci.tar", "guest-generic.oci.tar"):
        size = os.path.getsize(bed.file(name))
        check(size < 30 * MIB, f"{name}: {size} bytes")


def layer_members(archive, work):
    """(image configuration, {path: tar header}) of an archive, as skopeo unpacks it."""
    target = os.path.join(work, os.path.basename(archive))
    subprocess.run(["skopeo", "copy", "-q", f"oci-archive:{archive}", f"dir:{target}"], check=True)
    with open(os.path.join(target, "manifest.json"), encoding="utf-8") as file:
        manifest = json.load(file)
    digest = manifest["layers"][0]["digest"].partition(":")[2]
    with tarfile.open(os.path.join(target, digest)) as layer:
        return manifest, {member.name: member for member in layer}


@case("skopeo reads the archives; a containerDisk has one layer with /disk/* of 107:107")
def archives(bed):
    expected = {"guest.oci.tar": ("disk/guest.qcow2", 107), "bootsector.oci.tar": ("disk/disk.img", 107),
                "guest-kernel.oci.tar": ("boot/vmlinuz", 0)}
    with tempfile.TemporaryDirectory() as work:
        for name, (path, owner) in expected.items():
            manifest, members = layer_members(bed.file(name), work)
            check(len(manifest["layers"]) == 1, f"{name}: {len(manifest['layers'])} layers")
            check(path in members, f"{name}: {sorted(members)}")
            check((members[path].uid, members[path].gid) == (owner, owner), f"{name}: owner {members[path].uid}")


@case("the image's name is in the archive's index")
def names(bed):
    for name in ("guest", "guest-kernel", "bootsector"):
        with tarfile.open(bed.file(f"{name}.oci.tar")) as archive:
            index = json.load(archive.extractfile("index.json"))
        reference = index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]
        check(reference == f"localhost/wherry/{name}:1", reference)


@case("an unknown target is a usage error")
def usage(bed):
    done = subprocess.run([bed.mkguest, "nothing"], stderr=subprocess.DEVNULL, check=False)
    check(done.returncode == 2, f"exit status {done.returncode}")
