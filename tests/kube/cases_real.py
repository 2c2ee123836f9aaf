"""Against a real kube-apiserver."""
