"""Wherry on the cluster, installed as a user installs it: its images, then `kubectl apply -k deploy/`."""
import glob
import os
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
DEPLOY = os.path.join(TOP, "deploy")
ROLLOUT_SECONDS = 120


def exists():
    """Whether deploy/ can be applied as a whole."""
    return os.path.exists(os.path.join(DEPLOY, "kustomization.yaml"))


def load_images(cluster, build, say=lambda text: None):
    """Every image that `make images` makes, on the node."""
    program = os.path.join(TOP, "tools/mkimages")
    if not os.path.exists(program):
        return
    say("images")
    folder = os.path.join(build, "images")
    subprocess.run([program, "--build", build, "--out", folder], check=True, stdout=subprocess.DEVNULL)
    for path in sorted(glob.glob(os.path.join(folder, "*.tar"))):
        cluster.load_image(path)


def deploy(cluster, build, say=lambda text: None, overlay="."):
    """Images, objects, and the DaemonSet ready on the node."""
    if not exists():
        say("no deploy/kustomization.yaml: the cluster is bare")
        return
    load_images(cluster, build, say)
    cluster.apply(os.path.normpath(os.path.join(DEPLOY, overlay)), "--server-side")
    for item in cluster.get("daemonsets", "--all-namespaces", "-l", "kubevirt.io=virt-handler"):
        name, namespace = item["metadata"]["name"], item["metadata"]["namespace"]
        cluster.kubectl("rollout", "status", f"daemonset/{name}", "-n", namespace, f"--timeout={ROLLOUT_SECONDS}s",
                        seconds=ROLLOUT_SECONDS + 10)
    say("Wherry is deployed")
