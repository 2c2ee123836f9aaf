"""The handler's control socket from a measuring program: Varlink without a process in between, so that only the handler is timed."""
import json
import os
import select
import socket
import time

NAME = "io.wherry.Node"


class Refused(Exception):
    """The handler's error reply."""


class Control:
    """One connection. A watch takes a connection of its own."""

    def __init__(self, root):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(os.path.join(root, "run", "control.sock"))
        self.buffer = b""

    def send(self, method, more=False, **parameters):
        call = {"method": f"{NAME}.{method}", "parameters": parameters}
        if more:
            call["more"] = True
        self.sock.sendall(json.dumps(call).encode() + b"\0")

    def receive(self, seconds=60):
        """The next reply's parameters, or None when the time is over."""
        end = time.monotonic() + seconds
        while b"\0" not in self.buffer:
            if not select.select([self.sock], [], [], max(0, end - time.monotonic()))[0]:
                return None
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("the handler closed the connection")
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\0", 1)
        reply = json.loads(text)
        if "error" in reply:
            raise Refused(reply["parameters"].get("message", reply["error"]))
        return reply["parameters"]

    def call(self, method, **parameters):
        self.send(method, **parameters)
        return self.receive()

    def apply(self, manifest):
        return self.call("Apply", manifest=manifest)

    def delete(self, kind, name, grace=0):
        return self.call("Delete", kind=kind, name=name, gracePeriodSeconds=grace)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Watch(Control):
    """What the handler tells of one kind of object, from now on."""

    def __init__(self, root, kind="VirtualMachineInstance", name=None):
        super().__init__(root)
        more = {"name": name} if name else {"allNamespaces": True}
        self.send("Get", more=True, kind=kind, watch=True, **more)
        self.seen = []
        while (change := self.receive())["type"] != "BOOKMARK":
            self.seen.append(change)

    def until(self, test, seconds=60):
        """The first change for which test(type, object) holds, and when it arrived."""
        end = time.monotonic() + seconds
        while change := self.receive(end - time.monotonic()):
            if test(change["type"], change["object"]):
                return change["object"], time.monotonic()
        raise TimeoutError("the handler did not tell what was waited for")

    def phase(self, name, wanted, seconds=60):
        return self.until(lambda kind, o: kind != "DELETED" and o["metadata"]["name"] == name and o["status"].get("phase") == wanted, seconds)

    def gone(self, name, seconds=60):
        return self.until(lambda kind, o: kind == "DELETED" and o["metadata"]["name"] == name, seconds)
