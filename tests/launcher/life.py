"""A VM's life: start, requests, every kind of end."""
import json
import os
import signal
import time

from sandbox import Console, make_vmi
from suite import case, check


def console(peer, **options):
    reply, fds = peer.call("console", **{"readOnly": False, "force": False, "scrollback": True, **options})
    check(reply["code"] == 0, reply)
    return Console(fds[0])


def ready(peer):
    c = console(peer)
    c.expect(b"READY\r\n")
    return c


def ended(box, peer, state="Shutoff", reason="Shutdown", failure=None):
    """The end is as told, is in the record, and `finish` ends the sandbox."""
    status = peer.wait_state(state, reason)
    check(status.get("failure") == failure, status)
    check("qemuPid" not in status, status)
    record = final_record(box)
    check(record["vmi"] == box.vmi["metadata"]["uid"] and record["report"] == status, record)
    reply, _ = peer.call("finish")
    check(reply["code"] == 0, reply)
    check(box.wait_end() == 0, "init ends with 0")
    return status


def final_record(box):
    newest = None
    for slot in "ab":
        path = os.path.join(box.dir, f"state/final.rec.{slot}")
        if os.path.exists(path):
            check(os.stat(path).st_mode & 0o777 == 0o640, "the handler's group may read the record")
            with open(path, "rb") as f:
                newest = f.read()
    return json.loads(newest[newest.index(b'{"vmi"'):])


