"""Names and addresses of the cluster, and where its files are.

All addresses live in the sandbox's own network namespace, so they clash with nothing of the machine.
"""
import os

NODE = "node1"
NODE_IP = "10.245.0.1"       # on a bridge: a node's address may not be loopback
NODE_BRIDGE = "node0"
POD_BRIDGE = "cni0"
POD_NET, POD_GATEWAY = "10.244.0.0/24", "10.244.0.1"
SERVICE_NET, SERVICE_API = "10.96.0.0/16", "10.96.0.1"
API_PORT = 6443
API = f"https://127.0.0.1:{API_PORT}"
ETCD, ETCD_PEER = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
CONTAINERD = "/run/containerd/containerd.sock"   # in the sandbox's own /run
PAUSE_IMAGE, BUSYBOX_IMAGE = "localhost/pause:1", "localhost/busybox:1"
# What the sandbox puts over the machine's own directories.
BOUND = {"kubelet": "/var/lib/kubelet", "cni": "/var/lib/cni", "pods": "/var/log/pods", "containers": "/var/log/containers",
         "wherry": "/var/lib/wherry"}


class Files:
    """Everything that one cluster keeps, below one directory."""

    def __init__(self, root):
        self.root = os.path.abspath(root)
        self.bin, self.log, self.state = (os.path.join(self.root, name) for name in ("bin", "log", "state"))
        self.pki, self.host = os.path.join(self.state, "pki"), os.path.join(self.state, "host")
        self.kubeconfig = os.path.join(self.root, "kubeconfig")

    def in_state(self, name):
        return os.path.join(self.state, name)

    def kubeconfig_of(self, user):
        """For use inside the sandbox, by one user of pki.CLIENTS."""
        return os.path.join(self.state, f"{user}.kubeconfig")

    def certificate(self, name):
        return os.path.join(self.pki, name + ".crt")

    def key(self, name):
        return os.path.join(self.pki, name + ".key")
