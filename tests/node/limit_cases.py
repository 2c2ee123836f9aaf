"""A guest's cgroup: limits and device rules, tried by a process that is put into it."""
from guests import process, running, small
from suite import case, check

# Joins the cgroup, then does something as root: only the cgroup can be what stops it.
INSIDE = "echo $$ >/sys/fs/cgroup{cgroup}/cgroup.procs && "


def guest(bed, name):
    """(node, cgroup of QEMU) for a fresh small guest."""
    node = bed.fresh()
    small(node, name)
    running(node, name)
    return node, process(node, name)[1]


@case("memory: the limit is in force, and who passes it is killed")
def memory_limit(bed):
    node, cgroup = guest(bed, "memory")
    limit = node.run(f"d=/sys/fs/cgroup{cgroup}; while [ \"$d\" != /sys/fs/cgroup ]; do cat $d/memory.max; d=$(dirname $d); done")
    numbers = [int(word) for word in limit.split() if word != "max"]
    check(numbers, f"no limit above {cgroup}: {limit}")
    mib = min(numbers) >> 20
    check(64 <= mib <= 1024, f"{mib} MiB for a guest of 16")
    eat = f"python3 -c 'b = bytearray({mib + 64} << 20)'"
    status, text = node.attempt(INSIDE.format(cgroup=cgroup) + f"echo 1000 >/proc/self/oom_score_adj && {eat}", 90)
    check(status in (137, 9), f"{mib + 64} MiB were had: {status} {text}")
    node.run(eat, 90)


@case("processes: their number is limited")
def process_limit(bed):
    node, cgroup = guest(bed, "pids")
    count = "import os,time\nn=0\ntry:\n  while n<20000:\n    p=os.fork()\n    if p==0: time.sleep(20); os._exit(0)\n    n+=1\n" \
            "except OSError: pass\nprint(n, flush=True)\nos.killpg(0, 9)"
    node.put("/root/fork.py", count)
    _, text = node.attempt(f"setsid sh -c '{INSIDE.format(cgroup=cgroup)} exec python3 /root/fork.py'", 120)
    check(0 <= int(text.split()[0]) < 20000, text)


@case("devices: KVM, null and their like can be opened; the host's disk, its memory and new nodes cannot")
def device_rules(bed):
    node, cgroup = guest(bed, "devices")
    inside = INSIDE.format(cgroup=cgroup)
    for path in ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/kvm"):
        status, text = node.attempt(inside + f"exec 3<{path}")
        check(status == 0, f"{path}: {text}")
    node.run("mknod /root/vda b 254 0; mknod /root/mem c 1 1; exec 3</dev/vda; exec 3</root/mem")
    for path in ("/dev/vda", "/root/mem", "/dev/port", "/dev/vhost-vsock", "/dev/loop-control", "/dev/fuse"):
        status, text = node.attempt(f"test -e {path} || exit 9; {inside} exec 3<{path}")
        check(status == 9 or (status != 0 and "not permitted" in text), f"{path} inside: {status} {text}")


@case("cpu: no more than the VM's limit, whoever runs in the cgroup")
def cpu_limit(bed):
    node, cgroup = guest(bed, "cpu")
    spin = "import time,os\nend=time.monotonic()+6\nwhile time.monotonic()<end: pass\nprint(time.process_time())"
    node.put("/root/spin.py", spin)
    used = float(node.run(INSIDE.format(cgroup=cgroup) + "exec python3 /root/spin.py").split()[-1])
    check(used < 6 * 0.75, f"{used} s of processor time in 6 s with a limit of half a processor")
