"""The serial console and VNC with real QEMU."""
import os
import socket
import time

from life import console, ended, ready
from sandbox import Lost, make_vmi
from suite import case, check

FLOOD = 160 * 65536
LOG_BYTES = 2 << 20


def log(box, suffix=""):
    with open(os.path.join(box.dir, "state/serial0.log" + suffix), "rb") as f:
        return f.read()


@case("three readers and a writer see the same, the newest also what was before")
def readers(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        writer = ready(peer)
        others = [console(peer, readOnly=True) for _ in range(3)]
        for other in others:
            other.expect(b"READY")
        others[0].send(b"zzz")
        writer.send(b"abc")
        for one in [writer, *others]:
            one.expect(b"abc")
            check(b"z" not in one.seen, "a reader does not write")


@case("a second writer is refused; with force it takes over")
def one_writer(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        first = ready(peer)
        reply, _ = peer.call("console", readOnly=False, force=False, scrollback=False)
        check(reply["code"] == 6, reply)
        second = console(peer, force=True, scrollback=False)
        try:
            first.expect(b"never", timeout=3)
            check(False, "the first one's session ended")
        except Lost:
            pass
        second.send(b"hi")
        second.expect(b"hi")


@case("10 MiB at full speed: the log holds the last of it without a hole, a reader that stalls costs nobody")
def flood(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        c = ready(peer)
        stalled = console(peer, readOnly=True)
        c.send(b"f")
        lines = c.expect(b"FLOODED", timeout=600)
        check(len(lines) >= FLOOD or b"bytes dropped" in lines, f"{len(lines)} bytes")
        time.sleep(0.5)
        kept = log(box, ".1") + log(box)
        check(LOG_BYTES < len(kept) <= 2 * LOG_BYTES, len(kept))
        check(len(log(box)) <= LOG_BYTES and len(log(box, ".1")) <= LOG_BYTES, "both within their size")
        body = kept[:kept.index(b"\r\nFLOODED")]
        first = body.index(b"\n")
        whole = bytes(0x0a if i & 0x3f == 0 else (i & 0x3f) + 0x21 for i in range(64, 0, -1)) * (len(body) // 64 + 2)
        start = whole.index(body[first:first + 64])
        check(whole[start:start + len(body) - first] == body[first:], "no byte is missing")
        stalled.close()


@case("the log of the boot before is kept as .previous, also when run is restarted in between")
def previous(bed):
    with bed.sandbox() as box:
        with open(os.path.join(box.dir, "state/serial0.log"), "wb") as f:
            f.write(b"of the last boot")
        os.chown(f.name, box.uid, box.uid)
        peer = box.boot()
        ready(peer)
        os.kill(box.run_pid(), 9)
        peer = box.accept()
        peer.wait_state("Running")
        c = console(peer)
        c.send(b"x")
        c.expect(b"x")
        check(log(box, ".previous") == b"of the last boot", "previous")
        check(b"READY" in log(box) and b"x" in log(box), log(box))


@case("VNC is handed over as a connected socket that speaks RFB; without graphics it is refused")
def vnc(bed):
    with bed.sandbox(make_vmi(devices={"autoattachGraphicsDevice": True})) as box:
        peer = box.boot()
        ready(peer)
        reply, fds = peer.call("vnc")
        check(reply["code"] == 0 and len(fds) == 1, reply)
        with socket.socket(fileno=fds[0]) as display:
            display.settimeout(5)
            check(display.recv(12).startswith(b"RFB 003."), "greeting")
    with bed.sandbox(make_vmi(devices={"autoattachSerialConsole": False})) as box:
        peer = box.boot()
        check(peer.call("vnc")[0]["code"] == 6, "no display")
        check(peer.call("console", readOnly=True)[0]["code"] == 6, "no console")


@case("the end of the VM ends console sessions, with its last words delivered")
def last_words(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        c = ready(peer)
        c.send(b"LAST WORDS")
        c.expect(b"LAST WORDS")
        c.send(b"q")
        try:
            c.expect(b"never", timeout=10)
            check(False, "the session ended")
        except Lost:
            pass
        ended(box, peer)
