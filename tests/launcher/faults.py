"""Faults: QEMU's, run's, libvirt's directory's (reliability.md, faults 5, 6, 10 to 15)."""
import json
import os
import shutil
import signal
import subprocess
import time

from life import console, ended, final_record, ready
from sandbox import Lost
from suite import Skip, case, check


def kill_run(box, peer):
    """kill -9 of `launcher run`; the next one's connection."""
    os.kill(box.run_pid(), signal.SIGKILL)
    began = time.monotonic()
    peer.close()
    peer = box.accept()
    peer.wait_state("Running")
    check(time.monotonic() - began < 3, f"re-attached after {time.monotonic() - began:.1f} s")
    return peer


@case("kill -9 of run: the guest does not notice; console, requests and the end go on")
def run_killed(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        ready(peer)
        pid = box.qemu_pid()
        peer = kill_run(box, peer)
        check(peer.run == 2 and box.qemu_pid() == pid, "the same QEMU")
        c = console(peer)
        c.send(b"HELLO")
        c.expect(b"HELLO")
        check(peer.call("pause")[0]["code"] == 0, "pause")
        peer.wait_state("Paused", "User")
        check(peer.call("unpause")[0]["code"] == 0, "unpause")
        peer.statuses.clear()
        peer.call("shutdown", graceSeconds=30)
        ended(box, peer)


@case("a re-attached run can still end QEMU by force")
def run_killed_then_kill(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        ready(peer)
        peer = kill_run(box, peer)
        began = time.monotonic()
        peer.call("shutdown", graceSeconds=0)
        ended(box, peer, reason="Destroyed")
        check(time.monotonic() - began < 3, "at once")


@case("a pause by the user is remembered by the next run")
def run_killed_paused(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        ready(peer)
        peer.call("pause")
        peer.wait_state("Paused", "User")
        os.kill(box.run_pid(), signal.SIGKILL)
        peer = box.accept()
        status = peer.wait_state("Paused", "User")
        check(status["userPaused"], status)


@case("the guest ends while run is away: the next run tells it, and starts nothing")
def ends_meanwhile(bed):
    for key, state, reason, failure in ((b"q", "Shutoff", "Shutdown", None), (None, "Shutoff", "Crashed", "QEMUKilled")):
        with bed.sandbox() as box:
            peer = box.boot()
            c = ready(peer)
            qemu, run = box.qemu_pid(), box.run_pid()
            os.kill(run, signal.SIGSTOP)
            if key:
                c.send(key)
                os.kill(run, signal.SIGCONT)
                time.sleep(0.005)
            os.kill(run, signal.SIGKILL)
            if not key:
                os.kill(qemu, signal.SIGKILL)
            peer = box.accept()
            ended(box, peer, state, reason, failure)


@case("QEMU ends in every way it can: each is told apart")
def qemu_ends(bed):
    for number, failure, word in ((signal.SIGSEGV, "QEMUKilled", "SIGSEGV"), (signal.SIGKILL, "QEMUKilled", "SIGKILL"), (signal.SIGSYS, "SeccompKill", "SIGSYS"),
                                  (signal.SIGTERM, "QEMUKilled", "signal")):
        with bed.sandbox() as box:
            peer = box.boot()
            ready(peer)
            began = time.monotonic()
            os.kill(box.qemu_pid(), number)
            status = ended(box, peer, reason="Crashed", failure=failure)
            check(word in status["message"], status)
            check(time.monotonic() - began < 2, "within a second or so")


@case("QEMU dies at its start: the report has QEMU's own words")
def qemu_does_not_start(bed):
    with bed.sandbox() as box:
        box.bundle["vmi"]["spec"]["domain"]["cpu"] = {"sockets": 1, "cores": 1, "threads": 1, "model": "no-such-model"}
        box.start()
        peer = box.accept()
        check(box.sync(peer)["code"] == 0, "accepted")
        status = ended(box, peer, "Shutoff", "Failed", "StartFailed")
        check("no-such-model" in status["message"] or "CPU" in status["message"], status)


@case("a run that is killed before it noted that its guest runs: the guest runs on")
def killed_before_the_note(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        ready(peer)
        pid = box.qemu_pid()
        os.kill(box.run_pid(), signal.SIGKILL)
        with open(box.vm_path("facts"), "w", encoding="utf-8") as f:
            f.write("runs=1")
        os.unlink(box.vm_path("domain-status.xml"))
        peer.close()
        peer = box.accept()
        peer.wait_state("Running")
        check(box.qemu_pid() == pid, "the same QEMU")


def status_file(box):
    return box.vm_path("libvirt/run/qemu/default_t.xml")


@case("libvirt's status file truncated, emptied or gone: the running VM is recognised and not started twice")
def status_file_broken(bed):
    def cut(path):
        os.truncate(path, 500)

    def empty(path):
        os.truncate(path, 0)

    for damage in (cut, empty, os.unlink):
        with bed.sandbox() as box:
            peer = box.boot()
            ready(peer)
            pid = box.qemu_pid()
            os.kill(box.run_pid(), signal.SIGKILL)
            damage(status_file(box))
            peer.close()
            peer = box.accept()
            peer.wait_state("Running")
            check(box.qemu_pid() == pid, "the same QEMU, and only it")
            check(peer.call("pause")[0]["code"] == 0, "libvirt has it")
            check(peer.call("unpause")[0]["code"] == 0, "libvirt has it")


@case("the VM's directory full when run restarts: the VM is not killed")
def directory_full(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        ready(peer)
        pid = box.qemu_pid()
        os.kill(box.run_pid(), signal.SIGKILL)
        with open(box.vm_path("filler"), "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(65536))
            except OSError:
                pass
        peer.close()
        peer = box.accept()
        peer.wait_state("Running")
        check(box.qemu_pid() == pid, "the same QEMU")
        check(peer.call("pause")[0]["code"] == 0, "and libvirt has it")
        os.kill(box.run_pid(), signal.SIGKILL)
        peer.close()
        peer = box.accept(60)
        time.sleep(2)
        check(box.qemu_pid() == pid, "full without any reserve: still the same QEMU")
        os.unlink(box.vm_path("filler"))
        peer.wait_state("Paused", timeout=60)


@case("out of inodes when run restarts: the VM is not killed")
def inodes_gone(bed):
    with bed.sandbox(env={"VM_INODES": "200"}) as box:
        peer = box.boot()
        ready(peer)
        pid = box.qemu_pid()
        os.kill(box.run_pid(), signal.SIGKILL)
        try:
            for i in range(10000):
                with open(box.vm_path(f"filler{i}"), "wb"):
                    pass
        except OSError:
            pass
        peer.close()
        peer = box.accept()
        peer.wait_state("Running")
        check(box.qemu_pid() == pid, "the same QEMU")


@case("QEMU's log without bound does not fill the VM's directory for ever")
def log_grows(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        ready(peer)
        path = box.vm_path("libvirt/log/qemu/default_t.log")
        with open(path, "ab") as f:
            f.write(bytes(4 << 20))
        peer = kill_run(box, peer)
        check(os.stat(path).st_size < 1 << 20, "cut")


@case("the guest's disk has no space: the VM pauses with its reason and an event, and goes on by itself when there is space")
def disk_full(bed):
    with bed.sandbox(env={"VOLUMES_SIZE": "512k"}) as box:
        peer = box.boot()
        c = ready(peer)
        filler = f"/proc/{box.pid('launcher-init')}/root/run/wherry/volumes/filler"
        with open(filler, "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(4096))
            except OSError:
                pass
        c.send(b"w")
        status = peer.wait_state("Paused", "IOError")
        check(not status["userPaused"], status)
        check(any(e["reason"] == "IOerror" and e["type"] == "Warning" for e in peer.events), peer.events)
        os.kill(box.run_pid(), signal.SIGKILL)  # the next run knows it too
        os.unlink(filler)
        peer.close()
        peer = box.accept()
        peer.wait_state("Paused", "IOError")
        peer.wait_state("Running", timeout=15)
        console(peer).expect(b"W")


@case("a stopped QEMU holds up neither the console's log nor its own end")
def qemu_hangs(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        ready(peer)
        os.kill(box.qemu_pid(), signal.SIGSTOP)
        peer.ask("pause")
        peer.ask("reset")
        time.sleep(0.5)
        began = time.monotonic()
        peer.ask("shutdown", graceSeconds=0)
        peer.wait_state("Shutoff", "Destroyed")
        check(time.monotonic() - began < 10, "SIGTERM, then SIGKILL")


@case("kill -9 of run at moments spread over a start: at most one QEMU, and the VM comes up")
def killed_while_starting(bed):
    for ms in range(5, 175, 10):
        with bed.sandbox() as box:
            box.start()
            peer = box.accept()
            fd = os.memfd_create("bundle")
            os.write(fd, json.dumps(box.bundle).encode())
            peer.ask("sync", fd)
            time.sleep(ms / 1000)
            run = box.run_pid()
            if run:
                os.kill(run, signal.SIGKILL)
            peer.close()
            peer = box.accept()
            if not wait_running(box, peer):
                check(box.sync(peer)["code"] == 0, "once more")
                peer.wait_state("Running")
            check(box.qemu_pid() is not None, "one QEMU")
            console(peer).expect(b"READY")


def wait_running(box, peer):
    """True when the VM comes up by itself; False when run waits for a bundle."""
    try:
        peer.wait_state("Running", timeout=3)
        return True
    except TimeoutError:
        check(box.qemu_pid() is None, "no QEMU without a VM")
        return False


@case("kill -9 of run at moments spread over a stop: the end is told once and truly")
def killed_while_stopping(bed):
    for ms in range(0, 40, 3):
        with bed.sandbox() as box:
            peer = box.boot()
            ready(peer)
            peer.ask("shutdown", graceSeconds=0)
            time.sleep(ms / 1000)
            run = box.run_pid()
            if run:
                os.kill(run, signal.SIGKILL)
            peer.close()
            peer = box.accept()
            status = peer.wait_status(lambda s: s["state"] in ("Shutoff", "Running"))
            if status["state"] == "Running":  # it had not heard the request
                peer.call("shutdown", graceSeconds=0)
            ended(box, peer, reason="Destroyed")


@case("a run that is killed while the end is told: the record stays as it is, and finish is obeyed")
def killed_after_the_end(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        ready(peer).send(b"q")
        before = peer.wait_state("Shutoff", "Shutdown")
        os.kill(box.run_pid(), signal.SIGKILL)
        peer.close()
        peer = box.accept()
        check(peer.wait_state("Shutoff") == before, "the same")
        ended(box, peer)
        check(final_record(box)["report"] == before, "recorded once")


# System calls of run's main thread between bundle and running guest, about what is there of each; WRY_TEST_LONG tries every one.
SYSTEM_CALLS = {"openat2": 26, "write": 13, "fsync": 6, "renameat": 3, "unlinkat": 5, "fchmod": 5, "sendmsg": 3, "mknodat": 2, "clone3": 1, "pidfd_open": 1, "seccomp": 1}
SAMPLES = 3


def kill_points():
    for call, count in SYSTEM_CALLS.items():
        step = 1 if os.environ.get("WRY_TEST_LONG") else max(1, count // SAMPLES)
        yield from ((call, nth) for nth in range(1, count + 1, step))


@case("run killed at system calls of a start (sampled, strace): at most one QEMU, and the VM comes up")
def killed_at_syscalls(bed):
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    killed = 0
    for call, nth in kill_points():
        with bed.sandbox() as box:
            box.start()
            peer = box.accept()
            first = box.run_pid()
            # Only the main thread: QEMU must not be counted along.
            tracer = subprocess.Popen(["strace", "-qq", "-o", os.devnull, "-e", f"inject={call}:signal=SIGKILL:when={nth}", "-e", f"trace={call}", "-p", str(first)],
                                      stderr=subprocess.DEVNULL)
            wait_traced(first)
            try:
                box.sync(peer)
                peer.wait_state("Running", timeout=3)
            except (OSError, TimeoutError, Lost):
                pass  # its end is what is wanted
            tracer.kill()
            tracer.wait()
            if box.run_pid() == first:
                continue  # there are fewer of these calls
            killed += 1
            peer.close()
            peer = box.accept()
            if not wait_running(box, peer):
                check(box.sync(peer)["code"] == 0, f"{call} {nth}: once more")
                peer.wait_state("Running")
            check(box.qemu_pid() is not None, f"{call} {nth}: one QEMU")
    print(f"     killed at {killed} system calls")
    check(killed >= 10, f"only {killed}: the test would prove nothing")


def wait_traced(pid):
    for _ in range(200):
        with open(f"/proc/{pid}/status", encoding="utf-8") as f:
            if "TracerPid:\t0\n" not in f.read():
                return
        time.sleep(0.01)
