"""Certificates and kubeconfigs of the cluster's programs and users, made by openssl.

Tables say who there is: AUTHORITIES sign, SERVERS have addresses, CLIENTS are users of the API server, whose group (O) and
name (CN) are what RBAC sees.
"""
import base64
import os
import secrets
import subprocess

import settings

DAYS = "365"
AUTHORITIES = {"ca": "kubernetes-ca", "front-proxy-ca": "front-proxy-ca"}
SERVERS = {
    "apiserver": ["DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc",
                  "DNS:kubernetes.default.svc.cluster.local", "DNS:localhost", "IP:127.0.0.1",
                  f"IP:{settings.SERVICE_API}", f"IP:{settings.NODE_IP}"],
    "kubelet-server": [f"DNS:{settings.NODE}", "DNS:localhost", "IP:127.0.0.1", f"IP:{settings.NODE_IP}"],
}
CLIENTS = {   # name: (signed by, subject)
    "admin": ("ca", "/O=system:masters/CN=admin"),
    "apiserver-kubelet-client": ("ca", "/O=system:masters/CN=kube-apiserver-kubelet-client"),
    "front-proxy-client": ("front-proxy-ca", "/CN=front-proxy-client"),
    "kube-controller-manager": ("ca", "/CN=system:kube-controller-manager"),
    "kube-scheduler": ("ca", "/CN=system:kube-scheduler"),
    "kube-proxy": ("ca", "/CN=system:kube-proxy"),
    "kubelet": ("ca", f"/O=system:nodes/CN=system:node:{settings.NODE}"),
    "alice": ("ca", "/O=dev/CN=alice"),      # users without any right until a test gives them one
    "bob": ("ca", "/O=dev/CN=bob"),
}
KUBECONFIG = """apiVersion: v1
kind: Config
clusters: [{{name: wherry, cluster: {{server: "{server}", certificate-authority-data: {ca}}}}}]
users: [{{name: {user}, user: {{client-certificate-data: {certificate}, client-key-data: {key}}}}}]
contexts: [{{name: wherry, context: {{cluster: wherry, user: {user}}}}}]
current-context: wherry
"""


def openssl(*argv, stdin=None):
    return subprocess.run(["openssl", *argv], input=stdin, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


def make_key(path):
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)


def make_authority(files, name, subject):
    make_key(files.key(name))
    openssl("req", "-x509", "-new", "-key", files.key(name), "-subj", f"/CN={subject}", "-days", DAYS,
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-out", files.certificate(name))


def make_certificate(files, name, authority, subject, extensions):
    make_key(files.key(name))
    request = openssl("req", "-new", "-key", files.key(name), "-subj", subject)
    wanted = os.path.join(files.pki, name + ".ext")
    with open(wanted, "w", encoding="ascii") as out:
        out.write("\n".join(["basicConstraints=CA:FALSE", "keyUsage=digitalSignature", *extensions, ""]))
    openssl("x509", "-req", "-CA", files.certificate(authority), "-CAkey", files.key(authority),
            "-set_serial", f"0x{secrets.token_hex(8)}", "-days", DAYS, "-extfile", wanted,
            "-out", files.certificate(name), stdin=request)


def encoded(path):
    with open(path, "rb") as file:
        return base64.b64encode(file.read()).decode()


def kubeconfig(files, user, server, path):
    """Write a kubeconfig with the user's key in it, readable by its owner alone."""
    text = KUBECONFIG.format(server=server, user=user, ca=encoded(files.certificate("ca")),
                             certificate=encoded(files.certificate(user)), key=encoded(files.key(user)))
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as out:
        out.write(text)


def make(files):
    """Everything, anew, below files.pki; a kubeconfig per client for use inside the sandbox."""
    os.makedirs(files.pki, mode=0o700)
    for name, subject in AUTHORITIES.items():
        make_authority(files, name, subject)
    for name, addresses in SERVERS.items():
        make_certificate(files, name, "ca", f"/CN={name}",
                         ["extendedKeyUsage=serverAuth", "subjectAltName=" + ",".join(addresses)])
    for name, (authority, subject) in CLIENTS.items():
        make_certificate(files, name, authority, subject, ["extendedKeyUsage=clientAuth"])
        if authority == "ca":
            kubeconfig(files, name, settings.API, files.kubeconfig_of(name))
    # Tokens of service accounts.
    openssl("genrsa", "-out", files.key("service-account"), "2048")
    openssl("rsa", "-in", files.key("service-account"), "-pubout", "-out", os.path.join(files.pki, "service-account.pub"))
