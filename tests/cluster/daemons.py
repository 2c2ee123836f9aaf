"""What runs in the cluster and with which options: command lines and configuration files.

Options that differ from a program's own defaults have their reason beside them.
"""
import json
import os

import settings

CONTAINERD = """version = 3
root = "{state}/containerd"
state = "/run/containerd/state"
[grpc]
  address = "{socket}"
[plugins.'io.containerd.internal.v1.opt']
  path = "{state}/opt"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "{pause}"
[plugins.'io.containerd.cri.v1.runtime']
  # the machine may not let even root lower an OOM score
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "{state}/cni"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""

# No masquerading and no host ports: the sandbox's network has no way out, and both would need iptables.
CNI = {"cniVersion": "1.0.0", "name": "pods", "plugins": [{
    "type": "bridge", "bridge": settings.POD_BRIDGE, "isGateway": True, "hairpinMode": True,
    "ipam": {"type": "host-local", "dataDir": "/run/cni", "ranges": [[{"subnet": settings.POD_NET}]],
             "routes": [{"dst": "0.0.0.0/0"}]}}]}

KUBELET = """apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: {node_ip}
tlsCertFile: {pki}/kubelet-server.crt
tlsPrivateKeyFile: {pki}/kubelet-server.key
authentication: {{anonymous: {{enabled: false}}, webhook: {{enabled: true}}, x509: {{clientCAFile: {pki}/ca.crt}}}}
authorization: {{mode: Webhook}}
containerRuntimeEndpoint: unix://{socket}
cgroupDriver: cgroupfs
# the machine may be one with cgroup v1
failCgroupV1: false
failSwapOn: false
# the machine may not let even root lower its OOM score or raise its limit of files
oomScoreAdj: 0
maxOpenFiles: 20000
resolvConf: ""
evictionHard: {{memory.available: 100Mi, nodefs.available: 1%, nodefs.inodesFree: 1%, imagefs.available: 1%, imagefs.inodesFree: 1%}}
# nothing can be pulled again
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
nodeStatusUpdateFrequency: 4s
volumeStatsAggPeriod: 0s
volumePluginDir: {state}/flexvolume
makeIPTablesUtilChains: false
"""

PROXY = """apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clientConnection: {{kubeconfig: {state}/kube-proxy.kubeconfig}}
hostnameOverride: {node}
clusterCIDR: {pod_net}
bindAddress: {node_ip}
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
# limits of the machine as a whole are not the sandbox's to set
conntrack: {{maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}}
nodePortAddresses: [primary]
"""


def write_configuration(files):
    values = {"state": files.state, "pki": files.pki, "socket": settings.CONTAINERD, "pause": settings.PAUSE_IMAGE,
              "node": settings.NODE, "node_ip": settings.NODE_IP, "pod_net": settings.POD_NET}
    os.makedirs(files.in_state("cni"), exist_ok=True)
    for name, text in (("containerd.toml", CONTAINERD.format(**values)), ("kubelet.yaml", KUBELET.format(**values)),
                       ("kube-proxy.yaml", PROXY.format(**values)), ("cni/10-pods.conflist", json.dumps(CNI))):
        with open(files.in_state(name), "w", encoding="ascii") as file:
            file.write(text)


def etcd(files):
    return {"name": "n1", "data-dir": files.in_state("etcd"), "listen-client-urls": settings.ETCD,
            "advertise-client-urls": settings.ETCD, "listen-peer-urls": settings.ETCD_PEER,
            "initial-advertise-peer-urls": settings.ETCD_PEER, "initial-cluster": f"n1={settings.ETCD_PEER}",
            "unsafe-no-fsync": "true", "log-level": "warn"}


def apiserver(files):
    return {
        "etcd-servers": settings.ETCD, "bind-address": "0.0.0.0", "secure-port": str(settings.API_PORT),
        "advertise-address": settings.NODE_IP, "service-cluster-ip-range": settings.SERVICE_NET, "allow-privileged": "true",
        "tls-cert-file": files.certificate("apiserver"), "tls-private-key-file": files.key("apiserver"),
        "client-ca-file": files.certificate("ca"),
        "kubelet-client-certificate": files.certificate("apiserver-kubelet-client"),
        "kubelet-client-key": files.key("apiserver-kubelet-client"),
        "kubelet-certificate-authority": files.certificate("ca"), "kubelet-preferred-address-types": "InternalIP",
        "service-account-key-file": os.path.join(files.pki, "service-account.pub"),
        "service-account-signing-key-file": files.key("service-account"),
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "authorization-mode": "Node,RBAC", "enable-admission-plugins": "NodeRestriction",
        "requestheader-client-ca-file": files.certificate("front-proxy-ca"),
        "requestheader-allowed-names": "front-proxy-client", "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "requestheader-group-headers": "X-Remote-Group", "requestheader-username-headers": "X-Remote-User",
        "proxy-client-cert-file": files.certificate("front-proxy-client"),
        "proxy-client-key-file": files.key("front-proxy-client"), "enable-aggregator-routing": "true", "v": "1"}


# One replica each, so no leader is elected; the default of 20 requests a second makes a start 5 s longer.
QUICK = {"leader-elect": "false", "bind-address": "127.0.0.1", "kube-api-qps": "1000", "kube-api-burst": "2000", "v": "1"}


def controller_manager(files):
    return {
        **QUICK, "kubeconfig": files.kubeconfig_of("kube-controller-manager"), "use-service-account-credentials": "true",
        "service-account-private-key-file": files.key("service-account"), "root-ca-file": files.certificate("ca"),
        "cluster-signing-cert-file": files.certificate("ca"), "cluster-signing-key-file": files.key("ca"),
        "flex-volume-plugin-dir": files.in_state("flexvolume")}


def scheduler(files):
    return {**QUICK, "kubeconfig": files.kubeconfig_of("kube-scheduler")}


def kubelet(files):
    return {"config": files.in_state("kubelet.yaml"), "kubeconfig": files.kubeconfig_of("kubelet"),
            "hostname-override": settings.NODE, "node-ip": settings.NODE_IP, "v": "2"}


def containerd(files):
    return {"config": files.in_state("containerd.toml"), "log-level": "info"}


def proxy(files):
    return {"config": files.in_state("kube-proxy.yaml")}


DAEMONS = {"etcd": etcd, "kube-apiserver": apiserver, "containerd": containerd, "kube-controller-manager": controller_manager,
           "kube-scheduler": scheduler, "kubelet": kubelet, "kube-proxy": proxy}


def command(files, name, extra=()):
    options = [f"--{option}={value}" for option, value in DAEMONS[name](files).items()]
    return [os.path.join(files.bin, name), *options, *extra]
