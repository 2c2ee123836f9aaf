"""What a running VM costs beside its guest: memory, wake-ups, QMP commands; and the handler."""
import time

from bench.ours import qmp_commands, rollup, rss, tasks
from system.manifests import vm

VMS = 8
DIRTY_GOAL, PSS_GOAL, QMP_GOAL, WAKEUPS_GOAL, CPU_GOAL = 6.0, 8.0, 15, 0.1, 0.005
SETTLE = 3  # seconds until a start's last work is done
AGENT_CALM, AGENT_SECONDS = 90, 250  # a guest agent is asked more often at first, then once in 240 s


def mib(pids, field):
    return sum(rollup(pid, field) for pid in pids) / 1024


def idle(pids, seconds):
    """Wake-ups a second and percent of a core of these processes together."""
    before = {pid: tasks(pid) for pid in pids}
    began = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - began
    wakes = spent = 0
    for pid in pids:
        for task, (switches, cpu) in tasks(pid).items():
            first = before[pid].get(task, (0, 0))
            wakes += switches - first[0]
            spent += cpu - first[1]
    return wakes / passed, spent / 1e9 / passed * 100


def memory_and_idle(rows, ours, options):
    names = [f"cost-{i}" for i in range(VMS)]
    ours.start_many(names[:1])
    time.sleep(SETTLE)
    alone = ours.managers(names[0])
    rows.add("memory beside QEMU, one VM: private dirty", "MiB", mib(alone, "Private_Dirty"), goal=DIRTY_GOAL)
    rows.add("memory beside QEMU, one VM: PSS", "MiB", mib(alone, "Pss"))
    ours.start_many(names[1:])
    time.sleep(SETTLE)
    groups = [ours.managers(name) for name in names]
    rows.add_series(f"memory beside QEMU, {VMS} VMs, each: private dirty", "MiB", [mib(pids, "Private_Dirty") for pids in groups], DIRTY_GOAL)
    rows.add_series(f"memory beside QEMU, {VMS} VMs, each: PSS", "MiB", [mib(pids, "Pss") for pids in groups], PSS_GOAL)
    handler = ours.root.handler_pids()
    rows.add(f"handler with {VMS} VMs: RSS of its three processes", "MiB", sum(rss(pid) for pid in handler) / 1024)
    rows.add(f"handler with {VMS} VMs: PSS of its three processes", "MiB", mib(handler, "Pss"))
    seconds = 5 if options.quick else 30
    wakes, spent = idle([pid for pids in groups for pid in pids], seconds)
    rows.add("idle: wake-ups of init and run", "1/s a VM", wakes / VMS, runs=VMS, goal=WAKEUPS_GOAL)
    rows.add("idle: CPU of init and run", "% of a core a VM", spent / VMS, runs=VMS, goal=CPU_GOAL)
    wakes, spent = idle(handler, seconds)
    rows.add(f"idle: wake-ups of the handler, {VMS} VMs", "1/s", wakes)
    ours.drop(names)


def idle_with_agent(rows, ours, options):
    """A Linux guest with its agent: the launcher asks it now and then, and keeps the guest's addresses up to date."""
    root, calm, seconds = ours.root, *((SETTLE, 5) if options.quick else (AGENT_CALM, AGENT_SECONDS))
    root.guest("guest")
    root.apply(vm("agent"))
    root.wait("vmi", "agent", "condition=AgentConnected", 300)
    time.sleep(calm)
    pids = ours.managers("agent")
    wakes, spent = idle(pids, seconds)
    rows.add("idle, Linux guest with agent: wake-ups of init and run", "1/s a VM", wakes, goal=WAKEUPS_GOAL)
    rows.add("idle, Linux guest with agent: CPU of init and run", "% of a core a VM", spent, goal=CPU_GOAL)
    rows.add("memory beside QEMU, Linux guest with agent: private dirty", "MiB", mib(pids, "Private_Dirty"), goal=DIRTY_GOAL)
    ours.drop(["agent"])


def measure(rows, ours, work, options):
    names, length = qmp_commands(ours, work)
    rows.add("QMP commands until the vCPU runs", "commands", len(names), goal=QMP_GOAL, note=" ".join(names))
    rows.add("QMP bytes until the vCPU runs", "bytes", length)
    memory_and_idle(rows, ours, options)
    idle_with_agent(rows, ours, options)
