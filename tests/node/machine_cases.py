"""The bed itself: what the scenarios take for granted about the node."""
from suite import case, check

QEMU = ("timeout 60 qemu-system-x86_64 -machine q35,accel=kvm -cpu host -m 128 -nodefaults -display none -serial stdio "
        "-no-reboot -kernel /srv/guests/vmlinuz -initrd /srv/guests/initrd.img -append 'console=ttyS0 loglevel=4'")


@case("pure cgroup v2, systemd, /dev/kvm with nested paging")
def node_kernel(bed):
    node = bed.fresh()
    check(node.run("stat -fc %T /sys/fs/cgroup").strip() == "cgroup2fs", "no pure cgroup v2")
    controllers = node.run("cat /sys/fs/cgroup/cgroup.controllers").split()
    check({"cpu", "memory", "pids", "io"} <= set(controllers), str(controllers))
    check(node.run("cat /proc/1/comm").strip() == "systemd", "pid 1")
    check("Nested Paging enabled" in node.run("dmesg | grep -i kvm"), "KVM")


@case("a Linux guest reaches its login under the node's KVM")
def nested_kvm(bed):
    node = bed.fresh()
    node.run(f"(sleep 40) | {QEMU} >/tmp/console 2>&1 &")
    node.wait_for("grep -q 'login: ' /tmp/console", 60)
    text = node.run("cat /tmp/console")
    check("guest: ready after" in text, text)


@case("a snapshot brings back memory and disk")
def snapshots(bed):
    node = bed.fresh()
    node.run("echo gone >/root/trace; sync; sleep 300 >/dev/null 2>&1 &")
    node = bed.fresh()
    check(node.attempt("test -e /root/trace")[0] != 0, "the file is still there")
    check(node.attempt("pidof sleep")[0] != 0, "the process is still there")


@case("what was synced survives a power cut, what ran does not")
def power(bed):
    node = bed.fresh()
    node.run("echo kept >/root/trace; sync; echo lost >/run/trace; sleep 300 >/dev/null 2>&1 &")
    node.power_cut()
    check(node.run("cat /root/trace").strip() == "kept", "the file is gone")
    check(node.attempt("test -e /run/trace")[0] != 0, "/run survived")
    check(node.attempt("pidof sleep")[0] != 0, "a process survived")
