"""The probe program as an object, and small helpers of the cases."""
import json
import os
import queue
import subprocess
import threading
import time

import fake

CASES = []


def case(function):
    """Registers a case: a function of the bed."""
    CASES.append(function)
    return function


class Skip(Exception):
    """The case cannot run here; the text says why."""


class Probe:
    """build/tests/kube/probe: commands in, JSON lines out."""

    def __init__(self, program, *args, env=None):
        self.process = subprocess.Popen([program, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ, **(env or {})))
        self.lines, self.seen = queue.Queue(), []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def send(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def wait(self, test, seconds=20):
        """The first line from now on for which `test` holds; the ones before it stay in `seen`."""
        ends = time.monotonic() + seconds
        while True:
            try:
                line = self.lines.get(timeout=max(0.01, ends - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no such line in {seconds} s; the last ones: {self.seen[-5:]}") from None
            assert line is not None, f"the probe ended; the last lines: {self.seen[-5:]}"
            self.seen.append(line)
            if test(line):
                return line

    def have(self, test, seconds=20):
        """As `wait`, but a line that was seen already counts."""
        return next((line for line in self.seen if test(line)), None) or self.wait(test, seconds)

    def call(self, number, *words, seconds=40):
        self.send(" ".join(["call", str(number), *words]))
        return self.wait(lambda line: line.get("done") == number, seconds)

    def dump(self, number):
        self.send(f"dump {number}")
        return self.wait(lambda line: "dump" in line)

    def end(self):
        """Ends it in good order; its exit code."""
        if self.process.poll() is None:
            try:
                self.process.stdin.close()
            except OSError:
                pass
        return self.process.wait(20)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Bed:
    """Where the probe is, the authority, and what must be ended."""

    def __init__(self, build, work, authority):
        self.program = os.path.join(build, "tests/kube/probe")
        self.work, self.authority, self.open = work, authority, []
        self.long = os.environ.get("WRY_TEST_LONG") == "1"
        self.count = 0

    def server(self, tls=False, **options):
        server = fake.Server(self.authority.server() if tls is True else tls or None, **options)
        self.open.append(server.stop)
        return server

    def kubeconfig(self, server, cluster=None, user=None, scheme="http"):
        self.count += 1
        path = os.path.join(self.work, f"kubeconfig{self.count}")
        text = {"apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "clusters": [{"name": "k", "cluster": {"server": f"{scheme}://127.0.0.1:{server.port}", **(cluster or {})}}], "users": [{"name": "u", "user": user or {"token": "t"}}]}
        with open(path, "w", encoding="ascii") as f:
            json.dump(text, f)
        return path

    def probe(self, server, *args, env=None, **options):
        return self.start("--kubeconfig", self.kubeconfig(server, **options), *args, env=env)

    def start(self, *args, env=None):
        probe = Probe(self.program, *args, env=env)
        self.open.append(probe.kill)
        probe.wait(lambda line: "ready" in line or "fatal" in line)
        return probe

    def clean(self):
        for end in reversed(self.open):
            end()
        self.open = []


def same(found, expected, more=""):
    assert found == expected, f"expected {expected!r}, found {found!r} {more}"


def settle(probe, server, number, plural, seconds=20):
    """Waits until the probe's store has what the server has."""
    ends = time.monotonic() + seconds
    while True:
        there = sorted((o["metadata"].get("namespace", ""), o["metadata"]["name"], o["metadata"]["uid"], o["metadata"]["resourceVersion"]) for (p, _, _), o in list(server.objects.items()) if p == plural)
        seen = sorted((o["ns"], o["name"], o["uid"], o["version"]) for o in probe.dump(number)["dump"])
        if there == seen:
            return
        assert time.monotonic() < ends, f"server {there}\n  store {seen}\n  lines {probe.seen[-8:]}"
        time.sleep(0.05)