@case("a VM starts, its report says how it is, it shuts down by ACPI when asked, and the sandbox ends")
def starts_and_stops(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        ready(peer)
        status = peer.wait_status(lambda s: s.get("machine"))
        check(status["machine"].startswith("pc-q35-"), status)
        check(status["volumes"] == [{"name": "boot", "target": "vda"}], status)
        check(status["qemuPid"] > 1 and status["memoryCurrent"] == 32 << 20, status)
        check(status["agentConnected"] is False and status["userPaused"] is False, status)
        began = time.monotonic()
        check(peer.call("shutdown", graceSeconds=30)[0]["code"] == 0, "accepted")
        ended(box, peer)
        check(time.monotonic() - began < 3, "at once")


@case("init, run and QEMU are all there is: no capability, no new privileges, a policy on each")
def processes(bed):
    with bed.sandbox() as box:
        ready(box.boot())
        names = box.pids()
        check(sorted(names) == ["launcher", "launcher-init", "qemu-system-x86"] and all(len(p) == 1 for p in names.values()), names)
        for name, (pid,) in names.items():
            with open(f"/proc/{pid}/status", encoding="utf-8") as f:
                status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
            for cap in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                check(int(status[cap], 16) == 0, f"{name}: {cap} {status[cap]}")
            check(status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2", f"{name}: {status['Seccomp']}")
            # init's is inherited by all; run and QEMU have their own, QEMU also its own program's
            check(int(status["Seccomp_filters"]) >= {"launcher-init": 1, "launcher": 2, "qemu-system-x86": 2}[name], f"{name}: {status['Seccomp_filters']} filters")


@case("shutdown with grace 0 ends QEMU at once")
def killed(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        ready(peer)
        began = time.monotonic()
        check(peer.call("shutdown", graceSeconds=0)[0]["code"] == 0, "accepted")
        ended(box, peer, reason="Destroyed")
        check(time.monotonic() - began < 3, "at once")


@case("a guest that ignores the power button is asked again and ended when its grace is over")
def grace(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        c = ready(peer)
        c.send(b"i")
        c.expect(b"i")
        began = time.monotonic()
        peer.call("shutdown", graceSeconds=7)
        ended(box, peer, reason="Destroyed")
        check(6.5 < time.monotonic() - began < 10, f"after its grace: {time.monotonic() - began}")


@case("a later shutdown request shortens the grace")
def shorter_grace(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        c = ready(peer)
        c.send(b"i")
        c.expect(b"i")
        began = time.monotonic()
        peer.call("shutdown", graceSeconds=300)
        peer.call("shutdown", graceSeconds=1)
        ended(box, peer, reason="Destroyed")
        check(time.monotonic() - began < 5, "after the shorter one")


@case("a guest that powers itself off has shut down")
def powers_off(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        ready(peer).send(b"q")
        ended(box, peer)


@case("a guest's reboot is no end; with rebootPolicy Terminate it is")
def reboots(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        c = ready(peer)
        pid = box.qemu_pid()
        c.send(b"r")
        c.expect(b"READY\r\n")
        check(box.qemu_pid() == pid, "the same QEMU")
        check(not any(s["state"] == "Shutoff" for s in peer.statuses), "no end was told")
    with bed.sandbox(make_vmi(domain={"rebootPolicy": "Terminate"})) as box:
        peer = box.boot()
        ready(peer).send(b"r")
        ended(box, peer)


@case("a guest's panic is told as such")
def panics(bed):
    with bed.sandbox(make_vmi(devices={"panicDevices": [{"model": "isa"}]})) as box:
        peer = box.boot()
        ready(peer).send(b"p")
        ended(box, peer, "Crashed", "Panicked", "GuestPanicked")


@case("pause, unpause, reset and softreboot do what they say, and are refused when they cannot")
def requests(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        c = ready(peer)
        check(peer.call("unpause")[0]["code"] == 6, "running: cannot be unpaused (conflict)")
        check(peer.call("pause")[0]["code"] == 0, "pause")
        status = peer.wait_state("Paused", "User")
        check(peer.wait_status(lambda s: s["state"] == "Paused" and s["userPaused"]), status)
        c.drain()
        c.send(b"a")
        heard = c.drain(0.3)
        check(not heard, f"a paused guest is silent: {heard}")
        check(peer.call("pause")[0]["code"] == 6, "paused twice")
        check(peer.call("softreboot")[0]["code"] == 6, "paused: no reboot")
        peer.statuses.clear()
        check(peer.call("unpause")[0]["code"] == 0, "unpause")
        peer.wait_status(lambda s: s["state"] == "Running" and not s["userPaused"])
        c.expect(b"a")
        check(peer.call("reset")[0]["code"] == 0, "reset")
        c.expect(b"READY\r\n")
        check(peer.call("softreboot")[0]["code"] == 0, "softreboot")
        c.expect(b"READY\r\n")
        check(peer.call("guestinfo", what="osinfo")[0]["code"] == 6, "no agent")
        check(peer.call("probe", which="guestAgentPing")[0]["code"] == 6, "no agent")
        check(peer.call("guestinfo", what="secrets")[0]["code"] == 2, "unknown question")
        check(peer.call("finish")[0]["code"] == 6, "not over yet")
        peer.call("shutdown", graceSeconds=30)
        ended(box, peer)


@case("startStrategy Paused: the guest does not run before it is unpaused")
def starts_paused(bed):
    with bed.sandbox(make_vmi(spec={"startStrategy": "Paused"})) as box:
        peer = box.boot("Paused")
        c = console(peer)
        time.sleep(0.5)
        c.sock.setblocking(False)
        try:
            seen = c.sock.recv(100)
        except BlockingIOError:
            seen = b""
        check(seen == b"", f"nothing printed: {seen}")
        check(peer.call("unpause")[0]["code"] == 0, "unpause")
        c.expect(b"READY\r\n")


@case("a guest that stands goes on when it is told to stop, and shuts down; one that never ran is ended at once")
def paused_stop(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        ready(peer)
        check(peer.call("pause")[0]["code"] == 0, "pause")
        peer.wait_state("Paused", "User")
        began = time.monotonic()
        peer.call("shutdown", graceSeconds=300)
        status = ended(box, peer)
        check(time.monotonic() - began < 4 and status["userPaused"] is False, f"shut down: {status}")
    for restarted in (False, True):
        with bed.sandbox(make_vmi(spec={"startStrategy": "Paused"})) as box:
            peer = box.boot("Paused")
            if restarted:
                os.kill(box.pids()["launcher"][0], signal.SIGKILL)
                peer = box.accept()
                check(box.sync(peer)["code"] == 0, "synced again")
                peer.wait_state("Paused")
            began = time.monotonic()
            peer.call("shutdown", graceSeconds=300)
            ended(box, peer)
            check(time.monotonic() - began < 4, "ended at once")


@case("a bundle that cannot be is refused with its reason, and a start that fails is told")
def bad_starts(bed):
    with bed.sandbox() as box:
        box.start()
        peer = box.accept()
        for broken in ({"version": 1}, {**box.bundle, "vmi": {"spec": 7}}, {**box.bundle, "surprise": 1}):
            reply = box.sync(peer, broken)
            check(reply["code"] == 2 and reply["message"], reply)
        os.unlink(os.path.join(box.dir, "volumes/boot/disk.img"))
        check(box.sync(peer)["code"] == 0, "accepted")
        status = ended(box, peer, "Shutoff", "Failed", "StartFailed")
        check("disk.img" in status["message"], status)


@case("a second sync changes nothing, one of another VMI is refused")
def syncs(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        ready(peer)
        pid = box.qemu_pid()
        check(box.sync(peer)["code"] == 0, "the same")
        other = json.loads(json.dumps(box.bundle))
        other["vmi"]["metadata"]["uid"] = "c0ffee00-0000-4000-8000-000000000002"
        check(box.sync(peer, other)["code"] == 6, "another VMI")
        check(box.qemu_pid() == pid, "the same QEMU")


@case("told to stop before it has a bundle, the sandbox ends and an earlier VMI's record stays")
def never_had_one(bed):
    with bed.sandbox() as box:
        with open(os.path.join(box.dir, "state/final.rec.a"), "wb") as f:
            f.write(b"of an earlier one")
        box.start()
        peer = box.accept()
        check(peer.call("shutdown", graceSeconds=30)[0]["code"] == 0, "accepted")
        peer.wait_state("Shutoff", "Destroyed")
        peer.call("finish")
        check(box.wait_end() == 0 and os.listdir(os.path.join(box.dir, "state")) == ["final.rec.a"], "nothing written")


@case("told to stop before its guest ran, nothing runs")
def cancelled(bed):
    with bed.sandbox() as box:
        box.start()
        peer = box.accept()
        fd = os.memfd_create("bundle")
        os.write(fd, json.dumps(box.bundle).encode())
        peer.ask("sync", fd)
        peer.ask("shutdown", graceSeconds=30)
        ended(box, peer, reason="Destroyed")


@case("without a handler the VM runs, ends, is recorded, and the sandbox ends after 15 s")
def nobody_there(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        c = ready(peer)
        peer.close()
        box.unlisten()
        c.send(b"a")
        c.expect(b"a")
        began = time.monotonic()
        c.send(b"q")
        check(box.wait_end(25) == 0 and 14 < time.monotonic() - began < 20, time.monotonic() - began)
        check(final_record(box)["report"]["reason"] == "Shutdown", final_record(box))
        box.listen()


@case("SIGTERM asks the guest to shut down")
def sigterm(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        ready(peer)
        os.kill(box.pid("launcher-init"), signal.SIGTERM)
        ended(box, peer)


@case("a new handler is met at once and told the state")
def handler_comes_back(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        ready(peer)
        peer.close()
        box.listener.close()
        time.sleep(0.2)
        began = time.monotonic()
        box.listen()
        peer = box.accept()
        check(peer.run == 1 and time.monotonic() - began < 1, f"after {time.monotonic() - began:.1f} s")
        status = peer.wait_state("Running", timeout=2)
        check(status["machine"], status)
        peer.call("shutdown", graceSeconds=30)
        ended(box, peer)
