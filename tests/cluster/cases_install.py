"""Wherry on the cluster, installed as a user installs it."""
import settings
from suite import case, check

DEVICES = ["devices.kubevirt.io/kvm", "devices.kubevirt.io/tun", "devices.wherry.io/launcher"]


@case("`kubectl apply -k` ends with a ready handler, an Available KubeVirt object and the node's devices")
def install(bed):
    cluster = bed.wherry()
    cluster.wait_for("the KubeVirt object", lambda: cluster.exists("kubevirt/kubevirt", "-n", "kubevirt"), 60)
    cluster.wait("kubevirt/kubevirt", "condition=Available", 60, "-n", "kubevirt")
    status = cluster.get("kubevirt/kubevirt", "-n", "kubevirt")["status"]
    check(status["phase"] == "Deployed", f"{status}")
    cluster.wait_for("the devices", lambda: not set(DEVICES) - cluster.get(f"node/{settings.NODE}")["status"]["allocatable"].keys(), 30)
    labels = cluster.get(f"node/{settings.NODE}")["metadata"]["labels"]
    check(labels.get("kubevirt.io/schedulable") == "true", f"{labels}")


@case("applied again, nothing restarts")
def install_again(bed):
    cluster = bed.wherry()
    before = [pod["metadata"]["uid"] for pod in cluster.get("pods", "-n", "kubevirt")]
    bed.apply_again()
    pods = cluster.get("pods", "-n", "kubevirt")
    check([pod["metadata"]["uid"] for pod in pods] == before, "other pods")
    check(all(pod["status"]["containerStatuses"][0]["restartCount"] == 0 for pod in pods), "a handler restarted")
