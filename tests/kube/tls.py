"""A certificate authority of one's own, servers' and clients' certificates, by openssl."""
import os
import ssl
import subprocess


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Authority:
    """Files below `folder`: <name>.key, <name>.crt; the authority is `ca`."""

    def __init__(self, folder):
        self.folder = folder
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test authority",
                "-keyout", self.path("ca.key"), "-out", self.path("ca.crt"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def issue(self, name, subject, alternatives=None):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", subject, "-keyout", self.path(name + ".key"), "-out", self.path(name + ".csr"))
        extension = self.path(name + ".ext")
        with open(extension, "w", encoding="ascii") as f:
            f.write(f"subjectAltName={alternatives}\n" if alternatives else "basicConstraints=CA:FALSE\n")
        openssl("x509", "-req", "-days", "2", "-in", self.path(name + ".csr"), "-CA", self.path("ca.crt"), "-CAkey", self.path("ca.key"), "-CAcreateserial",
                "-extfile", extension, "-out", self.path(name + ".crt"))

    def server(self, name="server", wants_client=False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path(name + ".crt"), self.path(name + ".key"))
        if wants_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.path("ca.crt"))
        return context
