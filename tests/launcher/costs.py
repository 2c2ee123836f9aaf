"""What a VM costs (performance.md 1 to 5, 13), as exact counts where there are any."""
import os
import re
import shutil
import subprocess
import tempfile
import time

from life import ready
from suite import Skip, case, check

QMP_MAX = 15
DIRTY_MAX_KIB = 6144
WAKEUPS_MAX = 0.1


def smaps(pid, field):
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
        return int(re.search(rf"^{field}:\s+(\d+) kB", f.read(), re.M)[1])


@case(f"a start takes at most {QMP_MAX} QMP commands")
def qmp_commands(bed):
    with bed.sandbox() as box:
        box.env["TEST_ENV"] = "LIBVIRT_LOG_FILTERS=1:qemu.qemu_monitor LIBVIRT_LOG_OUTPUTS=1:file:/run/wherry/state/libvirt.log"
        ready(box.boot())
        with open(os.path.join(box.dir, "state/libvirt.log"), encoding="utf-8", errors="replace") as f:
            commands = re.findall(r'QEMU_MONITOR_SEND_MSG: .*?"execute":"([a-z_-]+)"', f.read())
        print(f"     {len(commands)} commands: {' '.join(commands)}")
        check(0 < len(commands) <= QMP_MAX, f"{len(commands)}: {commands}")


@case("with the node's capability cache a start probes nothing")
def warm_start(bed):
    def probes(caps):
        with bed.sandbox(caps=caps) as box:
            box.env["TEST_ENV"] = "LIBVIRT_LOG_FILTERS=1:util.command LIBVIRT_LOG_OUTPUTS=1:file:/run/wherry/state/libvirt.log"
            ready(box.boot())
            with open(os.path.join(box.dir, "state/libvirt.log"), encoding="utf-8", errors="replace") as f:
                return len(re.findall(r"About to run .*-machine none", f.read()))
    check(probes(None) > 0, "a cold start probes (else this proves nothing)")
    check(probes(bed.caps) == 0, "a warm start does not")


@case(f"run's private memory stays below {DIRTY_MAX_KIB} KiB")
def memory(bed):
    with bed.sandbox() as box:
        peer = box.boot()
        ready(peer)
        time.sleep(1)
        dirty, pss = smaps(box.run_pid(), "Private_Dirty"), smaps(box.run_pid(), "Pss")
        init = smaps(box.pid("launcher-init"), "Private_Dirty")
        print(f"     run: private dirty {dirty} KiB, PSS {pss} KiB; init: {init} KiB")
        check(dirty + init <= DIRTY_MAX_KIB, f"{dirty} + {init} KiB")


def mapped(pid, words):
    """Those of the words that name a file in the process's memory."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as f:
        text = f.read()
    return [word for word in words if re.search(rf"/[^ \n]*{re.escape(word)}[^/\n]*$", text, re.M)]


SPARED = ("libcrypto.so", "libkrb5.so", "libldap", "libicudata.so", "libstdc++.so")  # what the lean libraries' namesakes bring along


def lean_libraries(bed):
    folder = os.path.join(bed.build, "lean")
    names = [name for name in os.listdir(folder) if name.startswith("lib")] if os.path.isdir(folder) else []
    if not names:
        raise Skip("this build has no lean libraries")
    return names


@case("run loads none of the libraries that only libvirt's way to other hosts needs; QEMU's are its own")
def lean(bed):
    lean_libraries(bed)
    with bed.sandbox() as box:
        ready(box.boot())
        run, qemu = box.run_pid(), box.qemu_pid()
        check(mapped(run, ["/lean/libcurl"]), "run has the lean library")
        check(not mapped(run, SPARED), f"run: {mapped(run, SPARED)}")
        check(not mapped(qemu, ["/lean/"]), "QEMU has no lean library")
        with open(f"/proc/{qemu}/environ", encoding="utf-8") as f:
            check("LD_LIBRARY_PATH" not in f.read(), "QEMU's environment")


@case("a lean library that libvirt cannot do with is done without: the VM starts with the real one")
def lean_refused(bed):
    with tempfile.TemporaryDirectory(prefix="wherry-lean-") as build:
        os.chmod(build, 0o755)
        for name in ("launcher", "launcher-init", "launcher-jail"):
            shutil.copy(os.path.join(bed.build, name), build)
        os.mkdir(os.path.join(build, "lean"))
        name = next(name for name in lean_libraries(bed) if name.startswith("libssh.so"))
        subprocess.run(["cc", "-shared", "-nostdlib", f"-Wl,-soname,{name}", "-x", "c", "/dev/null", "-o", os.path.join(build, "lean", name)], check=True)
        with bed.sandbox() as box:
            box.build = build
            ready(box.boot())
            check(mapped(box.run_pid(), ["libssh.so"]) and not mapped(box.run_pid(), ["/lean/"]), "the real library")


def switches(pid):
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="utf-8") as f:
            total += sum(int(n) for n in re.findall(r"voluntary_ctxt_switches:\s+(\d+)", f.read()))
    return total


@case(f"an idle VM wakes run and init at most {WAKEUPS_MAX} times a second")
def idle(bed):
    with bed.sandbox() as box:
        ready(box.boot())
        time.sleep(3)
        pids = [box.run_pid(), box.pid("launcher-init")]
        before, seconds = sum(map(switches, pids)), 20
        time.sleep(seconds)
        rate = (sum(map(switches, pids)) - before) / seconds
        print(f"     {rate} context switches a second")
        check(rate <= WAKEUPS_MAX, f"{rate} a second")


@case("times of a warm start and a forced stop (shown, with generous bounds)")
def times(bed):
    starts, stops = [], []
    for _ in range(5):
        with bed.sandbox() as box:
            box.start()
            peer = box.accept()
            began = time.monotonic()
            box.sync(peer)
            peer.wait_state("Running")
            starts.append(time.monotonic() - began)
            began = time.monotonic()
            peer.ask("shutdown", graceSeconds=0)
            peer.wait_state("Shutoff")
            stops.append(time.monotonic() - began)
    starts.sort()
    stops.sort()
    print(f"     sync to Running: median {starts[2] * 1000:.0f} ms; shutdown 0 to Shutoff: median {stops[2] * 1000:.0f} ms")
    check(starts[2] < 2 and stops[2] < 1, "far off")
