"""Console and VNC."""
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time

from bed.suite import Skip, case, check
from system.cases_faults import open_console
from system.manifests import sector, vm
from system.root import Console, until

class Follower(Console):
    """A console that is a log: what `logs -f` has printed so far."""

    verb = ("logs", "-f")


LOG_BYTES = 2 << 20  # of the console's log, before it is rotated


@case("three readers see the same console, one writes, a second writer is refused or takes over")
def readers(bed):
    root = bed.root("bootsector")
    root.apply(sector("shared"))
    root.running("shared")
    writer = root.console("shared")
    writer.expect("hello", 20)
    watchers = [root.console("shared", "--read-only") for _ in range(2)]
    for watcher in watchers:
        watcher.expect("hello", 10)  # scroll-back
    writer.send("abc")
    for session in (writer, *watchers):
        session.expect("abc", 10)
    second = root.try_ctl("console", "shared", "--timeout=0", input="")
    check(second.returncode == 1 and "Conflict" in second.stderr, f"second writer: {second.stderr}")
    taker = root.console("shared", "--force")
    taker.expect("hello", 10)
    taker.send("xyz")
    watchers[0].expect("xyz", 10)


@case("a flood on the console: nothing is lost in the log below its limit, a stalled reader costs nobody")
def flood(bed):
    root = bed.root("guest")
    root.apply(vm("flood"))
    root.running("flood")
    console = root.console("flood").login()
    stalled = root.console("flood", "--read-only")  # never read from here on
    lines = 450000 if os.environ.get("WRY_TEST_LONG") else 30000
    first, last = 10000001, 10000000 + lines
    began = time.monotonic()
    console.send(f"seq {first} {last} | sed 's/$/ of the flood/'\n")
    console.expect(f"{last} of the flood", 60 + lines // 1000)
    print(f"     {lines * 23 / (time.monotonic() - began) / 1000:.0f} kB/s past a stalled reader", flush=True)
    got = [int(n) for n in re.findall(r"(\d{8}) of the flood", console.text)]
    check(got == list(range(first, last + 1)), f"the reader's stream has gaps: {len(got)} lines")
    until(20, "the log is complete", lambda: f"{last} of" in root.ctl("logs", "flood"))
    seen = [int(n) for n in re.findall(r"(\d{8}) of the flood", root.ctl("logs", "flood"))]
    check(seen == list(range(seen[0], last + 1)), f"the log has gaps: {len(seen)} lines from {seen[0]}")
    check(lines * 23 > LOG_BYTES or seen[0] == first, f"the log lost its beginning: {seen[0]}")
    check(stalled.process.poll() is None, "the stalled reader is still connected")
    check(root.field("vmi", "flood", ".status.phase") == "Running", "phase")


@case("logs --previous shows the boot before")
def previous_log(bed):
    root = bed.root("bootsector")
    root.apply(sector("logged", grace=0))
    root.running("logged")
    console = root.console("logged")
    console.expect("hello", 20)
    console.send("first-boot")
    until(10, "the log has it", lambda: "first-boot" in root.ctl("logs", "logged"))
    uid = root.field("vmi", "logged", ".metadata.uid")
    root.ctl("restart", "logged")
    until(40, "another VMI", lambda: root.field("vmi", "logged", ".metadata.uid") not in ("", uid))
    root.running("logged", 30)
    until(20, "the new log", lambda: "hello" in root.ctl("logs", "logged"))
    check("first-boot" not in root.ctl("logs", "logged"), "the new log is new")
    check("first-boot" in root.ctl("logs", "logged", "--previous"), "the old one is kept")
    root.restart()
    check("first-boot" in root.ctl("logs", "logged", "--previous") and "first-boot" not in root.ctl("logs", "logged"), "by the next handler too")
    root.ctl("stop", "logged", "--force", "--grace-period=0")
    until(20, "Stopped", lambda: root.field("vm", "logged", ".status.printableStatus") == "Stopped")
    check("hello" in root.ctl("logs", "logged") and "first-boot" in root.ctl("logs", "logged", "--previous"), "of a VM that is stopped")


@case("logs -f goes on with what the guest prints, over a new launcher and the next boot, and ends with the VM")
def followed_log(bed):
    root = bed.root("bootsector")
    root.apply(sector("tail", grace=0))
    root.running("tail")
    console = root.console("tail")
    console.expect("hello", 20)
    follower = Follower(root, "tail")
    try:
        follower.expect("hello", 10)
        console.send("one")
        follower.expect("one", 10)
        os.kill(root.sandbox_pids("tail")["launcher"][0], signal.SIGKILL)
        until(20, "the console is back", lambda: open_console(root, "tail")).send("two")
        follower.expect("two", 10)
        root.ctl("restart", "tail")
        follower.expect("hello", 40)
        root.ctl("delete", "vm", "tail")
        until(20, "it ends", lambda: follower.process.poll() is not None)
    finally:
        follower.close()


@case("a real VNC client sees the guest's screen")
def vnc(bed):
    client = shutil.which("gvnccapture")
    if not client:
        raise Skip("gvnccapture is not installed")
    root = bed.root("bootsector")
    root.apply(sector("screen"))
    root.running("screen")
    proxy = subprocess.Popen([root.program("wherryctl"), "--root", root.path, "vnc", "screen", "--proxy-only"], stdout=subprocess.PIPE, text=True)
    try:
        port = int(re.search(r'"port":(\d+)', proxy.stdout.readline()).group(1))
        picture = os.path.join(root.path, "screen.png")
        time.sleep(1)
        shot = subprocess.run([client, f"127.0.0.1:{port - 5900}", picture], capture_output=True, text=True, timeout=60, check=False)
        check(shot.returncode == 0 and os.path.getsize(picture) > 200, f"gvnccapture: {shot.stderr}")
        with open(picture, "rb") as file:
            data = file.read()
        check(data.startswith(b"\x89PNG") and hashlib.sha256(data).hexdigest(), "a PNG")
    finally:
        proxy.kill()
        proxy.wait()
