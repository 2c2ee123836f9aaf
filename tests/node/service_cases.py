"""The service as installed: it starts, runs a Linux guest under KVM, and is upgraded under its guests."""
import re

from guests import answers, demo, printed, process, running, small
from suite import case, check


@case("the service is active, and finds a KVM that runs guests")
def service_starts(bed):
    node = bed.fresh()
    check(node.run("systemctl is-active wherry-handler").strip() == "active", "not active")
    check("usable" in node.wait_for("journalctl -u wherry-handler --no-pager | grep -o 'kvm=.*'", 60), "KVM")
    owners = node.run("stat -c %U /proc/$(pgrep -f 'wherry/handler' -o)/. ; ps -o user= -C handler | sort -u")
    check("wherry" in owners.split(), f"no half runs as wherry: {owners}")


@case("the demo comes to its login prompt under real KVM, its gateway answers, and QEMU has nothing it could do without")
def demo_under_kvm(bed):
    node = bed.fresh()
    demo(node)
    log = node.run("wherryctl logs demo")
    check(re.search(r"guest: gateway \S+ answers", log), log[-1500:])
    check("hello from cloud-init on demo" in log, log[-1500:])
    pid, _ = process(node, "demo")
    line = node.run(f"tr '\\0' ' ' </proc/{pid}/cmdline")
    check("accel=kvm" in line or "-accel kvm" in line, line)
    fields = dict(row.split(":\t", 1) for row in node.run(f"cat /proc/{pid}/status").splitlines() if ":\t" in row)
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        check(int(fields[name], 16) == 0, f"{name} {fields[name]}")
    check(fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2", f"{fields['NoNewPrivs']} {fields['Seccomp']}")
    check("0" not in fields["Uid"].split(), f"uid {fields['Uid']}")
    guests = node.run("ps -eo comm=")
    check("libvirtd" not in guests and "virtlogd" not in guests, guests)


@case("restart, stop and start of the service leave a guest as it is, and the service finds it again")
def upgrade(bed):
    node = bed.fresh()
    small(node, "kept")
    before = running(node, "kept")
    pid = process(node, "kept")
    printed(node, "kept", "boot sector: hello")
    for step in ("systemctl restart wherry-handler", "systemctl kill -s KILL wherry-handler",
                 # A new version: another file under the same name.
                 "cp -a /usr/libexec/wherry /usr/libexec/wherry.new && mv /usr/libexec/wherry /usr/libexec/wherry.old && "
                 "mv /usr/libexec/wherry.new /usr/libexec/wherry && systemctl restart wherry-handler",
                 "systemctl stop wherry-handler && sleep 2 && systemctl start wherry-handler"):
        node.run(f"{{ {step}; }} || {{ journalctl -u wherry-handler -n 20 --no-pager -o cat; false; }}")
        answers(node)
        after = running(node, "kept")
        check(after["metadata"]["uid"] == before["metadata"]["uid"], f"{step}: another VMI")
        check(process(node, "kept") == pid, f"{step}: another QEMU")
    node.run("(sleep 1; printf 'still here\\r'; sleep 2) | timeout 5 wherryctl console kept >/dev/null 2>&1; true")
    printed(node, "kept", "still here", 20)


@case("a guest that is deleted leaves no process, cgroup, link, mount or rule")
def no_leak(bed):
    node = bed.fresh()
    look = ("ps -eo comm= | grep -E '^(launcher|qemu|swtpm)' | sort; find /sys/fs/cgroup/wherry -mindepth 1 -type d 2>/dev/null;"
            "ip -o link | cut -d: -f2 | sort; mount | grep -c wherry; nft list ruleset | grep -v counter | md5sum; true")
    before = node.run(look)
    small(node, "brief")
    running(node, "brief")
    check(node.run(look) != before, "nothing is seen of a running guest")
    node.run("wherryctl delete vm brief", 60)
    node.wait_for("! wherryctl get vmi brief 2>/dev/null && ! pidof qemu-system-x86_64", 60)
    after = node.run(f"sleep 2; {look}")
    check(after == before, f"before:\n{before}\nafter:\n{after}")
