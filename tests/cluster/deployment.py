"""Wherry on the cluster, installed as a user installs it: its images, then `kubectl apply -k deploy/`."""
import glob
import os
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
DEPLOY = os.path.join(TOP, "deploy")
ROLLOUT_SECONDS = 120
GUESTS = ["disk", "kernel", "bootsector"]    # targets of tools/mkguest: containerDisks, and a kernel to boot from


def make_images(build, output=subprocess.DEVNULL):
    """Wherry's images below BUILD/images, the guests' below BUILD/guest."""
    for program, arguments in (("tools/mkimages", ["--build", build, "--out", os.path.join(build, "images")]),
                               ("tools/mkguest", ["--out", os.path.join(build, "guest"), *GUESTS])):
        subprocess.run([os.path.join(TOP, program), *arguments], check=True, stdout=output)


def load_images(cluster, build):
    """What make_images made, on the node."""
    for path in sorted(glob.glob(os.path.join(build, "images/*.tar")) + glob.glob(os.path.join(build, "guest/*.oci.tar"))):
        cluster.load_image(path)


def fitting_overlay(build):
    """The folder below deploy/ that a user of this machine applies: one for software emulation where KVM runs no guests."""
    probe = subprocess.run([os.path.join(build, "launcher"), "probe-kvm"], check=False, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return "." if probe.returncode == 0 else "overlays/emulation"


def apply(cluster, overlay):
    """kubectl apply -k of a folder below deploy/, and the DaemonSet ready on the node."""
    cluster.apply(os.path.normpath(os.path.join(DEPLOY, overlay)))
    for item in cluster.get("daemonsets", "--all-namespaces", "-l", "kubevirt.io=virt-handler"):
        name, namespace = item["metadata"]["name"], item["metadata"]["namespace"]
        cluster.kubectl("rollout", "status", f"daemonset/{name}", "-n", namespace, f"--timeout={ROLLOUT_SECONDS}s",
                        seconds=ROLLOUT_SECONDS + 10)


def deploy(cluster, build, say=lambda text: None):
    """Images, objects, and the DaemonSet ready on the node."""
    say("images")
    make_images(build)
    load_images(cluster, build)
    overlay = fitting_overlay(build)
    say(f"kubectl apply -k {os.path.normpath(os.path.join('deploy', overlay))}")
    apply(cluster, overlay)
    say("Wherry is deployed")
