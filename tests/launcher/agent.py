"""The guest agent of a real Linux guest, through libvirt."""
import os
import shutil
import subprocess

from faults import kill_run
from life import console, ended
from sandbox import make_vmi
from suite import case, check

KERNEL = "/run/wherry/volumes/kernel/"


def linux(bed):
    """A sandbox whose VM is tools/mkguest's Linux guest, booted by its kernel."""
    subprocess.run([os.path.join(bed.top, "tools/mkguest"), "--out", os.path.join(bed.build, "guest"), "linux"], check=True, stdout=subprocess.DEVNULL)
    boot = {"kernelArgs": "console=ttyS0 quiet", "container": {"image": "guest", "kernelPath": "/vmlinuz", "initrdPath": "/initrd.img"}}
    vmi = make_vmi(domain={"memory": {"guest": "160Mi"}, "firmware": {"uuid": "6a1a24a1-4061-4607-8bf4-a3963d0c5895", "kernelBoot": boot}})
    box = bed.sandbox(vmi)
    box.bundle["kernel"] = {"kernel": KERNEL + "vmlinuz", "initrd": KERNEL + "initrd.img"}
    folder = os.path.join(box.dir, "volumes/kernel")
    os.mkdir(folder)
    for name in ("vmlinuz", "initrd.img"):
        shutil.copy(os.path.join(bed.build, "guest", name), folder)
    return box


def connected(peer):
    return peer.wait_status(lambda s: s.get("agentConnected") and s.get("guestOSInfo"), timeout=120)


@case("the agent's word reaches the status and the guestinfo requests, also after kill -9 of run; it reboots and shuts the guest down")
def agent(bed):
    with linux(bed) as box:
        peer = box.boot()
        status = connected(peer)
        check(status["agentVersionSupported"] is True, status)
        check(status["guestOSInfo"].get("kernelRelease"), status)
        reply, _ = peer.call("guestinfo", what="osinfo")
        check(reply["code"] == 0 and reply["data"]["os"] == status["guestOSInfo"], reply)
        check(reply["data"]["guestAgentVersion"] and reply["data"]["hostname"] and reply["data"]["supportedCommands"], reply)
        for what in ("users", "filesystems"):
            reply, _ = peer.call("guestinfo", what=what)
            check(reply["code"] == 0 and isinstance(reply["data"]["items"], list), reply)
        check(peer.call("probe", which="guestAgentPing")[0]["code"] == 0, "ping")

        peer = kill_run(box, peer)
        connected(peer)
        check(peer.call("pause")[0]["code"] == 0 and peer.call("probe", which="guestAgentPing")[0]["code"] != 0, "a paused guest's agent is silent")
        check(peer.call("unpause")[0]["code"] == 0 and peer.call("probe", which="guestAgentPing")[0]["code"] == 0, "and speaks again")

        peer.statuses.clear()
        check(peer.call("softreboot")[0]["code"] == 0, "softreboot")
        peer.wait_status(lambda s: not s.get("agentConnected"), timeout=60)
        peer.statuses.clear()
        connected(peer)

        c = console(peer, scrollback=False)
        peer.call("shutdown", graceSeconds=60)
        c.expect(b"guest: going down", timeout=60)
        check(b"power button" not in c.seen, "by the agent")
        ended(box, peer)


@case("an agent that is stopped holds nothing up: requests are refused in time, the shutdown goes by the power button")
def silent_agent(bed):
    with linux(bed) as box:
        peer = box.boot()
        connected(peer)
        c = console(peer)
        c.expect(b"login:", timeout=120)
        c.send(b"root\n")
        c.expect(b"assword:")
        c.send(b"wherry\n")
        c.expect(b"#")
        c.send(b"killall -STOP qemu-ga; echo stop''ped\n")
        c.expect(b"stopped")
        check(peer.call("guestinfo", what="osinfo")[0]["code"] == 10, "timed out")
        check(peer.call("pause")[0]["code"] == 0 and peer.call("unpause")[0]["code"] == 0, "the rest works")
        peer.call("shutdown", graceSeconds=60)
        ended(box, peer)
        check("next=killing" not in box.log(), "not by force")
