"""Start and stop: ours, bare QEMU and `virsh create`, one after the other in every round, the first of them changing from round to round."""
import os
import sys
import time

from bench.bare import Bare
from bench.libvirtd import Libvirtd, Unavailable
from bench.ours import STAGES

START_GOAL_BARE, START_GOAL_VIRSH, STOP_GOAL_BARE = 1.5, 0.25, 2.0
SETTLE = 0.3  # between a start and its stop: what a start leaves to be done must not count as part of the stop


class Side:
    """One of those that are compared, with its times."""

    def __init__(self, name, subject):
        self.name, self.subject, self.starts, self.stops = name, subject, [], []

    def round(self):
        subject = self.subject
        subject.prepare()
        try:
            began = time.monotonic()
            began = subject.start() or began
            ended = time.monotonic()
            self.starts.append((ended - began) * 1000)
            time.sleep(SETTLE)
            if hasattr(subject, "note_stages"):
                subject.note_stages(began, ended)
            began = time.monotonic()
            began = subject.stop() or began
            self.stops.append((time.monotonic() - began) * 1000)
        finally:
            subject.clean()


def make_peers(ours, work):
    """The peers, made from what a running VM of ours looks like."""
    ours.prepare()
    ours.start()
    try:
        sides = [Side("bare", Bare(ours.qemu_pid("bench"), os.path.join(work, "bare")))]
        try:
            sides.append(Side("virsh", Libvirtd(ours.init_pid("bench"), os.path.join(work, "virsh"))))
        except Unavailable as reason:
            print(f"bench: left out: virsh: {reason}", file=sys.stderr)
    finally:
        ours.stop()
        ours.clean()
    return sides


def measure(rows, ours, work, options):
    sides = [Side("ours", ours)]
    try:
        sides += make_peers(ours, work)
        for side in sides:  # the first time fills caches
            side.round()
            side.starts, side.stops = [], []
        ours.ended, ours.stages = [], []
        for i in range(options.pairs):
            for k in range(len(sides)):
                sides[(i + k) % len(sides)].round()
    finally:
        for side in sides[1:]:
            side.subject.close()
    mine, bare = sides[0], sides[1]
    rows.add_pairs("start: manifest accepted to vCPU running, against bare QEMU", "ms", mine.starts, bare.starts, START_GOAL_BARE)
    for virsh in sides[2:]:
        rows.add_pairs("start: against virsh create", "ms", mine.starts, virsh.starts, START_GOAL_VIRSH)
    for (name, _), times in zip(STAGES, zip(*ours.stages)):
        rows.add_series(f"start, of ours: {name}", "ms", times)
    rows.add_pairs("stop: request to QEMU reaped, against bare QMP quit", "ms", [s * 1000 for s in ours.ended], bare.stops, STOP_GOAL_BARE)
    rows.add_pairs("stop: request to nothing left (network, cgroup, files), against bare QMP quit", "ms", mine.stops, bare.stops)
    for virsh in sides[2:]:
        rows.add_pairs("stop: request to nothing left, against virsh destroy", "ms", mine.stops, virsh.stops)
