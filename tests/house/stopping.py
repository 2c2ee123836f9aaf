"""deploy/systemd/stop-guests: who is asked to stop, who is not, and how long it waits."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import threading
import time

from means import TOP, Skip, call, same, script, write

STOP_GUESTS = os.path.join(TOP, "deploy/systemd/stop-guests")


@contextlib.contextmanager
def sandbox(tmp, cgroup):
    """A stand-in for a sandbox: a process called launcher-init in a cgroup below /`cgroup`. Ends on SIGTERM as any process."""
    tops = [t for t in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup") if os.path.exists(os.path.join(t, "cgroup.procs"))]
    if os.getuid() != 0 or not tops:
        raise Skip("no cgroup can be made here")
    paths = [os.path.join(tops[0], cgroup, *below) for below in ((), ("root",), ("root", "one"))]
    program = os.path.join(tmp, "launcher-init")
    shutil.copy("/bin/sleep", program)
    try:
        for path in paths:
            os.mkdir(path)
        with subprocess.Popen([program, "60"]) as process:
            try:
                write(os.path.join(paths[-1], "cgroup.procs"), str(process.pid))
                yield process
            finally:
                process.kill()
    except PermissionError as error:
        raise Skip("no cgroup can be made here") from error
    finally:
        for path in filter(os.path.isdir, reversed(paths)):
            os.rmdir(path)


def case_stop_guests_ends_sandboxes_and_nothing_else(tmp):
    name = f"wherry-house-{os.getpid()}"
    with sandbox(tmp, name) as process, subprocess.Popen([os.path.join(tmp, "launcher-init"), "60"]) as other:
        try:
            reaper = threading.Thread(target=process.wait)
            reaper.start()
            status, out = call([STOP_GUESTS, "--cgroup", name, "--seconds", "10"])
            reaper.join()
            same((status, process.returncode, other.poll()), (0, -signal.SIGTERM, None), out)
        finally:
            other.kill()


def case_stop_guests_says_what_is_left(tmp):
    name = f"wherry-house-{os.getpid()}"
    with sandbox(tmp, name) as process:
        process.send_signal(signal.SIGSTOP)
        status, out = call([STOP_GUESTS, "--cgroup", name, "--seconds", "1"])
        same((status, "1 sandboxes are left" in out), (1, True), out)


def case_stop_guests_ends_by_the_clock(tmp):
    """On a busy host a round takes much longer than the second that it waits."""
    name = f"wherry-house-{os.getpid()}"
    slow = os.path.join(tmp, "slow")
    script(os.path.join(slow, "sleep"), "exec /bin/sleep 3")
    with sandbox(tmp, name) as process:
        process.send_signal(signal.SIGSTOP)
        start = time.monotonic()
        status, out = call([STOP_GUESTS, "--cgroup", name, "--seconds", "4"], env={"PATH": f"{slow}:{os.environ['PATH']}"})
        taken = time.monotonic() - start
        same((status, "1 sandboxes are left" in out, 3 <= taken <= 9), (1, True, True), f"{taken} s: {out}")


def case_stop_guests_looks_at_no_other_process(tmp):
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    name = f"wherry-house-{os.getpid()}"
    trace = os.path.join(tmp, "trace")
    with sandbox(tmp, name) as process, subprocess.Popen(["/bin/sleep", "60"]) as other:
        try:
            process.send_signal(signal.SIGSTOP)
            call(["strace", "-f", "-qq", "-s", "200", "-o", trace, "-e", "trace=%file", STOP_GUESTS, "--cgroup", name, "--seconds", "1"])
            with open(trace, encoding="utf-8", errors="replace") as file:
                seen = set(re.findall(r'"/proc/(\d+)/', file.read()))
            same(seen, {str(process.pid)})
        finally:
            other.kill()


def case_stop_guests_leaves_guests_while_the_host_runs(tmp):
    name = f"wherry-house-{os.getpid()}"
    with sandbox(tmp, name) as process:
        status, out = call([STOP_GUESTS, "--cgroup", name, "--seconds", "5", "--when-host-stops"])
        same((status, out, process.poll()), (0, "", None))
    same(call([STOP_GUESTS, "--nonsense"])[0], 2)
