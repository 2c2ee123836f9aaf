"""kill -9 at a system call of one start and one stop."""
import os
import random
import signal
import subprocess

from bed.suite import case, check
from faults.world import Witness, qemus
from system.manifests import sector
from system.root import Failed, until

LONG = os.environ.get("WRY_TEST_LONG") == "1"
POINTS = int(os.environ.get("WRY_KILL_POINTS", "2"))  # a target and operation
SEED = os.environ.get("WRY_SEED") or str(random.SystemRandom().randrange(10 ** 6))
OPERATION_SECONDS = 30


class Killer:
    """kill_at on one process: kills it at call number `at`, or counts when that is 0."""

    def __init__(self, world, pid, at, child=None):
        argv = [world.program("tests/helpers/kill_at"), str(pid), str(at)] + ([child] if child else [])
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise Failed("kill_at: " + self.process.stderr.read())

    def done(self):
        return self.process.poll() is not None

    def end(self):
        """(True when it has killed, calls counted, number of the call)."""
        while self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(1)
            except subprocess.TimeoutExpired:
                continue
        words = self.process.stdout.read().split()
        self.process.stdout.close()
        self.process.stderr.close()
        if len(words) < 2:
            raise Failed(f"kill_at ended with {self.process.returncode}")
        return words[0] == "killed", int(words[1]), words[2] if len(words) > 2 else None


def killer_of(world, target, operation, at):
    """Of `launcher run` a start makes a new one: it is found below the birth helper, which starts the sandbox."""
    if target == "run" and operation == "start":
        return Killer(world, world.half("birth"), at, "run")
    if target == "run":
        return Killer(world, world.root.sandbox_pids("vm")["launcher"][0], at)
    return Killer(world, world.half(target), at)


def told_running(world):
    return world.root.field("vmi", "vm", ".status.phase") == "Running"


def insist(world, *words, **more):
    """A command as its user gives it: once more when the handler died of the first. A VM that is stopped already needs no stop."""
    def given():
        answer = world.root.try_ctl(*words, **more)
        return answer.returncode == 0 or "not running" in answer.stderr
    until(OPERATION_SECONDS, f"wherryctl {words[0]} is taken", given, 0.3)


def start_once(world, target, at):
    """One start with the kill in it."""
    killer = killer_of(world, target, "start", at)
    try:
        insist(world, "apply", "-f", "-", input=sector("vm"))
        until(OPERATION_SECONDS, "the kill, or a VM that runs", lambda: killer.done() or told_running(world))
    finally:
        result = killer.end()
    return result


def stop_once(world, target, at):
    killer = killer_of(world, target, "stop", at)
    try:
        insist(world, "stop", "vm", "--force", "--grace-period=0")
        until(OPERATION_SECONDS, "the kill, or a VMI that is gone", lambda: killer.done() or not world.root.field("vmi", "vm", ".metadata.uid"))
    finally:
        result = killer.end()
    return result


def start_point(world, target, at):
    with Witness(world.root.path) as witness:
        killed, count, number = start_once(world, target, at)
        before = {pid for pids in qemus(world.root.path).values() for pid in pids} if told_running(world) else None
        pid = world.up()
        check(before is None or pid in before, f"QEMU of a VM that ran: {before}, now {pid}")
        world.verbs_work()
        check(world.root.qemu_pid("vm") == pid, "still the same QEMU")
    check(witness.most <= 1, f"more than one QEMU at once: {witness.worst}")
    return killed, count, number


def stop_point(world, target, at):
    world.start()
    world.up()
    with Witness(world.root.path) as witness:
        result = stop_once(world, target, at)
        world.stopped()
    check(witness.most <= 1, f"more than one QEMU at once: {witness.worst}")
    return result


def points(label, count):
    if LONG:
        return range(1, count + 1)
    return sorted(random.Random(f"{SEED} {label}").sample(range(1, count + 1), min(POINTS, count)))


def kill_points(world, target, operation):
    """First counts, then kills at points in the count; after each the invariants."""
    one = start_point if operation == "start" else stop_point
    world.fresh_handler()
    _, count, _ = one(world, target, 0)
    world.delete()
    check(count > 10, f"{count} system calls: the target was not traced")
    chosen = points(f"{target} {operation}", count)
    print(f"     {target}, {operation}: {count} system calls; seed {SEED}, killed at {' '.join(map(str, chosen)) if not LONG else 'each'}", flush=True)
    for at in chosen:
        world.fresh_handler()
        try:
            one(world, target, at)
            world.delete()
        except Exception as problem:
            raise Failed(f"WRY_SEED={SEED}: {target} killed at call {at} of a {operation}: {problem}") from problem


@case("kill -9 of the handler's main at any system call of a start: the VM comes up, once, and nothing is left after it")
def main_start(bed):
    kill_points(bed.world(), "main", "start")


@case("kill -9 of the root half at any system call of a start")
def root_start(bed):
    kill_points(bed.world(), "root", "start")


@case("kill -9 of the birth helper at any system call of a start")
def birth_start(bed):
    kill_points(bed.world(), "birth", "start")


@case("kill -9 of launcher run at any system call of a start")
def run_start(bed):
    kill_points(bed.world(), "run", "start")


@case("kill -9 of the handler's main at any system call of a stop: the VM stops, once, and nothing is left of it")
def main_stop(bed):
    kill_points(bed.world(), "main", "stop")


@case("kill -9 of the root half at any system call of a stop")
def root_stop(bed):
    kill_points(bed.world(), "root", "stop")


@case("kill -9 of the birth helper at any system call of a stop")
def birth_stop(bed):
    kill_points(bed.world(), "birth", "stop")


@case("kill -9 of launcher run at any system call of a stop")
def run_stop(bed):
    kill_points(bed.world(), "run", "stop")
