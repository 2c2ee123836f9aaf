"""The peer: `virsh create` of the same domain through a libvirtd of our own.

The daemon lives in a mount namespace in which libvirt's directories are empty and private, so it meets no other libvirtd of this machine, and in a pid namespace whose first process reaps
QEMU at once (libvirt waits for that when it destroys a domain). It has no TCP and no authentication. virsh is one interactive session that stays open, so no start of a program is measured
but QEMU's. libvirt's settings are its own, except what a container cannot give it: QEMU runs as root and logs to a file."""
import os
import re
import select
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET

from bench.bare import copy_files

DAEMON = "/usr/sbin/libvirtd"
PRIVATE = ("/run/libvirt", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt", "/etc/libvirt")
SETTINGS = {"libvirtd.conf": 'auth_unix_rw = "none"\nauth_unix_ro = "none"\nlisten_tls = 0\nlisten_tcp = 0\n',
            "qemu.conf": 'user = "root"\ngroup = "root"\nstdio_handler = "file"\nsecurity_driver = "none"\n'}
TAP = "benchtap1"
QEMU_NS = "{http://libvirt.org/schemas/domain/qemu/1.0}"


class Unavailable(Exception):
    """This machine has no libvirtd, or it does not start."""


def domain_xml(init, work):
    """The running VM's domain as libvirt describes it, without what our launcher adds: its emulator, its removed capabilities, what libvirt notes of a live domain."""
    with open(f"/proc/{init}/root/run/wherry/vm/libvirt/run/qemu/" + status_name(init), encoding="utf-8") as file:
        domain = ET.fromstring(file.read()).find("domain")
    for parent in list(domain.iter()):
        for child in list(parent):
            if child.tag in ("privateData", "alias", "seclabel") or child.tag.startswith(QEMU_NS):
                parent.remove(child)
    domain.attrib.pop("id", None)
    domain.find("name").text = "bench"
    domain.find("devices/emulator").text = shutil.which("qemu-system-x86_64")
    for target in domain.findall("devices/interface/target"):
        target.set("dev", TAP)
    text = ET.tostring(domain, encoding="unicode")
    return text.replace("/run/wherry/", work + "/")


def status_name(init):
    return next(name for name in os.listdir(f"/proc/{init}/root/run/wherry/vm/libvirt/run/qemu") if name.endswith(".xml"))


class Libvirtd:
    """The daemon and one virsh session."""

    def __init__(self, init, work):
        if not os.path.exists(DAEMON) or not shutil.which("virsh"):
            raise Unavailable("libvirtd or virsh is not installed")
        os.makedirs(work)
        self.work, self.daemon, self.virsh = work, None, None
        copy_files(init, work)
        self.xml = os.path.join(work, "bench.xml")
        with open(self.xml, "w", encoding="utf-8") as file:
            file.write(domain_xml(init, work))
        self.before = self.cgroups()
        subprocess.run(["ip", "tuntap", "add", TAP, "mode", "tap", "vnet_hdr"], check=True)
        try:
            self.start_daemon()
        except BaseException:
            self.close()
            raise

    def cgroups(self):
        base = "/sys/fs/cgroup"
        folders = [base] + [os.path.join(base, name) for name in os.listdir(base)]
        return {os.path.join(folder, name) for folder in folders for name in ("machine", "machine.slice") if os.path.isdir(os.path.join(folder, name))}

    def first(self):
        """The first process of the daemon's pid namespace."""
        with open(f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children", encoding="utf-8") as file:
            return (file.read().split() or [None])[0]

    def start_daemon(self):
        for name, text in SETTINGS.items():
            with open(os.path.join(self.work, name), "w", encoding="utf-8") as file:
                file.write(text)
        mounts = " && ".join(f"mkdir -p {path} && mount -t tmpfs none {path}" for path in PRIVATE)
        script = f"{mounts} && cp {self.work}/*.conf /etc/libvirt/ && {{ {DAEMON} --config /etc/libvirt/libvirtd.conf & wait $!; }}"
        log = open(os.path.join(self.work, "libvirtd.log"), "wb")
        namespaces = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self.daemon = subprocess.Popen([*namespaces, "sh", "-ec", script], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()
        end = time.monotonic() + 30
        while not (self.first() and os.path.exists(f"/proc/{self.first()}/root/run/libvirt/libvirt-sock")):
            if self.daemon.poll() is not None or time.monotonic() > end:
                with open(os.path.join(self.work, "libvirtd.log"), encoding="utf-8", errors="replace") as file:
                    raise Unavailable("libvirtd does not start: " + file.read()[-300:])
            time.sleep(0.05)
        self.virsh = subprocess.Popen(["nsenter", "--mount", f"--target={self.first()}", "virsh", "--quiet", "--connect", "qemu:///system"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.ask("version")

    def ask(self, command, seconds=120):
        """One command of the session; returns what it printed. The marker tells its end."""
        self.virsh.stdin.write(f"{command}\necho --shell done-marker\n".encode())
        self.virsh.stdin.flush()
        text, end = "", time.monotonic() + seconds
        while not re.search(r"^done-marker", text, re.M):
            if not select.select([self.virsh.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError(f"virsh {command}: {text}")
            data = os.read(self.virsh.stdout.fileno(), 65536)
            if not data:
                raise Unavailable(f"virsh ended: {text}")
            text += data.decode(errors="replace")
        if re.search(r"^error:", text, re.M):
            raise Unavailable(f"virsh {command}: {text.strip()}")
        return text

    def prepare(self):
        for name in ("qemu/vnc.sock", "agent.sock"):
            path = os.path.join(self.work, "vm", name)
            if os.path.exists(path):
                os.unlink(path)

    def start(self):
        self.ask(f"create {self.xml}")

    def stop(self):
        self.ask("destroy bench")

    def clean(self):
        pass

    def close(self):
        if self.virsh and self.virsh.poll() is None:
            try:
                self.ask("destroy bench", 20)
            except (Unavailable, TimeoutError, BrokenPipeError):
                pass
            self.virsh.kill()
            self.virsh.wait()
        if self.daemon and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait(20)
        subprocess.run(["ip", "link", "del", TAP], check=False, stderr=subprocess.DEVNULL)
        for folder in self.cgroups() - self.before:
            for path, _, _ in os.walk(folder, topdown=False):
                try:
                    os.rmdir(path)
                except OSError:
                    pass
